/* Swap one stack for another. One .S file per ABI, and ucontext where there is none.
 *
 * A stack that is not running is known by one pointer, `sp`, whose meaning is the port's own.
 *
 *   sni_arch_switch(&save, to)        saves the running stack in `save`, continues `to` (which a switch or start saved)
 *   sni_arch_start(&save, top, arg)   saves, and calls sni_arch_entry(arg) on the fresh stack that ends at `top`
 *   sni_arch_leave(to)                saves nothing, continues `to`
 *
 * `top` is 16-byte aligned. sni_arch_entry never returns.
 *
 * sni_self_load() reads the thread-local sni_tls_self anew each time: a task may continue on another thread after a
 * switch, and a compiler that is shown an ordinary thread-local keeps its address across the call.
 */
#ifndef SNI_ARCH_H
#define SNI_ARCH_H

struct sni_worker;
struct sni_task;

void sni_arch_switch(void **save, void *to);
void sni_arch_start(void **save, void *top, void *arg);
_Noreturn void sni_arch_leave(void *to);
_Noreturn void sni_arch_entry(void *arg);

#if defined(__x86_64__) && !defined(SN_PORTABLE)
static inline struct sni_worker *sni_self_load(void)
{
    struct sni_worker *self;

    __asm__ volatile("movq sni_tls_self@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0" : "=r"(self) : : "memory");
    return self;
}
#else
struct sni_worker *sni_self_load(void);
#endif

#endif
