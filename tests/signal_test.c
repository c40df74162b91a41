/* Signals on channels: the contract of sennit/signal.h. */
#include "sn_test.h"

#include <signal.h>

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

static int forgets(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    return sn_signal_notify(*(int_chan *)arg, SIGUSR1);
}

TEST(undone_at_the_end_of_the_runtime)
{
    struct sigaction a;
    int_chan c;
    CHECK_EQ(sn_chan_make(&c, 1), 0);
    run_each(forgets, &c);
    CHECK(sigaction(SIGUSR1, NULL, &a) == 0 && a.sa_handler == SIG_DFL);
    sn_chan_free(c);
}

static int raises(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return raise(SIGUSR1) == 0 ? 0 : SN_EIO;
}

/* raise() in a task sends to the worker's own thread, which must not have it blocked. */
static int raised(sn_ctx *ctx, void *arg)
{
    int_chan c;
    int signo;
    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 1), 0);
    CHECK_EQ(sn_signal_notify(c, SIGUSR1), 0);
    for (int i = 0; i < 20; i++) {
        sn_group g;
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, raises, NULL), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(sn_chan_recv(ctx, c, &signo), 0);
        CHECK_EQ(signo, SIGUSR1);
    }
    sn_signal_stop(c);
    sn_chan_free(c);
    return 0;
}

TEST(raised_by_a_task)
{
    run_each(raised, NULL);
}

TEST(needs_a_runtime)
{
    int_chan c = { 0 };
    CHECK_EQ(sn_signal_notify(c, SIGUSR1), SN_ENOTRUNNING);
    sn_signal_stop(c);
}

static int none_of_these(sn_ctx *ctx, void *arg)
{
    static const int bad[] = { SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGPROF, 0, -1, 65, INT32_MAX };
    int_chan c, none = { 0 };
    (void)ctx;
    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 1), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_EQ(sn_signal_notify(c, bad[i]), SN_EINVAL);
    CHECK_EQ(sn_signal_notify(none, SIGUSR1), SN_EINVAL);
    sn_signal_stop(c); /* nothing to stop */
    sn_signal_stop(none);
    sn_chan_free(c);
    return 0;
}

TEST(what_cannot_be_caught)
{
    run_each(none_of_these, NULL);
    for (int i = 1; i <= 2; i++) {
        CHECK_EQ(sn_start(&(sn_run_opts){ .workers = i }), 0);
        CHECK_EQ(none_of_these(NULL, NULL), 0);
        CHECK_EQ(sn_stop(), 0);
    }
}

/* Two channels, three signals: each gets what it asked for. */
static int many_to_many(sn_ctx *ctx, void *arg)
{
    int_chan a, b;
    int signo;
    (void)arg;
    CHECK_EQ(sn_chan_make(&a, 4), 0);
    CHECK_EQ(sn_chan_make(&b, 4), 0);
    CHECK_EQ(sn_signal_notify(a, SIGUSR1), 0);
    CHECK_EQ(sn_signal_notify(a, SIGUSR2), 0);
    CHECK_EQ(sn_signal_notify(b, SIGUSR2), 0);
    CHECK_EQ(sn_signal_notify(b, SIGRTMIN + 1), 0);
    for (int i = 0; i < 10; i++) {
        CHECK(kill(getpid(), SIGUSR2) == 0);
        CHECK_EQ(sn_chan_recv(ctx, a, &signo), 0);
        CHECK_EQ(signo, SIGUSR2);
        CHECK_EQ(sn_chan_recv(ctx, b, &signo), 0);
        CHECK_EQ(signo, SIGUSR2);
        CHECK(kill(getpid(), SIGRTMIN + 1) == 0);
        CHECK_EQ(sn_chan_recv(ctx, b, &signo), 0);
        CHECK_EQ(signo, SIGRTMIN + 1);
        CHECK(kill(getpid(), SIGUSR1) == 0);
        CHECK_EQ(sn_chan_recv(ctx, a, &signo), 0);
        CHECK_EQ(signo, SIGUSR1);
        CHECK_EQ(sn_chan_len(a), 0);
        CHECK_EQ(sn_chan_len(b), 0);
    }
    sn_signal_stop(b); /* a goes on */
    CHECK(kill(getpid(), SIGUSR2) == 0);
    CHECK_EQ(sn_chan_recv(ctx, a, &signo), 0);
    CHECK_EQ(signo, SIGUSR2);
    CHECK_EQ(sn_chan_len(b), 0);
    sn_chan_free(b);
    sn_signal_stop(a);
    sn_chan_free(a);
    return 0;
}

TEST(many_signals_many_channels)
{
    run_each(many_to_many, NULL);
    for (int i = 1; i <= 2; i++) { /* a plain thread receives */
        CHECK_EQ(sn_start(&(sn_run_opts){ .workers = i }), 0);
        CHECK_EQ(many_to_many(NULL, NULL), 0);
        CHECK_EQ(sn_stop(), 0);
    }
}

/* A full channel loses the signal; it does not hold up the others. */
static int loses(sn_ctx *ctx, void *arg)
{
    int_chan full, other;
    int signo;
    (void)arg;
    CHECK_EQ(sn_chan_make(&full, 1), 0);
    CHECK_EQ(sn_chan_make(&other, 1), 0);
    CHECK_EQ(sn_signal_notify(full, SIGUSR1), 0);
    CHECK_EQ(sn_signal_notify(other, SIGUSR1), 0);
    for (int i = 0; i < 5; i++) {
        CHECK(kill(getpid(), SIGUSR1) == 0);
        CHECK_EQ(sn_chan_recv(ctx, other, &signo), 0);
    }
    sn_signal_stop(full);
    sn_signal_stop(other);
    CHECK_EQ(sn_chan_len(full), 1);
    CHECK_EQ(sn_chan_recv(ctx, full, &signo), 0);
    CHECK_EQ(signo, SIGUSR1);
    sn_chan_free(full);
    sn_chan_free(other);
    return 0;
}

TEST(a_full_channel_loses)
{
    run_each(loses, NULL);
}

/* A signal that no channel wants any more gets back the handler it had before. */
static volatile sig_atomic_t handled;

static void handler(int signo)
{
    handled = signo;
}

static int borrows(sn_ctx *ctx, void *arg)
{
    int_chan a, b;
    int signo;
    (void)arg;
    CHECK_EQ(sn_chan_make(&a, 1), 0);
    CHECK_EQ(sn_chan_make(&b, 1), 0);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(sn_signal_notify(a, SIGUSR1), 0);
        CHECK_EQ(sn_signal_notify(b, SIGUSR1), 0);
        CHECK_EQ(sn_signal_notify(b, SIGUSR2), 0);
        handled = 0;
        CHECK(kill(getpid(), SIGUSR1) == 0);
        CHECK_EQ(sn_chan_recv(ctx, a, &signo), 0);
        CHECK_EQ(sn_chan_recv(ctx, b, &signo), 0);
        sn_signal_stop(a);
        CHECK(kill(getpid(), SIGUSR1) == 0); /* b still wants it */
        CHECK_EQ(sn_chan_recv(ctx, b, &signo), 0);
        CHECK_EQ(handled, 0);
        sn_signal_stop(b);
        CHECK(raise(SIGUSR1) == 0);
        while (handled == 0)
            CHECK_EQ(sn_sleep(ctx, SN_US(100)), 0);
        CHECK_EQ(handled, SIGUSR1);
        CHECK(raise(SIGUSR2) == 0); /* ignored again */
        CHECK_EQ(sn_chan_len(a) + sn_chan_len(b), 0);
    }
    sn_chan_free(a);
    sn_chan_free(b);
    return 0;
}

TEST(the_handler_before)
{
    struct sigaction a = { .sa_handler = handler };
    CHECK(sigaction(SIGUSR1, &a, NULL) == 0);
    CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
    run_each(borrows, NULL);
    CHECK(sigaction(SIGUSR1, NULL, &a) == 0 && a.sa_handler == handler);
    CHECK(sigaction(SIGUSR2, NULL, &a) == 0 && a.sa_handler == SIG_IGN);
    CHECK(signal(SIGUSR1, SIG_DFL) != SIG_ERR && signal(SIGUSR2, SIG_DFL) != SIG_ERR);
}
