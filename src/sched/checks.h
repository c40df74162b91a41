/* Checks of what a program does with locks and stacks: on by option, always in debug builds. They report, and go on. */
#ifndef SNI_SCHED_CHECKS_H
#define SNI_SCHED_CHECKS_H

#include "sched/rt.h"

/* (a) Whether they are on: of the process, since plain threads without a runtime take locks, too. */
extern uint32_t sni_checks __attribute__((visibility("hidden")));

static inline bool sni_checks_on(void)
{
    return sni_unlikely(sni_load_rlx(&sni_checks) != 0);
}

/* A runtime with checks begins, or ends: what was noted is forgotten with the last. */
void sni_checks_begin(void);
void sni_checks_finish(void);

/* OF_THREAD: it belongs to the thread, so that a task must not wait while it holds it. PERMIT: another task may give it back, and
 * several have one at a time; it is only shown. SHARED: another task may give it back. */
enum sni_lock_flags { SNI_LOCK = 0, SNI_LOCK_OF_THREAD = 1, SNI_LOCK_PERMIT = 2, SNI_LOCK_SHARED = 4 };

/* A lock that the caller is about to wait for; has taken; has let go. `site` is where: an address in the caller's code. */
void sni_lock_wanted(struct sni_wait *self, const void *lock, const char *kind);
void sni_lock_taken(struct sni_wait *self, const void *lock, const char *kind, const void *site, enum sni_lock_flags flags);
void sni_lock_released(struct sni_wait *self, const void *lock);

/* Up to `most` of what a task holds that does not run meanwhile; returns how many. */
struct sni_holding {
    const void *lock;
    const char *kind;
    const void *site;
    enum sni_lock_flags flags;
};
uint32_t sni_locks_of(const struct sni_task *task, struct sni_holding *out, uint32_t most);

/* Locks in this memory are gone; what is locked there from now on is another. */
void sni_locks_forget(const void *memory, size_t size);

/* The task is about to wait; goes on; has ended; the plain thread has ended. */
void sni_check_park(struct sni_worker *w, struct sni_task *task);
void sni_check_woken(struct sni_task *task, const struct sni_reason *reason);
void sni_check_end(struct sni_worker *w, struct sni_task *task);
void sni_check_thread_end(struct sni_wait *self);

#endif
