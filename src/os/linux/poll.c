/* The poller: epoll, and an eventfd as its bell. */
#include "base/atomic.h"
#include "os/fault.h"
#include "os/os.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BELL UINT64_MAX

int sni_os_poller_init(struct sni_os_poller *p)
{
    struct epoll_event e = { .events = EPOLLIN, .data.u64 = BELL };
    int fault = sni_fault(SNI_SEAM_EPOLL);

    if (fault)
        return -fault;
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (p->epoll < 0)
        return -errno;
    p->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->bell < 0 || epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->bell, &e) != 0) {
        int r = -errno;
        if (p->bell >= 0)
            (void)close(p->bell);
        (void)close(p->epoll);
        return r;
    }
    return 0;
}

void sni_os_poller_destroy(struct sni_os_poller *p)
{
    (void)close(p->bell);
    (void)close(p->epoll);
}

static int control(struct sni_os_poller *p, int op, int fd, unsigned events, uint64_t data)
{
    struct epoll_event e = { .events = EPOLLONESHOT, .data.u64 = data };
    int fault = sni_fault(SNI_SEAM_EPOLL);

    if (fault)
        return -fault;
    if (events & 1)
        e.events |= EPOLLIN | EPOLLRDHUP;
    if (events & 2)
        e.events |= EPOLLOUT;
    return epoll_ctl(p->epoll, op, fd, &e) == 0 ? 0 : -errno;
}

int sni_os_poller_add(struct sni_os_poller *p, int fd, unsigned events, uint64_t data)
{
    return control(p, EPOLL_CTL_ADD, fd, events, data);
}

int sni_os_poller_change(struct sni_os_poller *p, int fd, unsigned events, uint64_t data)
{
    return control(p, EPOLL_CTL_MOD, fd, events, data);
}

void sni_os_poller_del(struct sni_os_poller *p, int fd)
{
    (void)epoll_ctl(p->epoll, EPOLL_CTL_DEL, fd, NULL);
}

static uint32_t translate(uint32_t e)
{
    uint32_t out = 0;

    if (e & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        out |= 1;
    if (e & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        out |= 2;
    return out;
}

/* To the nanosecond; -1 and ENOSYS where that cannot be had: before Linux 5.11, and under ThreadSanitizer, which holds
 * signals back in a call that it does not know to block. */
static int wait_exactly(int epoll, struct epoll_event *events, int n, int64_t ns)
{
#ifdef SNI_TSAN
    (void)epoll, (void)events, (void)n, (void)ns;
    errno = ENOSYS;
    return -1;
#else
    static uint32_t missing; /* a fact about the kernel; Valgrind would complain at every call */
    struct timespec limit = { ns / 1000000000, ns % 1000000000 };
    int found = -1;

    errno = ENOSYS;
    if (!sni_load_rlx(&missing))
        found = epoll_pwait2(epoll, events, n, ns < 0 ? NULL : &limit, NULL);
    if (found < 0 && errno == ENOSYS)
        sni_store_rlx(&missing, 1u);
    return found;
#endif
}

int sni_os_poller_wait(struct sni_os_poller *p, struct sni_os_event *out, int n, int64_t ns)
{
    struct epoll_event events[64];
    if (sni_fault(SNI_SEAM_EPOLL_EINTR))
        return 0;
    int found = wait_exactly(p->epoll, events, n < 64 ? n : 64, ns);
    int k = 0;

    if (found < 0 && errno == ENOSYS) { /* milliseconds, rounded up */
        int64_t ms = ns < 0 ? -1 : ns / 1000000 + (ns % 1000000 != 0);
        found = epoll_wait(p->epoll, events, n < 64 ? n : 64, ms > INT_MAX ? INT_MAX : (int)ms);
    }
    for (int i = 0; i < found; i++) {
        if (events[i].data.u64 == BELL) {
            uint64_t count;
            (void)!read(p->bell, &count, sizeof count);
        } else {
            out[k++] = (struct sni_os_event){ events[i].data.u64, translate(events[i].events) };
        }
    }
    return k;
}

void sni_os_poller_ring(struct sni_os_poller *p)
{
    (void)!write(p->bell, &(uint64_t){ 1 }, sizeof(uint64_t));
}
