/* The lock-free kit beside the plain alternative: alone, and with two tasks that do the same at once (under two workers: on
 * two processors). Rounds are counted over both. */
#include "harness.h"

/* --- two tasks at once --- */

typedef void rounds_fn(void *object, long n);

struct half {
    rounds_fn *fn;
    void *object;
    long n;
    int *begun; /* (a) how many have */
};

static int half(sn_ctx *ctx, void *arg)
{
    struct half *h = arg;

    (void)ctx;
    (void)__atomic_add_fetch(h->begun, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(h->begun, __ATOMIC_RELAXED) < 2) {
        for (int64_t begin = sn_now(); since(begin) < 2e5 && __atomic_load_n(h->begun, __ATOMIC_RELAXED) < 2;)
            ; /* a second worker, if there is one, takes the other task meanwhile */
        sn_yield();
    }
    h->fn(h->object, h->n);
    return 0;
}

static double alone(rounds_fn *fn, void *object, long n)
{
    int64_t begin = sn_now();

    fn(object, n);
    return since(begin);
}

/* They begin together and go on side by side: neither blocks, so each has a worker for itself if there are two. */
static double both(rounds_fn *fn, void *object, long n)
{
    int begun = 0;
    struct half h = { fn, object, n / 2, &begun };
    sn_group g;
    int64_t begin = sn_now();

    sn_group_init(&g, NULL);
    must(sn_group_go(&g, half, &h));
    must(sn_group_go(&g, half, &h));
    must(sn_group_wait(&g));
    return since(begin);
}

/* The object is made once, and used by all runs. */
#define ALONE_AND_BOTH(name, type, make)                    \
    static type name##_object;                              \
    static double name(sn_ctx *ctx, long n)                 \
    {                                                       \
        (void)ctx;                                          \
        make(&name##_object);                               \
        return alone(name##_rounds, &name##_object, n);     \
    }                                                       \
    static double name##_both(sn_ctx *ctx, long n)          \
    {                                                       \
        (void)ctx;                                          \
        make(&name##_object);                               \
        return both(name##_rounds, &name##_object, n);      \
    }

static void nothing(void *object)
{
    (void)object;
}

/* --- counting: sharded; one atomic; under a mutex --- */

static void counter_rounds(void *object, long n)
{
    for (long i = 0; i < n; i++)
        sn_counter_add(object, 1);
}

ALONE_AND_BOTH(counter, sn_counter, nothing)

static void atomic_counter_rounds(void *object, long n)
{
    for (long i = 0; i < n; i++)
        (void)__atomic_fetch_add((long *)object, 1, __ATOMIC_RELAXED);
}

ALONE_AND_BOTH(atomic_counter, long, nothing)

struct locked {
    sn_mutex m;
    long n, more[6];
};

static void mutex_counter_rounds(void *object, long n)
{
    struct locked *l = object;

    for (long i = 0; i < n; i++) {
        sn_mutex_lock(&l->m);
        l->n++;
        sn_mutex_unlock(&l->m);
    }
}

ALONE_AND_BOTH(mutex_counter, struct locked, nothing)

static void counter_sum_rounds(void *object, long n)
{
    int64_t sum = 0;

    for (long i = 0; i < n; i++)
        sum += sn_counter_sum(object);
    if (sum != 0)
        abort();
}

ALONE_AND_BOTH(counter_sum, sn_counter, nothing)

/* --- a flag --- */

static void flag_test_rounds(void *object, long n)
{
    for (long i = 0; i < n; i++)
        if (sn_flag_test(object))
            abort();
}

ALONE_AND_BOTH(flag_test, sn_flag, nothing)

static void flag_test_and_set_rounds(void *object, long n)
{
    for (long i = 0; i < n; i++)
        (void)sn_flag_test_and_set(object);
}

ALONE_AND_BOTH(flag_test_and_set, sn_flag, nothing)

static void mutex_flag_test_rounds(void *object, long n)
{
    struct locked *l = object;

    for (long i = 0; i < n; i++) {
        sn_mutex_lock(&l->m);
        if (l->n < 0)
            abort();
        sn_mutex_unlock(&l->m);
    }
}

ALONE_AND_BOTH(mutex_flag_test, struct locked, nothing)

/* --- reading what is replaced now and then: swap; a read lock --- */

typedef sn_swap_of(long) long_swap;

static const long zero;

static void make_swap(long_swap *s)
{
    static const long_swap unmade;

    if (memcmp(s, &unmade, sizeof unmade) == 0)
        must(sn_swap_init(s, &zero, NULL));
}

static void swap_read_rounds(void *object, long n)
{
    long_swap *s = object;
    sn_swap_guard g;

    for (long i = 0; i < n; i++) {
        if (*sn_swap_enter(s, &g) != 0)
            abort();
        sn_swap_leave(s, &g);
    }
}

ALONE_AND_BOTH(swap_read, long_swap, make_swap)

static void swap_set_rounds(void *object, long n)
{
    for (long i = 0; i < n; i++)
        must(sn_swap_set((long_swap *)object, &zero));
}

ALONE_AND_BOTH(swap_set, long_swap, make_swap)

struct read_locked {
    sn_rwmutex m;
    long n, more[6];
};

static void rwmutex_read_rounds(void *object, long n)
{
    struct read_locked *l = object;

    for (long i = 0; i < n; i++) {
        sn_rwmutex_rlock(&l->m);
        if (l->n != 0)
            abort();
        sn_rwmutex_runlock(&l->m);
    }
}

ALONE_AND_BOTH(rwmutex_read, struct read_locked, nothing)

/* --- a value in and out again: rings; a channel, which would wait; two tasks, one of which pushes and one pops --- */

typedef sn_ring_of(long) long_ring;
typedef sn_chan_of(long) long_chan;

static double ring_alone(sn_ring_kind kind, long n)
{
    long_ring r;
    long v = 0;

    must(sn_ring_make(&r, kind, 256));
    int64_t begin = sn_now();
    for (long i = 0; i < n; i++) {
        must(sn_ring_try_push(r, &i));
        must(sn_ring_try_pop(r, &v));
    }
    double ns = since(begin);
    sn_ring_free(r);
    return ns;
}

enum { BATCH = 16 };

struct stream {
    long_ring r;
    long_chan c;
    long n;
    bool batches;
};

static int pushes(sn_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    long values[BATCH] = { 0 };

    (void)ctx;
    for (long i = 0; i < s->n;) {
        long left = s->n - i;
        int k = s->batches ? sn_ring_try_push_n(s->r, left < BATCH ? (size_t)left : BATCH, values)
                           : sn_ring_try_push(s->r, &i) == 0;
        if (k > 0)
            i += k;
        else
            sn_yield();
    }
    return 0;
}

static int pops(sn_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    long values[BATCH];

    (void)ctx;
    for (long i = 0; i < s->n;) {
        int k = s->batches ? sn_ring_try_pop_n(s->r, BATCH, values) : sn_ring_try_pop(s->r, values) == 0;
        if (k > 0)
            i += k;
        else
            sn_yield();
    }
    return 0;
}

static int sends(sn_ctx *ctx, void *arg)
{
    struct stream *s = arg;

    for (long i = 0; i < s->n; i++)
        must(sn_chan_send(ctx, s->c, &i));
    return 0;
}

static int receives(sn_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    long v;

    for (long i = 0; i < s->n; i++)
        must(sn_chan_recv(ctx, s->c, &v));
    return 0;
}

static double between(sn_fn *from, sn_fn *to, struct stream *s)
{
    sn_group g;
    int64_t begin = sn_now();

    sn_group_init(&g, NULL);
    must(sn_group_go(&g, from, s));
    must(sn_group_go(&g, to, s));
    must(sn_group_wait(&g));
    return since(begin);
}

static double ring_both(sn_ring_kind kind, long n, bool batches)
{
    struct stream s = { .n = n, .batches = batches };

    must(sn_ring_make(&s.r, kind, 256));
    double ns = between(pushes, pops, &s);
    sn_ring_free(s.r);
    return ns;
}

#define RING(name, kind)                           \
    static double name(sn_ctx *ctx, long n)        \
    {                                              \
        (void)ctx;                                 \
        return ring_alone(kind, n);                \
    }                                              \
    static double name##_both(sn_ctx *ctx, long n) \
    {                                              \
        (void)ctx;                                 \
        return ring_both(kind, n, false);          \
    }

RING(ring_spsc, SN_RING_SPSC)
RING(ring_mpsc, SN_RING_MPSC)
RING(ring_mpmc, SN_RING_MPMC)

static double ring_spsc_by_16_both(sn_ctx *ctx, long n)
{
    (void)ctx;
    return ring_both(SN_RING_SPSC, n, true);
}

static double chan(sn_ctx *ctx, long n)
{
    long_chan c;
    long v = 0;

    (void)ctx;
    must(sn_chan_make(&c, 256));
    int64_t begin = sn_now();
    for (long i = 0; i < n; i++) {
        must(sn_chan_try_send(c, &i));
        must(sn_chan_try_recv(c, &v));
    }
    double ns = since(begin);
    sn_chan_free(c);
    return ns;
}

static double chan_both(sn_ctx *ctx, long n)
{
    struct stream s = { .n = n };

    (void)ctx;
    must(sn_chan_make(&s.c, 256));
    double ns = between(sends, receives, &s);
    sn_chan_free(s.c);
    return ns;
}

/* --- a node out and in again: stack; a list under a mutex --- */

struct pool {
    sn_stack stack;
    sn_mutex m;
    sn_stack_node *list, nodes[16];
    bool made;
};

static void make_pool(struct pool *p)
{
    for (int i = 0; i < 16 && !p->made; i++) {
        if (i % 2) {
            sn_stack_push(&p->stack, &p->nodes[i]);
        } else {
            p->nodes[i].sni_next = p->list;
            p->list = &p->nodes[i];
        }
    }
    p->made = true;
}

static void stack_rounds(void *object, long n)
{
    struct pool *p = object;

    for (long i = 0; i < n; i++)
        sn_stack_push(&p->stack, sn_stack_pop(&p->stack));
}

ALONE_AND_BOTH(stack, struct pool, make_pool)

static void mutex_list_rounds(void *object, long n)
{
    struct pool *p = object;

    for (long i = 0; i < n; i++) {
        sn_mutex_lock(&p->m);
        sn_stack_node *node = p->list;
        p->list = node->sni_next;
        sn_mutex_unlock(&p->m);
        sn_mutex_lock(&p->m);
        node->sni_next = p->list;
        p->list = node;
        sn_mutex_unlock(&p->m);
    }
}

ALONE_AND_BOTH(mutex_list, struct pool, make_pool)

/* --- a copy of four words: sequence lock; a read lock --- */

struct quote {
    sn_seqlock lock;
    sn_rwmutex m;
    long words[4];
};

static void seqlock_read_rounds(void *object, long n)
{
    struct quote *q = object;
    long copy[4];

    for (long i = 0; i < n; i++) {
        sn_seqlock_read(&q->lock, copy, q->words, sizeof copy);
        if (copy[3] != 0)
            abort();
    }
}

ALONE_AND_BOTH(seqlock_read, struct quote, nothing)

static void rwmutex_copy_rounds(void *object, long n)
{
    struct quote *q = object;
    long copy[4];

    for (long i = 0; i < n; i++) {
        sn_rwmutex_rlock(&q->m);
        memcpy(copy, q->words, sizeof copy);
        sn_rwmutex_runlock(&q->m);
        if (copy[3] != 0)
            abort();
    }
}

ALONE_AND_BOTH(rwmutex_copy, struct quote, nothing)

static void seqlock_write_rounds(void *object, long n)
{
    struct quote *q = object;
    const long words[4] = { 0 };

    for (long i = 0; i < n; i++)
        sn_seqlock_write(&q->lock, q->words, words, sizeof words);
}

ALONE_AND_BOTH(seqlock_write, struct quote, nothing)

#define RUN(name, n)                            \
    do {                                        \
        bench_run(#name, name, n);              \
        bench_run(#name "_both", name##_both, n); \
    } while (0)

int main(void)
{
    RUN(counter, 10000000);
    RUN(atomic_counter, 10000000);
    RUN(mutex_counter, 4000000);
    RUN(counter_sum, 4000000);
    RUN(flag_test, 20000000);
    RUN(flag_test_and_set, 10000000);
    RUN(mutex_flag_test, 4000000);
    RUN(swap_read, 10000000);
    RUN(rwmutex_read, 4000000);
    RUN(swap_set, 1000000);
    RUN(ring_spsc, 10000000);
    bench_run("ring_spsc_by_16_both", ring_spsc_by_16_both, 10000000);
    RUN(ring_mpsc, 10000000);
    RUN(ring_mpmc, 10000000);
    RUN(chan, 4000000);
    RUN(stack, 4000000);
    RUN(mutex_list, 4000000);
    RUN(seqlock_read, 10000000);
    RUN(rwmutex_copy, 4000000);
    RUN(seqlock_write, 4000000);
    return 0;
}
