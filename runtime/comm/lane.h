/* SPDX-License-Identifier: Apache-2.0 */
/* lane.h: small messages of one rank to another of the same host, through a ring in memory that
 * both have mapped: one writer, one reader, no lock, no system call, and in the usual case one
 * cache line on its way before the reader sees that something came.
 *
 *   ring:  line 0     how far the reader is
 *          lines      [ length, envelope, payload ][ length, envelope, ... ][ 0 ...
 *
 * A message starts with a line of its own and stands in one piece; its length is what the reader
 * looks at, so the line behind a message has length 0 before the message has its own. Where a
 * message does not fit before the end, a mark sends the reader to the start. The writer begins
 * again at the start too when the reader has caught up, so that a ring is large for floods, and
 * otherwise a piece of it that stays in the caches.
 *
 * This is the queue of Lamport ("Specifying Concurrent Program Modules", 1983) with the writer's
 * index moved into the slots, as in FastForward (Giacomoni, Moseley, Vachharajani: "FastForward for
 * Efficient Pipeline Parallelism", 2008). Each end belongs to one thread. Knows no MPI. */
#ifndef C4PI_LANE_H
#define C4PI_LANE_H

#include "msg/msg.h"

enum {
    C4PI_LANE_LINE = 64,
    /* What may be used of a ring is at least so many times as large as the largest message, so that
     * an empty ring has room for it wherever the writer is. (A little more than 2 would do.) */
    C4PI_LANE_LEAST = 4
};

/* The writer's end. */
typedef struct c4pi_lane_out {
    char *ring;      /* behind line 0 */
    uint64_t at;     /* where the next message starts: a line that is ours, with length 0 */
    uint64_t reader; /* where the reader was when last looked at */
    uint64_t end;    /* of what may be written */
    /* When `end` is too near: move it, if that is possible. NULL: all may be written. */
    void (*extend)(void *ctx, struct c4pi_lane_out *out);
    void *ctx;
} c4pi_lane_out_t;

/* The reader's end; fields are private. */
typedef struct c4pi_lane_in {
    char *ring;
    uint64_t at;
    uint64_t bytes; /* of the ring behind line 0 */
} c4pi_lane_in_t;

/* The ends of the lane in `bytes` of zeroed memory, a multiple of a line, of which the writer may
 * use `usable` at first, also with line 0. The memory stays the caller's. */
void c4pi_lane_out_init(c4pi_lane_out_t *out, void *memory, uint64_t usable);
void c4pi_lane_in_init(c4pi_lane_in_t *in, void *memory, uint64_t bytes);

/* Copy the envelope of msg and so many bytes of payload, segments and all, into the lane. False: no
 * room now. msg stays the caller's. */
bool c4pi_lane_put(c4pi_lane_out_t *out, const c4p_msg_t *msg, size_t payload_len);

/* Envelope and payload of the next message, where they lie, and their length; NULL: none has come.
 * A length of 0: what stands there can be no message. */
const void *c4pi_lane_front(c4pi_lane_in_t *in, size_t *bytes_out);

/* Leave the message that c4pi_lane_front() has shown, of so many bytes: its place is the writer's
 * again. */
void c4pi_lane_pop(c4pi_lane_in_t *in, size_t bytes);

#endif
