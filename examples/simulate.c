/* Four bugs that tests seldom show, and that a search by simulation finds at once: a lost wake-up, a check that is no
 * longer true when it is acted upon, a deadlock of two locks, and a task that is left behind. */
#include <sennit.h>
#include <stdio.h>

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

/* --- The flag may be set between the look at it and the wait: then nobody signals any more. --- */

struct flag {
    sn_mutex m;
    sn_cond c;
    bool set;
};

static int look_then_wait(sn_ctx *ctx, void *arg)
{
    struct flag *f = arg;

    (void)ctx;
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

static int set_and_signal(sn_ctx *ctx, void *arg)
{
    struct flag *f = arg;

    (void)ctx;
    sn_mutex_lock(&f->m);
    f->set = true;
    sn_mutex_unlock(&f->m);
    sn_cond_signal(&f->c);
    return 0;
}

static int lost_wakeup(sn_ctx *ctx, void *arg)
{
    struct flag f = { .set = false };

    (void)arg;
    return both(ctx, look_then_wait, set_and_signal, &f);
}

/* --- Both may find the account full enough. --- */

struct account {
    sn_mutex m;
    int balance;
};

static int withdraw(sn_ctx *ctx, void *arg)
{
    struct account *a = arg;

    (void)ctx;
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

static int check_then_act(sn_ctx *ctx, void *arg)
{
    struct account a = { .balance = 100 };

    (void)arg;
    int r = both(ctx, withdraw, withdraw, &a);
    return a.balance < 0 ? SN_EUSER : r;
}

/* --- Each may have one lock and want the other. --- */

struct locks {
    sn_mutex left, right;
};

static int left_then_right(sn_ctx *ctx, void *arg)
{
    struct locks *l = arg;

    (void)ctx;
    sn_mutex_lock(&l->left);
    sn_mutex_lock(&l->right);
    sn_mutex_unlock(&l->right);
    sn_mutex_unlock(&l->left);
    return 0;
}

static int right_then_left(sn_ctx *ctx, void *arg)
{
    struct locks *l = arg;

    (void)ctx;
    sn_mutex_lock(&l->right);
    sn_mutex_lock(&l->left);
    sn_mutex_unlock(&l->left);
    sn_mutex_unlock(&l->right);
    return 0;
}

static int two_locks(sn_ctx *ctx, void *arg)
{
    struct locks l = { { { 0 } }, { { 0 } } };

    (void)arg;
    return both(ctx, left_then_right, right_then_left, &l);
}

/* --- Who asked has lost patience: the answer goes to nobody, for ever. --- */

static int_chan answers;

static int answer(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    return sn_chan_send(sn_background(), answers, &(int){ 42 });
}

static int leaked_task(sn_ctx *ctx, void *arg)
{
    sn_ctx *soon;
    int r, value;

    (void)arg;
    if ((r = sn_chan_make(&answers, 0)) < 0 || (r = sn_task_go(answer, NULL)) < 0 ||
        (r = sn_ctx_with_timeout(&soon, ctx, SN_US(50))) < 0)
        return r;
    r = sn_chan_recv(soon, answers, &value);
    sn_ctx_free(soon);
    return r == SN_ETIMEDOUT ? 0 : r;
}

static int search(const char *name, sn_fn *fn)
{
    int r = sn_sim_explore(fn, NULL, &(sn_sim_opts){ .quiet = true });

    printf("%s: %s\n", name, r == 1 ? "found" : r == 0 ? "not found" : sn_error_string(r));
    return r == 1 ? 0 : 1;
}

int main(void)
{
    return search("lost wake-up", lost_wakeup) + search("check, then act", check_then_act) +
           search("two locks", two_locks) + search("leaked task", leaked_task);
}
