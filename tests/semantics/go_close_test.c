/* What close means while others send, receive and select: restated from the close cases of Go's TestChan
 * (src/runtime/chan_test.go), test/chan/select3.go and the rules of the language. In Sennit a send on a closed
 * channel answers SN_ECLOSED where Go panics, and closing twice is allowed; so more can be asked: of every single
 * send it is known whether it happened. Each test names its property and the interleaving it wants; every check
 * holds in any other one. */
#include "sn_test.h"

typedef sn_chan_of(int) int_chan;

/* Time for the others to get to where they park. It makes an interleaving likely; no check depends on it. */
static void let_park(sn_ctx *ctx)
{
    for (int i = 0; i < 10; i++)
        sn_yield();
    CHECK_EQ(sn_sleep(ctx, SN_US(200)), 0);
}

static void linger(uint64_t *rng, uint64_t most)
{
    for (uint64_t n = test_random(rng) % most; n > 0; n--) {
        if (n % 64 == 0)
            sn_yield();
        __asm__ volatile("");
    }
}

/* --- each value is delivered, or reported as not sent, and never both --- */

enum { SENDERS = 4, RECEIVERS = 3, EACH = 40, VALUES = SENDERS * EACH };

enum { NOT_TRIED, SENT, REFUSED, CANCELLED };

struct ledger {
    int_chan c, other;
    sn_ctx *limit;                   /* ends in the middle, in some rounds */
    unsigned char told[VALUES];      /* by the sender: one byte, one writer */
    int got[VALUES];                 /* (atomic) how often it was received */
    uint64_t seed;                   /* (atomic) */
    int next;                        /* (atomic) sender */
};

static int outcome(int r)
{
    CHECK(r == 0 || r == SN_ECLOSED || r == SN_ECANCELED);
    return r == 0 ? SENT : r == SN_ECLOSED ? REFUSED : CANCELLED;
}

/* One send, in one of the ways there are. */
static int send_somehow(struct ledger *l, sn_ctx *ctx, int way, const int *v)
{
    int idle, r, k;
    sn_case cases[] = { sn_on_recv(l->other, &idle), sn_on_send(l->c, v), sn_on_after(SN_SEC(3600)),
                        sn_on_send(l->c, v) };

    switch (way % 5) {
    case 0:
        return sn_chan_send(ctx, l->c, v);
    case 1:
        while ((r = sn_chan_try_send(l->c, v)) == SN_EAGAIN && sn_ctx_err(ctx) == 0)
            sn_yield();
        return r == SN_EAGAIN ? sn_ctx_err(ctx) : r;
    case 2:
        k = sn_select(ctx, cases, 2);
        break;
    case 3:
        k = sn_select_priority(ctx, cases, 4);
        break;
    default:
        k = sn_select(ctx, cases, 4); /* twice in the queue */
        break;
    }
    if (k < 0)
        return k;
    CHECK(k == 1 || k == 3);
    return cases[k].err;
}

static int ledger_send(sn_ctx *ctx, void *arg)
{
    struct ledger *l = arg;
    uint64_t rng = __atomic_add_fetch(&l->seed, 0x9E3779B97F4A7C15u, __ATOMIC_RELAXED) | 1;
    int me = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);

    (void)ctx;
    for (int i = 0; i < EACH; i++) {
        int v = me * EACH + i;
        l->told[v] = (unsigned char)outcome(send_somehow(l, l->limit, (int)(test_random(&rng) >> 20), &v));
        if (l->told[v] != SENT)
            break;
    }
    return 0;
}

static int ledger_recv(sn_ctx *ctx, void *arg)
{
    struct ledger *l = arg;
    uint64_t rng = __atomic_add_fetch(&l->seed, 0x9E3779B97F4A7C15u, __ATOMIC_RELAXED) | 1;
    int r;

    (void)ctx;
    for (;;) {
        int v = -1, idle, k = 0;
        sn_case cases[] = { sn_on_recv(l->c, &v), sn_on_recv(l->other, &idle), sn_on_recv(l->c, &v) };
        switch (test_random(&rng) >> 20 & 3) {
        case 0:
            r = sn_chan_recv(l->limit, l->c, &v);
            break;
        case 1:
            while ((r = sn_chan_try_recv(l->c, &v)) == SN_EAGAIN && sn_ctx_err(l->limit) == 0)
                sn_yield();
            r = r == SN_EAGAIN ? sn_ctx_err(l->limit) : r;
            break;
        case 2:
            k = sn_select(l->limit, cases, 3);
            r = k < 0 ? k : cases[k].err;
            break;
        default:
            k = sn_select_priority(l->limit, cases, 2);
            r = k < 0 ? k : cases[k].err;
            break;
        }
        CHECK(k != 1);
        if (outcome(r) != SENT) {
            CHECK_EQ(v, -1);
            return 0;
        }
        CHECK(v >= 0 && v < VALUES);
        __atomic_fetch_add(&l->got[v], 1, __ATOMIC_RELAXED);
    }
}

static int ledger(sn_ctx *ctx, void *arg)
{
    static const size_t caps[] = { 0, 1, 5 };
    struct ledger *l = malloc(sizeof *l);
    uint64_t rng = test_seed();
    int sent = 0, unsent = 0;

    (void)arg;
    CHECK(l);
    for (int round = 0; round < 120; round++) {
        bool ends = round % 4 == 3, closes = round % 8 != 7;
        sn_group g;
        int v;
        memset(l, 0, sizeof *l);
        l->seed = test_random(&rng);
        CHECK_EQ(sn_chan_make(&l->c, caps[round % 3]), 0);
        CHECK_EQ(sn_chan_make(&l->other, 0), 0);
        CHECK_EQ(sn_ctx_with_cancel(&l->limit, ctx), 0);
        sn_group_init(&g, ctx);
        for (int i = 0; i < SENDERS || i < RECEIVERS; i++) {
            if (i < SENDERS)
                CHECK_EQ(sn_group_go(&g, ledger_send, l), 0);
            if (i < RECEIVERS && round % 5)
                CHECK_EQ(sn_group_go(&g, ledger_recv, l), 0);
        }
        linger(&rng, 20000);
        if (closes)
            sn_chan_close(l->c);
        if (ends)
            sn_ctx_cancel(l->limit);
        CHECK_EQ(sn_group_wait(&g), 0);
        sn_chan_close(l->c);
        while (sn_chan_recv(ctx, l->c, &v) == 0)
            l->got[v]++;
        CHECK_EQ(sn_chan_len(l->c), 0);
        for (int i = 0; i < VALUES; i++) {
            CHECK_EQ(l->got[i], l->told[i] == SENT);
            sent += l->told[i] == SENT;
            unsent += l->told[i] != SENT;
        }
        sn_ctx_free(l->limit);
        sn_chan_free(l->other);
        sn_chan_free(l->c);
    }
    CHECK(sent > 0 && unsent > 0);
    free(l);
    return 0;
}

/* Property: a send that answers 0 was received, once; one that answers anything else never was. Interleaving:
 * senders and receivers, plain, trying and selecting, are parked or about to be when the channel is closed, the
 * context ends, or both at once. */
TEST(delivered_or_not_sent_never_both)
{
    run_each(ledger, NULL);
}

/* --- who waits when it is closed --- */

struct waiting {
    int_chan c, idle;
    bool sends;
    int way;
};

static int woken(sn_ctx *ctx, void *arg)
{
    struct waiting *w = arg;
    int v = 7, idle = 8, k = 0, r;
    sn_case c = w->sends ? sn_on_send(w->c, &v) : sn_on_recv(w->c, &v), i = sn_on_recv(w->idle, &idle);
    sn_case cases[] = { i, c, i, c, sn_on_after(SN_SEC(3600)) };

    switch (w->way) {
    case 0:
        r = w->sends ? sn_chan_send(ctx, w->c, &v) : sn_chan_recv(ctx, w->c, &v);
        break;
    case 1:
        k = sn_select(ctx, cases, 5);
        r = k < 0 ? k : cases[k].err;
        CHECK(k == 1 || k == 3);
        break;
    default:
        k = sn_select_priority(ctx, cases + 1, 1);
        r = k < 0 ? k : cases[k + 1].err;
        CHECK_EQ(k, 0);
        break;
    }
    CHECK_EQ(r, SN_ECLOSED);
    CHECK_EQ(v, 7);
    CHECK_EQ(idle, 8);
    for (int again = 0; again < 3; again++) /* for ever */
        CHECK_EQ(w->sends ? sn_chan_send(ctx, w->c, &v) : sn_chan_try_send(w->c, &v), SN_ECLOSED);
    return 0;
}

/* Property: a close wakes everybody who waits, once, with SN_ECLOSED: receivers of an empty channel, senders of a
 * full one. What is in the buffer stays and comes out first, in order; of what the senders had, nothing.
 * Interleaving: all are parked when the channel is closed. From TestChan ("close unblocks receive", "receive from
 * closed"). */
static int wakes(sn_ctx *ctx, void *arg)
{
    enum { WAITERS = 30 };

    (void)arg;
    for (int sends = 0; sends < 2; sends++)
        for (int cap = 0; cap < 4; cap++) {
            struct waiting w[WAITERS];
            int_chan c, idle;
            sn_group g;
            int v = -1;
            CHECK_EQ(sn_chan_make(&c, (size_t)cap), 0);
            CHECK_EQ(sn_chan_make(&idle, 0), 0);
            for (int i = 0; sends && i < cap; i++)
                CHECK_EQ(sn_chan_send(ctx, c, &i), 0);
            sn_group_init(&g, ctx);
            for (int i = 0; i < WAITERS; i++) {
                w[i] = (struct waiting){ c, idle, sends, i % 3 };
                CHECK_EQ(sn_group_go(&g, woken, &w[i]), 0);
            }
            let_park(ctx);
            sn_chan_close(c);
            CHECK_EQ(sn_chan_send(ctx, c, &v), SN_ECLOSED); /* even though there may be room */
            for (int i = 0; sends && i < cap; i++) {
                if (i % 2) {
                    CHECK_EQ(sn_chan_recv(ctx, c, &v), 0);
                } else {
                    sn_case cases[] = { sn_on_recv(c, &v) };
                    CHECK_EQ(sn_select(ctx, cases, 1), 0);
                    CHECK_EQ(cases[0].err, 0);
                }
                CHECK_EQ(v, i);
                CHECK_EQ(sn_chan_len(c), cap - 1 - i);
                CHECK_EQ(sn_chan_try_send(c, &v), SN_ECLOSED); /* nor is there any now */
            }
            v = 5;
            CHECK_EQ(sn_chan_recv(ctx, c, &v), SN_ECLOSED);
            CHECK_EQ(v, 5);
            CHECK_EQ(sn_group_wait(&g), 0);
            CHECK_EQ(sn_chan_try_recv(c, &v), SN_ECLOSED);
            sn_chan_free(c);
            CHECK_EQ(sn_chan_try_send(idle, &v), SN_EAGAIN);
            sn_chan_free(idle);
        }
    return 0;
}

TEST(close_wakes_all_who_wait_and_keeps_the_buffer)
{
    run_each(wakes, NULL);
}

static int close_it(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    sn_chan_close(*(int_chan *)arg);
    return 0;
}

struct drain {
    int_chan c;
    int n, ends; /* (atomic) */
};

static int drainer(sn_ctx *ctx, void *arg)
{
    struct drain *d = arg;
    int v, r;
    while ((r = sn_chan_recv(ctx, d->c, &v)) == 0)
        __atomic_fetch_add(&d->n, 1, __ATOMIC_RELAXED);
    CHECK_EQ(r, SN_ECLOSED);
    __atomic_fetch_add(&d->ends, 1, __ATOMIC_RELAXED);
    return 0;
}

/* Property: closing is idempotent, however many do it at once. Interleaving: eight closers and eight receivers of
 * what is left start together. (Go panics at the second close.) */
static int many_closers(sn_ctx *ctx, void *arg)
{
    enum { N = 8 };

    (void)arg;
    for (int round = 0; round < 150; round++) {
        struct drain d = { .n = 0 };
        sn_group g;
        CHECK_EQ(sn_chan_make(&d.c, (size_t)round % 7), 0);
        for (int i = 0; i < round % 7; i++)
            CHECK_EQ(sn_chan_send(ctx, d.c, &i), 0);
        sn_group_init(&g, ctx);
        for (int i = 0; i < N; i++) {
            CHECK_EQ(sn_group_go(&g, round % 2 ? close_it : drainer, round % 2 ? (void *)&d.c : (void *)&d), 0);
            CHECK_EQ(sn_group_go(&g, round % 2 ? drainer : close_it, round % 2 ? (void *)&d : (void *)&d.c), 0);
        }
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(d.n, round % 7);
        CHECK_EQ(d.ends, N);
        sn_chan_free(d.c);
    }
    return 0;
}

TEST(many_close_at_once)
{
    run_each(many_closers, NULL);
}

/* Property: a channel may be freed as soon as somebody has seen that it is closed, while the close still goes on.
 * Interleaving: the receiver is parked, or comes between the close and its end, and frees at once. */
static int free_closed(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 2000; i++) {
        int_chan c;
        sn_group g;
        int v, r;
        CHECK_EQ(sn_chan_make(&c, 0), 0);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, close_it, &c), 0);
        switch (i % 3) {
        case 0:
            CHECK_EQ(sn_chan_recv(ctx, c, &v), SN_ECLOSED);
            break;
        case 1:
            while ((r = sn_chan_try_send(c, &i)) == SN_EAGAIN)
                sn_yield();
            CHECK_EQ(r, SN_ECLOSED);
            break;
        default: {
            sn_case cases[] = { sn_on_send(c, &i), sn_on_after(SN_SEC(3600)) };
            CHECK_EQ(sn_select(ctx, cases, 2), 0);
            CHECK_EQ(cases[0].err, SN_ECLOSED);
        }
        }
        sn_chan_free(c);
        CHECK_EQ(sn_group_wait(&g), 0);
    }
    return 0;
}

TEST(freed_as_soon_as_seen_closed)
{
    run_each(free_closed, NULL);
}

struct ring {
    int_chan c[5];
    sn_chan_unit closed; /* who has closed which is known through this */
};

static int ring_closer(sn_ctx *ctx, void *arg)
{
    struct ring *r = arg;
    uint64_t rng = test_seed();
    for (int i = 0; i < 5; i++) {
        linger(&rng, 300);
        sn_chan_close(r->c[i]);
        CHECK_EQ(sn_chan_unit_send(ctx, r->closed), 0);
    }
    return 0;
}

/* Property: a select sees each of its channels close, one after the other, in any direction; one that is closed
 * stays ready until it is switched off. Interleaving: the select goes on over fewer and fewer channels while they
 * are closed. */
static int one_by_one(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int round = 0; round < 200; round++) {
        const int_chan none = { 0 };
        struct ring ring;
        sn_group g;
        int v = 4, left = 5, announced = 0;
        sn_case cases[6];
        for (int i = 0; i < 5; i++)
            CHECK_EQ(sn_chan_make(&ring.c[i], 0), 0);
        CHECK_EQ(sn_chan_unit_make(&ring.closed, 0), 0);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, ring_closer, &ring), 0);
        for (int i = 0; i < 5; i++)
            cases[i] = i % 2 ? sn_on_send(ring.c[i], &v) : sn_on_recv(ring.c[i], &v);
        cases[5] = sn_on_unit_recv(ring.closed);
        while (left > 0 || announced < 5) {
            int k = round % 2 ? sn_select(ctx, cases, 6) : sn_select_priority(ctx, cases, 6);
            CHECK(k >= 0 && k < 6);
            if (k == 5) {
                CHECK_EQ(cases[5].err, 0);
                announced++;
                continue;
            }
            CHECK_EQ(cases[k].err, SN_ECLOSED);
            CHECK(k <= announced); /* the closer goes on only when it has been heard */
            if (test_random(&(uint64_t){ (uint64_t)(round + 1) * 77 + (uint64_t)left }) % 4)
                CHECK_EQ(sn_chan_try_recv(ring.c[k], &v), SN_ECLOSED);
            cases[k] = sn_on_recv(none, &v);
            left--;
        }
        CHECK_EQ(v, 4);
        CHECK_EQ(sn_group_wait(&g), 0);
        for (int i = 0; i < 5; i++)
            sn_chan_free(ring.c[i]);
        sn_chan_free(ring.closed);
    }
    return 0;
}

TEST(closed_one_by_one)
{
    run_each(one_by_one, NULL);
}

struct last {
    int_chan c;
    int n;
};

static int send_and_close(sn_ctx *ctx, void *arg)
{
    struct last *l = arg;
    for (int i = 0; i < l->n; i++) {
        sn_case cases[] = { sn_on_send(l->c, &i) };
        if (i % 2) {
            CHECK_EQ(sn_chan_send(ctx, l->c, &i), 0);
        } else {
            CHECK_EQ(sn_select(ctx, cases, 1), 0);
            CHECK_EQ(cases[0].err, 0);
        }
    }
    sn_chan_close(l->c);
    return 0;
}

/* Property: who sends and then closes has sent everything: the end comes after the last value, for whoever waits and
 * however it waits. Interleaving: the close comes while the receiver is still busy with the last value, or is
 * parked. */
static int ends_last(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int round = 0; round < 300; round++) {
        struct last l = { .n = round % 12 };
        sn_group g;
        int next = 0, r = 0;
        CHECK_EQ(sn_chan_make(&l.c, (size_t)round % 5), 0);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, send_and_close, &l), 0);
        while (r == 0) {
            int v = -1, k;
            sn_case cases[] = { sn_on_recv(l.c, &v), sn_on_recv(l.c, &v) };
            if (round % 3 == 0) {
                r = sn_chan_recv(ctx, l.c, &v);
            } else if (round % 3 == 1) {
                k = sn_select(ctx, cases, 2);
                CHECK(k == 0 || k == 1);
                r = cases[k].err;
            } else {
                while ((r = sn_chan_try_recv(l.c, &v)) == SN_EAGAIN)
                    sn_yield();
            }
            CHECK_EQ(v, r == 0 ? next++ : -1);
        }
        CHECK_EQ(r, SN_ECLOSED);
        CHECK_EQ(next, l.n);
        CHECK_EQ(sn_group_wait(&g), 0);
        sn_chan_free(l.c);
    }
    return 0;
}

TEST(the_end_comes_after_the_last_value)
{
    run_each(ends_last, NULL);
}
