/* Semaphore: a number of permits, taken and given back; who finds too few waits.
 *
 *     sn_sem slots = SN_SEM_INIT(4);              // at most four at a time
 *     if ((r = sn_sem_acquire(ctx, &slots, 1)) < 0)
 *         return r;
 *     sn_sem_release(&slots, 1);
 *
 * Counting with n = 1, binary with one permit, weighted with any n: a job that needs three of four slots takes three at
 * once. Strictly first come, first served: who wants many is not overtaken by those who want few, and the try forms do not
 * barge in while others wait. A permit has no owner: any task or thread may give it back. What was done before a release is
 * visible to whoever gets the permits.
 *
 * Closing it fails all who wait and all who come, with SN_ECLOSED; what is held can still be given back.
 *
 * Works from tasks and plain threads, with or without a runtime; nothing to destroy. It may be freed as soon as nobody
 * holds or wants permits, also by the task that has just got some.
 *
 * When not to use this: to protect data; a mutex knows its holder, and says so when something goes wrong.
 */
#ifndef SENNIT_SEM_H
#define SENNIT_SEM_H

#include <sennit/select.h>

SN_BEGIN

typedef struct sn_sem {
    uint64_t sni_[4];
} sn_sem;

/* A semaphore with n permits (0 to 2^31 - 1), all of them free. The macro initialises a variable where it is defined. */
#define SN_SEM_INIT(n) { { (uint64_t)(n) << 3, 0, 0, (uint64_t)(n) } }
SN_API void sn_sem_init(sn_sem *sem, int n);

/* Blocks until n permits are free and it is the caller's turn, and takes them. 0; ctx's error, then none was taken;
 * SN_EINVAL if n is negative or more than there are in all, at once, and also if it becomes so while the caller waits;
 * SN_ECLOSED; SN_ENOMEM only in a plain thread's first blocking call. */
SN_MUST SN_API int sn_sem_acquire(sn_ctx *ctx, sn_sem *sem, int n);

/* Without blocking: SN_EAGAIN if fewer are free or others wait. */
SN_MUST SN_API int sn_sem_try_acquire(sn_sem *sem, int n);

/* Takes all that are free: how many, which may be 0; SN_EAGAIN if others wait; SN_ECLOSED. Never blocks. To wait for all there
 * are, acquire sn_sem_capacity of them. */
SN_MUST SN_API int sn_sem_try_acquire_all(sn_sem *sem);

/* As a case of a select: chosen when the caller has got n permits; err is 0, SN_EINVAL or SN_ECLOSED as above. */
SN_API sn_case sn_on_sem(sn_sem *sem, int n);

/* Gives n permits back, and lets those go on whose turn it is. Never blocks. Panics if there would be more free ones than
 * there are in all. */
SN_API void sn_sem_release(sn_sem *sem, int n);

/* Changes how many permits there are in all, and never blocks. More: the new ones are free at once. Fewer: nobody loses what
 * he holds, and nobody gets any until enough have been given back; who waits for more than there are now gets SN_EINVAL. */
SN_API void sn_sem_resize(sn_sem *sem, int n);

/* No more permits for anybody. Idempotent, never blocks. */
SN_API void sn_sem_close(sn_sem *sem);

/* How many permits are free, are held, and there are in all; how many callers wait, which takes time in proportion. Out of
 * date as soon as you have them. */
SN_API int sn_sem_available(const sn_sem *sem);
SN_API int sn_sem_used(const sn_sem *sem);
SN_API int sn_sem_capacity(const sn_sem *sem);
SN_API int sn_sem_waiting(const sn_sem *sem);

SN_END

#endif
