#include "lines.h"

#include "quote.h"
#include "screen.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK = 16 * 1024 };

int lines_tag(struct job *job)
{
    char *text = item_join(job->item);

    job->tag = text ? quote_tag(text, &job->ntag) : NULL;
    free(text);
    return job->tag ? 0 : SN_ENOMEM;
}

/* --- writing, while we have the screen --- */

struct writing {
    const struct job *job;
    bool begins;          /* what comes next begins a line */
    uint64_t left;        /* of the bytes that are to be written; the others go to `rest` */
    struct output rest;
};

static void write_lines(struct writing *w, const char *bytes, size_t n)
{
    if (n == 0)
        return;
    if (!w->job->tag) {
        screen_write(bytes, n);
        w->begins = bytes[n - 1] == '\n';
        return;
    }
    while (n > 0) {
        const char *end = memchr(bytes, '\n', n);
        size_t length = end ? (size_t)(end - bytes) + 1 : n;
        if (w->begins) {
            screen_write(w->job->tag, w->job->ntag);
            screen_write("\t", 1);
        }
        screen_write(bytes, length);
        w->begins = end != NULL;
        bytes += length;
        n -= length;
    }
}

static int write_some(void *arg, const char *bytes, size_t n)
{
    struct writing *w = arg;
    size_t now = n < w->left ? n : (size_t)w->left;

    write_lines(w, bytes, now);
    w->left -= now;
    return output_append(&w->rest, bytes + now, n - now);
}

/* Writes the first `size` bytes of an output, and then some more; the others stay in it. An error of keeping them. */
static int pass_on(struct job *job, const struct job_orders *orders, int which, uint64_t size, const char *more,
                   size_t nmore)
{
    struct writing w = { .job = job, .begins = true, .left = size };

    screen_begin(which + 1);
    int r = output_each(&job->out[which], write_some, &w);
    write_lines(&w, more, nmore);
    int e = screen_end();
    output_free(&job->out[which]);
    job->out[which] = w.rest;
    if (e < 0)
        stops_break(orders->stops, "write the output", e);
    return r;
}

/* --- line by line --- */

struct taking {
    struct job *job;
    const struct job_orders *orders;
    int which;
};

static int take(void *arg, const char *bytes, size_t n)
{
    struct taking *t = arg;
    struct job *job = t->job;
    struct output *out = &job->out[t->which];
    const char *end = memrchr(bytes, '\n', n);
    size_t lines = end ? (size_t)(end - bytes) + 1 : 0;
    int r = 0;

    sn_mutex_lock(&job->lock);
    job->received[t->which] += n;
    if (t->orders->options->results)
        r = output_append(&job->copy[t->which], bytes, n);
    if (r == 0 && job->live && lines > 0) {
        r = pass_on(job, t->orders, t->which, output_size(out), bytes, lines);
        bytes += lines;
        n -= lines;
    } else if (lines > 0) {
        job->complete[t->which] = output_size(out) + lines;
    }
    if (r == 0)
        r = output_append(out, bytes, n);
    sn_mutex_unlock(&job->lock);
    return r;
}

int lines_collect(sn_ctx *ctx, struct job *job, const struct job_orders *orders, int which, int fd)
{
    struct taking t = { job, orders, which };
    char chunk[CHUNK];

    for (;;) {
        int64_t n = sn_fd_read(ctx, fd, chunk, sizeof chunk);
        if (n <= 0)
            return (int)n;
        int r = take(&t, chunk, (size_t)n);
        if (r < 0)
            return r;
    }
}

int lines_take_output(struct job *job, const struct job_orders *orders, int which, const struct output *o)
{
    struct taking t = { job, orders, which };

    return output_each(o, take, &t);
}

void lines_end_try(struct job *job, const struct job_orders *orders, int which)
{
    struct taking t = { job, orders, which };

    sn_mutex_lock(&job->lock);
    bool unfinished = output_size(&job->out[which]) > (job->live ? 0 : job->complete[which]);
    sn_mutex_unlock(&job->lock);
    if (unfinished)
        (void)take(&t, "\n", 1); /* at worst two lines become one */
}

void lines_go_live(struct job *job, const struct job_orders *orders)
{
    sn_mutex_lock(&job->lock);
    job->live = true;
    for (int i = 0; i < 2; i++) {
        if (job->complete[i] > 0)
            (void)pass_on(job, orders, i, job->complete[i], NULL, 0);
        job->complete[i] = 0;
    }
    sn_mutex_unlock(&job->lock);
}

/* --- at the end --- */

static int write_all(void *arg, const char *bytes, size_t n)
{
    write_lines(arg, bytes, n);
    return 0;
}

int lines_print(struct job *job, const struct job_orders *orders, int which)
{
    struct writing w = { .job = job, .begins = true };

    if (output_size(&job->out[which]) == 0)
        return 0;
    screen_begin(which + 1);
    int r = output_each(&job->out[which], write_all, &w);
    if (!w.begins && orders->options->grouping == GROUP_LINES)
        write_lines(&w, "\n", 1);
    int e = screen_end();
    return r < 0 ? r : e;
}
