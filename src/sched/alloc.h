/* The one pair through which Sennit allocates, so that tests can make the n-th allocation fail. Memory comes zeroed. */
#ifndef SNI_SCHED_ALLOC_H
#define SNI_SCHED_ALLOC_H

#include "os/os.h"

static inline void *sni_alloc(size_t size)
{
    return sni_os_alloc(size);
}

static inline void sni_free(void *ptr, size_t size)
{
    sni_os_free(ptr, size);
}

#endif
