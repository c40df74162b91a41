/* Ordinary memory. */
#include "os/os.h"

#include <stdlib.h>

void *sni_os_alloc(size_t size)
{
    return calloc(1, size);
}

void sni_os_free(void *ptr, size_t size)
{
    (void)size;
    free(ptr);
}
