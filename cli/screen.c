#include "screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { BUFFER = 64 * 1024, STATUS = 512 };

static struct {
    sn_mutex lock;
    sn_ctx *ctx;      /* const while open */
    char *buf;        /* (lock) what is to be written to fd: buf[0 .. n) */
    size_t n;         /* (lock) */
    int fd;           /* (lock) */
    int error;        /* (lock) since screen_begin */
    bool terminal[3]; /* const while open: this descriptor is the terminal of the status line */
    bool in_line;     /* (lock) the last line on that terminal is output, and unfinished */
    bool shown;       /* (lock) the status line is on it ... */
    char status[STATUS]; /* (lock) ... and is this */
} screen;

/* --- the status line --- */

static const char wipe[] = "\r\033[K";

/* (lock) Errors do not matter: what shows on a terminal that is gone is nobody's concern. */
static void wipe_status(void)
{
    if (!screen.shown)
        return;
    (void)sn_fd_write(sn_background(), 2, wipe, sizeof wipe - 1);
    screen.shown = false;
}

bool screen_can_show_status(void)
{
    const char *term = getenv("TERM");

    return screen.terminal[2] && term && *term && strcmp(term, "dumb") != 0;
}

int screen_width(void)
{
    struct winsize size;

    return ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* A shell that has put us in the background has the terminal itself, and so has a pager or an editor, perhaps the one that
 * reads our output: they take it out of its line mode. */
static bool is_ours(void)
{
    pid_t group = tcgetpgrp(2);
    struct termios t;

    return (group < 0 || group == getpgrp()) && tcgetattr(2, &t) == 0 && (t.c_lflag & ICANON);
}

void screen_status(const char *text)
{
    char line[STATUS + 8];
    int n;

    sn_mutex_lock(&screen.lock);
    if (!(screen.shown && strcmp(text, screen.status) == 0) && !screen.in_line && is_ours()) {
        (void)snprintf(screen.status, sizeof screen.status, "%s", text);
        n = snprintf(line, sizeof line, "\r%s%s", screen.status, wipe + 1); /* wipes what is left of a longer one */
        (void)sn_fd_write(screen.ctx, 2, line, (size_t)n);
        screen.shown = true;
    }
    sn_mutex_unlock(&screen.lock);
}

/* --- output --- */

static void put(const char *bytes, size_t n)
{
    if (screen.error || n == 0)
        return;
    int64_t r = sn_fd_write(screen.ctx, screen.fd, bytes, n);
    if (r < 0)
        screen.error = (int)r;
    if (screen.terminal[screen.fd])
        screen.in_line = bytes[n - 1] != '\n';
}

void screen_begin(int fd)
{
    sn_mutex_lock(&screen.lock);
    screen.fd = fd;
    screen.error = 0;
    if (screen.terminal[fd])
        wipe_status();
}

void screen_write(const char *bytes, size_t n)
{
    if (screen.n + n > BUFFER) {
        put(screen.buf, screen.n);
        screen.n = 0;
    }
    if (n > BUFFER / 2) {
        put(screen.buf, screen.n);
        screen.n = 0;
        put(bytes, n);
    } else if (n > 0) {
        memcpy(screen.buf + screen.n, bytes, n);
        screen.n += n;
    }
}

int screen_end(void)
{
    put(screen.buf, screen.n);
    screen.n = 0;
    int r = screen.error;
    sn_mutex_unlock(&screen.lock);
    return r;
}

static void write_error(const char *line, size_t n)
{
    screen_begin(2);
    screen_write(line, n);
    (void)screen_end();
}

/* --- the whole --- */

int screen_open(sn_ctx *ctx)
{
    if (!(screen.buf = malloc(BUFFER)))
        return SN_ENOMEM;
    screen.ctx = ctx;
    screen.in_line = screen.shown = false;
    screen.terminal[2] = isatty(2);
    screen.terminal[1] = screen.terminal[2] && isatty(1); /* the same one, in all likelihood */
    cli_error_writer = write_error;
    return 0;
}

void screen_close(void)
{
    if (!screen.buf)
        return;
    cli_error_writer = NULL;
    sn_mutex_lock(&screen.lock);
    wipe_status();
    sn_mutex_unlock(&screen.lock);
    free(screen.buf);
    screen.buf = NULL;
}
