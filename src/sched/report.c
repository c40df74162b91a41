#include "sched/report.h"

#include "base/check.h"
#include "sched/halt.h"
#include "sched/mark.h"
#include "sched/san.h"
#include "sched/text.h"
#include "sennit/dump.h"
#include "sennit/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { LISTED = 64 }; /* tasks shown one by one; a report of a million helps nobody */

static void print(struct sni_rt *rt, const struct sni_text *t)
{
    const char *text = t->text ? t->text : "sennit: no memory for a report\n";

    if (rt && rt->opts.report)
        rt->opts.report(rt->opts.report_arg, text);
    else
        sni_os_print(text);
}

void sni_report_text(struct sni_rt *rt, const struct sni_text *t)
{
    if (t->n > 0)
        print(rt, t);
}

/* The task that runs here, and its calls. */
static void say_self(struct sni_text *t, struct sni_worker *w, void *const *calls, uint32_t n)
{
    struct sni_sight self;

    if (!w || w->own.current == &w->own.idle) {
        sni_say(t, "  in a plain thread\n");
    } else {
        sni_look_at(w->own.rt, w->own.current, &self);
        self.doing = "running";
        sni_say_task(t, &self);
    }
    sni_say_calls(t, calls, n);
}

/* For who cannot allocate, and ends the process: there is one such report at most. */
static char last_words[16 * 1024];

_Noreturn void sni_panic(const char *format, ...)
{
    struct sni_text r = { .text = last_words, .room = sizeof last_words, .fixed = true };
    struct sni_worker *w = sni_self();
    void *calls[SNI_CALLS];
    char text[512];
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    sni_say(&r, "sennit: panic: %s\n", text);
    say_self(&r, w, calls, sni_calls_here(calls, SNI_CALLS));
    print(w ? w->own.rt : sni_rt_current(), &r);
    abort();
}

void sni_report_failure(struct sni_rt *rt, const struct sni_task *t, int code, const char *why)
{
    struct sni_text r = { 0 };
    struct sni_sight sight;

    sni_say(&r, "sennit: a task failed: %s (%s)\n", why, sn_error_string(code));
    if (t) {
        sni_look_at(rt, t, &sight);
        sni_say_task(&r, &sight);
    }
    print(rt, &r);
    sni_text_end(&r);
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
    struct sni_text r = { 0 };

    sni_say(&r, "sennit: deadlock: every task waits, and nothing is left that could wake one\n");
    sni_say_tasks(&r, rt, LISTED);
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
    struct sni_text r = { 0 };
    struct sni_sight task;

    if (!sni_look_at_stuck(w, &task))
        return false;
    sni_say(&r, "sennit: a task has held up its worker for %lld ms: call sn_yield now and then, or sn_blocking around what"
                " blocks\n", (long long)(ns / 1000000));
    sni_say_who(&r, &task);
    sni_say(&r, "\n");
    sni_say_calls(&r, task.calls, task.ncalls);
    print(w->own.rt, &r);
    sni_text_end(&r);
    return true;
}

static void say_mark(const char *site, uint64_t tasks, size_t bytes, void *arg)
{
    sni_say(arg, "  %7.1f KiB by %llu tasks started at %s\n", (double)bytes / 1024, (unsigned long long)tasks, site);
}

void sni_report_stacks(struct sni_rt *rt)
{
    struct sni_text r = { 0 };

    sni_say(&r, "sennit: of %zu KiB of stack were used at the most:\n", (rt->stacks.size - SNI_STACK_GUARD) / 1024);
    if (sni_marks_each(rt, say_mark, &r) == 0)
        print(rt, &r);
    sni_text_end(&r);
}

void sni_report_left(struct sni_rt *rt)
{
    struct sni_text r = { 0 };

    sni_say(&r, "sennit: %llu tasks were left over at the end\n", (unsigned long long)sni_live_tasks(rt));
    sni_say_tasks(&r, rt, LISTED);
    print(rt, &r);
    sni_text_end(&r);
}

/* The fault handler runs on a stack of its own; the calls that led here are on the one that overflowed. */
void sni_report_fault(uintptr_t addr)
{
    struct sni_text r = { .text = last_words, .room = sizeof last_words, .fixed = true };
    struct sni_worker *w = sni_self();
    void *calls[SNI_CALLS];

    if (!w || !sni_stack_of_guard(w->own.rt, addr))
        return;
    sni_say(&r, "sennit: stack overflow: a task needs more than its %zu KiB of stack (sn_run_opts.stack_size)\n",
            (w->own.rt->stacks.size - SNI_STACK_GUARD) / 1024);
    say_self(&r, w, calls, sni_calls_here(calls, SNI_CALLS));
    print(w->own.rt, &r);
    abort();
}

void sni_report_hang(struct sni_rt *rt, const struct sni_hang *hang)
{
    struct sni_text r = { 0 };
    struct sni_sight task;
    bool still;

    if (hang->cyclic)
        sni_say(&r, "sennit: hang: %u tasks wait for each other", hang->cyclic);
    else
        sni_say(&r, "sennit: hang: %u tasks wait for one that has ended", hang->n);
    if (hang->cyclic && hang->n > hang->cyclic)
        sni_say(&r, ", and %u more for them", hang->n - hang->cyclic);
    sni_say(&r, "; the rest of the program goes on\n");
    for (uint32_t i = 0; i < hang->n && i < LISTED; i++) {
        uint32_t next = hang->tasks[i];
        if (sni_look(rt, &next, &task, 1, SNI_WITH_CALLS, &still) == 0 || task.index != hang->tasks[i])
            continue;
        sni_say_task(&r, &task);
        sni_say_calls(&r, task.calls, task.ncalls);
    }
    if (hang->n > LISTED)
        sni_say(&r, "  and %u more\n", hang->n - LISTED);
    print(rt, &r);
    sni_text_end(&r);
}

/* --- sn_dump --- */

static void say_worker(struct sni_text *t, struct sni_worker *w)
{
    struct sni_task *current = sni_load_acq(&w->own.current); /* pairs with the release in sni_switch */
    uint32_t id = sni_load_rlx(&w->thread_id);

    sni_say(t, "  worker %u", w->own.id);
    if (id)
        sni_say(t, ", thread %u", id);
    if (sni_load_rlx(&w->sleep) != SNI_AWAKE)
        sni_say(t, ": asleep\n");
    else if (current == &w->own.idle)
        sni_say(t, ": looks for work\n");
    else
        sni_say(t, ": runs task %u%s\n", current->index + 1,
                sni_load_rlx(&w->own.flags) & SNI_STUCK ? ", and others do its work" : "");
}

static void say_all(struct sni_text *t, struct sni_rt *rt)
{
    sni_say(t, "sennit: %llu tasks, %d workers\n", (unsigned long long)sni_live_tasks(rt), sni_started(rt));
    for (int i = 0; i < sni_started(rt); i++)
        say_worker(t, &rt->workers[i]);
    sni_say_tasks(t, rt, UINT32_MAX);
}

void sni_report_all(struct sni_rt *rt)
{
    struct sni_text r = { 0 };

    say_all(&r, rt);
    print(rt, &r);
    sni_text_end(&r);
}

int sn_dump(int fd)
{
    struct sni_rt *rt = sni_rt_self();
    struct sni_text t = { 0 };
    int r = SN_ENOMEM;

    if (!rt)
        return SN_ENOTRUNNING;
    say_all(&t, rt);
    if (t.text)
        r = 0;
    for (size_t done = 0; r == 0 && done < t.n;) {
        int64_t n = sni_os_write(fd, t.text + done, t.n - done);
        if (n < 0)
            r = (int)n;
        else
            done += (size_t)n;
    }
    sni_text_end(&t);
    return r;
}
