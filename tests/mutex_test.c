/* Mutexes: the contract of sennit/mutex.h. */
#include "sn_test.h"

#include <pthread.h>

_Static_assert(sizeof(sn_mutex) == 8, "eight bytes");

static int one_task(sn_ctx *ctx, void *arg)
{
    sn_mutex m = { { 0 } };
    sn_ctx *over;
    (void)arg;
    CHECK(!sn_mutex_held(&m));
    for (int i = 0; i < 3; i++) {
        sn_mutex_lock(&m);
        CHECK(sn_mutex_held(&m));
        CHECK_EQ(sn_mutex_try_lock(&m), SN_EBUSY);
        sn_mutex_unlock(&m);
        CHECK(!sn_mutex_held(&m));
        CHECK_EQ(sn_mutex_try_lock(&m), 0);
        sn_mutex_unlock(&m);
        CHECK_EQ(sn_mutex_lock_ctx(ctx, &m), 0);
        sn_mutex_unlock(&m);
    }
    CHECK_EQ(sn_ctx_with_cancel(&over, ctx), 0);
    sn_ctx_cancel(over);
    CHECK_EQ(sn_mutex_lock_ctx(over, &m), SN_ECANCELED); /* though it is free */
    CHECK(!sn_mutex_held(&m));
    CHECK_EQ(m.sni_[0], 0);
    sn_ctx_free(over);
    return 0;
}

TEST(lock_try_unlock)
{
    run_each(one_task, NULL);
    CHECK_EQ(sn_start(&(sn_run_opts){ .workers = 1 }), 0);
    CHECK_EQ(one_task(NULL, NULL), 0); /* in a plain thread */
    CHECK_EQ(sn_stop(), 0);
    CHECK_EQ(one_task(NULL, NULL), 0); /* without a runtime */
}

/* --- exclusion and visibility --- */

struct shared {
    sn_mutex m;
    long a, b; /* equal whenever nobody holds it */
};

static int adds(sn_ctx *ctx, void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < 2000; i++) {
        if (i % 2)
            sn_mutex_lock(&s->m);
        else
            CHECK_EQ(sn_mutex_lock_ctx(ctx, &s->m), 0);
        CHECK_EQ(s->a, s->b);
        s->a++;
        if (i % 16 == 0 && sn_task_self().id)
            sn_yield(); /* with the mutex held */
        s->b++;
        sn_mutex_unlock(&s->m);
    }
    return 0;
}

static void *adds_in_a_thread(void *arg)
{
    (void)adds(NULL, arg);
    return NULL;
}

static int tasks_add(sn_ctx *ctx, void *arg)
{
    struct shared s = { .a = 0 };
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(sn_group_go(&g, adds, &s), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(s.a, 20000);
    CHECK_EQ(s.b, 20000);
    return 0;
}

TEST(one_holder_at_a_time)
{
    run_each(tasks_add, NULL);
}

TEST(between_threads_without_a_runtime)
{
    struct shared s = { .a = 0 };
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, adds_in_a_thread, &s) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK_EQ(s.a, 8000);
}

TEST(between_tasks_and_threads)
{
    struct shared s = { .a = 0 };
    pthread_t threads[2];
    sn_group g;
    CHECK_EQ(sn_start(&(sn_run_opts){ .workers = 2 }), 0);
    sn_group_init(&g, NULL);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, adds_in_a_thread, &s) == 0);
    for (int i = 0; i < 6; i++)
        CHECK_EQ(sn_group_go(&g, adds, &s), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK_EQ(sn_stop(), 0);
    CHECK_EQ(s.a, 16000);
}

/* --- order --- */

enum { WAITERS = 8 };

struct line {
    sn_mutex m;
    int order[WAITERS], n;
    sn_chan_unit parked;
};

struct in_line {
    struct line *line;
    int number;
    sn_ctx *ctx; /* its own to give up with, or NULL */
};

static int takes_its_turn(sn_ctx *ctx, void *arg)
{
    struct in_line *me = arg;
    CHECK_EQ(sn_chan_unit_send(ctx, me->line->parked), 0);
    int r = sn_mutex_lock_ctx(me->ctx ? me->ctx : ctx, &me->line->m);
    if (me->ctx) {
        CHECK_EQ(r, SN_ECANCELED);
        return 0;
    }
    CHECK_EQ(r, 0);
    me->line->order[me->line->n++] = me->number;
    sn_mutex_unlock(&me->line->m);
    return 0;
}

/* `quitters`: a bit per waiter that gives up while it waits. */
static void serve_the_line(sn_ctx *ctx, unsigned quitters)
{
    struct line line = { .n = 0 };
    sn_ctx *quit;
    sn_group g;
    int want = 0;

    CHECK_EQ(sn_chan_unit_make(&line.parked, 0), 0);
    CHECK_EQ(sn_ctx_with_cancel(&quit, ctx), 0);
    sn_group_init(&g, ctx);
    sn_mutex_lock(&line.m);
    for (int i = 0; i < WAITERS; i++) {
        struct in_line me = { &line, i, quitters >> i & 1 ? quit : NULL };
        CHECK_EQ(sn_group_go_copy(&g, takes_its_turn, &me), 0);
        CHECK_EQ(sn_chan_unit_recv(ctx, line.parked), 0);
        test_let_others_go(); /* it parks */
    }
    sn_ctx_cancel(quit);
    if (quitters % 3)
        test_let_others_go(); /* they leave the queue; or they are still in it when it is handed over */
    CHECK_EQ(sn_mutex_try_lock(&line.m), SN_EBUSY);
    sn_mutex_unlock(&line.m);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < WAITERS; i++)
        if (!(quitters >> i & 1))
            CHECK_EQ(line.order[want++], i);
    CHECK_EQ(line.n, want);
    CHECK_EQ(line.m.sni_[0], 0);
    sn_ctx_free(quit);
    sn_chan_free(line.parked);
}

static int lines(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (unsigned quitters = 0; quitters < 1 << WAITERS; quitters += 1 + quitters % 3)
        serve_the_line(ctx, quitters);
    return 0;
}

TEST(who_waits_longest_is_next_whoever_gives_up)
{
    CHECK_EQ(sn_run(lines, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

/* --- overtaking, for a turn and no longer --- */

static int waits_once(sn_ctx *ctx, void *arg)
{
    struct line *line = arg;
    CHECK_EQ(sn_chan_unit_send(ctx, line->parked), 0);
    sn_mutex_lock(&line->m);
    line->n = 1;
    sn_mutex_unlock(&line->m);
    return 0;
}

static int overtakes(sn_ctx *ctx, void *arg)
{
    struct line line = { .n = 0 };
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&line.parked, 0), 0);
    sn_group_init(&g, ctx);
    sn_mutex_lock(&line.m);
    CHECK_EQ(sn_group_go(&g, waits_once, &line), 0);
    CHECK_EQ(sn_chan_unit_recv(ctx, line.parked), 0);
    test_let_others_go();
    int64_t begin = sn_now();
    sn_mutex_unlock(&line.m); /* the waiter is woken, but has not run yet: it is left free */
    CHECK_EQ(sn_mutex_try_lock(&line.m), 0);
    CHECK_EQ(line.n, 0);
    while (sn_now() - begin < SN_US(100))
        ;
    sn_mutex_unlock(&line.m); /* it could have had it for more than 50 us: now it has it */
    CHECK_EQ(sn_mutex_try_lock(&line.m), SN_EBUSY);
    CHECK_EQ(line.n, 0); /* though it has not run yet */
    sn_mutex_lock(&line.m);
    CHECK_EQ(line.n, 1);
    sn_mutex_unlock(&line.m);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(line.parked);
    return 0;
}

TEST(overtaken_for_a_turn)
{
    CHECK_EQ(sn_run(overtakes, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

/* One takes it again and again, for 7 us each time, and leaves it free for a moment only. The k-th in line has it after k turns of
 * 50 us, each with one more critical section, at the latest. */
enum { SECTION_US = 7 };

struct greedy {
    sn_mutex m;
    int64_t began[WAITERS], had[WAITERS];
    int waiting, served;
    bool over;
};

struct patient {
    struct greedy *greedy;
    int number;
};

static int is_patient(sn_ctx *ctx, void *arg)
{
    struct patient *me = arg;
    struct greedy *g = me->greedy;
    (void)ctx;
    g->began[me->number] = sn_now();
    g->waiting++;
    sn_mutex_lock(&g->m);
    g->had[g->served++] = sn_now() - g->began[me->number];
    sn_mutex_unlock(&g->m);
    return 0;
}

static int is_greedy(sn_ctx *ctx, void *arg)
{
    struct greedy *g = arg;
    while (!g->over) {
        sn_mutex_lock(&g->m);
        CHECK_EQ(sn_sleep(ctx, SN_US(SECTION_US)), 0);
        sn_mutex_unlock(&g->m);
    }
    return 0;
}

static int nobody_starves(sn_ctx *ctx, void *arg)
{
    struct greedy greedy = { .over = false };
    sn_group g, others;
    (void)arg;
    sn_group_init(&g, ctx);
    sn_group_init(&others, ctx);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(sn_group_go(&g, is_greedy, &greedy), 0);
    CHECK_EQ(sn_sleep(ctx, SN_US(20)), 0);
    for (int i = 0; i < WAITERS; i++)
        CHECK_EQ(sn_group_go_copy(&others, is_patient, (&(struct patient){ &greedy, i })), 0);
    CHECK_EQ(sn_group_wait(&others), 0);
    greedy.over = true;
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < WAITERS; i++) /* each place also stands behind the greedy ones who had to wait before it */
        CHECK(greedy.had[i] <= SN_US((50 + 2 * SECTION_US) * (i + 1 + 3)));
    return 0;
}

TEST(nobody_starves)
{
    run_simulated(nobody_starves, NULL);
}

/* --- giving up, at any moment --- */

static int tries_for_a_while(sn_ctx *ctx, void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < 300; i++) {
        sn_ctx *soon;
        CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_US(1 + i % 40)), 0);
        int r = sn_mutex_lock_ctx(soon, &s->m);
        if (r == 0) {
            CHECK_EQ(s->a, s->b);
            s->a++;
            sn_yield();
            s->b++;
            sn_mutex_unlock(&s->m);
        } else {
            CHECK_EQ(r, SN_ETIMEDOUT);
        }
        sn_ctx_free(soon);
    }
    return 0;
}

static int all_give_up(sn_ctx *ctx, void *arg)
{
    struct shared s = { .a = 0 };
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(sn_group_go(&g, tries_for_a_while, &s), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(s.a, s.b);
    CHECK_EQ(s.m.sni_[0], 0);
    return 0;
}

TEST(giving_up_races_with_the_turn)
{
    run_each(all_give_up, NULL);
}

/* --- freed as soon as it is got: the last holder's unlock may still be on its way out --- */

struct passing {
    sn_mutex *m;
    sn_chan_unit locked;
};

static int last_but_one(sn_ctx *ctx, void *arg)
{
    struct passing *p = arg;
    sn_mutex *m = p->m;
    sn_mutex_lock(m);
    CHECK_EQ(sn_chan_unit_send(ctx, p->locked), 0);
    sn_yield();
    sn_mutex_unlock(m);
    return 0;
}

static int frees(sn_ctx *ctx, void *arg)
{
    struct passing p;
    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&p.locked, 0), 0);
    for (int i = 0; i < 500; i++) {
        sn_group g;
        CHECK((p.m = calloc(1, sizeof *p.m)) != NULL);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, last_but_one, &p), 0);
        CHECK_EQ(sn_chan_unit_recv(ctx, p.locked), 0);
        sn_mutex_lock(p.m); /* waits, unless that task was fast */
        sn_mutex_unlock(p.m);
        free(p.m);
        CHECK_EQ(sn_group_wait(&g), 0);
    }
    sn_chan_free(p.locked);
    return 0;
}

TEST(freed_by_the_next_holder)
{
    run_each(frees, NULL);
}

/* --- misuse --- */

static sn_mutex held;

static int locks_twice(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    sn_mutex_lock(&held);
    sn_mutex_lock(&held);
    return 0;
}

static int unlocks_anothers(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_mutex_unlock(&held);
    sn_group_init(&g, ctx);
    return sn_group_wait(&g);
}

static int holds_and_starts(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_mutex_lock(&held);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, unlocks_anothers, NULL), 0);
    return sn_group_wait(&g);
}

static int waits_for_each_other(sn_ctx *ctx, void *arg)
{
    sn_group g;
    (void)arg;
    sn_mutex_lock(&held);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, locks_twice, NULL), 0);
    return sn_group_wait(&g);
}

static void die_locking_twice(void)
{
    (void)sn_run(locks_twice, NULL, NULL);
}

static void die_locking_twice_in_a_thread(void)
{
    (void)locks_twice(NULL, NULL);
}

static void die_unlocking(void)
{
    sn_mutex_unlock(&held);
}

static void die_unlocking_anothers(void)
{
    (void)sn_run(holds_and_starts, NULL, NULL);
}

static void die_waiting(void)
{
    (void)sn_run(waits_for_each_other, NULL, &(sn_run_opts){ .deadlock = SN_DEADLOCK_ALWAYS });
}

static void die_asserting_held(void)
{
    sn_mutex_assert_not_held(&held);
    sn_mutex_assert_held(&held);
}

static void die_asserting_not_held(void)
{
    sn_mutex_lock(&held);
    sn_mutex_assert_held(&held);
    sn_mutex_assert_not_held(&held);
}

TEST(misuse_panics)
{
    check_dies(die_asserting_held, "sn_mutex_assert_held: this task or thread does not hold the mutex");
    check_dies(die_asserting_not_held, "sn_mutex_assert_not_held: this task or thread holds the mutex");
    check_dies(die_locking_twice, "sn_mutex_lock: this task or thread holds the mutex already");
    check_dies(die_locking_twice_in_a_thread, "in a plain thread");
    check_dies(die_unlocking, "sn_mutex_unlock: this task or thread does not hold the mutex");
    check_dies(die_unlocking_anothers, "sn_mutex_unlock: this task or thread does not hold the mutex");
    check_dies(die_unlocking_anothers, "unlocks_anothers");
    check_dies(die_waiting, "locking a mutex held by task ");
}
