/* SPDX-License-Identifier: Apache-2.0 */
/* load.h: what each element does: how long its entry methods run, in processor time of this thread,
 * so that ranks that share a core are not taken for slow objects. The clock of processor time costs
 * ten times as much as the other: each entry method is timed by the cheap one, and what a window of
 * them (200 us or 32 of them) shows to have been lost to other processes is taken off again, from
 * each its share. What participants in synchronization points send is counted too (lb/talk.h). Off
 * (rt->load is NULL) it costs a branch per entry method. Pump thread only. */
#ifndef C4PI_LOAD_H
#define C4PI_LOAD_H

#include "core/collection.h"

/* Begin or end measuring; what was measured before stays with the elements. */
c4p_status_t c4pi_load_on(c4p_rt_t *rt);
void c4pi_load_off(c4p_rt_t *rt);

/* From now on the time is this element's; NULL: nobody's. Only while rt->load is not NULL. */
void c4pi_load_switch(c4p_rt_t *rt, c4pi_elem_t *elem);
/* The rank is about to give up its core, or has come back. Likewise. */
void c4pi_load_pause(c4p_rt_t *rt);
void c4pi_load_resume(c4p_rt_t *rt);
/* The element is about to be removed. Likewise. */
void c4pi_load_forget(c4p_rt_t *rt, c4pi_elem_t *elem);

/* What an element did since this was asked last. */
c4pi_work_t c4pi_load_take(c4pi_elem_t *elem);

/* All time of elements on this rank since the last c4pi_load_next_point(), in nanoseconds; 0 if it
 * is not measured. */
uint64_t c4pi_load_of_rank(c4p_rt_t *rt);
void c4pi_load_next_point(c4p_rt_t *rt);

#endif
