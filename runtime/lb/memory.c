/* SPDX-License-Identifier: Apache-2.0 */
/* memory.c: as greedy-refine, but no rank gets more bytes of objects than it has room for.
 *
 * First a pass by descending load that looks for room, then, if some object finds none, refinement
 * of a placement that is within the limits: the present one, or else one that is found by
 * descending size (first the largest objects, each to the rank with most room). The better of both
 * that keeps the limits is taken; if none does, C4P_ERR_LIMIT. Source: the idea of placement under
 * a memory limit is that of J. Lifflander et al. (see gossip.c). Cost O(n log n + n log P), more
 * where few ranks have room. Guarantees: no limit is exceeded; a placement is found whenever the
 * present one keeps the limits. (Whether there is one at all is as hard as bin packing.) */
#include <string.h>

#include "lb/ranks.h"
#include "lb/refine.h"

typedef struct within {
    c4pi_lb_task_t *task;
    c4pi_lb_ranks_t ranks, empty;
} within_t;

/* Place everything in an order, keeping what stays below `keep_below`; false if something finds no
 * room. */
static bool
place_in_order(within_t *within, const uint32_t *order, double keep_below, int *place)
{
    const c4pi_lb_task_t *task = within->task;
    c4pi_lb_ranks_t *ranks = &within->ranks;
    c4pi_lb_ranks_copy(ranks, &within->empty);
    for (size_t i = 0; i < task->n; i++) {
        uint32_t object = order[i];
        double load = task->load[object];
        uint64_t size = c4pi_lb_size(task, object);
        int rank = task->from[object];
        if (!(c4pi_lb_ranks_with(ranks, rank, load) <= keep_below) ||
            !c4pi_lb_ranks_fits(ranks, rank, size))
            rank = c4pi_lb_ranks_best(ranks, load, size);
        if (rank < 0)
            return false;
        place[object] = rank;
        c4pi_lb_ranks_add(ranks, rank, load, size);
    }
    return true;
}

/* Whether a placement keeps all limits. */
static c4p_status_t
keeps_limits(c4pi_lb_task_t *task, const int *place, bool *keeps_out)
{
    uint64_t *used = c4pi_lb_zeroed(task, (size_t)task->num_ranks, sizeof(*used));
    if (!used)
        return C4P_ERR_NOMEM;
    *keeps_out = true;
    for (size_t i = 0; i < task->n; i++) {
        uint64_t *of = &used[place[i]];
        if (task->bytes[i] > task->memory[place[i]] - *of)
            *keeps_out = false;
        else
            *of += task->bytes[i];
    }
    return C4P_OK;
}

/* The same task with sizes for loads; "time" is what a rank has less room than the roomiest. */
static c4p_status_t
by_size_of(c4pi_lb_task_t *task, c4pi_lb_task_t *by_size)
{
    size_t ranks = (size_t)task->num_ranks;
    double *size = c4pi_lb_new(task, task->n, sizeof(*size));
    double *filled = c4pi_lb_new(task, ranks, sizeof(*filled));
    double *same = c4pi_lb_new(task, ranks, sizeof(*same));
    uint64_t most = 0;
    if (!size || !filled || !same)
        return C4P_ERR_NOMEM;
    for (size_t r = 0; r < ranks; r++)
        most = task->memory[r] > most ? task->memory[r] : most;
    for (size_t r = 0; r < ranks; r++) {
        filled[r] = (double)(most - task->memory[r]);
        same[r] = 1;
    }
    for (size_t i = 0; i < task->n; i++)
        size[i] = (double)task->bytes[i];
    *by_size = *task;
    by_size->load = size;
    by_size->slowness = same;
    by_size->background = filled;
    by_size->ideal = 0; /* no slack */
    return C4P_OK;
}

/* A placement by size alone: the largest first, to where most is left. */
static c4p_status_t
place_by_size(within_t *within, int *place, bool *found_out)
{
    c4pi_lb_task_t by_size;
    within_t other = {.task = &by_size};
    c4p_status_t st = by_size_of(within->task, &by_size);
    if (st != C4P_OK)
        return st;
    uint32_t *order = c4pi_lb_heaviest_first(&by_size);
    st = c4pi_lb_ranks_new(&by_size, NULL, &other.empty);
    if (st == C4P_OK)
        st = c4pi_lb_ranks_new(&by_size, NULL, &other.ranks);
    if (st != C4P_OK || !order)
        return C4P_ERR_NOMEM;
    *found_out = place_in_order(&other, order, -1, place);
    return C4P_OK;
}

/* Refinement of the present placement or, if that breaks a limit, of one by size. */
static c4p_status_t
refine_within(within_t *within, bool *found_out)
{
    c4pi_lb_task_t *task = within->task, again = *task;
    int *start = c4pi_lb_new(task, task->n, sizeof(*start));
    if (!start)
        return C4P_ERR_NOMEM;
    memcpy(start, task->from, task->n * sizeof(int));
    c4p_status_t st = keeps_limits(task, start, found_out);
    if (st == C4P_OK && !*found_out)
        st = place_by_size(within, start, found_out);
    if (st != C4P_OK || !*found_out)
        return st;
    again.from = start;
    return c4pi_lb_refine_to(&again, C4PI_LB_TOLERANCE);
}

/* The pass by descending load, first without and then with keeping what can stay; *most_out is its
 * maximum, negative if it finds no room for something. */
static c4p_status_t
place_by_load(within_t *within, int *place, double *most_out)
{
    c4pi_lb_task_t *task = within->task;
    uint32_t *order = c4pi_lb_heaviest_first(task);
    int *kept = c4pi_lb_new(task, task->n, sizeof(*kept));
    if (!order || !kept)
        return C4P_ERR_NOMEM;
    *most_out = -1;
    if (!place_in_order(within, order, -1, place))
        return C4P_OK;
    *most_out = c4pi_lb_ranks_most(&within->ranks);
    double limit = (1 + C4PI_LB_TOLERANCE) * *most_out;
    for (int half = 2; half > 0; half--) {
        if (place_in_order(within, order, limit * half / 2, kept) &&
            c4pi_lb_ranks_most(&within->ranks) <= limit) {
            *most_out = c4pi_lb_ranks_most(&within->ranks);
            memcpy(place, kept, task->n * sizeof(int));
            break;
        }
    }
    return C4P_OK;
}

c4p_status_t
c4pi_lb_memory(c4pi_lb_task_t *task)
{
    double most;
    bool found = false;
    task->memory = task->view->memory;
    if (!task->memory)
        return c4pi_lb_greedy_refine(task);
    within_t within = {.task = task};
    int *place = c4pi_lb_new(task, task->n, sizeof(*place));
    double *time = c4pi_lb_new(task, (size_t)task->num_ranks, sizeof(*time));
    c4p_status_t st = c4pi_lb_ranks_new(task, NULL, &within.empty);
    if (st == C4P_OK)
        st = c4pi_lb_ranks_new(task, NULL, &within.ranks);
    if (st != C4P_OK || !place || !time)
        return C4P_ERR_NOMEM;
    st = place_by_load(&within, place, &most);
    if (st == C4P_OK && (most < 0 || most > 1.2 * task->ideal))
        st = refine_within(&within, &found);
    if (st != C4P_OK)
        return st;
    if (most < 0 && !found)
        return C4P_ERR_LIMIT;
    if (!found || (most >= 0 && most <= c4pi_lb_times(task, task->plan, time)))
        memcpy(task->plan, place, task->n * sizeof(int));
    return C4P_OK;
}
