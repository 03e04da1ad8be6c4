/* SPDX-License-Identifier: Apache-2.0 */
/* chain.c: hilbert and block: objects in a row, cut into one piece for each rank.
 *
 * The cut is the best that there is for this row: bisection on the maximum, with a probe that gives
 * each rank as much as it may have. Source: A. Pinar and C. Aykanat, Fast optimal load balancing
 * algorithms for 1D partitioning, J. Parallel Distrib. Comput. 64 (2004). The curve: J. Skilling,
 * Programming the Hilbert curve, AIP Conf. Proc. 707 (2004). Cost O(n log n + P log n). Guarantee:
 * pieces are contiguous, in the order of ranks; equal views give equal pieces, so that little moves
 * from round to round. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "lb/task.h"

/* ---- cutting ----------------------------------------------------------------------------------- */

typedef struct cut {
    const c4pi_lb_task_t *task;
    double *before; /* [n + 1] load before the i-th of the row */
} cut_t;

/* The end of the longest piece from `begin` on with at most this load. */
static size_t
piece_end(const cut_t *cut, size_t begin, double most)
{
    size_t low = begin, high = cut->task->n;
    double until = cut->before[begin] + most;
    while (low < high) {
        size_t middle = low + (high - low + 1) / 2;
        if (cut->before[middle] <= until)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* Whether all fits when no rank with objects takes longer than `time`. */
static bool
probe(const cut_t *cut, double time, size_t *end_out)
{
    size_t at = 0;
    for (int r = 0; r < cut->task->num_ranks; r++) {
        double most = time / cut->task->slowness[r] - cut->task->background[r];
        if (most > 0)
            at = piece_end(cut, at, most);
        if (end_out)
            end_out[r] = at;
    }
    return at == cut->task->n;
}

/* The least time for which all fits, from above. */
static double
least_time(const cut_t *cut)
{
    double low = 0, high = cut->task->ideal;
    while (!probe(cut, high, NULL)) {
        low = high;
        high *= 2;
    }
    for (int step = 0; step < 50 && high - low > 1e-9 * high; step++) {
        double middle = low + (high - low) / 2;
        if (probe(cut, middle, NULL))
            high = middle;
        else
            low = middle;
    }
    return high;
}

c4p_status_t
c4pi_lb_cut_chain(c4pi_lb_task_t *task, const uint32_t *chain)
{
    cut_t cut = {.task = task};
    cut.before = c4pi_lb_new(task, task->n + 1, sizeof(*cut.before));
    size_t *end = c4pi_lb_new(task, (size_t)task->num_ranks, sizeof(*end));
    if (!cut.before || !end)
        return C4P_ERR_NOMEM;
    cut.before[0] = 0;
    for (size_t i = 0; i < task->n; i++)
        cut.before[i + 1] = cut.before[i] + task->load[chain[i]];
    probe(&cut, least_time(&cut), end);
    size_t at = 0;
    for (int r = 0; r < task->num_ranks; r++) {
        for (; at < end[r]; at++)
            task->plan[chain[at]] = r;
    }
    return C4P_OK;
}

c4p_status_t
c4pi_lb_block_places(c4pi_lb_task_t *task)
{
    uint32_t *chain = c4pi_lb_new(task, task->n, sizeof(*chain));
    if (!chain)
        return C4P_ERR_NOMEM;
    for (size_t i = 0; i < task->n; i++)
        chain[i] = (uint32_t)i;
    return c4pi_lb_cut_chain(task, chain);
}

/* ---- the curve --------------------------------------------------------------------------------- */

enum { MOST_DIMS = 16 };

typedef struct cube {
    int dims, bits; /* bits for each coordinate, 64 in all at most */
    double low[MOST_DIMS];
    double width; /* of the widest dimension, halved so that it cannot overflow */
} cube_t;

static void
cube_around(cube_t *cube, const c4p_lb_view_t *view)
{
    cube->dims = view->num_coords;
    cube->bits = cube->dims == 1 ? 52 : 64 / cube->dims > 31 ? 31 : 64 / cube->dims;
    cube->width = 0;
    for (int d = 0; d < cube->dims; d++) {
        double low = DBL_MAX, high = -DBL_MAX;
        for (size_t i = 0; i < view->num_objects; i++) {
            low = fmin(low, view->coords[i * (size_t)cube->dims + (size_t)d]);
            high = fmax(high, view->coords[i * (size_t)cube->dims + (size_t)d]);
        }
        cube->low[d] = low;
        cube->width = fmax(cube->width, high / 2 - low / 2);
    }
}

/* Skilling's AxesToTranspose: cells of the grid to bits of the place on the curve, spread over x.
 */
static void
to_transposed_place(uint64_t *x, int dims, int bits)
{
    uint64_t top = (uint64_t)1 << (bits - 1), turn = 0;
    for (uint64_t q = top; q > 1; q >>= 1) {
        for (int d = 0; d < dims; d++) {
            uint64_t swap = (x[0] ^ x[d]) & (q - 1);
            if (x[d] & q) {
                x[0] ^= q - 1;
            } else {
                x[0] ^= swap;
                x[d] ^= swap;
            }
        }
    }
    for (int d = 1; d < dims; d++)
        x[d] ^= x[d - 1];
    for (uint64_t q = top; q > 1; q >>= 1) {
        if (x[dims - 1] & q)
            turn ^= q - 1;
    }
    for (int d = 0; d < dims; d++)
        x[d] ^= turn;
}

static uint64_t
place_on_curve(const cube_t *cube, const double *coords)
{
    uint64_t x[MOST_DIMS], place = 0;
    double cells = (double)(((uint64_t)1 << cube->bits) - 1);
    for (int d = 0; d < cube->dims; d++) {
        double part = cube->width > 0 ? (coords[d] / 2 - cube->low[d] / 2) / cube->width : 0;
        x[d] = (uint64_t)(fmin(fmax(part, 0), 1) * cells);
    }
    to_transposed_place(x, cube->dims, cube->bits);
    for (int b = cube->bits - 1; b >= 0; b--) {
        for (int d = 0; d < cube->dims; d++)
            place = place << 1 | (x[d] >> b & 1);
    }
    return place;
}

c4p_status_t
c4pi_lb_hilbert(c4pi_lb_task_t *task)
{
    cube_t cube;
    const c4p_lb_view_t *view = task->view;
    uint64_t *keys = c4pi_lb_new(task, task->n, sizeof(*keys));
    if (!keys)
        return C4P_ERR_NOMEM;
    cube_around(&cube, view);
    for (size_t i = 0; i < task->n; i++)
        keys[i] = place_on_curve(&cube, view->coords + i * (size_t)cube.dims);
    uint32_t *chain = c4pi_lb_sort(task, keys, task->n);
    return chain ? c4pi_lb_cut_chain(task, chain) : C4P_ERR_NOMEM;
}
