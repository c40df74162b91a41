/* The whole runtime in the model: workers, monitor and plain threads in any order, on a weak memory. */
#include "model/model_test.h"

typedef sn_chan_of(int) int_chan;

static void run(sn_fn *fn, int workers, int spares)
{
    CHECK_EQ(sn_run(fn, NULL, &(sn_run_opts){ .workers = workers, .spares = spares, .deadlock = SN_DEADLOCK_NEVER }), 0);
}

/* --- spawn, steal, park, ready, end --- */

static int counts(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)__atomic_fetch_add((int *)arg, 1, __ATOMIC_RELAXED);
    return 0;
}

static int counts_after_a_yield(sn_ctx *ctx, void *arg)
{
    sn_yield();
    return counts(ctx, arg);
}

static int spawns(sn_ctx *ctx, void *arg)
{
    int n = 0;
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 6; i++)
        CHECK_EQ(sn_group_go(&g, i % 2 ? counts : counts_after_a_yield, &n), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(n, 6);
    return 0;
}

MODEL(spawn_and_wait)
{
    (void)arg;
    run(spawns, 2, -1);
}
