/* A wait: one task or plain thread that may be parked, and how wakers compete for it.
 *
 * `seq` counts the wait's parks. A waiter that is about to park hands (wait, seq) to whatever may wake it; several
 * wakers may race, and exactly one moves seq on (sni_claim). A waker with an old seq fails harmlessly, for ever: seq never
 * goes back, and the memory of a wait is type-stable (it is only reused for waits while its runtime lives).
 *
 * Life of one park, with who does it:
 *
 *     seq = s        waiter: sni_wait_seq, puts (wait, s) into queues, sni_park
 *     seq = s + 1    one waker: sni_claim wrote the result; the waiter still sleeps, its memory may be touched
 *     running        that waker: sni_ready; from here on the waiter's memory is its own again
 */
#ifndef SNI_SCHED_WAIT_H
#define SNI_SCHED_WAIT_H

#include "base/atomic.h"
#include "base/check.h"
#include "base/list.h"
#include "sennit/decl.h"

struct sni_held;
struct sni_rt;

/* Why a wait is parked: static records, for reports. Their functions may be called while others work with the object, or
 * free it: so they look at it only through sni_peek, and believe nothing they see. */
struct sni_reason {
    const char *text;                                               /* "receiving from channel" */
    void (*describe)(const void *object, char *buf, size_t size);   /* says more; NULL: nothing to say */
    const struct sni_wait *(*holder)(const void *object);           /* who alone can end the wait. NULL, or NULL returned:
                                                                     * nobody known. An address, not to be followed */
    const char *holds;                                              /* "held by", with a holder */
};

/* Copies what is there to the extent that it can be read at all. */
bool sni_peek(void *copy, const void *from, size_t size);

/* The same for a text of the user's, which should be static. */
void sni_peek_text(char *copy, size_t size, const char *from);

/* What a person calls a place in the program. */
void sni_symbol(const void *pc, char *buf, size_t size);

/* PINNED: a task that only one worker can run. HOG: one that computed for long when it ran last. Both are queued apart. */
enum { SNI_WAIT_TASK, SNI_WAIT_THREAD, SNI_WAIT_PINNED, SNI_WAIT_HOG };

/* A place in a context's list of waiters: in a wait, for the context of its call, or in a select's case. */
struct sni_ctx_node {
    struct sni_link link;  /* (X) the context's lock */
    struct sni_wait *wait; /* (c) */
    uint64_t armed;        /* (a) the seq of a park that the end of the context may claim; 0: none */
    int32_t index;         /* (c) the result of such a claim; -1: the context's error */
};

/* (c) const after init  (o) owner only  (a) atomic  (k) claimer until ready, then owner  (X) joined->lock */
struct sni_wait {
    uint64_t seq;        /* (a) */
    int32_t result;      /* (k) */
    uint32_t kind;       /* (o) changes between TASK and HOG only */
    struct sni_wait *next; /* (k) link in the claimer's list, then in a run queue */
    sn_ctx *ctx;         /* (o) the task's own context */
    sn_ctx *joined;      /* (o) the context in whose list `node` is, with a reference; NULL: none */
    const struct sni_reason *reason; /* (a) written by the owner, taken back by the claimer: whoever finds it set before and
                                      * after a look at the object has seen one that was there */
    const void *object;  /* (a) the owner's */
    struct sni_held *held; /* (o) locks, if checked: see checks.c */
    int64_t since;       /* (a) the owner's: when it parked, to some 10 ms */
    struct sni_ctx_node node;
};

/* A list of claimed waits that are to be made ready once no lock is held. */
struct sni_wakes {
    struct sni_wait *head, **tail;
};

static inline uint64_t sni_wait_seq(const struct sni_wait *wait)
{
    return sni_load_rlx(&wait->seq); /* only moves while we are parked */
}

/* Competes for the wait's park number `seq`; true for exactly one caller, who must call sni_ready. */
static inline bool sni_claim(struct sni_wait *wait, uint64_t seq, int32_t result)
{
    /* Acquire and release: pairs with the same exchange by losers, and orders the result before what ready publishes. */
    if (sni_load_rlx(&wait->seq) != seq || !sni_cas_acqrel(&wait->seq, &seq, seq + 1))
        return false;
    wait->result = result;
    sni_store_rlx(&wait->reason, (const struct sni_reason *)NULL); /* the object may be gone as soon as we say so */
    return true;
}

/* A place in a list of those who wait for something that must be looked after before the wait is parked, and without the
 * locks of a select's other objects: the end of a task, a descriptor. It may come at any time from then on, so who tells of
 * it claims the wait only if that was armed:
 *
 *     RESTING    the waiter: in the list, not parked yet
 *     ARMED      the waiter's commit, sni_watch_arm
 *     TOLD       sni_watch_tell, under the list's lock: out of the list. Was it ARMED, the wait is claimed; else commit finds
 *                it and claims for itself
 *
 * Who finds TOLD need not take the list's lock: it was the teller's last touch. */
enum { SNI_WATCH_RESTING, SNI_WATCH_ARMED, SNI_WATCH_TOLD };

/* (L) the list's lock */
struct sni_watch {
    struct sni_link link;  /* (L) next NULL: in no list */
    struct sni_wait *wait; /* (c) */
    uint64_t seq;          /* (c) */
    int32_t index;         /* (c) the result of the claim: a select's case; -1: `value` */
    int32_t value;         /* what was told; written before TOLD */
    uint32_t state;        /* (a) */
};

/* In commit. False: it has been told; nothing will come. */
static inline bool sni_watch_arm(struct sni_watch *w)
{
    uint32_t state = SNI_WATCH_RESTING;

    /* Acquire and release: pairs with the same exchange in sni_watch_tell. */
    if (sni_cas_acqrel(&w->state, &state, (uint32_t)SNI_WATCH_ARMED))
        return true;
    (void)sni_load_acq(&w->state); /* it is TOLD for good: as in sni_watch_is_told */
    return false;
}

static inline bool sni_watch_is_told(struct sni_watch *w)
{
    return sni_load_acq(&w->state) == SNI_WATCH_TOLD; /* pairs with the exchange in sni_watch_tell */
}

static inline void sni_wakes_init(struct sni_wakes *wakes)
{
    wakes->head = NULL;
    wakes->tail = &wakes->head;
}

static inline void sni_wakes_add(struct sni_wakes *wakes, struct sni_wait *wait)
{
    wait->next = NULL;
    *wakes->tail = wait;
    wakes->tail = &wait->next;
}

/* (the list's lock) Out of the list; its waiter is told `value`, and claimed if it is parked. */
static inline void sni_watch_tell(struct sni_watch *w, int32_t value, struct sni_wakes *wakes)
{
    struct sni_wait *wait = w->wait;
    uint64_t seq = w->seq;
    int32_t result = w->index < 0 ? value : w->index;
    uint32_t state = sni_load_rlx(&w->state);

    sni_list_remove(&w->link);
    w->value = value;
    while (!sni_cas_acqrel(&w->state, &state, (uint32_t)SNI_WATCH_TOLD)) /* our last touch: pairs with sni_watch_arm */
        ;
    if (state == SNI_WATCH_ARMED && sni_claim(wait, seq, result))
        sni_wakes_add(wakes, wait);
}

/* Makes them ready, in order. */
void sni_wakes_ready(struct sni_wakes *wakes);

#endif
