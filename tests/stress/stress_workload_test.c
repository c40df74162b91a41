/* Generated workloads: in each round a crowd of tasks and plain threads does, as a seed says, anything with a few objects of each kind.
 * They wait with short deadlines, are cancelled, fail from any depth, hold up their workers, start others. Then the accounts are
 * made up: all that was sent was received or is still there, who excludes others did, who was started has ended.
 *
 *     SN_SEED=n SN_ROUND=k   begins with that round; both are printed with a failure
 *     SN_WORKERS=n           always so many; else 1, 2, 4 and 16 in turns
 *
 * What each task does is decided by the seed; in which order they do it is not. A round that does not end is shown: all tasks, with
 * their calls. */
#include "sn_test.h"

#include <signal.h>
#include <time.h>

typedef sn_chan_of(long) long_chan;

enum { CHANS = 4, LOCKS = 3, PIPES = 2, ONCES = 64, THREADS = 2, DEPTH_MAX = 3, SIZES = 5, OWN = -20000 };

struct account {
    long tokens, sum; /* (a) */
};

struct world {
    long_chan chans[CHANS];
    struct account sent, received;
    sn_mutex mutex[LOCKS];
    long under_mutex[LOCKS][2];
    sn_rwmutex rw[LOCKS];
    long under_rw[LOCKS][2];
    sn_sem sem;
    int permits, taken;         /* taken: (a) */
    sn_sem sized[2];            /* of sizes that change; taken by selects, too */
    int sized_taken[2];         /* (a) */
    sn_mutex queue_lock;        /* a bounded queue, by hand */
    sn_cond not_empty, not_full;
    int queued;
    struct account put, got;
    sn_once once[ONCES];
    int ran[ONCES];             /* (a) */
    int pipes[PIPES][2];
    long written, read;         /* (a) bytes */
    long started, ended;        /* (a) tasks */
    int64_t until;
    uint64_t seed;
};

static long operations; /* (a) of all rounds: what the watchdog looks at */

static void book(struct account *a, long value)
{
    (void)__atomic_fetch_add(&a->tokens, 1, __ATOMIC_RELAXED);
    (void)__atomic_fetch_add(&a->sum, value, __ATOMIC_RELAXED);
}

/* --- operations: each takes its time at most from ctx, which has a deadline --- */

struct actor {
    struct world *w;
    uint64_t rng;
    int depth;
    bool thread;
};

static uint64_t pick(struct actor *a, uint64_t n)
{
    return test_random(&a->rng) % n;
}

/* An operation that may wait may be ended, and only so. */
static void check_end(int r)
{
    if (r != SN_ECANCELED && r != SN_ETIMEDOUT)
        CHECK_EQ(r, 0);
}

static void sends(struct actor *a, sn_ctx *ctx)
{
    long value = (long)pick(a, 1000000);
    int r = sn_chan_send(ctx, a->w->chans[pick(a, CHANS)], &value);
    check_end(r);
    if (r == 0)
        book(&a->w->sent, value);
}

static void receives(struct actor *a, sn_ctx *ctx)
{
    long value = -1;
    int r = sn_chan_recv(ctx, a->w->chans[pick(a, CHANS)], &value);
    check_end(r);
    if (r == 0)
        book(&a->w->received, value);
}

static void tries(struct actor *a, sn_ctx *ctx)
{
    long value = (long)pick(a, 1000000);
    long_chan c = a->w->chans[pick(a, CHANS)];
    (void)ctx;
    if (pick(a, 2) == 0) {
        if (sn_chan_try_send(c, &value) == 0)
            book(&a->w->sent, value);
    } else if (sn_chan_try_recv(c, &value) == 0) {
        book(&a->w->received, value);
    }
}

static void selects(struct actor *a, sn_ctx *ctx)
{
    enum { IN, OUT, SAME, TIME, CASES };
    long in = -1, same = -1, out = (long)pick(a, 1000000);
    size_t k = pick(a, CHANS);
    sn_case cases[CASES] = { [IN] = sn_on_recv(a->w->chans[k], &in),
                             [OUT] = sn_on_send(a->w->chans[(k + 1) % CHANS], &out),
                             [SAME] = sn_on_recv(a->w->chans[k], &same),
                             [TIME] = sn_on_after(SN_US(1 + pick(a, 100))) };
    size_t n = pick(a, 2) ? CASES : CASES - 1;
    int i = pick(a, 3) ? sn_select(ctx, cases, n) : sn_select_priority(ctx, cases, n);
    CHECK(i < CASES);
    if (i < 0)
        check_end(i);
    else if (i == OUT)
        book(&a->w->sent, out);
    else if (i != TIME)
        book(&a->w->received, i == IN ? in : same);
}

static void dawdles(struct actor *a)
{
    if (pick(a, 3) == 0)
        sn_yield();
}

static void excludes(struct actor *a, sn_ctx *ctx)
{
    size_t k = pick(a, LOCKS);
    long *at = a->w->under_mutex[k];
    int r = pick(a, 4) ? sn_mutex_lock_ctx(ctx, &a->w->mutex[k]) : sn_mutex_try_lock(&a->w->mutex[k]);
    if (r == SN_EBUSY)
        return;
    check_end(r);
    if (r < 0)
        return;
    CHECK_EQ(at[0]++, at[1]);
    dawdles(a);
    CHECK_EQ(at[0], ++at[1]);
    sn_mutex_unlock(&a->w->mutex[k]);
}

static void reads_or_writes(struct actor *a, sn_ctx *ctx)
{
    size_t k = pick(a, LOCKS);
    long *at = a->w->under_rw[k];
    bool writes = pick(a, 4) == 0;
    int r = writes ? sn_rwmutex_lock_ctx(ctx, &a->w->rw[k]) : sn_rwmutex_rlock_ctx(ctx, &a->w->rw[k]);
    check_end(r);
    if (r < 0)
        return;
    CHECK_EQ(at[0], at[1]);
    if (writes)
        at[0]++;
    dawdles(a);
    if (writes)
        at[1]++;
    if (writes && pick(a, 2)) {
        sn_rwmutex_unlock(&a->w->rw[k]);
    } else {
        if (writes) {
            sn_rwmutex_downgrade(&a->w->rw[k]);
            dawdles(a);
        }
        CHECK_EQ(at[0], at[1]);
        sn_rwmutex_runlock(&a->w->rw[k]);
    }
}

static void has_permits(struct actor *a, sn_ctx *ctx)
{
    int n = 1 + (int)pick(a, (uint64_t)a->w->permits);
    int r = pick(a, 4) ? sn_sem_acquire(ctx, &a->w->sem, n) : sn_sem_try_acquire(&a->w->sem, n);
    if (r == SN_EAGAIN)
        return;
    check_end(r);
    if (r < 0)
        return;
    CHECK(__atomic_add_fetch(&a->w->taken, n, __ATOMIC_RELAXED) <= a->w->permits);
    dawdles(a);
    (void)__atomic_sub_fetch(&a->w->taken, n, __ATOMIC_RELAXED);
    sn_sem_release(&a->w->sem, n);
}

/* One or two permits of either semaphore, whichever has them first; sizes change meanwhile. */
static void selects_permits(struct actor *a, sn_ctx *ctx)
{
    struct world *w = a->w;
    int n[2] = { 1 + (int)pick(a, 2), 1 + (int)pick(a, 2) };
    sn_case cases[] = { sn_on_sem(&w->sized[0], n[0]), sn_on_sem(&w->sized[1], n[1]), sn_on_after(SN_US(50)) };

    if (pick(a, 4) == 0)
        sn_sem_resize(&w->sized[pick(a, 2)], 1 + (int)pick(a, SIZES));
    int i = pick(a, 4) ? sn_select(ctx, cases, 2 + pick(a, 2)) : sn_select_try(cases, 2);
    if (i < 0 && i != SN_EAGAIN)
        check_end(i);
    if (i < 0 || i == 2 || cases[i].err == SN_EINVAL) /* just now there are fewer than that in all */
        return;
    CHECK_EQ(cases[i].err, 0);
    CHECK(__atomic_add_fetch(&w->sized_taken[i], n[i], __ATOMIC_RELAXED) <= SIZES);
    dawdles(a);
    (void)__atomic_sub_fetch(&w->sized_taken[i], n[i], __ATOMIC_RELAXED);
    sn_sem_release(&w->sized[i], n[i]);
}

/* A producer or consumer of a queue of at most three. */
static void queues(struct actor *a, sn_ctx *ctx)
{
    struct world *w = a->w;
    bool puts = pick(a, 2) == 0;
    int r = sn_mutex_lock_ctx(ctx, &w->queue_lock);
    check_end(r);
    if (r < 0)
        return;
    while (r == 0 && (puts ? w->queued == 3 : w->queued == 0))
        r = sn_cond_wait_ctx(ctx, puts ? &w->not_full : &w->not_empty, &w->queue_lock);
    if (r == 0) {
        w->queued += puts ? 1 : -1;
        CHECK(w->queued >= 0 && w->queued <= 3);
        book(puts ? &w->put : &w->got, 1);
        if (pick(a, 8) == 0)
            sn_cond_broadcast(puts ? &w->not_empty : &w->not_full);
        else
            sn_cond_signal(puts ? &w->not_empty : &w->not_full);
    } else {
        sn_cond_signal(puts ? &w->not_full : &w->not_empty); /* the signal may have been for us */
    }
    sn_mutex_unlock(&w->queue_lock);
    check_end(r);
}

static void runs_once(void *arg)
{
    (void)__atomic_fetch_add((int *)arg, 1, __ATOMIC_RELAXED);
    sn_yield();
}

static int may_run_once(sn_ctx *ctx, void *arg)
{
    int r;
    sn_yield();
    if ((r = sn_ctx_err(ctx)) == 0 && sn_random() % 2)
        r = SN_EUSER;
    if (r == 0)
        runs_once(arg);
    return r;
}

static void does_once(struct actor *a, sn_ctx *ctx)
{
    static const sn_once_opts patient = { .backoff = SN_US(1) };
    size_t k = pick(a, ONCES);
    sn_once *once = &a->w->once[k];
    sn_case c = sn_on_once(once);
    size_t how = pick(a, 4);
    int r = how == 0   ? sn_once_do_ctx(ctx, once, runs_once, &a->w->ran[k])
            : how == 1 ? sn_select(ctx, &c, 1)
                       : sn_once_try(ctx, once, may_run_once, &a->w->ran[k], how == 2 ? &patient : NULL);
    if (r != SN_EUSER)
        check_end(r);
    if (r == 0)
        CHECK_EQ(__atomic_load_n(&a->w->ran[k], __ATOMIC_RELAXED), 1);
}

static void uses_a_pipe(struct actor *a, sn_ctx *ctx)
{
    char buf[300] = { 0 };
    int *fds = a->w->pipes[pick(a, PIPES)];
    size_t n = 1 + pick(a, sizeof buf);
    bool writes = pick(a, 2) == 0;
    int64_t r = writes ? sn_fd_write(ctx, fds[1], buf, n) : sn_fd_read(ctx, fds[0], buf, n);
    if (r < 0)
        check_end((int)r);
    else
        (void)__atomic_fetch_add(writes ? &a->w->written : &a->w->read, (long)r, __ATOMIC_RELAXED);
}

static void sleeps(struct actor *a, sn_ctx *ctx)
{
    int64_t ns = SN_US((int64_t)pick(a, 300)), begin = sn_now();
    int r = sn_sleep(ctx, ns);
    check_end(r);
    if (r == 0)
        CHECK(sn_now() - begin >= ns);
}

static void sets_a_timer(struct actor *a, sn_ctx *ctx)
{
    int64_t at = 0;
    sn_timer *t;
    if (a->thread)
        return; /* fine, too, but there is nothing to gain */
    CHECK_EQ(sn_timer_new(&t), 0);
    CHECK_EQ(sn_timer_after(t, SN_US((int64_t)pick(a, 100))), 0);
    if (pick(a, 2)) {
        int r = sn_chan_recv(ctx, sn_timer_chan(t), &at);
        check_end(r);
    } else if (!sn_timer_cancel(t)) {
        (void)sn_chan_try_recv(sn_timer_chan(t), &at);
    }
    sn_timer_free(t);
}

static int blocks(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)nanosleep(&(struct timespec){ 0, *(long *)arg }, NULL);
    return 0;
}

/* Now and then long enough for others to be given its work. */
static void holds_up(struct actor *a, sn_ctx *ctx)
{
    long ns = pick(a, 20) == 0 ? 15000000 : 100000;
    int64_t end = sn_now() + ns;
    switch (pick(a, 3)) {
    case 0: (void)blocks(ctx, &ns); break;
    case 1: check_end(sn_blocking(ctx, blocks, &ns)); break;
    default:
        while (sn_now() < end)
            ;
    }
}

static void waits_for_a_round(struct actor *a, sn_ctx *ctx);
static void wants_an_answer(struct actor *a, sn_ctx *ctx);
static void meets_others(struct actor *a, sn_ctx *ctx);
static void starts_others(struct actor *a, sn_ctx *ctx);

static void (*const operations_of_all[])(struct actor *, sn_ctx *) = {
    sends, sends, receives, receives, tries, selects, selects, excludes, reads_or_writes, has_permits, queues, queues,
    does_once, uses_a_pipe, uses_a_pipe, sleeps, sets_a_timer, waits_for_a_round, starts_others, selects_permits,
    selects_permits, wants_an_answer, meets_others,
};

static void operate(struct actor *a, sn_ctx *parent)
{
    sn_ctx *ctx, *first, *both[2];
    enum { N = sizeof operations_of_all / sizeof *operations_of_all };

    CHECK_EQ(sn_ctx_with_timeout(&ctx, parent, SN_US(1 + (int64_t)pick(a, pick(a, 10) ? 200 : 5000))), 0);
    first = ctx;
    if (pick(a, 10) == 0) { /* contexts in all shapes */
        CHECK_EQ(sn_ctx_with_cancel(&both[1], parent), 0);
        both[0] = ctx;
        CHECK_EQ(sn_ctx_merge(&ctx, both, 2), 0);
        sn_ctx_free(first);
        first = both[1];
        if (pick(a, 2) == 0)
            sn_ctx_cancel(first);
    }
    if (pick(a, 300) == 0)
        holds_up(a, ctx);
    else
        operations_of_all[pick(a, N)](a, ctx);
    sn_ctx_free(ctx);
    if (first != ctx)
        sn_ctx_free(first);
    (void)__atomic_fetch_add(&operations, 1, __ATOMIC_RELAXED);
}

/* --- tasks that start tasks --- */

static void on_failure(void *arg)
{
    struct actor *a = arg;
    (void)__atomic_fetch_add(&a->w->ended, 1, __ATOMIC_RELAXED);
}

static __attribute__((noinline)) void fails_deeply(int depth)
{
    void (*volatile deeper)(int) = fails_deeply;
    volatile char frame[256];
    memset((void *)(uintptr_t)frame, depth, sizeof frame);
    if (depth > 0)
        deeper(depth - 1);
    else
        sn_fail(OWN, "as the seed says");
    __asm__ volatile("" : : : "memory");
}

static int lives(sn_ctx *ctx, void *arg)
{
    struct actor a = *(struct actor *)arg;
    sn_cleanup cleanup;
    uint64_t n = 1 + pick(&a, 20);

    sn_cleanup_push(&cleanup, on_failure, &a);
    for (uint64_t i = 0; i < n && sn_ctx_err(ctx) == 0; i++)
        operate(&a, ctx);
    if (pick(&a, 20) == 0)
        fails_deeply((int)pick(&a, 20));
    sn_cleanup_pop(&cleanup);
    on_failure(&a); /* ended in good order */
    return pick(&a, 20) == 0 ? OWN : 0;
}

static void starts_others(struct actor *a, sn_ctx *ctx)
{
    sn_group g;
    uint64_t n = 1 + pick(a, 4);
    int r;

    if (a->depth >= DEPTH_MAX || a->thread)
        return;
    sn_group_init(&g, ctx);
    for (uint64_t i = 0; i < n; i++) {
        struct actor child = { a->w, test_random(&a->rng) | 1, a->depth + 1, false };
        (void)__atomic_fetch_add(&a->w->started, 1, __ATOMIC_RELAXED);
        r = sn_group_go_at(&g, lives, &child, sizeof child, SN_SITE("lives"), &(sn_task_opts){ .pinned = pick(a, 16) == 0 });
        CHECK_EQ(r, 0);
    }
    if (pick(a, 4) == 0)
        sn_group_cancel(&g);
    r = sn_group_wait(&g);
    CHECK(r == 0 || r == OWN);
}

struct helper {
    sn_waitgroup wg;
    int done; /* (a) */
};

static int helps(sn_ctx *ctx, void *arg)
{
    struct helper *h = arg;
    (void)ctx;
    sn_yield();
    (void)__atomic_fetch_add(&h->done, 1, __ATOMIC_RELAXED);
    sn_waitgroup_done(&h->wg);
    return 0;
}

static void waits_for_a_round(struct actor *a, sn_ctx *ctx)
{
    struct helper h = { .done = 0 };
    sn_group g;
    int n = 1 + (int)pick(a, 3), r;

    if (a->thread)
        return;
    sn_group_init(&g, sn_background());
    sn_waitgroup_add(&h.wg, n);
    for (int i = 0; i < n; i++)
        CHECK_EQ(sn_group_go(&g, helps, &h), 0);
    r = sn_waitgroup_wait_ctx(ctx, &h.wg);
    check_end(r);
    if (r == 0)
        CHECK_EQ(__atomic_load_n(&h.done, __ATOMIC_RELAXED), n);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(sn_waitgroup_count(&h.wg), 0);
}

/* A future on the stack, and a task that sets it; or it is failed before. The wait group counts the task and the latch says that it
 * has begun. */
typedef sn_future_of(long) long_future;

struct question {
    long_future answer;
    sn_latch begun;
    sn_waitgroup wg;
    long value;
};

static int answers(sn_ctx *ctx, void *arg)
{
    struct question *q = arg;
    (void)ctx;
    sn_latch_count_down(&q->begun, 1);
    sn_yield();
    int r = sn_future_set(&q->answer, &q->value);
    CHECK(r == 0 || r == SN_EEXIST);
    return 0;
}

static void wants_an_answer(struct actor *a, sn_ctx *ctx)
{
    struct question q = { .begun = SN_LATCH_INIT(1), .value = (long)pick(a, 1000) };
    long got = -1;

    if (a->thread)
        return;
    CHECK_EQ(sn_waitgroup_go(&q.wg, answers, &q), 0);
    if (pick(a, 4) == 0)
        check_end(sn_latch_wait(ctx, &q.begun));
    if (pick(a, 4) == 0)
        (void)sn_future_fail(&q.answer, OWN);
    sn_case cases[] = { sn_on_future(&q.answer), sn_on_waitgroup(&q.wg) };
    int r = pick(a, 2) ? sn_future_get(ctx, &q.answer, &got) : sn_select(ctx, cases, 2);
    if (r < 0 && r != OWN)
        check_end(r);
    sn_waitgroup_wait(&q.wg);
    r = sn_future_try_get(&q.answer, &got);
    CHECK((r == 0 && got == q.value) || r == OWN);
}

/* Some meet in steps; one may give up, and then the barrier is broken for all of them. */
struct meeting {
    sn_barrier barrier;
    int parties, broken, steps[4]; /* (a) but parties */
};

struct guest {
    struct meeting *m;
    int number;
    uint64_t rng;
};

static int meets(sn_ctx *ctx, void *arg)
{
    struct guest *g = arg;
    struct meeting *m = g->m;
    for (int step = 1; step <= 4; step++) {
        sn_ctx *soon;
        (void)__atomic_add_fetch(&m->steps[g->number], 1, __ATOMIC_RELAXED);
        CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_US((int64_t)(test_random(&g->rng) % 2 ? 100000 : 20))), 0);
        int r = sn_barrier_wait(soon, &m->barrier);
        sn_ctx_free(soon);
        if (r < 0) {
            if (r != SN_EBROKEN)
                check_end(r);
            (void)__atomic_add_fetch(&m->broken, 1, __ATOMIC_RELAXED);
            return 0;
        }
        for (int i = 0; i < m->parties; i++)
            CHECK(__atomic_load_n(&m->steps[i], __ATOMIC_RELAXED) >= step);
    }
    return 0;
}

static void meets_others(struct actor *a, sn_ctx *ctx)
{
    struct meeting m = { .parties = 2 + (int)pick(a, 3) };
    sn_group g;

    if (a->thread || a->depth > 0)
        return;
    sn_barrier_init(&m.barrier, m.parties);
    sn_group_init(&g, ctx);
    for (int i = 0; i < m.parties; i++) {
        struct guest guest = { &m, i, test_random(&a->rng) | 1 };
        CHECK_EQ(sn_group_go_copy(&g, meets, &guest), 0);
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK(m.broken == 0 || sn_barrier_is_broken(&m.barrier));
    CHECK_EQ(m.barrier.sni_[0] & 3, 0);
}

/* --- a round --- */

static void *thread_lives(void *arg)
{
    struct actor *a = arg;
    while (sn_now() < a->w->until)
        operate(a, sn_background());
    return NULL;
}

static int crowd(sn_ctx *ctx, void *arg)
{
    struct actor a = *(struct actor *)arg;
    while (sn_now() < a.w->until)
        operate(&a, ctx);
    return 0;
}

static void make_up_accounts(struct world *w)
{
    char buf[1024];
    long value;
    ssize_t n;

    for (int i = 0; i < CHANS; i++) {
        while (sn_chan_try_recv(w->chans[i], &value) == 0)
            book(&w->received, value);
        sn_chan_free(w->chans[i]);
    }
    CHECK_EQ(w->received.tokens, w->sent.tokens);
    CHECK_EQ(w->received.sum, w->sent.sum);
    CHECK_EQ(w->got.tokens + w->queued, w->put.tokens);
    for (int i = 0; i < LOCKS; i++) {
        CHECK_EQ(w->under_mutex[i][0], w->under_mutex[i][1]);
        CHECK_EQ(w->under_rw[i][0], w->under_rw[i][1]);
        CHECK_EQ(sn_mutex_try_lock(&w->mutex[i]), 0);
        CHECK_EQ(sn_rwmutex_try_lock(&w->rw[i]), 0);
        sn_mutex_unlock(&w->mutex[i]);
        sn_rwmutex_unlock(&w->rw[i]);
    }
    CHECK_EQ(w->taken, 0);
    CHECK_EQ(sn_sem_try_acquire(&w->sem, w->permits), 0); /* all are back */
    sn_sem_release(&w->sem, w->permits);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(w->sized_taken[i], 0);
        CHECK_EQ(sn_sem_used(&w->sized[i]), 0);
        CHECK_EQ(sn_sem_waiting(&w->sized[i]), 0);
    }
    for (int i = 0; i < PIPES; i++) {
        while ((n = read(w->pipes[i][0], buf, sizeof buf)) > 0)
            w->read += n;
        CHECK_EQ(sn_fd_close(w->pipes[i][0]), 0);
        CHECK_EQ(sn_fd_close(w->pipes[i][1]), 0);
    }
    CHECK_EQ(w->read, w->written);
    CHECK_EQ(w->ended, w->started);
}

static int world(sn_ctx *ctx, void *arg)
{
    struct world *w = arg;
    pthread_t threads[THREADS];
    struct actor main_actor = { w, w->seed | 1, 0, false }, of_thread[THREADS];
    sn_group g;
    uint64_t n;

    for (int i = 0; i < CHANS; i++)
        CHECK_EQ(sn_chan_make(&w->chans[i], pick(&main_actor, 4)), 0);
    for (int i = 0; i < PIPES; i++)
        CHECK_EQ(sn_fd_pipe(w->pipes[i]), 0);
    w->permits = 1 + (int)pick(&main_actor, 5);
    sn_sem_init(&w->sem, w->permits);
    for (int i = 0; i < 2; i++)
        sn_sem_init(&w->sized[i], 1 + (int)pick(&main_actor, SIZES));
    w->until = sn_now() + SN_MS(30);
    for (int i = 0; i < THREADS; i++) {
        of_thread[i] = (struct actor){ w, test_random(&main_actor.rng) | 1, 0, true };
        CHECK(pthread_create(&threads[i], NULL, thread_lives, &of_thread[i]) == 0);
    }
    sn_group_init(&g, ctx);
    n = 2 + pick(&main_actor, 30);
    for (uint64_t i = 0; i < n; i++) {
        struct actor a = { w, test_random(&main_actor.rng) | 1, 0, false };
        CHECK_EQ(sn_group_go_copy(&g, crowd, &a), 0);
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0); /* their operations end by themselves */
    make_up_accounts(w);
    return 0;
}

/* --- the watchdog --- */

static unsigned long round_now; /* (a) */
static int workers_now;
static uint64_t seed_now;

static void say_where(void)
{
    char text[160];
    int n = snprintf(text, sizeof text, "stress: seed %" PRIu64 ", round %lu, %d workers; SN_SEED=%" PRIu64 " SN_ROUND=%lu begins there\n",
                     seed_now, round_now, workers_now, seed_now, round_now);
    (void)!write(2, text, (size_t)n);
}

static void on_abort(int signo)
{
    say_where();
    (void)signal(signo, SIG_DFL);
}

static void *watches(void *arg)
{
    long before = -1;
    int still = 0;

    while (!__atomic_load_n((int *)arg, __ATOMIC_ACQUIRE)) {
        (void)usleep(100000);
        long now = __atomic_load_n(&operations, __ATOMIC_RELAXED);
        still = now == before ? still + 1 : 0;
        before = now;
        if (still < 300) /* half a minute without any operation that has an end: each has a deadline of milliseconds */
            continue;
        fprintf(stderr, "stress: nothing has ended for 30 s; all tasks:\n");
        if (sn_dump(2) < 0)
            fprintf(stderr, "no dump\n");
        abort();
    }
    return NULL;
}

TEST(rounds)
{
    static const int workers[] = { 1, 2, 4, 16 };
    const char *first = getenv("SN_ROUND"), *always = getenv("SN_WORKERS");
    int64_t end = sn_now() + SN_MS(test_stress_ms());
    pthread_t watchdog;
    int over = 0;

    seed_now = test_seed();
    (void)signal(SIGABRT, on_abort);
    CHECK(pthread_create(&watchdog, NULL, watches, &over) == 0);
    for (unsigned long round = first ? strtoul(first, NULL, 10) : 0; sn_now() < end; round++) {
        struct world *w = calloc(1, sizeof *w);
        CHECK(w != NULL);
        w->seed = (seed_now + round) * 0x9E3779B97F4A7C15u;
        round_now = round;
        workers_now = always ? atoi(always) : workers[round % 4];
        CHECK_EQ(sn_run(world, w, &(sn_run_opts){ .workers = workers_now, .seed = w->seed | 1 }), 0);
        free(w);
        if (getenv("SN_STRESS_MS") && round % 500 == 499)
            fprintf(stderr, "stress: seed %" PRIu64 ", round %lu, %ld operations\n", seed_now, round, operations);
    }
    __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
    CHECK(pthread_join(watchdog, NULL) == 0);
    fprintf(stderr, "stress: seed %" PRIu64 ", up to round %lu, %ld operations\n", seed_now, round_now, operations);
}
