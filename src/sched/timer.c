#include "sched/timer.h"

#include "sched/alloc.h"
#include "sched/fork.h"
#include "sched/park.h"
#include "sennit/error.h"
#include "sennit/time.h"

#include <string.h>

static void place(struct sni_timers *h, uint32_t i, struct sni_timer_slot slot)
{
    h->slots[i] = slot;
    slot.timer->index = i;
}

static void sift_up(struct sni_timers *h, uint32_t i, struct sni_timer_slot slot)
{
    while (i > 0 && h->slots[(i - 1) / 4].deadline > slot.deadline) {
        place(h, i, h->slots[(i - 1) / 4]);
        i = (i - 1) / 4;
    }
    place(h, i, slot);
}

static void sift_down(struct sni_timers *h, uint32_t i, struct sni_timer_slot slot)
{
    for (;;) {
        uint32_t least = i * 4 + 1;
        uint32_t end = least + 4 < h->n ? least + 4 : h->n;
        if (least >= h->n)
            break;
        for (uint32_t k = least + 1; k < end; k++)
            if (h->slots[k].deadline < h->slots[least].deadline)
                least = k;
        if (h->slots[least].deadline >= slot.deadline)
            break;
        place(h, i, h->slots[least]);
        i = least;
    }
    place(h, i, slot);
}

static void publish_first(struct sni_timers *h)
{
    sni_store_rlx(&h->first, h->n ? h->slots[0].deadline : INT64_MAX); /* a hint; the heap is read under the lock */
}

/* (lock) The caller has read what it needs: from here on the timer's memory is its owner's again. */
static void take_out(struct sni_timers *h, struct sni_timer *t)
{
    struct sni_timer_slot last = h->slots[--h->n];
    uint32_t i = t->index;

    sni_store_rel(&t->heap, (struct sni_timers *)NULL); /* our last touch: pairs with the acquire in sni_timer_del */
    if (last.timer != t) {
        if (i > 0 && h->slots[(i - 1) / 4].deadline > last.deadline)
            sift_up(h, i, last);
        else
            sift_down(h, i, last);
    }
    publish_first(h);
}

int sni_timer_reserve(struct sni_rt *rt, struct sni_timers **out)
{
    struct sni_worker *w = sni_self();
    uint32_t of = w && w->own.rt == rt ? w->own.id : 0;
    struct sni_timers *h = &rt->workers[of % (uint32_t)rt->nworkers].timers;
    int r = 0;

    sni_spin_lock(&h->lock);
    if (h->n + h->reserved == h->room) {
        uint32_t room = h->room ? h->room * 2 : 128;
        struct sni_timer_slot *slots = sni_alloc(room * sizeof *slots);
        if (!slots) {
            r = SN_ENOMEM;
        } else {
            if (h->n)
                memcpy(slots, h->slots, h->n * sizeof *slots);
            sni_free(h->slots, h->room * sizeof *slots);
            h->slots = slots;
            h->room = room;
        }
    }
    h->reserved += r == 0;
    sni_spin_unlock(&h->lock);
    *out = h;
    return r;
}

void sni_timer_unreserve(struct sni_timers *h)
{
    sni_spin_lock(&h->lock);
    h->reserved--;
    sni_spin_unlock(&h->lock);
}

void sni_timer_add(struct sni_timers *h, struct sni_timer *t)
{
    struct sni_worker *owner = sni_container(h, struct sni_worker, timers);
    struct sni_worker *self = sni_self();

    sni_spin_lock(&h->lock);
    sni_assert(h->reserved > 0);
    h->reserved--;
    sni_store_rel(&t->heap, h); /* pairs with the acquire in sni_timer_del */
    sift_up(h, h->n++, (struct sni_timer_slot){ t->deadline, t });
    bool first = h->slots[0].timer == t;
    publish_first(h);
    sni_spin_unlock(&h->lock);
    /* The owner looks at it at its next tick; but not if it is stuck, and another may be long in coming. */
    if (first && (owner != self || (sni_load_rlx(&self->own.flags) & SNI_STUCK)))
        sni_wake_keeper(owner->own.rt);
}

/* Between contexts' timers that outlive their runtime and the heaps that do not: held while such a heap goes, and by
 * threads that are not of the heap's runtime while they look into it. Process-wide, since it is about no runtime. */
static struct sni_spin strangers;

void sni_timers_forked(void)
{
    sni_spin_unlock(&strangers);
}

static bool is_ours(const struct sni_timers *h)
{
    struct sni_worker *w = sni_self();

    return w && (uintptr_t)h - (uintptr_t)w->own.rt->workers < (size_t)w->own.rt->capacity * sizeof *w;
}

static bool del(struct sni_timer *t, struct sni_timers *h)
{
    bool mine;

    sni_spin_lock(&h->lock);
    if ((mine = sni_load_rlx(&t->heap) != NULL))
        take_out(h, t);
    sni_spin_unlock(&h->lock);
    return mine;
}

bool sni_timer_del(struct sni_timer *t)
{
    struct sni_timers *h = sni_load_acq(&t->heap); /* pairs with the releases in sni_timer_add and take_out */
    bool mine;

    if (!h)
        return false;
    if (sni_likely(is_ours(h)))
        return del(t, h);
    sni_spin_lock(&strangers);
    h = sni_load_acq(&t->heap); /* as above */
    mine = h && del(t, h);
    sni_spin_unlock(&strangers);
    return mine;
}

void sni_timers_fire(struct sni_timers *h, int64_t now)
{
    struct sni_wakes wakes;

    sni_wakes_init(&wakes);
    while (sni_load_rlx(&h->first) <= now) {
        struct sni_timer due = { .fn = NULL };
        sni_spin_lock(&h->lock);
        /* In batches, so that the lock is not held over a million wakes. */
        for (int i = 0; i < 64 && h->n > 0 && h->slots[0].deadline <= now && !due.fn; i++) {
            due = *h->slots[0].timer;
            take_out(h, h->slots[0].timer);
            h->reserved += due.again;
            if (due.wait && sni_claim(due.wait, due.seq, due.result))
                sni_wakes_add(&wakes, due.wait);
        }
        sni_spin_unlock(&h->lock);
        sni_wakes_ready(&wakes);
        sni_wakes_init(&wakes);
        if (due.fn)
            due.fn(due.arg);
    }
}

void sni_timers_end(struct sni_timers *h)
{
    for (uint32_t i = 0;;) {
        struct sni_timer due = { .fn = NULL };
        sni_spin_lock(&strangers);
        sni_spin_lock(&h->lock);
        h->over = true;
        for (; i < h->n && !due.fn; i++)
            if (!h->slots[i].timer->wait) {
                due = *h->slots[i].timer;
                take_out(h, h->slots[i].timer);
                h->reserved += due.again;
            }
        sni_spin_unlock(&h->lock);
        sni_spin_unlock(&strangers);
        if (!due.fn)
            return;
        due.fn(due.arg);
        i = 0; /* others have moved to where we were */
    }
}

bool sni_timers_are_over(struct sni_timers *h)
{
    sni_spin_lock(&h->lock);
    bool over = h->over;
    sni_spin_unlock(&h->lock);
    return over;
}

void sni_timers_destroy(struct sni_timers *h)
{
    sni_timers_end(h);
    sni_free(h->slots, h->room * sizeof *h->slots);
}

/* --- sleep --- */

static const struct sni_reason sleeping = { "sleeping", NULL, NULL, NULL };

struct sleep {
    struct sni_timers *heap;
    struct sni_timer timer;
};

static void commit_sleep(void *p)
{
    struct sleep *s = p;

    sni_timer_add(s->heap, &s->timer); /* from here on the sleeper may run again, and *s be gone */
}

static int sleep_thread(struct sni_wait *wait, sn_ctx *ctx, int64_t deadline)
{
    /* A plain thread needs no runtime to sleep: it looks at its context every few milliseconds. */
    (void)wait;
    for (int64_t now; (now = sn_now()) < deadline;) {
        uint32_t never = 0;
        int64_t slice = sni_ctx_endless(ctx) ? deadline - now : SN_MS(5);
        int r = sni_ctx_check(ctx);
        if (r < 0)
            return r;
        if (slice > deadline - now)
            slice = deadline - now;
        (void)sni_os_futex_wait(&never, 0, slice > SN_SEC(3600) ? SN_FOREVER : sni_os_clock() + slice);
    }
    return sni_ctx_check(ctx);
}

/* The context has been looked at. */
static int sleep_until(struct sni_wait *wait, sn_ctx *ctx, int64_t deadline)
{
    struct sleep s;
    int r;

    if (wait->kind == SNI_WAIT_THREAD)
        return sleep_thread(wait, ctx, deadline);
    if ((r = sni_timer_reserve(sni_task_of(wait)->rt, &s.heap)) < 0)
        return r;
    s.timer = (struct sni_timer){ .deadline = deadline, .wait = wait, .seq = sni_wait_seq(wait) };
    r = sni_park(wait, ctx, &sleeping, NULL, commit_sleep, &s);
    if (r < 0)
        (void)sni_timer_del(&s.timer);
    return r;
}

int sn_sleep(sn_ctx *ctx, int64_t ns)
{
    struct sni_wait *wait = sni_enter("sleeps", NULL);
    int r;

    if (!wait)
        return SN_ENOMEM;
    ctx = sni_ctx_resolve(ctx, wait);
    if ((r = sni_ctx_check(ctx)) != 0 || ns <= 0)
        return r;
    int64_t now = sn_now();
    return sleep_until(wait, ctx, ns > SN_FOREVER - now ? SN_FOREVER : now + ns);
}

int sn_sleep_until(sn_ctx *ctx, int64_t deadline)
{
    struct sni_wait *wait = sni_enter("sleeps", NULL);
    int r;

    if (!wait)
        return SN_ENOMEM;
    ctx = sni_ctx_resolve(ctx, wait);
    if ((r = sni_ctx_check(ctx)) != 0 || deadline <= sn_now())
        return r;
    return sleep_until(wait, ctx, deadline);
}
