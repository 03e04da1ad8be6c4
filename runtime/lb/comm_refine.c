/* SPDX-License-Identifier: Apache-2.0 */
/* comm_refine.c: refine, preferring ranks that an object talks to; then objects move, one at a
 * time, to the rank that they exchange most bytes with, if that is more than with their own and its
 * time stays within the limit.
 *
 * Source: the gain of B. W. Kernighan and S. Lin, An efficient heuristic procedure for partitioning
 * graphs, Bell Syst. Tech. J. 49 (1970), for single moves as in RefineCommLB of Charm++. Cost
 * O(edges) for each of at most 12 passes. Guarantees: the maximum is at most the greater of
 * refine's and (1 + 5 %) times the ideal; each move of the second step lowers the bytes between
 * ranks. A local optimum: two objects that would have to change places stay. */
#include "lb/ranks.h"
#include "lb/task.h"

#define ROOM_FOR_TALK 0.05
enum { MOST_PASSES = 12 };

typedef struct gather {
    const c4p_lb_view_t *view;
    c4pi_lb_ranks_t ranks;
    uint64_t *talk; /* of the object at hand, to each rank; all 0 between objects */
    double limit;
} gather_t;

/* Where an object should be; its own rank if no other is better. */
static int
best_place(const gather_t *gather, const int *place, size_t object, double load)
{
    const c4p_lb_view_t *view = gather->view;
    int own = place[object], best = own;
    for (size_t e = view->edge_first[object]; e < view->edge_first[object + 1]; e++) {
        int rank = place[view->edge_to[e]];
        if (gather->talk[rank] > gather->talk[best] &&
            c4pi_lb_ranks_with(&gather->ranks, rank, load) <= gather->limit)
            best = rank;
    }
    return best;
}

static bool
gather_one(gather_t *gather, int *place, size_t object, double load)
{
    const c4p_lb_view_t *view = gather->view;
    int own = place[object];
    size_t begin = view->edge_first[object], end = view->edge_first[object + 1];
    for (size_t e = begin; e < end; e++) {
        if (view->edge_to[e] != object)
            gather->talk[place[view->edge_to[e]]] += view->edge_bytes[e];
    }
    int best = best_place(gather, place, object, load);
    for (size_t e = begin; e < end; e++)
        gather->talk[place[view->edge_to[e]]] = 0;
    if (best == own)
        return false;
    c4pi_lb_ranks_remove(&gather->ranks, own, load, 0);
    c4pi_lb_ranks_add(&gather->ranks, best, load, 0);
    place[object] = best;
    return true;
}

/* Gather what talks, from task->plan on. */
static c4p_status_t
gather_all(c4pi_lb_task_t *task, double limit)
{
    gather_t gather = {.view = task->view, .limit = limit};
    gather.talk = c4pi_lb_zeroed(task, (size_t)task->num_ranks, sizeof(*gather.talk));
    c4p_status_t st = c4pi_lb_ranks_new(task, task->plan, &gather.ranks);
    if (st != C4P_OK || !gather.talk)
        return C4P_ERR_NOMEM;
    for (int pass = 0; pass < MOST_PASSES; pass++) {
        size_t moved = 0;
        for (size_t k = 0; k < task->n; k++) {
            size_t object = pass % 2 ? task->n - 1 - k : k;
            moved += gather_one(&gather, task->plan, object, task->load[object]);
        }
        if (moved <= task->n / 1000)
            break;
    }
    return C4P_OK;
}

c4p_status_t
c4pi_lb_comm_refine(c4pi_lb_task_t *task)
{
    double *time = c4pi_lb_new(task, (size_t)task->num_ranks, sizeof(*time));
    if (!time)
        return C4P_ERR_NOMEM;
    c4p_status_t st = c4pi_lb_refine(task);
    if (st != C4P_OK)
        return st;
    double refined = c4pi_lb_times(task, task->plan, time);
    double room = (1 + ROOM_FOR_TALK) * task->ideal;
    return gather_all(task, refined > room ? refined : room);
}
