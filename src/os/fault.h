/* Injected failures: in a build with SN_FAULTS the n-th call of a seam fails, or is short, or is interrupted. In any other build
 * this is nothing.
 *
 * A program is told by $SENNIT_FAULT, "seam:n", counted from 1; a test by sni_fault_arm. Counters are shared with children
 * that a test forks. */
#ifndef SNI_OS_FAULT_H
#define SNI_OS_FAULT_H

#include <stdbool.h>
#include <stdint.h>

enum sni_seam {
    SNI_SEAM_ALLOC,       /* memory of the allocator */
    SNI_SEAM_MAP,         /* address space, and making it usable */
    SNI_SEAM_GUARD,       /* stack guards */
    SNI_SEAM_FUTEX,       /* a wait that ends for no reason */
    SNI_SEAM_FENCE,       /* there is no membarrier */
    SNI_SEAM_EPOLL,       /* making a poller, watching a descriptor */
    SNI_SEAM_EPOLL_EINTR, /* a wait that is interrupted */
    SNI_SEAM_THREAD,      /* starting one */
    SNI_SEAM_SPAWN,       /* starting a process */
    SNI_SEAM_FORK,        /* a child to try something in */
    SNI_SEAM_PIPE,        /* and eventfds */
    SNI_SEAM_READ,        /* fails */
    SNI_SEAM_READ_SHORT,
    SNI_SEAM_READ_EINTR,
    SNI_SEAM_WRITE,
    SNI_SEAM_WRITE_SHORT,
    SNI_SEAM_WRITE_EINTR,
    SNI_SEAMS
};

#ifdef SN_FAULTS
int sni_fault(enum sni_seam seam);  /* the error with which this call fails; 0: it does not */
const char *sni_fault_name(enum sni_seam seam);
void sni_fault_arm(enum sni_seam seam, uint32_t n);
bool sni_fault_was_met(void);       /* the call has come and failed */
int sni_fault_error(void);          /* with that */
uint32_t sni_fault_count(enum sni_seam seam); /* calls since the last arm */
int64_t sni_fault_blocks(void);     /* blocks of memory that were got and not given back, as last noted by any process */
void sni_fault_note_blocks(void);
void sni_fault_count_block(int change);
#else
static inline int sni_fault(enum sni_seam seam)
{
    (void)seam;
    return 0;
}

static inline void sni_fault_count_block(int change)
{
    (void)change;
}
#endif

#endif
