/* Readers-writer mutexes: the contract of sennit/rwmutex.h. */
#include "sn_test.h"

#include <pthread.h>

static int one_task(sn_ctx *ctx, void *arg)
{
    sn_rwmutex m = { { 0 } };
    sn_ctx *over;
    (void)arg;
    CHECK_EQ(sn_ctx_with_cancel(&over, ctx), 0);
    sn_ctx_cancel(over);
    for (int i = 0; i < 3; i++) {
        sn_rwmutex_lock(&m);
        CHECK_EQ(sn_rwmutex_try_lock(&m), SN_EBUSY);
        CHECK_EQ(sn_rwmutex_try_rlock(&m), SN_EBUSY);
        sn_rwmutex_unlock(&m);
        CHECK_EQ(sn_rwmutex_try_lock(&m), 0);
        sn_rwmutex_unlock(&m);
        CHECK_EQ(sn_rwmutex_lock_ctx(ctx, &m), 0);
        sn_rwmutex_unlock(&m);
        sn_rwmutex_rlock(&m);
        CHECK_EQ(sn_rwmutex_try_lock(&m), SN_EBUSY);
        CHECK_EQ(sn_rwmutex_try_rlock(&m), 0); /* no writer has come between */
        CHECK_EQ(sn_rwmutex_rlock_ctx(ctx, &m), 0);
        for (int k = 0; k < 3; k++)
            sn_rwmutex_runlock(&m);
        CHECK_EQ(sn_rwmutex_lock_ctx(over, &m), SN_ECANCELED); /* though it is free */
        CHECK_EQ(sn_rwmutex_rlock_ctx(over, &m), SN_ECANCELED);
    }
    for (size_t i = 0; i < sizeof m.sni_ / sizeof *m.sni_; i++)
        CHECK_EQ(m.sni_[i], 0);
    sn_ctx_free(over);
    return 0;
}

TEST(lock_try_unlock)
{
    run_everywhere(one_task, NULL);
    CHECK_EQ(one_task(NULL, NULL), 0); /* without a runtime */
}

/* --- readers together, writers alone; and visibility --- */

struct shared {
    sn_rwmutex m;
    long a, b; /* equal whenever no writer holds it */
    int readers, most; /* (a) inside now; ever */
};

static void reads(struct shared *s, bool stay)
{
    int n = __atomic_add_fetch(&s->readers, 1, __ATOMIC_RELAXED);
    if (n > __atomic_load_n(&s->most, __ATOMIC_RELAXED))
        __atomic_store_n(&s->most, n, __ATOMIC_RELAXED);
    CHECK_EQ(s->a, s->b);
    if (stay && sn_task_self().id)
        sn_yield();
    CHECK_EQ(s->a, s->b);
    __atomic_sub_fetch(&s->readers, 1, __ATOMIC_RELAXED);
}

static void writes(struct shared *s, bool stay)
{
    CHECK_EQ(__atomic_load_n(&s->readers, __ATOMIC_RELAXED), 0);
    CHECK_EQ(s->a, s->b);
    s->a++;
    if (stay && sn_task_self().id)
        sn_yield();
    s->b++;
    CHECK_EQ(__atomic_load_n(&s->readers, __ATOMIC_RELAXED), 0);
}

static int reads_and_writes(sn_ctx *ctx, void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < 1000; i++) {
        if (i % 4 == 0) {
            if (i % 8)
                sn_rwmutex_lock(&s->m);
            else
                CHECK_EQ(sn_rwmutex_lock_ctx(ctx, &s->m), 0);
            writes(s, i % 16 == 0);
            sn_rwmutex_unlock(&s->m);
        } else {
            if (i % 2)
                sn_rwmutex_rlock(&s->m);
            else
                CHECK_EQ(sn_rwmutex_rlock_ctx(ctx, &s->m), 0);
            reads(s, i % 5 == 0);
            sn_rwmutex_runlock(&s->m);
        }
    }
    return 0;
}

static void *in_a_thread(void *arg)
{
    (void)reads_and_writes(NULL, arg);
    return NULL;
}

static void check_shared(struct shared *s, int users)
{
    CHECK_EQ(s->a, 250L * users);
    CHECK_EQ(s->b, 250L * users);
    CHECK_EQ(s->m.sni_[0], 0);
}

static int tasks_share(sn_ctx *ctx, void *arg)
{
    struct shared s = { .a = 0 };
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(sn_group_go(&g, reads_and_writes, &s), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    check_shared(&s, 10);
    CHECK(s.most > 1);
    return 0;
}

TEST(readers_together_writers_alone)
{
    run_everywhere(tasks_share, NULL);
}

TEST(between_threads_without_a_runtime)
{
    struct shared s = { .a = 0 };
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, in_a_thread, &s) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    check_shared(&s, 4);
}

TEST(between_tasks_and_threads)
{
    struct shared s = { .a = 0 };
    pthread_t threads[2];
    sn_group g;
    CHECK_EQ(sn_start(&(sn_run_opts){ .workers = 2 }), 0);
    sn_group_init(&g, NULL);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, in_a_thread, &s) == 0);
    for (int i = 0; i < 6; i++)
        CHECK_EQ(sn_group_go(&g, reads_and_writes, &s), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK_EQ(sn_stop(), 0);
    check_shared(&s, 8);
}

/* --- phases: on one worker, by a script ---
 *
 * Each actor of a script locks, tells so, and keeps it until it is told to let go. Capital letters write. */

enum { ACTORS = 8 };

struct stage {
    sn_rwmutex m;
    char inside[ACTORS + 1]; /* who holds it; ended by NUL */
};

struct actor {
    struct stage *stage;
    char name;
    sn_ctx *quit;     /* its own to give up with, or NULL */
    sn_chan_unit *go; /* told by this to let go */
};

static bool is_writer(char name)
{
    return name < 'a';
}

static int acts(sn_ctx *ctx, void *arg)
{
    struct actor *me = arg;
    struct stage *s = me->stage;
    sn_ctx *until = me->quit ? me->quit : ctx;
    int r = is_writer(me->name) ? sn_rwmutex_lock_ctx(until, &s->m) : sn_rwmutex_rlock_ctx(until, &s->m);
    if (r < 0) {
        CHECK(me->quit != NULL);
        CHECK_EQ(r, SN_ECANCELED);
        return 0;
    }
    s->inside[strlen(s->inside)] = me->name;
    CHECK_EQ(sn_chan_unit_recv(ctx, *me->go), 0);
    char *at = strchr(s->inside, me->name);
    memmove(at, at + 1, strlen(at));
    if (is_writer(me->name))
        sn_rwmutex_unlock(&s->m);
    else
        sn_rwmutex_runlock(&s->m);
    return 0;
}

struct play {
    struct stage stage;
    sn_group g;
    sn_chan_unit go[128];
    sn_ctx *quit;
};

static void enter(struct play *p, char name, bool quits)
{
    struct actor a = { &p->stage, name, quits ? p->quit : NULL, &p->go[(int)name] };
    CHECK_EQ(sn_chan_unit_make(a.go, 1), 0);
    CHECK_EQ(sn_group_go_copy(&p->g, acts, &a), 0);
    test_let_others_go();
}

/* Who runs first of readers let in together is not ours to say. */
static void check_inside(struct play *p, const char *who)
{
    test_let_others_go();
    CHECK_EQ(strlen(p->stage.inside), strlen(who));
    CHECK_EQ(strspn(p->stage.inside, who), strlen(who));
}

static void leave(struct play *p, char name, const char *then)
{
    CHECK_EQ(sn_chan_unit_send(NULL, p->go[(int)name]), 0);
    check_inside(p, then);
}

static void play_init(struct play *p, sn_ctx *ctx)
{
    *p = (struct play){ .quit = NULL };
    CHECK_EQ(sn_ctx_with_cancel(&p->quit, ctx), 0);
    sn_group_init(&p->g, ctx);
}

static void play_end(struct play *p)
{
    CHECK_EQ(sn_group_wait(&p->g), 0);
    for (int i = 0; i < 128; i++)
        sn_chan_free(p->go[i]);
    for (size_t i = 0; i < sizeof p->stage.m.sni_ / sizeof *p->stage.m.sni_; i++)
        CHECK_EQ(p->stage.m.sni_[i], 0);
    sn_ctx_free(p->quit);
}

static int phases(sn_ctx *ctx, void *arg)
{
    struct play p;
    (void)arg;
    play_init(&p, ctx);
    enter(&p, 'A', false);
    check_inside(&p, "A");
    enter(&p, 'B', false);
    enter(&p, 'r', false);
    enter(&p, 'C', false);
    enter(&p, 's', false);
    check_inside(&p, "A");
    leave(&p, 'A', "rs"); /* all the readers that wait, whoever came before them */
    enter(&p, 't', false);
    check_inside(&p, "rs"); /* behind the writer that waits */
    CHECK_EQ(sn_rwmutex_try_rlock(&p.stage.m), SN_EBUSY);
    CHECK_EQ(sn_rwmutex_try_lock(&p.stage.m), SN_EBUSY);
    leave(&p, 's', "r");
    leave(&p, 'r', "B"); /* writers in the order they came */
    enter(&p, 'u', false);
    leave(&p, 'B', "tu");
    leave(&p, 't', "u");
    leave(&p, 'u', "C");
    leave(&p, 'C', "");
    play_end(&p);
    return 0;
}

TEST(phases_are_fair)
{
    CHECK_EQ(sn_run(phases, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

/* A writer that gives up lets the readers in that waited behind it. */
static int writer_gives_up(sn_ctx *ctx, void *arg)
{
    struct play p;
    (void)arg;
    play_init(&p, ctx);
    enter(&p, 'r', false);
    enter(&p, 'A', true);
    enter(&p, 's', false);
    enter(&p, 'B', true);
    enter(&p, 't', false);
    check_inside(&p, "r");
    sn_ctx_cancel(p.quit);
    check_inside(&p, "rst");
    leave(&p, 't', "rs");
    leave(&p, 'r', "s");
    leave(&p, 's', "");
    play_end(&p);
    return 0;
}

/* The same, but it has not yet left the queue when its turn comes. */
static int turn_of_who_gave_up(sn_ctx *ctx, void *arg)
{
    struct play p;
    (void)arg;
    play_init(&p, ctx);
    enter(&p, 'A', false);
    enter(&p, 'B', true);
    enter(&p, 'C', false);
    enter(&p, 'r', true);
    CHECK_EQ(sn_chan_unit_send(ctx, p.go['A']), 0);
    sn_ctx_cancel(p.quit); /* before any of them runs */
    check_inside(&p, "C");
    enter(&p, 's', false);
    leave(&p, 'C', "s");
    leave(&p, 's', "");
    play_end(&p);
    return 0;
}

static int both(sn_ctx *ctx, void *arg)
{
    return writer_gives_up(ctx, arg) + turn_of_who_gave_up(ctx, arg);
}

TEST(who_gives_up_lets_those_behind_it_go)
{
    CHECK_EQ(sn_run(both, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}

/* --- giving up, at any moment --- */

static int tries_for_a_while(sn_ctx *ctx, void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < 300; i++) {
        sn_ctx *soon;
        bool write = i % 3 == 0;
        CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_US(1 + i % 40)), 0);
        int r = write ? sn_rwmutex_lock_ctx(soon, &s->m) : sn_rwmutex_rlock_ctx(soon, &s->m);
        CHECK(r == 0 || r == SN_ETIMEDOUT);
        if (r == 0 && write) {
            writes(s, true);
            sn_rwmutex_unlock(&s->m);
        } else if (r == 0) {
            reads(s, true);
            sn_rwmutex_runlock(&s->m);
        }
        sn_ctx_free(soon);
    }
    return 0;
}

static int all_give_up(sn_ctx *ctx, void *arg)
{
    struct shared s = { .a = 0 };
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(sn_group_go(&g, tries_for_a_while, &s), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(s.a, s.b);
    CHECK_EQ(s.m.sni_[0], 0);
    return 0;
}

TEST(giving_up_races_with_the_turn)
{
    run_each(all_give_up, NULL);
}

/* --- freed as soon as it is got: the last holder's unlock may still be on its way out --- */

struct passing {
    sn_rwmutex *m;
    sn_chan_unit locked;
    bool writes;
};

static int last_but_one(sn_ctx *ctx, void *arg)
{
    struct passing p = *(struct passing *)arg;
    if (p.writes)
        sn_rwmutex_lock(p.m);
    else
        sn_rwmutex_rlock(p.m);
    CHECK_EQ(sn_chan_unit_send(ctx, p.locked), 0);
    sn_yield();
    if (p.writes)
        sn_rwmutex_unlock(p.m);
    else
        sn_rwmutex_runlock(p.m);
    return 0;
}

static int frees(sn_ctx *ctx, void *arg)
{
    struct passing p;
    (void)arg;
    CHECK_EQ(sn_chan_unit_make(&p.locked, 0), 0);
    for (int i = 0; i < 500; i++) {
        sn_group g;
        CHECK((p.m = calloc(1, sizeof *p.m)) != NULL);
        p.writes = i % 2;
        sn_group_init(&g, ctx);
        CHECK_EQ(sn_group_go(&g, last_but_one, &p), 0);
        CHECK_EQ(sn_chan_unit_recv(ctx, p.locked), 0);
        if (i % 4 == 1) {
            sn_rwmutex_rlock(p.m); /* waits, unless that task was fast */
            sn_rwmutex_runlock(p.m);
        } else {
            sn_rwmutex_lock(p.m);
            sn_rwmutex_unlock(p.m);
        }
        free(p.m);
        CHECK_EQ(sn_group_wait(&g), 0);
    }
    sn_chan_free(p.locked);
    return 0;
}

TEST(freed_by_the_next_holder)
{
    run_each(frees, NULL);
}

/* --- downgrade --- */

static int downgrades(sn_ctx *ctx, void *arg)
{
    sn_rwmutex m = { { 0 } };
    (void)ctx;
    (void)arg;
    CHECK(!sn_rwmutex_held(&m));
    sn_rwmutex_lock(&m);
    CHECK(sn_rwmutex_held(&m));
    sn_rwmutex_downgrade(&m);
    CHECK(!sn_rwmutex_held(&m));
    CHECK_EQ(sn_rwmutex_try_rlock(&m), 0);
    CHECK_EQ(sn_rwmutex_try_lock(&m), SN_EBUSY);
    sn_rwmutex_runlock(&m);
    sn_rwmutex_runlock(&m);
    CHECK_EQ(sn_rwmutex_try_lock(&m), 0);
    sn_rwmutex_unlock(&m);
    CHECK_EQ(m.sni_[0], 0);
    return 0;
}

struct kept {
    sn_rwmutex m;
    long a, b; /* equal */
    int seen;  /* (a) */
};

static int reads_kept(sn_ctx *ctx, void *arg)
{
    struct kept *k = arg;
    (void)ctx;
    for (int i = 0; i < 200; i++) {
        sn_rwmutex_rlock(&k->m);
        CHECK_EQ(k->a, k->b);
        sn_rwmutex_runlock(&k->m);
    }
    return 0;
}

static int writes_and_reads_on(sn_ctx *ctx, void *arg)
{
    struct kept *k = arg;
    (void)ctx;
    for (int i = 0; i < 200; i++) {
        sn_rwmutex_lock(&k->m);
        long mine = ++k->a;
        if (i % 8 == 0 && sn_task_self().id)
            sn_yield();
        k->b++;
        sn_rwmutex_downgrade(&k->m);
        if (i % 4 == 0 && sn_task_self().id)
            sn_yield();
        CHECK_EQ(k->a, mine); /* nobody has written in between */
        sn_rwmutex_runlock(&k->m);
    }
    return 0;
}

static int all_downgrade(sn_ctx *ctx, void *arg)
{
    struct kept k = { .a = 0 };
    sn_group g;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(sn_group_go(&g, writes_and_reads_on, &k), 0);
        CHECK_EQ(sn_group_go(&g, reads_kept, &k), 0);
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(k.a, 800);
    CHECK_EQ(k.m.sni_[0], 0);
    return 0;
}

TEST(downgrade)
{
    run_everywhere(downgrades, NULL);
    run_everywhere(all_downgrade, NULL);
}

static void die_downgrading(void)
{
    static sn_rwmutex m;
    sn_rwmutex_rlock(&m);
    sn_rwmutex_downgrade(&m);
}

TEST(a_reader_cannot_downgrade)
{
    check_dies(die_downgrading, "sn_rwmutex_downgrade: this task or thread is not the writer");
}

/* --- misuse --- */

static sn_rwmutex held;

static int locks_twice(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    sn_rwmutex_lock(&held);
    sn_rwmutex_lock(&held);
    return 0;
}

static int reads_what_it_writes(sn_ctx *ctx, void *arg)
{
    (void)arg;
    sn_rwmutex_lock(&held);
    return sn_rwmutex_rlock_ctx(ctx, &held);
}

static int unlocks_anothers(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    sn_rwmutex_unlock(&held);
    return 0;
}

static int locks_anothers(sn_ctx *ctx, void *arg)
{
    (void)arg;
    return sn_rwmutex_rlock_ctx(ctx, &held);
}

static int writes_behind_readers(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    sn_rwmutex_lock(&held);
    return 0;
}

struct starting {
    bool writes;
    sn_fn *fn;
};

static int holds_and_starts(sn_ctx *ctx, void *arg)
{
    struct starting *s = arg;
    sn_group g;
    if (s->writes)
        sn_rwmutex_lock(&held);
    else
        sn_rwmutex_rlock(&held);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, s->fn, NULL), 0);
    return sn_group_wait(&g);
}

static void die_holding(bool writes, sn_fn *fn)
{
    (void)sn_run(holds_and_starts, &(struct starting){ writes, fn }, &(sn_run_opts){ .deadlock = SN_DEADLOCK_ALWAYS });
}

static void die_locking_twice(void)
{
    (void)sn_run(locks_twice, NULL, NULL);
}

static void die_locking_twice_in_a_thread(void)
{
    (void)locks_twice(NULL, NULL);
}

static void die_reading(void)
{
    (void)sn_run(reads_what_it_writes, NULL, NULL);
}

static void die_unlocking(void)
{
    sn_rwmutex_unlock(&held);
}

static void die_unlocking_readers(void)
{
    sn_rwmutex_rlock(&held);
    sn_rwmutex_unlock(&held);
}

static void die_unlocking_anothers(void)
{
    die_holding(true, unlocks_anothers);
}

static void die_runlocking(void)
{
    sn_rwmutex_runlock(&held);
}

static void die_runlocking_a_writers(void)
{
    sn_rwmutex_lock(&held);
    sn_rwmutex_runlock(&held);
}

static void die_waiting_for_a_writer(void)
{
    die_holding(true, locks_anothers);
}

static void die_waiting_for_readers(void)
{
    die_holding(false, writes_behind_readers);
}

TEST(misuse_panics)
{
    check_dies(die_locking_twice, "sn_rwmutex_lock: this task or thread holds it as the writer already");
    check_dies(die_locking_twice_in_a_thread, "in a plain thread");
    check_dies(die_reading, "sn_rwmutex_rlock: this task or thread holds it as the writer");
    check_dies(die_unlocking, "sn_rwmutex_unlock: this task or thread is not the writer");
    check_dies(die_unlocking_readers, "sn_rwmutex_unlock: this task or thread is not the writer");
    check_dies(die_unlocking_anothers, "sn_rwmutex_unlock: this task or thread is not the writer");
    check_dies(die_runlocking, "sn_rwmutex_runlock: there is no reader");
    check_dies(die_runlocking_a_writers, "sn_rwmutex_runlock: there is no reader");
    check_dies(die_waiting_for_a_writer, "locking an rwmutex for reading held by task ");
    check_dies(die_waiting_for_readers, "locking an rwmutex held by 1 readers");
}
