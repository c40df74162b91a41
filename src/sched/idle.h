/* Who sleeps, who searches, and who is woken. */
#ifndef SNI_SCHED_IDLE_H
#define SNI_SCHED_IDLE_H

#include "sched/rt.h"

/* Takes a fair share of the inject queue: returns the first, the others go to our ring. */
struct sni_task *sni_take_injected(struct sni_worker *w);

/* The earliest timer of any worker: one that is busy may not look at its own. */
int64_t sni_first_timer(struct sni_rt *rt);

void sni_stop_searching(struct sni_rt *rt);

/* Returns true for a watcher that nobody woke. */
bool sni_go_to_sleep(struct sni_worker *w);

#endif
