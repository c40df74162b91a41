/* Resource pools: the contract of sennit/resource_pool.h. */
#include "sn_test.h"

#include <pthread.h>

/* --- a server that counts its connections --- */

struct server {
    sn_resource_pool *pool;
    int live;                  /* (a) open now */
    int opened, closed, pings; /* (a) */
    int open_error, ping_error; /* what the next ones return */
    int64_t open_ns;           /* how long opening takes */
    bool wild;                 /* (c) fail and dawdle at random */
    uint64_t rng;              /* (a) */
    int max;                   /* (c) */
};

struct conn {
    struct server *server;
    int number;
    int users; /* (a) must be 0 or 1 */
};

static uint64_t dice(struct server *s)
{
    uint64_t x = __atomic_fetch_add(&s->rng, 0x9E3779B97F4A7C15u, __ATOMIC_RELAXED) | 1;
    return test_random(&x) >> 20;
}

/* Anything a function of a pool may do: take its time, fail, end the task. */
static int trouble(sn_ctx *ctx, struct server *s)
{
    uint64_t d = dice(s);

    if (d % 4 == 0) {
        int r = sn_sleep(ctx, SN_US(d / 16 % 30));
        if (r < 0)
            return r;
    } else if (d % 4 == 1 && sn_task_self().id) {
        sn_yield();
    }
    if (d / 64 % 16 == 0 && sn_task_self().id)
        sn_fail(SN_EUSER - 1, "in a function of the pool");
    return d / 64 % 16 < 4 ? SN_EUSER - 2 : 0;
}

static int dial(sn_ctx *ctx, void *arg, void **out)
{
    struct server *s = arg;
    int r = 0;

    CHECK(__atomic_load_n(&s->live, __ATOMIC_RELAXED) < s->max);
    if (s->wild)
        r = trouble(ctx, s);
    if (s->open_ns > 0 && r == 0)
        r = sn_sleep(ctx, s->open_ns);
    if (r < 0 || s->open_error < 0)
        return r < 0 ? r : s->open_error;
    struct conn *c = malloc(sizeof *c);
    CHECK(c != NULL);
    CHECK(__atomic_add_fetch(&s->live, 1, __ATOMIC_RELAXED) <= s->max);
    *c = (struct conn){ .server = s, .number = __atomic_add_fetch(&s->opened, 1, __ATOMIC_RELAXED) };
    *out = c;
    return 0;
}

static void hang_up(void *arg, void *res)
{
    struct server *s = arg;
    struct conn *c = res;

    CHECK(c->server == s && __atomic_load_n(&c->users, __ATOMIC_RELAXED) == 0);
    if (s->wild && dice(s) % 4 == 0 && sn_task_self().id)
        sn_yield();
    __atomic_add_fetch(&s->closed, 1, __ATOMIC_RELAXED);
    __atomic_sub_fetch(&s->live, 1, __ATOMIC_RELAXED);
    free(c);
}

static int ping(sn_ctx *ctx, void *arg, void *res)
{
    struct server *s = arg;
    struct conn *c = res;

    CHECK(c->server == s && __atomic_load_n(&c->users, __ATOMIC_RELAXED) == 0);
    __atomic_add_fetch(&s->pings, 1, __ATOMIC_RELAXED);
    return s->wild ? trouble(ctx, s) : s->ping_error;
}

static void serve(struct server *s, sn_resource_pool_opts opts)
{
    opts.open = dial;
    opts.close = hang_up;
    opts.arg = s;
    s->max = opts.max ? opts.max : 10;
    CHECK_EQ(sn_resource_pool_new(&s->pool, &opts), 0);
}

static void over(struct server *s)
{
    sn_resource_pool_stats st;

    sn_resource_pool_close(s->pool);
    CHECK_EQ(sn_resource_pool_wait(sn_background(), s->pool), 0);
    sn_resource_pool_get_stats(s->pool, &st);
    CHECK_EQ(st.open, 0);
    CHECK_EQ(st.waiting, 0);
    CHECK_EQ(st.opened, s->opened);
    CHECK_EQ(st.closed, s->closed);
    CHECK_EQ(s->opened, s->closed);
    CHECK_EQ(s->live, 0);
    sn_resource_pool_free(s->pool);
}

static struct conn *get(sn_ctx *ctx, struct server *s)
{
    void *res = NULL;
    CHECK_EQ(sn_resource_pool_get(ctx, s->pool, &res), 0);
    return res;
}

/* --- conservation: whatever happens, nothing is lost and nothing is had twice --- */

enum { USERS = 6, TURNS = 8 };

static void free_ctx(void *arg)
{
    sn_ctx_free(arg);
}

static int uses_at_random(sn_ctx *parent, void *arg)
{
    struct server *s = arg;

    for (int i = 0; i < TURNS; i++) {
        uint64_t d = dice(s);
        sn_cleanup cleanup;
        sn_ctx *ctx;
        void *res = NULL;
        bool patient = d % 3 == 0;
        CHECK_EQ(sn_ctx_with_timeout(&ctx, parent, patient ? SN_SEC(100) : SN_US(20 + d / 8 % 100)), 0);
        sn_cleanup_push(&cleanup, free_ctx, ctx);
        int r = sn_resource_pool_get(ctx, s->pool, &res);
        sn_cleanup_pop(&cleanup);
        if (r == 0) {
            struct conn *c = res;
            CHECK_EQ(__atomic_add_fetch(&c->users, 1, __ATOMIC_RELAXED), 1);
            if (d / 1024 % 3 == 0)
                (void)sn_sleep(ctx, SN_US(d / 8192 % 40));
            CHECK_EQ(__atomic_sub_fetch(&c->users, 1, __ATOMIC_RELAXED), 0);
            if (d / 4096 % 4 == 0)
                sn_resource_pool_drop(s->pool, c);
            else
                sn_resource_pool_put(s->pool, c);
        } else {
            CHECK(r != SN_ETIMEDOUT || !patient); /* or a wake-up was lost */
            CHECK_RESULT(r, r == SN_ETIMEDOUT || r == SN_ECANCELED || r == SN_EUSER - 2 || r == SN_ECLOSED);
        }
        sn_ctx_free(ctx);
        if (r == SN_ECLOSED)
            break;
    }
    return 0;
}

/* Two of them in a group of their own, which takes their failures. */
static int is_user(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)ctx;
    sn_group_init(&g, NULL);
    for (int i = 0; i < 2; i++) {
        int r = sn_group_go(&g, uses_at_random, arg);
        CHECK_RESULT(r, r == 0);
    }
    int r = sn_group_wait(&g);
    CHECK_RESULT(r, r == 0 || r == SN_EUSER - 1);
    return 0;
}

static int conserves(sn_ctx *ctx, void *arg)
{
    struct server s = { .wild = true, .rng = sn_random() };
    sn_resource_pool_stats st;
    uint64_t d = sn_random();
    sn_group g;

    (void)arg;
    serve(&s, (sn_resource_pool_opts){ .check = ping, .max = 2, .idle_max = 1 + (int)(d % 2), .check_after_ns = -1,
                                       .lifetime_ns = SN_US(100), .idle_ns = SN_US(50) });
    sn_group_init(&g, ctx);
    for (int i = 0; i < USERS; i++)
        CHECK_EQ(sn_group_go(&g, is_user, &s), 0);
    if (d / 4 % 2) { /* close it amidst all that */
        CHECK_EQ(sn_sleep(ctx, SN_US(d / 8 % 400)), 0);
        sn_resource_pool_close(s.pool);
        CHECK_EQ(sn_resource_pool_wait(ctx, s.pool), 0);
        sn_resource_pool_get_stats(s.pool, &st);
        CHECK_EQ(st.opened, st.closed);
        CHECK_EQ(st.waiting, 0);
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_resource_pool_get_stats(s.pool, &st);
    CHECK_EQ(st.in_use, 0);
    CHECK_EQ(st.waiting, 0);
    CHECK_EQ(st.open, st.idle);
    over(&s);
    return 0;
}

/* What sn_sim_explore finds it prints, with how to replay it. */
TEST(nothing_is_lost_whatever_the_order)
{
    const sn_run_opts run = { .deadlock = test_deadlock() };
    int r = sn_sim_explore(conserves, NULL, &(sn_sim_opts){ .seed = test_seed(), .runs = TEST_TSAN ? 30 : 400, .run = &run,
                                                            .budget_ns = SN_SEC(8) });
    CHECK_UNLESS_INJECTED(r == 0);
}

static int conserves_for_a_while(sn_ctx *ctx, void *arg)
{
    for (int64_t until = sn_now() + SN_MS(test_stress_ms()) / TEST_WORKERS; sn_now() < until;)
        CHECK_EQ(conserves(ctx, arg), 0);
    return 0;
}

TEST(nothing_is_lost_on_many_workers)
{
    run_really(conserves_for_a_while, NULL);
}

static void *uses_in_a_thread(void *arg)
{
    (void)uses_at_random(sn_background(), arg);
    return NULL;
}

TEST(nothing_is_lost_between_tasks_and_threads)
{
    CHECK_EQ(sn_start(&(sn_run_opts){ .workers = 2 }), 0); /* for the deadlines */
    for (int round = 0; round < 20; round++) {
        struct server s = { .wild = true, .rng = test_seed() + (uint64_t)round };
        pthread_t threads[3];
        sn_group g;
        serve(&s, (sn_resource_pool_opts){ .check = ping, .max = 2, .check_after_ns = -1 });
        sn_group_init(&g, NULL);
        CHECK_EQ(sn_group_go(&g, is_user, &s), 0);
        for (int i = 0; i < 3; i++)
            CHECK(pthread_create(&threads[i], NULL, uses_in_a_thread, &s) == 0);
        for (int i = 0; i < 3; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        over(&s);
    }
    CHECK_EQ(sn_stop(), 0);
}

/* --- sentence by sentence --- */

static int one_task(sn_ctx *ctx, void *arg)
{
    struct server s = { .open_error = 0 };
    sn_resource_pool_stats st;
    void *untouched = &s;

    (void)arg;
    serve(&s, (sn_resource_pool_opts){ .max = 3, .check = ping });
    CHECK_EQ(s.opened, 0); /* opens nothing yet */
    struct conn *a = get(ctx, &s), *b = get(ctx, &s), *c = get(ctx, &s);
    CHECK(a != b && b != c && a != c);
    sn_resource_pool_put(s.pool, a);
    sn_resource_pool_put(s.pool, c);
    sn_resource_pool_put(s.pool, b);
    CHECK(get(ctx, &s) == b); /* the one used last */
    CHECK(get(ctx, &s) == c);
    sn_resource_pool_get_stats(s.pool, &st);
    CHECK_EQ(st.open, 3);
    CHECK_EQ(st.idle, 1);
    CHECK_EQ(st.in_use, 2);
    CHECK_EQ(st.opened, 3);
    CHECK_EQ(st.waits, 0);
    sn_resource_pool_drop(s.pool, c);
    CHECK_EQ(s.closed, 1);
    CHECK(get(ctx, &s) == a);
    s.open_error = SN_EUSER - 7;
    CHECK_EQ(sn_resource_pool_get(ctx, s.pool, &untouched), SN_EUSER - 7);
    CHECK(untouched == &s);
    s.open_error = 0;
    c = get(ctx, &s); /* its place was not lost */
    CHECK_EQ(c->number, 4);
    sn_resource_pool_get_stats(s.pool, &st);
    CHECK_EQ(st.failures, 1);
    sn_resource_pool_put(s.pool, a);
    sn_resource_pool_put(s.pool, b);
    CHECK_EQ(s.pings, 0); /* none was idle for long */
    sn_resource_pool_close(s.pool);
    CHECK_EQ(s.closed, 3);
    sn_resource_pool_close(s.pool);
    CHECK_EQ(sn_resource_pool_get(ctx, s.pool, &untouched), SN_ECLOSED);
    sn_resource_pool_put(s.pool, c); /* closes it */
    CHECK_EQ(s.closed, 4);
    over(&s);
    return 0;
}

TEST(get_put_drop_close)
{
    run_everywhere(one_task, NULL);
    CHECK_EQ(one_task(NULL, NULL), 0); /* without a runtime */
}

static int refused(sn_ctx *ctx, void *arg)
{
    struct server s = { .open_error = 0 };
    sn_ctx *ended;
    void *res;

    (void)arg;
    serve(&s, (sn_resource_pool_opts){ .max = 1 });
    sn_resource_pool_put(s.pool, get(ctx, &s));
    CHECK_EQ(sn_ctx_with_cancel(&ended, ctx), 0);
    sn_ctx_cancel(ended);
    CHECK_EQ(sn_resource_pool_get(ended, s.pool, &res), SN_ECANCELED); /* though one is idle */
    CHECK_EQ(sn_resource_pool_wait(ended, s.pool), SN_ECANCELED);
    sn_ctx_free(ended);
    over(&s);
    sn_resource_pool_free(NULL);
    return 0;
}

TEST(an_ended_context_refuses)
{
    run_everywhere(refused, NULL);
}

TEST(bad_options)
{
    sn_resource_pool *pool = NULL;

    CHECK_EQ(sn_resource_pool_new(&pool, NULL), SN_EINVAL);
    CHECK_EQ(sn_resource_pool_new(&pool, &(sn_resource_pool_opts){ .open = dial }), SN_EINVAL);
    CHECK_EQ(sn_resource_pool_new(&pool, &(sn_resource_pool_opts){ .close = hang_up }), SN_EINVAL);
    CHECK_EQ(sn_resource_pool_new(&pool, &(sn_resource_pool_opts){ .open = dial, .close = hang_up, .max = -1 }), SN_EINVAL);
    CHECK_EQ(sn_resource_pool_new(&pool, &(sn_resource_pool_opts){ .open = dial, .close = hang_up, .max = 1000001 }),
             SN_EINVAL);
    CHECK(pool == NULL);
}

/* --- waiting: first come, first served; on one worker --- */

struct in_line {
    struct server *server;
    int number, want;
    sn_ctx *ctx; /* its own, or NULL */
    char *got;   /* who, in which order */
    int *n;
};

static int takes_its_turn(sn_ctx *ctx, void *arg)
{
    struct in_line *me = arg;
    void *res;
    int r = sn_resource_pool_get(me->ctx ? me->ctx : ctx, me->server->pool, &res);

    CHECK_EQ(r, me->want);
    me->got[(*me->n)++] = (char)('0' + me->number);
    if (r == 0) {
        sn_yield();
        sn_resource_pool_put(me->server->pool, res);
    }
    return 0;
}

struct line {
    struct server server;
    char got[16];
    int n;
    sn_group g;
};

static void queue_up(struct line *l, int number, sn_ctx *ctx, int want)
{
    struct in_line me = { &l->server, number, want, ctx, l->got, &l->n };
    CHECK_EQ(sn_group_go_copy(&l->g, takes_its_turn, &me), 0);
    test_let_others_go();
}

static void check_got(struct line *l, const char *who)
{
    test_let_others_go();
    if (strcmp(l->got, who) != 0) {
        fprintf(stderr, "got \"%s\", not \"%s\"\n", l->got, who);
        CHECK(!"the order");
    }
}

static int in_order(sn_ctx *ctx, void *arg)
{
    struct line l = { .n = 0 };
    sn_resource_pool_stats st;
    sn_ctx *quit;

    (void)arg;
    serve(&l.server, (sn_resource_pool_opts){ .max = 1 });
    sn_group_init(&l.g, ctx);
    CHECK_EQ(sn_ctx_with_cancel(&quit, ctx), 0);
    struct conn *c = get(ctx, &l.server);
    for (int i = 0; i < 5; i++)
        queue_up(&l, i, i == 2 ? quit : NULL, i == 2 ? SN_ECANCELED : 0);
    sn_resource_pool_get_stats(l.server.pool, &st);
    CHECK_EQ(st.waiting, 5);
    CHECK_EQ(st.waits, 5);
    sn_ctx_cancel(quit);
    check_got(&l, "2");
    sn_resource_pool_put(l.server.pool, c);
    CHECK(get(ctx, &l.server) == c); /* we are the last */
    check_got(&l, "20134");
    queue_up(&l, 5, NULL, 0);
    queue_up(&l, 6, NULL, 0);
    sn_resource_pool_drop(l.server.pool, c); /* who waits longest opens another */
    check_got(&l, "2013456");
    CHECK_EQ(l.server.opened, 2);
    CHECK_EQ(sn_group_wait(&l.g), 0);
    sn_ctx_free(quit);
    over(&l.server);
    return 0;
}

TEST(first_come_first_served)
{
    CHECK_EQ(sn_run(in_order, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

/* The first to wait gets the place and cannot open: its error is its own, and the next gets its try. */
static int each_gets_its_try(sn_ctx *ctx, void *arg)
{
    struct line l = { .n = 0 };
    sn_resource_pool_stats st;

    (void)arg;
    serve(&l.server, (sn_resource_pool_opts){ .max = 2 });
    sn_group_init(&l.g, ctx);
    struct conn *c = get(ctx, &l.server), *d = get(ctx, &l.server);
    for (int i = 0; i < 4; i++)
        queue_up(&l, i, NULL, SN_EUSER - 3);
    l.server.open_error = SN_EUSER - 3;
    sn_resource_pool_drop(l.server.pool, c);
    check_got(&l, "0123");
    sn_resource_pool_get_stats(l.server.pool, &st);
    CHECK_EQ(st.failures, 4);
    CHECK_EQ(st.waiting, 0);
    CHECK_EQ(st.open, 1);
    CHECK(st.wait_ns > 0);
    CHECK_EQ(sn_group_wait(&l.g), 0);
    sn_resource_pool_put(l.server.pool, d);
    over(&l.server);
    return 0;
}

TEST(a_failed_open_lets_the_next_try)
{
    CHECK_EQ(sn_run(each_gets_its_try, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

/* Opening takes its time under the caller's context, and nobody else waits for that. */
static int slow_open(sn_ctx *ctx, void *arg)
{
    struct server s = { .open_ns = 0 };
    sn_ctx *soon;
    void *res;

    (void)arg;
    serve(&s, (sn_resource_pool_opts){ .max = 2 });
    struct conn *c = get(ctx, &s);
    s.open_ns = SN_SEC(1000);
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_MS(20)), 0);
    CHECK_EQ(sn_resource_pool_get(soon, s.pool, &res), SN_ETIMEDOUT);
    sn_ctx_free(soon);
    s.open_ns = 0;
    struct conn *d = get(ctx, &s);
    sn_resource_pool_put(s.pool, c);
    sn_resource_pool_put(s.pool, d);
    over(&s);
    return 0;
}

TEST(opening_ends_with_the_callers_context)
{
    run_each(slow_open, NULL);
}

struct opening {
    struct server s;
    sn_chan_unit begun, go;
    int r;
};

static int dial_slowly(sn_ctx *ctx, void *arg, void **out)
{
    struct opening *o = arg;
    CHECK_EQ(sn_chan_unit_send(ctx, o->begun), 0);
    CHECK_EQ(sn_chan_unit_recv(ctx, o->go), 0);
    return dial(ctx, &o->s, out);
}

static void hang_up_slowly(void *arg, void *res)
{
    hang_up(&((struct opening *)arg)->s, res);
}

static int opens(sn_ctx *ctx, void *arg)
{
    struct opening *o = arg;
    void *res;
    o->r = sn_resource_pool_get(ctx, o->s.pool, &res);
    return 0;
}

static int closed_meanwhile(sn_ctx *ctx, void *arg)
{
    struct opening o = { .s = { .max = 4 }, .r = 1 };
    sn_resource_pool_opts opts = { .open = dial_slowly, .close = hang_up_slowly, .arg = &o, .max = 4 };
    sn_ctx *soon;
    sn_group g;

    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&o.begun, 0), 0);
    CHECK_EQ(sn_chan_unit_make(&o.go, 0), 0);
    CHECK_EQ(sn_resource_pool_new(&o.s.pool, &opts), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, opens, &o), 0);
    CHECK_EQ(sn_chan_unit_recv(ctx, o.begun), 0);
    sn_resource_pool_close(o.s.pool); /* waits for nobody who opens one */
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_MS(5)), 0);
    CHECK_EQ(sn_resource_pool_wait(soon, o.s.pool), SN_ETIMEDOUT);
    sn_ctx_free(soon);
    CHECK_EQ(sn_chan_unit_send(ctx, o.go), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(o.r, SN_ECLOSED);
    over(&o.s);
    CHECK_EQ(o.s.opened, 1);
    sn_chan_free(o.begun);
    sn_chan_free(o.go);
    return 0;
}

TEST(closed_while_one_is_opened)
{
    run_each(closed_meanwhile, NULL);
}

static int closed_under_waiters(sn_ctx *ctx, void *arg)
{
    struct line l = { .n = 0 };

    (void)arg;
    serve(&l.server, (sn_resource_pool_opts){ .max = 1 });
    sn_group_init(&l.g, ctx);
    struct conn *c = get(ctx, &l.server);
    for (int i = 0; i < 3; i++)
        queue_up(&l, i, NULL, SN_ECLOSED);
    sn_resource_pool_close(l.server.pool);
    test_let_others_go();
    CHECK_EQ(l.n, 3);
    CHECK_EQ(sn_group_wait(&l.g), 0);
    CHECK_EQ(l.server.closed, 0);
    sn_resource_pool_put(l.server.pool, c);
    CHECK_EQ(l.server.closed, 1);
    over(&l.server);
    return 0;
}

TEST(who_waits_is_told_that_it_is_closed)
{
    CHECK_EQ(sn_run(closed_under_waiters, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

/* The pool is freed as soon as the wait has returned, while the last put is on its way out. */
struct late {
    struct server s;
    sn_chan_unit got;
};

static int puts_late(sn_ctx *ctx, void *arg)
{
    struct late *l = arg;
    struct conn *c = get(ctx, &l->s);
    CHECK_EQ(sn_chan_unit_send(ctx, l->got), 0);
    sn_resource_pool_put(l->s.pool, c);
    return 0;
}

static int freed_at_once(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        struct late l = { .s = { .open_error = 0 } };
        sn_group g;
        serve(&l.s, (sn_resource_pool_opts){ .max = 2 });
        CHECK_EQ(sn_chan_unit_make(&l.got, 0), 0);
        sn_resource_pool_put(l.s.pool, get(ctx, &l.s));
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, puts_late, &l), 0);
        CHECK_EQ(sn_chan_unit_recv(ctx, l.got), 0);
        over(&l.s);
        CHECK_EQ(sn_group_wait(&g), 0);
        sn_chan_free(l.got);
    }
    return 0;
}

TEST(freed_as_soon_as_all_is_closed)
{
    run_each(freed_at_once, NULL);
}

/* --- age: in virtual time --- */

static int grows_old(sn_ctx *ctx, void *arg)
{
    struct server s = { .ping_error = 0 };
    sn_resource_pool_stats st;

    (void)arg;
    serve(&s, (sn_resource_pool_opts){ .max = 3, .check = ping, .idle_ns = SN_SEC(60), .lifetime_ns = SN_SEC(300),
                                       .jitter_ns = -1, .check_after_ns = SN_SEC(10) });
    struct conn *c = get(ctx, &s);
    sn_resource_pool_put(s.pool, c);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(9)), 0);
    CHECK(get(ctx, &s) == c);
    CHECK_EQ(s.pings, 0);
    sn_resource_pool_put(s.pool, c);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(10)), 0);
    CHECK(get(ctx, &s) == c);
    CHECK_EQ(s.pings, 1);
    sn_resource_pool_put(s.pool, c);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(11)), 0);
    s.ping_error = SN_EPIPE;
    c = get(ctx, &s); /* does not work any more: another */
    CHECK_EQ(c->number, 2);
    CHECK_EQ(s.pings, 2);
    sn_resource_pool_get_stats(s.pool, &st);
    CHECK_EQ(st.failed_checks, 1);
    CHECK_EQ(st.failures, 0);
    sn_resource_pool_put(s.pool, c);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(60)), 0);
    c = get(ctx, &s); /* idle for too long */
    CHECK_EQ(c->number, 3);
    CHECK_EQ(s.pings, 2);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(299)), 0);
    sn_resource_pool_put(s.pool, c);
    CHECK(get(ctx, &s) == c);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(2)), 0);
    sn_resource_pool_put(s.pool, c); /* too old */
    CHECK_EQ(s.closed, 3);
    over(&s);
    return 0;
}

TEST(old_ones_are_replaced)
{
    run_simulated(grows_old, NULL);
}

static int reaped(sn_ctx *ctx, void *arg)
{
    struct server s = { .ping_error = 0 };

    (void)arg;
    serve(&s, (sn_resource_pool_opts){ .max = 5, .idle_ns = SN_SEC(60), .idle_max = 4 });
    struct conn *c[5];
    for (int i = 0; i < 5; i++)
        c[i] = get(ctx, &s);
    for (int i = 0; i < 5; i++)
        sn_resource_pool_put(s.pool, c[i]);
    CHECK_EQ(s.closed, 1); /* four are kept */
    CHECK_EQ(sn_resource_pool_reap(s.pool), 0);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(59)), 0);
    CHECK(get(ctx, &s) == c[3]);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(2)), 0);
    sn_resource_pool_put(s.pool, c[3]); /* takes one that was idle for too long with it */
    CHECK_EQ(s.closed, 2);
    CHECK_EQ(sn_resource_pool_reap(s.pool), 2);
    CHECK_EQ(s.closed, 4);
    CHECK(get(ctx, &s) == c[3]);
    sn_resource_pool_put(s.pool, c[3]);
    over(&s);
    return 0;
}

TEST(idle_ones_are_closed)
{
    run_simulated(reaped, NULL);
}

/* Those opened together do not end together. */
static int jitters(sn_ctx *ctx, void *arg)
{
    struct server s = { .ping_error = 0 };
    struct conn *c[20];
    int n = 0;

    (void)arg;
    serve(&s, (sn_resource_pool_opts){ .max = 20, .lifetime_ns = SN_SEC(100), .jitter_ns = SN_SEC(50), .idle_ns = -1 });
    for (int i = 0; i < 20; i++)
        c[i] = get(ctx, &s);
    for (int i = 0; i < 20; i++)
        sn_resource_pool_put(s.pool, c[i]);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(49)), 0);
    CHECK_EQ(sn_resource_pool_reap(s.pool), 0);
    for (int i = 0; i < 52; i++) {
        CHECK_EQ(sn_sleep(ctx, SN_SEC(1)), 0);
        n += sn_resource_pool_reap(s.pool) > 0;
    }
    CHECK_EQ(s.closed, 20);
    CHECK(n > 5); /* at more than a few different moments */
    over(&s);
    return 0;
}

TEST(lifetimes_differ)
{
    run_simulated(jitters, NULL);
}

/* A check that is cut short by the context: the resource may be in any state, so it is closed, and nothing is opened. */
static int ping_for_ever(sn_ctx *ctx, void *arg, void *res)
{
    (void)arg;
    (void)res;
    return sn_sleep(ctx, SN_SEC(1000));
}

static int check_cut_short(sn_ctx *ctx, void *arg)
{
    struct server s = { .ping_error = 0 };
    sn_ctx *soon;
    void *res;

    (void)arg;
    serve(&s, (sn_resource_pool_opts){ .max = 1, .check = ping_for_ever, .check_after_ns = -1 });
    sn_resource_pool_put(s.pool, get(ctx, &s));
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_MS(5)), 0);
    CHECK_EQ(sn_resource_pool_get(soon, s.pool, &res), SN_ETIMEDOUT);
    sn_ctx_free(soon);
    CHECK_EQ(s.closed, 1);
    CHECK_EQ(s.opened, 1);
    struct conn *c = get(ctx, &s);
    sn_resource_pool_put(s.pool, c);
    over(&s);
    return 0;
}

TEST(a_check_that_is_cut_short)
{
    run_each(check_cut_short, NULL);
}

/* --- misuse --- */

static struct server wrong;

static void die_putting_twice(void)
{
    serve(&wrong, (sn_resource_pool_opts){ .max = 2 });
    struct conn *c = get(NULL, &wrong);
    sn_resource_pool_put(wrong.pool, c);
    sn_resource_pool_put(wrong.pool, c);
}

static void die_dropping_an_idle_one(void)
{
    serve(&wrong, (sn_resource_pool_opts){ .max = 2 });
    struct conn *c = get(NULL, &wrong);
    sn_resource_pool_put(wrong.pool, c);
    sn_resource_pool_drop(wrong.pool, c);
}

static void die_putting_a_strange_one(void)
{
    serve(&wrong, (sn_resource_pool_opts){ .max = 2 });
    sn_resource_pool_put(wrong.pool, &wrong);
}

static void die_putting_nothing(void)
{
    serve(&wrong, (sn_resource_pool_opts){ .max = 2 });
    sn_resource_pool_put(wrong.pool, NULL);
}

static void die_freeing_it_in_use(void)
{
    serve(&wrong, (sn_resource_pool_opts){ .max = 2 });
    (void)get(NULL, &wrong);
    sn_resource_pool_free(wrong.pool);
}

static int dial_the_same(sn_ctx *ctx, void *arg, void **out)
{
    (void)ctx;
    *out = arg;
    return 0;
}

static void die_opening_the_same(void)
{
    sn_resource_pool_opts opts = { .open = dial_the_same, .close = hang_up, .arg = &wrong };
    void *res;
    CHECK_EQ(sn_resource_pool_new(&wrong.pool, &opts), 0);
    CHECK_EQ(sn_resource_pool_get(NULL, wrong.pool, &res), 0);
    CHECK_EQ(sn_resource_pool_get(NULL, wrong.pool, &res), 0);
}

static void die_opening_nothing(void)
{
    sn_resource_pool_opts opts = { .open = dial_the_same, .close = hang_up };
    void *res;
    CHECK_EQ(sn_resource_pool_new(&wrong.pool, &opts), 0);
    CHECK_EQ(sn_resource_pool_get(NULL, wrong.pool, &res), 0);
}

TEST(misuse_panics)
{
    check_dies(die_putting_twice, "is not in use; was it given back already?");
    check_dies(die_dropping_an_idle_one, "sn_resource_pool_drop: 0x");
    check_dies(die_putting_a_strange_one, "is none of the pool's resources");
    check_dies(die_putting_nothing, "sn_resource_pool_put: (nil) is none of the pool's resources");
    check_dies(die_freeing_it_in_use, "sn_resource_pool_free: 1 resources in use, 0 being opened or closed, 0 calls");
    check_dies(die_opening_the_same, "which is in the pool already");
    check_dies(die_opening_nothing, "sn_resource_pool_get: open gave (nil), which is no resource");
}
