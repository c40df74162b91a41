/* Pthread mutexes that take part in the checks of locks; see lockorder.h.
 *
 *     static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
 *     r = sn_pthread_mutex_lock(&m);
 *     puts("a library that needs a lock of its thread");
 *     r = sn_pthread_mutex_unlock(&m);
 *
 * They do and return what those of <pthread.h> do: they block the thread, not only the task. Between locking and unlocking, a task
 * must not wait for anything, for it may go on in another thread: with the checks on, one that does is reported. Not in
 * <sennit.h>, which does without <pthread.h>.
 */
#ifndef SENNIT_PTHREAD_H
#define SENNIT_PTHREAD_H

#include <sennit/lockorder.h>

#include <pthread.h>

static inline int sn_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    int r;

    sn_lockorder_want(mutex, "pthread mutex");
    r = pthread_mutex_lock(mutex);
    if (r == 0)
        sn_lockorder_taken(mutex, "pthread mutex", true);
    return r;
}

static inline int sn_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    int r = pthread_mutex_trylock(mutex);

    if (r == 0)
        sn_lockorder_taken(mutex, "pthread mutex", true);
    return r;
}

static inline int sn_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    sn_lockorder_released(mutex);
    return pthread_mutex_unlock(mutex);
}

#endif
