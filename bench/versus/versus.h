/* What the programs of bench/versus written in C share: the clock, a histogram of waits, the warm-up, one line of JSON.
 * main.go does the same in Go; whoever changes one changes the other. */
#ifndef BENCH_VERSUS_H
#define BENCH_VERSUS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_TASKS = 65, SUB_BITS = 4, BUCKETS = 61 << SUB_BITS };

#define WARM_NS    25000000  /* a warm-up is long enough to tell from it how many rounds a measurement needs */
#define MEASURE_NS 100000000 /* what a measurement aims at */

/* How long calls took: counts in buckets of a sixteenth of a power of two, and the longest. */
struct waits {
    uint64_t counts[BUCKETS];
    int64_t longest;
};

/* One pass of a workload: n rounds by each of its tasks. */
struct pass {
    long n;
    int tasks;
    struct waits *waits; /* one for each task; NULL: the clock is not read in between */
};

struct workload {
    const char *name;
    int64_t (*fn)(const struct pass *pass); /* returns the ns that it took, and exits if the result is wrong */
    int tasks;                              /* n * tasks operations make a pass */
    bool waits;                             /* has calls that wait, whose times are of interest */
};

/* The same clock in all programs, whatever else they have. */
static inline int64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int64_t wait_clock(const struct waits *waits)
{
    return waits ? clock_ns() : 0;
}

static inline void wait_note(struct waits *waits, int64_t ns)
{
    if (!waits)
        return;
    uint64_t v = (uint64_t)(ns < 1 ? 1 : ns);
    int log = 63 - __builtin_clzll(v), shift = log > SUB_BITS ? log - SUB_BITS : 0;
    waits->counts[((uint64_t)shift << SUB_BITS) + (v >> shift)]++;
    if (ns > waits->longest)
        waits->longest = ns;
}

/* The least duration that no more than one of `of` waits exceeded, to a sixteenth. */
static inline int64_t waits_quantile(const struct waits *waits, uint64_t of)
{
    uint64_t all = 0, above = 0;
    for (int i = 0; i < BUCKETS; i++)
        all += waits->counts[i];
    for (int i = BUCKETS - 1; i >= 0; i--) {
        above += waits->counts[i];
        if (above > all / of) {
            int shift = i >> SUB_BITS ? (i >> SUB_BITS) - 1 : 0;
            int64_t top = (((int64_t)i - ((int64_t)shift << SUB_BITS) + 1) << shift) - 1;
            return top < waits->longest ? top : waits->longest;
        }
    }
    return 0;
}

/* Some nanoseconds of work that no compiler shortens (two rounds of Marsaglia's xorshift). */
static inline uint64_t work(uint64_t x)
{
    for (int i = 0; i < 2; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}

static inline void check_equal(const char *what, long got, long expected)
{
    if (got != expected) {
        fprintf(stderr, "%s: %ld instead of %ld\n", what, got, expected);
        exit(1);
    }
}

/* The workload that the command line names, and the number of workers. Serves --list itself. */
static inline const struct workload *versus_choose(int argc, char **argv, const struct workload *table, size_t n,
                                                   int *workers)
{
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < n; i++)
            puts(table[i].name);
        exit(0);
    }
    *workers = argc == 3 ? atoi(argv[2]) : 0;
    for (size_t i = 0; i < n && *workers > 0; i++) {
        if (strcmp(argv[1], table[i].name) == 0)
            return &table[i];
    }
    fprintf(stderr, "usage: %s --list | <workload> <workers>\n", argv[0]);
    exit(2);
}

/* Warms up, measures and prints. */
static inline void versus_measure(const char *peer, const char *version, const struct workload *w, int workers)
{
    static struct waits waits[MOST_TASKS];
    struct pass pass = { .n = 16, .tasks = w->tasks };
    int64_t ns;

    while ((ns = w->fn(&pass)) < WARM_NS)
        pass.n *= 2;
    do { /* again if the pass before was held up, so that it told of too few rounds */
        pass.n = (long)((double)pass.n * MEASURE_NS / (double)ns) + 1;
        ns = w->fn(&pass);
    } while (ns < MEASURE_NS / 2);
    printf("{\"peer\":\"%s\",\"version\":\"%s\",\"workload\":\"%s\",\"workers\":%d,", peer, version, w->name, workers);
    printf("\"ns\":%.3f,\"ops\":%ld", (double)ns / (double)pass.n / w->tasks, pass.n * w->tasks);
    if (w->waits) {
        pass.n = pass.n / 2 + 1;
        pass.waits = waits;
        (void)w->fn(&pass);
        for (int i = 1; i < MOST_TASKS; i++) {
            for (int k = 0; k < BUCKETS; k++)
                waits[0].counts[k] += waits[i].counts[k];
            if (waits[i].longest > waits[0].longest)
                waits[0].longest = waits[i].longest;
        }
        long long longest = waits[0].longest, p999 = waits_quantile(&waits[0], 1000);
        printf(",\"longest_ns\":%lld,\"p999_ns\":%lld", longest, p999);
    }
    printf(",\"checked\":true}\n");
}

#endif
