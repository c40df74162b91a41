/* Sleepers under stress: many, with random times, cancelled at random moments or by deadlines, among busy tasks. Nobody
 * returns early without a reason, nobody is lost. */
#include "sn_test.h"

#include <pthread.h>

enum { SLEEPERS = 200, SCOPES = 8, THREADS = 2 };

struct hall {
    uint64_t seed; /* (a) */
    int64_t until;
    sn_ctx *scopes[SCOPES]; /* each is cancelled at some moment */
    int ended[SCOPES];      /* (a) set before the scope's cancel */
    uint64_t began, slept, cancelled, late; /* (a) */
    sn_chan_unit over;
};

static uint64_t draw_seed(struct hall *h)
{
    return __atomic_add_fetch(&h->seed, 0x9E3779B97F4A7C15u, __ATOMIC_RELAXED) | 1;
}

static void count(uint64_t *n)
{
    __atomic_fetch_add(n, 1, __ATOMIC_RELAXED);
}

/* One sleep: by sn_sleep, by a select, or by waiting for a context with a deadline. */
static void sleep_once(struct hall *h, uint64_t *rng)
{
    uint64_t pick = test_random(rng);
    int scope = (int)(pick % SCOPES), r;
    int64_t ns = (int64_t)(test_random(rng) % SN_US(1500)) - SN_US(10);
    sn_ctx *ctx = h->scopes[scope], *timed = NULL;

    if (pick >> 8 & 1) {
        CHECK_EQ(sn_ctx_with_timeout(&timed, ctx, (int64_t)(test_random(rng) % SN_US(1500))), 0);
        ctx = timed;
    }
    count(&h->began);
    int64_t begin = sn_now();
    switch (pick >> 16 & 3) {
    case 0: {
        sn_case cases[] = { sn_on_after(ns), sn_on_after(SN_SEC(1000)) };
        r = sn_select(ctx, cases, 2);
        break;
    }
    case 1: {
        sn_case cases[] = { sn_on_time(SN_FOREVER), sn_on_time(begin + ns) };
        r = sn_select(ctx, cases, 2);
        r = r == 1 ? 0 : r;
        break;
    }
    default:
        r = sn_sleep(ctx, ns);
        break;
    }
    int64_t end = sn_now();
    if (r == 0) {
        CHECK(end - begin >= ns);
        count(&h->slept);
    } else if (r == SN_ECANCELED) {
        CHECK(__atomic_load_n(&h->ended[scope], __ATOMIC_ACQUIRE));
        count(&h->cancelled);
    } else {
        CHECK_EQ(r, SN_ETIMEDOUT);
        CHECK(timed != NULL && end >= sn_ctx_deadline(timed));
        count(&h->late);
    }
    sn_ctx_free(timed);
}

static int sleeper(sn_ctx *ctx, void *arg)
{
    struct hall *h = arg;
    uint64_t rng = draw_seed(h);
    (void)ctx;
    do
        sleep_once(h, &rng);
    while (sn_now() < h->until);
    return 0;
}

static void *thread_sleeper(void *arg)
{
    struct hall *h = arg;
    CHECK_EQ(sleeper(NULL, h), 0);
    CHECK_EQ(sn_chan_unit_send(NULL, h->over), 0);
    return NULL;
}

/* Cancels one scope after the other, spread over the time there is. */
static int canceller(sn_ctx *ctx, void *arg)
{
    struct hall *h = arg;
    int64_t step = (h->until - sn_now()) / (SCOPES + 1);
    for (int i = 0; i < SCOPES; i++) {
        CHECK_EQ(sn_sleep(ctx, step), 0);
        __atomic_store_n(&h->ended[i], 1, __ATOMIC_RELEASE);
        sn_ctx_cancel(h->scopes[i]);
    }
    return 0;
}

static int busy(sn_ctx *ctx, void *arg)
{
    struct hall *h = arg;
    uint64_t rng = draw_seed(h);
    (void)ctx;
    while (sn_now() < h->until) {
        int64_t end = sn_now() + (int64_t)(test_random(&rng) % SN_US(30));
        while (sn_now() < end)
            ;
        sn_yield();
    }
    return 0;
}

static int hall(sn_ctx *ctx, void *arg)
{
    struct hall h = { .seed = test_seed(), .until = sn_now() + SN_MS(test_stress_ms()) / 3 };
    pthread_t t[THREADS];
    sn_group g;

    (void)arg;
    for (int i = 0; i < SCOPES; i++)
        CHECK_EQ(sn_ctx_with_cancel(&h.scopes[i], i % 2 ? ctx : sn_background()), 0);
    CHECK_EQ(sn_chan_unit_make(&h.over, THREADS), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&t[i], NULL, thread_sleeper, &h) == 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, canceller, &h), 0);
    for (int i = 0; i < SLEEPERS; i++)
        CHECK_EQ(sn_group_go(&g, sleeper, &h), 0);
    CHECK_EQ(sn_group_go(&g, busy, &h), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(sn_chan_unit_recv(ctx, h.over), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(t[i], NULL) == 0);
    CHECK(h.began >= SLEEPERS + THREADS);
    CHECK_EQ(h.began, h.slept + h.cancelled + h.late);
    sn_chan_free(h.over);
    for (int i = 0; i < SCOPES; i++)
        sn_ctx_free(h.scopes[i]);
    return 0;
}

TEST(sleepers)
{
    run_really(hall, NULL);
}

/* Everybody sleeps "for ever" and is cancelled in one stroke; rounds of that leave nothing in the timers' heap. */
static int forever(sn_ctx *ctx, void *arg)
{
    uint64_t rng = draw_seed(arg);
    int64_t ns = test_random(&rng) % 2 ? SN_FOREVER : SN_SEC(1000 + test_random(&rng) % 1000);
    CHECK_EQ(sn_sleep(ctx, ns), SN_ECANCELED);
    count(&((struct hall *)arg)->cancelled);
    return 0;
}

static int strokes(sn_ctx *ctx, void *arg)
{
    struct hall h = { .seed = test_seed(), .until = sn_now() + SN_MS(test_stress_ms()) / 3 };
    uint64_t rng = draw_seed(&h), n = 0;
    (void)arg;
    do {
        sn_group g;
        sn_group_init(&g, ctx);
        for (unsigned i = (unsigned)(test_random(&rng) % 300); i > 0; i--, n++)
            CHECK_EQ(sn_group_go(&g, forever, &h), 0);
        if (test_random(&rng) % 2)
            CHECK_EQ(sn_sleep(ctx, (int64_t)(test_random(&rng) % SN_US(300))), 0);
        sn_group_cancel(&g);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(h.cancelled, n);
    } while (sn_now() < h.until || n == 0);
    return 0;
}

TEST(all_at_one_stroke)
{
    run_really(strokes, NULL);
}
