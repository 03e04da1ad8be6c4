/* SPDX-License-Identifier: Apache-2.0 */
/* space.c: see space.h. */
#include "space.h"

#include <math.h>
#include <stdlib.h>

void
side_offset(int side, int *dx_out, int *dy_out)
{
    const int at = side < SIDES / 2 ? side : side + 1; /* of the nine, without the middle */
    *dx_out = at / 3 - 1;
    *dy_out = at % 3 - 1;
}

/* ---- the beginning ---------------------------------------------------------------------------- */

/* Sebastiano Vigna's splitmix64, as a number from 0 to 1. */
static double
uniform(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* Nearly normal, of variance 1: twelve numbers of variance 1/12. */
static double
bell(uint64_t *state)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += uniform(state);
    return sum;
}

static double
wrapped(double x)
{
    return x - floor(x);
}

particle_t *
initial_particles(int n)
{
    static const struct {
        double x, y, vx, vy, radius, spread;
    } clouds[] = {{0.16, 0.30, 1.0, 0.25, 0.045, 0.10}, {0.34, 0.68, 0.7, -0.30, 0.045, 0.10}};
    uint64_t state = 1;
    particle_t *all = calloc((size_t)n, sizeof *all);

    for (int i = 0; all && i < n; i++) {
        particle_t *p = &all[i];
        const int cloud = i % 20 < 9 ? 0 : i % 20 < 18 ? 1 : -1;
        p->id = i;
        if (cloud < 0) {
            p->x = uniform(&state);
            p->y = uniform(&state);
            p->vx = 0.1 * bell(&state);
            p->vy = 0.1 * bell(&state);
        } else {
            p->x = wrapped(clouds[cloud].x + clouds[cloud].radius * bell(&state));
            p->y = wrapped(clouds[cloud].y + clouds[cloud].radius * bell(&state));
            p->vx = clouds[cloud].vx + clouds[cloud].spread * bell(&state);
            p->vy = clouds[cloud].vy + clouds[cloud].spread * bell(&state);
        }
    }
    return all;
}

/* ---- forces ----------------------------------------------------------------------------------- */

/* 1 / (r^2 + soft^2)^(3/2) at the reach. */
static double
at_reach(const law_t *law)
{
    const double s = law->reach * law->reach + law->soft * law->soft;
    return 1 / (s * sqrt(s));
}

void
attract(const law_t *law, double mass, places_t own, places_t others, double dx, double dy,
        double *restrict ax, double *restrict ay)
{
    const double reach2 = law->reach * law->reach, soft2 = law->soft * law->soft;
    const double end = at_reach(law), pull = law->strength * mass;

    /* The inner loop is over own: it can be vectorised without changing the order of any sum. */
    for (int j = 0; j < others.n; j++) {
        const double xj = others.x[j] + dx, yj = others.y[j] + dy;
        for (int i = 0; i < own.n; i++) {
            const double ux = xj - own.x[i], uy = yj - own.y[i];
            const double r2 = ux * ux + uy * uy, s = r2 + soft2;
            const double f = pull * (1 / (s * sqrt(s)) - end);
            const double g = r2 < reach2 ? f : 0;
            ax[i] += g * ux;
            ay[i] += g * uy;
        }
    }
}

double
potential(const law_t *law, double mass, places_t own, places_t others, double dx, double dy)
{
    const double reach2 = law->reach * law->reach, soft2 = law->soft * law->soft;
    const double end = at_reach(law), top = 1 / sqrt(reach2 + soft2) + 0.5 * end * reach2;
    double sum = 0;

    for (int j = 0; j < others.n; j++) {
        for (int i = 0; i < own.n; i++) {
            const double ux = others.x[j] + dx - own.x[i], uy = others.y[j] + dy - own.y[i];
            const double r2 = ux * ux + uy * uy;
            if (r2 < reach2 && r2 > 0)
                sum += top - 1 / sqrt(r2 + soft2) - 0.5 * end * r2;
        }
    }
    return 0.5 * law->strength * mass * mass * sum;
}
