/* Context, the links beside the tree: without cancel, merged, callbacks, and the chain of causes. */
#include "sn_test.h"

#include <pthread.h>

static const char key_a, key_b, key_c;

/* --- without cancel --- */

static int detached(sn_ctx *ctx, void *arg)
{
    sn_ctx *parent, *timed, *free_one, *below;
    (void)arg;
    CHECK_EQ(sn_ctx_with_value(&parent, ctx, &key_a, "a"), 0);
    CHECK_EQ(sn_ctx_with_timeout(&timed, parent, SN_SEC(100)), 0);
    CHECK_EQ(sn_ctx_without_cancel(&free_one, timed), 0);
    CHECK_EQ(sn_ctx_with_value(&below, free_one, &key_b, "b"), 0);
    CHECK_EQ(sn_ctx_deadline(free_one), SN_FOREVER);
    sn_ctx_cancel(parent);
    CHECK_EQ(sn_ctx_err(timed), SN_ECANCELED);
    CHECK_EQ(sn_ctx_err(free_one), 0);
    CHECK_EQ(sn_ctx_err(below), 0);
    sn_ctx_free(parent);
    sn_ctx_free(timed); /* it keeps their memory */
    CHECK(sn_ctx_value(free_one, &key_a) && strcmp(sn_ctx_value(free_one, &key_a), "a") == 0);
    CHECK(strcmp(sn_ctx_value(below, &key_a), "a") == 0);
    CHECK_EQ(sn_sleep(below, SN_US(10)), 0);
    sn_ctx_cancel_cause(free_one, SN_EUSER); /* it ends like any other */
    CHECK_EQ(sn_ctx_err(below), SN_ECANCELED);
    CHECK_EQ(sn_ctx_cause(below), SN_EUSER);
    CHECK(sn_ctx_because(below) == free_one && sn_ctx_because(free_one) == NULL);
    sn_ctx_free(free_one);
    sn_ctx_free(below);
    return 0;
}

static int of_what_has_ended(sn_ctx *ctx, void *arg)
{
    sn_ctx *parent, *child;
    (void)arg;
    CHECK_EQ(sn_ctx_with_cancel(&parent, ctx), 0);
    sn_ctx_cancel(parent);
    CHECK_EQ(sn_ctx_without_cancel(&child, parent), 0);
    CHECK_EQ(sn_ctx_err(child), 0);
    sn_ctx_free(parent);
    sn_ctx_free(child);
    CHECK_EQ(sn_ctx_without_cancel(&child, sn_background()), 0);
    sn_ctx_free(child);
    CHECK_EQ(sn_ctx_without_cancel(&child, NULL), 0);
    sn_ctx_free(child);
    return 0;
}

/* In a task whose group has been cancelled: what has to be finished all the same. */
static int finishes(sn_ctx *ctx, void *arg)
{
    sn_ctx *still;
    CHECK_EQ(sn_ctx_wait(ctx), SN_ECANCELED);
    CHECK_EQ(sn_sleep(ctx, 1), SN_ECANCELED);
    CHECK_EQ(sn_ctx_without_cancel(&still, ctx), 0);
    CHECK_EQ(sn_sleep(still, SN_US(100)), 0);
    sn_ctx_free(still);
    *(int *)arg = 1;
    return 0;
}

static int cancelled_group(sn_ctx *ctx, void *arg)
{
    int done = 0;
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, finishes, &done), 0);
    sn_yield();
    sn_group_cancel(&g);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(done, 1);
    return 0;
}

TEST(without_cancel)
{
    run_everywhere(detached, NULL);
    run_everywhere(of_what_has_ended, NULL);
    run_each(cancelled_group, NULL);
}

/* --- merge --- */

static int any_ends_it(sn_ctx *ctx, void *arg)
{
    enum { N = 5 };
    (void)arg;
    for (int who = 0; who < N; who++) {
        sn_ctx *p[N], *m, *below;
        for (int i = 0; i < N; i++)
            CHECK_EQ(sn_ctx_with_cancel(&p[i], i % 2 ? ctx : sn_background()), 0);
        CHECK_EQ(sn_ctx_merge(&m, p, N), 0);
        CHECK_EQ(sn_ctx_with_cancel(&below, m), 0);
        CHECK_EQ(sn_ctx_err(m), 0);
        sn_ctx_cancel_because(p[who], SN_EUSER - who, "that one", NULL);
        CHECK_EQ(sn_ctx_err(m), SN_ECANCELED);
        CHECK_EQ(sn_ctx_cause(below), SN_EUSER - who);
        CHECK(strcmp(sn_ctx_why(below), "that one") == 0);
        CHECK(sn_ctx_because(below) == m && sn_ctx_because(m) == p[who]);
        for (int i = 0; i < N; i++)
            if (i != who)
                CHECK_EQ(sn_ctx_err(p[i]), 0); /* it does not end its parents */
        for (int i = 0; i < N; i++)
            sn_ctx_cancel_cause(p[i], SN_EUSER - 100); /* the first decides */
        CHECK_EQ(sn_ctx_cause(m), SN_EUSER - who);
        for (int i = who % 2 ? 0 : N - 1; i >= 0 && i < N; i += who % 2 ? 1 : -1)
            sn_ctx_free(p[i]);
        CHECK_EQ(sn_ctx_cause(m), SN_EUSER - who);
        sn_ctx_free(m);
        sn_ctx_free(below);
    }
    return 0;
}

static int values_and_deadlines(sn_ctx *ctx, void *arg)
{
    sn_ctx *a, *b, *c, *m, *mm, *parents[3];
    int64_t now = sn_now();
    (void)arg;
    CHECK_EQ(sn_ctx_with_value(&a, ctx, &key_a, "first"), 0);
    CHECK_EQ(sn_ctx_with_value(&b, sn_background(), &key_a, "second"), 0);
    parents[0] = a, parents[1] = b;
    CHECK_EQ(sn_ctx_merge(&m, parents, 2), 0);
    CHECK(strcmp(sn_ctx_value(m, &key_a), "first") == 0);
    CHECK_EQ(sn_ctx_deadline(m), sn_ctx_deadline(ctx));
    CHECK_EQ(sn_ctx_with_value(&c, sn_background(), &key_b, "b"), 0);
    parents[0] = m, parents[1] = c;
    CHECK_EQ(sn_ctx_merge(&mm, parents, 2), 0);
    CHECK(strcmp(sn_ctx_value(mm, &key_a), "first") == 0);
    CHECK(strcmp(sn_ctx_value(mm, &key_b), "b") == 0);
    CHECK(sn_ctx_value(mm, &key_c) == NULL);
    sn_ctx_free(mm);
    sn_ctx_free(m);
    sn_ctx_free(c);
    CHECK_EQ(sn_ctx_with_deadline(&c, a, now + SN_SEC(50)), 0);
    CHECK_EQ(sn_ctx_with_deadline(&m, b, now + SN_SEC(40)), 0);
    parents[0] = c, parents[1] = m, parents[2] = ctx;
    CHECK_EQ(sn_ctx_merge(&mm, parents, 3), 0);
    CHECK_EQ(sn_ctx_deadline(mm), now + SN_SEC(40));
    sn_ctx_free(mm);
    CHECK_EQ(sn_ctx_err(c), 0);
    sn_ctx_free(c);
    sn_ctx_free(m);
    CHECK_EQ(sn_ctx_with_timeout(&c, b, SN_MS(1)), 0);
    parents[0] = a, parents[1] = c;
    CHECK_EQ(sn_ctx_merge(&mm, parents, 2), 0);
    CHECK_EQ(sn_ctx_wait(mm), SN_ETIMEDOUT);
    CHECK_EQ(sn_ctx_cause(mm), SN_ETIMEDOUT);
    sn_ctx_free(mm);
    sn_ctx_free(c);
    sn_ctx_free(a);
    sn_ctx_free(b);
    return 0;
}

static int odd_merges(sn_ctx *ctx, void *arg)
{
    sn_ctx *a, *m, *parents[4] = { ctx, ctx, NULL, sn_background() };
    (void)arg;
    CHECK_EQ(sn_ctx_merge(&m, parents, 0), SN_EINVAL);
    CHECK_EQ(sn_ctx_merge(&m, parents, 4), 0); /* the same twice, the own one, and one that never ends */
    CHECK_EQ(sn_ctx_err(m), 0);
    sn_ctx_free(m);
    CHECK_EQ(sn_ctx_merge(&m, parents + 3, 1), 0);
    sn_ctx_free(m);
    CHECK_EQ(sn_ctx_with_cancel(&a, ctx), 0);
    sn_ctx_cancel_cause(a, SN_EUSER - 9);
    for (int i = 0; i < 3; i++) { /* one has ended before */
        parents[0] = parents[1] = parents[2] = ctx;
        parents[i] = a;
        CHECK_EQ(sn_ctx_merge(&m, parents, 3), 0);
        CHECK_EQ(sn_ctx_err(m), SN_ECANCELED);
        CHECK_EQ(sn_ctx_cause(m), SN_EUSER - 9);
        sn_ctx_free(m);
    }
    sn_ctx_free(a);
    return 0;
}

TEST(a_merged_one_ends_with_any_parent)
{
    run_everywhere(any_ends_it, NULL);
    run_everywhere(values_and_deadlines, NULL);
    run_each(odd_merges, NULL);
}

/* Its parents end at the same time, while it is waited on and given back. */
struct both {
    sn_ctx *p[2], *m;
};

static int cancels_it(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    sn_ctx_cancel(arg);
    return 0;
}

static int waits_for_it(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    CHECK_EQ(sn_ctx_wait(arg), SN_ECANCELED);
    sn_ctx_release(arg);
    return 0;
}

static int merge_races(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 300; i++) {
        struct both b;
        sn_group g;
        sn_group_init(&g, ctx);
        for (int k = 0; k < 2; k++)
            CHECK_EQ(sn_ctx_with_cancel(&b.p[k], sn_background()), 0);
        CHECK_EQ(sn_ctx_merge(&b.m, b.p, 2), 0);
        for (int k = 0; k < 3; k++)
            CHECK_EQ(sn_group_go(&g, waits_for_it, sn_ctx_retain(b.m)), 0);
        if (i % 2)
            sn_yield();
        for (int k = 0; k < 2; k++)
            CHECK_EQ(sn_group_go(&g, cancels_it, b.p[k]), 0);
        if (i % 3 == 0)
            sn_ctx_release(b.m);
        CHECK_EQ(sn_group_wait(&g), 0);
        if (i % 3)
            sn_ctx_free(b.m);
        sn_ctx_free(b.p[i % 2]);
        sn_ctx_free(b.p[1 - i % 2]);
    }
    return 0;
}

TEST(parents_end_at_the_same_time)
{
    run_each(merge_races, NULL);
}

/* A long chain of merged ones is given back without recursion. */
static int long_chain(sn_ctx *ctx, void *arg)
{
    enum { N = 20000 };
    sn_ctx *last, *root;
    (void)arg;
    CHECK_EQ(sn_ctx_with_cancel(&root, ctx), 0);
    last = sn_ctx_retain(root);
    for (int i = 0; i < N; i++) {
        sn_ctx *both[2] = { last, root }, *next;
        if (i % 2)
            both[0] = root, both[1] = last;
        CHECK_EQ(sn_ctx_merge(&next, both, 2), 0);
        sn_ctx_release(last);
        last = next;
    }
    sn_ctx_cancel(root);
    CHECK_EQ(sn_ctx_err(last), SN_ECANCELED);
    sn_ctx_free(root);
    sn_ctx_free(last);
    return 0;
}

TEST(a_long_chain_of_merged_ones)
{
    run_each(long_chain, NULL);
}

/* --- callbacks --- */

struct called {
    int times;
    sn_chan_unit c;
};

static int counts_and_tells(sn_ctx *ctx, void *arg)
{
    struct called *c = arg;
    CHECK(ctx != NULL);
    CHECK_EQ(sn_sleep(sn_background(), SN_US(10)), 0); /* it is a task and may wait */
    __atomic_fetch_add(&c->times, 1, __ATOMIC_RELAXED);
    return sn_chan_unit_send(sn_background(), c->c);
}

static int callbacks(sn_ctx *ctx, void *arg)
{
    struct called c = { 0 };
    sn_ctx *a, *below;
    sn_ctx_callback *cb[4];
    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&c.c, 100), 0);
    CHECK_EQ(sn_ctx_with_cancel(&a, ctx), 0);
    CHECK_EQ(sn_ctx_with_cancel(&below, a), 0);
    CHECK_EQ(sn_ctx_after(&cb[0], a, counts_and_tells, &c), 0);
    CHECK_EQ(sn_ctx_after(&cb[1], below, counts_and_tells, &c), 0);
    CHECK_EQ(sn_ctx_after(&cb[2], below, counts_and_tells, &c), 0);
    CHECK_EQ(sn_ctx_after(NULL, below, counts_and_tells, &c), 0); /* nobody will stop this one */
    CHECK(sn_ctx_callback_stop(cb[1]));
    sn_ctx_cancel(a);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(sn_chan_unit_recv(ctx, c.c), 0);
    CHECK_EQ(sn_ctx_after(&cb[3], a, counts_and_tells, &c), 0); /* it has ended: at once */
    CHECK_EQ(sn_chan_unit_recv(ctx, c.c), 0);
    CHECK(!sn_ctx_callback_stop(cb[0]) && !sn_ctx_callback_stop(cb[2]) && !sn_ctx_callback_stop(cb[3]));
    CHECK(!sn_ctx_callback_stop(NULL));
    CHECK_EQ(sn_ctx_after(&cb[0], sn_background(), counts_and_tells, &c), 0); /* never */
    CHECK_EQ(sn_ctx_after(NULL, sn_background(), counts_and_tells, &c), 0);
    CHECK(sn_ctx_callback_stop(cb[0]));
    sn_ctx_free(a);
    CHECK_EQ(__atomic_load_n(&c.times, __ATOMIC_RELAXED), 4);
    sn_ctx_free(below);
    sn_chan_free(c.c);
    return 0;
}

static int after_a_deadline(sn_ctx *ctx, void *arg)
{
    struct called c = { 0 };
    sn_ctx *a;
    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&c.c, 1), 0);
    CHECK_EQ(sn_ctx_with_timeout(&a, ctx, SN_MS(1)), 0);
    CHECK_EQ(sn_ctx_after(NULL, a, counts_and_tells, &c), 0);
    CHECK_EQ(sn_chan_unit_recv(ctx, c.c), 0);
    CHECK_EQ(c.times, 1);
    sn_ctx_free(a);
    sn_chan_free(c.c);
    return 0;
}

TEST(a_callback_runs_when_the_context_ends)
{
    run_each(after_a_deadline, NULL);
    CHECK_EQ(sn_ctx_after(NULL, sn_background(), counts_and_tells, NULL), SN_ENOTRUNNING);
}

static int callbacks_leak_nothing(sn_ctx *ctx, void *arg)
{
    sn_ctx *a;
    CHECK_EQ(callbacks(ctx, arg), 0);
    CHECK_EQ(sn_ctx_with_cancel(&a, ctx), 0);
    for (int i = 0; i < 1000; i++) { /* registered and stopped again and again on one that lives */
        sn_ctx_callback *cb;
        CHECK_EQ(sn_ctx_after(&cb, a, counts_and_tells, NULL), 0);
        CHECK(sn_ctx_callback_stop(cb));
    }
    sn_ctx_free(a);
    return 0;
}

TEST(callbacks_are_stopped)
{
    run_each(callbacks_leak_nothing, NULL);
}

/* Stop and end race: it runs exactly if stop says that it was too late. */
static int adds(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    __atomic_fetch_add((int *)arg, 1, __ATOMIC_RELAXED);
    return 0;
}

static int callback_races(sn_ctx *ctx, void *arg)
{
    int ran = 0, late = 0;
    (void)arg;
    for (int i = 0; i < 500; i++) {
        sn_ctx_callback *cb;
        sn_ctx *a;
        sn_group g;
        CHECK_EQ(sn_ctx_with_cancel(&a, ctx), 0);
        CHECK_EQ(sn_ctx_after(&cb, a, adds, &ran), 0);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, cancels_it, a), 0);
        if (i % 2)
            sn_yield();
        late += !sn_ctx_callback_stop(cb);
        CHECK_EQ(sn_group_wait(&g), 0);
        sn_ctx_free(a);
    }
    while (__atomic_load_n(&ran, __ATOMIC_RELAXED) < late) /* those that were started */
        sn_yield();
    CHECK_EQ(ran, late);
    return 0;
}

TEST(stop_or_run_but_not_both)
{
    run_each(callback_races, NULL);
}

/* Under the runtime's root: the end of the runtime calls it, and waits for it as for any task. */
static int registers(sn_ctx *ctx, void *arg)
{
    return sn_ctx_after(NULL, ctx, adds, arg);
}

TEST(the_end_of_the_runtime_calls_it)
{
    for (int i = 0; i < TEST_WORKERS; i++) {
        int ran = 0;
        CHECK_EQ(sn_run(registers, &ran, &(sn_run_opts){ .workers = test_workers[i] }), 0);
        CHECK_EQ(ran, 1);
    }
}

/* The context outlives the runtime: whoever ends it calls fn. */
static sn_ctx *outlives;

static int registers_on_it(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    CHECK_EQ(sn_ctx_with_cancel(&outlives, sn_background()), 0);
    return sn_ctx_after(NULL, outlives, adds, arg);
}

TEST(without_a_runtime_who_ends_it_calls_it)
{
    int ran = 0;
    CHECK_EQ(sn_run(registers_on_it, &ran, NULL), 0);
    CHECK_EQ(ran, 0);
    sn_ctx_free(outlives);
    CHECK_EQ(ran, 1);
}

/* --- causes --- */

static void explains(sn_ctx *ctx, const char *want)
{
    char text[256], little[8];
    CHECK_EQ(sn_ctx_explain(ctx, text, sizeof text), strlen(want));
    if (strcmp(text, want) != 0) {
        fprintf(stderr, "explained as \"%s\", not \"%s\"\n", text, want);
        test_failed();
    }
    CHECK_EQ(sn_ctx_explain(ctx, little, sizeof little), strlen(want)); /* cut off, and its length told */
    CHECK(strncmp(little, want, sizeof little - 1) == 0 && strlen(little) < sizeof little);
    CHECK_EQ(sn_ctx_explain(ctx, NULL, 0), strlen(want));
}

static int chains(sn_ctx *ctx, void *arg)
{
    sn_ctx *query, *request, *part, *timed;
    (void)arg;
    explains(sn_background(), "");
    CHECK_EQ(sn_ctx_with_cancel(&query, ctx), 0);
    CHECK_EQ(sn_ctx_with_cancel(&request, ctx), 0);
    CHECK_EQ(sn_ctx_with_cancel(&part, request), 0);
    CHECK_EQ(sn_ctx_with_deadline(&timed, ctx, 1), 0);
    explains(query, "");
    explains(timed, "deadline exceeded");
    CHECK(sn_ctx_why(timed) == NULL && sn_ctx_because(timed) == NULL);
    sn_ctx_cancel_because(query, SN_EPIPE, "peer gone", timed);
    explains(query, "broken pipe (peer gone); because: deadline exceeded");
    sn_ctx_cancel_because(request, SN_EIO, NULL, query);
    explains(request, "input/output error; because: broken pipe (peer gone); because: deadline exceeded");
    explains(part, "input/output error; because: broken pipe (peer gone); because: deadline exceeded");
    CHECK(sn_ctx_because(part) == request && sn_ctx_because(request) == query && sn_ctx_because(query) == timed);
    sn_ctx_free(timed); /* the chain keeps it */
    sn_ctx_free(query);
    explains(part, "input/output error; because: broken pipe (peer gone); because: deadline exceeded");
    CHECK(strcmp(sn_ctx_why(sn_ctx_because(sn_ctx_because(part))), "peer gone") == 0);
    sn_ctx_free(request);
    sn_ctx_free(part);
    CHECK_EQ(sn_ctx_with_cancel(&query, ctx), 0);
    sn_ctx_cancel_because(query, SN_EIO, "of itself", query);
    CHECK(sn_ctx_because(query) == NULL);
    explains(query, "input/output error (of itself)");
    sn_ctx_free(query);
    return 0;
}

static int fails(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    sn_fail(SN_EIO, "the disk is gone");
}

static int group_cause(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_ctx *gc = sn_ctx_retain(sn_group_init(&g, ctx));
    CHECK_EQ(sn_group_go(&g, fails, NULL), 0);
    CHECK_EQ(sn_group_wait(&g), SN_EIO);
    CHECK_EQ(sn_ctx_cause(gc), SN_EIO);
    CHECK(strcmp(sn_ctx_why(gc), "the disk is gone") == 0);
    explains(gc, "input/output error (the disk is gone)");
    sn_ctx_release(gc);
    return 0;
}

TEST(causes_form_a_chain)
{
    run_everywhere(chains, NULL);
    run_each(group_cause, NULL);
}

static void bad_cause(void)
{
    sn_ctx *ctx;
    if (sn_ctx_with_cancel(&ctx, sn_background()) == 0)
        sn_ctx_cancel_because(ctx, 0, NULL, NULL);
}

TEST(a_cause_is_an_error)
{
    check_dies(bad_cause, "sn_ctx_cancel_because: the cause 0 is not an error");
}
