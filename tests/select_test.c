/* Select: the contract of sennit/select.h, and the meaning of Go's select tests restated. */
#include "sn_test.h"

#include <pthread.h>

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

/* A context that has ended refuses: no case happens, even one that is ready. */
static int refuses(sn_ctx *ctx, void *arg)
{
    int_chan full, room;
    sn_ctx *dead;
    int v = 5, out = 6;

    (void)arg;
    CHECK_EQ(sn_chan_make(&full, 1), 0);
    CHECK_EQ(sn_chan_make(&room, 1), 0);
    CHECK_EQ(sn_chan_send(ctx, full, &(int){ 1 }), 0);
    CHECK_EQ(sn_ctx_with_cancel(&dead, ctx), 0);
    sn_ctx_cancel(dead);
    sn_case cases[] = { sn_on_recv(full, &v), sn_on_send(room, &out), sn_on_ctx(dead), sn_on_after(0), sn_on_time(0) };
    for (size_t n = 0; n <= 5; n++) {
        CHECK_EQ(sn_select(dead, cases, n), SN_ECANCELED);
        CHECK_EQ(sn_select_priority(dead, cases, n), SN_ECANCELED);
    }
    CHECK_EQ(v, 5);
    CHECK_EQ(sn_chan_len(full), 1);
    CHECK_EQ(sn_chan_len(room), 0);
    CHECK_EQ(sn_select_try(cases, 0), SN_EAGAIN);
    CHECK_EQ(sn_select_try(cases, 1), 0);
    CHECK_EQ(v, 1);
    CHECK_EQ(sn_select_try(cases, 1), SN_EAGAIN);
    CHECK_EQ(sn_select_try(cases + 1, 1), 0);
    CHECK_EQ(sn_chan_len(room), 1);
    CHECK_EQ(sn_select_try(cases + 1, 1), SN_EAGAIN);
    CHECK_EQ(sn_select_try(cases + 2, 1), 0);
    CHECK_EQ(cases[2].err, SN_ECANCELED);
    CHECK_EQ(sn_select_priority(ctx, cases, 5), 2);
    CHECK_EQ(sn_select_try(cases + 3, 1), 0);
    CHECK_EQ(cases[3].err, 0);
    CHECK_EQ(sn_select_try(cases + 4, 1), 0);
    CHECK_EQ(cases[4].err, 0);
    CHECK_EQ(sn_select(dead, cases, 65536), SN_EINVAL);
    CHECK_EQ(sn_select_priority(ctx, cases, 65536), SN_EINVAL);
    CHECK_EQ(sn_select_try(cases, 65536), SN_EINVAL);
    sn_chan_free(full);
    sn_chan_free(room);
    sn_ctx_free(dead);
    return 0;
}

TEST(a_cancelled_context_refuses)
{
    run_everywhere(refuses, NULL);
}

/* What is never ready: empty handles, no context. What is left is the select's own context. */
static int never_ready(sn_ctx *ctx, void *arg)
{
    int_chan none = { 0 };
    sn_chan_unit no_unit = { 0 };
    sn_ctx *late;
    int v = 4;

    (void)arg;
    sn_case cases[] = { sn_on_recv(none, &v), sn_on_send(none, &v), sn_on_unit_recv(no_unit), sn_on_unit_send(no_unit),
                        sn_on_ctx(NULL), sn_on_time(SN_FOREVER), sn_on_after(SN_FOREVER) };
    CHECK_EQ(sn_select_try(cases, 7), SN_EAGAIN);
    for (size_t n = 0; n <= 7; n++) {
        CHECK_EQ(sn_ctx_with_timeout(&late, ctx, SN_US(300)), 0);
        CHECK_EQ(n % 2 ? sn_select(late, cases, n) : sn_select_priority(late, cases, n), SN_ETIMEDOUT);
        CHECK(sn_now() >= sn_ctx_deadline(late));
        sn_ctx_free(late);
    }
    CHECK_EQ(v, 4);
    return 0;
}

TEST(what_is_never_ready)
{
    run_everywhere(never_ready, NULL);
}

/* The array may be used again; sn_on_after starts anew each time, sn_on_time does not. */
static int again(sn_ctx *ctx, void *arg)
{
    int_chan c;
    int v = 0;
    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 1), 0);
    sn_case cases[] = { sn_on_recv(c, &v), sn_on_after(SN_US(400)), sn_on_time(sn_now() + SN_SEC(1000)) };
    for (int i = 1; i <= 10; i++) {
        int64_t begin = sn_now();
        CHECK_EQ(sn_select(ctx, cases, 3), 1);
        CHECK_EQ(cases[1].err, 0);
        CHECK(sn_now() - begin >= SN_US(400));
        CHECK_EQ(sn_chan_send(ctx, c, &i), 0);
        CHECK_EQ(sn_select_priority(ctx, cases, 3), 0);
        CHECK_EQ(cases[0].err, 0);
        CHECK_EQ(v, i);
    }
    cases[2] = sn_on_time(sn_now());
    cases[1] = sn_on_after(SN_SEC(1000));
    for (int i = 0; i < 10; i++)
        CHECK_EQ(sn_select(ctx, cases, 3), 2);
    sn_chan_free(c);
    return 0;
}

TEST(the_array_may_be_used_again)
{
    run_everywhere(again, NULL);
}

/* Units, in both directions, between a task that selects and one that does not. */
static int unit_partner(sn_ctx *ctx, void *arg)
{
    sn_chan_unit *u = arg;
    for (int i = 0; i < 500; i++) {
        CHECK_EQ(sn_chan_unit_recv(ctx, u[0]), 0);
        CHECK_EQ(sn_chan_unit_send(ctx, u[1]), 0);
    }
    sn_chan_close(u[0]);
    return 0;
}

static int units(sn_ctx *ctx, void *arg)
{
    sn_chan_unit u[2];
    sn_group g;
    int sent = 0, received = 0;
    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&u[0], 0), 0);
    CHECK_EQ(sn_chan_unit_make(&u[1], 0), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, unit_partner, u), 0);
    for (;;) {
        sn_case cases[] = { sn_on_unit_send(u[0]), sn_on_unit_recv(u[1]) };
        int k = sn_select(ctx, cases, 2);
        CHECK(k == 0 || k == 1);
        if (cases[k].err == SN_ECLOSED)
            break;
        CHECK_EQ(cases[k].err, 0);
        sent += k == 0;
        received += k == 1;
    }
    CHECK_EQ(sent, 500);
    CHECK_EQ(received, 500);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(u[0]);
    sn_chan_free(u[1]);
    return 0;
}

TEST(unit_channels)
{
    run_everywhere(units, NULL);
}

/* A select that waits: its context, another one, a time and a channel end it in turn; whatever it is, nothing else has
 * happened, and nothing of it is left behind. */
struct target {
    int_chan in, out;
    sn_ctx *own, *other;
    int what;
};

static int disturbs(sn_ctx *ctx, void *arg)
{
    struct target *t = arg;
    int v;
    (void)ctx;
    for (unsigned i = (unsigned)(sn_random() % 8); i > 0; i--)
        sn_yield();
    switch (t->what) {
    case 0:
        sn_ctx_cancel(t->own);
        break;
    case 1:
        sn_ctx_cancel_cause(t->other, SN_EUSER);
        break;
    case 2:
        CHECK_EQ(sn_chan_send(sn_background(), t->in, &(int){ 8 }), 0);
        break;
    case 3:
        CHECK_EQ(sn_chan_recv(sn_background(), t->out, &v), 0);
        CHECK_EQ(v, 9);
        break;
    case 4:
        sn_chan_close(t->out);
        break;
    default:
        break;
    }
    return 0;
}

static int disturbed(sn_ctx *ctx, void *arg)
{
    static const int want[] = { SN_ECANCELED, 2, 0, 1, 1, 3 }, err[] = { 0, SN_ECANCELED, 0, 0, SN_ECLOSED, 0 };
    (void)arg;
    for (int i = 0; i < 600; i++) {
        struct target t = { .what = i % 6 };
        sn_group g;
        int v = -1, out = 9;
        CHECK_EQ(sn_chan_make(&t.in, 0), 0);
        CHECK_EQ(sn_chan_make(&t.out, 0), 0);
        CHECK_EQ(sn_ctx_with_cancel(&t.own, ctx), 0);
        CHECK_EQ(sn_ctx_with_cancel(&t.other, ctx), 0);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, disturbs, &t), 0);
        sn_case cases[] = { sn_on_recv(t.in, &v), sn_on_send(t.out, &out), sn_on_ctx(t.other),
                            sn_on_after(t.what == 5 ? SN_US(30) : SN_SEC(1000)) };
        int k = sn_select(t.own, cases, 4);
        CHECK_EQ(k, want[t.what]);
        if (k >= 0)
            CHECK_EQ(cases[k].err, err[t.what]);
        CHECK_EQ(v, t.what == 2 ? 8 : -1);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(sn_chan_try_send(t.in, &v), SN_EAGAIN); /* no receiver was left */
        CHECK_EQ(sn_chan_try_recv(t.out, &v), t.what == 4 ? SN_ECLOSED : SN_EAGAIN);
        sn_chan_free(t.in);
        sn_chan_free(t.out);
        sn_ctx_free(t.own);
        sn_ctx_free(t.other);
    }
    return 0;
}

TEST(one_thing_ends_it)
{
    run_everywhere(disturbed, NULL);
}

/* NULL is the own context, of a task that waits in a select. */
static int null_context(sn_ctx *ctx, void *arg)
{
    int v = 2;
    sn_case cases[] = { sn_on_recv(*(int_chan *)arg, &v) };
    CHECK_EQ(sn_select(NULL, cases, 1), SN_ECANCELED);
    CHECK_EQ(sn_select_priority(NULL, cases, 1), SN_ECANCELED);
    CHECK_EQ(sn_select(NULL, cases, 0), SN_ECANCELED);
    CHECK_EQ(sn_ctx_err(ctx), SN_ECANCELED);
    CHECK_EQ(v, 2);
    return 0;
}

static int own_contexts(sn_ctx *ctx, void *arg)
{
    int_chan c;
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 0), 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(sn_group_go(&g, null_context, &c), 0);
    CHECK_EQ(sn_sleep(ctx, SN_US(500)), 0);
    sn_group_cancel(&g);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(c);
    return 0;
}

TEST(null_is_the_own_context)
{
    run_everywhere(own_contexts, NULL);
}

/* Plain threads on both sides, without any runtime. */
static void *selects_and_sends(void *arg)
{
    int_chan *c = arg;
    for (int i = 0; i < 1000;) {
        sn_case cases[] = { sn_on_send(c[0], &i), sn_on_send(c[1], &i) };
        int k = sn_select(NULL, cases, 2);
        CHECK_RESULT(k, k == 0 || k == 1);
        i++;
    }
    sn_chan_close(c[0]);
    return NULL;
}

TEST(between_threads_without_a_runtime)
{
    int_chan c[2];
    pthread_t t;
    int v, n = 0;
    CHECK_EQ(sn_chan_make(&c[0], 0), 0);
    CHECK_EQ(sn_chan_make(&c[1], 1), 0);
    CHECK(pthread_create(&t, NULL, selects_and_sends, c) == 0);
    for (;;) {
        sn_case cases[] = { sn_on_recv(c[0], &v), sn_on_recv(c[1], &v) };
        int k = sn_select_priority(NULL, cases, 2);
        CHECK_RESULT(k, k == 0 || k == 1);
        if (cases[k].err == SN_ECLOSED)
            break;
        n++;
    }
    n += sn_chan_try_recv(c[1], &v) == 0;
    CHECK_EQ(n, 1000);
    CHECK(pthread_join(t, NULL) == 0);
    sn_chan_free(c[0]);
    sn_chan_free(c[1]);
}
