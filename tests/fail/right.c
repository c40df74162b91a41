/* The control: this one must compile, or the others fail for the wrong reason. */
#include <sennit.h>
typedef sn_chan_of(int) int_chan;
typedef sn_swap_of(int) int_swap;
typedef sn_ring_of(int) int_ring;
int f(sn_ctx *ctx, int_chan c, sn_chan_unit u, const int *in, int *out);
int f(sn_ctx *ctx, int_chan c, sn_chan_unit u, const int *in, int *out)
{
    sn_case cases[] = { sn_on_send(c, in), sn_on_send(c, out), sn_on_recv(c, out), sn_on_unit_send(u) };
    int r = sn_chan_make(&c, 1);
    return r + sn_chan_send(ctx, c, in) + sn_chan_send(ctx, c, out) + sn_chan_recv(ctx, c, out) + sn_chan_unit_recv(ctx, u) +
           sn_signal_notify(c, 2) + sn_select(ctx, cases, 4);
}
int g(int_swap *s, sn_swap_guard *guard, const int *in, int *out);
int g(int_swap *s, sn_swap_guard *guard, const int *in, int *out)
{
    const int *now = sn_swap_enter(s, guard);
    int r = sn_swap_init(s, in, NULL) + sn_swap_set(s, out) + sn_swap_compare_set(s, guard, in);
    sn_swap_leave(s, guard);
    sn_swap_destroy(s);
    return now ? r : 0;
}
int h(int_ring r, const int *in, int *out);
int h(int_ring r, const int *in, int *out)
{
    int e = sn_ring_make(&r, SN_RING_MPSC, 8);
    e += sn_ring_try_push(r, in) + sn_ring_try_push(r, out) + sn_ring_try_pop(r, out);
    return e + sn_ring_try_push_n(r, 2, in) + sn_ring_try_pop_n(r, 2, out) + (int)(sn_ring_len(r) + sn_ring_cap(r));
}
