/* Semaphore: the number of free permits and a queue of waiters, served in order.
 *
 *     word = free << 2 | WAITERS | BUSY
 *
 * Invariants: (1) WAITERS is set exactly if the queue is not empty, but under BUSY. (2) The first of the queue wants more than
 * are free, but under BUSY: whoever changes either serves the queue before it gives the word back. */
#include "sennit/sem.h"

#include "sennit/error.h"
#include "sync/queue.h"

#include <stdio.h>

enum { WAITERS = 2, ONE = 4 };

struct sem {
    uint64_t word;
    struct sni_queue queue;
    uint64_t all; /* (c) permits there are */
} __attribute__((may_alias));

_Static_assert(sizeof(struct sem) == sizeof(sn_sem), "sn_sem has the wrong size");

static struct sem *inside(const sn_sem *s)
{
    return (struct sem *)(uintptr_t)s->sni_;
}

static void describe(const void *object, char *buf, size_t size)
{
    struct sem s;

    if (sni_peek(&s, object, sizeof s))
        (void)snprintf(buf, size, "(%llu of %llu permits free)", (unsigned long long)(s.word / ONE), (unsigned long long)s.all);
}

static const struct sni_reason acquiring = { "acquiring a semaphore", describe, NULL, NULL };

void sn_sem_init(sn_sem *sem, int n)
{
    struct sem *s = inside(sem);

    sni_check(n >= 0, "sn_sem_init: %d permits", n);
    s->word = (uint64_t)n * ONE;
    s->queue = (struct sni_queue){ NULL, NULL };
    s->all = (uint64_t)n;
}

/* (BUSY) Lets those go on whose turn it is, and gives the word back. `free` counts all that are free now. */
static void serve(struct sem *s, uint64_t free)
{
    struct sni_wakes wakes;
    struct sni_wait *wait;

    sni_wakes_init(&wakes);
    while (s->queue.head && (uint64_t)s->queue.head->want <= free) {
        uint64_t want = (uint64_t)s->queue.head->want;
        if ((wait = sni_queue_claim(&s->queue)) != NULL) {
            free -= want;
            sni_wakes_add(&wakes, wait);
        }
    }
    sni_word_give(&s->word, free * ONE | (s->queue.head ? WAITERS : 0));
    sni_wakes_ready(&wakes);
}

/* Takes n permits if they are free and nobody waits; false: others wait or work on the queue, or too few are free. */
static sni_inline bool take(struct sem *s, uint64_t n)
{
    uint64_t w = sni_load_rlx(&s->word);

    while (!(w & (WAITERS | SNI_BUSY)) && w / ONE >= n)
        if (sni_cas_acqrel(&s->word, &w, w - n * ONE)) /* acquire: pairs with the release of who gave them back */
            return true;
    return false;
}

static int acquire_slow(struct sem *s, uint64_t n, sn_ctx *ctx, struct sni_wait *self)
{
    struct sni_node me = { .want = (int64_t)n };
    uint64_t w = sni_word_lock(&s->word);
    int r;

    if (!(w & WAITERS) && w / ONE >= n) {
        sni_word_give(&s->word, w - n * ONE);
        return 0;
    }
    r = sni_queue_park(&s->queue, &me, self, ctx, &acquiring, s, &s->word, w | WAITERS);
    if (r == 0 || !sni_is_queued(&me))
        return r;
    w = sni_word_lock(&s->word);
    if (me.queued)
        sni_queue_remove(&s->queue, &me);
    serve(s, w / ONE); /* those behind us may want less */
    return r;
}

int sn_sem_acquire(sn_ctx *ctx, sn_sem *sem, int n)
{
    struct sem *s = inside(sem);
    struct sni_wait *self;
    int r;

    if (sni_unlikely(n < 0 || (uint64_t)n > s->all))
        return SN_EINVAL;
    if ((r = sni_begin(&ctx, &self, "acquires %semaphore", sem)) != 0)
        return r;
    r = sni_likely(take(s, (uint64_t)n)) ? 0 : acquire_slow(s, (uint64_t)n, ctx, self);
    if (sni_checks_on() && r == 0)
        sni_lock_taken(self, s, "semaphore", __builtin_return_address(0), SNI_LOCK_PERMIT);
    return r;
}

int sn_sem_try_acquire(sn_sem *sem, int n)
{
    struct sem *s = inside(sem);

    if (n < 0 || (uint64_t)n > s->all)
        return SN_EINVAL;
    sni_point("tries to acquire %semaphore", sem);
    uint64_t w = sni_load_rlx(&s->word);
    for (uint32_t tries = 0;;) {
        if (w & SNI_BUSY) { /* for a few instructions: what it will be then is the answer */
            sni_spin_pause(&tries);
            w = sni_load_rlx(&s->word);
        } else if ((w & WAITERS) || w / ONE < (uint64_t)n) {
            return SN_EAGAIN;
        } else if (sni_cas_acqrel(&s->word, &w, w - (uint64_t)n * ONE)) { /* as in take */
            break;
        }
    }
    if (sni_checks_on())
        sni_lock_taken(sni_wait_or_panic("sn_sem_try_acquire"), s, "semaphore", __builtin_return_address(0), SNI_LOCK_PERMIT);
    return 0;
}

static sni_inline void release(struct sem *s, int n)
{
    uint64_t w = sni_load_rlx(&s->word), back = (uint64_t)n;

    sni_check(n >= 0, "sn_sem_release: %d permits", n);
    for (;;) {
        sni_check(w / ONE + back <= s->all, "sn_sem_release: %d permits given back, %llu free, but only %llu there are in all",
                  n, (unsigned long long)(w / ONE), (unsigned long long)s->all);
        if (w & (WAITERS | SNI_BUSY))
            break;
        if (sni_cas_acqrel(&s->word, &w, w + back * ONE)) /* release: pairs with the acquire in take */
            return;
    }
    w = sni_word_lock(&s->word);
    uint64_t free = w / ONE + back;
    if (sni_unlikely(free > s->all))
        sni_word_give(&s->word, w);
    sni_check(free <= s->all, "sn_sem_release: more permits given back than taken");
    serve(s, free);
}

void sn_sem_release(sn_sem *sem, int n)
{
    if (sni_checks_on())
        sni_lock_released(sni_wait_or_panic("sn_sem_release"), sem); /* if it was ours */
    if (sni_unlikely(sni_is_watched(sni_self()))) {
        sni_point("releases %semaphore", sem);
        release(inside(sem), n);
        sni_point(NULL, NULL);
    } else {
        release(inside(sem), n);
    }
}

int sn_sem_available(const sn_sem *sem)
{
    return (int)(sni_load_rlx(&inside(sem)->word) / ONE);
}
