/* SPDX-License-Identifier: Apache-2.0 */
/* flow.h: what stands between routing and the back end: batching of small messages to one
 * destination, credits that bound what a slow receiver has to hold, and the counters of messages
 * sent and received that quiescence and exit rely on. State is kept only for ranks that were
 * contacted. Pump thread only; calls deliver only from poll.
 *
 * Order: counted messages (envelope.h) of one pair of ranks stay in order among themselves, batched
 * or not, waiting for credit or not. Credit: of counted messages that go by the small path, at most
 * opts.credit_bytes (64 + payload each) per destination are sent and not yet taken, that is: freed
 * by the receiver. The receiver tells in steps of a quarter. Without credit a message waits in the
 * sender. A window is never smaller than four of the largest small messages, so that a full step is
 * always outstanding when a sender waits. */
#ifndef C4PI_FLOW_H
#define C4PI_FLOW_H

#include "comm/comm.h"

typedef struct c4pi_flow c4pi_flow_t;

/* A batch is a message whose payload is a sequence of { envelope, payload, padding to this }. */
enum { C4PI_BATCH_ALIGN = 8 };

/* What a message of so many bytes, its envelope among them, takes of a batch. */
static inline size_t
c4pi_batch_padded(size_t bytes)
{
    return (bytes + C4PI_BATCH_ALIGN - 1) & ~(size_t)(C4PI_BATCH_ALIGN - 1);
}

/* Takes over the back end: frees it in c4pi_flow_free(). Installs itself as the back end's deliver
 * and as msgs->taken. */
c4p_status_t c4pi_flow_new(c4pi_port_t *port, c4pi_msgs_t *msgs, c4pi_comm_t *comm,
                           const c4p_opts_t *opts, c4pi_flow_t **flow_out);
void c4pi_flow_free(c4pi_flow_t *flow);
/* See c4p_before_fork(). */
c4p_status_t c4pi_flow_before_fork(c4pi_flow_t *flow);
/* Other than opts said; before anything is sent. */
void c4pi_flow_set_credit(c4pi_flow_t *flow, uint64_t bytes);
void c4pi_flow_set_deliver(c4pi_flow_t *flow, c4pi_deliver_fn_t deliver, void *ctx);

/* Send to another rank (never to itself). Takes over one owner of msg, whose envelope is complete
 * and is not changed any more by anyone. Running out of memory or a broken back end ends the job
 * inside. */
void c4pi_flow_send(c4pi_flow_t *flow, int dest, c4p_msg_t *msg);

/* Credit the sender of this received message now, not when it is freed: for messages that wait here
 * for something that the same sender may have to send first (an element that is still to come, a
 * future's value nobody has asked for), or that the program keeps. Once is enough; then a no-op.
 * c4pi_flow_send() does it for messages that are passed on. */
void c4pi_flow_take(c4pi_flow_t *flow, c4p_msg_t *msg);

/* Progress of the back end, delivering up to max messages (those of a batch count one by one).
 * Returns how many were delivered. */
int c4pi_flow_poll(c4pi_flow_t *flow, int max);

/* Send all open batches. Called between two entry methods, when the scheduler runs out of work, and
 * before a wave is answered. */
void c4pi_flow_flush(c4pi_flow_t *flow);
/* True while a batch is open. */
bool c4pi_flow_has_open(const c4pi_flow_t *flow);

/* A turn of the scheduler begins, with something to run or without. In each turn the first few
 * small messages to a destination go at once, so that a handler that sends a little and then
 * computes for long delays nobody; later ones are batched. Without anything to run all go at once.
 */
enum { C4PI_FLOW_AT_ONCE = 4 };
void c4pi_flow_set_busy(c4pi_flow_t *flow, bool busy);

/* Counters since the start, of counted kinds and of all kinds. sent: accepted by c4pi_flow_send
 * (also when waiting). received: delivered upward. */
typedef struct c4pi_flow_counts {
    uint64_t counted_sent, counted_received;
    uint64_t all_sent, all_received;
    uint64_t bytes_sent, bytes_received;
    uint64_t backlog_bytes, backlog_msgs; /* waiting for credit here */
} c4pi_flow_counts_t;
void c4pi_flow_counts(const c4pi_flow_t *flow, c4pi_flow_counts_t *counts_out);

/* Bytes of credit exchanged with a rank: sent to it, and known to be taken there; taken from it,
 * and told so. All start at opts.counter_base. */
typedef struct c4pi_flow_credit {
    uint64_t sent, acked, taken, told;
} c4pi_flow_credit_t;
c4pi_flow_credit_t c4pi_flow_credit(const c4pi_flow_t *flow, int rank);

/* Everything handed to the back end and locally complete, nothing waiting. */
bool c4pi_flow_drained(const c4pi_flow_t *flow);

/* Exit: credit does not matter any more (everybody drops what arrives); backlogs are sent. */
void c4pi_flow_no_limits(c4pi_flow_t *flow);

/* Passes on to the back end. */
c4p_status_t c4pi_flow_finish(c4pi_flow_t *flow);
void c4pi_flow_abort(c4pi_flow_t *flow, int exit_status);
c4pi_comm_t *c4pi_flow_comm(c4pi_flow_t *flow);

#endif
