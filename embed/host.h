/* SPDX-License-Identifier: Apache-2.0 */
/* host.h: what the files behind c4p/python.h share. On the runtime's thread, which holds the
 * interpreter lock. */
#ifndef C4PE_HOST_H
#define C4PE_HOST_H

#include "state.h"

#include <c4p/python.h>

struct c4p_python {
    c4p_rt_t *rt;
    c4pe_state_t *st;
    PyObject *module;  /* c4py._c4py */
    PyObject *package; /* c4py._host */
    PyObject *error;   /* (class, message, traceback); NULL none */
    bool started;
};

/* The set exception becomes py's error. C4P_ERR_USER; C4P_ERR_NOMEM for MemoryError, C4P_ERR_STATE
 * for SystemExit, which calls raise while the job exits. */
c4p_status_t c4pe_host_failed(c4p_python_t *py);
/* May it create and call? */
c4p_status_t c4pe_host_check(const c4p_python_t *py);

/* host_value.c: a value for Python, a new reference, NULL with an exception; and from Python.
 * `object` is taken, NULL is an exception that is set. */
PyObject *c4pe_host_object(c4p_python_t *py, const c4p_pyval_t *value);
c4p_status_t c4pe_host_value(c4p_python_t *py, PyObject *object, c4p_pyval_t *value_out);
/* A new list of arguments; NULL with an exception. */
PyObject *c4pe_host_args(c4p_python_t *py, const c4p_pyval_t *args, size_t num_args);
/* The call was refused: nobody is told of the end of the views in this list. */
void c4pe_host_disarm(PyObject *list);

#endif
