/* SPDX-License-Identifier: Apache-2.0 */
/* reducer.h: what Reducer.sum and its like are: objects that say how contributions are combined.
 * Main thread with the interpreter lock held. */
#ifndef C4PE_REDUCER_H
#define C4PE_REDUCER_H

#include "state.h"

typedef struct c4pe_reducer {
    PyObject_HEAD
    c4p_op_t op; /* CUSTOM: func combines */
    PyObject *name, *func, *pre, *post;
    PyObject *parts; /* of a tuple: the reducers of its parts; NULL otherwise */
} c4pe_reducer_t;

/* Reducer.tuple(*parts): each value of a tuple is combined by the reducer at its place. New
 * reference; NULL with TypeError. */
PyObject *c4pe_reducer_tuple(c4pe_state_t *st, PyObject *parts);

#endif
