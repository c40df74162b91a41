/* The inside of a mutex that a condition variable needs. */
#ifndef SNI_SYNC_MUTEX_H
#define SNI_SYNC_MUTEX_H

#include "sched/wait.h"
#include "sennit/mutex.h"

/* Unlocks on behalf of its holder, which is parked. */
void sni_mutex_unlock_for(sn_mutex *mutex, struct sni_wait *holder);

#endif
