/* Groups: the contract of sennit/group.h. */
#include "sn_test.h"

#include <pthread.h>

static int add(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    __atomic_fetch_add((long *)arg, 1, __ATOMIC_RELAXED);
    return 1; /* positive is success */
}

static int many(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int round = 0; round < 20; round++) {
        long n = 0;
        sn_group g;
        sn_group_init(&g, ctx);
        for (int i = 0; i < 1000; i++)
            CHECK_EQ(sn_group_go(&g, add, &n), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(n, 1000);
    }
    for (int i = 0; i < 20000; i++) { /* on the stack, gone at once */
        long n = 0;
        sn_group g;
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, add, &n), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(n, 1);
    }
    return 0;
}

TEST(waits_for_all)
{
    run_each(many, NULL);
}

static int tree(sn_ctx *ctx, void *arg)
{
    long depth = *(long *)arg;
    sn_group g;
    if (depth == 0)
        return 0;
    depth--;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(sn_group_go_copy(&g, tree, &depth), 0);
    return sn_group_wait(&g);
}

TEST(groups_within_groups)
{
    run_each(tree, &(long){ 7 });
}

static int fails(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    return (int)(intptr_t)arg;
}

static int until_cancelled(sn_ctx *ctx, void *arg)
{
    (void)arg;
    CHECK_EQ(sn_sleep(ctx, SN_SEC(100)), SN_ECANCELED);
    CHECK_EQ(sn_ctx_cause(ctx), SN_EUSER - 7);
    return SN_ECANCELED;
}

static int first_error(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_ctx *gc = sn_group_init(&g, ctx);
    for (int i = 0; i < 50; i++)
        CHECK_EQ(sn_group_go(&g, until_cancelled, NULL), 0);
    CHECK_EQ(sn_group_go(&g, fails, (void *)(intptr_t)(SN_EUSER - 7)), 0);
    CHECK_EQ(sn_ctx_wait(gc), SN_ECANCELED);
    CHECK(sn_group_ctx(&g) == gc);
    CHECK_EQ(sn_group_wait(&g), SN_EUSER - 7);
    CHECK_EQ(sn_ctx_err(ctx), 0); /* the parent goes on */
    return 0;
}

TEST(first_error_cancels_and_is_returned)
{
    run_each(first_error, NULL);
}

static int parent_cancels(sn_ctx *ctx, void *arg)
{
    sn_ctx *outer;
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_ctx_with_cancel(&outer, ctx), 0);
    sn_group_init(&g, outer);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(sn_group_go(&g, until_cancelled, NULL), 0);
    (void)sn_sleep(ctx, SN_MS(1));
    sn_ctx_cancel_cause(outer, SN_EUSER - 7);
    CHECK_EQ(sn_group_wait(&g), SN_ECANCELED);
    sn_ctx_free(outer);
    return 0;
}

TEST(parent_ends_the_group)
{
    run_each(parent_cancels, NULL);
}

static int nap(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    return sn_sleep(sn_background(), *(int64_t *)arg);
}

static int wait_ctx(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) { /* the time-out and the end of the task come at about the same moment */
        sn_ctx *hurry;
        sn_group g;
        int64_t ns = SN_US(200);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go_copy(&g, nap, &ns), 0);
        CHECK_EQ(sn_ctx_with_timeout(&hurry, ctx, SN_US(150 + i)), 0);
        int r = sn_group_wait_ctx(hurry, &g);
        CHECK(r == 0 || r == SN_ETIMEDOUT);
        if (r < 0)
            CHECK_EQ(sn_group_wait(&g), 0);
        sn_ctx_free(hurry);
    }
    return 0;
}

TEST(wait_no_longer_than_a_context)
{
    run_each(wait_ctx, NULL);
}

/* --- from plain threads --- */

static void *thread_groups(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        long n = 0;
        sn_group g;
        sn_group_init(&g, NULL);
        for (int k = 0; k < 10; k++)
            CHECK_EQ(sn_group_go(&g, add, &n), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(n, 10);
    }
    return NULL;
}

TEST(plain_threads_start_and_wait)
{
    static const int workers[] = { 1, 2, 8 };
    for (int i = 0; i < 3; i++) {
        pthread_t t[4];
        CHECK_EQ(sn_start(&(sn_run_opts){ .workers = workers[i] }), 0);
        CHECK_EQ(sn_start(NULL), SN_EBUSY);
        for (int k = 0; k < 4; k++)
            CHECK(pthread_create(&t[k], NULL, thread_groups, NULL) == 0);
        for (int k = 0; k < 4; k++)
            pthread_join(t[k], NULL);
        CHECK_EQ(sn_stop(), 0);
        CHECK_EQ(sn_stop(), SN_ENOTRUNNING);
    }
}

static int leaves_open(sn_ctx *ctx, void *arg)
{
    static sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    return 0;
}

static void die_open(void)
{
    (void)sn_run(leaves_open, NULL, NULL);
}

TEST(returning_with_an_open_group_panics)
{
    check_dies(die_open, "returned with a group open");
}
