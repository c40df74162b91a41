/* One task serves two kinds of requests, ticks in between, and stops when told: enumerators name the cases. */
#include <sennit.h>
#include <stdio.h>

typedef sn_chan_of(int) int_chan;

struct server {
    int_chan deposit, withdraw;
    sn_chan_unit stop;
};

static int serve(sn_ctx *ctx, void *arg)
{
    enum { DEPOSIT, WITHDRAW, IDLE, STOP, NCASES };
    struct server *s = arg;
    int balance = 0, amount;

    for (;;) {
        sn_case cases[NCASES] = {
            [DEPOSIT] = sn_on_recv(s->deposit, &amount),
            /* an empty handle is never ready: no withdrawals from an empty account */
            [WITHDRAW] = sn_on_recv(balance > 0 ? s->withdraw : (int_chan){ 0 }, &amount),
            [IDLE] = sn_on_after(SN_MS(50)),
            [STOP] = sn_on_unit_recv(s->stop),
        };
        int i = sn_select(ctx, cases, NCASES);
        if (i < 0)
            return i;
        switch (i) {
        case DEPOSIT:
            balance += amount;
            break;
        case WITHDRAW:
            balance -= amount;
            break;
        case IDLE:
            printf("nothing for 50 ms\n");
            break;
        default:
            printf("balance %d\n", balance);
            return 0;
        }
    }
}

static int customer(sn_ctx *ctx, void *arg)
{
    struct server *s = arg;
    int r = 0;

    for (int i = 0; i < 100 && r == 0; i++)
        if ((r = sn_chan_send(ctx, s->deposit, &(int){ 3 })) == 0)
            r = sn_chan_send(ctx, s->withdraw, &(int){ 2 });
    return r;
}

static int app(sn_ctx *ctx, void *arg)
{
    struct server s = { 0 };
    sn_group server, customers;
    int r, e;

    (void)arg;
    sn_group_init(&server, ctx);
    sn_group_init(&customers, sn_group_ctx(&server));
    if ((r = sn_chan_make(&s.deposit, 0)) == 0 && (r = sn_chan_make(&s.withdraw, 0)) == 0 &&
        (r = sn_chan_unit_make(&s.stop, 1)) == 0 && (r = sn_group_go(&server, serve, &s)) == 0)
        for (int i = 0; i < 3 && r == 0; i++)
            r = sn_group_go(&customers, customer, &s);
    if (r < 0)
        sn_group_cancel(&server);
    e = sn_group_wait(&customers);
    r = r < 0 ? r : e;
    if (r == 0)
        r = sn_chan_unit_send(ctx, s.stop);
    e = sn_group_wait(&server);
    sn_chan_free(s.deposit);
    sn_chan_free(s.withdraw);
    sn_chan_free(s.stop);
    return r < 0 ? r : e;
}

int main(void)
{
    return sn_run(app, NULL, NULL) < 0;
}
