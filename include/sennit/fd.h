/* File descriptors: wait until one is ready, read and write without holding up a worker. UNSTABLE: may change.
 *
 * Works on anything that epoll can watch: pipes, sockets, terminals, eventfds, pidfds. Regular files are always ready
 * and are read and written at once. A descriptor need not be in non-blocking mode: one that is not is first waited for
 * and then read, which cannot block as long as nobody else reads it too. Descriptors stay yours.
 *
 * Several tasks may wait on one descriptor. Before closing one that tasks wait on, call sn_fd_close, not close.
 * Waiting, reading and writing need a runtime: SN_ENOTRUNNING without one.
 */
#ifndef SENNIT_FD_H
#define SENNIT_FD_H

#include <sennit/select.h>

SN_BEGIN

enum { SN_FD_READ = 1, SN_FD_WRITE = 2 };

/* Blocks until fd is ready for one of `events` (or has an error or a hang-up, which a read or write then shows).
 * Returns the events that are ready, the context's error, SN_EBADF, or SN_ECANCELED if sn_fd_close closed it. */
SN_API int sn_fd_wait(sn_ctx *ctx, int fd, int events);

/* As cases of a select: chosen when fd is ready for reading, or for writing, or has an error or a hang-up, or at once if it cannot
 * be waited for (a regular file). err is 0; SN_EBADF; SN_ECANCELED if sn_fd_close closed it since the select began. Nothing is
 * read or written: that comes afterwards, and may find that another was faster. */
SN_API sn_case sn_on_readable(int fd);
SN_API sn_case sn_on_writable(int fd);

/* Reads at least one byte and at most `size`. Returns the number read, 0 at the end of the input (or for a size of 0), or
 * an error. */
SN_API int64_t sn_fd_read(sn_ctx *ctx, int fd, void *buf, size_t size);

/* Writes all of it. Returns `size` or an error; then an unknown part may have been written. A broken pipe is SN_EPIPE;
 * the signal that goes with it is the program's to ignore. */
SN_API int64_t sn_fd_write(sn_ctx *ctx, int fd, const void *buf, size_t size);

/* Makes a pipe, both ends close-on-exec and non-blocking: read from fds[0], write to fds[1]. */
SN_MUST SN_API int sn_fd_pipe(int fds[2]);

/* Gives SN_ECANCELED to whoever reads or waits on fd, and closes it. A read that it overtakes gets SN_ECANCELED whatever
 * it has read: the number may have been somebody else's by then. (So may that of a write: write from who closes, or wait
 * for the writers first.) */
SN_API int sn_fd_close(int fd);

SN_END

#endif
