/* The model's memory itself, by the classic litmus tests: with each order, the outcomes that C11 allows are seen, and those
 * that it forbids are not. */
#include "model/model_test.h"

enum { X, Y, VARIABLES, MOST = 4 };

static uint64_t memory[VARIABLES];
static uint64_t got[MOST];

struct litmus {
    void *(*threads[MOST])(void *);
    const int *orders;       /* of the accesses, as the threads use them */
    uint64_t weak[MOST];     /* the outcome in question */
    int nresults;
    bool allowed;
};

static int nth(const struct litmus *l, int i)
{
    return l->orders[i];
}

/* An access with an order that is known when it runs. */
static uint64_t load(int variable, int order)
{
    switch (order) {
    case __ATOMIC_RELAXED:
        return __atomic_load_n(&memory[variable], __ATOMIC_RELAXED);
    case __ATOMIC_ACQUIRE:
        return __atomic_load_n(&memory[variable], __ATOMIC_ACQUIRE);
    default:
        return __atomic_load_n(&memory[variable], __ATOMIC_SEQ_CST);
    }
}

static void store(int variable, uint64_t value, int order)
{
    switch (order) {
    case __ATOMIC_RELAXED:
        __atomic_store_n(&memory[variable], value, __ATOMIC_RELAXED);
        break;
    case __ATOMIC_RELEASE:
        __atomic_store_n(&memory[variable], value, __ATOMIC_RELEASE);
        break;
    default:
        __atomic_store_n(&memory[variable], value, __ATOMIC_SEQ_CST);
    }
}

enum { NO_FENCE = -1 };

static void fence(int order)
{
    switch (order) {
    case NO_FENCE:
        break;
    case __ATOMIC_ACQUIRE:
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        break;
    case __ATOMIC_RELEASE:
        __atomic_thread_fence(__ATOMIC_RELEASE);
        break;
    default:
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
    }
}

static void run_threads(void *arg)
{
    const struct litmus *l = arg;
    struct sni_os_thread threads[MOST];
    int n = 0;

    memset(memory, 0, sizeof memory);
    memset(got, 0, sizeof got);
    for (; n < MOST && l->threads[n]; n++)
        threads[n] = model_thread(l->threads[n], arg);
    for (int i = 0; i < n; i++)
        model_join(threads[i]);
}

/* Whether any of some thousand seeds shows the outcome. */
static bool is_seen(const struct litmus *l)
{
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        sni_model_run(seed, run_threads, (void *)(uintptr_t)l);
        if (memcmp(got, l->weak, (size_t)l->nresults * sizeof *got) == 0)
            return true;
    }
    return false;
}

#define RLX __ATOMIC_RELAXED
#define ACQ __ATOMIC_ACQUIRE
#define REL __ATOMIC_RELEASE
#define SEQ __ATOMIC_SEQ_CST
#define ORDERS(...) (const int[]){ __VA_ARGS__ }

static void check_litmus(const char *name, const struct litmus *l)
{
    sni_model_name(name);
    bool seen = is_seen(l);
    if (seen != l->allowed) {
        fprintf(stderr, "%s: %s\n", name, seen ? "seen, but forbidden" : "allowed, but never seen");
        abort();
    }
}

/* --- message passing: x = 1; y = 1  ||  r0 = y; r1 = x. Orders: of x's and y's stores, y's and x's loads; of a fence between
 * the stores, and of one between the loads. --- */

static void *mp_write(void *arg)
{
    const struct litmus *l = arg;
    store(X, 1, nth(l, 0));
    fence(nth(l, 4));
    store(Y, 1, nth(l, 1));
    return NULL;
}

static void *mp_read(void *arg)
{
    const struct litmus *l = arg;
    got[0] = load(Y, nth(l, 2));
    fence(nth(l, 5));
    got[1] = load(X, nth(l, 3));
    return NULL;
}

TEST(message_passing)
{
#define MP(may, ...) \
    check_litmus("MP " #__VA_ARGS__, &(struct litmus){ { mp_write, mp_read }, ORDERS(__VA_ARGS__), { 1, 0 }, 2, may })
    MP(true, RLX, RLX, RLX, RLX, NO_FENCE, NO_FENCE);
    MP(true, RLX, REL, RLX, RLX, NO_FENCE, NO_FENCE);
    MP(true, RLX, RLX, ACQ, RLX, NO_FENCE, NO_FENCE);
    MP(true, REL, RLX, RLX, ACQ, NO_FENCE, NO_FENCE);
    MP(false, RLX, REL, ACQ, RLX, NO_FENCE, NO_FENCE);
    MP(false, SEQ, SEQ, SEQ, SEQ, NO_FENCE, NO_FENCE);
    MP(false, RLX, RLX, ACQ, RLX, REL, NO_FENCE);
    MP(false, RLX, REL, RLX, RLX, NO_FENCE, ACQ);
    MP(false, RLX, RLX, RLX, RLX, REL, ACQ);
    MP(false, RLX, RLX, RLX, RLX, SEQ, SEQ);
    MP(true, RLX, RLX, RLX, RLX, REL, NO_FENCE);
    MP(true, RLX, RLX, RLX, RLX, NO_FENCE, ACQ);
}

/* --- store buffering: x = 1; r0 = y  ||  y = 1; r1 = x --- */

static void *sb_x(void *arg)
{
    const struct litmus *l = arg;
    store(X, 1, nth(l, 0));
    fence(nth(l, 2));
    got[0] = load(Y, nth(l, 1));
    return NULL;
}

static void *sb_y(void *arg)
{
    const struct litmus *l = arg;
    store(Y, 1, nth(l, 0));
    fence(nth(l, 3));
    got[1] = load(X, nth(l, 1));
    return NULL;
}

TEST(store_buffering)
{
#define SB(may, ...) \
    check_litmus("SB " #__VA_ARGS__, &(struct litmus){ { sb_x, sb_y }, ORDERS(__VA_ARGS__), { 0, 0 }, 2, may })
    SB(true, RLX, RLX, NO_FENCE, NO_FENCE);
    SB(true, REL, ACQ, NO_FENCE, NO_FENCE);
    SB(true, SEQ, ACQ, NO_FENCE, NO_FENCE);
    SB(true, REL, SEQ, NO_FENCE, NO_FENCE);
    SB(false, SEQ, SEQ, NO_FENCE, NO_FENCE);
    SB(false, RLX, RLX, SEQ, SEQ);
    SB(true, RLX, RLX, SEQ, NO_FENCE);
    SB(true, RLX, RLX, REL, ACQ);
}

/* --- coherence: x = 1; x = 2  ||  r0 = x; r1 = x --- */

static void *co_write(void *arg)
{
    const struct litmus *l = arg;
    store(X, 1, nth(l, 0));
    store(X, 2, nth(l, 0));
    return NULL;
}

static void *co_read(void *arg)
{
    const struct litmus *l = arg;
    got[0] = load(X, nth(l, 1));
    got[1] = load(X, nth(l, 1));
    return NULL;
}

TEST(load_load_coherence)
{
#define CO(may, a, b, ...) \
    check_litmus("CoRR " #__VA_ARGS__, &(struct litmus){ { co_write, co_read }, ORDERS(__VA_ARGS__), { a, b }, 2, may })
    CO(false, 2, 1, RLX, RLX);
    CO(false, 1, 0, RLX, RLX);
    CO(true, 1, 2, RLX, RLX);
    CO(true, 1, 1, RLX, RLX);
    CO(false, 2, 1, SEQ, SEQ);
}

/* --- independent reads of independent writes: x = 1 || y = 1 || r0 = x; r1 = y || r2 = y; r3 = x --- */

static void *iriw_x(void *arg)
{
    store(X, 1, nth(arg, 0));
    return NULL;
}

static void *iriw_y(void *arg)
{
    store(Y, 1, nth(arg, 0));
    return NULL;
}

static void *iriw_xy(void *arg)
{
    const struct litmus *l = arg;
    got[0] = load(X, nth(l, 1));
    fence(nth(l, 2));
    got[1] = load(Y, nth(l, 1));
    return NULL;
}

static void *iriw_yx(void *arg)
{
    const struct litmus *l = arg;
    got[2] = load(Y, nth(l, 1));
    fence(nth(l, 2));
    got[3] = load(X, nth(l, 1));
    return NULL;
}

TEST(independent_reads_of_independent_writes)
{
#define IRIW(may, ...)                                                                                          \
    check_litmus("IRIW " #__VA_ARGS__, &(struct litmus){ { iriw_x, iriw_y, iriw_xy, iriw_yx }, ORDERS(__VA_ARGS__), \
                                                         { 1, 0, 1, 0 }, 4, may })
    IRIW(true, RLX, RLX, NO_FENCE);
    IRIW(true, REL, ACQ, NO_FENCE);
    IRIW(false, SEQ, SEQ, NO_FENCE);
    IRIW(false, RLX, RLX, SEQ);
}

/* --- write to read causality: x = 1 || r0 = x; y = 1 || r1 = y; r2 = x --- */

static void *wrc_middle(void *arg)
{
    const struct litmus *l = arg;
    got[0] = load(X, nth(l, 1));
    store(Y, 1, nth(l, 2));
    return NULL;
}

static void *wrc_end(void *arg)
{
    const struct litmus *l = arg;
    got[1] = load(Y, nth(l, 3));
    got[2] = load(X, nth(l, 4));
    return NULL;
}

TEST(write_to_read_causality)
{
#define WRC(may, ...)                                                                                            \
    check_litmus("WRC " #__VA_ARGS__, &(struct litmus){ { iriw_x, wrc_middle, wrc_end }, ORDERS(__VA_ARGS__),     \
                                                        { 1, 1, 0 }, 3, may })
    WRC(true, RLX, RLX, RLX, RLX, RLX);
    WRC(false, RLX, RLX, REL, ACQ, RLX); /* it has read x, and its release says so */
    WRC(true, RLX, ACQ, RLX, ACQ, RLX);
    WRC(false, REL, ACQ, REL, ACQ, RLX);
}

/* --- a read-modify-write goes on with the release that it has read: x = 1; y =rel 1 || y +=rlx 1 || r0 =acq y (2); r1 = x --- */

static void *rs_add(void *arg)
{
    (void)arg;
    got[2] = __atomic_fetch_add(&memory[Y], 1, __ATOMIC_RELAXED);
    return NULL;
}

TEST(release_sequence)
{
    check_litmus("release sequence", &(struct litmus){ { mp_write, rs_add, mp_read },
                                                       ORDERS(RLX, REL, ACQ, RLX, NO_FENCE, NO_FENCE), { 2, 0, 1 }, 3, false });
    check_litmus("no release sequence", &(struct litmus){ { mp_write, rs_add, mp_read },
                                                          ORDERS(RLX, RLX, ACQ, RLX, NO_FENCE, NO_FENCE), { 2, 0, 1 }, 3, true });
}

/* --- the kernel's fence in all threads stands for one in each: SB with a fence on one side only --- */

static void *sb_heavy(void *arg)
{
    (void)arg;
    store(Y, 1, RLX);
    (void)sni_os_fence_all();
    got[1] = load(X, RLX);
    return NULL;
}

TEST(a_fence_in_all_threads)
{
    check_litmus("asymmetric SB", &(struct litmus){ { sb_x, sb_heavy }, ORDERS(RLX, RLX, NO_FENCE, NO_FENCE), { 0, 0 }, 2, false });
}

/* --- exchange: each increment counts, whatever the order --- */

static void *adds(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        (void)__atomic_fetch_add(&memory[X], 1, __ATOMIC_RELAXED);
    return NULL;
}

static void *swaps(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        uint64_t v = __atomic_load_n(&memory[X], __ATOMIC_RELAXED);
        while (!__atomic_compare_exchange_n(&memory[X], &v, v + 1, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            ;
    }
    return NULL;
}

MODEL(updates_are_atomic)
{
    memory[X] = 0;
    struct sni_os_thread a = model_thread(adds, arg), b = model_thread(swaps, arg);
    adds(arg);
    model_join(a);
    model_join(b);
    CHECK_EQ(__atomic_load_n(&memory[X], __ATOMIC_RELAXED), 9);
}

/* --- plain accesses --- */

static int plain;

static void *writes_plainly(void *arg)
{
    plain = 1;
    store(Y, 1, *(int *)arg);
    return NULL;
}

static void race(void *arg)
{
    memory[Y] = 0;
    struct sni_os_thread t = model_thread(writes_plainly, arg);
    if (load(Y, ACQ) == 1)
        CHECK_EQ(plain, 1);
    model_join(t);
    CHECK_EQ(plain, 1); /* ordered by the end of the thread */
    plain = 0;
}

static void die_racing(void)
{
    model_seeds("race", race, &(int){ RLX });
    _exit(0);
}

static void *reads_freed(void *arg)
{
    return (void *)(intptr_t)__atomic_load_n((uint64_t *)arg, __ATOMIC_RELAXED);
}

static void use_after_free(void *arg)
{
    (void)arg;
    uint64_t *p = sni_os_alloc(sizeof *p);
    struct sni_os_thread t = model_thread(reads_freed, p);
    sni_os_free(p, sizeof *p);
    model_join(t);
}

static void die_using_freed(void)
{
    model_seeds("use after free", use_after_free, NULL);
    _exit(0);
}

static void wait_for_nobody(void *arg)
{
    uint32_t word = 0;
    (void)arg;
    for (;;)
        (void)sni_os_futex_wait(&word, 0, INT64_MAX);
}

static void die_waiting(void)
{
    model_seeds("wait", wait_for_nobody, NULL);
    _exit(0);
}

static void fails_for_one_seed(void *arg)
{
    (void)arg;
    CHECK(sni_model_choose(100) != 0);
}

static void die_by_a_check(void)
{
    model_seeds("check", fails_for_one_seed, NULL);
    _exit(0);
}

TEST(what_is_wrong_is_told)
{
    model_seeds("no race", race, &(int){ REL });
    check_dies(die_racing, "data race");
    check_dies(die_using_freed, "freed memory");
    check_dies(die_waiting, "all threads wait for ever");
    check_dies(die_by_a_check, "replay with MODEL_SEED=");
}
