/* Condition variables: the contract of sennit/cond.h. */
#include "sn_test.h"

#include <pthread.h>

/* --- a bounded buffer, the textbook's way --- */

enum { ROOM = 3, ITEMS = 1000, ENDS = 4 };

struct buffer {
    sn_mutex m;
    sn_cond not_empty, not_full;
    int items[ROOM], n;
    long put, taken;
    bool by_broadcast;
};

static void wake(struct buffer *b, sn_cond *c)
{
    if (b->by_broadcast)
        sn_cond_broadcast(c);
    else
        sn_cond_signal(c);
}

static int puts_items(sn_ctx *ctx, void *arg)
{
    struct buffer *b = arg;
    for (int i = 1; i <= ITEMS; i++) {
        sn_mutex_lock(&b->m);
        while (b->n == ROOM)
            CHECK_EQ(sn_cond_wait_ctx(ctx, &b->not_full, &b->m), 0);
        b->items[b->n++] = i;
        b->put += i;
        if (i % 2) /* with the mutex held, or without */
            wake(b, &b->not_empty);
        sn_mutex_unlock(&b->m);
        if (i % 2 == 0)
            wake(b, &b->not_empty);
    }
    return 0;
}

static int takes_items(sn_ctx *ctx, void *arg)
{
    struct buffer *b = arg;
    (void)ctx;
    for (int i = 0; i < ITEMS; i++) {
        sn_mutex_lock(&b->m);
        while (b->n == 0)
            sn_cond_wait(&b->not_empty, &b->m);
        CHECK(sn_mutex_held(&b->m));
        b->taken += b->items[--b->n];
        sn_mutex_unlock(&b->m);
        wake(b, &b->not_full);
    }
    return 0;
}

static void *puts_in_a_thread(void *arg)
{
    (void)puts_items(NULL, arg);
    return NULL;
}

static void *takes_in_a_thread(void *arg)
{
    (void)takes_items(NULL, arg);
    return NULL;
}

static void check_buffer(struct buffer *b)
{
    CHECK_EQ(b->n, 0);
    CHECK_EQ(b->put, b->taken);
}

static int tasks_pass_items(sn_ctx *ctx, void *arg)
{
    struct buffer b = { .by_broadcast = *(bool *)arg };
    sn_group g;
    sn_group_init(&g, ctx);
    for (int i = 0; i < ENDS; i++) {
        CHECK_EQ(sn_group_go(&g, puts_items, &b), 0);
        CHECK_EQ(sn_group_go(&g, takes_items, &b), 0);
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    check_buffer(&b);
    return 0;
}

TEST(nothing_is_lost)
{
    run_everywhere(tasks_pass_items, &(bool){ false });
    run_everywhere(tasks_pass_items, &(bool){ true });
}

TEST(between_threads_without_a_runtime)
{
    struct buffer b = { .n = 0 };
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, i % 2 ? puts_in_a_thread : takes_in_a_thread, &b) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    check_buffer(&b);
}

TEST(between_tasks_and_threads)
{
    struct buffer b = { .n = 0 };
    pthread_t threads[2];
    sn_group g;
    CHECK_EQ(sn_start(&(sn_run_opts){ .workers = 2 }), 0);
    sn_group_init(&g, NULL);
    for (int i = 0; i < 2; i++) {
        CHECK(pthread_create(&threads[i], NULL, i % 2 ? puts_in_a_thread : takes_in_a_thread, &b) == 0);
        CHECK_EQ(sn_group_go(&g, puts_items, &b), 0);
        CHECK_EQ(sn_group_go(&g, takes_items, &b), 0);
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK_EQ(sn_stop(), 0);
    check_buffer(&b);
}

/* --- who is woken, and how many: on one worker --- */

enum { WAITERS = 6 };

struct line {
    sn_mutex m;
    sn_cond c;
    char woken[WAITERS + 1]; /* who, in which order; ended by NUL */
    int n;
};

struct in_line {
    struct line *line;
    int number;
    sn_ctx *ctx; /* its own to give up with, or NULL */
};

static int waits_once(sn_ctx *ctx, void *arg)
{
    struct in_line *me = arg;
    sn_mutex_lock(&me->line->m);
    int r = sn_cond_wait_ctx(me->ctx ? me->ctx : ctx, &me->line->c, &me->line->m);
    CHECK(sn_mutex_held(&me->line->m));
    CHECK_EQ(r, me->ctx ? SN_ECANCELED : 0);
    if (!me->ctx)
        me->line->woken[me->line->n++] = (char)('0' + me->number);
    sn_mutex_unlock(&me->line->m);
    return 0;
}

/* These have been woken since the last look. Who runs first of those woken together is not ours to say. */
static void check_woken(struct line *line, const char *who)
{
    test_let_others_go();
    CHECK_EQ(line->n, strlen(who));
    CHECK_EQ(strspn(line->woken, who), strlen(who));
    memset(line->woken, 0, sizeof line->woken);
    line->n = 0;
}

static void let_them_wait(sn_group *g, struct line *line, sn_ctx *quit, unsigned quitters)
{
    for (int i = 0; i < WAITERS; i++) {
        struct in_line me = { line, i, quitters >> i & 1 ? quit : NULL };
        CHECK_EQ(sn_group_go_copy(g, waits_once, &me), 0);
        test_let_others_go();
    }
}

static int one_by_one(sn_ctx *ctx, void *arg)
{
    struct line line = { .n = 0 };
    sn_group g;
    (void)arg;
    sn_cond_signal(&line.c); /* nobody waits: forgotten */
    sn_cond_broadcast(&line.c);
    sn_group_init(&g, ctx);
    let_them_wait(&g, &line, NULL, 0);
    check_woken(&line, "");
    sn_cond_signal(&line.c);
    check_woken(&line, "0");
    sn_cond_signal(&line.c);
    sn_cond_signal(&line.c);
    check_woken(&line, "12");
    sn_mutex_lock(&line.m); /* woken, they wait for the mutex */
    sn_cond_signal(&line.c);
    check_woken(&line, "");
    sn_mutex_unlock(&line.m);
    check_woken(&line, "3");
    sn_cond_broadcast(&line.c);
    check_woken(&line, "45");
    CHECK_EQ(sn_group_wait(&g), 0);
    return 0;
}

TEST(a_signal_wakes_one_and_a_broadcast_all)
{
    CHECK_EQ(sn_run(one_by_one, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

/* A signal is not used up by one that has given up, whether or not it has left the queue. */
static int quitters_leave_signals(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (unsigned quitters = 0; quitters < 1u << WAITERS; quitters++) {
        struct line line = { .n = 0 };
        sn_group g;
        sn_ctx *quit;
        int stay = WAITERS - __builtin_popcount(quitters);
        CHECK_EQ(sn_ctx_with_cancel(&quit, ctx), 0);
        sn_group_init(&g, ctx);
        let_them_wait(&g, &line, quit, quitters);
        sn_ctx_cancel(quit);
        if (quitters % 3)
            test_let_others_go();
        for (int i = 0; i < stay; i++)
            sn_cond_signal(&line.c);
        CHECK_EQ(sn_group_wait(&g), 0); /* so all were woken */
        CHECK_EQ(line.n, stay);
        for (size_t i = 0; i < sizeof line.c.sni_ / sizeof *line.c.sni_; i++)
            CHECK_EQ(line.c.sni_[i], 0);
        sn_ctx_free(quit);
    }
    return 0;
}

TEST(who_gives_up_uses_no_signal)
{
    CHECK_EQ(sn_run(quitters_leave_signals, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

/* --- giving up --- */

struct locked {
    sn_mutex m;
    int entered;
};

static int enters(sn_ctx *ctx, void *arg)
{
    struct locked *l = arg;
    (void)ctx;
    sn_mutex_lock(&l->m);
    l->entered++;
    sn_mutex_unlock(&l->m);
    return 0;
}

static int ended_before(sn_ctx *ctx, void *arg)
{
    struct locked l = { .entered = 0 };
    sn_cond c = { { 0 } };
    sn_ctx *over;
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_ctx_with_cancel(&over, ctx), 0);
    sn_ctx_cancel(over);
    sn_mutex_lock(&l.m);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, enters, &l), 0);
    test_let_others_go(); /* it wants the mutex */
    CHECK_EQ(sn_cond_wait_ctx(over, &c, &l.m), SN_ECANCELED);
    CHECK(sn_mutex_held(&l.m));
    CHECK_EQ(l.entered, 0); /* held all the time */
    sn_ctx_free(over);
    while (l.entered == 0) { /* until it has been given up for a wait for long enough */
        CHECK_EQ(sn_ctx_with_timeout(&over, ctx ? ctx : sn_background(), SN_MS(1)), 0);
        CHECK_EQ(sn_cond_wait_ctx(over, &c, &l.m), SN_ETIMEDOUT);
        CHECK(sn_mutex_held(&l.m));
        sn_ctx_free(over);
    }
    sn_mutex_unlock(&l.m);
    CHECK_EQ(sn_group_wait(&g), 0);
    return 0;
}

TEST(the_mutex_is_held_however_it_ends)
{
    run_everywhere(ended_before, NULL);
}

/* Tokens that are given one by one, to takers who lose patience at any moment: each signal that finds a taker wakes one
 * that stays. The last taker is patient. */
struct tokens {
    sn_mutex m;
    sn_cond c;
    int left, taken;
    bool over;
};

static int takes_tokens(sn_ctx *ctx, void *arg)
{
    struct tokens *t = arg;
    sn_mutex_lock(&t->m);
    for (unsigned i = 0; !t->over; i++) {
        sn_ctx *soon;
        int r = 0;
        CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_US(i % 30)), 0);
        while (t->left == 0 && !t->over && r == 0)
            r = sn_cond_wait_ctx(soon, &t->c, &t->m);
        CHECK(r == 0 || r == SN_ETIMEDOUT);
        if (t->left > 0) {
            t->left--;
            t->taken++;
        }
        sn_ctx_free(soon);
    }
    sn_mutex_unlock(&t->m);
    return 0;
}

static int impatient(sn_ctx *ctx, void *arg)
{
    struct tokens t = { .left = 0 };
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 6; i++)
        CHECK_EQ(sn_group_go(&g, takes_tokens, &t), 0);
    for (int i = 0; i < 1000; i++) {
        sn_mutex_lock(&t.m);
        t.left++;
        sn_mutex_unlock(&t.m);
        sn_cond_signal(&t.c);
        if (i % 8 == 0)
            CHECK_EQ(sn_sleep(ctx, SN_US(i % 30)), 0);
    }
    sn_mutex_lock(&t.m);
    while (t.left > 0) {
        sn_mutex_unlock(&t.m);
        CHECK_EQ(sn_sleep(ctx, SN_US(10)), 0);
        sn_mutex_lock(&t.m);
    }
    t.over = true;
    sn_cond_broadcast(&t.c);
    sn_mutex_unlock(&t.m);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(t.taken, 1000);
    return 0;
}

TEST(giving_up_races_with_the_signal)
{
    run_each(impatient, NULL);
}

/* --- freed as soon as nobody waits: who gave the signal may still be on its way out --- */

struct passing {
    sn_mutex m;
    sn_cond c;
    bool go;
};

static int signals(sn_ctx *ctx, void *arg)
{
    struct passing *p = *(struct passing **)arg;
    (void)ctx;
    sn_mutex_lock(&p->m);
    p->go = true;
    sn_cond_signal(&p->c);
    sn_mutex_unlock(&p->m);
    return 0;
}

static int frees(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 500; i++) {
        struct passing *p = calloc(1, sizeof *p);
        sn_group g;
        CHECK(p != NULL);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go_copy(&g, signals, &p), 0);
        sn_mutex_lock(&p->m);
        while (!p->go)
            sn_cond_wait(&p->c, &p->m);
        sn_mutex_unlock(&p->m);
        free(p);
        CHECK_EQ(sn_group_wait(&g), 0);
    }
    return 0;
}

TEST(freed_by_who_waited)
{
    run_everywhere(frees, NULL);
}

/* --- the loop around it --- */

struct level {
    sn_mutex m;
    sn_cond c;
    int n, asked;
};

static bool is_high(void *arg)
{
    struct level *l = arg;
    l->asked++;
    CHECK(sn_mutex_held(&l->m));
    return l->n >= 3;
}

static int raises(sn_ctx *ctx, void *arg)
{
    struct level *l = arg;
    (void)ctx;
    for (int i = 0; i < 3; i++) {
        sn_yield();
        sn_mutex_lock(&l->m);
        l->n++;
        if (i % 2)
            sn_cond_signal(&l->c);
        else
            sn_cond_broadcast(&l->c);
        sn_mutex_unlock(&l->m);
    }
    return 0;
}

static int waits_until(sn_ctx *ctx, void *arg)
{
    struct level l = { .n = 0 };
    sn_ctx *over;
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_ctx_with_timeout(&over, ctx ? ctx : sn_background(), SN_MS(1)), 0);
    sn_mutex_lock(&l.m);
    CHECK_EQ(sn_cond_wait_until(over, &l.c, &l.m, is_high, &l), SN_ETIMEDOUT);
    CHECK(sn_mutex_held(&l.m));
    CHECK_EQ(l.asked, 2); /* before, and once more after */
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, raises, &l), 0);
    CHECK_EQ(sn_cond_wait_until(ctx, &l.c, &l.m, is_high, &l), 0);
    CHECK(sn_mutex_held(&l.m));
    CHECK_EQ(l.n, 3);
    CHECK_EQ(sn_cond_wait_until(over, &l.c, &l.m, is_high, &l), 0); /* nothing to wait for */
    sn_mutex_unlock(&l.m);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_ctx_free(over);
    return 0;
}

TEST(wait_until)
{
    run_everywhere(waits_until, NULL);
}

/* --- with the mutex held nobody is woken: they get their turns one after the other --- */

struct herd {
    sn_mutex m;
    sn_cond c;
    int waiting, through;
    bool go;
};

static int is_of_the_herd(sn_ctx *ctx, void *arg)
{
    struct herd *h = arg;
    (void)ctx;
    sn_mutex_lock(&h->m);
    h->waiting++;
    while (!h->go)
        sn_cond_wait(&h->c, &h->m);
    h->through++;
    sn_mutex_unlock(&h->m);
    return 0;
}

static int broadcasts_to_the_herd(sn_ctx *ctx, void *arg)
{
    struct herd h = { .go = false };
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(sn_group_go(&g, is_of_the_herd, &h), 0);
    for (bool all = false; !all;) {
        sn_yield();
        sn_mutex_lock(&h.m);
        all = h.waiting == 20;
        if (all) {
            h.go = true;
            sn_cond_broadcast(&h.c);
            for (int i = 0; i < 5 && sn_task_self().id; i++)
                sn_yield();
            CHECK_EQ(h.through, 0); /* we hold it */
        }
        sn_mutex_unlock(&h.m);
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(h.through, 20);
    CHECK_EQ(h.m.sni_[0], 0);
    return 0;
}

TEST(a_broadcast_puts_them_in_line)
{
    run_everywhere(broadcasts_to_the_herd, NULL);
}

/* --- misuse --- */

static struct passing wrong;

static int waits_without(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    sn_cond_wait(&wrong.c, &wrong.m);
    return 0;
}

static int waits_with_anothers(sn_ctx *ctx, void *arg)
{
    sn_group g;
    sn_mutex_lock(&wrong.m);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, waits_without, arg), 0);
    return sn_group_wait(&g);
}

static int waits_in_vain(sn_ctx *ctx, void *arg)
{
    (void)arg;
    sn_mutex_lock(&wrong.m);
    return sn_cond_wait_ctx(ctx, &wrong.c, &wrong.m);
}

static void die_without(void)
{
    (void)sn_run(waits_without, NULL, NULL);
}

static void die_without_in_a_thread(void)
{
    (void)waits_without(NULL, NULL);
}

static void die_with_anothers(void)
{
    (void)sn_run(waits_with_anothers, NULL, NULL);
}

static void die_without_and_ended(void)
{
    sn_ctx *over;
    CHECK_EQ(sn_ctx_with_cancel(&over, sn_background()), 0);
    sn_ctx_cancel(over);
    if (sn_cond_wait_ctx(over, &wrong.c, &wrong.m) != 0)
        return; /* it should have panicked */
}

static void die_waiting(void)
{
    (void)sn_run(waits_in_vain, NULL, &(sn_run_opts){ .deadlock = SN_DEADLOCK_ALWAYS });
}

TEST(misuse_panics)
{
    static const char text[] = "sn_cond_wait: this task or thread does not hold the mutex";
    check_dies(die_without, text);
    check_dies(die_without_in_a_thread, text);
    check_dies(die_with_anothers, text);
    check_dies(die_without_and_ended, text);
    check_dies(die_waiting, "waiting for a condition");
}
