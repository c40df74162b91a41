/* A simulation's plan as text, [strategy:]seed[@choice=which,...]: what $SENNIT_SEED says and reports print. */
#include "sched/alloc.h"
#include "sched/sim.h"
#include "sennit/error.h"
#include "sennit/sim.h"
#include "sennit/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = { NULL, "random", "pct", "robin" };

enum { STRATEGIES = sizeof names / sizeof *names };

void sni_sim_resolve(struct sni_sim_plan *p, const sn_sim_opts *o)
{
    static const sn_sim_opts none;

    o = o ? o : &none;
    if (p->strategy == SN_SIM_MIXED)
        p->strategy = o->strategy != SN_SIM_MIXED ? (int)o->strategy : SN_SIM_RANDOM;
    p->changes = o->changes == 0 ? 3 : o->changes < 0 ? 0 : o->changes;
    p->late_ns = o->late_ns == 0 ? SN_US(100) : o->late_ns < 0 ? -1 : o->late_ns;
    p->steps_max = o->steps_max ? o->steps_max : 1000000;
    const char *trace = sni_os_getenv("SENNIT_TRACE");
    p->trace = o->trace || (trace && *trace);
    p->details = p->trace;
}

/* A decimal number that is followed by one of `ends`. False: there is none. */
static bool number(const char **text, const char *ends, uint64_t max, uint64_t *out)
{
    char *end;

    if (**text < '0' || **text > '9')
        return false;
    *out = strtoull(*text, &end, 10);
    bool ok = *out <= max && strchr(ends, *end) != NULL; /* *end may be NUL, which strchr finds */
    *text = end;
    return ok;
}

static int parse_schedule(const char *text, struct sni_sim_plan *p)
{
    uint64_t index, choice, before = 0;
    size_t room = 1;

    for (const char *c = text; *c; c++)
        room += *c == ',';
    struct sni_sim_choice *list = sni_alloc(room * sizeof *list);
    if (!list)
        return SN_ENOMEM;
    p->scheduled = true;
    p->schedule = list;
    p->room = (uint32_t)room;
    for (p->n = 0; *text; p->n++) {
        if (!number(&text, "=", UINT32_MAX, &index) || index <= before || *text++ != '=' ||
            !number(&text, ",", UINT32_MAX, &choice) || (*text == ',' && !*++text))
            return SN_EINVAL;
        list[p->n] = (struct sni_sim_choice){ (uint32_t)index, (uint32_t)choice };
        before = index;
    }
    return 0;
}

int sni_sim_parse(const char *text, struct sni_sim_plan *p)
{
    const char *colon = strchr(text, ':');

    *p = (struct sni_sim_plan){ .strategy = SN_SIM_MIXED };
    if (colon) {
        for (int i = 1; i < STRATEGIES; i++)
            if (strlen(names[i]) == (size_t)(colon - text) && memcmp(text, names[i], (size_t)(colon - text)) == 0)
                p->strategy = i;
        if (p->strategy == SN_SIM_MIXED)
            return SN_EINVAL;
        text = colon + 1;
    }
    if (!number(&text, "@", UINT64_MAX, &p->seed))
        return SN_EINVAL;
    int r = *text == '@' ? parse_schedule(text + 1, p) : 0;
    if (r < 0)
        sni_sim_plan_free(p);
    return r;
}

size_t sni_sim_print(const struct sni_sim_plan *p, char *buf, size_t size)
{
    size_t n;

    if (!p->scheduled)
        return (size_t)snprintf(buf, size, "%s:%llu", names[p->strategy], (unsigned long long)p->seed);
    n = (size_t)snprintf(buf, size, "%llu@", (unsigned long long)p->seed);
    for (uint32_t i = 0; i < p->n; i++)
        n += (size_t)snprintf(n < size ? buf + n : NULL, n < size ? size - n : 0, "%s%u=%u", i ? "," : "",
                              p->schedule[i].index, p->schedule[i].choice);
    return n;
}

void sni_sim_plan_free(struct sni_sim_plan *p)
{
    sni_free((void *)(uintptr_t)p->schedule, p->room * sizeof *p->schedule);
    p->schedule = NULL;
    p->n = p->room = 0;
}

int sni_sim_plan_from(const char *text, struct sni_sim_plan *p)
{
    int r = sni_sim_parse(text, p);

    if (r == SN_EINVAL)
        sni_os_print("sennit: SENNIT_SEED is [random:|pct:|robin:]number, or number@choice=which,...\n");
    return r;
}

int sni_sim_run_as(const char *text, sn_fn *fn, void *arg, const sn_run_opts *opts)
{
    struct sni_sim_plan plan;
    struct sni_sim_record *record;
    int r;

    if ((r = sni_sim_plan_from(text, &plan)) < 0)
        return r;
    sni_sim_resolve(&plan, NULL);
    if (!(record = sni_alloc(sizeof *record))) {
        sni_sim_plan_free(&plan);
        return SN_ENOMEM;
    }
    r = sni_run_simulated(fn, arg, opts, &plan, record);
    if (r != SN_ELEFT) { /* else its runtime is kept, and points to them */
        sni_free(record, sizeof *record);
        sni_sim_plan_free(&plan);
    }
    return r;
}
