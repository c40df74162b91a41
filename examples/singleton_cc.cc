// singleton.c in C++.
#include <sennit.h>

#include <cstdio>
#include <cstring>

enum { TASKS = 1000 };
enum { HALF_MADE = SN_EUSER };

static int loads, computations; // each counted under its once

struct configuration {
    char channel[16];
    int workers;
};

static void load(void *arg)
{
    auto *c = static_cast<configuration *>(arg);

    loads++;
    (void)sn_sleep(nullptr, SN_MS(5)); // stands for reading a file; those who wait hold up no worker
    std::strcpy(c->channel, "beta");
    c->workers = 4;
}

static const configuration *the_configuration()
{
    static configuration the;
    static sn_once once;

    sn_once_do(&once, load, &the);
    return &the;
}

struct flags {
    bool dark_mode, new_search;
};

static void compute(void *arg)
{
    auto *f = static_cast<flags *>(arg);

    computations++;
    f->dark_mode = std::strcmp(the_configuration()->channel, "beta") == 0; // a once within another
    f->new_search = the_configuration()->workers > 8;
}

static const flags *the_flags()
{
    static flags the;
    static sn_once once;

    sn_once_do(&once, compute, &the);
    return &the;
}

struct search_index {
    int entries;
};

static sn_once indexed;

static void build(void *arg)
{
    auto *the = static_cast<search_index *>(arg);

    the->entries = 1000000;
}

static const search_index *the_index()
{
    static search_index the;

    sn_once_do(&indexed, build, &the);
    return &the;
}

// Draws a page as the flags want it; the new search would need the index.
static int page(sn_ctx *, void *arg)
{
    *static_cast<bool *>(arg) = the_flags()->dark_mode;
    if (the_flags()->new_search && the_index()->entries == 0)
        return HALF_MADE;
    return the_configuration()->workers == 4 ? 0 : HALF_MADE;
}

static int app(sn_ctx *ctx, void *)
{
    static bool dark[TASKS];
    int n = 0, r = 0;
    sn_group g;

    sn_group_init(&g, ctx);
    for (int i = 0; i < TASKS && r == 0; i++)
        r = sn_group_go(&g, page, &dark[i]);
    int e = sn_group_wait(&g);
    if (r < 0 || e < 0)
        return r < 0 ? r : e;
    for (int i = 0; i < TASKS; i++)
        n += dark[i];
    std::printf("pages: %d, of which dark: %d\n", TASKS, n);
    std::printf("configuration loaded: %d time\n", loads);
    std::printf("flags computed: %d time\n", computations);
    std::printf("search index: %s\n", sn_once_is_done(&indexed) ? "built" : "nobody wanted it");
    return n == TASKS && loads == 1 && computations == 1 && !sn_once_is_done(&indexed) ? 0 : HALF_MADE;
}

int main()
{
    return sn_run(app, nullptr, nullptr) < 0;
}
