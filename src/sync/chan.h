/* The inside of a channel, for chan.c and select.c.
 *
 * Invariants, all under the lock:
 *  (1) count <= cap; (2) receivers wait only if count is 0; (3) senders wait only if count is cap;
 *  (4) senders and receivers wait at once only if they are cases of one select; (5) closed: nobody waits.
 */
#ifndef SNI_SYNC_CHAN_H
#define SNI_SYNC_CHAN_H

#include "base/list.h"
#include "base/spin.h"
#include "sched/wait.h"
#include "sennit/chan.h"

/* One waiter in one queue: in the frame of a send or receive, or in a case of a select. */
struct sni_chan_node {
    struct sni_link link; /* (L) next NULL: in no queue */
    struct sni_wait *wait;
    uint64_t seq;
    void *ptr;            /* the value to take, or where to put it */
    uint32_t index;       /* result if chosen */
};

enum { SNI_CHOSEN_CLOSED = 1 << 20 }; /* added to the index in a claim's result: chosen because of a close */

/* (c) const after make  (L) lock */
struct sn_rawchan {
    uint32_t magic;           /* (c) */
    struct sni_spin lock;     /* L */
    size_t size;              /* (c) bytes of an element */
    size_t cap;               /* (c) */
    size_t count, head, tail; /* (L) values in the buffer; where to take; where to put */
    struct sni_link receivers, senders; /* (L) FIFO */
    uint64_t id;              /* (c) */
    bool closed;              /* (L) */
    char buf[];               /* (L) cap elements */
};

/* Under the lock: completes the operation if that can be done at once, with its result in *err, and returns true.
 * A peer that was woken by it is in *peer, to be readied after unlock. */
bool sni_chan_send_now(sn_rawchan *ch, const void *value, int *err, struct sni_wait **peer);
bool sni_chan_recv_now(sn_rawchan *ch, void *value, int *err, struct sni_wait **peer);

/* The try forms for who holds a lock of its own: no scheduling points. */
int sni_chan_try_send(sn_rawchan *ch, const void *value);
int sni_chan_try_recv(sn_rawchan *ch, void *value);

extern const struct sni_reason sni_chan_sending, sni_chan_receiving;

#endif
