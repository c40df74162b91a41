/* The runtime's life and its reports: the contract of sennit/run.h. */
#include "sn_test.h"

#include <pthread.h>

static int returns(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    return *(int *)arg;
}

TEST(result_of_the_main_task)
{
    CHECK_EQ(sn_run(returns, &(int){ 42 }, NULL), 42);
    CHECK_EQ(sn_run(returns, &(int){ SN_EUSER }, NULL), SN_EUSER);
    CHECK_EQ(sn_run_workers(), 0);
}

static int nested(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    CHECK_EQ(sn_run(returns, &(int){ 1 }, NULL), SN_EINVAL);
    CHECK_EQ(sn_start(NULL), SN_EINVAL);
    CHECK_EQ(sn_stop(), SN_EINVAL);
    return sn_run_workers();
}

TEST(options)
{
    CHECK_EQ(sn_run(nested, NULL, &(sn_run_opts){ .workers = 3 }), 3);
    CHECK_EQ(sn_run(nested, NULL, &(sn_run_opts){ .workers = -1 }), SN_EINVAL);
    CHECK_EQ(sn_run(nested, NULL, &(sn_run_opts){ .workers = 257 }), SN_EINVAL);
    CHECK_EQ(sn_run(nested, NULL, &(sn_run_opts){ .stack_size = 1000 }), SN_EINVAL);
    CHECK_EQ(sn_run(nested, NULL, &(sn_run_opts){ .grace_ns = -1 }), SN_EINVAL);
    CHECK_EQ(sn_run(nested, NULL, &(sn_run_opts){ .deadlock = (sn_deadlock)9 }), SN_EINVAL);
    CHECK_EQ(sn_run(NULL, NULL, NULL), SN_EINVAL);
    setenv("SENNIT_WORKERS", "5", 1);
    CHECK_EQ(sn_run(nested, NULL, NULL), 5);
    CHECK_EQ(sn_run(nested, NULL, &(sn_run_opts){ .workers = 2 }), 2);
    setenv("SENNIT_WORKERS", "many", 1);
    CHECK_EQ(sn_run(nested, NULL, NULL), SN_EINVAL);
    unsetenv("SENNIT_WORKERS");
}

TEST(again_and_again)
{
    for (int i = 0; i < 200; i++)
        CHECK_EQ(sn_run(returns, &(int){ 0 }, &(sn_run_opts){ .workers = 1 + i % 4 }), 0);
}

/* --- the end --- */

static int obeys(sn_ctx *ctx, void *arg)
{
    CHECK_EQ(sn_ctx_wait(ctx), SN_ECANCELED);
    __atomic_fetch_add((int *)arg, 1, __ATOMIC_RELAXED);
    return 0;
}

static int leaves_detached(sn_ctx *ctx, void *arg)
{
    for (int i = 0; i < 50; i++)
        CHECK_EQ(sn_task_go(obeys, arg), 0);
    (void)sn_sleep(ctx, SN_MS(1));
    return 0;
}

TEST(what_is_left_gets_cancelled)
{
    int n = 0;
    run_each(leaves_detached, &n);
    CHECK_EQ(n, 150);
}

static char report[65536];

static void keep_report(void *arg, const char *text)
{
    (void)arg;
    snprintf(report, sizeof report, "%s", text);
}

static int stubborn(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return sn_sleep(sn_background(), SN_SEC(1000));
}

static int leaves_stubborn(sn_ctx *ctx, void *arg)
{
    (void)arg;
    CHECK_EQ(sn_task_go_opts(stubborn, NULL, &(sn_task_opts){ .name = "mule" }), 0);
    return sn_sleep(ctx, SN_MS(1));
}

TEST(who_does_not_end_is_reported)
{
    for (int i = 1; i <= 2; i++) {
        sn_run_opts o = { .workers = i, .grace_ns = SN_MS(20), .report = keep_report };
        report[0] = '\0';
        CHECK_EQ(sn_run(leaves_stubborn, NULL, &o), SN_ELEFT);
        CHECK(strstr(report, "left over"));
        CHECK(strstr(report, "\"mule\""));
        CHECK(strstr(report, "run_test.c:"));
        CHECK(strstr(report, "sleeping"));
    }
    CHECK_EQ(sn_run(returns, &(int){ 3 }, NULL), 3); /* and a new runtime works */
}

/* --- deadlock --- */

typedef sn_chan_of(int) int_chan;

static int waits(sn_ctx *ctx, void *arg)
{
    int v;
    return sn_chan_recv(ctx, *(int_chan *)arg, &v);
}

static int deadlocks(sn_ctx *ctx, void *arg)
{
    int_chan a, b;
    sn_group g;
    int v = 0;
    (void)arg;
    CHECK_EQ(sn_chan_make(&a, 0), 0);
    CHECK_EQ(sn_chan_make(&b, 0), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go_opts(&g, waits, &a, &(sn_task_opts){ .name = "forlorn" }), 0);
    return sn_chan_send(ctx, b, &v);
}

static void die_deadlock_1(void)
{
    (void)sn_run(deadlocks, NULL, &(sn_run_opts){ .workers = 1 });
}

static void die_deadlock_4(void)
{
    (void)sn_run(deadlocks, NULL, &(sn_run_opts){ .workers = 4, .deadlock = SN_DEADLOCK_ALWAYS });
}

TEST(deadlock_is_reported)
{
    check_dies(die_deadlock_1, "deadlock: every task waits");
    check_dies(die_deadlock_1, "\"forlorn\"");
    check_dies(die_deadlock_1, "sending to channel");
    check_dies(die_deadlock_4, "receiving from channel");
}

static void *rescuer(void *arg)
{
    usleep(20000);
    CHECK_EQ(sn_chan_send(NULL, *(int_chan *)arg, &(int){ 1 }), 0);
    return NULL;
}

static int rescued(sn_ctx *ctx, void *arg)
{
    int v;
    return sn_chan_recv(ctx, *(int_chan *)arg, &v);
}

TEST(no_deadlock_while_another_thread_lives)
{
    int_chan c;
    pthread_t t;
    CHECK_EQ(sn_chan_make(&c, 0), 0);
    CHECK(pthread_create(&t, NULL, rescuer, &c) == 0);
    CHECK_EQ(sn_run(rescued, &c, NULL), 0);
    pthread_join(t, NULL);
    sn_chan_free(c);
}

/* --- stack overflow --- */

static int eat_stack(int n)
{
    volatile char frame[2000];
    frame[0] = (char)n;
    return n > 1000000 ? 0 : eat_stack(n + 1) + frame[0];
}

static int overflows(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return eat_stack(0);
}

static int runs_overflow(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go_opts(&g, overflows, NULL, &(sn_task_opts){ .name = "glutton" }), 0);
    return sn_group_wait(&g);
}

static void die_overflow(void)
{
    (void)sn_run(runs_overflow, NULL, NULL);
}

TEST(stack_overflow_is_reported)
{
    check_dies(die_overflow, "stack overflow");
    check_dies(die_overflow, "\"glutton\"");
}

/* --- work spreads, and comes back --- */

static int spin_ms(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    int64_t end = sn_now() + SN_MS(*(int *)arg);
    while (sn_now() < end)
        ;
    return 0;
}

static int long_work(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 40; i++)
        CHECK_EQ(sn_group_go_copy(&g, spin_ms, &(int){ 1 }), 0);
    return sn_group_wait(&g);
}

TEST(long_work)
{
    run_each(long_work, NULL);
}

/* Many tasks over few stacks' worth of memory: records and stacks are used again. */
static int yields(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    for (int i = 0; i < 20; i++)
        sn_yield();
    __atomic_fetch_add((long *)arg, 1, __ATOMIC_RELAXED);
    return 0;
}

static int crowd(sn_ctx *ctx, void *arg)
{
    enum { N = 3000 };
    (void)arg;
    for (int round = 0; round < 3; round++) {
        long n = 0;
        sn_group g;
        sn_group_init(&g, ctx);
        for (int i = 0; i < N; i++)
            CHECK_EQ(sn_group_go(&g, yields, &n), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(n, N);
    }
    return 0;
}

TEST(crowd)
{
    run_each(crowd, NULL);
}
