/* Checks. sni_check is always on and catches misuse by the program; sni_assert is for our own invariants, in debug
 * builds. Both end in sni_panic: one report, then abort. */
#ifndef SNI_BASE_CHECK_H
#define SNI_BASE_CHECK_H

/* Reports and aborts. Defined by sched/report.c, which knows the calling task. */
_Noreturn void sni_panic(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

/* For what must be one with its caller: each frame that a switch leaves and comes back through costs a mispredicted
 * return. */
#define sni_inline inline __attribute__((always_inline))

#define sni_likely(x)   __builtin_expect(!!(x), 1)
#define sni_unlikely(x) __builtin_expect(!!(x), 0)

#define sni_check(cond, ...)                \
    do {                                    \
        if (sni_unlikely(!(cond)))          \
            sni_panic(__VA_ARGS__);         \
    } while (0)

#ifdef SN_DEBUG
#define sni_assert(cond) sni_check(cond, "internal error: %s at %s:%d", #cond, __FILE__, __LINE__)
#else
#define sni_assert(cond) ((void)sizeof(cond))
#endif

#endif
