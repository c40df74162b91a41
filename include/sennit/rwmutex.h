/* Readers-writer mutex: many readers, or one writer.
 *
 *     sn_rwmutex m = { { 0 } };              // zero is ready
 *     int table[3] = { 1, 2, 3 };
 *     sn_rwmutex_rlock(&m);                  // many at a time
 *     value = table[0] + table[1];
 *     sn_rwmutex_runlock(&m);
 *     sn_rwmutex_lock(&m);                   // alone
 *     table[2] = value;
 *     sn_rwmutex_unlock(&m);
 *
 * Neither side starves (phase-fair: Brandenburg and Anderson, 2010): a reader that comes while a writer waits goes behind
 * that writer; when a writer unlocks, all readers that wait by then go first; then the next writer, in the order in which
 * writers came. So a reader waits for one writer at the most, and a writer for one phase of readers per writer before it.
 *
 * Waiting holds up no worker. What was done before an unlock is visible to whoever locks next. It knows its writer: locking
 * again in the same task or thread, and unlocking without holding it, panic. Readers are only counted: do not rlock again
 * while holding it as a reader, since a writer may have come between, and both would wait for ever.
 *
 * Works from tasks and plain threads, with or without a runtime; nothing to initialise or destroy. It may be freed as soon
 * as nobody holds or wants it.
 *
 * When not to use this: for short critical sections; a plain mutex is faster unless many readers stay for long.
 */
#ifndef SENNIT_RWMUTEX_H
#define SENNIT_RWMUTEX_H

#include <sennit/decl.h>

SN_BEGIN

typedef struct sn_rwmutex {
    uint64_t sni_[6];
} sn_rwmutex;

/* Block until the caller holds it, as the writer or as a reader. Not stopped by any context. */
SN_API void sn_rwmutex_lock(sn_rwmutex *mutex);
SN_API void sn_rwmutex_rlock(sn_rwmutex *mutex);

/* The same, but no longer than ctx allows. 0 or the context's error: then the caller does not hold it. SN_ENOMEM only in
 * a plain thread's first blocking call. */
SN_MUST SN_API int sn_rwmutex_lock_ctx(sn_ctx *ctx, sn_rwmutex *mutex);
SN_MUST SN_API int sn_rwmutex_rlock_ctx(sn_ctx *ctx, sn_rwmutex *mutex);

/* Without blocking: 0, or SN_EBUSY if it would have to wait. */
SN_MUST SN_API int sn_rwmutex_try_lock(sn_rwmutex *mutex);
SN_MUST SN_API int sn_rwmutex_try_rlock(sn_rwmutex *mutex);

/* The writer becomes a reader without letting it go, and the readers that wait come in with it. Panics if the caller is not the
 * writer. Never blocks. There is no way back up: two readers that both wanted it would wait for each other. */
SN_API void sn_rwmutex_downgrade(sn_rwmutex *mutex);

/* Whether the calling task or thread is the writer: for assertions. */
SN_API bool sn_rwmutex_held(const sn_rwmutex *mutex);

/* Let it go. Panic if the caller is not the writer, or if there is no reader. */
SN_API void sn_rwmutex_unlock(sn_rwmutex *mutex);
SN_API void sn_rwmutex_runlock(sn_rwmutex *mutex);

SN_END

#endif
