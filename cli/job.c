#include "job.h"

#include "spool.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define KILL_AFTER   SN_SEC(1) /* from TERM to KILL */
#define LINGER       SN_SEC(1) /* how long something left behind may hold a finished job's output open */

struct reader {
    const struct job *job;
    struct output *to;
    int fd;
    int r; /* 0: read to the end; SN_ECANCELED: given up; another error: some of it is lost */
};

static void say_incomplete(const struct job *job, int r)
{
    cli_error("job %llu: its output is incomplete, since it cannot be kept in %s: %s", (unsigned long long)job->number,
              spool_dir(), sn_error_string(r));
}

static int read_all(sn_ctx *ctx, void *arg)
{
    struct reader *r = arg;

    r->r = output_collect(ctx, r->to, r->fd);
    if (r->r < 0 && r->r != SN_ECANCELED) {
        say_incomplete(r->job, r->r);
        output_discard(ctx, r->fd); /* or the job would wait for us for ever */
    }
    return 0;
}

/* What is in the pipe was written by the job, whoever holds it open. */
static bool drain(struct reader *r)
{
    int e;

    if (r->r != SN_ECANCELED)
        return true;
    if ((e = output_drain(r->to, r->fd)) < 0)
        say_incomplete(r->job, r->r = e);
    return e != 0;
}

/* A group whose leader has ended after a TERM: who is left of it has the rest of a second. */
static void end_group(const sn_process *p, const struct job_orders *orders, int64_t termed)
{
    while (sn_process_kill(p, 0) == 0 && sn_now() < termed + KILL_AFTER)
        if (sn_ctx_err(orders->kill) != 0 || sn_sleep(orders->kill, SN_MS(10)) != 0)
            break;
    (void)sn_process_kill(p, SIGKILL);
}

/* Waits until the process has ended, for no longer than `limit`, and looks once more then: it may have ended in time while
 * we were stopped. */
static int await_within(sn_ctx *limit, const struct job_orders *orders, sn_process *p, sn_process_status *status)
{
    int r = sn_process_wait(limit, p, status), e = SN_ETIMEDOUT;
    sn_ctx *last;

    if (r == SN_ETIMEDOUT && sn_ctx_with_timeout(&last, orders->kill, SN_MS(20)) == 0) {
        e = sn_process_wait(last, p, status);
        sn_ctx_free(last);
    }
    return e == 0 ? 0 : r;
}

/* Waits for the process; sends TERM when the job's time or `term` is over, and KILL a second later or when `kill` is. */
static int await(sn_process *p, const struct job_orders *orders, sn_process_status *status, bool *timed_out)
{
    const struct options *o = orders->options;
    sn_ctx *limit = NULL, *grace = NULL;
    int r;

    *timed_out = false;
    if (o->timeout && (r = sn_ctx_with_timeout(&limit, orders->term, o->timeout)) < 0)
        limit = NULL;
    r = await_within(limit ? limit : orders->term, orders, p, status);
    *timed_out = limit && r == SN_ETIMEDOUT;
    sn_ctx_free(limit);
    if (r == 0)
        return 0;
    int64_t termed = sn_now();
    (void)sn_process_kill(p, SIGTERM);
    (void)sn_process_kill(p, SIGCONT); /* a stopped one, at the terminal for instance, would not see it */
    if (sn_ctx_with_timeout(&grace, orders->kill, KILL_AFTER) < 0)
        grace = NULL;
    r = sn_process_wait(*timed_out && grace ? grace : orders->kill, p, status);
    sn_ctx_free(grace);
    if (r != 0) {
        (void)sn_process_kill(p, SIGKILL);
        r = sn_process_wait(sn_background(), p, status);
    }
    end_group(p, orders, termed);
    return r;
}

/* The job knows nothing of us: its end is in blocking mode, as programs expect. */
static void make_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0)
        (void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

/* Both ends of the job's two pipes; [0] ours, [1] the job's. */
static int open_pipes(int out[2], int err[2])
{
    int r = sn_fd_pipe(out);

    if (r == 0 && (r = sn_fd_pipe(err)) < 0) {
        (void)sn_fd_close(out[0]);
        (void)sn_fd_close(out[1]);
    }
    if (r == 0) {
        make_blocking(out[1]);
        make_blocking(err[1]);
    }
    return r;
}

/* Waits for the readers, for `ns` at most; false: they go on. */
static bool wait_for_readers(sn_group *g, const struct job_orders *orders, int64_t ns)
{
    sn_ctx *linger;

    if (sn_ctx_with_timeout(&linger, orders->kill, ns) < 0) {
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
    if (!(out_ended && err_ended) && sn_ctx_err(orders->kill) == 0)
        cli_error("job %llu ('%s'): ended, but something it left behind holds its output open; what that prints from now "
                  "on is lost", (unsigned long long)job->number, job->input);
}

static void start_failed(struct job *job, const char *command, int r)
{
    job->end = JOB_FAILED;
    const char *hint = r == SN_ENOENT && strchr(command, ' ') ? "; --shell runs a line as a script" : "";
    cli_error("job %llu: cannot run '%s': %s%s", (unsigned long long)job->number, command, sn_error_string(r), hint);
}

void job_run(struct job *job, const struct job_orders *orders, int slot)
{
    struct command command;
    sn_process process;
    sn_process_status status;
    int out[2], err[2], r;
    bool timed_out;
    sn_group g;

    job->end = JOB_FAILED;
    if ((r = template_fill(&command, orders->options, job->input, job->number, slot)) < 0) {
        start_failed(job, orders->options->command[0], r);
        return;
    }
    if ((r = open_pipes(out, err)) < 0) {
        start_failed(job, command.argv[0], r);
        template_free(&command);
        return;
    }
    int64_t begin = sn_now();
    sn_process_opts opts = { .out = out[1] + 1, .err = err[1] + 1, .group = true };
    r = sn_process_start(&process, (const char *const *)command.argv, &opts);
    (void)sn_fd_close(out[1]);
    (void)sn_fd_close(err[1]);
    if (r < 0) {
        start_failed(job, command.argv[0], r);
        goto out_pipes;
    }
    job->started = true;
    struct reader readers[2] = { { job, &job->out, out[0], 0 }, { job, &job->err, err[0], 0 } };
    sn_group_init(&g, sn_background());
    for (int i = 0; i < 2; i++)
        if ((r = sn_group_go(&g, read_all, &readers[i])) < 0)
            readers[i].r = r;
    r = await(&process, orders, &status, &timed_out);
    finish_reading(job, &g, readers, orders, &process);
    job->duration = sn_now() - begin;
    for (int i = 0; i < 2; i++)
        if (readers[i].r < 0 && readers[i].r != SN_ECANCELED)
            r = readers[i].r;
    if (timed_out)
        cli_error("job %llu ('%s'): timed out", (unsigned long long)job->number, job->input);
    if (r == 0 && status.code == 0 && !timed_out)
        job->end = JOB_SUCCEEDED;
    else if (!timed_out && sn_ctx_err(orders->term) != 0 && status.signal)
        job->end = JOB_STOPPED;
out_pipes:
    (void)sn_fd_close(out[0]);
    (void)sn_fd_close(err[0]);
    template_free(&command);
}

void job_free(struct job *job)
{
    output_free(&job->out);
    output_free(&job->err);
    free(job->input);
    free(job);
}
