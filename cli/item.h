/* What one job is run for: an input, or with -N or --colsep several, in one block. */
#ifndef CLI_ITEM_H
#define CLI_ITEM_H

#include <stddef.h>
#include <stdint.h>

struct item {
    size_t n;    /* inputs, at least one */
    size_t size; /* bytes of text */
    char text[]; /* each input, ended by NUL */
};

enum { ITEM_SHOWN = 200 };

/* The next input after `input`; item->text is the first. To be called n - 1 times. */
const char *item_next(const char *input);

/* Input `i`: 1 is the first, -1 the last. NULL if there is none. */
const char *item_at(const struct item *item, long i);

/* The inputs with a blank between them; malloc'ed. NULL: no memory. */
char *item_join(const struct item *item);

/* The same for a message, shortened if it is long. Returns `to`. */
const char *item_show(const struct item *item, char to[ITEM_SHOWN]);

#endif
