/* SPDX-License-Identifier: Apache-2.0 */
/* balancing.h: load balancing of a running job: which strategies, those written in Python, and
 * reports of the rounds. Main thread with the interpreter lock held. */
#ifndef C4PE_BALANCING_H
#define C4PE_BALANCING_H

#include "state.h"

/* Functions of the module; see _c4py.pyi. */
PyObject *c4pe_balancing_use(c4pe_state_t *st, PyObject *names);
PyObject *c4pe_balancing_measure(c4pe_state_t *st, PyObject *on);
PyObject *c4pe_balancing_graph(c4pe_state_t *st, PyObject *on);
PyObject *c4pe_balancing_predict(c4pe_state_t *st, PyObject *predictor);
PyObject *c4pe_balancing_period(c4pe_state_t *st, PyObject *points);
PyObject *c4pe_balancing_speed(c4pe_state_t *st, PyObject *speed); /* 0: measure it */
PyObject *c4pe_balancing_add(c4pe_state_t *st, PyObject *args);
PyObject *c4pe_balancing_on_view(c4pe_state_t *st, PyObject *func);
PyObject *c4pe_balancing_on_round(c4pe_state_t *st, PyObject *func);

#endif
