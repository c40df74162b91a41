#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int input_open(struct input *in, const struct options *o)
{
    *in = (struct input){ .o = o, .fd = -1 };
    if (o->inputs)
        return 0;
    in->fd = 0;
    if (!o->file || strcmp(o->file, "-") == 0)
        return 0;
    /* Non-blocking, or a pipe that nobody writes to yet would hold us up. */
    char probe;
    if ((in->fd = open(o->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) < 0 ||
        (read(in->fd, &probe, 0) < 0 && errno != EAGAIN)) { /* a directory opens, but does not read */
        int r = -errno;
        cli_error("cannot read '%s': %s", o->file, sn_error_string(r));
        input_close(in);
        return r;
    }
    return 0;
}

/* Room for at least one more byte. */
static int make_room(struct input *in)
{
    if (in->start > 0) {
        memmove(in->buf, in->buf + in->start, in->end - in->start);
        in->end -= in->start;
        in->start = 0;
    }
    if (in->end < in->room)
        return 0;
    size_t room = in->room ? in->room * 2 : 65536;
    char *buf = realloc(in->buf, room);
    if (!buf)
        return SN_ENOMEM;
    in->buf = buf;
    in->room = room;
    return 0;
}

static int give(char **out, const char *at, size_t n)
{
    char *text = malloc(n + 1);

    if (!text)
        return SN_ENOMEM;
    memcpy(text, at, n);
    text[n] = '\0';
    *out = text;
    return 1;
}

/* A line of the buffer, or what lies between two NULs. */
static int give_line(const struct input *in, char **out, const char *at, size_t n)
{
    if (!in->o->nul && memchr(at, '\0', n)) {
        cli_error("the inputs contain NUL bytes; -0 reads inputs that end with one");
        return SN_EINVAL;
    }
    return give(out, at, n);
}

int input_next(sn_ctx *ctx, struct input *in, char **out)
{
    size_t searched = 0;
    int r;

    if (in->fd < 0) {
        if (in->next_word == in->o->ninputs)
            return 0;
        const char *word = in->o->inputs[in->next_word++];
        return give(out, word, strlen(word));
    }
    for (;;) {
        size_t have = in->end - in->start;
        char *from = in->buf ? in->buf + in->start : in->buf;
        char *stop = have > searched ? memchr(from + searched, in->o->nul ? '\0' : '\n', have - searched) : NULL;
        if (stop) {
            in->start += (size_t)(stop - from) + 1;
            return give_line(in, out, from, (size_t)(stop - from));
        }
        if (in->eof) {
            in->start = in->end;
            return have > 0 ? give_line(in, out, from, have) : 0;
        }
        searched = have;
        if ((r = make_room(in)) < 0)
            return r;
        int64_t n = in->end == 0 && (r = sn_fd_wait(ctx, in->fd, SN_FD_READ)) < 0 ? r : 0;
        if (n == 0) /* a pipe without a writer was waited for: it would look like the end */
            n = sn_fd_read(ctx, in->fd, in->buf + in->end, in->room - in->end);
        if (n < 0) {
            if (sn_ctx_err(ctx) == 0)
                cli_error("cannot read the inputs: %s", sn_error_string((int)n));
            return (int)n;
        }
        in->eof = n == 0;
        in->end += (size_t)n;
    }
}

void input_close(struct input *in)
{
    if (in->fd > 0)
        (void)sn_fd_close(in->fd);
    free(in->buf);
}
