/* The values of options. Each returns 0, or SN_EINVAL after one line on standard error. */
#ifndef CLI_VALUES_H
#define CLI_VALUES_H

#include "options.h"

/* 8, 50%, 0. */
int value_jobs(int *out, const char *text);

/* How many jobs run at a time if nothing is said. */
int value_jobs_default(void);

/* A whole number from 1 to a million. */
int value_count(long *out, const char *option, const char *text);

/* 10, 1.5s, 200ms, 2m, 1h. */
int value_duration(int64_t *out, const char *text);

/* 100ms, or 100ms..10s. */
int value_backoff(struct options *o, const char *text);

/* soon,fail=3. */
int value_halt(struct options *o, const char *text);

#endif
