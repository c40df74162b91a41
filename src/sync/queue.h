/* What rwmutex, cond, waitgroup, once and sem have in common: a word whose BUSY bit is a spin lock, and queues of waiters.
 *
 * The word holds the object's state, so that the uncontended path is one compare-and-swap. Who wants more sets BUSY, reads
 * and writes the rest of the object, and gives the word its next value by one store, which is its last touch: as soon as
 * another task sees the effect, it may free the object.
 *
 * A waiter's node lies in the frame of the function that parks. Who wakes it claims its wait (park.h); a node that cannot be
 * claimed, since its context ended first, is put out of the queue and told so by `queued`, which is the waker's last touch
 * of it. So a waiter that was woken by its context returns without looking at the object, unless it is still queued. */
#ifndef SNI_SYNC_QUEUE_H
#define SNI_SYNC_QUEUE_H

#include "sched/park.h"

enum { SNI_BUSY = 1, SNI_WAITERS = 2 }; /* bit 0 of every such word; bit 1 of those that waitable.h describes */

/* (k): the claimer's until it readies the wait, then the owner's. */
struct sni_node {
    struct sni_node *next, *prev; /* (BUSY) */
    struct sni_wait *wait;        /* (c) */
    uint64_t seq;                 /* (c) */
    const struct sn_waitable_ops *ops; /* (c) of a node in a waitable's queue */
    void *arg;                    /* (c) the object's: what it waits for */
    int32_t index;                /* (c) what it is claimed with: in a select, the case's */
    int32_t err;                  /* (k) how it went, for a waitable */
    uint32_t queued;              /* (a) 1 while in a queue */
};

/* Zero is an empty queue. The objects that hold one are arrays of uint64_t to their users. */
struct sni_queue {
    struct sni_node *head, *tail; /* (BUSY) */
} __attribute__((may_alias));

/* Sets BUSY; returns the word without it. */
static inline uint64_t sni_word_lock(uint64_t *word)
{
    uint64_t w = sni_load_rlx(word);

    for (uint32_t tries = 0;;) {
        if (w & SNI_BUSY) {
            sni_spin_pause(&tries);
            w = sni_load_rlx(word);
        } else if (sni_cas_acqrel(word, &w, w | SNI_BUSY)) { /* acquire: pairs with the release in sni_word_give */
            return w;
        }
    }
}

/* Ends BUSY; `w` has it not. The last touch of the object. */
static inline void sni_word_give(uint64_t *word, uint64_t w)
{
    sni_store_rel(word, w); /* pairs with the acquire in sni_word_lock and in the fast paths */
}

static inline void sni_queue_push(struct sni_queue *q, struct sni_node *n)
{
    n->next = NULL;
    n->prev = q->tail;
    if (q->tail)
        q->tail->next = n;
    else
        q->head = n;
    q->tail = n;
    sni_store_rlx(&n->queued, 1u); /* ours; others write it under BUSY */
}

static inline void sni_queue_remove(struct sni_queue *q, struct sni_node *n)
{
    if (n->prev)
        n->prev->next = n->next;
    else
        q->head = n->next;
    if (n->next)
        n->next->prev = n->prev;
    else
        q->tail = n->prev;
}

/* Takes a waiter out and claims it with `result`, or puts it out for good: NULL then. */
static inline struct sni_wait *sni_queue_claim_node(struct sni_queue *q, struct sni_node *n, int32_t result)
{
    struct sni_wait *wait = n->wait;

    sni_queue_remove(q, n);
    if (sni_claim(wait, n->seq, result))
        return wait;
    sni_store_rel(&n->queued, 0u); /* our last touch: pairs with the acquire in sni_is_queued */
    return NULL;
}

/* The same for the first waiter; NULL also if there is none. */
static inline struct sni_wait *sni_queue_claim_as(struct sni_queue *q, int32_t result)
{
    return q->head ? sni_queue_claim_node(q, q->head, result) : NULL;
}

/* The same with what it is queued for: the result of a park is 0 then, that of a select the case. */
static inline struct sni_wait *sni_queue_claim(struct sni_queue *q)
{
    return q->head ? sni_queue_claim_node(q, q->head, q->head->index) : NULL;
}

/* Claims all of them into `wakes`; returns how many. */
static inline uint32_t sni_queue_claim_all(struct sni_queue *q, struct sni_wakes *wakes)
{
    struct sni_wait *wait;
    uint32_t n = 0;

    while (q->head)
        if ((wait = sni_queue_claim(q)) != NULL) {
            sni_wakes_add(wakes, wait);
            n++;
        }
    return n;
}

/* Asked by the waiter whose context has ended. True: it must take itself out, under BUSY, if it still is in then. */
static inline bool sni_is_queued(struct sni_node *n)
{
    return sni_load_acq(&n->queued) != 0; /* pairs with the release in sni_queue_claim */
}

/* A commit that gives a word its value. */
struct sni_giving {
    uint64_t *word, value;
};

static inline void sni_commit_give(void *p)
{
    struct sni_giving *g = p;

    sni_word_give(g->word, g->value); /* from here on we may be woken, and *g be gone */
}

/* (BUSY) Queues the caller and parks it; the word gets `value` on the next context. 0 if it was woken by a claim; else
 * ctx's error, and `*n` may still be queued. */
static inline int sni_queue_park(struct sni_queue *q, struct sni_node *n, struct sni_wait *self, sn_ctx *ctx,
                                 const struct sni_reason *reason, const void *object, uint64_t *word, uint64_t value)
{
    struct sni_giving giving = { word, value };

    n->wait = self;
    n->seq = sni_wait_seq(self);
    sni_queue_push(q, n);
    return sni_park(self, ctx, reason, object, sni_commit_give, &giving);
}

/* The caller's wait; a plain thread needs memory for one, once. */
static inline struct sni_wait *sni_wait_or_panic(const char *function)
{
    struct sni_wait *self = sni_wait_self();

    sni_check(self != NULL, "%s: no memory for this thread's record", function);
    return self;
}

/* What every function begins with that cannot fail: the caller's wait, for which a plain thread needs memory, once. */
static sni_inline struct sni_wait *sni_enter_or_panic(const char *function, const char *what, const void *object)
{
    struct sni_wait *self = sni_enter(what, object);

    sni_check(self != NULL, "%s: no memory for this thread's record", function);
    return self;
}

/* What every function with a context begins with: its context and its wait, or an error. */
static sni_inline int sni_begin(sn_ctx **ctx, struct sni_wait **self, const char *what, const void *object)
{
    if (sni_unlikely(!(*self = sni_enter(what, object))))
        return SN_ENOMEM;
    *ctx = sni_ctx_resolve(*ctx, *self);
    return sni_ctx_check(*ctx);
}

#endif
