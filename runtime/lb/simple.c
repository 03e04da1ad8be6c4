/* SPDX-License-Identifier: Apache-2.0 */
/* simple.c: strategies that do not look at loads: none, rotate, random. The last two move (nearly)
 * everything and exist to test programs: one that survives them may move at any time.
 * Source: DummyLB, RotateLB and RandCentLB of Charm++. Cost O(n). */
#include "lb/task.h"

c4p_status_t
c4pi_lb_none(c4pi_lb_task_t *task)
{
    (void)task;
    return C4P_OK;
}

c4p_status_t
c4pi_lb_rotate(c4pi_lb_task_t *task)
{
    for (size_t i = 0; i < task->n; i++)
        task->plan[i] = task->from[i] + 1 < task->num_ranks ? task->from[i] + 1 : 0;
    return C4P_OK;
}

/* Which ranks depends on the seed and the round. */
c4p_status_t
c4pi_lb_random_places(c4pi_lb_task_t *task)
{
    for (size_t i = 0; i < task->n; i++)
        task->plan[i] = (int)c4pi_lb_random_below(task, (size_t)task->num_ranks);
    return C4P_OK;
}
