/* The model's memory, and what one thread knows of it. */
#ifndef SNI_MODEL_MEMORY_H
#define SNI_MODEL_MEMORY_H

#include "model/model.h"

/* A time of each thread: what the owner of the clock knows to have come before. */
struct sni_clock {
    uint32_t time[SNI_MODEL_THREADS];
};

struct sni_view {
    int thread;
    uint32_t fence;                            /* place of the last seq_cst fence among seq_cst stores */
    struct sni_clock before, seen;             /* happens before us; and what we must see, which is no less */
    struct sni_clock released_before, released_seen;       /* by the last release fence, for relaxed stores after it */
    struct sni_clock may_acquire_before, may_acquire_seen; /* by relaxed loads, for the next acquire fence */
};

void sni_memory_begin(void);
uint64_t sni_memory_load(uintptr_t at, unsigned size, enum sni_model_order order, struct sni_view *v);
void sni_memory_store(uintptr_t at, unsigned size, uint64_t value, enum sni_model_order order, struct sni_view *v);
uint64_t sni_memory_update(uintptr_t at, unsigned size, uint64_t (*fn)(uint64_t, uint64_t), uint64_t operand,
                           enum sni_model_order order, struct sni_view *v);
bool sni_memory_cas(uintptr_t at, unsigned size, uint64_t *expected, uint64_t value, enum sni_model_order order,
                    enum sni_model_order fail, struct sni_view *v);
void sni_memory_fence(enum sni_model_order order, struct sni_view *v);
void sni_memory_plain(uintptr_t at, size_t size, bool write, bool atomic, const void *pc, struct sni_view *v);
void sni_memory_fresh(uintptr_t at, size_t size);
void sni_memory_freed(uintptr_t at, size_t size);

/* What `from` has done so far happens before what `v` does from now on: thread start, join, wake. */
void sni_view_acquire(struct sni_view *v, const struct sni_view *from);
void sni_view_tick(struct sni_view *v);

#endif
