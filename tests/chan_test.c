/* Channels: the contract of sennit/chan.h, and the meaning of Go's channel tests restated. */
#include "sn_test.h"

#include <pthread.h>

typedef sn_chan_of(int) int_chan;
typedef sn_chan_of(long) long_chan;

/* --- one task --- */

static int buffer(sn_ctx *ctx, void *arg)
{
    int_chan c;
    int v = -1;

    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 3), 0);
    CHECK_EQ(sn_chan_cap(c), 3);
    CHECK_EQ(sn_chan_try_recv(c, &v), SN_EAGAIN);
    CHECK_EQ(v, -1);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(sn_chan_send(ctx, c, &i), 0);
    CHECK_EQ(sn_chan_len(c), 3);
    CHECK_EQ(sn_chan_try_send(c, &(int){ 9 }), SN_EAGAIN);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(sn_chan_recv(ctx, c, &v), 0);
        CHECK_EQ(v, i);
    }
    sn_chan_close(c);
    sn_chan_close(c); /* idempotent */
    CHECK_EQ(sn_chan_send(ctx, c, &v), SN_ECLOSED);
    CHECK_EQ(sn_chan_try_send(c, &v), SN_ECLOSED);
    CHECK_EQ(sn_chan_recv(ctx, c, &v), 0); /* drained first */
    CHECK_EQ(v, 2);
    CHECK_EQ(sn_chan_recv(ctx, c, &v), SN_ECLOSED);
    CHECK_EQ(v, 2);
    sn_chan_free(c);
    return 0;
}

TEST(buffer_is_fifo_and_drains_after_close)
{
    run_each(buffer, NULL);
}

static int empty_handle(sn_ctx *ctx, void *arg)
{
    int_chan none = { 0 };
    int v;

    (void)arg;
    CHECK_EQ(sn_chan_send(ctx, none, &(int){ 1 }), SN_EINVAL);
    CHECK_EQ(sn_chan_recv(ctx, none, &v), SN_EINVAL);
    CHECK_EQ(sn_chan_try_send(none, &(int){ 1 }), SN_EINVAL);
    CHECK_EQ(sn_chan_len(none), 0);
    CHECK_EQ(sn_chan_cap(none), 0);
    sn_chan_close(none);
    sn_chan_free(none);
    CHECK_EQ(sn_rawchan_make(&none.sni_raw, SIZE_MAX / 2, 4), SN_EINVAL);
    return 0;
}

TEST(empty_handle)
{
    run_each(empty_handle, NULL);
}

struct big {
    char bytes[1000];
};
typedef sn_chan_of(struct big) big_chan;

static int unit_sender(sn_ctx *ctx, void *arg)
{
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(sn_chan_unit_send(ctx, *(sn_chan_unit *)arg), 0);
    return 0;
}

static int sizes(sn_ctx *ctx, void *arg)
{
    big_chan c;
    struct big in, out;
    sn_chan_unit u;
    sn_group g;

    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 2), 0);
    for (int i = 0; i < 10; i++) {
        memset(&in, i, sizeof in);
        CHECK_EQ(sn_chan_send(ctx, c, &in), 0);
        CHECK_EQ(sn_chan_recv(ctx, c, &out), 0);
        CHECK(memcmp(&in, &out, sizeof in) == 0);
    }
    sn_chan_free(c);
    CHECK_EQ(sn_chan_unit_make(&u, 0), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, unit_sender, &u), 0);
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(sn_chan_unit_recv(ctx, u), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(sn_chan_unit_try_recv(u), SN_EAGAIN);
    sn_chan_free(u);
    return 0;
}

TEST(any_size_and_none)
{
    run_each(sizes, NULL);
}

/* --- a prime sieve (test/chan/sieve1.go) --- */

struct filter {
    int_chan in, out;
    int prime;
};

static int generate(sn_ctx *ctx, void *arg)
{
    int_chan *out = arg;
    for (int i = 2; sn_chan_send(ctx, *out, &i) == 0; i++)
        ;
    return 0;
}

static int filter(sn_ctx *ctx, void *arg)
{
    struct filter *f = arg;
    int v;
    while (sn_chan_recv(ctx, f->in, &v) == 0)
        if (v % f->prime != 0 && sn_chan_send(ctx, f->out, &v) != 0)
            break;
    return 0;
}

static int sieve(sn_ctx *ctx, void *arg)
{
    enum { N = 100 };
    static int_chan chans[N + 1];
    sn_group g;
    int prime = 0;

    (void)arg;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_chan_make(&chans[0], 0), 0);
    CHECK_EQ(sn_group_go(&g, generate, &chans[0]), 0);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(sn_chan_recv(ctx, chans[i], &prime), 0);
        CHECK_EQ(sn_chan_make(&chans[i + 1], 0), 0);
        struct filter f = { chans[i], chans[i + 1], prime };
        CHECK_EQ(sn_group_go_copy(&g, filter, &f), 0);
    }
    CHECK_EQ(prime, 541); /* the hundredth */
    sn_group_cancel(&g);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i <= N; i++)
        sn_chan_free(chans[i]);
    return 0;
}

TEST(sieve)
{
    run_each(sieve, NULL);
}

/* --- FIFO of waiters (test/chan/fifo.go) --- */

struct place {
    long_chan c;
    long index;
};

static int take_turn(sn_ctx *ctx, void *arg)
{
    struct place *p = arg;
    long v;
    CHECK_EQ(sn_chan_recv(ctx, p->c, &v), 0);
    CHECK_EQ(v, p->index);
    return 0;
}

static int fifo(sn_ctx *ctx, void *arg)
{
    enum { N = 20 };
    long_chan c;
    sn_group g;

    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 0), 0);
    sn_group_init(&g, ctx);
    for (long i = 0; i < N; i++) {
        struct place p = { c, i };
        CHECK_EQ(sn_group_go_copy(&g, take_turn, &p), 0);
        sn_yield(); /* one worker: it parks before the next one starts */
    }
    for (long i = 0; i < N; i++)
        CHECK_EQ(sn_chan_send(ctx, c, &i), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(c);
    return 0;
}

TEST(waiters_are_served_in_order)
{
    CHECK_EQ(sn_run(fifo, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

/* --- close wakes everybody --- */

static int wait_for_close(sn_ctx *ctx, void *arg)
{
    int v = 7;
    CHECK_EQ(sn_chan_recv(ctx, *(int_chan *)arg, &v), SN_ECLOSED);
    CHECK_EQ(v, 7);
    return 0;
}

static int blocked_sender(sn_ctx *ctx, void *arg)
{
    CHECK_EQ(sn_chan_send(ctx, *(int_chan *)arg, &(int){ 1 }), SN_ECLOSED);
    return 0;
}

static int close_wakes(sn_ctx *ctx, void *arg)
{
    int_chan in, out;
    sn_group g;

    (void)arg;
    CHECK_EQ(sn_chan_make(&in, 0), 0);
    CHECK_EQ(sn_chan_make(&out, 0), 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < 500; i++) {
        CHECK_EQ(sn_group_go(&g, wait_for_close, &in), 0);
        CHECK_EQ(sn_group_go(&g, blocked_sender, &out), 0);
    }
    CHECK_EQ(sn_sleep(ctx, SN_MS(2)), 0);
    sn_chan_close(in);
    sn_chan_close(out);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(in);
    sn_chan_free(out);
    return 0;
}

TEST(close_wakes_everybody)
{
    run_each(close_wakes, NULL);
}

/* --- cancellation --- */

static int wait_cancelled(sn_ctx *ctx, void *arg)
{
    int v;
    CHECK_EQ(sn_chan_recv(ctx, *(int_chan *)arg, &v), SN_ECANCELED);
    CHECK_EQ(sn_chan_send(ctx, *(int_chan *)arg, &v), SN_ECANCELED);
    return 0;
}

static int cancelled(sn_ctx *ctx, void *arg)
{
    int_chan c;
    sn_group g;
    sn_ctx *dead;
    int v = 0;

    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 0), 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < 200; i++)
        CHECK_EQ(sn_group_go(&g, wait_cancelled, &c), 0);
    CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
    sn_group_cancel(&g);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(sn_chan_try_send(c, &v), SN_EAGAIN); /* nobody was left in the queues */
    sn_chan_free(c);

    CHECK_EQ(sn_chan_make(&c, 1), 0);
    CHECK_EQ(sn_ctx_with_cancel(&dead, ctx), 0);
    sn_ctx_cancel(dead);
    CHECK_EQ(sn_chan_send(ctx, c, &v), 0);
    CHECK_EQ(sn_chan_recv(dead, c, &v), SN_ECANCELED); /* even though a value is ready */
    CHECK_EQ(sn_chan_len(c), 1);
    sn_ctx_free(dead);
    sn_chan_free(c);
    return 0;
}

TEST(cancelled_context_refuses_and_wakes)
{
    run_each(cancelled, NULL);
}

/* --- conservation: what is sent is received, once --- */

struct flood {
    long_chan c;
    long per_sender;
    long sent, received, sum_in, sum_out; /* atomics */
};

static int flood_send(sn_ctx *ctx, void *arg)
{
    struct flood *f = arg;
    for (long i = 1; i <= f->per_sender; i++) {
        CHECK_EQ(sn_chan_send(ctx, f->c, &i), 0);
        __atomic_fetch_add(&f->sent, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&f->sum_in, i, __ATOMIC_RELAXED);
    }
    return 0;
}

static int flood_recv(sn_ctx *ctx, void *arg)
{
    struct flood *f = arg;
    long v;
    int r;
    while ((r = sn_chan_recv(ctx, f->c, &v)) == 0) {
        __atomic_fetch_add(&f->received, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&f->sum_out, v, __ATOMIC_RELAXED);
    }
    CHECK_EQ(r, SN_ECLOSED);
    return 0;
}

static int flood(sn_ctx *ctx, void *arg)
{
    static const size_t caps[] = { 0, 1, 7, 1000 };
    (void)arg;
    for (size_t k = 0; k < sizeof caps / sizeof *caps; k++) {
        struct flood f = { .per_sender = 2000 };
        sn_group senders, receivers;
        CHECK_EQ(sn_chan_make(&f.c, caps[k]), 0);
        sn_group_init(&receivers, ctx);
        sn_group_init(&senders, ctx);
        for (int i = 0; i < 10; i++) {
            CHECK_EQ(sn_group_go(&senders, flood_send, &f), 0);
            CHECK_EQ(sn_group_go(&receivers, flood_recv, &f), 0);
        }
        CHECK_EQ(sn_group_wait(&senders), 0);
        sn_chan_close(f.c);
        CHECK_EQ(sn_group_wait(&receivers), 0);
        CHECK_EQ(f.sent, 20000);
        CHECK_EQ(f.received, 20000);
        CHECK_EQ(f.sum_in, f.sum_out);
        sn_chan_free(f.c);
    }
    return 0;
}

TEST(nothing_is_lost_or_doubled)
{
    run_each(flood, NULL);
}

/* --- plain threads --- */

static void *thread_send(void *arg)
{
    int_chan *c = arg;
    for (int i = 0; i < 2000; i++)
        CHECK_EQ(sn_chan_send(NULL, *c, &i), 0);
    sn_chan_close(*c);
    return NULL;
}

TEST(between_threads_without_a_runtime)
{
    static const size_t caps[] = { 0, 3 };
    for (size_t k = 0; k < 2; k++) {
        int_chan c;
        pthread_t t;
        int v, n = 0;
        CHECK_EQ(sn_chan_make(&c, caps[k]), 0);
        CHECK(pthread_create(&t, NULL, thread_send, &c) == 0);
        while (sn_chan_recv(NULL, c, &v) == 0)
            CHECK_EQ(v, n++);
        CHECK_EQ(n, 2000);
        pthread_join(t, NULL);
        sn_chan_free(c);
    }
}

static int from_thread(sn_ctx *ctx, void *arg)
{
    int_chan c;
    pthread_t t;
    int v, n = 0;

    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 2), 0);
    CHECK(pthread_create(&t, NULL, thread_send, &c) == 0);
    while (sn_chan_recv(ctx, c, &v) == 0)
        CHECK_EQ(v, n++);
    CHECK_EQ(n, 2000);
    pthread_join(t, NULL);
    sn_chan_free(c);
    return 0;
}

TEST(from_a_thread_to_a_task)
{
    run_each(from_thread, NULL);
}

/* --- freed as soon as the last effect is seen --- */

static int send_one(sn_ctx *ctx, void *arg)
{
    return sn_chan_send(ctx, *(int_chan *)arg, &(int){ 5 });
}

static int free_early(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 3000; i++) {
        int_chan c;
        sn_group g;
        int v;
        CHECK_EQ(sn_chan_make(&c, (size_t)i % 2), 0);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, send_one, &c), 0);
        CHECK_EQ(sn_chan_recv(ctx, c, &v), 0);
        sn_chan_free(c);
        CHECK_EQ(sn_group_wait(&g), 0);
    }
    return 0;
}

TEST(freed_right_after_the_last_value)
{
    run_each(free_early, NULL);
}

static int free_with_waiter(sn_ctx *ctx, void *arg)
{
    int_chan c;
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 0), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, wait_for_close, &c), 0);
    (void)sn_sleep(ctx, SN_MS(1));
    sn_chan_free(c);
    return 0;
}

static void die_free_with_waiter(void)
{
    (void)sn_run(free_with_waiter, NULL, NULL);
}

TEST(free_with_a_waiter_panics)
{
    check_dies(die_free_with_waiter, "somebody waits on channel");
}
