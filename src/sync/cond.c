/* Condition variable: a queue of waiters under a word that is nothing but BUSY.
 *
 * A waiter is in the queue before it unlocks the mutex, and that happens on the next context, when the waiter is saved: so
 * whoever locks the mutex after it and then signals finds it. */
#include "sennit/cond.h"

#include "sennit/error.h"
#include "sync/mutex.h"
#include "sync/queue.h"

struct cond {
    uint64_t word;
    struct sni_queue queue;
} __attribute__((may_alias));

_Static_assert(sizeof(struct cond) == sizeof(sn_cond), "sn_cond has the wrong size");

static struct cond *inside(sn_cond *c)
{
    return (struct cond *)(uintptr_t)c->sni_;
}

static const struct sni_reason waiting = { "waiting for a condition", NULL, NULL, NULL };

struct leaving {
    struct cond *cond;
    sn_mutex *mutex;
    struct sni_wait *self;
};

/* The mutex first: woken, the waiter wants it, and must not find itself as its holder. */
static void commit_wait(void *p)
{
    struct leaving *l = p;

    sni_mutex_unlock_for(l->mutex, l->self);
    sni_word_give(&l->cond->word, 0); /* from here on we may be woken, and *l be gone */
}

static void check_held(const sn_mutex *mutex)
{
    sni_check(sn_mutex_held(mutex), "sn_cond_wait: this task or thread does not hold the mutex");
}

static int wait_for(struct cond *c, sn_mutex *mutex, sn_ctx *ctx, struct sni_wait *self)
{
    struct sni_node me = { .wait = self, .seq = sni_wait_seq(self) };
    struct leaving leaving = { c, mutex, self };

    if (sni_unlikely(self->held != NULL))
        sni_lock_released(self, mutex);
    (void)sni_word_lock(&c->word);
    sni_queue_push(&c->queue, &me);
    int r = sni_park(self, ctx, &waiting, c, commit_wait, &leaving);
    if (r < 0 && sni_is_queued(&me)) {
        (void)sni_word_lock(&c->word);
        if (me.queued)
            sni_queue_remove(&c->queue, &me);
        sni_word_give(&c->word, 0);
    }
    sn_mutex_lock(mutex);
    return r;
}

void sn_cond_wait(sn_cond *cond, sn_mutex *mutex)
{
    check_held(mutex);
    (void)wait_for(inside(cond), mutex, sn_background(), sni_enter_or_panic("sn_cond_wait", "waits for %condition", cond));
}

int sn_cond_wait_ctx(sn_ctx *ctx, sn_cond *cond, sn_mutex *mutex)
{
    struct sni_wait *self;
    int r;

    check_held(mutex);
    r = sni_begin(&ctx, &self, "waits for %condition", cond);
    return r != 0 ? r : wait_for(inside(cond), mutex, ctx, self);
}

void sn_cond_signal(sn_cond *cond)
{
    struct cond *c = inside(cond);
    struct sni_wait *first = NULL;

    sni_point("signals %condition", cond);
    (void)sni_word_lock(&c->word);
    while (c->queue.head && !first)
        first = sni_queue_claim(&c->queue);
    sni_word_give(&c->word, 0);
    if (first)
        sni_ready(first);
    sni_point(NULL, NULL);
}

void sn_cond_broadcast(sn_cond *cond)
{
    struct cond *c = inside(cond);
    struct sni_wakes wakes;

    sni_point("broadcasts %condition", cond);
    sni_wakes_init(&wakes);
    (void)sni_word_lock(&c->word);
    (void)sni_queue_claim_all(&c->queue, &wakes);
    sni_word_give(&c->word, 0);
    sni_wakes_ready(&wakes);
    sni_point(NULL, NULL);
}
