/* SPDX-License-Identifier: Apache-2.0 */
/* refine.h: refinement as a step of other strategies. */
#ifndef C4PI_LB_REFINE_H
#define C4PI_LB_REFINE_H

#include "lb/task.h"

/* Few moves from task->from to task->plan, until the maximum is within (1 + tolerance) times the
 * ideal or cannot be brought lower this way; it never rises. */
c4p_status_t c4pi_lb_refine_to(c4pi_lb_task_t *task, double tolerance);

#endif
