/* One job: a process, or with --retries several one after another, their output, and how the last one ended. */
#ifndef CLI_JOB_H
#define CLI_JOB_H

#include "item.h"
#include "output.h"
#include "stops.h"

enum job_end {
    JOB_SUCCEEDED,
    JOB_FAILED,
    JOB_STOPPED, /* by us, because the run was to end: no failure of its own, and not over: --resume runs it */
};

struct job {
    uint64_t number;     /* from 1: which input */
    uint64_t place;      /* from 1: which of the jobs that are run; not `number` once some are skipped */
    struct item *item;   /* malloc'ed */
    int slot;            /* from 1 */

    /* What it printed, 0 on standard output, 1 on standard error. Written by the readers of a try, under `lock` with
     * --line-buffer, and then by the printer. */
    struct output out[2];
    struct output copy[2];    /* --line-buffer and --results: all of it, while lines leave `out` */
    uint64_t complete[2];     /* --line-buffer: bytes of `out` up to the end of its last whole line */
    uint64_t received[2];     /* bytes */
    char *tag;                /* --tag: what its lines begin with, or NULL */
    size_t ntag;
    sn_mutex lock;
    bool live;                /* (lock) --line-buffer: lines are passed on as they come */

    /* The last try. */
    enum job_end end;
    bool started;
    bool timed_out;
    sn_process_status status; /* if it was started */
    int error;                /* why it was not */
    long tries;
    int64_t begin;            /* ns since 1970 */
    int64_t duration;         /* ns */
};

/* What all jobs share. */
struct job_orders {
    const struct options *options;
    struct stops *stops;
};

/* Runs the job to its end, whatever happens. Not cut short by ctx. */
void job_run(struct job *job, const struct job_orders *orders);

/* Nanoseconds since 1970. */
int64_t job_clock(void);

void job_free(struct job *job);

#endif
