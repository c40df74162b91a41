#include "cli.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "sennit: concurrency for the shell\n"
    "\n"
    "  sennit run [options] command [words] [::: inputs]   run a command once per input, several at a time\n"
    "  sennit run --help                                   its options\n"
    "  sennit --version\n";

/* Descriptors 0, 1 and 2 that were closed would become something else of ours. */
static void open_missing(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY);
}

int main(int argc, char **argv)
{
    open_missing();
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
        cli_subcommand = "run";
        return run_main(argc - 1, argv + 1);
    }
    cli_error("there is no subcommand '%s'; try 'sennit --help'", argv[1]);
    return CLI_OWN_ERROR;
}
