/* SPDX-License-Identifier: Apache-2.0 */
/* balance.h: strategies of load balancing for Python programs and tools: built-in ones on views
 * that Python made. Needs no runtime. Main thread with the interpreter lock held; it is released
 * while a strategy runs. */
#ifndef C4PE_BALANCE_H
#define C4PE_BALANCE_H

#include "py.h"

#include <c4p/balance.h>

/* [(name, what it does)] */
PyObject *c4pe_balance_builtins(void);
/* The name of a built-in strategy for a name as users write it, or None. */
PyObject *c4pe_balance_find(PyObject *name);
/* (name, view, plan): fill plan, a writable buffer of C ints. ValueError says what is wrong. */
PyObject *c4pe_balance_run(PyObject *args);
/* (view, plan) -> dict with the fields of c4p_lb_worth_t */
PyObject *c4pe_balance_judge(PyObject *args);
PyObject *c4pe_balance_worth(const c4p_lb_worth_t *worth);
/* A view as a dict: numbers, and arrays as bytes in this machine's order; those that are NULL are
 * left out. */
PyObject *c4pe_balance_fields(const c4p_lb_view_t *view);

#endif
