/* Flights in the model: callers who leave, jobs that end, and what frees all that, in any order, on a weak memory. */
#include "model/model_test.h"

static void run(sn_fn *fn, int workers)
{
    CHECK_EQ(sn_run(fn, NULL, &(sn_run_opts){ .workers = workers, .spares = -1, .deadlock = SN_DEADLOCK_NEVER }), 0);
}

/* What a job hands over, and what it notes, is plain memory. */
struct thing {
    int refs; /* (a) */
    int value;
};

static int things; /* (a) */

static void give(void *value)
{
    struct thing *t = *(struct thing **)value;
    if (__atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    sni_os_free(t, sizeof *t);
    (void)__atomic_sub_fetch(&things, 1, __ATOMIC_RELAXED);
}

static int makes(sn_ctx *ctx, void *arg, void *value)
{
    struct thing *t = sni_os_alloc(sizeof *t);
    (void)arg;
    CHECK(t != NULL);
    (void)__atomic_add_fetch(&things, 1, __ATOMIC_RELAXED);
    t->refs = 1;
    if (sni_model_choose(2))
        sn_yield();
    t->value = 42;
    int r = sn_ctx_err(ctx);
    if (r < 0)
        give(&t);
    else
        *(struct thing **)value = t;
    return r;
}

static int take(void *to, const void *from)
{
    struct thing *t = *(struct thing *const *)from;
    (void)__atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
    *(struct thing **)to = t;
    return 0;
}

static sn_flight *new_flight(int64_t ttl)
{
    sn_flight *f;
    things = 0;
    CHECK_EQ(sn_flight_new(&f, &(sn_flight_opts){ .value_size = sizeof(struct thing *), .share = take, .drop = give,
                                                  .ttl = ttl, .refresh = ttl ? ttl - 1 : 0 }), 0);
    return f;
}

static int asks_once(sn_ctx *ctx, sn_flight *f)
{
    struct thing *t;
    int r = sn_flight_do(ctx, f, "k", 1, makes, NULL, 0, &t);
    if (r >= 0) {
        CHECK_EQ(t->value, 42);
        give(&t);
    }
    return r;
}

struct leaver {
    sn_flight *flight;
    sn_ctx *ctx;
};

static int asks_and_may_leave(sn_ctx *ctx, void *arg)
{
    struct leaver *l = arg;
    int r = asks_once(l->ctx, l->flight);
    (void)ctx;
    CHECK(r >= 0 || r == SN_ECANCELED);
    return 0;
}

static int cancels(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    sn_ctx_cancel(((struct leaver *)arg)->ctx);
    return 0;
}

/* Two may leave, one stays: that one gets an answer, whatever job it comes to. */
static int some_leave(sn_ctx *ctx, void *arg)
{
    struct leaver l = { .flight = new_flight(0) };
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_ctx_with_cancel(&l.ctx, ctx), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, asks_and_may_leave, &l), 0);
    CHECK_EQ(sn_group_go(&g, cancels, &l), 0);
    CHECK_EQ(sn_group_go(&g, asks_and_may_leave, &l), 0);
    int r = asks_once(ctx, l.flight);
    CHECK(r >= 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(sn_flight_wait(ctx, l.flight), 0);
    CHECK_EQ(things, 0);
    sn_flight_free(l.flight);
    sn_ctx_free(l.ctx);
    return 0;
}

MODEL(flight_some_leave)
{
    (void)arg;
    run(some_leave, 2);
}

/* Freed as soon as the last call has returned; the runtime's end waits for the jobs. */
static int freed_at_once(sn_ctx *ctx, void *arg)
{
    struct leaver l = { .flight = new_flight(0) };
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_ctx_with_cancel(&l.ctx, ctx), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, asks_and_may_leave, &l), 0);
    CHECK_EQ(sn_group_go(&g, cancels, &l), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_flight_free(l.flight);
    sn_ctx_free(l.ctx);
    return 0;
}

MODEL(flight_freed_at_once)
{
    (void)arg;
    run(freed_at_once, 2);
    CHECK_EQ(things, 0);
}

/* What is kept is refreshed with every call, and forgotten meanwhile. */
static int forgets(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    CHECK(sn_flight_forget(arg, "k", 1) >= 0);
    return 0;
}

static int asks(sn_ctx *ctx, void *arg)
{
    int r = asks_once(ctx, arg);
    CHECK(r >= 0);
    return 0;
}

static int refreshed_and_forgotten(sn_ctx *ctx, void *arg)
{
    sn_flight *f = new_flight(SN_FOREVER);
    sn_group g;
    (void)arg;
    CHECK_EQ(asks_once(ctx, f), SN_FLIGHT_LED);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, asks, f), 0);
    CHECK_EQ(sn_group_go(&g, forgets, f), 0);
    CHECK_EQ(sn_group_go(&g, asks, f), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_flight_free(f);
    return 0;
}

MODEL(flight_refreshed_and_forgotten)
{
    (void)arg;
    run(refreshed_and_forgotten, 2);
    CHECK_EQ(things, 0);
}
