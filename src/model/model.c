/* Threads of the model: fibres, of which one runs until the seed lets another go on. */
#include "model/model.h"

#include "arch/arch.h"
#include "model/memory.h"

#include <execinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    STACK = 256 * 1024,
    STEPS_MAX = 3000000,
    STEP_NS = 20,
    EARLY_ONE_IN = 64,      /* how often a sleeper is woken before its time: the clock jumps there */
    SPURIOUS_ONE_IN = 32,   /* how often a wait ends for no reason */
};

enum state { NONE, READY, WAITING, ENDED };

struct thread {
    enum state state;
    void *sp;               /* saved; NULL: has not run yet */
    char *stack;
    void *(*fn)(void *);
    void *arg;
    struct sni_worker *self; /* the library's thread-local */
    void *slot;
    uint32_t *word;         /* WAITING: for this futex; NULL: for a thread's end */
    int joined;             /* whose */
    int64_t deadline;
    bool timed_out;
    struct sni_view view;
};

static struct {
    bool running;
    const char *name;
    uint64_t seed, rng;
    uint64_t steps;
    uint32_t switch_one_in;
    int64_t clock;
    int current, n;
    struct thread threads[SNI_MODEL_THREADS];
} model;

bool sni_model_is_running(void)
{
    return model.running;
}

void sni_model_name(const char *test)
{
    model.name = test;
}

uint64_t sni_model_steps(void)
{
    return model.steps;
}

uint32_t sni_model_choose(uint32_t n)
{
    uint64_t z = (model.rng += 0x9e3779b97f4a7c15u); /* splitmix64, as in base/rng.h */

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (uint32_t)(((z >> 32) * n) >> 32);
}

_Noreturn void sni_model_fail(const char *format, ...)
{
    void *calls[64];
    va_list ap;

    model.running = false; /* what follows is no part of it */
    va_start(ap, format);
    (void)fprintf(stderr, "model: %s: ", model.name ? model.name : "?");
    (void)vfprintf(stderr, format, ap);
    va_end(ap);
    (void)fprintf(stderr, "\nmodel: thread %d, step %llu; replay with MODEL_SEED=%llu\n", model.current,
                  (unsigned long long)model.steps, (unsigned long long)model.seed);
    (void)fflush(stderr);
    backtrace_symbols_fd(calls, backtrace(calls, 64), 2);
    abort();
}

/* --- switching --- */

static struct thread *me(void)
{
    return &model.threads[model.current];
}

static void go_to(int next)
{
    struct thread *from = me(), *to = &model.threads[next];

    if (from == to)
        return;
    from->self = sni_self_load();
    model.current = next;
    sni_self_store(to->self);
    if (to->sp)
        sni_arch_switch(&from->sp, to->sp);
    else
        sni_arch_start(&from->sp, to->stack + STACK - 64, NULL);
}

static void wake(struct thread *t, bool timed_out)
{
    t->state = READY;
    t->timed_out = timed_out;
}

/* The sleeper whose time comes first; NULL: none has one. */
static struct thread *first_sleeper(void)
{
    struct thread *first = NULL;

    for (int i = 0; i < model.n; i++) {
        struct thread *t = &model.threads[i];
        if (t->state == WAITING && t->deadline != INT64_MAX && (!first || t->deadline < first->deadline))
            first = t;
    }
    return first;
}

static void jump_to(struct thread *t)
{
    if (t->deadline > model.clock)
        model.clock = t->deadline;
    wake(t, true);
}

/* Who goes on: the n-th of those that can, other than the caller if `others` and there is one. */
static int choose_thread(bool others)
{
    int ready[SNI_MODEL_THREADS], n = 0;

    for (int i = 0; i < model.n; i++)
        if (model.threads[i].state == READY && !(others && i == model.current))
            ready[n++] = i;
    if (n == 0)
        return others && me()->state == READY ? model.current : -1;
    return ready[sni_model_choose((uint32_t)n)];
}

static void step(void)
{
    struct thread *late;

    model.clock += STEP_NS;
    if (++model.steps > STEPS_MAX)
        sni_model_fail("no end after %d steps", STEPS_MAX);
    if ((late = first_sleeper()) != NULL && (late->deadline <= model.clock || sni_model_choose(EARLY_ONE_IN) == 0))
        jump_to(late);
}

/* Before each atomic operation. */
static void point(void)
{
    step();
    if (sni_model_choose(model.switch_one_in) == 0)
        go_to(choose_thread(false));
}

void sni_model_yield(void)
{
    step();
    go_to(choose_thread(true));
}

static void block(void)
{
    int next;

    me()->state = WAITING;
    while ((next = choose_thread(false)) < 0) {
        struct thread *t = first_sleeper();
        if (!t)
            sni_model_fail("all threads wait for ever: a wake-up was lost");
        jump_to(t);
    }
    go_to(next);
}

/* --- what the port and the instrumentation call --- */

uint64_t sni_model_load(uintptr_t at, unsigned size, enum sni_model_order order)
{
    point();
    return sni_memory_load(at, size, order, &me()->view);
}

void sni_model_store(uintptr_t at, unsigned size, uint64_t value, enum sni_model_order order)
{
    point();
    sni_memory_store(at, size, value, order, &me()->view);
}

uint64_t sni_model_update(uintptr_t at, unsigned size, uint64_t (*fn)(uint64_t, uint64_t), uint64_t operand,
                          enum sni_model_order order)
{
    point();
    return sni_memory_update(at, size, fn, operand, order, &me()->view);
}

bool sni_model_cas(uintptr_t at, unsigned size, uint64_t *expected, uint64_t value, enum sni_model_order order,
                   enum sni_model_order fail)
{
    point();
    return sni_memory_cas(at, size, expected, value, order, fail, &me()->view);
}

void sni_model_fence(enum sni_model_order order)
{
    point();
    sni_memory_fence(order, &me()->view);
}

/* The kernel interrupts every processor that runs a thread of ours: a full fence in each, at some moment of the call. */
void sni_model_fence_all(void)
{
    point();
    sni_memory_fence(SNI_SEQ, &me()->view); /* they see all of ours */
    for (int i = 0; i < model.n; i++)
        if (model.threads[i].state != NONE) /* one that has ended went through the kernel, too */
            sni_memory_fence(SNI_SEQ, &model.threads[i].view);
    sni_memory_fence(SNI_SEQ, &me()->view); /* it has seen all of theirs */
}

void sni_model_plain(uintptr_t at, size_t size, bool write, const void *pc)
{
    sni_memory_plain(at, size, write, false, pc, &me()->view);
}

void sni_model_fresh(uintptr_t at, size_t size)
{
    sni_memory_fresh(at, size);
}

void sni_model_freed(uintptr_t at, size_t size)
{
    sni_memory_freed(at, size);
}

int sni_model_self(void)
{
    return model.current;
}

int64_t sni_model_clock(void)
{
    return model.clock;
}

void **sni_model_slot(void)
{
    return &me()->slot;
}

/* The first thing a fibre does. */
static _Noreturn void thread_entry(void)
{
    struct thread *t = me();

    (void)t->fn(t->arg);
    sni_view_tick(&t->view);
    t->state = ENDED;
    for (int i = 0; i < model.n; i++) {
        struct thread *waiter = &model.threads[i];
        if (waiter->state == WAITING && !waiter->word && waiter->joined == model.current)
            wake(waiter, false);
    }
    int next;
    while ((next = choose_thread(false)) < 0) {
        struct thread *late = first_sleeper();
        if (!late)
            sni_model_fail("all threads wait for ever: a wake-up was lost");
        jump_to(late);
    }
    go_to(next);
    abort(); /* nobody goes on with what has ended */
}

/* The port to the processor knows one function to call on a fresh stack, the library's for tasks. The linker puts ours before
 * it (--wrap). */
_Noreturn void __real_sni_arch_entry(void *arg);
_Noreturn void __wrap_sni_arch_entry(void *arg);

_Noreturn void __wrap_sni_arch_entry(void *arg)
{
    if (!arg)
        thread_entry();
    __real_sni_arch_entry(arg);
}

int sni_model_spawn(void *(*fn)(void *), void *arg)
{
    int i = 1;

    while (i < model.n && model.threads[i].state != NONE)
        i++;
    if (i == SNI_MODEL_THREADS)
        return -1;
    struct thread *t = &model.threads[i];
    char *stack = t->stack ? t->stack : malloc(STACK);
    if (!stack)
        return -1;
    struct sni_view view = t->view; /* a place is used again: its times go on */
    *t = (struct thread){ .state = READY, .stack = stack, .fn = fn, .arg = arg, .deadline = INT64_MAX, .view = view };
    t->view.thread = i;
    sni_view_acquire(&t->view, &me()->view);
    sni_view_tick(&t->view);
    sni_view_tick(&me()->view);
    if (i == model.n)
        model.n++;
    point();
    return i;
}

void sni_model_join(int thread)
{
    struct thread *t = &model.threads[thread];

    point();
    if (t->state != ENDED) {
        me()->word = NULL;
        me()->joined = thread;
        me()->deadline = INT64_MAX;
        block();
    }
    sni_view_acquire(&me()->view, &t->view);
    t->state = NONE;
}

bool sni_model_wait(uint32_t *word, uint32_t value, int64_t deadline)
{
    struct thread *t = me();

    point();
    if (__atomic_load_n(word, __ATOMIC_RELAXED) != value || sni_model_choose(SPURIOUS_ONE_IN) == 0)
        return true;
    if (deadline <= model.clock)
        return false;
    t->word = word;
    t->deadline = deadline;
    t->timed_out = false;
    block();
    return !t->timed_out;
}

void sni_model_wake(uint32_t *word)
{
    int waiting[SNI_MODEL_THREADS];
    uint32_t n = 0;

    point();
    for (int i = 0; i < model.n; i++)
        if (model.threads[i].state == WAITING && model.threads[i].word == word)
            waiting[n++] = i;
    if (n > 0)
        wake(&model.threads[waiting[sni_model_choose(n)]], false);
}

/* --- a run --- */

void sni_model_end_quarantine(void); /* in os.c */

void sni_model_run(uint64_t seed, void (*fn)(void *arg), void *arg)
{
    static const uint32_t rates[] = { 2, 3, 5, 8, 16, 40 };

    sni_memory_begin();
    for (int i = 0; i < SNI_MODEL_THREADS; i++) {
        char *stack = model.threads[i].stack;
        model.threads[i] = (struct thread){ .stack = stack, .deadline = INT64_MAX };
    }
    model.seed = model.rng = seed;
    model.steps = 0;
    model.clock = 1000000000;
    model.current = 0;
    model.n = 1;
    model.switch_one_in = rates[sni_model_choose(sizeof rates / sizeof *rates)];
    model.threads[0].state = READY;
    sni_view_tick(&model.threads[0].view);
    model.running = true;
    fn(arg);
    model.running = false;
    for (int i = 1; i < model.n; i++)
        if (model.threads[i].state != NONE)
            sni_model_fail("thread %d was not joined", i);
    sni_model_end_quarantine();
}
