/* A runtime's life: made, its workers started, its main task run, its leftovers waited for, unmade. */
#include "sennit/run.h"

#include "sched/alloc.h"
#include "sched/fence.h"
#include "sched/checks.h"
#include "sched/fork.h"
#include "sched/halt.h"
#include "sched/idle.h"
#include "sched/mark.h"
#include "sched/monitor.h"
#include "sched/park.h"
#include "sched/report.h"
#include "sched/sim.h"
#include "sennit/error.h"
#include "sennit/time.h"

#include <stdlib.h>
#include <string.h>

/* The process's one runtime, for threads that belong to none; and those that had to be kept. A plain thread has nothing
 * else to find it by, and kept ones must stay reachable. */
static struct {
    struct sni_rt *current; /* (a) */
    struct sni_rt *kept;
    uint32_t taken;         /* (a) */
    uint32_t runtimes;      /* (taken) so many have been made */
} process;

struct sni_rt *sni_rt_current(void)
{
    return sni_load_acq(&process.current); /* pairs with the release in make */
}

struct sni_rt *sni_rt_self(void)
{
    struct sni_worker *w = sni_self();

    return w ? w->own.rt : sni_rt_current();
}

int sn_run_workers(void)
{
    struct sni_rt *rt = sni_rt_self();

    return !rt ? 0 : rt->sim ? rt->opts.workers : rt->nworkers;
}

uint64_t sni_live_tasks(struct sni_rt *rt)
{
    uint64_t ended = 0, spawned = 0;

    /* The ends first: each was counted after its start, so that the sum is never too low. */
    for (int i = 0; i < sni_started(rt); i++)
        ended += sni_load_acq(&rt->workers[i].own.ended); /* pairs with the release in finish */
    for (int i = 0; i < sni_started(rt); i++)
        spawned += sni_load_rlx(&rt->workers[i].own.spawned); /* at least what the acquire above has made visible */
    return spawned + sni_load_acq(&rt->spawned_far) - ended; /* pairs with the add in sni_task_spawn: visitors is counted */
}

void sni_run_forked(void)
{
    struct sni_rt *rt = process.current;

    sni_store_rel(&process.taken, 0u);
    sni_os_interrupts_forked();
    if (!rt)
        return;
    process.current = NULL;
    rt->kept = process.kept; /* its tasks' stacks may be the one that we run on */
    process.kept = rt;
    sni_os_poller_destroy(&rt->poll.os);
    sni_os_fault_remove();
}

/* --- options --- */

static int resolve_workers(int asked, bool simulated)
{
    enum { SIMULATED = 4 }; /* the same on every machine */
    const char *text = sni_os_getenv("SENNIT_WORKERS");
    char *end;

    if (asked != 0)
        return asked;
    if (text && *text) {
        long n = strtol(text, &end, 10);
        return *end == '\0' && n >= 1 && n <= SNI_MAX_WORKERS ? (int)n : SN_EINVAL;
    }
    int n = simulated ? SIMULATED : sni_os_cpu_count();
    return n < SNI_MAX_WORKERS ? n : SNI_MAX_WORKERS;
}

static int resolve(sn_run_opts *out, const sn_run_opts *in, bool simulated)
{
    sn_run_opts o = in ? *in : (sn_run_opts){ 0 };

    o.workers = resolve_workers(o.workers, simulated);
    if (o.workers < 1 || o.workers > SNI_MAX_WORKERS || o.grace_ns < 0 || o.spares > SNI_MAX_SPARES || o.hog_ns < 0 ||
        o.dump_signal < 0 || o.dump_signal > 64)
        return SN_EINVAL;
    o.spares = o.spares == 0 ? SNI_MAX_SPARES : o.spares < 0 ? 0 : o.spares;
    if (o.stack_size == 0)
        o.stack_size = 256 * 1024;
    if (o.stack_size < SNI_STACK_MIN || o.stack_size > (size_t)1 << 30)
        return SN_EINVAL;
    o.stack_size = (o.stack_size + sni_os_page_size() - 1) & ~(sni_os_page_size() - 1);
    if ((unsigned)o.deadlock > SN_DEADLOCK_NEVER)
        return SN_EINVAL;
    const char *marks = sni_os_getenv("SENNIT_STACKS");
    o.stack_report = o.stack_report || (marks && *marks);
    const char *checks = sni_os_getenv("SENNIT_CHECKS");
    o.checks = o.checks || (checks && *checks);
#ifdef SN_CHECKS
    o.checks = true;
#endif
    if (o.grace_ns == 0)
        o.grace_ns = SN_SEC(1);
    if (o.hang_ns == 0)
        o.hang_ns = SN_SEC(1);
    if (o.seed == 0)
        o.seed = sni_os_entropy();
    *out = o;
    return 0;
}

/* --- making and unmaking --- */

static size_t workers_size(const struct sni_rt *rt)
{
    return (size_t)rt->capacity * sizeof *rt->workers + 64;
}

static void unmake(struct sni_rt *rt)
{
    while (sni_load_seq(&rt->visitors) != 0) /* pairs with the sub in sni_inject */
        sni_os_yield();
    sni_store_rel(&process.current, (struct sni_rt *)NULL);
    sni_halt_end(rt);
    sni_os_fault_remove();
    if (rt->opts.checks)
        sni_checks_finish();
    sn_ctx_free(rt->root);
    for (int i = 0; i < sni_started(rt); i++)
        sni_worker_destroy(&rt->workers[i]);
    sni_tasks_destroy(rt);
    sni_marks_destroy(rt);
    sni_stacks_destroy(rt);
    sni_poll_destroy(rt);
    sni_free(rt->workers_memory, workers_size(rt));
    sni_free(rt, sizeof *rt);
}

static int make(struct sni_rt **out, const sn_run_opts *opts, struct sni_sim *sim)
{
    struct sni_rt *rt;
    int r;

    sni_fence_init();
    sni_fork_init();
    if (!(rt = sni_alloc(sizeof *rt)))
        return SN_ENOMEM;
    if ((r = resolve(&rt->opts, opts, sim != NULL)) < 0)
        goto err_rt;
    rt->sim = sim;
    rt->nworkers = sim ? 1 : rt->opts.workers;
    rt->capacity = rt->nworkers + (sim ? 0 : rt->opts.spares);
    rt->nstarted = (uint32_t)rt->nworkers;
    rt->idle.kept = INT64_MIN;
    sni_ends_init(rt->ends);
    rt->tasks.first_gen = process.runtimes++ * 0x9e3779b8u; /* even; far from the last one */
    r = SN_ENOMEM;
    if (!(rt->workers_memory = sni_alloc(workers_size(rt))))
        goto err_rt;
    /* Workers want whole cache lines; the allocator promises less. */
    rt->workers = (struct sni_worker *)(((uintptr_t)rt->workers_memory + 63) & ~(uintptr_t)63);
    for (int i = 0; i < rt->nworkers; i++)
        if (sni_worker_init(&rt->workers[i], rt, (uint32_t)i) < 0)
            goto err_workers;
    if (!(rt->root = sni_ctx_new_root()))
        goto err_workers;
    if ((r = sni_poll_init(rt)) < 0)
        goto err_root;
    if ((r = sni_stacks_init(rt, rt->opts.stack_size)) < 0)
        goto err_poll;
    if ((r = sni_os_fault_install(sni_report_fault)) < 0)
        goto err_poll;
    if (rt->opts.checks)
        sni_checks_begin();
    sni_store_rel(&process.current, rt); /* pairs with the acquire in sni_rt_current */
    if (!sni_group_init_detached(rt)) {
        unmake(rt);
        return SN_ENOMEM;
    }
    *out = rt;
    return 0;
err_poll:
    sni_stacks_destroy(rt);
    sni_poll_destroy(rt);
err_root:
    sn_ctx_free(rt->root);
err_workers:
    for (int i = 0; i < rt->nworkers; i++)
        if (rt->workers[i].fresh.array)
            sni_worker_destroy(&rt->workers[i]);
    sni_free(rt->workers_memory, workers_size(rt));
err_rt:
    sni_free(rt, sizeof *rt);
    return r;
}

static void stop_workers(struct sni_rt *rt)
{
    sni_store_rel(&rt->stopping, 1u); /* pairs with the acquire in sni_worker_run */
    sni_wake_all(rt);
}

/* Joins all workers that have a thread; false if one is stuck in a task. */
static bool join_workers(struct sni_rt *rt)
{
    int64_t end = sn_now() + rt->opts.grace_ns;
    bool all = true;

    if (!rt->sim)
        sni_monitor_stop(rt);
    sni_os_unhandle(SNI_OS_DUMP);
    for (int i = 0; i < sni_started(rt); i++) {
        struct sni_worker *w = &rt->workers[i];
        if (!w->has_thread)
            continue;
        /* A worker without a task ends, however slow the machine; one that a task holds up may not. Pairs with the release
         * at the end of sni_worker_run. */
        while (!sni_load_acq(&w->exited) && (sn_now() < end || sni_live_tasks(rt) == 0)) {
            stop_workers(rt);
            (void)sn_sleep(sn_background(), SN_US(200));
        }
        if (sni_load_acq(&w->exited))
            sni_os_thread_join(&w->thread);
        else
            all = false;
    }
    return all;
}

/* Starts the monitor and the workers from `from` on; nothing is left running if it fails. */
static int start_workers(struct sni_rt *rt, int from)
{
    int r = sni_monitor_start(rt);

    if (r < 0)
        return r;
    for (int i = from; i < rt->nworkers; i++) {
        if ((r = sni_worker_start(&rt->workers[i])) < 0) {
            stop_workers(rt);
            (void)join_workers(rt);
            return r;
        }
    }
    return 0;
}

/* The end, from inside: what is left gets the grace time. Runs in a task, or in the thread that stops. */
static void grant_grace(struct sni_rt *rt, uint64_t ourselves)
{
    int64_t end = sn_now() + rt->opts.grace_ns;
    int64_t nap = SN_US(20);

    sn_ctx_cancel(rt->root);
    while (sni_live_tasks(rt) > ourselves && sn_now() < end) {
        (void)sn_sleep(sn_background(), nap);
        if (nap < SN_MS(5))
            nap *= 2;
    }
}

static int main_task(sn_ctx *ctx, void *arg)
{
    struct sni_rt *rt = arg;

    sni_store_rlx(&rt->main_task, sni_self()->own.current); /* for reports */
    rt->main_code = rt->main_fn(ctx, rt->main_arg);
    return 0;
}

/* The first task of sn_run: main task in a group of its own, so that sn_fail ends only that; then the grace time. */
static int life(sn_ctx *ctx, void *arg)
{
    struct sni_rt *rt = arg;
    sn_group g;
    int r;

    sni_store_rlx(&sni_self()->own.current->hidden, true);
    sn_group_init(&g, ctx);
    r = sn_group_go_at(&g, main_task, rt, 0, "sn_run main", &(sn_task_opts){ .name = "main" });
    int e = sn_group_wait(&g);
    if (r < 0 || e < 0)
        rt->main_code = r < 0 ? r : e; /* could not start, or ended by sn_fail */
    if (sn_group_why(&g))
        sni_report_failure(rt, NULL, e, sn_group_why(&g));
    grant_grace(rt, 1);
    return 0;
}

static int life_then_stop(sn_ctx *ctx, void *arg)
{
    (void)life(ctx, arg);
    stop_workers(arg);
    return 0;
}

/* Returns `code`, or SN_ELEFT if something is left; unmakes the runtime if nothing is. */
static int finish_run(struct sni_rt *rt, int code)
{
    bool all = join_workers(rt);

    if (rt->opts.stack_report)
        sni_report_stacks(rt);
    if (all && sni_live_tasks(rt) == 0) {
        (void)sn_group_wait(&rt->detached);
        unmake(rt);
    } else {
        sni_report_left(rt);
        sni_halt_end(rt);
        if (rt->opts.checks)
            sni_checks_finish();
        for (int i = 0; i < sni_started(rt); i++)
            sni_timers_end(&rt->workers[i].timers);
        sni_store_rel(&process.current, (struct sni_rt *)NULL);
        rt->kept = process.kept;
        process.kept = rt; /* reachable for leak checkers; its tasks point into it */
        code = SN_ELEFT;
    }
    sni_store_rel(&process.taken, 0u);
    return code;
}

static int run(sn_fn *fn, void *arg, const sn_run_opts *opts, struct sni_sim *sim)
{
    struct sni_rt *rt;
    int r;

    if (!fn || sni_self())
        return SN_EINVAL;
    if (sni_xchg_acq(&process.taken, 1u) != 0)
        return SN_EBUSY;
    if ((r = make(&rt, opts, sim)) < 0)
        goto err_taken;
    rt->main_fn = fn;
    rt->main_arg = arg;
    sni_count_started(rt); /* ourselves, soon: nobody shall think that all sleep */
    if (sim)
        rt->workers[0].own.flags = SNI_SIM;
    else if ((r = start_workers(rt, 1)) < 0)
        goto err_made;
    r = sn_group_go_at(&rt->detached, life_then_stop, rt, 0, "sn_run", &(sn_task_opts){ .name = "sn_run" });
    if (r < 0) {
        stop_workers(rt);
        (void)join_workers(rt); /* they have no task that could hold them up */
        goto err_made;
    }
    if (sim)
        sni_sim_loop(&rt->workers[0]);
    else
        sni_worker_run(&rt->workers[0]);
    return finish_run(rt, rt->main_code);
err_made:
    (void)sn_group_wait(&rt->detached);
    unmake(rt);
err_taken:
    sni_store_rel(&process.taken, 0u);
    return r;
}

int sni_run_simulated(sn_fn *fn, void *arg, const sn_run_opts *opts, const struct sni_sim_plan *plan,
                      struct sni_sim_record *record)
{
    sn_run_opts o = opts ? *opts : (sn_run_opts){ 0 };
    struct sni_sim *sim = sni_sim_new(plan, record);
    int r;

    if (!sim)
        return SN_ENOMEM;
    o.seed = plan->seed ? plan->seed : 1; /* 0 means any */
    r = run(fn, arg, &o, sim);
    if (r != SN_ELEFT) /* else it is kept, like all of that runtime */
        sni_sim_destroy(sim);
    return r;
}

int sn_run(sn_fn *fn, void *arg, const sn_run_opts *opts)
{
    const char *asked = sni_os_getenv("SENNIT_SEED");

    return asked && *asked ? sni_sim_run_as(asked, fn, arg, opts) : run(fn, arg, opts, NULL);
}

int sn_start(const sn_run_opts *opts)
{
    struct sni_rt *rt;
    int r;

    if (sni_self())
        return SN_EINVAL;
    if (sni_xchg_acq(&process.taken, 1u) != 0)
        return SN_EBUSY;
    if ((r = make(&rt, opts, NULL)) < 0)
        goto err_taken;
    rt->embedded = 1;
    if ((r = start_workers(rt, 0)) < 0)
        goto err_made;
    return 0;
err_made:
    (void)sn_group_wait(&rt->detached);
    unmake(rt);
err_taken:
    sni_store_rel(&process.taken, 0u);
    return r;
}

int sn_stop(void)
{
    struct sni_rt *rt = sni_rt_current();

    if (sni_self())
        return SN_EINVAL;
    if (!rt || !rt->embedded)
        return SN_ENOTRUNNING;
    grant_grace(rt, 0);
    stop_workers(rt);
    return finish_run(rt, 0);
}
