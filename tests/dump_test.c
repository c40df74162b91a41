#include "sn_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

typedef sn_chan_of(int) int_chan;

/* --- what a dump says --- */

static char *dumped(void)
{
    static char text[1 << 20];
    char name[] = "/tmp/sn_dump_XXXXXX";
    int fd = mkstemp(name);
    CHECK(fd >= 0 && unlink(name) == 0);
    CHECK_EQ(sn_dump(fd), 0);
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    CHECK(n > 0);
    text[n] = '\0';
    (void)close(fd);
    return text;
}

/* The lines about the task whose first line contains `who`, up to the next task. */
static const char *about(const char *text, const char *who)
{
    static char part[65536];
    const char *at = strstr(text, who), *end;
    if (strstr(text, "no memory"))
        test_end_if_injected(SN_ENOMEM);
    if (!at) {
        fprintf(stderr, "no task \"%s\" in:\n%s", who, text);
        test_failed();
    }
    end = strstr(at, "\n  task ");
    snprintf(part, sizeof part, "%.*s", end ? (int)(end - at) : (int)strlen(at), at);
    return part;
}

#define CHECK_SAYS(text, what)                                                                    \
    do {                                                                                          \
        const char *text_ = (text);                                                               \
        if (strstr(text_, "no memory"))                                                           \
            test_end_if_injected(SN_ENOMEM);                                                      \
        if (!strstr(text_, (what))) {                                                             \
            fprintf(stderr, "%s:%d: no \"%s\" in:\n%s\n", __FILE__, __LINE__, (what), text_);     \
            test_failed();                                                                         \
        }                                                                                         \
    } while (0)

/* Not everywhere are there calls to be shown. */
static bool calls_are_shown(void)
{
#ifdef SN_PORTABLE
    return false;
#else
    return true;
#endif
}

static int parked(sn_ctx *ctx, int_chan c)
{
    int v, r = sn_chan_recv(ctx, c, &v);
    __asm__ volatile("" : : : "memory"); /* no tail call: it is to be found on the stack */
    return r;
}

static __attribute__((noinline)) int two_calls_deep(sn_ctx *ctx, int_chan c)
{
    int r = parked(ctx, c);
    __asm__ volatile("" : : : "memory");
    return r;
}

static int waits_deep(sn_ctx *ctx, void *arg)
{
    int r = two_calls_deep(ctx, *(int_chan *)arg);
    __asm__ volatile("" : : : "memory");
    return r;
}

static int holds;

static int spins(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    __atomic_store_n(&holds, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&holds, __ATOMIC_ACQUIRE) == 1)
        (void)getppid(); /* where ThreadSanitizer lets a signal through */
    return 0;
}

static int dumps(sn_ctx *ctx, void *arg)
{
    int_chan c;
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 0), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go_opts(&g, waits_deep, &c, &(sn_task_opts){ .name = "patient" }), 0);
    CHECK_EQ(sn_group_go(&g, spins, NULL), 0);
    const char *text;
    do {
        CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
        text = dumped();
    } while (__atomic_load_n(&holds, __ATOMIC_ACQUIRE) == 0 || !strstr(about(text, " \"patient\""), ": receiving"));
    CHECK_SAYS(text, "sennit: 4 tasks, ");
    CHECK_SAYS(text, " workers\n  worker 0, thread "); /* two, and perhaps a spare */
    CHECK_SAYS(text, "\n  worker 1"); /* its thread may have only just begun */
    CHECK_SAYS(text, ": runs task ");
    CHECK_SAYS(about(text, " \"patient\", started at "), "dump_test.c:");
    CHECK_SAYS(about(text, " \"patient\""), "waits_deep: receiving from channel ");
    CHECK_SAYS(about(text, " \"patient\""), "(0 of 0 values)");
    CHECK_SAYS(about(text, " \"main\", started at sn_run main"), ": running on worker ");
    CHECK_SAYS(about(text, " spins: "), "spins: running");
    if (calls_are_shown()) {
        CHECK_SAYS(about(text, " \"patient\""), "\n      two_calls_deep+0x");
        CHECK_SAYS(about(text, " \"patient\""), "\n      waits_deep+0x");
        CHECK_SAYS(about(text, " \"main\""), "\n      dumps+0x");
        if (!TEST_TSAN) /* which may hold the signal back */
            CHECK_SAYS(about(text, " spins: "), "\n      spins+0x");
    }
    __atomic_store_n(&holds, 0, __ATOMIC_RELEASE);
    sn_chan_close(c);
    CHECK_EQ(sn_group_wait(&g), SN_ECLOSED);
    sn_chan_free(c);
    return 0;
}

TEST(what_it_says)
{
    CHECK_EQ(sn_run(dumps, NULL, &(sn_run_opts){ .workers = 2 }), 0);
}

TEST(errors)
{
    int full[2];
    CHECK_EQ(sn_dump(2), SN_ENOTRUNNING);
    CHECK_EQ(sn_start(NULL), 0);
    CHECK_EQ(sn_dump(-1), -EBADF);
    CHECK(pipe2(full, O_NONBLOCK) == 0);
    while (write(full[1], full, sizeof full) > 0)
        ;
    CHECK_EQ(sn_dump(full[1]), -EAGAIN);
    CHECK_SAYS(dumped(), "sennit: 0 tasks, "); /* from a thread, with nothing to show */
    CHECK_EQ(sn_stop(), 0);
}

/* --- many tasks, all at work, while somebody looks again and again --- */

struct work {
    int_chan c;
    sn_mutex m;
    sn_sem s;
    long n;
    int over;
};

static int works(sn_ctx *ctx, void *arg)
{
    struct work *w = arg;
    int v = 1, r;
    while (!__atomic_load_n(&w->over, __ATOMIC_RELAXED)) {
        CHECK_EQ(sn_sem_acquire(ctx, &w->s, 1), 0);
        sn_mutex_lock(&w->m);
        w->n++;
        sn_yield();
        sn_mutex_unlock(&w->m);
        sn_sem_release(&w->s, 1);
        sn_ctx *soon;
        CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_US(50)), 0);
        r = sn_chan_send(soon, w->c, &v);
        CHECK(r == 0 || r == SN_ETIMEDOUT);
        r = sn_chan_recv(soon, w->c, &v);
        CHECK(r == 0 || r == SN_ETIMEDOUT);
        sn_ctx_free(soon);
    }
    return 0;
}

static int comes_and_goes(sn_ctx *ctx, void *arg)
{
    struct work *w = arg;
    while (!__atomic_load_n(&w->over, __ATOMIC_RELAXED)) {
        sn_group g;
        int_chan c;
        CHECK_EQ(sn_chan_make(&c, 0), 0);
        sn_group_init(&g, ctx);
        for (int i = 0; i < 5; i++)
            CHECK_EQ(sn_group_go(&g, waits_deep, &c), 0);
        sn_yield();
        sn_chan_close(c);
        CHECK_EQ(sn_group_wait(&g), SN_ECLOSED);
        sn_chan_free(c); /* what a look must not touch any more */
    }
    return 0;
}

static int looks_on(sn_ctx *ctx, void *arg)
{
    struct work w = { .over = 0 };
    int64_t end = sn_now() + SN_MS(test_stress_ms());
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_chan_make(&w.c, 1), 0);
    sn_sem_init(&w.s, 3);
    sn_group_init(&g, ctx);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(sn_group_go(&g, works, &w), 0);
        CHECK_EQ(sn_group_go(&g, comes_and_goes, &w), 0);
    }
    while (sn_now() < end) {
        const char *text = dumped();
        CHECK_SAYS(text, " works: ");
        CHECK_SAYS(text, " comes_and_goes: ");
        sn_yield();
    }
    __atomic_store_n(&w.over, 1, __ATOMIC_RELAXED);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_UNLESS_INJECTED(w.n > 0);
    sn_chan_free(w.c);
    return 0;
}

TEST(while_all_goes_on)
{
    run_really(looks_on, NULL);
}

static void *thread_looks_on(void *arg)
{
    for (int *over = arg; !__atomic_load_n(over, __ATOMIC_ACQUIRE);) {
        int fd = open("/dev/null", O_WRONLY);
        CHECK_EQ(sn_dump(fd), 0);
        (void)close(fd);
    }
    return NULL;
}

static int looked_on_by_threads(sn_ctx *ctx, void *arg)
{
    pthread_t t[2];
    int over = 0;
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&t[i], NULL, thread_looks_on, &over) == 0);
    CHECK_EQ(looks_on(ctx, arg), 0);
    __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(t[i], NULL) == 0);
    return 0;
}

TEST(several_at_a_time)
{
    CHECK_EQ(sn_run(looked_on_by_threads, NULL, &(sn_run_opts){ .workers = 2 }), 0);
}

/* --- by a signal, and reports of what hangs --- */

static char report[65536];
static int reports;

static void keep_report(void *arg, const char *text)
{
    (void)arg;
    snprintf(report, sizeof report, "%s", text);
    (void)__atomic_fetch_add(&reports, 1, __ATOMIC_RELEASE);
}

static void await_report(int n)
{
    while (__atomic_load_n(&reports, __ATOMIC_ACQUIRE) < n)
        usleep(1000);
}

static int is_asked(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    reports = 0;
    CHECK(kill(getpid(), SIGQUIT) == 0);
    await_report(1); /* the only worker stands here, and the monitor tells */
    CHECK_SAYS(report, "sennit: 2 tasks, ");
    CHECK_SAYS(about(report, " \"main\""), "running");
    CHECK_EQ(sn_sleep(ctx, SN_MS(200)), 0); /* the monitor sleeps, too */
    CHECK(kill(getpid(), SIGQUIT) == 0);
    await_report(2);
    return 0;
}

TEST(by_a_signal)
{
    struct sigaction now;
    for (int i = 0; i < 3; i++) /* each runtime takes the signal, and gives it back */
        CHECK_EQ(sn_run(is_asked, NULL, &(sn_run_opts){ .workers = 1, .dump_signal = SIGQUIT, .report = keep_report }), 0);
    CHECK(sigaction(SIGQUIT, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
    CHECK(sigaction(SIGURG, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
    CHECK_EQ(sn_run(is_asked, NULL, &(sn_run_opts){ .dump_signal = SIGKILL }), SN_EINVAL);
    CHECK_EQ(sn_run(is_asked, NULL, &(sn_run_opts){ .dump_signal = SIGURG }), SN_EINVAL);
    CHECK_EQ(sn_run(is_asked, NULL, &(sn_run_opts){ .dump_signal = SIGSEGV }), SN_EINVAL);
    CHECK_EQ(sn_run(is_asked, NULL, &(sn_run_opts){ .dump_signal = 1000 }), SN_EINVAL);
}

struct locks {
    sn_mutex m;
    sn_rwmutex rw;
    sn_once once;
    int_chan ready, go;
    int arrived;
};

static void wait_for_both(sn_ctx *ctx, struct locks *l)
{
    (void)__atomic_fetch_add(&l->arrived, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&l->arrived, __ATOMIC_ACQUIRE) < 2)
        CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
}

static int mutex_then_rwmutex(sn_ctx *ctx, void *arg)
{
    struct locks *l = arg;
    sn_mutex_lock(&l->m);
    wait_for_both(ctx, l);
    sn_rwmutex_lock(&l->rw);
    return 0;
}

static int rwmutex_then_mutex(sn_ctx *ctx, void *arg)
{
    struct locks *l = arg;
    int r;
    sn_rwmutex_lock(&l->rw);
    wait_for_both(ctx, l);
    if ((r = sn_mutex_lock_ctx(ctx, &l->m)) < 0) { /* the way out, for the test */
        sn_rwmutex_unlock(&l->rw);
        return r;
    }
    return 0;
}

static int waits_for_the_mutex(sn_ctx *ctx, void *arg)
{
    struct locks *l = arg;
    int r = sn_mutex_lock_ctx(ctx, &l->m);
    CHECK(r < 0);
    return r;
}

/* Two that wait for each other, one that waits for them, and the main task, which goes on. */
static int hangs(sn_ctx *ctx, void *arg)
{
    struct locks l = { .arrived = 0 };
    sn_group g;
    (void)arg;
    reports = 0;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go_opts(&g, mutex_then_rwmutex, &l, &(sn_task_opts){ .name = "one" }), 0);
    CHECK_EQ(sn_group_go_opts(&g, rwmutex_then_mutex, &l, &(sn_task_opts){ .name = "two" }), 0);
    while (__atomic_load_n(&l.arrived, __ATOMIC_ACQUIRE) < 2)
        CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
    CHECK_EQ(sn_group_go_opts(&g, waits_for_the_mutex, &l, &(sn_task_opts){ .name = "third" }), 0);
    while (__atomic_load_n(&reports, __ATOMIC_ACQUIRE) == 0 || !strstr(report, "third"))
        CHECK_EQ(sn_sleep(ctx, SN_MS(5)), 0);
    CHECK_SAYS(report, "sennit: hang: 2 tasks wait for each other, and 1 more for them; the rest of the program goes on\n");
    CHECK_SAYS(about(report, " \"one\""), ": locking an rwmutex held by task ");
    CHECK_SAYS(about(report, " \"two\""), ": locking a mutex held by task ");
    CHECK_SAYS(about(report, " \"third\""), ": locking a mutex held by task ");
    if (calls_are_shown())
        CHECK_SAYS(about(report, " \"third\""), "\n      waits_for_the_mutex+0x");
    int told = __atomic_load_n(&reports, __ATOMIC_ACQUIRE);
    CHECK(told <= 2); /* two first, perhaps, then three */
    CHECK_EQ(sn_sleep(ctx, SN_MS(200)), 0);
    CHECK_EQ(__atomic_load_n(&reports, __ATOMIC_ACQUIRE), told); /* each is reported once */
    sn_group_cancel(&g); /* the third leaves, then the second, and lets the first go on */
    CHECK_EQ(sn_group_wait(&g), SN_ECANCELED);
    return 0;
}

TEST(tasks_that_wait_for_each_other)
{
    for (int i = 1; i <= 2; i++)
        CHECK_EQ(sn_run(hangs, NULL, &(sn_run_opts){ .workers = i, .hang_ns = SN_MS(20), .report = keep_report }), 0);
}

/* The wait begins while the monitor already waits for its look; then nothing moves any more. */
static int waits_a_while_then_both(sn_ctx *ctx, void *arg)
{
    CHECK_EQ(sn_sleep(ctx, SN_MS(60)), 0);
    return ((struct locks *)arg)->arrived % 2 ? mutex_then_rwmutex(ctx, arg) : rwmutex_then_mutex(ctx, arg);
}

static int hangs_late(sn_ctx *ctx, void *arg)
{
    struct locks l = { .arrived = 0 };
    sn_group g;
    (void)arg;
    reports = 0;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, waits_a_while_then_both, &l), 0);
    CHECK_EQ(sn_sleep(ctx, SN_MS(70)), 0);
    CHECK_EQ(sn_group_go(&g, mutex_then_rwmutex, &l), 0);
    CHECK_EQ(sn_sleep(ctx, SN_MS(1500)), 0); /* all the while nobody runs */
    CHECK_UNLESS_INJECTED(__atomic_load_n(&reports, __ATOMIC_ACQUIRE) > 0 && strstr(report, "sennit: hang: 2 tasks"));
    sn_group_cancel(&g);
    CHECK_EQ(sn_group_wait(&g), SN_ECANCELED);
    return 0;
}

TEST(a_late_hang_in_a_quiet_program)
{
    CHECK_EQ(sn_run(hangs_late, NULL, &(sn_run_opts){ .workers = 1, .hang_ns = SN_MS(100), .report = keep_report }), 0);
}

static int handled; /* 1: in the handler, 2: it may return */

static void dwells(int signo)
{
    (void)signo;
    __atomic_store_n(&handled, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&handled, __ATOMIC_ACQUIRE) == 1)
        ;
}

static __attribute__((noinline)) void raises_deeply(int depth)
{
    void (*volatile deeper)(int) = raises_deeply;
    volatile char frame[512];
    memset((void *)(uintptr_t)frame, 0xaa, sizeof frame); /* where it was saved once there are other things now */
    if (depth > 0)
        deeper(depth - 1);
    else
        CHECK(raise(SIGUSR1) == 0);
    __asm__ volatile("" : : : "memory");
}

static int is_interrupted(sn_ctx *ctx, void *arg)
{
    (void)arg;
    CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
    raises_deeply(10);
    return 0;
}

static int dumps_one_in_a_handler(sn_ctx *ctx, void *arg)
{
    struct sigaction action = { .sa_handler = dwells, .sa_flags = SA_ONSTACK }, old;
    sn_group g;
    (void)arg;
    handled = 0;
    sigemptyset(&action.sa_mask);
    CHECK(sigaction(SIGUSR1, &action, &old) == 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, is_interrupted, NULL), 0);
    while (__atomic_load_n(&handled, __ATOMIC_ACQUIRE) == 0)
        CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
    for (int i = 0; i < 20; i++)
        CHECK_SAYS(about(dumped(), " is_interrupted: "), "running");
    __atomic_store_n(&handled, 2, __ATOMIC_RELEASE);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK(sigaction(SIGUSR1, &old, NULL) == 0);
    return 0;
}

TEST(a_task_in_a_signal_handler)
{
    CHECK_EQ(sn_run(dumps_one_in_a_handler, NULL, &(sn_run_opts){ .workers = 2 }), 0);
}

static int works_while_looked_at(sn_ctx *ctx, void *arg)
{
    pthread_t t;
    int over = 0;
    (void)arg;
    CHECK(pthread_create(&t, NULL, thread_looks_on, &over) == 0);
    for (int64_t end = sn_now() + SN_MS(20); sn_now() < end;) {
        CHECK_EQ(sn_sleep(ctx, SN_US(10)), 0);
        for (volatile int i = 0; i < 1000; i++)
            ;
    }
    __atomic_store_n(&over, 1, __ATOMIC_RELEASE);
    CHECK(pthread_join(t, NULL) == 0);
    return 0;
}

TEST(a_simulation_is_looked_at)
{
    const sn_run_opts run = { .deadlock = SN_DEADLOCK_NEVER };
    CHECK_EQ(sn_sim_run(works_while_looked_at, NULL, &(sn_sim_opts){ .seed = 7, .steps_max = 100000000, .run = &run }), 0);
}

static int ends_holding(sn_ctx *ctx, void *arg)
{
    sn_mutex_lock(arg);
    CHECK_EQ(sn_sleep(ctx, SN_MS(50)), 0);
    return 0;
}

static int locks(sn_ctx *ctx, void *arg)
{
    return sn_mutex_lock_ctx(ctx, arg);
}

static int waits_for_the_dead(sn_ctx *ctx, void *arg)
{
    sn_mutex m = { { 0 } };
    sn_group g;
    (void)arg;
    reports = 0;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, ends_holding, &m), 0);
    while (sn_mutex_try_lock(&m) == 0) {
        sn_mutex_unlock(&m);
        CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
    }
    CHECK_EQ(sn_group_go(&g, locks, &m), 0); /* before the other ends, whose record it would have else */
    while (__atomic_load_n(&reports, __ATOMIC_ACQUIRE) == 0 || !strstr(report, "sennit: hang"))
        CHECK_EQ(sn_sleep(ctx, SN_MS(5)), 0);
    CHECK_SAYS(report, "sennit: hang: 1 tasks wait for one that has ended; the rest of the program goes on\n");
    CHECK_SAYS(report, ", which has ended");
    sn_group_cancel(&g);
    CHECK_EQ(sn_group_wait(&g), SN_ECANCELED);
    return 0;
}

TEST(who_waits_for_one_that_has_ended)
{
    CHECK_EQ(sn_run(waits_for_the_dead, NULL, &(sn_run_opts){ .workers = 2, .hang_ns = SN_MS(20), .report = keep_report }), 0);
}

/* Long waits that somebody will end. */
static int holds_long(sn_ctx *ctx, void *arg)
{
    sn_mutex_lock(arg);
    CHECK_EQ(sn_sleep(ctx, SN_MS(100)), 0);
    sn_mutex_unlock(arg);
    return 0;
}

static int is_patient(sn_ctx *ctx, void *arg)
{
    sn_mutex m = { { 0 } };
    sn_group g;
    (void)arg;
    reports = 0;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(sn_group_go(&g, holds_long, &m), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(reports, 0);
    return 0;
}

TEST(long_waits_are_no_hang)
{
    CHECK_EQ(sn_run(is_patient, NULL, &(sn_run_opts){ .workers = 2, .hang_ns = SN_MS(5), .report = keep_report }), 0);
}
