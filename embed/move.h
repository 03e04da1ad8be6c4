/* SPDX-License-Identifier: Apache-2.0 */
/* move.h: chares that move to another rank: what of them travels, and the request to move. What
 * travels is what pickle would take (attributes, or what __getstate__ gives), the calls that wait
 * for their conditions, and the channels; references of the chare's own attributes to itself and to
 * its channels stay what they are. Main thread with the interpreter lock held. */
#ifndef C4PE_MOVE_H
#define C4PE_MOVE_H

#include "state.h"

/* Slots of the runtime's type descriptor; ctx is the class record. */
c4p_status_t c4pe_move_pack(c4p_rt_t *rt, void *object, c4p_pup_t *p, void *ctx);
c4p_status_t
c4pe_move_unpack(c4p_rt_t *rt, c4p_ref_t self, c4p_pup_t *p, void *ctx, void **object_out);
c4p_status_t c4pe_move_regroup(c4p_rt_t *rt, void *object, const c4p_group_state_t *states,
                               uint32_t count, c4p_pup_t *why, void *ctx);
void c4pe_move_arrived(c4p_rt_t *rt, void *object, void *ctx);
/* Has the program left it to the runtime to move the chare? */
bool c4pe_move_allowed(c4p_rt_t *rt, void *object, void *ctx);

/* A value into a pup, and back: -1, or NULL, with an exception. */
int c4pe_move_put(c4pe_state_t *st, c4p_pup_t *p, PyObject *value);
PyObject *c4pe_move_get(c4pe_state_t *st, c4p_pup_t *p);
/* The exception that is set is why packing or unpacking has failed. Always C4P_ERR_USER. */
c4p_status_t c4pe_move_fail(c4pe_state_t *st, c4p_pup_t *p);

/* c4p_entry_fn_t of the entry method `migrate`: whoever waits for the call waits for the arrival.
 */
void c4pe_move_on_request(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx);
/* self.migrate(toPe); new reference to None. */
PyObject *c4pe_move_request(PyObject *chare, PyObject *rank);

/* self.AtSync(); new reference to None. */
PyObject *c4pe_move_at_sync(PyObject *chare, PyObject *ignored);

/* Chare.__reduce_ex__(): of a chare in its own state while it moves. */
PyObject *c4pe_move_reduce(PyObject *chare, PyObject *protocol);
/* Functions of the module: the chare that arrives, and its channel of that port. */
PyObject *c4pe_move_self(PyObject *module, PyObject *ignored);
PyObject *c4pe_move_channel(PyObject *module, PyObject *port);

#endif
