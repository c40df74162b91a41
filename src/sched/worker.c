/* A worker: a thread that runs tasks. It goes round this loop whenever no task of its own is runnable, and every
 * SNI_TICKS switches:
 *
 *     tick:    fire timers, poll descriptors, take from the inject queue, start the oldest fresh task
 *     run:     pick and switch to it; tasks then switch among themselves
 *     search:  nothing to run: look at the inject queue and at the other workers, for a while, with short naps
 *     sleep:   nothing for SEARCH_NS: sleep until woken, until a timer is due, or until a descriptor is ready
 *
 * Who is woken, and when, decides more than anything else: waking a sleeping thread costs the waker some 9 us and takes
 * 30 us on a virtual machine. So at most one worker searches at a time, a push wakes one only if none searches, and the
 * searcher leaves alone what its owner will have run before a thief could have taken it: it samples the switches of
 * every worker at each nap, and steals only where fewer happened since the last than tasks are waiting. Pairs and rings
 * of tasks that talk to each other stay on one worker; work that takes time spreads.
 *
 * No work is lost between a push and a worker going to sleep: what is in a ring or deque is run by its owner; the inject
 * queue has no owner, and there both sides are sequentially consistent (see sni_inject and go_to_sleep). An owner may be
 * busy for long: so while any worker is awake, one of the sleepers is the watcher, which looks every WATCH_NS. */
#include "base/rng.h"
#include "sched/alloc.h"
#include "sched/park.h"
#include "sched/report.h"
#include "sched/rt.h"
#include "sennit/time.h"

enum {
    SPINS = 200,       /* looks at the queues before the first nap: some 5 us */
    NAP_NS = 50000,    /* about what a wake-up costs */
    SEARCH_NS = 1000000, /* naps for a millisecond cost less than being woken again within it */
    TRIM_NS = 400000000, /* free stacks are given back after this long */
    WATCH_NS = 10000000, /* how late may be noticed what a busy worker leaves lying: its timers, descriptors, tasks */
};

/* `used`: a compiler that optimises the whole program does not see that assembly refers to it. */
__attribute__((visibility("hidden"), used)) __thread struct sni_worker *sni_tls_self
    __attribute__((tls_model("initial-exec")));

int sni_worker_init(struct sni_worker *w, struct sni_rt *rt, uint32_t id)
{
    w->own.rt = rt;
    w->own.id = id;
    w->own.rng = rt->opts.seed + id * 0x632be59bd9b4e019u;
    w->own.current = &w->own.idle;
    w->own.idle.rt = rt;
    w->own.idle.sp = w; /* not fresh; the true value comes with the first switch away */
    w->own.idle.wait.ctx = sn_background();
    w->own.commit = sni_no_commit;
    w->timers.first = INT64_MAX;
    return sni_deque_init(&w->fresh);
}

void sni_worker_destroy(struct sni_worker *w)
{
    sni_deque_destroy(&w->fresh);
    sni_timers_destroy(&w->timers);
    sni_ctx_drain(w->own.free_ctx);
}

/* --- the inject queue --- */

void sni_inject(struct sni_rt *rt, struct sni_task *t)
{
    struct sni_worker *w = sni_self();
    bool visitor = !w || w->own.rt != rt;

    if (visitor) /* once the task is there, it may run and end the runtime: unmake waits for us */
        (void)sni_add_seq(&rt->visitors, 1u);
    t->wait.next = NULL;
    sni_spin_lock(&rt->inject.lock);
    if (rt->inject.tail)
        rt->inject.tail->next = &t->wait;
    else
        rt->inject.head = &t->wait;
    rt->inject.tail = &t->wait;
    (void)sni_add_seq(&rt->inject.n, 1u); /* Dekker with go_to_sleep: it sees this, or we see it asleep */
    sni_spin_unlock(&rt->inject.lock);
    if (sni_load_seq(&rt->idle.sleeping) != 0 && sni_load_seq(&rt->idle.searching) == 0)
        sni_wake_searcher(rt);
    if (visitor)
        (void)sni_sub_seq(&rt->visitors, 1u); /* our last touch; pairs with the load in unmake */
}

/* Takes a fair share of the queue: returns the first, the others go to our ring. */
static struct sni_task *take_injected(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;
    uint32_t n = sni_load_rlx(&rt->inject.n); /* looked at again before sleeping */
    uint32_t room = SNI_RING - (sni_load_rlx(&w->run.tail) - sni_load_acq(&w->run.head));
    struct sni_wait *first = NULL;

    if (n == 0)
        return NULL;
    n = n / (uint32_t)rt->nworkers + 1;
    if (n > room)
        n = room + 1;
    sni_spin_lock(&rt->inject.lock);
    for (uint32_t i = 0; i < n && rt->inject.head; i++) {
        struct sni_wait *wait = rt->inject.head;
        rt->inject.head = wait->next;
        if (!wait->next)
            rt->inject.tail = NULL;
        (void)sni_add_seq(&rt->inject.n, -1u);
        if (!first)
            first = wait;
        else
            (void)sni_ring_push(w, sni_task_of(wait)); /* there is room: only we push */
    }
    sni_spin_unlock(&rt->inject.lock);
    return first ? sni_task_of(first) : NULL;
}

void sni_ready_far(struct sni_wait *wait)
{
    if (wait->kind == SNI_WAIT_THREAD)
        sni_ready_thread(wait);
    else
        sni_inject(sni_task_of(wait)->rt, sni_task_of(wait));
}

void sni_wakes_ready(struct sni_wakes *wakes)
{
    struct sni_wait *next;

    for (struct sni_wait *w = wakes->head; w; w = next) {
        next = w->next; /* not ours any more once it is ready */
        sni_ready(w);
    }
}

/* --- sleeping and waking --- */

static void rouse(struct sni_rt *rt, struct sni_worker *w, uint32_t how)
{
    if (how == SNI_ASLEEP_POLLING)
        sni_os_poller_ring(&rt->poll.os);
    else if (how == SNI_ASLEEP)
        sni_os_futex_wake(&w->sleep);
}

/* (idle.lock) Takes w off the list of sleepers; it will search. */
static uint32_t unlist(struct sni_rt *rt, struct sni_worker *w)
{
    struct sni_worker **at = &rt->idle.list;
    uint32_t how = sni_load_rlx(&w->sleep);

    while (*at != w)
        at = &(*at)->next_idle;
    *at = w->next_idle;
    if (w->watcher)
        sni_store_seq(&rt->idle.watching, 0u);
    w->watcher = false;
    rt->idle.epoch++;
    sni_store_seq(&rt->idle.sleeping, rt->idle.sleeping - 1);
    sni_store_seq(&rt->idle.searching, rt->idle.searching + 1);
    sni_store_seq(&w->sleep, (uint32_t)SNI_AWAKE); /* before the bell: see sni_poll_run */
    return how;
}

/* (idle.lock) Whom to wake: rather not the one in the poller, which has its own work. */
static struct sni_worker *best_sleeper(struct sni_rt *rt)
{
    struct sni_worker *w = rt->idle.list;

    while (w && sni_load_rlx(&w->sleep) == SNI_ASLEEP_POLLING && w->next_idle)
        w = w->next_idle;
    return w;
}

void sni_wake_searcher(struct sni_rt *rt)
{
    struct sni_worker *w;
    uint32_t how = SNI_AWAKE;

    sni_spin_lock(&rt->idle.lock);
    w = rt->idle.searching == 0 ? best_sleeper(rt) : NULL;
    if (w)
        how = unlist(rt, w);
    sni_spin_unlock(&rt->idle.lock);
    if (w)
        rouse(rt, w, how);
}

/* What w's sleep was, which is over now. */
static uint32_t wake(struct sni_rt *rt, struct sni_worker *w)
{
    uint32_t how = SNI_AWAKE;

    sni_spin_lock(&rt->idle.lock);
    if (sni_load_rlx(&w->sleep) != SNI_AWAKE)
        how = unlist(rt, w);
    sni_spin_unlock(&rt->idle.lock);
    return how;
}

bool sni_worker_kick(struct sni_rt *rt, struct sni_worker *w)
{
    uint32_t how = wake(rt, w);

    rouse(rt, w, how);
    return how != SNI_AWAKE;
}

void sni_wake_all(struct sni_rt *rt)
{
    for (int i = 0; i < rt->nworkers; i++)
        (void)sni_worker_kick(rt, &rt->workers[i]);
}

static void stop_searching(struct sni_rt *rt)
{
    sni_spin_lock(&rt->idle.lock);
    sni_store_seq(&rt->idle.searching, rt->idle.searching - 1);
    sni_spin_unlock(&rt->idle.lock);
}

/* The earliest timer of any worker: one that is busy may not look at its own. */
static int64_t first_timer(struct sni_rt *rt)
{
    int64_t first = INT64_MAX;

    for (int i = 0; i < rt->nworkers; i++) {
        int64_t t = sni_load_rlx(&rt->workers[i].timers.first);
        if (t < first)
            first = t;
    }
    return first;
}

static void fire_timers(struct sni_rt *rt)
{
    int64_t now;

    if (first_timer(rt) == INT64_MAX && sni_load_rlx(&rt->trim_at) == 0)
        return;
    now = sn_now();
    for (int i = 0; i < rt->nworkers; i++)
        sni_timers_fire(&rt->workers[i].timers, now);
}

/* Gives free stacks and task records back when some have been free for a while. */
static void trim(struct sni_rt *rt)
{
    int64_t at = sni_load_rlx(&rt->trim_at);

    if (sni_load_rlx(&rt->stacks.dirty) == 0 && sni_load_rlx(&rt->tasks.idle) == 0) {
        if (at != 0)
            sni_store_rlx(&rt->trim_at, (int64_t)0);
        return;
    }
    if (at == 0)
        sni_store_rlx(&rt->trim_at, sn_now() + TRIM_NS);
    else if (sn_now() >= at) {
        sni_store_rlx(&rt->trim_at, (int64_t)0);
        sni_stacks_trim(rt);
        sni_tasks_trim(rt);
    }
}

/* Everything that could ever wake a task, but for other workers: nothing left means deadlock. */
static bool could_wake(struct sni_rt *rt)
{
    return first_timer(rt) != INT64_MAX || sni_load_seq(&rt->poll.waiting) != 0 ||
           sni_load_seq(&rt->inject.n) != 0 || sni_load_seq(&rt->stopping) != 0;
}

static bool poller_wanted(struct sni_rt *rt)
{
    return sni_load_seq(&rt->poll.waiting) != 0 && sni_load_seq(&rt->poll.busy) == 0;
}

/* Until when to sleep: the first timer, the next trimming, and for the watcher no longer than WATCH_NS. Called when listed:
 * a plain thread that adds a timer now finds us asleep. */
static int64_t sleep_until(struct sni_worker *w, bool watcher)
{
    struct sni_rt *rt = w->own.rt;
    int64_t until = first_timer(rt);
    int64_t trim_at = sni_load_rlx(&rt->trim_at);

    if (trim_at != 0 && trim_at < until)
        until = trim_at;
    if (watcher && sn_now() + WATCH_NS < until)
        until = sn_now() + WATCH_NS;
    return until;
}

/* Returns true for a watcher that nobody woke. */
static bool go_to_sleep(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;
    /* One sleeper sits in the poller if somebody waits for descriptors. */
    uint32_t how = poller_wanted(rt) ? SNI_ASLEEP_POLLING : SNI_ASLEEP;
    bool watcher, dead;
    uint64_t epoch;

    sni_spin_lock(&rt->idle.lock);
    w->next_idle = rt->idle.list;
    rt->idle.list = w;
    sni_store_seq(&w->sleep, how);
    sni_store_seq(&rt->idle.sleeping, rt->idle.sleeping + 1);
    sni_store_seq(&rt->idle.searching, rt->idle.searching - 1);
    watcher = w->watcher = rt->idle.watching == 0 && rt->idle.sleeping < (uint32_t)rt->nworkers;
    if (watcher)
        sni_store_seq(&rt->idle.watching, 1u);
    /* Under the lock, without which nobody wakes: all asleep, and nothing on its way. */
    dead = rt->idle.sleeping == (uint32_t)rt->nworkers && !could_wake(rt);
    epoch = rt->idle.epoch;
    sni_spin_unlock(&rt->idle.lock);
    /* Dekker with sni_inject and with plain threads that wait for descriptors: we are listed as asleep, now we look once
     * more. */
    if (sni_load_seq(&rt->inject.n) != 0 || sni_load_seq(&rt->stopping) != 0 || (how == SNI_ASLEEP && poller_wanted(rt))) {
        (void)wake(rt, w);
        return false;
    }
    int64_t until = sleep_until(w, watcher);
    if (dead && sni_report_deadlock(rt, epoch)) {
        int64_t again = sn_now() + SN_SEC(1); /* another thread may be about to end */
        until = again < until ? again : until;
    }
    int64_t left = until == INT64_MAX ? -1 : until - sn_now();
    if (until != INT64_MAX && left < 0)
        left = 0;
    if (how == SNI_ASLEEP_POLLING)
        sni_poll_run(rt, left, &w->sleep);
    else
        (void)sni_os_futex_wait(&w->sleep, how, left < 0 ? INT64_MAX : sni_os_clock() + left);
    return wake(rt, w) != SNI_AWAKE && watcher;
}

/* Nothing has woken since `epoch`, and still nothing could. */
bool sni_still_dead(struct sni_rt *rt, uint64_t epoch)
{
    sni_spin_lock(&rt->idle.lock);
    bool dead = rt->idle.epoch == epoch && !could_wake(rt);
    sni_spin_unlock(&rt->idle.lock);
    return dead;
}

/* --- searching --- */

static uint32_t backlog(const struct sni_worker *v)
{
    return sni_load_acq(&v->run.tail) - sni_load_acq(&v->run.head) + (uint32_t)sni_deque_len(&v->fresh); /* a guess */
}

/* Takes up to half of what is in v's ring; returns one, the others go to our ring. */
static struct sni_task *steal_ring(struct sni_worker *w, struct sni_worker *v)
{
    uint32_t n = (sni_load_acq(&v->run.tail) - sni_load_acq(&v->run.head) + 1) / 2;
    struct sni_task *first = sni_ring_take(v), *t;

    for (uint32_t i = 1; first && i < n && i < SNI_RING / 2 && (t = sni_ring_take(v)); i++)
        if (!sni_ring_push(w, t))
            sni_inject(w->own.rt, t);
    return first;
}

/* One round over the others, but only from those who fell behind since the last. */
static struct sni_task *steal_round(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;
    uint32_t start = sni_rng_below(&w->own.rng, (uint32_t)rt->nworkers);

    for (int i = 0; i < rt->nworkers; i++) {
        struct sni_worker *v = &rt->workers[(start + (uint32_t)i) % (uint32_t)rt->nworkers];
        uint32_t waiting, tick;
        struct sni_task *t;
        if (v == w || (waiting = backlog(v)) == 0)
            continue;
        tick = sni_load_rlx(&v->run.tick);
        uint32_t done = tick - sni_load_rlx(&v->seen_tick);
        sni_store_rlx(&v->seen_tick, tick);
        if (done >= waiting)
            continue; /* its owner is faster than we are */
        if ((t = steal_ring(w, v)) || (t = sni_deque_steal(&v->fresh)))
            return t;
    }
    return NULL;
}

static void sample_ticks(struct sni_rt *rt)
{
    for (int i = 0; i < rt->nworkers; i++)
        sni_store_rlx(&rt->workers[i].seen_tick, sni_load_rlx(&rt->workers[i].run.tick));
}

static void tick(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;

    if (sni_unlikely(sni_load_rlx(&rt->stacks.waiting) != 0) && w->own.nstacks > 0)
        sni_stack_serve_one(rt);
    fire_timers(rt);
    if (sni_load_rlx(&rt->poll.waiting) != 0)
        sni_poll_run(rt, 0, NULL);
    trim(rt);
}

static struct sni_task *local(struct sni_worker *w)
{
    struct sni_task *t = sni_pick(w);

    return t != &w->own.idle ? t : (t = w->own.lifo) ? (w->own.lifo = NULL, t) : sni_ring_take(w);
}

static struct sni_task *search_once(struct sni_worker *w)
{
    struct sni_task *t;

    tick(w);
    return (t = local(w)) || (t = take_injected(w)) ? t : NULL;
}

/* Looks for SEARCH_NS, with naps. Gives up at once if others search already, or there is nobody to steal from. */
static struct sni_task *search_long(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;
    struct sni_task *t = NULL;
    int64_t end = 0;
    bool only = sni_load_seq(&rt->idle.searching) == 1 && rt->nworkers > 1;

    sample_ticks(rt);
    for (int i = 0; only && i < SPINS && !t; i++) {
        sni_pause();
        if (sni_load_rlx(&rt->inject.n) != 0)
            t = take_injected(w);
    }
    while (!t && !(t = search_once(w)) && only && !(t = steal_round(w)) && !sni_load_acq(&rt->stopping)) {
        int64_t now = sn_now();
        if (end == 0)
            end = now + SEARCH_NS;
        if (now >= end || sni_load_seq(&rt->idle.sleeping) == (uint32_t)rt->nworkers - 1)
            break;
        uint32_t nap = SNI_AWAKE;
        (void)sni_os_futex_wait(&nap, nap, sni_os_clock() + NAP_NS);
    }
    return t;
}

/* Somebody should look after what we leave behind while we run a task. */
static void leave_search(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;

    stop_searching(rt);
    if (sni_load_seq(&rt->idle.sleeping) != 0 &&
        (sni_load_seq(&rt->idle.watching) == 0 || backlog(w) != 0 || sni_load_seq(&rt->inject.n) != 0) &&
        sni_load_seq(&rt->idle.searching) == 0)
        sni_wake_searcher(rt);
}

/* Looks for work until there is some (NULL: the runtime stops). A watcher whose time has come looks once and goes back to
 * sleep: its last look was long enough ago to see who fell behind. */
static struct sni_task *search(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;
    struct sni_task *t = NULL;

    sni_spin_lock(&rt->idle.lock);
    sni_store_seq(&rt->idle.searching, rt->idle.searching + 1);
    sni_spin_unlock(&rt->idle.lock);
    t = search_long(w);
    while (!t && !sni_load_acq(&rt->stopping)) {
        bool watched = go_to_sleep(w);
        if (watched)
            t = (t = search_once(w)) ? t : steal_round(w);
        else
            t = search_long(w);
    }
    leave_search(w);
    return t;
}

/* --- the loop --- */

void sni_worker_run(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;
    uint32_t round = 0;

    sni_tls_self = w;
    w->altstack = sni_os_altstack_set();
    sni_san_thread(w);
    while (!sni_load_acq(&rt->stopping)) { /* pairs with the release in end_main */
        struct sni_task *t = NULL;
        tick(w);
        /* Neither the inject queue nor the oldest fresh task starves, and a task that yields is not the next to run. */
        if (++round % 2 == 0)
            t = (t = take_injected(w)) ? t : sni_deque_steal(&w->fresh);
        else
            t = (t = sni_deque_steal(&w->fresh)) ? t : take_injected(w);
        if (!t && !(t = local(w)) && !(t = search(w)))
            break;
        sni_switch(w, &w->own.idle, t, sni_no_commit, NULL);
    }
    sni_os_altstack_drop(w->altstack);
    sni_tls_self = NULL;
    sni_store_rel(&w->exited, 1u); /* pairs with the acquire in stop_workers */
}
