/* The inside of what can be a case of a select by a table of functions: a word and a queue, at the start of semaphores, wait
 * groups, onces, latches, barriers, futures and users' objects.
 *
 *     word = the object's own, from bit 2 up | WAITERS | BUSY
 *
 * Invariants: (1) WAITERS is set exactly if the queue is not empty, but under BUSY. (2) Nobody in the queue could go on, but
 * under BUSY: whoever changes the object serves the queue before it gives the word back. The object's own bits may be
 * changed by others even under BUSY, as far as that makes nobody ready. */
#ifndef SNI_SYNC_WAITABLE_H
#define SNI_SYNC_WAITABLE_H

#include "sennit/waitable.h"
#include "sync/queue.h"

struct sni_waitable {
    uint64_t word;
    struct sni_queue queue;
} __attribute__((may_alias));

_Static_assert(sizeof(struct sni_waitable) == sizeof(sn_waitable), "sn_waitable has the wrong size");

static inline void *sni_waitable_lock(void *object)
{
    (void)sni_word_lock(&((struct sni_waitable *)object)->word);
    return object;
}

/* (BUSY) Lets those go on who are ready, in order. */
void sni_waitable_serve(struct sni_waitable *o, struct sni_wakes *wakes);

/* (BUSY) Lets those go who have become hopeless, wherever they are in line. Others may be ready then. */
void sni_waitable_refuse(struct sni_waitable *o, struct sni_wakes *wakes);

/* Ends BUSY: the last touch of the object. */
void sni_waitable_give(void *object);

/* (BUSY) The object has changed: serves its queue, ends BUSY, and wakes those who go on. */
void sni_waitable_changed(void *object);

/* (BUSY) If the caller can go on at once, it does, with its result in *err; then others may be able to. */
bool sni_waitable_take_now(void *object, const sn_waitable_ops *ops, void *arg, int *err, struct sni_wakes *wakes);

/* (BUSY) Into the queue: a claim that comes after the caller has given the word, in the commit of its park. */
static inline void sni_waitable_push(void *object, struct sni_node *n)
{
    sni_queue_push(&((struct sni_waitable *)object)->queue, n);
}

/* Woken by something else: out of the queue, if still in it. */
void sni_waitable_leave(void *object, struct sni_node *n);

/* Blocks until ready, and takes: for one who is in no select. */
int sni_waitable_park(void *object, const sn_waitable_ops *ops, void *arg, sn_ctx *ctx, struct sni_wait *self,
                      const struct sni_reason *reason);

#endif
