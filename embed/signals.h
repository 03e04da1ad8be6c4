/* SPDX-License-Identifier: Apache-2.0 */
/* signals.h: what the launcher does about signals: an orderly end on SIGTERM, a dump on SIGUSR1, a
 * report on crashes. Handlers are installed by the launcher only; in a plain python nothing here
 * ever fires. */
#ifndef C4PE_SIGNALS_H
#define C4PE_SIGNALS_H

#include "state.h"

/* Install the handlers. Python must be initialised: faulthandler prints its stacks. */
void c4pe_signals_install(void);
/* Name this rank in reports. */
void c4pe_signals_attach(int rank, int num_ranks);
/* _end_by_signal() of the module, a Python signal handler: raises SystemExit. */
PyObject *c4pe_signals_end(PyObject *module, PyObject *args);
/* True once after SIGUSR1. */
bool c4pe_signals_take_dump(void);

#endif
