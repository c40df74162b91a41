#include "columns.h"

#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* POSIX leaves \t open and glibc takes it for a t, which nobody means. */
static char *with_tabs(const char *pattern)
{
    char *text = malloc(strlen(pattern) + 1), *to = text;

    if (!text)
        return NULL;
    for (const char *p = pattern; *p; p++) {
        if (p[0] == '\\' && p[1] == 't') {
            *to++ = '\t';
            p++;
            continue;
        }
        *to++ = *p;
        if (p[0] == '\\' && p[1])
            *to++ = *++p;
    }
    *to = '\0';
    return text;
}

int columns_parse(struct columns *c, const char *pattern)
{
    char why[200], *text = with_tabs(pattern);

    columns_free(c);
    if (!text) {
        cli_error("%s", sn_error_string(SN_ENOMEM));
        return SN_ENOMEM;
    }
    if (*text && !text[strcspn(text, "\\^$.[]|()*+?{}")]) {
        *c = (struct columns){ .given = true, .literal = text, .nliteral = strlen(text) };
        return 0;
    }
    int r = regcomp(&c->regex, text, REG_EXTENDED);
    free(text);
    if (r != 0) {
        (void)regerror(r, &c->regex, why, sizeof why);
        cli_error("--colsep takes an extended regular expression, not '%s': %s", pattern, why);
        return SN_EINVAL;
    }
    if (regexec(&c->regex, "", 0, NULL, 0) == 0) {
        cli_error("--colsep: '%s' matches nothing at all, which separates no columns (the character | is \\|)", pattern);
        regfree(&c->regex);
        return SN_EINVAL;
    }
    c->given = true;
    return 0;
}

void columns_free(struct columns *c)
{
    if (c->given && !c->literal)
        regfree(&c->regex);
    free(c->literal);
    *c = (struct columns){ 0 };
}

bool columns_find(const struct columns *c, const char *at, size_t n, bool begins, size_t *place, size_t *length)
{
    if (c->literal) {
        const char *found = memmem(at, n, c->literal, c->nliteral);
        if (found) {
            *place = (size_t)(found - at);
            *length = c->nliteral;
        }
        return found;
    }
    for (size_t from = 0; from < n; from++) { /* again only after a match of nothing, which is no separator */
        regmatch_t m = { .rm_so = (regoff_t)from, .rm_eo = (regoff_t)n };
        if (regexec(&c->regex, at, 1, &m, REG_STARTEND | (begins && from == 0 ? 0 : REG_NOTBOL)) != 0)
            return false;
        if (m.rm_eo > m.rm_so) {
            *place = (size_t)m.rm_so;
            *length = (size_t)(m.rm_eo - m.rm_so);
            return true;
        }
        from = (size_t)m.rm_so;
    }
    return false;
}
