#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    pthread_mutex_t lock; /* held for a few instructions, and once while the file is made */
    int fd;               /* (lock) -1: none yet */
    uint32_t *free;       /* (lock) blocks that may be used again, the last freed first; there is room for all */
    uint32_t nfree, n, room; /* (lock) n: blocks in the file */
} spool = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

const char *spool_dir(void)
{
    const char *dir = getenv("TMPDIR");

    return dir && *dir ? dir : "/tmp";
}

static int open_file(void)
{
    const char *dir = spool_dir();
    char name[4096];

    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    if ((size_t)snprintf(name, sizeof name, "%s/sennit-XXXXXX", dir) >= sizeof name) /* no O_TMPFILE there */
        return -ENAMETOOLONG;
    if ((fd = mkostemp(name, O_CLOEXEC)) < 0)
        return -cli_errno();
    (void)unlink(name);
    return fd;
}

/* (lock) A block to write to, in a file that is open. */
static int take_block(uint32_t *block)
{
    if (spool.fd < 0) {
        int fd = open_file();
        if (fd < 0)
            return fd;
        spool.fd = fd;
    }
    if (spool.nfree > 0) {
        *block = spool.free[--spool.nfree];
        return 0;
    }
    if (spool.n == spool.room) {
        uint32_t room = spool.room ? spool.room * 2 : 64;
        uint32_t *list = realloc(spool.free, room * sizeof *list);
        if (!list)
            return SN_ENOMEM;
        spool.free = list;
        spool.room = room;
    }
    *block = spool.n++;
    return 0;
}

static off_t place_of(uint32_t block)
{
    return (off_t)block * SPOOL_BLOCK;
}

static int write_block(uint32_t block, const char *bytes)
{
    for (size_t done = 0; done < SPOOL_BLOCK;) {
        ssize_t n = pwrite(spool.fd, bytes + done, SPOOL_BLOCK - done, place_of(block) + (off_t)done);
        if (n < 0 && cli_errno() != EINTR)
            return -cli_errno();
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int spool_put(const char *bytes, uint32_t *block)
{
    int r;

    pthread_mutex_lock(&spool.lock);
    r = take_block(block);
    pthread_mutex_unlock(&spool.lock);
    if (r == 0 && (r = write_block(*block, bytes)) < 0)
        spool_free(block, 1);
    return r;
}

int spool_get(uint32_t block, char *bytes)
{
    for (size_t done = 0; done < SPOOL_BLOCK;) {
        ssize_t n = pread(spool.fd, bytes + done, SPOOL_BLOCK - done, place_of(block) + (off_t)done);
        if (n == 0)
            return SN_EIO; /* somebody has cut the file */
        if (n < 0 && cli_errno() != EINTR)
            return -cli_errno();
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

void spool_free(const uint32_t *blocks, size_t n)
{
    pthread_mutex_lock(&spool.lock);
    for (size_t i = 0; i < n; i++)
        spool.free[spool.nfree++] = blocks[i];
    pthread_mutex_unlock(&spool.lock);
}

void spool_close(void)
{
    if (spool.fd >= 0)
        (void)close(spool.fd);
    free(spool.free);
    spool.fd = -1;
    spool.free = NULL;
    spool.nfree = spool.n = spool.room = 0;
}
