/* A worker's halt.state:
 *
 *     RUNNING --- who looks ---> ASKED --- it, in the handler ---> HALTING --- it ---> HALTED --- who looks ---> RUNNING
 *                     ASKED or HALTING --- who looks, tired of waiting ---> RUNNING
 *
 * Who looks holds rt->halt.lock from before ASKED until after RUNNING, and idle.lock, without which no sleeper comes back and
 * no new worker goes on. HALTED is stored with release after what the worker has noted of itself, and read with acquire; the
 * other way round RUNNING.
 *
 * A task's stack is at rest if the task has been saved and no worker stands on that stack; `current` alone does not tell, since it
 * changes a moment before the stacks do. */
#include "sched/halt.h"

#include "sched/park.h"
#include "sennit/time.h"

#include <unwind.h>

enum { RUNNING, ASKED, HALTING, HALTED };
enum { PATIENCE_NS = 200000000 };
#define DEAF_NS 5000000000 /* who did not answer is not asked again for so long: others stand still meanwhile */

/* --- calls --- */

struct calls {
    void **pcs;
    uint32_t n, most;
    uintptr_t from;    /* they begin with this pc; 0: with the caller of `after` */
    uintptr_t after;
    bool on;
};

static _Unwind_Reason_Code note(struct _Unwind_Context *context, void *arg)
{
    struct calls *c = arg;
    int exact = 0;
    uintptr_t pc = (uintptr_t)_Unwind_GetIPInfo(context, &exact);

    if (pc == 0 || c->n == c->most)
        return _URC_END_OF_STACK;
    uintptr_t fn = (uintptr_t)_Unwind_FindEnclosingFunction((void *)(exact ? pc : pc - 1));
    if (fn == (uintptr_t)sni_arch_entry)
        return _URC_END_OF_STACK; /* below are we, not the program */
    if (!c->on) {
        c->on = c->from ? pc == c->from : fn == c->after;
        if (!c->on || !c->from)
            return _URC_NO_REASON;
    }
    c->pcs[c->n++] = (void *)(exact ? pc : pc - 1);
    return _URC_NO_REASON;
}

static __attribute__((noinline)) void unwind(void *arg)
{
    (void)_Unwind_Backtrace(note, arg);
    __asm__ volatile("" : : : "memory"); /* no tail call: the caller has a frame */
}

uint32_t sni_calls_here(void **calls, uint32_t most)
{
    struct calls c = { .pcs = calls, .most = most, .from = (uintptr_t)__builtin_return_address(0) };

    unwind(&c);
    return c.n;
}

uint32_t sni_calls_parked(const struct sni_task *t, void **calls, uint32_t most)
{
    struct calls c = { .pcs = calls, .most = most, .after = (uintptr_t)sni_arch_call_at };

    if (!SNI_ARCH_CAN_CALL_AT || !t->sp || t->sp == t->stack) /* has not run, or has only just been given a stack */
        return 0;
    sni_arch_call_at(t->sp, unwind, &c);
    return c.n;
}

/* --- halting --- */

/* In a signal handler, on any thread. */
static void on_halt(void *arg, uintptr_t pc, uintptr_t sp)
{
    struct sni_worker *w = sni_self();
    uint32_t asked = ASKED;

    (void)arg;
    if (!w || !sni_cas_acqrel(&w->halt.state, &asked, (uint32_t)HALTING))
        return;
    struct calls c = { .pcs = w->halt.calls, .most = SNI_CALLS, .from = pc };
    unwind(&c);
    w->halt.ncalls = c.n;
    w->halt.sp = sp;
    uint32_t halting = HALTING;
    if (!sni_cas_acqrel(&w->halt.state, &halting, (uint32_t)HALTED)) /* pairs with the acquire in await */
        return; /* it took too long */
    sni_os_futex_wake(&w->halt.state);
    while (sni_load_acq(&w->halt.state) == HALTED) /* pairs with the release in sni_unhalt */
        (void)sni_os_futex_wait(&w->halt.state, HALTED, INT64_MAX);
}

static bool await(struct sni_worker *w, int64_t deadline)
{
    uint32_t s;

    while ((s = sni_load_acq(&w->halt.state)) != HALTED) { /* pairs with the release in on_halt */
        if (sni_os_clock() >= deadline && sni_cas_acqrel(&w->halt.state, &s, (uint32_t)RUNNING)) {
            w->halt.deaf_until = sni_os_clock() + DEAF_NS;
            return false;
        }
        (void)sni_os_futex_wait(&w->halt.state, s, deadline);
    }
    return true;
}

static void stand(struct sni_worker *w)
{
    w->halt.sp = (uintptr_t)__builtin_frame_address(0);
    w->halt.ncalls = sni_calls_here(w->halt.calls, SNI_CALLS);
}

bool sni_halt(struct sni_rt *rt)
{
    int64_t deadline = sni_os_clock() + PATIENCE_NS;
    struct sni_worker *self = sni_self();
    bool all = true;

    sni_spin_lock(&rt->halt.lock);
    if (!rt->halt.installed) {
        void *warm[1];
        (void)sni_calls_here(warm, 1); /* what an unwinder does at its first use it shall not do in a handler */
        rt->halt.installed = sni_os_handle(SNI_OS_HALT, 0, on_halt, rt) == 0;
    }
    sni_spin_lock(&rt->tasks.lock);
    sni_spin_lock(&rt->idle.lock);
    for (int i = 0; i < sni_started(rt); i++) {
        struct sni_worker *w = &rt->workers[i];
        uint32_t id = sni_load_rlx(&w->thread_id); /* 0: stands still before it runs anything, for want of idle.lock */
        if (w == self) {
            stand(w);
        } else if (id != 0 && sni_load_rlx(&w->sleep) == SNI_AWAKE && sni_os_clock() < w->halt.deaf_until) {
            all = false;
        } else if (rt->halt.installed && sni_load_rlx(&w->sleep) == SNI_AWAKE && id != 0 && !sni_load_acq(&w->exited)) {
            sni_store_rel(&w->halt.state, (uint32_t)ASKED);
            sni_os_interrupt_thread((int)id);
        }
    }
    for (int i = 0; i < sni_started(rt); i++)
        if (sni_load_rlx(&rt->workers[i].halt.state) != RUNNING && !await(&rt->workers[i], deadline))
            all = false;
    return all && rt->halt.installed;
}

void sni_unhalt(struct sni_rt *rt)
{
    for (int i = 0; i < sni_started(rt); i++) {
        struct sni_worker *w = &rt->workers[i];
        if (sni_load_rlx(&w->halt.state) == HALTED) {
            sni_store_rel(&w->halt.state, (uint32_t)RUNNING); /* pairs with the acquire in on_halt */
            sni_os_futex_wake(&w->halt.state);
        }
    }
    sni_spin_unlock(&rt->idle.lock);
    sni_spin_unlock(&rt->tasks.lock);
    sni_spin_unlock(&rt->halt.lock);
}

const struct sni_worker *sni_halted_in(struct sni_rt *rt, const struct sni_task *t)
{
    if (!t->sp)
        return NULL;
    uintptr_t low = (uintptr_t)sni_stack_low(&rt->stacks, t->stack);
    for (int i = 0; i < sni_started(rt); i++) {
        const struct sni_worker *w = &rt->workers[i];
        bool stands = w == sni_self() || sni_load_rlx(&w->halt.state) == HALTED;
        if (stands && w->halt.sp - low < rt->stacks.size)
            return w;
    }
    return NULL;
}

bool sni_is_current(struct sni_rt *rt, const struct sni_task *t)
{
    for (int i = 0; i < sni_started(rt); i++)
        if (sni_load_acq(&rt->workers[i].own.current) == t) /* pairs with the release in sni_switch */
            return true;
    return false;
}

void sni_halt_end(struct sni_rt *rt)
{
    sni_spin_lock(&rt->halt.lock);
    if (rt->halt.installed)
        sni_os_unhandle(SNI_OS_HALT);
    rt->halt.installed = false;
    sni_spin_unlock(&rt->halt.lock);
}
