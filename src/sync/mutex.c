/* Mutex: one word, which is the holder, or leads to the queue of waiters, which knows the holder.
 *
 *     0                         free
 *     holder | LOCKED           held, nobody waits
 *     node | LOCKED | QUEUED    held; node is the first waiter's, in its frame, and keeps holder and tail for all
 *     node | QUEUED             free; the first waiter is awake, and takes it unless somebody overtakes
 *     ... | BUSY                somebody changes the queue: only who set BUSY may read nodes or change the word
 *
 * where holder is the address of the holder's wait record, which is type-stable and belongs to one task or thread at a time.
 *
 *     0 -> holder | LOCKED             lock, fast
 *     holder | LOCKED -> 0             unlock, fast
 *     holder | LOCKED -> node | ...    lock: the first to wait
 *     node | L | Q -> node | Q         unlock: left free, the first is woken to look
 *     node | Q -> node | L | Q         lock: overtakes the first; or the first takes it, and the next is the first
 *     node | Q -> holder | LOCKED      the first takes it, and nobody else waits
 *     node | L | Q -> next | L | Q     unlock: granted to the first, which may be awake or not
 *     node | L | Q -> holder | LOCKED  unlock: granted to the last
 *
 * To hand it over at every unlock would cost a switch each time, most often to another processor. So a running task may take
 * it again and again while others wait, but only for TURN_NS after the first waiter could have had it: then the next unlock
 * grants it to the first, and its turn begins for the second. So who waits has it at the latest when each of those before it
 * has been overtaken for that long. Go's mutex has the idea, with 1 ms and a mode for all instead of a turn for each.
 *
 * Invariants: (1) A free mutex with waiters has its first awake, so somebody will look. (2) What a node keeps for all is meant
 * only while it is the first; only the first is ever awake. (3) The unlocker's last touch of the mutex is the store that ends
 * BUSY; its last touch of a waiter's frame comes before the wake or, if that is awake, is the store to `place`.
 *
 * That the word holds the queue is from nsync and abseil; a table of queues by address (parking lots) would be one more
 * thing that is process-wide. */
#include "sync/mutex.h"

#include "sched/park.h"
#include "sennit/error.h"
#include "sennit/time.h"

enum { LOCKED = 1, QUEUED = 2, BUSY = 4, FLAGS = 7 };

/* 50 us: some thousand short critical sections, so that the grant's switch does not count; and too short to be felt. The
 * model's threads take few steps: there it is less. */
#ifndef SNI_TURN_NS
#define SNI_TURN_NS 50000
#endif

/* A look at the clock costs more than the rest of an unlock: after the first LOOKS only every LOOKS-th looks. */
enum { TURN_NS = SNI_TURN_NS, LOOKS = 16 };

/* In pauses of some 25 ns, eighths of the time between the looks of who is overtaken: together about a turn. */
enum { WATCH_FIRST = 8, WATCH_LAST = 128 };

static uint64_t *word_of(const sn_mutex *m)
{
    return (uint64_t *)(uintptr_t)&m->sni_[0];
}

static struct sni_mutex_node *node_of(uint64_t word)
{
    return (struct sni_mutex_node *)(uintptr_t)(word & ~(uint64_t)FLAGS);
}

static struct sni_wait *wait_of(uint64_t word)
{
    return (struct sni_wait *)(uintptr_t)(word & ~(uint64_t)FLAGS);
}

static uint64_t held_by(const struct sni_wait *wait)
{
    return (uint64_t)(uintptr_t)wait | LOCKED;
}

static uint64_t led_by(const struct sni_mutex_node *first)
{
    return (uint64_t)(uintptr_t)first | LOCKED | QUEUED;
}

/* (BUSY) */
static struct sni_wait *holder_in(uint64_t word)
{
    return word & QUEUED ? node_of(word)->holder : wait_of(word);
}

const struct sni_wait *sni_mutex_holder(const void *mutex)
{
    struct sni_mutex_node first;
    uint64_t word;

    if (!sni_peek(&word, mutex, sizeof word))
        return NULL;
    if (!(word & QUEUED))
        return wait_of(word);
    return sni_peek(&first, node_of(word), sizeof first) ? first.holder : NULL;
}

static const struct sni_reason locking = { "locking a mutex", NULL, sni_mutex_holder, "held by" };

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

/* (BUSY) The first leaves the queue: what it keeps goes to the next, whose turn begins. NULL: nobody is left. */
static struct sni_mutex_node *drop_first(struct sni_mutex_node *first)
{
    struct sni_mutex_node *next = first->next;

    if (next) {
        next->tail = first->tail;
        next->holder = first->holder;
    }
    return next;
}

/* (BUSY) Puts a node at the end. Returns the new word. */
static uint64_t append(uint64_t w, struct sni_mutex_node *n)
{
    struct sni_mutex_node *first = w & QUEUED ? node_of(w) : n;

    n->next = NULL;
    if (first == n) {
        n->holder = wait_of(w);
    } else {
        first->tail->next = n;
    }
    first->tail = n;
    sni_store_rel(&n->place, (uint32_t)SNI_IN_QUEUE); /* pairs with the acquire in sni_mutex_take_turn */
    return w & QUEUED ? w : led_by(n);
}

/* (BUSY) Out of the queue, wherever it is in it. It is not awake, so if it is the first the mutex is held. Returns the new word. */
static uint64_t unlink_node(uint64_t w, struct sni_mutex_node *me)
{
    struct sni_mutex_node *first = node_of(w), *before;

    if (first == me) {
        struct sni_mutex_node *next = drop_first(me);
        return next ? led_by(next) : held_by(me->holder);
    }
    for (before = first; before->next != me; before = before->next)
        ;
    before->next = me->next;
    if (first->tail == me)
        first->tail = before;
    return w;
}

/* Woken by the context: leaves the queue, unless an unlocker, who could not claim us, has put us out. */
static void leave_queue(uint64_t *word, struct sni_mutex_node *me)
{
    for (uint32_t tries = 0; sni_load_acq(&me->place) == SNI_IN_QUEUE;) { /* pairs with the release in pass_on */
        uint64_t w = take_queue(word);
        if (w == 0) {
            sni_spin_pause(&tries); /* the unlocker who emptied the queue is just about to say so */
            continue;
        }
        if (me->place == SNI_IN_QUEUE)
            w = unlink_node(w, me);
        me->place = SNI_OUT;
        give_queue(word, w);
    }
}

/* Whoever gave it to us has let go of our frame. */
static void await_grant(struct sni_mutex_node *me)
{
    for (uint32_t tries = 0; sni_load_acq(&me->place) != SNI_GRANTED;) /* pairs with the release in pass_on */
        sni_spin_pause(&tries);
}

/* Others overtake us, the first, who are awake. To sleep and be woken at their next unlock, time and again, would cost all of
 * them more than a look now and then, and we have nothing else to do. Until it is free, or ours, or a turn is over. */
static void watch(const uint64_t *word, const struct sni_mutex_node *me)
{
    for (uint32_t n = WATCH_FIRST; n <= WATCH_LAST && sni_may_spin() && (sni_load_rlx(word) & LOCKED); n *= 2)
        for (uint32_t i = 0; i < 8 && sni_load_rlx(&me->place) != SNI_GRANTED; i++)
            sni_pause_for(n);
}

/* Woken to look: we are the first. True: we hold it now. False: others overtake us; BUSY is set, and *value the word for the
 * commit of the next park. */
static bool look(uint64_t *word, struct sni_mutex_node *me, uint64_t *value)
{
    struct sni_mutex_node *next;
    uint64_t w;

    watch(word, me);
    if (sni_load_acq(&me->place) == SNI_GRANTED) /* as above */
        return true;
    w = take_queue(word);
    if (!(w & LOCKED)) {
        if ((next = drop_first(me)) != NULL)
            next->holder = me->wait;
        give_queue(word, next ? led_by(next) : held_by(me->wait));
        return true;
    }
    if (holder_in(w) == me->wait) {
        give_queue(word, w);
        await_grant(me);
        return true;
    }
    me->awake = false;
    me->seq = sni_wait_seq(me->wait);
    *value = w;
    return false;
}

/* Parks in the queue, in which we are (BUSY; `value` is the word to give), until the mutex is ours, or ctx has ended. */
static int park_in_queue(sn_mutex *m, uint64_t value, struct sni_mutex_node *me, sn_ctx *ctx)
{
    struct handing handing = { word_of(m), value };
    int r;

    do {
        r = sni_park(me->wait, ctx, &locking, m, commit_queue, &handing);
        if (r == SNI_MUTEX_YOURS)
            return 0;
        if (r < 0) {
            leave_queue(word_of(m), me);
            return r;
        }
    } while (!look(word_of(m), me, &handing.value));
    return 0;
}

/* Looks for a moment whether it becomes free, unless others wait. */
static void spin(const uint64_t *word)
{
    for (uint32_t round = 0; (sni_load_rlx(word) & (LOCKED | QUEUED)) == LOCKED && sni_spin_round(&round);)
        ;
}

/* Waits for its turn. 0: the caller holds it; else ctx's error. */
static int lock_slow(sn_mutex *m, sn_ctx *ctx, struct sni_wait *self)
{
    uint64_t *word = word_of(m), w;
    struct sni_mutex_node me = { .wait = self, .seq = sni_wait_seq(self) };

    spin(word);
    while ((w = take_queue(word)) == 0) {
        if (sni_cas_acqrel(word, &w, held_by(self))) /* as in take_free */
            return 0;
    }
    if (!(w & LOCKED)) {
        node_of(w)->holder = self; /* as in overtake */
        give_queue(word, w | LOCKED);
        return 0;
    }
    if (sni_unlikely(holder_in(w) == self)) {
        give_queue(word, w);
        sni_panic("sn_mutex_lock: this task or thread holds the mutex already");
    }
    w = append(w, &me);
    return park_in_queue(m, w, &me, ctx);
}

static sni_inline bool take_free(sn_mutex *m, struct sni_wait *self)
{
    uint64_t free = 0;

    return sni_cas_acqrel(word_of(m), &free, held_by(self)); /* acquire: pairs with the release of the last unlock */
}

/* Free, but others wait, the first of whom was woken and has not looked yet. */
static sni_inline bool overtake(sn_mutex *m, struct sni_wait *self)
{
    uint64_t *word = word_of(m), w = sni_load_rlx(word);

    while ((w & (LOCKED | BUSY)) == 0 && w != 0)
        if (sni_cas_acqrel(word, &w, w | LOCKED | BUSY)) { /* as in take_queue */
            node_of(w)->holder = self;
            give_queue(word, w | LOCKED);
            return true;
        }
    return false;
}

static sni_inline bool lock_fast(sn_mutex *m, struct sni_wait *self)
{
    return sni_likely(take_free(m, self)) || overtake(m, self);
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

/* `self` is NULL but in the ordinary case that somebody else was faster. */
static __attribute__((noinline)) void lock_otherwise(sn_mutex *m, struct sni_wait *self, const void *site)
{
    if (self) {
        if (!overtake(m, self))
            (void)lock_slow(m, sn_background(), self);
        return;
    }
    sni_mutex_lock_at(m, enter_or_panic("locks %mutex", m), site);
}

void sn_mutex_lock(sn_mutex *m)
{
    struct sni_wait *self = sni_enter_fast();

    if (sni_unlikely(!self || !take_free(m, self)))
        lock_otherwise(m, self, __builtin_return_address(0));
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

/* Not free at the first look. */
static bool try_slow(sn_mutex *m, struct sni_wait *self)
{
    uint64_t *word = word_of(m), w;

    while ((w = take_queue(word)) == 0) /* BUSY is over: what the word is now is the answer */
        if (lock_fast(m, self))
            return true;
    if (!(w & LOCKED))
        node_of(w)->holder = self; /* as in overtake */
    give_queue(word, w | LOCKED);
    return !(w & LOCKED);
}

bool sni_mutex_try(sn_mutex *m, struct sni_wait *self)
{
    return lock_fast(m, self) || try_slow(m, self);
}

int sn_mutex_try_lock(sn_mutex *m)
{
    struct sni_wait *self = enter_or_panic("tries to lock %mutex", m);

    if (!sni_mutex_try(m, self))
        return SN_EBUSY;
    if (sni_checks_on())
        sni_lock_taken(self, m, "mutex", __builtin_return_address(0), SNI_LOCK);
    return 0;
}

/* (BUSY) Whether the first has been overtaken for long enough. */
static bool is_due(struct sni_mutex_node *first)
{
    uint32_t n = first->overtaken++;

    if (n == 0) {
        first->until = sn_now() + TURN_NS;
        return false;
    }
    return (n < LOOKS || n % LOOKS == 0) && sn_now() >= first->until;
}

/* (BUSY) The holder lets go, with others waiting: the first is woken to look, or has it. Those whose context was faster leave
 * the queue on the way. */
static void pass_on(uint64_t *word, struct sni_mutex_node *first)
{
    bool due = is_due(first), claimed = false;

    while (!first->awake && !(claimed = sni_claim(first->wait, first->seq, due ? SNI_MUTEX_YOURS : SNI_MUTEX_LOOK))) {
        struct sni_mutex_node *out = first;
        first = drop_first(first);
        sni_store_rel(&out->place, (uint32_t)SNI_OUT); /* our last touch: pairs with the acquire in leave_queue */
        if (!first) {
            give_queue(word, 0);
            return;
        }
        due = is_due(first);
    }
    struct sni_wait *wait = first->wait;
    if (!due) {
        first->holder = NULL;
        first->awake = true;
        give_queue(word, led_by(first) & ~(uint64_t)LOCKED);
        if (claimed)
            sni_ready_behind(wait);
        return;
    }
    struct sni_mutex_node *next = drop_first(first);
    if (next)
        next->holder = wait;
    give_queue(word, next ? led_by(next) : held_by(wait));
    if (claimed)
        sni_ready(wait);
    else
        sni_store_rel(&first->place, (uint32_t)SNI_GRANTED); /* our last touch: pairs with the acquire in look */
}

static sni_inline bool free_fast(sn_mutex *m, struct sni_wait *self)
{
    uint64_t w = sni_load_rlx(word_of(m));

    return sni_likely(w == held_by(self)) && sni_cas_acqrel(word_of(m), &w, (uint64_t)0); /* release: pairs with the acquire in
                                                                                           * take_free */
}

static void unlock(sn_mutex *m, struct sni_wait *self)
{
    uint64_t *word = word_of(m), w;

    if (free_fast(m, self))
        return;
    if ((w = take_queue(word)) == held_by(self)) { /* a waiter came and gave up */
        give_queue(word, 0);
        return;
    }
    if (!(w & LOCKED) || holder_in(w) != self) {
        if (w)
            give_queue(word, w);
        sni_panic("sn_mutex_unlock: this task or thread does not hold the mutex");
    }
    pass_on(word, node_of(w));
}

static __attribute__((noinline)) void unlock_otherwise(sn_mutex *m)
{
    struct sni_wait *self = enter_or_panic("unlocks %mutex", m);

    if (sni_unlikely(self->held != NULL)) /* whether the checks are still on or not */
        sni_lock_released(self, m);
    unlock(m, self);
    sni_point(NULL, NULL);
}

void sn_mutex_unlock(sn_mutex *m)
{
    struct sni_wait *self = sni_enter_fast();

    if (sni_unlikely(!self || self->held || !free_fast(m, self)))
        unlock_otherwise(m);
}

void sni_mutex_unlock_for(sn_mutex *m, struct sni_wait *holder)
{
    unlock(m, holder);
}

bool sni_mutex_move_in(sn_mutex *m, struct sni_mutex_node *node)
{
    uint64_t *word = word_of(m), w = take_queue(word);

    if (w == 0)
        return false;
    w = append(w, node);
    give_queue(word, w);
    return true;
}

void sni_mutex_take_turn(sn_mutex *m, struct sni_mutex_node *me, int result)
{
    uint64_t *word = word_of(m), w = 0;

    if (result == SNI_MUTEX_YOURS || (result == SNI_MUTEX_LOOK && look(word, me, &w)))
        return;
    if (result < 0) { /* on, without the context */
        for (uint32_t tries = 0; sni_load_acq(&me->place) == SNI_NOWHERE;) /* pairs with the release in append */
            sni_spin_pause(&tries);
        while (sni_load_acq(&me->place) == SNI_IN_QUEUE && (w = take_queue(word)) == 0)
            sni_pause(); /* as in leave_queue */
        if (me->place == SNI_OUT) {
            if (w)
                give_queue(word, w);
            result = SNI_MUTEX_LOCK;
        } else {
            me->seq = sni_wait_seq(me->wait);
        }
    }
    if (result == SNI_MUTEX_LOCK) {
        if (!lock_fast(m, me->wait))
            (void)lock_slow(m, sn_background(), me->wait);
        return;
    }
    (void)park_in_queue(m, w, me, sn_background());
}

void sni_mutex_lock_at(sn_mutex *m, struct sni_wait *self, const void *site)
{
    if (sni_checks_on())
        (void)lock_checked(m, sn_background(), self, site);
    else if (!lock_fast(m, self))
        (void)lock_slow(m, sn_background(), self);
}

bool sn_mutex_held(const sn_mutex *m)
{
    struct sni_wait *self = sni_wait_self();

    sni_check(self != NULL, "sn_mutex_held: no memory for this thread's record");
    uint64_t *word = word_of(m), w = take_queue(word);
    bool held = (w & LOCKED) && holder_in(w) == self;

    if (w)
        give_queue(word, w);
    return held;
}

void sn_mutex_assert_held(const sn_mutex *m)
{
    sni_check(sn_mutex_held(m), "sn_mutex_assert_held: this task or thread does not hold the mutex");
}

void sn_mutex_assert_not_held(const sn_mutex *m)
{
    sni_check(!sn_mutex_held(m), "sn_mutex_assert_not_held: this task or thread holds the mutex");
}
