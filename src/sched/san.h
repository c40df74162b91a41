/* What sanitizers and Valgrind must be told about stacks. Empty inline functions where there are none; for Valgrind a few
 * instructions without effect per carved stack, in any build whose compiler finds its header. */
#ifndef SNI_SCHED_SAN_H
#define SNI_SCHED_SAN_H

#include "sched/rt.h"

#if defined(__SANITIZE_ADDRESS__)
#define SNI_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SNI_ASAN 1
#endif
#endif

/* A sanitizer may keep something at the upper end of a free stack. */
#ifdef SNI_TSAN
#define SNI_SAN_KEEPS_STACKS 1
#define SNI_SAN_THREADS      1 /* threads of its own */
#else
#define SNI_SAN_KEEPS_STACKS 0
#define SNI_SAN_THREADS      0
#endif

/* A stack is carved, or gone for good. Valgrind takes a step from one stack that it knows to another for a switch, not for a
 * huge frame; the number is its name for the stack. */
#ifdef SNI_VALGRIND
#include <valgrind/valgrind.h>

static inline uint32_t sni_san_carved(char *low, size_t size)
{
    return (uint32_t)VALGRIND_STACK_REGISTER(low, low + size - 1);
}

static inline void sni_san_gone(uint32_t number)
{
    VALGRIND_STACK_DEREGISTER(number);
}
#else
static inline uint32_t sni_san_carved(char *low, size_t size)
{
    (void)low, (void)size;
    return 0;
}

static inline void sni_san_gone(uint32_t number)
{
    (void)number;
}
#endif

#ifdef SNI_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>

static inline void sni_san_bounds(struct sni_worker *w, struct sni_task *t, const void **bottom, size_t *size)
{
    if (t == &w->own.idle) {
        *bottom = w->own.idle_stack;
        *size = w->own.idle_stack_size;
        return;
    }
    char *low = sni_stack_low(&w->own.rt->stacks, t->stack) + SNI_STACK_GUARD;
    *bottom = low;
    *size = (size_t)(t->stack + SNI_STACK_TOP - low);
}

/* Before the switch to `to`; `from` is NULL if its stack is given back. */
static inline void sni_san_before(struct sni_worker *w, struct sni_task *from, struct sni_task *to)
{
    const void *bottom;
    size_t size;

    sni_san_bounds(w, to, &bottom, &size);
    __sanitizer_start_switch_fiber(from ? &from->san : NULL, bottom, size);
}

static inline void sni_san_after(struct sni_worker *w)
{
    __sanitizer_finish_switch_fiber(w->own.current->san, NULL, NULL);
    w->own.current->san = NULL;
}

static inline void sni_san_thread(struct sni_worker *w)
{
    w->own.idle_stack = sni_os_stack_bounds(&w->own.idle_stack_size);
}

static inline void sni_san_stack_freed(char *low, size_t size)
{
    __asan_unpoison_memory_region(low, size);
}

static inline void sni_san_root(char *low, size_t size)
{
    __lsan_register_root_region(low, size);
}

static inline void sni_san_unroot(char *low, size_t size)
{
    __lsan_unregister_root_region(low, size);
}

#else

static inline void sni_san_root(char *low, size_t size)
{
    (void)low, (void)size;
}

#ifdef SNI_TSAN
#include <string.h>

void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);

static inline void sni_san_thread(struct sni_worker *w)
{
    w->own.idle.san = __tsan_get_current_fiber();
}

/* A signal that it holds back is kept in the fibre, which may be parked for ever: any intercepted call delivers it. */
static inline void sni_san_take_signals(void)
{
    static int (*volatile compare)(const void *, const void *, size_t) = memcmp;
    (void)compare("", "", 1);
}

/* A fibre per bound stack, kept at the stack's upper end; the idle task's is its thread's own. Always inline: a
 * function's entry and exit must fall on one fibre. */
__attribute__((always_inline)) static inline void sni_san_before(struct sni_worker *w, struct sni_task *from, struct sni_task *to)
{
    (void)from;
    sni_san_take_signals();
    if (to == &w->own.idle) {
        __tsan_switch_to_fiber(to->san, 0);
        return;
    }
    void **fiber = (void **)to->stack;
    if (!*fiber)
        *fiber = __tsan_create_fiber(0);
    __tsan_switch_to_fiber(*fiber, 0);
}

static inline void sni_san_after(struct sni_worker *w)
{
    (void)w;
}

/* A task that leaves its stack leaves entries on the fibre's shadow stack: the next one gets a new fibre. */
static inline void sni_san_stack_freed(char *low, size_t size)
{
    void **fiber = (void **)(low + size);

    if (*fiber)
        __tsan_destroy_fiber(*fiber);
    *fiber = NULL;
}

static inline void sni_san_unroot(char *low, size_t size)
{
    (void)low, (void)size;
}
#else
static inline void sni_san_thread(struct sni_worker *w)
{
    (void)w;
}

static inline void sni_san_before(struct sni_worker *w, struct sni_task *from, struct sni_task *to)
{
    (void)w, (void)from, (void)to;
}

static inline void sni_san_after(struct sni_worker *w)
{
    (void)w;
}

static inline void sni_san_stack_freed(char *low, size_t size)
{
    (void)low, (void)size;
}

static inline void sni_san_unroot(char *low, size_t size)
{
    (void)low, (void)size;
}
#endif
#endif
#endif
