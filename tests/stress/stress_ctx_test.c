/* Contexts under stress: random trees, with values and deadlines, are grown, waited on, cancelled and freed by tasks and
 * plain threads at the same time. Whoever ended a context first, its cause stands; what hangs below has ended with it. */
#include "sn_test.h"

#include <pthread.h>

enum { SLOTS = 24, TASKS = 10, THREADS = 2 };

static const char key_depth, key_root;

/* A context in the hands of everybody. Under `lock`, a channel of capacity 1, since a task may move between threads; what
 * is taken out is retained, so that it may be used after the lock. */
struct slot {
    sn_chan_unit lock;
    sn_ctx *ctx; /* NULL: empty */
};

struct wood {
    uint64_t seed; /* (a) */
    int64_t until;
    struct slot slots[SLOTS];
    uint64_t made, freed, waits, woken, ends; /* (a) */
    sn_chan_unit over;
};

static uint64_t draw_seed(struct wood *w)
{
    return __atomic_add_fetch(&w->seed, 0x9E3779B97F4A7C15u, __ATOMIC_RELAXED) | 1;
}

static void count(uint64_t *n)
{
    __atomic_fetch_add(n, 1, __ATOMIC_RELAXED);
}

static void lock(struct slot *s)
{
    CHECK_EQ(sn_chan_unit_send(sn_background(), s->lock), 0);
}

static void unlock(struct slot *s)
{
    CHECK_EQ(sn_chan_unit_try_recv(s->lock), 0);
}

/* The slot's context with a reference for the caller, or the background. */
static sn_ctx *borrow(struct slot *s)
{
    sn_ctx *ctx;
    lock(s);
    ctx = sn_ctx_retain(s->ctx ? s->ctx : sn_background());
    unlock(s);
    return ctx;
}

/* Error and cause never change once they are there, and fit each other. */
static void examine(sn_ctx *ctx)
{
    int before = sn_ctx_err(ctx), cause = sn_ctx_cause(ctx), after = sn_ctx_err(ctx);
    const void *depth = sn_ctx_value(ctx, &key_depth);

    CHECK(before == 0 || (before == after && cause != 0));
    CHECK(after == 0 || after == SN_ECANCELED || after == SN_ETIMEDOUT);
    CHECK(cause == 0 || cause == SN_ECANCELED || cause == SN_ETIMEDOUT || cause <= SN_EUSER);
    CHECK(after != SN_ETIMEDOUT || before == 0 || cause == SN_ETIMEDOUT);
    CHECK(before != SN_ETIMEDOUT || sn_now() >= sn_ctx_deadline(ctx));
    CHECK(depth == NULL || sn_ctx_value(ctx, &key_root) != NULL);
    if (after != 0) {
        CHECK_EQ(sn_ctx_wait(ctx), after);
        CHECK_EQ(sn_ctx_cause(ctx), sn_ctx_cause(ctx));
    }
}

/* A child of one slot's context takes the place of another's, which is let go of in one of three ways. */
static void grow(struct wood *w, uint64_t *rng)
{
    struct slot *to = &w->slots[test_random(rng) % SLOTS];
    sn_ctx *parent = borrow(&w->slots[test_random(rng) % SLOTS]), *kid, *old;
    int64_t deadline = sn_ctx_deadline(parent), mine = sn_now() + (int64_t)(test_random(rng) % SN_MS(2));

    if (test_random(rng) % (sn_ctx_err(parent) ? 2 : 16) == 0) { /* a new tree */
        sn_ctx_release(parent);
        parent = sn_background();
        deadline = SN_FOREVER;
    }
    switch (test_random(rng) % 4) {
    case 0:
        CHECK_EQ(sn_ctx_with_deadline(&kid, parent, mine), 0);
        CHECK_EQ(sn_ctx_deadline(kid), mine < deadline ? mine : deadline);
        break;
    case 1:
        CHECK_EQ(sn_ctx_with_value(&kid, parent, sn_ctx_value(parent, &key_root) ? &key_depth : &key_root, w), 0);
        CHECK(sn_ctx_value(kid, &key_root) == w);
        break;
    default:
        CHECK_EQ(sn_ctx_with_cancel(&kid, parent), 0);
        CHECK_EQ(sn_ctx_deadline(kid), deadline);
        break;
    }
    count(&w->made);
    lock(to);
    old = to->ctx;
    to->ctx = kid;
    unlock(to);
    sn_ctx_release(parent);
    if (!old)
        return;
    examine(old);
    if (test_random(rng) % 2) {
        sn_ctx_free(old);
    } else {
        sn_ctx_release(old);
    }
    count(&w->freed);
}

/* Ends a context of ours and a child: the cause is the first one's, for both. */
static void end(struct wood *w, uint64_t *rng)
{
    sn_ctx *ctx = borrow(&w->slots[test_random(rng) % SLOTS]), *kid;
    int cause = SN_EUSER - (int)(test_random(rng) % 1000);

    CHECK_EQ(sn_ctx_with_cancel(&kid, ctx), 0);
    int before = sn_ctx_cause(ctx);
    if (test_random(rng) % 4)
        sn_ctx_cancel_cause(kid, cause);
    int kids = sn_ctx_cause(kid);
    if (ctx != sn_background()) {
        sn_ctx_cancel_cause(ctx, cause - 1000);
        int now = sn_ctx_cause(ctx);
        CHECK(now != 0 && (before == 0 || now == before));
        sn_ctx_cancel_cause(ctx, cause - 2000);
        sn_ctx_cancel(ctx);
        CHECK_EQ(sn_ctx_cause(ctx), now);
        CHECK_EQ(sn_ctx_wait(kid), sn_ctx_err(kid)); /* another may be just about to end it, as its parent's child */
        CHECK(kids == 0 ? sn_ctx_cause(kid) == now : sn_ctx_cause(kid) == kids);
        count(&w->ends);
    }
    sn_ctx_free(kid);
    sn_ctx_release(ctx);
}

/* Waits on a context, directly or below it. A deadline of its own sees to it that everybody is woken in the end. */
static void wait_on(struct wood *w, uint64_t *rng)
{
    sn_ctx *ctx = borrow(&w->slots[test_random(rng) % SLOTS]), *timed;
    int r;

    CHECK_EQ(sn_ctx_with_timeout(&timed, ctx, (int64_t)(test_random(rng) % SN_MS(1))), 0);
    sn_ctx_release(ctx);
    count(&w->waits);
    if (test_random(rng) % 2) {
        r = sn_ctx_wait(timed);
    } else {
        sn_case cases[] = { sn_on_ctx(timed), sn_on_after(SN_SEC(1000)) };
        CHECK_EQ(sn_select(sn_background(), cases, 2), 0);
        r = cases[0].err;
    }
    CHECK(r == SN_ECANCELED || r == SN_ETIMEDOUT);
    CHECK_EQ(sn_ctx_err(timed), r);
    CHECK(r != SN_ETIMEDOUT || sn_now() >= sn_ctx_deadline(timed));
    sn_ctx_free(timed);
    count(&w->woken);
}

static int walk(sn_ctx *ctx, void *arg)
{
    struct wood *w = arg;
    uint64_t rng = draw_seed(w);
    (void)ctx;
    do {
        switch (test_random(&rng) % 8) {
        case 0:
            end(w, &rng);
            break;
        case 1:
        case 2:
            wait_on(w, &rng);
            break;
        case 3: {
            sn_ctx *seen = borrow(&w->slots[test_random(&rng) % SLOTS]);
            examine(seen);
            sn_ctx_release(seen);
            break;
        }
        case 4:
            sn_yield();
            break;
        default:
            grow(w, &rng);
            break;
        }
    } while (sn_now() < w->until);
    return 0;
}

static void *thread_walk(void *arg)
{
    struct wood *w = arg;
    CHECK_EQ(walk(NULL, w), 0);
    CHECK_EQ(sn_chan_unit_send(NULL, w->over), 0);
    return NULL;
}

static int wood(sn_ctx *ctx, void *arg)
{
    struct wood w = { .seed = test_seed(), .until = sn_now() + SN_MS(test_stress_ms()) / 3 };
    pthread_t t[THREADS];
    sn_group g;

    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&w.over, THREADS), 0);
    for (int i = 0; i < SLOTS; i++)
        CHECK_EQ(sn_chan_unit_make(&w.slots[i].lock, 1), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&t[i], NULL, thread_walk, &w) == 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < TASKS; i++)
        CHECK_EQ(sn_group_go(&g, walk, &w), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(sn_chan_unit_recv(ctx, w.over), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(t[i], NULL) == 0);
    for (int i = 0; i < SLOTS; i++) {
        if (w.slots[i].ctx) {
            sn_ctx_free(w.slots[i].ctx);
            count(&w.freed);
        }
        sn_chan_free(w.slots[i].lock);
    }
    sn_chan_free(w.over);
    CHECK(w.made > 0 || w.waits > 0);
    CHECK_EQ(w.made, w.freed);
    CHECK_EQ(w.waits, w.woken);
    return 0;
}

TEST(trees)
{
    run_really(wood, NULL);
}

/* Many race to end one context with a cause each, while others wait on its descendants: all see the same cause, and it is
 * one that was given. */
enum { ENDERS = 6, WAITERS = 6 };

struct race {
    sn_ctx *ctx, *below[WAITERS];
    int start;         /* (a) */
    int seen[WAITERS]; /* causes */
    bool timed;
    sn_chan_unit over;
};

struct racer {
    struct race *r;
    int number;
};

static int ends(sn_ctx *ctx, void *arg)
{
    struct racer *me = arg;
    (void)ctx;
    while (__atomic_load_n(&me->r->start, __ATOMIC_ACQUIRE) == 0)
        sn_yield();
    sn_ctx_cancel_cause(me->r->ctx, SN_EUSER - me->number);
    return 0;
}

static void *thread_ends(void *arg)
{
    struct racer *me = arg;
    (void)ends(NULL, me);
    CHECK_EQ(sn_chan_unit_send(NULL, me->r->over), 0);
    return NULL;
}

static int waits(sn_ctx *ctx, void *arg)
{
    struct racer *me = arg;
    sn_ctx *mine = me->r->below[me->number];
    (void)ctx;
    int r = sn_ctx_wait(mine);
    CHECK(r == SN_ECANCELED || (r == SN_ETIMEDOUT && me->r->timed));
    me->r->seen[me->number] = sn_ctx_cause(mine);
    sn_ctx_free(mine);
    return 0;
}

static void race(sn_ctx *ctx, uint64_t *rng)
{
    struct race r = { .start = 0 };
    struct racer thread = { &r, ENDERS };
    bool with_thread = test_random(rng) % 8 == 0;
    pthread_t t;
    sn_group g;

    r.timed = test_random(rng) % 2;
    int64_t ns = r.timed ? (int64_t)(test_random(rng) % SN_US(60)) : SN_SEC(1000);
    CHECK_EQ(sn_ctx_with_timeout(&r.ctx, ctx, ns), 0);
    CHECK_EQ(sn_chan_unit_make(&r.over, 1), 0);
    sn_group_init(&g, sn_background());
    for (int i = 0; i < WAITERS; i++) {
        CHECK_EQ(sn_ctx_with_cancel(&r.below[i], i ? r.below[test_random(rng) % (unsigned)i] : r.ctx), 0);
        (void)sn_ctx_retain(r.below[i]); /* others hang below it */
    }
    for (int i = 0; i < WAITERS; i++)
        CHECK_EQ(sn_group_go_copy(&g, waits, (&(struct racer){ &r, i })), 0);
    for (int i = 0; i < ENDERS; i++)
        CHECK_EQ(sn_group_go_copy(&g, ends, (&(struct racer){ &r, i })), 0);
    if (with_thread)
        CHECK(pthread_create(&t, NULL, thread_ends, &thread) == 0);
    __atomic_store_n(&r.start, 1, __ATOMIC_RELEASE);
    CHECK_EQ(sn_group_wait(&g), 0);
    if (with_thread) {
        CHECK_EQ(sn_chan_unit_recv(sn_background(), r.over), 0);
        CHECK(pthread_join(t, NULL) == 0);
    }
    int cause = sn_ctx_cause(r.ctx);
    CHECK((cause <= SN_EUSER && cause >= SN_EUSER - ENDERS) || (r.timed && cause == SN_ETIMEDOUT));
    for (int i = 0; i < WAITERS; i++) {
        CHECK_EQ(r.seen[i], cause); /* that some of them were freed meanwhile changes nothing: they had ended */
        sn_ctx_release(r.below[i]);
    }
    sn_chan_free(r.over);
    sn_ctx_free(r.ctx);
}

static int races(sn_ctx *ctx, void *arg)
{
    int64_t until = sn_now() + SN_MS(test_stress_ms()) / 3;
    uint64_t rng = test_seed() | 1;
    (void)arg;
    do
        race(ctx, &rng);
    while (sn_now() < until);
    return 0;
}

TEST(races_to_end_one)
{
    run_really(races, NULL);
}
