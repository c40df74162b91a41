/* Wait groups: the contract of sennit/waitgroup.h. */
#include "sn_test.h"

#include <pthread.h>

_Static_assert(sizeof(sn_waitgroup) == 48, "forty-eight bytes");

static int counts(sn_ctx *ctx, void *arg)
{
    sn_waitgroup wg = { { 0 } };
    sn_ctx *over;
    (void)arg;
    sn_waitgroup_wait(&wg); /* zero: nothing to wait for */
    CHECK_EQ(sn_waitgroup_wait_ctx(ctx, &wg), 0);
    CHECK_EQ(sn_waitgroup_count(&wg), 0);
    sn_waitgroup_add(&wg, 3);
    CHECK_EQ(sn_waitgroup_count(&wg), 3);
    sn_waitgroup_done(&wg);
    sn_waitgroup_add(&wg, 0);
    CHECK_EQ(sn_waitgroup_count(&wg), 2);
    CHECK_EQ(sn_ctx_with_timeout(&over, ctx ? ctx : sn_background(), SN_MS(1)), 0);
    CHECK_EQ(sn_waitgroup_wait_ctx(over, &wg), SN_ETIMEDOUT);
    CHECK_EQ(sn_waitgroup_count(&wg), 2);
    sn_waitgroup_add(&wg, -2);
    CHECK_EQ(sn_waitgroup_count(&wg), 0);
    sn_waitgroup_wait(&wg);
    CHECK_EQ(sn_waitgroup_wait_ctx(over, &wg), SN_ETIMEDOUT); /* though it is zero */
    sn_waitgroup_add(&wg, INT32_MAX);
    CHECK_EQ(sn_waitgroup_count(&wg), INT32_MAX);
    sn_waitgroup_add(&wg, -INT32_MAX);
    CHECK_EQ(wg.sni_[0], 0);
    sn_ctx_free(over);
    return 0;
}

TEST(counts_up_and_down)
{
    run_everywhere(counts, NULL);
}

/* --- any number wait, and see what was done --- */

enum { PARTS = 40 };

struct work {
    sn_waitgroup wg;
    int parts[PARTS];
};

struct part {
    struct work *work;
    int number;
};

static int does_a_part(sn_ctx *ctx, void *arg)
{
    struct part *p = arg;
    (void)ctx;
    for (int i = 0; i < p->number % 5; i++)
        sn_yield();
    p->work->parts[p->number] = p->number + 1;
    sn_waitgroup_done(&p->work->wg);
    return 0;
}

static int waits_for_all(sn_ctx *ctx, void *arg)
{
    struct work *w = arg;
    sn_waitgroup_wait(&w->wg);
    CHECK_EQ(sn_waitgroup_wait_ctx(ctx, &w->wg), 0);
    for (int i = 0; i < PARTS; i++)
        CHECK_EQ(w->parts[i], i + 1);
    return 0;
}

static int works(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int round = 0; round < 50; round++) {
        struct work w = { .parts = { 0 } };
        sn_group g;
        sn_group_init(&g, ctx);
        sn_waitgroup_add(&w.wg, PARTS);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(sn_group_go(&g, waits_for_all, &w), 0);
        for (int i = 0; i < PARTS; i++) {
            struct part p = { &w, i };
            CHECK_EQ(sn_group_go_copy(&g, does_a_part, &p), 0);
        }
        CHECK_EQ(waits_for_all(ctx, &w), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(w.wg.sni_[0], 0);
    }
    return 0;
}

TEST(all_who_wait_see_what_was_done)
{
    run_everywhere(works, NULL);
}

static void *waits_in_a_thread(void *arg)
{
    (void)waits_for_all(NULL, arg);
    return NULL;
}

static void *does_parts_in_a_thread(void *arg)
{
    for (int i = 0; i < PARTS; i++)
        (void)does_a_part(NULL, &(struct part){ arg, i });
    return NULL;
}

TEST(between_threads_without_a_runtime)
{
    for (int round = 0; round < 20; round++) {
        struct work w = { .parts = { 0 } };
        pthread_t threads[3];
        sn_waitgroup_add(&w.wg, PARTS);
        for (int i = 0; i < 3; i++)
            CHECK(pthread_create(&threads[i], NULL, i == 1 ? does_parts_in_a_thread : waits_in_a_thread, &w) == 0);
        CHECK_EQ(waits_for_all(NULL, &w), 0);
        for (int i = 0; i < 3; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

/* --- rounds --- */

struct rounds {
    sn_waitgroup wg;
    int over;
};

static int waits_one_round(sn_ctx *ctx, void *arg)
{
    struct rounds *r = arg;
    CHECK_EQ(sn_waitgroup_wait_ctx(ctx, &r->wg), 0);
    r->over++;
    return 0;
}

static int next_begins_at_once(sn_ctx *ctx, void *arg)
{
    struct rounds r = { .over = 0 };
    (void)arg;
    for (int round = 1; round <= 20; round++) {
        sn_group g;
        sn_group_init(&g, ctx);
        sn_waitgroup_add(&r.wg, 2);
        CHECK_EQ(sn_group_go(&g, waits_one_round, &r), 0);
        CHECK_EQ(sn_group_go(&g, waits_one_round, &r), 0);
        test_let_others_go();
        sn_waitgroup_done(&r.wg);
        test_let_others_go();
        CHECK_EQ(r.over, 2 * round - 2);
        sn_waitgroup_done(&r.wg);
        sn_waitgroup_add(&r.wg, 1); /* before those who wait have run */
        CHECK_EQ(r.over, 2 * round - 2);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(r.over, 2 * round);
        CHECK_EQ(sn_waitgroup_count(&r.wg), 1);
        sn_waitgroup_done(&r.wg);
    }
    return 0;
}

TEST(a_wait_ends_with_its_round)
{
    CHECK_EQ(sn_run(next_begins_at_once, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

/* --- giving up, at any moment --- */

static int waits_a_moment(sn_ctx *ctx, void *arg)
{
    struct part *p = arg;
    sn_ctx *soon;
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_US(p->number)), 0);
    int r = sn_waitgroup_wait_ctx(soon, &p->work->wg);
    CHECK(r == SN_ETIMEDOUT || (r == 0 && p->work->parts[0] == 1));
    sn_ctx_free(soon);
    return 0;
}

static int some_give_up(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int round = 0; round < 200; round++) {
        struct work w = { .parts = { 0 } };
        sn_group g;
        sn_group_init(&g, ctx);
        sn_waitgroup_add(&w.wg, 1);
        for (int i = 0; i < 8; i++) {
            struct part p = { &w, i * 5 };
            CHECK_EQ(sn_group_go_copy(&g, waits_a_moment, &p), 0);
        }
        CHECK_EQ(sn_sleep(ctx, SN_US(10 + round % 20)), 0);
        CHECK_EQ(sn_group_go_copy(&g, does_a_part, &((struct part){ &w, 0 })), 0);
        sn_waitgroup_wait(&w.wg);
        CHECK_EQ(w.parts[0], 1);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(w.wg.sni_[0], 0);
    }
    return 0;
}

TEST(giving_up_races_with_the_end)
{
    run_each(some_give_up, NULL);
}

/* --- freed as soon as the waits have returned: the last done may still be on its way out --- */

static int done_once(sn_ctx *ctx, void *arg)
{
    sn_waitgroup *wg = *(sn_waitgroup **)arg;
    (void)ctx;
    sn_waitgroup_done(wg);
    return 0;
}

static int frees(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 500; i++) {
        sn_waitgroup *wg = calloc(1, sizeof *wg);
        sn_group g;
        CHECK(wg != NULL);
        sn_group_init(&g, ctx);
        sn_waitgroup_add(wg, 3);
        for (int k = 0; k < 3; k++)
            CHECK_EQ(sn_group_go_copy(&g, done_once, &wg), 0);
        sn_waitgroup_wait(wg);
        free(wg);
        CHECK_EQ(sn_group_wait(&g), 0);
    }
    return 0;
}

TEST(freed_by_who_waited)
{
    run_everywhere(frees, NULL);
}

/* --- tasks that it starts --- */

struct jobs {
    sn_waitgroup wg;
    sn_latch go;
    int ran; /* (a) */
};

static int job(sn_ctx *ctx, void *arg)
{
    struct jobs *j = arg;
    CHECK_EQ(sn_latch_wait(ctx, &j->go), 0);
    return __atomic_add_fetch(&j->ran, 1, __ATOMIC_RELAXED) % 2 ? SN_EIO : 0; /* dropped */
}

static int fails(sn_ctx *ctx, void *arg)
{
    struct jobs *j = arg;
    CHECK_EQ(sn_latch_wait(ctx, &j->go), 0);
    (void)__atomic_add_fetch(&j->ran, 1, __ATOMIC_RELAXED);
    sn_fail(SN_EIO, NULL);
}

static int goes(sn_ctx *ctx, void *arg)
{
    struct jobs j = { .go = SN_LATCH_INIT(1) };
    sn_waitgroup_entry who[4];
    sn_ctx *soon;
    (void)arg;
    CHECK_EQ(sn_waitgroup_who(&j.wg, who, 4), 0);
    CHECK_EQ(sn_waitgroup_go(&j.wg, job, &j), 0);
    CHECK_EQ(sn_waitgroup_go_opts(&j.wg, fails, &j, &(sn_task_opts){ .name = "failing" }), 0);
    CHECK_EQ(sn_waitgroup_go(&j.wg, job, &j), 0);
    sn_waitgroup_add(&j.wg, 1);
    CHECK_EQ(sn_waitgroup_count(&j.wg), 4);
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx ? ctx : sn_background(), SN_MS(1)), 0);
    CHECK_EQ(sn_waitgroup_wait_ctx(soon, &j.wg), SN_ETIMEDOUT);
    memset(who, 0, sizeof who);
    CHECK_EQ(sn_waitgroup_who(&j.wg, who, 2), 3); /* in the order of their starts; no more than fit */
    CHECK(strstr(who[0].site, "waitgroup_test.c:") && strstr(who[0].site, " job"));
    CHECK(strstr(who[1].site, " fails"));
    CHECK(who[0].name == NULL && strcmp(who[1].name, "failing") == 0);
    CHECK(who[2].site == NULL);
    CHECK_EQ(sn_waitgroup_who(&j.wg, NULL, 0), 3);
    sn_latch_count_down(&j.go, 1);
    sn_waitgroup_done(&j.wg);
    CHECK_EQ(sn_waitgroup_wait_ctx(ctx, &j.wg), 0);
    CHECK_EQ(j.ran, 3);
    CHECK_EQ(sn_waitgroup_who(&j.wg, who, 4), 0);
    sn_ctx_free(soon);
    return 0;
}

TEST(go_and_who)
{
    run_everywhere(goes, NULL);
}

static int quick(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)__atomic_add_fetch((int *)arg, 1, __ATOMIC_RELAXED);
    return 0;
}

static int goes_and_frees(sn_ctx *ctx, void *arg)
{
    int ran = 0;
    (void)arg;
    for (int i = 0; i < 100; i++) {
        sn_waitgroup *wg = calloc(1, sizeof *wg);
        CHECK(wg != NULL);
        for (int k = 0; k < 5; k++)
            CHECK_EQ(sn_waitgroup_go(wg, quick, &ran), 0);
        CHECK_EQ(sn_waitgroup_wait_ctx(ctx, wg), 0);
        CHECK_EQ(ran, 5 * (i + 1));
        free(wg);
    }
    return 0;
}

TEST(freed_while_its_tasks_are_on_their_way_out)
{
    run_everywhere(goes_and_frees, NULL);
}

TEST(go_without_a_runtime)
{
    sn_waitgroup wg = { { 0 } };
    int ran = 0;
    CHECK_EQ(sn_waitgroup_go(&wg, quick, &ran), SN_ENOTRUNNING);
    CHECK_EQ(sn_waitgroup_count(&wg), 0);
    CHECK_EQ(sn_waitgroup_who(&wg, NULL, 0), 0);
    sn_waitgroup_wait(&wg);
}

/* --- misuse --- */

static sn_waitgroup wrong;

static void die_below_zero(void)
{
    sn_waitgroup_add(&wrong, 2);
    sn_waitgroup_done(&wrong);
    sn_waitgroup_done(&wrong);
    sn_waitgroup_done(&wrong);
}

static void die_adding_below_zero(void)
{
    sn_waitgroup_add(&wrong, 2);
    sn_waitgroup_add(&wrong, -3);
}

static int done_by_itself(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    sn_waitgroup_done(arg);
    return 0;
}

static int counts_twice(sn_ctx *ctx, void *arg)
{
    CHECK_EQ(sn_waitgroup_go((sn_waitgroup *)arg, done_by_itself, arg), 0);
    return sn_sleep(ctx, SN_SEC(1));
}

static void die_counting_twice(void)
{
    (void)sn_run(counts_twice, &wrong, NULL);
}

static void die_far_below_zero(void)
{
    sn_waitgroup_add(&wrong, INT32_MIN);
}

static void die_too_high(void)
{
    sn_waitgroup_add(&wrong, INT32_MAX);
    sn_waitgroup_add(&wrong, 1);
}

static int waits_in_vain(sn_ctx *ctx, void *arg)
{
    sn_waitgroup_add(&wrong, 2);
    return sn_waitgroup_wait_ctx(ctx, arg);
}

static void die_waiting(void)
{
    (void)sn_run(waits_in_vain, &wrong, &(sn_run_opts){ .deadlock = SN_DEADLOCK_ALWAYS });
}

TEST(misuse_panics)
{
    check_dies(die_below_zero, "sn_waitgroup_done: 1 done, but only 0 are left; it was last brought to zero by die_below_zero");
    check_dies(die_adding_below_zero, "sn_waitgroup_done: 3 done, but only 2 are left");
    check_dies(die_far_below_zero, "sn_waitgroup_done: 2147483648 done, but only 0 are left; it was last brought to zero by nobody");
    check_dies(die_counting_twice, "sn_waitgroup_done: 1 done, but only 0 are left; it was last brought to zero by done_by_itself");
    check_dies(die_too_high, "sn_waitgroup_add: the counter would be 2147483648");
    check_dies(die_waiting, "waiting for a wait group (2 not done)");
}
