/* Runs one test again and again, each time with another call to the system made to fail. For the build with SN_FAULTS.
 *
 * SN_FAULT_RUNS=n: the first n calls of each seam one by one, then in steps that grow by a tenth (SN_FAULT_STEP=2: by a half), until
 * a run no longer comes that far. SN_FAULT_SEAM: only that one. SN_FAULT_SECONDS: no longer than that, and one round. Each run is a child of its own. It may pass (the failure was dealt with), or end as injected (a
 * CHECK_EQ met the error). Everything else is a failure: a crash, a hang, memory that is not given back by a run that passes. A check
 * that fails otherwise is suspect, and printed: with SN_FAULT_STRICT it is a failure, too. */
#ifndef SN_FAULT_TEST_H
#define SN_FAULT_TEST_H

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

struct fault_ending {
    int status;
    int64_t blocks;
    char said[4096];
};

static inline struct fault_ending fault_try(void (*fn)(void))
{
    struct fault_ending end = { .status = -1 };
    int out = memfd_create("said", MFD_CLOEXEC);
    ssize_t n;
    pid_t pid;

    fflush(NULL);
    if (out < 0 || (pid = fork()) < 0) {
        perror("no child");
        exit(1);
    }
    if (pid == 0) {
        (void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
        (void)setpgid(0, 0);
        (void)dup2(out, 2);
        (void)dup2(out, 1);
        (void)alarm(20);
        fn();
        sni_fault_note_blocks();
        fflush(NULL);
        _exit(0);
    }
    while (waitpid(pid, &end.status, 0) < 0)
        ;
    (void)kill(-pid, SIGKILL); /* what it has left */
    end.blocks = sni_fault_blocks();
    n = pread(out, end.said, sizeof end.said - 1, 0);
    end.said[n > 0 ? n : 0] = '\0';
    (void)close(out);
    return end;
}

/* A panic that says that there is no memory is an answer, too: where a function has no other. */
static inline bool fault_is_injected(const struct fault_ending *end)
{
    return (WIFEXITED(end->status) && WEXITSTATUS(end->status) == TEST_INJECTED) ||
           (WIFSIGNALED(end->status) && WTERMSIG(end->status) == SIGABRT && strstr(end->said, "sennit: panic: ") &&
            strstr(end->said, "no memory"));
}

struct fault_tally {
    unsigned runs, injected, suspect, bad;
};

/* One run; false: this seam is through. */
static inline bool fault_run(struct test *t, enum sni_seam seam, uint32_t n, uint32_t calls, uint32_t most, int64_t blocks,
                             struct fault_tally *tally)
{
    sni_fault_arm(seam, n);
    struct fault_ending end = fault_try(t->fn);
    bool met = sni_fault_was_met(), passed = WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0;

    if (!met && passed && (n > calls || n > most)) /* how many there are may differ from run to run */
        return false;
    tally->runs++;
    tally->injected += fault_is_injected(&end);
    if (fault_is_injected(&end) || (passed && (end.blocks <= blocks || blocks != 0))) /* some leave tasks on purpose */
        return true;
    bool suspect = WIFEXITED(end.status) && WEXITSTATUS(end.status) == TEST_SUSPECT;
    tally->suspect += suspect;
    tally->bad += !suspect || getenv("SN_FAULT_STRICT") != NULL;
    fprintf(stderr, "with %s:%u %s (status %d, %lld blocks, %lld without):\n%s\n", sni_fault_name(seam), n,
            passed ? "memory is not given back" : "it fails", end.status, (long long)end.blocks, (long long)blocks, end.said);
    return true;
}

static inline int fault_runs(const char *name)
{
    const char *only = getenv("SN_FAULT_SEAM"), *step = getenv("SN_FAULT_STEP"), *seconds = getenv("SN_FAULT_SECONDS");
    uint32_t most = (uint32_t)atoi(getenv("SN_FAULT_RUNS")), part = step ? (uint32_t)atoi(step) : 10, calls[SNI_SEAMS];
    int64_t until = seconds ? sn_now() + SN_SEC(atoi(seconds)) : SN_FOREVER;
    struct fault_tally tally = { 0 };
    struct test *t = tests;
    bool more = true;

    while (t && strcmp(t->name, name) != 0)
        t = t->next;
    if (!t)
        return 1;
    sni_fault_arm(SNI_SEAM_ALLOC, 0);
    struct fault_ending base = fault_try(t->fn);
    if (WIFEXITED(base.status) && WEXITSTATUS(base.status) == 77)
        return 77;
    for (int seam = 0; seam < SNI_SEAMS; seam++)
        calls[seam] = only && strcmp(only, sni_fault_name((enum sni_seam)seam)) != 0 ? 0 : sni_fault_count((enum sni_seam)seam);
    for (uint32_t n = 1; more && tally.bad < 5 && sn_now() < until; n += n < most ? 1 : 1 + n / part) {
        more = false;
        for (int seam = 0; seam < SNI_SEAMS && tally.bad < 5; seam++)
            if (calls[seam] > 0) {
                if (fault_run(t, (enum sni_seam)seam, n, calls[seam], most, base.blocks, &tally))
                    more = true;
                else
                    calls[seam] = 0;
            }
    }
    printf("%s: %u runs, %u ended as injected, %u suspect%s\n", name, tally.runs, tally.injected, tally.suspect, more ? "; stopped by the clock" : "");
    return tally.bad > 0;
}

#endif
