/* Maps: the contract of sennit/map.h. */
#include "sn_test.h"

#include <pthread.h>

typedef sn_map_of(int64_t, int64_t) int_map;
typedef sn_map_of_strings(int) word_map;

struct point {
    int x, y, z;
};
typedef sn_map_of(struct point, struct point) point_map;

/* --- one task --- */

static int64_t get(int_map m, int64_t key)
{
    int64_t value = -1;
    int r = sn_map_get(m, &key, &value);
    CHECK(r == 0 || (r == SN_ENOENT && value == -1));
    return value;
}

static void put(int_map m, int64_t key, int64_t value)
{
    CHECK_EQ(sn_map_put(m, &key, &value), 0);
}

static int one_task(sn_ctx *ctx, void *arg)
{
    const int64_t seven = 7;
    int64_t key = 7, value = 70, got = -1;
    int_map m, none = { 0 };

    (void)ctx;
    (void)arg;
    CHECK_EQ(sn_map_make(&m, NULL), 0);
    CHECK_EQ(sn_map_get(m, &key, &got), SN_ENOENT);
    CHECK_EQ(got, -1);
    CHECK_EQ(sn_map_put(m, &key, &value), 0);
    value = 71; /* a copy was put */
    CHECK_EQ(sn_map_get(m, &seven, &got), 0);
    CHECK_EQ(got, 70);
    CHECK_EQ(sn_map_put_if_absent(m, &key, &value), SN_EEXIST);
    CHECK_EQ(sn_map_put(m, &key, &value), 0);
    CHECK_EQ(sn_map_get(m, &(int64_t){ 7 }, &got), 0);
    CHECK_EQ(got, 71);
    CHECK_EQ(sn_map_put_if_absent(m, &(int64_t){ 8 }, &(int64_t){ 80 }), 0);
    CHECK_EQ(sn_map_len(m), 2);
    CHECK_EQ(sn_map_remove(m, &(int64_t){ 9 }), SN_ENOENT);
    CHECK_EQ(sn_map_take(m, &(int64_t){ 8 }, &got), 0);
    CHECK_EQ(got, 80);
    got = -1;
    CHECK_EQ(sn_map_take(m, &(int64_t){ 8 }, &got), SN_ENOENT);
    CHECK_EQ(got, -1);
    CHECK_EQ(sn_map_remove(m, &key), 0);
    CHECK_EQ(sn_map_len(m), 0);
    CHECK_EQ(sn_map_put(m, &key, &value), 0);
    sn_map_clear(m);
    CHECK_EQ(sn_map_len(m), 0);
    CHECK_EQ(sn_map_get(m, &key, &got), SN_ENOENT);
    CHECK_EQ(sn_map_put(m, &key, &value), 0); /* and goes on */
    sn_map_free(m);
    sn_map_free(none);
    CHECK_EQ(sn_map_put(none, &key, &value), SN_EINVAL);
    CHECK_EQ(sn_map_get(none, &key, &got), SN_EINVAL);
    CHECK_EQ(sn_map_remove(none, &key), SN_EINVAL);
    CHECK_EQ(sn_map_len(none), 0);
    return 0;
}

TEST(put_get_remove)
{
    run_everywhere(one_task, NULL);
    CHECK_EQ(one_task(NULL, NULL), 0); /* without a runtime */
}

static int with_strings(sn_ctx *ctx, void *arg)
{
    char name[] = "alice";
    const char *constant = "bob";
    word_map m;
    int got = 0;

    (void)ctx;
    (void)arg;
    CHECK_EQ(sn_map_make(&m, NULL), 0);
    CHECK_EQ(sn_map_put(m, name, &(int){ 1 }), 0);
    CHECK_EQ(sn_map_put(m, constant, &(int){ 2 }), 0);
    CHECK_EQ(sn_map_put(m, "", &(int){ 3 }), 0);
    name[0] = 'A'; /* a copy is the key */
    CHECK_EQ(sn_map_get(m, name, &got), SN_ENOENT);
    CHECK_EQ(sn_map_get(m, "alice", &got), 0);
    CHECK_EQ(got, 1);
    CHECK_EQ(sn_map_get(m, "alic", &got), SN_ENOENT);
    CHECK_EQ(sn_map_get(m, "alicea", &got), SN_ENOENT);
    CHECK_EQ(sn_map_get(m, "", &got), 0);
    CHECK_EQ(got, 3);
    CHECK_EQ(sn_map_len(m), 3);
    char longer[10000];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    CHECK_EQ(sn_map_put(m, longer, &(int){ 4 }), 0);
    longer[sizeof longer - 2] = 'y';
    CHECK_EQ(sn_map_get(m, longer, &got), SN_ENOENT);
    longer[sizeof longer - 2] = 'x';
    CHECK_EQ(sn_map_take(m, longer, &got), 0);
    CHECK_EQ(got, 4);
    sn_map_free(m);
    return 0;
}

TEST(strings_are_keys)
{
    run_everywhere(with_strings, NULL);
}

TEST(structs_are_keys)
{
    point_map m;
    struct point got;

    CHECK_EQ(sn_map_make(&m, &(sn_map_opts){ .shards = 2, .max = 100 }), 0);
    CHECK_EQ(sn_map_put(m, &((struct point){ 1, 2, 3 }), &(struct point){ 4, 5, 6 }), 0);
    CHECK_EQ(sn_map_get(m, &((struct point){ 1, 2, 3 }), &got), 0);
    CHECK(got.x == 4 && got.y == 5 && got.z == 6);
    CHECK_EQ(sn_map_get(m, &((struct point){ 1, 2, 4 }), &got), SN_ENOENT);
    sn_map_free(m);
}

static void count_copy(void *arg, void *value)
{
    (void)value;
    ++*(int *)arg;
}

TEST(bad_options)
{
    int_map m = { 0 };
    int64_t key = 1;

    CHECK_EQ(sn_map_make(&m, &(sn_map_opts){ .ttl = -1 }), SN_EINVAL);
    CHECK_EQ(sn_map_make(&m, &(sn_map_opts){ .shards = -1 }), SN_EINVAL);
    CHECK_EQ(sn_map_make(&m, &(sn_map_opts){ .shards = 1025 }), SN_EINVAL);
    CHECK_EQ(sn_map_make(&m, &(sn_map_opts){ .retain = count_copy }), SN_EINVAL); /* and nobody to release */
    CHECK(m.sni_raw == NULL);
    CHECK_EQ(sn_map_make(&m, NULL), 0);
    CHECK_EQ(sn_map_put_ttl(m, &key, -1, &key), SN_EINVAL);
    CHECK_EQ(sn_map_len(m), 0);
    sn_map_free(m);
}

/* The table grows while there is work on it. */
static int many(sn_ctx *ctx, void *arg)
{
    enum { N = 20000 };
    int_map m;

    (void)ctx;
    (void)arg;
    for (int shards = 1; shards <= 4; shards += 3) {
        CHECK_EQ(sn_map_make(&m, &(sn_map_opts){ .shards = shards }), 0);
        for (int64_t i = 0; i < N; i++) {
            int64_t old = i / 2;
            put(m, i, i * 3);
            if (i % 3 == 2)
                CHECK_EQ(sn_map_remove(m, &i), 0);
            CHECK_EQ(get(m, old), old % 3 == 2 ? -1 : old * 3);
        }
        size_t left = 0;
        for (int64_t i = 0; i < N; i++)
            left += get(m, i) == i * 3;
        CHECK_EQ(sn_map_len(m), left);
        CHECK_EQ(left, N - N / 3);
        sn_map_free(m);
    }
    return 0;
}

TEST(it_grows)
{
    CHECK_EQ(sn_run(many, NULL, NULL), 0);
}

/* --- what leaves the map is told of --- */

struct witness {
    int_map map;
    int told[SN_MAP_CLEARED + 1];
    int64_t key, value; /* of the last */
    bool put_back;
};

static void witness(void *arg, const void *key, void *value, sn_map_reason reason)
{
    struct witness *w = arg;

    w->told[reason]++;
    memcpy(&w->key, key, sizeof w->key);
    memcpy(&w->value, value, sizeof w->value);
    if (w->put_back) { /* it may use the map, also the same shard */
        w->put_back = false;
        CHECK_EQ(sn_map_put(w->map, &w->key, &(int64_t){ -w->value }), 0);
    }
}

static int tells(sn_ctx *ctx, void *arg)
{
    struct witness w = { .put_back = false };

    (void)arg;
    sn_map_opts opts = { .on_evict = witness, .arg = &w, .shards = 1, .max = 3, .ttl = SN_SEC(1) };
    CHECK_EQ(sn_map_make(&w.map, &opts), 0);
    put(w.map, 1, 10);
    put(w.map, 1, 11);
    CHECK_EQ(w.told[SN_MAP_REPLACED], 1);
    CHECK(w.key == 1 && w.value == 10);
    CHECK_EQ(sn_map_remove(w.map, &(int64_t){ 1 }), 0);
    CHECK_EQ(w.told[SN_MAP_REMOVED], 1);
    CHECK(w.key == 1 && w.value == 11);
    put(w.map, 1, 12);
    CHECK_EQ(sn_map_take(w.map, &(int64_t){ 1 }, &w.value), 0); /* is the caller's: nobody is told */
    CHECK_EQ(w.told[SN_MAP_REMOVED], 1);
    for (int i = 1; i <= 4; i++)
        put(w.map, i, i * 10);
    CHECK_EQ(w.told[SN_MAP_EVICTED], 1);
    CHECK(w.key == 1 && w.value == 10);
    w.put_back = true;
    CHECK_EQ(sn_map_remove(w.map, &(int64_t){ 3 }), 0);
    CHECK_EQ(get(w.map, 3), -30);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(1)), 0);
    CHECK_EQ(get(w.map, 2), -1);
    CHECK_EQ(w.told[SN_MAP_EXPIRED], 1);
    CHECK(w.key == 2 && w.value == 20);
    sn_map_clear(w.map);
    CHECK_EQ(w.told[SN_MAP_CLEARED], 2);
    put(w.map, 5, 50);
    sn_map_free(w.map);
    CHECK_EQ(w.told[SN_MAP_CLEARED], 3);
    return 0;
}

TEST(who_leaves_is_told_of)
{
    run_simulated(tells, NULL);
}

/* --- update --- */

static int add(void *value, bool present, void *arg)
{
    int64_t *n = value;
    CHECK(present || *n == 0);
    *n += *(int *)arg;
    return 0;
}

static int add_many(sn_ctx *ctx, void *arg)
{
    int_map *m = arg;
    (void)ctx;
    for (int i = 0; i < 200; i++)
        CHECK_EQ(sn_map_update(*m, &(int64_t){ i % 5 }, add, &(int){ 1 }), 0);
    return 0;
}

static int updates(sn_ctx *ctx, void *arg)
{
    int_map m;
    sn_group g;

    (void)arg;
    CHECK_EQ(sn_map_make(&m, NULL), 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < 6; i++)
        CHECK_EQ(sn_group_go(&g, add_many, &m), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(get(m, i), 240);
    sn_map_free(m);
    return 0;
}

TEST(updates_exclude_each_other)
{
    run_everywhere(updates, NULL);
}

static int remove_it(void *value, bool present, void *arg)
{
    (void)value;
    *(bool *)arg = present;
    return SN_MAP_REMOVE;
}

static int refuse(void *value, bool present, void *arg)
{
    (void)arg;
    *(int64_t *)value = present ? 5 : 6;
    return SN_EUSER - 1;
}

static int fails_in_update(void *value, bool present, void *arg)
{
    (void)value;
    (void)present;
    (void)arg;
    sn_fail(SN_EUSER - 2, NULL);
}

static int fails(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    for (int64_t key = 0;; key++)
        CHECK_EQ(sn_map_update(*(int_map *)arg, &key, fails_in_update, NULL), 0);
}

static int update_ends(sn_ctx *ctx, void *arg)
{
    struct witness w = { .put_back = false };
    bool present = true;
    int64_t key = 0;
    sn_group g;

    (void)arg;
    CHECK_EQ(sn_map_make(&w.map, &(sn_map_opts){ .on_evict = witness, .arg = &w }), 0);
    CHECK_EQ(sn_map_update(w.map, &key, remove_it, &present), 0);
    CHECK(!present);
    CHECK_EQ(sn_map_update(w.map, &key, refuse, NULL), SN_EUSER - 1);
    CHECK_EQ(sn_map_len(w.map), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, fails, &w.map), 0); /* the lock is free afterwards */
    CHECK_EQ(sn_group_wait(&g), SN_EUSER - 2);
    CHECK_EQ(sn_map_len(w.map), 0);
    put(w.map, key, 1);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, fails, &w.map), 0);
    CHECK_EQ(sn_group_wait(&g), SN_EUSER - 2);
    CHECK_EQ(get(w.map, key), 1);
    CHECK_EQ(sn_map_update(w.map, &key, refuse, NULL), SN_EUSER - 1);
    CHECK_EQ(get(w.map, key), 5);
    CHECK_EQ(w.told[SN_MAP_REMOVED], 0);
    CHECK_EQ(sn_map_update(w.map, &key, remove_it, &present), 0);
    CHECK(present);
    CHECK_EQ(w.told[SN_MAP_REMOVED], 1);
    CHECK_EQ(sn_map_len(w.map), 0);
    sn_map_free(w.map);
    return 0;
}

TEST(an_update_may_remove_refuse_and_fail)
{
    run_each(update_ends, NULL);
}

/* --- time to live: in virtual time --- */

static int expires(sn_ctx *ctx, void *arg)
{
    int_map m;
    sn_map_stats st;

    (void)arg;
    CHECK_EQ(sn_map_make(&m, &(sn_map_opts){ .ttl = SN_SEC(60) }), 0);
    int64_t begin = sn_now();
    put(m, 1, 10);
    CHECK_EQ(sn_map_put_ttl(m, &(int64_t){ 2 }, SN_MS(1), &(int64_t){ 20 }), 0); /* finer than a second */
    CHECK_EQ(sn_map_put_ttl(m, &(int64_t){ 3 }, SN_FOREVER, &(int64_t){ 30 }), 0);
    CHECK_EQ(sn_map_put_ttl(m, &(int64_t){ 4 }, SN_FOREVER - 1, &(int64_t){ 40 }), 0);
    CHECK_EQ(sn_map_put_ttl(m, &(int64_t){ 5 }, 0, &(int64_t){ 50 }), 0); /* as the options say */
    CHECK_EQ(get(m, 2), 20);
    CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
    CHECK_EQ(get(m, 2), -1);
    CHECK_EQ(sn_sleep_until(ctx, begin + SN_SEC(59)), 0);
    CHECK_EQ(get(m, 1), 10); /* and that does not make it live longer */
    CHECK_EQ(sn_sleep_until(ctx, begin + SN_SEC(60) + SN_US(100)), 0);
    CHECK_EQ(sn_map_len(m), 4); /* not met yet */
    CHECK_EQ(get(m, 1), -1);
    CHECK_EQ(sn_map_put_if_absent(m, &(int64_t){ 5 }, &(int64_t){ 51 }), 0); /* as if it were not there */
    CHECK_EQ(get(m, 5), 51);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(1000000)), 0);
    CHECK_EQ(sn_map_remove(m, &(int64_t){ 5 }), SN_ENOENT);
    CHECK_EQ(get(m, 3), 30);
    CHECK_EQ(get(m, 4), 40);
    CHECK_EQ(sn_map_len(m), 2);
    sn_map_get_stats(m, &st);
    CHECK_EQ(st.expirations, 4);
    CHECK_EQ(st.hits, 5);
    CHECK_EQ(st.misses, 2);
    CHECK_EQ(st.evictions, 0);
    put(m, 3, 31); /* lives for a minute from now on */
    CHECK_EQ(sn_sleep(ctx, SN_SEC(61)), 0);
    CHECK_EQ(get(m, 3), -1);
    sn_map_free(m);
    return 0;
}

TEST(entries_expire)
{
    run_simulated(expires, NULL);
}

static int slides(sn_ctx *ctx, void *arg)
{
    int_map m;

    (void)arg;
    CHECK_EQ(sn_map_make(&m, &(sn_map_opts){ .ttl = SN_SEC(10), .sliding = true }), 0);
    put(m, 1, 10);
    put(m, 2, 20);
    CHECK_EQ(sn_map_put_ttl(m, &(int64_t){ 3 }, SN_SEC(2), &(int64_t){ 30 }), 0);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(sn_sleep(ctx, SN_SEC(9) / 5), 0);
        if (i % 5 == 4)
            CHECK_EQ(get(m, 1), 10);
        CHECK_EQ(get(m, 3), 30); /* by its own time */
    }
    CHECK_EQ(get(m, 2), -1);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(3)), 0);
    CHECK_EQ(get(m, 3), -1);
    CHECK_EQ(get(m, 1), 10);
    sn_map_free(m);
    return 0;
}

TEST(use_makes_them_live_longer)
{
    run_simulated(slides, NULL);
}

/* Nobody asks for them any more: puts get rid of them, a few each. */
static int swept(sn_ctx *ctx, void *arg)
{
    enum { N = 1000 };
    struct witness w = { .put_back = false };

    (void)arg;
    CHECK_EQ(sn_map_make(&w.map, &(sn_map_opts){ .on_evict = witness, .arg = &w, .ttl = SN_SEC(60), .shards = 1 }), 0);
    for (int i = 0; i < N; i++)
        put(w.map, i, i);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(59)), 0);
    CHECK_EQ(sn_map_sweep(w.map), 0);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(1)), 0);
    for (int i = 0; i < N; i++) {
        int before = w.told[SN_MAP_EXPIRED];
        put(w.map, N + i, i);
        CHECK(w.told[SN_MAP_EXPIRED] <= before + 2);
    }
    CHECK_EQ(w.told[SN_MAP_EXPIRED], N);
    CHECK_EQ(sn_map_len(w.map), N);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(61)), 0);
    CHECK_EQ(sn_map_sweep(w.map), N);
    CHECK_EQ(sn_map_len(w.map), 0);
    CHECK_EQ(w.told[SN_MAP_EXPIRED], 2 * N);
    sn_map_free(w.map);
    return 0;
}

TEST(puts_sweep)
{
    run_simulated(swept, NULL);
}

/* One that has expired goes before any that lives, however much all were used, also if no put has looked at it yet. */
static int expired_make_room(sn_ctx *ctx, void *arg)
{
    enum { N = 12 };

    (void)arg;
    for (int which = 0; which < N; which++) {
        struct witness w = { .put_back = false };
        sn_map_opts opts = { .on_evict = witness, .arg = &w, .shards = 1, .max = N, .ttl = SN_SEC(60) };
        CHECK_EQ(sn_map_make(&w.map, &opts), 0);
        for (int64_t i = 0; i < N; i++)
            CHECK_EQ(sn_map_put_ttl(w.map, &i, i == which ? SN_SEC(1) : 0, &i), 0);
        for (int i = 0; i < N; i++)
            CHECK_EQ(get(w.map, i), i);
        CHECK_EQ(sn_sleep(ctx, SN_SEC(1)), 0);
        put(w.map, 100, 1);
        CHECK_EQ(w.told[SN_MAP_EVICTED], 0);
        CHECK_EQ(w.told[SN_MAP_EXPIRED], 1);
        CHECK_EQ(w.key, which);
        CHECK_EQ(sn_map_len(w.map), N);
        sn_map_free(w.map);
    }
    return 0;
}

TEST(expired_ones_make_room)
{
    run_simulated(expired_make_room, NULL);
}

/* --- the bound --- */

/* The example of the paper's figure, in spirit: who was used since the hand came by is passed over, once. */
static int sieves(sn_ctx *ctx, void *arg)
{
    struct witness w = { .put_back = false };

    (void)ctx;
    (void)arg;
    CHECK_EQ(sn_map_make(&w.map, &(sn_map_opts){ .on_evict = witness, .arg = &w, .shards = 1, .max = 4 }), 0);
    for (int i = 1; i <= 4; i++)
        put(w.map, i, i);
    CHECK_EQ(get(w.map, 1), 1);
    put(w.map, 3, 3); /* is a use, too */
    static const int64_t goes[] = { 2, 4, 5, 6 };
    for (int i = 0; i < 4; i++) {
        put(w.map, 5 + i, 5 + i);
        CHECK_EQ(w.key, goes[i]); /* 1 and 3 are passed over; then the hand is past them, and they stay: unlike with CLOCK */
        CHECK_EQ(w.told[SN_MAP_EVICTED], i + 1);
    }
    CHECK_EQ(get(w.map, 1), 1);
    CHECK_EQ(sn_map_remove(w.map, &(int64_t){ 8 }), 0); /* where the hand may be */
    for (int i = 0; i < 10; i++)
        put(w.map, 20 + i, 1);
    CHECK_EQ(sn_map_len(w.map), 4);
    sn_map_free(w.map);
    return 0;
}

TEST(eviction_by_sieve)
{
    run_each(sieves, NULL);
}

TEST(never_more_than_max)
{
    static const size_t bounds[] = { 1, 2, 3, 17, 100, 1000 };
    int_map m;
    sn_map_stats st;

    for (size_t b = 0; b < sizeof bounds / sizeof *bounds; b++)
        for (int shards = 0; shards <= 64; shards = shards ? shards * 8 : 1) {
            CHECK_EQ(sn_map_make(&m, &(sn_map_opts){ .max = bounds[b], .shards = shards }), 0);
            for (int64_t i = 0; i < 4000; i++) {
                put(m, i, i);
                if (i % 100 == 99 || i < 5)
                    CHECK(sn_map_len(m) <= bounds[b]);
            }
            CHECK_EQ(sn_map_len(m), bounds[b]); /* after that many all of its shards are full */
            sn_map_get_stats(m, &st);
            CHECK_EQ(st.evictions, 4000 - bounds[b]);
            sn_map_free(m);
        }
}

/* All were used: one goes all the same, and the put does not look at all of them. */
TEST(all_were_used)
{
    int_map m;

    CHECK_EQ(sn_map_make(&m, &(sn_map_opts){ .max = 5000, .shards = 1 }), 0);
    for (int round = 0; round < 3; round++)
        for (int64_t i = 0; i < 5500; i++) {
            put(m, i, i);
            CHECK_EQ(get(m, i), i);
        }
    CHECK_EQ(sn_map_len(m), 5000);
    sn_map_free(m);
}

/* What is used often stays, however many that are used once pass through. */
TEST(a_scan_does_not_wash_out_what_is_used)
{
    int_map m;
    int hits = 0;

    CHECK_EQ(sn_map_make(&m, &(sn_map_opts){ .max = 1000, .shards = 1 }), 0);
    for (int64_t i = 0; i < 100000; i++) {
        int64_t hot = i % 500;
        if (get(m, hot) == -1)
            put(m, hot, hot);
        else
            hits += i >= 10000;
        put(m, 1000000 + i, i); /* the scan */
    }
    CHECK(hits > 85000); /* of 90000 */
    sn_map_free(m);
}

/* --- made once --- */

struct making {
    int_map map;
    int runs;             /* (a) of the function */
    int running;          /* (a) at this moment */
    int r;                /* what it returns */
    sn_chan_unit begun, go; /* if made: it says that it runs, and waits until it may go on */
};

static int make_slowly(sn_ctx *ctx, const void *key, void *value, void *arg)
{
    struct making *k = arg;
    int64_t n;

    memcpy(&n, key, sizeof n);
    CHECK_EQ(__atomic_add_fetch(&k->running, 1, __ATOMIC_RELAXED), 1);
    int run = __atomic_add_fetch(&k->runs, 1, __ATOMIC_RELAXED);
    CHECK_EQ(*(int64_t *)value, 0);
    *(int64_t *)value = n * 1000 + run;
    for (int i = 0; i < 10; i++)
        sn_yield();
    int r = sn_sleep(ctx, SN_US(50));
    __atomic_sub_fetch(&k->running, 1, __ATOMIC_RELAXED);
    return r < 0 ? r : k->r;
}

struct wanting {
    struct making *making;
    int64_t key;
    sn_ctx *ctx; /* its own, or NULL */
    int r;
    int64_t got;
};

static int wants(sn_ctx *ctx, void *arg)
{
    struct wanting *w = arg;
    w->got = -1;
    w->r = sn_map_get_or_make(w->ctx ? w->ctx : ctx, w->making->map, &w->key, &w->got, make_slowly, w->making);
    test_end_if_injected(w->r);
    return 0;
}

enum { WANTERS = 8 };

static int once_for_all(sn_ctx *ctx, void *arg)
{
    struct making k = { .r = 0 };
    struct wanting w[WANTERS];
    sn_map_stats st;
    sn_group g;

    (void)arg;
    CHECK_EQ(sn_map_make(&k.map, NULL), 0);
    for (int round = 1; round <= 20; round++) {
        sn_group_init(&g, ctx);
        for (int i = 0; i < WANTERS; i++) {
            w[i] = (struct wanting){ &k, 7, NULL, 1, 0 };
            CHECK_EQ(sn_group_go(&g, wants, &w[i]), 0);
        }
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(k.runs, round);
        for (int i = 0; i < WANTERS; i++) {
            CHECK_EQ(w[i].r, 0);
            CHECK_EQ(w[i].got, 7000 + round);
        }
        CHECK_EQ(get(k.map, 7), 7000 + round);
        CHECK_EQ(sn_map_len(k.map), 1);
        CHECK_EQ(sn_map_remove(k.map, &(int64_t){ 7 }), 0);
    }
    sn_map_get_stats(k.map, &st);
    CHECK(st.misses >= 20 && st.hits + st.misses == 20 * (WANTERS + 1));
    sn_map_free(k.map);
    return 0;
}

TEST(made_once_for_all)
{
    run_everywhere(once_for_all, NULL);
}

static int errors_are_shared(sn_ctx *ctx, void *arg)
{
    struct making k = { .r = SN_EUSER - 9 };
    struct wanting w[WANTERS];
    sn_group g;
    int failed = 0;

    (void)arg;
    CHECK_EQ(sn_map_make(&k.map, NULL), 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < WANTERS; i++) {
        w[i] = (struct wanting){ &k, 3, NULL, 1, 0 };
        CHECK_EQ(sn_group_go(&g, wants, &w[i]), 0);
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < WANTERS; i++) {
        CHECK_EQ(w[i].got, -1); /* written only on success */
        failed += w[i].r == SN_EUSER - 9;
    }
    CHECK_EQ(failed, WANTERS);
    CHECK(k.runs < WANTERS || sn_run_workers() > 1); /* not each for itself */
    CHECK_EQ(sn_map_len(k.map), 0);
    k.r = 0; /* the next call tries again */
    w[0].got = 0;
    CHECK_EQ(sn_map_get_or_make(ctx, k.map, &(int64_t){ 3 }, &w[0].got, make_slowly, &k), 0);
    CHECK_EQ(w[0].got, 3000 + k.runs);
    sn_map_free(k.map);
    return 0;
}

TEST(an_error_goes_to_all_who_wait)
{
    run_each(errors_are_shared, NULL);
}

/* Makes after it was let go; what it was told to return. */
static int make_on_demand(sn_ctx *ctx, const void *key, void *value, void *arg)
{
    struct making *k = arg;

    (void)key;
    int run = __atomic_add_fetch(&k->runs, 1, __ATOMIC_RELAXED);
    CHECK_EQ(*(int64_t *)value, 0);
    *(int64_t *)value = -5;
    CHECK_EQ(sn_chan_unit_send(sn_background(), k->begun), 0);
    int r = sn_chan_unit_recv(ctx, k->go);
    if (r == 0 && k->r == 1) {
        k->r = 0;
        sn_fail(SN_EUSER - 4, NULL);
    }
    *(int64_t *)value = 100 * run;
    return r < 0 ? r : k->r;
}

static int wants_on_demand(sn_ctx *ctx, void *arg)
{
    struct wanting *w = arg;
    w->got = -1;
    w->r = sn_map_get_or_make(w->ctx ? w->ctx : ctx, w->making->map, &w->key, &w->got, make_on_demand, w->making);
    test_end_if_injected(w->r); /* it may not have come to the function, for which others wait */
    return 0;
}

static void making_init(struct making *k, const sn_map_opts *opts)
{
    *k = (struct making){ .r = 0 };
    CHECK_EQ(sn_map_make(&k->map, opts), 0);
    CHECK_EQ(sn_chan_unit_make(&k->begun, 4), 0);
    CHECK_EQ(sn_chan_unit_make(&k->go, 0), 0);
}

static void making_over(struct making *k)
{
    sn_map_free(k->map);
    sn_chan_free(k->begun);
    sn_chan_free(k->go);
}

/* Who makes it is cancelled, or fails: that is nothing to the others. */
static int maker_ends(sn_ctx *ctx, void *arg)
{
    struct making k;
    struct wanting w[3];
    bool by_failing = *(bool *)arg;
    sn_ctx *quit;
    sn_group first, rest;

    making_init(&k, NULL);
    CHECK_EQ(sn_ctx_with_cancel(&quit, ctx), 0);
    for (int i = 0; i < 3; i++)
        w[i] = (struct wanting){ &k, 5, i == 0 ? quit : NULL, 1, 0 };
    sn_group_init(&first, ctx);
    CHECK_EQ(sn_group_go(&first, wants_on_demand, &w[0]), 0);
    CHECK_EQ(sn_chan_unit_recv(ctx, k.begun), 0);
    sn_group_init(&rest, ctx);
    for (int i = 1; i < 3; i++)
        CHECK_EQ(sn_group_go(&rest, wants_on_demand, &w[i]), 0);
    for (int i = 0; i < 20; i++)
        sn_yield();
    if (by_failing) {
        k.r = 1;
        CHECK_EQ(sn_chan_unit_send(ctx, k.go), 0);
    } else {
        sn_ctx_cancel(quit);
    }
    CHECK_EQ(sn_group_wait(&first), by_failing ? SN_EUSER - 4 : 0);
    if (!by_failing)
        CHECK_EQ(w[0].r, SN_ECANCELED);
    CHECK_EQ(sn_chan_unit_recv(ctx, k.begun), 0); /* one of the others makes it now */
    CHECK_EQ(sn_chan_unit_send(ctx, k.go), 0);
    CHECK_EQ(sn_group_wait(&rest), 0);
    CHECK_EQ(k.runs, 2);
    for (int i = 1; i < 3; i++) {
        CHECK_EQ(w[i].r, 0);
        CHECK_EQ(w[i].got, 200);
    }
    CHECK_EQ(get(k.map, 5), 200);
    sn_ctx_free(quit);
    making_over(&k);
    return 0;
}

TEST(another_makes_it_if_the_maker_is_cancelled)
{
    run_each(maker_ends, &(bool){ false });
}

TEST(another_makes_it_if_the_maker_fails)
{
    run_each(maker_ends, &(bool){ true });
}

/* Who waits may give up, and the maker goes on; and if all fail, nothing is left behind. */
static int waiter_gives_up(sn_ctx *ctx, void *arg)
{
    struct making k;
    struct wanting w = { &k, 5, NULL, 1, 0 };
    int64_t got = -1;
    sn_ctx *soon;
    sn_group g;
    int r;

    (void)arg;
    making_init(&k, NULL);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, wants_on_demand, &w), 0);
    CHECK_EQ(sn_chan_unit_recv(ctx, k.begun), 0);
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_MS(2)), 0);
    CHECK_EQ(sn_map_get_or_make(soon, k.map, &(int64_t){ 5 }, &got, make_on_demand, &k), SN_ETIMEDOUT);
    CHECK_EQ(got, -1);
    CHECK_EQ(sn_map_put(k.map, &(int64_t){ 6 }, &(int64_t){ 60 }), 0);
    r = sn_map_get_or_make(soon, k.map, &(int64_t){ 6 }, &got, make_on_demand, &k);
    CHECK_EQ(r, SN_ETIMEDOUT); /* though it is there */
    sn_ctx_free(soon);
    CHECK_EQ(sn_chan_unit_send(ctx, k.go), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(w.got, 100);
    CHECK_EQ(sn_map_remove(k.map, &(int64_t){ 5 }), 0);
    k.r = 1; /* alone, and fails */
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, wants_on_demand, &w), 0);
    CHECK_EQ(sn_chan_unit_recv(ctx, k.begun), 0);
    CHECK_EQ(sn_chan_unit_send(ctx, k.go), 0);
    CHECK_EQ(sn_group_wait(&g), SN_EUSER - 4);
    making_over(&k);
    return 0;
}

TEST(who_waits_may_give_up)
{
    run_each(waiter_gives_up, NULL);
}

/* The key is written while its value is being made, from what was true before: that must not get into the map. */
enum meanwhile { PUT, REMOVE, UPDATE, CLEAR, NOTHING, MEANWHILES };

static int overtaken(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int how = PUT; how < MEANWHILES; how++) {
        struct making k;
        struct wanting w = { NULL, 5, NULL, 1, 0 };
        int64_t got = -1;
        sn_group g;

        making_init(&k, NULL);
        w.making = &k;
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, wants_on_demand, &w), 0);
        CHECK_EQ(sn_chan_unit_recv(ctx, k.begun), 0);
        if (how == PUT)
            put(k.map, 5, 55);
        else if (how == REMOVE)
            CHECK_EQ(sn_map_remove(k.map, &(int64_t){ 5 }), SN_ENOENT);
        else if (how == UPDATE)
            CHECK_EQ(sn_map_update(k.map, &(int64_t){ 5 }, add, &(int){ 55 }), 0);
        else if (how == CLEAR)
            sn_map_clear(k.map);
        else
            put(k.map, 6, 66); /* another key is another matter */
        if (how == PUT || how == UPDATE) { /* who comes now does not wait */
            CHECK_EQ(sn_map_get_or_make(ctx, k.map, &(int64_t){ 5 }, &got, make_on_demand, &k), 0);
            CHECK_EQ(got, 55);
        }
        CHECK_EQ(sn_chan_unit_send(ctx, k.go), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(w.r, 0);
        CHECK_EQ(w.got, 100); /* it has asked before */
        CHECK_EQ(get(k.map, 5), how == PUT || how == UPDATE ? 55 : how == NOTHING ? 100 : -1);
        making_over(&k);
    }
    return 0;
}

TEST(what_is_written_meanwhile_counts_as_later)
{
    run_each(overtaken, NULL);
}

/* Slow for one key holds up no other, not even in the same shard; and expired is as good as absent. */
static int others_go_on(sn_ctx *ctx, void *arg)
{
    struct making k, quick = { .r = 0 };
    struct wanting w = { NULL, 5, NULL, 1, 0 };
    int64_t got;
    sn_group g;

    (void)arg;
    making_init(&k, &(sn_map_opts){ .shards = 1, .ttl = SN_SEC(5) });
    w.making = &k;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, wants_on_demand, &w), 0);
    CHECK_EQ(sn_chan_unit_recv(ctx, k.begun), 0);
    CHECK_EQ(sn_map_get_or_make(ctx, k.map, &(int64_t){ 6 }, &got, make_slowly, &quick), 0);
    CHECK_EQ(got, 6001);
    CHECK_EQ(sn_sleep(ctx, SN_SEC(6)), 0);
    CHECK_EQ(sn_map_get_or_make(ctx, k.map, &(int64_t){ 6 }, &got, make_slowly, &quick), 0);
    CHECK_EQ(got, 6002);
    CHECK_EQ(sn_map_get_or_make(ctx, k.map, &(int64_t){ 6 }, &got, make_slowly, &quick), 0);
    CHECK_EQ(got, 6002);
    CHECK_EQ(sn_chan_unit_send(ctx, k.go), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(get(k.map, 5), 100); /* its time began when it was made */
    making_over(&k);
    return 0;
}

TEST(others_do_not_wait)
{
    run_simulated(others_go_on, NULL);
}

/* --- each --- */

struct seeing {
    int_map map;
    int seen[200];
    int n, stop_at;
};

static int see(const void *key, void *value, void *arg)
{
    struct seeing *s = arg;
    int64_t k, v;

    memcpy(&k, key, sizeof k);
    memcpy(&v, value, sizeof v);
    CHECK_EQ(v, k * 2);
    if (k < 200)
        s->seen[k]++;
    return ++s->n == s->stop_at ? 42 : 0;
}

static int see_and_change(const void *key, void *value, void *arg)
{
    struct seeing *s = arg;
    int64_t k;

    memcpy(&k, key, sizeof k);
    (void)see(key, value, arg);
    if (k < 200) {
        CHECK_EQ(sn_map_remove(s->map, &k), 0);
        put(s->map, k + 1000, (k + 1000) * 2); /* may be seen, if it comes to a later shard; but it ends */
        int64_t neighbour = k ^ 1;
        if (k % 8 == 3)
            (void)sn_map_remove(s->map, &neighbour);
    }
    return 0;
}

static int sees(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    for (int shards = 1; shards <= 16; shards *= 4) {
        struct seeing s = { .n = 0 };
        CHECK_EQ(sn_map_make(&s.map, &(sn_map_opts){ .shards = shards }), 0);
        CHECK_EQ(sn_map_each(s.map, see, &s), 0);
        CHECK_EQ(s.n, 0);
        for (int i = 0; i < 200; i++)
            put(s.map, i, i * 2);
        CHECK_EQ(sn_map_each(s.map, see, &s), 0);
        for (int i = 0; i < 200; i++)
            CHECK_EQ(s.seen[i], 1);
        s.n = 0;
        s.stop_at = 5;
        CHECK_EQ(sn_map_each(s.map, see, &s), 42);
        CHECK_EQ(s.n, 5);
        memset(s.seen, 0, sizeof s.seen);
        s.stop_at = 0;
        CHECK_EQ(sn_map_each(s.map, see_and_change, &s), 0);
        for (int i = 0; i < 200; i++) {
            CHECK(s.seen[i] == 1 || (i % 8 == 2 && s.seen[i] == 0));
            CHECK_EQ(get(s.map, i), -1);
        }
        sn_map_free(s.map);
    }
    return 0;
}

TEST(each_is_seen_once)
{
    run_everywhere(sees, NULL);
}

static int see_words(const void *key, void *value, void *arg)
{
    *(size_t *)arg += strlen(key) * (size_t)*(int *)value;
    return 0;
}

TEST(each_of_strings)
{
    word_map m;
    size_t sum = 0;

    CHECK_EQ(sn_map_make(&m, NULL), 0);
    CHECK_EQ(sn_map_put(m, "a", &(int){ 1 }), 0);
    CHECK_EQ(sn_map_put(m, "a longer one", &(int){ 100 }), 0);
    CHECK_EQ(sn_map_put(m, "", &(int){ 1000 }), 0);
    CHECK_EQ(sn_map_each(m, see_words, &sum), 0);
    CHECK_EQ(sum, 1201);
    sn_map_free(m);
}

/* Who stays is seen exactly once, whatever others do meanwhile: evict, replace, grow, clear nothing of it. */
static int stirs(sn_ctx *ctx, void *arg)
{
    struct seeing *s = arg;
    for (int64_t i = 0; sn_ctx_err(ctx) == 0 && i < 500; i++) {
        int64_t k = 1000 + (int64_t)(sn_random() % 300);
        put(s->map, k, k * 2);
        k = 1000 + (int64_t)(sn_random() % 300);
        (void)sn_map_remove(s->map, &k);
        k = (int64_t)(sn_random() % 200);
        put(s->map, k, k * 2); /* replaced: it keeps its place */
    }
    return 0;
}

static int see_slowly(const void *key, void *value, void *arg)
{
    if (sn_random() % 4 == 0)
        sn_yield();
    return see(key, value, arg);
}

static int sees_amidst(sn_ctx *ctx, void *arg)
{
    struct seeing s = { .n = 0 };
    sn_group g;

    (void)arg;
    CHECK_EQ(sn_map_make(&s.map, &(sn_map_opts){ .shards = 2 }), 0);
    for (int i = 0; i < 200; i++)
        put(s.map, i, i * 2);
    sn_group_init(&g, ctx);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(sn_group_go(&g, stirs, &s), 0);
    for (int round = 0; round < 5; round++) {
        memset(s.seen, 0, sizeof s.seen);
        CHECK_EQ(sn_map_each(s.map, see_slowly, &s), 0);
        for (int i = 0; i < 200; i++)
            CHECK_EQ(s.seen[i], 1);
    }
    sn_group_cancel(&g);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_map_free(s.map);
    return 0;
}

TEST(each_amidst_changes)
{
    run_each(sees_amidst, NULL);
}

static int see_and_fail(const void *key, void *value, void *arg)
{
    (void)key;
    (void)value;
    (void)arg;
    sn_fail(SN_EUSER - 3, NULL);
}

static int fails_in_each(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    return sn_map_each(*(int_map *)arg, see_and_fail, NULL);
}

static int each_fails(sn_ctx *ctx, void *arg)
{
    int_map m;
    sn_group g;

    (void)arg;
    CHECK_EQ(sn_map_make(&m, NULL), 0);
    put(m, 1, 2);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, fails_in_each, &m), 0);
    CHECK_EQ(sn_group_wait(&g), SN_EUSER - 3);
    CHECK_EQ(get(m, 1), 2);
    sn_map_free(m); /* which would panic if it were still under way */
    return 0;
}

TEST(each_may_fail)
{
    run_each(each_fails, NULL);
}

/* --- conservation: values that count their references, whatever happens to them --- */

struct counted {
    int refs; /* (a) */
    int key;
};

typedef sn_map_of(int, struct counted *) counted_map;

struct ledger {
    counted_map map;
    int live; /* (a) objects that are not freed */
    int told; /* (a) by on_evict */
    uint64_t rng; /* (a) */
    int turns;
};

static uint64_t dice(struct ledger *l)
{
    uint64_t x = __atomic_fetch_add(&l->rng, 0x9E3779B97F4A7C15u, __ATOMIC_RELAXED) | 1;
    return test_random(&x) >> 20;
}

static struct counted *counted_new(struct ledger *l, int key)
{
    struct counted *c = malloc(sizeof *c);
    CHECK(c != NULL);
    *c = (struct counted){ 1, key };
    __atomic_add_fetch(&l->live, 1, __ATOMIC_RELAXED);
    return c;
}

static void retain(void *arg, void *value)
{
    struct counted *c = *(struct counted **)value;
    (void)arg;
    CHECK(__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED) > 1);
}

static void release(void *arg, void *value)
{
    struct ledger *l = arg;
    struct counted *c = *(struct counted **)value;
    int left = __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL);

    CHECK(left >= 0);
    if (left == 0) {
        __atomic_sub_fetch(&l->live, 1, __ATOMIC_RELAXED);
        free(c);
    }
}

static void told(void *arg, const void *key, void *value, sn_map_reason reason)
{
    struct ledger *l = arg;
    struct counted *c = *(struct counted **)value;
    CHECK_EQ(c->key, *(const int *)key);
    CHECK(reason >= SN_MAP_REPLACED && reason <= SN_MAP_CLEARED);
    __atomic_add_fetch(&l->told, 1, __ATOMIC_RELAXED);
}

static int make_counted(sn_ctx *ctx, const void *key, void *value, void *arg)
{
    struct ledger *l = arg;
    uint64_t d = dice(l);
    int k, r = 0;

    memcpy(&k, key, sizeof k);
    if (d % 4 == 0)
        r = sn_sleep(ctx, SN_US(d / 16 % 50));
    if (r < 0)
        return r;
    if (d / 1024 % 16 == 0 && sn_task_self().id)
        sn_fail(SN_EUSER - 1, "in make");
    if (d / 1024 % 16 == 1)
        return SN_EUSER - 2;
    *(struct counted **)value = counted_new(l, k);
    return 0;
}

static int update_counted(void *value, bool present, void *arg)
{
    struct ledger *l = ((void **)arg)[0];
    uint64_t d = dice(l);

    if (d % 4 == 0)
        return SN_MAP_REMOVE;
    if (d % 4 == 1)
        return SN_EUSER - 3;
    if (!present)
        *(struct counted **)value = counted_new(l, *(int *)((void **)arg)[1]);
    return 0;
}

static int see_counted(const void *key, void *value, void *arg)
{
    struct counted *c = *(struct counted **)value;
    CHECK_EQ(c->key, *(const int *)key);
    CHECK(__atomic_load_n(&c->refs, __ATOMIC_RELAXED) > 0);
    return dice(arg) % 8 == 0;
}

static void got(struct ledger *l, int key, int r, struct counted *c)
{
    if (r == 0) {
        CHECK_EQ(c->key, key);
        release(l, &c);
    }
}

static void do_anything(struct ledger *l, sn_ctx *ctx)
{
    uint64_t d = dice(l);
    int key = (int)(d / 64 % 6), r = 0;
    struct counted *c = NULL;

    switch (d % 12) {
    case 0: case 1:
        c = counted_new(l, key);
        if ((r = sn_map_put_ttl(l->map, &key, d / 1024 % 4 ? 0 : SN_US(20), &c)) < 0)
            release(l, &c);
        break;
    case 2:
        c = counted_new(l, key);
        if ((r = sn_map_put_if_absent(l->map, &key, &c)) < 0)
            release(l, &c);
        break;
    case 3: case 4:
        r = sn_map_get(l->map, &key, &c);
        got(l, key, r, c);
        break;
    case 5:
        (void)sn_map_remove(l->map, &key);
        break;
    case 6:
        r = sn_map_take(l->map, &key, &c);
        got(l, key, r, c);
        break;
    case 7:
        r = sn_map_update(l->map, &key, update_counted, ((void *[]){ l, &key }));
        break;
    case 8: case 9:
        r = sn_map_get_or_make(ctx, l->map, &key, &c, make_counted, l);
        got(l, key, r, c);
        break;
    case 10:
        r = sn_map_each(l->map, see_counted, l);
        break;
    default:
        if (d / 1024 % 8 == 0)
            sn_map_clear(l->map);
        else if (d / 1024 % 8 == 1)
            (void)sn_map_sweep(l->map);
        break;
    }
    CHECK_RESULT(r, r >= 0 || r == SN_EEXIST || r == SN_ENOENT || r == SN_EUSER - 2 || r == SN_EUSER - 3 ||
                        r == SN_ETIMEDOUT);
}

static void free_ctx(void *arg)
{
    sn_ctx_free(arg);
}

static int does_anything(sn_ctx *parent, void *arg)
{
    struct ledger *l = arg;

    for (int i = 0; i < l->turns; i++) {
        sn_cleanup cleanup;
        sn_ctx *ctx;
        CHECK_EQ(sn_ctx_with_timeout(&ctx, parent, dice(l) % 3 ? SN_SEC(1000) : SN_US(dice(l) % 40)), 0);
        sn_cleanup_push(&cleanup, free_ctx, ctx);
        do_anything(l, ctx);
        sn_cleanup_pop(&cleanup);
        sn_ctx_free(ctx);
    }
    return 0;
}

static int goes_on(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    for (int i = 0; i < 3; i++) { /* others in its place when it fails */
        sn_group g;
        sn_group_init(&g, NULL);
        CHECK_EQ(sn_group_go(&g, does_anything, arg), 0);
        int r = sn_group_wait(&g);
        CHECK_RESULT(r, r == 0 || r == SN_EUSER - 1);
    }
    return 0;
}

static void ledger_init(struct ledger *l, uint64_t seed, int turns)
{
    *l = (struct ledger){ .rng = seed, .turns = turns };
    sn_map_opts opts = { .retain = retain, .release = release, .on_evict = told, .arg = l, .shards = 1 + (int)(seed % 2),
                         .max = seed / 2 % 2 ? 4 : 0, .ttl = seed / 4 % 2 ? SN_US(60) : 0, .sliding = seed / 8 % 2 };
    CHECK_EQ(sn_map_make(&l->map, &opts), 0);
}

static void ledger_over(struct ledger *l)
{
    sn_map_free(l->map);
    CHECK_EQ(l->live, 0);
}

static int conserves(sn_ctx *ctx, void *arg)
{
    struct ledger l;
    sn_group g;

    ledger_init(&l, sn_random(), *(int *)arg);
    sn_group_init(&g, ctx);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(sn_group_go(&g, goes_on, &l), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    ledger_over(&l);
    return 0;
}

TEST(nothing_is_lost_whatever_the_order)
{
    const sn_run_opts run = { .deadlock = test_deadlock() };
    int turns = 8;
    int r = sn_sim_explore(conserves, &turns, &(sn_sim_opts){ .seed = test_seed(), .runs = TEST_TSAN ? 30 : 400, .run = &run,
                                                              .budget_ns = SN_SEC(8) });
    CHECK_UNLESS_INJECTED(r == 0);
}

static int conserves_for_a_while(sn_ctx *ctx, void *arg)
{
    for (int64_t until = sn_now() + SN_MS(test_stress_ms()) / TEST_WORKERS; sn_now() < until;)
        CHECK_EQ(conserves(ctx, arg), 0);
    return 0;
}

TEST(nothing_is_lost_on_many_workers)
{
    run_really(conserves_for_a_while, &(int){ 50 });
}

static void *does_anything_in_a_thread(void *arg)
{
    (void)does_anything(sn_background(), arg);
    return NULL;
}

TEST(nothing_is_lost_between_tasks_and_threads)
{
    CHECK_EQ(sn_start(&(sn_run_opts){ .workers = 2 }), 0); /* for the deadlines */
    for (int round = 0; round < 16; round++) {
        struct ledger l;
        pthread_t threads[3];
        sn_group g;
        ledger_init(&l, test_seed() + (uint64_t)round, 60);
        sn_group_init(&g, NULL);
        CHECK_EQ(sn_group_go(&g, goes_on, &l), 0);
        for (int i = 0; i < 3; i++)
            CHECK(pthread_create(&threads[i], NULL, does_anything_in_a_thread, &l) == 0);
        for (int i = 0; i < 3; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        ledger_over(&l);
    }
    CHECK_EQ(sn_stop(), 0);
}

/* --- no memory: an error, and nothing has changed --- */

static void or_no_memory(int_map m, int r, int64_t key, int64_t before)
{
    if (r == SN_ENOMEM && test_is_injected())
        CHECK_EQ(get(m, key), before);
    else
        CHECK_EQ(r, 0);
}

static int make_77(sn_ctx *ctx, const void *key, void *value, void *arg)
{
    (void)ctx;
    (void)key;
    (void)arg;
    *(int64_t *)value = 77;
    return 0;
}

TEST(without_memory_nothing_changes)
{
    struct witness w = { .put_back = false };
    int64_t value;

    CHECK_EQ(sn_map_make(&w.map, &(sn_map_opts){ .on_evict = witness, .arg = &w, .shards = 1, .max = 50 }), 0);
    for (int64_t i = 0; i < 60; i++) {
        int64_t before = get(w.map, i % 55);
        size_t len = sn_map_len(w.map);
        int evicted = w.told[SN_MAP_EVICTED];
        int r = sn_map_put(w.map, &(int64_t){ i % 55 }, &i);
        or_no_memory(w.map, r, i % 55, before);
        if (r < 0) {
            CHECK_EQ(sn_map_len(w.map), len);
            CHECK_EQ(w.told[SN_MAP_EVICTED], evicted);
        }
        or_no_memory(w.map, sn_map_update(w.map, &(int64_t){ 200 + i }, add, &(int){ 1 }), 200 + i, -1);
        or_no_memory(w.map, sn_map_get_or_make(NULL, w.map, &(int64_t){ 100 + i }, &value, make_77, NULL), 100 + i, -1);
    }
    CHECK(sn_map_len(w.map) <= 50);
    sn_map_free(w.map);
}

/* --- misuse --- */

static int want_the_same(sn_ctx *ctx, const void *key, void *value, void *arg)
{
    int64_t k;
    memcpy(&k, key, sizeof k);
    return sn_map_get_or_make(ctx, *(int_map *)arg, &k, (int64_t *)value, want_the_same, arg);
}

static void die_wanting_the_same(void)
{
    int64_t got;
    int_map m;
    CHECK_EQ(sn_map_make(&m, NULL), 0);
    CHECK_EQ(sn_map_get_or_make(NULL, m, &(int64_t){ 1 }, &got, want_the_same, &m), 0);
}

static int free_it(sn_ctx *ctx, const void *key, void *value, void *arg)
{
    (void)ctx;
    (void)key;
    (void)value;
    sn_map_free(*(int_map *)arg);
    return 0;
}

static void die_freeing_it_while_making(void)
{
    int64_t got;
    int_map m;
    CHECK_EQ(sn_map_make(&m, NULL), 0);
    CHECK_EQ(sn_map_get_or_make(NULL, m, &(int64_t){ 1 }, &got, free_it, &m), 0);
}

static int free_it_in_each(const void *key, void *value, void *arg)
{
    (void)key;
    (void)value;
    sn_map_free(*(int_map *)arg);
    return 0;
}

static void die_freeing_it_in_each(void)
{
    int_map m;
    CHECK_EQ(sn_map_make(&m, NULL), 0);
    put(m, 1, 1);
    (void)sn_map_each(m, free_it_in_each, &m);
}

static int use_it(void *value, bool present, void *arg)
{
    (void)value;
    (void)present;
    put(*(int_map *)arg, 1, 1);
    return 0;
}

static void die_using_it_in_an_update(void)
{
    int_map m;
    CHECK_EQ(sn_map_make(&m, &(sn_map_opts){ .shards = 1 }), 0);
    CHECK_EQ(sn_map_update(m, &(int64_t){ 1 }, use_it, &m), 0);
}

TEST(misuse_panics)
{
    check_dies(die_wanting_the_same, "called again from within its own function");
    check_dies(die_freeing_it_while_making, "sn_map_free: a value is being made");
    check_dies(die_freeing_it_in_each, "sn_map_free: sn_map_each is under way");
    check_dies(die_using_it_in_an_update, "sn_mutex_lock");
}
