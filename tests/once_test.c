/* Once: the contract of sennit/once.h. */
#include "sn_test.h"

#include <pthread.h>

/* What the functions below count; a test's own. */
struct made {
    sn_once once;
    int runs, value;
    sn_chan_unit begun, go; /* a slow function says that it runs, and waits until it may end */
};

static void make(void *arg)
{
    struct made *m = arg;
    m->runs++;
    m->value = 42;
}

static void must_not_run(void *arg)
{
    (void)arg;
    CHECK(!"run twice");
}

static int first_and_later(sn_ctx *ctx, void *arg)
{
    struct made m = { .runs = 0 };
    sn_ctx *over;
    (void)arg;
    CHECK_EQ(sn_ctx_with_cancel(&over, ctx), 0);
    sn_ctx_cancel(over);
    CHECK(!sn_once_is_done(&m.once));
    CHECK_EQ(sn_once_do_ctx(over, &m.once, must_not_run, NULL), SN_ECANCELED);
    CHECK(!sn_once_is_done(&m.once));
    sn_once_do(&m.once, make, &m);
    CHECK(sn_once_is_done(&m.once));
    CHECK_EQ(m.runs, 1);
    sn_once_do(&m.once, must_not_run, NULL);
    CHECK_EQ(sn_once_do_ctx(ctx, &m.once, must_not_run, NULL), 0);
    CHECK_EQ(sn_once_do_ctx(over, &m.once, must_not_run, NULL), SN_ECANCELED); /* though it is done */
    memset(&m.once, 0, sizeof m.once);
    CHECK_EQ(sn_once_do_ctx(ctx, &m.once, make, &m), 0);
    CHECK_EQ(m.runs, 2);
    CHECK(sn_once_is_done(&m.once));
    sn_ctx_free(over);
    return 0;
}

TEST(the_first_runs_it)
{
    run_everywhere(first_and_later, NULL);
    CHECK_EQ(first_and_later(NULL, NULL), 0); /* without a runtime */
}

/* --- others wait until it is done, and see what it did --- */

enum { COMERS = 12, ROUNDS = 100 };

struct crowd {
    struct made made[ROUNDS];
};

static void make_slowly(void *arg)
{
    struct made *m = arg;
    m->runs++;
    for (int i = 0; i < 20; i++)
        sn_yield(); /* in the middle of it */
    m->value = 42;
}

static int come(sn_ctx *ctx, void *arg)
{
    struct crowd *c = arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 2)
            sn_once_do(&c->made[i].once, make_slowly, &c->made[i]);
        else
            CHECK_EQ(sn_once_do_ctx(ctx, &c->made[i].once, make_slowly, &c->made[i]), 0);
        CHECK_EQ(c->made[i].runs, 1);
        CHECK_EQ(c->made[i].value, 42);
        CHECK(sn_once_is_done(&c->made[i].once));
    }
    return 0;
}

static void *come_in_a_thread(void *arg)
{
    (void)come(NULL, arg);
    return NULL;
}

static int tasks_come(sn_ctx *ctx, void *arg)
{
    static struct crowd c;
    sn_group g;
    (void)arg;
    memset(&c, 0, sizeof c);
    sn_group_init(&g, ctx);
    for (int i = 0; i < COMERS; i++)
        CHECK_EQ(sn_group_go(&g, come, &c), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    return 0;
}

TEST(all_wait_until_it_is_done)
{
    run_everywhere(tasks_come, NULL);
}

TEST(between_tasks_and_threads)
{
    static struct crowd c;
    pthread_t threads[3];
    sn_group g;
    CHECK_EQ(sn_start(&(sn_run_opts){ .workers = 2 }), 0);
    sn_group_init(&g, NULL);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, come_in_a_thread, &c) == 0);
    for (int i = 0; i < COMERS; i++)
        CHECK_EQ(sn_group_go(&g, come, &c), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK_EQ(sn_stop(), 0);
}

/* One's function may need another's. */
static void make_by_another(void *arg)
{
    struct made *both = arg;
    sn_once_do(&both[1].once, make_slowly, &both[1]);
    both[0].value = both[1].value + 1;
}

static int nested(sn_ctx *ctx, void *arg)
{
    struct made both[2] = { { .runs = 0 } };
    (void)ctx;
    (void)arg;
    sn_once_do(&both[0].once, make_by_another, both);
    CHECK_EQ(both[0].value, 43);
    CHECK_EQ(both[1].runs, 1);
    return 0;
}

TEST(one_within_another)
{
    run_everywhere(nested, NULL);
}

/* --- giving up --- */

static void make_when_told(void *arg)
{
    struct made *m = arg;
    m->runs++;
    CHECK_EQ(sn_chan_unit_send(NULL, m->begun), 0);
    CHECK_EQ(sn_chan_unit_recv(sn_background(), m->go), 0); /* whatever becomes of the task's context */
    m->value = 42;
}

static int makes_when_told(sn_ctx *ctx, void *arg)
{
    struct made *m = arg;
    CHECK_EQ(sn_once_do_ctx(ctx, &m->once, make_when_told, m), 0);
    return 0;
}

static int waits_for_it(sn_ctx *ctx, void *arg)
{
    struct made *m = arg;
    (void)ctx;
    sn_once_do(&m->once, must_not_run, NULL);
    CHECK_EQ(m->value, 42);
    return 0;
}

static int gives_up(sn_ctx *ctx, void *arg)
{
    struct made m = { .runs = 0 };
    sn_group g, waiting;
    sn_ctx *soon;
    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&m.begun, 0), 0);
    CHECK_EQ(sn_chan_unit_make(&m.go, 0), 0);
    sn_group_init(&g, ctx);
    sn_group_init(&waiting, ctx);
    CHECK_EQ(sn_group_go(&g, makes_when_told, &m), 0);
    CHECK_EQ(sn_chan_unit_recv(ctx, m.begun), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(sn_group_go(&waiting, waits_for_it, &m), 0);
        CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_MS(1)), 0);
        CHECK_EQ(sn_once_do_ctx(soon, &m.once, must_not_run, NULL), SN_ETIMEDOUT);
        CHECK(!sn_once_is_done(&m.once));
        sn_ctx_free(soon);
    }
    sn_group_cancel(&g); /* who runs it is not cut short */
    CHECK(!sn_once_is_done(&m.once));
    CHECK_EQ(sn_chan_unit_send(ctx, m.go), 0);
    CHECK_EQ(sn_group_wait(&waiting), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK(sn_once_is_done(&m.once));
    CHECK_EQ(m.runs, 1);
    sn_chan_free(m.begun);
    sn_chan_free(m.go);
    return 0;
}

TEST(waiting_is_given_up_and_running_is_not)
{
    run_everywhere(gives_up, NULL);
}

/* --- failing --- */

struct failing {
    struct made made;
    int failures; /* so many of them fail */
};

static void make_or_fail(void *arg)
{
    struct failing *f = arg;
    f->made.runs++;
    sn_yield();
    if (f->made.runs <= f->failures)
        sn_fail(SN_EIO, "cannot");
    f->made.value = 42;
}

static int makes_or_fails(sn_ctx *ctx, void *arg)
{
    struct failing *f = arg;
    (void)ctx;
    sn_once_do(&f->made.once, make_or_fail, f);
    CHECK_EQ(f->made.runs, f->failures + 1);
    CHECK_EQ(f->made.value, 42);
    return 0;
}

/* In groups of their own, since a group's first failure is all that its wait tells. */
static int may_fail(sn_ctx *ctx, void *arg)
{
    sn_group g;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, makes_or_fails, arg), 0);
    int r = sn_group_wait(&g);
    CHECK(r == 0 || r == SN_EIO);
    if (r < 0)
        CHECK(strcmp(sn_group_why(&g), "cannot") == 0);
    return r < 0;
}

struct tally {
    struct failing failing;
    int failed; /* (a) tasks */
};

static int counts_failures(sn_ctx *ctx, void *arg)
{
    struct tally *t = arg;
    if (may_fail(ctx, &t->failing))
        __atomic_fetch_add(&t->failed, 1, __ATOMIC_RELAXED);
    return 0;
}

static int handed_on(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int failures = 0; failures <= 8; failures++) {
        struct tally t = { .failing.failures = failures };
        sn_group g;
        sn_group_init(&g, ctx);
        for (int i = 0; i < 8; i++)
            CHECK_EQ(sn_group_go(&g, counts_failures, &t), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(t.failed, failures);
        CHECK_EQ(sn_once_is_done(&t.failing.made.once), failures < 8);
        if (failures == 8) /* nobody waited: it is as if nobody had come */
            CHECK_EQ(may_fail(ctx, &t.failing), 0);
        CHECK(sn_once_is_done(&t.failing.made.once));
    }
    return 0;
}

TEST(who_fails_hands_it_on)
{
    run_everywhere(handed_on, NULL);
}

/* A waiter that gives up just as its turn comes either runs it or leaves it to the next. */
static void fail_often(void *arg)
{
    struct tally *t = arg;
    sn_yield();
    if (++t->failing.made.runs % 4 != 0)
        sn_fail(SN_EIO, NULL);
}

struct trying {
    struct tally *tally;
    sn_ctx *soon;
};

static int tries_a_while(sn_ctx *ctx, void *arg)
{
    struct trying *t = arg;
    sn_once *once = &t->tally->failing.made.once;
    (void)ctx;
    int r = sn_once_do_ctx(t->soon, once, fail_often, t->tally);
    CHECK(r == SN_ETIMEDOUT || (r == 0 && sn_once_is_done(once)));
    return 0;
}

static int runs_in_a_group(sn_ctx *ctx, void *arg)
{
    struct trying t = { .tally = arg };
    sn_group g;
    CHECK_EQ(sn_ctx_with_timeout(&t.soon, ctx, SN_US(5)), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, tries_a_while, &t), 0);
    (void)sn_group_wait(&g);
    sn_ctx_free(t.soon);
    return 0;
}

static int fail_and_give_up(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int round = 0; round < 100; round++) {
        struct tally t = { .failed = 0 };
        sn_group g;
        sn_group_init(&g, ctx);
        for (int i = 0; i < 8; i++)
            CHECK_EQ(sn_group_go(&g, runs_in_a_group, &t), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        if (!sn_once_is_done(&t.failing.made.once)) /* then nobody is left in it */
            sn_once_do(&t.failing.made.once, make, &t.failing.made);
        CHECK(sn_once_is_done(&t.failing.made.once));
    }
    return 0;
}

TEST(giving_up_races_with_the_turn)
{
    run_each(fail_and_give_up, NULL);
}

/* --- freed as soon as it is done: who ran it may still be on its way out --- */

static int runs_it(sn_ctx *ctx, void *arg)
{
    struct made *m = *(struct made **)arg;
    (void)ctx;
    sn_once_do(&m->once, make_when_told, m);
    return 0;
}

static int frees(sn_ctx *ctx, void *arg)
{
    sn_chan_unit begun, go;
    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&begun, 0), 0);
    CHECK_EQ(sn_chan_unit_make(&go, 1), 0);
    for (int i = 0; i < 500; i++) {
        struct made *m = calloc(1, sizeof *m);
        sn_group g;
        CHECK(m != NULL);
        m->begun = begun;
        m->go = go;
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go_copy(&g, runs_it, &m), 0);
        CHECK_EQ(sn_chan_unit_recv(ctx, begun), 0);
        CHECK_EQ(sn_chan_unit_send(ctx, go), 0);
        sn_once_do(&m->once, must_not_run, NULL); /* waits, unless that task was fast */
        free(m);
        CHECK_EQ(sn_group_wait(&g), 0);
    }
    sn_chan_free(begun);
    sn_chan_free(go);
    return 0;
}

TEST(freed_by_who_waited)
{
    run_each(frees, NULL);
}

/* --- misuse --- */

static sn_once again;

static void do_again(void *arg)
{
    sn_once_do(&again, do_again, arg);
}

static void do_again_ctx(void *arg)
{
    CHECK_EQ(sn_once_do_ctx(NULL, &again, do_again, arg), 0);
}

static int recursive(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    sn_once_do(&again, do_again, arg);
    return 0;
}

static int recursive_ctx(sn_ctx *ctx, void *arg)
{
    return sn_once_do_ctx(ctx, &again, do_again_ctx, arg);
}

static int waits_in_vain(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    sn_once_do(&again, do_again, arg);
    return 0;
}

static void waits_for_another(void *arg)
{
    sn_group g;
    sn_group_init(&g, NULL);
    CHECK_EQ(sn_group_go(&g, waits_in_vain, arg), 0);
    (void)sn_group_wait(&g);
}

static int waits_for_itself(sn_ctx *ctx, void *arg)
{
    return sn_once_do_ctx(ctx, &again, waits_for_another, arg);
}

static void die_recursive(void)
{
    (void)sn_run(recursive, NULL, NULL);
}

static void die_recursive_ctx(void)
{
    (void)sn_run(recursive_ctx, NULL, NULL);
}

static void die_recursive_in_a_thread(void)
{
    (void)recursive(NULL, NULL);
}

static void die_waiting(void)
{
    (void)sn_run(waits_for_itself, NULL, &(sn_run_opts){ .deadlock = SN_DEADLOCK_ALWAYS });
}

TEST(misuse_panics)
{
    check_dies(die_recursive, "sn_once_do: called again from within its own function");
    check_dies(die_recursive_ctx, "sn_once_do: called again from within its own function");
    check_dies(die_recursive_in_a_thread, "in a plain thread");
    check_dies(die_waiting, "waiting for a once in task ");
}
