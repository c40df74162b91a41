/* Flight: keyed once. For each key at most one job is under way; who asks for the same key meanwhile waits for that job and
 * shares what comes out of it. Go's singleflight, and with a time to live a cache that never loads a thing twice at a time.
 *
 *     int look_up(sn_ctx *ctx, void *arg, void *value);     // *arg is its own copy of job, below
 *
 *     sn_flight *users;
 *     sn_flight_opts opts = { .value_size = sizeof value, .ttl = SN_SEC(30) };
 *     if ((r = sn_flight_new(&users, &opts)) < 0)
 *         return r;
 *     r = sn_flight_do(ctx, users, "ada", 3, look_up, &job, sizeof job, &value);
 *     sn_flight_free(users);
 *
 * The job is a task of its own, not the first caller's: it does not end with that caller. Each caller waits under its own
 * context, and may leave at any time; when the last one has left, the job's context is cancelled, with the context of who
 * left as the reason (sn_ctx_because). Nobody joins a job that has been cancelled: who comes then starts a new one, even if
 * the old one is still on its way to its end.
 *
 * In its context the job finds the values of the caller who started it, but neither that one's end nor its deadline. So
 * these values must live as long as the job may, which can be longer than the call; else set sn_flight_opts.no_values.
 *
 * Values. What a job has written belongs to the flight, and callers get a copy, byte by byte. For what is more than its
 * bytes (a pointer to something counted, a string) there are two functions: `share` makes the copy of each caller, who owns
 * it from then on, and `drop` gives the flight's own back, once, as soon as it is neither kept nor wanted by a caller. The
 * value of a job that everybody has left is dropped, too.
 *
 * Failure. All who wait get the job's error, or that of its sn_fail with what it said; who comes next starts anew.
 *
 * Time to live. With `ttl` a result is kept for so long and handed out without a job. With `refresh` the first caller within
 * that last part of the ttl starts a job in the background, while everybody is given the kept value; it takes its place when
 * it succeeds. When it fails, the next one is tried after half of the time that is left. Nobody waits for such a job: its
 * context has no values and ends with the runtime. When the kept value has run out before it is through, callers wait for it
 * like for any other, and if they all leave it is cancelled.
 *
 * A job that asks for its own key would wait for itself. In the job's own task that panics. Elsewhere it is known by the
 * context: who asks under the job's context, or one that comes from it, gets SN_EBUSY instead of waiting for the job; also
 * through jobs of other keys and flights that were started under it (but for no_values). It cannot be known of a task that
 * the job waits for and that asks under another context, nor of two jobs, started by others, that ask for each other's keys:
 * these hang until somebody gives up.
 *
 * Works from tasks and plain threads. Jobs run in the runtime that is running: without one the answer is SN_ENOTRUNNING,
 * unless a result is kept. Nothing is allocated for a caller who waits.
 *
 * When not to use this: for one thing that is made once and stays; use sn_once. For jobs with effects that each caller wants
 * for itself; the callers of a flight get one job between them.
 */
#ifndef SENNIT_FLIGHT_H
#define SENNIT_FLIGHT_H

#include <sennit/ctx.h>

SN_BEGIN

typedef struct sn_flight sn_flight;

/* A job. Writes its result into *value, which is zero before (NULL if value_size is 0), and returns 0 or more; or an error,
 * and then owns itself what it has written. `arg` is valid until it ends. */
typedef int sn_flight_fn(sn_ctx *ctx, void *arg, void *value);

typedef struct sn_flight_opts {
    size_t value_size;  /* bytes of a job's value. 0: default none */
    int (*share)(void *to, const void *from); /* makes in *to a value of the caller's own of *from; called by the caller,
                         * perhaps by several at once. Its error becomes the caller's. NULL: default copies the bytes */
    void (*drop)(void *value); /* gives the flight's value back; called by whoever was last to let go of it. There must
                         * be both or neither. Both may block and call anything but sn_fail. NULL: default nothing to do */
    int64_t ttl;        /* ns for which a value is kept from when its job has ended. 0: default not at all */
    int64_t error_ttl;  /* ns for which a job's error is kept. 0: default not at all */
    int64_t refresh;    /* ns before the end of the ttl in which a call starts a job in the background; less than ttl.
                         * 0: default never */
    int max;            /* most results kept; the oldest is dropped for a new one. 0: default 1024 */
    bool no_values;     /* jobs find no values of their first caller's context. false: default they do */
} sn_flight_opts;

/* A flight without keys, in *out. SN_ENOMEM; SN_EINVAL for bad options. */
SN_MUST SN_API int sn_flight_new(sn_flight **out, const sn_flight_opts *opts);

/* Forgets what is kept, cancels jobs that nobody waits for, and gives the flight back. Never waits: cancelled jobs may go on
 * for a while, and the last of them returns the memory; before what they use goes call sn_flight_wait. Panics if a call is
 * under way. May be called as soon as all calls have returned. Accepts NULL. */
SN_API void sn_flight_free(sn_flight *flight);

/* How a caller has come to its value. */
enum {
    SN_FLIGHT_LED = 0,    /* a job was run for it */
    SN_FLIGHT_SHARED = 1, /* the job was under way already */
    SN_FLIGHT_KEPT = 2    /* it was kept */
};

/* Blocks until there is a result for the `key_size` bytes at `key`, which are copied: a kept one, that of the job under way,
 * or of the job fn(its context, arg, value), which it starts. With an arg_size other than 0 the job gets a copy of so many
 * bytes at `arg`; with 0 it gets `arg` as it is, which must then live until the job has ended, and that may be after the
 * call. fn and arg matter only in the call that starts the job.
 *
 * Returns SN_FLIGHT_LED, _SHARED or _KEPT, with the value in *value (NULL: not wanted); or the job's error; or ctx's error,
 * and the caller has left. Else SN_EBUSY, see above; SN_EINVAL for NULL with a size, or no fn; SN_ENOMEM, SN_ENOTRUNNING:
 * the job could not be started; these, too, go to all who wait for it. The why form sets *why in any case: to what the job's
 * sn_fail has said if that is the error returned, else to NULL. */
#define sn_flight_do(ctx, flight, key, key_size, fn, arg, arg_size, value) \
    sn_flight_do_at((ctx), (flight), (key), (key_size), (fn), (arg), (arg_size), (value), NULL, SN_SITE(#fn))
#define sn_flight_do_why(ctx, flight, key, key_size, fn, arg, arg_size, value, why) \
    sn_flight_do_at((ctx), (flight), (key), (key_size), (fn), (arg), (arg_size), (value), (why), SN_SITE(#fn))
SN_MUST SN_API int sn_flight_do_at(sn_ctx *ctx, sn_flight *flight, const void *key, size_t key_size, sn_flight_fn *fn,
                                   const void *arg, size_t arg_size, void *value, const char **why, const char *site);

/* Who comes later starts anew: drops what is kept for the key, and puts the job under way aside, which runs on for those who
 * wait for it; its result is not kept. A job in the background is cancelled. 1 if there was anything to forget, else 0;
 * SN_EINVAL for NULL with a size. Waits neither for jobs nor for callers. */
SN_API int sn_flight_forget(sn_flight *flight, const void *key, size_t key_size);

/* The same for all keys. Returns for how many there was something to forget. */
SN_API int sn_flight_forget_all(sn_flight *flight);

/* Blocks until none of the flight's jobs runs, cancelled and forgotten ones among them, and what nobody wants of them has
 * been dropped. It does not cancel them, and a job that calls it waits for itself. 0, or ctx's error. SN_ENOMEM only in a
 * plain thread's first blocking call. */
SN_MUST SN_API int sn_flight_wait(sn_ctx *ctx, sn_flight *flight);

/* What has happened so far, and how things stand. */
typedef struct sn_flight_counts {
    uint64_t jobs;      /* started, with those in the background */
    uint64_t refreshes; /* of these, in the background */
    uint64_t shared;    /* calls that waited for a job which others had started */
    uint64_t hits;      /* calls that were answered with what was kept */
    uint64_t cancelled; /* jobs that were cancelled since nobody waited for them */
    uint32_t running;   /* jobs that run now, cancelled ones among them */
    uint32_t kept;      /* results that are kept now, also those that have run out but were not asked for since */
} sn_flight_counts;

/* Fills *out in; all of one moment. */
SN_API void sn_flight_count(sn_flight *flight, sn_flight_counts *out);

SN_END

#endif
