/* SPDX-License-Identifier: Apache-2.0 */
/* talk.h: what participants in synchronization points send: how many messages and bytes, and, when
 * asked, to whom. Counted where a call is made, so that the two ends are the true ones, whatever
 * forwards the message or stands for a member of a section. Bytes are those of the payload; of what
 * travels by reference, an estimate.
 *
 * Without it a send costs nothing: it is reached through the test that also guards insertions
 * (c4pi_coll_guard()). Pairs take at most 8 MiB on a rank: when there are more, a sample of them is
 * kept, half as dense each time, by a hash of the two ends, and those are counted in full. Replies,
 * results of reductions and broadcasts to whole arrays are between no two chares and not recorded.
 * Pump thread only. */
#ifndef C4PI_TALK_H
#define C4PI_TALK_H

#include "core/collection.h"
#include "msg/pup.h"

enum { C4PI_TALK_MOST = 65536 }; /* pairs */

/* A sender and whom it called, as they travel. */
typedef struct c4pi_talk_row {
    c4p_ref_t from, to;
    uint64_t whole; /* 1: all members of to.coll were called */
    uint64_t messages, bytes;
} c4pi_talk_row_t;

/* Begin or end recording pairs; they are recorded while load is measured (core/load.h). */
c4p_status_t c4pi_talk_on(c4p_rt_t *rt);
void c4pi_talk_off(c4p_rt_t *rt);

/* The chare that runs now calls an element, or all of a collection. Only while rt->load is not
 * NULL. */
void c4pi_talk_sent(c4p_rt_t *rt, c4p_ref_t to, bool whole, const c4p_msg_t *msg);

/* Append all pairs and forget them; returns how many. 0 if none are recorded. */
uint64_t c4pi_talk_take(c4p_rt_t *rt, c4p_pup_t *p);

#endif
