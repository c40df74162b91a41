/* What a run may be told, and by whom it was. Three contexts say it to the jobs: `start` ends: no more jobs and no more
 * tries; `term`: TERM to those that run; `kill`: KILL. A fourth, `output`: nothing is written any more.
 *
 * Ctrl-C ends them one by one; --halt, --deadline and an own error the first, or the first two and a second later the
 * third. */
#ifndef CLI_STOPS_H
#define CLI_STOPS_H

#include "options.h"

typedef sn_chan_of(int) int_chan;

struct stops {
    sn_ctx *start, *term, *kill, *output;
    int_chan signals;
    bool listening;
    sn_chan_unit hurry;   /* a word here: who has got TERM gets KILL a second later */
    int64_t deadline;     /* ns from now; 0: none */
    sn_group watchers;
    _Atomic int broken;   /* the error after which nothing more can be handed on, or 0 */
    _Atomic bool refused; /* the inputs could not be read to their end */
    bool interrupted;     /* written by the task that gets signals, read after it has ended */
    bool expired;         /* the same by the task that waits for the deadline */
};

/* Begins to listen. 0 or an error; stops_close is to be called in any case. */
int stops_open(struct stops *s, const struct options *o, sn_ctx *ctx);

/* Nobody listens any more: `interrupted` and `expired` are final. */
void stops_quiet(struct stops *s);
void stops_close(struct stops *s);

/* TERM to the jobs that run, a second later KILL; no more are started. */
void stops_end_jobs(struct stops *s);

/* The run cannot go on. The first time, that is said: "cannot WHAT: ERROR". */
void stops_break(struct stops *s, const char *what, int error);

/* No more jobs, since the inputs cannot be gone on with, which was said already. Those that run may end. */
void stops_refuse(struct stops *s);

#endif
