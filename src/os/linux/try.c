/* A function tried in a child process. */
#include "os/fault.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

void *sni_os_share(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

void sni_os_unshare(void *addr, size_t size)
{
    (void)munmap(addr, size);
}

static _Noreturn void child(int (*fn)(void *arg), void *arg, bool quiet)
{
    const struct rlimit no_core = { 0, 0 };

    (void)setrlimit(RLIMIT_CORE, &no_core); /* to fail is what it may be for */
    if (quiet) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        (void)dup2(null, 1);
        (void)dup2(null, 2);
    }
    int code = fn(arg);
    (void)fflush(NULL);
    _exit(code);
}

/* Until all ends of the pipe that others have are closed. False: that has taken too long. */
static bool wait_for_hangup(int fd, int64_t ns)
{
    int64_t end = ns > INT64_MAX - sni_os_clock() ? INT64_MAX : sni_os_clock() + ns;

    for (;;) {
        struct pollfd p = { fd, POLLIN, 0 };
        int64_t left = end - sni_os_clock();
        if (left < 0)
            return false;
        int r = poll(&p, 1, left > 1000000000 ? 1000 : (int)(left / 1000000) + 1);
        if (r > 0)
            return true;
        if (r < 0 && errno != EINTR)
            return true; /* waitpid will tell */
    }
}

int sni_os_try(int (*fn)(void *arg), void *arg, bool quiet, int64_t ns, int *code, int *signal)
{
    int alive[2], status = 0, r = 0;

    if (pipe2(alive, O_CLOEXEC) < 0)
        return -errno;
    (void)fflush(NULL); /* or the child would print it once more */
    pid_t pid = (errno = sni_fault(SNI_SEAM_FORK)) != 0 ? -1 : fork();
    if (pid < 0) {
        r = -errno;
        goto out;
    }
    if (pid == 0) {
        (void)close(alive[0]);
        child(fn, arg, quiet);
    }
    (void)close(alive[1]);
    alive[1] = -1;
    if (!wait_for_hangup(alive[0], ns))
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) {
            r = -errno; /* the program ignores SIGCHLD, say */
            goto out;
        }
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    *signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
out:
    (void)close(alive[0]);
    if (alive[1] >= 0)
        (void)close(alive[1]);
    return r;
}

/* Quotes one argument if it has to be. Returns how long it is. */
static size_t quote(const char *arg, char *buf, size_t size)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=/.,:@%";
    size_t n = 0;

#define PUT(c) (n + 1 < size ? (void)(buf[n] = (c)) : (void)0, n++)
    if (*arg && arg[strspn(arg, plain)] == '\0') {
        for (; *arg; arg++)
            PUT(*arg);
    } else {
        PUT('\'');
        for (; *arg; arg++) {
            if (*arg == '\'') {
                PUT('\'');
                PUT('\\');
                PUT('\'');
            }
            PUT(*arg);
        }
        PUT('\'');
    }
#undef PUT
    if (size > 0)
        buf[n < size ? n : size - 1] = '\0';
    return n;
}

size_t sni_os_command_line(char *buf, size_t size)
{
    char args[4096];
    size_t have = 0, n = 0;
    ssize_t k;
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);

    if (size > 0)
        buf[0] = '\0';
    if (fd < 0)
        return 0;
    while (have < sizeof args - 1 && (k = read(fd, args + have, sizeof args - 1 - have)) > 0)
        have += (size_t)k;
    (void)close(fd);
    args[have] = '\0';
    for (size_t at = 0; at < have; at += strlen(args + at) + 1) {
        if (at > 0) {
            if (n + 1 < size)
                buf[n] = ' ';
            n++;
        }
        n += quote(args + at, n < size ? buf + n : NULL, n < size ? size - n : 0);
    }
    return n;
}
