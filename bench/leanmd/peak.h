/* SPDX-License-Identifier: Apache-2.0 */
/* peak.h: loops in registers that show what an instruction set can do: compiled for each, as the
 * kernel is. */
#ifndef LEANMD_PEAK_H
#define LEANMD_PEAK_H

#include <stdbool.h>
#include <stddef.h>

/** Works on about `vectors` vectors, independent enough that throughput counts and not latency.
 * The result only keeps the work from being left out. */
typedef double (*leanmd_peak_fn_t)(size_t vectors);

typedef struct leanmd_peak {
    size_t lanes; /* doubles in a vector */
    int fma;      /* instructions of a multiply-add */
    leanmd_peak_fn_t multiply_add;
    leanmd_peak_fn_t inverse, inverse_root; /* simd.h's */
} leanmd_peak_t;

extern const leanmd_peak_t leanmd_peak_avx512, leanmd_peak_avx2, leanmd_peak_baseline;

#endif
