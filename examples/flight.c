/* Twelve clients look up three hosts at a name server that is slow, and one of the names is unknown. Each name is asked for
 * once, however many want it; answers are kept for a while, errors are not. A client who loses patience leaves the others'
 * question alone. In virtual time, so that the figures are always the same. */
#include <sennit.h>
#include <stdio.h>
#include <string.h>

struct address {
    unsigned char byte[4];
};

static int asked;

/* The job: *arg is the name, copied. */
static int ask_server(sn_ctx *ctx, void *arg, void *value)
{
    const char *name = arg;
    int r = sn_sleep(ctx, SN_MS(30)); /* stands for the question and the answer */

    asked++;
    if (r < 0)
        return r;
    if (strcmp(name, "nowhere") == 0)
        sn_fail(SN_ENOENT, "no such host");
    *(struct address *)value = (struct address){ { 192, 0, 2, (unsigned char)strlen(name) } };
    return 0;
}

static int look_up(sn_ctx *ctx, sn_flight *names, const char *name, struct address *out, const char **why)
{
    size_t size = strlen(name) + 1;

    return sn_flight_do_why(ctx, names, name, size, ask_server, name, size, out, why);
}

static int hurried(sn_ctx *ctx, void *arg)
{
    struct address address;
    const char *why;
    sn_ctx *soon;
    int r;

    if ((r = sn_ctx_with_timeout(&soon, ctx, SN_MS(10))) < 0)
        return r;
    r = look_up(soon, arg, "alpha", &address, &why);
    printf("the hurried client: %s\n", sn_error_string(r));
    sn_ctx_free(soon);
    return 0;
}

struct client {
    sn_flight *names;
    const char *name;
};

static int patient(sn_ctx *ctx, void *arg)
{
    struct client *client = arg;
    struct address address;
    const char *why;
    int r = look_up(ctx, client->names, client->name, &address, &why);

    return r == SN_ENOENT ? 0 : r;
}

static int print_one(sn_ctx *ctx, sn_flight *names, const char *name)
{
    static const char *const how[] = { "asked", "shared", "kept" };
    struct address a;
    const char *why;
    int r = look_up(ctx, names, name, &a, &why);

    if (r >= 0)
        printf("%s: %d.%d.%d.%d (%s)\n", name, a.byte[0], a.byte[1], a.byte[2], a.byte[3], how[r]);
    else
        printf("%s: %s (%s)\n", name, sn_error_string(r), why ? why : "-");
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
        struct client client = { names, wanted[i % 3] };
        r = sn_group_go_copy(&g, patient, &client);
    }
    int e = sn_group_wait(&g);
    return r < 0 ? r : e;
}

static int app(sn_ctx *ctx, void *arg)
{
    sn_flight_opts opts = { .value_size = sizeof(struct address), .ttl = SN_SEC(60) };
    sn_flight *names;
    int r;

    (void)arg;
    if ((r = sn_flight_new(&names, &opts)) < 0)
        return r;
    if ((r = all_clients(ctx, names)) == 0) {
        printf("questions to the server: %d\n", asked);
        if ((r = print_one(ctx, names, "alpha")) == 0 && (r = print_one(ctx, names, "nowhere")) == 0)
            r = sn_sleep(ctx, SN_SEC(60));
        if (r == 0)
            r = print_one(ctx, names, "alpha");
        printf("questions to the server: %d\n", asked);
    }
    sn_flight_free(names);
    return r;
}

int main(void)
{
    return sn_sim_run(app, NULL, NULL) < 0;
}
