/* Tasks: the contract of sennit/task.h. */
#include "sn_test.h"

#include <pthread.h>

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

/* --- sn_fail and cleanups, in all corners --- */

struct depth {
    int order[16], n;
    int frames; /* sum of what the cleanups found in the frames below them */
};

struct note {
    struct depth *d;
    int number;
    volatile int *frame;
};

static void note(void *arg)
{
    struct note *p = arg;
    p->d->order[p->d->n++] = p->number;
    p->d->frames += *p->frame;
}

static int waits_for_the_failure(sn_ctx *ctx, void *arg)
{
    struct note *p = arg;
    CHECK_EQ(sn_ctx_wait(ctx), SN_ECANCELED);
    CHECK_EQ(sn_sleep(sn_background(), SN_US(200)), 0); /* the failing task waits for us */
    p->d->order[p->d->n++] = p->number;
    return SN_EUSER - 99; /* the group that is closed by sn_fail swallows it */
}

/* Five frames, in each a cleanup, a popped one and a group with a task; the last one fails. */
static int descend(struct depth *d, int level)
{
    volatile int frame = 1 << level;
    struct note mine = { d, 2 * level, &frame }, popped = { d, -1, &frame }, theirs = { d, 2 * level + 1, &frame };
    sn_cleanup one, two;
    sn_group g;

    if (level == 5)
        sn_fail(SN_EUSER - 6, "deep down");
    sn_cleanup_push(&one, note, &mine);
    sn_cleanup_push(&two, note, &popped);
    sn_cleanup_pop(&two);
    sn_group_init(&g, NULL);
    CHECK_EQ(sn_group_go(&g, waits_for_the_failure, &theirs), 0);
    return level > 100 ? 0 : descend(d, level + 1) + frame;
}

static int fails_deep(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    return descend(arg, 0);
}

static int sibling(sn_ctx *ctx, void *arg)
{
    CHECK_EQ(sn_sleep(ctx, SN_SEC(1000)), SN_ECANCELED);
    CHECK_EQ(sn_ctx_cause(NULL), SN_EUSER - 6);
    *(int *)arg = 1;
    return 0;
}

static int deep_failure(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        struct depth d = { .n = 0 };
        int cancelled = 0;
        sn_group g;
        sn_ctx *gc = sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, sibling, &cancelled), 0);
        CHECK_EQ(sn_group_go(&g, fails_deep, &d), 0);
        CHECK_EQ(sn_ctx_wait(gc), SN_ECANCELED);
        CHECK_EQ(sn_group_wait(&g), SN_EUSER - 6);
        CHECK_EQ(cancelled, 1);
        CHECK_EQ(d.n, 10);
        for (int k = 0; k < 10; k++) /* group, cleanup, group, cleanup, ...: newest first */
            CHECK_EQ(d.order[k], 9 - k);
        CHECK_EQ(d.frames, 31); /* all frames were intact */
        CHECK_EQ(sn_ctx_err(ctx), 0);
    }
    return 0;
}

TEST(fail_from_five_frames_and_groups)
{
    run_each(deep_failure, NULL);
}

/* A cleanup is ordinary code: it may open a group of its own, and fail nobody else. */
static void works(void *arg)
{
    sn_group g;
    sn_group_init(&g, sn_background());
    for (int i = 0; i < 10; i++)
        CHECK_EQ(sn_group_go(&g, add, arg), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
}

static int fails_with_working_cleanup(sn_ctx *ctx, void *arg)
{
    sn_cleanup c;
    (void)ctx;
    sn_cleanup_push(&c, works, arg);
    sn_fail(-1, NULL);
}

static int working_cleanup(sn_ctx *ctx, void *arg)
{
    long n = 0;
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, fails_with_working_cleanup, &n), 0);
    CHECK_EQ(sn_group_wait(&g), -1);
    CHECK_EQ(n, 10);
    return 0;
}

TEST(cleanups_may_start_tasks)
{
    run_each(working_cleanup, NULL);
}

static void never(void *arg)
{
    (void)arg;
    CHECK(!"this cleanup must not run");
}

static int pops(sn_ctx *ctx, void *arg)
{
    sn_cleanup a, b;
    (void)ctx;
    (void)arg;
    sn_cleanup_push(&a, never, NULL);
    sn_cleanup_push(&b, never, NULL);
    sn_yield();
    sn_cleanup_pop(&b);
    sn_cleanup_pop(&a);
    return 0;
}

TEST(popped_cleanups_do_not_run)
{
    run_each(pops, NULL);
    CHECK_EQ(pops(NULL, NULL), 0); /* outside a task they do nothing */
}

static int in_turn;

static int next_misuse(sn_ctx *ctx, void *arg);

static int starts_named(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go_opts(&g, next_misuse, NULL, &(sn_task_opts){ .name = "culprit" }), 0);
    return sn_group_wait(&g);
}

static void die_by_misuse(void)
{
    (void)sn_run(starts_named, NULL, &(sn_run_opts){ .workers = 2 });
}

static void fails_again(void *arg)
{
    (void)arg;
    sn_fail(-2, "once more");
}

static int next_misuse(sn_ctx *ctx, void *arg)
{
    sn_cleanup a, b;
    (void)ctx;
    (void)arg;
    switch (in_turn) {
    case 0:
        sn_fail(0, NULL);
    case 1:
        sn_fail(5, NULL);
    case 2:
        sn_cleanup_push(&a, fails_again, NULL);
        sn_fail(-1, NULL);
    case 3:
        sn_cleanup_push(&a, never, NULL);
        sn_cleanup_push(&b, never, NULL);
        sn_cleanup_pop(&a);
        break;
    case 4:
        sn_cleanup_push(&a, never, NULL);
        break;
    case 5:
        sn_cleanup_pop(&a);
        break;
    case 6:
        sn_ctx_cancel_cause(ctx, 0);
        break;
    }
    return 0;
}

TEST(misuse_panics_and_names_the_task)
{
    static const char *const text[] = {
        "sn_fail with 0", "sn_fail with 5", "sn_fail inside a cleanup: once more", "not the newest cleanup",
        "returned with a group open or a cleanup pushed", "not the newest cleanup", "the cause 0 is not an error",
    };
    for (in_turn = 0; in_turn < 7; in_turn++) {
        check_dies(die_by_misuse, "sennit: panic: ");
        check_dies(die_by_misuse, text[in_turn]);
        check_dies(die_by_misuse, "\"culprit\", started at " __FILE__ ":");
        check_dies(die_by_misuse, " next_misuse");
    }
}

static void die_fail_outside_without_a_reason(void)
{
    sn_fail(-1, NULL);
}

TEST(fail_in_a_plain_thread_panics)
{
    check_dies(die_fail_outside_without_a_reason, "sn_fail outside a task");
    check_dies(die_fail_outside_without_a_reason, "in a plain thread");
}

/* --- handles, yielding, detached tasks --- */

static int tells(sn_ctx *ctx, void *arg)
{
    __atomic_store_n((uint64_t *)arg, sn_task_self().id, __ATOMIC_RELEASE);
    CHECK_EQ(sn_ctx_wait(ctx), SN_ECANCELED);
    return 0;
}

static sn_task await_id(uint64_t *id)
{
    uint64_t v;
    while ((v = __atomic_load_n(id, __ATOMIC_ACQUIRE)) == 0)
        (void)sn_sleep(sn_background(), SN_US(100));
    return (sn_task){ v };
}

static int alive(sn_ctx *ctx, void *arg)
{
    enum { N = 20 };
    uint64_t ids[N] = { 0 };
    sn_task t[N];
    sn_group g;

    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < N; i++)
        CHECK_EQ(sn_group_go(&g, tells, &ids[i]), 0);
    for (int i = 0; i < N; i++) {
        t[i] = await_id(&ids[i]);
        CHECK_EQ(sn_task_alive(t[i]), 1); /* running or parked */
        for (int k = 0; k < i; k++)
            CHECK(t[k].id != t[i].id);
    }
    sn_group_cancel(&g);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < N; i++)
        CHECK_EQ(sn_task_alive(t[i]), SN_ESRCH);
    return 0;
}

TEST(alive_until_the_end)
{
    run_each(alive, NULL);
    for (int i = 1; i <= 2; i++) { /* from a plain thread */
        CHECK_EQ(sn_start(&(sn_run_opts){ .workers = i }), 0);
        CHECK_EQ(alive(NULL, NULL), 0);
        CHECK_EQ(sn_task_self().id, 0);
        CHECK_EQ(sn_stop(), 0);
    }
}

TEST(handles_outlive_the_runtime)
{
    sn_task t = { 0 };
    CHECK_EQ(sn_run(keep_id, &t, NULL), 0);
    CHECK(t.id != 0);
    CHECK_EQ(sn_task_alive(t), SN_ESRCH);
    CHECK_EQ(sn_task_self().id, 0);
    sn_yield(); /* yields the processor, no more */
}

/* One worker: of two tasks that yield, neither gets ahead by more than a turn. */
struct turn {
    int *mine, *other;
};

static int turns(sn_ctx *ctx, void *arg)
{
    struct turn *t = arg;
    (void)ctx;
    for (int i = 0; i < 1000; i++) {
        ++*t->mine;
        CHECK(*t->mine - *t->other <= 2 && *t->other - *t->mine <= 2);
        sn_yield();
    }
    return 0;
}

static int yielding(sn_ctx *ctx, void *arg)
{
    int a = 0, b = 0;
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go_copy(&g, turns, (&(struct turn){ &a, &b })), 0);
    CHECK_EQ(sn_group_go_copy(&g, turns, (&(struct turn){ &b, &a })), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK(a == 1000 && b == 1000);
    return 0;
}

TEST(yield_lets_others_go_first)
{
    CHECK_EQ(sn_run(yielding, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

/* Detached tasks hang below the root: neither the end of who started them nor of its context ends them. */
struct apart {
    sn_chan_unit go, done;
};

static int stays(sn_ctx *ctx, void *arg)
{
    struct apart *a = arg;
    CHECK_EQ(sn_chan_unit_recv(ctx, a->go), 0);
    CHECK_EQ(sn_ctx_err(NULL), 0);
    CHECK_EQ(sn_ctx_deadline(NULL), SN_FOREVER);
    CHECK_EQ(sn_chan_unit_send(ctx, a->done), 0);
    return 0;
}

static int starts_and_ends(sn_ctx *ctx, void *arg)
{
    CHECK_EQ(sn_task_go(stays, arg), 0);
    CHECK_EQ(sn_task_go_opts(stays, arg, NULL), 0);
    sn_ctx_cancel(ctx);
    return 0;
}

static int apart(sn_ctx *ctx, void *arg)
{
    struct apart a;
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&a.go, 0), 0);
    CHECK_EQ(sn_chan_unit_make(&a.done, 0), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, starts_and_ends, &a), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(sn_chan_unit_send(ctx, a.go), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(sn_chan_unit_recv(ctx, a.done), 0);
    sn_chan_free(a.go);
    sn_chan_free(a.done);
    return 0;
}

TEST(detached_tasks_belong_to_the_runtime)
{
    run_each(apart, NULL);
    for (int i = 1; i <= 2; i++) {
        CHECK_EQ(sn_start(&(sn_run_opts){ .workers = i }), 0);
        CHECK_EQ(apart(NULL, NULL), 0); /* started in a group by a plain thread */
        CHECK_EQ(sn_stop(), 0);
    }
}

static void *starts_detached(void *arg)
{
    for (int i = 0; i < 100; i++)
        CHECK_EQ(sn_task_go(add, arg), 0);
    return NULL;
}

TEST(plain_threads_start_detached_tasks)
{
    for (int i = 1; i <= 2; i++) {
        long n = 0;
        pthread_t t[3];
        CHECK_EQ(sn_start(&(sn_run_opts){ .workers = i }), 0);
        for (int k = 0; k < 3; k++)
            CHECK(pthread_create(&t[k], NULL, starts_detached, &n) == 0);
        for (int k = 0; k < 3; k++)
            CHECK(pthread_join(t[k], NULL) == 0);
        while (__atomic_load_n(&n, __ATOMIC_RELAXED) < 300)
            CHECK_EQ(sn_sleep(NULL, SN_US(100)), 0);
        CHECK_EQ(sn_stop(), 0);
        CHECK_EQ(n, 300);
    }
}

/* --- errors of tasks that nobody waits for --- */

static int fails_detached(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    sn_chan_close(*(sn_chan_unit *)arg);
    return SN_EUSER - 1;
}

static int drops_errors(sn_ctx *ctx, void *arg)
{
    sn_chan_unit about_to_fail;
    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&about_to_fail, 0), 0);
    CHECK_EQ(sn_task_go(fails_detached, &about_to_fail), 0);
    CHECK_EQ(sn_chan_unit_recv(ctx, about_to_fail), SN_ECLOSED);
    CHECK_EQ(sn_sleep(ctx, SN_MS(2)), 0); /* not cancelled */
    sn_chan_free(about_to_fail);
    return 0;
}

TEST(a_detached_error_is_dropped)
{
    run_each(drops_errors, NULL);
}

static int fails_with_a_reason(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    sn_fail(SN_EUSER - 7, arg ? arg : "the disk is full");
}

static char told[4096];

static void tell_once(void *arg, const char *text)
{
    (void)arg;
    (void)snprintf(told, sizeof told, "%s", text);
}

TEST(why_the_main_task_failed_is_reported)
{
    CHECK_EQ(sn_run(fails_with_a_reason, NULL, &(sn_run_opts){ .report = tell_once }), SN_EUSER - 7);
    CHECK(strstr(told, "a task failed: the disk is full") != NULL);
}

static int fails_unwatched(sn_ctx *ctx, void *arg)
{
    (void)arg;
    CHECK_EQ(sn_task_go(fails_with_a_reason, NULL), 0);
    while (!__atomic_load_n(&told[0], __ATOMIC_ACQUIRE))
        CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
    return 0;
}

TEST(why_a_detached_task_failed_is_reported)
{
    CHECK_EQ(sn_run(fails_unwatched, NULL, &(sn_run_opts){ .workers = 1, .report = tell_once }), 0);
    CHECK(strstr(told, "a task failed: the disk is full") != NULL);
    CHECK(strstr(told, "fails_with_a_reason") != NULL);
}

static sn_task of_an_earlier_runtime;

static int keeps_its_handle(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    of_an_earlier_runtime = sn_task_self();
    CHECK_EQ(sn_task_alive(of_an_earlier_runtime), 1);
    return 0;
}

static int finds_it_stale(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    CHECK_EQ(sn_task_alive(of_an_earlier_runtime), SN_ESRCH);
    return 0;
}

TEST(a_handle_of_an_earlier_runtime_is_stale)
{
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(sn_run(keeps_its_handle, NULL, &(sn_run_opts){ .workers = 1 }), 0);
        CHECK_EQ(sn_run(finds_it_stale, NULL, &(sn_run_opts){ .workers = 1 }), 0);
    }
}
