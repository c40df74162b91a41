/* The workloads of docs/benchmarks.md with Sennit; pthread.c and go/ have the same. */
#include "versus.h"

#include <sennit.h>

struct crew;

struct member {
    struct crew *crew;
    struct waits *waits;
    int index;
    uint64_t own; /* the result of private work, so that it is done */
};

/* Tasks that begin at the same moment and do n rounds each on something shared. */
struct crew {
    void (*fn)(struct member *me);
    void *shared;
    long n;
    sn_waitgroup ready, gate;
};

static void must(int r)
{
    if (r < 0) {
        fprintf(stderr, "sennit: %s\n", sn_error_string(r));
        exit(1);
    }
}

static int member_main(sn_ctx *ctx, void *arg)
{
    struct member *me = arg;

    (void)ctx;
    sn_waitgroup_done(&me->crew->ready);
    sn_waitgroup_wait(&me->crew->gate);
    me->crew->fn(me);
    return 0;
}

static int64_t together(const struct pass *pass, int tasks, void (*fn)(struct member *me), void *shared)
{
    struct crew crew = { .fn = fn, .shared = shared, .n = pass->n };
    struct member members[MOST_TASKS];
    sn_group g;

    sn_waitgroup_add(&crew.ready, tasks);
    sn_waitgroup_add(&crew.gate, 1);
    sn_group_init(&g, NULL);
    for (int i = 0; i < tasks; i++) {
        members[i] = (struct member){ &crew, pass->waits ? &pass->waits[i] : NULL, i, (uint64_t)i + 1 };
        must(sn_group_go(&g, member_main, &members[i]));
    }
    sn_waitgroup_wait(&crew.ready);
    int64_t begin = clock_ns();
    sn_waitgroup_done(&crew.gate);
    must(sn_group_wait(&g));
    return clock_ns() - begin;
}

/* Uncontended: one task. */

struct locked {
    sn_mutex m;
    uint64_t state;
    long count;
};

struct rwlocked {
    sn_rwmutex m;
    uint64_t state;
    long first, last; /* equal whenever nobody writes */
};

static int64_t mutex(const struct pass *pass)
{
    struct locked s = { .count = 0 };
    int64_t begin = clock_ns();
    for (long i = 0; i < pass->n; i++) {
        sn_mutex_lock(&s.m);
        s.count++;
        sn_mutex_unlock(&s.m);
    }
    int64_t ns = clock_ns() - begin;
    check_equal("mutex", s.count, pass->n);
    return ns;
}

static int64_t rwmutex_read(const struct pass *pass)
{
    struct rwlocked s = { .first = 1 };
    long sum = 0;
    int64_t begin = clock_ns();
    for (long i = 0; i < pass->n; i++) {
        sn_rwmutex_rlock(&s.m);
        sum += s.first;
        sn_rwmutex_runlock(&s.m);
    }
    int64_t ns = clock_ns() - begin;
    check_equal("rwmutex_read", sum, pass->n);
    return ns;
}

static int64_t rwmutex_write(const struct pass *pass)
{
    struct rwlocked s = { .first = 0 };
    int64_t begin = clock_ns();
    for (long i = 0; i < pass->n; i++) {
        sn_rwmutex_lock(&s.m);
        s.first++;
        sn_rwmutex_unlock(&s.m);
    }
    int64_t ns = clock_ns() - begin;
    check_equal("rwmutex_write", s.first, pass->n);
    return ns;
}

static void count_once(void *arg)
{
    ++*(long *)arg;
}

static int64_t once(const struct pass *pass)
{
    sn_once o = { { 0 } };
    long count = 0;
    int64_t begin = clock_ns();
    for (long i = 0; i < pass->n; i++)
        sn_once_do(&o, count_once, &count);
    int64_t ns = clock_ns() - begin;
    check_equal("once", count, 1);
    return ns;
}

static int64_t waitgroup(const struct pass *pass)
{
    sn_waitgroup wg = { { 0 } };
    int64_t begin = clock_ns();
    for (long i = 0; i < pass->n; i++) {
        sn_waitgroup_add(&wg, 1);
        sn_waitgroup_done(&wg);
    }
    int64_t ns = clock_ns() - begin;
    sn_waitgroup_wait(&wg);
    check_equal("waitgroup", sn_waitgroup_count(&wg), 0);
    return ns;
}

static int64_t semaphore(const struct pass *pass)
{
    sn_sem sem = SN_SEM_INIT(1);
    long count = 0;
    int64_t begin = clock_ns();
    for (long i = 0; i < pass->n; i++) {
        must(sn_sem_acquire(NULL, &sem, 1));
        count++;
        sn_sem_release(&sem, 1);
    }
    int64_t ns = clock_ns() - begin;
    check_equal("semaphore", count, pass->n);
    check_equal("semaphore: permits", sn_sem_available(&sem), 1);
    return ns;
}

/* Contended. */

static void lock_and_work(struct member *me)
{
    struct locked *s = me->crew->shared;
    uint64_t own = me->own;

    for (long i = 0; i < me->crew->n; i++) {
        int64_t begin = wait_clock(me->waits);
        sn_mutex_lock(&s->m);
        int64_t end = wait_clock(me->waits);
        s->state = work(s->state);
        s->count++;
        sn_mutex_unlock(&s->m);
        own = work(own);
        wait_note(me->waits, end - begin);
    }
    me->own = own;
}

static int64_t mutex_n(const struct pass *pass)
{
    struct locked s = { .state = 1 };
    int64_t ns = together(pass, pass->tasks, lock_and_work, &s);
    check_equal("mutex", s.count, pass->n * pass->tasks);
    return ns;
}

static void lock_and_yield(struct member *me)
{
    struct locked *s = me->crew->shared;
    uint64_t own = me->own;

    for (long i = 0; i < me->crew->n; i++) {
        int64_t begin = wait_clock(me->waits);
        sn_mutex_lock(&s->m);
        int64_t end = wait_clock(me->waits);
        s->state = work(s->state);
        s->count++;
        if (i % 64 == 63)
            sn_yield();
        sn_mutex_unlock(&s->m);
        own = work(own);
        wait_note(me->waits, end - begin);
    }
    me->own = own;
}

static int64_t mutex_yield(const struct pass *pass)
{
    struct locked s = { .state = 1 };
    int64_t ns = together(pass, pass->tasks, lock_and_yield, &s);
    check_equal("mutex_yield", s.count, pass->n * pass->tasks);
    return ns;
}

static void read_mostly(struct member *me)
{
    struct rwlocked *s = me->crew->shared;
    uint64_t own = me->own;
    long torn = 0;

    for (long i = 0; i < me->crew->n; i++) {
        int64_t begin = wait_clock(me->waits), end;
        if (i % 100 == me->index) {
            sn_rwmutex_lock(&s->m);
            end = wait_clock(me->waits);
            s->first++;
            s->state = work(s->state);
            s->last++;
            sn_rwmutex_unlock(&s->m);
        } else {
            sn_rwmutex_rlock(&s->m);
            end = wait_clock(me->waits);
            torn += s->first != s->last;
            own ^= work(s->state);
            sn_rwmutex_runlock(&s->m);
        }
        own = work(own);
        wait_note(me->waits, end - begin);
    }
    check_equal("rwmutex: seen while written", torn, 0);
    me->own = own;
}

static int64_t rwmutex_n(const struct pass *pass)
{
    struct rwlocked s = { .state = 1 };
    long writes = 0;
    int64_t ns = together(pass, pass->tasks, read_mostly, &s);
    for (int i = 0; i < pass->tasks; i++)
        writes += (pass->n + 99 - i) / 100;
    check_equal("rwmutex: writes", s.last, writes);
    return ns;
}

struct permits {
    sn_sem sem;
    int inside;
    long count;
};

static void hold_a_permit(struct member *me)
{
    struct permits *s = me->crew->shared;

    for (long i = 0; i < me->crew->n; i++) {
        int64_t begin = wait_clock(me->waits);
        must(sn_sem_acquire(NULL, &s->sem, 1));
        int64_t end = wait_clock(me->waits);
        if (__atomic_add_fetch(&s->inside, 1, __ATOMIC_RELAXED) > 2)
            check_equal("semaphore: too many inside", 1, 0);
        sn_yield();
        __atomic_sub_fetch(&s->inside, 1, __ATOMIC_RELAXED);
        sn_sem_release(&s->sem, 1);
        wait_note(me->waits, end - begin);
    }
    __atomic_add_fetch(&s->count, me->crew->n, __ATOMIC_RELAXED);
}

static int64_t semaphore_n(const struct pass *pass)
{
    struct permits s = { .sem = SN_SEM_INIT(2) };
    int64_t ns = together(pass, pass->tasks, hold_a_permit, &s);
    check_equal("semaphore", s.count, pass->n * pass->tasks);
    check_equal("semaphore: permits", sn_sem_available(&s.sem), 2);
    return ns;
}

/* Starting tasks and waiting for them. */

struct one {
    sn_waitgroup *wg;
    long count;
};

static int count_and_done(sn_ctx *ctx, void *arg)
{
    struct one *one = arg;

    (void)ctx;
    one->count++;
    sn_waitgroup_done(one->wg);
    return 0;
}

static int count_only(sn_ctx *ctx, void *arg)
{
    struct one *one = arg;

    (void)ctx;
    one->count++;
    return 0;
}

static int64_t waitgroup_fanout(const struct pass *pass)
{
    struct one ones[MOST_TASKS] = { { .count = 0 } };
    sn_waitgroup wg = { { 0 } };
    int64_t begin = clock_ns();
    for (long i = 0; i < pass->n; i++) {
        sn_waitgroup_add(&wg, pass->tasks);
        for (int k = 0; k < pass->tasks; k++) {
            ones[k].wg = &wg;
            must(sn_task_go(count_and_done, &ones[k]));
        }
        sn_waitgroup_wait(&wg);
    }
    int64_t ns = clock_ns() - begin;
    for (int k = 0; k < pass->tasks; k++)
        check_equal("waitgroup_fanout", ones[k].count, pass->n);
    return ns;
}

static int64_t group_fanout(const struct pass *pass)
{
    struct one ones[MOST_TASKS] = { { .count = 0 } };
    int64_t begin = clock_ns();
    for (long i = 0; i < pass->n; i++) {
        sn_group g;
        sn_group_init(&g, NULL);
        for (int k = 0; k < pass->tasks; k++)
            must(sn_group_go(&g, count_only, &ones[k]));
        must(sn_group_wait(&g));
    }
    int64_t ns = clock_ns() - begin;
    for (int k = 0; k < pass->tasks; k++)
        check_equal("group_fanout", ones[k].count, pass->n);
    return ns;
}

/* Condition variables. */

struct game {
    sn_mutex m;
    sn_cond turn[2];
    int whose;
    long turns;
};

static void play(struct member *me)
{
    struct game *s = me->crew->shared;

    for (long i = 0; i < me->crew->n; i++) {
        sn_mutex_lock(&s->m);
        while (s->whose != me->index)
            sn_cond_wait(&s->turn[me->index], &s->m);
        s->whose = !me->index;
        s->turns++;
        sn_mutex_unlock(&s->m);
        sn_cond_signal(&s->turn[!me->index]);
    }
}

static int64_t cond_pingpong(const struct pass *pass)
{
    struct game s = { .whose = 0 };
    int64_t ns = together(pass, pass->tasks, play, &s);
    check_equal("cond_pingpong", s.turns, pass->n * pass->tasks);
    return ns;
}

struct parade {
    sn_mutex m;
    sn_cond begin, end;
    int marchers, left;
    long round, steps;
};

static void march(struct member *me)
{
    struct parade *s = me->crew->shared;

    for (long i = 0; i < me->crew->n; i++) {
        sn_mutex_lock(&s->m);
        while (s->round == i)
            sn_cond_wait(&s->begin, &s->m);
        s->steps++;
        bool last = --s->left == 0;
        sn_mutex_unlock(&s->m);
        if (last)
            sn_cond_signal(&s->end);
    }
}

/* The first calls the steps, the others march. */
static void lead_or_march(struct member *me)
{
    struct parade *s = me->crew->shared;

    if (me->index > 0) {
        march(me);
        return;
    }
    for (long i = 0; i < me->crew->n; i++) {
        sn_mutex_lock(&s->m);
        s->round++;
        s->left = s->marchers;
        sn_mutex_unlock(&s->m);
        sn_cond_broadcast(&s->begin);
        sn_mutex_lock(&s->m);
        while (s->left > 0)
            sn_cond_wait(&s->end, &s->m);
        sn_mutex_unlock(&s->m);
    }
}

static int64_t cond_broadcast(const struct pass *pass)
{
    struct parade s = { .marchers = pass->tasks };
    int64_t ns = together(pass, pass->tasks + 1, lead_or_march, &s);
    check_equal("cond_broadcast", s.steps, pass->n * pass->tasks);
    return ns;
}

static const struct workload workloads[] = {
    { "mutex", mutex, 1, false },
    { "rwmutex_read", rwmutex_read, 1, false },
    { "rwmutex_write", rwmutex_write, 1, false },
    { "once", once, 1, false },
    { "waitgroup", waitgroup, 1, false },
    { "semaphore", semaphore, 1, false },
    { "mutex_2", mutex_n, 2, true },
    { "mutex_8", mutex_n, 8, true },
    { "mutex_64", mutex_n, 64, true },
    { "mutex_8_yield", mutex_yield, 8, true },
    { "rwmutex_2", rwmutex_n, 2, true },
    { "rwmutex_8", rwmutex_n, 8, true },
    { "rwmutex_64", rwmutex_n, 64, true },
    { "semaphore_8", semaphore_n, 8, true },
    { "waitgroup_fanout", waitgroup_fanout, 64, false },
    { "group_fanout", group_fanout, 64, false },
    { "cond_pingpong", cond_pingpong, 2, false },
    { "cond_broadcast", cond_broadcast, 64, false },
};

struct choice {
    const struct workload *workload;
    int workers;
};

static int measure(sn_ctx *ctx, void *arg)
{
    struct choice *c = arg;

    (void)ctx;
    versus_measure("sennit", VERSION, c->workload, c->workers);
    return 0;
}

int main(int argc, char **argv)
{
    struct choice c;

    c.workload = versus_choose(argc, argv, workloads, sizeof workloads / sizeof *workloads, &c.workers);
    must(sn_run(measure, &c, &(sn_run_opts){ .workers = c.workers }));
    return 0;
}
