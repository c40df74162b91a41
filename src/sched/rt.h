/* The runtime and its workers: all of Sennit's mutable state hangs here. */
#ifndef SNI_SCHED_RT_H
#define SNI_SCHED_RT_H

#include "arch/arch.h"
#include "base/spin.h"
#include "sched/deque.h"
#include "sched/poll.h"
#include "sched/stack.h"
#include "sched/task.h"
#include "sched/timer.h"
#include "sennit/run.h"

enum {
    SNI_RING = 256,         /* slots of a ready ring; what does not fit goes to the inject queue */
    SNI_LIFO_RUN = 64,      /* how often in a row the LIFO slot may be served before the ring gets its turn */
    SNI_FRESH = 4,          /* every so many picks a fresh task is started, though the ring is not empty */
    SNI_TICKS = 64,         /* every so many switches timers, descriptors and the inject queue are looked at */
    SNI_MAX_WORKERS = 256,
};

typedef void sni_commit_fn(void *arg);

/* A worker's `sleep`: set by itself, taken back by whoever wakes it, under idle.lock. */
enum { SNI_AWAKE, SNI_ASLEEP, SNI_ASLEEP_POLLING };

/* (w) only code running on this worker  (a) atomic */
struct sni_worker {
    struct {                      /* (w) */
        struct sni_rt *rt;
        struct sni_task *current; /* the task that runs; &idle: the scheduler */
        struct sni_task *lifo;    /* the task readied last: runs next */
        uint32_t lifo_run;
        uint32_t nfree;
        sni_commit_fn *commit;    /* runs first thing on the next context */
        void *commit_arg;
        struct sni_task *free;    /* task records at hand, by wait.next */
        char *stacks[SNI_STACK_CACHE];
        uint32_t nstacks;
        uint32_t id;
        uint64_t rng;
        uint64_t spawned, ended;  /* (a) written here, summed by others */
        sn_ctx *free_ctx;         /* context records at hand */
        uint32_t nfree_ctx;
        struct sni_task idle;     /* the worker's own thread */
        void *idle_stack;         /* its bounds, for sanitizers */
        size_t idle_stack_size;
    } own;
    struct {
        alignas(64) uint32_t tick; /* (a) switches, written by the owner, sampled by thieves */
        alignas(64) uint32_t head; /* (a) ring: next to take; owner and thieves */
        alignas(64) uint32_t tail; /* (a) ring: owner writes */
        struct sni_task *ring[SNI_RING]; /* (a) */
    } run;
    struct sni_deque fresh;
    alignas(64) struct sni_timers timers;
    alignas(64) uint32_t sleep;   /* (a) futex: one of SNI_AWAKE... */
    struct sni_worker *next_idle; /* (rt->idle.lock) */
    bool watcher;                 /* (rt->idle.lock) it is the one who watches */
    uint32_t seen_tick;           /* (a) as a searcher saw it last; two may overlap, and guess badly once */
    struct sni_os_thread thread;  /* (c) */
    uint32_t exited;              /* (a) */
    void *altstack;               /* (c) */
};

struct sni_task_chunk;

struct sni_rt {
    int nworkers;                 /* (c) */
    struct sni_worker *workers;   /* (c) */
    void *workers_memory;         /* (c) */
    sn_run_opts opts;             /* (c) defaults resolved */
    sn_ctx *root;                 /* (c) */
    sn_group detached;            /* tasks that nobody waits for, and the main task */
    struct sni_stacks stacks;
    struct sni_poll poll;
    struct {
        struct sni_spin lock;
        struct sni_task_chunk **chunks; /* (lock) */
        size_t nchunks, room;           /* (lock) */
        struct sni_task_chunk *some;    /* (lock) those with a free record */
        uint32_t first_gen;             /* (c) even */
        uint32_t idle;                  /* (a) a slab has become free: there may be memory to give back */
    } tasks;
    struct {                      /* tasks readied by threads that are no workers, or that found a ring full */
        struct sni_spin lock;
        struct sni_wait *head, *tail; /* (lock) */
        uint32_t n;               /* (a) */
    } inject;
    struct {
        struct sni_spin lock;
        struct sni_worker *list;  /* (lock) sleeping workers, last asleep first */
        uint32_t sleeping;        /* (a) how many; written under lock */
        uint32_t searching;       /* (a) how many look for work; written under lock */
        uint32_t watching;        /* (a) 1: a sleeper looks every WATCH_NS at what busy workers leave lying; under lock */
        uint64_t epoch;           /* (lock) how often somebody woke */
    } idle;
    uint32_t visitors;            /* (a) plain threads that are just handing over a task */
    uint32_t stopping;            /* (a) */
    uint32_t embedded;            /* (c) sn_start rather than sn_run */
    uint64_t next_id;             /* (a) of channels and other objects */
    int main_code;                /* result of the main task */
    sn_fn *main_fn;               /* (c) */
    void *main_arg;               /* (c) */
    struct sni_task *main_task;   /* (a) its record, which may be another task's once it has ended */
    uint64_t spawned_far;         /* (a) tasks started by plain threads */
    struct sni_rt *kept;          /* one that was kept before this, since it could not end */
    int64_t trim_at;              /* (a) when free stacks are given back; 0: nothing to do */
};

/* The runtime that plain threads start tasks in; NULL if none runs. */
struct sni_rt *sni_rt_current(void);

/* The runtime of the caller: its worker's, or the process's. NULL: none. */
struct sni_rt *sni_rt_self(void);

/* The calling worker, NULL in a plain thread. Never keep it across a call that can park. */
static inline struct sni_worker *sni_self(void)
{
    return sni_self_load();
}

/* A task for any worker to run; the caller may be any thread. */
void sni_inject(struct sni_rt *rt, struct sni_task *task);

/* There is work that a sleeping worker could do. */
void sni_wake_searcher(struct sni_rt *rt);
static inline void sni_notify(struct sni_rt *rt)
{
    /* Relaxed and without a fence: this worker will run what it has pushed, if nobody else does. Should it be busy for long
     * and the wake-up be missed, the watcher finds it (see go_to_sleep). */
    if (sni_unlikely(sni_load_rlx(&rt->idle.sleeping) != 0 && sni_load_rlx(&rt->idle.searching) == 0))
        sni_wake_searcher(rt);
}

/* Wakes this worker if it sleeps, since it has an earlier timer now; false if it was awake. */
bool sni_worker_kick(struct sni_rt *rt, struct sni_worker *w);

/* The worker's thread: runs tasks until the runtime stops. */
void sni_worker_run(struct sni_worker *w);
int sni_worker_init(struct sni_worker *w, struct sni_rt *rt, uint32_t id);
void sni_worker_destroy(struct sni_worker *w);
void sni_wake_all(struct sni_rt *rt);

uint64_t sni_live_tasks(struct sni_rt *rt);

/* Nobody has woken since idle.epoch was `epoch`, and nothing of ours could wake a task. */
bool sni_still_dead(struct sni_rt *rt, uint64_t epoch);

#endif
