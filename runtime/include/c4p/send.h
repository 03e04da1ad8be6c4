/* SPDX-License-Identifier: Apache-2.0 */
/* send.h: one message to one chare, or to a C function on a rank. */
#ifndef C4P_SEND_H
#define C4P_SEND_H

#include <c4p/chare.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Queue one message for an entry method. Never blocks and never runs the method, even for a chare
 * on this rank; delivery happens inside the scheduler. Order: from one rank to one element that
 * does not move, as sent, whatever the sizes (docs/architecture.md, "Order").
 *
 * Ownership: after C4P_OK the runtime owns msg; after anything else it is still the caller's.
 * Context:   the runtime's thread.
 * Returns:   C4P_OK; C4P_ERR_NOT_FOUND for an entry that the type lacks (when the collection is
 * known here), C4P_ERR_RANGE for a group element that is no rank, a collection or future of no
 * rank; C4P_ERR_STATE once exit is decided (the message would never run).
 */
C4P_API c4p_status_t c4p_send(c4p_rt_t *rt, c4p_ref_t to, c4p_entry_t entry, c4p_msg_t *msg);

/** The same, with an answer: `reply` gets the method's value, or one value without bytes, when it
 * has finished; 0: nobody waits. Ownership and order as c4p_send(). Returns also C4P_ERR_RANGE for
 * a future of no rank. */
C4P_API c4p_status_t c4p_call(c4p_rt_t *rt, c4p_ref_t to, c4p_entry_t entry, c4p_msg_t *msg,
                              c4p_future_t reply);

/** A C function by number, for the services of a language layer. `msg` is borrowed. Runs as a
 * protocol message: at once, even with the gate closed. */
typedef void (*c4p_handler_fn_t)(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx);
/** Register a handler, on all ranks in the same order. `name` serves reports. Returns: C4P_OK;
 * C4P_ERR_EXISTS for a name in use; C4P_ERR_NOMEM. Cost: O(handlers). */
C4P_API c4p_status_t c4p_handler_add(c4p_rt_t *rt, const char *name, c4p_handler_fn_t fn, void *ctx,
                                     c4p_handler_t *handler_out);
/** Run a handler on one rank. Asynchronous on this rank too. Ownership as c4p_send(). Returns:
 * C4P_OK; C4P_ERR_NOT_FOUND for a handler that is not registered here; C4P_ERR_RANGE;
 * C4P_ERR_STATE; C4P_ERR_NOMEM. */
C4P_API c4p_status_t c4p_send_handler(c4p_rt_t *rt, int rank, c4p_handler_t handler,
                                      c4p_msg_t *msg);
/** Run a handler on every rank, this one included, down a spanning tree. The message is shared:
 * handlers must not change it. Ownership and statuses as c4p_send_handler(). Cost: a few messages
 * of this rank's, P - 1 of the job's. */
C4P_API c4p_status_t c4p_bcast_handler(c4p_rt_t *rt, c4p_handler_t handler, c4p_msg_t *msg);

#ifdef __cplusplus
}
#endif
#endif
