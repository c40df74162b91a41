/* The workloads of docs/benchmarks.md with POSIX threads; sennit.c and go/ have the same. A task is a thread here, and
 * workers are the processors that the process may use. */
#include "versus.h"

#include <gnu/libc-version.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

struct crew;

struct member {
    struct crew *crew;
    struct waits *waits;
    int index;
    uint64_t own; /* the result of private work, so that it is done */
};

/* Threads that begin at the same moment and do n rounds each on something shared. */
struct crew {
    void (*fn)(struct member *me);
    void *shared;
    long n;
    pthread_barrier_t ready, gate;
};

static pthread_attr_t small, detached; /* small stacks: the C library keeps 40 MB of stacks for the next threads */

static void must(int r)
{
    if (r != 0) {
        fprintf(stderr, "pthread: %s\n", strerror(r));
        exit(1);
    }
}

static void *member_main(void *arg)
{
    struct member *me = arg;

    pthread_barrier_wait(&me->crew->ready);
    pthread_barrier_wait(&me->crew->gate);
    me->crew->fn(me);
    return NULL;
}

static int64_t together(const struct pass *pass, int tasks, void (*fn)(struct member *me), void *shared)
{
    struct crew crew = { .fn = fn, .shared = shared, .n = pass->n };
    struct member members[MOST_TASKS];
    pthread_t threads[MOST_TASKS];

    must(pthread_barrier_init(&crew.ready, NULL, (unsigned)tasks + 1));
    must(pthread_barrier_init(&crew.gate, NULL, (unsigned)tasks + 1));
    for (int i = 0; i < tasks; i++) {
        members[i] = (struct member){ &crew, pass->waits ? &pass->waits[i] : NULL, i, (uint64_t)i + 1 };
        must(pthread_create(&threads[i], &small, member_main, &members[i]));
    }
    pthread_barrier_wait(&crew.ready);
    int64_t begin = clock_ns();
    pthread_barrier_wait(&crew.gate);
    for (int i = 0; i < tasks; i++)
        must(pthread_join(threads[i], NULL));
    int64_t ns = clock_ns() - begin;
    pthread_barrier_destroy(&crew.ready);
    pthread_barrier_destroy(&crew.gate);
    return ns;
}

/* Uncontended: one thread. */

struct locked {
    pthread_mutex_t m;
    uint64_t state;
    long count;
};

struct rwlocked {
    pthread_rwlock_t m;
    uint64_t state;
    long first, last; /* equal whenever nobody writes */
};

static int64_t mutex(const struct pass *pass)
{
    struct locked s = { .m = PTHREAD_MUTEX_INITIALIZER };
    int64_t begin = clock_ns();
    for (long i = 0; i < pass->n; i++) {
        pthread_mutex_lock(&s.m);
        s.count++;
        pthread_mutex_unlock(&s.m);
    }
    int64_t ns = clock_ns() - begin;
    check_equal("mutex", s.count, pass->n);
    return ns;
}

static int64_t rwmutex_read(const struct pass *pass)
{
    struct rwlocked s = { .m = PTHREAD_RWLOCK_INITIALIZER, .first = 1 };
    long sum = 0;
    int64_t begin = clock_ns();
    for (long i = 0; i < pass->n; i++) {
        pthread_rwlock_rdlock(&s.m);
        sum += s.first;
        pthread_rwlock_unlock(&s.m);
    }
    int64_t ns = clock_ns() - begin;
    check_equal("rwmutex_read", sum, pass->n);
    return ns;
}

static int64_t rwmutex_write(const struct pass *pass)
{
    struct rwlocked s = { .m = PTHREAD_RWLOCK_INITIALIZER };
    int64_t begin = clock_ns();
    for (long i = 0; i < pass->n; i++) {
        pthread_rwlock_wrlock(&s.m);
        s.first++;
        pthread_rwlock_unlock(&s.m);
    }
    int64_t ns = clock_ns() - begin;
    check_equal("rwmutex_write", s.first, pass->n);
    return ns;
}

static long once_count;

static void count_once(void)
{
    once_count++;
}

static int64_t once(const struct pass *pass)
{
    pthread_once_t o = PTHREAD_ONCE_INIT;
    once_count = 0;
    int64_t begin = clock_ns();
    for (long i = 0; i < pass->n; i++)
        pthread_once(&o, count_once);
    int64_t ns = clock_ns() - begin;
    check_equal("once", once_count, 1);
    return ns;
}

/* There is none; this is how one is commonly made. */
struct waitgroup {
    pthread_mutex_t m;
    pthread_cond_t zero;
    int left;
};

static void waitgroup_add(struct waitgroup *wg, int n)
{
    pthread_mutex_lock(&wg->m);
    wg->left += n;
    if (wg->left == 0)
        pthread_cond_broadcast(&wg->zero);
    pthread_mutex_unlock(&wg->m);
}

static void waitgroup_wait(struct waitgroup *wg)
{
    pthread_mutex_lock(&wg->m);
    while (wg->left > 0)
        pthread_cond_wait(&wg->zero, &wg->m);
    pthread_mutex_unlock(&wg->m);
}

static int64_t waitgroup(const struct pass *pass)
{
    struct waitgroup wg = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };
    int64_t begin = clock_ns();
    for (long i = 0; i < pass->n; i++) {
        waitgroup_add(&wg, 1);
        waitgroup_add(&wg, -1);
    }
    int64_t ns = clock_ns() - begin;
    waitgroup_wait(&wg);
    check_equal("waitgroup", wg.left, 0);
    return ns;
}

static int permits_of(sem_t *sem)
{
    int n;
    sem_getvalue(sem, &n);
    return n;
}

static int64_t semaphore(const struct pass *pass)
{
    sem_t sem;
    long count = 0;
    sem_init(&sem, 0, 1);
    int64_t begin = clock_ns();
    for (long i = 0; i < pass->n; i++) {
        sem_wait(&sem);
        count++;
        sem_post(&sem);
    }
    int64_t ns = clock_ns() - begin;
    check_equal("semaphore", count, pass->n);
    check_equal("semaphore: permits", permits_of(&sem), 1);
    sem_destroy(&sem);
    return ns;
}

/* Contended. */

static void lock_and_work(struct member *me)
{
    struct locked *s = me->crew->shared;
    uint64_t own = me->own;

    for (long i = 0; i < me->crew->n; i++) {
        int64_t begin = wait_clock(me->waits);
        pthread_mutex_lock(&s->m);
        int64_t end = wait_clock(me->waits);
        s->state = work(s->state);
        s->count++;
        pthread_mutex_unlock(&s->m);
        own = work(own);
        wait_note(me->waits, end - begin);
    }
    me->own = own;
}

static int64_t mutex_n(const struct pass *pass)
{
    struct locked s = { .m = PTHREAD_MUTEX_INITIALIZER, .state = 1 };
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
        pthread_mutex_lock(&s->m);
        int64_t end = wait_clock(me->waits);
        s->state = work(s->state);
        s->count++;
        if (i % 64 == 63)
            sched_yield();
        pthread_mutex_unlock(&s->m);
        own = work(own);
        wait_note(me->waits, end - begin);
    }
    me->own = own;
}

static int64_t mutex_yield(const struct pass *pass)
{
    struct locked s = { .m = PTHREAD_MUTEX_INITIALIZER, .state = 1 };
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
            pthread_rwlock_wrlock(&s->m);
            end = wait_clock(me->waits);
            s->first++;
            s->state = work(s->state);
            s->last++;
            pthread_rwlock_unlock(&s->m);
        } else {
            pthread_rwlock_rdlock(&s->m);
            end = wait_clock(me->waits);
            torn += s->first != s->last;
            own ^= work(s->state);
            pthread_rwlock_unlock(&s->m);
        }
        own = work(own);
        wait_note(me->waits, end - begin);
    }
    check_equal("rwmutex: seen while written", torn, 0);
    me->own = own;
}

static int64_t rwmutex_n(const struct pass *pass)
{
    struct rwlocked s = { .m = PTHREAD_RWLOCK_INITIALIZER, .state = 1 };
    long writes = 0;
    int64_t ns = together(pass, pass->tasks, read_mostly, &s);
    for (int i = 0; i < pass->tasks; i++)
        writes += (pass->n + 99 - i) / 100;
    check_equal("rwmutex: writes", s.last, writes);
    return ns;
}

struct permits {
    sem_t sem;
    int inside;
    long count;
};

static void hold_a_permit(struct member *me)
{
    struct permits *s = me->crew->shared;

    for (long i = 0; i < me->crew->n; i++) {
        int64_t begin = wait_clock(me->waits);
        sem_wait(&s->sem);
        int64_t end = wait_clock(me->waits);
        if (__atomic_add_fetch(&s->inside, 1, __ATOMIC_RELAXED) > 2)
            check_equal("semaphore: too many inside", 1, 0);
        sched_yield();
        __atomic_sub_fetch(&s->inside, 1, __ATOMIC_RELAXED);
        sem_post(&s->sem);
        wait_note(me->waits, end - begin);
    }
    __atomic_add_fetch(&s->count, me->crew->n, __ATOMIC_RELAXED);
}

static int64_t semaphore_n(const struct pass *pass)
{
    struct permits s = { .inside = 0 };
    sem_init(&s.sem, 0, 2);
    int64_t ns = together(pass, pass->tasks, hold_a_permit, &s);
    check_equal("semaphore", s.count, pass->n * pass->tasks);
    check_equal("semaphore: permits", permits_of(&s.sem), 2);
    sem_destroy(&s.sem);
    return ns;
}

/* Starting threads and waiting for them. */

struct one {
    struct waitgroup *wg;
    long count;
};

static void *count_and_done(void *arg)
{
    struct one *one = arg;

    one->count++;
    waitgroup_add(one->wg, -1);
    return NULL;
}

static void *count_only(void *arg)
{
    struct one *one = arg;

    one->count++;
    return NULL;
}

static int64_t waitgroup_fanout(const struct pass *pass)
{
    struct one ones[MOST_TASKS] = { { .count = 0 } };
    struct waitgroup wg = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0 };
    int64_t begin = clock_ns();
    for (long i = 0; i < pass->n; i++) {
        waitgroup_add(&wg, pass->tasks);
        for (int k = 0; k < pass->tasks; k++) {
            pthread_t thread;
            ones[k].wg = &wg;
            must(pthread_create(&thread, &detached, count_and_done, &ones[k]));
        }
        waitgroup_wait(&wg);
    }
    int64_t ns = clock_ns() - begin;
    for (int k = 0; k < pass->tasks; k++)
        check_equal("waitgroup_fanout", ones[k].count, pass->n);
    return ns;
}

static int64_t group_fanout(const struct pass *pass)
{
    struct one ones[MOST_TASKS] = { { .count = 0 } };
    pthread_t threads[MOST_TASKS];
    int64_t begin = clock_ns();
    for (long i = 0; i < pass->n; i++) {
        for (int k = 0; k < pass->tasks; k++)
            must(pthread_create(&threads[k], &small, count_only, &ones[k]));
        for (int k = 0; k < pass->tasks; k++)
            must(pthread_join(threads[k], NULL));
    }
    int64_t ns = clock_ns() - begin;
    for (int k = 0; k < pass->tasks; k++)
        check_equal("group_fanout", ones[k].count, pass->n);
    return ns;
}

/* Condition variables. */

struct game {
    pthread_mutex_t m;
    pthread_cond_t turn[2];
    int whose;
    long turns;
};

static void play(struct member *me)
{
    struct game *s = me->crew->shared;

    for (long i = 0; i < me->crew->n; i++) {
        pthread_mutex_lock(&s->m);
        while (s->whose != me->index)
            pthread_cond_wait(&s->turn[me->index], &s->m);
        s->whose = !me->index;
        s->turns++;
        pthread_mutex_unlock(&s->m);
        pthread_cond_signal(&s->turn[!me->index]);
    }
}

static int64_t cond_pingpong(const struct pass *pass)
{
    struct game s = { PTHREAD_MUTEX_INITIALIZER, { PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER }, 0, 0 };
    int64_t ns = together(pass, pass->tasks, play, &s);
    check_equal("cond_pingpong", s.turns, pass->n * pass->tasks);
    return ns;
}

struct parade {
    pthread_mutex_t m;
    pthread_cond_t begin, end;
    int marchers, left;
    long round, steps;
};

static void march(struct member *me)
{
    struct parade *s = me->crew->shared;

    for (long i = 0; i < me->crew->n; i++) {
        pthread_mutex_lock(&s->m);
        while (s->round == i)
            pthread_cond_wait(&s->begin, &s->m);
        s->steps++;
        bool last = --s->left == 0;
        pthread_mutex_unlock(&s->m);
        if (last)
            pthread_cond_signal(&s->end);
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
        pthread_mutex_lock(&s->m);
        s->round++;
        s->left = s->marchers;
        pthread_mutex_unlock(&s->m);
        pthread_cond_broadcast(&s->begin);
        pthread_mutex_lock(&s->m);
        while (s->left > 0)
            pthread_cond_wait(&s->end, &s->m);
        pthread_mutex_unlock(&s->m);
    }
}

static int64_t cond_broadcast(const struct pass *pass)
{
    struct parade s = { .m = PTHREAD_MUTEX_INITIALIZER,
                        .begin = PTHREAD_COND_INITIALIZER,
                        .end = PTHREAD_COND_INITIALIZER,
                        .marchers = pass->tasks };
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

static void use_processors(int n)
{
    cpu_set_t may, use;

    CPU_ZERO(&use);
    if (sched_getaffinity(0, sizeof may, &may) != 0)
        return;
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&use) < n; i++) {
        if (CPU_ISSET(i, &may))
            CPU_SET(i, &use);
    }
    (void)sched_setaffinity(0, sizeof use, &use);
}

struct choice {
    const struct workload *workload;
    int workers;
    char version[64];
};

static void *measure(void *arg)
{
    struct choice *c = arg;

    versus_measure("pthread", c->version, c->workload, c->workers);
    return NULL;
}

/* In a thread of its own: in a process that never had a second one the C library leaves the locked instructions out. */
int main(int argc, char **argv)
{
    struct choice c;
    pthread_t thread;

    c.workload = versus_choose(argc, argv, workloads, sizeof workloads / sizeof *workloads, &c.workers);
    snprintf(c.version, sizeof c.version, "glibc %s", gnu_get_libc_version());
    use_processors(c.workers);
    must(pthread_attr_init(&small));
    must(pthread_attr_setstacksize(&small, 65536));
    must(pthread_attr_init(&detached));
    must(pthread_attr_setstacksize(&detached, 65536));
    must(pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED));
    must(pthread_create(&thread, NULL, measure, &c));
    must(pthread_join(thread, NULL));
    return 0;
}
