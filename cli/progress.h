/* The status line: how far the run is. Drawn ten times a second at most, and only if something has changed. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "summary.h"

/* Whether there is to be one: standard error is a terminal, and nothing else is in its way. */
bool progress_wanted(const struct options *o);

/* A task: draws until its context ends. arg: const struct summary *. */
int progress_run(sn_ctx *ctx, void *arg);

#endif
