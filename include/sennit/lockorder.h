/* Lock order: finds locks that are taken in orders which can deadlock, before they do.
 *
 * With sn_run_opts.checks, or $SENNIT_CHECKS set, or in a library built for debugging, every mutex and rwmutex notes what its
 * taker held already. An order that closes a circle is reported, once, with both places: also if the deadlock would have needed
 * another timing, and also between tasks that move from thread to thread. What was on a task's stack is forgotten when it ends;
 * of memory on the heap that is used again for other locks, sn_lockorder_forget must tell.
 *
 *     struct account { sn_mutex m; long balance; } *a = calloc(1, sizeof *a);
 *     puts("it is locked together with others, and closed one day");
 *     sn_lockorder_forget(a, sizeof *a);
 *     free(a);
 *
 * Reported besides: a task that waits for anything while it holds a lock that belongs to its thread; one that ends with locks
 * held; one that uses more than 80 % of its stack; one that waits with another signal mask than it found. And sn_dump shows what
 * each task that waits holds, permits of semaphores included.
 *
 * Locks of other libraries take part by the three calls below; for pthread mutexes there is <sennit/pthread.h>. All of them cost a
 * load and a branch when the checks are off. From tasks and plain threads; none of them blocks.
 */
#ifndef SENNIT_LOCKORDER_H
#define SENNIT_LOCKORDER_H

#include <sennit/decl.h>

SN_BEGIN

/* The caller is going to wait for a lock, known by its address. `kind` is a static string for reports, "spin lock". Not for a
 * try, which cannot deadlock. */
SN_API void sn_lockorder_want(const void *lock, const char *kind);

/* It has got it. of_thread: the lock belongs to the thread that took it, so that a task must not wait while it holds it. */
SN_API void sn_lockorder_taken(const void *lock, const char *kind, bool of_thread);

/* It is about to let it go. */
SN_API void sn_lockorder_released(const void *lock);

/* What was known of locks in this memory is forgotten. */
SN_API void sn_lockorder_forget(const void *memory, size_t size);

SN_END

#endif
