/* The ends of tasks, waited for one by one: a few lists of watches, by the number of the record. A group's tasks are counted
 * by the group, which is cheaper, and does not come here.
 *
 * A task that nobody waits for must not pay: it looks at one flag of its record when it ends. A Dekker pair:
 *
 *     waiter:  watched = 1;  heavy fence;  takes the list's lock, reads gen: moved on? then the task has ended
 *     end:     gen moves on;  light fence;  reads watched: 1? then takes the list's lock and tells who is in the list
 *
 * so at least one of the two sees the other. If both do, the lock orders them: the waiter is in the list before the end comes
 * to look, or it sees gen. The flag is taken back by the end, under the lock and before the record is free: no waiter for the
 * record's next task can have set it by then. One who sets it later still, for a task that has just ended, costs
 * the next task a look at the list. */
#ifndef SNI_SCHED_END_H
#define SNI_SCHED_END_H

#include "base/spin.h"
#include "sched/wait.h"

struct sni_rt;
struct sni_task;

enum { SNI_ENDS = 64 };

struct sni_ends {
    struct sni_spin lock;
    struct sni_link watches; /* (lock) of sni_end_nodes */
};

struct sni_end_node {
    struct sni_watch watch;
    struct sni_task *task; /* (c) */
    uint64_t id;           /* (c) its handle; the record may be another task's by now */
};

void sni_ends_init(struct sni_ends *ends);

/* Into the list: it will be told 0, or has been, if the task has ended. The caller has filled in the rest, and holds no
 * lock: a call to the system. unwatch: out of it, if still in it. */
void sni_end_watch(struct sni_rt *rt, struct sni_end_node *n);
void sni_end_unwatch(struct sni_rt *rt, struct sni_end_node *n);

/* The task with that handle has just ended; its record is not free yet. */
void sni_end_tell(struct sni_rt *rt, struct sni_task *t, uint64_t id);

#endif
