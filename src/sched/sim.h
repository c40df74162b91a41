/* Simulation: one worker, virtual time, and every choice by a seed. See sennit/sim.h for what it promises.
 *
 * A runtime that simulates has SNI_SIM in its worker's flags. The scheduler's fast paths look at the flags anyway: a pick
 * then leads to the worker's loop, which is sni_sim_loop, and what is ready goes to the inject queue, in order. Public
 * operations have a scheduling point at their beginning (sni_enter, sni_point in park.h), and those that let others go on
 * have one at their end too: else what follows an unlock would be one step with it. */
#ifndef SNI_SCHED_SIM_H
#define SNI_SCHED_SIM_H

#include "sched/rt.h"
#include "sennit/sim.h"

enum {
    SNI_SIM_DEVIATIONS = 4096, /* choices other than the default that are recorded */
    SNI_SIM_LINES = 256,       /* of the trace: the last ones are kept */
    SNI_SIM_LINE = 160,
};

/* A choice of 0 is the default: whoever runs goes on; when it waits, whoever has been ready for longest is next; of a
 * select's cases the first. A schedule is the list of the choices that differ. */
struct sni_sim_choice {
    uint32_t index; /* among all choices of a run, from 1 */
    uint32_t choice;
};

struct sni_sim_plan {
    uint64_t seed;
    int strategy;         /* an sn_sim_strategy, resolved */
    bool scheduled;       /* by `schedule`, not by the strategy */
    uint32_t n, room;
    const struct sni_sim_choice *schedule; /* in rising order */
    int changes;
    int64_t late_ns;
    uint64_t steps_max;
    bool details;         /* the trace says more of what tasks wait for, where no other threads are about */
    bool trace;           /* each line of it is printed at once */
};

/* What is known of a run at any moment, also from outside if it dies: see sim/explore.c. */
struct sni_sim_record {
    uint64_t hash, steps, switches;
    int64_t elapsed_ns;
    uint32_t choices;     /* so far */
    uint32_t n;           /* deviations there were; those beyond the array are not in it */
    struct sni_sim_choice deviations[SNI_SIM_DEVIATIONS];
    uint32_t lines;       /* there were */
    char trace[SNI_SIM_LINES][SNI_SIM_LINE];
};

struct sni_sim;

/* NULL: no memory. Both live as long as it. */
struct sni_sim *sni_sim_new(const struct sni_sim_plan *plan, struct sni_sim_record *record);
void sni_sim_destroy(struct sni_sim *s);

/* A fair choice among 0 .. n-1. */
uint32_t sni_sim_choose(struct sni_sim *s, uint32_t n);

/* Pipes that the simulated program has made for itself: while tasks wait only for such, time need not pass as outside.
 * part: how much of `size` bytes a call reads or writes. delay: how long what is in the pipe is still under way. */
void sni_sim_own_pipe(struct sni_rt *rt, const int fds[2]);
void sni_sim_close_fd(struct sni_rt *rt, int fd);
void sni_sim_share_fd(struct sni_rt *rt, int fd); /* with another process: what comes through it comes from outside */
bool sni_sim_owns_fd(const struct sni_rt *rt, int fd);
size_t sni_sim_part(struct sni_rt *rt, size_t size);
int64_t sni_sim_delay(struct sni_rt *rt);

/* The worker's loop, in virtual time. */
void sni_sim_loop(struct sni_worker *w);

/* sn_run as `plan` says, with what happens in *record. */
int sni_run_simulated(sn_fn *fn, void *arg, const sn_run_opts *opts, const struct sni_sim_plan *plan,
                      struct sni_sim_record *record);

/* As $SENNIT_SEED says, for sn_run. SN_EINVAL: it says nothing that has a meaning, and this was reported. */
int sni_sim_run_as(const char *text, sn_fn *fn, void *arg, const sn_run_opts *opts);

/* A plan as text, in plan.c. parse: gives a new plan, which is then resolved by the options, run, and freed; SN_EINVAL or
 * SN_ENOMEM. plan_from: reports a bad text too. print: as snprintf. */
int sni_sim_parse(const char *text, struct sni_sim_plan *plan);
int sni_sim_plan_from(const char *text, struct sni_sim_plan *plan);
void sni_sim_resolve(struct sni_sim_plan *plan, const sn_sim_opts *opts);
size_t sni_sim_print(const struct sni_sim_plan *plan, char *buf, size_t size);
void sni_sim_plan_free(struct sni_sim_plan *plan);

/* The clock's part: from begin to end sn_now is what was set last. */
void sni_clock_begin_virtual(int64_t ns);
void sni_clock_set_virtual(int64_t ns);
void sni_clock_end_virtual(void);

#endif
