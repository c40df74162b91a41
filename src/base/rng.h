/* splitmix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014): 64 bits of state, passes
 * BigCrush, any seed will do. */
#ifndef SNI_BASE_RNG_H
#define SNI_BASE_RNG_H

#include <stdint.h>

static inline uint64_t sni_rng_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A number below n (n > 0), by Lemire's multiplication; the bias is below n / 2^32. */
static inline uint32_t sni_rng_below(uint64_t *state, uint32_t n)
{
    return (uint32_t)(((sni_rng_next(state) >> 32) * n) >> 32);
}

#endif
