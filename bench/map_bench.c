/* The map and the pool of resources: one task alone, and as many tasks at once as there are workers. */
#include "harness.h"

typedef sn_map_of(int64_t, int64_t) int_map;
typedef sn_map_of_strings(int64_t) word_map;

enum { KEYS = 65536 };

/* n rounds, shared among the workers. */
struct share {
    int_map map;
    long n;
    int64_t begin;
    int writes; /* of 100 */
};

static int share_gets(sn_ctx *ctx, void *arg)
{
    struct share *s = arg;
    uint64_t x = (uint64_t)s->begin * 0x9E3779B97F4A7C15u | 1;
    int64_t value = 0, sum = 0;

    (void)ctx;
    for (long i = 0; i < s->n; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        int64_t key = (int64_t)(x % KEYS);
        if (s->writes > 0 && (int)(x >> 40) % 100 < s->writes)
            must(sn_map_put(s->map, &key, &key));
        else
            must(sn_map_get(s->map, &key, &value));
        sum += value;
    }
    return sum < 0 ? SN_EIO : 0;
}

/* By each worker at once: the time for n operations in all. */
static double together(sn_ctx *ctx, long n, int_map map, int writes)
{
    int workers = sn_run_workers();
    sn_group g;
    int64_t begin = sn_now();

    sn_group_init(&g, ctx);
    for (int i = 0; i < workers; i++) {
        struct share s = { map, n / workers, i + 1, writes };
        must(sn_group_go_copy(&g, share_gets, &s));
    }
    must(sn_group_wait(&g));
    return since(begin);
}

static int_map full(const sn_map_opts *opts)
{
    int_map m;

    must(sn_map_make(&m, opts));
    for (int64_t i = 0; i < KEYS; i++)
        must(sn_map_put(m, &i, &i));
    return m;
}

static double get_of(sn_ctx *ctx, long n, const sn_map_opts *opts, int writes)
{
    int_map m = full(opts);
    double ns = together(ctx, n, m, writes);
    sn_map_free(m);
    return ns;
}

static double get(sn_ctx *ctx, long n)
{
    return get_of(ctx, n, NULL, 0);
}

static double get_ttl(sn_ctx *ctx, long n)
{
    return get_of(ctx, n, &(sn_map_opts){ .ttl = SN_SEC(1000) }, 0);
}

static double get_put_10(sn_ctx *ctx, long n)
{
    return get_of(ctx, n, NULL, 10);
}

static double get_one(sn_ctx *ctx, long n)
{
    int_map m;
    int64_t key = 7, value;

    (void)ctx;
    must(sn_map_make(&m, NULL));
    must(sn_map_put(m, &key, &key));
    int64_t begin = sn_now();
    for (long i = 0; i < n; i++)
        must(sn_map_get(m, &key, &value));
    double ns = since(begin);
    sn_map_free(m);
    return ns;
}

static double get_string(sn_ctx *ctx, long n)
{
    word_map m;
    int64_t value = 1;

    (void)ctx;
    must(sn_map_make(&m, NULL));
    must(sn_map_put(m, "https://example.org/index.html", &value));
    int64_t begin = sn_now();
    for (long i = 0; i < n; i++)
        must(sn_map_get(m, "https://example.org/index.html", &value));
    double ns = since(begin);
    sn_map_free(m);
    return ns;
}

/* Each round a new key. */
static double fill(sn_ctx *ctx, long n)
{
    int_map m;

    (void)ctx;
    must(sn_map_make(&m, NULL));
    int64_t begin = sn_now();
    for (int64_t i = 0; i < n; i++)
        must(sn_map_put(m, &i, &i));
    double ns = since(begin);
    sn_map_free(m);
    return ns;
}

/* Each round a new key, and another that goes. */
static double fill_bounded(sn_ctx *ctx, long n)
{
    int_map m = full(&(sn_map_opts){ .max = KEYS });

    (void)ctx;
    int64_t begin = sn_now();
    for (int64_t i = 0; i < n; i++) {
        int64_t key = KEYS + i;
        must(sn_map_put(m, &key, &key));
    }
    double ns = since(begin);
    sn_map_free(m);
    return ns;
}

/* Not the time of a round: the longest of n puts, in one shard, so that its table grows the most. Times n, to undo the
 * division. On a busy machine it is how long the thread was not let run. */
static double longest_put(sn_ctx *ctx, long n)
{
    int64_t longest = 0;
    int_map m;

    (void)ctx;
    must(sn_map_make(&m, &(sn_map_opts){ .shards = 1 }));
    for (int64_t i = 0; i < n; i++) {
        int64_t begin = sn_now();
        must(sn_map_put(m, &i, &i));
        int64_t took = sn_now() - begin;
        longest = took > longest ? took : longest;
    }
    sn_map_free(m);
    return (double)longest * (double)n;
}

static int open_nothing(sn_ctx *ctx, void *arg, void **out)
{
    (void)ctx;
    (void)arg;
    return (*out = malloc(1)) ? 0 : SN_ENOMEM;
}

static void close_nothing(void *arg, void *res)
{
    (void)arg;
    free(res);
}

struct pooled {
    sn_resource_pool *pool;
    long n;
};

static int get_and_put(sn_ctx *ctx, void *arg)
{
    struct pooled *p = arg;
    void *res;

    for (long i = 0; i < p->n; i++) {
        must(sn_resource_pool_get(ctx, p->pool, &res));
        sn_resource_pool_put(p->pool, res);
    }
    return 0;
}

static double pool_of(sn_ctx *ctx, long n, int max, int tasks)
{
    struct pooled p = { .n = n / tasks };
    sn_group g;

    sn_resource_pool_opts opts = { .open = open_nothing, .close = close_nothing, .max = max };
    must(sn_resource_pool_new(&p.pool, &opts));
    int64_t begin = sn_now();
    sn_group_init(&g, ctx);
    for (int i = 0; i < tasks; i++)
        must(sn_group_go(&g, get_and_put, &p));
    must(sn_group_wait(&g));
    double ns = since(begin);
    sn_resource_pool_free(p.pool);
    return ns;
}

static double pool_alone(sn_ctx *ctx, long n)
{
    return pool_of(ctx, n, 4, 1);
}

/* Sixteen tasks for four resources: most have to wait. */
static double pool_of_16(sn_ctx *ctx, long n)
{
    return pool_of(ctx, n, 4, 16);
}

int main(void)
{
    bench_run("map_get_one", get_one, 4000000);
    bench_run("map_get_string", get_string, 4000000);
    bench_run("map_get", get, 4000000);
    bench_run("map_get_ttl", get_ttl, 4000000);
    bench_run("map_get_put_10", get_put_10, 4000000);
    bench_run("map_fill", fill, 1000000);
    bench_run("map_fill_bounded", fill_bounded, 1000000);
    bench_run("map_longest_put", longest_put, 1000000);
    bench_run("pool_alone", pool_alone, 2000000);
    bench_run("pool_of_16", pool_of_16, 400000);
    return 0;
}
