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

/* --- what may fail --- */

/* A thing that is made with failures: run i returns results[i], or of the last for ever. */
struct tried {
    sn_once once;
    int runs, active, value;
    int results[8];
    sn_chan_unit begun, go; /* what tries_when_told says and waits for */
};

static int tries(sn_ctx *ctx, void *arg)
{
    struct tried *t = arg;
    (void)ctx;
    CHECK_EQ(t->active++, 0);
    int r = t->results[t->runs++];
    sn_yield();
    t->value = t->runs;
    t->active--;
    return r;
}

static int must_not_try(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    must_not_run(arg);
    return 0;
}

static const int key;

static int needs_the_callers_ctx(sn_ctx *ctx, void *arg)
{
    CHECK(sn_ctx_value(ctx, &key) == arg);
    return 1; /* more than 0 is success, too */
}

static int fails_and_is_tried_again(sn_ctx *ctx, void *arg)
{
    struct tried t = { .results = { SN_EIO, SN_EUSER - 5, 0 } };
    sn_once other = { { 0 } };
    sn_ctx *over, *valued;
    (void)arg;
    CHECK_EQ(sn_ctx_with_cancel(&over, ctx), 0);
    CHECK_EQ(sn_ctx_with_value(&valued, ctx, &key, &t), 0);
    sn_ctx_cancel(over);
    CHECK_EQ(sn_once_try(over, &t.once, must_not_try, NULL, NULL), SN_ECANCELED);
    CHECK_EQ(sn_once_try(ctx, &t.once, tries, &t, NULL), SN_EIO);
    CHECK(!sn_once_is_done(&t.once));
    CHECK_EQ(sn_once_try(ctx, &t.once, tries, &t, NULL), SN_EUSER - 5);
    CHECK(!sn_once_is_done(&t.once));
    CHECK_EQ(sn_once_try(NULL, &t.once, tries, &t, NULL), 0); /* NULL: the caller's own context */
    CHECK(sn_once_is_done(&t.once));
    CHECK_EQ(t.runs, 3);
    CHECK_EQ(sn_once_try(ctx, &t.once, must_not_try, NULL, NULL), 0);
    CHECK_EQ(sn_once_try(over, &t.once, must_not_try, NULL, NULL), 0); /* it is done: no look at the context */
    sn_once_do(&t.once, must_not_run, NULL);
    CHECK_EQ(sn_once_try(valued, &other, needs_the_callers_ctx, &t, NULL), 0);
    CHECK(sn_once_is_done(&other));
    sn_ctx_free(valued);
    sn_ctx_free(over);
    return 0;
}

TEST(what_has_failed_is_tried_again)
{
    run_everywhere(fails_and_is_tried_again, NULL); /* Go's cannot fail: golang#22098, #53696, #73310 */
    CHECK_EQ(fails_and_is_tried_again(NULL, NULL), 0);
}

static int bad_options(sn_ctx *ctx, void *arg)
{
    static const sn_once_opts bad[] = { { -1, 0 }, { 0, -1 }, { 2, 1 }, { SN_FOREVER, 1 } };
    static const sn_once_opts good[] = { { 0, 0 }, { 0, 1 }, { 2, 2 }, { SN_FOREVER, 0 }, { 1, SN_FOREVER } };
    (void)arg;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sn_once once = { { 0 } };
        CHECK_EQ(sn_once_try(ctx, &once, must_not_try, NULL, &bad[i]), SN_EINVAL);
        CHECK(!sn_once_is_done(&once));
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct tried t = { .results = { 0 } };
        CHECK_EQ(sn_once_try(ctx, &t.once, tries, &t, &good[i]), 0);
    }
    return 0;
}

TEST(options_are_checked)
{
    run_everywhere(bad_options, NULL);
}

/* --- those who wait for a try --- */

/* The first run waits until it may go on, or its context has ended. */
static int tries_when_told(sn_ctx *ctx, void *arg)
{
    struct tried *t = arg;
    int r = 0;
    CHECK_EQ(t->active++, 0);
    int result = t->results[t->runs++];
    if (t->runs == 1) {
        CHECK_EQ(sn_chan_unit_send(sn_background(), t->begun), 0);
        r = sn_chan_unit_recv(ctx, t->go);
    }
    t->value = t->runs;
    t->active--;
    return r < 0 && result == 0 ? r : result;
}

static int tries_and_fails_deeply(sn_ctx *ctx, void *arg)
{
    struct tried *t = arg;
    if (t->runs > 0)
        return tries(ctx, arg);
    (void)tries_when_told(ctx, arg);
    sn_fail(SN_EIO, "deep down");
}

static void succeeds(void *arg)
{
    struct tried *t = arg;
    CHECK_EQ(t->active, 0);
    t->value = ++t->runs;
}

/* One who asks, in a task of its own. */
struct asker {
    struct tried *tried;
    sn_once_try_fn *fn;
    sn_ctx *ctx;
    bool insists; /* by sn_once_do, and then its own function succeeds */
    int result;
};

static int asks(sn_ctx *ctx, void *arg)
{
    struct asker *a = arg;
    (void)ctx;
    if (a->insists) {
        sn_once_do(&a->tried->once, succeeds, a->tried);
        a->result = 0;
    } else {
        a->result = sn_once_try(a->ctx, &a->tried->once, a->fn, a->tried, NULL);
    }
    return 0;
}

enum { ASKERS = 4 };

struct askers {
    struct tried tried;
    struct asker all[ASKERS];
    sn_ctx *quit; /* the first one's */
    sn_group first, others;
};

/* The first runs it when this returns. In a simulation the others wait for it; else they may be late, and try themselves. */
static void start_askers(sn_ctx *ctx, struct askers *a, sn_once_try_fn *fn)
{
    CHECK_EQ(sn_chan_unit_make(&a->tried.begun, 0), 0);
    CHECK_EQ(sn_chan_unit_make(&a->tried.go, 1), 0);
    CHECK_EQ(sn_ctx_with_cancel(&a->quit, ctx), 0);
    sn_group_init(&a->first, ctx);
    sn_group_init(&a->others, ctx);
    for (int i = 0; i < ASKERS; i++) {
        struct asker *one = &a->all[i];
        one->tried = &a->tried;
        one->fn = fn;
        one->ctx = i ? ctx : a->quit;
        one->result = 1;
        CHECK_EQ(sn_group_go(i ? &a->others : &a->first, asks, one), 0);
        if (i == 0)
            CHECK_EQ(sn_chan_unit_recv(ctx, a->tried.begun), 0);
    }
    CHECK_EQ(sn_sleep(ctx, SN_MS(5)), 0);
}

static void end_askers(struct askers *a)
{
    sn_ctx_free(a->quit);
    sn_chan_free(a->tried.begun);
    sn_chan_free(a->tried.go);
}

/* In a simulation we know who waits for whom. */
static const int exact;

static void run_exactly_and_everywhere(sn_fn *fn)
{
    run_simulated(fn, (void *)(uintptr_t)&exact);
    run_everywhere(fn, NULL);
}

/* An error is for all who wait; so is a context's error, if it is not that of the runner's context. */
static int errors_are_shared(sn_ctx *ctx, void *arg)
{
    static const int errors[] = { SN_EIO, SN_EUSER, SN_ECANCELED, SN_ETIMEDOUT };
    for (int i = 0; i < 4; i++) {
        struct askers a = { .quit = NULL };
        for (int k = 0; k < 8; k++)
            a.tried.results[k] = errors[i];
        start_askers(ctx, &a, tries_when_told);
        CHECK_EQ(sn_chan_unit_send(ctx, a.tried.go), 0);
        CHECK_EQ(sn_group_wait(&a.first), 0);
        CHECK_EQ(sn_group_wait(&a.others), 0);
        for (int k = 0; k < ASKERS; k++)
            CHECK_EQ(a.all[k].result, errors[i]);
        CHECK(!arg || a.tried.runs == 1);
        CHECK(!sn_once_is_done(&a.tried.once));
        sn_once_do(&a.tried.once, succeeds, &a.tried);
        CHECK_EQ(sn_once_try(ctx, &a.tried.once, must_not_try, NULL, NULL), 0);
        end_askers(&a);
    }
    return 0;
}

TEST(an_error_is_for_all_who_wait)
{
    run_exactly_and_everywhere(errors_are_shared);
}

/* The runner's context ends, and it fails of that: one of the others runs it, for all of them. */
static int is_taken_over(sn_ctx *ctx, void *arg)
{
    struct askers a = { .quit = NULL };
    (void)arg;
    start_askers(ctx, &a, tries_when_told);
    sn_ctx_cancel(a.quit);
    CHECK_EQ(sn_group_wait(&a.first), 0);
    CHECK_EQ(a.all[0].result, SN_ECANCELED);
    CHECK_EQ(sn_group_wait(&a.others), 0);
    for (int k = 1; k < ASKERS; k++)
        CHECK_EQ(a.all[k].result, 0);
    CHECK_EQ(a.tried.runs, 2);
    CHECK(sn_once_is_done(&a.tried.once));
    end_askers(&a);
    return 0;
}

/* With nobody there it is as if nobody had come: no back-off either. */
static int is_left(sn_ctx *ctx, void *arg)
{
    static const sn_once_opts patient = { .backoff = SN_SEC(1000) };
    struct tried t = { .results = { SN_ETIMEDOUT, SN_EIO } };
    sn_ctx *soon;
    (void)arg;
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_MS(1)), 0);
    CHECK_EQ(sn_chan_unit_make(&t.begun, 1), 0);
    CHECK_EQ(sn_chan_unit_make(&t.go, 0), 0);
    CHECK_EQ(sn_once_try(soon, &t.once, tries_when_told, &t, &patient), SN_ETIMEDOUT);
    CHECK_EQ(sn_once_try(ctx, &t.once, tries, &t, &patient), SN_EIO);
    CHECK_EQ(sn_once_try(ctx, &t.once, must_not_try, &t, &patient), SN_EIO);
    CHECK_EQ(t.runs, 2);
    sn_ctx_free(soon);
    sn_chan_free(t.begun);
    sn_chan_free(t.go);
    return 0;
}

/* Its context has ended, but that is not what it fails of. */
static int fails_otherwise(sn_ctx *ctx, void *arg)
{
    struct askers a = { .tried.results = { SN_EIO, SN_EIO, SN_EIO, SN_EIO } };
    start_askers(ctx, &a, tries_when_told);
    sn_ctx_cancel(a.quit);
    CHECK_EQ(sn_group_wait(&a.first), 0);
    CHECK_EQ(sn_group_wait(&a.others), 0);
    for (int k = 0; k < ASKERS; k++)
        CHECK_EQ(a.all[k].result, SN_EIO);
    CHECK(!arg || a.tried.runs == 1);
    end_askers(&a);
    return 0;
}

TEST(who_is_cancelled_hands_it_on)
{
    run_exactly_and_everywhere(is_taken_over);
    run_everywhere(is_left, NULL);
    run_exactly_and_everywhere(fails_otherwise);
}

/* sn_fail in a try: nobody is told, one of the others runs it. */
static int fails_by_sn_fail(sn_ctx *ctx, void *arg)
{
    struct askers a = { .quit = NULL };
    (void)arg;
    start_askers(ctx, &a, tries_and_fails_deeply);
    CHECK_EQ(sn_chan_unit_send(ctx, a.tried.go), 0);
    CHECK_EQ(sn_group_wait(&a.first), SN_EIO);
    CHECK_EQ(sn_group_wait(&a.others), 0);
    CHECK_EQ(a.all[0].result, 1);
    for (int k = 1; k < ASKERS; k++)
        CHECK_EQ(a.all[k].result, 0);
    CHECK_EQ(a.tried.runs, 2);
    end_askers(&a);
    return 0;
}

static int fails_alone(sn_ctx *ctx, void *arg)
{
    struct tried *t = arg;
    return sn_once_try(ctx, &t->once, tries_and_fails_deeply, t, &(sn_once_opts){ .backoff = SN_SEC(1000) });
}

static int fails_with_nobody_there(sn_ctx *ctx, void *arg)
{
    struct tried t = { .runs = 0 };
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&t.begun, 1), 0);
    CHECK_EQ(sn_chan_unit_make(&t.go, 1), 0);
    CHECK_EQ(sn_chan_unit_send(ctx, t.go), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, fails_alone, &t), 0);
    CHECK_EQ(sn_group_wait(&g), SN_EIO);
    CHECK(!sn_once_is_done(&t.once));
    CHECK_EQ(sn_once_try(ctx, &t.once, tries, &t, NULL), 0); /* at once */
    sn_chan_free(t.begun);
    sn_chan_free(t.go);
    return 0;
}

TEST(sn_fail_hands_a_try_on)
{
    run_exactly_and_everywhere(fails_by_sn_fail);
    run_everywhere(fails_with_nobody_there, NULL);
}

/* Those who cannot be given an error run it themselves. */
static int some_insist(sn_ctx *ctx, void *arg)
{
    struct askers a = { .tried.results = { SN_EIO, SN_EIO, SN_EIO, SN_EIO } };
    a.all[1].insists = a.all[2].insists = true;
    start_askers(ctx, &a, tries_when_told);
    CHECK_EQ(sn_chan_unit_send(ctx, a.tried.go), 0);
    CHECK_EQ(sn_group_wait(&a.first), 0);
    CHECK_EQ(sn_group_wait(&a.others), 0);
    CHECK_EQ(a.all[0].result, SN_EIO);
    CHECK_EQ(a.all[1].result, 0);
    CHECK_EQ(a.all[2].result, 0);
    int r = a.all[3].result;
    CHECK_RESULT(r, r == SN_EIO || (r == 0 && !arg));
    CHECK(!arg || a.tried.runs == 2);
    CHECK(sn_once_is_done(&a.tried.once));
    end_askers(&a);
    return 0;
}

TEST(do_runs_it_when_a_try_fails)
{
    run_exactly_and_everywhere(some_insist);
}

/* --- back-off; in virtual time --- */

/* After each failure, how long others are put off: sleeps until just before, and until then. */
static void check_put_off(sn_ctx *ctx, struct tried *t, const sn_once_opts *opts, const int64_t *times, int n)
{
    int error = SN_EUSER;
    for (int i = 0; i < n; i++) {
        t->results[t->runs] = --error; /* another one each time */
        int64_t late = sn_now();
        CHECK_EQ(sn_once_try(ctx, &t->once, tries, t, opts), error);
        int64_t until = sn_now() + times[i];
        CHECK(until - times[i] - late < SN_US(10)); /* a few steps */
        CHECK_EQ(sn_once_try(ctx, &t->once, must_not_try, t, opts), error);
        CHECK_EQ(sn_once_try(ctx, &t->once, must_not_try, t, NULL), error); /* whatever one's own options */
        CHECK_EQ(sn_sleep_until(ctx, until - SN_US(20)), 0);
        CHECK_EQ(sn_once_try(ctx, &t->once, must_not_try, t, opts), error);
        CHECK_EQ(sn_sleep_until(ctx, until), 0);
        if (t->runs == 7)
            t->runs = 0; /* results are full; the once has its own count */
    }
}

static int is_put_off(sn_ctx *ctx, void *arg)
{
    static const sn_once_opts limited = { .backoff = SN_MS(10), .backoff_max = SN_MS(50) };
    static const int64_t limited_times[] = { SN_MS(10), SN_MS(20), SN_MS(40), SN_MS(50), SN_MS(50) };
    static const sn_once_opts by_default = { .backoff = SN_MS(1) };
    static const int64_t default_times[] = { SN_MS(1),  SN_MS(2),  SN_MS(4),  SN_MS(8),
                                             SN_MS(16), SN_MS(32), SN_MS(64), SN_MS(64) };
    struct tried t = { .runs = 0 };
    (void)arg;
    check_put_off(ctx, &t, &limited, limited_times, 5);
    sn_once_reset(&t.once); /* no failure is remembered */
    t.runs = 0;
    check_put_off(ctx, &t, &by_default, default_times, 8);
    t.results[t.runs] = 0;
    CHECK_EQ(sn_once_try(ctx, &t.once, tries, &t, &by_default), 0);
    return 0;
}

/* For ever, and without end: the sums do not overflow. A reset, or who insists, ends it. */
static int is_put_off_for_ever(sn_ctx *ctx, void *arg)
{
    static const sn_once_opts forever = { .backoff = SN_FOREVER / 2, .backoff_max = SN_FOREVER };
    (void)arg;
    for (int insists = 0; insists < 2; insists++) {
        struct tried t = { .results = { SN_EIO, SN_EPIPE } };
        for (int i = 0; i < 2; i++) {
            CHECK_EQ(sn_once_try(ctx, &t.once, tries, &t, &(sn_once_opts){ .backoff = SN_FOREVER }), SN_EIO);
            CHECK_EQ(sn_once_try(ctx, &t.once, must_not_try, &t, &forever), SN_EIO);
            sn_once_reset(&t.once);
            t.runs = 0;
        }
        CHECK_EQ(sn_once_try(ctx, &t.once, tries, &t, &forever), SN_EIO);
        CHECK_EQ(sn_once_try(ctx, &t.once, must_not_try, &t, NULL), SN_EIO);
        if (insists) {
            CHECK_EQ(sn_once_do_ctx(ctx, &t.once, succeeds, &t), 0);
        } else {
            sn_once_reset(&t.once);
            CHECK_EQ(sn_once_try(ctx, &t.once, tries, &t, &forever), SN_EPIPE);
            sn_once_do(&t.once, succeeds, &t);
        }
        CHECK_EQ(sn_once_try(ctx, &t.once, must_not_try, &t, &forever), 0);
    }
    return 0;
}

TEST(back_off)
{
    const sn_run_opts run = { .deadlock = test_deadlock() };
    for (uint64_t seed = 1; seed <= 20; seed++)
        CHECK_EQ(sn_sim_run(is_put_off, NULL, &(sn_sim_opts){ .seed = seed, .run = &run }), 0);
    run_everywhere(is_put_off_for_ever, NULL);
}

/* --- a value --- */

struct config {
    const void *made_by;
    long left[3]; /* what failed attempts have left */
    int attempts;
};

typedef sn_once_of(struct config) config_once;
typedef sn_once_of(int) int_once;

static int configure(sn_ctx *ctx, void *arg, struct config *value)
{
    int *failures = arg;
    (void)ctx;
    sn_yield();
    value->made_by = arg;
    value->left[value->attempts % 3]++;
    if (value->attempts++ < *failures)
        return SN_EIO;
    return 7;
}

static int must_not_configure(sn_ctx *ctx, void *arg, struct config *value)
{
    (void)ctx;
    (void)value;
    must_not_run(arg);
    return 0;
}

static int answer(sn_ctx *ctx, void *arg, int *value)
{
    CHECK(sn_ctx_value(ctx, &key) == arg);
    *value = 42;
    return 0;
}

static int evaluations;

static int_once *counted(int_once *o)
{
    evaluations++;
    return o;
}

static int gets(sn_ctx *ctx, void *arg)
{
    static const sn_once_opts patient = { .backoff = SN_SEC(1000) };
    config_once c = { .once = { { 0 } } };
    int_once i = { .once = { { 0 } } };
    const struct config *found = NULL;
    const int *constant;
    int failures = 2, *number = &failures;
    sn_ctx *over, *valued;
    (void)arg;
    CHECK_EQ(sn_ctx_with_cancel(&over, ctx), 0);
    CHECK_EQ(sn_ctx_with_value(&valued, ctx, &key, &i), 0);
    sn_ctx_cancel(over);
    CHECK_EQ(sn_once_get(over, &c, must_not_configure, NULL, &found, NULL), SN_ECANCELED);
    CHECK_EQ(sn_once_get(ctx, &c, must_not_configure, NULL, &found, &(sn_once_opts){ 2, 1 }), SN_EINVAL);
    CHECK_EQ(sn_once_get(ctx, &c, configure, &failures, &found, NULL), SN_EIO);
    CHECK_EQ(sn_once_get(ctx, &c, configure, &failures, &found, &patient), SN_EIO);
    CHECK_EQ(sn_once_get(ctx, &c, must_not_configure, &failures, &found, NULL), SN_EIO); /* put off */
    CHECK(found == NULL); /* written only on success */
    CHECK(!sn_once_is_done(&c.once));
    sn_once_reset(&c.once);
    CHECK_EQ(sn_once_get(NULL, &c, configure, &failures, &found, NULL), 0);
    CHECK(sn_once_is_done(&c.once));
    CHECK((const char *)found >= (const char *)&c && (const char *)(found + 1) <= (const char *)(&c + 1));
    CHECK(found->made_by == &failures);
    CHECK_EQ(found->attempts, 3);
    CHECK(found->left[0] == 1 && found->left[1] == 1 && found->left[2] == 1);
    const struct config *again_found = NULL;
    CHECK_EQ(sn_once_get(over, &c, must_not_configure, NULL, &again_found, NULL), 0); /* no look at the context */
    CHECK(again_found == found);
    evaluations = 0;
    CHECK_EQ(sn_once_get(valued, counted(&i), answer, &i, &number, NULL), 0);
    CHECK_EQ(sn_once_get(ctx, counted(&i), answer, NULL, &constant, NULL), 0);
    CHECK_EQ(evaluations, 2);
    CHECK(number == constant && *number == 42);
    sn_ctx_free(valued);
    sn_ctx_free(over);
    return 0;
}

TEST(a_value_is_made_in_place)
{
    run_everywhere(gets, NULL);
    CHECK_EQ(gets(NULL, NULL), 0);
}

/* All get the same, and see all of it. */
struct values {
    config_once all[ROUNDS];
    int failures;
};

static int gets_them(sn_ctx *ctx, void *arg)
{
    struct values *v = arg;
    for (int i = 0; i < ROUNDS; i++) {
        const struct config *c;
        int r;
        do
            r = sn_once_get(ctx, &v->all[i], configure, &v->failures, &c, NULL);
        while (r == SN_EIO);
        CHECK_EQ(r, 0);
        CHECK(c->made_by == &v->failures && c->attempts == v->failures + 1);
    }
    return 0;
}

static void *gets_them_in_a_thread(void *arg)
{
    (void)gets_them(NULL, arg);
    return NULL;
}

static int tasks_get(sn_ctx *ctx, void *arg)
{
    static struct values v;
    sn_group g;
    (void)arg;
    memset(&v, 0, sizeof v);
    v.failures = 2;
    sn_group_init(&g, ctx);
    for (int i = 0; i < COMERS; i++)
        CHECK_EQ(sn_group_go(&g, gets_them, &v), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    return 0;
}

TEST(all_get_the_same_value)
{
    run_everywhere(tasks_get, NULL);
}

TEST(threads_without_a_runtime)
{
    static struct values v;
    pthread_t threads[4];
    v.failures = 3;
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, gets_them_in_a_thread, &v) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

/* --- not done again (golang#25955) --- */

static int is_reset(sn_ctx *ctx, void *arg)
{
    struct made m = { .runs = 0 };
    config_once c = { .once = { { 0 } } };
    struct config *value;
    int none = 0;
    (void)arg;
    sn_once_reset(&m.once); /* of one that is not done nothing comes */
    for (int i = 1; i <= 3; i++) {
        sn_once_do(&m.once, make, &m);
        CHECK_EQ(m.runs, i);
        sn_once_reset(&m.once);
        CHECK(!sn_once_is_done(&m.once));
    }
    for (int i = 1; i <= 3; i++) {
        CHECK_EQ(sn_once_get(ctx, &c, configure, &none, &value, NULL), 0);
        CHECK_EQ(value->attempts, i); /* as it was */
        sn_once_reset(&c.once);
    }
    return 0;
}

TEST(reset)
{
    run_everywhere(is_reset, NULL);
    CHECK_EQ(is_reset(NULL, NULL), 0);
}

/* --- in a select --- */

struct selector {
    struct tried *tried;
    int result;
};

static int selects(sn_ctx *ctx, void *arg)
{
    struct selector *s = arg;
    sn_case c = sn_on_once(&s->tried->once);
    s->result = sn_select(ctx, &c, 1);
    if (s->result == 0) {
        CHECK_EQ(c.err, 0);
        CHECK(sn_once_is_done(&s->tried->once));
        CHECK(s->tried->value > 0);
    }
    return 0;
}

/* It waits through failures, and is never given the task. */
static int is_selected(sn_ctx *ctx, void *arg)
{
    struct tried t = { .results = { SN_EIO, SN_ECANCELED, 0 } };
    struct selector s[2] = { { &t, 1 }, { &t, 1 } };
    sn_case c = sn_on_once(&t.once);
    sn_group g, gone;
    (void)arg;
    CHECK_EQ(sn_select_try(&c, 1), SN_EAGAIN);
    sn_group_init(&g, ctx);
    sn_group_init(&gone, ctx);
    CHECK_EQ(sn_group_go(&g, selects, &s[0]), 0);
    CHECK_EQ(sn_group_go(&gone, selects, &s[1]), 0);
    CHECK_EQ(sn_sleep(ctx, SN_MS(5)), 0);
    CHECK_EQ(sn_once_try(ctx, &t.once, tries, &t, NULL), SN_EIO);
    sn_group_cancel(&gone);
    CHECK_EQ(sn_group_wait(&gone), 0);
    CHECK_EQ(s[1].result, SN_ECANCELED);
    CHECK_EQ(sn_once_try(ctx, &t.once, tries, &t, NULL), SN_ECANCELED);
    CHECK(!sn_once_is_done(&t.once));
    CHECK_EQ(sn_select_try(&c, 1), SN_EAGAIN);
    CHECK_EQ(sn_once_try(ctx, &t.once, tries, &t, NULL), 0);
    CHECK_EQ(t.runs, 3);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(s[0].result, 0);
    CHECK_EQ(sn_select(ctx, &c, 1), 0);
    CHECK_EQ(sn_select_try(&c, 1), 0);
    CHECK(sn_once_is_done(&t.once));
    return 0;
}

TEST(as_a_case_of_a_select)
{
    run_everywhere(is_selected, NULL);
}

/* A runner fails while selects and callers wait: the callers run it, however many selects are before them. */
static int are_passed_over(sn_ctx *ctx, void *arg)
{
    struct askers a = { .quit = NULL };
    struct selector s[3];
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 3; i++) {
        s[i] = (struct selector){ &a.tried, 1 };
        CHECK_EQ(sn_group_go(&g, selects, &s[i]), 0);
    }
    CHECK_EQ(sn_sleep(ctx, SN_MS(5)), 0);
    start_askers(ctx, &a, tries_when_told);
    sn_ctx_cancel(a.quit);
    CHECK_EQ(sn_group_wait(&a.first), 0);
    CHECK_EQ(sn_group_wait(&a.others), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(s[i].result, 0);
    CHECK_EQ(a.all[0].result, SN_ECANCELED);
    CHECK_EQ(a.tried.runs, 2);
    end_askers(&a);
    return 0;
}

TEST(selects_are_not_given_the_task)
{
    run_exactly_and_everywhere(are_passed_over);
}

/* Once it is done it stays so, however many selects look at it. */
static int looks_often(sn_ctx *ctx, void *arg)
{
    sn_once *once = arg;
    (void)ctx;
    for (int i = 0; i < 20000; i++) {
        sn_case c = sn_on_once(once);
        if (i % 2)
            CHECK_EQ(sn_select_try(&c, 1), 0);
        else
            CHECK(sn_once_is_done(once));
    }
    return 0;
}

TEST(done_is_done)
{
    struct made m = { .runs = 0 };
    sn_group g;
    sn_once_do(&m.once, make, &m);
    CHECK_EQ(sn_start(&(sn_run_opts){ .workers = 2 }), 0);
    sn_group_init(&g, NULL);
    CHECK_EQ(sn_group_go(&g, looks_often, &m.once), 0);
    CHECK_EQ(sn_group_go(&g, looks_often, &m.once), 0);
    CHECK_EQ(looks_often(NULL, &m.once), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(sn_stop(), 0);
}

/* --- freed by the last who waits, done or failed --- */

static int runs_a_try(sn_ctx *ctx, void *arg)
{
    struct tried *t = *(struct tried **)arg;
    int r = sn_once_try(ctx, &t->once, tries_when_told, t, NULL);
    CHECK_RESULT(r, r == 0 || r == SN_EIO);
    return 0;
}

static int frees_it(sn_ctx *ctx, void *arg)
{
    sn_chan_unit begun, go;
    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&begun, 0), 0);
    CHECK_EQ(sn_chan_unit_make(&go, 1), 0);
    for (int i = 0; i < 300; i++) {
        struct tried *t = calloc(1, sizeof *t);
        sn_group g;
        CHECK(t != NULL);
        t->begun = begun;
        t->go = go;
        t->results[0] = t->results[1] = i % 2 ? SN_EIO : 0;
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go_copy(&g, runs_a_try, &t), 0);
        CHECK_EQ(sn_chan_unit_recv(ctx, begun), 0);
        CHECK_EQ(sn_chan_unit_send(ctx, go), 0);
        if (i % 3 == 0 && i % 2 == 0) {
            sn_case c = sn_on_once(&t->once);
            CHECK_EQ(sn_select(ctx, &c, 1), 0);
        } else {
            CHECK_EQ(sn_once_try(ctx, &t->once, tries, t, NULL), i % 2 ? SN_EIO : 0);
        }
        free(t);
        CHECK_EQ(sn_group_wait(&g), 0);
    }
    sn_chan_free(begun);
    sn_chan_free(go);
    return 0;
}

TEST(freed_by_who_was_told)
{
    run_each(frees_it, NULL);
}

/* --- two come to end the same thing while the runtime ends: one does, both wait for that (gouroboros#522) --- */

static int ends_it(sn_ctx *ctx, void *arg)
{
    struct tried *t = arg;
    sn_ctx *rest;
    CHECK_EQ(sn_ctx_wait(ctx), SN_ECANCELED);
    int r = sn_once_try(ctx, &t->once, must_not_try, NULL, NULL);
    CHECK_RESULT(r, r == SN_ECANCELED || (r == 0 && sn_once_is_done(&t->once)));
    CHECK_EQ(sn_ctx_without_cancel(&rest, ctx), 0);
    CHECK_EQ(sn_once_try(rest, &t->once, tries, t, NULL), 0);
    CHECK_EQ(t->value, 1);
    (void)__atomic_fetch_add(&t->results[7], 1, __ATOMIC_RELAXED);
    sn_ctx_free(rest);
    return 0;
}

static int leaves_two(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    CHECK_EQ(sn_task_go(ends_it, arg), 0);
    CHECK_EQ(sn_task_go(ends_it, arg), 0);
    return 0;
}

TEST(two_at_shutdown)
{
    for (int really = 0; really < 2; really++) {
        struct tried t = { .runs = 0 };
        if (really)
            CHECK_EQ(sn_run(leaves_two, &t, &(sn_run_opts){ .grace_ns = SN_SEC(10) }), 0);
        else
            CHECK_EQ(sn_sim_run(leaves_two, &t, NULL), 0);
        CHECK_EQ(t.results[7], 2);
        CHECK_EQ(t.runs, 1);
    }
}

/* --- in any order --- */

enum { STORMERS = 5 };

/* Each failing run has an error of its own, so that each answer tells of which run it is. */
struct storm {
    sn_once once;
    int runs, failures, successes, active, selected;
};

static const sn_once_opts hasty = { .backoff = SN_US(1), .backoff_max = SN_US(5) };

static void begin_run(struct storm *s)
{
    CHECK_EQ(s->active++, 0);
    CHECK_EQ(s->successes, 0);
    s->runs++;
}

/* A run fails, for one of three reasons, or not. */
static int storm_run(sn_ctx *ctx, void *arg)
{
    struct storm *s = arg;
    begin_run(s);
    int number = s->runs, r = sn_sleep(ctx, (int64_t)(sn_random() % 4000));
    s->active--;
    s->failures++;
    if (r < 0) {
        CHECK_EQ(r, sn_ctx_err(ctx));
        return r;
    }
    switch (sn_random() % 8) {
    case 0:
        s->failures--;
        s->successes++;
        return 0;
    case 1:
        sn_fail(SN_EPIPE, NULL);
    default:
        return SN_EUSER - number;
    }
}

static void storm_do(void *arg)
{
    struct storm *s = arg;
    begin_run(s);
    sn_yield();
    s->active--;
    s->successes++;
}

struct storm_call {
    struct storm *storm;
    sn_ctx *soon; /* its caller's, since sn_fail ends the task */
};

static int storm_ask(sn_ctx *ctx, void *arg)
{
    struct storm_call *call = arg;
    struct storm *s = call->storm;
    const sn_once_opts *opts = sn_random() % 2 ? &hasty : NULL;
    int first = s->failures < s->runs ? s->failures : s->runs, r = sn_once_try(call->soon, &s->once, storm_run, s, opts);
    (void)ctx;
    if (r == 0)
        CHECK(sn_once_is_done(&s->once) && s->successes == 1);
    else if (r <= SN_EUSER)
        CHECK(SN_EUSER - r >= first && SN_EUSER - r <= s->runs); /* not one of long ago */
    else
        CHECK_RESULT(r, r == sn_ctx_err(call->soon));
    return r;
}

static int storm_selects(sn_ctx *ctx, void *arg)
{
    struct storm *s = arg;
    sn_case c = sn_on_once(&s->once);
    CHECK_EQ(sn_select(ctx, &c, 1), 0);
    CHECK(sn_once_is_done(&s->once) && s->successes == 1);
    s->selected++;
    return 0;
}

static int storm_caller(sn_ctx *ctx, void *arg)
{
    struct storm *s = arg;
    for (int i = 0; i < 6; i++) {
        struct storm_call call = { .storm = s };
        sn_group g;
        CHECK_EQ(sn_ctx_with_timeout(&call.soon, ctx, (int64_t)(sn_random() % 10000)), 0);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, storm_ask, &call), 0);
        (void)sn_group_wait(&g);
        sn_ctx_free(call.soon);
    }
    if (sn_random() % 2)
        sn_once_do(&s->once, storm_do, s);
    return 0;
}

static int storm(sn_ctx *ctx, void *arg)
{
    struct storm s = { .runs = 0 };
    sn_group g, selecting;
    (void)arg;
    sn_group_init(&selecting, ctx);
    sn_group_init(&g, ctx);
    for (int i = 0; i < STORMERS; i++) {
        CHECK_EQ(sn_group_go(&g, storm_caller, &s), 0);
        if (i < 2)
            CHECK_EQ(sn_group_go(&selecting, storm_selects, &s), 0);
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(s.successes, sn_once_is_done(&s.once));
    sn_once_do(&s.once, storm_do, &s); /* at the latest */
    CHECK_EQ(sn_group_wait(&selecting), 0);
    CHECK_EQ(s.selected, 2);
    CHECK_EQ(s.successes, 1);
    CHECK_EQ(s.runs, 1 + s.failures);
    return 0;
}

TEST(in_any_order)
{
    const sn_run_opts run = { .deadlock = test_deadlock() };
    for (int strategy = SN_SIM_RANDOM; strategy <= SN_SIM_ROBIN; strategy++)
        for (uint64_t seed = 1; seed <= 300; seed++)
            CHECK_EQ(sn_sim_run(storm, NULL, &(sn_sim_opts){ .seed = test_seed() + seed,
                                                             .strategy = (sn_sim_strategy)strategy, .run = &run }), 0);
}

TEST(explored)
{
    if (getenv("SN_FAULT_RUNS"))
        test_skip("it is the search that would meet the failures");
    CHECK_EQ(sn_sim_explore(storm, NULL, &(sn_sim_opts){ .runs = TEST_TSAN ? 20 : 300 }), 0);
}

/* --- two that want each other --- */

static char report[8192];
static int reports; /* (a) */

static void keep_report(void *arg, const char *text)
{
    (void)arg;
    (void)snprintf(report, sizeof report, "%s", text);
    (void)__atomic_add_fetch(&reports, 1, __ATOMIC_RELEASE);
}

struct circle {
    sn_once onces[2];
    int arrived; /* (a) */
};

static int wants_the_other(sn_ctx *ctx, struct circle *c, int other)
{
    (void)__atomic_add_fetch(&c->arrived, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&c->arrived, __ATOMIC_ACQUIRE) < 2)
        CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
    return sn_once_try(ctx, &c->onces[other], must_not_try, c, NULL);
}

static int first_wants_second(sn_ctx *ctx, void *arg)
{
    return wants_the_other(ctx, arg, 1);
}

static int second_wants_first(sn_ctx *ctx, void *arg)
{
    return wants_the_other(ctx, arg, 0);
}

static int does_the_first(sn_ctx *ctx, void *arg)
{
    return sn_once_try(ctx, &((struct circle *)arg)->onces[0], first_wants_second, arg, NULL);
}

static int does_the_second(sn_ctx *ctx, void *arg)
{
    return sn_once_try(ctx, &((struct circle *)arg)->onces[1], second_wants_first, arg, NULL);
}

/* The hang is reported; a context ends it. */
static int circle(sn_ctx *ctx, void *arg)
{
    struct circle c = { .arrived = 0 };
    sn_group g;
    (void)arg;
    __atomic_store_n(&reports, 0, __ATOMIC_RELAXED);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, does_the_first, &c), 0);
    CHECK_EQ(sn_group_go(&g, does_the_second, &c), 0);
    while (__atomic_load_n(&reports, __ATOMIC_ACQUIRE) == 0)
        CHECK_EQ(sn_sleep(ctx, SN_MS(5)), 0);
    CHECK_UNLESS_INJECTED(strstr(report, "sennit: hang: 2 tasks wait for each other") != NULL);
    CHECK_UNLESS_INJECTED(strstr(report, ": waiting for a once in task ") != NULL);
    sn_group_cancel(&g);
    CHECK_EQ(sn_group_wait(&g), SN_ECANCELED);
    CHECK(!sn_once_is_done(&c.onces[0]) && !sn_once_is_done(&c.onces[1]));
    return 0;
}

TEST(two_that_want_each_other)
{
    for (int workers = 1; workers <= 2; workers++)
        CHECK_EQ(sn_run(circle, NULL, &(sn_run_opts){ .workers = workers, .hang_ns = SN_MS(20), .report = keep_report }), 0);
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

static int try_again(sn_ctx *ctx, void *arg)
{
    return sn_once_try(ctx, &again, try_again, arg, NULL);
}

static int recursive_try(sn_ctx *ctx, void *arg)
{
    return sn_once_try(ctx, &again, try_again, arg, NULL);
}

static int_once got_again;

static int get_again(sn_ctx *ctx, void *arg, int *value)
{
    const int *found;
    return sn_once_get(ctx, &got_again, get_again, arg, &found, NULL) + *value;
}

static int recursive_get(sn_ctx *ctx, void *arg)
{
    const int *found;
    return sn_once_get(ctx, &got_again, get_again, arg, &found, NULL);
}

static int resets_itself(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    sn_once_reset(&again);
    return 0;
}

static int reset_from_within(sn_ctx *ctx, void *arg)
{
    return sn_once_try(ctx, &again, resets_itself, arg, NULL);
}

static int reset_under_a_select(sn_ctx *ctx, void *arg)
{
    struct tried t = { .runs = 0 };
    struct selector s = { &t, 1 };
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, selects, &s), 0);
    CHECK_EQ(sn_sleep(ctx, SN_MS(5)), 0);
    sn_once_reset(&t.once);
    return 0;
}

static void die_recursive_try(void)
{
    (void)sn_run(recursive_try, NULL, NULL);
}

static void die_recursive_try_in_a_thread(void)
{
    (void)recursive_try(NULL, NULL);
}

static void die_recursive_get(void)
{
    (void)sn_run(recursive_get, NULL, NULL);
}

static void die_reset_from_within(void)
{
    (void)sn_run(reset_from_within, NULL, NULL);
}

static void die_reset_under_a_select(void)
{
    (void)sn_sim_run(reset_under_a_select, NULL, NULL);
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
    check_dies(die_recursive_try, "sn_once_try: called again from within its own function");
    check_dies(die_recursive_try_in_a_thread, "sn_once_try: called again from within its own function");
    check_dies(die_recursive_get, "sn_once_get: called again from within its own function");
    check_dies(die_reset_from_within, "sn_once_reset: it is being done");
    check_dies(die_reset_under_a_select, "sn_once_reset: somebody waits for it");
    check_dies(die_waiting, "waiting for a once in task ");
}
