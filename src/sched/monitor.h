/* The monitor: a thread that watches the workers. */
#ifndef SNI_SCHED_MONITOR_H
#define SNI_SCHED_MONITOR_H

struct sni_rt;

/* Starts it; stops it and waits until it has ended. After stop no more spares are started. */
int sni_monitor_start(struct sni_rt *rt);
void sni_monitor_stop(struct sni_rt *rt);

/* It shall look now. Any thread may call it; takes no lock. */
void sni_monitor_ring(struct sni_rt *rt);

#endif
