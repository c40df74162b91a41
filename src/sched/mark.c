/* High-water marks of stacks, by start site.
 *
 * While marks are kept, a stack is zero below what runs on it: new memory is, and what was used is cleaned when a task ends.
 * So the lowest word that is not zero is how deep the task has been, or a little less if its deepest frame ended in
 * zeros. Only pages that have memory are looked at. */
#include "sched/mark.h"

#include "os/os.h"
#include "sched/alloc.h"
#include "sennit/error.h"

#include <stdlib.h>

enum { BUCKETS = 256, RED_ZONE = 512 /* below the caller's frame: what it and its callees still use */ };

struct mark {
    struct mark *next; /* in its bucket */
    const char *site;  /* (c) */
    uint64_t tasks;    /* (marks_lock) */
    size_t bytes;      /* (marks_lock) the deepest */
};

struct sni_marks {
    size_t n;                      /* (marks_lock) */
    struct mark *buckets[BUCKETS]; /* (marks_lock) */
};

#if defined(__clang__) || defined(__GNUC__)
#define RAW __attribute__((no_sanitize_address, noinline)) /* these look at frames that are no more */
#endif
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#undef RAW
#define RAW __attribute__((no_sanitize("thread"), noinline))
#endif
#endif

RAW static char *lowest_used(char *low, char *top)
{
    volatile uint64_t *p = (volatile uint64_t *)sni_os_first_touched(low, (size_t)(top - low));

    while ((char *)p < top && *p == 0)
        p++;
    return (char *)p;
}

RAW static void clean(char *from, char *to)
{
    for (volatile uint64_t *p = (volatile uint64_t *)from; (char *)p < to; p++)
        *p = 0;
}

void sni_mark_clean(char *low, char *top)
{
    clean(lowest_used(low, top), top);
}

static unsigned bucket_of(const char *site)
{
    return (unsigned)((uintptr_t)site >> 4) % BUCKETS;
}

static void note(struct sni_rt *rt, const char *site, size_t bytes)
{
    struct sni_marks *marks;
    struct mark *m;

    sni_spin_lock(&rt->marks_lock);
    if (!(marks = rt->marks))
        marks = rt->marks = sni_alloc(sizeof *marks); /* without memory nothing is noted */
    for (m = marks ? marks->buckets[bucket_of(site)] : NULL; m && m->site != site; m = m->next)
        ;
    if (!m && marks && (m = sni_alloc(sizeof *m))) {
        m->site = site;
        m->next = marks->buckets[bucket_of(site)];
        marks->buckets[bucket_of(site)] = m;
        marks->n++;
    }
    if (m) {
        m->tasks++;
        m->bytes = bytes > m->bytes ? bytes : m->bytes;
    }
    sni_spin_unlock(&rt->marks_lock);
}

void sni_mark_end(struct sni_rt *rt, const struct sni_task *task)
{
    char *low = sni_stack_low(&rt->stacks, task->stack) + SNI_STACK_GUARD;
    char *used = lowest_used(low, task->stack);

    note(rt, task->site, (size_t)(task->stack - used));
    char *end = (char *)(((uintptr_t)__builtin_frame_address(0) - RED_ZONE) & ~(uintptr_t)7);
    if (used < end)
        clean(used, end);
}

static int deepest_first(const void *a, const void *b)
{
    const struct mark *x = *(struct mark *const *)a, *y = *(struct mark *const *)b;

    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

int sni_marks_each(struct sni_rt *rt, void (*fn)(const char *site, uint64_t tasks, size_t bytes, void *arg), void *arg)
{
    struct sni_marks *marks = rt->marks;
    struct mark **all;
    size_t n = 0;

    if (!marks)
        return 0;
    if (!(all = sni_alloc(marks->n * sizeof *all)))
        return SN_ENOMEM;
    for (int i = 0; i < BUCKETS; i++)
        for (struct mark *m = marks->buckets[i]; m; m = m->next)
            all[n++] = m;
    qsort(all, n, sizeof(struct mark *), deepest_first);
    for (size_t i = 0; i < n; i++)
        fn(all[i]->site, all[i]->tasks, all[i]->bytes, arg);
    sni_free(all, n * sizeof *all);
    return 0;
}

void sni_marks_destroy(struct sni_rt *rt)
{
    struct mark *m, *next;

    for (int i = 0; rt->marks && i < BUCKETS; i++)
        for (m = rt->marks->buckets[i]; m; m = next) {
            next = m->next;
            sni_free(m, sizeof *m);
        }
    if (rt->marks)
        sni_free(rt->marks, sizeof *rt->marks);
    rt->marks = NULL;
}
