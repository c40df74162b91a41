/* The whole runtime in the model: workers, monitor and plain threads in any order, on a weak memory. */
#include "model/model_test.h"

typedef sn_chan_of(int) int_chan;

static void run(sn_fn *fn, int workers, int spares)
{
    CHECK_EQ(sn_run(fn, NULL, &(sn_run_opts){ .workers = workers, .spares = spares, .deadlock = SN_DEADLOCK_NEVER }), 0);
}

/* --- spawn, steal, park, ready, end --- */

static int counts(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)__atomic_fetch_add((int *)arg, 1, __ATOMIC_RELAXED);
    return 0;
}

static int counts_after_a_yield(sn_ctx *ctx, void *arg)
{
    sn_yield();
    return counts(ctx, arg);
}

static int spawns(sn_ctx *ctx, void *arg)
{
    int n = 0;
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 6; i++)
        CHECK_EQ(sn_group_go(&g, i % 2 ? counts : counts_after_a_yield, &n), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(n, 6);
    return 0;
}

MODEL(spawn_and_wait)
{
    (void)arg;
    run(spawns, 2, -1);
}

/* --- channels: values come once, in order, whoever closes and frees --- */

struct stream {
    int_chan c, d;
    int sum;   /* (a) */
    int *data; /* what is sent about is written plainly */
};

static int sends(sn_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    for (int i = 1; i <= 3; i++) {
        s->data[i] = i * 10;
        CHECK_EQ(sn_chan_send(ctx, s->c, &i), 0);
    }
    sn_chan_close(s->c);
    return 0;
}

static int receives(sn_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    int v, r;
    while ((r = sn_chan_recv(ctx, s->c, &v)) == 0)
        (void)__atomic_fetch_add(&s->sum, s->data[v], __ATOMIC_RELAXED);
    CHECK_EQ(r, SN_ECLOSED);
    return 0;
}

static int streams(sn_ctx *ctx, void *arg)
{
    int data[4] = { 0 };
    struct stream s = { .data = data };
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_chan_make(&s.c, sni_model_choose(3)), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, receives, &s), 0);
    CHECK_EQ(sn_group_go(&g, receives, &s), 0);
    CHECK_EQ(sn_group_go(&g, sends, &s), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(s.sum, 60);
    sn_chan_free(s.c);
    return 0;
}

MODEL(channel_and_close)
{
    (void)arg;
    run(streams, 2, -1);
}

/* Plain threads talk to a task, and the channel is freed by who had the last value. */
static void *thread_sends(void *arg)
{
    struct stream *s = arg;
    int v = 2;
    s->data[2] = 20;
    CHECK_EQ(sn_chan_send(NULL, s->c, &v), 0);
    return NULL;
}

static int from_a_thread(sn_ctx *ctx, void *arg)
{
    int data[4] = { 0 }, v;
    struct stream s = { .data = data };
    (void)arg;
    CHECK_EQ(sn_chan_make(&s.c, 0), 0);
    struct sni_os_thread t = model_thread(thread_sends, &s);
    CHECK_EQ(sn_chan_recv(ctx, s.c, &v), 0);
    CHECK_EQ(data[v], 20);
    sn_chan_free(s.c);
    model_join(t);
    return 0;
}

MODEL(thread_to_task)
{
    (void)arg;
    run(from_a_thread, 2, -1);
}

/* --- select: of two channels and a time --- */

static int sends_one(sn_ctx *ctx, void *arg)
{
    int v = 1;
    int r = sn_chan_send(ctx, *(int_chan *)arg, &v);
    CHECK(r == 0 || r == SN_ECANCELED);
    return 0;
}

static int selects(sn_ctx *ctx, void *arg)
{
    int_chan c[2];
    sn_group g;
    int v, got = 0;
    (void)arg;
    CHECK_EQ(sn_chan_make(&c[0], 0), 0);
    CHECK_EQ(sn_chan_make(&c[1], 1), 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(sn_group_go(&g, sends_one, &c[i]), 0);
    for (int i = 0; i < 20 && got < 2; i++) {
        sn_case cases[] = { sn_on_recv(c[0], &v), sn_on_recv(c[1], &v), sn_on_after(SN_US(20)) };
        int k = sn_select(ctx, cases, 3);
        CHECK(k >= 0);
        got += k < 2;
    }
    sn_group_cancel(&g);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(c[0]);
    sn_chan_free(c[1]);
    return 0;
}

MODEL(select_and_time)
{
    (void)arg;
    run(selects, 2, -1);
}

/* --- the end of a context against the wake-up --- */

static int sends_if_let(sn_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    int v = 1, r = sn_chan_send(ctx, s->c, &v);
    CHECK(r == 0 || r == SN_ECANCELED);
    if (r == 0)
        (void)__atomic_fetch_add(&s->sum, 1, __ATOMIC_RELAXED);
    return 0;
}

static int receives_if_let(sn_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    int v = 0, r = sn_chan_recv(ctx, s->c, &v);
    CHECK(r == 0 || r == SN_ECANCELED);
    if (r == 0) {
        CHECK_EQ(v, 1);
        (void)__atomic_fetch_sub(&s->sum, 1, __ATOMIC_RELAXED);
    }
    return 0;
}

static int cancels(sn_ctx *ctx, void *arg)
{
    struct stream s = { .sum = 0 };
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_chan_make(&s.c, 0), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, receives_if_let, &s), 0);
    CHECK_EQ(sn_group_go(&g, sends_if_let, &s), 0);
    sn_group_cancel(&g);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(s.sum, 0); /* had by one: sent by the other */
    sn_chan_free(s.c);
    return 0;
}

MODEL(cancel_against_wake)
{
    (void)arg;
    run(cancels, 2, -1);
}

static int times_out(sn_ctx *ctx, void *arg)
{
    struct stream s = { .sum = 0 };
    sn_group g;
    sn_ctx *soon;
    int v, r;
    (void)arg;
    CHECK_EQ(sn_chan_make(&s.c, 0), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, sends_if_let, &s), 0);
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_US(3)), 0);
    r = sn_chan_recv(soon, s.c, &v);
    CHECK(r == 0 || r == SN_ETIMEDOUT);
    sn_ctx_free(soon);
    sn_group_cancel(&g);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(s.sum, r == 0);
    sn_chan_free(s.c);
    return 0;
}

MODEL(deadline_against_wake)
{
    (void)arg;
    run(times_out, 2, -1);
}

/* --- timers: set, cancelled and fired on different workers --- */

static int sleeps(sn_ctx *ctx, void *arg)
{
    CHECK_EQ(sn_sleep(ctx, SN_US(1 + sni_model_choose(30))), 0);
    return counts(ctx, arg);
}

static int cancels_timers(sn_ctx *ctx, void *arg)
{
    int n = 0;
    int64_t at;
    sn_timer *t;
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(sn_group_go(&g, sleeps, &n), 0);
    CHECK_EQ(sn_timer_new(&t), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(sn_timer_after(t, SN_US(2)), 0);
        if (sni_model_choose(2))
            sn_yield();
        if (!sn_timer_cancel(t))
            (void)sn_chan_try_recv(sn_timer_chan(t), &at);
    }
    sn_timer_free(t);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(n, 3);
    return 0;
}

MODEL(timers_and_cancel)
{
    (void)arg;
    run(cancels_timers, 2, -1);
}

/* --- hand-off: a task holds up its worker in the kernel; others go on, by a spare --- */

struct stuck {
    uint32_t word;
    int_chan c;
};

static int is_stuck(sn_ctx *ctx, void *arg)
{
    struct stuck *s = arg;
    (void)ctx;
    while (__atomic_load_n(&s->word, __ATOMIC_ACQUIRE) == 0)
        (void)sni_os_futex_wait(&s->word, 0, INT64_MAX);
    return 0;
}

static int frees_the_stuck(sn_ctx *ctx, void *arg)
{
    struct stuck *s = arg;
    int v;
    CHECK_EQ(sn_chan_recv(ctx, s->c, &v), 0);
    __atomic_store_n(&s->word, 1, __ATOMIC_RELEASE);
    sni_os_futex_wake(&s->word);
    return 0;
}

static int talks_while_stuck(sn_ctx *ctx, void *arg)
{
    struct stuck s = { .word = 0 };
    sn_group g;
    int v = 1;
    bool says_so = sni_model_choose(2);
    (void)arg;
    CHECK_EQ(sn_chan_make(&s.c, 1), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, frees_the_stuck, &s), 0);
    CHECK_EQ(sn_chan_send(ctx, s.c, &v), 0);
    if (says_so)
        CHECK_EQ(sn_blocking(ctx, is_stuck, &s), 0);
    else
        CHECK_EQ(is_stuck(ctx, &s), 0); /* until another runs what we have readied */
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(s.c);
    return 0;
}

MODEL(hand_off_of_the_only_worker)
{
    (void)arg;
    run(talks_while_stuck, 1, 2);
}

MODEL(hand_off_of_one_of_two)
{
    (void)arg;
    run(talks_while_stuck, 2, 1);
}

/* --- stacks: there are few, and they go round --- */

static int nests(sn_ctx *ctx, void *arg)
{
    int *n = arg;
    sn_group g;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(sn_group_go(&g, counts_after_a_yield, n), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    return counts(ctx, n);
}

static int uses_stacks(sn_ctx *ctx, void *arg)
{
    int n = 0;
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(sn_group_go(&g, nests, &n), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(n, 9);
    return 0;
}

MODEL(stacks_go_round)
{
    (void)arg;
    run(uses_stacks, 3, -1);
}

/* --- pinned tasks, and a runtime beside plain threads --- */

static int pins(sn_ctx *ctx, void *arg)
{
    int n = 0;
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(sn_group_go_opts(&g, counts_after_a_yield, &n, &(sn_task_opts){ .pinned = i % 2 }), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(n, 4);
    return 0;
}

MODEL(pinned_tasks)
{
    (void)arg;
    run(pins, 2, -1);
}

static void *starts_tasks(void *arg)
{
    sn_group g;
    sn_group_init(&g, NULL);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(sn_group_go(&g, counts, arg), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    return NULL;
}

MODEL(started_from_threads)
{
    int n = 0;
    (void)arg;
    CHECK_EQ(sn_start(&(sn_run_opts){ .workers = 2, .spares = -1 }), 0);
    struct sni_os_thread t = model_thread(starts_tasks, &n);
    (void)starts_tasks(&n);
    model_join(t);
    CHECK_EQ(sn_stop(), 0);
    CHECK_EQ(n, 4);
}

/* --- waits one after the other, each in the frame of the last, which its waker may not have left yet --- */

static int receives_thrice(sn_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    for (int i = 0; i < 3; i++) {
        int v = 0;
        CHECK_EQ(sn_chan_recv(ctx, s->c, &v), 0);
        CHECK_EQ(v, 1);
    }
    return 0;
}

static int selects_thrice(sn_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    for (int i = 0; i < 3; i++) {
        int v = 0, w = 0;
        sn_case cases[] = { sn_on_recv(s->c, &v), sn_on_recv(s->d, &w) };
        int k = sn_select(ctx, cases, 2);
        CHECK(k == 0 || k == 1);
        CHECK_EQ(v + w, 1);
    }
    return 0;
}

static int sends_thrice(sn_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(sn_chan_send(ctx, s->d.sni_raw && sni_model_choose(2) ? s->d : s->c, &(int){ 1 }), 0);
        for (int k = sni_model_choose(4); k > 0; k--)
            sn_yield(); /* so that it waits once more */
    }
    return 0;
}

static int waits_in_a_row(sn_ctx *ctx, void *arg)
{
    struct stream s = { .sum = 0 };
    sn_group g;
    CHECK_EQ(sn_chan_make(&s.c, 0), 0);
    if (arg)
        CHECK_EQ(sn_chan_make(&s.d, 0), 0);
    sn_group_init(&g, ctx); /* with a context that can end, so that waits are armed */
    CHECK_EQ(sn_group_go(&g, arg ? selects_thrice : receives_thrice, &s), 0);
    CHECK_EQ(sn_group_go(&g, sends_thrice, &s), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(s.c);
    if (arg)
        sn_chan_free(s.d);
    return 0;
}

MODEL(waits_in_a_row)
{
    (void)arg;
    run(waits_in_a_row, 2, -1);
}

MODEL(selects_in_a_row)
{
    (void)arg;
    CHECK_EQ(sn_run(waits_in_a_row, "", &(sn_run_opts){ .workers = 2, .spares = -1, .deadlock = SN_DEADLOCK_NEVER }), 0);
}

/* --- timers whose memory goes as soon as they are out of the heap --- */

static int deadlines_come_and_go(sn_ctx *ctx, void *arg)
{
    for (int i = 0; i < 3; i++) {
        sn_ctx *soon;
        CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_US(1)), 0);
        if (sni_model_choose(2))
            sn_yield();
        sn_ctx_free(soon);
        CHECK_EQ(sn_sleep(ctx, SN_US(1)), 0);
    }
    return counts(ctx, arg);
}

static int has_deadlines(sn_ctx *ctx, void *arg)
{
    int n = 0;
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(sn_group_go(&g, deadlines_come_and_go, &n), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(n, 2);
    return 0;
}

MODEL(deadlines_freed_when_they_come)
{
    (void)arg;
    run(has_deadlines, 2, -1);
}

/* Sleeps that end by their time and by their context at the same moment, in the same frame. */
struct naps {
    sn_ctx *ctx[3];
};

static int naps(sn_ctx *ctx, void *arg)
{
    struct naps *n = arg;
    (void)ctx;
    for (int i = 0; i < 3; i++) {
        int r = sn_sleep(n->ctx[i], SN_US(1));
        CHECK(r == 0 || r == SN_ECANCELED);
    }
    return 0;
}

static int wakes_from_naps(sn_ctx *ctx, void *arg)
{
    struct naps *n = arg;
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(sn_sleep(ctx, SN_US(1)), 0);
        sn_ctx_cancel(n->ctx[i]);
    }
    return 0;
}

static int has_naps(sn_ctx *ctx, void *arg)
{
    struct naps n;
    sn_group g;
    (void)arg;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(sn_ctx_with_cancel(&n.ctx[i], ctx), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, naps, &n), 0);
    CHECK_EQ(sn_group_go(&g, wakes_from_naps, &n), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < 3; i++)
        sn_ctx_free(n.ctx[i]);
    return 0;
}

MODEL(sleeps_end_in_two_ways)
{
    (void)arg;
    run(has_naps, 2, -1);
}

/* --- a group whose owner's context ends with its last task --- */

static int cancels_it(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    sn_ctx_cancel(arg);
    return 0;
}

static int waits_while_it_ends(sn_ctx *ctx, void *arg)
{
    sn_group *g = sni_os_alloc(sizeof *g), other;
    sn_ctx *ending;
    int n = 0, r;
    (void)arg;
    CHECK_EQ(sn_ctx_with_cancel(&ending, ctx), 0);
    sn_group_init(&other, ctx);
    CHECK_EQ(sn_group_go(&other, cancels_it, ending), 0);
    sn_group_init(g, ctx);
    CHECK_EQ(sn_group_go(g, counts, &n), 0);
    r = sn_group_wait_ctx(ending, g);
    CHECK(r == 0 || r == SN_ECANCELED);
    if (r != 0)
        CHECK_EQ(sn_group_wait(g), 0);
    CHECK_EQ(n, 1);
    sni_os_free(g, sizeof *g);
    CHECK_EQ(sn_group_wait(&other), 0);
    sn_ctx_free(ending);
    return 0;
}

MODEL(group_wait_against_its_context)
{
    (void)arg;
    run(waits_while_it_ends, 2, -1);
}

/* --- a deadlock is noticed, however long the thread that brought the task was about to leave --- */

static void is_told(void *arg, const char *text)
{
    (void)arg;
    CHECK(strstr(text, "deadlock"));
    _exit(0);
}

static int waits_for_ever(sn_ctx *ctx, void *arg)
{
    int v;
    return sn_chan_recv(ctx, *(int_chan *)arg, &v);
}

MODEL(deadlock_of_an_embedded_task)
{
    int_chan c;
    uint32_t word = 0;
    (void)arg;
    CHECK_EQ(sn_start(&(sn_run_opts){ .workers = 1 + sni_model_choose(2), .spares = -1, .deadlock = SN_DEADLOCK_ALWAYS,
                                      .report = is_told }), 0);
    CHECK_EQ(sn_chan_make(&c, 0), 0);
    CHECK_EQ(sn_task_go(waits_for_ever, &c), 0);
    for (;;)
        (void)sni_os_futex_wait(&word, 0, INT64_MAX);
}
