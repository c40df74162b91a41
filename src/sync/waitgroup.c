/* Wait group: a counter, a queue of waiters, and a list of the tasks that it has started; a waitable.
 *
 *     word = counter << 2 | WAITERS | BUSY
 *
 * Invariants: those of waitable.h, but that the counter is changed under BUSY too; and (3) the counter becomes zero with WAITERS
 * only together with BUSY: so all who wait then belong to the round that ends, and none of the next is among them. (4) Who
 * reads zero returns at once only if BUSY is not set: the one who ended the round may still be at work on the queue. (5) The
 * list changes under BUSY, and who is in it is counted. */
#include "sennit/waitgroup.h"

#include "sched/alloc.h"
#include "sennit/error.h"
#include "sync/waitable.h"

#include <stdio.h>

enum { ONE = 4 };

/* A task that is counted from its start to its end. */
struct counted {
    struct counted *next, *prev; /* (BUSY) */
    struct waitgroup *wg;        /* (c) */
    sn_fn *fn;                   /* (c) */
    void *arg;                   /* (c) */
    const char *site, *name;     /* (c) */
    sn_task task;                /* (BUSY) zero until it runs */
};

struct waitgroup {
    uint64_t word;
    struct sni_queue queue;
    struct counted *first, *last; /* (BUSY) in the order of their starts */
    const void *ended;            /* (a) the place of the last `done` that may have brought the counter to zero */
} __attribute__((may_alias));

_Static_assert(sizeof(struct waitgroup) == sizeof(sn_waitgroup), "sn_waitgroup has the wrong size");
_Static_assert(offsetof(struct waitgroup, queue) == offsetof(struct sni_waitable, queue), "a wait group is a waitable");

static struct waitgroup *inside(const sn_waitgroup *wg)
{
    return (struct waitgroup *)(uintptr_t)wg->sni_;
}

static void describe(const void *object, char *buf, size_t size)
{
    struct waitgroup wg;
    struct counted c;
    char site[80] = "";

    if (!sni_peek(&wg, object, sizeof wg))
        return;
    if (sni_peek(&c, wg.first, sizeof c))
        sni_peek_text(site, sizeof site, c.site);
    (void)snprintf(buf, size, "(%llu not done%s%s)", (unsigned long long)(wg.word / ONE), site[0] ? ", the first: " : "", site);
}

static const struct sni_reason waiting = { "waiting for a wait group", describe, NULL, NULL };

/* (BUSY) The round is over. */
static void release_all(struct waitgroup *wg)
{
    struct sni_wakes wakes;

    sni_wakes_init(&wakes);
    (void)sni_queue_claim_all(&wg->queue, &wakes); /* without asking them: the next round may have begun, for adds do not
                                                    * wait for BUSY */
    sni_waitable_give(wg); /* the last touch */
    sni_wakes_ready(&wakes);
}

static _Noreturn void too_many(struct waitgroup *wg, uint64_t n, uint64_t left)
{
    const void *ended = sni_load_rlx(&wg->ended);
    char place[120];

    sni_symbol(ended, place, sizeof place);
    sni_panic("sn_waitgroup_done: %llu done, but only %llu are left; it was last brought to zero by %s", (unsigned long long)n,
              (unsigned long long)left, ended ? place : "nobody");
}

static __attribute__((noinline)) void count_down(struct waitgroup *wg, uint64_t n, const void *site)
{
    uint64_t w = sni_load_rlx(&wg->word);

    for (uint32_t tries = 0;;) {
        uint64_t left = w / ONE;
        if (sni_unlikely(left < n))
            too_many(wg, n, left);
        bool last = left == n, wakes = last && (w & SNI_WAITERS);
        if (last)
            sni_store_rlx(&wg->ended, site); /* only for reports; later it may be gone */
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
        count_down(wg, (uint64_t)-(int64_t)n, __builtin_return_address(0));
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
    if (w == ONE)
        sni_store_rlx(&wg->ended, (const void *)__builtin_return_address(0)); /* as in count_down */
    /* Not the last, or the last with nobody waiting: release and acquire as in count_down. */
    if (sni_unlikely(!(w >= 2 * ONE || w == ONE) || !sni_cas_acqrel(&wg->word, &w, w - ONE)))
        count_down(wg, 1, __builtin_return_address(0));
    sni_point(NULL, NULL);
}

/* --- tasks that are counted --- */

static void enlist(struct waitgroup *wg, struct counted *c)
{
    (void)sni_waitable_lock(wg);
    c->prev = wg->last;
    *(wg->last ? &wg->last->next : &wg->first) = c;
    wg->last = c;
    sni_waitable_give(wg);
}

/* Out of the list and out of the count in one step: when that is zero the wait group may be gone. */
static void finish(void *arg)
{
    struct counted *c = arg;
    struct waitgroup *wg = c->wg;

    (void)sni_waitable_lock(wg);
    *(c->prev ? &c->prev->next : &wg->first) = c->next;
    *(c->next ? &c->next->prev : &wg->last) = c->prev;
    uint64_t left = sni_sub_acqrel(&wg->word, (uint64_t)ONE) / ONE; /* as in count_down */
    if (sni_unlikely(left == 0))
        too_many(wg, 1, 0); /* the task, or another, has called sn_waitgroup_done for it */
    sni_store_rlx(&wg->ended, (const void *)(uintptr_t)c->fn); /* BUSY is ours */
    if (left == 1)
        release_all(wg);
    else
        sni_waitable_give(wg);
    sni_free(c, sizeof *c);
}

static int run(sn_ctx *ctx, void *arg)
{
    struct counted *c = arg;
    sn_cleanup cleanup;

    (void)sni_waitable_lock(c->wg);
    c->task = sn_task_self();
    sni_waitable_give(c->wg);
    sn_cleanup_push(&cleanup, finish, c);
    (void)c->fn(ctx, c->arg);
    sn_cleanup_pop(&cleanup);
    finish(c);
    return 0;
}

int sn_waitgroup_go_at(sn_waitgroup *group, sn_fn *fn, void *arg, const char *site, const sn_task_opts *opts)
{
    struct waitgroup *wg = inside(group);
    struct counted *c = sni_alloc(sizeof *c);
    sn_task_opts with = opts ? *opts : (sn_task_opts){ 0 };
    int r;

    if (!c)
        return SN_ENOMEM;
    *c = (struct counted){ .wg = wg, .fn = fn, .arg = arg, .site = site, .name = with.name };
    with.sni_unrun = finish;
    sn_waitgroup_add(group, 1);
    enlist(wg, c);
    if ((r = sn_task_go_at(run, c, 0, site, &with)) < 0)
        finish(c);
    return r;
}

int sn_waitgroup_who(sn_waitgroup *group, sn_waitgroup_entry *out, int n)
{
    struct waitgroup *wg = inside(group);
    int i = 0;

    sni_point("asks %waitgroup", group);
    (void)sni_waitable_lock(wg);
    for (const struct counted *c = wg->first; c; c = c->next, i++)
        if (i < n)
            out[i] = (sn_waitgroup_entry){ c->task, c->site, c->name };
    sni_waitable_give(wg);
    return i;
}

/* --- waiting --- */

static bool is_zero(const sn_waitable *w, void *arg)
{
    (void)arg;
    return sni_load_rlx(&((const struct waitgroup *)(const void *)w)->word) < ONE;
}

static const sn_waitable_ops becoming_zero = { .name = "a wait group", .ready = is_zero };

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
        (void)sni_waitable_park(wg, &becoming_zero, NULL, sn_background(), sni_wait_or_panic("sn_waitgroup_wait"),
                                &waiting);
}

int sn_waitgroup_wait_ctx(sn_ctx *ctx, sn_waitgroup *group)
{
    struct waitgroup *wg = inside(group);
    struct sni_wait *self;
    int r;

    if ((r = sni_begin(&ctx, &self, "waits for %waitgroup", group)) != 0 || is_done(wg))
        return r;
    return sni_waitable_park(wg, &becoming_zero, NULL, ctx, self, &waiting);
}

sn_case sn_on_waitgroup(sn_waitgroup *wg)
{
    return sni_case_waitable((struct sn_waitable *)wg, &becoming_zero, NULL);
}

int sn_waitgroup_count(const sn_waitgroup *wg)
{
    return (int)(sni_load_rlx(&inside(wg)->word) / ONE);
}
