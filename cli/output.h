/* What a job prints: kept until the job is over, the last part in memory, what came before in the spool. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "cli.h"

struct output {
    char *buf;
    size_t n, room;
    uint32_t *blocks; /* in the spool, in order */
    size_t nblocks;
};

/* Appends everything that comes out of fd until its end. 0 or an error. */
int output_collect(sn_ctx *ctx, struct output *o, int fd);

/* Appends what is in fd, a pipe in non-blocking mode, at this moment. 1 at its end, 0 if more may come, or an error. */
int output_drain(struct output *o, int fd);

/* Appends n bytes. 0 or an error. */
int output_append(struct output *o, const char *bytes, size_t n);

/* Reads until the end and keeps nothing. */
void output_discard(sn_ctx *ctx, int fd);

/* How many bytes it has. */
uint64_t output_size(const struct output *o);

/* Passes it to `take`, piece by piece in order, until that returns an error. 0 or an error. */
typedef int output_take(void *arg, const char *bytes, size_t n);
int output_each(const struct output *o, output_take *take, void *arg);

void output_free(struct output *o);

#endif
