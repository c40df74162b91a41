/* SipHash-1-3: values of CPython 3.11's implementation (PYTHONHASHSEED=0, which is the key 0, 0). */
#include "base/hash.h"
#include "sn_test.h"

TEST(known_values)
{
    static const uint64_t zero[2];
    unsigned char bytes[63];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    CHECK(sni_hash(zero, "a", 1) == 0x407448d2b89b1813);
    CHECK(sni_hash(zero, "abcdefg", 7) == 0x6db12aae9070f506);
    CHECK(sni_hash(zero, "abcdefgh", 8) == 0x3f7b849c0b8e35ea);
    CHECK(sni_hash(zero, "abcdefghi", 9) == 0xf89b34a3d11eb6e5);
    CHECK(sni_hash(zero, bytes, sizeof bytes) == 0x385d3e39e5f37359);
}

TEST(both_halves_of_the_key_matter)
{
    uint64_t seen[3];
    for (unsigned i = 0; i < 3; i++) {
        const uint64_t key[2] = { i == 1, i == 2 };
        seen[i] = sni_hash(key, NULL, 0);
    }
    CHECK(seen[0] != seen[1] && seen[0] != seen[2] && seen[1] != seen[2]);
}
