#include "sn_test.h"

#include <sennit/pthread.h>
#include <signal.h>

typedef sn_chan_of(int) int_chan;

static char report[65536];
static int reports;

static void keep_report(void *arg, const char *text)
{
    (void)arg;
    size_t n = strlen(report);
    snprintf(report + n, sizeof report - n, "%s", text);
    (void)__atomic_fetch_add(&reports, 1, __ATOMIC_RELEASE);
}

static void run_checked(sn_fn *fn, void *arg)
{
    report[0] = '\0';
    reports = 0;
    CHECK_EQ(sn_run(fn, arg, &(sn_run_opts){ .workers = 2, .checks = true, .report = keep_report }), 0);
}

static void check_reports(int n, const char *const *texts)
{
    if (reports != n && test_is_injected())
        test_end_if_injected(SN_ENOMEM); /* without memory a circle may go unseen */
    if (reports != n) {
        fprintf(stderr, "%d reports, not %d:\n%s", reports, n, report);
        test_failed();
    }
    for (; *texts; texts++)
        if (!strstr(report, *texts)) {
            fprintf(stderr, "no \"%s\" in:\n%s", *texts, report);
            test_failed();
        }
}

#define CHECK_REPORTS(n, ...) check_reports((n), (const char *const[]){ __VA_ARGS__, NULL })

/* Runs fns one after the other, each in a task of its own: no deadlock can happen. */
static int one_by_one(sn_ctx *ctx, sn_fn *const *fns, int n, void *arg)
{
    for (int i = 0; i < n; i++) {
        sn_group g;
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, fns[i], arg), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
    }
    return 0;
}

static sn_mutex a, b, c;
static sn_rwmutex rw;

static __attribute__((noinline)) int takes_a_then_b(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    sn_mutex_lock(&a);
    sn_mutex_lock(&b);
    sn_mutex_unlock(&b);
    sn_mutex_unlock(&a);
    return 0;
}

static __attribute__((noinline)) int takes_b_then_a(sn_ctx *ctx, void *arg)
{
    (void)arg;
    CHECK_EQ(sn_mutex_lock_ctx(ctx, &b), 0);
    CHECK_EQ(sn_mutex_lock_ctx(ctx, &a), 0);
    sn_mutex_unlock(&b); /* not the order in which they were taken */
    sn_mutex_unlock(&a);
    return 0;
}

static int both_orders(sn_ctx *ctx, void *arg)
{
    static sn_fn *const fns[] = { takes_a_then_b, takes_a_then_b, takes_b_then_a, takes_b_then_a };
    return one_by_one(ctx, fns, 4, arg);
}

TEST(two_mutexes_in_both_orders)
{
    char text[64];
    run_checked(both_orders, NULL);
    CHECK_REPORTS(1, "sennit: lock order: 2 locks are taken in a circle, which can deadlock\n", "takes_a_then_b+0x",
                  "takes_b_then_a+0x", "lockorder_test.c:");
    snprintf(text, sizeof text, "and wanted mutex %p at\n", (void *)&a);
    CHECK(strstr(report, text));
    snprintf(text, sizeof text, "and wanted mutex %p at\n", (void *)&b);
    CHECK(strstr(report, text));
    run_checked(both_orders, NULL); /* another runtime knows nothing of the first */
    CHECK_REPORTS(1, "2 locks");
}

static int takes_b_then_reads(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    sn_mutex_lock(&b);
    sn_rwmutex_rlock(&rw);
    sn_rwmutex_runlock(&rw);
    sn_mutex_unlock(&b);
    return 0;
}

static int writes_then_takes_a(sn_ctx *ctx, void *arg)
{
    (void)arg;
    CHECK_EQ(sn_rwmutex_lock_ctx(ctx, &rw), 0);
    sn_mutex_lock(&a);
    sn_mutex_unlock(&a);
    sn_rwmutex_unlock(&rw);
    return 0;
}

static int three_in_a_circle(sn_ctx *ctx, void *arg)
{
    static sn_fn *const fns[] = { takes_a_then_b, takes_b_then_reads, writes_then_takes_a };
    return one_by_one(ctx, fns, 3, arg);
}

TEST(a_circle_of_three_kinds)
{
    run_checked(three_in_a_circle, NULL);
    CHECK_REPORTS(1, "3 locks are taken in a circle", "held rwmutex ", "and wanted rwmutex ", "writes_then_takes_a");
}

/* The same orders, but harmless: one at a time, by try, or where the first is free again. */
static int does_no_harm(sn_ctx *ctx, void *arg)
{
    sn_cond cond = { { 0 } };
    (void)arg;
    CHECK_EQ(takes_a_then_b(ctx, NULL), 0);
    sn_mutex_lock(&b);
    CHECK_EQ(sn_mutex_try_lock(&a), 0);
    sn_mutex_unlock(&a);
    sn_mutex_unlock(&b);
    sn_mutex_lock(&b);
    sn_mutex_unlock(&b);
    sn_mutex_lock(&a);
    sn_mutex_lock(&c);
    sn_mutex_unlock(&a);
    CHECK_EQ(sn_mutex_try_lock(&b), 0);
    sn_mutex_unlock(&b);
    sn_ctx *soon;
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_US(10)), 0);
    CHECK_EQ(sn_cond_wait_ctx(soon, &cond, &c), SN_ETIMEDOUT); /* lets c go, and takes it again */
    sn_ctx_free(soon);
    sn_mutex_unlock(&c);
    sn_rwmutex_rlock(&rw);
    sn_rwmutex_rlock(&rw); /* a reader twice: the checks say nothing of it */
    sn_rwmutex_runlock(&rw);
    sn_rwmutex_runlock(&rw);
    return 0;
}

TEST(what_cannot_deadlock_is_not_reported)
{
    run_checked(does_no_harm, NULL);
    CHECK_REPORTS(0, "");
}

/* Locks on a stack are gone with the task; of others one can be told. */
static int locks_of_its_own(sn_ctx *ctx, void *arg)
{
    sn_mutex m[2] = { { { 0 } }, { { 0 } } };
    int first = *(int *)arg;
    (void)ctx;
    sn_mutex_lock(&m[first]);
    sn_mutex_lock(&m[!first]);
    sn_mutex_unlock(&m[0]);
    sn_mutex_unlock(&m[1]);
    *(int *)arg = !first;
    return 0;
}

static int uses_memory_again(sn_ctx *ctx, void *arg)
{
    static sn_fn *const fns[] = { locks_of_its_own, locks_of_its_own, locks_of_its_own };
    int first = 0;
    (void)arg;
    CHECK_EQ(one_by_one(ctx, fns, 3, &first), 0);
    for (int i = 0; i < 4; i++) {
        sn_mutex *m = calloc(2, sizeof *m);
        sn_mutex_lock(&m[i % 2]);
        sn_mutex_lock(&m[1 - i % 2]);
        sn_mutex_unlock(&m[0]);
        sn_mutex_unlock(&m[1]);
        sn_lockorder_forget(m, 2 * sizeof *m);
        free(m);
    }
    return 0;
}

TEST(memory_that_is_used_again)
{
    run_checked(uses_memory_again, NULL);
    CHECK_REPORTS(0, "");
}

/* --- pthread mutexes, and threads --- */

static pthread_mutex_t pm = PTHREAD_MUTEX_INITIALIZER;

static void *thread_takes_pthread_then_a(void *arg)
{
    CHECK_EQ(sn_pthread_mutex_lock(&pm), 0);
    sn_mutex_lock(&a);
    sn_mutex_unlock(&a);
    CHECK_EQ(sn_pthread_mutex_unlock(&pm), 0);
    return arg;
}

static int takes_a_then_pthread(sn_ctx *ctx, void *arg)
{
    pthread_t t;
    (void)ctx;
    (void)arg;
    sn_mutex_lock(&a);
    CHECK_EQ(sn_pthread_mutex_lock(&pm), 0);
    CHECK_EQ(sn_pthread_mutex_unlock(&pm), 0);
    CHECK_EQ(sn_pthread_mutex_trylock(&pm), 0);
    CHECK_EQ(sn_pthread_mutex_unlock(&pm), 0);
    sn_mutex_unlock(&a);
    CHECK(pthread_create(&t, NULL, thread_takes_pthread_then_a, NULL) == 0 && pthread_join(t, NULL) == 0);
    return 0;
}

TEST(pthread_mutexes_take_part)
{
    run_checked(takes_a_then_pthread, NULL);
    CHECK_REPORTS(1, "2 locks are taken in a circle", "a plain thread\n    held pthread mutex ", "held mutex ");
}

static int waits_with_a_pthread_mutex(sn_ctx *ctx, void *arg)
{
    (void)arg;
    CHECK_EQ(sn_pthread_mutex_lock(&pm), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(sn_sleep(ctx, SN_US(100)), 0); /* with one other worker, it may go on there */
    CHECK_EQ(sn_pthread_mutex_unlock(&pm), 0);
    CHECK_EQ(sn_sleep(ctx, SN_US(100)), 0);
    return 0;
}

TEST(waiting_with_a_lock_of_the_thread)
{
    if (TEST_TSAN)
        test_skip("it is what ThreadSanitizer itself reports");
    CHECK_EQ(sn_run(waits_with_a_pthread_mutex, NULL, &(sn_run_opts){ .workers = 1, .checks = true, .report = keep_report }), 0);
    CHECK_REPORTS(1, "sennit: a task waits (sleeping) while it holds a lock that belongs to its thread",
                  "pthread mutex ", "waits_with_a_pthread_mutex+0x");
}

static int own_lock;

static int tells_of_its_own_lock(sn_ctx *ctx, void *arg)
{
    (void)arg;
    sn_lockorder_want(&own_lock, "spin lock");
    sn_lockorder_taken(&own_lock, "spin lock", false);
    CHECK_EQ(takes_a_then_b(ctx, NULL), 0);
    sn_lockorder_released(&own_lock);
    sn_mutex_lock(&b);
    sn_lockorder_want(&own_lock, "spin lock");
    sn_mutex_unlock(&b);
    return 0;
}

TEST(locks_of_others_take_part)
{
    run_checked(tells_of_its_own_lock, NULL);
    CHECK_REPORTS(1, "2 locks are taken in a circle", "held spin lock ", "and wanted spin lock ");
}

/* --- what else is checked --- */

static int ends_with_it(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    sn_mutex_lock(arg);
    return 0;
}

static int leaves_locks(sn_ctx *ctx, void *arg)
{
    static sn_fn *const fns[] = { ends_with_it };
    static sn_mutex m;
    (void)arg;
    return one_by_one(ctx, fns, 1, &m);
}

TEST(ending_with_locks_held)
{
    run_checked(leaves_locks, NULL);
    CHECK_REPORTS(1, "sennit: a task has ended with locks held", "mutex ", "ends_with_it");
}

static __attribute__((noinline)) int uses_much_stack(sn_ctx *ctx, volatile char *above)
{
    volatile char much[16 * 1024];
    memset((void *)(uintptr_t)much, 1, sizeof much);
    int r = above - much < 168 * 1024 ? uses_much_stack(ctx, above) : sn_sleep(ctx, SN_US(10));
    return r + much[5] - 1;
}

static int goes_deep(sn_ctx *ctx, void *arg)
{
    volatile char here = 0;
    (void)arg;
    return uses_much_stack(ctx, &here);
}

TEST(waiting_with_little_stack_left)
{
    if (TEST_ASAN)
        test_skip("frames are larger");
    run_checked(goes_deep, NULL);
    CHECK_REPORTS(1, "sennit: a task uses 1", " of its 192 KiB of stack");
}

static int changes_its_mask(sn_ctx *ctx, void *arg)
{
    sigset_t one, old;
    (void)arg;
    sigemptyset(&one);
    sigaddset(&one, SIGUSR1);
    CHECK(pthread_sigmask(SIG_BLOCK, &one, &old) == 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(sn_sleep(ctx, SN_US(10)), 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
    return 0;
}

TEST(waiting_with_another_signal_mask)
{
    report[0] = '\0';
    CHECK_EQ(sn_run(changes_its_mask, NULL, &(sn_run_opts){ .workers = 1, .checks = true, .report = keep_report }), 0);
    CHECK_REPORTS(1, "sennit: a task waits with another signal mask than it found");
}

/* --- who holds what, in a dump --- */

struct shelf {
    sn_sem sem;
    int_chan c;
};

static int takes_from_the_shelf(sn_ctx *ctx, void *arg)
{
    struct shelf *s = arg;
    int v;
    CHECK_EQ(sn_sem_acquire(ctx, &s->sem, 1), 0);
    sn_mutex_lock(&a);
    CHECK_EQ(sn_chan_recv(ctx, s->c, &v), 0);
    sn_mutex_unlock(&a);
    sn_sem_release(&s->sem, 1);
    CHECK_EQ(sn_sem_try_acquire(&s->sem, 1), 0); /* given back by another: nothing is said of it */
    return 0;
}

static int shows_the_shelf(sn_ctx *ctx, void *arg)
{
    struct shelf s = { .sem = SN_SEM_INIT(2) };
    char name[] = "/tmp/sn_shelf_XXXXXX", text[65536] = "";
    int fd = mkstemp(name);
    sn_group g;
    (void)arg;
    CHECK(fd >= 0 && unlink(name) == 0);
    CHECK_EQ(sn_chan_make(&s.c, 0), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, takes_from_the_shelf, &s), 0);
    while (!strstr(text, "takes_from_the_shelf: receiving")) {
        CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
        CHECK(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
        CHECK_EQ(sn_dump(fd), 0);
        ssize_t n = pread(fd, text, sizeof text - 1, 0);
        CHECK(n > 0);
        text[n] = '\0';
    }
    CHECK_UNLESS_INJECTED(TEST_TSAN || strstr(text, "\n    took permits of semaphore ")); /* workers may not stand still there */
    CHECK_UNLESS_INJECTED(TEST_TSAN || strstr(text, "\n    holds mutex "));
    CHECK_EQ(sn_chan_send(ctx, s.c, &(int){ 1 }), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_sem_release(&s.sem, 1);
    sn_chan_free(s.c);
    (void)close(fd);
    return 0;
}

TEST(who_holds_what)
{
    run_checked(shows_the_shelf, NULL);
    CHECK_REPORTS(0, "");
}

TEST(by_the_environment)
{
    CHECK(setenv("SENNIT_CHECKS", "1", 1) == 0);
    report[0] = '\0';
    CHECK_EQ(sn_run(both_orders, NULL, &(sn_run_opts){ .report = keep_report }), 0);
    CHECK_REPORTS(1, "2 locks");
    CHECK(unsetenv("SENNIT_CHECKS") == 0);
}

/* --- under load --- */

static int takes_in_order(sn_ctx *ctx, void *arg)
{
    sn_mutex *m = arg;
    uint64_t rng = test_seed();
    (void)ctx;
    for (int i = 0; i < 300; i++) {
        int from = (int)(test_random(&rng) % 8), to = from + 1 + (int)(test_random(&rng) % 8);
        for (int k = from; k < to; k++)
            sn_mutex_lock(&m[k]);
        if (i % 10 == 0)
            sn_yield();
        for (int k = from; k < to; k++)
            sn_mutex_unlock(&m[k]);
    }
    return 0;
}

static int many_take_in_order(sn_ctx *ctx, void *arg)
{
    static sn_mutex m[16];
    sn_group g;
    (void)arg;
    (void)test_seed(); /* before there are several who ask */
    sn_group_init(&g, ctx);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(sn_group_go(&g, takes_in_order, m), 0);
    return sn_group_wait(&g);
}

TEST(many_at_a_time)
{
    run_checked(many_take_in_order, NULL);
    CHECK_REPORTS(0, "");
}
