/* The deque of fresh tasks, from inside: order at both ends, growth, and thieves that race with the owner for the last one. */
#include "sched/deque.h"

#include "sn_test.h"

#include <pthread.h>

static struct sni_task *number(uintptr_t i)
{
    return (struct sni_task *)(i << 4); /* never looked into */
}

static uintptr_t number_of(const struct sni_task *t)
{
    return (uintptr_t)t >> 4;
}

TEST(newest_for_the_owner_oldest_for_thieves)
{
    struct sni_deque d = { 0 };

    CHECK_EQ(sni_deque_init(&d), 0);
    CHECK(sni_deque_take(&d) == NULL);
    CHECK(sni_deque_steal(&d) == NULL);
    for (uintptr_t i = 1; i <= 5; i++)
        CHECK_EQ(sni_deque_push(&d, number(i)), 0);
    CHECK_EQ(sni_deque_len(&d), 5);
    CHECK_EQ(number_of(sni_deque_take(&d)), 5);
    CHECK_EQ(number_of(sni_deque_steal(&d)), 1);
    CHECK_EQ(number_of(sni_deque_take(&d)), 4);
    CHECK_EQ(number_of(sni_deque_steal(&d)), 2);
    CHECK_EQ(number_of(sni_deque_take(&d)), 3);
    CHECK(sni_deque_take(&d) == NULL);
    CHECK(sni_deque_steal(&d) == NULL);
    CHECK_EQ(sni_deque_len(&d), 0);
    sni_deque_destroy(&d);
}

TEST(grows_with_any_content)
{
    /* The indices wrap round the array at different places each time it must grow. */
    for (uintptr_t gone = 0; gone < 300; gone += 37) {
        struct sni_deque d = { 0 };
        uintptr_t next = 1, oldest = 1;
        CHECK_EQ(sni_deque_init(&d), 0);
        for (uintptr_t i = 0; i < gone; i++) {
            CHECK_EQ(sni_deque_push(&d, number(next++)), 0);
            CHECK_EQ(number_of(sni_deque_steal(&d)), oldest++);
        }
        for (uintptr_t i = 0; i < 5000; i++)
            CHECK_EQ(sni_deque_push(&d, number(next++)), 0);
        CHECK_EQ(sni_deque_len(&d), 5000);
        for (uintptr_t i = 0; i < 2500; i++) {
            CHECK_EQ(number_of(sni_deque_steal(&d)), oldest++);
            CHECK_EQ(number_of(sni_deque_take(&d)), --next);
        }
        CHECK(sni_deque_take(&d) == NULL);
        sni_deque_destroy(&d);
    }
}

enum { THIEVES = 2, TOTAL = 200000 };

struct race {
    struct sni_deque d;
    uint8_t *taken; /* (a) how often each number came out */
    int done;       /* (a) */
};

static void count(struct race *r, const struct sni_task *t)
{
    if (t)
        (void)sni_add_rlx(&r->taken[number_of(t)], (uint8_t)1);
}

static void *thief(void *arg)
{
    struct race *r = arg;

    while (!sni_load_acq(&r->done))
        count(r, sni_deque_steal(&r->d));
    return NULL;
}

TEST(each_comes_out_once)
{
    struct race r = { .taken = calloc(TOTAL + 1, 1) };
    pthread_t threads[THIEVES];
    uint64_t rng = test_seed();
    uintptr_t next = 1;
    struct sni_task *t;

    CHECK(r.taken != NULL);
    CHECK_EQ(sni_deque_init(&r.d), 0);
    for (int i = 0; i < THIEVES; i++)
        CHECK(pthread_create(&threads[i], NULL, thief, &r) == 0);
    while (next <= TOTAL) { /* bursts of one to eight: mostly it is about the last one */
        for (uint64_t n = test_random(&rng) % 8 + 1; n > 0 && next <= TOTAL; n--)
            CHECK_EQ(sni_deque_push(&r.d, number(next++)), 0);
        for (uint64_t n = test_random(&rng) % 8 + 1; n > 0; n--)
            count(&r, sni_deque_take(&r.d));
    }
    while ((t = sni_deque_take(&r.d)) != NULL || sni_deque_len(&r.d) > 0)
        count(&r, t);
    sni_store_rel(&r.done, 1);
    for (int i = 0; i < THIEVES; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (uintptr_t i = 1; i <= TOTAL; i++)
        CHECK_EQ(r.taken[i], 1);
    sni_deque_destroy(&r.d);
    free(r.taken);
}
