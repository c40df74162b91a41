/* Power series as processes: after Doug McIlroy's "Squinting at Power Series", which Go restates in
 * test/chan/powser1.go and, with items behind an interface, in powser2.go.
 *
 * A series is a stream of rational coefficients that makes the next one only when it is asked: a demand channel, one
 * channel for the question and one for the answer. Every operation is a task between demand channels, so a formula
 * is a network of tasks, one that grows while it is read (a product starts another product for each further
 * coefficient) and that feeds back into itself (the exponential needs its own coefficients). One coefficient too
 * many or too few, one lost or doubled wake-up, one answer given to the wrong asker, and the numbers are wrong or
 * the network stands still.
 *
 * Invariants of the network:
 *   1. Who asks takes: after a question, its asker is ready to receive the answer and does nothing first that could
 *      keep it from that.
 *   2. A series that has ended goes on to answer with the end mark.
 *   3. Nobody works ahead: a question is asked only to answer one. Feedback loops live on that. */
#include "sn_test.h"

/* --- rationals --- */

struct rat {
    int64_t num, den; /* reduced, den > 0; den 0 is the end of a series */
};

static const struct rat zero = { 0, 1 }, one = { 1, 1 }, end_mark = { 0, 0 };

static int64_t gcd(int64_t a, int64_t b)
{
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a < 0 ? -a : a;
}

static int64_t times(int64_t a, int64_t b)
{
    int64_t c;
    CHECK(!__builtin_mul_overflow(a, b, &c)); /* the tests stay small on purpose */
    return c;
}

static struct rat rat(int64_t num, int64_t den)
{
    int64_t d = gcd(num, den);
    CHECK(den != 0);
    if (den < 0)
        d = -d;
    return (struct rat){ num / d, den / d };
}

static bool is_end(struct rat a)
{
    return a.den == 0;
}

static struct rat sum(struct rat a, struct rat b)
{
    int64_t d = gcd(a.den, b.den), left = times(a.num, b.den / d), right = times(b.num, a.den / d), n;
    CHECK(!__builtin_add_overflow(left, right, &n));
    return rat(n, times(a.den, b.den / d));
}

static struct rat product(struct rat a, struct rat b)
{
    struct rat x = rat(a.num, b.den), y = rat(b.num, a.den); /* crosswise first: keeps the factors small */
    return (struct rat){ times(x.num, y.num), times(x.den, y.den) };
}

static struct rat negative(struct rat a)
{
    return (struct rat){ -a.num, a.den };
}

/* --- the network --- */

typedef sn_chan_of(struct rat) rat_chan;

/* A demand channel. */
struct series {
    sn_chan_unit ask;
    rat_chan answer;
    struct series *next; /* of all that a net has made, to be freed in the end */
};

struct net {
    sn_group group;
    sn_ctx *ctx;
    size_t cap;            /* of the answer channels: the meaning may not depend on it */
    struct series *made;   /* (atomic) */
    long tasks;            /* (atomic) */
};

/* What a task of the network gets; which fields count depends on the operation. */
struct op {
    struct net *net;
    struct series *u, *v, *z, *z2; /* inputs u and v, outputs z and z2 */
    struct rat c;
    int n;
    const struct rat *poly;
};

static struct series *series(struct net *net)
{
    struct series *s = malloc(sizeof *s);

    CHECK(s);
    CHECK_EQ(sn_chan_unit_make(&s->ask, 0), 0);
    CHECK_EQ(sn_chan_make(&s->answer, net->cap), 0);
    s->next = __atomic_load_n(&net->made, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&net->made, &s->next, s, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        ;
    return s;
}

#define START(fn, ...) start((fn), #fn, (struct op){ __VA_ARGS__ })

static void start(sn_fn *fn, const char *name, struct op op)
{
    const sn_task_opts opts = { .name = name };
    __atomic_fetch_add(&op.net->tasks, 1, __ATOMIC_RELAXED);
    CHECK_EQ(sn_group_go_copy_opts(&op.net->group, fn, &op, &opts), 0);
}

/* The four steps. Each answers false when the network is being torn down. */

static bool asked(struct op *op)
{
    return sn_chan_unit_recv(op->net->ctx, op->z->ask) == 0;
}

static bool reply(struct op *op, struct rat value)
{
    return sn_chan_send(op->net->ctx, op->z->answer, &value) == 0;
}

static bool get(struct net *net, struct series *s, struct rat *value)
{
    return sn_chan_unit_send(net->ctx, s->ask) == 0 && sn_chan_recv(net->ctx, s->answer, value) == 0;
}

static bool put(struct op *op, struct rat value)
{
    return asked(op) && reply(op, value);
}

static void put_end(struct op *op)
{
    while (put(op, end_mark))
        ;
}

/* From here on, z is u. */
static void forward(struct op *op, struct series *u)
{
    struct rat a;
    while (asked(op) && get(op->net, u, &a) && reply(op, a))
        ;
}

/* Asks both at once and takes the answers in whatever order they come: either may depend on somebody who waits for
 * the other. What is done is taken out of the select by an empty handle. */
static bool get_both(struct net *net, struct series *u, struct series *v, struct rat *a, struct rat *b)
{
    enum { ASK_U, ASK_V, FROM_U, FROM_V, CASES };
    const sn_chan_unit no_ask = { 0 };
    const rat_chan no_answer = { 0 };
    sn_case cases[CASES] = {
        [ASK_U] = sn_on_unit_send(u->ask), [FROM_U] = sn_on_recv(no_answer, a),
        [ASK_V] = sn_on_unit_send(v->ask), [FROM_V] = sn_on_recv(no_answer, b),
    };

    for (int steps = 0; steps < CASES; steps++) {
        switch (sn_select(net->ctx, cases, CASES)) {
        case ASK_U:
            cases[ASK_U] = sn_on_unit_send(no_ask);
            cases[FROM_U] = sn_on_recv(u->answer, a);
            break;
        case ASK_V:
            cases[ASK_V] = sn_on_unit_send(no_ask);
            cases[FROM_V] = sn_on_recv(v->answer, b);
            break;
        case FROM_U:
            cases[FROM_U] = sn_on_recv(no_answer, a);
            break;
        case FROM_V:
            cases[FROM_V] = sn_on_recv(no_answer, b);
            break;
        default:
            return false;
        }
    }
    return true;
}

/* --- one series for two readers --- */

/* One of the two outputs: how far it has been read, and whether it has asked for more. */
struct reader {
    struct series *z;
    int next;
    bool wants;
};

/* What has been received from u, from coefficient `first` on; what both readers have had is dropped. */
struct store {
    struct rat *values;
    int first, count, room;
};

static void store_add(struct store *s, struct rat value)
{
    if (s->count == s->room) {
        s->room = s->room ? 2 * s->room : 8;
        CHECK((s->values = realloc(s->values, (size_t)s->room * sizeof *s->values)) != NULL);
    }
    s->values[s->count++] = value;
}

static void store_drop(struct store *s, int before)
{
    int n = before - s->first;
    memmove(s->values, s->values + n, (size_t)(s->count - n) * sizeof *s->values);
    s->first = before;
    s->count -= n;
}

/* Two copies of u, read at different speeds. While it waits for u, it must go on serving the reader that is behind,
 * since u may depend on that; so everything is one select, in which only the cases that make sense now have a
 * channel. */
static int split_task(sn_ctx *ctx, void *arg)
{
    enum { ASKED, REPLY = 2, ASK = 4, ANSWER, CASES };
    const sn_chan_unit no_ask = { 0 };
    const rat_chan no_answer = { 0 };
    struct op *op = arg;
    struct reader readers[2] = { { .z = op->z }, { .z = op->z2 } };
    struct store store = { 0 };
    bool waiting = false; /* for u's answer */
    int k;

    do {
        struct rat answer = end_mark;
        bool short_of = false;
        sn_case cases[CASES];
        for (int i = 0; i < 2; i++) {
            struct reader *r = &readers[i];
            bool has = r->next < store.first + store.count;
            cases[ASKED + i] = sn_on_unit_recv(r->wants ? no_ask : r->z->ask);
            cases[REPLY + i] = r->wants && has
                                   ? sn_on_send(r->z->answer, (const struct rat *)&store.values[r->next - store.first])
                                   : sn_on_recv(no_answer, &answer);
            short_of |= r->wants && !has;
        }
        cases[ASK] = sn_on_unit_send(short_of && !waiting ? op->u->ask : no_ask);
        cases[ANSWER] = sn_on_recv(waiting ? op->u->answer : no_answer, &answer);
        k = sn_select(ctx, cases, CASES);
        if (k == ASK || k == ANSWER) {
            waiting = k == ASK;
            if (k == ANSWER)
                store_add(&store, answer);
        } else if (k >= REPLY) {
            readers[k - REPLY].wants = false;
            readers[k - REPLY].next++;
            store_drop(&store, readers[0].next < readers[1].next ? readers[0].next : readers[1].next);
        } else if (k >= 0) {
            readers[k].wants = true;
        }
    } while (k >= 0);
    free(store.values);
    return 0;
}

/* --- operations --- */

static int repeat_task(sn_ctx *ctx, void *arg)
{
    struct op *op = arg;
    (void)ctx;
    while (put(op, op->c))
        ;
    return 0;
}

static int poly_task(sn_ctx *ctx, void *arg)
{
    struct op *op = arg;
    (void)ctx;
    for (int i = 0; i < op->n; i++)
        if (!put(op, op->poly[i]))
            return 0;
    put_end(op);
    return 0;
}

static int add_task(sn_ctx *ctx, void *arg)
{
    struct op *op = arg;
    struct rat a, b;

    (void)ctx;
    while (asked(op) && get_both(op->net, op->u, op->v, &a, &b)) {
        if (is_end(a) || is_end(b)) {
            if (reply(op, is_end(a) ? b : a))
                forward(op, is_end(a) ? op->v : op->u);
            return 0;
        }
        if (!reply(op, sum(a, b)))
            return 0;
    }
    return 0;
}

/* c times u. */
static int scale_task(sn_ctx *ctx, void *arg)
{
    struct op *op = arg;
    struct rat a;
    (void)ctx;
    while (asked(op) && get(op->net, op->u, &a) && reply(op, is_end(a) ? a : product(op->c, a)))
        ;
    return 0;
}

/* c n times, and then u: u times x^n for c zero. */
static int delay_task(sn_ctx *ctx, void *arg)
{
    struct op *op = arg;
    (void)ctx;
    for (int i = 0; i < op->n; i++)
        if (!put(op, op->c))
            return 0;
    forward(op, op->u);
    return 0;
}

static int diff_task(sn_ctx *ctx, void *arg)
{
    struct op *op = arg;
    struct rat a = zero;

    (void)ctx;
    for (int i = 0; asked(op); i++) {
        if (i == 0 && !get(op->net, op->u, &a))
            return 0;
        if (!is_end(a) && !get(op->net, op->u, &a))
            return 0;
        if (!reply(op, is_end(a) ? a : product(rat(i + 1, 1), a)))
            return 0;
    }
    return 0;
}

/* The integral of u with constant term c. It gives the constant before it asks u for anything. */
static int integ_task(sn_ctx *ctx, void *arg)
{
    struct op *op = arg;
    struct rat a;

    (void)ctx;
    if (!put(op, op->c))
        return 0;
    for (int i = 1; asked(op) && get(op->net, op->u, &a) && reply(op, is_end(a) ? a : product(rat(1, i), a)); i++)
        ;
    return 0;
}

/* (1 + x)^c */
static int binom_task(sn_ctx *ctx, void *arg)
{
    struct op *op = arg;
    struct rat c = op->c, t = one;

    (void)ctx;
    for (int i = 1; t.num != 0; i++) {
        if (!put(op, t))
            return 0;
        t = product(product(t, c), rat(1, i));
        c = sum(c, rat(-1, 1));
    }
    put_end(op);
    return 0;
}

/* u at c x^n: coefficient i is multiplied by c^i and followed by n - 1 zeros. */
static int monomial_task(sn_ctx *ctx, void *arg)
{
    struct op *op = arg;
    struct rat a, power = one;

    (void)ctx;
    for (int i = 0; asked(op); i = (i + 1) % op->n) {
        if (i > 0) {
            if (!reply(op, zero))
                return 0;
            continue;
        }
        if (!get(op->net, op->u, &a) || !reply(op, is_end(a) ? a : product(a, power)))
            return 0;
        if (is_end(a)) {
            put_end(op);
            return 0;
        }
        power = product(power, op->c);
    }
    return 0;
}

/* --- formulas: each starts the tasks it needs and returns the series that comes out --- */

static struct series *repeat(struct net *net, struct rat c)
{
    struct series *z = series(net);
    START(repeat_task, .net = net, .z = z, .c = c);
    return z;
}

static struct series *poly(struct net *net, const struct rat *coefficients, int n)
{
    struct series *z = series(net);
    START(poly_task, .net = net, .z = z, .poly = coefficients, .n = n);
    return z;
}

static struct series *add(struct net *net, struct series *u, struct series *v)
{
    struct series *z = series(net);
    START(add_task, .net = net, .z = z, .u = u, .v = v);
    return z;
}

static struct series *scale(struct net *net, struct rat c, struct series *u)
{
    struct series *z = series(net);
    START(scale_task, .net = net, .z = z, .u = u, .c = c);
    return z;
}

static struct series *delay(struct net *net, struct rat c, int n, struct series *u)
{
    struct series *z = series(net);
    START(delay_task, .net = net, .z = z, .u = u, .c = c, .n = n);
    return z;
}

static struct series *diff(struct net *net, struct series *u)
{
    struct series *z = series(net);
    START(diff_task, .net = net, .z = z, .u = u);
    return z;
}

static struct series *integ(struct net *net, struct rat c, struct series *u)
{
    struct series *z = series(net);
    START(integ_task, .net = net, .z = z, .u = u, .c = c);
    return z;
}

static struct series *binom(struct net *net, struct rat c)
{
    struct series *z = series(net);
    START(binom_task, .net = net, .z = z, .c = c);
    return z;
}

static struct series *monomial(struct net *net, struct series *u, struct rat c, int n)
{
    struct series *z = series(net);
    START(monomial_task, .net = net, .z = z, .u = u, .c = c, .n = n);
    return z;
}

struct pair {
    struct series *a, *b;
};

static void split_into(struct net *net, struct series *u, struct pair z)
{
    START(split_task, .net = net, .u = u, .z = z.a, .z2 = z.b);
}

static struct pair split(struct net *net, struct series *u)
{
    struct pair z = { series(net), series(net) };
    split_into(net, u, z);
    return z;
}

static struct series *mul(struct net *net, struct series *u, struct series *v);

/* (a + x U)(b + x V) = ab + x (aV + bU + x UV): the first coefficients are known at once, the rest is three
 * products, the last of which is a task like this one. */
static int mul_task(sn_ctx *ctx, void *arg)
{
    struct op *op = arg;
    struct net *net = op->net;
    struct rat a, b;

    (void)ctx;
    if (!asked(op) || !get_both(net, op->u, op->v, &a, &b))
        return 0;
    if (is_end(a) || is_end(b)) {
        if (reply(op, end_mark))
            put_end(op);
        return 0;
    }
    if (!reply(op, product(a, b)) || !asked(op)) /* what follows is not begun before it is asked for */
        return 0;
    struct pair u = split(net, op->u), v = split(net, op->v);
    struct series *cross = add(net, scale(net, a, v.a), scale(net, b, u.a));
    struct series *rest = add(net, cross, delay(net, zero, 1, mul(net, u.b, v.b)));
    if (get(net, rest, &a) && reply(op, a))
        forward(op, rest);
    return 0;
}

static struct series *mul(struct net *net, struct series *u, struct series *v)
{
    struct series *z = series(net);
    START(mul_task, .net = net, .z = z, .u = u, .v = v);
    return z;
}

/* Z = 1/U: (a + x U) Z = 1, so Z = 1/a - x U Z / a. Z is made from itself. */
static int recip_task(sn_ctx *ctx, void *arg)
{
    struct op *op = arg;
    struct net *net = op->net;
    struct pair z = { series(net), series(net) };
    struct rat a;

    (void)ctx;
    if (!asked(op) || !get(net, op->u, &a))
        return 0;
    CHECK(a.num != 0);
    struct rat first = rat(a.den, a.num);
    split_into(net, scale(net, negative(first), mul(net, op->u, delay(net, first, 1, z.a))), z);
    if (reply(op, first))
        forward(op, z.b);
    return 0;
}

static struct series *recip(struct net *net, struct series *u)
{
    struct series *z = series(net);
    START(recip_task, .net = net, .z = z, .u = u);
    return z;
}

/* exp U for U without a constant term (it is ignored): Z' = Z U', so Z is the integral of Z U' from 1. */
static struct series *exponential(struct net *net, struct series *u)
{
    struct pair z = { series(net), series(net) };
    split_into(net, integ(net, one, mul(net, z.a, diff(net, u))), z);
    return z.b;
}

static struct series *compose(struct net *net, struct series *u, struct series *v);

/* U(V) for V = x W: (a + x U)(x W) = a + x W U(V). The first coefficient does not need V: feedback may go through V. */
static int compose_task(sn_ctx *ctx, void *arg)
{
    struct op *op = arg;
    struct net *net = op->net;
    struct rat a, b;

    (void)ctx;
    if (!put(op, zero) || !asked(op))
        return 0;
    struct pair v = split(net, op->v);
    if (!get(net, v.a, &b))
        return 0;
    CHECK(b.num == 0 && !is_end(b));
    struct series *rest = mul(net, v.a, compose(net, op->u, v.b));
    if (get(net, rest, &a) && reply(op, a))
        forward(op, rest);
    return 0;
}

/* The task above makes x W U(V), whose constant term is zero, for the U that is left after a. */
static int compose_first(sn_ctx *ctx, void *arg)
{
    struct op *op = arg;
    struct net *net = op->net;
    struct rat a, b;
    struct series *rest;

    (void)ctx;
    if (!asked(op) || !get(net, op->u, &a) || !reply(op, a))
        return 0;
    if (is_end(a)) {
        put_end(op);
        return 0;
    }
    rest = series(net);
    START(compose_task, .net = net, .z = rest, .u = op->u, .v = op->v);
    if (get(net, rest, &b)) /* its zero, in whose place a went out */
        forward(op, rest);
    return 0;
}

static struct series *compose(struct net *net, struct series *u, struct series *v)
{
    struct series *z = series(net);
    START(compose_first, .net = net, .z = z, .u = u, .v = v);
    return z;
}

/* R with U(R) = x, for U = x W: R = x / W(R). Go's test leaves this one out. */
static struct series *inverse(struct net *net, struct series *u)
{
    struct pair r = { series(net), series(net) };
    struct rat a;

    CHECK(get(net, u, &a) && a.num == 0 && !is_end(a));
    split_into(net, delay(net, zero, 1, recip(net, compose(net, u, r.a))), r);
    return r.b;
}

/* --- checks --- */

enum { N = 10 };

static void expect(struct net *net, struct series *u, const struct rat want[], int n)
{
    for (int i = 0; i < n; i++) {
        struct rat got;
        CHECK(get(net, u, &got));
        if (got.num != want[i].num || got.den != want[i].den) {
            fprintf(stderr, "coefficient %d is %" PRId64 "/%" PRId64 ", not %" PRId64 "/%" PRId64 "\n", i, got.num,
                    got.den, want[i].num, want[i].den);
            test_failed();
        }
    }
}

#define EXPECT(net, u, ...)                                                     \
    do {                                                                        \
        const struct rat want_[] = { __VA_ARGS__ };                             \
        expect((net), (u), want_, (int)(sizeof want_ / sizeof *want_));         \
    } while (0)

static void net_open(struct net *net, sn_ctx *ctx, size_t cap)
{
    *net = (struct net){ .cap = cap };
    net->ctx = sn_group_init(&net->group, ctx);
    CHECK_RESULT(SN_ENOMEM, net->ctx);
}

/* Tears the network down wherever it stands: nobody may stay behind in a channel. */
static void net_close(struct net *net)
{
    sn_group_cancel(&net->group);
    CHECK_EQ(sn_group_wait(&net->group), 0);
    CHECK(net->tasks > 0);
    for (struct series *s = net->made, *next; s; s = next) {
        next = s->next;
        sn_chan_free(s->ask);
        sn_chan_free(s->answer);
        free(s);
    }
}

/* Runs fn over networks whose answers go directly and through a buffer. */
static int with_net(sn_ctx *ctx, void *arg)
{
    void (*fn)(struct net *) = *(void (**)(struct net *))arg;
    for (size_t cap = 0; cap < 2; cap++) {
        struct net net;
        net_open(&net, ctx, cap);
        fn(&net);
        net_close(&net);
    }
    return 0;
}

static void run_net(void (*fn)(struct net *))
{
    run_each(with_net, &fn);
}

static struct series *ones(struct net *net)
{
    return repeat(net, one);
}

/* x, x^2/2, x^3/3 ..: the logarithm of 1/(1 - x). */
static struct series *minus_log(struct net *net)
{
    return integ(net, zero, ones(net));
}

static struct series *arctan(struct net *net)
{
    return integ(net, zero, monomial(net, ones(net), rat(-1, 1), 2));
}

/* Property: a task between channels gives exactly one answer to each question, whether its input goes on for ever or
 * ends. Interleaving: an adder asks both inputs in one select and takes the answers in either order. */
static void linear(struct net *net)
{
    static const struct rat three[] = { { 5, 1 }, { 0, 1 }, { 7, 2 } };

    EXPECT(net, add(net, ones(net), repeat(net, rat(2, 1))), { 3, 1 }, { 3, 1 }, { 3, 1 }, { 3, 1 });
    EXPECT(net, add(net, ones(net), scale(net, rat(-1, 1), repeat(net, rat(5, 2)))), { -3, 2 }, { -3, 2 }, { -3, 2 });
    EXPECT(net, add(net, poly(net, three, 3), ones(net)), { 6, 1 }, { 1, 1 }, { 9, 2 }, { 1, 1 }, { 1, 1 });
    EXPECT(net, add(net, poly(net, three, 3), poly(net, three, 1)), { 10, 1 }, { 0, 1 }, { 7, 2 }, { 0, 0 }, { 0, 0 });
    EXPECT(net, delay(net, zero, 3, ones(net)), { 0, 1 }, { 0, 1 }, { 0, 1 }, { 1, 1 }, { 1, 1 });
    EXPECT(net, diff(net, ones(net)), { 1, 1 }, { 2, 1 }, { 3, 1 }, { 4, 1 }, { 5, 1 }, { 6, 1 });
    EXPECT(net, diff(net, poly(net, three, 3)), { 0, 1 }, { 7, 1 }, { 0, 0 }, { 0, 0 });
    EXPECT(net, diff(net, poly(net, three, 0)), { 0, 0 }, { 0, 0 });
    EXPECT(net, minus_log(net), { 0, 1 }, { 1, 1 }, { 1, 2 }, { 1, 3 }, { 1, 4 }, { 1, 5 });
    EXPECT(net, integ(net, rat(4, 1), poly(net, three, 3)), { 4, 1 }, { 5, 1 }, { 0, 1 }, { 7, 6 }, { 0, 0 });
    EXPECT(net, monomial(net, poly(net, three, 3), rat(2, 1), 2), { 5, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 14, 1 },
           { 0, 1 }, { 0, 0 }, { 0, 0 });
    EXPECT(net, arctan(net), { 0, 1 }, { 1, 1 }, { 0, 1 }, { -1, 3 }, { 0, 1 }, { 1, 5 }, { 0, 1 }, { -1, 7 });
}

TEST(sums_derivatives_and_integrals)
{
    run_net(linear);
}

/* Property: two readers of one stream see the same values, however far one runs ahead, and a stream that nobody asks
 * makes nothing. Interleaving: first one reader alone, then the other alone, then both in turn. */
static void two_readers(struct net *net)
{
    struct pair z = split(net, diff(net, ones(net)));
    struct rat a;
    int left = 0, right = 0;

    for (int round = 0; round < 60; round++) {
        bool first = round < 20 || (round >= 40 && round % 2);
        CHECK(get(net, first ? z.a : z.b, &a));
        CHECK_EQ(a.den, 1);
        CHECK_EQ(a.num, first ? ++left : ++right);
    }
    CHECK_EQ(left, 30);
    CHECK_EQ(right, 30);
}

TEST(two_readers_at_different_speeds)
{
    run_net(two_readers);
}

/* Property: a network that grows while it is read gives each coefficient once. Interleaving: every further
 * coefficient of a product starts another product behind two splits. */
static void products(struct net *net)
{
    static const struct rat u[] = { { 1, 1 }, { 2, 1 }, { 3, 1 } }, v[] = { { 4, 1 }, { -5, 1 } };

    EXPECT(net, mul(net, ones(net), ones(net)), { 1, 1 }, { 2, 1 }, { 3, 1 }, { 4, 1 }, { 5, 1 }, { 6, 1 }, { 7, 1 });
    EXPECT(net, mul(net, poly(net, u, 3), poly(net, v, 2)), { 4, 1 }, { 3, 1 }, { 2, 1 }, { -15, 1 });
    EXPECT(net, mul(net, poly(net, u, 3), poly(net, v, 0)), { 0, 0 });
    EXPECT(net, mul(net, binom(net, rat(1, 2)), binom(net, rat(1, 2))), { 1, 1 }, { 1, 1 }, { 0, 1 }, { 0, 1 },
           { 0, 1 }, { 0, 1 }, { 0, 1 });
    EXPECT(net, binom(net, rat(1, 2)), { 1, 1 }, { 1, 2 }, { -1, 8 }, { 1, 16 }, { -5, 128 }, { 7, 256 });
    EXPECT(net, binom(net, rat(4, 1)), { 1, 1 }, { 4, 1 }, { 6, 1 }, { 4, 1 }, { 1, 1 }, { 0, 0 });
}

TEST(products)
{
    run_net(products);
}

/* Property: a network that feeds on its own output neither stands still nor runs ahead. Interleaving: the split in
 * the loop waits for the coefficient that it helps to make, and serves the reader behind it meanwhile. */
static void reciprocals(struct net *net)
{
    static const struct rat fib[] = { { 1, 1 }, { -1, 1 }, { -1, 1 } };

    EXPECT(net, recip(net, ones(net)), { 1, 1 }, { -1, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 });
    EXPECT(net, recip(net, poly(net, fib, 3)), { 1, 1 }, { 1, 1 }, { 2, 1 }, { 3, 1 }, { 5, 1 }, { 8, 1 }, { 13, 1 },
           { 21, 1 }, { 34, 1 }, { 55, 1 });
    struct pair e = split(net, exponential(net, minus_log(net)));
    EXPECT(net, mul(net, e.a, recip(net, e.b)), { 1, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 }, { 0, 1 });
}

TEST(reciprocals)
{
    run_net(reciprocals);
}

/* Property and interleaving: as for reciprocals, with a derivative and an integral in the loop. The coefficients of
 * exp(1/(1 - x) - 1) are those that Go's test has too. */
static void exponentials(struct net *net)
{
    static const struct rat x[] = { { 0, 1 }, { 1, 1 } };

    EXPECT(net, exponential(net, poly(net, x, 2)), { 1, 1 }, { 1, 1 }, { 1, 2 }, { 1, 6 }, { 1, 24 }, { 1, 120 },
           { 1, 720 }, { 1, 5040 }, { 1, 40320 });
    EXPECT(net, exponential(net, minus_log(net)), { 1, 1 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 1, 1 }, { 1, 1 });
    EXPECT(net, exponential(net, ones(net)), { 1, 1 }, { 1, 1 }, { 3, 2 }, { 13, 6 }, { 73, 24 }, { 167, 40 },
           { 4051, 720 }, { 37633, 5040 }, { 43817, 4480 }, { 4596553, 362880 });
}

TEST(exponentials)
{
    run_net(exponentials);
}

/* Property: recursion that starts tasks which start tasks, each level reading the same two series. Interleaving: a
 * chain of splits of one series, each generation reading behind the one before. */
static void compositions(struct net *net)
{
    static const struct rat golden[] = { { 0, 1 }, { 1, 1 }, { 1, 1 } }, shift[] = { { 0, 1 }, { 1, 1 } };
    struct series *log1p = integ(net, zero, monomial(net, ones(net), rat(-1, 1), 1));

    EXPECT(net, compose(net, ones(net), poly(net, golden, 3)), { 1, 1 }, { 1, 1 }, { 2, 1 }, { 3, 1 }, { 5, 1 },
           { 8, 1 }, { 13, 1 }, { 21, 1 });
    EXPECT(net, compose(net, exponential(net, poly(net, shift, 2)), log1p), { 1, 1 }, { 1, 1 }, { 0, 1 }, { 0, 1 },
           { 0, 1 }, { 0, 1 });
    EXPECT(net, compose(net, poly(net, golden, 3), poly(net, shift, 2)), { 0, 1 }, { 1, 1 }, { 1, 1 });
}

TEST(compositions)
{
    run_net(compositions);
}

/* Property: three ways to the tangent agree: as the inverse of the arctangent, as the solution of T' = 1 + T^2, and
 * as the sine through the cosine, which are made from one another. Interleaving: loops within loops. */
static void tangents(struct net *net)
{
    static const struct rat tan[N] = { { 0, 1 }, { 1, 1 }, { 0, 1 }, { 1, 3 },    { 0, 1 },
                                       { 2, 15 }, { 0, 1 }, { 17, 315 }, { 0, 1 }, { 62, 2835 } };
    struct pair t = { series(net), series(net) };
    struct pair sine = { series(net), series(net) }, cosine = { series(net), series(net) };

    expect(net, inverse(net, arctan(net)), tan, 8);

    struct pair square = split(net, t.a);
    split_into(net, integ(net, zero, add(net, poly(net, &one, 1), mul(net, square.a, square.b))), t);
    expect(net, t.b, tan, N);

    split_into(net, integ(net, zero, cosine.a), sine);
    split_into(net, integ(net, one, scale(net, rat(-1, 1), sine.a)), cosine);
    expect(net, mul(net, sine.b, recip(net, cosine.b)), tan, N);
}

TEST(tangents)
{
    run_net(tangents);
}

/* Property: a network can be torn down at any moment, with tasks parked in every kind of operation, and nothing is
 * left. Interleaving: the cancellation meets a network that still works on an answer that nobody waits for. */
static int torn_down(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < 12; i++) {
        struct net net;
        struct rat a;
        net_open(&net, ctx, (size_t)i % 2);
        struct series *u = exponential(&net, mul(&net, ones(&net), minus_log(&net)));
        for (int k = 0; k < i % 6; k++)
            CHECK(get(&net, u, &a));
        CHECK_EQ(sn_chan_unit_send(net.ctx, u->ask), 0);
        net_close(&net);
    }
    return 0;
}

TEST(torn_down_at_any_moment)
{
    run_each(torn_down, NULL);
}
