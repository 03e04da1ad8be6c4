/* SPDX-License-Identifier: Apache-2.0 */
/* signature.h: what the parameters of a typed entry method are (the language is described in
 * c4p/typed.h), and where they stand in a message:
 *
 *   fixed part: scalars, structs and arrays of fixed length, in order and aligned as in a C struct;
 *   for a text its length as uint64_t
 *   then arrays of other lengths, and texts with their NUL, in order,
 *   each aligned to C4PI_ARG_ALIGN
 *
 * Pure: any thread, no memory of its own. */
#ifndef C4PI_SIGNATURE_H
#define C4PI_SIGNATURE_H

#include <c4p/typed.h>

enum { C4PI_ARG_ALIGN = 8, C4PI_MAX_FACTORS = 4 };

typedef enum c4pi_param_sort {
    C4PI_PARAM_SCALAR, /* passed by value; the others by pointer */
    C4PI_PARAM_FIXED,  /* of fixed size: structs, arrays of a number of elements */
    C4PI_PARAM_ARRAY,  /* the length depends on other parameters */
    C4PI_PARAM_TEXT
} c4pi_param_sort_t;

typedef struct c4pi_param {
    char name[32];
    c4pi_param_sort_t sort;
    c4p_arg_of_t of;      /* of its elements; ANY: struct or reference */
    bool is_ref;          /* reference */
    uint32_t size, align; /* of one */
    uint32_t offset;      /* in the fixed part */
    uint32_t num_factors;
    uint64_t count;                    /* of elements, times the values of */
    uint8_t factors[C4PI_MAX_FACTORS]; /* these parameters */
} c4pi_param_t;

typedef struct c4pi_signature {
    uint32_t num_params, num_tails; /* of them with a place behind the fixed part */
    uint32_t fixed;                 /* bytes, a multiple of C4PI_ARG_ALIGN if there are tails */
    c4pi_param_t params[C4P_MAX_PARAMS];
} c4pi_signature_t;

/* Read a signature. false: why it is not valid (static text) and at which character, from 0. */
bool c4pi_signature_parse(const char *text, c4pi_signature_t *signature_out, const char **why_out,
                          size_t *at_out);

/* Bytes of an array or a text: `values` are those of the integer parameters by number, of a text
 * its length without NUL. false: negative, or more than a message can have. */
bool c4pi_signature_bytes(const c4pi_signature_t *signature, uint32_t param, const int64_t *values,
                          size_t *bytes_out);

/* The value of an integer parameter, or the length of a text, in a fixed part. */
int64_t c4pi_signature_value(const c4pi_param_t *param, const void *fixed);

/* The sort and size of a type. */
typedef struct c4pi_scalar {
    const char *name;
    c4p_arg_kind_t kind;
    uint32_t size;
} c4pi_scalar_t;
const c4pi_scalar_t *c4pi_scalar(c4p_arg_of_t of);

static inline size_t
c4pi_arg_align(size_t at, size_t align)
{
    return (at + align - 1) & ~(align - 1);
}

#endif
