/* What never parks, under stress: tasks and plain threads use all of it at once, at random. Values that are freed are
 * poisoned; what went in comes out, once; copies are of one moment. */
#include "sn_test.h"

#include <pthread.h>

enum { TASKS = 8, THREADS = 2, NODES = 24, POISON = 0xDD };

struct value {
    uint64_t number, mirrored; /* ~number */
    char more[48];
};

struct item {
    sn_stack_node node;
    uint64_t owner; /* plain: 0 while it is in the stack */
};

typedef sn_swap_of(struct value) value_swap;
typedef sn_ring_of(uint64_t) ring;

struct moment {
    uint64_t number, mirrored[5];
};

struct all {
    value_swap swap;
    ring ring;
    sn_stack stack;
    struct item items[NODES];
    sn_seqlock lock;
    struct moment moment;
    sn_flag flag;
    uint64_t owned;  /* by who has set the flag */
    sn_counter made, freed, pushed, popped;
    uint64_t seed, next; /* (a) */
    int64_t until;
};

/* For the free function, which gets only the value. */
static sn_counter *freed_values;

static void free_value(void *p)
{
    struct value *v = p;
    CHECK(v->mirrored == ~v->number);
    sn_counter_add(freed_values, 1);
    memset(v, POISON, sizeof *v);
    free(v);
}

static struct value *new_value(struct all *a, uint64_t number)
{
    struct value *v = malloc(sizeof *v);
    CHECK(v != NULL);
    *v = (struct value){ .number = number, .mirrored = ~number };
    sn_counter_add(&a->made, 1);
    return v;
}

static void dawdle(uint64_t *rng)
{
    if (test_random(rng) % 8 == 0)
        sn_yield();
    else if (test_random(rng) % 64 == 0)
        CHECK_EQ(sn_sleep(NULL, SN_US(20)), 0);
}

static void swaps(struct all *a, uint64_t *rng)
{
    sn_swap_guard g, inner;
    const struct value *v = sn_swap_enter(&a->swap, &g);
    uint64_t number = v->number;
    CHECK(v->mirrored == ~number);
    dawdle(rng);
    const struct value *later = sn_swap_enter(&a->swap, &inner);
    CHECK(later->mirrored == ~later->number);
    CHECK(v->number == number && v->mirrored == ~number);
    switch (test_random(rng) % 6) {
    case 0:
        CHECK_EQ(sn_swap_set(&a->swap, new_value(a, test_random(rng))), 0);
        break;
    case 1: {
        struct value *next = new_value(a, number + 1);
        int r = sn_swap_compare_set(&a->swap, &g, next);
        CHECK_RESULT(r, r == 0 || r == SN_EAGAIN);
        if (r < 0)
            free_value(next);
        break;
    }
    default:
        break;
    }
    sn_swap_leave(&a->swap, &g);
    CHECK(later->mirrored == ~later->number);
    sn_swap_leave(&a->swap, &inner);
}

static void rings(struct all *a, uint64_t *rng)
{
    uint64_t v = test_random(rng) & UINT32_MAX;
    if (test_random(rng) % 2) {
        if (sn_ring_try_push(a->ring, &v) == 0)
            sn_counter_add(&a->pushed, (int64_t)v);
    } else if (sn_ring_try_pop(a->ring, &v) == 0) {
        sn_counter_add(&a->popped, (int64_t)v);
    }
}

static void give_back(struct all *a, sn_stack_node *n, uint64_t me)
{
    struct item *it = sn_stack_entry(n, struct item, node);
    CHECK(it->owner == me);
    it->owner = 0;
    sn_stack_push(&a->stack, n);
}

static void own(sn_stack_node *n, uint64_t me)
{
    struct item *it = sn_stack_entry(n, struct item, node);
    CHECK(it->owner == 0);
    it->owner = me;
}

static void stacks(struct all *a, uint64_t *rng)
{
    uint64_t me = __atomic_add_fetch(&a->next, 1, __ATOMIC_RELAXED);
    if (test_random(rng) % 16 == 0) {
        for (sn_stack_node *n = sn_stack_take(&a->stack), *next; n; n = next) {
            next = sn_stack_next(n);
            own(n, me);
            give_back(a, n, me);
        }
        return;
    }
    sn_stack_node *n = sn_stack_pop(&a->stack), *m = sn_stack_pop(&a->stack);
    if (n)
        own(n, me);
    if (m)
        own(m, me);
    dawdle(rng);
    if (n)
        give_back(a, n, me);
    if (m)
        give_back(a, m, me);
}

static void check_moment(const struct moment *m)
{
    for (int i = 0; i < 5; i++)
        CHECK(m->mirrored[i] == ~m->number);
}

static void seqlocks(struct all *a, uint64_t *rng)
{
    struct moment m;
    sn_seqlock_read(&a->lock, &m, &a->moment, sizeof m);
    check_moment(&m);
    if (test_random(rng) % 4 == 0) {
        m.number = test_random(rng);
        for (int i = 0; i < 5; i++)
            m.mirrored[i] = ~m.number;
        sn_seqlock_write(&a->lock, &a->moment, &m, sizeof m);
    }
}

static void flags(struct all *a, uint64_t *rng)
{
    if (sn_flag_test(&a->flag) || sn_flag_test_and_set(&a->flag))
        return;
    CHECK(a->owned == 0);
    a->owned = 1;
    dawdle(rng);
    a->owned = 0;
    if (test_random(rng) % 2)
        sn_flag_clear(&a->flag);
    else
        CHECK(sn_flag_test_and_clear(&a->flag));
}

static int uses(sn_ctx *ctx, void *arg)
{
    static void (*const fns[])(struct all *, uint64_t *) = { swaps, rings, stacks, seqlocks, flags };
    struct all *a = arg;
    uint64_t rng = __atomic_add_fetch(&a->seed, 0x9E3779B97F4A7C15u, __ATOMIC_RELAXED) | 1;
    (void)ctx;
    while (sn_now() < a->until)
        for (int i = 0; i < 200; i++)
            fns[test_random(&rng) % (sizeof fns / sizeof *fns)](a, &rng);
    return 0;
}

static void *uses_in_a_thread(void *arg)
{
    (void)uses(NULL, arg);
    return NULL;
}

static void begin(struct all *a)
{
    memset(a, 0, sizeof *a);
    a->seed = test_seed();
    a->until = sn_now() + SN_MS(test_stress_ms()) / TEST_WORKERS;
    freed_values = &a->freed;
    CHECK_EQ(sn_swap_init(&a->swap, new_value(a, 0), free_value), 0);
    CHECK_EQ(sn_ring_make(&a->ring, SN_RING_MPMC, 16), 0);
    for (int i = 0; i < NODES; i++)
        sn_stack_push(&a->stack, &a->items[i].node);
    for (int i = 0; i < 5; i++)
        a->moment.mirrored[i] = ~a->moment.number;
}

static void check_accounts(struct all *a)
{
    int n = 0;
    uint64_t v;
    sn_swap_destroy(&a->swap);
    CHECK_EQ(sn_counter_sum(&a->freed), sn_counter_sum(&a->made));
    while (sn_ring_try_pop(a->ring, &v) == 0)
        sn_counter_add(&a->popped, (int64_t)v);
    CHECK_EQ(sn_counter_take(&a->popped), sn_counter_take(&a->pushed));
    sn_ring_free(a->ring);
    for (sn_stack_node *node = sn_stack_take(&a->stack); node; node = sn_stack_next(node), n++)
        CHECK(sn_stack_entry(node, struct item, node)->owner == 0);
    CHECK_EQ(n, NODES);
    check_moment(&a->moment);
    CHECK(!sn_flag_test(&a->flag));
}

TEST(everything_at_once)
{
    static struct all a;
    for (int w = 0; w < TEST_WORKERS; w++) {
        pthread_t threads[THREADS];
        sn_group g;
        begin(&a);
        CHECK_EQ(sn_start(&(sn_run_opts){ .workers = test_workers[w] }), 0);
        for (int i = 0; i < THREADS; i++)
            CHECK(pthread_create(&threads[i], NULL, uses_in_a_thread, &a) == 0);
        sn_group_init(&g, NULL);
        for (int i = 0; i < TASKS; i++)
            CHECK_EQ(sn_group_go(&g, uses, &a), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        for (int i = 0; i < THREADS; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK_EQ(sn_stop(), 0);
        check_accounts(&a);
    }
}
