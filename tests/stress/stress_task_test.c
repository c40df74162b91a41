/* Tasks under stress: storms of starts from everywhere, yields, detached tasks, bursts that find the workers asleep and
 * leave them idle. Every task that is started runs once, and handles tell the truth about it. */
#include "sn_test.h"

#include <pthread.h>

enum { THREADS = 3, TASKS = 6 };

struct storm {
    uint64_t seed; /* (a) */
    int64_t until;
    uint64_t started, ran; /* (a) */
    uint64_t sum_started, sum_ran; /* (a) of the numbers that the tasks carry */
    sn_chan_unit over;
};

struct drop {
    struct storm *s;
    uint64_t number;
    sn_group *g; /* NULL: detached */
    int depth;
};

static uint64_t draw_seed(struct storm *s)
{
    return __atomic_add_fetch(&s->seed, 0x9E3779B97F4A7C15u, __ATOMIC_RELAXED) | 1;
}

static void add(uint64_t *to, uint64_t n)
{
    __atomic_fetch_add(to, n, __ATOMIC_RELAXED);
}

static int fall(sn_ctx *ctx, void *arg);
static int fall_apart(sn_ctx *ctx, void *arg);

/* Starts a task that carries a random number: in the group, or detached, with a copy of its own on the heap. */
static void start(struct drop d, uint64_t *rng)
{
    d.number = test_random(rng) >> 20;
    add(&d.s->started, 1);
    add(&d.s->sum_started, d.number);
    if (d.g) {
        CHECK_EQ(sn_group_go_copy(d.g, fall, &d), 0);
    } else {
        struct drop *copy = malloc(sizeof *copy);
        CHECK(copy != NULL);
        *copy = d;
        CHECK_EQ(sn_task_go(fall_apart, copy), 0);
    }
}

static int fall(sn_ctx *ctx, void *arg)
{
    struct drop *d = arg, kid = *d;
    uint64_t rng = draw_seed(d->s);
    sn_task me = sn_task_self();

    CHECK(me.id != 0);
    for (unsigned i = (unsigned)(test_random(&rng) % 4); i > 0; i--)
        sn_yield();
    if (test_random(&rng) % 16 == 0)
        (void)sn_sleep(ctx, (int64_t)(test_random(&rng) % SN_US(50)));
    CHECK(sn_task_self().id == me.id); /* wherever it goes on */
    CHECK_EQ(sn_task_alive(me), 1);
    kid.depth--;
    for (unsigned i = (unsigned)(test_random(&rng) % 4); d->depth > 0 && i > 0; i--)
        start(kid, &rng);
    add(&d->s->ran, 1);
    add(&d->s->sum_ran, d->number);
    return (int)(test_random(&rng) % 2);
}

static int fall_apart(sn_ctx *ctx, void *arg)
{
    int r = fall(ctx, arg);
    free(arg);
    return r;
}

/* A burst of tasks, in a group or detached, from a task or a plain thread. */
static void burst(struct storm *s, sn_ctx *ctx, uint64_t *rng)
{
    sn_group g;
    struct drop d = { .s = s, .g = test_random(rng) % 3 ? &g : NULL, .depth = (int)(test_random(rng) % 5) };

    if (d.g)
        sn_group_init(&g, ctx);
    for (unsigned i = (unsigned)(test_random(rng) % (test_random(rng) % 8 ? 20 : 400)); i > 0; i--)
        start(d, rng);
    if (d.g)
        CHECK_EQ(sn_group_wait(&g), 0);
}

static void await_all(struct storm *s)
{
    /* Starts are counted before, runs after: equal means that all is over, if nobody starts any more. */
    while (__atomic_load_n(&s->ran, __ATOMIC_ACQUIRE) != __atomic_load_n(&s->started, __ATOMIC_ACQUIRE))
        CHECK_EQ(sn_sleep(sn_background(), SN_US(100)), 0);
}

static int bursts(sn_ctx *ctx, void *arg)
{
    struct storm *s = arg;
    uint64_t rng = draw_seed(s);
    do {
        burst(s, ctx, &rng);
        if (test_random(&rng) % 4 == 0) /* quiet: workers nap, search, fall asleep */
            CHECK_EQ(sn_sleep(ctx, (int64_t)(test_random(&rng) % SN_MS(4))), 0);
    } while (sn_now() < s->until);
    return 0;
}

static void *thread_bursts(void *arg)
{
    struct storm *s = arg;
    CHECK_EQ(bursts(NULL, s), 0);
    CHECK_EQ(sn_chan_unit_send(NULL, s->over), 0);
    return NULL;
}

static int storm(sn_ctx *ctx, void *arg)
{
    struct storm s = { .seed = test_seed(), .until = sn_now() + SN_MS(test_stress_ms()) / 3 };
    pthread_t t[THREADS];
    sn_group g;

    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&s.over, THREADS), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&t[i], NULL, thread_bursts, &s) == 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < TASKS; i++)
        CHECK_EQ(sn_group_go(&g, bursts, &s), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(sn_chan_unit_recv(ctx, s.over), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(t[i], NULL) == 0);
    await_all(&s);
    CHECK(s.started > 0);
    CHECK_EQ(s.started, s.ran);
    CHECK_EQ(s.sum_started, s.sum_ran);
    sn_chan_free(s.over);
    return 0;
}

TEST(storm)
{
    run_really(storm, NULL);
}

/* Beside a runtime whose workers sleep: a plain thread wakes them for one task, or a few, over and over. A wake-up that is
 * lost shows as a hang. */
static void quiet(int workers)
{
    struct storm s = { .seed = test_seed(), .until = sn_now() + SN_MS(test_stress_ms()) / 3 };
    uint64_t rng = draw_seed(&s);

    CHECK_EQ(sn_start(&(sn_run_opts){ .workers = workers }), 0);
    do {
        struct drop d = { .s = &s, .depth = (int)(test_random(&rng) % 2) };
        sn_group g;
        if (test_random(&rng) % 2) {
            d.g = &g;
            sn_group_init(&g, NULL);
        }
        for (unsigned i = (unsigned)(test_random(&rng) % 3) + 1; i > 0; i--)
            start(d, &rng);
        if (d.g)
            CHECK_EQ(sn_group_wait(&g), 0);
        else if (test_random(&rng) % 4)
            await_all(&s);
        if (test_random(&rng) % 2) /* around the moment at which a searcher gives up, and past it */
            CHECK_EQ(sn_sleep(NULL, (int64_t)(test_random(&rng) % SN_US(2500))), 0);
    } while (sn_now() < s.until);
    await_all(&s);
    CHECK_EQ(sn_stop(), 0);
    CHECK_EQ(s.started, s.ran);
    CHECK_EQ(s.sum_started, s.sum_ran);
}

TEST(quiet_and_bursts)
{
    quiet(1);
    quiet(2);
    quiet(8);
}

/* Runtimes come and go; the last tasks are started while the runtime is ending, by tasks: all of them run. */
static int ends_busy(sn_ctx *ctx, void *arg)
{
    struct storm *s = arg;
    uint64_t rng = draw_seed(s);
    struct drop d = { .s = s, .depth = 3 };
    (void)ctx;
    for (unsigned i = (unsigned)(test_random(&rng) % 30); i > 0; i--)
        start(d, &rng);
    return 0;
}

TEST(runtimes_come_and_go)
{
    struct storm s = { .seed = test_seed(), .until = sn_now() + SN_MS(test_stress_ms()) };
    uint64_t rng = draw_seed(&s);
    do {
        sn_run_opts o = { .workers = 1 + (int)(test_random(&rng) % 4), .grace_ns = SN_SEC(1000) };
        if (test_random(&rng) % 2) {
            CHECK_EQ(sn_run(ends_busy, &s, &o), 0);
        } else {
            CHECK_EQ(sn_start(&o), 0);
            CHECK_EQ(ends_busy(NULL, &s), 0);
            CHECK_EQ(sn_stop(), 0);
        }
        CHECK_EQ(s.started, s.ran);
        CHECK_EQ(s.sum_started, s.sum_ran);
    } while (sn_now() < s.until || s.started == 0);
}
