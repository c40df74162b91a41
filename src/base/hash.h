/* SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012; one round per word and three at the end, as
 * hash tables of other languages use it): who does not know the key cannot choose inputs that fall together. */
#ifndef SNI_BASE_HASH_H
#define SNI_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t sni_hash_turn(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static inline void sni_hash_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = sni_hash_turn(v[1], 13) ^ v[0];
    v[3] = sni_hash_turn(v[3], 16) ^ v[2];
    v[0] = sni_hash_turn(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = sni_hash_turn(v[1], 17) ^ v[2];
    v[3] = sni_hash_turn(v[3], 21) ^ v[0];
    v[2] = sni_hash_turn(v[2], 32);
}

/* Words are read as the machine has them: the numbers are for tables in memory only. */
static inline uint64_t sni_hash(const uint64_t key[2], const void *data, size_t size)
{
    uint64_t v[4] = { key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du, key[0] ^ 0x6c7967656e657261u,
                      key[1] ^ 0x7465646279746573u };
    const unsigned char *at = data;
    uint64_t word, last = (uint64_t)size << 56;
    size_t left = size;

    for (; left >= 8; left -= 8, at += 8) {
        memcpy(&word, at, 8);
        v[3] ^= word;
        sni_hash_round(v);
        v[0] ^= word;
    }
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)at[i] << 8 * i;
    v[3] ^= last;
    sni_hash_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sni_hash_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
