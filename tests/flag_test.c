/* Flags: the contract of sennit/flag.h. */
#include "sn_test.h"

#include <pthread.h>

static int one_task(sn_ctx *ctx, void *arg)
{
    sn_flag f = { { 0 } };
    (void)ctx;
    (void)arg;
    CHECK(!sn_flag_test(&f));
    sn_flag_set(&f);
    CHECK(sn_flag_test(&f));
    sn_flag_set(&f);
    CHECK(sn_flag_test(&f));
    CHECK(sn_flag_test_and_set(&f));
    CHECK(sn_flag_test_and_clear(&f));
    CHECK(!sn_flag_test(&f));
    CHECK(!sn_flag_test_and_clear(&f));
    CHECK(!sn_flag_test_and_set(&f));
    CHECK(sn_flag_test(&f));
    sn_flag_clear(&f);
    CHECK(!sn_flag_test(&f));
    sn_flag_clear(&f);
    CHECK(!sn_flag_test(&f));
    CHECK_EQ(sizeof f, 8);
    return 0;
}

TEST(set_clear_test)
{
    CHECK_EQ(one_task(NULL, NULL), 0); /* a thread, and no runtime */
    run_everywhere(one_task, NULL);
}

/* --- of those that test and set exactly one finds it clear, and sees what was done before it was cleared --- */

enum { CROWD = 6, ROUNDS = 2000 };

struct owned {
    sn_flag f;
    long a, b; /* the owner's: equal when the flag is clear */
    int had;   /* (a) */
};

static int wins_or_not(sn_ctx *ctx, void *arg)
{
    struct owned *o = arg;
    (void)ctx;
    for (int i = 0; i < ROUNDS; i++) {
        if (!sn_flag_test_and_set(&o->f)) {
            CHECK_EQ(o->a, o->b);
            o->a++;
            if (i % 16 == 0 && sn_task_self().id)
                sn_yield();
            o->b++;
            __atomic_add_fetch(&o->had, 1, __ATOMIC_RELAXED);
            sn_flag_clear(&o->f);
        } else if (i % 8 == 0 && sn_task_self().id) {
            sn_yield();
        }
    }
    return 0;
}

static void *wins_in_a_thread(void *arg)
{
    (void)wins_or_not(NULL, arg);
    return NULL;
}

static void check_owned(struct owned *o)
{
    CHECK(o->a > 0);
    CHECK_EQ(o->a, o->had);
    CHECK_EQ(o->b, o->had);
    CHECK(!sn_flag_test(&o->f));
}

static int crowd(sn_ctx *ctx, void *arg)
{
    struct owned o = { .a = 0 };
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(sn_group_go(&g, wins_or_not, &o), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    check_owned(&o);
    return 0;
}

TEST(one_of_many_wins)
{
    run_everywhere(crowd, NULL);
}

TEST(between_threads_without_a_runtime)
{
    struct owned o = { .a = 0 };
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, wins_in_a_thread, &o) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    check_owned(&o);
}

/* --- who takes the flag sees what all had done who set it --- */

struct stale {
    sn_flag f;
    long written[CROWD]; /* each by one, before it sets the flag */
    long seen[CROWD];    /* (a) the reader's copy */
    int left;            /* (a) writers */
};

struct writer {
    struct stale *s;
    int number;
};

static int writes(sn_ctx *ctx, void *arg)
{
    struct writer *w = arg;
    (void)ctx;
    for (long i = 1; i <= ROUNDS; i++) {
        __atomic_store_n(&w->s->written[w->number], i, __ATOMIC_RELAXED); /* only the flag orders it */
        sn_flag_set(&w->s->f);
        if (i % 64 == 0)
            sn_yield();
    }
    __atomic_sub_fetch(&w->s->left, 1, __ATOMIC_RELAXED);
    return 0;
}

static int rebuilds(sn_ctx *ctx, void *arg)
{
    struct stale *s = arg;
    (void)ctx;
    for (bool over = false; !over;) {
        over = __atomic_load_n(&s->left, __ATOMIC_RELAXED) == 0;
        if (sn_flag_test_and_clear(&s->f))
            for (int i = 0; i < CROWD; i++)
                s->seen[i] = __atomic_load_n(&s->written[i], __ATOMIC_RELAXED);
        sn_yield();
    }
    return 0;
}

static int nobody_is_missed(sn_ctx *ctx, void *arg)
{
    struct stale s = { .left = CROWD };
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(sn_group_go_copy(&g, writes, (&(struct writer){ &s, i })), 0);
    CHECK_EQ(sn_group_go(&g, rebuilds, &s), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    if (sn_flag_test_and_clear(&s.f))
        memcpy(s.seen, s.written, sizeof s.seen);
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(s.seen[i], ROUNDS);
    return 0;
}

TEST(who_takes_it_misses_nobody)
{
    run_each(nobody_is_missed, NULL);
}
