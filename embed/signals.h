/* SPDX-License-Identifier: Apache-2.0 */
/* signals.h: what the launcher does about signals: an orderly end on SIGTERM, a dump on SIGUSR1, a report on crashes. Handlers are installed by
 * the launcher only; in a plain python nothing here ever fires. */
#ifndef C4PE_SIGNALS_H
#define C4PE_SIGNALS_H

#include <stdbool.h>

/* Install the handlers. Python must be initialised: faulthandler prints its stacks. */
void c4pe_signals_install(void);
/* Name this rank in reports. */
void c4pe_signals_attach(int rank, int num_ranks);
/* The signal that asks for an orderly end, once; 0: none. */
int c4pe_signals_take_end(void);
/* True once after SIGUSR1. */
bool c4pe_signals_take_dump(void);

#endif
