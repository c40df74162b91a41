/* Flight: a hash table of jobs by key, each with a latch that its callers wait on; Go's singleflight (x/sync) with results
 * that are kept, refreshed in the background as caches do (Caffeine's refreshAfterWrite), and jobs that end with the last
 * who wants them.
 *
 *     from                        to                          by
 *     new                         under way, in the table     take_off: for a caller
 *     new                         under way, behind a kept    refresh: in the background
 *     under way, in the table     kept, in the table          settle, with a time to live
 *     under way, behind a kept    kept, in the table          settle, in the place of what it was behind
 *     under way, behind a kept    under way, in the table     supersede: what it was behind is too old
 *     any of these                nowhere                     displace: settle without a time to live, or with an error in
 *                                                             the background; supersede; forget; leave, by the last caller
 *
 * A job runs in two tasks. The first belongs to the runtime; it opens a group under the job's context, in which the second
 * calls the user's function: so the job has a context of its own, also as NULL, and the first learns of its sn_fail.
 *
 * Invariants: (1) At most one job per key is in the table, and at most one behind it, behind a kept one only. (2) What is in
 * the table is kept or under way. (3) Who has been doomed has no place, and is never given one: so nobody joins a job that
 * is cancelled. One in the background can also end with its runtime: who would join it looks at its context. (4) References:
 * one of whoever runs it, one of its place, one of each caller; the last drops the value.
 *
 * The mutex is held for the table only: neither a function of the user's nor anything that blocks is called under it. What
 * loses its place is collected in a list, and let go of after unlocking. */
#include "sennit/flight.h"

#include "base/atomic.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/list.h"
#include "sched/alloc.h"
#include "sennit/error.h"
#include "sennit/group.h"
#include "sennit/mutex.h"
#include "sennit/task.h"
#include "sennit/time.h"
#include "sennit/waitgroup.h"

#include <string.h>

enum { ALIGN = 16, FIRST_BUCKETS = 16, MAX_KEPT = 1024 };

enum place { NOWHERE, TABLE, BEHIND };

/* (c) const after init  (L) flight->mutex  (a) atomic */
struct job {
    sn_flight *flight;   /* (c) with a reference */
    struct job *next;    /* (L) in its bucket; without a place: its displacer's, in the list of what is to be let go of */
    struct job *front;   /* (L) BEHIND: what it is to replace */
    struct job *behind;  /* (L) in the background, to replace it */
    struct sni_link kept; /* (L) in flight->kept, by age; next is NULL while it is not kept */
    int64_t expires, refresh_at; /* (L) of a kept one */
    sn_ctx *ctx;         /* (L) NULL once it has ended; in the background, until it runs */
    uint32_t waiters;    /* (L) callers who wait for it */
    enum place at;       /* (L) */
    bool ended;          /* (L) */
    bool doomed;         /* (L) nobody waited any more before it had ended */
    bool orphan;         /* its displacer's: doomed as it lost its place */
    bool background;     /* (c) */
    int result;          /* (L) until `done` */
    const char *why;     /* (L) until `done` */
    sn_waitgroup done;   /* one, until it has ended */
    uint32_t refs;       /* (a) */
    uint64_t task;       /* (a) the id of the task that calls fn; 0 until it does */
    uint64_t id;         /* (c) what was at this address before had another: flights count from random numbers */
    uint64_t hash;       /* (c) */
    const void *key;     /* (c) */
    size_t key_size;     /* (c) */
    sn_flight_fn *fn;    /* (c) */
    void *arg;           /* (c) */
    const char *site;    /* (c) */
    size_t size;         /* (c) of this memory */
    _Alignas(ALIGN) char value[]; /* the job's until `done`, then const; then a copy of *arg, and the key */
};

struct sn_flight {
    sn_flight_opts opts;   /* (c) */
    struct sni_hash_key hash_key; /* (c) */
    sn_mutex mutex;
    uint32_t refs;         /* (a) the owner's, and one of each job */
    uint32_t calls;        /* (a) under way */
    sn_waitgroup running;  /* jobs that run */
    struct job **buckets;  /* (L) */
    size_t nbuckets;       /* (L) a power of two */
    size_t njobs;          /* (L) in the table */
    uint64_t last_id;      /* (a) */
    struct sni_link kept;  /* (L) the oldest first */
    sn_flight_counts counts; /* (L) */
};

/* One call's arguments. */
struct request {
    sn_ctx *ctx;
    sn_flight *flight;
    const void *key;
    size_t key_size;
    uint64_t hash;
    sn_flight_fn *fn;
    const void *arg;
    size_t arg_size;
    const char *site;
    bool refresh; /* (out) what is kept is to be replaced soon, and this call is to see to it */
};

/* --- references --- */

static void release_flight(sn_flight *f)
{
    if (sni_sub_acqrel(&f->refs, 1u) != 1) /* the last sees what the others did */
        return;
    sni_free(f->buckets, f->nbuckets * sizeof *f->buckets);
    sni_free(f, sizeof *f);
}

static void release(struct job *j)
{
    sn_flight *f = j->flight;

    if (sni_sub_acqrel(&j->refs, 1u) != 1) /* as above */
        return;
    if (f->opts.drop && j->ended && j->result >= 0)
        f->opts.drop(j->value);
    sn_ctx_free(j->ctx);
    sni_free(j, j->size);
    release_flight(f);
}

/* It has been doomed. Without a context it has ended; or it is in the background, and sees that when it runs. */
static void cancel(struct job *j, sn_ctx *because)
{
    sn_mutex_lock(&j->flight->mutex);
    sn_ctx *ctx = j->ctx ? sn_ctx_retain(j->ctx) : NULL;
    sn_mutex_unlock(&j->flight->mutex);
    if (ctx)
        sn_ctx_cancel_because(ctx, SN_ECANCELED, "nobody waits for it any more", because);
    sn_ctx_release(ctx);
}

static void let_go(struct job *gone)
{
    struct job *next;

    for (; gone; gone = next) {
        next = gone->next;
        if (gone->orphan)
            cancel(gone, NULL);
        release(gone);
    }
}

/* --- the table: under the mutex --- */

static struct job **bucket(sn_flight *f, uint64_t hash)
{
    return &f->buckets[hash & (f->nbuckets - 1)];
}

static struct job *find(sn_flight *f, const void *key, size_t size, uint64_t hash)
{
    for (struct job *j = *bucket(f, hash); j; j = j->next)
        if (j->hash == hash && j->key_size == size && (size == 0 || memcmp(j->key, key, size) == 0))
            return j;
    return NULL;
}

static void link_in(sn_flight *f, struct job *j)
{
    struct job **b = bucket(f, j->hash);

    j->next = *b;
    *b = j;
}

/* Without memory the chains become longer instead. */
static void grow(sn_flight *f)
{
    struct job **old = f->buckets, **more = sni_alloc(2 * f->nbuckets * sizeof *more), *next;
    size_t n = f->nbuckets;

    if (!more)
        return;
    f->buckets = more;
    f->nbuckets = 2 * n;
    for (size_t i = 0; i < n; i++)
        for (struct job *j = old[i]; j; j = next) {
            next = j->next;
            link_in(f, j);
        }
    sni_free(old, n * sizeof *old);
}

/* Into the table, with the reference of its place. */
static void put(sn_flight *f, struct job *j)
{
    if (f->njobs == f->nbuckets)
        grow(f);
    link_in(f, j);
    f->njobs++;
    j->at = TABLE;
}

static void doom(struct job *j)
{
    if (!j->doomed)
        j->flight->counts.cancelled++;
    j->doomed = true;
}

/* Takes its place from a job, and what is behind it with it. */
static void displace(struct job *j, struct job **gone)
{
    sn_flight *f = j->flight;
    struct job **at;

    if (j->at == NOWHERE)
        return;
    if (j->at == BEHIND) {
        j->front->behind = NULL;
        j->front = NULL;
    } else {
        for (at = bucket(f, j->hash); *at != j; at = &(*at)->next)
            ;
        *at = j->next;
        f->njobs--;
    }
    j->at = NOWHERE;
    if (j->kept.next) {
        sni_list_remove(&j->kept);
        f->counts.kept--;
    }
    if (j->behind)
        displace(j->behind, gone);
    if (!j->ended && j->waiters == 0) {
        doom(j);
        j->orphan = true;
    }
    j->next = *gone;
    *gone = j;
}

/* Displaces a kept one; the job behind it, if there is one, takes its place. */
static void supersede(struct job *front, struct job **gone)
{
    struct job *j = front->behind;

    front->behind = NULL;
    displace(front, gone);
    if (j) {
        j->front = NULL;
        put(j->flight, j);
    }
}

/* What there is for the key: kept and not too old, or under way and not cancelled. */
static struct job *current(const struct request *q, struct job **gone)
{
    struct job *j = find(q->flight, q->key, q->key_size, q->hash), *behind;

    if (j && j->kept.next && j->expires <= sn_now()) {
        behind = j->behind;
        supersede(j, gone);
        j = behind;
    }
    if (j && !j->ended && j->background && j->ctx && sn_ctx_err(j->ctx) != 0) { /* it ends with its runtime */
        displace(j, gone);
        j = NULL;
    }
    return j;
}

static int64_t later(int64_t now, int64_t ns)
{
    return ns > SN_FOREVER - now ? SN_FOREVER : now + ns;
}

static void keep(struct job *j, int64_t now, int64_t ttl, struct job **gone)
{
    sn_flight *f = j->flight;

    j->expires = later(now, ttl);
    j->refresh_at = j->result >= 0 && f->opts.refresh ? j->expires - f->opts.refresh : SN_FOREVER;
    sni_list_append(&f->kept, &j->kept);
    f->counts.kept++;
    for (;;) { /* ends at the latest with j itself */
        struct job *oldest = sni_container(f->kept.next, struct job, kept);
        if (f->counts.kept <= (uint32_t)f->opts.max && oldest->expires > now)
            break;
        supersede(oldest, gone);
    }
}

/* A refresh of this one has failed, or could not be started. */
static void refresh_later(struct job *front, int64_t now)
{
    front->refresh_at = now + (front->expires - now) / 2;
}

/* A job that has a place has ended. */
static void settle(struct job *j, struct job **gone)
{
    const sn_flight_opts *opts = &j->flight->opts;
    int64_t now = sn_now(), ttl = opts->ttl;

    if (j->result < 0) /* none for what has not even begun; relaxed: written by a task that has ended */
        ttl = sni_load_rlx(&j->task) ? opts->error_ttl : 0;
    if (j->front && j->result < 0) {
        refresh_later(j->front, now);
        ttl = 0;
    } else if (j->front) {
        supersede(j->front, gone);
    }
    if (ttl == 0)
        displace(j, gone);
    else
        keep(j, now, ttl, gone);
}

/* --- jobs --- */

/* Runs nowhere yet, without a context; the reference is that of who will run it. */
static int new_job(const struct request *q, struct job **out)
{
    sn_flight *f = q->flight;
    size_t size = sizeof(struct job) + ALIGN, value = f->opts.value_size;
    struct job *j;

    if (__builtin_add_overflow(size, value, &size) || __builtin_add_overflow(size, q->arg_size, &size) ||
        __builtin_add_overflow(size, q->key_size, &size) || !(j = sni_alloc(size)))
        return SN_ENOMEM;
    char *arg = j->value + (value + ALIGN - 1) / ALIGN * ALIGN, *key = arg + q->arg_size;
    if (q->arg_size)
        memcpy(arg, q->arg, q->arg_size);
    if (q->key_size)
        memcpy(key, q->key, q->key_size);
    j->flight = f;
    j->refs = 1;
    sn_waitgroup_add(&j->done, 1);
    j->hash = q->hash;
    j->key = key;
    j->key_size = q->key_size;
    j->fn = q->fn;
    j->arg = q->arg_size ? arg : (void *)(uintptr_t)q->arg;
    j->site = q->site;
    j->id = sni_add_rlx(&f->last_id, (uint64_t)2); /* different is all it must be */
    j->size = size;
    (void)sni_add_rlx(&f->refs, 1u); /* the caller's call keeps it alive */
    *out = j;
    return 0;
}

static const void *mark(const struct job *j)
{
    return (const void *)(uintptr_t)j->id;
}

/* For a job that callers wait for: with the values of the first and without its end; marked, so that the job's own calls
 * are known. */
static int give_context(struct job *j, const struct request *q)
{
    sn_ctx *free_one;
    int r = sn_ctx_without_cancel(&free_one, q->flight->opts.no_values ? sn_background() : q->ctx);

    if (r < 0)
        return r;
    r = sn_ctx_with_value(&j->ctx, free_one, j, mark(j));
    sn_ctx_release(free_one);
    return r;
}

/* (L) It gets a place and is about to be started. */
static void count_in(sn_flight *f)
{
    f->counts.jobs++;
    f->counts.running++;
    sn_waitgroup_add(&f->running, 1);
}

/* Ends the reference of who runs it. */
static void finish(struct job *j, int result, const char *why)
{
    sn_flight *f = j->flight;
    struct job *gone = NULL;

    (void)sni_add_rlx(&f->refs, 1u); /* j has one */
    sn_mutex_lock(&f->mutex);
    sn_ctx *ctx = j->ctx;
    j->ctx = NULL;
    j->ended = true;
    j->result = result;
    j->why = why;
    if (j->at != NOWHERE)
        settle(j, &gone);
    f->counts.running--;
    sn_mutex_unlock(&f->mutex);
    sn_waitgroup_done(&j->done);
    sn_ctx_free(ctx);
    let_go(gone);
    release(j);
    sn_waitgroup_done(&f->running); /* what was to be dropped is */
    release_flight(f);
}

static int call(sn_ctx *ctx, void *arg)
{
    struct job *j = arg;

    sni_store_rlx(&j->task, sn_task_self().id); /* who compares with it and finds it equal has written it */
    return j->fn(ctx, j->arg, j->flight->opts.value_size ? j->value : NULL);
}

/* The context of a job in the background is a child of the runtime's. */
static int begin_background(struct job *j, sn_ctx *root)
{
    sn_ctx *ctx;
    int r = sn_ctx_with_value(&ctx, root, j, mark(j));

    if (r < 0)
        return r;
    sn_mutex_lock(&j->flight->mutex);
    j->ctx = ctx;
    bool doomed = j->doomed;
    sn_mutex_unlock(&j->flight->mutex);
    if (doomed)
        cancel(j, NULL);
    return 0;
}

static int run(sn_ctx *root, void *arg)
{
    struct job *j = arg;
    const char *why = NULL;
    sn_group g;
    int r = j->background ? begin_background(j, root) : 0;

    if (r == 0) {
        (void)sn_group_init(&g, j->ctx);
        r = sn_group_go_at(&g, call, j, 0, j->site, NULL);
        int e = sn_group_wait(&g);
        if (r == 0) {
            r = e;
            why = sn_group_why(&g);
        }
    }
    finish(j, r, why);
    return 0;
}

static void start(struct job *j)
{
    static const sn_task_opts named = { .name = "flight" };
    int r = sn_task_go_at(run, j, 0, j->site, &named);

    if (r < 0)
        finish(j, r, NULL);
}

/* --- calls --- */

/* (L) Whether who asks is the job itself, or was started by it, as far as can be known. */
static bool is_own(const struct request *q, struct job *j)
{
    sn_task self = sn_task_self();

    sni_check(self.id == 0 || sni_load_rlx(&j->task) != self.id, "sn_flight_do: a job asks for its own key (%s)", j->site);
    return sn_ctx_value(q->ctx, j) == mark(j);
}

/* (L) There is something for the key: how the caller comes to it, as one who waits for it if it has not ended. */
static int join(struct request *q, struct job *j)
{
    sn_flight *f = q->flight;

    if (j->ended) {
        f->counts.hits++;
        if (j->refresh_at != SN_FOREVER && j->refresh_at <= sn_now()) {
            j->refresh_at = SN_FOREVER;
            q->refresh = true;
        }
    } else if (is_own(q, j)) {
        return SN_EBUSY;
    } else {
        j->waiters++;
        f->counts.shared++;
    }
    (void)sni_add_rlx(&j->refs, 1u); /* its place has one */
    return j->ended ? SN_FLIGHT_KEPT : SN_FLIGHT_SHARED;
}

/* (L) Its caller waits for it. */
static void take_off(sn_flight *f, struct job *j)
{
    put(f, j);
    count_in(f);
    j->waiters = 1;
    (void)sni_add_rlx(&j->refs, 2u); /* of its place and its caller; nobody else has seen it */
}

/* Finds or makes what the caller shall have, *out, with a reference. Returns how, or an error. */
static int enter(struct request *q, struct job **out)
{
    sn_flight *f = q->flight;
    struct job *fresh = NULL, *gone = NULL, *j;
    int r = SN_FLIGHT_LED;

    sn_mutex_lock(&f->mutex);
    while (!(j = current(q, &gone)) && !fresh) {
        sn_mutex_unlock(&f->mutex);
        if ((r = new_job(q, &fresh)) < 0 || (r = give_context(fresh, q)) < 0)
            goto out;
        sn_mutex_lock(&f->mutex);
    }
    if (j) {
        r = join(q, j);
    } else {
        take_off(f, j = fresh);
        fresh = NULL;
    }
    sn_mutex_unlock(&f->mutex);
    *out = j;
out:
    let_go(gone);
    if (fresh)
        release(fresh);
    return r;
}

/* Starts a job in the background, to replace a kept result. */
static void refresh(const struct request *q, struct job *front)
{
    sn_flight *f = q->flight;
    struct job *j = NULL;
    bool going = false;

    (void)new_job(q, &j);
    sn_mutex_lock(&f->mutex);
    if (!j) {
        refresh_later(front, sn_now());
    } else if (front->at == TABLE) { /* still kept */
        j->background = going = true;
        j->front = front;
        front->behind = j;
        j->at = BEHIND;
        count_in(f);
        f->counts.refreshes++;
        (void)sni_add_rlx(&j->refs, 1u); /* of its place */
    }
    sn_mutex_unlock(&f->mutex);
    if (going)
        start(j);
    else if (j)
        release(j);
}

/* The caller gives up; the last one takes the job with it. */
static void leave(struct job *j, sn_ctx *ctx)
{
    sn_flight *f = j->flight;
    struct job *gone = NULL;

    sn_mutex_lock(&f->mutex);
    bool last = --j->waiters == 0 && !j->ended;
    if (last) {
        doom(j);
        displace(j, &gone);
    }
    sn_mutex_unlock(&f->mutex);
    if (last) {
        ctx = sn_ctx_retain(ctx); /* names the caller's own for NULL */
        cancel(j, ctx);
        sn_ctx_release(ctx);
    }
    let_go(gone);
    release(j);
}

/* The job has ended, or was kept: what the caller gets. */
static int answer(const struct job *j, int how, void *value, const char **why)
{
    const sn_flight_opts *opts = &j->flight->opts;
    int r;

    if (j->result < 0) {
        if (why)
            *why = j->why;
        return j->result;
    }
    if (value && opts->share && (r = opts->share(value, j->value)) < 0)
        return r;
    if (value && !opts->share && opts->value_size)
        memcpy(value, j->value, opts->value_size);
    return how;
}

static int fly(struct request *q, void *value, const char **why)
{
    struct job *j = NULL;
    int how = enter(q, &j), r;

    if (how < 0)
        return how;
    if (how == SN_FLIGHT_LED)
        start(j);
    if (q->refresh)
        refresh(q, j);
    if (how != SN_FLIGHT_KEPT && (r = sn_waitgroup_wait_ctx(q->ctx, &j->done)) < 0) {
        leave(j, q->ctx);
        return r;
    }
    r = answer(j, how, value, why);
    release(j);
    return r;
}

/* A call is under way from here to end_call, its last touch of the flight. */
static void begin_call(sn_flight *f)
{
    (void)sni_add_rlx(&f->calls, 1u); /* whoever frees the flight is ordered after us by the program, or it is misuse */
}

static void end_call(sn_flight *f)
{
    (void)sni_sub_acqrel(&f->calls, 1u); /* pairs with the acquire in sn_flight_free */
}

static uint64_t hash_of(const sn_flight *f, const void *key, size_t size)
{
    return sni_hash(&f->hash_key, key, size);
}

int sn_flight_do_at(sn_ctx *ctx, sn_flight *f, const void *key, size_t key_size, sn_flight_fn *fn, const void *arg,
                    size_t arg_size, void *value, const char **why, const char *site)
{
    struct request q = { ctx, f, key, key_size, 0, fn, arg, arg_size, site, false };
    int r;

    if (why)
        *why = NULL;
    if (!fn || (!key && key_size) || (!arg && arg_size))
        return SN_EINVAL;
    if ((r = sn_ctx_err(ctx)) < 0)
        return r;
    begin_call(f);
    q.hash = hash_of(f, key, key_size);
    r = fly(&q, value, why);
    end_call(f);
    return r;
}

int sn_flight_wait(sn_ctx *ctx, sn_flight *f)
{
    begin_call(f);
    int r = sn_waitgroup_wait_ctx(ctx, &f->running);
    end_call(f);
    return r;
}

/* --- forgetting --- */

int sn_flight_forget(sn_flight *f, const void *key, size_t key_size)
{
    struct job *gone = NULL, *j;

    if (!key && key_size)
        return SN_EINVAL;
    begin_call(f);
    uint64_t hash = hash_of(f, key, key_size);
    sn_mutex_lock(&f->mutex);
    if ((j = find(f, key, key_size, hash)) != NULL)
        displace(j, &gone);
    sn_mutex_unlock(&f->mutex);
    let_go(gone);
    end_call(f);
    return j != NULL;
}

static int forget_all(sn_flight *f)
{
    struct job *gone = NULL;
    int n = 0;

    sn_mutex_lock(&f->mutex);
    for (size_t i = 0; i < f->nbuckets; i++)
        for (; f->buckets[i]; n++)
            displace(f->buckets[i], &gone);
    sn_mutex_unlock(&f->mutex);
    let_go(gone);
    return n;
}

int sn_flight_forget_all(sn_flight *f)
{
    begin_call(f);
    int n = forget_all(f);
    end_call(f);
    return n;
}

/* --- the flight --- */

static bool are_good(const sn_flight_opts *o)
{
    return o->ttl >= 0 && o->error_ttl >= 0 && o->refresh >= 0 && (o->refresh == 0 || o->refresh < o->ttl) && o->max >= 0 &&
           !o->share == !o->drop && (!o->share || o->value_size > 0);
}

int sn_flight_new(sn_flight **out, const sn_flight_opts *opts)
{
    static const sn_flight_opts none = { 0 };
    sn_flight *f;

    if (!opts)
        opts = &none;
    if (!are_good(opts))
        return SN_EINVAL;
    if (!(f = sni_alloc(sizeof *f)))
        return SN_ENOMEM;
    f->nbuckets = FIRST_BUCKETS;
    if (!(f->buckets = sni_alloc(f->nbuckets * sizeof *f->buckets))) {
        sni_free(f, sizeof *f);
        return SN_ENOMEM;
    }
    f->opts = *opts;
    if (f->opts.max == 0)
        f->opts.max = MAX_KEPT;
    f->refs = 1;
    sni_hash_key_fill(&f->hash_key, sn_random);
    f->last_id = sn_random() | 1; /* odd: never 0, whatever it grows to */
    sni_list_init(&f->kept);
    *out = f;
    return 0;
}

void sn_flight_free(sn_flight *f)
{
    if (!f)
        return;
    uint32_t calls = sni_load_acq(&f->calls); /* pairs with the release in end_call */
    sni_check(calls == 0, "sn_flight_free: %u calls are under way", calls);
    (void)forget_all(f);
    release_flight(f);
}

void sn_flight_count(sn_flight *f, sn_flight_counts *out)
{
    sn_mutex_lock(&f->mutex);
    *out = f->counts;
    sn_mutex_unlock(&f->mutex);
}
