#include <sennit.h>
typedef sn_chan_of(int) int_chan;
int f(sn_ctx *ctx, int_chan c, const int *v);
int f(sn_ctx *ctx, int_chan c, const int *v)
{
    return sn_chan_recv(ctx, c, v); /* nothing can be received into a constant */
}
