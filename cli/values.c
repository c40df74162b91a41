#include "values.h"

#include <ctype.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* --- how many at a time --- */

static int cpus(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1;
}

/* Each job takes two pipes and a pidfd here, and a process. */
static long most_jobs(void)
{
    struct rlimit files, processes;
    long most = 4000;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY && (long)files.rlim_cur < most * 6 + 20)
        most = ((long)files.rlim_cur - 20) / 6;
    if (getrlimit(RLIMIT_NPROC, &processes) == 0 && processes.rlim_cur != RLIM_INFINITY &&
        (long)processes.rlim_cur / 2 < most)
        most = (long)processes.rlim_cur / 2;
    return most > 1 ? most : 1;
}

int value_jobs_default(void)
{
    long most = most_jobs();

    return cpus() < most ? cpus() : (int)most;
}

int value_jobs(int *out, const char *text)
{
    char *end;

    errno = 0;
    long n = strtol(text, &end, 10);
    bool percent = strcmp(end, "%") == 0;
    if (end == text || !isdigit((unsigned char)*text) || errno || (*end && !percent) || n > 1000000) {
        cli_error("--jobs takes a number such as 8 or 50%%, not '%s'", text);
        return SN_EINVAL;
    }
    long most = most_jobs();
    if (percent)
        n = n * cpus() / 100 > 0 ? n * cpus() / 100 : 1;
    else if (n == 0)
        n = most;
    if (n > most)
        cli_error("only %ld jobs at a time: the limits on open files and processes (ulimit -n, -u) allow no more", most);
    *out = (int)(n < most ? n : most);
    return 0;
}

/* --- numbers and times --- */

int value_count(long *out, const char *option, const char *text)
{
    char *end;

    errno = 0;
    long n = strtol(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || errno || n < 1 || n > 1000000) {
        cli_error("%s takes a number from 1 to 1000000, not '%s'", option, text);
        return SN_EINVAL;
    }
    *out = n;
    return 0;
}

/* Reads a duration that ends with `length` bytes of text. */
static bool read_duration(int64_t *out, const char *text, size_t length)
{
    static const struct {
        const char *unit;
        double ns;
    } units[] = { { "", 1e9 }, { "s", 1e9 }, { "ms", 1e6 }, { "us", 1e3 }, { "m", 60e9 }, { "h", 3600e9 } };
    char copy[64], *end;

    if (length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    double n = strtod(copy, &end);
    if (end != copy && isdigit((unsigned char)*copy) && n >= 0)
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            if (strcmp(end, units[i].unit) == 0 && n * units[i].ns < 9e18) {
                *out = (int64_t)(n * units[i].ns);
                return true;
            }
    return false;
}

int value_duration(int64_t *out, const char *text)
{
    int64_t ns;

    if (read_duration(&ns, text, strlen(text)) && ns > 0) {
        *out = ns;
        return 0;
    }
    cli_error("'%s' is no duration; write for instance 10, 1.5s, 200ms, 2m or 1h", text);
    return SN_EINVAL;
}

int value_backoff(struct options *o, const char *text)
{
    const char *dots = strstr(text, "..");
    int64_t low, high;

    if (dots ? read_duration(&low, text, (size_t)(dots - text)) && read_duration(&high, dots + 2, strlen(dots + 2))
             : read_duration(&low, text, strlen(text)) && (high = low, true)) {
        if (low <= high && (low > 0 || high == 0)) { /* nothing, doubled, stays nothing */
            o->backoff_low = low;
            o->backoff_high = high;
            return 0;
        }
    }
    cli_error("--backoff takes a duration such as 1s, or two from the first wait to the longest such as 100ms..10s, "
              "not '%s'", text);
    return SN_EINVAL;
}

/* --- halting --- */

int value_halt(struct options *o, const char *text)
{
    const char *what = NULL;
    bool success = false;
    char *end;

    if (strncmp(text, "soon,", 5) == 0)
        o->halt = HALT_SOON, what = text + 5;
    else if (strncmp(text, "now,", 4) == 0)
        o->halt = HALT_NOW, what = text + 4;
    if (what && strncmp(what, "fail=", 5) == 0)
        what += 5;
    else if (what && strncmp(what, "success=", 8) == 0)
        success = true, what += 8;
    else
        what = NULL;
    if (what && isdigit((unsigned char)*what)) {
        o->halt_count = strtol(what, &end, 10);
        o->halt_percent = *end == '%';
        o->halt_on_success = success;
        if (o->halt_count > 0 && end[o->halt_percent] == '\0' &&
            !(o->halt_percent && (success || o->halt_count > 100)))
            return 0;
    }
    cli_error("--halt takes soon or now, a comma, and fail=N, fail=N%% or success=N, not '%s'", text);
    return SN_EINVAL;
}
