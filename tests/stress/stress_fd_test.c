/* Descriptors under stress: bytes through pipes and sockets among tasks and plain threads, in random chunks, with waits
 * that are cut short; and descriptors that are closed while everybody waits. What goes in comes out, in order. */
#include "sn_test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>

enum { PIPES = 6, THREADS = 2, CHUNK = 6000 };

struct line {
    struct plumbing *p;
    int fds[2];
    uint64_t in, out; /* bytes written and read; by one task each */
    int kind;
};

struct plumbing {
    uint64_t seed; /* (a) */
    int64_t until;
    struct line lines[PIPES + THREADS];
    sn_chan_unit over;
};

static uint64_t draw_seed(struct plumbing *p)
{
    return __atomic_add_fetch(&p->seed, 0x9E3779B97F4A7C15u, __ATOMIC_RELAXED) | 1;
}

/* The byte at a place in the stream. */
static unsigned char at(uint64_t i)
{
    return (unsigned char)(i * 131 ^ i >> 8);
}

/* Waits are now and then cut short: a wait moves no byte, so that nothing is lost by it. */
static void wait_ready(int fd, int events, uint64_t *rng)
{
    sn_ctx *hurry;
    int r;

    CHECK_EQ(sn_ctx_with_timeout(&hurry, sn_background(), (int64_t)(test_random(rng) % SN_US(100))), 0);
    r = sn_fd_wait(hurry, fd, events);
    CHECK_RESULT(r, r == events || r == SN_ETIMEDOUT);
    sn_ctx_free(hurry);
}

static int writes(sn_ctx *ctx, void *arg)
{
    struct line *l = arg;
    uint64_t rng = draw_seed(l->p);
    unsigned char buf[CHUNK];

    do {
        size_t n = test_random(&rng) % (test_random(&rng) % 4 ? 100 : CHUNK) + 1;
        for (size_t i = 0; i < n; i++)
            buf[i] = at(l->in + i);
        if (test_random(&rng) % 8 == 0)
            wait_ready(l->fds[1], SN_FD_WRITE, &rng);
        CHECK_EQ(sn_fd_write(ctx, l->fds[1], buf, n), (int64_t)n);
        l->in += n;
        if (test_random(&rng) % 16 == 0)
            (void)sn_sleep(ctx, (int64_t)(test_random(&rng) % SN_US(100)));
    } while (sn_now() < l->p->until);
    CHECK_EQ(sn_fd_close(l->fds[1]), 0);
    return 0;
}

static int reads(sn_ctx *ctx, void *arg)
{
    struct line *l = arg;
    uint64_t rng = draw_seed(l->p);
    unsigned char buf[CHUNK];
    int64_t n = 1;

    while (n > 0) {
        size_t size = test_random(&rng) % (test_random(&rng) % 4 ? 100 : CHUNK) + 1;
        sn_ctx *hurry = NULL;
        if (test_random(&rng) % 8 == 0)
            wait_ready(l->fds[0], SN_FD_READ, &rng);
        if (test_random(&rng) % 4 == 0)
            CHECK_EQ(sn_ctx_with_timeout(&hurry, ctx, (int64_t)(test_random(&rng) % SN_US(100))), 0);
        n = sn_fd_read(hurry ? hurry : ctx, l->fds[0], buf, size);
        for (int64_t i = 0; i < n; i++)
            CHECK_EQ(buf[i], at(l->out + (uint64_t)i));
        if (n > 0)
            l->out += (uint64_t)n;
        if (n == SN_ETIMEDOUT && hurry)
            n = 1; /* a read that gave up took nothing */
        sn_ctx_free(hurry);
    }
    CHECK_EQ(n, 0);
    CHECK_EQ(sn_fd_close(l->fds[0]), 0);
    return 0;
}

static void *thread_reads(void *arg)
{
    struct line *l = arg;
    CHECK_EQ(reads(NULL, l), 0);
    CHECK_EQ(sn_chan_unit_send(NULL, l->p->over), 0);
    return NULL;
}

static void *thread_writes(void *arg)
{
    struct line *l = arg;
    CHECK_EQ(writes(NULL, l), 0);
    CHECK_EQ(sn_chan_unit_send(NULL, l->p->over), 0);
    return NULL;
}

static void lay(struct line *l)
{
    switch (l->kind) {
    case 0:
    case 1:
        CHECK_EQ(sn_fd_pipe(l->fds), 0);
        break;
    case 2:
        CHECK(pipe(l->fds) == 0); /* in blocking mode */
        break;
    default:
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, l->fds) == 0);
        break;
    }
}

static int plumbing(sn_ctx *ctx, void *arg)
{
    struct plumbing p = { .seed = test_seed(), .until = sn_now() + SN_MS(test_stress_ms()) / 3 };
    pthread_t t[THREADS];
    sn_group g;

    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&p.over, THREADS), 0);
    for (int i = 0; i < PIPES + THREADS; i++) {
        p.lines[i].p = &p;
        p.lines[i].kind = i % 4;
        lay(&p.lines[i]);
    }
    sn_group_init(&g, ctx);
    for (int i = 0; i < PIPES; i++) {
        CHECK_EQ(sn_group_go(&g, writes, &p.lines[i]), 0);
        CHECK_EQ(sn_group_go(&g, reads, &p.lines[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) { /* one end of each is in a plain thread */
        struct line *l = &p.lines[PIPES + i];
        CHECK(pthread_create(&t[i], NULL, i % 2 ? thread_reads : thread_writes, l) == 0);
        CHECK_EQ(sn_group_go(&g, i % 2 ? writes : reads, l), 0);
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(sn_chan_unit_recv(ctx, p.over), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(t[i], NULL) == 0);
    for (int i = 0; i < PIPES + THREADS; i++) {
        CHECK(p.lines[i].in > 0);
        CHECK_EQ(p.lines[i].in, p.lines[i].out);
    }
    sn_chan_free(p.over);
    return 0;
}

TEST(bytes_in_are_bytes_out)
{
    run_really(plumbing, NULL);
}

/* One byte is passed round a ring of pipes; stations give up waiting and come back. */
enum { STATIONS = 8 };

struct ring {
    uint64_t seed; /* (a) */
    int64_t until;
    int fds[STATIONS][2];
    uint64_t passed; /* (a) */
};

struct station {
    struct ring *r;
    int number;
};

static int passes(sn_ctx *ctx, void *arg)
{
    struct station *s = arg;
    uint64_t rng = __atomic_add_fetch(&s->r->seed, 0x9E3779B97F4A7C15u, __ATOMIC_RELAXED) | 1;
    int from = s->r->fds[s->number][0], to = s->r->fds[(s->number + 1) % STATIONS][1];
    char b;
    int64_t n;

    for (;;) {
        sn_ctx *hurry;
        CHECK_EQ(sn_ctx_with_timeout(&hurry, ctx, (int64_t)(test_random(&rng) % SN_US(200))), 0);
        n = sn_fd_read(hurry, from, &b, 1);
        sn_ctx_free(hurry);
        if (n == SN_ETIMEDOUT)
            continue;
        if (n != 1)
            break;
        __atomic_fetch_add(&s->r->passed, 1, __ATOMIC_RELAXED);
        if (sn_now() >= s->r->until) {
            CHECK_EQ(sn_fd_close(to), 0); /* the end goes round instead of the byte */
            return 0;
        }
        CHECK_EQ(sn_fd_write(ctx, to, &b, 1), 1);
    }
    CHECK_EQ(n, 0);
    CHECK_EQ(sn_fd_close(to), 0);
    return 0;
}

static int ring(sn_ctx *ctx, void *arg)
{
    struct ring r = { .seed = test_seed(), .until = sn_now() + SN_MS(test_stress_ms()) / 3 };
    sn_group g;
    (void)arg;
    for (int i = 0; i < STATIONS; i++)
        CHECK_EQ(sn_fd_pipe(r.fds[i]), 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < STATIONS; i++)
        CHECK_EQ(sn_group_go_copy(&g, passes, (&(struct station){ &r, i })), 0);
    CHECK_EQ(sn_fd_write(ctx, r.fds[0][1], "x", 1), 1);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK(r.passed >= 1);
    for (int i = 0; i < STATIONS; i++)
        CHECK_EQ(sn_fd_close(r.fds[i][0]), 0);
    return 0;
}

TEST(one_byte_goes_round)
{
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    run_really(ring, NULL);
}

/* Many wait on a descriptor, in all ways; some give up; then it is closed, or its input ends. Nobody stays behind. Closed
 * only under one worker, where whoever has said that he waits does: a call on a number that is being closed by another
 * thread is a mistake, and may hit the next descriptor of that number. */
enum { CROWD = 12 };

struct crowd {
    uint64_t seed; /* (a) */
    int fds[2];
    int waiting;               /* (a) */
    uint64_t closed, ready, gave_up; /* (a) */
};

static int in_the_crowd(sn_ctx *ctx, void *arg)
{
    struct crowd *c = arg;
    uint64_t rng = __atomic_add_fetch(&c->seed, 0x9E3779B97F4A7C15u, __ATOMIC_RELAXED) | 1;
    bool impatient = test_random(&rng) % 3 == 0;
    sn_ctx *mine;
    char b;
    int64_t r;

    CHECK_EQ(sn_ctx_with_timeout(&mine, ctx, impatient ? (int64_t)(test_random(&rng) % SN_US(500)) : SN_SEC(1000)), 0);
    __atomic_fetch_add(&c->waiting, 1, __ATOMIC_RELAXED);
    if (test_random(&rng) % 2)
        r = sn_fd_read(mine, c->fds[0], &b, 1);
    else
        r = sn_fd_wait(mine, c->fds[0], SN_FD_READ);
    if (r == SN_ETIMEDOUT) {
        CHECK(impatient);
        __atomic_fetch_add(&c->gave_up, 1, __ATOMIC_RELAXED);
    } else if (r == SN_ECANCELED) {
        __atomic_fetch_add(&c->closed, 1, __ATOMIC_RELAXED);
    } else {
        CHECK_RESULT(r, r == 0 || r == SN_FD_READ); /* the end of the input, which all can read */
        __atomic_fetch_add(&c->ready, 1, __ATOMIC_RELAXED);
    }
    sn_ctx_free(mine);
    return 0;
}

static int crowds(sn_ctx *ctx, void *arg)
{
    int64_t until = sn_now() + SN_MS(test_stress_ms()) / 3;
    uint64_t rng = test_seed() | 1;

    (void)arg;
    do {
        struct crowd c = { .seed = test_random(&rng) };
        sn_group g;
        bool close_it = sn_run_workers() == 1 && test_random(&rng) % 2;
        CHECK_EQ(sn_fd_pipe(c.fds), 0);
        sn_group_init(&g, ctx);
        for (int i = 0; i < CROWD; i++)
            CHECK_EQ(sn_group_go(&g, in_the_crowd, &c), 0);
        while (__atomic_load_n(&c.waiting, __ATOMIC_RELAXED) < CROWD)
            sn_yield();
        CHECK_EQ(sn_sleep(ctx, (int64_t)(test_random(&rng) % SN_US(300))), 0);
        CHECK_EQ(sn_fd_close(c.fds[close_it ? 0 : 1]), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(sn_fd_close(c.fds[close_it ? 1 : 0]), 0);
        CHECK_EQ(close_it ? c.ready : c.closed, 0);
        CHECK_EQ(c.closed + c.ready + c.gave_up, CROWD);
    } while (sn_now() < until);
    return 0;
}

TEST(crowds_before_a_closed_door)
{
    run_really(crowds, NULL);
}
