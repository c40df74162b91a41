/* Reports: the only code that prints. Panic, deadlock, overflow, tasks left over. */
#ifndef SNI_SCHED_REPORT_H
#define SNI_SCHED_REPORT_H

#include "sched/rt.h"

/* Nothing can run and nothing is left that could change it. Ends the process, or returns if that is not for us to say. */
void sni_report_deadlock(struct sni_rt *rt);
void sni_report_left(struct sni_rt *rt);

/* The fault handler's first part: reports and aborts if addr is in a stack's guard. */
void sni_report_fault(uintptr_t addr);

#endif
