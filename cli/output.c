#include "output.h"

#include "spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The buffer is full: its contents go to the spool. */
static int spill(struct output *o)
{
    if ((o->nblocks & (o->nblocks - 1)) == 0) { /* full at every power of two */
        uint32_t *blocks = realloc(o->blocks, (o->nblocks ? o->nblocks * 2 : 1) * sizeof *blocks);
        if (!blocks)
            return SN_ENOMEM;
        o->blocks = blocks;
    }
    int r = spool_put(o->buf, &o->blocks[o->nblocks]);
    if (r < 0)
        return r;
    o->nblocks++;
    o->n = 0;
    return 0;
}

/* It may wait long for its turn: no more memory than it needs. */
static void settle(struct output *o)
{
    if (o->n == 0) {
        free(o->buf);
        o->buf = NULL;
        o->room = 0;
    } else if (o->n < o->room / 2) {
        char *buf = realloc(o->buf, o->n);
        if (buf) {
            o->buf = buf;
            o->room = o->n;
        }
    }
}

/* Room for at least one more byte. */
static int make_room(struct output *o)
{
    if (o->n < o->room)
        return 0;
    if (o->room == SPOOL_BLOCK)
        return spill(o);
    size_t room = o->room < 1024 ? 1024 : o->room * 4 < SPOOL_BLOCK ? o->room * 4 : SPOOL_BLOCK;
    char *buf = realloc(o->buf, room);
    if (!buf)
        return SN_ENOMEM;
    o->buf = buf;
    o->room = room;
    return 0;
}

int output_collect(sn_ctx *ctx, struct output *o, int fd)
{
    for (;;) {
        int r = make_room(o);
        if (r < 0)
            return r;
        int64_t n = sn_fd_read(ctx, fd, o->buf + o->n, o->room - o->n);
        if (n == 0)
            settle(o);
        if (n <= 0)
            return (int)n;
        o->n += (size_t)n;
    }
}

int output_drain(struct output *o, int fd)
{
    for (;;) {
        int r = make_room(o);
        if (r < 0)
            return r;
        ssize_t n = read(fd, o->buf + o->n, o->room - o->n);
        if (n == 0) {
            settle(o);
            return 1;
        }
        if (n < 0 && cli_errno() != EINTR)
            return cli_errno() == EAGAIN ? 0 : -cli_errno();
        o->n += n > 0 ? (size_t)n : 0;
    }
}

int output_append(struct output *o, const char *bytes, size_t n)
{
    while (n > 0) {
        int r = make_room(o);
        if (r < 0)
            return r;
        size_t fits = o->room - o->n < n ? o->room - o->n : n;
        memcpy(o->buf + o->n, bytes, fits);
        o->n += fits;
        bytes += fits;
        n -= fits;
    }
    return 0;
}

void output_discard(sn_ctx *ctx, int fd)
{
    char *scratch = malloc(SPOOL_BLOCK), little[64];

    while (sn_fd_read(ctx, fd, scratch ? scratch : little, scratch ? SPOOL_BLOCK : sizeof little) > 0)
        ;
    free(scratch);
}

uint64_t output_size(const struct output *o)
{
    return (uint64_t)o->nblocks * SPOOL_BLOCK + o->n;
}

int output_each(const struct output *o, output_take *take, void *arg)
{
    int r = 0;

    if (o->nblocks) {
        char *block = malloc(SPOOL_BLOCK);
        r = block ? 0 : SN_ENOMEM;
        for (size_t i = 0; i < o->nblocks && r == 0; i++)
            if ((r = spool_get(o->blocks[i], block)) == 0)
                r = take(arg, block, SPOOL_BLOCK);
        free(block);
    }
    return r == 0 && o->n ? take(arg, o->buf, o->n) : r;
}

void output_free(struct output *o)
{
    if (o->nblocks)
        spool_free(o->blocks, o->nblocks);
    free(o->blocks);
    free(o->buf);
    *o = (struct output){ 0 };
}
