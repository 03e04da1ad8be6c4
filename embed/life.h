/* SPDX-License-Identifier: Apache-2.0 */
/* life.h: the life of the runtime as Python sees it: init, start, run, timers, exit. Main thread
 * with the interpreter lock held. */
#ifndef C4PE_LIFE_H
#define C4PE_LIFE_H

#include "state.h"

/* Functions of the module; see _c4py.pyi. */
PyObject *c4pe_life_init(PyObject *module, PyObject *args, PyObject *kwargs);
PyObject *c4pe_life_adopt(PyObject *module, PyObject *capsule);
PyObject *c4pe_life_start(PyObject *module, PyObject *ignored);
PyObject *c4pe_life_begin(PyObject *module, PyObject *args);
PyObject *c4pe_life_run(PyObject *module, PyObject *args);
PyObject *c4pe_life_finish(PyObject *module, PyObject *ignored);
PyObject *c4pe_life_exit(PyObject *module, PyObject *args);
PyObject *c4pe_life_abort(PyObject *module, PyObject *args);

/* Timers and posts. */
PyObject *c4pe_timer_call_later(PyObject *module, PyObject *args);
PyObject *c4pe_timer_cancel_later(PyObject *module, PyObject *number);
PyObject *c4pe_timer_post(PyObject *module, PyObject *args);
PyObject *c4pe_timer_spawn(PyObject *module, PyObject *args);
void c4pe_timers_clear(c4pe_state_t *st);

#endif
