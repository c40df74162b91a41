/* Rings: the contract of sennit/ring.h. */
#include "sn_test.h"

#include <pthread.h>
#include <sched.h>

TEST_MEMORY_MAY_FAIL

typedef sn_ring_of(int) int_ring;

static const sn_ring_kind kinds[] = { SN_RING_SPSC, SN_RING_MPSC, SN_RING_MPMC };

enum { KINDS = sizeof kinds / sizeof *kinds };

static int_ring ring_of(sn_ring_kind kind, size_t cap)
{
    int_ring r;
    CHECK_EQ(sn_ring_make(&r, kind, cap), 0);
    return r;
}

static int one_task(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    for (int k = 0; k < KINDS; k++) {
        int_ring r = ring_of(kinds[k], 4);
        int v = -1;
        CHECK_EQ(sn_ring_cap(r), 4);
        CHECK_EQ(sn_ring_try_pop(r, &v), SN_EAGAIN);
        CHECK_EQ(v, -1); /* written only on success */
        for (int round = 0; round < 10; round++) {
            for (int i = 0; i < 4; i++) {
                CHECK_EQ(sn_ring_len(r), i);
                CHECK_EQ(sn_ring_try_push(r, &(int){ 10 * round + i }), 0);
            }
            CHECK_EQ(sn_ring_try_push(r, &v), SN_EAGAIN);
            CHECK_EQ(sn_ring_len(r), 4);
            for (int i = 0; i < 3; i++) { /* leaves one, so that the ring comes round in all ways */
                CHECK_EQ(sn_ring_try_pop(r, &v), 0);
                CHECK_EQ(v, 10 * round + i);
            }
            CHECK_EQ(sn_ring_try_push(r, &(int){ -2 }), 0);
            CHECK_EQ(sn_ring_try_pop(r, &v), 0);
            CHECK_EQ(v, 10 * round + 3);
            CHECK_EQ(sn_ring_try_pop(r, &v), 0);
            CHECK_EQ(v, -2);
            CHECK_EQ(sn_ring_try_pop(r, &v), SN_EAGAIN);
        }
        CHECK_EQ(sn_ring_try_push(r, &v), 0); /* one is left in it */
        sn_ring_free(r);
    }
    return 0;
}

TEST(push_and_pop)
{
    CHECK_EQ(one_task(NULL, NULL), 0); /* a thread, and no runtime */
    run_everywhere(one_task, NULL);
}

TEST(capacity_is_a_power_of_two)
{
    static const size_t asked[] = { 1, 2, 3, 4, 5, 1000, 1024, 1025 }, got[] = { 2, 2, 4, 4, 8, 1024, 1024, 2048 };
    for (int k = 0; k < KINDS; k++)
        for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
            int_ring r = ring_of(kinds[k], asked[i]);
            int v;
            CHECK_EQ(sn_ring_cap(r), got[i]);
            for (size_t n = 0; n < got[i]; n++)
                CHECK_EQ(sn_ring_try_push(r, &(int){ (int)n }), 0);
            CHECK_EQ(sn_ring_try_push(r, &(int){ 0 }), SN_EAGAIN);
            for (size_t n = 0; n < got[i]; n++) {
                CHECK_EQ(sn_ring_try_pop(r, &v), 0);
                CHECK_EQ(v, n);
            }
            sn_ring_free(r);
        }
}

TEST(bad_values)
{
    int_ring r = { 0 }, made;
    int v = 0;
    made.sni_raw = (sn_rawring *)&v;
    CHECK_EQ(sn_ring_make(&made, SN_RING_SPSC, 0), SN_EINVAL);
    CHECK_EQ(sn_ring_make(&made, SN_RING_MPMC, SIZE_MAX / 4), SN_EINVAL);
    CHECK_EQ(sn_ring_make(&made, SN_RING_SPSC, SIZE_MAX), SN_EINVAL);
    CHECK_EQ(sn_ring_make(&made, SN_RING_SPSC, SIZE_MAX / 64), SN_ENOMEM);
    CHECK_EQ(sn_ring_make(&made, (sn_ring_kind)0, 8), SN_EINVAL);
    CHECK_EQ(sn_ring_make(&made, (sn_ring_kind)4, 8), SN_EINVAL);
    CHECK_EQ(sn_rawring_make(&made.sni_raw, SN_RING_MPMC, 0, 8), SN_EINVAL);
    CHECK_EQ(sn_rawring_make(&made.sni_raw, SN_RING_MPMC, SIZE_MAX, 8), SN_EINVAL);
    CHECK(made.sni_raw == (sn_rawring *)&v); /* written only on success */
    CHECK_EQ(sn_ring_try_push(r, &v), SN_EINVAL);
    CHECK_EQ(sn_ring_try_pop(r, &v), SN_EINVAL);
    CHECK_EQ(sn_ring_try_push_n(r, 1, &v), SN_EINVAL);
    CHECK_EQ(sn_ring_try_pop_n(r, 1, &v), SN_EINVAL);
    CHECK_EQ(sn_ring_len(r), 0);
    CHECK_EQ(sn_ring_cap(r), 0);
    sn_ring_free(r);
}

TEST(several_at_once)
{
    for (int k = 0; k < KINDS; k++) {
        int_ring r = ring_of(kinds[k], 8);
        int in[20], out[20], next = 0, seen = 0;
        for (int i = 0; i < 20; i++)
            in[i] = i;
        CHECK_EQ(sn_ring_try_push_n(r, 0, in), 0);
        CHECK_EQ(sn_ring_try_pop_n(r, 0, out), 0);
        CHECK_EQ(sn_ring_try_pop_n(r, 3, out), SN_EAGAIN);
        CHECK_EQ(sn_ring_try_push_n(r, 20, in), 8); /* as many as there is room for */
        CHECK_EQ(sn_ring_try_push_n(r, 20, in), SN_EAGAIN);
        CHECK_EQ(sn_ring_try_push_n(r, 0, in), 0);
        CHECK_EQ(sn_ring_try_pop_n(r, 20, out), 8); /* as many as there are */
        CHECK_EQ(memcmp(in, out, 8 * sizeof *in), 0);
        for (int round = 0; round < 100; round++) { /* at all places, in all sizes */
            for (int i = 0; i < 20; i++)
                in[i] = next + i;
            int n = sn_ring_try_push_n(r, (size_t)(round % 9), in);
            CHECK(n == round % 9 || n == SN_EAGAIN || n == 8 - (next - seen));
            next += n > 0 ? n : 0;
            n = sn_ring_try_pop_n(r, (size_t)(round % 7), out);
            for (int i = 0; i < n; i++)
                CHECK_EQ(out[i], seen++);
        }
        CHECK_EQ(sn_ring_len(r), next - seen);
        CHECK(seen > 100);
        sn_ring_free(r);
    }
}

struct big {
    char text[37];
};

TEST(elements_of_any_size)
{
    for (int k = 0; k < KINDS; k++) {
        sn_ring_of(char) c;
        sn_ring_of(double) d;
        sn_ring_of(struct big) b;
        struct big in = { "thirty-seven bytes, and not aligned" }, out;
        char x = 0;
        double y = 0;
        CHECK_EQ(sn_ring_make(&c, kinds[k], 3), 0);
        CHECK_EQ(sn_ring_make(&d, kinds[k], 3), 0);
        CHECK_EQ(sn_ring_make(&b, kinds[k], 3), 0);
        for (int i = 0; i < 9; i++) {
            in.text[36] = (char)i;
            CHECK_EQ(sn_ring_try_push(c, &(char){ (char)i }), 0);
            CHECK_EQ(sn_ring_try_push(d, &(double){ i }), 0);
            CHECK_EQ(sn_ring_try_push(b, &in), 0);
            CHECK_EQ(sn_ring_try_pop(c, &x), 0);
            CHECK_EQ(sn_ring_try_pop(d, &y), 0);
            CHECK_EQ(sn_ring_try_pop(b, &out), 0);
            CHECK_EQ(x, i);
            CHECK(y == i);
            CHECK(memcmp(&in, &out, sizeof in) == 0);
        }
        sn_ring_free(c);
        sn_ring_free(d);
        sn_ring_free(b);
    }
}

/* --- from one to another: each value arrives once, in order --- */

enum { VALUES = 20000 };

struct pair {
    int_ring r;
    size_t batch; /* 0: one by one */
};

static void give_way(void)
{
    if (sn_task_self().id)
        sn_yield();
    else
        sched_yield();
}

static int produces(sn_ctx *ctx, void *arg)
{
    struct pair *p = arg;
    int in[8];
    (void)ctx;
    for (int i = 0; i < VALUES;) {
        int n = 0;
        for (size_t k = 0; k < p->batch; k++)
            in[k] = i + (int)k;
        if (p->batch == 0)
            n = sn_ring_try_push(p->r, &i) == 0;
        else
            n = sn_ring_try_push_n(p->r, p->batch < (size_t)(VALUES - i) ? p->batch : (size_t)(VALUES - i), in);
        if (n > 0)
            i += n;
        else
            give_way();
    }
    return 0;
}

static int consumes(sn_ctx *ctx, void *arg)
{
    struct pair *p = arg;
    int out[8];
    (void)ctx;
    for (int i = 0; i < VALUES;) {
        int n = p->batch ? sn_ring_try_pop_n(p->r, p->batch, out) : sn_ring_try_pop(p->r, out) == 0;
        for (int k = 0; k < n; k++)
            CHECK_EQ(out[k], i++);
        if (n <= 0)
            give_way();
    }
    return 0;
}

static void *produces_in_a_thread(void *arg)
{
    (void)produces(NULL, arg);
    return NULL;
}

static int one_to_one(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int k = 0; k < KINDS; k++)
        for (size_t batch = 0; batch < 6; batch += 5) {
            struct pair p = { ring_of(kinds[k], 16), batch };
            sn_group g;
            sn_group_init(&g, ctx);
            CHECK_EQ(sn_group_go(&g, produces, &p), 0);
            CHECK_EQ(consumes(ctx, &p), 0);
            CHECK_EQ(sn_group_wait(&g), 0);
            sn_ring_free(p.r);
        }
    return 0;
}

TEST(one_to_one_in_order)
{
    run_everywhere(one_to_one, NULL);
}

TEST(between_threads_without_a_runtime)
{
    for (int k = 0; k < KINDS; k++)
        for (size_t batch = 0; batch < 6; batch += 5) {
            struct pair p = { ring_of(kinds[k], 16), batch };
            pthread_t thread;
            CHECK(pthread_create(&thread, NULL, produces_in_a_thread, &p) == 0);
            CHECK_EQ(consumes(NULL, &p), 0);
            CHECK(pthread_join(thread, NULL) == 0);
            sn_ring_free(p.r);
        }
}

/* --- many to one, and many to many: each producer's values in order, each once --- */

enum { PRODUCERS = 4, CONSUMERS = 3, EACH = 3000 };

typedef sn_ring_of(long) long_ring;

struct crowd {
    long_ring r;
    int next;                 /* (a) producers number themselves */
    int left;                 /* (a) values that are not popped yet */
    char seen[PRODUCERS][EACH]; /* each element by who popped it */
};

static int produces_some(sn_ctx *ctx, void *arg)
{
    struct crowd *c = arg;
    long me = __atomic_fetch_add(&c->next, 1, __ATOMIC_RELAXED);
    (void)ctx;
    for (long i = 0; i < EACH;) {
        if (sn_ring_try_push(c->r, &(long){ me << 32 | i }) == 0)
            i++;
        else
            give_way();
    }
    return 0;
}

static int consumes_some(sn_ctx *ctx, void *arg)
{
    struct crowd *c = arg;
    long last[PRODUCERS], v;
    (void)ctx;
    for (int i = 0; i < PRODUCERS; i++)
        last[i] = -1;
    while (__atomic_load_n(&c->left, __ATOMIC_RELAXED) > 0) {
        if (sn_ring_try_pop(c->r, &v) < 0) {
            give_way();
            continue;
        }
        long who = v >> 32, i = v & 0xffffffff;
        CHECK(who < PRODUCERS && i < EACH);
        CHECK(i > last[who]); /* what one consumer gets of a producer is in order */
        last[who] = i;
        CHECK_EQ(c->seen[who][i]++, 0);
        __atomic_sub_fetch(&c->left, 1, __ATOMIC_RELAXED);
    }
    return 0;
}

static void *produces_some_in_a_thread(void *arg)
{
    (void)produces_some(NULL, arg);
    return NULL;
}

static void *consumes_some_in_a_thread(void *arg)
{
    (void)consumes_some(NULL, arg);
    return NULL;
}

static struct crowd *crowd(sn_ring_kind kind)
{
    struct crowd *c = calloc(1, sizeof *c);
    CHECK(c != NULL);
    c->left = PRODUCERS * EACH;
    CHECK_EQ(sn_ring_make(&c->r, kind, 8), 0);
    return c;
}

static void end_crowd(struct crowd *c)
{
    long v;
    for (int who = 0; who < PRODUCERS; who++)
        for (int i = 0; i < EACH; i++)
            CHECK_EQ(c->seen[who][i], 1);
    CHECK_EQ(sn_ring_try_pop(c->r, &v), SN_EAGAIN);
    CHECK_EQ(sn_ring_len(c->r), 0);
    sn_ring_free(c->r);
    free(c);
}

static int many(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int k = 1; k < KINDS; k++) {
        struct crowd *c = crowd(kinds[k]);
        sn_group g;
        sn_group_init(&g, ctx);
        for (int i = 0; i < PRODUCERS; i++)
            CHECK_EQ(sn_group_go(&g, produces_some, c), 0);
        for (int i = 0; i < (kinds[k] == SN_RING_MPMC ? CONSUMERS : 1); i++)
            CHECK_EQ(sn_group_go(&g, consumes_some, c), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        end_crowd(c);
    }
    return 0;
}

TEST(many_producers_and_consumers)
{
    run_everywhere(many, NULL);
}

TEST(between_tasks_and_threads)
{
    for (int k = 1; k < KINDS; k++) {
        struct crowd *c = crowd(kinds[k]);
        pthread_t producer, consumer;
        bool mpmc = kinds[k] == SN_RING_MPMC;
        sn_group g;
        CHECK_EQ(sn_start(&(sn_run_opts){ .workers = 2 }), 0);
        sn_group_init(&g, NULL);
        CHECK(pthread_create(&producer, NULL, produces_some_in_a_thread, c) == 0);
        CHECK(pthread_create(&consumer, NULL, consumes_some_in_a_thread, c) == 0);
        for (int i = 1; i < PRODUCERS; i++)
            CHECK_EQ(sn_group_go(&g, produces_some, c), 0);
        if (mpmc)
            CHECK_EQ(sn_group_go(&g, consumes_some, c), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK(pthread_join(producer, NULL) == 0);
        CHECK(pthread_join(consumer, NULL) == 0);
        CHECK_EQ(sn_stop(), 0);
        end_crowd(c);
    }
}

/* --- freed by who has popped the last value: its push may not have returned --- */

static int pushes_one(sn_ctx *ctx, void *arg)
{
    int_ring r = *(int_ring *)arg;
    (void)ctx;
    return sn_ring_try_push(r, &(int){ 1 });
}

static int frees(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 300; i++) {
        int_ring r = ring_of(kinds[i % KINDS], 2);
        sn_group g;
        int v;
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go_copy(&g, pushes_one, &r), 0);
        while (sn_ring_try_pop(r, &v) == SN_EAGAIN)
            give_way();
        sn_ring_free(r);
        CHECK_EQ(sn_group_wait(&g), 0);
    }
    return 0;
}

TEST(freed_by_the_consumer)
{
    run_everywhere(frees, NULL);
}

/* --- misuse --- */

static void die_freeing_no_ring(void)
{
    static uint64_t nothing[64];
    sn_rawring_free((sn_rawring *)nothing);
}

TEST(misuse_panics)
{
    check_dies(die_freeing_no_ring, "sn_ring_free: this is no ring, or was freed already");
}
