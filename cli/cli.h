/* The sennit command: what its files share. */
#ifndef CLI_H
#define CLI_H

#include <sennit.h>

enum { CLI_DEADLINE = 124, CLI_INTERRUPTED = 130, CLI_OWN_ERROR = 255 };

/* What errors are said to come from: "run", or "" before a subcommand is known. */
extern const char *cli_subcommand;

/* One clear line on standard error, "sennit run: ...". Whatever a terminal should not get is escaped. */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* errno of the thread that runs now. A task may go on on another thread after any call that can wait, and a compiler that
 * sees errno itself keeps the address that it had before: so nobody else reads it. */
int cli_errno(void);

/* Writes a line of cli_error, which ends with a newline. NULL: straight to standard error. */
extern void (*cli_error_writer)(const char *line, size_t n);

/* Subcommands; argv[0] is the subcommand's name. They return the exit code. */
int run_main(int argc, char **argv);

#endif
