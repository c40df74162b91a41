/* Signals that are the library's own: one interrupts a thread, one is the user's who asks what hangs. Dispositions belong to
 * the process, so this is process-wide by nature. */
#include "base/atomic.h"
#include "os/os.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static struct handled {
    int signo;                /* 0: none */
    sni_os_interrupt_fn *fn;  /* (a) NULL: nobody is to be told */
    void *arg;                /* (c) while fn is set */
    uint32_t inside;          /* (a) threads that are just telling */
    struct sigaction previous;
} handled[SNI_OS_INTERRUPTS];

static void where(const void *context, uintptr_t *pc, uintptr_t *sp)
{
    const ucontext_t *uc = context;

#if defined(__x86_64__)
    *pc = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
    *sp = (uintptr_t)uc->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    *pc = (uintptr_t)uc->uc_mcontext.pc;
    *sp = (uintptr_t)uc->uc_mcontext.sp;
#else
    (void)uc;
    *pc = *sp = 0;
#endif
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
    int saved = errno;
    uintptr_t pc, sp;

    where(context, &pc, &sp);
    for (int i = 0; i < SNI_OS_INTERRUPTS; i++) {
        struct handled *h = &handled[i];
        if (h->signo != signo)
            continue;
        (void)sni_add_seq(&h->inside, 1u); /* Dekker with unhandle: it waits for us, or we see that fn is gone */
        sni_os_interrupt_fn *fn = sni_load_seq(&h->fn);
        if (fn)
            fn(h->arg, pc, sp);
        (void)sni_sub_seq(&h->inside, 1u);
        if (i == SNI_OS_HALT) { /* the program may have a use for it, too */
            if (h->previous.sa_flags & SA_SIGINFO)
                h->previous.sa_sigaction(signo, info, context);
            else if (h->previous.sa_handler != SIG_DFL && h->previous.sa_handler != SIG_IGN)
                h->previous.sa_handler(signo);
        }
    }
    errno = saved;
}

int sni_os_handle(enum sni_os_interrupt which, int signo, sni_os_interrupt_fn *fn, void *arg)
{
    struct handled *h = &handled[which];
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };

    if (which == SNI_OS_HALT)
        signo = SIGURG; /* by default it does nothing: a late one harms nobody */
    else if (signo == SIGURG || signo == SIGSEGV || signo == SIGBUS || signo == SIGFPE || signo == SIGILL || signo == SIGABRT)
        return -EINVAL;
    bool again = h->signo == signo; /* by a runtime that is kept: `previous` is what that found */
    h->arg = arg;
    h->signo = signo;
    sni_store_seq(&h->fn, fn);
    sigfillset(&action.sa_mask);
    sigdelset(&action.sa_mask, SIGSEGV);
    sigdelset(&action.sa_mask, SIGBUS);
    if (sigaction(signo, &action, again ? NULL : &h->previous) == 0)
        return 0;
    h->signo = 0;
    sni_store_seq(&h->fn, (sni_os_interrupt_fn *)NULL);
    return -errno;
}

void sni_os_unhandle(enum sni_os_interrupt which)
{
    struct handled *h = &handled[which];

    if (h->signo == 0)
        return;
    sni_store_seq(&h->fn, (sni_os_interrupt_fn *)NULL);
    (void)sigaction(h->signo, &h->previous, NULL);
    while (sni_load_seq(&h->inside) != 0)
        sni_os_yield();
    h->signo = 0;
}

void sni_os_interrupt_thread(int id)
{
    (void)syscall(SYS_tgkill, getpid(), id, SIGURG);
}

void sni_os_interrupts_forked(void)
{
    for (int i = 0; i < SNI_OS_INTERRUPTS; i++) {
        struct handled *h = &handled[i];
        if (h->signo != 0)
            (void)sigaction(h->signo, &h->previous, NULL);
        *h = (struct handled){ .signo = 0 };
    }
}
