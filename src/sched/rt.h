/* The runtime and its workers: all of Sennit's mutable state hangs here. */
#ifndef SNI_SCHED_RT_H
#define SNI_SCHED_RT_H

#include "arch/arch.h"
#include "base/spin.h"
#include "sched/deque.h"
#include "sched/end.h"
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
    SNI_MAX_SPARES = 256,
    SNI_CALLS = 32,         /* of a stack's, the innermost ones: as many are shown */
};

typedef void sni_commit_fn(void *arg);

/* A worker's `sleep`: set by itself, taken back by whoever wakes it, under idle.lock. */
enum { SNI_AWAKE, SNI_ASLEEP, SNI_ASLEEP_POLLING };

/* A worker's `flags`. STUCK: has been in one task for long, or in sn_blocking, or runs a hog; others do its work, and what
 * would have run next was taken from it. With it, BLOCKING: it said so itself; COMPUTING: it wants a processor all the
 * same. HURRY: it shall go through its loop at the next switch. SIM, for ever and alone: it simulates; see sim.h. */
enum { SNI_STUCK = 1, SNI_BLOCKING = 2, SNI_COMPUTING = 4, SNI_HURRY = 8, SNI_SIM = 16 };

/* (w) only code running on this worker  (a) atomic */
struct sni_worker {
    struct {                      /* (w) */
        struct sni_rt *rt;
        struct sni_task *current; /* (a) the task that runs; &idle: the scheduler */
        struct sni_task *lifo;    /* the task readied last: runs next. Or the monitor's, see sni_lifo_open */
        uint32_t lifo_busy;       /* (a) 1 while the owner works with `lifo` */
        uint32_t flags;           /* (a) SNI_STUCK ...; anyone writes, under idle.lock */
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
        struct sni_wait *refused; /* tasks that get no stack: the idle loop ends them */
        uint32_t npinned;         /* living tasks that can run only here */
        int64_t about;            /* (a) the time to some 10 ms; the monitor's, and ours after a sleep */
        int64_t hog_since;        /* when the hog that runs was taken; 0: it was not known to be one */
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
    uint32_t seen_tick;           /* (a) as a searcher saw it last; two may overlap, and guess badly once */
    struct {                      /* pinned tasks that are ready to go on */
        struct sni_spin lock;
        uint32_t n;               /* (a) */
        struct sni_wait *head, *tail; /* (lock) */
    } pinned;
    struct {                      /* what the monitor has seen; its own */
        uint32_t tick;
        bool told;                /* reported as a hog */
        int64_t since;            /* it was seen to switch no later than this */
    } watched;
    struct sni_os_thread thread;  /* (c) once has_thread */
    bool has_thread;              /* false: worker 0 of sn_run, or a spare that could not be started */
    uint32_t thread_id;           /* (a) the system's number for it; 0: not known yet */
    uint32_t exited;              /* (a) */
    void *altstack;               /* (c) */
    uint64_t signal_mask;         /* (w) what its thread blocks */
    struct {                      /* stopped for a look from outside: see halt.c */
        uint32_t state;           /* (a) futex */
        uint32_t ncalls;          /* what it does, once it stands */
        int64_t deaf_until;       /* (rt->halt.lock) it did not answer */
        uintptr_t sp;
        void *calls[SNI_CALLS];
    } halt;
};

struct sni_task_chunk;
struct sni_marks;
struct sni_sim;

struct sni_rt {
    int nworkers;                 /* (c) how many shall run tasks at a time */
    int capacity;                 /* (c) workers that there can be: those and spares */
    uint32_t nstarted;            /* (a) workers that there are; grows. Written by who starts, then by the monitor */
    struct sni_worker *workers;   /* (c) */
    void *workers_memory;         /* (c) */
    sn_run_opts opts;             /* (c) defaults resolved */
    struct sni_sim *sim;          /* (c) NULL: this is no simulation */
    sn_ctx *root;                 /* (c) */
    sn_group detached;            /* tasks that nobody waits for, and the main task */
    struct sni_stacks stacks;
    struct sni_poll poll;
    struct {
        struct sni_spin lock;
        struct sni_task_chunk **chunks; /* (a) written under lock */
        size_t nchunks, room;           /* (a) (lock) */
        struct sni_task_chunk **old[32]; /* (lock) arrays that were too small; each twice the one before */
        uint32_t nold;                  /* (lock) */
        struct sni_task_chunk *some;    /* (lock) those with a free record */
        uint32_t first_gen;             /* (c) even */
        uint32_t idle;                  /* (a) a slab has become free: there may be memory to give back */
    } tasks;
    struct sni_ends ends[SNI_ENDS]; /* who waits for the ends of tasks */
    struct {                      /* tasks readied by threads that are no workers, or that found a ring full */
        struct sni_spin lock;
        struct sni_wait *head, *tail; /* (lock) */
        uint32_t n;               /* (a) */
    } inject;
    uint32_t pinned_ready;        /* (a) pinned tasks that are ready to go on */
    struct {                      /* hogs that are ready to go on; as many run at a time as there are workers */
        struct sni_spin lock;
        struct sni_wait *head, *tail; /* (lock) */
        uint32_t n;               /* (a) */
        uint32_t taken;           /* (a) how often one was; a sample for the monitor */
        uint32_t running;         /* (a) workers that are COMPUTING; written under idle.lock */
    } hogs;
    struct {                      /* see idle.c */
        struct sni_spin lock;
        struct sni_worker *list;  /* (lock) sleeping workers, last asleep first */
        uint32_t sleeping;        /* (lock) how many */
        uint32_t awake;           /* (a) workers that neither sleep nor are stuck; written under lock */
        uint32_t stuck;           /* (a) written under lock */
        uint32_t searching;       /* (a) how many look for work; written under lock */
        struct sni_worker *keeper; /* (lock) the sleeper that keeps the time; NULL: nobody */
        int64_t kept;             /* (a) until when it sleeps; INT64_MIN: nobody does. Written under lock */
        uint32_t wanted;          /* (a) 1: who has work for others calls sni_wake_searcher; written under lock */
        uint64_t epoch;           /* (lock) how often somebody woke */
    } idle;
    struct {                      /* see monitor.c */
        struct sni_os_thread thread; /* (c) */
        uint32_t bell;            /* (a) futex: counts the rings */
        bool asleep;              /* (idle.lock) */
        uint32_t dump;            /* (a) 1: somebody asks what everybody does */
    } monitor;
    struct {                      /* see halt.c */
        struct sni_spin lock;     /* one looks at a time */
        bool installed;           /* (lock) */
    } halt;
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
    struct sni_spin marks_lock;
    struct sni_marks *marks;      /* (marks_lock) how deep stacks were; NULL: nothing noted */
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

/* A task for any worker to run; the caller may be any thread. take_one: the longest-waiting of them, or NULL. */
void sni_inject(struct sni_rt *rt, struct sni_task *task);
struct sni_task *sni_take_one_injected(struct sni_rt *rt);

/* There is work that a sleeping worker could do. */
void sni_wake_searcher(struct sni_rt *rt);
static inline void sni_notify(struct sni_rt *rt)
{
    /* Relaxed and without a fence: this worker will run what it has pushed, if nobody else does. Should it be busy for long
     * and the wake-up be missed, the monitor finds it. */
    if (sni_unlikely(sni_load_rlx(&rt->idle.wanted) != 0 && sni_load_rlx(&rt->idle.searching) == 0))
        sni_wake_searcher(rt);
}

/* There is a timer that may be earlier than what a sleeper waits for. */
void sni_wake_keeper(struct sni_rt *rt);

/* (a) The workers that there are. */
static inline int sni_started(struct sni_rt *rt)
{
    return (int)sni_load_acq(&rt->nstarted); /* pairs with the release of who starts one: it is initialised */
}

/* Its flags are set: takes note of them. Called by the owner; afterwards it is not stuck. */
void sni_worker_back(struct sni_worker *w);

/* A worker whose flags are set is about to leave its task: notes whether that is a hog. */
void sni_note_hog(struct sni_worker *w);

/* The worker's thread: runs tasks until the runtime stops. start: on a thread of its own; 0 or an error. */
void sni_worker_run(struct sni_worker *w);
int sni_worker_start(struct sni_worker *w);
int sni_worker_init(struct sni_worker *w, struct sni_rt *rt, uint32_t id);
void sni_worker_destroy(struct sni_worker *w);
void sni_wake_all(struct sni_rt *rt);

uint64_t sni_live_tasks(struct sni_rt *rt);

/* Nobody has woken since idle.epoch was `epoch`, and nothing of ours could wake a task. */
bool sni_still_dead(struct sni_rt *rt, uint64_t epoch);

#endif
