/* Rings. Places are numbered from 0 for ever; place p lies in slot p % capacity. tail is the next place to push to, head the
 * next to pop from.
 *
 * SPSC (Lamport 1983; each side keeps a copy of the other's index and looks again only when that says full or empty, after
 * Lee, Bu and Chandranmenon's MCRingBuffer, 2010): (1) the producer alone writes tail, and slots of places in
 * [head, tail + capacity); the consumer alone writes head, and reads slots of places in [head, tail).
 *
 * MPSC, MPMC (Vyukov's bounded queue, 2010): each slot has a number, seq, that says whose turn it is:
 *
 *     seq == p                  empty, for the push to place p       -> p + 1, by that push, when the value is in
 *     seq == p + 1              full, for the pop of place p         -> p + capacity, by that pop, when the value is out
 *
 * (2) Who has moved tail from p to p + 1 owns the slot until it sets seq to p + 1; who has moved head from p owns it until
 * it sets seq to p + capacity. Nobody moves either before seq says that it may. With a capacity of 1 "full" would read as
 * "empty, for the next": so there are at least two slots.
 *
 * Orders: what lies in a slot is ordered by tail and head (SPSC) or by seq (the others), release and acquire, in both
 * directions. The compare-and-swap of an index orders nothing, it only gives places out. */
#include "sennit/ring.h"

#include "sched/alloc.h"
#include "sched/park.h"

enum { MAGIC = 0x52494e47 }; /* "RING" */

/* (c) const after make  (p) the producer's  (q) the consumer's  (a) atomic. A cache line each for what changes. */
struct sn_rawring {
    uint32_t magic;     /* (c) */
    uint32_t kind;      /* (c) */
    size_t size;        /* (c) bytes of an element */
    size_t stride;      /* (c) bytes of a slot */
    uint64_t mask;      /* (c) capacity - 1 */
    uint64_t pad[4];
    uint64_t tail;      /* (a) SPSC: (p) writes */
    uint64_t head_seen; /* (p) SPSC */
    uint64_t pad2[6];
    uint64_t head;      /* (a) SPSC, MPSC: (q) writes */
    uint64_t tail_seen; /* (q) SPSC */
    uint64_t pad3[6];
    char slots[];
};

/* A slot of the kinds with many producers. */
struct slot {
    uint64_t seq; /* (a) */
    char value[];
};

static inline void copy(void *to, const void *from, size_t size)
{
    if (sni_likely(size == 8))
        memcpy(to, from, 8);
    else if (size == 4)
        memcpy(to, from, 4);
    else
        memcpy(to, from, size);
}

/* --- one producer, one consumer --- */

/* (p) How many places from `tail` on are free; looked up only if fewer than `want` were at the last look. */
static inline uint64_t room(sn_rawring *r, uint64_t tail, uint64_t want)
{
    uint64_t cap = r->mask + 1;

    if (cap - (tail - r->head_seen) < want)
        r->head_seen = sni_load_acq(&r->head); /* pairs with the release in spsc_pop: those places are empty */
    return cap - (tail - r->head_seen);
}

/* (q) How many places from `head` on are full. */
static inline uint64_t stock(sn_rawring *r, uint64_t head, uint64_t want)
{
    if (r->tail_seen - head < want)
        r->tail_seen = sni_load_acq(&r->tail); /* pairs with the release in spsc_push: those places are full */
    return r->tail_seen - head;
}

/* Copies k values between `values` and the slots from `place` on: two pieces where the ring comes round. */
static void copy_in(sn_rawring *r, uint64_t place, const char *values, uint64_t k)
{
    uint64_t at = place & r->mask, first = r->mask + 1 - at < k ? r->mask + 1 - at : k;

    memcpy(r->slots + at * r->size, values, first * r->size);
    memcpy(r->slots, values + first * r->size, (k - first) * r->size);
}

static void copy_out(sn_rawring *r, uint64_t place, char *values, uint64_t k)
{
    uint64_t at = place & r->mask, first = r->mask + 1 - at < k ? r->mask + 1 - at : k;

    memcpy(values, r->slots + at * r->size, first * r->size);
    memcpy(values + first * r->size, r->slots, (k - first) * r->size);
}

static inline int spsc_push(sn_rawring *r, const void *values, uint64_t n)
{
    uint64_t tail = sni_load_rlx(&r->tail), k = room(r, tail, n); /* ours */

    if (k == 0)
        return SN_EAGAIN;
    if (k > n)
        k = n;
    if (sni_likely(k == 1))
        copy(r->slots + (tail & r->mask) * r->size, values, r->size);
    else
        copy_in(r, tail, values, k);
    sni_store_rel(&r->tail, tail + k); /* pairs with the acquire in stock */
    return (int)k;
}

static inline int spsc_pop(sn_rawring *r, void *values, uint64_t n)
{
    uint64_t head = sni_load_rlx(&r->head), k = stock(r, head, n); /* ours */

    if (k == 0)
        return SN_EAGAIN;
    if (k > n)
        k = n;
    if (sni_likely(k == 1))
        copy(values, r->slots + (head & r->mask) * r->size, r->size);
    else
        copy_out(r, head, values, k);
    sni_store_rel(&r->head, head + k); /* pairs with the acquire in room */
    return (int)k;
}

/* --- many producers --- */

static inline struct slot *slot_of(sn_rawring *r, uint64_t place)
{
    return (struct slot *)(void *)(r->slots + (place & r->mask) * r->stride);
}

static int shared_push(sn_rawring *r, const void *value)
{
    uint64_t place = sni_load_rlx(&r->tail); /* a guess, which seq and the exchange check */

    for (;;) {
        struct slot *s = slot_of(r, place);
        int64_t turn = (int64_t)(sni_load_acq(&s->seq) - place); /* pairs with the release in shared_pop and mpsc_pop */
        if (turn == 0) {
            if (sni_cas_rlx(&r->tail, &place, place + 1)) { /* a place, and nothing more */
                copy(s->value, value, r->size);
                sni_store_rel(&s->seq, place + 1); /* pairs with the acquire in shared_pop and mpsc_pop */
                return 0;
            }
        } else if (turn < 0) {
            return SN_EAGAIN; /* not popped yet, or not popped to the end */
        } else {
            place = sni_load_rlx(&r->tail); /* another has it */
        }
    }
}

static int shared_pop(sn_rawring *r, void *value)
{
    uint64_t place = sni_load_rlx(&r->head); /* as in shared_push */

    for (;;) {
        struct slot *s = slot_of(r, place);
        int64_t turn = (int64_t)(sni_load_acq(&s->seq) - (place + 1)); /* pairs with the release in shared_push */
        if (turn == 0) {
            if (sni_cas_rlx(&r->head, &place, place + 1)) {
                copy(value, s->value, r->size);
                sni_store_rel(&s->seq, place + r->mask + 1); /* pairs with the acquire in shared_push */
                return 0;
            }
        } else if (turn < 0) {
            return SN_EAGAIN; /* not pushed yet, or not pushed to the end */
        } else {
            place = sni_load_rlx(&r->head);
        }
    }
}

/* (q) */
static int mpsc_pop(sn_rawring *r, void *value)
{
    uint64_t place = sni_load_rlx(&r->head); /* ours */
    struct slot *s = slot_of(r, place);

    if (sni_load_acq(&s->seq) != place + 1) /* pairs with the release in shared_push */
        return SN_EAGAIN;
    copy(value, s->value, r->size);
    sni_store_rel(&s->seq, place + r->mask + 1); /* pairs with the acquire in shared_push */
    sni_store_rlx(&r->head, place + 1);          /* for sn_ring_len */
    return 0;
}

/* --- the interface --- */

int sn_rawring_make(sn_rawring **out, sn_ring_kind kind, size_t elem_size, size_t cap)
{
    size_t stride = kind == SN_RING_SPSC ? elem_size : sizeof(struct slot) + (elem_size + 7) / 8 * 8;
    size_t n = 2;
    sn_rawring *r;

    if (kind < SN_RING_SPSC || kind > SN_RING_MPMC || elem_size == 0 || cap == 0 || elem_size > SIZE_MAX / 4 ||
        cap > SIZE_MAX / 4 / stride)
        return SN_EINVAL;
    while (n < cap)
        n *= 2;
    if (!(r = sni_alloc(sizeof *r + n * stride)))
        return SN_ENOMEM;
    r->magic = MAGIC;
    r->kind = kind;
    r->size = elem_size;
    r->stride = stride;
    r->mask = n - 1;
    if (kind != SN_RING_SPSC)
        for (size_t i = 0; i < n; i++)
            slot_of(r, i)->seq = i;
    *out = r;
    return 0;
}

void sn_rawring_free(sn_rawring *r)
{
    if (!r)
        return;
    sni_check(r->magic == MAGIC, "sn_ring_free: this is no ring, or was freed already");
    r->magic = 0;
    sni_free(r, sizeof *r + (r->mask + 1) * r->stride);
}

static sni_inline int push_one(sn_rawring *r, const void *value)
{
    if (sni_likely(r->kind == SN_RING_SPSC))
        return spsc_push(r, value, 1) > 0 ? 0 : SN_EAGAIN;
    return shared_push(r, value);
}

static sni_inline int pop_one(sn_rawring *r, void *value)
{
    if (sni_likely(r->kind == SN_RING_SPSC))
        return spsc_pop(r, value, 1) > 0 ? 0 : SN_EAGAIN;
    return r->kind == SN_RING_MPSC ? mpsc_pop(r, value) : shared_pop(r, value);
}

int sn_rawring_try_push(sn_rawring *r, const void *value)
{
    if (sni_unlikely(!r))
        return SN_EINVAL;
    sni_point("pushes to %ring", r);
    return push_one(r, value);
}

int sn_rawring_try_pop(sn_rawring *r, void *value)
{
    if (sni_unlikely(!r))
        return SN_EINVAL;
    sni_point("pops from %ring", r);
    return pop_one(r, value);
}

int sn_rawring_try_push_n(sn_rawring *r, const void *values, size_t n)
{
    int k = 0;

    if (!r)
        return SN_EINVAL;
    if (n == 0)
        return 0;
    if (n > INT32_MAX)
        n = INT32_MAX; /* so that the result fits */
    sni_point("pushes to %ring", r);
    if (r->kind == SN_RING_SPSC)
        return spsc_push(r, values, n);
    while ((size_t)k < n && shared_push(r, (const char *)values + (size_t)k * r->size) == 0)
        k++;
    return k > 0 ? k : SN_EAGAIN;
}

int sn_rawring_try_pop_n(sn_rawring *r, void *values, size_t n)
{
    int k = 0;

    if (!r)
        return SN_EINVAL;
    if (n == 0)
        return 0;
    if (n > INT32_MAX)
        n = INT32_MAX;
    sni_point("pops from %ring", r);
    if (r->kind == SN_RING_SPSC)
        return spsc_pop(r, values, n);
    while ((size_t)k < n && pop_one(r, (char *)values + (size_t)k * r->size) == 0)
        k++;
    return k > 0 ? k : SN_EAGAIN;
}

size_t sn_rawring_len(const sn_rawring *r)
{
    if (!r)
        return 0;
    uint64_t head = sni_load_rlx(&r->head), tail = sni_load_rlx(&r->tail); /* two looks: a guess in any case */
    int64_t n = (int64_t)(tail - head), cap = (int64_t)r->mask + 1;
    return n < 0 ? 0 : n > cap ? (size_t)cap : (size_t)n;
}

size_t sn_rawring_cap(const sn_rawring *r)
{
    return r ? (size_t)r->mask + 1 : 0;
}
