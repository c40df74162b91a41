/* Two clerks sell the last seat: each looks whether it is free, then sells it. Run with an argument, it is searched for the
 * order of steps in which both do. */
#include <sennit.h>
#include <assert.h>
#include <stdio.h>

struct flight {
    sn_mutex m;
    int seats, sold;
};

static int clerk(sn_ctx *ctx, void *arg)
{
    struct flight *f = arg;

    (void)ctx;
    sn_mutex_lock(&f->m);
    bool is_free = f->sold < f->seats;
    sn_mutex_unlock(&f->m);
    if (is_free) {
        sn_mutex_lock(&f->m);
        f->sold++;
        sn_mutex_unlock(&f->m);
    }
    return 0;
}

static int sell(sn_ctx *ctx, void *arg)
{
    struct flight f = { .seats = 1 };
    sn_group g;
    int r;

    (void)arg;
    sn_group_init(&g, ctx);
    if ((r = sn_group_go(&g, clerk, &f)) == 0)
        r = sn_group_go(&g, clerk, &f);
    int e = sn_group_wait(&g);
    printf("sold %d of %d\n", f.sold, f.seats);
    assert(f.sold <= f.seats);
    return r < 0 ? r : e;
}

int main(int argc, char **argv)
{
    (void)argv;
    return argc > 1 ? sn_sim_explore(sell, NULL, NULL) : sn_run(sell, NULL, &(sn_run_opts){ .workers = 1 });
}
