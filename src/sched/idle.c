/* Who sleeps, who searches, and who is woken. */
#include "sched/idle.h"
#include "sched/park.h"
#include "sched/report.h"
#include "sennit/time.h"

enum {
    WATCH_NS = 10000000, /* how late may be noticed what a busy worker leaves lying: its timers, descriptors, tasks */
};

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

void sni_stop_searching(struct sni_rt *rt)
{
    sni_spin_lock(&rt->idle.lock);
    sni_store_seq(&rt->idle.searching, rt->idle.searching - 1);
    sni_spin_unlock(&rt->idle.lock);
}

/* The earliest timer of any worker: one that is busy may not look at its own. */
int64_t sni_first_timer(struct sni_rt *rt)
{
    int64_t first = INT64_MAX;

    for (int i = 0; i < rt->nworkers; i++) {
        int64_t t = sni_load_rlx(&rt->workers[i].timers.first);
        if (t < first)
            first = t;
    }
    return first;
}

/* Everything that could ever wake a task, but for other workers: nothing left means deadlock. */
static bool could_wake(struct sni_rt *rt)
{
    return sni_first_timer(rt) != INT64_MAX || sni_load_seq(&rt->poll.waiting) != 0 ||
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
    int64_t until = sni_first_timer(rt);
    int64_t trim_at = sni_load_rlx(&rt->trim_at);

    if (trim_at != 0 && trim_at < until)
        until = trim_at;
    if (watcher && sn_now() + WATCH_NS < until)
        until = sn_now() + WATCH_NS;
    return until;
}

/* Returns true for a watcher that nobody woke. */
bool sni_go_to_sleep(struct sni_worker *w)
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
