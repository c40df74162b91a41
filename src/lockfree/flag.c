/* Flag: one word, 0 or 1.
 *
 * Orders: every change is an exchange, acquire and release, though a store would do for set and clear if only the last
 * setter counted. A store begins anew: who acquires it sees what its thread has done, and nothing of those who had set the
 * flag before. A read-modify-write goes on with what it has read (C11 5.1.2.4, release sequences): so whoever acquires the
 * flag acquires all its changes up to the one it sees. */
#include "sennit/flag.h"

#include "sched/park.h"

static uint64_t *word_of(const sn_flag *flag)
{
    return (uint64_t *)(uintptr_t)&flag->sni_[0];
}

static bool change(sn_flag *flag, uint64_t to)
{
    return sni_xchg_acqrel(word_of(flag), to) != 0; /* pairs with itself, and with the acquire in sn_flag_test */
}

void sn_flag_set(sn_flag *flag)
{
    sni_point("sets %flag", flag);
    (void)change(flag, 1);
}

void sn_flag_clear(sn_flag *flag)
{
    sni_point("clears %flag", flag);
    (void)change(flag, 0);
}

bool sn_flag_test(const sn_flag *flag)
{
    sni_point("tests %flag", flag);
    return sni_load_acq(word_of(flag)) != 0; /* pairs with the release in change */
}

bool sn_flag_test_and_set(sn_flag *flag)
{
    sni_point("tests and sets %flag", flag);
    return change(flag, 1);
}

bool sn_flag_test_and_clear(sn_flag *flag)
{
    sni_point("tests and clears %flag", flag);
    return change(flag, 0);
}
