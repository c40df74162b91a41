/* Channels: the contract of sennit/chan.h, and the meaning of Go's channel tests restated. */
#include "sn_test.h"

#include <malloc.h>
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
        int r;
        while ((r = sn_chan_recv(NULL, c, &v)) == 0)
            CHECK_EQ(v, n++);
        CHECK_EQ(r, SN_ECLOSED);
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
    (void)sn_sleep(ctx, SN_MS(1)); /* the one worker comes back to us only when the other task has parked */
    sn_chan_free(c);
    return 0;
}

static void die_free_with_waiter(void)
{
    sn_run_opts one = { .workers = 1 };
    (void)sn_run(free_with_waiter, NULL, &one);
}

TEST(free_with_a_waiter_panics)
{
    check_dies(die_free_with_waiter, "somebody waits on channel");
}

/* Every error of every operation; what a receive points to is written only on success. */
static int every_error(sn_ctx *ctx, void *arg)
{
    int_chan none = { 0 }, c;
    sn_chan_unit no_unit = { 0 }, u;
    sn_ctx *dead, *late;
    int v = 7;

    (void)arg;
    CHECK_EQ(sn_chan_recv(ctx, none, &v), SN_EINVAL);
    CHECK_EQ(sn_chan_try_recv(none, &v), SN_EINVAL);
    CHECK_EQ(sn_chan_try_send(none, &v), SN_EINVAL);
    CHECK_EQ(sn_chan_unit_send(ctx, no_unit), SN_EINVAL);
    CHECK_EQ(sn_chan_unit_recv(ctx, no_unit), SN_EINVAL);
    CHECK_EQ(sn_chan_unit_try_send(no_unit), SN_EINVAL);
    CHECK_EQ(sn_chan_unit_try_recv(no_unit), SN_EINVAL);
    CHECK_EQ(v, 7);
    CHECK_EQ(sn_ctx_with_cancel(&dead, ctx), 0);
    sn_ctx_cancel(dead);
    for (size_t cap = 0; cap < 3; cap++) {
        CHECK_EQ(sn_chan_make(&c, cap), 0);
        CHECK_EQ(sn_chan_cap(c), cap);
        CHECK_EQ(sn_chan_len(c), 0);
        CHECK_EQ(sn_chan_try_recv(c, &v), SN_EAGAIN);
        CHECK_EQ(sn_chan_recv(dead, c, &v), SN_ECANCELED);
        CHECK_EQ(sn_chan_send(dead, c, &v), SN_ECANCELED); /* there may be room: it refuses all the same */
        CHECK_EQ(sn_chan_len(c), 0);
        CHECK_EQ(sn_ctx_with_timeout(&late, ctx, SN_US(300)), 0);
        CHECK_EQ(sn_chan_recv(late, c, &v), SN_ETIMEDOUT);
        CHECK_EQ(sn_chan_recv(late, c, &v), SN_ETIMEDOUT);
        sn_ctx_free(late);
        for (size_t i = 0; i < cap; i++)
            CHECK_EQ(sn_chan_send(ctx, c, &(int){ (int)i }), 0);
        CHECK_EQ(sn_ctx_with_timeout(&late, ctx, SN_US(300)), 0);
        CHECK_EQ(sn_chan_send(late, c, &v), SN_ETIMEDOUT);
        sn_ctx_free(late);
        CHECK_EQ(sn_chan_try_send(c, &v), SN_EAGAIN);
        CHECK_EQ(sn_chan_len(c), cap); /* what was refused was not sent */
        sn_chan_close(c);
        CHECK_EQ(sn_chan_send(ctx, c, &v), SN_ECLOSED);
        CHECK_EQ(sn_chan_send(dead, c, &v), SN_ECANCELED);
        CHECK_EQ(v, 7);
        for (size_t i = 0; i < cap; i++) {
            CHECK_EQ(i % 2 ? sn_chan_try_recv(c, &v) : sn_chan_recv(ctx, c, &v), 0);
            CHECK_EQ(v, i);
        }
        v = 7;
        CHECK_EQ(sn_chan_recv(ctx, c, &v), SN_ECLOSED);
        CHECK_EQ(sn_chan_try_recv(c, &v), SN_ECLOSED);
        CHECK_EQ(sn_chan_recv(dead, c, &v), SN_ECANCELED);
        CHECK_EQ(v, 7);
        sn_chan_free(c);
    }
    CHECK_EQ(sn_chan_unit_make(&u, 2), 0);
    CHECK_EQ(sn_chan_unit_try_send(u), 0);
    CHECK_EQ(sn_chan_unit_send(ctx, u), 0);
    CHECK_EQ(sn_chan_unit_try_send(u), SN_EAGAIN);
    CHECK_EQ(sn_chan_len(u), 2);
    CHECK_EQ(sn_chan_cap(u), 2);
    sn_chan_close(u);
    CHECK_EQ(sn_chan_unit_try_send(u), SN_ECLOSED);
    CHECK_EQ(sn_chan_unit_send(ctx, u), SN_ECLOSED);
    CHECK_EQ(sn_chan_unit_recv(ctx, u), 0);
    CHECK_EQ(sn_chan_unit_try_recv(u), 0);
    CHECK_EQ(sn_chan_unit_try_recv(u), SN_ECLOSED);
    CHECK_EQ(sn_chan_unit_recv(ctx, u), SN_ECLOSED);
    CHECK_EQ(sn_chan_unit_recv(dead, u), SN_ECANCELED);
    sn_chan_free(u);
    sn_ctx_free(dead);
    return 0;
}

TEST(every_error)
{
    run_everywhere(every_error, NULL);
}

TEST_MEMORY_MAY_FAIL

static int sizes_that_fail(sn_ctx *ctx, void *arg)
{
    big_chan c = { 0 };
    int_chan i = { 0 };
    sn_chan_unit u;

    (void)ctx;
    (void)arg;
    CHECK_EQ(sn_chan_make(&c, SIZE_MAX), SN_EINVAL);
    CHECK_EQ(sn_rawchan_make(&c.sni_raw, 1, SIZE_MAX - 8), SN_EINVAL); /* our own fields are too much */
    CHECK_EQ(sn_chan_make(&c, SIZE_MAX / 2 / sizeof(struct big)), SN_ENOMEM);
    CHECK_EQ(sn_chan_make(&i, SIZE_MAX / 4), SN_EINVAL);
    CHECK(c.sni_raw == NULL && i.sni_raw == NULL); /* written only on success */
    CHECK_EQ(sn_chan_unit_make(&u, SIZE_MAX), 0); /* events take no room */
    for (int k = 0; k < 1000; k++)
        CHECK_EQ(sn_chan_unit_try_send(u), 0);
    CHECK_EQ(sn_chan_len(u), 1000);
    CHECK(sn_chan_cap(u) == SIZE_MAX);
    sn_chan_free(u);
    return 0;
}

TEST(sizes_that_fail)
{
    run_everywhere(sizes_that_fail, NULL);
    CHECK_EQ(sizes_that_fail(NULL, NULL), 0); /* without a runtime */
}

/* Senders that wait when the channel is closed: their values were not sent. */
static int sender_refused(sn_ctx *ctx, void *arg)
{
    CHECK_EQ(sn_chan_send(ctx, *(int_chan *)arg, &(int){ 99 }), SN_ECLOSED);
    return 0;
}

static int values_not_sent(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (size_t cap = 0; cap < 3; cap++) {
        int_chan c;
        sn_group g;
        int v;
        CHECK_EQ(sn_chan_make(&c, cap), 0);
        for (size_t i = 0; i < cap; i++)
            CHECK_EQ(sn_chan_send(ctx, c, &(int){ (int)i }), 0);
        sn_group_init(&g, ctx);
        for (int i = 0; i < 20; i++)
            CHECK_EQ(sn_group_go(&g, sender_refused, &c), 0);
        CHECK_EQ(sn_sleep(ctx, SN_US(500)), 0);
        sn_chan_close(c);
        for (size_t i = 0; i < cap; i++) {
            CHECK_EQ(sn_chan_recv(ctx, c, &v), 0);
            CHECK_EQ(v, i);
        }
        CHECK_EQ(sn_chan_recv(ctx, c, &v), SN_ECLOSED);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(sn_chan_len(c), 0);
        sn_chan_free(c);
    }
    return 0;
}

TEST(close_refuses_waiting_senders)
{
    run_everywhere(values_not_sent, NULL);
}

/* Senders that wait are served in their order; a value that was not sent leaves no gap. */
struct sender {
    int_chan c;
    int value;
    sn_ctx *ctx;
    int want;
};

static int sends_one_value(sn_ctx *ctx, void *arg)
{
    struct sender *s = arg;
    (void)ctx;
    CHECK_EQ(sn_chan_send(s->ctx, s->c, &s->value), s->want);
    return 0;
}

static int sender_order(sn_ctx *ctx, void *arg)
{
    enum { N = 30 };
    (void)arg;
    for (size_t cap = 0; cap < 3; cap++) {
        int_chan c;
        sn_ctx *quits;
        sn_group g;
        int v;
        CHECK_EQ(sn_chan_make(&c, cap), 0);
        for (size_t i = 0; i < cap; i++)
            CHECK_EQ(sn_chan_try_send(c, &(int){ (int)i - (int)cap }), 0);
        CHECK_EQ(sn_ctx_with_cancel(&quits, ctx), 0);
        sn_group_init(&g, ctx);
        for (int i = 0; i < N; i++) {
            struct sender s = { c, i, i % 3 == 1 ? quits : ctx, i % 3 == 1 ? SN_ECANCELED : 0 };
            CHECK_EQ(sn_group_go_copy(&g, sends_one_value, &s), 0);
            sn_yield(); /* one worker: it parks before the next one starts */
        }
        sn_ctx_cancel(quits);
        for (int i = -(int)cap; i < N; i++)
            if (i < 0 || i % 3 != 1) {
                CHECK_EQ(sn_chan_recv(ctx, c, &v), 0);
                CHECK_EQ(v, i);
            }
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(sn_chan_try_recv(c, &v), SN_EAGAIN);
        sn_ctx_free(quits);
        sn_chan_free(c);
    }
    return 0;
}

TEST(waiting_senders_are_served_in_order)
{
    CHECK_EQ(sn_run(sender_order, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

/* One sender: whoever receives sees its values in their order. */
static int ascending(sn_ctx *ctx, void *arg)
{
    long_chan *c = arg;
    long last = -1, v;
    while (sn_chan_recv(ctx, *c, &v) == 0) {
        CHECK(v > last);
        last = v;
    }
    return 0;
}

static int in_order(sn_ctx *ctx, void *arg)
{
    static const size_t caps[] = { 0, 1, 10 };
    (void)arg;
    for (int k = 0; k < 3; k++) {
        long_chan c;
        sn_group g;
        CHECK_EQ(sn_chan_make(&c, caps[k]), 0);
        sn_group_init(&g, ctx);
        for (int i = 0; i < 5; i++)
            CHECK_EQ(sn_group_go(&g, ascending, &c), 0);
        for (long i = 0; i < 5000; i++)
            CHECK_EQ(sn_chan_send(ctx, c, &i), 0);
        sn_chan_close(c);
        CHECK_EQ(sn_group_wait(&g), 0);
        sn_chan_free(c);
    }
    return 0;
}

TEST(values_arrive_in_order)
{
    run_everywhere(in_order, NULL);
}

/* --- NULL is the own context --- */

static int null_context(sn_ctx *ctx, void *arg)
{
    int_chan *c = arg;
    int v = 3;
    CHECK_EQ(sn_chan_recv(NULL, *c, &v), SN_ECANCELED);
    CHECK_EQ(sn_chan_send(NULL, *c, &v), SN_ECANCELED);
    CHECK_EQ(v, 3);
    CHECK_EQ(sn_ctx_err(ctx), SN_ECANCELED);
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
    CHECK_EQ(sn_chan_try_send(c, &(int){ 1 }), SN_EAGAIN);
    sn_chan_free(c);
    return 0;
}

TEST(null_is_the_own_context)
{
    run_everywhere(own_contexts, NULL);
}

/* --- what happens before what --- */

/* A channel of capacity n lets n in: the k-th receive happens before the send of value k + n completes. The counters are
 * plain variables: ThreadSanitizer checks the order, the sums that nothing is lost. */
struct gate {
    sn_chan_unit c;
    int inside; /* atomic */
    long plain;
    int cap;
};

static int through_the_gate(sn_ctx *ctx, void *arg)
{
    struct gate *g = arg;
    for (int i = 0; i < 300; i++) {
        CHECK_EQ(sn_chan_unit_send(ctx, g->c), 0);
        CHECK(__atomic_add_fetch(&g->inside, 1, __ATOMIC_RELAXED) <= g->cap);
        if (g->cap == 1)
            g->plain++;
        if (i % 16 == 0)
            sn_yield();
        __atomic_sub_fetch(&g->inside, 1, __ATOMIC_RELAXED);
        CHECK_EQ(sn_chan_unit_recv(ctx, g->c), 0);
    }
    return 0;
}

static int gates(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int cap = 1; cap <= 3; cap++) {
        struct gate gate = { .cap = cap };
        sn_group g;
        CHECK_EQ(sn_chan_unit_make(&gate.c, (size_t)cap), 0);
        sn_group_init(&g, ctx);
        for (int i = 0; i < 10; i++)
            CHECK_EQ(sn_group_go(&g, through_the_gate, &gate), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(gate.plain, cap == 1 ? 3000 : 0);
        sn_chan_free(gate.c);
    }
    return 0;
}

TEST(a_channel_is_a_semaphore)
{
    run_everywhere(gates, NULL);
}

/* --- freed as soon as the effect is seen --- */

static int closes(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    sn_chan_close(*(int_chan *)arg);
    return 0;
}

static int receives_one(sn_ctx *ctx, void *arg)
{
    int v = 0;
    CHECK_EQ(sn_chan_recv(ctx, *(int_chan *)arg, &v), 0);
    CHECK_EQ(v, 6);
    return 0;
}

static int selects_one(sn_ctx *ctx, void *arg)
{
    int v = 0;
    sn_case cases[] = { sn_on_recv(*(int_chan *)arg, &v), sn_on_after(SN_SEC(1000)) };
    CHECK_EQ(sn_select(ctx, cases, 2), 0);
    CHECK_EQ(cases[0].err, 0);
    CHECK_EQ(v, 6);
    return 0;
}

static int free_in_all_ways(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 4000; i++) {
        int_chan c, copy;
        sn_group g;
        int v;
        CHECK_EQ(sn_chan_make(&c, 0), 0);
        copy = c; /* the task's own handle */
        sn_group_init(&g, ctx);
        switch (i % 4) {
        case 0: /* the end was seen */
            CHECK_EQ(sn_group_go_copy(&g, closes, &copy), 0);
            CHECK_EQ(sn_chan_recv(ctx, c, &v), SN_ECLOSED);
            break;
        case 1: /* a send without a buffer is over when the receiver has the value */
            CHECK_EQ(sn_group_go_copy(&g, receives_one, &copy), 0);
            CHECK_EQ(sn_chan_send(ctx, c, &(int){ 6 }), 0);
            break;
        case 2:
            CHECK_EQ(sn_group_go_copy(&g, selects_one, &copy), 0);
            CHECK_EQ(sn_chan_send(ctx, c, &(int){ 6 }), 0);
            break;
        default: { /* the chosen case of a select */
            CHECK_EQ(sn_group_go_copy(&g, send_one, &copy), 0);
            sn_case cases[] = { sn_on_after(SN_SEC(1000)), sn_on_recv(c, &v) };
            CHECK_EQ(sn_select(ctx, cases, 2), 1);
            break;
        }
        }
        sn_chan_free(c);
        CHECK_EQ(sn_group_wait(&g), 0);
    }
    return 0;
}

TEST(freed_in_all_ways)
{
    run_everywhere(free_in_all_ways, NULL);
}

static void *sends_fives(void *arg)
{
    int_chan *chans = arg;
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(sn_chan_send(NULL, chans[i], &(int){ 5 }), 0);
    return NULL;
}

TEST(freed_by_threads_right_after_the_last_value)
{
    static int_chan chans[1000];
    pthread_t t;
    int v;
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(sn_chan_make(&chans[i], (size_t)i % 2), 0);
    CHECK(pthread_create(&t, NULL, sends_fives, chans) == 0);
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(sn_chan_recv(NULL, chans[i], &v), 0);
        CHECK_EQ(v, 5);
        sn_chan_free(chans[i]);
    }
    CHECK(pthread_join(t, NULL) == 0);
}

/* --- nothing is allocated after sn_chan_make --- */

struct frugal {
    int_chan ping, pong;
};

static int answers(sn_ctx *ctx, void *arg)
{
    struct frugal *f = arg;
    int v;
    while (sn_chan_recv(ctx, f->ping, &v) == 0)
        CHECK_EQ(sn_chan_send(ctx, f->pong, &v), 0);
    return 0;
}

static void rounds(struct frugal *f, sn_ctx *ctx, int n)
{
    int v;
    for (int i = 0; i < n; i++) {
        sn_case cases[] = { sn_on_recv(f->pong, &v), sn_on_recv(f->ping, &v) };
        CHECK_EQ(sn_chan_send(ctx, f->ping, &i), 0);
        if (i % 2) {
            CHECK_EQ(sn_chan_recv(ctx, f->pong, &v), 0);
        } else {
            CHECK_EQ(sn_select(ctx, cases, 1), 0);
        }
        CHECK_EQ(v, i);
        CHECK_EQ(sn_chan_try_recv(f->pong, &v), SN_EAGAIN);
    }
}

/* One worker, which is the thread that asks: every allocation would show. Sanitizers have a heap of their own. */
static int frugal(sn_ctx *ctx, void *arg)
{
    struct frugal f;
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_chan_make(&f.ping, 0), 0);
    CHECK_EQ(sn_chan_make(&f.pong, 0), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, answers, &f), 0);
    rounds(&f, ctx, 10);
    size_t before = mallinfo2().uordblks;
    rounds(&f, ctx, 5000);
    CHECK_UNLESS_INJECTED(mallinfo2().uordblks == before);
    sn_chan_close(f.ping);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(f.ping);
    sn_chan_free(f.pong);
    return 0;
}

TEST(nothing_is_allocated_after_make)
{
    CHECK_EQ(sn_run(frugal, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

static void die_free_with_waiter_1(void)
{
    (void)sn_run(free_with_waiter, NULL, &(sn_run_opts){ .workers = 1 });
}

TEST(the_panic_names_the_task_that_frees)
{
    check_dies(die_free_with_waiter_1, "sennit: panic: sn_chan_free: somebody waits on channel 1");
    check_dies(die_free_with_waiter_1, "\"main\", started at sn_run main");
}
