/* SPDX-License-Identifier: Apache-2.0 */
/* serial.c: LeanMD without the runtime, for reference numbers: one process goes through cells and
 * computes in order; no particle changes its cell. Usage: leanmd_serial a|b|exact X Y Z STEPS
 * [KX KY KZ] [avx512|avx2|baseline]; prints one line of JSON for each step. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

typedef struct cell {
    int at[3];
    size_t n;
    double *pos, *vel, *force;
} cell_t;

typedef struct step {
    double potential, tests;
    int64_t inside, computes;
    leanmd_motion_t motion;
} step_t;

static cell_t *
cells_new(const leanmd_model_t *model)
{
    const int64_t num = leanmd_num_cells(model);
    cell_t *cells = calloc((size_t)num, sizeof *cells);
    for (int64_t id = 0; cells && id < num; id++) {
        cell_t *cell = &cells[id];
        leanmd_cell_at(model, id, cell->at);
        cell->n = leanmd_cell_particles(model, id);
        cell->pos = calloc(9 * cell->n + 1, sizeof(double));
        if (!cell->pos)
            return NULL;
        cell->vel = cell->pos + 3 * cell->n;
        cell->force = cell->vel + 3 * cell->n;
        leanmd_cell_fill(model, cell->at, cell->pos, cell->vel);
    }
    return cells;
}

static void
compute(const leanmd_model_t *model, cell_t *cells, const int index[6], step_t *step)
{
    int first[3], second[3];
    double shift[3];
    leanmd_sums_t sums;
    leanmd_compute_cells(model, index, first, second, shift);
    cell_t *a = &cells[leanmd_cell_id(model, first)], *b = &cells[leanmd_cell_id(model, second)];
    if (leanmd_compute_is_self(index))
        leanmd_self(&model->self_law, a->pos, a->n, a->force, &sums);
    else
        leanmd_pair(&model->law, a->pos, a->n, shift, b->pos, b->n, a->force, b->force, &sums);
    step->potential += sums.potential;
    step->inside += sums.inside;
    step->tests += leanmd_tests(leanmd_compute_is_self(index), a->n, b->n);
    step->computes++;
}

static void
advance(const leanmd_model_t *model, cell_t *cell, bool begun, step_t *step)
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
run(const leanmd_model_t *model, cell_t *cells, int steps)
{
    const int64_t num = leanmd_num_cells(model);
    for (int s = 1; s <= steps; s++) {
        step_t step = {0};
        int index[6];
        for (int64_t id = 0; id < num; id++)
            for (int k = 0; k < leanmd_num_neighbours(model); k++)
                if (leanmd_compute_index(model, cells[id].at, k, index))
                    compute(model, cells, index, &step);
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
    cell_t *cells = why ? NULL : cells_new(&model);
    if (!cells) {
        fprintf(stderr, "leanmd_serial: %s\n", why ? why : "out of memory");
        return why ? 2 : 1;
    }
    run(&model, cells, atoi(argv[5]));
    for (int64_t id = 0; id < leanmd_num_cells(&model); id++)
        free(cells[id].pos);
    free(cells);
    return 0;
}
