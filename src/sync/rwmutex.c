/* Readers-writer mutex: a count of readers, a flag for the writer, and a queue of each.
 *
 *     word = readers << 3 | WAITERS | WRITER | BUSY
 *
 * Invariants: (1) WRITER is set or readers is not 0, never both. (2) WAITERS is set exactly if a queue is not empty, but under
 * BUSY; then nobody comes in by the fast path. (3) Readers wait only if there is a writer, or one waits. So when it becomes
 * free, the queue of writers is what is left after a phase of readers, and the queue of readers after a writer.
 *
 *     writer unlocks    readers wait: all of them come in, whoever came before them; else the next writer
 *     last reader goes  the next writer; if none is left (it gave up), the readers that waited behind it
 *
 * Nobody spins: on the machines it was measured on, two processors that share the word all the time are slower than one that
 * runs the tasks of both.
 *
 * Brandenburg and Anderson, "Spin-based reader-writer synchronization for multiprocessor real-time systems" (Real-Time
 * Systems 46, 2010), has the rule and why it bounds both waits. */
#include "sennit/rwmutex.h"

#include "sennit/error.h"
#include "sync/queue.h"

#include <stdio.h>

enum { WRITER = 2, WAITERS = 4, READER = 8 };

struct rwmutex {
    uint64_t word;
    struct sni_wait *writer; /* (a) who holds it; written by itself, or by who hands over to it */
    struct sni_queue readers, writers;
} __attribute__((may_alias));

_Static_assert(sizeof(struct rwmutex) == sizeof(sn_rwmutex), "sn_rwmutex has the wrong size");

static struct rwmutex *inside(sn_rwmutex *m)
{
    return (struct rwmutex *)(uintptr_t)m->sni_;
}

static void describe(const void *object, char *buf, size_t size)
{
    struct rwmutex m;

    if (sni_peek(&m, object, sizeof m) && m.word / READER)
        (void)snprintf(buf, size, "held by %llu readers", (unsigned long long)(m.word / READER));
}

static const struct sni_wait *holder(const void *object)
{
    struct rwmutex m;

    return sni_peek(&m, object, sizeof m) && (m.word & WRITER) ? m.writer : NULL;
}

static const struct sni_reason locking = { "locking an rwmutex", describe, holder, "held by" };
static const struct sni_reason rlocking = { "locking an rwmutex for reading", describe, holder, "held by" };

static uint64_t waiters(const struct rwmutex *m)
{
    return m->readers.head || m->writers.head ? WAITERS : 0;
}

/* (BUSY) It is free, or has readers and no writer (`held`: how many). Lets in whose turn it is and gives the word back. */
static void pass_on(struct rwmutex *m, uint64_t held, struct sni_queue *first)
{
    struct sni_wakes wakes;
    struct sni_wait *next = NULL;

    sni_wakes_init(&wakes);
    if (first == &m->readers)
        held += sni_queue_claim_all(&m->readers, &wakes);
    while (held == 0 && !next && m->writers.head)
        next = sni_queue_claim(&m->writers);
    if (next)
        sni_wakes_add(&wakes, next);
    else if (!m->writers.head) /* those who waited behind a writer that has given up */
        held += sni_queue_claim_all(&m->readers, &wakes);
    sni_store_rlx(&m->writer, next); /* published by the word */
    sni_word_give(&m->word, held * READER | (next ? WRITER : 0) | waiters(m));
    sni_wakes_ready(&wakes);
}

/* The context has ended: out of the queue, if still in it. A writer that leaves may be what readers waited for. */
static void leave(struct rwmutex *m, struct sni_queue *q, struct sni_node *me)
{
    uint64_t w;

    if (!sni_is_queued(me))
        return;
    w = sni_word_lock(&m->word);
    if (me->queued)
        sni_queue_remove(q, me);
    if (w & WRITER)
        sni_word_give(&m->word, (w & ~(uint64_t)WAITERS) | waiters(m));
    else
        pass_on(m, w / READER, &m->writers);
}

/* --- the writer's side --- */

static sni_inline bool lock_fast(struct rwmutex *m, struct sni_wait *self)
{
    uint64_t free = 0;

    if (!sni_cas_acqrel(&m->word, &free, (uint64_t)WRITER)) /* acquire: pairs with the release of who had it */
        return false;
    sni_store_rlx(&m->writer, self); /* read by ourselves, by who hands over, and by reports */
    return true;
}

static int lock_slow(struct rwmutex *m, sn_ctx *ctx, struct sni_wait *self)
{
    struct sni_node me = { 0 };
    uint64_t w = sni_word_lock(&m->word);

    if ((w & WRITER) && sni_load_rlx(&m->writer) == self) {
        sni_word_give(&m->word, w);
        sni_panic("sn_rwmutex_lock: this task or thread holds it as the writer already");
    }
    if (w == 0) {
        sni_store_rlx(&m->writer, self);
        sni_word_give(&m->word, WRITER);
        return 0;
    }
    int r = sni_queue_park(&m->writers, &me, self, ctx, &locking, m, &m->word, w | WAITERS);
    if (r < 0)
        leave(m, &m->writers, &me);
    return r;
}

/* As lock_fast and lock_slow, telling the checks. */
static __attribute__((noinline)) int lock_checked(struct rwmutex *m, sn_ctx *ctx, struct sni_wait *self, const void *site)
{
    int r = 0;

    sni_lock_wanted(self, m, "rwmutex");
    if (!lock_fast(m, self))
        r = lock_slow(m, ctx, self);
    if (r == 0)
        sni_lock_taken(self, m, "rwmutex", site, SNI_LOCK);
    return r;
}

/* `self` is NULL but in the ordinary case that it is held. */
static __attribute__((noinline)) void lock_otherwise(sn_rwmutex *mutex, struct sni_wait *self, const void *site)
{
    bool tried = self != NULL;

    if (!self)
        self = sni_enter_or_panic("sn_rwmutex_lock", "locks %rwmutex", mutex);
    if (sni_checks_on())
        (void)lock_checked(inside(mutex), sn_background(), self, site);
    else if (tried || !lock_fast(inside(mutex), self))
        (void)lock_slow(inside(mutex), sn_background(), self);
}

void sn_rwmutex_lock(sn_rwmutex *mutex)
{
    struct sni_wait *self = sni_enter_fast();

    if (sni_unlikely(!self || !lock_fast(inside(mutex), self)))
        lock_otherwise(mutex, self, __builtin_return_address(0));
}

int sn_rwmutex_lock_ctx(sn_ctx *ctx, sn_rwmutex *mutex)
{
    struct sni_wait *self;
    int r;

    if ((r = sni_begin(&ctx, &self, "locks %rwmutex", mutex)) != 0)
        return r;
    if (sni_checks_on())
        return lock_checked(inside(mutex), ctx, self, __builtin_return_address(0));
    return sni_likely(lock_fast(inside(mutex), self)) ? 0 : lock_slow(inside(mutex), ctx, self);
}

int sn_rwmutex_try_lock(sn_rwmutex *mutex)
{
    struct rwmutex *m = inside(mutex);
    struct sni_wait *self = sni_enter_or_panic("sn_rwmutex_try_lock", "tries to lock %rwmutex", mutex);

    for (uint32_t tries = 0; !lock_fast(m, self);) {
        if (sni_load_rlx(&m->word) & ~(uint64_t)SNI_BUSY)
            return SN_EBUSY;
        sni_spin_pause(&tries); /* it is just becoming free */
    }
    if (sni_checks_on())
        sni_lock_taken(self, mutex, "rwmutex", __builtin_return_address(0), SNI_LOCK);
    return 0;
}

static sni_inline void check_writer(const struct rwmutex *m, const struct sni_wait *self, const char *function)
{
    sni_check((sni_load_rlx(&m->word) & WRITER) && sni_load_rlx(&m->writer) == self,
              "%s: this task or thread is not the writer", function);
}

/* The writer is taken off while it is still ours. */
static sni_inline bool free_fast(struct rwmutex *m)
{
    uint64_t w = WRITER;

    sni_store_rlx(&m->writer, (struct sni_wait *)NULL);
    return sni_cas_acqrel(&m->word, &w, (uint64_t)0); /* release: pairs with the acquire in the fast paths */
}

static __attribute__((noinline)) void unlock_otherwise(sn_rwmutex *mutex)
{
    struct rwmutex *m = inside(mutex);
    struct sni_wait *self = sni_enter_or_panic("sn_rwmutex_unlock", "unlocks %rwmutex", mutex);

    check_writer(m, self, "sn_rwmutex_unlock");
    if (sni_unlikely(self->held != NULL))
        sni_lock_released(self, mutex);
    if (!free_fast(m)) {
        (void)sni_word_lock(&m->word);
        pass_on(m, 0, &m->readers);
    }
    sni_point(NULL, NULL);
}

void sn_rwmutex_unlock(sn_rwmutex *mutex)
{
    struct rwmutex *m = inside(mutex);
    struct sni_wait *self = sni_enter_fast();

    if (sni_unlikely(!self || self->held || sni_load_rlx(&m->word) != WRITER || sni_load_rlx(&m->writer) != self)) {
        unlock_otherwise(mutex);
    } else if (sni_unlikely(!free_fast(m))) {
        (void)sni_word_lock(&m->word);
        pass_on(m, 0, &m->readers);
    }
}

void sn_rwmutex_downgrade(sn_rwmutex *mutex)
{
    struct rwmutex *m = inside(mutex);
    struct sni_wait *self = sni_enter_or_panic("sn_rwmutex_downgrade", "downgrades %rwmutex", mutex);
    uint64_t w = WRITER;

    check_writer(m, self, "sn_rwmutex_downgrade");
    if (sni_unlikely(self->held != NULL))
        sni_lock_released(self, mutex);
    sni_store_rlx(&m->writer, (struct sni_wait *)NULL); /* while it is still ours */
    if (!sni_cas_acqrel(&m->word, &w, (uint64_t)READER)) { /* release: pairs with the acquire in rlock_fast */
        (void)sni_word_lock(&m->word);
        pass_on(m, 1, &m->readers); /* the readers that wait come in with us */
    }
    if (sni_checks_on())
        sni_lock_taken(self, mutex, "rwmutex", __builtin_return_address(0), SNI_LOCK_SHARED);
    sni_point(NULL, NULL);
}

bool sn_rwmutex_held(const sn_rwmutex *mutex)
{
    struct rwmutex *m = inside((sn_rwmutex *)(uintptr_t)mutex);
    struct sni_wait *self = sni_wait_or_panic("sn_rwmutex_held");

    return (sni_load_rlx(&m->word) & WRITER) && sni_load_rlx(&m->writer) == self; /* only we make it ourselves */
}

/* --- the readers' side --- */

static sni_inline bool rlock_fast(struct rwmutex *m)
{
    uint64_t w = sni_load_rlx(&m->word);

    while (!(w & (WRITER | WAITERS | SNI_BUSY)))
        if (sni_cas_acqrel(&m->word, &w, w + READER)) /* acquire: pairs with the release of the writer */
            return true;
    return false;
}

static int rlock_slow(struct rwmutex *m, sn_ctx *ctx, struct sni_wait *self)
{
    struct sni_node me = { 0 };
    uint64_t w = sni_word_lock(&m->word);

    if ((w & WRITER) && sni_load_rlx(&m->writer) == self) {
        sni_word_give(&m->word, w);
        sni_panic("sn_rwmutex_rlock: this task or thread holds it as the writer");
    }
    if (!(w & (WRITER | WAITERS))) {
        sni_word_give(&m->word, w + READER);
        return 0;
    }
    int r = sni_queue_park(&m->readers, &me, self, ctx, &rlocking, m, &m->word, w | WAITERS);
    if (r < 0)
        leave(m, &m->readers, &me);
    return r;
}

static __attribute__((noinline)) int rlock_checked(struct rwmutex *m, sn_ctx *ctx, struct sni_wait *self, const void *site)
{
    int r = 0;

    sni_lock_wanted(self, m, "rwmutex");
    if (!rlock_fast(m))
        r = rlock_slow(m, ctx, self);
    if (r == 0)
        sni_lock_taken(self, m, "rwmutex", site, SNI_LOCK_SHARED);
    return r;
}

/* `self` is NULL but in the ordinary case that a writer holds it or waits. */
static __attribute__((noinline)) void rlock_otherwise(sn_rwmutex *mutex, struct sni_wait *self, const void *site)
{
    bool tried = self != NULL;

    if (!self)
        self = sni_enter_or_panic("sn_rwmutex_rlock", "locks %rwmutex for reading", mutex);
    if (sni_checks_on())
        (void)rlock_checked(inside(mutex), sn_background(), self, site);
    else if (tried || !rlock_fast(inside(mutex)))
        (void)rlock_slow(inside(mutex), sn_background(), self);
}

void sn_rwmutex_rlock(sn_rwmutex *mutex)
{
    struct sni_wait *self = sni_enter_fast();

    if (sni_unlikely(!self || !rlock_fast(inside(mutex))))
        rlock_otherwise(mutex, self, __builtin_return_address(0));
}

int sn_rwmutex_rlock_ctx(sn_ctx *ctx, sn_rwmutex *mutex)
{
    struct sni_wait *self;
    int r;

    if ((r = sni_begin(&ctx, &self, "locks %rwmutex for reading", mutex)) != 0)
        return r;
    if (sni_checks_on())
        return rlock_checked(inside(mutex), ctx, self, __builtin_return_address(0));
    return sni_likely(rlock_fast(inside(mutex))) ? 0 : rlock_slow(inside(mutex), ctx, self);
}

int sn_rwmutex_try_rlock(sn_rwmutex *mutex)
{
    struct rwmutex *m = inside(mutex);

    sni_point("tries to lock %rwmutex for reading", mutex);
    for (uint32_t tries = 0; !rlock_fast(m);) {
        if (sni_load_rlx(&m->word) & (WRITER | WAITERS))
            return SN_EBUSY;
        sni_spin_pause(&tries);
    }
    if (sni_checks_on())
        sni_lock_taken(sni_wait_or_panic("sn_rwmutex_try_rlock"), mutex, "rwmutex", __builtin_return_address(0), SNI_LOCK_SHARED);
    return 0;
}

/* A reader goes whose going changes nothing else. */
static sni_inline bool runlock_fast(struct rwmutex *m)
{
    uint64_t w = sni_load_rlx(&m->word);

    while (w >= READER && !(w & SNI_BUSY) && !((w & WAITERS) && w / READER == 1))
        if (sni_cas_acqrel(&m->word, &w, w - READER)) /* release: pairs with the acquire in lock_fast and sni_word_lock */
            return true;
    return false;
}

static void runlock_slow(struct rwmutex *m)
{
    uint64_t w = sni_word_lock(&m->word);

    if (w / READER == 0) {
        sni_word_give(&m->word, w);
        sni_panic("sn_rwmutex_runlock: there is no reader");
    }
    if (w / READER == 1)
        pass_on(m, 0, &m->writers);
    else
        sni_word_give(&m->word, w - READER);
}

static __attribute__((noinline)) void runlock_otherwise(sn_rwmutex *mutex)
{
    struct sni_wait *self = sni_enter_or_panic("sn_rwmutex_runlock", "unlocks %rwmutex for reading", mutex);

    if (self->held) /* whether the checks are still on or not */
        sni_lock_released(self, mutex);
    if (!runlock_fast(inside(mutex)))
        runlock_slow(inside(mutex));
    sni_point(NULL, NULL);
}

void sn_rwmutex_runlock(sn_rwmutex *mutex)
{
    struct sni_wait *self = sni_enter_fast();

    if (sni_unlikely(!self || self->held || !runlock_fast(inside(mutex))))
        runlock_otherwise(mutex);
}
