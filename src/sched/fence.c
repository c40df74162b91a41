#include "sched/fence.h"

#include "os/os.h"

uint32_t sni_fence_asymmetric;

void sni_fence_init(void)
{
    /* The first time takes 20 us, or some milliseconds in a process that has threads already. */
    if (!sni_load_rlx(&sni_fence_asymmetric) && sni_os_fence_init() == 0)
        sni_store_rlx(&sni_fence_asymmetric, 1u);
}

void sni_fence_heavy(void)
{
    sni_fence_seq(); /* for whoever did not see the flag and fenced fully */
    if (sni_load_rlx(&sni_fence_asymmetric)) {
        int r = sni_os_fence_all();
        sni_check(r == 0, "the kernel withdrew membarrier: %d", r);
    }
}
