/* Tasks: functions that run at the same time, thousands or millions of them, over a few threads.
 *
 * A task is started in a group (sennit/group.h), which waits for it; that is the normal way. A task runs on whichever
 * worker is free and may continue on another thread after any call that can block: do not keep the address of a
 * thread-local variable, nor that of errno, across such a call. Tasks are not preempted.
 *
 * Failure: a task's function returns a negative error. sn_fail does the same from any depth.
 */
#ifndef SENNIT_TASK_H
#define SENNIT_TASK_H

#include <sennit/select.h>

SN_BEGIN

/* A task by value. It may outlive the task it names: then calls answer SN_ESRCH. Zero names no task. */
typedef struct sn_task {
    uint64_t id;
} sn_task;

typedef struct sn_task_opts {
    const char *name; /* shown in reports; not copied, must outlive the task. NULL: default the function's name */
    bool pinned;      /* runs on one thread from beginning to end, for libraries that live on thread-locals. It waits
                       * while that thread is held up by another task. false: default any thread */
    void (*sni_unrun)(void *arg); /* private: told instead of fn if there is never a stack for it */
} sn_task_opts;

/* Starts fn(ctx, arg) as a task that nobody waits for: it belongs to the runtime, under the runtime's root context,
 * and its error is dropped. SN_ENOMEM; SN_ENOTRUNNING without a runtime. */
#define sn_task_go(fn, arg) sn_task_go_at((fn), (arg), 0, SN_SITE(#fn), NULL)
#define sn_task_go_opts(fn, arg, opts) sn_task_go_at((fn), (arg), 0, SN_SITE(#fn), (opts))

/* The same, but the task gets a pointer to its own copy of *arg, valid until it ends. */
#define sn_task_go_copy(fn, arg) sn_task_go_at((fn), (arg), sizeof *(arg), SN_SITE(#fn), NULL)
#define sn_task_go_copy_opts(fn, arg, opts) sn_task_go_at((fn), (arg), sizeof *(arg), SN_SITE(#fn), (opts))

SN_MUST SN_API int sn_task_go_at(sn_fn *fn, const void *arg, size_t copy, const char *site, const sn_task_opts *opts);

/* The calling task; zero in a plain thread. */
SN_API sn_task sn_task_self(void);

/* 1 while the task has not ended, SN_ESRCH afterwards. */
SN_API int sn_task_alive(sn_task task);

/* Blocks until the task has ended: at once if it has, and for a handle of zero. 0, or ctx's error. What the task did is
 * visible afterwards; its result went to its group. Whoever has the handle may wait, and any number of them. A task that
 * waits for itself waits for ctx. SN_ENOMEM only in a plain thread's first blocking call. */
SN_MUST SN_API int sn_task_wait(sn_ctx *ctx, sn_task task);

/* As a case of a select: chosen when the task has ended; err is 0. */
SN_API sn_case sn_on_task(sn_task task);

/* Lets another task go first if one can run on this worker; who yields again and again lets all of them run. In a plain
 * thread, yields the processor. */
SN_API void sn_yield(void);

/* Calls fn(ctx, arg), which may hold up its thread: a system call that blocks, a library, a long computation. Other tasks
 * go on meanwhile, on other threads (sn_run_opts.spares). Costs some 80 ns if there are none to run. Returns what fn
 * does; or ctx's error, without calling it. fn may call whatever a task may but sn_fail, which panics in it. In a plain
 * thread it just calls fn.
 *
 * Without it the runtime notices by itself after 10 to 20 ms that a task holds up its worker. */
SN_API int sn_blocking(sn_ctx *ctx, sn_fn *fn, void *arg);

/* Work to do if the task fails before it gets here: caller-owned, usually on the stack of the function that pushes it.
 * Must be popped, newest first, before that function returns. */
typedef struct sn_cleanup {
    struct sn_cleanup *sni_next;
    void (*sni_fn)(void *arg);
    void *sni_arg;
} sn_cleanup;

/* Outside a task these two do nothing. */
SN_API void sn_cleanup_push(sn_cleanup *cleanup, void (*fn)(void *arg), void *arg);

/* Takes the newest cleanup off the list without running it. Any other one panics. */
SN_API void sn_cleanup_pop(sn_cleanup *cleanup);

/* Ends the calling task with `code` (negative), from any depth: runs its cleanups, newest first, on the failing stack
 * with its frames intact, then gives the error and `why` to the task's group (sn_group_why). Of the main task, and of one
 * that nobody waits for, `why` goes into a report. A group that the task has open is
 * cancelled and waited for, in its turn among the cleanups. Panics outside a task, inside a cleanup, or with a code
 * that is not negative. It is not C++ unwinding: no destructor runs. `why` must be a static string or NULL. */
SN_NORETURN SN_API void sn_fail(int code, const char *why);

SN_END

#endif
