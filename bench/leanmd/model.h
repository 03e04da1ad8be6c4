/* SPDX-License-Identifier: Apache-2.0 */
/* model.h: the physics and geometry of LeanMD without the runtime: variants, cells, which computes
 * join which cells, first state, integration. Lengths in angstrom, times in femtoseconds, masses in
 * grams, energies in millijoules.
 *
 * Variants. A: the simplified program that comes with Charm++; random positions, the potential
 * taken for the force. B: the mini-app of that name. Both with the rule for periodic images as they
 * have it, which is wrong on some grids. EXACT: as B, with the right images and velocity Verlet. */
#ifndef LEANMD_MODEL_H
#define LEANMD_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel.h"

typedef enum leanmd_variant { LEANMD_A, LEANMD_B, LEANMD_EXACT } leanmd_variant_t;

typedef struct leanmd_model {
    leanmd_variant_t variant;
    int grid[3];     /* cells */
    int away[3];     /* neighbours on each side of a cell */
    int first, last; /* particles of the first cell, and of one past the last */
    double side[3];  /* of a cell */
    leanmd_law_t law, self_law;
    double mass, v_max, kick, drift; /* v += kick F, x += drift v */
} leanmd_model_t;

/** The defaults of a variant for a grid; `away`, `first`, `last` may be changed before
 * leanmd_model_finish(). */
void leanmd_model_init(leanmd_model_t *model, leanmd_variant_t variant, const int grid[3]);
/** Derive the rest. Returns NULL, or what is wrong: a grid too small for its images, a cell with
 * more particles than its lattice has places. */
const char *leanmd_model_finish(leanmd_model_t *model);

int64_t leanmd_num_cells(const leanmd_model_t *model);
int64_t leanmd_cell_id(const leanmd_model_t *model, const int cell[3]);
void leanmd_cell_at(const leanmd_model_t *model, int64_t id, int cell_out[3]);
/** Particles of a cell at first. */
size_t leanmd_cell_particles(const leanmd_model_t *model, int64_t id);
/** First state: planes of n = leanmd_cell_particles() doubles. */
void leanmd_cell_fill(const leanmd_model_t *model, const int cell[3], double *pos, double *vel);

/** Neighbours of a cell, with itself. */
int leanmd_num_neighbours(const leanmd_model_t *model);
/** The offset of neighbour `num` from its cell, and the cell it is. */
void leanmd_neighbour(const leanmd_model_t *model, const int cell[3], int num, int offset_out[3],
                      int cell_out[3]);
/** The number under which neighbour `num` knows this cell. */
int leanmd_reverse(const leanmd_model_t *model, int num);
/** The index of the compute that joins a cell to its neighbour; true if it is this cell that makes
 * it. */
bool
leanmd_compute_index(const leanmd_model_t *model, const int cell[3], int num, int index_out[6]);
/** The cell that makes a compute; returns which of those that it makes, from 0. */
int leanmd_compute_maker(const leanmd_model_t *model, const int index[6], int cell_out[3]);
/** The two cells of a compute, and what is to be added to the first one's positions. */
void leanmd_compute_cells(const leanmd_model_t *model, const int index[6], int first_out[3],
                          int second_out[3], double shift_out[3]);
/** A compute of one cell alone. */
bool leanmd_compute_is_self(const int index[6]);

/** Sums over a cell's particles in one step. */
typedef struct leanmd_motion {
    double kinetic;   /* of the state whose forces they are */
    double abs_force; /* of the components' magnitudes */
    double v2;        /* of the velocities' squares, afterwards */
    double clamped;   /* components of velocities that were cut */
} leanmd_motion_t;

/** Advance a cell by one step with the forces on it. `begun`: this is not the first step. Arrays
 * are planes of n. */
void leanmd_advance(const leanmd_model_t *model, bool begun, size_t n, double *pos, double *vel,
                    const double *force, leanmd_motion_t *motion_out);
/** Which neighbour particle i has to go to (the cell itself: its own number); positions outside of
 * the box are brought back into it. */
int
leanmd_destination(const leanmd_model_t *model, const int cell[3], size_t n, double *pos, size_t i);

/** Pairs that a compute tests. */
static inline double
leanmd_tests(bool self, size_t n, size_t m)
{
    return self ? (double)n * (double)(n - 1) / 2 : (double)n * (double)m;
}

#endif
