/* Timer: the contract of sennit/timer.h, and sn_sleep_until. */
#include "sn_test.h"

#include <pthread.h>

static sn_timer *new_timer(void)
{
    sn_timer *t;
    CHECK_EQ(sn_timer_new(&t), 0);
    return t;
}

static bool is_empty(sn_timer *t)
{
    int64_t when;
    return sn_chan_try_recv(sn_timer_chan(t), &when) == SN_EAGAIN;
}

/* --- timers that send --- */

static int once_each(sn_ctx *ctx, void *arg)
{
    sn_timer *t = new_timer();
    int64_t when, begin = sn_now();
    (void)arg;
    CHECK(is_empty(t));
    CHECK_EQ(sn_timer_at(t, begin + SN_MS(2)), 0);
    CHECK_EQ(sn_chan_recv(ctx, sn_timer_chan(t), &when), 0);
    CHECK_EQ(when, begin + SN_MS(2)); /* the moment for which it was set */
    CHECK(sn_now() >= when);
    CHECK_EQ(sn_timer_at(t, begin), 0); /* past: at once */
    CHECK_EQ(sn_chan_recv(ctx, sn_timer_chan(t), &when), 0);
    CHECK_EQ(when, begin);
    begin = sn_now();
    CHECK_EQ(sn_timer_after(t, SN_MS(1)), 0);
    CHECK_EQ(sn_chan_recv(ctx, sn_timer_chan(t), &when), 0);
    CHECK(when >= begin + SN_MS(1) && sn_now() >= when);
    CHECK_EQ(sn_timer_after(t, -5), 0);
    CHECK_EQ(sn_chan_recv(ctx, sn_timer_chan(t), &when), 0);
    CHECK_EQ(sn_sleep(ctx, SN_MS(2)), 0);
    CHECK(is_empty(t)); /* once */
    CHECK(!sn_timer_cancel(t));
    sn_timer_free(t);
    sn_timer_free(NULL);
    return 0;
}

TEST(it_sends_once)
{
    run_everywhere(once_each, NULL);
}

/* Fired and not received, or not fired yet: in either case the old setting is gone, and the answer says that it was. */
static int sets_anew(sn_ctx *ctx, void *arg)
{
    sn_timer *t = new_timer();
    int64_t when, far = sn_now() + SN_SEC(1000);
    (void)arg;
    CHECK_EQ(sn_timer_at(t, far), 0);
    CHECK_EQ(sn_timer_at(t, far + 1), 1);
    CHECK(sn_timer_cancel(t));
    CHECK(!sn_timer_cancel(t));
    CHECK_EQ(sn_timer_at(t, 1), 0);
    while (sn_chan_len(sn_timer_chan(t)) == 0)
        CHECK_EQ(sn_sleep(ctx, SN_US(100)), 0);
    CHECK_EQ(sn_timer_at(t, far), 1); /* the value was not received: it is taken back */
    CHECK(is_empty(t));
    CHECK_EQ(sn_timer_at(t, 2), 1);
    CHECK_EQ(sn_chan_recv(ctx, sn_timer_chan(t), &when), 0);
    CHECK_EQ(when, 2);
    CHECK_EQ(sn_timer_at(t, 3), 0);
    while (sn_chan_len(sn_timer_chan(t)) == 0)
        CHECK_EQ(sn_sleep(ctx, SN_US(100)), 0);
    CHECK(sn_timer_cancel(t));
    CHECK(is_empty(t));
    CHECK_EQ(sn_timer_stop(ctx, t), 0);
    CHECK_EQ(sn_timer_at(t, far), 0);
    CHECK_EQ(sn_timer_stop(ctx, t), 1);
    CHECK_EQ(sn_timer_at(t, SN_FOREVER), 0);
    CHECK_EQ(sn_timer_after(t, SN_FOREVER), 1);
    sn_timer_free(t); /* set: no matter */
    return 0;
}

TEST(set_anew_and_cancelled)
{
    run_everywhere(sets_anew, NULL);
}

static int ticks(sn_ctx *ctx, void *arg)
{
    sn_timer *t = new_timer();
    int64_t when, last, begin = sn_now();
    (void)arg;
    CHECK_EQ(sn_timer_every(t, 0), SN_EINVAL);
    CHECK_EQ(sn_timer_every(t, -1), SN_EINVAL);
    CHECK_EQ(sn_timer_every(t, SN_US(1) - 1), SN_EINVAL);
    CHECK_EQ(sn_timer_every(t, SN_MS(1)), 0);
    CHECK_EQ(sn_chan_recv(ctx, sn_timer_chan(t), &last), 0);
    CHECK(last >= begin + SN_MS(1));
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(sn_chan_recv(ctx, sn_timer_chan(t), &when), 0);
        CHECK(when > last && (when - last) % SN_MS(1) == 0); /* some may be left out, but none is shifted */
        CHECK(sn_now() >= when);
        last = when;
    }
    CHECK_EQ(sn_sleep(ctx, SN_MS(5)), 0);
    CHECK(sn_chan_len(sn_timer_chan(t)) <= 1); /* what nobody receives does not pile up */
    CHECK(sn_timer_cancel(t));
    CHECK(is_empty(t));
    CHECK_EQ(sn_sleep(ctx, SN_MS(3)), 0);
    CHECK(is_empty(t));
    CHECK_EQ(sn_timer_every(t, SN_MS(500)), 0); /* a period after a period, and once after a period */
    CHECK_EQ(sn_timer_every(t, SN_US(50)), 1);
    CHECK_EQ(sn_chan_recv(ctx, sn_timer_chan(t), &when), 0);
    CHECK_EQ(sn_chan_recv(ctx, sn_timer_chan(t), &when), 0);
    (void)sn_timer_at(t, 1);
    CHECK_EQ(sn_chan_recv(ctx, sn_timer_chan(t), &when), 0);
    CHECK_EQ(when, 1);
    CHECK_EQ(sn_sleep(ctx, SN_MS(1)), 0);
    CHECK(is_empty(t));
    sn_timer_free(t);
    return 0;
}

TEST(it_ticks)
{
    run_everywhere(ticks, NULL);
}

/* As a case of select, beside others. */
static int selected(sn_ctx *ctx, void *arg)
{
    enum { TICK, TOCK, NCASES };
    sn_timer *tick = new_timer(), *tock = new_timer();
    int64_t when;
    int n[NCASES] = { 0 };
    (void)arg;
    CHECK_EQ(sn_timer_every(tick, SN_MS(1)), 0);
    CHECK_EQ(sn_timer_every(tock, SN_MS(2)), 0);
    while (n[TICK] < 3 || n[TOCK] < 3) {
        sn_case cases[NCASES] = { sn_on_recv(sn_timer_chan(tick), &when), sn_on_recv(sn_timer_chan(tock), &when) };
        int i = sn_select(ctx, cases, NCASES);
        CHECK(i >= 0 && cases[i].err == 0);
        n[i]++;
    }
    sn_timer_free(tick);
    sn_timer_free(tock);
    return 0;
}

TEST(its_channel_is_a_case_of_select)
{
    run_everywhere(selected, NULL);
}

/* --- timers that call --- */

struct calls {
    int begun, ended, in, most;
    sn_chan_unit go;
    bool waits;
};

static int is_called(sn_ctx *ctx, void *arg)
{
    struct calls *c = arg;
    CHECK(sn_task_self().id != 0);
    int in = __atomic_add_fetch(&c->in, 1, __ATOMIC_ACQ_REL);
    if (in > c->most)
        c->most = in;
    __atomic_add_fetch(&c->begun, 1, __ATOMIC_ACQ_REL);
    if (c->waits)
        CHECK_EQ(sn_chan_unit_recv(ctx, c->go), 0);
    __atomic_sub_fetch(&c->in, 1, __ATOMIC_ACQ_REL);
    __atomic_add_fetch(&c->ended, 1, __ATOMIC_ACQ_REL);
    return -1; /* which nobody sees */
}

static void wait_for(sn_ctx *ctx, int *n, int least)
{
    while (__atomic_load_n(n, __ATOMIC_ACQUIRE) < least)
        CHECK_EQ(sn_sleep(ctx, SN_US(100)), 0);
}

static int calls_once(sn_ctx *ctx, void *arg)
{
    struct calls c = { 0 };
    sn_timer *t;
    (void)arg;
    CHECK_EQ(sn_timer_new_call(&t, is_called, &c), 0);
    CHECK(sn_timer_chan(t).sni_raw == NULL);
    CHECK_EQ(sn_timer_after(t, SN_MS(1)), 0);
    wait_for(ctx, &c.ended, 1);
    CHECK_EQ(sn_timer_stop(ctx, t), 0);
    CHECK_EQ(sn_timer_after(t, SN_SEC(1000)), 0);
    CHECK(sn_timer_cancel(t));
    CHECK_EQ(sn_timer_at(t, 1), 0);
    wait_for(ctx, &c.ended, 2);
    CHECK_EQ(sn_timer_stop(ctx, t), 0);
    CHECK_EQ(c.begun, 2);
    sn_timer_free(t);
    CHECK_EQ(sn_timer_new_call(&t, NULL, NULL), SN_EINVAL);
    return 0;
}

/* Stop waits for the call, cancel and free do not. */
static int stops(sn_ctx *ctx, void *arg)
{
    struct calls c = { .waits = true };
    sn_ctx *soon;
    sn_timer *t;
    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&c.go, 0), 0);
    CHECK_EQ(sn_timer_new_call(&t, is_called, &c), 0);
    CHECK_EQ(sn_timer_at(t, 1), 0);
    wait_for(ctx, &c.begun, 1);
    CHECK(!sn_timer_cancel(t)); /* it has begun */
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_MS(2)), 0);
    CHECK_EQ(sn_timer_stop(soon, t), SN_ETIMEDOUT);
    sn_ctx_free(soon);
    CHECK_EQ(sn_timer_at(t, 1), 0); /* a second one beside it: none is lost */
    wait_for(ctx, &c.begun, 2);
    CHECK_EQ(c.most, 2);
    CHECK_EQ(sn_timer_every(t, SN_US(100)), 0); /* but a periodic one leaves out what comes meanwhile */
    CHECK_EQ(sn_sleep(ctx, SN_MS(3)), 0);
    CHECK_EQ(__atomic_load_n(&c.begun, __ATOMIC_ACQUIRE), 2);
    CHECK_EQ(sn_chan_unit_send(ctx, c.go), 0);
    CHECK_EQ(sn_chan_unit_send(ctx, c.go), 0);
    wait_for(ctx, &c.begun, 3);
    CHECK(sn_timer_cancel(t));
    CHECK_EQ(sn_chan_unit_send(ctx, c.go), 0);
    CHECK_EQ(sn_timer_stop(ctx, t), 0);
    CHECK_EQ(c.ended, c.begun);
    CHECK_EQ(c.most, 2);
    CHECK_EQ(sn_timer_at(t, 1), 0);
    wait_for(ctx, &c.begun, c.ended + 1);
    sn_timer_free(t); /* the call goes on */
    CHECK_EQ(sn_chan_unit_send(ctx, c.go), 0);
    wait_for(ctx, &c.ended, c.begun);
    sn_chan_free(c.go);
    return 0;
}

TEST(it_calls)
{
    run_everywhere(calls_once, NULL);
    run_everywhere(stops, NULL);
}

/* In its own call it may be cancelled, set anew and freed. */
struct own {
    sn_timer *t;
    int n;
};

static int sets_itself(sn_ctx *ctx, void *arg)
{
    struct own *o = arg;
    (void)ctx;
    CHECK(!sn_timer_cancel(o->t));
    if (o->n < 5)
        CHECK_EQ(sn_timer_after(o->t, SN_US(10)), 0);
    else
        sn_timer_free(o->t);
    __atomic_add_fetch(&o->n, 1, __ATOMIC_ACQ_REL);
    return 0;
}

static int fails_in_call(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    __atomic_add_fetch((int *)arg, 1, __ATOMIC_ACQ_REL);
    sn_fail(SN_EIO, NULL);
}

static int in_its_own_call(sn_ctx *ctx, void *arg)
{
    struct own o = { .n = 0 };
    sn_timer *t;
    int failed = 0;
    (void)arg;
    CHECK_EQ(sn_timer_new_call(&o.t, sets_itself, &o), 0);
    CHECK_EQ(sn_timer_after(o.t, 0), 0);
    wait_for(ctx, &o.n, 6);
    CHECK_EQ(sn_timer_new_call(&t, fails_in_call, &failed), 0);
    CHECK_EQ(sn_timer_every(t, SN_US(100)), 0);
    wait_for(ctx, &failed, 5); /* a failed call has ended, too */
    CHECK(sn_timer_stop(ctx, t) >= 0);
    sn_timer_free(t);
    return 0;
}

TEST(in_its_own_call_it_may_be_set_and_freed)
{
    run_each(in_its_own_call, NULL);
}

static int stops_itself(sn_ctx *ctx, void *arg)
{
    return sn_timer_stop(ctx, *(sn_timer **)arg);
}

static int stopped_in_its_own_call(sn_ctx *ctx, void *arg)
{
    static sn_timer *t;
    (void)arg;
    CHECK_EQ(sn_timer_new_call(&t, stops_itself, &t), 0);
    CHECK_EQ(sn_timer_after(t, 0), 0);
    return sn_sleep(ctx, SN_SEC(100));
}

static void run_stopped(void)
{
    (void)sn_run(stopped_in_its_own_call, NULL, NULL);
}

TEST(stop_in_its_own_call_panics)
{
    check_dies(run_stopped, "sn_timer_stop in the timer's own call: it would wait for itself");
}

/* --- races --- */

/* Two tasks set, cancel and receive as they like; afterwards nothing of it is left. */
struct race {
    sn_timer *t;
    uint64_t seed;
};

static int sets_and_cancels(sn_ctx *ctx, void *arg)
{
    struct race *r = arg;
    int64_t when;
    for (int i = 0; i < 400; i++) {
        switch (test_random(&r->seed) % 6) {
        case 0: {
            int was = sn_timer_after(r->t, (int64_t)(test_random(&r->seed) % 20000));
            CHECK_RESULT(was, was >= 0);
            break;
        }
        case 1: {
            int was = sn_timer_every(r->t, 1000 + (int64_t)(test_random(&r->seed) % 20000));
            CHECK_RESULT(was, was >= 0);
            break;
        }
        case 2:
            (void)sn_timer_cancel(r->t);
            break;
        case 3:
            CHECK(sn_timer_stop(ctx, r->t) >= 0);
            break;
        case 4:
            if (sn_timer_chan(r->t).sni_raw)
                (void)sn_chan_try_recv(sn_timer_chan(r->t), &when);
            break;
        default:
            CHECK_EQ(sn_sleep(ctx, (int64_t)(test_random(&r->seed) % 30000)), 0);
        }
    }
    return 0;
}

static int counts(sn_ctx *ctx, void *arg)
{
    CHECK_EQ(sn_sleep(ctx, SN_US(5)), 0);
    __atomic_add_fetch((int *)arg, 1, __ATOMIC_ACQ_REL);
    return 0;
}

static int races(sn_ctx *ctx, void *arg)
{
    int n = 0;
    (void)arg;
    for (int k = 0; k < 2; k++) {
        sn_group g;
        struct race r = { .seed = test_seed() };
        if (k == 0)
            r.t = new_timer();
        else
            CHECK_EQ(sn_timer_new_call(&r.t, counts, &n), 0);
        sn_group_init(&g, ctx);
        for (int i = 0; i < 4; i++) {
            r.seed += 77;
            CHECK_EQ(sn_group_go_copy(&g, sets_and_cancels, &r), 0);
        }
        CHECK_EQ(sn_group_wait(&g), 0);
        CHECK(sn_timer_stop(ctx, r.t) >= 0);
        int before = __atomic_load_n(&n, __ATOMIC_ACQUIRE);
        CHECK_EQ(sn_sleep(ctx, SN_US(100)), 0);
        CHECK_EQ(__atomic_load_n(&n, __ATOMIC_ACQUIRE), before); /* nothing runs, nothing comes */
        if (k == 0)
            CHECK(is_empty(r.t));
        sn_timer_free(r.t);
    }
    return 0;
}

TEST(setting_and_cancelling_race)
{
    run_everywhere(races, NULL);
}

/* --- with and without a runtime --- */

static sn_timer *left;

static int leaves_it_set(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    left = new_timer();
    return *(int *)arg ? sn_timer_every(left, SN_US(50)) : sn_timer_after(left, SN_SEC(1000));
}

TEST(the_end_of_the_runtime_cancels_it)
{
    for (int periodic = 0; periodic <= 1; periodic++)
        for (int i = 0; i < TEST_WORKERS; i++) {
            int64_t when;
            CHECK_EQ(sn_run(leaves_it_set, &periodic, &(sn_run_opts){ .workers = test_workers[i] }), 0);
            (void)sn_chan_try_recv(sn_timer_chan(left), &when);
            CHECK_EQ(sn_timer_after(left, 1), SN_ENOTRUNNING);
            CHECK(!sn_timer_cancel(left));
            CHECK_EQ(sn_start(NULL), 0); /* it can be used again in the next one */
            CHECK_EQ(sn_timer_after(left, 1), 0);
            CHECK_EQ(sn_chan_recv(NULL, sn_timer_chan(left), &when), 0);
            CHECK_EQ(sn_stop(), 0);
            sn_timer_free(left);
        }
}

TEST(without_a_runtime)
{
    sn_timer *t = new_timer();
    CHECK_EQ(sn_timer_at(t, 1), SN_ENOTRUNNING);
    CHECK_EQ(sn_timer_after(t, 1), SN_ENOTRUNNING);
    CHECK_EQ(sn_timer_every(t, SN_MS(1)), SN_ENOTRUNNING);
    CHECK(!sn_timer_cancel(t));
    CHECK_EQ(sn_timer_stop(NULL, t), 0);
    sn_timer_free(t);
}

/* --- many --- */

static int many(sn_ctx *ctx, void *arg)
{
    enum { N = 2000 };
    static sn_timer *t[N];
    int64_t when, base = sn_now() + SN_MS(5);
    (void)arg;
    for (int i = 0; i < N; i++) {
        t[i] = new_timer();
        CHECK_EQ(sn_timer_at(t[i], base + (i * 7919 % N) * 1000), 0);
    }
    for (int i = 0; i < N; i += 2)
        (void)sn_timer_cancel(t[i]);
    for (int i = 1; i < N; i += 2) {
        CHECK_EQ(sn_chan_recv(ctx, sn_timer_chan(t[i]), &when), 0);
        CHECK_EQ(when, base + (i * 7919 % N) * 1000);
    }
    for (int i = 0; i < N; i += 2)
        CHECK(is_empty(t[i]));
    for (int i = 0; i < N; i++)
        sn_timer_free(t[i]);
    return 0;
}

TEST(many_timers)
{
    run_everywhere(many, NULL);
}

/* --- sn_sleep_until --- */

static int sleeps_until(sn_ctx *ctx, void *arg)
{
    int64_t next = sn_now();
    sn_ctx *over;
    (void)arg;
    for (int i = 0; i < 10; i++) {
        next += SN_US(300);
        CHECK_EQ(sn_sleep_until(ctx, next), 0);
        CHECK(sn_now() >= next);
    }
    CHECK_EQ(sn_sleep_until(ctx, next), 0); /* past: at once */
    CHECK_EQ(sn_sleep_until(ctx, INT64_MIN), 0);
    CHECK_EQ(sn_ctx_with_cancel(&over, ctx), 0);
    sn_ctx_cancel(over);
    CHECK_EQ(sn_sleep_until(over, INT64_MIN), SN_ECANCELED);
    CHECK_EQ(sn_sleep_until(over, SN_FOREVER), SN_ECANCELED);
    sn_ctx_free(over);
    if (sn_run_workers() > 0) {
        CHECK_EQ(sn_ctx_with_timeout(&over, ctx, SN_MS(1)), 0);
        CHECK_EQ(sn_sleep_until(over, SN_FOREVER), SN_ETIMEDOUT);
        sn_ctx_free(over);
    }
    return 0;
}

TEST(sleep_until)
{
    run_everywhere(sleeps_until, NULL);
    CHECK_EQ(sleeps_until(NULL, NULL), 0);
}
