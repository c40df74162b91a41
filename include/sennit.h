/* Sennit: tasks, channels, select, contexts and groups for C. Include this one header.
 *
 * Every concept has a page of its own below; the page is the contract. Rules that hold everywhere:
 *
 *  - A function that can block takes `sn_ctx *ctx` first. NULL means the calling task's own context (in a plain
 *    thread: sn_background()). A cancelled or expired context refuses, even if the operation could succeed at once.
 *  - Every function works from a task and from a plain thread unless it says otherwise. None is signal-safe.
 *  - Errors are negative ints under SN_E... names (sennit/error.h); zero or positive is success. Out-parameters are
 *    written only on success. Nothing is said through errno, which a call may change.
 *  - Times and durations are int64_t nanoseconds (sennit/time.h).
 *  - Option structs are const pointers, last; NULL or a zero field means the default.
 */
#ifndef SENNIT_H
#define SENNIT_H

#include <sennit/barrier.h>
#include <sennit/chan.h>
#include <sennit/cond.h>
#include <sennit/counter.h>
#include <sennit/ctx.h>
#include <sennit/decl.h>
#include <sennit/dump.h>
#include <sennit/error.h>
#include <sennit/fd.h>
#include <sennit/flag.h>
#include <sennit/flight.h>
#include <sennit/future.h>
#include <sennit/group.h>
#include <sennit/latch.h>
#include <sennit/lockorder.h>
#include <sennit/mutex.h>
#include <sennit/once.h>
#include <sennit/process.h>
#include <sennit/ring.h>
#include <sennit/run.h>
#include <sennit/rwmutex.h>
#include <sennit/select.h>
#include <sennit/sem.h>
#include <sennit/seqlock.h>
#include <sennit/signal.h>
#include <sennit/sim.h>
#include <sennit/stack.h>
#include <sennit/swap.h>
#include <sennit/task.h>
#include <sennit/time.h>
#include <sennit/timer.h>
#include <sennit/waitable.h>
#include <sennit/waitgroup.h>

#endif
