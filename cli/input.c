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
        (read(in->fd, &probe, 0) < 0 && cli_errno() != EAGAIN)) { /* a directory opens, but does not read */
        int r = -cli_errno();
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

/* One more input for the item. */
static int add(struct input *in, const char *at, size_t n)
{
    if (in->size + n + 1 > in->text_room) {
        size_t room = (in->size + n + 1) * 2;
        char *text = realloc(in->text, room);
        if (!text)
            return SN_ENOMEM;
        in->text = text;
        in->text_room = room;
    }
    memcpy(in->text + in->size, at, n);
    in->text[in->size + n] = '\0';
    in->size += n + 1;
    in->n++;
    return 0;
}

static int add_columns(struct input *in, const char *at, size_t n)
{
    const struct columns *c = &in->o->colsep;
    size_t place, length;
    int r = 0;

    for (bool begins = true; r == 0 && columns_find(c, at, n, begins, &place, &length); begins = false) {
        r = add(in, at, place);
        at += place + length;
        n -= place + length;
    }
    return r < 0 ? r : add(in, at, n);
}

/* A line that was read, or what lies between two NULs. */
static int add_record(struct input *in, const char *at, size_t n)
{
    if (in->fd >= 0 && !in->o->nul && memchr(at, '\0', n)) {
        cli_error("the inputs contain NUL bytes; -0 reads inputs that end with one");
        return SN_EINVAL;
    }
    return in->o->colsep.given ? add_columns(in, at, n) : add(in, at, n);
}

static int add_line(sn_ctx *ctx, struct input *in)
{
    size_t searched = 0;
    int r;

    for (;;) {
        size_t have = in->end - in->start;
        char *from = in->buf ? in->buf + in->start : in->buf;
        char *stop = have > searched ? memchr(from + searched, in->o->nul ? '\0' : '\n', have - searched) : NULL;
        if (stop) {
            in->start += (size_t)(stop - from) + 1;
            return (r = add_record(in, from, (size_t)(stop - from))) < 0 ? r : 1;
        }
        if (in->eof) {
            in->start = in->end;
            return have == 0 ? 0 : (r = add_record(in, from, have)) < 0 ? r : 1;
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

static int add_word(struct input *in)
{
    if (in->next_word == in->o->ninputs)
        return 0;
    const char *word = in->o->inputs[in->next_word++];
    int r = add_record(in, word, strlen(word));
    return r < 0 ? r : 1;
}

int input_next(sn_ctx *ctx, struct input *in, struct item **out)
{
    int r = 1;

    in->n = in->size = 0;
    for (long i = 0; i < in->o->per_job && r == 1; i++)
        if ((r = in->fd < 0 ? add_word(in) : add_line(ctx, in)) < 0)
            return r;
    if (in->n == 0)
        return 0;
    struct item *item = malloc(sizeof *item + in->size);
    if (!item)
        return SN_ENOMEM;
    item->n = in->n;
    item->size = in->size;
    memcpy(item->text, in->text, in->size);
    *out = item;
    return 1;
}

uint64_t input_count(const struct options *o)
{
    return o->inputs ? (uint64_t)((o->ninputs + o->per_job - 1) / o->per_job) : 0;
}

void input_close(struct input *in)
{
    if (in->fd > 0)
        (void)sn_fd_close(in->fd);
    free(in->buf);
    free(in->text);
}
