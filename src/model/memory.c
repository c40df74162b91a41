/* The memory of the model. */
#include "model/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STORES = 8,             /* a location's last stores: older ones nobody sees any more */
    CELLS_LOG2 = 16,
    LOCATIONS_LOG2 = 12,
    STALE_IN_A_ROW = 3,     /* what is stored becomes visible in the end */
};

struct store {
    uint64_t value;
    struct sni_clock before, seen; /* what an acquire of it orders; what must be seen after that */
    uint32_t time;                 /* of the thread that made it */
    uint32_t seq;                  /* seq_cst: its place in their total order; else 0 */
    uint8_t thread;
};

/* Which store of a location a thread has seen at which time of its own. */
struct sight {
    uint32_t time, index;
};

struct location {
    uintptr_t at;                                    /* 0: empty */
    uint32_t run;
    unsigned size;
    uint32_t first, last;                            /* indices of the stores that are kept; of the newest */
    struct store stores[STORES];                     /* by index */
    struct sight sights[SNI_MODEL_THREADS][STORES];
    uint8_t nsights[SNI_MODEL_THREADS];
    uint8_t stale[SNI_MODEL_THREADS];                /* loads in a row that gave an old one */
};

/* Eight bytes of memory, and who accessed them last. */
struct access {
    uint32_t time;
    uint8_t mask;                                    /* which of the bytes */
    bool atomic;
};

struct cell {
    uintptr_t at;                                    /* of the first byte, divided by 8; 0: empty */
    uint32_t run;
    bool freed;
    uint8_t writer;
    struct access write, reads[SNI_MODEL_THREADS];
    const void *pc;                                  /* of the last write */
};

static struct location *locations;
static struct cell *cells;
static uint32_t run, nlocations, ncells, seq;
static struct sni_clock fenced;      /* what seq_cst fences have published */
static uint64_t stale;

uint64_t sni_model_stale(void)
{
    return stale;
}

void sni_memory_begin(void)
{
    if (!locations) {
        locations = calloc((size_t)1 << LOCATIONS_LOG2, sizeof *locations);
        cells = calloc((size_t)1 << CELLS_LOG2, sizeof *cells);
        if (!locations || !cells)
            sni_model_fail("no memory for the model");
    }
    run++;
    nlocations = ncells = 0;
    seq = 0;
    memset(&fenced, 0, sizeof fenced);
}

/* --- clocks --- */

static void join(struct sni_clock *to, const struct sni_clock *from)
{
    for (int i = 0; i < SNI_MODEL_THREADS; i++)
        if (to->time[i] < from->time[i])
            to->time[i] = from->time[i];
}

static void acquire(struct sni_view *v, const struct store *s)
{
    join(&v->before, &s->before);
    join(&v->seen, &s->seen);
}

void sni_view_acquire(struct sni_view *v, const struct sni_view *from)
{
    join(&v->before, &from->before);
    join(&v->seen, &from->seen);
}

/* What the thread does from now on is later than what it has published. */
void sni_view_tick(struct sni_view *v)
{
    v->seen.time[v->thread] = ++v->before.time[v->thread];
}

static uint32_t now(const struct sni_view *v)
{
    return v->before.time[v->thread];
}

/* --- locations --- */

static uint32_t hash(uintptr_t at, unsigned log2)
{
    return (uint32_t)((at * 0x9e3779b97f4a7c15u) >> (64 - log2));
}

static uint64_t peek(uintptr_t at, unsigned size)
{
    uint64_t v = 0;

    memcpy(&v, (const void *)at, size);
    return v;
}

static void begin_history(struct location *l, uintptr_t at, unsigned size, struct sni_view *v)
{
    memset(l, 0, sizeof *l);
    l->at = at;
    l->run = run;
    l->size = size;
    /* Who comes first finds the memory as it is: whoever wrote it plainly is checked for races by the cells. */
    l->stores[0] = (struct store){ .value = peek(at, size), .thread = (uint8_t)v->thread };
}

static struct location *location_of(uintptr_t at, unsigned size, struct sni_view *v)
{
    uint32_t i = hash(at, LOCATIONS_LOG2), mask = (1u << LOCATIONS_LOG2) - 1;

    while (locations[i].run == run && locations[i].at != at)
        i = (i + 1) & mask;
    struct location *l = &locations[i];
    if (l->run != run) {
        if (++nlocations > mask / 2)
            sni_model_fail("too many atomic locations for the model");
        begin_history(l, at, size, v);
    } else if (l->size != size || l->stores[l->last % STORES].value != peek(at, size)) {
        begin_history(l, at, size, v); /* other code has written there: it is another object now, or was set plainly */
    }
    return l;
}

static struct store *newest(struct location *l)
{
    return &l->stores[l->last % STORES];
}

static void saw(struct location *l, struct sni_view *v, uint32_t index)
{
    struct sight *s = l->sights[v->thread];
    uint32_t n = l->nsights[v->thread], k = 0;

    if (n > 0 && s[n - 1].index >= index)
        return;
    for (uint32_t i = 0; i < n; i++) /* those of stores that are gone bound nothing */
        if (s[i].index > l->first)
            s[k++] = s[i];
    if (k > 0 && s[k - 1].time == now(v))
        k--;
    s[k++] = (struct sight){ now(v), index };
    l->nsights[v->thread] = (uint8_t)k;
}

/* The oldest store that the thread may still see. */
static uint32_t oldest_visible(struct location *l, struct sni_view *v, bool sequential)
{
    uint32_t bound = l->first;

    for (uint32_t i = l->last; i > bound; i--) {
        struct store *s = &l->stores[i % STORES];
        uint32_t known = v->seen.time[s->thread];
        if (sequential && known < fenced.time[s->thread])
            known = fenced.time[s->thread]; /* a fence after the store came before us */
        if (s->time <= known || (s->seq != 0 && (sequential || s->seq <= v->fence)))
            bound = i;
    }
    for (int u = 0; u < SNI_MODEL_THREADS; u++)
        for (uint32_t k = l->nsights[u]; k-- > 0;)
            if (l->sights[u][k].time <= v->seen.time[u]) {
                if (l->sights[u][k].index > bound)
                    bound = l->sights[u][k].index;
                break;
            }
    return bound;
}

/* Which store a load gives: by choice, but for a value that is not wanted. */
static uint32_t choose_store(struct location *l, struct sni_view *v, bool sequential)
{
    uint32_t bound = oldest_visible(l, v, sequential);

    if (bound == l->last || l->stale[v->thread] >= STALE_IN_A_ROW || sni_model_choose(2) == 0) {
        l->stale[v->thread] = 0;
        return l->last;
    }
    uint32_t index = bound + sni_model_choose(l->last - bound + 1);
    l->stale[v->thread] = (uint8_t)(index == l->last ? 0 : l->stale[v->thread] + 1);
    stale += index != l->last;
    return index;
}

static uint64_t read_store(struct location *l, struct sni_view *v, uint32_t index, enum sni_model_order order)
{
    struct store *s = &l->stores[index % STORES];

    saw(l, v, index);
    if (order == SNI_ACQ || order == SNI_ACQREL || order == SNI_SEQ) {
        acquire(v, s);
    } else {
        join(&v->may_acquire_before, &s->before);
        join(&v->may_acquire_seen, &s->seen);
    }
    return s->value;
}

/* `from`: the store that a read-modify-write has read, whose release it continues; or NULL. */
static void add_store(struct location *l, struct sni_view *v, uint64_t value, enum sni_model_order order,
                      const struct store *from)
{
    bool release = order == SNI_REL || order == SNI_ACQREL || order == SNI_SEQ;
    struct store s = { .value = value, .time = now(v), .thread = (uint8_t)v->thread };

    s.before = release ? v->before : v->released_before;
    s.seen = release ? v->seen : v->released_seen;
    if (from) {
        join(&s.before, &from->before);
        join(&s.seen, &from->seen);
    }
    if (order == SNI_SEQ)
        s.seq = ++seq;
    l->last++;
    if (l->last - l->first >= STORES)
        l->first = l->last - STORES + 1;
    l->stores[l->last % STORES] = s;
    memcpy((void *)l->at, &value, l->size);
    saw(l, v, l->last);
    if (release)
        sni_view_tick(v);
}

static void mark(uintptr_t at, unsigned size, bool write, struct sni_view *v)
{
    sni_memory_plain(at, size, write, true, __builtin_return_address(0), v);
}

uint64_t sni_memory_load(uintptr_t at, unsigned size, enum sni_model_order order, struct sni_view *v)
{
    struct location *l = location_of(at, size, v);

    mark(at, size, false, v);
    return read_store(l, v, choose_store(l, v, order == SNI_SEQ), order);
}

void sni_memory_store(uintptr_t at, unsigned size, uint64_t value, enum sni_model_order order, struct sni_view *v)
{
    struct location *l = location_of(at, size, v);

    mark(at, size, true, v);
    add_store(l, v, value, order, NULL);
}

uint64_t sni_memory_update(uintptr_t at, unsigned size, uint64_t (*fn)(uint64_t, uint64_t), uint64_t operand,
                           enum sni_model_order order, struct sni_view *v)
{
    struct location *l = location_of(at, size, v);

    mark(at, size, true, v);
    uint64_t old = read_store(l, v, l->last, order);
    struct store from = *newest(l);
    uint64_t value = fn(old, operand);
    if (size < 8)
        value &= ((uint64_t)1 << size * 8) - 1;
    add_store(l, v, value, order, &from);
    return old;
}

/* Fails only with a value that differs, which may be an old one; succeeds only with the newest. */
bool sni_memory_cas(uintptr_t at, unsigned size, uint64_t *expected, uint64_t value, enum sni_model_order order,
                    enum sni_model_order fail, struct sni_view *v)
{
    struct location *l = location_of(at, size, v);
    uint32_t index = choose_store(l, v, order == SNI_SEQ);

    if (l->stores[index % STORES].value == *expected)
        index = l->last;
    if (l->stores[index % STORES].value != *expected) {
        mark(at, size, false, v);
        *expected = read_store(l, v, index, fail);
        return false;
    }
    mark(at, size, true, v);
    (void)read_store(l, v, index, order);
    struct store from = *newest(l);
    add_store(l, v, value, order, &from);
    return true;
}

void sni_memory_fence(enum sni_model_order order, struct sni_view *v)
{
    if (order != SNI_REL) {
        join(&v->before, &v->may_acquire_before);
        join(&v->seen, &v->may_acquire_seen);
    }
    if (order == SNI_SEQ) {
        join(&v->seen, &fenced);
        join(&fenced, &v->seen);
        v->fence = seq;
    }
    if (order != SNI_ACQ) {
        v->released_before = v->before;
        v->released_seen = v->seen;
        sni_view_tick(v);
    }
}

/* --- plain accesses --- */

/* Where the word's cell is or would be. Neighbours stay together: a run touches few pages of the table. */
static struct cell *find_cell(uintptr_t word)
{
    uint32_t mask = (1u << CELLS_LOG2) - 1, i = (hash(word / 32, CELLS_LOG2) & ~31u) | (word & 31);

    while (cells[i].run == run && cells[i].at != word)
        i = (i + 1) & mask;
    return &cells[i];
}

static struct cell *cell_of(uintptr_t word)
{
    uint32_t mask = (1u << CELLS_LOG2) - 1;
    struct cell *c = find_cell(word);

    if (c->run != run) {
        if (++ncells > mask / 2)
            sni_model_fail("too much memory for the model");
        memset(c, 0, sizeof *c);
        c->at = word;
        c->run = run;
    }
    return c;
}

static bool conflicts(const struct access *a, uint8_t mask, bool atomic, uint32_t known)
{
    return a->time > known && (a->mask & mask) && !(a->atomic && atomic);
}

static void check_cell(struct cell *c, uint8_t mask, bool write, bool atomic, const void *pc, struct sni_view *v)
{
    if (c->freed)
        sni_model_fail("%s freed memory at %#llx\n  by %p", write ? "writes to" : "reads",
                       (unsigned long long)c->at * 8, pc);
    if (c->writer != v->thread && conflicts(&c->write, mask, atomic, v->before.time[c->writer]))
        sni_model_fail("data race at %#llx: %s by thread %d, not ordered with the write by thread %d\n  by %p\n  and %p",
                       (unsigned long long)c->at * 8, write ? "write" : "read", v->thread, c->writer, pc, c->pc);
    for (int u = 0; write && u < SNI_MODEL_THREADS; u++)
        if (u != v->thread && conflicts(&c->reads[u], mask, atomic, v->before.time[u]))
            sni_model_fail("data race at %#llx: write by thread %d, not ordered with the read by thread %d\n  by %p",
                           (unsigned long long)c->at * 8, v->thread, u, pc);
    struct access *a = write ? &c->write : &c->reads[v->thread];
    bool again = a->time == now(v) && (!write || c->writer == v->thread) && a->atomic == atomic;
    *a = (struct access){ now(v), (uint8_t)(again ? a->mask | mask : mask), atomic };
    if (write) {
        c->writer = (uint8_t)v->thread;
        c->pc = pc;
    }
}

void sni_memory_plain(uintptr_t at, size_t size, bool write, bool atomic, const void *pc, struct sni_view *v)
{
    if (write && !atomic) { /* an atomic location that is set plainly begins anew */
        uint32_t i = hash(at, LOCATIONS_LOG2), mask = (1u << LOCATIONS_LOG2) - 1;
        while (locations[i].run == run && locations[i].at != at)
            i = (i + 1) & mask;
        if (locations[i].run == run)
            locations[i].size = 0;
    }
    while (size > 0) {
        unsigned from = at % 8, n = size < 8 - from ? (unsigned)size : 8 - from;
        check_cell(cell_of(at / 8), (uint8_t)(((1u << n) - 1) << from), write, atomic, pc, v);
        at += n;
        size -= n;
    }
}

void sni_memory_fresh(uintptr_t at, size_t size)
{
    uint32_t lmask = (1u << LOCATIONS_LOG2) - 1;

    for (uintptr_t word = at / 8; word <= (at + size - 1) / 8; word++) {
        struct cell *c = find_cell(word);
        if (c->run != run)
            continue;
        memset(&c->write, 0, sizeof c->write);
        memset(c->reads, 0, sizeof c->reads);
        c->freed = false;
    }
    for (uint32_t i = 0; i <= lmask; i++) /* an emptied place would break the chains: it stays, and is begun anew */
        if (locations[i].run == run && locations[i].at >= at && locations[i].at < at + size)
            locations[i].size = 0;
}

void sni_memory_freed(uintptr_t at, size_t size)
{
    for (uintptr_t word = (at + 7) / 8; word < (at + size) / 8; word++)
        cell_of(word)->freed = true;
}
