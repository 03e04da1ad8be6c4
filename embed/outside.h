/* SPDX-License-Identifier: Apache-2.0 */
/* outside.h: what happens outside of the job and is served between messages: a descriptor that the
 * scheduler looks at about every 10 ms, such as that of a poller behind which a server's sockets
 * are. One per rank at most. Main thread with the interpreter lock held. */
#ifndef C4PE_OUTSIDE_H
#define C4PE_OUTSIDE_H

#include "state.h"

/* listen_outside() of the module, see _c4py.pyi. */
PyObject *c4pe_outside_listen(PyObject *module, PyObject *args);
/* From the scheduler's tick: call the function if there is something to read, or if it is due. */
void c4pe_outside_tick(c4pe_state_t *st);
/* Whether there is such a descriptor: then work may come although nothing moves in the job. */
bool c4pe_outside_open(const c4pe_state_t *st);

#endif
