/* Tasks that wait for each other while the rest of the program goes on. */
#ifndef SNI_SCHED_HANG_H
#define SNI_SCHED_HANG_H

#include "sched/rt.h"

/* Looks for tasks that have waited for opts.hang_ns for what only others of their kind could give, and reports those that were
 * not reported before. By the monitor. */
void sni_hang_look(struct sni_rt *rt);

#endif
