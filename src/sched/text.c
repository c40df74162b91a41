#include "sched/text.h"

#include "sched/alloc.h"
#include "sennit/time.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    FIRST = 16 * 1024,
    MOST = 64 * 1024 * 1024,
    LINE = 1024,           /* no single thing that is said is longer */
    BATCH = 16,            /* tasks looked at at a time: the workers stand still for some hundred microseconds */
};

/* Room for one more line and a zero. */
static bool make_room(struct sni_text *t)
{
    if (t->room >= t->n + LINE)
        return true;
    if (t->fixed)
        return t->room > t->n + 1;
    size_t room = t->room ? t->room * 2 : FIRST;
    char *text = room <= MOST ? sni_alloc(room) : NULL;
    if (!text) {
        if (t->room > t->n + 32) /* most often there is nearly a line left */
            t->n += (size_t)snprintf(t->text + t->n, t->room - t->n, "  (no memory for more)\n");
        return false;
    }
    if (t->text)
        memcpy(text, t->text, t->n + 1);
    sni_free(t->text, t->room);
    t->text = text;
    t->room = room;
    return true;
}

void sni_say(struct sni_text *t, const char *format, ...)
{
    va_list ap;

    if (t->lost)
        return;
    if (!make_room(t)) {
        t->lost = !t->fixed;
        return;
    }
    va_start(ap, format);
    int k = vsnprintf(t->text + t->n, t->room - t->n, format, ap);
    va_end(ap);
    if (k > 0)
        t->n += (size_t)k < t->room - t->n ? (size_t)k : t->room - 1 - t->n;
}

void sni_text_end(struct sni_text *t)
{
    sni_os_symbols_end(&t->symbols);
    if (!t->fixed)
        sni_free(t->text, t->room);
    *t = (struct sni_text){ 0 };
}

void sni_say_who(struct sni_text *t, const struct sni_sight *task)
{
    sni_say(t, "  task %u", task->index + 1);
    if (task->name[0])
        sni_say(t, " \"%s\"", task->name);
    sni_say(t, ", started at %s", task->site);
}

void sni_say_task(struct sni_text *t, const struct sni_sight *task)
{
    char what[256];

    sni_sight_say(task, what, sizeof what);
    sni_say_who(t, task);
    sni_say(t, ": %s", what);
    if (task->waited >= SN_SEC(1))
        sni_say(t, ", for %.1f s", (double)task->waited / 1e9);
    if (task->worker >= 0)
        sni_say(t, " on worker %d", task->worker);
    sni_say(t, "\n");
    for (uint32_t i = 0; i < task->nholds; i++) {
        sni_os_symbol(&t->symbols, task->held[i].site, what, sizeof what);
        sni_say(t, "    %s %s %p, at %s\n", task->held[i].flags & SNI_LOCK_PERMIT ? "took permits of" : "holds",
                task->held[i].kind, task->held[i].lock, what);
    }
}

void sni_say_calls(struct sni_text *t, void *const *calls, uint32_t n)
{
    char name[256];

    for (uint32_t i = 0; i < n; i++) {
        sni_os_symbol(&t->symbols, calls[i], name, sizeof name);
        sni_say(t, "      %s\n", name);
    }
    if (n == SNI_CALLS)
        sni_say(t, "      ...\n");
}

struct listing {
    struct sni_text *text;
    uint32_t main_task, shown, total, most;
};

static void list(struct listing *l, const struct sni_sight *sights, size_t n, bool main_only)
{
    for (size_t i = 0; i < n; i++) {
        if ((sights[i].index == l->main_task) != main_only)
            continue;
        l->total++;
        if (l->shown >= l->most)
            continue;
        l->shown++;
        sni_say_task(l->text, &sights[i]);
        sni_say_calls(l->text, sights[i].calls, sights[i].ncalls);
    }
}

void sni_say_tasks(struct sni_text *t, struct sni_rt *rt, uint32_t most)
{
    struct sni_sight *sights = sni_alloc(BATCH * sizeof *sights);
    const struct sni_task *main_task = sni_load_rlx(&rt->main_task);
    struct listing l = { .text = t, .main_task = main_task ? main_task->index : UINT32_MAX, .most = most };
    bool still, all_still = true;
    uint32_t next;
    size_t n;

    if (!sights) {
        sni_say(t, "  (no memory to look at them)\n");
        return;
    }
    if (main_task) {
        next = l.main_task;
        n = sni_look(rt, &next, sights, 1, SNI_WITH_CALLS, &still);
        list(&l, sights, n, true);
    }
    for (next = 0; (n = sni_look(rt, &next, sights, BATCH, l.shown < most ? SNI_WITH_CALLS : SNI_BRIEFLY, &still)) > 0;) {
        list(&l, sights, n, false);
        all_still = all_still && still;
    }
    if (l.total > l.shown)
        sni_say(t, "  and %u more\n", l.total - l.shown);
    if (!all_still)
        sni_say(t, "  (a worker could not be stopped: calls are missing)\n");
    sni_free(sights, BATCH * sizeof *sights);
}
