/* The port to the model: time, threads, futexes, the poller. Memory for stacks and what else there is comes from the port to
 * Linux. */
#include "base/spin.h"
#include "os/os.h"

#include "arch/arch.h"
#include "model/model.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int64_t sni_os_clock(void)
{
    return sni_model_clock();
}

bool sni_os_ticks_usable(void)
{
    return false;
}

uint64_t sni_os_entropy(void)
{
    return (uint64_t)sni_model_choose(UINT32_MAX) << 32 | sni_model_choose(UINT32_MAX) | 1;
}

void sni_os_print(const char *text)
{
    (void)!write(2, text, strlen(text));
}

const char *sni_os_getenv(const char *name)
{
    (void)name; /* nothing from outside decides */
    return NULL;
}

const char *sni_os_error_string(int error)
{
    return strerror(error);
}

/* --- threads --- */

int sni_os_thread_start(struct sni_os_thread *out, void *(*fn)(void *), void *arg, const char *name)
{
    int i = sni_model_spawn(fn, arg);

    (void)name;
    if (i < 0)
        return -11; /* EAGAIN */
    out->handle = (unsigned long)i;
    return 0;
}

void sni_os_thread_join(struct sni_os_thread *thread)
{
    sni_model_join((int)thread->handle);
}

int sni_os_cpu_count(void)
{
    return 2;
}

int sni_os_thread_count(void)
{
    return -38; /* ENOSYS: it would be wrong while threads of the test are about */
}

int sni_os_thread_id(void)
{
    return sni_model_self() + 1;
}

bool sni_os_thread_computes(int id)
{
    (void)id;
    return sni_model_choose(2) == 0;
}

void sni_os_at_fork(void (*child)(void))
{
    (void)child;
}

void sni_os_yield(void)
{
    sni_model_yield();
}

void *sni_os_stack_bounds(size_t *size)
{
    *size = 0;
    return NULL;
}

void *sni_os_slot_get(void)
{
    return *sni_model_slot();
}

int sni_os_slot_set(void *value)
{
    *sni_model_slot() = value;
    return 0;
}

int sni_os_futex_wait(uint32_t *word, uint32_t value, int64_t deadline)
{
    return sni_model_wait(word, value, deadline) ? 0 : -110; /* ETIMEDOUT */
}

void sni_os_futex_wake(uint32_t *word)
{
    sni_model_wake(word);
}

int sni_os_fence_init(void)
{
    return 0;
}

int sni_os_fence_all(void)
{
    sni_model_fence_all();
    return 0;
}

void sni_spin_pause(uint32_t *tries)
{
    (void)tries;
    sni_model_yield();
}

void sni_spin_wait(uint32_t *held)
{
    while (sni_load_rlx(held) != 0)
        sni_model_yield();
}

/* --- the poller: there are no descriptors, only the bell --- */

int sni_os_poller_init(struct sni_os_poller *p)
{
    p->epoll = p->bell = 0;
    return 0;
}

void sni_os_poller_destroy(struct sni_os_poller *p)
{
    (void)p;
}

int sni_os_poller_add(struct sni_os_poller *p, int fd, unsigned events, uint64_t data)
{
    (void)p, (void)fd, (void)events, (void)data;
    return -1; /* EPERM: always ready */
}

int sni_os_poller_change(struct sni_os_poller *p, int fd, unsigned events, uint64_t data)
{
    return sni_os_poller_add(p, fd, events, data);
}

void sni_os_poller_del(struct sni_os_poller *p, int fd)
{
    (void)p, (void)fd;
}

int sni_os_poller_wait(struct sni_os_poller *p, struct sni_os_event *out, int n, int64_t ns)
{
    (void)out, (void)n;
    (void)sni_model_wait((uint32_t *)&p->bell, 0, ns < 0 ? INT64_MAX : sni_model_clock() + ns);
    p->bell = 0;
    return 0;
}

void sni_os_poller_ring(struct sni_os_poller *p)
{
    p->bell = 1;
    sni_model_wake((uint32_t *)&p->bell);
}

/* --- memory --- */

enum { QUARANTINE = 4096 };

static struct {
    void *blocks[QUARANTINE]; /* freed: given back for good when the run has ended, so that no use of them goes unseen */
    unsigned n;
} freed;

void sni_model_end_quarantine(void);

void *sni_os_alloc(size_t size)
{
    void *p = calloc(1, size);

    if (p && sni_model_is_running())
        sni_model_fresh((uintptr_t)p, size);
    return p;
}

void sni_os_free(void *p, size_t size)
{
    if (!p)
        return;
    if (!sni_model_is_running() || freed.n == QUARANTINE) {
        free(p);
        return;
    }
    sni_model_plain((uintptr_t)p, size, true, __builtin_return_address(0)); /* what was done with it before must be over */
    sni_model_freed((uintptr_t)p, size);
    freed.blocks[freed.n++] = p;
}

void sni_model_end_quarantine(void)
{
    while (freed.n > 0)
        free(freed.blocks[--freed.n]);
}
