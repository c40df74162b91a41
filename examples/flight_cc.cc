// flight.c in C++.
#include <sennit.h>

#include <cstdio>
#include <cstring>

struct address {
    unsigned char byte[4];
};

static int asked;

// The job: *arg is the name, copied.
static int ask_server(sn_ctx *ctx, void *arg, void *value)
{
    auto *name = static_cast<const char *>(arg);
    int r = sn_sleep(ctx, SN_MS(30)); // stands for the question and the answer

    asked++;
    if (r < 0)
        return r;
    if (std::strcmp(name, "nowhere") == 0)
        sn_fail(SN_ENOENT, "no such host");
    *static_cast<address *>(value) = address{ { 192, 0, 2, static_cast<unsigned char>(std::strlen(name)) } };
    return 0;
}

static int look_up(sn_ctx *ctx, sn_flight *names, const char *name, address *out, const char **why)
{
    std::size_t size = std::strlen(name) + 1;

    return sn_flight_do_why(ctx, names, name, size, ask_server, name, size, out, why);
}

static int hurried(sn_ctx *ctx, void *arg)
{
    address found;
    const char *why;
    sn_ctx *soon;
    int r;

    if ((r = sn_ctx_with_timeout(&soon, ctx, SN_MS(10))) < 0)
        return r;
    r = look_up(soon, static_cast<sn_flight *>(arg), "alpha", &found, &why);
    std::printf("the hurried client: %s\n", sn_error_string(r));
    sn_ctx_free(soon);
    return 0;
}

struct client {
    sn_flight *names;
    const char *name;
};

static int patient(sn_ctx *ctx, void *arg)
{
    auto *self = static_cast<client *>(arg);
    address found;
    const char *why;
    int r = look_up(ctx, self->names, self->name, &found, &why);

    return r == SN_ENOENT ? 0 : r;
}

static int print_one(sn_ctx *ctx, sn_flight *names, const char *name)
{
    static const char *const how[] = { "asked", "shared", "kept" };
    address a;
    const char *why;
    int r = look_up(ctx, names, name, &a, &why);

    if (r >= 0)
        std::printf("%s: %d.%d.%d.%d (%s)\n", name, a.byte[0], a.byte[1], a.byte[2], a.byte[3], how[r]);
    else
        std::printf("%s: %s (%s)\n", name, sn_error_string(r), why ? why : "-");
    return r == SN_ENOENT || r >= 0 ? 0 : r;
}

static int all_clients(sn_ctx *ctx, sn_flight *names)
{
    static const char *const wanted[] = { "alpha", "beta", "nowhere" };
    sn_group g;
    int r;

    sn_group_init(&g, ctx);
    r = sn_group_go(&g, hurried, names);
    for (int i = 0; i < 11 && r == 0; i++) {
        client one = { names, wanted[i % 3] };
        r = sn_group_go_copy(&g, patient, &one);
    }
    int e = sn_group_wait(&g);
    return r < 0 ? r : e;
}

static int app(sn_ctx *ctx, void *)
{
    sn_flight_opts opts = {};
    sn_flight *names;
    int r;

    opts.value_size = sizeof(address);
    opts.ttl = SN_SEC(60);
    if ((r = sn_flight_new(&names, &opts)) < 0)
        return r;
    if ((r = all_clients(ctx, names)) == 0) {
        std::printf("questions to the server: %d\n", asked);
        if ((r = print_one(ctx, names, "alpha")) == 0 && (r = print_one(ctx, names, "nowhere")) == 0)
            r = sn_sleep(ctx, SN_SEC(60));
        if (r == 0)
            r = print_one(ctx, names, "alpha");
        std::printf("questions to the server: %d\n", asked);
    }
    sn_flight_free(names);
    return r;
}

int main()
{
    return sn_sim_run(app, nullptr, nullptr) < 0;
}
