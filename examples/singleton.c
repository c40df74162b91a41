/* Lazy singletons: the configuration is loaded, and the feature flags are computed from it, when somebody asks for the first
 * time. A thousand tasks ask at once: it is done once, and who comes meanwhile waits. That is a once and no mutex, since all
 * later calls cost one load. What nobody asks for is never made. */
#include <sennit.h>
#include <stdio.h>
#include <string.h>

enum { TASKS = 1000 };
enum { HALF_MADE = SN_EUSER };

static int loads, computations; /* each counted under its once */

struct configuration {
    char channel[16];
    int workers;
};

static void load(void *arg)
{
    struct configuration *c = arg;

    loads++;
    (void)sn_sleep(NULL, SN_MS(5)); /* stands for reading a file; those who wait hold up no worker */
    strcpy(c->channel, "beta");
    c->workers = 4;
}

static const struct configuration *the_configuration(void)
{
    static struct configuration the;
    static sn_once once;

    sn_once_do(&once, load, &the);
    return &the;
}

struct flags {
    bool dark_mode, new_search;
};

static void compute(void *arg)
{
    struct flags *f = arg;

    computations++;
    f->dark_mode = strcmp(the_configuration()->channel, "beta") == 0; /* a once within another */
    f->new_search = the_configuration()->workers > 8;
}

static const struct flags *the_flags(void)
{
    static struct flags the;
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
    struct search_index *the = arg;

    the->entries = 1000000;
}

static const struct search_index *the_index(void)
{
    static struct search_index the;

    sn_once_do(&indexed, build, &the);
    return &the;
}

/* Draws a page as the flags want it; the new search would need the index. */
static int page(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    *(bool *)arg = the_flags()->dark_mode;
    if (the_flags()->new_search && the_index()->entries == 0)
        return HALF_MADE;
    return the_configuration()->workers == 4 ? 0 : HALF_MADE;
}

static int app(sn_ctx *ctx, void *arg)
{
    static bool dark[TASKS];
    int n = 0, r = 0;
    sn_group g;

    (void)arg;
    sn_group_init(&g, ctx);
    for (int i = 0; i < TASKS && r == 0; i++)
        r = sn_group_go(&g, page, &dark[i]);
    int e = sn_group_wait(&g);
    if (r < 0 || e < 0)
        return r < 0 ? r : e;
    for (int i = 0; i < TASKS; i++)
        n += dark[i];
    printf("pages: %d, of which dark: %d\n", TASKS, n);
    printf("configuration loaded: %d time\n", loads);
    printf("flags computed: %d time\n", computations);
    printf("search index: %s\n", sn_once_is_done(&indexed) ? "built" : "nobody wanted it");
    return n == TASKS && loads == 1 && computations == 1 && !sn_once_is_done(&indexed) ? 0 : HALF_MADE;
}

int main(void)
{
    return sn_run(app, NULL, NULL) < 0;
}
