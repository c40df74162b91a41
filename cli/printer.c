#include "printer.h"

#include "json.h"
#include "lines.h"

#include <stdlib.h>

/* --- one job --- */

static int print(const struct printer *p, struct job *job)
{
    const struct options *o = p->orders->options;
    int r;

    if (o->json)
        return json_end(job, o);
    return (r = lines_print(job, p->orders, 0)) < 0 ? r : lines_print(job, p->orders, 1);
}

/* Hands the job's output on, and only then lets it be in the log. What was stopped is not over, and in neither. */
static void deliver(const struct printer *p, struct job *job)
{
    struct stops *s = p->orders->stops;
    int r;

    if (s->broken == 0 && (r = print(p, job)) < 0)
        stops_break(s, "write the output", r);
    if (s->broken == 0 && job->end != JOB_STOPPED) {
        if ((r = results_save(p->results, job)) < 0)
            stops_break(s, "keep the results of a job", r);
        else if ((r = joblog_add(p->log, job)) < 0)
            stops_break(s, "write to the job log", r);
    }
    job_free(job);
}

/* --- whose turn it is --- */

static bool in_turns(const struct printer *p)
{
    return p->orders->options->ordered && p->orders->options->grouping == GROUP_LINES;
}

int printer_begin(struct printer *p, struct job *job)
{
    const struct options *o = p->orders->options;
    int r = o->tag ? lines_tag(job) : 0;

    if (r == 0 && o->json)
        r = json_start(job, o);
    if (!in_turns(p)) {
        job->live = true;
        return r;
    }
    sn_mutex_lock(&p->turn);
    job->live = job->place == p->live;
    p->running[job->place % PRINTER_WINDOW] = job;
    sn_mutex_unlock(&p->turn);
    return r;
}

/* The turn has come to p->next: what that job has printed so far goes out, and the rest as it comes. Nobody else frees it. */
static void pass_turn(struct printer *p)
{
    if (!in_turns(p))
        return;
    sn_mutex_lock(&p->turn);
    p->live = p->next;
    struct job *job = p->running[p->next % PRINTER_WINDOW];
    sn_mutex_unlock(&p->turn);
    if (job)
        lines_go_live(job, p->orders);
}

static void leave(struct printer *p, const struct job *job)
{
    if (!in_turns(p))
        return;
    sn_mutex_lock(&p->turn);
    p->running[job->place % PRINTER_WINDOW] = NULL;
    sn_mutex_unlock(&p->turn);
}

/* -k: prints every job whose turn it is. Once no more jobs come (`last`), gaps are skipped. */
static void print_in_turn(struct printer *p, bool last)
{
    uint64_t end = p->next + PRINTER_WINDOW;

    for (; p->next < end; p->next++) {
        pass_turn(p);
        struct job **place = &p->early[p->next % PRINTER_WINDOW];
        if (!*place) {
            if (last)
                continue;
            return;
        }
        leave(p, *place);
        deliver(p, *place);
        *place = NULL;
        (void)sn_chan_unit_try_recv(p->window);
        end = last ? end : p->next + PRINTER_WINDOW;
    }
}

/* --- the whole --- */

void printer_run(struct printer *p)
{
    struct job *job;

    while (sn_chan_recv(sn_background(), p->done, &job) == 0) {
        if (!p->orders->options->ordered) {
            deliver(p, job);
            continue;
        }
        p->early[job->place % PRINTER_WINDOW] = job;
        print_in_turn(p, false);
    }
    if (p->orders->options->ordered)
        print_in_turn(p, true);
}

int printer_open(struct printer *p, const struct job_orders *orders, struct joblog *log, const struct results *results)
{
    int r;

    *p = (struct printer){ .orders = orders, .log = log, .results = results, .next = 1, .live = 1 };
    if ((r = sn_chan_make(&p->done, 16)) < 0 || (r = sn_chan_unit_make(&p->window, PRINTER_WINDOW)) < 0)
        return r;
    p->early = calloc(PRINTER_WINDOW, sizeof *p->early);
    p->running = calloc(PRINTER_WINDOW, sizeof *p->running);
    return p->early && p->running ? 0 : SN_ENOMEM;
}

void printer_close(struct printer *p)
{
    sn_chan_free(p->done);
    sn_chan_free(p->window);
    free(p->early);
    free(p->running);
}
