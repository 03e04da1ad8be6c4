/* SPDX-License-Identifier: Apache-2.0 */
/* serial.c: LeanMD without the runtime, for reference numbers: one process goes through cells and
 * computes in order; no particle changes its cell. Usage: leanmd_serial a|b|exact X Y Z STEPS
 * [KX KY KZ] [avx512|avx2|baseline]; prints one line of JSON for each step. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cells.h"

typedef struct step {
    double potential, tests;
    int64_t inside, computes;
    leanmd_motion_t motion;
} step_t;

static void
compute(void *ctx, const leanmd_model_t *model, leanmd_cell_t *a, leanmd_cell_t *b,
        const double *shift)
{
    step_t *step = ctx;
    leanmd_sums_t sums;
    if (shift)
        leanmd_pair(&model->law, a->pos, a->n, shift, b->pos, b->n, a->force, b->force, &sums);
    else
        leanmd_self(&model->self_law, a->pos, a->n, a->force, &sums);
    step->potential += sums.potential;
    step->inside += sums.inside;
    step->tests += leanmd_tests(!shift, a->n, b->n);
    step->computes++;
}

static void
advance(const leanmd_model_t *model, leanmd_cell_t *cell, bool begun, step_t *step)
{
    leanmd_motion_t m;
    leanmd_advance(model, begun, cell->n, cell->pos, cell->vel, cell->force, &m);
    memset(cell->force, 0, 3 * cell->n * sizeof(double));
    step->motion.kinetic += m.kinetic;
    step->motion.abs_force += m.abs_force;
    step->motion.v2 += m.v2;
    step->motion.clamped += m.clamped;
}

static void
run(const leanmd_model_t *model, leanmd_cell_t *cells, int steps)
{
    const int64_t num = leanmd_num_cells(model);
    for (int s = 1; s <= steps; s++) {
        step_t step = {0};
        leanmd_cells_each_compute(model, cells, compute, &step);
        for (int64_t id = 0; id < num; id++)
            advance(model, &cells[id], s > 1, &step);
        printf("{\"step\": %d, \"computes\": %lld, \"tests\": %.0f, \"inside\": %lld, "
               "\"kinetic\": %.17g, \"potential\": %.17g, \"abs_force\": %.17g, \"v2\": %.17g, "
               "\"clamped\": %.0f}\n",
               s, (long long)step.computes, step.tests, (long long)step.inside, step.motion.kinetic,
               step.potential, step.motion.abs_force, step.motion.v2, step.motion.clamped);
    }
}

int
main(int argc, char **argv)
{
    static const char *const names[] = {"a", "b", "exact"};
    leanmd_model_t model;
    int variant = 0;
    if (argc > 6 && (argv[argc - 1][0] == 'a' || argv[argc - 1][0] == 'b') &&
        leanmd_set_isa(argv[--argc]) != 0) {
        fprintf(stderr, "leanmd_serial: this machine has no %s\n", argv[argc]);
        return 77;
    }
    while (argc > 1 && variant < 3 && strcmp(argv[1], names[variant]) != 0)
        variant++;
    if ((argc != 6 && argc != 9) || variant == 3) {
        fprintf(stderr, "usage: leanmd_serial a|b|exact X Y Z STEPS [KX KY KZ] [ISA]\n");
        return 2;
    }
    leanmd_model_init(&model, (leanmd_variant_t)variant,
                      (int[3]){atoi(argv[2]), atoi(argv[3]), atoi(argv[4])});
    for (int d = 0; d < 3 && argc == 9; d++)
        model.away[d] = atoi(argv[6 + d]);
    const char *why = leanmd_model_finish(&model);
    leanmd_cell_t *cells = why ? NULL : leanmd_cells_new(&model);
    if (!cells) {
        fprintf(stderr, "leanmd_serial: %s\n", why ? why : "out of memory");
        return why ? 2 : 1;
    }
    run(&model, cells, atoi(argv[5]));
    leanmd_cells_free(&model, cells);
    return 0;
}
