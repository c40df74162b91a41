/* Swaps: the contract of sennit/swap.h. */
#include "sn_test.h"

#include <pthread.h>

enum { ALIVE = 0x5EED, DEAD = 0xDEAD };

/* What is swapped: its fields agree while it lives, and it is poisoned when it is freed. */
struct config {
    int alive;
    long number, twice;
    int *freed; /* (a) counts those that are */
};

typedef sn_swap_of(struct config) config_swap;

static struct config *config(long number, int *freed)
{
    struct config *c = malloc(sizeof *c);
    CHECK(c != NULL);
    *c = (struct config){ ALIVE, number, number * 2, freed };
    return c;
}

static void free_config(void *value)
{
    struct config *c = value;
    CHECK_EQ(c->alive, ALIVE); /* once only */
    __atomic_add_fetch(c->freed, 1, __ATOMIC_RELAXED);
    memset(c, 0, sizeof *c);
    c->alive = DEAD;
    free(c);
}

static long number_of(const struct config *c)
{
    CHECK_EQ(c->alive, ALIVE);
    CHECK_EQ(c->twice, c->number * 2);
    return c->number;
}

static int one_task(sn_ctx *ctx, void *arg)
{
    config_swap s;
    sn_swap_guard a, b, c;
    int freed = 0;
    (void)ctx;
    (void)arg;
    CHECK_EQ(sn_swap_init(&s, config(1, &freed), free_config), 0);
    const struct config *first = sn_swap_enter(&s, &a);
    CHECK_EQ(number_of(first), 1);
    CHECK(sn_swap_enter(&s, &b) == first);
    CHECK_EQ(sn_swap_set(&s, config(2, &freed)), 0);
    CHECK_EQ(number_of(sn_swap_enter(&s, &c)), 2);
    CHECK_EQ(number_of(first), 1);
    sn_swap_leave(&s, &a);
    CHECK_EQ(freed, 0); /* one more is inside with it */
    CHECK_EQ(number_of(first), 1);
    sn_swap_leave(&s, &b);
    sn_swap_leave(&s, &c);
    CHECK_EQ(freed, 1); /* at the latest now */
    CHECK_EQ(sn_swap_set(&s, config(3, &freed)), 0);
    CHECK_EQ(freed, 2); /* nobody is inside: at once */
    CHECK_EQ(number_of(sn_swap_enter(&s, &a)), 3);
    sn_swap_leave(&s, &a);
    CHECK_EQ(freed, 2);
    sn_swap_destroy(&s);
    CHECK_EQ(freed, 3);
    return 0;
}

TEST(enter_set_leave)
{
    CHECK_EQ(one_task(NULL, NULL), 0); /* a thread, and no runtime */
    run_everywhere(one_task, NULL);
}

TEST(values_may_be_null_and_need_no_function)
{
    sn_swap_of(int) s;
    sn_swap_guard g;
    static const int one = 1;
    int two = 2;
    CHECK_EQ(sn_swap_init(&s, (int *)NULL, NULL), 0);
    CHECK(sn_swap_enter(&s, &g) == NULL);
    CHECK_EQ(sn_swap_set(&s, &one), 0);
    sn_swap_leave(&s, &g);
    CHECK(sn_swap_enter(&s, &g) == &one);
    sn_swap_leave(&s, &g);
    CHECK_EQ(sn_swap_set(&s, &two), 0);
    sn_swap_destroy(&s);

    config_swap c;
    int freed = 0;
    CHECK_EQ(sn_swap_init(&c, (struct config *)NULL, free_config), 0); /* not called for NULL */
    CHECK_EQ(sn_swap_set(&c, config(1, &freed)), 0);
    CHECK_EQ(sn_swap_set(&c, (const struct config *)NULL), 0);
    CHECK_EQ(freed, 1);
    sn_swap_destroy(&c);
    CHECK_EQ(freed, 1);
}

/* --- a reader that stays keeps what is replaced; it is freed by the last who leaves --- */

TEST(a_reader_that_stays_keeps_what_it_has)
{
    config_swap s;
    sn_swap_guard stays, g;
    int freed = 0;
    CHECK_EQ(sn_swap_init(&s, config(0, &freed), free_config), 0);
    const struct config *old = sn_swap_enter(&s, &stays);
    for (long i = 1; i <= 100; i++) {
        CHECK_EQ(sn_swap_set(&s, config(i, &freed)), 0);
        CHECK_EQ(number_of(sn_swap_enter(&s, &g)), i); /* others come and go */
        sn_swap_leave(&s, &g);
        CHECK_EQ(number_of(old), 0);
    }
    sn_swap_leave(&s, &stays);
    CHECK_EQ(freed, 100);
    sn_swap_destroy(&s);
    CHECK_EQ(freed, 101);
}

/* Readers that overlap for ever: there is always one inside, yet what is replaced is freed. */
TEST(there_is_always_a_reader_inside)
{
    config_swap s;
    sn_swap_guard guards[2];
    int freed = 0;
    CHECK_EQ(sn_swap_init(&s, config(0, &freed), free_config), 0);
    (void)sn_swap_enter(&s, &guards[1]);
    for (int i = 0; i < 1000; i++) {
        (void)sn_swap_enter(&s, &guards[i % 2]);
        CHECK_EQ(sn_swap_set(&s, config(i, &freed)), 0);
        sn_swap_leave(&s, &guards[(i + 1) % 2]);
        CHECK(i - freed < 8);
    }
    sn_swap_leave(&s, &guards[1]);
    CHECK_EQ(freed, 1000);
    sn_swap_destroy(&s);
}

struct handed {
    config_swap *s;
    sn_swap_guard guard;
    sn_chan_unit in, out;
};

static int enters_and_waits(sn_ctx *ctx, void *arg)
{
    struct handed *h = arg;
    const struct config *c = sn_swap_enter(h->s, &h->guard);
    CHECK_EQ(number_of(c), 1);
    CHECK_EQ(sn_chan_unit_send(ctx, h->in), 0);
    CHECK_EQ(sn_chan_unit_recv(ctx, h->out), 0); /* parked inside */
    CHECK_EQ(number_of(c), 1);
    return 0;
}

static void *leaves_in_a_thread(void *arg)
{
    struct handed *h = arg;
    sn_swap_leave(h->s, &h->guard);
    return NULL;
}

static int parked_inside(sn_ctx *ctx, void *arg)
{
    config_swap s;
    struct handed h = { .s = &s };
    sn_group g;
    pthread_t thread;
    int freed = 0;
    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&h.in, 0), 0);
    CHECK_EQ(sn_chan_unit_make(&h.out, 0), 0);
    CHECK_EQ(sn_swap_init(&s, config(1, &freed), free_config), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, enters_and_waits, &h), 0);
    CHECK_EQ(sn_chan_unit_recv(ctx, h.in), 0);
    CHECK_EQ(sn_swap_set(&s, config(2, &freed)), 0);
    CHECK_EQ(sn_swap_set(&s, config(3, &freed)), 0);
    CHECK_EQ(freed, 0);
    CHECK_EQ(sn_chan_unit_send(ctx, h.out), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(freed, 0); /* the task is gone, its guard is not */
    CHECK(pthread_create(&thread, NULL, leaves_in_a_thread, &h) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK_EQ(freed, 2);
    sn_swap_destroy(&s);
    CHECK_EQ(freed, 3);
    sn_chan_free(h.in);
    sn_chan_free(h.out);
    return 0;
}

TEST(a_reader_may_park_and_another_leave)
{
    run_really(parked_inside, NULL);
}

/* --- a free function that uses the swap, and one that blocks --- */

static config_swap reused;
static int reused_freed, reused_sets;

static void sets_another(void *value)
{
    sn_swap_guard g;
    if (reused_sets++ < 10) {
        long number = number_of(sn_swap_enter(&reused, &g));
        sn_swap_leave(&reused, &g);
        CHECK_EQ(sn_swap_set(&reused, config(number + 1, &reused_freed)), 0);
    }
    free_config(value);
}

TEST(the_function_may_use_the_swap)
{
    sn_swap_guard g;
    CHECK_EQ(sn_swap_init(&reused, config(0, &reused_freed), sets_another), 0);
    CHECK_EQ(sn_swap_set(&reused, config(1, &reused_freed)), 0);
    CHECK_EQ(number_of(sn_swap_enter(&reused, &g)), 11);
    sn_swap_leave(&reused, &g);
    CHECK_EQ(reused_freed, 11);
    sn_swap_destroy(&reused);
    CHECK_EQ(reused_freed, 12);
}

static config_swap slow;
static sn_chan_unit slow_begun, slow_go_on;
static int slow_freed;

static void blocks(void *value)
{
    if (number_of(value) == 0) {
        CHECK_EQ(sn_chan_unit_send(NULL, slow_begun), 0);
        CHECK_EQ(sn_chan_unit_recv(NULL, slow_go_on), 0);
    }
    free_config(value);
}

static int sets_one(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return sn_swap_set(&slow, config(1, &slow_freed));
}

static int others_go_on(sn_ctx *ctx, void *arg)
{
    sn_group g;
    sn_swap_guard guard;
    (void)arg;
    slow_freed = 0;
    CHECK_EQ(sn_chan_unit_make(&slow_begun, 0), 0);
    CHECK_EQ(sn_chan_unit_make(&slow_go_on, 0), 0);
    CHECK_EQ(sn_swap_init(&slow, config(0, &slow_freed), blocks), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, sets_one, NULL), 0);
    CHECK_EQ(sn_chan_unit_recv(ctx, slow_begun), 0);
    for (long i = 2; i < 10; i++) {
        CHECK_EQ(sn_swap_set(&slow, config(i, &slow_freed)), 0);
        CHECK_EQ(number_of(sn_swap_enter(&slow, &guard)), i);
        sn_swap_leave(&slow, &guard);
    }
    CHECK_EQ(slow_freed, 0);
    CHECK_EQ(sn_chan_unit_send(ctx, slow_go_on), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(slow_freed, 9);
    sn_swap_destroy(&slow);
    sn_chan_free(slow_begun);
    sn_chan_free(slow_go_on);
    return 0;
}

TEST(the_function_may_block)
{
    run_everywhere(others_go_on, NULL);
}

/* --- compare and set --- */

static int one_compares(sn_ctx *ctx, void *arg)
{
    config_swap s;
    sn_swap_guard a, b;
    int freed = 0;
    (void)ctx;
    (void)arg;
    CHECK_EQ(sn_swap_init(&s, config(1, &freed), free_config), 0);
    (void)sn_swap_enter(&s, &a);
    (void)sn_swap_enter(&s, &b);
    struct config *late = config(3, &freed);
    CHECK_EQ(sn_swap_compare_set(&s, &a, config(2, &freed)), 0);
    CHECK_EQ(sn_swap_compare_set(&s, &b, late), SN_EAGAIN);
    CHECK_EQ(sn_swap_compare_set(&s, &a, late), SN_EAGAIN); /* its own is not what it has entered with */
    CHECK_EQ(freed, 0);
    sn_swap_leave(&s, &a);
    sn_swap_leave(&s, &b);
    CHECK_EQ(freed, 1);
    CHECK_EQ(number_of(sn_swap_enter(&s, &a)), 2);
    CHECK_EQ(sn_swap_compare_set(&s, &a, late), 0); /* it is still ours */
    sn_swap_leave(&s, &a);
    CHECK_EQ(freed, 2);
    sn_swap_destroy(&s);
    CHECK_EQ(freed, 3);
    return 0;
}

TEST(compare_and_set)
{
    CHECK_EQ(one_compares(NULL, NULL), 0);
    run_everywhere(one_compares, NULL);
}

/* --- many at once --- */

enum { CROWD = 6, ROUNDS = 400 };

struct crowd {
    config_swap s;
    int freed;     /* (a) */
    int made;      /* (a) */
    int increased; /* (a) by compare and set */
};

static void increase(struct crowd *c)
{
    sn_swap_guard g;
    int r;
    do {
        const struct config *old = sn_swap_enter(&c->s, &g);
        struct config *next = config(number_of(old) + 1, &c->freed);
        r = sn_swap_compare_set(&c->s, &g, next);
        if (r < 0)
            free(next);
        sn_swap_leave(&c->s, &g);
    } while (r == SN_EAGAIN);
    CHECK_EQ(r, 0);
    __atomic_add_fetch(&c->made, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&c->increased, 1, __ATOMIC_RELAXED);
}

static int reads_and_increases(sn_ctx *ctx, void *arg)
{
    struct crowd *c = arg;
    (void)ctx;
    for (int i = 0; i < ROUNDS; i++) {
        sn_swap_guard g, inner;
        const struct config *now = sn_swap_enter(&c->s, &g);
        long number = number_of(now);
        if (i % 4 == 0)
            sn_yield();
        CHECK(number_of(sn_swap_enter(&c->s, &inner)) >= number); /* later, or the same */
        CHECK_EQ(number_of(now), number);
        if (i % 3 == 0)
            increase(c);
        sn_swap_leave(&c->s, &g);
        CHECK(number_of(sn_swap_enter(&c->s, &g)) >= number);
        sn_swap_leave(&c->s, &inner);
        sn_swap_leave(&c->s, &g);
    }
    return 0;
}

static void *reads_in_a_thread(void *arg)
{
    (void)reads_and_increases(NULL, arg);
    return NULL;
}

static void check_crowd(struct crowd *c)
{
    sn_swap_guard g;
    CHECK_EQ(number_of(sn_swap_enter(&c->s, &g)), c->increased); /* no update is lost */
    sn_swap_leave(&c->s, &g);
    CHECK_EQ(c->freed, c->made); /* all but the one that is current, which was not counted */
    sn_swap_destroy(&c->s);
    CHECK_EQ(c->freed, c->made + 1);
}

static int tasks_swap(sn_ctx *ctx, void *arg)
{
    struct crowd c = { .freed = 0 };
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_swap_init(&c.s, config(0, &c.freed), free_config), 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(sn_group_go(&g, reads_and_increases, &c), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    check_crowd(&c);
    return 0;
}

TEST(each_value_is_freed_once_and_not_before_its_readers_left)
{
    run_everywhere(tasks_swap, NULL);
}

TEST(between_threads_without_a_runtime)
{
    struct crowd c = { .freed = 0 };
    pthread_t threads[3];
    CHECK_EQ(sn_swap_init(&c.s, config(0, &c.freed), free_config), 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, reads_in_a_thread, &c) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    check_crowd(&c);
}

TEST(between_tasks_and_threads)
{
    struct crowd c = { .freed = 0 };
    pthread_t threads[2];
    sn_group g;
    CHECK_EQ(sn_swap_init(&c.s, config(0, &c.freed), free_config), 0);
    CHECK_EQ(sn_start(&(sn_run_opts){ .workers = 2 }), 0);
    sn_group_init(&g, NULL);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, reads_in_a_thread, &c) == 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(sn_group_go(&g, reads_and_increases, &c), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK_EQ(sn_stop(), 0);
    check_crowd(&c);
}

/* --- misuse --- */

static void die_leaving_twice(void)
{
    sn_swap_of(int) s;
    sn_swap_guard g;
    CHECK_EQ(sn_swap_init(&s, (int *)NULL, NULL), 0);
    (void)sn_swap_enter(&s, &g);
    sn_swap_leave(&s, &g);
    sn_swap_leave(&s, &g);
}

static void die_leaving_another(void)
{
    sn_swap_of(int) s, t;
    sn_swap_guard g;
    CHECK_EQ(sn_swap_init(&s, (int *)NULL, NULL), 0);
    CHECK_EQ(sn_swap_init(&t, (int *)NULL, NULL), 0);
    (void)sn_swap_enter(&s, &g);
    sn_swap_leave(&t, &g);
}

static void die_comparing_outside(void)
{
    sn_swap_of(int) s;
    sn_swap_guard g;
    int one = 1;
    CHECK_EQ(sn_swap_init(&s, (int *)NULL, NULL), 0);
    (void)sn_swap_enter(&s, &g);
    sn_swap_leave(&s, &g);
    (void)!sn_swap_compare_set(&s, &g, &one);
}

static void die_destroying_with_readers(void)
{
    sn_swap_of(int) s;
    sn_swap_guard g, h;
    CHECK_EQ(sn_swap_init(&s, (int *)NULL, NULL), 0);
    (void)sn_swap_enter(&s, &g);
    (void)sn_swap_enter(&s, &h);
    sn_swap_destroy(&s);
}

static void die_destroying_twice(void)
{
    sn_swap_of(int) s;
    CHECK_EQ(sn_swap_init(&s, (int *)NULL, NULL), 0);
    sn_swap_destroy(&s);
    sn_swap_destroy(&s);
}

TEST(misuse_panics)
{
    check_dies(die_leaving_twice, "sn_swap_leave: this guard is not inside");
    check_dies(die_leaving_another, "sn_swap_leave: this guard is in another swap");
    check_dies(die_comparing_outside, "sn_swap_compare_set: this guard is not inside");
    check_dies(die_destroying_with_readers, "sn_swap_destroy: 2 readers are inside");
    check_dies(die_destroying_twice, "sn_swap_destroy: it was not initialised, or is destroyed already");
}
