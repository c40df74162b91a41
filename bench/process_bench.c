/* Jobs per second with eight at a time: `sennit run` with outputs captured, beside a bare loop that keeps eight
 * posix_spawn'd children running and captures nothing, and xargs. In turns, so that what else the machine does meets all three. */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS = 2000, AT_A_TIME = 8, ROUNDS = 7 };
enum { LOOP, XARGS, SENNIT, CONTENDERS };

extern char **environ;
static const char *names[CONTENDERS] = { "posix_spawn loop", "xargs -P 8 -n 1", "sennit run -j 8" };
static char inputs[] = "/tmp/process_bench.XXXXXX";

static void die(const char *what)
{
    fprintf(stderr, "process_bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void spawn(char *const *argv)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, inputs, O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if ((errno = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ)) != 0)
        die(argv[0]);
    posix_spawn_file_actions_destroy(&actions);
}

static void reap(void)
{
    int status;

    if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        errno = ECHILD;
        die("a child failed");
    }
}

static void run(int who)
{
    if (who == LOOP) {
        for (int i = 0; i < JOBS; i++) {
            if (i >= AT_A_TIME)
                reap();
            spawn((char *[]){ "/bin/true", NULL });
        }
        for (int i = 0; i < AT_A_TIME; i++)
            reap();
        return;
    }
    if (who == XARGS)
        spawn((char *[]){ "xargs", "-P", "8", "-n", "1", "/bin/true", NULL });
    else
        spawn((char *[]){ SENNIT_COMMAND, "run", "-j", "8", "/bin/true", NULL });
    reap();
}

static double jobs_per_second(int who)
{
    int64_t begin = sn_now();

    run(who);
    return JOBS / (since(begin) / 1e9);
}

static double median(double *v)
{
    qsort(v, ROUNDS, sizeof *v, by_value);
    return v[ROUNDS / 2];
}

int main(void)
{
    double rate[CONTENDERS][ROUNDS], ratio[CONTENDERS][ROUNDS];
    int fd = mkstemp(inputs);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

    if (!f)
        die(inputs);
    for (int i = 0; i < JOBS; i++)
        fprintf(f, "%d\n", i);
    if (fclose(f) != 0)
        die(inputs);
    for (int who = 0; who < CONTENDERS; who++)
        run(who); /* warm */
    for (int i = 0; i < ROUNDS; i++)
        for (int who = 0; who < CONTENDERS; who++)
            rate[who][i] = jobs_per_second(who);
    for (int who = 0; who < CONTENDERS; who++)
        for (int i = 0; i < ROUNDS; i++)
            ratio[who][i] = rate[SENNIT][i] / rate[who][i];
    for (int who = 0; who < CONTENDERS; who++)
        printf("{\"bench\":\"fork_exec\",\"what\":\"%s\",\"unit\":\"jobs/s\",\"sennit_over_it\":%.2f,\"median\":%.0f,"
               "\"runs\":%d,\"compiler\":\"%s\"}\n",
               names[who], median(ratio[who]), median(rate[who]), ROUNDS, __VERSION__);
    (void)unlink(inputs);
    return 0;
}
