/* fork, as sennit/run.h has it. */
#include "sn_test.h"

#include <signal.h>

typedef sn_chan_of(int) int_chan;

/* Neither ThreadSanitizer nor QEMU's user emulation, which shows by not counting threads, lets threads be started in a
 * child of a process that has some. */
static void skip_if_children_are_lame(void)
{
    if (TEST_TSAN)
        test_skip("ThreadSanitizer: no threads in children of a process with threads");
    if (!test_threads_are_counted())
        test_skip("an emulator: no threads in children of a process with threads");
}

/* Where the child allocates, beside threads that do. */
static void skip_if_forks_may_hang(void)
{
    if (TEST_ASAN)
        test_skip("AddressSanitizer: a fork may find its allocator locked by another thread, for ever");
}

/* What shows that a runtime works: tasks, channels, timers, descriptors. */
static int echoes(sn_ctx *ctx, void *arg)
{
    int *fds = arg;
    char b;
    CHECK_EQ(sn_fd_read(ctx, fds[0], &b, 1), 1);
    return b;
}

static int works(sn_ctx *ctx, void *arg)
{
    int fds[2];
    sn_group g;
    sn_ctx *soon;
    (void)arg;
    CHECK_EQ(sn_fd_pipe(fds), 0);
    for (int i = 0; i < 10; i++) {
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, echoes, fds), 0);
        CHECK_EQ(sn_sleep(ctx, SN_US(100)), 0);
        CHECK_EQ(sn_fd_write(ctx, fds[1], "\3", 1), 1);
        CHECK_EQ(sn_group_wait(&g), 0);
    }
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_US(500)), 0);
    CHECK_EQ(sn_ctx_wait(soon), SN_ETIMEDOUT);
    sn_ctx_free(soon);
    CHECK_EQ(sn_fd_close(fds[0]), 0);
    CHECK_EQ(sn_fd_close(fds[1]), 0);
    return 0;
}

static void check_child(pid_t pid)
{
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 7);
}

static void run_in_child(void)
{
    CHECK_EQ(sn_run_workers(), 0);
    CHECK_EQ(sn_task_self().id, 0);
    CHECK_EQ(sn_stop(), SN_ENOTRUNNING);
    CHECK_EQ(sn_task_go(works, NULL), SN_ENOTRUNNING);
    CHECK_EQ(sn_run(works, NULL, &(sn_run_opts){ .workers = 2 }), 0);
    CHECK_EQ(sn_start(NULL), 0);
    CHECK_EQ(works(NULL, NULL), 0);
    CHECK_EQ(sn_stop(), 0);
    _exit(7);
}

TEST(before_and_after_a_runtime)
{
    for (int i = 0; i < 3; i++) {
        pid_t pid = test_fork();
        if (pid == 0)
            run_in_child();
        check_child(pid);
        CHECK_EQ(sn_run(works, NULL, NULL), 0);
    }
}

static int naps(sn_ctx *ctx, void *arg)
{
    int r = 0;
    (void)arg;
    while (r == 0)
        r = sn_sleep(ctx, SN_US(50));
    return 0;
}

TEST(beside_a_runtime_that_runs)
{
    skip_if_forks_may_hang();
    skip_if_children_are_lame();
    for (int i = 0; i < TEST_WORKERS; i++) {
        CHECK_EQ(sn_start(&(sn_run_opts){ .workers = test_workers[i] }), 0);
        for (int k = 0; k < 5; k++)
            CHECK_EQ(sn_task_go(naps, NULL), 0);
        for (int k = 0; k < 5; k++) {
            pid_t pid = test_fork();
            if (pid == 0)
                run_in_child();
            CHECK_EQ(works(NULL, NULL), 0); /* at the same time */
            check_child(pid);
            CHECK_EQ(works(NULL, NULL), 0);
        }
        CHECK_EQ(sn_stop(), 0);
    }
}

static int sets(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    *(sn_task *)arg = sn_task_self();
    return naps(ctx, NULL);
}

/* In a task: the child is no task, and the parent's go on. */
static int forks(sn_ctx *ctx, void *arg)
{
    sn_task other = { 0 };
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, sets, &other), 0);
    while (__atomic_load_n(&other.id, __ATOMIC_ACQUIRE) == 0)
        CHECK_EQ(sn_sleep(ctx, SN_US(50)), 0);
    for (int i = 0; i < 5; i++) {
        sn_task me = sn_task_self();
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            CHECK_EQ(sn_task_self().id, 0);
            CHECK_EQ(sn_run_workers(), 0);
            CHECK_EQ(sn_task_alive(me), SN_ESRCH);
            CHECK_EQ(sn_task_alive(other), SN_ESRCH);
            CHECK(sn_now() > 0);
            if (i % 2)
                execl("/bin/sh", "sh", "-c", "exit 7", (char *)NULL);
            _exit(7);
        }
        check_child(pid);
        CHECK_EQ(sn_task_alive(me), 1);
        CHECK_EQ(sn_task_alive(other), 1);
        CHECK_EQ(works(ctx, NULL), 0);
    }
    sn_group_cancel(&g);
    return sn_group_wait(&g);
}

TEST(in_a_task)
{
    run_each(forks, NULL);
}

/* Signals on channels: the child's are its own, and the parent hears only its own. */
static int hears(sn_ctx *ctx, void *arg)
{
    int_chan c;
    int signo, status;
    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 4), 0);
    CHECK_EQ(sn_signal_notify(c, SIGUSR1), 0);
    for (int i = 0; i < 3; i++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            (void)raise(SIGUSR1);
            _exit(0);
        }
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1); /* it does what it did before */
        CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
        CHECK_EQ(sn_chan_try_recv(c, &signo), SN_EAGAIN);
        CHECK_EQ(raise(SIGUSR1), 0);
        CHECK_EQ(sn_chan_recv(ctx, c, &signo), 0);
        CHECK_EQ(signo, SIGUSR1);
    }
    sn_signal_stop(c);
    sn_chan_free(c);
    return 0;
}

TEST(signals_on_channels)
{
    skip_if_children_are_lame(); /* and the former delivers a raised signal late */
    run_each(hears, NULL);
}

static int hears_in_child(sn_ctx *ctx, void *arg)
{
    int_chan c;
    int signo;
    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 4), 0);
    CHECK_EQ(sn_signal_notify(c, SIGUSR2), 0);
    CHECK_EQ(raise(SIGUSR2), 0);
    CHECK_EQ(sn_chan_recv(ctx, c, &signo), 0);
    sn_signal_stop(c);
    sn_chan_free(c);
    return signo == SIGUSR2 ? 0 : -1;
}

TEST(signals_on_channels_of_a_child)
{
    int_chan c;
    skip_if_forks_may_hang();
    skip_if_children_are_lame();
    CHECK_EQ(sn_start(NULL), 0);
    CHECK_EQ(sn_chan_make(&c, 4), 0);
    CHECK_EQ(sn_signal_notify(c, SIGUSR2), 0);
    pid_t pid = test_fork();
    if (pid == 0) {
        CHECK_EQ(sn_run(hears_in_child, NULL, NULL), 0);
        _exit(7);
    }
    check_child(pid);
    CHECK_EQ(sn_chan_len(c), 0);
    sn_signal_stop(c);
    CHECK_EQ(sn_stop(), 0);
    sn_chan_free(c);
}
