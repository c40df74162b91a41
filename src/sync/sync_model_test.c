/* What tasks and threads wait on, in the model: each object between plain threads, which need no runtime. An object is freed
 * as soon as its header says that it may be. */
#include "model/model_test.h"

/* Two more threads run fn(arg), and so do we. */
static void three(void *(*fn)(void *), void *arg)
{
    struct sni_os_thread a = model_thread(fn, arg), b = model_thread(fn, arg);
    (void)fn(arg);
    model_join(a);
    model_join(b);
}

static sn_ctx *new_ctx(void)
{
    sn_ctx *ctx;
    CHECK_EQ(sn_ctx_with_cancel(&ctx, sn_background()), 0);
    return ctx;
}

/* --- a wait that nothing but its context ends --- */

struct forgotten {
    sn_rawchan *c;
    sn_ctx *ctx;
};

static void *waits_for_the_context(void *arg)
{
    struct forgotten *f = arg;
    for (int i = 0; i < 2; i++) { /* the second time its record is in the context's list already */
        int v;
        CHECK_EQ(sn_rawchan_recv(f->ctx, f->c, &v), SN_ECANCELED);
    }
    return NULL;
}

MODEL(cancel_alone)
{
    struct forgotten f = { .ctx = new_ctx() };
    (void)arg;
    CHECK_EQ(sn_rawchan_make(&f.c, sizeof(int), 0), 0);
    struct sni_os_thread a = model_thread(waits_for_the_context, &f), b = model_thread(waits_for_the_context, &f);
    sn_ctx_cancel(f.ctx);
    model_join(a);
    model_join(b);
    sn_rawchan_free(f.c);
    sn_ctx_free(f.ctx);
}

/* --- a wait that its context and a peer want to end: one of them does --- */

struct duel {
    sn_rawchan *c;
    sn_ctx *ctx;
    int sent, got; /* (a) */
};

static void *receives_in_a_duel(void *arg)
{
    struct duel *d = arg;
    int v = 0, r = sn_rawchan_recv(d->ctx, d->c, &v);
    CHECK(r == 0 || r == SN_ECANCELED);
    if (r == 0)
        (void)__atomic_fetch_add(&d->got, v, __ATOMIC_RELAXED);
    return NULL;
}

static void *sends_in_a_duel(void *arg)
{
    struct duel *d = arg;
    for (int i = 0; i < 3; i++)
        if (sn_rawchan_try_send(d->c, &(int){ 1 }) == 0)
            (void)__atomic_fetch_add(&d->sent, 1, __ATOMIC_RELAXED);
    return NULL;
}

MODEL(send_against_cancel)
{
    struct duel d = { .ctx = new_ctx() };
    (void)arg;
    CHECK_EQ(sn_rawchan_make(&d.c, sizeof(int), 0), 0);
    struct sni_os_thread a = model_thread(receives_in_a_duel, &d), b = model_thread(sends_in_a_duel, &d);
    sn_ctx_cancel(d.ctx);
    model_join(a);
    model_join(b);
    CHECK_EQ(d.sent, d.got);
    sn_rawchan_free(d.c);
    sn_ctx_free(d.ctx);
}

/* --- mutex --- */

struct locked {
    sn_mutex m;
    int n; /* (m) */
    int left; /* (a) */
    sn_ctx *ctx; /* ends while some wait */
};

static void *locks(void *arg)
{
    struct locked *l = arg;
    for (int i = 0; i < 2; i++) {
        sn_mutex_lock(&l->m);
        l->n++;
        sn_mutex_unlock(&l->m);
    }
    return NULL;
}

MODEL(mutex)
{
    struct locked l = { .n = 0 };
    (void)arg;
    three(locks, &l);
    CHECK_EQ(l.n, 6);
    CHECK_EQ(l.m.sni_[0], 0);
}

static void *locks_if_let(void *arg)
{
    struct locked *l = arg;
    int r = sn_mutex_lock_ctx(l->ctx, &l->m);
    CHECK(r == 0 || r == SN_ECANCELED);
    if (r == 0) {
        l->n++;
        (void)__atomic_fetch_add(&l->left, 1, __ATOMIC_RELAXED);
        sn_mutex_unlock(&l->m);
    }
    return NULL;
}

MODEL(mutex_given_up)
{
    struct locked l = { .n = 0, .ctx = new_ctx() };
    (void)arg;
    sn_mutex_lock(&l.m);
    struct sni_os_thread a = model_thread(locks_if_let, &l), b = model_thread(locks_if_let, &l);
    struct sni_os_thread c = model_thread(locks, &l);
    sn_ctx_cancel(l.ctx);
    sn_mutex_unlock(&l.m);
    model_join(a);
    model_join(b);
    model_join(c);
    CHECK_EQ(l.n, 2 + l.left);
    CHECK_EQ(l.m.sni_[0], 0);
    sn_ctx_free(l.ctx);
}

/* The first in line is overtaken again and again, until it is its turn; it may give up meanwhile. */
static void *locks_often(void *arg)
{
    struct locked *l = arg;
    for (int i = 0; i < 8; i++) {
        sn_mutex_lock(&l->m);
        l->n++;
        sn_mutex_unlock(&l->m);
    }
    return NULL;
}

MODEL(mutex_overtaken)
{
    struct locked l = { .n = 0, .ctx = new_ctx() };
    (void)arg;
    struct sni_os_thread a = model_thread(locks_often, &l), b = model_thread(locks, &l), c = model_thread(locks_if_let, &l);
    locks_often(&l);
    sn_ctx_cancel(l.ctx);
    model_join(a);
    model_join(b);
    model_join(c);
    CHECK_EQ(l.n, 18 + l.left);
    CHECK_EQ(l.m.sni_[0], 0);
    sn_ctx_free(l.ctx);
}

/* The last of two frees it. */
static void *locks_and_frees(void *arg)
{
    struct locked *l = arg;
    sn_mutex_lock(&l->m);
    bool last = --l->n == 0;
    sn_mutex_unlock(&l->m);
    if (last)
        sni_os_free(l, sizeof *l);
    return NULL;
}

MODEL(mutex_freed_by_the_last)
{
    struct locked *l = sni_os_alloc(sizeof *l);
    (void)arg;
    l->n = 3;
    three(locks_and_frees, l);
}

/* --- rwmutex --- */

struct shared {
    sn_rwmutex m;
    int a, b; /* (m) equal */
    sn_ctx *ctx;
    int in; /* (a) */
};

static void *writes(void *arg)
{
    struct shared *s = arg;
    sn_rwmutex_lock(&s->m);
    s->a++;
    s->b++;
    sn_rwmutex_unlock(&s->m);
    sn_rwmutex_rlock(&s->m);
    CHECK_EQ(s->a, s->b);
    sn_rwmutex_runlock(&s->m);
    return NULL;
}

MODEL(rwmutex)
{
    struct shared s = { .a = 0 };
    (void)arg;
    three(writes, &s);
    CHECK_EQ(s.a, 3);
    CHECK_EQ(s.m.sni_[0], 0);
}

static void *writes_if_let(void *arg)
{
    struct shared *s = arg;
    if (sn_rwmutex_lock_ctx(s->ctx, &s->m) == 0) {
        s->a++;
        s->b++;
        (void)__atomic_fetch_add(&s->in, 1, __ATOMIC_RELAXED);
        sn_rwmutex_unlock(&s->m);
    }
    return NULL;
}

static void *reads_if_let(void *arg)
{
    struct shared *s = arg;
    if (sn_rwmutex_rlock_ctx(s->ctx, &s->m) == 0) {
        CHECK_EQ(s->a, s->b);
        sn_rwmutex_runlock(&s->m);
    }
    sn_rwmutex_rlock(&s->m);
    CHECK_EQ(s->a, s->b);
    sn_rwmutex_runlock(&s->m);
    return NULL;
}

MODEL(rwmutex_given_up)
{
    struct shared s = { .a = 0, .ctx = new_ctx() };
    (void)arg;
    sn_rwmutex_rlock(&s.m);
    struct sni_os_thread a = model_thread(writes_if_let, &s), b = model_thread(reads_if_let, &s);
    struct sni_os_thread c = model_thread(writes, &s);
    sn_ctx_cancel(s.ctx);
    sn_rwmutex_runlock(&s.m);
    model_join(a);
    model_join(b);
    model_join(c);
    CHECK_EQ(s.a, 1 + s.in);
    CHECK_EQ(s.m.sni_[0], 0);
    sn_ctx_free(s.ctx);
}

/* --- condition --- */

struct flag {
    sn_mutex m;
    sn_cond c;
    int tokens;
    sn_ctx *ctx;
};

static void *takes_a_token(void *arg)
{
    struct flag *f = arg;
    sn_mutex_lock(&f->m);
    while (f->tokens == 0)
        sn_cond_wait(&f->c, &f->m);
    f->tokens--;
    sn_mutex_unlock(&f->m);
    return NULL;
}

static void *takes_if_let(void *arg)
{
    struct flag *f = arg;
    int r = 0;
    sn_mutex_lock(&f->m);
    while (f->tokens == 0 && r == 0)
        r = sn_cond_wait_ctx(f->ctx, &f->c, &f->m);
    CHECK(sn_mutex_held(&f->m));
    sn_mutex_unlock(&f->m);
    return NULL;
}

static void put_tokens(struct flag *f, int n)
{
    for (int i = 0; i < n; i++) {
        sn_mutex_lock(&f->m);
        f->tokens++;
        sn_mutex_unlock(&f->m);
        sn_cond_signal(&f->c);
    }
}

MODEL(condition)
{
    struct flag f = { .tokens = 0 };
    (void)arg;
    struct sni_os_thread a = model_thread(takes_a_token, &f), b = model_thread(takes_a_token, &f);
    put_tokens(&f, 2);
    model_join(a);
    model_join(b);
    CHECK_EQ(f.tokens, 0);
}

/* Signals and broadcasts with the mutex held, or not, by turns: who waits is moved to the mutex, or woken. */
static void *gives_tokens(void *arg)
{
    struct flag *f = arg;
    sn_mutex_lock(&f->m);
    f->tokens++;
    sn_cond_signal(&f->c);
    f->tokens++;
    sn_cond_broadcast(&f->c);
    sn_mutex_unlock(&f->m);
    return NULL;
}

MODEL(condition_moved)
{
    struct flag f = { .tokens = 0 };
    (void)arg;
    struct sni_os_thread a = model_thread(takes_a_token, &f), b = model_thread(takes_a_token, &f);
    struct sni_os_thread c = model_thread(takes_a_token, &f), d = model_thread(gives_tokens, &f);
    put_tokens(&f, 1);
    sn_cond_broadcast(&f.c);
    model_join(a);
    model_join(b);
    model_join(c);
    model_join(d);
    CHECK_EQ(f.tokens, 0);
    CHECK_EQ(f.m.sni_[0], 0);
}

/* A signal that was given to one whose context ends is not lost: either it returns 0, or the other has it. */
static void *takes_or_gives_up(void *arg)
{
    struct flag *f = arg;
    sn_mutex_lock(&f->m);
    int r = f->tokens == 0 ? sn_cond_wait_ctx(f->ctx, &f->c, &f->m) : 0;
    CHECK(r == 0 || r == SN_ECANCELED);
    if (f->tokens > 0 && r == 0)
        f->tokens--;
    sn_mutex_unlock(&f->m);
    return NULL;
}

static void *signals(void *arg)
{
    sn_cond_signal(&((struct flag *)arg)->c);
    return NULL;
}

MODEL(condition_moved_and_given_up)
{
    struct flag f = { .tokens = 0, .ctx = new_ctx() };
    (void)arg;
    struct sni_os_thread a = model_thread(takes_or_gives_up, &f), b = model_thread(takes_a_token, &f);
    struct sni_os_thread c = model_thread(gives_tokens, &f), d = model_thread(signals, &f);
    sn_ctx_cancel(f.ctx);
    model_join(a);
    model_join(b);
    model_join(c);
    model_join(d);
    CHECK(f.tokens == 0 || f.tokens == 1);
    CHECK_EQ(f.m.sni_[0], 0);
    sn_ctx_free(f.ctx);
}

/* One who waited frees it; the broadcast may still be on its way out. */
struct dying_flag {
    struct flag f;
    int waiting; /* (m) */
};

static void *waits_and_frees_flag(void *arg)
{
    struct dying_flag *d = arg;
    sn_mutex_lock(&d->f.m);
    d->waiting++;
    while (d->f.tokens == 0)
        sn_cond_wait(&d->f.c, &d->f.m);
    bool last = --d->waiting == 0;
    sn_mutex_unlock(&d->f.m);
    if (last)
        sni_os_free(d, sizeof *d);
    return NULL;
}

static void *broadcasts_to_two(void *arg)
{
    struct dying_flag *d = arg;
    for (bool both = false; !both;) {
        sn_mutex_lock(&d->f.m);
        both = d->waiting == 2;
        d->f.tokens = both;
        sn_mutex_unlock(&d->f.m);
    }
    sn_cond_broadcast(&d->f.c); /* its last touch */
    return NULL;
}

MODEL(condition_freed_by_the_last)
{
    struct dying_flag *d = sni_os_alloc(sizeof *d);
    (void)arg;
    struct sni_os_thread a = model_thread(waits_and_frees_flag, d), b = model_thread(waits_and_frees_flag, d);
    broadcasts_to_two(d);
    model_join(a);
    model_join(b);
}

/* One gives up: the signal goes to the other. */
MODEL(condition_given_up)
{
    struct flag f = { .tokens = 0, .ctx = new_ctx() };
    (void)arg;
    struct sni_os_thread a = model_thread(takes_if_let, &f), b = model_thread(takes_a_token, &f);
    sn_ctx_cancel(f.ctx);
    put_tokens(&f, 1);
    sn_mutex_lock(&f.m); /* who gave up may have had the signal before: it takes no token */
    sn_mutex_unlock(&f.m);
    sn_cond_broadcast(&f.c);
    model_join(a);
    model_join(b);
    CHECK_EQ(f.tokens, 0);
    sn_ctx_free(f.ctx);
}

/* --- wait group --- */

struct work {
    sn_waitgroup wg;
    int parts[3]; /* written plainly, each by one */
    sn_ctx *ctx;
    int next; /* (a) */
};

static void *does_a_part(void *arg)
{
    struct work *w = arg;
    w->parts[__atomic_fetch_add(&w->next, 1, __ATOMIC_RELAXED)] = 1;
    sn_waitgroup_done(&w->wg);
    return NULL;
}

static void check_parts(struct work *w, int n)
{
    for (int i = 0; i < n; i++)
        CHECK_EQ(w->parts[i], 1);
}

MODEL(waitgroup_freed_by_who_waited)
{
    struct work *w = sni_os_alloc(sizeof *w);
    (void)arg;
    sn_waitgroup_add(&w->wg, 2);
    struct sni_os_thread a = model_thread(does_a_part, w), b = model_thread(does_a_part, w);
    sn_waitgroup_wait(&w->wg);
    check_parts(w, 2);
    sni_os_free(w, sizeof *w);
    model_join(a);
    model_join(b);
}

static void *waits_if_let(void *arg)
{
    struct work *w = arg;
    int r = sn_waitgroup_wait_ctx(w->ctx, &w->wg);
    CHECK(r == 0 || r == SN_ECANCELED);
    if (r == 0)
        check_parts(w, 2);
    return NULL;
}

static void *waits(void *arg)
{
    struct work *w = arg;
    sn_waitgroup_wait(&w->wg);
    check_parts(w, 2);
    return NULL;
}

/* One gives up while the round ends; who finds it ended, or comes last, frees it. */
struct dying {
    sn_waitgroup wg;
    sn_ctx *ctx;
    int left; /* (a) */
};

static void leave_dying(struct dying *d)
{
    if (__atomic_sub_fetch(&d->left, 1, __ATOMIC_ACQ_REL) == 0)
        sni_os_free(d, sizeof *d);
}

static void *gives_up_and_leaves(void *arg)
{
    struct dying *d = arg;
    int r = sn_waitgroup_wait_ctx(d->ctx, &d->wg);
    CHECK(r == 0 || r == SN_ECANCELED);
    leave_dying(d);
    return NULL;
}

static void *waits_and_leaves(void *arg)
{
    struct dying *d = arg;
    sn_waitgroup_wait(&d->wg);
    leave_dying(d);
    return NULL;
}

static void *ends_the_round(void *arg)
{
    sn_waitgroup_done(&((struct dying *)arg)->wg); /* the last that it may touch */
    return NULL;
}

MODEL(waitgroup_freed_after_one_gave_up)
{
    struct dying *d = sni_os_alloc(sizeof *d);
    sn_ctx *ctx = new_ctx();
    (void)arg;
    d->ctx = ctx;
    d->left = 2;
    sn_waitgroup_add(&d->wg, 1);
    struct sni_os_thread a = model_thread(gives_up_and_leaves, d), b = model_thread(ends_the_round, d);
    struct sni_os_thread c = model_thread(waits_and_leaves, d);
    sn_ctx_cancel(ctx);
    model_join(a);
    model_join(b);
    model_join(c);
    sn_ctx_free(ctx);
}

/* Several wait, one gives up, and the last two parts are done meanwhile; then another round. */
MODEL(waitgroup_given_up)
{
    struct work w = { .ctx = new_ctx() };
    (void)arg;
    sn_waitgroup_add(&w.wg, 2);
    struct sni_os_thread a = model_thread(waits_if_let, &w), b = model_thread(waits, &w);
    struct sni_os_thread c = model_thread(does_a_part, &w), d = model_thread(does_a_part, &w);
    sn_ctx_cancel(w.ctx);
    sn_waitgroup_wait(&w.wg);
    check_parts(&w, 2);
    model_join(a);
    model_join(b);
    model_join(c);
    model_join(d);
    CHECK_EQ(w.wg.sni_[0], 0);
    sn_waitgroup_add(&w.wg, 1);
    struct sni_os_thread e = model_thread(does_a_part, &w);
    sn_waitgroup_wait(&w.wg);
    check_parts(&w, 3);
    model_join(e);
    sn_ctx_free(w.ctx);
}

/* A wait that begins while the last one is woken: it may free the group as well. */
static void *waits_and_frees(void *arg)
{
    struct work *w = arg;
    sn_waitgroup_wait(&w->wg);
    check_parts(w, 1);
    if (__atomic_fetch_add(&w->next, 1, __ATOMIC_ACQ_REL) == 2) /* after the one who did the part, and the other waiter */
        sni_os_free(w, sizeof *w);
    return NULL;
}

MODEL(waitgroup_freed_by_the_last_of_two)
{
    struct work *w = sni_os_alloc(sizeof *w);
    (void)arg;
    sn_waitgroup_add(&w->wg, 1);
    struct sni_os_thread a = model_thread(waits_and_frees, w), b = model_thread(does_a_part, w);
    (void)waits_and_frees(w);
    model_join(a);
    model_join(b);
}

/* --- once --- */

struct made {
    sn_once once;
    int value, runs;
    int seen; /* (a) */
    sn_ctx *ctx;
};

static void make(void *arg)
{
    struct made *m = arg;
    m->runs++;
    m->value = 42;
}

static void *makes(void *arg)
{
    struct made *m = arg;
    sn_once_do(&m->once, make, m);
    CHECK_EQ(m->value, 42);
    CHECK(sn_once_is_done(&m->once));
    if (__atomic_fetch_add(&m->seen, 1, __ATOMIC_ACQ_REL) == 2) {
        CHECK_EQ(m->runs, 1);
        sni_os_free(m, sizeof *m);
    }
    return NULL;
}

MODEL(once_freed_by_the_last)
{
    struct made *m = sni_os_alloc(sizeof *m);
    (void)arg;
    three(makes, m);
}

static void *makes_if_let(void *arg)
{
    struct made *m = arg;
    int r = sn_once_do_ctx(m->ctx, &m->once, make, m);
    CHECK(r == 0 || r == SN_ECANCELED);
    if (r == 0)
        CHECK_EQ(m->value, 42);
    return NULL;
}

MODEL(once_given_up)
{
    struct made m = { .ctx = new_ctx() };
    (void)arg;
    struct sni_os_thread a = model_thread(makes_if_let, &m), b = model_thread(makes_if_let, &m);
    sn_ctx_cancel(m.ctx);
    sn_once_do(&m.once, make, &m);
    CHECK_EQ(m.value, 42);
    model_join(a);
    model_join(b);
    CHECK_EQ(m.runs, 1);
    sn_ctx_free(m.ctx);
}

/* --- semaphore --- */

struct slots {
    sn_sem sem;
    int used; /* (a) */
    int n;    /* plain, under one permit of one */
    sn_ctx *ctx;
};

static void *uses(void *arg)
{
    struct slots *s = arg;
    for (int i = 1; i <= 2; i++) {
        CHECK_EQ(sn_sem_acquire(sn_background(), &s->sem, i), 0);
        CHECK(__atomic_add_fetch(&s->used, i, __ATOMIC_RELAXED) <= 2);
        (void)__atomic_fetch_sub(&s->used, i, __ATOMIC_RELAXED);
        sn_sem_release(&s->sem, i);
    }
    return NULL;
}

MODEL(semaphore)
{
    struct slots s = { .sem = SN_SEM_INIT(2) };
    (void)arg;
    three(uses, &s);
    CHECK_EQ(sn_sem_available(&s.sem), 2);
}

static void *counts_under_one(void *arg)
{
    struct slots *s = arg;
    CHECK_EQ(sn_sem_acquire(sn_background(), &s->sem, 1), 0);
    s->n++;
    sn_sem_release(&s->sem, 1);
    return NULL;
}

static void *counts_if_let(void *arg)
{
    struct slots *s = arg;
    if (sn_sem_acquire(s->ctx, &s->sem, 1) == 0) {
        s->n++;
        sn_sem_release(&s->sem, 1);
    }
    return NULL;
}

MODEL(semaphore_given_up)
{
    struct slots s = { .sem = SN_SEM_INIT(1), .ctx = new_ctx() };
    (void)arg;
    struct sni_os_thread a = model_thread(counts_under_one, &s), b = model_thread(counts_if_let, &s);
    struct sni_os_thread c = model_thread(counts_if_let, &s);
    sn_ctx_cancel(s.ctx);
    (void)counts_under_one(&s);
    model_join(a);
    model_join(b);
    model_join(c);
    CHECK(s.n >= 2 && s.n <= 4);
    CHECK_EQ(sn_sem_available(&s.sem), 1);
    CHECK_EQ(s.sem.sni_[0] & 3, 0);
    sn_ctx_free(s.ctx);
}

/* The first of those who wait wants more than there is, and gives up: the next one is served, though nobody releases anything. */
static void *takes_two_if_let(void *arg)
{
    struct slots *s = arg;
    int r = sn_sem_acquire(s->ctx, &s->sem, 2);
    CHECK_EQ(r, SN_ECANCELED);
    return NULL;
}

MODEL(semaphore_head_gives_up)
{
    struct slots s = { .sem = SN_SEM_INIT(2), .ctx = new_ctx() };
    (void)arg;
    CHECK_EQ(sn_sem_acquire(NULL, &s.sem, 1), 0);
    struct sni_os_thread a = model_thread(takes_two_if_let, &s), b = model_thread(counts_under_one, &s);
    sn_ctx_cancel(s.ctx);
    model_join(a);
    model_join(b);
    CHECK_EQ(s.n, 1);
    CHECK_EQ(sn_sem_available(&s.sem), 1);
    sn_ctx_free(s.ctx);
}

/* Freed by who has got the last permit. */
static void *gives_one(void *arg)
{
    sn_sem_release(arg, 1);
    return NULL;
}

MODEL(semaphore_freed_by_who_got_it)
{
    sn_sem *s = sni_os_alloc(sizeof *s);
    (void)arg;
    sn_sem_init(s, 1);
    CHECK_EQ(sn_sem_try_acquire(s, 1), 0);
    struct sni_os_thread t = model_thread(gives_one, s);
    CHECK_EQ(sn_sem_acquire(sn_background(), s, 1), 0);
    sni_os_free(s, sizeof *s);
    model_join(t);
}

/* --- contexts: ended by several at once, while others are made, wait and are freed --- */

static void *waits_for_the_end(void *arg)
{
    CHECK_EQ(sn_ctx_wait(arg), SN_ECANCELED);
    CHECK_EQ(sn_ctx_cause(arg), -5);
    return NULL;
}

static void *ends_it(void *arg)
{
    sn_ctx *child;
    CHECK_EQ(sn_ctx_with_cancel(&child, arg), 0);
    sn_ctx_cancel_cause(arg, -5);
    CHECK_EQ(sn_ctx_err(arg), SN_ECANCELED);
    CHECK_EQ(sn_ctx_wait(child), SN_ECANCELED); /* another may be about to end it */
    sn_ctx_free(child);
    return NULL;
}

MODEL(contexts)
{
    sn_ctx *ctx = new_ctx();
    (void)arg;
    struct sni_os_thread a = model_thread(waits_for_the_end, ctx), b = model_thread(ends_it, ctx);
    (void)ends_it(ctx);
    model_join(a);
    model_join(b);
    sn_ctx_free(ctx);
}
