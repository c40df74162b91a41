/* Once: a state, who runs it, and a queue of those who wait for that.
 *
 *     0 -> RUNNING             the first comes                       RUNNING -> DONE   fn has returned: all are woken
 *     RUNNING -> RUNNING       fn has failed: handed to a waiter     RUNNING -> 0      it has failed and nobody waits
 *
 * the first two also with BUSY. Invariant: the queue is empty unless RUNNING. DONE is the last store, and nobody writes after
 * it: whoever reads it may free the object, and it is what sn_once_is_done compares with. */
#include "sennit/once.h"

#include "sennit/error.h"
#include "sennit/task.h"
#include "sync/queue.h"

#include <stdio.h>

enum { DONE = SNI_ONCE_DONE, RUNNING = 4, YOUR_TURN = 1 /* what a waiter is woken with, to run it */ };

struct once {
    uint64_t word;
    struct sni_wait *runner; /* (BUSY) whose call runs fn */
    struct sni_queue queue;
} __attribute__((may_alias));

_Static_assert(sizeof(struct once) == sizeof(sn_once), "sn_once has the wrong size");

static const struct sni_wait *runner(const void *object)
{
    struct once o;

    return sni_peek(&o, object, sizeof o) ? o.runner : NULL;
}

static const struct sni_reason waiting = { "waiting for a once", NULL, runner, "in" };

/* Sets BUSY and returns the word without it; or returns DONE, and has set nothing. */
static uint64_t lock_unless_done(struct once *o)
{
    uint64_t w;

    for (uint32_t tries = 0; (w = sni_load_acq(&o->word)) != DONE;) /* pairs with the release of DONE */
        if (w & SNI_BUSY)
            sni_spin_pause(&tries);
        else if (sni_cas_acqrel(&o->word, &w, w | SNI_BUSY)) /* acquire: pairs with the release in sni_word_give */
            break;
    return w;
}

/* sn_fail inside fn. */
static void on_fail(void *arg)
{
    struct once *o = arg;
    struct sni_wait *next = NULL;

    (void)sni_word_lock(&o->word);
    while (o->queue.head && !next)
        next = sni_queue_claim_as(&o->queue, YOUR_TURN);
    o->runner = next;
    sni_word_give(&o->word, next ? RUNNING : 0);
    if (next)
        sni_ready(next);
}

/* The caller is the runner. */
static void run(struct once *o, sn_once_fn *fn, void *arg)
{
    struct sni_wakes wakes;
    sn_cleanup cleanup;

    sn_cleanup_push(&cleanup, on_fail, o);
    fn(arg);
    sn_cleanup_pop(&cleanup);
    sni_wakes_init(&wakes);
    (void)sni_word_lock(&o->word);
    (void)sni_queue_claim_all(&o->queue, &wakes);
    sni_word_give(&o->word, DONE); /* pairs with the acquire in sn_once_is_done */
    sni_wakes_ready(&wakes);
    sni_point(NULL, NULL);
}

/* Until it is done, by the caller or another; or ctx's error. */
static int do_or_wait(struct once *o, sn_once_fn *fn, void *arg, sn_ctx *ctx, struct sni_wait *self)
{
    struct sni_node me = { 0 };
    uint64_t w = lock_unless_done(o);
    int r;

    if (w == DONE)
        return 0;
    if (w == RUNNING && o->runner == self) {
        sni_word_give(&o->word, w);
        sni_panic("sn_once_do: called again from within its own function");
    }
    if (w == 0) {
        o->runner = self;
        sni_word_give(&o->word, RUNNING);
        run(o, fn, arg);
        return 0;
    }
    r = sni_queue_park(&o->queue, &me, self, ctx, &waiting, o, &o->word, w);
    if (r == YOUR_TURN) {
        run(o, fn, arg);
        return 0;
    }
    if (r < 0 && sni_is_queued(&me)) {
        if ((w = lock_unless_done(o)) == DONE)
            return r;
        if (me.queued)
            sni_queue_remove(&o->queue, &me);
        sni_word_give(&o->word, w);
    }
    return r;
}

static struct once *inside(sn_once *o)
{
    return (struct once *)(uintptr_t)o->sni_;
}

void sn_once_do_slow(sn_once *once, sn_once_fn *fn, void *arg)
{
    (void)do_or_wait(inside(once), fn, arg, sn_background(), 
                      sni_enter_or_panic("sn_once_do", "does %once", once));
}

int sn_once_do_ctx(sn_ctx *ctx, sn_once *once, sn_once_fn *fn, void *arg)
{
    struct sni_wait *self;
    int r;

    if ((r = sni_begin(&ctx, &self, "does %once", once)) != 0 || sn_once_is_done(once))
        return r;
    return do_or_wait(inside(once), fn, arg, ctx, self);
}
