#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEEP = 64 * 1024 }; /* in memory; -k may hold some hundred of these */

static int open_spill(void)
{
    const char *dir = getenv("TMPDIR");
    char name[4096];
    int fd = open(dir && *dir ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0)
        return fd;
    (void)snprintf(name, sizeof name, "%s/sennit-XXXXXX", dir && *dir ? dir : "/tmp"); /* no O_TMPFILE there */
    if ((fd = mkostemp(name, O_CLOEXEC)) < 0)
        return -errno;
    (void)unlink(name);
    return fd;
}

static int spill(sn_ctx *ctx, struct output *o)
{
    if (!o->file) {
        int fd = open_spill();
        if (fd < 0)
            return fd;
        o->file = fd + 1;
    }
    int64_t n = sn_fd_write(ctx, o->file - 1, o->buf, o->n);
    if (n < 0)
        return (int)n;
    o->spilled += n;
    o->n = 0;
    return 0;
}

int output_collect(sn_ctx *ctx, struct output *o, int fd)
{
    for (;;) {
        if (o->n == o->room && o->room < KEEP) {
            size_t room = o->room ? o->room * 4 : 1024;
            char *buf = realloc(o->buf, room);
            if (!buf)
                return SN_ENOMEM;
            o->buf = buf;
            o->room = room;
        }
        int r = o->n == o->room ? spill(ctx, o) : 0;
        if (r < 0)
            return r;
        int64_t n = sn_fd_read(ctx, fd, o->buf + o->n, o->room - o->n);
        if (n <= 0)
            return (int)n;
        o->n += (size_t)n;
    }
}

int output_print(sn_ctx *ctx, struct output *o, int fd)
{
    static const size_t CHUNK = KEEP;
    char *chunk = NULL;
    int64_t r = 0;

    if (o->spilled && !(chunk = malloc(CHUNK)))
        r = SN_ENOMEM;
    for (int64_t at = 0; r >= 0 && at < o->spilled;) {
        ssize_t n = pread(o->file - 1, chunk, CHUNK, at);
        if (n <= 0) {
            r = n < 0 ? -errno : SN_EIO;
            break;
        }
        if ((r = sn_fd_write(ctx, fd, chunk, (size_t)n)) > 0)
            at += r;
    }
    if (r >= 0 && o->n)
        r = sn_fd_write(ctx, fd, o->buf, o->n);
    free(chunk);
    output_free(o);
    return r < 0 ? (int)r : 0;
}

void output_free(struct output *o)
{
    if (o->file)
        (void)close(o->file - 1);
    free(o->buf);
    *o = (struct output){ 0 };
}
