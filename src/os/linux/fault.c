#include "os/fault.h"

#ifdef SN_FAULTS
#include "base/atomic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const struct {
    const char *name;
    int error;
} seams[SNI_SEAMS] = {
    [SNI_SEAM_ALLOC] = { "alloc", ENOMEM },
    [SNI_SEAM_MAP] = { "map", ENOMEM },
    [SNI_SEAM_GUARD] = { "guard", ENOMEM },
    [SNI_SEAM_FUTEX] = { "futex", EINTR },
    [SNI_SEAM_FENCE] = { "fence", ENOSYS },
    [SNI_SEAM_EPOLL] = { "epoll", ENOSPC },
    [SNI_SEAM_EPOLL_EINTR] = { "epoll-eintr", EINTR },
    [SNI_SEAM_THREAD] = { "thread", EAGAIN },
    [SNI_SEAM_SPAWN] = { "spawn", EAGAIN },
    [SNI_SEAM_FORK] = { "fork", EAGAIN },
    [SNI_SEAM_PIPE] = { "pipe", EMFILE },
    [SNI_SEAM_READ] = { "read", EIO },
    [SNI_SEAM_READ_SHORT] = { "read-short", 1 },
    [SNI_SEAM_READ_EINTR] = { "read-eintr", EINTR },
    [SNI_SEAM_WRITE] = { "write", EIO },
    [SNI_SEAM_WRITE_SHORT] = { "write-short", 1 },
    [SNI_SEAM_WRITE_EINTR] = { "write-eintr", EINTR },
};

static struct shared {
    uint32_t seam, n;          /* n: 0: none */
    uint32_t count[SNI_SEAMS]; /* (a) */
    uint32_t met;              /* (a) */
    int64_t blocks;            /* of the process that has noted them last */
} *shared;

static int64_t blocks; /* (a) */

const char *sni_fault_name(enum sni_seam seam)
{
    return seams[seam].name;
}

void sni_fault_arm(enum sni_seam seam, uint32_t n)
{
    *shared = (struct shared){ .seam = seam, .n = n };
}

/* Before anything else runs. */
__attribute__((constructor(101))) static void init(void)
{
    const char *text = getenv("SENNIT_FAULT"), *colon = text ? strchr(text, ':') : NULL;

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        abort();
    for (unsigned i = 0; colon && i < SNI_SEAMS; i++)
        if (strlen(seams[i].name) == (size_t)(colon - text) && memcmp(seams[i].name, text, (size_t)(colon - text)) == 0)
            sni_fault_arm(i, (uint32_t)strtoul(colon + 1, NULL, 10));
}

int sni_fault(enum sni_seam seam)
{
    uint32_t count = sni_add_rlx(&shared->count[seam], 1u) + 1;

    if (shared->n == 0 || shared->seam != seam || count != shared->n)
        return 0;
    sni_store_rel(&shared->met, 1u); /* pairs with the acquire in sni_fault_was_met */
    return seams[seam].error;
}

bool sni_fault_was_met(void)
{
    return sni_load_acq(&shared->met) != 0; /* pairs with the release in sni_fault */
}

int sni_fault_error(void)
{
    return seams[shared->seam].error;
}

uint32_t sni_fault_count(enum sni_seam seam)
{
    return sni_load_rlx(&shared->count[seam]);
}

void sni_fault_count_block(int change)
{
    (void)sni_add_rlx(&blocks, (int64_t)change);
}

void sni_fault_note_blocks(void)
{
    sni_store_rlx(&shared->blocks, sni_load_rlx(&blocks));
}

int64_t sni_fault_blocks(void)
{
    return sni_load_rlx(&shared->blocks);
}
#endif
