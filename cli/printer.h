/* What becomes of a job that is over: its output is printed, and kept with --results, and then it is in the job log; with -k
 * in the order of the inputs.
 *
 * With -k what comes too early is held back: at most PRINTER_WINDOW jobs, since the feed waits for a place in the window
 * before it reads the next input. */
#ifndef CLI_PRINTER_H
#define CLI_PRINTER_H

#include "joblog.h"
#include "results.h"
#include "summary.h"

enum { PRINTER_WINDOW = 512 };

typedef sn_chan_of(struct job *) job_chan;

struct printer {
    const struct job_orders *orders;
    struct joblog *log;
    const struct results *results;
    job_chan done;              /* jobs that are over */
    sn_chan_unit window;        /* -k: places taken */
    struct job **early;         /* -k: jobs that are over, by place modulo PRINTER_WINDOW */
    uint64_t next;              /* -k: the place to print next */
    sn_mutex turn;              /* with -k and --line-buffer, protects the two below */
    struct job **running;       /* jobs that have begun, by place modulo PRINTER_WINDOW */
    uint64_t live;              /* the place whose lines are passed on as they come */
};

/* 0 or SN_ENOMEM; printer_close is to be called in any case. */
int printer_open(struct printer *p, const struct job_orders *orders, struct joblog *log, const struct results *results);
void printer_close(struct printer *p);

/* The job is about to run. For its worker. 0 or an error: then it should not. */
int printer_begin(struct printer *p, struct job *job);

/* Prints what comes from p->done until that is closed. */
void printer_run(struct printer *p);

#endif
