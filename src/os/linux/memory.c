/* Stacks' memory, and faults. */
#include "base/atomic.h"
#include "os/fault.h"
#include "os/os.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif
#ifndef PIDFD_SELF
#define PIDFD_SELF (-10001) /* Linux 6.15: this process */
#endif

enum { GUARDS = 64 }; /* at a time: as many as a slab of stacks has */

size_t sni_os_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

void *sni_os_reserve(size_t size)
{
    void *p = sni_fault(SNI_SEAM_MAP) ? MAP_FAILED :
                                        mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

int sni_os_open(void *addr, size_t size)
{
    int fault = sni_fault(SNI_SEAM_MAP);

    if (fault)
        return -fault;
    if (mprotect(addr, size, PROT_READ | PROT_WRITE) != 0)
        return -errno;
    /* A huge page would make a whole run of stacks resident at the first touch. Not every kernel has them: ignored. */
    (void)madvise(addr, size, MADV_NOHUGEPAGE);
    return 0;
}

void sni_os_unreserve(void *addr, size_t size)
{
    (void)munmap(addr, size);
}

void *sni_os_first_touched(void *addr, size_t size)
{
    unsigned char pages[256];
    size_t page = sni_os_page_size();
    char *p = addr;

    for (size_t left = size; left > 0;) {
        size_t part = left < sizeof pages * page ? left : sizeof pages * page;
        if (mincore(p, part, pages) != 0)
            return p;
        for (size_t i = 0; i < (part + page - 1) / page; i++)
            if (pages[i] & 1)
                return p + i * page;
        p += part;
        left -= part;
    }
    return p;
}

void sni_os_discard(void *addr, size_t size)
{
    uintptr_t page = sni_os_page_size();
    uintptr_t begin = ((uintptr_t)addr + page - 1) & ~(page - 1), end = ((uintptr_t)addr + size) & ~(page - 1);

    if (begin < end)
        (void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}

/* Guard markers live in the page table and split no mapping. Emulators accept unknown advice and ignore it, so the first
 * one is tried out: the kernel must refuse to read from it. 1: it does; -1: it does not, and never will; 0: not known. */
static int try_marker(void *addr)
{
    int fds[2];

    if (pipe(fds) != 0)
        return 0;
    int works = write(fds[1], addr, 1) < 0 && errno == EFAULT ? 1 : -1;
    (void)close(fds[0]);
    (void)close(fds[1]);
    return works;
}

/* What try_marker has found. Process-wide: it is a fact about the kernel. */
static int markers;

/* One call for many, and a call each where the kernel has none for many. The process is named by a constant: even for a
 * moment, a descriptor of ours would take a number that somebody has just closed and another is still about to read from. */
static bool install_markers(char *addr, size_t guard, size_t stride, size_t n)
{
    struct iovec at[GUARDS];
    size_t done = 0;

    while (done < n) {
        size_t part = n - done < GUARDS ? n - done : GUARDS;
        for (size_t i = 0; i < part; i++)
            at[i] = (struct iovec){ .iov_base = addr + (done + i) * stride, .iov_len = guard };
        if (syscall(SYS_process_madvise, PIDFD_SELF, at, part, MADV_GUARD_INSTALL, 0) != (long)(part * guard))
            break;
        done += part;
    }
    for (; done < n; done++) /* a second time over some of them does no harm */
        if (madvise(addr + done * stride, guard, MADV_GUARD_INSTALL) != 0)
            return false;
    return true;
}

int sni_os_guard(void *addr, size_t guard, size_t stride, size_t n)
{
    int fault = sni_fault(SNI_SEAM_GUARD);
    if (fault)
        return -fault;
    int works = sni_load_rlx(&markers); /* two may try at once, and find the same */

    if (works == 0 && madvise(addr, guard, MADV_GUARD_INSTALL) == 0) { /* refused: perhaps only here, or now */
        works = try_marker(addr);
        sni_store_rlx(&markers, works);
    }
    if (works > 0 && install_markers(addr, guard, stride, n))
        return 0;
    for (size_t i = 0; i < n; i++)
        if (mprotect((char *)addr + i * stride, guard, PROT_NONE) != 0)
            return -errno;
    return 0;
}

/* Faults. Signal dispositions belong to the process, so this is process-wide by nature. */
static struct sigaction previous_segv, previous_bus;
static void (*fault_fn)(uintptr_t addr);
static int fault_users;

static void on_fault(int signo, siginfo_t *info, void *context)
{
    struct sigaction *previous = signo == SIGSEGV ? &previous_segv : &previous_bus;

    fault_fn((uintptr_t)info->si_addr);
    if (previous->sa_flags & SA_SIGINFO) {
        previous->sa_sigaction(signo, info, context);
    } else if (previous->sa_handler == SIG_IGN && info->si_code <= 0) {
        /* sent by somebody */
    } else if (previous->sa_handler == SIG_DFL || previous->sa_handler == SIG_IGN) {
        /* Back to the default, and again: it ends the process as it would have without us, whether an instruction faulted
         * or somebody sent it. Blocked until we return. */
        (void)sigaction(signo, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
        (void)raise(signo);
    } else {
        previous->sa_handler(signo);
    }
}

int sni_os_fault_install(void (*fn)(uintptr_t addr))
{
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };

    if (fault_users++ > 0)
        return 0;
    fault_fn = fn;
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSEGV, &action, &previous_segv) != 0 || sigaction(SIGBUS, &action, &previous_bus) != 0)
        return -errno;
    return 0;
}

void sni_os_fault_remove(void)
{
    if (--fault_users > 0)
        return;
    (void)sigaction(SIGSEGV, &previous_segv, NULL);
    (void)sigaction(SIGBUS, &previous_bus, NULL);
}

enum { ALTSTACK_SIZE = 64 * 1024 }; /* room for the report's formatting */

void *sni_os_altstack_set(void)
{
    stack_t now;

    if (sigaltstack(NULL, &now) != 0 || !(now.ss_flags & SS_DISABLE))
        return NULL; /* the program or a sanitizer has one already */
    void *memory = malloc(ALTSTACK_SIZE);
    if (memory && sigaltstack(&(stack_t){ .ss_sp = memory, .ss_size = ALTSTACK_SIZE }, NULL) != 0) {
        free(memory);
        memory = NULL;
    }
    return memory;
}

void sni_os_altstack_drop(void *altstack)
{
    if (altstack) {
        (void)sigaltstack(&(stack_t){ .ss_flags = SS_DISABLE }, NULL);
        free(altstack);
    }
}

/* The kernel copies: what cannot be read is an error, not a fault, and no sanitizer sees it. */
bool sni_os_peek(void *copy, const void *from, size_t size)
{
    struct iovec to = { copy, size }, at = { (void *)(uintptr_t)from, size };
    ssize_t n = process_vm_readv(getpid(), &to, 1, &at, 1, 0);

    if (n < 0 && errno == ENOSYS) { /* an emulator: then it is up to the caller's luck. In a sandbox reports know less */
        memcpy(copy, from, size);
        return true;
    }
    return n == (ssize_t)size;
}
