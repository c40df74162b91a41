/* Model tests: a body that is run once per seed, as thread 0 of the model.
 *
 *     MODEL(what_must_hold) { ... CHECK(...); }
 *
 * MODEL_SEEDS says how many seeds (300), MODEL_SEED is one to replay. */
#ifndef SNI_MODEL_TEST_H
#define SNI_MODEL_TEST_H

#include "model/model.h"
#include "os/os.h"
#include "sn_test.h"

#include <signal.h>

static inline void model_seeds(const char *name, void (*body)(void *arg), void *arg)
{
    const char *one = getenv("MODEL_SEED"), *many = getenv("MODEL_SEEDS");
    uint64_t first = one ? strtoull(one, NULL, 0) : 1, n = one ? 1 : many ? strtoull(many, NULL, 0) : 300;

    sni_model_name(name);
    for (uint64_t seed = first; seed < first + n; seed++) {
        /* In a process of its own: what the library keeps for the process's life must not make a seed mean two things. */
        int status;
        pid_t pid = one ? 0 : fork();
        if (pid == 0) {
            sni_model_run(seed, body, arg);
            if (!one)
                _exit(0);
        } else if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
            if (pid > 0 && WIFSIGNALED(status) && WTERMSIG(status) != SIGABRT) /* else it has said why */
                fprintf(stderr, "model: %s: killed by signal %d; replay with MODEL_SEED=%llu\n", name, WTERMSIG(status),
                        (unsigned long long)seed);
            abort();
        }
    }
}

#define MODEL(name)                                                             \
    static void model_##name(void *arg);                                        \
    static void test_##name(void)                                               \
    {                                                                           \
        model_seeds(#name, model_##name, NULL);                                 \
    }                                                                           \
    __attribute__((constructor)) static void add_##name(void)                   \
    {                                                                           \
        static struct test t = { #name, test_##name, NULL };                    \
        t.next = tests;                                                         \
        tests = &t;                                                             \
    }                                                                           \
    static void model_##name(void *arg)

/* A thread of the model. */
static inline struct sni_os_thread model_thread(void *(*fn)(void *), void *arg)
{
    struct sni_os_thread t;

    if (sni_os_thread_start(&t, fn, arg, "model") < 0)
        sni_model_fail("too many threads");
    return t;
}

static inline void model_join(struct sni_os_thread t)
{
    sni_os_thread_join(&t);
}

/* In a model CHECK must name the seed. */
#undef CHECK
#define CHECK(cond)                                                             \
    do {                                                                        \
        if (!(cond))                                                            \
            sni_model_fail("%s:%d: failed: %s", __FILE__, __LINE__, #cond);     \
    } while (0)

#undef CHECK_EQ
#define CHECK_EQ(got, want)                                                                         \
    do {                                                                                            \
        int64_t got_ = (int64_t)(got), want_ = (int64_t)(want);                                     \
        if (got_ != want_)                                                                          \
            sni_model_fail("%s:%d: %s is %lld, not %lld", __FILE__, __LINE__, #got, (long long)got_, \
                           (long long)want_);                                                       \
    } while (0)

#endif
