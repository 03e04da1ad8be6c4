/* SPDX-License-Identifier: Apache-2.0 */
/* pump.h: the scheduler loop: poll the network, run ready messages, fire timers, wait politely when
 * there is nothing to do. Idle: spin while messages were seen within the last millisecond, then
 * yield, after a second without any sleep up to 1 ms at a time; with more ranks than CPUs yield at
 * once. Pump thread only. */
#ifndef C4PI_PUMP_H
#define C4PI_PUMP_H

#include "core/rt.h"

/* One turn: poll, then run at most max_msgs; *ran_out says how many. Returns how many messages
 * arrived or ran. */
uint32_t c4pi_pump_turn(c4p_rt_t *rt, uint32_t max_msgs, uint32_t *ran_out);

/* Turns until max_msgs have run, rt->stop, or the end of the job. Returns how many ran. */
uint64_t c4pi_pump_run(c4p_rt_t *rt, uint64_t max_msgs);

/* Arrived message: count it and call its kind's handler. The flow's upcall; ctx is the runtime. */
void c4pi_pump_deliver(void *ctx, c4p_msg_t *msg);

/* ---- timers ----------------------------------------------------------------------------------- */

c4p_status_t c4pi_timers_new(c4pi_port_t *port, c4pi_timers_t **timers_out);
void c4pi_timers_free(c4pi_timers_t *timers);
c4p_status_t c4pi_timer_add(c4p_rt_t *rt, uint64_t delay_ns, bool internal, c4p_fn_t fn, void *ctx,
                            uint64_t *id_out);
bool c4pi_timer_cancel(c4p_rt_t *rt, uint64_t id);
/* Timers of the user's that have not fired: they may wake something up. */
uint64_t c4pi_timers_pending(const c4p_rt_t *rt);
/* When the earliest timer of any sort is due; UINT64_MAX: none. */
uint64_t c4pi_timers_next(const c4p_rt_t *rt);
/* Fire what is due. Returns how many. */
uint32_t c4pi_timers_fire(c4p_rt_t *rt);

#endif
