#include "joblog.h"

#include "quote.h"
#include "template.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char header[] = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

enum { HEADER = sizeof header - 1 };

static char *command_line(const struct options *o, const struct item *item, uint64_t number, size_t *size)
{
    struct command c;

    if (template_fill(&c, o, item, number, 0) < 0)
        return NULL;
    char *line = quote_words(c.argv, QUOTE_LINE, size);
    template_free(&c);
    return line;
}

/* --- reading --- */

/* A line of the file, without its newline, while it is read. */
struct entry {
    uint64_t number;
    bool failed;
    const char *command;
    size_t ncommand;
};

/* A whole number that ends at a tab, which *at is moved past. */
static bool take_number(const char **at, const char *end, long long *out)
{
    const char *p = *at + (*at < end && **at == '-'), *digits = p;
    long long n = 0;

    for (; p < end && isdigit((unsigned char)*p) && p - digits < 18; p++)
        n = n * 10 + (*p - '0');
    if (p == digits || p == end || *p != '\t')
        return false;
    *out = **at == '-' ? -n : n;
    *at = p + 1;
    return true;
}

static bool parse(struct entry *e, const char *at, size_t n)
{
    const char *end = at + n;
    long long number, exitval, signal;

    if (!take_number(&at, end, &number) || number < 1 || (uint64_t)number > FINISHED_MOST)
        return false;
    for (int i = 0; i < 5; i++) { /* from Host to Receive: nothing to us */
        const char *tab = memchr(at, '\t', (size_t)(end - at));
        if (!tab)
            return false;
        at = tab + 1;
    }
    if (!take_number(&at, end, &exitval) || !take_number(&at, end, &signal))
        return false;
    *e = (struct entry){ (uint64_t)number, exitval != 0 || signal != 0, at, (size_t)(end - at) };
    return true;
}

/* The file's lines, one after another. */
struct lines {
    int fd;
    char *buf;
    size_t start, end, room;
    off_t next;  /* what follows buf[end) in the file */
    off_t whole; /* where the last whole line ends */
};

/* The next whole line, which stays until the next call, without its newline: 1. 0 at the end, or an error. */
static int next_line(struct lines *f, const char **line, size_t *n)
{
    size_t searched = 0;

    for (;;) {
        size_t have = f->end - f->start;
        char *from = f->buf + f->start, *stop = have > searched ? memchr(from + searched, '\n', have - searched) : NULL;
        if (stop) {
            *line = from;
            *n = (size_t)(stop - from);
            f->start += *n + 1;
            f->whole += (off_t)*n + 1;
            return 1;
        }
        searched = have;
        if (f->start > 0)
            memmove(f->buf, from, have);
        f->start = 0;
        f->end = have;
        if (f->end == f->room) {
            char *buf = realloc(f->buf, f->room * 2);
            if (!buf)
                return SN_ENOMEM;
            f->buf = buf;
            f->room *= 2;
        }
        ssize_t got = pread(f->fd, f->buf + f->end, f->room - f->end, f->next);
        if (got < 0 && cli_errno() == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -cli_errno() : 0;
        f->end += (size_t)got;
        f->next += got;
    }
}

/* Shows `see` each line after the header, until it returns an error. 0 or an error; SN_EINVAL was said already. *whole: how
 * many bytes of the file are whole lines. */
typedef int see_entry(struct joblog *l, const struct entry *e, void *arg);
static int each_entry(struct joblog *l, see_entry *see, void *arg, off_t *whole)
{
    struct lines f = { .fd = l->fd, .room = 64 * 1024 };
    unsigned long long count = 0;
    const char *line = NULL;
    struct entry e;
    size_t n = 0;
    int r;

    if (!(f.buf = malloc(f.room)))
        return SN_ENOMEM;
    while ((r = next_line(&f, &line, &n)) > 0) {
        if (++count == 1 ? n + 1 != HEADER || memcmp(line, header, n) != 0 : !parse(&e, line, n)) {
            cli_error("'%s' is no job log: line %llu is none of it", l->o->joblog, count);
            r = SN_EINVAL;
            break;
        }
        if (count > 1 && (r = see(l, &e, arg)) < 0)
            break;
    }
    *whole = f.whole;
    if (r == 0 && count == 0 && f.end > 0 && (f.end > HEADER || memcmp(f.buf, header, f.end) != 0)) {
        cli_error("'%s' is no job log", l->o->joblog); /* and not a torn header either */
        r = SN_EINVAL;
    }
    free(f.buf);
    return r;
}

static int keep(struct joblog *l, const struct entry *e, void *arg)
{
    (void)arg;
    return finished_set(&l->finished, e->number, e->failed ? FINISHED_BADLY : FINISHED_WELL, e->command, e->ncommand);
}

/* --- opening --- */

static int cannot(const struct joblog *l, const char *what, int error)
{
    cli_error("cannot %s the job log '%s': %s", what, l->o->joblog, sn_error_string(error));
    return error;
}

/* Two runs that wrote to one log would both be lost. */
static int lock(const struct joblog *l)
{
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    if (fcntl(l->fd, F_SETLK, &whole) == 0)
        return 0;
    if (cli_errno() != EAGAIN && cli_errno() != EACCES)
        return cannot(l, "lock", -cli_errno());
    if (fcntl(l->fd, F_GETLK, &whole) == 0 && whole.l_type != F_UNLCK && whole.l_pid > 0)
        cli_error("the job log '%s' is in use by another run, process %ld", l->o->joblog, (long)whole.l_pid);
    else
        cli_error("the job log '%s' is in use by another run", l->o->joblog);
    return SN_EBUSY;
}

/* Without --resume a log is begun anew. What is no log was named by mistake. */
static int check_that_log(const struct joblog *l)
{
    char begin[HEADER];
    ssize_t n = pread(l->fd, begin, sizeof begin, 0);

    if (n < 0)
        return cannot(l, "read", -cli_errno());
    if (memcmp(begin, header, (size_t)n) == 0)
        return 0;
    cli_error("'%s' is there already and is no job log: it is not overwritten", l->o->joblog);
    return SN_EEXIST;
}

static int prepare(struct joblog *l)
{
    const struct options *o = l->o;
    off_t whole = 0;
    int r;

    if (!o->dry_run && (r = lock(l)) < 0)
        return r;
    if (o->resume && (r = each_entry(l, keep, NULL, &whole)) < 0)
        return r == SN_EINVAL ? r : cannot(l, "read", r);
    if (o->dry_run)
        return 0;
    if (!o->resume && (r = check_that_log(l)) < 0)
        return r;
    if (ftruncate(l->fd, whole) < 0)
        return cannot(l, "write to", -cli_errno());
    return 0;
}

int joblog_open(struct joblog *l, const struct options *o)
{
    struct stat st;
    int r = 0;

    *l = (struct joblog){ .o = o, .fd = -1 };
    if (!o->joblog || (o->dry_run && !o->resume))
        return 0;
    /* Read too: opening a pipe does not wait for a reader then. */
    l->fd = open(o->joblog, o->dry_run ? O_RDONLY | O_CLOEXEC : O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (l->fd < 0 && o->dry_run && cli_errno() == ENOENT)
        return 0;
    if (l->fd < 0 || fstat(l->fd, &st) < 0)
        return cannot(l, "open", -cli_errno());
    if (S_ISREG(st.st_mode)) {
        r = prepare(l);
    } else if (o->resume) {
        cli_error("cannot --resume from '%s', which is no regular file", o->joblog);
        r = SN_EINVAL;
    }
    if (r == 0 && !o->dry_run && lseek(l->fd, 0, SEEK_END) <= 0) {
        int64_t n = sn_fd_write(sn_background(), l->fd, header, HEADER);
        r = n < 0 ? cannot(l, "write to", (int)n) : 0;
    }
    if (r < 0)
        joblog_close(l);
    return r;
}

void joblog_close(struct joblog *l)
{
    if (l->fd >= 0)
        (void)sn_fd_close(l->fd);
    l->fd = -1;
    finished_free(&l->finished);
}

/* --- what is done --- */

struct search {
    uint64_t number;
    char *found;
};

static int find(struct joblog *l, const struct entry *e, void *arg)
{
    struct search *s = arg;

    (void)l;
    if (e->number == s->number) {
        free(s->found);
        s->found = strndup(e->command, e->ncommand);
    }
    return 0;
}

static int say_changed(struct joblog *l, uint64_t number, const char *command)
{
    struct search s = { .number = number };
    off_t whole;

    (void)each_entry(l, find, &s, &whole);
    cli_error("--resume: the inputs or the command have changed: job %llu was %.600s%s in '%s' and is %.600s%s now",
              (unsigned long long)number, s.found ? s.found : "another", s.found && strlen(s.found) > 600 ? "..." : "",
              l->o->joblog, command, strlen(command) > 600 ? "..." : "");
    free(s.found);
    return SN_EINVAL;
}

int joblog_has(struct joblog *l, uint64_t number, const struct item *item)
{
    bool same;
    size_t size;

    if (!l->o->resume || number > l->finished.last)
        return 0;
    char *command = command_line(l->o, item, number, &size);
    int r = command ? finished_get(&l->finished, number, command, size, &same) : SN_ENOMEM;
    if (r < 0)
        cli_error("cannot look up job %llu: %s", (unsigned long long)number, sn_error_string(r));
    else if (r != FINISHED_NOT && !same)
        r = say_changed(l, number, command);
    else
        r = r == FINISHED_WELL || (r == FINISHED_BADLY && !l->o->resume_failed);
    free(command);
    return r;
}

/* --- what becomes done --- */

/* As GNU parallel has them: -1 for a job whose time was over; what a shell says of a program that is not there. */
static int exitval(const struct job *job)
{
    if (!job->started)
        return job->error == SN_ENOENT ? 127 : 126;
    if (job->timed_out)
        return -1;
    if (job->status.signal)
        return 0;
    return job->status.code == 0 && job->end == JOB_FAILED ? 1 : job->status.code; /* 1: its output is incomplete */
}

int joblog_add(struct joblog *l, const struct job *job)
{
    size_t size;
    char *line = NULL;

    if (l->fd < 0)
        return 0;
    char *command = command_line(l->o, job->item, job->number, &size);
    if (!command)
        return SN_ENOMEM;
    int n = asprintf(&line, "%llu\t:\t%14.3f\t%10.3f\t0\t%llu\t%d\t%d\t%s\n", (unsigned long long)job->number,
                     (double)job->begin / 1e9, (double)job->duration / 1e9, (unsigned long long)job->received[0],
                     exitval(job), job->started ? job->status.signal : 0, command);
    free(command);
    if (n < 0)
        return SN_ENOMEM;
    int64_t r = sn_fd_write(sn_background(), l->fd, line, (size_t)n);
    free(line);
    return r < 0 ? (int)r : 0;
}
