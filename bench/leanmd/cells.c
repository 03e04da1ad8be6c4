/* SPDX-License-Identifier: Apache-2.0 */
#include "cells.h"

#include <stdlib.h>

static bool
cell_init(const leanmd_model_t *model, int64_t id, leanmd_cell_t *cell)
{
    leanmd_cell_at(model, id, cell->at);
    cell->n = leanmd_cell_particles(model, id);
    cell->pos = calloc(9 * cell->n + 1, sizeof(double));
    if (!cell->pos)
        return false;
    cell->vel = cell->pos + 3 * cell->n;
    cell->force = cell->vel + 3 * cell->n;
    leanmd_cell_fill(model, cell->at, cell->pos, cell->vel);
    return true;
}

leanmd_cell_t *
leanmd_cells_new(const leanmd_model_t *model)
{
    const int64_t num = leanmd_num_cells(model);
    leanmd_cell_t *cells = calloc((size_t)num, sizeof *cells);
    for (int64_t id = 0; cells && id < num; id++)
        if (!cell_init(model, id, &cells[id])) {
            leanmd_cells_free(model, cells);
            return NULL;
        }
    return cells;
}

void
leanmd_cells_free(const leanmd_model_t *model, leanmd_cell_t *cells)
{
    for (int64_t id = 0; cells && id < leanmd_num_cells(model); id++)
        free(cells[id].pos);
    free(cells);
}

void
leanmd_cells_each_compute(const leanmd_model_t *model, leanmd_cell_t *cells, leanmd_compute_fn_t fn,
                          void *ctx)
{
    int index[6], first[3], second[3];
    double shift[3];
    for (int64_t id = 0; id < leanmd_num_cells(model); id++)
        for (int k = 0; k < leanmd_num_neighbours(model); k++)
            if (leanmd_compute_index(model, cells[id].at, k, index)) {
                leanmd_compute_cells(model, index, first, second, shift);
                fn(ctx, model, &cells[leanmd_cell_id(model, first)],
                   &cells[leanmd_cell_id(model, second)],
                   leanmd_compute_is_self(index) ? NULL : shift);
            }
}
