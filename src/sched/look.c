#include "sched/look.h"

#include "sched/halt.h"
#include "sched/park.h"
#include "sennit/time.h"

#include <stdio.h>
#include <string.h>

bool sni_peek(void *copy, const void *from, size_t size)
{
    return from && sni_os_peek(copy, from, size);
}

void sni_peek_text(char *to, size_t size, const char *from)
{
    to[0] = '\0';
    if (sni_peek(to, from, size)) { /* most often there is as much */
        to[size - 1] = '\0';
        return;
    }
    for (size_t i = 0; from && i + 1 < size && sni_peek(&to[i], &from[i], 1) && to[i]; i++)
        to[i + 1] = '\0';
}

void sni_symbol(const void *pc, char *buf, size_t size)
{
    struct sni_os_symbols symbols = { 0 };

    sni_os_symbol(&symbols, pc, buf, size);
    sni_os_symbols_end(&symbols);
}

/* What it waits for. False: it was woken meanwhile, and *out is not to be believed. */
static bool look_at_object(struct sni_rt *rt, const struct sni_task *t, const struct sni_reason *why, struct sni_sight *out)
{
    const void *object = sni_load_rlx(&t->wait.object);
    const struct sni_wait *holder = why->holder ? why->holder(object) : NULL;

    if (why->describe)
        why->describe(object, out->more, sizeof out->more);
    if (holder) {
        const struct sni_task *h = sni_task_at(rt, holder);
        out->holds = why->holds;
        out->holder = h ? h->index + 1 : 0;
        out->holder_ended = h && !sni_task_is_alive(h);
    }
    sni_fence_seq(); /* who claims it takes the reason back before the object is freed */
    return sni_load_rlx(&t->wait.reason) == why;
}

/* What may be read while the task goes on: words that are written one by one. */
void sni_look_at(struct sni_rt *rt, const struct sni_task *t, struct sni_sight *out)
{
    const struct sni_reason *why = sni_load_rlx(&t->wait.reason);

    *out = (struct sni_sight){ .index = t->index, .gen = sni_load_acq(&t->gen), .site = sni_load_rlx(&t->site),
                               .hidden = sni_load_rlx(&t->hidden), .waited = -1, .worker = -1 };
    sni_peek_text(out->name, sizeof out->name, sni_load_rlx(&t->name));
    if (why && look_at_object(rt, t, why, out)) {
        out->doing = why->text;
        out->waited = sn_now() - sni_load_rlx(&t->wait.since);
        return;
    }
    out->more[0] = '\0';
    out->holds = NULL;
    out->doing = "running or ready to run";
}

void sni_sight_say(const struct sni_sight *s, char *buf, size_t size)
{
    char who[64] = "";

    if (s->holds && s->holder)
        (void)snprintf(who, sizeof who, " %s task %u%s", s->holds, s->holder, s->holder_ended ? ", which has ended" : "");
    else if (s->holds)
        (void)snprintf(who, sizeof who, " %s a plain thread", s->holds);
    (void)snprintf(buf, size, "%s%s%s%s", s->doing, s->more[0] ? " " : "", s->more, who);
}

/* What the worker noted of itself when it was halted. */
static void take_calls(struct sni_sight *out, const struct sni_worker *w)
{
    out->ncalls = w->halt.ncalls;
    memcpy(out->calls, w->halt.calls, out->ncalls * sizeof *out->calls);
}

/* No worker goes on: what is the task's own can be read, too. */
static void look_deeper(struct sni_rt *rt, const struct sni_task *t, struct sni_sight *out, bool calls)
{
    const struct sni_worker *w = sni_halted_in(rt, t);

    if (w) {
        out->worker = (int)w->own.id;
        if (out->waited < 0)
            out->doing = t->blocking ? "in sn_blocking" : "running";
        take_calls(out, w);
        return;
    }
    if (sni_is_current(rt, t)) { /* it runs on another stack: in a signal handler, or a coroutine of its own */
        out->doing = "running";
        return;
    }
    out->nholds = sni_locks_of(t, out->held, sizeof out->held / sizeof *out->held); /* who runs may be just about to change it */
    if (out->waited < 0)
        out->doing = t->sp ? "ready to run" : "has not run yet";
    if (calls)
        out->ncalls = sni_calls_parked(t, out->calls, SNI_CALLS);
}

struct gaze {
    struct sni_rt *rt;
    struct sni_sight *out;
    size_t n, most;
    uint32_t next;
    bool still, calls;
};

static bool gaze_at(struct sni_task *t, void *arg)
{
    struct gaze *g = arg;

    g->next = t->index;
    if (g->n == g->most)
        return false;
    g->next++;
    struct sni_sight *out = &g->out[g->n];
    sni_look_at(g->rt, t, out);
    if (g->still)
        look_deeper(g->rt, t, out, g->calls);
    g->n += !out->hidden && sni_load_acq(&t->gen) == out->gen;
    return true;
}

size_t sni_look(struct sni_rt *rt, uint32_t *next, struct sni_sight *out, size_t n, enum sni_depth depth, bool *still)
{
    struct gaze g = { .rt = rt, .out = out, .most = n, .next = *next, .calls = depth == SNI_WITH_CALLS };

    *still = g.still = sni_halt(rt);
    sni_task_some(rt, *next, gaze_at, &g);
    sni_unhalt(rt);
    *next = g.next;
    return g.n;
}

bool sni_look_at_stuck(struct sni_worker *w, struct sni_sight *out)
{
    struct sni_rt *rt = w->own.rt;
    bool still = sni_halt(rt);
    struct sni_task *t = sni_load_acq(&w->own.current); /* pairs with the release in sni_switch */
    bool stuck = (sni_load_rlx(&w->own.flags) & (SNI_STUCK | SNI_BLOCKING)) == SNI_STUCK && t != &w->own.idle;

    if (stuck) {
        sni_look_at(rt, t, out); /* it answered, or stays where it is: we hold idle.lock */
        if (still && sni_halted_in(rt, t) == w)
            take_calls(out, w);
    }
    sni_unhalt(rt);
    return stuck;
}
