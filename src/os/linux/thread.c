/* Threads, futexes, what a spin lock does when it has spun enough. */
#include "base/spin.h"
#include "os/fault.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int sni_os_thread_start(struct sni_os_thread *out, void *(*fn)(void *), void *arg, const char *name)
{
    pthread_t thread;
    sigset_t faults, old;
    int fault = sni_fault(SNI_SEAM_THREAD);

    if (fault)
        return -fault;

    /* A worker has its creator's signal mask, so that raise() in a task does what it does elsewhere and a program that
     * blocks signals in all its threads gets what it wants; but never does it block what means a fault in what it runs. */
    sigemptyset(&faults);
    sigaddset(&faults, SIGSEGV);
    sigaddset(&faults, SIGBUS);
    sigaddset(&faults, SIGFPE);
    sigaddset(&faults, SIGILL);
    sigaddset(&faults, SIGABRT);
    sigaddset(&faults, SIGPROF);
    sigaddset(&faults, SIGURG); /* see sni_os_interrupt_thread */
    (void)pthread_sigmask(SIG_UNBLOCK, &faults, &old);
    int r = pthread_create(&thread, NULL, fn, arg);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r != 0)
        return -r;
    (void)pthread_setname_np(thread, name);
    out->handle = thread;
    return 0;
}

void sni_os_thread_join(struct sni_os_thread *thread)
{
    (void)pthread_join(thread->handle, NULL);
}

/* The text of /proc/.../stat from its third field on, which is after the name in brackets; NULL: there is none. */
static char *read_stat(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

    if (fd >= 0)
        (void)close(fd);
    if (n <= 0)
        return NULL;
    text[n] = '\0';
    char *end = strrchr(text, ')'); /* the name may contain anything */
    return end && end[1] ? end + 2 : NULL;
}

int sni_os_thread_count(void)
{
    /* The kernel's own count. A listing of /proc/self/task may miss threads while others exit. */
    char text[1024], *p = read_stat("/proc/self/stat", text, sizeof text);

    for (int field = 3; p && field < 20; field++)
        p = (p = strchr(p, ' ')) ? p + 1 : NULL;
    int count = p ? atoi(p) : 0;
    return count > 0 ? count : -ENOSYS; /* emulators show zeros where they do not know */
}

int sni_os_thread_id(void)
{
    return (int)syscall(SYS_gettid);
}

bool sni_os_thread_computes(int id)
{
    char path[64], text[1024];

    (void)snprintf(path, sizeof path, "/proc/self/task/%d/stat", id);
    char *state = read_stat(path, text, sizeof text);
    return !state || *state == 'R'; /* if it cannot be known, the more careful answer */
}

void sni_os_at_fork(void (*child)(void))
{
    (void)pthread_atfork(NULL, NULL, child); /* without memory for it a forked child must not use us */
}

void sni_os_yield(void)
{
    (void)sched_yield();
}

void *sni_os_stack_bounds(size_t *size)
{
    pthread_attr_t attr;
    void *low = NULL;

    *size = 0;
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        (void)pthread_attr_getstack(&attr, &low, size);
        (void)pthread_attr_destroy(&attr);
    }
    return low;
}

static pthread_key_t slot;
static pthread_once_t slot_once = PTHREAD_ONCE_INIT;

static void make_slot(void)
{
    sni_check(pthread_key_create(&slot, sni_thread_exit) == 0, "out of thread-specific keys");
}


void *sni_os_slot_get(void)
{
    (void)pthread_once(&slot_once, make_slot);
    return pthread_getspecific(slot);
}

int sni_os_slot_set(void *value)
{
    return -pthread_setspecific(slot, value);
}

/* ThreadSanitizer holds signals back until the thread makes a call that it knows to block, and it does not know futex:
 * under it waits are short, and end in such a call. */
#ifdef SNI_TSAN
static int64_t shorten(int64_t deadline)
{
    int64_t soon = sni_os_clock() + 5000000;

    (void)nanosleep(&(struct timespec){ 0, 1 }, NULL);
    return deadline < soon ? deadline : soon;
}
#else
static int64_t shorten(int64_t deadline)
{
    return deadline;
}
#endif

int sni_os_futex_wait(uint32_t *word, uint32_t value, int64_t deadline)
{
    if (sni_fault(SNI_SEAM_FUTEX))
        return 0;
    deadline = shorten(deadline);
    struct timespec until = { deadline / 1000000000, deadline % 1000000000 };
    struct timespec *limit = deadline == INT64_MAX ? NULL : &until;

    if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value, limit, NULL, FUTEX_BITSET_MATCH_ANY) == 0)
        return 0;
    return errno == ETIMEDOUT ? -ETIMEDOUT : 0;
}

void sni_os_futex_wake(uint32_t *word)
{
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

int sni_os_fence_init(void)
{
    int r = sni_fault(SNI_SEAM_FENCE);

    return r ? -r : syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0 ? 0 : -errno;
}

int sni_os_fence_all(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0 ? 0 : -errno;
}

void sni_spin_pause(uint32_t *tries)
{
    /* 64 pauses last about as long as our longest critical section; then eight turns for others; then the holder has
     * lost its processor, and short sleeps do the least harm. */
    if (*tries < 64)
        sni_pause();
    else if (*tries < 72)
        sni_os_yield();
    else
        (void)nanosleep(&(struct timespec){ 0, 50000 }, NULL);
    if (*tries < 72)
        ++*tries;
}

void sni_spin_wait(uint32_t *held)
{
    for (uint32_t tries = 0; sni_load_rlx(held) != 0;)
        sni_spin_pause(&tries);
}
