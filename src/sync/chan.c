/* Channels: a ring of values under a spin lock, and two queues of waiters. A value goes straight to a waiting receiver;
 * a receiver that makes room moves the longest-waiting sender's value into the buffer, so that values and waiters are
 * both served first come, first served. Wakes happen after unlock. */
#include "sync/chan.h"

#include "sched/alloc.h"
#include "sched/park.h"
#include "sennit/error.h"

#include <stdio.h>
#include <string.h>

enum { MAGIC = 0x6368616e, DEAD = 0x64656164 };

static void describe(const void *object, char *buf, size_t size)
{
    sn_rawchan ch;

    if (sni_peek(&ch, object, sizeof ch))
        (void)snprintf(buf, size, "%llu (%zu of %zu values%s)", (unsigned long long)ch.id, ch.count, ch.cap,
                       ch.closed ? ", closed" : "");
}

const struct sni_reason sni_chan_sending = { "sending to channel", describe, NULL, NULL };
const struct sni_reason sni_chan_receiving = { "receiving from channel", describe, NULL, NULL };

static inline void copy(void *to, const void *from, size_t size)
{
    if (sni_likely(size == 8))
        memcpy(to, from, 8);
    else if (size == 4)
        memcpy(to, from, 4);
    else if (size)
        memcpy(to, from, size);
}

static inline void push_value(sn_rawchan *ch, const void *value)
{
    copy(ch->buf + ch->tail * ch->size, value, ch->size);
    ch->tail = ch->tail + 1 == ch->cap ? 0 : ch->tail + 1;
    ch->count++;
}

static inline void pop_value(sn_rawchan *ch, void *value)
{
    copy(value, ch->buf + ch->head * ch->size, ch->size);
    ch->head = ch->head + 1 == ch->cap ? 0 : ch->head + 1;
    ch->count--;
}

/* (L) The longest waiter that can be claimed leaves its queue; NULL if there is none. Nodes that another waker was
 * faster with are dropped on the way: their owners find themselves out of the queue. */
static inline struct sni_chan_node *claim_first(struct sni_link *queue)
{
    while (!sni_list_empty(queue)) {
        struct sni_chan_node *n = sni_container(queue->next, struct sni_chan_node, link);
        struct sni_wait *wait = n->wait;
        sni_list_remove(&n->link);
        if (sni_claim(wait, n->seq, (int32_t)n->index))
            return n;
    }
    return NULL;
}

static sni_inline bool send_now(sn_rawchan *ch, const void *value, int *err, struct sni_wait **peer)
{
    struct sni_chan_node *n;

    *peer = NULL;
    *err = 0;
    if (sni_unlikely(ch->closed)) {
        *err = SN_ECLOSED;
        return true;
    }
    if ((n = claim_first(&ch->receivers)) != NULL) {
        copy(n->ptr, value, ch->size);
        *peer = n->wait;
        return true;
    }
    if (ch->count < ch->cap) {
        push_value(ch, value);
        return true;
    }
    return false;
}

static sni_inline bool recv_now(sn_rawchan *ch, void *value, int *err, struct sni_wait **peer)
{
    struct sni_chan_node *n;

    *peer = NULL;
    *err = 0;
    if (ch->count > 0) {
        pop_value(ch, value);
        if (sni_unlikely(!sni_list_empty(&ch->senders)) && (n = claim_first(&ch->senders)) != NULL) {
            push_value(ch, n->ptr);
            *peer = n->wait;
        }
        return true;
    }
    if ((n = claim_first(&ch->senders)) != NULL) {
        copy(value, n->ptr, ch->size);
        *peer = n->wait;
        return true;
    }
    if (sni_unlikely(ch->closed)) {
        *err = SN_ECLOSED;
        return true;
    }
    return false;
}

bool sni_chan_send_now(sn_rawchan *ch, const void *value, int *err, struct sni_wait **peer)
{
    return send_now(ch, value, err, peer);
}

bool sni_chan_recv_now(sn_rawchan *ch, void *value, int *err, struct sni_wait **peer)
{
    return recv_now(ch, value, err, peer);
}

/* Woken by something else than a peer: takes the node out of its queue, if it is still there. */
static void abandon(sn_rawchan *ch, struct sni_chan_node *n)
{
    sni_spin_lock(&ch->lock);
    if (n->link.next)
        sni_list_remove(&n->link);
    sni_spin_unlock(&ch->lock);
}

/* (L) Parks in the queue until a peer, a close or the context's end; the next context unlocks. */
static sni_inline int wait_in(struct sni_link *queue, sn_ctx *ctx, sn_rawchan *ch, struct sni_wait *wait, void *ptr,
                              const struct sni_reason *reason)
{
    struct sni_chan_node n = { .wait = wait, .seq = sni_wait_seq(wait), .ptr = ptr };

    sni_list_append(queue, &n.link);
    int r = sni_park(wait, ctx, reason, ch, sni_commit_unlock, &ch->lock);
    if (sni_likely(r == 0))
        return 0;
    if (r == SNI_CHOSEN_CLOSED)
        return SN_ECLOSED;
    abandon(ch, &n);
    return r;
}

static inline const void *number(const sn_rawchan *ch)
{
    return ch ? (const void *)(uintptr_t)ch->id : NULL;
}

static sni_inline int send_as(struct sni_wait *wait, sn_ctx *ctx, sn_rawchan *ch, const void *value)
{
    struct sni_wait *peer;
    int r;

    if (sni_unlikely(!ch || !wait))
        return ch ? SN_ENOMEM : SN_EINVAL;
    ctx = sni_ctx_resolve(ctx, wait);
    if (sni_unlikely((r = sni_ctx_check(ctx)) != 0))
        return r;
    sni_spin_lock(&ch->lock);
    if (send_now(ch, value, &r, &peer)) {
        sni_spin_unlock(&ch->lock);
        if (peer)
            sni_ready(peer);
        return r;
    }
    return wait_in(&ch->senders, ctx, ch, wait, (void *)(uintptr_t)value, &sni_chan_sending);
}

static sni_inline int recv_as(struct sni_wait *wait, sn_ctx *ctx, sn_rawchan *ch, void *value)
{
    struct sni_wait *peer;
    int r;

    if (sni_unlikely(!ch || !wait))
        return ch ? SN_ENOMEM : SN_EINVAL;
    ctx = sni_ctx_resolve(ctx, wait);
    if (sni_unlikely((r = sni_ctx_check(ctx)) != 0))
        return r;
    sni_spin_lock(&ch->lock);
    if (recv_now(ch, value, &r, &peer)) {
        sni_spin_unlock(&ch->lock);
        if (peer)
            sni_ready(peer);
        return r;
    }
    return wait_in(&ch->receivers, ctx, ch, wait, value, &sni_chan_receiving);
}

static __attribute__((noinline)) int send_watched(sn_ctx *ctx, sn_rawchan *ch, const void *value)
{
    int r = send_as(sni_enter("sends to #channel", number(ch)), ctx, ch, value);

    sni_point(NULL, NULL);
    return r;
}

static __attribute__((noinline)) int recv_watched(sn_ctx *ctx, sn_rawchan *ch, void *value)
{
    int r = recv_as(sni_enter("receives from #channel", number(ch)), ctx, ch, value);

    sni_point(NULL, NULL);
    return r;
}

int sn_rawchan_send(sn_ctx *ctx, sn_rawchan *ch, const void *value)
{
    struct sni_worker *w = sni_self();

    if (sni_unlikely(sni_is_watched(w)))
        return send_watched(ctx, ch, value);
    return send_as(&w->own.current->wait, ctx, ch, value);
}

int sn_rawchan_recv(sn_ctx *ctx, sn_rawchan *ch, void *value)
{
    struct sni_worker *w = sni_self();

    if (sni_unlikely(sni_is_watched(w)))
        return recv_watched(ctx, ch, value);
    return recv_as(&w->own.current->wait, ctx, ch, value);
}

int sni_chan_try_send(sn_rawchan *ch, const void *value)
{
    struct sni_wait *peer;
    int r;

    sni_spin_lock(&ch->lock);
    bool done = send_now(ch, value, &r, &peer);
    sni_spin_unlock(&ch->lock);
    if (done && peer)
        sni_ready(peer);
    return done ? r : SN_EAGAIN;
}

int sni_chan_try_recv(sn_rawchan *ch, void *value)
{
    struct sni_wait *peer;
    int r;

    sni_spin_lock(&ch->lock);
    bool done = recv_now(ch, value, &r, &peer);
    sni_spin_unlock(&ch->lock);
    if (done && peer)
        sni_ready(peer);
    return done ? r : SN_EAGAIN;
}

int sn_rawchan_try_send(sn_rawchan *ch, const void *value)
{
    int r;

    if (!ch)
        return SN_EINVAL;
    sni_point("tries to send to #channel", number(ch));
    r = sni_chan_try_send(ch, value);
    sni_point(NULL, NULL);
    return r;
}

int sn_rawchan_try_recv(sn_rawchan *ch, void *value)
{
    int r;

    if (!ch)
        return SN_EINVAL;
    sni_point("tries to receive from #channel", number(ch));
    r = sni_chan_try_recv(ch, value);
    sni_point(NULL, NULL);
    return r;
}

static void claim_all(struct sni_link *queue, struct sni_wakes *wakes)
{
    while (!sni_list_empty(queue)) {
        struct sni_chan_node *n = sni_container(queue->next, struct sni_chan_node, link);
        struct sni_wait *wait = n->wait;
        sni_list_remove(&n->link);
        if (sni_claim(wait, n->seq, (int32_t)(n->index | SNI_CHOSEN_CLOSED)))
            sni_wakes_add(wakes, wait);
    }
}

void sn_rawchan_close(sn_rawchan *ch)
{
    struct sni_wakes wakes;

    if (!ch)
        return;
    sni_point("closes #channel", number(ch));
    sni_wakes_init(&wakes);
    sni_spin_lock(&ch->lock);
    ch->closed = true;
    claim_all(&ch->receivers, &wakes);
    claim_all(&ch->senders, &wakes);
    sni_spin_unlock(&ch->lock);
    sni_wakes_ready(&wakes);
    sni_point(NULL, NULL);
}

int sn_rawchan_make(sn_rawchan **out, size_t size, size_t cap)
{
    struct sni_rt *rt = sni_rt_self();
    size_t bytes;

    if (__builtin_mul_overflow(size, cap, &bytes) || __builtin_add_overflow(bytes, sizeof(sn_rawchan), &bytes))
        return SN_EINVAL;
    sn_rawchan *ch = sni_alloc(bytes);
    if (!ch)
        return SN_ENOMEM;
    ch->magic = MAGIC;
    ch->size = size;
    ch->cap = cap;
    ch->id = rt ? sni_add_rlx(&rt->next_id, (uint64_t)1) + 1 : 0;
    sni_list_init(&ch->receivers);
    sni_list_init(&ch->senders);
    *out = ch;
    return 0;
}

void sn_rawchan_free(sn_rawchan *ch)
{
    if (!ch)
        return;
    sni_spin_lock(&ch->lock); /* who had the last operation may not have let go of the lock yet */
    sni_check(ch->magic == MAGIC, "sn_chan_free: not a channel, or freed already");
    sni_check(sni_list_empty(&ch->receivers) && sni_list_empty(&ch->senders),
              "sn_chan_free: somebody waits on channel %llu", (unsigned long long)ch->id);
    ch->magic = DEAD;
    sni_spin_unlock(&ch->lock);
    sni_free(ch, sizeof *ch + ch->size * ch->cap);
}

size_t sn_rawchan_len(sn_rawchan *ch)
{
    size_t n;

    if (!ch)
        return 0;
    sni_point("counts #channel", number(ch));
    sni_spin_lock(&ch->lock);
    n = ch->count;
    sni_spin_unlock(&ch->lock);
    return n;
}

size_t sn_rawchan_cap(sn_rawchan *ch)
{
    return ch ? ch->cap : 0;
}
