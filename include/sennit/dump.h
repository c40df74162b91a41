/* Dump: what every task is doing.
 *
 *     r = sn_dump(2); // to standard error
 *
 * Writes a line for each worker and each task: its number and name, where it was started, what it waits for, for how long,
 * who holds that, and the calls on its stack, the innermost first. Tasks that run are shown as well as those that wait:
 *
 *     sennit: 3 tasks, 2 workers
 *       worker 0, thread 4211: asleep
 *       worker 1, thread 4213: runs task 2
 *       task 2 "main", started at sn_run main: running on worker 1
 *           report+0x1b (shop+0x14fb)
 *           ...
 *       task 3 "clerk", started at shop.c:44 open_shop: locking a mutex held by task 4, for 12.4 s
 *           ...
 *
 * Names of functions come from the symbol table of the executable and what libraries export; where they are missing,
 * `addr2line -f -e shop 0x14fb` finds them. Workers stand still for a moment while a few tasks at a time are looked at: so it is
 * not one moment that is shown, but for each task and its calls it is. What is interrupted in a system call goes on as after
 * any signal with SA_RESTART (the signal is SIGURG, whose default is to do nothing). Where a worker does not answer, or the
 * portable switch is used, calls are missing.
 *
 * See also: sn_run_opts.dump_signal, which does it from outside, also when nothing runs any more; the same for a core file and
 * a debugger, share/sennit/sennit-gdb.py.
 */
#ifndef SENNIT_DUMP_H
#define SENNIT_DUMP_H

#include <sennit/decl.h>

SN_BEGIN

/* Writes it to a descriptor, which holds up the calling worker as long as write(2) blocks. From any task or thread. 0;
 * SN_ENOTRUNNING without a runtime; SN_ENOMEM; or what write(2) says. */
SN_MUST SN_API int sn_dump(int fd);

SN_END

#endif
