/* The portable switch: ucontext, two system calls a switch. A saved stack's `sp` is the ucontext_t in the frame of the
 * call that saved it. Serves where there is no assembly yet, and in CI to keep the list of what a port must do honest. */
#include "arch/arch.h"

#include <stdint.h>
#include <stdlib.h>
#include <ucontext.h>

extern __thread struct sni_worker *sni_tls_self __attribute__((tls_model("initial-exec")));

__attribute__((noinline)) struct sni_worker *sni_self_load(void)
{
    struct sni_worker *self = sni_tls_self;

    __asm__ volatile("" : "+r"(self) : : "memory"); /* keeps two calls from being merged */
    return self;
}

__attribute__((noinline)) void sni_self_store(struct sni_worker *self)
{
    sni_tls_self = self;
    __asm__ volatile("" : : : "memory");
}

void sni_arch_switch(void **save, void *to)
{
    ucontext_t here;

    *save = &here;
    if (swapcontext(&here, to) != 0)
        abort();
}

static void trampoline(unsigned high, unsigned low)
{
    sni_arch_entry((void *)((uintptr_t)high << 32 | low));
}

void sni_arch_start(void **save, void *top, void *arg)
{
    ucontext_t here, fresh;
    /* makecontext wants the lowest address and a size; what lies below this much is left to the guard. */
    size_t size = (size_t)32 * 1024;

    *save = &here;
    if (getcontext(&fresh) != 0)
        abort();
    fresh.uc_stack.ss_sp = (char *)top - size;
    fresh.uc_stack.ss_size = size;
    fresh.uc_link = NULL;
    makecontext(&fresh, (void (*)(void))trampoline, 2, (unsigned)((uintptr_t)arg >> 32), (unsigned)(uintptr_t)arg);
    if (swapcontext(&here, &fresh) != 0)
        abort();
}

_Noreturn void sni_arch_leave(void *to)
{
    (void)setcontext(to);
    abort();
}

/* What an unwinder would need to know lies in the ucontext_t, which none understands. */
void sni_arch_call_at(void *sp, void (*fn)(void *), void *arg)
{
    (void)sp, (void)fn, (void)arg;
}
