/* For tests of the ports: what must be written in assembly to be seen, in <abi>_test.S, and what one does with it. */
#ifndef SNI_ARCH_TEST_H
#define SNI_ARCH_TEST_H

#include "arch/arch.h"

#include <stddef.h>
#include <stdint.h>
#include <unwind.h>

#if defined(__x86_64__)
enum { TEST_REGISTERS = 6 };  /* rbx, rbp, r12 to r15 */
#elif defined(__aarch64__)
enum { TEST_REGISTERS = 19 }; /* x19 to x28, d8 to d15, x29 */
#else
enum { TEST_REGISTERS = 0 };  /* there are no such helpers */
#endif

typedef void test_fn(void); /* whatever it takes */

/* Calls fn(a, b, c) with `in` in the registers that belong to a caller, and stores what is in them afterwards. */
void test_registers(const uint64_t *in, uint64_t *out, test_fn *fn, void *a, void *b, void *c);

/* Calls fn so that an unwinder takes it for called from `pc` by what stands there with the stack pointer `sp`. */
void test_unwind(void *sp, const void *pc, void (*fn)(void *arg), void *arg);

/* Where a saved stack stands; NULL if the port keeps that to itself. */
static inline const void *test_parked(void)
{
#ifdef SN_PORTABLE
    return NULL;
#else
    return sni_arch_parked;
#endif
}

enum { TEST_FRAMES = 100 };

/* The calls that an unwinder sees, the innermost first. */
struct test_trace {
    int n;
    struct test_frame {
        uintptr_t pc;
        void *fn;
        uint64_t kept; /* rbx or x19, as it was there */
    } frames[TEST_FRAMES];
    _Unwind_Reason_Code end;
};

static inline _Unwind_Reason_Code test_note_frame(struct _Unwind_Context *context, void *arg)
{
    struct test_trace *t = arg;
    uintptr_t pc = _Unwind_GetIP(context);

    if (pc == 0) /* some unwinders show that there is nothing below the last frame */
        return _URC_NO_REASON;
    if (t->n == TEST_FRAMES)
        return _URC_FATAL_PHASE1_ERROR; /* it does not end */
#if defined(__aarch64__)
    uint64_t kept = _Unwind_GetGR(context, 19);
#else
    uint64_t kept = _Unwind_GetGR(context, 3);
#endif
    t->frames[t->n++] = (struct test_frame){ pc, _Unwind_FindEnclosingFunction((void *)(pc - 1)), kept };
    return _URC_NO_REASON;
}

static inline void test_look_back(void *trace)
{
    struct test_trace *t = trace;

    t->n = 0;
    t->end = _Unwind_Backtrace(test_note_frame, t);
}

/* The frame of fn, or NULL. */
static inline const struct test_frame *test_find_frame(const struct test_trace *t, const void *fn)
{
    for (int i = 0; i < t->n; i++)
        if (t->frames[i].fn == fn)
            return &t->frames[i];
    return NULL;
}

#endif
