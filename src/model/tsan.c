/* What the compiler calls for ThreadSanitizer: each access, each atomic operation, each fence. */
#include "model/model.h"

#include <string.h>

/* --- plain accesses --- */

#define PC __builtin_return_address(0)

static void plain(const void *at, size_t size, bool write, const void *pc)
{
    if (sni_model_is_running())
        sni_model_plain((uintptr_t)at, size, write, pc);
}

#define PLAIN(size)                                                                                     \
    void __tsan_read##size(void *at);                                                                   \
    void __tsan_write##size(void *at);                                                                  \
    void __tsan_unaligned_read##size(void *at);                                                         \
    void __tsan_unaligned_write##size(void *at);                                                        \
    void __tsan_volatile_read##size(void *at);                                                          \
    void __tsan_volatile_write##size(void *at);                                                         \
    void __tsan_read##size(void *at) { plain(at, size, false, PC); }                                    \
    void __tsan_write##size(void *at) { plain(at, size, true, PC); }                                    \
    void __tsan_unaligned_read##size(void *at) { plain(at, size, false, PC); }                          \
    void __tsan_unaligned_write##size(void *at) { plain(at, size, true, PC); }                          \
    void __tsan_volatile_read##size(void *at) { plain(at, size, false, PC); }                           \
    void __tsan_volatile_write##size(void *at) { plain(at, size, true, PC); }
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_read_range(void *at, size_t size);
void __tsan_write_range(void *at, size_t size);
void __tsan_init(void);
void __tsan_func_entry(void *pc);
void __tsan_func_exit(void);

void __tsan_read_range(void *at, size_t size)
{
    plain(at, size, false, PC);
}

void __tsan_write_range(void *at, size_t size)
{
    plain(at, size, true, PC);
}

void __tsan_init(void)
{
}

void __tsan_func_entry(void *pc)
{
    (void)pc;
}

void __tsan_func_exit(void)
{
}

/* --- atomics --- */

static enum sni_model_order order_of(int mo)
{
    switch (mo & 0xff) {
    case __ATOMIC_RELAXED:
        return SNI_RLX;
    case __ATOMIC_CONSUME:
    case __ATOMIC_ACQUIRE:
        return SNI_ACQ;
    case __ATOMIC_RELEASE:
        return SNI_REL;
    case __ATOMIC_ACQ_REL:
        return SNI_ACQREL;
    default:
        return SNI_SEQ;
    }
}

static uint64_t set(uint64_t old, uint64_t operand)
{
    (void)old;
    return operand;
}

static uint64_t add(uint64_t old, uint64_t operand)
{
    return old + operand;
}

static uint64_t sub(uint64_t old, uint64_t operand)
{
    return old - operand;
}

static uint64_t and(uint64_t old, uint64_t operand)
{
    return old & operand;
}

static uint64_t or(uint64_t old, uint64_t operand)
{
    return old | operand;
}

static uint64_t xor(uint64_t old, uint64_t operand)
{
    return old ^ operand;
}

/* Outside a run there is one thread, and operations are what they are. */
#define UPDATE(bits, name, fn)                                                                          \
    uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *at, uint##bits##_t v, int mo); \
    uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *at, uint##bits##_t v, int mo)  \
    {                                                                                                   \
        if (sni_model_is_running())                                                                     \
            return (uint##bits##_t)sni_model_update((uintptr_t)at, bits / 8, fn, v, order_of(mo));      \
        uint##bits##_t old = *at;                                                                       \
        *at = (uint##bits##_t)fn(old, v);                                                               \
        return old;                                                                                     \
    }

#define ATOMIC(bits)                                                                                    \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *at, int mo);               \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *at, uint##bits##_t v, int mo);            \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile uint##bits##_t *at, uint##bits##_t *expected, \
                                                      uint##bits##_t v, int mo, int fail);              \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile uint##bits##_t *at, uint##bits##_t *expected, \
                                                    uint##bits##_t v, int mo, int fail);                \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *at, int mo)                \
    {                                                                                                   \
        return sni_model_is_running() ? (uint##bits##_t)sni_model_load((uintptr_t)at, bits / 8, order_of(mo)) : *at; \
    }                                                                                                   \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *at, uint##bits##_t v, int mo)             \
    {                                                                                                   \
        if (sni_model_is_running())                                                                     \
            sni_model_store((uintptr_t)at, bits / 8, v, order_of(mo));                                  \
        else                                                                                            \
            *at = v;                                                                                    \
    }                                                                                                   \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile uint##bits##_t *at, uint##bits##_t *expected, \
                                                      uint##bits##_t v, int mo, int fail)               \
    {                                                                                                   \
        uint64_t e = *expected;                                                                         \
        bool done = sni_model_is_running()                                                              \
                        ? sni_model_cas((uintptr_t)at, bits / 8, &e, v, order_of(mo), order_of(fail))   \
                        : *at == e;                                                                     \
        if (!sni_model_is_running()) {                                                                  \
            if (done)                                                                                   \
                *at = v;                                                                                \
            else                                                                                        \
                e = *at;                                                                                \
        }                                                                                               \
        *expected = (uint##bits##_t)e;                                                                  \
        return done;                                                                                    \
    }                                                                                                   \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile uint##bits##_t *at, uint##bits##_t *expected, \
                                                    uint##bits##_t v, int mo, int fail)                 \
    {                                                                                                   \
        return __tsan_atomic##bits##_compare_exchange_strong(at, expected, v, mo, fail);                \
    }                                                                                                   \
    UPDATE(bits, exchange, set)                                                                         \
    UPDATE(bits, fetch_add, add)                                                                        \
    UPDATE(bits, fetch_sub, sub)                                                                        \
    UPDATE(bits, fetch_and, and)                                                                        \
    UPDATE(bits, fetch_or, or)                                                                          \
    UPDATE(bits, fetch_xor, xor)
ATOMIC(8)
ATOMIC(16)
ATOMIC(32)
ATOMIC(64)

void __tsan_atomic_thread_fence(int mo);
void __tsan_atomic_signal_fence(int mo);

void __tsan_atomic_thread_fence(int mo)
{
    if (sni_model_is_running())
        sni_model_fence(order_of(mo));
}

void __tsan_atomic_signal_fence(int mo)
{
    (void)mo; /* of the compiler's only */
}
