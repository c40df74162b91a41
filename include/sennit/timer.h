/* Timer: at a moment, after a time, or again and again; it sends on a channel or calls a function.
 *
 *     sn_timer *tick;
 *     int64_t when;
 *     if ((r = sn_timer_new(&tick)) < 0)
 *         return r;
 *     r = sn_timer_every(tick, SN_MS(100));
 *     r = sn_chan_recv(ctx, sn_timer_chan(tick), &when);
 *     sn_timer_free(tick);
 *
 * A timer that sends has a channel with room for one value, the moment for which it was set. A periodic one whose last value
 * was not received yet leaves this one out; its moments do not shift, however late it is received. A timer that calls
 * starts its function as a task of its own each time, under the runtime's root context; a periodic one leaves out what comes
 * while the last call still runs.
 *
 * Setting, setting anew and cancelling may be done by any task or thread at any time. Once such a call has returned,
 * nothing of an earlier setting comes any more: no value is in the channel, no call begins.
 *
 * Setting a timer needs a runtime; at its end all timers are cancelled.
 *
 * When not to use this: to wait no longer than some time for something; give the call a context with a deadline, or the
 * select a case (sn_on_after).
 */
#ifndef SENNIT_TIMER_H
#define SENNIT_TIMER_H

#include <sennit/chan.h>

SN_BEGIN

typedef struct sn_timer sn_timer;
typedef sn_chan_of(int64_t) sn_time_chan;

/* A timer that is not set: one that sends, or one that calls fn(ctx, arg). SN_ENOMEM. */
SN_MUST SN_API int sn_timer_new(sn_timer **out);
#define sn_timer_new_call(out, fn, arg) sn_timer_new_call_at((out), (fn), (arg), SN_SITE(#fn))
SN_MUST SN_API int sn_timer_new_call_at(sn_timer **out, sn_fn *fn, void *arg, const char *site);

/* The channel on which it sends; an empty handle for one that calls. It is the timer's: do not close or free it. */
SN_API sn_time_chan sn_timer_chan(sn_timer *timer);

/* Sets it, or sets it anew: to the moment `deadline` of sn_now (at once, if that is past), `ns` from now, or every `ns`
 * from now on. 1 if a value or call of an earlier setting was still to come, or a value was not received; else 0.
 * SN_ENOTRUNNING without a runtime; SN_ENOMEM; SN_EINVAL for a period below one microsecond: then it is set as before. */
SN_API int sn_timer_at(sn_timer *timer, int64_t deadline);
SN_API int sn_timer_after(sn_timer *timer, int64_t ns);
SN_API int sn_timer_every(sn_timer *timer, int64_t ns);

/* Unsets it. True as the 1 above. Never waits: a call that has begun may still run. */
SN_API bool sn_timer_cancel(sn_timer *timer);

/* The same, and blocks until no call runs any more, so that what it uses may go. 1 or 0 as above; or ctx's error, with the
 * timer unset all the same. Panics in its own call, which would wait for itself. */
SN_API int sn_timer_stop(sn_ctx *ctx, sn_timer *timer);

/* Cancels it and gives it back. A call that has begun goes on. Nobody may be waiting on its channel. Accepts NULL. */
SN_API void sn_timer_free(sn_timer *timer);

SN_END

#endif
