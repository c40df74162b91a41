/* The core: start and join, yield, channels, the ring of 503, the clock. */
#include "harness.h"

typedef sn_chan_of(long) long_chan;

static int nothing(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

static double spawn_join(sn_ctx *ctx, long n)
{
    int64_t begin = sn_now();
    for (long i = 0; i < n; i++) {
        sn_group g;
        sn_group_init(&g, ctx);
        must(sn_group_go(&g, nothing, NULL));
        must(sn_group_wait(&g));
    }
    return since(begin);
}

static double spawn_join_1k(sn_ctx *ctx, long n)
{
    int64_t begin = sn_now();
    for (long i = 0; i < n; i += 1000) {
        sn_group g;
        sn_group_init(&g, ctx);
        for (int k = 0; k < 1000; k++)
            must(sn_group_go(&g, nothing, NULL));
        must(sn_group_wait(&g));
    }
    return since(begin);
}

static int yielder(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    for (long i = *(long *)arg; i > 0; i--)
        sn_yield();
    return 0;
}

static double yield(sn_ctx *ctx, long n)
{
    long half = n / 2;
    sn_group g;
    int64_t begin = sn_now();
    sn_group_init(&g, ctx);
    must(sn_group_go(&g, yielder, &half));
    must(sn_group_go(&g, yielder, &half));
    must(sn_group_wait(&g));
    return since(begin);
}

struct pair {
    long_chan there, back;
    long n;
};

static int pong(sn_ctx *ctx, void *arg)
{
    struct pair *p = arg;
    long v;
    for (long i = 0; i < p->n; i++) {
        must(sn_chan_recv(ctx, p->there, &v));
        must(sn_chan_send(ctx, p->back, &v));
    }
    return 0;
}

static int ping(sn_ctx *ctx, void *arg)
{
    struct pair *p = arg;
    long v = 0;
    for (long i = 0; i < p->n; i++) {
        must(sn_chan_send(ctx, p->there, &i));
        must(sn_chan_recv(ctx, p->back, &v));
        must(v == i ? 0 : SN_EIO);
    }
    return 0;
}

static double pingpong(sn_ctx *ctx, long n)
{
    struct pair p = { .n = n };
    sn_group g;
    must(sn_chan_make(&p.there, 0));
    must(sn_chan_make(&p.back, 0));
    int64_t begin = sn_now();
    sn_group_init(&g, ctx);
    must(sn_group_go(&g, pong, &p));
    must(sn_group_go(&g, ping, &p));
    must(sn_group_wait(&g));
    double ns = since(begin);
    sn_chan_free(p.there);
    sn_chan_free(p.back);
    return ns;
}

static double chan_uncontended(sn_ctx *ctx, long n)
{
    long_chan c;
    long v = 0;
    must(sn_chan_make(&c, 8));
    int64_t begin = sn_now();
    for (long i = 0; i < n; i++) {
        must(sn_chan_send(ctx, c, &i));
        must(sn_chan_recv(ctx, c, &v));
    }
    double ns = since(begin);
    sn_chan_free(c);
    return ns;
}

enum { RING = 503 };
struct node {
    long_chan in, out;
};

static int ring_node(sn_ctx *ctx, void *arg)
{
    struct node *node = arg;
    long v;
    do {
        must(sn_chan_recv(ctx, node->in, &v));
        long next = v - 1;
        if (v > 1 - RING) /* below 0 it goes round once more and ends each node */
            must(sn_chan_send(ctx, node->out, &next));
    } while (v > 0);
    return 0;
}

static double threadring(sn_ctx *ctx, long n)
{
    static long_chan c[RING];
    sn_group g;
    for (int i = 0; i < RING; i++)
        must(sn_chan_make(&c[i], 0));
    sn_group_init(&g, ctx);
    for (int i = 0; i < RING; i++) {
        struct node node = { c[i], c[(i + 1) % RING] };
        must(sn_group_go_copy(&g, ring_node, &node));
    }
    sn_yield();
    int64_t begin = sn_now();
    must(sn_chan_send(ctx, c[0], &n));
    must(sn_group_wait(&g));
    double ns = since(begin);
    for (int i = 0; i < RING; i++)
        sn_chan_free(c[i]);
    return ns;
}

static double now(sn_ctx *ctx, long n)
{
    int64_t begin = sn_now(), last = begin;
    bool back = false;
    (void)ctx;
    for (long i = 0; i < n; i++) {
        int64_t t = sn_now();
        back |= t < last;
        last = t;
    }
    must(back ? SN_EIO : 0);
    return since(begin);
}

static double select_ready(sn_ctx *ctx, long n)
{
    long_chan a, b;
    long v;
    must(sn_chan_make(&a, 1));
    must(sn_chan_make(&b, 1));
    int64_t begin = sn_now();
    for (long i = 0; i < n; i++) {
        must(sn_chan_send(ctx, i % 2 ? a : b, &i));
        sn_case cases[] = { sn_on_recv(a, &v), sn_on_recv(b, &v) };
        must(sn_select(ctx, cases, 2));
    }
    double ns = since(begin);
    sn_chan_free(a);
    sn_chan_free(b);
    return ns;
}

int main(void)
{
    bench_run("spawn_join", spawn_join, 1000000);
    bench_run("spawn_join_1k", spawn_join_1k, 2000000);
    bench_run("yield", yield, 4000000);
    bench_run("pingpong", pingpong, 1000000);
    bench_run("chan_uncontended", chan_uncontended, 4000000);
    bench_run("threadring", threadring, 2000000);
    bench_run("select_ready", select_ready, 1000000);
    bench_run("now", now, 4000000);
    return 0;
}
