/* Waitable: what makes an object of your own something to wait for, alone or as a case of a select.
 *
 *     struct gate {
 *         sn_waitable waitable;              // first, or anywhere; zero is ready
 *         bool open;
 *     };
 *
 *     static bool is_open(const sn_waitable *waitable, void *arg)
 *     {
 *         (void)arg;
 *         return ((const struct gate *)waitable)->open;
 *     }
 *
 *     static const sn_waitable_ops passing = { .name = "a gate", .ready = is_open };
 *
 *     int pass(sn_ctx *ctx, struct gate *gate)
 *     {
 *         return sn_waitable_wait(ctx, &gate->waitable, &passing, NULL);
 *     }
 *
 *     void open_gate(struct gate *gate)
 *     {
 *         sn_waitable_lock(&gate->waitable);
 *         gate->open = true;
 *         sn_waitable_unlock(&gate->waitable); // whoever waits and is ready now goes on
 *     }
 *
 * As a case of a select it is sn_on_waitable(&gate->waitable, &passing, NULL).
 *
 * The lock protects whatever `ready` looks at. It is a spin lock: between lock and unlock there is time for some assignments,
 * not for a call that can block, nor for another waitable's lock. Semaphores, wait groups, onces, latches, barriers and
 * futures join select by the same table.
 *
 * Works from tasks and plain threads, with or without a runtime; nothing to destroy. The object may be freed as soon as
 * nobody waits, also by a waiter that has just been let go, before sn_waitable_unlock has returned.
 *
 * When not to use this: if a channel, a semaphore or a future will do.
 */
#ifndef SENNIT_WAITABLE_H
#define SENNIT_WAITABLE_H

#include <sennit/select.h>

SN_BEGIN

typedef struct sn_waitable {
    uint64_t sni_[3];
} sn_waitable;

/* How to wait for one thing that an object can be waited for. Static: it must live as long as the program. `arg` is what
 * the waiter gave. Both functions are called under the object's lock, by any task or thread, and must not call Sennit. */
struct sn_waitable_ops {
    const char *name; /* "a gate": reports say "waiting for a gate" */

    /* Whether a waiter can go on now. Changes nothing. */
    bool (*ready)(const sn_waitable *waitable, void *arg);

    /* A waiter goes on, for whom `ready` was true a moment ago: takes what it gets. The result, 0 or an error, is the wait's,
     * or the case's err. NULL: default nothing to take, and 0 */
    int (*take)(sn_waitable *waitable, void *arg);

    /* First come, first served: who is not ready holds up all who came later, and nobody overtakes.
     * false: default each is asked, in the order in which they came */
    bool in_order;

    /* Whether a waiter can never go on, as the object is now: `take` is asked for its result although it is not ready, and although
     * it is not its turn. Looked at when it comes. Changes nothing. NULL: default none is */
    bool (*hopeless)(const sn_waitable *waitable, void *arg);
};

/* Exclude all others from the object, for a moment. Unlocking lets those go on who wait and are ready now. */
SN_API void sn_waitable_lock(sn_waitable *waitable);
SN_API void sn_waitable_unlock(sn_waitable *waitable);

/* Blocks until ready, and takes. What `take` has returned; or ctx's error, then nothing was taken. SN_ENOMEM only in a plain
 * thread's first blocking call. */
SN_MUST SN_API int sn_waitable_wait(sn_ctx *ctx, sn_waitable *waitable, const sn_waitable_ops *ops, void *arg);

/* Without blocking: SN_EAGAIN if it is not ready. */
SN_MUST SN_API int sn_waitable_try(sn_waitable *waitable, const sn_waitable_ops *ops, void *arg);

SN_END

#endif
