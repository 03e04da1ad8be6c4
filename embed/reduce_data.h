/* SPDX-License-Identifier: Apache-2.0 */
/* reduce_data.h: contributions as typed memory, and results as Python objects again. Main thread
 * with the interpreter lock held. */
#ifndef C4PE_REDUCE_DATA_H
#define C4PE_REDUCE_DATA_H

#include "state.h"

/* A contribution that the runtime can combine itself. The owner of the memory is inside;
 * c4pe_typed_release() lets it go. */
typedef struct c4pe_typed {
    c4p_dtype_t dtype;
    const void *data;
    size_t len;
    int meta_len; /* 0: a scalar */
    char meta[8 + 8 * 64];
    void *owned;    /* PyMem, or NULL */
    Py_buffer view; /* view.obj NULL: none */
    struct {
        union {
            int64_t i;
            double d;
            unsigned char b;
        } value;
        int64_t location; /* of minloc and maxloc */
    } small;
} c4pe_typed_t;

/*
 * Look at a contribution: 1 and *out filled if it is a number, a boolean, a list of such of one
 * kind, a numpy array or scalar of numbers, an array.array; 0 if it is something else, to be
 * combined in Python; -1 with an exception (an int beyond 64 bits: OverflowError). The memory of an
 * array in C order is lent, not copied: `data` has to live as long as *out.
 */
int c4pe_typed_get(c4pe_state_t *st, PyObject *data, c4pe_typed_t *out);
void c4pe_typed_release(c4pe_typed_t *typed);
/* Replace the items by booleans (for the logical operations). -1 with MemoryError. */
int c4pe_typed_to_bool(c4pe_typed_t *typed);
/* Note the shape of an array; 0 dimensions: of a scalar. */
void c4pe_typed_set_shape(c4pe_typed_t *typed, int ndim, const Py_ssize_t *shape);
/* The shape that a result of elements of `size` bytes has (C4PE_NPY_MAX_DIMS numbers): its number
 * of dimensions, or -1 if what is noted is not that of so many elements. */
int c4pe_typed_shape(const c4p_result_t *result, size_t size, Py_ssize_t *shape);
/* The result: a Python scalar, or a numpy array of the shape in meta (array.array without numpy).
 */
PyObject *c4pe_typed_result(c4pe_state_t *st, const c4p_result_t *result);

#endif
