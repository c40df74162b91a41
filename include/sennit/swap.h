/* Swap: a value that is replaced while others read it; the old one is freed once nobody can use it any more.
 *
 *     typedef sn_swap_of(int) level_swap;    // here of an int; most often of a struct: a configuration, a table of routes
 *     int *first = malloc(sizeof *first), *next = malloc(sizeof *next);
 *     level_swap level;
 *     sn_swap_guard guard;
 *     r = sn_swap_init(&level, first, free);
 *     const int *now = sn_swap_enter(&level, &guard);
 *     printf("%d\n", *now);                  // `now` stays as it is until the leave, whoever sets another meanwhile
 *     sn_swap_leave(&level, &guard);
 *     r = sn_swap_set(&level, next);         // readers get this one from now on; the first is freed once they left it
 *     sn_swap_destroy(&level);
 *
 * Between enter and leave a task may block for as long as it likes, be moved to another worker, enter again (with another
 * guard), and another task or thread may do the leave. What was done before a value was set is visible to whoever gets it,
 * and what readers did before they left is visible to its free function. Each value is freed exactly once: by the set that
 * replaced it, or by the leave that was the last it waited for, on the stack of whoever called that. The function may block
 * and may use the swap, but must return: until then nothing else that was replaced is freed. It may not end its task by
 * sn_fail.
 *
 * A reader that does not leave keeps all values that are replaced meanwhile, not only its own: memory, but nobody's time.
 *
 * Progress: enter is wait-free: a fixed number of steps, as a rule on no line that other workers write (up to sixteen of
 * them). Leave is wait-free, but for the one that others' values waited for, which frees them, and looks again if more came
 * meanwhile. Set never waits for a reader; it is lock-free, but for the allocation of 16 bytes: of setters that meet one
 * gets through at each step.
 *
 * Who derives the new value from the old one uses sn_swap_compare_set and begins again if another was faster:
 *
 *     extern sn_swap_of(int) level;
 *     sn_swap_guard guard;
 *     do {
 *         const int *old = sn_swap_enter(&level, &guard);
 *         int *next = malloc(sizeof *next);
 *         *next = *old + 1;
 *         r = sn_swap_compare_set(&level, &guard, next);
 *         sn_swap_leave(&level, &guard);
 *         if (r < 0)
 *             free(next);                    // it is still ours
 *     } while (r == SN_EAGAIN);
 *
 * 1152 bytes. Works from tasks and plain threads, with or without a runtime.
 *
 * When not to use this: where values are small and change often; see the sequence lock. Where writers are as frequent as
 * readers; a mutex is simpler. For a great many objects: one swap for the table, rather than one for each of its entries.
 */
#ifndef SENNIT_SWAP_H
#define SENNIT_SWAP_H

#include <sennit/chan.h> /* for the checks of element types */

SN_BEGIN

typedef struct sn_rawswap {
    uint64_t sni_[144];
} sn_rawswap;

/* A reader's stay between enter and leave: any memory that lasts so long, a local variable as a rule. */
typedef struct sn_swap_guard {
    uint64_t sni_[3];
} sn_swap_guard;

/* What becomes of a value that nobody can use any more: free() is one. */
typedef void sn_swap_free_fn(void *value);

/* The type of a swap whose values are `const T *`. It is the object itself, no handle: do not copy it. */
#define sn_swap_of(T)       \
    union {                 \
        sn_rawswap sni_raw; \
        T *sni_elem;        \
    }

/* Makes `first`, a T * or const T *, the current value; fn (NULL: nothing to do) will get each value that is not NULL.
 * 0, and the value is the swap's; or SN_ENOMEM. */
#define sn_swap_init(swap, first, fn) sn_rawswap_init(&(swap)->sni_raw, SNI_CHAN_IN(*(swap), (first)), (fn))

/* Frees the current value. All calls on it must have returned, and nobody may be inside, or it panics. */
#define sn_swap_destroy(swap) sn_rawswap_destroy(&(swap)->sni_raw)

/* The current value, which stays valid until the leave with the same guard. Never blocks. */
#define sn_swap_enter(swap, guard) \
    ((const __typeof__(*(swap)->sni_elem) *)sn_rawswap_enter(&(swap)->sni_raw, (guard)))

/* The reader has no use for the value any more. Panics if the guard has not entered this swap, or has left already. Does not
 * block, unless the free function does. */
#define sn_swap_leave(swap, guard) sn_rawswap_leave(&(swap)->sni_raw, (guard))

/* Makes `value`, a T * or const T *, the current one, in place of whichever is. It may not be, or be waiting to be freed,
 * already. 0, and it is the swap's; or SN_ENOMEM, and it is still the caller's. Does not block, unless the free function
 * does. */
#define sn_swap_set(swap, value) sn_rawswap_set(&(swap)->sni_raw, SNI_CHAN_IN(*(swap), (value)))

/* The same, but only if the current value is still the one that the guard's enter gave. SN_EAGAIN: another was set, and the
 * value is still the caller's. The guard stays inside, with the value it has, until it leaves. */
#define sn_swap_compare_set(swap, guard, value) \
    sn_rawswap_compare_set(&(swap)->sni_raw, (guard), SNI_CHAN_IN(*(swap), (value)))

SN_MUST SN_API int sn_rawswap_init(sn_rawswap *swap, const void *first, sn_swap_free_fn *fn);
SN_API void sn_rawswap_destroy(sn_rawswap *swap);
SN_API const void *sn_rawswap_enter(sn_rawswap *swap, sn_swap_guard *guard);
SN_API void sn_rawswap_leave(sn_rawswap *swap, sn_swap_guard *guard);
SN_MUST SN_API int sn_rawswap_set(sn_rawswap *swap, const void *value);
SN_MUST SN_API int sn_rawswap_compare_set(sn_rawswap *swap, const sn_swap_guard *guard, const void *value);

SN_END

#endif
