/* Barriers: the contract of sennit/barrier.h. */
#include "sn_test.h"

#include <pthread.h>

static int alone(sn_ctx *ctx, void *arg)
{
    sn_barrier b = SN_BARRIER_INIT(1);
    uint64_t round;
    (void)arg;
    CHECK_EQ(sn_barrier_wait(ctx, &b), 1);
    CHECK_EQ(sn_barrier_arrive(&b, &round), 1);
    sn_case c = sn_on_barrier(&b, round);
    CHECK_EQ(sn_select(ctx, &c, 1), 0);
    CHECK_EQ(c.err, 0);
    CHECK_EQ(sn_barrier_arrived(&b), 0);
    return 0;
}

TEST(one_party_never_waits)
{
    run_everywhere(alone, NULL);
}

/* --- steps: what each did in a step is seen by all in the next --- */

enum { PARTIES = 5, STEPS = 60 };

struct steps {
    sn_barrier barrier;
    int done[PARTIES]; /* plain: its own party's */
    int leaders;       /* (a) */
};

struct party {
    struct steps *steps;
    int number;
};

static int steps_on(sn_ctx *ctx, void *arg)
{
    struct party *p = arg;
    for (int step = 1; step <= STEPS; step++) {
        p->steps->done[p->number] = step;
        if (step % (p->number + 2) == 0 && sn_task_self().id)
            sn_yield();
        int r = sn_barrier_wait(ctx, &p->steps->barrier);
        CHECK_RESULT(r, r == 0 || r == 1);
        (void)__atomic_add_fetch(&p->steps->leaders, r, __ATOMIC_RELAXED);
        for (int i = 0; i < PARTIES; i++)
            CHECK_EQ(p->steps->done[i], step);
        r = sn_barrier_wait(ctx, &p->steps->barrier); /* before anybody begins the next step */
        CHECK_RESULT(r, r == 0 || r == 1);
    }
    return 0;
}

static int all_step(sn_ctx *ctx, void *arg)
{
    struct steps s = { .barrier = SN_BARRIER_INIT(PARTIES) };
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < PARTIES; i++)
        CHECK_EQ(sn_group_go_copy(&g, steps_on, (&(struct party){ &s, i })), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(s.leaders, STEPS); /* one a round */
    CHECK_EQ(sn_barrier_arrived(&s.barrier), 0);
    return 0;
}

TEST(round_after_round)
{
    run_everywhere(all_step, NULL);
}

static void *steps_in_a_thread(void *arg)
{
    (void)steps_on(NULL, arg);
    return NULL;
}

TEST(between_threads_without_a_runtime)
{
    struct steps s = { .leaders = 0 };
    struct party parties[PARTIES];
    pthread_t threads[PARTIES];
    sn_barrier_init(&s.barrier, PARTIES);
    for (int i = 0; i < PARTIES; i++) {
        parties[i] = (struct party){ &s, i };
        CHECK(pthread_create(&threads[i], NULL, steps_in_a_thread, &parties[i]) == 0);
    }
    for (int i = 0; i < PARTIES; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK_EQ(s.leaders, STEPS);
}

/* --- broken --- */

struct answers {
    sn_barrier barrier;
    int n[3]; /* (a) of 0 or 1, SN_EBROKEN, others */
};

static int waits(sn_ctx *ctx, void *arg)
{
    struct answers *a = arg;
    int r = sn_barrier_wait(ctx, &a->barrier);
    (void)__atomic_add_fetch(&a->n[r == 0 || r == 1 ? 0 : r == SN_EBROKEN ? 1 : 2], 1, __ATOMIC_RELAXED);
    return 0;
}

static int one_gives_up(sn_ctx *ctx, void *arg)
{
    struct answers a = { .barrier = SN_BARRIER_INIT(4) };
    uint64_t round;
    sn_ctx *soon;
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, waits, &a), 0);
    CHECK_EQ(sn_group_go(&g, waits, &a), 0);
    while (sn_barrier_arrived(&a.barrier) < 2)
        CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx ? ctx : sn_background(), SN_MS(1)), 0);
    CHECK_EQ(sn_barrier_wait(soon, &a.barrier), SN_ETIMEDOUT);
    CHECK(sn_barrier_is_broken(&a.barrier));
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(a.n[1], 2);
    CHECK_EQ(sn_barrier_wait(ctx, &a.barrier), SN_EBROKEN);
    CHECK_EQ(sn_barrier_arrive(&a.barrier, &round), SN_EBROKEN);
    sn_barrier_reset(&a.barrier);
    CHECK(!sn_barrier_is_broken(&a.barrier));
    CHECK_EQ(sn_barrier_arrived(&a.barrier), 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(sn_group_go(&g, waits, &a), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(a.n[0], 4);
    CHECK_EQ(sn_barrier_wait(soon, &a.barrier), SN_ETIMEDOUT); /* it has ended before: it will not come either */
    CHECK(sn_barrier_is_broken(&a.barrier));
    sn_ctx_free(soon);
    return 0;
}

TEST(who_gives_up_breaks_it)
{
    run_everywhere(one_gives_up, NULL);
}

static int is_broken_and_reset(sn_ctx *ctx, void *arg)
{
    struct answers a = { .barrier = SN_BARRIER_INIT(3) };
    uint64_t round, next;
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_barrier_arrive(&a.barrier, &round), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, waits, &a), 0);
    while (sn_barrier_arrived(&a.barrier) < 2)
        CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
    sn_barrier_break(&a.barrier);
    sn_barrier_break(&a.barrier);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(a.n[1], 1);
    sn_case c = sn_on_barrier(&a.barrier, round);
    CHECK_EQ(sn_select(ctx, &c, 1), 0);
    CHECK_EQ(c.err, SN_EBROKEN);
    sn_barrier_reset(&a.barrier);
    CHECK_EQ(sn_select(ctx, &c, 1), 0);
    CHECK_EQ(c.err, SN_EBROKEN); /* of that round, for good */
    CHECK_EQ(sn_barrier_arrive(&a.barrier, &next), 0);
    sn_barrier_reset(&a.barrier); /* one was there */
    c = sn_on_barrier(&a.barrier, next);
    CHECK_EQ(sn_select_try(&c, 1), 0);
    CHECK_EQ(c.err, SN_EBROKEN);
    CHECK_EQ(sn_barrier_arrived(&a.barrier), 0);
    return 0;
}

static int remembers(sn_ctx *ctx, void *arg)
{
    sn_barrier b = SN_BARRIER_INIT(2);
    uint64_t rounds[140], other;
    (void)arg;
    for (int i = 0; i < 140; i++) { /* every third is broken */
        CHECK_EQ(sn_barrier_arrive(&b, &rounds[i]), 0);
        if (i % 3 == 0)
            sn_barrier_reset(&b);
        else
            CHECK_EQ(sn_barrier_arrive(&b, &other), 1);
        for (int k = 0; k <= i; k++) {
            sn_case c = sn_on_barrier(&b, rounds[k]);
            CHECK_EQ(sn_select_try(&c, 1), 0);
            CHECK_EQ(c.err, k % 3 == 0 || k + 64 <= i ? SN_EBROKEN : 0); /* what is further back counts as broken */
        }
    }
    sn_barrier_reset(&b); /* nobody is there: nothing to break */
    sn_case c = sn_on_barrier(&b, rounds[139]);
    CHECK_EQ(sn_select(ctx, &c, 1), 0);
    CHECK_EQ(c.err, 0);
    return 0;
}

TEST(how_earlier_rounds_have_ended)
{
    run_each(remembers, NULL);
}

TEST(break_and_reset)
{
    run_everywhere(is_broken_and_reset, NULL);
}

/* The last one comes while another gives up: either the round is over for all, or broken for all. */
struct edge {
    sn_barrier barrier;
    sn_ctx *soon;
    int r[2];
};

static int waits_to_the_edge(sn_ctx *ctx, void *arg)
{
    struct edge *e = arg;
    (void)ctx;
    e->r[0] = sn_barrier_wait(e->soon, &e->barrier);
    return 0;
}

static int at_the_edge(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        struct edge e = { .barrier = SN_BARRIER_INIT(2) };
        sn_group g;
        CHECK_EQ(sn_ctx_with_timeout(&e.soon, ctx, SN_US(i % 50)), 0);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, waits_to_the_edge, &e), 0);
        CHECK_EQ(sn_sleep(ctx, SN_US(i % 40)), 0);
        e.r[1] = sn_barrier_wait(ctx, &e.barrier);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK((e.r[0] + e.r[1] == 1 && e.r[0] >= 0) || (e.r[0] == SN_ETIMEDOUT && e.r[1] == SN_EBROKEN));
        sn_ctx_free(e.soon);
    }
    return 0;
}

TEST(over_or_broken_for_all)
{
    run_each(at_the_edge, NULL);
}

/* --- misuse --- */

static sn_barrier wrong = SN_BARRIER_INIT(2);

static void die_without_parties(void)
{
    sn_barrier_init(&wrong, 0);
}

static void die_waiting(void)
{
    (void)sn_run(waits, &wrong, &(sn_run_opts){ .deadlock = SN_DEADLOCK_ALWAYS });
}

TEST(misuse_panics)
{
    check_dies(die_without_parties, "sn_barrier_init: 0 parties");
    check_dies(die_waiting, "waiting at a barrier (1 of 2 have arrived)");
}
