#include "start.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* --- complaints --- */

enum { KINDS = 8, TEXT = 400 };

/* The different things that were said, the first few of them. */
static struct {
    sn_mutex lock;
    struct {
        char text[TEXT];
        uint64_t more; /* how often it was not said again */
    } kinds[KINDS];
    int n;
} said;

static bool said_already(const char *text)
{
    bool found = false;

    sn_mutex_lock(&said.lock);
    for (int i = 0; i < said.n && !found; i++)
        if (strcmp(said.kinds[i].text, text) == 0) {
            said.kinds[i].more++;
            found = true;
        }
    if (!found && said.n < KINDS)
        strcpy(said.kinds[said.n++].text, text);
    sn_mutex_unlock(&said.lock);
    return found;
}

void start_complain(const struct job *job, const char *program, int error)
{
    const char *hint = error == SN_ENOENT && strchr(program, ' ') ? "; --shell runs a line as a script" : "";
    char text[TEXT];

    (void)snprintf(text, sizeof text, "cannot run '%.200s': %s%s", program, sn_error_string(error), hint);
    if (!said_already(text))
        cli_error("job %llu: %s", (unsigned long long)job->number, text);
}

void start_complain_rest(void)
{
    for (int i = 0; i < said.n; i++)
        if (said.kinds[i].more > 0)
            cli_error("%llu more job%s: %s", (unsigned long long)said.kinds[i].more, said.kinds[i].more > 1 ? "s" : "",
                      said.kinds[i].text);
    said.n = 0;
}

/* --- starting --- */

/* Processes that run, so that a start which finds no room knows whether waiting can help. */
static _Atomic int running;

enum { ALONE_TRIES = 50 }; /* about five seconds for others than us to make room */

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

static void close_pipes(struct started *s)
{
    for (int i = 0; i < 2; i++)
        if (s->fds[i] >= 0)
            (void)sn_fd_close(s->fds[i]);
    s->fds[0] = s->fds[1] = -1;
}

static int start_once(struct started *s, const struct options *o, const struct command *command)
{
    sn_process_opts opts = { .group = true };
    int out[2], err[2], r;

    s->fds[0] = s->fds[1] = -1;
    if (o->grouping == GROUP_NONE)
        return sn_process_start(&s->process, (const char *const *)command->argv, &opts);
    if ((r = open_pipes(out, err)) < 0)
        return r == SN_EMFILE ? SN_EAGAIN : r; /* nothing was started: it can be tried again */
    opts.out = out[1] + 1;
    opts.err = err[1] + 1;
    r = sn_process_start(&s->process, (const char *const *)command->argv, &opts);
    (void)sn_fd_close(out[1]);
    (void)sn_fd_close(err[1]);
    s->fds[0] = out[0];
    s->fds[1] = err[0];
    if (r < 0)
        close_pipes(s);
    return r;
}

int start_process(struct started *s, const struct job_orders *orders, const struct command *command)
{
    static _Atomic bool noted;
    int r, alone = 0;

    while ((r = start_once(s, orders->options, command)) == SN_EAGAIN) {
        int others = running;
        if (others == 0 && ++alone > ALONE_TRIES)
            return r;
        if (others > 0 && !atomic_exchange(&noted, true))
            cli_error("no more than %d jobs at a time for now: there is no room for another process (ulimit -u)", others);
        if ((r = sn_sleep(orders->stops->start, SN_MS(100))) < 0)
            return SN_ECANCELED;
    }
    if (r == 0)
        running++;
    return r;
}

void start_over(struct started *s)
{
    close_pipes(s);
    running--;
}
