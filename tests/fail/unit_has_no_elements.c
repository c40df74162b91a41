#include <sennit.h>
typedef sn_chan_of(int) int_chan;
int f(sn_ctx *ctx, int_chan c);
int f(sn_ctx *ctx, int_chan c)
{
    return sn_chan_unit_recv(ctx, c);
}
