/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What differs between the programs. */
typedef struct constants {
    double a12, b6, near2, cutoff, v_max, spread;
    int away[3], first, last, fewest; /* fewest: cells in a direction, with more than one away */
} constants_t;

static const double margin = 4, mass = 1.67e-24, lattice_gap = 3;
enum { LATTICE = 10 };

static const constants_t constants_a = {1.60694452e-134, 1.031093844e-77, 0.001, 12,  30,
                                        0.2 * 30,        {1, 1, 1},       300,   300, 3};
static const constants_t constants_b = {1.1328e-133, 2.23224e-76, 1,   26,  0.1,
                                        0.2 * 0.1,   {2, 2, 1},   100, 250, 3};

static const constants_t *
constants_of(leanmd_variant_t variant)
{
    return variant == LEANMD_A ? &constants_a : &constants_b;
}

void
leanmd_model_init(leanmd_model_t *model, leanmd_variant_t variant, const int grid[3])
{
    const constants_t *c = constants_of(variant);
    *model = (leanmd_model_t){.variant = variant, .first = c->first, .last = c->last};
    memcpy(model->grid, grid, sizeof model->grid);
    memcpy(model->away, c->away, sizeof model->away);
}

/* Distances in the law's constants are in metres; the kernel's are in angstrom. */
static leanmd_law_t
law_of(leanmd_variant_t variant)
{
    const constants_t *c = constants_of(variant);
    const double a = c->a12 * 1e120, b = c->b6 * 1e60;
    const bool simple = variant == LEANMD_A;
    return (leanmd_law_t){.a = a,
                          .b = b,
                          .fa = simple ? a : 12 * a * 1e10,
                          .fb = simple ? b : 6 * b * 1e10,
                          .near2 = simple ? c->near2 : nextafter(c->near2, 2), /* B excludes its
                                                                                  bound */
                          .far2 = c->cutoff * c->cutoff,
                          .per_r = simple};
}

static const char *
check_grid(const leanmd_model_t *model)
{
    for (int d = 0; d < 3; d++) {
        if (model->away[d] < 1 || model->away[d] > 2)
            return "cells may be divided in 1 or 2";
        if (model->grid[d] > 1 << 16)
            return "a grid may have 65536 cells in a direction";
        if (model->variant != LEANMD_EXACT && model->grid[d] < 3)
            return "the grid needs at least 3 cells in each direction";
        if (model->variant == LEANMD_EXACT && model->grid[d] < 2 * model->away[d])
            return "exact images need a box of twice the cutoff: 4 cells in a direction in which "
                   "they "
                   "are divided, 2 in others";
    }
    return NULL;
}

static const char *
check_particles(const leanmd_model_t *model)
{
    const int most =
        LATTICE * LATTICE * LATTICE / (model->away[0] * model->away[1] * model->away[2]);
    if (model->first < 0 || model->last < 0)
        return "a cell cannot have fewer than 0 particles";
    if (model->variant != LEANMD_A && (model->first > most || model->last > most))
        return "the lattice of a cell has 1000 places, less where cells are divided";
    return NULL;
}

const char *
leanmd_model_finish(leanmd_model_t *model)
{
    const constants_t *c = constants_of(model->variant);
    const char *why = check_grid(model);
    why = why ? why : check_particles(model);
    if (why)
        return why;
    for (int d = 0; d < 3; d++)
        model->side[d] = (c->cutoff + margin) / model->away[d];
    model->law = model->self_law = law_of(model->variant);
    if (model->variant == LEANMD_A) { /* computes of one cell have the sign reversed */
        model->self_law.fa = -model->law.fa;
        model->self_law.fb = -model->law.fb;
    }
    model->mass = mass;
    model->v_max = c->v_max;
    model->kick = (model->variant == LEANMD_A ? 1e-15 : 1e-20) / mass;
    model->drift = model->variant == LEANMD_A ? 1e-15 : 1;
    return NULL;
}

/* ---- cells ------------------------------------------------------------------------------------ */

int64_t
leanmd_num_cells(const leanmd_model_t *model)
{
    return (int64_t)model->grid[0] * model->grid[1] * model->grid[2];
}

/* The order of the dimensions in a cell's number, the slowest first. */
static const int *
order_of(const leanmd_model_t *model)
{
    static const int x_fastest[3] = {2, 1, 0}, z_fastest[3] = {0, 1, 2};
    return model->variant == LEANMD_A ? x_fastest : z_fastest;
}

int64_t
leanmd_cell_id(const leanmd_model_t *model, const int cell[3])
{
    const int *order = order_of(model);
    int64_t id = 0;
    for (int k = 0; k < 3; k++)
        id = id * model->grid[order[k]] + cell[order[k]];
    return id;
}

void
leanmd_cell_at(const leanmd_model_t *model, int64_t id, int cell_out[3])
{
    const int *order = order_of(model);
    for (int k = 2; k >= 0; k--) {
        cell_out[order[k]] = (int)(id % model->grid[order[k]]);
        id /= model->grid[order[k]];
    }
}

size_t
leanmd_cell_particles(const leanmd_model_t *model, int64_t id)
{
    int64_t more = id * (model->last - model->first) / leanmd_num_cells(model);
    return (size_t)(model->first + more);
}

/* The generator of drand48() (POSIX), so that first states are those of the programs. */
typedef struct rand48 {
    uint64_t x;
} rand48_t;

static rand48_t
rand48_seed(int64_t seed)
{
    return (rand48_t){((uint64_t)(uint32_t)seed << 16) | 0x330e};
}

static double
rand48_next(rand48_t *r)
{
    r->x = (r->x * 0x5deece66dULL + 0xb) & ((1ULL << 48) - 1);
    return (double)r->x * 0x1p-48;
}

static void
fill_at_random(const leanmd_model_t *model, const int cell[3], size_t n, double *pos, double *vel)
{
    const constants_t *c = constants_of(model->variant);
    rand48_t r = rand48_seed(leanmd_cell_id(model, cell));
    for (size_t i = 0; i < n; i++) {
        for (size_t d = 0; d < 3; d++)
            pos[d * n + i] = (rand48_next(&r) + cell[d]) * model->side[d];
        for (size_t d = 0; d < 3; d++)
            vel[d * n + i] = (rand48_next(&r) - 0.5) * c->spread;
    }
}

static void
fill_on_lattice(const leanmd_model_t *model, const int cell[3], size_t n, double *pos, double *vel)
{
    const constants_t *c = constants_of(model->variant);
    const size_t ky = (size_t)model->away[1], kz = (size_t)model->away[2];
    rand48_t r = rand48_seed(leanmd_cell_id(model, cell));
    for (size_t i = 0; i < n; i++) {
        const size_t place[3] = {i * ky * kz / (LATTICE * LATTICE),
                                 i * kz / LATTICE % (LATTICE / ky), i % (LATTICE / kz)};
        for (size_t d = 0; d < 3; d++) {
            pos[d * n + i] =
                lattice_gap / 2 + cell[d] * model->side[d] + (double)place[d] * lattice_gap;
            vel[d * n + i] = (rand48_next(&r) - 0.5) * c->spread;
        }
    }
}

void
leanmd_cell_fill(const leanmd_model_t *model, const int cell[3], double *pos, double *vel)
{
    size_t n = leanmd_cell_particles(model, leanmd_cell_id(model, cell));
    if (model->variant == LEANMD_A)
        fill_at_random(model, cell, n, pos, vel);
    else
        fill_on_lattice(model, cell, n, pos, vel);
}

/* ---- neighbours and computes ------------------------------------------------------------------ */

int
leanmd_num_neighbours(const leanmd_model_t *model)
{
    return (2 * model->away[0] + 1) * (2 * model->away[1] + 1) * (2 * model->away[2] + 1);
}

static int
wrap(int i, int n)
{
    return (i % n + n) % n;
}

void
leanmd_neighbour(const leanmd_model_t *model, const int cell[3], int num, int offset_out[3],
                 int cell_out[3])
{
    for (int d = 2; d >= 0; d--) {
        const int width = 2 * model->away[d] + 1;
        offset_out[d] = num % width - model->away[d];
        cell_out[d] = wrap(cell[d] + offset_out[d], model->grid[d]);
        num /= width;
    }
}

int
leanmd_reverse(const leanmd_model_t *model, int num)
{
    return leanmd_num_neighbours(model) - 1 - num;
}

/* What is added to a cell's coordinates so that those of an index are not negative. */
static int
lift(const leanmd_model_t *model, int d)
{
    return model->variant == LEANMD_A ? 2 : model->away[d];
}

bool
leanmd_compute_index(const leanmd_model_t *model, const int cell[3], int num, int index_out[6])
{
    const bool mine = num >= leanmd_num_neighbours(model) / 2;
    int offset[3], neighbour[3];
    leanmd_neighbour(model, cell, num, offset, neighbour);
    for (int d = 0; d < 3; d++) {
        index_out[d] = (mine ? cell[d] : neighbour[d]) + lift(model, d);
        index_out[3 + d] = index_out[d] + (mine ? offset[d] : -offset[d]);
    }
    return mine;
}

int
leanmd_compute_maker(const leanmd_model_t *model, const int index[6], int cell_out[3])
{
    int num = 0;
    for (int d = 0; d < 3; d++) {
        const int offset = index[3 + d] - index[d];
        num = num * (2 * model->away[d] + 1) + offset + model->away[d];
        cell_out[d] = index[d] - lift(model, d);
    }
    return num - leanmd_num_neighbours(model) / 2;
}

bool
leanmd_compute_is_self(const int index[6])
{
    return memcmp(index, index + 3, 3 * sizeof *index) == 0;
}

void
leanmd_compute_cells(const leanmd_model_t *model, const int index[6], int first_out[3],
                     int second_out[3], double shift_out[3])
{
    for (int d = 0; d < 3; d++) {
        const int there = index[3 + d] - lift(model, d);
        const double box = model->grid[d] * model->side[d];
        first_out[d] = index[d] - lift(model, d);
        second_out[d] = wrap(there, model->grid[d]);
        if (model->variant == LEANMD_EXACT)
            shift_out[d] = (second_out[d] - there) / model->grid[d] * box;
        else if (abs(first_out[d] - second_out[d]) > 1) /* taken for neighbours across the boundary
                                                         */
            shift_out[d] = first_out[d] < second_out[d] ? box : -box;
        else
            shift_out[d] = 0;
    }
}

/* ---- motion ----------------------------------------------------------------------------------- */

static double
clamp(double v, double most, double *clamped)
{
    if (fabs(v) <= most)
        return v;
    *clamped += 1;
    return copysign(most, v);
}

void
leanmd_advance(const leanmd_model_t *model, bool begun, size_t n, double *pos, double *vel,
               const double *force, leanmd_motion_t *motion_out)
{
    /* Velocity Verlet keeps velocities of half steps; they are whole where the energy is taken. */
    const bool verlet = model->variant == LEANMD_EXACT;
    const double before = verlet && begun ? model->kick / 2 : 0;
    const double after = verlet ? model->kick / 2 : model->kick;
    leanmd_motion_t m = {0};
    for (size_t i = 0; i < 3 * n; i++) {
        double v = vel[i] + before * force[i];
        m.kinetic += v * v;
        m.abs_force += fabs(force[i]);
        v += after * force[i];
        vel[i] = verlet ? v : clamp(v, model->v_max, &m.clamped);
        m.v2 += vel[i] * vel[i];
        pos[i] += model->drift * vel[i];
    }
    m.kinetic *= model->mass / 2 * 1e10;
    *motion_out = m;
}

int
leanmd_destination(const leanmd_model_t *model, const int cell[3], size_t n, double *pos, size_t i)
{
    int num = 0;
    for (size_t d = 0; d < 3; d++) {
        const int away = model->away[d];
        const double box = model->grid[d] * model->side[d];
        double *at = &pos[d * n + i];
        double cells = floor(*at / model->side[d]) - cell[d];
        int step = cells < -away ? -away : cells > away ? away : (int)cells;
        if (*at < 0)
            *at += box;
        else if (*at >= box)
            *at -= box;
        num = num * (2 * away + 1) + step + away;
    }
    return num;
}
