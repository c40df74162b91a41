/* Text from outside, written so that a shell reads it back, or so that a terminal can show it. */
#ifndef CLI_QUOTE_H
#define CLI_QUOTE_H

#include <stdbool.h>
#include <stddef.h>

enum quote {
    QUOTE_SHELL, /* '...' where needed: any shell reads it back; a newline stays one */
    QUOTE_LINE,  /* $'...' for words with control characters or with bytes that are no UTF-8: bash, zsh, ksh and POSIX
                  * 2024 read it back, and it is one line of valid UTF-8 whatever the words hold */
};

/* The words, quoted, with a blank between them; malloc'ed and NUL-ended, its length in *size. NULL: no memory. */
char *quote_words(char *const *words, enum quote style, size_t *size);

/* What a line of --tag begins with: the text as it is, but as $'...' if it holds a control character, which could end the
 * line or the tag, or looks as if it were quoted so. malloc'ed. */
char *quote_tag(const char *text, size_t *size);

/* Copies the text with \n, \t, \xNN in place of what a terminal should not get; cut, and ended by "...", if it does not fit.
 * `room` is at least 8. Returns the length. */
size_t quote_show(char *to, size_t room, const char *text);

#endif
