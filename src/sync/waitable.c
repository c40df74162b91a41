/* Waitable: see waitable.h. */
#include "sync/waitable.h"

#include "sennit/error.h"

#include <stdio.h>

void sni_waitable_give(void *object)
{
    struct sni_waitable *o = object;
    uint64_t waiters = o->queue.head ? SNI_WAITERS : 0, w = sni_load_rlx(&o->word);

    /* Release: pairs with the acquire in sni_word_lock and in the fast paths. */
    while (!sni_cas_acqrel(&o->word, &w, (w & ~(uint64_t)(SNI_BUSY | SNI_WAITERS)) | waiters))
        ;
}

void sni_waitable_serve(struct sni_waitable *o, struct sni_wakes *wakes)
{
    bool again;

    do { /* who goes on may make others ready that have been asked before */
        struct sni_node *n = o->queue.head, *next;
        bool taken = false, skipped = false;
        for (; n; n = next) {
            const sn_waitable_ops *ops = n->ops;
            struct sni_wait *wait;
            next = n->next;
            if (!ops->ready((const sn_waitable *)o, n->arg)) {
                if (ops->in_order)
                    break;
                skipped = true;
            } else if ((wait = sni_queue_claim_node(&o->queue, n, n->index)) != NULL) {
                n->err = ops->take ? ops->take((sn_waitable *)o, n->arg) : 0;
                taken = taken || ops->take;
                sni_wakes_add(wakes, wait);
            }
        }
        again = taken && skipped;
    } while (again);
}

void sni_waitable_refuse(struct sni_waitable *o, struct sni_wakes *wakes)
{
    struct sni_wait *wait;

    for (struct sni_node *n = o->queue.head, *next; n; n = next) {
        next = n->next;
        if (n->ops->hopeless && n->ops->hopeless((const sn_waitable *)o, n->arg) &&
            (wait = sni_queue_claim_node(&o->queue, n, n->index)) != NULL) {
            n->err = n->ops->take((sn_waitable *)o, n->arg);
            sni_wakes_add(wakes, wait);
        }
    }
}

bool sni_waitable_take_now(void *object, const sn_waitable_ops *ops, void *arg, int *err, struct sni_wakes *wakes)
{
    struct sni_waitable *o = object;

    bool lost = ops->hopeless && ops->hopeless((const sn_waitable *)o, arg);

    if (!lost && ((ops->in_order && o->queue.head) || !ops->ready((const sn_waitable *)o, arg)))
        return false;
    *err = ops->take ? ops->take((sn_waitable *)o, arg) : 0;
    if (ops->take && o->queue.head)
        sni_waitable_serve(o, wakes);
    return true;
}

static void unlock(struct sni_waitable *o, struct sni_wakes *wakes)
{
    sni_waitable_give(o);
    sni_wakes_ready(wakes);
}

void sni_waitable_leave(void *object, struct sni_node *n)
{
    struct sni_wakes wakes;

    if (!sni_is_queued(n))
        return;
    sni_wakes_init(&wakes);
    struct sni_waitable *o = sni_waitable_lock(object);
    if (n->queued) {
        sni_queue_remove(&o->queue, n);
        if (n->ops->in_order)
            sni_waitable_serve(o, &wakes); /* those behind us may want less */
    }
    unlock(o, &wakes);
}

/* Our node says more than the object, which is the user's. */
static void describe(const void *object, char *buf, size_t size)
{
    struct sni_node n;
    sn_waitable_ops ops;

    if (sni_peek(&n, object, sizeof n) && sni_peek(&ops, n.ops, sizeof ops))
        sni_peek_text(buf, size, ops.name);
}

static const struct sni_reason waiting_for_object = { "waiting for", describe, NULL, NULL };

void sni_waitable_changed(void *object)
{
    struct sni_wakes wakes;

    sni_wakes_init(&wakes);
    sni_waitable_serve(object, &wakes);
    unlock(object, &wakes);
}

static void commit_give(void *object)
{
    sni_waitable_give(object); /* from here on we may be woken */
}

int sni_waitable_park(void *object, const sn_waitable_ops *ops, void *arg, sn_ctx *ctx, struct sni_wait *self,
                      const struct sni_reason *reason)
{
    struct sni_node me = { .wait = self, .seq = sni_wait_seq(self), .ops = ops, .arg = arg };
    struct sni_waitable *o = sni_waitable_lock(object);
    struct sni_wakes wakes;
    int r;

    sni_wakes_init(&wakes);
    if (sni_waitable_take_now(o, ops, arg, &r, &wakes)) {
        unlock(o, &wakes);
        return r;
    }
    sni_waitable_push(o, &me);
    r = reason ? sni_park(self, ctx, reason, object, commit_give, o)
               : sni_park(self, ctx, &waiting_for_object, &me, commit_give, o);
    if (r == 0)
        return me.err;
    sni_waitable_leave(o, &me);
    return r;
}

/* --- the public functions --- */

void sn_waitable_lock(sn_waitable *waitable)
{
    sni_point("changes %object", waitable);
    (void)sni_waitable_lock(waitable);
}

void sn_waitable_unlock(sn_waitable *waitable)
{
    struct sni_waitable *o = (struct sni_waitable *)(void *)waitable;

    sni_check(sni_load_rlx(&o->word) & SNI_BUSY, "sn_waitable_unlock: it is not locked");
    sni_waitable_changed(o);
    sni_point(NULL, NULL);
}

int sn_waitable_wait(sn_ctx *ctx, sn_waitable *waitable, const sn_waitable_ops *ops, void *arg)
{
    struct sni_wait *self;
    int r;

    if ((r = sni_begin(&ctx, &self, "waits for %object", waitable)) != 0)
        return r;
    return sni_waitable_park(waitable, ops, arg, ctx, self, NULL);
}

int sn_waitable_try(sn_waitable *waitable, const sn_waitable_ops *ops, void *arg)
{
    struct sni_wakes wakes;
    int r = 0;

    sni_point("tries %object", waitable);
    sni_wakes_init(&wakes);
    struct sni_waitable *o = sni_waitable_lock(waitable);
    bool done = sni_waitable_take_now(o, ops, arg, &r, &wakes);
    unlock(o, &wakes);
    return done ? r : SN_EAGAIN;
}
