/* Once: do something exactly once, whoever comes first, and let the others wait until it is done.
 *
 *     static sn_once once;                   // zero: not done yet
 *     sn_once_do(&once, load_tables, &value);
 *
 * When it returns, fn has run and has returned, in whichever task or thread; what it did is visible. Later calls cost one
 * load. Waiting for another's run holds up no worker. If fn ends its task by sn_fail it has not been done: one of those who
 * wait does it then, or the next who comes. Calling it again from within fn panics instead of waiting for itself.
 *
 * Works from tasks and plain threads, with or without a runtime; nothing to initialise or destroy.
 *
 * When not to use this: where the initialiser may fail and be tried again, or there is one thing for each key (flight.h).
 */
#ifndef SENNIT_ONCE_H
#define SENNIT_ONCE_H

#include <sennit/decl.h>

SN_BEGIN

typedef struct sn_once {
    uint64_t sni_[4];
} sn_once;

typedef void sn_once_fn(void *arg);

/* Blocks until fn(arg) has run. fn and arg matter only in the call that runs it. Not stopped by any context. */
static inline void sn_once_do(sn_once *once, sn_once_fn *fn, void *arg);

/* The same, but waits for another's run no longer than ctx allows: 0, or its error; if ctx had
 * ended before, its error in any case, and fn has not run. fn itself is not cut short.
 * SN_ENOMEM only in a plain thread's first blocking call. */
SN_MUST SN_API int sn_once_do_ctx(sn_ctx *ctx, sn_once *once, sn_once_fn *fn, void *arg);

/* Whether fn has run and returned. */
static inline bool sn_once_is_done(const sn_once *once);

SN_API void sn_once_do_slow(sn_once *once, sn_once_fn *fn, void *arg);

enum { SNI_ONCE_DONE = 2 };

static inline bool sn_once_is_done(const sn_once *once)
{
    return __atomic_load_n(&once->sni_[0], __ATOMIC_ACQUIRE) == SNI_ONCE_DONE; /* pairs with the release in once.c */
}

static inline void sn_once_do(sn_once *once, sn_once_fn *fn, void *arg)
{
    if (__builtin_expect(!sn_once_is_done(once), 0))
        sn_once_do_slow(once, fn, arg);
}

SN_END

#endif
