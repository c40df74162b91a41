/* Future: a waitable that becomes ready once.
 *
 *     word = SET | CLAIMED | WAITERS | BUSY
 *
 *     0 -> CLAIMED             set, fail: the first to come, who alone writes value and error
 *     CLAIMED -> CLAIMED|SET   the same one, under BUSY, when they are written
 *
 * The value lies behind it, in the user's variable: it is copied without a lock, however large it is. */
#include "sennit/future.h"

#include "sennit/error.h"
#include "sync/waitable.h"

#include <string.h>

enum { CLAIMED = 4, SET = 8 };

struct future {
    struct sni_waitable waitable;
    int64_t error; /* const once SET */
} __attribute__((may_alias));

_Static_assert(sizeof(struct future) == sizeof(sn_rawfuture), "sn_rawfuture has the wrong size");

static const struct sni_reason waiting = { "waiting for a future", NULL, NULL, NULL };

static struct future *inside(const sn_rawfuture *f)
{
    return (struct future *)(uintptr_t)f->sni_;
}

static bool is_set(const sn_waitable *w, void *arg)
{
    (void)arg;
    return (sni_load_rlx(&((const struct future *)(const void *)w)->waitable.word) & SET) != 0;
}

static int outcome(sn_waitable *w, void *arg)
{
    (void)arg;
    return (int)((const struct future *)(const void *)w)->error;
}

static const sn_waitable_ops being_set = { .name = "a future", .ready = is_set, .take = outcome };

/* False: another was first. */
static bool claim(struct future *f)
{
    uint64_t w = sni_load_rlx(&f->waitable.word);

    while (!(w & CLAIMED))
        if (sni_cas_acqrel(&f->waitable.word, &w, w | CLAIMED))
            return true;
    return false;
}

static void settle(struct future *f, int error)
{
    (void)sni_waitable_lock(f);
    f->error = error;
    sni_store_rlx(&f->waitable.word, sni_load_rlx(&f->waitable.word) | SET); /* published when it is given */
    sni_waitable_changed(f);
    sni_point(NULL, NULL);
}

int sn_rawfuture_set(sn_rawfuture *future, size_t at, const void *value, size_t size)
{
    struct future *f = inside(future);

    sni_point("sets %future", future);
    if (!claim(f))
        return SN_EEXIST;
    memcpy((char *)f + at, value, size);
    settle(f, 0);
    return 0;
}

int sn_rawfuture_fail(sn_rawfuture *future, int error)
{
    struct future *f = inside(future);

    sni_check(error < 0, "sn_future_fail: %d is no error", error);
    sni_point("fails %future", future);
    if (!claim(f))
        return SN_EEXIST;
    settle(f, error);
    return 0;
}

/* Set, and nobody at work on it: the waiter who reads this may free it. */
static bool is_settled(struct future *f)
{
    return sni_load_acq(&f->waitable.word) == (CLAIMED | SET); /* pairs with the release in sni_waitable_give */
}

int sn_rawfuture_get(sn_ctx *ctx, sn_rawfuture *future, size_t at, void *value, size_t size)
{
    struct future *f = inside(future);
    struct sni_wait *self;
    int r;

    if ((r = sni_begin(&ctx, &self, "gets %future", future)) != 0)
        return r;
    r = is_settled(f) ? (int)f->error : sni_waitable_park(f, &being_set, NULL, ctx, self, &waiting);
    if (r == 0)
        memcpy(value, (const char *)f + at, size);
    return r;
}

int sn_rawfuture_try_get(sn_rawfuture *future, size_t at, void *value, size_t size)
{
    struct future *f = inside(future);

    sni_point("tries to get %future", future);
    if (!sn_rawfuture_is_set(future))
        return SN_EAGAIN;
    if (f->error == 0)
        memcpy(value, (const char *)f + at, size);
    return (int)f->error;
}

sn_case sn_rawfuture_case(sn_rawfuture *future)
{
    return sni_case_waitable((struct sn_waitable *)future, &being_set, NULL);
}

bool sn_rawfuture_is_set(const sn_rawfuture *future)
{
    struct future *f = inside(future);

    for (uint32_t tries = 0; !is_settled(f); sni_spin_pause(&tries))
        if (!(sni_load_acq(&f->waitable.word) & SNI_BUSY)) /* as above */
            return is_settled(f);
    return true;
}
