/* SPDX-License-Identifier: Apache-2.0 */
/* simrun.c: runs scenarios over many seeds, replays and shrinks tapes of failures. */
#define _GNU_SOURCE /* scandir, clock_gettime */
#include <dirent.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sim/sim_driver.h"
#include "sim/sim_tape.h"

typedef struct args {
    const char *scenario; /* "all" */
    uint64_t first, end;
    int mode, ranks;
    uint64_t fail_alloc;
    const char *replay, *shrink, *out_dir;
    bool check_hash, verbose, quiet;
} args_t;

static void
usage(FILE *out)
{
    fputs(
        "usage: simrun [options]\n"
        "  --scenario NAMES  scenarios with commas between, or \"all\" (the default)\n"
        "  --seeds A:B       seeds A to B - 1 of each; default 0:200\n"
        "  --ranks N         number of ranks; default: by the seed\n"
        "  --mode MODE       random, pct, starve, burst or swizzle; default: by the seed\n"
        "  --fail-alloc A:B  let the n-th allocation fail, A <= n < B, for each seed; B 0: all of "
        "them\n"
        "  --twice           run each seed twice and compare the trace hashes (P14)\n"
        "  --out DIR         where tapes of failures go; default: the working directory\n"
        "  --replay FILE     run a tape again, or all tapes of a folder; with --verbose all "
        "messages are shown\n"
        "  --shrink FILE     make a failing tape as short and boring as possible; writes FILE.min\n"
        "  --list            scenarios\n"
        "  --verbose         one line per run\n"
        "Exit status: 0 all runs passed, 1 one failed, 2 wrong usage.\n",
        out);
}

static const sim_scenario_t *
find_scenario(const char *name)
{
    for (int i = 0; sim_scenarios[i]; i++)
        if (strcmp(sim_scenarios[i]->name, name) == 0)
            return sim_scenarios[i];
    return NULL;
}

static double
seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void
print_failure(const sim_config_t *config, const sim_outcome_t *outcome)
{
    printf("FAILED %s: %s: %s\n  seed %" PRIu64 " mode %s ranks %d events %" PRIu64
           " time %.6f s hash %016" PRIx64 " tape %zu bytes\n",
           config->scenario->name, outcome->property, outcome->text, config->seed,
           sim_mode_name(outcome->mode), outcome->ranks, outcome->events,
           (double)outcome->now_ns * 1e-9, outcome->hash, outcome->tape_len);
    if (config->fail_alloc)
        printf("  with allocation %" PRIu64 " failing\n", config->fail_alloc);
    if (outcome->log)
        printf("  log:\n%s", outcome->log);
}

static void
keep_tape(const args_t *args, const sim_config_t *config, const sim_outcome_t *outcome)
{
    char path[1000];
    snprintf(path, sizeof path, "%s/%s-%" PRIu64 ".tape", args->out_dir, config->scenario->name,
             config->seed);
    sim_tape_t tape = {.mode = outcome->mode,
                       .ranks = outcome->ranks,
                       .fail_alloc = config->fail_alloc,
                       .bytes = outcome->tape,
                       .len = outcome->tape_len};
    snprintf(tape.scenario, sizeof tape.scenario, "%s", config->scenario->name);
    if (sim_tape_write(&tape, path))
        printf("  tape written to %s\n", path);
}

/* One seed. Returns false after a failure. */
static bool
run_one(const args_t *args, const sim_config_t *config, uint64_t *events, uint64_t *allocs)
{
    sim_outcome_t outcome, again;
    sim_run(config, &outcome);
    *events += outcome.events;
    *allocs = outcome.allocs;
    bool failed = outcome.failed;
    if (failed) {
        print_failure(config, &outcome);
        keep_tape(args, config, &outcome);
    } else if (args->check_hash) {
        sim_run(config, &again);
        failed = again.hash != outcome.hash;
        if (failed)
            printf("FAILED %s: P14: seed %" PRIu64 " gives hash %016" PRIx64 ", then %016" PRIx64
                   "\n",
                   config->scenario->name, config->seed, outcome.hash, again.hash);
        sim_outcome_fini(&again);
    }
    if (args->verbose)
        printf("%s seed %" PRIu64 " %s ranks %d: %" PRIu64 " events, hash %016" PRIx64 "\n",
               config->scenario->name, config->seed, sim_mode_name(outcome.mode), outcome.ranks,
               outcome.events, outcome.hash);
    sim_outcome_fini(&outcome);
    return !failed;
}

/* All allocations of one seed, one after another. */
static bool
run_failing(const args_t *args, sim_config_t *config, uint64_t end, uint64_t *events)
{
    for (; !end || config->fail_alloc < end; config->fail_alloc++) {
        uint64_t allocs = 0;
        if (!run_one(args, config, events, &allocs))
            return false;
        if (allocs < config->fail_alloc)
            break; /* so many were never asked for */
    }
    return true;
}

static int
run_seeds(const args_t *args, const sim_scenario_t *scenario, uint64_t fail_end)
{
    double start = seconds(), shown = start;
    uint64_t events = 0, allocs, runs = args->end - args->first;
    for (uint64_t seed = args->first; seed < args->end; seed++) {
        sim_config_t config = {.scenario = scenario,
                               .seed = seed,
                               .mode = args->mode,
                               .ranks = args->ranks,
                               .fail_alloc = args->fail_alloc};
        bool passed = args->fail_alloc ? run_failing(args, &config, fail_end, &events)
                                       : run_one(args, &config, &events, &allocs);
        if (!passed)
            return 1;
        if (seconds() - shown > 5) {
            shown = seconds();
            printf("%s: %" PRIu64 " of %" PRIu64 " seeds, %.0f s\n", scenario->name,
                   seed + 1 - args->first, runs, shown - start);
            fflush(stdout);
        }
    }
    double took = seconds() - start;
    printf("%-10s %7" PRIu64 " seeds passed, %4" PRIu64 " events and %.2f ms each\n",
           scenario->name, runs, runs ? events / runs : 0, runs ? took / (double)runs * 1e3 : 0);
    fflush(stdout);
    return 0;
}

/* Is the scenario meant by "all", or by a list of names with commas? */
static bool
is_meant(const sim_scenario_t *scenario, const char *names)
{
    size_t len = strlen(scenario->name);
    if (strcmp(names, "all") == 0)
        return scenario->big == 0;
    for (const char *at = names; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, scenario->name, len) == 0 && (!at[len] || at[len] == ','))
            return true;
    }
    return false;
}

static int
run_all(const args_t *args, uint64_t fail_end)
{
    int found = 0, commas = 0;
    for (const char *at = args->scenario; *at; at++)
        commas += *at == ',';
    for (int i = 0; sim_scenarios[i]; i++)
        found += is_meant(sim_scenarios[i], args->scenario);
    if (strcmp(args->scenario, "all") != 0 && found != commas + 1) {
        fprintf(stderr, "simrun: '%s' has a name of no scenario; --list shows them\n",
                args->scenario);
        return 2;
    }
    for (int i = 0; sim_scenarios[i]; i++) {
        int status = is_meant(sim_scenarios[i], args->scenario)
                         ? run_seeds(args, sim_scenarios[i], fail_end)
                         : 0;
        if (status)
            return status;
    }
    return 0;
}

/* ---- tapes ------------------------------------------------------------------------------------- */

static bool
read_tape(const char *path, sim_tape_t *tape, sim_config_t *config)
{
    const char *wrong = sim_tape_read(path, tape);
    const sim_scenario_t *scenario = wrong ? NULL : find_scenario(tape->scenario);
    if (!wrong && !scenario)
        wrong = "it names an unknown scenario";
    if (wrong) {
        fprintf(stderr, "simrun: %s: %s\n", path, wrong);
        return false;
    }
    *config = (sim_config_t){.scenario = scenario,
                             .mode = (int)tape->mode,
                             .ranks = tape->ranks,
                             .fail_alloc = tape->fail_alloc,
                             .tape = tape->bytes,
                             .tape_len = tape->len};
    return true;
}

static int
replay(const args_t *args, const char *path)
{
    sim_tape_t tape;
    sim_config_t config;
    sim_outcome_t outcome;
    if (!read_tape(path, &tape, &config))
        return 2;
    config.echo = args->verbose;
    sim_run(&config, &outcome);
    bool failed = outcome.failed;
    if (failed)
        print_failure(&config, &outcome);
    else
        printf("%s: passed, %" PRIu64 " events, hash %016" PRIx64 "\n", path, outcome.events,
               outcome.hash);
    sim_outcome_fini(&outcome);
    sim_tape_fini(&tape);
    return failed;
}

static int
is_tape(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && strcmp(dot, ".tape") == 0;
}

/* A tape, or all tapes of a folder. */
static int
replay_all(const args_t *args, const char *path)
{
    struct dirent **entries;
    int status = 0, count = scandir(path, &entries, is_tape, alphasort);
    if (count < 0)
        return replay(args, path);
    for (int i = 0; i < count; i++) {
        char file[1000];
        snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        int one = replay(args, file);
        status = one > status ? one : status;
        free(entries[i]);
    }
    free(entries);
    if (count == 0)
        fprintf(stderr, "simrun: %s has no tapes\n", path);
    return count ? status : 2;
}

static int
shrink(const char *path)
{
    sim_tape_t tape;
    sim_config_t config;
    char out[1000];
    if (!read_tape(path, &tape, &config))
        return 2;
    size_t before = tape.len;
    if (!sim_tape_shrink(&tape, &config)) {
        printf("%s: passes, nothing to shrink\n", path);
        sim_tape_fini(&tape);
        return 2;
    }
    snprintf(out, sizeof out, "%s.min", path);
    bool written = sim_tape_write(&tape, out);
    printf("%s: %zu bytes -> %zu bytes, ranks %d\n", written ? out : path, before, tape.len,
           tape.ranks);
    sim_tape_fini(&tape);
    return written ? replay(&(args_t){0}, out) : 2;
}

/* ---- command line ------------------------------------------------------------------------------ */

static bool
read_range(const char *text, uint64_t *first, uint64_t *end)
{
    char *at;
    *first = strtoull(text, &at, 0);
    if (at == text || *at != ':')
        return false;
    const char *second = at + 1;
    *end = strtoull(second, &at, 0);
    return at != second && !*at && (*end >= *first || *end == 0);
}

static int
list(void)
{
    for (int i = 0; sim_scenarios[i]; i++)
        printf("%-10s %s (%d to %d ranks)%s\n", sim_scenarios[i]->name, sim_scenarios[i]->what,
               sim_scenarios[i]->min_ranks, sim_scenarios[i]->max_ranks,
               sim_scenarios[i]->big ? "; only by name" : "");
    return 0;
}

int
main(int argc, char **argv)
{
    static const struct option options[] = {
        {"scenario", 1, NULL, 's'}, {"seeds", 1, NULL, 'n'},  {"ranks", 1, NULL, 'r'},
        {"mode", 1, NULL, 'm'},     {"replay", 1, NULL, 'p'}, {"shrink", 1, NULL, 'k'},
        {"list", 0, NULL, 'l'},     {"help", 0, NULL, 'h'},   {"fail-alloc", 1, NULL, 'f'},
        {"twice", 0, NULL, 't'},    {"out", 1, NULL, 'o'},    {"verbose", 0, NULL, 'v'},
        {NULL, 0, NULL, 0}};
    args_t args = {.scenario = "all", .end = 200, .mode = -1, .out_dir = "."};
    uint64_t fail_end = 0;
    int opt;
    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        bool good = true;
        switch (opt) {
        case 's':
            args.scenario = optarg;
            break;
        case 'n':
            good = read_range(optarg, &args.first, &args.end);
            break;
        case 'r':
            good = (args.ranks = atoi(optarg)) > 0;
            break;
        case 'm':
            good = (args.mode = sim_mode_find(optarg)) >= 0;
            break;
        case 'p':
            args.replay = optarg;
            break;
        case 'k':
            args.shrink = optarg;
            break;
        case 'l':
            return list();
        case 'h':
            usage(stdout);
            return 0;
        case 'f':
            good = read_range(optarg, &args.fail_alloc, &fail_end) && args.fail_alloc;
            break;
        case 't':
            args.check_hash = true;
            break;
        case 'o':
            args.out_dir = optarg;
            break;
        case 'v':
            args.verbose = true;
            break;
        default:
            good = false;
        }
        if (!good) {
            usage(stderr);
            return 2;
        }
    }
    if (args.shrink)
        return shrink(args.shrink);
    if (args.replay) {
        int status = replay_all(&args, args.replay);
        for (; optind < argc && !status; optind++)
            status = replay_all(&args, argv[optind]);
        return status;
    }
    return run_all(&args, fail_end);
}
