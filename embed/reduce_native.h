/* SPDX-License-Identifier: Apache-2.0 */
/* reduce_native.h: reducers that are C functions, void fold(T *into, const T *from, size_t n), and
 * combine arrays of a dtype of numpy's. Each is a reducer of the runtime, of the same name, so that
 * methods in C may contribute to the same reductions. Main thread with the interpreter lock held.
 */
#ifndef C4PE_REDUCE_NATIVE_H
#define C4PE_REDUCE_NATIVE_H

#include "reduce_data.h"
#include "reducer.h"

/* The module's reducer_add_native(), see _c4py.pyi: new reference; NULL with an exception. */
PyObject *c4pe_reducer_add_native(c4pe_state_t *st, PyObject *args);
/* Register those that were added before there was a runtime. -1 with an exception. */
int c4pe_reduce_native_attach(c4pe_state_t *st);

/* A contribution: *out filled, and a new reference to the array that owns the memory; NULL with an
 * exception. */
PyObject *c4pe_reduce_native_get(c4pe_state_t *st, const c4pe_reducer_t *reducer, PyObject *data,
                                 PyObject *chare, c4pe_typed_t *out);
/* The result of such a reduction: a new reference to an array, or a scalar; NULL with an exception.
 */
PyObject *c4pe_reduce_native_result(c4pe_state_t *st, const c4p_result_t *result);

#endif
