/* What a parked task costs: memory of N tasks that wait on a channel, and what is left a second after they have ended. */
#include "harness.h"

#include <sys/mman.h>
#include <sys/resource.h>
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

static double cpu_ns(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e9 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e3;
}

/* What the system takes for the first touch of a page, of n pages in a row. */
static double touch_ns(long n)
{
    size_t size = (size_t)n * 4096;
    char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    must(p == MAP_FAILED ? SN_ENOMEM : 0);
    (void)madvise(p, size, MADV_NOHUGEPAGE);
    double begin = cpu_ns();
    for (long i = 0; i < n; i++)
        p[i * 4096] = 1;
    double ns = (cpu_ns() - begin) / (double)n;
    (void)munmap(p, size);
    return ns;
}

/* So many tasks that sleep for a second at the same time: what the processors do for each, to its end. */
static int sleepers(sn_ctx *ctx, void *arg)
{
    long n = *(long *)arg;
    int64_t ns = SN_SEC(1), begin = sn_now();
    double touch = touch_ns(n), cpu = cpu_ns();
    sn_group g;

    sn_group_init(&g, ctx);
    for (long i = 0; i < n; i++)
        must(sn_group_go(&g, sleeper, &ns));
    must(sn_group_wait(&g));
    cpu = (cpu_ns() - cpu) / (double)n;
    printf("{\"bench\":\"sleepers\",\"tasks\":%ld,\"wall_ms\":%.0f,\"cpu_ns_per_task\":%.0f,\"page_touch_ns\":%.0f,"
           "\"above_ns\":%.0f}\n",
           n, since(begin) / 1e6, cpu, touch, cpu - touch);
    return 0;
}

int main(void)
{
    long n = getenv("TASKS") ? atol(getenv("TASKS")) : 1000000;

    must(sn_run(measure, &n, NULL));
    for (int i = 0; i < 5; i++)
        must(sn_run(sleepers, &n, NULL));
    return 0;
}
