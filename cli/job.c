#include "job.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>

#define KILL_AFTER   SN_SEC(1) /* from TERM to KILL */
#define LINGER       SN_SEC(1) /* how long something left behind may hold a finished job's output open */

struct reader {
    struct output *to;
    int fd;
    int r;
};

static int read_all(sn_ctx *ctx, void *arg)
{
    struct reader *r = arg;

    r->r = output_collect(ctx, r->to, r->fd);
    return 0;
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
    r = sn_process_wait(limit ? limit : orders->term, p, status);
    *timed_out = limit && r == SN_ETIMEDOUT;
    sn_ctx_free(limit);
    if (r == 0)
        return 0;
    (void)sn_process_kill(p, SIGTERM);
    if (sn_ctx_with_timeout(&grace, orders->kill, KILL_AFTER) < 0)
        grace = NULL;
    r = sn_process_wait(*timed_out && grace ? grace : orders->kill, p, status);
    sn_ctx_free(grace);
    if (r != 0) {
        (void)sn_process_kill(p, SIGKILL);
        r = sn_process_wait(sn_background(), p, status);
    }
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

/* Once the process has ended: its output ends too, at once, or is given up a second later. */
static void finish_reading(struct job *job, sn_group *g, const struct job_orders *orders)
{
    sn_ctx *linger;

    if (sn_ctx_with_timeout(&linger, orders->kill, LINGER) < 0) {
        (void)sn_group_wait(g);
        return;
    }
    if (sn_group_wait_ctx(linger, g) != 0) {
        if (sn_ctx_err(orders->kill) == 0)
            cli_error("job %llu ('%s'): ended, but something it left behind holds its output open; not waiting for that",
                      (unsigned long long)job->number, job->input);
        sn_group_cancel(g);
        (void)sn_group_wait(g);
    }
    sn_ctx_free(linger);
}

static void start_failed(struct job *job, const char *command, int r)
{
    job->end = JOB_FAILED;
    cli_error("job %llu: cannot run '%s': %s", (unsigned long long)job->number, command, sn_error_string(r));
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
    struct reader readers[2] = { { &job->out, out[0], 0 }, { &job->err, err[0], 0 } };
    sn_group_init(&g, sn_background());
    for (int i = 0; i < 2; i++)
        if ((r = sn_group_go(&g, read_all, &readers[i])) < 0)
            readers[i].r = r;
    r = await(&process, orders, &status, &timed_out);
    finish_reading(job, &g, orders);
    job->duration = sn_now() - begin;
    for (int i = 0; i < 2; i++)
        if (readers[i].r < 0 && readers[i].r != SN_ECANCELED) {
            cli_error("job %llu: its output is incomplete: %s", (unsigned long long)job->number,
                      sn_error_string(readers[i].r));
            r = readers[i].r;
        }
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
