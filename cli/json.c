#include "json.h"

#include "quote.h"
#include "screen.h"
#include "template.h"
#include "utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what JSON is made of, written to the screen --- */

__attribute__((format(printf, 1, 2))) static void put(const char *format, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, format);
    int n = vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    screen_write(text, (size_t)n);
}

static int put_text(void *arg, const char *bytes, size_t n)
{
    size_t from = 0;

    (void)arg;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        screen_write(bytes + from, i - from);
        from = i + 1;
        if (c == '\n')
            put("\\n");
        else if (c == '\t')
            put("\\t");
        else if (c == '"' || c == '\\')
            put("\\%c", c);
        else
            put("\\u%04x", c);
    }
    screen_write(bytes + from, n - from);
    return 0;
}

struct base64 {
    uint32_t bits;
    int nbits; /* 0, 8 or 16 that wait for more */
};

static void put_sextets(const struct base64 *b, int sextets)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char four[4] = "====";

    for (int i = 0; i < sextets; i++)
        four[i] = letters[b->bits >> (18 - 6 * i) & 63];
    screen_write(four, 4);
}

static int put_base64(void *arg, const char *bytes, size_t n)
{
    struct base64 *b = arg;

    for (size_t i = 0; i < n; i++) {
        b->bits |= (uint32_t)(unsigned char)bytes[i] << (16 - b->nbits);
        b->nbits += 8;
        if (b->nbits == 24) {
            put_sextets(b, 4);
            *b = (struct base64){ 0 };
        }
    }
    return 0;
}

static void end_base64(const struct base64 *b)
{
    if (b->nbits > 0)
        put_sextets(b, b->nbits / 8 + 1);
}

static void put_string(const char *text, bool base64)
{
    struct base64 b = { 0 };

    screen_write("\"", 1);
    if (base64) {
        (void)put_base64(&b, text, strlen(text));
        end_base64(&b);
    } else {
        (void)put_text(NULL, text, strlen(text));
    }
    screen_write("\"", 1);
}

/* --- fields --- */

static void put_item(const struct item *item, const struct options *o)
{
    bool valid = true;
    const char *input = item->text;

    for (size_t i = 0; i < item->n && valid; i++, input = item_next(input))
        valid = utf8_valid(input, strlen(input));
    put(",\"input%s%s\":%s", o->positional ? "s" : "", valid ? "" : "_base64", o->positional ? "[" : "");
    input = item->text;
    for (size_t i = 0; i < item->n; i++, input = item_next(input)) {
        if (i > 0)
            put(",");
        put_string(input, !valid);
    }
    if (o->positional)
        put("]");
}

static int take_utf8(void *arg, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!utf8_take(arg, (unsigned char)bytes[i]))
            return SN_EUSER;
    return 0;
}

/* Read twice, from the spool if need be: first to see whether it is text. */
static int put_output(const char *name, const struct output *o)
{
    struct utf8 u = { 0 };
    struct base64 b = { 0 };
    int r = output_each(o, take_utf8, &u);

    if (r < 0 && r != SN_EUSER)
        return r;
    bool text = r == 0 && u.need == 0;
    put(",\"%s%s\":\"", name, text ? "" : "_base64");
    r = text ? output_each(o, put_text, NULL) : output_each(o, put_base64, &b);
    end_base64(&b);
    put("\"");
    return r;
}

static void put_head(const char *event, const struct job *job, const struct options *o)
{
    put("{\"event\":\"%s\",\"seq\":%llu", event, (unsigned long long)job->number);
    put_item(job->item, o);
    put(",\"slot\":%d", job->slot);
}

static const char *result_of(const struct job *job)
{
    return job->end == JOB_SUCCEEDED ? "succeeded"
           : job->end == JOB_STOPPED ? "stopped"
           : !job->started           ? "error"
           : job->timed_out          ? "timeout"
                                     : "failed";
}

static void put_status(const struct job *job)
{
    if (job->started && !job->status.signal)
        put(",\"exit\":%d,\"signal\":null", job->status.code);
    else if (job->started)
        put(",\"exit\":null,\"signal\":%d", job->status.signal);
    else
        put(",\"exit\":null,\"signal\":null");
    if (!job->started && job->end == JOB_FAILED)
        put(",\"error\":\"%s\"", sn_error_string(job->error));
}

/* --- events --- */

int json_start(const struct job *job, const struct options *o)
{
    struct command c;
    size_t n;
    char *line = NULL;

    if (template_fill(&c, o, job->item, job->number, job->slot) == 0) {
        line = quote_words(c.argv, QUOTE_LINE, &n);
        template_free(&c);
    }
    if (!line)
        return SN_ENOMEM;
    screen_begin(1);
    put_head("start", job, o);
    put(",\"time\":%.3f,\"command\":", (double)job_clock() / 1e9);
    put_string(line, false);
    put("}\n");
    free(line);
    return screen_end();
}

int json_end(const struct job *job, const struct options *o)
{
    screen_begin(1);
    put_head("end", job, o);
    put(",\"start\":%.3f,\"duration\":%.6f,\"tries\":%ld,\"result\":\"%s\"", (double)job->begin / 1e9,
        (double)job->duration / 1e9, job->tries, result_of(job));
    put_status(job);
    int r = put_output("stdout", &job->out[0]);
    if (r == 0)
        r = put_output("stderr", &job->out[1]);
    put("}\n");
    int e = screen_end();
    return r < 0 ? r : e;
}

int json_summary(const struct summary *s, int exit_code)
{
    screen_begin(1);
    put("{\"event\":\"summary\",\"jobs\":%llu,\"succeeded\":%llu,\"failed\":%llu,\"stopped\":%llu,\"skipped\":%llu,"
        "\"seconds\":%.3f,\"exit\":%d}\n",
        (unsigned long long)summary_over(s), (unsigned long long)s->succeeded, (unsigned long long)s->failed,
        (unsigned long long)s->stopped, (unsigned long long)s->skipped, (double)(sn_now() - s->begin) / 1e9, exit_code);
    return screen_end();
}
