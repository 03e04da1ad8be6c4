/* SPDX-License-Identifier: Apache-2.0 */
/* The loops for one instruction set: this file is compiled once for each. */
#include "peak.h"

#include "simd.h"

/* Chains that do not wait for each other: latency times throughput of a multiply-add is 8 to 10. */
enum { CHAINS = 10 };

typedef simd_t (*step_fn_t)(simd_t v);

SIMD simd_t
multiply_add(simd_t v)
{
    return simd_fma(v, simd_set(0.5), simd_set(0.75));
}

SIMD double
loop(step_fn_t step, size_t vectors)
{
    simd_t v[CHAINS], sum = simd_set(0);
    for (int k = 0; k < CHAINS; k++)
        v[k] = simd_set(1 + 0.01 * k);
    for (size_t i = 0; i < vectors; i += CHAINS)
        for (int k = 0; k < CHAINS; k++)
            v[k] = step(v[k]);
    for (int k = 0; k < CHAINS; k++)
        sum = sum + v[k];
    return simd_sum(sum);
}

static double
loop_multiply_add(size_t vectors)
{
    return loop(multiply_add, vectors);
}

static double
loop_inverse(size_t vectors)
{
    return loop(simd_inverse, vectors);
}

static double
loop_inverse_root(size_t vectors)
{
    return loop(simd_inverse_root, vectors);
}

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)

const leanmd_peak_t JOIN(leanmd_peak_, SIMD_ISA) = {
    .lanes = LANES,
    .fma = SIMD_FMA,
    .multiply_add = loop_multiply_add,
    .inverse = loop_inverse,
    .inverse_root = loop_inverse_root,
};
