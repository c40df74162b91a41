/* Channel: a typed queue between tasks (and threads), with or without a buffer.
 *
 *     typedef sn_chan_of(int) int_chan;
 *     int_chan c;
 *     r = sn_chan_make(&c, 8);
 *     r = sn_chan_send(ctx, c, &(int){ 42 });
 *     r = sn_chan_recv(ctx, c, &value);
 *
 * Values are copied in and out. They arrive in the order in which they were sent, and who waits longest is served
 * first. Without a buffer (capacity 0) a send completes when a receiver takes the value. What a sender did before a
 * send is visible to whoever received the value; with capacity n, the k-th receive happens before the send of value
 * k + n completes.
 *
 * Closing says that no more values will come. Values still in the buffer are received first, then every receive answers
 * SN_ECLOSED; a send on a closed channel answers SN_ECLOSED at once. Senders that wait are woken with SN_ECLOSED; their
 * values were not sent. An empty handle, { 0 }, is never ready in a select and gives SN_EINVAL elsewhere.
 *
 * Each macro below is one call to the untyped sn_rawchan_ function of the same name. A pointer to the wrong element
 * type does not compile. Nothing is allocated after sn_chan_make.
 *
 * When not to use this: to protect a counter or a struct; a mutex is simpler and faster.
 */
#ifndef SENNIT_CHAN_H
#define SENNIT_CHAN_H

#include <sennit/decl.h>

SN_BEGIN

typedef struct sn_rawchan sn_rawchan;

/* The type of a handle to a channel of T. Give it a name by typedef; copy it freely. */
#define sn_chan_of(T)        \
    union {                  \
        sn_rawchan *sni_raw; \
        T *sni_elem;         \
    }

/* A channel without elements: only the events count. It has functions of its own, named sn_chan_unit_. */
typedef struct sn_chan_unit {
    sn_rawchan *sni_raw;
} sn_chan_unit;

/* Makes an open channel for `cap` values in *out. SN_ENOMEM; SN_EINVAL if the size overflows. */
#define sn_chan_make(out, cap) sn_rawchan_make(&(out)->sni_raw, sizeof *(out)->sni_elem, (cap))
#define sn_chan_unit_make(out, cap) sn_rawchan_make(&(out)->sni_raw, 0, (cap))

/* Frees the channel; an empty handle is accepted. Nobody may be waiting on it (that panics) or use it again. It may be
 * done as soon as the effect of the last operation is seen, for instance right after the last value was received. */
#define sn_chan_free(ch) sn_rawchan_free((ch).sni_raw)

/* Sends *ptr: blocks until a receiver or the buffer has it.
 * 0; SN_ECLOSED; the context's error, then the value was not sent; SN_EINVAL for an empty handle. */
#define sn_chan_send(ctx, ch, ...) sn_rawchan_send((ctx), (ch).sni_raw, SNI_CHAN_IN(ch, (__VA_ARGS__)))
#define sn_chan_unit_send(ctx, ch) sn_rawchan_send((ctx), SNI_CHAN_UNIT(ch), NULL)

/* Receives into *ptr: blocks until there is a value.
 * 0; SN_ECLOSED when closed and drained; the context's error; SN_EINVAL. *ptr is written only on success. */
#define sn_chan_recv(ctx, ch, ...) sn_rawchan_recv((ctx), (ch).sni_raw, SNI_CHAN_OUT(ch, (__VA_ARGS__)))
#define sn_chan_unit_recv(ctx, ch) sn_rawchan_recv((ctx), SNI_CHAN_UNIT(ch), NULL)

/* The same without blocking: SN_EAGAIN where the other would wait. */
#define sn_chan_try_send(ch, ...) sn_rawchan_try_send((ch).sni_raw, SNI_CHAN_IN(ch, (__VA_ARGS__)))
#define sn_chan_try_recv(ch, ...) sn_rawchan_try_recv((ch).sni_raw, SNI_CHAN_OUT(ch, (__VA_ARGS__)))
#define sn_chan_unit_try_send(ch) sn_rawchan_try_send(SNI_CHAN_UNIT(ch), NULL)
#define sn_chan_unit_try_recv(ch) sn_rawchan_try_recv(SNI_CHAN_UNIT(ch), NULL)

/* No more values: wakes everybody who waits. Idempotent; does nothing on an empty handle. */
#define sn_chan_close(ch) sn_rawchan_close((ch).sni_raw)

/* How many values are in the buffer, and how many fit. Out of date as soon as you have them. 0 for an empty handle. */
#define sn_chan_len(ch) sn_rawchan_len((ch).sni_raw)
#define sn_chan_cap(ch) sn_rawchan_cap((ch).sni_raw)

SN_MUST SN_API int sn_rawchan_make(sn_rawchan **out, size_t elem_size, size_t cap);
SN_API void sn_rawchan_free(sn_rawchan *ch);
SN_API int sn_rawchan_send(sn_ctx *ctx, sn_rawchan *ch, const void *value);
SN_API int sn_rawchan_recv(sn_ctx *ctx, sn_rawchan *ch, void *value);
SN_API int sn_rawchan_try_send(sn_rawchan *ch, const void *value);
SN_API int sn_rawchan_try_recv(sn_rawchan *ch, void *value);
SN_API void sn_rawchan_close(sn_rawchan *ch);
SN_API size_t sn_rawchan_len(sn_rawchan *ch);
SN_API size_t sn_rawchan_cap(sn_rawchan *ch);

SN_END

/* The type checks: the pointer must be to the handle's element type, or the macro does not compile. */
#ifdef __cplusplus
extern "C++" {
template <class H, class P> inline const void *sni_chan_in(const H &, P *ptr)
{
    using elem = decltype(H::sni_elem);
    const elem checked = const_cast<elem>(static_cast<const P *>(ptr));
    return checked;
}
template <class H, class P> inline void *sni_chan_out(const H &, P *ptr)
{
    decltype(H::sni_elem) checked = ptr;
    return checked;
}
}
#define SNI_CHAN_IN(ch, ptr)  sni_chan_in((ch), ptr)
#define SNI_CHAN_OUT(ch, ptr) sni_chan_out((ch), ptr)
#define SNI_CHAN_UNIT(ch)     (static_cast<const sn_chan_unit &>(ch).sni_raw)
#else
#define SNI_CHAN_IN(ch, ptr) \
    _Generic(ptr, __typeof__(*(ch).sni_elem) *: ptr, const __typeof__(*(ch).sni_elem) *: ptr)
#define SNI_CHAN_OUT(ch, ptr) _Generic(ptr, __typeof__(*(ch).sni_elem) *: ptr)
#define SNI_CHAN_UNIT(ch)     (_Generic((ch), sn_chan_unit: (ch)).sni_raw)
#endif

#endif
