/* Time: one clock, nanoseconds, monotonic. */
#ifndef SENNIT_TIME_H
#define SENNIT_TIME_H

#include <sennit/decl.h>

SN_BEGIN

#define SN_US(n)   ((int64_t)(n) * 1000)
#define SN_MS(n)   ((int64_t)(n) * 1000000)
#define SN_SEC(n)  ((int64_t)(n) * 1000000000)
#define SN_FOREVER INT64_MAX

/* Nanoseconds since some fixed moment (on Linux that of CLOCK_MONOTONIC, which it may leave by some microseconds a
 * minute). Never goes back in one thread or task; between threads two calls within 100 ns of each other may come out in
 * either order. Costs about as much as reading the processor's counter, and has its resolution: below a nanosecond on
 * x86-64, on 64-bit ARM commonly 1 to 40 ns. */
SN_API int64_t sn_now(void);

/* Sleeps for at least `ns` nanoseconds. Zero or less returns at once, after looking at the context.
 * Returns 0, or SN_ECANCELED or SN_ETIMEDOUT as soon as the context ends; SN_ENOMEM. Needs no runtime. */
SN_API int sn_sleep(sn_ctx *ctx, int64_t ns);

/* The same until the moment `deadline` of sn_now: for what goes on at a fixed rate, however long each round takes. */
SN_API int sn_sleep_until(sn_ctx *ctx, int64_t deadline);

/* 64 random bits: fast, well distributed, not for secrets. */
SN_API uint64_t sn_random(void);

SN_END

#endif
