/* Select.
 *
 * First, where any answer will do, every case is tried on its own, in a random order: if one can happen at once, no more
 * than one lock is held at any time. Then all objects are locked, channels in the order of their ids, then waitables in that of
 * their addresses, and all cases are tried at this one moment: what the try form and the priority form answer must have been
 * so at some moment. Then a node goes into every queue, in the order of trying, and the task parks. The commit arms contexts
 * and the timer and unlocks the objects; the first waker claims the park with its case's index. Awake again, the task takes
 * its nodes out of the other queues.
 *
 * The end of a task and the readiness of a descriptor have no lock that could be taken with the others. Before they are taken,
 * a watch is put into its list; it may be told at any time from then on, and commit arms it (wait.h). A group is armed by
 * commit alone. To ask the kernel about a descriptor is a system call, and so is to have it watched: that goes without the
 * locks, but that the try form and the priority form, which promise one moment, ask under them: a poll that does not wait.
 *
 * What has no lock may happen between two looks. So that the first of those that are ready is taken, not the first that was seen to
 * be, all that stand before it are looked at once more.
 *
 * A waker may come while commit still unlocks, and the cases are in the frame of the task that it wakes: the task first
 * waits for `committed`, which is commit's last touch. */
#include "sennit/select.h"

#include "sched/choice.h"
#include "sched/end.h"
#include "sched/park.h"
#include "sched/poll.h"
#include "sched/task.h"
#include "sennit/error.h"
#include "sennit/fd.h"
#include "sennit/time.h"
#include "sync/chan.h"
#include "sync/waitable.h"

/* What a case keeps in its private part. */
struct part {
    union {
        struct sni_chan_node chan;
        struct sni_ctx_node ctx;
        struct sni_node node; /* of a waitable */
        struct sni_watch watch;  /* the first of those that follow */
        struct sni_end_node end; /* of a task */
        struct sni_poll_node poll; /* of a descriptor */
    };
    uint32_t lock_order; /* of the array of cases: the k-th entry is the index of the k-th to lock */
    uint32_t try_order;  /* likewise */
};

_Static_assert(sizeof(struct part) <= sizeof(((sn_case *)0)->sni_), "sn_case is too small");

enum { MAX_CASES = 65535 };

/* Whether all cases are tried at one moment, or each will be looked at anyway by what watches it. */
enum moment { ONE_MOMENT, SOME_MOMENT };

struct select {
    sn_case *cases;
    enum moment moment;
    uint32_t n, nlocks;
    struct sni_wait *wait;
    uint64_t seq;
    struct sni_rt *rt;       /* NULL: nothing is watched */
    struct sni_timers *heap; /* NULL: no case is a time */
    struct sni_timer timer;
    uint32_t committed;      /* (a) */
};

static struct part *part(sn_case *c)
{
    return (struct part *)c->sni_;
}

static bool is_chan(const sn_case *c)
{
    return c->sni_kind == SNI_CASE_RECV || c->sni_kind == SNI_CASE_SEND;
}

static bool is_waitable(const sn_case *c)
{
    return c->sni_kind == SNI_CASE_WAITABLE;
}

static bool is_group(const sn_case *c)
{
    return c->sni_kind == SNI_CASE_GROUP;
}

static bool is_watched(const sn_case *c)
{
    return c->sni_kind >= SNI_CASE_TASK;
}

static bool before(const sn_case *a, const sn_case *b)
{
    const void *p = a->sni_object, *q = b->sni_object;

    if (a->sni_kind != b->sni_kind && (is_waitable(a) || is_waitable(b)))
        return is_waitable(b);
    if (is_chan(a) && ((const sn_rawchan *)p)->id != ((const sn_rawchan *)q)->id)
        return ((const sn_rawchan *)p)->id < ((const sn_rawchan *)q)->id;
    return (uintptr_t)p < (uintptr_t)q; /* id 0, without a runtime, is shared */
}

/* --- locks --- */

static void lock(sn_case *c)
{
    if (is_waitable(c))
        sni_waitable_lock(c->sni_object);
    else
        sni_spin_lock(&((sn_rawchan *)c->sni_object)->lock);
}

static void unlock(sn_case *c)
{
    if (is_waitable(c))
        sni_waitable_give(c->sni_object);
    else
        sni_spin_unlock(&((sn_rawchan *)c->sni_object)->lock);
}

static bool has_lock(const sn_case *c)
{
    return is_chan(c) || is_waitable(c);
}

/* --- trying --- */

static bool chan_now(sn_case *c, struct sni_wait **peer)
{
    return c->sni_kind == SNI_CASE_RECV ? sni_chan_recv_now(c->sni_object, c->sni_out, &c->err, peer)
                                        : sni_chan_send_now(c->sni_object, c->sni_in, &c->err, peer);
}

static bool waitable_now(sn_case *c, struct sni_wakes *wakes)
{
    return sni_waitable_take_now(c->sni_object, c->sni_ops, c->sni_arg, &c->err, wakes);
}

/* (locked) Whom it lets go on is added to `wakes`. */
static bool try_locked(sn_case *c, struct sni_wakes *wakes)
{
    struct sni_wait *peer;

    if (is_waitable(c))
        return waitable_now(c, wakes);
    bool done = chan_now(c, &peer);
    if (peer)
        sni_wakes_add(wakes, peer);
    return done;
}

/* A context that can end; the background is never chosen. */
static bool is_ctx(const sn_case *c)
{
    return c->sni_kind == SNI_CASE_CTX && !sni_ctx_endless(c->sni_object);
}

/* What is to be watched is looked up once: from here on the select is about this one. */
static void look_up(sn_case *c)
{
    struct sni_rt *rt = sni_rt_self();

    if (c->sni_kind == SNI_CASE_TASK)
        part(c)->end = (struct sni_end_node){ .task = rt ? sni_task_find(rt, c->sni_id) : NULL, .id = c->sni_id };
    else
        part(c)->poll = (struct sni_poll_node){ .began = rt ? sni_poll_begin(rt, c->sni_fd) : 0,
                                                .fd = c->sni_fd,
                                                .events = c->sni_kind == SNI_CASE_READABLE ? SN_FD_READ : SN_FD_WRITE };
}

static void look_up_from(sn_case *cases, uint32_t first, size_t n)
{
    for (uint32_t i = first; i < n; i++)
        if (is_watched(&cases[i]))
            look_up(&cases[i]);
}

static bool has_ended(const struct sni_end_node *n)
{
    return !n->task || !sni_task_is(n->task, n->id);
}

static bool try_fd(sn_case *c, enum moment moment)
{
    struct sni_poll_node *n = &part(c)->poll;
    int r = sni_watch_is_told(&n->watch) ? n->watch.value : moment == ONE_MOMENT ? sni_poll_look(sni_rt_self(), n) : 0;

    c->err = r < 0 ? r : 0;
    return r != 0;
}

/* One that is watched has been looked up. */
static bool try_other(sn_case *c, enum moment moment)
{
    c->err = 0;
    switch (c->sni_kind) {
    case SNI_CASE_CTX:
        return (c->err = sni_ctx_check(c->sni_object)) != 0;
    case SNI_CASE_TIME:
        return c->sni_time <= sn_now();
    case SNI_CASE_AFTER:
        return c->sni_time <= 0;
    case SNI_CASE_TASK:
        return has_ended(&part(c)->end);
    case SNI_CASE_GROUP:
        return sni_group_is_done(c->sni_object);
    case SNI_CASE_READABLE:
    case SNI_CASE_WRITABLE:
        return try_fd(c, moment);
    default:
        return false;
    }
}

static bool try_chan(sn_case *c)
{
    sn_rawchan *ch = c->sni_object;
    struct sni_wait *peer;

    sni_spin_lock(&ch->lock);
    bool done = chan_now(c, &peer);
    sni_spin_unlock(&ch->lock);
    if (peer)
        sni_ready(peer);
    return done;
}

static bool try_waitable(sn_case *c)
{
    struct sni_wakes wakes;

    sni_wakes_init(&wakes);
    lock(c);
    bool done = waitable_now(c, &wakes);
    unlock(c);
    sni_wakes_ready(&wakes);
    return done;
}

static bool try_one(sn_case *c)
{
    if (sni_likely(is_chan(c)))
        return try_chan(c);
    if (is_watched(c))
        look_up(c);
    return is_waitable(c) ? try_waitable(c) : try_other(c, ONE_MOMENT);
}

/* The next index of a random permutation, made as far as it is needed (Fisher and Yates). */
static uint32_t draw(sn_case *cases, uint32_t n, uint32_t i)
{
    uint32_t k = i + (n - i > 1 ? sni_choose(n - i) : 0);
    uint32_t index = part(&cases[k])->try_order;

    part(&cases[k])->try_order = part(&cases[i])->try_order;
    part(&cases[i])->try_order = index;
    return index;
}

static void order_as_given(sn_case *cases, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        part(&cases[i])->try_order = i;
}

static void order_at_random(sn_case *cases, uint32_t n)
{
    order_as_given(cases, n);
    for (uint32_t i = 0; i < n; i++)
        (void)draw(cases, n, i);
}

/* One after the other; all have their place in the random order if none can happen. */
static int try_each(sn_case *cases, uint32_t n)
{
    order_as_given(cases, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t k = draw(cases, n, i);
        if (try_one(&cases[k]))
            return (int)k;
    }
    return SN_EAGAIN;
}

/* --- all at one moment --- */

/* Shell's sort: no memory, no recursion, and short arrays are the rule. */
static void order_locks(struct select *s)
{
    sn_case *c = s->cases;
    uint32_t gap = 1;

    s->nlocks = 0;
    for (uint32_t i = 0; i < s->n; i++)
        if (has_lock(&c[i]))
            part(&c[s->nlocks++])->lock_order = i;
    while (gap < s->nlocks / 3)
        gap = gap * 3 + 1;
    for (; gap > 0; gap /= 3) {
        for (uint32_t i = gap; i < s->nlocks; i++) {
            uint32_t index = part(&c[i])->lock_order, k = i;
            for (; k >= gap && before(&c[index], &c[part(&c[k - gap])->lock_order]); k -= gap)
                part(&c[k])->lock_order = part(&c[k - gap])->lock_order;
            part(&c[k])->lock_order = index;
        }
    }
}

/* The k-th to lock; NULL: that object is locked already. */
static sn_case *lock_at(struct select *s, uint32_t k)
{
    sn_case *c = &s->cases[part(&s->cases[k])->lock_order];

    return k > 0 && s->cases[part(&s->cases[k - 1])->lock_order].sni_object == c->sni_object ? NULL : c;
}

static void lock_all(struct select *s)
{
    sn_case *c;

    for (uint32_t k = 0; k < s->nlocks; k++)
        if ((c = lock_at(s, k)) != NULL)
            lock(c);
}

static void unlock_all(struct select *s)
{
    sn_case *c;

    for (uint32_t k = s->nlocks; k-- > 0;)
        if ((c = lock_at(s, k)) != NULL)
            unlock(c);
}

/* The k-th to try, without a lock, can happen; so may by now one that is tried before it. The first of them all. */
static uint32_t first_of(const struct select *s, uint32_t k)
{
    for (uint32_t j = 0; j < k; j++) {
        sn_case *c = &s->cases[part(&s->cases[j])->try_order];
        if (!has_lock(c) && try_other(c, s->moment)) {
            k = j;
            j = UINT32_MAX; /* from the beginning */
        }
    }
    return part(&s->cases[k])->try_order;
}

/* Tries all cases at one moment. SN_EAGAIN: none can happen, and the locks are held; else all is done. */
static int try_all(struct select *s)
{
    struct sni_wakes wakes;

    sni_wakes_init(&wakes);
    order_locks(s);
    lock_all(s);
    for (uint32_t k = 0; k < s->n; k++) {
        uint32_t i = part(&s->cases[k])->try_order;
        if (has_lock(&s->cases[i]) ? !try_locked(&s->cases[i], &wakes) : !try_other(&s->cases[i], s->moment))
            continue;
        if (!has_lock(&s->cases[i]))
            i = first_of(s, k);
        unlock_all(s);
        sni_wakes_ready(&wakes);
        return (int)i;
    }
    return SN_EAGAIN;
}

/* --- waiting --- */

static const struct sni_reason selecting = { "in a select", NULL, NULL, NULL };

static void enqueue(struct select *s)
{
    /* Several cases on one channel are served in the order of their nodes. */
    for (uint32_t k = 0; k < s->n; k++) {
        uint32_t i = part(&s->cases[k])->try_order;
        sn_case *c = &s->cases[i];
        if (is_chan(c)) {
            sn_rawchan *ch = c->sni_object;
            void *ptr = c->sni_kind == SNI_CASE_RECV ? c->sni_out : (void *)(uintptr_t)c->sni_in;
            part(c)->chan = (struct sni_chan_node){ .wait = s->wait, .seq = s->seq, .ptr = ptr, .index = i };
            sni_list_append(c->sni_kind == SNI_CASE_RECV ? &ch->receivers : &ch->senders, &part(c)->chan.link);
        } else if (is_waitable(c)) {
            part(c)->node = (struct sni_node){
                .wait = s->wait, .seq = s->seq, .ops = c->sni_ops, .arg = c->sni_arg, .index = (int32_t)i
            };
            sni_waitable_push(c->sni_object, &part(c)->node);
        } else if (is_ctx(c)) {
            sni_ctx_node_add(c->sni_object, &part(c)->ctx, s->wait, (int32_t)i);
        }
    }
}

static void commit_select(void *p)
{
    struct select *s = p;
    struct sni_wait *wait = s->wait;
    uint64_t seq = s->seq;
    int32_t ended = -1;

    for (uint32_t i = 0; i < s->n; i++) {
        sn_case *c = &s->cases[i];
        if (is_ctx(c)) {
            if (sni_ctx_arm(c->sni_object, &part(c)->ctx, seq) != 0)
                ended = (int32_t)i;
        } else if ((is_watched(c) && !sni_watch_arm(&part(c)->watch)) || (is_group(c) && !sni_group_arm(c->sni_object))) {
            ended = (int32_t)i;
        }
    }
    if (s->heap)
        sni_timer_add(s->heap, &s->timer);
    unlock_all(s);
    sni_store_rel(&s->committed, 1u); /* pairs with the acquire in wait_for_case; *s may be gone */
    if (ended >= 0 && sni_claim(wait, seq, ended))
        sni_ready(wait);
}

static void unwatch_all(struct select *s)
{
    for (uint32_t i = 0; i < s->n && s->rt; i++)
        if (s->cases[i].sni_kind == SNI_CASE_TASK)
            sni_end_unwatch(s->rt, &part(&s->cases[i])->end);
        else if (is_watched(&s->cases[i]))
            sni_poll_unwatch(s->rt, &part(&s->cases[i])->poll);
}

/* Takes the nodes of all cases but the chosen one (-1: none) out of their queues. The chosen one's object is not touched
 * on its account: its owner may free it as soon as the effect is seen. */
static void dequeue(struct select *s, int chosen)
{
    for (uint32_t i = 0; i < s->n; i++) {
        sn_case *c = &s->cases[i];
        if (is_ctx(c)) {
            sni_ctx_node_remove(c->sni_object, &part(c)->ctx);
        } else if (is_chan(c) && (int)i != chosen) {
            sn_rawchan *ch = c->sni_object;
            sni_spin_lock(&ch->lock);
            if (part(c)->chan.link.next)
                sni_list_remove(&part(c)->chan.link);
            sni_spin_unlock(&ch->lock);
        } else if (is_waitable(c) && (int)i != chosen) {
            sni_waitable_leave(c->sni_object, &part(c)->node);
        } else if (is_group(c) && (int)i != chosen) {
            sni_group_unwatch(c->sni_object);
        }
    }
    unwatch_all(s);
    if (s->heap)
        (void)sni_timer_del(&s->timer);
}

/* Finds the earliest time among the cases and prepares the timer for it. */
static int prepare_timer(struct select *s)
{
    int64_t now = 0;
    struct sni_rt *rt = sni_rt_self();

    for (uint32_t i = 0; i < s->n; i++) {
        sn_case *c = &s->cases[i];
        int64_t deadline = c->sni_time;
        if (c->sni_kind != SNI_CASE_TIME && c->sni_kind != SNI_CASE_AFTER)
            continue;
        if (c->sni_kind == SNI_CASE_AFTER) {
            now = now ? now : sn_now();
            deadline = deadline > SN_FOREVER - now ? SN_FOREVER : now + deadline;
        }
        if (!s->heap) {
            if (!rt)
                return SN_ENOTRUNNING;
            int r = sni_timer_reserve(rt, &s->heap);
            if (r < 0)
                return r;
        } else if (deadline >= s->timer.deadline) {
            continue;
        }
        s->timer = (struct sni_timer){ .deadline = deadline, .result = (int32_t)i, .wait = s->wait, .seq = s->seq };
    }
    return 0;
}

static int watch(struct select *s, sn_case *c, int32_t index)
{
    part(c)->watch = (struct sni_watch){ .wait = s->wait, .seq = s->seq, .index = index };
    if (c->sni_kind == SNI_CASE_TASK && has_ended(&part(c)->end)) {
        part(c)->watch.state = SNI_WATCH_TOLD;
        return 0;
    }
    if (!s->rt && !(s->rt = sni_rt_self()))
        return SN_ENOTRUNNING;
    if (c->sni_kind != SNI_CASE_TASK)
        return sni_poll_watch(s->rt, &part(c)->poll);
    sni_end_watch(s->rt, &part(c)->end);
    return 0;
}

/* Watches what is watched, without a lock. The cases have been looked up. */
static int watch_all(struct select *s)
{
    int r = 0;

    for (uint32_t i = 0; i < s->n && r == 0; i++) {
        sn_case *c = &s->cases[i];
        if (is_group(c))
            sni_group_watch(c->sni_object, s->wait, s->seq, (int32_t)i);
        else if (is_watched(c))
            r = watch(s, c, (int32_t)i);
    }
    return r;
}

/* How the case went that we were claimed for. */
static int outcome(sn_case *c)
{
    if (is_waitable(c))
        return part(c)->node.err;
    if (is_watched(c))
        return part(c)->watch.value < 0 ? part(c)->watch.value : 0;
    return c->sni_kind == SNI_CASE_CTX ? sn_ctx_err(c->sni_object) : 0;
}

static int wait_for_case(sn_ctx *ctx, sn_case *cases, uint32_t n, struct sni_wait *wait, enum moment moment)
{
    struct select s = { .cases = cases, .moment = moment, .n = n, .wait = wait, .seq = sni_wait_seq(wait) };
    int r;

    int prepared = prepare_timer(&s);
    if ((r = watch_all(&s)) < 0 || (r = try_all(&s)) != SN_EAGAIN || prepared < 0) {
        if (r == SN_EAGAIN) {
            unlock_all(&s);
            r = prepared;
        }
        unwatch_all(&s);
        if (s.heap)
            sni_timer_unreserve(s.heap);
        return r;
    }
    enqueue(&s);
    r = sni_park(wait, ctx, &selecting, NULL, commit_select, &s);
    while (!sni_load_acq(&s.committed)) /* pairs with the release in commit_select */
        sni_pause();
    int chosen = r < 0 ? -1 : r & ~SNI_CHOSEN_CLOSED;
    if (chosen >= 0)
        cases[chosen].err = r & SNI_CHOSEN_CLOSED ? SN_ECLOSED : outcome(&cases[chosen]);
    dequeue(&s, chosen);
    return chosen < 0 ? r : chosen;
}

/* What every blocking select begins with: the wait and the context in use, or an error. */
static int begin(sn_ctx **ctx, size_t n, struct sni_wait **wait)
{
    if (n > MAX_CASES)
        return SN_EINVAL;
    if (!(*wait = sni_enter("selects", NULL)))
        return SN_ENOMEM;
    *ctx = sni_ctx_resolve(*ctx, *wait);
    return sni_ctx_check(*ctx);
}

int sn_select(sn_ctx *ctx, sn_case *cases, size_t n)
{
    struct sni_wait *wait;
    int r;

    if ((r = begin(&ctx, n, &wait)) != 0 || (r = try_each(cases, (uint32_t)n)) != SN_EAGAIN)
        return r;
    return wait_for_case(ctx, cases, (uint32_t)n, wait, SOME_MOMENT);
}

int sn_select_priority(sn_ctx *ctx, sn_case *cases, size_t n)
{
    struct sni_wait *wait;
    int r;

    if ((r = begin(&ctx, n, &wait)) != 0)
        return r;
    if (n > 0 && try_one(&cases[0]))
        return 0;
    look_up_from(cases, 1, n);
    order_as_given(cases, (uint32_t)n);
    return wait_for_case(ctx, cases, (uint32_t)n, wait, ONE_MOMENT);
}

int sn_select_try(sn_case *cases, size_t n)
{
    struct select s = { .cases = cases, .n = (uint32_t)n };
    int r;

    if (n > MAX_CASES)
        return SN_EINVAL;
    sni_point("tries to select", NULL);
    if (n < 2)
        return n == 1 && try_one(&cases[0]) ? 0 : SN_EAGAIN;
    look_up_from(cases, 0, n);
    order_at_random(cases, (uint32_t)n);
    if ((r = try_all(&s)) == SN_EAGAIN)
        unlock_all(&s);
    return r;
}
