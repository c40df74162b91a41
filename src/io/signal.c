/* Signals: a handler sets a bit and rings an eventfd; a task of the runtime's own turns bits into sends. */
#include "sennit/signal.h"

#include "os/os.h"
#include "sched/alloc.h"
#include "sched/rt.h"
#include "sennit/error.h"
#include "sennit/fd.h"
#include "sennit/task.h"
#include "sennit/time.h"

#include <signal.h>

/* Who wants what. Signals belong to the process, and so does this. */
struct want {
    struct want *next;
    sn_rawchan *ch;
    int signo;
};

static struct {
    struct sni_spin lock;
    struct want *wants;   /* (lock) */
    uint32_t count[65];   /* (lock) wants per signal */
    bool running;         /* (lock) the task that sends */
    int bell;             /* (lock) the eventfd that it reads, while running */
} process;

static bool may_be_caught(int signo)
{
    switch (signo) {
    case SIGKILL:
    case SIGSTOP:
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGABRT:
    case SIGPROF:
        return false;
    default:
        return signo >= 1 && signo <= 64;
    }
}

static void deliver(uint64_t bits)
{
    sni_spin_lock(&process.lock);
    for (struct want *w = process.wants; w; w = w->next)
        if (bits >> (w->signo - 1) & 1)
            (void)sn_rawchan_try_send(w->ch, &w->signo); /* a full channel loses it, as documented */
    sni_spin_unlock(&process.lock);
}

/* (lock) Takes out the wants of one channel (NULL: all) and gives their signals back. */
static struct want *take_wants(sn_rawchan *ch)
{
    struct want **at = &process.wants, *gone = NULL, *w;

    while ((w = *at) != NULL) {
        if (ch && w->ch != ch) {
            at = &w->next;
            continue;
        }
        if (--process.count[w->signo] == 0)
            sni_os_signal_restore(w->signo);
        *at = w->next;
        w->next = gone;
        gone = w;
    }
    return gone;
}

static void free_wants(struct want *w)
{
    struct want *next;

    for (; w; w = next) {
        next = w->next;
        sni_free(w, sizeof *w);
    }
}

/* With all wants, in one step: a want that comes later starts a sender of its own. */
static void stop_sender(int bell)
{
    sni_spin_lock(&process.lock);
    struct want *gone = take_wants(NULL);
    process.running = false;
    sni_os_signal_bell(-1);
    sni_spin_unlock(&process.lock);
    free_wants(gone);
    (void)sn_fd_close(bell);
}

static int send_signals(sn_ctx *ctx, void *arg)
{
    sni_self()->own.current->hidden = true;
    int bell = (int)(intptr_t)arg;
    uint64_t count;

    while (sn_ctx_err(ctx) == 0) {
        if (sn_fd_read(ctx, bell, &count, sizeof count) < 0)
            (void)sn_sleep(ctx, SN_MS(10)); /* no memory, perhaps: signals are late then, but not lost */
        deliver(sni_os_signal_take());
    }
    stop_sender(bell); /* the runtime ends */
    return 0;
}

/* In a child of fork: nobody sends any more, and a signal does what it did before. */
static void forked(void)
{
    sni_spin_unlock(&process.lock);
    if (process.running)
        (void)sni_os_close(process.bell); /* the parent's too: what the child hears must not ring there */
    sni_os_signal_bell(-1);
    process.running = false;
    (void)sni_os_signal_take();
    free_wants(take_wants(NULL));
}

/* The first want starts the task. The bell is there before anybody could see `running`. */
static int start_sender(void)
{
    static uint32_t prepared;
    int bell, r;

    if (sni_xchg_seq(&prepared, 1u) == 0)
        sni_os_at_fork(forked);
    sni_spin_lock(&process.lock);
    if (process.running) {
        sni_spin_unlock(&process.lock);
        return 0;
    }
    if ((bell = sni_os_eventfd()) >= 0) {
        process.running = true;
        process.bell = bell;
        sni_os_signal_bell(bell);
    }
    sni_spin_unlock(&process.lock);
    if (bell < 0)
        return bell;
    r = sn_task_go_opts(send_signals, (void *)(intptr_t)bell, &(sn_task_opts){ .name = "signals" });
    if (r < 0)
        stop_sender(bell);
    return r;
}

int sn_signal_notify_raw(sn_rawchan *ch, int signo)
{
    struct sni_rt *rt = sni_rt_self();
    struct want *w;
    int r;

    if (!rt)
        return SN_ENOTRUNNING;
    if (!ch || !may_be_caught(signo))
        return SN_EINVAL;
    if ((r = start_sender()) < 0)
        return r;
    if (!(w = sni_alloc(sizeof *w)))
        return SN_ENOMEM;
    w->ch = ch;
    w->signo = signo;
    sni_spin_lock(&process.lock);
    if (process.count[signo]++ == 0 && (r = sni_os_signal_catch(signo)) < 0) {
        process.count[signo]--;
    } else {
        w->next = process.wants;
        process.wants = w;
        w = NULL;
    }
    sni_spin_unlock(&process.lock);
    sni_free(w, sizeof *w);
    return r;
}

void sn_signal_stop_raw(sn_rawchan *ch)
{
    if (!ch)
        return;
    sni_spin_lock(&process.lock);
    struct want *gone = take_wants(ch);
    sni_spin_unlock(&process.lock);
    free_wants(gone);
}
