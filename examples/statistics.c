/* A server's statistics: workers count requests, bytes and errors, a reporter reads meanwhile. A counter has a part for each
 * worker to add to; one atomic number, let alone a mutex, would be a place for which all processors contend. What is given
 * up is that a sum is of one moment: requests that are being counted just now are in it or not. */
#include <sennit.h>
#include <stdio.h>

enum { WORKERS = 8, REQUESTS = 20000, BYTES = 512 };
enum { WENT_DOWN = SN_EUSER, LOST = SN_EUSER - 1 };

struct statistics {
    sn_counter requests, bytes, errors;
    sn_counter recent; /* requests since the last report */
};

struct reporter {
    struct statistics *about;
    int64_t reported; /* what was recent in all reports together */
};

static int worker(sn_ctx *ctx, void *arg)
{
    struct statistics *s = arg;

    for (int i = 1; i <= REQUESTS && sn_ctx_err(ctx) == 0; i++) {
        sn_counter_add(&s->requests, 1);
        sn_counter_add(&s->recent, 1);
        sn_counter_add(&s->bytes, BYTES);
        if (i % 100 == 0) {
            sn_counter_add(&s->errors, 1);
            sn_yield();
        }
    }
    return sn_ctx_err(ctx);
}

/* Goes on until it is cancelled. What it takes nobody else takes again, so that what was recent is in one report only. */
static int report(sn_ctx *ctx, void *arg)
{
    struct reporter *self = arg;
    int64_t before = 0;

    while (sn_sleep(ctx, SN_US(100)) == 0) {
        int64_t now = sn_counter_sum(&self->about->requests);
        if (now < before)
            return WENT_DOWN;
        before = now;
        self->reported += sn_counter_take(&self->about->recent);
    }
    return 0;
}

static int work(sn_ctx *ctx, struct statistics *s)
{
    sn_group g;
    int r = 0;

    sn_group_init(&g, ctx);
    for (int i = 0; i < WORKERS && r == 0; i++)
        r = sn_group_go(&g, worker, s);
    int e = sn_group_wait(&g);
    return r < 0 ? r : e;
}

static int app(sn_ctx *ctx, void *arg)
{
    static struct statistics s;
    struct reporter reporter = { &s, 0 };
    sn_group reporting;
    int r, e;

    (void)arg;
    sn_group_init(&reporting, ctx);
    if ((r = sn_group_go(&reporting, report, &reporter)) == 0)
        r = work(ctx, &s);
    sn_group_cancel(&reporting);
    e = sn_group_wait(&reporting);
    if (r < 0 || e < 0)
        return r < 0 ? r : e;
    reporter.reported += sn_counter_take(&s.recent);
    int64_t requests = sn_counter_sum(&s.requests), bytes = sn_counter_sum(&s.bytes), errors = sn_counter_sum(&s.errors);
    printf("requests: %lld, of which failed: %lld\n", (long long)requests, (long long)errors);
    printf("bytes: %lld\n", (long long)bytes);
    printf("requests in all reports: %lld\n", (long long)reporter.reported);
    return requests == WORKERS * REQUESTS && errors == requests / 100 && bytes == requests * BYTES &&
                   reporter.reported == requests
               ? 0
               : LOST;
}

int main(void)
{
    return sn_run(app, NULL, NULL) < 0;
}
