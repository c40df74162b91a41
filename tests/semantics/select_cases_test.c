/* Select beyond Go's tests: timers and contexts as cases (in Go they are channels, time.After and Done), the
 * priority form, the context that a select waits under, and very many cases. Each test names its property and the
 * interleaving it wants; every check holds in any other one. */
#include "sn_test.h"

#include <sched.h>

typedef sn_chan_of(int) int_chan;

static const int_chan none = { 0 };

/* Time for the others to get to where they park. It makes an interleaving likely; no check depends on it. */
static void let_park(sn_ctx *ctx)
{
    for (int i = 0; i < 10; i++)
        sn_yield();
    CHECK_EQ(sn_sleep(ctx, SN_US(200)), 0);
}

/* --- times --- */

/* Property: a time that has passed is ready, one that has not is not, in every form; of several that wait the
 * earliest comes, wherever it stands, and not before it is due. Interleaving: none, one task; the select is parked
 * until the timer fires. */
static int times(sn_ctx *ctx, void *arg)
{
    enum { N = 9 };
    sn_case cases[N];
    int v;

    (void)arg;
    for (int i = 0; i < 3; i++) {
        int64_t past = i == 0 ? 0 : i == 1 ? -5 : INT64_MIN;
        cases[0] = sn_on_after(past);
        CHECK_EQ(sn_select(ctx, cases, 1), 0);
        CHECK_EQ(sn_select_priority(ctx, cases, 1), 0);
        CHECK_EQ(sn_select_try(cases, 1), 0);
        CHECK_EQ(cases[0].err, 0);
        cases[0] = sn_on_time(past);
        CHECK_EQ(sn_select(ctx, cases, 1), 0);
        CHECK_EQ(sn_select_try(cases, 1), 0);
    }
    cases[0] = sn_on_after(SN_SEC(3600));
    cases[1] = sn_on_time(SN_FOREVER);
    cases[2] = sn_on_after(SN_FOREVER);
    CHECK_EQ(sn_select_try(cases, 3), SN_EAGAIN);
    for (int at = 0; at < N; at++) {
        int64_t begin = sn_now();
        for (int i = 0; i < N; i++) {
            int64_t ns = i == at ? SN_MS(1) : SN_SEC(3600 + (i * 5) % N);
            cases[i] = i % 3 == 0 ? sn_on_time(ns > SN_SEC(3600) ? SN_FOREVER : begin + ns) : sn_on_after(ns);
        }
        CHECK_EQ(at % 2 ? sn_select(ctx, cases, N) : sn_select_priority(ctx, cases, N), at);
        CHECK_EQ(cases[at].err, 0);
        CHECK(sn_now() >= begin + SN_MS(1));
    }
    cases[0] = sn_on_recv(none, &v); /* the array again: its times begin anew */
    cases[1] = sn_on_after(SN_US(300));
    for (int i = 0; i < 5; i++) {
        int64_t begin = sn_now();
        CHECK_EQ(sn_select(ctx, cases, 2), 1);
        CHECK(sn_now() >= begin + SN_US(300));
    }
    return 0;
}

TEST(times)
{
    run_each(times, NULL);
}

/* Property: a timer that was not chosen is gone: it neither fires into a later wait nor keeps anything alive.
 * Interleaving: thousands of selects are woken by a channel just before, just after or long before their timer would
 * fire, and sleep right afterwards. */
struct ticking {
    int_chan c;
    int n;
};

static int tick(sn_ctx *ctx, void *arg)
{
    struct ticking *t = arg;
    for (int i = 0; i < t->n; i++)
        CHECK_EQ(sn_chan_send(ctx, t->c, &i), 0);
    return 0;
}

static int timers_leave(sn_ctx *ctx, void *arg)
{
    struct ticking t = { .n = 2000 };
    sn_group g;
    int v, next = 0;

    (void)arg;
    CHECK_EQ(sn_chan_make(&t.c, 0), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, tick, &t), 0);
    for (int i = 0; next < t.n; i++) {
        int64_t ns = i % 3 == 0 ? SN_SEC(3600) : i % 3 == 1 ? 100 : SN_US(2);
        sn_case cases[] = { sn_on_after(ns), sn_on_recv(t.c, &v) };
        int k = sn_select(ctx, cases, 2);
        CHECK(k == 1 || (k == 0 && i % 3));
        if (k == 1)
            CHECK_EQ(v, next++);
        if (i % 100 == 99) {
            int64_t begin = sn_now();
            CHECK_EQ(sn_sleep(ctx, SN_US(50)), 0);
            CHECK(sn_now() >= begin + SN_US(50));
        }
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(t.c);
    return 0;
}

TEST(timers_that_were_not_chosen_are_gone)
{
    run_each(timers_leave, NULL);
}

/* --- never both: a channel against a timer or a context --- */

enum { PEERS = 4, TURNS = 500 };

struct contest {
    int_chan c;
    uint64_t seed;              /* (atomic) */
    int64_t sent, received;     /* (atomic) how many */
    int64_t sum_in, sum_out;    /* (atomic) */
};

static int contestant(sn_ctx *ctx, void *arg)
{
    struct contest *c = arg;
    uint64_t rng = __atomic_add_fetch(&c->seed, 0x9E3779B97F4A7C15u, __ATOMIC_RELAXED) | 1;

    for (int i = 1; i <= TURNS; i++) {
        uint64_t pick = test_random(&rng) >> 16;
        bool sends = pick & 1, own = pick & 2;
        int v = sends ? i : -1;
        sn_ctx *limit;
        CHECK_EQ(sn_ctx_with_timeout(&limit, ctx, (int64_t)(pick >> 4 & 0x3fff)), 0); /* up to 16 us */
        sn_case cases[] = { sends ? sn_on_send(c->c, &v) : sn_on_recv(c->c, &v),
                            sn_on_after((int64_t)(pick >> 24 & 0x3fff)), sn_on_ctx(limit) };
        int k = pick & 4 ? sn_select(own ? limit : ctx, cases, own ? 2 : 3)
                         : sn_select_priority(own ? limit : ctx, cases, own ? 2 : 3);
        CHECK(k >= 0 || (own && k == SN_ETIMEDOUT));
        CHECK_EQ(k >= 0 ? cases[k].err : 0, k == 2 ? SN_ETIMEDOUT : 0);
        if (k == 0 && sends) {
            __atomic_fetch_add(&c->sent, 1, __ATOMIC_RELAXED);
            __atomic_fetch_add(&c->sum_in, v, __ATOMIC_RELAXED);
        } else if (k == 0) {
            __atomic_fetch_add(&c->received, 1, __ATOMIC_RELAXED);
            __atomic_fetch_add(&c->sum_out, v, __ATOMIC_RELAXED);
        } else {
            CHECK_EQ(v, sends ? i : -1); /* nothing was written by a case that lost */
        }
        sn_ctx_free(limit);
    }
    return 0;
}

/* Property: a select that a timer or a context has ended did not also send or receive, and the other way round: what
 * is reported as sent is received, no more and no less. Interleaving: peers meet in one channel while their timers
 * and the deadlines of their contexts, as cases and as the context of the select, run out within microseconds. */
static int contest(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (size_t cap = 0; cap < 3; cap++) {
        struct contest c = { .seed = test_seed() };
        sn_group g;
        int v;
        CHECK_EQ(sn_chan_make(&c.c, cap), 0);
        sn_group_init(&g, ctx);
        for (int i = 0; i < PEERS; i++)
            CHECK_EQ(sn_group_go(&g, contestant, &c), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        while (sn_chan_try_recv(c.c, &v) == 0) {
            c.received++;
            c.sum_out += v;
        }
        CHECK_EQ(c.sent, c.received);
        CHECK_EQ(c.sum_in, c.sum_out);
        CHECK(cap == 0 || c.sent > 0);
        sn_chan_free(c.c);
    }
    return 0;
}

TEST(a_channel_or_a_timer_or_a_context_never_two)
{
    run_each(contest, NULL);
}

/* --- contexts --- */

struct watch {
    sn_ctx *watched;
    sn_ctx *second;
    int_chan c;
    int want, err;
};

static int watcher(sn_ctx *ctx, void *arg)
{
    struct watch *w = arg;
    int v = -1;
    sn_case cases[] = { sn_on_ctx(NULL), sn_on_recv(w->c, &v), sn_on_ctx(w->watched), sn_on_ctx(w->second),
                        sn_on_ctx(w->watched) };
    int k = sn_select(ctx, cases, 5);

    CHECK(k == w->want || (w->want == 2 && k == 4));
    CHECK_EQ(cases[k].err, w->err);
    CHECK_EQ(v, -1);
    return 0;
}

/* Property: the end of a context, by itself or through a parent, by cancellation or deadline, wakes every select
 * that has it as a case, with its error; others stay. Interleaving: all are parked; the same context stands in a
 * select twice, in many selects, and is the context of other tasks. */
static int watched(sn_ctx *ctx, void *arg)
{
    enum { N = 20 };

    (void)arg;
    for (int how = 0; how < 4; how++) {
        struct watch w[2] = { { .want = 2 }, { .want = 3 } };
        sn_ctx *parent, *child, *still;
        sn_group g, h;
        int_chan c;
        CHECK_EQ(sn_chan_make(&c, 0), 0);
        CHECK_EQ(sn_ctx_with_cancel(&parent, ctx), 0);
        CHECK_EQ(how == 2 ? sn_ctx_with_timeout(&child, parent, SN_MS(1)) : sn_ctx_with_cancel(&child, parent), 0);
        CHECK_EQ(sn_ctx_with_cancel(&still, ctx), 0);
        w[0].watched = child;
        w[0].second = still;
        w[0].err = how == 2 ? SN_ETIMEDOUT : SN_ECANCELED;
        w[1].watched = how == 3 ? parent : still; /* ends later, by its own */
        w[1].second = still;
        w[1].want = how == 3 ? 2 : 3;
        w[1].err = SN_ECANCELED;
        w[0].c = w[1].c = c;
        sn_group_init(&h, ctx); /* waited for last */
        sn_group_init(&g, ctx);
        for (int i = 0; i < N; i++) {
            CHECK_EQ(sn_group_go(&g, watcher, &w[0]), 0);
            if (how == 3)
                CHECK_EQ(sn_group_go(&h, watcher, &w[1]), 0);
        }
        let_park(ctx);
        if (how == 0)
            sn_ctx_cancel(child);
        else if (how == 1)
            sn_ctx_cancel(parent);
        else if (how == 3)
            sn_ctx_cancel_cause(child, SN_EUSER - 7);
        CHECK_EQ(sn_group_wait(&g), 0);
        if (how == 3) {
            CHECK_EQ(sn_ctx_cause(child), SN_EUSER - 7);
            CHECK_EQ(sn_ctx_err(parent), 0);
            sn_ctx_cancel(parent);
        }
        CHECK_EQ(sn_group_wait(&h), 0);
        CHECK_EQ(sn_ctx_err(still), 0);
        CHECK_EQ(sn_chan_try_send(c, &(int){ 1 }), SN_EAGAIN); /* nobody was left in its queue */
        sn_ctx_free(child);
        sn_ctx_free(parent);
        sn_ctx_free(still);
        sn_chan_free(c);
    }
    return 0;
}

TEST(contexts_as_cases)
{
    run_each(watched, NULL);
}

enum { BETWEEN = 30, ENDINGS = 250 };

struct ending {
    int_chan idle[BETWEEN];
    sn_ctx *parent, *child;
    int begun, ended; /* (atomic) how often somebody came to the start and to the end */
};

/* Two tasks leave at about the same moment, on different workers if there are several. Not by a channel: whoever is
 * woken by one runs next on the waker's worker. Nor by yielding alone: another worker needs a moment to take one of
 * them, and its thread may need this processor. */
static void meet(int *arrived, int both)
{
    __atomic_add_fetch(arrived, 1, __ATOMIC_ACQ_REL);
    for (int i = 1; __atomic_load_n(arrived, __ATOMIC_ACQUIRE) < both; i++)
        if (i % 32768 == 0 || sn_run_workers() == 1) {
            sn_yield();
            (void)sched_yield();
        }
}

static int sees_the_end(sn_ctx *ctx, void *arg)
{
    struct ending *e = arg;
    sn_case cases[BETWEEN + 1];
    int v = -1;

    for (int i = 1; i <= ENDINGS; i++) {
        for (int k = 0; k < BETWEEN; k++)
            cases[k] = sn_on_recv(e->idle[k], &v);
        meet(&e->begun, 4 * i - 2); /* the contexts are there */
        cases[BETWEEN] = sn_on_ctx(e->child);
        meet(&e->begun, 4 * i);
        switch (i % 4) {
        case 0:
            CHECK_EQ(sn_select(e->child, cases, BETWEEN), SN_ECANCELED);
            break;
        case 1:
            CHECK_EQ(sn_chan_recv(e->child, e->idle[0], &v), SN_ECANCELED);
            break;
        default:
            CHECK_EQ(i % 4 == 2 ? sn_select(ctx, cases, BETWEEN + 1) : sn_select_priority(ctx, cases, BETWEEN + 1),
                     BETWEEN);
            CHECK_EQ(cases[BETWEEN].err, SN_ECANCELED);
        }
        CHECK_EQ(v, -1);
        meet(&e->ended, 2 * i);
    }
    return 0;
}

/* Property: the end of a context is not missed, and is told as what it is, whenever it comes. Interleaving: it comes
 * while a select or a receive is on its way from looking at it to being parked. */
static int endings(sn_ctx *ctx, void *arg)
{
    struct ending e = { .begun = 0 };
    uint64_t rng = test_seed();
    sn_group g;

    (void)arg;
    for (int k = 0; k < BETWEEN; k++)
        CHECK_EQ(sn_chan_make(&e.idle[k], 0), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, sees_the_end, &e), 0);
    for (int i = 1; i <= ENDINGS; i++) {
        CHECK_EQ(sn_ctx_with_cancel(&e.parent, ctx), 0);
        CHECK_EQ(sn_ctx_with_cancel(&e.child, e.parent), 0);
        meet(&e.begun, 4 * i - 2);
        meet(&e.begun, 4 * i);
        for (uint64_t n = test_random(&rng) % 1500; n > 0; n--)
            __asm__ volatile("");
        sn_ctx_cancel(i % 2 ? e.parent : e.child);
        meet(&e.ended, 2 * i);
        sn_ctx_free(e.child);
        sn_ctx_free(e.parent);
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int k = 0; k < BETWEEN; k++)
        sn_chan_free(e.idle[k]);
    return 0;
}

TEST(a_context_that_ends_while_they_park)
{
    run_each(endings, NULL);
}

/* Property: the background, which never ends, may be a case like any other context. Interleaving: the select does
 * not find a ready case and parks. */
static int background(sn_ctx *ctx, void *arg)
{
    struct ticking t = { .n = 20 };
    sn_group g;
    int v;

    (void)arg;
    CHECK_EQ(sn_chan_make(&t.c, 0), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, tick, &t), 0);
    for (int i = 0; i < t.n; i++) {
        sn_case cases[] = { sn_on_ctx(sn_background()), sn_on_recv(t.c, &v) };
        CHECK_EQ(sn_select_try(cases, 1), SN_EAGAIN);
        CHECK_EQ(sn_select(sn_background(), cases, 2), 1);
        CHECK_EQ(v, i);
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_case last[] = { sn_on_ctx(sn_background()), sn_on_after(SN_US(100)) };
    CHECK_EQ(sn_select(ctx, last, 2), 1);
    sn_chan_free(t.c);
    return 0;
}

TEST(the_background_as_a_case)
{
    run_each(background, NULL);
}

/* Property: a select whose own context has ended does nothing, though everything be ready; the same context as a
 * case is one among others, and first if it stands first in the priority form. Interleaving: none, one task. */
static int own_context(sn_ctx *ctx, void *arg)
{
    int_chan full, room;
    sn_ctx *dead;
    int v = -1, hits = 0;

    (void)arg;
    CHECK_EQ(sn_chan_make(&full, 200), 0);
    CHECK_EQ(sn_chan_make(&room, 200), 0);
    for (int i = 0; i < 200; i++)
        CHECK_EQ(sn_chan_send(ctx, full, &i), 0);
    CHECK_EQ(sn_ctx_with_timeout(&dead, ctx, 0), 0);
    for (int i = 0; i < 100; i++) {
        sn_case cases[] = { sn_on_recv(full, &v), sn_on_send(room, &i), sn_on_time(0), sn_on_ctx(dead) };
        CHECK_EQ(sn_select(dead, cases, 4), SN_ETIMEDOUT);
        CHECK_EQ(sn_select_priority(dead, cases, 4), SN_ETIMEDOUT);
    }
    CHECK_EQ(v, -1);
    CHECK_EQ(sn_chan_len(full), 200);
    CHECK_EQ(sn_chan_len(room), 0);
    for (int i = 0; i < 200; i++) {
        sn_case cases[] = { sn_on_ctx(dead), sn_on_recv(full, &v) };
        int k = sn_select(ctx, cases, 2);
        CHECK(k == 0 || k == 1);
        CHECK_EQ(cases[k].err, k == 0 ? SN_ETIMEDOUT : 0);
        hits += k;
        CHECK_EQ(sn_select_priority(ctx, cases, 2), 0);
    }
    CHECK(hits > 10 && hits < 190); /* 200 fair coins: once in 10^40 */
    CHECK_EQ(sn_chan_len(full), 200 - hits);
    sn_ctx_free(dead);
    sn_chan_free(full);
    sn_chan_free(room);
    return 0;
}

TEST(the_context_of_the_select_comes_before_its_cases)
{
    run_each(own_context, NULL);
}

/* --- priority --- */

/* Property: the priority form takes the first ready case, whatever kinds stand before and behind it. Interleaving:
 * none, one task; every set of ready cases of six kinds. */
static int priority(sn_ctx *ctx, void *arg)
{
    enum { KINDS = 6 };
    int_chan full, room, closed, idle;
    sn_ctx *ended, *live;
    int v, at = 0;

    (void)arg;
    CHECK_EQ(sn_chan_make(&full, 1), 0);
    CHECK_EQ(sn_chan_make(&room, 1), 0);
    CHECK_EQ(sn_chan_make(&closed, 1), 0);
    CHECK_EQ(sn_chan_make(&idle, 0), 0);
    sn_chan_close(closed);
    CHECK_EQ(sn_ctx_with_cancel(&ended, ctx), 0);
    CHECK_EQ(sn_ctx_with_cancel(&live, ctx), 0);
    sn_ctx_cancel(ended);
    for (int turn = 0; turn < KINDS; turn++)
        for (int set = 1; set < 1 << KINDS; set++) {
            sn_case cases[KINDS];
            int first = -1;
            (void)sn_chan_try_send(full, &set);
            (void)sn_chan_try_recv(room, &v);
            for (int i = 0; i < KINDS; i++) {
                int kind = (i + turn) % KINDS;
                const sn_case ready[] = { sn_on_recv(full, &v),   sn_on_send(room, &set), sn_on_recv(closed, &v),
                                          sn_on_send(closed, &v), sn_on_ctx(ended),       sn_on_time(0) };
                const sn_case unready[] = { sn_on_recv(idle, &v), sn_on_send(idle, &v), sn_on_recv(none, &v),
                                            sn_on_send(none, &v), sn_on_ctx(live),      sn_on_after(SN_SEC(3600)) };
                cases[i] = set >> i & 1 ? ready[kind] : unready[kind];
                if (first < 0 && set >> i & 1) {
                    first = i;
                    at = kind;
                }
            }
            CHECK_EQ(sn_select_priority(ctx, cases, KINDS), first);
            CHECK_EQ(cases[first].err, at == 2 || at == 3 ? SN_ECLOSED : at == 4 ? SN_ECANCELED : 0);
        }
    sn_ctx_free(ended);
    sn_ctx_free(live);
    sn_chan_free(full);
    sn_chan_free(room);
    sn_chan_free(closed);
    sn_chan_free(idle);
    return 0;
}

TEST(priority_takes_the_first_that_is_ready)
{
    run_each(priority, NULL);
}

/* --- very many --- */

struct one_of_many {
    int_chan c;
    int index;
    bool sends;
};

static int one_of_many(sn_ctx *ctx, void *arg)
{
    struct one_of_many *o = arg;
    int v = o->index;
    if (o->sends) {
        CHECK_EQ(sn_chan_send(ctx, o->c, &v), 0);
    } else {
        CHECK_EQ(sn_chan_recv(ctx, o->c, &v), 0);
        CHECK_EQ(v, -5);
    }
    return 0;
}

/* Property: a select over a thousand channels in both directions serves each of a thousand peers, once.
 * Interleaving: at first the select waits for them, then they for it; the channels' ids are not in the order of the
 * array. */
static int thousand(sn_ctx *ctx, void *arg)
{
    enum { N = 1000 };
    struct one_of_many *peers = calloc(N, sizeof *peers);
    sn_case *cases = calloc(N, sizeof *cases);
    int *in = calloc(N, sizeof *in), out = -5;
    sn_group g;

    (void)arg;
    CHECK(peers && cases && in);
    for (int i = 0; i < N; i++) {
        struct one_of_many *o = &peers[i * 7 % N];
        CHECK_EQ(sn_chan_make(&o->c, 0), 0);
        *o = (struct one_of_many){ o->c, i * 7 % N, i % 2 };
    }
    sn_group_init(&g, ctx);
    for (int i = 0; i < N; i++) {
        in[i] = -1;
        cases[i] = peers[i].sends ? sn_on_recv(peers[i].c, &in[i]) : sn_on_send(peers[i].c, &out);
        CHECK_EQ(sn_group_go(&g, one_of_many, &peers[i]), 0);
    }
    for (int i = 0; i < N; i++) {
        int k = i % 3 ? sn_select(ctx, cases, N) : sn_select_priority(ctx, cases, N);
        CHECK(k >= 0 && k < N);
        CHECK_EQ(cases[k].err, 0);
        CHECK_EQ(in[k], peers[k].sends ? k : -1);
        in[k] = -2; /* done, and once only */
        cases[k] = sn_on_send(none, &out);
    }
    CHECK_EQ(sn_select_try(cases, N), SN_EAGAIN);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < N; i++)
        sn_chan_free(peers[i].c);
    free(peers);
    free(cases);
    free(in);
    return 0;
}

TEST(a_thousand_channels)
{
    run_each(thousand, NULL);
}

struct late {
    int_chan c;
    int value;
};

static int send_then_close(sn_ctx *ctx, void *arg)
{
    struct late *l = arg;
    CHECK_EQ(sn_chan_send(ctx, l->c, &l->value), 0);
    sn_chan_close(l->c);
    return 0;
}

/* Property: as many cases as are allowed work as few do: one channel in hundreds of cases, the last index, an array
 * of nothing but empty handles up to there. Interleaving: the select is parked in every queue hundreds of times when
 * a value and then a close come. */
static int most(sn_ctx *ctx, void *arg)
{
    enum { MOST = 65535, CHANS = 100 };
    sn_case *cases = calloc(MOST, sizeof *cases);
    int_chan c[CHANS];
    struct late late;
    sn_group g;
    int v, k;

    (void)arg;
    CHECK(cases);
    for (int i = 0; i < CHANS; i++)
        CHECK_EQ(sn_chan_make(&c[i], 0), 0);
    for (int i = 0; i < MOST; i++)
        cases[i] = sn_on_recv(c[i * 37 % CHANS], &v);
    late = (struct late){ c[62], 9 };
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, send_then_close, &late), 0);
    k = sn_select(ctx, cases, MOST);
    CHECK(k >= 0 && k < MOST);
    CHECK_EQ(k * 37 % CHANS, 62);
    CHECK_EQ(cases[k].err, 0);
    CHECK_EQ(v, 9);
    k = sn_select(ctx, cases, MOST);
    CHECK(k >= 0 && k < MOST);
    CHECK_EQ(k * 37 % CHANS, 62);
    CHECK_EQ(cases[k].err, SN_ECLOSED);
    CHECK_EQ(sn_group_wait(&g), 0);

    for (int i = 0; i < MOST; i++)
        cases[i] = i < MOST - 1 ? sn_on_recv(none, &v) : sn_on_recv(c[1], &v);
    CHECK_EQ(sn_select_try(cases, MOST), SN_EAGAIN);
    late = (struct late){ c[1], 10 };
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, send_then_close, &late), 0);
    CHECK_EQ(sn_select(ctx, cases, MOST), MOST - 1);
    CHECK_EQ(v, 10);
    CHECK_EQ(sn_select_priority(ctx, cases, MOST), MOST - 1);
    CHECK_EQ(cases[MOST - 1].err, SN_ECLOSED);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < CHANS; i++) {
        CHECK_EQ(sn_chan_try_send(c[i], &v), i == 62 || i == 1 ? SN_ECLOSED : SN_EAGAIN);
        sn_chan_free(c[i]);
    }
    free(cases);
    return 0;
}

TEST(as_many_cases_as_are_allowed)
{
    run_each(most, NULL);
}
