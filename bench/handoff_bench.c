/* What a stuck worker costs the others: pairs of tasks that pass values to and fro, alone and beside a task that holds up
 * its worker for a second, in a system call. Counted from 20 ms after it began, in turns, five times each. */
#include "harness.h"

#include <unistd.h>

typedef sn_chan_of(long) long_chan;

enum { PAIRS = 2, TURNS = 5 };

static long rounds[PAIRS * 16]; /* one for each pair, on lines of their own */
static int stop;

static int pong(sn_ctx *ctx, void *arg)
{
    long_chan *c = arg;
    long v;
    while (sn_chan_recv(ctx, c[0], &v) == 0)
        must(sn_chan_send(ctx, c[1], &v));
    return 0;
}

static int ping(sn_ctx *ctx, void *arg)
{
    int pair = *(int *)arg;
    long_chan c[2];
    sn_group g;
    long v = 0;
    must(sn_chan_make(&c[0], 0));
    must(sn_chan_make(&c[1], 0));
    sn_group_init(&g, ctx);
    must(sn_group_go(&g, pong, c));
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        must(sn_chan_send(ctx, c[0], &v));
        must(sn_chan_recv(ctx, c[1], &v));
        __atomic_store_n(&rounds[pair * 16], rounds[pair * 16] + 1, __ATOMIC_RELAXED);
    }
    sn_chan_close(c[0]);
    must(sn_group_wait(&g));
    sn_chan_free(c[0]);
    sn_chan_free(c[1]);
    return 0;
}

static long total(void)
{
    long n = 0;
    for (int i = 0; i < PAIRS; i++)
        n += __atomic_load_n(&rounds[i * 16], __ATOMIC_RELAXED);
    return n;
}

static int sticks(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    sleep(1);
    return 0;
}

/* Rounds a second, from 20 ms on to 980 ms. */
static double rate(sn_ctx *ctx, bool stuck)
{
    sn_group g;
    sn_group_init(&g, ctx);
    if (stuck)
        must(sn_group_go(&g, sticks, NULL));
    must(sn_sleep(ctx, SN_MS(20)));
    int64_t begin = sn_now();
    long before = total();
    must(sn_sleep(ctx, SN_MS(960)));
    double per_second = (double)(total() - before) / since(begin) * 1e9;
    must(sn_group_wait(&g));
    return per_second;
}

static int app(sn_ctx *ctx, void *arg)
{
    double alone[TURNS], beside[TURNS], ratio[TURNS];
    sn_group g;
    (void)arg;
    stop = 0;
    sn_group_init(&g, ctx);
    for (int i = 0; i < PAIRS; i++)
        must(sn_group_go_copy(&g, ping, &i));
    for (int i = 0; i < TURNS; i++) {
        alone[i] = rate(ctx, false);
        beside[i] = rate(ctx, true);
        ratio[i] = beside[i] / alone[i];
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    must(sn_group_wait(&g));
    qsort(ratio, TURNS, sizeof *ratio, by_value);
    printf("{\"bench\":\"stuck_worker\",\"workers\":%d,\"unit\":\"rate beside / rate alone\",\"median\":%.3f,\"min\":%.3f,"
           "\"max\":%.3f,\"runs\":%d}\n",
           sn_run_workers(), ratio[TURNS / 2], ratio[0], ratio[TURNS - 1], TURNS);
    return 0;
}

int main(void)
{
    for (int workers = 1; workers <= 2; workers++)
        must(sn_run(app, NULL, &(sn_run_opts){ .workers = workers }));
    return 0;
}
