/* SPDX-License-Identifier: Apache-2.0 */
/* reduce_part.h: what one reducer does with one contribution, alone or as a part of a tuple: is it
 * combined by the runtime, and in which form, or in Python. Main thread with the interpreter lock
 * held. */
#ifndef C4PE_REDUCE_PART_H
#define C4PE_REDUCE_PART_H

#include "reduce_data.h"
#include "reducer.h"

/* A tuple of contributions, as the runtime takes it. */
typedef struct c4pe_parts {
    char *data; /* PyMem */
    size_t len;
    char *meta; /* PyMem: the shapes of the parts, one after the other */
    size_t meta_len;
} c4pe_parts_t;

/*
 * Look at a contribution to a built-in reducer with data: 1 and *out filled if the runtime combines
 * it; 0 if that is done in Python; -1 with an exception (TypeError if neither can).
 * c4pe_typed_release(out) in each case.
 */
int
c4pe_part_get(c4pe_state_t *st, const c4pe_reducer_t *reducer, PyObject *data, c4pe_typed_t *out);
/* May the values of this operation be combined in Python, too? */
bool c4pe_op_in_python(c4p_op_t op);
/* The result of a reducer for which c4pe_part_get() said 1. New reference. */
PyObject *c4pe_part_result(c4pe_state_t *st, const c4p_result_t *result);

/* The same for Reducer.tuple(...); c4pe_parts_release(out) in each case. */
int
c4pe_parts_get(c4pe_state_t *st, const c4pe_reducer_t *reducer, PyObject *data, c4pe_parts_t *out);
void c4pe_parts_release(c4pe_parts_t *parts);
PyObject *c4pe_parts_result(c4pe_state_t *st, const c4p_result_t *result);
/* For tuples that are combined in Python: the names of the reducers; and the contribution with
 * `pre` of each applied. New references; NULL with an exception. */
PyObject *c4pe_parts_names(const c4pe_reducer_t *reducer);
PyObject *c4pe_parts_pre(const c4pe_reducer_t *reducer, PyObject *data, PyObject *chare);

#endif
