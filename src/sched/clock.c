/* Time and chance: sn_now, sn_random and fair choices.
 *
 * sn_now reads the processor's counter where the kernel trusts it. Its rate is found by comparing with the system clock
 * over 20 ms, then over 1 s, then never again. Each finding is an immutable record, published by a pointer.
 *
 * Time never goes back: a new record starts ahead of what it replaces, the system clock or the old record, by as much as
 * the two can have drifted apart, given how exactly each was measured, until the last thread that saw the old one has used
 * it. That is a moment, unless a thread is interrupted at the worst place, be it the one that publishes: LATE_NS allows
 * for it. One who comes back even later than that from between pointer and counter finds another pointer and reads again.
 *
 * The counter may be coarse: on AArch64 a tick is often 40 ns, and may be 1 us. */
#include "base/atomic.h"
#include "base/rng.h"
#include "sched/choice.h"
#include "sched/fork.h"
#include "sched/sim.h"
#include "sennit/time.h"

struct rate {
    uint64_t ticks;      /* the counter at `ns` */
    int64_t ns;
    uint64_t per_tick;   /* ns per tick, times 2^32 */
    uint64_t next_ticks; /* when to measure again */
    int64_t off;         /* so many ns may be wrong in one second */
};

enum {
    SPANS = 2,
    SECOND = 1000000000,
    LATE_NS = 200000000, /* so long may pass between a measurement and the last use of what it replaces */
    FRESH_NS = 100000,   /* and so much of it, until all is ready to be published */
    SLACK_NS = 64,       /* for roundings, and for a processor that reads its counter out of order */
};
static const int64_t spans[SPANS] = { 20000000, SECOND };

/* Both clocks at one moment. */
struct moment {
    uint64_t ticks, unsure; /* the counter, and so many ticks later at most was it `ns` */
    int64_t ns;
};

/* Facts about the processor, not state of a runtime: process-wide. */
static struct {
    const struct rate *rate; /* (a) NULL: use the system clock */
    uint32_t stage;          /* (a) 0: not started; 1 .. SPANS: so many measured; odd jobs are done under `busy` */
    uint32_t busy;           /* (a) */
    struct moment begin;
    struct rate rates[SPANS];
    struct rate virtual;     /* a simulation's: stands still, but for being set */
    const struct rate *real; /* what it stands in for */
} clk;

static int64_t at(const struct rate *r, uint64_t ticks)
{
    return sni_load_rlx(&r->ns) + (int64_t)(((unsigned __int128)(ticks - r->ticks) * r->per_tick) >> 32);
}

/* The counter is read first: time computed from the pair is behind the system clock by what is unsure at most, never ahead. */
static struct moment read_both(void)
{
    struct moment best = { .unsure = UINT64_MAX };

    for (int i = 0; i < 5; i++) { /* an interruption in the middle of one shows as a longer span */
        uint64_t before = sni_os_ticks();
        int64_t ns = sni_os_clock();
        uint64_t unsure = sni_os_ticks() - before + 1; /* one more: it may be coarse */
        if (unsure < best.unsure)
            best = (struct moment){ before, unsure, ns };
    }
    return best;
}

/* The rate between two moments; starts at the second, ahead of `old` or, without it, of the system clock. */
static struct rate found(const struct moment *a, const struct moment *b, const struct rate *old)
{
    uint64_t ticks = b->ticks - a->ticks;
    int64_t ns = b->ns;
    struct rate r = {
        .ticks = b->ticks,
        .per_tick = (uint64_t)(((unsigned __int128)(b->ns - a->ns) << 32) / ticks),
        .off = (int64_t)((unsigned __int128)(a->unsure + b->unsure) * SECOND / ticks) + 1,
    };

    if (old && at(old, b->ticks) > ns)
        ns = at(old, b->ticks);
    r.ns = ns + (r.off + (old ? old->off : 0)) * LATE_NS / SECOND + (int64_t)(r.per_tick >> 32) + 1 + SLACK_NS;
    return r;
}

/* `now_ns`: what the system clock said just before. */
static void measure(int64_t now_ns)
{
    uint32_t stage = sni_load_acq(&clk.stage); /* pairs with the release below: `begin` is set */

    if (stage > SPANS || (stage > 0 && now_ns - clk.begin.ns < spans[stage - 1]) || sni_xchg_acq(&clk.busy, 1u) != 0)
        return;
    stage = sni_load_rlx(&clk.stage);
    struct moment now = read_both();
    if (stage == 0) {
        clk.begin = now;
        sni_store_rel(&clk.stage, sni_os_ticks_usable() ? 1u : SPANS + 1u);
    } else if (stage <= SPANS && now.ns - clk.begin.ns >= spans[stage - 1]) {
        struct rate *r = &clk.rates[stage - 1];
        *r = found(&clk.begin, &now, sni_load_rlx(&clk.rate));
        r->next_ticks = stage == SPANS ? UINT64_MAX
                                       : clk.begin.ticks + (uint64_t)(((unsigned __int128)spans[stage] << 32) / r->per_tick);
        if (at(r, sni_os_ticks()) - r->ns < FRESH_NS) { /* else we were interrupted: the next caller tries again */
            sni_store_rel(&clk.rate, (const struct rate *)r); /* pairs with the acquire in sn_now */
            sni_store_rel(&clk.stage, stage + 1);
        }
    }
    sni_store_rel(&clk.busy, 0u);
}

void sni_clock_begin_virtual(int64_t ns)
{
    while (sni_xchg_acq(&clk.busy, 1u) != 0) /* nobody measures meanwhile */
        sni_os_yield();
    clk.real = sni_load_rlx(&clk.rate);
    clk.virtual = (struct rate){ .next_ticks = UINT64_MAX };
    sni_clock_set_virtual(ns);
    sni_store_rel(&clk.rate, (const struct rate *)&clk.virtual); /* pairs with the acquire in sn_now */
}

void sni_clock_set_virtual(int64_t ns)
{
    sni_store_rlx(&clk.virtual.ns, ns); /* of the one thread that matters */
}

void sni_clock_end_virtual(void)
{
    sni_store_rel(&clk.rate, clk.real); /* as above */
    sni_store_rel(&clk.busy, 0u);       /* pairs with the exchange in measure */
}

void sni_clock_forked(void)
{
    if (clk.rate == &clk.virtual)
        sni_store_rel(&clk.rate, clk.real); /* as above */
    sni_store_rel(&clk.busy, 0u); /* pairs with the exchange in measure */
}

int64_t sn_now(void)
{
    const struct rate *r = sni_load_acq(&clk.rate); /* pairs with the release in measure; the others below too */

    if (sni_unlikely(!r)) {
        int64_t ns = sni_os_clock();
        measure(ns);
        if (!(r = sni_load_acq(&clk.rate))) /* one that has been published since may be ahead of `ns` */
            return ns;
    }
    for (;;) {
        uint64_t ticks = sni_os_ticks();
        if (sni_unlikely(ticks >= r->next_ticks))
            measure(sni_os_clock());
        const struct rate *still = sni_load_acq(&clk.rate);
        if (sni_likely(still == r))
            return sni_unlikely(ticks < r->ticks) ? sni_load_rlx(&r->ns) : at(r, ticks);
        r = still;
    }
}

uint64_t sn_random(void)
{
    struct sni_worker *w = sni_self();

    return w ? sni_rng_next(&w->own.rng) : sni_os_entropy();
}

uint32_t sni_choose(uint32_t n)
{
    struct sni_worker *w = sni_self();

    if (!w)
        return (uint32_t)(sni_os_entropy() % n);
    return sni_unlikely(w->own.rt->sim != NULL) ? sni_sim_choose(w->own.rt->sim, n) : sni_rng_below(&w->own.rng, n);
}
