/* Descriptors that tasks wait on. One entry per descriptor, with its waiters; the kernel is asked ONESHOT. */
#ifndef SNI_SCHED_POLL_H
#define SNI_SCHED_POLL_H

#include "base/spin.h"
#include "os/os.h"
#include "sched/wait.h"

struct sni_rt;

struct sni_poll_fd; /* one descriptor */

/* A waiter for one descriptor; its list's lock is the poller's. */
struct sni_poll_node {
    struct sni_watch watch; /* told the events, or an error */
    uint64_t began;         /* (c) see sni_poll_begin */
    int fd;                 /* (c) */
    uint8_t events;         /* (c) */
    bool counted, outside;  /* (o) in poll.waiting, in poll.outside */
};

struct sni_poll {
    struct sni_os_poller os;  /* (c) */
    struct sni_spin lock;
    struct sni_poll_fd *fds;  /* (lock) indexed by descriptor */
    size_t n;                 /* (lock) */
    uint32_t waiting;         /* (a) parked waits */
    uint32_t busy;            /* (a) 1 while somebody is in the kernel's wait */
    uint64_t runs;            /* (a) how often somebody was; written under busy */
    uint32_t gen;             /* (lock) tells an event of an earlier use of the same number */
    uint64_t closes;          /* (a) how often sni_poll_close was called; written under lock */
    uint32_t outside;         /* (a) in a simulation: parked waits for what the program has not made itself */
    uint32_t closing;         /* (a) descriptors that are just being closed; written under lock */
};

int sni_poll_init(struct sni_rt *rt);
void sni_poll_destroy(struct sni_rt *rt);

/* The moment at which an operation on fd begins: what is closed later is not the descriptor it began with. */
uint64_t sni_poll_begin(struct sni_rt *rt, int fd);

/* Whether it has been closed since: what a system call has answered is then another descriptor's answer, perhaps. */
bool sni_poll_is_past(struct sni_rt *rt, int fd, uint64_t begin);

/* Whether one of the events is there: which, 0, or an error: SN_ECANCELED as below. rt may be NULL. A call to the system. */
int sni_poll_look(struct sni_rt *rt, const struct sni_poll_node *n);

/* Into the list: it will be told, or has been, if the descriptor is bad or always ready. The caller has filled in the rest, and
 * holds no lock. SN_ENOMEM: it is not in the list. unwatch, in any case: out of it, if still in it. */
int sni_poll_watch(struct sni_rt *rt, struct sni_poll_node *n);
void sni_poll_unwatch(struct sni_rt *rt, struct sni_poll_node *n);

/* Parks until fd has one of `events`. Returns the events, ctx's error, SN_ECANCELED if fd was closed since `begin`, or
 * another negative error. */
int sni_poll_wait(struct sni_rt *rt, sn_ctx *ctx, int fd, unsigned events, uint64_t begin);

/* Closes fd and gives SN_ECANCELED to every operation on it that began before. */
int sni_poll_close(struct sni_rt *rt, int fd);

/* Waits at most `ns` (< 0: for ever) and readies whose descriptor is ready. Only if nobody else is doing so. `sleep`: the
 * caller's, or NULL; it does not wait if it was woken meanwhile, for the bell may be somebody else's catch already. */
void sni_poll_run(struct sni_rt *rt, int64_t ns, const uint32_t *sleep);

#endif
