/* Who sleeps, who searches, who is stuck, and who is woken.
 *
 * A worker is awake, asleep or stuck; idle.lock guards the changes:
 *
 *     awake --- sni_go_to_sleep ---> asleep --- unlist, by who wakes it or by itself ---> awake, searching
 *     awake --- sni_mark_stuck, sn_blocking ---> stuck --- sni_worker_back, or going to sleep ---> awake
 *
 * At most `nworkers` shall be awake. So whoever has work for others wakes a sleeper only while fewer are; and when a stuck
 * worker comes back to find its place taken, the next one that goes through its loop gives away what it has and sleeps.
 * Spares are nothing else than more workers of the same kind.
 *
 * One of the sleepers keeps the time: it sleeps no longer than until the first timer there was when it was listed, and who
 * goes to sleep later and knows of an earlier one takes its place. It need not be the one that sits in the poller. With
 * nobody asleep those who are awake look at the time every SNI_TICKS switches, and the monitor sees to it that they do.
 *
 * No wake-up is lost. What is in a ring or deque is run by its owner. For the inject queue, for descriptors and for
 * pinned tasks both sides are sequentially consistent: who adds one adds it and then reads `wanted` or `sleep`; who goes to
 * sleep writes these and then reads what was added. */
#include "sched/idle.h"
#include "sched/monitor.h"
#include "sched/park.h"
#include "sched/report.h"
#include "sennit/time.h"

/* Whom to wake once idle.lock is free. */
struct wakeup {
    struct sni_worker *worker;
    uint32_t how;
    bool monitor;
};

static void deliver(struct sni_rt *rt, const struct wakeup *wake)
{
    if (wake->worker && wake->how == SNI_ASLEEP_POLLING)
        sni_os_poller_ring(&rt->poll.os);
    else if (wake->worker && wake->how == SNI_ASLEEP)
        sni_os_futex_wake(&wake->worker->sleep);
    if (wake->monitor)
        sni_monitor_ring(rt);
}

/* (idle.lock) Sleepers may be woken for work; or nobody is awake, and the monitor may be asleep too. */
static void update_wanted(struct sni_rt *rt)
{
    bool room = rt->idle.awake < (uint32_t)rt->nworkers;

    /* Dekker with sni_inject: it sees this, or we see what it has added. */
    sni_store_seq(&rt->idle.wanted, rt->idle.awake == 0 || (room && rt->idle.sleeping > 0) ? 1u : 0u);
}

/* (idle.lock) One more is awake: the monitor has somebody to watch. */
static void add_awake(struct sni_rt *rt, struct wakeup *wake)
{
    sni_store_seq(&rt->idle.awake, rt->idle.awake + 1);
    if (rt->monitor.asleep) {
        rt->monitor.asleep = false;
        wake->monitor = true;
    }
}

/* (idle.lock) Takes w off the list of sleepers; it will search. */
static void unlist(struct sni_rt *rt, struct sni_worker *w, struct wakeup *wake)
{
    struct sni_worker **at = &rt->idle.list;

    wake->worker = w;
    wake->how = sni_load_rlx(&w->sleep);
    while (*at != w)
        at = &(*at)->next_idle;
    *at = w->next_idle;
    if (rt->idle.keeper == w) {
        rt->idle.keeper = NULL;
        sni_store_seq(&rt->idle.kept, INT64_MIN);
    }
    rt->idle.epoch++;
    rt->idle.sleeping--;
    add_awake(rt, wake);
    sni_store_seq(&rt->idle.searching, rt->idle.searching + 1);
    update_wanted(rt);
    sni_store_seq(&w->sleep, (uint32_t)SNI_AWAKE); /* before the bell: see sni_poll_run */
}

/* (idle.lock) Whom to wake: rather not the one in the poller, which has its own work. NULL: nobody, or enough are awake. */
static struct sni_worker *best_sleeper(struct sni_rt *rt)
{
    struct sni_worker *w = rt->idle.list;

    if (rt->idle.awake >= (uint32_t)rt->nworkers)
        return NULL;
    while (w && sni_load_rlx(&w->sleep) == SNI_ASLEEP_POLLING && w->next_idle)
        w = w->next_idle;
    return w;
}

/* (idle.lock) Nobody is awake or can be woken: only the monitor can help. */
static void ask_monitor(struct sni_rt *rt, struct wakeup *wake)
{
    if (rt->idle.awake == 0) {
        rt->monitor.asleep = false;
        wake->monitor = true;
    }
}

void sni_wake_searcher(struct sni_rt *rt)
{
    struct wakeup wake = { 0 };
    struct sni_worker *w;

    sni_spin_lock(&rt->idle.lock);
    if (rt->idle.searching == 0) {
        if ((w = best_sleeper(rt)) != NULL)
            unlist(rt, w, &wake);
        else
            ask_monitor(rt, &wake);
    }
    sni_spin_unlock(&rt->idle.lock);
    deliver(rt, &wake);
}

void sni_wake_keeper(struct sni_rt *rt)
{
    struct wakeup wake = { 0 };
    struct sni_worker *w;

    sni_spin_lock(&rt->idle.lock);
    if (rt->idle.awake < (uint32_t)rt->nworkers) {
        w = rt->idle.keeper;
        if (w || (rt->idle.searching == 0 && (w = best_sleeper(rt))))
            unlist(rt, w, &wake);
        else
            ask_monitor(rt, &wake);
    }
    sni_spin_unlock(&rt->idle.lock);
    deliver(rt, &wake);
}

void sni_wake_worker(struct sni_rt *rt, struct sni_worker *w)
{
    struct wakeup wake = { 0 };

    sni_spin_lock(&rt->idle.lock);
    if (sni_load_rlx(&w->sleep) != SNI_AWAKE)
        unlist(rt, w, &wake);
    sni_spin_unlock(&rt->idle.lock);
    deliver(rt, &wake);
}

void sni_wake_all(struct sni_rt *rt)
{
    for (int i = 0; i < sni_started(rt); i++)
        sni_wake_worker(rt, &rt->workers[i]);
}

void sni_count_started(struct sni_rt *rt)
{
    struct wakeup wake = { 0 };

    sni_spin_lock(&rt->idle.lock);
    add_awake(rt, &wake);
    update_wanted(rt);
    sni_spin_unlock(&rt->idle.lock);
    deliver(rt, &wake);
}

void sni_count_refused(struct sni_rt *rt)
{
    sni_spin_lock(&rt->idle.lock);
    sni_store_seq(&rt->idle.awake, rt->idle.awake - 1);
    update_wanted(rt);
    sni_spin_unlock(&rt->idle.lock);
}

/* --- searching --- */

void sni_start_searching(struct sni_rt *rt)
{
    sni_spin_lock(&rt->idle.lock);
    sni_store_seq(&rt->idle.searching, rt->idle.searching + 1);
    sni_spin_unlock(&rt->idle.lock);
}

void sni_stop_searching(struct sni_rt *rt)
{
    sni_spin_lock(&rt->idle.lock);
    sni_store_seq(&rt->idle.searching, rt->idle.searching - 1);
    sni_spin_unlock(&rt->idle.lock);
}

/* --- stuck workers --- */

void sni_mark_stuck(struct sni_rt *rt, struct sni_worker **ws, int n)
{
    sni_spin_lock(&rt->idle.lock);
    for (int i = 0; i < n; i++) {
        if (sni_load_rlx(&ws[i]->sleep) != SNI_AWAKE || (sni_load_rlx(&ws[i]->own.flags) & SNI_STUCK))
            continue;
        sni_store_seq(&ws[i]->own.flags, ws[i]->own.flags | SNI_STUCK);
        sni_store_seq(&rt->idle.awake, rt->idle.awake - 1);
        sni_store_rlx(&rt->idle.stuck, rt->idle.stuck + 1);
    }
    update_wanted(rt);
    sni_spin_unlock(&rt->idle.lock);
}

void sni_mark_computing(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;

    sni_spin_lock(&rt->idle.lock);
    if ((sni_load_rlx(&w->own.flags) & (SNI_STUCK | SNI_BLOCKING | SNI_COMPUTING)) == SNI_STUCK) {
        sni_store_seq(&w->own.flags, w->own.flags | SNI_COMPUTING);
        sni_store_seq(&rt->hogs.running, rt->hogs.running + 1);
    }
    sni_spin_unlock(&rt->idle.lock);
}

/* (idle.lock) It is stuck no longer. */
static void unmark(struct sni_rt *rt, struct sni_worker *w, struct wakeup *wake)
{
    if (sni_load_rlx(&w->own.flags) & SNI_COMPUTING)
        sni_store_seq(&rt->hogs.running, rt->hogs.running - 1);
    sni_store_seq(&w->own.flags, w->own.flags & SNI_HURRY);
    sni_store_rlx(&rt->idle.stuck, rt->idle.stuck - 1);
    add_awake(rt, wake);
    update_wanted(rt);
}

struct sni_task *sni_take_lifo(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;
    struct wakeup wake = { 0 };
    struct sni_task *t = NULL;

    sni_spin_lock(&rt->idle.lock);
    if (sni_load_rlx(&w->own.flags) & SNI_STUCK) {
        if (sni_load_acq(&w->own.lifo_busy)) { /* pairs with the release in sni_lifo_close */
            unmark(rt, w, &wake); /* it was not stuck, but interrupted in the middle */
        } else {
            t = w->own.lifo;
            sni_store_rlx(&w->own.lifo, (struct sni_task *)NULL); /* see sni_may_spin */
        }
    }
    sni_spin_unlock(&rt->idle.lock);
    deliver(rt, &wake);
    return t;
}

void sni_worker_back(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;
    struct wakeup wake = { 0 };

    sni_spin_lock(&rt->idle.lock);
    if (sni_load_rlx(&w->own.flags) & SNI_STUCK)
        unmark(rt, w, &wake);
    /* In a task: through the loop at the next switch, for there may be one too many awake now. In the loop: that was it. */
    sni_store_seq(&w->own.flags, w->own.current == &w->own.idle ? 0u : (uint32_t)SNI_HURRY);
    sni_spin_unlock(&rt->idle.lock);
    w->own.hog_since = 0;
    deliver(rt, &wake);
}

void sni_note_hog(struct sni_worker *w)
{
    enum { HOG_NS = 5000000 }; /* half of what made it one: who is near the limit does not change all the time */
    struct sni_wait *wait = &w->own.current->wait;

    if (w->own.current == &w->own.idle || wait->kind == SNI_WAIT_PINNED || !(sni_load_rlx(&w->own.flags) & SNI_COMPUTING))
        return;
    /* Nobody reads this now: the task is running, or parked but not yet committed. */
    wait->kind = w->own.hog_since == 0 || sn_now() - w->own.hog_since >= HOG_NS ? SNI_WAIT_HOG : SNI_WAIT_TASK;
}

bool sni_help(struct sni_rt *rt)
{
    struct wakeup wake = { 0 };
    struct sni_worker *w;
    bool enough;

    sni_spin_lock(&rt->idle.lock);
    enough = rt->idle.searching > 0 || rt->idle.awake >= (uint32_t)rt->nworkers;
    if (!enough && (w = best_sleeper(rt)) != NULL) {
        unlist(rt, w, &wake);
        enough = true;
    }
    sni_spin_unlock(&rt->idle.lock);
    deliver(rt, &wake);
    return enough;
}

void sni_hurry_all(struct sni_rt *rt)
{
    sni_spin_lock(&rt->idle.lock);
    for (int i = 0; i < sni_started(rt); i++) {
        struct sni_worker *w = &rt->workers[i];
        if (sni_load_rlx(&w->sleep) == SNI_AWAKE)
            sni_store_seq(&w->own.flags, w->own.flags | SNI_HURRY);
    }
    sni_spin_unlock(&rt->idle.lock);
}

bool sni_is_surplus(struct sni_worker *w)
{
    return sni_load_rlx(&w->own.rt->idle.awake) > (uint32_t)w->own.rt->nworkers && w->own.npinned == 0;
}

/* --- stepping aside --- */

void sni_step_aside(struct sni_worker *w, uint32_t why)
{
    struct sni_rt *rt = w->own.rt;
    struct wakeup wake = { 0 };
    struct sni_worker *other;
    struct sni_task *t = NULL;

    sni_store_rlx(&w->run.tick, sni_load_rlx(&w->run.tick) + 1); /* whoever does this now and then is no hog */
    sni_lifo_open(w);
    if (sni_likely(!(sni_load_rlx(&w->own.flags) & SNI_STUCK))) {
        t = w->own.lifo;
        w->own.lifo = NULL;
    }
    sni_lifo_close(w);
    if (t && !sni_ring_push(w, t))
        sni_inject(rt, t);
    sni_spin_lock(&rt->idle.lock);
    if (sni_load_rlx(&w->own.flags) & SNI_STUCK)
        unmark(rt, w, &wake);
    sni_store_seq(&w->own.flags, SNI_STUCK | why);
    if (why == SNI_COMPUTING)
        sni_store_seq(&rt->hogs.running, rt->hogs.running + 1);
    sni_store_seq(&rt->idle.awake, rt->idle.awake - 1);
    sni_store_rlx(&rt->idle.stuck, rt->idle.stuck + 1);
    update_wanted(rt);
    if (rt->idle.searching == 0 && sni_backlog(w) + sni_load_seq(&rt->inject.n) > 0) {
        if ((other = best_sleeper(rt)) != NULL)
            unlist(rt, other, &wake);
        else if (rt->idle.awake < (uint32_t)rt->nworkers)
            wake.monitor = true; /* it can start a spare */
    }
    sni_spin_unlock(&rt->idle.lock);
    deliver(rt, &wake);
}

int sn_blocking(sn_ctx *ctx, sn_fn *fn, void *arg)
{
    struct sni_worker *w = sni_self();
    int r;

    ctx = sni_ctx_own(ctx);
    if ((r = sni_ctx_check(ctx)) != 0)
        return r;
    if (!w)
        return fn(ctx, arg);
    struct sni_task *t = w->own.current;
    bool outer = t->blocking;
    sni_point("makes a blocking call", NULL);
    t->blocking = true;
    if (!w->own.rt->sim) /* there is nobody who could do our work meanwhile */
        sni_step_aside(w, SNI_BLOCKING);
    r = fn(ctx, arg);
    t->blocking = outer;
    w = sni_self(); /* it may have parked */
    if (sni_load_rlx(&w->own.flags) & SNI_STUCK)
        sni_worker_back(w);
    return r;
}

/* --- sleeping --- */

int64_t sni_first_timer(struct sni_rt *rt)
{
    int64_t first = INT64_MAX;

    for (int i = 0; i < rt->nworkers; i++) { /* spares have none */
        int64_t t = sni_load_rlx(&rt->workers[i].timers.first);
        if (t < first)
            first = t;
    }
    return first;
}

/* Everything that could ever wake a task, but for other workers and visitors: nothing left means deadlock. */
static bool could_wake(struct sni_rt *rt)
{
    return rt->idle.awake != 0 || rt->idle.stuck != 0 || sni_first_timer(rt) != INT64_MAX ||
           sni_load_seq(&rt->poll.waiting) != 0 || sni_load_seq(&rt->inject.n) != 0 ||
           sni_load_seq(&rt->pinned_ready) != 0 || sni_load_seq(&rt->hogs.n) != 0 || sni_load_seq(&rt->stopping) != 0;
}

bool sni_still_dead(struct sni_rt *rt, uint64_t epoch)
{
    sni_spin_lock(&rt->idle.lock);
    bool dead = rt->idle.epoch == epoch && !could_wake(rt) && sni_load_seq(&rt->visitors) == 0;
    sni_spin_unlock(&rt->idle.lock);
    return dead;
}

/* What a keeper waits for: the first timer, or the next trimming. */
static int64_t next_time(struct sni_rt *rt)
{
    int64_t until = sni_first_timer(rt);
    int64_t trim_at = sni_load_rlx(&rt->trim_at);

    return trim_at != 0 && trim_at < until ? trim_at : until;
}

/* (idle.lock) Among the sleepers from here on. Returns how it shall sleep. */
static uint32_t list(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;
    struct wakeup none = { 0 };
    uint32_t how;

    if (sni_load_rlx(&w->own.flags) & SNI_STUCK)
        unmark(rt, w, &none); /* marked in its loop, where the system did not let it run */
    sni_store_seq(&w->own.flags, 0u);
    sni_store_seq(&rt->idle.awake, rt->idle.awake - 1);
    sni_store_seq(&rt->idle.searching, rt->idle.searching - 1);
    rt->idle.sleeping++;
    /* One sleeper sits in the poller if somebody waits for descriptors, and one keeps the time; but not one who would have
     * no place if it were awake. */
    bool useful = rt->idle.awake < (uint32_t)rt->nworkers;
    how = useful && sni_poller_wanted(rt) ? SNI_ASLEEP_POLLING : SNI_ASLEEP;
    int64_t until = next_time(rt);
    if (useful && (!rt->idle.keeper || until < rt->idle.kept)) { /* the last keeper does not know of our newest timer */
        rt->idle.keeper = w;
        sni_store_seq(&rt->idle.kept, until);
    }
    w->next_idle = rt->idle.list;
    rt->idle.list = w;
    sni_store_seq(&w->sleep, how);
    update_wanted(rt);
    return how;
}

/* Something came while we were being listed. */
static bool is_needed(struct sni_worker *w, uint32_t how)
{
    struct sni_rt *rt = w->own.rt;

    if (sni_load_seq(&rt->stopping) != 0 || sni_load_seq(&w->pinned.n) != 0)
        return true;
    return sni_load_seq(&rt->idle.wanted) != 0 &&
           (sni_load_seq(&rt->inject.n) != 0 || sni_hogs_wanted(rt) || (how == SNI_ASLEEP && sni_poller_wanted(rt)));
}

/* Nobody is left who could wake a task: the time to look again at the latest, unless it is the program's end. A visitor may
 * have brought what it came with, and its task may have run, before the visitor is gone: nobody else will look then. Another
 * thread may be about to end. */
static int64_t when_dead(struct sni_rt *rt, uint64_t epoch)
{
    if (sni_load_seq(&rt->visitors) != 0)
        return sn_now() + SN_MS(1);
    if (sni_stack_last_chance(rt))
        return sn_now(); /* look at once; whoever was woken for it does, too */
    return sni_report_deadlock(rt, epoch) ? sn_now() + SN_SEC(1) : INT64_MAX;
}

void sni_go_to_sleep(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;

    sni_spin_lock(&rt->idle.lock);
    uint32_t how = list(w);
    int64_t until = rt->idle.keeper == w ? rt->idle.kept : INT64_MAX;
    bool dead = !could_wake(rt); /* under the lock, without which nobody wakes */
    uint64_t epoch = rt->idle.epoch;
    sni_spin_unlock(&rt->idle.lock);
    if (!is_needed(w, how)) {
        int64_t again = dead ? when_dead(rt, epoch) : INT64_MAX;
        if (again < until)
            until = again;
        int64_t left = until == INT64_MAX ? -1 : until - sn_now();
        if (until != INT64_MAX && left < 0)
            left = 0;
        if (how == SNI_ASLEEP_POLLING)
            sni_poll_run(rt, left, &w->sleep);
        else
            (void)sni_os_futex_wait(&w->sleep, how, left < 0 ? INT64_MAX : sni_os_clock() + left);
    }
    struct wakeup self = { 0 };
    sni_spin_lock(&rt->idle.lock);
    if (sni_load_rlx(&w->sleep) != SNI_AWAKE) /* nobody woke us */
        unlist(rt, w, &self);
    sni_spin_unlock(&rt->idle.lock);
    if (self.monitor)
        sni_monitor_ring(rt);
}
