/* SPDX-License-Identifier: Apache-2.0 */
/* reducer.h: what Reducer.sum and its like are: objects that say how contributions are combined.
 * Main thread with the interpreter lock held. */
#ifndef C4PE_REDUCER_H
#define C4PE_REDUCER_H

#include "state.h"

/* Combine n elements of memory with as many that are already there. */
typedef void (*c4pe_fold_fn_t)(void *into, const void *from, size_t n);

typedef struct c4pe_reducer {
    PyObject_HEAD
    c4p_op_t op; /* CUSTOM: func combines, or fold */
    PyObject *name, *func, *pre, *post;
    PyObject *parts; /* of a tuple: the reducers of its parts; NULL otherwise */
    /* of a native one, see reduce_native.h; NULL otherwise */
    c4pe_fold_fn_t fold;
    PyObject *keep, *dtype; /* keep: what owns the function */
    size_t size;            /* bytes of an element */
    uint32_t number;        /* of the runtime's reducer; 0: not yet registered */
} c4pe_reducer_t;

/* A reducer object, remembered by name: new reference; NULL with an exception. */
PyObject *c4pe_reducer_new(c4pe_state_t *st, const char *name, c4p_op_t op, PyObject *func,
                           PyObject *pre, PyObject *post);

/* Reducer.tuple(*parts): each value of a tuple is combined by the reducer at its place. New
 * reference; NULL with TypeError. */
PyObject *c4pe_reducer_tuple(c4pe_state_t *st, PyObject *parts);

#endif
