#include "sennit/process.h"

#include "os/os.h"
#include "sched/poll.h"
#include "sched/rt.h"
#include "sched/sim.h"
#include "sennit/error.h"
#include "sennit/fd.h"

int sn_process_start(sn_process *out, const char *const argv[], const sn_process_opts *opts)
{
    static const sn_process_opts defaults;
    sn_process p;

    if (!sni_rt_self())
        return SN_ENOTRUNNING;
    if (!argv || !argv[0])
        return SN_EINVAL;
    for (int i = 0; opts && i < 3; i++) /* what another process has is not the program's own */
        sni_sim_share_fd(sni_rt_self(), (i == 0 ? opts->in : i == 1 ? opts->out : opts->err) - 1);
    int r = sni_os_process_start(argv, opts ? opts : &defaults, &p.pid, &p.sni_pidfd);
    if (r < 0)
        return r;
    p.sni_pidfd = opts && opts->group ? p.sni_pidfd * 2 + 1 : p.sni_pidfd * 2;
    *out = p;
    return 0;
}

static int pidfd_of(const sn_process *p)
{
    return p->sni_pidfd / 2; /* the lowest bit says whether it leads a group */
}

int sn_process_wait(sn_ctx *ctx, sn_process *p, sn_process_status *status)
{
    sn_process_status s;
    int r;

    if (!sni_rt_self())
        return SN_ENOTRUNNING;
    if ((r = sn_ctx_err(ctx)) != 0)
        return r;
    for (;;) {
        if ((r = sni_os_process_reap(p->pid, &s.code, &s.signal)) < 0)
            return r;
        if (r == 1)
            break;
        if ((r = sn_fd_wait(ctx, pidfd_of(p), SN_FD_READ)) < 0)
            return r;
    }
    (void)sn_fd_close(pidfd_of(p));
    *status = s;
    return 0;
}

sn_case sn_on_process(const sn_process *p)
{
    return sn_on_readable(pidfd_of(p));
}

int sn_process_kill(const sn_process *p, int signal)
{
    if (!sni_rt_self())
        return SN_ENOTRUNNING;
    return sni_os_kill(p->pid, p->sni_pidfd & 1, signal);
}
