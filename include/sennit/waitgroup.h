/* Wait group: wait until a number of things are done.
 *
 *     sn_waitgroup wg = { { 0 } };           // zero is ready
 *     sn_waitgroup_add(&wg, 1);              // once for each, before it begins
 *     sn_waitgroup_done(&wg);                // once for each, where it ends
 *     r = sn_waitgroup_wait_ctx(ctx, &wg);   // until all are done
 *
 * A counter with waiters: add counts up, done counts down, and whoever waits goes on when it is zero. Any number of tasks
 * and threads may wait. What was done before a `done` is visible to whoever has waited for it. It may be used again and
 * again: a wait ends with the round in which it began, even if the next one has begun meanwhile.
 *
 * Twenty-four bytes, nothing to initialise or destroy. Works from tasks and plain threads, with or without
 * a runtime. It may be freed as soon as all waits on it have returned, though the last sn_waitgroup_done may not have yet.
 *
 * When not to use this: to wait for tasks that you start; a group does it, and carries errors and cancellation.
 */
#ifndef SENNIT_WAITGROUP_H
#define SENNIT_WAITGROUP_H

#include <sennit/decl.h>

SN_BEGIN

typedef struct sn_waitgroup {
    uint64_t sni_[3];
} sn_waitgroup;

/* So many more are to be done; a negative number counts down. Called before what it counts can be done, and, where a wait
 * may be under way, while the counter is not zero. Panics if the counter would become negative or exceed 2^31 - 1. */
SN_API void sn_waitgroup_add(sn_waitgroup *wg, int n);

/* One is done. Panics if none was left. Never blocks. */
SN_API void sn_waitgroup_done(sn_waitgroup *wg);

/* Blocks until the counter is zero. Not stopped by any context. */
SN_API void sn_waitgroup_wait(sn_waitgroup *wg);

/* The same, but no longer than ctx allows: 0, or its error. SN_ENOMEM only in a plain thread's first blocking call. */
SN_MUST SN_API int sn_waitgroup_wait_ctx(sn_ctx *ctx, sn_waitgroup *wg);

/* How many are not done. Out of date as soon as you have it. */
SN_API int sn_waitgroup_count(const sn_waitgroup *wg);

SN_END

#endif
