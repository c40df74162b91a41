/* Latch: a count that goes down to zero once, and lets all go on who wait for that.
 *
 *     static sn_latch ready = SN_LATCH_INIT(3);   // three services start
 *     sn_latch_count_down(&ready, 1);             // each says so
 *     r = sn_latch_wait(ctx, &ready);             // who needs them all
 *
 * It opens when the count is zero, and stays open: later waits return at once. What was done before a count-down is visible
 * to whoever has waited.
 *
 * Works from tasks and plain threads, with or without a runtime; nothing to destroy. It may be freed as soon as it is open
 * and all waits on it have returned, though the last sn_latch_count_down may not have yet.
 *
 * When not to use this: where things are added while others wait, or again and again; a wait group, or a barrier.
 */
#ifndef SENNIT_LATCH_H
#define SENNIT_LATCH_H

#include <sennit/select.h>

SN_BEGIN

typedef struct sn_latch {
    uint64_t sni_[3];
} sn_latch;

/* A latch that opens after n count-downs; with n = 0 it is open. The macro initialises a variable where it is defined. */
#define SN_LATCH_INIT(n) { { (uint64_t)(n) << 2, 0, 0 } }
SN_API void sn_latch_init(sn_latch *latch, int n);

/* Counts down by n. Panics if less is left. Never blocks. */
SN_API void sn_latch_count_down(sn_latch *latch, int n);

/* Blocks until it is open: 0, or ctx's error. SN_ENOMEM only in a plain thread's first blocking call. */
SN_MUST SN_API int sn_latch_wait(sn_ctx *ctx, sn_latch *latch);

/* As a case of a select: chosen when it is open; err is 0. */
SN_API sn_case sn_on_latch(sn_latch *latch);

/* How many count-downs are left: 0 once it is open. */
SN_API int sn_latch_count(const sn_latch *latch);

SN_END

#endif
