/* Child processes: start one, wait for its end, send it a signal. UNSTABLE: may change.
 *
 * No shell is involved. A child gets the descriptors named in the options as its 0, 1 and 2, and no others (Sennit's are
 * close-on-exec; keep yours so). Signals that the program ignores or blocks are back to their defaults in it.
 * A child must be waited for by exactly one sn_process_wait. These need a runtime: SN_ENOTRUNNING without one.
 */
#ifndef SENNIT_PROCESS_H
#define SENNIT_PROCESS_H

#include <sennit/select.h>

SN_BEGIN

typedef struct sn_process {
    int pid;
    int sni_pidfd;
} sn_process;

typedef struct sn_process_opts {
    int in;                 /* descriptor for its standard input, plus 1. 0: default /dev/null */
    int out;                /* descriptor for its standard output, plus 1. 0: default the caller's */
    int err;                /* descriptor for its standard error, plus 1. 0: default the caller's */
    bool group;             /* leads a process group of its own, so that sn_process_kill can reach its children too */
    const char *const *env; /* NULL-ended "NAME=value" list. NULL: default the caller's */
} sn_process_opts;

/* How a process ended. */
typedef struct sn_process_status {
    int code;     /* exit code, 0 to 255; -1 if a signal ended it */
    int signal;   /* the signal that ended it, or 0 */
} sn_process_status;

/* Starts argv[0] (looked up in $PATH if it has no slash) with the NULL-ended argv. Holds up the calling worker for the
 * fraction of a millisecond that it takes. SN_ENOENT, SN_EACCES, SN_E2BIG, SN_EAGAIN, SN_ENOMEM, SN_EMFILE, ... */
SN_MUST SN_API int sn_process_start(sn_process *out, const char *const argv[], const sn_process_opts *opts);

/* Blocks until it has ended, reaps it and writes how it ended to *status. Or the context's error: it goes on then and
 * must still be waited for. */
SN_API int sn_process_wait(sn_ctx *ctx, sn_process *process, sn_process_status *status);

/* As a case of a select: chosen when the process has ended; err is 0. It must still be waited for, which then does not
 * block. Not to be used any more once sn_process_wait has returned how it ended. */
SN_API sn_case sn_on_process(const sn_process *process);

/* Sends a signal to the process, or to its whole group if it leads one. 0 also for one that has ended but was not waited
 * for yet: nothing happens then. Before sn_process_wait has returned the number cannot name another process; afterwards a
 * process that is no group leader must not be sent signals. SN_ESRCH if nothing is left there. */
SN_API int sn_process_kill(const sn_process *process, int signal);

SN_END

#endif
