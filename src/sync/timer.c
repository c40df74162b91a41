/* Timers that users hold: a place in a worker's heap of timers (sched/timer.h), and what to do when it is due.
 *
 *     IDLE --- set ---> ARMED --- fire, once ---> IDLE
 *                         |  ^--- fire, periodic
 *                         +------ cancel --------> IDLE
 *
 * all under the timer's lock. A heap lets go of a timer before fire is called: whoever cancels in between waits for those
 * few instructions, and then undoes what fire has done. So there is no such thing as a firing of an earlier setting.
 *
 * The place in the heap stays reserved while ARMED, so that a periodic timer never fails for want of memory. References: the
 * owner's, one while ARMED, one for each call that runs. */
#include "sennit/timer.h"

#include "sched/alloc.h"
#include "sched/park.h"
#include "sched/timer.h"
#include "sennit/error.h"
#include "sennit/task.h"
#include "sennit/time.h"
#include "sennit/waitgroup.h"
#include "sync/chan.h"

enum { IDLE, ARMED };

#define PERIOD_MIN SN_US(1)
#define AGAIN      SN_MS(1) /* a call for which there is no memory is tried again after this long */

struct sn_timer {
    struct sni_spin lock;
    uint32_t state;           /* (L) */
    uint32_t refs;            /* (a) */
    int64_t period;           /* (L) 0: once */
    int64_t due;              /* (L) the moment for which it is set */
    struct sni_timers *heap;  /* (L) while ARMED */
    struct sni_timer timer;   /* while ARMED the heap's */
    sn_time_chan chan;        /* (c) empty if it calls */
    sn_fn *fn;                /* (c) NULL if it sends */
    void *arg;                /* (c) */
    const char *site;         /* (c) */
    sn_waitgroup running;     /* calls */
    uint64_t caller;          /* (a) the task of the last call that began */
};

static void drop(sn_timer *t)
{
    if (sni_sub_acqrel(&t->refs, 1u) != 1) /* release: ours is over; acquire: all others' are */
        return;
    sn_chan_free(t->chan);
    sni_free(t, sizeof *t);
}

/* --- when it is due --- */

/* The end of a call, also by sn_fail. */
static void call_ended(void *arg)
{
    sn_timer *t = arg;

    sn_waitgroup_done(&t->running);
    drop(t);
}

static int call(sn_ctx *ctx, void *arg)
{
    sn_timer *t = arg;
    sn_cleanup cleanup;

    sni_store_rlx(&t->caller, sn_task_self().id); /* read by a call that asks for itself */
    sn_cleanup_push(&cleanup, call_ended, t);
    (void)t->fn(ctx, t->arg);
    sn_cleanup_pop(&cleanup);
    call_ended(t);
    return 0;
}

/* (L) False: there is no memory for the task. */
static bool start_call(sn_timer *t)
{
    if (t->period && sn_waitgroup_count(&t->running) > 0)
        return true;
    sn_waitgroup_add(&t->running, 1);
    sni_add_rlx(&t->refs, 1u); /* we have one while ARMED */
    if (sn_task_go_at(call, t, 0, t->site, NULL) == 0)
        return true;
    sn_waitgroup_done(&t->running);
    (void)sni_sub_acqrel(&t->refs, 1u);
    return false;
}

/* (L) The next moment of a periodic timer: those that have passed by now are left out. */
static int64_t next_due(const sn_timer *t)
{
    int64_t now = sn_now(), next = t->due + t->period;

    return next > now ? next : next + (now - next) / t->period * t->period + t->period;
}

static void arm(sn_timer *t, struct sni_timers *heap, int64_t at);

/* Called by the heap, with no lock held. */
static void fire(void *arg)
{
    sn_timer *t = arg;
    bool done = true;

    sni_spin_lock(&t->lock);
    struct sni_timers *heap = t->heap;
    bool over = sni_timers_are_over(heap);
    if (!over && t->fn)
        done = start_call(t);
    else if (!over)
        (void)sni_chan_try_send(t->chan.sni_raw, &t->due); /* full: the last one was not received yet */
    if (!over && !done) {
        arm(t, heap, sn_now() + AGAIN);
    } else if (!over && t->period) {
        t->due = next_due(t);
        arm(t, heap, t->due);
    } else {
        t->state = IDLE;
        sni_timer_unreserve(heap);
        sni_spin_unlock(&t->lock);
        drop(t);
        return;
    }
    sni_spin_unlock(&t->lock);
}

/* (L) There is a place for it in the heap. */
static void arm(sn_timer *t, struct sni_timers *heap, int64_t at)
{
    t->heap = heap;
    t->state = ARMED;
    t->timer = (struct sni_timer){ .deadline = at, .fn = fire, .arg = t, .again = true };
    sni_timer_add(heap, &t->timer);
}

/* --- setting --- */

/* Takes the lock, and the timer out of its heap. Returns whether something of its last setting was still to come, or has
 * come and was not received; *armed: the reference for ARMED is the caller's now. */
static bool lock_and_cancel(sn_timer *t, bool *armed)
{
    int64_t unreceived;
    bool pending = false;

    *armed = false;
    sni_spin_lock(&t->lock);
    for (uint32_t tries = 0; t->state == ARMED;) {
        if (sni_timer_del(&t->timer)) {
            t->state = IDLE;
            *armed = pending = true;
            break;
        }
        sni_spin_unlock(&t->lock); /* for fire, which is under way */
        sni_spin_pause(&tries);
        sni_spin_lock(&t->lock);
    }
    if (!t->fn && sni_chan_try_recv(t->chan.sni_raw, &unreceived) == 0)
        pending = true;
    return pending;
}

static int set(sn_timer *t, int64_t deadline, int64_t period)
{
    struct sni_rt *rt = sni_rt_self();
    struct sni_timers *heap;
    bool armed, pending;
    int r;

    if (!rt)
        return SN_ENOTRUNNING;
    sni_point("sets %timer", t);
    if ((r = sni_timer_reserve(rt, &heap)) < 0)
        return r;
    pending = lock_and_cancel(t, &armed);
    if (!armed)
        sni_add_rlx(&t->refs, 1u); /* the owner has one */
    t->period = period;
    t->due = deadline;
    arm(t, heap, deadline);
    sni_spin_unlock(&t->lock);
    return pending;
}

static int64_t from_now(int64_t ns)
{
    int64_t now = sn_now();

    return ns > SN_FOREVER - now ? SN_FOREVER : now + ns;
}

int sn_timer_at(sn_timer *t, int64_t deadline)
{
    return set(t, deadline, 0);
}

int sn_timer_after(sn_timer *t, int64_t ns)
{
    return set(t, from_now(ns), 0);
}

int sn_timer_every(sn_timer *t, int64_t ns)
{
    return ns < PERIOD_MIN ? SN_EINVAL : set(t, from_now(ns), ns);
}

bool sn_timer_cancel(sn_timer *t)
{
    bool armed, pending;

    sni_point("cancels %timer", t);
    pending = lock_and_cancel(t, &armed);
    sni_spin_unlock(&t->lock);
    if (armed)
        drop(t);
    return pending;
}

int sn_timer_stop(sn_ctx *ctx, sn_timer *t)
{
    bool pending;
    int r;

    sni_check(sn_task_self().id == 0 || sn_waitgroup_count(&t->running) == 0 || sni_load_rlx(&t->caller) != sn_task_self().id,
              "sn_timer_stop in the timer's own call: it would wait for itself");
    pending = sn_timer_cancel(t);
    r = sn_waitgroup_wait_ctx(ctx, &t->running);
    return r < 0 ? r : pending;
}

/* --- life --- */

static sn_timer *new_timer(void)
{
    sn_timer *t = sni_alloc(sizeof *t);

    if (t)
        t->refs = 1;
    return t;
}

int sn_timer_new(sn_timer **out)
{
    sn_timer *t = new_timer();
    int r;

    if (!t)
        return SN_ENOMEM;
    if ((r = sn_chan_make(&t->chan, 1)) < 0) {
        sni_free(t, sizeof *t);
        return r;
    }
    *out = t;
    return 0;
}

int sn_timer_new_call_at(sn_timer **out, sn_fn *fn, void *arg, const char *site)
{
    sn_timer *t = fn ? new_timer() : NULL;

    if (!t)
        return fn ? SN_ENOMEM : SN_EINVAL;
    t->fn = fn;
    t->arg = arg;
    t->site = site;
    *out = t;
    return 0;
}

sn_time_chan sn_timer_chan(sn_timer *t)
{
    return t->chan;
}

void sn_timer_free(sn_timer *t)
{
    if (!t)
        return;
    (void)sn_timer_cancel(t);
    drop(t);
}
