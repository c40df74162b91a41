/* A mutex that is held for some tens of nanoseconds.
 *
 * sn_mutex hands itself over to who waits longest, and that one runs where it was woken, behind the one who woke it. Two
 * tasks that compute and meet at a lock but once end up on one worker for good: whichever of them runs finds, sooner or
 * later, the lock that the other was handed and has not come to let go, and queues up. So here nobody queues up: a
 * moment's patience is enough if the holder runs, and a yield if it does not. At last the queue, all the same: then
 * something is wrong, and the mutex can say what. */
#ifndef SNI_STORES_LOCK_H
#define SNI_STORES_LOCK_H

#include "base/atomic.h"
#include "sennit/mutex.h"
#include "sennit/task.h"

enum { SNI_LOCK_LOOKS = 40 /* about a microsecond */, SNI_LOCK_YIELDS = 64 };

static inline void sni_lock_briefly(sn_mutex *mutex)
{
    for (int i = 0; i < SNI_LOCK_YIELDS; i++) {
        for (int looks = 0; looks < SNI_LOCK_LOOKS && sni_load_rlx(&mutex->sni_[0]) != 0; looks++) /* a hint: not ordered */
            sni_pause();
        if (sn_mutex_try_lock(mutex) == 0)
            return;
        sn_yield();
    }
    sn_mutex_lock(mutex);
}

#endif
