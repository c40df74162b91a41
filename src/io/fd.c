#include "sennit/fd.h"

#include "os/os.h"
#include "sched/poll.h"
#include "sched/rt.h"
#include "sennit/error.h"

enum { ATOMIC_WRITE = 4096 }; /* what a blocking pipe that is ready for writing takes without blocking: PIPE_BUF */

int sn_fd_wait(sn_ctx *ctx, int fd, int events)
{
    struct sni_rt *rt = sni_rt_self();

    if (events == 0 || (events & ~(SN_FD_READ | SN_FD_WRITE)) != 0)
        return SN_EINVAL;
    if (!rt)
        return SN_ENOTRUNNING;
    return sni_poll_wait(rt, ctx, fd, (unsigned)events, sni_poll_begin(rt, fd));
}

/* What every operation looks at first. Returns whether the descriptor is in non-blocking mode, or an error. */
static int begin(sn_ctx *ctx, int fd, uint64_t *began)
{
    struct sni_rt *rt = sni_rt_self();
    int r;

    if (!rt)
        return SN_ENOTRUNNING;
    if ((r = sn_ctx_err(ctx)) != 0)
        return r;
    *began = sni_poll_begin(rt, fd);
    return sni_os_nonblocking(fd);
}

int64_t sn_fd_read(sn_ctx *ctx, int fd, void *buf, size_t size)
{
    uint64_t began = 0;
    int r = begin(ctx, fd, &began);

    if (r < 0)
        return r;
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

int64_t sn_fd_write(sn_ctx *ctx, int fd, const void *buf, size_t size)
{
    uint64_t began = 0;
    int nonblocking = begin(ctx, fd, &began);
    size_t done = 0;
    int r = nonblocking;

    if (r < 0)
        return r;
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

int sn_fd_pipe(int fds[2])
{
    return sni_os_pipe(fds);
}

int sn_fd_close(int fd)
{
    struct sni_rt *rt = sni_rt_self();

    return rt ? sni_poll_close(rt, fd) : sni_os_close(fd);
}
