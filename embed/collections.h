/* SPDX-License-Identifier: Apache-2.0 */
/* collections.h: the Python side of creating groups, arrays and single chares, and this rank's
 * records of them. */
#ifndef C4PE_COLLECTIONS_H
#define C4PE_COLLECTIONS_H

#include "state.h"

/* Methods of proxies. */
PyObject *c4pe_proxy_local_branch(PyObject *proxy, PyObject *ignored);
PyObject *c4pe_proxy_insert(PyObject *proxy, PyObject *args, PyObject *kwargs);
PyObject *c4pe_proxy_destroy(PyObject *proxy, PyObject *args, PyObject *kwargs);
PyObject *c4pe_proxy_done_inserting(PyObject *proxy, PyObject *ignored);

int c4pe_colls_traverse(c4pe_state_t *st, visitproc visit, void *arg);

#endif
