/* Stacks: the contract of sennit/stack.h. */
#include "sn_test.h"

#include <pthread.h>

struct item {
    long number;
    sn_stack_node node;
    long owner; /* plain: whoever has it out */
};

static struct item *item_of(sn_stack_node *node)
{
    CHECK(node != NULL);
    return sn_stack_entry(node, struct item, node);
}

static int one_task(sn_ctx *ctx, void *arg)
{
    sn_stack s = { { 0 } };
    struct item items[4] = { { 0 } };
    (void)ctx;
    (void)arg;
    CHECK(sn_stack_is_empty(&s));
    CHECK(sn_stack_pop(&s) == NULL);
    CHECK(sn_stack_take(&s) == NULL);
    for (int i = 0; i < 4; i++) {
        items[i].number = i;
        sn_stack_push(&s, &items[i].node);
        CHECK(!sn_stack_is_empty(&s));
    }
    CHECK(item_of(sn_stack_pop(&s)) == &items[3]); /* the last one first */
    CHECK(item_of(sn_stack_pop(&s)) == &items[2]);
    sn_stack_push(&s, &items[3].node);
    sn_stack_node *n = sn_stack_take(&s);
    CHECK(sn_stack_is_empty(&s));
    CHECK(item_of(n) == &items[3]);
    CHECK(item_of(n = sn_stack_next(n)) == &items[1]);
    CHECK(item_of(n = sn_stack_next(n)) == &items[0]);
    CHECK(sn_stack_next(n) == NULL);
    CHECK(sn_stack_pop(&s) == NULL);
    sn_stack_push(&s, &items[2].node);
    CHECK(item_of(sn_stack_pop(&s))->number == 2);
    CHECK(sn_stack_is_empty(&s));
    CHECK_EQ(sizeof s, 16);
    return 0;
}

TEST(push_pop_take)
{
    CHECK_EQ(one_task(NULL, NULL), 0); /* a thread, and no runtime */
    run_everywhere(one_task, NULL);
}

/* --- a pool: all push and pop, each item has one owner at a time, and none is lost --- */

enum { ITEMS = 7, CROWD = 6, ROUNDS = 3000 };

struct pool {
    sn_stack stack;
    struct item items[ITEMS];
    int next; /* (a) users number themselves */
};

static void use(struct item *it, long me)
{
    CHECK_EQ(it->owner, 0);
    it->owner = me;
    it->number++;
}

static void give_back(struct pool *p, struct item *it, long me)
{
    CHECK_EQ(it->owner, me);
    it->owner = 0;
    sn_stack_push(&p->stack, &it->node);
}

static int uses_the_pool(sn_ctx *ctx, void *arg)
{
    struct pool *p = arg;
    long me = __atomic_add_fetch(&p->next, 1, __ATOMIC_RELAXED);
    (void)ctx;
    for (int i = 0; i < ROUNDS; i++) {
        if (i % 64 == 63) { /* all of them, given back in the order in which they came */
            for (sn_stack_node *n = sn_stack_take(&p->stack), *next; n; n = next) {
                next = sn_stack_next(n);
                use(item_of(n), me);
                give_back(p, item_of(n), me);
            }
            continue;
        }
        sn_stack_node *a = sn_stack_pop(&p->stack), *b = sn_stack_pop(&p->stack);
        if (a)
            use(item_of(a), me);
        if (b)
            use(item_of(b), me);
        if (i % 16 == 0 && sn_task_self().id)
            sn_yield();
        if (a)
            give_back(p, item_of(a), me);
        if (b)
            give_back(p, item_of(b), me);
    }
    return 0;
}

static void *uses_in_a_thread(void *arg)
{
    (void)uses_the_pool(NULL, arg);
    return NULL;
}

static void fill(struct pool *p)
{
    memset(p, 0, sizeof *p);
    for (int i = 0; i < ITEMS; i++)
        sn_stack_push(&p->stack, &p->items[i].node);
}

static void check_pool(struct pool *p)
{
    int n = 0;
    bool seen[ITEMS] = { false };
    for (sn_stack_node *node = sn_stack_take(&p->stack); node; node = sn_stack_next(node), n++) {
        long i = item_of(node) - p->items;
        CHECK(i >= 0 && i < ITEMS && !seen[i]);
        seen[i] = true;
        CHECK_EQ(p->items[i].owner, 0);
    }
    CHECK_EQ(n, ITEMS);
}

static int tasks_use(sn_ctx *ctx, void *arg)
{
    struct pool p;
    sn_group g;
    (void)arg;
    fill(&p);
    sn_group_init(&g, ctx);
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(sn_group_go(&g, uses_the_pool, &p), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    check_pool(&p);
    return 0;
}

TEST(none_is_lost_or_had_twice)
{
    run_everywhere(tasks_use, NULL);
}

TEST(between_threads_without_a_runtime)
{
    struct pool p;
    pthread_t threads[3];
    fill(&p);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, uses_in_a_thread, &p) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    check_pool(&p);
}

TEST(between_tasks_and_threads)
{
    struct pool p;
    pthread_t threads[2];
    sn_group g;
    fill(&p);
    CHECK_EQ(sn_start(&(sn_run_opts){ .workers = 2 }), 0);
    sn_group_init(&g, NULL);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, uses_in_a_thread, &p) == 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(sn_group_go(&g, uses_the_pool, &p), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK_EQ(sn_stop(), 0);
    check_pool(&p);
}

/* --- many push what is allocated, and one pops and frees it at once; or all take and free --- */

struct freed {
    sn_stack stack;
    int left; /* (a) of those that push */
    long sum; /* (a) */
    bool pops;
};

static int pushes(sn_ctx *ctx, void *arg)
{
    struct freed *f = arg;
    (void)ctx;
    for (int i = 1; i <= ROUNDS; i++) {
        struct item *it = malloc(sizeof *it);
        CHECK(it != NULL);
        it->number = i;
        sn_stack_push(&f->stack, &it->node);
        if (i % 32 == 0)
            sn_yield();
    }
    __atomic_sub_fetch(&f->left, 1, __ATOMIC_RELEASE);
    return 0;
}

static int frees(sn_ctx *ctx, void *arg)
{
    struct freed *f = arg;
    (void)ctx;
    for (bool over = false; !over; sn_yield()) {
        over = __atomic_load_n(&f->left, __ATOMIC_ACQUIRE) == 0;
        for (sn_stack_node *n, *next; (n = f->pops ? sn_stack_pop(&f->stack) : sn_stack_take(&f->stack)) != NULL;)
            for (; n; n = next) {
                next = f->pops ? NULL : sn_stack_next(n);
                __atomic_add_fetch(&f->sum, item_of(n)->number, __ATOMIC_RELAXED);
                free(item_of(n));
            }
    }
    return 0;
}

static int frees_at_once(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int pops = 0; pops < 2; pops++) {
        struct freed f = { .left = 4, .pops = pops };
        sn_group g;
        sn_group_init(&g, ctx);
        for (int i = 0; i < 4; i++)
            CHECK_EQ(sn_group_go(&g, pushes, &f), 0);
        for (int i = 0; i < (pops ? 1 : 3); i++)
            CHECK_EQ(sn_group_go(&g, frees, &f), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK_EQ(f.sum, 4L * ROUNDS * (ROUNDS + 1) / 2);
        CHECK(sn_stack_is_empty(&f.stack));
    }
    return 0;
}

TEST(freed_at_once_by_the_only_one_who_pops_or_by_takers)
{
    run_each(frees_at_once, NULL);
}
