// cache.c in C++.
#include <sennit.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <string>

struct price {
    int cents;
};

typedef sn_map_of_strings(price) price_map;

static std::atomic<int> questions; // that the service was asked

static int ask_service(sn_ctx *ctx, const void *key, void *value, void *)
{
    auto *name = static_cast<const char *>(key);
    int r = sn_sleep(ctx, SN_MS(5)); // stands for the network

    ++questions;
    if (r < 0)
        return r;
    if (std::strcmp(name, "unicorn") == 0)
        return SN_ENOENT; // goes to all who ask, and is not kept
    static_cast<price *>(value)->cents = 100 + static_cast<int>(std::strlen(name));
    return 0;
}

struct customer {
    price_map prices;
    const char *wants;
};

static int buy(sn_ctx *ctx, void *arg)
{
    auto *c = static_cast<customer *>(arg);
    price p;
    return sn_map_get_or_make(ctx, c->prices, c->wants, &p, ask_service, nullptr);
}

static int serve(sn_ctx *ctx, price_map prices)
{
    static const char *const names[] = { "tea", "coffee", "milk" };
    sn_group g;
    int r = 0;

    sn_group_init(&g, ctx);
    for (int i = 0; i < 12 && r == 0; i++) {
        customer c = { prices, names[i % 3] };
        r = sn_group_go_copy(&g, buy, &c);
    }
    int e = sn_group_wait(&g);
    return r < 0 ? r : e;
}

static int sum_up(const void *, void *value, void *arg)
{
    *static_cast<int *>(arg) += static_cast<price *>(value)->cents;
    return 0;
}

static int shop(sn_ctx *ctx, price_map prices)
{
    const price sample = { 0 }, nail = { 1 };
    price p;
    int r, sum = 0;

    if ((r = serve(ctx, prices)) < 0)
        return r;
    std::printf("12 customers, %d questions\n", questions.load());
    if ((r = sn_map_remove(prices, "tea")) < 0 || (r = serve(ctx, prices)) < 0) // the price has changed
        return r;
    std::printf("12 more, %d questions\n", questions.load());
    r = sn_map_get_or_make(ctx, prices, "unicorn", &p, ask_service, nullptr);
    std::printf("unicorn: %s\n", sn_error_string(r));
    if ((r = sn_map_put(prices, "free sample", &sample)) < 0 || (r = sn_map_each(prices, sum_up, &sum)) < 0)
        return r;
    std::printf("one of each: %d cents\n", sum);
    for (int i = 0; i < 1000; i++) {
        std::string name = "nail no. " + std::to_string(i);
        if ((r = sn_map_put(prices, name.c_str(), &nail)) < 0)
            return r;
    }
    std::printf("of 1000 nails: %s\n", sn_map_len(prices) <= 100 ? "no more than 100 are kept" : "too many are kept");
    return 0;
}

static int app(sn_ctx *ctx, void *)
{
    sn_map_opts opts = {};
    price_map prices;
    int r;

    opts.ttl = SN_SEC(60);
    opts.max = 100;
    if ((r = sn_map_make(&prices, &opts)) < 0)
        return r;
    r = shop(ctx, prices);
    sn_map_free(prices);
    return r;
}

int main()
{
    return sn_run(app, nullptr, nullptr) < 0;
}
