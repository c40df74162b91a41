// seats.c in C++.
#include <sennit.h>

#include <cassert>
#include <cstdio>

struct flight {
    sn_mutex m;
    int seats, sold;
};

static int clerk(sn_ctx *, void *arg)
{
    auto *f = static_cast<flight *>(arg);

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

static int sell(sn_ctx *ctx, void *)
{
    flight f = {};
    sn_group g;
    int r;

    f.seats = 1;
    sn_group_init(&g, ctx);
    if ((r = sn_group_go(&g, clerk, &f)) == 0)
        r = sn_group_go(&g, clerk, &f);
    int e = sn_group_wait(&g);
    std::printf("sold %d of %d\n", f.sold, f.seats);
    assert(f.sold <= f.seats);
    return r < 0 ? r : e;
}

int main(int argc, char **)
{
    sn_run_opts opts = {};

    opts.workers = 1;
    return argc > 1 ? sn_sim_explore(sell, nullptr, nullptr) : sn_run(sell, nullptr, &opts);
}
