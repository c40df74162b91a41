// reload.c in C++.
#include <sennit.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

enum { VERSIONS = 50, REQUESTS = 200 };
enum { MIXED = SN_EUSER, NOT_FREED = SN_EUSER - 1 };

struct configuration {
    int version;
    char greeting[32]; // names the version, too
};

typedef sn_swap_of(configuration) configuration_swap;

static configuration_swap current;
static sn_counter made, freed;

static configuration *make(int version)
{
    auto *c = static_cast<configuration *>(std::malloc(sizeof(configuration)));

    if (c) {
        c->version = version;
        std::snprintf(c->greeting, sizeof c->greeting, "version %d", version);
        sn_counter_add(&made, 1);
    }
    return c;
}

static void destroy(void *arg)
{
    std::memset(arg, 0xff, sizeof(configuration)); // who still used it would notice
    std::free(arg);
    sn_counter_add(&freed, 1);
}

static int request(sn_ctx *ctx, void *)
{
    char greeting[32];
    sn_swap_guard guard;
    const configuration *c = sn_swap_enter(&current, &guard);

    std::snprintf(greeting, sizeof greeting, "version %d", c->version);
    int r = sn_sleep(ctx, SN_US(sn_random() % 500)); // stands for the work; others reload meanwhile
    if (r == 0 && std::strcmp(greeting, c->greeting) != 0)
        r = MIXED;
    sn_swap_leave(&current, &guard);
    return r;
}

static int reloader(sn_ctx *ctx, void *)
{
    int r = 0;

    for (int version = 2; version <= VERSIONS && r == 0; version++) {
        configuration *c = make(version);
        if (!c)
            return SN_ENOMEM;
        if ((r = sn_swap_set(&current, c)) < 0)
            destroy(c); // it is still ours
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
        r = sn_group_go(&g, request, nullptr);
    if (r == 0)
        r = sn_group_go(&g, reloader, nullptr);
    int e = sn_group_wait(&g);
    return r < 0 ? r : e;
}

static int app(sn_ctx *ctx, void *)
{
    configuration *first = make(1);
    sn_swap_guard guard;
    int r;

    if (!first)
        return SN_ENOMEM;
    if ((r = sn_swap_init(&current, first, destroy)) < 0) {
        destroy(first);
        return r;
    }
    if ((r = serve(ctx)) == 0) {
        const configuration *c = sn_swap_enter(&current, &guard);
        std::printf("%s; ", c->greeting);
        sn_swap_leave(&current, &guard);
    }
    sn_swap_destroy(&current);
    if (r < 0)
        return r;
    int were_made = static_cast<int>(sn_counter_sum(&made)), were_freed = static_cast<int>(sn_counter_sum(&freed));
    std::printf("%d were made, %d freed\n", were_made, were_freed);
    return were_made == VERSIONS && were_freed == VERSIONS ? 0 : NOT_FREED;
}

int main()
{
    return sn_run(app, nullptr, nullptr) < 0;
}
