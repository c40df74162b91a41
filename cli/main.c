#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *subcommand = "";

void cli_error(const char *format, ...)
{
    char line[4096];
    int n = snprintf(line, sizeof line, "sennit%s%s: ", *subcommand ? " " : "", subcommand);
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(line + n, sizeof line - (size_t)n, format, ap);
    va_end(ap);
    (void)fprintf(stderr, "%s\n", line); /* stderr is unbuffered: one write, whole lines */
}

static const char help[] =
    "sennit: concurrency for the shell\n"
    "\n"
    "  sennit run [options] command [words] [::: inputs]   run a command once per input, several at a time\n"
    "  sennit run --help                                   its options\n"
    "  sennit --version\n";

int main(int argc, char **argv)
{
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        (void)fputs(help, stdout);
        return 0;
    }
    if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
        (void)puts("sennit 0.1.0");
        return 0;
    }
    if (argc < 2) {
        (void)fputs(help, stderr);
        return CLI_OWN_ERROR;
    }
    if (strcmp(argv[1], "run") == 0) {
        subcommand = "run";
        return run_main(argc - 1, argv + 1);
    }
    cli_error("there is no subcommand '%s'; try 'sennit --help'", argv[1]);
    return CLI_OWN_ERROR;
}
