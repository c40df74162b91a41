/* Where the inputs of the jobs come from. */
#ifndef CLI_INPUT_H
#define CLI_INPUT_H

#include "item.h"
#include "options.h"

struct input {
    const struct options *o;
    int fd;           /* -1: the words after ::: */
    int next_word;
    char *buf;        /* what was read and not yet given out: buf[start .. end) */
    size_t start, end, room;
    bool eof;
    char *text;       /* the item that is being put together */
    size_t n, size, text_room;
};

/* Opens the source: 0, or an error after one line on standard error. */
int input_open(struct input *in, const struct options *o);

/* What the next job is run for in *out, malloc'ed: 1. 0 at the end. An error: of the context, SN_ENOMEM, or of reading
 * (then printed). */
int input_next(sn_ctx *ctx, struct input *in, struct item **out);

/* How many jobs there will be, if that can be known before all have been read; else 0. */
uint64_t input_count(const struct options *o);

void input_close(struct input *in);

#endif
