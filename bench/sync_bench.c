/* What tasks wait on, when nobody has to wait; and, beside them, what the processor takes for as many locked operations. */
#include "harness.h"

static double locked_pair(sn_ctx *ctx, long n)
{
    long word = 0;
    int64_t begin = sn_now();
    (void)ctx;
    for (long i = 0; i < n; i++) {
        long expected = 0;
        (void)__atomic_compare_exchange_n(&word, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
        expected = 1;
        (void)__atomic_compare_exchange_n(&word, &expected, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
    }
    return since(begin);
}

static double mutex(sn_ctx *ctx, long n)
{
    sn_mutex m = { { 0 } };
    int64_t begin = sn_now();
    (void)ctx;
    for (long i = 0; i < n; i++) {
        sn_mutex_lock(&m);
        sn_mutex_unlock(&m);
    }
    return since(begin);
}

static double rwmutex_write(sn_ctx *ctx, long n)
{
    sn_rwmutex m = { { 0 } };
    int64_t begin = sn_now();
    (void)ctx;
    for (long i = 0; i < n; i++) {
        sn_rwmutex_lock(&m);
        sn_rwmutex_unlock(&m);
    }
    return since(begin);
}

static double rwmutex_read(sn_ctx *ctx, long n)
{
    sn_rwmutex m = { { 0 } };
    int64_t begin = sn_now();
    (void)ctx;
    for (long i = 0; i < n; i++) {
        sn_rwmutex_rlock(&m);
        sn_rwmutex_runlock(&m);
    }
    return since(begin);
}

static void nothing(void *arg)
{
    (void)arg;
}

static double once(sn_ctx *ctx, long n)
{
    static sn_once o;
    int64_t begin = sn_now();
    (void)ctx;
    for (long i = 0; i < n; i++)
        sn_once_do(&o, nothing, NULL);
    return since(begin);
}

static int makes_nothing(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

static int fails(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return SN_EIO;
}

/* One that is done. */
static double once_try(sn_ctx *ctx, long n)
{
    static sn_once o;
    int64_t begin = sn_now();
    for (long i = 0; i < n; i++)
        must(sn_once_try(ctx, &o, makes_nothing, NULL, NULL));
    return since(begin);
}

typedef sn_once_of(long) long_once;

static int makes_long(sn_ctx *ctx, void *arg, long *value)
{
    (void)ctx;
    (void)arg;
    *value = 1;
    return 0;
}

static double once_get(sn_ctx *ctx, long n)
{
    static long_once o;
    const long *value;
    long sum = 0;
    int64_t begin = sn_now();
    for (long i = 0; i < n; i++) {
        must(sn_once_get(ctx, &o, makes_long, NULL, &value, NULL));
        sum += *value;
    }
    double ns = since(begin);
    must(sum == n ? 0 : SN_EIO);
    return ns;
}

/* Done anew each time, with nobody else about. */
static double once_reset_try(sn_ctx *ctx, long n)
{
    sn_once o = { { 0 } };
    int64_t begin = sn_now();
    for (long i = 0; i < n; i++) {
        must(sn_once_try(ctx, &o, makes_nothing, NULL, NULL));
        sn_once_reset(&o);
    }
    return since(begin);
}

/* A call that is put off. */
static double once_backoff(sn_ctx *ctx, long n)
{
    static const sn_once_opts patient = { .backoff = SN_SEC(1000) };
    sn_once o = { { 0 } };
    int r = sn_once_try(ctx, &o, fails, NULL, &patient);
    int64_t begin = sn_now();
    for (long i = 0; i < n; i++)
        r = sn_once_try(ctx, &o, fails, NULL, &patient);
    double ns = since(begin);
    must(r == SN_EIO ? 0 : SN_EINVAL);
    return ns;
}

static double waitgroup(sn_ctx *ctx, long n)
{
    sn_waitgroup wg = { { 0 } };
    int64_t begin = sn_now();
    for (long i = 0; i < n; i++) {
        sn_waitgroup_add(&wg, 1);
        sn_waitgroup_done(&wg);
    }
    double ns = since(begin);
    must(sn_waitgroup_wait_ctx(ctx, &wg));
    return ns;
}

static double sem(sn_ctx *ctx, long n)
{
    sn_sem s = SN_SEM_INIT(4);
    int64_t begin = sn_now();
    for (long i = 0; i < n; i++) {
        must(sn_sem_acquire(ctx, &s, 1));
        sn_sem_release(&s, 1);
    }
    return since(begin);
}

static double ctx_create_cancel(sn_ctx *ctx, long n)
{
    int64_t begin = sn_now();
    for (long i = 0; i < n; i++) {
        sn_ctx *child;
        must(sn_ctx_with_cancel(&child, ctx));
        sn_ctx_free(child);
    }
    return since(begin);
}

typedef sn_chan_of(long) long_chan;

static double receive(sn_ctx *ctx, long n)
{
    long_chan c;
    long v = 0;
    must(sn_chan_make(&c, 8));
    int64_t begin = sn_now();
    for (long i = 0; i < n; i++) {
        must(sn_chan_send(sn_background(), c, &i));
        must(sn_chan_recv(ctx, c, &v));
    }
    double ns = since(begin);
    sn_chan_free(c);
    return ns;
}

/* A send and a receive; the receive under the background, or under a context that can be cancelled. */
static double receive_plain(sn_ctx *ctx, long n)
{
    (void)ctx;
    return receive(sn_background(), n);
}

static double receive_cancellable(sn_ctx *ctx, long n)
{
    sn_ctx *child;
    must(sn_ctx_with_cancel(&child, ctx));
    double ns = receive(child, n);
    sn_ctx_free(child);
    return ns;
}

static int returns_zero(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return 0;
}

static double blocking(sn_ctx *ctx, long n)
{
    int64_t begin = sn_now();
    for (long i = 0; i < n; i++)
        must(sn_blocking(ctx, returns_zero, NULL));
    return since(begin);
}

static int no_job(sn_ctx *ctx, void *arg, void *value)
{
    (void)ctx;
    *(long *)value = *(long *)arg;
    return 0;
}

static double flight(sn_ctx *ctx, long n, int64_t ttl)
{
    sn_flight *f;
    long v;
    must(sn_flight_new(&f, &(sn_flight_opts){ .value_size = sizeof v, .ttl = ttl }));
    int64_t begin = sn_now();
    for (long i = 0; i < n; i++)
        must(sn_flight_do(ctx, f, "a key of some length", 20, no_job, &i, sizeof i, &v));
    double ns = since(begin);
    sn_flight_free(f);
    return ns;
}

/* A job for each call, and a call that finds its result kept. */
static double flight_job(sn_ctx *ctx, long n)
{
    return flight(ctx, n, 0);
}

static double flight_kept(sn_ctx *ctx, long n)
{
    return flight(ctx, n, SN_FOREVER);
}

enum { SHARERS = 100 };

struct shared {
    sn_flight *flight;
    long n;
};

static int waits_for_its_turn(sn_ctx *ctx, void *arg, void *value)
{
    sn_yield(); /* the others come meanwhile */
    return no_job(ctx, arg, value);
}

static int shares(sn_ctx *ctx, void *arg)
{
    struct shared *s = arg;
    long v;
    for (long i = 0; i < s->n; i += SHARERS)
        must(sn_flight_do(ctx, s->flight, &i, sizeof i, waits_for_its_turn, &i, sizeof i, &v));
    return 0;
}

/* Of a hundred callers who want the same at about the same time; ns for each. */
static double flight_shared(sn_ctx *ctx, long n)
{
    struct shared s = { .n = n };
    sn_group g;
    must(sn_flight_new(&s.flight, &(sn_flight_opts){ .value_size = sizeof(long) }));
    int64_t begin = sn_now();
    sn_group_init(&g, ctx);
    for (int i = 0; i < SHARERS; i++)
        must(sn_group_go(&g, shares, &s));
    must(sn_group_wait(&g));
    double ns = since(begin);
    sn_flight_free(s.flight);
    return ns;
}

typedef sn_future_of(long) long_future;

static double future(sn_ctx *ctx, long n)
{
    int64_t begin = sn_now();
    for (long i = 0; i < n; i++) {
        long_future f = { { { 0 } }, 0 };
        long value;
        must(sn_future_set(&f, &i));
        must(sn_future_get(ctx, &f, &value));
    }
    return since(begin);
}

static double latch(sn_ctx *ctx, long n)
{
    int64_t begin = sn_now();
    for (long i = 0; i < n; i++) {
        sn_latch l = SN_LATCH_INIT(1);
        sn_latch_count_down(&l, 1);
        must(sn_latch_wait(ctx, &l));
    }
    return since(begin);
}

struct meeting {
    sn_barrier barrier;
    long rounds;
};

static int meets(sn_ctx *ctx, void *arg)
{
    struct meeting *m = arg;
    for (long i = 0; i < m->rounds; i++) {
        int r = sn_barrier_wait(ctx, &m->barrier);
        must(r < 0 ? r : 0);
    }
    return 0;
}

/* A round of eight. */
static double barrier_8(sn_ctx *ctx, long n)
{
    struct meeting m = { SN_BARRIER_INIT(8), n };
    int64_t begin = sn_now();
    sn_group g;
    (void)sn_group_init(&g, ctx);
    for (int i = 0; i < 8; i++)
        must(sn_group_go(&g, meets, &m));
    must(sn_group_wait(&g));
    return since(begin);
}

/* A select that finds the second of two semaphores free. */
static double select_sem(sn_ctx *ctx, long n)
{
    sn_sem none = SN_SEM_INIT(1), one = SN_SEM_INIT(1);
    must(sn_sem_try_acquire(&none, 1));
    int64_t begin = sn_now();
    for (long i = 0; i < n; i++) {
        sn_case cases[] = { sn_on_sem(&none, 1), sn_on_sem(&one, 1) };
        must(sn_select(ctx, cases, 2) == 1 ? 0 : SN_EINVAL);
        sn_sem_release(&one, 1);
    }
    return since(begin);
}

static double waitgroup_go(sn_ctx *ctx, long n)
{
    sn_waitgroup wg = { { 0 } };
    int64_t begin = sn_now();
    for (long i = 0; i < n; i++) {
        must(sn_waitgroup_go(&wg, returns_zero, NULL));
        if (i % 1000 == 999)
            must(sn_waitgroup_wait_ctx(ctx, &wg));
    }
    must(sn_waitgroup_wait_ctx(ctx, &wg));
    return since(begin);
}

int main(void)
{
    bench_run("locked_pair", locked_pair, 4000000);
    bench_run("mutex", mutex, 4000000);
    bench_run("rwmutex_write", rwmutex_write, 4000000);
    bench_run("rwmutex_read", rwmutex_read, 4000000);
    bench_run("once", once, 20000000);
    bench_run("once_try", once_try, 20000000);
    bench_run("once_get", once_get, 20000000);
    bench_run("once_reset_try", once_reset_try, 2000000);
    bench_run("once_backoff", once_backoff, 2000000);
    bench_run("waitgroup", waitgroup, 4000000);
    bench_run("sem", sem, 4000000);
    bench_run("future", future, 2000000);
    bench_run("latch", latch, 2000000);
    bench_run("barrier_8", barrier_8, 100000);
    bench_run("select_sem", select_sem, 1000000);
    bench_run("waitgroup_go", waitgroup_go, 500000);
    bench_run("ctx_create_cancel", ctx_create_cancel, 2000000);
    bench_run("receive_plain", receive_plain, 4000000);
    bench_run("receive_cancellable", receive_cancellable, 4000000);
    bench_run("blocking", blocking, 1000000);
    bench_run("flight_kept", flight_kept, 2000000);
    bench_run("flight_job", flight_job, 200000);
    bench_run("flight_shared", flight_shared, 400000);
    return 0;
}
