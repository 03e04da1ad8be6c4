/* SPDX-License-Identifier: Apache-2.0 */
/* typed.h: calls from Python to typed entry methods in C (c4p/typed.h). What Python may
 * call is known to the package (c4py/_typed.py). Main thread with the interpreter lock held. */
#ifndef C4PE_TYPED_H
#define C4PE_TYPED_H

#include "state.h"

/* typed_call() and typed_at() of the module, see _c4py.pyi. */
PyObject *c4pe_typed_call(PyObject *module, PyObject *args);
PyObject *c4pe_typed_at(PyObject *module, PyObject *args);

#endif
