/* Stopping all workers for a moment, to look at their tasks. */
#ifndef SNI_SCHED_HALT_H
#define SNI_SCHED_HALT_H

#include "sched/rt.h"

/* No worker but the caller's own, if it is one, runs any code of a task or of ours until sni_unhalt; those that slept go on
 * sleeping, the others stand in a signal handler. Other threads go on. The caller holds tasks.lock and idle.lock meanwhile;
 * it must not allocate, since one that stands may hold the allocator's lock. False: one did not answer in time (it blocks
 * the signal, or is in a call that cannot be interrupted), so what is parked may go on at any time. */
bool sni_halt(struct sni_rt *rt);
void sni_unhalt(struct sni_rt *rt);

/* While they stand: the worker on whose stack the task is, or NULL. */
const struct sni_worker *sni_halted_in(struct sni_rt *rt, const struct sni_task *task);

/* Some worker runs it, or is just about to. */
bool sni_is_current(struct sni_rt *rt, const struct sni_task *task);

/* The signal is the program's again. */
void sni_halt_end(struct sni_rt *rt);

/* The return addresses less one on a stack, innermost first; returns how many. here: the caller's callers. parked: those of a task
 * that does not run and cannot begin to. */
uint32_t sni_calls_here(void **calls, uint32_t most);
uint32_t sni_calls_parked(const struct sni_task *task, void **calls, uint32_t most);

#endif
