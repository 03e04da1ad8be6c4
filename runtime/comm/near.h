/* SPDX-License-Identifier: Apache-2.0 */
/* near.h: small messages to and from the other ranks of this host, past MPI: a lane (lane.h) for
 * each pair of ranks that do exchange messages, and at the sender what did not find room there yet.
 * A lane is used from the first message between two ranks on or never, so that all small messages
 * of one rank to another go the same way and stay in order. Owner's thread only; knows no MPI. */
#ifndef C4PI_NEAR_H
#define C4PI_NEAR_H

#include "comm/shared.h"

typedef struct c4pi_near c4pi_near_t;

/* For the ranks that opened their pools to each other; shared stays the caller's and must live
 * longer. NULL when out of memory. */
c4pi_near_t *c4pi_near_new(c4pi_msgs_t *msgs, c4pi_shared_t *shared);
/* Drops what has not left; release functions may still send. NULL is fine. */
void c4pi_near_free(c4pi_near_t *near);

/* Send the envelope of msg and so many bytes of payload, which for an announcement are not what the
 * envelope says; never blocks. Takes over one owner of msg; it may have others if its envelope is
 * right. False: there is no lane to that rank, and nothing happened. *st_out, if true: C4P_OK or
 * C4P_ERR_NOMEM. */
bool c4pi_near_send(c4pi_near_t *near, int dest, c4p_msg_t *msg, size_t payload_len,
                    c4p_status_t *st_out);

/* Put what waits into the lanes, as far as there is room by now, and look for ranks that have begun
 * to send. May run release functions of messages, which may send. */
void c4pi_near_progress(c4pi_near_t *near);

/* The next message that came, from the ranks in turn, as one of ours with one owner, and its bytes
 * with the envelope, which is not looked at; *msg_out NULL: none, on those lanes that were looked
 * at this time, which are not all where very many ranks send. C4P_OK, C4P_ERR_NOMEM, or
 * C4P_ERR_DATA if what came can be no message; *source_out is set in each case but none. */
c4p_status_t
c4pi_near_take(c4pi_near_t *near, c4p_msg_t **msg_out, int *source_out, size_t *bytes_out);

/* No other rank of this host sends to this one by MPI, for want of memory for a lane, as far as is
 * known by now. */
bool c4pi_near_is_all(const c4pi_near_t *near);

/* Messages that wait for room. */
uint64_t c4pi_near_waiting(const c4pi_near_t *near);

#endif
