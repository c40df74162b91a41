/* Task records: a table that grows by chunks of 4,096 and never shrinks in address, so that a stale handle or a late waker
 * always finds a task record where one was; generations begin elsewhere in each runtime, so that a handle of an earlier
 * one is stale too. Memory goes back to the system 64 records at a time; their generations and wait sequences go on from
 * the highest ones that were there.
 *
 * Invariants, under tasks.lock: (1) a record is in exactly one of: a living task, a worker's free list, its slab's free
 * mask. (2) A slab's bit in `some` is set exactly if its free mask is not 0; a chunk is in rt->tasks.some exactly if `some`
 * is not 0. (3) A record whose rt is NULL is all zero and in its free mask. (4) All records of a slab whose bit in `used` is
 * clear are such, or dead ones that share their page with others. */
#include "sched/task.h"

#include "sched/alloc.h"
#include "sched/fence.h"
#include "sched/mark.h"
#include "sched/park.h"
#include "sched/report.h"

#include <string.h>

enum {
    SLAB = 64,           /* records; four pages of 256-byte ones */
    SLABS = 64,          /* in a chunk */
    CHUNK = SLAB * SLABS,
    BATCH = 128,         /* records moved between a worker and the table at once */
};

#define CHUNK_BYTES (CHUNK * sizeof(struct sni_task))

_Static_assert(SLAB * sizeof(struct sni_task) % 4096 == 0, "a slab is whole pages, where these are of 4 KiB");

struct sni_task_chunk {
    struct sni_task *tasks;      /* (c) */
    struct sni_task_chunk *next; /* (lock) in rt->tasks.some */
    bool listed;                 /* (lock) */
    uint32_t first;              /* (c) index of its first record */
    uint64_t some, used;         /* (lock) a bit per slab */
    uint64_t free[SLABS];        /* (lock) a bit per record */
    uint32_t gen[SLABS];         /* (lock) where fresh records' generations go on */
    uint64_t seq[SLABS];         /* (lock) likewise their waits' sequences */
};

/* (tasks.lock) */
static bool make_room(struct sni_rt *rt)
{
    if (rt->tasks.nchunks < rt->tasks.room)
        return true;
    size_t room = rt->tasks.room ? rt->tasks.room * 2 : 16;
    struct sni_task_chunk **chunks = sni_alloc(room * sizeof *chunks);
    if (!chunks)
        return false;
    if (rt->tasks.nchunks)
        memcpy(chunks, rt->tasks.chunks, rt->tasks.nchunks * sizeof *chunks);
    if (rt->tasks.chunks)
        rt->tasks.old[rt->tasks.nold++] = rt->tasks.chunks; /* sni_task_at may be reading it */
    sni_store_rel(&rt->tasks.chunks, chunks);               /* pairs with the acquire there */
    rt->tasks.room = room;
    return true;
}

static void list_chunk(struct sni_rt *rt, struct sni_task_chunk *c)
{
    if (!c->listed) {
        c->listed = true;
        c->next = rt->tasks.some;
        rt->tasks.some = c;
    }
}

/* (tasks.lock) */
static bool add_chunk(struct sni_rt *rt)
{
    struct sni_task_chunk *c;

    if (!make_room(rt) || !(c = sni_alloc(sizeof *c)))
        return false;
    if (!(c->tasks = sni_os_reserve(CHUNK_BYTES)))
        goto err_chunk;
    if (sni_os_open(c->tasks, CHUNK_BYTES) < 0)
        goto err_tasks;
    sni_san_root((char *)c->tasks, CHUNK_BYTES);
    c->first = (uint32_t)(rt->tasks.nchunks * CHUNK);
    c->some = UINT64_MAX;
    memset(c->free, 0xff, sizeof c->free);
    for (int i = 0; i < SLABS; i++)
        c->gen[i] = rt->tasks.first_gen;
    list_chunk(rt, c);
    rt->tasks.chunks[rt->tasks.nchunks] = c;
    sni_store_rel(&rt->tasks.nchunks, rt->tasks.nchunks + 1); /* pairs with the acquire in sni_task_at */
    return true;
err_tasks:
    sni_os_unreserve(c->tasks, CHUNK_BYTES);
err_chunk:
    sni_free(c, sizeof *c);
    return false;
}

static void init_record(struct sni_rt *rt, struct sni_task_chunk *c, unsigned slab, struct sni_task *t)
{
    t->rt = rt;
    t->index = c->first + (uint32_t)(t - c->tasks);
    t->wait.kind = SNI_WAIT_TASK;
    sni_store_rlx(&t->gen, c->gen[slab]);          /* even: not alive */
    sni_store_rlx(&t->wait.seq, c->seq[slab] + 1); /* zero means unarmed */
}

/* (tasks.lock) */
static struct sni_task *take_one(struct sni_rt *rt)
{
    if (!rt->tasks.some && !add_chunk(rt))
        return NULL;
    struct sni_task_chunk *c = rt->tasks.some;
    unsigned slab = (unsigned)__builtin_ctzll(c->some);
    unsigned bit = (unsigned)__builtin_ctzll(c->free[slab]);
    struct sni_task *t = &c->tasks[slab * SLAB + bit];
    c->free[slab] &= c->free[slab] - 1;
    c->used |= (uint64_t)1 << slab;
    if (!c->free[slab])
        c->some &= ~((uint64_t)1 << slab);
    if (!c->some) {
        rt->tasks.some = c->next;
        c->listed = false;
    }
    /* Written to before it is read: a first read maps the page of zeros, and the write after it then has to take that out
     * of every processor's sight. */
    (void)sni_add_rlx(&t->index, 0);
    if (!t->rt)
        init_record(rt, c, slab, t);
    return t;
}

/* (tasks.lock) */
static void give_one(struct sni_rt *rt, struct sni_task *t)
{
    struct sni_task_chunk *c = rt->tasks.chunks[t->index / CHUNK];
    unsigned slab = t->index % CHUNK / SLAB;

    c->free[slab] |= (uint64_t)1 << t->index % SLAB;
    c->some |= (uint64_t)1 << slab;
    if (c->free[slab] == UINT64_MAX)
        sni_store_rlx(&rt->tasks.idle, 1u);
    list_chunk(rt, c);
}

/* (tasks.lock) Remembers how far the records of a free slab had come. */
static void note_slab(struct sni_task_chunk *c, unsigned slab)
{
    for (unsigned i = 0; i < SLAB; i++) {
        struct sni_task *t = &c->tasks[slab * SLAB + i];
        if (t->gen > c->gen[slab])
            c->gen[slab] = t->gen;
        if (sni_wait_seq(&t->wait) > c->seq[slab])
            c->seq[slab] = sni_wait_seq(&t->wait);
    }
    c->used &= ~((uint64_t)1 << slab);
}

/* (tasks.lock) Gives back the free slabs of a chunk, each run of neighbours at once. */
static void trim_chunk(struct sni_task_chunk *c)
{
    for (unsigned slab = 0, end; slab < SLABS; slab = end + 1) {
        for (end = slab; end < SLABS && (c->used >> end & 1) && c->free[end] == UINT64_MAX; end++)
            note_slab(c, end);
        if (end > slab)
            sni_os_discard(&c->tasks[slab * SLAB], (end - slab) * SLAB * sizeof(struct sni_task));
    }
}

void sni_tasks_trim(struct sni_rt *rt)
{
    if (sni_load_rlx(&rt->tasks.idle) == 0)
        return;
    sni_store_rlx(&rt->tasks.idle, 0u);
    for (size_t i = 0;; i++) { /* the lock is held for one chunk at a time */
        sni_spin_lock(&rt->tasks.lock);
        struct sni_task_chunk *c = i < rt->tasks.nchunks ? rt->tasks.chunks[i] : NULL;
        if (c)
            trim_chunk(c);
        sni_spin_unlock(&rt->tasks.lock);
        if (!c)
            return;
    }
}

void sni_tasks_destroy(struct sni_rt *rt)
{
    for (size_t i = 0; i < rt->tasks.nchunks; i++) {
        struct sni_task_chunk *c = rt->tasks.chunks[i];
        sni_san_unroot((char *)c->tasks, CHUNK_BYTES);
        sni_os_unreserve(c->tasks, CHUNK_BYTES);
        sni_free(c, sizeof *c);
    }
    sni_free(rt->tasks.chunks, rt->tasks.room * sizeof *rt->tasks.chunks);
    for (uint32_t i = 0; i < rt->tasks.nold; i++)
        sni_free(rt->tasks.old[i], ((size_t)16 << i) * sizeof *rt->tasks.chunks);
}

void sni_task_some(struct sni_rt *rt, uint32_t first, bool (*fn)(struct sni_task *task, void *arg), void *arg)
{
    for (size_t i = first / CHUNK; i < rt->tasks.nchunks; i++) {
        struct sni_task_chunk *c = rt->tasks.chunks[i];
        for (unsigned k = i == first / CHUNK ? first % CHUNK : 0; k < CHUNK; k++)
            if ((c->used >> k / SLAB & 1) && sni_task_is_alive(&c->tasks[k]) && !fn(&c->tasks[k], arg))
                return;
    }
}

const struct sni_task *sni_task_at(const struct sni_rt *rt, const struct sni_wait *wait)
{
    size_t n = sni_load_acq(&rt->tasks.nchunks); /* pairs with the release in add_chunk */
    struct sni_task_chunk **chunks = sni_load_acq(&rt->tasks.chunks); /* pairs with the release in make_room: it has those n */

    for (size_t i = 0; i < n; i++) {
        uintptr_t at = (uintptr_t)sni_task_of(wait) - (uintptr_t)chunks[i]->tasks;
        if (at < CHUNK_BYTES)
            return at % sizeof(struct sni_task) == 0 ? &chunks[i]->tasks[at / sizeof(struct sni_task)] : NULL;
    }
    return NULL;
}

struct sni_task *sni_task_find(const struct sni_rt *rt, uint64_t id)
{
    size_t n = sni_load_acq(&rt->tasks.nchunks);                      /* these as in sni_task_at */
    struct sni_task_chunk **chunks = sni_load_acq(&rt->tasks.chunks);
    uint32_t index = (uint32_t)id - 1;

    return index / CHUNK < n ? &chunks[index / CHUNK]->tasks[index % CHUNK] : NULL;
}

/* --- records in the hands of workers --- */

static struct sni_task *next_free(struct sni_task *t)
{
    return t->wait.next ? sni_task_of(t->wait.next) : NULL;
}

static void push_free(struct sni_worker *w, struct sni_task *t)
{
    t->wait.next = w->own.free ? &w->own.free->wait : NULL;
    w->own.free = t;
    w->own.nfree++;
}

static struct sni_task *pop_free(struct sni_worker *w)
{
    struct sni_task *t = w->own.free;

    w->own.free = next_free(t);
    w->own.nfree--;
    return t;
}

static struct sni_task *take_record(struct sni_rt *rt, struct sni_worker *w)
{
    struct sni_task *t;

    if (w && sni_likely(w->own.free != NULL))
        return pop_free(w);
    sni_spin_lock(&rt->tasks.lock);
    if (w)
        for (int i = 1; i < BATCH && (t = take_one(rt)); i++)
            push_free(w, t);
    t = take_one(rt);
    sni_spin_unlock(&rt->tasks.lock);
    return t ? t : w && w->own.free ? pop_free(w) : NULL;
}

/* w: the calling worker, if it is of this runtime. */
static void give_record(struct sni_rt *rt, struct sni_worker *w, struct sni_task *t)
{
    if (w) {
        push_free(w, t);
        if (sni_likely(w->own.nfree < 4 * BATCH))
            return;
    }
    sni_spin_lock(&rt->tasks.lock);
    if (!w)
        give_one(rt, t);
    else
        for (int i = 0; i < BATCH; i++)
            give_one(rt, pop_free(w));
    sni_spin_unlock(&rt->tasks.lock);
}

void sni_tasks_give_back(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;

    sni_spin_lock(&rt->tasks.lock);
    while (w->own.free)
        give_one(rt, pop_free(w));
    sni_spin_unlock(&rt->tasks.lock);
}

/* --- start --- */

int sni_task_spawn(struct sni_rt *rt, sn_group *group, sn_ctx *ctx, sn_fn *fn, const void *arg, size_t copy,
                   const char *site, const sn_task_opts *opts)
{
    struct sni_worker *w = sni_self();
    struct sni_task *t;

    if (w && w->own.rt != rt)
        w = NULL;
    if (!(t = take_record(rt, rt->sim ? NULL : w))) /* numbers in the order of starts: a person reads the trace */
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
    t->wait.ctx = ctx;
    t->cleanups = NULL;
    t->unrun = opts ? opts->sni_unrun : NULL;
    t->failing = t->blocking = false;
    sni_store_rlx(&t->group, group); /* these are looked at from outside at any time; see look.c, hang.c */
    sni_store_rlx(&t->site, site);
    sni_store_rlx(&t->name, opts ? opts->name : NULL);
    sni_store_rlx(&t->hidden, false);
    t->wait.kind = opts && opts->pinned && !rt->sim ? SNI_WAIT_PINNED : SNI_WAIT_TASK;
    t->home = NULL;
    sni_store_rel(&t->gen, t->gen + 1); /* alive: pairs with the acquire in sni_task_is_alive */
    if (!w) {
        (void)sni_add_seq(&rt->visitors, 1u); /* it counts as alive before it is anywhere: that is no deadlock */
        (void)sni_add_seq(&rt->spawned_far, (uint64_t)1);
        sni_inject(rt, t);
        (void)sni_sub_seq(&rt->visitors, 1u);
        return 0;
    }
    sni_store_rlx(&w->own.spawned, w->own.spawned + 1); /* before it can end: see sni_live_tasks */
    if (sni_unlikely(sni_load_rlx(&w->own.flags) & (SNI_STUCK | SNI_SIM))) {
        if (rt->sim)
            sni_sim_note(w, "starts #task", (void *)(uintptr_t)(t->index + 1));
        sni_inject(rt, t); /* who is stuck keeps nothing to itself */
        return 0;
    }
    if (sni_deque_push(&w->fresh, t) < 0) {
        sni_store_rlx(&w->own.spawned, w->own.spawned - 1);
        sni_store_rel(&t->gen, t->gen + 1);
        goto no_memory;
    }
    sni_notify(rt);
    return 0;
no_memory:
    if (copy)
        sni_free(t->arg, copy);
    give_record(rt, w, t);
    return SN_ENOMEM;
}

/* --- end --- */

/* The record is free from here on; the caller still runs on the task's stack, if it had one. */
static void finish(struct sni_worker *w, struct sni_task *t, int code, const char *why)
{
    sn_group *group = t->group;

    sni_ctx_leave(&t->wait);
    if (sni_checks_on())
        sni_check_end(w, t);
    if (sni_unlikely(t->home != NULL))
        w->own.npinned--;
    if (t->copy_size)
        sni_free(t->arg, t->copy_size);
    sni_store_rel(&w->own.current, &w->own.idle); /* none: as in sni_switch */
    uint64_t id = sni_task_id(t);
    sni_store_rel(&t->gen, t->gen + 1); /* dead: pairs with the acquire in sni_task_is */
    sni_fence_light();                  /* pairs with the heavy one in sni_end_watch */
    if (sni_unlikely(sni_load_rlx(&t->watched)))
        sni_end_tell(w->own.rt, t, id);
    sni_store_rel(&w->own.ended, w->own.ended + 1); /* pairs with the acquire in sni_live_tasks */
    give_record(w->own.rt, w->own.rt->sim ? NULL : w, t);
    sni_group_leave(group, code, why);
}

void sni_task_drop(struct sni_task *task, int code)
{
    if (task->unrun)
        task->unrun(task->arg);
    finish(sni_self(), task, code, NULL);
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
    sni_store_rel(&w->own.current, to); /* as in sni_switch */
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
        if (sni_unlikely(t->wait.kind == SNI_WAIT_PINNED)) {
            t->home = sni_self();
            t->home->own.npinned++;
        }
        int r = t->fn(t->wait.ctx, t->arg);
        sni_check(t->cleanups == NULL, "task %s returned with a group open or a cleanup pushed", t->site);
        w = sni_self();
        if (sni_unlikely(w->own.rt->opts.stack_report))
            sni_mark_end(w->own.rt, t);
        finish(w, t, r, NULL);
        struct sni_task *next = sni_pick(w);
        if (next->sp)
            leave(w, stack, next);
        t = next; /* a fresh one: it takes over the stack, and nothing is switched */
        t->stack = stack;
        t->sp = stack;
        sni_store_rel(&w->own.current, t); /* as in sni_switch */
    }
}

_Noreturn void sn_fail(int code, const char *why)
{
    struct sni_worker *w = sni_self();

    sni_check(w != NULL, "sn_fail outside a task: %s", why ? why : "");
    struct sni_task *t = w->own.current;
    sni_check(code < 0, "sn_fail with %d, which is no error", code);
    sni_check(!t->failing, "sn_fail inside a cleanup: %s", why ? why : "");
    sni_check(!t->blocking, "sn_fail inside sn_blocking: %s", why ? why : "");
    t->failing = true;
    while (t->cleanups) {
        sn_cleanup *c = t->cleanups;
        t->cleanups = c->sni_next;
        c->sni_fn(c->sni_arg);
    }
    w = sni_self(); /* cleanups may park */
    char *stack = t->stack;
    if (why && sni_group_is_detached(t->group))
        sni_report_failure(w->own.rt, t, code, why);
    if (sni_unlikely(w->own.rt->opts.stack_report))
        sni_mark_end(w->own.rt, t);
    finish(w, t, code, why);
    leave(w, stack, &w->own.idle); /* this stack is deep: the next fresh task shall not start here */
}

/* --- what users call --- */

int sn_task_go_at(sn_fn *fn, const void *arg, size_t copy, const char *site, const sn_task_opts *opts)
{
    struct sni_rt *rt = sni_rt_self();

    if (!rt)
        return SN_ENOTRUNNING;
    return sn_group_go_at(&rt->detached, fn, arg, copy, site, opts);
}

sn_task sn_task_self(void)
{
    struct sni_worker *w = sni_self();

    return (sn_task){ w ? sni_task_id(w->own.current) : 0 };
}

int sn_task_alive(sn_task task)
{
    struct sni_rt *rt = sni_rt_self();
    const struct sni_task *t = rt ? sni_task_find(rt, task.id) : NULL;

    return t && sni_task_is(t, task.id) ? 1 : SN_ESRCH;
}

static void commit_requeue(void *arg)
{
    struct sni_worker *w = sni_self();

    struct sni_task *t = arg;

    if (sni_unlikely(t->wait.kind != SNI_WAIT_TASK))
        sni_ready_far(&t->wait);
    /* Behind everybody: if there are more tasks than the ring holds, their queue is the inject queue. */
    else if (sni_unlikely(sni_load_rlx(&w->own.rt->inject.n) != 0))
        sni_inject(w->own.rt, t);
    else
        sni_ring_add(w, t);
}

void sn_yield(void)
{
    struct sni_worker *w = sni_self();

    if (!w) {
        sni_os_yield();
        return;
    }
    if (sni_unlikely(sni_load_rlx(&w->own.flags) & SNI_SIM)) {
        sni_sim_yield(w);
        return;
    }
    struct sni_task *me = w->own.current;
    struct sni_task *next = sni_pick(w);
    if (next == &w->own.idle && sni_load_rlx(&w->run.tick) % SNI_TICKS != 0 && sni_load_rlx(&w->own.flags) == 0)
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

bool sni_cleanup_remove(sn_cleanup *c)
{
    sn_cleanup **at = &sni_self()->own.current->cleanups;

    while (*at && *at != c)
        at = &(*at)->sni_next;
    if (!*at)
        return false;
    *at = c->sni_next;
    return true;
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
