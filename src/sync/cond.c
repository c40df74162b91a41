/* Condition variable: a queue of waiters under a word that is nothing but BUSY.
 *
 * A waiter is in the queue before it unlocks the mutex, and that happens on the next context, when the waiter is saved: so
 * whoever locks the mutex after it and then signals finds it.
 *
 * Who signals while the mutex is held wakes nobody: the waiter is moved to the mutex's queue, still asleep, and gets its turn
 * there (nsync, abseil and parking_lot do the same). So a broadcast to many makes no stampede.
 *
 *     in the queue -> moved        signal, broadcast: it counts as woken, whatever its context does from now on
 *     in the queue -> claimed      signal with a free mutex: it locks it itself
 *     in the queue -> out          its context has ended: it takes itself out, or a signal that cannot claim it does
 *
 * The waker's last touch of the condition is the store that ends BUSY, and comes before the last touch of any waiter's node. */
#include "sennit/cond.h"

#include "sennit/error.h"
#include "sync/mutex.h"
#include "sync/queue.h"

struct cond {
    uint64_t word;
    struct sni_queue queue;
} __attribute__((may_alias));

_Static_assert(sizeof(struct cond) == sizeof(sn_cond), "sn_cond has the wrong size");

struct waiter {
    struct sni_node node; /* first: see waiter_of */
    struct sni_mutex_node turn;
    struct cond *cond;
    sn_mutex *mutex;
    bool moved; /* (BUSY) read by its owner once `queued` is 0, or under BUSY */
};

static struct cond *inside(sn_cond *c)
{
    return (struct cond *)(uintptr_t)c->sni_;
}

static struct waiter *waiter_of(struct sni_node *n)
{
    return (struct waiter *)(void *)n;
}

/* Reports look at the waiter: once moved, it waits for the mutex. */
static const struct sni_wait *holder(const void *object)
{
    struct waiter w;

    return sni_peek(&w, object, sizeof w) && w.moved ? sni_mutex_holder(w.mutex) : NULL;
}

static const struct sni_reason waiting = { "waiting for a condition", NULL, holder, "and for a mutex held by" };

/* The mutex first: woken, the waiter wants it, and must not find itself as its holder. */
static void commit_wait(void *p)
{
    struct waiter *w = p;
    struct cond *c = w->cond;

    sni_mutex_unlock_for(w->mutex, w->node.wait);
    sni_word_give(&c->word, 0); /* from here on we may be woken, and *w be gone */
}

static void check_held(const sn_mutex *mutex)
{
    sni_check(sn_mutex_held(mutex), "sn_cond_wait: this task or thread does not hold the mutex");
}

/* Woken by the context. True: it was moved before, so the wake-up is its. */
static bool was_moved(struct cond *c, struct waiter *me)
{
    if (!sni_is_queued(&me->node)) /* moved, or a signal could not claim it */
        return me->moved;
    (void)sni_word_lock(&c->word);
    if (!me->moved && me->node.queued)
        sni_queue_remove(&c->queue, &me->node);
    sni_word_give(&c->word, 0);
    return me->moved;
}

static int wait_for(struct cond *c, sn_mutex *mutex, sn_ctx *ctx, struct sni_wait *self, const void *site)
{
    struct waiter me = { .node = { .wait = self, .seq = sni_wait_seq(self) }, .cond = c, .mutex = mutex };

    me.turn.wait = self;
    me.turn.seq = me.node.seq;
    if (sni_unlikely(self->held != NULL))
        sni_lock_released(self, mutex);
    (void)sni_word_lock(&c->word);
    sni_queue_push(&c->queue, &me.node);
    int r = sni_park(self, ctx, &waiting, &me, commit_wait, &me);
    if (r < 0 ? !was_moved(c, &me) : !me.moved) {
        sni_mutex_lock_at(mutex, self, site);
        return r;
    }
    if (sni_checks_on())
        sni_lock_wanted(self, mutex, "mutex");
    sni_mutex_take_turn(mutex, &me.turn, r);
    if (sni_checks_on())
        sni_lock_taken(self, mutex, "mutex", site, SNI_LOCK);
    return 0;
}

void sn_cond_wait(sn_cond *cond, sn_mutex *mutex)
{
    check_held(mutex);
    (void)wait_for(inside(cond), mutex, sn_background(), sni_enter_or_panic("sn_cond_wait", "waits for %condition", cond),
                   __builtin_return_address(0));
}

static int wait_ctx(sn_ctx *ctx, sn_cond *cond, sn_mutex *mutex, const void *site)
{
    struct sni_wait *self;
    int r = sni_begin(&ctx, &self, "waits for %condition", cond);

    return r != 0 ? r : wait_for(inside(cond), mutex, ctx, self, site);
}

int sn_cond_wait_ctx(sn_ctx *ctx, sn_cond *cond, sn_mutex *mutex)
{
    check_held(mutex);
    return wait_ctx(ctx, cond, mutex, __builtin_return_address(0));
}

int sn_cond_wait_until(sn_ctx *ctx, sn_cond *cond, sn_mutex *mutex, bool (*holds)(void *arg), void *arg)
{
    check_held(mutex);
    for (int r = 0;;) {
        if (holds(arg))
            return 0;
        if (r < 0)
            return r;
        r = wait_ctx(ctx, cond, mutex, __builtin_return_address(0));
    }
}

/* A waiter of whom the condition knows no more goes to the mutex: into its queue or, if that is free, awake. */
static void move(struct waiter *w)
{
    struct sni_wait *wait = w->node.wait;

    if (sni_mutex_move_in(w->mutex, &w->turn))
        return;
    if (sni_claim(wait, w->node.seq, SNI_MUTEX_LOCK))
        sni_ready(wait);
    else
        sni_store_rel(&w->turn.place, (uint32_t)SNI_OUT); /* our last touch: pairs with the acquire in sni_mutex_take_turn */
}

/* (BUSY) The condition knows no more of it, nor it of the condition. It stays until it is moved. */
static void take_off(struct waiter *w)
{
    w->moved = true;
    sni_store_rel(&w->node.queued, 0u); /* pairs with the acquire in sni_is_queued */
}

void sn_cond_signal(sn_cond *cond)
{
    struct cond *c = inside(cond);
    struct waiter *moved = NULL;
    struct sni_wait *first = NULL;

    sni_point("signals %condition", cond);
    (void)sni_word_lock(&c->word);
    while (c->queue.head && !first && !moved) {
        struct waiter *w = waiter_of(c->queue.head);
        if (sni_mutex_is_free(w->mutex)) {
            first = sni_queue_claim(&c->queue);
        } else {
            sni_queue_remove(&c->queue, &w->node);
            take_off(w);
            moved = w;
        }
    }
    sni_word_give(&c->word, 0);
    if (first)
        sni_ready(first);
    if (moved)
        move(moved);
    sni_point(NULL, NULL);
}

void sn_cond_broadcast(sn_cond *cond)
{
    struct cond *c = inside(cond);
    struct sni_wait *self = sni_wait_self();
    struct sni_node *next;

    sni_point("broadcasts %condition", cond);
    (void)sni_word_lock(&c->word);
    struct sni_node *n = c->queue.head;
    for (struct sni_node *each = n; each; each = each->next)
        take_off(waiter_of(each));
    c->queue = (struct sni_queue){ NULL, NULL };
    sni_word_give(&c->word, 0);
    /* With the mutex free each would be woken, to wait for the first: so it is held meanwhile. */
    sn_mutex *held = n && n->next && self && sni_mutex_try(waiter_of(n)->mutex, self) ? waiter_of(n)->mutex : NULL;
    for (; n; n = next) {
        next = n->next; /* not ours any more once it is moved */
        move(waiter_of(n));
    }
    if (held)
        sni_mutex_unlock_for(held, self);
    sni_point(NULL, NULL);
}
