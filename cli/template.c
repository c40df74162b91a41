#include "template.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A span of text. */
struct span {
    const char *at;
    size_t n;
};

static struct span span_of(const char *text)
{
    return (struct span){ text, strlen(text) };
}

static struct span last_part(struct span s)
{
    size_t i = s.n;

    while (i > 0 && s.at[i - 1] != '/')
        i--;
    return (struct span){ s.at + i, s.n - i };
}

static struct span directory(struct span s)
{
    size_t n = s.n - last_part(s).n; /* with its slash */

    if (n == 0)
        return (struct span){ ".", 1 };
    return (struct span){ s.at, n == 1 ? 1 : n - 1 };
}

/* Without the extension of its last part; leading dots start no extension, nor are they one. */
static struct span without_extension(struct span s)
{
    size_t first = s.n;

    while (first > 0 && s.at[first - 1] != '/')
        first--;
    while (first < s.n && s.at[first] == '.')
        first++;
    for (size_t i = s.n; i-- > first + 1;)
        if (s.at[i] == '.')
            return (struct span){ s.at, i };
    return s;
}

/* What a job's replacement strings stand for. */
struct values {
    const struct item *item;
    char *joined;              /* what {} is inside a word: item's inputs with blanks between them */
    char number[24], slot[16];
    bool positional;           /* {1}, {2}, ... stand for something */
};

/* Which input {...} names: 0 for all of them. *p is moved past the number. */
static bool take_position(const char **p, const struct values *v, long *position)
{
    const char *digits = *p + (**p == '-');
    char *end;

    *position = 0;
    if (!isdigit((unsigned char)*digits))
        return **p != '-';
    *position = strtol(*p, &end, 10);
    *p = end;
    return v->positional && *position != 0;
}

/* If `p` begins with a replacement string: its value, and its length in *n. */
static bool replacement(const char *p, const struct values *v, struct span *value, size_t *n)
{
    static const struct {
        const char *rest;
        enum { WHOLE, NO_EXTENSION, LAST_PART, DIRECTORY, BASE } part;
    } parts[] = { { "}", WHOLE }, { ".}", NO_EXTENSION }, { "/}", LAST_PART }, { "//}", DIRECTORY }, { "/.}", BASE } };
    const char *at = p + 1;
    long position;

    if (strncmp(p, "{#}", 3) == 0 || strncmp(p, "{%}", 3) == 0) {
        *n = 3;
        *value = span_of(p[1] == '#' ? v->number : v->slot);
        return true;
    }
    if (!take_position(&at, v, &position))
        return false;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (strncmp(at, parts[i].rest, strlen(parts[i].rest)) != 0)
            continue;
        const char *input = position ? item_at(v->item, position) : v->joined;
        struct span s = span_of(input ? input : "");
        *n = (size_t)(at - p) + strlen(parts[i].rest);
        *value = !input                          ? s
                 : parts[i].part == WHOLE        ? s
                 : parts[i].part == NO_EXTENSION ? without_extension(s)
                 : parts[i].part == LAST_PART    ? last_part(s)
                 : parts[i].part == DIRECTORY    ? directory(s)
                                                 : without_extension(last_part(s));
        return true;
    }
    return false;
}

/* The length of a word once filled, with its NUL, and the text itself if `to` is not NULL. */
static size_t fill_word(char *to, const char *word, const struct values *v, bool *replaced)
{
    size_t total = 0, n;
    struct span s;

    while (*word) {
        if (*word == '{' && replacement(word, v, &s, &n)) {
            *replaced = true;
        } else {
            s = (struct span){ word, 1 };
            n = 1;
        }
        if (to)
            memcpy(to + total, s.at, s.n);
        total += s.n;
        word += n;
    }
    if (to)
        to[total] = '\0';
    return total + 1;
}

/* Each input becomes a word, at argv and, its text, at `to`. */
static char *add_inputs(char **argv, char *to, const struct item *item)
{
    memcpy(to, item->text, item->size);
    for (size_t i = 0; i < item->n; i++, to += strlen(to) + 1)
        argv[i] = to;
    return to;
}

static bool stands_for_all(const char *word)
{
    return strcmp(word, "{}") == 0;
}

static int fill_plain(struct command *out, const struct options *o, const struct values *v)
{
    size_t count = (size_t)o->ncommand + 1 + v->item->n, bytes = v->item->size;
    bool replaced = false;

    for (int i = 0; i < o->ncommand; i++) {
        bool all = stands_for_all(o->command[i]);
        count += all ? v->item->n : 0;
        bytes += all ? v->item->size : fill_word(NULL, o->command[i], v, &replaced);
    }
    if (!(out->argv = malloc(count * sizeof(char *) + bytes)))
        return SN_ENOMEM;
    char **word = out->argv, *to = (char *)(out->argv + count);
    for (int i = 0; i < o->ncommand; i++) {
        if (stands_for_all(o->command[i])) {
            to = add_inputs(word, to, v->item);
            word += v->item->n;
            replaced = true;
        } else {
            *word++ = to;
            to += fill_word(to, o->command[i], v, &replaced);
        }
    }
    if (!replaced) {
        (void)add_inputs(word, to, v->item);
        word += v->item->n;
    }
    *word = NULL;
    return 0;
}

/* sh -c 'the words' sennit INPUT...: the inputs are "$1", "$2", ... and no part of the script's text. */
static int fill_shell(struct command *out, const struct options *o, const struct item *item)
{
    size_t bytes = item->size;

    for (int i = 0; i < o->ncommand; i++)
        bytes += strlen(o->command[i]) + 1;
    if (!(out->argv = malloc((5 + item->n) * sizeof(char *) + bytes)))
        return SN_ENOMEM;
    char *script = (char *)(out->argv + 5 + item->n), *to = script;
    for (int i = 0; i < o->ncommand; i++)
        to += sprintf(to, "%s%s", i ? " " : "", o->command[i]);
    out->argv[0] = (char *)"sh";
    out->argv[1] = (char *)"-c";
    out->argv[2] = script;
    out->argv[3] = (char *)"sennit";
    (void)add_inputs(out->argv + 4, to + 1, item);
    out->argv[4 + item->n] = NULL;
    return 0;
}

int template_fill(struct command *out, const struct options *o, const struct item *item, uint64_t number, int slot)
{
    struct values v = { .item = item, .positional = o->positional, .slot = "{%}" };

    if (o->shell)
        return fill_shell(out, o, item);
    if (!(v.joined = item_join(item)))
        return SN_ENOMEM;
    (void)snprintf(v.number, sizeof v.number, "%llu", (unsigned long long)number);
    if (slot)
        (void)snprintf(v.slot, sizeof v.slot, "%d", slot);
    int r = fill_plain(out, o, &v);
    free(v.joined);
    return r;
}

void template_free(struct command *c)
{
    free(c->argv);
}
