#include "progress.h"

#include "screen.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WIDEST = 400, BAR_MOST = 30, BAR_LEAST = 6 };

#define INTERVAL SN_MS(100)

bool progress_wanted(const struct options *o)
{
    /* What jobs write themselves, and what is typed, would get between it and the end of its line. */
    bool disturbed = o->grouping == GROUP_NONE || (!o->inputs && !o->file && isatty(0));

    return o->progress && !disturbed && !o->dry_run && screen_can_show_status();
}

static int put_time(char *to, size_t room, double seconds)
{
    long s = (long)(seconds + 0.5);

    return s < 3600 ? snprintf(to, room, "%ld:%02ld", s / 60, s % 60)
                    : snprintf(to, room, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

/* "45/120 37%  12.3/s  ETA 0:06  2 failed  8 running", or while the total is not known "45 done  12.3/s  0:05 ..." */
static size_t put_figures(char *to, size_t room, const struct summary *s)
{
    uint64_t over = summary_over(s), done = over + s->skipped, begun = s->begun, total = s->total;
    double seconds = (double)(sn_now() - s->begin) / 1e9, rate = seconds > 0 ? (double)over / seconds : 0;
    int n;

    if (total)
        n = snprintf(to, room, "%llu/%llu %d%%", (unsigned long long)done, (unsigned long long)total,
                     (int)(done * 100 / total));
    else
        n = snprintf(to, room, "%llu done", (unsigned long long)done);
    n += snprintf(to + n, room - (size_t)n, "  %.*f/s  ", rate < 100 ? 1 : 0, rate);
    if (!total) {
        n += put_time(to + n, room - (size_t)n, seconds);
    } else if (over > 0) {
        n += snprintf(to + n, room - (size_t)n, "ETA ");
        n += put_time(to + n, room - (size_t)n, (double)(total - (done < total ? done : total)) / rate);
    } else {
        n += snprintf(to + n, room - (size_t)n, "ETA -:--");
    }
    if (s->failed)
        n += snprintf(to + n, room - (size_t)n, "  %llu failed", (unsigned long long)s->failed);
    n += snprintf(to + n, room - (size_t)n, "  %llu running", (unsigned long long)(begun > over ? begun - over : 0));
    return (size_t)n;
}

/* The line, at most `width` columns wide; all of it is ASCII. */
static void draw(char *line, size_t width, const struct summary *s)
{
    char figures[WIDEST];
    size_t n = put_figures(figures, sizeof figures, s), bar = 0;
    uint64_t total = s->total, done = summary_over(s) + s->skipped;

    if (total && width > n + 3)
        bar = width - n - 3 < BAR_MOST ? width - n - 3 : BAR_MOST;
    if (bar >= BAR_LEAST) {
        size_t full = done < total ? (size_t)((double)bar * (double)done / (double)total) : bar;
        *line++ = '[';
        memset(line, '#', full);
        memset(line + full, '.', bar - full);
        line += bar;
        *line++ = ']';
        *line++ = ' ';
        width -= bar + 3;
    }
    n = n < width ? n : width;
    memcpy(line, figures, n);
    line[n] = '\0';
}

int progress_run(sn_ctx *ctx, void *arg)
{
    char line[WIDEST + BAR_MOST];

    while (sn_sleep(ctx, INTERVAL) == 0) {
        int width = screen_width() - 1; /* a full line would wrap */
        draw(line, width < WIDEST ? (size_t)(width > 0 ? width : 0) : WIDEST, arg);
        screen_status(line);
    }
    return 0;
}
