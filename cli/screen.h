/* Standard output and standard error of sennit itself, and the status line: the one place that writes there while jobs run.
 *
 * Between screen_begin and screen_end a task has both to itself, so that what it writes stays in one piece. The status line
 * lives on the last line of the terminal that standard error is. It is wiped before anything else is written to that
 * terminal, by \r and "erase to the end of the line", and comes back with the next screen_status. No other property of
 * the terminal is ever changed, so there is nothing to restore, however sennit ends. */
#ifndef CLI_SCREEN_H
#define CLI_SCREEN_H

#include "cli.h"

/* Makes errors be written here. `ctx` ends the writing. SN_ENOMEM. */
int screen_open(sn_ctx *ctx);
void screen_close(void);

/* Takes the screen, to write to fd: 1 or 2. */
void screen_begin(int fd);

/* Writes, perhaps later. Errors show at screen_end. */
void screen_write(const char *bytes, size_t n);

/* Writes what was kept back and gives the screen to who waits. 0 or the first error since screen_begin. */
int screen_end(void);

/* Whether there can be a status line: standard error is a terminal that can erase. */
bool screen_can_show_status(void);

/* The terminal's width, asked anew each time. */
int screen_width(void);

/* Shows the text in place of the last one; or not, while a line of output is unfinished there or other programs have
 * the terminal. */
void screen_status(const char *text);

#endif
