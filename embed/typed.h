/* SPDX-License-Identifier: Apache-2.0 */
/* typed.h: chares in C as Python sees them: HostChare, an object whose methods are those typed
 * entry methods (c4p/typed.h) of the chare's type that the host has let Python call. Main thread
 * with the interpreter lock held. */
#ifndef C4PE_TYPED_H
#define C4PE_TYPED_H

#include "state.h"

/* One chare in C, or all those of a collection. Refers to no container. */
typedef struct c4pe_hostchare {
    PyObject_HEAD
    c4pe_state_t *state;
    c4p_ref_t ref; /* of a whole collection: ref.coll */
    c4p_type_t type;
    bool element;
} c4pe_hostchare_t;

/* New reference; NULL with an exception. */
PyObject *c4pe_hostchare_new(c4pe_state_t *st, c4p_type_t type, c4p_ref_t ref, bool element);
bool c4pe_hostchare_check(const c4pe_state_t *st, PyObject *op);

/* Let Python call an entry method, whose signature is valid, by its name. -1 with an exception. */
int c4pe_typed_expose(c4pe_state_t *st, c4p_typed_t typed, const char *type_name, const char *name,
                      const char *signature);

int c4pe_typed_exec(PyObject *module, c4pe_state_t *st); /* makes HostChare */
void c4pe_typed_free(c4pe_state_t *st);
/* _load_host_chare() of the module: from __reduce__. */
PyObject *c4pe_typed_load(PyObject *module, PyObject *bytes);

#endif
