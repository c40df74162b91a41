/* Barrier: a waitable with the number of the round that is under way, and how those before it have ended.
 *
 * Invariants, under BUSY: (1) arrived < parties, or BROKEN: then nobody can arrive in this round. (2) Who waits for a round other
 * than `round` is ready: it is over. Bit k of `history` says that the k-th before this one was broken; of what lies further
 * back nothing is known, and the answer is that it was: never is anybody told that all were there who were not. */
#include "sennit/barrier.h"

#include "sennit/error.h"
#include "sync/waitable.h"

#include <stdio.h>

struct barrier {
    struct sni_waitable waitable;
    uint32_t parties, arrived; /* (c); (BUSY) */
    uint64_t round, history;   /* (BUSY) */
} __attribute__((may_alias));

enum { HISTORY = 64 };
static const uint32_t BROKEN = UINT32_MAX;

_Static_assert(sizeof(struct barrier) == sizeof(sn_barrier), "sn_barrier has the wrong size");

static struct barrier *inside(const sn_barrier *b)
{
    return (struct barrier *)(uintptr_t)b->sni_;
}

static void describe(const void *object, char *buf, size_t size)
{
    struct barrier b;

    if (sni_peek(&b, object, sizeof b) && b.arrived != BROKEN)
        (void)snprintf(buf, size, "(%u of %u have arrived)", b.arrived, b.parties);
}

static const struct sni_reason waiting = { "waiting at a barrier", describe, NULL, NULL };

/* (BUSY) */
static bool was_broken(const struct barrier *b, uint64_t round)
{
    uint64_t ago = b->round - round;

    if (ago == 0)
        return b->arrived == BROKEN;
    return ago > HISTORY || (b->history >> (ago - 1) & 1);
}

static bool is_over(const sn_waitable *w, void *arg)
{
    const struct barrier *b = (const struct barrier *)(const void *)w;

    return b->round != (uintptr_t)arg || b->arrived == BROKEN;
}

static int how_it_ended(sn_waitable *w, void *arg)
{
    return was_broken((const struct barrier *)(const void *)w, (uintptr_t)arg) ? SN_EBROKEN : 0;
}

static const sn_waitable_ops ending = { .name = "a barrier", .ready = is_over, .take = how_it_ended };

static void *number(uint64_t round)
{
    return (void *)(uintptr_t)round; /* never followed */
}

static void break_round(struct barrier *b)
{
    b->arrived = BROKEN;
    sni_waitable_changed(b);
}

static void next_round(struct barrier *b, uint64_t broken)
{
    b->history = b->history << 1 | broken;
    b->round++;
    b->arrived = 0;
}

/* 1: the round is over; 0: others are awaited. */
static int arrive(struct barrier *b, uint64_t *round)
{
    (void)sni_waitable_lock(b);
    if (b->arrived == BROKEN) {
        sni_waitable_give(b);
        return SN_EBROKEN;
    }
    *round = b->round;
    bool last = ++b->arrived == b->parties;
    if (last)
        next_round(b, 0);
    sni_waitable_changed(b);
    return last;
}

int sn_barrier_wait(sn_ctx *ctx, sn_barrier *barrier)
{
    struct barrier *b = inside(barrier);
    struct sni_wait *self;
    uint64_t round;
    int r;

    if ((r = sni_begin(&ctx, &self, "arrives at %barrier", barrier)) == SN_ENOMEM)
        return r;
    if (r < 0) {
        sn_barrier_break(barrier);
        return r;
    }
    if ((r = arrive(b, &round)) != 0)
        return r;
    r = sni_waitable_park(b, &ending, number(round), ctx, self, &waiting);
    if (r == 0 || r == SN_EBROKEN)
        return r;
    (void)sni_waitable_lock(b);
    if (!is_over((const sn_waitable *)b, number(round))) {
        break_round(b);
        return r;
    }
    r = how_it_ended((sn_waitable *)b, number(round)); /* with us: that came before the end of the context */
    sni_waitable_give(b);
    return r;
}

int sn_barrier_arrive(sn_barrier *barrier, uint64_t *round)
{
    sni_point("arrives at %barrier", barrier);
    int r = arrive(inside(barrier), round);
    sni_point(NULL, NULL);
    return r;
}

sn_case sn_on_barrier(sn_barrier *barrier, uint64_t round)
{
    return sni_case_waitable((struct sn_waitable *)barrier, &ending, number(round));
}

void sn_barrier_init(sn_barrier *barrier, int n)
{
    sni_check(n > 0, "sn_barrier_init: %d parties", n);
    *barrier = (sn_barrier)SN_BARRIER_INIT(n);
}

void sn_barrier_break(sn_barrier *barrier)
{
    sni_point("breaks %barrier", barrier);
    break_round(sni_waitable_lock(inside(barrier)));
    sni_point(NULL, NULL);
}

void sn_barrier_reset(sn_barrier *barrier)
{
    struct barrier *b = inside(barrier);

    sni_point("resets %barrier", barrier);
    (void)sni_waitable_lock(b);
    if (b->arrived > 0)
        next_round(b, 1);
    sni_waitable_changed(b);
    sni_point(NULL, NULL);
}

int sn_barrier_arrived(const sn_barrier *barrier)
{
    struct barrier *b = inside(barrier);

    (void)sni_waitable_lock(b);
    int n = b->arrived == BROKEN ? 0 : (int)b->arrived;
    sni_waitable_give(b);
    return n;
}

bool sn_barrier_is_broken(const sn_barrier *barrier)
{
    struct barrier *b = inside(barrier);

    (void)sni_waitable_lock(b);
    bool broken = b->arrived == BROKEN;
    sni_waitable_give(b);
    return broken;
}
