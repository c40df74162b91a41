/* Semaphores: the contract of sennit/sem.h. */
#include "sn_test.h"

#include <pthread.h>

static int one_task(sn_ctx *ctx, void *arg)
{
    sn_sem s = SN_SEM_INIT(4), t;
    sn_ctx *over;
    (void)arg;
    CHECK_EQ(sn_sem_available(&s), 4);
    CHECK_EQ(sn_sem_acquire(ctx, &s, 3), 0);
    CHECK_EQ(sn_sem_available(&s), 1);
    CHECK_EQ(sn_sem_try_acquire(&s, 2), SN_EAGAIN);
    CHECK_EQ(sn_sem_try_acquire(&s, 1), 0);
    CHECK_EQ(sn_sem_try_acquire(&s, 1), SN_EAGAIN);
    CHECK_EQ(sn_sem_try_acquire(&s, 0), 0);
    CHECK_EQ(sn_sem_acquire(ctx, &s, 0), 0);
    CHECK_EQ(sn_ctx_with_timeout(&over, ctx ? ctx : sn_background(), SN_MS(1)), 0);
    CHECK_EQ(sn_sem_acquire(over, &s, 1), SN_ETIMEDOUT);
    CHECK_EQ(sn_sem_available(&s), 0);
    sn_sem_release(&s, 0);
    sn_sem_release(&s, 4);
    CHECK_EQ(sn_sem_acquire(over, &s, 1), SN_ETIMEDOUT); /* though it is free */
    CHECK_EQ(sn_sem_available(&s), 4);
    CHECK_EQ(sn_sem_acquire(ctx, &s, 5), SN_EINVAL);
    CHECK_EQ(sn_sem_acquire(ctx, &s, -1), SN_EINVAL);
    CHECK_EQ(sn_sem_try_acquire(&s, 5), SN_EINVAL);
    CHECK_EQ(sn_sem_try_acquire(&s, -1), SN_EINVAL);
    CHECK_EQ(sn_sem_available(&s), 4);
    sn_sem_init(&t, 4);
    CHECK(memcmp(&s, &t, sizeof t) == 0);
    sn_sem_init(&t, INT32_MAX);
    CHECK_EQ(sn_sem_acquire(ctx, &t, INT32_MAX), 0);
    CHECK_EQ(sn_sem_available(&t), 0);
    sn_sem_release(&t, INT32_MAX);
    CHECK_EQ(sn_sem_available(&t), INT32_MAX);
    sn_sem_init(&t, 0);
    CHECK_EQ(sn_sem_acquire(ctx, &t, 0), 0);
    CHECK_EQ(sn_sem_acquire(ctx, &t, 1), SN_EINVAL); /* would wait for ever */
    sn_ctx_free(over);
    return 0;
}

TEST(acquire_try_release)
{
    run_everywhere(one_task, NULL);
}

/* --- never more than there are; what was done before a release is visible --- */

enum { PERMITS = 4 };

struct slots {
    sn_sem sem, one;
    int used;    /* (a) permits held */
    long a, b;   /* equal whenever nobody holds `one` */
};

static void use(struct slots *s, sn_ctx *ctx, int n)
{
    CHECK_EQ(sn_sem_acquire(ctx, &s->sem, n), 0);
    CHECK(__atomic_add_fetch(&s->used, n, __ATOMIC_RELAXED) <= PERMITS);
    if (sn_task_self().id)
        sn_yield();
    __atomic_sub_fetch(&s->used, n, __ATOMIC_RELAXED);
    sn_sem_release(&s->sem, n);
}

static int uses(sn_ctx *ctx, void *arg)
{
    struct slots *s = arg;
    for (int i = 0; i < 500; i++) {
        use(s, ctx, 1 + i % PERMITS);
        CHECK_EQ(sn_sem_acquire(ctx, &s->one, 1), 0); /* binary: as a lock */
        CHECK_EQ(s->a, s->b);
        s->a++;
        if (i % 16 == 0 && sn_task_self().id)
            sn_yield();
        s->b++;
        sn_sem_release(&s->one, 1);
    }
    return 0;
}

static void *uses_in_a_thread(void *arg)
{
    (void)uses(NULL, arg);
    return NULL;
}

static void slots_init(struct slots *s)
{
    *s = (struct slots){ .used = 0 };
    sn_sem_init(&s->sem, PERMITS);
    sn_sem_init(&s->one, 1);
}

static void check_slots(struct slots *s, int users)
{
    CHECK_EQ(s->a, 500L * users);
    CHECK_EQ(s->b, 500L * users);
    CHECK_EQ(sn_sem_available(&s->sem), PERMITS);
    CHECK_EQ(sn_sem_available(&s->one), 1);
}

static int tasks_use(sn_ctx *ctx, void *arg)
{
    struct slots s;
    sn_group g;
    (void)arg;
    slots_init(&s);
    sn_group_init(&g, ctx);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(sn_group_go(&g, uses, &s), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    check_slots(&s, 8);
    return 0;
}

TEST(never_more_than_there_are)
{
    run_everywhere(tasks_use, NULL);
}

TEST(between_threads_without_a_runtime)
{
    struct slots s;
    pthread_t threads[3];
    slots_init(&s);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, uses_in_a_thread, &s) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    check_slots(&s, 3);
}

TEST(between_tasks_and_threads)
{
    struct slots s;
    pthread_t threads[2];
    sn_group g;
    slots_init(&s);
    CHECK_EQ(sn_start(&(sn_run_opts){ .workers = 2 }), 0);
    sn_group_init(&g, NULL);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, uses_in_a_thread, &s) == 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(sn_group_go(&g, uses, &s), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK_EQ(sn_stop(), 0);
    check_slots(&s, 6);
}

/* --- order: on one worker --- */

enum { WAITERS = 6 };

struct line {
    sn_sem sem;
    char got[WAITERS + 1]; /* who, in which order; ended by NUL */
    int n;
};

struct in_line {
    struct line *line;
    int number, want, r;
    sn_ctx *ctx; /* its own to give up with, or NULL */
};

static int takes_its_turn(sn_ctx *ctx, void *arg)
{
    struct in_line *me = arg;
    CHECK_EQ(sn_sem_acquire(me->ctx ? me->ctx : ctx, &me->line->sem, me->want), me->r);
    if (me->r == 0)
        me->line->got[me->line->n++] = (char)('0' + me->number);
    return 0;
}

static void wait_in_line(sn_group *g, struct line *line, int number, int want, sn_ctx *quit)
{
    struct in_line me = { line, number, want, quit ? SN_ECANCELED : 0, quit };
    CHECK_EQ(sn_group_go_copy(g, takes_its_turn, &me), 0);
    test_let_others_go();
}

/* These have got theirs since the last look. Who runs first of those let in together is not ours to say. */
static void check_got(struct line *line, const char *who)
{
    test_let_others_go();
    CHECK_EQ(line->n, strlen(who));
    CHECK_EQ(strspn(line->got, who), strlen(who));
    memset(line->got, 0, sizeof line->got);
    line->n = 0;
}

static int in_order(sn_ctx *ctx, void *arg)
{
    struct line line = { .sem = SN_SEM_INIT(4) };
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_sem_acquire(ctx, &line.sem, 4), 0);
    sn_group_init(&g, ctx);
    wait_in_line(&g, &line, 0, 1, NULL);
    wait_in_line(&g, &line, 1, 4, NULL);
    wait_in_line(&g, &line, 2, 1, NULL);
    wait_in_line(&g, &line, 3, 0, NULL); /* even who wants none */
    check_got(&line, "");
    sn_sem_release(&line.sem, 3);
    check_got(&line, "0");
    CHECK_EQ(sn_sem_available(&line.sem), 2);
    CHECK_EQ(sn_sem_try_acquire(&line.sem, 1), SN_EAGAIN); /* two are free, but others wait */
    CHECK_EQ(sn_sem_try_acquire(&line.sem, 0), SN_EAGAIN);
    sn_sem_release(&line.sem, 1); /* ours */
    check_got(&line, "");
    sn_sem_release(&line.sem, 1); /* task 0's: given back by another */
    check_got(&line, "1");
    sn_sem_release(&line.sem, 3);
    check_got(&line, "23");
    CHECK_EQ(sn_sem_available(&line.sem), 2);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_sem_release(&line.sem, 2);
    return 0;
}

TEST(first_come_first_served)
{
    CHECK_EQ(sn_run(in_order, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

static int first_gives_up(sn_ctx *ctx, void *arg)
{
    struct line line = { .sem = SN_SEM_INIT(4) };
    sn_ctx *quit;
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_sem_acquire(ctx, &line.sem, 2), 0);
    CHECK_EQ(sn_ctx_with_cancel(&quit, ctx), 0);
    sn_group_init(&g, ctx);
    wait_in_line(&g, &line, 0, 3, quit);
    wait_in_line(&g, &line, 1, 1, NULL);
    wait_in_line(&g, &line, 2, 2, quit);
    wait_in_line(&g, &line, 3, 1, NULL);
    wait_in_line(&g, &line, 4, 1, NULL);
    check_got(&line, "");
    sn_ctx_cancel(quit); /* those behind it want no more than there are */
    check_got(&line, "13");
    sn_sem_release(&line.sem, 4);
    check_got(&line, "4");
    CHECK_EQ(sn_sem_available(&line.sem), 3);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_ctx_free(quit);
    return 0;
}

TEST(who_gives_up_lets_those_behind_it_go)
{
    CHECK_EQ(sn_run(first_gives_up, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

/* --- giving up, at any moment --- */

static int tries_for_a_while(sn_ctx *ctx, void *arg)
{
    struct slots *s = arg;
    for (int i = 0; i < 300; i++) {
        int n = 1 + i % PERMITS;
        sn_ctx *soon;
        CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_US(1 + i % 40)), 0);
        int r = sn_sem_acquire(soon, &s->sem, n);
        if (r == 0) {
            CHECK(__atomic_add_fetch(&s->used, n, __ATOMIC_RELAXED) <= PERMITS);
            sn_yield();
            __atomic_sub_fetch(&s->used, n, __ATOMIC_RELAXED);
            sn_sem_release(&s->sem, n);
        } else {
            CHECK_EQ(r, SN_ETIMEDOUT);
        }
        sn_ctx_free(soon);
    }
    return 0;
}

static int all_give_up(sn_ctx *ctx, void *arg)
{
    struct slots s;
    sn_group g;
    (void)arg;
    slots_init(&s);
    sn_group_init(&g, ctx);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(sn_group_go(&g, tries_for_a_while, &s), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(sn_sem_available(&s.sem), PERMITS);
    CHECK_EQ(s.sem.sni_[0] & 3, 0); /* nobody waits */
    return 0;
}

TEST(giving_up_races_with_the_turn)
{
    run_each(all_give_up, NULL);
}

/* --- freed by who has just got a permit: who gave it may still be on its way out --- */

static int gives(sn_ctx *ctx, void *arg)
{
    sn_sem *sem = *(sn_sem **)arg;
    (void)ctx;
    sn_sem_release(sem, 1);
    return 0;
}

static int frees(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 500; i++) {
        sn_sem *sem = malloc(sizeof *sem);
        sn_group g;
        CHECK(sem != NULL);
        sn_sem_init(sem, 1);
        CHECK_EQ(sn_sem_acquire(ctx, sem, 1), 0);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go_copy(&g, gives, &sem), 0);
        CHECK_EQ(sn_sem_acquire(ctx, sem, 1), 0);
        free(sem);
        CHECK_EQ(sn_group_wait(&g), 0);
    }
    return 0;
}

TEST(freed_by_the_next_holder)
{
    run_everywhere(frees, NULL);
}

/* --- all that are free; how many there are, are held, and wait --- */

static int counts_permits(sn_ctx *ctx, void *arg)
{
    sn_sem s = SN_SEM_INIT(5);
    (void)arg;
    CHECK_EQ(sn_sem_capacity(&s), 5);
    CHECK_EQ(sn_sem_used(&s), 0);
    CHECK_EQ(sn_sem_waiting(&s), 0);
    CHECK_EQ(sn_sem_acquire(ctx, &s, 2), 0);
    CHECK_EQ(sn_sem_used(&s), 2);
    CHECK_EQ(sn_sem_try_acquire_all(&s), 3);
    CHECK_EQ(sn_sem_try_acquire_all(&s), 0);
    CHECK_EQ(sn_sem_used(&s), 5);
    CHECK_EQ(sn_sem_available(&s), 0);
    sn_sem_release(&s, 5);
    CHECK_EQ(sn_sem_acquire(ctx, &s, sn_sem_capacity(&s)), 0);
    sn_sem_release(&s, 5);
    return 0;
}

TEST(counts_and_takes_all)
{
    run_everywhere(counts_permits, NULL);
}

/* --- resized and closed, while others wait: on one worker --- */

static int resizes(sn_ctx *ctx, void *arg)
{
    struct line line = { .sem = SN_SEM_INIT(4) };
    struct in_line big = { &line, 2, 4, SN_EINVAL, NULL };
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_sem_acquire(ctx, &line.sem, 4), 0);
    sn_group_init(&g, ctx);
    wait_in_line(&g, &line, 0, 1, NULL);
    wait_in_line(&g, &line, 1, 2, NULL);
    CHECK_EQ(sn_sem_waiting(&line.sem), 2);
    CHECK_EQ(sn_sem_try_acquire_all(&line.sem), SN_EAGAIN);
    sn_sem_resize(&line.sem, 5); /* the new one is free at once */
    check_got(&line, "0");
    CHECK_EQ(sn_sem_capacity(&line.sem), 5);
    sn_sem_resize(&line.sem, 2); /* five are held: three of them have to come back before any is free */
    CHECK_EQ(sn_sem_used(&line.sem), 5);
    CHECK_EQ(sn_sem_available(&line.sem), 0);
    CHECK_EQ(sn_sem_acquire(ctx, &line.sem, 3), SN_EINVAL); /* more than there are now */
    sn_sem_release(&line.sem, 4);
    check_got(&line, "");
    CHECK_EQ(sn_sem_available(&line.sem), 1);
    sn_sem_release(&line.sem, 1);
    check_got(&line, "1");
    sn_sem_resize(&line.sem, 6);
    CHECK_EQ(sn_sem_acquire(ctx, &line.sem, 3), 0);
    CHECK_EQ(sn_group_go_copy(&g, takes_its_turn, &big), 0);
    test_let_others_go();
    wait_in_line(&g, &line, 3, 1, NULL);
    CHECK_EQ(sn_group_go_copy(&g, takes_its_turn, &big), 0); /* behind another: told as well */
    test_let_others_go();
    CHECK_EQ(sn_sem_waiting(&line.sem), 3);
    sn_case never = sn_on_sem(&line.sem, 7);
    CHECK_EQ(sn_select(ctx, &never, 1), 0); /* at once, though others wait */
    CHECK_EQ(never.err, SN_EINVAL);
    sn_sem_resize(&line.sem, 3); /* those who wait for four are told, and hold nobody up any more */
    check_got(&line, "");
    CHECK_EQ(sn_sem_waiting(&line.sem), 1);
    sn_sem_release(&line.sem, 5);
    check_got(&line, "3");
    sn_sem_release(&line.sem, 1);
    CHECK_EQ(sn_sem_used(&line.sem), 0);
    CHECK_EQ(sn_sem_available(&line.sem), 3);
    sn_sem_resize(&line.sem, 0);
    CHECK_EQ(sn_sem_try_acquire(&line.sem, 1), SN_EINVAL);
    CHECK_EQ(sn_group_wait(&g), 0);
    return 0;
}

TEST(resized_up_and_down)
{
    CHECK_EQ(sn_run(resizes, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

static int closes(sn_ctx *ctx, void *arg)
{
    struct line line = { .sem = SN_SEM_INIT(3) };
    struct in_line one = { &line, 0, 1, SN_ECLOSED, NULL };
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_sem_acquire(ctx, &line.sem, 3), 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(sn_group_go_copy(&g, takes_its_turn, &one), 0);
    test_let_others_go();
    CHECK_EQ(sn_sem_waiting(&line.sem), 3);
    sn_sem_close(&line.sem);
    sn_sem_close(&line.sem);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(sn_sem_acquire(ctx, &line.sem, 1), SN_ECLOSED);
    CHECK_EQ(sn_sem_try_acquire(&line.sem, 1), SN_ECLOSED);
    CHECK_EQ(sn_sem_try_acquire_all(&line.sem), SN_ECLOSED);
    sn_sem_release(&line.sem, 3); /* what is held can still be given back */
    CHECK_EQ(sn_sem_used(&line.sem), 0);
    CHECK_EQ(sn_sem_acquire(ctx, &line.sem, 1), SN_ECLOSED);
    return 0;
}

TEST(closed_for_all_who_wait_or_come)
{
    CHECK_EQ(sn_run(closes, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

/* Resized again and again under use: what is held never exceeds the largest size, and at the end all are back. */
struct sizes {
    sn_sem sem;
    int used; /* (a) */
    bool over; /* (a) */
};

static int uses_while_it_changes(sn_ctx *ctx, void *arg)
{
    struct sizes *s = arg;
    for (int i = 0; i < 400; i++) {
        int n = 1 + i % 4, r = sn_sem_acquire(ctx, &s->sem, n);
        if (r == SN_EINVAL) { /* just now there are fewer than that */
            if (sn_task_self().id)
                sn_yield();
            continue;
        }
        CHECK_EQ(r, 0);
        CHECK(__atomic_add_fetch(&s->used, n, __ATOMIC_RELAXED) <= 6);
        if (sn_task_self().id)
            sn_yield();
        (void)__atomic_sub_fetch(&s->used, n, __ATOMIC_RELAXED);
        sn_sem_release(&s->sem, n);
    }
    return 0;
}

static int changes_the_size(sn_ctx *ctx, void *arg)
{
    struct sizes *s = arg;
    (void)ctx;
    for (int i = 0; !__atomic_load_n(&s->over, __ATOMIC_RELAXED); i++) {
        sn_sem_resize(&s->sem, 1 + i % 6);
        sn_yield();
    }
    sn_sem_resize(&s->sem, 6);
    return 0;
}

static int sizes_change(sn_ctx *ctx, void *arg)
{
    struct sizes s = { .sem = SN_SEM_INIT(3) };
    sn_group g, changing;
    (void)arg;
    sn_group_init(&g, ctx);
    sn_group_init(&changing, ctx);
    CHECK_EQ(sn_group_go(&changing, changes_the_size, &s), 0);
    for (int i = 0; i < 6; i++)
        CHECK_EQ(sn_group_go(&g, uses_while_it_changes, &s), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    __atomic_store_n(&s.over, true, __ATOMIC_RELAXED);
    CHECK_EQ(sn_group_wait(&changing), 0);
    CHECK_EQ(sn_sem_available(&s.sem), 6);
    CHECK_EQ(sn_sem_used(&s.sem), 0);
    CHECK_EQ(s.sem.sni_[0] & 3, 0);
    return 0;
}

TEST(resized_under_use)
{
    run_everywhere(sizes_change, NULL);
}

/* --- misuse --- */

static sn_sem wrong = SN_SEM_INIT(3);

static void die_giving_too_many(void)
{
    CHECK_EQ(sn_sem_try_acquire(&wrong, 1), 0);
    sn_sem_release(&wrong, 2);
}

static void die_giving_less_than_none(void)
{
    sn_sem_release(&wrong, -1);
}

static void die_with_less_than_none(void)
{
    sn_sem_init(&wrong, -1);
}

static void die_shrinking_below_zero(void)
{
    sn_sem_resize(&wrong, -1);
}

static void die_giving_too_many_after_shrinking(void)
{
    sn_sem_resize(&wrong, 1);
    sn_sem_release(&wrong, 1);
}

static int waits_in_vain(sn_ctx *ctx, void *arg)
{
    CHECK_EQ(sn_sem_acquire(ctx, arg, 2), 0);
    return sn_sem_acquire(ctx, arg, 2);
}

static void die_waiting(void)
{
    (void)sn_run(waits_in_vain, &wrong, &(sn_run_opts){ .deadlock = SN_DEADLOCK_ALWAYS });
}

TEST(misuse_panics)
{
    check_dies(die_giving_too_many, "sn_sem_release: 2 permits given back, 2 free, but only 3 there are in all");
    check_dies(die_giving_less_than_none, "sn_sem_release: -1 permits");
    check_dies(die_with_less_than_none, "sn_sem_init: -1 permits");
    check_dies(die_shrinking_below_zero, "sn_sem_resize: -1 permits");
    check_dies(die_giving_too_many_after_shrinking,
               "sn_sem_release: 1 permits given back, 1 free, but only 1 there are in all");
    check_dies(die_waiting, "acquiring a semaphore (1 of 3 permits free)");
}
