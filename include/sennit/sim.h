/* Simulation: run a program in virtual time with every choice made by a seed, find the order of steps that breaks it, and
 * replay that order as often as you like. UNSTABLE: may change.
 *
 *     int transfer(sn_ctx *ctx, void *arg);
 *
 *     int r = sn_sim_explore(transfer, NULL, NULL);   // 1: some order fails; it has been printed, with how to replay it
 *
 * A simulated run has one thread. Wherever a task calls a function of Sennit that others could notice, the seed decides who
 * goes on: so any order that the calls could happen in can be had, and the same seed gives the same order, on every machine.
 * All blocking of Sennit counts: channels, select, mutexes and the rest of sync, contexts, sleeping, pipes made by
 * sn_fd_pipe. When every task waits, time jumps to the next timer: a test of an hour's timeouts takes milliseconds. When
 * no timer is left either, it is a deadlock, and is reported. Each step takes 100 ns of virtual time.
 *
 * An unchanged program under sn_run is simulated if $SENNIT_SEED is set: [strategy:]seed, "7" or "pct:7", or
 * seed@choice=which,choice=which,... as reports of sn_sim_explore print it. With $SENNIT_TRACE set every step is printed:
 * when, which task, what it does on which object. sn_start is never simulated.
 *
 * What stays outside: plain variables between two calls (a step goes from one call to the next; call sn_yield where you
 * want another), threads of your own, the system's clock, random numbers other than sn_random, signals, processes, and
 * descriptors that sn_fd_pipe has not made. While a task waits for one of these descriptors time passes as it does outside,
 * and a seed need not give the same order twice.
 */
#ifndef SENNIT_SIM_H
#define SENNIT_SIM_H

#include <sennit/run.h>

SN_BEGIN

/* How choices are made where no schedule is given. */
typedef enum sn_sim_strategy {
    SN_SIM_MIXED = 0, /* sn_sim_explore: the others in turn; a single run: SN_SIM_RANDOM */
    SN_SIM_RANDOM,    /* at each step any of those who are ready, all alike */
    SN_SIM_PCT,       /* by priorities that the seed gives; at a few steps the one that runs is put last. Finds what needs
                       * few switches at the right places, in long runs too (Burckhardt et al., ASPLOS 2010) */
    SN_SIM_ROBIN      /* each in turn, one step at a time */
} sn_sim_strategy;

/* What a run was like; or what exploring has found. */
typedef struct sn_sim_result {
    uint64_t runs;      /* explored: how many, with those for shrinking */
    uint64_t hash;      /* of the order of all steps */
    uint64_t steps;     /* calls of Sennit that were scheduled */
    uint64_t switches;  /* from one task to another */
    int64_t elapsed_ns; /* in virtual time */
    int error;          /* of the run that failed: what it returned; 0: it did not come to that */
    int signal;         /* that ended it (an abort after a panic or an assertion, a fault); SIGKILL: it took too long */
    char plan[512];     /* for $SENNIT_SEED; "" if none failed. A very long one is cut off, and not of use */
} sn_sim_result;

typedef struct sn_sim_opts {
    uint64_t seed;            /* the first; 0: default 1 */
    sn_sim_strategy strategy; /* default SN_SIM_MIXED */
    int changes;              /* of priorities (SN_SIM_PCT). Below 0: none. 0: default 3 */
    int64_t late_ns;          /* how long tasks that are ready may have to wait for the processor: a timer that is due
                               * within that time may come first. Below 0: none. 0: default 100 us */
    uint64_t steps_max;       /* a run with more steps panics. 0: default 1,000,000 */
    bool trace;               /* print every step; also if $SENNIT_TRACE is set. false: default not */
    uint64_t runs;            /* explore: how many seeds. 0: default 1000 */
    int64_t budget_ns;        /* explore: begin no further seed after this time. 0: default no limit */
    int64_t run_max_ns;       /* explore: a run that takes longer fails. 0: default 10 s */
    bool quiet;               /* explore: print nothing about what fails. false: default print it */
    const sn_run_opts *run;   /* as for sn_run, where it applies: stack_size, grace_ns, deadlock, report; workers is only
                               * what sn_run_workers says. SN_DEADLOCK_AUTO takes it that there are no threads of the
                               * program's own where the system does not tell. NULL: default all defaults, and four workers */
    sn_sim_result *result;    /* is filled in. NULL: default nowhere */
} sn_sim_opts;

/* Runs fn(ctx, arg) as the main task, simulated. Blocks until it has ended. Returns as sn_run does; if sn_sim_opts.seed is 0
 * and $SENNIT_SEED is set, as that says. */
SN_API int sn_sim_run(sn_fn *fn, void *arg, const sn_sim_opts *opts);

/* Does so with one seed after the other, each in a child process of its own, until one fails: that returns an error,
 * leaves tasks behind, panics (a deadlock, misuse), fails an assertion, faults, or takes too long. Then looks for a schedule
 * with fewer switches that fails in the same way, and prints, on standard error, its steps and the command that replays it.
 * What the children print is dropped, but for that of the last. Blocks; call it from a plain thread with no other threads
 * about that hold locks, and no runtime.
 *
 * With $SENNIT_SEED set it does the one run that this says, in this process.
 *
 * 0: none failed; 1: one did; SN_EINVAL; SN_EBUSY while a runtime runs; SN_ENOMEM. */
SN_MUST SN_API int sn_sim_explore(sn_fn *fn, void *arg, const sn_sim_opts *opts);

SN_END

#endif
