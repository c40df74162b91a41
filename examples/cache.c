/* A cache of prices before a slow service: those who want the same price at the same time cause one question, an answer
 * serves for a minute, and no more than a hundred are kept. */
#include <sennit.h>
#include <stdio.h>
#include <string.h>

struct price {
    int cents;
};

typedef sn_map_of_strings(struct price) price_map;

static int questions; /* (a) that the service was asked */

static int ask_service(sn_ctx *ctx, const void *key, void *value, void *arg)
{
    const char *name = key;
    struct price *price = value;
    int r = sn_sleep(ctx, SN_MS(5)); /* stands for the network */

    (void)arg;
    __atomic_add_fetch(&questions, 1, __ATOMIC_RELAXED);
    if (r < 0)
        return r;
    if (strcmp(name, "unicorn") == 0)
        return SN_ENOENT; /* goes to all who ask, and is not kept */
    price->cents = 100 + (int)strlen(name);
    return 0;
}

struct customer {
    price_map prices;
    const char *wants;
};

static int buy(sn_ctx *ctx, void *arg)
{
    struct customer *c = arg;
    struct price price;
    return sn_map_get_or_make(ctx, c->prices, c->wants, &price, ask_service, NULL);
}

static int serve(sn_ctx *ctx, price_map prices)
{
    static const char *const names[] = { "tea", "coffee", "milk" };
    sn_group g;
    int r = 0;

    sn_group_init(&g, ctx);
    for (int i = 0; i < 12 && r == 0; i++) {
        struct customer c = { prices, names[i % 3] };
        r = sn_group_go_copy(&g, buy, &c);
    }
    int e = sn_group_wait(&g);
    return r < 0 ? r : e;
}

static int sum_up(const void *key, void *value, void *arg)
{
    (void)key;
    *(int *)arg += ((struct price *)value)->cents;
    return 0;
}

static int shop(sn_ctx *ctx, price_map prices)
{
    struct price price;
    char name[32];
    int r, sum = 0;

    if ((r = serve(ctx, prices)) < 0)
        return r;
    printf("12 customers, %d questions\n", questions);
    if ((r = sn_map_remove(prices, "tea")) < 0 || (r = serve(ctx, prices)) < 0) /* the price has changed */
        return r;
    printf("12 more, %d questions\n", questions);
    r = sn_map_get_or_make(ctx, prices, "unicorn", &price, ask_service, NULL);
    printf("unicorn: %s\n", sn_error_string(r));
    if ((r = sn_map_put(prices, "free sample", &(struct price){ 0 })) < 0 || (r = sn_map_each(prices, sum_up, &sum)) < 0)
        return r;
    printf("one of each: %d cents\n", sum);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "nail no. %d", i);
        if ((r = sn_map_put(prices, name, &(struct price){ 1 })) < 0)
            return r;
    }
    printf("of 1000 nails: %s\n", sn_map_len(prices) <= 100 ? "no more than 100 are kept" : "too many are kept");
    return 0;
}

static int app(sn_ctx *ctx, void *arg)
{
    price_map prices;
    int r;

    (void)arg;
    if ((r = sn_map_make(&prices, &(sn_map_opts){ .ttl = SN_SEC(60), .max = 100 })) < 0)
        return r;
    r = shop(ctx, prices);
    sn_map_free(prices);
    return r;
}

int main(void)
{
    return sn_run(app, NULL, NULL) < 0;
}
