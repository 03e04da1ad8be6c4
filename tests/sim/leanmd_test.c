/* SPDX-License-Identifier: Apache-2.0 */
/* leanmd_test.c: LeanMD (bench/leanmd) as it is on many virtual ranks of differing speed, in
 * virtual time: a step gets shorter by what the report of load balancing predicts, within 10 %.
 * Only its kernel is another: it computes nothing and takes NS_PER_PAIR for each pair on a rank of
 * speed 1. */
#include <math.h>
#include <stdlib.h>

#include "leanmd/leanmd.h"
#include "leanmd/rounds.h"
#include "sim/sim_driver.h"
#include "support/test.h"

enum {
    MOST_RANKS = 64,
    MOST_WORDS = 40,
    EVENT_NS = 300,
    LATENCY_NS = 2000,
    NS_PER_PAIR = 25,
    PERIOD = 2
};

/* The run, and what came of it. */
static struct {
    char words[400]; /* LeanMD's command line */
    bool told;       /* ranks know their speeds */
    double speed[MOST_RANKS];
    sim_job_t *job;
    leanmd_t *mds;
    double before_ms, expected_ms, after_ms, uneven_before, uneven_after;
} run;

/* ---- in place of the kernel and of main.c ------------------------------------------------------- */

static void
take(double pairs, leanmd_sums_t *sums)
{
    c4pi_port_sim_burn(c4pi_simnet_port(run.job->net, run.job->running),
                       (uint64_t)(pairs * NS_PER_PAIR));
    if (sums)
        *sums = (leanmd_sums_t){0};
}

void
leanmd_pair(const leanmd_law_t *law, const double *pos, size_t n, const double shift[3],
            const double *other, size_t m, double *force, double *other_force, leanmd_sums_t *sums)
{
    (void)law, (void)pos, (void)shift, (void)other, (void)force, (void)other_force;
    take(leanmd_tests(false, n, m), sums);
}

void
leanmd_self(const leanmd_law_t *law, const double *pos, size_t n, double *force,
            leanmd_sums_t *sums)
{
    (void)law, (void)pos, (void)force;
    take(leanmd_tests(true, n, n), sums);
}

const char *
leanmd_isa(void)
{
    return "simulated";
}

bool
leanmd_signalled(void)
{
    return false;
}

void
leanmd_check(leanmd_t *md, c4p_status_t status, const char *what)
{
    sim_ok(run.job, md->rt, status, what);
}

/* ---- the job ------------------------------------------------------------------------------------ */

static void
no_rare_cases(sim_job_t *job, c4p_opts_t *opts)
{
    opts->stall = C4P_STALL_OFF;
    job->batch = 1; /* a message in each turn, so that others arrive in between */
}

static void
read_words(leanmd_options_t *opt)
{
    static char text[sizeof run.words];
    char *argv[MOST_WORDS] = {(char[]){"leanmd"}}, *state;
    int argc = 1, status;
    memcpy(text, run.words, sizeof text);
    for (char *word = strtok_r(text, " ", &state); word; word = strtok_r(NULL, " ", &state))
        argv[argc++] = word;
    CHECK(leanmd_options_parse(argc, argv, true, opt, &status));
}

static void
add(sim_job_t *job, c4p_rt_t *rt)
{
    run.job = job;
    if (!job->world)
        job->world = run.mds = sim_memory(job, (size_t)job->ranks * sizeof *run.mds);
    leanmd_t *md = &run.mds[rt->rank];
    md->rt = rt;
    read_words(&md->opt);
    c4pi_port_sim_set_speed(rt->port, run.speed[rt->rank]);
    sim_ok(job, rt, leanmd_cell_types(md), "cells");
    sim_ok(job, rt, leanmd_compute_types(md), "computes");
    sim_ok(job, rt, leanmd_director_new(md), "director");
    sim_ok(job, rt, c4p_lb_use(rt, md->opt.balancer), "c4p_lb_use");
    if (run.told)
        sim_ok(job, rt, c4p_lb_speed(rt, run.speed[rt->rank]), "c4p_lb_speed");
}

static void
begin(sim_job_t *job)
{
    (void)job;
    leanmd_director_begin(&run.mds[0]);
}

static double
uneven(const leanmd_round_t *round)
{
    return round->was.worth.max_before / round->was.worth.mean;
}

static void
end(sim_job_t *job)
{
    const leanmd_rounds_t *rounds = leanmd_director_rounds(run.mds[0].director);
    CHECK(rounds->num >= 3);
    const leanmd_round_t *balanced = &rounds->list[1], *after = &rounds->list[2];
    run.before_ms = balanced->was.point_s / PERIOD * 1e3;
    run.expected_ms = balanced->was.expected_s / PERIOD * 1e3;
    run.after_ms = after->was.point_s / PERIOD * 1e3;
    run.uneven_before = uneven(balanced);
    run.uneven_after = uneven(after);
    for (int r = 0; r < job->ranks; r++)
        free(run.mds[r].room);
    leanmd_director_free(run.mds[0].director);
}

static const sim_scenario_t scenario = {.name = "leanmd",
                                        .what = "LeanMD, in virtual time",
                                        .min_ranks = 2,
                                        .max_ranks = MOST_RANKS,
                                        .max_events = 400000000,
                                        .options = no_rare_cases,
                                        .add = add,
                                        .begin = begin,
                                        .end = end};

/* ---- cases -------------------------------------------------------------------------------------- */

/* Speeds of ranks by this seed, from half to twice. */
static void
draw_speeds(int ranks, uint64_t seed)
{
    static const double speeds[] = {1, 0.5, 2, 0.75, 1.5, 1};
    for (int r = 0; r < ranks; r++)
        run.speed[r] = speeds[c4pi_hash_u64(seed * MOST_RANKS + (uint64_t)r) % 6];
}

static void
simulate(int ranks, const char *placement, const char *grid, const char *strategy, uint64_t seed)
{
    static const uint8_t boring[1];
    sim_config_t config = {.scenario = &scenario,
                           .ranks = ranks,
                           .tape = boring,
                           .mode = C4PI_SIM_TIMED,
                           .event_ns = EVENT_NS,
                           .latency_ns = LATENCY_NS};
    sim_outcome_t outcome;
    draw_speeds(ranks, seed);
    snprintf(run.words, sizeof run.words,
             "%s %d --particles 20,50 --lb-first %d --lb-period %d --progress 0 --placement %s "
             "--balancer none,%s,none",
             grid, 3 * PERIOD + 1, PERIOD, PERIOD, placement, strategy);
    sim_run(&config, &outcome);
    if (outcome.failed)
        fprintf(stderr, "%s: %s\n%s", outcome.property, outcome.text,
                outcome.log ? outcome.log : "");
    const bool failed = outcome.failed;
    sim_outcome_fini(&outcome);
    CHECK(!failed);
    printf("| %d | %s | %s | %" PRIu64 " | %.3f | %.3f | %.3f | %.3f | %.3f | %+.1f %% |\n", ranks,
           placement, strategy, seed, run.uneven_before, run.uneven_after, run.before_ms,
           run.expected_ms, run.after_ms,
           ((run.before_ms - run.after_ms) / (run.before_ms - run.expected_ms) - 1) * 1e2);
}

/* A step gets shorter by what the report predicts, within 10 %. */
static void
predicted(int ranks, const char *placement, const char *grid, const char *strategy, uint64_t seed)
{
    run.told = true;
    simulate(ranks, placement, grid, strategy, seed);
    const double shorter = run.before_ms - run.after_ms;
    const double expected = run.before_ms - run.expected_ms;
    CHECK(expected > 0.1 * run.before_ms);
    CHECK(fabs(shorter - expected) <= 0.1 * expected);
    CHECK(run.uneven_after < 1.1);
}

static void
steps_on_8_ranks_get_shorter_as_predicted(void)
{
    predicted(8, "block", "4 4 4", "greedy-refine", 1);
    predicted(8, "bad", "4 4 4 --counted", "greedy-refine", 2); /* loads in another unit */
}

static void
steps_on_64_ranks_get_shorter_as_predicted(void)
{
    predicted(64, "bad", "8 4 4", "greedy-refine", 1);
}

/* The wide run: as many seeds as the argument says, of each placement and strategy. */
static void
many_speeds(void)
{
    static const char *const strategies[] = {"greedy-refine", "refine"};
    const uint64_t seeds = (uint64_t)c4pt_arg(0, 0);
    if (seeds)
        puts("| ranks | placement | strategy | seed | max/avg before | after | ms/step before | "
             "predicted | after | difference |\n|--:|---|---|--:|--:|--:|--:|--:|--:|--:|");
    for (uint64_t seed = 0; seed < seeds; seed++)
        for (int s = 0; s < 2; s++) {
            predicted(8, "block", "4 4 4", strategies[s], seed);
            predicted(8, "bad", "4 4 4", strategies[s], seed);
            predicted(64, "block", "8 4 4", strategies[s], seed);
            predicted(64, "bad", "8 4 4", strategies[s], seed);
        }
}

TEST_CASES(steps_on_8_ranks_get_shorter_as_predicted, steps_on_64_ranks_get_shorter_as_predicted,
           many_speeds)
