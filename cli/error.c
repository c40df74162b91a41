#include "cli.h"

#include "quote.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const char *cli_subcommand = "";
void (*cli_error_writer)(const char *line, size_t n);

__attribute__((noinline)) int cli_errno(void)
{
    int now = errno;

    __asm__ volatile("" : "+r"(now) : : "memory"); /* keeps two calls from being merged */
    return now;
}

void cli_error(const char *format, ...)
{
    char line[4096], *text;
    int n = snprintf(line, sizeof line, "sennit%s%s: ", *cli_subcommand ? " " : "", cli_subcommand);
    va_list ap;

    va_start(ap, format);
    bool whole = vasprintf(&text, format, ap) >= 0;
    va_end(ap);
    n += (int)quote_show(line + n, sizeof line - (size_t)n - 1, whole ? text : "out of memory");
    if (whole)
        free(text);
    line[n++] = '\n';
    if (cli_error_writer)
        cli_error_writer(line, (size_t)n);
    else
        (void)fwrite(line, 1, (size_t)n, stderr); /* stderr is unbuffered: one write, whole lines */
}
