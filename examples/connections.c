/* Twelve requests share at most three connections to a database whose connections break now and then: who meets a broken one
 * drops it and gets another. A request that fails, from any depth, drops its connection, too. */
#include <sennit.h>
#include <stdio.h>
#include <stdlib.h>

struct database {
    int connections, most; /* (a) now; at a time */
    int answers, broken;   /* (a) */
};

struct connection {
    struct database *to;
    int asked;
};

static int dial(sn_ctx *ctx, void *arg, void **out)
{
    struct database *db = arg;
    struct connection *c = malloc(sizeof *c);
    int r, n;

    if (!c)
        return SN_ENOMEM;
    if ((r = sn_sleep(ctx, SN_MS(1))) < 0) { /* stands for the handshake */
        free(c);
        return r;
    }
    *c = (struct connection){ db, 0 };
    if ((n = __atomic_add_fetch(&db->connections, 1, __ATOMIC_RELAXED)) > __atomic_load_n(&db->most, __ATOMIC_RELAXED))
        __atomic_store_n(&db->most, n, __ATOMIC_RELAXED);
    *out = c;
    return 0;
}

static void hang_up(void *arg, void *conn)
{
    struct database *db = arg;
    __atomic_sub_fetch(&db->connections, 1, __ATOMIC_RELAXED);
    free(conn);
}

/* Each connection breaks at its fourth question. */
static int ask(sn_ctx *ctx, struct connection *c)
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
    struct lease *lease = arg;
    sn_resource_pool_drop(lease->pool, lease->conn);
}

static int request(sn_ctx *ctx, void *arg)
{
    struct lease lease = { arg, NULL };
    sn_cleanup cleanup;
    int r;

    do {
        if ((r = sn_resource_pool_get(ctx, lease.pool, &lease.conn)) < 0)
            return r;
        struct connection *c = lease.conn;
        struct database *db = c->to;
        sn_cleanup_push(&cleanup, drop, &lease); /* in case that we do not get as far as below */
        r = ask(ctx, c);
        sn_cleanup_pop(&cleanup);
        if (r == 0) {
            __atomic_add_fetch(&db->answers, 1, __ATOMIC_RELAXED);
            sn_resource_pool_put(lease.pool, c);
        } else {
            __atomic_add_fetch(&db->broken, 1, __ATOMIC_RELAXED);
            sn_resource_pool_drop(lease.pool, c);
        }
    } while (r == SN_EPIPE);
    return r;
}

static int app(sn_ctx *ctx, void *arg)
{
    struct database db = { .answers = 0 };
    sn_resource_pool *pool;
    sn_resource_pool_stats stats;
    sn_group requests;
    int r, e;

    (void)arg;
    r = sn_resource_pool_new(&pool, &(sn_resource_pool_opts){ .open = dial, .close = hang_up, .max = 3, .arg = &db });
    if (r < 0)
        return r;
    sn_group_init(&requests, ctx);
    for (int i = 0; i < 12 && r == 0; i++)
        r = sn_group_go(&requests, request, pool);
    e = sn_group_wait(&requests);
    sn_resource_pool_close(pool);
    if (r == 0 && e == 0 && (r = sn_resource_pool_wait(ctx, pool)) == 0) {
        sn_resource_pool_get_stats(pool, &stats);
        printf("%d answers over at most %d connections at a time\n", db.answers, db.most <= 3 ? 3 : db.most);
        printf("some broke: %s; all are closed: %s\n", db.broken > 0 ? "yes" : "no",
               stats.opened == stats.closed && db.connections == 0 ? "yes" : "no");
    }
    sn_resource_pool_free(pool);
    return r < 0 ? r : e;
}

int main(void)
{
    return sn_run(app, NULL, NULL) < 0;
}
