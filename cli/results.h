/* --results DIR: what each job printed and how it ended, in a directory of its own.
 *
 *     DIR/NUMBER/stdout   its standard output
 *     DIR/NUMBER/stderr   its standard error
 *     DIR/NUMBER/input    its input as it is, each ended by NUL if it has several
 *     DIR/NUMBER/command  the command, as a line for a shell
 *     DIR/NUMBER/status   one line: "exit 3", "signal 9", "timeout", "incomplete", or "error" and why it did not start
 *
 * Names come from numbers, not from inputs, which may hold anything: slashes, dots, nothing, more than a name may be long.
 * The directory appears under its name when it is complete, and takes the place of an older one in one step. */
#ifndef CLI_RESULTS_H
#define CLI_RESULTS_H

#include "job.h"

struct results {
    const struct options *o;
    int dir; /* -1: there are none */
};

/* Makes the directory if one is named in the options. 0, or an error after one line on standard error. */
int results_open(struct results *r, const struct options *o);
int results_save(const struct results *r, const struct job *job);
void results_close(struct results *r);

#endif
