/* The monitor: a thread that looks every LOOK_NS at workers that are awake, and sleeps while none is.
 *
 * A worker that has not switched between two looks is stuck: in a system call, in a library, in a loop. It is marked, which
 * makes room for another to be awake; what it would have run next is taken from it (see sni_lifo_open); everything else
 * that it has can be taken or is locked anyway. If there is work that nobody gets to, a sleeper is woken, and if none
 * sleeps, a spare is started: one more worker. A stuck worker that comes back says so itself at its next switch or wake-up.
 *
 * A worker that waits in the kernel leaves its processor to the spare. One that computes does not. Its task is a hog, and
 * when it is ready again it is queued apart (see inject.c). But a task that computes from its start is not known as one:
 * with a spare for each, a program with many long computations would end up with as many threads. So beyond as many
 * computing workers as there should be awake, a spare is started only if nobody at all has switched for a time that doubles
 * with each round of spares: a few endless loops are put up with after some tens of milliseconds, and long computations take
 * turns.
 *
 * Late timers, descriptors and injected tasks: workers that are awake look after them every SNI_TICKS switches. If their
 * tasks are long, they are told to do so at the next switch. */
#include "sched/monitor.h"

#include "sched/hang.h"
#include "sched/idle.h"
#include "sched/park.h"
#include "sched/report.h"
#include "sennit/time.h"

enum {
    LOOK_NS = 10000000,      /* as Go's and tokio's; a tenth of what a person notices */
    LATE_NS = 2000000,       /* a timer is late after this much: more than a worker's SNI_TICKS short switches */
    QUIET_LOOKS = 10,        /* without anybody awake, before it sleeps: waking it costs as much as a look */
    PATIENCE_MAX = 6,        /* doublings of LOOK_NS: 640 ms */
    HOG_LOOKS = 10,          /* how long a hog waits for others to end before it is let through */
    RETRY_LOOKS = 100,       /* until a spare is tried again that the system refused */
};

struct monitor {
    struct sni_rt *rt;
    int64_t switched;        /* when somebody was last seen to have switched */
    uint32_t injected;       /* inject.n at the last look */
    uint64_t polls;          /* poll.runs at the last look */
    uint32_t hogs;           /* hogs.taken at the last look */
    int hogs_wait;           /* looks in a row at which hogs waited and none was taken */
    int64_t active;          /* when somebody was last seen to have been awake; INT64_MIN: nobody since the last look for hangs */
    int64_t hang_at;         /* when to look for them again */
    uint64_t epoch;          /* idle.epoch at the last look */
    int quiet;               /* looks in a row without anybody awake */
    int refused;             /* looks until a spare may be tried again that the system has refused */
};

void sni_monitor_ring(struct sni_rt *rt)
{
    (void)sni_add_seq(&rt->monitor.bell, 1u);
    sni_os_futex_wake(&rt->monitor.bell);
}

/* --- seeing who is stuck --- */

static bool is_stuck(const struct sni_worker *w)
{
    return sni_load_rlx(&w->own.flags) & SNI_STUCK; /* a look; what depends on it is checked under idle.lock */
}

/* One look at each: whose switches stand still is put into `still`. Returns how many; *behind: somebody has more waiting
 * than it has run since the last look. */
static int look_at_all(struct monitor *m, int64_t now, struct sni_worker **still, bool *behind)
{
    int n = 0;

    *behind = false;
    for (int i = 0; i < sni_started(m->rt); i++) {
        struct sni_worker *w = &m->rt->workers[i];
        uint32_t tick = sni_load_rlx(&w->run.tick), done = tick - w->watched.tick; /* samples */
        sni_store_rlx(&w->own.about, now);
        bool in_task = sni_load_acq(&w->own.current) != &w->own.idle;             /* pairs with the release in sni_switch */
        if (done != 0)
            m->switched = now;
        if (done != 0 || !in_task) {
            w->watched.since = now;
            w->watched.told = false;
            w->watched.tick = tick;
        }
        if (done < sni_backlog(w))
            *behind = true;
        if (done == 0 && in_task && !is_stuck(w) && sni_load_rlx(&w->sleep) == SNI_AWAKE)
            still[n++] = w;
    }
    return n;
}

/* It wants a processor. 0: it has not come to saying which thread it is: so it wants one. */
static bool computes(const struct sni_worker *w)
{
    uint32_t id = sni_load_rlx(&w->thread_id);

    return id == 0 || sni_os_thread_computes((int)id);
}

/* Marks them, and makes what they would have run next everybody's. */
static void mark(struct sni_rt *rt, struct sni_worker **still, int n)
{
    struct sni_task *t;

    if (n == 0)
        return;
    sni_mark_stuck(rt, still, n);
    sni_fence_heavy(); /* pairs with the light one in sni_lifo_open */
    for (int i = 0; i < n; i++) {
        if ((t = sni_take_lifo(still[i])) != NULL)
            sni_inject(rt, t);
        if (is_stuck(still[i]) && computes(still[i]))
            sni_mark_computing(still[i]);
    }
}

static void tell_of_hogs(struct monitor *m, int64_t now)
{
    int64_t limit = m->rt->opts.hog_ns;

    for (int i = 0; limit > 0 && i < sni_started(m->rt); i++) {
        struct sni_worker *w = &m->rt->workers[i];
        if (!w->watched.told && is_stuck(w) && now - w->watched.since >= limit)
            w->watched.told = sni_report_hog(w, now - w->watched.since);
    }
}

/* --- seeing what is left lying --- */

/* Nobody is awake who would look at the time and the descriptors, and nobody sleeps with an eye on them. */
static bool is_unattended(struct sni_rt *rt)
{
    if (sni_load_seq(&rt->idle.awake) != 0)
        return false;
    int64_t kept = sni_load_seq(&rt->idle.kept);
    return sni_load_seq(&rt->inject.n) != 0 || sni_hogs_wanted(rt) || sni_poller_wanted(rt) ||
           sni_first_timer(rt) < (kept == INT64_MIN ? INT64_MAX : kept);
}

/* Those who are awake should have looked at it by now. */
static bool is_late(struct monitor *m, int64_t now)
{
    struct sni_rt *rt = m->rt;
    uint32_t injected = sni_load_rlx(&rt->inject.n);
    uint64_t polls = sni_load_rlx(&rt->poll.runs);
    bool late = sni_first_timer(rt) < now - LATE_NS || (injected != 0 && m->injected != 0) ||
                (polls == m->polls && sni_poller_wanted(rt));

    m->injected = injected;
    m->polls = polls;
    return late;
}

/* --- spares --- */

static bool may_start(struct monitor *m, int64_t now)
{
    struct sni_rt *rt = m->rt;

    if (sni_started(rt) == rt->capacity && (rt->capacity == rt->nworkers || rt->workers[rt->capacity - 1].has_thread))
        return false;
    if (m->refused > 0)
        return false;
    int computing = (int)sni_load_seq(&rt->hogs.running), rounds = computing > 0 ? (computing - 1) / rt->nworkers : 0;
    int64_t patience = (int64_t)LOOK_NS << (rounds < PATIENCE_MAX ? rounds : PATIENCE_MAX);
    return rounds == 0 || now - m->switched >= patience;
}

static void start_spare(struct monitor *m)
{
    struct sni_rt *rt = m->rt;
    int n = sni_started(rt);
    struct sni_worker *w = &rt->workers[n - 1];

    if (n <= rt->nworkers || w->has_thread) { /* else one that the system has refused a thread */
        w = &rt->workers[n];
        if (sni_worker_init(w, rt, (uint32_t)n) < 0) {
            m->refused = RETRY_LOOKS;
            return;
        }
        sni_store_rel(&rt->nstarted, (uint32_t)n + 1); /* pairs with the acquire in sni_started */
    }
    if (sni_worker_start(w) < 0)
        m->refused = RETRY_LOOKS;
}

/* Hogs that never end would keep all others from running. */
static void look_at_hogs(struct monitor *m)
{
    uint32_t taken = sni_load_rlx(&m->rt->hogs.taken);

    m->hogs_wait = sni_load_rlx(&m->rt->hogs.n) != 0 && taken == m->hogs ? m->hogs_wait + 1 : 0;
    m->hogs = taken;
    if (m->hogs_wait >= HOG_LOOKS)
        sni_release_hog(m->rt);
}

/* --- the loop --- */

static void look(struct monitor *m)
{
    struct sni_worker *still[SNI_MAX_WORKERS + SNI_MAX_SPARES];
    struct sni_rt *rt = m->rt;
    int64_t now = sn_now();
    bool behind;

    mark(rt, still, look_at_all(m, now, still, &behind));
    tell_of_hogs(m, now);
    look_at_hogs(m);
    m->refused -= m->refused > 0;
    if (sni_load_rlx(&rt->stacks.waiting) != 0)
        sni_stack_serve_one(rt); /* there may be memory again */
    bool late = is_late(m, now);
    if (!behind && !late && !is_unattended(rt))
        return;
    if (!sni_help(rt) && may_start(m, now))
        start_spare(m);
    if (late)
        sni_hurry_all(rt);
}

/* Waits that may have lasted too long by now. Looking costs, so it takes at most a hundredth of the time; and it goes on until it
 * has seen the waits that began while somebody was awake for the last time. */
static void look_for_hangs(struct monitor *m)
{
    struct sni_rt *rt = m->rt;
    int64_t begin = sn_now();

    if (m->active == INT64_MIN || begin < m->hang_at)
        return;
    sni_hang_look(rt);
    int64_t end = sn_now(), sees_all = m->active + rt->opts.hang_ns + LOOK_NS, pause = end + (end - begin) * 100;
    if (begin >= sees_all)
        m->active = INT64_MIN;
    m->hang_at = pause > sees_all ? pause : sees_all;
}

/* (idle.lock) */
static void note_activity(struct monitor *m)
{
    struct sni_rt *rt = m->rt;
    bool active = rt->idle.awake != 0 || rt->idle.stuck != 0 || rt->idle.epoch != m->epoch;
    int64_t now = sn_now();

    m->epoch = rt->idle.epoch;
    if (!active || rt->opts.hang_ns < 0)
        return;
    if (m->active == INT64_MIN && m->hang_at < now + rt->opts.hang_ns + LOOK_NS)
        m->hang_at = now + rt->opts.hang_ns + LOOK_NS;
    m->active = now;
}

/* Whether to look again after LOOK_NS; else it sleeps until somebody rings. */
static bool goes_on(struct monitor *m)
{
    struct sni_rt *rt = m->rt;
    bool on;

    sni_spin_lock(&rt->idle.lock);
    note_activity(m);
    m->quiet = rt->idle.awake == 0 ? m->quiet + 1 : 0;
    on = m->quiet < QUIET_LOOKS || m->refused > 0 || is_unattended(rt) || sni_load_rlx(&rt->hogs.n) != 0 ||
         sni_load_rlx(&rt->stacks.waiting) != 0;
    rt->monitor.asleep = !on;
    sni_spin_unlock(&rt->idle.lock);
    return on;
}

static void *run(void *arg)
{
    struct monitor m = { .rt = arg, .active = INT64_MIN };
    struct sni_rt *rt = arg;

    for (;;) {
        uint32_t bell = sni_load_seq(&rt->monitor.bell); /* before we look: a ring after it ends the wait */
        if (sni_load_acq(&rt->stopping))                 /* pairs with the release in stop_workers */
            return NULL;
        if (sni_xchg_seq(&rt->monitor.dump, 0u) != 0)
            sni_report_all(rt);
        look(&m);
        look_for_hangs(&m);
        int64_t wait = goes_on(&m) ? LOOK_NS : m.active == INT64_MIN ? INT64_MAX : m.hang_at - sn_now();
        (void)sni_os_futex_wait(&rt->monitor.bell, bell, wait == INT64_MAX ? wait : sni_os_clock() + wait);
    }
}

/* In a signal handler. */
static void on_dump(void *arg, uintptr_t pc, uintptr_t sp)
{
    struct sni_rt *rt = arg;

    (void)pc, (void)sp;
    sni_store_seq(&rt->monitor.dump, 1u);
    sni_monitor_ring(rt);
}

int sni_monitor_start(struct sni_rt *rt)
{
    int r = sni_os_thread_start(&rt->monitor.thread, run, rt, "sennit-monitor");

    if (r == 0 && rt->opts.dump_signal && (r = sni_os_handle(SNI_OS_DUMP, rt->opts.dump_signal, on_dump, rt)) < 0) {
        sni_store_rel(&rt->stopping, 1u); /* as in stop_workers */
        sni_monitor_stop(rt);
    }
    return r;
}

void sni_monitor_stop(struct sni_rt *rt)
{
    sni_monitor_ring(rt); /* `stopping` is set */
    sni_os_thread_join(&rt->monitor.thread);
}
