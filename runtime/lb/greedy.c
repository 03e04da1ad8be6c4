/* SPDX-License-Identifier: Apache-2.0 */
/* greedy.c: greedy and greedy-refine.
 *
 * greedy: objects by descending load, each to the rank where it ends earliest ("longest processing
 * time first"). Source: R. L. Graham, Bounds on multiprocessing timing anomalies, SIAM J. Appl.
 * Math. 17 (1969); GreedyLB of Charm++. Guarantee, for ranks of one speed without background load:
 * the maximum is at most 4/3 - 1/(3P) times the least possible one. Moves nearly everything.
 *
 * greedy-refine: the same pass, but an object stays while its rank stays within (1 + tolerance)
 * times greedy's maximum. Source: GreedyRefineLB of Charm++. Guarantee: its maximum is at most
 * that.
 *
 * Cost O(n log n + n log P). */
#include <string.h>

#include "lb/ranks.h"
#include "lb/task.h"

typedef struct greedy {
    c4pi_lb_task_t *task;
    const uint32_t *order;
    c4pi_lb_ranks_t ranks, empty;
} greedy_t;

/* Place everything anew; what stays below `keep_below` where it is stays. Returns the maximum. */
static double
place_all(greedy_t *greedy, double keep_below, int *place)
{
    const c4pi_lb_task_t *task = greedy->task;
    c4pi_lb_ranks_t *ranks = &greedy->ranks;
    c4pi_lb_ranks_copy(ranks, &greedy->empty);
    for (size_t i = 0; i < task->n; i++) {
        uint32_t object = greedy->order[i];
        double load = task->load[object];
        int rank = task->from[object];
        if (rank < 0 || !(c4pi_lb_ranks_with(ranks, rank, load) <= keep_below))
            rank = c4pi_lb_ranks_best(ranks, load, 0);
        place[object] = rank;
        c4pi_lb_ranks_add(ranks, rank, load, 0);
    }
    return c4pi_lb_ranks_most(ranks);
}

static c4p_status_t
greedy_begin(greedy_t *greedy, c4pi_lb_task_t *task)
{
    greedy->task = task;
    greedy->order = c4pi_lb_heaviest_first(task);
    c4p_status_t st = c4pi_lb_ranks_new(task, NULL, &greedy->empty);
    if (st == C4P_OK)
        st = c4pi_lb_ranks_new(task, NULL, &greedy->ranks);
    return greedy->order ? st : C4P_ERR_NOMEM;
}

c4p_status_t
c4pi_lb_greedy(c4pi_lb_task_t *task)
{
    greedy_t greedy;
    c4p_status_t st = greedy_begin(&greedy, task);
    if (st == C4P_OK)
        place_all(&greedy, -1, task->plan);
    return st;
}

/* Objects that could not stay come last and may end above the limit; the less is kept, the more the
 * pass resembles greedy's, which is within the limit. */
c4p_status_t
c4pi_lb_greedy_refine(c4pi_lb_task_t *task)
{
    greedy_t greedy;
    c4p_status_t st = greedy_begin(&greedy, task);
    int *pure = c4pi_lb_new(task, task->n, sizeof(*pure));
    if (st != C4P_OK || !pure)
        return C4P_ERR_NOMEM;
    double limit = (1 + C4PI_LB_TOLERANCE) * place_all(&greedy, -1, pure);
    for (int quarters = 4; quarters > 0; quarters--) {
        if (place_all(&greedy, limit * quarters / 4, task->plan) <= limit)
            return C4P_OK;
    }
    memcpy(task->plan, pure, task->n * sizeof(int));
    return C4P_OK;
}
