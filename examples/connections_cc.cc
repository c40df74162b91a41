// connections.c in C++.
#include <sennit.h>

#include <atomic>
#include <cstdio>
#include <new>

struct database {
    std::atomic<int> connections{ 0 }, most{ 0 }; // now; at a time
    std::atomic<int> answers{ 0 }, broken{ 0 };
};

struct connection {
    database *to;
    int asked;
};

static int dial(sn_ctx *ctx, void *arg, void **out)
{
    auto *db = static_cast<database *>(arg);
    int r;

    if ((r = sn_sleep(ctx, SN_MS(1))) < 0) // stands for the handshake
        return r;
    auto *c = new (std::nothrow) connection{ db, 0 };
    if (!c)
        return SN_ENOMEM;
    int n = ++db->connections;
    if (n > db->most)
        db->most = n;
    *out = c;
    return 0;
}

static void hang_up(void *arg, void *conn)
{
    --static_cast<database *>(arg)->connections;
    delete static_cast<connection *>(conn);
}

// Each connection breaks at its fourth question.
static int ask(sn_ctx *ctx, connection *c)
{
    int r = sn_sleep(ctx, SN_MS(1));
    return r < 0 ? r : ++c->asked == 4 ? SN_EPIPE : 0;
}

struct lease {
    sn_resource_pool *pool;
    void *conn;
};

static void drop(void *arg)
{
    auto *l = static_cast<lease *>(arg);
    sn_resource_pool_drop(l->pool, l->conn);
}

static int request(sn_ctx *ctx, void *arg)
{
    lease l = { static_cast<sn_resource_pool *>(arg), nullptr };
    sn_cleanup cleanup;
    int r;

    do {
        if ((r = sn_resource_pool_get(ctx, l.pool, &l.conn)) < 0)
            return r;
        auto *c = static_cast<connection *>(l.conn);
        database *db = c->to;
        sn_cleanup_push(&cleanup, drop, &l); // sn_fail runs this, and no destructor
        r = ask(ctx, c);
        sn_cleanup_pop(&cleanup);
        if (r == 0) {
            ++db->answers;
            sn_resource_pool_put(l.pool, c);
        } else {
            ++db->broken;
            sn_resource_pool_drop(l.pool, c);
        }
    } while (r == SN_EPIPE);
    return r;
}

static int app(sn_ctx *ctx, void *)
{
    database db;
    sn_resource_pool_opts opts = {};
    sn_resource_pool *pool;
    sn_resource_pool_stats stats;
    sn_group requests;
    int r, e;

    opts.open = dial;
    opts.close = hang_up;
    opts.max = 3;
    opts.arg = &db;
    if ((r = sn_resource_pool_new(&pool, &opts)) < 0)
        return r;
    sn_group_init(&requests, ctx);
    for (int i = 0; i < 12 && r == 0; i++)
        r = sn_group_go(&requests, request, pool);
    e = sn_group_wait(&requests);
    sn_resource_pool_close(pool);
    if (r == 0 && e == 0 && (r = sn_resource_pool_wait(ctx, pool)) == 0) {
        sn_resource_pool_get_stats(pool, &stats);
        std::printf("%d answers over at most %d connections at a time\n", db.answers.load(),
                    db.most <= 3 ? 3 : db.most.load());
        std::printf("some broke: %s; all are closed: %s\n", db.broken > 0 ? "yes" : "no",
                    stats.opened == stats.closed && db.connections == 0 ? "yes" : "no");
    }
    sn_resource_pool_free(pool);
    return r < 0 ? r : e;
}

int main()
{
    return sn_run(app, nullptr, nullptr) < 0;
}
