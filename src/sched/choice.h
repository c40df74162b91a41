/* The seam at which time and chance enter. An ordinary runtime has none of these; a simulation puts one into its runtime
 * and then decides the clock, the random numbers and every fair choice. */
#ifndef SNI_SCHED_CHOICE_H
#define SNI_SCHED_CHOICE_H

#include <stdint.h>

/* A fair choice among 0 .. n-1 (n > 0). */
uint32_t sni_choose(uint32_t n);

#endif
