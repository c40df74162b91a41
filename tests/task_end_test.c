/* The ends of tasks and groups as cases of a select, and one by one: what sennit/task.h and sennit/group.h say of sn_task_wait,
 * sn_on_task and sn_on_group. */
#include "sn_test.h"

/* --- a task that ends when it is let --- */

struct runner {
    sn_chan_of(sn_task) says;
    sn_chan_unit lets;
    int did; /* plain: who has seen its end sees this */
};

static void runner_init(struct runner *r)
{
    *r = (struct runner){ .did = 0 };
    CHECK_EQ(sn_chan_make(&r->says, 1), 0);
    CHECK_EQ(sn_chan_unit_make(&r->lets, 1), 0);
}

static void runner_destroy(struct runner *r)
{
    sn_chan_free(r->says);
    sn_chan_free(r->lets);
}

static int runs(sn_ctx *ctx, void *arg)
{
    struct runner *r = arg;
    sn_task self = sn_task_self();
    CHECK_EQ(sn_chan_send(ctx, r->says, &self), 0);
    CHECK_EQ(sn_chan_unit_recv(ctx, r->lets), 0);
    r->did = 42;
    return 0;
}

static int runs_and_fails(sn_ctx *ctx, void *arg)
{
    (void)runs(ctx, arg);
    sn_fail(SN_EUSER, "it shall");
}

static sn_task start(sn_ctx *ctx, sn_group *g, sn_fn *fn, struct runner *r)
{
    sn_task task;
    CHECK_EQ(sn_group_go(g, fn, r), 0);
    CHECK_EQ(sn_chan_recv(ctx, r->says, &task), 0);
    return task;
}

static void let(sn_ctx *ctx, struct runner *r)
{
    CHECK_EQ(sn_chan_unit_send(ctx, r->lets), 0);
}

static sn_ctx *over_soon(sn_ctx *ctx)
{
    sn_ctx *soon;
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx ? ctx : sn_background(), SN_US(300)), 0);
    return soon;
}

/* --- the end of a task --- */

static int ends(sn_ctx *ctx, void *arg)
{
    sn_fn *how[] = { runs, runs_and_fails };
    (void)arg;
    for (int i = 0; i < 8; i++) {
        struct runner r;
        sn_group g;
        runner_init(&r);
        sn_group_init(&g, ctx);
        sn_task task = start(ctx, &g, how[i % 2], &r);
        sn_case c = sn_on_task(task);
        CHECK_EQ(sn_select_try(&c, 1), SN_EAGAIN);
        sn_ctx *soon = over_soon(ctx);
        CHECK_EQ(sn_task_wait(soon, task), SN_ETIMEDOUT);
        CHECK_EQ(sn_select(soon, &c, 1), SN_ETIMEDOUT);
        CHECK_EQ(sn_select_priority(soon, &c, 1), SN_ETIMEDOUT);
        CHECK_EQ(sn_task_alive(task), 1);
        let(ctx, &r);
        c.err = 1;
        if (i < 4)
            CHECK_EQ(sn_task_wait(ctx, task), 0);
        else
            CHECK_EQ(i < 6 ? sn_select(ctx, &c, 1) : sn_select_priority(ctx, &c, 1), 0);
        CHECK_EQ(c.err, i < 4);
        CHECK_EQ(r.did, 42);
        CHECK_EQ(sn_task_alive(task), SN_ESRCH);
        CHECK_EQ(sn_group_wait(&g), i % 2 ? SN_EUSER : 0);
        /* At once, again and again; but not if the context has ended. */
        CHECK_EQ(sn_task_wait(ctx, task), 0);
        CHECK_EQ(sn_select(ctx, &c, 1), 0);
        CHECK_EQ(sn_select_try(&c, 1), 0);
        CHECK_EQ(c.err, 0);
        CHECK_EQ(sn_task_wait(soon, task), SN_ETIMEDOUT);
        CHECK_EQ(sn_select(soon, &c, 1), SN_ETIMEDOUT);
        sn_ctx_free(soon);
        runner_destroy(&r);
    }
    return 0;
}

TEST(a_task_ends)
{
    run_everywhere(ends, NULL);
}

/* A handle names one task for ever: its record's next task, which runs, is another. */
static int stale(sn_ctx *ctx, void *arg)
{
    struct runner r;
    sn_task old = { 0 };
    (void)arg;
    runner_init(&r);
    for (int i = 0; i < 20; i++) {
        sn_task zero = { 0 };
        sn_group g;
        sn_group_init(&g, ctx);
        sn_task task = start(ctx, &g, runs, &r);
        sn_case cases[] = { sn_on_task(task), sn_on_task(old), sn_on_task(zero) };
        int k = sn_select(ctx, cases, 3);
        CHECK(k == 1 || k == 2);
        CHECK_EQ(sn_select_priority(ctx, cases, 3), 1);
        CHECK_EQ(sn_task_wait(ctx, old), 0);
        CHECK_EQ(sn_task_wait(ctx, (sn_task){ (uint64_t)99 << 32 | 0x7fffffff }), 0); /* nobody's */
        let(ctx, &r);
        CHECK_EQ(sn_group_wait(&g), 0);
        old = task;
    }
    runner_destroy(&r);
    return 0;
}

TEST(a_stale_handle_is_one_of_an_ended_task)
{
    run_everywhere(stale, NULL);
}

TEST(without_a_runtime_every_task_has_ended)
{
    sn_chan_unit ch;
    CHECK_EQ(sn_chan_unit_make(&ch, 0), 0);
    sn_case cases[] = { sn_on_unit_recv(ch), sn_on_task((sn_task){ (uint64_t)1 << 32 | 1 }), sn_on_task((sn_task){ 0 }) };
    CHECK_EQ(sn_task_wait(NULL, (sn_task){ (uint64_t)1 << 32 | 1 }), 0);
    CHECK_EQ(sn_select_priority(NULL, cases, 3), 1);
    CHECK(sn_select(NULL, cases, 3) > 0);
    CHECK(sn_select_try(cases, 3) > 0);
    CHECK_EQ(cases[1].err, 0);
    sn_chan_free(ch);
}

/* Any number may wait, tasks and threads, in each way; and one for many, in one select or with the same in several cases. */
struct crowd {
    sn_task task;
    struct runner *r;
    int n; /* (a) */
};

static int waits(sn_ctx *ctx, void *arg)
{
    struct crowd *c = arg;
    CHECK_EQ(sn_task_wait(ctx, c->task), 0);
    CHECK_EQ(c->r->did, 42);
    __atomic_fetch_add(&c->n, 1, __ATOMIC_RELAXED);
    return 0;
}

static int selects(sn_ctx *ctx, void *arg)
{
    struct crowd *c = arg;
    sn_case cases[] = { sn_on_task(c->task), sn_on_after(SN_SEC(1000)), sn_on_task(c->task) };
    int k = sn_select(ctx, cases, 3);
    CHECK(k == 0 || k == 2);
    CHECK_EQ(cases[k].err, 0);
    CHECK_EQ(c->r->did, 42);
    __atomic_fetch_add(&c->n, 1, __ATOMIC_RELAXED);
    return 0;
}

static void *thread_waits(void *arg)
{
    CHECK_EQ(waits(NULL, arg), 0);
    CHECK_EQ(selects(NULL, arg), 0);
    return NULL;
}

static int crowds(sn_ctx *ctx, void *arg)
{
    for (int i = 0; i < 10; i++) {
        struct runner r;
        struct crowd c = { .r = &r };
        pthread_t t;
        sn_group g, others;
        runner_init(&r);
        sn_group_init(&g, ctx);
        c.task = start(ctx, &g, runs, &r);
        sn_group_init(&others, ctx);
        for (int k = 0; k < 10; k++)
            CHECK_EQ(sn_group_go(&others, k % 2 ? waits : selects, &c), 0);
        if (arg)
            CHECK(pthread_create(&t, NULL, thread_waits, &c) == 0);
        if (i % 2)
            CHECK_EQ(sn_sleep(ctx, SN_US(200)), 0);
        let(ctx, &r);
        CHECK_EQ(sn_group_wait(&others), 0);
        if (arg)
            CHECK(pthread_join(t, NULL) == 0);
        CHECK_EQ(c.n, arg ? 12 : 10);
        CHECK_EQ(sn_group_wait(&g), 0);
        runner_destroy(&r);
    }
    return 0;
}

TEST(any_number_may_wait)
{
    run_everywhere(crowds, NULL);
    CHECK_EQ(sn_run(crowds, "", &(sn_run_opts){ .workers = 2 }), 0);
}

enum { MANY = 100 }; /* more than there are lists */

static int many(sn_ctx *ctx, void *arg)
{
    struct runner r[MANY];
    sn_case cases[MANY];
    bool ended[MANY] = { false };
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < MANY; i++) {
        runner_init(&r[i]);
        cases[i] = sn_on_task(start(ctx, &g, runs, &r[i]));
    }
    for (int i = 0; i < MANY; i++) {
        int next = i * 37 % MANY;
        let(ctx, &r[next]);
        int k = sn_select(ctx, cases, MANY);
        CHECK_EQ(k, next);
        CHECK(!ended[k]);
        ended[k] = true;
        cases[k] = sn_on_ctx(NULL); /* never */
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < MANY; i++)
        runner_destroy(&r[i]);
    return 0;
}

TEST(one_may_wait_for_many)
{
    run_everywhere(many, NULL);
}

/* Another case comes first; the task's end finds nobody. */
static int others_first(sn_ctx *ctx, void *arg)
{
    enum { END, VALUE, TIME };
    (void)arg;
    for (int i = 0; i < 10; i++) {
        sn_chan_of(int) ch;
        struct runner r;
        sn_group g;
        int v;
        runner_init(&r);
        CHECK_EQ(sn_chan_make(&ch, 1), 0);
        sn_group_init(&g, ctx);
        sn_case cases[] = { sn_on_task(start(ctx, &g, runs, &r)), sn_on_recv(ch, &v), sn_on_after(SN_US(200)) };
        CHECK_EQ(sn_select(ctx, cases, 3), TIME);
        CHECK_EQ(sn_chan_send(ctx, ch, &i), 0);
        CHECK_EQ(i % 2 ? sn_select(ctx, cases, 3) : sn_select_priority(ctx, cases, 3), VALUE);
        CHECK_EQ(v, i);
        let(ctx, &r);
        cases[TIME] = sn_on_ctx(NULL);
        CHECK_EQ(sn_select(ctx, cases, 3), END);
        CHECK_EQ(sn_group_wait(&g), 0);
        sn_chan_free(ch);
        runner_destroy(&r);
    }
    return 0;
}

TEST(another_case_comes_first)
{
    run_everywhere(others_first, NULL);
}

/* What happened before a case became ready is seen by the priority form: the first task has ended when the second does. But who
 * waits already is told of each by the task that ends, which another worker's may overtake: there are none in a simulation. */

static int ends_second(sn_ctx *ctx, void *arg)
{
    sn_task *tasks = arg;
    sn_task self = sn_task_self();
    __atomic_store_n(&tasks[1].id, self.id, __ATOMIC_RELEASE);
    return sn_task_wait(ctx, tasks[0]);
}

static int in_order(sn_ctx *ctx, void *arg)
{
    for (int i = 0; i < 100; i++) {
        sn_task tasks[2] = { { 0 } };
        struct runner r;
        sn_group g;
        runner_init(&r);
        sn_group_init(&g, ctx);
        tasks[0] = start(ctx, &g, runs, &r);
        CHECK_EQ(sn_group_go(&g, ends_second, tasks), 0);
        while (__atomic_load_n(&tasks[1].id, __ATOMIC_ACQUIRE) == 0)
            sn_yield();
        sn_case cases[] = { sn_on_task(tasks[0]), sn_on_task(tasks[1]) };
        let(ctx, &r);
        for (int k = 0; k < i % 4; k++)
            sn_yield();
        int k = sn_select_priority(ctx, cases, 2);
        CHECK_RESULT(k, k == 0 || (k == 1 && !arg));
        CHECK_EQ(sn_task_wait(ctx, tasks[1]), 0);
        CHECK_EQ(sn_select_priority(ctx, cases, 2), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        runner_destroy(&r);
    }
    return 0;
}

TEST(priority_sees_what_came_before)
{
    run_everywhere(in_order, NULL);
    run_simulated(in_order, "");
}

static int waits_for_itself(sn_ctx *ctx, void *arg)
{
    sn_ctx *soon = over_soon(ctx);
    sn_case c = sn_on_task(sn_task_self());
    (void)arg;
    CHECK_EQ(sn_task_wait(soon, sn_task_self()), SN_ETIMEDOUT);
    CHECK_EQ(sn_select(soon, &c, 1), SN_ETIMEDOUT);
    CHECK_EQ(sn_select_try(&c, 1), SN_EAGAIN);
    sn_ctx_free(soon);
    return 0;
}

TEST(who_waits_for_itself_waits_for_the_context)
{
    run_each(waits_for_itself, NULL);
}

static int waits_for_the_main_task(sn_ctx *ctx, void *arg)
{
    return sn_task_wait(ctx, *(sn_task *)arg);
}

static int deadlocks(sn_ctx *ctx, void *arg)
{
    sn_task self = sn_task_self();
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, waits_for_the_main_task, &self), 0);
    return sn_group_wait(&g);
}

static void die_waiting(void)
{
    (void)sn_run(deadlocks, NULL, &(sn_run_opts){ .workers = 1, .deadlock = SN_DEADLOCK_ALWAYS });
}

TEST(reports_say_for_whose_end_it_waits)
{
    check_dies(die_waiting, "waiting for the end of task");
}

/* Tasks end while those who wait give up. The frames of both are used again at once. */
struct race {
    sn_task task;
    uint32_t told;    /* (a) */
    int64_t patience; /* ns */
};

static int ends_soon(sn_ctx *ctx, void *arg)
{
    struct race *r = arg;
    __atomic_store_n(&r->task.id, sn_task_self().id, __ATOMIC_RELEASE);
    for (uint64_t n = sn_random() % 6; n > 0; n--)
        sn_yield();
    return sn_random() % 4 == 0 ? sn_sleep(ctx, (int64_t)(sn_random() % 40000)) : 0;
}

static int gives_up(sn_ctx *ctx, void *arg)
{
    struct race *r = arg;
    sn_ctx *soon;
    sn_task task;
    int k;
    while ((task.id = __atomic_load_n(&r->task.id, __ATOMIC_ACQUIRE)) == 0)
        sn_yield();
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, (int64_t)(sn_random() % 40000)), 0);
    switch (sn_random() % 3) {
    case 0:
        k = sn_task_wait(soon, task);
        break;
    case 1: {
        sn_case c[] = { sn_on_task(task), sn_on_task(sn_task_self()) };
        k = sn_select(soon, c, 2);
        break;
    }
    default: {
        sn_case c[] = { sn_on_task(task), sn_on_after((int64_t)(sn_random() % 40000)) };
        k = sn_select_priority(ctx, c, 2);
        break;
    }
    }
    CHECK_RESULT(k, k == 0 || k == 1 || k == SN_ETIMEDOUT);
    if (k == 0) {
        CHECK_EQ(sn_task_alive(task), SN_ESRCH);
        __atomic_fetch_add(&r->told, 1, __ATOMIC_RELAXED);
    }
    sn_ctx_free(soon);
    return 0;
}

static int races(sn_ctx *ctx, void *arg)
{
    int64_t until = sn_now() + SN_MS(test_stress_ms()) / 4;
    (void)arg;
    do {
        struct race r[4];
        sn_group g;
        memset(r, 0, sizeof r);
        sn_group_init(&g, ctx);
        for (int i = 0; i < 4; i++) {
            CHECK_EQ(sn_group_go(&g, ends_soon, &r[i]), 0);
            for (int k = 0; k < 3; k++)
                CHECK_EQ(sn_group_go(&g, gives_up, &r[i]), 0);
        }
        CHECK_EQ(sn_group_wait(&g), 0);
    } while (sn_now() < until);
    return 0;
}

TEST(giving_up_races_with_the_end)
{
    run_everywhere(races, NULL);
}

/* --- groups --- */

static int fails_when_let(sn_ctx *ctx, void *arg)
{
    (void)runs(ctx, arg);
    return SN_EUSER;
}

static int runs_on(sn_ctx *ctx, void *arg)
{
    struct runner *r = arg;
    sn_task self = sn_task_self();
    int e = sn_chan_send(ctx, r->says, &self);
    if (e == 0)
        e = sn_chan_unit_recv(ctx, r->lets);
    r->did = 42;
    return e == SN_ECANCELED ? 0 : e;
}

static int groups_end(sn_ctx *ctx, void *arg)
{
    enum { GROUP, TIME };
    (void)arg;
    for (int i = 0; i < 6; i++) {
        struct runner r[3];
        sn_group g;
        sn_group_init(&g, ctx);
        sn_case cases[] = { sn_on_group(&g), sn_on_after(SN_US(200)) };
        CHECK_EQ(sn_select(ctx, cases, 2), GROUP); /* nobody is in it */
        CHECK_EQ(sn_select_try(cases, 1), 0);
        for (int k = 0; k < 3; k++) {
            runner_init(&r[k]);
            (void)start(ctx, &g, k == 1 && i % 2 ? fails_when_let : runs_on, &r[k]);
        }
        CHECK_EQ(sn_select_try(cases, 1), SN_EAGAIN);
        for (int k = 0; k < (i % 2 ? 2 : 3); k++) { /* a failure stops the last one */
            CHECK_EQ(i < 3 ? sn_select(ctx, cases, 2) : sn_select_priority(ctx, cases, 2), TIME);
            let(ctx, &r[k]);
        }
        cases[TIME] = sn_on_ctx(NULL);
        cases[GROUP].err = 1;
        CHECK_EQ(i < 3 ? sn_select(ctx, cases, 2) : sn_select_priority(ctx, cases, 2), GROUP);
        CHECK_EQ(cases[GROUP].err, 0);
        CHECK_EQ(r[0].did, 42);
        CHECK_EQ(sn_select(ctx, cases, 2), GROUP); /* it is still open */
        CHECK_EQ(sn_group_wait(&g), i % 2 ? SN_EUSER : 0);
        for (int k = 0; k < 3; k++)
            runner_destroy(&r[k]);
    }
    return 0;
}

/* One group in several cases, two groups, and a group that is used again after it was seen empty. */
static int several_groups(sn_ctx *ctx, void *arg)
{
    struct runner r;
    (void)arg;
    runner_init(&r);
    for (int i = 0; i < 20; i++) {
        sn_group a, b;
        sn_group_init(&a, ctx);
        sn_group_init(&b, ctx);
        for (int round = 0; round < 2; round++) {
            (void)start(ctx, &a, runs_on, &r);
            sn_case cases[] = { sn_on_group(&a), sn_on_ctx(NULL), sn_on_group(&a), sn_on_group(&b) };
            CHECK_EQ(sn_select(ctx, cases, 4), 3);
            let(ctx, &r);
            int k = sn_select(ctx, cases, 3);
            CHECK(k == 0 || k == 2);
            CHECK_EQ(sn_select_priority(ctx, cases, 4), 0);
        }
        (void)start(ctx, &a, runs_on, &r);
        sn_case c[] = { sn_on_group(&a), sn_on_group(&a) };
        sn_ctx *soon = over_soon(ctx);
        CHECK_EQ(sn_select(soon, c, 2), SN_ETIMEDOUT);
        CHECK_EQ(sn_group_wait_ctx(soon, &a), SN_ETIMEDOUT);
        sn_ctx_free(soon);
        sn_group_cancel(&a);
        CHECK_EQ(sn_group_wait(&a), 0);
        CHECK_EQ(sn_group_wait(&b), 0);
    }
    runner_destroy(&r);
    return 0;
}

TEST(no_task_of_a_group_is_left)
{
    run_everywhere(groups_end, NULL);
    run_everywhere(several_groups, NULL);
}

static int a_while(sn_ctx *ctx, void *arg)
{
    int *n = arg;
    for (uint64_t k = sn_random() % 6; k > 0; k--)
        sn_yield();
    if (sn_random() % 4 == 0)
        (void)sn_sleep(ctx, (int64_t)(sn_random() % 30000));
    __atomic_fetch_add(n, 1, __ATOMIC_RELAXED);
    return 0;
}

static int group_races(sn_ctx *ctx, void *arg)
{
    int64_t until = sn_now() + SN_MS(test_stress_ms()) / 4;
    (void)arg;
    do {
        sn_group *g = malloc(sizeof *g); /* to be freed as soon as the contract says so */
        int n = 0;
        CHECK(g != NULL);
        sn_group_init(g, ctx);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(sn_group_go(g, a_while, &n), 0);
        sn_case cases[] = { sn_on_group(g), sn_on_after((int64_t)(sn_random() % 30000)) };
        int k = sn_select(ctx, cases, 2);
        CHECK_RESULT(k, k == 0 || k == 1);
        if (k == 0)
            CHECK_EQ(n, 3);
        CHECK_EQ(sn_group_wait(g), 0);
        free(g);
    } while (sn_now() < until);
    return 0;
}

TEST(giving_up_races_with_a_group)
{
    run_everywhere(group_races, NULL);
}

/* --- misuse --- */

static void die_not_open(void)
{
    sn_group g = { { 0 } };
    (void)sn_on_group(&g);
}

static int waits_for_it_too(sn_ctx *ctx, void *arg)
{
    sn_case c = sn_on_group(arg);
    return sn_select(ctx, &c, 1);
}

static int two_wait(sn_ctx *ctx, void *arg)
{
    sn_group g, other;
    (void)arg;
    sn_group_init(&g, ctx);
    sn_group_init(&other, ctx);
    CHECK_EQ(sn_group_go(&g, waits_for_itself, NULL), 0);
    CHECK_EQ(sn_group_go(&other, waits_for_it_too, &g), 0);
    return waits_for_it_too(ctx, &g);
}

static void die_two(void)
{
    (void)sn_run(two_wait, NULL, &(sn_run_opts){ .workers = 1 });
}

TEST(misuse_panics)
{
    check_dies(die_not_open, "not an open group");
    check_dies(die_two, "a select over a group for which somebody else waits");
}
