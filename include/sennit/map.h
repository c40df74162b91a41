/* Map: keys and their values, for many tasks and threads at once; with a time to live and a bound, a cache.
 *
 *     struct user { char name[32]; };
 *     int load_user(sn_ctx *ctx, const void *id, void *user, void *database);
 *
 *     typedef sn_map_of(int64_t, struct user) user_map;
 *     user_map users;
 *     struct user user;
 *     int64_t id = 42;
 *     r = sn_map_make(&users, &(sn_map_opts){ .ttl = SN_SEC(60), .max = 10000 });
 *     r = sn_map_put(users, &id, &(struct user){ .name = "Ada" });
 *     r = sn_map_get(users, &id, &user);                               // SN_ENOENT if it is not there
 *     r = sn_map_get_or_make(ctx, users, &id, &user, load_user, NULL); // made if it is not there, once for all who want it
 *     sn_map_free(users);
 *
 *     typedef sn_map_of_strings(int) counts;                           // the keys are strings, and copied
 *     counts words;
 *     r = sn_map_make(&words, NULL);
 *     r = sn_map_put(words, "sennit", &(int){ 1 });
 *     sn_map_free(words);
 *
 * Keys and values are copied in and out. Keys are compared byte by byte: in a struct with padding set all of it to zero
 * first, and think of -0.0 and NaN before you take a double. Each macro below is one call to the untyped sn_rawmap_
 * function of the same name; a pointer to the wrong type does not compile. Copy the handle freely.
 *
 * The map is in shards, each with a mutex of its own, which every operation holds for as long as it takes to find the key
 * and copy the value: nobody waits for anything else, but for sn_map_get_or_make. What was done before a put is visible
 * to whoever gets its value. An empty handle, { 0 }, gives SN_EINVAL. The hash has its own random seed in each map, so
 * that nobody can prepare keys that all meet in one place (as far as sn_random cannot be foretold). A shard's table grows
 * a little with each put; no operation waits for all of it to be rebuilt. It does not shrink, but by sn_map_clear.
 *
 * Time to live: an entry that has expired is never given out. It is removed when it is met; each put looks at two entries
 * of its shard for that, in turn, so that it is gone after at most as many puts to its shard as that had entries. Time is
 * that of sn_now.
 *
 * Bound: a shard that is full evicts one for each new entry, by SIEVE (Zhang et al., NSDI 2024): in the order of their
 * coming, but who was used since it was last looked at is passed over. Each shard has its part of `max`, and they do not
 * fill quite evenly: a map with many shards begins to evict a little before it holds `max`.
 *
 * Values that own something: on_evict is told of every value that leaves the map, and may free what it owns, if nobody
 * else can still have a copy. If others can, let retain count one reference more for each copy that is made, and release
 * one less: the map calls release for its own, and whoever has got a copy does so when done with it. What is put becomes
 * the map's if the call succeeds.
 *
 * Works from tasks and plain threads, with or without a runtime.
 *
 * When not to use this: for a few keys known beforehand, an array under a mutex; for what one task alone uses, any table.
 */
#ifndef SENNIT_MAP_H
#define SENNIT_MAP_H

#include <sennit/decl.h>

SN_BEGIN

typedef struct sn_rawmap sn_rawmap;

/* The type of a handle to a map from K to V, or from strings to V. Give it a name by typedef. A K that is a pointer is
 * compared as such; `const char *` does not compile, since it is most often meant for a string. */
#define sn_map_of(K, V)                          \
    union {                                      \
        sn_rawmap *sni_raw;                      \
        K *sni_key;                              \
        V *sni_value;                            \
        char (*sni_key_size)[sizeof(K) + 1];     \
    }
#define sn_map_of_strings(V)                     \
    union {                                      \
        sn_rawmap *sni_raw;                      \
        char *sni_key;                           \
        V *sni_value;                            \
        char (*sni_key_size)[1];                 \
    }

/* Why a value leaves the map. */
typedef enum sn_map_reason {
    SN_MAP_REPLACED = 1, /* by a put */
    SN_MAP_REMOVED,      /* by sn_map_remove, or in sn_map_update */
    SN_MAP_EXPIRED,
    SN_MAP_EVICTED,      /* to make room */
    SN_MAP_CLEARED       /* by sn_map_clear or sn_map_free */
} sn_map_reason;

typedef struct sn_map_opts {
    int64_t ttl;       /* how long an entry lives after it was put, in nanoseconds. 0: default for ever */
    bool sliding;      /* ... after it was last put or got. false: default not */
    size_t max;        /* most entries. 0: default no bound */
    int shards;        /* 1 to 1024, rounded up to a power of two; fewer if max is small. 0: default 4 for each worker of the
                        * runtime that the caller belongs to, 16 without one */
    /* Called for each value that leaves the map, without any lock held, by whoever made it leave: it may use the map. Not
     * for what sn_map_take gives out. Not to be ended by sn_fail, as the next two. NULL: default nothing */
    void (*on_evict)(void *arg, const void *key, void *value, sn_map_reason reason);
    /* Called for each copy of a value that is made, while locks are held: it may not block nor use the map. NULL: default
     * nothing */
    void (*retain)(void *arg, void *value);
    /* Called for each copy that the map gives up, after on_evict, without any lock held. Needed with retain. NULL: default
     * nothing */
    void (*release)(void *arg, void *value);
    void *arg;         /* passed to these. NULL: default NULL */
} sn_map_opts;

/* So far; evictions and expirations count entries that were removed. */
typedef struct sn_map_stats {
    uint64_t hits, misses; /* of sn_map_get and sn_map_get_or_make */
    uint64_t evictions, expirations;
} sn_map_stats;

/* Changes a value in place, in sn_map_update. `present`: it was there; else *value is zero. Returns 0 to store it,
 * SN_MAP_REMOVE to remove it, or an error, which sn_map_update passes on: then nothing is stored if it was not there, and
 * what it has changed stays if it was. It is called under the shard's lock: it may not block nor use the map. */
typedef int sn_map_update_fn(void *value, bool present, void *arg);
enum { SN_MAP_REMOVE = 1 };

/* Makes the value for a key, in sn_map_get_or_make: 0, or an error. *value is zero before. Called without any lock. */
typedef int sn_map_make_fn(sn_ctx *ctx, const void *key, void *value, void *arg);

/* Looks at one entry, in sn_map_each; *value is a copy, which the map gives up afterwards. Not 0: enough. */
typedef int sn_map_each_fn(const void *key, void *value, void *arg);

/* An empty map in *out; the options, NULL for all defaults, are copied. SN_ENOMEM; SN_EINVAL for bad options. */
#define sn_map_make(out, ...) \
    sn_rawmap_make(&(out)->sni_raw, SNI_MAP_KEY_SIZE(out), sizeof *(out)->sni_value, (__VA_ARGS__))

/* Frees it with all that is in it (SN_MAP_CLEARED). An empty handle, { 0 }, is accepted. Panics while a value is being
 * made or sn_map_each is under way; otherwise nobody may use it any more either. */
#define sn_map_free(m) sn_rawmap_free((m).sni_raw)

/* Stores a copy of *value, instead of the one that is there. 0; SN_ENOMEM, then nothing has changed. */
#define sn_map_put(m, key, ...) sn_rawmap_put((m).sni_raw, SNI_MAP_KEY(m, key), SNI_MAP_IN(m, (__VA_ARGS__)), 0)

/* The same, to live for `ttl`; SN_FOREVER: for ever; 0: as the options say. SN_EINVAL below 0. */
#define sn_map_put_ttl(m, key, ttl, ...) \
    sn_rawmap_put((m).sni_raw, SNI_MAP_KEY(m, key), SNI_MAP_IN(m, (__VA_ARGS__)), (ttl))

/* The same as sn_map_put, unless there is one: then SN_EEXIST, and nothing has changed. */
#define sn_map_put_if_absent(m, key, ...) \
    sn_rawmap_put_if_absent((m).sni_raw, SNI_MAP_KEY(m, key), SNI_MAP_IN(m, (__VA_ARGS__)))

/* Copies the value into *value. 0; SN_ENOENT. */
#define sn_map_get(m, key, ...) sn_rawmap_get((m).sni_raw, SNI_MAP_KEY(m, key), SNI_MAP_OUT(m, (__VA_ARGS__)))

/* Removes it. 0; SN_ENOENT. */
#define sn_map_remove(m, key) sn_rawmap_remove((m).sni_raw, SNI_MAP_KEY(m, key), NULL)

/* The same, but its value is moved into *value: it is the caller's from then on. */
#define sn_map_take(m, key, ...) sn_rawmap_remove((m).sni_raw, SNI_MAP_KEY(m, key), SNI_MAP_OUT(m, (__VA_ARGS__)))

/* Calls fn on the value, or on a new one, while nobody else can get at it: to count, to append. Its time to live begins
 * anew. 0; fn's error; SN_ENOMEM. */
#define sn_map_update(m, key, fn, arg) sn_rawmap_update((m).sni_raw, SNI_MAP_KEY(m, key), (fn), (arg))

/* As sn_map_get; but if there is none, one caller makes it by fn, under its own context, and others who want the same
 * key wait and get it, too. Blocks for as long as that takes.
 *
 * If fn fails, its error is what all of them get; the next call tries again. But if it fails when its caller's context
 * has ended, or ends its task by sn_fail, that is nothing to the others: one of them makes the value. What is put,
 * updated or removed meanwhile counts as later: the value that is being made goes to those who wait for it, not into the
 * map, and who comes after that does not wait for it. Wanting in fn the very key that is being made panics.
 *
 * 0; ctx's error; fn's error; SN_ENOMEM. */
#define sn_map_get_or_make(ctx, m, key, value, fn, arg) \
    sn_rawmap_get_or_make((ctx), (m).sni_raw, SNI_MAP_KEY(m, key), SNI_MAP_OUT(m, value), (fn), (arg))

/* Calls fn for the entries, one after the other, without any lock held: it may do anything, also to the map. Who is there
 * all the time is seen exactly once; who comes or goes meanwhile may be seen or not. There is no moment at which all that
 * was seen was there. 0; what fn returned, if that was not 0; SN_ENOMEM. */
#define sn_map_each(m, fn, arg) sn_rawmap_each((m).sni_raw, (fn), (arg))

/* How many entries there are, expired ones that were not met yet included. Out of date as soon as you have it. */
#define sn_map_len(m) sn_rawmap_len((m).sni_raw)

/* Removes all entries (SN_MAP_CLEARED), one shard after the other. */
#define sn_map_clear(m) sn_rawmap_clear((m).sni_raw)

/* Removes all that have expired: for a map to which nothing is put for a long time. Holds no lock for longer than 64
 * entries take. Returns how many. */
#define sn_map_sweep(m) sn_rawmap_sweep((m).sni_raw)

#define sn_map_get_stats(m, stats) sn_rawmap_get_stats((m).sni_raw, (stats))

/* A key size of 0: strings. */
SN_MUST SN_API int sn_rawmap_make(sn_rawmap **out, size_t key_size, size_t value_size, const sn_map_opts *opts);
SN_API void sn_rawmap_free(sn_rawmap *map);
SN_MUST SN_API int sn_rawmap_put(sn_rawmap *map, const void *key, const void *value, int64_t ttl);
SN_MUST SN_API int sn_rawmap_put_if_absent(sn_rawmap *map, const void *key, const void *value);
SN_MUST SN_API int sn_rawmap_get(sn_rawmap *map, const void *key, void *value);
SN_API int sn_rawmap_remove(sn_rawmap *map, const void *key, void *value);
SN_MUST SN_API int sn_rawmap_update(sn_rawmap *map, const void *key, sn_map_update_fn *fn, void *arg);
SN_MUST SN_API int sn_rawmap_get_or_make(sn_ctx *ctx, sn_rawmap *map, const void *key, void *value, sn_map_make_fn *fn,
                                         void *arg);
SN_API int sn_rawmap_each(sn_rawmap *map, sn_map_each_fn *fn, void *arg);
SN_API size_t sn_rawmap_len(sn_rawmap *map);
SN_API void sn_rawmap_clear(sn_rawmap *map);
SN_API size_t sn_rawmap_sweep(sn_rawmap *map);
SN_API void sn_rawmap_get_stats(sn_rawmap *map, sn_map_stats *stats);

SN_END

/* The type checks: the pointer must be to the handle's key or value type, or the macro does not compile. */
#ifdef __cplusplus
extern "C++" {
template <class E, class P> inline const void *sni_map_checked(P *ptr)
{
    const E checked = const_cast<E>(static_cast<const P *>(ptr));
    return checked;
}
template <class H, class P> inline const void *sni_map_key(const H &, P *ptr)
{
    return sni_map_checked<decltype(H::sni_key)>(ptr);
}
template <class H, class P> inline const void *sni_map_in(const H &, P *ptr)
{
    return sni_map_checked<decltype(H::sni_value)>(ptr);
}
template <class H, class P> inline void *sni_map_out(const H &, P *ptr)
{
    decltype(H::sni_value) checked = ptr;
    return checked;
}
template <class E> struct sni_map_may_be_key {
    enum { value = 1 };
};
template <> struct sni_map_may_be_key<char **> {
    enum { value = 0 };
};
template <> struct sni_map_may_be_key<const char **> {
    enum { value = 0 };
};
template <class H> inline size_t sni_map_key_size(const H *)
{
    static_assert(sni_map_may_be_key<decltype(H::sni_key)>::value, "for strings there is sn_map_of_strings");
    return sizeof *H::sni_key_size - 1;
}
}
#define SNI_MAP_KEY(m, ptr)   sni_map_key((m), ptr)
#define SNI_MAP_IN(m, ptr)    sni_map_in((m), ptr)
#define SNI_MAP_OUT(m, ptr)   sni_map_out((m), ptr)
#define SNI_MAP_KEY_SIZE(out) sni_map_key_size(out)
#else
#define SNI_MAP_KEY(m, ptr) _Generic(ptr, __typeof__(*(m).sni_key) *: ptr, const __typeof__(*(m).sni_key) *: ptr)
#define SNI_MAP_IN(m, ptr)  _Generic(ptr, __typeof__(*(m).sni_value) *: ptr, const __typeof__(*(m).sni_value) *: ptr)
#define SNI_MAP_OUT(m, ptr) _Generic(ptr, __typeof__(*(m).sni_value) *: ptr)
#define SNI_MAP_KEY_SIZE(out) \
    _Generic((out)->sni_key, char **: (void)0, const char **: (void)0, default: sizeof *(out)->sni_key_size - 1)
#endif

#endif
