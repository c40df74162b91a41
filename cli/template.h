/* The command's words with their replacement strings. */
#ifndef CLI_TEMPLATE_H
#define CLI_TEMPLATE_H

#include "options.h"

/* A command ready for exec: argv is NULL-ended and points into one block. */
struct command {
    char **argv;
};

/* Builds the command of one job. SN_ENOMEM. */
int template_fill(struct command *out, const struct options *o, const char *input, uint64_t number, int slot);
void template_free(struct command *c);

/* The command as a line that a shell would read back, with a newline; malloc'ed. NULL: no memory. */
char *template_quote(const struct command *c, size_t *size);

#endif
