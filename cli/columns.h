/* --colsep: where one column of a line ends and the next begins. */
#ifndef CLI_COLUMNS_H
#define CLI_COLUMNS_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>

struct columns {
    bool given;
    char *literal;     /* a separator without special characters, or NULL: then `regex` */
    size_t nliteral;
    regex_t regex;
};

/* Takes the separator, an extended regular expression in which \t is a tab. 0, or SN_EINVAL after one line on standard
 * error, or SN_ENOMEM. What was there before is freed. */
int columns_parse(struct columns *c, const char *pattern);
void columns_free(struct columns *c);

/* Finds the first separator in the n bytes at `at`: its place and length. `begins`: the line begins there. */
bool columns_find(const struct columns *c, const char *at, size_t n, bool begins, size_t *place, size_t *length);

#endif
