/* SPDX-License-Identifier: Apache-2.0 */
/* refine.c: take from ranks above a threshold just enough, and give it to ranks where it stays
 * below; the lowest threshold for which that works is found by bisection, but not below (1 +
 * tolerance) times the ideal. From a rank goes the smallest object that alone brings it below,
 * otherwise the largest that fits elsewhere. Where objects are too large for that, greedy-refine
 * may do better by more moves; then its plan is taken.
 *
 * Source: RefineLB of Charm++. Cost O(n log n) once and O((moved + P) log P) for each of at most 20
 * thresholds. Guarantees: the maximum does not rise; nothing moves when it is within tolerance;
 * unless greedy-refine takes over ranks below the threshold lose nothing; refine_to() keeps limits
 * of memory that all ranks keep now.
 */
#include <string.h>

#include "lb/ranks.h"
#include "lb/refine.h"

enum { MOST_STEPS = 20 };
#define WORTH_MORE_MOVES 0.02 /* of the ideal time */

typedef struct refine {
    c4pi_lb_task_t *task;
    c4pi_lb_lists_t lists;   /* of each rank, heaviest first */
    const uint32_t *busiest; /* ranks by descending time */
    c4pi_lb_ranks_t start, ranks;
    int *place;
} refine_t;

/* But for rounding. */
static bool
is_within(const refine_t *refine, int rank, double threshold)
{
    return c4pi_lb_ranks_time(&refine->ranks, rank) <= threshold * (1 + 1e-12);
}

/* Move an object away if some rank can take it. */
static bool
give_away(refine_t *refine, uint32_t object, double threshold)
{
    double load = refine->task->load[object];
    uint64_t size = c4pi_lb_size(refine->task, object);
    int from = refine->place[object];
    int to = c4pi_lb_ranks_best(&refine->ranks, load, size);
    if (to < 0 || to == from || !(c4pi_lb_ranks_with(&refine->ranks, to, load) <= threshold))
        return false;
    c4pi_lb_ranks_remove(&refine->ranks, from, load, size);
    c4pi_lb_ranks_add(&refine->ranks, to, load, size);
    refine->place[object] = to;
    return true;
}

/* The number of objects, of those sorted by descending load, that are at least so heavy. */
static size_t
count_heavier(const double *load, const uint32_t *item, size_t n, double least)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (load[item[middle]] >= least)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Bring one rank to the threshold; false if that fails. What fits nowhere now will not fit later:
 * times of ranks below the threshold only grow. */
static bool
relieve(refine_t *refine, int rank, double threshold)
{
    const c4pi_lb_task_t *task = refine->task;
    size_t at = refine->lists.first[rank], end = refine->lists.first[rank + 1];
    const uint32_t *item = refine->lists.item;
    while (at < end && !is_within(refine, rank, threshold)) {
        double excess = c4pi_lb_ranks_time(&refine->ranks, rank) - threshold;
        size_t heavier =
            count_heavier(task->load, item + at, end - at, excess / task->slowness[rank]);
        if (heavier) {
            at += heavier;
            if (give_away(refine, item[at - 1], threshold))
                break;
        }
        if (at < end) {
            give_away(refine, item[at], threshold);
            at++;
        }
    }
    return is_within(refine, rank, threshold);
}

static bool
attempt(refine_t *refine, double threshold)
{
    c4pi_lb_ranks_copy(&refine->ranks, &refine->start);
    memcpy(refine->place, refine->task->from, refine->task->n * sizeof(int));
    for (int i = 0; i < refine->task->num_ranks; i++) {
        int rank = (int)refine->busiest[i];
        if (c4pi_lb_ranks_time(&refine->start, rank) <= threshold)
            return true;
        if (!relieve(refine, rank, threshold))
            return false;
    }
    return true;
}

static c4p_status_t
refine_begin(refine_t *refine, c4pi_lb_task_t *task)
{
    size_t ranks = (size_t)task->num_ranks;
    *refine = (refine_t){.task = task};
    uint32_t *order = c4pi_lb_heaviest_first(task);
    uint64_t *keys = c4pi_lb_new(task, ranks, sizeof(*keys));
    refine->place = c4pi_lb_new(task, task->n, sizeof(*refine->place));
    if (!order || !keys || !refine->place)
        return C4P_ERR_NOMEM;
    c4p_status_t st = c4pi_lb_lists_new(task, task->from, order, &refine->lists);
    if (st == C4P_OK)
        st = c4pi_lb_ranks_new(task, task->from, &refine->start);
    if (st == C4P_OK)
        st = c4pi_lb_ranks_new(task, task->from, &refine->ranks);
    if (st != C4P_OK)
        return st;
    for (int r = 0; r < task->num_ranks; r++) {
        double time = c4pi_lb_ranks_time(&refine->start, r);
        memcpy(&keys[r], &time, sizeof(time));
        keys[r] = ~keys[r];
    }
    refine->busiest = c4pi_lb_sort(task, keys, ranks);
    return refine->busiest ? C4P_OK : C4P_ERR_NOMEM;
}

c4p_status_t
c4pi_lb_refine_to(c4pi_lb_task_t *task, double tolerance)
{
    refine_t refine;
    c4p_status_t st = refine_begin(&refine, task);
    if (st != C4P_OK)
        return st;
    double low = (1 + tolerance) * task->ideal;
    double high = c4pi_lb_ranks_most(&refine.start); /* reached by moving nothing */
    double threshold = low;
    memcpy(task->plan, task->from, task->n * sizeof(int));
    for (int step = 0; low < high && step < MOST_STEPS; step++) {
        if (attempt(&refine, threshold)) {
            memcpy(task->plan, refine.place, task->n * sizeof(int));
            high = threshold;
        } else {
            low = threshold;
        }
        if (high - low < 0.002 * task->ideal)
            break;
        threshold = low + (high - low) / 2;
    }
    return C4P_OK;
}

c4p_status_t
c4pi_lb_refine(c4pi_lb_task_t *task)
{
    c4pi_lb_task_t again = *task;
    c4p_status_t st = c4pi_lb_refine_to(task, C4PI_LB_TOLERANCE);
    double *time = c4pi_lb_new(task, (size_t)task->num_ranks, sizeof(*time));
    if (st != C4P_OK || !time)
        return C4P_ERR_NOMEM;
    double most = c4pi_lb_times(task, task->plan, time) - WORTH_MORE_MOVES * task->ideal;
    if (most <= (1 + C4PI_LB_TOLERANCE) * task->ideal)
        return C4P_OK;
    again.plan = c4pi_lb_new(task, task->n, sizeof(*again.plan));
    if (!again.plan || c4pi_lb_greedy_refine(&again) != C4P_OK)
        return C4P_ERR_NOMEM;
    if (c4pi_lb_times(task, again.plan, time) < most)
        memcpy(task->plan, again.plan, task->n * sizeof(int));
    return C4P_OK;
}
