/* Stacks: slabs of 64, each stack with a guard below it. A worker keeps some at hand; the rest is here. */
#ifndef SNI_SCHED_STACK_H
#define SNI_SCHED_STACK_H

#include "base/spin.h"

#include <stddef.h>

struct sni_rt;
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
    size_t dirty;                         /* (a) free stacks that may hold memory; written under lock */
};

/* The upper end of a stack, or NULL if there is no memory. put: may be called on the very stack's next context. */
char *sni_stack_get(struct sni_worker *w);
void sni_stack_put(struct sni_worker *w, char *top);

/* If addr lies in a guard: the upper end of that stack; else NULL. Takes no lock: for the fault handler. */
char *sni_stack_of_guard(struct sni_rt *rt, uintptr_t addr);

void sni_stacks_init(struct sni_rt *rt, size_t size);
void sni_stacks_destroy(struct sni_rt *rt);
void sni_stacks_trim(struct sni_rt *rt);

#endif
