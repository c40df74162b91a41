/* The command's words with their replacement strings. */
#ifndef CLI_TEMPLATE_H
#define CLI_TEMPLATE_H

#include "item.h"
#include "options.h"

/* A command ready for exec: argv is NULL-ended and points into one block. */
struct command {
    char **argv;
};

/* Builds the command of one job. Slot 0 leaves {%} as it is: for what must not depend on the slot. SN_ENOMEM. */
int template_fill(struct command *out, const struct options *o, const struct item *item, uint64_t number, int slot);
void template_free(struct command *c);

#endif
