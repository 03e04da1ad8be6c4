/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel for one instruction set: this file is compiled once for each. */
#include "kernel_isa.h"

#include <string.h>

#include "simd.h"

/* Others are taken in blocks that fit into the first-level cache, padded to whole vectors with
 * particles that are out of reach of everything. */
enum { BLOCK = 512 };
#define FAR_AWAY 1e9

typedef struct block {
    _Alignas(64) double x[BLOCK], y[BLOCK], z[BLOCK];
    _Alignas(64) double fx[BLOCK], fy[BLOCK], fz[BLOCK]; /* to be subtracted */
} block_t;

typedef struct total {
    simd_t x, y, z, potential;
    int64_t inside;
} total_t;

typedef struct vec {
    double x, y, z;
} vec_t;

/* A law as vectors. */
typedef struct vlaw {
    simd_t a, b, fa, fb, near2, far2;
} vlaw_t;

/* One particle against the block's from `from` on: what each exerts is added to the block's forces
 * and to the totals. Most vectors have no pair within reach, and end at the branch. */
SIMD void
row(const vlaw_t *law, bool per_r, bool sum, vec_t at, block_t *o, size_t from, size_t m,
    total_t *t)
{
    const simd_t x = simd_set(at.x), y = simd_set(at.y), z = simd_set(at.z);
    const size_t start = from - from % LANES;
    simd_mask_t wanted = simd_first_lanes_not((int)(from - start));
    for (size_t j = start; j < m; j += LANES, wanted = simd_first_lanes_not(0)) {
        simd_t dx = x - simd_load(o->x + j), dy = y - simd_load(o->y + j);
        simd_t dz = z - simd_load(o->z + j);
        simd_t r2 = simd_fma(dx, dx, simd_fma(dy, dy, dz * dz));
        simd_mask_t in = simd_and(simd_within(law->near2, r2, law->far2), wanted);
        if (!simd_any(in))
            continue;
        simd_t s = per_r ? simd_inverse_root(r2) : simd_inverse(r2);
        simd_t u = s;
        if (per_r)
            u = s * s;
        simd_t u3 = u * u * u;
        simd_t f = simd_fma(law->fa, u3, -law->fb) * u3 * s;
        f = simd_keep(in, f);
        if (sum) {
            t->potential += simd_keep(in, simd_fma(law->a, u3, -law->b) * u3);
            t->inside += simd_count(in);
        }
        t->x = simd_fma(f, dx, t->x);
        t->y = simd_fma(f, dy, t->y);
        t->z = simd_fma(f, dz, t->z);
        simd_store(o->fx + j, simd_fma(f, dx, simd_load(o->fx + j)));
        simd_store(o->fy + j, simd_fma(f, dy, simd_load(o->fy + j)));
        simd_store(o->fz + j, simd_fma(f, dz, simd_load(o->fz + j)));
    }
}

static size_t
padded(size_t n)
{
    return (n + LANES - 1) / LANES * LANES;
}

/* The particles from `first` on of m, at most a block; returns how many. */
static size_t
fill(block_t *o, const double *other, size_t m, size_t first)
{
    const size_t n = m - first < BLOCK ? m - first : BLOCK, len = padded(n);
    memcpy(o->x, other + first, n * sizeof(double));
    memcpy(o->y, other + m + first, n * sizeof(double));
    memcpy(o->z, other + 2 * m + first, n * sizeof(double));
    for (size_t j = n; j < len; j++)
        o->x[j] = o->y[j] = o->z[j] = FAR_AWAY;
    memset(o->fx, 0, len * sizeof(double));
    memset(o->fy, 0, len * sizeof(double));
    memset(o->fz, 0, len * sizeof(double));
    return n;
}

static void
give_back(const block_t *o, double *force, size_t m, size_t first, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        force[first + j] -= o->fx[j];
        force[m + first + j] -= o->fy[j];
        force[2 * m + first + j] -= o->fz[j];
    }
}

SIMD void
forces(const leanmd_law_t *law, bool per_r, bool sum, const double *pos, size_t n,
       const double *shift, const double *other, size_t m, double *force, double *other_force,
       leanmd_sums_t *sums)
{
    const vlaw_t v = {simd_set(law->a),  simd_set(law->b),     simd_set(law->fa),
                      simd_set(law->fb), simd_set(law->near2), simd_set(law->far2)};
    const vec_t by = shift ? (vec_t){shift[0], shift[1], shift[2]} : (vec_t){0, 0, 0};
    const simd_t zero = simd_set(0);
    simd_t potential = zero;
    int64_t inside = 0;
    block_t o;
    for (size_t first = 0; first < m; first += BLOCK) {
        const size_t num = fill(&o, other, m, first);
        const size_t end = shift ? n : first + num; /* among themselves: each pair once */
        for (size_t i = 0; i < end; i++) {
            const vec_t at = {pos[i] + by.x, pos[n + i] + by.y, pos[2 * n + i] + by.z};
            const size_t from = shift || i < first ? 0 : i + 1 - first;
            total_t t = {zero, zero, zero, potential, inside};
            row(&v, per_r, sum, at, &o, from, num, &t);
            force[i] += simd_sum(t.x);
            force[n + i] += simd_sum(t.y);
            force[2 * n + i] += simd_sum(t.z);
            potential = t.potential;
            inside = t.inside;
        }
        give_back(&o, other_force, m, first, num);
    }
    if (sum)
        *sums = (leanmd_sums_t){simd_sum(potential), inside};
}

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)

void
JOIN(leanmd_forces_, SIMD_ISA)(const leanmd_law_t *law, const double *pos, size_t n,
                               const double *shift, const double *other, size_t m, double *force,
                               double *other_force, leanmd_sums_t *sums)
{
    if (law->per_r && sums)
        forces(law, true, true, pos, n, shift, other, m, force, other_force, sums);
    else if (law->per_r)
        forces(law, true, false, pos, n, shift, other, m, force, other_force, NULL);
    else if (sums)
        forces(law, false, true, pos, n, shift, other, m, force, other_force, sums);
    else
        forces(law, false, false, pos, n, shift, other, m, force, other_force, NULL);
}
