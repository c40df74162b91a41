/* Time and chance: the contract of sennit/time.h. */
#include "sn_test.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

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

static void watch_the_clock(int64_t begin, int64_t from, int64_t to)
{
    int64_t last;

    for (last = sn_now(); last < begin + from; last = sn_now())
        CHECK(usleep(1000) == 0 || errno == EINTR);
    while (last < begin + to) {
        int64_t now = sn_now();
        CHECK(now >= last);
        last = now;
    }
}

static void *watch_the_changes(void *arg)
{
    int64_t begin = sn_now();

    (void)arg;
    watch_the_clock(begin, 0, SN_MS(40)); /* its rate is found after 20 ms, and better after 1 s */
    watch_the_clock(begin, SN_MS(980), SN_MS(1040));
    return NULL;
}

TEST(now_never_goes_back)
{
    (void)watch_the_changes(NULL);
}

TEST(now_never_goes_back_in_any_thread)
{
    pthread_t threads[8];

    for (int i = 0; i < 8; i++) /* more than there are processors: some are interrupted at the worst moment */
        CHECK(pthread_create(&threads[i], NULL, watch_the_changes, NULL) == 0);
    for (int i = 0; i < 8; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
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

static int refused(sn_ctx *ctx, void *arg)
{
    sn_ctx *dead, *late;

    (void)arg;
    CHECK_EQ(sn_ctx_with_cancel(&dead, ctx), 0);
    sn_ctx_cancel_cause(dead, SN_EUSER);
    CHECK_EQ(sn_sleep(dead, 0), SN_ECANCELED); /* returns at once, but looks at the context */
    CHECK_EQ(sn_sleep(dead, -1), SN_ECANCELED);
    CHECK_EQ(sn_sleep(dead, INT64_MIN), SN_ECANCELED);
    CHECK_EQ(sn_sleep(dead, SN_FOREVER), SN_ECANCELED);
    sn_ctx_free(dead);
    CHECK_EQ(sn_ctx_with_timeout(&late, ctx, SN_MS(2)), 0);
    CHECK_EQ(sn_sleep(late, SN_FOREVER), SN_ETIMEDOUT);
    CHECK(sn_now() >= sn_ctx_deadline(late));
    CHECK_EQ(sn_sleep(late, 0), SN_ETIMEDOUT);
    sn_ctx_free(late);
    CHECK_EQ(sn_sleep(NULL, 0), 0);
    return 0;
}

TEST(sleep_looks_at_the_context)
{
    run_each(refused, NULL);
    CHECK_EQ(sn_start(NULL), 0);
    CHECK_EQ(refused(NULL, NULL), 0); /* a plain thread */
    CHECK_EQ(sn_stop(), 0);
}

static int own_context(sn_ctx *ctx, void *arg)
{
    CHECK_EQ(sn_sleep(NULL, SN_FOREVER), SN_ECANCELED); /* NULL: the task's own */
    CHECK_EQ(sn_sleep(NULL, 0), SN_ECANCELED);
    CHECK_EQ(sn_sleep(sn_background(), SN_US(10)), 0);
    CHECK_EQ(sn_ctx_err(ctx), SN_ECANCELED);
    __atomic_fetch_add((int *)arg, 1, __ATOMIC_RELAXED);
    return 0;
}

static int cancels_own(sn_ctx *ctx, void *arg)
{
    int n = 0;
    sn_group g;

    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(sn_group_go(&g, own_context, &n), 0);
    CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
    sn_group_cancel(&g);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(n, 20);
    return 0;
}

TEST(null_is_the_own_context)
{
    run_each(cancels_own, NULL);
}

static void *sleeps_until_cancelled(void *arg)
{
    return (void *)(intptr_t)sn_sleep(arg, SN_SEC(1000));
}

TEST(a_plain_thread_without_a_runtime_is_cancelled)
{
    sn_ctx *c;
    pthread_t t;
    void *r;

    CHECK_EQ(sn_ctx_with_cancel(&c, NULL), 0);
    CHECK(pthread_create(&t, NULL, sleeps_until_cancelled, c) == 0);
    CHECK_EQ(sn_sleep(NULL, SN_MS(3)), 0);
    sn_ctx_cancel(c);
    CHECK(pthread_join(t, &r) == 0);
    CHECK_EQ((intptr_t)r, SN_ECANCELED);
    sn_ctx_free(c);
}

static int64_t system_clock(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return SN_SEC(t.tv_sec) + t.tv_nsec;
}

TEST(now_is_near_the_system_clock)
{
    int64_t end = system_clock() + SN_MS(200), before, now;

    while ((before = system_clock()) < end) {
        now = sn_now(); /* between the two, but for what the header allows */
        CHECK(now >= before - SN_MS(1) && now <= system_clock() + SN_MS(1));
    }
}

TEST(units)
{
    CHECK_EQ(SN_US(3), 3000);
    CHECK_EQ(SN_MS(3), 3000000);
    CHECK_EQ(SN_SEC(100000), 100000000000000);
    CHECK_EQ(SN_FOREVER, INT64_MAX);
}

/* Random numbers: no bit stands still, tasks on different workers do not repeat each other. */
static int draws(sn_ctx *ctx, void *arg)
{
    uint64_t *seen = arg; /* [0]: ones, [1]: zeros, [2]: the first of all */
    (void)ctx;
    for (int i = 0; i < 100; i++) {
        uint64_t r = sn_random();
        __atomic_fetch_or(&seen[0], r, __ATOMIC_RELAXED);
        __atomic_fetch_or(&seen[1], ~r, __ATOMIC_RELAXED);
        CHECK(r != __atomic_exchange_n(&seen[2], r, __ATOMIC_RELAXED));
        if (i % 10 == 0)
            sn_yield();
    }
    return 0;
}

static int draw_all(sn_ctx *ctx, void *arg)
{
    uint64_t seen[3] = { 0, 0, 0 };
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 16; i++)
        CHECK_EQ(sn_group_go(&g, draws, seen), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK(seen[0] == UINT64_MAX && seen[1] == UINT64_MAX);
    return 0;
}

TEST(random_bits)
{
    uint64_t a, b;
    run_each(draw_all, NULL);
    CHECK_EQ(draws(NULL, (uint64_t[3]){ 0 }), 0); /* a plain thread */
    CHECK_EQ(sn_run(seeded, &a, &(sn_run_opts){ .workers = 1 }), 0);
    CHECK_EQ(sn_run(seeded, &b, &(sn_run_opts){ .workers = 1 }), 0);
    CHECK(a != b); /* by default each run has a seed of its own */
}
