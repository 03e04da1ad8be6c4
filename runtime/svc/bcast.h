/* SPDX-License-Identifier: Apache-2.0 */
/* bcast.h: broadcasts to a collection as one numbered stream, and who waits for their completion.
 *
 * The root (the creator's rank) numbers broadcasts; they go down a tree of ranks, so every rank has
 * a contiguous prefix of the stream and keeps a log of it. B1: an element runs exactly bcast_next,
 * bcast_next + 1, ...; the number travels with it when it moves. B2: a rank runs number s on its
 * elements whose turn it is; an element that arrives behind catches up from the log. B3: a log
 * entry is freed only when no element anywhere needs it: the root learns the minimum of all
 * bcast_next in a wave up the tree. In that wave each rank also covers the elements that it sent
 * away or inserted and that had not arrived at any time since its previous report, because the
 * destination may have reported before the arrival and the source after the acknowledgement. Groups
 * cannot move: their logs are pruned locally.
 *
 * Completion: ranks add up how many executions of a number finished, never judge; the root compares
 * with the population, or, once elements were inserted, with the number of executions started,
 * which is final when a wave's minimum has passed the number. Pump thread only. */
#ifndef C4PI_BCAST_H
#define C4PI_BCAST_H

#include <c4p/collective.h>

#include "core/collection.h"
#include "core/dispatch.h"

void c4pi_bcast_init(c4p_rt_t *rt);
void c4pi_bcast_fini(c4p_rt_t *rt);
c4p_status_t c4pi_bcast_new(c4pi_coll_t *coll);
void c4pi_bcast_free(c4pi_coll_t *coll);

/* Hand a complete BCAST_UP message (entry, payload, waiter) to the root. */
void c4pi_bcast_send(c4p_rt_t *rt, c4p_msg_t *msg);
/* The waiter of a broadcast travels in the envelope's key. */
static inline void
c4pi_bcast_set_waiter(c4p_msg_t *msg, c4p_future_t future, c4p_bcast_reply_t how)
{
    msg->env.key.w[0] = future;
    msg->env.key.w[1] = (uint64_t)how;
}

/* The number a new element starts with: everything this rank has not seen yet. */
uint64_t c4pi_bcast_first(const c4pi_coll_t *coll);
/* This rank joins the stream at number have, before any element is here. */
void c4pi_bcast_begin(c4pi_coll_t *coll, uint64_t have);
/* It has a new child, the bit-th, which begins with the next number. */
void c4pi_bcast_adopted(c4pi_coll_t *coll, int bit);
/* An element of a fixed collection is here no more: nothing waits for it. */
void c4pi_bcast_gone(c4pi_coll_t *coll);
/* A local element became live: run what it has missed. */
void c4pi_bcast_catch_up(c4pi_elem_t *elem);

/* An element leaves for another rank, or its insertion leaves: it must be covered until
 * c4pi_bcast_arrived(). version: of the move; for an insertion a ticket of this rank's with epoch
 * 0. */
void
c4pi_bcast_departed(c4pi_coll_t *coll, c4p_key_t key, c4pi_version_t version, uint64_t bcast_next);
void c4pi_bcast_arrived(c4pi_coll_t *coll, c4p_key_t key, c4pi_version_t version);

/* Creation as something awaited: this rank makes `count` elements; `future` is told when all ranks
 * are done. */
void c4pi_await_creation(c4pi_coll_t *coll, c4p_future_t future);
/* All local constructors were started. */
void c4pi_await_creation_started(c4pi_coll_t *coll, uint64_t count);

/* One execution of broadcast `number` (or constructor, C4PI_REPLY_CREATION) finished. Borrows
 * value. */
void c4pi_bcast_finished(c4pi_coll_t *coll, uint64_t number, c4p_key_t member, c4p_msg_t *value,
                         bool is_error);

/* For an execution that will be answered on another rank: a future of this one that brings the
 * answer here. `reply` is that of a broadcast to a collection known here. */
c4p_future_t c4pi_bcast_hear(c4p_rt_t *rt, const c4p_reply_t *reply);

/* A local element died. */
void c4pi_bcast_died(c4pi_coll_t *coll);

/* Root: the first insertion or deletion passed: the population is no longer what it was made with.
 */
void c4pi_bcast_population_changed(c4pi_coll_t *coll);

/* How many broadcasts this rank keeps; *moving_io grows by the elements on their way for which it
 * does. */
uint64_t c4pi_bcast_kept(const c4pi_coll_t *coll, uint64_t *moving_io);

/* For the stall report: awaited broadcasts that this root has not completed. Returns how many;
 * report may be NULL. */
uint64_t c4pi_bcast_list(c4pi_coll_t *coll, struct c4p_report *report);

#endif
