/* Counters: the contract of sennit/counter.h. */
#include "sn_test.h"

#include <pthread.h>

static int one_task(sn_ctx *ctx, void *arg)
{
    static sn_counter c; /* zero is ready */
    (void)ctx;
    (void)arg;
    CHECK_EQ(sn_counter_sum(&c), 0);
    CHECK_EQ(sn_counter_take(&c), 0);
    sn_counter_add(&c, 5);
    sn_counter_add(&c, -7);
    sn_counter_add(&c, 0);
    CHECK_EQ(sn_counter_sum(&c), -2);
    CHECK_EQ(sn_counter_sum(&c), -2);
    CHECK_EQ(sn_counter_take(&c), -2);
    CHECK_EQ(sn_counter_sum(&c), 0);
    sn_counter_add(&c, INT64_MAX); /* wraps around */
    sn_counter_add(&c, 1);
    CHECK_EQ(sn_counter_sum(&c), INT64_MIN);
    CHECK_EQ(sn_counter_take(&c), INT64_MIN);
    return 0;
}

TEST(add_sum_take)
{
    CHECK_EQ(one_task(NULL, NULL), 0); /* a thread, and no runtime */
    run_everywhere(one_task, NULL);
}

TEST(at_any_address)
{
    char *memory = malloc(sizeof(sn_counter) + 64);
    CHECK(memory != NULL);
    memset(memory, 0, sizeof(sn_counter) + 64);
    for (int at = 0; at <= 64; at += 8) {
        sn_counter *c = (sn_counter *)(void *)(memory + at);
        sn_counter_add(c, at + 1);
        CHECK_EQ(sn_counter_take(c), at + 1);
    }
    free(memory);
}

/* --- many add, while one reads --- */

enum { ADDERS = 6, ADDS = 20000 };

struct counted {
    sn_counter c;
    int left; /* (a) adders */
    int64_t taken;
};

static int adds(sn_ctx *ctx, void *arg)
{
    struct counted *s = arg;
    (void)ctx;
    for (int i = 0; i < ADDS; i++) {
        sn_counter_add(&s->c, i % 4);
        if (i % 512 == 0 && sn_task_self().id)
            sn_yield();
    }
    __atomic_sub_fetch(&s->left, 1, __ATOMIC_RELEASE);
    return 0;
}

static void *adds_in_a_thread(void *arg)
{
    (void)adds(NULL, arg);
    return NULL;
}

/* Of a counter that grows, sums do not go down; what is taken is counted once. */
static int reads(sn_ctx *ctx, void *arg)
{
    struct counted *s = arg;
    (void)ctx;
    for (int64_t last = 0; __atomic_load_n(&s->left, __ATOMIC_ACQUIRE) > 0;) {
        for (int i = 0; i < 16; i++) {
            int64_t sum = sn_counter_sum(&s->c);
            CHECK(sum >= last);
            last = sum;
        }
        int64_t got = sn_counter_take(&s->c);
        CHECK(got >= last);
        s->taken += got;
        last = 0;
        if (sn_task_self().id)
            sn_yield();
    }
    return 0;
}

static void check_counted(struct counted *s, int adders)
{
    CHECK_EQ(s->taken + sn_counter_sum(&s->c), (int64_t)adders * (ADDS / 4 * 6));
}

static int tasks_add(sn_ctx *ctx, void *arg)
{
    static struct counted s;
    sn_group g;
    (void)arg;
    memset(&s, 0, sizeof s);
    s.left = ADDERS;
    sn_group_init(&g, ctx);
    for (int i = 0; i < ADDERS; i++)
        CHECK_EQ(sn_group_go(&g, adds, &s), 0);
    CHECK_EQ(sn_group_go(&g, reads, &s), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    check_counted(&s, ADDERS);
    return 0;
}

TEST(nothing_is_lost_or_counted_twice)
{
    run_everywhere(tasks_add, NULL);
}

TEST(between_tasks_and_threads)
{
    static struct counted s;
    pthread_t threads[3];
    sn_group g;
    s.left = 3 + ADDERS;
    CHECK_EQ(sn_start(&(sn_run_opts){ .workers = 2 }), 0);
    sn_group_init(&g, NULL);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, adds_in_a_thread, &s) == 0);
    for (int i = 0; i < ADDERS; i++)
        CHECK_EQ(sn_group_go(&g, adds, &s), 0);
    CHECK_EQ(reads(NULL, &s), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK_EQ(sn_stop(), 0);
    check_counted(&s, 3 + ADDERS);
}

/* Two takers share what there is. */
static void *takes(void *arg)
{
    struct counted *s = arg;
    int64_t taken = 0;
    while (__atomic_load_n(&s->left, __ATOMIC_ACQUIRE) > 0)
        taken += sn_counter_take(&s->c);
    __atomic_add_fetch(&s->taken, taken, __ATOMIC_RELAXED);
    return NULL;
}

TEST(two_takers_in_threads)
{
    static struct counted s;
    pthread_t takers[2], adders[2];
    s.left = 2;
    for (int i = 0; i < 2; i++) {
        CHECK(pthread_create(&takers[i], NULL, takes, &s) == 0);
        CHECK(pthread_create(&adders[i], NULL, adds_in_a_thread, &s) == 0);
    }
    for (int i = 0; i < 2; i++) {
        CHECK(pthread_join(takers[i], NULL) == 0);
        CHECK(pthread_join(adders[i], NULL) == 0);
    }
    check_counted(&s, 2);
}
