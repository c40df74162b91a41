/* How many CPUs there are for us: those that the scheduler may put us on, and no more than control groups give us the time
 * of.
 *
 * A quota is a part of time on all CPUs together, "150 ms in every 100 ms". With many more workers than it has CPUs, all of
 * them run until the quota is used up, and then none does for the rest of the period, whoever holds a lock. So there are as
 * many workers as the quota has CPUs, rounded up so that no time is lost, but not fewer than two, if there are two CPUs: with
 * a single worker a task in a long call would hold up all others, quota or not. (Go does the same from 1.25 on.)
 *
 * Version 2 has the quota in cpu.max, version 1 in cpu.cfs_quota_us and cpu.cfs_period_us. A group also obeys those of
 * its ancestors, as far up as the mount shows them. What cannot be read or understood is no limit. */
#include "os/linux/cpu.h"

#include "os/os.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST = 2 };

static FILE *open_below(const char *root, const char *dir, const char *name)
{
    char path[2 * PATH_MAX];
    int n = snprintf(path, sizeof path, "%s%s/%s", root, dir, name);

    return n > 0 && (size_t)n < sizeof path ? fopen(path, "re") : NULL;
}

/* What a small file holds; "" if it cannot be read. */
static const char *read_text(char *buf, int size, const char *root, const char *dir, const char *name)
{
    FILE *f = open_below(root, dir, name);

    if (!f || !fgets(buf, size, f))
        buf[0] = '\0';
    if (f)
        (void)fclose(f);
    return buf;
}

/* The quota of one group. */
static int quota_of(const char *root, const char *dir, int version)
{
    char text[64], *end;
    long long quota, period;

    if (version == 2) { /* "50000 100000" or "max 100000", which is no number: 0 */
        quota = strtoll(read_text(text, sizeof text, root, dir, "cpu.max"), &end, 10);
        period = strtoll(end, NULL, 10);
    } else {            /* "-1": none */
        quota = strtoll(read_text(text, sizeof text, root, dir, "cpu.cfs_quota_us"), NULL, 10);
        period = strtoll(read_text(text, sizeof text, root, dir, "cpu.cfs_period_us"), NULL, 10);
    }
    if (quota <= 0 || period <= 0)
        return INT_MAX;
    long long cpus = quota / period + (quota % period != 0);
    return cpus < INT_MAX ? (int)cpus : INT_MAX;
}

/* The least quota from dir up to its first `top` bytes, where the mount is. Shortens dir. */
static int least_quota(const char *root, char *dir, size_t top, int version)
{
    int least = INT_MAX;

    for (;;) {
        int quota = quota_of(root, dir, version);
        if (quota < least)
            least = quota;
        char *slash = strrchr(dir, '/');
        if (!slash || (size_t)(slash - dir) < top)
            return least;
        *slash = '\0';
    }
}

/* Whether `word` is one of the words between commas. */
static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (const char *p = list; (p = strstr(p, word)) != NULL; p += n)
        if ((p == list || p[-1] == ',') && (p[n] == ',' || p[n] == '\0'))
            return true;
    return false;
}

/* mountinfo writes blanks and backslashes as \ooo. In place. */
static void unescape(char *text)
{
    char *to = text;

    for (const char *p = text; *p; p++) {
        if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' && p[3] >= '0' && p[3] <= '7') {
            *to++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
            p += 3;
        } else {
            *to++ = *p;
        }
    }
    *to = '\0';
}

/* What one line of mountinfo says, if it is about such groups:
 *     36 35 0:30 /the/part/that/is/mounted /mount/point rw,nosuid shared:7 - cgroup cgroup rw,cpu,cpuacct */
static bool parse_mount(char *line, int version, char **part, char **point)
{
    char *save = NULL, *type = strstr(line, " - "), *field = strtok_r(line, " ", &save);

    for (int i = 0; field && i < 3; i++)
        field = strtok_r(NULL, " ", &save);
    *part = field;
    *point = field ? strtok_r(NULL, " ", &save) : NULL;
    if (!type || !*point || type < *point)
        return false;
    type = strtok_r(type + 3, " \n", &save);
    (void)strtok_r(NULL, " \n", &save); /* the device: none */
    char *options = strtok_r(NULL, " \n", &save);
    if (!type || !options)
        return false;
    unescape(*part);
    unescape(*point);
    return version == 2 ? strcmp(type, "cgroup2") == 0 : strcmp(type, "cgroup") == 0 && has_word(options, "cpu");
}

/* What `path` is called below `part`: "" if it is that itself; NULL if it is elsewhere. */
static const char *below(const char *path, const char *part)
{
    size_t n = strcmp(part, "/") == 0 ? 0 : strlen(part);

    if (strncmp(path, part, n) != 0 || (path[n] != '/' && path[n] != '\0'))
        return NULL;
    return strcmp(path + n, "/") == 0 ? "" : path + n;
}

static int quota_in_mounts(const char *root, const char *path, int version)
{
    FILE *f = open_below(root, "/proc/self", "mountinfo");
    char *line = NULL, *part, *point, dir[PATH_MAX];
    size_t room = 0;
    int least = INT_MAX;

    while (f && getline(&line, &room, f) > 0) {
        const char *rest = parse_mount(line, version, &part, &point) ? below(path, part) : NULL;
        int n = rest ? snprintf(dir, sizeof dir, "%s%s", point, rest) : -1;
        if (n < 0 || (size_t)n >= sizeof dir)
            continue;
        int quota = least_quota(root, dir, strlen(point), version);
        if (quota < least)
            least = quota;
    }
    free(line);
    if (f)
        (void)fclose(f);
    return least;
}

int sni_cpu_quota(const char *root)
{
    FILE *f = open_below(root, "/proc/self", "cgroup");
    char *line = NULL;
    size_t room = 0;
    int least = INT_MAX;

    while (f && getline(&line, &room, f) > 0) { /* "4:cpu,cpuacct:/path", in version 2 "0::/path" */
        char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        int version = *++controllers == '\0' ? 2 : 1;
        if (version == 1 && !has_word(controllers, "cpu"))
            continue;
        if (strstr(path, "/..")) /* a group that our namespace does not show */
            continue;
        int quota = quota_in_mounts(root, path, version);
        if (quota < least)
            least = quota;
    }
    free(line);
    if (f)
        (void)fclose(f);
    return least;
}

int sni_os_cpu_count(void)
{
    cpu_set_t sets[64]; /* 65,536 CPUs; the call fails if it has too little room */

    if (sched_getaffinity(0, sizeof sets, sets) != 0)
        return 1;
    int n = CPU_COUNT_S(sizeof sets, sets);
    if (n <= LEAST) /* no quota makes it less */
        return n > 0 ? n : 1;
    int quota = sni_cpu_quota("");
    return quota >= n ? n : quota > LEAST ? quota : LEAST;
}
