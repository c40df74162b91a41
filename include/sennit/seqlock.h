/* Sequence lock: a struct that few write and many read, each reader getting a copy that is of one moment.
 *
 *     static struct { int64_t price, volume; } last, copy = { 0, 0 }; // the shared one is only touched by these calls
 *     static sn_seqlock lock;                   // zero is ready
 *     copy.price = 42;
 *     sn_seqlock_write(&lock, &last, &copy, sizeof last);
 *     sn_seqlock_read(&lock, &copy, &last, sizeof copy);
 *
 * Readers write to nothing that is shared: they copy, and look afterwards whether a writer was there meanwhile; if so they
 * copy again. What was done before a write is visible to whoever reads what it wrote. The bytes are copied by atomic loads
 * and stores, so that it is no data race; what is aligned to 8 is copied by words, else byte by byte, which is slower.
 *
 * Writers exclude each other, as with a spin lock, for the time of a copy. A write that depends on what is there (a counter,
 * say) needs more than that: a mutex that all such writers hold while they read, think, and write.
 *
 * Progress: blocking, for a short time. A read waits while a write is in the midst of its copy, and begins again if there
 * was one; after 32 attempts it keeps writers out for the time of one copy, so steady writing does not hold it off for ever.
 * If a writer's thread is interrupted during the copy, all others wait until it goes on: they spin, then let the system run
 * others. No task is switched then, only threads are.
 *
 * Eight bytes for the lock, nothing to initialise or destroy. Works from tasks and plain threads, with or without a runtime.
 *
 * When not to use this: for more than some hundred bytes, or what contains pointers to what may be freed; a swap. Where
 * writes are frequent; a mutex.
 */
#ifndef SENNIT_SEQLOCK_H
#define SENNIT_SEQLOCK_H

#include <sennit/decl.h>

SN_BEGIN

typedef struct sn_seqlock {
    uint64_t sni_[1];
} sn_seqlock;

/* Copies `size` bytes of what the lock protects, or of a part of it, from `from` to `to`, which is the caller's own. */
SN_API void sn_seqlock_read(sn_seqlock *lock, void *to, const void *from, size_t size);

/* Copies `size` bytes to what the lock protects, or to a part of it, from `from`, which is the caller's own. */
SN_API void sn_seqlock_write(sn_seqlock *lock, void *to, const void *from, size_t size);

SN_END

#endif
