/* SPDX-License-Identifier: Apache-2.0 */
/* cells.h: the cells of a model and the computes between them in one process, for programs that
 * want the arithmetic without the runtime. */
#ifndef LEANMD_CELLS_H
#define LEANMD_CELLS_H

#include "model.h"

typedef struct leanmd_cell {
    int at[3];
    size_t n;
    double *pos, *vel, *force; /* three planes each */
} leanmd_cell_t;

/** All cells in the order of their numbers, in their first state, forces zero; NULL without memory.
 * The caller's. */
leanmd_cell_t *leanmd_cells_new(const leanmd_model_t *model);
/** cells may be NULL. */
void leanmd_cells_free(const leanmd_model_t *model, leanmd_cell_t *cells);

/** What is done with a compute: of cells a and b, a's positions shifted; of a alone if both are
 * the same and shift is NULL. */
typedef void (*leanmd_compute_fn_t)(void *ctx, const leanmd_model_t *model, leanmd_cell_t *a,
                                    leanmd_cell_t *b, const double *shift);
/** All computes, in the order in which cells make them. */
void leanmd_cells_each_compute(const leanmd_model_t *model, leanmd_cell_t *cells,
                               leanmd_compute_fn_t fn, void *ctx);

#endif
