/* SPDX-License-Identifier: Apache-2.0 */
/* lb.h: the built-in strategies of load balancing: names, running one, judging a plan. A strategy
 * sees a view and answers with a plan (c4p/balance.h); it sends nothing and knows no runtime. The
 * answer depends on the view alone. */
#ifndef C4PI_LB_H
#define C4PI_LB_H

#include <c4p/balance.h>

#include "base/port.h"

typedef struct c4pi_lb_builtin c4pi_lb_builtin_t;

/* By number; NULL past the last. */
const c4pi_lb_builtin_t *c4pi_lb_builtin(int i);
/* By a name as users write it; NULL if there is none. */
const c4pi_lb_builtin_t *c4pi_lb_find(const char *name);
const char *c4pi_lb_name(const c4pi_lb_builtin_t *strategy);
/* Whether it needs to know who talks to whom. */
bool c4pi_lb_needs_edges(const c4pi_lb_builtin_t *strategy);
const char *c4pi_lb_what(const c4pi_lb_builtin_t *strategy);
/* Whether it moves objects for the sake of moving, and its plans are not to be judged. */
bool c4pi_lb_just_moves(const c4pi_lb_builtin_t *strategy);

/* As c4p_lb_check(); strategy may be NULL. */
c4p_status_t
c4pi_lb_check(const c4pi_lb_builtin_t *strategy, const c4p_lb_view_t *view, const char **why_out);
/* As c4p_lb_run(), with memory from this port; all of it is given back. */
c4p_status_t c4pi_lb_run(c4pi_port_t *port, const c4pi_lb_builtin_t *strategy,
                         const c4p_lb_view_t *view, int *plan);
/* As c4p_lb_judge(), of a view that is consistent. */
c4p_status_t c4pi_lb_judge(c4pi_port_t *port, const c4p_lb_view_t *view, const int *plan,
                           c4p_lb_worth_t *worth_out);

#endif
