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
} c4pe_reducer_t;

#endif
