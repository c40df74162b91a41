#include "sennit/lockorder.h"

#include "sched/checks.h"
#include "sched/park.h"

void sn_lockorder_want(const void *lock, const char *kind)
{
    struct sni_wait *self;

    if (sni_checks_on() && (self = sni_wait_self()) != NULL)
        sni_lock_wanted(self, lock, kind);
}

void sn_lockorder_taken(const void *lock, const char *kind, bool of_thread)
{
    struct sni_wait *self;

    if (sni_checks_on() && (self = sni_wait_self()) != NULL)
        sni_lock_taken(self, lock, kind, __builtin_return_address(0), of_thread ? SNI_LOCK_OF_THREAD : SNI_LOCK);
}

void sn_lockorder_released(const void *lock)
{
    struct sni_wait *self;

    if (sni_checks_on() && (self = sni_wait_self()) != NULL)
        sni_lock_released(self, lock);
}

void sn_lockorder_forget(const void *memory, size_t size)
{
    if (sni_checks_on())
        sni_locks_forget(memory, size);
}
