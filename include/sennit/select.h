/* Select: wait for the first of several things to happen.
 *
 *     enum { JOB, STOP };
 *     sn_case cases[] = { [JOB] = sn_on_recv(jobs, &job), [STOP] = sn_on_unit_recv(stop) };
 *     int i = sn_select(ctx, cases, 2);
 *     if (i < 0)
 *         return i;                       // the context has ended
 *     if (cases[i].err == SN_ECLOSED)
 *         return 0;
 *
 * Exactly one case happens, or none. The answer is its index; cases[index].err tells how it went: 0, or SN_ECLOSED for a
 * closed channel, which counts as ready, or what else the object of the case has to say. The array is the caller's and may
 * be used again for the next select, with the same or changed cases; times given by sn_on_after start anew each time. One
 * object may stand in several cases. The objects of the cases that were not chosen are in use until the select has returned.
 *
 * The context is a parameter and needs no case; sn_on_ctx is for others. Selecting over no case, or over empty handles
 * only, waits for the context.
 *
 * What can be a case, and where it is declared:
 *
 *     sn_on_recv, sn_on_send, sn_on_unit_recv, sn_on_unit_send    a channel                            here
 *     sn_on_ctx, sn_on_time, sn_on_after                          a context's end, a moment            here
 *     sn_on_task, sn_on_group                                     the end of a task, of a group's      task.h, group.h
 *     sn_on_readable, sn_on_writable, sn_on_process               a descriptor, the end of a process   fd.h, process.h
 *     sn_on_sem, sn_on_waitgroup, sn_on_latch, sn_on_barrier,     what they wait for                   sem.h, ...
 *     sn_on_future
 *     sn_on_waitable                                              an object of your own                waitable.h
 */
#ifndef SENNIT_SELECT_H
#define SENNIT_SELECT_H

#include <sennit/chan.h>

SN_BEGIN

typedef struct sn_waitable_ops sn_waitable_ops;
struct sn_waitable;

/* One case. Made by the sn_on_ macros; `err` is yours to read, the rest is private. */
typedef struct sn_case {
    int err;
    uint32_t sni_kind;
    void *sni_object;
    union {
        void *sni_out;
        const void *sni_in;
        int64_t sni_time;
        const sn_waitable_ops *sni_ops;
        uint64_t sni_id;
        int sni_fd;
    };
    void *sni_arg;
    uint64_t sni_[9];
} sn_case;

/* Chosen when the receive or send can complete, or when the channel is closed. An empty handle is never ready. */
#define sn_on_recv(ch, ...) sni_case_recv((ch).sni_raw, SNI_CHAN_OUT(ch, (__VA_ARGS__)))
#define sn_on_send(ch, ...) sni_case_send((ch).sni_raw, SNI_CHAN_IN(ch, (__VA_ARGS__)))
#define sn_on_unit_recv(ch) sni_case_recv(SNI_CHAN_UNIT(ch), NULL)
#define sn_on_unit_send(ch) sni_case_send(SNI_CHAN_UNIT(ch), NULL)

/* Chosen when `ctx` has ended; err is the context's error. NULL and the background are never ready. */
#define sn_on_ctx(ctx) sni_case_ctx(ctx)

/* Chosen at the moment `deadline` of sn_now, or `ns` nanoseconds after the select began; err is 0. */
#define sn_on_time(deadline) sni_case_time(deadline)
#define sn_on_after(ns)      sni_case_after(ns)

/* Chosen when an object of your own is ready for a waiter with `arg` (sennit/waitable.h); err is what its `take` returned. */
#define sn_on_waitable(waitable, ops, arg) sni_case_waitable((waitable), (ops), (arg))

/* Blocks until one of the n cases happens and returns its index; if several can, each is chosen with the same chance.
 * Or the context's error: then no case has happened. SN_EINVAL for more than 65535 cases; SN_ENOMEM if a time, a
 * descriptor or a plain thread needs memory that is not there; SN_ENOTRUNNING for waiting with a time or a descriptor without a
 * runtime. */
SN_API int sn_select(sn_ctx *ctx, sn_case *cases, size_t n);

/* The same, but of the cases that are ready at one moment the first in the array is taken: what happened before a case
 * became ready is seen too. (Of a descriptor, and of a task's end, who waits already is told a moment later than it comes,
 * and by then of something else perhaps.) */
SN_API int sn_select_priority(sn_ctx *ctx, sn_case *cases, size_t n);

/* Without blocking: SN_EAGAIN if at some moment of the call no case could happen (descriptors are looked at one after the
 * other). Fair, like sn_select. */
SN_API int sn_select_try(sn_case *cases, size_t n);

enum { SNI_CASE_NONE, SNI_CASE_RECV, SNI_CASE_SEND, SNI_CASE_CTX, SNI_CASE_WAITABLE, SNI_CASE_GROUP, SNI_CASE_TIME, SNI_CASE_AFTER,
       SNI_CASE_TASK, SNI_CASE_READABLE, SNI_CASE_WRITABLE };

static inline sn_case sni_case_make(uint32_t kind, void *object)
{
    sn_case c;
    c.err = 0;
    c.sni_kind = object || kind >= SNI_CASE_TIME ? kind : (uint32_t)SNI_CASE_NONE;
    c.sni_object = object;
    c.sni_time = 0;
    c.sni_arg = NULL;
    return c;
}

static inline sn_case sni_case_recv(sn_rawchan *ch, void *value)
{
    sn_case c = sni_case_make(SNI_CASE_RECV, ch);
    c.sni_out = value;
    return c;
}

static inline sn_case sni_case_send(sn_rawchan *ch, const void *value)
{
    sn_case c = sni_case_make(SNI_CASE_SEND, ch);
    c.sni_in = value;
    return c;
}

static inline sn_case sni_case_ctx(sn_ctx *ctx)
{
    return sni_case_make(SNI_CASE_CTX, ctx);
}

static inline sn_case sni_case_waitable(struct sn_waitable *waitable, const sn_waitable_ops *ops, void *arg)
{
    sn_case c = sni_case_make(SNI_CASE_WAITABLE, waitable);
    c.sni_ops = ops;
    c.sni_arg = arg;
    return c;
}

static inline sn_case sni_case_time(int64_t deadline)
{
    sn_case c = sni_case_make(SNI_CASE_TIME, NULL);
    c.sni_time = deadline;
    return c;
}

static inline sn_case sni_case_after(int64_t ns)
{
    sn_case c = sni_case_make(SNI_CASE_AFTER, NULL);
    c.sni_time = ns;
    return c;
}

static inline sn_case sni_case_task(uint64_t id)
{
    sn_case c = sni_case_make(SNI_CASE_TASK, NULL);
    c.sni_id = id;
    return c;
}

static inline sn_case sni_case_group(void *group)
{
    return sni_case_make(SNI_CASE_GROUP, group);
}

static inline sn_case sni_case_fd(uint32_t kind, int fd)
{
    sn_case c = sni_case_make(kind, NULL);
    c.sni_fd = fd;
    return c;
}

SN_END

#endif
