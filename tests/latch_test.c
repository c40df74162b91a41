/* Latches: the contract of sennit/latch.h. */
#include "sn_test.h"

#include <pthread.h>

static int counts(sn_ctx *ctx, void *arg)
{
    sn_latch l = SN_LATCH_INIT(3), none;
    sn_ctx *over;
    (void)arg;
    sn_latch_init(&none, 0);
    CHECK_EQ(sn_latch_wait(ctx, &none), 0); /* open from the beginning */
    CHECK_EQ(sn_ctx_with_timeout(&over, ctx ? ctx : sn_background(), SN_MS(1)), 0);
    CHECK_EQ(sn_latch_count(&l), 3);
    sn_latch_count_down(&l, 2);
    sn_latch_count_down(&l, 0);
    CHECK_EQ(sn_latch_count(&l), 1);
    CHECK_EQ(sn_latch_wait(over, &l), SN_ETIMEDOUT);
    CHECK_EQ(sn_latch_count(&l), 1);
    sn_latch_count_down(&l, 1);
    CHECK_EQ(sn_latch_count(&l), 0);
    CHECK_EQ(sn_latch_wait(ctx, &l), 0);
    CHECK_EQ(sn_latch_wait(ctx, &l), 0); /* it stays open */
    CHECK_EQ(sn_latch_wait(over, &l), SN_ETIMEDOUT); /* though it is open */
    sn_ctx_free(over);
    return 0;
}

TEST(counts_down_and_stays_open)
{
    run_everywhere(counts, NULL);
}

/* --- any number wait, see what was done, and free it --- */

struct start {
    sn_latch latch;
    int parts[3]; /* plain */
};

static int does_a_part(sn_ctx *ctx, void *arg)
{
    struct start *s = *(struct start **)arg;
    (void)ctx;
    sn_yield();
    for (int i = 0; i < 3; i++)
        s->parts[i]++;
    sn_latch_count_down(&s->latch, 1);
    return 0;
}

static int frees(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 300; i++) {
        struct start *s = calloc(1, sizeof *s);
        sn_group g;
        CHECK(s != NULL);
        sn_latch_init(&s->latch, 1);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go_copy(&g, does_a_part, &s), 0);
        CHECK_EQ(sn_latch_wait(ctx, &s->latch), 0);
        for (int k = 0; k < 3; k++)
            CHECK_EQ(s->parts[k], 1);
        free(s);
        CHECK_EQ(sn_group_wait(&g), 0);
    }
    return 0;
}

TEST(freed_by_who_waited)
{
    run_everywhere(frees, NULL);
}

struct many {
    sn_latch ready, go;
    int through; /* (a) */
};

static int waits(sn_ctx *ctx, void *arg)
{
    struct many *m = arg;
    sn_latch_count_down(&m->ready, 1);
    CHECK_EQ(sn_latch_wait(ctx, &m->go), 0);
    (void)__atomic_add_fetch(&m->through, 1, __ATOMIC_RELAXED);
    return 0;
}

static void *waits_in_a_thread(void *arg)
{
    (void)waits(NULL, arg);
    return NULL;
}

TEST(all_go_on_at_once)
{
    struct many m = { .ready = SN_LATCH_INIT(12), .go = SN_LATCH_INIT(1) };
    pthread_t threads[4];
    sn_group g;
    CHECK_EQ(sn_start(&(sn_run_opts){ .workers = 2 }), 0);
    sn_group_init(&g, NULL);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(sn_group_go(&g, waits, &m), 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, waits_in_a_thread, &m) == 0);
    CHECK_EQ(sn_latch_wait(NULL, &m.ready), 0);
    CHECK_EQ(__atomic_load_n(&m.through, __ATOMIC_RELAXED), 0);
    sn_latch_count_down(&m.go, 1);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK_EQ(m.through, 12);
    CHECK_EQ(sn_stop(), 0);
}

/* --- misuse --- */

static sn_latch wrong = SN_LATCH_INIT(1);

static void die_below_zero(void)
{
    sn_latch_count_down(&wrong, 2);
}

static void die_counting_up(void)
{
    sn_latch_count_down(&wrong, -1);
}

static void die_with_less_than_none(void)
{
    sn_latch_init(&wrong, -1);
}

static int waits_in_vain(sn_ctx *ctx, void *arg)
{
    return sn_latch_wait(ctx, arg);
}

static void die_waiting(void)
{
    (void)sn_run(waits_in_vain, &wrong, &(sn_run_opts){ .deadlock = SN_DEADLOCK_ALWAYS });
}

TEST(misuse_panics)
{
    check_dies(die_below_zero, "sn_latch_count_down: by 2, but 1 are left");
    check_dies(die_counting_up, "sn_latch_count_down: by -1");
    check_dies(die_with_less_than_none, "sn_latch_init: -1");
    check_dies(die_waiting, "waiting for a latch (1 left)");
}
