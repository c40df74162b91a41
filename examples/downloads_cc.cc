// downloads.c in C++.
#include <sennit.h>

#include <cstdio>

enum { CONNECTIONS = 3, MEMORY = 64 };
enum { OVER_THE_LIMIT = SN_EUSER };

struct manager {
    sn_sem memory, connections; // all take them in this order: nobody has a connection and waits for memory
    sn_mutex m;                 // protects the figures
    int open, mib, done, mib_done, too_large, sent_away, cancelled;
};

struct job {
    manager *by;
    int mib;
    int64_t takes;
    sn_latch *begun; // tells that it is under way; or nullptr
};

// Counts what is in use, apart from the semaphores.
static int under_way(manager *m, int connections, int mib)
{
    sn_mutex_lock(&m->m);
    m->open += connections;
    m->mib += mib;
    int r = m->open > CONNECTIONS || m->mib > MEMORY ? OVER_THE_LIMIT : 0;
    sn_mutex_unlock(&m->m);
    return r;
}

static int transfer(sn_ctx *ctx, job *j)
{
    int e, r = under_way(j->by, 1, j->mib);

    if (j->begun)
        sn_latch_count_down(j->begun, 1);
    if (r == 0)
        r = sn_sleep(ctx, j->takes); // stands for the transfer
    e = under_way(j->by, -1, -j->mib);
    return r < 0 ? r : e;
}

static int fetch(sn_ctx *ctx, job *j)
{
    manager *m = j->by;
    int r;

    if ((r = sn_sem_acquire(ctx, &m->memory, j->mib)) < 0)
        return r;
    if ((r = sn_sem_acquire(ctx, &m->connections, 1)) == 0) {
        r = transfer(ctx, j);
        sn_sem_release(&m->connections, 1);
    }
    sn_sem_release(&m->memory, j->mib);
    return r;
}

static int download(sn_ctx *ctx, void *arg)
{
    auto *j = static_cast<job *>(arg);
    manager *m = j->by;
    int r = fetch(ctx, j);

    sn_mutex_lock(&m->m);
    m->done += r == 0;
    m->mib_done += r == 0 ? j->mib : 0;
    m->too_large += r == SN_EINVAL;
    m->sent_away += r == SN_ECLOSED;
    m->cancelled += r == SN_ECANCELED;
    sn_mutex_unlock(&m->m);
    return r == SN_EINVAL || r == SN_ECLOSED || r == SN_ECANCELED ? 0 : r;
}

static int all_files(sn_ctx *ctx, manager *m)
{
    static const int sizes[] = { 10, 3, 7, 21, 1, 2, 12, 64, 100, 40, 30, 65 };
    sn_group g;
    int r = 0;

    sn_group_init(&g, ctx);
    for (std::size_t i = 0; i < sizeof sizes / sizeof *sizes && r == 0; i++) {
        job j = { m, sizes[i], SN_US(100) * sizes[i], nullptr };
        r = sn_group_go_copy(&g, download, &j);
    }
    int e = sn_group_wait(&g);
    return r < 0 ? r : e;
}

// One is under way that would take hours, and two more want memory that it has.
static int close_manager(sn_ctx *ctx, manager *m)
{
    sn_latch begun = SN_LATCH_INIT(1);
    job film = { m, 50, SN_SEC(7200), &begun }, more = { m, 20, SN_SEC(7200), nullptr };
    sn_group running, waiting;
    int r, e;

    sn_group_init(&running, ctx);
    sn_group_init(&waiting, ctx);
    if ((r = sn_group_go(&running, download, &film)) == 0 && (r = sn_latch_wait(ctx, &begun)) == 0)
        for (int i = 0; i < 2 && r == 0; i++)
            r = sn_group_go(&waiting, download, &more);
    sn_sem_close(&m->memory); // no new ones: who waits goes home
    e = sn_group_wait(&waiting);
    r = r < 0 ? r : e;
    sn_group_cancel(&running); // and the one under way ends now
    e = sn_group_wait(&running);
    return r < 0 ? r : e;
}

static int app(sn_ctx *ctx, void *)
{
    manager m = {};
    int r;

    sn_sem_init(&m.memory, MEMORY);
    sn_sem_init(&m.connections, CONNECTIONS);
    if ((r = all_files(ctx, &m)) < 0 || (r = close_manager(ctx, &m)) < 0)
        return r;
    std::printf("%d downloads done, %d MiB; %d larger than the memory\n", m.done, m.mib_done, m.too_large);
    std::printf("closed: %d sent away, %d cancelled\n", m.sent_away, m.cancelled);
    return sn_sem_used(&m.connections) + sn_sem_used(&m.memory) == 0 ? 0 : OVER_THE_LIMIT;
}

int main()
{
    return sn_run(app, nullptr, nullptr) < 0;
}
