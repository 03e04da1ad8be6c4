/* SPDX-License-Identifier: Apache-2.0 */
/* handler.h: messages to C functions on ranks, and posted functions. Pump thread only. */
#ifndef C4PI_HANDLER_H
#define C4PI_HANDLER_H

#include <c4p/send.h>

#include "core/rt.h"

void c4pi_handler_init(c4p_rt_t *rt);

/* Run a handler on one rank, from the queue if it is this one. Takes over one owner. */
void c4pi_handler_send(c4p_rt_t *rt, int rank, c4p_handler_t handler, c4p_msg_t *msg);
/* On all ranks, down the tree rooted here. Takes over one owner. */
void c4pi_handler_bcast(c4p_rt_t *rt, c4p_handler_t handler, c4p_msg_t *msg);
/* Run fn(rt, ctx) from the queue. */
void c4pi_post(c4p_rt_t *rt, c4p_fn_t fn, void *ctx);

#endif
