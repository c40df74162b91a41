/* A bank: tellers transfer money between accounts at the same time, auditors count it meanwhile, and none is ever missing.
 * Each account has a mutex of its own, so that only transfers that share an account wait for each other. It is a mutex and
 * no atomic, because two balances change together. */
#include <sennit.h>
#include <stdio.h>

enum { ACCOUNTS = 8, TELLERS = 16, TRANSFERS = 500, AUDITORS = 2, AUDITS = 50, OPENING = 100 };
enum { MONEY_IS_LOST = SN_EUSER };

struct account {
    sn_mutex m;
    long balance;
};

static struct account accounts[ACCOUNTS];

static int any(int n)
{
    return (int)(sn_random() % (unsigned)n);
}

/* Whether there was enough money. Two accounts are locked, that with the lower number first. If each transfer locked `from`
 * first, then one from 1 to 2 and one from 2 to 1 could have an account each, and wait for the other's for ever. That takes
 * bad luck, which a test seldom has. sn_run_opts.checks, which is on in main, needs none: once both orders have been seen,
 * whenever that was, it reports that "2 locks are taken in a circle, which can deadlock", and where. */
static bool transfer(int from, int to, long amount)
{
    sn_mutex *first = &accounts[from < to ? from : to].m, *second = &accounts[from < to ? to : from].m;

    sn_mutex_lock(first);
    sn_mutex_lock(second);
    long less = accounts[from].balance - amount, more = accounts[to].balance + amount;
    if (less >= 0) {
        sn_yield(); /* others run now, and cannot come between */
        accounts[from].balance = less;
        accounts[to].balance = more;
    }
    sn_mutex_unlock(second);
    sn_mutex_unlock(first);
    return less >= 0;
}

static int teller(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (int i = 0; i < TRANSFERS && sn_ctx_err(ctx) == 0; i++) {
        int from = any(ACCOUNTS), to = (from + 1 + any(ACCOUNTS - 1)) % ACCOUNTS; /* another one */
        (void)transfer(from, to, any(OPENING));
    }
    return sn_ctx_err(ctx);
}

/* All money at one moment: every account is locked, in the same order. */
static int audit(void)
{
    long total = 0, least = 0;

    for (int i = 0; i < ACCOUNTS; i++) {
        sn_mutex_lock(&accounts[i].m);
        total += accounts[i].balance;
        least = accounts[i].balance < least ? accounts[i].balance : least;
    }
    for (int i = 0; i < ACCOUNTS; i++)
        sn_mutex_unlock(&accounts[i].m);
    return total == ACCOUNTS * OPENING && least == 0 ? 0 : MONEY_IS_LOST;
}

static int auditor(sn_ctx *ctx, void *arg)
{
    int r = 0;

    (void)arg;
    for (int i = 0; i < AUDITS && r == 0; i++)
        if ((r = audit()) == 0)
            r = sn_sleep(ctx, SN_US(10));
    return r;
}

static int day(sn_ctx *ctx, void *arg)
{
    sn_group g;
    int r = 0, e;

    (void)arg;
    for (int i = 0; i < ACCOUNTS; i++)
        accounts[i].balance = OPENING;
    sn_group_init(&g, ctx);
    for (int i = 0; i < AUDITORS && r == 0; i++)
        r = sn_group_go(&g, auditor, NULL);
    for (int i = 0; i < TELLERS && r == 0; i++)
        r = sn_group_go(&g, teller, NULL);
    e = sn_group_wait(&g);
    r = r < 0 ? r : e;
    if (r == 0 && (r = audit()) == 0)
        printf("%d transfers between %d accounts, %d audits meanwhile: %d in all, each time\n", TELLERS * TRANSFERS,
               ACCOUNTS, AUDITORS * AUDITS, ACCOUNTS * OPENING);
    return r;
}

static void complain(void *arg, const char *text)
{
    fputs(text, stderr);
    *(bool *)arg = true;
}

int main(void)
{
    bool complaints = false;
    sn_run_opts opts = { .checks = true, .report = complain, .report_arg = &complaints };

    return sn_run(day, NULL, &opts) < 0 || complaints;
}
