/* A group counts its living tasks in the upper bits of `state`; bit 0 says that its owner is parked.
 *
 *     task starts     state += 2                     relaxed: the starter keeps the group open meanwhile
 *     task ends       state -= 2                     acq_rel: all that tasks did is visible to the owner
 *                     was 2 | WAITING: claims the owner's wait with state = 0 as its last touch of the group
 *     owner waits     state == 0: done; else parks, and commit sets WAITING
 *
 * Whoever brings state from 2 to 0, or from 2 | WAITING to WAITING, is the last task. In the first case it touches the
 * group no more: the owner may return as soon as it reads 0. In the second the owner sleeps until the last task has
 * claimed it, or, woken by its context, waits until state is 0. A select does the same as sn_group_wait: its commit is
 * sni_group_arm; if something else is chosen it takes WAITING back. */
#include "sennit/group.h"

#include "sched/park.h"
#include "sennit/error.h"

enum { MAGIC = 0x67726f75, WAITING = 1, ONE = 2 };

struct group {
    uint32_t magic;       /* (c) */
    int32_t error;        /* (a) the first one */
    uint64_t state;       /* (a) */
    sn_ctx *ctx;          /* (c) NULL: no memory for one */
    struct sni_wait *owner; /* written before WAITING is set */
    uint64_t seq;
    struct sni_rt *rt;    /* (c) or NULL */
    const char *why;      /* of the task with the first error; its static string. Written as `error` is */
    int32_t index;        /* what the owner is claimed with: 0, or a select's case. Written as `owner` is */
    sn_cleanup cleanup;
};

_Static_assert(sizeof(struct group) <= sizeof(sn_group), "sn_group is too small");

static struct group *inside(sn_group *g)
{
    struct group *in = (struct group *)g->sni_;

    sni_check(in->magic == MAGIC, "not an open group: sn_group_init comes first, sn_group_wait closes it");
    return in;
}

const struct sni_reason sni_waiting_for_group = { "waiting for the tasks of a group", NULL, NULL, NULL };

static void wait_for_tasks(struct group *g);

static void close_group(struct group *g)
{
    g->magic = 0;
    sn_ctx_free(g->ctx);
}

/* The owner fails with the group open: its tasks hold pointers into the frames that are about to go. */
static void on_fail(void *arg)
{
    struct group *g = arg;

    sn_group_cancel((sn_group *)g);
    wait_for_tasks(g);
    close_group(g);
}

sn_ctx *sn_group_init(sn_group *group, sn_ctx *ctx)
{
    struct group *g = (struct group *)group->sni_;
    struct sni_worker *w = sni_self();

    ctx = sni_ctx_own(ctx);
    g->magic = MAGIC;
    g->error = 0;
    g->why = NULL;
    g->state = 0;
    g->ctx = sni_ctx_new_lazy(ctx);
    g->rt = w ? w->own.rt : NULL;
    sn_cleanup_push(&g->cleanup, on_fail, g);
    return g->ctx;
}

int sn_group_go_at(sn_group *group, sn_fn *fn, const void *arg, size_t copy, const char *site,
                   const sn_task_opts *opts)
{
    struct group *g = inside(group);
    struct sni_rt *rt = g->rt ? g->rt : sni_rt_self();

    if (!rt)
        return SN_ENOTRUNNING;
    if (!g->ctx)
        return SN_ENOMEM;
    sni_add_rlx(&g->state, (uint64_t)ONE);
    int r = sni_task_spawn(rt, group, g->ctx, fn, arg, copy, site, opts);
    if (r < 0)
        (void)sni_sub_acqrel(&g->state, (uint64_t)ONE); /* cannot be the last with an owner waiting: we are the owner,
                                                           or a task of the group */
    sni_point(NULL, NULL);
    return r;
}

bool sni_group_is_detached(const sn_group *group)
{
    const struct group *g = (const struct group *)group->sni_;

    return g->rt && group == &g->rt->detached;
}

bool sni_group_init_detached(struct sni_rt *rt)
{
    struct group *g = (struct group *)rt->detached.sni_;

    if (!sn_group_init(&rt->detached, rt->root))
        return false;
    g->rt = rt;
    return true;
}

void sni_group_leave(sn_group *group, int code, const char *why)
{
    struct group *g = (struct group *)group->sni_;
    int32_t none = 0;

    if (code < 0 && !sni_group_is_detached(group) && sni_cas_acqrel(&g->error, &none, code)) {
        g->why = why; /* both are read by the owner after state is 0 */
        sni_ctx_end(g->ctx, (struct sni_ctx_reason){ SN_ECANCELED, code, why, NULL });
    }
    if (sni_sub_acqrel(&g->state, (uint64_t)ONE) != (ONE | WAITING))
        return;
    struct sni_wait *owner = g->owner;
    uint64_t seq = g->seq;
    bool claimed = sni_claim(owner, seq, g->index);
    sni_store_rel(&g->state, (uint64_t)0); /* our last touch; pairs with the acquire in wait_for_tasks */
    if (claimed)
        sni_ready(owner);
}

/* Sets WAITING. False: all had ended before. */
static bool set_waiting(struct group *g)
{
    if (__atomic_fetch_or(&g->state, (uint64_t)WAITING, __ATOMIC_ACQ_REL) != 0) /* pairs with the sub in leave */
        return true;
    sni_store_rlx(&g->state, (uint64_t)0); /* nobody else looks at it any more */
    return false;
}

/* Takes WAITING back, unless the last task is just about to let go: false, when it has. */
static bool clear_waiting(struct group *g)
{
    uint64_t state = sni_load_acq(&g->state);

    while (state > WAITING)
        if (sni_cas_acqrel(&g->state, &state, state & ~(uint64_t)WAITING))
            return true;
    while (sni_load_acq(&g->state) != 0) /* pairs with the release in sni_group_leave */
        sni_pause();
    return false;
}

static void set_owner(struct group *g, struct sni_wait *wait, uint64_t seq, int32_t index)
{
    g->owner = wait;
    g->seq = seq;
    g->index = index;
}

static void commit_wait(void *p)
{
    struct group *g = p;
    struct sni_wait *owner = g->owner; /* the group may be gone once WAITING is set and its tasks have ended */
    uint64_t seq = g->seq;

    if (!set_waiting(g) && sni_claim(owner, seq, 0))
        sni_ready(owner);
}

/* Parks until all tasks have ended (0), or the context has (its error; then the group may still be counted down). */
static int park_for_tasks(struct group *g, struct sni_wait *wait, sn_ctx *ctx)
{
    if (sni_load_acq(&g->state) == 0) /* pairs with the sub in sni_group_leave */
        return 0;
    set_owner(g, wait, sni_wait_seq(wait), 0);
    int r = sni_park(wait, ctx, &sni_waiting_for_group, g, commit_wait, g);
    return r != 0 && clear_waiting(g) ? r : 0; /* or it was woken by its context as the last task ended */
}

bool sni_group_is_done(sn_group *group)
{
    return sni_load_acq(&inside(group)->state) == 0; /* pairs with the sub in sni_group_leave */
}

void sni_group_watch(sn_group *group, struct sni_wait *wait, uint64_t seq, int32_t index)
{
    struct group *g = inside(group);

    sni_check(!(sni_load_rlx(&g->state) & WAITING), "a select over a group for which somebody else waits");
    set_owner(g, wait, seq, index);
}

bool sni_group_arm(sn_group *group)
{
    return set_waiting((struct group *)group->sni_);
}

void sni_group_unwatch(sn_group *group)
{
    (void)clear_waiting((struct group *)group->sni_);
}

sn_case sn_on_group(sn_group *group)
{
    return sni_case_group(inside(group));
}

static void wait_for_tasks(struct group *g)
{
    struct sni_wait *wait;

    if (sni_load_acq(&g->state) == 0) /* as above */
        return;
    wait = sni_wait_self();
    sni_check(wait != NULL, "sn_group_wait: no memory for this thread's record");
    (void)park_for_tasks(g, wait, sn_background());
}

static int end_wait(struct group *g)
{
    int r = g->error;

    if (sni_self()) /* groups may be closed in any order */
        sni_check(sni_cleanup_remove(&g->cleanup), "sn_group_wait in another task than sn_group_init");
    close_group(g);
    return r;
}

int sn_group_wait(sn_group *group)
{
    struct group *g = inside(group);

    sni_point("waits for %group", group);
    wait_for_tasks(g);
    return end_wait(g);
}

int sn_group_wait_ctx(sn_ctx *ctx, sn_group *group)
{
    struct group *g = inside(group);
    struct sni_wait *wait = sni_enter("waits for %group", group);
    int r;

    if (!wait)
        return SN_ENOMEM;
    ctx = sni_ctx_resolve(ctx, wait);
    if ((r = sni_ctx_check(ctx)) != 0 || (r = park_for_tasks(g, wait, ctx)) != 0)
        return r;
    return end_wait(g);
}

const char *sn_group_why(const sn_group *group)
{
    return ((const struct group *)group->sni_)->why;
}

sn_ctx *sn_group_ctx(sn_group *group)
{
    return inside(group)->ctx;
}

void sn_group_cancel(sn_group *group)
{
    struct group *g = inside(group);

    if (g->ctx)
        sn_ctx_cancel(g->ctx);
}
