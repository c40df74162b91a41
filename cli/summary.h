/* What a run counts, for --halt, the status line, --summary and the exit code. */
#ifndef CLI_SUMMARY_H
#define CLI_SUMMARY_H

#include "job.h"

enum { SUMMARY_BUCKETS = 64 * 16 };

struct summary {
    int64_t begin;                  /* of sn_now */
    _Atomic uint64_t total;         /* jobs of the whole run, with those skipped; 0: not known yet */
    _Atomic uint64_t skipped;       /* finished before, says the job log */
    _Atomic uint64_t begun;
    _Atomic uint64_t succeeded, failed, stopped; /* how they ended: their sum is the number of jobs over */
    _Atomic uint64_t histogram[SUMMARY_BUCKETS]; /* durations, by power of two and sixteenths of it */
};

/* A job is over. */
void summary_count(struct summary *s, const struct job *job);
uint64_t summary_over(const struct summary *s);

/* --summary: one line on standard error. */
void summary_print(const struct summary *s);

#endif
