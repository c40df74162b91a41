/* Mutex: one word, which is the holder, or leads to the queue of waiters, which knows the holder.
 *
 *     0                         free
 *     holder | LOCKED           held, nobody waits
 *     node | LOCKED | QUEUED    held; node is the first waiter's, in its frame, and keeps holder and tail for all
 *     ... | BUSY                somebody changes the queue: only who set BUSY may read nodes or change the word
 *
 * where holder is the address of the holder's wait record, which is type-stable and belongs to one task or thread at a time.
 *
 *     0 -> holder               lock, fast                       holder -> 0           unlock, fast
 *     holder -> node            lock: the first to wait          node -> node          lock: one more; unlock: handed over
 *     node -> holder            unlock: handed to the last       node -> 0             unlock: all who waited have given up
 *
 * Invariants: (1) while anybody waits, the word is not 0: the mutex is handed over, and who comes later cannot overtake.
 * (2) A node's holder and tail are meant only while it is the first. (3) The unlocker's last touch of the mutex is the store
 * that ends BUSY; its last touch of a waiter's frame comes before the wake.
 *
 * That the word holds the queue is from nsync and abseil; a table of queues by address (parking lots) would be one more
 * thing that is process-wide. */
#include "sync/mutex.h"

#include "sched/park.h"
#include "sennit/error.h"

enum { LOCKED = 1, QUEUED = 2, BUSY = 4, FLAGS = 7 };

struct node {
    struct node *next;
    struct node *tail;       /* first node only */
    struct sni_wait *holder; /* first node only */
    struct sni_wait *wait;
    uint64_t seq;
    bool queued;
};

static uint64_t *word_of(const sn_mutex *m)
{
    return (uint64_t *)(uintptr_t)&m->sni_[0];
}

static struct node *node_of(uint64_t word)
{
    return (struct node *)(uintptr_t)(word & ~(uint64_t)FLAGS);
}

static struct sni_wait *wait_of(uint64_t word)
{
    return (struct sni_wait *)(uintptr_t)(word & ~(uint64_t)FLAGS);
}

static uint64_t held_by(const struct sni_wait *wait)
{
    return (uint64_t)(uintptr_t)wait | LOCKED;
}

static uint64_t led_by(const struct node *first)
{
    return (uint64_t)(uintptr_t)first | LOCKED | QUEUED;
}

static const struct sni_wait *holder(const void *object)
{
    struct node first;
    uint64_t word;

    if (!sni_peek(&word, word_of(object), sizeof word))
        return NULL;
    if (!(word & QUEUED))
        return wait_of(word);
    return sni_peek(&first, node_of(word), sizeof first) ? first.holder : NULL;
}

static const struct sni_reason locking = { "locking a mutex", NULL, holder, "held by" };

/* Takes BUSY on a word that is not 0. Returns the word without it; 0: it has become free, and nothing was taken. */
static uint64_t take_queue(uint64_t *word)
{
    uint64_t w = sni_load_rlx(word);

    for (uint32_t tries = 0; w != 0;) {
        if (w & BUSY) {
            sni_spin_pause(&tries);
            w = sni_load_rlx(word);
        } else if (sni_cas_acqrel(word, &w, w | BUSY)) { /* acquire: pairs with the release in give_queue */
            return w;
        }
    }
    return 0;
}

static void give_queue(uint64_t *word, uint64_t w)
{
    sni_store_rel(word, w); /* pairs with the acquire in take_queue and in the fast lock */
}

struct handing {
    uint64_t *word, value;
};

static void commit_queue(void *p)
{
    struct handing *h = p;

    give_queue(h->word, h->value); /* from here on we may be woken, and *h be gone */
}

/* (BUSY) Out of the queue, wherever it is in it. Returns the new word. */
static uint64_t unlink_node(uint64_t w, struct node *me)
{
    struct node *first = node_of(w), *before;

    if (first == me) {
        if (!me->next)
            return held_by(me->holder);
        me->next->holder = me->holder;
        me->next->tail = me->tail;
        return led_by(me->next);
    }
    for (before = first; before->next != me; before = before->next)
        ;
    before->next = me->next;
    if (first->tail == me)
        first->tail = before;
    return w;
}

/* Woken by the context: leaves the queue, unless an unlocker, who could not claim us, has put us out. */
static void leave_queue(uint64_t *word, struct node *me)
{
    for (uint32_t tries = 0; sni_load_acq(&me->queued);) { /* pairs with the release in hand_over */
        uint64_t w = take_queue(word);
        if (w == 0) {
            sni_spin_pause(&tries); /* the unlocker who emptied the queue is just about to say so */
            continue;
        }
        if (me->queued)
            w = unlink_node(w, me);
        me->queued = false;
        give_queue(word, w);
    }
}

/* Waits for its turn. 0: the caller holds it; else ctx's error. */
static int lock_slow(sn_mutex *m, sn_ctx *ctx, struct sni_wait *self)
{
    uint64_t *word = word_of(m), w;
    struct node me = { .wait = self, .seq = sni_wait_seq(self), .queued = true };
    struct handing handing = { word, 0 };

    while ((w = take_queue(word)) == 0) {
        if (sni_cas_acqrel(word, &w, held_by(self))) /* as in lock_fast */
            return 0;
    }
    struct node *first = w & QUEUED ? node_of(w) : &me;
    if (first == &me) {
        me.holder = wait_of(w);
    } else {
        first->tail->next = &me;
    }
    first->tail = &me;
    if (sni_unlikely(first->holder == self)) {
        give_queue(word, led_by(first));
        sni_panic("sn_mutex_lock: this task or thread holds the mutex already");
    }
    handing.value = led_by(first);
    int r = sni_park(self, ctx, &locking, m, commit_queue, &handing);
    if (r < 0)
        leave_queue(word, &me);
    return r;
}

static sni_inline bool lock_fast(sn_mutex *m, struct sni_wait *self)
{
    uint64_t free = 0;

    return sni_cas_acqrel(word_of(m), &free, held_by(self)); /* acquire: pairs with the release of the last unlock */
}

static sni_inline struct sni_wait *enter_or_panic(const char *what, const sn_mutex *m)
{
    struct sni_wait *self = sni_enter(what, m);

    sni_check(self != NULL, "sn_mutex_lock: no memory for this thread's record");
    return self;
}

/* As lock_fast and lock_slow, telling the checks. */
static __attribute__((noinline)) int lock_checked(sn_mutex *m, sn_ctx *ctx, struct sni_wait *self, const void *site)
{
    int r = 0;

    sni_lock_wanted(self, m, "mutex");
    if (!lock_fast(m, self))
        r = lock_slow(m, ctx, self);
    if (r == 0)
        sni_lock_taken(self, m, "mutex", site, SNI_LOCK);
    return r;
}

void sn_mutex_lock(sn_mutex *m)
{
    struct sni_wait *self = enter_or_panic("locks %mutex", m);

    if (sni_checks_on())
        (void)lock_checked(m, sn_background(), self, __builtin_return_address(0));
    else if (sni_unlikely(!lock_fast(m, self)))
        (void)lock_slow(m, sn_background(), self);
}

int sn_mutex_lock_ctx(sn_ctx *ctx, sn_mutex *m)
{
    struct sni_wait *self = sni_enter("locks %mutex", m);
    int r;

    if (!self)
        return SN_ENOMEM;
    ctx = sni_ctx_resolve(ctx, self);
    if ((r = sni_ctx_check(ctx)) != 0)
        return r;
    if (sni_checks_on())
        return lock_checked(m, ctx, self, __builtin_return_address(0));
    return sni_likely(lock_fast(m, self)) ? 0 : lock_slow(m, ctx, self);
}

int sn_mutex_try_lock(sn_mutex *m)
{
    struct sni_wait *self = enter_or_panic("tries to lock %mutex", m);

    if (!lock_fast(m, self))
        return SN_EBUSY;
    if (sni_checks_on())
        sni_lock_taken(self, m, "mutex", __builtin_return_address(0), SNI_LOCK);
    return 0;
}

/* (BUSY) Gives the mutex to the first waiter that can be claimed; those whose context was faster leave the queue. Returns
 * the new word and, in *next, whom to wake. */
static uint64_t hand_over(uint64_t w, struct sni_wait **next)
{
    struct node *first = node_of(w), *tail = first->tail;

    for (*next = NULL; first && !*next;) {
        struct node *n = first;
        struct sni_wait *wait = n->wait;
        first = n->next;
        if (sni_claim(wait, n->seq, 0))
            *next = wait;
        else
            sni_store_rel(&n->queued, false); /* our last touch: pairs with the acquire in leave_queue */
    }
    if (first) {
        first->holder = *next;
        first->tail = tail;
        return led_by(first);
    }
    return *next ? held_by(*next) : 0;
}

static sni_inline void unlock(sn_mutex *m, struct sni_wait *self)
{
    struct sni_wait *next;
    uint64_t *word = word_of(m), w = held_by(self);

    if (sni_likely(sni_cas_acqrel(word, &w, (uint64_t)0))) /* release: pairs with the acquire in lock_fast */
        return;
    if ((w = take_queue(word)) == held_by(self)) { /* a waiter came and gave up */
        give_queue(word, 0);
        return;
    }
    if (!(w & QUEUED) || node_of(w)->holder != self) {
        if (w)
            give_queue(word, w);
        sni_panic("sn_mutex_unlock: this task or thread does not hold the mutex");
    }
    w = hand_over(w, &next);
    give_queue(word, w);
    if (next)
        sni_ready(next);
}

void sn_mutex_unlock(sn_mutex *m)
{
    struct sni_wait *self = enter_or_panic("unlocks %mutex", m);

    if (sni_unlikely(self->held != NULL)) /* whether the checks are still on or not */
        sni_lock_released(self, m);
    unlock(m, self);
    sni_point(NULL, NULL);
}

void sni_mutex_unlock_for(sn_mutex *m, struct sni_wait *holder)
{
    unlock(m, holder);
}

bool sn_mutex_held(const sn_mutex *m)
{
    struct sni_wait *self = sni_wait_self();

    sni_check(self != NULL, "sn_mutex_held: no memory for this thread's record");
    uint64_t *word = word_of(m), w = take_queue(word);
    bool held = w != 0 && (w & QUEUED ? node_of(w)->holder : wait_of(w)) == self;

    if (w)
        give_queue(word, w);
    return held;
}
