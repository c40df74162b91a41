/* A lock for a few instructions: exchange to take, release store to free.
 *
 * A futex would need a read-modify-write to unlock; pure spinning is ten times slower when there are more threads than
 * processors. So: 64 pauses, then the operating system is asked to run somebody else.
 */
#ifndef SNI_BASE_SPIN_H
#define SNI_BASE_SPIN_H

#include "base/atomic.h"
#include "base/check.h"

struct sni_spin {
    uint32_t held; /* (a) 0 or 1 */
};

/* One look's worth of waiting, longer the more there were; *tries starts at 0. Defined by the port: it yields and sleeps. */
void sni_spin_pause(uint32_t *tries);

/* Waits in this way until *held reads 0 once. */
void sni_spin_wait(uint32_t *held);

static inline void sni_spin_lock(struct sni_spin *lock)
{
    /* Acquire pairs with the release store in sni_spin_unlock. */
    while (sni_unlikely(sni_xchg_acq(&lock->held, 1u) != 0))
        sni_spin_wait(&lock->held);
}

static inline void sni_spin_unlock(struct sni_spin *lock)
{
    sni_store_rel(&lock->held, 0u); /* pairs with the exchange in sni_spin_lock */
}

#endif
