/* Groups under stress: random trees of groups whose tasks return errors, fail from some depth, cancel and are cancelled,
 * give up waiting and wait again. Every task that was started ends exactly once, before its group's wait returns. */
#include "sn_test.h"

#include <pthread.h>

struct forest {
    uint64_t seed; /* (a) */
    int64_t until;
    uint64_t started, ended, failed, cleaned; /* (a) */
    uint64_t cleanups;                        /* (a) pushed by tasks that then failed */
    sn_chan_unit over;                        /* by each plain thread */
};

/* One group: its frame, to which its tasks hold pointers. */
struct node {
    struct forest *f;
    int depth;
    int living;  /* (a) tasks of this group */
    int errors;  /* (a) that its tasks have returned */
    int any;     /* (a) the last of them */
};

static uint64_t draw_seed(struct forest *f)
{
    return __atomic_add_fetch(&f->seed, 0x9E3779B97F4A7C15u, __ATOMIC_RELAXED) | 1;
}

static void count(uint64_t *n)
{
    __atomic_fetch_add(n, 1, __ATOMIC_RELAXED);
}

static void dawdle(sn_ctx *ctx, uint64_t *rng)
{
    switch (test_random(rng) % 6) {
    case 0:
        sn_yield();
        break;
    case 1:
        (void)sn_sleep(ctx, (int64_t)(test_random(rng) % SN_US(50)));
        break;
    case 2:
        for (unsigned i = (unsigned)(test_random(rng) % 16); i > 0; i--)
            sn_yield();
        break;
    default:
        break;
    }
}

static int open_group(struct forest *f, sn_ctx *ctx, int depth, uint64_t *rng);

/* The end of a task, by whatever way it comes to it: the group's frame is still there. */
static int end(struct node *n, int code)
{
    if (code < 0) {
        __atomic_store_n(&n->any, code, __ATOMIC_RELAXED);
        __atomic_fetch_add(&n->errors, 1, __ATOMIC_RELAXED);
    }
    CHECK(__atomic_sub_fetch(&n->living, 1, __ATOMIC_RELAXED) >= 0);
    count(&n->f->ended);
    return code;
}

static void clean(void *arg)
{
    count(&((struct forest *)arg)->cleaned);
}

/* What runs after all the other cleanups of a failing task. */
struct last {
    struct node *n;
    int code;
};

static void end_failed(void *arg)
{
    struct last *l = arg;
    (void)end(l->n, l->code);
}

static int leaf(sn_ctx *ctx, void *arg)
{
    struct node *n = arg;
    uint64_t rng = draw_seed(n->f);
    dawdle(ctx, &rng);
    return end(n, test_random(&rng) % 5 ? 0 : SN_EUSER - 1);
}

/* Some frames, with cleanups and now and then an open group, whose tasks sn_fail stops and waits for. */
static int fail_deep(struct node *n, sn_ctx *ctx, int frames, int code, uint64_t *rng)
{
    sn_cleanup c;
    sn_group g;
    struct node inner = { .f = n->f, .depth = 0 };

    if (frames == 0)
        sn_fail(code, "as planned");
    sn_cleanup_push(&c, clean, n->f);
    count(&n->f->cleanups);
    if (test_random(rng) % 4 == 0) {
        sn_group_init(&g, ctx);
        for (unsigned i = (unsigned)(test_random(rng) % 4); i > 0; i--) {
            __atomic_fetch_add(&inner.living, 1, __ATOMIC_RELAXED);
            count(&n->f->started);
            CHECK_EQ(sn_group_go(&g, leaf, &inner), 0);
        }
    }
    return frames > 100 ? 0 : fail_deep(n, ctx, frames - 1, code, rng) + (int)sizeof inner;
}

static int member(sn_ctx *ctx, void *arg)
{
    struct node *n = arg;
    uint64_t rng = draw_seed(n->f);
    int code = SN_EUSER - (int)(test_random(&rng) % 100);

    dawdle(ctx, &rng);
    if (n->depth > 0 && test_random(&rng) % 3 == 0)
        (void)open_group(n->f, test_random(&rng) % 2 ? ctx : NULL, n->depth - 1, &rng);
    dawdle(ctx, &rng);
    switch (test_random(&rng) % 32) {
    case 0:
        return end(n, code);
    case 1: {
        struct last last = { n, code };
        sn_cleanup c;
        sn_cleanup_push(&c, end_failed, &last);
        count(&n->f->failed);
        return fail_deep(n, ctx, (int)(test_random(&rng) % 4), code, &rng);
    }
    case 2:
        sn_ctx_cancel(ctx);
        break;
    case 3:
        sn_ctx_cancel_cause(NULL, code);
        break;
    default:
        break;
    }
    return end(n, (int)(test_random(&rng) % 3)); /* positive is success, too */
}

/* Opens a group, starts tasks in it, perhaps cancels it, waits in one of several ways. */
static int open_group(struct forest *f, sn_ctx *ctx, int depth, uint64_t *rng)
{
    struct node n = { .f = f, .depth = depth };
    sn_group g;
    int tasks = (int)(test_random(rng) % 7), r;

    sn_group_init(&g, ctx);
    for (int i = 0; i < tasks; i++) {
        __atomic_fetch_add(&n.living, 1, __ATOMIC_RELAXED);
        count(&f->started);
        CHECK_EQ(sn_group_go(&g, member, &n), 0);
        if (test_random(rng) % 8 == 0)
            dawdle(ctx, rng);
    }
    if (test_random(rng) % 8 == 0)
        sn_group_cancel(&g);
    if (test_random(rng) % 4 == 0) {
        sn_ctx *hurry;
        CHECK_EQ(sn_ctx_with_timeout(&hurry, sn_background(), (int64_t)(test_random(rng) % SN_US(40))), 0);
        r = sn_group_wait_ctx(hurry, &g); /* no task returns SN_ETIMEDOUT */
        sn_ctx_free(hurry);
        for (int64_t ns = SN_US(20); r == SN_ETIMEDOUT; ns *= 2) { /* the group is still open: once more, with patience */
            CHECK_EQ(sn_ctx_with_timeout(&hurry, sn_background(), ns), 0);
            r = ns < SN_MS(1) ? sn_group_wait_ctx(hurry, &g) : sn_group_wait(&g);
            sn_ctx_free(hurry);
        }
    } else {
        r = sn_group_wait(&g);
    }
    CHECK_EQ(n.living, 0);
    CHECK_EQ(r < 0, n.errors > 0);
    if (n.errors == 1)
        CHECK_EQ(r, n.any);
    return r;
}

static int tree(sn_ctx *ctx, void *arg)
{
    struct forest *f = arg;
    uint64_t rng = draw_seed(f);
    do
        (void)open_group(f, ctx, 4, &rng);
    while (sn_now() < f->until);
    return 0;
}

static void *thread_tree(void *arg)
{
    struct forest *f = arg;
    CHECK_EQ(tree(NULL, f), 0);
    CHECK_EQ(sn_chan_unit_send(NULL, f->over), 0);
    return NULL;
}

static int trees(sn_ctx *ctx, void *arg)
{
    enum { TASKS = 4, THREADS = 2 };
    struct forest f = { .seed = test_seed(), .until = sn_now() + SN_MS(test_stress_ms()) / 3 };
    pthread_t t[THREADS];
    sn_group g;

    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&f.over, THREADS), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&t[i], NULL, thread_tree, &f) == 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < TASKS; i++)
        CHECK_EQ(sn_group_go(&g, tree, &f), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_EQ(sn_chan_unit_recv(ctx, f.over), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(t[i], NULL) == 0);
    sn_chan_free(f.over);
    CHECK(f.started > 0);
    CHECK_EQ(f.started, f.ended);
    CHECK_EQ(f.cleanups, f.cleaned);
    return 0;
}

TEST(trees)
{
    run_really(trees, NULL);
}
