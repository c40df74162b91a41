/* Tasks: the contract of sennit/task.h. */
#include "sn_test.h"

static int add(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    __atomic_fetch_add((long *)arg, 1, __ATOMIC_RELAXED);
    return 1; /* positive is success */
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

static void die_fail_outside(void)
{
    sn_fail(-1, "nowhere");
}

TEST(fail_outside_a_task_panics)
{
    check_dies(die_fail_outside, "sn_fail outside a task");
}
