/* Whole programs of Go's test suite, restated: what they compute is known, so that one value lost, doubled or out of
 * order shows. Each test names its property and the interleaving it wants. */
#include "sn_test.h"

typedef sn_chan_of(int) int_chan;

static const int_chan none = { 0 };

/* --- the sieve that is really that of Eratosthenes (test/chan/sieve2.go) --- */

enum { MOST_STREAMS = 64 };

/* A task's output, and from where it counts in what steps. */
struct progression {
    int_chan out;
    int first, step;
};

static int progression(sn_ctx *ctx, void *arg)
{
    struct progression *p = arg;
    for (int n = p->first; sn_chan_send(ctx, p->out, &n) == 0; n += p->step)
        ;
    return 0;
}

struct sieve {
    int_chan candidates, composites, found, primes, out;
};

/* Everything from `in` goes to `out`, in order, and `in` never has to wait: an unbounded queue, made of a select in
 * which the output takes part only while there is something to put out. */
struct proxy {
    int_chan in, out;
};

static int proxy(sn_ctx *ctx, void *arg)
{
    struct proxy *p = arg;
    size_t room = 4, head = 0, count = 0;
    int *queue = malloc(room * sizeof *queue), v, k;

    CHECK(queue);
    for (;;) {
        sn_case cases[] = { sn_on_recv(p->in, &v), sn_on_send(count > 0 ? p->out : none, (const int *)&queue[head]) };
        if ((k = sn_select(ctx, cases, 2)) < 0)
            break;
        if (k == 1) {
            head = (head + 1) % room;
            count--;
            continue;
        }
        if (count == room) { /* unrolled into the upper half */
            CHECK((queue = realloc(queue, 2 * room * sizeof *queue)) != NULL);
            memcpy(queue + room, queue, head * sizeof *queue);
            room *= 2;
        }
        queue[(head + count++) % room] = v;
    }
    free(queue);
    return 0;
}

/* The next composite of each prime's stream; the least is put out and fetched again. A new prime's stream begins
 * with its square, and is not asked for before that is near. */
struct merge {
    struct {
        int_chan c;
        int next;
    } streams[MOST_STREAMS];
    int n;
};

static bool least(sn_ctx *ctx, struct merge *m, int *out)
{
    int min = 0;
    for (int i = 1; i < m->n; i++)
        if (m->streams[i].next < m->streams[min].next)
            min = i;
    *out = m->streams[min].next;
    return sn_chan_recv(ctx, m->streams[min].c, &m->streams[min].next) == 0;
}

static int merge(sn_ctx *ctx, void *arg)
{
    struct sieve *s = arg;
    struct merge *m = calloc(1, sizeof *m);
    int prime, min, before = 0;
    sn_group g;

    CHECK(m);
    sn_group_init(&g, ctx);
    ctx = sn_group_ctx(&g);
    while (m->n < MOST_STREAMS && sn_chan_recv(ctx, s->primes, &prime) == 0) {
        struct progression p = { .first = prime * prime, .step = 2 * prime };
        CHECK_EQ(sn_chan_make(&p.out, 10), 0);
        m->streams[m->n].c = p.out;
        CHECK_EQ(sn_group_go_copy(&g, progression, &p), 0);
        int square;
        if (sn_chan_recv(ctx, p.out, &square) != 0)
            break;
        m->streams[m->n++].next = square;
        do {
            if (!least(ctx, m, &min))
                break;
            if (min != before && sn_chan_send(ctx, s->composites, &min) != 0)
                break;
            before = min;
        } while (min < square);
        if (sn_ctx_err(ctx) != 0)
            break;
    }
    CHECK(sn_ctx_err(ctx) != 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i <= m->n && i < MOST_STREAMS; i++)
        sn_chan_free(m->streams[i].c);
    free(m);
    return 0;
}

/* Candidates that are no composites are primes: they go out, and back to the merger. */
static int compare(sn_ctx *ctx, void *arg)
{
    struct sieve *s = arg;
    int candidate, composite;

    if (sn_chan_recv(ctx, s->candidates, &candidate) != 0)
        return 0;
    while (sn_chan_recv(ctx, s->composites, &composite) == 0) {
        while (candidate < composite)
            if (sn_chan_send(ctx, s->found, &candidate) != 0 || sn_chan_send(ctx, s->out, &candidate) != 0 ||
                sn_chan_recv(ctx, s->candidates, &candidate) != 0)
                return 0;
        if (candidate == composite && sn_chan_recv(ctx, s->candidates, &candidate) != 0)
            return 0;
    }
    return 0;
}

/* Property: a network with a loop through an unbounded queue neither stands still nor loses a value. Interleaving:
 * the comparer puts primes into the loop much faster than the merger takes them out; everything is torn down in the
 * middle. */
static int sieve(sn_ctx *ctx, void *arg)
{
    enum { N = 400 };
    struct sieve s;
    int v, n = 0;
    sn_group g;

    (void)arg;
    CHECK_EQ(sn_chan_make(&s.candidates, 50), 0);
    CHECK_EQ(sn_chan_make(&s.composites, 50), 0);
    CHECK_EQ(sn_chan_make(&s.found, 10), 0);
    CHECK_EQ(sn_chan_make(&s.primes, 10), 0);
    CHECK_EQ(sn_chan_make(&s.out, 10), 0);
    CHECK_EQ(sn_chan_send(ctx, s.primes, &(int){ 3 }), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go_copy(&g, progression, &((struct progression){ s.candidates, 5, 2 })), 0);
    CHECK_EQ(sn_group_go_copy(&g, proxy, &((struct proxy){ s.found, s.primes })), 0);
    CHECK_EQ(sn_group_go(&g, merge, &s), 0);
    CHECK_EQ(sn_group_go(&g, compare, &s), 0);
    for (int candidate = 5; n < N; candidate++) {
        bool prime = true;
        for (int d = 2; d * d <= candidate; d++)
            prime &= candidate % d != 0;
        if (!prime)
            continue;
        CHECK_EQ(sn_chan_recv(ctx, s.out, &v), 0);
        CHECK_EQ(v, candidate);
        n++;
    }
    sn_group_cancel(&g);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(s.candidates);
    sn_chan_free(s.composites);
    sn_chan_free(s.found);
    sn_chan_free(s.primes);
    sn_chan_free(s.out);
    return 0;
}

TEST(sieve_with_a_loop)
{
    run_each(sieve, NULL);
}

/* --- the sieve of test/chan/sieve1.go, drained rather than cancelled --- */

struct filter {
    int_chan in, out;
    int prime;
};

static int filter(sn_ctx *ctx, void *arg)
{
    struct filter *f = arg;
    int v;
    while (sn_chan_recv(ctx, f->in, &v) == 0)
        if (v % f->prime != 0)
            CHECK_EQ(sn_chan_send(ctx, f->out, &v), 0);
    sn_chan_close(f->out);
    return 0;
}

static int up_to(sn_ctx *ctx, void *arg)
{
    struct filter *f = arg;
    for (int i = 2; i <= f->prime; i++)
        CHECK_EQ(sn_chan_send(ctx, f->out, &i), 0);
    sn_chan_close(f->out);
    return 0;
}

/* Property: a pipeline that grows at its end while values run through it ends when its source does: the close goes
 * through all stages behind the last value. Interleaving: every stage is a hand-over, in buffers of different sizes. */
static int pipeline(sn_ctx *ctx, void *arg)
{
    enum { LIMIT = 400, PRIMES = 78 };
    int_chan stages[PRIMES + 1];
    struct filter source = { .prime = LIMIT };
    sn_group g;
    int n = 0, prime, r;

    (void)arg;
    CHECK_EQ(sn_chan_make(&stages[0], 0), 0);
    source.out = stages[0];
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, up_to, &source), 0);
    while ((r = sn_chan_recv(ctx, stages[n], &prime)) == 0) {
        CHECK(n < PRIMES);
        CHECK_EQ(sn_chan_make(&stages[n + 1], (size_t)n % 3), 0);
        struct filter f = { stages[n], stages[n + 1], prime };
        CHECK_EQ(sn_group_go_copy(&g, filter, &f), 0);
        n++;
    }
    CHECK_EQ(r, SN_ECLOSED);
    CHECK_EQ(n, PRIMES);
    CHECK_EQ(prime, 397);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i <= n; i++)
        sn_chan_free(stages[i]);
    return 0;
}

TEST(a_growing_pipeline_ends_in_order)
{
    run_each(pipeline, NULL);
}
