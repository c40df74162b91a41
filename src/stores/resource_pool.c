/* Resource pool: `max` places, each with a resource in it or not, and a queue of those who wait for one.
 *
 *                   get: open() ok
 *     FREE --> BUSY ---------------> USED --> BUSY --> FREE      dropped, or put when too old: close() between
 *       ^       |                    | ^
 *       +-------+                    v | get: fit
 *     open() failed          put:   IDLE --> BUSY                get; unfit: close(), then open() in the same place
 *
 * BUSY is a place that one call works on without the lock: opening, checking or closing. A place handed over to a waiter
 * is BUSY, and the waiter's.
 *
 * Invariants, whenever the lock is free: (1) If somebody is queued, no place is FREE or IDLE: whatever comes back goes to
 * the first of the queue. So nobody is overtaken, and no wake-up can be lost. (2) A resource is in the registry from when
 * open has returned it until just before close is called. (3) Once closed, nobody is queued, and no place becomes IDLE.
 * (4) Who has given back its place touches the pool no more once it has unlocked: sn_resource_pool_wait may have
 * returned.
 *
 * Known ways to get this wrong, all of them met in other pools: a failed open that wakes nobody (database/sql), a
 * resource lost with the waiter that gives up while it is handed over (bb8), newcomers that take what a waiter was
 * offered (HikariCP), a pool that looks for an idle one and queues in two steps (bb8). */
#include "base/check.h"
#include "base/list.h"
#include "sched/alloc.h"
#include "sennit/cond.h"
#include "sennit/ctx.h"
#include "sennit/error.h"
#include "sennit/lockorder.h"
#include "sennit/resource_pool.h"
#include "sennit/task.h"
#include "sennit/time.h"

enum { MOST = 1000000, DEFAULT_MAX = 10 };

enum state { FREE, IDLE, USED, BUSY, STATES };

struct place {
    struct sni_link link; /* (L) among the free or the idle */
    void *res;            /* (L) in the registry; NULL: none */
    struct place *next;   /* (L) in its bucket of the registry */
    int64_t since;        /* (L) idle since */
    int64_t dies;         /* (L) too old from then on */
    enum state state;     /* (L) */
};

/* A call of get that waits, on its stack. */
struct waiter {
    struct sni_link link; /* (L) */
    sn_cond cond;
    struct place *given; /* (L) what it was handed, or */
    int error;           /* (L) SN_ECLOSED */
};

struct sn_resource_pool {
    sn_resource_pool_opts opts; /* (c) with the defaults filled in */
    sn_mutex lock;
    struct sni_link free;       /* (L) */
    struct sni_link idle;       /* (L) the last was used last */
    struct sni_link queue;      /* (L) the first has waited longest */
    int places[STATES];         /* (L) how many are in each state */
    int inside;                 /* (L) calls that wait, or have waited and have not left yet */
    bool closed;                /* (L) */
    sn_cond over;               /* closed, all places are free and nobody is inside */
    sn_resource_pool_stats stats; /* (L) but for what can be counted */
    size_t size;                /* (c) of all this in bytes */
    uint64_t mask;              /* (c) of the registry: buckets - 1 */
    struct place **buckets;     /* (L) the registry, by address */
    struct place place[];
};

static struct place **bucket_of(const sn_resource_pool *p, const void *res)
{
    return &p->buckets[((uintptr_t)res * 0x9e3779b97f4a7c15u >> 32) & p->mask]; /* Fibonacci hashing: Knuth, TAOCP 3, 6.4 */
}

static struct place *find(const sn_resource_pool *p, const void *res)
{
    struct place *place = *bucket_of(p, res);

    while (place && place->res != res)
        place = place->next;
    return place;
}

static int64_t or_default(int64_t value, int64_t if_zero, int64_t if_negative)
{
    return value == 0 ? if_zero : value < 0 ? if_negative : value;
}

static bool fill_in(sn_resource_pool_opts *o)
{
    if (!o->open || !o->close || o->max < 0 || o->max > MOST)
        return false;
    o->max = o->max ? o->max : DEFAULT_MAX;
    o->idle_max = (int)or_default(o->idle_max, o->max, 0);
    o->idle_ns = or_default(o->idle_ns, SN_SEC(600), SN_FOREVER);
    o->lifetime_ns = or_default(o->lifetime_ns, SN_SEC(1800), SN_FOREVER);
    o->jitter_ns = or_default(o->jitter_ns, o->lifetime_ns == SN_FOREVER ? 0 : o->lifetime_ns / 10, 0);
    o->check_after_ns = or_default(o->check_after_ns, SN_MS(500), 0);
    return true;
}

int sn_resource_pool_new(sn_resource_pool **out, const sn_resource_pool_opts *opts)
{
    sn_resource_pool_opts o;
    uint64_t buckets = 1;

    if (!opts)
        return SN_EINVAL;
    o = *opts;
    if (!fill_in(&o))
        return SN_EINVAL;
    while (buckets < (uint64_t)o.max)
        buckets *= 2;
    size_t table = sizeof(sn_resource_pool) + (size_t)o.max * sizeof(struct place);
    size_t size = table + buckets * sizeof(struct place *);
    sn_resource_pool *p = sni_alloc(size);
    if (!p)
        return SN_ENOMEM;
    p->opts = o;
    p->size = size;
    p->mask = buckets - 1;
    p->buckets = (struct place **)(void *)((char *)p + table);
    sni_list_init(&p->free);
    sni_list_init(&p->idle);
    sni_list_init(&p->queue);
    for (int i = 0; i < o.max; i++)
        sni_list_append(&p->free, &p->place[i].link);
    p->places[FREE] = o.max;
    *out = p;
    return 0;
}

/* --- with the lock held --- */

static void set_state(sn_resource_pool *p, struct place *place, enum state state)
{
    if (place->state == FREE || place->state == IDLE)
        sni_list_remove(&place->link);
    p->places[place->state]--;
    place->state = state;
    p->places[state]++;
    if (state == FREE || state == IDLE)
        sni_list_append(state == FREE ? &p->free : &p->idle, &place->link);
}

static bool is_over(const sn_resource_pool *p)
{
    return p->closed && p->places[FREE] == p->opts.max && p->inside == 0;
}

static void tell_if_over(sn_resource_pool *p)
{
    if (is_over(p))
        sn_cond_broadcast(&p->over);
}

/* A BUSY place, with a resource or without, goes to who has waited longest; or back. */
static void give(sn_resource_pool *p, struct place *place)
{
    if (!sni_list_empty(&p->queue)) {
        struct waiter *first = sni_container(p->queue.next, struct waiter, link);
        sni_list_remove(&first->link);
        first->given = place;
        sn_cond_signal(&first->cond); /* under the lock, without which it cannot leave its frame */
        return;
    }
    set_state(p, place, place->res ? IDLE : FREE);
    tell_if_over(p);
}

static void enter_in_registry(sn_resource_pool *p, struct place *place, void *res)
{
    struct place **bucket = bucket_of(p, res);

    place->res = res;
    place->next = *bucket;
    *bucket = place;
    p->stats.opened++;
}

/* Makes a place with a resource BUSY and takes the resource, which the caller must close, out of it. */
static void *take_out(sn_resource_pool *p, struct place *place)
{
    struct place **at = bucket_of(p, place->res);
    void *res = place->res;

    while (*at != place)
        at = &(*at)->next;
    *at = place->next;
    place->res = NULL;
    if (place->state != BUSY)
        set_state(p, place, BUSY);
    p->stats.closed++;
    return res;
}

static bool is_too_old(const sn_resource_pool *p, const struct place *place, int64_t now)
{
    return now >= place->dies || now - place->since >= p->opts.idle_ns;
}

/* --- without the lock --- */

struct holding {
    sn_resource_pool *pool;
    struct place *place; /* BUSY, and ours */
};

static void give_back(sn_resource_pool *p, struct place *place)
{
    sn_mutex_lock(&p->lock);
    give(p, place);
    sn_mutex_unlock(&p->lock);
}

static void on_fail_in_close(void *arg)
{
    struct holding *h = arg;

    give_back(h->pool, h->place);
}

/* What was taken out of the place is closed; then the place is given on, to be opened in anew. */
static void close_and_give(sn_resource_pool *p, struct place *place, void *res)
{
    struct holding h = { p, place };
    sn_cleanup cleanup;

    sn_cleanup_push(&cleanup, on_fail_in_close, &h);
    p->opts.close(p->opts.arg, res);
    sn_cleanup_pop(&cleanup);
    give_back(p, place);
}

/* Enters with the lock, and leaves without. A BUSY place is given on with its resource, if that is still wanted. */
static void give_and_unlock(sn_resource_pool *p, struct place *place, int64_t now)
{
    bool enough = sni_list_empty(&p->queue) && p->places[IDLE] >= p->opts.idle_max;
    void *res = NULL;

    if (place->res && (p->closed || enough || now >= place->dies))
        res = take_out(p, place);
    else
        give(p, place);
    sn_mutex_unlock(&p->lock);
    if (res)
        close_and_give(p, place, res);
}

/* Waits in the queue. Enters with the lock, and leaves without. */
static int wait_in_queue(sn_ctx *ctx, sn_resource_pool *p, struct place **out)
{
    struct waiter me = { .given = NULL };
    int64_t begin = sn_now();
    int r = 0;

    sni_list_append(&p->queue, &me.link);
    p->inside++;
    p->stats.waits++;
    while (r == 0 && !me.given && me.error == 0)
        r = sn_cond_wait_ctx(ctx, &me.cond, &p->lock);
    int64_t now = sn_now();
    p->stats.wait_ns += now - begin;
    p->inside--;
    if (me.link.next)
        sni_list_remove(&me.link);
    if (r == 0 && me.given) {
        *out = me.given;
        sn_mutex_unlock(&p->lock);
        return 0;
    }
    if (me.given) {
        give_and_unlock(p, me.given, now); /* handed over as we gave up */
        return r;
    }
    tell_if_over(p);
    sn_mutex_unlock(&p->lock);
    return r < 0 ? r : me.error;
}

/* Finds a place for the caller: the one used last, else a free one, else waits. */
static int take(sn_ctx *ctx, sn_resource_pool *p, struct place **out)
{
    struct sni_link *link = NULL;
    int r;

    if ((r = sn_mutex_lock_ctx(ctx, &p->lock)) != 0)
        return r;
    if (p->closed) {
        sn_mutex_unlock(&p->lock);
        return SN_ECLOSED;
    }
    if (!sni_list_empty(&p->idle))
        link = p->idle.prev;
    else if (!sni_list_empty(&p->free))
        link = p->free.next;
    if (!link)
        return wait_in_queue(ctx, p, out);
    *out = sni_container(link, struct place, link);
    set_state(p, *out, BUSY);
    sn_mutex_unlock(&p->lock);
    return 0;
}

/* sn_fail in open, check or close: whose check did not come to an end is closed. */
static void on_fail(void *arg)
{
    struct holding *h = arg;
    void *res = NULL;

    sn_mutex_lock(&h->pool->lock);
    h->pool->stats.failures++;
    if (h->place->res)
        res = take_out(h->pool, h->place);
    sn_mutex_unlock(&h->pool->lock);
    if (res)
        h->pool->opts.close(h->pool->opts.arg, res);
    give_back(h->pool, h->place);
}

/* Closes the resource in a BUSY place if it is not to be given out. */
static void close_if_unfit(sn_ctx *ctx, sn_resource_pool *p, struct place *place)
{
    int64_t now = sn_now();
    bool old = is_too_old(p, place, now), failed = false;

    if (!old && p->opts.check && now - place->since >= p->opts.check_after_ns)
        failed = p->opts.check(ctx, p->opts.arg, place->res) < 0;
    if (!old && !failed)
        return;
    sn_mutex_lock(&p->lock);
    void *res = take_out(p, place);
    p->stats.failed_checks += failed;
    sn_mutex_unlock(&p->lock);
    p->opts.close(p->opts.arg, res);
}

/* Sees to it that there is a fit resource in a BUSY place; *opened: it is a new one, and not in the registry yet. */
static int make_fit(sn_ctx *ctx, sn_resource_pool *p, struct place *place, void **opened)
{
    struct holding h = { p, place };
    sn_cleanup cleanup;
    int r = 0;

    sn_cleanup_push(&cleanup, on_fail, &h);
    if (place->res) {
        close_if_unfit(ctx, p, place);
        if (!place->res)
            r = sn_ctx_err(ctx); /* it may be why the check has failed */
    }
    if (r == 0 && !place->res)
        r = p->opts.open(ctx, p->opts.arg, opened);
    sn_cleanup_pop(&cleanup);
    return r < 0 ? r : 0;
}

static int64_t death_of(const sn_resource_pool *p, int64_t now)
{
    int64_t life = p->opts.lifetime_ns, jitter = p->opts.jitter_ns < life ? p->opts.jitter_ns : life;

    if (jitter > 0)
        life -= (int64_t)(sn_random() % ((uint64_t)jitter + 1));
    return life > SN_FOREVER - now ? SN_FOREVER : now + life;
}

int sn_resource_pool_get(sn_ctx *ctx, sn_resource_pool *p, void **out)
{
    struct place *place = NULL;
    void *opened = NULL;
    int r;

    if ((r = take(ctx, p, &place)) != 0)
        return r;
    r = make_fit(ctx, p, place, &opened);
    sn_mutex_lock(&p->lock);
    if (r < 0) {
        p->stats.failures++;
        give(p, place);
        sn_mutex_unlock(&p->lock);
        return r;
    }
    if (!place->res) {
        bool known = !opened || find(p, opened);
        if (known)
            sn_mutex_unlock(&p->lock);
        sni_check(!known, "sn_resource_pool_get: open gave %p, which is %s", opened,
                  opened ? "in the pool already" : "no resource");
        enter_in_registry(p, place, opened);
        place->dies = death_of(p, sn_now());
    }
    if (p->closed) {
        give_and_unlock(p, place, sn_now());
        return SN_ECLOSED;
    }
    set_state(p, place, USED);
    *out = place->res;
    sn_mutex_unlock(&p->lock);
    return 0;
}

/* The place of a resource that is in use, with the lock held; panics if it is not. */
static struct place *lock_and_find(sn_resource_pool *p, void *res, const char *what)
{
    sn_mutex_lock(&p->lock);
    struct place *place = res ? find(p, res) : NULL;
    bool used = place && place->state == USED;
    if (!used)
        sn_mutex_unlock(&p->lock);
    sni_check(place, "%s: %p is none of the pool's resources", what, res);
    sni_check(used, "%s: %p is not in use; was it given back already?", what, res);
    return place;
}

void sn_resource_pool_put(sn_resource_pool *p, void *res)
{
    struct place *place = lock_and_find(p, res, "sn_resource_pool_put"), *oldest = NULL;
    int64_t now = sn_now();
    void *old = NULL;

    set_state(p, place, BUSY);
    place->since = now;
    if (!sni_list_empty(&p->idle)) {
        oldest = sni_container(p->idle.next, struct place, link);
        if (is_too_old(p, oldest, now))
            old = take_out(p, oldest);
    }
    give_and_unlock(p, place, now);
    if (old)
        close_and_give(p, oldest, old); /* the pool cannot be over: this place is not free */
}

void sn_resource_pool_drop(sn_resource_pool *p, void *res)
{
    struct place *place = lock_and_find(p, res, "sn_resource_pool_drop");

    (void)take_out(p, place);
    sn_mutex_unlock(&p->lock);
    close_and_give(p, place, res);
}

/* One idle resource that has been there for too long, or, of a closed pool, any; else NULL. */
static struct place *find_old(const sn_resource_pool *p, int64_t now)
{
    for (struct sni_link *link = p->idle.next; link != &p->idle; link = link->next) {
        struct place *place = sni_container(link, struct place, link);
        if (p->closed || is_too_old(p, place, now))
            return place;
    }
    return NULL;
}

int sn_resource_pool_reap(sn_resource_pool *p)
{
    int64_t now = sn_now();
    struct place *place;

    for (int n = 0;; n++) {
        sn_mutex_lock(&p->lock);
        void *res = (place = find_old(p, now)) != NULL ? take_out(p, place) : NULL;
        sn_mutex_unlock(&p->lock);
        if (!res)
            return n;
        close_and_give(p, place, res);
    }
}

void sn_resource_pool_close(sn_resource_pool *p)
{
    sn_mutex_lock(&p->lock);
    p->closed = true;
    while (!sni_list_empty(&p->queue)) {
        struct waiter *first = sni_container(p->queue.next, struct waiter, link);
        sni_list_remove(&first->link);
        first->error = SN_ECLOSED;
        sn_cond_signal(&first->cond);
    }
    tell_if_over(p);
    sn_mutex_unlock(&p->lock);
    (void)sn_resource_pool_reap(p);
}

int sn_resource_pool_wait(sn_ctx *ctx, sn_resource_pool *p)
{
    int r = sn_mutex_lock_ctx(ctx, &p->lock);

    if (r < 0)
        return r;
    while (r == 0 && !is_over(p))
        r = sn_cond_wait_ctx(ctx, &p->over, &p->lock);
    sn_mutex_unlock(&p->lock);
    return r;
}

void sn_resource_pool_free(sn_resource_pool *p)
{
    if (!p)
        return;
    sn_resource_pool_close(p);
    sn_mutex_lock(&p->lock);
    int used = p->places[USED], busy = p->places[BUSY], inside = p->inside;
    sn_mutex_unlock(&p->lock);
    sni_check(used + busy + inside == 0,
              "sn_resource_pool_free: %d resources in use, %d being opened or closed, %d calls waiting", used, busy, inside);
    sn_lockorder_forget(p, p->size);
    sni_free(p, p->size);
}

void sn_resource_pool_get_stats(sn_resource_pool *p, sn_resource_pool_stats *stats)
{
    sn_mutex_lock(&p->lock);
    *stats = p->stats;
    stats->open = (int)(p->stats.opened - p->stats.closed);
    stats->idle = p->places[IDLE];
    stats->in_use = p->places[USED];
    stats->waiting = p->inside;
    sn_mutex_unlock(&p->lock);
}
