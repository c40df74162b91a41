/* The ends of tasks and groups, waited for while they come, in the model. */
#include "model/model_test.h"

typedef sn_chan_of(sn_task) task_chan;

static void run(sn_fn *fn, int workers)
{
    CHECK_EQ(sn_run(fn, NULL, &(sn_run_opts){ .workers = workers, .spares = -1, .deadlock = SN_DEADLOCK_NEVER }), 0);
}

struct runner {
    task_chan says;
    sn_task task;
    int did;      /* plain: who has seen its end sees this */
    sn_ctx *ctx;
};

static int runs(sn_ctx *ctx, void *arg)
{
    struct runner *r = arg;
    sn_task self = sn_task_self();
    CHECK_EQ(sn_chan_send(ctx, r->says, &self), 0);
    if (sni_model_choose(2))
        sn_yield();
    r->did = 42;
    return 0;
}

static void start(sn_ctx *ctx, sn_group *g, struct runner *r)
{
    r->did = 0;
    CHECK_EQ(sn_group_go(g, runs, r), 0);
    CHECK_EQ(sn_chan_recv(ctx, r->says, &r->task), 0);
}

/* --- one after the other, in the same records: nobody is forgotten --- */

static int waits_for_each(sn_ctx *ctx, void *arg)
{
    struct runner r;
    (void)arg;
    CHECK_EQ(sn_chan_make(&r.says, 1), 0);
    for (int i = 0; i < 3; i++) {
        sn_group g;
        sn_group_init(&g, ctx);
        start(ctx, &g, &r);
        if (sni_model_choose(2)) {
            CHECK_EQ(sn_task_wait(ctx, r.task), 0);
        } else {
            sn_case c[] = { sn_on_ctx(ctx), sn_on_task(r.task) };
            CHECK_EQ(sn_select(ctx, c, 2), 1);
        }
        CHECK_EQ(r.did, 42);
        CHECK_EQ(sn_task_alive(r.task), SN_ESRCH);
        CHECK_EQ(sn_group_wait(&g), 0);
    }
    sn_chan_free(r.says);
    return 0;
}

MODEL(task_ends_one_after_the_other)
{
    (void)arg;
    run(waits_for_each, 2);
}

/* --- several, of whom some give up as it ends --- */

static int waits_if_let(sn_ctx *ctx, void *arg)
{
    struct runner *r = arg;
    int k;
    (void)ctx;
    for (int i = 0; i < 2; i++) { /* in the same frame */
        if (sni_model_choose(2)) {
            k = sn_task_wait(r->ctx, r->task);
        } else {
            sn_case c[] = { sn_on_task(r->task), sn_on_task(r->task) };
            k = sn_select(r->ctx, c, 2);
        }
        CHECK(k == 0 || k == 1 || k == SN_ECANCELED);
        if (k >= 0)
            CHECK_EQ(r->did, 42);
    }
    return 0;
}

static int gives_up(sn_ctx *ctx, void *arg)
{
    struct runner r;
    sn_group g, others;
    (void)arg;
    CHECK_EQ(sn_chan_make(&r.says, 1), 0);
    CHECK_EQ(sn_ctx_with_cancel(&r.ctx, ctx), 0);
    sn_group_init(&g, ctx);
    sn_group_init(&others, ctx);
    start(ctx, &g, &r);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(sn_group_go(&others, waits_if_let, &r), 0);
    for (int i = sni_model_choose(3); i > 0; i--)
        sn_yield();
    sn_ctx_cancel(r.ctx);
    CHECK_EQ(sn_group_wait(&others), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_ctx_free(r.ctx);
    sn_chan_free(r.says);
    return 0;
}

MODEL(task_end_given_up)
{
    (void)arg;
    run(gives_up, 2);
}

/* --- plain threads wait --- */

static void *thread_waits(void *arg)
{
    struct runner *r = arg;
    sn_case c = sn_on_task(r->task);
    if (sni_model_choose(2))
        CHECK_EQ(sn_task_wait(NULL, r->task), 0);
    else
        CHECK_EQ(sn_select(NULL, &c, 1), 0);
    CHECK_EQ(r->did, 42);
    return NULL;
}

static int is_waited_for(sn_ctx *ctx, void *arg)
{
    struct runner r;
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_chan_make(&r.says, 1), 0);
    sn_group_init(&g, ctx);
    start(ctx, &g, &r);
    struct sni_os_thread t = model_thread(thread_waits, &r);
    CHECK_EQ(sn_group_wait(&g), 0);
    model_join(t);
    sn_chan_free(r.says);
    return 0;
}

MODEL(task_end_seen_by_a_thread)
{
    (void)arg;
    run(is_waited_for, 2);
}

/* --- a group, by a select that a channel may end as the last task ends; then it is freed --- */

struct member {
    sn_chan_unit done;
    int n; /* (a) */
};

static int counts(sn_ctx *ctx, void *arg)
{
    struct member *m = arg;
    (void)ctx;
    if (sni_model_choose(2))
        sn_yield();
    (void)__atomic_fetch_add(&m->n, 1, __ATOMIC_RELAXED);
    return 0;
}

static int says_done(sn_ctx *ctx, void *arg)
{
    return sn_chan_unit_send(ctx, ((struct member *)arg)->done);
}

static int selects_a_group(sn_ctx *ctx, void *arg)
{
    sn_group *g = sni_os_alloc(sizeof *g), other;
    struct member m = { .n = 0 };
    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&m.done, 1), 0);
    sn_group_init(&other, ctx);
    CHECK_EQ(sn_group_go(&other, says_done, &m), 0);
    sn_group_init(g, ctx);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(sn_group_go(g, counts, &m), 0);
    sn_case c[] = { sn_on_group(g), sn_on_unit_recv(m.done) };
    int k = sn_select(ctx, c, 2);
    CHECK(k == 0 || k == 1);
    if (k == 1 && sni_model_choose(2))
        CHECK_EQ(sn_select(ctx, c, 1), k = 0);
    if (k == 0)
        CHECK_EQ(m.n, 2);
    CHECK_EQ(sn_group_wait(g), 0);
    CHECK_EQ(m.n, 2);
    sni_os_free(g, sizeof *g);
    CHECK_EQ(sn_group_wait(&other), 0);
    sn_chan_free(m.done);
    return 0;
}

MODEL(group_selected_and_freed)
{
    (void)arg;
    run(selects_a_group, 2);
}
