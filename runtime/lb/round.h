/* SPDX-License-Identifier: Apache-2.0 */
/* round.h: balancing rounds of a running job. At a synchronization point (svc/sync.h) every rank
 * sends rank 0 what its movable participants used since the last round; rank 0 asks the strategy
 * for a plan, judges it, and sends each rank its moves and how many objects it will get. A rank is
 * done when it has sent away what it should and as many have come, or word that they do not come;
 * when all are, the point is over. Costs O(objects) at rank 0 and 3 P messages; nothing at points
 * that pass without a round (lb/period.h). Pump thread only. */
#ifndef C4PI_ROUND_H
#define C4PI_ROUND_H

#include <c4p/balance.h>

#include "core/collection.h"
#include "lb/lb.h"

c4p_status_t c4pi_round_new(c4p_rt_t *rt);
void c4pi_round_free(c4p_rt_t *rt);

/* A strategy of the program's own. C4P_ERR_EXISTS for a name that is taken. */
c4p_status_t c4pi_round_add(c4p_rt_t *rt, const char *name, c4p_lb_fn_t fn, void *ctx);
/* As c4p_lb_use(). */
c4p_status_t c4pi_round_use(c4p_rt_t *rt, const char *names);
c4p_status_t c4pi_round_predict(c4p_rt_t *rt, const char *predictor);
void c4pi_round_period(c4p_rt_t *rt, uint64_t points);
void c4pi_round_speed(c4p_rt_t *rt, double speed); /* 0: measure it */
void c4pi_round_look(c4p_rt_t *rt, c4p_lb_view_fn_t fn, void *ctx);
void c4pi_round_hear(c4p_rt_t *rt, c4p_lb_round_fn_t fn, void *ctx);

#endif
