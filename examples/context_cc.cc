// context.c in C++.
#include <sennit.h>

#include <csignal>
#include <cstdio>

typedef sn_chan_of(int) int_chan;

static const char correlation_id = 0; // its address is the key

static void say(sn_ctx *ctx, const char *text)
{
    auto *id = static_cast<const char *>(sn_ctx_value(ctx, &correlation_id));
    std::printf("[%s] %s\n", id ? id : "-", text);
}

static int query(sn_ctx *ctx, int64_t takes)
{
    int r = sn_sleep(ctx, takes); // stands for any call that obeys a context

    say(ctx, r == 0 ? "answered" : r == SN_ETIMEDOUT ? "too slow" : "gave up: shutting down");
    return r;
}

struct request {
    int number;
    int64_t takes;
};

static int handle(sn_ctx *ctx, void *arg)
{
    auto *one = static_cast<request *>(arg);
    char id[32];
    sn_ctx *tagged, *limited;
    int r;

    std::snprintf(id, sizeof id, "request %d", one->number);
    if ((r = sn_ctx_with_value(&tagged, ctx, &correlation_id, id)) < 0)
        return r;
    if ((r = sn_ctx_with_timeout(&limited, tagged, SN_MS(100))) == 0) {
        (void)query(limited, one->takes);
        sn_ctx_free(limited);
    }
    sn_ctx_free(tagged);
    return r;
}

// All requests have ended, or have been told to: what they returned.
static int shut_down(sn_ctx *ctx, sn_group *requests, int r)
{
    sn_ctx *grace;

    if (r == 0 && (r = sn_ctx_with_timeout(&grace, ctx, SN_MS(500))) == 0) {
        int e = sn_group_wait_ctx(grace, requests);
        sn_ctx_free(grace);
        if (e != SN_ETIMEDOUT)
            return e;
    }
    sn_group_cancel(requests);
    int e = sn_group_wait(requests);
    return r < 0 ? r : e;
}

static int app(sn_ctx *ctx, void *)
{
    static const int64_t takes[] = { SN_MS(1), SN_MS(300), SN_MS(2), SN_MS(60) };
    int_chan signals;
    sn_group requests;
    int signo, r;

    if ((r = sn_chan_make(&signals, 1)) < 0)
        return r;
    sn_group_init(&requests, ctx);
    r = sn_signal_notify(signals, SIGTERM);
    for (int i = 0; i < 4 && r == 0; i++) {
        request one = { i + 1, takes[i] };
        r = sn_group_go_copy(&requests, handle, &one);
    }
    if (r == 0 && (r = sn_sleep(ctx, SN_MS(20))) == 0) {
        (void)std::raise(SIGTERM);
        r = sn_chan_recv(ctx, signals, &signo);
        say(ctx, "shutting down");
    }
    r = shut_down(ctx, &requests, r);
    sn_signal_stop(signals);
    sn_chan_free(signals);
    return r;
}

int main()
{
    return sn_run(app, nullptr, nullptr) < 0;
}
