/* Once: do something exactly once, whoever comes first, and let the others wait until it is done.
 *
 *     static sn_once once;                   // zero: not done yet
 *     sn_once_do(&once, load_tables, &value);
 *
 * When it returns, fn has run and has returned, in whichever task or thread; what it did is visible. Later calls cost one
 * load. Waiting for another's run holds up no worker. If fn ends its task by sn_fail it has not been done: one of those who
 * wait does it then, or the next who comes. Calling it again from within fn panics instead of waiting for itself.
 *
 * What may fail is tried; and what makes a value keeps it beside the once:
 *
 *     struct config { int port; };
 *     typedef sn_once_of(struct config) config_once;
 *
 *     int read_config(sn_ctx *ctx, void *path, struct config *value); // 0, or an error
 *
 *     static config_once configured;         // zero: not made yet
 *     static char path[] = "app.conf";
 *     static const sn_once_opts patient = { .backoff = SN_MS(10), .backoff_max = SN_SEC(1) };
 *     const struct config *config;
 *
 *     r = sn_once_get(ctx, &configured, read_config, path, &config, &patient);
 *
 * Failure. A negative result of fn is the answer to its caller and to all who wait; it has not been done, and the next
 * caller tries again, after a pause if the options say so. But if the runner's own context has ended, and fn returns that
 * context's error, then the failure is the runner's alone: one of those who wait runs it instead, under its own context.
 *
 * The same once may be used by all of these functions. sn_once_do cannot be given an error: if it waits while another's try
 * fails, it runs its own function, and it is not put off by a pause.
 *
 * Two onces whose functions want each other wait for ever; the hang is reported (docs/hangs.md).
 *
 * Works from tasks and plain threads, with or without a runtime; nothing to initialise or destroy. It may be freed as soon
 * as all calls on it have returned, but for that of who has run it last: what that call still does is not with the once.
 *
 * When not to use this: where there is one thing for each key, or where a result is to be kept for a time only; a flight
 * (sennit/flight.h).
 */
#ifndef SENNIT_ONCE_H
#define SENNIT_ONCE_H

#include <sennit/select.h>
#include <sennit/task.h>

SN_BEGIN

typedef struct sn_once {
    uint64_t sni_[5];
} sn_once;

typedef void sn_once_fn(void *arg);

/* Blocks until fn(arg) has run. fn and arg matter only in the call that runs it. Not stopped by any context. */
static inline void sn_once_do(sn_once *once, sn_once_fn *fn, void *arg);

/* The same, but waits for another's run no longer than ctx allows: 0, or its error; if ctx had
 * ended before, its error in any case, and fn has not run. fn itself is not cut short.
 * SN_ENOMEM only in a plain thread's first blocking call. */
SN_MUST SN_API int sn_once_do_ctx(sn_ctx *ctx, sn_once *once, sn_once_fn *fn, void *arg);

/* Whether fn has run and returned; of a try, without an error. */
static inline bool sn_once_is_done(const sn_once *once);

/* What may fail. `ctx` is that of the call that runs it. 0 or more: it is done. */
typedef int sn_once_try_fn(sn_ctx *ctx, void *arg);

typedef struct sn_once_opts {
    int64_t backoff;     /* ns from a failure in which callers get its error at once, and nobody tries. Doubled with each
                          * further failure in a row. 0: default none */
    int64_t backoff_max; /* ns, the most that it grows to; not less than backoff. 0: default 64 times backoff */
} sn_once_opts;

/* Blocks until fn(ctx, arg) has succeeded: 0, by whoever's call. Or fn's error, see above: of the run that it waited for or
 * ran itself, or of the last one if that is less than the back-off ago. A failure that was the runner's own, and sn_fail, do
 * not count there. fn, arg and opts (NULL: defaults) matter only in the call that runs it.
 *
 * If it is done, 0 at once, whatever has become of ctx. Else ctx's error if that has ended, or ends while it waits, or just
 * before its turn comes; SN_EINVAL for bad options; SN_ENOMEM in a plain thread's first blocking call. */
SN_MUST static inline int sn_once_try(sn_ctx *ctx, sn_once *once, sn_once_try_fn *fn, void *arg, const sn_once_opts *opts);

/* The type of a once that keeps a value of type T. Give it a name by typedef. Its member `once` is for sn_once_is_done,
 * sn_once_reset and sn_on_once. */
#define sn_once_of(T)    \
    struct {             \
        sn_once once;    \
        T sni_value;     \
    }

/* The same with a value: int make(sn_ctx *ctx, void *arg, T *value) fills it in place. It finds there what was there before:
 * zero, or what it has left itself when it failed. *ptr is set to it on success only; `ptr` is a const T **, or a T ** if
 * you see to it that nobody reads while you write. The value lasts as long as the once, or until sn_once_reset. Other types
 * do not compile. The options come last, as above. `o` is evaluated once, the others at most once. */
#ifdef __cplusplus
#define sn_once_get(ctx, o, make, arg, ptr, ...) sni_once_get((ctx), (o), (make), (arg), (ptr), (__VA_ARGS__))
#else
#define sn_once_get(ctx, o, make, arg, ptr, ...)                                                                        \
    sni_once_got(__extension__({                                                                                        \
        __typeof__(o) sni_o = (o);                                                                                      \
        int sni_r = 0;                                                                                                  \
        if (__builtin_expect(!sn_once_is_done(&sni_o->once), 0)) {                                                      \
            struct sni_once_call sni_c;                                                                                 \
            if ((sni_r = sn_rawonce_begin((ctx), &sni_o->once, &sni_c, (__VA_ARGS__))) > 0)                             \
                sni_r = sn_rawonce_end(&sni_c, SNI_ONCE_MAKE(sni_o, make)(sni_c.sni_ctx, (arg), &sni_o->sni_value));    \
        }                                                                                                               \
        if (sni_r == 0)                                                                                                 \
            *SNI_ONCE_OUT(sni_o, ptr) = &sni_o->sni_value;                                                              \
        sni_r;                                                                                                          \
    }))
#endif

/* It is not done again, and has never failed: for tests, and for what is to be made anew. Panics if it is being done, or if
 * somebody waits for it. A value is where it was and as it was, and make will find it: so who has a pointer to it must be
 * through with it before, as if it were freed, and what it owns is yours to give back. Never blocks. */
SN_API void sn_once_reset(sn_once *once);

/* As a case of a select: chosen when it is done; err is 0. It is never given the task of doing it, and is not told of
 * failures. */
SN_API sn_case sn_on_once(sn_once *once);

/* A call that may come to run it. */
struct sni_once_call {
    sn_cleanup sni_cleanup;
    void *sni_once;
    sn_ctx *sni_ctx;
    const sn_once_opts *sni_opts;
    bool sni_insists; /* cannot be given an error */
};

SN_API void sn_once_do_slow(sn_once *once, sn_once_fn *fn, void *arg);
SN_API int sn_once_try_slow(sn_ctx *ctx, sn_once *once, sn_once_try_fn *fn, void *arg, const sn_once_opts *opts);
SN_API int sn_rawonce_begin(sn_ctx *ctx, sn_once *once, struct sni_once_call *call, const sn_once_opts *opts);
SN_API int sn_rawonce_end(struct sni_once_call *call, int result);

enum { SNI_ONCE_DONE = 8 };

static inline bool sn_once_is_done(const sn_once *once)
{
    return (__atomic_load_n(&once->sni_[0], __ATOMIC_ACQUIRE) & SNI_ONCE_DONE) != 0; /* pairs with the release in once.c */
}

static inline void sn_once_do(sn_once *once, sn_once_fn *fn, void *arg)
{
    if (__builtin_expect(!sn_once_is_done(once), 0))
        sn_once_do_slow(once, fn, arg);
}

static inline int sn_once_try(sn_ctx *ctx, sn_once *once, sn_once_try_fn *fn, void *arg, const sn_once_opts *opts)
{
    return __builtin_expect(sn_once_is_done(once), 1) ? 0 : sn_once_try_slow(ctx, once, fn, arg, opts);
}

SN_MUST static inline int sni_once_got(int r)
{
    return r;
}

SN_END

/* The type checks, as those of sennit/chan.h. */
#ifdef __cplusplus
extern "C++" {
template <class O, class P>
SN_MUST inline int sni_once_get(sn_ctx *ctx, O *o, int (*make)(sn_ctx *, void *, decltype(O::sni_value) *), void *arg,
                                P *ptr, const sn_once_opts *opts)
{
    const decltype(O::sni_value) *const *checked = ptr;
    int r = 0;
    (void)checked;
    if (__builtin_expect(!sn_once_is_done(&o->once), 0)) {
        struct sni_once_call call;
        if ((r = sn_rawonce_begin(ctx, &o->once, &call, opts)) > 0)
            r = sn_rawonce_end(&call, make(call.sni_ctx, arg, &o->sni_value));
    }
    if (r == 0)
        *ptr = &o->sni_value;
    return r;
}
}
#else
#define SNI_ONCE_MAKE(o, make) _Generic((make), int (*)(sn_ctx *, void *, __typeof__((o)->sni_value) *): (make))
#define SNI_ONCE_OUT(o, ptr) \
    _Generic((ptr), __typeof__((o)->sni_value) **: (ptr), const __typeof__((o)->sni_value) **: (ptr))
#endif

#endif
