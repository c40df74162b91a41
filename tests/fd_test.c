/* Descriptors, processes, signals: the contracts of sennit/fd.h, process.h and signal.h. */
#include "sn_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

static int pipe_writer(sn_ctx *ctx, void *arg)
{
    static char block[100000];
    int fd = *(int *)arg;
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)(i * 7);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(sn_fd_write(ctx, fd, block, sizeof block), (int64_t)sizeof block);
    CHECK_EQ(sn_fd_close(fd), 0);
    return 0;
}

static int through_a_pipe(sn_ctx *ctx, void *arg)
{
    char buf[5000];
    int fds[2];
    sn_group g;
    int64_t n;
    size_t total = 0;

    (void)arg;
    CHECK_EQ(sn_fd_pipe(fds), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, pipe_writer, &fds[1]), 0);
    while ((n = sn_fd_read(ctx, fds[0], buf, sizeof buf)) > 0)
        for (int64_t i = 0; i < n; i++, total++)
            CHECK_EQ(buf[i], (char)(total % 100000 * 7));
    CHECK_EQ(n, 0);
    CHECK_EQ(total, 2000000);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(sn_fd_close(fds[0]), 0);
    return 0;
}

TEST(through_a_pipe)
{
    run_each(through_a_pipe, NULL);
}

static int blocking_pipe(sn_ctx *ctx, void *arg)
{
    int fds[2];
    char c;
    sn_ctx *hurry;

    (void)arg;
    CHECK(pipe(fds) == 0); /* blocking mode: still no worker is held up */
    CHECK_EQ(sn_ctx_with_timeout(&hurry, ctx, SN_MS(2)), 0);
    CHECK_EQ(sn_fd_read(hurry, fds[0], &c, 1), SN_ETIMEDOUT);
    CHECK_EQ(sn_fd_wait(hurry, fds[0], SN_FD_READ), SN_ETIMEDOUT);
    sn_ctx_free(hurry);
    CHECK_EQ(sn_fd_wait(ctx, fds[1], SN_FD_WRITE), SN_FD_WRITE);
    CHECK_EQ(sn_fd_write(ctx, fds[1], "x", 1), 1);
    CHECK_EQ(sn_fd_read(ctx, fds[0], &c, 1), 1);
    CHECK_EQ(c, 'x');
    CHECK_EQ(sn_fd_close(fds[1]), 0);
    CHECK_EQ(sn_fd_read(ctx, fds[0], &c, 1), 0);
    CHECK_EQ(sn_fd_close(fds[0]), 0);
    CHECK_EQ(sn_fd_read(ctx, fds[0], &c, 1), SN_EBADF);
    CHECK_EQ(sn_fd_wait(ctx, -1, SN_FD_READ), SN_EBADF);
    CHECK_EQ(sn_fd_wait(ctx, 0, 0), SN_EINVAL);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK(file >= 0);
    CHECK_EQ(sn_fd_wait(ctx, file, SN_FD_READ), SN_FD_READ); /* a regular file is always ready */
    CHECK_EQ(sn_fd_read(ctx, file, &c, 1), 1);
    CHECK_EQ(sn_fd_close(file), 0);
    return 0;
}

TEST(blocking_descriptors_and_bad_ones)
{
    run_each(blocking_pipe, NULL);
}

static int wait_closed(sn_ctx *ctx, void *arg)
{
    CHECK_EQ(sn_fd_wait(ctx, *(int *)arg, SN_FD_READ), SN_ECANCELED);
    return 0;
}

static int close_wakes(sn_ctx *ctx, void *arg)
{
    int fds[2];
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_fd_pipe(fds), 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(sn_group_go(&g, wait_closed, &fds[0]), 0);
    (void)sn_sleep(ctx, SN_MS(2));
    CHECK_EQ(sn_fd_close(fds[0]), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(sn_fd_close(fds[1]), 0);
    return 0;
}

TEST(close_wakes_waiters)
{
    run_each(close_wakes, NULL);
}

/* --- processes --- */

static int expect_exit(sn_ctx *ctx, void *arg)
{
    sn_process p;
    sn_process_status s;
    const char *argv[] = { "sh", "-c", arg, NULL };
    CHECK_EQ(sn_process_start(&p, argv, &(sn_process_opts){ .group = true }), 0);
    CHECK_EQ(sn_process_wait(ctx, &p, &s), 0);
    CHECK_EQ(s.code, 7);
    CHECK_EQ(s.signal, 0);
    return 0;
}

static int processes(sn_ctx *ctx, void *arg)
{
    sn_process p;
    sn_process_status s;
    sn_ctx *hurry;
    sn_group g;
    int fds[2];
    char buf[100];

    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(sn_group_go(&g, expect_exit, "exit 7"), 0);
    CHECK_EQ(sn_group_wait(&g), 0);

    const char *none[] = { "/no/such/program", NULL };
    CHECK_EQ(sn_process_start(&p, none, NULL), SN_ENOENT);
    const char *nothing[] = { NULL };
    CHECK_EQ(sn_process_start(&p, nothing, NULL), SN_EINVAL);

    CHECK_EQ(sn_fd_pipe(fds), 0);
    const char *echo[] = { "echo", "hello there", NULL };
    CHECK_EQ(sn_process_start(&p, echo, &(sn_process_opts){ .out = fds[1] + 1 }), 0);
    CHECK_EQ(sn_fd_close(fds[1]), 0);
    CHECK_EQ(sn_fd_read(ctx, fds[0], buf, sizeof buf), 12);
    CHECK(memcmp(buf, "hello there\n", 12) == 0);
    CHECK_EQ(sn_fd_read(ctx, fds[0], buf, sizeof buf), 0);
    CHECK_EQ(sn_fd_close(fds[0]), 0);
    CHECK_EQ(sn_process_wait(ctx, &p, &s), 0);
    CHECK_EQ(s.code, 0);

    const char *slow[] = { "sleep", "100", NULL };
    CHECK_EQ(sn_process_start(&p, slow, &(sn_process_opts){ .group = true }), 0);
    CHECK_EQ(sn_ctx_with_timeout(&hurry, ctx, SN_MS(5)), 0);
    CHECK_EQ(sn_process_wait(hurry, &p, &s), SN_ETIMEDOUT);
    sn_ctx_free(hurry);
    CHECK_EQ(sn_process_kill(&p, SIGTERM), 0);
    CHECK_EQ(sn_process_wait(ctx, &p, &s), 0);
    CHECK_EQ(s.code, -1);
    CHECK_EQ(s.signal, SIGTERM);
    return 0;
}

TEST(processes)
{
    run_each(processes, NULL);
    CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD); /* no zombie */
}

/* --- signals --- */

typedef sn_chan_of(int) int_chan;

static int signals(sn_ctx *ctx, void *arg)
{
    int_chan c;
    int signo;
    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 4), 0);
    CHECK_EQ(sn_signal_notify(c, SIGKILL), SN_EINVAL);
    CHECK_EQ(sn_signal_notify(c, SIGSEGV), SN_EINVAL);
    CHECK_EQ(sn_signal_notify(c, 1000), SN_EINVAL);
    CHECK_EQ(sn_signal_notify(c, SIGUSR1), 0);
    CHECK_EQ(sn_signal_notify(c, SIGUSR2), 0);
    for (int i = 0; i < 20; i++) {
        int want = i % 2 ? SIGUSR1 : SIGUSR2;
        CHECK(kill(getpid(), want) == 0);
        CHECK_EQ(sn_chan_recv(ctx, c, &signo), 0);
        CHECK_EQ(signo, want);
    }
    sn_signal_stop(c);
    sn_chan_free(c);
    return 0;
}

TEST(signals)
{
    struct sigaction a;
    run_each(signals, NULL);
    CHECK(sigaction(SIGUSR1, NULL, &a) == 0 && a.sa_handler == SIG_DFL); /* as before */
}

TEST(need_a_runtime)
{
    int_chan c = { 0 };
    sn_process p;
    char b;
    const char *argv[] = { "true", NULL };
    CHECK_EQ(sn_fd_wait(NULL, 0, SN_FD_READ), SN_ENOTRUNNING);
    CHECK_EQ(sn_fd_read(NULL, 0, &b, 1), SN_ENOTRUNNING);
    CHECK_EQ(sn_process_start(&p, argv, NULL), SN_ENOTRUNNING);
    CHECK_EQ(sn_signal_notify(c, SIGUSR1), SN_ENOTRUNNING);
}
