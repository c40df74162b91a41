/* Atomics whose names contain the memory order; the only place that spells __atomic.
 *
 * Plain words are used with them, not _Atomic types, so that a field's declaration says what it is and each access says
 * how it is ordered. There is no implicit seq_cst. SNI_STEP is where a model of the memory can take over: it expands to
 * nothing in every ordinary build.
 */
#ifndef SNI_BASE_ATOMIC_H
#define SNI_BASE_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

#ifndef SNI_STEP
#define SNI_STEP() ((void)0)
#endif

#define sni_load_rlx(p)     (SNI_STEP(), __atomic_load_n((p), __ATOMIC_RELAXED))
#define sni_load_acq(p)     (SNI_STEP(), __atomic_load_n((p), __ATOMIC_ACQUIRE))
#define sni_load_seq(p)     (SNI_STEP(), __atomic_load_n((p), __ATOMIC_SEQ_CST))
#define sni_store_rlx(p, v) (SNI_STEP(), __atomic_store_n((p), (v), __ATOMIC_RELAXED))
#define sni_store_rel(p, v) (SNI_STEP(), __atomic_store_n((p), (v), __ATOMIC_RELEASE))
#define sni_store_seq(p, v) (SNI_STEP(), __atomic_store_n((p), (v), __ATOMIC_SEQ_CST))
#define sni_xchg_acq(p, v)  (SNI_STEP(), __atomic_exchange_n((p), (v), __ATOMIC_ACQUIRE))
#define sni_xchg_rlx(p, v)   (SNI_STEP(), __atomic_exchange_n((p), (v), __ATOMIC_RELAXED))
#define sni_xchg_acqrel(p, v) (SNI_STEP(), __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL))
#define sni_xchg_seq(p, v)  (SNI_STEP(), __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST))
#define sni_add_rlx(p, v)   (SNI_STEP(), __atomic_fetch_add((p), (v), __ATOMIC_RELAXED))
#define sni_add_seq(p, v)   (SNI_STEP(), __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST))
#define sni_sub_acqrel(p, v) (SNI_STEP(), __atomic_fetch_sub((p), (v), __ATOMIC_ACQ_REL))
#define sni_sub_seq(p, v)   (SNI_STEP(), __atomic_fetch_sub((p), (v), __ATOMIC_SEQ_CST))

/* Compare and swap: on failure *expected holds what was found (relaxed). */
#define sni_cas_rlx(p, expected, v)                                                                    \
    (SNI_STEP(), __atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
#define sni_cas_acqrel(p, expected, v)                                                                 \
    (SNI_STEP(), __atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
#define sni_cas_seq(p, expected, v)                                                                    \
    (SNI_STEP(), __atomic_compare_exchange_n((p), (expected), (v), false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))

/* ThreadSanitizer does not model fences; a read-modify-write of a dummy is what it understands. */
#ifdef __SANITIZE_THREAD__
#define SNI_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SNI_TSAN 1
#endif
#endif

/* Keeps the compiler from moving memory accesses across. */
static inline void sni_fence_compiler(void)
{
    SNI_STEP();
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline void sni_fence_seq(void)
{
#ifdef SNI_TSAN
    static uint32_t dummy;
    (void)__atomic_fetch_add(&dummy, 0, __ATOMIC_SEQ_CST);
#else
    SNI_STEP();
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/* Tells the processor that we are waiting in a loop. */
static inline void sni_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

#endif
