/* `sennit run`: a command once per input, with a pool.
 *
 *     feed ---> items ---> worker (one per slot) ---> done ---> printer
 *
 * feed reads inputs; each worker takes one, runs its job, counts how it ended, decides whether to halt, and passes it on;
 * the printer, which is the main task, prints outputs one after another. With -k it holds back what came too early: at most WINDOW
 * jobs, since feed waits for a place in the window before it reads the next input.
 *
 * Three contexts stand for what a run may be told: `start` ends: no more jobs; `term`: TERM to those that run; `kill`: KILL.
 * Ctrl-C ends them one by one, --halt the first or the first two. */
#include "job.h"
#include "input.h"
#include "options.h"
#include "output.h"
#include "spool.h"
#include "template.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef sn_chan_of(struct job *) job_chan;
typedef sn_chan_of(int) int_chan;

enum { WINDOW = 512, BUCKETS = 64 * 16 };

struct run {
    struct options o;
    job_chan items, done;
    sn_chan_unit window;       /* -k: places taken */
    sn_ctx *start, *term, *kill;
    sn_chan_unit hurry;        /* a word here: who has got TERM gets KILL a second later */
    struct job_orders orders;
    int broken;                /* an own error: reading inputs, writing outputs; feed and printer each write their own */
    int feed_error;
    bool interrupted;          /* written by the task for signals, read after it has ended */
    _Atomic uint64_t failed, succeeded; /* counted by the workers: a halt must come before the next job */
    uint64_t jobs;             /* over and handed to the printer */
    struct job **early;        /* -k: by number modulo WINDOW */
    uint64_t next;             /* -k: the number to print next */
    uint64_t histogram[BUCKETS]; /* durations, by power of two and sixteenths of it */
};

struct slot {
    struct run *run;
    int number;
};

/* --- halting --- */

/* TERM to those that run, and KILL to those that do not care. */
static void end_jobs(struct run *run)
{
    (void)sn_chan_unit_try_send(run->hurry);
    sn_ctx_cancel(run->term);
}

static int kill_later(sn_ctx *ctx, void *arg)
{
    struct run *run = arg;

    if (sn_chan_unit_recv(ctx, run->hurry) == 0 && sn_sleep(ctx, SN_SEC(1)) == 0)
        sn_ctx_cancel(run->kill);
    return 0;
}

static void halt(struct run *run)
{
    const struct options *o = &run->o;
    uint64_t n = o->halt_on_success ? run->succeeded : run->failed;
    uint64_t over = run->succeeded + run->failed;

    if (o->halt == HALT_NEVER || sn_ctx_err(run->start) != 0)
        return;
    /* A percentage of too few jobs means nothing: as GNU parallel, wait for three. */
    if (o->halt_percent ? over < 3 || n * 100 < (uint64_t)o->halt_count * over : n < (uint64_t)o->halt_count)
        return;
    sn_ctx_cancel(run->start);
    if (o->halt == HALT_NOW)
        end_jobs(run);
}

static void count(struct run *run, const struct job *job)
{
    run->failed += job->end == JOB_FAILED;
    run->succeeded += job->end == JOB_SUCCEEDED;
    halt(run);
}

/* --- feed and workers --- */

static struct job *new_job(char *input, uint64_t number)
{
    struct job *job = calloc(1, sizeof *job);

    if (job) {
        job->input = input;
        job->number = number;
    }
    return job;
}

static int feed(sn_ctx *ctx, void *arg)
{
    struct run *run = arg;
    struct input in;
    char *text;
    int r;

    (void)ctx;
    if ((r = input_open(&in, &run->o)) == 0) {
        for (uint64_t number = 1;; number++) {
            if (run->o.ordered && (r = sn_chan_unit_send(run->start, run->window)) < 0)
                break;
            if ((r = input_next(run->start, &in, &text)) <= 0)
                break;
            struct job *job = new_job(text, number);
            if (!job) {
                free(text);
                r = SN_ENOMEM;
                break;
            }
            if ((r = sn_chan_send(run->start, run->items, &job)) < 0) {
                job_free(job);
                break;
            }
        }
        input_close(&in);
    }
    if (r < 0 && sn_ctx_err(run->start) == 0)
        run->feed_error = r;
    sn_chan_close(run->items);
    return 0;
}

static int work(sn_ctx *ctx, void *arg)
{
    struct slot *slot = arg;
    struct run *run = slot->run;
    struct job *job;

    (void)ctx;
    while (sn_chan_recv(run->start, run->items, &job) == 0) {
        job_run(job, &run->orders, slot->number);
        count(run, job);
        if (sn_chan_send(sn_background(), run->done, &job) < 0)
            job_free(job);
    }
    return 0;
}

static int work_all(sn_ctx *ctx, void *arg)
{
    struct run *run = arg;
    sn_group g;
    int r = 0;

    sn_group_init(&g, ctx);
    for (int i = 1; i <= run->o.jobs && r == 0; i++) {
        struct slot slot = { run, i };
        r = sn_group_go_copy(&g, work, &slot);
    }
    int e = sn_group_wait(&g);
    sn_chan_close(run->done);
    return r < 0 ? r : e;
}

/* --- signals --- */

struct watch {
    struct run *run;
    int_chan signals;
};

static int watch_signals(sn_ctx *ctx, void *arg)
{
    struct watch *w = arg;
    int signo, stage = 0;

    while (sn_chan_recv(ctx, w->signals, &signo) == 0) {
        w->run->interrupted = true;
        if (signo != SIGINT && stage == 0)
            stage = 1; /* the others mean now */
        stage++;
        sn_ctx_cancel(w->run->start);
        if (stage == 1)
            cli_error("no more jobs are started; the running ones may end (again: TERM to them)");
        if (stage >= 2)
            sn_ctx_cancel(w->run->term);
        if (stage >= 3)
            sn_ctx_cancel(w->run->kill);
    }
    return 0;
}

/* --- durations --- */

static unsigned bucket_of(int64_t ns)
{
    unsigned log = 63 - (unsigned)__builtin_clzll((uint64_t)(ns > 0 ? ns : 1));
    unsigned part = log >= 4 ? (unsigned)((uint64_t)ns >> (log - 4)) & 15 : 0;

    return log * 16 + part;
}

static double percentile_ms(const struct run *run, uint64_t jobs, double p)
{
    uint64_t before = 0;

    for (unsigned i = 0; i < BUCKETS; i++)
        if ((before += run->histogram[i]) > 0 && (double)before >= p * (double)jobs)
            return (double)(((uint64_t)1 << i / 16) + (((uint64_t)1 << i / 16) >> 4) * (i % 16)) / 1e6;
    return 0;
}

/* --- printing --- */

static void print_job(struct run *run, struct job *job)
{
    int r = run->broken;

    if (r == 0 && (r = output_print(sn_background(), &job->out, 1)) == 0)
        r = output_print(sn_background(), &job->err, 2);
    if (r < 0 && run->broken == 0) {
        run->broken = r;
        cli_error("cannot write the output: %s", sn_error_string(r));
        sn_ctx_cancel(run->start);
        end_jobs(run);
    }
    job_free(job);
}

/* -k: prints every job whose turn it is. Once no more jobs come (`last`), gaps are skipped. */
static void print_in_turn(struct run *run, bool last)
{
    uint64_t end = run->next + WINDOW;

    for (; run->next < end; run->next++) {
        struct job **place = &run->early[run->next % WINDOW];
        if (!*place) {
            if (last)
                continue;
            return;
        }
        print_job(run, *place);
        *place = NULL;
        (void)sn_chan_unit_try_recv(run->window);
        end = last ? end : run->next + WINDOW;
    }
}

static void print_all(struct run *run)
{
    struct job *job;

    while (sn_chan_recv(sn_background(), run->done, &job) == 0) {
        run->jobs++;
        if (job->started)
            run->histogram[bucket_of(job->duration)]++;
        if (!run->o.ordered) {
            print_job(run, job);
            continue;
        }
        run->early[job->number % WINDOW] = job;
        print_in_turn(run, false);
    }
    if (run->o.ordered)
        print_in_turn(run, true);
}

static void print_summary(const struct run *run, int64_t ns)
{
    double s = (double)ns / 1e9;
    uint64_t timed = 0;

    for (unsigned i = 0; i < BUCKETS; i++)
        timed += run->histogram[i];
    (void)fprintf(stderr, "%llu jobs, %llu failed, %.2f s, %.0f jobs/s; duration p50 %.1f ms, p99 %.1f ms\n",
                  (unsigned long long)run->jobs, (unsigned long long)run->failed, s, (double)run->jobs / s,
                  percentile_ms(run, timed, 0.50), percentile_ms(run, timed, 0.99));
}

/* --- dry run --- */

static int dry_run(struct run *run)
{
    enum { FLUSH = 64 * 1024 };
    struct input in;
    char *text, *buf = malloc(FLUSH);
    size_t n = 0, size;
    int r = buf ? input_open(&in, &run->o) : SN_ENOMEM;

    if (r < 0)
        goto out;
    for (uint64_t number = 1; (r = input_next(sn_background(), &in, &text)) > 0; number++) {
        struct command c;
        char *line = NULL;
        if ((r = template_fill(&c, &run->o, text, number, 1)) == 0) {
            line = template_quote(&c, &size);
            template_free(&c);
        }
        free(text);
        if (!line) {
            r = SN_ENOMEM;
            break;
        }
        if (n + size > FLUSH) {
            r = (int)(sn_fd_write(sn_background(), 1, buf, n) < 0 ? SN_EIO : 0);
            n = 0;
        }
        if (r == 0 && size > FLUSH) {
            r = (int)(sn_fd_write(sn_background(), 1, line, size) < 0 ? SN_EIO : 0);
        } else if (r == 0) {
            memcpy(buf + n, line, size);
            n += size;
        }
        free(line);
        if (r < 0)
            break;
    }
    if (r == 0 && n > 0 && sn_fd_write(sn_background(), 1, buf, n) < 0)
        r = SN_EIO;
    if (r < 0)
        cli_error("dry run: %s", sn_error_string(r));
    input_close(&in);
out:
    free(buf);
    return r < 0 ? CLI_OWN_ERROR : 0;
}

/* --- the whole --- */

static int exit_code(const struct run *run)
{
    if (run->broken < 0 || run->feed_error < 0)
        return CLI_OWN_ERROR;
    if (run->interrupted)
        return CLI_INTERRUPTED;
    if (run->failed && run->o.halt != HALT_NEVER && run->o.halt_on_success &&
        run->succeeded >= (uint64_t)run->o.halt_count)
        return 0; /* what was asked for has happened */
    uint64_t failed = run->failed;
    return failed > 100 ? 101 : (int)failed;
}

static int prepare(struct run *run, struct watch *w, sn_ctx *ctx)
{
    static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
    int r;

    if ((r = sn_ctx_with_cancel(&run->start, ctx)) < 0 || (r = sn_ctx_with_cancel(&run->term, ctx)) < 0 ||
        (r = sn_ctx_with_cancel(&run->kill, ctx)) < 0)
        return r;
    if ((r = sn_chan_make(&run->items, 0)) < 0 || (r = sn_chan_make(&run->done, 16)) < 0 ||
        (r = sn_chan_unit_make(&run->window, WINDOW)) < 0 || (r = sn_chan_make(&w->signals, 8)) < 0 ||
        (r = sn_chan_unit_make(&run->hurry, 1)) < 0)
        return r;
    if (!(run->early = calloc(WINDOW, sizeof *run->early)))
        return SN_ENOMEM;
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) {
        struct sigaction now;
        if (sigaction(caught[i], NULL, &now) == 0 && now.sa_handler == SIG_IGN)
            continue; /* nohup, or a background job of a simple shell: stays ignored */
        if ((r = sn_signal_notify(w->signals, caught[i])) < 0)
            return r;
    }
    run->orders = (struct job_orders){ &run->o, run->term, run->kill };
    run->next = 1;
    return 0;
}

static int run_all(sn_ctx *ctx, void *arg)
{
    struct run *run = arg;
    struct watch w = { .run = run };
    sn_group workers, watchers;
    int64_t begin = sn_now();
    int r;

    if (run->o.dry_run)
        return dry_run(run);
    if ((r = prepare(run, &w, ctx)) < 0) {
        cli_error("cannot start: %s", sn_error_string(r));
        return CLI_OWN_ERROR;
    }
    sn_group_init(&watchers, ctx);
    sn_group_init(&workers, ctx);
    if ((r = sn_group_go(&watchers, watch_signals, &w)) < 0 || (r = sn_group_go(&watchers, kill_later, run)) < 0 ||
        (r = sn_group_go(&workers, feed, run)) < 0) {
        sn_chan_close(run->items);
        sn_chan_close(run->done);
    } else if ((r = sn_group_go(&workers, work_all, run)) < 0) {
        sn_ctx_cancel(run->start);
        sn_chan_close(run->done);
    }
    print_all(run);
    int e = sn_group_wait(&workers);
    sn_group_cancel(&watchers);
    (void)sn_group_wait(&watchers);
    sn_signal_stop(w.signals);
    if (r < 0 || e < 0) {
        cli_error("cannot start: %s", sn_error_string(r < 0 ? r : e));
        run->broken = SN_ENOMEM;
    }
    if (run->o.summary)
        print_summary(run, sn_now() - begin);
    sn_chan_free(run->items);
    sn_chan_free(run->done);
    sn_chan_free(run->window);
    sn_chan_free(w.signals);
    sn_chan_free(run->hurry);
    sn_ctx_free(run->start);
    sn_ctx_free(run->term);
    sn_ctx_free(run->kill);
    free(run->early);
    spool_close();
    return exit_code(run);
}

int run_main(int argc, char **argv)
{
    static struct run run;
    int r = options_parse(&run.o, argc, argv);

    if (r != 0)
        return r > 0 ? 0 : CLI_OWN_ERROR;
    (void)signal(SIGPIPE, SIG_IGN);
    r = sn_run(run_all, &run, NULL);
    if (r == SN_EINVAL && getenv("SENNIT_WORKERS"))
        cli_error("SENNIT_WORKERS must be a number from 1 to 256, not '%s'", getenv("SENNIT_WORKERS"));
    else if (r < 0)
        cli_error("%s", sn_error_string(r));
    return r < 0 ? CLI_OWN_ERROR : r;
}
