/* The one pair through which Sennit allocates, so that tests can make the n-th allocation fail. Memory comes zeroed. */
#ifndef SNI_SCHED_ALLOC_H
#define SNI_SCHED_ALLOC_H

#include "os/fault.h"
#include "os/os.h"

static inline void *sni_alloc(size_t size)
{
    return sni_os_alloc(size);
}

/* It stays for the life of the process: no leak. */
static inline void sni_forever(const void *ptr)
{
    sni_fault_count_block(ptr ? -1 : 0);
}

static inline void sni_free(void *ptr, size_t size)
{
    sni_os_free(ptr, size);
}

#endif
