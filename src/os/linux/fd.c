/* Descriptors. */
#include "os/fault.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

int64_t sni_os_read(int fd, void *buf, size_t size)
{
    ssize_t n;
    int r;

    if ((r = sni_fault(SNI_SEAM_READ)) != 0)
        return -r;
    if (size > 8 && sni_fault(SNI_SEAM_READ_SHORT))
        size = 1;
    do
        n = (errno = sni_fault(SNI_SEAM_READ_EINTR)) != 0 ? -1 : read(fd, buf, size);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int64_t sni_os_write(int fd, const void *buf, size_t size)
{
    ssize_t n;
    int r;

    if ((r = sni_fault(SNI_SEAM_WRITE)) != 0)
        return -r;
    if (size > 8 && sni_fault(SNI_SEAM_WRITE_SHORT))
        size = 1;
    do
        n = (errno = sni_fault(SNI_SEAM_WRITE_EINTR)) != 0 ? -1 : write(fd, buf, size);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

int sni_os_pipe(int fds[2])
{
    int r = sni_fault(SNI_SEAM_PIPE);

    return r ? -r : pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0 ? 0 : -errno;
}

int sni_os_close(int fd)
{
    return close(fd) == 0 ? 0 : -errno;
}

int sni_os_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags < 0 ? -errno : (flags & O_NONBLOCK) != 0;
}

int sni_os_ready(int fd, unsigned events)
{
    short want = (short)((events & 1 ? POLLIN : 0) | (events & 2 ? POLLOUT : 0));
    struct pollfd p = { .fd = fd, .events = want };

    if (poll(&p, 1, 0) < 0)
        return -errno;
    if (p.revents & POLLNVAL)
        return -EBADF;
    if (p.revents & (POLLHUP | POLLERR))
        return (int)events;
    return (p.revents & POLLIN ? 1 : 0) | (p.revents & POLLOUT ? 2 : 0);
}

int sni_os_eventfd(void)
{
    int r = sni_fault(SNI_SEAM_PIPE), fd = r ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (r)
        return -r;
    return fd < 0 ? -errno : fd;
}
