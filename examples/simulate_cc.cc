// simulate.c in C++.
#include <sennit.h>

#include <cstdio>

typedef sn_chan_of(int) int_chan;

static int both(sn_ctx *ctx, sn_fn *a, sn_fn *b, void *arg)
{
    sn_group g;
    int r;

    sn_group_init(&g, ctx);
    if ((r = sn_group_go(&g, a, arg)) == 0)
        r = sn_group_go(&g, b, arg);
    int e = sn_group_wait(&g);
    return r < 0 ? r : e;
}

// --- The flag may be set between the look at it and the wait: then nobody signals any more. ---

struct flag {
    sn_mutex m;
    sn_cond c;
    bool set;
};

static int look_then_wait(sn_ctx *, void *arg)
{
    auto *f = static_cast<flag *>(arg);

    sn_mutex_lock(&f->m);
    bool set = f->set;
    sn_mutex_unlock(&f->m);
    if (set)
        return 0;
    sn_mutex_lock(&f->m);
    sn_cond_wait(&f->c, &f->m);
    sn_mutex_unlock(&f->m);
    return 0;
}

static int set_and_signal(sn_ctx *, void *arg)
{
    auto *f = static_cast<flag *>(arg);

    sn_mutex_lock(&f->m);
    f->set = true;
    sn_mutex_unlock(&f->m);
    sn_cond_signal(&f->c);
    return 0;
}

static int lost_wakeup(sn_ctx *ctx, void *)
{
    flag f = {};

    return both(ctx, look_then_wait, set_and_signal, &f);
}

// --- Both may find the account full enough. ---

struct account {
    sn_mutex m;
    int balance;
};

static int withdraw(sn_ctx *, void *arg)
{
    auto *a = static_cast<account *>(arg);

    sn_mutex_lock(&a->m);
    bool enough = a->balance >= 70;
    sn_mutex_unlock(&a->m);
    if (!enough)
        return 0;
    sn_mutex_lock(&a->m);
    a->balance -= 70;
    sn_mutex_unlock(&a->m);
    return 0;
}

static int check_then_act(sn_ctx *ctx, void *)
{
    account a = {};

    a.balance = 100;

    int r = both(ctx, withdraw, withdraw, &a);
    return a.balance < 0 ? SN_EUSER : r;
}

// --- Each may have one lock and want the other. ---

struct locks {
    sn_mutex left, right;
};

static int left_then_right(sn_ctx *, void *arg)
{
    auto *l = static_cast<locks *>(arg);

    sn_mutex_lock(&l->left);
    sn_mutex_lock(&l->right);
    sn_mutex_unlock(&l->right);
    sn_mutex_unlock(&l->left);
    return 0;
}

static int right_then_left(sn_ctx *, void *arg)
{
    auto *l = static_cast<locks *>(arg);

    sn_mutex_lock(&l->right);
    sn_mutex_lock(&l->left);
    sn_mutex_unlock(&l->left);
    sn_mutex_unlock(&l->right);
    return 0;
}

static int two_locks(sn_ctx *ctx, void *)
{
    locks l = {};

    return both(ctx, left_then_right, right_then_left, &l);
}

// --- Who asked has lost patience: the answer goes to nobody, for ever. ---

static int_chan answers;

static int answer(sn_ctx *, void *)
{
    const int value = 42;

    return sn_chan_send(sn_background(), answers, &value);
}

static int leaked_task(sn_ctx *ctx, void *)
{
    sn_ctx *soon;
    int r, value;

    if ((r = sn_chan_make(&answers, 0)) < 0 || (r = sn_task_go(answer, nullptr)) < 0 ||
        (r = sn_ctx_with_timeout(&soon, ctx, SN_US(50))) < 0)
        return r;
    r = sn_chan_recv(soon, answers, &value);
    sn_ctx_free(soon);
    return r == SN_ETIMEDOUT ? 0 : r;
}

static int search(const char *name, sn_fn *fn)
{
    sn_sim_opts opts = {};

    opts.quiet = true;
    int r = sn_sim_explore(fn, nullptr, &opts);

    std::printf("%s: %s\n", name, r == 1 ? "found" : r == 0 ? "not found" : sn_error_string(r));
    return r == 1 ? 0 : 1;
}

int main()
{
    return search("lost wake-up", lost_wakeup) + search("check, then act", check_then_act) +
           search("two locks", two_locks) + search("leaked task", leaked_task);
}
