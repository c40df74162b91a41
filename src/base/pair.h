/* Two words that change as one: a pointer, and a count that makes sure that it is still the same pointer.
 *
 * On x86-64 (cmpxchg16b, which all but the first of them have) and 64-bit ARM it is one instruction, or a load and a store
 * of a pair that are tied together. Elsewhere, and in the model, whose memory has words of 64 bits, the lowest bit of the
 * count is a lock for a few instructions: so counts are even, and who reads an odd one looks again. */
#ifndef SNI_BASE_PAIR_H
#define SNI_BASE_PAIR_H

#include "base/spin.h"

struct sni_pair {
    uint64_t count; /* (a) even */
    uint64_t word;  /* (a) */
} __attribute__((aligned(16), may_alias));

#if defined(__GCC_HAVE_SYNC_COMPARE_AND_SWAP_16) && !defined(SN_PORTABLE) && !defined(SNI_PAIR_LOCKED)
typedef unsigned __int128 sni_pair_word __attribute__((may_alias));

/* If *p is `from` it becomes `to`; false if not. Acquire and release, and more. */
static inline bool sni_pair_cas(struct sni_pair *p, struct sni_pair from, struct sni_pair to)
{
    sni_pair_word f = (sni_pair_word)from.word << 64 | from.count, t = (sni_pair_word)to.word << 64 | to.count;

    return __sync_bool_compare_and_swap((sni_pair_word *)p, f, t);
}
#else
static inline bool sni_pair_cas(struct sni_pair *p, struct sni_pair from, struct sni_pair to)
{
    uint64_t count = from.count;

    if (!sni_cas_acqrel(&p->count, &count, from.count | 1)) /* acquire: pairs with the release below */
        return false;
    bool same = sni_load_rlx(&p->word) == from.word; /* ours, under the lock */
    if (same)
        sni_store_rel(&p->word, to.word); /* pairs with the acquire in sni_pair_read */
    sni_store_rel(&p->count, same ? to.count : from.count); /* pairs with the acquire above and in sni_pair_read */
    return same;
}
#endif

/* The count, then the word: they may be of two moments, which sni_pair_cas finds out. */
static inline struct sni_pair sni_pair_read(const struct sni_pair *p)
{
    struct sni_pair got;

    for (uint32_t tries = 0; (got.count = sni_load_acq(&p->count)) & 1;) /* pairs with the changes in sni_pair_cas */
        sni_spin_pause(&tries);
    got.word = sni_load_acq(&p->word); /* as above; and not before the count */
    return got;
}

#endif
