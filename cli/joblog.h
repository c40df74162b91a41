/* The job log, in GNU parallel's format: a header, then for each job that is over one line with these columns, separated by
 * tabs: Seq Host Starttime JobRuntime Send Receive Exitval Signal Command.
 *
 * What --resume builds upon:
 *  1. A job's line is written by one write(2) at the end of the file, after its outputs were handed on. So whatever kills
 *     sennit, a job in the log has given its output, and a job that has not is not in the log.
 *  2. A line without its newline at the end of the file was torn by that, and does not count: it is cut off.
 *  3. The file is locked while a run uses it. Locks belong to the process and end with it.
 *  4. For a job that is run again another line follows: the last one counts.
 *  5. Command depends on the input, the number and the command's words only ({%} stays as it is), and is one line. */
#ifndef CLI_JOBLOG_H
#define CLI_JOBLOG_H

#include "finished.h"
#include "job.h"

struct joblog {
    const struct options *o;
    int fd;                   /* -1: there is none */
    struct finished finished; /* with --resume */
};

/* Opens the log named in the options, if one is, and reads it or empties it. 0, or an error after one line on standard
 * error. Nothing is changed for --dry-run. */
int joblog_open(struct joblog *l, const struct options *o);
void joblog_close(struct joblog *l);

/* Whether the job needs no more to be run: 1 or 0. An error after one line on standard error: its command is not what was
 * run, or it cannot be known. */
int joblog_has(struct joblog *l, uint64_t number, const struct item *item);

/* Writes the job's line. 0 or an error. */
int joblog_add(struct joblog *l, const struct job *job);

#endif
