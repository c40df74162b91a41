/* Resource pool: expensive things, such as connections, that are opened when needed, used by one at a time, and kept for
 * whoever needs one next.
 *
 *     int dial(sn_ctx *ctx, void *arg, void **out);
 *     void hang_up(void *arg, void *conn);
 *     int ping(sn_ctx *ctx, void *arg, void *conn);
 *
 *     sn_resource_pool *pool;
 *     void *conn;
 *     r = sn_resource_pool_new(&pool, &(sn_resource_pool_opts){ .open = dial, .close = hang_up, .check = ping, .max = 20 });
 *     if ((r = sn_resource_pool_get(ctx, pool, &conn)) < 0)
 *         return r;
 *     r = work(ctx, conn);
 *     if (r == SN_EPIPE)
 *         sn_resource_pool_drop(pool, conn);  // it is broken: the next one gets another
 *     else
 *         sn_resource_pool_put(pool, conn);
 *
 *     sn_resource_pool_close(pool);           // at the end
 *     r = sn_resource_pool_wait(ctx, pool);
 *     sn_resource_pool_free(pool);
 *
 * Who gets one is given the one that was used last, so that those beyond what is needed grow old and are closed. Is none
 * idle, one more is opened, by the caller and under its context, as long as there are fewer than `max`; opening one,
 * idle, in use, being checked and being closed all count. Else the caller waits, strictly first come first served: what
 * is given back goes straight to who has waited longest, and nobody who comes later is faster. If opening fails, the
 * error is its caller's alone, and who waits longest gets its try. A context that ends in the moment of the hand-over
 * loses nothing: the resource goes on to the next.
 *
 * There is no task in the background. What has been idle or has lived for too long is replaced when it would be given
 * out, and each put closes at most one that has been idle for too long. Call sn_resource_pool_reap from time to time if
 * resources should not stay open while nobody comes.
 *
 * Nothing is allocated after sn_resource_pool_new. The functions in the options are called without any lock held, from
 * the tasks and threads that use the pool, several at a time; they may block, and use the pool. If open or check ends its
 * task by sn_fail, the place in the pool is not lost. A task that fails while it uses a resource must drop it: see
 * sn_cleanup_push.
 *
 * Works from tasks and plain threads, with or without a runtime.
 *
 * When not to use this: for what is cheap to make; and to bound how many do something at a time, a semaphore is enough.
 */
#ifndef SENNIT_RESOURCE_POOL_H
#define SENNIT_RESOURCE_POOL_H

#include <sennit/decl.h>

SN_BEGIN

typedef struct sn_resource_pool sn_resource_pool;

typedef struct sn_resource_pool_opts {
    /* Opens one and stores it in *out: any pointer but NULL, and none that is in the pool already (that panics). Returns 0,
     * or an error, which sn_resource_pool_get passes on. Required. */
    int (*open)(sn_ctx *ctx, void *arg, void **out);
    /* Closes one. Called once for each that was opened. Not to be ended by sn_fail. Required. */
    void (*close)(void *arg, void *res);
    /* Whether one that was idle for a while still works: 0, or an error; then, and also if ctx has ended meanwhile, it is
     * closed. NULL: default none is checked */
    int (*check)(sn_ctx *ctx, void *arg, void *res);
    int max;               /* most that are open at a time, up to 1,000,000. 0: default 10 */
    int idle_max;          /* most that are kept while nobody uses them. Below 0: none. 0: default max */
    int64_t idle_ns;       /* closed when it has been idle for this long. Below 0: never. 0: default 10 minutes */
    int64_t lifetime_ns;   /* closed when it is this old and not in use. Below 0: never. 0: default 30 minutes */
    int64_t jitter_ns;     /* each lives shorter by a random time up to this, so that those opened together do not end
                            * together. Below 0: none. 0: default a tenth of lifetime_ns */
    int64_t check_after_ns; /* checked before use when it was idle for this long. Below 0: each time. 0: default 500 ms */
    void *arg;             /* passed to the functions. NULL: default NULL */
} sn_resource_pool_opts;

typedef struct sn_resource_pool_stats {
    int open;              /* now: idle, in use, or being checked */
    int idle;
    int in_use;
    int waiting;           /* calls that wait for one */
    uint64_t opened;       /* so far */
    uint64_t closed;       /* so far: open = opened - closed */
    uint64_t waits;        /* calls that had to wait */
    int64_t wait_ns;       /* for how long, in all */
    uint64_t failures;     /* gets that had a place and could not fill it: open's errors, or the context had ended */
    uint64_t failed_checks;
} sn_resource_pool_stats;

/* An empty pool; opens nothing yet. The options are copied. SN_ENOMEM; SN_EINVAL without open or close, or with a bad
 * max. */
SN_MUST SN_API int sn_resource_pool_new(sn_resource_pool **out, const sn_resource_pool_opts *opts);

/* Blocks until there is one for the caller, and stores it in *out: it is the caller's until put or drop.
 * 0; ctx's error; SN_ECLOSED once sn_resource_pool_close was called; what open has returned; SN_ENOMEM only in a plain
 * thread's first blocking call. */
SN_MUST SN_API int sn_resource_pool_get(sn_ctx *ctx, sn_resource_pool *pool, void **out);

/* Gives it back, from any task or thread: to who waits longest, or to the idle ones; closes it if there are enough of
 * these, if it is too old, or if the pool is closed. Panics if it is not one of the pool's that is in use. Blocks no
 * longer than closing takes. */
SN_API void sn_resource_pool_put(sn_resource_pool *pool, void *res);

/* Closes it, and lets who waits longest open another. Panics as put does. */
SN_API void sn_resource_pool_drop(sn_resource_pool *pool, void *res);

/* Closes those that have been idle or have lived for too long, one after the other. Returns how many. */
SN_API int sn_resource_pool_reap(sn_resource_pool *pool);

/* No more are given out: those who wait get SN_ECLOSED, idle ones are closed before this returns, the others when they
 * are given back. Idempotent. Blocks no longer than closing takes. */
SN_API void sn_resource_pool_close(sn_resource_pool *pool);

/* Blocks until the pool is closed and so is every resource, and everybody who waited has left: 0, or ctx's error. */
SN_MUST SN_API int sn_resource_pool_wait(sn_ctx *ctx, sn_resource_pool *pool);

/* Closes the pool and gives it back. Panics if resources are in use or somebody waits; after sn_resource_pool_wait nobody
 * does. It may be done as soon as that has returned, even if the last put has not yet. Accepts NULL. */
SN_API void sn_resource_pool_free(sn_resource_pool *pool);

/* Out of date as soon as you have them. */
SN_API void sn_resource_pool_get_stats(sn_resource_pool *pool, sn_resource_pool_stats *stats);

SN_END

#endif
