/* Hand-off: tasks that hold up their workers, in a C call or in a loop, and everybody else who goes on all the same. */
#include "sn_test.h"

#include <fcntl.h>
#include <pthread.h>

typedef sn_chan_of(int) int_chan;

static bool is_set(int *flag)
{
    return __atomic_load_n(flag, __ATOMIC_ACQUIRE) != 0;
}

static void set(int *flag)
{
    __atomic_store_n(flag, 1, __ATOMIC_RELEASE);
}

/* --- every worker is stuck --- */

struct all {
    int pipe[2];        /* blocking: a read in a plain system call waits for what a task writes */
    int loops, calls;   /* how many of each are stuck */
    int in;             /* (atomic) stuck so far */
    int go;             /* the loops may end */
    int timers, fds, talks;
};

static int stuck_in_call(sn_ctx *ctx, void *arg)
{
    struct all *a = arg;
    char b;
    (void)ctx;
    __atomic_fetch_add(&a->in, 1, __ATOMIC_ACQ_REL);
    CHECK_EQ(read(a->pipe[0], &b, 1), 1);
    return 0;
}

static int stuck_in_loop(sn_ctx *ctx, void *arg)
{
    struct all *a = arg;
    (void)ctx;
    __atomic_fetch_add(&a->in, 1, __ATOMIC_ACQ_REL);
    while (!is_set(&a->go))
        ;
    return 0;
}

static int timer_goes_on(sn_ctx *ctx, void *arg)
{
    struct all *a = arg;
    for (; a->timers < 10; a->timers++)
        CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
    return 0;
}

static int echo(sn_ctx *ctx, void *arg)
{
    int *fds = arg;
    char b;
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(sn_sleep(ctx, SN_US(500)), 0);
        CHECK_EQ(sn_fd_read(ctx, fds[0], &b, 1), 1);
        CHECK_EQ(sn_fd_write(ctx, fds[3], &b, 1), 1);
    }
    return 0;
}

static int fds_go_on(sn_ctx *ctx, void *arg)
{
    struct all *a = arg;
    int fds[4];
    sn_group g;
    CHECK_EQ(sn_fd_pipe(fds), 0);
    CHECK_EQ(sn_fd_pipe(fds + 2), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, echo, fds), 0);
    for (; a->fds < 10; a->fds++) {
        char b = (char)a->fds;
        CHECK_EQ(sn_fd_write(ctx, fds[1], &b, 1), 1);
        CHECK_EQ(sn_fd_read(ctx, fds[2], &b, 1), 1);
        CHECK_EQ(b, a->fds);
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(sn_fd_close(fds[i]), 0);
    return 0;
}

static int answers(sn_ctx *ctx, void *arg)
{
    int_chan *c = arg;
    int v;
    while (sn_chan_recv(ctx, *c, &v) == 0)
        ;
    return 0;
}

static int talks_go_on(sn_ctx *ctx, void *arg)
{
    struct all *a = arg;
    int_chan c;
    sn_group g;
    CHECK_EQ(sn_chan_make(&c, 0), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, answers, &c), 0);
    for (; a->talks < 1000; a->talks++)
        CHECK_EQ(sn_chan_send(ctx, c, &a->talks), 0);
    sn_chan_close(c);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(c);
    return 0;
}

static int all_stuck(sn_ctx *ctx, void *arg)
{
    struct all *a = arg;
    sn_group stuck, others;
    CHECK(pipe(a->pipe) == 0);
    sn_group_init(&stuck, ctx);
    sn_group_init(&others, ctx);
    for (int i = 0; i < a->calls; i++)
        CHECK_EQ(sn_group_go(&stuck, stuck_in_call, a), 0);
    for (int i = 0; i < a->loops; i++)
        CHECK_EQ(sn_group_go(&stuck, stuck_in_loop, a), 0);
    while (__atomic_load_n(&a->in, __ATOMIC_ACQUIRE) < a->calls + a->loops)
        CHECK_EQ(sn_sleep(ctx, SN_US(100)), 0);
    CHECK_EQ(sn_group_go(&others, timer_goes_on, a), 0);
    CHECK_EQ(sn_group_go(&others, fds_go_on, a), 0);
    CHECK_EQ(sn_group_go(&others, talks_go_on, a), 0);
    CHECK_EQ(sn_group_wait(&others), 0);
    CHECK(a->timers == 10 && a->fds == 10 && a->talks == 1000);
    set(&a->go);
    for (int i = 0; i < a->calls; i++)
        CHECK_EQ(write(a->pipe[1], "x", 1), 1);
    CHECK_EQ(sn_group_wait(&stuck), 0);
    CHECK(close(a->pipe[0]) == 0 && close(a->pipe[1]) == 0);
    return 0;
}

/* Twice as many as there are workers, so that spares get stuck too; again and again, so that they are used again. */
static void all_stuck_in(bool calls, bool loops)
{
    for (int i = 0; i < 2; i++) {
        int n = test_workers[i];
        for (int k = 0; k < 3; k++) {
            struct all a = { .calls = calls ? 2 * n : 0, .loops = loops ? 2 * n : 0 };
            CHECK_EQ(sn_run(all_stuck, &a, &(sn_run_opts){ .workers = n }), 0);
        }
    }
}

TEST(all_stuck_in_calls)
{
    all_stuck_in(true, false);
}

TEST(all_stuck_in_loops)
{
    all_stuck_in(false, true);
}

TEST(all_stuck_in_both)
{
    all_stuck_in(true, true);
}

TEST(a_hundred_stuck_calls)
{
    struct all a = { .calls = 100 };
    CHECK_EQ(sn_run(all_stuck, &a, &(sn_run_opts){ .workers = 2 }), 0);
}

/* Beside a plain thread, which is what waits for the others. */
TEST(all_stuck_beside_a_thread)
{
    for (int n = 1; n <= 2; n++) {
        struct all a = { .calls = n, .loops = n };
        CHECK_EQ(sn_start(&(sn_run_opts){ .workers = n }), 0);
        CHECK_EQ(all_stuck(NULL, &a), 0);
        CHECK_EQ(sn_stop(), 0);
    }
}

/* --- what a stuck worker has --- */

struct held {
    int_chan c;
    int flag;
};

static int receives(sn_ctx *ctx, void *arg)
{
    struct held *h = arg;
    int v;
    CHECK_EQ(sn_chan_recv(ctx, h->c, &v), 0);
    set(&h->flag);
    return 0;
}

static int sets(sn_ctx *ctx, void *arg)
{
    struct held *h = arg;
    (void)ctx;
    set(&h->flag);
    return 0;
}

static void spin_until(int *flag)
{
    while (!is_set(flag))
        ;
}

/* The task that was to run next, since it has just been woken. */
static int wakes_and_spins(sn_ctx *ctx, void *arg)
{
    struct held h = { .flag = 0 };
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_chan_make(&h.c, 0), 0);
    for (int i = 0; i < 3; i++) {
        h.flag = 0;
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, receives, &h), 0);
        sn_yield(); /* it waits now */
        CHECK_EQ(sn_chan_send(ctx, h.c, &i), 0);
        spin_until(&h.flag);
        CHECK_EQ(sn_group_wait(&g), 0);
    }
    sn_chan_free(h.c);
    return 0;
}

TEST(who_was_to_run_next_is_taken)
{
    run_really(wakes_and_spins, NULL);
}

/* A task that was started by one who has been stuck already. */
static int starts_and_spins(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        struct held h = { .flag = 0 };
        int64_t end = sn_now() + SN_MS(30);
        sn_group g;
        sn_group_init(&g, ctx);
        while (sn_now() < end)
            ;
        CHECK_EQ(sn_group_go(&g, sets, &h), 0);
        spin_until(&h.flag);
        CHECK_EQ(sn_group_wait(&g), 0);
    }
    return 0;
}

TEST(what_a_stuck_one_starts_is_taken)
{
    run_really(starts_and_spins, NULL);
}

/* A task whose timer is in the stuck worker's heap, and one that a plain thread wakes. */
static int sleeps_then_sets(sn_ctx *ctx, void *arg)
{
    struct held *h = arg;
    CHECK_EQ(sn_sleep(ctx, SN_MS(2)), 0);
    set(&h->flag);
    return 0;
}

static int spins_beside_a_sleeper(sn_ctx *ctx, void *arg)
{
    struct held h = { .flag = 0 };
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, sleeps_then_sets, &h), 0);
    sn_yield();
    spin_until(&h.flag);
    return sn_group_wait(&g);
}

TEST(timers_of_a_stuck_one_fire)
{
    run_really(spins_beside_a_sleeper, NULL);
}

/* A hog sees what happens to it: its own deadline, set when nobody was looking any more, and what others tell it. */
static int tells(sn_ctx *ctx, void *arg)
{
    int_chan *c = arg;
    CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
    return sn_chan_send(ctx, *c, &(int){ 1 });
}

static int computes_until_told(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        sn_ctx *soon;
        int_chan c;
        sn_group g;
        int v;
        for (int64_t end = sn_now() + SN_MS(150); sn_now() < end;)
            ;
        CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_MS(2)), 0);
        while (sn_ctx_err(soon) == 0)
            ;
        CHECK_EQ(sn_ctx_err(soon), SN_ETIMEDOUT);
        sn_ctx_free(soon);
        CHECK_EQ(sn_chan_make(&c, 1), 0);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, tells, &c), 0);
        while (sn_chan_try_recv(c, &v) == SN_EAGAIN)
            ;
        CHECK_EQ(sn_group_wait(&g), 0);
        sn_chan_free(c);
    }
    return 0;
}

TEST(a_hog_sees_its_deadline)
{
    run_really(computes_until_told, NULL);
}

static void *sends_from_a_thread(void *arg)
{
    struct held *h = arg;
    CHECK_EQ(sn_sleep(NULL, SN_MS(2)), 0);
    CHECK_EQ(sn_chan_send(NULL, h->c, &(int){ 1 }), 0);
    return NULL;
}

static int joins_a_thread(sn_ctx *ctx, void *arg)
{
    struct held h = { .flag = 0 };
    pthread_t thread;
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_chan_make(&h.c, 0), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, receives, &h), 0);
    CHECK(pthread_create(&thread, NULL, sends_from_a_thread, &h) == 0);
    CHECK(pthread_join(thread, NULL) == 0); /* blocks the worker; the thread waits for the receiver */
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(h.c);
    return 0;
}

TEST(a_task_may_join_a_thread)
{
    run_really(joins_a_thread, NULL);
}

/* A million switches beside hogs that come and go: nothing is lost when workers change their roles. */
static int hogs_now_and_then(sn_ctx *ctx, void *arg)
{
    int *stop = arg;
    while (!is_set(stop)) {
        int64_t end = sn_now() + SN_MS(25);
        while (sn_now() < end)
            ;
        CHECK_EQ(sn_sleep(ctx, SN_MS(5)), 0);
    }
    return 0;
}

static int busy_beside_hogs(sn_ctx *ctx, void *arg)
{
    struct all a = { .talks = 0 };
    int stop = 0;
    sn_group g, talks;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(sn_group_go(&g, hogs_now_and_then, &stop), 0);
    int64_t end = sn_now() + SN_MS(300);
    while (sn_now() < end) {
        struct all many[4] = { { .talks = 0 } };
        sn_group_init(&talks, ctx);
        for (int i = 0; i < 4; i++)
            CHECK_EQ(sn_group_go(&talks, talks_go_on, &many[i]), 0);
        CHECK_EQ(sn_group_wait(&talks), 0);
        for (int i = 0; i < 4; i++)
            a.talks += many[i].talks;
    }
    CHECK(a.talks > 0 && a.talks % 4000 == 0);
    set(&stop);
    return sn_group_wait(&g);
}

TEST(nothing_is_lost_beside_hogs)
{
    run_really(busy_beside_hogs, NULL);
}

/* Without spares nobody goes on, and nothing breaks. */
static int counts(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    ++*(int *)arg;
    return 0;
}

static int waits_in_vain(sn_ctx *ctx, void *arg)
{
    int ran = 0;
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, counts, &ran), 0);
    usleep(50000);
    CHECK_EQ(*(volatile int *)&ran, 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(ran, 1);
    return 0;
}

TEST(no_spares_no_help)
{
    CHECK_EQ(sn_run(waits_in_vain, NULL, &(sn_run_opts){ .workers = 1, .spares = -1 }), 0);
}

TEST(few_spares)
{
    struct all a = { .calls = 3 }; /* two spares and the worker are stuck, the third spare does the rest */
    CHECK_EQ(sn_run(all_stuck, &a, &(sn_run_opts){ .workers = 1, .spares = 3 }), 0);
}

TEST(bad_numbers)
{
    CHECK_EQ(sn_run(waits_in_vain, NULL, &(sn_run_opts){ .spares = 257 }), SN_EINVAL);
    CHECK_EQ(sn_run(waits_in_vain, NULL, &(sn_run_opts){ .hog_ns = -1 }), SN_EINVAL);
}

/* --- sn_blocking --- */

static int returns_its_argument(sn_ctx *ctx, void *arg)
{
    CHECK(ctx != NULL);
    return *(int *)arg;
}

static int calls_blocking(sn_ctx *ctx, void *arg)
{
    sn_ctx *dead;
    (void)arg;
    CHECK_EQ(sn_blocking(ctx, returns_its_argument, &(int){ 42 }), 42);
    CHECK_EQ(sn_blocking(NULL, returns_its_argument, &(int){ -7 }), -7);
    CHECK_EQ(sn_ctx_with_cancel(&dead, ctx), 0);
    sn_ctx_cancel(dead);
    CHECK_EQ(sn_blocking(dead, returns_its_argument, NULL), SN_ECANCELED); /* it is not called */
    sn_ctx_free(dead);
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(sn_blocking(ctx, returns_its_argument, &i), i);
    return 0;
}

TEST(blocking_returns_what_fn_does)
{
    CHECK_EQ(calls_blocking(sn_background(), NULL), 0); /* without a runtime */
    run_everywhere(calls_blocking, NULL);
}

static int waits_for_the_flag(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    while (!is_set(arg))
        usleep(100);
    return 5;
}

/* What is queued, what was to run next and what sleeps goes on while fn blocks. */
static int blocks_for_others(sn_ctx *ctx, void *arg)
{
    struct held h = { .flag = 0 };
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_chan_make(&h.c, 0), 0);
    for (int i = 0; i < 10; i++) {
        sn_group_init(&g, ctx);
        h.flag = 0;
        CHECK_EQ(sn_group_go(&g, i % 3 == 0 ? receives : i % 3 == 1 ? sets : sleeps_then_sets, &h), 0);
        if (i % 3 == 0) {
            sn_yield();
            CHECK_EQ(sn_chan_send(ctx, h.c, &i), 0);
        } else if (i % 3 == 2) {
            sn_yield();
        }
        CHECK_EQ(sn_blocking(ctx, waits_for_the_flag, &h.flag), 5);
        CHECK_EQ(sn_group_wait(&g), 0);
    }
    sn_chan_free(h.c);
    return 0;
}

TEST(others_go_on_while_it_blocks)
{
    run_really(blocks_for_others, NULL);
}

/* fn may wait as a task does, start tasks, and call it again. */
static int waits_inside(sn_ctx *ctx, void *arg)
{
    struct held h = { .flag = 0 };
    sn_group g;
    CHECK_EQ(sn_sleep(ctx, SN_US(300)), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, sets, &h), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK(is_set(&h.flag));
    return arg ? 1 + sn_blocking(ctx, waits_inside, NULL) : 1;
}

static int blocks_and_waits(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++)
        CHECK_EQ(sn_blocking(ctx, waits_inside, &i), 2);
    return 0;
}

TEST(fn_may_wait)
{
    run_everywhere(blocks_and_waits, NULL);
}

static int fails_inside(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    sn_fail(SN_EIO, "inside");
}

static int blocks_and_fails(sn_ctx *ctx, void *arg)
{
    (void)arg;
    return sn_blocking(ctx, fails_inside, NULL);
}

static void run_failing(void)
{
    (void)sn_run(blocks_and_fails, NULL, NULL);
}

TEST(fail_inside_panics)
{
    check_dies(run_failing, "sn_fail inside sn_blocking: inside");
}

/* Many at a time. */
static int blocks_a_little(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    usleep(1000);
    return 1;
}

static int blocks_often(sn_ctx *ctx, void *arg)
{
    int *n = arg;
    for (int i = 0; i < 10; i++)
        __atomic_fetch_add(n, sn_blocking(ctx, blocks_a_little, NULL), __ATOMIC_RELAXED);
    return 0;
}

static int many_block(sn_ctx *ctx, void *arg)
{
    int n = 0;
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 50; i++)
        CHECK_EQ(sn_group_go(&g, blocks_often, &n), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(n, 500);
    return 0;
}

TEST(many_block_at_a_time)
{
    run_really(many_block, NULL);
}

/* --- the hog's report --- */

static char report[4096];

static void keep_report(void *arg, const char *text)
{
    int *told = arg;
    snprintf(report, sizeof report, "%s", text);
    set(told);
}

static int hogs_until_told(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    while (!is_set(arg))
        ;
    return 0;
}

TEST(a_hog_is_reported)
{
    int told = 0;
    sn_run_opts o = { .workers = 1, .hog_ns = SN_MS(30), .report = keep_report, .report_arg = &told };
    CHECK_EQ(sn_run(hogs_until_told, &told, &o), 0);
    CHECK(strstr(report, "sennit: a task has held up its worker for "));
    CHECK(strstr(report, "\"main\""));
}

static int blocks_for_long(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++)
        (void)sn_blocking(ctx, blocks_a_little, NULL);
    return 0;
}

TEST(who_says_that_it_blocks_is_no_hog)
{
    int told = 0;
    sn_run_opts o = { .workers = 1, .hog_ns = SN_MS(20), .report = keep_report, .report_arg = &told };
    CHECK_EQ(sn_run(blocks_for_long, NULL, &o), 0);
    if (told)
        fprintf(stderr, "%s", report);
    CHECK(!told);
}

/* --- pinned tasks --- */

static int stays(sn_ctx *ctx, void *arg)
{
    int_chan *c = arg;
    pthread_t me = pthread_self();
    int v;
    for (int i = 0; i < 52; i++) {
        switch (i % 4) {
        case 0:
            sn_yield();
            break;
        case 1:
            CHECK_EQ(sn_chan_send(ctx, *c, &i), 0);
            break;
        case 2:
            CHECK_EQ(sn_sleep(ctx, SN_US(50)), 0);
            break;
        default:
            CHECK_EQ(sn_chan_recv(ctx, *c, &v), 0);
        }
        CHECK(pthread_equal(pthread_self(), me));
    }
    return 0;
}

static int roams(sn_ctx *ctx, void *arg)
{
    int_chan *c = arg;
    int v;
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(sn_chan_send(ctx, *c, &i), 0);
        CHECK_EQ(sn_chan_recv(ctx, *c, &v), 0);
        sn_yield();
    }
    return 0;
}

static int pins(sn_ctx *ctx, void *arg)
{
    int_chan c;
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 40), 0); /* a place for each: nobody sends before it has received its last */
    sn_group_init(&g, ctx);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(sn_group_go_opts(&g, stays, &c, &(sn_task_opts){ .pinned = true }), 0);
        CHECK_EQ(sn_group_go(&g, roams, &c), 0);
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(c);
    return 0;
}

TEST(a_pinned_task_stays_on_its_thread)
{
    run_everywhere(pins, NULL);
}

/* It waits while another task holds up its thread, and goes on then: on the same one. */
struct pinned {
    int_chan c;
    pthread_t thread;
    int ready, hogs, done;
};

static int is_pinned(sn_ctx *ctx, void *arg)
{
    struct pinned *p = arg;
    int v;
    p->thread = pthread_self();
    set(&p->ready);
    CHECK_EQ(sn_chan_recv(ctx, p->c, &v), 0);
    CHECK(pthread_equal(p->thread, pthread_self()));
    set(&p->done);
    return 0;
}

static int holds_up(sn_ctx *ctx, void *arg)
{
    struct pinned *p = arg;
    (void)ctx;
    if (pthread_equal(p->thread, pthread_self())) {
        set(&p->hogs);
        usleep(40000);
        CHECK(!is_set(&p->done));
    } else {
        usleep(500); /* so that the other worker finds work */
    }
    return 0;
}

static int home_is_stuck(sn_ctx *ctx, void *arg)
{
    struct pinned p = { .ready = 0 };
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_chan_make(&p.c, 1), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go_opts(&g, is_pinned, &p, &(sn_task_opts){ .pinned = true }), 0);
    while (!is_set(&p.ready))
        sn_yield();
    while (!is_set(&p.hogs)) {
        for (int i = 0; i < 4; i++)
            CHECK_EQ(sn_group_go(&g, holds_up, &p), 0);
        sn_yield();
    }
    CHECK_EQ(sn_chan_send(ctx, p.c, &(int){ 0 }), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK(is_set(&p.done));
    sn_chan_free(p.c);
    return 0;
}

TEST(a_pinned_task_waits_for_its_thread)
{
    run_really(home_is_stuck, NULL);
}

/* Deadlocks are still seen: nothing of the hand-off counts as somebody who could wake. */
static int sticks_then_waits(sn_ctx *ctx, void *arg)
{
    int_chan c;
    int v;
    (void)arg;
    usleep(50000);
    (void)sn_blocking(ctx, blocks_a_little, NULL);
    CHECK_EQ(sn_chan_make(&c, 0), 0);
    return sn_chan_recv(ctx, c, &v);
}

static void run_deadlock(void)
{
    (void)sn_run(sticks_then_waits, NULL, &(sn_run_opts){ .workers = 2 });
}

TEST(deadlock_after_a_hand_off)
{
    if (!test_threads_are_counted())
        test_skip("the system does not tell the number of threads, so no deadlock is sure");
    check_dies(run_deadlock, "sennit: deadlock");
}
