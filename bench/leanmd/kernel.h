/* SPDX-License-Identifier: Apache-2.0 */
/* kernel.h: forces between the particles of two cells, or of one, in plain arrays; nothing of the
 * runtime. Compiled for several instruction sets; the first call picks the best that the machine
 * has. */
#ifndef LEANMD_KERNEL_H
#define LEANMD_KERNEL_H

#include <stddef.h>
#include <stdint.h>

/**
 * A law of force with y = 1/r^2, lengths in angstrom: potential a y^6 - b y^3; force vector
 * s (fa y^6 - fb y^3) y, or s (fa y^6 - fb y^3) sqrt(y) if per_r, where s is the vector between the
 * two particles; for near2 <= r^2 < far2.
 */
typedef struct leanmd_law {
    double a, b, fa, fb;
    double near2, far2;
    int per_r;
} leanmd_law_t;

/** Sums over the pairs within reach. */
typedef struct leanmd_sums {
    double potential;
    int64_t inside;
} leanmd_sums_t;

/**
 * Forces between n particles at `pos` and m others. Arrays are three planes (all x, all y, all z).
 * `shift` is added to the first positions. Forces are added to `force` and subtracted from
 * `other_force`. sums (may be NULL) is written, which costs time.
 */
void
leanmd_pair(const leanmd_law_t *law, const double *pos, size_t n, const double shift[3],
            const double *other, size_t m, double *force, double *other_force, leanmd_sums_t *sums);
/** Forces among n particles, each pair once: added to the earlier particle, subtracted from the
 * later one. */
void leanmd_self(const leanmd_law_t *law, const double *pos, size_t n, double *force,
                 leanmd_sums_t *sums);

/** The instruction set in use: "avx512", "avx2" or "baseline". */
const char *leanmd_isa(void);
/** Use another one that the machine has; NULL: the best. Returns 0, or -1 if it has not. For tests.
 */
int leanmd_set_isa(const char *name);

#endif
