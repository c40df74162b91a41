/* One job: a process, its output, and how it ended. */
#ifndef CLI_JOB_H
#define CLI_JOB_H

#include "output.h"
#include "template.h"

enum job_end { JOB_SUCCEEDED, JOB_FAILED, JOB_STOPPED /* by us, because the run was to end: no failure of its own */ };

struct job {
    uint64_t number;     /* from 1 */
    char *input;         /* malloc'ed */
    struct output out, err;
    enum job_end end;
    int64_t duration;    /* ns */
    bool started;
};

/* Two contexts say what is asked of running jobs: when `term` ends they get TERM, when `kill` ends KILL. */
struct job_orders {
    const struct options *options;
    sn_ctx *term, *kill;
};

/* Runs the job to its end, whatever happens. Not cut short by ctx. */
void job_run(struct job *job, const struct job_orders *orders, int slot);
void job_free(struct job *job);

#endif
