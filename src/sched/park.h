/* Park, claim, ready: the three operations under everything that blocks.
 *
 *     seq = sni_wait_seq(wait);
 *     ... under the object's lock: try; fail; put (wait, seq) into its queue ...
 *     result = sni_park(wait, ctx, &reason, object, unlock, lock);
 *
 * sni_park saves the waiter's context and runs commit(arg) first thing on the *next* context, so that a waker which needs
 * the lock that commit frees cannot find the waiter half saved. commit may not block. To abort, commit claims the wait
 * itself and readies it. The result is what the one successful sni_claim gave, or the context's error.
 *
 * The caller has looked at the context before (sni_ctx_check). While parked, the end of `ctx` may claim the wait; the
 * order that makes this safe is a Dekker pair:
 *
 *     parker, on the next context:  armed = seq;    light fence;  reads ctx's state   (sni_ctx_arm)
 *     canceller:                    state = error;  heavy fence;  reads armed         (claim_waiters)
 *
 * so at least one of the two sees the other. A claimed wait may still be in an object's queue: whoever is woken by
 * something else than the object must take itself out under the object's lock.
 */
#ifndef SNI_SCHED_PARK_H
#define SNI_SCHED_PARK_H

#include "sched/checks.h"
#include "sched/ctx.h"
#include "sched/san.h"
#include "sched/thread.h"
#include "sennit/error.h"

/* --- the ready ring: a bounded FIFO; the owner pushes, everyone takes by moving head --- */

static inline bool sni_ring_push(struct sni_worker *w, struct sni_task *t)
{
    uint32_t tail = sni_load_rlx(&w->run.tail); /* ours */

    if (sni_unlikely(tail - sni_load_acq(&w->run.head) >= SNI_RING)) /* pairs with the cas in take: the slot is free */
        return false;
    sni_store_rlx(&w->run.ring[tail % SNI_RING], t); /* published by tail */
    sni_store_rel(&w->run.tail, tail + 1);           /* pairs with the acquire of tail in take */
    return true;
}

static inline struct sni_task *sni_ring_take(struct sni_worker *w)
{
    for (;;) {
        uint32_t head = sni_load_acq(&w->run.head);  /* pairs with the cas of the taker before us */
        if (head == sni_load_acq(&w->run.tail))      /* pairs with the release in push */
            return NULL;
        struct sni_task *t = sni_load_rlx(&w->run.ring[head % SNI_RING]); /* valid only if the cas succeeds */
        if (sni_cas_acqrel(&w->run.head, &head, head + 1)) /* frees the slot: pairs with push */
            return t;
    }
}

static inline void sni_ring_add(struct sni_worker *w, struct sni_task *t)
{
    if (sni_unlikely(!sni_ring_push(w, t)))
        sni_inject(w->own.rt, t);
    else
        sni_notify(w->own.rt);
}

/* --- the LIFO slot --- */

/* The slot is its owner's, at the price of plain accesses, until the monitor sees the owner stuck in a task and takes what
 * is there. A Dekker pair:
 *
 *     owner:    lifo_busy = 1;   light fence;  reads flags: STUCK? then keeps off, and does without the slot
 *     monitor:  flags |= STUCK;  heavy fence;  reads lifo_busy: 1? then hands off
 *
 * and STUCK goes under idle.lock, which the monitor holds while it takes. */
static sni_inline void sni_lifo_open(struct sni_worker *w)
{
    sni_store_rlx(&w->own.lifo_busy, 1u);
    sni_fence_light(); /* pairs with the heavy one in monitor.c */
}

static sni_inline void sni_lifo_close(struct sni_worker *w)
{
    sni_store_rel(&w->own.lifo_busy, 0u); /* pairs with the acquire in monitor.c */
}

/* --- ready --- */

void sni_ready_far(struct sni_wait *wait);

/* Lets a claimed wait run. Its memory is not ours any more afterwards. */
static inline void sni_ready(struct sni_wait *wait)
{
    struct sni_worker *w = sni_self();
    struct sni_task *t = sni_task_of(wait);

    if (sni_unlikely(!w || wait->kind != SNI_WAIT_TASK || t->rt != w->own.rt)) {
        sni_ready_far(wait);
        return;
    }
    sni_lifo_open(w);
    if (sni_unlikely(sni_load_rlx(&w->own.flags) & (SNI_STUCK | SNI_SIM))) {
        sni_lifo_close(w);
        sni_inject(w->own.rt, t);
        return;
    }
    struct sni_task *displaced = w->own.lifo;
    w->own.lifo = t;
    sni_lifo_close(w);
    if (displaced)
        sni_ring_add(w, displaced);
}

/* The same, behind those that are ready already, where idle workers find it: for a wait that is not the caller's to wait for. */
static inline void sni_ready_behind(struct sni_wait *wait)
{
    struct sni_worker *w = sni_self();
    struct sni_task *t = sni_task_of(wait);

    if (sni_unlikely(!w || wait->kind != SNI_WAIT_TASK || t->rt != w->own.rt))
        sni_ready_far(wait);
    else if (sni_unlikely(sni_load_rlx(&w->own.flags) & (SNI_STUCK | SNI_SIM)))
        sni_inject(w->own.rt, t);
    else
        sni_ring_add(w, t);
}

/* --- spinning --- */

/* Whether others may run while the caller looks what they do. */
static inline bool sni_are_others(const struct sni_worker *w)
{
    return !w || (w->own.rt->nworkers > 1 && !(sni_load_rlx(&w->own.flags) & SNI_SIM));
}

/* Whether the caller's processor has nothing better to do for a moment than that. */
static inline bool sni_may_spin(void)
{
    struct sni_worker *w = sni_self();

    /* Looks, no more: the monitor may be taking what is in the LIFO slot, and thieves the rest. */
    return sni_are_others(w) && (!w || (!sni_load_rlx(&w->own.lifo) && sni_load_rlx(&w->run.head) == sni_load_rlx(&w->run.tail) &&
                                        sni_deque_len(&w->fresh) == 0));
}

static inline void sni_pause_for(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        sni_pause();
}

/* Before parking for what is held: pauses, longer with each round (from 0), while a look is worth it; false then. A critical section
 * is most often shorter than a switch: less than a microsecond in any case, three if there is nothing else to run. */
static inline bool sni_spin_round(uint32_t *round)
{
    uint32_t n = (*round)++;

    if (n >= 7 || (n == 0 && !sni_are_others(sni_self())) || (n == 5 && !sni_may_spin()))
        return false;
    sni_pause_for(1u << n);
    return true;
}

/* --- switching --- */

/* The task in the LIFO slot, if its turn has come; after SNI_LIFO_RUN turns it goes behind those in the ring. */
static sni_inline struct sni_task *sni_pick_lifo(struct sni_worker *w)
{
    struct sni_task *t = w->own.lifo;

    if (t && sni_likely(w->own.lifo_run < SNI_LIFO_RUN)) {
        w->own.lifo_run++;
        w->own.lifo = NULL;
        return t;
    }
    w->own.lifo_run = 0;
    if (t && sni_ring_push(w, t))
        w->own.lifo = NULL;
    return NULL;
}

/* What to run next on this worker; &idle every SNI_TICKS switches, when told to hurry, and when there is nothing. Looks
 * only at memory of the worker's own and takes no lock but idle.lock, since the caller may hold an object's. */
static inline struct sni_task *sni_pick(struct sni_worker *w)
{
    uint32_t tick = sni_load_rlx(&w->run.tick) + 1; /* ours */
    struct sni_task *t;

    sni_store_rlx(&w->run.tick, tick); /* a sample for thieves and the monitor */
    if (sni_unlikely(tick % SNI_TICKS == 0))
        return &w->own.idle;
    sni_lifo_open(w);
    if (sni_unlikely(sni_load_rlx(&w->own.flags) != 0)) {
        sni_lifo_close(w);
        sni_note_hog(w);
        return &w->own.idle; /* where sni_worker_back is called */
    }
    t = sni_pick_lifo(w);
    sni_lifo_close(w);
    if (t)
        return t;
    /* The oldest fresh task must not wait for the ring to become empty. */
    if (tick % SNI_FRESH == 0 && sni_load_rlx(&w->run.head) != sni_load_rlx(&w->run.tail) && /* a look: thieves may take */
        sni_deque_len(&w->fresh) > 0 && (t = sni_deque_steal(&w->fresh)))
        return t;
    if ((t = sni_ring_take(w)) || (t = sni_deque_take(&w->fresh)))
        return t;
    return &w->own.idle;
}

static inline void sni_no_commit(void *arg)
{
    (void)arg;
}

/* First thing on every context that has been switched to. */
static sni_inline void sni_after_switch(void)
{
    struct sni_worker *w = sni_self();

    sni_san_after(w);
    w->own.commit(w->own.commit_arg);
}

/* Leaves `from`, saved, for `to`, or for something else if `to` is fresh and there is no stack. */
static sni_inline void sni_switch(struct sni_worker *w, struct sni_task *from, struct sni_task *to, sni_commit_fn *commit,
                              void *arg)
{
    w->own.commit = commit;
    w->own.commit_arg = arg;
    while (sni_unlikely(!to->sp && !(to->stack = sni_stack_get(w)))) {
        if (sni_stack_wait(w->own.rt, to)) {
            to = sni_pick(w);
        } else { /* it ends unrun, but not here, where the caller may hold an object's lock */
            to->wait.next = w->own.refused;
            w->own.refused = &to->wait;
            to = &w->own.idle;
        }
    }
    if (sni_unlikely(to == from)) { /* there was no stack for what the scheduler wanted to run */
        commit(arg);
        return;
    }
    bool fresh = !to->sp;
    if (fresh)
        to->sp = to->stack; /* has run; the true value comes with its first switch away */
    sni_store_rel(&w->own.current, to); /* pairs with the acquire in monitor.c */
    sni_san_before(w, from, to);
    if (!fresh) {
        sni_arch_switch(&from->sp, to->sp);
    } else {
        sni_arch_start(&from->sp, to->stack, to);
    }
    sni_after_switch();
}

/* --- park --- */

/* A park that the end of a context may claim. It lives in the parked frame, which a claim that comes right after arming
 * may wake while commit still works with it: so the frame waits for `held` to be 0, which is commit's last touch. */
struct sni_armed {
    struct sni_wait *wait;
    uint64_t seq;
    sn_ctx *ctx;
    sni_commit_fn *commit;
    void *arg;
    uint32_t held; /* (a) 1 until commit is through */
};

/* Arms the wait, lets the object go, and gives up if the context ended meanwhile. Runs on the next context. */
static inline void sni_commit_armed(void *p)
{
    struct sni_armed *a = p;
    struct sni_wait *wait = a->wait;
    uint64_t seq = a->seq;

    int err = sni_ctx_arm(a->ctx, &wait->node, seq);
    a->commit(a->arg);
    sni_store_rel(&a->held, 0u); /* pairs with the acquire in sni_await_commit; *a may be gone now */
    if (sni_unlikely(err != 0) && sni_claim(wait, seq, err)) /* a stale seq fails: the wait is type-stable */
        sni_ready(wait);
}

static sni_inline void sni_await_commit(struct sni_armed *a)
{
    while (sni_unlikely(sni_load_acq(&a->held) != 0)) /* pairs with the release in sni_commit_armed */
        sni_spin_wait(&a->held);
}

static sni_inline int32_t sni_park(struct sni_wait *wait, sn_ctx *ctx, const struct sni_reason *reason, const void *object,
                               sni_commit_fn *commit, void *arg)
{
    struct sni_armed armed = { wait, sni_wait_seq(wait), ctx, commit, arg, 1 };

    struct sni_worker *w = sni_self();
    sni_store_rlx(&wait->object, object); /* these for reports; see wait.h */
    if (sni_unlikely(wait->kind == SNI_WAIT_THREAD))
        return sni_park_thread(wait, &armed);
    sni_store_rlx(&wait->since, sni_load_rlx(&w->own.about));
    sni_store_rlx(&wait->reason, reason);
    if (sni_checks_on())
        sni_check_park(w, sni_task_of(wait));
    if (sni_ctx_endless(ctx)) {
        sni_switch(w, sni_task_of(wait), sni_pick(w), commit, arg);
    } else {
        if (sni_unlikely(wait->joined != ctx))
            sni_ctx_join(wait, ctx);
        sni_switch(w, sni_task_of(wait), sni_pick(w), sni_commit_armed, &armed);
        sni_await_commit(&armed);
    }
    if (sni_checks_on())
        sni_check_woken(sni_task_of(wait), reason);
    return wait->result;
}

/* The calling task's or thread's wait; NULL only if a plain thread is out of memory. */
static inline struct sni_wait *sni_wait_self(void)
{
    struct sni_worker *w = sni_self();

    return sni_likely(w != NULL) ? &w->own.current->wait : sni_thread_wait();
}

/* --- scheduling points of a simulation; nothing in any other run --- */

void sni_sim_point(struct sni_worker *w, const char *what, const void *object);
void sni_sim_note(struct sni_worker *w, const char *what, const void *object);
void sni_sim_yield(struct sni_worker *w);

/* At the beginning of a public operation, which it may precede by others' steps: "locks %mutex" is a line of the trace.
 * At the end of one that lets others go on: `what` is NULL. The caller holds no spin lock. */
static sni_inline void sni_point(const char *what, const void *object)
{
    struct sni_worker *w = sni_self();

    if (w && sni_unlikely(sni_load_rlx(&w->own.flags) & SNI_SIM))
        sni_sim_point(w, what, object);
}

/* The caller is simulated, or no task at all: hot operations look once, and do without scheduling points if not. */
static sni_inline bool sni_is_watched(struct sni_worker *w)
{
    return !w || (sni_load_rlx(&w->own.flags) & SNI_SIM);
}

/* The same for operations that begin with the caller's wait. */
static sni_inline struct sni_wait *sni_enter(const char *what, const void *object)
{
    struct sni_worker *w = sni_self();

    if (sni_unlikely(!w))
        return sni_thread_wait();
    if (sni_unlikely(sni_load_rlx(&w->own.flags) & SNI_SIM))
        sni_sim_point(w, what, object);
    return &w->own.current->wait;
}

/* The caller's wait, if nothing about the call is out of the ordinary: a task, not simulated, and locks are not checked. NULL: the
 * caller takes another way, which is a function of its own, so that this one saves no registers. */
static sni_inline struct sni_wait *sni_enter_fast(void)
{
    struct sni_worker *w = sni_self();

    return sni_unlikely(sni_is_watched(w) || sni_checks_on()) ? NULL : &w->own.current->wait;
}

/* A commit that frees a spin lock. */
static inline void sni_commit_unlock(void *lock)
{
    sni_spin_unlock(lock);
}

#endif
