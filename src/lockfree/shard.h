/* Shards: an object that all workers write to has a part for each, so that they do not wait for each other's cache line.
 *
 * A shard is chosen by who runs, and is only a hint: two may have the same one, and a task may be on another worker at its
 * next step. Shards lie a line apart, whatever the address of the object: so it needs no alignment of its own, which what
 * malloc gives would not have. */
#ifndef SNI_LOCKFREE_SHARD_H
#define SNI_LOCKFREE_SHARD_H

#include "sched/park.h"

enum {
    SNI_SHARDS_ROOM = 16, /* more workers than that share them; each costs whoever reads them all a line */
    SNI_LINE_WORDS = 8,   /* of a cache line of 64 bytes */
};

/* How many of them are used: all, but in the model, where threads are few and shall share some. */
#ifndef SNI_SHARDS
#define SNI_SHARDS SNI_SHARDS_ROOM
#endif

/* The caller's shard. Its first call in a plain thread makes the thread's record; without memory for that it is 0. */
static sni_inline uint32_t sni_shard(void)
{
    struct sni_worker *w = sni_self();
    struct sni_wait *wait;

    if (sni_likely(w != NULL))
        return w->own.id % SNI_SHARDS;
    wait = sni_thread_wait();
    return wait ? sni_thread_number(wait) % SNI_SHARDS : 0;
}

#endif
