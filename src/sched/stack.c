/* Invariants: (1) a stack is in exactly one of: bound to a task, a worker's cache, its slab's `free` mask. (2) A slab is
 * in the list `some` exactly if its mask is not 0. (3) A bit of `dirty` is set if that free stack may hold memory. */
#include "sched/stack.h"

#include "sched/alloc.h"
#include "sched/mark.h"
#include "sched/san.h"
#include "sennit/error.h"

#include <string.h>

enum { PER_SLAB = 64, MOVE = SNI_STACK_CACHE / 2 };

struct sni_stack_slab {
    char *base;                   /* (c) */
    uint64_t free, dirty;         /* (lock) */
    struct sni_stack_slab *next;  /* (lock) in `some` */
    bool listed;                  /* (lock) */
    uint32_t number;              /* (c) */
    uint32_t san[PER_SLAB];       /* (c) each stack's number in a tool that wants to know of it */
};

/* At the upper end of each stack. */
struct top {
    void *san;                    /* a sanitizer's fibre; first, see san.h */
    struct sni_stack_slab *slab;
    uint64_t bit;
};

struct place {
    struct sni_stack_slab *slab;
    unsigned k;
};

_Static_assert(sizeof(struct top) <= SNI_STACK_TOP, "the top must leave the stack aligned");

/* Tops lie at 16 different places in their page: at the same place they would all compete for the same few lines of the
 * caches, and a switch among some hundred tasks costs a quarter more. */
static char *top_of(const struct sni_stacks *s, char *base, size_t k)
{
    return base + (k + 1) * s->size - SNI_STACK_TOP - k % 16 * 64;
}

static size_t slab_bytes(const struct sni_stacks *s)
{
    return s->size * PER_SLAB;
}

void sni_stacks_destroy(struct sni_rt *rt)
{
    struct sni_stacks *s = &rt->stacks;

    for (size_t i = 0; i < s->n; i++) {
        for (size_t k = 0; k < PER_SLAB; k++) {
            sni_san_gone(s->slabs[i]->san[k]);
            sni_san_unroot(s->slabs[i]->base + k * s->size + SNI_STACK_GUARD, s->size - SNI_STACK_GUARD);
        }
        sni_os_unreserve(s->slabs[i]->base, slab_bytes(s));
        sni_free(s->slabs[i], sizeof *s->slabs[i]);
    }
    sni_free(s->slabs, s->room * sizeof(struct sni_stack_slab *));
}

static bool make_room(struct sni_stacks *s)
{
    if (s->n < s->room)
        return true;
    size_t room = s->room ? s->room * 2 : 1024;
    struct sni_stack_slab **slabs = sni_alloc(room * sizeof *slabs);
    if (!slabs)
        return false;
    if (s->n)
        memcpy(slabs, s->slabs, s->n * sizeof *slabs);
    sni_free(s->slabs, s->room * sizeof *slabs);
    s->slabs = slabs;
    s->room = room;
    return true;
}

/* (lock) */
static bool add_slab(struct sni_stacks *s)
{
    struct sni_stack_slab *slab;

    if (!make_room(s) || !(slab = sni_alloc(sizeof *slab)))
        return false;
    slab->base = sni_os_reserve(slab_bytes(s));
    if (!slab->base)
        goto err_slab;
    if (sni_os_open(slab->base, slab_bytes(s)) < 0 || sni_os_guard(slab->base, SNI_STACK_GUARD, s->size, PER_SLAB) < 0)
        goto err_base;
    for (size_t k = 0; k < PER_SLAB; k++) {
        char *low = slab->base + k * s->size + SNI_STACK_GUARD;
        sni_san_root(low, s->size - SNI_STACK_GUARD);
        slab->san[k] = sni_san_carved(low, s->size - SNI_STACK_GUARD);
    }
    slab->free = UINT64_MAX;
    slab->number = (uint32_t)s->n;
    slab->next = s->some;
    slab->listed = true;
    s->some = slab;
    s->slabs[s->n++] = slab;
    return true;
err_base:
    sni_os_unreserve(slab->base, slab_bytes(s));
err_slab:
    sni_free(slab, sizeof *slab);
    return false;
}

/* (lock) Which one: its memory is not touched. False: there is none. */
static bool take_one(struct sni_stacks *s, struct place *out)
{
    if (!s->some && !add_slab(s))
        return false;
    struct sni_stack_slab *slab = s->some;
    unsigned k = (unsigned)__builtin_ctzll(slab->free);
    slab->free &= slab->free - 1;
    if (slab->dirty >> k & 1) {
        slab->dirty &= ~((uint64_t)1 << k);
        sni_store_rlx(&s->dirty, s->dirty - 1);
    }
    if (!slab->free) {
        s->some = slab->next;
        slab->listed = false;
    }
    *out = (struct place){ slab, k };
    return true;
}

int sni_stacks_init(struct sni_rt *rt, size_t size)
{
    rt->stacks.size = size;
    rt->stacks.waiters_end = &rt->stacks.waiters;
    return add_slab(&rt->stacks) ? 0 : SN_ENOMEM;
}

bool sni_stack_wait(struct sni_rt *rt, struct sni_task *task)
{
    struct sni_stacks *s = &rt->stacks;

    sni_spin_lock(&s->lock);
    bool wait = s->out > 0 && s->last_chance != &task->wait;
    s->last_chance = NULL;
    if (wait) {
        task->wait.next = NULL;
        *s->waiters_end = &task->wait;
        s->waiters_end = &task->wait.next;
        sni_store_rlx(&s->waiting, s->waiting + 1);
    }
    sni_spin_unlock(&s->lock);
    if (wait)
        sni_wake_searcher(rt); /* a sleeper may have some at hand */
    return wait;
}

void sni_stack_serve_one(struct sni_rt *rt)
{
    struct sni_stacks *s = &rt->stacks;
    struct sni_wait *first;

    sni_spin_lock(&s->lock);
    if ((first = s->waiters) != NULL) {
        if (!(s->waiters = first->next))
            s->waiters_end = &s->waiters;
        sni_store_rlx(&s->waiting, s->waiting - 1);
    }
    sni_spin_unlock(&s->lock);
    if (first)
        sni_inject(rt, sni_task_of(first));
}

bool sni_stack_last_chance(struct sni_rt *rt)
{
    if (sni_load_rlx(&rt->stacks.waiting) == 0)
        return false;
    sni_spin_lock(&rt->stacks.lock);
    rt->stacks.last_chance = rt->stacks.waiters;
    sni_spin_unlock(&rt->stacks.lock);
    sni_stack_serve_one(rt);
    return true;
}

char *sni_stack_get(struct sni_worker *w)
{
    struct sni_stacks *s = &w->own.rt->stacks;
    struct place places[MOVE];
    uint32_t n = 0;

    if (sni_likely(w->own.nstacks > 0))
        return w->own.stacks[--w->own.nstacks];
    sni_spin_lock(&s->lock);
    while (n < MOVE && take_one(s, &places[n]))
        n++;
    s->out += n;
    sni_spin_unlock(&s->lock);
    /* The first touch of each may take the system a microsecond or more: not under the lock. */
    for (uint32_t i = 0; i < n; i++) {
        char *top = top_of(s, places[i].slab->base, places[i].k);
        ((struct top *)top)->slab = places[i].slab;
        ((struct top *)top)->bit = (uint64_t)1 << places[i].k;
        w->own.stacks[w->own.nstacks++] = top;
    }
    return w->own.nstacks > 0 ? w->own.stacks[--w->own.nstacks] : NULL;
}

/* Gives back the n oldest ones at hand: the newest are warm. */
static void flush(struct sni_worker *w, uint32_t n)
{
    struct sni_stacks *s = &w->own.rt->stacks;

    sni_spin_lock(&s->lock);
    s->out -= n;
    for (uint32_t i = 0; i < n; i++) {
        struct top *top = (struct top *)w->own.stacks[i];
        struct sni_stack_slab *slab = top->slab;
        slab->free |= top->bit;
        slab->dirty |= top->bit;
        sni_store_rlx(&s->dirty, s->dirty + 1);
        if (!slab->listed) {
            slab->listed = true;
            slab->next = s->some;
            s->some = slab;
        }
    }
    sni_spin_unlock(&s->lock);
    w->own.nstacks -= n;
    memmove(w->own.stacks, w->own.stacks + n, w->own.nstacks * sizeof w->own.stacks[0]);
}

void sni_stack_put(struct sni_worker *w, char *top)
{
    char *low = sni_stack_low(&w->own.rt->stacks, top) + SNI_STACK_GUARD;

    sni_san_stack_freed(low, (size_t)(top - low));
    if (sni_unlikely(w->own.rt->opts.stack_report))
        sni_mark_clean(low, top);
    if (sni_unlikely(w->own.nstacks == SNI_STACK_CACHE))
        flush(w, MOVE);
    w->own.stacks[w->own.nstacks++] = top;
    if (sni_unlikely(sni_load_rlx(&w->own.rt->stacks.waiting) != 0))
        sni_stack_serve_one(w->own.rt);
}

void sni_stacks_give_back(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;

    flush(w, w->own.nstacks);
    if (sni_unlikely(sni_load_rlx(&rt->stacks.waiting) != 0))
        sni_stack_serve_one(rt);
}

void sni_stacks_trim(struct sni_rt *rt)
{
    struct sni_stacks *s = &rt->stacks;

    if (SNI_SAN_KEEPS_STACKS)
        return;
    /* One slab at a time under the lock, so that a worker in need of a stack waits for one system call at the most. */
    for (size_t i = 0; sni_load_rlx(&s->dirty) > 0; i++) {
        sni_spin_lock(&s->lock);
        if (i >= s->n) {
            sni_spin_unlock(&s->lock);
            return;
        }
        struct sni_stack_slab *slab = s->slabs[i];
        uint64_t idle = slab->dirty;
        if (slab->free == UINT64_MAX && idle) {
            sni_os_discard(slab->base, slab_bytes(s));
        } else {
            for (uint64_t m = idle; m; m &= m - 1)
                sni_os_discard(slab->base + (size_t)__builtin_ctzll(m) * s->size + SNI_STACK_GUARD,
                               s->size - SNI_STACK_GUARD);
        }
        sni_store_rlx(&s->dirty, s->dirty - (size_t)__builtin_popcountll(idle));
        slab->dirty = 0;
        sni_spin_unlock(&s->lock);
    }
}

char *sni_stack_of_guard(struct sni_rt *rt, uintptr_t addr)
{
    struct sni_stacks *s = &rt->stacks;

    for (size_t i = 0; i < s->n; i++) {
        uintptr_t base = (uintptr_t)s->slabs[i]->base;
        if (addr - base < slab_bytes(s)) {
            uintptr_t offset = addr - base;
            if (offset % s->size >= SNI_STACK_GUARD)
                return NULL;
            return top_of(s, (char *)base, offset / s->size);
        }
    }
    return NULL;
}
