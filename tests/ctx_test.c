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

static int background(sn_ctx *ctx, void *arg)
{
    static const char key;
    sn_ctx *b = sn_background();

    (void)ctx;
    (void)arg;
    sn_ctx_cancel(b);
    sn_ctx_cancel_cause(b, SN_EUSER);
    CHECK(sn_ctx_retain(b) == b);
    sn_ctx_release(b);
    for (int i = 0; i < 10; i++)
        sn_ctx_free(b);
    CHECK(sn_background() == b);
    CHECK_EQ(sn_ctx_err(b), 0);
    CHECK_EQ(sn_ctx_cause(b), 0);
    CHECK_EQ(sn_ctx_deadline(b), SN_FOREVER);
    CHECK(sn_ctx_value(b, &key) == NULL);
    CHECK(sn_ctx_value(b, NULL) == NULL);
    return 0;
}

TEST(the_background_never_ends)
{
    run_everywhere(background, NULL);
    CHECK_EQ(background(NULL, NULL), 0);
    sn_ctx_cancel(NULL); /* in a plain thread NULL is the background */
    CHECK_EQ(sn_ctx_err(NULL), 0);
    CHECK_EQ(sn_ctx_cause(NULL), 0);
    CHECK_EQ(sn_ctx_deadline(NULL), SN_FOREVER);
}

static int who_is_first(sn_ctx *ctx, void *arg)
{
    sn_ctx *a, *b, *c;

    (void)arg;
    CHECK_EQ(sn_ctx_with_timeout(&a, ctx, SN_MS(1)), 0); /* the time first */
    CHECK_EQ(sn_ctx_wait(a), SN_ETIMEDOUT);
    sn_ctx_cancel_cause(a, SN_EUSER);
    sn_ctx_cancel(a);
    CHECK_EQ(sn_ctx_err(a), SN_ETIMEDOUT);
    CHECK_EQ(sn_ctx_cause(a), SN_ETIMEDOUT);
    sn_ctx_free(a);

    CHECK_EQ(sn_ctx_with_timeout(&a, ctx, SN_MS(1)), 0); /* the cause first, if we are quick enough */
    sn_ctx_cancel_cause(a, SN_EUSER - 1);
    int err = sn_ctx_err(a), cause = sn_ctx_cause(a);
    CHECK(err == SN_ECANCELED ? cause == SN_EUSER - 1 : err == SN_ETIMEDOUT && cause == SN_ETIMEDOUT);
    CHECK_EQ(sn_sleep(ctx, SN_MS(2)), 0);
    CHECK_EQ(sn_ctx_err(a), err); /* for ever */
    CHECK_EQ(sn_ctx_cause(a), cause);
    sn_ctx_free(a);

    CHECK_EQ(sn_ctx_with_cancel(&a, ctx), 0); /* below first: it keeps its own cause */
    CHECK_EQ(sn_ctx_with_cancel(&b, a), 0);
    CHECK_EQ(sn_ctx_with_cancel(&c, b), 0);
    sn_ctx_cancel_cause(c, SN_EUSER - 2);
    sn_ctx_cancel_cause(a, SN_EUSER - 3);
    CHECK_EQ(sn_ctx_cause(a), SN_EUSER - 3);
    CHECK_EQ(sn_ctx_cause(b), SN_EUSER - 3);
    CHECK_EQ(sn_ctx_cause(c), SN_EUSER - 2);
    sn_ctx_free(c);
    sn_ctx_free(b);
    sn_ctx_free(a);

    CHECK_EQ(sn_ctx_with_cancel(&a, ctx), 0);
    CHECK_EQ(sn_ctx_cause(a), 0);
    sn_ctx_cancel(a);
    CHECK_EQ(sn_ctx_cause(a), SN_ECANCELED); /* the same cause */
    sn_ctx_free(a);
    return 0;
}

TEST(whoever_ends_it_first_decides)
{
    run_everywhere(who_is_first, NULL);
}

/* Children of what has ended are born ended, with its error and cause. */
static int born_dead(sn_ctx *ctx, void *arg)
{
    static const char key;
    sn_ctx *dead[2], *kid[4];

    (void)arg;
    CHECK_EQ(sn_ctx_with_cancel(&dead[0], ctx), 0);
    sn_ctx_cancel_cause(dead[0], SN_EUSER - 1);
    CHECK_EQ(sn_ctx_with_timeout(&dead[1], ctx, 0), 0); /* now is not the future */
    CHECK_EQ(sn_ctx_err(dead[1]), SN_ETIMEDOUT);
    for (int i = 0; i < 2; i++) {
        int err = i ? SN_ETIMEDOUT : SN_ECANCELED, cause = i ? SN_ETIMEDOUT : SN_EUSER - 1;
        CHECK_EQ(sn_ctx_with_cancel(&kid[0], dead[i]), 0);
        CHECK_EQ(sn_ctx_with_value(&kid[1], dead[i], &key, "v"), 0);
        CHECK_EQ(sn_ctx_with_timeout(&kid[2], dead[i], SN_SEC(100)), 0);
        CHECK_EQ(sn_ctx_with_deadline(&kid[3], dead[i], SN_FOREVER), 0);
        for (int k = 0; k < 4; k++) {
            CHECK_EQ(sn_ctx_err(kid[k]), err);
            CHECK_EQ(sn_ctx_cause(kid[k]), cause);
            CHECK_EQ(sn_ctx_wait(kid[k]), err);
            CHECK_EQ(sn_sleep(kid[k], 0), err);
        }
        CHECK(strcmp(sn_ctx_value(kid[1], &key), "v") == 0);
        sn_ctx_free(dead[i]);
        for (int k = 0; k < 4; k++)
            sn_ctx_free(kid[k]);
    }
    return 0;
}

TEST(children_of_what_has_ended)
{
    run_everywhere(born_dead, NULL);
}

static int exact_deadlines(sn_ctx *ctx, void *arg)
{
    int64_t now = sn_now();
    sn_ctx *a, *b, *c, *d;

    (void)arg;
    CHECK_EQ(sn_ctx_with_deadline(&a, ctx, now + SN_SEC(100)), 0);
    CHECK_EQ(sn_ctx_deadline(a), now + SN_SEC(100));
    CHECK_EQ(sn_ctx_with_deadline(&b, a, now + SN_SEC(200)), 0);
    CHECK_EQ(sn_ctx_deadline(b), now + SN_SEC(100));
    CHECK_EQ(sn_ctx_with_deadline(&c, a, now + SN_SEC(50)), 0);
    CHECK_EQ(sn_ctx_deadline(c), now + SN_SEC(50));
    CHECK_EQ(sn_ctx_with_cancel(&d, c), 0);
    CHECK_EQ(sn_ctx_deadline(d), now + SN_SEC(50)); /* a child inherits it */
    sn_ctx_free(d);
    sn_ctx_free(c);
    sn_ctx_free(b);
    sn_ctx_free(a);
    static const int64_t past[] = { INT64_MIN, -SN_SEC(5), -1, 0 };
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(sn_ctx_with_timeout(&a, ctx, past[i]), 0);
        CHECK_EQ(sn_ctx_err(a), SN_ETIMEDOUT);
        CHECK_EQ(sn_ctx_cause(a), SN_ETIMEDOUT);
        sn_ctx_free(a);
    }
    CHECK_EQ(sn_ctx_with_deadline(&a, ctx, INT64_MIN), 0);
    CHECK_EQ(sn_ctx_wait(a), SN_ETIMEDOUT);
    sn_ctx_free(a);
    for (int i = 0; i < 20; i++) { /* never early */
        CHECK_EQ(sn_ctx_with_timeout(&a, ctx, SN_US(i * 50)), 0);
        CHECK_EQ(sn_ctx_with_cancel(&b, a), 0);
        CHECK_EQ(sn_ctx_wait(i % 2 ? a : b), SN_ETIMEDOUT);
        CHECK(sn_now() >= sn_ctx_deadline(a));
        CHECK_EQ(sn_ctx_err(a), SN_ETIMEDOUT);
        sn_ctx_free(a);
        sn_ctx_free(b);
    }
    return 0;
}

TEST(exact_deadlines)
{
    run_everywhere(exact_deadlines, NULL);
}

TEST(without_a_runtime)
{
    static const char key;
    sn_ctx *a, *b, *out = sn_background();

    CHECK_EQ(sn_ctx_with_timeout(&out, NULL, SN_SEC(1)), SN_ENOTRUNNING);
    CHECK_EQ(sn_ctx_with_deadline(&out, NULL, SN_FOREVER), SN_ENOTRUNNING);
    CHECK(out == sn_background()); /* written only on success */
    CHECK_EQ(sn_ctx_with_value(&a, NULL, &key, "v"), 0);
    CHECK_EQ(sn_ctx_with_cancel(&b, a), 0);
    CHECK(strcmp(sn_ctx_value(b, &key), "v") == 0);
    sn_ctx_cancel_cause(a, SN_EUSER);
    CHECK_EQ(sn_ctx_wait(b), SN_ECANCELED);
    CHECK_EQ(sn_ctx_cause(b), SN_EUSER);
    sn_ctx_free(a);
    sn_ctx_free(b);
}

/* --- references --- */

static int references(sn_ctx *ctx, void *arg)
{
    static const char key;
    sn_ctx *a, *b, *c;

    (void)arg;
    CHECK_EQ(sn_ctx_with_cancel(&a, ctx), 0);
    CHECK(sn_ctx_retain(a) == a);
    sn_ctx_release(a); /* gives it back without cancelling */
    CHECK_EQ(sn_ctx_err(a), 0);
    (void)sn_ctx_retain(a);
    sn_ctx_free(a); /* cancels; the other reference is ours still */
    CHECK_EQ(sn_ctx_err(a), SN_ECANCELED);
    CHECK_EQ(sn_ctx_cause(a), SN_ECANCELED);
    sn_ctx_release(a);

    CHECK_EQ(sn_ctx_with_value(&a, ctx, &key, "v"), 0); /* a child keeps its parent's memory, and its place in the tree */
    CHECK_EQ(sn_ctx_with_cancel(&b, a), 0);
    CHECK_EQ(sn_ctx_with_cancel(&c, b), 0);
    sn_ctx_release(b);
    CHECK_EQ(sn_ctx_err(c), 0);
    CHECK(strcmp(sn_ctx_value(c, &key), "v") == 0);
    sn_ctx_cancel_cause(a, SN_EUSER - 5);
    CHECK_EQ(sn_ctx_cause(c), SN_EUSER - 5);
    sn_ctx_free(a);
    CHECK(strcmp(sn_ctx_value(c, &key), "v") == 0);
    sn_ctx_free(c);

    enum { DEEP = 20000 }; /* a chain that only its end keeps */
    CHECK_EQ(sn_ctx_with_cancel(&a, ctx), 0);
    sn_ctx *root = sn_ctx_retain(a);
    for (int i = 0; i < DEEP; i++) {
        CHECK_EQ(sn_ctx_with_value(&b, a, &key, &key), 0);
        sn_ctx_release(a);
        a = b;
    }
    CHECK_EQ(sn_ctx_err(a), 0);
    sn_ctx_cancel(root);
    CHECK_EQ(sn_ctx_err(a), SN_ECANCELED);
    sn_ctx_release(root);
    sn_ctx_free(a);
    return 0;
}

TEST(references)
{
    run_everywhere(references, NULL);
    CHECK_EQ(references(NULL, NULL), 0);
}

/* The last reference goes while somebody waits: woken, and nothing dangles. */
struct party {
    sn_ctx *ctx;
    int woken;
    sn_chan_unit arrived, ended;
};

static int waits_and_counts(sn_ctx *ctx, void *arg)
{
    struct party *p = arg;
    (void)ctx;
    CHECK_EQ(sn_chan_unit_send(sn_background(), p->arrived), 0);
    CHECK_EQ(sn_ctx_wait(p->ctx), SN_ECANCELED);
    CHECK_EQ(sn_ctx_cause(p->ctx), SN_ECANCELED);
    sn_ctx_release(p->ctx);
    __atomic_fetch_add(&p->woken, 1, __ATOMIC_RELAXED);
    return 0;
}

static void *thread_waits_and_counts(void *arg)
{
    struct party *p = arg;
    CHECK_EQ(waits_and_counts(NULL, p), 0);
    CHECK_EQ(sn_chan_unit_send(NULL, p->ended), 0);
    return NULL;
}

static int freed_under_waiters(sn_ctx *ctx, void *arg)
{
    enum { TASKS = 20, THREADS = 3 };
    (void)arg;
    for (int i = 0; i < 10; i++) {
        struct party p = { .woken = 0 };
        pthread_t t[THREADS];
        sn_ctx *root;
        sn_group g;
        CHECK_EQ(sn_chan_unit_make(&p.arrived, 0), 0);
        CHECK_EQ(sn_chan_unit_make(&p.ended, THREADS), 0);
        CHECK_EQ(sn_ctx_with_cancel(&root, ctx), 0);
        CHECK_EQ(sn_ctx_with_cancel(&p.ctx, root), 0);
        sn_group_init(&g, ctx);
        for (int k = 0; k < TASKS + THREADS; k++)
            (void)sn_ctx_retain(p.ctx);
        for (int k = 0; k < TASKS; k++)
            CHECK_EQ(sn_group_go(&g, waits_and_counts, &p), 0);
        for (int k = 0; k < THREADS; k++)
            CHECK(pthread_create(&t[k], NULL, thread_waits_and_counts, &p) == 0);
        for (int k = 0; k < TASKS + THREADS; k++)
            CHECK_EQ(sn_chan_unit_recv(ctx, p.arrived), 0);
        if (i % 2) {
            sn_ctx_free(p.ctx);
            sn_ctx_free(root);
        } else {
            sn_ctx_free(root);
            sn_ctx_release(p.ctx);
        }
        CHECK_EQ(sn_group_wait(&g), 0);
        for (int k = 0; k < THREADS; k++)
            CHECK_EQ(sn_chan_unit_recv(ctx, p.ended), 0);
        for (int k = 0; k < THREADS; k++)
            CHECK(pthread_join(t[k], NULL) == 0);
        CHECK_EQ(p.woken, TASKS + THREADS);
        sn_chan_free(p.arrived);
        sn_chan_free(p.ended);
    }
    return 0;
}

TEST(freed_under_waiters)
{
    run_everywhere(freed_under_waiters, NULL);
}

/* --- NULL is the own context --- */

static const char own_key;

/* *arg: -1 says that the task ends its context itself; otherwise it counts the tasks that are about to wait. */
static int asks_for_its_own(sn_ctx *ctx, void *arg)
{
    sn_ctx *kids[4];
    int *waiting = arg;

    CHECK_EQ(sn_ctx_err(NULL), 0);
    CHECK_EQ(sn_ctx_cause(NULL), 0);
    CHECK_EQ(sn_ctx_deadline(NULL), sn_ctx_deadline(ctx));
    CHECK(sn_ctx_deadline(NULL) < SN_FOREVER);
    CHECK(strcmp(sn_ctx_value(NULL, &own_key), "mine") == 0);
    CHECK_EQ(sn_ctx_with_cancel(&kids[0], NULL), 0);
    CHECK_EQ(sn_ctx_with_value(&kids[1], NULL, &own_key, NULL), 0);
    CHECK_EQ(sn_ctx_with_timeout(&kids[2], NULL, SN_SEC(2000)), 0);
    CHECK_EQ(sn_ctx_with_deadline(&kids[3], NULL, SN_FOREVER), 0);
    CHECK(strcmp(sn_ctx_value(kids[0], &own_key), "mine") == 0);
    CHECK(sn_ctx_value(kids[1], &own_key) == NULL); /* the nearest one */
    CHECK_EQ(sn_ctx_deadline(kids[2]), sn_ctx_deadline(ctx));
    CHECK_EQ(sn_ctx_deadline(kids[3]), sn_ctx_deadline(ctx));
    if (__atomic_load_n(waiting, __ATOMIC_RELAXED) < 0)
        sn_ctx_cancel_cause(NULL, SN_EUSER - 4);
    else
        __atomic_fetch_add(waiting, 1, __ATOMIC_RELEASE);
    CHECK_EQ(sn_ctx_wait(NULL), SN_ECANCELED);
    CHECK_EQ(sn_ctx_err(ctx), SN_ECANCELED);
    CHECK_EQ(sn_ctx_cause(NULL), SN_EUSER - 4);
    for (int k = 0; k < 4; k++) {
        CHECK_EQ(sn_ctx_wait(kids[k]), SN_ECANCELED); /* who ends our context may not have come to its children yet */
        CHECK_EQ(sn_ctx_cause(kids[k]), SN_EUSER - 4);
        sn_ctx_free(kids[k]);
    }
    return 0;
}

static int own_context(sn_ctx *ctx, void *arg)
{
    sn_ctx *named, *timed;
    sn_group g;
    int waiting = 0, by_itself = -1;
    (void)arg;
    CHECK_EQ(sn_ctx_with_value(&named, ctx, &own_key, "mine"), 0);
    CHECK_EQ(sn_ctx_with_timeout(&timed, named, SN_SEC(1000)), 0);
    sn_group_init(&g, timed);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(sn_group_go(&g, asks_for_its_own, &waiting), 0);
    while (__atomic_load_n(&waiting, __ATOMIC_ACQUIRE) < 10)
        CHECK_EQ(sn_sleep(ctx, SN_US(100)), 0);
    sn_ctx *gc = sn_group_ctx(&g);
    CHECK_EQ(sn_ctx_err(gc), 0);
    sn_ctx_cancel_cause(gc, SN_EUSER - 4);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(sn_ctx_err(timed), 0);
    sn_group_init(&g, timed); /* a task that ends its own */
    CHECK_EQ(sn_group_go(&g, asks_for_its_own, &by_itself), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(sn_ctx_err(timed), 0);
    sn_ctx_free(timed);
    sn_ctx_free(named);
    return 0;
}

TEST(null_is_the_own_context)
{
    run_everywhere(own_context, NULL);
}

static int cancels_the_main_one(sn_ctx *ctx, void *arg)
{
    (void)arg;
    sn_ctx_cancel(NULL);
    CHECK_EQ(sn_ctx_err(ctx), SN_ECANCELED);
    CHECK_EQ(sn_sleep(ctx, 1), SN_ECANCELED);
    return 0;
}

TEST(the_main_task_cancels_itself)
{
    run_each(cancels_the_main_one, NULL);
}

/* --- the end of the runtime --- */

TEST(the_end_of_the_runtime_wakes_threads)
{
    for (int i = 1; i <= 2; i++) {
        sn_ctx *c;
        pthread_t t;
        void *r;
        CHECK_EQ(sn_start(&(sn_run_opts){ .workers = i }), 0);
        CHECK_EQ(sn_ctx_with_timeout(&c, NULL, SN_SEC(1000)), 0);
        CHECK(pthread_create(&t, NULL, waits, c) == 0);
        CHECK_EQ(sn_sleep(NULL, SN_MS(2)), 0);
        CHECK_EQ(sn_stop(), 0);
        CHECK(pthread_join(t, &r) == 0);
        CHECK_EQ((intptr_t)r, SN_ETIMEDOUT);
        sn_ctx_free(c);
    }
}

static int makes_tree(sn_ctx *ctx, void *arg)
{
    sn_ctx **c = arg;
    (void)ctx;
    CHECK_EQ(sn_ctx_with_cancel(&c[0], sn_background()), 0);
    CHECK_EQ(sn_ctx_with_cancel(&c[1], c[0]), 0);
    CHECK_EQ(sn_ctx_with_timeout(&c[2], sn_background(), SN_SEC(1000)), 0);
    CHECK_EQ(sn_ctx_with_cancel(&c[3], c[2]), 0);
    CHECK_EQ(sn_ctx_with_cancel(&c[4], ctx), 0);
    return 0;
}

TEST(a_tree_outlives_its_runtime)
{
    for (int i = 1; i <= 2; i++) {
        sn_ctx *c[5];
        CHECK_EQ(sn_run(makes_tree, c, &(sn_run_opts){ .workers = i }), 0);
        CHECK_EQ(sn_ctx_err(c[0]), 0);
        CHECK_EQ(sn_ctx_err(c[1]), 0);
        CHECK_EQ(sn_ctx_err(c[3]), SN_ETIMEDOUT);
        CHECK_EQ(sn_ctx_err(c[4]), SN_ECANCELED); /* below the main task's, which has ended */
        sn_ctx_cancel_cause(c[0], SN_EUSER);
        CHECK_EQ(sn_ctx_cause(c[1]), SN_EUSER);
        for (int k = 0; k < 5; k++)
            sn_ctx_free(c[k]);
    }
}

/* --- contexts and the end of their runtime --- */

static sn_ctx *outlives, *expires;

static int leaves_contexts(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    CHECK_EQ(sn_ctx_with_cancel(&outlives, sn_background()), 0);
    CHECK_EQ(sn_ctx_with_timeout(&expires, outlives, SN_MS(1)), 0);
    CHECK_EQ(sn_ctx_wait(expires), SN_ETIMEDOUT);
    return 0;
}

TEST(a_parent_is_cancelled_after_the_runtime)
{
    CHECK_EQ(sn_run(leaves_contexts, NULL, &(sn_run_opts){ .workers = 1 }), 0);
    sn_ctx_cancel(outlives);
    CHECK_EQ(sn_ctx_err(expires), SN_ETIMEDOUT);
    sn_ctx_free(expires);
    sn_ctx_free(outlives);
}

static int will_not_end(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    sn_chan_close(*(sn_chan_unit *)arg);
    return sn_sleep(sn_background(), SN_SEC(1000));
}

static void say_nothing(void *arg, const char *text)
{
    (void)arg;
    (void)text;
}

TEST(deadlines_end_with_a_runtime_that_leaves_tasks)
{
    sn_chan_unit runs;
    sn_ctx *c;
    CHECK_EQ(sn_start(&(sn_run_opts){ .workers = 1, .grace_ns = SN_MS(10), .report = say_nothing }), 0);
    CHECK_EQ(sn_ctx_with_timeout(&c, sn_background(), SN_SEC(500)), 0);
    CHECK_EQ(sn_chan_unit_make(&runs, 0), 0);
    CHECK_EQ(sn_task_go(will_not_end, &runs), 0);
    CHECK_EQ(sn_chan_unit_recv(NULL, runs), SN_ECLOSED);
    CHECK_EQ(sn_stop(), SN_ELEFT);
    CHECK_EQ(sn_ctx_err(c), SN_ETIMEDOUT);
    sn_ctx_free(c);
    sn_chan_free(runs);
}
