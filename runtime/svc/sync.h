/* SPDX-License-Identifier: Apache-2.0 */
/* sync.h: synchronization points. A rank is ready when all participants that live there wait; the
 * point is reached when two successive waves over all ranks found every rank ready, as many
 * participants arrived as left, and both numbers unchanged: then none is under way, and none has
 * been missed. (Four counters, as for quiescence.)
 *
 * An element that begins to take part after its rank has answered the deciding wave was not counted
 * and waits for the next point: it may know of others that were not counted either.
 *
 * Waves are asked for by hints, which travel up the tree of ranks and are combined: a rank gives
 * one when it is ready and so are the sub-trees of which the last wave found that they were not,
 * and when a sub-tree has given one since it answered. A wrong or late hint costs a wave. When all
 * are ready but somebody is under way, a hint comes from where it arrives. Per point in the steady
 * state: P-1 hints, two waves of 2(P-1), P-1 messages to go on. Pump thread only. */
#ifndef C4PI_SYNC_H
#define C4PI_SYNC_H

#include <c4p/sync.h>

#include "core/collection.h"

c4p_status_t c4pi_sync_new(c4p_rt_t *rt);
void c4pi_sync_attach(c4p_rt_t *rt); /* the ranks are known */
void c4pi_sync_free(c4p_rt_t *rt);

/* Participants are to be made, by this rank's wish: until they are, they are under way. */
void c4pi_sync_made(c4p_rt_t *rt, uint64_t count);
/* One of these is no participant after all. */
void c4pi_sync_not_made(c4p_rt_t *rt);
/* One of these has been made. */
void c4pi_sync_born(c4pi_elem_t *elem);
/* An element takes part from now on of its own accord. */
void c4pi_sync_join(c4pi_elem_t *elem);
/* C4P_ERR_STATE if it does not take part, or is being unpacked; C4P_ERR_BUSY if it waits already.
 */
c4p_status_t c4pi_sync_wait(c4pi_elem_t *elem, c4p_entry_t entry);

/* What of it a participant takes along. */
void c4pi_sync_put(const c4pi_elem_t *elem, c4p_pup_t *p);
void c4pi_sync_get(c4pi_elem_t *elem, c4p_pup_t *p);
/* A local participant is about to be removed because it moves, or has died; or has arrived and
 * lives. Nothing for others. */
void c4pi_sync_left(c4pi_elem_t *elem, bool moves);
void c4pi_sync_arrived(c4pi_elem_t *elem);
/* It has arrived and leaves again, and is never seen to live here. */
void c4pi_sync_passes(c4pi_elem_t *elem);

/* Rank 0: the point has been reached and what was to be done at it is done: all go on. */
void c4pi_sync_resume(c4p_rt_t *rt);

/* Rank 0, when the point has been reached: seconds that elements of the busiest rank, and of each
 * rank on average, have worked since the last one, where that is measured. */
void c4pi_sync_loads(const c4p_rt_t *rt, double *max_out, double *mean_out);

/* For the stall report: participants that wait while others do not. Returns how many; report may be
 * NULL. */
uint64_t c4pi_sync_list(c4p_rt_t *rt, struct c4p_report *report);

#endif
