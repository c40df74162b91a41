/* Benchmarks: each is a function that does n rounds of something inside a runtime and returns the ns that took. It is run
 * RUNS times after a warm-up; out comes one line of JSON with the median, the least and the p99 (of ns per round). */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H

#include <sennit.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS = 11 };

typedef double bench_fn(sn_ctx *ctx, long n);

struct bench {
    const char *name;
    bench_fn *fn;
    long n;
    double best[RUNS];
};

static int bench_main(sn_ctx *ctx, void *arg)
{
    struct bench *b = arg;

    (void)b->fn(ctx, b->n / 10 + 1);
    for (int i = 0; i < RUNS; i++)
        b->best[i] = b->fn(ctx, b->n) / (double)b->n;
    return 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* BENCH=name runs only that one; WORKERS=n only under that many. */
static inline void bench_run(const char *name, bench_fn *fn, long n)
{
    static const int workers[] = { 1, 2 };
    const char *only = getenv("BENCH"), *under = getenv("WORKERS");

    if (only && strcmp(only, name) != 0)
        return;
    for (size_t i = 0; i < sizeof workers / sizeof *workers; i++) {
        struct bench b = { .name = name, .fn = fn, .n = n };
        if (under && atoi(under) != workers[i])
            continue;
        int r = sn_run(bench_main, &b, &(sn_run_opts){ .workers = workers[i] });
        if (r < 0) {
            fprintf(stderr, "%s: %s\n", name, sn_error_string(r));
            exit(1);
        }
        qsort(b.best, RUNS, sizeof *b.best, by_value);
        printf("{\"bench\":\"%s\",\"workers\":%d,\"unit\":\"ns\",\"median\":%.2f,\"min\":%.2f,\"p99\":%.2f,\"runs\":%d,"
               "\"compiler\":\"%s\"}\n",
               name, workers[i], b.best[RUNS / 2], b.best[0], b.best[RUNS - 1], RUNS, __VERSION__);
        fflush(stdout);
    }
}

static inline double since(int64_t begin)
{
    return (double)(sn_now() - begin);
}

static inline void must(int r)
{
    if (r < 0) {
        fprintf(stderr, "benchmark: %s\n", sn_error_string(r));
        exit(1);
    }
}

#endif
