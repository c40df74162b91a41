/* Mutex: one holder at a time.
 *
 *     sn_mutex m = { { 0 } };                // zero is ready
 *     long balance = 0;
 *     sn_mutex_lock(&m);
 *     balance += 100;
 *     sn_mutex_unlock(&m);
 *
 * Eight bytes, nothing to initialise or destroy. It knows its holder: locking it again in the same task or thread, and
 * unlocking it without holding it, panic with the name of the task. What the holder did before unlocking is visible to the
 * next one.
 *
 * Locking a free one is a single atomic operation. Who finds it held looks again for some microseconds, for less than one if
 * there is something else to run, and then waits in line, which holds up no worker. Nobody starves: others may overtake the first in line for 50
 * microseconds from the moment at which it could have had it, and for 16 critical sections more at the most; then it is
 * handed over to it. So the k-th in line waits for k such turns at the most, and for those who hold it in them.
 *
 * Works from tasks and plain threads, with or without a runtime. A mutex may be freed as soon as nobody holds or wants it:
 * also by the task that has just got it, before the last holder's sn_mutex_unlock has returned.
 *
 * When not to use this: to wait for something to happen; use a channel or a condition variable. To count; use an atomic.
 */
#ifndef SENNIT_MUTEX_H
#define SENNIT_MUTEX_H

#include <sennit/decl.h>

SN_BEGIN

typedef struct sn_mutex {
    uint64_t sni_[1];
} sn_mutex;

/* Blocks until the caller holds it. Not stopped by any context. */
SN_API void sn_mutex_lock(sn_mutex *mutex);

/* The same, but no longer than ctx allows. 0 or the context's error: then the caller does not hold it. SN_ENOMEM only in a
 * plain thread's first blocking call. */
SN_MUST SN_API int sn_mutex_lock_ctx(sn_ctx *ctx, sn_mutex *mutex);

/* Without blocking: 0, or SN_EBUSY if somebody holds it. */
SN_MUST SN_API int sn_mutex_try_lock(sn_mutex *mutex);

/* Lets it go: frees it, or hands it over. Panics if the caller does not hold it. Never blocks. */
SN_API void sn_mutex_unlock(sn_mutex *mutex);

/* Whether the calling task or thread holds it: for assertions. */
SN_API bool sn_mutex_held(const sn_mutex *mutex);

/* Panic unless the calling task or thread holds it; if it does. */
SN_API void sn_mutex_assert_held(const sn_mutex *mutex);
SN_API void sn_mutex_assert_not_held(const sn_mutex *mutex);

SN_END

#endif
