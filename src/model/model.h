/* The model: threads as fibres of one, and a memory in which a load may give any value that C11 allows.
 *
 * The library and its model tests are compiled with the compiler's instrumentation for ThreadSanitizer, but linked with
 * src/model instead of its runtime: each atomic operation, fence and plain access arrives here (tsan.c). Before each atomic
 * operation and in each call of the port (os.c) the seed decides which thread goes on. A program that works by luck on a
 * processor with strong ordering fails here with the seed as its name.
 *
 * The memory. Each atomic location keeps its last stores. A store carries two clocks: what happens before it, for who
 * acquires it; and what must be seen after it, which fences of sequential consistency add to. A load may give any store that
 * is not older than one that the thread must have seen. Plain accesses that are not ordered with each other are races, and
 * are reported; so is any access to freed memory.
 *
 * What it leaves out: loads that see stores which the program makes later (load buffering), and stores to one location that
 * become visible in another order than that in which they ran (2+2W). Its orders are otherwise those of C11, with
 * sequential consistency as in 29.3 of the standard, and a release goes on in read-modify-writes only, as C++20 and C23 have
 * it, not in later stores of the same thread; of consume it knows nothing. Bugs in assembly are not its business.
 *
 * As relacy (Vyukov) and CDSChecker (Norris and Demsky, OOPSLA 2013) do it; fences after Batty et al. (POPL 2011). */
#ifndef SNI_MODEL_H
#define SNI_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SNI_MODEL_THREADS = 8 };

/* One run of fn(arg), as thread 0. Ends the process if anything is wrong. */
void sni_model_run(uint64_t seed, void (*fn)(void *arg), void *arg);

/* Of the test that runs, for reports and for choices of its own. */
void sni_model_name(const char *test);
uint32_t sni_model_choose(uint32_t n);
_Noreturn void sni_model_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Steps of all threads so far, and how many loads gave something else than the newest store. */
uint64_t sni_model_steps(void);
uint64_t sni_model_stale(void);

/* --- for the port and the instrumentation --- */

enum sni_model_order { SNI_RLX, SNI_ACQ, SNI_REL, SNI_ACQREL, SNI_SEQ };

uint64_t sni_model_load(uintptr_t at, unsigned size, enum sni_model_order order);
void sni_model_store(uintptr_t at, unsigned size, uint64_t value, enum sni_model_order order);
uint64_t sni_model_update(uintptr_t at, unsigned size, uint64_t (*fn)(uint64_t old, uint64_t operand), uint64_t operand,
                          enum sni_model_order order);
bool sni_model_cas(uintptr_t at, unsigned size, uint64_t *expected, uint64_t value, enum sni_model_order order,
                   enum sni_model_order fail);
void sni_model_fence(enum sni_model_order order);
void sni_model_fence_all(void);
void sni_model_plain(uintptr_t at, size_t size, bool write, const void *pc);
void sni_model_fresh(uintptr_t at, size_t size);  /* memory begins: what was there is forgotten */
void sni_model_freed(uintptr_t at, size_t size);

bool sni_model_is_running(void);
int sni_model_spawn(void *(*fn)(void *), void *arg);
void sni_model_join(int thread);
void sni_model_yield(void);
int sni_model_self(void);
int64_t sni_model_clock(void);
void **sni_model_slot(void);                      /* the calling thread's */

/* Blocks while the newest value of *word is `value`, until woken or the time has come; or for no reason. False: time. */
bool sni_model_wait(uint32_t *word, uint32_t value, int64_t deadline);
void sni_model_wake(uint32_t *word);

#endif
