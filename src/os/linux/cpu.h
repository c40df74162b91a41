/* For cpu.c's test. */
#ifndef SNI_OS_LINUX_CPU_H
#define SNI_OS_LINUX_CPU_H

/* The process's CPU quota by its control groups, in CPUs, rounded up; INT_MAX if there is none. All files are looked for
 * below `root`, "" in life. */
int sni_cpu_quota(const char *root);

#endif
