#include "sched/ctx.h"

#include "sched/alloc.h"
#include "sched/park.h"
#include "sennit/error.h"
#include "sennit/task.h"

#include <stdio.h>

static const struct sni_ctx_reason timed_out = { SN_ETIMEDOUT, SN_ETIMEDOUT, NULL, NULL };
static const struct sni_ctx_reason cancelled = { SN_ECANCELED, SN_ECANCELED, NULL, NULL };

enum { KEPT = 64 }; /* records a worker keeps at hand: enough for nested groups in a loop */

static sn_ctx background = { .refs = 1, .endless = true, .deadline = SN_FOREVER };

sn_ctx *sn_background(void)
{
    return &background;
}

sn_ctx *sni_ctx_own(sn_ctx *ctx)
{
    struct sni_worker *w;

    if (ctx)
        return ctx;
    w = sni_self();
    return w && w->own.current->wait.ctx ? w->own.current->wait.ctx : &background;
}

/* --- records --- */

static sn_ctx *take_record(void)
{
    struct sni_worker *w = sni_self();
    sn_ctx *ctx;

    if (w && (ctx = w->own.free_ctx)) {
        w->own.free_ctx = ctx->next;
        w->own.nfree_ctx--;
        return ctx;
    }
    return sni_alloc(sizeof *ctx);
}

static void give_record(sn_ctx *ctx)
{
    struct sni_worker *w = sni_self();

    if (w && w->own.nfree_ctx < KEPT) {
        ctx->next = w->own.free_ctx;
        w->own.free_ctx = ctx;
        w->own.nfree_ctx++;
    } else {
        sni_free(ctx, sizeof *ctx);
    }
}

void sni_ctx_drain(sn_ctx *list)
{
    sn_ctx *next;

    for (; list; list = next) {
        next = list->next;
        sni_free(list, sizeof *list);
    }
}

static sn_ctx *new_record(sn_ctx *parent)
{
    sn_ctx *ctx = take_record();

    if (!ctx)
        return NULL;
    ctx->state = SNI_CTX_LIVE;
    ctx->cause = 0;
    ctx->why = NULL;
    ctx->because = NULL;
    ctx->refs = 1;
    ctx->owns_parent = false;
    ctx->up = (struct sni_ctx_up){ .child = ctx, .parent = parent };
    ctx->more = NULL;
    ctx->nmore = 0;
    ctx->fn = NULL;
    sni_list_init(&ctx->children);
    sni_list_init(&ctx->waiters);
    ctx->key = ctx->value = NULL;
    ctx->deadline = parent ? parent->deadline : SN_FOREVER;
    ctx->timer.heap = NULL;
    return ctx;
}

static void retain(sn_ctx *ctx)
{
    if (!ctx->endless)
        sni_add_rlx(&ctx->refs, 1u); /* the caller has one already */
}

static bool try_retain(sn_ctx *ctx)
{
    uint32_t refs = sni_load_rlx(&ctx->refs);

    while (refs != 0)
        if (sni_cas_rlx(&ctx->refs, &refs, refs + 1)) /* its list's lock keeps the memory alive */
            return true;
    return false;
}

/* Gives back one reference; true if it was the last. Without an atomic operation where nobody else can have one: not in a
 * parent's list, from which a canceller might take one, and the count is 1. */
static bool drop(sn_ctx *ctx)
{
    /* The count first: while others have references, they may just be making a lazy one live. */
    if (sni_load_acq(&ctx->refs) == 1 && !ctx->owns_parent) /* pairs with the sub of who had one before */
        return true;
    return sni_sub_acqrel(&ctx->refs, 1u) == 1;
}

/* Its last reference has gone: out of the parent's list. Returns the parent if that was its last reference too. */
static sn_ctx *let_go(struct sni_ctx_up *up)
{
    sn_ctx *parent = up->parent;

    if (parent->endless)
        return NULL;
    sni_spin_lock(&parent->lock);
    if (up->listed)
        sni_list_remove(&up->link);
    sni_spin_unlock(&parent->lock);
    return drop(parent) ? parent : NULL;
}

/* Iterative: a chain of parents may be long. */
static void release(sn_ctx *ctx)
{
    sn_ctx *dead = NULL, *parent;

    if (!ctx || ctx->endless || !drop(ctx))
        return;
    for (ctx->next = NULL; ctx; ctx = dead) {
        dead = ctx->next;
        sni_assert(sni_list_empty(&ctx->children) && sni_list_empty(&ctx->waiters));
        if (ctx->owns_parent && (parent = let_go(&ctx->up))) {
            parent->next = dead;
            dead = parent;
        }
        for (uint32_t i = 0; i < ctx->nmore; i++)
            if ((parent = let_go(&ctx->more[i]))) {
                parent->next = dead;
                dead = parent;
            }
        if (ctx->because && !ctx->because->endless && drop(ctx->because)) {
            ctx->because->next = dead;
            dead = ctx->because;
        }
        sni_free(ctx->more, ctx->nmore * sizeof *ctx->more);
        give_record(ctx);
    }
}

/* --- the end of a context --- */

/* A lazy context becomes a live one, with a reference to the parent that it borrowed. Under its lock; true if it was lazy. */
static bool leave_lazy(sn_ctx *ctx)
{
    if (sni_load_rlx(&ctx->state) != SNI_CTX_LAZY)
        return false;
    retain(ctx->up.parent);
    ctx->owns_parent = true;
    sni_store_rel(&ctx->state, SNI_CTX_LIVE); /* pairs with sni_ctx_check: who sees it live sees owns_parent */
    return true;
}

/* (L) Claims what is parked on the context. Returns whether some waiter was not: one that is about to park may have armed
 * without our seeing it. */
static bool claim_waiters(sn_ctx *ctx, int err, struct sni_wakes *wakes)
{
    bool unsure = false;

    for (struct sni_link *l = ctx->waiters.next; l != &ctx->waiters; l = l->next) {
        struct sni_ctx_node *n = sni_container(l, struct sni_ctx_node, link);
        uint64_t armed = sni_load_acq(&n->armed); /* pairs with the release in sni_ctx_arm */
        if (armed != 0 && sni_claim(n->wait, armed, n->index < 0 ? err : n->index))
            sni_wakes_add(wakes, n->wait);
        else
            unsure = true;
    }
    return unsure;
}

/* Ends one context: claims its waiters into `wakes`, moves its children, retained, to `work`, by the links that were in its
 * own list: once out of it, those are nobody else's. False: it had ended before. */
static bool end_one(sn_ctx *ctx, const struct sni_ctx_reason *reason, struct sni_wakes *wakes, struct sni_link *work)
{
    sni_spin_lock(&ctx->lock);
    if (sni_load_rlx(&ctx->state) < 0) {
        sni_spin_unlock(&ctx->lock);
        return false;
    }
    (void)leave_lazy(ctx); /* from now on it is looked at like any other: it keeps its parent's memory */
    ctx->cause = reason->cause;
    ctx->why = reason->why;
    if (reason->because) {
        retain(reason->because);
        ctx->because = reason->because;
    }
    sni_store_rel(&ctx->state, reason->err); /* pairs with the acquires in sni_ctx_check and sni_ctx_arm: cause is set */
    if (claim_waiters(ctx, reason->err, wakes)) {
        /* Who armed and did not see our error is seen now: pairs with sni_ctx_arm. Who joins the list later takes our lock
         * before, and sees it. */
        sni_fence_heavy();
        (void)claim_waiters(ctx, reason->err, wakes);
    }
    while (!sni_list_empty(&ctx->children)) {
        struct sni_ctx_up *up = sni_container(ctx->children.next, struct sni_ctx_up, link);
        sni_list_remove(&up->link);
        up->listed = false;
        if (try_retain(up->child)) /* fails for one whose last reference is just going: nobody can be waiting on it */
            sni_list_append(work, &up->link);
    }
    sni_spin_unlock(&ctx->lock);
    return true;
}

/* Starts the tasks of callbacks; a list by `next`, each with the reference that the callback holds. */
static void start_callbacks(sn_ctx *list)
{
    sn_ctx *next;

    for (; list; list = next) {
        next = list->next;
        /* Nothing is lost: without memory for a task, or a runtime, it is we who call it. */
        if (sn_task_go_at(list->fn, list->arg, 0, list->site, NULL) < 0)
            (void)list->fn(&background, list->arg);
        release(list);
    }
}

void sni_ctx_end(sn_ctx *ctx, struct sni_ctx_reason reason)
{
    sn_ctx *callbacks = NULL, **last = &callbacks;
    struct sni_wakes wakes;
    struct sni_link work;

    if (ctx->endless || sni_load_rlx(&ctx->state) < 0)
        return;
    sni_wakes_init(&wakes);
    sni_list_init(&work);
    retain(ctx);
    for (;;) {
        if (end_one(ctx, &reason, &wakes, &work) && ctx->fn) {
            *last = ctx;
            last = &ctx->next;
            *last = NULL;
        }
        sni_fence_seq(); /* Dekker with sn_ctx_with_deadline */
        if (sni_timer_del(&ctx->timer))
            release(ctx); /* the timer's reference */
        release(ctx);
        if (sni_list_empty(&work))
            break;
        struct sni_ctx_up *up = sni_container(work.next, struct sni_ctx_up, link);
        sni_list_remove(&up->link);
        ctx = up->child; /* which keeps its parents, and so the reason */
        reason.because = up->parent;
    }
    sni_wakes_ready(&wakes);
    start_callbacks(callbacks);
}

/* Joins a parent's list, or ends at once if the parent has ended. */
static void attach(struct sni_ctx_up *up)
{
    sn_ctx *parent = up->parent;
    int err = sni_ctx_check(parent);

    if (err == 0 && !parent->endless) {
        sni_spin_lock(&parent->lock);
        err = sni_load_rlx(&parent->state);
        if (err == 0) {
            sni_list_append(&parent->children, &up->link);
            up->listed = true;
        }
        sni_spin_unlock(&parent->lock);
    }
    if (err < 0)
        sni_ctx_end(up->child, (struct sni_ctx_reason){ err, parent->cause, parent->why, parent });
}

int sni_ctx_check_slow(sn_ctx *ctx)
{
    int32_t state = sni_load_acq(&ctx->state); /* as in sni_ctx_check */

    if (state == SNI_CTX_LAZY) {
        /* One caller moves it to live; others may take it for live a moment before it is in the parent's list, and are
         * then woken through it like everybody else. */
        sni_spin_lock(&ctx->lock);
        bool mine = leave_lazy(ctx);
        sni_spin_unlock(&ctx->lock);
        if (mine)
            attach(&ctx->up);
        state = sni_load_acq(&ctx->state);
    }
    return state < 0 ? state : 0;
}

/* --- waiting --- */

void sni_ctx_node_add(sn_ctx *ctx, struct sni_ctx_node *node, struct sni_wait *wait, int32_t index)
{
    node->wait = wait;
    node->armed = 0;
    node->index = index;
    retain(ctx);
    sni_spin_lock(&ctx->lock);
    sni_list_append(&ctx->waiters, &node->link);
    sni_spin_unlock(&ctx->lock);
}

void sni_ctx_node_remove(sn_ctx *ctx, struct sni_ctx_node *node)
{
    sni_spin_lock(&ctx->lock);
    sni_list_remove(&node->link);
    sni_spin_unlock(&ctx->lock);
    release(ctx);
}

void sni_ctx_leave(struct sni_wait *wait)
{
    sn_ctx *ctx = wait->joined;

    if (ctx) {
        wait->joined = NULL;
        sni_ctx_node_remove(ctx, &wait->node);
    }
}

void sni_ctx_join(struct sni_wait *wait, sn_ctx *ctx)
{
    sni_ctx_leave(wait);
    wait->joined = ctx;
    sni_ctx_node_add(ctx, &wait->node, wait, -1);
}

static const struct sni_reason waiting_for_end = { "waiting for a context to end", NULL, NULL, NULL };

int sn_ctx_wait(sn_ctx *ctx)
{
    struct sni_wait *wait = sni_enter("waits for a context", NULL);
    int r;

    if (!wait)
        return SN_ENOMEM;
    ctx = sni_ctx_resolve(ctx, wait);
    if ((r = sni_ctx_check(ctx)) != 0)
        return r;
    return sni_park(wait, ctx, &waiting_for_end, ctx, sni_no_commit, NULL);
}

/* --- making them --- */

sn_ctx *sni_ctx_new_root(void)
{
    return new_record(&background);
}

sn_ctx *sni_ctx_new_lazy(sn_ctx *parent)
{
    sn_ctx *ctx = new_record(parent);

    if (ctx)
        ctx->state = SNI_CTX_LAZY;
    return ctx;
}

static int new_child(sn_ctx **out, sn_ctx *parent)
{
    sn_ctx *ctx;

    parent = sni_ctx_own(parent);
    ctx = new_record(parent);
    if (!ctx)
        return SN_ENOMEM;
    retain(parent);
    ctx->owns_parent = true;
    attach(&ctx->up);
    *out = ctx;
    return 0;
}

int sn_ctx_with_cancel(sn_ctx **out, sn_ctx *parent)
{
    return new_child(out, parent);
}

int sn_ctx_with_value(sn_ctx **out, sn_ctx *parent, const void *key, const void *value)
{
    int r = new_child(out, parent);

    if (r == 0) {
        (*out)->key = key;
        (*out)->value = value;
    }
    return r;
}

int sn_ctx_without_cancel(sn_ctx **out, sn_ctx *parent)
{
    sn_ctx *ctx;

    parent = sni_ctx_own(parent);
    (void)sni_ctx_check(parent); /* a lazy one borrows its parent, and may not live as long as we keep it */
    if (!(ctx = new_record(parent)))
        return SN_ENOMEM;
    retain(parent); /* for its values; it is in no list */
    ctx->owns_parent = true;
    ctx->deadline = SN_FOREVER;
    *out = ctx;
    return 0;
}

int sn_ctx_merge(sn_ctx **out, sn_ctx *const *parents, size_t n)
{
    sn_ctx *ctx;

    if (n == 0 || n > UINT32_MAX)
        return SN_EINVAL;
    if (!(ctx = new_record(sni_ctx_own(parents[0]))))
        return SN_ENOMEM;
    if (n > 1 && !(ctx->more = sni_alloc((n - 1) * sizeof *ctx->more))) {
        give_record(ctx);
        return SN_ENOMEM;
    }
    ctx->nmore = (uint32_t)n - 1;
    for (size_t i = 1; i < n; i++) {
        ctx->more[i - 1] = (struct sni_ctx_up){ .child = ctx, .parent = sni_ctx_own(parents[i]) };
        retain(ctx->more[i - 1].parent);
        if (ctx->more[i - 1].parent->deadline < ctx->deadline)
            ctx->deadline = ctx->more[i - 1].parent->deadline;
    }
    retain(ctx->up.parent);
    ctx->owns_parent = true;
    attach(&ctx->up); /* once all is there: from here on parents may end it */
    for (uint32_t i = 0; i < ctx->nmore; i++)
        attach(&ctx->more[i]);
    *out = ctx;
    return 0;
}

static void deadline_passed(void *arg)
{
    sn_ctx *ctx = arg;

    sni_ctx_end(ctx, timed_out);
    release(ctx); /* the timer's reference */
}

int sn_ctx_with_deadline(sn_ctx **out, sn_ctx *parent, int64_t deadline)
{
    struct sni_timers *heap;
    sn_ctx *ctx;
    int r;

    parent = sni_ctx_own(parent);
    struct sni_rt *rt = sni_rt_self();
    if (!rt)
        return SN_ENOTRUNNING;
    if ((r = new_child(&ctx, parent)) < 0)
        return r;
    if (deadline < ctx->deadline) {
        ctx->deadline = deadline;
        if (deadline <= sn_now()) {
            sni_ctx_end(ctx, timed_out);
        } else if ((r = sni_timer_reserve(rt, &heap)) < 0) {
            sn_ctx_free(ctx);
            return r;
        } else {
            ctx->timer.deadline = deadline;
            ctx->timer.wait = NULL;
            ctx->timer.fn = deadline_passed;
            ctx->timer.arg = ctx;
            retain(ctx);
            sni_timer_add(heap, &ctx->timer);
            /* The parent may have ended it before the timer was there to be taken out. Dekker with sni_ctx_end: timer, then
             * state, there state, then timer. */
            sni_fence_seq();
            if (sni_ctx_check(ctx) != 0 && sni_timer_del(&ctx->timer))
                release(ctx);
        }
    }
    *out = ctx;
    return 0;
}

int sn_ctx_with_timeout(sn_ctx **out, sn_ctx *parent, int64_t ns)
{
    int64_t now = sn_now();

    return sn_ctx_with_deadline(out, parent, ns > SN_FOREVER - now ? SN_FOREVER : now + ns);
}

/* --- asking and ending --- */

void sn_ctx_cancel(sn_ctx *ctx)
{
    ctx = sni_ctx_own(ctx);
    sni_point("cancels %context", ctx);
    sni_ctx_end(ctx, cancelled);
    sni_point(NULL, NULL);
}

void sn_ctx_cancel_cause(sn_ctx *ctx, int cause)
{
    sni_check(cause < 0, "sn_ctx_cancel_cause: the cause %d is not an error", cause);
    ctx = sni_ctx_own(ctx);
    sni_point("cancels %context", ctx);
    sni_ctx_end(ctx, (struct sni_ctx_reason){ SN_ECANCELED, cause, NULL, NULL });
    sni_point(NULL, NULL);
}

void sn_ctx_cancel_because(sn_ctx *ctx, int cause, const char *why, sn_ctx *because)
{
    sni_check(cause < 0, "sn_ctx_cancel_because: the cause %d is not an error", cause);
    ctx = sni_ctx_own(ctx);
    if (because == ctx) /* nothing ends because of itself */
        because = NULL;
    sni_point("cancels %context", ctx);
    if (because)
        (void)sni_ctx_check(because); /* a lazy one borrows its parent; a retained one must not */
    sni_ctx_end(ctx, (struct sni_ctx_reason){ SN_ECANCELED, cause, why, because });
    sni_point(NULL, NULL);
}

int sn_ctx_err(sn_ctx *ctx)
{
    ctx = sni_ctx_own(ctx);
    sni_point("looks at %context", ctx);
    return sni_ctx_check(ctx);
}

int sn_ctx_cause(sn_ctx *ctx)
{
    ctx = sni_ctx_own(ctx);
    return sni_ctx_check(ctx) == 0 ? 0 : ctx->cause;
}

const char *sn_ctx_why(sn_ctx *ctx)
{
    ctx = sni_ctx_own(ctx);
    return sni_ctx_check(ctx) == 0 ? NULL : ctx->why;
}

sn_ctx *sn_ctx_because(sn_ctx *ctx)
{
    ctx = sni_ctx_own(ctx);
    return sni_ctx_check(ctx) == 0 ? NULL : ctx->because;
}

/* What one link of the chain says that the one before did not. */
static bool says_more(const sn_ctx *ctx, const sn_ctx *before)
{
    return !before || ctx->cause != before->cause || (ctx->why && ctx->why != before->why);
}

size_t sn_ctx_explain(sn_ctx *ctx, char *buf, size_t size)
{
    const sn_ctx *before = NULL;
    size_t n = 0;

    if (size > 0)
        buf[0] = '\0';
    for (ctx = sni_ctx_own(ctx); ctx && sni_ctx_check(ctx) != 0; before = ctx, ctx = ctx->because) {
        if (!says_more(ctx, before))
            continue;
        int k = snprintf(size > n ? buf + n : NULL, size > n ? size - n : 0, "%s%s%s%s%s", before ? "; because: " : "",
                         sn_error_string(ctx->cause), ctx->why ? " (" : "", ctx->why ? ctx->why : "", ctx->why ? ")" : "");
        n += k > 0 ? (size_t)k : 0;
    }
    return n;
}

int64_t sn_ctx_deadline(sn_ctx *ctx)
{
    return sni_ctx_own(ctx)->deadline;
}

const void *sn_ctx_value(sn_ctx *ctx, const void *key)
{
    const void *value;

    for (ctx = sni_ctx_own(ctx); ctx && key; ctx = ctx->up.parent) {
        if (ctx->key == key)
            return ctx->value;
        if (ctx->nmore == 0)
            continue;
        if ((value = sn_ctx_value(ctx->up.parent, key)) != NULL)
            return value;
        for (uint32_t i = 0; i < ctx->nmore; i++)
            if ((value = sn_ctx_value(ctx->more[i].parent, key)) != NULL)
                return value;
        return NULL;
    }
    return NULL;
}

/* --- callbacks --- */

static sn_ctx *inside(sn_ctx_callback *callback)
{
    return (sn_ctx *)callback;
}

int sn_ctx_after_at(sn_ctx_callback **out, sn_ctx *ctx, sn_fn *fn, void *arg, const char *site)
{
    sn_ctx *child, *parent = sni_ctx_own(ctx);

    if (!sni_rt_self())
        return SN_ENOTRUNNING;
    if (parent->endless && !out)
        return 0; /* it will never be called, and nobody will ask */
    if (!(child = new_record(parent)))
        return SN_ENOMEM;
    retain(parent);
    child->owns_parent = true;
    child->fn = fn;
    child->arg = arg;
    child->site = site;
    if (out) {
        retain(child); /* the first reference is that of the task to come */
        *out = (sn_ctx_callback *)child;
    }
    attach(&child->up);
    return 0;
}

bool sn_ctx_callback_stop(sn_ctx_callback *callback)
{
    sn_ctx *ctx = inside(callback);
    bool stopped;

    if (!ctx)
        return false;
    sni_spin_lock(&ctx->lock);
    stopped = sni_load_rlx(&ctx->state) >= 0;
    if (stopped)
        sni_store_rel(&ctx->state, SN_ECANCELED); /* pairs with the acquire in sni_ctx_check; end_one finds it ended */
    sni_spin_unlock(&ctx->lock);
    if (stopped)
        release(ctx); /* that of the task that will not come */
    release(ctx);
    return stopped;
}

/* --- references --- */

sn_ctx *sn_ctx_retain(sn_ctx *ctx)
{
    ctx = sni_ctx_own(ctx);
    (void)sni_ctx_check(ctx); /* a lazy one borrows its parent; a retained one must not */
    retain(ctx);
    return ctx;
}

void sn_ctx_release(sn_ctx *ctx)
{
    release(ctx);
}

void sn_ctx_free(sn_ctx *ctx)
{
    if (!ctx || ctx->endless)
        return;
    if (sni_load_rlx(&ctx->state) != SNI_CTX_LAZY)
        sni_ctx_end(ctx, cancelled);
    release(ctx);
}
