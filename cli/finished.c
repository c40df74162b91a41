#include "finished.h"

#include "spool.h"

#include <stdlib.h>
#include <string.h>

enum { ENTRIES = SPOOL_BLOCK / sizeof(uint64_t), PAGES = 16 };

/* An entry is a hash whose two lowest bits are the finished_end; 0: not finished. */
struct finished_page {
    uint64_t *entries;
    size_t number; /* which page it is */
    bool changed;  /* differs from its block */
};

/* FNV-1a. Two commands of one job that are not the same collide once in 2^62 times. */
static uint64_t hash(const char *bytes, size_t n)
{
    uint64_t h = 0xcbf29ce484222325;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)bytes[i]) * 0x100000001b3;
    return h & ~(uint64_t)3;
}

static int make_room(struct finished *f, size_t page)
{
    if (page < f->nblocks)
        return 0;
    size_t n = page * 2 + 64;
    uint32_t *blocks = realloc(f->blocks, n * sizeof *blocks);
    if (!blocks)
        return SN_ENOMEM;
    memset(blocks + f->nblocks, 0, (n - f->nblocks) * sizeof *blocks);
    f->blocks = blocks;
    f->nblocks = n;
    return 0;
}

static int write_back(struct finished *f, struct finished_page *p)
{
    uint32_t *place = &f->blocks[p->number], block;

    if (!p->changed)
        return 0;
    int r = spool_put((const char *)p->entries, &block);
    if (r < 0)
        return r;
    if (*place)
        spool_free(&(uint32_t){ *place - 1 }, 1);
    *place = block + 1;
    p->changed = false;
    return 0;
}

/* The page in memory. */
static int load(struct finished *f, size_t number, struct finished_page **out)
{
    int r;

    if (!f->cache && !(f->cache = calloc(PAGES, sizeof *f->cache)))
        return SN_ENOMEM;
    struct finished_page *p = &f->cache[number % PAGES];
    *out = p;
    if (p->entries && p->number == number)
        return 0;
    if (!p->entries) {
        if (!(p->entries = malloc(SPOOL_BLOCK)))
            return SN_ENOMEM;
    } else if ((r = write_back(f, p)) < 0) {
        return r;
    }
    p->number = number;
    if (number < f->nblocks && f->blocks[number])
        return spool_get(f->blocks[number] - 1, (char *)p->entries);
    memset(p->entries, 0, SPOOL_BLOCK);
    return 0;
}

int finished_set(struct finished *f, uint64_t number, enum finished_end end, const char *command, size_t size)
{
    struct finished_page *p;
    int r;

    if ((r = make_room(f, (size_t)(number / ENTRIES))) < 0 || (r = load(f, (size_t)(number / ENTRIES), &p)) < 0)
        return r;
    p->entries[number % ENTRIES] = hash(command, size) | end;
    p->changed = true;
    if (number > f->last)
        f->last = number;
    return 0;
}

int finished_get(struct finished *f, uint64_t number, const char *command, size_t size, bool *same)
{
    struct finished_page *p;
    int r;

    if (number > f->last)
        return FINISHED_NOT;
    if ((r = load(f, (size_t)(number / ENTRIES), &p)) < 0)
        return r;
    uint64_t entry = p->entries[number % ENTRIES];
    *same = (entry & ~(uint64_t)3) == hash(command, size);
    return (int)(entry & 3);
}

void finished_free(struct finished *f)
{
    for (size_t i = 0; f->cache && i < PAGES; i++)
        free(f->cache[i].entries);
    for (size_t i = 0; i < f->nblocks; i++)
        if (f->blocks[i])
            spool_free(&(uint32_t){ f->blocks[i] - 1 }, 1);
    free(f->cache);
    free(f->blocks);
    *f = (struct finished){ 0 };
}
