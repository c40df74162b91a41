/* A server reloads its configuration while it works: each request sees one configuration from beginning to end, old or new
 * and never a mix, and an old one is freed when the last request that uses it has ended. That is a swap: nobody waits, where
 * with a readers-writer mutex a reload would wait for the slowest request, and the next requests for the reload. */
#include <sennit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSIONS = 50, REQUESTS = 200 };
enum { MIXED = SN_EUSER, NOT_FREED = SN_EUSER - 1 };

struct configuration {
    int version;
    char greeting[32]; /* names the version, too */
};

typedef sn_swap_of(struct configuration) configuration_swap;

static configuration_swap current;
static sn_counter made, freed;

static struct configuration *make(int version)
{
    struct configuration *c = malloc(sizeof *c);

    if (c) {
        c->version = version;
        snprintf(c->greeting, sizeof c->greeting, "version %d", version);
        sn_counter_add(&made, 1);
    }
    return c;
}

static void destroy(void *arg)
{
    memset(arg, 0xff, sizeof(struct configuration)); /* who still used it would notice */
    free(arg);
    sn_counter_add(&freed, 1);
}

static int request(sn_ctx *ctx, void *arg)
{
    char greeting[32];
    sn_swap_guard guard;
    const struct configuration *c = sn_swap_enter(&current, &guard);

    (void)arg;
    snprintf(greeting, sizeof greeting, "version %d", c->version);
    int r = sn_sleep(ctx, SN_US(sn_random() % 500)); /* stands for the work; others reload meanwhile */
    if (r == 0 && strcmp(greeting, c->greeting) != 0)
        r = MIXED;
    sn_swap_leave(&current, &guard);
    return r;
}

static int reloader(sn_ctx *ctx, void *arg)
{
    int r = 0;

    (void)arg;
    for (int version = 2; version <= VERSIONS && r == 0; version++) {
        struct configuration *c = make(version);
        if (!c)
            return SN_ENOMEM;
        if ((r = sn_swap_set(&current, c)) < 0)
            destroy(c); /* it is still ours */
        else
            r = sn_sleep(ctx, SN_US(50));
    }
    return r;
}

static int serve(sn_ctx *ctx)
{
    sn_group g;
    int r = 0;

    sn_group_init(&g, ctx);
    for (int i = 0; i < REQUESTS && r == 0; i++)
        r = sn_group_go(&g, request, NULL);
    if (r == 0)
        r = sn_group_go(&g, reloader, NULL);
    int e = sn_group_wait(&g);
    return r < 0 ? r : e;
}

static int app(sn_ctx *ctx, void *arg)
{
    struct configuration *first = make(1);
    sn_swap_guard guard;
    int r;

    (void)arg;
    if (!first)
        return SN_ENOMEM;
    if ((r = sn_swap_init(&current, first, destroy)) < 0) {
        destroy(first);
        return r;
    }
    if ((r = serve(ctx)) == 0) {
        const struct configuration *c = sn_swap_enter(&current, &guard);
        printf("%s; ", c->greeting);
        sn_swap_leave(&current, &guard);
    }
    sn_swap_destroy(&current);
    if (r < 0)
        return r;
    int were_made = (int)sn_counter_sum(&made), were_freed = (int)sn_counter_sum(&freed);
    printf("%d were made, %d freed\n", were_made, were_freed);
    return were_made == VERSIONS && were_freed == VERSIONS ? 0 : NOT_FREED;
}

int main(void)
{
    return sn_run(app, NULL, NULL) < 0;
}
