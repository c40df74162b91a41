/* How deep the tasks' stacks were, by where the tasks were started. Only if the program asks for it. */
#ifndef SNI_SCHED_MARK_H
#define SNI_SCHED_MARK_H

#include "sched/rt.h"

/* The task has ended and is about to leave its stack: its mark is noted, and what lies below the caller is cleaned. */
void sni_mark_end(struct sni_rt *rt, const struct sni_task *task);

/* Cleans a stack that was given back; `low` is the end of its guard. */
void sni_mark_clean(char *low, char *top);

/* Calls fn for each start site, the deepest first. SN_ENOMEM. */
int sni_marks_each(struct sni_rt *rt, void (*fn)(const char *site, uint64_t tasks, size_t bytes, void *arg), void *arg);

void sni_marks_destroy(struct sni_rt *rt);

#endif
