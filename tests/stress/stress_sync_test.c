/* What lies in sync/ beside channels under stress: tasks and plain threads that come and go, give up at any moment and free
 * what they have used. Nothing is lost, nothing is had twice. */
#include "sn_test.h"

#include <pthread.h>

enum { TASKS = 10, THREADS = 2, OBJECTS = 3 };

/* A crowd does random operations on some objects until the time is over. */
struct crowd {
    void (*operate)(void *objects, sn_ctx *ctx, uint64_t *rng);
    void *objects;
    uint64_t seed; /* (a) */
    int64_t until;
    sn_chan_unit over; /* by each thread: a join would hold up a worker */
};

static int crowd_task(sn_ctx *parent, void *arg)
{
    struct crowd *c = arg;
    uint64_t rng = __atomic_add_fetch(&c->seed, 0x9E3779B97F4A7C15u, __ATOMIC_RELAXED) | 1;

    while (sn_now() < c->until) {
        sn_ctx *ctx;
        CHECK_EQ(sn_ctx_with_timeout(&ctx, parent, SN_US(10 + test_random(&rng) % 200)), 0);
        while (sn_ctx_err(ctx) == 0)
            c->operate(c->objects, ctx, &rng);
        sn_ctx_free(ctx);
    }
    return 0;
}

static void *crowd_thread(void *arg)
{
    struct crowd *c = arg;

    (void)crowd_task(sn_background(), c);
    CHECK_EQ(sn_chan_unit_send(NULL, c->over), 0);
    return NULL;
}

static void work(sn_ctx *ctx, void (*operate)(void *, sn_ctx *, uint64_t *), void *objects)
{
    struct crowd c = { operate, objects, test_seed(), sn_now() + SN_MS(test_stress_ms()) / TEST_WORKERS, { 0 } };
    pthread_t threads[THREADS];
    sn_group g;

    CHECK_EQ(sn_chan_unit_make(&c.over, THREADS), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, crowd_thread, &c) == 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < TASKS; i++)
        CHECK_EQ(sn_group_go(&g, crowd_task, &c), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(sn_chan_unit_recv(ctx, c.over), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    sn_chan_free(c.over);
}

/* Something to do while one holds something. */
static void dawdle(uint64_t *rng)
{
    if (test_random(rng) % 4 == 0)
        sn_yield();
}

/* --- mutex and rwmutex: exclusion --- */

struct locked {
    sn_rwmutex rw;
    sn_mutex m;
    long a, b, c, d; /* a == b unless a writer holds rw, c == d unless somebody holds m */
};

static void lock_one(void *objects, sn_ctx *ctx, uint64_t *rng)
{
    struct locked *l = (struct locked *)objects + test_random(rng) % OBJECTS;
    uint64_t how = test_random(rng);
    int r;

    if (how % 3 == 0) {
        r = how & 16 ? sn_mutex_lock_ctx(ctx, &l->m) : sn_mutex_try_lock(&l->m);
        if (r < 0)
            return;
        CHECK_EQ(l->c++, l->d);
        dawdle(rng);
        CHECK_EQ(l->c, ++l->d);
        sn_mutex_unlock(&l->m);
    } else if (how % 3 == 1) {
        r = how & 16 ? sn_rwmutex_lock_ctx(ctx, &l->rw) : sn_rwmutex_try_lock(&l->rw);
        if (r < 0)
            return;
        CHECK_EQ(l->a++, l->b);
        dawdle(rng);
        CHECK_EQ(l->a, ++l->b);
        sn_rwmutex_unlock(&l->rw);
    } else {
        r = how & 16 ? sn_rwmutex_rlock_ctx(ctx, &l->rw) : sn_rwmutex_try_rlock(&l->rw);
        if (r < 0)
            return;
        CHECK_EQ(l->a, l->b);
        dawdle(rng);
        CHECK_EQ(l->a, l->b);
        sn_rwmutex_runlock(&l->rw);
    }
}

static int locks(sn_ctx *ctx, void *arg)
{
    struct locked l[OBJECTS] = { { .a = 0 } };

    (void)arg;
    work(ctx, lock_one, l);
    for (int i = 0; i < OBJECTS; i++) {
        CHECK_EQ(sn_rwmutex_try_lock(&l[i].rw), 0); /* nobody holds it, nobody waits */
        CHECK_EQ(sn_mutex_try_lock(&l[i].m), 0);
        CHECK_EQ(l[i].a, l[i].b);
        CHECK_EQ(l[i].c, l[i].d);
        sn_rwmutex_unlock(&l[i].rw);
        sn_mutex_unlock(&l[i].m);
    }
    return 0;
}

TEST(locks)
{
    run_really(locks, NULL);
}

/* --- semaphore: no permit is lost or had twice --- */

enum { PERMITS = 5 };

struct slots {
    sn_sem sem;
    int held; /* (a) */
};

static void take_some(void *objects, sn_ctx *ctx, uint64_t *rng)
{
    struct slots *s = (struct slots *)objects + test_random(rng) % OBJECTS;
    int n = (int)(test_random(rng) % (PERMITS + 1));

    if ((test_random(rng) % 4 ? sn_sem_acquire(ctx, &s->sem, n) : sn_sem_try_acquire(&s->sem, n)) < 0)
        return;
    CHECK(__atomic_add_fetch(&s->held, n, __ATOMIC_RELAXED) <= PERMITS);
    for (; n > 0; n--) { /* back in parts */
        dawdle(rng);
        __atomic_sub_fetch(&s->held, 1, __ATOMIC_RELAXED);
        sn_sem_release(&s->sem, 1);
    }
}

static int permits(sn_ctx *ctx, void *arg)
{
    struct slots s[OBJECTS] = { { .held = 0 } };

    (void)arg;
    for (int i = 0; i < OBJECTS; i++)
        sn_sem_init(&s[i].sem, PERMITS);
    work(ctx, take_some, s);
    for (int i = 0; i < OBJECTS; i++)
        CHECK_EQ(sn_sem_try_acquire(&s[i].sem, PERMITS), 0);
    return 0;
}

TEST(permits)
{
    run_really(permits, NULL);
}

/* --- condition: a buffer of tokens --- */

enum { ROOM = 4 };

struct buffer {
    sn_mutex m;
    sn_cond not_empty, not_full;
    int tokens;
    long put, taken;
};

static void put_or_take(void *objects, sn_ctx *ctx, uint64_t *rng)
{
    struct buffer *b = (struct buffer *)objects + test_random(rng) % OBJECTS;
    uint64_t how = test_random(rng);
    bool put = how & 1;
    int r = 0;

    sn_mutex_lock(&b->m);
    while (b->tokens == (put ? ROOM : 0) && r == 0)
        r = sn_cond_wait_ctx(ctx, put ? &b->not_full : &b->not_empty, &b->m);
    CHECK(sn_mutex_held(&b->m));
    if (b->tokens != (put ? ROOM : 0)) {
        b->tokens += put ? 1 : -1;
        *(put ? &b->put : &b->taken) += 1;
        if (how & 2)
            sn_cond_signal(put ? &b->not_empty : &b->not_full);
        else
            sn_cond_broadcast(put ? &b->not_empty : &b->not_full);
    }
    CHECK(b->tokens >= 0 && b->tokens <= ROOM);
    sn_mutex_unlock(&b->m);
}

static int tokens(sn_ctx *ctx, void *arg)
{
    struct buffer b[OBJECTS] = { { .tokens = 0 } };

    (void)arg;
    work(ctx, put_or_take, b);
    for (int i = 0; i < OBJECTS; i++) {
        CHECK_EQ(b[i].put, b[i].taken + b[i].tokens);
        CHECK_EQ(b[i].not_empty.sni_[1], 0); /* nobody waits */
        CHECK_EQ(b[i].not_full.sni_[1], 0);
    }
    return 0;
}

TEST(tokens)
{
    run_really(tokens, NULL);
}

/* --- wait group: each operation is a round on one of its own, which is freed by who has waited for it --- */

struct round {
    sn_waitgroup wg;
    int done; /* plain: the wait group orders it */
};

static int does_it(sn_ctx *ctx, void *arg)
{
    struct round *r = *(struct round **)arg;
    (void)ctx;
    r->done++;
    sn_waitgroup_done(&r->wg);
    return 0;
}

static void one_round(void *objects, sn_ctx *ctx, uint64_t *rng)
{
    struct round *r = calloc(1, sizeof *r);
    int n = (int)(test_random(rng) % 3);

    (void)objects;
    CHECK(r != NULL);
    for (int i = 0; i < n; i++) {
        sn_group g;
        sn_waitgroup_add(&r->wg, 1);
        sn_group_init(&g, sn_background());
        CHECK_EQ(sn_group_go_copy(&g, does_it, &r), 0);
        if (test_random(rng) % 2 && sn_waitgroup_wait_ctx(ctx, &r->wg) == 0)
            CHECK_EQ(r->done, i + 1);
        sn_waitgroup_wait(&r->wg);
        CHECK_EQ(r->done, i + 1);
        if (i == n - 1) {
            free(r); /* before its task has ended */
            r = NULL;
        }
        CHECK_EQ(sn_group_wait(&g), 0);
    }
    free(r);
}

static int rounds(sn_ctx *ctx, void *arg)
{
    (void)arg;
    work(ctx, one_round, NULL);
    return 0;
}

TEST(rounds)
{
    run_really(rounds, NULL);
}

/* --- wait group: many wait for the rounds of one --- */

struct common {
    sn_waitgroup wg;
    sn_mutex m;     /* of those who count */
    int up;         /* (m) */
    long waited;    /* (a) */
};

static void count_or_wait(void *objects, sn_ctx *ctx, uint64_t *rng)
{
    struct common *c = (struct common *)objects + test_random(rng) % OBJECTS;
    uint64_t how = test_random(rng) % 4;

    if (how == 0) {
        if (sn_waitgroup_wait_ctx(ctx, &c->wg) == 0)
            __atomic_fetch_add(&c->waited, 1, __ATOMIC_RELAXED);
        return;
    }
    sn_mutex_lock(&c->m); /* those who wait do not care which round it is: so adds from zero need no order with them */
    bool up = c->up == 0 || (c->up < 3 && how == 1);
    c->up += up ? 1 : -1;
    if (up)
        sn_waitgroup_add(&c->wg, 1);
    else
        sn_waitgroup_done(&c->wg);
    CHECK_EQ(sn_waitgroup_count(&c->wg), c->up);
    sn_mutex_unlock(&c->m);
}

static int common_rounds(sn_ctx *ctx, void *arg)
{
    struct common c[OBJECTS] = { { .up = 0 } };
    long waited = 0;

    (void)arg;
    work(ctx, count_or_wait, c);
    for (int i = 0; i < OBJECTS; i++) {
        CHECK_EQ(sn_waitgroup_count(&c[i].wg), c[i].up);
        CHECK_EQ(c[i].wg.sni_[0] & 3, 0); /* nobody waits */
        waited += c[i].waited;
    }
    CHECK(waited > 0);
    return 0;
}

TEST(common_rounds)
{
    run_really(common_rounds, NULL);
}

/* --- once: of a generation each runs once, though some of those who run it fail --- */

enum { GENERATIONS = 4096 };

struct generation {
    sn_once once;
    int tries, made;
};

struct making {
    struct generation *generation;
    bool fails, ran;
};

static void make(void *arg)
{
    struct making *m = arg;

    m->ran = true;
    m->generation->tries++;
    sn_yield();
    if (m->fails)
        sn_fail(SN_EIO, NULL);
    m->generation->made++;
}

struct making_in {
    struct making *making;
    sn_ctx *ctx;
};

static int makes(sn_ctx *own, void *arg)
{
    struct making_in *in = arg;
    struct generation *g = in->making->generation;
    int r = sn_once_do_ctx(in->ctx, &g->once, make, in->making);

    (void)own;
    if (r < 0)
        CHECK(!in->making->ran);
    else
        CHECK_EQ(g->made, 1);
    return r;
}

static void make_next(void *objects, sn_ctx *ctx, uint64_t *rng)
{
    struct generation *all = objects, *g = all;
    struct making m = { .fails = test_random(rng) % 2 };
    sn_group group;

    /* Somewhere near the first that is not done, so that many meet there. */
    for (g += test_random(rng) % 8; g < all + GENERATIONS - 8 && sn_once_is_done(&g->once); g += 8)
        ;
    m.generation = g;
    if (!sn_task_self().id || test_random(rng) % 4 == 0) {
        m.fails = false;
        if (sn_once_do_ctx(ctx, &g->once, make, &m) == 0)
            CHECK_EQ(g->made, 1);
        return;
    }
    sn_group_init(&group, sn_background()); /* a task that may fail */
    CHECK_EQ(sn_group_go(&group, makes, &((struct making_in){ &m, ctx })), 0);
    int r = sn_group_wait(&group);
    CHECK(r == 0 || (r == SN_EIO && m.fails && m.ran) || (r == SN_ETIMEDOUT && !m.ran));
}

static int generations(sn_ctx *ctx, void *arg)
{
    struct generation *all = calloc(GENERATIONS, sizeof *all);

    (void)arg;
    CHECK(all != NULL);
    work(ctx, make_next, all);
    CHECK(sn_once_is_done(&all[0].once));
    for (int i = 0; i < GENERATIONS; i++)
        CHECK_EQ(all[i].made, sn_once_is_done(&all[i].once));
    free(all);
    return 0;
}

TEST(generations)
{
    run_really(generations, NULL);
}
