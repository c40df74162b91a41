/* Descriptors: the contract of sennit/fd.h. */
#include "sn_test.h"

#include <fcntl.h>

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

TEST(needs_a_runtime)
{
    char b;
    CHECK_EQ(sn_fd_wait(NULL, 0, SN_FD_READ), SN_ENOTRUNNING);
    CHECK_EQ(sn_fd_read(NULL, 0, &b, 1), SN_ENOTRUNNING);
}

/* A plain thread waits while all workers sleep. */
TEST(from_a_plain_thread)
{
    for (int i = 1; i <= 2; i++) {
        int fds[2];
        char c;
        CHECK_EQ(sn_start(&(sn_run_opts){ .workers = i }), 0);
        CHECK_EQ(sn_fd_pipe(fds), 0);
        CHECK_EQ(sn_sleep(NULL, SN_MS(5)), 0);
        for (int k = 0; k < 20; k++) {
            sn_ctx *hurry;
            CHECK_EQ(sn_ctx_with_timeout(&hurry, NULL, SN_MS(2)), 0);
            CHECK_EQ(sn_fd_read(hurry, fds[0], &c, 1), SN_ETIMEDOUT); /* the timer wakes us, too */
            sn_ctx_free(hurry);
            CHECK_EQ(sn_fd_write(NULL, fds[1], "x", 1), 1);
            CHECK_EQ(sn_fd_read(NULL, fds[0], &c, 1), 1);
        }
        CHECK_EQ(sn_fd_close(fds[0]), 0);
        CHECK_EQ(sn_fd_close(fds[1]), 0);
        CHECK_EQ(sn_stop(), 0);
    }
}
