/* SPDX-License-Identifier: Apache-2.0 */
/* bisection.c: recursive coordinate bisection: cut the objects across their longest side so that
 * both parts suit the halves of the ranks, and so on.
 *
 * Source: M. J. Berger and S. H. Bokhari, A partitioning strategy for nonuniform problems on
 * multiprocessors, IEEE Trans. Comput. C-36 (1987); OrbLB of Charm++. Cost O(n log P) expected.
 * Guarantee: each rank's objects lie in a box of their own (equal coordinates are told apart by the
 * object's number); each cut is off by at most half of one object's load. */
#include "lb/task.h"

typedef struct bisect {
    c4pi_lb_task_t *task;
    const double *coords;
    size_t dims;
    double *share; /* [num_ranks + 1] load that ranks before this one should have */
    uint32_t *item;
} bisect_t;

/* The longest side of the box around some objects. */
static size_t
longest_side(const bisect_t *bisect, size_t begin, size_t end)
{
    size_t longest = 0;
    double length = -1;
    for (size_t d = 0; d < bisect->dims; d++) {
        double low = bisect->coords[bisect->item[begin] * bisect->dims + d], high = low;
        for (size_t i = begin; i < end; i++) {
            double x = bisect->coords[bisect->item[i] * bisect->dims + d];
            low = x < low ? x : low;
            high = x > high ? x : high;
        }
        if (high / 2 - low / 2 > length) { /* halves: the difference may be too large for a double
                                            */
            length = high / 2 - low / 2;
            longest = d;
        }
    }
    return longest;
}

static bool
lies_before(const bisect_t *bisect, size_t d, uint32_t a, uint32_t b)
{
    double x = bisect->coords[a * bisect->dims + d], y = bisect->coords[b * bisect->dims + d];
    return x < y || (x == y && a < b);
}

/* Reorder item[begin..end) so that those before one of them, drawn by chance, come first; returns
 * where that one lands, and in *load_out the load of those before it. */
static size_t
part_at_random(bisect_t *bisect, size_t d, size_t begin, size_t end, double *load_out)
{
    uint32_t *item = bisect->item;
    size_t drawn = begin + c4pi_lb_random_below(bisect->task, end - begin), at = begin;
    uint32_t pivot = item[drawn];
    double load = 0;
    item[drawn] = item[end - 1];
    for (size_t i = begin; i + 1 < end; i++) {
        uint32_t here = item[i];
        if (lies_before(bisect, d, here, pivot)) {
            load += bisect->task->load[here];
            item[i] = item[at];
            item[at++] = here;
        }
    }
    item[end - 1] = item[at];
    item[at] = pivot;
    *load_out = load;
    return at;
}

/* Where to cut item[begin..end) so that the first part has about this load; reorders them. */
static size_t
cut_at(bisect_t *bisect, size_t d, size_t begin, size_t end, double wanted)
{
    while (begin < end) {
        double before, own;
        size_t middle = part_at_random(bisect, d, begin, end, &before);
        own = bisect->task->load[bisect->item[middle]];
        if (before + own / 2 > wanted) {
            end = middle;
        } else {
            wanted -= before + own;
            begin = middle + 1;
        }
    }
    return begin;
}

/* Objects item[begin..end) to ranks low .. high - 1. As deep as the logarithm of the ranks. */
static void
divide(bisect_t *bisect, size_t begin, size_t end, int low, int high)
{
    const c4pi_lb_task_t *task = bisect->task;
    if (begin == end)
        return;
    if (high - low == 1) {
        for (size_t i = begin; i < end; i++)
            task->plan[bisect->item[i]] = low;
        return;
    }
    int middle = low + (high - low) / 2;
    double load = 0, all = bisect->share[high] - bisect->share[low];
    double part = all > 0 ? (bisect->share[middle] - bisect->share[low]) / all : 0.5;
    for (size_t i = begin; i < end; i++)
        load += task->load[bisect->item[i]];
    size_t d = longest_side(bisect, begin, end);
    size_t cut = cut_at(bisect, d, begin, end, part * load);
    divide(bisect, begin, cut, low, middle);
    divide(bisect, cut, end, middle, high);
}

c4p_status_t
c4pi_lb_bisection(c4pi_lb_task_t *task)
{
    bisect_t bisect = {
        .task = task, .coords = task->view->coords, .dims = (size_t)task->view->num_coords};
    bisect.share = c4pi_lb_new(task, (size_t)task->num_ranks + 1, sizeof(*bisect.share));
    bisect.item = c4pi_lb_new(task, task->n, sizeof(*bisect.item));
    if (!bisect.share || !bisect.item)
        return C4P_ERR_NOMEM;
    bisect.share[0] = 0;
    for (int r = 0; r < task->num_ranks; r++) {
        double free = task->ideal / task->slowness[r] - task->background[r];
        bisect.share[r + 1] = bisect.share[r] + (free > 0 ? free : 0);
    }
    for (size_t i = 0; i < task->n; i++)
        bisect.item[i] = (uint32_t)i;
    divide(&bisect, 0, task->n, 0, task->num_ranks);
    return C4P_OK;
}
