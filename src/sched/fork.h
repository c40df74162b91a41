/* What becomes of us in a forked child. */
#ifndef SNI_SCHED_FORK_H
#define SNI_SCHED_FORK_H

/* Prepares for forks; called before there is anything that a fork could find half done. */
void sni_fork_init(void);

/* The parts of it, in a child: only the calling thread is left, and no lock has a holder. */
void sni_checks_forked(void);
void sni_run_forked(void);
void sni_worker_forked(void);
void sni_threads_forked(void);
void sni_timers_forked(void);
void sni_clock_forked(void);

#endif
