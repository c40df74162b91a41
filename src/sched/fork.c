/* fork: the child has one thread, which is no worker, and no runtime runs; it may start one of its own.
 *
 * The parent's runtime stays in the child's memory as it was at that moment, and nobody touches it again. Its descriptors
 * that the kernel shares between both, the poller and its bell, are closed, so that nothing the child does reaches the
 * parent. Locks that are the process's may have been held by threads that do not exist here: they are freed. What they guard
 * is changed by single stores, so that it is whole at any moment. */
#include "sched/fork.h"

#include "base/atomic.h"
#include "os/os.h"

static void forked(void)
{
    sni_worker_forked();
    sni_threads_forked();
    sni_timers_forked();
    sni_clock_forked();
    sni_checks_forked();
    sni_run_forked();
}

void sni_fork_init(void)
{
    static uint32_t done; /* a handler is for the process, and cannot be taken back */

    if (sni_xchg_seq(&done, 1u) == 0)
        sni_os_at_fork(forked);
}
