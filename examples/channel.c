/* A generator, two filters and a printer, joined by channels: each runs at once, none knows the others. Ends by closing
 * from the front: what is under way arrives, then the next stage closes its own output. */
#include <sennit.h>
#include <stdio.h>

typedef sn_chan_of(long) long_chan;

struct stage {
    long_chan in, out;
};

static int numbers(sn_ctx *ctx, void *arg)
{
    struct stage *s = arg;
    int r = 0;

    for (long i = 1; i <= 20 && r == 0; i++)
        r = sn_chan_send(ctx, s->out, &i);
    sn_chan_close(s->out);
    return r;
}

static int only_odd(sn_ctx *ctx, void *arg)
{
    struct stage *s = arg;
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
    struct stage *s = arg;
    long v;
    int r;

    while ((r = sn_chan_recv(ctx, s->in, &v)) == 0)
        if ((r = sn_chan_send(ctx, s->out, &(long){ v * v })) < 0)
            break;
    sn_chan_close(s->out);
    return r == SN_ECLOSED ? 0 : r;
}

static int app(sn_ctx *ctx, void *arg)
{
    long_chan a = { 0 }, b = { 0 }, c = { 0 };
    sn_group g;
    long v, sum = 0;
    int r, e;

    (void)arg;
    sn_ctx *gc = sn_group_init(&g, ctx);
    if ((r = sn_chan_make(&a, 4)) < 0 || (r = sn_chan_make(&b, 4)) < 0 || (r = sn_chan_make(&c, 0)) < 0)
        goto out;
    struct stage one = { .out = a }, two = { a, b }, three = { b, c };
    if ((r = sn_group_go(&g, numbers, &one)) < 0 || (r = sn_group_go(&g, only_odd, &two)) < 0 ||
        (r = sn_group_go(&g, squared, &three)) < 0)
        goto out;
    while ((r = sn_chan_recv(gc, c, &v)) == 0) {
        printf("%ld ", v);
        sum += v;
    }
    printf("\nsum %ld\n", sum);
out:
    if (r != SN_ECLOSED)
        sn_group_cancel(&g);
    e = sn_group_wait(&g);
    sn_chan_free(a);
    sn_chan_free(b);
    sn_chan_free(c);
    return r == SN_ECLOSED ? e : r;
}

int main(void)
{
    return sn_run(app, NULL, NULL) < 0;
}
