/* SPDX-License-Identifier: Apache-2.0 */
/* simd.h: the few vector operations that the kernel needs, for the instruction set that the file is
 * compiled for. simd_t: LANES doubles; simd_mask_t: LANES truths. simd_fma() is SIMD_FMA
 * instructions. */
#ifndef LEANMD_SIMD_H
#define LEANMD_SIMD_H

#include <math.h>
#include <stdbool.h>

#define SIMD static inline __attribute__((always_inline))

#if defined __AVX512F__ && defined __AVX512DQ__

#include <immintrin.h>
#define SIMD_ISA avx512
#define SIMD_FMA 1
enum { LANES = 8 };
typedef __m512d simd_t;
typedef __mmask8 simd_mask_t;

SIMD simd_t
simd_set(double v)
{
    return _mm512_set1_pd(v);
}
SIMD simd_t
simd_load(const double *p)
{
    return _mm512_load_pd(p);
}
SIMD void
simd_store(double *p, simd_t v)
{
    _mm512_store_pd(p, v);
}
SIMD double
simd_sum(simd_t v)
{
    return _mm512_reduce_add_pd(v);
}
/* a b + c, c - a b */
SIMD simd_t
simd_fma(simd_t a, simd_t b, simd_t c)
{
    return _mm512_fmadd_pd(a, b, c);
}
SIMD simd_t
simd_fnma(simd_t a, simd_t b, simd_t c)
{
    return _mm512_fnmadd_pd(a, b, c);
}
SIMD simd_mask_t
simd_within(simd_t near, simd_t v, simd_t far)
{
    return _mm512_mask_cmp_pd_mask(_mm512_cmp_pd_mask(near, v, _CMP_LE_OQ), v, far, _CMP_LT_OQ);
}
SIMD simd_mask_t
simd_first_lanes_not(int n)
{
    return (simd_mask_t)(0xffU << n);
}
SIMD simd_mask_t
simd_and(simd_mask_t a, simd_mask_t b)
{
    return a & b;
}
SIMD bool
simd_any(simd_mask_t m)
{
    return m;
}
SIMD int
simd_count(simd_mask_t m)
{
    return __builtin_popcount(m);
}
SIMD simd_t
simd_keep(simd_mask_t m, simd_t v)
{
    return _mm512_maskz_mov_pd(m, v);
}
/* From guesses within e = 2^-14; what is left is of order e^4. */
SIMD simd_t
simd_inverse(simd_t v)
{
    simd_t s = _mm512_rcp14_pd(v), e = simd_fnma(v, s, simd_set(1));
    s = simd_fma(s, e, s);
    return simd_fma(s, e * e, s);
}
SIMD simd_t
simd_inverse_root(simd_t v)
{
    simd_t s = _mm512_rsqrt14_pd(v), e = simd_fnma(v * s, s, simd_set(1));
    simd_t p = simd_fma(simd_set(0.3125), e, simd_set(0.375));
    return simd_fma(s * e, simd_fma(p, e, simd_set(0.5)), s);
}

#elif defined __AVX2__ && defined __FMA__

#include <immintrin.h>
#define SIMD_ISA avx2
#define SIMD_FMA 1
enum { LANES = 4 };
typedef __m256d simd_t;
typedef __m256d simd_mask_t;

SIMD simd_t
simd_set(double v)
{
    return _mm256_set1_pd(v);
}
SIMD simd_t
simd_load(const double *p)
{
    return _mm256_load_pd(p);
}
SIMD void
simd_store(double *p, simd_t v)
{
    _mm256_store_pd(p, v);
}
SIMD double
simd_sum(simd_t v)
{
    return (v[0] + v[1]) + (v[2] + v[3]);
}
SIMD simd_t
simd_fma(simd_t a, simd_t b, simd_t c)
{
    return _mm256_fmadd_pd(a, b, c);
}
SIMD simd_t
simd_fnma(simd_t a, simd_t b, simd_t c)
{
    return _mm256_fnmadd_pd(a, b, c);
}
SIMD simd_mask_t
simd_within(simd_t near, simd_t v, simd_t far)
{
    return _mm256_and_pd(_mm256_cmp_pd(near, v, _CMP_LE_OQ), _mm256_cmp_pd(v, far, _CMP_LT_OQ));
}
SIMD simd_mask_t
simd_first_lanes_not(int n)
{
    return _mm256_cmp_pd(_mm256_set_pd(3, 2, 1, 0), simd_set(n), _CMP_GE_OQ);
}
SIMD simd_mask_t
simd_and(simd_mask_t a, simd_mask_t b)
{
    return _mm256_and_pd(a, b);
}
SIMD bool
simd_any(simd_mask_t m)
{
    return _mm256_movemask_pd(m);
}
SIMD int
simd_count(simd_mask_t m)
{
    return __builtin_popcount((unsigned)_mm256_movemask_pd(m));
}
SIMD simd_t
simd_keep(simd_mask_t m, simd_t v)
{
    return _mm256_and_pd(m, v);
}
/* From guesses within 2^-11, in single precision. */
SIMD simd_t
simd_inverse(simd_t v)
{
    simd_t s = _mm256_cvtps_pd(_mm_rcp_ps(_mm256_cvtpd_ps(v))), e = simd_fnma(v, s, simd_set(1));
    simd_t e2 = e * e;
    s = simd_fma(s, e, s);
    s = simd_fma(s, e2, s);
    return simd_fma(s, e2 * e2, s);
}
SIMD simd_t
simd_inverse_root(simd_t v)
{
    simd_t s = _mm256_cvtps_pd(_mm_rsqrt_ps(_mm256_cvtpd_ps(v)));
    for (int step = 0; step < 2; step++) {
        simd_t e = simd_fnma(v * s, s, simd_set(1));
        s = simd_fma(s * e, simd_fma(simd_set(0.375), e, simd_set(0.5)), s);
    }
    return s;
}

#elif defined __SSE2__

#include <emmintrin.h>
#define SIMD_ISA baseline
#define SIMD_FMA 2
enum { LANES = 2 };
typedef __m128d simd_t;
typedef __m128d simd_mask_t;

SIMD simd_t
simd_set(double v)
{
    return _mm_set1_pd(v);
}
SIMD simd_t
simd_load(const double *p)
{
    return _mm_load_pd(p);
}
SIMD void
simd_store(double *p, simd_t v)
{
    _mm_store_pd(p, v);
}
SIMD double
simd_sum(simd_t v)
{
    return v[0] + v[1];
}
SIMD simd_t
simd_fma(simd_t a, simd_t b, simd_t c)
{
    return a * b + c;
}
SIMD simd_t
simd_fnma(simd_t a, simd_t b, simd_t c)
{
    return c - a * b;
}
SIMD simd_mask_t
simd_within(simd_t near, simd_t v, simd_t far)
{
    return _mm_and_pd(_mm_cmple_pd(near, v), _mm_cmplt_pd(v, far));
}
SIMD simd_mask_t
simd_first_lanes_not(int n)
{
    return _mm_cmpge_pd(_mm_set_pd(1, 0), simd_set(n));
}
SIMD simd_mask_t
simd_and(simd_mask_t a, simd_mask_t b)
{
    return _mm_and_pd(a, b);
}
SIMD bool
simd_any(simd_mask_t m)
{
    return _mm_movemask_pd(m);
}
SIMD int
simd_count(simd_mask_t m)
{
    return __builtin_popcount((unsigned)_mm_movemask_pd(m));
}
SIMD simd_t
simd_keep(simd_mask_t m, simd_t v)
{
    return _mm_and_pd(m, v);
}
SIMD simd_t
simd_inverse(simd_t v)
{
    return 1 / v;
}
SIMD simd_t
simd_inverse_root(simd_t v)
{
    return 1 / _mm_sqrt_pd(v);
}

#else

#define SIMD_ISA baseline
#define SIMD_FMA 2
enum { LANES = 1 };
typedef double simd_t;
typedef bool simd_mask_t;

SIMD simd_t
simd_set(double v)
{
    return v;
}
SIMD simd_t
simd_load(const double *p)
{
    return *p;
}
SIMD void
simd_store(double *p, simd_t v)
{
    *p = v;
}
SIMD double
simd_sum(simd_t v)
{
    return v;
}
SIMD simd_t
simd_fma(simd_t a, simd_t b, simd_t c)
{
    return a * b + c;
}
SIMD simd_t
simd_fnma(simd_t a, simd_t b, simd_t c)
{
    return c - a * b;
}
SIMD simd_mask_t
simd_within(simd_t near, simd_t v, simd_t far)
{
    return near <= v && v < far;
}
SIMD simd_mask_t
simd_first_lanes_not(int n)
{
    return n <= 0;
}
SIMD simd_mask_t
simd_and(simd_mask_t a, simd_mask_t b)
{
    return a && b;
}
SIMD bool
simd_any(simd_mask_t m)
{
    return m;
}
SIMD int
simd_count(simd_mask_t m)
{
    return m;
}
SIMD simd_t
simd_keep(simd_mask_t m, simd_t v)
{
    return m ? v : 0;
}
SIMD simd_t
simd_inverse(simd_t v)
{
    return 1 / v;
}
SIMD simd_t
simd_inverse_root(simd_t v)
{
    return 1 / sqrt(v);
}

#endif
#endif
