/* The hash: each bit of the input moves every bit of the output, and tables fill evenly, whatever the keys look like. */
#include "sn_test.h"
#include "base/hash.h"

static struct sni_hash_key key_of(uint64_t seed)
{
    struct sni_hash_key key;
    uint64_t rng = seed * 0x9E3779B97F4A7C15u | 1;

    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 8; j++)
            (void)test_random(&rng);
        key.word[i] = test_random(&rng) | 1;
    }
    return key;
}

/* --- avalanche: one bit of the input changes, so does each bit of the output, half of the time --- */

enum { SAMPLES = 2000 };

static void check_avalanche(size_t size)
{
    uint64_t rng = test_seed() | 1;
    unsigned char data[48];

    for (size_t bit = 0; bit < size * 8; bit++) {
        int changed[64] = { 0 };
        for (int n = 0; n < SAMPLES; n++) {
            struct sni_hash_key key = key_of(test_random(&rng));
            for (size_t i = 0; i < size; i++)
                data[i] = (unsigned char)(test_random(&rng) >> 32);
            uint64_t before = sni_hash(&key, data, size);
            data[bit / 8] ^= (unsigned char)(1 << bit % 8);
            uint64_t after = sni_hash(&key, data, size);
            for (int b = 0; b < 64; b++)
                changed[b] += (before ^ after) >> b & 1;
        }
        for (int b = 0; b < 64; b++) /* seven standard deviations */
            CHECK(changed[b] > SAMPLES / 2 - 157 && changed[b] < SAMPLES / 2 + 157);
    }
}

TEST(each_bit_moves_all)
{
    for (size_t size = 1; size <= 40; size += size < 18 ? 1 : 11)
        check_avalanche(size);
}

/* --- evenness: the squares of what is in each of the chains sum up to what chance would give --- */

enum { CHAINS = 1024, KEYS = 16 * CHAINS };

static void check_even(const uint64_t *hashes, int shift)
{
    static int in[CHAINS];
    double sum = 0;

    memset(in, 0, sizeof in);
    for (int i = 0; i < KEYS; i++)
        in[hashes[i] >> shift & (CHAINS - 1)]++;
    for (int i = 0; i < CHAINS; i++)
        sum += ((double)in[i] - 16) * ((double)in[i] - 16) / 16;
    CHECK(sum > CHAINS - 360 && sum < CHAINS + 360); /* chi square, with a deviation of 45 */
}

static void check_spread(void (*fill)(char *out, size_t *size, int i))
{
    static uint64_t hashes[KEYS];

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sni_hash_key key = key_of(test_seed() + seed);
        for (int i = 0; i < KEYS; i++) {
            char data[64];
            size_t size;
            fill(data, &size, i);
            hashes[i] = sni_hash(&key, data, size);
        }
        check_even(hashes, 0);
        check_even(hashes, 32);
        check_even(hashes, 54);
    }
}

static void small_number(char *out, size_t *size, int i)
{
    int64_t n = i;
    memcpy(out, &n, *size = sizeof n);
}

static void high_bits(char *out, size_t *size, int i)
{
    uint64_t n = (uint64_t)i << 50;
    memcpy(out, &n, *size = sizeof n);
}

static void address(char *out, size_t *size, int i)
{
    uint64_t n = 0x7f0000000000u + (uint64_t)i * 4096;
    memcpy(out, &n, *size = sizeof n);
}

static void small_int(char *out, size_t *size, int i)
{
    memcpy(out, &i, *size = sizeof i);
}

static void pair(char *out, size_t *size, int i)
{
    uint64_t n[2] = { (uint64_t)(i / 128), (uint64_t)(i % 128) };
    memcpy(out, n, *size = sizeof n);
}

static void text(char *out, size_t *size, int i)
{
    *size = (size_t)snprintf(out, 64, "https://example.org/users/%d/picture", i) + 1;
}

static void zeros(char *out, size_t *size, int i)
{
    memset(out, 0, 64);
    *size = 24;
    memcpy(out + i % 20, &(int){ i }, sizeof i);
    out[23] = (char)(i % 20);
}

TEST(tables_fill_evenly)
{
    check_spread(small_number);
    check_spread(high_bits);
    check_spread(address);
    check_spread(small_int);
    check_spread(pair);
    check_spread(text);
    check_spread(zeros);
}

/* Keys that meet in one map do not meet in another. */
TEST(another_key_another_order)
{
    struct sni_hash_key a = key_of(test_seed() + 1), b = key_of(test_seed() + 2);
    int met = 0, met_again = 0;

    for (uint64_t i = 0; i < 1000000; i++) {
        if ((sni_hash(&a, &i, sizeof i) & 4095) != 0)
            continue;
        met++;
        met_again += (sni_hash(&b, &i, sizeof i) & 4095) == 0;
    }
    CHECK(met > 100 && met_again < 10);
}

/* Lengths count: what differs in zeros at the end alone differs. */
TEST(lengths_count)
{
    struct sni_hash_key key = key_of(test_seed());
    unsigned char zero[65] = { 0 };
    uint64_t seen[65];

    for (size_t size = 0; size <= 64; size++) {
        seen[size] = sni_hash(&key, zero, size);
        for (size_t i = 0; i < size; i++)
            CHECK(seen[i] != seen[size]);
    }
}
