/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    USAGE_ERROR = 64, /* sysexits.h, as the launcher */
    OPT_AWAY = 256,
    OPT_PARTICLES,
    OPT_EXCHANGE,
    OPT_ENERGIES,
    OPT_PROGRESS,
    OPT_PLACEMENT,
    OPT_BALANCER,
    OPT_LB_FIRST,
    OPT_LB_PERIOD,
    OPT_CHECKPOINT,
    OPT_CHECKPOINT_PERIOD,
    OPT_EVERY,
    OPT_WALLTIME,
    OPT_RESTART,
    OPT_ORDERED,
    OPT_COUNTED,
    OPT_BARRIER
};

static const char *const variants[] = {"a", "b", "exact", NULL};
static const char *const placements[] = {"round-robin", "block", "bad", NULL};

static const struct argp_option options[] = {
    {0, 0, 0, 0, "What is computed", 1},
    {"variant", 'v', "a|b|exact", 0,
     "a: as in the simplified program, one message for each neighbour; b (default): as in the "
     "mini-app, with "
     "section multicasts and reductions; exact: as b, with right periodic images and velocity "
     "Verlet",
     0},
    {"away", OPT_AWAY, "X,Y,Z", 0,
     "neighbours on each side of a cell, 1 or 2: into how many cells the cutoff is divided (a: "
     "1,1,1; b: 2,2,1)",
     0},
    {"particles", OPT_PARTICLES, "FIRST[,LAST]", 0,
     "particles of the first cell and of the last (a: 300; b: 100,250)", 0},
    {"exchange", OPT_EXCHANGE, "STEPS", 0, "particles change cells every so many steps (20)", 0},
    {"ordered", OPT_ORDERED, 0, 0,
     "add forces in a fixed order: the same bits whatever the placement", 0},

    {0, 0, 0, 0, "Placement and load balancing", 2},
    {"placement", OPT_PLACEMENT, "round-robin|block|bad", 0,
     "of computes: round-robin (default), block (where their cell is) or bad (the first half of "
     "the ranks)",
     0},
    {"balancer", OPT_BALANCER, "NAME[,NAME]", 0, "balance the load with this strategy (none)", 0},
    {"lb-first", OPT_LB_FIRST, "STEP", 0, "after which step for the first time (20)", 0},
    {"lb-period", OPT_LB_PERIOD, "STEPS", 0, "and how often from then on (20)", 0},
    {"counted", OPT_COUNTED, 0, 0,
     "a compute's load is the number of pairs that it tests, not the time that it took", 0},
    {"barrier", OPT_BARRIER, 0, 0, "wait for all cells after each step: what overlap is worth", 0},

    {0, 0, 0, 0, "Checkpoint and restart", 3},
    {"checkpoint", OPT_CHECKPOINT, "DIR", 0, "write checkpoints into this directory", 0},
    {"checkpoint-period", OPT_CHECKPOINT_PERIOD, "STEPS", 0, "how often, in steps (0: not)", 0},
    {"every", OPT_EVERY, "TIME", 0,
     "how often, in time: 90s, 10m, 1h30m; at steps that exchange particles", 0},
    {"walltime", OPT_WALLTIME, "TIME", 0,
     "after this time write one and exit with status 85, as after SIGUSR2", 0},
    {"restart", OPT_RESTART, "DIR|auto", 0,
     "go on from a checkpoint; auto: from --checkpoint's if there is one", 0},

    {0, 0, 0, 0, "Output", 4},
    {"energies", OPT_ENERGIES, "STEPS", 0,
     "energies every so many steps, besides the first and last (0: not)", 0},
    {"progress", OPT_PROGRESS, "STEPS", 0, "a line every so many steps (a tenth of them)", 0},
    {"record", 'r', "FILE", 0,
     "append a line of JSON about the run to a file, or to - (standard output)", 0},
    {"help", 'h', 0, 0, "show this", 5},
    {0, 0, 0, 0, 0, 0}};

static const char what[] =
    "LeanMD: molecular dynamics of particles in a periodic box of X x Y x Z cells, on chares.\v"
    "Without numbers: 3 3 3 1001, balancing and checkpoints as the options say. See "
    "bench/leanmd/README.md.";

/* What argp carries along. */
typedef struct parse {
    leanmd_options_t *opt;
    bool help;
    int numbers[4];
    int away[3], particles[2];
} parse_t;

const char *
leanmd_variant_name(leanmd_variant_t variant)
{
    return variants[variant];
}

const char *
leanmd_placement_name(leanmd_placement_t placement)
{
    return placements[placement];
}

static bool
to_int(const char *text, int least, int *out)
{
    char *end;
    long v = strtol(text, &end, 10);
    if (end == text || *end || v < least || v > 1 << 30)
        return false;
    *out = (int)v;
    return true;
}

/* "2,2,1" into at most n numbers; how many there were, or 0. */
static int
to_ints(const char *text, int n, int *out)
{
    int num = 0;
    for (const char *p = text; num < n; num++) {
        char *end;
        long v = strtol(p, &end, 10);
        if (end == p || v < 0 || v > 1 << 30 || (*end && *end != ','))
            return 0;
        out[num] = (int)v;
        if (!*end)
            return num + 1;
        p = end + 1;
    }
    return 0;
}

static bool
to_choice(const char *text, const char *const *names, int *out)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = i;
            return true;
        }
    return false;
}

/* 90s, 10m, 1h30m, or seconds. */
static bool
to_time(const char *text, double *seconds_out)
{
    double sum = 0;
    while (*text) {
        char *end;
        double v = strtod(text, &end);
        if (end == text || !(v >= 0))
            return false;
        sum += v * (*end == 'h' ? 3600 : *end == 'm' ? 60 : 1);
        if (*end && !strchr("hms", *end))
            return false;
        text = *end ? end + 1 : end;
    }
    *seconds_out = sum;
    return sum > 0;
}

static bool
take_count(parse_t *p, int key, const char *arg)
{
    leanmd_options_t *opt = p->opt;
    switch (key) {
    case OPT_EXCHANGE:
        return to_int(arg, 1, &opt->exchange);
    case OPT_ENERGIES:
        return to_int(arg, 0, &opt->energies);
    case OPT_PROGRESS:
        return to_int(arg, 0, &opt->progress);
    case OPT_LB_FIRST:
        return to_int(arg, 1, &opt->lb_first);
    case OPT_LB_PERIOD:
        return to_int(arg, 1, &opt->lb_period);
    default:
        return to_int(arg, 0, &opt->checkpoint_period);
    }
}

static bool
take(parse_t *p, int key, char *arg)
{
    leanmd_options_t *opt = p->opt;
    int choice = 0;
    bool good = true;
    switch (key) {
    case 'v':
        good = to_choice(arg, variants, &choice);
        opt->model.variant = (leanmd_variant_t)choice;
        return good;
    case OPT_PLACEMENT:
        good = to_choice(arg, placements, &choice);
        opt->placement = (leanmd_placement_t)choice;
        return good;
    case OPT_AWAY:
        return to_ints(arg, 3, p->away) == 3;
    case OPT_PARTICLES: {
        int num = to_ints(arg, 2, p->particles);
        if (num == 1)
            p->particles[1] = p->particles[0];
        return num > 0;
    }
    case OPT_EVERY:
        return to_time(arg, &opt->every_s);
    case OPT_WALLTIME:
        return to_time(arg, &opt->walltime_s);
    case OPT_ORDERED:
        opt->ordered = true;
        return true;
    case OPT_COUNTED:
        opt->counted = true;
        return true;
    case OPT_BARRIER:
        opt->barrier = true;
        return true;
    case OPT_BALANCER:
        opt->balancer = arg;
        return true;
    case OPT_CHECKPOINT:
        opt->checkpoint = arg;
        return true;
    case OPT_RESTART:
        opt->restart = arg;
        return true;
    case 'r':
        opt->record = arg;
        return true;
    default:
        return take_count(p, key, arg);
    }
}

static const struct argp_option *
option_of(int key)
{
    const struct argp_option *o = options;
    while (o->key != key || !o->name)
        o++;
    return o;
}

static error_t
parse_one(int key, char *arg, struct argp_state *state)
{
    parse_t *p = state->input;
    if (key == ARGP_KEY_ARG) {
        if (state->arg_num < 4 && to_int(arg, 1, &p->numbers[state->arg_num]))
            return 0;
        argp_error(state, "'%s': up to four numbers stand here, each at least 1: X Y Z STEPS", arg);
        return EINVAL;
    }
    if (key == 'h') {
        argp_state_help(state, stdout, ARGP_HELP_STD_HELP & ~ARGP_HELP_EXIT_OK);
        p->help = true;
        return 0;
    }
    if (key != 'v' && key != 'r' && (key < OPT_AWAY || key > OPT_BARRIER))
        return ARGP_ERR_UNKNOWN;
    if (take(p, key, arg))
        return 0;
    argp_error(state, "--%s '%s': %s is wanted", option_of(key)->name, arg, option_of(key)->arg);
    return EINVAL;
}

/* What follows from all options together; the text of what is wrong, or NULL. */
static const char *
conclude(parse_t *p)
{
    leanmd_options_t *opt = p->opt;
    const int grid[3] = {p->numbers[0], p->numbers[1], p->numbers[2]};
    leanmd_model_init(&opt->model, opt->model.variant, grid);
    if (p->away[0])
        memcpy(opt->model.away, p->away, sizeof p->away);
    if (p->particles[0] >= 0) {
        opt->model.first = p->particles[0];
        opt->model.last = p->particles[1];
    }
    opt->steps = p->numbers[3];
    if (opt->progress < 0)
        opt->progress = opt->steps < 10 ? 1 : opt->steps / 10;
    if (opt->restart && strcmp(opt->restart, "auto") == 0 && !opt->checkpoint)
        return "--restart auto needs --checkpoint DIR";
    if (!opt->checkpoint && (opt->checkpoint_period || opt->every_s > 0 || opt->walltime_s > 0))
        return "--checkpoint-period, --every and --walltime need --checkpoint DIR";
    return leanmd_model_finish(&opt->model);
}

bool
leanmd_options_parse(int argc, char **argv, bool talk, leanmd_options_t *opt, int *status_out)
{
    const struct argp argp = {options, parse_one, "[X [Y [Z [STEPS]]]]", what, NULL, NULL, NULL};
    parse_t p = {.opt = opt, .numbers = {3, 3, 3, 1001}, .particles = {-1, -1}};
    *opt = (leanmd_options_t){
        .model.variant = LEANMD_B, .exchange = 20, .lb_first = 20, .lb_period = 20, .progress = -1};
    bool good = argp_parse(&argp, argc, argv, talk ? ARGP_NO_EXIT | ARGP_NO_HELP : ARGP_SILENT,
                           NULL, &p) == 0;
    const char *why = good && !p.help ? conclude(&p) : NULL;
    if (why && talk)
        fprintf(stderr, "leanmd: %s\n", why);
    *status_out = good && !why ? 0 : USAGE_ERROR;
    return good && !why && !p.help;
}
