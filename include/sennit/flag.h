/* Flag: yes or no, for all to see.
 *
 *     static sn_flag stale;                  // zero: not set
 *     sn_flag_set(&stale);                   // "what I have written makes the index out of date"
 *     if (sn_flag_test_and_clear(&stale))
 *         r = work(ctx, &stale);             // sees what all who have set it had written
 *
 * Whoever finds it set sees what was done before it was set: by the one who set it last, and by all who had set it since it
 * was last clear, or before that. Whoever finds it clear again sees in the same way what was done before it was cleared. Of
 * several that test and set at the same time exactly one finds it clear.
 *
 * Every call is wait-free: a load, or one atomic exchange. Eight bytes, nothing to initialise or destroy. Works from tasks
 * and plain threads, with or without a runtime.
 *
 * When not to use this: to wait until it is set; use a wait group, a context or a channel. As a lock; a mutex holds up no
 * worker, knows its holder and is fair.
 */
#ifndef SENNIT_FLAG_H
#define SENNIT_FLAG_H

#include <sennit/decl.h>

SN_BEGIN

typedef struct sn_flag {
    uint64_t sni_[1];
} sn_flag;

/* Sets it, or clears it, whatever it was. Never block. */
SN_API void sn_flag_set(sn_flag *flag);
SN_API void sn_flag_clear(sn_flag *flag);

/* Whether it is set. Out of date as soon as you have it. */
SN_API bool sn_flag_test(const sn_flag *flag);

/* Sets it, or clears it; returns whether it was set before. Never block. */
SN_API bool sn_flag_test_and_set(sn_flag *flag);
SN_API bool sn_flag_test_and_clear(sn_flag *flag);

SN_END

#endif
