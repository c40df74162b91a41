#include "cli.h"

#include <stdarg.h>
#include <stdio.h>

const char *cli_subcommand = "";

void cli_error(const char *format, ...)
{
    char line[4096];
    int n = snprintf(line, sizeof line, "sennit%s%s: ", *cli_subcommand ? " " : "", cli_subcommand);
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(line + n, sizeof line - (size_t)n, format, ap);
    va_end(ap);
    (void)fprintf(stderr, "%s\n", line); /* stderr is unbuffered: one write, whole lines */
}
