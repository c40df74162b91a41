/* Futures: the contract of sennit/future.h. */
#include "sn_test.h"

#include <pthread.h>

struct point {
    long x, y, z;
};

typedef sn_future_of(int) int_future;
typedef sn_future_of(struct point) point_future;

static int sets(sn_ctx *ctx, void *arg)
{
    int_future f = { { { 0 } }, 0 };
    point_future p = { { { 0 } }, { 0, 0, 0 } };
    struct point at = { 9, 9, 9 };
    int value = 5;
    sn_ctx *over;
    (void)arg;
    CHECK(!sn_future_is_set(&f));
    CHECK_EQ(sn_future_try_get(&f, &value), SN_EAGAIN);
    CHECK_EQ(sn_ctx_with_timeout(&over, ctx ? ctx : sn_background(), SN_MS(1)), 0);
    CHECK_EQ(sn_future_get(over, &f, &value), SN_ETIMEDOUT);
    CHECK_EQ(value, 5); /* written only on success */
    CHECK_EQ(sn_future_set(&f, &(int){ 42 }), 0);
    CHECK(sn_future_is_set(&f));
    CHECK_EQ(sn_future_set(&f, &(int){ 43 }), SN_EEXIST);
    CHECK_EQ(sn_future_fail(&f, SN_EIO), SN_EEXIST);
    CHECK_EQ(sn_future_get(ctx, &f, &value), 0);
    CHECK_EQ(value, 42);
    CHECK_EQ(sn_future_get(over, &f, &value), SN_ETIMEDOUT); /* though it is set */
    CHECK_EQ(sn_future_fail(&p, SN_EIO), 0);
    CHECK_EQ(sn_future_set(&p, &(struct point){ 1, 2, 3 }), SN_EEXIST);
    CHECK_EQ(sn_future_get(ctx, &p, &at), SN_EIO);
    CHECK_EQ(sn_future_try_get(&p, &at), SN_EIO);
    CHECK_EQ(at.x, 9);
    sn_ctx_free(over);
    return 0;
}

TEST(set_once)
{
    run_everywhere(sets, NULL);
}

/* A macro's argument is evaluated once. */
TEST(each_macro_is_one_call)
{
    int_future f[4], *next = f;
    int value = 0;
    memset(f, 0, sizeof f);
    CHECK_EQ(sn_future_set(next++, &(int){ 1 }), 0);
    CHECK_EQ(sn_future_fail(next++, SN_EIO), 0);
    CHECK(next == f + 2 && sn_future_is_set(&f[0]) && sn_future_is_set(&f[1]));
    next = f;
    CHECK_EQ(sn_future_get(NULL, next++, &value), 0);
    CHECK_EQ(value, 1);
    CHECK_EQ(sn_future_try_get(next++, &value), SN_EIO);
    CHECK(next == f + 2);
}

/* --- several set it, several wait: all see what the first has set, and everything before it --- */

struct race {
    point_future f;
    long before[4]; /* plain: written by each setter, its own */
    int won;        /* (a) */
};

struct setter {
    struct race *race;
    int number;
};

static int sets_it(sn_ctx *ctx, void *arg)
{
    struct setter *s = arg;
    (void)ctx;
    s->race->before[s->number] = s->number + 1;
    int r = sn_future_set(&s->race->f, &(struct point){ s->number, s->number, s->number });
    CHECK(r == 0 || r == SN_EEXIST);
    (void)__atomic_add_fetch(&s->race->won, r == 0, __ATOMIC_RELAXED);
    return 0;
}

static int gets_it(sn_ctx *ctx, void *arg)
{
    struct race *race = arg;
    struct point p;
    CHECK_EQ(sn_future_get(ctx, &race->f, &p), 0);
    CHECK(p.x == p.y && p.y == p.z);
    CHECK_EQ(race->before[p.x], p.x + 1);
    return 0;
}

static int races(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++) {
        struct race race = { .won = 0 };
        sn_group g;
        sn_group_init(&g, ctx);
        for (int k = 0; k < 4; k++) {
            CHECK_EQ(sn_group_go(&g, gets_it, &race), 0);
            CHECK_EQ(sn_group_go_copy(&g, sets_it, (&(struct setter){ &race, k })), 0);
        }
        CHECK_EQ(gets_it(ctx, &race), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(race.won, 1);
    }
    return 0;
}

TEST(the_first_wins)
{
    run_everywhere(races, NULL);
}

/* --- freed by who got it --- */

static int sets_42(sn_ctx *ctx, void *arg)
{
    int_future *f = *(int_future **)arg;
    (void)ctx;
    return sn_future_set(f, &(int){ 42 });
}

static int frees(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 500; i++) {
        int_future *f = calloc(1, sizeof *f);
        sn_group g;
        int value;
        CHECK(f != NULL);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go_copy(&g, sets_42, &f), 0);
        CHECK_EQ(sn_future_get(ctx, f, &value), 0);
        CHECK_EQ(value, 42);
        free(f);
        CHECK_EQ(sn_group_wait(&g), 0);
    }
    return 0;
}

TEST(freed_by_who_got_it)
{
    run_everywhere(frees, NULL);
}

static void *sets_in_a_thread(void *arg)
{
    CHECK_EQ(sn_future_set((int_future *)arg, &(int){ 42 }), 0);
    return NULL;
}

TEST(between_threads_without_a_runtime)
{
    for (int i = 0; i < 50; i++) {
        int_future f = { 0 };
        pthread_t thread;
        int value;
        CHECK(pthread_create(&thread, NULL, sets_in_a_thread, &f) == 0);
        CHECK_EQ(sn_future_get(NULL, &f, &value), 0);
        CHECK_EQ(value, 42);
        CHECK(pthread_join(thread, NULL) == 0);
    }
}

/* --- misuse --- */

static int_future wrong;

static void die_failing_with_success(void)
{
    (void)sn_future_fail(&wrong, 0);
}

static int waits_in_vain(sn_ctx *ctx, void *arg)
{
    int value;
    return sn_future_get(ctx, (int_future *)arg, &value);
}

static void die_waiting(void)
{
    (void)sn_run(waits_in_vain, &wrong, &(sn_run_opts){ .deadlock = SN_DEADLOCK_ALWAYS });
}

TEST(misuse_panics)
{
    check_dies(die_failing_with_success, "sn_future_fail: 0 is no error");
    check_dies(die_waiting, "waiting for a future");
}
