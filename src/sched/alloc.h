/* The one pair through which Sennit allocates, so that tests can make the n-th allocation fail. Memory comes zeroed. */
#ifndef SNI_SCHED_ALLOC_H
#define SNI_SCHED_ALLOC_H

#include "os/fault.h"
#include "os/os.h"

#include <string.h>

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

/* Room for `need` elements in an array of *room; the new ones are zero. `array` is the address of the pointer to it, whatever
 * its type. False: no memory, and nothing has changed. */
static inline bool sni_grow(void *array, uint32_t *room, uint32_t need, size_t size)
{
    uint32_t n = *room ? *room : 64;
    void *old;

    if (need <= *room)
        return true;
    while (n < need)
        n *= 2;
    void *grown = sni_alloc(n * size);
    if (!grown)
        return false;
    memcpy(&old, array, sizeof old);
    if (*room)
        memcpy(grown, old, *room * size);
    sni_free(old, *room * size);
    memcpy(array, &grown, sizeof grown);
    *room = n;
    return true;
}

#define SNI_GROW(array, room, need) sni_grow(&(array), &(room), (need), sizeof *(array))

#endif
