#include "source.h"

#include <stdlib.h>

int source_open(struct source *s, const struct options *o, struct joblog *log)
{
    *s = (struct source){ .log = log };
    return input_open(&s->in, o);
}

/* Fewer inputs than the log has jobs: what is left may be the wrong ones. */
static int end(const struct source *s)
{
    const struct joblog *l = s->log;

    if (l->finished.last <= s->number)
        return 0;
    cli_error("--resume: the inputs have changed: '%s' has a job %llu, but there are %llu now", l->o->joblog,
              (unsigned long long)l->finished.last, (unsigned long long)s->number);
    return SN_EINVAL;
}

int source_next(sn_ctx *ctx, struct source *s, struct item **out)
{
    struct item *item;
    int r;

    while ((r = input_next(ctx, &s->in, &item)) > 0) {
        s->number++;
        if ((r = joblog_has(s->log, s->number, item)) == 0) {
            *out = item;
            return 1;
        }
        free(item);
        if (r < 0)
            return r;
        s->skipped++;
    }
    return r < 0 ? r : end(s);
}

void source_close(struct source *s)
{
    input_close(&s->in);
}
