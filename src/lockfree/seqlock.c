/* Sequence lock (Linux; Lameter 2005; for the memory orders Boehm, "Can seqlocks get along with programming language memory
 * models?", 2012).
 *
 *     word = writes << 2 | KEPT_OUT | WRITING
 *
 * WRITING: a writer is copying. KEPT_OUT: a reader that has tried for long enough is; other readers need not care. Who has
 * either bit holds the lock. Invariants: (1) the shared bytes change only under WRITING, and the number of writes grows
 * before that is taken back. (2) So a copy is of one moment if the word, but for KEPT_OUT, was the same before and after it,
 * and without WRITING.
 *
 * Orders, without fences, which ThreadSanitizer does not see: each piece of the shared bytes is stored with release and
 * loaded with acquire. A reader that gets a piece of some write has acquired that write's WRITING with it, and so cannot see
 * an older word in its second look: the copy fails. A reader that has acquired the end of a write in its first look gets
 * nothing older than that write. On x86-64 these loads and stores are plain ones. */
#include "sennit/seqlock.h"

#include "base/spin.h"
#include "sched/park.h"

#include <string.h>

enum {
    WRITING = 1,
    KEPT_OUT = 2,
    ONE = 4,
};

/* How often a reader tries before it keeps writers out. Thin air: far more than luck needs. In the model once, so that
 * readers there do both. */
#ifndef SNI_ATTEMPTS
#define SNI_ATTEMPTS 32
#endif

typedef uint64_t word __attribute__((may_alias));

static uint64_t *lock_of(sn_seqlock *lock)
{
    return &lock->sni_[0];
}

/* --- the shared bytes; see above for the orders: each load pairs with the stores of the same piece --- */

static void copy_out(char *to, const char *shared, size_t size)
{
    size_t at = 0;

    if ((uintptr_t)shared % sizeof(word) == 0)
        for (; at + sizeof(word) <= size; at += sizeof(word)) {
            uint64_t w = sni_load_acq((const word *)(const void *)(shared + at));
            memcpy(to + at, &w, sizeof w);
        }
    for (; at < size; at++)
        to[at] = sni_load_acq(shared + at);
}

static void copy_in(char *shared, const char *from, size_t size)
{
    size_t at = 0;

    if ((uintptr_t)shared % sizeof(word) == 0)
        for (; at + sizeof(word) <= size; at += sizeof(word)) {
            uint64_t w;
            memcpy(&w, from + at, sizeof w);
            sni_store_rel((word *)(void *)(shared + at), w);
        }
    for (; at < size; at++)
        sni_store_rel(shared + at, from[at]);
}

/* --- the lock --- */

/* Takes `bit` when nobody has either; returns the word without it. */
static uint64_t take(uint64_t *lock, uint64_t bit)
{
    uint64_t w = sni_load_rlx(lock);

    for (uint32_t tries = 0;;) {
        if (w & (WRITING | KEPT_OUT)) {
            sni_spin_pause(&tries);
            w = sni_load_rlx(lock);
        } else if (sni_cas_acqrel(lock, &w, w | bit)) { /* acquire: pairs with the releases below */
            return w;
        }
    }
}

/* A copy that no writer disturbs. */
static __attribute__((noinline)) void read_alone(uint64_t *lock, char *to, const char *shared, size_t size)
{
    uint64_t w = take(lock, KEPT_OUT);

    copy_out(to, shared, size);
    sni_store_rel(lock, w); /* pairs with the acquire in take: we have read */
}

void sn_seqlock_read(sn_seqlock *seqlock, void *to, const void *from, size_t size)
{
    uint64_t *lock = lock_of(seqlock), before;
    uint32_t tries = 0;

    sni_point("reads under %seqlock", seqlock);
    for (int i = 0; i < SNI_ATTEMPTS; i++) {
        while ((before = sni_load_acq(lock)) & WRITING) /* pairs with the release in sn_seqlock_write */
            sni_spin_pause(&tries);
        copy_out(to, from, size);
        /* Relaxed: the loads before are acquires, so this one is not done earlier. */
        if (((sni_load_rlx(lock) ^ before) & ~(uint64_t)KEPT_OUT) == 0)
            return;
    }
    read_alone(lock, to, from, size);
}

void sn_seqlock_write(sn_seqlock *seqlock, void *to, const void *from, size_t size)
{
    uint64_t *lock = lock_of(seqlock);

    sni_point("writes under %seqlock", seqlock);
    uint64_t w = take(lock, WRITING);
    copy_in(to, from, size); /* releases: pair with the acquires in copy_out, which so get WRITING with them */
    sni_store_rel(lock, w + ONE); /* pairs with the acquires in sn_seqlock_read and take */
}
