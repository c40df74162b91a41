/* A little server under a context: each request carries a correlation id and a deadline of its own, and SIGTERM shuts the
 * whole down: no new requests, those under way get half a second. The example sends itself the signal. */
#include <sennit.h>
#include <signal.h>
#include <stdio.h>

typedef sn_chan_of(int) int_chan;

static const char correlation_id; /* its address is the key */

static void say(sn_ctx *ctx, const char *text)
{
    const char *id = sn_ctx_value(ctx, &correlation_id);
    printf("[%s] %s\n", id ? id : "-", text);
}

static int query(sn_ctx *ctx, int64_t takes)
{
    int r = sn_sleep(ctx, takes); /* stands for any call that obeys a context */

    say(ctx, r == 0 ? "answered" : r == SN_ETIMEDOUT ? "too slow" : "gave up: shutting down");
    return r;
}

struct request {
    int number;
    int64_t takes;
};

static int handle(sn_ctx *ctx, void *arg)
{
    struct request *request = arg;
    char id[32];
    sn_ctx *tagged, *limited;
    int r;

    snprintf(id, sizeof id, "request %d", request->number);
    if ((r = sn_ctx_with_value(&tagged, ctx, &correlation_id, id)) < 0)
        return r;
    if ((r = sn_ctx_with_timeout(&limited, tagged, SN_MS(100))) == 0) {
        (void)query(limited, request->takes);
        sn_ctx_free(limited);
    }
    sn_ctx_free(tagged);
    return r;
}

static int app(sn_ctx *ctx, void *arg)
{
    static const int64_t takes[] = { SN_MS(1), SN_MS(300), SN_MS(2), SN_MS(60) };
    int_chan signals;
    sn_group requests;
    int signo, r, e;

    (void)arg;
    if ((r = sn_chan_make(&signals, 1)) < 0)
        return r;
    sn_group_init(&requests, ctx);
    r = sn_signal_notify(signals, SIGTERM);
    for (int i = 0; i < 4 && r == 0; i++) {
        struct request request = { i + 1, takes[i] };
        r = sn_group_go_copy(&requests, handle, &request);
    }
    if (r == 0 && (r = sn_sleep(ctx, SN_MS(20))) == 0) {
        (void)raise(SIGTERM);
        r = sn_chan_recv(ctx, signals, &signo);
        say(ctx, "shutting down");
    }
    sn_ctx *grace;
    if (r == 0 && (r = sn_ctx_with_timeout(&grace, ctx, SN_MS(500))) == 0) {
        e = sn_group_wait_ctx(grace, &requests);
        sn_ctx_free(grace);
        if (e != SN_ETIMEDOUT)
            goto out; /* all requests have ended */
    }
    sn_group_cancel(&requests);
    e = sn_group_wait(&requests);
out:
    sn_signal_stop(signals);
    sn_chan_free(signals);
    return r < 0 ? r : e;
}

int main(void)
{
    return sn_run(app, NULL, NULL) < 0;
}
