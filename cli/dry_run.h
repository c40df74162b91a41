/* --dry-run: the commands, one a line, that a shell reads back. */
#ifndef CLI_DRY_RUN_H
#define CLI_DRY_RUN_H

#include "source.h"

/* Returns the exit code. */
int dry_run(const struct options *o, struct source *source);

#endif
