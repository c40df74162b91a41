#include "sched/report.h"

#include "base/check.h"
#include "sched/alloc.h"
#include "sched/mark.h"
#include "sched/san.h"
#include "sennit/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A report grows in one buffer and goes out whole. */
struct report {
    size_t n;
    char text[16 * 1024];
};

__attribute__((format(printf, 2, 3))) static void say(struct report *r, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    int k = vsnprintf(r->text + r->n, sizeof r->text - r->n, format, ap);
    va_end(ap);
    if (k > 0)
        r->n += (size_t)k < sizeof r->text - r->n ? (size_t)k : sizeof r->text - 1 - r->n;
}

static void print(struct sni_rt *rt, struct report *r)
{
    if (rt && rt->opts.report)
        rt->opts.report(rt->opts.report_arg, r->text);
    else
        sni_os_print(r->text);
}

/* What the task does when it does not wait. */
static const char *activity(const struct sni_task *t)
{
    return !t->sp ? "has not run yet" : "running or ready to run";
}

static void say_who(struct report *r, const struct sni_task *t)
{
    say(r, "  task %u", t->index + 1);
    if (t->name)
        say(r, " \"%s\"", t->name);
    say(r, ", started at %s", t->site);
}

static void say_task(struct report *r, const struct sni_task *t)
{
    char more[160] = "";
    const struct sni_reason *why = t->wait.reason;

    if (why && why->describe)
        why->describe(t->wait.object, more, sizeof more);
    say_who(r, t);
    say(r, ": %s%s%s\n", why ? why->text : activity(t), more[0] ? " " : "", more);
}

struct listing {
    struct report *report;
    const struct sni_task *first;
    unsigned total;
};

enum { LISTED = 64 }; /* tasks shown one by one; a report of a million helps nobody */

static void list_other(struct sni_task *t, void *arg)
{
    struct listing *l = arg;

    if (t != l->first && !t->hidden && l->total++ < LISTED)
        say_task(l->report, t);
}

/* The main task first, so that it is shown in any case; the others in the order of their numbers. */
static void list_tasks(struct sni_rt *rt, struct report *r)
{
    struct listing l = { r, sni_load_rlx(&rt->main_task), 0 };

    if (l.first && sni_task_is_alive(l.first)) {
        l.total++;
        say_task(r, l.first);
    }
    sni_task_each(rt, list_other, &l);
    if (l.total > LISTED)
        say(r, "  and %u more\n", l.total - LISTED);
}

_Noreturn void sni_panic(const char *format, ...)
{
    static struct report r; /* a panic happens once; stacks may be small */
    struct sni_worker *w = sni_self();
    char text[512];
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    say(&r, "sennit: panic: %s\n", text);
    if (w && w->own.current != &w->own.idle) {
        w->own.current->wait.reason = NULL;
        say_task(&r, w->own.current);
    } else {
        say(&r, "  in a plain thread\n");
    }
    print(w ? w->own.rt : sni_rt_current(), &r);
    abort();
}

void sni_report_failure(struct sni_rt *rt, const struct sni_task *t, int code, const char *why)
{
    struct report *r = sni_alloc(sizeof *r); /* several tasks may fail at a time, and a stack need not have the room */

    if (!r)
        return;
    say(r, "sennit: a task failed: %s (%s)\n", why, sn_error_string(code));
    if (t)
        say_task(r, t);
    print(rt, r);
    sni_free(r, sizeof *r);
}

/* Threads that are not ours, `ours` of which there are, may still send or close. `unknown`: the answer if the system does not
 * tell how many there are. */
static bool others_may_help(struct sni_rt *rt, int ours, bool unknown)
{
    int threads;

    if (rt->opts.deadlock != SN_DEADLOCK_AUTO)
        return false;
    threads = sni_os_thread_count();
    return threads < 0 ? unknown : threads > ours + SNI_SAN_THREADS;
}

static _Noreturn void die_of_deadlock(struct sni_rt *rt)
{
    static struct report r;

    r.n = 0;
    say(&r, "sennit: deadlock: every task waits, and nothing is left that could wake one\n");
    list_tasks(rt, &r);
    print(rt, &r);
    abort();
}

bool sni_report_deadlock(struct sni_rt *rt, uint64_t epoch)
{
    if (rt->opts.deadlock == SN_DEADLOCK_NEVER || sni_live_tasks(rt) == 0)
        return false;
    if (rt->opts.deadlock == SN_DEADLOCK_AUTO && rt->embedded)
        return false; /* the program's own threads may do anything at any time */
    if (others_may_help(rt, sni_started(rt) + 1, true)) /* one: the monitor */
        return true;
    if (!sni_still_dead(rt, epoch)) /* one that is gone by now may have done so before */
        return false;
    die_of_deadlock(rt);
}

void sni_report_simulated_deadlock(struct sni_rt *rt)
{
    enum { AGAIN_NS = 1000000 };
    uint32_t never = 0;

    if (rt->opts.deadlock != SN_DEADLOCK_NEVER && !others_may_help(rt, 1, false) && sni_load_seq(&rt->inject.n) == 0)
        die_of_deadlock(rt);
    (void)sni_os_futex_wait(&never, 0, sni_os_clock() + AGAIN_NS);
}

bool sni_report_hog(struct sni_worker *w, int64_t ns)
{
    struct sni_rt *rt = w->own.rt;
    struct report *r = sni_alloc(sizeof *r);
    bool hog;

    if (!r)
        return true;
    sni_spin_lock(&rt->idle.lock); /* without which the worker does not come back, and its task stays what it is */
    hog = (sni_load_rlx(&w->own.flags) & (SNI_STUCK | SNI_BLOCKING)) == SNI_STUCK;
    if (hog) {
        say(r, "sennit: a task has held up its worker for %lld ms: call sn_yield now and then, or sn_blocking around what"
               " blocks\n", (long long)(ns / 1000000));
        say_who(r, sni_load_acq(&w->own.current)); /* pairs with the release in sni_switch */
        say(r, "\n");
    }
    sni_spin_unlock(&rt->idle.lock);
    if (hog)
        print(rt, r);
    sni_free(r, sizeof *r);
    return hog;
}

static void say_mark(const char *site, uint64_t tasks, size_t bytes, void *arg)
{
    say(arg, "  %7.1f KiB by %llu tasks started at %s\n", (double)bytes / 1024, (unsigned long long)tasks, site);
}

void sni_report_stacks(struct sni_rt *rt)
{
    struct report *r = sni_alloc(sizeof *r);

    if (!r)
        return;
    say(r, "sennit: of %zu KiB of stack were used at the most:\n", (rt->stacks.size - SNI_STACK_GUARD) / 1024);
    if (sni_marks_each(rt, say_mark, r) == 0)
        print(rt, r);
    sni_free(r, sizeof *r);
}

void sni_report_left(struct sni_rt *rt)
{
    static struct report r;

    r.n = 0;
    say(&r, "sennit: %llu tasks were left over at the end\n", (unsigned long long)sni_live_tasks(rt));
    list_tasks(rt, &r);
    print(rt, &r);
}

void sni_report_fault(uintptr_t addr)
{
    static struct report r;
    struct sni_worker *w = sni_self();

    if (!w || !sni_stack_of_guard(w->own.rt, addr))
        return;
    struct sni_task *t = w->own.current;
    say(&r, "sennit: stack overflow: a task needs more than its %zu KiB of stack (sn_run_opts.stack_size)\n",
        (w->own.rt->stacks.size - SNI_STACK_GUARD) / 1024);
    t->wait.reason = NULL;
    say_task(&r, t);
    print(w->own.rt, &r);
    abort();
}
