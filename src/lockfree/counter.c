/* Counter: sixteen parts, a cache line apart; the sum is what counts. (Linux's percpu_counter, Java's LongAdder.)
 *
 * Orders: all relaxed. (1) No add is lost or counted twice: each is one read-modify-write of one part, and so is each step
 * of a take, and those of one location have one order. (2) A sum has every add that happened before it, and the sums of one
 * task do not go down while the counter grows: coherence, part by part. */
#include "sennit/counter.h"

#include "lockfree/shard.h"

_Static_assert(sizeof(sn_counter) == SNI_SHARDS_ROOM * SNI_LINE_WORDS * sizeof(uint64_t), "sn_counter has the wrong size");

static uint64_t *part(const sn_counter *counter, uint32_t shard)
{
    return (uint64_t *)(uintptr_t)&counter->sni_[shard * SNI_LINE_WORDS];
}

void sn_counter_add(sn_counter *counter, int64_t n)
{
    (void)sni_add_rlx(part(counter, sni_shard()), (uint64_t)n); /* unsigned: it wraps */
}

int64_t sn_counter_sum(const sn_counter *counter)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < SNI_SHARDS; i++)
        sum += sni_load_rlx(part(counter, i));
    return (int64_t)sum;
}

int64_t sn_counter_take(sn_counter *counter)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < SNI_SHARDS; i++)
        sum += sni_xchg_rlx(part(counter, i), 0u);
    return (int64_t)sum;
}
