/* A task's record: 256 bytes, the first cache lines of which a switch touches. */
#ifndef SNI_SCHED_TASK_H
#define SNI_SCHED_TASK_H

#include "sched/wait.h"
#include "sennit/group.h"

#include <stdalign.h>

/* (c) const while the task lives  (o) the task or the worker that runs it */
struct sni_task {
    alignas(64) struct sni_wait wait;
    void *sp;             /* (o) saved stack; NULL: has not run yet */
    char *stack;          /* (o) upper end of its stack */
    sn_fn *fn;            /* (c) */
    void *arg;            /* (c) */
    struct sni_rt *rt;    /* (c) */
    sn_group *group;       /* (c) where its end is counted */
    const char *site;     /* (c) where it was started, "file.c:12 fn" */
    const char *name;     /* (c) or NULL */
    uint32_t index;       /* (c) place in the table of tasks */
    uint32_t gen;         /* (a) odd while alive */
    sn_cleanup *cleanups; /* (o) newest first */
    void (*unrun)(void *arg); /* (c) called instead of fn if it never runs; or NULL */
    size_t copy_size;     /* (c) size of the block at arg that ends with the task; 0: none */
    void *san;            /* (o) what a sanitizer keeps for a stack that does not run */
    struct sni_worker *home; /* (o) pinned: its worker, once it has run */
    uint64_t told;        /* the monitor's: the number of the wait that was last reported as a hang */
    uint8_t found;        /* (o) by sni_check_park */
    bool failing;         /* (o) inside sn_fail */
    bool blocking;        /* (o) inside sn_blocking */
    bool hidden;          /* (o) one of the runtime's own: not in reports, and no part of what is simulated */
    uint8_t watched;      /* (a) 1: somebody may wait for its end; see end.h */
};

_Static_assert(sizeof(struct sni_task) == 256, "a parked task is to cost little more than its stack's page");

#define sni_task_of(w) sni_container((w), struct sni_task, wait)

static inline bool sni_wait_is_task(const struct sni_wait *wait)
{
    return wait->kind != SNI_WAIT_THREAD;
}

extern const struct sni_reason sni_waiting_for_group;

/* Counts the end of a task in its group, with its result. The group may be gone when this returns. */
void sni_group_leave(sn_group *group, int code, const char *why);

/* For a select of who has opened the group. arm: in commit, after watch; false: no task is left. unwatch: something else was
 * chosen; not if it was not armed. */
bool sni_group_is_done(sn_group *group);
void sni_group_watch(sn_group *group, struct sni_wait *wait, uint64_t seq, int32_t index);
bool sni_group_arm(sn_group *group);
void sni_group_unwatch(sn_group *group);

/* The runtime's own group of tasks that nobody waits for: their errors are dropped. init: false, no memory. */
bool sni_group_init_detached(struct sni_rt *rt);
bool sni_group_is_detached(const sn_group *group);

/* Takes a cleanup out of the calling task's list, wherever it is in it. False: it is not. */
bool sni_cleanup_remove(sn_cleanup *cleanup);

/* Starts a task: in `group`, under `ctx`. The task is counted by the caller. */
int sni_task_spawn(struct sni_rt *rt, sn_group *group, sn_ctx *ctx, sn_fn *fn, const void *arg, size_t copy,
                   const char *site, const sn_task_opts *opts);

/* Ends a task that never ran, with `code`. */
void sni_task_drop(struct sni_task *task, int code);

/* What a handle holds; reports show its lower half. */
static inline uint64_t sni_task_id(const struct sni_task *t)
{
    return (uint64_t)t->gen << 32 | (t->index + 1);
}

/* The record that a handle names, dead or alive; NULL: none. Lock-free. */
struct sni_task *sni_task_find(const struct sni_rt *rt, uint64_t id);

/* Whether the task with that handle has not ended; its record may be another's by now. */
static inline bool sni_task_is(const struct sni_task *t, uint64_t id)
{
    return sni_load_acq(&t->gen) == (uint32_t)(id >> 32); /* pairs with the release in finish */
}

/* Whether the record is that of a living task; for who has no handle. */
static inline bool sni_task_is_alive(const struct sni_task *t)
{
    return sni_load_acq(&t->gen) % 2 == 1; /* pairs with the release in sni_task_spawn */
}

/* The living tasks from that index on, until fn answers false; while the caller holds tasks.lock, or all is still; fn must
 * not start or end tasks. And the task whose wait is at an address, NULL: none is; at any time. */
void sni_task_some(struct sni_rt *rt, uint32_t first, bool (*fn)(struct sni_task *task, void *arg), void *arg);
const struct sni_task *sni_task_at(const struct sni_rt *rt, const struct sni_wait *wait);

void sni_tasks_destroy(struct sni_rt *rt);
void sni_tasks_trim(struct sni_rt *rt);

/* The worker rests: the records it has at hand are everybody's. */
void sni_tasks_give_back(struct sni_worker *w);

#endif
