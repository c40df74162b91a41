// hello.c in C++: a named variable in place of a compound literal, the rest is the same.
#include <sennit.h>

#include <cstdio>

typedef sn_chan_of(int) int_chan;

static int squares(sn_ctx *ctx, void *arg)
{
    auto *out = static_cast<int_chan *>(arg);
    int r = 0;
    for (int i = 1; i <= 5 && r == 0; i++) {
        const int square = i * i;
        r = sn_chan_send(ctx, *out, &square);
    }
    sn_chan_close(*out);
    return r;
}

static int app(sn_ctx *ctx, void *)
{
    int_chan out;
    sn_group g;
    int v, r;

    if ((r = sn_chan_make(&out, 0)) < 0)
        return r;
    sn_ctx *gc = sn_group_init(&g, ctx); // ends when a member fails: nobody waits for a dead sender
    r = sn_group_go(&g, squares, &out);
    while (r == 0 && (r = sn_chan_recv(gc, out, &v)) == 0)
        std::printf("%d\n", v);
    if (r != SN_ECLOSED)
        sn_group_cancel(&g);
    int e = sn_group_wait(&g);
    sn_chan_free(out);
    return e < 0 ? e : r == SN_ECLOSED ? 0 : r;
}

int main()
{
    return sn_run(app, nullptr, nullptr) < 0;
}
