/* The wait-for graph. An edge leads from a task to one that must act before it can go on: the holder of its mutex, the writer of
 * its rwmutex, the caller that runs its once, every task of the group that it waits for. A task is stuck if its edge leads to a
 * stuck one, or to one that has ended: the largest set with this property. Tasks that wait for anything else are not in it, for
 * any other task or thread could be what they wait for.
 *
 * Nobody is stopped for that. Each candidate is looked at twice, all of them once and then all of them again: one whose wait
 * has the same number both times was parked all the while, so that all were at the moment between; and whoever is parked frees
 * no mutex. */
#include "sched/hang.h"

#include "sched/alloc.h"
#include "sched/park.h"
#include "sched/report.h"
#include "sennit/time.h"

#include <stdlib.h>

enum { ROUNDS = 1000, NOBODY = -1, MOST_NS = 20000000 };

struct suspect {
    struct sni_task *task;
    uint32_t index, gen;
    uint64_t seq;
    const struct sni_reason *reason;
    const void *object;
    const struct sni_wait *holder;
    sn_group *group;   /* that counts it */
    int next;          /* the suspect that it waits for, NOBODY: one that has ended */
    bool stuck, in_cycle;
};

struct suspects {
    struct sni_rt *rt;
    struct suspect *all;
    uint32_t n, room;
    int64_t give_up;   /* the monitor has other things to do */
    int64_t before;    /* waiting since then, at the latest */
    uint32_t end;      /* of the chunk that is looked at */
    uint32_t next;
    bool more;
};

enum { PART = 4096 }; /* records looked at while tasks.lock is held */

static bool read_wait(const struct sni_task *t, struct suspect *out)
{
    out->gen = sni_load_acq(&t->gen);
    out->seq = sni_load_acq(&t->wait.seq);
    out->reason = sni_load_rlx(&t->wait.reason);
    out->object = sni_load_rlx(&t->wait.object);
    if (!out->reason)
        return false;
    out->holder = out->reason->holder ? out->reason->holder(out->object) : NULL;
    return out->holder || out->reason == &sni_waiting_for_group;
}

static bool suspect(struct sni_task *t, void *arg)
{
    struct suspects *s = arg;
    struct suspect one = { .task = t, .index = t->index, .group = sni_load_rlx(&t->group) };

    if (t->index >= s->end) {
        s->next = t->index;
        s->more = true;
        return false;
    }
    if (!sni_load_rlx(&t->wait.reason) || sni_load_rlx(&t->wait.since) > s->before || !read_wait(t, &one))
        return true;
    if (s->n == s->room) { /* its lock is a spin lock: memory is got when it is free again */
        s->next = t->index;
        s->more = true;
        return false;
    }
    s->all[s->n++] = one;
    return true;
}

static bool collect(struct suspects *s)
{
    do {
        if (!SNI_GROW(s->all, s->room, s->n + 1))
            return false;
        s->more = false;
        s->end = s->next / PART * PART + PART;
        sni_spin_lock(&s->rt->tasks.lock);
        sni_task_some(s->rt, s->next, suspect, s);
        sni_spin_unlock(&s->rt->tasks.lock);
    } while (s->more);
    return true;
}

/* --- who is stuck --- */

static int by_index(const void *key, const void *element)
{
    uint32_t index = *(const uint32_t *)key, other = ((const struct suspect *)element)->index;

    return (index > other) - (index < other);
}

/* The suspect that is that task; NULL: it is none. They are in the order of their indices. */
static struct suspect *of_task(struct suspects *s, const struct sni_task *t)
{
    return bsearch(&t->index, s->all, s->n, sizeof *s->all, by_index);
}

/* One that is stuck, and whose end is waited for there; NULL: none is. */
static struct suspect *stuck_member(struct suspects *s, const void *group)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->all[i].stuck && s->all[i].group == group)
            return &s->all[i];
    return NULL;
}

static bool is_stuck(struct suspects *s, struct suspect *one)
{
    struct suspect *other;

    if (one->reason == &sni_waiting_for_group) {
        other = stuck_member(s, one->object);
    } else {
        const struct sni_task *holder = sni_task_at(s->rt, one->holder); /* chunks stay where they are */
        one->next = NOBODY;
        if (!holder)
            return false; /* a plain thread */
        if (!sni_task_is_alive(holder))
            return true;
        other = of_task(s, holder);
    }
    if (!other || !other->stuck)
        return false;
    one->next = (int)(other - s->all);
    return true;
}

/* From all to those that remain. False: it took too long. */
static bool narrow(struct suspects *s)
{
    bool changed = true;

    for (size_t i = 0; i < s->n; i++)
        s->all[i].stuck = true;
    for (int round = 0; changed; round++) {
        changed = false;
        if (round == ROUNDS || sn_now() > s->give_up)
            return false;
        for (size_t i = 0; i < s->n && (i % 64 != 0 || sn_now() <= s->give_up); i++)
            if (s->all[i].stuck && !is_stuck(s, &s->all[i])) {
                changed = true;
                s->all[i].stuck = false;
            }
    }
    return sn_now() <= s->give_up; /* else the last round may not have been a whole one */
}

/* All of them still wait as they did. */
static bool confirm(struct suspects *s)
{
    struct suspect now = { 0 };

    for (size_t i = 0; i < s->n; i++) {
        struct suspect *one = &s->all[i];
        if (one->stuck && (!read_wait(one->task, &now) || now.gen != one->gen || now.seq != one->seq ||
                           now.reason != one->reason || now.object != one->object || now.holder != one->holder))
            return false;
    }
    return true;
}

/* --- telling --- */

/* Marks those in the circle, if there is one, to which the edges from `one` lead. */
static void mark_cycle(struct suspects *s, struct suspect *one)
{
    struct suspect *at = one;

    for (size_t i = 0; i < s->n && at; i++)
        at = at->next == NOBODY ? NULL : &s->all[at->next];
    for (; at && !at->in_cycle; at = &s->all[at->next])
        at->in_cycle = true;
}

static void tell(struct suspects *s)
{
    struct sni_hang h = { 0 };
    bool news = false;

    if (!(h.tasks = sni_alloc(s->n * sizeof *h.tasks)))
        return; /* the next look will find them again */
    for (size_t i = 0; i < s->n; i++) {
        struct suspect *one = &s->all[i];
        if (!one->stuck)
            continue;
        news = news || (one->task->told != one->seq && !sni_load_rlx(&one->task->hidden));
        one->task->told = one->seq;
        mark_cycle(s, one);
    }
    for (int pass = 0; pass < 2; pass++) /* the circles first, each in its order */
        for (size_t i = 0; i < s->n; i++)
            for (struct suspect *one = &s->all[i]; one->stuck && one->in_cycle == (pass == 0);) {
                one->stuck = false;
                h.cyclic += pass == 0;
                if (!sni_load_rlx(&one->task->hidden))
                    h.tasks[h.n++] = one->index;
                if (pass > 0)
                    break;
                one = &s->all[one->next];
            }
    if (news)
        sni_report_hang(s->rt, &h);
    sni_free(h.tasks, s->n * sizeof *h.tasks);
}

void sni_hang_look(struct sni_rt *rt)
{
    struct suspects s = { .rt = rt, .before = sn_now() - rt->opts.hang_ns, .give_up = sn_now() + MOST_NS };

    if (collect(&s) && s.n > 0 && narrow(&s) && confirm(&s))
        tell(&s);
    sni_free(s.all, s.room * sizeof *s.all);
}
