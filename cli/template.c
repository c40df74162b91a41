#include "template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A span of text. */
struct span {
    const char *at;
    size_t n;
};

static struct span last_part(const char *input)
{
    const char *slash = strrchr(input, '/');
    const char *at = slash ? slash + 1 : input;

    return (struct span){ at, strlen(at) };
}

static struct span directory(const char *input)
{
    const char *slash = strrchr(input, '/');

    if (!slash)
        return (struct span){ ".", 1 };
    return (struct span){ input, slash == input ? 1 : (size_t)(slash - input) };
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

struct values {
    const char *input;
    char number[24], slot[16];
};

/* If `p` begins with a replacement string: its value, and its length in *n. */
static bool replacement(const char *p, const struct values *v, struct span *value, size_t *n)
{
    static const char *const names[] = { "{}", "{.}", "{/}", "{//}", "{/.}", "{#}", "{%}" };
    struct span whole = { v->input, strlen(v->input) };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        *n = strlen(names[i]);
        if (strncmp(p, names[i], *n) != 0)
            continue;
        const struct span values[] = { whole,
                                       without_extension(whole),
                                       last_part(v->input),
                                       directory(v->input),
                                       without_extension(last_part(v->input)),
                                       { v->number, strlen(v->number) },
                                       { v->slot, strlen(v->slot) } };
        *value = values[i];
        return true;
    }
    return false;
}

/* The length of a word once filled, and the text itself if `to` is not NULL. */
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

static int fill_plain(struct command *out, const struct options *o, const struct values *v)
{
    size_t count = (size_t)o->ncommand + 2, bytes = 0;
    bool replaced = false;

    for (int i = 0; i < o->ncommand; i++)
        bytes += fill_word(NULL, o->command[i], v, &replaced);
    bytes += strlen(v->input) + 1;
    if (!(out->argv = malloc(count * sizeof(char *) + bytes)))
        return SN_ENOMEM;
    char *to = (char *)(out->argv + count);
    for (int i = 0; i < o->ncommand; i++) {
        out->argv[i] = to;
        to += fill_word(to, o->command[i], v, &replaced);
    }
    out->argv[o->ncommand] = NULL;
    if (!replaced) {
        out->argv[o->ncommand] = strcpy(to, v->input);
        out->argv[o->ncommand + 1] = NULL;
    }
    return 0;
}

/* sh -c 'the words' sennit INPUT: the input is "$1" and no part of the script's text. */
static int fill_shell(struct command *out, const struct options *o, const struct values *v)
{
    size_t bytes = strlen(v->input) + 1;

    for (int i = 0; i < o->ncommand; i++)
        bytes += strlen(o->command[i]) + 1;
    if (!(out->argv = malloc(6 * sizeof(char *) + bytes)))
        return SN_ENOMEM;
    char *script = (char *)(out->argv + 6), *to = script;
    for (int i = 0; i < o->ncommand; i++)
        to += sprintf(to, "%s%s", i ? " " : "", o->command[i]);
    out->argv[0] = (char *)"sh";
    out->argv[1] = (char *)"-c";
    out->argv[2] = script;
    out->argv[3] = (char *)"sennit";
    out->argv[4] = strcpy(to + 1, v->input);
    out->argv[5] = NULL;
    return 0;
}

int template_fill(struct command *out, const struct options *o, const char *input, uint64_t number, int slot)
{
    struct values v = { .input = input };

    (void)snprintf(v.number, sizeof v.number, "%llu", (unsigned long long)number);
    (void)snprintf(v.slot, sizeof v.slot, "%d", slot);
    return o->shell ? fill_shell(out, o, &v) : fill_plain(out, o, &v);
}

void template_free(struct command *c)
{
    free(c->argv);
}

static bool needs_quotes(const char *word)
{
    return *word == '\0' || word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%")];
}

char *template_quote(const struct command *c, size_t *size)
{
    size_t bytes = 2;

    for (char **w = c->argv; *w; w++)
        bytes += strlen(*w) * 4 + 3; /* each ' may become '\'' */
    char *line = malloc(bytes), *to = line;
    if (!line)
        return NULL;
    for (char **w = c->argv; *w; w++) {
        bool quote = needs_quotes(*w);
        if (w != c->argv)
            *to++ = ' ';
        if (quote)
            *to++ = '\'';
        for (const char *p = *w; *p; p++) {
            if (*p == '\'') {
                memcpy(to, "'\\''", 4);
                to += 4;
            } else {
                *to++ = *p;
            }
        }
        if (quote)
            *to++ = '\'';
    }
    *to++ = '\n';
    *size = (size_t)(to - line);
    return line;
}
