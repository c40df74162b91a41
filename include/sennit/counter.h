/* Counter: a number that many add to and few read; for statistics.
 *
 *     static sn_counter served;              // zero is ready
 *     sn_counter_add(&served, 1);
 *     printf("%lld\n", (long long)sn_counter_sum(&served));
 *
 * Each worker adds to a part of its own, so adding costs the same however many do it at once: one atomic addition to a line
 * that nobody else writes. Reading looks at all sixteen parts. Every call is wait-free: it takes a fixed number of steps,
 * whatever others do (an atomic read-modify-write counts as one step, which is what x86-64 and ARMv8.1 make of it).
 *
 * A counter orders nothing: who sees a number knows nothing about what was done before it was added. And a sum is no
 * snapshot: it is read part by part, while others add. What it promises is that every add that happened before it is in it,
 * none that happens after it, and of those that run at the same time some. So the sums that one task takes of a counter that
 * only grows never go down; but where one is taken here and added there, a sum may show neither, or both. Numbers wrap
 * around at 64 bits.
 *
 * 1024 bytes, nothing to initialise or destroy. Works from tasks and plain threads, with or without a runtime. In a
 * simulation it is no scheduling point.
 *
 * When not to use this: to decide something by the number, as in "the last of them"; use a wait group or a semaphore. For
 * thousands of them, or where few add at a time; a plain atomic is 8 bytes.
 */
#ifndef SENNIT_COUNTER_H
#define SENNIT_COUNTER_H

#include <sennit/decl.h>

SN_BEGIN

typedef struct sn_counter {
    uint64_t sni_[128];
} sn_counter;

/* Adds n, which may be negative. Never blocks. */
SN_API void sn_counter_add(sn_counter *counter, int64_t n);

/* What has been added in all, since it was zero or last taken; see above for what that means while others add. Never
 * blocks. */
SN_API int64_t sn_counter_sum(const sn_counter *counter);

/* The same, and begins again from zero. Every add is counted by exactly one take. Never blocks. */
SN_API int64_t sn_counter_take(sn_counter *counter);

SN_END

#endif
