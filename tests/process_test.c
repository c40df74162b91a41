/* Child processes: the contract of sennit/process.h. */
#include "sn_test.h"

#include <errno.h>
#include <signal.h>

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

TEST(needs_a_runtime)
{
    sn_process p;
    const char *argv[] = { "true", NULL };
    CHECK_EQ(sn_process_start(&p, argv, NULL), SN_ENOTRUNNING);
}
