#include "sched/deque.h"

#include "sched/alloc.h"
#include "sennit/error.h"

static size_t array_size(size_t slots)
{
    return sizeof(struct sni_deque_array) + slots * sizeof(struct sni_task *);
}

int sni_deque_init(struct sni_deque *d)
{
    struct sni_deque_array *a = sni_alloc(array_size(256));

    if (!a)
        return SN_ENOMEM;
    a->mask = 255;
    d->array = a;
    return 0;
}

void sni_deque_destroy(struct sni_deque *d)
{
    struct sni_deque_array *a = d->array, *older;

    for (; a; a = older) {
        older = a->older;
        sni_free(a, array_size(a->mask + 1));
    }
}

int sni_deque_grow(struct sni_deque *d)
{
    struct sni_deque_array *old = d->array;
    struct sni_deque_array *a = sni_alloc(array_size((old->mask + 1) * 2));

    if (!a)
        return SN_ENOMEM;
    a->mask = old->mask * 2 + 1;
    a->older = old;
    for (int64_t i = sni_load_acq(&d->top); i != d->bottom; i++)
        a->slots[(size_t)i & a->mask] = sni_load_rlx(&old->slots[(size_t)i & old->mask]);
    sni_store_rel(&d->array, a); /* pairs with the acquire of array in steal */
    return 0;
}
