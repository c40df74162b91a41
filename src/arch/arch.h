/* Swap one stack for another. One .S file per ABI, and ucontext where there is none.
 *
 * A stack that is not running is known by one pointer, `sp`, whose meaning is the port's own.
 *
 *   sni_arch_switch(&save, to)        saves the running stack in `save`, continues `to` (which a switch or start saved)
 *   sni_arch_start(&save, top, arg)   saves, and calls sni_arch_entry(arg) on the fresh stack that ends at `top`
 *   sni_arch_leave(to)                saves nothing, continues `to`
 *
 *   sni_arch_call_at(sp, fn, arg)     calls fn(arg) on the running stack, but so that who unwinds from there finds the calls
 *                                     on the saved stack `sp`, which nobody may continue meanwhile; SNI_ARCH_CAN_CALL_AT says
 *                                     whether there is such a thing
 *
 * `top` is 16-byte aligned. sni_arch_entry never returns. In the assembly a saved stack stands at sni_arch_parked: with that
 * for a program counter and `sp` for a stack pointer, an unwinder or debugger shows the calls of a task that does not run.
 *
 * sni_self_load() reads the thread-local sni_tls_self anew each time: a task may continue on another thread after a
 * switch, and a compiler that is shown an ordinary thread-local keeps its address across the call. So nothing else in the
 * library touches it, and scripts/check-tls looks at the machine code.
 */
#ifndef SNI_ARCH_H
#define SNI_ARCH_H

struct sni_worker;
struct sni_task;

void sni_arch_switch(void **save, void *to);
void sni_arch_start(void **save, void *top, void *arg);
_Noreturn void sni_arch_leave(void *to);
void sni_arch_call_at(void *sp, void (*fn)(void *), void *arg);
_Noreturn void sni_arch_entry(void *arg);
extern const char sni_arch_parked[];

#ifdef SN_PORTABLE
enum { SNI_ARCH_CAN_CALL_AT = 0 };
#else
enum { SNI_ARCH_CAN_CALL_AT = 1 };
#endif

#if defined(__x86_64__) && !defined(SN_PORTABLE)
static inline struct sni_worker *sni_self_load(void)
{
    struct sni_worker *self;

    __asm__ volatile("movq sni_tls_self@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0" : "=r"(self) : : "memory");
    return self;
}

static inline void sni_self_store(struct sni_worker *self)
{
    void *at;

    __asm__ volatile("movq sni_tls_self@gottpoff(%%rip), %0\n\tmovq %1, %%fs:(%0)" : "=&r"(at) : "r"(self) : "memory");
}
#elif defined(__aarch64__) && !defined(SN_PORTABLE)
static inline struct sni_worker *sni_self_load(void)
{
    struct sni_worker *self;
    void *at;

    __asm__ volatile("adrp %1, :gottprel:sni_tls_self\n\t"
                     "ldr %1, [%1, #:gottprel_lo12:sni_tls_self]\n\t"
                     "mrs %0, tpidr_el0\n\t"
                     "ldr %0, [%0, %1]"
                     : "=&r"(self), "=&r"(at) : : "memory");
    return self;
}

static inline void sni_self_store(struct sni_worker *self)
{
    void *thread, *at;

    __asm__ volatile("adrp %1, :gottprel:sni_tls_self\n\t"
                     "ldr %1, [%1, #:gottprel_lo12:sni_tls_self]\n\t"
                     "mrs %0, tpidr_el0\n\t"
                     "str %2, [%0, %1]"
                     : "=&r"(thread), "=&r"(at) : "r"(self) : "memory");
}
#else
struct sni_worker *sni_self_load(void);
void sni_self_store(struct sni_worker *self);
#endif

#endif
