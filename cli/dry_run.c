#include "dry_run.h"

#include "quote.h"
#include "template.h"

#include <stdlib.h>
#include <string.h>

enum { BUFFER = 64 * 1024 };

struct sink {
    char *buf;
    size_t n;
};

static int flush(struct sink *s)
{
    int64_t r = s->n ? sn_fd_write(sn_background(), 1, s->buf, s->n) : 0;

    s->n = 0;
    return r < 0 ? (int)r : 0;
}

static int put(struct sink *s, const char *bytes, size_t n)
{
    int r = s->n + n > BUFFER ? flush(s) : 0;

    if (r == 0 && n > BUFFER) {
        int64_t written = sn_fd_write(sn_background(), 1, bytes, n);
        return written < 0 ? (int)written : 0;
    }
    memcpy(s->buf + s->n, bytes, r == 0 ? n : 0);
    s->n += r == 0 ? n : 0;
    return r;
}

static int put_command(struct sink *s, const struct options *o, const struct item *item, uint64_t number)
{
    struct command c;
    size_t size;
    int r = template_fill(&c, o, item, number, 1);

    if (r < 0)
        return r;
    char *line = quote_words(c.argv, QUOTE_SHELL, &size);
    template_free(&c);
    if (!line)
        return SN_ENOMEM;
    line[size] = '\n';
    r = put(s, line, size + 1);
    free(line);
    return r;
}

int dry_run(const struct options *o, struct source *source)
{
    struct sink sink = { .buf = malloc(BUFFER) };
    struct item *item;
    int r, e = 0;

    if (!sink.buf) {
        cli_error("%s", sn_error_string(SN_ENOMEM));
        return CLI_OWN_ERROR;
    }
    while ((r = source_next(sn_background(), source, &item)) > 0 && e == 0) {
        e = put_command(&sink, o, item, source->number);
        free(item);
    }
    if (e == 0)
        e = flush(&sink);
    if (e < 0)
        cli_error("cannot write the output: %s", sn_error_string(e));
    free(sink.buf);
    return r < 0 || e < 0 ? CLI_OWN_ERROR : 0;
}
