// startup.c in C++.
#include <sennit.h>

#include <cstdio>
#include <cstring>

enum { SERVICES = 5, REQUESTS = 100 };
enum { TOO_EARLY = SN_EUSER };

// A task that a wait group starts belongs to the runtime and to no function: what it uses is static.
static sn_waitgroup starting, batch;
static sn_latch all_up = SN_LATCH_INIT(SERVICES), database_up = SN_LATCH_INIT(1), repaired = SN_LATCH_INIT(1);
static bool is_up[SERVICES], answered[REQUESTS];

static int service_up(int r, void *arg)
{
    if (r < 0)
        return r;
    *static_cast<bool *>(arg) = true;
    sn_latch_count_down(&all_up, 1);
    return 0;
}

static int logger(sn_ctx *ctx, void *arg)
{
    return service_up(sn_sleep(ctx, SN_MS(1)), arg);
}

static int configuration(sn_ctx *ctx, void *arg)
{
    return service_up(sn_sleep(ctx, SN_MS(2)), arg);
}

// Finds a damaged file, and waits until somebody has repaired it.
static int database(sn_ctx *ctx, void *arg)
{
    int r = service_up(sn_latch_wait(ctx, &repaired), arg);

    if (r == 0)
        sn_latch_count_down(&database_up, 1);
    return r;
}

static int shop(sn_ctx *ctx, void *arg)
{
    return service_up(sn_latch_wait(ctx, &database_up), arg);
}

static int mail(sn_ctx *ctx, void *arg)
{
    return service_up(sn_latch_wait(ctx, &database_up), arg);
}

static int request(sn_ctx *ctx, void *arg)
{
    int up = 0, r = sn_latch_wait(ctx, &all_up);

    for (int i = 0; i < SERVICES && r == 0; i++)
        up += is_up[i];
    *static_cast<bool *>(arg) = up == SERVICES;
    return r;
}

static void print_missing()
{
    sn_waitgroup_entry missing[SERVICES];
    int n = sn_waitgroup_who(&starting, missing, SERVICES);

    std::printf("%d of %d services are up, %d requests wait; missing:", SERVICES - sn_latch_count(&all_up), SERVICES,
                sn_waitgroup_count(&batch));
    for (int i = 0; i < n && i < SERVICES; i++)
        std::printf("%s", std::strrchr(missing[i].site, ' ')); // of "startup.c:12 database" what comes last
         std::printf("\n");
}

static int start_services(sn_ctx *ctx)
{
    sn_ctx *soon;
    int r;

    if ((r = sn_waitgroup_go(&starting, logger, &is_up[0])) < 0 ||
        (r = sn_waitgroup_go(&starting, configuration, &is_up[1])) < 0 ||
        (r = sn_waitgroup_wait_ctx(ctx, &starting)) < 0)
        return r;
    if ((r = sn_waitgroup_go(&starting, database, &is_up[2])) < 0 ||
        (r = sn_waitgroup_go(&starting, shop, &is_up[3])) < 0 ||
        (r = sn_waitgroup_go(&starting, mail, &is_up[4])) < 0 ||
        (r = sn_ctx_with_timeout(&soon, ctx, SN_MS(20))) < 0)
        return r;
    r = sn_waitgroup_wait_ctx(soon, &starting);
    sn_ctx_free(soon);
    if (r == SN_ETIMEDOUT) {
        print_missing();
        sn_latch_count_down(&repaired, 1);
        r = sn_waitgroup_wait_ctx(ctx, &starting);
    }
    return r;
}

static int app(sn_ctx *ctx, void *)
{
    int n = 0, r = 0;

    for (int i = 0; i < REQUESTS && r == 0; i++)
        r = sn_waitgroup_go(&batch, request, &answered[i]);
    if (r < 0 || (r = start_services(ctx)) < 0 || (r = sn_waitgroup_wait_ctx(ctx, &batch)) < 0)
        return r;
    for (int i = 0; i < REQUESTS; i++)
        n += answered[i];
    std::printf("all %d services are up, %d requests answered\n", SERVICES, n);
    return n == REQUESTS ? 0 : TOO_EARLY;
}

int main()
{
    return sn_run(app, nullptr, nullptr) < 0;
}
