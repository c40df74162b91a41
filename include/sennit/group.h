/* Group: start tasks, wait for them all, stop them all when one fails.
 *
 * A group is a local variable of the function that starts the tasks. Whatever it starts has ended when sn_group_wait
 * returns, so tasks may hold pointers into that function's frame. Its context, a child of the one given, is what its
 * tasks get as theirs; the first task that returns a negative error ends that context, with the error as its cause.
 *
 *     sn_group g;
 *     sn_group_init(&g, ctx);
 *     for (int i = 0; i < n && r == 0; i++)
 *         r = sn_group_go_copy(&g, work, &i);
 *     e = sn_group_wait(&g);
 *
 * Any task or thread may start tasks in an open group; who opened it waits. Groups may be closed in any order. Returning
 * from a task with a group still open panics.
 */
#ifndef SENNIT_GROUP_H
#define SENNIT_GROUP_H

#include <sennit/ctx.h>
#include <sennit/task.h>

SN_BEGIN

typedef struct sn_group {
    uint64_t sni_[12];
} sn_group;

/* Opens the group and returns its context, which lives until sn_group_wait returns. `ctx` is the parent (NULL: the
 * caller's own) and must live as long. Returns NULL only when out of memory; the group is then open all the same, but
 * starting a task in it gives SN_ENOMEM. */
SN_API sn_ctx *sn_group_init(sn_group *group, sn_ctx *ctx);

/* Starts fn(group's context, arg) as a task. `arg` is passed as it is: what it points to must live until the task has
 * ended. The task starts even if the group was cancelled, so that it can do its part of the cleaning up.
 * SN_ENOMEM; SN_ENOTRUNNING without a runtime. */
#define sn_group_go(group, fn, arg) sn_group_go_at((group), (fn), (arg), 0, SN_SITE(#fn), NULL)
#define sn_group_go_opts(group, fn, arg, opts) sn_group_go_at((group), (fn), (arg), 0, SN_SITE(#fn), (opts))

/* The same, but the task gets a pointer to its own copy of *arg, valid until it ends. */
#define sn_group_go_copy(group, fn, arg) \
    sn_group_go_at((group), (fn), (arg), sizeof *(arg), SN_SITE(#fn), NULL)
#define sn_group_go_copy_opts(group, fn, arg, opts) \
    sn_group_go_at((group), (fn), (arg), sizeof *(arg), SN_SITE(#fn), (opts))

SN_MUST SN_API int sn_group_go_at(sn_group *group, sn_fn *fn, const void *arg, size_t copy, const char *site,
                                  const sn_task_opts *opts);

/* The group's context; valid until sn_group_wait returns. */
SN_API sn_ctx *sn_group_ctx(sn_group *group);

/* Ends the group's context: asks its tasks to stop, and does not wait. Idempotent. */
SN_API void sn_group_cancel(sn_group *group);

/* Waits until every task of the group has ended, then closes the group. Returns the first error that a task returned,
 * or 0. Not stopped by any context: the tasks are, and then this returns. After it the group's memory may be reused. */
SN_API int sn_group_wait(sn_group *group);

/* As a case of a select, for who has opened the group: chosen when no task of it is left; err is 0. sn_group_wait must still be
 * called, and says how they went. While the select waits only tasks of the group may start tasks in it. Panics if somebody
 * else waits for it, or if it is not open. */
SN_API sn_case sn_on_group(sn_group *group);

/* What the task said whose error sn_group_wait has returned: sn_fail's `why`, or NULL if it returned or gave none. To be
 * asked after sn_group_wait, before the group's memory is used otherwise. */
SN_API const char *sn_group_why(const sn_group *group);

/* Waits no longer than ctx allows. Returns as sn_group_wait does, or ctx's error with the group still open: its tasks go
 * on, and sn_group_wait must still be called. */
SN_API int sn_group_wait_ctx(sn_ctx *ctx, sn_group *group);

SN_END

#endif
