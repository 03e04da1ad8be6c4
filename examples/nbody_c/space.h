/* SPDX-License-Identifier: Apache-2.0 */
/* space.h: particles in a periodic square of side 1, and how they attract each other. Knows nothing
 * of chares. */
#ifndef NBODY_SPACE_H
#define NBODY_SPACE_H

#include <stdbool.h>
#include <stdint.h>

/* As the signature of Cell.leavers has it. */
typedef struct particle {
    int64_t id;
    double x, y, vx, vy;
} particle_t;

/* Softened gravity that ends at `reach`, where it is shifted to 0: two particles of masses m, m' at
 * a distance r attract each other with m m' strength r (1 / (r^2 + soft^2)^(3/2) - the same at
 * reach). */
typedef struct law {
    double strength, soft, reach;
} law_t;

/* Places, as the loops want them. */
typedef struct places {
    int n;
    const double *x, *y;
} places_t;

enum { SIDES = 8 };

/* Where the neighbour on this side lies; its own opposite side is SIDES - 1 - side. */
void side_offset(int side, int *dx_out, int *dy_out);

/* Two dense clouds that drift past each other, and a tenth of all thinly everywhere: the same on
 * every rank. Free it; NULL: out of memory. */
particle_t *initial_particles(int n);

/* Add to (ax, ay)[own.n] what `others`, seen shifted by (dx, dy), of mass `mass` each, do to `own`.
 * In the order of others. */
void attract(const law_t *law, double mass, places_t own, places_t others, double dx, double dy,
             double *restrict ax, double *restrict ay);

/* The potential energy of `own` and `others`, each pair once with half of it; those in the same
 * place (own itself) have none. */
double
potential(const law_t *law, double mass, places_t own, places_t others, double dx, double dy);

#endif
