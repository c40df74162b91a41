// race.c in C++.
#include <sennit.h>

#include <cstdio>

enum { MIRRORS = 4 };

typedef sn_future_of(int) int_future;

struct mirror {
    const char *name;
    int64_t takes;
    int error; // 0: it has the file
    int_future answer;
};

static int ask(sn_ctx *ctx, void *arg)
{
    auto *m = static_cast<mirror *>(arg);
    int r = m->error < 0 ? m->error : sn_sleep(ctx, m->takes); // stands for the question and the answer
    int size = 1000;

    if (r < 0)
        (void)sn_future_fail(&m->answer, r);
    else
        (void)sn_future_set(&m->answer, &size);
    return 0; // a member that fails would end the group, and the race with it
}

// The index of the first one that has answered, and its answer; or an error.
static int first(sn_ctx *ctx, mirror *mirrors, int *size)
{
    sn_case cases[MIRRORS + 1];
    int i, r = 0;

    for (i = 0; i < MIRRORS; i++)
        cases[i] = sn_on_future(&mirrors[i].answer);
    cases[MIRRORS] = sn_on_time(sn_now() + SN_SEC(30));
    for (int left = MIRRORS; left > 0; left--) {
        if ((i = sn_select(ctx, cases, MIRRORS + 1)) < 0)
            return i;
        if (i == MIRRORS)
            return SN_ETIMEDOUT;
        if ((r = cases[i].err) == 0 && (r = sn_future_try_get(&mirrors[i].answer, size)) == 0)
            return i;
        cases[i] = sn_on_ctx(sn_background()); // which never ends: out of the race
    }
    return r; // of the last one: all have failed
}

static int app(sn_ctx *ctx, void *)
{
    mirror mirrors[MIRRORS] = {
        { "distant", SN_SEC(3600), 0, {} },
        { "refusing", 0, SN_EACCES, {} },
        { "near", SN_MS(5), 0, {} },
        { "asleep", SN_SEC(7200), 0, {} },
    };
    int size, ignored, r = 0, winner = 0, e;
    sn_group g;

    sn_group_init(&g, ctx);
    for (int i = 0; i < MIRRORS && r == 0; i++)
        r = sn_group_go(&g, ask, &mirrors[i]);
    if (r == 0)
        r = winner = first(ctx, mirrors, &size);
    sn_group_cancel(&g);
    e = sn_group_wait(&g);
    if (r < 0 || e < 0)
        return r < 0 ? r : e;
    std::printf("the winner is %s, with %d bytes\n", mirrors[winner].name, size);
    for (int i = 0; i < MIRRORS; i++)
        std::printf("%s: %s\n", mirrors[i].name, sn_error_string(sn_future_try_get(&mirrors[i].answer, &ignored)));
    return 0;
}

int main()
{
    return sn_run(app, nullptr, nullptr) < 0;
}
