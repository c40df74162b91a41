/* Who sleeps, who searches, who is stuck, and who is woken. */
#ifndef SNI_SCHED_IDLE_H
#define SNI_SCHED_IDLE_H

#include "sched/rt.h"

/* The earliest timer of any worker: one that is busy may not look at its own. INT64_MAX: there is none. */
int64_t sni_first_timer(struct sni_rt *rt);

/* The calling worker looks for work, or does no longer. */
void sni_start_searching(struct sni_rt *rt);
void sni_stop_searching(struct sni_rt *rt);

/* Sleeps until woken, or until it is time. The caller is searching, and still is when it returns. */
void sni_go_to_sleep(struct sni_worker *w);

/* More workers are awake than shall run tasks at a time, and this one can be spared: it gives away what it has, and
 * sleeps. */
bool sni_is_surplus(struct sni_worker *w);

/* A worker's thread is about to start, in no other state than awake; or it could not be started. */
void sni_count_started(struct sni_rt *rt);
void sni_count_refused(struct sni_rt *rt);

/* The worker does without its thread for a while: what was to run next goes where others see it, and if there is work,
 * somebody is woken to do it. `why`: SNI_BLOCKING or SNI_COMPUTING. */
void sni_step_aside(struct sni_worker *w, uint32_t why);

/* Wakes this very worker, if it sleeps. */
void sni_wake_worker(struct sni_rt *rt, struct sni_worker *w);

/* For the monitor. mark: these workers have been in one task for long. take_lifo: after a heavy fence; what would have run
 * next on a worker that is still so, or NULL. help: a sleeper is woken for the work that stuck workers leave lying; false:
 * none sleeps, and fewer are awake than could be. hurry: all that are awake shall go through their loops. */
void sni_mark_stuck(struct sni_rt *rt, struct sni_worker **ws, int n);
void sni_mark_computing(struct sni_worker *w);
struct sni_task *sni_take_lifo(struct sni_worker *w);
bool sni_help(struct sni_rt *rt);
void sni_hurry_all(struct sni_rt *rt);

/* What the worker has queued, but for pinned tasks and the one it would run next. A guess. */
static inline uint32_t sni_backlog(const struct sni_worker *w)
{
    return sni_load_acq(&w->run.tail) - sni_load_acq(&w->run.head) + (uint32_t)sni_deque_len(&w->fresh);
}

/* All other workers sleep. A guess. */
static inline bool sni_is_alone(const struct sni_rt *rt)
{
    return sni_load_rlx(&rt->idle.awake) == 1 && sni_load_rlx(&rt->idle.stuck) == 0;
}

/* A hog is ready, and fewer run than may. */
static inline bool sni_hogs_wanted(const struct sni_rt *rt)
{
    return sni_load_seq(&rt->hogs.n) != 0 && sni_load_seq(&rt->hogs.running) < (uint32_t)rt->nworkers;
}

/* Somebody should sit in the poller. */
static inline bool sni_poller_wanted(struct sni_rt *rt)
{
    return sni_load_seq(&rt->poll.waiting) != 0 && sni_load_seq(&rt->poll.busy) == 0;
}

/* --- queues that belong to no worker, or to others too --- */

/* Takes a fair share of the inject queue: returns the first, the others go to our ring. */
struct sni_task *sni_take_injected(struct sni_worker *w);

/* The longest-waiting hog, unless enough run already; then this worker has stepped aside to run it. */
struct sni_task *sni_take_hog(struct sni_worker *w);

/* One that waits behind too many others is let through as if it were no hog. */
void sni_release_hog(struct sni_rt *rt);

/* The longest-waiting of the pinned tasks that this worker has to run. */
struct sni_task *sni_take_pinned(struct sni_worker *w);

#endif
