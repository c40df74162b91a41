/* The inject queue: tasks readied by threads that are no workers, or that found a ring full, for any worker to run.
 *
 * The pinned tasks that are ready to go on, in a queue of the one worker that can run them.
 *
 * Hogs: tasks that computed for more than 10 ms when they ran last. Were they queued with the others, each of their turns
 * would cost the others tens of milliseconds for some switches of their own. So as many of them run at a time as there are
 * workers, each on a worker that steps aside for it and leaves the others' work to others: the system's scheduler then
 * shares the processors between them by time. */
#include "sched/idle.h"
#include "sched/park.h"
#include "sennit/time.h"

/* A thread that is no worker of rt: once the task that it hands over is there, that may run and end the runtime. unmake
 * waits for us. */
static bool begin_visit(struct sni_rt *rt)
{
    struct sni_worker *w = sni_self();
    bool visitor = !w || w->own.rt != rt;

    if (visitor)
        (void)sni_add_seq(&rt->visitors, 1u);
    return visitor;
}

static void end_visit(struct sni_rt *rt)
{
    (void)sni_sub_seq(&rt->visitors, 1u); /* our last touch; pairs with the load in unmake */
}

/* (its lock) */
static void append(struct sni_wait **head, struct sni_wait **tail, struct sni_wait *wait)
{
    wait->next = NULL;
    if (*tail)
        (*tail)->next = wait;
    else
        *head = wait;
    *tail = wait;
}

/* (its lock) */
static struct sni_wait *take_first(struct sni_wait **head, struct sni_wait **tail)
{
    struct sni_wait *wait = *head;

    if (wait && !(*head = wait->next))
        *tail = NULL;
    return wait;
}

void sni_inject(struct sni_rt *rt, struct sni_task *t)
{
    bool visitor = begin_visit(rt);

    sni_spin_lock(&rt->inject.lock);
    append(&rt->inject.head, &rt->inject.tail, &t->wait);
    (void)sni_add_seq(&rt->inject.n, 1u); /* Dekker with sni_go_to_sleep: it sees this, or we see it asleep */
    sni_spin_unlock(&rt->inject.lock);
    if (sni_load_seq(&rt->idle.wanted) != 0 && sni_load_seq(&rt->idle.searching) == 0)
        sni_wake_searcher(rt);
    if (visitor)
        end_visit(rt);
}

struct sni_task *sni_take_one_injected(struct sni_rt *rt)
{
    struct sni_wait *first;

    if (sni_load_seq(&rt->inject.n) == 0)
        return NULL;
    sni_spin_lock(&rt->inject.lock);
    if ((first = take_first(&rt->inject.head, &rt->inject.tail)) != NULL)
        (void)sni_add_seq(&rt->inject.n, -1u);
    sni_spin_unlock(&rt->inject.lock);
    return first ? sni_task_of(first) : NULL;
}

struct sni_task *sni_take_injected(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;
    uint32_t n = sni_load_rlx(&rt->inject.n); /* looked at again before sleeping */
    uint32_t room = SNI_RING - (sni_load_rlx(&w->run.tail) - sni_load_acq(&w->run.head));
    struct sni_wait *first = NULL, *wait;

    if (n == 0)
        return NULL;
    n = n / (uint32_t)rt->nworkers + 1;
    if (n > room)
        n = room + 1;
    sni_spin_lock(&rt->inject.lock);
    for (uint32_t i = 0; i < n && (wait = take_first(&rt->inject.head, &rt->inject.tail)); i++) {
        (void)sni_add_seq(&rt->inject.n, -1u);
        if (!first)
            first = wait;
        else
            (void)sni_ring_push(w, sni_task_of(wait)); /* there is room: only we push */
    }
    sni_spin_unlock(&rt->inject.lock);
    return first ? sni_task_of(first) : NULL;
}

/* The same for one worker. */
static void ready_pinned(struct sni_task *t)
{
    struct sni_worker *home = t->home;
    struct sni_rt *rt = t->rt;
    bool visitor = begin_visit(rt);

    sni_spin_lock(&home->pinned.lock);
    append(&home->pinned.head, &home->pinned.tail, &t->wait);
    (void)sni_add_seq(&rt->pinned_ready, 1u);
    (void)sni_add_seq(&home->pinned.n, 1u); /* Dekker with sni_go_to_sleep, as above */
    sni_spin_unlock(&home->pinned.lock);
    if (sni_load_seq(&home->sleep) != SNI_AWAKE)
        sni_wake_worker(rt, home);
    if (visitor)
        end_visit(rt);
}

struct sni_task *sni_take_pinned(struct sni_worker *w)
{
    struct sni_wait *first;

    if (sni_load_rlx(&w->pinned.n) == 0) /* looked at again before sleeping */
        return NULL;
    sni_spin_lock(&w->pinned.lock);
    if ((first = take_first(&w->pinned.head, &w->pinned.tail)) != NULL) {
        (void)sni_add_seq(&w->pinned.n, -1u);
        (void)sni_add_seq(&w->own.rt->pinned_ready, -1u);
    }
    sni_spin_unlock(&w->pinned.lock);
    return first ? sni_task_of(first) : NULL;
}

static void ready_hog(struct sni_task *t)
{
    struct sni_rt *rt = t->rt;
    bool visitor = begin_visit(rt);

    sni_spin_lock(&rt->hogs.lock);
    append(&rt->hogs.head, &rt->hogs.tail, &t->wait);
    (void)sni_add_seq(&rt->hogs.n, 1u); /* Dekker with sni_go_to_sleep, as above */
    sni_spin_unlock(&rt->hogs.lock);
    if (sni_load_seq(&rt->idle.wanted) != 0 && sni_load_seq(&rt->idle.searching) == 0 && sni_hogs_wanted(rt))
        sni_wake_searcher(rt);
    if (visitor)
        end_visit(rt);
}

static struct sni_wait *first_hog(struct sni_rt *rt)
{
    struct sni_wait *first;

    sni_spin_lock(&rt->hogs.lock);
    if ((first = take_first(&rt->hogs.head, &rt->hogs.tail)) != NULL) {
        (void)sni_add_seq(&rt->hogs.n, -1u);
        sni_store_rlx(&rt->hogs.taken, rt->hogs.taken + 1);
    }
    sni_spin_unlock(&rt->hogs.lock);
    return first;
}

struct sni_task *sni_take_hog(struct sni_worker *w)
{
    struct sni_wait *first;

    if (sni_likely(sni_load_rlx(&w->own.rt->hogs.n) == 0) || !sni_hogs_wanted(w->own.rt) || !(first = first_hog(w->own.rt)))
        return NULL;
    w->own.hog_since = sn_now();
    sni_step_aside(w, SNI_COMPUTING);
    return sni_task_of(first);
}

void sni_release_hog(struct sni_rt *rt)
{
    struct sni_wait *first = first_hog(rt);

    if (first) {
        first->kind = SNI_WAIT_TASK;
        sni_inject(rt, sni_task_of(first));
    }
}

void sni_ready_far(struct sni_wait *wait)
{
    if (wait->kind == SNI_WAIT_THREAD)
        sni_ready_thread(wait);
    else if (wait->kind == SNI_WAIT_PINNED)
        ready_pinned(sni_task_of(wait));
    else if (wait->kind == SNI_WAIT_HOG)
        ready_hog(sni_task_of(wait));
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
