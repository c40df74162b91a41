/* Wait group: wait until a number of things are done.
 *
 *     sn_waitgroup wg = { { 0 } };           // zero is ready
 *     sn_waitgroup_add(&wg, 1);              // once for each, before it begins
 *     sn_waitgroup_done(&wg);                // once for each, where it ends
 *     r = sn_waitgroup_go(&wg, work, &value); // both, for a task that it starts
 *     r = sn_waitgroup_wait_ctx(ctx, &wg);   // until all are done
 *
 * A counter with waiters: add counts up, done counts down, and whoever waits goes on when it is zero. Any number of tasks
 * and threads may wait. What was done before a `done` is visible to whoever has waited for it. It may be used again and
 * again: a wait ends with the round in which it began, even if the next one has begun meanwhile.
 *
 * Nothing to initialise or destroy. Works from tasks and plain threads, with or without a runtime. It may be freed as soon
 * as all waits on it have returned, though the last sn_waitgroup_done may not have yet.
 *
 * When not to use this: to wait for tasks that you start, if a group will do; it carries errors and cancellation.
 */
#ifndef SENNIT_WAITGROUP_H
#define SENNIT_WAITGROUP_H

#include <sennit/select.h>
#include <sennit/task.h>

SN_BEGIN

typedef struct sn_waitgroup {
    uint64_t sni_[6];
} sn_waitgroup;

/* So many more are to be done; a negative number counts down. Called before what it counts can be done, and, where a wait
 * may be under way, while the counter is not zero. Panics if the counter would become negative, and says who brought it to
 * zero before; or if it would exceed 2^31 - 1. */
SN_API void sn_waitgroup_add(sn_waitgroup *wg, int n);

/* One is done. Panics if none was left. Never blocks. */
SN_API void sn_waitgroup_done(sn_waitgroup *wg);

/* Starts fn(ctx, arg) as a task of the runtime, as sn_task_go does, under the runtime's root context, and counts it until it has
 * ended, however it ends: so it does not call sn_waitgroup_done itself. What fn returns is dropped. SN_ENOMEM; SN_ENOTRUNNING without a runtime; then nothing was counted. */
#define sn_waitgroup_go(wg, fn, arg) sn_waitgroup_go_at((wg), (fn), (arg), SN_SITE(#fn), NULL)
#define sn_waitgroup_go_opts(wg, fn, arg, opts) sn_waitgroup_go_at((wg), (fn), (arg), SN_SITE(#fn), (opts))
SN_MUST SN_API int sn_waitgroup_go_at(sn_waitgroup *wg, sn_fn *fn, void *arg, const char *site, const sn_task_opts *opts);

/* Blocks until the counter is zero. Not stopped by any context. */
SN_API void sn_waitgroup_wait(sn_waitgroup *wg);

/* The same, but no longer than ctx allows: 0, or its error. SN_ENOMEM only in a plain thread's first blocking call. */
SN_MUST SN_API int sn_waitgroup_wait_ctx(sn_ctx *ctx, sn_waitgroup *wg);

/* As a case of a select: chosen when the counter is zero; err is 0. */
SN_API sn_case sn_on_waitgroup(sn_waitgroup *wg);

/* How many are not done. Out of date as soon as you have it. */
SN_API int sn_waitgroup_count(const sn_waitgroup *wg);

/* Who is not done: a task that sn_waitgroup_go has started, and where. */
typedef struct sn_waitgroup_entry {
    sn_task task;     /* zero until it runs */
    const char *site; /* "file.c:12 fn" */
    const char *name; /* of its options, or NULL */
} sn_waitgroup_entry;

/* Writes the first n of them to `out`, in the order in which they were started, and returns how many there are. What
 * sn_waitgroup_add has counted has no name, and is not among them. Never blocks. */
SN_API int sn_waitgroup_who(sn_waitgroup *wg, sn_waitgroup_entry *out, int n);

SN_END

#endif
