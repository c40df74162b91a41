#include "results.h"

#include "quote.h"
#include "template.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const files[] = { "stdout", "stderr", "input", "command", "status" };

/* --- the directory --- */

static int make_directory(const char *path)
{
    char *copy = strdup(path);
    int r = 0;

    if (!copy)
        return SN_ENOMEM;
    for (char *slash = copy; r == 0 && (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
        *slash = '\0';
        if (mkdir(copy, 0777) < 0 && cli_errno() != EEXIST)
            r = -cli_errno();
    }
    free(copy);
    if (r == 0 && mkdir(path, 0777) < 0 && cli_errno() != EEXIST)
        r = -cli_errno();
    return r;
}

/* Two runs in one directory would replace each other's results. Tried for a second: a lock of this kind outlives a run
 * that was killed for as long as a child of it needs to get to its exec. */
static int lock(int dir)
{
    for (int i = 0; flock(dir, LOCK_EX | LOCK_NB) < 0; i++) {
        if (cli_errno() != EWOULDBLOCK)
            return cli_errno() == EINTR ? 0 : -cli_errno();
        if (i == 20)
            return SN_EBUSY;
        (void)sn_sleep(sn_background(), SN_MS(50));
    }
    return 0;
}

int results_open(struct results *res, const struct options *o)
{
    int r;

    *res = (struct results){ .o = o, .dir = -1 };
    if (!o->results || o->dry_run)
        return 0;
    if ((r = make_directory(o->results)) < 0 ||
        (res->dir = open(o->results, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        r = r < 0 ? r : -cli_errno();
        cli_error("cannot make the directory '%s': %s", o->results, sn_error_string(r));
        return r;
    }
    if ((r = lock(res->dir)) < 0) {
        cli_error("cannot lock the directory '%s': %s", o->results,
                  r == SN_EBUSY ? "another run keeps its results there" : sn_error_string(r));
        results_close(res);
    }
    return r;
}

void results_close(struct results *r)
{
    if (r->dir >= 0)
        (void)close(r->dir);
    r->dir = -1;
}

/* --- one job --- */

static int write_piece(void *arg, const char *bytes, size_t n)
{
    int64_t r = sn_fd_write(sn_background(), *(int *)arg, bytes, n);

    return r < 0 ? (int)r : 0;
}

/* Makes a file with what `fill` puts into it. */
static int write_file(int dir, const char *name, const struct output *output, const char *bytes, size_t n)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

    if (fd < 0)
        return -cli_errno();
    int r = output ? output_each(output, write_piece, &fd) : write_piece(&fd, bytes, n);
    if (sn_fd_close(fd) < 0 && r == 0)
        r = SN_EIO;
    return r;
}

static int write_command(int dir, const struct options *o, const struct job *job)
{
    struct command c;
    size_t n;
    int r = template_fill(&c, o, job->item, job->number, job->slot);

    if (r < 0)
        return r;
    char *line = quote_words(c.argv, QUOTE_SHELL, &n);
    template_free(&c);
    if (!line)
        return SN_ENOMEM;
    line[n] = '\n';
    r = write_file(dir, "command", NULL, line, n + 1);
    free(line);
    return r;
}

static int write_status(int dir, const struct job *job)
{
    char line[200];
    int n = !job->started            ? snprintf(line, sizeof line, "error %s\n", sn_error_string(job->error))
            : job->timed_out         ? snprintf(line, sizeof line, "timeout\n")
            : job->status.signal     ? snprintf(line, sizeof line, "signal %d\n", job->status.signal)
            : job->status.code != 0  ? snprintf(line, sizeof line, "exit %d\n", job->status.code)
            : job->end == JOB_FAILED ? snprintf(line, sizeof line, "incomplete\n")
                                     : snprintf(line, sizeof line, "exit 0\n");

    return write_file(dir, "status", NULL, line, (size_t)n);
}

static int write_files(int dir, const struct options *o, const struct job *job)
{
    const struct output *outputs = o->grouping == GROUP_LINES ? job->copy : job->out;
    size_t input = job->item->n > 1 ? job->item->size : job->item->size - 1;
    int r;

    if ((r = write_file(dir, "stdout", &outputs[0], NULL, 0)) < 0 ||
        (r = write_file(dir, "stderr", &outputs[1], NULL, 0)) < 0 ||
        (r = write_file(dir, "input", NULL, job->item->text, input)) < 0 || (r = write_command(dir, o, job)) < 0)
        return r;
    return write_status(dir, job);
}

static void remove_job(int dir, const char *name)
{
    int job = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (job < 0)
        return;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        (void)unlinkat(job, files[i], 0);
    (void)close(job);
    (void)unlinkat(dir, name, AT_REMOVEDIR);
}

/* Gives the complete directory its name; an older one goes. */
static int appear(int dir, const char *partial, const char *name)
{
    if (renameat(dir, partial, dir, name) == 0)
        return 0;
    if (cli_errno() != EEXIST && cli_errno() != ENOTEMPTY)
        return -cli_errno();
    if (renameat2(dir, partial, dir, name, RENAME_EXCHANGE) == 0) {
        remove_job(dir, partial);
        return 0;
    }
    if (cli_errno() != EINVAL && cli_errno() != ENOSYS)
        return -cli_errno();
    remove_job(dir, name); /* a file system that cannot exchange */
    return renameat(dir, partial, dir, name) == 0 ? 0 : -cli_errno();
}

int results_save(const struct results *res, const struct job *job)
{
    char name[32], partial[48];
    int dir = -1, r;

    if (res->dir < 0)
        return 0;
    (void)snprintf(name, sizeof name, "%llu", (unsigned long long)job->number);
    (void)snprintf(partial, sizeof partial, ".%s.partial", name);
    remove_job(res->dir, partial); /* left by a run that was killed */
    if (mkdirat(res->dir, partial, 0777) < 0 ||
        (dir = openat(res->dir, partial, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return -cli_errno();
    r = write_files(dir, res->o, job);
    (void)close(dir);
    if (r == 0)
        r = appear(res->dir, partial, name);
    if (r < 0)
        remove_job(res->dir, partial);
    return r;
}
