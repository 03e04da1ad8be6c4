/* SPDX-License-Identifier: Apache-2.0 */
/* accum_typed.h: the arithmetic of typed reductions: for each pair of operation and element type
 * the functions that combine items in place. Pure functions over caller's memory; source and image
 * may be unaligned but must not overlap. Any thread.
 *
 * What is accumulated is the *image*: mostly the items themselves; one bool per item for the
 * logical operations; all sums followed by all compensations for the compensated sum. */
#ifndef C4PI_ACCUM_TYPED_H
#define C4PI_ACCUM_TYPED_H

#include <c4p/collective.h>

typedef void (*c4pi_items_fn_t)(void *restrict image, const void *restrict src, size_t items);

typedef struct c4pi_typed {
    uint32_t item;        /* bytes of one contributed item; 0: the pair is refused */
    uint32_t image_item;  /* bytes of one item in the image */
    uint32_t result_item; /* bytes of one item of the result */
    uint32_t result_dtype;
    c4pi_items_fn_t take;                      /* contribution -> fresh image; NULL: plain copy */
    c4pi_items_fn_t add;                       /* contribution into image */
    c4pi_items_fn_t merge;                     /* image into image */
    void (*finish)(void *image, size_t items); /* image -> result in place, still an image of the
                                                  same value; NULL: nothing to do */
} c4pi_typed_t;

/* NULL if the pair is refused or not typed. C4P_OP_SUM_ORDERED gives what C4P_OP_SUM does. */
const c4pi_typed_t *c4pi_typed_get(c4p_op_t op, c4p_dtype_t dtype);

/* "sum", "float64"; "?" for values that are none. */
const char *c4pi_op_name(c4p_op_t op);
const char *c4pi_dtype_name(c4p_dtype_t dtype);

#endif
