/* SPDX-License-Identifier: Apache-2.0 */
/* balance.h: strategies of load balancing for Python programs and tools: built-in ones on views
 * that Python made. Needs no runtime. Main thread with the interpreter lock held; it is released
 * while a strategy runs. */
#ifndef C4PE_BALANCE_H
#define C4PE_BALANCE_H

#include "py.h"

/* [(name, what it does)] */
PyObject *c4pe_balance_builtins(void);
/* The name of a built-in strategy for a name as users write it, or None. */
PyObject *c4pe_balance_find(PyObject *name);
/* (name, view, plan): fill plan, a writable buffer of C ints. ValueError says what is wrong. */
PyObject *c4pe_balance_run(PyObject *args);
/* (view, plan) -> dict with the fields of c4p_lb_worth_t */
PyObject *c4pe_balance_judge(PyObject *args);

#endif
