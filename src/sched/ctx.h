/* The inside of a context.
 *
 * Invariants: (1) state leaves SNI_CTX_LIVE or SNI_CTX_LAZY once, for an error, under the lock. (2) A live child that is
 * not lazy is in the lists of children of all its parents; the lists hold no reference, the child holds one on each. (3) A
 * wait in the list of waiters holds a reference.
 *
 * A context has one parent, whose values it sees first; a merged one has more, each with a link of its own, so that several
 * parents may end it at the same time. A callback is a child whose end starts a task.
 *
 * Lazy: a group's context joins its parent's list only when somebody first looks at it (sni_ctx_check) or hangs a child
 * below it. Most groups that only start and wait never touch the parent, whose lock a whole program may share.
 *
 * Locks: parent before child is never needed; no two of them are held at once, but for a child's creation, which holds
 * only the parent's. An object's lock may be held while taking a context's, not the other way round.
 */
#ifndef SNI_SCHED_CTX_H
#define SNI_SCHED_CTX_H

#include "base/spin.h"
#include "sched/fence.h"
#include "sched/timer.h"
#include "sched/wait.h"
#include "sennit/ctx.h"
#include "sennit/time.h"

enum { SNI_CTX_LIVE = 0, SNI_CTX_LAZY = 1 };

/* From a child to a parent. */
struct sni_ctx_up {
    struct sni_link link;     /* (parent L) in its list of children; then a canceller's, in its work list */
    sn_ctx *child, *parent;   /* (c) */
    bool listed;              /* (parent L) */
};

struct sn_ctx {
    int32_t state;            /* (a) SNI_CTX_..., or the error */
    int32_t cause;            /* (L) then const once state is an error */
    const char *why;          /* likewise: what was said with the cause; a static string or NULL */
    sn_ctx *because;          /* likewise: the context whose end ended this one, with a reference; NULL: none did */
    uint32_t refs;            /* (a) */
    bool endless;             /* (c) the background */
    bool owns_parent;         /* holds a reference on it; read again only at the end */
    struct sni_spin lock;     /* L */
    struct sni_ctx_up up;     /* to the first parent; with a reference once not lazy */
    struct sni_ctx_up *more;  /* (c) merged: to the others */
    uint32_t nmore;           /* (c) */
    struct sni_link children; /* (L) */
    struct sni_link waiters;  /* (L) */
    const void *key, *value;  /* (c) */
    int64_t deadline;         /* (c) */
    struct sni_timer timer;   /* while armed it holds a reference */
    sn_fn *fn;                /* (c) a callback's; it holds a reference until it is started or stopped */
    void *arg;                /* (c) */
    const char *site;         /* (c) */
    sn_ctx *next;             /* in a worker's list of free records, or a list of who takes care of its end */
};

/* Why a context ends. */
struct sni_ctx_reason {
    int err, cause;
    const char *why;
    sn_ctx *because;
};

int sni_ctx_check_slow(sn_ctx *ctx);

/* 0 if the context is live, else its error. Every blocking operation begins with it. */
static inline int sni_ctx_check(sn_ctx *ctx)
{
    if (sni_likely(sni_load_acq(&ctx->state) == SNI_CTX_LIVE)) /* pairs with the store in end_one: cause is set */
        return 0;
    return sni_ctx_check_slow(ctx);
}

/* From here on the end of the context may claim park `seq` of the node's wait, whose owner is saved; or the context has
 * ended, and its error is the answer. The Dekker pair of park.h. */
static inline int sni_ctx_arm(sn_ctx *ctx, struct sni_ctx_node *node, uint64_t seq)
{
    sni_store_rel(&node->armed, seq); /* pairs with the acquire in claim_waiters: the owner is saved */
    sni_fence_light();                /* pairs with the heavy one in end_one */
    int state = sni_load_acq(&ctx->state); /* pairs with the store in end_one: cause is set */

    return state < 0 ? state : 0;
}

static inline bool sni_ctx_endless(const sn_ctx *ctx)
{
    return ctx->endless;
}

/* NULL means the caller's own. */
static inline sn_ctx *sni_ctx_resolve(sn_ctx *ctx, const struct sni_wait *wait)
{
    return ctx ? ctx : wait->ctx;
}

sn_ctx *sni_ctx_own(sn_ctx *ctx);

/* Puts the wait into the context's list, and out of the one it was in. */
void sni_ctx_join(struct sni_wait *wait, sn_ctx *ctx);
void sni_ctx_leave(struct sni_wait *wait);

/* The same for a node of the caller's own: `index` is the result of a claim, -1 for the context's error. The caller arms it
 * in its commit. */
void sni_ctx_node_add(sn_ctx *ctx, struct sni_ctx_node *node, struct sni_wait *wait, int32_t index);
void sni_ctx_node_remove(sn_ctx *ctx, struct sni_ctx_node *node);

/* A lazy child for a group: the parent must outlive it. NULL: no memory. */
sn_ctx *sni_ctx_new_lazy(sn_ctx *parent);

/* A root for a runtime. */
sn_ctx *sni_ctx_new_root(void);
void sni_ctx_end(sn_ctx *ctx, struct sni_ctx_reason reason);

/* Frees the records a worker keeps. */
void sni_ctx_drain(sn_ctx *list);

#endif
