/* An asymmetric fence: two sides each store, fence and load, so that at least one sees the other's store (Dekker), and one
 * side is a thousand times as frequent as the other. The frequent side's fence is only one for the compiler; the rare side
 * makes the kernel interrupt every processor that runs a thread of ours, which is a fence for each of them. Costs there
 * 0.1 to 2 us. (Linux membarrier; folly and C++ proposal P1202 have the names.)
 *
 * Where the kernel has no such call both sides are sequentially consistent fences. */
#ifndef SNI_SCHED_FENCE_H
#define SNI_SCHED_FENCE_H

#include "base/atomic.h"
#include "base/check.h"

/* Whether light fences may be light. A property of the kernel: process-wide. Set before the first worker starts; who does
 * not see it yet fences fully, which pairs with everything. */
extern uint32_t sni_fence_asymmetric;

/* Called before a runtime's workers start. */
void sni_fence_init(void);

/* Pairs with sni_fence_heavy. */
static sni_inline void sni_fence_light(void)
{
    if (sni_likely(sni_load_rlx(&sni_fence_asymmetric)))
        sni_fence_compiler();
    else
        sni_fence_seq();
}

/* Pairs with sni_fence_light. */
void sni_fence_heavy(void);

#endif
