/* The runtime's life and its reports: the contract of sennit/run.h. */
#include "sn_test.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

static int returns(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    return *(int *)arg;
}

TEST(result_of_the_main_task)
{
    CHECK_EQ(sn_run(returns, &(int){ 42 }, NULL), 42);
    CHECK_EQ(sn_run(returns, &(int){ SN_EUSER }, NULL), SN_EUSER);
    CHECK_EQ(sn_run_workers(), 0);
}

static int nested(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    CHECK_EQ(sn_run(returns, &(int){ 1 }, NULL), SN_EINVAL);
    CHECK_EQ(sn_start(NULL), SN_EINVAL);
    CHECK_EQ(sn_stop(), SN_EINVAL);
    return sn_run_workers();
}

TEST(options)
{
    CHECK_EQ(sn_run(nested, NULL, &(sn_run_opts){ .workers = 3 }), 3);
    CHECK_EQ(sn_run(nested, NULL, &(sn_run_opts){ .workers = -1 }), SN_EINVAL);
    CHECK_EQ(sn_run(nested, NULL, &(sn_run_opts){ .workers = 257 }), SN_EINVAL);
    CHECK_EQ(sn_run(nested, NULL, &(sn_run_opts){ .stack_size = 1000 }), SN_EINVAL);
    CHECK_EQ(sn_run(nested, NULL, &(sn_run_opts){ .grace_ns = -1 }), SN_EINVAL);
    CHECK_EQ(sn_run(nested, NULL, &(sn_run_opts){ .deadlock = (sn_deadlock)9 }), SN_EINVAL);
    CHECK_EQ(sn_run(NULL, NULL, NULL), SN_EINVAL);
    setenv("SENNIT_WORKERS", "5", 1);
    CHECK_EQ(sn_run(nested, NULL, NULL), 5);
    CHECK_EQ(sn_run(nested, NULL, &(sn_run_opts){ .workers = 2 }), 2);
    setenv("SENNIT_WORKERS", "many", 1);
    CHECK_EQ(sn_run(nested, NULL, NULL), SN_EINVAL);
    unsetenv("SENNIT_WORKERS");
}

TEST(again_and_again)
{
    for (int i = 0; i < 200; i++)
        CHECK_EQ(sn_run(returns, &(int){ 0 }, &(sn_run_opts){ .workers = 1 + i % 4 }), 0);
}

/* --- the end --- */

static int obeys(sn_ctx *ctx, void *arg)
{
    CHECK_EQ(sn_ctx_wait(ctx), SN_ECANCELED);
    __atomic_fetch_add((int *)arg, 1, __ATOMIC_RELAXED);
    return 0;
}

static int leaves_detached(sn_ctx *ctx, void *arg)
{
    for (int i = 0; i < 50; i++)
        CHECK_EQ(sn_task_go(obeys, arg), 0);
    (void)sn_sleep(ctx, SN_MS(1));
    return 0;
}

TEST(what_is_left_gets_cancelled)
{
    int n = 0;
    run_really(leaves_detached, &n);
    CHECK_EQ(n, 150);
}

static char report[65536];

static void keep_report(void *arg, const char *text)
{
    (void)arg;
    snprintf(report, sizeof report, "%s", text);
}

static int stubborn(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return sn_sleep(sn_background(), SN_SEC(1000));
}

static int leaves_stubborn(sn_ctx *ctx, void *arg)
{
    (void)arg;
    CHECK_EQ(sn_task_go_opts(stubborn, NULL, &(sn_task_opts){ .name = "mule" }), 0);
    return sn_sleep(ctx, SN_MS(1));
}

TEST(who_does_not_end_is_reported)
{
    for (int i = 1; i <= 2; i++) {
        sn_run_opts o = { .workers = i, .grace_ns = SN_MS(20), .report = keep_report };
        report[0] = '\0';
        CHECK_EQ(sn_run(leaves_stubborn, NULL, &o), SN_ELEFT);
        CHECK(strstr(report, "left over"));
        CHECK(strstr(report, "\"mule\""));
        CHECK(strstr(report, "run_test.c:"));
        CHECK(strstr(report, "sleeping"));
    }
    CHECK_EQ(sn_run(returns, &(int){ 3 }, NULL), 3); /* and a new runtime works */
}

/* --- deadlock --- */

typedef sn_chan_of(int) int_chan;

static int waits(sn_ctx *ctx, void *arg)
{
    int v;
    return sn_chan_recv(ctx, *(int_chan *)arg, &v);
}

static int deadlocks(sn_ctx *ctx, void *arg)
{
    int_chan a, b;
    sn_group g;
    int v = 0;
    (void)arg;
    CHECK_EQ(sn_chan_make(&a, 0), 0);
    CHECK_EQ(sn_chan_make(&b, 0), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go_opts(&g, waits, &a, &(sn_task_opts){ .name = "forlorn" }), 0);
    return sn_chan_send(ctx, b, &v);
}

static void die_deadlock_1(void)
{
    (void)sn_run(deadlocks, NULL, &(sn_run_opts){ .workers = 1 });
}

static void die_deadlock_4(void)
{
    (void)sn_run(deadlocks, NULL, &(sn_run_opts){ .workers = 4, .deadlock = SN_DEADLOCK_ALWAYS });
}

TEST(deadlock_is_reported)
{
    if (test_threads_are_counted()) {
        check_dies(die_deadlock_1, "deadlock: every task waits");
        check_dies(die_deadlock_1, "\"forlorn\"");
        check_dies(die_deadlock_1, "sending to channel");
    } else {
        test_left_out("deadlocks without being asked to look", "the system does not tell the number of threads");
    }
    check_dies(die_deadlock_4, "receiving from channel");
}

static void *rescuer(void *arg)
{
    usleep(20000);
    CHECK_EQ(sn_chan_send(NULL, *(int_chan *)arg, &(int){ 1 }), 0);
    return NULL;
}

static int rescued(sn_ctx *ctx, void *arg)
{
    int v;
    return sn_chan_recv(ctx, *(int_chan *)arg, &v);
}

TEST(no_deadlock_while_another_thread_lives)
{
    int_chan c;
    pthread_t t;
    CHECK_EQ(sn_chan_make(&c, 0), 0);
    CHECK(pthread_create(&t, NULL, rescuer, &c) == 0);
    CHECK_EQ(sn_run(rescued, &c, NULL), 0);
    pthread_join(t, NULL);
    sn_chan_free(c);
}

/* --- stack overflow --- */

static int eat_stack(int n)
{
    volatile char frame[2000];
    frame[0] = (char)n;
    return n > 1000000 ? 0 : eat_stack(n + 1) + frame[0];
}

static int overflows(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return eat_stack(0);
}

static int runs_overflow(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go_opts(&g, overflows, NULL, &(sn_task_opts){ .name = "glutton" }), 0);
    return sn_group_wait(&g);
}

static void die_overflow(void)
{
    (void)sn_run(runs_overflow, NULL, NULL);
}

TEST(stack_overflow_is_reported)
{
    check_dies(die_overflow, "stack overflow");
    check_dies(die_overflow, "\"glutton\"");
}

/* --- work spreads, and comes back --- */

static int spin_ms(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    int64_t end = sn_now() + SN_MS(*(int *)arg);
    while (sn_now() < end)
        ;
    return 0;
}

static int long_work(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 40; i++)
        CHECK_EQ(sn_group_go_copy(&g, spin_ms, &(int){ 1 }), 0);
    return sn_group_wait(&g);
}

TEST(long_work)
{
    run_really(long_work, NULL);
}

/* Many tasks over few stacks' worth of memory: records and stacks are used again. */
static int yields(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    for (int i = 0; i < 20; i++)
        sn_yield();
    __atomic_fetch_add((long *)arg, 1, __ATOMIC_RELAXED);
    return 0;
}

static int crowd(sn_ctx *ctx, void *arg)
{
    enum { N = 3000 };
    (void)arg;
    for (int round = 0; round < 3; round++) {
        long n = 0;
        sn_group g;
        sn_group_init(&g, ctx);
        for (int i = 0; i < N; i++)
            CHECK_EQ(sn_group_go(&g, yields, &n), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(n, N);
    }
    return 0;
}

TEST(crowd)
{
    run_really(crowd, NULL);
}

/* --- options: their defaults and their nonsense --- */

TEST(workers_from_the_environment)
{
    static const char *const nonsense[] = { "0", "-1", "257", "3x", "x3", "4 ", "0x4", "1e2", "2.5", "--", " ",
                                            "99999999999999999999", "-99999999999999999999" };
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        setenv("SENNIT_WORKERS", nonsense[i], 1);
        CHECK_EQ(sn_run(nested, NULL, NULL), SN_EINVAL);
        CHECK_EQ(sn_run(nested, NULL, &(sn_run_opts){ .workers = 0 }), SN_EINVAL);
        CHECK_EQ(sn_start(NULL), SN_EINVAL);
        CHECK_EQ(sn_stop(), SN_ENOTRUNNING);
        CHECK_EQ(sn_run(nested, NULL, &(sn_run_opts){ .workers = 2 }), 2); /* the option wins: nobody reads the other */
    }
    setenv("SENNIT_WORKERS", "256", 1);
    CHECK_EQ(sn_run(nested, NULL, NULL), 256);
    setenv("SENNIT_WORKERS", "1", 1);
    CHECK_EQ(sn_run(nested, NULL, NULL), 1);
    CHECK_EQ(sn_start(NULL), 0);
    CHECK_EQ(sn_run_workers(), 1); /* the one that this thread would start tasks in */
    CHECK_EQ(sn_stop(), 0);
    CHECK_EQ(sn_run_workers(), 0);
    setenv("SENNIT_WORKERS", "", 1); /* as if it were not there */
    int by_default = sn_run(nested, NULL, NULL);
    CHECK_RESULT(by_default, by_default >= 1 && by_default <= 256);
    unsetenv("SENNIT_WORKERS");
    CHECK_EQ(sn_run(nested, NULL, NULL), by_default);
    CHECK_EQ(sn_run(nested, NULL, &(sn_run_opts){ 0 }), by_default);
}

static int never_runs(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    CHECK(!"bad options: nothing runs");
    return 0;
}

TEST(bad_options_run_nothing)
{
    static const sn_run_opts bad[] = {
        { .workers = -1 },  { .workers = 257 },           { .workers = INT32_MIN }, { .workers = INT32_MAX },
        { .grace_ns = -1 }, { .grace_ns = INT64_MIN },    { .stack_size = 1 },      { .stack_size = SIZE_MAX },
        { .stack_size = SIZE_MAX - 4000 }, { .deadlock = (sn_deadlock)3 }, { .deadlock = (sn_deadlock)-1 },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_EQ(sn_run(never_runs, NULL, &bad[i]), SN_EINVAL);
        CHECK_EQ(sn_start(&bad[i]), SN_EINVAL);
        CHECK_EQ(sn_stop(), SN_ENOTRUNNING);
    }
    CHECK_EQ(sn_run(returns, &(int){ 9 }, NULL), 9); /* and nothing is left of them */
}

static int use_stack(size_t left)
{
    volatile char frame[8192];
    frame[0] = (char)left;
    frame[sizeof frame - 1] = 0;
    return left < sizeof frame ? 0 : use_stack(left - sizeof frame) + frame[sizeof frame - 1];
}

static int fills(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    return use_stack(*(size_t *)arg);
}

static int fills_both(sn_ctx *ctx, void *arg)
{
    sn_group g;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, fills, arg), 0);
    CHECK_EQ(fills(ctx, arg), 0); /* the main task, too */
    return sn_group_wait(&g);
}

TEST(stack_sizes)
{
    size_t much = 3 << 20, normal = 96 << 10; /* sanitizers' frames are larger: half of the default's 192 KiB */
    CHECK_EQ(sn_run(fills_both, &much, &(sn_run_opts){ .stack_size = 8 << 20 }), 0);
    CHECK_EQ(sn_run(fills_both, &normal, NULL), 0);
    CHECK_EQ(sn_run(fills_both, &normal, &(sn_run_opts){ .stack_size = 300001 }), 0); /* rounded up */
}

/* --- nested, beside each other, one after the other --- */

static int nested_everything(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_run(never_runs, NULL, NULL), SN_EINVAL);
    CHECK_EQ(sn_run(never_runs, NULL, &(sn_run_opts){ .workers = 1 }), SN_EINVAL);
    CHECK_EQ(sn_start(NULL), SN_EINVAL);
    CHECK_EQ(sn_stop(), SN_EINVAL);
    CHECK(sn_run_workers() > 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, nested, NULL), 0); /* from any task */
    return sn_group_wait(&g);
}

static void *beside(void *arg)
{
    CHECK_EQ(sn_run(never_runs, NULL, NULL), SN_EBUSY);
    CHECK_EQ(sn_start(NULL), SN_EBUSY);
    CHECK(sn_run_workers() > 0);
    if (arg) {
        CHECK_EQ(sn_stop(), SN_ENOTRUNNING); /* sn_run's runtime is not sn_stop's */
        CHECK_EQ(sn_chan_unit_send(NULL, *(sn_chan_unit *)arg), 0);
    }
    return NULL;
}

static int with_a_thread_beside(sn_ctx *ctx, void *arg)
{
    sn_chan_unit ended;
    pthread_t t;
    CHECK_EQ(sn_chan_unit_make(&ended, 0), 0);
    CHECK(pthread_create(&t, NULL, beside, &ended) == 0);
    CHECK_EQ(sn_chan_unit_recv(ctx, ended), 0);
    CHECK(pthread_join(t, NULL) == 0);
    sn_chan_free(ended);
    return nested_everything(ctx, arg);
}

TEST(one_runtime_at_a_time)
{
    pthread_t t;
    run_each(with_a_thread_beside, NULL);
    for (int i = 1; i <= 3; i++) {
        sn_group g;
        CHECK_EQ(sn_start(&(sn_run_opts){ .workers = i }), 0);
        CHECK(beside(NULL) == NULL);
        CHECK(pthread_create(&t, NULL, beside, NULL) == 0);
        CHECK(pthread_join(t, NULL) == 0);
        CHECK_EQ(sn_run_workers(), i);
        sn_group_init(&g, NULL);
        CHECK_EQ(sn_group_go(&g, nested_everything, NULL), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(sn_stop(), 0);
    }
}

static void *whole_run(void *arg)
{
    CHECK_EQ(sn_run(nested_everything, NULL, &(sn_run_opts){ .workers = *(int *)arg }), 0);
    return NULL;
}

static void *starts(void *arg)
{
    CHECK_EQ(sn_start(&(sn_run_opts){ .workers = *(int *)arg }), 0);
    return NULL;
}

static void *stops(void *arg)
{
    (void)arg;
    CHECK_EQ(sn_stop(), 0);
    return NULL;
}

static void in_a_thread(void *(*fn)(void *), void *arg)
{
    pthread_t t;
    CHECK(pthread_create(&t, NULL, fn, arg) == 0);
    CHECK(pthread_join(t, NULL) == 0);
}

/* Each call from a thread of its own, which then ends; and from the main thread in between. */
TEST(from_different_threads)
{
    for (int i = 0; i < 30; i++) {
        int workers = 1 + i % 3;
        in_a_thread(whole_run, &workers);
        in_a_thread(starts, &workers);
        CHECK_EQ(sn_run_workers(), workers);
        if (i % 2)
            in_a_thread(stops, NULL);
        else
            CHECK_EQ(sn_stop(), 0);
        CHECK_EQ(sn_stop(), SN_ENOTRUNNING);
        CHECK_EQ(sn_run(returns, &(int){ i }, &(sn_run_opts){ .workers = workers }), i);
    }
}

static void *races_to_run(void *arg)
{
    int *counts = arg;
    for (int i = 0; i < 50; i++) {
        int r = sn_run(returns, &(int){ 5 }, &(sn_run_opts){ .workers = 1 + i % 2 });
        CHECK_RESULT(r, r == 5 || r == SN_EBUSY);
        __atomic_fetch_add(&counts[r == 5], 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

TEST(threads_that_race_to_run)
{
    int counts[2] = { 0, 0 };
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&t[i], NULL, races_to_run, counts) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(t[i], NULL) == 0);
    CHECK_EQ(counts[0] + counts[1], 200);
    CHECK(counts[1] > 0);
}

/* --- what a run leaves behind: nothing --- */

static int descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;
    CHECK(dir != NULL);
    while (readdir(dir))
        n++;
    (void)closedir(dir);
    return n;
}

static long address_space_mib(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f && fscanf(f, "%ld", &pages) == 1);
    (void)fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024) / 1024;
}

static int uses_everything(sn_ctx *ctx, void *arg)
{
    long n = 0;
    int fds[2], v;
    int_chan c;
    sn_ctx *late;
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 200; i++)
        CHECK_EQ(sn_group_go(&g, yields, &n), 0);
    CHECK_EQ(sn_fd_pipe(fds), 0);
    CHECK_EQ(sn_chan_make(&c, 1), 0);
    CHECK_EQ(sn_ctx_with_timeout(&late, ctx, SN_US(100)), 0);
    CHECK_EQ(sn_fd_wait(late, fds[0], SN_FD_READ), SN_ETIMEDOUT);
    CHECK_EQ(sn_chan_recv(late, c, &v), SN_ETIMEDOUT);
    sn_ctx_free(late);
    CHECK_EQ(sn_fd_close(fds[0]), 0);
    CHECK_EQ(sn_fd_close(fds[1]), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(c);
    CHECK_EQ(n, 200);
    return 0;
}

/* One worker: other threads would bring arenas of malloc, which stay. A run's stacks alone are 16 MiB and more. */
TEST(all_memory_is_returned)
{
    enum { RUNS = 40 };
    struct sigaction segv;
    CHECK_EQ(sn_run(uses_everything, NULL, &(sn_run_opts){ .workers = 1 }), 0);
    int fds = descriptors();
    long mib = address_space_mib();
    for (int i = 0; i < RUNS; i++)
        CHECK_EQ(sn_run(uses_everything, NULL, &(sn_run_opts){ .workers = 1 }), 0);
    CHECK_EQ(descriptors(), fds);
    CHECK(address_space_mib() - mib < RUNS * 8);
    CHECK(sigaction(SIGSEGV, NULL, &segv) == 0);
    for (int i = 2; i < 6; i++)
        CHECK_EQ(sn_run(uses_everything, NULL, &(sn_run_opts){ .workers = i }), 0);
    CHECK_EQ(descriptors(), fds);
}

/* --- the grace time --- */

static int long_goodbye(sn_ctx *ctx, void *arg)
{
    CHECK_EQ(sn_ctx_wait(ctx), SN_ECANCELED);
    CHECK_EQ(sn_sleep(sn_background(), SN_MS(10)), 0); /* within the default grace of a second */
    __atomic_fetch_add((int *)arg, 1, __ATOMIC_RELAXED);
    return 0;
}

static int leaves_goodbyes(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    for (int i = 0; i < 10; i++)
        CHECK_EQ(sn_task_go(long_goodbye, arg), 0);
    return 17;
}

TEST(grace)
{
    for (int i = 1; i <= 2; i++) {
        int n = 0;
        CHECK_EQ(sn_run(leaves_goodbyes, &n, &(sn_run_opts){ .workers = i }), 17); /* its result, all the same */
        CHECK_EQ(n, 10);
        n = 0;
        CHECK_EQ(sn_start(&(sn_run_opts){ .workers = i }), 0);
        CHECK_EQ(leaves_goodbyes(NULL, &n), 17);
        CHECK_EQ(sn_stop(), 0);
        CHECK_EQ(n, 10);
    }
}

/* --- reports --- */

/* "file.c:12 fn", as SN_SITE writes it. */
static const char *site(int line, const char *fn)
{
    static char text[300];
    snprintf(text, sizeof text, "started at %s:%d %s: ", __FILE__, line, fn);
    return text;
}

static int about_to_wait; /* (a) how many of those below */

static void arrive(void)
{
    __atomic_fetch_add(&about_to_wait, 1, __ATOMIC_RELEASE);
}

static int left_asleep(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    arrive();
    return sn_sleep(sn_background(), SN_SEC(1000));
}

static int left_reading(sn_ctx *ctx, void *arg)
{
    char b;
    (void)ctx;
    arrive();
    return (int)sn_fd_read(sn_background(), *(int *)arg, &b, 1);
}

static int left_receiving(sn_ctx *ctx, void *arg)
{
    int v;
    (void)ctx;
    arrive();
    return sn_chan_recv(sn_background(), *(int_chan *)arg, &v);
}

static int left_waiting(sn_ctx *ctx, void *arg)
{
    sn_group g;
    sn_group_init(&g, sn_background());
    CHECK_EQ(sn_group_go(&g, left_receiving, arg), 0);
    (void)ctx;
    arrive();
    return sn_group_wait(&g);
}

static int left_in_select(sn_ctx *ctx, void *arg)
{
    int v;
    sn_case cases[] = { sn_on_recv(*(int_chan *)arg, &v), sn_on_after(SN_SEC(1000)) };
    (void)ctx;
    arrive();
    return sn_select(sn_background(), cases, 2);
}

static int left_for_a_context(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    arrive();
    return sn_ctx_wait(sn_background());
}

static int lines[8];

static int leaves_all_kinds(sn_ctx *ctx, void *arg)
{
    static int_chan c; /* outlives the run, since what is left waits on it */
    static int fds[2];
    (void)arg;
    if (!c.sni_raw) {
        CHECK_EQ(sn_chan_make(&c, 3), 0);
        CHECK_EQ(sn_fd_pipe(fds), 0);
    }
    __atomic_store_n(&about_to_wait, 0, __ATOMIC_RELAXED);
    /* clang-format off */
    CHECK_EQ(sn_task_go(left_asleep, NULL), 0); lines[0] = __LINE__;
    CHECK_EQ(sn_task_go_opts(left_reading, &fds[0], &(sn_task_opts){ .name = "reader" }), 0); lines[1] = __LINE__;
    CHECK_EQ(sn_task_go(left_receiving, &c), 0); lines[2] = __LINE__;
    CHECK_EQ(sn_task_go(left_waiting, &c), 0); lines[3] = __LINE__;
    CHECK_EQ(sn_task_go(left_in_select, &c), 0); lines[4] = __LINE__;
    CHECK_EQ(sn_task_go(left_for_a_context, NULL), 0); lines[5] = __LINE__;
    /* clang-format on */
    while (__atomic_load_n(&about_to_wait, __ATOMIC_ACQUIRE) < 7)
        CHECK_EQ(sn_sleep(ctx, SN_US(100)), 0);
    return 0; /* and they have the grace time to begin to wait */
}

static void check_report_of_all_kinds(void)
{
    CHECK_UNLESS_INJECTED(strstr(report, "sennit: 7 tasks were left over at the end\n") == report);
    CHECK_UNLESS_INJECTED(strstr(report, site(lines[0], "left_asleep")));
    CHECK_UNLESS_INJECTED(strstr(strstr(report, site(lines[0], "left_asleep")), "left_asleep: sleeping\n"));
    CHECK_UNLESS_INJECTED(strstr(report, " \"reader\", started at "));
    CHECK_UNLESS_INJECTED(strstr(report, site(lines[1], "left_reading")));
    CHECK_UNLESS_INJECTED(strstr(report, "left_reading: waiting for a file descriptor\n"));
    CHECK_UNLESS_INJECTED(strstr(report, site(lines[2], "left_receiving")));
    CHECK_UNLESS_INJECTED(strstr(report, "left_receiving: receiving from channel "));
    CHECK_UNLESS_INJECTED(strstr(report, "(0 of 3 values)\n"));
    CHECK_UNLESS_INJECTED(strstr(report, site(lines[3], "left_waiting")));
    CHECK_UNLESS_INJECTED(strstr(report, "left_waiting: waiting for the tasks of a group\n"));
    CHECK_UNLESS_INJECTED(strstr(report, site(lines[4], "left_in_select")));
    CHECK_UNLESS_INJECTED(strstr(report, "left_in_select: in a select\n"));
    CHECK_UNLESS_INJECTED(strstr(report, site(lines[5], "left_for_a_context")));
    CHECK_UNLESS_INJECTED(strstr(report, "left_for_a_context: waiting for a context to end\n"));
}

TEST(what_is_left_and_where)
{
    for (int i = 1; i <= 2; i++) {
        sn_run_opts o = { .workers = i, .grace_ns = SN_MS(250), .report = keep_report };
        report[0] = '\0';
        CHECK_EQ(sn_run(leaves_all_kinds, NULL, &o), SN_ELEFT);
        check_report_of_all_kinds();
        report[0] = '\0';
        CHECK_EQ(sn_start(&o), 0);
        CHECK_EQ(leaves_all_kinds(NULL, NULL), 0);
        CHECK_EQ(sn_stop(), SN_ELEFT);
        check_report_of_all_kinds();
        CHECK_EQ(sn_stop(), SN_ENOTRUNNING);
        CHECK_EQ(sn_run(returns, &(int){ 3 }, NULL), 3);
    }
}

/* --- how deep stacks were --- */

static int shallow(sn_ctx *ctx, void *arg)
{
    (void)arg;
    sn_yield();
    return sn_sleep(ctx, 1);
}

__attribute__((noinline)) static int uses(int kib)
{
    char frame[1024];
    memset(frame, 1, sizeof frame);
    __asm__ volatile("" : : "r"(frame) : "memory"); /* it is used */
    return kib > 1 ? uses(kib - 1) + frame[7] : frame[0];
}

static int deep(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    return uses(*(int *)arg) > 0 ? 0 : -1;
}

static int deep_and_fails(sn_ctx *ctx, void *arg)
{
    CHECK_EQ(deep(ctx, arg), 0);
    sn_fail(SN_EIO, NULL);
}

static int uses_stacks(sn_ctx *ctx, void *arg)
{
    int most = 100, some = 40;
    (void)arg;
    for (int round = 0; round < 3; round++) { /* on used stacks too */
        sn_group g;
        sn_group_init(&g, ctx);
        for (int i = 0; i < 5; i++) {
            CHECK_EQ(sn_group_go(&g, shallow, NULL), 0);
            CHECK_EQ(sn_group_go(&g, deep, round == 1 ? &most : &some), 0);
            CHECK_EQ(sn_group_go(&g, deep_and_fails, &some), 0);
        }
        CHECK_EQ(sn_group_wait(&g), SN_EIO);
    }
    return 0;
}

/* The KiB that the report has for a start function. */
static double mark_of(const char *fn, int tasks)
{
    char *at = report, *end, text[64];
    snprintf(text, sizeof text, " by %d tasks started at ", tasks);
    for (; (at = strstr(at, "\n  ")) != NULL; at++) {
        end = strchr(at + 1, '\n');
        if (strncmp(end - strlen(fn), fn, strlen(fn)) == 0 && end[-(long)strlen(fn) - 1] == ' ') {
            CHECK_UNLESS_INJECTED(strncmp(at + 3 + strcspn(at + 3, "K") + 3, text, strlen(text)) == 0);
            return strtod(at, NULL);
        }
    }
    fprintf(stderr, "no line for %s in:\n%s", fn, report);
    test_failed();
}

TEST(stacks_are_reported)
{
    if (TEST_ASAN || TEST_TSAN) /* they make frames larger, by much */
        return;
    for (int i = 0; i < TEST_WORKERS; i++) {
        sn_run_opts o = { .workers = test_workers[i], .stack_report = i % 2, .report = keep_report };
        report[0] = '\0';
        CHECK_EQ(setenv("SENNIT_STACKS", i % 2 ? "" : "1", 1), 0); /* by the option, or by the variable */
        CHECK_EQ(sn_run(uses_stacks, NULL, &o), 0);
        CHECK(strstr(report, "sennit: of 192 KiB of stack were used at the most:\n") == report);
        CHECK(mark_of("deep", 15) >= 100 && mark_of("deep", 15) < 140);
        CHECK(mark_of("deep_and_fails", 15) >= 40 && mark_of("deep_and_fails", 15) < 60);
        CHECK(mark_of("shallow", 15) < 20);
    }
    report[0] = '\0';
    CHECK_EQ(sn_run(uses_stacks, NULL, &(sn_run_opts){ .stack_report = false, .report = keep_report }), 0);
    CHECK_EQ(unsetenv("SENNIT_STACKS"), 0);
}

/* A worker that is stuck in a task, with another task that it never comes to. */
static int stuck; /* 1: runs, 2: may end, 3: has ended */

/* Nobody joins a thread that is stuck for good. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "report_thread_leaks=0";
}

static int sticks(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    __atomic_store_n(&stuck, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&stuck, __ATOMIC_ACQUIRE) != 2)
        usleep(1000);
    __atomic_store_n(&stuck, 3, __ATOMIC_RELEASE);
    return 0;
}

TEST(a_stuck_worker_is_left_behind)
{
    sn_run_opts o = { .workers = 1, .spares = -1, .grace_ns = SN_MS(20), .report = keep_report };
    report[0] = '\0';
    CHECK_EQ(sn_start(&o), 0);
    CHECK_EQ(sn_task_go(sticks, NULL), 0);
    while (__atomic_load_n(&stuck, __ATOMIC_ACQUIRE) != 1)
        CHECK_EQ(sn_sleep(NULL, SN_US(100)), 0);
    CHECK_EQ(sn_task_go(never_runs, NULL), 0);
    CHECK_EQ(sn_stop(), SN_ELEFT);
    CHECK(strstr(report, "sennit: 2 tasks were left over"));
    CHECK(strstr(report, " sticks: running"));
    CHECK(strstr(report, " never_runs: has not run yet\n"));
    CHECK_EQ(sn_run(returns, &(int){ 4 }, &(sn_run_opts){ .workers = 2 }), 4); /* beside it */
    CHECK_EQ(sn_start(NULL), 0);
    CHECK_EQ(sn_stop(), 0);
    __atomic_store_n(&stuck, 2, __ATOMIC_RELEASE);
    while (__atomic_load_n(&stuck, __ATOMIC_ACQUIRE) != 3)
        CHECK_EQ(sn_sleep(NULL, SN_MS(1)), 0);
    CHECK_EQ(sn_sleep(NULL, SN_MS(5)), 0); /* its thread finds that all is over; the other task still does not run */
}

/* The end of a report that goes to a function: its argument, once, and the report whole. */
static void tell(void *arg, const char *text)
{
    fprintf(stderr, "<%s>%s</%s>\n", (const char *)arg, text, (const char *)arg);
}

static int sends_into_the_full(sn_ctx *ctx, void *arg)
{
    return sn_chan_send(ctx, *(int_chan *)arg, &(int){ 0 });
}

static int selects_for_ever(sn_ctx *ctx, void *arg)
{
    int v;
    sn_case cases[] = { sn_on_recv(*(int_chan *)arg, &v) };
    return sn_select(ctx, cases, 1);
}

static int many;

static int deadlocks_in_all_ways(sn_ctx *ctx, void *arg)
{
    int_chan empty, full;
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_chan_make(&empty, 0), 0);
    CHECK_EQ(sn_chan_make(&full, 2), 0);
    CHECK_EQ(sn_chan_send(ctx, full, &(int){ 1 }), 0);
    CHECK_EQ(sn_chan_send(ctx, full, &(int){ 1 }), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, sends_into_the_full, &full), 0);
    CHECK_EQ(sn_group_go(&g, selects_for_ever, &empty), 0);
    CHECK_EQ(sn_group_go(&g, left_for_a_context, NULL), 0);
    for (int i = 0; i < many; i++)
        CHECK_EQ(sn_group_go_opts(&g, waits, &empty, &(sn_task_opts){ .name = "one of many" }), 0);
    return sn_group_wait(&g);
}

static sn_run_opts how;

static void die_as_told(void)
{
    (void)sn_run(deadlocks_in_all_ways, NULL, &how);
}

TEST(what_a_deadlock_report_says)
{
    static const char *const texts[] = {
        "sennit: deadlock: every task waits, and nothing is left that could wake one\n",
        "\"main\", started at sn_run main: waiting for the tasks of a group\n",
        " sends_into_the_full: sending to channel 2 (2 of 2 values)\n",
        " selects_for_ever: in a select\n",
        " left_for_a_context: waiting for a context to end\n",
        " \"one of many\", started at ",
        " waits: receiving from channel 1 (0 of 0 values)\n",
    };
    many = 20;
    for (int workers = 1; workers <= 2; workers++)
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            how = (sn_run_opts){ .workers = workers, .deadlock = SN_DEADLOCK_ALWAYS };
            check_dies(die_as_told, texts[i]);
        }
    how = (sn_run_opts){ .workers = 1, .deadlock = SN_DEADLOCK_ALWAYS, .report = tell, .report_arg = "note" };
    check_dies(die_as_told, "<note>sennit: deadlock: ");
    check_dies(die_as_told, ")\n</note>\n");
    many = 200; /* with sn_run's own, main and three more: not all are shown, but all are counted */
    check_dies(die_as_told, "\n  and 140 more\n</note>\n");
    check_dies(die_as_told, "\"main\", started at sn_run main: "); /* the first of those that are */
}

/* Runs fn in a child that is ended by SIGALRM unless it ends itself: soon if that is what we expect, else late. */
static void check_signal(void (*fn)(void), int want)
{
    int status;
    pid_t pid = test_fork();
    if (pid == 0) {
        many = 0;
        struct itimerval soon = { .it_value = { .tv_sec = want == SIGALRM ? 0 : 15, .tv_usec = 200000 } };
        (void)close(2);
        (void)signal(SIGALRM, SIG_DFL);
        CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
        fn();
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_UNLESS_INJECTED(WIFSIGNALED(status) && WTERMSIG(status) == want);
}

static void *sits(void *arg)
{
    (void)arg;
    for (;;)
        pause();
    return NULL;
}

static void sits_beside(void)
{
    pthread_t t;
    CHECK(pthread_create(&t, NULL, sits, NULL) == 0);
    die_as_told();
}

static void embedded(void)
{
    int_chan c;
    CHECK_EQ(sn_start(&how), 0);
    CHECK_EQ(sn_chan_make(&c, 0), 0);
    CHECK_EQ(sn_task_go(waits, &c), 0);
    (void)sits(NULL);
}

static void embedded_without_tasks(void)
{
    CHECK_EQ(sn_start(&how), 0);
    (void)sits(NULL);
}

TEST(when_a_deadlock_is_fatal)
{
    for (int workers = 1; workers <= 3; workers += 2) {
        how = (sn_run_opts){ .workers = workers };
        if (!test_threads_are_counted())
            test_left_out("deadlocks without being asked to look", "the system does not tell the number of threads");
        else if (workers == 1 || !TEST_TSAN) /* which has a thread of its own, that could wake a task, in such a child */
            check_signal(die_as_told, SIGABRT);
        check_signal(sits_beside, SIGALRM); /* that thread may still wake a task */
        check_signal(embedded, SIGALRM);
        how.deadlock = SN_DEADLOCK_ALWAYS;
        check_signal(die_as_told, SIGABRT);
        check_signal(sits_beside, SIGABRT);
        check_signal(embedded, SIGABRT);
        check_signal(embedded_without_tasks, SIGALRM); /* nobody waits: nobody is in a deadlock */
        how.deadlock = SN_DEADLOCK_NEVER;
        check_signal(die_as_told, SIGALRM);
        check_signal(embedded, SIGALRM);
    }
}

static void *late_rescuer(void *arg)
{
    usleep(30000);
    CHECK_EQ(sn_chan_send(NULL, *(int_chan *)arg, &(int){ 1 }), 0);
    return NULL;
}

TEST(embedded_tasks_wait_for_the_program)
{
    for (int i = 1; i <= 2; i++) {
        int_chan c;
        pthread_t t;
        sn_group g;
        CHECK_EQ(sn_start(&(sn_run_opts){ .workers = i }), 0);
        CHECK_EQ(sn_chan_make(&c, 0), 0);
        sn_group_init(&g, NULL);
        CHECK_EQ(sn_group_go(&g, rescued, &c), 0);
        CHECK(pthread_create(&t, NULL, late_rescuer, &c) == 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK(pthread_join(t, NULL) == 0);
        CHECK_EQ(sn_stop(), 0);
        sn_chan_free(c);
    }
}

/* --- overflow and panic: who, and where from --- */

static int main_overflows(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return eat_stack(0);
}

static void die_overflow_as_told(void)
{
    (void)sn_run(runs_overflow, NULL, &how);
}

static void die_overflow_in_main(void)
{
    (void)sn_run(main_overflows, NULL, &how);
}

TEST(what_an_overflow_report_says)
{
    for (int workers = 1; workers <= 2; workers++) {
        how = (sn_run_opts){ .workers = workers };
        check_dies(die_overflow_as_told, "sennit: stack overflow: a task needs more than its 192 KiB of stack");
        check_dies(die_overflow_as_told, " \"glutton\", started at " __FILE__ ":");
        check_dies(die_overflow_as_told, " overflows: running");
        check_dies(die_overflow_in_main, " \"main\", started at sn_run main: running");
        how.stack_size = 1 << 20;
        how.report = tell;
        how.report_arg = "overflow";
        check_dies(die_overflow_as_told, "<overflow>sennit: stack overflow: a task needs more than its 960 KiB of stack");
    }
}

static int panics(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    sn_fail(1, NULL);
}

static int runs_panic(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, panics, NULL), 0);
    return sn_group_wait(&g);
}

static void die_panic(void)
{
    (void)sn_run(runs_panic, NULL, &how);
}

static void die_panic_in_a_thread(void)
{
    CHECK_EQ(sn_start(&how), 0);
    sn_fail(-1, "astray");
}

TEST(what_a_panic_says)
{
    how = (sn_run_opts){ .workers = 1 };
    check_dies(die_panic, "sennit: panic: sn_fail with 1, which is no error\n  task ");
    check_dies(die_panic, " panics: running");
    check_dies(die_panic_in_a_thread, "sennit: panic: sn_fail outside a task: astray\n  in a plain thread\n");
    how = (sn_run_opts){ .workers = 2, .report = tell, .report_arg = "panic" };
    check_dies(die_panic, "<panic>sennit: panic: ");
    check_dies(die_panic_in_a_thread, "<panic>sennit: panic: sn_fail outside a task: astray");
}

/* A crash that is not an overflow is the program's own: no report of ours, and the signal ends it. */
static int crashes(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    return **(volatile int *volatile *)arg;
}

static void die_crash(void)
{
    int *nowhere = (int *)(uintptr_t)16;
    (void)sn_run(crashes, &nowhere, &how);
}

TEST(other_crashes_are_the_programs_own)
{
    int status;
    for (int workers = 1; workers <= 2; workers++) {
        how = (sn_run_opts){ .workers = workers };
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            (void)close(2);
            die_crash();
            _exit(0);
        }
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK_UNLESS_INJECTED(WIFSIGNALED(status) || WEXITSTATUS(status) != 0); /* a sanitizer exits */
    }
}

/* Threads that exit while the runtime counts threads hide none that lives. */
static void *exits_soon(void *arg)
{
    int64_t end = sn_now() + (int64_t)(intptr_t)arg;
    while (sn_now() < end)
        ;
    return NULL;
}

static void *sends_later(void *arg)
{
    (void)usleep(2000);
    CHECK_EQ(sn_chan_unit_send(NULL, *(sn_chan_unit *)arg), 0);
    return NULL;
}

static int counts_threads(sn_ctx *ctx, void *arg)
{
    uint64_t rng = test_seed();
    sn_chan_unit c;
    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&c, 0), 0);
    for (int i = 0; i < 60; i++) {
        pthread_t exits[8], sends;
        for (int k = 0; k < 8; k++)
            CHECK(pthread_create(&exits[k], NULL, exits_soon, (void *)(intptr_t)(test_random(&rng) % 300000)) == 0);
        CHECK(pthread_create(&sends, NULL, sends_later, &c) == 0);
        CHECK_EQ(sn_chan_unit_recv(ctx, c), 0); /* the sender lives: no deadlock */
        for (int k = 0; k < 8; k++)
            CHECK(pthread_join(exits[k], NULL) == 0);
        CHECK(pthread_join(sends, NULL) == 0);
    }
    sn_chan_free(c);
    return 0;
}

TEST(threads_that_exit_hide_none_that_lives)
{
    CHECK_EQ(sn_run(counts_threads, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

static void raises_segv(void)
{
    if (sn_start(&(sn_run_opts){ .workers = 1 }) < 0)
        return;
    (void)raise(SIGSEGV);
}

TEST(a_fault_signal_that_is_sent_ends_the_process)
{
    pid_t pid = fork();
    int status;
    CHECK(pid >= 0);
    if (pid == 0) {
        raises_segv();
        _exit(0); /* it survived */
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_UNLESS_INJECTED(!(WIFEXITED(status) && WEXITSTATUS(status) == 0)); /* a sanitizer may exit instead */
}
