/* Objects of one's own: the contract of sennit/waitable.h, and the other objects that are cases of a select by the same table. */
#include "sn_test.h"

#include <pthread.h>

/* --- a gate: stays open --- */

struct gate {
    sn_waitable waitable;
    bool open;
};

static bool is_open(const sn_waitable *w, void *arg)
{
    (void)arg;
    return ((const struct gate *)w)->open;
}

static const sn_waitable_ops passing = { .name = "a gate", .ready = is_open };

static void open_gate(struct gate *g)
{
    sn_waitable_lock(&g->waitable);
    g->open = true;
    sn_waitable_unlock(&g->waitable);
}

static int opens(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    sn_yield();
    open_gate(*(struct gate **)arg);
    return 0;
}

static int passes(sn_ctx *ctx, void *arg)
{
    return sn_waitable_wait(ctx, arg, &passing, NULL);
}

static int gates(sn_ctx *ctx, void *arg)
{
    struct gate gate = { .open = false }, *p = &gate;
    sn_group g;
    sn_ctx *over;
    (void)arg;
    CHECK_EQ(sn_waitable_try(&gate.waitable, &passing, NULL), SN_EAGAIN);
    CHECK_EQ(sn_ctx_with_timeout(&over, ctx ? ctx : sn_background(), SN_MS(1)), 0);
    CHECK_EQ(sn_waitable_wait(over, &gate.waitable, &passing, NULL), SN_ETIMEDOUT);
    sn_waitable_lock(&gate.waitable); /* nothing changes: nobody goes on */
    sn_waitable_unlock(&gate.waitable);
    CHECK_EQ(sn_waitable_try(&gate.waitable, &passing, NULL), SN_EAGAIN);
    sn_group_init(&g, ctx);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(sn_group_go(&g, passes, &gate), 0);
    CHECK_EQ(sn_group_go_copy(&g, opens, &p), 0);
    CHECK_EQ(sn_waitable_wait(ctx, &gate.waitable, &passing, NULL), 0);
    CHECK_EQ(sn_waitable_try(&gate.waitable, &passing, NULL), 0);
    CHECK_EQ(sn_waitable_wait(over, &gate.waitable, &passing, NULL), SN_ETIMEDOUT); /* though it is open */
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(gate.waitable.sni_[0], 0);
    sn_ctx_free(over);
    return 0;
}

TEST(wait_and_try)
{
    run_everywhere(gates, NULL);
}

/* --- a store: takes what it gives; first come, first served, or whoever fits --- */

struct store {
    int stock;
    sn_waitable waitable; /* not at the beginning */
    bool closed;
};

static struct store *store_of(const sn_waitable *w)
{
    return (struct store *)(uintptr_t)((const char *)w - offsetof(struct store, waitable));
}

static bool has(const sn_waitable *w, void *arg)
{
    return store_of(w)->closed || store_of(w)->stock >= *(int *)arg;
}

static int takes(sn_waitable *w, void *arg)
{
    if (store_of(w)->closed)
        return SN_ECLOSED;
    store_of(w)->stock -= *(int *)arg;
    return 0;
}

static const sn_waitable_ops in_order = { .name = "a store", .ready = has, .take = takes, .in_order = true };
static const sn_waitable_ops who_fits = { .name = "a store", .ready = has, .take = takes };

static void deliver(struct store *s, int n)
{
    sn_waitable_lock(&s->waitable);
    s->stock += n;
    sn_waitable_unlock(&s->waitable);
}

struct customer {
    struct store *store;
    const sn_waitable_ops *ops;
    int want, r;
    bool served;
    sn_ctx *ctx; /* NULL: the task's */
};

static int buys(sn_ctx *ctx, void *arg)
{
    struct customer *c = arg;
    c->r = sn_waitable_wait(c->ctx ? c->ctx : ctx, &c->store->waitable, c->ops, &c->want);
    c->served = true;
    return 0;
}

static void send_customers(sn_group *g, struct customer *c, int n)
{
    for (int i = 0; i < n; i++) {
        CHECK_EQ(sn_group_go(g, buys, &c[i]), 0);
        test_let_others_go();
    }
}

static int serves_in_order(sn_ctx *ctx, void *arg)
{
    struct store s = { .stock = 1 };
    sn_ctx *quit;
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_ctx_with_cancel(&quit, ctx), 0);
    struct customer c[4] = { { &s, &in_order, 3, 1, false, NULL }, { &s, &in_order, 1, 1, false, NULL },
                             { &s, &in_order, 5, 1, false, quit }, { &s, &in_order, 1, 1, false, NULL } };
    sn_group_init(&g, ctx);
    send_customers(&g, c, 4);
    CHECK(!c[0].served && !c[1].served); /* there is one, but it is not the second one's turn */
    CHECK_EQ(sn_waitable_try(&s.waitable, &in_order, &(int){ 1 }), SN_EAGAIN);
    deliver(&s, 2);
    test_let_others_go();
    CHECK(c[0].served && !c[1].served);
    deliver(&s, 3);
    test_let_others_go();
    CHECK(c[1].served && !c[2].served && !c[3].served);
    sn_ctx_cancel(quit);
    test_let_others_go();
    CHECK_EQ(c[2].r, SN_ECANCELED);
    CHECK(c[3].served); /* it was held up by who has given up */
    CHECK_EQ(s.stock, 1);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_ctx_free(quit);
    return 0;
}

static int serves_who_fits(sn_ctx *ctx, void *arg)
{
    struct store s = { .stock = 0 };
    sn_group g;
    (void)arg;
    struct customer c[4] = { { &s, &who_fits, 3, 1, false, NULL }, { &s, &who_fits, 1, 1, false, NULL },
                             { &s, &who_fits, 1, 1, false, NULL }, { &s, &who_fits, 4, 1, false, NULL } };
    sn_group_init(&g, ctx);
    send_customers(&g, c, 4);
    deliver(&s, 2);
    test_let_others_go();
    CHECK(!c[0].served && c[1].served && c[2].served);
    sn_waitable_lock(&s.waitable);
    s.closed = true;
    sn_waitable_unlock(&s.waitable);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(c[0].r, SN_ECLOSED);
    CHECK_EQ(c[1].r, 0);
    CHECK_EQ(c[3].r, SN_ECLOSED);
    CHECK_EQ(sn_waitable_try(&s.waitable, &who_fits, &(int){ 0 }), SN_ECLOSED);
    return 0;
}

TEST(in_order_or_who_fits)
{
    CHECK_EQ(sn_run(serves_in_order, NULL, &(sn_run_opts){ .workers = 1 }), 0);
    CHECK_EQ(sn_run(serves_who_fits, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

/* --- cases of a select --- */

/* A semaphore, a wait group, a latch, a barrier, a future, an object of our own, a channel and a time: the one that happens. */
enum { SEM, WAITGROUP, LATCH, BARRIER, FUTURE, OWN, CHANNEL, CASES };

typedef sn_future_of(int) int_future;
typedef sn_chan_of(int) int_chan;

struct things {
    sn_sem sem;
    sn_waitgroup wg;
    sn_latch latch;
    sn_barrier barrier;
    uint64_t round;
    int_future future;
    struct gate gate;
    int_chan chan;
    int which, value;
};

static void things_init(struct things *t, int which)
{
    *t = (struct things){ .which = which };
    sn_sem_init(&t->sem, 2);
    CHECK_EQ(sn_sem_try_acquire(&t->sem, 2), 0);
    sn_waitgroup_add(&t->wg, 1);
    sn_latch_init(&t->latch, 1);
    sn_barrier_init(&t->barrier, 2);
    CHECK_EQ(sn_barrier_arrive(&t->barrier, &t->round), 0);
    CHECK_EQ(sn_chan_make(&t->chan, 0), 0);
}

static void things_cases(struct things *t, sn_case *cases)
{
    cases[SEM] = sn_on_sem(&t->sem, 2);
    cases[WAITGROUP] = sn_on_waitgroup(&t->wg);
    cases[LATCH] = sn_on_latch(&t->latch);
    cases[BARRIER] = sn_on_barrier(&t->barrier, t->round);
    cases[FUTURE] = sn_on_future(&t->future);
    cases[OWN] = sn_on_waitable(&t->gate.waitable, &passing, NULL);
    cases[CHANNEL] = sn_on_recv(t->chan, &t->value);
}

static int makes_it_happen(sn_ctx *ctx, void *arg)
{
    struct things *t = arg;
    uint64_t round;
    for (int i = 0; i < 3; i++)
        sn_yield();
    switch (t->which) {
    case SEM:
        sn_sem_release(&t->sem, 1);
        sn_sem_release(&t->sem, 1);
        return 0;
    case WAITGROUP:
        sn_waitgroup_done(&t->wg);
        return 0;
    case LATCH:
        sn_latch_count_down(&t->latch, 1);
        return 0;
    case BARRIER:
        CHECK_EQ(sn_barrier_arrive(&t->barrier, &round), 1);
        return 0;
    case FUTURE:
        return sn_future_set(&t->future, &(int){ 7 });
    case OWN:
        open_gate(&t->gate);
        return 0;
    default:
        return sn_chan_send(ctx, t->chan, &(int){ 7 });
    }
}

static void check_nobody_waits(struct things *t)
{
    CHECK_EQ(t->sem.sni_[0] & 3, 0);
    CHECK_EQ(t->wg.sni_[0] & 3, 0);
    CHECK_EQ(t->latch.sni_[0] & 3, 0);
    CHECK_EQ(t->barrier.sni_[0] & 3, 0);
    CHECK_EQ(t->future.sni_raw.sni_[0] & 3, 0);
    CHECK_EQ(t->gate.waitable.sni_[0], 0);
    sn_chan_free(t->chan); /* panics if somebody waits */
}

static int selects_each(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int which = 0; which < CASES; which++)
        for (int ready = 0; ready < 2 - (which == CHANNEL); ready++) {
            sn_case cases[CASES];
            struct things t;
            sn_group g;
            things_init(&t, which);
            things_cases(&t, cases);
            CHECK_EQ(sn_select_try(cases, CASES), SN_EAGAIN);
            sn_group_init(&g, ctx);
            if (ready)
                CHECK_EQ(makes_it_happen(ctx, &t), 0);
            else
                CHECK_EQ(sn_group_go(&g, makes_it_happen, &t), 0);
            CHECK_EQ(ready ? sn_select_priority(ctx, cases, CASES) : sn_select(ctx, cases, CASES), which);
            CHECK_EQ(cases[which].err, 0);
            CHECK_EQ(sn_sem_available(&t.sem), 0); /* either never there, or ours */
            CHECK_EQ(sn_group_wait(&g), 0);
            check_nobody_waits(&t);
        }
    return 0;
}

TEST(each_is_a_case_of_a_select)
{
    run_everywhere(selects_each, NULL);
}

static int select_is_stopped(sn_ctx *ctx, void *arg)
{
    sn_case cases[CASES + 1];
    struct things t;
    sn_ctx *soon;
    (void)arg;
    things_init(&t, SEM);
    things_cases(&t, cases);
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx ? ctx : sn_background(), SN_MS(1)), 0);
    CHECK_EQ(sn_select(soon, cases, CASES), SN_ETIMEDOUT);
    cases[CASES] = sn_on_after(SN_MS(1));
    CHECK_EQ(sn_select(ctx, cases, CASES + 1), CASES);
    CHECK_EQ(sn_barrier_arrived(&t.barrier), 1); /* and nothing is broken */
    CHECK(!sn_barrier_is_broken(&t.barrier));
    check_nobody_waits(&t);
    sn_ctx_free(soon);
    return 0;
}

TEST(a_select_that_gives_up_leaves_all_queues)
{
    run_everywhere(select_is_stopped, NULL);
}

static int selects_errors(sn_ctx *ctx, void *arg)
{
    sn_sem sem = SN_SEM_INIT(2);
    int_future f = { 0 };
    (void)arg;
    sn_case c = sn_on_sem(&sem, 3);
    CHECK_EQ(sn_select(ctx, &c, 1), 0);
    CHECK_EQ(c.err, SN_EINVAL);
    c = sn_on_sem(&sem, -1);
    CHECK_EQ(sn_select_try(&c, 1), 0);
    CHECK_EQ(c.err, SN_EINVAL);
    sn_sem_close(&sem);
    c = sn_on_sem(&sem, 1);
    CHECK_EQ(sn_select(ctx, &c, 1), 0);
    CHECK_EQ(c.err, SN_ECLOSED);
    CHECK_EQ(sn_future_fail(&f, SN_EUSER), 0);
    c = sn_on_future(&f);
    CHECK_EQ(sn_select(ctx, &c, 1), 0);
    CHECK_EQ(c.err, SN_EUSER);
    return 0;
}

TEST(a_case_says_how_it_went)
{
    run_everywhere(selects_errors, NULL);
}

/* One object in several cases, and two who select over the same two semaphores in opposite orders: each permit goes to one. */
struct two {
    sn_sem a, b;
    int got; /* (a) */
};

static int takes_either(sn_ctx *ctx, void *arg)
{
    struct two *t = arg;
    for (int i = 0; i < 300; i++) {
        sn_case cases[] = { sn_on_sem(&t->a, 1), sn_on_sem(&t->b, 1), sn_on_sem(&t->a, 2) };
        int k = sn_select(ctx, cases, 3);
        CHECK_RESULT(k, k >= 0);
        CHECK_EQ(cases[k].err, 0);
        CHECK(__atomic_add_fetch(&t->got, k == 2 ? 2 : 1, __ATOMIC_RELAXED) <= 4);
        if (i % 3 == 0 && sn_task_self().id)
            sn_yield();
        (void)__atomic_sub_fetch(&t->got, k == 2 ? 2 : 1, __ATOMIC_RELAXED);
        sn_sem_release(k == 1 ? &t->b : &t->a, k == 2 ? 2 : 1);
    }
    return 0;
}

static int all_take_either(sn_ctx *ctx, void *arg)
{
    struct two t = { .a = SN_SEM_INIT(2), .b = SN_SEM_INIT(2) };
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(sn_group_go(&g, takes_either, &t), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(sn_sem_available(&t.a), 2);
    CHECK_EQ(sn_sem_available(&t.b), 2);
    CHECK_EQ((t.a.sni_[0] | t.b.sni_[0]) & 3, 0);
    return 0;
}

TEST(permits_go_to_one_select)
{
    run_everywhere(all_take_either, NULL);
}

/* What happened before a case became ready is seen by the priority form, whatever the kinds. */
static int makes_both(sn_ctx *ctx, void *arg)
{
    struct things *t = arg;
    (void)ctx;
    sn_latch_count_down(&t->latch, 1);
    open_gate(&t->gate);
    return 0;
}

static int prefers_the_first(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        struct things t;
        sn_group g;
        things_init(&t, LATCH);
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, makes_both, &t), 0);
        sn_case cases[] = { sn_on_latch(&t.latch), sn_on_waitable(&t.gate.waitable, &passing, NULL) };
        CHECK_EQ(sn_select_priority(ctx, cases, 2), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        check_nobody_waits(&t);
    }
    return 0;
}

TEST(priority_sees_what_came_before)
{
    run_everywhere(prefers_the_first, NULL);
}

TEST(a_ready_case_needs_no_runtime)
{
    sn_sem none = SN_SEM_INIT(1), one = SN_SEM_INIT(1);
    CHECK_EQ(sn_sem_try_acquire(&none, 1), 0);
    for (int priority = 0; priority < 2; priority++) {
        sn_case cases[] = { sn_on_sem(&none, 1), sn_on_sem(&one, 1), sn_on_after(SN_MS(1)) };
        CHECK_EQ(priority ? sn_select_priority(NULL, cases, 3) : sn_select(NULL, cases, 3), 1);
        CHECK_EQ(sn_select(NULL, cases, 3), SN_ENOTRUNNING); /* but waiting for a time does */
        CHECK_EQ(none.sni_[0] & 3, 0);
        sn_sem_release(&one, 1);
    }
}

/* --- plain threads, without a runtime --- */

static void *opens_in_a_thread(void *arg)
{
    open_gate(arg);
    return NULL;
}

TEST(between_threads_without_a_runtime)
{
    for (int i = 0; i < 50; i++) {
        struct gate *gate = calloc(1, sizeof *gate);
        pthread_t thread;
        CHECK(gate != NULL);
        CHECK(pthread_create(&thread, NULL, opens_in_a_thread, gate) == 0);
        if (i % 2) {
            CHECK_EQ(sn_waitable_wait(NULL, &gate->waitable, &passing, NULL), 0);
        } else {
            sn_case c = sn_on_waitable(&gate->waitable, &passing, NULL);
            CHECK_EQ(sn_select(NULL, &c, 1), 0);
        }
        free(gate); /* it may still be on its way out of sn_waitable_unlock */
        CHECK(pthread_join(thread, NULL) == 0);
    }
}

/* --- misuse --- */

static struct gate wrong;

static void die_unlocking(void)
{
    sn_waitable_unlock(&wrong.waitable);
}

static int waits_in_vain(sn_ctx *ctx, void *arg)
{
    return sn_waitable_wait(ctx, arg, &passing, NULL);
}

static void die_waiting(void)
{
    (void)sn_run(waits_in_vain, &wrong, &(sn_run_opts){ .deadlock = SN_DEADLOCK_ALWAYS });
}

TEST(misuse_panics)
{
    check_dies(die_unlocking, "sn_waitable_unlock: it is not locked");
    check_dies(die_waiting, "waiting for a gate");
}
