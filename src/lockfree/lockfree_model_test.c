/* What never parks, in the model: each object between plain threads. Memory is freed, and written plainly, as soon as the
 * header says that it may be. */
#include "model/model_test.h"

/* --- counter: adds against takes --- */

struct counted {
    sn_counter c;
    int64_t taken[2];
};

static void *adds(void *arg)
{
    struct counted *s = arg;
    for (int i = 0; i < 3; i++)
        sn_counter_add(&s->c, 1);
    return NULL;
}

static void *takes(void *arg)
{
    struct counted *s = arg;
    for (int i = 0; i < 2; i++)
        s->taken[i] = sn_counter_take(&s->c);
    return NULL;
}

MODEL(counter)
{
    static struct counted s;
    (void)arg;
    memset(&s, 0, sizeof s);
    struct sni_os_thread a = model_thread(adds, &s), b = model_thread(adds, &s), c = model_thread(takes, &s);
    int64_t before = sn_counter_sum(&s.c);
    CHECK(before >= 0 && before <= 6);
    model_join(a);
    model_join(b);
    model_join(c);
    CHECK_EQ(s.taken[0] + s.taken[1] + sn_counter_sum(&s.c), 6);
}

/* --- flag: as a lock for who does not wait --- */

struct owned {
    sn_flag f;
    int n; /* the owner's */
    int had; /* (a) */
};

static void *wins_or_not(void *arg)
{
    struct owned *o = arg;
    for (int i = 0; i < 2; i++)
        if (!sn_flag_test_and_set(&o->f)) {
            o->n++;
            (void)__atomic_fetch_add(&o->had, 1, __ATOMIC_RELAXED);
            sn_flag_clear(&o->f);
        }
    return NULL;
}

MODEL(flag_has_one_owner)
{
    struct owned o = { .n = 0 };
    (void)arg;
    struct sni_os_thread a = model_thread(wins_or_not, &o), b = model_thread(wins_or_not, &o);
    (void)wins_or_not(&o);
    model_join(a);
    model_join(b);
    CHECK_EQ(o.n, o.had);
    CHECK(o.n > 0);
}

/* --- flag: who finds it set sees what all setters had written --- */

struct stale {
    sn_flag f;
    int first, second; /* written plainly, each by one */
    int set;           /* (a) orders nothing */
};

static void *writes_first(void *arg)
{
    struct stale *s = arg;
    s->first = 1;
    sn_flag_set(&s->f);
    (void)__atomic_fetch_add(&s->set, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void *writes_second(void *arg)
{
    struct stale *s = arg;
    s->second = 1;
    sn_flag_set(&s->f);
    (void)__atomic_fetch_add(&s->set, 1, __ATOMIC_RELAXED);
    return NULL;
}

MODEL(flag_of_two_setters)
{
    struct stale s = { .first = 0 };
    (void)arg;
    struct sni_os_thread a = model_thread(writes_first, &s), b = model_thread(writes_second, &s);
    bool both = __atomic_load_n(&s.set, __ATOMIC_RELAXED) == 2;
    bool was_set = sn_flag_test_and_clear(&s.f); /* after both, or else neither's acquire would let its count be seen */
    if (both) {
        CHECK(was_set);
        CHECK_EQ(s.first, 1);
        CHECK_EQ(s.second, 1);
    }
    model_join(a);
    model_join(b);
    CHECK(both || sn_flag_test(&s.f) || was_set);
}
