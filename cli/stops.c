#include "stops.h"

#include <signal.h>
#include <stdatomic.h>

void stops_end_jobs(struct stops *s)
{
    sn_ctx_cancel(s->start);
    (void)sn_chan_unit_try_send(s->hurry);
    sn_ctx_cancel(s->term);
}

void stops_refuse(struct stops *s)
{
    s->refused = true;
    sn_ctx_cancel(s->start);
}

void stops_break(struct stops *s, const char *what, int error)
{
    int none = 0;

    if (!atomic_compare_exchange_strong(&s->broken, &none, error))
        return;
    cli_error("cannot %s: %s", what, sn_error_string(error));
    stops_end_jobs(s);
}

static int kill_later(sn_ctx *ctx, void *arg)
{
    struct stops *s = arg;

    if (sn_chan_unit_recv(ctx, s->hurry) == 0 && sn_sleep(ctx, SN_SEC(1)) == 0)
        sn_ctx_cancel(s->kill);
    return 0;
}

static int wait_for_deadline(sn_ctx *ctx, void *arg)
{
    struct stops *s = arg;

    if (sn_sleep(ctx, s->deadline) == 0) {
        s->expired = true;
        cli_error("the deadline has passed");
        stops_end_jobs(s);
    }
    return 0;
}

static int watch_signals(sn_ctx *ctx, void *arg)
{
    struct stops *s = arg;
    int signo, stage = 0;

    while (sn_chan_recv(ctx, s->signals, &signo) == 0) {
        s->interrupted = true;
        if (signo != SIGINT && stage == 0)
            stage = 1; /* the others mean now */
        stage++;
        sn_ctx_cancel(s->start);
        if (stage == 1)
            cli_error("no more jobs are started; the running ones may end (again: TERM to them)");
        if (stage >= 2)
            sn_ctx_cancel(s->term);
        if (stage >= 3)
            sn_ctx_cancel(s->kill);
        if (stage >= 4)
            sn_ctx_cancel(s->output);
    }
    return 0;
}

static int listen_to_signals(struct stops *s)
{
    static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
    int r = 0;

    s->listening = true;
    for (size_t i = 0; i < sizeof caught / sizeof *caught && r == 0; i++) {
        struct sigaction now;
        if (sigaction(caught[i], NULL, &now) == 0 && now.sa_handler == SIG_IGN)
            continue; /* nohup, or a background job of a simple shell: stays ignored */
        r = sn_signal_notify(s->signals, caught[i]);
    }
    return r;
}

int stops_open(struct stops *s, const struct options *o, sn_ctx *ctx)
{
    int r;

    *s = (struct stops){ .deadline = o->deadline };
    sn_group_init(&s->watchers, ctx);
    if ((r = sn_ctx_with_cancel(&s->start, ctx)) < 0 || (r = sn_ctx_with_cancel(&s->term, ctx)) < 0 ||
        (r = sn_ctx_with_cancel(&s->kill, ctx)) < 0 || (r = sn_ctx_with_cancel(&s->output, ctx)) < 0 ||
        (r = sn_chan_make(&s->signals, 8)) < 0 || (r = sn_chan_unit_make(&s->hurry, 1)) < 0 ||
        (r = listen_to_signals(s)) < 0 || (r = sn_group_go(&s->watchers, watch_signals, s)) < 0 ||
        (r = sn_group_go(&s->watchers, kill_later, s)) < 0)
        return r;
    return o->deadline ? sn_group_go(&s->watchers, wait_for_deadline, s) : 0;
}

void stops_quiet(struct stops *s)
{
    sn_group_cancel(&s->watchers);
    (void)sn_group_wait(&s->watchers);
    if (s->listening)
        sn_signal_stop(s->signals);
}

void stops_close(struct stops *s)
{
    sn_chan_free(s->signals);
    sn_chan_free(s->hurry);
    sn_ctx_free(s->start);
    sn_ctx_free(s->term);
    sn_ctx_free(s->kill);
    sn_ctx_free(s->output);
}
