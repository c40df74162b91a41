/* The deque of fresh tasks in the model: an owner and two thieves; each task is had once, whatever the memory does. */
#include "sched/deque.h"

#include "model/model_test.h"

enum { TASKS = 6 };

struct game {
    struct sni_deque d;
    char tasks[TASKS * 4];       /* what they are, plainly: published by the deque */
    uint32_t taken[TASKS * 4];   /* (a) how often each was */
    uint32_t left;               /* (a) */
};

static struct sni_task *task_of(struct game *g, int i)
{
    return (struct sni_task *)&g->tasks[i]; /* never looked into as such */
}

static void took(struct game *g, struct sni_task *t)
{
    int64_t i = (char *)t - g->tasks;
    CHECK(i >= 0 && i < TASKS * 4);
    CHECK_EQ(g->tasks[i], i + 1);
    CHECK_EQ(__atomic_fetch_add(&g->taken[i], 1, __ATOMIC_RELAXED), 0);
    (void)__atomic_fetch_sub(&g->left, 1, __ATOMIC_RELAXED);
}

static void *steals(void *arg)
{
    struct game *g = arg;
    for (int i = 0; i < 4; i++) {
        struct sni_task *t = sni_deque_steal(&g->d);
        if (t)
            took(g, t);
    }
    return NULL;
}

static void push(struct game *g, int i)
{
    g->tasks[i] = (char)(i + 1);
    CHECK_EQ(sni_deque_push(&g->d, task_of(g, i)), 0);
}

static void take(struct game *g)
{
    struct sni_task *t = sni_deque_take(&g->d);
    if (t)
        took(g, t);
}

static void end(struct game *g, struct sni_os_thread *thieves, int n)
{
    struct sni_task *t;
    for (int i = 0; i < n; i++)
        model_join(thieves[i]);
    while ((t = sni_deque_take(&g->d)) != NULL)
        took(g, t);
    CHECK_EQ(g->left, 0);
    sni_deque_destroy(&g->d);
}

MODEL(owner_and_thieves)
{
    struct game *g = sni_os_alloc(sizeof *g);
    struct sni_os_thread thieves[2];
    (void)arg;
    g->left = TASKS;
    CHECK_EQ(sni_deque_init(&g->d), 0);
    push(g, 0);
    for (int i = 0; i < 2; i++)
        thieves[i] = model_thread(steals, g);
    for (int i = 1; i < TASKS; i++) {
        push(g, i);
        if (sni_model_choose(2))
            take(g);
    }
    take(g);
    take(g);
    end(g, thieves, 2);
    sni_os_free(g, sizeof *g);
}

/* The last one is wanted by all at once, again and again. */
MODEL(the_last_one)
{
    struct game *g = sni_os_alloc(sizeof *g);
    struct sni_os_thread thieves[2];
    (void)arg;
    g->left = TASKS;
    CHECK_EQ(sni_deque_init(&g->d), 0);
    for (int i = 0; i < 2; i++)
        thieves[i] = model_thread(steals, g);
    for (int i = 0; i < TASKS; i++) {
        push(g, i);
        take(g);
    }
    end(g, thieves, 2);
    sni_os_free(g, sizeof *g);
}

/* The array is outgrown while thieves look at it. */
MODEL(growth)
{
    struct game *g = sni_os_alloc(sizeof *g);
    struct sni_os_thread thief;
    (void)arg;
    g->left = TASKS * 4;
    CHECK_EQ(sni_deque_init(&g->d), 0);
    g->d.array->mask = 3; /* a small one, of which the rest is not used */
    thief = model_thread(steals, g);
    for (int i = 0; i < TASKS * 4; i++)
        push(g, i);
    end(g, &thief, 1);
    sni_os_free(g, sizeof *g);
}
