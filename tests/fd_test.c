/* Descriptors: the contract of sennit/fd.h. */
#include "sn_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

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
    int r = sn_fd_wait(ctx, *(int *)arg, SN_FD_READ);
    CHECK_RESULT(r, r == SN_ECANCELED || r == SN_EBADF); /* who comes after the close finds nothing */
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

enum { BOTH = SN_FD_READ | SN_FD_WRITE };

static int every_error(sn_ctx *ctx, void *arg)
{
    int fds[2], closed[2];
    char b = 'q';
    sn_ctx *dead, *late;

    (void)arg;
    CHECK_EQ(sn_fd_pipe(fds), 0);
    CHECK((fcntl(fds[0], F_GETFL) & O_NONBLOCK) && (fcntl(fds[1], F_GETFL) & O_NONBLOCK));
    CHECK((fcntl(fds[0], F_GETFD) & FD_CLOEXEC) && (fcntl(fds[1], F_GETFD) & FD_CLOEXEC));
    CHECK_EQ(sn_fd_wait(ctx, fds[0], 0), SN_EINVAL);
    CHECK_EQ(sn_fd_wait(ctx, fds[0], 4), SN_EINVAL);
    CHECK_EQ(sn_fd_wait(ctx, fds[0], BOTH | 8), SN_EINVAL);
    CHECK_EQ(sn_fd_wait(ctx, fds[0], -1), SN_EINVAL);
    CHECK_EQ(sn_fd_pipe(closed), 0);
    CHECK_EQ(sn_fd_close(closed[0]), 0);
    CHECK_EQ(sn_fd_write(ctx, closed[1], "x", 1), SN_EPIPE);
    CHECK_EQ(sn_fd_wait(ctx, closed[1], SN_FD_WRITE), SN_FD_WRITE); /* an error, which the write then shows */
    CHECK_EQ(sn_fd_close(closed[1]), 0);
    int bad[] = { -1, INT32_MIN, closed[1], 100000 };
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(sn_fd_wait(ctx, bad[i], SN_FD_READ), SN_EBADF);
        CHECK_EQ(sn_fd_wait(ctx, bad[i], BOTH), SN_EBADF);
        CHECK_EQ(sn_fd_read(ctx, bad[i], &b, 1), SN_EBADF);
        CHECK_EQ(sn_fd_write(ctx, bad[i], &b, 1), SN_EBADF);
        CHECK_EQ(sn_fd_close(bad[i]), SN_EBADF);
    }
    CHECK_EQ(sn_fd_read(ctx, fds[1], &b, 1), SN_EBADF); /* the wrong end */
    CHECK_EQ(sn_fd_write(ctx, fds[0], &b, 1), SN_EBADF);
    CHECK_EQ(sn_fd_write(ctx, fds[1], "y", 1), 1);
    CHECK_EQ(sn_ctx_with_cancel(&dead, ctx), 0);
    sn_ctx_cancel(dead);
    CHECK_EQ(sn_fd_read(dead, fds[0], &b, 1), SN_ECANCELED); /* ready, but refused */
    CHECK_EQ(sn_fd_write(dead, fds[1], &b, 1), SN_ECANCELED);
    CHECK_EQ(sn_fd_wait(dead, fds[0], SN_FD_READ), SN_ECANCELED);
    CHECK_EQ(b, 'q');
    sn_ctx_free(dead);
    CHECK_EQ(sn_fd_read(ctx, fds[0], &b, 1), 1);
    CHECK_EQ(b, 'y');
    CHECK_EQ(sn_ctx_with_timeout(&late, ctx, SN_MS(1)), 0);
    CHECK_EQ(sn_fd_read(late, fds[0], &b, 1), SN_ETIMEDOUT);
    CHECK(sn_now() >= sn_ctx_deadline(late));
    sn_ctx_free(late);
    CHECK_EQ(sn_fd_close(fds[0]), 0);
    CHECK_EQ(sn_fd_close(fds[1]), 0);
    return 0;
}

TEST(every_error)
{
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    run_everywhere(every_error, NULL);
}

TEST(without_a_runtime)
{
    int fds[2];
    char b = 'q';
    CHECK(pipe(fds) == 0 && write(fds[1], "x", 1) == 1);
    CHECK_EQ(sn_fd_wait(NULL, fds[0], SN_FD_READ), SN_ENOTRUNNING);
    CHECK_EQ(sn_fd_read(NULL, fds[0], &b, 1), SN_ENOTRUNNING);
    CHECK_EQ(sn_fd_write(NULL, fds[1], &b, 1), SN_ENOTRUNNING);
    CHECK_EQ(b, 'q');
}

/* What is full is waited for, until the context ends or a reader makes room. */
static int drain(sn_ctx *ctx, void *arg)
{
    char buf[7000];
    int64_t n;
    int *fds = arg, total = 0;
    while ((n = sn_fd_read(ctx, fds[0], buf, sizeof buf)) > 0)
        total += (int)n;
    CHECK_EQ(n, 0);
    fds[2] = total;
    return 0;
}

static int full(sn_ctx *ctx, void *arg)
{
    static char block[200000];
    int (*make)(int *) = *(int (**)(int *))arg;
    int fds[3], room = 0;
    sn_ctx *late;
    sn_group g;

    CHECK_EQ(make(fds), 0);
    for (;;) {
        CHECK_EQ(sn_ctx_with_timeout(&late, ctx, SN_MS(1)), 0);
        int64_t n = sn_fd_write(late, fds[1], block, 1000);
        sn_ctx_free(late);
        if (n == SN_ETIMEDOUT && room > 0) /* it may be over before the first write begins */
            break;
        CHECK_RESULT(n, n == 1000 || n == SN_ETIMEDOUT);
        CHECK((room += n > 0 ? 1000 : 0) < 10000000);
    }
    CHECK_EQ(sn_fd_write(ctx, fds[1], block, 0), 0); /* all of nothing */
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, drain, fds), 0);
    CHECK_EQ(sn_fd_wait(ctx, fds[1], SN_FD_WRITE), SN_FD_WRITE);
    CHECK_EQ(sn_fd_write(ctx, fds[1], block, sizeof block), (int64_t)sizeof block);
    CHECK_EQ(sn_fd_close(fds[1]), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK(fds[2] >= room + (int)sizeof block && fds[2] < room + (int)sizeof block + 1000); /* a part of the refused one */
    CHECK_EQ(sn_fd_close(fds[0]), 0);
    return 0;
}

static int blocking_pipe_pair(int *fds)
{
    return pipe(fds);
}

static int socket_pair(int *fds)
{
    return socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
}

static int nonblocking_socket_pair(int *fds)
{
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds);
}

TEST(full_pipes_and_sockets)
{
    int (*make[])(int *) = { sn_fd_pipe, blocking_pipe_pair, socket_pair, nonblocking_socket_pair };
    for (int i = 0; i < 4; i++)
        run_really(full, &make[i]);
}

/* --- readiness --- */

static int readiness(sn_ctx *ctx, void *arg)
{
    int s[2], e, file;
    uint64_t count = 1;
    char b;

    (void)arg;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s) == 0);
    CHECK_EQ(sn_fd_wait(ctx, s[0], BOTH), SN_FD_WRITE);
    CHECK_EQ(sn_fd_write(ctx, s[1], "z", 1), 1);
    CHECK_EQ(sn_fd_wait(ctx, s[0], BOTH), BOTH);
    CHECK_EQ(sn_fd_wait(ctx, s[0], SN_FD_READ), SN_FD_READ);
    CHECK_EQ(sn_fd_read(ctx, s[0], &b, 1), 1);
    CHECK_EQ(sn_fd_close(s[1]), 0); /* a hang-up, which a read then shows */
    CHECK_EQ(sn_fd_wait(ctx, s[0], SN_FD_READ), SN_FD_READ);
    CHECK_EQ(sn_fd_read(ctx, s[0], &b, 1), 0);
    CHECK_EQ(sn_fd_close(s[0]), 0);

    CHECK((e = eventfd(0, EFD_CLOEXEC)) >= 0);
    CHECK_EQ(sn_fd_write(ctx, e, &count, sizeof count), sizeof count);
    CHECK_EQ(sn_fd_wait(ctx, e, SN_FD_READ), SN_FD_READ);
    CHECK_EQ(sn_fd_read(ctx, e, &count, sizeof count), sizeof count);
    CHECK_EQ(sn_fd_close(e), 0);

    CHECK((file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)) >= 0);
    CHECK_EQ(sn_fd_wait(ctx, file, BOTH), BOTH); /* always */
    CHECK_EQ(sn_fd_write(ctx, file, "abc", 3), 3);
    CHECK_EQ(sn_fd_wait(ctx, file, SN_FD_READ), SN_FD_READ);
    CHECK(lseek(file, 1, SEEK_SET) == 1);
    CHECK_EQ(sn_fd_read(ctx, file, &b, 1), 1);
    CHECK_EQ(b, 'b');
    CHECK_EQ(sn_fd_read(ctx, file, &b, 1), 1);
    CHECK_EQ(sn_fd_read(ctx, file, &b, 1), 0);
    CHECK_EQ(sn_fd_close(file), 0);
    return 0;
}

TEST(readiness)
{
    run_everywhere(readiness, NULL);
}

/* --- several waiters --- */

struct several {
    int fd;
    int woken;
    sn_chan_unit ended;
};

static int waits_for_one(sn_ctx *ctx, struct several *s, int events, int want)
{
    CHECK_EQ(sn_fd_wait(ctx, s->fd, events), want);
    __atomic_fetch_add(&s->woken, 1, __ATOMIC_RELAXED);
    return 0;
}

static int waits_readable(sn_ctx *ctx, void *arg)
{
    return waits_for_one(ctx, arg, SN_FD_READ, SN_FD_READ);
}

static int waits_writable(sn_ctx *ctx, void *arg)
{
    return waits_for_one(ctx, arg, SN_FD_WRITE, SN_FD_WRITE);
}

static void *thread_waits_readable(void *arg)
{
    struct several *s = arg;
    CHECK_EQ(waits_readable(NULL, s), 0);
    CHECK_EQ(sn_chan_unit_send(NULL, s->ended), 0);
    return NULL;
}

static int several(sn_ctx *ctx, void *arg)
{
    static char block[100000];
    (void)arg;
    for (int i = 0; i < 10; i++) {
        struct several s = { .woken = 0 };
        sn_group readers, writers;
        pthread_t t;
        int fds[2];
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
        s.fd = fds[0];
        while (write(fds[0], block, sizeof block) > 0) /* full, so that writers wait, too */
            ;
        CHECK_EQ(sn_chan_unit_make(&s.ended, 0), 0);
        sn_group_init(&readers, ctx);
        for (int k = 0; k < 10; k++)
            CHECK_EQ(sn_group_go(&readers, waits_readable, &s), 0);
        CHECK(pthread_create(&t, NULL, thread_waits_readable, &s) == 0);
        sn_group_init(&writers, ctx);
        for (int k = 0; k < 10; k++)
            CHECK_EQ(sn_group_go(&writers, waits_writable, &s), 0);
        if (i % 2)
            CHECK_EQ(sn_sleep(ctx, SN_US(300)), 0);
        while (read(fds[1], block, sizeof block) > 0)
            ;
        CHECK_EQ(sn_group_wait(&writers), 0);
        CHECK_EQ(s.woken, 10); /* no reader */
        CHECK_EQ(sn_fd_write(ctx, fds[1], "x", 1), 1);
        CHECK_EQ(sn_group_wait(&readers), 0);
        CHECK_EQ(sn_chan_unit_recv(ctx, s.ended), 0);
        CHECK(pthread_join(t, NULL) == 0);
        CHECK_EQ(s.woken, 21);
        CHECK_EQ(sn_fd_close(fds[0]), 0);
        CHECK_EQ(sn_fd_close(fds[1]), 0);
        sn_chan_free(s.ended);
    }
    return 0;
}

TEST(several_wait_on_one)
{
    run_everywhere(several, NULL);
}

/* sn_fd_close wakes readers, writers and waiters of all kinds. One worker: who has said that he waits does so by the time
 * another task runs, so that nobody comes too late, to a number that is closed or somebody else's. */
static int reads_until_closed(sn_ctx *ctx, void *arg)
{
    struct several *s = arg;
    char b = 'q';
    s->woken++;
    CHECK_EQ(sn_fd_read(ctx, s->fd, &b, 1), SN_ECANCELED);
    CHECK_EQ(b, 'q');
    s->woken--;
    return 0;
}

static int writes_until_closed(sn_ctx *ctx, void *arg)
{
    static const char block[1000];
    struct several *s = arg;
    int64_t r;
    s->woken++;
    while ((r = sn_fd_write(ctx, s->fd, block, sizeof block)) > 0)
        ;
    CHECK_EQ(r, SN_ECANCELED);
    s->woken--;
    return 0;
}

static int waits_until_closed(sn_ctx *ctx, void *arg)
{
    struct several *s = arg;
    s->woken++;
    CHECK_EQ(sn_fd_wait(ctx, s->fd, SN_FD_READ), SN_ECANCELED);
    s->woken--;
    return 0;
}

static int closes(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        struct several s = { .woken = 0 };
        sn_group g;
        int fds[2];
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
        s.fd = fds[0];
        sn_group_init(&g, ctx);
        for (int k = 0; k < 5; k++) {
            CHECK_EQ(sn_group_go(&g, reads_until_closed, &s), 0);
            CHECK_EQ(sn_group_go(&g, writes_until_closed, &s), 0);
            CHECK_EQ(sn_group_go(&g, waits_until_closed, &s), 0);
        }
        while (s.woken < 15)
            sn_yield();
        CHECK_EQ(sn_fd_close(fds[0]), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(s.woken, 0);
        CHECK_EQ(sn_fd_close(fds[1]), 0);
    }
    return 0;
}

TEST(close_wakes_readers_and_writers)
{
    CHECK_EQ(sn_run(closes, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

/* Nobody waits any more: a plain close is enough, and the number may be used again. */
static int numbers_again(sn_ctx *ctx, void *arg)
{
    enum { NUMBER = 100 };
    (void)arg;
    for (int i = 0; i < 50; i++) {
        int fds[2];
        char b;
        sn_ctx *late;
        CHECK_EQ(sn_fd_pipe(fds), 0);
        CHECK(dup2(fds[0], NUMBER) == NUMBER && close(fds[0]) == 0);
        CHECK_EQ(sn_ctx_with_timeout(&late, ctx, SN_US(200)), 0);
        CHECK_EQ(sn_fd_read(late, NUMBER, &b, 1), SN_ETIMEDOUT);
        sn_ctx_free(late);
        if (i % 2) {
            CHECK_EQ(sn_fd_write(ctx, fds[1], "x", 1), 1);
            CHECK_EQ(sn_fd_wait(ctx, NUMBER, SN_FD_READ), SN_FD_READ);
        }
        CHECK(close(NUMBER) == 0 && close(fds[1]) == 0);
    }
    return 0;
}

TEST(numbers_are_used_again)
{
    run_everywhere(numbers_again, NULL);
}

/* NULL is the own context. */
static int null_context(sn_ctx *ctx, void *arg)
{
    int *fds = arg;
    char b;
    CHECK_EQ(sn_fd_read(NULL, fds[0], &b, 1), SN_ECANCELED);
    CHECK_EQ(sn_fd_wait(NULL, fds[0], SN_FD_READ), SN_ECANCELED);
    CHECK_EQ(sn_fd_write(NULL, fds[1], &b, 1), SN_ECANCELED);
    CHECK_EQ(sn_ctx_err(ctx), SN_ECANCELED);
    return 0;
}

static int own_contexts(sn_ctx *ctx, void *arg)
{
    int fds[2];
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_fd_pipe(fds), 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(sn_group_go(&g, null_context, fds), 0);
    CHECK_EQ(sn_sleep(ctx, SN_US(500)), 0);
    sn_group_cancel(&g);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(sn_fd_close(fds[0]), 0);
    CHECK_EQ(sn_fd_close(fds[1]), 0);
    return 0;
}

TEST(null_is_the_own_context)
{
    run_everywhere(own_contexts, NULL);
}

/* A close leaves nobody behind, even who was between looking and waiting. */
struct closing {
    int fds[2];
    bool closed;
};

static int reads_till_closed(sn_ctx *ctx, void *arg)
{
    struct closing *c = arg;
    bool late; /* begins with a number that is nobody's; or for a moment that of a file that the runtime looks into */
    int64_t r;
    char b;
    do {
        late = __atomic_load_n(&c->closed, __ATOMIC_ACQUIRE);
        r = sn_fd_read(ctx, c->fds[0], &b, 1);
    } while (r == 1);
    CHECK_RESULT(r, r == SN_ECANCELED || r == SN_EBADF || (r == 0 && late));
    return 0;
}

static int writes_till_broken(sn_ctx *ctx, void *arg)
{
    struct closing *c = arg;
    while (sn_fd_write(ctx, c->fds[1], "x", 1) == 1)
        ;
    return 0;
}

static int close_races(sn_ctx *ctx, void *arg)
{
    uint64_t rng = test_seed();
    int64_t until = sn_now() + SN_MS(test_stress_ms()) / 3;
    (void)arg;
    do {
        struct closing c = { .closed = false };
        sn_group g;
        CHECK_EQ(sn_fd_pipe(c.fds), 0);
        sn_group_init(&g, ctx);
        for (int i = 0; i < 4; i++)
            CHECK_EQ(sn_group_go(&g, reads_till_closed, &c), 0);
        CHECK_EQ(sn_group_go(&g, writes_till_broken, &c), 0);
        CHECK_EQ(sn_sleep(ctx, (int64_t)(test_random(&rng) % (uint64_t)SN_US(200))), 0);
        __atomic_store_n(&c.closed, true, __ATOMIC_RELEASE);
        CHECK_EQ(sn_fd_close(c.fds[0]), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(sn_fd_close(c.fds[1]), 0);
    } while (sn_now() < until);
    return 0;
}

TEST(a_close_leaves_nobody_behind)
{
    if (TEST_TSAN) /* to it a close beside a read is a race, whoever is told */
        return;
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    run_each(close_races, NULL);
}
