/* Condition variable: wait, with a mutex held, until another task has changed what the mutex protects.
 *
 *     sn_mutex m = { { 0 } };
 *     sn_cond c = { { 0 } };
 *     int items = 0;
 *
 *     sn_mutex_lock(&m);                     // who takes
 *     while (items == 0)
 *         sn_cond_wait(&c, &m);
 *     items--;
 *     sn_mutex_unlock(&m);
 *
 *     sn_mutex_lock(&m);                     // who gives
 *     items++;
 *     sn_mutex_unlock(&m);
 *     sn_cond_signal(&c);
 *
 * Waiting gives the mutex up and is woken by exactly one signal or broadcast that comes after it began: no wake-up is lost,
 * none comes by itself. Who waits longest is woken first. But between the wake-up and the return another may get the mutex
 * and change things again: so look at the condition in a loop.
 *
 * Works from tasks and plain threads, with or without a runtime; zero is ready, and there is nothing to destroy. It may be
 * freed as soon as all waits on it have returned, though the last signal may not have yet. Each waiter may come with a mutex
 * of its own.
 *
 * When not to use this: to pass values or the end of something on; a channel or a context says more, and goes into select.
 */
#ifndef SENNIT_COND_H
#define SENNIT_COND_H

#include <sennit/mutex.h>

SN_BEGIN

typedef struct sn_cond {
    uint64_t sni_[3];
} sn_cond;

/* Unlocks the mutex, blocks until woken, and locks it again. Not stopped by any context. Panics if the caller does not hold
 * the mutex. */
SN_API void sn_cond_wait(sn_cond *cond, sn_mutex *mutex);

/* The same, but no longer than ctx allows: 0, or its error. The caller holds the mutex in either case; if ctx had ended
 * before, it has held it all the time. SN_ENOMEM only in a plain thread's first blocking call. */
SN_MUST SN_API int sn_cond_wait_ctx(sn_ctx *ctx, sn_cond *cond, sn_mutex *mutex);

/* The loop around it: blocks until holds(arg) is true, which is asked with the mutex held, at first at once. 0; or ctx's error,
 * if it does not hold then either. The caller holds the mutex in either case. */
SN_MUST SN_API int sn_cond_wait_until(sn_ctx *ctx, sn_cond *cond, sn_mutex *mutex, bool (*holds)(void *arg), void *arg);

/* Wakes who has waited longest, if anybody waits; or all who wait. The mutex need not be held. While somebody holds it they are
 * not woken but put in line for it, so that many do not run only to wait again. Never block. */
SN_API void sn_cond_signal(sn_cond *cond);
SN_API void sn_cond_broadcast(sn_cond *cond);

SN_END

#endif
