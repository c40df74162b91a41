/* Time and chance: the contract of sennit/time.h. */
#include "sn_test.h"

static int sleeps(sn_ctx *ctx, void *arg)
{
    int64_t begin = sn_now();
    (void)arg;
    CHECK_EQ(sn_sleep(ctx, SN_MS(3)), 0);
    CHECK(sn_now() - begin >= SN_MS(3));
    CHECK_EQ(sn_sleep(ctx, 0), 0);
    CHECK_EQ(sn_sleep(ctx, -5), 0);
    return 0;
}

TEST(sleep_lasts_at_least)
{
    run_each(sleeps, NULL);
    int64_t begin = sn_now();
    CHECK_EQ(sn_sleep(NULL, SN_MS(3)), 0); /* a plain thread */
    CHECK(sn_now() - begin >= SN_MS(3));
}

static int sleeper(sn_ctx *ctx, void *arg)
{
    int64_t ns = (int64_t)(sn_random() % SN_MS(4)), begin = sn_now();
    (void)arg;
    CHECK_EQ(sn_sleep(ctx, ns), 0);
    CHECK(sn_now() - begin >= ns);
    return 0;
}

static int many_sleepers(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 3000; i++)
        CHECK_EQ(sn_group_go(&g, sleeper, NULL), 0);
    return sn_group_wait(&g);
}

TEST(many_sleepers)
{
    run_each(many_sleepers, NULL);
}

static int cancelled_sleeper(sn_ctx *ctx, void *arg)
{
    (void)arg;
    CHECK_EQ(sn_sleep(ctx, SN_SEC(1000) + (int64_t)(sn_random() % SN_SEC(1000))), SN_ECANCELED);
    return 0;
}

static int cancel_sleepers(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(sn_group_go(&g, cancelled_sleeper, NULL), 0);
    CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
    sn_group_cancel(&g);
    return sn_group_wait(&g);
}

TEST(cancelled_sleepers_leave_the_heap)
{
    run_each(cancel_sleepers, NULL);
}

static int busy_yield(sn_ctx *ctx, void *arg)
{
    (void)arg;
    while (sn_ctx_err(ctx) == 0)
        sn_yield();
    return 0;
}

static int timers_among_busy(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(sn_group_go(&g, busy_yield, NULL), 0);
    CHECK_EQ(sn_sleep(ctx, SN_MS(2)), 0); /* timers do not starve among tasks that only yield */
    sn_group_cancel(&g);
    return sn_group_wait(&g);
}

TEST(timers_do_not_starve)
{
    run_each(timers_among_busy, NULL);
}

TEST(now_never_goes_back)
{
    int64_t last = sn_now(), begin = last;
    while (last - begin < SN_MS(120)) { /* past two changes of the clock's rate */
        int64_t now = sn_now();
        CHECK(now >= last);
        last = now;
    }
}

static int seeded(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    *(uint64_t *)arg = sn_random();
    return 0;
}

TEST(the_seed_decides)
{
    uint64_t a, b, c;
    CHECK_EQ(sn_run(seeded, &a, &(sn_run_opts){ .workers = 1, .seed = 5 }), 0);
    CHECK_EQ(sn_run(seeded, &b, &(sn_run_opts){ .workers = 1, .seed = 5 }), 0);
    CHECK_EQ(sn_run(seeded, &c, &(sn_run_opts){ .workers = 1, .seed = 6 }), 0);
    CHECK(a == b && a != c);
    CHECK(sn_random() != sn_random());
}
