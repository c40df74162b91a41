/* Outputs of jobs on their way to standard output and error: whole, when the job is over, or with --line-buffer line by
 * line, as they come; with --tag something before each line.
 *
 * With --line-buffer a job whose lines may be passed on is `live`. Without -k all are; with it only the first job that is not
 * over, and the lines of the others wait in job->out (printer.c makes the next one live). */
#ifndef CLI_LINES_H
#define CLI_LINES_H

#include "job.h"

/* Makes the job's tag. 0 or SN_ENOMEM. */
int lines_tag(struct job *job);

/* --line-buffer: takes what comes out of fd until its end, passes whole lines on if the job is live, and keeps the rest.
 * 0 or an error; one of writing ends the run. */
int lines_collect(sn_ctx *ctx, struct job *job, const struct job_orders *orders, int which, int fd);

/* The same for what was collected otherwise. */
int lines_take_output(struct job *job, const struct job_orders *orders, int which, const struct output *o);

/* Ends an unfinished line, since another try follows. */
void lines_end_try(struct job *job, const struct job_orders *orders, int which);

/* From now on lines are passed on as they come, those that wait first. */
void lines_go_live(struct job *job, const struct job_orders *orders);

/* The job is over: prints what is left of its output. With --line-buffer an unfinished last line is ended. 0 or an error. */
int lines_print(struct job *job, const struct job_orders *orders, int which);

#endif
