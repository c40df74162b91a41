/* Future: a value that is not there yet, or the error that came instead; set once, read by any number.
 *
 *     typedef sn_future_of(int) int_future;
 *     int_future f = { 0 };                  // zero is ready
 *     (void)sn_future_set(&f, &(int){ 42 }); // whoever has it, once
 *     r = sn_future_get(ctx, &f, &value);    // whoever wants it
 *
 * Whoever gets it sees what was done before it was set. What is set stays: later gets return at once.
 *
 * Works from tasks and plain threads, with or without a runtime; nothing to destroy. It may be freed as soon as it is set
 * and all gets on it have returned, though sn_future_set may not have yet.
 *
 * Each macro below is one call to the untyped sn_rawfuture_ function of the same name. A pointer to the wrong type does not
 * compile.
 *
 * When not to use this: for more than one value, or for one reader of many results; a channel.
 */
#ifndef SENNIT_FUTURE_H
#define SENNIT_FUTURE_H

#include <sennit/select.h>

SN_BEGIN

typedef struct sn_rawfuture {
    uint64_t sni_[4];
} sn_rawfuture;

/* The type of a future of T, with room for the value. Give it a name by typedef. */
#define sn_future_of(T)       \
    struct {                  \
        sn_rawfuture sni_raw; \
        T sni_value;          \
    }

/* Sets it to *ptr, and lets all go on who wait. 0; SN_EEXIST if it is set already, or is just being set: then it stays as it
 * is. Never blocks. */
#define sn_future_set(f, ...) \
    sn_rawfuture_set(&(f)->sni_raw, SNI_FUTURE_AT(f), SNI_FUTURE_IN(f, (__VA_ARGS__)), sizeof((f)->sni_value))

/* Says that the value will never come: all who ask get `error`, which is negative. The result as above. */
#define sn_future_fail(f, error) sn_rawfuture_fail(&(f)->sni_raw, (error))

/* Blocks until it is set, and copies the value to *ptr. 0; the error it was failed with; ctx's error. SN_ENOMEM also in a
 * plain thread's first blocking call. *ptr is written only on success. */
#define sn_future_get(ctx, f, ...) \
    sn_rawfuture_get((ctx), &(f)->sni_raw, SNI_FUTURE_AT(f), SNI_FUTURE_OUT(f, (__VA_ARGS__)), sizeof((f)->sni_value))

/* Without blocking: SN_EAGAIN if it is not set. */
#define sn_future_try_get(f, ...) \
    sn_rawfuture_try_get(&(f)->sni_raw, SNI_FUTURE_AT(f), SNI_FUTURE_OUT(f, (__VA_ARGS__)), sizeof((f)->sni_value))

/* As a case of a select: chosen when it is set; err is 0, or what it was failed with. The value comes by sn_future_try_get. */
#define sn_on_future(f) sn_rawfuture_case(&(f)->sni_raw)

/* Whether it is set or failed. */
#define sn_future_is_set(f) sn_rawfuture_is_set(&(f)->sni_raw)

/* `at`: where behind the future its value lies. */
SN_API int sn_rawfuture_set(sn_rawfuture *future, size_t at, const void *value, size_t size);
SN_API int sn_rawfuture_fail(sn_rawfuture *future, int error);
SN_MUST SN_API int sn_rawfuture_get(sn_ctx *ctx, sn_rawfuture *future, size_t at, void *value, size_t size);
SN_MUST SN_API int sn_rawfuture_try_get(sn_rawfuture *future, size_t at, void *value, size_t size);
SN_API sn_case sn_rawfuture_case(sn_rawfuture *future);
SN_API bool sn_rawfuture_is_set(const sn_rawfuture *future);

SN_END

/* The type checks, as those of sennit/chan.h. None of these evaluates f. */
#define SNI_FUTURE_AT(f) __builtin_offsetof(__typeof__(*(f)), sni_value)
#ifdef __cplusplus
extern "C++" {
template <class T> inline const void *sni_future_in(const T *checked)
{
    return checked;
}
template <class T> inline void *sni_future_out(T *checked)
{
    return checked;
}
}
#define SNI_FUTURE_IN(f, ptr)  sni_future_in<__typeof__((f)->sni_value)>(ptr)
#define SNI_FUTURE_OUT(f, ptr) sni_future_out<__typeof__((f)->sni_value)>(ptr)
#else
#define SNI_FUTURE_IN(f, ptr) \
    _Generic(ptr, __typeof__((f)->sni_value) *: ptr, const __typeof__((f)->sni_value) *: ptr)
#define SNI_FUTURE_OUT(f, ptr) _Generic(ptr, __typeof__((f)->sni_value) *: ptr)
#endif

#endif
