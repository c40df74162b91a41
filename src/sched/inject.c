/* The inject queue: tasks readied by threads that are no workers, or that found a ring full, for any worker to run. */
#include "sched/idle.h"
#include "sched/park.h"

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
    (void)sni_add_seq(&rt->inject.n, 1u); /* Dekker with sni_go_to_sleep: it sees this, or we see it asleep */
    sni_spin_unlock(&rt->inject.lock);
    if (sni_load_seq(&rt->idle.sleeping) != 0 && sni_load_seq(&rt->idle.searching) == 0)
        sni_wake_searcher(rt);
    if (visitor)
        (void)sni_sub_seq(&rt->visitors, 1u); /* our last touch; pairs with the load in unmake */
}

/* Takes a fair share of the queue: returns the first, the others go to our ring. */
struct sni_task *sni_take_injected(struct sni_worker *w)
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
