/* Tests: TEST(name) { ... } functions in a program; the program runs the one it is told, CTest calls it for each.
 *
 * A check that fails prints where and aborts, whichever task or thread it fails on. TEST must start in column 0: the
 * build lists the cases by reading the file. */
#ifndef SN_TEST_H
#define SN_TEST_H

#include <sennit.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* 1 under ThreadSanitizer, 1 under AddressSanitizer. */
#if defined(__has_feature)
#define TEST_TSAN __has_feature(thread_sanitizer)
#define TEST_ASAN __has_feature(address_sanitizer)
#elif defined(__SANITIZE_THREAD__)
#define TEST_TSAN 1
#define TEST_ASAN 0
#elif defined(__SANITIZE_ADDRESS__)
#define TEST_TSAN 0
#define TEST_ASAN 1
#else
#define TEST_TSAN 0
#define TEST_ASAN 0
#endif

struct test {
    const char *name;
    void (*fn)(void);
    struct test *next;
};

static struct test *tests;

/* What decides in a stress test: SN_SEED, or chosen by the clock and printed when the test fails. */
static inline uint64_t test_seed(void)
{
    static uint64_t seed;
    const char *text = getenv("SN_SEED");

    if (seed == 0)
        seed = text ? strtoull(text, NULL, 0) : (uint64_t)sn_now() * 0x9E3779B97F4A7C15u >> 16 | 1;
    return seed;
}

/* A stress test goes on for about this many milliseconds: SN_STRESS_MS, or 1000. */
static inline int test_stress_ms(void)
{
    const char *text = getenv("SN_STRESS_MS");
    return text ? atoi(text) : 1000;
}

/* One step of a xorshift generator, for decisions that the seed governs. */
static inline uint64_t test_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* In the build in which calls to the system can be made to fail: a test that got such an error ends here. */
#ifdef SN_FAULTS
#include "os/fault.h"

enum { TEST_INJECTED = 78, TEST_SUSPECT = 79 };

/* Whether a result is what an injected failure gives: its own error, or one that says what could not be done for it. */
static inline void test_end_if_injected(int64_t got)
{
    if (sni_fault_was_met() && (got == -sni_fault_error() || got == SN_ENOMEM || got == TEST_INJECTED)) { /* the last: of a child */
        fprintf(stderr, "injected\n");
        _exit(TEST_INJECTED);
    }
}

static inline bool test_is_injected(void)
{
    return sni_fault_was_met();
}
#else
static inline void test_end_if_injected(int64_t got)
{
    (void)got;
}

static inline bool test_is_injected(void)
{
    return false;
}
#endif

__attribute__((noreturn)) static inline void test_failed(void)
{
    fprintf(stderr, "replay with SN_SEED=%" PRIu64 "\n", test_seed());
#ifdef SN_FAULTS
    if (test_is_injected()) /* the test may not have expected the error, or something may have been lost: a person must look */
        _exit(TEST_SUSPECT);
#endif
    abort();
}

/* What cannot be tested where it runs now, and why: an emulator, say, or a system without some call. The test ends as
 * skipped, or goes on with the rest. Reasons end up in the summary of scripts/run-tests. */
__attribute__((noreturn)) static inline void test_skip(const char *why)
{
    fprintf(stderr, "skipped: %s\n", why);
    exit(77);
}

static inline void test_left_out(const char *what, const char *why)
{
    fprintf(stderr, "skipped in part: %s: %s\n", what, why);
}

/* Without the number of threads no deadlock is sure under SN_DEADLOCK_AUTO. */
static inline bool test_threads_are_counted(void)
{
    FILE *f = fopen("/proc/self/stat", "r");
    long n = 0;
    bool found = f && fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %*d %ld", &n) == 1;

    if (f)
        (void)fclose(f);
    return found && n > 0;
}

#define TEST(name)                                                              \
    static void test_##name(void);                                              \
    __attribute__((constructor)) static void add_##name(void)                   \
    {                                                                           \
        static struct test t = { #name, test_##name, NULL };                    \
        t.next = tests;                                                         \
        tests = &t;                                                             \
    }                                                                           \
    static void test_##name(void)

#define CHECK(cond)                                                             \
    do {                                                                        \
        if (!(cond)) {                                                          \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #cond);  \
            test_failed();                                                       \
        }                                                                       \
    } while (0)

/* A check of a result of the library's, among several good ones. */
#define CHECK_RESULT(r, cond)                                                   \
    do {                                                                        \
        bool holds_ = (cond);                                                   \
        if (!holds_)                                                            \
            test_end_if_injected(r);                                            \
        if (!holds_) {                                                          \
            fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #cond);  \
            test_failed();                                                       \
        }                                                                       \
    } while (0)

/* A check of what a report says or a child did, which an injected failure may have changed. */
#define CHECK_UNLESS_INJECTED(cond) CHECK_RESULT(SN_ENOMEM, (cond))

#define CHECK_EQ(got, want)                                                                    \
    do {                                                                                       \
        int64_t got_ = (int64_t)(got), want_ = (int64_t)(want);                                \
        if (got_ != want_) {                                                                   \
            test_end_if_injected(got_);                                                        \
            fprintf(stderr, "%s:%d: %s is %" PRId64 " (%s), not %" PRId64 "\n", __FILE__,      \
                    __LINE__, #got, got_, got_ < 0 ? sn_error_string((int)got_) : "", want_);  \
            test_failed();                                                                      \
        }                                                                                      \
    } while (0)

/* For programs in which failures are part of what is tested. */
#ifdef SN_FAULTS
#define TEST_WITHOUT_FAULTS(why)                                                                             \
    __attribute__((constructor)) static void without_faults(void)                                            \
    {                                                                                                        \
        if (getenv("SN_FAULT_RUNS"))                                                                         \
            test_skip(why);                                                                                  \
    }                                                                                                        \
    struct test
#else
#define TEST_WITHOUT_FAULTS(why) struct test
#endif

/* For programs that ask for more memory than there is: sanitizers would rather die than let calloc fail. */
#define TEST_MEMORY_MAY_FAIL                                                    \
    const char *__asan_default_options(void);                                   \
    const char *__asan_default_options(void)                                    \
    {                                                                           \
        return "allocator_may_return_null=1";                                   \
    }                                                                           \
    const char *__tsan_default_options(void);                                   \
    const char *__tsan_default_options(void)                                    \
    {                                                                           \
        return "allocator_may_return_null=1";                                   \
    }

/* On one worker: every other task goes on until it parks or ends, before the caller does. */
static inline void test_let_others_go(void)
{
    for (int i = 0; i < 70; i++)
        sn_yield();
}

static const int test_workers[] = { 1, 2, 8 };

enum { TEST_WORKERS = sizeof test_workers / sizeof *test_workers };

/* Where threads are not counted a simulation takes it that there are none of the test's own. */
static inline sn_deadlock test_deadlock(void)
{
    return test_threads_are_counted() ? SN_DEADLOCK_AUTO : SN_DEADLOCK_NEVER;
}

/* Runs fn as the main task, simulated with a few seeds; it must return 0. */
static inline void run_simulated(sn_fn *fn, void *arg)
{
    const sn_run_opts run = { .deadlock = test_deadlock() };

    for (int strategy = SN_SIM_RANDOM; strategy <= SN_SIM_ROBIN; strategy++)
        CHECK_EQ(sn_sim_run(fn, arg, &(sn_sim_opts){ .strategy = (sn_sim_strategy)strategy, .seed = test_seed(),
                                                     .steps_max = 100000000, .run = &run }), 0);
}

/* Runs fn as the main task under 1, 2 and 8 workers; it must return 0. */
static inline void run_really(sn_fn *fn, void *arg)
{
    for (int i = 0; i < TEST_WORKERS; i++)
        CHECK_EQ(sn_run(fn, arg, &(sn_run_opts){ .workers = test_workers[i] }), 0);
}

/* The same, and simulated. */
static inline void run_each(sn_fn *fn, void *arg)
{
    run_simulated(fn, arg);
    run_really(fn, arg);
}

/* The same, and in a plain thread beside a runtime. */
static inline void run_everywhere(sn_fn *fn, void *arg)
{
    run_each(fn, arg);
    for (int i = 0; i < TEST_WORKERS; i++) {
        CHECK_EQ(sn_start(&(sn_run_opts){ .workers = test_workers[i] }), 0);
        CHECK_EQ(fn(NULL, arg), 0);
        CHECK_EQ(sn_stop(), 0);
    }
}

static inline void *test_no_thread(void *arg)
{
    return arg;
}

/* A child process. ThreadSanitizer starts a thread of its own with our first one: in a child it would be one too many. */
static inline pid_t test_fork(void)
{
    pthread_t thread;

    if (TEST_TSAN)
        CHECK(pthread_create(&thread, NULL, test_no_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    return pid;
}

/* Runs fn in a child process; it must die by a signal (or exit) with `text` in what it writes to standard error. */
static inline void check_dies(void (*fn)(void), const char *text)
{
    static char out[65536];
    size_t n = 0;
    ssize_t k;
    int fds[2], status;

    CHECK(pipe(fds) == 0);
    pid_t pid = test_fork();
    if (pid == 0) {
        (void)dup2(fds[1], 2);
        (void)close(fds[0]);
        fn();
        _exit(0);
    }
    (void)close(fds[1]);
    while (n < sizeof out - 1 && (k = read(fds[0], out + n, sizeof out - 1 - n)) > 0)
        n += (size_t)k;
    out[n] = '\0';
    (void)close(fds[0]);
    CHECK(waitpid(pid, &status, 0) == pid);
    if ((WIFEXITED(status) && WEXITSTATUS(status) == 0) || !strstr(out, text)) {
        if (test_is_injected())
            _exit(78); /* it died of that, or did not come as far */
        fprintf(stderr, "expected to die with \"%s\"; status %d, printed:\n%s\n", text, status, out);
        abort();
    }
}

#ifdef SN_FAULTS
#include "fault_test.h"
#endif

int main(int argc, char **argv)
{
#ifdef SN_FAULTS
    if (argc == 2 && getenv("SN_FAULT_RUNS"))
        return fault_runs(argv[1]);
#endif
    for (struct test *t = tests; t; t = t->next)
        if (argc < 2 || strcmp(argv[1], t->name) == 0) {
            t->fn();
            if (argc >= 2)
                return 0;
        }
    return argc >= 2; /* asked for one that is not here */
}

#endif
