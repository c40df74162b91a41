#include "sennit/fd.h"

#include "os/os.h"
#include "sched/park.h"
#include "sched/poll.h"
#include "sched/rt.h"
#include "sched/sim.h"
#include "sennit/error.h"
#include "sennit/time.h"

enum { ATOMIC_WRITE = 4096 }; /* what a blocking pipe that is ready for writing takes without blocking: PIPE_BUF */

static const void *number(int fd)
{
    return (const void *)(intptr_t)fd;
}

int sn_fd_wait(sn_ctx *ctx, int fd, int events)
{
    struct sni_rt *rt = sni_rt_self();

    if (events == 0 || (events & ~(SN_FD_READ | SN_FD_WRITE)) != 0)
        return SN_EINVAL;
    if (!rt)
        return SN_ENOTRUNNING;
    sni_point("waits for #descriptor", number(fd));
    return sni_poll_wait(rt, ctx, fd, (unsigned)events, sni_poll_begin(rt, fd));
}

sn_case sn_on_readable(int fd)
{
    return sni_case_fd(SNI_CASE_READABLE, fd);
}

sn_case sn_on_writable(int fd)
{
    return sni_case_fd(SNI_CASE_WRITABLE, fd);
}

/* What every operation looks at first. Returns whether the descriptor is in non-blocking mode, or an error. */
static int begin(sn_ctx *ctx, int fd, uint64_t *began)
{
    struct sni_rt *rt = sni_rt_self();
    int r;

    if (!rt)
        return SN_ENOTRUNNING;
    if ((r = sni_ctx_check(sni_ctx_own(ctx))) != 0)
        return r;
    *began = sni_poll_begin(rt, fd);
    return sni_os_nonblocking(fd);
}

/* In a simulation a pipe of the program's own behaves as badly as it may. What is in it: after a while, and in parts. */
static int64_t read_simulated(sn_ctx *ctx, int fd, void *buf, size_t size, uint64_t began)
{
    struct sni_rt *rt = sni_rt_self();
    int64_t delay = sni_sim_delay(rt), r;

    for (;;) {
        if (delay > 0 && (sni_os_ready(fd, SN_FD_READ) & SN_FD_READ)) {
            if ((r = sn_sleep(ctx, delay)) < 0)
                return r;
            delay = 0; /* once; and another reader may have come first */
        }
        if (sni_poll_is_past(rt, fd, began))
            return SN_ECANCELED;
        if ((r = sni_os_read(fd, buf, sni_sim_part(rt, size))) != SN_EAGAIN)
            return r;
        if ((r = sni_poll_wait(rt, ctx, fd, SN_FD_READ, began)) < 0)
            return r;
    }
}

int64_t sn_fd_read(sn_ctx *ctx, int fd, void *buf, size_t size)
{
    uint64_t began = 0;
    int r = begin(ctx, fd, &began);

    if (r < 0)
        return r;
    sni_point("reads #descriptor", number(fd));
    if (sni_unlikely(sni_sim_owns_fd(sni_rt_self(), fd)))
        return read_simulated(ctx, fd, buf, size, began);
    for (bool ready = r == 1 || (sni_os_ready(fd, SN_FD_READ) & SN_FD_READ);; ready = true) {
        if (ready) {
            int64_t n = sni_os_read(fd, buf, size);
            if (n != SN_EAGAIN)
                return sni_poll_is_past(sni_rt_self(), fd, began) ? SN_ECANCELED : n;
        }
        if ((r = sni_poll_wait(sni_rt_self(), ctx, fd, SN_FD_READ, began)) < 0)
            return r;
    }
}

static int64_t write_simulated(sn_ctx *ctx, int fd, const char *buf, size_t size, uint64_t began)
{
    struct sni_rt *rt = sni_rt_self();
    int64_t delay, n;

    for (size_t done = 0; done < size;) {
        n = sni_os_write(fd, buf + done, sni_sim_part(rt, size - done));
        if (n == SN_EAGAIN)
            n = sni_poll_wait(rt, ctx, fd, SN_FD_WRITE, began);
        else if (n > 0)
            done += (size_t)n;
        if (n < 0)
            return n;
        if (done < size && (delay = sni_sim_delay(rt)) > 0 && (n = sn_sleep(ctx, delay)) < 0)
            return n;
        if (sni_poll_is_past(rt, fd, began))
            return SN_ECANCELED;
    }
    return (int64_t)size;
}

static int64_t write_really(sn_ctx *ctx, int fd, const void *buf, size_t size, uint64_t began, bool nonblocking)
{
    size_t done = 0;
    int r;

    while (done < size) {
        if (!nonblocking && !(sni_os_ready(fd, SN_FD_WRITE) & SN_FD_WRITE) &&
            (r = sni_poll_wait(sni_rt_self(), ctx, fd, SN_FD_WRITE, began)) < 0)
            return r;
        size_t chunk = size - done;
        if (!nonblocking && chunk > ATOMIC_WRITE)
            chunk = ATOMIC_WRITE;
        int64_t n = sni_os_write(fd, (const char *)buf + done, chunk);
        if (n >= 0)
            done += (size_t)n;
        else if (n != SN_EAGAIN)
            return n;
        else if ((r = sni_poll_wait(sni_rt_self(), ctx, fd, SN_FD_WRITE, began)) < 0)
            return r;
    }
    return (int64_t)size;
}

int64_t sn_fd_write(sn_ctx *ctx, int fd, const void *buf, size_t size)
{
    uint64_t began = 0;
    int nonblocking = begin(ctx, fd, &began);
    int64_t r;

    if (nonblocking < 0)
        return nonblocking;
    sni_point("writes #descriptor", number(fd));
    r = sni_unlikely(sni_sim_owns_fd(sni_rt_self(), fd)) ? write_simulated(ctx, fd, buf, size, began)
                                                         : write_really(ctx, fd, buf, size, began, nonblocking);
    sni_point(NULL, NULL);
    return r;
}

int sn_fd_pipe(int fds[2])
{
    struct sni_rt *rt = sni_rt_self();
    int r = sni_os_pipe(fds);

    if (r == 0 && rt)
        sni_sim_own_pipe(rt, fds);
    return r;
}

int sn_fd_close(int fd)
{
    struct sni_rt *rt = sni_rt_self();
    int r;

    if (!rt)
        return sni_os_close(fd);
    sni_point("closes #descriptor", number(fd));
    sni_sim_close_fd(rt, fd);
    r = sni_poll_close(rt, fd);
    sni_point(NULL, NULL);
    return r;
}
