/* Timers: a 4-ary heap per worker, under a lock, so that others can fire what a busy worker leaves lying. */
#ifndef SNI_SCHED_TIMER_H
#define SNI_SCHED_TIMER_H

#include "base/spin.h"
#include "sched/wait.h"

struct sni_worker;
struct sni_rt;

struct sni_timer;
struct sni_timer_slot {
    int64_t deadline;
    struct sni_timer *timer;
};

struct sni_timers {
    struct sni_spin lock;
    uint32_t n, room, reserved;   /* (lock) */
    struct sni_timer_slot *slots; /* (lock) the heap: parent of i is (i - 1) / 4 */
    bool over;                    /* (lock) the runtime has ended: fns are called for the last time */
    int64_t first;                /* (a) earliest deadline; INT64_MAX: none. Written under lock */
};

/* A timer, in memory of the caller. When it is due: claims `wait`'s park `seq` with `result`, or, if wait is NULL, calls
 * fn(arg) on some worker, with no lock held. */
struct sni_timer {
    int64_t deadline;
    struct sni_timers *heap; /* (a) where it is; NULL: not added yet, or taken out. Written under the heap's lock */
    uint32_t index;          /* (heap lock) place in the heap */
    int32_t result;
    struct sni_wait *wait;
    uint64_t seq;
    void (*fn)(void *arg);
    void *arg;
    bool again;              /* when it fires its room stays reserved, for fn to add it again or to unreserve */
};

/* Room for one more timer in the heap of the calling worker (a plain thread: of worker 0; a spare: of another, so that
 * there are no more heaps to look at than workers were asked for): after success, one
 * sni_timer_add will not fail. 0 or SN_ENOMEM. Returns the heap in *out. */
int sni_timer_reserve(struct sni_rt *rt, struct sni_timers **out);
void sni_timer_add(struct sni_timers *heap, struct sni_timer *timer);
void sni_timer_unreserve(struct sni_timers *heap); /* none will be added after all */

/* True if the timer was taken out before it was due. False: it has fired, or its fn is about to be called, or it was never
 * added. After it nobody else touches the timer's memory (its fn's argument is the fn's affair). Any thread may call it,
 * also after the end of the runtime. */
bool sni_timer_del(struct sni_timer *timer);

/* Fires what is due in one heap. The caller holds no lock. */
void sni_timers_fire(struct sni_timers *heap, int64_t now);

/* The runtime ends: what is left belongs to contexts that outlive it, whose time nobody keeps any more. Calls their fns. */
void sni_timers_end(struct sni_timers *heap);
bool sni_timers_are_over(struct sni_timers *heap);
void sni_timers_destroy(struct sni_timers *heap);

#endif
