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
 * queue has no owner, and there both sides are sequentially consistent (see idle.c). An owner may be busy for long: so while
 * any worker is awake, the monitor looks now and then who fell behind (see monitor.c). */
#include "base/rng.h"
#include "sched/alloc.h"
#include "sched/fork.h"
#include "sched/idle.h"
#include "sched/park.h"
#include "sched/rt.h"
#include "sennit/time.h"

enum {
    SPINS = 200,       /* looks at the queues before the first nap: some 5 us */
    NAP_NS = 50000,    /* about what a wake-up costs */
    SEARCH_NS = 1000000, /* naps for a millisecond cost less than being woken again within it */
    TRIM_NS = 400000000, /* free stacks are given back after this long */
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

void sni_worker_forked(void)
{
    sni_self_store(NULL);
}

void sni_worker_destroy(struct sni_worker *w)
{
    sni_deque_destroy(&w->fresh);
    sni_timers_destroy(&w->timers);
    sni_ctx_drain(w->own.free_ctx);
}

static void fire_timers(struct sni_rt *rt)
{
    int64_t now;

    if (sni_first_timer(rt) == INT64_MAX && sni_load_rlx(&rt->trim_at) == 0)
        return;
    now = sn_now();
    for (int i = 0; i < rt->nworkers; i++) /* spares have none */
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

/* --- searching --- */

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
    uint32_t n = (uint32_t)sni_started(rt), start = sni_rng_below(&w->own.rng, n);

    for (uint32_t i = 0; i < n; i++) {
        struct sni_worker *v = &rt->workers[(start + i) % n];
        uint32_t waiting, tick;
        struct sni_task *t;
        if (v == w || (waiting = sni_backlog(v)) == 0)
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
    for (int i = 0; i < sni_started(rt); i++)
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

/* Out of the LIFO slot, whoever's turn it is. */
static struct sni_task *empty_lifo(struct sni_worker *w)
{
    sni_lifo_open(w);
    if (sni_unlikely(sni_load_rlx(&w->own.flags) & SNI_STUCK))
        sni_worker_back(w); /* marked in its loop, where the system did not let it run */
    struct sni_task *t = w->own.lifo;
    w->own.lifo = NULL;
    sni_lifo_close(w);
    return t;
}

static struct sni_task *local(struct sni_worker *w)
{
    struct sni_task *t = sni_pick(w);

    return t != &w->own.idle ? t : (t = empty_lifo(w)) ? t : sni_ring_take(w);
}

static struct sni_task *search_once(struct sni_worker *w)
{
    struct sni_task *t;

    tick(w);
    return (t = sni_take_pinned(w)) || (t = local(w)) || (t = sni_take_injected(w)) || (t = sni_take_hog(w)) ? t : NULL;
}

/* Looks for SEARCH_NS, with naps. Gives up at once if others search already, or there is nobody to steal from. */
static struct sni_task *search_long(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;
    struct sni_task *t = NULL;
    int64_t end = 0;
    bool only = sni_load_seq(&rt->idle.searching) == 1 && sni_started(rt) > 1;

    sample_ticks(rt);
    for (int i = 0; only && i < SPINS && !t; i++) {
        sni_pause();
        if (sni_load_rlx(&rt->inject.n) != 0)
            t = sni_take_injected(w);
    }
    while (!t && !(t = search_once(w)) && only && !(t = steal_round(w)) && !sni_load_acq(&rt->stopping)) {
        int64_t now = sn_now();
        if (end == 0)
            end = now + SEARCH_NS;
        if (now >= end || sni_is_alone(rt))
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

    sni_stop_searching(rt);
    if (sni_load_seq(&rt->idle.wanted) != 0 &&
        (sni_load_seq(&rt->idle.kept) == INT64_MIN || sni_backlog(w) != 0 || sni_load_seq(&rt->inject.n) != 0 ||
         sni_hogs_wanted(rt)) &&
        sni_load_seq(&rt->idle.searching) == 0)
        sni_wake_searcher(rt);
}

/* There are enough others: they get what this one has. Its timers stay where they are, since all look at them. */
static void give_away(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;
    struct sni_task *t;

    if ((t = empty_lifo(w)) != NULL)
        sni_inject(rt, t);
    while ((t = sni_ring_take(w)) != NULL)
        sni_inject(rt, t);
    while (sni_deque_len(&w->fresh) > 0)
        if ((t = sni_deque_steal(&w->fresh)) != NULL) /* the oldest first */
            sni_inject(rt, t);
    sni_stacks_give_back(w);
    sni_tasks_give_back(w);
}

/* Looks for work until there is some (NULL: the runtime stops). */
static struct sni_task *search(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;
    struct sni_task *t = NULL;

    sni_start_searching(rt);
    for (;;) {
        bool surplus = sni_is_surplus(w); /* asked once: who has not looked at what it has must not sleep on it */
        if ((!surplus && (t = search_long(w)) != NULL) || sni_load_acq(&rt->stopping))
            break;
        if (surplus)
            give_away(w);
        sni_go_to_sleep(w);
        sni_store_rlx(&w->own.about, sn_now());
    }
    leave_search(w);
    return t;
}

/* --- the loop --- */

/* What comes before the worker's own: pinned tasks, which nobody else can run, and in turns the inject queue and the
 * oldest fresh task, so that neither starves and a task that yields is not the next to run. */
static struct sni_task *take_patient(struct sni_worker *w, uint32_t round)
{
    struct sni_task *t = round % 4 == 0 ? NULL : sni_take_pinned(w);

    if (t || (t = sni_take_hog(w)))
        return t;
    if (round % 2 == 0)
        return (t = sni_take_injected(w)) ? t : sni_deque_steal(&w->fresh);
    return (t = sni_deque_steal(&w->fresh)) ? t : sni_take_injected(w);
}

void sni_worker_run(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;
    uint32_t round = 0;

    sni_self_store(w);
    sni_store_rlx(&w->thread_id, (uint32_t)sni_os_thread_id());
    sni_store_rlx(&w->own.about, sn_now());
    sni_spin_lock(&rt->idle.lock); /* who has halted all others does not know of us */
    sni_spin_unlock(&rt->idle.lock);
    w->altstack = sni_os_altstack_set();
    w->signal_mask = sni_os_signal_mask();
    sni_san_thread(w);
    while (!sni_load_acq(&rt->stopping)) { /* pairs with the release in end_main */
        struct sni_task *t = NULL;
        if (sni_unlikely(sni_load_rlx(&w->own.flags) != 0))
            sni_worker_back(w);
        if (sni_likely(!sni_is_surplus(w))) {
            tick(w);
            if (!(t = take_patient(w, ++round)))
                t = local(w);
        }
        if (!t && !(t = search(w)))
            break;
        sni_store_rlx(&w->run.tick, sni_load_rlx(&w->run.tick) + 1); /* the task's time begins: see look_at_all */
        sni_switch(w, &w->own.idle, t, sni_no_commit, NULL);
        while (sni_unlikely(w->own.refused != NULL)) {
            t = sni_task_of(w->own.refused);
            w->own.refused = t->wait.next;
            sni_task_drop(t, SN_ENOMEM);
        }
    }
    sni_os_altstack_drop(w->altstack);
    sni_self_store(NULL);
    sni_store_rel(&w->exited, 1u); /* pairs with the acquire in join_workers */
}

static void *worker_thread(void *arg)
{
    sni_worker_run(arg);
    return NULL;
}

int sni_worker_start(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;
    char name[16] = "sennit-000";
    int r;

    for (uint32_t i = 9, id = w->own.id; id > 0; id /= 10)
        name[i--] = (char)('0' + id % 10);
    sni_count_started(rt); /* before it can go to sleep */
    if ((r = sni_os_thread_start(&w->thread, worker_thread, w, name)) < 0)
        sni_count_refused(rt);
    w->has_thread = r == 0;
    return r;
}
