/* SPDX-License-Identifier: Apache-2.0 */
/* bound.h: the descriptors of entry methods in proxy types, and bound entry methods. */
#ifndef C4PE_BOUND_H
#define C4PE_BOUND_H

#include "state.h"

int c4pe_bound_exec(PyObject *module, c4pe_state_t *st);
/* Descriptors and bound methods that are made from now on count: see profile.h. */
void c4pe_bound_profile(c4pe_state_t *st);
/* The descriptor of an entry method for one proxy type; entry and owner outlive it. */
PyObject *c4pe_descr_new(c4pe_entry_t *entry, PyTypeObject *owner);

#endif
