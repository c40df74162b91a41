#include "quote.h"

#include "utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ESCAPE_MOST = 4 /* \xNN */ };

/* The n bytes of one character, or one byte that is none, escaped as in $'...'. Returns the length. */
static size_t escape(char *to, const char *p, size_t n)
{
    static const char from[] = "\a\b\t\n\v\f\r", letter[] = "abtnvfr";
    size_t length = 0;
    const char *at;

    if (n == 1 && *p && (at = strchr(from, *p)) != NULL) {
        to[0] = '\\';
        to[1] = letter[at - from];
        return 2;
    }
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(to + length, ESCAPE_MOST + 1, "\\x%02x", (unsigned)(unsigned char)p[i]);
        length += ESCAPE_MOST;
    }
    return length;
}

/* The next character of a text, or a byte that is none: its length in *n. False: it must not be shown as it is. */
static bool next_char(const char *p, size_t left, size_t *n)
{
    *n = utf8_length(p, left);
    bool shown = *n > 0 && utf8_printable(p, *n);
    *n = *n ? *n : 1;
    return shown;
}

static bool has_unprintable(const char *text, size_t size)
{
    size_t n;

    for (size_t i = 0; i < size; i += n)
        if (!next_char(text + i, size - i, &n))
            return true;
    return false;
}

static size_t put_ansi(char *to, const char *text, size_t size)
{
    char *begin = to;
    size_t n;

    to += sprintf(to, "$'");
    for (size_t i = 0; i < size; i += n) {
        if (!next_char(text + i, size - i, &n)) {
            to += escape(to, text + i, n);
            continue;
        }
        if (text[i] == '\'' || text[i] == '\\')
            *to++ = '\\';
        memcpy(to, text + i, n);
        to += n;
    }
    *to++ = '\'';
    return (size_t)(to - begin);
}

static bool needs_quotes(const char *word)
{
    return *word == '\0' || word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%")];
}

static size_t put_word(char *to, const char *word, enum quote style)
{
    size_t size = strlen(word);
    char *begin = to;

    if (!needs_quotes(word)) {
        memcpy(to, word, size);
        return size;
    }
    if (style == QUOTE_LINE && has_unprintable(word, size))
        return put_ansi(to, word, size);
    *to++ = '\'';
    for (const char *p = word; *p; p++) {
        if (*p == '\'') {
            memcpy(to, "'\\''", 4);
            to += 4;
        } else {
            *to++ = *p;
        }
    }
    *to++ = '\'';
    return (size_t)(to - begin);
}

char *quote_words(char *const *words, enum quote style, size_t *size)
{
    size_t most = 2;

    for (char *const *w = words; *w; w++)
        most += strlen(*w) * ESCAPE_MOST + 4; /* a quote becomes four characters at most, too: '\'' */
    char *line = malloc(most), *to = line;
    if (!line)
        return NULL;
    for (char *const *w = words; *w; w++) {
        if (w != words)
            *to++ = ' ';
        to += put_word(to, *w, style);
    }
    *to = '\0';
    *size = (size_t)(to - line);
    return line;
}

char *quote_tag(const char *text, size_t *size)
{
    size_t n = strlen(text);
    bool ansi = strncmp(text, "$'", 2) == 0;

    for (size_t i = 0; i < n && !ansi; i++)
        ansi = (unsigned char)text[i] < 0x20 || text[i] == 0x7f;
    char *tag = malloc(n * ESCAPE_MOST + 4);
    if (!tag)
        return NULL;
    if (ansi)
        n = put_ansi(tag, text, n);
    else
        memcpy(tag, text, n);
    *size = n;
    return tag;
}

size_t quote_show(char *to, size_t room, const char *text)
{
    size_t left = strlen(text), used = 0, n;

    for (; left > 0; text += n, left -= n) {
        char piece[4 * ESCAPE_MOST + 1];
        size_t length = next_char(text, left, &n) ? 0 : escape(piece, text, n);
        const char *from = length ? piece : text;
        length = length ? length : n;
        if (used + length + (left > n ? 4 : 1) > room) { /* "..." must fit as long as something may follow */
            used += (size_t)sprintf(to + used, "...");
            break;
        }
        memcpy(to + used, from, length);
        used += length;
    }
    to[used] = '\0';
    return used;
}
