/* What a task is doing, seen from outside: for reports. */
#ifndef SNI_SCHED_LOOK_H
#define SNI_SCHED_LOOK_H

#include "sched/checks.h"
#include "sched/rt.h"

/* A copy: nothing in it points to what may be gone when it is read, but for static strings. */
struct sni_sight {
    uint32_t index, gen;
    char name[48];        /* "": none */
    const char *site;
    bool hidden;
    const char *doing;    /* "receiving from channel", "running", ... */
    char more[96];        /* about the object; "": nothing */
    const char *holds;    /* "held by" whom, in `holder`; NULL: not known */
    uint32_t holder;      /* a task's index + 1; 0: a plain thread */
    bool holder_ended;
    int64_t waited;       /* ns, to some 10 ms; -1: it does not wait */
    int worker;           /* on which it is; -1: none */
    uint32_t nholds;      /* locks and permits, if these are checked */
    struct sni_holding held[8];
    uint32_t ncalls;
    void *calls[SNI_CALLS];
};

enum sni_depth { SNI_BRIEFLY, SNI_WITH_CALLS };

/* Fills `out` with up to n living tasks from the record with index *next on, at one moment of all of them, and moves *next on.
 * Returns how many; 0: there are no more. *still: no worker went on meanwhile; else there are no calls. Stops all workers for
 * that moment, and does not allocate. */
size_t sni_look(struct sni_rt *rt, uint32_t *next, struct sni_sight *out, size_t n, enum sni_depth depth, bool *still);

/* One task: the caller's own, or one that cannot end or go on meanwhile. */
void sni_look_at(struct sni_rt *rt, const struct sni_task *task, struct sni_sight *out);

/* "locking a mutex held by task 3" */
void sni_sight_say(const struct sni_sight *task, char *buf, size_t size);

/* One worker that does not come back from a task: what it does. False: it has come back. */
bool sni_look_at_stuck(struct sni_worker *w, struct sni_sight *out);

#endif
