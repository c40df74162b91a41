/* Time and chance: sn_now, sn_random and fair choices.
 *
 * sn_now reads the processor's counter where the kernel trusts it. Its rate is found by comparing with the system clock
 * over growing spans: 2 ms, 50 ms, 1 s, then never again. Each finding is an immutable record, published by a pointer;
 * a new one starts a little after where the old one stands, so that time never goes back.
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
};

enum {
    SPANS = 3,
    LATE_NS = 100000, /* a finding that is older than this is not published: it may be behind what others have read since */
    SLACK_NS = 64,    /* how far it may be behind in that time, if the two rates differ by 640 ppm, which is a lot */
};
static const int64_t spans[SPANS] = { 2000000, 50000000, 1000000000 };

/* Facts about the processor, not state of a runtime: process-wide. */
static struct {
    const struct rate *rate; /* (a) NULL: use the system clock */
    uint32_t stage;          /* (a) 0: not started; 1 .. SPANS: so many measured; odd jobs are done under `busy` */
    uint32_t busy;           /* (a) */
    uint64_t ticks0;
    int64_t ns0;
    struct rate rates[SPANS];
    struct rate virtual;     /* a simulation's: stands still, but for being set */
    const struct rate *real; /* what it stands in for */
} clk;

static int64_t at(const struct rate *r, uint64_t ticks)
{
    return sni_load_rlx(&r->ns) + (int64_t)(((unsigned __int128)(ticks - r->ticks) * r->per_tick) >> 32);
}

/* Reads both clocks at one moment, as nearly as can be had: the counter is read before, so that time computed from the pair
 * is behind the system clock, from which we come, by less than a tick. */
static void read_both(uint64_t *ticks, int64_t *ns)
{
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < 5; i++) { /* an interruption in the middle of one shows as a longer span */
        uint64_t before = sni_os_ticks();
        int64_t now = sni_os_clock();
        uint64_t span = sni_os_ticks() - before;
        if (span < least) {
            least = span;
            *ticks = before;
            *ns = now;
        }
    }
}

static void measure(void)
{
    uint64_t ticks = 0;
    int64_t ns = 0;
    uint32_t stage = sni_load_acq(&clk.stage);

    if (stage > SPANS || sni_xchg_acq(&clk.busy, 1u) != 0)
        return;
    stage = sni_load_rlx(&clk.stage);
    read_both(&ticks, &ns);
    if (stage == 0) {
        clk.ticks0 = ticks;
        clk.ns0 = ns;
        sni_store_rel(&clk.stage, sni_os_ticks_usable() ? 1u : SPANS + 1u);
    } else if (stage <= SPANS && ns - clk.ns0 >= spans[stage - 1]) {
        struct rate *r = &clk.rates[stage - 1];
        const struct rate *old = sni_load_rlx(&clk.rate);
        r->ticks = ticks;
        r->per_tick = (uint64_t)(((unsigned __int128)(ns - clk.ns0) << 32) / (ticks - clk.ticks0));
        r->ns = (old && at(old, ticks) > ns ? at(old, ticks) : ns) + (int64_t)(r->per_tick >> 32) + 1 + SLACK_NS;
        r->next_ticks = stage == SPANS ? UINT64_MAX
                                       : clk.ticks0 + (uint64_t)(((unsigned __int128)spans[stage] << 32) / r->per_tick);
        if (at(r, sni_os_ticks()) - r->ns < LATE_NS) { /* else we were interrupted: the next caller tries again */
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
    const struct rate *r = sni_load_acq(&clk.rate); /* pairs with the release in measure */

    if (sni_unlikely(!r)) {
        if (sni_load_rlx(&clk.stage) <= SPANS)
            measure();
        int64_t ns = sni_os_clock();
        if (!(r = sni_load_acq(&clk.rate))) /* as above; one that has been published since may be behind `ns` by now */
            return ns;
    }
    uint64_t ticks = sni_os_ticks();
    if (sni_unlikely(ticks >= r->next_ticks)) {
        measure();
        r = sni_load_acq(&clk.rate); /* as above */
    }
    if (sni_unlikely(ticks < r->ticks))
        return sni_load_rlx(&r->ns);
    return at(r, ticks);
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
