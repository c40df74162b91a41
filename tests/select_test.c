/* Select: the contract of sennit/select.h, and the meaning of Go's select tests restated. */
#include "sn_test.h"

typedef sn_chan_of(int) int_chan;

static int ready_cases(sn_ctx *ctx, void *arg)
{
    int_chan a, b, none = { 0 };
    int v = 0;
    int hits[2] = { 0 };

    (void)arg;
    CHECK_EQ(sn_chan_make(&a, 1), 0);
    CHECK_EQ(sn_chan_make(&b, 1), 0);
    {
        sn_case cases[] = { sn_on_recv(a, &v), sn_on_recv(b, &v), sn_on_recv(none, &v) };
        CHECK_EQ(sn_select_try(cases, 3), SN_EAGAIN);
        CHECK_EQ(sn_chan_send(ctx, b, &(int){ 3 }), 0);
        CHECK_EQ(sn_select(ctx, cases, 3), 1);
        CHECK_EQ(cases[1].err, 0);
        CHECK_EQ(v, 3);
    }
    /* Fair: of two ready cases each is taken about half the time (4,000 fair coins are off by 400 once in 10^35). */
    for (int i = 0; i < 4000; i++) {
        sn_case cases[] = { sn_on_send(a, &i), sn_on_send(b, &i) };
        int k = sn_select(ctx, cases, 2);
        CHECK(k == 0 || k == 1);
        hits[k]++;
        CHECK_EQ(sn_chan_recv(ctx, k == 0 ? a : b, &v), 0);
        CHECK_EQ(v, i);
    }
    CHECK(hits[0] > 1600 && hits[1] > 1600);
    for (int i = 0; i < 100; i++) {
        sn_case cases[] = { sn_on_send(a, &i), sn_on_send(b, &i) };
        CHECK_EQ(sn_select_priority(ctx, cases, 2), 0);
        CHECK_EQ(sn_chan_recv(ctx, a, &v), 0);
    }
    sn_chan_close(a);
    {
        sn_case cases[] = { sn_on_recv(a, &v) };
        CHECK_EQ(sn_select(ctx, cases, 1), 0);
        CHECK_EQ(cases[0].err, SN_ECLOSED);
        cases[0] = sn_on_send(a, &v);
        CHECK_EQ(sn_select_try(cases, 1), 0);
        CHECK_EQ(cases[0].err, SN_ECLOSED);
    }
    sn_chan_free(a);
    sn_chan_free(b);
    return 0;
}

TEST(ready_cases)
{
    run_each(ready_cases, NULL);
}

static int times_and_contexts(sn_ctx *ctx, void *arg)
{
    int_chan c;
    sn_ctx *other, *short_one;
    int v;

    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 0), 0);
    int64_t begin = sn_now();
    sn_case cases[3] = { sn_on_recv(c, &v), sn_on_after(SN_MS(3)), sn_on_after(SN_SEC(60)) };
    CHECK_EQ(sn_select(ctx, cases, 3), 1);
    CHECK(sn_now() - begin >= SN_MS(3));
    cases[1] = sn_on_time(begin); /* past */
    CHECK_EQ(sn_select(ctx, cases, 2), 1);

    CHECK_EQ(sn_ctx_with_timeout(&other, ctx, SN_MS(2)), 0);
    cases[1] = sn_on_ctx(other);
    CHECK_EQ(sn_select(ctx, cases, 2), 1);
    CHECK_EQ(cases[1].err, SN_ETIMEDOUT);
    CHECK_EQ(sn_select(ctx, cases, 2), 1); /* has ended already */
    sn_ctx_free(other);

    CHECK_EQ(sn_ctx_with_timeout(&short_one, ctx, SN_MS(2)), 0);
    CHECK_EQ(sn_select(short_one, cases, 0), SN_ETIMEDOUT); /* no case: waits for the context */
    CHECK_EQ(sn_select(short_one, cases, 1), SN_ETIMEDOUT);
    sn_ctx_free(short_one);
    CHECK_EQ(sn_chan_try_send(c, &(int){ 1 }), SN_EAGAIN); /* nothing was left in the queue */
    sn_chan_free(c);
    return 0;
}

TEST(times_and_contexts)
{
    run_each(times_and_contexts, NULL);
}

/* Many tasks select over several channels in both directions; what is sent is received, once
 * (test/chan/select3.go, doubleselect.go). */
enum { CHANS = 4, TASKS = 8, ROUNDS = 1500 };

struct storm {
    int_chan chans[CHANS];
    int_chan stop;
    long sent, received, sum_in, sum_out;
};

static int storm_task(sn_ctx *ctx, void *arg)
{
    struct storm *s = arg;
    int in;

    for (int i = 1; i <= ROUNDS; i++) {
        sn_case cases[2 * CHANS];
        for (int k = 0; k < CHANS; k++) {
            cases[2 * k] = sn_on_send(s->chans[k], &i);
            cases[2 * k + 1] = sn_on_recv(s->chans[k], &in);
        }
        int k = sn_select(ctx, cases, 2 * CHANS);
        CHECK(k >= 0);
        CHECK_EQ(cases[k].err, 0);
        if (k % 2 == 0) {
            __atomic_fetch_add(&s->sent, 1, __ATOMIC_RELAXED);
            __atomic_fetch_add(&s->sum_in, i, __ATOMIC_RELAXED);
        } else {
            __atomic_fetch_add(&s->received, 1, __ATOMIC_RELAXED);
            __atomic_fetch_add(&s->sum_out, in, __ATOMIC_RELAXED);
        }
    }
    return 0;
}

static int storm(sn_ctx *ctx, void *arg)
{
    static const size_t caps[] = { 1, 64 };
    (void)arg;
    for (size_t c = 0; c < 2; c++) {
        struct storm s = { 0 };
        sn_group g;
        int v;
        for (int k = 0; k < CHANS; k++)
            CHECK_EQ(sn_chan_make(&s.chans[k], caps[c]), 0);
        sn_group_init(&g, ctx);
        for (int i = 0; i < TASKS; i++)
            CHECK_EQ(sn_group_go(&g, storm_task, &s), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(s.sent + s.received, (long)TASKS * ROUNDS);
        for (int k = 0; k < CHANS; k++) {
            while (sn_chan_try_recv(s.chans[k], &v) == 0) {
                s.received++;
                s.sum_out += v;
            }
            sn_chan_free(s.chans[k]);
        }
        CHECK_EQ(s.sent, s.received);
        CHECK_EQ(s.sum_in, s.sum_out);
    }
    return 0;
}

TEST(storm)
{
    run_each(storm, NULL);
}

/* Two tasks that select over the same unbuffered channel in both directions meet each other, never themselves. */
static int meet(sn_ctx *ctx, void *arg)
{
    int_chan *c = arg;
    int v;
    for (int i = 0; i < 1000; i++) {
        sn_case cases[] = { sn_on_send(*c, &i), sn_on_recv(*c, &v) };
        int k = sn_select(ctx, cases, 2);
        CHECK(k == 0 || k == 1);
    }
    return 0;
}

static int meetings(sn_ctx *ctx, void *arg)
{
    int_chan c;
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 0), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, meet, &c), 0);
    CHECK_EQ(sn_group_go(&g, meet, &c), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(c);
    return 0;
}

TEST(both_directions_of_one_channel)
{
    run_each(meetings, NULL);
}

static int closer(sn_ctx *ctx, void *arg)
{
    (void)sn_sleep(ctx, SN_US(100));
    sn_chan_close(*(int_chan *)arg);
    return 0;
}

static int close_races(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        int_chan a, b;
        sn_group g;
        int v = 0;
        CHECK_EQ(sn_chan_make(&a, 0), 0);
        CHECK_EQ(sn_chan_make(&b, 0), 0);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, closer, &a), 0);
        CHECK_EQ(sn_group_go(&g, closer, &b), 0);
        sn_case cases[] = { sn_on_recv(a, &v), sn_on_send(b, &v), sn_on_recv(a, &v) };
        int k = sn_select(ctx, cases, 3);
        CHECK(k >= 0 && k <= 2);
        CHECK_EQ(cases[k].err, SN_ECLOSED);
        CHECK_EQ(sn_group_wait(&g), 0);
        sn_chan_free(a);
        sn_chan_free(b);
    }
    return 0;
}

TEST(close_races)
{
    run_each(close_races, NULL);
}

static int many_cases(sn_ctx *ctx, void *arg)
{
    enum { N = 500 };
    static int_chan chans[N];
    static sn_case cases[N];
    int v = -1;

    (void)arg;
    for (int i = 0; i < N; i++)
        CHECK_EQ(sn_chan_make(&chans[(i * 7) % N], 1), 0); /* ids not in the order of the array */
    for (int round = 0; round < 50; round++) {
        int want = round * 9 % N;
        sn_group g;
        sn_group_init(&g, ctx);
        for (int i = 0; i < N; i++)
            cases[i] = sn_on_recv(chans[i], &v);
        CHECK_EQ(sn_select_try(cases, N), SN_EAGAIN);
        CHECK_EQ(sn_group_go(&g, closer, &chans[want]), 0);
        CHECK_EQ(sn_select(ctx, cases, N), want);
        CHECK_EQ(cases[want].err, SN_ECLOSED);
        CHECK_EQ(sn_group_wait(&g), 0);
        sn_chan_free(chans[want]);
        CHECK_EQ(sn_chan_make(&chans[want], 1), 0);
    }
    for (int i = 0; i < N; i++)
        sn_chan_free(chans[i]);
    CHECK_EQ(sn_select(ctx, cases, 65536), SN_EINVAL);
    return 0;
}

TEST(many_cases)
{
    run_each(many_cases, NULL);
}
