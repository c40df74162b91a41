/* The deque of fresh tasks: its owner pushes and takes at the new end, anyone steals at the old end.
 *
 * Chase and Lev, "Dynamic circular work-stealing deque" (SPAA 2005), in the C11 form of Le, Pop, Cohen and Zappa
 * Nardelli, "Correct and efficient work-stealing for weak memory models" (PPoPP 2013).
 *
 * Invariants: (1) top never goes back. (2) Slots top .. bottom-1 of the current array hold the tasks. (3) Only the owner
 * writes bottom and slots. (4) Who moves top from t to t+1 owns the task in slot t. (5) An outgrown array stays readable
 * until the deque is destroyed: a thief may still look at it.
 */
#ifndef SNI_SCHED_DEQUE_H
#define SNI_SCHED_DEQUE_H

#include "base/atomic.h"

#include <stdalign.h>
#include <stddef.h>

struct sni_task;

struct sni_deque_array {
    struct sni_deque_array *older;
    size_t mask;
    struct sni_task *slots[];
};

struct sni_deque {
    alignas(64) int64_t top;   /* (a) thieves and owner */
    alignas(64) int64_t bottom; /* (a) owner writes */
    struct sni_deque_array *array; /* (a) owner writes */
};

int sni_deque_init(struct sni_deque *d);
void sni_deque_destroy(struct sni_deque *d);
int sni_deque_grow(struct sni_deque *d);

/* Owner: 0 or SN_ENOMEM. */
static inline int sni_deque_push(struct sni_deque *d, struct sni_task *task)
{
    int64_t b = sni_load_rlx(&d->bottom);      /* ours */
    int64_t t = sni_load_acq(&d->top);         /* pairs with the cas in steal: its slot may be overwritten */
    struct sni_deque_array *a = sni_load_rlx(&d->array); /* ours */

    if (__builtin_expect(b - t > (int64_t)a->mask, 0)) {
        int r = sni_deque_grow(d);
        if (r < 0)
            return r;
        a = sni_load_rlx(&d->array);
    }
    sni_store_rlx(&a->slots[(size_t)b & a->mask], task); /* published by bottom */
    sni_store_rel(&d->bottom, b + 1);          /* pairs with the acquire of bottom in steal */
    return 0;
}

/* Owner: the newest, or NULL. */
static inline struct sni_task *sni_deque_take(struct sni_deque *d)
{
    int64_t b = sni_load_rlx(&d->bottom) - 1;  /* ours */
    int64_t t = sni_load_rlx(&d->top);         /* only grows: what looks empty is empty, what looks like the last may be gone */
    struct sni_deque_array *a = sni_load_rlx(&d->array);

    if (b < t)
        return NULL;
    struct sni_task *task = sni_load_rlx(&a->slots[(size_t)b & a->mask]); /* we wrote it */
    if (b == t) /* the last one: take it as a thief would, at the old end, and leave bottom alone; one locked operation */
        return sni_cas_seq(&d->top, &t, t + 1) ? task : NULL;
    sni_store_rel(&d->bottom, b);              /* as in push: a thief that reads this one must see the slots, too */
    sni_fence_seq();                           /* our bottom before our top: with the fence in steal, one of us sees the other */
    t = sni_load_rlx(&d->top);
    if (t < b)
        return task;
    if (t > b || !sni_cas_seq(&d->top, &t, t + 1)) /* thieves have come as far as the last one */
        task = NULL;
    sni_store_rel(&d->bottom, b + 1);          /* likewise */
    return task;
}

/* Anyone: the oldest; NULL if there is none or another thief was faster. */
static inline struct sni_task *sni_deque_steal(struct sni_deque *d)
{
    int64_t t = sni_load_acq(&d->top);         /* pairs with the cas of the thief before us */

    sni_fence_seq();                           /* top before bottom: see the fence in take */
    int64_t b = sni_load_acq(&d->bottom);      /* pairs with the release in push */
    if (t >= b)
        return NULL;
    struct sni_deque_array *a = sni_load_acq(&d->array); /* pairs with the release in grow */
    struct sni_task *task = sni_load_rlx(&a->slots[(size_t)t & a->mask]); /* valid only if the cas succeeds */
    return sni_cas_seq(&d->top, &t, t + 1) ? task : NULL;
}

static inline int64_t sni_deque_len(const struct sni_deque *d)
{
    int64_t n = sni_load_acq(&d->bottom) - sni_load_acq(&d->top); /* a guess */
    return n > 0 ? n : 0;
}

#endif
