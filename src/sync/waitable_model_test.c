/* What can be a case of a select by a table, in the model: each may be freed as soon as the contract says so, and each taking
 * goes to one. */
#include "model/model_test.h"

static sn_ctx *new_ctx(void)
{
    sn_ctx *ctx;
    CHECK_EQ(sn_ctx_with_cancel(&ctx, sn_background()), 0);
    return ctx;
}

/* --- a user's gate --- */

struct gate {
    sn_waitable waitable;
    int open, value; /* plain; value is written before the gate opens */
};

static bool is_open(const sn_waitable *w, void *arg)
{
    (void)arg;
    return ((const struct gate *)w)->open;
}

static const sn_waitable_ops passing = { .name = "a gate", .ready = is_open };

static void *opens(void *arg)
{
    struct gate *g = arg;
    g->value = 42;
    sn_waitable_lock(&g->waitable);
    g->open = 1;
    sn_waitable_unlock(&g->waitable);
    return NULL;
}

MODEL(gate_freed_by_who_passed)
{
    struct gate *g = sni_os_alloc(sizeof *g);
    (void)arg;
    struct sni_os_thread a = model_thread(opens, g);
    CHECK_EQ(sn_waitable_wait(sn_background(), &g->waitable, &passing, NULL), 0);
    CHECK_EQ(g->value, 42);
    sni_os_free(g, sizeof *g);
    model_join(a);
}

/* Of two gates one opens: who selects passes it, leaves the other's queue, and frees both. */
struct gates {
    struct gate a, b;
    sn_ctx *ctx;
};

static void *opens_a(void *arg)
{
    return opens(&((struct gates *)arg)->a);
}

static void *opens_b(void *arg)
{
    return opens(&((struct gates *)arg)->b);
}

MODEL(select_of_two_gates)
{
    struct gates g = { .ctx = NULL };
    (void)arg;
    struct sni_os_thread a = model_thread(opens_a, &g), b = model_thread(opens_b, &g);
    sn_case cases[] = { sn_on_waitable(&g.a.waitable, &passing, NULL), sn_on_waitable(&g.b.waitable, &passing, NULL) };
    int k = sn_select(sn_background(), cases, 2);
    CHECK(k == 0 || k == 1);
    CHECK_EQ(k == 0 ? g.a.value : g.b.value, 42);
    model_join(a);
    model_join(b);
    CHECK_EQ(g.a.waitable.sni_[0] | g.b.waitable.sni_[0], 0);
}

MODEL(select_freed_by_the_first)
{
    struct gate *g = sni_os_alloc(sizeof *g);
    (void)arg;
    struct sni_os_thread a = model_thread(opens, g);
    sn_case c = sn_on_waitable(&g->waitable, &passing, NULL);
    CHECK_EQ(sn_select(sn_background(), &c, 1), 0);
    CHECK_EQ(g->value, 42);
    sni_os_free(g, sizeof *g);
    model_join(a);
}

static void *passes_if_let(void *arg)
{
    struct gates *g = arg;
    sn_case cases[] = { sn_on_waitable(&g->a.waitable, &passing, NULL), sn_on_waitable(&g->b.waitable, &passing, NULL) };
    int k = sn_select(g->ctx, cases, 2);
    CHECK(k == SN_ECANCELED || (k == 0 && g->a.value == 42));
    return NULL;
}

MODEL(select_given_up)
{
    struct gates g = { .ctx = new_ctx() };
    (void)arg;
    struct sni_os_thread a = model_thread(passes_if_let, &g), b = model_thread(opens_a, &g);
    sn_ctx_cancel(g.ctx);
    model_join(a);
    model_join(b);
    CHECK_EQ(g.a.waitable.sni_[0] | g.b.waitable.sni_[0], 0);
    sn_ctx_free(g.ctx);
}

/* --- two selects over the same two semaphores --- */

struct two {
    sn_sem a, b;
    int n[2]; /* plain, each under its own permit */
};

static void *takes_either(void *arg)
{
    struct two *t = arg;
    sn_case cases[] = { sn_on_sem(&t->a, 1), sn_on_sem(&t->b, 1) };
    int k = sn_select(sn_background(), cases, 2);
    CHECK(k == 0 || k == 1);
    t->n[k]++;
    sn_sem_release(k == 0 ? &t->a : &t->b, 1);
    return NULL;
}

static void *takes_a(void *arg)
{
    struct two *t = arg;
    CHECK_EQ(sn_sem_acquire(sn_background(), &t->a, 1), 0);
    t->n[0]++;
    sn_sem_release(&t->a, 1);
    return NULL;
}

MODEL(permits_go_to_one)
{
    struct two t = { .a = SN_SEM_INIT(1), .b = SN_SEM_INIT(1) };
    (void)arg;
    struct sni_os_thread a = model_thread(takes_either, &t), b = model_thread(takes_either, &t);
    struct sni_os_thread c = model_thread(takes_a, &t);
    (void)takes_either(&t);
    model_join(a);
    model_join(b);
    model_join(c);
    CHECK_EQ(t.n[0] + t.n[1], 4);
    CHECK_EQ(sn_sem_available(&t.a), 1);
    CHECK_EQ(sn_sem_available(&t.b), 1);
    CHECK_EQ((t.a.sni_[0] | t.b.sni_[0]) & 3, 0);
}

/* --- semaphore: resized and closed --- */

struct sized {
    sn_sem sem;
    int used; /* (a) */
    int r[2];
};

static void *uses_two(void *arg)
{
    struct sized *s = arg;
    int r = sn_sem_acquire(sn_background(), &s->sem, 2);
    CHECK(r == 0 || r == SN_EINVAL);
    if (r == 0) {
        CHECK(__atomic_add_fetch(&s->used, 2, __ATOMIC_RELAXED) <= 3);
        (void)__atomic_fetch_sub(&s->used, 2, __ATOMIC_RELAXED);
        sn_sem_release(&s->sem, 2);
    }
    return NULL;
}

static void *resizes(void *arg)
{
    struct sized *s = arg;
    sn_sem_resize(&s->sem, 1);
    sn_sem_resize(&s->sem, 3);
    return NULL;
}

MODEL(semaphore_resized)
{
    struct sized s = { .sem = SN_SEM_INIT(2) };
    (void)arg;
    struct sni_os_thread a = model_thread(uses_two, &s), b = model_thread(uses_two, &s), c = model_thread(resizes, &s);
    (void)uses_two(&s);
    model_join(a);
    model_join(b);
    model_join(c);
    CHECK_EQ(sn_sem_available(&s.sem), 3);
    CHECK_EQ(sn_sem_used(&s.sem), 0);
    CHECK_EQ(s.sem.sni_[0] & 3, 0);
}

static void *takes_until_closed(void *arg)
{
    struct sized *s = arg;
    int r = sn_sem_acquire(sn_background(), &s->sem, 1);
    CHECK(r == 0 || r == SN_ECLOSED);
    if (r == 0)
        sn_sem_release(&s->sem, 1);
    return NULL;
}

MODEL(semaphore_closed)
{
    struct sized s = { .sem = SN_SEM_INIT(1) };
    (void)arg;
    CHECK_EQ(sn_sem_try_acquire(&s.sem, 1), 0);
    struct sni_os_thread a = model_thread(takes_until_closed, &s), b = model_thread(takes_until_closed, &s);
    sn_sem_close(&s.sem);
    model_join(a);
    model_join(b);
    sn_sem_release(&s.sem, 1);
    CHECK_EQ(sn_sem_used(&s.sem), 0);
    CHECK_EQ(s.sem.sni_[0] & 3, 0);
}

/* --- latch, future, barrier: freed by who waited --- */

struct opened {
    sn_latch latch;
    int value; /* plain */
};

static void *counts_down(void *arg)
{
    struct opened *o = arg;
    o->value++;
    sn_latch_count_down(&o->latch, 1);
    return NULL;
}

MODEL(latch_freed_by_who_waited)
{
    struct opened *o = sni_os_alloc(sizeof *o);
    (void)arg;
    sn_latch_init(&o->latch, 1);
    struct sni_os_thread a = model_thread(counts_down, o);
    CHECK_EQ(sn_latch_wait(sn_background(), &o->latch), 0);
    CHECK_EQ(o->value, 1);
    sni_os_free(o, sizeof *o);
    model_join(a);
}

typedef sn_future_of(int) int_future;

struct promise {
    int_future f;
    int won; /* (a) */
};

static void *sets(void *arg)
{
    struct promise *p = arg;
    if (sn_future_set(&p->f, &(int){ 42 }) == 0)
        (void)__atomic_add_fetch(&p->won, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void *gets(void *arg)
{
    struct promise *p = arg;
    int value;
    CHECK_EQ(sn_future_get(sn_background(), &p->f, &value), 0);
    CHECK_EQ(value, 42);
    return NULL;
}

MODEL(future_set_by_one_of_two)
{
    struct promise p = { .won = 0 };
    (void)arg;
    struct sni_os_thread a = model_thread(sets, &p), b = model_thread(gets, &p);
    sets(&p);
    gets(&p);
    model_join(a);
    model_join(b);
    CHECK_EQ(p.won, 1);
    CHECK_EQ(p.f.sni_raw.sni_[0] & 3, 0);
}

static void *sets_it(void *arg)
{
    CHECK_EQ(sn_future_set((int_future *)arg, &(int){ 42 }), 0);
    return NULL;
}

MODEL(future_freed_by_who_got_it)
{
    int_future *f = sni_os_alloc(sizeof *f);
    int value;
    (void)arg;
    struct sni_os_thread a = model_thread(sets_it, f);
    CHECK_EQ(sn_future_get(sn_background(), f, &value), 0);
    CHECK_EQ(value, 42);
    sni_os_free(f, sizeof *f);
    model_join(a);
}

struct meeting {
    sn_barrier barrier;
    sn_ctx *ctx;
    int here[2]; /* plain, each party's */
    int left;    /* (a) */
};

static void leave(struct meeting *m)
{
    if (__atomic_sub_fetch(&m->left, 1, __ATOMIC_ACQ_REL) == 0)
        sni_os_free(m, sizeof *m);
}

static void meet(struct meeting *m, int me)
{
    m->here[me] = 1;
    int r = sn_barrier_wait(sn_background(), &m->barrier);
    CHECK(r == 0 || r == 1);
    CHECK_EQ(m->here[!me], 1);
    leave(m);
}

static void *meets(void *arg)
{
    meet(arg, 1);
    return NULL;
}

MODEL(barrier_freed_by_the_last_to_leave)
{
    struct meeting *m = sni_os_alloc(sizeof *m);
    (void)arg;
    sn_barrier_init(&m->barrier, 2);
    m->left = 2;
    struct sni_os_thread a = model_thread(meets, m);
    meet(m, 0);
    model_join(a);
}

/* Three would have to meet, and never more than two do. */
static void *meets_in_vain(void *arg)
{
    struct meeting *m = arg;
    CHECK_EQ(sn_barrier_wait(sn_background(), &m->barrier), SN_EBROKEN);
    return NULL;
}

MODEL(barrier_broken_twice)
{
    struct meeting m = { .barrier = SN_BARRIER_INIT(3) };
    uint64_t round;
    (void)arg;
    struct sni_os_thread a = model_thread(meets_in_vain, &m);
    while (sn_barrier_arrived(&m.barrier) == 0)
        ;
    for (int i = 0; i < 2; i++) {
        sn_barrier_break(&m.barrier);
        sn_barrier_reset(&m.barrier);
        CHECK_EQ(sn_barrier_arrive(&m.barrier, &round), 0);
    }
    sn_barrier_break(&m.barrier);
    model_join(a);
}

static void *meets_if_let(void *arg)
{
    struct meeting *m = arg;
    m->here[0] = sn_barrier_wait(m->ctx, &m->barrier);
    return NULL;
}

static void *cancels(void *arg)
{
    sn_ctx_cancel(arg);
    return NULL;
}

/* Over for both, or broken for both. */
MODEL(barrier_given_up)
{
    struct meeting m = { .barrier = SN_BARRIER_INIT(2), .ctx = new_ctx() };
    (void)arg;
    struct sni_os_thread a = model_thread(meets_if_let, &m);
    struct sni_os_thread b = model_thread(cancels, m.ctx);
    int r = sn_barrier_wait(sn_background(), &m.barrier);
    model_join(a);
    model_join(b);
    CHECK((m.here[0] >= 0 && m.here[0] + r == 1) || (m.here[0] == SN_ECANCELED && r == SN_EBROKEN));
    sn_ctx_free(m.ctx);
}
