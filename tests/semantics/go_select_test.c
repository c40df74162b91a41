/* What select means in Go, restated: the properties that Go's test/chan/select*.go, doubleselect.go and the select
 * tests of src/runtime/chan_test.go are after. Each test names its property, the interleaving it wants and the Go
 * test it comes from. Where only luck can bring the interleaving about, the check holds in every other one too. */
#include "sn_test.h"

#include <malloc.h>
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

static void linger(uint64_t *rng, uint64_t most)
{
    for (uint64_t n = test_random(rng) % most; n > 0; n--)
        __asm__ volatile("");
}

/* `hits` of `trials` is no more than ten standard deviations from its expectation: wrong by chance once in 10^23. */
static void check_share(int hits, int trials, double share)
{
    double off = hits - trials * share;
    if (off * off > 100 * trials * share * (1 - share)) {
        fprintf(stderr, "%d of %d, where %.0f were expected\n", hits, trials, trials * share);
        test_failed();
    }
}

/* --- one task --- */

/* Sends over a and b until neither takes any more; a channel that took a value is replaced by the empty handle. */
static int send_once_each(int_chan a, int_chan b)
{
    int value = 1, sent = 0;

    for (;; value *= 2, sent++) {
        sn_case cases[] = { sn_on_send(a, &value), sn_on_send(b, &value) };
        int k = sn_select_try(cases, 2);
        if (k < 0) {
            CHECK_EQ(k, SN_EAGAIN);
            return sent;
        }
        CHECK_EQ(cases[k].err, 0);
        *(k == 0 ? &a : &b) = none;
    }
}

/* Property: an empty handle takes its case out of the select, whatever the channel it replaces could do.
 * Interleaving: none, one task. From test/chan/select.go. */
static int switched_off(sn_ctx *ctx, void *arg)
{
    int_chan a, b;
    int x, y;

    (void)arg;
    CHECK_EQ(sn_chan_make(&a, 2), 0); /* room for more than it may get */
    CHECK_EQ(sn_chan_make(&b, 2), 0);
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(send_once_each(a, b), 2);
        CHECK_EQ(sn_chan_len(a), 1);
        CHECK_EQ(sn_chan_recv(ctx, a, &x), 0);
        CHECK_EQ(sn_chan_recv(ctx, b, &y), 0);
        CHECK_EQ(x | y, 3);
        CHECK_EQ(send_once_each(a, none), 1);
        CHECK_EQ(send_once_each(none, b), 1);
        CHECK_EQ(send_once_each(none, none), 0);
        CHECK_EQ(sn_chan_recv(ctx, a, &x), 0);
        CHECK_EQ(sn_chan_recv(ctx, b, &y), 0);
        CHECK_EQ(x & y, 1);
    }
    sn_chan_free(a);
    sn_chan_free(b);
    return 0;
}

TEST(an_empty_handle_switches_a_case_off)
{
    run_each(switched_off, NULL);
}

enum { PLAIN, TRY, SELECT, PRIORITY, SELECT_TRY, FORMS };

/* One operation on c in one of five phrasings, with `n` cases that can never happen around it, of which `at` before
 * it. */
static void phrase(sn_ctx *ctx, int form, bool sends, int_chan c, int *value, const sn_case *decoys, int n, int at)
{
    sn_case cases[16];
    int k;

    switch (form) {
    case PLAIN:
        CHECK_EQ(sends ? sn_chan_send(ctx, c, value) : sn_chan_recv(ctx, c, value), 0);
        return;
    case TRY:
        CHECK_EQ(sends ? sn_chan_try_send(c, value) : sn_chan_try_recv(c, value), 0);
        return;
    default:
        for (int i = 0; i < n; i++)
            cases[i < at ? i : i + 1] = decoys[i];
        cases[at] = sends ? sn_on_send(c, value) : sn_on_recv(c, value);
        k = form == SELECT     ? sn_select(ctx, cases, (size_t)n + 1)
            : form == PRIORITY ? sn_select_priority(ctx, cases, (size_t)n + 1)
                               : sn_select_try(cases, (size_t)n + 1);
        CHECK_EQ(k, at);
        CHECK_EQ(cases[at].err, 0);
    }
}

/* Property: of all cases that one can write down, only the one that can happen does, in every form of select and at
 * every place in it; a value is neither read nor written for another. Interleaving: none, one task, but all
 * combinations. From test/chan/select4.go and select5.go. */
static int phrasings(sn_ctx *ctx, void *arg)
{
    int_chan c, idle;
    int n = 1, x, seven = 7;
    sn_ctx *live;

    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 1), 0);
    CHECK_EQ(sn_chan_make(&idle, 0), 0);
    CHECK_EQ(sn_ctx_with_cancel(&live, ctx), 0);
    const sn_case all[] = {
        sn_on_send(idle, &seven),     sn_on_recv(idle, (int *)NULL), /* written to: a crash */
        sn_on_send(none, (int *)NULL), sn_on_recv(none, (int *)NULL), sn_on_ctx(NULL), sn_on_ctx(live),
        sn_on_after(SN_SEC(3600)),
    };
    enum { ALL = sizeof all / sizeof *all };
    for (int set = 0; set < 1 << ALL; set++) {
        sn_case decoys[ALL];
        int count = 0;
        for (int i = 0; i < ALL; i++)
            if (set >> i & 1)
                decoys[count++] = all[i];
        CHECK_EQ(sn_select_try(decoys, (size_t)count), SN_EAGAIN);
        for (int form = 0; form < FORMS; form++)
            for (int at = 0; at <= (form < SELECT ? 0 : count); at++) {
                n++;
                CHECK_EQ(sn_chan_send(ctx, c, &n), 0);
                phrase(ctx, form, false, c, &x, decoys, count, at);
                CHECK_EQ(x, n++);
                phrase(ctx, form, true, c, &n, decoys, count, at);
                CHECK_EQ(sn_chan_recv(ctx, c, &x), 0);
                CHECK_EQ(x, n);
            }
    }
    CHECK_EQ(seven, 7);
    sn_ctx_free(live);
    sn_chan_free(c);
    sn_chan_free(idle);
    return 0;
}

TEST(only_the_case_that_can_happen_happens)
{
    run_each(phrasings, NULL);
}

/* Property: selects that are woken leave nothing behind, neither memory nor a place in the queue of the channel that
 * never was ready. Interleaving: a receiver that parks again and again on a channel where nothing ever comes. From
 * test/chan/select2.go. */
struct busy {
    int_chan c, idle;
    int n;
};

static int busy_sender(sn_ctx *ctx, void *arg)
{
    struct busy *b = arg;
    for (int i = 0; i < b->n; i++)
        CHECK_EQ(sn_chan_send(ctx, b->c, &i), 0);
    return 0;
}

static void busy_receiver(sn_ctx *ctx, struct busy *b)
{
    sn_group g;
    int v, never;

    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, busy_sender, b), 0);
    for (int i = 0; i < b->n; i++) {
        sn_case cases[] = { sn_on_recv(b->c, &v), sn_on_recv(b->idle, &never) };
        CHECK_EQ(sn_select(ctx, cases, 2), 0);
        CHECK_EQ(v, i);
    }
    CHECK_EQ(sn_group_wait(&g), 0);
}

static int no_memory(sn_ctx *ctx, void *arg)
{
    struct busy b = { .n = 5000 };
    size_t grown = SIZE_MAX;

    (void)arg;
    CHECK_EQ(sn_chan_make(&b.c, 0), 0);
    CHECK_EQ(sn_chan_make(&b.idle, 0), 0);
    for (int i = 0; i < 12 && grown > 1000; i++) { /* a worker takes some memory when it runs its first task, once */
        size_t before = mallinfo2().uordblks;
        busy_receiver(ctx, &b);
        size_t after = mallinfo2().uordblks;
        grown = after > before ? after - before : 0;
    }
    CHECK(grown <= 1000);
    CHECK_EQ(sn_chan_try_send(b.idle, &b.n), SN_EAGAIN);
    sn_chan_free(b.c);
    sn_chan_free(b.idle); /* panics if anybody is still in its queues */
    return 0;
}

TEST(selects_leave_nothing_behind)
{
    run_each(no_memory, NULL);
}

/* --- what blocks --- */

struct blocked {
    int_chan idle, full;
    int kind;
    bool cancelled; /* (atomic) */
};

enum { RECV_IDLE, SEND_IDLE, SEND_FULL, NO_CASES, EMPTY_RECV, EMPTY_SEND, EMPTY_BOTH, IDLE_CASES, FULL_CASE, ITSELF,
       ITSELF_TWICE, BACKGROUND, FOR_EVER, KINDS };

static int block(sn_ctx *ctx, void *arg)
{
    struct blocked *b = arg;
    int v = -1, one = 1, r;
    int_chan i = b->idle;
    sn_case cases[4];

    switch (b->kind) {
    case RECV_IDLE:
        r = sn_chan_recv(ctx, i, &v);
        break;
    case SEND_IDLE:
        r = sn_chan_send(ctx, i, &one);
        break;
    case SEND_FULL:
        r = sn_chan_send(ctx, b->full, &one);
        break;
    case NO_CASES:
        r = sn_select(ctx, cases, 0);
        break;
    case EMPTY_RECV:
        r = sn_select(ctx, (sn_case[]){ sn_on_recv(none, &v) }, 1);
        break;
    case EMPTY_SEND:
        r = sn_select(ctx, (sn_case[]){ sn_on_send(none, &one) }, 1);
        break;
    case EMPTY_BOTH:
        r = sn_select_priority(ctx, (sn_case[]){ sn_on_recv(none, &v), sn_on_send(none, &one), sn_on_ctx(NULL) }, 3);
        break;
    case IDLE_CASES:
        r = sn_select(ctx, (sn_case[]){ sn_on_recv(i, &v), sn_on_recv(none, &v) }, 2);
        break;
    case FULL_CASE:
        r = sn_select_priority(ctx, (sn_case[]){ sn_on_send(b->full, &one) }, 1);
        break;
    case ITSELF: /* not confused by seeing itself */
        r = sn_select(ctx, (sn_case[]){ sn_on_send(i, &one), sn_on_recv(i, &v) }, 2);
        break;
    case ITSELF_TWICE:
        cases[0] = cases[2] = sn_on_recv(i, &v);
        cases[1] = cases[3] = sn_on_send(i, &one);
        r = sn_select_priority(ctx, cases, 4);
        break;
    case BACKGROUND:
        r = sn_select(ctx, (sn_case[]){ sn_on_ctx(sn_background()) }, 1);
        break;
    default:
        r = sn_select(ctx, (sn_case[]){ sn_on_time(SN_FOREVER), sn_on_after(SN_FOREVER) }, 2);
        break;
    }
    CHECK(__atomic_load_n(&b->cancelled, __ATOMIC_ACQUIRE)); /* nothing but that ends it */
    CHECK_EQ(r, SN_ECANCELED);
    CHECK_EQ(v, -1);
    return 0;
}

/* Property: what cannot happen waits for as long as nothing changes, and waits in nobody's way. Interleaving: the
 * task is parked, and every other task with it, until its context ends. From test/chan/select3.go, the blocking
 * half. */
static int blocking(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int kind = 0; kind < KINDS; kind++) {
        struct blocked b = { .kind = kind };
        sn_group g;
        int v;
        CHECK_EQ(sn_chan_make(&b.idle, 0), 0);
        CHECK_EQ(sn_chan_make(&b.full, 1), 0);
        CHECK_EQ(sn_chan_send(ctx, b.full, &(int){ 5 }), 0);
        sn_group_init(&g, ctx);
        for (int i = 0; i < (kind < ITSELF ? 3 : 1) /* several of those could meet */; i++)
            CHECK_EQ(sn_group_go(&g, block, &b), 0);
        let_park(ctx);
        __atomic_store_n(&b.cancelled, true, __ATOMIC_RELEASE);
        sn_group_cancel(&g);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(sn_chan_try_send(b.idle, &v), SN_EAGAIN); /* nobody was left in its queues */
        CHECK_EQ(sn_chan_try_recv(b.idle, &v), SN_EAGAIN);
        CHECK_EQ(sn_chan_try_recv(b.full, &v), 0); /* only what was there before */
        CHECK_EQ(v, 5);
        CHECK_EQ(sn_chan_try_recv(b.full, &v), SN_EAGAIN);
        sn_chan_free(b.idle);
        sn_chan_free(b.full);
    }
    return 0;
}

TEST(what_cannot_happen_waits)
{
    run_each(blocking, NULL);
}

/* Property: what can happen does not wait, a closed channel in particular. Interleaving: none, one task; whatever
 * waits here waits for ever. From test/chan/select3.go, the other half; an empty handle outside a select is an error
 * in Sennit, and so is a send on a closed channel. */
static int not_blocking(sn_ctx *ctx, void *arg)
{
    int_chan c, closed;
    int v = -1;

    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 1), 0);
    CHECK_EQ(sn_chan_make(&closed, 0), 0);
    sn_chan_close(closed);
    CHECK_EQ(sn_chan_send(ctx, none, &v), SN_EINVAL);
    CHECK_EQ(sn_chan_recv(ctx, none, &v), SN_EINVAL);
    CHECK_EQ(sn_chan_try_recv(none, &v), SN_EINVAL);
    CHECK_EQ(sn_select_try(NULL, 0), SN_EAGAIN);
    CHECK_EQ(sn_select_try((sn_case[]){ sn_on_recv(none, &v), sn_on_send(none, &v) }, 2), SN_EAGAIN);
    for (int i = 0; i < 10; i++) {
        sn_case cases[] = { sn_on_recv(closed, &v), sn_on_send(closed, &i), sn_on_recv(none, &v) };
        CHECK_EQ(sn_chan_recv(ctx, closed, &v), SN_ECLOSED);
        CHECK_EQ(sn_chan_try_recv(closed, &v), SN_ECLOSED);
        CHECK_EQ(sn_chan_send(ctx, closed, &i), SN_ECLOSED);
        CHECK_EQ(sn_select(ctx, cases, 1), 0);
        CHECK_EQ(cases[0].err, SN_ECLOSED);
        CHECK_EQ(sn_select(ctx, cases + 1, 2), 0);
        CHECK_EQ(cases[1].err, SN_ECLOSED);
        CHECK_EQ(sn_select_priority(ctx, cases, 3), 0);
        cases[0] = sn_on_send(c, &i);
        CHECK_EQ(sn_select_try(cases, 1), 0);
        CHECK_EQ(cases[0].err, 0);
        cases[0] = sn_on_recv(c, &v);
        CHECK_EQ(sn_select_try(cases, 1), 0);
        CHECK_EQ(v, i);
    }
    sn_chan_free(c);
    sn_chan_free(closed);
    return 0;
}

TEST(what_can_happen_does_not_wait)
{
    run_each(not_blocking, NULL);
}

static int endless(sn_ctx *ctx, void *arg)
{
    int_chan *c = arg;
    int r;
    while ((r = sn_chan_send(ctx, *c, &(int){ 5 })) == 0)
        ;
    CHECK_EQ(r, SN_ECANCELED);
    return 0;
}

/* Property: a select over both directions of a channel on which somebody waits to send receives, and never serves
 * itself. Interleaving: a sender that is parked, or on its way to be. From test/chan/select8.go; its break has no
 * match in C. */
static int one_side(sn_ctx *ctx, void *arg)
{
    int_chan c;
    sn_group g;

    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 0), 0);
    CHECK_EQ(sn_select_try((sn_case[]){ sn_on_recv(c, &(int){ 0 }), sn_on_send(c, &(int){ 0 }) }, 2), SN_EAGAIN);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, endless, &c), 0);
    for (int i = 0; i < 1000; i++) {
        int v = 0, ten = 10;
        sn_case cases[] = { sn_on_send(c, &ten), sn_on_recv(c, &v), sn_on_send(c, &ten) };
        int k = i % 3 == 0 ? sn_select(ctx, cases, 3) : i % 3 == 1 ? sn_select_priority(ctx, cases, 3)
                                                                   : sn_select_try(cases, 3);
        if (i % 3 == 2 && k == SN_EAGAIN)
            continue;
        CHECK_EQ(k, 1);
        CHECK_EQ(v, 5);
    }
    sn_group_cancel(&g);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(c);
    return 0;
}

TEST(never_serves_itself)
{
    run_each(one_side, NULL);
}

/* --- pairs of one sender and one receiver --- */

struct handover {
    int_chan c, no_sender, no_receiver;
    int form, value;
};

/* Property: every way to receive takes over from every way to send. Interleaving: the receiver is parked first, or
 * the sender is, or neither. From test/chan/select7.go. */
static int take_over(sn_ctx *ctx, void *arg)
{
    struct handover *h = arg;
    sn_case cases[] = { sn_on_recv(h->c, &h->value), sn_on_recv(h->no_sender, &h->value), sn_on_after(SN_SEC(3600)) };
    int r;

    switch (h->form) {
    case 0:
        CHECK_EQ(sn_chan_recv(ctx, h->c, &h->value), 0);
        break;
    case 1:
        while ((r = sn_chan_try_recv(h->c, &h->value)) == SN_EAGAIN)
            sn_yield();
        CHECK_EQ(r, 0);
        break;
    case 2:
        CHECK_EQ(sn_select(ctx, cases, 1), 0);
        break;
    case 3:
        CHECK_EQ(sn_select(ctx, cases, 2), 0);
        break;
    case 4:
        CHECK_EQ(sn_select_priority(ctx, cases, 3), 0);
        break;
    default:
        while ((r = sn_select_try(cases, 2)) == SN_EAGAIN)
            sn_yield();
        CHECK_EQ(r, 0);
        break;
    }
    return 0;
}

static void hand_over(sn_ctx *ctx, struct handover *h, int form, const int *value)
{
    sn_case cases[] = { sn_on_send(h->no_receiver, value), sn_on_send(h->c, value), sn_on_after(SN_SEC(3600)) };
    int r;

    switch (form) {
    case 0:
        CHECK_EQ(sn_chan_send(ctx, h->c, value), 0);
        break;
    case 1:
        while ((r = sn_chan_try_send(h->c, value)) == SN_EAGAIN)
            sn_yield();
        CHECK_EQ(r, 0);
        break;
    case 2:
        CHECK_EQ(sn_select(ctx, cases + 1, 1), 0);
        break;
    case 3:
        CHECK_EQ(sn_select(ctx, cases, 2), 1);
        break;
    case 4:
        CHECK_EQ(sn_select_priority(ctx, cases, 3), 1);
        break;
    default:
        while ((r = sn_select_try(cases, 2)) == SN_EAGAIN)
            sn_yield();
        CHECK_EQ(r, 1);
        break;
    }
}

static int handovers(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int from = 0; from < 6; from++)
        for (int to = 0; to < 6; to++)
            for (int round = 0; round < 12; round++) {
                struct handover h = { .form = to };
                const int value = 1000 * from + 100 * to + round + 1;
                sn_group g;
                if ((from == 1 || from == 5) && (to == 1 || to == 5))
                    continue; /* two that only try can miss each other for ever */
                CHECK_EQ(sn_chan_make(&h.c, round % 4 == 3), 0);
                CHECK_EQ(sn_chan_make(&h.no_sender, 0), 0);
                CHECK_EQ(sn_chan_make(&h.no_receiver, 0), 0);
                sn_group_init(&g, ctx);
                CHECK_EQ(sn_group_go(&g, take_over, &h), 0);
                for (int i = 0; i < round % 3; i++)
                    sn_yield();
                hand_over(ctx, &h, from, &value);
                CHECK_EQ(sn_group_wait(&g), 0);
                CHECK_EQ(h.value, value);
                sn_chan_free(h.c);
                sn_chan_free(h.no_sender);
                sn_chan_free(h.no_receiver);
            }
    return 0;
}

TEST(every_way_to_send_meets_every_way_to_receive)
{
    run_each(handovers, NULL);
}

/* --- places in queues --- */

struct queue {
    int_chan c, wake, ack;
    int got; /* (atomic) a bit for each value */
};

static void got_value(struct queue *q, int v)
{
    CHECK((__atomic_fetch_or(&q->got, 1 << v, __ATOMIC_RELAXED) & 1 << v) == 0);
}

static int plain_waiter(sn_ctx *ctx, void *arg)
{
    struct queue *q = arg;
    int v;
    CHECK_EQ(sn_chan_recv(ctx, q->c, &v), 0);
    got_value(q, v);
    return 0;
}

static int leaving_waiter(sn_ctx *ctx, void *arg)
{
    struct queue *q = arg;
    int v = -1, w;
    sn_case cases[] = { sn_on_recv(q->c, &v), sn_on_recv(q->wake, &w), sn_on_recv(q->c, &v) };
    CHECK_EQ(sn_select(ctx, cases, 3), 1);
    CHECK_EQ(v, -1);
    CHECK_EQ(sn_chan_send(ctx, q->ack, &w), 0);
    return plain_waiter(ctx, q); /* and in again, at the end */
}

/* Property: a select that another case has woken leaves the queues of its failed cases whole, wherever in them it
 * stood, and may enter them again. Interleaving: all patterns of selects and plain receivers in one queue; the
 * selects leave, then the queue is served. With one worker the order in the queue is mostly that of the pattern.
 * From test/chan/select6.go and TestSelectDuplicateChannel. */
static int leave_queue(sn_ctx *ctx, void *arg)
{
    enum { N = 5 };

    (void)arg;
    for (int pattern = 0; pattern < 1 << N; pattern++) {
        struct queue q = { 0 };
        sn_group g;
        int v;
        CHECK_EQ(sn_chan_make(&q.c, 0), 0);
        CHECK_EQ(sn_chan_make(&q.wake, 0), 0);
        CHECK_EQ(sn_chan_make(&q.ack, 0), 0);
        sn_group_init(&g, ctx);
        for (int i = 0; i < N; i++) {
            CHECK_EQ(sn_group_go(&g, pattern >> i & 1 ? leaving_waiter : plain_waiter, &q), 0);
            sn_yield();
        }
        for (int i = 0; i < N; i++)
            if (pattern >> i & 1) {
                CHECK_EQ(sn_chan_send(ctx, q.wake, &i), 0);
                CHECK_EQ(sn_chan_recv(ctx, q.ack, &v), 0);
                CHECK_EQ(v, i);
            }
        for (int i = 0; i < N; i++)
            CHECK_EQ(sn_chan_send(ctx, q.c, &i), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(q.got, (1 << N) - 1);
        sn_chan_free(q.c);
        sn_chan_free(q.wake);
        sn_chan_free(q.ack);
    }
    return 0;
}

TEST(leaving_a_queue_keeps_it_whole)
{
    run_each(leave_queue, NULL);
}

struct popular {
    int_chan everybodys, own;
    int rounds;
};

static int fan(sn_ctx *ctx, void *arg)
{
    struct popular *p = arg;
    for (int i = 0; i < p->rounds; i++) {
        int v = -1, w = -1;
        sn_case cases[] = { sn_on_recv(p->everybodys, &w), sn_on_recv(p->own, &v) };
        CHECK_EQ(sn_select(ctx, cases, 2), 1);
        CHECK_EQ(v, i);
        CHECK_EQ(w, -1);
    }
    sn_case last = sn_on_recv(p->everybodys, &(int){ 0 });
    CHECK_EQ(sn_select(ctx, &last, 1), 0);
    CHECK_EQ(last.err, SN_ECLOSED);
    return 0;
}

/* Property: a channel that hundreds wait on stays right while they come and go in the middle of its queue.
 * Interleaving: each waiter is woken through a channel of its own, in an order that jumps about. From
 * BenchmarkChanPopular. */
static int popular(sn_ctx *ctx, void *arg)
{
    enum { N = 300, ROUNDS = 20 };
    struct popular *p = calloc(N, sizeof *p);
    int_chan c;
    sn_group g;

    (void)arg;
    CHECK(p);
    CHECK_EQ(sn_chan_make(&c, 0), 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < N; i++) {
        p[i] = (struct popular){ .everybodys = c, .rounds = ROUNDS };
        CHECK_EQ(sn_chan_make(&p[i].own, 0), 0);
        CHECK_EQ(sn_group_go(&g, fan, &p[i]), 0);
    }
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < N; i++)
            CHECK_EQ(sn_chan_send(ctx, p[i * 7 % N].own, &round), 0); /* 7 and 300 have no common factor */
    let_park(ctx);
    sn_chan_close(c);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < N; i++)
        sn_chan_free(p[i].own);
    sn_chan_free(c);
    free(p);
    return 0;
}

TEST(a_popular_channel)
{
    run_each(popular, NULL);
}

/* --- the same channel in several cases --- */

struct twice {
    int_chan c, d, e;
    int dups;
};

static int first_in_line(sn_ctx *ctx, void *arg)
{
    struct twice *t = arg;
    sn_case cases[65];
    int v[65];

    memset(v, 0, sizeof v);
    for (int i = 0; i < t->dups; i++)
        cases[i] = sn_on_recv(t->c, &v[i]);
    cases[t->dups] = sn_on_recv(t->d, &v[t->dups]);
    CHECK_EQ(sn_select(ctx, cases, (size_t)t->dups + 1), t->dups);
    for (int i = 0; i < t->dups; i++)
        CHECK_EQ(v[i], 0);
    return sn_chan_send(ctx, t->e, &v[t->dups]);
}

static int next_in_line(sn_ctx *ctx, void *arg)
{
    struct twice *t = arg;
    int v;
    CHECK_EQ(sn_chan_recv(ctx, t->c, &v), 0);
    CHECK_EQ(v, 8);
    return 0;
}

/* Property: one select may stand in a queue many times; when it goes, all its places go. Interleaving: the select is
 * first in the queue of c, a plain receiver after it; the select is woken through d; then somebody sends on c. From
 * TestSelectDuplicateChannel. */
static int many_places(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int dups = 1; dups <= 64; dups *= 2) {
        struct twice t = { .dups = dups };
        sn_group g;
        int v;
        CHECK_EQ(sn_chan_make(&t.c, 0), 0);
        CHECK_EQ(sn_chan_make(&t.d, 0), 0);
        CHECK_EQ(sn_chan_make(&t.e, 0), 0);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, first_in_line, &t), 0);
        let_park(ctx);
        CHECK_EQ(sn_group_go(&g, next_in_line, &t), 0);
        let_park(ctx);
        CHECK_EQ(sn_chan_send(ctx, t.d, &(int){ 7 }), 0);
        CHECK_EQ(sn_chan_recv(ctx, t.e, &v), 0);
        CHECK_EQ(v, 7);
        CHECK_EQ(sn_chan_send(ctx, t.c, &(int){ 8 }), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        sn_chan_free(t.c);
        sn_chan_free(t.d);
        sn_chan_free(t.e);
    }
    return 0;
}

TEST(many_places_in_one_queue)
{
    run_each(many_places, NULL);
}

struct targets {
    int_chan c, d;
    sn_chan_unit ready;
    bool dup;
};

/* Uses some of the stack below the caller, so that what is left there from before is overwritten. */
__attribute__((noinline)) static int scribble(int depth)
{
    volatile char junk[512];
    memset((char *)junk, depth, sizeof junk);
    return depth == 0 ? junk[7] : scribble(depth - 1) + junk[11];
}

static int hold_still(sn_ctx *ctx, void *arg)
{
    struct targets *t = arg;
    int v[6] = { 1, 2, 3, 4, 5, 6 };

    CHECK(scribble(20) > 0);
    CHECK_EQ(sn_chan_unit_send(ctx, t->ready), 0);
    sn_case cases[] = { sn_on_recv(t->c, &v[1]), sn_on_recv(t->dup ? t->c : none, &v[2]), sn_on_recv(t->d, &v[3]),
                        sn_on_recv(t->dup ? t->d : none, &v[4]) };
    int k = sn_select(ctx, cases, 4);
    CHECK(k == 2 || (k == 3 && t->dup));
    CHECK_EQ(cases[k].err, SN_ECLOSED);
    for (int i = 0; i < 6; i++)
        CHECK_EQ(v[i], i + 1);
    CHECK_EQ(sn_chan_unit_send(ctx, t->ready), 0);
    return 0;
}

/* Property: only the case that is chosen writes to its target, and a close writes nothing. Interleaving: two selects
 * are parked, one with every channel twice, when a channel is closed. From TestSelectStackAdjust: Sennit's stacks do
 * not move, but the pointers into them are the same. */
static int targets(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int round = 0; round < 20; round++) {
        struct targets t[2] = { { .dup = false }, { .dup = true } };
        sn_group g;
        CHECK_EQ(sn_chan_make(&t[0].c, (size_t)round % 2), 0);
        CHECK_EQ(sn_chan_make(&t[0].d, (size_t)round % 3), 0);
        t[1].c = t[0].c;
        t[1].d = t[0].d;
        sn_group_init(&g, ctx);
        for (int i = 0; i < 2; i++) {
            CHECK_EQ(sn_chan_unit_make(&t[i].ready, 0), 0);
            CHECK_EQ(sn_group_go(&g, hold_still, &t[i]), 0);
        }
        for (int i = 0; i < 2; i++)
            CHECK_EQ(sn_chan_unit_recv(ctx, t[i].ready), 0);
        let_park(ctx);
        sn_chan_close(t[0].d);
        for (int i = 0; i < 2; i++)
            CHECK_EQ(sn_chan_unit_recv(ctx, t[i].ready), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        for (int i = 0; i < 2; i++)
            sn_chan_free(t[i].ready);
        sn_chan_free(t[0].c);
        sn_chan_free(t[0].d);
    }
    return 0;
}

TEST(only_the_chosen_target_is_written)
{
    run_each(targets, NULL);
}

/* --- several tasks --- */

struct mux {
    int_chan in, out;
};

static int mux(sn_ctx *ctx, void *arg)
{
    struct mux *m = arg;
    int v, before = -1, r;

    while ((r = sn_chan_recv(ctx, m->in, &v)) == 0) {
        CHECK(v > before);
        before = v;
        CHECK_EQ(sn_chan_send(ctx, m->out, &v), 0);
    }
    CHECK_EQ(r, SN_ECLOSED);
    return 0;
}

enum { DOUBLES = 4, DOUBLE_VALUES = 4000 };

static int double_sender(sn_ctx *ctx, void *arg)
{
    struct mux *m = arg;

    for (int i = 0; i < DOUBLE_VALUES; i++) {
        sn_case cases[DOUBLES];
        for (int k = 0; k < DOUBLES; k++)
            cases[k] = sn_on_send(m[k].in, &i);
        int k = sn_select(ctx, cases, DOUBLES);
        CHECK(k >= 0 && k < DOUBLES);
        CHECK_EQ(cases[k].err, 0);
    }
    for (int k = 0; k < DOUBLES; k++)
        sn_chan_close(m[k].in);
    return 0;
}

static int double_feed(sn_ctx *ctx, void *arg)
{
    struct mux *m = arg;
    sn_group g;
    int r = 0;

    sn_group_init(&g, ctx);
    for (int k = 0; k < DOUBLES; k++)
        CHECK_EQ(sn_group_go(&g, mux, &m[k]), 0);
    CHECK_EQ(sn_group_go(&g, double_sender, m), 0);
    r = sn_group_wait(&g);
    sn_chan_close(m->out);
    return r;
}

/* Property: of the cases of one select exactly one happens. Interleaving: several receivers, each on a channel of
 * its own, go for the same parked sender at once. From test/chan/doubleselect.go. */
static int doubleselect(sn_ctx *ctx, void *arg)
{
    static bool seen[DOUBLE_VALUES];
    struct mux m[DOUBLES];
    int_chan out;
    sn_group g;
    int v, count = 0, r;

    (void)arg;
    memset(seen, 0, sizeof seen);
    CHECK_EQ(sn_chan_make(&out, 0), 0);
    for (int k = 0; k < DOUBLES; k++) {
        m[k].out = out;
        CHECK_EQ(sn_chan_make(&m[k].in, 0), 0);
    }
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, double_feed, m), 0);
    while ((r = sn_chan_recv(ctx, out, &v)) == 0) {
        CHECK(!seen[v]);
        seen[v] = true;
        count++;
    }
    CHECK_EQ(r, SN_ECLOSED);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(count, DOUBLE_VALUES);
    for (int k = 0; k < DOUBLES; k++)
        sn_chan_free(m[k].in);
    sn_chan_free(out);
    return 0;
}

TEST(exactly_one_case_happens)
{
    run_each(doubleselect, NULL);
}

enum { SELF_ROUNDS = 2000 };

struct self {
    int_chan c;
    int me;
    bool direct; /* no buffer: what one receives is the other's */
    int sent, received;
};

static int self(sn_ctx *ctx, void *arg)
{
    struct self *s = arg;

    for (int i = 0; i < SELF_ROUNDS; i++) {
        int v = -1, send = s->me == 0 || i % 2 == 0 ? 0 : 1;
        sn_case cases[2];
        cases[send] = sn_on_send(s->c, &s->me);
        cases[1 - send] = sn_on_recv(s->c, &v);
        int k = sn_select(ctx, cases, 2);
        CHECK(k == 0 || k == 1);
        CHECK_EQ(cases[k].err, 0);
        if (k == send)
            s->sent++;
        else
            s->received++;
        if (k != send)
            CHECK(s->direct ? v == 1 - s->me : v == 0 || v == 1);
        else
            CHECK_EQ(v, -1);
    }
    return 0;
}

/* Property: two selects over both directions of one channel serve each other and never themselves. Interleaving:
 * both are parked in both queues of the channel at once, in either order of cases. From TestSelfSelect. */
static int selves(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (size_t cap = 0; cap <= 10; cap += 10) {
        struct self s[2] = { { .me = 0 }, { .me = 1 } };
        int_chan c;
        sn_group g;
        CHECK_EQ(sn_chan_make(&c, cap), 0);
        sn_group_init(&g, ctx);
        for (int i = 0; i < 2; i++) {
            s[i].c = c;
            s[i].direct = cap == 0;
            CHECK_EQ(sn_group_go(&g, self, &s[i]), 0);
        }
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(s[0].sent + s[1].sent, s[0].received + s[1].received + (int)sn_chan_len(c));
        if (cap == 0)
            CHECK_EQ(s[0].sent, s[1].received);
        sn_chan_free(c);
    }
    return 0;
}

TEST(selects_serve_each_other)
{
    run_each(selves, NULL);
}

enum { STRESS_CHANS = 4, STRESS_VALUES = 1000 };

struct stress {
    int_chan c[STRESS_CHANS];
};

struct stress_one {
    int_chan c;
};

static int stress_send(sn_ctx *ctx, void *arg)
{
    struct stress_one *s = arg;
    for (int i = 0; i < STRESS_VALUES; i++)
        CHECK_EQ(sn_chan_send(ctx, s->c, &i), 0);
    return 0;
}

static int stress_recv(sn_ctx *ctx, void *arg)
{
    struct stress_one *s = arg;
    int v;
    for (int i = 0; i < STRESS_VALUES; i++)
        CHECK_EQ(sn_chan_recv(ctx, s->c, &v), 0);
    return 0;
}

/* STRESS_VALUES on each channel; one that is done is switched off. */
static void stress_select(sn_ctx *ctx, struct stress *s, bool sends, int step)
{
    int n[STRESS_CHANS] = { 0 }, v;

    for (int i = 0; i < STRESS_CHANS * STRESS_VALUES; i++) {
        sn_case cases[STRESS_CHANS];
        int channel[STRESS_CHANS];
        for (int k = 0; k < STRESS_CHANS; k++) {
            channel[k] = (k * step + 3) % STRESS_CHANS;
            int_chan c = n[channel[k]] < STRESS_VALUES ? s->c[channel[k]] : none;
            cases[k] = sends ? sn_on_send(c, &i) : sn_on_recv(c, &v);
        }
        int k = sn_select(ctx, cases, STRESS_CHANS);
        CHECK(k >= 0);
        CHECK_EQ(cases[k].err, 0);
        n[channel[k]]++;
    }
    for (int k = 0; k < STRESS_CHANS; k++)
        CHECK_EQ(n[k], STRESS_VALUES);
}

static int stress_select_send(sn_ctx *ctx, void *arg)
{
    stress_select(ctx, arg, true, 3);
    return 0;
}

static int stress_select_recv(sn_ctx *ctx, void *arg)
{
    stress_select(ctx, arg, false, 1);
    return 0;
}

/* Property: plain operations and selects mix on the same channels, and every one of them is served in the end.
 * Interleaving: as many as possible; the numbers are such that a lost wake-up leaves somebody standing for ever. From
 * TestSelectStress. */
static int stress(sn_ctx *ctx, void *arg)
{
    static const size_t caps[STRESS_CHANS] = { 0, 0, 2, 3 };
    struct stress s;
    struct stress_one one[STRESS_CHANS];
    sn_group g;

    (void)arg;
    sn_group_init(&g, ctx);
    for (int k = 0; k < STRESS_CHANS; k++)
        CHECK_EQ(sn_chan_make(&s.c[k], caps[k]), 0);
    CHECK_EQ(sn_group_go(&g, stress_select_send, &s), 0);
    for (int k = 0; k < STRESS_CHANS; k++) {
        one[k].c = s.c[k];
        CHECK_EQ(sn_group_go(&g, stress_send, &one[k]), 0);
        CHECK_EQ(sn_group_go(&g, stress_recv, &one[k]), 0);
    }
    CHECK_EQ(sn_group_go(&g, stress_select_recv, &s), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int k = 0; k < STRESS_CHANS; k++) {
        CHECK_EQ(sn_chan_len(s.c[k]), 0);
        CHECK_EQ(sn_chan_try_send(s.c[k], &(int){ 0 }), caps[k] ? 0 : SN_EAGAIN); /* no receiver is left */
        sn_chan_free(s.c[k]);
    }
    return 0;
}

TEST(plain_operations_and_selects_mix)
{
    run_each(stress, NULL);
}

/* --- fairness --- */

/* Property: of the cases that are ready each has the same chance, wherever it stands and whatever kind it is; a
 * channel in three of four cases is chosen three times out of four. Interleaving: none, one task. From
 * TestSelectFairness. */
static int fairness(sn_ctx *ctx, void *arg)
{
    enum { TRIALS = 8000 };
    int_chan full, room, closed, idle;
    sn_ctx *ended;
    int hits[8], v;

    (void)arg;
    CHECK_EQ(sn_chan_make(&full, TRIALS + 1), 0);
    CHECK_EQ(sn_chan_make(&room, TRIALS + 1), 0);
    CHECK_EQ(sn_chan_make(&closed, 0), 0);
    CHECK_EQ(sn_chan_make(&idle, 0), 0);
    CHECK_EQ(sn_ctx_with_cancel(&ended, ctx), 0);
    sn_ctx_cancel(ended);
    sn_chan_close(closed);
    for (int form = 0; form < 2; form++) {
        memset(hits, 0, sizeof hits);
        while (sn_chan_try_send(full, &(int){ 3 }) == 0)
            ;
        while (sn_chan_try_recv(room, &v) == 0)
            ;
        for (int i = 0; i < TRIALS; i++) { /* two idle ones together: a round from a random place favours who follows */
            sn_case cases[] = { sn_on_recv(idle, &v), sn_on_recv(full, &v),   sn_on_send(room, &i),
                                sn_on_send(idle, &i), sn_on_recv(idle, &v), sn_on_recv(closed, &v),
                                sn_on_ctx(ended),     sn_on_time(0) };
            int k = form == 0 ? sn_select(ctx, cases, 8) : sn_select_try(cases, 8);
            CHECK(k >= 0);
            hits[k]++;
        }
        for (int k = 0; k < 8; k++)
            check_share(hits[k], TRIALS, k == 0 || k == 3 || k == 4 ? 0 : 0.2);
    }

    memset(hits, 0, sizeof hits);
    for (int i = 0; i < TRIALS; i++) {
        sn_case cases[] = { sn_on_send(closed, &i), sn_on_recv(closed, &v), sn_on_time(0), sn_on_recv(closed, &v) };
        int k = sn_select(ctx, cases, 4);
        CHECK(k >= 0);
        hits[k == 2]++;
    }
    check_share(hits[0], TRIALS, 0.75);
    sn_ctx_free(ended);
    sn_chan_free(full);
    sn_chan_free(room);
    sn_chan_free(closed);
    sn_chan_free(idle);
    return 0;
}

TEST(ready_cases_have_the_same_chance)
{
    run_each(fairness, NULL);
}

enum { COINS = 2000 };

struct coins {
    int_chan c;
    int ones;
};

static int count_coins(sn_ctx *ctx, void *arg)
{
    struct coins *k = arg;
    for (int i = 0; i < COINS; i++) {
        int v = -1;
        sn_yield(); /* lets the sender park first, with one worker always */
        CHECK_EQ(sn_chan_recv(ctx, k->c, &v), 0);
        CHECK(v == 0 || v == 1);
        k->ones += v;
    }
    return 0;
}

static int coin_sender(sn_ctx *ctx, void *arg)
{
    struct coins *k = arg;
    for (int i = 0; i < COINS; i++) {
        sn_yield();
        CHECK_EQ(sn_chan_send(ctx, k->c, &i), 0);
    }
    return 0;
}

/* Property: a select that offers two values on one channel sends each about as often, whether it found a receiver or
 * the receiver found it. Interleaving: without a buffer the select is parked in the channel's queue twice when the
 * receiver comes. From TestPseudoRandomSend. */
static int random_sends(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (size_t cap = 0; cap <= COINS; cap += COINS) {
        struct coins k = { 0 };
        sn_group g;
        CHECK_EQ(sn_chan_make(&k.c, cap), 0);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, count_coins, &k), 0);
        for (int i = 0; i < COINS; i++) {
            sn_case cases[] = { sn_on_send(k.c, &(int){ 1 }), sn_on_send(k.c, &(int){ 0 }) };
            int chosen = sn_select(ctx, cases, 2);
            CHECK(chosen == 0 || chosen == 1);
        }
        CHECK_EQ(sn_group_wait(&g), 0);
        check_share(k.ones, COINS, 0.5);
        sn_chan_free(k.c);
    }
    return 0;
}

TEST(values_for_one_channel_have_the_same_chance)
{
    run_each(random_sends, NULL);
}

/* Property: the same for two receives from one channel. Interleaving: the select is parked when the sender comes.
 * The other half of TestPseudoRandomSend, which Go does not test. */
static int random_receives(sn_ctx *ctx, void *arg)
{
    struct coins k = { 0 };
    sn_group g;
    int v, seconds = 0;

    (void)arg;
    CHECK_EQ(sn_chan_make(&k.c, 0), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, coin_sender, &k), 0);
    for (int i = 0; i < COINS; i++) {
        sn_case cases[] = { sn_on_recv(k.c, &v), sn_on_recv(k.c, &v) };
        int chosen = sn_select(ctx, cases, 2);
        CHECK(chosen == 0 || chosen == 1);
        CHECK_EQ(v, i);
        seconds += chosen;
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    check_share(seconds, COINS, 0.5);
    sn_chan_free(k.c);
    return 0;
}

TEST(receives_from_one_channel_have_the_same_chance)
{
    run_each(random_receives, NULL);
}

/* --- at one moment --- */

enum { IDLE = 100, DUELS = 2000 };

/* One task changes a and b, the other looks at both in one select, with many idle channels between them: what the
 * select does with the channels one after the other takes time. */
struct duel {
    int_chan a, b, idle[IDLE];
    int begun, ended; /* (atomic) how often somebody came to the start and to the end */
    bool priority;
    int chosen;
    int v;
};

static int looker(sn_ctx *ctx, void *arg)
{
    struct duel *d = arg;
    uint64_t rng = test_seed();
    sn_case cases[IDLE + 2];

    for (int i = 1; i <= DUELS; i++) {
        meet(&d->begun, 4 * i - 2); /* a and b are there */
        cases[0] = sn_on_recv(d->a, &d->v);
        for (int k = 0; k < IDLE; k++)
            cases[k + 1] = sn_on_recv(d->idle[k], &d->v);
        cases[IDLE + 1] = sn_on_recv(d->b, &d->v);
        meet(&d->begun, 4 * i);
        linger(&rng, 200);
        d->chosen = d->priority ? sn_select_priority(ctx, cases, IDLE + 2) : sn_select_try(cases, IDLE + 2);
        meet(&d->ended, 2 * i);
    }
    return 0;
}

struct moves {
    bool a_is_full;       /* at first */
    bool priority;
    void (*change)(struct duel *);
    bool (*right)(int chosen);
};

static int one_moment(sn_ctx *ctx, void *arg)
{
    const struct moves *m = arg;
    struct duel *d = calloc(1, sizeof *d);
    uint64_t rng = test_seed() ^ 77;
    sn_group g;

    CHECK(d);
    d->priority = m->priority;
    for (int k = 0; k < IDLE; k++)
        CHECK_EQ(sn_chan_make(&d->idle[k], 0), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, looker, d), 0);
    for (int i = 1; i <= DUELS; i++) {
        CHECK_EQ(sn_chan_make(&d->a, 1), 0);
        CHECK_EQ(sn_chan_make(&d->b, 1), 0);
        if (m->a_is_full)
            CHECK_EQ(sn_chan_send(ctx, d->a, &i), 0);
        meet(&d->begun, 4 * i - 2);
        meet(&d->begun, 4 * i);
        linger(&rng, 3000);
        m->change(d);
        meet(&d->ended, 2 * i);
        CHECK(m->right(d->chosen));
        sn_chan_free(d->a);
        sn_chan_free(d->b);
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int k = 0; k < IDLE; k++)
        sn_chan_free(d->idle[k]);
    free(d);
    return 0;
}

static void pass_on(struct duel *d)
{
    int v;
    CHECK_EQ(sn_chan_try_send(d->b, &(int){ 1 }), 0);
    (void)sn_chan_try_recv(d->a, &v);
}

static void close_and_empty(struct duel *d)
{
    int v;
    sn_chan_close(d->b);
    (void)sn_chan_try_recv(d->a, &v);
}

static void one_then_the_other(struct duel *d)
{
    CHECK_EQ(sn_chan_try_send(d->a, &(int){ 1 }), 0);
    sn_chan_close(d->b);
}

static bool either(int chosen)
{
    return chosen == 0 || chosen == IDLE + 1;
}

static bool first(int chosen)
{
    return chosen == 0;
}

/* Property: a select that does not wait looks at its channels at one moment, not at one after the other: if at every
 * moment at least one of them is ready, it never answers that none is. Interleaving: b becomes ready, and only then
 * a ceases to be, while the select is on its way from b to a. From TestNonblockSelectRace. */
TEST(looks_at_one_moment)
{
    run_each(one_moment, &(struct moves){ .a_is_full = true, .change = pass_on, .right = either });
}

/* Property and interleaving: the same, with a close that makes b ready. From TestNonblockSelectRace2. */
TEST(looks_at_one_moment_and_sees_a_close)
{
    run_each(one_moment, &(struct moves){ .a_is_full = true, .change = close_and_empty, .right = either });
}

/* Property: the priority form takes the first of the cases that are ready at one moment. Interleaving: a, the first
 * case, becomes ready, and only then b, the last, while the select is on its way from a to b: at no moment was b
 * ready and a not. Go has no such form; the property is that of TestNonblockSelectRace. */
TEST(priority_is_that_of_one_moment)
{
    run_each(one_moment, &(struct moves){ .priority = true, .change = one_then_the_other, .right = first });
}

struct last_value {
    int_chan c;
    int got; /* (atomic) by how many */
};

static int try_taker(sn_ctx *ctx, void *arg)
{
    struct last_value *l = arg;
    int v = 0, r = sn_chan_try_recv(l->c, &v);

    (void)ctx;
    CHECK(r == 0 || r == SN_ECLOSED); /* never SN_EAGAIN */
    CHECK_EQ(v, r == 0 ? 11 : 0);
    __atomic_fetch_add(&l->got, r == 0, __ATOMIC_RELAXED);
    return 0;
}

/* Property: a channel with a value in it, or closed, is ready at every moment in between. Interleaving: one takes the
 * value without waiting while another closes the channel and then takes it. From TestNonblockRecvRace. */
static int last_value(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 2000; i++) {
        struct last_value l = { 0 };
        sn_group g;
        int v = 0, r;
        CHECK_EQ(sn_chan_make(&l.c, 1), 0);
        CHECK_EQ(sn_chan_send(ctx, l.c, &(int){ 11 }), 0);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, try_taker, &l), 0);
        if (i % 2)
            sn_yield();
        sn_chan_close(l.c);
        r = sn_chan_recv(ctx, l.c, &v);
        CHECK(r == 0 || r == SN_ECLOSED);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(l.got + (r == 0), 1);
        sn_chan_free(l.c);
    }
    return 0;
}

TEST(ready_until_the_last_value_is_taken)
{
    run_each(last_value, NULL);
}
