/* Channels and select under stress: what is sent is received, once, whoever comes and goes. */
#include "sn_test.h"

#include <pthread.h>

typedef sn_chan_of(uint64_t) u64_chan;

/* --- tasks and plain threads that send, receive, select, give up and close, at random --- */

enum { CHANS = 4, TASKS = 12, THREADS = 2 };

struct mix {
    u64_chan chans[CHANS];
    sn_chan_unit ended; /* by each thread: a join would hold up the worker, and with it the timers that threads wait for */
    uint64_t seed;
    int64_t until;
    uint64_t sent, received;       /* how many */
    uint64_t sum_sent, sum_received;
};

static void count_sent(struct mix *m, uint64_t v)
{
    __atomic_fetch_add(&m->sent, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&m->sum_sent, v, __ATOMIC_RELAXED);
}

static void count_received(struct mix *m, uint64_t v)
{
    __atomic_fetch_add(&m->received, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&m->sum_received, v, __ATOMIC_RELAXED);
}

/* One random operation, which may be cut short by `ctx`. */
static void one(struct mix *m, sn_ctx *ctx, uint64_t *rng)
{
    uint64_t pick = test_random(rng), in, out = test_random(rng) >> 40;
    u64_chan c = m->chans[pick % CHANS], d = m->chans[(pick >> 8) % CHANS];
    sn_case cases[3];
    int k;

    switch (pick >> 16 & 7) {
    case 0:
        if (sn_chan_try_send(c, &out) == 0)
            count_sent(m, out);
        break;
    case 1:
        if (sn_chan_try_recv(c, &in) == 0)
            count_received(m, in);
        break;
    case 2:
        if (sn_chan_send(ctx, c, &out) == 0)
            count_sent(m, out);
        break;
    case 3:
        if (sn_chan_recv(ctx, c, &in) == 0)
            count_received(m, in);
        break;
    default:
        cases[0] = sn_on_send(c, &out);
        cases[1] = sn_on_recv(d, &in);
        cases[2] = sn_on_after(SN_US(50));
        k = pick >> 20 & 1 ? sn_select(ctx, cases, 3) : sn_select_try(cases, 2);
        if (k == 0 && cases[0].err == 0)
            count_sent(m, out);
        if (k == 1 && cases[1].err == 0)
            count_received(m, in);
        break;
    }
}

static void many(struct mix *m, sn_ctx *parent, uint64_t *rng)
{
    while (sn_now() < m->until) {
        sn_ctx *ctx;
        CHECK_EQ(sn_ctx_with_timeout(&ctx, parent, SN_US(20 + test_random(rng) % 200)), 0);
        for (int i = 0; i < 20 && sn_ctx_err(ctx) == 0; i++)
            one(m, ctx, rng);
        sn_ctx_free(ctx);
    }
}

static int mix_task(sn_ctx *ctx, void *arg)
{
    struct mix *m = arg;
    uint64_t rng = __atomic_add_fetch(&m->seed, 0x9E3779B97F4A7C15u, __ATOMIC_RELAXED) | 1;

    many(m, ctx, &rng);
    return 0;
}

static void *mix_thread(void *arg)
{
    struct mix *m = arg;

    (void)mix_task(NULL, m);
    CHECK_EQ(sn_chan_unit_send(NULL, m->ended), 0);
    return NULL;
}

static int mix(sn_ctx *ctx, void *arg)
{
    static const size_t caps[CHANS] = { 0, 0, 1, 64 };
    struct mix m = { .seed = test_seed(), .until = sn_now() + SN_MS(test_stress_ms()) / 3 };
    pthread_t threads[THREADS];
    sn_group g;
    uint64_t v;

    (void)arg;
    for (int i = 0; i < CHANS; i++)
        CHECK_EQ(sn_chan_make(&m.chans[i], caps[i]), 0);
    CHECK_EQ(sn_chan_unit_make(&m.ended, THREADS), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, mix_thread, &m) == 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < TASKS; i++)
        CHECK_EQ(sn_group_go(&g, mix_task, &m), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(sn_chan_unit_recv(ctx, m.ended), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    sn_chan_free(m.ended);
    for (int i = 0; i < CHANS; i++) {
        sn_chan_close(m.chans[i]);
        while (sn_chan_recv(ctx, m.chans[i], &v) == 0)
            count_received(&m, v);
        sn_chan_free(m.chans[i]);
    }
    CHECK(m.sent > 0);
    CHECK_EQ(m.sent, m.received);
    CHECK_EQ(m.sum_sent, m.sum_received);
    return 0;
}

TEST(mix)
{
    run_really(mix, NULL);
}
