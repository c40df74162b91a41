/* Orders in a shop go through states, by a table of the transitions that are allowed: many tasks try, each transition is
 * made once, and the rest is refused with an error. A mutex makes the look at the state and its change one step. Many wait
 * for different states of one order: that is a condition variable; a channel would tell of a change one of them only. */
#include <sennit.h>
#include <stdio.h>

enum { ORDERS = 10, CLERKS = 3 };
enum { NOT_ALLOWED = SN_EUSER, BROKEN = SN_EUSER - 1 };
enum state { NEW, PAID, SHIPPED, DELIVERED, CANCELLED, STATES };

static const char *const names[STATES] = { "new", "paid", "shipped", "delivered", "cancelled" };

static const unsigned allowed[STATES] = {
    1 << PAID | 1 << CANCELLED,    /* from new */
    1 << SHIPPED | 1 << CANCELLED, /* from paid */
    1 << DELIVERED,                /* from shipped */
    0,                             /* from delivered */
    0,                             /* from cancelled */
};

struct order {
    sn_mutex m;
    sn_cond changed;
    enum state now;
    int made, refused;
};

static int become(struct order *o, enum state to)
{
    int r = 0;

    sn_mutex_lock(&o->m);
    if (allowed[o->now] >> to & 1) {
        o->now = to;
        o->made++;
    } else {
        o->refused++;
        r = NOT_ALLOWED;
    }
    sn_mutex_unlock(&o->m);
    if (r == 0)
        sn_cond_broadcast(&o->changed);
    return r;
}

struct wish {
    struct order *of;
    enum state from, to;
};

static bool reached(void *arg)
{
    const struct wish *w = arg;

    return w->of->now >= w->from; /* cancelled is more than any: nobody waits for what will not come */
}

/* Waits until the order has come so far, then tries the transition. */
static int clerk(sn_ctx *ctx, void *arg)
{
    struct wish *w = arg;

    sn_mutex_lock(&w->of->m);
    int r = sn_cond_wait_until(ctx, &w->of->changed, &w->of->m, reached, w);
    sn_mutex_unlock(&w->of->m);
    if (r == 0)
        r = become(w->of, w->to);
    return r == NOT_ALLOWED ? 0 : r;
}

/* Of the clerks who try the same transition one at most makes it; and nobody cancels what is on its way already. */
static int start_clerks(sn_group *g, struct order *o)
{
    static const enum state steps[][2] = {
        { SHIPPED, DELIVERED }, { PAID, SHIPPED }, { SHIPPED, CANCELLED }, { NEW, PAID },
    };
    int r = 0;

    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        for (int j = 0; j < CLERKS && r == 0; j++) {
            struct wish w = { o, steps[i][0], steps[i][1] };
            r = sn_group_go_copy(g, clerk, &w);
        }
    return r;
}

static int app(sn_ctx *ctx, void *arg)
{
    struct order orders[ORDERS] = { { .now = NEW } };
    int final[STATES] = { 0 }, made = 0, refused = 0, r, e;
    sn_group g;

    (void)arg;
    r = become(&orders[0], CANCELLED); /* before it was paid */
    sn_group_init(&g, ctx);
    for (int i = 0; i < ORDERS && r == 0; i++)
        r = start_clerks(&g, &orders[i]);
    if (r < 0)
        sn_group_cancel(&g); /* some would wait for what nobody does */
    e = sn_group_wait(&g);
    if (r < 0 || e < 0)
        return r < 0 ? r : e;
    for (int i = 0; i < ORDERS; i++) {
        final[orders[i].now]++;
        made += orders[i].made;
        refused += orders[i].refused;
    }
    for (int i = 0; i < STATES; i++)
        printf("%s: %d\n", names[i], final[i]);
    printf("transitions: %d made, %d refused\n", made, refused);
    return final[DELIVERED] == ORDERS - 1 && made == 3 * (ORDERS - 1) + 1 ? 0 : BROKEN;
}

int main(void)
{
    return sn_run(app, NULL, NULL) < 0;
}
