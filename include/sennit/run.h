/* Running: a program's whole life under sn_run, or sn_start and sn_stop around a part of it.
 *
 * fork: a child has one thread, and in it no runtime runs; the parent goes on as if nothing had happened. A child that was
 * forked by a plain thread may run one of its own, and use whatever no other thread was using at that moment. A child
 * that was forked by a task stands on that task's stack: it may call plain functions, exec and _exit, but neither wait nor
 * return from the task's function. In both, handles of the parent's tasks are stale (SN_ESRCH), and signals that the parent
 * has on channels do again what they did before. To start programs use sn_process_start, which does not fork.
 */
#ifndef SENNIT_RUN_H
#define SENNIT_RUN_H

#include <sennit/decl.h>

SN_BEGIN

typedef enum sn_deadlock {
    SN_DEADLOCK_AUTO = 0, /* fatal under sn_run, once the process has no threads but the workers (which the system must
                           * tell: on Linux in /proc); under sn_start not looked for, since the program's own threads
                           * may wake tasks at any time */
    SN_DEADLOCK_ALWAYS,   /* fatal, other threads or not */
    SN_DEADLOCK_NEVER     /* not looked for */
} sn_deadlock;

typedef struct sn_run_opts {
    int workers;          /* threads that run tasks, 1 to 256. 0: default $SENNIT_WORKERS, else the CPUs that the caller
                           * may run on (sched_setaffinity), or what its control groups' CPU quota is in CPUs, rounded
                           * up, if that is less, but not less than 2 for that reason */
    size_t stack_size;    /* bytes of address space per task, 64 KiB of them a guard. 0: default 256 KiB */
    int64_t grace_ns;     /* how long tasks may go on after the main one has returned. 0: default 1 s */
    sn_deadlock deadlock; /* what to do when nothing can run any more. 0: default SN_DEADLOCK_AUTO */
    uint64_t seed;        /* of sn_random and of every fair choice. 0: default different in each run */
    int spares;           /* most extra threads, up to 256, for when all workers are held up by tasks that block or
                           * compute for more than 10 ms without calling anything that waits. Below 0: none. 0: default 256 */
    bool stack_report;    /* report at the end how deep the stacks were, by where tasks were started: to choose stack_size.
                           * Slows the end of every task down. false: default not, unless $SENNIT_STACKS is set */
    int64_t hog_ns;       /* report a task that holds up its worker for longer. 0: default never */
    int64_t hang_ns;      /* report tasks that have waited for each other for longer (the holder of a mutex, the writer of an
                           * rwmutex, the caller that runs a once, the tasks of a group), while the rest of the program goes on,
                           * and those that wait for what a task held that has ended; also if a context may still end the
                           * wait. Below 0: never. 0: default 1 s */
    bool checks;          /* report orders of locks that can deadlock, and more; see lockorder.h. false: default not, unless
                           * $SENNIT_CHECKS is set or the library was built for debugging */
    int dump_signal;      /* write all workers and tasks (see dump.h) as a report when this signal comes; SIGQUIT, which
                           * Ctrl-\ sends, is customary; none that means a fault, nor SIGURG. 0: default none */
    void (*report)(void *arg, const char *text); /* gets every report, whole; may not wait nor lock anything of
                                                   * Sennit. NULL: default written to stderr */
    void *report_arg;     /* passed to report. NULL: default NULL */
} sn_run_opts;

/* Runs fn(ctx, arg) as the main task and returns when it has: its result, or a negative error of the runtime. The caller
 * becomes worker 0. When the main task has returned, the root context is cancelled and the other tasks are given
 * grace_ns to end; those that have not are reported, with where they were started and what they wait for, and sn_run
 * returns SN_ELEFT (their memory stays allocated). Otherwise all memory has been returned.
 * SN_EINVAL for bad options, a bad $SENNIT_WORKERS, or inside a task; SN_ENOMEM; SN_EBUSY while another runtime of this
 * process runs. */
SN_API int sn_run(sn_fn *fn, void *arg, const sn_run_opts *opts);

/* Starts a runtime beside the program's own threads: from here on they may start tasks. Returns 0, or as sn_run. */
SN_MUST SN_API int sn_start(const sn_run_opts *opts);

/* What other threads do with the runtime (starting tasks, waiting for descriptors, making deadlines) must be over
 * before this is called, and only one thread may call it.
 *
 * Ends it as sn_run does: cancels the root context, waits for the grace time, returns 0 or SN_ELEFT. It can be started
 * again afterwards. SN_ENOTRUNNING if nothing was started; SN_EINVAL inside a task. */
SN_API int sn_stop(void);

/* How many workers the runtime has that the caller belongs to; 0 without one. */
SN_API int sn_run_workers(void);

SN_END

#endif
