#include "summary.h"

#include <stdio.h>

static unsigned bucket_of(int64_t ns)
{
    unsigned log = 63 - (unsigned)__builtin_clzll((uint64_t)(ns > 0 ? ns : 1));
    unsigned part = log >= 4 ? (unsigned)((uint64_t)ns >> (log - 4)) & 15 : 0;

    return log * 16 + part;
}

void summary_count(struct summary *s, const struct job *job)
{
    if (job->started)
        s->histogram[bucket_of(job->duration)]++;
    if (job->end == JOB_FAILED)
        s->failed++;
    else if (job->end == JOB_STOPPED)
        s->stopped++;
    else
        s->succeeded++;
}

uint64_t summary_over(const struct summary *s)
{
    return s->succeeded + s->failed + s->stopped;
}

static double percentile_ms(const struct summary *s, double p)
{
    uint64_t jobs = 0, before = 0;

    for (unsigned i = 0; i < SUMMARY_BUCKETS; i++)
        jobs += s->histogram[i];
    for (unsigned i = 0; i < SUMMARY_BUCKETS; i++)
        if ((before += s->histogram[i]) > 0 && (double)before >= p * (double)jobs)
            return (double)(((uint64_t)1 << i / 16) + (((uint64_t)1 << i / 16) >> 4) * (i % 16)) / 1e6;
    return 0;
}

void summary_print(const struct summary *s)
{
    double seconds = (double)(sn_now() - s->begin) / 1e9;
    uint64_t jobs = summary_over(s);
    char more[100] = "";
    int n = 0;

    if (s->stopped > 0)
        n += snprintf(more, sizeof more, ", %llu stopped", (unsigned long long)s->stopped);
    if (s->skipped > 0)
        (void)snprintf(more + n, sizeof more - (size_t)n, ", %llu done before", (unsigned long long)s->skipped);
    (void)fprintf(stderr, "%llu jobs, %llu failed%s, %.2f s, %.0f jobs/s; duration p50 %.1f ms, p99 %.1f ms\n",
                  (unsigned long long)jobs, (unsigned long long)s->failed, more, seconds, (double)jobs / seconds,
                  percentile_ms(s, 0.50), percentile_ms(s, 0.99));
}
