/* Map: shards, each a hash table with chains under a mutex, and its entries in the order in which they came.
 *
 *     newest <-> ... <-> e <-> ... <-> oldest        by `older` and `newer`; a replaced value keeps its entry's place
 *                        ^
 *                 hand, sweep, and the cursors of sn_map_each all point to an entry that is still to be looked at
 *
 * Invariants, whenever the shard's lock is free: (1) An entry is in exactly one chain and in the order, or nobody but one
 * call knows it. (2) hand, sweep and cursors point to entries in the order, or to none: who takes an entry out moves them
 * on. (3) Of an old table, chains below `moved` are empty; a hash belongs there if its chain is not yet moved, else into
 * the new table. So a table grows a little at a time: each new entry moves MOVED_AT_A_TIME chains (Redis does so). What
 * is left of a pause is to get and give back the arrays: 0.2 ms in a shard of half a million entries, 1.3 ms in one of
 * four million. (4) There is at most one flight for a key in the list of flights, and none for a key that was written
 * since the flight began.
 *
 * What leaves the map is collected in a list, `dead`, and told of after unlock. Functions of the options are called
 * under the lock only where the header says so.
 *
 * Eviction: SIEVE (Zhang et al., "SIEVE is simpler than LRU", NSDI 2024). The hand goes from the oldest to the newest and
 * over again, clears `visited` where it is set, and evicts where it is not; new entries come in at the newest end. The
 * hand looks at LOOKS_AT_MOST entries and takes the next then, so that one put stays short even if all were visited: the
 * paper's hand would go on, and the difference is which of many used ones goes.
 *
 * A flight is one value being made: a sn_once, with the semantics that are wanted here: one runs, others wait under their
 * contexts, and if the runner ends by sn_fail, one of those who wait runs. The value stays in the flight until the last
 * who wants it has copied it, since the entry may be gone by then. */
#include "base/check.h"
#include "base/hash.h"
#include "sched/alloc.h"
#include "sennit/ctx.h"
#include "sennit/error.h"
#include "sennit/lockorder.h"
#include "sennit/map.h"
#include "sennit/mutex.h"
#include "sennit/once.h"
#include "sennit/run.h"
#include "sennit/task.h"
#include "sennit/time.h"

enum {
    MOST_SHARDS = 1024,
    SHARDS_WITHOUT_RUNTIME = 16,
    SHARDS_PER_WORKER = 4,
    LEAST_PER_SHARD = 64,    /* fewer and the shards of a bounded map fill too unevenly */
    FIRST_TABLE = 16,
    MOVED_AT_A_TIME = 2,     /* so that the old table is empty before the new one is full */
    SWEPT_AT_A_TIME = 2,     /* one more than come in with each put */
    SWEPT_BY_SWEEP = 64,
    LOOKS_AT_MOST = 256      /* some 10 us of cache misses */
};

enum { TAKEN = 0 }; /* beside sn_map_reason: the value was moved out, nobody is told */

/* What a look needs comes last, beside the value and the key. */
struct entry {
    struct entry *newer, *older; /* (L) */
    int64_t ttl;                 /* (L) for sliding */
    int64_t expires;             /* (L) SN_FOREVER: never */
    struct entry *next;          /* (L) in its chain, or among the dead */
    uint64_t hash;               /* (c) */
    uint32_t key_size;           /* (c) with a string's NUL */
    uint8_t visited;             /* (L) SIEVE's bit */
    uint8_t reason;              /* among the dead */
    _Alignas(16) char data[];    /* the value, then, aligned again, the key */
};

struct flight {
    struct flight *next; /* (L) */
    struct entry *entry; /* with the key; the value goes into it when it is made. NULL: it is in the map */
    uint64_t hash;
    int users;           /* (L) calls that want it */
    bool listed;         /* (L) else it was overtaken: what is made does not go into the map */
    bool abandoned;      /* made by one whose context had ended: others try again. Ordered by the once, as is */
    int result;          /* 0 or fn's error */
    sn_once once;
    _Alignas(16) char value[];
};

/* Where a call of sn_map_each is. */
struct cursor {
    struct cursor *next; /* (L) */
    struct entry *at;    /* (L) the next to look at */
};

struct shard {
    _Alignas(64) sn_mutex lock;
    struct entry **table;        /* (L) */
    uint64_t mask;               /* (L) chains - 1 */
    struct entry **old;          /* (L) the table before, while it is being moved; else NULL */
    uint64_t old_mask;           /* (L) */
    uint64_t moved;              /* (L) chains of it that are */
    uint64_t hits, misses;       /* (L) */
    struct entry *newest, *oldest; /* (L) */
    struct entry *hand, *sweep;  /* (L) NULL: the oldest is next */
    struct cursor *cursors;      /* (L) */
    struct flight *flights;      /* (L) */
    size_t count;                /* (L) */
    size_t mortal;               /* (L) how many of them can expire */
    size_t max;                  /* (c) 0: no bound */
    uint64_t evictions, expirations; /* (L) */
    struct entry *first[1];      /* (L) the first table, so that there always is one */
};

struct sn_rawmap {
    sn_map_opts opts;  /* (c) */
    struct sni_hash_key hash_key; /* (c) */
    size_t key_size;   /* (c) 0: strings */
    size_t value_size; /* (c) */
    size_t key_at;     /* (c) in an entry's data */
    uint32_t shards;   /* (c) a power of two */
    bool is_told;      /* (c) somebody wants to know what leaves */
    struct shard *shard; /* (c) */
    size_t size;       /* (c) of all this in bytes */
};

/* A key, and where it belongs. */
struct place {
    struct shard *shard;
    const void *key;
    size_t size; /* with a string's NUL */
    uint64_t hash;
};

/* --- entries --- */

static void *value_of(struct entry *e)
{
    return e->data;
}

static void *key_of(const sn_rawmap *m, struct entry *e)
{
    return e->data + m->key_at;
}

static size_t entry_size(const sn_rawmap *m, size_t key_size)
{
    return sizeof(struct entry) + m->key_at + key_size;
}

static struct entry *new_entry(const sn_rawmap *m, const struct place *at)
{
    struct entry *e = at->size <= UINT32_MAX ? sni_alloc(entry_size(m, at->size)) : NULL;

    if (e) {
        e->hash = at->hash;
        e->key_size = (uint32_t)at->size;
        memcpy(key_of(m, e), at->key, at->size);
    }
    return e;
}

static void free_entry(const sn_rawmap *m, struct entry *e)
{
    if (e)
        sni_free(e, entry_size(m, e->key_size));
}

static void bury_one(struct entry **dead, struct entry *e, int reason)
{
    e->reason = (uint8_t)reason;
    e->next = *dead;
    *dead = e;
}

/* Without locks: what has left the map is told of, given up and freed. */
static void bury(const sn_rawmap *m, struct entry *dead)
{
    while (dead) {
        struct entry *e = dead;
        dead = e->next;
        if (e->reason != TAKEN) {
            if (m->opts.on_evict)
                m->opts.on_evict(m->opts.arg, key_of(m, e), value_of(e), (sn_map_reason)e->reason);
            if (m->opts.release)
                m->opts.release(m->opts.arg, value_of(e));
        }
        free_entry(m, e);
    }
}

static void copy_value(const sn_rawmap *m, void *to, const void *from)
{
    memcpy(to, from, m->value_size);
    if (m->opts.retain)
        m->opts.retain(m->opts.arg, to);
}

static struct place locate(const sn_rawmap *m, const void *key)
{
    struct place at = { .key = key, .size = m->key_size ? m->key_size : strlen(key) + 1 };

    at.hash = sni_hash(&m->hash_key, key, at.size);
    at.shard = &m->shard[at.hash >> 32 & (m->shards - 1)]; /* other bits than those that choose the chain */
    return at;
}

/* --- a shard's table and order; with its lock held --- */

static struct entry **chain_of(struct shard *s, uint64_t hash)
{
    if (s->old && (hash & s->old_mask) >= s->moved)
        return &s->old[hash & s->old_mask];
    return &s->table[hash & s->mask];
}

static struct entry *find(const sn_rawmap *m, const struct place *at)
{
    struct entry *e = *chain_of(at->shard, at->hash);

    while (e && (e->hash != at->hash || e->key_size != at->size || memcmp(key_of(m, e), at->key, at->size) != 0))
        e = e->next;
    return e;
}

static void free_table(struct shard *s, struct entry **table, uint64_t mask)
{
    if (table != s->first)
        sni_free(table, (mask + 1) * sizeof(struct entry *));
}

/* Begins to move to a table twice as large, if it is time and there is memory; without, chains grow longer. */
static void grow(struct shard *s)
{
    uint64_t size = s->mask + 1 < FIRST_TABLE ? FIRST_TABLE : (s->mask + 1) * 2;
    struct entry **table;

    if (s->old || s->count <= s->mask + 1 || (table = sni_alloc(size * sizeof(struct entry *))) == NULL)
        return;
    s->old = s->table;
    s->old_mask = s->mask;
    s->moved = 0;
    s->table = table;
    s->mask = size - 1;
}

static void move_some(struct shard *s)
{
    for (int i = 0; s->old && i < MOVED_AT_A_TIME; i++) {
        struct entry *e = s->old[s->moved];
        s->old[s->moved++] = NULL;
        while (e) {
            struct entry *next = e->next, **chain = &s->table[e->hash & s->mask];
            e->next = *chain;
            *chain = e;
            e = next;
        }
        if (s->moved > s->old_mask) {
            free_table(s, s->old, s->old_mask);
            s->old = NULL;
        }
    }
}

static void set_expiry(const sn_rawmap *m, struct shard *s, struct entry *e, int64_t ttl, int64_t now)
{
    s->mortal -= e->expires != SN_FOREVER;
    e->ttl = ttl ? ttl : m->opts.ttl ? m->opts.ttl : SN_FOREVER;
    e->expires = e->ttl > SN_FOREVER - now ? SN_FOREVER : now + e->ttl;
    s->mortal += e->expires != SN_FOREVER;
}

static int64_t now_if_needed(const sn_rawmap *m, int64_t ttl)
{
    return ttl || m->opts.ttl ? sn_now() : 0;
}

static void link_entry(struct shard *s, struct entry *e)
{
    struct entry **chain = chain_of(s, e->hash);

    e->next = *chain;
    *chain = e;
    e->older = s->newest;
    e->newer = NULL;
    if (s->newest)
        s->newest->newer = e;
    else
        s->oldest = e;
    s->newest = e;
    s->count++;
    move_some(s);
    grow(s);
}

/* Takes an entry out of the table and the order, for `reason`. */
static void take_out(struct shard *s, struct entry *e, int reason, struct entry **dead)
{
    struct entry **chain = chain_of(s, e->hash);

    while (*chain != e)
        chain = &(*chain)->next;
    *chain = e->next;
    *(e->newer ? &e->newer->older : &s->newest) = e->older;
    *(e->older ? &e->older->newer : &s->oldest) = e->newer;
    if (s->hand == e)
        s->hand = e->newer;
    if (s->sweep == e)
        s->sweep = e->newer;
    for (struct cursor *c = s->cursors; c; c = c->next)
        if (c->at == e)
            c->at = e->older;
    s->count--;
    s->mortal -= e->expires != SN_FOREVER;
    s->evictions += reason == SN_MAP_EVICTED;
    s->expirations += reason == SN_MAP_EXPIRED;
    bury_one(dead, e, reason);
}

static bool is_expired(const struct entry *e)
{
    return e->expires != SN_FOREVER && sn_now() >= e->expires;
}

/* The key's entry; one that has expired is taken out. */
static struct entry *find_live(const sn_rawmap *m, const struct place *at, struct entry **dead)
{
    struct entry *e = find(m, at);

    if (e && is_expired(e)) {
        take_out(at->shard, e, SN_MAP_EXPIRED, dead);
        return NULL;
    }
    return e;
}

/* Looks at the next n entries, and takes out those that have expired. Returns how many. */
static size_t sweep_some(struct shard *s, size_t n, struct entry **dead)
{
    int64_t now = s->mortal ? sn_now() : 0;
    size_t found = 0;

    for (; n > 0 && s->mortal > 0; n--) {
        struct entry *e = s->sweep ? s->sweep : s->oldest;
        s->sweep = e->newer;
        if (now >= e->expires) {
            take_out(s, e, SN_MAP_EXPIRED, dead);
            found++;
        }
    }
    return found;
}

/* Makes room for one more. */
static void evict(struct shard *s, struct entry **dead)
{
    struct entry *e = s->hand ? s->hand : s->oldest;

    for (int looks = 0; looks < LOOKS_AT_MOST && e->visited && !is_expired(e); looks++) {
        e->visited = 0;
        e = e->newer ? e->newer : s->oldest;
    }
    s->hand = e;
    take_out(s, e, is_expired(e) ? SN_MAP_EXPIRED : SN_MAP_EVICTED, dead); /* which moves the hand on */
}

static void add_entry(struct shard *s, struct entry *e, struct entry **dead)
{
    if (s->max && s->count >= s->max)
        evict(s, dead);
    link_entry(s, e);
}

/* The key is written: whoever makes a value for it has begun before that, and it does not go into the map. */
static void overtake_flight(const sn_rawmap *m, const struct place *at)
{
    for (struct flight **f = &at->shard->flights; *f; f = &(*f)->next)
        if ((*f)->hash == at->hash && (*f)->entry->key_size == at->size &&
            memcmp(key_of(m, (*f)->entry), at->key, at->size) == 0) {
            (*f)->listed = false;
            *f = (*f)->next;
            return;
        }
}

static void unlist(struct flight *f, struct shard *s)
{
    struct flight **at = &s->flights;

    if (!f->listed)
        return;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    f->listed = false;
}

/* --- making and freeing a map --- */

static uint32_t shards_for(const sn_map_opts *o)
{
    int workers = sn_run_workers(), wanted = workers ? workers * SHARDS_PER_WORKER : SHARDS_WITHOUT_RUNTIME;
    uint32_t n = 1;

    if (o->shards)
        wanted = o->shards;
    while (n < (uint32_t)wanted && n < MOST_SHARDS)
        n *= 2;
    while (o->max && n > 1 && o->max / n < (o->shards ? 1 : LEAST_PER_SHARD))
        n /= 2;
    return n;
}

int sn_rawmap_make(sn_rawmap **out, size_t key_size, size_t value_size, const sn_map_opts *opts)
{
    static const sn_map_opts defaults;
    const sn_map_opts *o = opts ? opts : &defaults;

    if (o->ttl < 0 || o->shards < 0 || o->shards > MOST_SHARDS || (o->retain && !o->release))
        return SN_EINVAL;
    if (key_size > UINT32_MAX || value_size > UINT32_MAX)
        return SN_EINVAL;
    uint32_t n = shards_for(o);
    size_t size = sizeof(sn_rawmap) + n * sizeof(struct shard) + _Alignof(struct shard);
    sn_rawmap *m = sni_alloc(size);
    if (!m)
        return SN_ENOMEM;
    m->opts = *o;
    m->size = size;
    m->key_size = key_size;
    m->value_size = value_size;
    m->key_at = (value_size + 15) / 16 * 16;
    m->shards = n;
    m->is_told = o->on_evict || o->release;
    sni_hash_key_fill(&m->hash_key, sn_random);
    uintptr_t behind = (uintptr_t)(m + 1) + _Alignof(struct shard) - 1;
    m->shard = (struct shard *)(behind - behind % _Alignof(struct shard));
    for (uint32_t i = 0; i < n; i++) {
        m->shard[i].table = m->shard[i].first;
        m->shard[i].max = o->max / n + (i < o->max % n);
    }
    *out = m;
    return 0;
}

/* All entries of a shard, in one list, and the empty first table. */
static struct entry *empty(struct shard *s)
{
    struct entry *dead = NULL;

    for (struct entry *e = s->newest; e; e = e->older)
        bury_one(&dead, e, SN_MAP_CLEARED);
    if (s->old)
        free_table(s, s->old, s->old_mask);
    free_table(s, s->table, s->mask);
    s->first[0] = NULL;
    s->table = s->first;
    s->mask = 0;
    s->old = NULL;
    s->newest = s->oldest = s->hand = s->sweep = NULL;
    for (struct cursor *c = s->cursors; c; c = c->next)
        c->at = NULL;
    for (struct flight *f = s->flights; f; f = f->next)
        f->listed = false;
    s->flights = NULL;
    s->count = s->mortal = 0;
    return dead;
}

void sn_rawmap_clear(sn_rawmap *m)
{
    for (uint32_t i = 0; m && i < m->shards; i++) {
        sn_mutex_lock(&m->shard[i].lock);
        struct entry *dead = empty(&m->shard[i]);
        sn_mutex_unlock(&m->shard[i].lock);
        bury(m, dead);
    }
}

void sn_rawmap_free(sn_rawmap *m)
{
    if (!m)
        return;
    for (uint32_t i = 0; i < m->shards; i++) {
        sni_check(!m->shard[i].flights, "sn_map_free: a value is being made");
        sni_check(!m->shard[i].cursors, "sn_map_free: sn_map_each is under way");
    }
    sn_rawmap_clear(m);
    sn_lockorder_forget(m, m->size);
    sni_free(m, m->size);
}

/* --- one entry --- */

int sn_rawmap_get(sn_rawmap *m, const void *key, void *value)
{
    struct entry *dead = NULL;

    if (!m)
        return SN_EINVAL;
    struct place at = locate(m, key);
    struct shard *s = at.shard;
    sn_mutex_lock(&s->lock);
    struct entry *e = find_live(m, &at, &dead);
    if (e) {
        s->hits++;
        if (!e->visited) /* or its cache line would change hands with each hit */
            e->visited = 1;
        if (m->opts.sliding)
            set_expiry(m, s, e, e->ttl, sn_now());
        copy_value(m, value, value_of(e));
    } else {
        s->misses++;
    }
    sn_mutex_unlock(&s->lock);
    bury(m, dead);
    return e ? 0 : SN_ENOENT;
}

/* With the lock held: the value is replaced. If somebody is told of it, the old one goes into a record of its own. */
static int replace(const sn_rawmap *m, const struct place *at, struct entry *e, const void *value, struct entry **dead)
{
    if (m->is_told) {
        struct entry *grave = new_entry(m, at);
        if (!grave)
            return SN_ENOMEM;
        memcpy(value_of(grave), value_of(e), m->value_size);
        bury_one(dead, grave, SN_MAP_REPLACED);
    }
    memcpy(value_of(e), value, m->value_size);
    e->visited = 1;
    return 0;
}

enum how { ALWAYS, IF_ABSENT };

static int put(const sn_rawmap *m, const struct place *at, const void *value, int64_t ttl, enum how how, struct entry **dead)
{
    struct entry *e = find_live(m, at, dead);
    int r;

    if (e && how == IF_ABSENT)
        return SN_EEXIST;
    if (e) {
        if ((r = replace(m, at, e, value, dead)) < 0)
            return r;
        set_expiry(m, at->shard, e, ttl, now_if_needed(m, ttl));
    } else {
        if ((e = new_entry(m, at)) == NULL)
            return SN_ENOMEM;
        memcpy(value_of(e), value, m->value_size);
        e->expires = SN_FOREVER;
        set_expiry(m, at->shard, e, ttl, now_if_needed(m, ttl));
        add_entry(at->shard, e, dead);
    }
    overtake_flight(m, at);
    return 0;
}

static int lock_and_put(sn_rawmap *m, const void *key, const void *value, int64_t ttl, enum how how)
{
    struct entry *dead = NULL;

    if (!m || ttl < 0)
        return SN_EINVAL;
    struct place at = locate(m, key);
    sn_mutex_lock(&at.shard->lock);
    (void)sweep_some(at.shard, SWEPT_AT_A_TIME, &dead);
    int r = put(m, &at, value, ttl, how, &dead);
    sn_mutex_unlock(&at.shard->lock);
    bury(m, dead);
    return r;
}

int sn_rawmap_put(sn_rawmap *m, const void *key, const void *value, int64_t ttl)
{
    return lock_and_put(m, key, value, ttl, ALWAYS);
}

int sn_rawmap_put_if_absent(sn_rawmap *m, const void *key, const void *value)
{
    return lock_and_put(m, key, value, 0, IF_ABSENT);
}

int sn_rawmap_remove(sn_rawmap *m, const void *key, void *value)
{
    struct entry *dead = NULL;

    if (!m)
        return SN_EINVAL;
    struct place at = locate(m, key);
    sn_mutex_lock(&at.shard->lock);
    struct entry *e = find_live(m, &at, &dead);
    if (e) {
        if (value)
            memcpy(value, value_of(e), m->value_size);
        take_out(at.shard, e, value ? TAKEN : SN_MAP_REMOVED, &dead);
    }
    overtake_flight(m, &at);
    sn_mutex_unlock(&at.shard->lock);
    bury(m, dead);
    return e ? 0 : SN_ENOENT;
}

struct updating {
    sn_rawmap *map;
    struct place at;
    struct entry *entry;
    struct entry *dead;
    bool present;
};

/* sn_fail in the function of an update, which ought to have returned an error. */
static void on_fail_in_update(void *arg)
{
    struct updating *u = arg;

    sn_mutex_unlock(&u->at.shard->lock);
    if (!u->present)
        free_entry(u->map, u->entry);
    bury(u->map, u->dead);
}

/* With the lock held: what fn has left of the value is stored, or is not. */
static void settle(struct updating *u, int r)
{
    struct shard *s = u->at.shard;

    if (r >= 0 && r != SN_MAP_REMOVE) {
        if (!u->present)
            u->entry->expires = SN_FOREVER;
        u->entry->visited = u->present;
        set_expiry(u->map, s, u->entry, 0, now_if_needed(u->map, 0));
        if (!u->present)
            add_entry(s, u->entry, &u->dead);
    } else if (!u->present) {
        free_entry(u->map, u->entry);
    } else if (r == SN_MAP_REMOVE) {
        take_out(s, u->entry, SN_MAP_REMOVED, &u->dead);
    }
    if (r >= 0)
        overtake_flight(u->map, &u->at);
}

int sn_rawmap_update(sn_rawmap *m, const void *key, sn_map_update_fn *fn, void *arg)
{
    sn_cleanup cleanup;
    int r = SN_ENOMEM;

    if (!m)
        return SN_EINVAL;
    struct updating u = { .map = m, .at = locate(m, key) };
    sn_mutex_lock(&u.at.shard->lock);
    (void)sweep_some(u.at.shard, SWEPT_AT_A_TIME, &u.dead);
    u.entry = find_live(m, &u.at, &u.dead);
    u.present = u.entry != NULL;
    if (u.present || (u.entry = new_entry(m, &u.at)) != NULL) {
        sn_cleanup_push(&cleanup, on_fail_in_update, &u);
        r = fn(value_of(u.entry), u.present, arg);
        sn_cleanup_pop(&cleanup);
        settle(&u, r);
    }
    sn_mutex_unlock(&u.at.shard->lock);
    bury(m, u.dead);
    return r < 0 ? r : 0;
}

/* --- made once --- */

/* A call of sn_map_get_or_make. */
struct call {
    sn_rawmap *map;
    struct place at;
    struct flight *flight;
    sn_ctx *ctx;
    sn_map_make_fn *fn;
    void *arg;
    bool made; /* by this very call */
};

/* With the lock held: the flight for the call's key, which the call takes part in; NULL: no memory. */
static struct flight *join(const struct call *c)
{
    const sn_rawmap *m = c->map;
    struct shard *s = c->at.shard;
    struct flight *f = s->flights;

    while (f && (f->hash != c->at.hash || f->entry->key_size != c->at.size ||
                 memcmp(key_of(m, f->entry), c->at.key, c->at.size) != 0))
        f = f->next;
    if (!f) {
        if ((f = sni_alloc(sizeof *f + m->value_size)) == NULL)
            return NULL;
        if ((f->entry = new_entry(m, &c->at)) == NULL) {
            sni_free(f, sizeof *f + m->value_size);
            return NULL;
        }
        f->hash = c->at.hash;
        f->listed = true;
        f->next = s->flights;
        s->flights = f;
    }
    f->users++;
    return f;
}

/* The last to leave takes it away, and with it the copy of the value that it holds. */
static void leave(void *arg)
{
    struct call *c = arg;
    const sn_rawmap *m = c->map;
    struct flight *f = c->flight;

    sn_mutex_lock(&c->at.shard->lock);
    bool last = --f->users == 0;
    if (last)
        unlist(f, c->at.shard); /* the maker has failed, and nobody has tried again */
    sn_mutex_unlock(&c->at.shard->lock);
    if (!last)
        return;
    if (m->opts.retain && sn_once_is_done(&f->once) && f->result == 0)
        m->opts.release(m->opts.arg, f->value);
    free_entry(m, f->entry);
    sni_free(f, sizeof *f + m->value_size);
}

/* What the once runs, for the one who comes first. */
static void make(void *arg)
{
    struct call *c = arg;
    const sn_rawmap *m = c->map;
    struct flight *f = c->flight;
    struct shard *s = c->at.shard;
    struct entry *dead = NULL;

    c->made = true;
    memset(f->value, 0, m->value_size); /* somebody may have tried before, and failed */
    int r = c->fn(c->ctx, key_of(m, f->entry), f->value, c->arg);
    f->result = r < 0 ? r : 0;
    f->abandoned = r < 0 && sn_ctx_err(c->ctx) != 0;
    sn_mutex_lock(&s->lock);
    if (r >= 0 && f->listed) {
        struct entry *e = f->entry;
        unlist(f, s);
        f->entry = NULL;
        copy_value(m, value_of(e), f->value);
        (void)sweep_some(s, SWEPT_AT_A_TIME, &dead);
        e->expires = SN_FOREVER;
        set_expiry(m, s, e, 0, now_if_needed(m, 0));
        add_entry(s, e, &dead);
    }
    unlist(f, s);
    sn_mutex_unlock(&s->lock);
    bury(m, dead);
}

enum { AGAIN = 1 };

/* One look: finds the value, makes it, or waits for it. AGAIN: whoever was to make it has given up. */
static int get_or_make_once(struct call *c, void *value)
{
    sn_rawmap *m = c->map;
    struct shard *s = c->at.shard;
    struct entry *dead = NULL;
    sn_cleanup cleanup;

    sn_mutex_lock(&s->lock);
    struct entry *e = find_live(m, &c->at, &dead);
    if (e) {
        s->hits++;
        e->visited = 1;
        if (m->opts.sliding)
            set_expiry(m, s, e, e->ttl, sn_now());
        copy_value(m, value, value_of(e));
    } else {
        s->misses++;
        c->flight = join(c);
    }
    sn_mutex_unlock(&s->lock);
    bury(m, dead);
    if (e || !c->flight)
        return e ? 0 : SN_ENOMEM;
    sn_cleanup_push(&cleanup, leave, c);
    int r = sn_once_do_ctx(c->ctx, &c->flight->once, make, c);
    sn_cleanup_pop(&cleanup);
    if (r == 0 && (r = c->flight->result) < 0 && c->flight->abandoned && !c->made)
        r = AGAIN;
    if (r == 0)
        copy_value(m, value, c->flight->value);
    leave(c);
    return r;
}

int sn_rawmap_get_or_make(sn_ctx *ctx, sn_rawmap *m, const void *key, void *value, sn_map_make_fn *fn, void *arg)
{
    int r;

    if (!m)
        return SN_EINVAL;
    struct call c = { .map = m, .at = locate(m, key), .ctx = ctx, .fn = fn, .arg = arg };
    do
        if ((r = sn_ctx_err(ctx)) == 0)
            r = get_or_make_once(&c, value);
    while (r == AGAIN);
    return r;
}

/* --- all entries --- */

struct walk {
    sn_rawmap *map;
    struct shard *shard;
    struct cursor cursor;
    struct entry *copy; /* of one entry: its key and value */
    size_t room;        /* bytes of key that fit into it */
    bool holds;         /* a value that must be given up */
};

static void end_walk(struct walk *w)
{
    struct cursor **at = &w->shard->cursors;

    while (*at != &w->cursor)
        at = &(*at)->next;
    *at = w->cursor.next;
}

static void give_up_copy(struct walk *w)
{
    if (w->holds && w->map->opts.retain)
        w->map->opts.release(w->map->opts.arg, value_of(w->copy));
    w->holds = false;
}

static void on_fail_in_each(void *arg)
{
    struct walk *w = arg;

    sn_mutex_lock(&w->shard->lock);
    end_walk(w);
    sn_mutex_unlock(&w->shard->lock);
    give_up_copy(w);
    sni_free(w->copy, entry_size(w->map, w->room));
}

/* With the lock held: copies the entry that is next, and goes on to the one after it. 0: there is none. */
static int copy_next(struct walk *w, struct entry **dead)
{
    const sn_rawmap *m = w->map;
    struct entry *e;

    while ((e = w->cursor.at) != NULL && is_expired(e))
        take_out(w->shard, e, SN_MAP_EXPIRED, dead);
    if (!e)
        return 0;
    if (!w->copy || e->key_size > w->room) {
        struct entry *larger = sni_alloc(entry_size(m, e->key_size));
        if (!larger)
            return SN_ENOMEM;
        sni_free(w->copy, entry_size(m, w->room));
        w->copy = larger;
        w->room = e->key_size;
    }
    memcpy(key_of(m, w->copy), key_of(m, e), e->key_size);
    copy_value(m, value_of(w->copy), value_of(e));
    w->holds = true;
    w->cursor.at = e->older;
    return 1;
}

static int walk_shard(struct walk *w, sn_map_each_fn *fn, void *arg)
{
    struct shard *s = w->shard;
    sn_cleanup cleanup;
    int r = 0, got;

    sn_mutex_lock(&s->lock);
    w->cursor = (struct cursor){ s->cursors, s->newest };
    s->cursors = &w->cursor;
    do {
        struct entry *dead = NULL;
        got = copy_next(w, &dead);
        sn_mutex_unlock(&s->lock);
        bury(w->map, dead);
        if (got > 0) {
            sn_cleanup_push(&cleanup, on_fail_in_each, w);
            r = fn(key_of(w->map, w->copy), value_of(w->copy), arg);
            sn_cleanup_pop(&cleanup);
            give_up_copy(w);
        }
        sn_mutex_lock(&s->lock);
    } while (r == 0 && got > 0);
    end_walk(w);
    sn_mutex_unlock(&s->lock);
    return got < 0 ? got : r;
}

int sn_rawmap_each(sn_rawmap *m, sn_map_each_fn *fn, void *arg)
{
    struct walk w = { .map = m };
    int r = 0;

    if (!m)
        return SN_EINVAL;
    for (uint32_t i = 0; i < m->shards && r == 0; i++) {
        w.shard = &m->shard[i];
        r = walk_shard(&w, fn, arg);
    }
    sni_free(w.copy, entry_size(m, w.room));
    return r;
}

size_t sn_rawmap_len(sn_rawmap *m)
{
    size_t n = 0;

    for (uint32_t i = 0; m && i < m->shards; i++) {
        sn_mutex_lock(&m->shard[i].lock);
        n += m->shard[i].count;
        sn_mutex_unlock(&m->shard[i].lock);
    }
    return n;
}

size_t sn_rawmap_sweep(sn_rawmap *m)
{
    size_t found = 0;

    for (uint32_t i = 0; m && i < m->shards; i++) {
        struct shard *s = &m->shard[i];
        for (size_t left = SIZE_MAX; left > 0;) {
            struct entry *dead = NULL;
            sn_mutex_lock(&s->lock);
            if (left == SIZE_MAX)
                left = s->count;
            size_t n = left < SWEPT_BY_SWEEP ? left : SWEPT_BY_SWEEP;
            found += sweep_some(s, n, &dead);
            left -= n;
            sn_mutex_unlock(&s->lock);
            bury(m, dead);
        }
    }
    return found;
}

void sn_rawmap_get_stats(sn_rawmap *m, sn_map_stats *stats)
{
    sn_map_stats sum = { 0 };

    for (uint32_t i = 0; m && i < m->shards; i++) {
        struct shard *s = &m->shard[i];
        sn_mutex_lock(&s->lock);
        sum.hits += s->hits;
        sum.misses += s->misses;
        sum.evictions += s->evictions;
        sum.expirations += s->expirations;
        sn_mutex_unlock(&s->lock);
    }
    *stats = sum;
}
