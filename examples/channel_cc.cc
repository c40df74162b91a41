// channel.c in C++.
#include <sennit.h>

#include <cstdio>

typedef sn_chan_of(long) long_chan;

struct stage {
    long_chan in, out;
};

static int numbers(sn_ctx *ctx, void *arg)
{
    auto *s = static_cast<stage *>(arg);
    int r = 0;

    for (long i = 1; i <= 20 && r == 0; i++)
        r = sn_chan_send(ctx, s->out, &i);
    sn_chan_close(s->out);
    return r;
}

static int only_odd(sn_ctx *ctx, void *arg)
{
    auto *s = static_cast<stage *>(arg);
    long v;
    int r;

    while ((r = sn_chan_recv(ctx, s->in, &v)) == 0)
        if (v % 2 == 1 && (r = sn_chan_send(ctx, s->out, &v)) < 0)
            break;
    sn_chan_close(s->out);
    return r == SN_ECLOSED ? 0 : r;
}

static int squared(sn_ctx *ctx, void *arg)
{
    auto *s = static_cast<stage *>(arg);
    long v;
    int r;

    while ((r = sn_chan_recv(ctx, s->in, &v)) == 0) {
        const long square = v * v;
        if ((r = sn_chan_send(ctx, s->out, &square)) < 0)
            break;
    }
    sn_chan_close(s->out);
    return r == SN_ECLOSED ? 0 : r;
}

// Starts the three stages and adds up what comes out of the last.
static int run_stages(sn_group *g, sn_ctx *gc, stage (&stages)[3])
{
    sn_fn *const fns[] = { numbers, only_odd, squared };
    long v, sum = 0;
    int r = 0;

    for (int i = 0; i < 3 && r == 0; i++)
        r = sn_group_go(g, fns[i], &stages[i]);
    while (r == 0 && (r = sn_chan_recv(gc, stages[2].out, &v)) == 0) {
        std::printf("%ld ", v);
        sum += v;
    }
    std::printf("\nsum %ld\n", sum);
    return r;
}

static int app(sn_ctx *ctx, void *)
{
    long_chan a = {}, b = {}, c = {};
    sn_group g;
    int r;

    sn_ctx *gc = sn_group_init(&g, ctx);
    if ((r = sn_chan_make(&a, 4)) == 0 && (r = sn_chan_make(&b, 4)) == 0 && (r = sn_chan_make(&c, 0)) == 0) {
        stage stages[3] = { { {}, a }, { a, b }, { b, c } };
        r = run_stages(&g, gc, stages);
        if (r != SN_ECLOSED)
            sn_group_cancel(&g);
        int e = sn_group_wait(&g); // the stages live no longer than this block
        r = r == SN_ECLOSED ? e : r;
    } else {
        (void)sn_group_wait(&g);
    }
    sn_chan_free(a);
    sn_chan_free(b);
    sn_chan_free(c);
    return r;
}

int main()
{
    return sn_run(app, nullptr, nullptr) < 0;
}
