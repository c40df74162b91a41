/* What a parked task costs: memory of N tasks that wait on a channel, and what is left a second after they have ended. */
#include "harness.h"

#include <unistd.h>

static long status_kb(const char *field)
{
    char line[256];
    long kb = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, field, strlen(field)) == 0)
            kb = atol(line + strlen(field) + 1);
    if (f)
        fclose(f);
    return kb;
}

static long mappings(void)
{
    long n = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    for (int c; f && (c = getc(f)) != EOF;)
        n += c == '\n';
    if (f)
        fclose(f);
    return n;
}

static long started;

static int parked(sn_ctx *ctx, void *arg)
{
    __atomic_fetch_add(&started, 1, __ATOMIC_RELAXED);
    int r = sn_chan_unit_recv(ctx, *(sn_chan_unit *)arg);
    return r == SN_ECLOSED ? 0 : r;
}

static int measure(sn_ctx *ctx, void *arg)
{
    long n = *(long *)arg;
    sn_chan_unit c;
    sn_group g;

    must(sn_chan_unit_make(&c, 0));
    long rss0 = status_kb("VmRSS:"), pte0 = status_kb("VmPTE:");
    int64_t begin = sn_now();
    sn_group_init(&g, ctx);
    for (long i = 0; i < n; i++) {
        must(sn_group_go(&g, parked, &c));
        if (i % 1000 == 999)
            sn_yield();
    }
    while (__atomic_load_n(&started, __ATOMIC_RELAXED) < n)
        must(sn_sleep(ctx, SN_MS(1)));
    double ns = since(begin) / (double)n;
    long rss1 = status_kb("VmRSS:"), pte1 = status_kb("VmPTE:"), maps = mappings();
    begin = sn_now();
    sn_chan_close(c);
    must(sn_group_wait(&g));
    double end_ns = since(begin) / (double)n;
    must(sn_sleep(ctx, SN_SEC(1)));
    printf("{\"bench\":\"parked_memory\",\"tasks\":%ld,\"rss_bytes_per_task\":%.0f,\"pagetable_bytes_per_task\":%.0f,"
           "\"create_ns\":%.0f,\"end_ns\":%.0f,\"mappings\":%ld,\"rss_kb_before\":%ld,\"rss_kb_1s_after\":%ld}\n",
           n, (double)(rss1 - rss0) * 1024 / (double)n, (double)(pte1 - pte0) * 1024 / (double)n, ns, end_ns, maps, rss0,
           status_kb("VmRSS:"));
    sn_chan_free(c);
    return 0;
}

static int sleeper(sn_ctx *ctx, void *arg)
{
    return sn_sleep(ctx, *(int64_t *)arg);
}

static int sleepers(sn_ctx *ctx, void *arg)
{
    long n = *(long *)arg;
    int64_t ns = SN_SEC(1), begin = sn_now();
    sn_group g;

    sn_group_init(&g, ctx);
    for (long i = 0; i < n; i++)
        must(sn_group_go(&g, sleeper, &ns));
    must(sn_group_wait(&g));
    printf("{\"bench\":\"sleepers\",\"tasks\":%ld,\"wall_ms\":%.0f}\n", n, since(begin) / 1e6);
    return 0;
}

int main(void)
{
    long n = getenv("TASKS") ? atol(getenv("TASKS")) : 1000000;

    must(sn_run(measure, &n, NULL));
    must(sn_run(sleepers, &n, NULL));
    return 0;
}
