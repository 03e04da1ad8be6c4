/* SPDX-License-Identifier: Apache-2.0 */
/* accum_typed.c: see accum_typed.h. Kernels are written once as macros and instantiated per type;
 * the loops have no branches, so that compilers vectorise them. Items are read through types
 * without alignment, because packed bytes and users' data may lie anywhere. */
#include "svc/accum_typed.h"

#include <math.h>
#include <string.h>

#define LOOSE(type) typedef type loose_##type __attribute__((aligned(1), may_alias));
LOOSE(int8_t)
LOOSE(uint8_t)
LOOSE(int16_t)
LOOSE(uint16_t)
LOOSE(int32_t)
LOOSE(uint32_t)
LOOSE(int64_t)
LOOSE(uint64_t)
LOOSE(float)
LOOSE(double)

/* a: the image's item, b: the newcomer */
#define KERNEL(name, type, value)                                                                  \
    static void name(void *restrict image, const void *restrict src, size_t items)                 \
    {                                                                                              \
        loose_##type *into = image;                                                                \
        const loose_##type *from = src;                                                            \
        for (size_t i = 0; i < items; i++) {                                                       \
            const type a = into[i], b = from[i];                                                   \
            into[i] = (type)(value);                                                               \
        }                                                                                          \
    }

/* ---- arithmetic; signed sums and products are computed unsigned, which wraps ----------------- */

#define SUM_AND_PRODUCT(type)                                                                      \
    KERNEL(sum_##type, type, a + b)                                                                \
    KERNEL(product_##type, type, 1u * a * b) /* 1u: 16-bit factors must not become signed int */
SUM_AND_PRODUCT(uint8_t)
SUM_AND_PRODUCT(uint16_t)
SUM_AND_PRODUCT(uint32_t)
SUM_AND_PRODUCT(uint64_t)
KERNEL(sum_float, float, a + b)
KERNEL(product_float, float, (a * b))
KERNEL(sum_double, double, a + b)
KERNEL(product_double, double, (a * b))

/* ---- order ----------------------------------------------------------------------------------- */

/* A NaN wins: "a != a" keeps one in the image, and one in b is taken because every comparison with
 * it fails. */

#define MIN_AND_MAX(type)                                                                          \
    KERNEL(min_##type, type, a < b ? a : b)                                                        \
    KERNEL(max_##type, type, a > b ? a : b)
MIN_AND_MAX(int8_t)
MIN_AND_MAX(uint8_t)
MIN_AND_MAX(int16_t)
MIN_AND_MAX(uint16_t)
MIN_AND_MAX(int32_t)
MIN_AND_MAX(uint32_t)
MIN_AND_MAX(int64_t)
MIN_AND_MAX(uint64_t)
KERNEL(min_float, float, ((a < b) | (a != a)) ? a : b)
KERNEL(max_float, float, ((a > b) | (a != a)) ? a : b)
KERNEL(min_double, double, ((a < b) | (a != a)) ? a : b)
KERNEL(max_double, double, ((a > b) | (a != a)) ? a : b)

/* ---- bits ------------------------------------------------------------------------------------ */

#define BITS(type)                                                                                 \
    KERNEL(bit_and_##type, type, (a & b))                                                          \
    KERNEL(bit_or_##type, type, a | b)                                                             \
    KERNEL(bit_xor_##type, type, a ^ b)
BITS(uint8_t)
BITS(uint16_t)
BITS(uint32_t)
BITS(uint64_t)

/* ---- truth: the image has one byte, 0 or 1, per item ----------------------------------------- */

#define TRUTH_KERNEL(name, type, value)                                                            \
    static void name(void *restrict image, const void *restrict src, size_t items)                 \
    {                                                                                              \
        uint8_t *into = image;                                                                     \
        const loose_##type *from = src;                                                            \
        for (size_t i = 0; i < items; i++) {                                                       \
            const uint8_t a = into[i], b = from[i] != 0;                                           \
            (void)a;                                                                               \
            into[i] = (uint8_t)(value);                                                            \
        }                                                                                          \
    }
#define TRUTH(type)                                                                                \
    TRUTH_KERNEL(truth_take_##type, type, b)                                                       \
    TRUTH_KERNEL(truth_and_##type, type, (a & b))                                                  \
    TRUTH_KERNEL(truth_or_##type, type, a | b)                                                     \
    TRUTH_KERNEL(truth_xor_##type, type, a ^ b)
TRUTH(uint8_t)
TRUTH(uint16_t)
TRUTH(uint32_t)
TRUTH(uint64_t)

/* ---- complex: pairs -------------------------------------------------------------------------- */

#define COMPLEX(type)                                                                              \
    static void sum_complex_##type(void *restrict image, const void *restrict src, size_t items)   \
    {                                                                                              \
        sum_##type(image, src, 2 * items);                                                         \
    }                                                                                              \
    static void product_complex_##type(void *restrict image, const void *restrict src,             \
                                       size_t items)                                               \
    {                                                                                              \
        loose_##type *into = image;                                                                \
        const loose_##type *from = src;                                                            \
        for (size_t i = 0; i < 2 * items; i += 2) {                                                \
            const type re = into[i] * from[i] - into[i + 1] * from[i + 1];                         \
            const type im = into[i] * from[i + 1] + into[i + 1] * from[i];                         \
            into[i] = re;                                                                          \
            into[i + 1] = im;                                                                      \
        }                                                                                          \
    }
COMPLEX(float)
COMPLEX(double)

/* ---- compensated sum --------------------------------------------------------------------------- */

/* What each addition rounds off is summed apart (Neumaier 1974). An infinite or undefined sum stays
 * what it is: its compensation means nothing. */

#define COMPENSATED(type, magnitude)                                                               \
    static void compensated_take_##type(void *restrict image, const void *restrict src,            \
                                        size_t items)                                              \
    {                                                                                              \
        memcpy(image, src, items * sizeof(type));                                                  \
        memset((loose_##type *)image + items, 0, items * sizeof(type));                            \
    }                                                                                              \
    static void compensated_add_##type(void *restrict image, const void *restrict src,             \
                                       size_t items)                                               \
    {                                                                                              \
        loose_##type *sum = image, *rest = sum + items;                                            \
        const loose_##type *from = src;                                                            \
        for (size_t i = 0; i < items; i++) {                                                       \
            const type a = sum[i], b = from[i], total = a + b;                                     \
            const bool a_larger = magnitude(a) >= magnitude(b);                                    \
            const type large = a_larger ? a : b, small = a_larger ? b : a;                         \
            rest[i] += (large - total) + small;                                                    \
            sum[i] = total;                                                                        \
        }                                                                                          \
    }                                                                                              \
    static void compensated_merge_##type(void *restrict image, const void *restrict src,           \
                                         size_t items)                                             \
    {                                                                                              \
        compensated_add_##type(image, src, items);                                                 \
        sum_##type((loose_##type *)image + items, (const loose_##type *)src + items, items);       \
    }                                                                                              \
    static void compensated_finish_##type(void *image, size_t items)                               \
    {                                                                                              \
        loose_##type *sum = image, *rest = sum + items;                                            \
        for (size_t i = 0; i < items; i++) {                                                       \
            sum[i] += isfinite(sum[i]) ? rest[i] : 0;                                              \
            rest[i] = 0;                                                                           \
        }                                                                                          \
    }                                                                                              \
    static void compensated_take_complex_##type(void *restrict image, const void *restrict src,    \
                                                size_t items)                                      \
    {                                                                                              \
        compensated_take_##type(image, src, 2 * items);                                            \
    }                                                                                              \
    static void compensated_add_complex_##type(void *restrict image, const void *restrict src,     \
                                               size_t items)                                       \
    {                                                                                              \
        compensated_add_##type(image, src, 2 * items);                                             \
    }                                                                                              \
    static void compensated_merge_complex_##type(void *restrict image, const void *restrict src,   \
                                                 size_t items)                                     \
    {                                                                                              \
        compensated_merge_##type(image, src, 2 * items);                                           \
    }                                                                                              \
    static void compensated_finish_complex_##type(void *image, size_t items)                       \
    {                                                                                              \
        compensated_finish_##type(image, 2 * items);                                               \
    }
COMPENSATED(float, fabsf)
COMPENSATED(double, fabs)

/* ---- value with location: items of { value padded to 8 bytes, int64 location } --------------- */

enum { PLACED = 16 };

#define PLACED_KERNEL(name, type, better)                                                          \
    static void name(void *restrict image, const void *restrict src, size_t items)                 \
    {                                                                                              \
        uint8_t *into = image;                                                                     \
        const uint8_t *from = src;                                                                 \
        for (size_t i = 0; i < items; i++, into += PLACED, from += PLACED) {                       \
            const type a = *(loose_##type *)into, b = *(const loose_##type *)from;                 \
            const bool a_nan = a != a, b_nan = b != b;                                             \
            const bool tie = a == b || (a_nan && b_nan);                                           \
            const bool first = *(loose_int64_t *)(into + 8) <= *(const loose_int64_t *)(from + 8); \
            const bool keep = tie ? first : a_nan || (!b_nan && (better));                         \
            if (!keep)                                                                             \
                memcpy(into, from, PLACED);                                                        \
        }                                                                                          \
    }
#define PLACED_KERNELS(type)                                                                       \
    PLACED_KERNEL(minloc_##type, type, a < b)                                                      \
    PLACED_KERNEL(maxloc_##type, type, a > b)                                                      \
    static void placed_finish_##type(void *image, size_t items) /* the same bits in every run */   \
    {                                                                                              \
        uint8_t *at = image;                                                                       \
        for (size_t i = 0; i < items; i++, at += PLACED)                                           \
            memset(at + sizeof(type), 0, 8 - sizeof(type));                                        \
    }
PLACED_KERNELS(int8_t)
PLACED_KERNELS(uint8_t)
PLACED_KERNELS(int16_t)
PLACED_KERNELS(uint16_t)
PLACED_KERNELS(int32_t)
PLACED_KERNELS(uint32_t)
PLACED_KERNELS(int64_t)
PLACED_KERNELS(uint64_t)
PLACED_KERNELS(float)
PLACED_KERNELS(double)

/* ---- the table ------------------------------------------------------------------------------- */

enum { NUM_DTYPES = C4P_COMPLEX128 + 1, NUM_OPS = C4P_OP_CUSTOM + 1 };

#define PLAIN(op, dtype, size, fn) [op][dtype] = {size, size, size, dtype, NULL, fn, fn, NULL}
#define LOGICAL(op, dtype, type, name)                                                             \
    [op][dtype] = {                                                                                \
        sizeof(type),           1,   1, C4P_BOOL, truth_take_##type, truth_##name##_##type,        \
        truth_##name##_uint8_t, NULL}
#define WITH_PLACE(op, dtype, name, type)                                                          \
    [op][dtype] = {PLACED, PLACED,        PLACED,        dtype,                                    \
                   NULL,   name##_##type, name##_##type, placed_finish_##type}
#define ORDERED_ROWS(dtype, type)                                                                  \
    PLAIN(C4P_OP_MIN, dtype, sizeof(type), min_##type),                                            \
        PLAIN(C4P_OP_MAX, dtype, sizeof(type), max_##type),                                        \
        WITH_PLACE(C4P_OP_MINLOC, dtype, minloc, type),                                            \
        WITH_PLACE(C4P_OP_MAXLOC, dtype, maxloc, type)
#define LOGICAL_ROWS(dtype, type)                                                                  \
    LOGICAL(C4P_OP_AND, dtype, type, and), LOGICAL(C4P_OP_OR, dtype, type, or),                    \
        LOGICAL(C4P_OP_XOR, dtype, type, xor)
#define COMPENSATED_ROW(dtype, name, size)                                                         \
    [C4P_OP_SUM_COMPENSATED][dtype] = {size,                                                       \
                                       2 * (size),                                                 \
                                       size,                                                       \
                                       dtype,                                                      \
                                       compensated_take_##name,                                    \
                                       compensated_add_##name,                                     \
                                       compensated_merge_##name,                                   \
                                       compensated_finish_##name}
/* type: as compared; raw: the unsigned type of the same size */
#define INTEGER_ROWS(dtype, type, raw)                                                             \
    PLAIN(C4P_OP_SUM, dtype, sizeof(raw), sum_##raw),                                              \
        PLAIN(C4P_OP_PRODUCT, dtype, sizeof(raw), product_##raw), ORDERED_ROWS(dtype, type),       \
        PLAIN(C4P_OP_BIT_AND, dtype, sizeof(raw), bit_and_##raw),                                  \
        PLAIN(C4P_OP_BIT_OR, dtype, sizeof(raw), bit_or_##raw),                                    \
        PLAIN(C4P_OP_BIT_XOR, dtype, sizeof(raw), bit_xor_##raw), LOGICAL_ROWS(dtype, raw)
#define FLOAT_ROWS(dtype, type)                                                                    \
    PLAIN(C4P_OP_SUM, dtype, sizeof(type), sum_##type),                                            \
        PLAIN(C4P_OP_PRODUCT, dtype, sizeof(type), product_##type), ORDERED_ROWS(dtype, type),     \
        COMPENSATED_ROW(dtype, type, sizeof(type))
#define COMPLEX_ROWS(dtype, type)                                                                  \
    PLAIN(C4P_OP_SUM, dtype, 2 * sizeof(type), sum_complex_##type),                                \
        PLAIN(C4P_OP_PRODUCT, dtype, 2 * sizeof(type), product_complex_##type),                    \
        COMPENSATED_ROW(dtype, complex_##type, 2 * sizeof(type))

static const c4pi_typed_t table[NUM_OPS][NUM_DTYPES] = {
    LOGICAL_ROWS(C4P_BOOL, uint8_t),
    LOGICAL(C4P_OP_BIT_AND, C4P_BOOL, uint8_t, and),
    LOGICAL(C4P_OP_BIT_OR, C4P_BOOL, uint8_t, or),
    LOGICAL(C4P_OP_BIT_XOR, C4P_BOOL, uint8_t, xor),
    INTEGER_ROWS(C4P_INT8, int8_t, uint8_t),
    INTEGER_ROWS(C4P_UINT8, uint8_t, uint8_t),
    INTEGER_ROWS(C4P_INT16, int16_t, uint16_t),
    INTEGER_ROWS(C4P_UINT16, uint16_t, uint16_t),
    INTEGER_ROWS(C4P_INT32, int32_t, uint32_t),
    INTEGER_ROWS(C4P_UINT32, uint32_t, uint32_t),
    INTEGER_ROWS(C4P_INT64, int64_t, uint64_t),
    INTEGER_ROWS(C4P_UINT64, uint64_t, uint64_t),
    FLOAT_ROWS(C4P_FLOAT32, float),
    FLOAT_ROWS(C4P_FLOAT64, double),
    COMPLEX_ROWS(C4P_COMPLEX64, float),
    COMPLEX_ROWS(C4P_COMPLEX128, double),
};

const c4pi_typed_t *
c4pi_typed_get(c4p_op_t op, c4p_dtype_t dtype)
{
    if (op == C4P_OP_SUM_ORDERED)
        op = C4P_OP_SUM;
    if ((unsigned)op >= NUM_OPS || (unsigned)dtype >= NUM_DTYPES || !table[op][dtype].item)
        return NULL;
    return &table[op][dtype];
}

const char *
c4pi_op_name(c4p_op_t op)
{
    static const char *const names[NUM_OPS] = {
        "barrier", "sum",    "product",     "min",
        "max",     "and",    "or",          "xor",
        "bit_and", "bit_or", "bit_xor",     "minloc",
        "maxloc",  "gather", "ordered sum", "compensated sum",
        "tuple",   "custom",
    };
    return (unsigned)op < NUM_OPS ? names[op] : "?";
}

const char *
c4pi_dtype_name(c4p_dtype_t dtype)
{
    static const char *const names[NUM_DTYPES] = {
        "?",      "bool",  "int8",   "uint8",   "int16",   "uint16",    "int32",
        "uint32", "int64", "uint64", "float32", "float64", "complex64", "complex128",
    };
    return (unsigned)dtype < NUM_DTYPES ? names[dtype] : "?";
}
