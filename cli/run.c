/* `sennit run`: a command once per input, with a pool.
 *
 *     feed ---> items ---> worker (one per slot) ---> done ---> printer
 *
 * feed reads inputs (source.c); each worker takes a job, runs it (job.c), counts how it ended, decides whether to halt, and
 * passes it on; the printer, which is the main task, hands outputs on one after another (printer.c). Beside them tasks wait
 * for signals and the deadline (stops.c), and one draws the status line (progress.c). */
#include "dry_run.h"
#include "json.h"
#include "printer.h"
#include "progress.h"
#include "screen.h"
#include "source.h"
#include "spool.h"
#include "start.h"

#include <signal.h>
#include <stdlib.h>

struct run {
    struct options o;
    struct source source;
    struct stops stops;
    struct job_orders orders;
    struct joblog log;
    struct results results;
    struct printer printer;
    struct summary summary;
    job_chan items;
};

struct slot {
    struct run *run;
    int number;
};

/* --- halting --- */

static void halt(struct run *run)
{
    const struct options *o = &run->o;
    uint64_t n = o->halt_on_success ? run->summary.succeeded : run->summary.failed;
    uint64_t over = run->summary.succeeded + run->summary.failed;

    if (o->halt == HALT_NEVER || sn_ctx_err(run->stops.start) != 0)
        return;
    /* A percentage of too few jobs means nothing: as GNU parallel, wait for three. */
    if (o->halt_percent ? over < 3 || n * 100 < (uint64_t)o->halt_count * over : n < (uint64_t)o->halt_count)
        return;
    sn_ctx_cancel(run->stops.start);
    if (o->halt == HALT_NOW)
        stops_end_jobs(&run->stops);
}

/* --- feed and workers --- */

static int feed_job(struct run *run, struct item *item, uint64_t number, uint64_t place)
{
    struct job *job = calloc(1, sizeof *job);
    int r = job ? 0 : SN_ENOMEM;

    if (!job) {
        free(item);
        return r;
    }
    job->item = item;
    job->number = number;
    job->place = place;
    if ((r = sn_chan_send(run->stops.start, run->items, &job)) < 0)
        job_free(job);
    return r;
}

/* Reads the inputs to their end or to an error, which is said but for lack of memory. */
static int feed_all(struct run *run, struct source *source)
{
    sn_ctx *start = run->stops.start;
    struct item *item;
    int r;

    for (uint64_t place = 1;; place++) {
        if (run->o.ordered && (r = sn_chan_unit_send(start, run->printer.window)) < 0)
            return r;
        r = source_next(start, source, &item);
        run->summary.skipped = source->skipped;
        if (r <= 0) {
            run->summary.total = source->number;
            return r;
        }
        if ((r = feed_job(run, item, source->number, place)) < 0)
            return r;
    }
}

static int feed(sn_ctx *ctx, void *arg)
{
    struct run *run = arg;
    int r;

    (void)ctx;
    run->summary.total = input_count(&run->o);
    r = feed_all(run, &run->source);
    if (r == SN_ENOMEM)
        cli_error("cannot read the inputs: %s", sn_error_string(r));
    if (r < 0 && sn_ctx_err(run->stops.start) == 0)
        stops_refuse(&run->stops);
    sn_chan_close(run->items);
    return 0;
}

static int work(sn_ctx *ctx, void *arg)
{
    struct slot *slot = arg;
    struct run *run = slot->run;
    struct job *job;
    int r;

    (void)ctx;
    while (sn_chan_recv(run->stops.start, run->items, &job) == 0) {
        job->slot = slot->number;
        run->summary.begun++;
        if ((r = printer_begin(&run->printer, job)) == 0) {
            job_run(job, &run->orders);
        } else {
            job->end = JOB_STOPPED;
            stops_break(&run->stops, "write the output", r);
        }
        summary_count(&run->summary, job);
        halt(run); /* before the next job */
        if (sn_chan_send(sn_background(), run->printer.done, &job) < 0)
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
    sn_chan_close(run->printer.done);
    return r < 0 ? r : e;
}

/* --- the whole --- */

static int exit_code(const struct run *run)
{
    const struct options *o = &run->o;
    uint64_t failed = run->summary.failed;

    if (run->stops.broken < 0 || run->stops.refused)
        return CLI_OWN_ERROR;
    if (run->stops.interrupted)
        return CLI_INTERRUPTED;
    if (run->stops.expired)
        return CLI_DEADLINE;
    if (failed && o->halt != HALT_NEVER && o->halt_on_success && run->summary.succeeded >= (uint64_t)o->halt_count)
        return 0; /* what was asked for has happened */
    return failed > 100 ? 101 : (int)failed;
}

/* Runs everything; it is over when this returns. 0, or an error of starting. */
static int run_jobs(struct run *run, sn_ctx *ctx)
{
    sn_group workers, drawing;
    int r, e;

    sn_group_init(&workers, ctx);
    sn_group_init(&drawing, ctx);
    r = progress_wanted(&run->o) ? sn_group_go(&drawing, progress_run, &run->summary) : 0;
    if (r < 0 || (r = sn_group_go(&workers, feed, run)) < 0) {
        sn_chan_close(run->printer.done);
    } else if ((r = sn_group_go(&workers, work_all, run)) < 0) {
        sn_ctx_cancel(run->stops.start);
        sn_chan_close(run->printer.done);
    }
    printer_run(&run->printer);
    e = sn_group_wait(&workers);
    sn_group_cancel(&drawing);
    (void)sn_group_wait(&drawing);
    return r < 0 ? r : e;
}

static int prepare(struct run *run, sn_ctx *ctx)
{
    int r;

    run->orders = (struct job_orders){ &run->o, &run->stops };
    if ((r = stops_open(&run->stops, &run->o, ctx)) < 0 || (r = screen_open(run->stops.output)) < 0 ||
        (r = sn_chan_make(&run->items, 0)) < 0)
        return r;
    return printer_open(&run->printer, &run->orders, &run->log, &run->results);
}

static int run_and_report(struct run *run, sn_ctx *ctx)
{
    int r, code;

    run->summary.begin = sn_now();
    if ((r = prepare(run, ctx)) == 0)
        r = run_jobs(run, ctx);
    stops_quiet(&run->stops);
    start_complain_rest();
    if (r < 0)
        stops_break(&run->stops, "start", r);
    code = exit_code(run);
    if (r == 0 && run->o.json && run->stops.broken == 0 && (r = json_summary(&run->summary, code)) < 0) {
        stops_break(&run->stops, "write the output", r);
        code = CLI_OWN_ERROR;
    }
    screen_close();
    if (run->o.summary)
        summary_print(&run->summary);
    printer_close(&run->printer);
    sn_chan_free(run->items);
    stops_close(&run->stops);
    return code;
}

static int run_all(sn_ctx *ctx, void *arg)
{
    struct run *run = arg;
    const struct options *o = &run->o;
    int code = CLI_OWN_ERROR;

    /* The log last, for it is begun anew. */
    if (source_open(&run->source, o, &run->log) == 0 && results_open(&run->results, o) == 0 &&
        joblog_open(&run->log, o) == 0) {
        code = o->dry_run ? dry_run(o, &run->source) : run_and_report(run, ctx);
        joblog_close(&run->log);
    }
    results_close(&run->results);
    source_close(&run->source);
    spool_close();
    return code;
}

int run_main(int argc, char **argv)
{
    static struct run run = { .results.dir = -1, .log.fd = -1 };
    int r = options_parse(&run.o, argc, argv);

    if (r == 0) {
        (void)signal(SIGPIPE, SIG_IGN);
        r = sn_run(run_all, &run, NULL);
        if (r == SN_EINVAL && getenv("SENNIT_WORKERS"))
            cli_error("SENNIT_WORKERS must be a number from 1 to 256, not '%s'", getenv("SENNIT_WORKERS"));
        else if (r < 0)
            cli_error("%s", sn_error_string(r));
    } else if (r > 0) {
        r = 0; /* --help */
    }
    options_free(&run.o);
    return r < 0 ? CLI_OWN_ERROR : r;
}
