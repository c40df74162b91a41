/* Stacks when there are not enough, and where they lie. */
#include "sched/stack.h"

#include "sn_test.h"

#include "sched/rt.h"

#include <malloc.h>
#include <sys/resource.h>

static size_t address_space(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    CHECK(f && fscanf(f, "%zu", &pages) == 1);
    (void)fclose(f);
    return pages * 4096;
}

/* From now on there is address space for `bytes` more. A sanitizer's shadow would not know where to go. */
static bool limit_memory(size_t bytes)
{
    struct rlimit limit;

    if (TEST_ASAN || TEST_TSAN)
        return false;
    CHECK(mallopt(M_ARENA_MAX, 1) == 1); /* one for a second thread would take 64 MiB of it, at some moment or other */
    CHECK(getrlimit(RLIMIT_AS, &limit) == 0);
    limit.rlim_cur = address_space() + bytes;
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    struct rlimit now;
    CHECK(getrlimit(RLIMIT_AS, &now) == 0);
    if (now.rlim_cur == limit.rlim_cur)
        return true;
    test_left_out("too little memory for all stacks", "the limit is ignored here");
    return false;
}

enum { TASKS = 2000 };

static long ran, together, most;

static int needs_a_stack(sn_ctx *ctx, void *arg)
{
    long n = sni_add_rlx(&together, 1) + 1, m = sni_load_rlx(&most);

    (void)ctx;
    (void)arg;
    while (n > m && !sni_cas_rlx(&most, &m, n))
        ;
    for (int i = 0; i < 100; i++)
        sn_yield(); /* needs no memory */
    (void)sni_add_rlx(&together, -1);
    (void)sni_add_rlx(&ran, 1);
    return 0;
}

static int crowd(sn_ctx *ctx, void *arg)
{
    bool limited = limit_memory((size_t)64 << 20); /* some 256 stacks */
    sn_group g;

    (void)arg;
    ran = most = 0;
    sn_group_init(&g, ctx);
    for (int i = 0; i < TASKS; i++)
        CHECK_EQ(sn_group_go(&g, needs_a_stack, NULL), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK_EQ(ran, TASKS);
    CHECK(!limited || most < 600); /* or the limit did not bite, and nothing was shown */
    return 0;
}

static void in_a_child(sn_fn *fn, int workers)
{
    pid_t pid = fork();
    int status;

    CHECK(pid >= 0);
    if (pid == 0)
        _exit(sn_run(fn, NULL, &(sn_run_opts){ .workers = workers }) == 0 ? 0 : 1);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_UNLESS_INJECTED(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(tasks_wait_for_a_stack)
{
    in_a_child(crowd, 1);
    in_a_child(crowd, 2);
}

/* A task whose start needs one that only a later task can give back: the waiting ones are served in order. */
static int chain(sn_ctx *ctx, void *arg)
{
    sn_group g;
    int depth = *(int *)arg - 1, r;

    if (depth == 0)
        return 0;
    sn_group_init(&g, ctx);
    r = sn_group_go(&g, chain, &depth);
    int e = sn_group_wait(&g);
    return r < 0 ? r : e;
}

static int chains(sn_ctx *ctx, void *arg)
{
    int depth = 150;
    sn_group g;

    (void)arg;
    (void)limit_memory((size_t)128 << 20);
    sn_group_init(&g, ctx);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(sn_group_go(&g, chain, &depth), 0);
    return sn_group_wait(&g);
}

TEST(deep_chains_fit)
{
    in_a_child(chains, 2);
}

static char *tops[64];

static int tell_top(sn_ctx *ctx, void *arg)
{
    int i = *(int *)arg;

    tops[i] = sni_self()->own.current->stack;
    return sn_ctx_wait(ctx) == SN_ECANCELED ? 0 : 1;
}

static int spread(sn_ctx *ctx, void *arg)
{
    struct sni_stacks *s = &sni_self()->own.rt->stacks;
    bool seen[64] = { false };
    int places = 0;
    sn_group g;

    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < 64; i++)
        CHECK_EQ(sn_group_go_copy(&g, tell_top, &i), 0);
    for (int i = 0; i < 64; i++)
        while (tops[i] == NULL)
            sn_yield();
    for (int i = 0; i < 64; i++) {
        CHECK_EQ((uintptr_t)tops[i] % 16, 0);
        char *low = sni_stack_low(s, tops[i]);
        CHECK_EQ((uintptr_t)low % 4096, 0);
        CHECK(sni_stack_of_guard(sni_self()->own.rt, (uintptr_t)low) == tops[i]);
        CHECK(sni_stack_of_guard(sni_self()->own.rt, (uintptr_t)low + SNI_STACK_GUARD - 1) == tops[i]);
        CHECK(sni_stack_of_guard(sni_self()->own.rt, (uintptr_t)low + SNI_STACK_GUARD) == NULL);
        CHECK(sni_stack_of_guard(sni_self()->own.rt, (uintptr_t)tops[i]) == NULL);
        unsigned line = (unsigned)((uintptr_t)tops[i] % 4096 / 64);
        places += !seen[line];
        seen[line] = true;
    }
    CHECK(places >= 8);
    sn_group_cancel(&g);
    return sn_group_wait(&g);
}

TEST(tops_spread_over_cache_lines_and_guards_are_known)
{
    CHECK_EQ(sn_run(spread, NULL, &(sn_run_opts){ .workers = 1 }), 0);
}
