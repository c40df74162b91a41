/* Signals as values on a channel. UNSTABLE: may change.
 *
 *     typedef sn_chan_of(int) int_chan;
 *     int_chan signals;
 *     r = sn_chan_make(&signals, 4);
 *     r = sn_signal_notify(signals, SIGINT);
 *     r = sn_chan_recv(ctx, signals, &signo);
 *
 * The runtime sends with try_send: give the channel room, for a full one loses the signal. Several signals may go to one
 * channel and one signal to several channels. These need a runtime: SN_ENOTRUNNING without one.
 */
#ifndef SENNIT_SIGNAL_H
#define SENNIT_SIGNAL_H

#include <sennit/chan.h>

SN_BEGIN

/* From now on the signal no longer has its default effect but is sent, as an int, to `ch`, a channel of int.
 * SN_EINVAL for a signal that cannot be caught or that means a fault (SEGV, BUS, FPE, ILL, ABRT, PROF); SN_ENOMEM. */
#define sn_signal_notify(ch, signo) sn_signal_notify_raw(SNI_SIGNAL_CHAN(ch), (signo))

/* No more signals to this channel. A signal that no channel wants any more gets back the handler it had before. Call it
 * before the channel is freed; what is left at the end of the runtime is undone by it. */
#define sn_signal_stop(ch) sn_signal_stop_raw(SNI_SIGNAL_CHAN(ch))

SN_MUST SN_API int sn_signal_notify_raw(sn_rawchan *ch, int signo);
SN_API void sn_signal_stop_raw(sn_rawchan *ch);

#ifdef __cplusplus
extern "C++" {
template <class H> inline sn_rawchan *sni_signal_chan_of(const H &ch)
{
    int *checked = ch.sni_elem;
    (void)checked;
    return ch.sni_raw;
}
}
#define SNI_SIGNAL_CHAN(ch) sni_signal_chan_of(ch)
#else
#define SNI_SIGNAL_CHAN(ch) (_Generic((ch).sni_elem, int *: (ch)).sni_raw)
#endif

SN_END

#endif
