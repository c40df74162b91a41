#include "sched/poll.h"

#include "sched/alloc.h"
#include "sched/park.h"
#include "sched/sim.h"
#include "sennit/error.h"

#include <string.h>

struct sni_poll_fd {
    struct sni_link waiters; /* (lock) next NULL: never used */
    uint32_t gen;            /* (lock) of the registration with the kernel */
    unsigned armed;          /* (lock) what the kernel was asked for; 0: nothing */
    bool known;              /* (lock) registered with the kernel */
    bool closing;            /* (lock) the number still means the old one, or nothing, or a new one already */
    uint64_t closed;         /* (lock) poll->closes at its last close */
};

static const struct sni_reason waiting_for_fd = { "waiting for a file descriptor", NULL, NULL, NULL };

int sni_poll_init(struct sni_rt *rt)
{
    return sni_os_poller_init(&rt->poll.os);
}

void sni_poll_destroy(struct sni_rt *rt)
{
    sni_os_poller_destroy(&rt->poll.os);
    sni_free(rt->poll.fds, rt->poll.n * sizeof *rt->poll.fds);
}

/* (lock) */
static struct sni_poll_fd *entry_of(struct sni_poll *p, int fd)
{
    if ((size_t)fd >= p->n) {
        size_t n = p->n ? p->n : 64;
        while (n <= (size_t)fd)
            n *= 2;
        struct sni_poll_fd *fds = sni_alloc(n * sizeof *fds);
        if (!fds)
            return NULL;
        for (size_t i = 0; i < p->n; i++) { /* list heads point at themselves: move them with care */
            fds[i] = p->fds[i];
            if (!fds[i].waiters.next)
                continue;
            if (sni_list_empty(&p->fds[i].waiters)) {
                sni_list_init(&fds[i].waiters);
            } else {
                fds[i].waiters.next->prev = &fds[i].waiters;
                fds[i].waiters.prev->next = &fds[i].waiters;
            }
        }
        sni_free(p->fds, p->n * sizeof *fds);
        p->fds = fds;
        p->n = n;
    }
    struct sni_poll_fd *e = &p->fds[fd];
    if (!e->waiters.next)
        sni_list_init(&e->waiters);
    return e;
}

/* (lock) Asks the kernel for what the waiters want, once. An error: what it was asked for before, if anything, is in `armed` still;
 * see refuse_unarmed. */
static int arm(struct sni_poll *p, int fd, struct sni_poll_fd *e)
{
    unsigned want = 0;
    int r = 0;

    for (struct sni_link *l = e->waiters.next; l != &e->waiters; l = l->next)
        want |= sni_container(l, struct sni_poll_node, watch.link)->events;
    if (want == 0) {
        /* Nobody waits: forget it, since the number may be closed and used again without our knowing. */
        if (e->known)
            sni_os_poller_del(&p->os, fd);
        e->known = false;
        e->armed = 0;
        return 0;
    }
    if (e->known && (want & ~e->armed) == 0)
        return 0;
    uint64_t data = (uint64_t)++p->gen << 32 | (uint32_t)fd;
    if (e->known)
        r = sni_os_poller_change(&p->os, fd, want, data);
    if (e->known && r < 0 && r != SN_ENOENT)
        return r;
    if (!e->known || r == SN_ENOENT) {
        r = sni_os_poller_add(&p->os, fd, want, data);
        if (r == SN_EEXIST)
            r = sni_os_poller_change(&p->os, fd, want, data);
    }
    e->gen = p->gen;
    e->known = r == 0;
    e->armed = r == 0 ? want : 0;
    return r;
}

/* (lock) Tells the waiters of one descriptor that `events` satisfies. */
static void tell_waiters(struct sni_poll_fd *e, unsigned events, int error, struct sni_wakes *wakes)
{
    struct sni_link *next;

    for (struct sni_link *l = e->waiters.next; l != &e->waiters; l = next) {
        struct sni_poll_node *n = sni_container(l, struct sni_poll_node, watch.link);
        next = l->next;
        if (n->events & events)
            sni_watch_tell(&n->watch, error < 0 ? error : (int)(n->events & events), wakes);
    }
}

/* (lock) Those of whom the kernel does not know would wait for ever. */
static void refuse_unarmed(struct sni_poll_fd *e, int error, struct sni_wakes *wakes)
{
    tell_waiters(e, 3 & ~e->armed, error, wakes);
}

/* A worker that parks a task looks after the poller before it sleeps; for a plain thread one must be woken. */
static void attend(struct sni_poll *p)
{
    if (!sni_self() && sni_load_seq(&p->busy) == 0)
        sni_wake_searcher(sni_container(p, struct sni_rt, poll));
}

static void commit_poll(void *p)
{
    struct sni_poll *poll = p;

    sni_spin_unlock(&poll->lock);
    attend(poll);
}

/* Takes the lock while nobody is closing fd. The number may be another descriptor's already: whoever closes the last one is
 * waited for, as long as the system call takes. */
static void lock_settled(struct sni_poll *p, int fd)
{
    sni_spin_lock(&p->lock);
    while (fd >= 0 && (size_t)fd < p->n && p->fds[fd].closing) {
        sni_spin_unlock(&p->lock);
        sni_os_yield();
        sni_spin_lock(&p->lock);
    }
}

uint64_t sni_poll_begin(struct sni_rt *rt, int fd)
{
    struct sni_poll *p = &rt->poll;

    if (sni_unlikely(sni_load_acq(&p->closing) != 0)) { /* pairs with the release in sni_poll_close */
        lock_settled(p, fd);
        sni_spin_unlock(&p->lock);
    }
    return sni_load_acq(&p->closes); /* as above */
}

bool sni_poll_is_past(struct sni_rt *rt, int fd, uint64_t begin)
{
    struct sni_poll *p = &rt->poll;

    /* As above. The kernel orders a new use of the number after the close, and so after what was stored before that. */
    if (sni_likely(sni_load_acq(&p->closes) == begin))
        return false;
    sni_spin_lock(&p->lock);
    bool past = (size_t)fd < p->n && p->fds[fd].closed > begin;
    sni_spin_unlock(&p->lock);
    return past;
}

int sni_poll_look(struct sni_rt *rt, const struct sni_poll_node *n)
{
    int r = n->fd < 0 ? SN_EBADF : sni_os_ready(n->fd, n->events);

    return rt && sni_poll_is_past(rt, n->fd, n->began) ? SN_ECANCELED : r;
}

/* (lock) Into the list of its descriptor. 0; or what there is to tell at once: events, or an error. */
static int enlist(struct sni_poll *p, struct sni_poll_node *n, struct sni_wakes *wakes)
{
    struct sni_poll_fd *e = entry_of(p, n->fd);
    int r;

    if (!e)
        return SN_ENOMEM;
    if (e->closed > n->began)
        return SN_ECANCELED;
    sni_list_append(&e->waiters, &n->watch.link);
    if ((r = arm(p, n->fd, e)) == 0)
        return 0;
    sni_list_remove(&n->watch.link);
    refuse_unarmed(e, r, wakes);
    return r == SN_EPERM ? n->events : r; /* a regular file: always ready */
}

static void count(struct sni_rt *rt, struct sni_poll_node *n)
{
    (void)sni_add_seq(&rt->poll.waiting, 1u); /* Dekker with go_to_sleep */
    n->counted = true;
    n->outside = rt->sim && !(sni_self() && sni_sim_owns_fd(rt, n->fd));
    if (n->outside)
        sni_add_rlx(&rt->poll.outside, 1u);
}

int sni_poll_watch(struct sni_rt *rt, struct sni_poll_node *n)
{
    struct sni_poll *p = &rt->poll;
    struct sni_wakes wakes;
    int r = SN_EBADF;

    sni_wakes_init(&wakes);
    if (n->fd >= 0) {
        sni_spin_lock(&p->lock);
        if ((r = enlist(p, n, &wakes)) == 0)
            count(rt, n);
        sni_spin_unlock(&p->lock);
    }
    sni_wakes_ready(&wakes);
    if (r == SN_ENOMEM)
        return r;
    if (r == 0) {
        attend(p);
    } else {
        n->watch.value = r; /* nobody else knows of it */
        n->watch.state = SNI_WATCH_TOLD;
    }
    return 0;
}

void sni_poll_unwatch(struct sni_rt *rt, struct sni_poll_node *n)
{
    struct sni_poll *p = &rt->poll;

    if (!n->counted)
        return;
    if (n->outside)
        sni_add_rlx(&p->outside, -1u);
    sni_add_rlx(&p->waiting, -1u);
    if (sni_watch_is_told(&n->watch))
        return;
    sni_spin_lock(&p->lock);
    if (n->watch.link.next) {
        sni_list_remove(&n->watch.link);
        (void)arm(p, n->fd, &p->fds[n->fd]);
    }
    sni_spin_unlock(&p->lock);
}

int sni_poll_wait(struct sni_rt *rt, sn_ctx *ctx, int fd, unsigned events, uint64_t begin)
{
    struct sni_wait *wait = sni_wait_self();
    struct sni_poll *p = &rt->poll;
    struct sni_wakes wakes;
    int r;

    if (!wait)
        return SN_ENOMEM;
    if (fd < 0)
        return SN_EBADF;
    ctx = sni_ctx_resolve(ctx, wait);
    if ((r = sni_ctx_check(ctx)) != 0)
        return r;
    struct sni_poll_node me = { .watch = { .wait = wait, .seq = sni_wait_seq(wait), .index = -1, .state = SNI_WATCH_ARMED },
                                .began = begin, .fd = fd, .events = (uint8_t)events };

    sni_wakes_init(&wakes);
    sni_spin_lock(&p->lock);
    if ((r = enlist(p, &me, &wakes)) != 0) {
        sni_spin_unlock(&p->lock);
        sni_wakes_ready(&wakes);
        return r;
    }
    count(rt, &me);
    r = sni_park(wait, ctx, &waiting_for_fd, &me, commit_poll, p);
    sni_poll_unwatch(rt, &me);
    return r;
}

/* In three steps, for the system call may take long: from the first on, who began before is refused, and who would begin
 * now waits, until the third. So nobody who began with the old descriptor waits for a new one of the same number. */
int sni_poll_close(struct sni_rt *rt, int fd)
{
    struct sni_poll *p = &rt->poll;
    struct sni_poll_fd *e;
    struct sni_wakes wakes;

    if (fd < 0)
        return SN_EBADF;
    sni_wakes_init(&wakes);
    lock_settled(p, fd);
    if ((e = entry_of(p, fd)) != NULL) {
        e->closed = p->closes + 1;
        e->closing = true;
        sni_store_rel(&p->closing, p->closing + 1);  /* pairs with the acquire in sni_poll_begin */
        sni_store_rel(&p->closes, p->closes + 1);    /* likewise */
        tell_waiters(e, 3, SN_ECANCELED, &wakes);
        (void)arm(p, fd, e);
    }
    sni_spin_unlock(&p->lock);
    sni_wakes_ready(&wakes);
    int r = sni_os_close(fd);
    if (e) {
        sni_spin_lock(&p->lock);
        p->fds[fd].closing = false;
        sni_store_rel(&p->closing, p->closing - 1); /* pairs with the acquire in sni_poll_begin */
        sni_spin_unlock(&p->lock);
    }
    return r;
}

void sni_poll_run(struct sni_rt *rt, int64_t ns, const uint32_t *sleep)
{
    struct sni_poll *p = &rt->poll;
    struct sni_os_event events[64];
    struct sni_wakes wakes;

    if (sni_xchg_acq(&p->busy, 1u) != 0) /* pairs with the release below */
        return;
    sni_store_rlx(&p->runs, p->runs + 1); /* a sample for the monitor */
    /* Only who holds `busy` takes the bell: a waker who set *sleep before this look has rung, or will ring, in our wait. */
    if (sleep && sni_load_seq(sleep) == SNI_AWAKE)
        ns = 0;
    int n = sni_os_poller_wait(&p->os, events, 64, ns);
    sni_wakes_init(&wakes);
    sni_spin_lock(&p->lock);
    for (int i = 0; i < n; i++) {
        size_t fd = (uint32_t)events[i].data;
        if (fd >= p->n || p->fds[fd].gen != (uint32_t)(events[i].data >> 32))
            continue; /* of an earlier use of this number */
        p->fds[fd].armed = 0; /* ONESHOT */
        tell_waiters(&p->fds[fd], events[i].events, 0, &wakes);
        int r = arm(p, (int)fd, &p->fds[fd]);
        if (r < 0)
            refuse_unarmed(&p->fds[fd], r, &wakes);
    }
    sni_spin_unlock(&p->lock);
    sni_store_rel(&p->busy, 0u); /* pairs with the exchange above */
    sni_wakes_ready(&wakes);
}
