// select.c in C++: the cases stand in the order of their enumerators, since there are no array designators.
#include <sennit.h>

#include <cstdio>

typedef sn_chan_of(int) int_chan;

struct server {
    int_chan deposit, withdraw;
    sn_chan_unit stop;
};

static int serve(sn_ctx *ctx, void *arg)
{
    enum { DEPOSIT, WITHDRAW, IDLE, STOP, NCASES };
    auto *s = static_cast<server *>(arg);
    const int_chan never = {}; // an empty handle is never ready: no withdrawals from an empty account
    int balance = 0, amount;

    for (;;) {
        sn_case cases[NCASES] = {
            sn_on_recv(s->deposit, &amount),
            sn_on_recv(balance > 0 ? s->withdraw : never, &amount),
            sn_on_after(SN_MS(50)),
            sn_on_unit_recv(s->stop),
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
            std::printf("nothing for 50 ms\n");
            break;
        default:
            std::printf("balance %d\n", balance);
            return 0;
        }
    }
}

static int customer(sn_ctx *ctx, void *arg)
{
    auto *s = static_cast<server *>(arg);
    const int in = 3, out = 2;
    int r = 0;

    for (int i = 0; i < 100 && r == 0; i++)
        if ((r = sn_chan_send(ctx, s->deposit, &in)) == 0)
            r = sn_chan_send(ctx, s->withdraw, &out);
    return r;
}

static int app(sn_ctx *ctx, void *)
{
    server s = {};
    sn_group serving, customers;
    int r, e;

    sn_group_init(&serving, ctx);
    sn_group_init(&customers, sn_group_ctx(&serving));
    if ((r = sn_chan_make(&s.deposit, 0)) == 0 && (r = sn_chan_make(&s.withdraw, 0)) == 0 &&
        (r = sn_chan_unit_make(&s.stop, 1)) == 0 && (r = sn_group_go(&serving, serve, &s)) == 0)
        for (int i = 0; i < 3 && r == 0; i++)
            r = sn_group_go(&customers, customer, &s);
    if (r < 0)
        sn_group_cancel(&serving);
    e = sn_group_wait(&customers);
    r = r < 0 ? r : e;
    if (r == 0)
        r = sn_chan_unit_send(ctx, s.stop);
    e = sn_group_wait(&serving);
    sn_chan_free(s.deposit);
    sn_chan_free(s.withdraw);
    sn_chan_free(s.stop);
    return r < 0 ? r : e;
}

int main()
{
    return sn_run(app, nullptr, nullptr) < 0;
}
