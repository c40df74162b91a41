/* `sennit run`: its options, parsed and checked. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "cli.h"
#include "columns.h"

enum halt { HALT_NEVER, HALT_SOON, HALT_NOW };

/* How outputs of jobs that run at the same time share standard output. */
enum grouping {
    GROUP_JOBS,  /* each whole, when the job is over */
    GROUP_LINES, /* line by line, as they come */
    GROUP_NONE,  /* the jobs write there themselves */
};

struct options {
    int jobs;              /* how many at a time, at least 1 */
    bool ordered;          /* -k */
    bool nul;              /* -0 */
    bool shell;            /* --shell */
    bool dry_run;
    bool summary;
    bool tag;
    bool json;
    bool progress;         /* if standard error is a terminal */
    enum grouping grouping;
    const char *file;      /* -a; NULL: standard input */
    long per_job;          /* -N: inputs, or lines of --colsep, for each job; at least 1 */
    struct columns colsep;
    bool positional;       /* {1}, {2}, ... stand for inputs */
    int64_t timeout;       /* ns; 0: none */
    int64_t deadline;      /* ns from the start; 0: none */
    long tries;            /* in all, at least 1 */
    int64_t backoff_low, backoff_high; /* ns, before the second try and at most */
    const char *joblog;    /* or NULL */
    bool resume;           /* what the job log has as finished is not run again ... */
    bool resume_failed;    /* ... unless it failed */
    const char *results;   /* a directory, or NULL */
    enum halt halt;
    bool halt_on_success;
    bool halt_percent;
    long halt_count;
    char **command;        /* NULL-ended; the words before ::: */
    int ncommand;
    char **inputs;         /* after :::, or NULL */
    int ninputs;
};

/* 0: go on. 1: --help was printed. SN_EINVAL: one line was printed on standard error. */
int options_parse(struct options *out, int argc, char **argv);
void options_free(struct options *o);

#endif
