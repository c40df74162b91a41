/* A hash of bytes under a key of random words.
 *
 * Each step multiplies two 64-bit words, of which one holds input and both hold secret words, and folds the 128-bit
 * product by exclusive or: the step of Wang Yi's wyhash (2019), which Go's memhash uses where there is no AES
 * instruction. The secret words are each table's own, so that a set of keys that collide in one means nothing in another. */
#ifndef SNI_BASE_HASH_H
#define SNI_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sni_hash_key {
    uint64_t word[4];
};

/* With words from `random`; none is zero, which would swallow what it is multiplied by. */
static inline void sni_hash_key_fill(struct sni_hash_key *key, uint64_t (*random)(void))
{
    for (int i = 0; i < 4; i++)
        key->word[i] = random() | 1;
}

static inline uint64_t sni_hash_fold(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t sni_hash_load8(const unsigned char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof word);
    return word;
}

static inline uint64_t sni_hash_load4(const unsigned char *p)
{
    uint32_t word;

    memcpy(&word, p, sizeof word);
    return word;
}

static inline uint64_t sni_hash(const struct sni_hash_key *key, const void *data, size_t size)
{
    const unsigned char *p = data;
    uint64_t h = key->word[0], a = 0, b = 0;
    size_t n = size;

    for (; n > 16; n -= 16, p += 16)
        h = sni_hash_fold(sni_hash_load8(p) ^ key->word[1], sni_hash_load8(p + 8) ^ h);
    if (n >= 8) {
        a = sni_hash_load8(p);
        b = n > 8 ? sni_hash_load8(p + n - 8) : 0;
    } else if (n >= 4) {
        a = sni_hash_load4(p) | sni_hash_load4(p + n - 4) << 32;
    } else if (n > 0) {
        a = p[0] | (uint64_t)p[n / 2] << 8 | (uint64_t)p[n - 1] << 16;
    }
    return sni_hash_fold(sni_hash_fold(a ^ key->word[2], b ^ h) ^ size, key->word[3]);
}

#endif
