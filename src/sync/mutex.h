/* The inside of a mutex that a condition variable needs. */
#ifndef SNI_SYNC_MUTEX_H
#define SNI_SYNC_MUTEX_H

#include "sched/wait.h"
#include "sennit/mutex.h"

/* A waiter, in the frame of the function that parks. The first of the queue keeps what concerns all. */
struct sni_mutex_node {
    struct sni_mutex_node *next; /* (BUSY) */
    struct sni_mutex_node *tail; /* (BUSY) first only */
    struct sni_wait *holder;     /* (BUSY) first only; NULL: the mutex is free */
    int64_t until;               /* (BUSY) first only: when nobody may overtake any more */
    uint32_t overtaken;          /* (BUSY) first only: how often it was left free for whoever comes */
    bool awake;                  /* (BUSY) first only: has been woken to look for itself */
    struct sni_wait *wait;       /* (c) */
    uint64_t seq;                /* (BUSY) of the park that a claim is for */
    uint32_t place;              /* (a) enum sni_place */
};

enum sni_place { SNI_NOWHERE, SNI_IN_QUEUE, SNI_OUT, SNI_GRANTED };

/* What a waiter is claimed with: look whether you get it, as the first of the queue; it is yours; lock it, you are in no queue. */
enum { SNI_MUTEX_LOOK = 0, SNI_MUTEX_YOURS = 1, SNI_MUTEX_LOCK = 2 };

/* Without waiting; false: somebody holds it. */
bool sni_mutex_try(sn_mutex *mutex, struct sni_wait *self);

/* A look: out of date at once. */
static inline bool sni_mutex_is_free(const sn_mutex *mutex)
{
    return sni_load_rlx(&mutex->sni_[0]) == 0;
}

/* Unlocks on behalf of its holder, which is parked. */
void sni_mutex_unlock_for(sn_mutex *mutex, struct sni_wait *holder);

/* Puts a node in the queue whose owner is parked already, with `seq`. False: the mutex is free, and nothing was done. */
bool sni_mutex_move_in(sn_mutex *mutex, struct sni_mutex_node *node);

/* The owner of such a node was woken: by a claim with `result`, or by its context, while somebody moves it in or has done so.
 * Waits until it holds the mutex. */
void sni_mutex_take_turn(sn_mutex *mutex, struct sni_mutex_node *node, int result);

/* As sn_mutex_lock, on behalf of a caller at `site`. */
void sni_mutex_lock_at(sn_mutex *mutex, struct sni_wait *self, const void *site);

const struct sni_wait *sni_mutex_holder(const void *mutex);

#endif
