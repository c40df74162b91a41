/* What gdb_test.sh looks at: a task parked three calls deep, one that has not run, and one that runs. */
#include <sennit.h>

#include <stdlib.h>

typedef sn_chan_of(int) int_chan;

static bool dies;

static __attribute__((noinline)) int innermost(sn_ctx *ctx, int_chan c)
{
    int v = 0, r = sn_chan_recv(ctx, c, &v);
    return r + v;
}

static __attribute__((noinline)) int middle(sn_ctx *ctx, int_chan c)
{
    return innermost(ctx, c) + 1;
}

static int outermost(sn_ctx *ctx, void *arg)
{
    return middle(ctx, *(int_chan *)arg) + 1;
}

static int never_runs(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

/* Where the debugger stops, or a core file is left. */
__attribute__((noinline)) void all_is_set(void)
{
    if (dies)
        abort();
    __asm__ volatile("" : : : "memory");
}

static int app(sn_ctx *ctx, void *arg)
{
    int_chan c;
    sn_group g;
    (void)arg;
    if (sn_chan_make(&c, 0) < 0)
        return 1;
    sn_group_init(&g, ctx);
    if (sn_group_go_opts(&g, outermost, &c, &(sn_task_opts){ .name = "deep" }) < 0)
        return 1;
    if (sn_sleep(ctx, SN_MS(50)) < 0 || sn_group_go(&g, never_runs, NULL) < 0)
        return 1;
    all_is_set();
    sn_chan_close(c);
    (void)sn_group_wait(&g);
    sn_chan_free(c);
    return 0;
}

int main(int argc, char **argv)
{
    dies = argc > 1;
    (void)argv;
    return sn_run(app, NULL, &(sn_run_opts){ .workers = 1, .spares = -1 }) != 0;
}
