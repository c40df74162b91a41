/* Ordinary memory. */
#include "os/fault.h"
#include "os/os.h"

#include <stdlib.h>

void *sni_os_alloc(size_t size)
{
    void *p = sni_fault(SNI_SEAM_ALLOC) ? NULL : calloc(1, size);

    if (p)
        sni_fault_count_block(1);
    return p;
}

void sni_os_free(void *ptr, size_t size)
{
    (void)size;
    if (ptr)
        sni_fault_count_block(-1);
    free(ptr);
}
