/* The jobs that are to be run: the inputs, numbered, without those that --resume finds finished. */
#ifndef CLI_SOURCE_H
#define CLI_SOURCE_H

#include "input.h"
#include "joblog.h"

struct source {
    struct input in;
    struct joblog *log;
    uint64_t number;  /* of the last input */
    uint64_t skipped; /* how many were finished */
};

/* 0, or an error after one line on standard error. */
int source_open(struct source *s, const struct options *o, struct joblog *log);

/* The next job's inputs in *out, malloc'ed, and its number in s->number: 1. 0 at the end. An error: of the context,
 * SN_ENOMEM, or one that was said. */
int source_next(sn_ctx *ctx, struct source *s, struct item **out);
void source_close(struct source *s);

#endif
