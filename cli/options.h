/* `sennit run`: its options, parsed and checked. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "cli.h"

enum halt { HALT_NEVER, HALT_SOON, HALT_NOW };

struct options {
    int jobs;              /* how many at a time, at least 1 */
    bool ordered;          /* -k */
    bool nul;              /* -0 */
    bool shell;            /* --shell */
    bool dry_run;
    bool summary;
    const char *file;      /* -a; NULL: standard input */
    int64_t timeout;       /* ns; 0: none */
    enum halt halt;
    bool halt_on_success;
    bool halt_percent;
    long halt_count;
    char **command;        /* NULL-ended; the words before ::: */
    int ncommand;
    char **inputs;         /* after :::, or NULL */
    int ninputs;
};

/* 0: go on. 1: --help was printed. SN_EINVAL: one line was printed on standard error. */
int options_parse(struct options *out, int argc, char **argv);

#endif
