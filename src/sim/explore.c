/* Simulated runs, and the search for one that fails.
 *
 * Each seed is tried in a forked child, whose record (sched/sim.h) lies in shared memory: so whatever way it ends, its
 * schedule is known. A schedule that fails is then made shorter by trying parts of it: first only its beginning, then
 * without ever smaller pieces, as delta debugging does (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing
 * input", IEEE TSE 28, 2002). What fails otherwise than before does not count. */
#include "sennit/sim.h"

#include "os/os.h"
#include "sched/alloc.h"
#include "sched/sim.h"
#include "sennit/error.h"
#include "sennit/time.h"

#include <stdio.h>
#include <string.h>

enum {
    RUNS = 1000,
    SHRINK_TRIES = 400,       /* what is left then is short enough, or too stubborn */
    SHRINK_SEC = 2,           /* runs that fail by taking too long are few */
    ROBIN_ONE_IN = 16,        /* it has little to choose: a few seeds do */
    KILLED = 9,
};

/* How a run has ended. */
struct ending {
    int code, signal; /* of the child */
    int error;        /* what the function returned, if it did */
};

struct shared {
    struct sni_sim_record record;
    int32_t error;
};

struct explorer {
    sn_fn *fn;
    void *arg;
    const sn_sim_opts *opts;
    struct sni_sim_plan plan;
    struct shared *shared; /* with the children */
    uint64_t runs;
    uint64_t last_run;     /* of shrinking */
    int64_t last_time;     /* likewise */
};

static int run_one(struct explorer *e)
{
    int r = sni_run_simulated(e->fn, e->arg, e->opts->run, &e->plan, &e->shared->record);

    e->shared->error = r;
    return r < 0;
}

static int child(void *arg)
{
    return run_one(arg);
}

/* Runs e->plan in a child. */
static int attempt(struct explorer *e, bool quiet, struct ending *end)
{
    int64_t most = e->opts->run_max_ns ? e->opts->run_max_ns : SN_SEC(10);
    int r;

    e->shared->error = 0;
    e->runs++;
    r = sni_os_try(child, e, quiet, most, &end->code, &end->signal);
    end->error = e->shared->error;
    return r;
}

static bool is_failure(const struct ending *end)
{
    return end->code != 0 || end->signal != 0;
}

static bool is_alike(const struct ending *a, const struct ending *b)
{
    return a->code == b->code && a->signal == b->signal && a->error == b->error;
}

/* --- shrinking --- */

struct schedule {
    uint32_t n;
    struct sni_sim_choice choices[SNI_SIM_DEVIATIONS];
};

/* Whether the run fails as `want` says by this schedule. */
static bool still_fails(struct explorer *e, const struct schedule *s, const struct ending *want)
{
    struct ending end;

    e->plan.scheduled = true;
    e->plan.schedule = s->choices;
    e->plan.n = s->n;
    return attempt(e, true, &end) == 0 && is_failure(&end) && is_alike(&end, want);
}

/* *out: `s` without the `n` choices from `from` on. */
static void without(struct schedule *out, const struct schedule *s, uint32_t from, uint32_t n)
{
    memcpy(out->choices, s->choices, from * sizeof *s->choices);
    memcpy(out->choices + from, s->choices + from + n, (s->n - from - n) * sizeof *s->choices);
    out->n = s->n - n;
}

static bool has_patience(const struct explorer *e)
{
    return e->runs < e->last_run && sn_now() < e->last_time;
}

/* Makes *s shorter as long as it still fails. */
static void shrink(struct explorer *e, struct schedule *s, struct schedule *scratch, const struct ending *want)
{
    e->last_run = e->runs + SHRINK_TRIES;
    e->last_time = sn_now() + SN_SEC(SHRINK_SEC);
    for (uint32_t low = 0, high = s->n; low < high && has_patience(e);) { /* its shortest beginning */
        uint32_t middle = low + (high - low) / 2;
        without(scratch, s, middle, s->n - middle);
        if (still_fails(e, scratch, want)) {
            *s = *scratch;
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    for (uint32_t piece = s->n / 2; piece > 0 && has_patience(e);) {
        uint32_t before = s->n;
        for (uint32_t from = 0; from < s->n && has_patience(e);) {
            uint32_t n = piece < s->n - from ? piece : s->n - from;
            without(scratch, s, from, n);
            if (still_fails(e, scratch, want))
                *s = *scratch;
            else
                from += n;
        }
        if (piece > 1 || s->n == before)
            piece /= 2; /* single ones again and again, as long as that helps */
    }
}

/* --- telling --- */

static void describe(const struct ending *end, char *buf, size_t size)
{
    if (end->signal == KILLED)
        (void)snprintf(buf, size, "it took too long (or was killed)");
    else if (end->signal)
        (void)snprintf(buf, size, "it ended by signal %d", end->signal);
    else if (end->error < 0)
        (void)snprintf(buf, size, "it returned %d (%s)", end->error, sn_error_string(end->error));
    else
        (void)snprintf(buf, size, "its process ended with status %d", end->code);
}

static void print_trace(const struct sni_sim_record *r)
{
    char text[96];

    if (r->lines > SNI_SIM_LINES) {
        (void)snprintf(text, sizeof text, "  (%u steps before these are not shown)\n", r->lines - SNI_SIM_LINES);
        sni_os_print(text);
    }
    for (uint32_t i = r->lines > SNI_SIM_LINES ? r->lines - SNI_SIM_LINES : 0; i < r->lines; i++)
        sni_os_print(r->trace[i % SNI_SIM_LINES]);
}

static void tell(struct explorer *e, uint64_t seed_runs, const struct ending *end, const char *plan)
{
    char command[2048], how[128], text[4096];
    struct ending again;

    describe(end, how, sizeof how);
    (void)snprintf(text, sizeof text, "sennit: simulation: seed %llu fails, after %llu that did not: %s. It prints:\n",
                   (unsigned long long)e->plan.seed, (unsigned long long)seed_runs - 1, how);
    sni_os_print(text);
    e->plan.details = true;
    if (attempt(e, false, &again) == 0) {
        sni_os_print("sennit: its steps:\n");
        print_trace(&e->shared->record);
    }
    if (sni_os_command_line(command, sizeof command) == 0)
        (void)snprintf(command, sizeof command, "<this program>");
    (void)snprintf(text, sizeof text, "sennit: to replay it: SENNIT_SEED=%s %s\n", plan, command);
    sni_os_print(text);
}

static void fill_result(sn_sim_result *out, const struct sni_sim_record *r, uint64_t runs)
{
    if (out)
        *out = (sn_sim_result){ .runs = runs, .hash = r->hash, .steps = r->steps, .switches = r->switches,
                                .elapsed_ns = r->elapsed_ns };
}

/* A seed has failed, with its record in e->shared. */
static int found(struct explorer *e, uint64_t seed_runs, const struct ending *end)
{
    struct schedule *s = sni_alloc(sizeof *s), *scratch = sni_alloc(sizeof *scratch);
    char *text = sni_alloc(SNI_SIM_DEVIATIONS * 24);
    struct sni_sim_record *r = &e->shared->record;
    struct sni_sim_plan seeded = e->plan;
    int code = SN_ENOMEM;

    if (!s || !scratch || !text)
        goto out;
    s->n = r->n;
    if (r->n <= SNI_SIM_DEVIATIONS) { /* else it is too long to be told apart from its seed */
        memcpy(s->choices, r->deviations, r->n * sizeof *s->choices);
        if (still_fails(e, s, end))
            shrink(e, s, scratch, end);
        else
            e->plan = seeded; /* something outside decides too */
        e->plan.n = s->n;
        e->plan.schedule = s->choices;
    }
    (void)sni_sim_print(&e->plan, text, SNI_SIM_DEVIATIONS * 24);
    if (!e->opts->quiet) {
        tell(e, seed_runs, end, text);
    } else {
        struct ending again;
        (void)attempt(e, true, &again); /* its record is what the result is about */
    }
    fill_result(e->opts->result, r, e->runs);
    if (e->opts->result) {
        e->opts->result->error = end->error;
        e->opts->result->signal = end->signal;
        (void)snprintf(e->opts->result->plan, sizeof e->opts->result->plan, "%s", text);
    }
    code = 1;
out:
    sni_free(s, sizeof *s);
    sni_free(scratch, sizeof *scratch);
    sni_free(text, SNI_SIM_DEVIATIONS * 24);
    return code;
}

/* --- searching --- */

static int strategy_of(const sn_sim_opts *o, uint64_t i)
{
    if (o->strategy != SN_SIM_MIXED)
        return (int)o->strategy;
    return i % ROBIN_ONE_IN == ROBIN_ONE_IN - 1 ? SN_SIM_ROBIN : i % 2 ? SN_SIM_PCT : SN_SIM_RANDOM;
}

static int search(struct explorer *e)
{
    const sn_sim_opts *o = e->opts;
    uint64_t runs = o->runs ? o->runs : RUNS;
    int64_t begin = sn_now();

    for (uint64_t i = 0; i < runs && (o->budget_ns == 0 || sn_now() - begin < o->budget_ns); i++) {
        struct ending end;
        int r;
        e->plan = (struct sni_sim_plan){ .seed = (o->seed ? o->seed : 1) + i, .strategy = strategy_of(o, i) };
        sni_sim_resolve(&e->plan, o);
        e->plan.trace = e->plan.details = false;
        if ((r = attempt(e, true, &end)) < 0)
            return r;
        if (is_failure(&end))
            return found(e, i + 1, &end);
    }
    fill_result(o->result, &e->shared->record, e->runs);
    return 0;
}

static bool is_valid(sn_fn *fn, const sn_sim_opts *o)
{
    return fn && (unsigned)o->strategy <= SN_SIM_ROBIN && o->budget_ns >= 0 && o->run_max_ns >= 0;
}

static const sn_sim_opts defaults;

/* One run, in this process. Frees the plan. */
static int run_here(sn_fn *fn, void *arg, const sn_sim_opts *o, struct sni_sim_plan *plan)
{
    struct sni_sim_record *record = sni_alloc(sizeof *record);
    int r;

    sni_sim_resolve(plan, o);
    if (!record) {
        sni_sim_plan_free(plan);
        return SN_ENOMEM;
    }
    r = sni_run_simulated(fn, arg, o->run, plan, record);
    fill_result(o->result, record, 1);
    if (o->result && r < 0) {
        o->result->error = r;
        (void)sni_sim_print(plan, o->result->plan, sizeof o->result->plan);
    }
    if (r != SN_ELEFT) { /* else its runtime is kept, and points to them */
        sni_free(record, sizeof *record);
        sni_sim_plan_free(plan);
    }
    return r;
}

/* What $SENNIT_SEED asks for, if it does: 1. */
static int plan_asked(struct sni_sim_plan *plan)
{
    const char *asked = sni_os_getenv("SENNIT_SEED");
    int r;

    if (!asked || !*asked)
        return 0;
    r = sni_sim_plan_from(asked, plan);
    return r < 0 ? r : 1;
}

int sn_sim_run(sn_fn *fn, void *arg, const sn_sim_opts *opts)
{
    const sn_sim_opts *o = opts ? opts : &defaults;
    struct sni_sim_plan plan = { .seed = o->seed ? o->seed : 1 };
    int r;

    if (!is_valid(fn, o))
        return SN_EINVAL;
    if (o->seed == 0 && (r = plan_asked(&plan)) < 0)
        return r;
    return run_here(fn, arg, o, &plan);
}

int sn_sim_explore(sn_fn *fn, void *arg, const sn_sim_opts *opts)
{
    const sn_sim_opts *o = opts ? opts : &defaults;
    struct explorer e = { .fn = fn, .arg = arg, .opts = o };
    struct sni_sim_plan plan;
    int r;

    if (!is_valid(fn, o) || sni_self())
        return SN_EINVAL;
    if (sni_rt_current())
        return SN_EBUSY;
    if ((r = plan_asked(&plan)) < 0)
        return r;
    if (r == 1) {
        r = run_here(fn, arg, o, &plan);
        return r == SN_ENOMEM ? r : r < 0;
    }
    if (!(e.shared = sni_os_share(sizeof *e.shared)))
        return SN_ENOMEM;
    r = search(&e);
    sni_os_unshare(e.shared, sizeof *e.shared);
    return r;
}
