/* SPDX-License-Identifier: Apache-2.0 */
/* call.h: the way of a call from Python into the runtime. Main thread with the interpreter lock
 * held. */
#ifndef C4PE_CALL_H
#define C4PE_CALL_H

#include "state.h"

/* How a call asks to be answered. */
typedef struct c4pe_call_how {
    bool awaitable, ret, block;
    int32_t priority;
} c4pe_call_how_t;

/*
 * proxy.entry(*args): the arguments are captured, one message is sent. New reference to None; NULL
 * with an exception, and then nothing was sent.
 */
PyObject *
c4pe_call_plain(c4pe_proxy_t *proxy, c4pe_entry_t *entry, PyObject *const *args, Py_ssize_t nargs);
/* The same with keywords, the runtime's own (awaitable, ret, block, priority) among them; kwnames
 * as in a vectorcall. The future, or None. */
PyObject *c4pe_call_keywords(c4pe_proxy_t *proxy, c4pe_entry_t *entry, PyObject *const *args,
                             Py_ssize_t nargs, PyObject *kwnames);
/* Both of them (kwnames may be NULL) for an entry method in C. */
PyObject *c4pe_call_native(c4pe_proxy_t *proxy, c4pe_entry_t *entry, PyObject *const *args,
                           Py_ssize_t nargs, PyObject *kwnames);
/* Both of them (kwnames may be NULL), for profiling. */
PyObject *c4pe_call_profiled(c4pe_proxy_t *proxy, c4pe_entry_t *entry, PyObject *const *args,
                             Py_ssize_t nargs, PyObject *kwnames);

#endif
