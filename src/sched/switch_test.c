/* What an unwinder sees of tasks: of one that runs, and of one that does not. */
#include "arch/arch_test.h"

#include "sn_test.h"

#include "sched/rt.h"

typedef sn_chan_of(int) int_chan;

static void check_bottom(const struct test_trace *t)
{
    CHECK_EQ(t->end, _URC_END_OF_STACK);
    CHECK(t->n >= 3);
    if (test_parked())
        CHECK(t->frames[t->n - 1].fn == (void *)sni_arch_start);
}

static int looks_back(sn_ctx *ctx, void *arg)
{
    struct test_trace t;

    (void)ctx;
    (void)arg;
    for (int i = 0; i < 3; i++) { /* on a fresh stack, and after it has been left and come back to */
        test_look_back(&t);
        check_bottom(&t);
        CHECK(test_find_frame(&t, (void *)looks_back));
        sn_yield();
    }
    return 0;
}

static int look_back(sn_ctx *ctx, void *arg)
{
    sn_group g;

    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(sn_group_go(&g, looks_back, NULL), 0);
    return sn_group_wait(&g);
}

TEST(unwinding_ends_at_the_bottom)
{
    run_each(look_back, NULL);
}

struct parked {
    int_chan chan;
    struct sni_task *task;
};

static int parks(sn_ctx *ctx, void *arg)
{
    struct parked *p = arg;
    int v;

    p->task = sni_self()->own.current;
    int r = sn_chan_recv(ctx, p->chan, &v);
    p->task = NULL;
    return r;
}

static int looks_into_another(sn_ctx *ctx, void *arg)
{
    struct parked p = { 0 };
    struct test_trace t;
    sn_group g;

    (void)arg;
    CHECK_EQ(sn_chan_make(&p.chan, 0), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, parks, &p), 0);
    while (!p.task)
        sn_yield();
    test_unwind(p.task->sp, test_parked(), test_look_back, &t);
    check_bottom(&t);
    CHECK(test_find_frame(&t, (void *)parks));
    CHECK(!test_find_frame(&t, (void *)looks_into_another));
    CHECK_EQ(sn_chan_send(ctx, p.chan, &(int){ 1 }), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(p.chan);
    return 0;
}

TEST(parked_tasks_can_be_unwound)
{
    if (!test_parked())
        test_skip("the portable switch keeps to itself where a saved stack stands");
    CHECK_EQ(sn_run(looks_into_another, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}
