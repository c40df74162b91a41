/* What Sennit asks of an operating system: the port contract. Only src/os knows errno, clocks and system calls.
 *
 * Unless said otherwise a function may be called from any thread, does not block, and answers 0 or a negative error
 * with Linux's number.
 */
#ifndef SNI_OS_H
#define SNI_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sn_process_opts;

/* Time. sni_os_clock: monotonic ns, slow but sure. sni_os_ticks: a counter that runs at a constant rate on all CPUs, or
 * 0 if sni_os_ticks_usable() says that there is none. */
int64_t sni_os_clock(void);
bool sni_os_ticks_usable(void);
static inline uint64_t sni_os_ticks(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
    uint64_t ticks;

    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(ticks)); /* isb: else one read may overtake another */
    return ticks;
#else
    return 0;
#endif
}
uint64_t sni_os_entropy(void);

/* Threads. `name` is at most 15 bytes. join: waits until it has ended. */
struct sni_os_thread {
    unsigned long handle;
};
int sni_os_thread_start(struct sni_os_thread *out, void *(*fn)(void *), void *arg, const char *name);
void sni_os_thread_join(struct sni_os_thread *thread);
int sni_os_cpu_count(void);      /* CPUs that the caller may use and has the time of, at least 1 */
int sni_os_thread_count(void);   /* threads of this process, or a negative error */
int sni_os_thread_id(void);      /* the calling thread's */
bool sni_os_thread_computes(int id); /* it runs, or would if there were a processor: it waits for nothing else */
void sni_os_at_fork(void (*child)(void)); /* to be called in the child of every fork from now on */
void sni_os_yield(void);
void *sni_os_stack_bounds(size_t *size); /* the calling thread's stack: its lowest address */
/* A slot that each thread has for itself; sni_thread_exit, defined by the caller of these, gets what is in it, if not
 * NULL, when the thread ends. */
void sni_thread_exit(void *value);
void *sni_os_slot_get(void);
int sni_os_slot_set(void *value);

/* Futex: wait while *word == value, at most until `deadline` of sni_os_clock (INT64_MAX: for ever). May return early for
 * no reason. Returns -ETIMEDOUT at the deadline. wake: wakes one. */
int sni_os_futex_wait(uint32_t *word, uint32_t value, int64_t deadline);
void sni_os_futex_wake(uint32_t *word);

/* A memory barrier in every running thread of this process. init: whether there is such a thing; it must be called before.
 * It survives a fork. */
int sni_os_fence_init(void);
int sni_os_fence_all(void);

/* Memory for stacks, in whole pages, which are of 4 to 64 KiB. reserve: address space without access. open: makes
 * [addr, addr + size) usable. guard: makes n ranges of `guard` bytes, `stride` apart from `addr`, fault for ever; before
 * first use. discard: of all pages that lie inside the contents are lost, and the memory goes back to the system; guards
 * stay. */
size_t sni_os_page_size(void);
void *sni_os_reserve(size_t size);
int sni_os_open(void *addr, size_t size);
int sni_os_guard(void *addr, size_t guard, size_t stride, size_t n);
void sni_os_discard(void *addr, size_t size);
void *sni_os_first_touched(void *addr, size_t size); /* the first page that has memory, or the end; addr if it cannot tell */
void sni_os_unreserve(void *addr, size_t size);

/* Faults: fn is called on an alternate stack with the faulting address; if it returns, the previous handler gets the
 * fault. install and remove are counted. altstack: per thread, before it may fault; `drop` before it ends. */
int sni_os_fault_install(void (*fn)(uintptr_t addr));
void sni_os_fault_remove(void);
void *sni_os_altstack_set(void);
void sni_os_altstack_drop(void *altstack);

/* Poller: a set of descriptors to watch, and a bell that ends a wait. `data` comes back with the events (1 read, 2
 * write; both on a hang-up). Each watch reports once and is then silent until it is changed. */
struct sni_os_poller {
    int epoll, bell;
};
struct sni_os_event {
    uint64_t data;
    uint32_t events;
};
int sni_os_poller_init(struct sni_os_poller *p);
void sni_os_poller_destroy(struct sni_os_poller *p);
int sni_os_poller_add(struct sni_os_poller *p, int fd, unsigned events, uint64_t data);    /* -EPERM: always ready */
int sni_os_poller_change(struct sni_os_poller *p, int fd, unsigned events, uint64_t data);
void sni_os_poller_del(struct sni_os_poller *p, int fd);
int sni_os_poller_wait(struct sni_os_poller *p, struct sni_os_event *out, int n, int64_t ns); /* ns < 0: for ever */
void sni_os_poller_ring(struct sni_os_poller *p); /* the wait, now or next, ends */

/* Descriptors. read and write: -EAGAIN only in non-blocking mode; EINTR is dealt with. ready: the events that are
 * ready now. */
int64_t sni_os_read(int fd, void *buf, size_t size);
int64_t sni_os_write(int fd, const void *buf, size_t size);
int sni_os_pipe(int fds[2]);
int sni_os_close(int fd);
int sni_os_nonblocking(int fd); /* 1, 0 or an error */
int sni_os_ready(int fd, unsigned events);
int sni_os_eventfd(void);

/* Processes. start: *pidfd becomes readable when the process has ended. reap: 1 and *code, *signal if it has ended,
 * else 0. */
int sni_os_process_start(const char *const argv[], const struct sn_process_opts *opts, int *pid, int *pidfd);
int sni_os_process_reap(int pid, int *code, int *signal);
int sni_os_kill(int pid, bool group, int signal);

/* Runs fn(arg) in a forked child and waits until it has ended, at most `ns`: then it is killed. Its result, 0 to 255, is in
 * *code; *signal is what killed it, or 0. quiet: what it prints is dropped. */
int sni_os_try(int (*fn)(void *arg), void *arg, bool quiet, int64_t ns, int *code, int *signal);
size_t sni_os_command_line(char *buf, size_t size); /* of this process, as a shell would take it; "" if not known */

/* Memory that children share with us, zeroed. NULL: there is none. */
void *sni_os_share(size_t size);
void sni_os_unshare(void *addr, size_t size);

/* Signals. catch: from now on the signal sets its bit and rings the bell, an eventfd (-1: none). take: bits since the last
 * take. */
void sni_os_signal_bell(int fd);
int sni_os_signal_catch(int signo);
void sni_os_signal_restore(int signo);
uint64_t sni_os_signal_take(void);
uint64_t sni_os_signal_mask(void); /* what the calling thread blocks, a bit for each */

/* Signals of the library's own. handle: fn(arg, pc, sp) is called in a handler, with where it has interrupted its thread; HALT
 * is the one that interrupt_thread sends, whatever `signo`. unhandle: afterwards fn is not called, and nobody is in it. fn may
 * use atomics and futexes only. */
enum sni_os_interrupt { SNI_OS_HALT, SNI_OS_DUMP, SNI_OS_INTERRUPTS };
typedef void sni_os_interrupt_fn(void *arg, uintptr_t pc, uintptr_t sp);
int sni_os_handle(enum sni_os_interrupt which, int signo, sni_os_interrupt_fn *fn, void *arg);
void sni_os_unhandle(enum sni_os_interrupt which);
void sni_os_interrupt_thread(int id);
void sni_os_interrupts_forked(void); /* in a child of fork: the signals are the program's again */

/* For reports. peek: copies what can be read, false if it cannot. symbol: what a person calls a place in the program, with
 * what is at hand of the last one in *s, which is zero at first and ended at last. */
struct sni_os_symbols {
    uintptr_t base;
    void *map;
    size_t size;
};
bool sni_os_peek(void *copy, const void *from, size_t size);
void sni_os_symbol(struct sni_os_symbols *s, const void *pc, char *buf, size_t size);
void sni_os_symbols_end(struct sni_os_symbols *s);

/* Memory for everything else, and a place to print reports. */
void *sni_os_alloc(size_t size); /* zeroed, NULL if there is none */
void sni_os_free(void *ptr, size_t size);
void sni_os_print(const char *text);
const char *sni_os_getenv(const char *name);
const char *sni_os_error_string(int error);

#endif
