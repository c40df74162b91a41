/* Reports: the only code that prints. Panic, deadlock, hog, overflow, tasks left over, all that there is. */
#ifndef SNI_SCHED_REPORT_H
#define SNI_SCHED_REPORT_H

#include "sched/rt.h"

/* All workers sleep, since `epoch`, and nothing of ours could wake one. Ends the process if no other thread could, or
 * returns: true if it should be looked at again later. */
bool sni_report_deadlock(struct sni_rt *rt, uint64_t epoch);

/* The same in a simulation, by its one worker: nobody else could wake a task but threads of the program's own. Returns after
 * a while if there may be some. */
void sni_report_simulated_deadlock(struct sni_rt *rt);

/* A worker that is stuck in a task for `ns`. False: it is no longer, or said itself that it would be. */
bool sni_report_hog(struct sni_worker *w, int64_t ns);

/* What somebody else has written; nothing if that is nothing. rt: whose option says where it goes, or NULL. */
struct sni_text;
void sni_report_text(struct sni_rt *rt, const struct sni_text *text);

/* How deep the stacks were. */
void sni_report_stacks(struct sni_rt *rt);

/* What sn_fail said in a task that nobody waits for (NULL: the main task). */
void sni_report_failure(struct sni_rt *rt, const struct sni_task *task, int code, const char *why);

void sni_report_left(struct sni_rt *rt);

/* Tasks that wait for each other: `cyclic` of the n are in circles, and come first. */
struct sni_hang {
    uint32_t *tasks; /* indices */
    uint32_t n, cyclic;
};
void sni_report_hang(struct sni_rt *rt, const struct sni_hang *hang);

/* Everything: all workers and tasks. */
void sni_report_all(struct sni_rt *rt);

/* The fault handler's first part: reports and aborts if addr is in a stack's guard. */
void sni_report_fault(uintptr_t addr);

#endif
