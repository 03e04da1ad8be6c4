/* SPDX-License-Identifier: Apache-2.0 */
/* sim_driver.h: runs one job of N virtual ranks on the simulated network under a scenario, and says
 * what went wrong. A scenario is a program in C together with an oracle that sees all ranks; it
 * calls sim_fail() when a property is broken. Everything a run does comes from its tape, so the
 * same configuration gives the same run and the same trace hash. One thread; one job at a time. */
#ifndef C4PT_SIM_DRIVER_H
#define C4PT_SIM_DRIVER_H

#include <c4p/c4p.h>

#include "comm/comm_sim.h"
#include "core/rt.h"

typedef struct sim_job sim_job_t;

typedef struct sim_scenario {
    const char *name;
    const char *what;         /* one line for --list */
    int min_ranks, max_ranks; /* drawn between them, unless told otherwise */
    uint64_t max_events;      /* more of them: the job hangs (P13); 0: a default */
    uint32_t big;             /* not 0: not part of "all"; run it by name */
    int exit_status;          /* the job ends by itself with this status; 0: by c4p_exit() */
    /* Each may be NULL. Adjust the options that were drawn. */
    void (*options)(sim_job_t *job, c4p_opts_t *opts);
    /* On each rank, before the start: register types, entries and handlers. */
    void (*add)(sim_job_t *job, c4p_rt_t *rt);
    /* All ranks are active: give the first orders on any of them. */
    void (*begin)(sim_job_t *job);
    /* A rank has made a turn. */
    void (*turn)(sim_job_t *job, c4p_rt_t *rt);
    /* All ranks have ended, nothing is freed yet. Not called when the job was aborted. */
    void (*end)(sim_job_t *job);
    /* The job was aborted with the status that the scenario expects. */
    void (*aborted)(sim_job_t *job);
    const void *params; /* of the scenario's own */
} sim_scenario_t;

typedef struct sim_config {
    const sim_scenario_t *scenario;
    uint64_t seed;
    int mode;            /* c4pi_sim_mode_t, or -1: by the seed */
    int ranks;           /* 0: by the seed */
    const uint8_t *tape; /* not NULL: instead of the seed's own */
    size_t tape_len;
    uint64_t fail_alloc; /* the n-th allocation of the job fails; 0: none */
    uint64_t event_ns;   /* simulated time between two events; 0: a default */
    uint64_t latency_ns; /* of messages, in mode C4PI_SIM_TIMED; 0: a default */
    bool echo;           /* show what the ranks log, and all messages that they handle */
} sim_config_t;

typedef struct sim_outcome {
    bool failed;
    char property[16]; /* "P1" ... */
    char text[600];
    const char *what; /* the text's format: the same for the same sort of failure */
    c4pi_sim_mode_t mode;
    int ranks;
    uint64_t hash, events, sent, now_ns, allocs;
    int exit_status; /* of an aborted job, else 0 */
    uint8_t *tape;   /* what was consumed; sim_outcome_fini() frees it */
    size_t tape_len;
    char *log; /* the end of what the ranks logged; or NULL */
} sim_outcome_t;

struct sim_job {
    const sim_scenario_t *scenario;
    sim_config_t config;
    sim_outcome_t *outcome;
    c4pi_simnet_t *net;
    c4p_opts_t opts; /* of all ranks */
    c4pi_chaos_t chaos;
    int ranks;
    uint32_t batch; /* messages run in one turn */
    c4p_rt_t **rts;
    c4pi_phase_t *phases;               /* of each rank, when last looked at */
    int in_phase[C4PI_PHASE_ENDED + 1]; /* how many ranks are */
    bool began;
    int running;        /* the rank whose turn it is */
    int expect_status;  /* the scenario's exit_status, unless it says otherwise */
    bool out_of_memory; /* a public call said so, and the job ends because of that */
    void *world;        /* the scenario's state; zeroed memory of sim_memory() */
    void *memory;       /* all blocks of sim_memory() */
};

/* Run one job from start to end. */
void sim_run(const sim_config_t *config, sim_outcome_t *outcome);
void sim_outcome_fini(sim_outcome_t *outcome);

/* A line for who reads a replay; nothing unless the configuration says echo. */
void sim_say(sim_job_t *job, int rank, const char *fmt, ...) C4P_PRINTF(3, 4);
#define SIM_SAY(job, ...)                                                                          \
    do {                                                                                           \
        if ((job)->config.echo)                                                                    \
            sim_say((job), __VA_ARGS__);                                                           \
    } while (0)

/* A choice of the tape, 0 <= result < n, 0 boring. */
uint32_t sim_choose(sim_job_t *job, uint32_t n);
/* True with this chance in 256; false is boring. */
bool sim_chance(sim_job_t *job, uint32_t chance);
/* Zeroed memory until the end of the job. */
void *sim_memory(sim_job_t *job, size_t len);
/* The simulated time. */
uint64_t sim_now(const sim_job_t *job);

/* Property `property` ("P1") is broken: end the run. Does not return. */
C4P_NORETURN void
sim_fail(sim_job_t *job, const char *property, const char *fmt, ...) C4P_PRINTF(3, 4);
/* A public call answered `st`: go on, end the job for want of memory, or fail. */
void sim_ok(sim_job_t *job, c4p_rt_t *rt, c4p_status_t st, const char *what);

#define SIM_CHECK(job, property, condition, ...)                                                   \
    do {                                                                                           \
        if (!(condition))                                                                          \
            sim_fail((job), (property), __VA_ARGS__);                                              \
    } while (0)

const char *sim_mode_name(c4pi_sim_mode_t mode);
/* -1: unknown. */
int sim_mode_find(const char *name);

/* All scenarios, ended by NULL. */
extern const sim_scenario_t *const sim_scenarios[];

#endif
