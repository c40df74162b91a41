/* Barrier: a fixed number of parties wait for each other, round after round.
 *
 *     static sn_barrier steps = SN_BARRIER_INIT(4);   // four workers
 *     for (int step = 0; step < n; step++) {
 *         value += step;                  // its part of the work
 *         if ((r = sn_barrier_wait(ctx, &steps)) < 0)
 *             return r;
 *     }
 *
 * A round is over when all have arrived; then the next begins by itself. What each did before it arrived is visible to all
 * after the round.
 *
 * A party whose context ends while it waits breaks the barrier, since the round could never be complete: all who wait and
 * all who come get SN_EBROKEN, until sn_barrier_reset. So nobody waits for one who has left.
 *
 * Works from tasks and plain threads, with or without a runtime; nothing to destroy. It may be freed as soon as all waits on
 * it have returned.
 *
 * When not to use this: if one waits for the others; a wait group, a group or a latch.
 */
#ifndef SENNIT_BARRIER_H
#define SENNIT_BARRIER_H

#include <sennit/select.h>

SN_BEGIN

typedef struct sn_barrier {
    uint64_t sni_[6];
} sn_barrier;

/* A barrier for n parties, at least 1. The macro initialises a variable where it is defined. */
#define SN_BARRIER_INIT(n) { { 0, 0, 0, (uint64_t)(n), 1, 0 } }
SN_API void sn_barrier_init(sn_barrier *barrier, int n);

/* Arrives, and blocks until the round is over. 1 for the last one to arrive, who has not waited; 0 for the others, who go on at
 * the same time: what the last one does then is not before their next round. ctx's error:
 * then the barrier is broken, also if ctx had ended before. SN_EBROKEN. SN_ENOMEM only in a plain thread's first blocking
 * call; it has not arrived then. */
SN_MUST SN_API int sn_barrier_wait(sn_ctx *ctx, sn_barrier *barrier);

/* Arrives, does not wait, and cannot take it back. *round is what to wait for, as a case of a select. 1 for the last one, 0 for
 * the others, SN_EBROKEN. */
SN_MUST SN_API int sn_barrier_arrive(sn_barrier *barrier, uint64_t *round);

/* As a case of a select: chosen when that round is over; err is 0 or SN_EBROKEN, which is also the answer for rounds that are more
 * than 64 back. A select that is stopped by its context, or
 * takes another case, does not break the barrier. */
SN_API sn_case sn_on_barrier(sn_barrier *barrier, uint64_t round);

/* Breaks it, until sn_barrier_reset: all who wait and all who come get SN_EBROKEN. Idempotent, never blocks. */
SN_API void sn_barrier_break(sn_barrier *barrier);

/* Begins a new round with nobody there; who waits for the old one gets SN_EBROKEN. Never blocks. */
SN_API void sn_barrier_reset(sn_barrier *barrier);

/* How many have arrived in this round; whether it is broken. Out of date as soon as you have them. */
SN_API int sn_barrier_arrived(const sn_barrier *barrier);
SN_API bool sn_barrier_is_broken(const sn_barrier *barrier);

SN_END

#endif
