#include "sched/sim.h"

#include "base/rng.h"
#include "sched/alloc.h"
#include "sched/look.h"
#include "sched/park.h"
#include "sched/report.h"
#include "sennit/error.h"
#include "sennit/sim.h"
#include "sennit/time.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    BEGIN_SEC = 86400,  /* sn_now at the beginning of each simulation: far enough from 0 for any subtraction */
    STEP_NS = 100,      /* how long each step takes */
    SLICE_NS = 1000000, /* how long it waits at most for what comes from outside, before it looks at everything again */
    EARLY_ONE_IN = 16,  /* how often a timer that is nearly due comes before those who are ready */
    PCT_STEPS_LOG2 = 12, /* change points lie within the first 2^3 to 2^12 steps: short programs and long ones */
};

/* A task's priority (PCT), and its number in the trace, which is that of its record. */
struct mark {
    uint32_t gen;
    uint64_t priority;
};

/* An object's number in the trace: objects of a kind are counted in the order in which they are first used. */
struct object {
    const void *address;
    const char *kind;
    size_t kind_len;
    unsigned number;
};

/* An end of a pipe that is the program's own. */
struct end {
    bool own;
    int other; /* -1: closed */
};

struct sni_sim {
    struct sni_sim_plan plan;
    struct sni_sim_record *record;
    struct sni_task **ready;  /* in the order in which they became ready */
    uint32_t nready, room;
    struct sni_task *stays;   /* the one that came by a scheduling point, and could go on */
    struct sni_task *last;    /* the one that ran last; may be another task's record by now */
    uint64_t rng;             /* of the strategy; sn_random has its own */
    int64_t now;
    uint32_t at;              /* next of the schedule */
    uint64_t lowest;          /* PCT: priorities that were lowered count down from the middle */
    uint64_t *changes;        /* PCT: the steps at which one is */
    struct mark *marks;       /* by task index */
    uint32_t nmarks;
    struct object *objects;
    uint32_t nobjects, objects_room;
    struct end *ends;         /* by descriptor */
    uint32_t nends;
};

#define GROW_OR_PANIC(array, room, need) sni_check(SNI_GROW((array), (room), (need)), "simulation: no memory")

/* --- choices --- */

static void hash(struct sni_sim *s, uint64_t value)
{
    uint64_t z = s->record->hash ^ value;

    s->record->hash = sni_rng_next(&z);
}

static void note_choice(struct sni_sim *s, uint32_t choice)
{
    struct sni_sim_record *r = s->record;

    if (choice != 0 && r->n < SNI_SIM_DEVIATIONS)
        r->deviations[r->n] = (struct sni_sim_choice){ r->choices, choice };
    r->n += choice != 0;
    hash(s, choice);
}

/* Counts one choice among n > 1. True: the schedule has made it. */
static bool begin_choice(struct sni_sim *s, uint32_t n, uint32_t *choice)
{
    const struct sni_sim_plan *p = &s->plan;

    s->record->choices++;
    if (!p->scheduled)
        return false;
    while (s->at < p->n && p->schedule[s->at].index < s->record->choices)
        s->at++;
    *choice = s->at < p->n && p->schedule[s->at].index == s->record->choices ? p->schedule[s->at].choice : 0;
    if (*choice >= n) /* of another program, or changed by hand */
        *choice = 0;
    return true;
}

uint32_t sni_sim_choose(struct sni_sim *s, uint32_t n)
{
    uint32_t choice = 0;

    if (n < 2)
        return 0;
    if (!begin_choice(s, n, &choice))
        choice = sni_rng_below(&s->rng, n);
    note_choice(s, choice);
    return choice;
}

/* Whether the next timer, which is nearly due, comes before those who are ready. */
static bool choose_early(struct sni_sim *s)
{
    uint32_t choice = 0;

    if (!begin_choice(s, 2, &choice))
        choice = s->plan.strategy != SN_SIM_ROBIN && sni_rng_below(&s->rng, EARLY_ONE_IN) == 0;
    note_choice(s, choice);
    return choice;
}

/* --- PCT: Burckhardt, Kothari, Musuvathi, Nagarakatte, "A randomized scheduler with probabilistic guarantees of finding
 * bugs" (ASPLOS 2010). Each task has a random priority, and the highest that is ready runs; at a few random steps the one
 * that would run is put below all others. A bug that needs d such changes is found with a probability that falls only with
 * the d-th power of the number of steps. --- */

static uint64_t *priority_of(struct sni_sim *s, struct sni_task *t)
{
    GROW_OR_PANIC(s->marks, s->nmarks, t->index + 1);
    struct mark *m = &s->marks[t->index];
    if (m->gen != t->gen) {
        m->gen = t->gen;
        m->priority = sni_rng_next(&s->rng) | (uint64_t)1 << 63;
    }
    return &m->priority;
}

static uint32_t highest(struct sni_sim *s)
{
    uint32_t best = 0;

    for (uint32_t i = 1; i < s->nready; i++)
        if (*priority_of(s, s->ready[i]) > *priority_of(s, s->ready[best]))
            best = i;
    return best;
}

static uint32_t pick_pct(struct sni_sim *s)
{
    for (int i = 0; i < s->plan.changes; i++)
        if (s->changes[i] == s->record->choices) {
            uint32_t first = highest(s);
            *priority_of(s, s->ready[first]) = --s->lowest;
        }
    return highest(s);
}

static bool place_changes(struct sni_sim *s)
{
    size_t n = (size_t)s->plan.changes;

    s->lowest = (uint64_t)1 << 62;
    if (n == 0)
        return true;
    if (!(s->changes = sni_alloc(n * sizeof *s->changes)))
        return false;
    for (size_t i = 0; i < n; i++) {
        uint32_t within = 1u << (3 + sni_rng_below(&s->rng, PCT_STEPS_LOG2 - 2));
        s->changes[i] = 1 + sni_rng_below(&s->rng, within);
    }
    return true;
}

/* --- which task is next --- */

/* The place in `ready` of the default: see struct sni_sim_choice. */
static uint32_t default_of(struct sni_sim *s)
{
    for (uint32_t i = s->nready; s->stays && i-- > 0;)
        if (s->ready[i] == s->stays)
            return i;
    return 0;
}

static uint32_t pick(struct sni_sim *s)
{
    uint32_t standard = default_of(s), choice = 0, at;

    if (s->nready == 1)
        return 0;
    if (begin_choice(s, s->nready, &choice)) {
        at = choice == 0 ? standard : choice - 1 < standard ? choice - 1 : choice;
    } else {
        at = s->plan.strategy == SN_SIM_PCT ? pick_pct(s)
             : s->plan.strategy == SN_SIM_ROBIN ? 0
                                                : sni_rng_below(&s->rng, s->nready);
        choice = at == standard ? 0 : at < standard ? at + 1 : at;
    }
    note_choice(s, choice);
    return at;
}

static void add_ready(struct sni_sim *s, struct sni_task *t)
{
    GROW_OR_PANIC(s->ready, s->room, s->nready + 1);
    s->ready[s->nready++] = t;
}

static struct sni_task *take_ready(struct sni_sim *s)
{
    uint32_t at = pick(s);
    struct sni_task *t = s->ready[at];

    memmove(&s->ready[at], &s->ready[at + 1], (--s->nready - at) * sizeof *s->ready);
    s->record->switches += t != s->last;
    s->last = t;
    s->stays = NULL;
    hash(s, t->index);
    return t;
}

/* --- the trace --- */

__attribute__((format(printf, 2, 3))) static void say(struct sni_sim *s, const char *format, ...)
{
    struct sni_sim_record *r = s->record;
    char *line = r->trace[r->lines++ % SNI_SIM_LINES];
    va_list ap;

    va_start(ap, format);
    int n = vsnprintf(line, SNI_SIM_LINE, format, ap);
    va_end(ap);
    if (n >= SNI_SIM_LINE)
        line[SNI_SIM_LINE - 2] = '\n';
    if (s->plan.trace)
        sni_os_print(line);
}

static unsigned number_of(struct sni_sim *s, const void *address, const char *kind, size_t len)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < s->nobjects; i++) {
        struct object *o = &s->objects[i];
        if (o->kind_len != len || memcmp(o->kind, kind, len) != 0)
            continue;
        if (o->address == address)
            return o->number;
        count++;
    }
    if (!SNI_GROW(s->objects, s->objects_room, s->nobjects + 1))
        return 0;
    s->objects[s->nobjects++] = (struct object){ address, kind, len, count + 1 };
    return count + 1;
}

/* "locks %mutex": the word after % is the object's kind, and its number follows; after # it is `object` itself. */
static void trace(struct sni_sim *s, const struct sni_task *t, const char *what, const void *object)
{
    char who[64], text[128];
    const char *kind = strpbrk(what, "%#");

    if (t->name)
        (void)snprintf(who, sizeof who, "%u \"%s\"", t->index + 1, t->name);
    else
        (void)snprintf(who, sizeof who, "%u %s", t->index + 1, strrchr(t->site, ' ') ? strrchr(t->site, ' ') + 1 : t->site);
    if (kind) {
        size_t len = strcspn(kind + 1, " ");
        (void)snprintf(text, sizeof text, "%.*s%.*s %u%s", (int)(kind - what), what, (int)len, kind + 1,
                       *kind == '#' ? (unsigned)(uintptr_t)object : number_of(s, object, kind + 1, len), kind + 1 + len);
    } else {
        (void)snprintf(text, sizeof text, "%s", what);
    }
    say(s, "%7llu %12.6f ms  task %-20s %s\n", (unsigned long long)s->record->steps,
        (double)(s->now - SN_SEC(BEGIN_SEC)) / 1e6, who, text);
}

/* What has become of the task that ran. */
static void trace_rest(struct sni_sim *s, struct sni_task *t, const struct sni_task *before)
{
    struct sni_sight sight;
    char what[160], text[192];

    if (before->hidden || s->stays == t)
        return;
    if (sni_load_acq(&t->gen) != before->gen) { /* pairs with the release in finish; the record may be another's by now */
        trace(s, before, "ends", NULL);
        return;
    }
    if (t->hidden)
        return;
    for (uint32_t i = s->nready; i-- > 0;)
        if (s->ready[i] == t)
            return;
    if (s->plan.details) { /* else nobody reads it */
        sni_look_at(t->rt, t, &sight);
        sni_sight_say(&sight, what, sizeof what);
    } else {
        const struct sni_reason *why = sni_load_rlx(&t->wait.reason);
        (void)snprintf(what, sizeof what, "%s", why ? why->text : "");
    }
    (void)snprintf(text, sizeof text, "  blocked: %s", what);
    trace(s, t, text, NULL);
}

/* --- scheduling points --- */

static void set_time(struct sni_sim *s, int64_t now)
{
    s->now = now;
    s->record->elapsed_ns = now - SN_SEC(BEGIN_SEC);
    sni_clock_set_virtual(now);
    if (sni_self())
        sni_store_rlx(&sni_self()->own.about, now);
}

static void hash_text(struct sni_sim *s, const char *text)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */

    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    hash(s, h);
}

static void count_step(struct sni_sim *s)
{
    s->record->steps++;
    sni_check(s->record->steps <= s->plan.steps_max, "simulation: no end after %llu steps (sn_sim_opts.steps_max)",
              (unsigned long long)s->plan.steps_max);
    set_time(s, s->now + STEP_NS);
}

static void commit_ready(void *arg)
{
    sni_inject(sni_self()->own.rt, arg);
}

static bool is_hidden(struct sni_worker *w)
{
    return w->own.current == &w->own.idle || w->own.current->hidden;
}

void sni_sim_point(struct sni_worker *w, const char *what, const void *object)
{
    struct sni_sim *s = w->own.rt->sim;
    struct sni_task *me = w->own.current;

    if (is_hidden(w))
        return;
    count_step(s);
    if (what)
        hash_text(s, what);
    s->stays = me;
    sni_switch(w, me, &w->own.idle, commit_ready, me);
    if (what) /* now it happens */
        trace(s, me, what, object);
}

void sni_sim_note(struct sni_worker *w, const char *what, const void *object)
{
    struct sni_sim *s = w->own.rt->sim;

    if (is_hidden(w))
        return;
    hash_text(s, what);
    trace(s, w->own.current, what, object);
}

void sni_sim_yield(struct sni_worker *w)
{
    struct sni_sim *s = w->own.rt->sim;
    struct sni_task *me = w->own.current;

    count_step(s);
    if (!me->hidden) {
        hash_text(s, "yields");
        trace(s, me, "yields", NULL);
    }
    if (s->plan.strategy == SN_SIM_PCT && !s->plan.scheduled)
        *priority_of(s, me) = --s->lowest; /* else who waits for others by yielding would keep them waiting */
    sni_switch(w, me, &w->own.idle, commit_ready, me);
}

/* --- pipes --- */

void sni_sim_own_pipe(struct sni_rt *rt, const int fds[2])
{
    struct sni_sim *s = rt->sim;

    if (!s)
        return;
    GROW_OR_PANIC(s->ends, s->nends, (uint32_t)(fds[0] > fds[1] ? fds[0] : fds[1]) + 1);
    s->ends[fds[0]] = (struct end){ true, fds[1] };
    s->ends[fds[1]] = (struct end){ true, fds[0] };
}

static struct end *end_of(const struct sni_rt *rt, int fd)
{
    struct sni_sim *s = rt->sim;

    return s && fd >= 0 && (uint32_t)fd < s->nends && s->ends[fd].own ? &s->ends[fd] : NULL;
}

bool sni_sim_owns_fd(const struct sni_rt *rt, int fd)
{
    return end_of(rt, fd) != NULL;
}

void sni_sim_close_fd(struct sni_rt *rt, int fd)
{
    struct end *e = end_of(rt, fd);

    if (!e)
        return;
    e->own = false;
    if (e->other >= 0)
        rt->sim->ends[e->other].other = -1; /* the number may be another's soon */
}

void sni_sim_share_fd(struct sni_rt *rt, int fd)
{
    struct end *e = end_of(rt, fd);

    if (!e)
        return;
    e->own = false;
    if (e->other >= 0)
        rt->sim->ends[e->other].own = false;
}

size_t sni_sim_part(struct sni_rt *rt, size_t size)
{
    if (size < 2)
        return size;
    switch (sni_sim_choose(rt->sim, 4)) {
    case 1:
        return 1;
    case 2:
        return size / 2;
    case 3:
        return size - 1;
    default:
        return size;
    }
}

int64_t sni_sim_delay(struct sni_rt *rt)
{
    static const int64_t delays[] = { 0, SN_US(1), SN_US(50), SN_MS(1) };

    return delays[sni_sim_choose(rt->sim, 4)];
}

/* --- the loop --- */

static void collect(struct sni_sim *s, struct sni_rt *rt)
{
    struct sni_task *t;

    while ((t = sni_take_one_injected(rt)) != NULL)
        add_ready(s, t);
}

static void fire(struct sni_sim *s, struct sni_worker *w, int64_t now)
{
    if (now > s->now)
        set_time(s, now);
    sni_timers_fire(&w->timers, s->now);
    collect(s, w->own.rt);
}

/* Somebody is ready, and a timer is nearly due: the system might have let those who are ready wait for so long. */
static void maybe_early(struct sni_sim *s, struct sni_worker *w)
{
    int64_t first = sni_load_rlx(&w->timers.first);

    if (first != INT64_MAX && first - s->now <= s->plan.late_ns && choose_early(s))
        fire(s, w, first);
}

/* Nobody is ready, and no pipe of our own. While a task waits for a descriptor of the world outside, time passes as it does
 * there; else it jumps to the next timer. */
static void wait_for_something(struct sni_sim *s, struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;
    int64_t first = sni_load_rlx(&w->timers.first);

    if (sni_load_rlx(&rt->poll.outside) != 0) { /* ours or a thread's, which then has not got to its wait yet */
        int64_t slice = first - s->now < SLICE_NS ? first - s->now : SLICE_NS; /* a thread may ready somebody meanwhile */
        sni_poll_run(rt, slice, NULL);
        collect(s, rt);
        if (s->nready == 0)
            fire(s, w, s->now + slice);
        return;
    }
    if (sni_load_rlx(&rt->poll.waiting) != 0) { /* the last look may have been interrupted */
        sni_poll_run(rt, 0, NULL);
        collect(s, rt);
        if (s->nready > 0)
            return;
    }
    if (first != INT64_MAX) {
        fire(s, w, first);
        return;
    }
    if (!sni_load_acq(&rt->stopping) && !sni_stack_last_chance(rt))
        sni_report_simulated_deadlock(rt); /* returns if others might still wake somebody */
    collect(s, rt);
}

void sni_sim_loop(struct sni_worker *w)
{
    struct sni_rt *rt = w->own.rt;
    struct sni_sim *s = rt->sim;

    sni_self_store(w);
    sni_store_rlx(&w->thread_id, (uint32_t)sni_os_thread_id());
    sni_spin_lock(&rt->idle.lock); /* as in sni_worker_run */
    sni_spin_unlock(&rt->idle.lock);
    w->altstack = sni_os_altstack_set();
    w->signal_mask = sni_os_signal_mask();
    sni_san_thread(w);
    sni_clock_begin_virtual(s->now);
    while (collect(s, rt), !sni_load_acq(&rt->stopping)) {
        if (sni_load_rlx(&rt->stacks.waiting) != 0)
            sni_stack_serve_one(rt);
        if (sni_load_seq(&rt->poll.waiting) != 0)
            sni_poll_run(rt, 0, NULL);
        fire(s, w, s->now);
        if (s->nready == 0) {
            wait_for_something(s, w);
            continue;
        }
        maybe_early(s, w);
        struct sni_task *t = take_ready(s);
        const struct sni_task before = { .index = t->index, .gen = t->gen, .name = t->name, .site = t->site,
                                         .hidden = t->hidden };
        sni_switch(w, &w->own.idle, t, sni_no_commit, NULL);
        collect(s, rt);
        trace_rest(s, t, &before);
    }
    sni_clock_end_virtual();
    sni_os_altstack_drop(w->altstack);
    sni_self_store(NULL);
    sni_store_rel(&w->exited, 1u); /* as sni_worker_run */
}

/* --- life --- */

struct sni_sim *sni_sim_new(const struct sni_sim_plan *plan, struct sni_sim_record *record)
{
    struct sni_sim *s = sni_alloc(sizeof *s);

    if (!s)
        return NULL;
    s->plan = *plan;
    s->record = record;
    s->now = SN_SEC(BEGIN_SEC);
    s->rng = plan->seed;
    record->hash = record->steps = record->switches = 0;
    record->choices = record->n = record->lines = 0;
    if (!place_changes(s)) {
        sni_free(s, sizeof *s);
        return NULL;
    }
    return s;
}

void sni_sim_destroy(struct sni_sim *s)
{
    sni_free(s->changes, (size_t)s->plan.changes * sizeof *s->changes);
    sni_free(s->marks, s->nmarks * sizeof *s->marks);
    sni_free(s->objects, s->objects_room * sizeof *s->objects);
    sni_free(s->ready, s->room * sizeof *s->ready);
    sni_free(s->ends, s->nends * sizeof *s->ends);
    sni_free(s, sizeof *s);
}
