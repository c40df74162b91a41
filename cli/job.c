#include "job.h"

#include "lines.h"
#include "spool.h"
#include "start.h"
#include "template.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define KILL_AFTER   SN_SEC(1) /* from TERM to KILL */
#define LINGER       SN_SEC(1) /* how long something left behind may hold a finished job's output open */

/* --- reading what it prints --- */

struct reader {
    const struct job_orders *orders;
    struct job *job;
    int which; /* 0: standard output, 1: standard error */
    int fd;
    int r;     /* 0: read to the end; SN_ECANCELED: given up; another error: some of it is lost */
};

static void say_incomplete(const struct job *job, int r)
{
    cli_error("job %llu: its output is incomplete, since it cannot be kept in %s: %s", (unsigned long long)job->number,
              spool_dir(), sn_error_string(r));
}

static int read_all(sn_ctx *ctx, void *arg)
{
    struct reader *r = arg;

    if (r->orders->options->grouping == GROUP_LINES)
        r->r = lines_collect(ctx, r->job, r->orders, r->which, r->fd);
    else
        r->r = output_collect(ctx, &r->job->out[r->which], r->fd);
    if (r->r < 0 && r->r != SN_ECANCELED) {
        say_incomplete(r->job, r->r);
        output_discard(ctx, r->fd); /* or the job would wait for us for ever */
    }
    return 0;
}

/* What is in the pipe was written by the job, whoever holds it open. */
static bool drain(struct reader *r)
{
    struct output last = { 0 };
    int e;

    if (r->r != SN_ECANCELED)
        return true;
    if (r->orders->options->grouping == GROUP_LINES) {
        if ((e = output_drain(&last, r->fd)) >= 0) {
            int kept = lines_take_output(r->job, r->orders, r->which, &last);
            e = kept < 0 ? kept : e;
        }
        output_free(&last);
    } else {
        e = output_drain(&r->job->out[r->which], r->fd);
    }
    if (e < 0)
        say_incomplete(r->job, r->r = e);
    return e != 0;
}

/* --- the process --- */

/* A group whose leader has ended after a TERM: who is left of it has the rest of a second. */
static void end_group(const sn_process *p, const struct job_orders *orders, int64_t termed)
{
    while (sn_process_kill(p, 0) == 0 && sn_now() < termed + KILL_AFTER)
        if (sn_ctx_err(orders->stops->kill) != 0 || sn_sleep(orders->stops->kill, SN_MS(10)) != 0)
            break;
    (void)sn_process_kill(p, SIGKILL);
}

/* Waits until the process has ended, for no longer than `limit`, and looks once more then: it may have ended in time while
 * we were stopped. */
static int await_within(sn_ctx *limit, const struct job_orders *orders, sn_process *p, sn_process_status *status)
{
    int r = sn_process_wait(limit, p, status), e = SN_ETIMEDOUT;
    sn_ctx *last;

    if (r == SN_ETIMEDOUT && sn_ctx_with_timeout(&last, orders->stops->kill, SN_MS(20)) == 0) {
        e = sn_process_wait(last, p, status);
        sn_ctx_free(last);
    }
    return e == 0 ? 0 : r;
}

/* Waits for the process; sends TERM when the job's time or `term` is over, and KILL a second later or when `kill` is.
 * *timed_out and *stopped say which it was, if it had to. */
static int await(sn_process *p, const struct job_orders *orders, sn_process_status *status, bool *timed_out, bool *stopped)
{
    const struct options *o = orders->options;
    sn_ctx *limit = NULL, *grace = NULL;
    int r;

    *timed_out = *stopped = false;
    if (o->timeout && (r = sn_ctx_with_timeout(&limit, orders->stops->term, o->timeout)) < 0)
        limit = NULL;
    r = await_within(limit ? limit : orders->stops->term, orders, p, status);
    *timed_out = limit && r == SN_ETIMEDOUT;
    sn_ctx_free(limit);
    if (r == 0)
        return 0;
    *stopped = !*timed_out;
    int64_t termed = sn_now();
    (void)sn_process_kill(p, SIGTERM);
    (void)sn_process_kill(p, SIGCONT); /* a stopped one, at the terminal for instance, would not see it */
    if (sn_ctx_with_timeout(&grace, orders->stops->kill, KILL_AFTER) < 0)
        grace = NULL;
    r = sn_process_wait(*timed_out && grace ? grace : orders->stops->kill, p, status);
    sn_ctx_free(grace);
    if (r != 0) {
        (void)sn_process_kill(p, SIGKILL);
        r = sn_process_wait(sn_background(), p, status);
    }
    end_group(p, orders, termed);
    return r;
}

/* Waits for the readers, for `ns` at most; false: they go on. */
static bool wait_for_readers(sn_group *g, const struct job_orders *orders, int64_t ns)
{
    sn_ctx *linger;

    if (sn_ctx_with_timeout(&linger, orders->stops->kill, ns) < 0) {
        (void)sn_group_wait(g);
        return true;
    }
    bool over = sn_group_wait_ctx(linger, g) == 0;
    sn_ctx_free(linger);
    return over;
}

/* Once the process has ended: its output ends too, at once, or is given up a second later. Somewhat later if nobody is left
 * in its group: then it may be no more than another child on its way to exec that holds a copy of the pipe. */
static void finish_reading(struct job *job, sn_group *g, struct reader readers[2], const struct job_orders *orders,
                           const sn_process *p)
{
    if (wait_for_readers(g, orders, LINGER) ||
        (sn_process_kill(p, 0) != 0 && wait_for_readers(g, orders, 3 * LINGER)))
        return;
    sn_group_cancel(g);
    (void)sn_group_wait(g);
    bool out_ended = drain(&readers[0]), err_ended = drain(&readers[1]);
    if (!(out_ended && err_ended) && sn_ctx_err(orders->stops->kill) == 0) {
        char shown[ITEM_SHOWN];
        cli_error("job %llu ('%s'): ended, but something it left behind holds its output open; what that prints from now "
                  "on is lost", (unsigned long long)job->number, item_show(job->item, shown));
    }
}

/* --- one try --- */

int64_t job_clock(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    return SN_SEC(t.tv_sec) + t.tv_nsec;
}

/* Waits for the process and its output. 0, or the error that makes its output incomplete. */
static int see_through(struct job *job, const struct job_orders *orders, struct started *s, bool *stopped)
{
    struct reader readers[2];
    sn_group g;
    int r = 0;

    sn_group_init(&g, sn_background());
    for (int i = 0; i < 2; i++) {
        readers[i] = (struct reader){ orders, job, i, s->fds[i], 0 };
        int e = s->fds[i] >= 0 ? sn_group_go(&g, read_all, &readers[i]) : 0;
        if (e < 0)
            readers[i].r = e;
    }
    (void)await(&s->process, orders, &job->status, &job->timed_out, stopped);
    finish_reading(job, &g, readers, orders, &s->process);
    for (int i = 0; i < 2; i++) {
        if (readers[i].r < 0 && readers[i].r != SN_ECANCELED)
            r = readers[i].r;
        if (orders->options->grouping == GROUP_JOBS)
            job->received[i] = output_size(&job->out[i]);
    }
    return r;
}

static void try_once(struct job *job, const struct job_orders *orders)
{
    struct command command;
    struct started s;
    bool stopped;

    job->end = JOB_FAILED;
    job->started = job->timed_out = false;
    job->begin = job_clock();
    if ((job->error = template_fill(&command, orders->options, job->item, job->number, job->slot)) < 0)
        return;
    int64_t begin = sn_now();
    if ((job->error = start_process(&s, orders, &command)) < 0) {
        job->end = job->error == SN_ECANCELED ? JOB_STOPPED : JOB_FAILED;
        if (job->end == JOB_FAILED && job->tries == orders->options->tries)
            start_complain(job, command.argv[0], job->error);
    } else {
        job->started = true;
        int r = see_through(job, orders, &s, &stopped);
        job->duration = sn_now() - begin;
        start_over(&s);
        if (stopped)
            job->end = JOB_STOPPED;
        else if (r == 0 && job->status.code == 0 && !job->timed_out)
            job->end = JOB_SUCCEEDED;
    }
    template_free(&command);
}

/* --- all tries --- */

/* Waits before the next try: twice as long as the last time, within the bounds, and up to half less by chance, so that jobs
 * that failed together do not come back together. False: there is to be none. */
static bool wait_for_next_try(const struct job *job, const struct job_orders *orders)
{
    const struct options *o = orders->options;
    int64_t ns = o->backoff_low;

    for (long i = 1; i < job->tries && ns < o->backoff_high; i++)
        ns = ns > o->backoff_high / 2 ? o->backoff_high : ns * 2;
    ns -= (int64_t)(sn_random() % ((uint64_t)ns / 2 + 1));
    return sn_sleep(orders->stops->start, ns) == 0;
}

/* Only the last try's output counts; but lines on their way out are not called back. */
static void forget_output(struct job *job, const struct job_orders *orders)
{
    for (int i = 0; i < 2; i++) {
        if (orders->options->grouping == GROUP_LINES)
            lines_end_try(job, orders, i);
        else
            output_free(&job->out[i]);
        output_free(&job->copy[i]);
        job->received[i] = 0;
    }
}

void job_run(struct job *job, const struct job_orders *orders)
{
    char shown[ITEM_SHOWN];

    for (job->tries = 1;; job->tries++) {
        try_once(job, orders);
        if (job->end != JOB_FAILED || job->tries == orders->options->tries)
            break;
        if (!wait_for_next_try(job, orders)) {
            job->end = JOB_STOPPED; /* it might have succeeded */
            break;
        }
        forget_output(job, orders);
    }
    if (job->timed_out)
        cli_error("job %llu ('%s'): timed out", (unsigned long long)job->number, item_show(job->item, shown));
}

void job_free(struct job *job)
{
    for (int i = 0; i < 2; i++) {
        output_free(&job->out[i]);
        output_free(&job->copy[i]);
    }
    free(job->tag);
    free(job->item);
    free(job);
}
