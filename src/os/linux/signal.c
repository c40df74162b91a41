/* Signals caught for channels. Dispositions belong to the process: process-wide by nature. */
#include "base/atomic.h"
#include "os/os.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

static uint64_t pending; /* (a) a bit per signal since the last take */
static int bell_fd = -1; /* (a) */
static struct sigaction previous[65];

static void on_signal(int signo)
{
    int saved = errno;
    int fd = sni_load_rlx(&bell_fd);

    (void)__atomic_fetch_or(&pending, (uint64_t)1 << (signo - 1), __ATOMIC_SEQ_CST);
    if (fd >= 0)
        (void)!write(fd, &(uint64_t){ 1 }, sizeof(uint64_t));
    errno = saved;
}

void sni_os_signal_bell(int fd)
{
    sni_store_rlx(&bell_fd, fd); /* read by handlers only */
}

int sni_os_signal_catch(int signo)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK };

    sigemptyset(&action.sa_mask);
    return sigaction(signo, &action, &previous[signo]) == 0 ? 0 : -errno;
}

void sni_os_signal_restore(int signo)
{
    (void)sigaction(signo, &previous[signo], NULL);
}

uint64_t sni_os_signal_take(void)
{
    return __atomic_exchange_n(&pending, 0, __ATOMIC_SEQ_CST);
}

uint64_t sni_os_signal_mask(void)
{
    uint64_t bits = 0;
    sigset_t set;

    if (pthread_sigmask(SIG_BLOCK, NULL, &set) == 0)
        for (int signo = 1; signo <= 64; signo++)
            bits |= (uint64_t)(sigismember(&set, signo) == 1) << (signo - 1);
    return bits;
}
