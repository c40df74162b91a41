#include <sennit.h>
typedef sn_chan_of(int) int_chan;
int f(sn_ctx *ctx, int_chan c, long *v);
int f(sn_ctx *ctx, int_chan c, long *v)
{
    return sn_chan_send(ctx, c, v);
}
