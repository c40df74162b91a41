/* Context: the contract of sennit/ctx.h. */
#include "sn_test.h"

#include <pthread.h>

static int basics(sn_ctx *ctx, void *arg)
{
    sn_ctx *a, *b, *c;

    (void)arg;
    CHECK_EQ(sn_ctx_err(sn_background()), 0);
    CHECK_EQ(sn_ctx_deadline(sn_background()), SN_FOREVER);
    sn_ctx_cancel(sn_background());
    CHECK_EQ(sn_ctx_err(sn_background()), 0);

    CHECK_EQ(sn_ctx_with_cancel(&a, ctx), 0);
    CHECK_EQ(sn_ctx_with_cancel(&b, a), 0);
    CHECK_EQ(sn_ctx_with_cancel(&c, b), 0);
    sn_ctx_cancel_cause(b, SN_EUSER - 3);
    sn_ctx_cancel_cause(b, SN_EUSER - 4); /* the first cause wins */
    CHECK_EQ(sn_ctx_err(a), 0);
    CHECK_EQ(sn_ctx_cause(a), 0);
    CHECK_EQ(sn_ctx_err(b), SN_ECANCELED);
    CHECK_EQ(sn_ctx_cause(b), SN_EUSER - 3);
    CHECK_EQ(sn_ctx_err(c), SN_ECANCELED);
    CHECK_EQ(sn_ctx_cause(c), SN_EUSER - 3);
    sn_ctx_free(a); /* parents before children: a forgotten child cannot dangle */
    sn_ctx_free(b);
    CHECK_EQ(sn_ctx_err(c), SN_ECANCELED);
    sn_ctx_free(c);
    sn_ctx_free(NULL);
    return 0;
}

TEST(cancel_goes_down_and_the_first_cause_wins)
{
    run_each(basics, NULL);
}

static int deadlines(sn_ctx *ctx, void *arg)
{
    sn_ctx *a, *b, *past;
    int64_t begin = sn_now();

    (void)arg;
    CHECK_EQ(sn_ctx_with_timeout(&a, ctx, SN_MS(5)), 0);
    CHECK_EQ(sn_ctx_with_timeout(&b, a, SN_SEC(100)), 0);
    CHECK_EQ(sn_ctx_deadline(a), sn_ctx_deadline(b)); /* the earlier one wins */
    CHECK_EQ(sn_ctx_wait(b), SN_ETIMEDOUT);
    CHECK(sn_now() - begin >= SN_MS(5));
    CHECK_EQ(sn_ctx_err(a), SN_ETIMEDOUT);
    CHECK_EQ(sn_ctx_cause(b), SN_ETIMEDOUT);
    sn_ctx_free(b);
    sn_ctx_free(a);

    CHECK_EQ(sn_ctx_with_deadline(&past, ctx, begin), 0);
    CHECK_EQ(sn_ctx_err(past), SN_ETIMEDOUT);
    sn_ctx_free(past);

    CHECK_EQ(sn_ctx_with_timeout(&a, ctx, SN_SEC(100)), 0); /* freed long before its time: nothing is left behind */
    sn_ctx_cancel(a);
    CHECK_EQ(sn_ctx_err(a), SN_ECANCELED);
    sn_ctx_free(a);
    CHECK_EQ(sn_ctx_with_timeout(&a, ctx, SN_FOREVER), 0);
    sn_ctx_free(a);
    return 0;
}

TEST(deadlines)
{
    run_each(deadlines, NULL);
}

static int values(sn_ctx *ctx, void *arg)
{
    static const char user, request;
    sn_ctx *a, *b, *c;

    (void)arg;
    CHECK_EQ(sn_ctx_with_value(&a, ctx, &user, "ann"), 0);
    CHECK_EQ(sn_ctx_with_value(&b, a, &request, "r1"), 0);
    CHECK_EQ(sn_ctx_with_value(&c, b, &user, "bob"), 0);
    CHECK(strcmp(sn_ctx_value(b, &user), "ann") == 0);
    CHECK(strcmp(sn_ctx_value(c, &user), "bob") == 0);
    CHECK(strcmp(sn_ctx_value(c, &request), "r1") == 0);
    CHECK(sn_ctx_value(a, &request) == NULL);
    CHECK(sn_ctx_value(NULL, &user) == NULL); /* the task's own */
    sn_ctx_free(a);
    sn_ctx_free(b);
    CHECK(strcmp(sn_ctx_value(c, &request), "r1") == 0);
    sn_ctx_free(c);
    return 0;
}

TEST(values)
{
    run_each(values, NULL);
}

/* Waiting under another context than one's own, in turn, while both are cancelled at odd moments. */
static int cancel_soon(sn_ctx *ctx, void *arg)
{
    for (unsigned i = (unsigned)(sn_random() % 64); i > 0; i--)
        sn_yield();
    (void)ctx;
    sn_ctx_cancel(arg);
    return 0;
}

static int cancel_races(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 2000; i++) {
        sn_ctx *a, *b;
        sn_group g;
        CHECK_EQ(sn_ctx_with_cancel(&a, ctx), 0);
        CHECK_EQ(sn_ctx_with_cancel(&b, a), 0);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, cancel_soon, a), 0);
        CHECK_EQ(sn_ctx_wait(b), SN_ECANCELED);
        CHECK_EQ(sn_group_wait(&g), 0);
        sn_ctx_free(a);
        sn_ctx_free(b);
    }
    return 0;
}

TEST(cancel_races_with_waiting)
{
    run_each(cancel_races, NULL);
}

/* A tree is built and freed by many tasks while its root is cancelled. */
static int grow(sn_ctx *ctx, void *arg)
{
    sn_ctx *root = arg, *kids[8];
    (void)ctx;
    for (int i = 0; i < 300; i++) {
        for (int k = 0; k < 8; k++)
            CHECK_EQ(sn_ctx_with_cancel(&kids[k], k ? kids[k - 1] : root), 0);
        for (int k = 0; k < 8; k++)
            sn_ctx_free(kids[i % 2 ? k : 7 - k]);
        if (i % 16 == 0)
            sn_yield();
    }
    return 0;
}

static int tree_races(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++) {
        sn_ctx *root;
        sn_group g;
        CHECK_EQ(sn_ctx_with_cancel(&root, ctx), 0);
        sn_group_init(&g, ctx);
        for (int k = 0; k < 8; k++)
            CHECK_EQ(sn_group_go(&g, grow, root), 0);
        CHECK_EQ(sn_group_go(&g, cancel_soon, root), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        sn_ctx_free(root);
    }
    return 0;
}

TEST(tree_races)
{
    run_each(tree_races, NULL);
}

static void *waits(void *arg)
{
    return (void *)(intptr_t)sn_ctx_wait(arg);
}

TEST(plain_threads_without_a_runtime)
{
    sn_ctx *a, *late;
    pthread_t t;
    void *r;

    CHECK_EQ(sn_ctx_with_cancel(&a, NULL), 0);
    CHECK(pthread_create(&t, NULL, waits, a) == 0);
    CHECK_EQ(sn_sleep(NULL, SN_MS(2)), 0);
    sn_ctx_cancel(a);
    CHECK(pthread_join(t, &r) == 0);
    CHECK_EQ((intptr_t)r, SN_ECANCELED);
    sn_ctx_free(a);
    CHECK_EQ(sn_ctx_with_timeout(&late, NULL, SN_MS(1)), SN_ENOTRUNNING);
}

static int keeps(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    return sn_ctx_with_timeout(arg, sn_background(), SN_SEC(1000));
}

TEST(outlives_its_runtime)
{
    for (int i = 1; i <= 2; i++) {
        sn_ctx *kept, *child;
        CHECK_EQ(sn_run(keeps, &kept, &(sn_run_opts){ .workers = i }), 0);
        CHECK_EQ(sn_ctx_err(kept), SN_ETIMEDOUT); /* nobody is left to keep its time */
        CHECK_EQ(sn_ctx_with_cancel(&child, kept), 0);
        CHECK_EQ(sn_ctx_err(child), SN_ETIMEDOUT);
        sn_ctx_free(child);
        sn_ctx_free(kept);
    }
}
