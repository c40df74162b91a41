/* What channels mean in Go, restated: the properties that Go's test/chan/fifo.go, goroutines.go, nonblock.go,
 * sendstmt.go and zerosize.go, src/runtime/chan_test.go and the channel part of Go's memory model are after. Each
 * test names its property, the interleaving it wants and where it comes from. Where only luck can bring the
 * interleaving about, the check holds in every other one too. test/chan/perm.go, on directions, has no match:
 * Sennit's handles have none. */
#include "sn_test.h"

typedef sn_chan_of(int) int_chan;

/* Time for the others to get to where they park. It makes an interleaving likely; no check depends on it. */
static void let_park(sn_ctx *ctx)
{
    for (int i = 0; i < 10; i++)
        sn_yield();
    CHECK_EQ(sn_sleep(ctx, SN_US(200)), 0);
}

/* Uses some of the stack below the caller, so that what is left there from before is overwritten. */
__attribute__((noinline)) static int scribble(int depth)
{
    volatile char junk[512];
    memset((char *)junk, depth + 1, sizeof junk);
    return depth == 0 ? junk[7] : scribble(depth - 1) + junk[11];
}

/* --- one channel, all capacities --- */

struct one {
    int_chan c;
    int value;
    bool done; /* (atomic) */
};

static int receive_one(sn_ctx *ctx, void *arg)
{
    struct one *o = arg;
    CHECK_EQ(sn_chan_recv(ctx, o->c, &o->value), 0);
    __atomic_store_n(&o->done, true, __ATOMIC_RELEASE);
    return 0;
}

static int send_one(sn_ctx *ctx, void *arg)
{
    struct one *o = arg;
    CHECK_EQ(sn_chan_send(ctx, o->c, &o->value), 0);
    __atomic_store_n(&o->done, true, __ATOMIC_RELEASE);
    return 0;
}

/* Property: an empty channel gives nothing to those who wait nor to those who try, whatever its capacity.
 * Interleaving: two receivers are parked when somebody tries, and then two values come. From TestChan. */
static int empty_gives_nothing(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (size_t cap = 0; cap < 12; cap++) {
        struct one o[2] = { { .value = -1 }, { .value = -1 } };
        sn_group g;
        int v = -1;
        CHECK_EQ(sn_chan_make(&o[0].c, cap), 0);
        o[1].c = o[0].c;
        sn_group_init(&g, ctx);
        for (int i = 0; i < 2; i++)
            CHECK_EQ(sn_group_go(&g, receive_one, &o[i]), 0);
        let_park(ctx);
        CHECK_EQ(sn_chan_try_recv(o[0].c, &v), SN_EAGAIN);
        CHECK_EQ(sn_select_try((sn_case[]){ sn_on_recv(o[0].c, &v) }, 1), SN_EAGAIN);
        CHECK_EQ(v, -1);
        for (int i = 0; i < 2; i++)
            CHECK(!__atomic_load_n(&o[i].done, __ATOMIC_ACQUIRE));
        CHECK_EQ(sn_chan_send(ctx, o[0].c, &(int){ 10 }), 0);
        CHECK_EQ(sn_chan_send(ctx, o[0].c, &(int){ 20 }), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(o[0].value + o[1].value, 30);
        CHECK(o[0].value == 10 || o[0].value == 20);
        sn_chan_free(o[0].c);
    }
    return 0;
}

TEST(an_empty_channel_gives_nothing)
{
    run_each(empty_gives_nothing, NULL);
}

/* Property: a full channel takes nothing, and a sender that waits is behind everything in the buffer. Interleaving:
 * the sender is parked when somebody tries; a receiver makes room by one. From TestChan. */
static int full_takes_nothing(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int cap = 0; cap < 12; cap++) {
        struct one o = { .value = 99 };
        sn_group g;
        int v, zero = 0;
        CHECK_EQ(sn_chan_make(&o.c, (size_t)cap), 0);
        for (int i = 0; i < cap; i++)
            CHECK_EQ(sn_chan_try_send(o.c, &i), 0);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, send_one, &o), 0);
        let_park(ctx);
        CHECK(!__atomic_load_n(&o.done, __ATOMIC_ACQUIRE));
        CHECK_EQ(sn_chan_len(o.c), cap);
        if (cap > 0) /* without a buffer the sender that waits makes no difference to who tries to send */
            CHECK_EQ(sn_select_try((sn_case[]){ sn_on_send(o.c, &zero) }, 1), SN_EAGAIN);
        CHECK_EQ(sn_chan_try_send(o.c, &zero), SN_EAGAIN);
        for (int i = 0; i <= cap; i++) {
            CHECK_EQ(sn_chan_recv(ctx, o.c, &v), 0);
            CHECK_EQ(v, i < cap ? i : 99);
        }
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(sn_chan_try_recv(o.c, &v), SN_EAGAIN);
        sn_chan_free(o.c);
    }
    return 0;
}

TEST(a_full_channel_takes_nothing)
{
    run_each(full_takes_nothing, NULL);
}

/* Property: len and cap say what is in the buffer, at every step round the ring more than once. Interleaving: none,
 * one task. From TestChan. */
static int lengths(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (size_t cap = 0; cap < 20; cap++) {
        int_chan c;
        int in = 0, out = 0, v;
        CHECK_EQ(sn_chan_make(&c, cap), 0);
        for (int step = 1; step < 100; step++) { /* up and down by changing amounts */
            for (int n = step * 7 % 11; n > 0; n--)
                if (in - out < (int)cap) {
                    CHECK_EQ(sn_chan_send(ctx, c, &in), 0);
                    in++;
                } else {
                    CHECK_EQ(sn_chan_try_send(c, &in), SN_EAGAIN);
                }
            CHECK_EQ(sn_chan_len(c), in - out);
            for (int n = step * 5 % 13; n > 0; n--)
                if (in > out) {
                    CHECK_EQ(sn_chan_recv(ctx, c, &v), 0);
                    CHECK_EQ(v, out++);
                } else {
                    CHECK_EQ(sn_chan_try_recv(c, &v), SN_EAGAIN);
                }
            CHECK_EQ(sn_chan_len(c), in - out);
            CHECK_EQ(sn_chan_cap(c), cap);
        }
        CHECK(cap == 0 || in > 2 * (int)cap); /* more than once round */
        sn_chan_free(c);
    }
    return 0;
}

TEST(lengths_round_the_ring)
{
    run_each(lengths, NULL);
}

enum { CROWD = 4, CROWD_VALUES = 400 };

struct crowd {
    int_chan c;
    sn_chan_of(int *) histograms;
};

static int crowd_send(sn_ctx *ctx, void *arg)
{
    struct crowd *w = arg;
    for (int i = 0; i < CROWD_VALUES; i++)
        CHECK_EQ(sn_chan_send(ctx, w->c, &i), 0);
    return 0;
}

static int crowd_recv(sn_ctx *ctx, void *arg)
{
    struct crowd *w = arg;
    int *seen = calloc(CROWD_VALUES, sizeof *seen), v;

    CHECK(seen);
    for (int i = 0; i < CROWD_VALUES; i++) {
        CHECK_EQ(sn_chan_recv(ctx, w->c, &v), 0);
        CHECK(v >= 0 && v < CROWD_VALUES);
        CHECK(sn_chan_len(w->c) <= sn_chan_cap(w->c));
        seen[v]++;
    }
    CHECK_EQ(sn_chan_send(ctx, w->histograms, &seen), 0); /* and with it who owns the memory */
    return 0;
}

/* Property: of several equal streams into one channel each value comes out as often as it went in. Interleaving: four
 * senders and four receivers at once. From TestChan. */
static int crowd(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (size_t cap = 0; cap < 8; cap++) {
        struct crowd w;
        sn_group g;
        int total[CROWD_VALUES] = { 0 }, *seen;
        CHECK_EQ(sn_chan_make(&w.c, cap), 0);
        CHECK_EQ(sn_chan_make(&w.histograms, 0), 0);
        sn_group_init(&g, ctx);
        for (int i = 0; i < CROWD; i++) {
            CHECK_EQ(sn_group_go(&g, crowd_send, &w), 0);
            CHECK_EQ(sn_group_go(&g, crowd_recv, &w), 0);
        }
        for (int i = 0; i < CROWD; i++) {
            CHECK_EQ(sn_chan_recv(ctx, w.histograms, &seen), 0);
            for (int v = 0; v < CROWD_VALUES; v++)
                total[v] += seen[v];
            free(seen);
        }
        CHECK_EQ(sn_group_wait(&g), 0);
        for (int v = 0; v < CROWD_VALUES; v++)
            CHECK_EQ(total[v], CROWD);
        sn_chan_free(w.c);
        sn_chan_free(w.histograms);
    }
    return 0;
}

TEST(each_value_as_often_as_it_was_sent)
{
    run_each(crowd, NULL);
}

/* --- order --- */

enum { STREAMS = 5, STREAM_LENGTH = 800 };

struct numbered {
    int stream, number;
};

typedef sn_chan_of(struct numbered) numbered_chan;

struct stream {
    numbered_chan c;
    int stream;
};

static int stream_send(sn_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    for (int i = 0; i < STREAM_LENGTH; i++) {
        struct numbered n = { s->stream, i };
        CHECK_EQ(sn_chan_send(ctx, s->c, &n), 0);
    }
    return 0;
}

static int stream_recv(sn_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    int before[STREAMS], r, count = 0;
    struct numbered n;

    memset(before, -1, sizeof before);
    while ((r = sn_chan_recv(ctx, s->c, &n)) == 0) {
        CHECK(n.number > before[n.stream]);
        before[n.stream] = n.number;
        count++;
    }
    CHECK_EQ(r, SN_ECLOSED);
    return count;
}

/* A receiver's count, added up: a group returns errors only. */
static int stream_count(sn_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    __atomic_fetch_add(&s->stream, stream_recv(ctx, s), __ATOMIC_RELAXED);
    return 0;
}

/* Property: what one task sends arrives in that order, whoever else sends and however many receive: each receiver
 * sees of each stream a rising part. Interleaving: all senders and receivers at once, with values handed over
 * directly, through the buffer, and from a parked sender into the buffer. From test/chan/fifo.go and TestChan. */
static int streams(sn_ctx *ctx, void *arg)
{
    static const size_t caps[] = { 0, 1, 3, 64 };

    (void)arg;
    for (size_t i = 0; i < sizeof caps / sizeof *caps; i++)
        for (int receivers = 1; receivers <= 3; receivers += 2) {
            struct stream in[STREAMS], out = { .stream = 0 };
            sn_group senders, takers;
            CHECK_EQ(sn_chan_make(&out.c, caps[i]), 0);
            sn_group_init(&takers, ctx);
            sn_group_init(&senders, ctx);
            for (int k = 0; k < receivers; k++)
                CHECK_EQ(sn_group_go(&takers, stream_count, &out), 0);
            for (int k = 0; k < STREAMS; k++) {
                in[k] = (struct stream){ out.c, k };
                CHECK_EQ(sn_group_go(&senders, stream_send, &in[k]), 0);
            }
            CHECK_EQ(sn_group_wait(&senders), 0);
            sn_chan_close(out.c);
            CHECK_EQ(sn_group_wait(&takers), 0);
            CHECK_EQ(out.stream, STREAMS * STREAM_LENGTH);
            sn_chan_free(out.c);
        }
    return 0;
}

TEST(each_stream_arrives_in_order)
{
    run_each(streams, NULL);
}

struct link {
    int_chan c;
    sn_chan_unit in, out;
    int index;
};

static int take_in_turn(sn_ctx *ctx, void *arg)
{
    struct link *l = arg;
    int v;
    CHECK_EQ(sn_chan_unit_recv(ctx, l->in), 0);
    CHECK_EQ(sn_chan_recv(ctx, l->c, &v), 0);
    CHECK_EQ(v, l->index);
    CHECK_EQ(sn_chan_unit_send(ctx, l->out), 0);
    return 0;
}

/* Property: without a buffer too values arrive in order, if the receivers take turns. Interleaving: a chain of
 * tasks, each receives once its neighbour has. From test/chan/fifo.go. */
static int chain(sn_ctx *ctx, void *arg)
{
    enum { N = 50 };
    struct link links[N];
    sn_chan_unit turns[N + 1];
    sn_group g;
    int_chan c;

    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 0), 0);
    for (int i = 0; i <= N; i++)
        CHECK_EQ(sn_chan_unit_make(&turns[i], 0), 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < N; i++) {
        links[i] = (struct link){ c, turns[i], turns[i + 1], i };
        CHECK_EQ(sn_group_go(&g, take_in_turn, &links[i]), 0);
    }
    CHECK_EQ(sn_chan_unit_send(ctx, turns[0]), 0);
    for (int i = 0; i < N; i++)
        CHECK_EQ(sn_chan_send(ctx, c, &i), 0);
    CHECK_EQ(sn_chan_unit_recv(ctx, turns[N]), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i <= N; i++)
        sn_chan_free(turns[i]);
    sn_chan_free(c);
    return 0;
}

TEST(receivers_in_turn_see_the_values_in_order)
{
    run_each(chain, NULL);
}

struct waiter {
    int_chan c, other;
    sn_ctx *ctx;  /* under which it waits */
    int index;
    int outcome;
    bool selects, sends;
    bool begun;
};

enum { BY_CHANNEL = 1, BY_OTHER, BY_CONTEXT };

/* Waits in a queue of c, by itself or in a select with another channel. */
static int wait_in_line(sn_ctx *ctx, void *arg)
{
    struct waiter *w = arg;
    int v = w->index, k, r;

    (void)ctx;
    w->begun = true; /* with one worker nobody else runs until it is parked */
    if (w->selects) {
        sn_case cases[] = { w->sends ? sn_on_send(w->c, &v) : sn_on_recv(w->c, &v), sn_on_recv(w->other, &(int){ 0 }) };
        k = sn_select(w->ctx, cases, 2);
        w->outcome = k == 0 ? BY_CHANNEL : k == 1 ? BY_OTHER : BY_CONTEXT;
        CHECK(k >= 0 || k == SN_ECANCELED);
    } else {
        r = w->sends ? sn_chan_send(w->ctx, w->c, &v) : sn_chan_recv(w->ctx, w->c, &v);
        CHECK(r == 0 || r == SN_ECANCELED);
        w->outcome = r == 0 ? BY_CHANNEL : BY_CONTEXT;
    }
    if (w->outcome == BY_CHANNEL && !w->sends)
        CHECK_EQ(v, w->index); /* the sender numbers the values by who should get them */
    return 0;
}

/* Property: who waits longest is served first: receivers and senders, plain and in selects, also when some of those
 * ahead have left (through another channel, or because their context ended), and behind what is in the buffer.
 * Interleaving: one worker, so that they park in the order in which they were started; every third leaves by its
 * context, and the first nine selects through the other channel. From test/chan/fifo.go and the queues of
 * TestSelectDuplicateChannel. */
static int line_up(sn_ctx *ctx, bool sends, size_t cap)
{
    enum { N = 60, LEAVERS = 9 };
    struct waiter w[N];
    int want[N];
    sn_ctx *leaving;
    sn_group g;
    int_chan c, other;
    int v;

    CHECK_EQ(sn_chan_make(&c, cap), 0);
    CHECK_EQ(sn_chan_make(&other, 0), 0);
    CHECK_EQ(sn_ctx_with_cancel(&leaving, ctx), 0);
    for (int i = 0; sends && i < (int)cap; i++)
        CHECK_EQ(sn_chan_send(ctx, c, &(int){ -1 - i }), 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < N; i++) {
        w[i] = (struct waiter){ c, other, i % 3 == 1 ? leaving : ctx, i, 0, i % 2 || i % 5 == 2, sends, false };
        CHECK_EQ(sn_group_go(&g, wait_in_line, &w[i]), 0);
        while (!w[i].begun)
            sn_yield();
    }
    sn_ctx_cancel(leaving);
    for (int i = 0; i < LEAVERS; i++) /* who waits longest on the other channel is served first there too */
        CHECK_EQ(sn_chan_send(ctx, other, &i), 0);
    for (int i = 0; sends && i < (int)cap; i++) {
        CHECK_EQ(sn_chan_recv(ctx, c, &v), 0);
        CHECK_EQ(v, -1 - i);
    }
    for (int i = 0, left = 0; i < N; i++) {
        want[i] = i % 3 == 1 ? BY_CONTEXT : w[i].selects && left < LEAVERS ? (left++, BY_OTHER) : BY_CHANNEL;
        if (want[i] != BY_CHANNEL)
            continue;
        if (sends) {
            CHECK_EQ(sn_chan_recv(ctx, c, &v), 0);
            CHECK_EQ(v, i);
        } else {
            CHECK_EQ(sn_chan_send(ctx, c, &i), 0);
        }
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < N; i++)
        CHECK_EQ(w[i].outcome, want[i]);
    CHECK_EQ(sn_chan_try_recv(c, &v), SN_EAGAIN);
    sn_ctx_free(leaving);
    sn_chan_free(c);
    sn_chan_free(other);
    return 0;
}

static int lines(sn_ctx *ctx, void *arg)
{
    (void)arg;
    return line_up(ctx, false, 0) + line_up(ctx, false, 4) + line_up(ctx, true, 0) + line_up(ctx, true, 4);
}

TEST(who_waits_longest_is_served_first)
{
    CHECK_EQ(sn_run(lines, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

/* --- elements --- */

enum { MOST = 5000, FENCE = 64, FENCE_BYTE = 0xA5 };

struct element {
    sn_rawchan *c;
    size_t size;
    unsigned char tag;
    bool select;
};

static void fill(unsigned char *p, size_t size, unsigned char tag)
{
    for (size_t i = 0; i < size; i++)
        p[i] = (unsigned char)(tag + i * 31 + i / 256);
}

/* What was received is in the middle, and nothing around it was touched. */
static void check_fenced(const unsigned char *fenced, size_t size, unsigned char tag)
{
    unsigned char want[MOST];

    fill(want, size, tag);
    CHECK(memcmp(fenced + FENCE, want, size) == 0);
    for (int i = 0; i < FENCE; i++)
        CHECK(fenced[i] == FENCE_BYTE && fenced[FENCE + size + (size_t)i] == FENCE_BYTE);
}

static int element_send(sn_ctx *ctx, void *arg)
{
    struct element *e = arg;
    unsigned char value[MOST];

    fill(value, e->size, e->tag);
    CHECK_EQ(sn_rawchan_send(ctx, e->c, value), 0);
    return 0;
}

static int element_recv(sn_ctx *ctx, void *arg)
{
    struct element *e = arg;
    unsigned char fenced[MOST + 2 * FENCE];

    memset(fenced, FENCE_BYTE, sizeof fenced);
    CHECK_EQ(sn_rawchan_recv(ctx, e->c, fenced + FENCE), 0);
    check_fenced(fenced, e->size, e->tag);
    return 0;
}

/* Property: a value of any size arrives whole and nothing beside it is written, whether it goes to somebody who
 * waits, comes from somebody who waits, or lies in the buffer in between; and trying to do so succeeds as soon as
 * the other one waits. Interleaving: the receiver parked first, then the sender parked first. From
 * test/chan/nonblock.go. */
static int elements(sn_ctx *ctx, void *arg)
{
    static const size_t sizes[] = { 0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 24, 63, 64, 65, 255, 1000, 4096, MOST };
    unsigned char value[MOST], fenced[MOST + 2 * FENCE];

    (void)arg;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t cap = 0; cap < 4; cap++) {
            struct element e = { .size = sizes[i], .tag = (unsigned char)(17 * i + cap) };
            sn_group g;
            int r;
            CHECK_EQ(sn_rawchan_make(&e.c, e.size, cap), 0);
            CHECK_EQ(sn_rawchan_try_recv(e.c, value), SN_EAGAIN);
            fill(value, e.size, e.tag);

            sn_group_init(&g, ctx);
            CHECK_EQ(sn_group_go(&g, element_recv, &e), 0);
            while ((r = sn_rawchan_try_send(e.c, value)) == SN_EAGAIN)
                sn_yield();
            CHECK_EQ(r, 0);
            CHECK_EQ(sn_group_wait(&g), 0);

            sn_group_init(&g, ctx);
            CHECK_EQ(sn_group_go(&g, element_send, &e), 0);
            memset(fenced, FENCE_BYTE, sizeof fenced);
            while ((r = sn_rawchan_try_recv(e.c, fenced + FENCE)) == SN_EAGAIN)
                sn_yield();
            CHECK_EQ(r, 0);
            check_fenced(fenced, e.size, e.tag);
            CHECK_EQ(sn_group_wait(&g), 0);

            for (unsigned char k = 0; k < cap; k++) {
                fill(value, e.size, k);
                CHECK_EQ(sn_rawchan_send(ctx, e.c, value), 0);
            }
            e.tag = (unsigned char)cap;
            sn_group_init(&g, ctx);
            CHECK_EQ(sn_group_go(&g, element_send, &e), 0); /* waits behind a full buffer */
            for (unsigned char k = 0; k <= cap; k++) {
                memset(fenced, FENCE_BYTE, sizeof fenced);
                CHECK_EQ(sn_rawchan_recv(ctx, e.c, fenced + FENCE), 0);
                check_fenced(fenced, e.size, k);
            }
            CHECK_EQ(sn_group_wait(&g), 0);
            sn_rawchan_free(e.c);
        }
    return 0;
}

TEST(elements_of_any_size_arrive_whole)
{
    run_each(elements, NULL);
}

struct gate {
    sn_chan_unit slots;
    int inside, entered; /* (atomic) */
};

static int unit_worker(sn_ctx *ctx, void *arg)
{
    struct gate *g = arg;

    for (int i = 0; i < 200; i++) {
        CHECK_EQ(sn_chan_unit_send(ctx, g->slots), 0);
        int n = __atomic_add_fetch(&g->inside, 1, __ATOMIC_ACQ_REL);
        CHECK(n >= 1 && n <= (int)sn_chan_cap(g->slots));
        __atomic_fetch_add(&g->entered, 1, __ATOMIC_RELAXED);
        if (i % 3 == 0)
            sn_yield();
        __atomic_fetch_sub(&g->inside, 1, __ATOMIC_ACQ_REL);
        CHECK_EQ(sn_chan_unit_recv(ctx, g->slots), 0);
    }
    return 0;
}

/* Property: a channel without elements still counts. Interleaving: more tasks than slots, each of which yields
 * inside. From test/chan/zerosize.go and BenchmarkChanSem. */
static int units(sn_ctx *ctx, void *arg)
{
    struct gate g = { .inside = 0 };
    sn_chan_unit u;
    sn_group group;

    (void)arg;
    for (size_t cap = 0; cap < 3; cap++) {
        sn_case cases[2];
        CHECK_EQ(sn_chan_unit_make(&u, cap), 0);
        cases[0] = sn_on_unit_recv(u);
        cases[1] = sn_on_unit_send(u);
        for (size_t i = 0; i < cap; i++)
            CHECK_EQ(sn_select_try(cases + 1, 1), 0);
        CHECK_EQ(sn_chan_unit_try_send(u), SN_EAGAIN);
        CHECK_EQ(sn_chan_len(u), cap);
        for (size_t i = 0; i < cap; i++)
            CHECK_EQ(sn_select_try(cases, 1), 0);
        CHECK_EQ(sn_chan_unit_try_recv(u), SN_EAGAIN);
        sn_chan_close(u);
        CHECK_EQ(sn_chan_unit_recv(ctx, u), SN_ECLOSED);
        sn_chan_free(u);
    }
    CHECK_EQ(sn_chan_unit_make(&g.slots, 3), 0);
    sn_group_init(&group, ctx);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(sn_group_go(&group, unit_worker, &g), 0);
    CHECK_EQ(sn_group_wait(&group), 0);
    CHECK_EQ(g.entered, 1600);
    CHECK_EQ(sn_chan_len(g.slots), 0);
    sn_chan_free(g.slots);
    return 0;
}

TEST(units_count)
{
    run_each(units, NULL);
}

typedef sn_chan_of(int_chan) chan_chan;

static int answerer(sn_ctx *ctx, void *arg)
{
    chan_chan *questions = arg;
    int_chan reply;
    int n = 0, r;

    while ((r = sn_chan_recv(ctx, *questions, &reply)) == 0)
        CHECK_EQ(sn_chan_send(ctx, reply, &(int){ ++n }), 0);
    CHECK_EQ(r, SN_ECLOSED);
    return 0;
}

/* Property: a channel can travel through a channel and be used by whoever received it. Interleaving: each question
 * brings the channel for its own answer, and is freed when that has come. From test/chan/sendstmt.go. */
static int channels(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (size_t cap = 0; cap < 2; cap++) {
        chan_chan questions;
        sn_group g;
        CHECK_EQ(sn_chan_make(&questions, cap), 0);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, answerer, &questions), 0);
        for (int i = 1; i <= 500; i++) {
            int_chan mine;
            int v = 0;
            CHECK_EQ(sn_chan_make(&mine, (size_t)i % 2), 0);
            CHECK_EQ(sn_chan_send(ctx, questions, &mine), 0);
            CHECK_EQ(sn_chan_recv(ctx, mine, &v), 0);
            CHECK_EQ(v, i);
            sn_chan_free(mine);
        }
        sn_chan_close(questions);
        CHECK_EQ(sn_group_wait(&g), 0);
        sn_chan_free(questions);
    }
    return 0;
}

TEST(channels_travel_through_channels)
{
    run_each(channels, NULL);
}

/* --- stacks --- */

struct parcel {
    int number;
    unsigned char bytes[300];
};

typedef sn_chan_of(struct parcel) parcel_chan;

static void pack(struct parcel *p, int number)
{
    p->number = number;
    memset(p->bytes, number * 13 + 1, sizeof p->bytes);
}

static void check_parcel(const struct parcel *p, int number)
{
    CHECK_EQ(p->number, number);
    for (size_t i = 0; i < sizeof p->bytes; i++)
        CHECK_EQ(p->bytes[i], (unsigned char)(number * 13 + 1));
}

__attribute__((noinline)) static void send_from_depth(sn_ctx *ctx, parcel_chan c, int number, int depth)
{
    struct parcel before, p, after;

    pack(&before, -1);
    pack(&p, number);
    pack(&after, -2);
    if (depth > 0) {
        send_from_depth(ctx, c, number, depth - 1);
    } else if (number % 2) {
        CHECK_EQ(sn_chan_send(ctx, c, &p), 0);
    } else {
        sn_case cases[] = { sn_on_send(c, &p), sn_on_after(SN_SEC(3600)) };
        CHECK_EQ(sn_select(ctx, cases, 2), 0);
    }
    check_parcel(&before, -1);
    check_parcel(&p, number);
    check_parcel(&after, -2);
}

enum { PARCELS = 60 };

static int deep_sender(sn_ctx *ctx, void *arg)
{
    parcel_chan *c = arg;
    for (int i = 0; i < PARCELS; i++) {
        send_from_depth(ctx, *c, i, i % 7 * 5);
        CHECK(scribble(60) > 0); /* a lot of stack, for a moment */
    }
    return 0;
}

__attribute__((noinline)) static void receive_at_depth(sn_ctx *ctx, parcel_chan c, int number, int depth)
{
    struct parcel before, p, after;

    pack(&before, -1);
    pack(&after, -2);
    if (depth > 0) {
        receive_at_depth(ctx, c, number, depth - 1);
    } else if (number % 3) {
        CHECK_EQ(sn_chan_recv(ctx, c, &p), 0);
        check_parcel(&p, number);
    } else {
        sn_case cases[] = { sn_on_after(SN_SEC(3600)), sn_on_recv(c, &p) };
        CHECK_EQ(sn_select(ctx, cases, 2), 1);
        check_parcel(&p, number);
    }
    check_parcel(&before, -1);
    check_parcel(&after, -2);
}

static int deep_receiver(sn_ctx *ctx, void *arg)
{
    parcel_chan *c = arg;
    for (int i = 0; i < PARCELS; i++) {
        receive_at_depth(ctx, *c, i, i % 5 * 8);
        CHECK(scribble(60) > 0);
        if (i % 4 == 0)
            sn_yield(); /* time for the sender to park again */
    }
    return 0;
}

/* Property: values may lie on the stack of a task that is parked, at any depth; a peer copies them from one stack to
 * another and touches nothing else. Interleaving: now the sender waits, now the receiver, with the stacks used
 * otherwise in between. From TestShrinkStackDuringBlockedSend and TestNoShrinkStackWhileParking. */
static int stacks(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (size_t cap = 0; cap < 3; cap += 2) {
        parcel_chan c[4];
        sn_group g;
        sn_group_init(&g, ctx);
        for (int i = 0; i < 4; i++) {
            CHECK_EQ(sn_chan_make(&c[i], cap), 0);
            CHECK_EQ(sn_group_go(&g, deep_sender, &c[i]), 0);
            CHECK_EQ(sn_group_go(&g, deep_receiver, &c[i]), 0);
        }
        CHECK_EQ(sn_group_wait(&g), 0);
        for (int i = 0; i < 4; i++)
            sn_chan_free(c[i]);
    }
    return 0;
}

TEST(values_on_the_stacks_of_parked_tasks)
{
    run_each(stacks, NULL);
}

/* --- what is seen --- */

struct request {
    int number;
    char *text;
};

typedef sn_chan_of(struct request *) request_chan;

struct asking {
    request_chan c;
    sn_chan_unit never;
    int number;
};

/* Makes a request in fresh memory and sends the pointer; the receiver frees it, perhaps before this returns. */
static int respond(sn_ctx *ctx, void *arg)
{
    struct asking a = *(struct asking *)arg;
    struct request *r = malloc(sizeof *r);

    CHECK(r && (r->text = malloc(32)));
    r->number = a.number;
    (void)snprintf(r->text, 32, "request %d", a.number);
    if (a.number % 2) {
        CHECK_EQ(sn_chan_send(ctx, a.c, &r), 0);
    } else {
        sn_case cases[] = { sn_on_send(a.c, &r), sn_on_unit_recv(a.never) };
        CHECK_EQ(sn_select(ctx, cases, 2), 0);
    }
    return 0;
}

static int ask_often(sn_ctx *ctx, void *arg)
{
    struct asking a = { .number = 0 };
    char want[32];

    (void)arg;
    for (int i = 0; i < 150; i++) {
        struct request *r;
        sn_group g;
        CHECK_EQ(sn_chan_make(&a.c, 0), 0);
        CHECK_EQ(sn_chan_unit_make(&a.never, 0), 0);
        a.number = i;
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, respond, &a), 0);
        CHECK_EQ(sn_chan_recv(ctx, a.c, &r), 0);
        sn_yield();
        (void)snprintf(want, sizeof want, "request %d", i);
        CHECK_EQ(r->number, i);
        CHECK(strcmp(r->text, want) == 0);
        free(r->text);
        free(r);
        CHECK_EQ(sn_group_wait(&g), 0);
        sn_chan_free(a.c);
        sn_chan_free(a.never);
    }
    return 0;
}

/* Property: whoever receives a pointer sees what was written behind it before the send, by a plain send and by a
 * select. Interleaving: the sender is new each time and may meet the receiver parked or not. From
 * TestChanSendBarrier, TestChanSendSelectBarrier, TestChanSendInterface and test/chan/powser2.go (values behind
 * pointers). */
static int barrier(sn_ctx *ctx, void *arg)
{
    sn_group g;

    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 6; i++)
        CHECK_EQ(sn_group_go(&g, ask_often, NULL), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    return 0;
}

TEST(what_was_written_before_a_send_is_seen)
{
    run_each(barrier, NULL);
}

/* Plain memory that the channels must keep apart: ThreadSanitizer would report a race, and the numbers would be
 * wrong. */
struct shared {
    sn_chan_unit c, back;
    long counter;
    int cell;
    int slots[4];
};

static int locked_adder(sn_ctx *ctx, void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < 500; i++) {
        CHECK_EQ(sn_chan_unit_send(ctx, s->c), 0); /* capacity 1: locks */
        long n = s->counter;
        if (i % 50 == 0)
            sn_yield();
        s->counter = n + 1;
        CHECK_EQ(sn_chan_unit_recv(ctx, s->c), 0); /* unlocks */
    }
    return 0;
}

static int write_then_receive(sn_ctx *ctx, void *arg)
{
    struct shared *s = arg;
    for (int i = 1; i <= 500; i++) {
        s->cell = i;
        CHECK_EQ(sn_chan_unit_recv(ctx, s->c), 0);
        CHECK_EQ(sn_chan_unit_recv(ctx, s->back), 0);
    }
    return 0;
}

static int write_then_close(sn_ctx *ctx, void *arg)
{
    struct shared *s = arg;
    (void)ctx;
    s->cell = 77;
    sn_chan_close(s->c);
    return 0;
}

static int slot_filler(sn_ctx *ctx, void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(sn_chan_unit_send(ctx, s->back), 0); /* the send of value k + 4 completes after the receive of k */
        s->slots[i % 4] = i;
        CHECK_EQ(sn_chan_unit_send(ctx, s->c), 0);
    }
    return 0;
}

/* Property: the memory model. The k-th receive happens before the send of value k + cap completes (a channel of
 * capacity 1 is a mutex, one of capacity n a semaphore, and without a buffer the receive happens before the send
 * completes); a close happens before the receive that sees it. Interleaving: as it comes; the accesses in between
 * are plain ones. From Go's memory model, "Channel communication". */
static int memory_model(sn_ctx *ctx, void *arg)
{
    struct shared s = { .counter = 0 };
    sn_group g;

    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&s.c, 1), 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(sn_group_go(&g, locked_adder, &s), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(s.counter, 4000);
    sn_chan_free(s.c);

    CHECK_EQ(sn_chan_unit_make(&s.c, 0), 0);
    CHECK_EQ(sn_chan_unit_make(&s.back, 0), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, write_then_receive, &s), 0);
    for (int i = 1; i <= 500; i++) {
        CHECK_EQ(sn_chan_unit_send(ctx, s.c), 0);
        CHECK_EQ(s.cell, i);
        CHECK_EQ(sn_chan_unit_send(ctx, s.back), 0);
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(s.back);

    CHECK_EQ(sn_chan_unit_make(&s.back, 4), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, slot_filler, &s), 0);
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(sn_chan_unit_recv(ctx, s.c), 0);
        CHECK_EQ(s.slots[i % 4], i);
        CHECK_EQ(sn_chan_unit_recv(ctx, s.back), 0);
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(s.back);
    sn_chan_free(s.c);

    for (int i = 0; i < 100; i++) {
        s.cell = 0;
        CHECK_EQ(sn_chan_unit_make(&s.c, (size_t)i % 2), 0);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, write_then_close, &s), 0);
        CHECK_EQ(sn_chan_unit_recv(ctx, s.c), SN_ECLOSED);
        CHECK_EQ(s.cell, 77);
        CHECK_EQ(sn_group_wait(&g), 0);
        sn_chan_free(s.c);
    }
    return 0;
}

TEST(the_memory_model)
{
    run_each(memory_model, NULL);
}

/* --- many tasks --- */

struct relay {
    int_chan left, right;
};

static int relay(sn_ctx *ctx, void *arg)
{
    struct relay *r = arg;
    int v;
    CHECK_EQ(sn_chan_recv(ctx, r->right, &v), 0);
    v++;
    CHECK_EQ(sn_chan_send(ctx, r->left, &v), 0);
    return 0;
}

/* Property: thousands of tasks, each waiting for its neighbour, and one value that passes through them all.
 * Interleaving: all are parked when it starts, and each is woken by the one before. From test/chan/goroutines.go. */
static int relays(sn_ctx *ctx, void *arg)
{
    enum { N = 3000 };
    int_chan *c = calloc(N + 1, sizeof *c);
    sn_group g;
    int v = 0;

    (void)arg;
    CHECK(c);
    sn_group_init(&g, ctx);
    for (int i = 0; i <= N; i++)
        CHECK_EQ(sn_chan_make(&c[i], 0), 0);
    for (int i = 0; i < N; i++) {
        struct relay r = { c[i], c[i + 1] };
        CHECK_EQ(sn_group_go_copy(&g, relay, &r), 0);
    }
    CHECK_EQ(sn_chan_send(ctx, c[N], &v), 0);
    CHECK_EQ(sn_chan_recv(ctx, c[0], &v), 0);
    CHECK_EQ(v, N);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i <= N; i++)
        sn_chan_free(c[i]);
    free(c);
    return 0;
}

TEST(a_value_through_thousands_of_tasks)
{
    run_each(relays, NULL);
}

enum { CONSUMERS = 23, JOBS = 20000 };

static const int primes[] = { 2, 3, 7, 11, 13, 17, 19, 23, 27, 31 };

struct factory {
    int_chan jobs, results;
    int next; /* (atomic) consumer */
};

static int consumer(sn_ctx *ctx, void *arg)
{
    struct factory *f = arg;
    int me = __atomic_fetch_add(&f->next, 1, __ATOMIC_RELAXED) % 10, v, r;

    while ((r = sn_chan_recv(ctx, f->jobs, &v)) == 0) {
        if (v == primes[me])
            sn_yield(); /* each has one kind of job that it dawdles over */
        CHECK_EQ(sn_chan_send(ctx, f->results, &v), 0);
    }
    CHECK_EQ(r, SN_ECLOSED);
    return 0;
}

static int feeder(sn_ctx *ctx, void *arg)
{
    struct factory *f = arg;
    sn_group g;

    sn_group_init(&g, ctx);
    for (int i = 0; i < CONSUMERS; i++)
        CHECK_EQ(sn_group_go(&g, consumer, f), 0);
    for (int i = 0; i < JOBS; i++)
        CHECK_EQ(sn_chan_send(ctx, f->jobs, &primes[i % 10]), 0);
    sn_chan_close(f->jobs);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_close(f->results); /* there can be no more */
    return 0;
}

/* Property: closing in stages loses nothing: all jobs are done before the results end. Interleaving: the channel of
 * jobs is closed while consumers still wait, work and send. From TestMultiConsumer. */
static int factory(sn_ctx *ctx, void *arg)
{
    struct factory f = { .next = 0 };
    int counts[32] = { 0 }, v, r, n = 0;
    sn_group g;

    (void)arg;
    CHECK_EQ(sn_chan_make(&f.jobs, 3 * CONSUMERS), 0);
    CHECK_EQ(sn_chan_make(&f.results, 3 * CONSUMERS), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, feeder, &f), 0);
    while ((r = sn_chan_recv(ctx, f.results, &v)) == 0) {
        counts[v]++;
        n++;
    }
    CHECK_EQ(r, SN_ECLOSED);
    CHECK_EQ(n, JOBS);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(counts[primes[i]], JOBS / 10);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(f.jobs);
    sn_chan_free(f.results);
    return 0;
}

TEST(closing_in_stages_loses_nothing)
{
    run_each(factory, NULL);
}
