/* UTF-8 as it comes: what is whole, and what is none. */
#ifndef CLI_UTF8_H
#define CLI_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Where a text stands that is read byte by byte. Zero is its beginning. */
struct utf8 {
    unsigned char need;      /* bytes that the character still needs; 0: between two characters */
    unsigned char low, high; /* what the next of them may be */
};

/* Takes one byte. False: it cannot stand here, so the text is no UTF-8. */
bool utf8_take(struct utf8 *u, unsigned char c);

/* How many bytes the character at `p` has; 0: no valid one is there. n > 0. */
size_t utf8_length(const char *p, size_t n);

/* Whether all of it is valid. */
bool utf8_valid(const char *p, size_t n);

/* Whether a terminal may get the character of `n` valid bytes as it is: no control character, C1 ones included. */
bool utf8_printable(const char *p, size_t n);

#endif
