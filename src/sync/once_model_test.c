/* Once, in the model: what may fail, who takes over, and the cases of selects, between plain threads. An object is freed as
 * soon as its header says that it may be. */
#include "model/model_test.h"

struct tried {
    sn_once once;
    int runs, value; /* the runner's */
    int failures;    /* so many runs fail */
    int seen;        /* (a) */
    sn_ctx *ctx;
};

static sn_ctx *new_ctx(void)
{
    sn_ctx *ctx;
    CHECK_EQ(sn_ctx_with_cancel(&ctx, sn_background()), 0);
    return ctx;
}

/* Each failure has an error of its own. */
static int tries(sn_ctx *ctx, void *arg)
{
    struct tried *t = arg;
    (void)ctx;
    if (++t->runs <= t->failures)
        return SN_EUSER - t->runs;
    t->value = 42;
    return 0;
}

static void makes(void *arg)
{
    struct tried *t = arg;
    t->runs++;
    t->value = 42;
}

/* --- tried until it succeeds; the last to see that frees it --- */

static void *tries_until_done(void *arg)
{
    struct tried *t = arg;
    int r, last = SN_EUSER;
    while ((r = sn_once_try(sn_background(), &t->once, tries, t, NULL)) != 0) {
        CHECK(r < last && r >= SN_EUSER - t->failures); /* none is told twice */
        last = r;
    }
    CHECK_EQ(t->value, 42);
    if (__atomic_fetch_add(&t->seen, 1, __ATOMIC_ACQ_REL) == 2) {
        CHECK_EQ(t->runs, 1 + t->failures);
        sni_os_free(t, sizeof *t);
    }
    return NULL;
}

MODEL(once_tried_until_it_succeeds)
{
    struct tried *t = sni_os_alloc(sizeof *t);
    (void)arg;
    t->failures = 2;
    struct sni_os_thread a = model_thread(tries_until_done, t), b = model_thread(tries_until_done, t);
    (void)tries_until_done(t);
    model_join(a);
    model_join(b);
}

/* --- freed by who is told how it went, while the runner is on its way out --- */

static int fails_always(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    ((struct tried *)arg)->runs++;
    return SN_EIO;
}

static int fails_otherwise(sn_ctx *ctx, void *arg)
{
    (void)fails_always(ctx, arg);
    return SN_EPIPE;
}

static void *fails(void *arg)
{
    struct tried *t = arg;
    int r = sn_once_try(sn_background(), &t->once, fails_always, t, NULL);
    CHECK(r == SN_EIO || r == SN_EPIPE);
    return NULL;
}

static void *is_told_and_frees(void *arg)
{
    struct tried *t = arg;
    int r = sn_once_try(sn_background(), &t->once, fails_otherwise, t, NULL);
    CHECK(r == SN_EIO || r == SN_EPIPE);
    if (r == SN_EIO) /* the other's run, and nobody else is to come */
        sni_os_free(t, sizeof *t);
    return r == SN_EIO ? arg : NULL;
}

MODEL(once_freed_by_who_was_told)
{
    struct tried *t = sni_os_alloc(sizeof *t);
    (void)arg;
    struct sni_os_thread a = model_thread(fails, t);
    if (!is_told_and_frees(t)) {
        model_join(a);
        sni_os_free(t, sizeof *t);
    } else {
        model_join(a);
    }
}

static void *does(void *arg)
{
    struct tried *t = arg;
    sn_once_do(&t->once, makes, t);
    return NULL;
}

MODEL(once_freed_by_who_saw_it_done)
{
    struct tried *t = sni_os_alloc(sizeof *t);
    (void)arg;
    struct sni_os_thread a = model_thread(does, t);
    sn_case c = sn_on_once(&t->once);
    if (!sn_once_is_done(&t->once))
        CHECK_EQ(sn_select(sn_background(), &c, 1), 0);
    CHECK_EQ(t->value, 42);
    sni_os_free(t, sizeof *t);
    model_join(a);
}

/* --- the runner's context ends, and those of others who wait: somebody makes it all the same --- */

static int makes_if_let(sn_ctx *ctx, void *arg)
{
    struct tried *t = arg;
    int r = sn_ctx_err(ctx);
    t->runs++;
    if (r == 0)
        t->value = 42;
    return r;
}

static void *tries_if_let(void *arg)
{
    struct tried *t = arg;
    int r = sn_once_try(t->ctx, &t->once, makes_if_let, t, NULL);
    CHECK(r == 0 || r == SN_ECANCELED);
    if (r == 0)
        CHECK_EQ(t->value, 42);
    return NULL;
}

static void *tries_for_good(void *arg)
{
    struct tried *t = arg;
    CHECK_EQ(sn_once_try(sn_background(), &t->once, makes_if_let, t, NULL), 0); /* never another's end */
    CHECK_EQ(t->value, 42);
    return NULL;
}

MODEL(once_handed_on)
{
    struct tried t = { .ctx = new_ctx() };
    (void)arg;
    struct sni_os_thread a = model_thread(tries_if_let, &t), b = model_thread(tries_if_let, &t);
    struct sni_os_thread c = model_thread(tries_for_good, &t);
    sn_ctx_cancel(t.ctx);
    tries_for_good(&t);
    model_join(a);
    model_join(b);
    model_join(c);
    CHECK(sn_once_is_done(&t.once));
    sn_ctx_free(t.ctx);
}

/* --- tries that fail, and one who insists --- */

static void *insists(void *arg)
{
    struct tried *t = arg;
    sn_once_do(&t->once, makes, t);
    CHECK_EQ(t->value, 42);
    return NULL;
}

static void *tries_once(void *arg)
{
    struct tried *t = arg;
    int r = sn_once_try(sn_background(), &t->once, fails_always, t, NULL);
    CHECK(r == SN_EIO || (r == 0 && t->value == 42));
    return NULL;
}

MODEL(once_tried_and_done)
{
    struct tried t = { .runs = 0 };
    (void)arg;
    struct sni_os_thread a = model_thread(tries_once, &t), b = model_thread(insists, &t), c = model_thread(insists, &t);
    tries_once(&t);
    model_join(a);
    model_join(b);
    model_join(c);
    CHECK(t.runs >= 1 && t.runs <= 3 && t.value == 42);
    CHECK_EQ(t.once.sni_[1], 0);
}

/* --- selects: chosen when it is done, and not before; who is chosen may free it --- */

static void *selects_and_frees(void *arg)
{
    struct tried *t = arg;
    sn_case c = sn_on_once(&t->once);
    CHECK_EQ(sn_select(sn_background(), &c, 1), 0);
    CHECK_EQ(c.err, 0);
    CHECK_EQ(t->value, 42);
    if (__atomic_fetch_add(&t->seen, 1, __ATOMIC_ACQ_REL) == 2)
        sni_os_free(t, sizeof *t);
    return NULL;
}

MODEL(once_in_selects)
{
    struct tried *t = sni_os_alloc(sizeof *t);
    (void)arg;
    t->failures = 1;
    struct sni_os_thread a = model_thread(selects_and_frees, t), b = model_thread(selects_and_frees, t);
    (void)tries_until_done(t);
    model_join(a);
    model_join(b);
}

static void *selects_if_let(void *arg)
{
    struct tried *t = arg;
    sn_case c = sn_on_once(&t->once);
    int r = sn_select(t->ctx, &c, 1);
    CHECK(r == 0 || r == SN_ECANCELED);
    if (r == 0)
        CHECK_EQ(t->value, 42);
    return NULL;
}

/* Selects that give up between callers who give up. */
MODEL(once_in_selects_given_up)
{
    struct tried t = { .ctx = new_ctx() };
    (void)arg;
    struct sni_os_thread a = model_thread(selects_if_let, &t), b = model_thread(tries_if_let, &t);
    struct sni_os_thread c = model_thread(tries_for_good, &t);
    sn_ctx_cancel(t.ctx);
    tries_if_let(&t);
    model_join(a);
    model_join(b);
    model_join(c);
    CHECK(sn_once_is_done(&t.once));
    sn_ctx_free(t.ctx);
}

static void *looks(void *arg)
{
    struct tried *t = arg;
    if (sn_once_is_done(&t->once)) {
        sn_case c = sn_on_once(&t->once);
        CHECK_EQ(t->value, 42);
        CHECK(sn_once_is_done(&t->once)); /* though others look, too */
        CHECK_EQ(sn_select_try(&c, 1), 0);
        CHECK(sn_once_is_done(&t->once));
    }
    return NULL;
}

MODEL(once_done_is_done)
{
    struct tried t = { .runs = 0 };
    (void)arg;
    struct sni_os_thread a = model_thread(looks, &t), b = model_thread(looks, &t);
    sn_once_do(&t.once, makes, &t);
    looks(&t);
    model_join(a);
    model_join(b);
    sn_once_reset(&t.once);
    CHECK(!sn_once_is_done(&t.once));
    sn_once_do(&t.once, makes, &t);
    CHECK_EQ(t.runs, 2);
}
