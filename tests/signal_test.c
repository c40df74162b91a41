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
