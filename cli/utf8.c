#include "utf8.h"

/* The table of the Unicode standard: which second byte each first byte allows, so that there are no overlong forms, no
 * surrogates and nothing above U+10FFFF. */
static bool take_first(struct utf8 *u, unsigned char c)
{
    u->low = 0x80;
    u->high = 0xbf;
    if (c < 0x80) {
        u->need = 0;
        return true;
    }
    if (c < 0xc2 || c > 0xf4)
        return false;
    u->need = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    if (c == 0xe0)
        u->low = 0xa0;
    else if (c == 0xed)
        u->high = 0x9f;
    else if (c == 0xf0)
        u->low = 0x90;
    else if (c == 0xf4)
        u->high = 0x8f;
    return true;
}

bool utf8_take(struct utf8 *u, unsigned char c)
{
    if (u->need == 0)
        return take_first(u, c);
    if (c < u->low || c > u->high)
        return false;
    u->need--;
    u->low = 0x80;
    u->high = 0xbf;
    return true;
}

size_t utf8_length(const char *p, size_t n)
{
    struct utf8 u = { 0 };

    for (size_t i = 0; i < n && utf8_take(&u, (unsigned char)p[i]); i++)
        if (u.need == 0)
            return i + 1;
    return 0;
}

bool utf8_valid(const char *p, size_t n)
{
    struct utf8 u = { 0 };

    for (size_t i = 0; i < n; i++)
        if (!utf8_take(&u, (unsigned char)p[i]))
            return false;
    return u.need == 0;
}

bool utf8_printable(const char *p, size_t n)
{
    unsigned char c = (unsigned char)*p;

    if (n == 1)
        return c >= 0x20 && c != 0x7f;
    return n != 2 || c != 0xc2 || (unsigned char)p[1] >= 0xa0;
}
