/* SPDX-License-Identifier: Apache-2.0 */
/* kernel_isa.h: what kernel_isa.c offers for each instruction set it is compiled for. */
#ifndef LEANMD_KERNEL_ISA_H
#define LEANMD_KERNEL_ISA_H

#include "kernel.h"

/* shift NULL: among the first n alone; `other` is `pos` then, and other_force is `force`. */
typedef void (*leanmd_forces_fn_t)(const leanmd_law_t *law, const double *pos, size_t n,
                                   const double *shift, const double *other, size_t m,
                                   double *force, double *other_force, leanmd_sums_t *sums);

void leanmd_forces_avx512(const leanmd_law_t *law, const double *pos, size_t n, const double *shift,
                          const double *other, size_t m, double *force, double *other_force,
                          leanmd_sums_t *sums);
void leanmd_forces_avx2(const leanmd_law_t *law, const double *pos, size_t n, const double *shift,
                        const double *other, size_t m, double *force, double *other_force,
                        leanmd_sums_t *sums);
void leanmd_forces_baseline(const leanmd_law_t *law, const double *pos, size_t n,
                            const double *shift, const double *other, size_t m, double *force,
                            double *other_force, leanmd_sums_t *sums);

#endif
