/* A file without a name for what is too much to keep in memory: blocks of one size, reused once they are free. One
 * descriptor serves all jobs, and the file is never larger than what was kept at one time.
 *
 * Any task or thread may call these; they hold up the caller's worker while the file is written or read. */
#ifndef CLI_SPOOL_H
#define CLI_SPOOL_H

#include "cli.h"

enum { SPOOL_BLOCK = 64 * 1024 };

/* The directory of the file: $TMPDIR, or /tmp. */
const char *spool_dir(void);

/* Writes SPOOL_BLOCK bytes to a free block, whose number is in *block. 0, or an error: then nothing is kept. */
int spool_put(const char *bytes, uint32_t *block);

/* Reads a block. It stays until spool_free. */
int spool_get(uint32_t block, char *bytes);

void spool_free(const uint32_t *blocks, size_t n);

/* Closes the file, if there is one. */
void spool_close(void);

#endif
