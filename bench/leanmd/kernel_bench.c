/* SPDX-License-Identifier: Apache-2.0 */
/* kernel_bench.c: the force kernel against what each instruction set of this machine can do, in one
 * process without the runtime. All is measured in turns, as CPU time, and of each the shortest time
 * counts; so a machine that does other things as well disturbs little. */
#include <argp.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cells.h"
#include "peak.h"

enum {
    ISAS = 3,
    VARIANTS = 3,
    REACHES = 3,
    SHORT = 1 << 17,
    OUT_OF_MEMORY = 71,
    USAGE_ERROR = 64,
    NOT_HERE = 77
};

static const char *const isa_names[ISAS] = {"baseline", "avx2", "avx512"};
static const char *const variant_names[VARIANTS] = {"a", "b", "exact"};

/* Which pairs interact: none, those of LeanMD, all. */
typedef enum reach { NONE, CUTOFF, ALL } reach_t;
static const char *const reach_names[REACHES] = {"none", "cutoff", "all"};

/* Of row() in kernel_isa.c, for each vector: floating-point instructions that are no multiply-adds,
 * and multiply-adds; besides the inverse. Differences, r^2 and two comparisons for those tested;
 * for those with a pair within reach the rest, where u = s s is only needed if forces have the
 * factor 1/r. */
enum { TEST_PLAIN = 6, TEST_FMA = 2, FORCE_PLAIN = 5, FORCE_FMA = 7, ROOT_PLAIN = 1 };
/* Operations that a pair is worth, however it is computed: addition, multiplication, division and
 * square root 1, a multiply-add 2, a comparison 0. */
enum { TEST_FLOPS = 8, FORCE_FLOPS = 19, ROOT_FLOPS = 2 };

/* Seconds for a vector of the loops in peak.h, and for a clock tick; the shortest ones seen. */
typedef struct isa {
    const leanmd_peak_t *peak;
    bool here;
    double fma_s, inverse_s, inverse_root_s, tick_s;
} isa_t;

typedef struct workload {
    leanmd_model_t model;
    leanmd_cell_t *cells;
} workload_t;

/* Pairs tested and those within reach; vectors of pairs, and those with a pair within reach. */
typedef struct count {
    double tests, inside, vectors, vectors_inside;
} count_t;

/* One line of the table. */
typedef struct row {
    int isa, variant, reach;
    double seconds; /* the shortest */
    count_t count;
} row_t;

typedef struct bench {
    int grid[3], repeat;
    const char *record;
    bool quiet;
    isa_t isas[ISAS];
    workload_t loads[VARIANTS];
    row_t rows[ISAS * VARIANTS * REACHES];
    int num_rows;
} bench_t;

static double
seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void
keep_least(double *least, double found)
{
    if (*least == 0 || found < *least)
        *least = found;
}

/* ---- what the machine can do ------------------------------------------------------------------- */

/* A chain of additions, each of which takes a tick of the clock. */
static double
tick(void)
{
    unsigned long x = 1, one = 1;
    const double before = seconds();
#pragma GCC unroll 64
    for (int i = 0; i < SHORT; i++) {
        x += one;
        __asm__ volatile("" : "+r"(x), "+r"(one)); /* not to be foreseen */
    }
    return (seconds() - before) / SHORT;
}

static double
per_vector(leanmd_peak_fn_t loop)
{
    volatile double result;
    const double before = seconds();
    result = loop(SHORT);
    (void)result;
    return (seconds() - before) / SHORT;
}

static void
measure_peak(isa_t *isa)
{
    keep_least(&isa->fma_s, per_vector(isa->peak->multiply_add));
    keep_least(&isa->tick_s, tick()); /* the clock may depend on what was computed last */
    keep_least(&isa->inverse_s, per_vector(isa->peak->inverse));
    keep_least(&isa->inverse_root_s, per_vector(isa->peak->inverse_root));
}

/* ---- the kernel -------------------------------------------------------------------------------- */

static void
set_reach(const leanmd_model_t *model, leanmd_model_t *out, reach_t reach)
{
    *out = *model;
    leanmd_law_t *laws[] = {&out->law, &out->self_law};
    for (int k = 0; k < 2 && reach != CUTOFF; k++) {
        laws[k]->near2 = 0;
        laws[k]->far2 = reach == ALL ? 1e12 : 0; /* of all particles, none of those that pad */
    }
}

static void
interact(void *ctx, const leanmd_model_t *model, leanmd_cell_t *a, leanmd_cell_t *b,
         const double *shift)
{
    (void)ctx;
    if (shift)
        leanmd_pair(&model->law, a->pos, a->n, shift, b->pos, b->n, a->force, b->force, NULL);
    else
        leanmd_self(&model->self_law, a->pos, a->n, a->force, NULL);
}

static void
measure_kernel(bench_t *bench, row_t *row)
{
    workload_t *load = &bench->loads[row->variant];
    leanmd_model_t model;
    set_reach(&load->model, &model, (reach_t)row->reach);
    leanmd_set_isa(isa_names[row->isa]);
    const double before = seconds();
    leanmd_cells_each_compute(&model, load->cells, interact, NULL);
    keep_least(&row->seconds, seconds() - before);
}

/* ---- how much there is to do ------------------------------------------------------------------- */

typedef struct counting {
    size_t lanes;
    count_t found;
} counting_t;

/* The vector of others from j on, as the particle at `at` meets it. */
static void
count_vector(counting_t *c, const leanmd_law_t *law, const double at[3], const leanmd_cell_t *b,
             size_t first, size_t j)
{
    int inside = 0;
    for (size_t k = j < first ? first : j; k < j + c->lanes && k < b->n; k++) {
        double r2 = 0;
        for (size_t d = 0; d < 3; d++)
            r2 += (at[d] - b->pos[d * b->n + k]) * (at[d] - b->pos[d * b->n + k]);
        inside += law->near2 <= r2 && r2 < law->far2;
        c->found.tests++;
    }
    c->found.inside += inside;
    c->found.vectors++;
    c->found.vectors_inside += inside > 0;
}

static void
count_compute(void *ctx, const leanmd_model_t *model, leanmd_cell_t *a, leanmd_cell_t *b,
              const double *shift)
{
    counting_t *c = ctx;
    for (size_t i = 0; i < a->n; i++) {
        const size_t first = shift ? 0 : i + 1;
        double at[3];
        for (size_t d = 0; d < 3; d++)
            at[d] = a->pos[d * a->n + i] + (shift ? shift[d] : 0);
        for (size_t j = first - first % c->lanes; j < b->n; j += c->lanes)
            count_vector(c, &model->law, at, b, first, j);
    }
}

static count_t
count(const workload_t *load, size_t lanes)
{
    counting_t c = {.lanes = lanes};
    leanmd_cells_each_compute(&load->model, load->cells, count_compute, &c);
    return c.found;
}

/* The same, if pairs within that reach interact. */
static count_t
count_within(count_t c, reach_t reach)
{
    if (reach != CUTOFF) {
        c.inside = reach == ALL ? c.tests : 0;
        c.vectors_inside = reach == ALL ? c.vectors : 0;
    }
    return c;
}

/* ---- what follows ------------------------------------------------------------------------------ */

/* All of these are of one pair tested, but the shares. */
typedef struct figures {
    double inside, flops, ns, gflops, cycles;
    double of_peak, bound_ns, of_bound;
} figures_t;

/* The least time in which the instructions of these vectors can be issued, all floating-point ones
 * as fast as multiply-adds and inverses as fast as in their loop. */
static double
bound_s(const isa_t *isa, const row_t *row, bool root)
{
    const double plain_s = isa->fma_s / isa->peak->fma;
    const double test_s = TEST_PLAIN * plain_s + TEST_FMA * isa->fma_s;
    const double force_s = (FORCE_PLAIN + (root ? ROOT_PLAIN : 0)) * plain_s +
                           FORCE_FMA * isa->fma_s + (root ? isa->inverse_root_s : isa->inverse_s);
    return row->count.vectors * test_s + row->count.vectors_inside * force_s;
}

static figures_t
figures_of(const bench_t *bench, const row_t *row)
{
    const isa_t *isa = &bench->isas[row->isa];
    const workload_t *load = &bench->loads[row->variant];
    const bool root = load->model.law.per_r;
    const double flops =
        TEST_FLOPS * row->count.tests + (FORCE_FLOPS + (root ? ROOT_FLOPS : 0)) * row->count.inside;
    const double peak = 2 * (double)isa->peak->lanes / isa->fma_s;
    const double bound = bound_s(isa, row, root);
    return (figures_t){.inside = row->count.inside / row->count.tests,
                       .flops = flops / row->count.tests,
                       .ns = row->seconds / row->count.tests * 1e9,
                       .gflops = flops / row->seconds * 1e-9,
                       .cycles = row->seconds / row->count.tests / isa->tick_s,
                       .of_peak = flops / row->seconds / peak,
                       .bound_ns = bound / row->count.tests * 1e9,
                       .of_bound = bound / row->seconds};
}

static void
show_isas(const bench_t *bench)
{
    printf("%-9s %5s %6s %13s   cycles of a vector: %s\n", "", "lanes", "GHz", "peak GFlop/s",
           "multiply-add  1/x  1/sqrt(x)");
    for (int i = 0; i < ISAS; i++) {
        const isa_t *isa = &bench->isas[i];
        if (!isa->here) {
            continue;
        }
        printf("%-9s %5zu %6.2f %13.1f %34.2f %5.2f %10.2f\n", isa_names[i], isa->peak->lanes,
               1e-9 / isa->tick_s, 2e-9 * (double)isa->peak->lanes / isa->fma_s,
               isa->fma_s / isa->tick_s, isa->inverse_s / isa->tick_s,
               isa->inverse_root_s / isa->tick_s);
    }
}

static void
show_rows(const bench_t *bench)
{
    printf("\n%-9s %-8s %-7s %7s %7s %8s %8s %9s %8s %9s %9s\n", "", "variant", "within", "inside",
           "flop", "ns", "cycles", "GFlop/s", "of peak", "bound ns", "of bound");
    for (int i = 0; i < bench->num_rows; i++) {
        const row_t *row = &bench->rows[i];
        const figures_t f = figures_of(bench, row);
        printf("%-9s %-8s %-7s %6.1f%% %7.2f %8.3f %8.2f %9.2f %7.1f%% %9.3f %8.1f%%\n",
               isa_names[row->isa], variant_names[row->variant], reach_names[row->reach],
               100 * f.inside, f.flops, f.ns, f.cycles, f.gflops, 100 * f.of_peak, f.bound_ns,
               100 * f.of_bound);
    }
}

static void
write_record(FILE *file, const bench_t *bench)
{
    const char *comma = "";
    fprintf(file,
            "{\"program\": \"leanmd-kernel\", \"grid\": [%d, %d, %d], \"repeat\": %d, "
            "\"isas\": {",
            bench->grid[0], bench->grid[1], bench->grid[2], bench->repeat);
    for (int i = 0; i < ISAS; i++) {
        const isa_t *isa = &bench->isas[i];
        if (!isa->here)
            continue;
        fprintf(file,
                "%s\"%s\": {\"lanes\": %zu, \"ghz\": %.4g, \"peak_gflops\": %.4g, "
                "\"fma_ns\": %.4g, \"inverse_ns\": %.4g, \"inverse_root_ns\": %.4g}",
                comma, isa_names[i], isa->peak->lanes, 1e-9 / isa->tick_s,
                2e-9 * (double)isa->peak->lanes / isa->fma_s, isa->fma_s * 1e9,
                isa->inverse_s * 1e9, isa->inverse_root_s * 1e9);
        comma = ", ";
    }
    fprintf(file, "}, \"rows\": [");
    for (int i = 0; i < bench->num_rows; i++) {
        const row_t *row = &bench->rows[i];
        const figures_t f = figures_of(bench, row);
        fprintf(file,
                "%s{\"isa\": \"%s\", \"variant\": \"%s\", \"within\": \"%s\", "
                "\"tests\": %.0f, \"inside\": %.0f, \"flops\": %.4g, \"ns\": %.4g, "
                "\"cycles\": %.4g, \"gflops\": %.4g, \"of_peak\": %.4g, \"bound_ns\": %.4g, "
                "\"of_bound\": %.4g}",
                i ? ", " : "", isa_names[row->isa], variant_names[row->variant],
                reach_names[row->reach], row->count.tests, row->count.inside, f.flops, f.ns,
                f.cycles, f.gflops, f.of_peak, f.bound_ns, f.of_bound);
    }
    fprintf(file, "]}\n");
}

static void
keep_record(const bench_t *bench)
{
    const bool standard = strcmp(bench->record, "-") == 0;
    FILE *file = standard ? stdout : fopen(bench->record, "a");
    if (file)
        write_record(file, bench);
    if (!file || (standard ? fflush(file) : fclose(file)) != 0)
        fprintf(stderr, "leanmd_kernel_bench: record %s: %s\n", bench->record, strerror(errno));
}

/* ---- options ----------------------------------------------------------------------------------- */

static const struct argp_option options[] = {
    {"isa", 'i', "baseline|avx2|avx512", 0, "only this instruction set (all that are here)", 0},
    {"variant", 'v', "a|b|exact", 0, "only this variant (all)", 0},
    {"repeat", 'n', "N", 0, "how often all is measured (5)", 0},
    {"record", 'r', "FILE", 0,
     "append a line of JSON with all figures to a file, or to - (standard output)", 0},
    {"quiet", 'q', 0, 0, "no progress", 0},
    {"help", 'h', 0, 0, "show this", 1},
    {0, 0, 0, 0, 0, 0}};

static const char what[] =
    "LeanMD's force kernel on the first step of X x Y x Z cells (4 4 4), for each instruction set: "
    "the time of a pair tested, and how that compares with what the machine can do."
    "\vWithin: which pairs interact: none, those within the cutoff as in LeanMD, or all. Peak: "
    "multiply-adds in registers with the same instruction set. Bound: the time that the kernel's "
    "floating-point instructions take if nothing else takes any, where a vector with no pair "
    "within reach ends after the test. An addition, multiplication, division or square root is "
    "one operation, a multiply-add two, a comparison none; only pairs within reach count for more "
    "than the test.";

typedef struct parse {
    bench_t *bench;
    int only_isa, only_variant; /* -1: all */

} parse_t;

static bool
to_count(const char *text, int *out)
{
    char *end;
    const long v = strtol(text, &end, 10);
    *out = (int)v;
    return end != text && !*end && v >= 1 && v <= 1 << 16;
}

static bool
to_choice(const char *text, const char *const *names, int num, int *out)
{
    for (int i = 0; i < num; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = i;
            return true;
        }
    return false;
}

static const struct argp_option *
option_of(int key)
{
    const struct argp_option *o = options;
    while (o->key != key)
        o++;
    return o;
}

static error_t
parse_one(int key, char *arg, struct argp_state *state)
{
    parse_t *p = state->input;
    bool good = true;
    switch (key) {
    case 'i':
        good = to_choice(arg, isa_names, ISAS, &p->only_isa);
        break;
    case 'v':
        good = to_choice(arg, variant_names, VARIANTS, &p->only_variant);
        break;
    case 'n':
        good = to_count(arg, &p->bench->repeat);
        break;
    case 'r':
        p->bench->record = arg;
        break;
    case 'q':
        p->bench->quiet = true;
        break;
    case 'h':
        argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
        break;
    case ARGP_KEY_ARG:
        good = state->arg_num < 3 && to_count(arg, &p->bench->grid[state->arg_num]);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    if (!good && key == ARGP_KEY_ARG)
        argp_error(state, "'%s': up to three numbers stand here, each at least 1: X Y Z", arg);
    else if (!good)
        argp_error(state, "--%s '%s': %s is wanted", option_of(key)->name, arg,
                   option_of(key)->arg);
    return good ? 0 : EINVAL;
}

/* ---- the run ----------------------------------------------------------------------------------- */

static void
prepare_load(bench_t *bench, int variant)
{
    workload_t *load = &bench->loads[variant];
    leanmd_model_init(&load->model, (leanmd_variant_t)variant, bench->grid);
    const char *why = leanmd_model_finish(&load->model);
    load->cells = why ? NULL : leanmd_cells_new(&load->model);
    if (load->cells)
        return;
    fprintf(stderr, "leanmd_kernel_bench: variant %s: %s\n", variant_names[variant],
            why ? why : "out of memory");
    exit(why ? USAGE_ERROR : OUT_OF_MEMORY);
}

static void
add_rows(bench_t *bench, int isa, int variant)
{
    const count_t found = count(&bench->loads[variant], bench->isas[isa].peak->lanes);
    for (int reach = 0; reach < REACHES; reach++)
        bench->rows[bench->num_rows++] = (row_t){.isa = isa,
                                                 .variant = variant,
                                                 .reach = reach,
                                                 .count = count_within(found, (reach_t)reach)};
}

static void
prepare(const parse_t *p)
{
    static const leanmd_peak_t *const peaks[ISAS] = {
        &leanmd_peak_baseline,
#if defined LEANMD_X86
        &leanmd_peak_avx2,
        &leanmd_peak_avx512
#endif
    };
    bench_t *bench = p->bench;
    for (int v = 0; v < VARIANTS; v++)
        if (p->only_variant < 0 || p->only_variant == v)
            prepare_load(bench, v);
    for (int i = 0; i < ISAS; i++) {
        isa_t *isa = &bench->isas[i];
        isa->peak = peaks[i];
        isa->here = (p->only_isa < 0 || p->only_isa == i) && leanmd_set_isa(isa_names[i]) == 0;
        for (int v = 0; v < VARIANTS && isa->here; v++)
            if (bench->loads[v].cells)
                add_rows(bench, i, v);
    }
}

static void
measure(bench_t *bench)
{
    for (int n = 0; n < bench->repeat; n++) {
        for (int i = 0; i < bench->num_rows; i++) {
            row_t *row = &bench->rows[i];
            measure_kernel(bench, row);
            measure_peak(&bench->isas[row->isa]);
        }
        if (!bench->quiet)
            fprintf(stderr, "measured %d of %d times\n", n + 1, bench->repeat);
    }
}

int
main(int argc, char **argv)
{
    const struct argp argp = {options, parse_one, "[X [Y [Z]]]", what, NULL, NULL, NULL};
    bench_t bench = {.grid = {4, 4, 4}, .repeat = 5};
    parse_t p = {.bench = &bench, .only_isa = -1, .only_variant = -1};
    if (argp_parse(&argp, argc, argv, ARGP_NO_HELP, NULL, &p) != 0)
        return USAGE_ERROR;
    prepare(&p);
    if (bench.num_rows == 0) {
        fprintf(stderr, "leanmd_kernel_bench: this machine has no %s\n", isa_names[p.only_isa]);
        return NOT_HERE;
    }
    measure(&bench);
    show_isas(&bench);
    show_rows(&bench);
    if (bench.record)
        keep_record(&bench);
    for (int v = 0; v < VARIANTS; v++)
        leanmd_cells_free(&bench.loads[v].model, bench.loads[v].cells);
    return 0;
}
