/* Which jobs a job log has as finished: for each number how it ended and a hash of its command. A table in pages; a few are
 * in memory, the others in the spool, so that ten million jobs take a megabyte here. */
#ifndef CLI_FINISHED_H
#define CLI_FINISHED_H

#include "cli.h"

#define FINISHED_MOST ((uint64_t)1 << 32) /* the highest number of a job */

enum finished_end { FINISHED_NOT, FINISHED_WELL, FINISHED_BADLY };

struct finished_page;

struct finished {
    struct finished_page *cache; /* by page number, modulo their number */
    uint32_t *blocks;            /* by page number: its block in the spool plus 1; 0: none */
    size_t nblocks;
    uint64_t last;               /* the highest number */
};

/* Keeps how job `number`, from 1 to FINISHED_MOST, ended; the last time counts. 0 or an error. */
int finished_set(struct finished *f, uint64_t number, enum finished_end end, const char *command, size_t size);

/* How it ended, or an error. *same: its command was this one. */
int finished_get(struct finished *f, uint64_t number, const char *command, size_t size, bool *same);

void finished_free(struct finished *f);

#endif
