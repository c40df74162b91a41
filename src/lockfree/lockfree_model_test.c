/* What never parks, in the model: each object between plain threads. Memory is freed, and written plainly, as soon as the
 * header says that it may be. */
#include "model/model_test.h"

/* --- counter: adds against takes --- */

struct counted {
    sn_counter c;
    int64_t taken[2];
};

static void *adds(void *arg)
{
    struct counted *s = arg;
    for (int i = 0; i < 3; i++)
        sn_counter_add(&s->c, 1);
    return NULL;
}

static void *takes(void *arg)
{
    struct counted *s = arg;
    for (int i = 0; i < 2; i++)
        s->taken[i] = sn_counter_take(&s->c);
    return NULL;
}

MODEL(counter)
{
    static struct counted s;
    (void)arg;
    memset(&s, 0, sizeof s);
    struct sni_os_thread a = model_thread(adds, &s), b = model_thread(adds, &s), c = model_thread(takes, &s);
    int64_t before = sn_counter_sum(&s.c);
    CHECK(before >= 0 && before <= 6);
    model_join(a);
    model_join(b);
    model_join(c);
    CHECK_EQ(s.taken[0] + s.taken[1] + sn_counter_sum(&s.c), 6);
}

/* --- flag: as a lock for who does not wait --- */

struct owned {
    sn_flag f;
    int n; /* the owner's */
    int had; /* (a) */
};

static void *wins_or_not(void *arg)
{
    struct owned *o = arg;
    for (int i = 0; i < 2; i++)
        if (!sn_flag_test_and_set(&o->f)) {
            o->n++;
            (void)__atomic_fetch_add(&o->had, 1, __ATOMIC_RELAXED);
            sn_flag_clear(&o->f);
        }
    return NULL;
}

MODEL(flag_has_one_owner)
{
    struct owned o = { .n = 0 };
    (void)arg;
    struct sni_os_thread a = model_thread(wins_or_not, &o), b = model_thread(wins_or_not, &o);
    (void)wins_or_not(&o);
    model_join(a);
    model_join(b);
    CHECK_EQ(o.n, o.had);
    CHECK(o.n > 0);
}

/* --- flag: who finds it set sees what all setters had written --- */

struct stale {
    sn_flag f;
    int first, second; /* written plainly, each by one */
    int set;           /* (a) orders nothing */
};

static void *writes_first(void *arg)
{
    struct stale *s = arg;
    s->first = 1;
    sn_flag_set(&s->f);
    (void)__atomic_fetch_add(&s->set, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void *writes_second(void *arg)
{
    struct stale *s = arg;
    s->second = 1;
    sn_flag_set(&s->f);
    (void)__atomic_fetch_add(&s->set, 1, __ATOMIC_RELAXED);
    return NULL;
}

MODEL(flag_of_two_setters)
{
    struct stale s = { .first = 0 };
    (void)arg;
    struct sni_os_thread a = model_thread(writes_first, &s), b = model_thread(writes_second, &s);
    bool both = __atomic_load_n(&s.set, __ATOMIC_RELAXED) == 2;
    bool was_set = sn_flag_test_and_clear(&s.f); /* after both, or else neither's acquire would let its count be seen */
    if (both) {
        CHECK(was_set);
        CHECK_EQ(s.first, 1);
        CHECK_EQ(s.second, 1);
    }
    model_join(a);
    model_join(b);
    CHECK(both || sn_flag_test(&s.f) || was_set);
}

/* --- swap: values that are written plainly when they are freed, so that a reader who still has one is a race --- */

enum { VALUES = 8 };

struct value {
    int number; /* 0: freed */
    int freed;
};

typedef sn_swap_of(struct value) value_swap;

struct swapped {
    value_swap s;
    struct value values[VALUES];
    int made;           /* (a) */
    sn_swap_guard left; /* by another than who entered */
    int handed;         /* (a) */
};

static void end_value(void *p)
{
    struct value *v = p;
    v->number = 0;
    v->freed++;
}

static struct value *next_value(struct swapped *s)
{
    struct value *v = &s->values[__atomic_fetch_add(&s->made, 1, __ATOMIC_RELAXED)];
    v->number = (int)(v - s->values) + 1;
    return v;
}

static struct swapped *begin_swap(void)
{
    static struct swapped s;
    memset(&s, 0, sizeof s);
    CHECK_EQ(sn_swap_init(&s.s, next_value(&s), end_value), 0);
    return &s;
}

/* All that were retired are freed, once each; the last one by the end. */
static void end_swap(struct swapped *s)
{
    int freed = 0;
    for (int i = 0; i < s->made; i++) {
        CHECK(s->values[i].freed <= 1);
        freed += s->values[i].freed;
    }
    CHECK_EQ(freed, s->made - 1);
    sn_swap_destroy(&s->s);
    for (int i = 0; i < s->made; i++)
        CHECK_EQ(s->values[i].freed, 1);
}

static void *reads(void *arg)
{
    struct swapped *s = arg;
    for (int i = 0; i < 2; i++) {
        sn_swap_guard g;
        const struct value *v = sn_swap_enter(&s->s, &g);
        CHECK(v->number > 0);
        CHECK(v->number > 0);
        sn_swap_leave(&s->s, &g);
    }
    return NULL;
}

static void *sets(void *arg)
{
    struct swapped *s = arg;
    for (int i = 0; i < 2; i++)
        CHECK_EQ(sn_swap_set(&s->s, next_value(s)), 0);
    return NULL;
}

MODEL(swap)
{
    struct swapped *s = begin_swap();
    (void)arg;
    struct sni_os_thread a = model_thread(reads, s), b = model_thread(reads, s), c = model_thread(sets, s);
    (void)reads(s);
    model_join(a);
    model_join(b);
    model_join(c);
    end_swap(s);
}

MODEL(swap_of_two_setters)
{
    struct swapped *s = begin_swap();
    (void)arg;
    struct sni_os_thread a = model_thread(reads, s), b = model_thread(sets, s), c = model_thread(sets, s);
    model_join(a);
    model_join(b);
    model_join(c);
    end_swap(s);
}

/* Two work on the same cell: one counts itself in, the other counts it out, while the first comes again. */
static void *leaves_for_another(void *arg)
{
    struct swapped *s = arg;
    while (__atomic_load_n(&s->handed, __ATOMIC_ACQUIRE) == 0)
        sni_os_yield();
    sn_swap_leave(&s->s, &s->left);
    return NULL;
}

MODEL(swap_left_by_another)
{
    struct swapped *s = begin_swap();
    (void)arg;
    struct sni_os_thread a = model_thread(leaves_for_another, s), b = model_thread(sets, s);
    CHECK(sn_swap_enter(&s->s, &s->left)->number > 0);
    __atomic_store_n(&s->handed, 1, __ATOMIC_RELEASE);
    (void)reads(s);
    (void)reads(s);
    model_join(a);
    model_join(b);
    end_swap(s);
}

static void *derives(void *arg)
{
    struct swapped *s = arg;
    sn_swap_guard g;
    int r;
    struct value *v = next_value(s);
    do {
        const struct value *old = sn_swap_enter(&s->s, &g);
        v->number = old->number + 10;
        r = sn_swap_compare_set(&s->s, &g, v);
        sn_swap_leave(&s->s, &g);
    } while (r == SN_EAGAIN);
    CHECK_EQ(r, 0);
    return NULL;
}

MODEL(swap_derived_by_three)
{
    struct swapped *s = begin_swap();
    sn_swap_guard g;
    (void)arg;
    struct sni_os_thread a = model_thread(derives, s), b = model_thread(derives, s);
    (void)derives(s);
    model_join(a);
    model_join(b);
    CHECK_EQ(sn_swap_enter(&s->s, &g)->number, 31);
    sn_swap_leave(&s->s, &g);
    end_swap(s);
}

/* --- ring: each value points to what was written plainly before it was pushed --- */

enum { RING_VALUES = 4 };

typedef sn_ring_of(int *) pointer_ring;

struct ringed {
    pointer_ring r;
    int written[2 * RING_VALUES]; /* by the producer, then the consumer's */
    int first;                    /* (a) next to be produced */
    int got;                      /* (a) */
};

static void begin_ring(struct ringed *s, sn_ring_kind kind)
{
    memset(s, 0, sizeof *s);
    CHECK_EQ(sn_ring_make(&s->r, kind, 1), 0); /* of which it makes 2 */
}

static void *produces(void *arg)
{
    struct ringed *s = arg;
    int first = __atomic_fetch_add(&s->first, RING_VALUES, __ATOMIC_RELAXED);
    for (int i = first; i < first + RING_VALUES; i++) {
        s->written[i] = i + 1;
        while (sn_ring_try_push(s->r, &(int *){ &s->written[i] }) == SN_EAGAIN)
            sni_os_yield();
    }
    return NULL;
}

static void *produces_by_two(void *arg)
{
    struct ringed *s = arg;
    int *values[RING_VALUES];
    for (int i = 0; i < RING_VALUES; i++) {
        s->written[i] = i + 1;
        values[i] = &s->written[i];
    }
    for (int i = 0, n; i < RING_VALUES; i += n > 0 ? n : 0)
        if ((n = sn_ring_try_push_n(s->r, i + 2 < RING_VALUES ? 2 : RING_VALUES - (size_t)i, &values[i])) < 0)
            sni_os_yield();
    return NULL;
}

/* Pops n values; those of one producer in order. */
static void consume(struct ringed *s, int n)
{
    int last[2] = { 0, 0 };
    while (n > 0) {
        int *p;
        if (sn_ring_try_pop(s->r, &p) == SN_EAGAIN) {
            sni_os_yield();
            continue;
        }
        int who = p >= &s->written[RING_VALUES];
        CHECK(*p > last[who]);
        last[who] = *p;
        *p = 0;
        n--;
        (void)__atomic_fetch_add(&s->got, 1, __ATOMIC_RELAXED);
    }
}

static void *consumes(void *arg)
{
    consume(arg, RING_VALUES);
    return NULL;
}

MODEL(ring_spsc)
{
    struct ringed s;
    (void)arg;
    begin_ring(&s, SN_RING_SPSC);
    struct sni_os_thread a = model_thread(produces, &s);
    consume(&s, RING_VALUES);
    sn_ring_free(s.r); /* the push of the last may not have returned */
    model_join(a);
}

MODEL(ring_spsc_by_two)
{
    struct ringed s;
    (void)arg;
    begin_ring(&s, SN_RING_SPSC);
    struct sni_os_thread a = model_thread(produces_by_two, &s);
    for (int i = 0; i < RING_VALUES;) {
        int *values[2], n = sn_ring_try_pop_n(s.r, 2, values);
        for (int k = 0; k < n; k++)
            CHECK_EQ(*values[k], ++i);
        if (n < 0)
            sni_os_yield();
    }
    sn_ring_free(s.r);
    model_join(a);
}

MODEL(ring_mpsc)
{
    struct ringed s;
    (void)arg;
    begin_ring(&s, SN_RING_MPSC);
    struct sni_os_thread a = model_thread(produces, &s), b = model_thread(produces, &s);
    consume(&s, 2 * RING_VALUES);
    sn_ring_free(s.r);
    model_join(a);
    model_join(b);
}

MODEL(ring_mpmc)
{
    struct ringed s;
    (void)arg;
    begin_ring(&s, SN_RING_MPMC);
    struct sni_os_thread a = model_thread(produces, &s), b = model_thread(produces, &s);
    struct sni_os_thread c = model_thread(consumes, &s);
    consume(&s, RING_VALUES);
    model_join(a);
    model_join(b);
    model_join(c);
    CHECK_EQ(s.got, 2 * RING_VALUES);
    for (int i = 0; i < 2 * RING_VALUES; i++)
        CHECK_EQ(s.written[i], 0);
    sn_ring_free(s.r);
}

/* --- stack: nodes come back on top of others, which is what a pop must notice --- */

enum { NODES = 3 };

struct stacked {
    sn_stack s;
    struct {
        sn_stack_node node;
        int owned; /* written plainly by who has it out */
    } items[NODES];
};

static void use_node(struct stacked *s, sn_stack_node *n)
{
    for (int i = 0; n && i < NODES; i++)
        if (n == &s->items[i].node) {
            CHECK_EQ(s->items[i].owned, 0);
            s->items[i].owned = 1;
            s->items[i].owned = 0;
            return;
        }
    CHECK(n == NULL);
}

static void *pops_and_pushes(void *arg)
{
    struct stacked *s = arg;
    for (int i = 0; i < 2; i++) {
        sn_stack_node *a = sn_stack_pop(&s->s), *b = sn_stack_pop(&s->s);
        use_node(s, a);
        use_node(s, b);
        if (a)
            sn_stack_push(&s->s, a);
        if (b)
            sn_stack_push(&s->s, b);
    }
    return NULL;
}

static void *takes_and_pushes(void *arg)
{
    struct stacked *s = arg;
    for (sn_stack_node *n = sn_stack_take(&s->s), *next; n; n = next) {
        next = sn_stack_next(n);
        use_node(s, n);
        sn_stack_push(&s->s, n);
    }
    return NULL;
}

static void fill_stack(struct stacked *s)
{
    memset(s, 0, sizeof *s);
    for (int i = 0; i < NODES; i++)
        sn_stack_push(&s->s, &s->items[i].node);
}

static void check_stack(struct stacked *s)
{
    int n = 0;
    for (sn_stack_node *node = sn_stack_take(&s->s); node && n <= NODES; node = sn_stack_next(node))
        n++;
    CHECK_EQ(n, NODES);
}

MODEL(stack)
{
    struct stacked s;
    (void)arg;
    fill_stack(&s);
    struct sni_os_thread a = model_thread(pops_and_pushes, &s), b = model_thread(pops_and_pushes, &s);
    (void)pops_and_pushes(&s);
    model_join(a);
    model_join(b);
    check_stack(&s);
}

MODEL(stack_taken)
{
    struct stacked s;
    (void)arg;
    fill_stack(&s);
    struct sni_os_thread a = model_thread(takes_and_pushes, &s), b = model_thread(pops_and_pushes, &s);
    (void)takes_and_pushes(&s);
    model_join(a);
    model_join(b);
    check_stack(&s);
}

/* --- sequence lock: copies are of one moment, and show what was done before they were written --- */

struct moment {
    int64_t number, same;
};

struct noted {
    sn_seqlock lock;
    struct moment now;
    int done[5]; /* written plainly, before the moment of that number */
};

static void *writes_moments(void *arg)
{
    struct noted *s = arg;
    for (int i = 1; i <= 2; i++) {
        struct moment m = { i, i };
        s->done[i] = 1;
        sn_seqlock_write(&s->lock, &s->now, &m, sizeof m);
    }
    return NULL;
}

static void *reads_moments(void *arg)
{
    struct noted *s = arg;
    int64_t last = 0;
    for (int i = 0; i < 3; i++) {
        struct moment m;
        sn_seqlock_read(&s->lock, &m, &s->now, sizeof m);
        CHECK_EQ(m.number, m.same);
        CHECK(m.number >= last);
        last = m.number;
        if (m.number > 0)
            CHECK_EQ(s->done[m.number], 1);
    }
    return NULL;
}

MODEL(seqlock)
{
    struct noted s = { .now = { 0, 0 } };
    (void)arg;
    struct sni_os_thread a = model_thread(writes_moments, &s), b = model_thread(reads_moments, &s);
    (void)reads_moments(&s);
    model_join(a);
    model_join(b);
}

/* Writers exclude each other, and readers that keep them out. */
static void *writes_others(void *arg)
{
    struct noted *s = arg;
    for (int i = 3; i <= 4; i++) {
        struct moment m = { i, i };
        sn_seqlock_write(&s->lock, &s->now, &m, sizeof m);
    }
    return NULL;
}

static void *reads_any(void *arg)
{
    struct noted *s = arg;
    for (int i = 0; i < 2; i++) {
        struct moment m;
        sn_seqlock_read(&s->lock, &m, &s->now, sizeof m);
        CHECK_EQ(m.number, m.same);
    }
    return NULL;
}

MODEL(seqlock_of_two_writers)
{
    struct noted s = { .now = { 0, 0 } };
    (void)arg;
    struct sni_os_thread a = model_thread(writes_moments, &s), b = model_thread(writes_others, &s);
    struct sni_os_thread c = model_thread(reads_any, &s);
    (void)reads_any(&s);
    model_join(a);
    model_join(b);
    model_join(c);
    CHECK_EQ(s.now.number, s.now.same);
    CHECK_EQ(s.lock.sni_[0], 4 * 4); /* four writes, and nobody holds it */
}
