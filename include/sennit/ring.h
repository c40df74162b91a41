/* Ring: a bounded queue of values that never blocks: it is pushed to or popped from at once, or not at all.
 *
 *     typedef sn_ring_of(int) int_ring;
 *     int_ring ring;
 *     r = sn_ring_make(&ring, SN_RING_SPSC, 1024);
 *     r = sn_ring_try_push(ring, &value);       // SN_EAGAIN: full
 *     r = sn_ring_try_pop(ring, &value);        // SN_EAGAIN: empty
 *     sn_ring_free(ring);
 *
 * Values are copied in and out, and come out in the order in which they got their places. What was done before a push is
 * visible to whoever popped the value, and what was done before a pop to whoever pushes into its place next. There are three
 * kinds:
 *
 *     kind           pushed by         popped by         progress
 *     SN_RING_SPSC   one at a time     one at a time     wait-free: a fixed number of steps
 *     SN_RING_MPSC   anybody           one at a time     a pop is wait-free. Pushes: see below
 *     SN_RING_MPMC   anybody           anybody           see below
 *
 * "One at a time" is the program's promise, which nothing checks: it may be another task or thread each time, if something
 * else (a lock, a channel, the end of a task) puts them in order.
 *
 * In the two last kinds, of those that push (or pop) at the same time one gets its place at each step, so none waits for
 * another. But a place is taken first and filled then, and a ring is no better than its slowest place: as long as a producer
 * stands still between the two (its thread was interrupted there), pops answer SN_EAGAIN when they come to its place, though
 * there may be values behind it; and as long as a consumer stands still while it copies a value out, pushes do when they
 * come round to it. So these kinds are not lock-free as a whole. No task is ever switched in between, only threads are.
 *
 * Works from tasks and plain threads, with or without a runtime. Nothing is allocated after sn_ring_make.
 *
 * When not to use this: to wait for values, or for room; a channel does that, can be closed, selected on and cancelled, and
 * costs little more where nobody has to wait. Where one side often waits for the other it costs less: a task that tries
 * again and again takes a processor, the more so if the other's thread does not run, and must call sn_yield in between.
 */
#ifndef SENNIT_RING_H
#define SENNIT_RING_H

#include <sennit/chan.h> /* for the checks of element types */

SN_BEGIN

typedef struct sn_rawring sn_rawring;

typedef enum sn_ring_kind {
    SN_RING_SPSC = 1, /* single producer, single consumer */
    SN_RING_MPSC,     /* many producers, single consumer */
    SN_RING_MPMC,     /* many producers, many consumers */
} sn_ring_kind;

/* The type of a handle to a ring of T. Give it a name by typedef; copy it freely. An empty one, { 0 }, gives SN_EINVAL. */
#define sn_ring_of(T)        \
    union {                  \
        sn_rawring *sni_raw; \
        T *sni_elem;         \
    }

/* Makes a ring in *out, for `cap` values, rounded up to a power of two, and at least 2: see sn_ring_cap.
 * 0; SN_ENOMEM; SN_EINVAL if cap is 0, the size overflows, or there is no such kind. */
#define sn_ring_make(out, kind, cap) sn_rawring_make(&(out)->sni_raw, (kind), sizeof *(out)->sni_elem, (cap))

/* Frees the ring, and the values in it; an empty handle is accepted. Nobody may use it again; it may be done
 * right after the last value was popped, though the push of that may not have returned yet. */
#define sn_ring_free(ring) sn_rawring_free((ring).sni_raw)

/* Pushes *ptr. 0; SN_EAGAIN if the ring is full. Never blocks. */
#define sn_ring_try_push(ring, ...) sn_rawring_try_push((ring).sni_raw, SNI_CHAN_IN(ring, (__VA_ARGS__)))

/* Pops into *ptr. 0; SN_EAGAIN if the ring is empty. *ptr is written only on success. Never blocks. */
#define sn_ring_try_pop(ring, ...) sn_rawring_try_pop((ring).sni_raw, SNI_CHAN_OUT(ring, (__VA_ARGS__)))

/* As many as there is room for, or as there are, of the n values at ptr. How many that was, or SN_EAGAIN if none, and n is
 * not 0. SPSC: all at once, which costs little more than one. Else one after the other: values of other producers may lie in
 * between. Never block. */
#define sn_ring_try_push_n(ring, n, ...) sn_rawring_try_push_n((ring).sni_raw, SNI_CHAN_IN(ring, (__VA_ARGS__)), (n))
#define sn_ring_try_pop_n(ring, n, ...)  sn_rawring_try_pop_n((ring).sni_raw, SNI_CHAN_OUT(ring, (__VA_ARGS__)), (n))

/* How many places are taken, and how many there are. The first is out of date as soon as you have it. 0: an empty handle. */
#define sn_ring_len(ring) sn_rawring_len((ring).sni_raw)
#define sn_ring_cap(ring) sn_rawring_cap((ring).sni_raw)

SN_MUST SN_API int sn_rawring_make(sn_rawring **out, sn_ring_kind kind, size_t elem_size, size_t cap);
SN_API void sn_rawring_free(sn_rawring *ring);
SN_API int sn_rawring_try_push(sn_rawring *ring, const void *value);
SN_API int sn_rawring_try_pop(sn_rawring *ring, void *value);
SN_API int sn_rawring_try_push_n(sn_rawring *ring, const void *values, size_t n);
SN_API int sn_rawring_try_pop_n(sn_rawring *ring, void *values, size_t n);
SN_API size_t sn_rawring_len(const sn_rawring *ring);
SN_API size_t sn_rawring_cap(const sn_rawring *ring);

SN_END

#endif
