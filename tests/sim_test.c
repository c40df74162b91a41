/* Simulation: the contract of sennit/sim.h. */
#include "sn_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

TEST_WITHOUT_FAULTS("runs of a search fail, as they should, and it is their failure that is searched for");

typedef sn_chan_of(int) int_chan;

/* A fork of a process under ThreadSanitizer takes tens of milliseconds. */
enum { FEW = TEST_TSAN ? 20 : 100, MANY = TEST_TSAN ? 50 : 300 };

/* The clock that no simulation moves. */
static int64_t real_now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SN_SEC(1) + t.tv_nsec;
}

/* --- the same seed, the same order --- */

static int talks(sn_ctx *ctx, void *arg)
{
    int_chan *chans = arg;
    for (int i = 0; i < 20; i++) {
        int in, out = i;
        sn_case cases[] = { sn_on_recv(chans[0], &in), sn_on_send(chans[1], &out), sn_on_after(SN_US(sn_random() % 50)) };
        int k = sn_select(ctx, cases, 3);
        CHECK(k >= 0);
        if (k == 2)
            CHECK_EQ(sn_sleep(ctx, SN_US(3)), 0);
    }
    return 0;
}

static int many_talk(sn_ctx *ctx, void *arg)
{
    int_chan chans[2];
    sn_group g;
    (void)arg;
    for (int i = 0; i < 2; i++)
        CHECK_EQ(sn_chan_make(&chans[i], 2), 0);
    sn_group_init(&g, ctx);
    for (int i = 0; i < 6; i++) {
        int_chan mine[2] = { chans[i % 2], chans[1 - i % 2] };
        CHECK_EQ(sn_group_go_copy(&g, talks, &mine), 0);
    }
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < 2; i++)
        sn_chan_free(chans[i]);
    return 0;
}

static sn_sim_result result_of(uint64_t seed, sn_sim_strategy strategy)
{
    sn_sim_result result;
    CHECK_EQ(sn_sim_run(many_talk, NULL, &(sn_sim_opts){ .seed = seed, .strategy = strategy, .result = &result }), 0);
    CHECK(result.steps > 100 && result.switches > 20 && result.elapsed_ns >= (int64_t)result.steps * 100);
    CHECK_EQ(result.runs, 1);
    CHECK_EQ(result.error, 0);
    CHECK(result.plan[0] == '\0');
    return result;
}

TEST(a_seed_gives_the_same_order)
{
    for (int strategy = SN_SIM_RANDOM; strategy <= SN_SIM_ROBIN; strategy++)
        for (uint64_t seed = 1; seed < 10; seed++) {
            sn_sim_result a = result_of(seed, (sn_sim_strategy)strategy), b = result_of(seed, (sn_sim_strategy)strategy);
            CHECK(memcmp(&a, &b, sizeof a) == 0);
            CHECK(result_of(seed + 100, (sn_sim_strategy)strategy).hash != a.hash);
        }
}

/* And on every machine. Who changes where scheduling points are, or how choices are made, changes these numbers. */
TEST(on_every_machine)
{
    CHECK_EQ(result_of(42, SN_SIM_RANDOM).hash, 0x8043fffb4d508640);
    CHECK_EQ(result_of(42, SN_SIM_PCT).hash, 0xc7f0d24dd25aab4d);
    CHECK_EQ(result_of(42, SN_SIM_ROBIN).hash, 0xbdc9a017eb58f2fd);
}

/* --- virtual time --- */

static int sleeps_long(sn_ctx *ctx, void *arg)
{
    int64_t begin = sn_now(), *woken = arg;
    CHECK_EQ(sn_sleep(ctx, SN_SEC(3600)), 0);
    CHECK(sn_now() - begin >= SN_SEC(3600));
    CHECK(sn_now() - begin < SN_SEC(3600) + SN_MS(1)); /* no later than the steps of others take */
    *woken = sn_now();
    return 0;
}

static int hours(sn_ctx *ctx, void *arg)
{
    int64_t begin = sn_now(), woken[3];
    sn_group g;
    sn_ctx *soon;
    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(sn_group_go(&g, sleeps_long, &woken[i]), 0);
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_SEC(1800)), 0);
    CHECK_EQ(sn_ctx_wait(soon), SN_ETIMEDOUT);
    CHECK(sn_now() - begin >= SN_SEC(1800) && sn_now() - begin < SN_SEC(1801));
    sn_ctx_free(soon);
    CHECK_EQ(sn_group_wait(&g), 0);
    for (int i = 0; i < 3; i++)
        CHECK(woken[i] - begin >= SN_SEC(3600) && woken[i] - begin < SN_SEC(3601));
    return 0;
}

TEST(time_jumps)
{
    int64_t begin = real_now();
    sn_sim_result result;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        CHECK_EQ(sn_sim_run(hours, NULL, &(sn_sim_opts){ .seed = seed, .result = &result }), 0);
        CHECK(result.elapsed_ns >= SN_SEC(3600) && result.elapsed_ns < SN_SEC(3602));
    }
    CHECK(real_now() - begin < SN_SEC(1000)); /* of twenty hours */
    int64_t a = sn_now(), b = real_now(); /* afterwards it is the real one again */
    CHECK(a - b < SN_SEC(60) && b - a < SN_SEC(60));
}

/* A tick comes each second, whatever else goes on. */
static int ticks(sn_ctx *ctx, void *arg)
{
    sn_timer *t;
    int64_t begin = sn_now(), at;
    (void)arg;
    CHECK_EQ(sn_timer_new(&t), 0);
    CHECK_EQ(sn_timer_every(t, SN_SEC(1)), 0);
    for (int i = 1; i <= 100; i++) {
        CHECK_EQ(sn_chan_recv(ctx, sn_timer_chan(t), &at), 0);
        CHECK_EQ((at - begin + SN_MS(500)) / SN_SEC(1), i);
    }
    sn_timer_free(t);
    return 0;
}

TEST(timers_tick)
{
    CHECK_EQ(sn_sim_run(ticks, NULL, NULL), 0);
}

/* --- bugs: each is found --- */

static int run_both(sn_ctx *ctx, sn_fn *const fns[2], const char *const names[2], void *arg)
{
    sn_group g;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(sn_group_go_opts(&g, fns[i], arg, &(sn_task_opts){ .name = names[i] }), 0);
    return sn_group_wait(&g);
}

#define run_two(ctx, a, b, arg) run_both((ctx), (sn_fn *const[]){ a, b }, (const char *const[]){ #a, #b }, (arg))

/* A lost wake-up: the condition may come true between the look and the wait. */
struct flag {
    sn_mutex m;
    sn_cond c;
    bool set;
};

static int looks_then_waits(sn_ctx *ctx, void *arg)
{
    struct flag *f = arg;
    (void)ctx;
    sn_mutex_lock(&f->m);
    bool set = f->set;
    sn_mutex_unlock(&f->m);
    if (set)
        return 0;
    sn_mutex_lock(&f->m);
    sn_cond_wait(&f->c, &f->m);
    sn_mutex_unlock(&f->m);
    return 0;
}

static int looks_and_waits(sn_ctx *ctx, void *arg)
{
    struct flag *f = arg;
    (void)ctx;
    sn_mutex_lock(&f->m);
    while (!f->set)
        sn_cond_wait(&f->c, &f->m);
    sn_mutex_unlock(&f->m);
    return 0;
}

static int sets_flag(sn_ctx *ctx, void *arg)
{
    struct flag *f = arg;
    (void)ctx;
    sn_mutex_lock(&f->m);
    f->set = true;
    sn_mutex_unlock(&f->m);
    sn_cond_signal(&f->c);
    return 0;
}

static int lost_wakeup(sn_ctx *ctx, void *arg)
{
    struct flag f = { .set = false };
    (void)arg;
    return run_two(ctx, looks_then_waits, sets_flag, &f);
}

static int no_lost_wakeup(sn_ctx *ctx, void *arg)
{
    struct flag f = { .set = false };
    (void)arg;
    return run_two(ctx, looks_and_waits, sets_flag, &f);
}

/* Check, then act: what was true when it was looked at is not when it is acted upon. Plain code between two calls. */
static int claims_if_free(sn_ctx *ctx, void *arg)
{
    int *owners = arg;
    static sn_mutex m;
    (void)ctx;
    sn_mutex_lock(&m);
    bool is_free = *owners == 0;
    sn_mutex_unlock(&m);
    if (is_free)
        ++*owners;
    return 0;
}

static int check_then_act(sn_ctx *ctx, void *arg)
{
    int owners = 0;
    (void)arg;
    int r = run_two(ctx, claims_if_free, claims_if_free, &owners);
    return owners == 1 ? r : SN_EUSER;
}

/* A deadlock of two locks. */
static sn_mutex left, right;

static int left_then_right(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    sn_mutex_lock(&left);
    sn_mutex_lock(&right);
    sn_mutex_unlock(&right);
    sn_mutex_unlock(&left);
    return 0;
}

static int right_then_left(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    sn_mutex_lock(&right);
    sn_mutex_lock(&left);
    sn_mutex_unlock(&left);
    sn_mutex_unlock(&right);
    return 0;
}

static int two_locks(sn_ctx *ctx, void *arg)
{
    return run_two(ctx, left_then_right, right_then_left, arg);
}

/* A task that is left behind: it answers too late, to nobody. */
static int answers(sn_ctx *ctx, void *arg)
{
    int_chan c = *(int_chan *)arg;
    int answer = 42;
    (void)ctx;
    return sn_chan_send(sn_background(), c, &answer);
}

static int asks(sn_ctx *ctx, void *arg)
{
    static int_chan c; /* outlives us, as the task may */
    sn_ctx *soon;
    int answer;
    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 0), 0);
    CHECK_EQ(sn_task_go(answers, &c), 0);
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_US(50)), 0);
    int r = sn_chan_recv(soon, c, &answer);
    sn_ctx_free(soon);
    if (r < 0)
        return 0; /* without an answer then */
    sn_chan_free(c);
    return answer == 42 ? 0 : SN_EUSER;
}

static int fails_an_assertion(sn_ctx *ctx, void *arg)
{
    if (check_then_act(ctx, arg) < 0)
        abort();
    return 0;
}

static int faults(sn_ctx *ctx, void *arg)
{
    if (check_then_act(ctx, arg) < 0)
        raise(SIGSEGV);
    return 0;
}

static int exits(sn_ctx *ctx, void *arg)
{
    if (check_then_act(ctx, arg) < 0)
        _exit(7);
    return 0;
}

static int computes_for_ever(sn_ctx *ctx, void *arg)
{
    volatile bool for_ever = check_then_act(ctx, arg) < 0;
    while (for_ever)
        ;
    return 0;
}

struct bug {
    sn_fn *fn;
    int error, signal;
    uint64_t switches; /* no more than that when it is shrunk; with those of the runtime's own task */
};

static const struct bug bugs[] = {
    { lost_wakeup, 0, SIGABRT, 12 },
    { check_then_act, SN_EUSER, 0, 12 },
    { two_locks, 0, SIGABRT, 9 },
    { asks, SN_ELEFT, 0, 9 },
    { fails_an_assertion, 0, SIGABRT, 12 },
    { faults, 0, SIGSEGV, 12 },
    { exits, 0, 0, 12 },
    { computes_for_ever, 0, SIGKILL, 12 },
};

/* Runs it as the plan says: it must fail as it did. */
static void check_replay(const struct bug *bug, const char *plan)
{
    int status;
    pid_t pid = test_fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        (void)dup2(null, 2);
        CHECK(setenv("SENNIT_SEED", plan, 1) == 0);
        (void)alarm(5); /* for the one that computes for ever */
        if (bug->error && bug->error != SN_ELEFT)
            _exit(sn_run(bug->fn, NULL, NULL) == bug->error ? 11 : 12);
        _exit(sn_sim_explore(bug->fn, NULL, NULL) == 1 ? 11 : 12);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    if (bug->error)
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 11);
    else if (bug->signal == SIGKILL)
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM);
    else if (bug->signal)
        CHECK(TEST_ASAN || TEST_TSAN || (WIFSIGNALED(status) && WTERMSIG(status) == bug->signal));
    else
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void check_found(const struct bug *bug, sn_sim_strategy strategy)
{
    sn_sim_result result;
    sn_sim_opts opts = { .strategy = strategy, .quiet = true, .result = &result };
    if (bug->signal == SIGKILL)
        opts.run_max_ns = SN_MS(300);
    CHECK_EQ(sn_sim_explore(bug->fn, NULL, &opts), 1);
    CHECK_EQ(result.error, bug->error);
    if (!TEST_ASAN && !TEST_TSAN) /* who turn signals into an exit */
        CHECK_EQ(result.signal, bug->signal);
    CHECK(result.plan[0] != '\0');
    CHECK(result.switches <= bug->switches);
    CHECK(result.runs > 1 && result.runs < 1000);
    check_replay(bug, result.plan);
}

TEST(bugs_are_found_and_replayed)
{
    for (size_t i = 0; i < (TEST_TSAN ? 4 : sizeof bugs / sizeof *bugs); i++)
        check_found(&bugs[i], SN_SIM_MIXED);
}

TEST(by_each_strategy_that_draws)
{
    for (size_t i = 0; i < 3; i++) {
        check_found(&bugs[i], SN_SIM_RANDOM);
        check_found(&bugs[i], SN_SIM_PCT);
    }
}

TEST(what_is_right_passes)
{
    sn_sim_result result;
    CHECK_EQ(sn_sim_explore(no_lost_wakeup, NULL, &(sn_sim_opts){ .runs = MANY, .result = &result }), 0);
    CHECK_EQ(result.runs, MANY);
    CHECK(result.plan[0] == '\0' && result.error == 0 && result.signal == 0 && result.steps > 5);
    CHECK_EQ(sn_sim_explore(many_talk, NULL, &(sn_sim_opts){ .runs = FEW }), 0);
}

/* --- what it prints --- */

static void die_exploring(void)
{
    CHECK_EQ(sn_sim_explore(two_locks, NULL, NULL), 1);
    _exit(1);
}

TEST(it_says_what_and_how_to_replay)
{
    check_dies(die_exploring, "sennit: simulation: seed ");
    check_dies(die_exploring, "it ended by signal 6. It prints:\nsennit: ");
    check_dies(die_exploring, "\nsennit: deadlock: every task waits");
    check_dies(die_exploring, "\"left_then_right\", started at ");
    check_dies(die_exploring, "task 3 \"left_then_right\"  locks mutex 1\n");
    check_dies(die_exploring, "blocked: locking a mutex held by task ");
    check_dies(die_exploring, "sennit: to replay it: SENNIT_SEED=");
    check_dies(die_exploring, "sim_test it_says_what_and_how_to_replay\n");
}

static void die_traced(void)
{
    (void)sn_sim_run(no_lost_wakeup, NULL, &(sn_sim_opts){ .trace = true });
    _exit(1);
}

TEST(steps_are_traced)
{
    check_dies(die_traced, "task 2 \"main\"             starts task 3\n");
    check_dies(die_traced, "task 4 \"sets_flag\"        signals condition 1\n");
    check_dies(die_traced, "task 2 \"main\"             ends\n");
}

/* --- timers against those who are ready --- */

struct race {
    int_chan c;
    int late;
};

static int sends_at_once(sn_ctx *ctx, void *arg)
{
    struct race *r = arg;
    int v = 1;
    for (int i = 0; i < 3; i++)
        sn_yield();
    return sn_chan_send(ctx, r->c, &v);
}

static int has_patience(sn_ctx *ctx, void *arg)
{
    struct race r = { .late = 0 };
    sn_ctx *soon;
    sn_group g;
    int v;
    (void)arg;
    CHECK_EQ(sn_chan_make(&r.c, 1), 0);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go(&g, sends_at_once, &r), 0);
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_US(50)), 0); /* some steps take but a few hundred nanoseconds */
    int e = sn_chan_recv(soon, r.c, &v);
    sn_ctx_free(soon);
    CHECK_EQ(sn_group_wait(&g), 0);
    sn_chan_free(r.c);
    return e;
}

TEST(a_timer_may_come_first)
{
    sn_sim_result result;
    CHECK_EQ(sn_sim_explore(has_patience, NULL, &(sn_sim_opts){ .quiet = true, .result = &result }), 1);
    CHECK_EQ(result.error, SN_ETIMEDOUT);
    CHECK_EQ(sn_sim_explore(has_patience, NULL, &(sn_sim_opts){ .late_ns = -1, .runs = MANY }), 0);
    CHECK_EQ(sn_sim_explore(has_patience, NULL, &(sn_sim_opts){ .late_ns = SN_US(10), .runs = MANY }), 0);
}

/* --- an unchanged program --- */

static int counts_workers(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    *(int *)arg = sn_run_workers();
    CHECK(sn_now() < SN_SEC(3 * 86400)); /* virtual time begins after a day */
    return 7;
}

TEST(the_environment_simulates)
{
    int workers = 0;
    CHECK(setenv("SENNIT_SEED", "7", 1) == 0);
    CHECK_EQ(sn_run(counts_workers, &workers, NULL), 7);
    CHECK_EQ(workers, 4);
    CHECK_EQ(sn_run(counts_workers, &workers, &(sn_run_opts){ .workers = 9 }), 7);
    CHECK_EQ(workers, 9);
    CHECK(setenv("SENNIT_SEED", "pct:123456789012", 1) == 0);
    CHECK_EQ(sn_run(many_talk, NULL, NULL), 0);
    CHECK(setenv("SENNIT_SEED", "1@", 1) == 0);
    CHECK_EQ(sn_run(many_talk, NULL, NULL), 0);
    CHECK(setenv("SENNIT_SEED", "1@3=1,5=2,4000000000=99", 1) == 0);
    CHECK_EQ(sn_run(many_talk, NULL, NULL), 0);
    CHECK_EQ(sn_sim_explore(many_talk, NULL, NULL), 0); /* that one run */
    static const char *const wrong[] = { "x", "x:1", "-1", "1x", "1@x", "1@3", "1@3=", "1@3=1,", "1@3=1,2=1", "1@3=1;4=1",
                                         "pct:", ":1", "1@0=1", "1@3=4294967296", " 1", "99999999999999999999x" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(setenv("SENNIT_SEED", wrong[i], 1) == 0);
        CHECK_EQ(sn_run(many_talk, NULL, NULL), SN_EINVAL);
        CHECK_EQ(sn_sim_run(many_talk, NULL, NULL), SN_EINVAL);
        CHECK_EQ(sn_sim_explore(many_talk, NULL, NULL), SN_EINVAL);
        CHECK_EQ(sn_sim_run(many_talk, NULL, &(sn_sim_opts){ .seed = 3 }), 0); /* which does not ask */
    }
    CHECK(setenv("SENNIT_SEED", "", 1) == 0);
    CHECK_EQ(sn_sim_run(counts_workers, &workers, NULL), 7); /* set to nothing: not set */
    CHECK(unsetenv("SENNIT_SEED") == 0);
}

static void die_of_a_bad_seed(void)
{
    CHECK(setenv("SENNIT_SEED", "many", 1) == 0);
    CHECK_EQ(sn_run(many_talk, NULL, NULL), SN_EINVAL);
    _exit(1);
}

/* --- what else a task may do --- */

static int spins(sn_ctx *ctx, void *arg)
{
    int *flag = arg;
    (void)ctx;
    while (!*flag)
        sn_yield();
    return 0;
}

static int raises(sn_ctx *ctx, void *arg)
{
    int *flag = arg;
    (void)ctx;
    sn_yield();
    *flag = 1;
    return 0;
}

static int yields(sn_ctx *ctx, void *arg)
{
    int flag = 0;
    (void)arg;
    return run_two(ctx, spins, raises, &flag);
}

TEST(who_yields_lets_all_others_go)
{
    for (int strategy = SN_SIM_RANDOM; strategy <= SN_SIM_ROBIN; strategy++)
        CHECK_EQ(sn_sim_explore(yields, NULL, &(sn_sim_opts){ .strategy = (sn_sim_strategy)strategy, .runs = FEW }), 0);
    CHECK(setenv("SENNIT_SEED", "1@", 1) == 0); /* the default choices */
    CHECK_EQ(sn_run(yields, NULL, NULL), 0);
}

static int adds_in_a_call(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    return ++*(int *)arg;
}

static int does_all_kinds(sn_ctx *ctx, void *arg)
{
    static const char *const argv[] = { "true", NULL };
    int n = 0, fds[2];
    char b = 'x';
    sn_process p;
    sn_process_status status;
    sn_group g;
    (void)arg;
    CHECK_EQ(sn_blocking(ctx, adds_in_a_call, &n), 1);
    sn_group_init(&g, ctx);
    CHECK_EQ(sn_group_go_opts(&g, adds_in_a_call, &n, &(sn_task_opts){ .pinned = true }), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(n, 2);
    CHECK(pipe(fds) == 0); /* of the world outside */
    CHECK_EQ(sn_fd_write(ctx, fds[1], &b, 1), 1);
    CHECK_EQ(sn_fd_read(ctx, fds[0], &b, 1), 1);
    CHECK_EQ(sn_fd_close(fds[0]), 0);
    CHECK_EQ(sn_fd_close(fds[1]), 0);
    CHECK_EQ(sn_process_start(&p, argv, NULL), 0);
    CHECK_EQ(sn_process_wait(ctx, &p, &status), 0);
    CHECK_EQ(status.code, 0);
    return 0;
}

TEST(the_world_outside_goes_on)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        CHECK_EQ(sn_sim_run(does_all_kinds, NULL, &(sn_sim_opts){ .seed = seed }), 0);
}

static void *sends_from_outside(void *arg)
{
    int v = 5;
    usleep(20000);
    CHECK_EQ(sn_chan_send(NULL, *(int_chan *)arg, &v), 0);
    return NULL;
}

static int waits_for_a_thread(sn_ctx *ctx, void *arg)
{
    pthread_t thread;
    int_chan c;
    int v;
    (void)arg;
    CHECK_EQ(sn_chan_make(&c, 0), 0);
    CHECK(pthread_create(&thread, NULL, sends_from_outside, &c) == 0);
    CHECK_EQ(sn_chan_recv(ctx, c, &v), 0);
    CHECK_EQ(v, 5);
    CHECK(pthread_join(thread, NULL) == 0);
    sn_chan_free(c);
    return 0;
}

TEST(a_thread_may_help)
{
    CHECK_EQ(sn_sim_run(waits_for_a_thread, NULL, &(sn_sim_opts){ .run = &(sn_run_opts){ .deadlock = test_deadlock() } }), 0);
}

/* --- misuse --- */

static int explores_inside(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    CHECK_EQ(sn_sim_explore(many_talk, arg, NULL), SN_EINVAL);
    CHECK_EQ(sn_sim_run(many_talk, arg, NULL), SN_EINVAL);
    return 0;
}

static int never_ends(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    for (;;)
        sn_yield();
    return 0;
}

static void die_of_steps(void)
{
    (void)sn_sim_run(never_ends, NULL, &(sn_sim_opts){ .steps_max = 1000 });
}

static void die_of_deadlock(void)
{
    for (uint64_t seed = 1; seed < 1000; seed++)
        (void)sn_sim_run(two_locks, NULL, &(sn_sim_opts){ .seed = seed });
}

TEST(misuse_and_ends)
{
    CHECK_EQ(sn_sim_run(NULL, NULL, NULL), SN_EINVAL);
    CHECK_EQ(sn_sim_explore(NULL, NULL, NULL), SN_EINVAL);
    CHECK_EQ(sn_sim_run(many_talk, NULL, &(sn_sim_opts){ .strategy = (sn_sim_strategy)9 }), SN_EINVAL);
    CHECK_EQ(sn_sim_explore(many_talk, NULL, &(sn_sim_opts){ .budget_ns = -1 }), SN_EINVAL);
    CHECK_EQ(sn_sim_run(many_talk, NULL, &(sn_sim_opts){ .run = &(sn_run_opts){ .workers = -3 } }), SN_EINVAL);
    CHECK_EQ(sn_run(explores_inside, NULL, NULL), 0);
    CHECK_EQ(sn_sim_run(explores_inside, NULL, NULL), 0);
    CHECK_EQ(sn_start(NULL), 0);
    CHECK_EQ(sn_sim_run(many_talk, NULL, NULL), SN_EBUSY);
    CHECK_EQ(sn_sim_explore(many_talk, NULL, NULL), SN_EBUSY);
    CHECK_EQ(sn_stop(), 0);
    check_dies(die_of_steps, "sennit: panic: simulation: no end after 1000 steps");
    check_dies(die_of_deadlock, "sennit: deadlock: every task waits");
    check_dies(die_of_a_bad_seed, "sennit: SENNIT_SEED is [random:|pct:|robin:]number, or number@choice=which,...");
}

/* --- pipes --- */

enum { BYTES = 3000 };

struct stream {
    int fds[2];
    int reads, short_reads; /* how many there were */
};

static int writes_bytes(sn_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    char bytes[BYTES];
    for (int i = 0; i < BYTES; i++)
        bytes[i] = (char)(i * 7);
    CHECK_EQ(sn_fd_write(ctx, s->fds[1], bytes, BYTES), BYTES);
    return sn_fd_close(s->fds[1]);
}

static int reads_bytes(sn_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    char bytes[500];
    int64_t n;
    int at = 0;
    while ((n = sn_fd_read(ctx, s->fds[0], bytes, sizeof bytes)) > 0) {
        for (int64_t i = 0; i < n; i++, at++)
            CHECK(bytes[i] == (char)(at * 7));
        s->reads++;
        s->short_reads += n < (int64_t)sizeof bytes;
    }
    CHECK_EQ(n, 0);
    CHECK_EQ(at, BYTES);
    return sn_fd_close(s->fds[0]);
}

static int streams(sn_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    CHECK_EQ(sn_fd_pipe(s->fds), 0);
    return run_two(ctx, writes_bytes, reads_bytes, s);
}

TEST(pipes_come_late_and_in_parts)
{
    int64_t shortest = INT64_MAX, longest = 0;
    int short_reads = 0, most = 0, fewest = BYTES;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct stream s = { .reads = 0 };
        sn_sim_result a, b;
        CHECK_EQ(sn_sim_run(streams, &s, &(sn_sim_opts){ .seed = seed, .result = &a }), 0);
        short_reads += s.short_reads;
        most = s.reads > most ? s.reads : most;
        fewest = s.reads < fewest ? s.reads : fewest;
        longest = a.elapsed_ns > longest ? a.elapsed_ns : longest;
        shortest = a.elapsed_ns < shortest ? a.elapsed_ns : shortest;
        CHECK_EQ(sn_sim_run(streams, &s, &(sn_sim_opts){ .seed = seed, .result = &b }), 0);
        CHECK(memcmp(&a, &b, sizeof a) == 0); /* the kernel has no part in it */
    }
    CHECK(short_reads > 200);
    CHECK(most >= fewest + 4);
    CHECK(longest > SN_MS(3) && shortest < SN_MS(3)); /* by delays: the steps take microseconds */
}

/* A reader that takes a read for a message: true with every pipe that nobody has looked at closely. */
static int reads_a_message(sn_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    char text[16] = "";
    CHECK(sn_fd_read(ctx, s->fds[0], text, sizeof text) > 0);
    return strcmp(text, "hello") == 0 ? 0 : SN_EUSER;
}

static int writes_a_message(sn_ctx *ctx, void *arg)
{
    struct stream *s = arg;
    return sn_fd_write(ctx, s->fds[1], "hello", 6) == 6 ? 0 : SN_EIO;
}

static int messages(sn_ctx *ctx, void *arg)
{
    struct stream s;
    (void)arg;
    CHECK_EQ(sn_fd_pipe(s.fds), 0);
    int r = run_two(ctx, writes_a_message, reads_a_message, &s);
    CHECK_EQ(sn_fd_close(s.fds[0]), 0);
    CHECK_EQ(sn_fd_close(s.fds[1]), 0);
    return r;
}

TEST(a_read_is_no_message)
{
    sn_sim_result result;
    CHECK_EQ(sn_sim_explore(messages, NULL, &(sn_sim_opts){ .quiet = true, .result = &result }), 1);
    CHECK_EQ(result.error, SN_EUSER);
}

/* Nobody will ever write: a deadlock, though a descriptor is waited for. And time jumps over a wait for one. */
static int reads_in_vain(sn_ctx *ctx, void *arg)
{
    int fds[2];
    char b;
    sn_ctx *soon;
    (void)arg;
    CHECK_EQ(sn_fd_pipe(fds), 0);
    CHECK_EQ(sn_ctx_with_timeout(&soon, ctx, SN_SEC(3600)), 0);
    CHECK_EQ(sn_fd_read(soon, fds[0], &b, 1), SN_ETIMEDOUT);
    CHECK_EQ(sn_fd_wait(soon, fds[0], SN_FD_READ), SN_ETIMEDOUT);
    sn_ctx_free(soon);
    return (int)sn_fd_read(ctx, fds[0], &b, 1);
}

static void die_reading(void)
{
    (void)sn_sim_run(reads_in_vain, NULL, NULL);
}

TEST(a_pipe_that_nobody_writes_is_a_deadlock)
{
    check_dies(die_reading, "waiting for a file descriptor");
}

/* A pipe that another process has an end of is of the world outside. */
static int reads_from_a_process(sn_ctx *ctx, void *arg)
{
    static const char *const argv[] = { "sh", "-c", "sleep 0.1; echo hello", NULL };
    struct stream s;
    char text[16];
    size_t have = 0;
    int64_t n;
    sn_process p;
    sn_process_status status;
    (void)arg;
    CHECK_EQ(sn_fd_pipe(s.fds), 0);
    CHECK_EQ(sn_process_start(&p, argv, &(sn_process_opts){ .out = s.fds[1] + 1 }), 0);
    CHECK_EQ(sn_fd_close(s.fds[1]), 0);
    while ((n = sn_fd_read(ctx, s.fds[0], text + have, sizeof text - have)) > 0)
        have += (size_t)n;
    CHECK(n == 0 && have == 6 && memcmp(text, "hello\n", 6) == 0);
    CHECK_EQ(sn_process_wait(ctx, &p, &status), 0);
    return sn_fd_close(s.fds[0]);
}

TEST(a_pipe_to_a_process_is_outside)
{
    CHECK_EQ(sn_sim_run(reads_from_a_process, NULL, NULL), 0);
}
