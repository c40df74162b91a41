/* Child processes: the contract of sennit/process.h. */
#include "sn_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>

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

/* An emulator that makes a fork of each vfork cannot have posix_spawn say that exec failed. */
static bool failed_exec_is_told(void)
{
    pid_t pid;
    static char path[] = "/no/such/program";

    if (posix_spawn(&pid, path, NULL, NULL, (char *[]){ path, NULL }, environ) != 0)
        return true;
    CHECK(waitpid(pid, NULL, 0) == pid);
    test_left_out("errors of exec", "posix_spawn does not tell them here");
    return false;
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
    if (failed_exec_is_told())
        CHECK_EQ(sn_process_start(&p, none, NULL), SN_ENOENT);
    const char *nothing[] = { NULL };
    CHECK_EQ(sn_process_start(&p, nothing, NULL), SN_EINVAL);

    CHECK_EQ(sn_fd_pipe(fds), 0);
    const char *echo[] = { "echo", "hello there", NULL };
    CHECK_EQ(sn_process_start(&p, echo, &(sn_process_opts){ .out = fds[1] + 1 }), 0);
    CHECK_EQ(sn_fd_close(fds[1]), 0);
    int64_t have = sn_fd_read(ctx, fds[0], buf, sizeof buf);
    if (have == 1) /* made short */
        have += sn_fd_read(ctx, fds[0], buf + 1, sizeof buf - 1);
    CHECK_EQ(have, 12);
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

/* Runs argv with its output in `out`; returns how it ended. */
static sn_process_status run(sn_ctx *ctx, const char *const argv[], sn_process_opts o, char *out, size_t size)
{
    sn_process p = { 0 };
    sn_process_status s = { -9, -9 };
    int fds[2];
    size_t n = 0;
    int64_t k;

    CHECK_EQ(sn_fd_pipe(fds), 0);
    if (o.out == 0)
        o.out = fds[1] + 1;
    CHECK_EQ(sn_process_start(&p, argv, &o), 0);
    CHECK(p.pid > 0);
    CHECK_EQ(sn_fd_close(fds[1]), 0);
    while ((k = sn_fd_read(ctx, fds[0], out + n, size - 1 - n)) > 0)
        n += (size_t)k;
    CHECK_EQ(k, 0);
    out[n] = '\0';
    CHECK_EQ(sn_fd_close(fds[0]), 0);
    CHECK_EQ(sn_process_wait(ctx, &p, &s), 0);
    CHECK_EQ(sn_process_kill(&p, 0), SN_ESRCH); /* it has ended, and been waited for */
    return s;
}

static sn_process_status shell(sn_ctx *ctx, const char *script, sn_process_opts o, char *out, size_t size)
{
    const char *argv[] = { "sh", "-c", script, "zero", "one two", NULL };
    return run(ctx, argv, o, out, size);
}

static int endings(sn_ctx *ctx, void *arg)
{
    static const int codes[] = { 0, 1, 127, 255 }, signals[] = { SIGKILL, SIGTERM, SIGHUP, SIGUSR1 };
    char out[200], script[100];

    (void)arg;
    for (int i = 0; i < 4; i++) {
        snprintf(script, sizeof script, "echo $0, $1; exit %d", codes[i]);
        sn_process_status s = shell(ctx, script, (sn_process_opts){ 0 }, out, sizeof out);
        CHECK_EQ(s.code, codes[i]);
        CHECK_EQ(s.signal, 0);
        CHECK(strcmp(out, "zero, one two\n") == 0);
        snprintf(script, sizeof script, "kill -%d $$; sleep 100", signals[i]);
        s = shell(ctx, script, (sn_process_opts){ 0 }, out, sizeof out);
        CHECK_EQ(s.code, -1);
        CHECK_EQ(s.signal, signals[i]);
    }
    return 0;
}

TEST(how_it_ended)
{
    run_everywhere(endings, NULL);
}

static void failures_of_exec(sn_process *p)
{
    static char huge[200 * 1024];

    CHECK_EQ(sn_process_start(p, (const char *[]){ "no-such-program-anywhere", NULL }, NULL), SN_ENOENT);
    CHECK_EQ(sn_process_start(p, (const char *[]){ "./no/such/file", NULL }, NULL), SN_ENOENT);
    CHECK_EQ(sn_process_start(p, (const char *[]){ "/tmp", NULL }, NULL), SN_EACCES);
    CHECK_EQ(sn_process_start(p, (const char *[]){ "/etc/passwd", NULL }, NULL), SN_EACCES);
    memset(huge, 'x', sizeof huge - 1);
    CHECK_EQ(sn_process_start(p, (const char *[]){ "true", huge, NULL }, NULL), SN_E2BIG);
}

static int failures(sn_ctx *ctx, void *arg)
{
    sn_process p = { 12345, 678 };
    sn_process_status s = { 5, 6 };
    sn_ctx *dead;

    (void)arg;
    if (failed_exec_is_told())
        failures_of_exec(&p);
    CHECK_EQ(sn_process_start(&p, (const char *[]){ "true", NULL }, &(sn_process_opts){ .out = 100001 }), SN_EBADF);
    CHECK_EQ(sn_process_start(&p, (const char *[]){ NULL }, NULL), SN_EINVAL);
    CHECK_EQ(sn_process_start(&p, NULL, NULL), SN_EINVAL);
    CHECK(p.pid == 12345 && p.sni_pidfd == 678); /* written only on success */
    CHECK_EQ(sn_process_start(&p, (const char *[]){ "sleep", "100", NULL }, NULL), 0);
    CHECK_EQ(sn_ctx_with_cancel(&dead, ctx), 0);
    sn_ctx_cancel(dead);
    CHECK_EQ(sn_process_wait(dead, &p, &s), SN_ECANCELED);
    CHECK(s.code == 5 && s.signal == 6);
    sn_ctx_free(dead);
    CHECK_EQ(sn_process_kill(&p, 0), 0); /* it goes on */
    CHECK_EQ(sn_process_kill(&p, 12345), SN_EINVAL);
    CHECK_EQ(sn_process_kill(&p, SIGKILL), 0);
    CHECK_EQ(sn_process_wait(ctx, &p, &s), 0);
    CHECK(s.code == -1 && s.signal == SIGKILL);
    CHECK_EQ(sn_process_kill(&p, SIGKILL), SN_ESRCH);
    return 0;
}

TEST(every_error)
{
    run_everywhere(failures, NULL);
    CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static int counts_descriptors(void)
{
    int n = 0;
    for (int fd = 0; fd < 1000; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static int descriptors(sn_ctx *ctx, void *arg)
{
    char out[400], more[100];
    int in[2], err[2], before = counts_descriptors();

    (void)arg;
    CHECK_EQ(sn_fd_pipe(in), 0);
    CHECK_EQ(sn_fd_pipe(err), 0);
    CHECK_EQ(sn_fd_write(ctx, in[1], "from us", 7), 7);
    CHECK_EQ(sn_fd_close(in[1]), 0);
    sn_process_status s = shell(ctx, "cat; echo complaint >&2; exit 3",
                                (sn_process_opts){ .in = in[0] + 1, .err = err[1] + 1 }, out, sizeof out);
    CHECK_EQ(s.code, 3);
    CHECK(strcmp(out, "from us") == 0);
    CHECK_EQ(sn_fd_close(err[1]), 0);
    CHECK_UNLESS_INJECTED(sn_fd_read(ctx, err[0], more, sizeof more) == 10);
    CHECK(memcmp(more, "complaint\n", 10) == 0);
    CHECK_EQ(sn_fd_read(ctx, err[0], more, sizeof more), 0); /* nobody else has it */
    CHECK_EQ(sn_fd_close(err[0]), 0);
    CHECK_EQ(sn_fd_close(in[0]), 0);
    (void)shell(ctx, "readlink /proc/$$/fd/0", (sn_process_opts){ 0 }, out, sizeof out);
    CHECK(strcmp(out, "/dev/null\n") == 0);
    /* No others than 0, 1 and 2 (ls has one open for the directory that it lists). */
    const char *ls[] = { "ls", "/proc/self/fd", NULL };
    (void)run(ctx, ls, (sn_process_opts){ 0 }, out, sizeof out);
    CHECK(strcmp(out, "0\n1\n2\n3\n") == 0);
    while (counts_descriptors() > before) /* and none is left with us; the runtime may have one open for a moment */
        CHECK_EQ(sn_sleep(ctx, SN_US(100)), 0);
    return 0;
}

TEST(descriptors)
{
    for (int fd = 3; fd < 1000; fd++) /* what the one who started us left open is his affair */
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    run_everywhere(descriptors, NULL);
}

/* The caller's 0, 1 and 2 as the child's, in another order. */
static int crossed(sn_ctx *ctx, void *arg)
{
    sn_process p;
    sn_process_status s;
    const char *argv[] = { "sh", "-c", "echo to-err; echo to-out >&2", NULL };
    (void)arg;
    CHECK_EQ(sn_process_start(&p, argv, &(sn_process_opts){ .out = 3, .err = 2 }), 0);
    CHECK_EQ(sn_process_wait(ctx, &p, &s), 0);
    CHECK_EQ(s.code, 0);
    return 0;
}

TEST(crossed_descriptors)
{
    int out[2], err[2], keep[2];
    char buf[100];
    CHECK(pipe(out) == 0 && pipe(err) == 0);
    CHECK((keep[0] = dup(1)) >= 0 && (keep[1] = dup(2)) >= 0);
    CHECK(dup2(out[1], 1) == 1 && dup2(err[1], 2) == 2);
    int r = sn_run(crossed, NULL, NULL);
    CHECK(dup2(keep[0], 1) == 1 && dup2(keep[1], 2) == 2);
    CHECK_EQ(r, 0);
    CHECK(read(out[0], buf, sizeof buf) == 7 && memcmp(buf, "to-out\n", 7) == 0);
    CHECK(read(err[0], buf, sizeof buf) == 7 && memcmp(buf, "to-err\n", 7) == 0);
    for (int i = 0; i < 2; i++)
        (void)(close(out[i]), close(err[i]), close(keep[i]));
}

static int environments(sn_ctx *ctx, void *arg)
{
    static const char *const env[] = { "ONLY=this", NULL }, *const none[] = { NULL };
    char out[2000];
    const char *argv[] = { "env", NULL };
    (void)arg;
    (void)run(ctx, argv, (sn_process_opts){ .env = env }, out, sizeof out);
    CHECK(strcmp(out, "ONLY=this\n") == 0);
    (void)run(ctx, argv, (sn_process_opts){ .env = none }, out, sizeof out);
    CHECK(strcmp(out, "") == 0);
    (void)shell(ctx, "echo $SN_TEST_VARIABLE", (sn_process_opts){ 0 }, out, sizeof out);
    CHECK(strcmp(out, "inherited\n") == 0);
    return 0;
}

TEST(environments)
{
    setenv("SN_TEST_VARIABLE", "inherited", 1);
    run_everywhere(environments, NULL);
}

/* Signals that the program ignores or blocks are back to their defaults in the child. */
static int default_signals(sn_ctx *ctx, void *arg)
{
    char out[100];
    (void)arg;
    CHECK_EQ(shell(ctx, "kill -INT $$; echo survived", (sn_process_opts){ 0 }, out, sizeof out).signal, SIGINT);
    CHECK_EQ(shell(ctx, "kill -TERM $$; echo survived", (sn_process_opts){ 0 }, out, sizeof out).signal, SIGTERM);
    CHECK_EQ(shell(ctx, "kill -PIPE $$; echo survived", (sn_process_opts){ 0 }, out, sizeof out).signal, SIGPIPE);
    return 0;
}

TEST(default_signals)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    CHECK(signal(SIGINT, SIG_IGN) != SIG_ERR && signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    run_everywhere(default_signals, NULL);
    CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
    CHECK(signal(SIGINT, SIG_DFL) != SIG_ERR && signal(SIGPIPE, SIG_DFL) != SIG_ERR);
}

/* A group: the signal reaches the child's children, too; the pipe that they all hold shows that they have gone. */
static int groups(sn_ctx *ctx, void *arg)
{
    sn_process p;
    sn_process_status s;
    int fds[2];
    char b[10];
    (void)arg;
    CHECK_EQ(sn_fd_pipe(fds), 0);
    const char *argv[] = { "sh", "-c", "sleep 100 & sleep 100 & echo; wait", NULL };
    CHECK_EQ(sn_process_start(&p, argv, &(sn_process_opts){ .out = fds[1] + 1, .group = true }), 0);
    CHECK_EQ(sn_fd_close(fds[1]), 0);
    CHECK_EQ(sn_fd_read(ctx, fds[0], b, sizeof b), 1);
    CHECK_EQ(getpgid(p.pid), p.pid);
    CHECK_EQ(sn_process_kill(&p, SIGTERM), 0);
    CHECK_EQ(sn_fd_read(ctx, fds[0], b, sizeof b), 0);
    CHECK_EQ(sn_process_wait(ctx, &p, &s), 0);
    CHECK_EQ(s.signal, SIGTERM);
    CHECK_EQ(sn_fd_close(fds[0]), 0);

    const char *alone[] = { "sleep", "100", NULL };
    CHECK_EQ(sn_process_start(&p, alone, NULL), 0);
    CHECK_EQ(getpgid(p.pid), getpgrp());
    CHECK_EQ(sn_process_kill(&p, SIGTERM), 0); /* if it went to the group we would not be here */
    CHECK_EQ(sn_process_wait(ctx, &p, &s), 0);
    CHECK_EQ(s.signal, SIGTERM);
    return 0;
}

TEST(process_groups)
{
    run_everywhere(groups, NULL);
}

/* NULL is the own context: a task is cancelled while it waits; its child goes on and is waited for by another. */
static int gives_up(sn_ctx *ctx, void *arg)
{
    sn_process_status s = { 5, 6 };
    CHECK_EQ(sn_process_wait(NULL, arg, &s), SN_ECANCELED);
    CHECK(s.code == 5 && s.signal == 6);
    CHECK_EQ(sn_ctx_err(ctx), SN_ECANCELED);
    return 0;
}

static int own_context(sn_ctx *ctx, void *arg)
{
    sn_process p;
    sn_process_status s;
    sn_group g;
    const char *argv[] = { "sleep", "100", NULL };
    (void)arg;
    CHECK_EQ(sn_process_start(&p, argv, NULL), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, gives_up, &p), 0);
    CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
    sn_group_cancel(&g);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(sn_process_kill(&p, SIGKILL), 0);
    CHECK_EQ(sn_process_wait(ctx, &p, &s), 0);
    CHECK_EQ(s.signal, SIGKILL);
    return 0;
}

TEST(null_is_the_own_context)
{
    run_everywhere(own_context, NULL);
}

/* An ended context refuses, although the child could be reaped at once. */
static int refuses(sn_ctx *ctx, void *arg)
{
    const char *const argv[] = { "true", NULL };
    sn_process p;
    sn_process_status s = { -7, -7 };
    sn_ctx *over;
    int fds[2];
    char b;
    (void)arg;
    CHECK_EQ(sn_fd_pipe(fds), 0);
    CHECK_EQ(sn_process_start(&p, argv, &(sn_process_opts){ .out = fds[1] + 1 }), 0);
    CHECK_EQ(sn_fd_close(fds[1]), 0);
    CHECK_EQ(sn_fd_read(ctx, fds[0], &b, 1), 0); /* it has ended, or is just about to */
    CHECK_EQ(sn_ctx_with_cancel(&over, ctx), 0);
    sn_ctx_cancel(over);
    CHECK_EQ(sn_process_wait(over, &p, &s), SN_ECANCELED);
    CHECK_EQ(s.code, -7);
    CHECK_EQ(sn_process_wait(ctx, &p, &s), 0);
    CHECK_EQ(s.code, 0);
    CHECK_EQ(sn_fd_close(fds[0]), 0);
    sn_ctx_free(over);
    return 0;
}

TEST(an_ended_context_refuses)
{
    run_each(refuses, NULL);
}

/* As a case: chosen when it has ended, and the wait does not block then. */
static int selects(sn_ctx *ctx, void *arg)
{
    enum { TIME = 2 };
    const char *argv[] = { "sh", "-c", "read x; exit 5", NULL };
    sn_process p[2];
    sn_process_status s;
    int fds[2][2];
    (void)arg;
    for (int i = 0; i < 2; i++) {
        CHECK(pipe2(fds[i], O_CLOEXEC) == 0); /* which blocks: the shell reads from it */
        CHECK_EQ(sn_process_start(&p[i], argv, &(sn_process_opts){ .in = fds[i][0] + 1, .group = i }), 0);
        CHECK_EQ(sn_fd_close(fds[i][0]), 0);
    }
    sn_case cases[] = { sn_on_process(&p[0]), sn_on_process(&p[1]), sn_on_after(SN_MS(1)) };
    CHECK_EQ(sn_select_try(cases, 2), SN_EAGAIN);
    CHECK_EQ(sn_select(ctx, cases, 3), TIME);
    for (int i = 1; i >= 0; i--) {
        CHECK_EQ(sn_fd_close(fds[i][1]), 0);
        CHECK_EQ(sn_select(ctx, cases, 2), i);
        CHECK_EQ(cases[i].err, 0);
        CHECK_EQ(sn_select_try(&cases[i], 1), 0); /* until it is waited for */
        CHECK_EQ(sn_process_wait(ctx, &p[i], &s), 0);
        CHECK_EQ(s.code, 5);
        cases[i] = sn_on_ctx(NULL);
    }
    return 0;
}

TEST(as_a_case_of_a_select)
{
    run_everywhere(selects, NULL);
}
