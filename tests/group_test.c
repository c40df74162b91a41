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

static int empty(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_ctx *gc = sn_group_init(&g, ctx);
    CHECK_RESULT(SN_ENOMEM, gc != NULL && gc == sn_group_ctx(&g));
    CHECK_EQ(sn_ctx_err(gc), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_wait_ctx(ctx, &g), 0);
    sn_group_init(&g, ctx);
    sn_group_cancel(&g);
    sn_group_cancel(&g); /* idempotent */
    CHECK_EQ(sn_ctx_err(sn_group_ctx(&g)), SN_ECANCELED);
    CHECK_EQ(sn_ctx_cause(sn_group_ctx(&g)), SN_ECANCELED);
    CHECK_EQ(sn_group_wait(&g), 0); /* nobody returned an error */
    return 0;
}

TEST(empty_groups)
{
    run_everywhere(empty, NULL);
    CHECK_EQ(empty(NULL, NULL), 0); /* without a runtime, too */
}

TEST(without_a_runtime_nothing_starts)
{
    long n = 0;
    sn_group g;
    sn_group_init(&g, NULL);
    CHECK_EQ(sn_group_go(&g, add, &n), SN_ENOTRUNNING);
    CHECK_EQ(sn_group_go_copy(&g, add, &n), SN_ENOTRUNNING);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(n, 0);
}

static int sees_the_end(sn_ctx *ctx, void *arg)
{
    CHECK_EQ(sn_ctx_err(ctx), SN_ECANCELED);
    return add(ctx, arg);
}

static int late_starters(sn_ctx *ctx, void *arg)
{
    long n = 0;
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    sn_group_cancel(&g);
    for (int i = 0; i < 50; i++) /* so that they can do their part of the cleaning up */
        CHECK_EQ(sn_group_go(&g, sees_the_end, &n), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(n, 50);
    return 0;
}

TEST(a_cancelled_group_still_starts)
{
    run_everywhere(late_starters, NULL);
}

static int under_the_dead(sn_ctx *ctx, void *arg)
{
    sn_ctx *dead, *late;
    long n = 0;
    sn_group g;

    (void)arg;
    CHECK_EQ(sn_ctx_with_cancel(&dead, ctx), 0);
    sn_ctx_cancel_cause(dead, SN_EUSER - 8);
    sn_ctx *gc = sn_group_init(&g, dead);
    CHECK_RESULT(SN_ENOMEM, gc != NULL);
    CHECK_EQ(sn_ctx_err(gc), SN_ECANCELED);
    CHECK_EQ(sn_ctx_cause(gc), SN_EUSER - 8);
    CHECK_EQ(sn_group_go(&g, sees_the_end, &n), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(n, 1);
    sn_ctx_free(dead);

    CHECK_EQ(sn_ctx_with_timeout(&late, ctx, SN_MS(1)), 0);
    gc = sn_group_init(&g, late);
    CHECK_EQ(sn_ctx_deadline(gc), sn_ctx_deadline(late));
    CHECK_EQ(sn_ctx_wait(gc), SN_ETIMEDOUT);
    CHECK_EQ(sn_ctx_cause(gc), SN_ETIMEDOUT);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_ctx_free(late);
    return 0;
}

TEST(the_parent_has_ended_already)
{
    run_everywhere(under_the_dead, NULL);
}

/* NULL as the parent is the caller's own context; the group's is what its tasks get as theirs. */
static int knows_its_own(sn_ctx *ctx, void *arg)
{
    CHECK(ctx == sn_group_ctx(arg));
    CHECK(sn_ctx_value(NULL, &knows_its_own) == arg);
    CHECK_EQ(sn_ctx_wait(NULL), SN_ECANCELED);
    return 0;
}

static int opens_below_its_own(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_group_init(&g, NULL);
    CHECK_EQ(sn_ctx_wait(sn_group_ctx(&g)), SN_ECANCELED);
    CHECK_EQ(sn_ctx_cause(sn_group_ctx(&g)), sn_ctx_cause(ctx));
    CHECK_EQ(sn_group_wait(&g), 0);
    return 0;
}

static int own(sn_ctx *ctx, void *arg)
{
    sn_ctx *with_value;
    sn_group g = { { 0 } };
    (void)arg;
    CHECK_EQ(sn_ctx_with_value(&with_value, ctx, &knows_its_own, &g), 0);
    sn_group_init(&g, with_value);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(sn_group_go(&g, knows_its_own, &g), 0);
        CHECK_EQ(sn_group_go(&g, opens_below_its_own, NULL), 0);
    }
    CHECK_EQ(sn_sleep(ctx, SN_US(300)), 0);
    sn_group_cancel(&g);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_ctx_free(with_value);
    return 0;
}

TEST(whose_context_is_whose)
{
    run_everywhere(own, NULL);
}

/* --- copies --- */

struct bulk {
    long *n;
    int number;
    char bytes[100000];
};

static int checks_copy(sn_ctx *ctx, void *arg)
{
    struct bulk *b = arg;
    CHECK((uintptr_t)arg % _Alignof(max_align_t) == 0);
    for (int i = 0; i < 3; i++) {
        for (size_t k = 0; k < sizeof b->bytes; k += 997)
            CHECK_EQ(b->bytes[k], (char)b->number);
        sn_yield();
    }
    memset(b->bytes, 0, sizeof b->bytes); /* ours */
    return add(ctx, b->n);
}

static int copies(sn_ctx *ctx, void *arg)
{
    static struct bulk b; /* too large for the stack of a task */
    long n = 0;
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 30; i++) {
        b.n = &n;
        b.number = i;
        memset(b.bytes, i, sizeof b.bytes);
        if (i % 2)
            CHECK_EQ(sn_group_go_copy(&g, checks_copy, &b), 0);
        else
            CHECK_EQ(sn_group_go_copy_opts(&g, checks_copy, &b, &(sn_task_opts){ .name = "copy" }), 0);
    }
    memset(&b, 99, sizeof b); /* before most of them have run */
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(n, 30);
    return 0;
}

TEST(each_task_has_its_own_copy)
{
    run_everywhere(copies, NULL);
}

TEST_MEMORY_MAY_FAIL

static int no_memory(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 300; i++)
        CHECK_EQ(sn_group_go_at(&g, add, &i, SIZE_MAX / 4, SN_SITE("add"), NULL), SN_ENOMEM);
    CHECK_EQ(sn_ctx_err(sn_group_ctx(&g)), 0); /* that is the starter's affair */
    CHECK_EQ(sn_group_wait(&g), 0);            /* and nobody is counted */
    return 0;
}

TEST(no_memory_for_a_copy)
{
    run_everywhere(no_memory, NULL);
}

/* --- errors --- */

static int errors_in_turn(sn_ctx *ctx, void *arg)
{
    long n = 0;
    sn_group g;
    (void)arg;
    sn_ctx *gc = sn_group_init(&g, ctx);
    for (int i = 0; i < 20; i++) { /* one after the other: the first one counts */
        int code = SN_EUSER - i;
        CHECK_EQ(sn_group_go(&g, fails, (void *)(intptr_t)code), 0);
        CHECK_EQ(sn_ctx_wait(gc), SN_ECANCELED);
        CHECK_EQ(sn_ctx_cause(gc), SN_EUSER);
        CHECK_EQ(sn_group_go(&g, add, &n), 0);
        while (__atomic_load_n(&n, __ATOMIC_RELAXED) == i)
            CHECK_EQ(sn_sleep(ctx, SN_US(20)), 0);
    }
    CHECK_EQ(sn_group_wait(&g), SN_EUSER);
    return 0;
}

TEST(the_first_of_many_errors)
{
    run_everywhere(errors_in_turn, NULL);
}

static int error_after_cancel(sn_ctx *ctx, void *arg)
{
    sn_ctx *kept;
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    kept = sn_ctx_retain(sn_group_ctx(&g));
    sn_group_cancel(&g); /* decides the cause; the error is returned all the same */
    CHECK_EQ(sn_group_go(&g, fails, (void *)(intptr_t)SN_EIO), 0);
    CHECK_EQ(sn_group_wait(&g), SN_EIO);
    CHECK_EQ(sn_ctx_err(kept), SN_ECANCELED);
    CHECK_EQ(sn_ctx_cause(kept), SN_ECANCELED);
    sn_ctx_release(kept);

    sn_group_init(&g, ctx);
    kept = sn_ctx_retain(sn_group_ctx(&g));
    CHECK_EQ(sn_group_go(&g, fails, (void *)(intptr_t)SN_EIO), 0);
    CHECK_EQ(sn_group_wait(&g), SN_EIO);
    CHECK_EQ(sn_ctx_err(kept), SN_ECANCELED);
    CHECK_EQ(sn_ctx_cause(kept), SN_EIO);
    sn_ctx_free(kept);

    sn_group_init(&g, ctx);
    kept = sn_ctx_retain(sn_group_ctx(&g));
    CHECK_EQ(sn_group_go(&g, fails, (void *)(intptr_t)1), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(sn_ctx_err(kept), SN_ECANCELED); /* it lives until the wait returns */
    sn_ctx_release(kept);
    return 0;
}

TEST(the_context_after_the_wait)
{
    run_everywhere(error_after_cancel, NULL);
}

/* --- waiting --- */

struct late {
    long n;
    bool may_end; /* (a) */
};

static int obeys_late(sn_ctx *ctx, void *arg)
{
    struct late *l = arg;
    CHECK_EQ(sn_ctx_wait(ctx), SN_ECANCELED);
    while (!__atomic_load_n(&l->may_end, __ATOMIC_ACQUIRE))
        CHECK_EQ(sn_sleep(sn_background(), SN_US(100)), 0);
    return add(ctx, &l->n);
}

static int waits_though_cancelled(sn_ctx *ctx, void *arg)
{
    struct late l = { 0, false };
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(sn_group_go(&g, obeys_late, &l), 0);
    CHECK_EQ(sn_group_wait_ctx(ctx, &g), SN_ECANCELED);
    CHECK_EQ(sn_group_wait_ctx(NULL, &g), SN_ECANCELED); /* the own one */
    CHECK_EQ(__atomic_load_n(&l.n, __ATOMIC_RELAXED), 0);
    __atomic_store_n(&l.may_end, true, __ATOMIC_RELEASE);
    CHECK_EQ(sn_group_wait(&g), 0); /* not stopped by any context */
    CHECK_EQ(l.n, 20);
    return 0;
}

static int outer_cancel(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(sn_group_go(&g, waits_though_cancelled, NULL), 0);
    CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
    sn_group_cancel(&g);
    CHECK_EQ(sn_group_wait(&g), 0);
    return 0;
}

TEST(wait_is_not_stopped_by_a_context)
{
    run_everywhere(outer_cancel, NULL);
}

static int wait_ctx_answers(sn_ctx *ctx, void *arg)
{
    sn_ctx *dead, *hurry;
    struct late l = { 0, true };
    sn_group g;

    (void)arg;
    CHECK_EQ(sn_ctx_with_cancel(&dead, ctx), 0);
    sn_ctx_cancel(dead);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_wait_ctx(dead, &g), SN_ECANCELED); /* even though there is nothing to wait for */
    CHECK_EQ(sn_group_go(&g, obeys_late, &l), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(sn_ctx_with_timeout(&hurry, ctx, SN_US(300)), 0);
        CHECK_EQ(sn_group_wait_ctx(hurry, &g), SN_ETIMEDOUT);
        sn_ctx_free(hurry);
        CHECK_EQ(sn_ctx_err(sn_group_ctx(&g)), 0); /* still open, its task goes on */
    }
    CHECK_EQ(sn_group_go(&g, fails, (void *)(intptr_t)SN_EPERM), 0);
    CHECK_EQ(sn_group_wait_ctx(ctx, &g), SN_EPERM);
    CHECK_EQ(l.n, 1);
    sn_ctx_free(dead);
    return 0;
}

TEST(wait_ctx_answers)
{
    run_everywhere(wait_ctx_answers, NULL);
}

/* --- any task or thread may start tasks in an open group --- */

struct crowd {
    sn_group *g;
    long n;
    sn_chan_unit ended;
};

static int starts_more(sn_ctx *ctx, void *arg)
{
    struct crowd *c = arg;
    for (int i = 0; i < 10; i++)
        CHECK_EQ(sn_group_go(c->g, add, &c->n), 0);
    return add(ctx, &c->n);
}

static void *thread_starts_more(void *arg)
{
    struct crowd *c = arg;
    for (int i = 0; i < 20; i++)
        CHECK_EQ(sn_group_go(c->g, starts_more, c), 0);
    CHECK_EQ(sn_chan_unit_send(NULL, c->ended), 0);
    return NULL;
}

static int everybody_starts(sn_ctx *ctx, void *arg)
{
    struct crowd c = { .n = 0 };
    pthread_t t[2];
    sn_group g;
    (void)arg;
    c.g = &g;
    CHECK_EQ(sn_chan_unit_make(&c.ended, 2), 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&t[i], NULL, thread_starts_more, &c) == 0);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(sn_group_go(&g, starts_more, &c), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(sn_chan_unit_recv(ctx, c.ended), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(t[i], NULL) == 0);
    CHECK_EQ(c.n, 60 * 11);
    sn_chan_free(c.ended);
    return 0;
}

TEST(everybody_may_start)
{
    run_everywhere(everybody_starts, NULL);
}

/* Freed or scribbled over as soon as the wait has returned. */
static int on_the_heap(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 5000; i++) {
        long *n = calloc(1, sizeof *n);
        sn_group *g = malloc(sizeof *g);
        CHECK(n && g);
        memset(g, 0xa5, sizeof *g); /* whatever was there */
        sn_group_init(g, ctx);
        for (int k = 0; k < 1 + i % 3; k++)
            CHECK_EQ(sn_group_go(g, add, n), 0);
        if (i % 7 == 0)
            sn_yield();
        CHECK_EQ(sn_group_wait(g), 0);
        CHECK_EQ(*n, 1 + i % 3);
        memset(g, 0x5a, sizeof *g);
        free(g);
        free(n);
    }
    return 0;
}

TEST(freed_after_the_wait)
{
    run_everywhere(on_the_heap, NULL);
}

static int nested_open(sn_ctx *ctx, void *arg)
{
    static sn_group inner;
    (void)arg;
    sn_group_init(&inner, ctx);
    return SN_EUSER; /* an error is no excuse */
}

static int outer_of_open(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go_opts(&g, nested_open, NULL, &(sn_task_opts){ .name = "sloven" }), 0);
    return sn_group_wait(&g);
}

static void die_nested_open(void)
{
    (void)sn_run(outer_of_open, NULL, NULL);
}

static sn_group closed;

static void die_never_opened(void)
{
    (void)sn_group_wait(&closed);
}

static void die_waited_twice(void)
{
    sn_group_init(&closed, NULL);
    CHECK_EQ(sn_group_wait(&closed), 0);
    CHECK_EQ(sn_group_go(&closed, add, NULL), 0);
}

static void die_cancel_closed(void)
{
    sn_group_cancel(&closed);
}

TEST(misuse_panics)
{
    check_dies(die_nested_open, "returned with a group open");
    check_dies(die_nested_open, "\"sloven\", started at " __FILE__);
    check_dies(die_never_opened, "not an open group");
    check_dies(die_waited_twice, "not an open group");
    check_dies(die_cancel_closed, "not an open group");
}

/* --- closing in any order; why --- */

static int any_order(sn_ctx *ctx, void *arg)
{
    sn_group a, b, c;
    (void)arg;
    sn_group_init(&a, ctx);
    sn_group_init(&b, ctx);
    sn_group_init(&c, ctx);
    CHECK_EQ(sn_group_wait(&b), 0);
    CHECK_EQ(sn_group_wait(&a), 0);
    CHECK_EQ(sn_group_wait(&c), 0);
    return 0;
}

TEST(closed_in_any_order)
{
    run_each(any_order, NULL);
}

static int gives_a_reason(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    sn_fail(SN_EIO, "no reply");
}

static int reasons(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, gives_a_reason, NULL), 0);
    CHECK_EQ(sn_group_wait(&g), SN_EIO);
    CHECK(strcmp(sn_group_why(&g), "no reply") == 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK(sn_group_why(&g) == NULL);
    return 0;
}

TEST(why_the_first_failed)
{
    run_each(reasons, NULL);
}
