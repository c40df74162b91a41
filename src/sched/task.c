/* Task records: a table that grows by slabs and never shrinks in address, so that a stale handle or a late waker always
 * finds a task record where one was. Free records keep their generation and wait sequence. */
#include "sched/task.h"

#include "sched/alloc.h"
#include "sched/park.h"

#include <string.h>

enum { SLAB = 1024, BATCH = 128 }; /* records in a slab; records moved between a worker and the table at once */

#define SLAB_BYTES (SLAB * sizeof(struct sni_task) + 64)

static struct sni_task *slab_task(char *slab, size_t i)
{
    return (struct sni_task *)(((uintptr_t)slab + 63) & ~(uintptr_t)63) + i;
}

/* (tasks.lock) */
static bool add_slab(struct sni_rt *rt)
{
    if (rt->tasks.nslabs == rt->tasks.room) {
        size_t room = rt->tasks.room ? rt->tasks.room * 2 : 16;
        char **slabs = sni_alloc(room * sizeof *slabs);
        if (!slabs)
            return false;
        if (rt->tasks.nslabs)
            memcpy(slabs, rt->tasks.slabs, rt->tasks.nslabs * sizeof *slabs);
        sni_free(rt->tasks.slabs, rt->tasks.room * sizeof *slabs);
        rt->tasks.slabs = slabs;
        rt->tasks.room = room;
    }
    char *slab = sni_alloc(SLAB_BYTES);
    if (!slab)
        return false;
    for (size_t i = SLAB; i-- > 0;) {
        struct sni_task *t = slab_task(slab, i);
        t->rt = rt;
        t->index = (uint32_t)(rt->tasks.nslabs * SLAB + i);
        t->wait.kind = SNI_WAIT_TASK;
        t->wait.seq = 1; /* zero means unarmed */
        t->wait.next = rt->tasks.free ? &rt->tasks.free->wait : NULL;
        rt->tasks.free = t;
    }
    rt->tasks.slabs[rt->tasks.nslabs++] = slab;
    rt->tasks.nfree += SLAB;
    return true;
}

static struct sni_task *next_free(struct sni_task *t)
{
    return t->wait.next ? sni_task_of(t->wait.next) : NULL;
}

/* Takes up to n records; *out is the list. */
static uint32_t take_free(struct sni_rt *rt, uint32_t n, struct sni_task **out)
{
    struct sni_task *list = NULL;
    uint32_t got = 0;

    sni_spin_lock(&rt->tasks.lock);
    while (got < n && (rt->tasks.free || add_slab(rt))) {
        struct sni_task *t = rt->tasks.free;
        rt->tasks.free = next_free(t);
        rt->tasks.nfree--;
        t->wait.next = list ? &list->wait : NULL;
        list = t;
        got++;
    }
    sni_spin_unlock(&rt->tasks.lock);
    *out = list;
    return got;
}

static struct sni_task *take_record(struct sni_rt *rt, struct sni_worker *w)
{
    struct sni_task *t;

    if (!w) {
        (void)take_free(rt, 1, &t);
        return t;
    }
    if (sni_unlikely(!w->own.free) && (w->own.nfree = take_free(rt, BATCH, &w->own.free)) == 0)
        return NULL;
    t = w->own.free;
    w->own.free = next_free(t);
    w->own.nfree--;
    return t;
}

static void give_back_batch(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;

    sni_spin_lock(&rt->tasks.lock);
    for (int i = 0; i < BATCH; i++) {
        struct sni_task *t = w->own.free;
        w->own.free = next_free(t);
        w->own.nfree--;
        t->wait.next = rt->tasks.free ? &rt->tasks.free->wait : NULL;
        rt->tasks.free = t;
        rt->tasks.nfree++;
    }
    sni_spin_unlock(&rt->tasks.lock);
}

static void give_record(struct sni_worker *w, struct sni_task *t)
{
    t->wait.next = w->own.free ? &w->own.free->wait : NULL;
    w->own.free = t;
    if (sni_unlikely(++w->own.nfree >= 4 * BATCH))
        give_back_batch(w);
}

void sni_tasks_destroy(struct sni_rt *rt)
{
    for (size_t i = 0; i < rt->tasks.nslabs; i++)
        sni_free(rt->tasks.slabs[i], SLAB_BYTES);
    sni_free(rt->tasks.slabs, rt->tasks.room * sizeof *rt->tasks.slabs);
}

void sni_task_each(struct sni_rt *rt, void (*fn)(struct sni_task *task, void *arg), void *arg)
{
    for (size_t i = 0; i < rt->tasks.nslabs * SLAB; i++) {
        struct sni_task *t = slab_task(rt->tasks.slabs[i / SLAB], i % SLAB);
        if (sni_load_acq(&t->gen) % 2 == 1) /* pairs with the release in sni_task_spawn */
            fn(t, arg);
    }
}

/* --- start --- */

int sni_task_spawn(struct sni_rt *rt, sn_group *group, sn_ctx *ctx, sn_fn *fn, const void *arg, size_t copy,
                   const char *site, const sn_task_opts *opts)
{
    struct sni_worker *w = sni_self();
    struct sni_task *t;

    if (w && w->own.rt != rt)
        w = NULL;
    if (!(t = take_record(rt, w)))
        return SN_ENOMEM;
    t->arg = (void *)(uintptr_t)arg;
    t->copy_size = copy;
    if (copy) {
        if (!(t->arg = sni_alloc(copy)))
            goto no_memory;
        memcpy(t->arg, arg, copy);
    }
    t->sp = NULL;
    t->fn = fn;
    t->group = group;
    t->wait.ctx = ctx;
    t->site = site;
    t->name = opts ? opts->name : NULL;
    t->cleanups = NULL;
    t->failing = false;
    t->wait.reason = NULL;
    sni_store_rel(&t->gen, t->gen + 1); /* alive: pairs with the acquire in sni_task_each */
    if (!w) {
        sni_add_rlx(&rt->spawned_far, (uint64_t)1);
        sni_inject(rt, t);
        return 0;
    }
    if (sni_deque_push(&w->fresh, t) < 0) {
        sni_store_rel(&t->gen, t->gen + 1);
        goto no_memory;
    }
    sni_store_rlx(&w->own.spawned, w->own.spawned + 1);
    sni_notify(rt);
    return 0;
no_memory:
    if (copy)
        sni_free(t->arg, copy);
    if (w) {
        give_record(w, t);
    } else {
        sni_spin_lock(&rt->tasks.lock);
        t->wait.next = rt->tasks.free ? &rt->tasks.free->wait : NULL;
        rt->tasks.free = t;
        rt->tasks.nfree++;
        sni_spin_unlock(&rt->tasks.lock);
    }
    return SN_ENOMEM;
}

/* --- end --- */

/* The record is free from here on; the caller still runs on the task's stack, if it had one. */
static void finish(struct sni_worker *w, struct sni_task *t, int code)
{
    sn_group *group = t->group;

    sni_ctx_leave(&t->wait);
    if (t->copy_size)
        sni_free(t->arg, t->copy_size);
    sni_store_rel(&t->gen, t->gen + 1); /* dead: pairs with the acquire in sni_task_alive */
    sni_store_rlx(&w->own.ended, w->own.ended + 1);
    give_record(w, t);
    sni_group_leave(group, code);
}

void sni_task_drop(struct sni_task *task, int code)
{
    finish(sni_self(), task, code);
}


static void free_stack(void *top)
{
    sni_stack_put(sni_self(), top);
}

/* Gives the stack back and continues somewhere else, for good. */
static _Noreturn void leave(struct sni_worker *w, char *stack, struct sni_task *to)
{
    w->own.commit = free_stack;
    w->own.commit_arg = stack;
    w->own.current = to;
    sni_san_before(w, NULL, to);
    sni_arch_leave(to->sp);
}

_Noreturn void sni_arch_entry(void *arg)
{
    struct sni_task *t = arg;
    char *stack = t->stack;
    struct sni_worker *w;

    sni_after_switch();
    for (;;) {
        int r = t->fn(t->wait.ctx, t->arg);
        sni_check(t->cleanups == NULL, "task %s returned with a group open or a cleanup pushed", t->site);
        w = sni_self();
        finish(w, t, r);
        struct sni_task *next = sni_pick(w);
        if (next->sp)
            leave(w, stack, next);
        t = next; /* a fresh one: it takes over the stack, and nothing is switched */
        t->stack = stack;
        t->sp = stack;
        w->own.current = t;
    }
}

_Noreturn void sn_fail(int code, const char *why)
{
    struct sni_worker *w = sni_self();

    sni_check(w != NULL, "sn_fail outside a task: %s", why ? why : "");
    struct sni_task *t = w->own.current;
    sni_check(code < 0, "sn_fail with %d, which is no error", code);
    sni_check(!t->failing, "sn_fail inside a cleanup: %s", why ? why : "");
    t->failing = true;
    while (t->cleanups) {
        sn_cleanup *c = t->cleanups;
        t->cleanups = c->sni_next;
        c->sni_fn(c->sni_arg);
    }
    w = sni_self(); /* cleanups may park */
    char *stack = t->stack;
    finish(w, t, code);
    leave(w, stack, &w->own.idle); /* this stack is deep: the next fresh task shall not start here */
}

/* --- what users call --- */

int sn_task_go_at(sn_fn *fn, void *arg, const char *site, const sn_task_opts *opts)
{
    struct sni_rt *rt = sni_rt_self();

    if (!rt)
        return SN_ENOTRUNNING;
    return sn_group_go_at(&rt->detached, fn, arg, 0, site, opts);
}

sn_task sn_task_self(void)
{
    struct sni_worker *w = sni_self();

    return (sn_task){ w ? sni_task_id(w->own.current) : 0 };
}

int sn_task_alive(sn_task task)
{
    struct sni_rt *rt = sni_rt_self();
    uint32_t index = (uint32_t)task.id - 1;
    int r = SN_ESRCH;

    if (!rt || task.id == 0)
        return SN_ESRCH;
    sni_spin_lock(&rt->tasks.lock);
    if (index / SLAB < rt->tasks.nslabs) {
        struct sni_task *t = slab_task(rt->tasks.slabs[index / SLAB], index % SLAB);
        if (sni_load_acq(&t->gen) == (uint32_t)(task.id >> 32)) /* pairs with the release in finish */
            r = 1;
    }
    sni_spin_unlock(&rt->tasks.lock);
    return r;
}

static void commit_requeue(void *arg)
{
    sni_ring_add(sni_self(), arg);
}

void sn_yield(void)
{
    struct sni_worker *w = sni_self();

    if (!w) {
        sni_os_yield();
        return;
    }
    struct sni_task *me = w->own.current;
    struct sni_task *next = sni_pick(w);
    if (next == &w->own.idle && sni_load_rlx(&w->run.tick) % SNI_TICKS != 0)
        return;
    sni_switch(w, me, next, commit_requeue, me);
}

void sn_cleanup_push(sn_cleanup *c, void (*fn)(void *arg), void *arg)
{
    struct sni_worker *w = sni_self();

    if (!w)
        return;
    struct sni_task *t = w->own.current;
    *c = (sn_cleanup){ t->cleanups, fn, arg };
    t->cleanups = c;
}

void sn_cleanup_pop(sn_cleanup *c)
{
    struct sni_worker *w = sni_self();

    if (!w)
        return;
    struct sni_task *t = w->own.current;
    sni_check(t->cleanups == c, "sn_cleanup_pop: not the newest cleanup of its task (or a group was left open)");
    t->cleanups = c->sni_next;
}
