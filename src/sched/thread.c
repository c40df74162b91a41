#include "sched/thread.h"

#include "sched/alloc.h"
#include "sched/checks.h"
#include "sched/fork.h"
#include "sched/park.h"

struct thread {
    struct sni_wait wait;
    uint32_t awake; /* (a) futex */
    uint32_t number; /* (c) */
    struct thread *next;
};

/* Records are type-stable for ever: a late waker may still try to claim one with an old number. So they are never freed,
 * only reused; process-wide, since threads are. */
static struct {
    struct sni_spin lock;
    struct thread *free;
    uint32_t made;
} pool;

void sni_thread_exit(void *p)
{
    struct thread *t = p;

    sni_check_thread_end(&t->wait);
    sni_spin_lock(&pool.lock);
    t->next = pool.free;
    pool.free = t;
    sni_spin_unlock(&pool.lock);
}

struct sni_wait *sni_thread_wait(void)
{
    struct thread *t;

    if ((t = sni_os_slot_get()) != NULL)
        return &t->wait;
    sni_spin_lock(&pool.lock);
    if ((t = pool.free) != NULL)
        pool.free = t->next;
    sni_spin_unlock(&pool.lock);
    if (!t) {
        sni_fork_init();
        if (!(t = sni_alloc(sizeof *t)))
            return NULL;
        sni_forever(t);
        t->number = sni_add_rlx(&pool.made, 1u); /* a name, and no more */
    }
    t->wait.kind = SNI_WAIT_THREAD;
    t->wait.ctx = sn_background();
    if (t->wait.seq == 0)
        t->wait.seq = 1; /* zero means unarmed */
    if (sni_os_slot_set(t) < 0) {
        sni_thread_exit(t);
        return NULL;
    }
    return &t->wait;
}

uint32_t sni_thread_number(struct sni_wait *wait)
{
    return sni_container(wait, struct thread, wait)->number;
}

void sni_threads_forked(void)
{
    sni_spin_unlock(&pool.lock);
}

int32_t sni_park_thread(struct sni_wait *wait, struct sni_armed *armed)
{
    struct thread *t = sni_container(wait, struct thread, wait);

    sni_store_rlx(&t->awake, 0u); /* nobody can ready us before commit lets the object go */
    if (!sni_ctx_endless(armed->ctx))
        sni_ctx_join(wait, armed->ctx);
    if (sni_ctx_endless(armed->ctx))
        armed->commit(armed->arg);
    else
        sni_commit_armed(armed);
    while (sni_load_acq(&t->awake) == 0) /* pairs with the release in sni_ready_thread */
        (void)sni_os_futex_wait(&t->awake, 0, INT64_MAX);
    sni_ctx_leave(wait); /* a thread may live on for long: it keeps no context alive */
    return wait->result;
}

void sni_ready_thread(struct sni_wait *wait)
{
    struct thread *t = sni_container(wait, struct thread, wait);

    sni_store_rel(&t->awake, 1u); /* pairs with the acquire in sni_park_thread */
    sni_os_futex_wake(&t->awake); /* the record is type-stable: a late wake hits a futex, at worst a spurious one */
}
