/* Keyed once: the contract of sennit/flight.h. */
#include "sn_test.h"

#include <pthread.h>

/* A job that can be watched and held up; what a test's jobs have in common. */
struct made {
    int begun, ended, cancelled;  /* (a) jobs that have; that found their context ended */
    int result;                   /* what they return */
    int64_t takes;                /* how long they sleep; 0: not at all */
    sn_chan_unit go;              /* a slow one waits until it may end */
};

static int made_init(struct made *m)
{
    *m = (struct made){ .begun = 0 };
    CHECK_EQ(sn_chan_unit_make(&m->go, 64), 0);
    return 0;
}

static void made_free(struct made *m)
{
    sn_chan_free(m->go);
}

static int counted(const int *n)
{
    return __atomic_load_n(n, __ATOMIC_ACQUIRE);
}

static int count(int *n)
{
    return __atomic_add_fetch(n, 1, __ATOMIC_ACQ_REL);
}

/* Gives the number of jobs begun. */
static int quick(sn_ctx *ctx, void *arg, void *value)
{
    struct made *m = *(struct made **)arg;
    int n = count(&m->begun), r = m->takes ? sn_sleep(ctx, m->takes) : 0;
    if (value)
        *(int *)value = n;
    if (sn_ctx_err(ctx) < 0)
        count(&m->cancelled);
    count(&m->ended);
    return r < 0 ? r : m->result;
}

/* The same once it is told to, or its context ends. */
static int held(sn_ctx *ctx, void *arg, void *value)
{
    struct made *m = *(struct made **)arg;
    int n = count(&m->begun), r;
    if ((r = sn_chan_unit_recv(ctx, m->go)) < 0)
        count(&m->cancelled);
    *(int *)value = n;
    count(&m->ended);
    return r < 0 ? r : m->result;
}

/* It takes its time to end when it is cancelled. */
static int stubborn(sn_ctx *ctx, void *arg, void *value)
{
    struct made *m = *(struct made **)arg;
    *(int *)value = count(&m->begun);
    CHECK_EQ(sn_ctx_wait(ctx), SN_ECANCELED);
    count(&m->cancelled);
    CHECK_EQ(sn_chan_unit_recv(sn_background(), m->go), 0);
    count(&m->ended);
    return 0;
}

/* Until n jobs have begun. */
static void await_begun(sn_flight *f, struct made *m, int n)
{
    sn_flight_counts c;
    while (counted(&m->begun) < n) {
        sn_flight_count(f, &c);
        CHECK_UNLESS_INJECTED(c.running > 0 || counted(&m->begun) >= n);
        CHECK_EQ(sn_sleep(sn_background(), SN_US(10)), 0);
    }
}

static int must_not_run(sn_ctx *ctx, void *arg, void *value)
{
    (void)ctx;
    (void)arg;
    (void)value;
    CHECK_UNLESS_INJECTED(!"must not run");
    return 0;
}

static sn_flight *new_flight(const sn_flight_opts *opts)
{
    sn_flight_opts o = opts ? *opts : (sn_flight_opts){ .value_size = 0 };
    sn_flight *f;
    o.value_size = o.value_size ? o.value_size : sizeof(int);
    CHECK_EQ(sn_flight_new(&f, &o), 0);
    return f;
}

/* After its jobs have ended. */
static void end_flight(sn_flight *f)
{
    CHECK_EQ(sn_flight_wait(sn_background(), f), 0);
    sn_flight_free(f);
}

static sn_flight_counts counts_of(sn_flight *f)
{
    sn_flight_counts c;
    sn_flight_count(f, &c);
    return c;
}

#define ask(ctx, f, key, fn, m, value) sn_flight_do((ctx), (f), (key), strlen(key), fn, &(m), sizeof(m), (value))

/* --- one caller --- */

static int alone(sn_ctx *ctx, void *arg)
{
    struct made made, *m = &made;
    sn_flight *f = new_flight(NULL);
    sn_ctx *over;
    int v = -1;
    (void)arg;
    made_init(m);
    CHECK_EQ(ask(ctx, f, "a", quick, m, &v), SN_FLIGHT_LED);
    CHECK_EQ(v, 1);
    CHECK_EQ(ask(ctx, f, "a", quick, m, &v), SN_FLIGHT_LED); /* nothing is kept */
    CHECK_EQ(v, 2);
    CHECK_EQ(ask(ctx, f, "a", quick, m, NULL), SN_FLIGHT_LED); /* the value is not wanted */
    m->result = 17; /* success as well */
    CHECK_EQ(sn_flight_do(ctx, f, NULL, 0, quick, &m, sizeof m, &v), SN_FLIGHT_LED);
    CHECK_EQ(v, 4);
    CHECK_EQ(sn_flight_do(ctx, f, "a", 1, NULL, &m, sizeof m, &v), SN_EINVAL);
    CHECK_EQ(sn_flight_do(ctx, f, NULL, 1, must_not_run, &m, sizeof m, &v), SN_EINVAL);
    CHECK_EQ(sn_flight_do(ctx, f, "a", 1, must_not_run, NULL, 1, &v), SN_EINVAL);
    CHECK_EQ(sn_flight_do(ctx, f, "a", 1, must_not_run, &m, SIZE_MAX, &v), SN_ENOMEM);
    CHECK_EQ(sn_flight_forget(f, NULL, 1), SN_EINVAL);
    CHECK_EQ(sn_ctx_with_cancel(&over, ctx), 0);
    sn_ctx_cancel(over);
    CHECK_EQ(ask(over, f, "a", must_not_run, m, &v), SN_ECANCELED);
    CHECK_EQ(v, 4); /* written on success only */
    CHECK_EQ(sn_flight_wait(ctx, f), 0);
    sn_flight_counts c = counts_of(f);
    CHECK(c.jobs == 4 && c.shared == 0 && c.hits == 0 && c.cancelled == 0 && c.refreshes == 0);
    CHECK(c.running == 0 && c.kept == 0);
    end_flight(f);
    sn_ctx_free(over);
    made_free(m);
    return 0;
}

TEST(a_job_for_its_caller)
{
    run_everywhere(alone, NULL);
}

static int looks_at_its_argument(sn_ctx *ctx, void *arg, void *value)
{
    static const char zero[64];
    (void)ctx;
    CHECK(memcmp(value, zero, sizeof zero) == 0 && (uintptr_t)value % 16 == 0);
    if (arg)
        memcpy(value, arg, 5);
    return 0;
}

static int returns_its_argument(sn_ctx *ctx, void *arg, void *value)
{
    (void)ctx;
    CHECK(value == NULL);
    return *(int *)arg;
}

static int arguments(sn_ctx *ctx, void *arg)
{
    static int five = SN_EUSER - 5;
    char text[] = "text", value[64];
    sn_flight *f;
    (void)arg;
    CHECK_EQ(sn_flight_new(&f, &(sn_flight_opts){ .value_size = sizeof value }), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(sn_flight_do(ctx, f, "k", 1, looks_at_its_argument, text, sizeof text, value), 0);
        CHECK(strcmp(value, "text") == 0);
        CHECK_EQ(sn_flight_do(ctx, f, "k", 1, looks_at_its_argument, NULL, 0, value), 0);
    }
    end_flight(f);
    CHECK_EQ(sn_flight_new(&f, NULL), 0);
    CHECK_EQ(sn_flight_do(ctx, f, "k", 1, returns_its_argument, &five, 0, value), SN_EUSER - 5); /* as it is */
    end_flight(f);
    sn_flight_free(NULL);
    return 0;
}

TEST(arguments_and_values)
{
    run_everywhere(arguments, NULL);
}

static int no_share(void *to, const void *from)
{
    (void)to;
    (void)from;
    return 0;
}

static void no_drop(void *value)
{
    (void)value;
}

TEST(bad_options)
{
    const sn_flight_opts bad[] = {
        { .ttl = -1 }, { .ttl = 1, .error_ttl = -1 }, { .ttl = 1, .refresh = -1 }, { .ttl = 5, .refresh = 5 },
        { .refresh = 1 }, { .max = -1 }, { .value_size = 1, .share = no_share }, { .value_size = 1, .drop = no_drop },
        { .share = no_share, .drop = no_drop },
    };
    sn_flight *f = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_EQ(sn_flight_new(&f, &bad[i]), SN_EINVAL);
    CHECK(f == NULL);
}

/* --- callers of the same key share a job --- */

enum { CALLERS = 10 };

struct caller {
    struct made *made;
    sn_flight *flight;
    const char *key;
    sn_flight_fn *fn;
    sn_ctx *ctx;      /* its own to leave by, or NULL */
    int result, value; /* what came out */
    const char *why;
    int returned;     /* (a) */
};

static int calls(sn_ctx *ctx, void *arg)
{
    struct caller *c = arg;
    c->result = sn_flight_do_why(c->ctx ? c->ctx : ctx, c->flight, c->key, strlen(c->key), c->fn, &c->made, sizeof c->made,
                                 &c->value, &c->why);
    count(&c->returned);
    return 0;
}

/* Starts one that comes to wait before the next step of a test that watches the counts. */
static void start_caller(sn_group *g, struct caller *c)
{
    sn_flight_counts before = counts_of(c->flight), now;
    CHECK_EQ(sn_group_go(g, calls, c), 0);
    do {
        if (counted(&c->returned))
            CHECK_EQ(c->result, SN_FLIGHT_LED);
        CHECK_EQ(sn_sleep(NULL, SN_US(10)), 0);
        now = counts_of(c->flight);
    } while (now.jobs + now.shared + now.hits == before.jobs + before.shared + before.hits);
}

static int share_one(sn_ctx *ctx, void *arg)
{
    struct made made, *m = &made;
    sn_flight *f = new_flight(NULL);
    struct caller callers[CALLERS];
    sn_group g;
    int v, led = 0, shared = 0;
    (void)arg;
    made_init(m);
    sn_group_init(&g, ctx);
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){ .made = m, .flight = f, .key = "a", .fn = held };
        start_caller(&g, &callers[i]);
    }
    CHECK_EQ(ask(ctx, f, "b", quick, m, &v), SN_FLIGHT_LED); /* another key's is not in the way */
    CHECK_EQ(ask(ctx, f, "aa", quick, m, &v), SN_FLIGHT_LED);
    CHECK_EQ(counted(&m->ended), 2);
    CHECK_EQ(sn_chan_unit_send(ctx, m->go), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < CALLERS; i++) {
        CHECK_RESULT(callers[i].result, callers[i].result >= 0);
        CHECK_EQ(callers[i].value, 1);
        led += callers[i].result == SN_FLIGHT_LED;
        shared += callers[i].result == SN_FLIGHT_SHARED;
    }
    CHECK_EQ(led, 1);
    CHECK_EQ(callers[0].result, SN_FLIGHT_LED); /* the first */
    CHECK_EQ(shared, CALLERS - 1);
    CHECK_EQ(counts_of(f).jobs, 3);
    CHECK_EQ(counts_of(f).shared, CALLERS - 1);
    end_flight(f);
    made_free(m);
    return 0;
}

TEST(callers_share_a_job)
{
    run_everywhere(share_one, NULL);
}

/* Whatever a key's bytes are; and many of them. */
static int many_keys(sn_ctx *ctx, void *arg)
{
    enum { KEYS = 300 };
    struct made made, *m = &made;
    sn_flight *f = new_flight(&(sn_flight_opts){ .ttl = SN_FOREVER, .max = KEYS });
    unsigned char key[KEYS] = { 0 };
    int v;
    (void)arg;
    made_init(m);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < KEYS; i++) { /* i zeros */
            int r = sn_flight_do(ctx, f, key, (size_t)i, quick, &m, sizeof m, &v);
            CHECK_EQ(r, round ? SN_FLIGHT_KEPT : SN_FLIGHT_LED);
            CHECK_EQ(v, i + 1);
        }
    CHECK_EQ(counts_of(f).kept, KEYS);
    CHECK_EQ(sn_flight_forget_all(f), KEYS);
    CHECK_EQ(sn_flight_forget_all(f), 0);
    CHECK_EQ(counts_of(f).kept, 0);
    end_flight(f);
    made_free(m);
    return 0;
}

TEST(keys_are_bytes)
{
    run_everywhere(many_keys, NULL);
}

/* --- the job's context --- */

static const char user, id; /* keys of values */

static int says_who(sn_ctx *ctx, void *arg, void *value)
{
    struct made *m = *(struct made **)arg;
    (void)count(&m->begun);
    CHECK_EQ(sn_ctx_deadline(ctx), SN_FOREVER);
    CHECK(sn_ctx_value(NULL, &user) == sn_ctx_value(ctx, &user)); /* it is the task's own, too */
    *(const char **)value = sn_ctx_value(ctx, &user);
    CHECK_EQ(sn_sleep(NULL, SN_MS(20)), 0);
    CHECK_EQ(sn_ctx_err(ctx), 0);
    count(&m->ended);
    return 0;
}

struct one_of_two {
    sn_flight *flight;
    struct made *made;
    const char *name;
    int64_t patience;
    int want;
};

static int asks_as(sn_ctx *ctx, void *arg)
{
    struct one_of_two *o = arg;
    const char *who = NULL;
    sn_ctx *named, *soon;
    CHECK_EQ(sn_ctx_with_value(&named, ctx, &user, o->name), 0);
    CHECK_EQ(sn_ctx_with_timeout(&soon, named, o->patience), 0);
    int r = sn_flight_do(soon, o->flight, "x", 1, says_who, &o->made, sizeof o->made, &who);
    CHECK_EQ(r, o->want);
    if (r >= 0)
        CHECK(strcmp(who ? who : "nobody", "first") == 0);
    sn_ctx_free(soon);
    sn_ctx_free(named);
    return 0;
}

/* The job has the first caller's values, and lives on when that one has left (cockroach#91038). */
static int detached_from_the_first(sn_ctx *ctx, void *arg)
{
    struct made made, *m = &made;
    sn_flight *f = new_flight(&(sn_flight_opts){ .value_size = sizeof(char *) });
    sn_group g;
    (void)arg;
    made_init(m);
    sn_group_init(&g, ctx);
    struct one_of_two first = { f, m, "first", SN_MS(10), SN_ETIMEDOUT };
    struct one_of_two second = { f, m, "second", SN_SEC(10), SN_FLIGHT_SHARED };
    CHECK_EQ(sn_group_go(&g, asks_as, &first), 0);
    while (counts_of(f).jobs == 0)
        CHECK_EQ(sn_sleep(ctx, SN_US(10)), 0);
    CHECK_EQ(sn_group_go(&g, asks_as, &second), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(counted(&m->begun), 1);
    CHECK_EQ(counts_of(f).cancelled, 0);
    end_flight(f);
    made_free(m);
    return 0;
}

TEST(a_job_outlives_the_caller_who_started_it)
{
    CHECK_EQ(sn_sim_run(detached_from_the_first, NULL, NULL), 0);
}

static int finds_no_user(sn_ctx *ctx, void *arg, void *value)
{
    (void)arg;
    *(int *)value = sn_ctx_value(ctx, &user) != NULL;
    return 0;
}

static int without_values(sn_ctx *ctx, void *arg)
{
    int v;
    sn_ctx *named;
    (void)arg;
    CHECK_EQ(sn_ctx_with_value(&named, ctx, &user, "me"), 0);
    for (int no = 0; no < 2; no++) {
        sn_flight *f = new_flight(&(sn_flight_opts){ .no_values = no });
        CHECK_EQ(sn_flight_do(named, f, "k", 1, finds_no_user, NULL, 0, &v), 0);
        CHECK_EQ(v, !no);
        end_flight(f);
    }
    sn_ctx_free(named);
    return 0;
}

TEST(values_can_be_left_out)
{
    run_everywhere(without_values, NULL);
}

/* --- leaving --- */

/* The chain of causes leads from a job's context to that of who left. */
static int notes_why(sn_ctx *ctx, void *arg, void *value)
{
    sn_ctx *left = *(sn_ctx **)arg, *c;
    char text[200];
    (void)value;
    CHECK_EQ(sn_ctx_wait(ctx), SN_ECANCELED);
    for (c = ctx; c && c != left; c = sn_ctx_because(c))
        ;
    CHECK(c == left);
    (void)sn_ctx_explain(ctx, text, sizeof text);
    CHECK(strcmp(text, "cancelled (nobody waits for it any more); because: deadline exceeded") == 0);
    return 0;
}

static int last_leaves(sn_ctx *ctx, void *arg)
{
    struct made made, *m = &made;
    sn_flight *f = new_flight(NULL);
    struct caller callers[3];
    sn_ctx *quit[3], *soon;
    sn_group g;
    (void)arg;
    made_init(m);
    sn_group_init(&g, ctx);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(sn_ctx_with_cancel(&quit[i], ctx), 0);
        callers[i] = (struct caller){ .made = m, .flight = f, .key = "a", .fn = held, .ctx = quit[i], .value = -1 };
        start_caller(&g, &callers[i]);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
        CHECK_EQ(counted(&m->cancelled), 0); /* while any waits (stream-video-android#1764) */
        CHECK_EQ(counts_of(f).cancelled, 0);
        sn_ctx_cancel(quit[i]);
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(sn_flight_wait(ctx, f), 0);
    CHECK_EQ(counted(&m->cancelled), 1);
    CHECK_EQ(counts_of(f).cancelled, 1);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(callers[i].result, SN_ECANCELED);
        CHECK_EQ(callers[i].value, -1);
        sn_ctx_free(quit[i]);
    }
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_MS(1)), 0);
    CHECK_EQ(sn_flight_do(soon, f, "w", 1, notes_why, &soon, sizeof soon, NULL), SN_ETIMEDOUT);
    CHECK_EQ(sn_flight_wait(ctx, f), 0);
    sn_ctx_free(soon);
    end_flight(f);
    made_free(m);
    return 0;
}

TEST(the_last_to_leave_cancels_it)
{
    run_everywhere(last_leaves, NULL);
}

/* A cancelled job is on its way to its end: nobody joins it (tailscale#18924). A lone caller who leaves thereby lets the
 * next start anew, which is what ForgetUnshared was asked for (golang#54439). */
static int none_joins_a_cancelled_one(sn_ctx *ctx, void *arg)
{
    struct made made, *m = &made;
    sn_flight *f = new_flight(&(sn_flight_opts){ .ttl = SN_SEC(3600) });
    struct caller first = { .made = m, .flight = f, .key = "a", .fn = stubborn };
    sn_ctx *quit;
    sn_group g;
    int v;
    (void)arg;
    made_init(m);
    CHECK_EQ(sn_ctx_with_cancel(&quit, ctx), 0);
    first.ctx = quit;
    sn_group_init(&g, ctx);
    start_caller(&g, &first);
    await_begun(f, m, 1);
    sn_ctx_cancel(quit);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(first.result, SN_ECANCELED);
    CHECK_EQ(ask(ctx, f, "a", quick, m, &v), SN_FLIGHT_LED);
    CHECK_EQ(v, 2);
    CHECK_EQ(counted(&m->ended), 1); /* the stubborn one still runs */
    CHECK_EQ(counts_of(f).running, 1);
    CHECK_EQ(sn_chan_unit_send(ctx, m->go), 0);
    CHECK_EQ(sn_flight_wait(ctx, f), 0);
    CHECK_EQ(ask(ctx, f, "a", must_not_run, m, &v), SN_FLIGHT_KEPT);
    CHECK_EQ(v, 2); /* its result, though it came later, is nobody's */
    end_flight(f);
    sn_ctx_free(quit);
    made_free(m);
    return 0;
}

TEST(nobody_joins_a_cancelled_job)
{
    run_everywhere(none_joins_a_cancelled_one, NULL);
}

/* --- failure --- */

static int fails_deeply(sn_ctx *ctx, void *arg, void *value)
{
    (void)held(ctx, arg, value);
    sn_fail(SN_EUSER - 7, "lost in the woods");
}

static int fail_for_all(sn_ctx *ctx, void *arg)
{
    struct made made, *m = &made;
    sn_flight *f = new_flight(NULL);
    struct caller callers[3];
    int v = -1;
    (void)arg;
    made_init(m);
    for (int how = 0; how < 2; how++) {
        sn_group g;
        sn_group_init(&g, ctx);
        m->result = SN_EIO;
        for (int i = 0; i < 3; i++) {
            callers[i] = (struct caller){ .made = m, .flight = f, .key = "a", .fn = how ? fails_deeply : held, .value = -1,
                                          .why = "something else" };
            start_caller(&g, &callers[i]);
        }
        CHECK_EQ(sn_chan_unit_send(ctx, m->go), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        for (int i = 0; i < 3; i++) {
            CHECK_EQ(callers[i].result, how ? SN_EUSER - 7 : SN_EIO);
            CHECK_EQ(callers[i].value, -1);
            CHECK(how ? callers[i].why && strcmp(callers[i].why, "lost in the woods") == 0 : !callers[i].why);
        }
        m->result = 0; /* who comes next tries again (golang#22098, #53696) */
        CHECK_EQ(ask(ctx, f, "a", quick, m, &v), SN_FLIGHT_LED);
        CHECK_EQ(v, 2 * (how + 1));
    }
    end_flight(f);
    made_free(m);
    return 0;
}

TEST(all_get_the_error_and_the_next_tries_again)
{
    run_everywhere(fail_for_all, NULL);
}

/* Two tasks come to end the same thing while the runtime ends: one does, both wait until it is done (gouroboros#522). */
struct shutdown {
    sn_flight *flight;
    struct made made, *m;
    int answers;
};

static int ends_it(sn_ctx *ctx, void *arg)
{
    struct shutdown *s = arg;
    sn_ctx *rest;
    int v;
    CHECK_EQ(sn_ctx_wait(ctx), SN_ECANCELED);
    CHECK_EQ(ask(ctx, s->flight, "end", must_not_run, s->m, &v), SN_ECANCELED);
    CHECK_EQ(sn_ctx_without_cancel(&rest, ctx), 0);
    int r = ask(rest, s->flight, "end", quick, s->m, &v);
    CHECK_RESULT(r, r >= 0);
    CHECK_EQ(v, 1);
    CHECK_EQ(counted(&s->made.ended), 1);
    CHECK_EQ(counted(&s->made.cancelled), 0);
    count(&s->answers);
    sn_ctx_free(rest);
    return 0;
}

static int ends_twice(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    for (int i = 0; i < 2; i++)
        CHECK_EQ(sn_task_go(ends_it, arg), 0);
    return 0;
}

TEST(two_at_shutdown)
{
    for (int really = 0; really < 2; really++) {
        struct shutdown s = { .answers = 0 };
        made_init(&s.made);
        s.m = &s.made;
        s.made.takes = SN_MS(5);
        s.flight = new_flight(&(sn_flight_opts){ .ttl = SN_SEC(10) });
        if (really)
            CHECK_EQ(sn_run(ends_twice, &s, &(sn_run_opts){ .grace_ns = SN_SEC(10) }), 0);
        else
            CHECK_EQ(sn_sim_run(ends_twice, &s, NULL), 0);
        CHECK_EQ(s.answers, 2);
        CHECK_EQ(s.made.begun, 1);
        sn_flight_free(s.flight);
        made_free(&s.made);
    }
}

/* --- asking for its own key --- */

struct nest {
    sn_flight *outer, *inner;
    struct made *made;
    int r;
};

static int asks_as_helper(sn_ctx *ctx, void *arg)
{
    struct nest *n = arg;
    n->r = sn_flight_do(ctx, n->outer, "k", 1, must_not_run, NULL, 0, NULL);
    return 0;
}

static int has_a_helper(sn_ctx *ctx, void *arg, void *value)
{
    struct nest *n = *(struct nest **)arg;
    sn_group g;
    (void)value;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, asks_as_helper, n), 0);
    return sn_group_wait(&g);
}

static int asks_back(sn_ctx *ctx, void *arg, void *value)
{
    struct nest *n = *(struct nest **)arg;
    (void)value;
    n->r = sn_flight_do(ctx, n->outer, "k", 1, must_not_run, NULL, 0, NULL);
    return 0;
}

static int asks_through_another(sn_ctx *ctx, void *arg, void *value)
{
    struct nest *n = *(struct nest **)arg;
    (void)value;
    return sn_flight_do(ctx, n->inner, "k", 1, asks_back, &n, sizeof n, NULL);
}

/* Nothing is wrong with another key, nor with its own once that has been forgotten. */
static int asks_for_others(sn_ctx *ctx, void *arg, void *value)
{
    struct nest *n = *(struct nest **)arg;
    int v;
    (void)value;
    CHECK_EQ(ask(ctx, n->outer, "other", quick, n->made, &v), SN_FLIGHT_LED);
    CHECK_EQ(sn_flight_forget(n->outer, "k", 1), 1);
    CHECK_EQ(ask(ctx, n->outer, "k", quick, n->made, &v), SN_FLIGHT_LED);
    n->r = 0;
    return 0;
}

static int nests(sn_ctx *ctx, void *arg)
{
    static sn_flight_fn *const fns[] = { has_a_helper, asks_through_another, asks_for_others };
    struct made made, *m = &made;
    (void)arg;
    made_init(m);
    for (int i = 0; i < 3; i++) {
        struct nest nest = { new_flight(NULL), new_flight(NULL), m, 1 }, *n = &nest;
        CHECK_EQ(sn_flight_do(ctx, n->outer, "k", 1, fns[i], &n, sizeof n, NULL), 0);
        CHECK_EQ(n->r, i < 2 ? SN_EBUSY : 0);
        end_flight(n->outer);
        end_flight(n->inner);
    }
    made_free(m);
    return 0;
}

TEST(a_job_that_asks_for_its_own_key_is_told)
{
    run_everywhere(nests, NULL);
}

static int lends_its_context(sn_ctx *ctx, void *arg, void *value)
{
    (void)value;
    **(sn_ctx ***)arg = sn_ctx_retain(ctx);
    return 0;
}

/* Who still has the context of a job that has ended may wait for the next one, also if that lies at the same address. */
static int asks_under_an_old_context(sn_ctx *ctx, void *arg)
{
    struct made made, *m = &made;
    sn_flight *f = new_flight(NULL);
    (void)arg;
    made_init(m);
    for (int i = 0; i < 5; i++) {
        struct caller c[2];
        sn_ctx *old, **lent = &old, *rest;
        sn_group g;
        CHECK_EQ(sn_flight_do(ctx, f, "a", 1, lends_its_context, &lent, sizeof lent, NULL), 0);
        CHECK_EQ(sn_flight_wait(ctx, f), 0);
        CHECK_EQ(sn_ctx_without_cancel(&rest, old), 0);
        c[0] = (struct caller){ .made = m, .flight = f, .key = "a", .fn = held };
        c[1] = (struct caller){ .made = m, .flight = f, .key = "a", .fn = held, .ctx = rest };
        sn_group_init(&g, ctx);
        start_caller(&g, &c[0]);
        CHECK_EQ(sn_group_go(&g, calls, &c[1]), 0);
        while (counts_of(f).shared == (uint64_t)i && !counted(&c[0].returned) && !counted(&c[1].returned))
            CHECK_EQ(sn_sleep(ctx, SN_US(10)), 0);
        if (counted(&c[0].returned))
            CHECK_EQ(c[0].result, SN_FLIGHT_LED);
        CHECK_EQ(sn_chan_unit_send(ctx, m->go), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(c[1].result, SN_FLIGHT_SHARED);
        sn_ctx_free(rest);
        sn_ctx_release(old);
    }
    end_flight(f);
    made_free(m);
    return 0;
}

TEST(an_old_context_is_no_job)
{
    run_everywhere(asks_under_an_old_context, NULL);
}

/* --- time to live: in virtual time --- */

static int keeps(sn_ctx *ctx, void *arg)
{
    struct made made, *m = &made;
    sn_flight *f = new_flight(&(sn_flight_opts){ .ttl = SN_SEC(10), .error_ttl = SN_SEC(2) });
    const char *why;
    int v = 0;
    (void)arg;
    made_init(m);
    m->takes = SN_SEC(3);
    CHECK_EQ(ask(ctx, f, "a", quick, m, &v), SN_FLIGHT_LED);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(9)), 0); /* of its end, not of its begin */
    CHECK_EQ(ask(ctx, f, "a", must_not_run, m, &v), SN_FLIGHT_KEPT);
    CHECK_EQ(v, 1);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(1)), 0);
    CHECK_EQ(counts_of(f).kept, 1); /* nobody has asked since */
    CHECK_EQ(ask(ctx, f, "a", quick, m, &v), SN_FLIGHT_LED);
    CHECK_EQ(v, 2);
    CHECK_EQ(sn_flight_forget(f, "a", 1), 1);
    CHECK_EQ(sn_flight_forget(f, "a", 1), 0);
    CHECK_EQ(ask(ctx, f, "a", quick, m, &v), SN_FLIGHT_LED);
    CHECK_EQ(v, 3);
    CHECK_EQ(counts_of(f).hits, 1);
    /* errors have a time of their own */
    m->result = SN_EPIPE;
    CHECK_EQ(ask(ctx, f, "e", quick, m, &v), SN_EPIPE);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(1)), 0);
    CHECK_EQ(sn_flight_do_why(ctx, f, "e", 1, must_not_run, NULL, 0, &v, &why), SN_EPIPE);
    CHECK(why == NULL);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(1)), 0);
    m->result = 0;
    CHECK_EQ(ask(ctx, f, "e", quick, m, &v), SN_FLIGHT_LED);
    CHECK_EQ(v, 5);
    end_flight(f);
    made_free(m);
    return 0;
}

TEST(results_are_kept_for_a_time)
{
    CHECK_EQ(sn_sim_run(keeps, NULL, NULL), 0);
}

static int fails_at_once(sn_ctx *ctx, void *arg, void *value)
{
    (void)ctx;
    (void)arg;
    (void)value;
    sn_fail(SN_EACCES, "no key");
}

static int keeps_some(sn_ctx *ctx, void *arg)
{
    struct made made, *m = &made;
    sn_flight *f = new_flight(&(sn_flight_opts){ .ttl = SN_SEC(10), .error_ttl = SN_SEC(1), .max = 3 });
    const char *keys[] = { "a", "b", "c", "d" }, *why = NULL;
    int v;
    (void)arg;
    made_init(m);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(ask(ctx, f, keys[i], quick, m, &v), SN_FLIGHT_LED);
    CHECK_EQ(counts_of(f).kept, 3);
    for (int i = 1; i < 4; i++)
        CHECK_EQ(ask(ctx, f, keys[i], must_not_run, m, &v), SN_FLIGHT_KEPT);
    CHECK_EQ(ask(ctx, f, "a", quick, m, &v), SN_FLIGHT_LED); /* the oldest had gone */
    CHECK_EQ(ask(ctx, f, "c", must_not_run, m, &v), SN_FLIGHT_KEPT);
    CHECK_EQ(ask(ctx, f, "b", quick, m, &v), SN_FLIGHT_LED);
    /* an error that is kept says the same again */
    CHECK_EQ(sn_flight_do(ctx, f, "e", 1, fails_at_once, NULL, 0, &v), SN_EACCES);
    CHECK_EQ(sn_flight_do_why(ctx, f, "e", 1, must_not_run, NULL, 0, &v, &why), SN_EACCES);
    CHECK(why && strcmp(why, "no key") == 0);
    /* what has run out goes when something new is kept */
    CHECK_EQ(sn_sleep(ctx, SN_SEC(11)), 0);
    CHECK_EQ(counts_of(f).kept, 3);
    CHECK_EQ(ask(ctx, f, "f", quick, m, &v), SN_FLIGHT_LED);
    CHECK_EQ(counts_of(f).kept, 1);
    end_flight(f);
    made_free(m);
    return 0;
}

TEST(no_more_are_kept_than_allowed)
{
    run_simulated(keeps_some, NULL);
}

/* Later callers start anew; the old job runs on for those who wait, and is not kept. */
static int forgets(sn_ctx *ctx, void *arg)
{
    struct made made, *m = &made;
    sn_flight *f = new_flight(&(sn_flight_opts){ .ttl = SN_SEC(3600) });
    struct caller old = { .made = m, .flight = f, .key = "a", .fn = held };
    sn_group g;
    int v;
    made_init(m);
    sn_group_init(&g, ctx);
    start_caller(&g, &old);
    await_begun(f, m, 1);
    CHECK_EQ(*(int *)arg ? sn_flight_forget_all(f) : sn_flight_forget(f, "a", 1), 1);
    CHECK_EQ(ask(ctx, f, "a", quick, m, &v), SN_FLIGHT_LED);
    CHECK_EQ(v, 2);
    CHECK_EQ(counted(&m->cancelled), 0);
    CHECK_EQ(sn_chan_unit_send(ctx, m->go), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(old.result, SN_FLIGHT_LED);
    CHECK_EQ(old.value, 1);
    CHECK_EQ(sn_flight_wait(ctx, f), 0);
    CHECK_EQ(ask(ctx, f, "a", must_not_run, m, &v), SN_FLIGHT_KEPT);
    CHECK_EQ(v, 2);
    CHECK_EQ(counts_of(f).cancelled, 0);
    end_flight(f);
    made_free(m);
    return 0;
}

/* And is cancelled all the same when these leave. */
static int leaves_a_forgotten_one(sn_ctx *ctx, void *arg)
{
    struct made made, *m = &made;
    sn_flight *f = new_flight(NULL);
    struct caller old = { .made = m, .flight = f, .key = "a", .fn = held };
    sn_ctx *quit;
    sn_group g;
    (void)arg;
    made_init(m);
    CHECK_EQ(sn_ctx_with_cancel(&quit, ctx), 0);
    old.ctx = quit;
    sn_group_init(&g, ctx);
    start_caller(&g, &old);
    CHECK_EQ(sn_flight_forget(f, "a", 1), 1);
    sn_ctx_cancel(quit);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(sn_flight_wait(ctx, f), 0);
    CHECK_EQ(counted(&m->cancelled), 1);
    sn_ctx_free(quit);
    end_flight(f);
    made_free(m);
    return 0;
}

TEST(forgetting_lets_later_callers_start_anew)
{
    for (int all = 0; all < 2; all++)
        run_everywhere(forgets, &all);
    run_everywhere(leaves_a_forgotten_one, NULL);
}

/* --- refreshing, in virtual time --- */

static int refreshes(sn_ctx *ctx, void *arg)
{
    struct made made, *m = &made;
    sn_flight *f = new_flight(&(sn_flight_opts){ .ttl = SN_SEC(10), .refresh = SN_SEC(4) });
    sn_ctx *named;
    int v;
    (void)arg;
    made_init(m);
    CHECK_EQ(sn_ctx_with_value(&named, ctx, &id, "x"), 0);
    CHECK_EQ(ask(named, f, "a", quick, m, &v), SN_FLIGHT_LED);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(5)), 0);
    CHECK_EQ(ask(named, f, "a", must_not_run, m, &v), SN_FLIGHT_KEPT);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(2)), 0);
    m->takes = SN_SEC(1);
    int64_t begin = sn_now();
    CHECK_EQ(ask(named, f, "a", quick, m, &v), SN_FLIGHT_KEPT); /* starts it */
    for (int i = 0; i < 5; i++) /* all get the old one, nobody starts another */
        CHECK_EQ(ask(named, f, "a", must_not_run, m, &v), SN_FLIGHT_KEPT);
    CHECK_UNLESS_INJECTED(v == 1);
    CHECK(sn_now() - begin < SN_MS(500)); /* virtual: nobody has waited for it */
    CHECK_UNLESS_INJECTED(counts_of(f).refreshes == 1);
    CHECK_EQ(sn_flight_wait(ctx, f), 0);
    CHECK_EQ(ask(named, f, "a", must_not_run, m, &v), SN_FLIGHT_KEPT);
    CHECK_UNLESS_INJECTED(v == 2);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(5)), 0); /* the old one would have run out */
    CHECK_EQ(ask(named, f, "a", must_not_run, m, &v), SN_FLIGHT_KEPT);
    CHECK_UNLESS_INJECTED(counts_of(f).jobs == 2);
    CHECK_UNLESS_INJECTED(counts_of(f).kept == 1);
    CHECK_UNLESS_INJECTED(counts_of(f).cancelled == 0);
    sn_ctx_free(named);
    end_flight(f);
    made_free(m);
    return 0;
}

TEST(refreshed_in_the_background)
{
    run_simulated(refreshes, NULL);
}

static int refresh_fails(sn_ctx *ctx, void *arg)
{
    struct made made, *m = &made;
    sn_flight *f = new_flight(&(sn_flight_opts){ .ttl = SN_SEC(10), .refresh = SN_SEC(4), .error_ttl = SN_SEC(100) });
    int v;
    (void)arg;
    made_init(m);
    CHECK_EQ(ask(ctx, f, "a", quick, m, &v), SN_FLIGHT_LED);
    m->result = SN_EIO;
    CHECK_EQ(sn_sleep(ctx, SN_SEC(6)), 0);
    for (int i = 0; i < 3; i++) { /* one fails; the next is due in two seconds */
        CHECK_EQ(ask(ctx, f, "a", quick, m, &v), SN_FLIGHT_KEPT);
        CHECK_EQ(sn_flight_wait(ctx, f), 0);
        CHECK_UNLESS_INJECTED(counts_of(f).refreshes == 1);
    }
    CHECK_EQ(sn_sleep(ctx, SN_SEC(2)), 0);
    m->result = 0;
    CHECK_EQ(ask(ctx, f, "a", quick, m, &v), SN_FLIGHT_KEPT);
    CHECK_UNLESS_INJECTED(v == 1);
    CHECK_EQ(sn_flight_wait(ctx, f), 0);
    CHECK_UNLESS_INJECTED(counts_of(f).refreshes == 2);
    CHECK_EQ(ask(ctx, f, "a", must_not_run, m, &v), SN_FLIGHT_KEPT);
    CHECK_UNLESS_INJECTED(v == 3);
    end_flight(f);
    made_free(m);
    return 0;
}

TEST(a_refresh_that_fails_changes_nothing)
{
    run_simulated(refresh_fails, NULL);
}

/* What is kept runs out while a slow refresh is under way: callers join that, and may leave it. */
static int joins_a_refresh(sn_ctx *ctx, void *arg)
{
    struct made made, *m = &made;
    sn_flight *f = new_flight(&(sn_flight_opts){ .ttl = SN_SEC(10), .refresh = SN_SEC(4) });
    sn_ctx *soon;
    int v, leaves = *(int *)arg;
    made_init(m);
    CHECK_EQ(ask(ctx, f, "a", quick, m, &v), SN_FLIGHT_LED);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(9)), 0);
    m->takes = SN_SEC(5);
    CHECK_EQ(ask(ctx, f, "a", quick, m, &v), SN_FLIGHT_KEPT);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(2)), 0);
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, leaves ? SN_SEC(1) : SN_SEC(100)), 0);
    CHECK_EQ(ask(soon, f, "a", must_not_run, m, &v), leaves ? SN_ETIMEDOUT : SN_FLIGHT_SHARED);
    CHECK_UNLESS_INJECTED(v == (leaves ? 1 : 2));
    CHECK_EQ(sn_flight_wait(ctx, f), 0);
    CHECK_UNLESS_INJECTED(counted(&m->cancelled) == leaves);
    CHECK_EQ(ask(ctx, f, "a", quick, m, &v), leaves ? SN_FLIGHT_LED : SN_FLIGHT_KEPT);
    CHECK_UNLESS_INJECTED(v == (leaves ? 3 : 2));
    sn_ctx_free(soon);
    end_flight(f);
    made_free(m);
    return 0;
}

TEST(a_refresh_that_comes_too_late_is_waited_for)
{
    for (int leaves = 0; leaves < 2; leaves++)
        run_simulated(joins_a_refresh, &leaves);
}

static int forgets_a_refresh(sn_ctx *ctx, void *arg)
{
    struct made made, *m = &made;
    sn_flight *f = new_flight(&(sn_flight_opts){ .ttl = SN_SEC(10), .refresh = SN_SEC(4) });
    int v;
    (void)arg;
    made_init(m);
    CHECK_EQ(ask(ctx, f, "a", quick, m, &v), SN_FLIGHT_LED);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(9)), 0);
    m->takes = SN_SEC(5);
    CHECK_EQ(ask(ctx, f, "a", quick, m, &v), SN_FLIGHT_KEPT);
    CHECK_EQ(sn_flight_forget(f, "a", 1), 1);
    CHECK_EQ(sn_flight_wait(ctx, f), 0);
    CHECK_UNLESS_INJECTED(counted(&m->cancelled) == 1);
    CHECK_UNLESS_INJECTED(counted(&m->begun) == 2);
    CHECK_UNLESS_INJECTED(counts_of(f).kept == 0);
    end_flight(f);
    made_free(m);
    return 0;
}

TEST(a_refresh_is_cancelled_by_forgetting)
{
    for (uint64_t seed = 1; seed <= 50; seed++) /* before it runs, or while it does */
        CHECK_EQ(sn_sim_run(forgets_a_refresh, NULL, &(sn_sim_opts){ .seed = seed }), 0);
}

/* The room goes to others while a refresh is under way: what it finds is kept. */
static int evicts_before_a_refresh(sn_ctx *ctx, void *arg)
{
    struct made made, *m = &made;
    sn_flight *f = new_flight(&(sn_flight_opts){ .ttl = SN_SEC(10), .refresh = SN_SEC(4), .max = 1 });
    int v;
    (void)arg;
    made_init(m);
    CHECK_EQ(ask(ctx, f, "a", quick, m, &v), SN_FLIGHT_LED);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(8)), 0);
    m->takes = SN_SEC(1);
    CHECK_EQ(ask(ctx, f, "a", quick, m, &v), SN_FLIGHT_KEPT);
    await_begun(f, m, 2);
    m->takes = 0;
    CHECK_EQ(ask(ctx, f, "b", quick, m, &v), SN_FLIGHT_LED);
    CHECK_UNLESS_INJECTED(counts_of(f).kept == 1);
    CHECK_EQ(ask(ctx, f, "a", must_not_run, m, &v), SN_FLIGHT_SHARED);
    CHECK_UNLESS_INJECTED(v == 2);
    CHECK_UNLESS_INJECTED(counts_of(f).kept == 1);
    CHECK_EQ(ask(ctx, f, "a", must_not_run, m, &v), SN_FLIGHT_KEPT);
    end_flight(f);
    made_free(m);
    return 0;
}

TEST(a_refresh_outlives_what_it_was_to_replace)
{
    run_simulated(evicts_before_a_refresh, NULL);
}

/* A refresh ends with its runtime, and who comes while the last tasks still end does not join it. */
struct late {
    sn_flight *flight;
    struct made made, *m;
    int v;
};

static int comes_late(sn_ctx *ctx, void *arg)
{
    struct late *l = arg;
    sn_ctx *rest;
    CHECK_EQ(sn_ctx_wait(ctx), SN_ECANCELED);
    CHECK_EQ(sn_ctx_without_cancel(&rest, ctx), 0);
    CHECK_EQ(sn_sleep(rest, SN_SEC(2)), 0); /* what was kept has run out */
    CHECK_EQ(ask(rest, l->flight, "a", quick, l->m, &l->v), SN_FLIGHT_LED);
    CHECK_EQ(sn_chan_unit_send(rest, l->made.go), 0);
    sn_ctx_free(rest);
    return 0;
}

static int ends_with_a_refresh(sn_ctx *ctx, void *arg)
{
    struct late *l = arg;
    CHECK_EQ(ask(ctx, l->flight, "a", quick, l->m, &l->v), SN_FLIGHT_LED);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(9)), 0);
    CHECK_EQ(ask(ctx, l->flight, "a", stubborn, l->m, &l->v), SN_FLIGHT_KEPT);
    await_begun(l->flight, &l->made, 2);
    CHECK_EQ(sn_task_go(comes_late, l), 0);
    return 0;
}

TEST(a_refresh_ends_with_the_runtime)
{
    struct late l = { .v = 0 };
    made_init(&l.made);
    l.m = &l.made;
    l.flight = new_flight(&(sn_flight_opts){ .ttl = SN_SEC(10), .refresh = SN_SEC(4) });
    CHECK_EQ(sn_sim_run(ends_with_a_refresh, &l, &(sn_sim_opts){ .run = &(sn_run_opts){ .grace_ns = SN_SEC(60) } }), 0);
    CHECK_EQ(l.v, 3);
    CHECK_EQ(l.made.begun, 3);
    CHECK_EQ(l.made.ended, 3);
    sn_flight_free(l.flight);
    made_free(&l.made);
}

/* --- who owns values --- */

struct thing {
    int refs;     /* (a) */
    struct owners *owners;
};

struct owners {
    int made, things; /* (a) made at all; not freed yet */
    int refuse;       /* share fails */
};

static int makes_a_thing(sn_ctx *ctx, void *arg, void *value)
{
    struct owners *o = *(struct owners **)arg;
    struct thing *t = malloc(sizeof *t);
    CHECK(t != NULL);
    *t = (struct thing){ 1, o };
    count(&o->made);
    count(&o->things);
    *(struct thing **)value = t;
    (void)sn_sleep(ctx, SN_US(sn_random() % 30)); /* made even if it is cancelled */
    return 0;
}

static void give_thing(void *value)
{
    struct thing *t = *(struct thing **)value;
    if (__atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    __atomic_sub_fetch(&t->owners->things, 1, __ATOMIC_ACQ_REL);
    free(t);
}

static int take_thing(void *to, const void *from)
{
    struct thing *t = *(struct thing *const *)from;
    if (counted(&t->owners->refuse))
        return SN_ENOSPC;
    CHECK(__atomic_fetch_add(&t->refs, 1, __ATOMIC_ACQ_REL) > 0);
    *(struct thing **)to = t;
    return 0;
}

struct sharer {
    sn_flight *flight;
    struct owners *owners;
};

static int shares_things(sn_ctx *ctx, void *arg)
{
    struct sharer *s = arg;
    for (int i = 0; i < 100; i++) {
        char key[2] = { 'k', (char)('a' + i % 3) };
        struct thing *t = NULL;
        sn_ctx *soon;
        CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_US(1 + i % 40)), 0);
        int r = sn_flight_do(soon, s->flight, key, 2, makes_a_thing, &s->owners, sizeof s->owners, i % 7 ? &t : NULL);
        CHECK_RESULT(r, r >= 0 || r == SN_ETIMEDOUT);
        CHECK((t != NULL) == (r >= 0 && i % 7 != 0));
        if (t) {
            CHECK(counted(&t->refs) > 0 && t->owners == s->owners);
            give_thing(&t);
        }
        if (i % 16 == 5)
            CHECK(sn_flight_forget(s->flight, key, 2) >= 0);
        sn_ctx_free(soon);
    }
    return 0;
}

static void *shares_things_in_a_thread(void *arg)
{
    (void)shares_things(NULL, arg);
    return NULL;
}

/* What a job has written that then fails is its own. */
static int fails_with_a_thing(sn_ctx *ctx, void *arg, void *value)
{
    CHECK_EQ(makes_a_thing(ctx, arg, value), 0);
    give_thing(value);
    return SN_EIO;
}

static int share_things(sn_ctx *ctx, void *arg)
{
    static const int64_t ttls[] = { 0, SN_US(50), SN_SEC(100) };
    struct owners o = { .made = 0 }, *p = &o;
    struct thing *t = NULL;
    (void)arg;
    for (int i = 0; i < 3; i++) {
        struct sharer s = { .owners = &o };
        sn_group g;
        CHECK_EQ(sn_flight_new(&s.flight, &(sn_flight_opts){ .value_size = sizeof(struct thing *), .share = take_thing,
                                                             .drop = give_thing, .ttl = ttls[i], .refresh = ttls[i] / 2,
                                                             .max = 2 }), 0);
        sn_group_init(&g, ctx);
        for (int k = 0; k < 6; k++)
            CHECK_EQ(sn_group_go(&g, shares_things, &s), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        o.refuse = 1;
        CHECK_EQ(sn_flight_do(ctx, s.flight, "r", 1, makes_a_thing, &p, sizeof p, &t), SN_ENOSPC);
        CHECK(t == NULL);
        o.refuse = 0;
        CHECK_EQ(sn_flight_do(ctx, s.flight, "f", 1, fails_with_a_thing, &p, sizeof p, &t), SN_EIO);
        CHECK_EQ(sn_flight_forget_all(s.flight) >= 0, true);
        CHECK_EQ(sn_flight_wait(sn_background(), s.flight), 0);
        CHECK_EQ(o.things, 0); /* each was dropped, once */
        sn_flight_free(s.flight);
    }
    CHECK(o.made > 0);
    return 0;
}

TEST(values_are_shared_and_dropped)
{
    run_each(share_things, NULL);
}

TEST(between_tasks_and_threads)
{
    struct owners o = { .made = 0 };
    struct sharer s = { .owners = &o };
    pthread_t threads[3];
    sn_group g;
    CHECK_EQ(sn_start(&(sn_run_opts){ .workers = 2 }), 0);
    CHECK_EQ(sn_flight_new(&s.flight, &(sn_flight_opts){ .value_size = sizeof(struct thing *), .share = take_thing,
                                                         .drop = give_thing, .ttl = SN_US(20) }), 0);
    sn_group_init(&g, NULL);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, shares_things_in_a_thread, &s) == 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(sn_group_go(&g, shares_things, &s), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK_EQ(sn_flight_wait(NULL, s.flight), 0);
    sn_flight_free(s.flight); /* with what is kept */
    CHECK_EQ(o.things, 0);
    CHECK_EQ(sn_stop(), 0);
}

/* --- without a runtime --- */

TEST(without_a_runtime)
{
    struct made made, *m = &made;
    sn_flight *f = new_flight(&(sn_flight_opts){ .ttl = SN_FOREVER, .error_ttl = SN_FOREVER });
    int v = 0;
    made_init(m);
    CHECK_EQ(ask(NULL, f, "a", must_not_run, m, &v), SN_ENOTRUNNING);
    CHECK_EQ(counts_of(f).kept, 0); /* that is no result */
    CHECK_EQ(sn_start(NULL), 0);
    CHECK_EQ(ask(NULL, f, "a", quick, m, &v), SN_FLIGHT_LED);
    CHECK_EQ(sn_stop(), 0);
    CHECK_EQ(ask(NULL, f, "a", must_not_run, m, &v), SN_FLIGHT_KEPT);
    CHECK_EQ(v, 1);
    CHECK_EQ(sn_flight_forget(f, "a", 1), 1);
    CHECK_EQ(ask(NULL, f, "a", must_not_run, m, &v), SN_ENOTRUNNING);
    CHECK_EQ(sn_flight_wait(NULL, f), 0);
    sn_flight_free(f);
    made_free(m);
}

/* --- freeing --- */

/* As soon as the last call has returned, whatever its jobs still do. */
static int frees(sn_ctx *ctx, void *arg)
{
    struct made made, *m = &made;
    sn_ctx *soon;
    int v;
    (void)arg;
    made_init(m);
    for (int i = 0; i < 50; i++) {
        sn_flight *f = new_flight(&(sn_flight_opts){ .ttl = i % 2 ? SN_SEC(10) : 0, .refresh = i % 2 ? SN_SEC(9) : 0 });
        CHECK_EQ(ask(ctx, f, "a", quick, m, &v), SN_FLIGHT_LED);
        sn_flight_free(f);
    }
    sn_flight *f = new_flight(NULL);
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_MS(1)), 0);
    CHECK_EQ(ask(soon, f, "a", stubborn, m, &v), SN_ETIMEDOUT);
    CHECK_EQ(sn_flight_wait(soon, f), SN_ETIMEDOUT); /* it still runs */
    await_begun(f, m, 51);
    sn_flight_free(f);
    CHECK_EQ(sn_chan_unit_send(ctx, m->go), 0);
    while (counted(&m->ended) < 51)
        CHECK_EQ(sn_sleep(ctx, SN_US(10)), 0);
    sn_ctx_free(soon);
    made_free(m);
    return 0;
}

TEST(freed_while_cancelled_jobs_run)
{
    run_everywhere(frees, NULL);
}

static int frees_under_a_call(sn_ctx *ctx, void *arg)
{
    struct made made, *m = &made;
    sn_flight *f = new_flight(NULL);
    struct caller c = { .made = m, .flight = f, .key = "a", .fn = held };
    sn_group g;
    (void)arg;
    made_init(m);
    sn_group_init(&g, ctx);
    start_caller(&g, &c);
    sn_flight_free(f);
    return 0;
}

static void die_freeing(void)
{
    (void)sn_run(frees_under_a_call, NULL, NULL);
}

static int asks_itself(sn_ctx *ctx, void *arg, void *value)
{
    (void)ctx;
    (void)value;
    return sn_flight_do(sn_background(), *(sn_flight **)arg, "k", 1, must_not_run, NULL, 0, NULL);
}

static int recurses(sn_ctx *ctx, void *arg)
{
    sn_flight *f = new_flight(NULL);
    (void)arg;
    return sn_flight_do(ctx, f, "k", 1, asks_itself, &f, sizeof f, NULL);
}

static void die_recursive(void)
{
    (void)sn_run(recurses, NULL, NULL);
}

TEST(misuse_panics)
{
    check_dies(die_freeing, "sn_flight_free: 1 calls are under way");
    check_dies(die_recursive, "sn_flight_do: a job asks for its own key (");
    check_dies(die_recursive, "asks_itself");
}

/* --- any order: what must always hold --- */

enum { KEYS = 2, TASKS = 4, ROUNDS = 4, SERIALS = 1000 };

/* One flight for each key, so that its counts are the key's. */
struct storm {
    sn_flight *flights[KEYS];
    int begun[KEYS], ended[KEYS], over[KEYS]; /* jobs; those that have ended and knew that they were cancelled */
    int serial;                /* each job has its own */
    int led[SERIALS];          /* callers who were told so, by job */
    int calls, answers;
    bool may_forget;
};

struct storm_job {
    struct storm *storm;
    int key;
};

/* Where a step of the simulation ends nothing else runs: plain counters will do. */
static void storm_end(void *arg)
{
    struct storm_job *j = arg;
    if (sn_ctx_err(NULL) < 0)
        j->storm->over[j->key]++;
    j->storm->ended[j->key]++;
}

static int storm_job(sn_ctx *ctx, void *arg, void *value)
{
    struct storm_job *j = arg;
    struct storm *s = j->storm;
    sn_flight_counts c;
    sn_cleanup cleanup;
    int r;
    int others = s->begun[j->key]++ - s->ended[j->key] + s->over[j->key];
    sn_flight_count(s->flights[j->key], &c);
    /* No two at a time, but for such as have been cancelled (or forgotten). */
    CHECK(s->may_forget || others <= (int)c.cancelled);
    *(int *)value = s->serial++;
    sn_cleanup_push(&cleanup, storm_end, j);
    r = sn_sleep(ctx, SN_US(sn_random() % 20));
    if (sn_random() % 8 == 0)
        sn_fail(SN_EUSER - 1, "by chance");
    sn_cleanup_pop(&cleanup);
    storm_end(j);
    return r < 0 ? r : sn_random() % 8 ? 0 : SN_EUSER;
}

static void storm_call(sn_ctx *ctx, struct storm *s)
{
    struct storm_job job = { s, (int)(sn_random() % KEYS) };
    const char *why;
    sn_ctx *soon;
    int v = -1;
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_US(sn_random() % 30)), 0);
    s->calls++;
    int r = sn_flight_do_why(soon, s->flights[job.key], "k", 1, storm_job, &job, sizeof job, &v, &why);
    s->answers++;
    /* Nobody gets what came of a job's cancellation. */
    CHECK_RESULT(r, r >= 0 || r == SN_EUSER || r == SN_EUSER - 1 || (r == SN_ETIMEDOUT && sn_ctx_err(soon) == r));
    CHECK((r == SN_EUSER - 1) == (why != NULL));
    CHECK((r >= 0) == (v >= 0));
    if (r == SN_FLIGHT_LED)
        CHECK_EQ(++s->led[v], 1);
    if (s->may_forget && sn_random() % 8 == 0)
        CHECK(sn_flight_forget(s->flights[job.key], "k", 1) >= 0);
    sn_ctx_free(soon);
}

static int storm_task(sn_ctx *ctx, void *arg)
{
    for (int i = 0; i < ROUNDS; i++) {
        storm_call(ctx, arg);
        if (sn_random() % 2)
            CHECK_EQ(sn_sleep(ctx, SN_US(sn_random() % 20)), 0);
    }
    return 0;
}

static int storm(sn_ctx *ctx, void *arg)
{
    static struct storm s;
    uint64_t ttl = sn_random() % 3;
    sn_group g;
    (void)arg;
    memset(&s, 0, sizeof s);
    s.may_forget = sn_random() % 2;
    for (int i = 0; i < KEYS; i++)
        s.flights[i] = new_flight(&(sn_flight_opts){ .ttl = SN_US(20 * ttl), .refresh = SN_US(ttl * 10),
                                                     .error_ttl = SN_US(ttl * 5), .max = 1 });
    sn_group_init(&g, ctx);
    for (int i = 0; i < TASKS; i++)
        CHECK_EQ(sn_group_go(&g, storm_task, &s), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(s.answers, s.calls);
    CHECK_EQ(s.calls, TASKS * ROUNDS);
    for (int i = 0; i < KEYS; i++) {
        CHECK_EQ(sn_flight_wait(ctx, s.flights[i]), 0);
        sn_flight_counts c = counts_of(s.flights[i]);
        CHECK_UNLESS_INJECTED(s.ended[i] == (int)c.jobs); /* each that was started has ended */
        CHECK_UNLESS_INJECTED(s.begun[i] == (int)c.jobs);
        CHECK(c.running == 0 && c.kept <= 1 && c.cancelled <= c.jobs && (int)c.cancelled >= s.over[i]);
        sn_flight_free(s.flights[i]);
    }
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
    sn_sim_result result;
    if (getenv("SN_FAULT_RUNS"))
        test_skip("it is the search that would meet the failures");
    CHECK_EQ(sn_sim_explore(storm, NULL, &(sn_sim_opts){ .runs = TEST_TSAN ? 20 : 100, .result = &result }), 0);
}

/* Leaving races with the end: at each moment around it. */
static int ends_in_time(sn_ctx *ctx, void *arg)
{
    struct made made, *m = &made;
    sn_flight *f = new_flight(NULL);
    int told = 0;
    (void)arg;
    made_init(m);
    m->takes = SN_US(5);
    for (int i = 0; i < 40; i++) {
        sn_ctx *soon;
        int v = -1;
        CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_US(4) + i * 100), 0);
        int r = ask(soon, f, "a", quick, m, &v);
        CHECK_RESULT(r, r == SN_FLIGHT_LED || r == SN_ETIMEDOUT);
        CHECK((r == 0) == (v >= 0));
        told += r == 0;
        sn_ctx_free(soon);
    }
    CHECK_EQ(sn_flight_wait(ctx, f), 0);
    CHECK_EQ(counted(&m->begun), counted(&m->ended));
    CHECK_UNLESS_INJECTED((int)counts_of(f).jobs == counted(&m->begun));
    CHECK(told <= counted(&m->begun) - counted(&m->cancelled));
    end_flight(f);
    made_free(m);
    return 0;
}

TEST(leaving_races_with_the_end)
{
    run_each(ends_in_time, NULL);
}
