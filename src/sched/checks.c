/* Lock order, as in the kernel's lockdep and abseil's deadlock detector: a graph in which an edge from A to B says that B was wanted
 * by somebody who held A. A new edge that closes a circle is an order that can deadlock, whether it does now or not. Its nodes are
 * locks, not classes of locks: two accounts are locked in either order somewhere, or they are not.
 *
 * What each task or thread holds is a list in its wait record, touched by itself only. The graph is under graph.lock. */
#include "sched/checks.h"

#include "sched/alloc.h"
#include "sched/fork.h"
#include "sched/halt.h"
#include "sched/report.h"
#include "sched/stack.h"
#include "sched/text.h"
#include "sched/thread.h"

#include <string.h>

uint32_t sni_checks;

enum { CALLS = 8, BUCKETS = 1024, MOST_EDGES = 100000, PAGE = 12 };

struct sni_held {
    uint32_t n, room;
    struct sni_holding at[];
};

struct order_edge {
    struct order_edge *next;
    struct order_node *from, *to;
    const void *held_at;         /* where `from` had been taken */
    void *calls[CALLS];          /* by which `to` was wanted */
    uint32_t ncalls;
    struct sni_sight who;
    bool by_task;
};

struct order_node {
    struct order_node *next;     /* in its bucket */
    const void *lock;
    const char *kind;
    struct order_edge *edges;    /* to what was wanted while this was held */
    struct order_edge *came_by;  /* in a search */
    uint32_t seen;               /* the number of the last search that came here */
};

/* Process-wide, as locks are. */
static struct {
    struct sni_spin lock;
    struct order_node *buckets[BUCKETS];
    uint32_t nodes, edges, searches;
    uint32_t users;
} graph;

/* Sites that were reported, so that each is told once: a set of addresses, as far as it goes. */
enum kind { LOCKS_AT_END, THREAD_LOCK, STACK, MASK };

static struct {
    struct sni_spin lock;
    struct {
        const void *site;
        enum kind kind;
    } at[256];
    uint32_t n;
} told;

static bool is_news(const void *site, enum kind kind)
{
    bool news;

    sni_spin_lock(&told.lock);
    news = told.n < sizeof told.at / sizeof *told.at; /* enough is enough */
    for (uint32_t i = 0; news && i < told.n; i++)
        news = told.at[i].site != site || told.at[i].kind != kind;
    if (news) {
        told.at[told.n].site = site;
        told.at[told.n++].kind = kind;
    }
    sni_spin_unlock(&told.lock);
    return news;
}

static void forget_told(void)
{
    sni_spin_lock(&told.lock);
    told.n = 0;
    sni_spin_unlock(&told.lock);
}

/* --- the graph (graph.lock) --- */

static unsigned bucket_of(const void *lock)
{
    return (unsigned)(((uintptr_t)lock >> PAGE) * 0x9e3779b1u >> 7) % BUCKETS; /* those of a page lie together */
}

static struct order_node *node_of(const void *lock, const char *kind)
{
    struct order_node **bucket = &graph.buckets[bucket_of(lock)], *n = *bucket;

    while (n && n->lock != lock)
        n = n->next;
    if (!n && (n = sni_alloc(sizeof *n)) != NULL) {
        *n = (struct order_node){ .next = *bucket, .lock = lock, .kind = kind };
        *bucket = n;
        graph.nodes++;
    }
    return n;
}

static bool has_edge(const struct order_node *from, const struct order_node *to)
{
    const struct order_edge *e = from->edges;

    while (e && e->to != to)
        e = e->next;
    return e != NULL;
}

/* Whether `to` can be reached from `from`; then came_by leads back. Depth first, going back by came_by. */
static bool search(struct order_node *from, const struct order_node *to)
{
    uint32_t number = ++graph.searches;
    struct order_node *at = from;

    from->seen = number;
    from->came_by = NULL;
    while (at != to) {
        struct order_edge *e = at->edges;
        while (e && e->to->seen == number)
            e = e->next;
        if (e) {
            e->to->seen = number;
            e->to->came_by = e;
            at = e->to;
        } else if (at->came_by) {
            at = at->came_by->from;
        } else {
            return false;
        }
    }
    return true;
}

static void drop_edges(struct order_node *n)
{
    struct order_edge *e, *next;

    for (e = n->edges; e; e = next) {
        next = e->next;
        sni_free(e, sizeof *e);
        graph.edges--;
    }
    n->edges = NULL;
}

static void drop_edges_to(const struct order_node *gone)
{
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct order_node *n = graph.buckets[i]; n; n = n->next)
            for (struct order_edge **at = &n->edges; *at;) {
                struct order_edge *e = *at;
                if (e->to != gone) {
                    at = &e->next;
                    continue;
                }
                *at = e->next;
                sni_free(e, sizeof *e);
                graph.edges--;
            }
}

static void forget_in_bucket(unsigned bucket, uintptr_t low, size_t size)
{
    for (struct order_node **at = &graph.buckets[bucket]; *at;) {
        struct order_node *n = *at;
        if ((uintptr_t)n->lock - low >= size) {
            at = &n->next;
            continue;
        }
        *at = n->next;
        drop_edges(n);
        drop_edges_to(n);
        sni_free(n, sizeof *n);
        graph.nodes--;
    }
}

void sni_locks_forget(const void *memory, size_t size)
{
    uintptr_t low = (uintptr_t)memory, page = low >> PAGE, end = (low + size - 1) >> PAGE;

    if (size == 0)
        return;
    sni_spin_lock(&graph.lock);
    if (graph.nodes > 0 && end - page >= BUCKETS)
        for (unsigned i = 0; i < BUCKETS; i++)
            forget_in_bucket(i, low, size);
    else if (graph.nodes > 0)
        for (; page <= end; page++)
            forget_in_bucket(bucket_of((void *)(page << PAGE)), low, size);
    sni_spin_unlock(&graph.lock);
}

void sni_checks_begin(void)
{
    sni_spin_lock(&graph.lock);
    sni_store_rlx(&sni_checks, ++graph.users);
    sni_spin_unlock(&graph.lock);
}

void sni_checks_finish(void)
{
    sni_spin_lock(&graph.lock);
    sni_store_rlx(&sni_checks, --graph.users);
    for (unsigned i = 0; graph.users == 0 && i < BUCKETS; i++)
        while (graph.buckets[i]) {
            struct order_node *n = graph.buckets[i];
            graph.buckets[i] = n->next;
            drop_edges(n);
            sni_free(n, sizeof *n);
            graph.nodes--;
        }
    if (graph.users == 0)
        forget_told();
    sni_spin_unlock(&graph.lock);
}

void sni_checks_forked(void)
{
    sni_spin_unlock(&graph.lock);
    sni_spin_unlock(&told.lock);
    memset(graph.buckets, 0, sizeof graph.buckets); /* they may be half changed: abandoned */
    graph.users = graph.nodes = graph.edges = 0;
    sni_store_rlx(&sni_checks, 0u); /* until a runtime of the child's own begins */
}

/* --- reports --- */

static void say_lock(struct sni_text *t, const struct order_node *n)
{
    sni_say(t, "%s %p", n->kind, n->lock);
}

static void say_edge(struct sni_text *t, const struct order_edge *e)
{
    char name[256];

    if (e->by_task)
        sni_say_who(t, &e->who);
    else
        sni_say(t, "  a plain thread");
    sni_say(t, "\n    held ");
    say_lock(t, e->from);
    sni_os_symbol(&t->symbols, e->held_at, name, sizeof name);
    sni_say(t, ", taken at\n      %s\n    and wanted ", name);
    say_lock(t, e->to);
    sni_say(t, " at\n");
    sni_say_calls(t, e->calls, e->ncalls);
}

/* (graph.lock) `closing` leads back to where the way to its `from` began. */
static void say_circle(struct sni_text *t, const struct order_edge *closing, uint32_t length)
{
    sni_say(t, "sennit: lock order: %u locks are taken in a circle, which can deadlock\n", length);
    say_edge(t, closing);
    for (const struct order_edge *e = closing->from->came_by; e; e = e->from->came_by)
        say_edge(t, e);
}

/* --- what is held --- */

/* (graph.lock) Adds the edge; what it closes is said in *t. */
static void add_edge(struct sni_wait *self, const struct sni_holding *h, const void *lock, const char *kind, struct sni_text *t)
{
    struct order_node *from, *to;
    struct order_edge *e;
    uint32_t length = 1;

    if (graph.edges >= MOST_EDGES || !(from = node_of(h->lock, h->kind)) || !(to = node_of(lock, kind)) || from == to ||
        has_edge(from, to) || !(e = sni_alloc(sizeof *e)))
        return;
    e->from = from;
    e->to = to;
    e->held_at = h->site;
    e->ncalls = sni_calls_here(e->calls, CALLS);
    if ((e->by_task = sni_wait_is_task(self)))
        sni_look_at(sni_task_of(self)->rt, sni_task_of(self), &e->who);
    if (search(to, from)) {
        for (const struct order_edge *at = from->came_by; at; at = at->from->came_by)
            length++;
        say_circle(t, e, length);
    }
    e->next = from->edges;
    from->edges = e;
    graph.edges++;
}

void sni_lock_wanted(struct sni_wait *self, const void *lock, const char *kind)
{
    struct sni_held *held = self->held;
    struct sni_text t = { 0 };

    if (!held || held->n == 0)
        return;
    sni_spin_lock(&graph.lock);
    for (uint32_t i = 0; i < held->n; i++)
        if (!(held->at[i].flags & SNI_LOCK_PERMIT))
            add_edge(self, &held->at[i], lock, kind, &t);
    sni_spin_unlock(&graph.lock);
    sni_report_text(sni_rt_self(), &t);
    sni_text_end(&t);
}

void sni_lock_taken(struct sni_wait *self, const void *lock, const char *kind, const void *site, enum sni_lock_flags flags)
{
    struct sni_held *held = self->held;
    uint32_t n = held ? held->n : 0, room = held ? held->room : 0;

    if (n == room) {
        struct sni_held *more = sni_alloc(sizeof *more + (room ? room * 2 : 4) * sizeof *more->at);
        if (!more)
            return; /* this one goes unseen */
        more->n = n;
        more->room = room ? room * 2 : 4;
        if (n)
            memcpy(more->at, held->at, n * sizeof *more->at);
        if (held)
            sni_free(held, sizeof *held + room * sizeof *held->at);
        self->held = held = more;
    }
    held->at[held->n++] = (struct sni_holding){ lock, kind, site, flags };
}

void sni_lock_released(struct sni_wait *self, const void *lock)
{
    struct sni_held *held = self->held;

    for (uint32_t i = held ? held->n : 0; i-- > 0;)
        if (held->at[i].lock == lock) {
            held->n--;
            memmove(&held->at[i], &held->at[i + 1], (held->n - i) * sizeof *held->at);
            return;
        }
}

/* The first from the i-th on with the flags `with` and without any of `without`; NULL: there is none. */
static const struct sni_holding *held_from(const struct sni_held *held, uint32_t i, unsigned with, unsigned without)
{
    for (; held && i < held->n; i++)
        if ((held->at[i].flags & with) == with && !(held->at[i].flags & without))
            return &held->at[i];
    return NULL;
}

static void say_held(struct sni_text *t, const struct sni_held *held, unsigned with, unsigned without)
{
    const struct sni_holding *h;
    char name[256];

    for (uint32_t i = 0; (h = held_from(held, i, with, without)) != NULL; i = (uint32_t)(h - held->at) + 1) {
        sni_os_symbol(&t->symbols, h->site, name, sizeof name);
        sni_say(t, "    %s %p, taken at\n      %s\n", h->kind, h->lock, name);
    }
}

/* A line of its own for the task that a report is about. */
static void say_whose(struct sni_text *text, const struct sni_task *t)
{
    struct sni_sight who;

    sni_look_at(t->rt, t, &who);
    sni_say_who(text, &who);
    sni_say(text, "\n");
}

uint32_t sni_locks_of(const struct sni_task *task, struct sni_holding *out, uint32_t most)
{
    const struct sni_held *held = task->wait.held;
    uint32_t n = !held ? 0 : held->n < most ? held->n : most;

    if (n > 0)
        memcpy(out, held->at, n * sizeof *out);
    return n;
}

static void drop_held(struct sni_wait *self)
{
    if (self->held)
        sni_free(self->held, sizeof *self->held + self->held->room * sizeof *self->held->at);
    self->held = NULL;
}

static void report_held(struct sni_wait *self, const struct sni_task *task, const char *what)
{
    enum { OTHERS_MAY_RELEASE = SNI_LOCK_PERMIT | SNI_LOCK_SHARED };
    const struct sni_holding *first = held_from(self->held, 0, 0, OTHERS_MAY_RELEASE);
    struct sni_text t = { 0 };

    if (!sni_checks_on() || !first || !is_news(first->site, LOCKS_AT_END))
        return;
    sni_say(&t, "sennit: %s\n", what);
    if (task)
        say_whose(&t, task);
    say_held(&t, self->held, 0, OTHERS_MAY_RELEASE);
    sni_report_text(task ? task->rt : sni_rt_self(), &t);
    sni_text_end(&t);
}

void sni_check_end(struct sni_worker *w, struct sni_task *t)
{
    char *low = t->sp ? sni_stack_low(&w->own.rt->stacks, t->stack) : NULL;

    report_held(&t->wait, t, "a task has ended with locks held: nobody will get them");
    drop_held(&t->wait);
    if (low)
        sni_locks_forget(low, w->own.rt->stacks.size); /* what was on its stack */
}

void sni_check_thread_end(struct sni_wait *self)
{
    report_held(self, NULL, "a thread has ended with locks held: nobody will get them");
    drop_held(self);
}

/* --- waiting --- */

/* What is found when a task is about to wait is told when it goes on: now it may hold an object's lock. */
enum { HELD_OF_THREAD = 1, LITTLE_STACK = 2, OTHER_MASK = 4 };

static size_t stack_used(const struct sni_task *t)
{
    return (size_t)(t->stack - (char *)__builtin_frame_address(0));
}

void sni_check_park(struct sni_worker *w, struct sni_task *t)
{
    size_t all = t->rt->stacks.size - SNI_STACK_GUARD, used;
    uint64_t mask;

    t->found = 0;
    if (t == &w->own.idle)
        return;
    used = stack_used(t);
    if (held_from(t->wait.held, 0, SNI_LOCK_OF_THREAD, 0))
        t->found |= HELD_OF_THREAD;
    if (used > all / 5 * 4 && used <= all) /* else it is on a stack of its own */
        t->found |= LITTLE_STACK;
    if ((mask = sni_os_signal_mask()) != w->signal_mask) { /* it stays with the thread: the next task to run there has it */
        t->found |= OTHER_MASK;
        w->signal_mask = mask; /* who comes after is not to blame */
    }
}

static void tell_of_thread_locks(const struct sni_task *t, const struct sni_reason *reason)
{
    const struct sni_holding *first = held_from(t->wait.held, 0, SNI_LOCK_OF_THREAD, 0);
    struct sni_text text = { 0 };

    if (!first || !is_news(first->site, THREAD_LOCK))
        return;
    sni_say(&text, "sennit: a task waits (%s) while it holds a lock that belongs to its thread: other tasks run there"
                   " meanwhile, and it may go on elsewhere\n", reason->text);
    say_whose(&text, t);
    say_held(&text, t->wait.held, SNI_LOCK_OF_THREAD, 0);
    sni_report_text(t->rt, &text);
    sni_text_end(&text);
}

static void tell_of_stack(const struct sni_task *t)
{
    struct sni_text text = { 0 };
    void *calls[SNI_CALLS];

    if (!is_news(t->site, STACK))
        return;
    sni_say(&text, "sennit: a task uses %zu of its %zu KiB of stack (sn_run_opts.stack_size)\n", stack_used(t) / 1024,
            (t->rt->stacks.size - SNI_STACK_GUARD) / 1024);
    say_whose(&text, t);
    sni_say_calls(&text, calls, sni_calls_here(calls, SNI_CALLS));
    sni_report_text(t->rt, &text);
    sni_text_end(&text);
}

static void tell_of_mask(const struct sni_task *t)
{
    struct sni_text text = { 0 };

    if (!is_news(t->site, MASK))
        return;
    sni_say(&text, "sennit: a task waits with another signal mask than it found: that stays with the thread, and others run"
                   " there now\n");
    say_whose(&text, t);
    sni_report_text(t->rt, &text);
    sni_text_end(&text);
}

void sni_check_woken(struct sni_task *t, const struct sni_reason *reason)
{
    unsigned found = t->found;

    t->found = 0;
    if (found & HELD_OF_THREAD)
        tell_of_thread_locks(t, reason);
    if (found & LITTLE_STACK)
        tell_of_stack(t);
    if (found & OTHER_MASK)
        tell_of_mask(t);
}
