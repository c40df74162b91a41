/* Descriptors as cases of a select: what sennit/fd.h says of sn_on_readable and sn_on_writable. */
#include "sn_test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

typedef sn_chan_of(int) int_chan;

static void sockets(int fds[2])
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
}

static void close_both(const int fds[2])
{
    CHECK_EQ(sn_fd_close(fds[0]), 0);
    CHECK_EQ(sn_fd_close(fds[1]), 0);
}

static void fill(int fd)
{
    static const char block[10000];
    while (write(fd, block, sizeof block) > 0)
        ;
}

static sn_ctx *over_soon(sn_ctx *ctx)
{
    sn_ctx *soon;
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx ? ctx : sn_background(), SN_US(300)), 0);
    return soon;
}

/* A select in each of its forms. An error that a test has made the system give may be a case's. */
enum form { FAIR, PRIORITY, TRY, FORMS };

static int select_in(enum form form, sn_ctx *ctx, sn_case *cases, size_t n)
{
    int k = form == FAIR ? sn_select(ctx, cases, n) : form == PRIORITY ? sn_select_priority(ctx, cases, n)
                                                                       : sn_select_try(cases, n);
    if (k >= 0)
        test_end_if_injected(cases[k].err);
    return k;
}

static int err_of(enum form form, sn_ctx *ctx, sn_case c)
{
    c.err = 1;
    CHECK_EQ(select_in(form, ctx, &c, 1), 0);
    sn_case cases[] = { sn_on_ctx(NULL), c };
    cases[1].err = 1;
    CHECK_EQ(select_in(form, ctx, cases, 2), 1);
    CHECK_EQ(cases[1].err, c.err);
    return c.err;
}

/* --- what is ready at once --- */

static int ready(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int form = FAIR; form < FORMS; form++) {
        int fds[2], s[2], closed[2];
        char b;
        CHECK_EQ(sn_fd_pipe(fds), 0);
        CHECK_EQ(sn_fd_pipe(closed), 0);
        sockets(s);
        CHECK_EQ(err_of(form, ctx, sn_on_writable(fds[1])), 0);
        CHECK_EQ(sn_fd_write(ctx, fds[1], "x", 1), 1);
        CHECK_EQ(err_of(form, ctx, sn_on_readable(fds[0])), 0);
        CHECK_EQ(err_of(form, ctx, sn_on_readable(fds[0])), 0); /* nothing was read */
        CHECK_EQ(sn_fd_read(ctx, fds[0], &b, 1), 1);
        CHECK_EQ(sn_fd_close(fds[1]), 0); /* a hang-up, which a read then shows */
        CHECK_EQ(err_of(form, ctx, sn_on_readable(fds[0])), 0);
        CHECK_EQ(sn_fd_read(ctx, fds[0], &b, 1), 0);
        CHECK_EQ(sn_fd_close(closed[0]), 0);
        CHECK_EQ(err_of(form, ctx, sn_on_writable(closed[1])), 0); /* an error, which a write then shows */
        CHECK_EQ(sn_fd_write(ctx, closed[1], "x", 1), SN_EPIPE);
        CHECK_EQ(err_of(form, ctx, sn_on_writable(s[0])), 0);
        CHECK_EQ(sn_fd_close(s[1]), 0);
        CHECK_EQ(err_of(form, ctx, sn_on_readable(s[0])), 0);
        CHECK_EQ(sn_fd_close(s[0]), 0);
        CHECK_EQ(sn_fd_close(fds[0]), 0);
        CHECK_EQ(sn_fd_close(closed[1]), 0);
        int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), bad[] = { -1, INT32_MIN, closed[1], 100000 };
        CHECK(file >= 0);
        CHECK_EQ(err_of(form, ctx, sn_on_readable(file)), 0); /* a regular file */
        CHECK_EQ(sn_fd_close(file), 0);
        for (int i = 0; i < 4; i++) {
            CHECK_EQ(err_of(form, ctx, sn_on_readable(bad[i])), SN_EBADF);
            CHECK_EQ(err_of(form, ctx, sn_on_writable(bad[i])), SN_EBADF);
        }
    }
    return 0;
}

TEST(what_is_ready_is_chosen_at_once)
{
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    run_everywhere(ready, NULL);
}

/* --- what becomes ready --- */

struct writer {
    int fd;
    int_chan ch;
    bool sends;
};

static int writes_or_sends(sn_ctx *ctx, void *arg)
{
    struct writer *w = arg;
    for (int i = 0; i < 4; i++)
        sn_yield();
    if (w->sends)
        return sn_chan_send(ctx, w->ch, &(int){ 7 });
    CHECK_EQ(sn_fd_write(ctx, w->fd, "x", 1), 1);
    return 0;
}

static int becomes_ready(sn_ctx *ctx, void *arg)
{
    enum { VALUE, READ, TIME };
    (void)arg;
    for (int i = 0; i < 16; i++) {
        struct writer w = { .sends = i & 1 };
        sn_ctx *soon = over_soon(ctx);
        int fds[2], v = 0;
        char b;
        sn_group g;
        CHECK_EQ(sn_fd_pipe(fds), 0);
        CHECK_EQ(sn_chan_make(&w.ch, 0), 0);
        w.fd = fds[1];
        sn_case cases[] = { sn_on_recv(w.ch, &v), sn_on_readable(fds[0]), sn_on_after(SN_US(200)) };
        enum form form = i & 2 ? PRIORITY : FAIR;
        CHECK_EQ(sn_select_try(cases, 3), SN_EAGAIN);
        CHECK_EQ(select_in(form, ctx, cases, 3), TIME);
        CHECK_EQ(select_in(form, soon, cases, 2), SN_ETIMEDOUT);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, writes_or_sends, &w), 0);
        cases[READ].err = 1;
        CHECK_EQ(select_in(form, ctx, cases, 2), w.sends ? VALUE : READ);
        if (w.sends) {
            CHECK_EQ(v, 7);
        } else {
            CHECK_EQ(cases[READ].err, 0);
            CHECK_EQ(sn_fd_read(ctx, fds[0], &b, 1), 1);
        }
        CHECK_EQ(sn_select_try(cases, 2), SN_EAGAIN);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(select_in(form, soon, cases, 2), SN_ETIMEDOUT); /* whatever is ready */
        sn_ctx_free(soon);
        sn_chan_free(w.ch);
        close_both(fds);
    }
    return 0;
}

TEST(what_becomes_ready_is_chosen)
{
    run_everywhere(becomes_ready, NULL);
}

static int drains_or_writes(sn_ctx *ctx, void *arg)
{
    static char block[10000];
    struct writer *w = arg;
    if (w->sends)
        CHECK_EQ(sn_fd_write(ctx, w->fd, "x", 1), 1);
    while (!w->sends && read(w->fd, block, sizeof block) > 0)
        ;
    return 0;
}

/* Both directions of one descriptor, and one direction twice. */
static int both_directions(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        int s[2];
        sn_group g;
        sockets(s);
        fill(s[0]);
        struct writer w = { .fd = s[1], .sends = i % 2 };
        sn_case cases[] = { sn_on_readable(s[0]), sn_on_writable(s[0]), sn_on_readable(s[0]) };
        CHECK_EQ(sn_select_try(cases, 3), SN_EAGAIN);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, drains_or_writes, &w), 0);
        int k = select_in(FAIR, ctx, cases, 3);
        CHECK(w.sends ? k == 0 || k == 2 : k == 1);
        CHECK_EQ(cases[k].err, 0);
        CHECK_EQ(select_in(PRIORITY, ctx, cases, 3), w.sends ? 0 : 1);
        CHECK_EQ(sn_group_wait(&g), 0);
        close_both(s);
    }
    return 0;
}

TEST(both_directions_of_one)
{
    run_everywhere(both_directions, NULL);
}

/* Several tasks and threads wait for one, by select and otherwise; all go on. */
struct several {
    int fd;
    int woken; /* (a) */
};

static int selects_it(sn_ctx *ctx, void *arg)
{
    struct several *s = arg;
    sn_case cases[] = { sn_on_readable(s->fd), sn_on_after(SN_SEC(1000)) };
    CHECK_EQ(select_in(FAIR, ctx, cases, 2), 0);
    CHECK_EQ(cases[0].err, 0);
    __atomic_fetch_add(&s->woken, 1, __ATOMIC_RELAXED);
    return 0;
}

static int waits_for_it(sn_ctx *ctx, void *arg)
{
    struct several *s = arg;
    CHECK_EQ(sn_fd_wait(ctx, s->fd, SN_FD_READ), SN_FD_READ);
    __atomic_fetch_add(&s->woken, 1, __ATOMIC_RELAXED);
    return 0;
}

static void *thread_selects_it(void *arg)
{
    CHECK_EQ(selects_it(NULL, arg), 0);
    return NULL;
}

static int several(sn_ctx *ctx, void *arg)
{
    for (int i = 0; i < 10; i++) {
        struct several s = { .woken = 0 };
        pthread_t t;
        sn_group g;
        int fds[2];
        CHECK_EQ(sn_fd_pipe(fds), 0);
        s.fd = fds[0];
        sn_group_init(&g, ctx);
        for (int k = 0; k < 10; k++)
            CHECK_EQ(sn_group_go(&g, k % 3 ? selects_it : waits_for_it, &s), 0);
        if (arg)
            CHECK(pthread_create(&t, NULL, thread_selects_it, &s) == 0);
        if (i % 2)
            CHECK_EQ(sn_sleep(ctx, SN_US(200)), 0);
        CHECK_EQ(sn_fd_write(ctx, fds[1], "x", 1), 1);
        CHECK_EQ(sn_group_wait(&g), 0);
        if (arg)
            CHECK(pthread_join(t, NULL) == 0);
        CHECK_EQ(s.woken, arg ? 11 : 10);
        close_both(fds);
    }
    return 0;
}

TEST(several_wait_for_one)
{
    run_everywhere(several, NULL);
    run_really(several, "");
}

/* A plain thread waits while all workers sleep. */
TEST(from_a_plain_thread)
{
    CHECK_EQ(sn_start(&(sn_run_opts){ .workers = 2 }), 0);
    CHECK_EQ(sn_sleep(NULL, SN_MS(5)), 0);
    CHECK_EQ(becomes_ready(NULL, NULL), 0);
    for (int i = 0; i < 5; i++) {
        struct several s;
        pthread_t t;
        int fds[2];
        CHECK_EQ(sn_fd_pipe(fds), 0);
        s.fd = fds[0];
        CHECK(pthread_create(&t, NULL, thread_selects_it, &s) == 0);
        CHECK_EQ(sn_sleep(NULL, SN_MS(2)), 0);
        CHECK(write(fds[1], "x", 1) == 1);
        CHECK(pthread_join(t, NULL) == 0);
        close_both(fds);
    }
    CHECK_EQ(sn_stop(), 0);
}

TEST(without_a_runtime)
{
    int fds[2], v;
    int_chan ch;
    CHECK_EQ(sn_chan_make(&ch, 0), 0);
    CHECK_EQ(sn_fd_pipe(fds), 0);
    sn_case cases[] = { sn_on_recv(ch, &v), sn_on_readable(fds[0]) };
    CHECK_EQ(select_in(FAIR, NULL, cases, 2), SN_ENOTRUNNING);
    CHECK_EQ(select_in(PRIORITY, NULL, cases, 2), SN_ENOTRUNNING);
    CHECK_EQ(sn_select_try(cases, 2), SN_EAGAIN);
    CHECK(write(fds[1], "x", 1) == 1);
    CHECK_EQ(select_in(FAIR, NULL, cases, 2), 1); /* nobody has to wait */
    CHECK_EQ(sn_select_try(cases, 2), 1);
    close_both(fds);
    sn_chan_free(ch);
}

/* --- what happened before is seen by the priority form --- */

struct pair {
    int a, b;
    int_chan ch;
};

static int writes_both(sn_ctx *ctx, void *arg)
{
    struct pair *p = arg;
    CHECK_EQ(sn_fd_write(ctx, p->a, "x", 1), 1);
    if (p->b < 0)
        return sn_chan_send(ctx, p->ch, &(int){ 1 });
    CHECK_EQ(sn_fd_write(ctx, p->b, "x", 1), 1);
    return 0;
}

static int prefers_the_first(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        int fds[2], other[2], v;
        struct pair p;
        sn_group g;
        CHECK_EQ(sn_fd_pipe(fds), 0);
        CHECK_EQ(sn_fd_pipe(other), 0);
        CHECK_EQ(sn_chan_make(&p.ch, 1), 0);
        p.a = fds[1];
        p.b = i % 2 ? other[1] : -1;
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, writes_both, &p), 0);
        sn_case cases[] = { sn_on_readable(fds[0]), i % 2 ? sn_on_readable(other[0]) : sn_on_recv(p.ch, &v) };
        for (int k = 0; k < i % 3; k++)
            sn_yield();
        int k = select_in(PRIORITY, ctx, cases, 2);
        CHECK_RESULT(k, k == 0 || k == 1); /* one that waits is told of either first */
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(select_in(PRIORITY, ctx, cases, 2), 0);
        close_both(fds);
        close_both(other);
        sn_chan_free(p.ch);
    }
    return 0;
}

TEST(priority_takes_the_first_that_is_ready)
{
    run_everywhere(prefers_the_first, NULL);
}

/* --- close, and numbers that are used again --- */

static int selects_until_closed(sn_ctx *ctx, void *arg)
{
    struct several *s = arg;
    sn_case cases[] = { sn_on_ctx(NULL), sn_on_readable(s->fd) };
    s->woken++;
    CHECK_EQ(s->woken % 2 ? select_in(FAIR, ctx, cases, 2) : select_in(PRIORITY, ctx, cases, 2), 1);
    CHECK_EQ(cases[1].err, SN_ECANCELED);
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
        sockets(fds);
        s.fd = fds[0];
        sn_group_init(&g, ctx);
        for (int k = 0; k < 6; k++)
            CHECK_EQ(sn_group_go(&g, selects_until_closed, &s), 0);
        while (s.woken < 6)
            sn_yield();
        CHECK_EQ(sn_fd_close(fds[0]), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(s.woken, 0);
        CHECK_EQ(sn_fd_close(fds[1]), 0);
    }
    return 0;
}

TEST(a_close_ends_selects)
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
        sn_ctx *late = over_soon(ctx);
        CHECK_EQ(sn_fd_pipe(fds), 0);
        CHECK(dup2(fds[0], NUMBER) == NUMBER && close(fds[0]) == 0);
        sn_case cases[] = { sn_on_readable(NUMBER), sn_on_after(SN_US(100)) };
        CHECK_EQ(select_in(FAIR, ctx, cases, 2), 1);
        if (i % 3)
            CHECK_EQ(select_in(FAIR, late, cases, 1), SN_ETIMEDOUT);
        if (i % 2) {
            CHECK_EQ(sn_fd_write(ctx, fds[1], "x", 1), 1);
            CHECK_EQ(i % 4 == 1 ? select_in(FAIR, ctx, cases, 1) : select_in(PRIORITY, ctx, cases, 1), 0);
        }
        CHECK(close(NUMBER) == 0 && close(fds[1]) == 0);
        sn_ctx_free(late);
    }
    return 0;
}

TEST(numbers_are_used_again)
{
    run_everywhere(numbers_again, NULL);
}

/* --- races: giving up against readiness, and against a close --- */

struct closing {
    int fds[2];
    bool closed;
};

static int reads_till_closed(sn_ctx *ctx, void *arg)
{
    struct closing *c = arg;
    int k, r;
    int64_t n = 0;
    char b;
    bool late;
    do {
        late = __atomic_load_n(&c->closed, __ATOMIC_ACQUIRE); /* as in fd_test: the number may be anybody's */
        sn_case cases[] = { sn_on_readable(c->fds[0]), sn_on_after((int64_t)(sn_random() % 20000)), sn_on_readable(c->fds[0]) };
        k = sn_random() % 2 ? select_in(FAIR, ctx, cases, 3) : select_in(PRIORITY, ctx, cases, 3);
        CHECK_RESULT(k, k >= 0);
        r = cases[k].err;
        if (k == 1 || r < 0)
            continue;
        sn_ctx *soon = over_soon(ctx);
        n = sn_fd_read(soon, c->fds[0], &b, 1);
        sn_ctx_free(soon);
    } while (!late && r == 0 && (n == 1 || n == SN_ETIMEDOUT || k == 1));
    CHECK_RESULT(r < 0 ? r : (int)n, r == SN_ECANCELED || r == SN_EBADF || n == SN_ECANCELED || n == SN_EBADF || late);
    return 0;
}

static int writes_till_broken(sn_ctx *ctx, void *arg)
{
    struct closing *c = arg;
    sn_case w = sn_on_writable(c->fds[1]);
    int64_t n;
    do {
        CHECK_EQ(select_in(FAIR, ctx, &w, 1), 0);
        CHECK_EQ(w.err, 0);
        n = sn_fd_write(ctx, c->fds[1], "x", 1);
        if (sn_random() % 8 == 0)
            CHECK_EQ(sn_sleep(ctx, (int64_t)(sn_random() % 20000)), 0);
    } while (n == 1);
    CHECK_EQ(n, SN_EPIPE);
    return 0;
}

static int close_races(sn_ctx *ctx, void *arg)
{
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
        CHECK_EQ(sn_sleep(ctx, (int64_t)(sn_random() % SN_US(200))), 0);
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

/* What is written is read, by tasks that also take from a channel, and give up all the time. */
struct flow {
    int fds[2];
    int_chan ch;
    int in, out; /* (a) */
};

static int takes(sn_ctx *ctx, void *arg)
{
    struct flow *f = arg;
    for (;;) {
        int v = 0, k;
        char b;
        sn_case cases[] = { sn_on_recv(f->ch, &v), sn_on_readable(f->fds[0]), sn_on_after((int64_t)(sn_random() % 20000)) };
        k = select_in(FAIR, ctx, cases, 3);
        CHECK_RESULT(k, k >= 0);
        if (k == 0 && cases[0].err == SN_ECLOSED)
            return 0;
        if (k == 0)
            __atomic_fetch_add(&f->out, 1, __ATOMIC_RELAXED);
        if (k == 1) {
            CHECK_EQ(cases[1].err, 0);
            int64_t n = read(f->fds[0], &b, 1); /* another may have been faster */
            __atomic_fetch_add(&f->out, n == 1, __ATOMIC_RELAXED);
        }
    }
}

static int flows(sn_ctx *ctx, void *arg)
{
    int64_t until = sn_now() + SN_MS(test_stress_ms()) / 4;
    struct flow f = { .in = 0 };
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_fd_pipe(f.fds), 0);
    CHECK_EQ(sn_chan_make(&f.ch, 0), 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(sn_group_go(&g, takes, &f), 0);
    do {
        if (sn_random() % 2)
            CHECK_EQ(sn_chan_send(ctx, f.ch, &(int){ 1 }), 0);
        else
            CHECK_EQ(sn_fd_write(ctx, f.fds[1], "x", 1), 1);
        f.in++;
        if (sn_random() % 4 == 0)
            CHECK_EQ(sn_sleep(ctx, (int64_t)(sn_random() % 20000)), 0);
    } while (sn_now() < until);
    while (__atomic_load_n(&f.out, __ATOMIC_RELAXED) < f.in)
        CHECK_EQ(sn_sleep(ctx, SN_US(10)), 0);
    sn_chan_close(f.ch);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(f.out, f.in);
    sn_chan_free(f.ch);
    close_both(f.fds);
    return 0;
}

TEST(giving_up_races_with_readiness)
{
    run_everywhere(flows, NULL);
}
