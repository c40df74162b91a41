/* Plain threads: each gets a wait at its first blocking call and sleeps on a futex. */
#ifndef SNI_SCHED_THREAD_H
#define SNI_SCHED_THREAD_H

#include "sched/wait.h"

struct sni_armed;

/* The calling thread's wait; NULL if there is no memory for one. Given back when the thread ends. */
struct sni_wait *sni_thread_wait(void);

/* Its record's number: from 0, as small as there were threads at a time. */
uint32_t sni_thread_number(struct sni_wait *wait);

int32_t sni_park_thread(struct sni_wait *wait, struct sni_armed *armed);
void sni_ready_thread(struct sni_wait *wait);

#endif
