/* The control: this one must compile, or the others fail for the wrong reason. */
#include <sennit.h>
typedef sn_chan_of(int) int_chan;
int f(sn_ctx *ctx, int_chan c, sn_chan_unit u, const int *in, int *out);
int f(sn_ctx *ctx, int_chan c, sn_chan_unit u, const int *in, int *out)
{
    sn_case cases[] = { sn_on_send(c, in), sn_on_send(c, out), sn_on_recv(c, out), sn_on_unit_send(u) };
    int r = sn_chan_make(&c, 1);
    return r + sn_chan_send(ctx, c, in) + sn_chan_send(ctx, c, out) + sn_chan_recv(ctx, c, out) + sn_chan_unit_recv(ctx, u) +
           sn_signal_notify(c, 2) + sn_select(ctx, cases, 4);
}

typedef sn_once_of(int) int_once;
int make(sn_ctx *ctx, void *arg, int *value);
int g(sn_ctx *ctx, int_once *o, const int **constant, int **changed);
int g(sn_ctx *ctx, int_once *o, const int **constant, int **changed)
{
    int r = sn_once_get(ctx, o, make, NULL, constant, NULL);
    return r + sn_once_get(ctx, o, make, NULL, changed, NULL);
}
