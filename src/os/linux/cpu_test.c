/* CPU quotas, read from directories that look like /proc and /sys. */
#include "os/linux/cpu.h"

#include "sn_test.h"

#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <sys/stat.h>

static char root[] = "/tmp/sennit-cpu-XXXXXX";

/* Writes a file below root, with its directories. */
static void put(const char *path, const char *text)
{
    char name[PATH_MAX];

    snprintf(name, sizeof name, "%s%s", root, path);
    for (char *p = name + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        (void)mkdir(name, 0777);
        *p = '/';
    }
    FILE *f = fopen(name, "w");
    CHECK(f != NULL);
    CHECK(fputs(text, f) >= 0);
    CHECK(fclose(f) == 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void clear(void)
{
    CHECK(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

static void begin(const char *cgroup, const char *mountinfo)
{
    strcpy(root + strlen(root) - 6, "XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    put("/proc/self/cgroup", cgroup);
    put("/proc/self/mountinfo", mountinfo);
}

#define V2 "30 20 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1 "31 20 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
#define OTHERS                                                                  \
    "20 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"                   \
    "29 20 0:25 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"         \
    "28 20 0:24 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"

TEST(nothing_known_is_no_limit)
{
    CHECK_EQ(sni_cpu_quota("/no/such/place"), INT_MAX);
    begin("", "");
    CHECK_EQ(sni_cpu_quota(root), INT_MAX);
    clear();
    begin("0::/a\n", OTHERS V2);
    CHECK_EQ(sni_cpu_quota(root), INT_MAX);
    clear();
}

TEST(version_2)
{
    static const struct {
        const char *text;
        int cpus;
    } files[] = {
        { "max 100000\n", INT_MAX }, { "200000 100000\n", 2 },  { "150000 100000\n", 2 }, { "100000 100000\n", 1 },
        { "1000 100000\n", 1 },      { "250000 100000", 3 },    { "6400000 100000\n", 64 }, { "", INT_MAX },
        { "garbage\n", INT_MAX },    { "100000\n", INT_MAX },   { "100000 0\n", INT_MAX }, { "-5 100000\n", INT_MAX },
        { "0 100000\n", INT_MAX },   { "99999999999999999999 1\n", INT_MAX },
    };

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        begin("0::/a/b\n", OTHERS V2);
        put("/sys/fs/cgroup/a/b/cpu.max", files[i].text);
        CHECK_EQ(sni_cpu_quota(root), files[i].cpus);
        clear();
    }
}

TEST(ancestors_limit_too)
{
    begin("0::/a/b/c\n", OTHERS V2);
    put("/sys/fs/cgroup/a/b/c/cpu.max", "800000 100000\n");
    put("/sys/fs/cgroup/a/cpu.max", "300000 100000\n");
    CHECK_EQ(sni_cpu_quota(root), 3);
    put("/sys/fs/cgroup/cpu.max", "200000 100000\n"); /* a container sees its own group as the root */
    CHECK_EQ(sni_cpu_quota(root), 2);
    put("/sys/fs/cpu.max", "100000 100000\n"); /* above the mount: not a group */
    put("/sys/fs/cgroup/b/cpu.max", "100000 100000\n"); /* another group */
    CHECK_EQ(sni_cpu_quota(root), 2);
    put("/sys/fs/cgroup/a/b/cpu.max", "20000 10000\n");
    put("/sys/fs/cgroup/a/b/c/cpu.max", "10000 10000\n");
    CHECK_EQ(sni_cpu_quota(root), 1);
    clear();
    begin("0::/\n", V2);
    put("/sys/fs/cgroup/cpu.max", "500000 100000\n");
    CHECK_EQ(sni_cpu_quota(root), 5);
    clear();
}

TEST(version_1)
{
    begin("5:memory:/m\n4:cpu,cpuacct:/a/b\n3:cpuset:/s\n0::/u\n", OTHERS V1);
    CHECK_EQ(sni_cpu_quota(root), INT_MAX);
    put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
    CHECK_EQ(sni_cpu_quota(root), INT_MAX);
    put("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "350000\n");
    CHECK_EQ(sni_cpu_quota(root), 4);
    put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "150000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "50000\n");
    CHECK_EQ(sni_cpu_quota(root), 3);
    clear();
}

TEST(both_versions_side_by_side)
{
    begin("4:cpu:/one\n0::/two\n", "31 20 0:27 / /cpu rw - cgroup none rw,cpu\n" V2);
    put("/cpu/one/cpu.cfs_quota_us", "700000\n");
    put("/cpu/one/cpu.cfs_period_us", "100000\n");
    CHECK_EQ(sni_cpu_quota(root), 7);
    put("/sys/fs/cgroup/two/cpu.max", "600000 100000\n");
    CHECK_EQ(sni_cpu_quota(root), 6);
    clear();
}

/* In a container a part of the tree is mounted: what the mount does not show is not looked for. */
TEST(a_part_of_the_tree)
{
    begin("0::/pods/one/task\n", "30 20 0:26 /pods/one /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    put("/sys/fs/cgroup/task/cpu.max", "900000 100000\n");
    put("/sys/fs/cgroup/cpu.max", "400000 100000\n");
    CHECK_EQ(sni_cpu_quota(root), 4);
    clear();
    begin("0::/pods/one\n", "30 20 0:26 /pods/one /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    put("/sys/fs/cgroup/cpu.max", "400000 100000\n");
    CHECK_EQ(sni_cpu_quota(root), 4);
    clear();
    begin("0::/pods/oneself\n", "30 20 0:26 /pods/one /sys/fs/cgroup ro - cgroup2 cgroup rw\n"); /* another name */
    put("/sys/fs/cgroup/cpu.max", "400000 100000\n");
    CHECK_EQ(sni_cpu_quota(root), INT_MAX);
    clear();
    begin("0::/../../elsewhere\n", V2); /* outside of our namespace */
    put("/sys/fs/cgroup/cpu.max", "400000 100000\n");
    CHECK_EQ(sni_cpu_quota(root), INT_MAX);
    clear();
}

TEST(strange_files)
{
    static char much[200000];

    begin("0::/with blank\n", "30 20 0:26 / /c\\040g\\134x rw - cgroup2 cgroup2 rw\n");
    put("/c g\\x/with blank/cpu.max", "500000 100000\n");
    CHECK_EQ(sni_cpu_quota(root), 5);
    clear();
    begin("0\n0:\nx:y\n::\n4:cpux,xcpu:/a\n\n:::\n", "\n1\n1 2 3 4 5\n1 2 3 4 5 -\n1 2 3 4 5 - \n1 2 3 4 5 - cgroup2\n - \n" V1 V2);
    CHECK_EQ(sni_cpu_quota(root), INT_MAX);
    clear();
    memset(much, 'x', sizeof much - 1);
    begin(much, much);
    CHECK_EQ(sni_cpu_quota(root), INT_MAX);
    memcpy(much, "0::/", 4);
    put("/proc/self/cgroup", much);
    put("/proc/self/mountinfo", V2);
    CHECK_EQ(sni_cpu_quota(root), INT_MAX);
    clear();
}

/* --- the number of workers --- */

static int tell_workers(sn_ctx *ctx, void *arg)
{
    (void)ctx;
    *(int *)arg = sn_run_workers();
    return 0;
}

static int workers(void)
{
    int n = 0;

    CHECK_EQ(sn_run(tell_workers, &n, NULL), 0);
    return n;
}

TEST(affinity_decides_how_many_workers)
{
    cpu_set_t all, some;
    int n = 0;

    CHECK(unsetenv("SENNIT_WORKERS") == 0);
    CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
    CHECK(workers() <= CPU_COUNT(&all));
    CHECK(workers() >= (CPU_COUNT(&all) < 2 ? CPU_COUNT(&all) : 2)); /* a quota does not make it less */
    CPU_ZERO(&some);
    for (int cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++) {
        if (!CPU_ISSET(cpu, &all))
            continue;
        CPU_SET(cpu, &some);
        n++;
        CHECK(sched_setaffinity(0, sizeof some, &some) == 0);
        CHECK_EQ(workers(), n);
    }
    CHECK(setenv("SENNIT_WORKERS", "3", 1) == 0);
    CHECK_EQ(workers(), 3);
    CHECK(unsetenv("SENNIT_WORKERS") == 0);
    CHECK(sched_setaffinity(0, sizeof all, &all) == 0);
}
