/* Stacks: slabs of 64, each stack with a guard below it. A worker keeps some at hand; the rest is here. */
#ifndef SNI_SCHED_STACK_H
#define SNI_SCHED_STACK_H

#include "base/spin.h"

#include <stddef.h>

struct sni_rt;
struct sni_task;
struct sni_wait;
struct sni_worker;

enum {
    SNI_STACK_GUARD = 64 * 1024,  /* a frame must be larger than this to jump it */
    SNI_STACK_MIN = 128 * 1024,
    SNI_STACK_CACHE = 32,         /* how many free ones a worker keeps */
    SNI_STACK_TOP = 64,           /* bytes at the upper end that are ours */
};

struct sni_stack_slab;

struct sni_stacks {
    struct sni_spin lock;
    size_t size;                          /* (c) bytes of one, with its guard */
    struct sni_stack_slab **slabs;        /* (lock) sorted by nothing; index is the slab's own number */
    size_t n, room;                       /* (lock) */
    struct sni_stack_slab *some;          /* (lock) slabs with a free stack */
    struct sni_wait *waiters, **waiters_end; /* (lock) fresh tasks for which there was no stack */
    uint32_t waiting;                     /* (a) how many; written under lock */
    struct sni_wait *last_chance;         /* (lock) who shall not wait once more */
    size_t out;                           /* (lock) stacks with workers: bound or at hand */
    size_t dirty;                         /* (a) free stacks that may hold memory; written under lock */
};

/* The upper end of a stack, or NULL if there is no memory. put: may be called on the very stack's next context. */
char *sni_stack_get(struct sni_worker *w);
void sni_stack_put(struct sni_worker *w, char *top);

/* The lowest address of a stack, where its guard begins. Its end is that of the page in which `top` lies. */
static inline char *sni_stack_low(const struct sni_stacks *s, const char *top)
{
    return (char *)(((uintptr_t)top | 4095) + 1 - s->size);
}

/* If addr lies in a guard: the upper end of that stack; else NULL. Takes no lock: for the fault handler. */
char *sni_stack_of_guard(struct sni_rt *rt, uintptr_t addr);

/* There is no stack for this fresh task: it waits for one to be given back, unless none is out; then false. */
bool sni_stack_wait(struct sni_rt *rt, struct sni_task *task);

/* Nobody is left who could give a stack back: the longest-waiting task tries once more, and if there still is none, it ends.
 * False: none waits. */
bool sni_stack_last_chance(struct sni_rt *rt);

/* A stack is at hand: the longest-waiting task may try again. */
void sni_stack_serve_one(struct sni_rt *rt);

/* SN_ENOMEM if not even one stack can be had. */
int sni_stacks_init(struct sni_rt *rt, size_t size);
void sni_stacks_destroy(struct sni_rt *rt);
void sni_stacks_trim(struct sni_rt *rt);

/* The worker rests: what it has at hand is everybody's. */
void sni_stacks_give_back(struct sni_worker *w);

#endif
