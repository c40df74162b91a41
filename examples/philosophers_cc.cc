// philosophers.c in C++.
#include <sennit.h>

#include <cstdio>

enum { SEATS = 5, MEALS = 200 };
enum { FORK_IN_TWO_HANDS = SN_EUSER };

struct table {
    sn_sem chairs;
    // A fork is a semaphore with one permit. A mutex would do; but each would be locked after its neighbour, all round the
    // table, and the checks of lock order (sn_run_opts.checks) would report that circle: they know nothing of chairs.
    sn_sem forks[SEATS];
    bool eating[SEATS]; // who has both his forks may look at his own and at his neighbours'
    int meals[SEATS];
};

struct philosopher {
    table *at;
    int seat;
};

static int eat(sn_ctx *ctx, table *t, int seat)
{
    int left = (seat + SEATS - 1) % SEATS, right = (seat + 1) % SEATS;

    if (t->eating[left] || t->eating[right])
        return FORK_IN_TWO_HANDS;
    t->eating[seat] = true;
    int r = t->meals[seat] % 50 == 0 ? sn_sleep(ctx, SN_US(100)) : 0; // now and then a long one
    t->meals[seat]++;
    t->eating[seat] = false;
    return r;
}

static int dine(sn_ctx *ctx, table *t, int seat)
{
    sn_sem *left = &t->forks[seat], *right = &t->forks[(seat + 1) % SEATS];
    int r;

    if ((r = sn_sem_acquire(ctx, &t->chairs, 1)) < 0)
        return r;
    if ((r = sn_sem_acquire(ctx, left, 1)) == 0) {
        if ((r = sn_sem_acquire(ctx, right, 1)) == 0) {
            r = eat(ctx, t, seat);
            sn_sem_release(right, 1);
        }
        sn_sem_release(left, 1);
    }
    sn_sem_release(&t->chairs, 1);
    return r;
}

static int philosophise(sn_ctx *ctx, void *arg)
{
    auto *self = static_cast<philosopher *>(arg);
    int r = 0;

    for (int i = 0; i < MEALS && r == 0; i++) {
        sn_yield(); // thinks
        r = dine(ctx, self->at, self->seat);
    }
    return r;
}

static int evening(sn_ctx *ctx, void *)
{
    table t = {};
    sn_group g;
    int r = 0;

    sn_sem_init(&t.chairs, SEATS - 1);
    for (int i = 0; i < SEATS; i++)
        sn_sem_init(&t.forks[i], 1);
    sn_group_init(&g, ctx);
    for (int i = 0; i < SEATS && r == 0; i++) {
        philosopher self = { &t, i };
        r = sn_group_go_copy(&g, philosophise, &self);
    }
    int e = sn_group_wait(&g);
    for (int i = 0; i < SEATS && r == 0 && e == 0; i++)
        std::printf("philosopher %d has eaten %d times\n", i + 1, t.meals[i]);
    return r < 0 ? r : e;
}

int main()
{
    return sn_run(evening, nullptr, nullptr) < 0;
}
