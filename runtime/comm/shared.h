/* SPDX-License-Identifier: Apache-2.0 */
/* shared.h: memory that the ranks of one host share, for the bodies of large messages, for lanes
 * (lane.h) through which small ones go, and for agreeing on who reports why the job ends. Each rank
 * has a pool of its own, which the others map. A sender takes a block of its pool, puts the whole
 * message there and tells the receiver its place; the receiver uses the message where it lies and
 * gives the block back when it is done, without a message. So a body is copied once, by its sender.
 *
 * A pool is anonymous memory (memfd_create(2)), opened by the others through /proc: it needs no
 * room in a file system, leaves nothing behind, and takes memory for what was used of it only.
 * Knows no MPI: the caller exchanges what the ranks must know about each other. */
#ifndef C4PI_SHARED_H
#define C4PI_SHARED_H

#include "comm/lane.h"

typedef struct c4pi_shared c4pi_shared_t;

/* What the other ranks of the host need for mapping this rank's pool. Plain data. */
typedef struct c4pi_shared_id {
    uint64_t secret; /* stands in the pool too: is it really that one? */
    uint64_t bytes;  /* 0: this rank has none */
    int32_t rank, pid, fd, spare;
} c4pi_shared_id_t;

/* A pool of `bytes` for this rank, one of `count` of this host; 0: it takes no message. At most a
 * quarter of it are lanes to the others, for messages of up to `largest` bytes with the envelope;
 * without room for that there are none. All ranks give the same numbers. NULL if the system does
 * not provide a pool: nothing is lost but speed. The caller frees it. */
c4pi_shared_t *
c4pi_shared_new(c4pi_msgs_t *msgs, int rank, int count, uint64_t bytes, size_t largest);
void c4pi_shared_id(const c4pi_shared_t *shared, c4pi_shared_id_t *id_out);

/* Map the pools of all ranks of this host, ids[0..count), of which one is this rank. False if one
 * of them cannot be mapped; then nobody may use them (the ranks agree on that). */
bool c4pi_shared_open(c4pi_shared_t *shared, const c4pi_shared_id_t *ids, int count);

bool c4pi_shared_has_lanes(const c4pi_shared_t *shared);

/* How many ranks opened their pools to each other, and the number of one of them, 0 <= i < count.
 */
int c4pi_shared_count(const c4pi_shared_t *shared);
int c4pi_shared_rank(const c4pi_shared_t *shared, int i);
/* The i of a rank; -1: it is not on this host. */
int c4pi_shared_index(const c4pi_shared_t *shared, int rank);

/* The writer's end of the lane to rank i of the host, and word to that rank that there is one; to
 * be asked for once. It gets memory as it is used. False: there is none, of which that rank gets
 * word too. */
bool c4pi_shared_lane_to(c4pi_shared_t *shared, int i, c4pi_lane_out_t *out);
/* A rank of the host that has begun to send to this one, each once; -1: no other by now. */
int c4pi_shared_next_caller(c4pi_shared_t *shared);
/* Has a rank of this host asked for a lane to this one in vain? */
bool c4pi_shared_has_strays(const c4pi_shared_t *shared);
/* The reader's end of its lane. */
void c4pi_shared_lane_from(const c4pi_shared_t *shared, int i, c4pi_lane_in_t *in);

/* True for the first of the ranks that opened their pools to each other that asks, also if it lives
 * no more when others ask. */
bool c4pi_shared_claim_report(c4pi_shared_t *shared);

/* This process is about to fork: give the received messages that are alive memory of its own, in
 * the same places, so that parent and child do not see each other's writes and reference counts.
 * False if there was no memory for some. */
bool c4pi_shared_before_fork(c4pi_shared_t *shared);

/* Unmaps, unless messages in the pools are still alive. NULL is fine. */
void c4pi_shared_free(c4pi_shared_t *shared);

/* Copy msg, segments and all, into a block for rank `dest`. False if dest is on another host or
 * there is no room; then nothing happened. *place_out is for c4pi_shared_take(). msg stays the
 * caller's. */
bool c4pi_shared_put(c4pi_shared_t *shared, int dest, const c4p_msg_t *msg, uint64_t *place_out);

/* The message that rank `source` has put there, as one of ours with one owner; dropping it gives
 * the block back to its rank. NULL if there can be none at this place. */
c4p_msg_t *c4pi_shared_take(c4pi_shared_t *shared, int source, uint64_t place);

#endif
