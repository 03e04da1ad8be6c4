/* SPDX-License-Identifier: Apache-2.0 */
/* options.c: see options.h. */
#include "options.h"

#include <c4p/balance.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const options_t defaults = {
    .particles = 4000,
    .cells = 16,
    .steps = 400,
    .period = 10,
    .dt = 0.001,
    .reach = 0.06,
    .strategy = "greedy-refine",
};

void
options_help(FILE *out)
{
    const char *name, *what;

    fprintf(out, "usage: nbody_c [options]\n\n"
                 "Two clouds of particles drift past each other in a periodic square of cells; "
                 "their load is balanced.\n\n");
    fprintf(out, "  --particles N    how many (%d)\n", defaults.particles);
    fprintf(out, "  --cells N        in each direction, 3 or more (%d)\n", defaults.cells);
    fprintf(out, "  --steps N        of time (%d)\n", defaults.steps);
    fprintf(
        out,
        "  --period N       steps from one report, and one round of balancing, to the next (%d)\n",
        defaults.period);
    fprintf(out, "  --dt T           time of a step (%g)\n", defaults.dt);
    fprintf(out, "  --reach R        of gravity, at most the width of a cell (%g)\n",
            defaults.reach);
    fprintf(out, "  --strategy NAME  who moves cells (%s):\n", defaults.strategy);
    for (int i = 0; c4p_lb_builtin(i, &name, &what); i++)
        fprintf(out, "      %-14s %s\n", name, what);
    fprintf(out, "  --counted        a cell's load is the number of pairs that it looks at, not "
                 "measured time\n"
                 "  --output FILE    all particles and the cells' ranks and loads, a line of JSON "
                 "for each report\n"
                 "  --help           this text\n");
}

/* ---- values ----------------------------------------------------------------------------------- */

static bool
wrong(FILE *err, const char *format, ...)
{
    va_list args;
    if (err) {
        fputs("nbody_c: ", err);
        va_start(args, format);
        vfprintf(err, format, args);
        va_end(args);
        fputs("; --help names all options\n", err);
    }
    return false;
}

static bool
read_int(FILE *err, const char *option, const char *text, int least, int most, int *value_out)
{
    char *end;
    errno = 0;
    const long value = strtol(text, &end, 10);
    if (end == text || *end || errno || value < least || value > most)
        return wrong(err, "%s: '%s' is not a whole number from %d to %d", option, text, least,
                     most);
    *value_out = (int)value;
    return true;
}

static bool
read_positive(FILE *err, const char *option, const char *text, double *value_out)
{
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end || !(value > 0) || !isfinite(value))
        return wrong(err, "%s: '%s' is not a number above 0", option, text);
    *value_out = value;
    return true;
}

static bool
read_strategy(FILE *err, const char *text, const char **value_out)
{
    const char *name = c4p_lb_find(text);
    if (!name)
        return wrong(err, "--strategy: there is no '%s'", text);
    *value_out = name;
    return true;
}

static bool
read_value(FILE *err, const char *option, const char *text, options_t *o)
{
    if (strcmp(option, "--particles") == 0)
        return read_int(err, option, text, 1, 10000000, &o->particles);
    if (strcmp(option, "--cells") == 0)
        return read_int(err, option, text, 3, 1000, &o->cells);
    if (strcmp(option, "--steps") == 0)
        return read_int(err, option, text, 1, 100000000, &o->steps);
    if (strcmp(option, "--period") == 0)
        return read_int(err, option, text, 1, 100000000, &o->period);
    if (strcmp(option, "--dt") == 0)
        return read_positive(err, option, text, &o->dt);
    if (strcmp(option, "--reach") == 0)
        return read_positive(err, option, text, &o->reach);
    if (strcmp(option, "--strategy") == 0)
        return read_strategy(err, text, &o->strategy);
    o->output = text; /* the only one that is left */
    return true;
}

static bool
has_value(const char *option)
{
    static const char *const names[] = {"--particles", "--cells", "--steps",    "--period",
                                        "--dt",        "--reach", "--strategy", "--output"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(option, names[i]) == 0)
            return true;
    return false;
}

options_answer_t
options_read(int argc, char **argv, FILE *err, options_t *options_out)
{
    options_t o = defaults;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return OPTIONS_HELP;
        if (strcmp(argv[i], "--counted") == 0) {
            o.counted = true;
            continue;
        }
        if (!has_value(argv[i])) {
            wrong(err, "there is no option '%s'", argv[i]);
            return OPTIONS_WRONG;
        }
        if (i + 1 == argc) {
            wrong(err, "%s needs a value", argv[i]);
            return OPTIONS_WRONG;
        }
        if (!read_value(err, argv[i], argv[i + 1], &o))
            return OPTIONS_WRONG;
        i++;
    }
    if (o.reach * o.cells > 1) {
        wrong(err, "--reach %g is more than the width of one of %d cells, which is %g", o.reach,
              o.cells, 1.0 / o.cells);
        return OPTIONS_WRONG;
    }
    *options_out = o;
    return OPTIONS_RUN;
}
