/* Latch: a count in the word of a waitable.
 *
 *     word = count << 2 | WAITERS | BUSY
 *
 * The count changes under BUSY only. */
#include "sennit/latch.h"

#include "sennit/error.h"
#include "sync/waitable.h"

#include <stdio.h>

enum { ONE = 4 };

_Static_assert(sizeof(sn_latch) == sizeof(struct sni_waitable), "sn_latch has the wrong size");

static struct sni_waitable *inside(const sn_latch *l)
{
    return (struct sni_waitable *)(uintptr_t)l->sni_;
}

static void describe(const void *object, char *buf, size_t size)
{
    uint64_t word;

    if (sni_peek(&word, object, sizeof word))
        (void)snprintf(buf, size, "(%llu left)", (unsigned long long)(word / ONE));
}

static const struct sni_reason waiting = { "waiting for a latch", describe, NULL, NULL };

static bool is_open(const sn_waitable *w, void *arg)
{
    (void)arg;
    return sni_load_rlx(&((const struct sni_waitable *)(const void *)w)->word) < ONE;
}

static const sn_waitable_ops opening = { .name = "a latch", .ready = is_open };

void sn_latch_init(sn_latch *latch, int n)
{
    sni_check(n >= 0, "sn_latch_init: %d", n);
    *latch = (sn_latch)SN_LATCH_INIT(n);
}

void sn_latch_count_down(sn_latch *latch, int n)
{
    struct sni_waitable *l = inside(latch);

    sni_point("counts down %latch", latch);
    uint64_t w = sni_word_lock(&l->word);
    if (n < 0 || w / ONE < (uint64_t)n) {
        sni_word_give(&l->word, w);
        sni_panic("sn_latch_count_down: by %d, but %llu are left", n, (unsigned long long)(w / ONE));
    }
    sni_store_rlx(&l->word, (w | SNI_BUSY) - (uint64_t)n * ONE); /* published when it is given */
    sni_waitable_changed(l);
    sni_point(NULL, NULL);
}

int sn_latch_wait(sn_ctx *ctx, sn_latch *latch)
{
    struct sni_waitable *l = inside(latch);
    struct sni_wait *self;
    int r;

    /* Zero with neither flag: nobody is at work on it. Pairs with the release in sni_waitable_give. */
    if ((r = sni_begin(&ctx, &self, "waits for %latch", latch)) != 0 || sni_load_acq(&l->word) == 0)
        return r;
    return sni_waitable_park(l, &opening, NULL, ctx, self, &waiting);
}

sn_case sn_on_latch(sn_latch *latch)
{
    return sni_case_waitable((struct sn_waitable *)latch, &opening, NULL);
}

int sn_latch_count(const sn_latch *latch)
{
    return (int)(sni_load_rlx(&inside(latch)->word) / ONE);
}
