/* Starting a job's process: its pipes, patience when there is no room for it, and what is said if it cannot be. */
#ifndef CLI_START_H
#define CLI_START_H

#include "job.h"
#include "template.h"

struct started {
    sn_process process;
    int fds[2]; /* what it prints comes out here; -1: it has our own standard output and error */
};

/* Starts it. While the machine has no room for one more process, and others may end, that is waited for, until the run
 * is to start no more: then SN_ECANCELED. Another error means that it cannot be started. */
int start_process(struct started *out, const struct job_orders *orders, const struct command *command);

/* After the process was waited for: closes what it printed to. */
void start_over(struct started *s);

/* One line that says why; a line that was said already is only counted. */
void start_complain(const struct job *job, const char *program, int error);

/* Says how often a line was left out. */
void start_complain_rest(void);

#endif
