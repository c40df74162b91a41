/* Child processes by posix_spawn: no fork, so a large or multi-threaded parent costs nothing more. */
#include "os/fault.h"
#include "os/os.h"
#include "sennit/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* The child's 0, 1 and 2 from what the options name. A source that is itself 0, 1 or 2 might be overwritten before its
 * turn: it is first copied, to a close-on-exec number out of the way, in *copies. */
static int set_up_fds(posix_spawn_file_actions_t *actions, const struct sn_process_opts *o, int copies[3])
{
    const int named[3] = { o->in, o->out, o->err };
    int r = 0;

    for (int to = 0; to < 3 && r == 0; to++) {
        int from = named[to] - 1;
        if (named[to] == 0) {
            if (to == 0)
                r = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
            continue;
        }
        if (from < 3) {
            from = copies[to] = fcntl(from, F_DUPFD_CLOEXEC, 3);
            if (from < 0)
                return errno;
        }
        r = posix_spawn_file_actions_adddup2(actions, from, to);
    }
    return r;
}

static int set_up_attributes(posix_spawnattr_t *attr, const struct sn_process_opts *o)
{
    sigset_t none, all;
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;

    sigemptyset(&none);
    sigfillset(&all);
    (void)posix_spawnattr_setsigmask(attr, &none);
    (void)posix_spawnattr_setsigdefault(attr, &all);
    if (o->group) {
        flags |= POSIX_SPAWN_SETPGROUP;
        (void)posix_spawnattr_setpgroup(attr, 0);
    }
    return posix_spawnattr_setflags(attr, flags);
}

int sni_os_process_start(const char *const argv[], const struct sn_process_opts *o, int *pid, int *pidfd)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int copies[3] = { -1, -1, -1 };
    int r;

    if ((r = sni_fault(SNI_SEAM_SPAWN)) != 0)
        return -r;
    if ((r = posix_spawn_file_actions_init(&actions)) != 0)
        return -r;
    if ((r = posix_spawnattr_init(&attr)) != 0)
        goto out_actions;
    if ((r = set_up_fds(&actions, o, copies)) != 0 || (r = set_up_attributes(&attr, o)) != 0)
        goto out_attr;
    char *const *env = o->env ? (char *const *)(uintptr_t)o->env : environ;
    r = posix_spawnp(pid, argv[0], &actions, &attr, (char *const *)(uintptr_t)argv, env);
    if (r != 0)
        goto out_attr;
    *pidfd = (int)syscall(SYS_pidfd_open, *pid, 0);
    if (*pidfd < 0) {
        r = errno;
        (void)kill(*pid, SIGKILL);
        (void)waitpid(*pid, NULL, 0);
    }
out_attr:
    for (int i = 0; i < 3; i++)
        if (copies[i] >= 0)
            (void)close(copies[i]);
    (void)posix_spawnattr_destroy(&attr);
out_actions:
    (void)posix_spawn_file_actions_destroy(&actions);
    return -r;
}

int sni_os_process_reap(int pid, int *code, int *signal)
{
    int status;
    pid_t r;

    do
        r = waitpid(pid, &status, WNOHANG);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return -errno;
    if (r == 0)
        return 0;
    *code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    *signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return 1;
}

int sni_os_kill(int pid, bool group, int signal)
{
    return kill(group ? -pid : pid, signal) == 0 ? 0 : -errno;
}
