/* Groups and tasks: the contracts of sennit/group.h and sennit/task.h. */
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

/* --- sn_fail --- */

struct failing {
    int order[4], n;
};

static void note_one(void *arg)
{
    struct failing *f = arg;
    f->order[f->n++] = 1;
}

static void note_two(void *arg)
{
    struct failing *f = arg;
    f->order[f->n++] = 2;
    (void)sn_sleep(sn_background(), SN_US(50)); /* a cleanup may block */
}

static int sleep_until_cancelled(sn_ctx *ctx, void *arg)
{
    struct failing *f = arg;
    CHECK_EQ(sn_sleep(ctx, SN_SEC(100)), SN_ECANCELED);
    if (f)
        f->order[f->n++] = 3;
    return 0;
}

static int deep(int n)
{
    volatile char frame[500];
    frame[0] = (char)n;
    if (n <= 0)
        sn_fail(SN_EUSER - 1, "no use");
    return n > 100 ? 0 : deep(n - 1) + frame[0];
}

static int fail_task(sn_ctx *ctx, void *arg)
{
    struct failing *f = arg;
    sn_cleanup one, two;
    sn_group g;

    sn_cleanup_push(&one, note_one, f);
    sn_group_init(&g, ctx); /* its task is cancelled and waited for between the two */
    CHECK_EQ(sn_group_go(&g, sleep_until_cancelled, f), 0);
    sn_cleanup_push(&two, note_two, f);
    return deep(20);
}

static int failing(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        struct failing f = { .n = 0 };
        sn_group g;
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, fail_task, &f), 0);
        CHECK_EQ(sn_group_wait(&g), SN_EUSER - 1);
        CHECK_EQ(f.n, 3);
        CHECK_EQ(f.order[0], 2);
        CHECK_EQ(f.order[1], 3); /* the open group's task */
        CHECK_EQ(f.order[2], 1);
    }
    return 0;
}

TEST(fail_runs_cleanups_newest_first)
{
    run_each(failing, NULL);
}

static int fail_with_group(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(sn_group_go(&g, sleep_until_cancelled, NULL), 0);
    sn_fail(SN_EUSER - 2, NULL);
}

static int failing_with_group(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, fail_with_group, NULL), 0);
    CHECK_EQ(sn_group_wait(&g), SN_EUSER - 2);
    return 0;
}

TEST(fail_runs_cleanups_and_closes_groups)
{
    run_each(failing_with_group, NULL);
}

static int main_fails(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    sn_fail(SN_EUSER - 5, "the main task too");
}

TEST(fail_in_the_main_task)
{
    CHECK_EQ(sn_run(main_fails, NULL, NULL), SN_EUSER - 5);
}

/* --- tasks --- */

static int keep_id(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    *(sn_task *)arg = sn_task_self();
    CHECK_EQ(sn_task_alive(sn_task_self()), 1);
    return 0;
}

static int handles(sn_ctx *ctx, void *arg)
{
    sn_task t = { 0 };
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, keep_id, &t), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK(t.id != 0 && t.id != sn_task_self().id);
    CHECK_EQ(sn_task_alive(t), SN_ESRCH);
    for (int i = 0; i < 2000; i++) { /* the record is used again: a stale handle stays stale */
        sn_task other;
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, keep_id, &other), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK(other.id != t.id);
    }
    CHECK_EQ(sn_task_alive(t), SN_ESRCH);
    CHECK_EQ(sn_task_alive((sn_task){ 0 }), SN_ESRCH);
    CHECK_EQ(sn_task_alive((sn_task){ UINT64_MAX }), SN_ESRCH);
    return 0;
}

TEST(stale_handles)
{
    run_each(handles, NULL);
}

static int detached(sn_ctx *ctx, void *arg)
{
    static long n;
    (void)arg;
    n = 0;
    for (int i = 0; i < 100; i++)
        CHECK_EQ(sn_task_go(add, &n), 0);
    while (__atomic_load_n(&n, __ATOMIC_RELAXED) < 100)
        CHECK_EQ(sn_sleep(ctx, SN_US(100)), 0);
    return 0;
}

TEST(detached_tasks)
{
    run_each(detached, NULL);
    CHECK_EQ(sn_task_go(add, NULL), SN_ENOTRUNNING);
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

static void die_fail_outside(void)
{
    sn_fail(-1, "nowhere");
}

TEST(fail_outside_a_task_panics)
{
    check_dies(die_fail_outside, "sn_fail outside a task");
}
