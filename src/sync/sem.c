/* Semaphore: the number of free permits, and a queue of waiters, served in order; a waitable.
 *
 *     word = free << 3 | CLOSED | WAITERS | BUSY
 *
 * `free` is signed: shrinking may leave fewer than none, and then nobody gets any until enough have come back. Invariants:
 * those of waitable.h; and (3) `all` and the word change together under BUSY, so that all - free is what is held. */
#include "sennit/sem.h"

#include "sennit/error.h"
#include "sync/waitable.h"

#include <stdio.h>

enum { CLOSED = 4, ONE = 8, NOT_NOW = CLOSED | SNI_WAITERS | SNI_BUSY };

struct sem {
    uint64_t word;
    struct sni_queue queue;
    int64_t all; /* (a) permits there are; written under BUSY */
} __attribute__((may_alias));

_Static_assert(sizeof(struct sem) == sizeof(sn_sem), "sn_sem has the wrong size");
_Static_assert(offsetof(struct sem, queue) == offsetof(struct sni_waitable, queue), "a semaphore is a waitable");

static struct sem *inside(const sn_sem *s)
{
    return (struct sem *)(uintptr_t)s->sni_;
}

static int64_t free_in(uint64_t word)
{
    return (int64_t)word >> 3; /* the compilers that we support keep the sign */
}

static void describe(const void *object, char *buf, size_t size)
{
    struct sem s;

    if (sni_peek(&s, object, sizeof s))
        (void)snprintf(buf, size, "(%lld of %lld permits free%s)", (long long)free_in(s.word), (long long)s.all,
                       s.word & CLOSED ? ", closed" : "");
}

static const struct sni_reason acquiring = { "acquiring a semaphore", describe, NULL, NULL };

/* (BUSY) */
static bool is_ready(const sn_waitable *w, void *arg)
{
    const struct sem *s = (const struct sem *)(const void *)w;
    int64_t n = (intptr_t)arg;
    uint64_t word = sni_load_rlx(&s->word);

    return (word & CLOSED) || n <= free_in(word);
}

/* (BUSY) So nobody else changes the word. */
static int take(sn_waitable *w, void *arg)
{
    struct sem *s = (struct sem *)(void *)w;
    int64_t n = (intptr_t)arg;
    uint64_t word = sni_load_rlx(&s->word);

    if (word & CLOSED)
        return SN_ECLOSED;
    if (n < 0 || n > s->all)
        return SN_EINVAL;
    sni_store_rlx(&s->word, word - (uint64_t)n * ONE); /* published when the word is given */
    return 0;
}

/* (BUSY) */
static bool is_hopeless(const sn_waitable *w, void *arg)
{
    int64_t n = (intptr_t)arg;

    return n < 0 || n > ((const struct sem *)(const void *)w)->all;
}

static const sn_waitable_ops taking = {
    .name = "a semaphore", .ready = is_ready, .take = take, .in_order = true, .hopeless = is_hopeless,
};

static void *number(int n)
{
    return (void *)(intptr_t)n; /* never followed */
}

void sn_sem_init(sn_sem *sem, int n)
{
    struct sem *s = inside(sem);

    sni_check(n >= 0, "sn_sem_init: %d permits", n);
    s->word = (uint64_t)n * ONE;
    s->queue = (struct sni_queue){ NULL, NULL };
    s->all = n;
}

static bool is_too_many(struct sem *s, int n)
{
    return n < 0 || n > sni_load_rlx(&s->all);
}

/* Takes n permits if they are free and nobody waits; false: others wait or work on the queue, too few are free, or closed. */
static sni_inline bool take_fast(struct sem *s, int n)
{
    uint64_t w = sni_load_rlx(&s->word);

    while (!(w & NOT_NOW) && (int64_t)w >= (int64_t)n * ONE)
        if (sni_cas_acqrel(&s->word, &w, w - (uint64_t)n * ONE)) /* acquire: pairs with the release of who gave them back */
            return true;
    return false;
}

int sn_sem_acquire(sn_ctx *ctx, sn_sem *sem, int n)
{
    struct sem *s = inside(sem);
    struct sni_wait *self;
    int r;

    if (sni_unlikely(is_too_many(s, n)))
        return SN_EINVAL;
    if ((r = sni_begin(&ctx, &self, "acquires %semaphore", sem)) != 0)
        return r;
    r = sni_likely(take_fast(s, n)) ? 0 : sni_waitable_park(s, &taking, number(n), ctx, self, &acquiring);
    if (sni_checks_on() && r == 0)
        sni_lock_taken(self, s, "semaphore", __builtin_return_address(0), SNI_LOCK_PERMIT);
    return r;
}

/* Takes n permits, or all that are free if n is negative, without blocking. How many, or an error. */
static int try_take(struct sem *s, int n)
{
    uint64_t w = sni_load_rlx(&s->word);

    for (uint32_t tries = 0;;) {
        int64_t free = free_in(w), want = n >= 0 ? n : free > 0 ? free : 0;
        if (w & SNI_BUSY) { /* for a few instructions: what it will be then is the answer */
            sni_spin_pause(&tries);
            w = sni_load_rlx(&s->word);
        } else if (w & CLOSED) {
            return SN_ECLOSED;
        } else if ((w & SNI_WAITERS) || (n >= 0 && free < n)) {
            return SN_EAGAIN;
        } else if (sni_cas_acqrel(&s->word, &w, w - (uint64_t)want * ONE)) { /* as in take_fast */
            return (int)want;
        }
    }
}

int sn_sem_try_acquire(sn_sem *sem, int n)
{
    struct sem *s = inside(sem);
    int r;

    if (is_too_many(s, n))
        return SN_EINVAL;
    sni_point("tries to acquire %semaphore", sem);
    if ((r = try_take(s, n)) < 0)
        return r;
    if (sni_checks_on())
        sni_lock_taken(sni_wait_or_panic("sn_sem_try_acquire"), s, "semaphore", __builtin_return_address(0), SNI_LOCK_PERMIT);
    return 0;
}

int sn_sem_try_acquire_all(sn_sem *sem)
{
    struct sem *s = inside(sem);
    int r;

    sni_point("tries to acquire all of %semaphore", sem);
    if ((r = try_take(s, -1)) > 0 && sni_checks_on())
        sni_lock_taken(sni_wait_or_panic("sn_sem_try_acquire_all"), s, "semaphore", __builtin_return_address(0),
                       SNI_LOCK_PERMIT);
    return r;
}

/* (BUSY) The word is `w` from now on. Serves the queue and gives the word; `wakes` has who was woken before. */
static void change_and_wake(struct sem *s, uint64_t w, struct sni_wakes *wakes)
{
    sni_store_rlx(&s->word, w | SNI_BUSY); /* published when it is given */
    sni_waitable_serve((struct sni_waitable *)s, wakes);
    sni_waitable_give(s);
    sni_wakes_ready(wakes);
}

static void change(struct sem *s, uint64_t w)
{
    struct sni_wakes wakes;

    sni_wakes_init(&wakes);
    change_and_wake(s, w, &wakes);
}

static __attribute__((noinline)) void release_slow(struct sem *s, int n)
{
    uint64_t w = sni_word_lock(&s->word);
    int64_t free = free_in(w), all = s->all;

    if (free + n > all) {
        sni_word_give(&s->word, w);
        sni_check(free + n <= all, "sn_sem_release: %d permits given back, %lld free, but only %lld there are in all", n,
                  (long long)free, (long long)all);
    }
    change(s, w + (uint64_t)n * ONE);
}

static sni_inline void release(struct sem *s, int n)
{
    uint64_t w = sni_load_rlx(&s->word);

    sni_check(n >= 0, "sn_sem_release: %d permits", n);
    while (!(w & (SNI_WAITERS | SNI_BUSY)) && free_in(w) + n <= sni_load_rlx(&s->all))
        if (sni_cas_acqrel(&s->word, &w, w + (uint64_t)n * ONE)) /* release: pairs with the acquire in take_fast */
            return;
    release_slow(s, n);
}

void sn_sem_release(sn_sem *sem, int n)
{
    struct sni_worker *w = sni_self();

    if (sni_unlikely(w ? w->own.current->wait.held != NULL : sni_checks_on()))
        sni_lock_released(sni_wait_or_panic("sn_sem_release"), sem); /* if it was ours */
    if (sni_unlikely(sni_is_watched(w))) {
        sni_point("releases %semaphore", sem);
        release(inside(sem), n);
        sni_point(NULL, NULL);
    } else {
        release(inside(sem), n);
    }
}

void sn_sem_resize(sn_sem *sem, int n)
{
    struct sem *s = inside(sem);
    struct sni_wakes wakes;

    sni_check(n >= 0, "sn_sem_resize: %d permits", n);
    sni_point("resizes %semaphore", sem);
    sni_wakes_init(&wakes);
    uint64_t w = sni_word_lock(&s->word);
    int64_t more = n - s->all;
    sni_store_rlx(&s->all, (int64_t)n); /* read by who only wants to know at once what makes no sense */
    sni_waitable_refuse((struct sni_waitable *)s, &wakes);
    change_and_wake(s, w + (uint64_t)(more * ONE), &wakes);
    sni_point(NULL, NULL);
}

void sn_sem_close(sn_sem *sem)
{
    struct sem *s = inside(sem);

    sni_point("closes %semaphore", sem);
    change(s, sni_word_lock(&s->word) | CLOSED);
    sni_point(NULL, NULL);
}

sn_case sn_on_sem(sn_sem *sem, int n)
{
    return sni_case_waitable((struct sn_waitable *)sem, &taking, number(n));
}

int sn_sem_available(const sn_sem *sem)
{
    int64_t free = free_in(sni_load_rlx(&inside(sem)->word));

    return free > 0 ? (int)free : 0;
}

int sn_sem_capacity(const sn_sem *sem)
{
    return (int)sni_load_rlx(&inside(sem)->all);
}

int sn_sem_used(const sn_sem *sem)
{
    struct sem *s = inside(sem);
    uint64_t w = sni_word_lock(&s->word);
    int64_t used = s->all - free_in(w);

    sni_word_give(&s->word, w);
    return (int)used;
}

int sn_sem_waiting(const sn_sem *sem)
{
    struct sem *s = inside(sem);
    uint64_t w = sni_load_rlx(&s->word);
    int n = 0;

    if (!(w & (SNI_WAITERS | SNI_BUSY)))
        return 0;
    w = sni_word_lock(&s->word);
    for (const struct sni_node *node = s->queue.head; node; node = node->next)
        n++;
    sni_word_give(&s->word, w);
    return n;
}
