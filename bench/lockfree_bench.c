/* The lock-free kit beside the plain alternative: alone, and with two tasks that do the same at once (under two workers: on two
 * processors). Rounds are counted over both. */
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
    while (__atomic_load_n(h->begun, __ATOMIC_RELAXED) < 2)
        sn_yield();
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
    return 0;
}
