/* Context: cancellation, deadlines and values that flow down a tree of calls and tasks.
 *
 * A context is born live. It ends once: cancelled (SN_ECANCELED) or past its deadline (SN_ETIMEDOUT). When it ends, its
 * children end with it and every task or thread that waits under it is woken, by whoever ended it first, before that call
 * returns; a call that comes second returns at once. Whoever ends it first decides the error
 * and the cause; later calls change nothing.
 *
 * Contexts are reference counted. The functions below hand you one reference, which you give back by sn_ctx_free. A
 * child keeps its parent's memory alive, so a forgotten child can never dangle. All functions may be called from any
 * thread. Passing NULL for a parent or a context means the calling task's own, as everywhere.
 *
 * When not to use this: values are for what belongs to a request (a correlation id, a user), not for parameters.
 */
#ifndef SENNIT_CTX_H
#define SENNIT_CTX_H

#include <sennit/decl.h>

SN_BEGIN

/* The context that never ends and has no values. Static: freeing or cancelling it does nothing. */
SN_API sn_ctx *sn_background(void);

/* A child that ends when sn_ctx_cancel or sn_ctx_free is called on it, or when its parent ends.
 * SN_ENOMEM. */
SN_MUST SN_API int sn_ctx_with_cancel(sn_ctx **out, sn_ctx *parent);

/* A child that moreover ends with SN_ETIMEDOUT at the moment `deadline` (of sn_now). An earlier deadline of the parent
 * wins. A moment in the past gives a context that has ended already. If the runtime ends first, the
 * context ends with it. SN_ENOMEM; SN_ENOTRUNNING without a runtime. */
SN_MUST SN_API int sn_ctx_with_deadline(sn_ctx **out, sn_ctx *parent, int64_t deadline);

/* The same, `ns` nanoseconds from now. */
SN_MUST SN_API int sn_ctx_with_timeout(sn_ctx **out, sn_ctx *parent, int64_t ns);

/* A child that carries one value. `key` is compared by address: take that of a static object of yours. The context does
 * not own `value`; it must live as long as the context. SN_ENOMEM. */
SN_MUST SN_API int sn_ctx_with_value(sn_ctx **out, sn_ctx *parent, const void *key, const void *value);

/* A context with the values of `parent`, which does not end with it and has no deadline: for what must be finished after
 * a request was cancelled. It ends by sn_ctx_cancel and sn_ctx_free, like any other. SN_ENOMEM. */
SN_MUST SN_API int sn_ctx_without_cancel(sn_ctx **out, sn_ctx *parent);

/* A context that ends as soon as one of the n parents does, with the same error and cause, at the earliest of their
 * deadlines. A value is that of the first parent that has one. No task is needed for it. SN_ENOMEM; SN_EINVAL for n = 0. */
SN_MUST SN_API int sn_ctx_merge(sn_ctx **out, sn_ctx *const *parents, size_t n);

/* Ends the context with SN_ECANCELED and the same cause. Idempotent, never blocks. */
SN_API void sn_ctx_cancel(sn_ctx *ctx);

/* Ends the context with SN_ECANCELED and `cause`, a negative error that sn_ctx_cause will return. */
SN_API void sn_ctx_cancel_cause(sn_ctx *ctx, int cause);

/* The same, saying more: `why`, a static string or NULL, which sn_ctx_why will return; and the context whose end is the
 * reason, or NULL, of which the chain of causes goes on. */
SN_API void sn_ctx_cancel_because(sn_ctx *ctx, int cause, const char *why, sn_ctx *because);

/* 0 while the context is live, then SN_ECANCELED or SN_ETIMEDOUT for ever. */
SN_API int sn_ctx_err(sn_ctx *ctx);

/* 0 while the context is live, then why it ended: what was passed to sn_ctx_cancel_cause here or above, the first
 * error of a group, SN_ECANCELED or SN_ETIMEDOUT. */
SN_API int sn_ctx_cause(sn_ctx *ctx);

/* What was said with the cause: sn_ctx_cancel_because's `why`, or that of the sn_fail that ended a task of the group; NULL
 * while the context is live, or if nothing was. */
SN_API const char *sn_ctx_why(sn_ctx *ctx);

/* The chain of causes: the context whose end ended this one, a parent or what sn_ctx_cancel_because named; NULL while it is
 * live, or if it ended by itself. It lives as long as ctx. */
SN_API sn_ctx *sn_ctx_because(sn_ctx *ctx);

/* Writes the chain as one line, "broken pipe (peer gone); because: deadline exceeded", for a log. A link that says nothing
 * new is left out; a live context gives "". Returns the length that it has, as snprintf: what does not fit into `size` is
 * cut off. */
SN_API size_t sn_ctx_explain(sn_ctx *ctx, char *buf, size_t size);

/* The moment (of sn_now) at which the context will end at the latest; SN_FOREVER without a deadline. */
SN_API int64_t sn_ctx_deadline(sn_ctx *ctx);

/* The value nearest up the tree under `key`; NULL if there is none. Takes time in proportion to the depth. */
SN_API const void *sn_ctx_value(sn_ctx *ctx, const void *key);

/* Blocks until the context has ended and returns its error. On sn_background() it waits for ever. */
SN_API int sn_ctx_wait(sn_ctx *ctx);

/* A function to call when a context has ended. */
typedef struct sn_ctx_callback sn_ctx_callback;

/* When ctx has ended (at once if it has already), fn(ctx, arg) is started as a task, under the runtime's root context; its
 * result is dropped. If then there is no memory for a task, or the runtime has ended, whoever ends the context calls fn
 * itself. If `out` is not NULL it gets a handle, which must be given back once by sn_ctx_callback_stop.
 * SN_ENOMEM; SN_ENOTRUNNING without a runtime. */
#define sn_ctx_after(out, ctx, fn, arg) sn_ctx_after_at((out), (ctx), (fn), (arg), SN_SITE(#fn))
SN_MUST SN_API int sn_ctx_after_at(sn_ctx_callback **out, sn_ctx *ctx, sn_fn *fn, void *arg, const char *site);

/* True: fn was not started, and will not be. False: it has been, and may still run. Gives the handle back in either case.
 * Never waits; accepts NULL. */
SN_API bool sn_ctx_callback_stop(sn_ctx_callback *callback);

/* Takes another reference and returns ctx. */
SN_API sn_ctx *sn_ctx_retain(sn_ctx *ctx);

/* Cancels the context and gives back one reference. Accepts NULL, never waits. */
SN_API void sn_ctx_free(sn_ctx *ctx);

/* Gives back a reference taken by sn_ctx_retain without cancelling. */
SN_API void sn_ctx_release(sn_ctx *ctx);

SN_END

#endif
