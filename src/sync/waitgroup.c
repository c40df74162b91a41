/* Wait group: a counter and a queue of waiters.
 *
 *     word = counter << 2 | WAITERS | BUSY
 *
 * Invariants: (1) WAITERS is set exactly if the queue is not empty, but under BUSY. (2) The counter becomes zero with WAITERS
 * only together with BUSY: so all who wait then belong to the round that ends, and none of the next is among them. (3) Who
 * reads zero returns at once only if BUSY is not set: the one who ended the round may still be at work on the queue. */
#include "sennit/waitgroup.h"

#include "sennit/error.h"
#include "sync/queue.h"

#include <stdio.h>

enum { WAITERS = 2, ONE = 4 };

struct waitgroup {
    uint64_t word;
    struct sni_queue queue;
} __attribute__((may_alias));

_Static_assert(sizeof(struct waitgroup) == sizeof(sn_waitgroup), "sn_waitgroup has the wrong size");

static struct waitgroup *inside(const sn_waitgroup *wg)
{
    return (struct waitgroup *)(uintptr_t)wg->sni_;
}

static void describe(const void *object, char *buf, size_t size)
{
    struct waitgroup wg;

    if (sni_peek(&wg, object, sizeof wg))
        (void)snprintf(buf, size, "(%llu not done)", (unsigned long long)(wg.word / ONE));
}

static const struct sni_reason waiting = { "waiting for a wait group", describe, NULL, NULL };

/* (BUSY) The round is over. */
static void release_all(struct waitgroup *wg)
{
    struct sni_wakes wakes;
    uint64_t w;

    sni_wakes_init(&wakes);
    (void)sni_queue_claim_all(&wg->queue, &wakes);
    w = sni_load_rlx(&wg->word); /* the next round may have begun: adds do not wait for BUSY */
    while (!sni_cas_acqrel(&wg->word, &w, w & ~(uint64_t)(WAITERS | SNI_BUSY))) /* the last touch */
        ;
    sni_wakes_ready(&wakes);
}

static __attribute__((noinline)) void count_down(struct waitgroup *wg, uint64_t n)
{
    uint64_t w = sni_load_rlx(&wg->word);

    for (uint32_t tries = 0;;) {
        uint64_t left = w / ONE;
        sni_check(left >= n, "sn_waitgroup_done: %llu done, but only %llu are left", (unsigned long long)n,
                  (unsigned long long)left);
        bool last = left == n, wakes = last && (w & WAITERS);
        if (last && (w & SNI_BUSY)) { /* somebody is just joining or leaving the queue */
            sni_spin_pause(&tries);
            w = sni_load_rlx(&wg->word);
        } else if (sni_cas_acqrel(&wg->word, &w, (w - n * ONE) | (wakes ? SNI_BUSY : 0))) {
            /* release: what was done is visible to who reads zero; acquire: and to the last one, who wakes */
            if (wakes)
                release_all(wg);
            return;
        }
    }
}

void sn_waitgroup_add(sn_waitgroup *group, int n)
{
    struct waitgroup *wg = inside(group);

    sni_point("adds to %waitgroup", group);
    if (n < 0) {
        count_down(wg, (uint64_t)-(int64_t)n);
        sni_point(NULL, NULL);
        return;
    }
    uint64_t old = sni_add_rlx(&wg->word, (uint64_t)n * ONE) / ONE; /* whoever starts what it counts orders it */
    sni_check(old + (uint64_t)n <= INT32_MAX, "sn_waitgroup_add: the counter would be %llu",
              (unsigned long long)old + (unsigned long long)n);
}

void sn_waitgroup_done(sn_waitgroup *group)
{
    struct waitgroup *wg = inside(group);

    sni_point("is done with %waitgroup", group);
    uint64_t w = sni_load_rlx(&wg->word);
    /* Not the last, or the last with nobody waiting: release and acquire as in count_down. */
    if (sni_unlikely(!(w >= 2 * ONE || w == ONE) || !sni_cas_acqrel(&wg->word, &w, w - ONE)))
        count_down(wg, 1);
    sni_point(NULL, NULL);
}

/* Out of the queue, if still in it. */
static void leave(struct waitgroup *wg, struct sni_node *me)
{
    uint64_t w;

    if (!sni_is_queued(me))
        return;
    w = sni_word_lock(&wg->word);
    if (me->queued)
        sni_queue_remove(&wg->queue, me);
    /* Adds may come at any time, so the word is not ours to store: only the flags are. */
    w = sni_load_rlx(&wg->word);
    while (!sni_cas_acqrel(&wg->word, &w, (w & ~(uint64_t)(SNI_BUSY | WAITERS)) | (wg->queue.head ? WAITERS : 0)))
        ;
}

struct joining {
    struct waitgroup *wg;
};

/* Adds may have come while we had BUSY, but nobody has brought the counter to zero. */
static void commit_join(void *p)
{
    struct waitgroup *wg = ((struct joining *)p)->wg;
    uint64_t w = sni_load_rlx(&wg->word);

    while (!sni_cas_acqrel(&wg->word, &w, (w & ~(uint64_t)SNI_BUSY) | WAITERS))
        ;
}

static int wait_slow(struct waitgroup *wg, sn_ctx *ctx, struct sni_wait *self)
{
    struct sni_node me = { .wait = self, .seq = sni_wait_seq(self) };
    struct joining joining = { wg };

    if (sni_word_lock(&wg->word) < ONE) {
        (void)__atomic_fetch_and(&wg->word, ~(uint64_t)SNI_BUSY, __ATOMIC_ACQ_REL); /* as in leave */
        return 0;
    }
    sni_queue_push(&wg->queue, &me);
    int r = sni_park(self, ctx, &waiting, wg, commit_join, &joining);
    if (r < 0)
        leave(wg, &me);
    return r;
}

/* Zero, and nobody at work on it. */
static bool is_done(struct waitgroup *wg)
{
    return sni_load_acq(&wg->word) == 0; /* pairs with the release in count_down and release_all */
}

void sn_waitgroup_wait(sn_waitgroup *group)
{
    struct waitgroup *wg = inside(group);

    sni_point("waits for %waitgroup", group);
    if (!is_done(wg))
        (void)wait_slow(wg, sn_background(), sni_wait_or_panic("sn_waitgroup_wait"));
}

int sn_waitgroup_wait_ctx(sn_ctx *ctx, sn_waitgroup *group)
{
    struct waitgroup *wg = inside(group);
    struct sni_wait *self;
    int r;

    if ((r = sni_begin(&ctx, &self, "waits for %waitgroup", group)) != 0 || is_done(wg))
        return r;
    return wait_slow(wg, ctx, self);
}

int sn_waitgroup_count(const sn_waitgroup *wg)
{
    return (int)(sni_load_rlx(&inside(wg)->word) / ONE);
}
