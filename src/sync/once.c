/* Once: a waitable that is ready when it is done, who is at it, and how it failed last.
 *
 *     word = DONE or RUNNING or neither | WAITERS | BUSY
 *
 *     0 -> RUNNING             begin: the first comes, and nobody is put off
 *     RUNNING -> DONE          done: fn has returned; all are woken
 *     RUNNING -> RUNNING       not_done: it has failed, and there is one to run it next
 *     RUNNING -> 0             not_done: it has failed, and there is none
 *     DONE, 0 -> 0             reset
 *
 * all with BUSY. In the queue are callers, who want to run it or to be told how it went, and the cases of selects, which
 * only want it done: a node's `arg` is the call, or NULL. A caller is woken with 0 (it is done), an error, or YOUR_TURN.
 *
 * Invariants: (1) callers are in the queue only while RUNNING, and nobody is when DONE. (2) DONE is the runner's last store:
 * whoever reads it may free the object. So it is set together with the end of BUSY; a select that asks a once which is done
 * sets BUSY beside it for a moment, and the fast path looks at that one bit. (3) Between begin and end the runner owns
 * `error` and `failures`.
 *
 * Callers who cannot be given an error (sn_once_do) insist: one of them runs it when another's fn has failed. */
#include "sennit/once.h"

#include "sennit/error.h"
#include "sennit/time.h"
#include "sync/waitable.h"

enum { RUNNING = 4, DONE = SNI_ONCE_DONE, YOUR_TURN = 1 };

/* `until` and what follows are for the back-off, which outlasts the calls. */
struct once {
    struct sni_waitable waitable;
    union {
        struct sni_wait *runner; /* (BUSY) while RUNNING: whose call runs fn */
        int64_t until;           /* (BUSY) else: callers get `error` until then; 0: nobody is put off */
    };
    int32_t error;               /* (BUSY, or the runner's) the last failure's */
    uint32_t failures;           /* (likewise) in a row; stops at MANY */
} __attribute__((may_alias));

enum { MANY = 63 /* doublings of anything reach any limit */, MAX_TIMES = 64 /* backoff_max by default: six doublings */ };

_Static_assert(sizeof(struct once) == sizeof(sn_once), "sn_once has the wrong size");

static const struct sni_wait *runner(const void *object)
{
    struct once o;

    return sni_peek(&o, object, sizeof o) && (o.waitable.word & RUNNING) ? o.runner : NULL;
}

static const struct sni_reason waiting = { "waiting for a once", NULL, runner, "in" };

static bool is_done(const sn_waitable *w, void *arg)
{
    (void)arg;
    return (sni_load_rlx(&((const struct once *)(const void *)w)->waitable.word) & DONE) != 0; /* (BUSY) */
}

static const sn_waitable_ops being_done = { .name = "a once", .ready = is_done };

static struct once *inside(sn_once *o)
{
    return (struct once *)(uintptr_t)o->sni_;
}

/* Sets BUSY and returns the word without it; or returns one with DONE, and has set nothing. */
static uint64_t lock_unless_done(struct once *o)
{
    uint64_t w;

    for (uint32_t tries = 0; !((w = sni_load_acq(&o->waitable.word)) & DONE);) /* pairs with the release of DONE */
        if (w & SNI_BUSY)
            sni_spin_pause(&tries);
        else if (sni_cas_acqrel(&o->waitable.word, &w, w | SNI_BUSY)) /* acquire: pairs with the release in sni_word_give */
            break;
    return w;
}

/* Ends BUSY with a new state. */
static void give(struct once *o, uint64_t state)
{
    sni_word_give(&o->waitable.word, state | (o->waitable.queue.head ? SNI_WAITERS : 0));
}

/* --- the end of a run --- */

static void done(struct once *o)
{
    struct sni_wakes wakes;

    sni_wakes_init(&wakes);
    (void)sni_word_lock(&o->waitable.word);
    (void)sni_queue_claim_all(&o->waitable.queue, &wakes);
    sni_word_give(&o->waitable.word, DONE); /* pairs with the acquire in sn_once_is_done */
    sni_wakes_ready(&wakes);
    sni_point(NULL, NULL);
}

/* (BUSY) Gives `error` to the callers who can be given one; 0: to none. Returns the first of the others, to run it. */
static struct sni_wait *pass_on(struct once *o, int error, struct sni_wakes *wakes)
{
    struct sni_wait *next = NULL, *wait;

    for (struct sni_node *n = o->waitable.queue.head, *after; n && (error || !next); n = after) {
        const struct sni_once_call *call = n->arg;
        after = n->next;
        if (!call)
            continue;
        bool told = error && !call->sni_insists;
        if ((next && !told) || !(wait = sni_queue_claim_node(&o->waitable.queue, n, n->index)))
            continue;
        n->err = told ? error : YOUR_TURN;
        if (!told)
            next = wait;
        sni_wakes_add(wakes, wait);
    }
    return next;
}

/* The run has ended, and it is not done. With nobody to run it next, callers are put off until `until`. */
static void not_done(struct once *o, int error, int64_t until)
{
    struct sni_wakes wakes;

    sni_wakes_init(&wakes);
    (void)sni_word_lock(&o->waitable.word);
    struct sni_wait *next = pass_on(o, error, &wakes);
    if (next)
        o->runner = next;
    else
        o->until = until;
    give(o, next ? RUNNING : 0);
    sni_wakes_ready(&wakes);
}

/* Those who wait are not told: the failure was the runner's own. */
static void hand_on(void *once)
{
    not_done(once, 0, 0);
}

/* For how long callers are put off after so many failures in a row before this one. */
static int64_t delay(const sn_once_opts *opts, uint32_t failures)
{
    int64_t ns = opts->backoff, max = opts->backoff_max;

    if (max == 0)
        max = ns > SN_FOREVER / MAX_TIMES ? SN_FOREVER : ns * MAX_TIMES;
    for (; failures > 0 && ns < max; failures--)
        ns = ns > max / 2 ? max : ns * 2;
    return ns;
}

/* fn has failed for everybody. */
static void fail(struct once *o, int error, const sn_once_opts *opts)
{
    int64_t until = 0, now;

    if (opts && opts->backoff) {
        until = delay(opts, o->failures);
        now = sn_now();
        until = until > SN_FOREVER - now ? SN_FOREVER : now + until;
    }
    o->error = error; /* ours until not_done */
    if (o->failures < MANY)
        o->failures++;
    not_done(o, error, until);
    sni_point(NULL, NULL);
}

/* --- a call --- */

/* (BUSY, RUNNING) Waits until the run has ended, for its outcome; or ctx's error. */
static int wait_for_it(struct once *o, struct sni_once_call *call, struct sni_wait *self)
{
    struct sni_node me = { .ops = &being_done, .arg = call };
    int r = sni_queue_park(&o->waitable.queue, &me, self, call->sni_ctx, &waiting, o, &o->waitable.word,
                           RUNNING | SNI_WAITERS);

    if (r == 0)
        return me.err;
    if (sni_is_queued(&me)) {
        uint64_t w = lock_unless_done(o);
        if (w & DONE)
            return r;
        if (me.queued)
            sni_queue_remove(&o->waitable.queue, &me);
        give(o, w & RUNNING);
    }
    return r;
}

/* 0: it is done. YOUR_TURN: the caller runs fn, and calls end. Else an error. */
static int begin(struct once *o, struct sni_once_call *call, struct sni_wait *self, const char *function)
{
    uint64_t w = lock_unless_done(o);
    int r = YOUR_TURN;

    if (w & DONE)
        return 0;
    if (w & RUNNING) {
        if (o->runner == self) {
            give(o, RUNNING);
            sni_panic("%s: called again from within its own function", function);
        }
        if ((r = wait_for_it(o, call, self)) != YOUR_TURN)
            return r;
    } else {
        if (!call->sni_insists && o->until && sn_now() < o->until) {
            r = o->error;
            give(o, 0);
            return r;
        }
        o->runner = self;
        give(o, RUNNING);
    }
    if (sni_unlikely((r = sni_ctx_check(call->sni_ctx)) != 0)) { /* ended since: it was claimed before */
        hand_on(o);
        return r;
    }
    sn_cleanup_push(&call->sni_cleanup, hand_on, o); /* sn_fail inside fn */
    call->sni_once = o;
    return YOUR_TURN;
}

/* fn has returned. */
static int end(struct sni_once_call *call, int r)
{
    struct once *o = call->sni_once;

    sn_cleanup_pop(&call->sni_cleanup);
    if (r >= 0) {
        done(o);
        return 0;
    }
    if (r == sni_ctx_check(call->sni_ctx))
        hand_on(o);
    else
        fail(o, r, call->sni_opts);
    return r;
}

/* --- the public functions --- */

void sn_once_do_slow(sn_once *once, sn_once_fn *fn, void *arg)
{
    struct sni_wait *self = sni_enter_or_panic("sn_once_do", "does %once", once);
    struct sni_once_call call = { .sni_ctx = sn_background(), .sni_insists = true };

    if (begin(inside(once), &call, self, "sn_once_do") == YOUR_TURN) {
        fn(arg);
        (void)end(&call, 0);
    }
}

int sn_once_do_ctx(sn_ctx *ctx, sn_once *once, sn_once_fn *fn, void *arg)
{
    struct sni_wait *self;
    int r;

    if ((r = sni_begin(&ctx, &self, "does %once", once)) != 0 || sn_once_is_done(once))
        return r;
    struct sni_once_call call = { .sni_ctx = ctx, .sni_insists = true };
    if ((r = begin(inside(once), &call, self, "sn_once_do")) != YOUR_TURN)
        return r;
    fn(arg);
    return end(&call, 0);
}

static bool are_good(const sn_once_opts *o)
{
    return o->backoff >= 0 && o->backoff_max >= 0 && (o->backoff_max == 0 || o->backoff_max >= o->backoff);
}

/* For one who can be given an error. */
static int begin_try(sn_ctx *ctx, sn_once *once, struct sni_once_call *call, const sn_once_opts *opts, const char *function)
{
    struct sni_wait *self;
    int r;

    if (opts && !are_good(opts))
        return SN_EINVAL;
    if ((r = sni_begin(&ctx, &self, "tries %once", once)) != 0)
        return r;
    *call = (struct sni_once_call){ .sni_ctx = ctx, .sni_opts = opts };
    return begin(inside(once), call, self, function);
}

int sn_once_try_slow(sn_ctx *ctx, sn_once *once, sn_once_try_fn *fn, void *arg, const sn_once_opts *opts)
{
    struct sni_once_call call;
    int r = begin_try(ctx, once, &call, opts, "sn_once_try");

    return r == YOUR_TURN ? end(&call, fn(call.sni_ctx, arg)) : r;
}

int sn_rawonce_begin(sn_ctx *ctx, sn_once *once, struct sni_once_call *call, const sn_once_opts *opts)
{
    return begin_try(ctx, once, call, opts, "sn_once_get");
}

int sn_rawonce_end(struct sni_once_call *call, int result)
{
    return end(call, result);
}

void sn_once_reset(sn_once *once)
{
    struct once *o = inside(once);

    sni_point("resets %once", once);
    uint64_t w = sni_word_lock(&o->waitable.word);
    bool waited_for = o->waitable.queue.head;
    if ((w & RUNNING) || waited_for) {
        give(o, w & (RUNNING | DONE));
        sni_panic("sn_once_reset: %s", w & RUNNING ? "it is being done" : "somebody waits for it");
    }
    o->until = 0;
    o->error = 0;
    o->failures = 0;
    give(o, 0);
    sni_point(NULL, NULL);
}

sn_case sn_on_once(sn_once *once)
{
    return sni_case_waitable((struct sn_waitable *)once, &being_done, NULL);
}
