/* The ends of tasks: see end.h. */
#include "sched/end.h"

#include "sched/fence.h"
#include "sched/park.h"
#include "sennit/error.h"

#include <stdio.h>

void sni_ends_init(struct sni_ends *ends)
{
    for (int i = 0; i < SNI_ENDS; i++)
        sni_list_init(&ends[i].watches);
}

static struct sni_ends *ends_of(struct sni_rt *rt, uint64_t id)
{
    return &rt->ends[(uint32_t)id % SNI_ENDS];
}

/* Announces a waiter. False: the task has ended, and nothing was touched. Under the table's lock, for else the record might
 * have been given back to the system meanwhile, and is to stay zero. */
static bool announce(struct sni_rt *rt, struct sni_task *t, uint64_t id)
{
    sni_spin_lock(&rt->tasks.lock);
    bool alive = sni_task_is(t, id);
    if (alive)
        sni_store_rlx(&t->watched, (uint8_t)1); /* ordered by the fence */
    sni_spin_unlock(&rt->tasks.lock);
    if (alive)
        sni_fence_heavy(); /* pairs with the light one in finish */
    return alive;
}

/* Into the list, whose lock is held then; NULL: the task has ended. */
static struct sni_ends *enlist(struct sni_rt *rt, struct sni_end_node *n)
{
    struct sni_ends *ends = ends_of(rt, n->id);

    if (!announce(rt, n->task, n->id))
        return NULL;
    sni_spin_lock(&ends->lock);
    if (!sni_task_is(n->task, n->id)) {
        sni_spin_unlock(&ends->lock);
        return NULL;
    }
    sni_list_append(&ends->watches, &n->watch.link);
    return ends;
}

void sni_end_watch(struct sni_rt *rt, struct sni_end_node *n)
{
    struct sni_ends *ends = enlist(rt, n);

    if (ends)
        sni_spin_unlock(&ends->lock);
    else
        n->watch.state = SNI_WATCH_TOLD; /* nobody else knows of it */
}

void sni_end_unwatch(struct sni_rt *rt, struct sni_end_node *n)
{
    struct sni_ends *ends = ends_of(rt, n->id);

    if (sni_watch_is_told(&n->watch))
        return;
    sni_spin_lock(&ends->lock);
    if (n->watch.link.next)
        sni_list_remove(&n->watch.link);
    sni_spin_unlock(&ends->lock);
}

void sni_end_tell(struct sni_rt *rt, struct sni_task *t, uint64_t id)
{
    struct sni_ends *ends = ends_of(rt, id);
    struct sni_link *next;
    struct sni_wakes wakes;

    sni_wakes_init(&wakes);
    sni_spin_lock(&ends->lock);
    sni_store_rlx(&t->watched, (uint8_t)0);
    for (struct sni_link *l = ends->watches.next; l != &ends->watches; l = next) {
        struct sni_end_node *n = sni_container(l, struct sni_end_node, watch.link);
        next = l->next;
        if (n->id == id)
            sni_watch_tell(&n->watch, 0, &wakes);
    }
    sni_spin_unlock(&ends->lock);
    sni_wakes_ready(&wakes);
}

/* --- what users call --- */

static void describe(const void *object, char *buf, size_t size)
{
    struct sni_end_node n;

    if (sni_peek(&n, object, sizeof n))
        (void)snprintf(buf, size, "%u", (uint32_t)n.id);
}

static const struct sni_reason waiting_for_end = { "waiting for the end of task", describe, NULL, NULL };

int sn_task_wait(sn_ctx *ctx, sn_task task)
{
    struct sni_rt *rt = sni_rt_self();
    struct sni_wait *self = sni_enter("waits for #task", (const void *)(uintptr_t)(uint32_t)task.id);
    struct sni_ends *ends;
    int r;

    if (!self)
        return SN_ENOMEM;
    ctx = sni_ctx_resolve(ctx, self);
    if ((r = sni_ctx_check(ctx)) != 0 || sn_task_alive(task) != 1)
        return r;
    struct sni_end_node me = { .watch = { .wait = self, .seq = sni_wait_seq(self), .index = -1, .state = SNI_WATCH_ARMED },
                               .task = sni_task_find(rt, task.id), .id = task.id };
    if (!(ends = enlist(rt, &me)))
        return 0;
    r = sni_park(self, ctx, &waiting_for_end, &me, sni_commit_unlock, &ends->lock);
    sni_end_unwatch(rt, &me);
    return r;
}

sn_case sn_on_task(sn_task task)
{
    return sni_case_task(task.id);
}
