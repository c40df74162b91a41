/* The control: this one must compile, or the others fail for the wrong reason. */
#include <sennit.h>
typedef sn_chan_of(int) int_chan;
typedef sn_swap_of(int) int_swap;
typedef sn_ring_of(int) int_ring;
typedef sn_map_of(int64_t, int) int_map;
typedef sn_map_of(char, int) char_map;
typedef sn_map_of_strings(int) word_map;
int f(sn_ctx *ctx, int_chan c, sn_chan_unit u, const int *in, int *out);
int map_of_numbers(int_map m, const int64_t *key, const int *in, int *out);
int other_maps(char_map m, word_map words, const char *key, const int *in, int *out);
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
int map_of_numbers(int_map m, const int64_t *key, const int *in, int *out)
{
    int64_t other = 1;
    int r = sn_map_make(&m, NULL);
    return r + sn_map_put(m, key, in) + sn_map_put(m, &other, out) + sn_map_put_ttl(m, key, SN_SEC(1), in) + sn_map_get(m, key, out) +
           sn_map_put_if_absent(m, key, in) + sn_map_remove(m, key) + sn_map_take(m, &other, out);
}
int other_maps(char_map m, word_map words, const char *key, const int *in, int *out)
{
    char text[] = "text";
    int r = sn_map_make(&m, NULL) + sn_map_make(&words, NULL);
    return r + sn_map_put(m, key, in) + sn_map_put(words, "word", in) + sn_map_put(words, text, out) + sn_map_get(words, key, out);
}

typedef sn_once_of(int) int_once;
int make(sn_ctx *ctx, void *arg, int *value);
int gets_once(sn_ctx *ctx, int_once *o, const int **constant, int **changed);
int gets_once(sn_ctx *ctx, int_once *o, const int **constant, int **changed)
{
    int r = sn_once_get(ctx, o, make, NULL, constant, NULL);
    return r + sn_once_get(ctx, o, make, NULL, changed, NULL);
}
