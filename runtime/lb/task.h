/* SPDX-License-Identifier: Apache-2.0 */
/* task.h: one run of a strategy: the problem in the form that strategies work on, memory that is
 * freed all at once, random numbers, and what several strategies need. Needs no runtime. One
 * thread.
 *
 * Time of a rank = (background + loads of its objects) * slowness. Loads here are those of the view
 * but at least a thousandth of their mean, so that objects that did nothing are spread, too. */
#ifndef C4PI_LB_TASK_H
#define C4PI_LB_TASK_H

#include <c4p/balance.h>

#include "base/port.h"

/* What counts as balanced: this much above the ideal. Refining strategies move nothing to get
 * below. */
#define C4PI_LB_TOLERANCE 0.03

typedef struct c4pi_lb_block c4pi_lb_block_t;

/* A strategy may make tasks within its task (other objects or other ranks); they share the memory.
 */
typedef struct c4pi_lb_task {
    c4pi_port_t *port;
    c4pi_lb_block_t **blocks;  /* everything from c4pi_lb_new() */
    const c4p_lb_view_t *view; /* seed, hosts, coordinates, edges of the whole problem */
    int num_ranks;
    size_t n; /* objects */
    const double *load;
    const int *from; /* [n] rank now; in a task within a task -1: on none of its ranks */
    const double *slowness, *background; /* [num_ranks] */
    const uint64_t *bytes;               /* [n] or NULL */
    const uint64_t *memory;              /* [num_ranks] or NULL: heed no limit */
    double ideal;                        /* time of each rank if work could be cut at will */
    int *plan;                           /* [n] the answer; equals `from` at the start */
    uint64_t random;
} c4pi_lb_task_t;

/* Memory for count items, not cleared, until the run ends; NULL when out of memory or count * size
 * overflows. */
void *c4pi_lb_new(c4pi_lb_task_t *task, size_t count, size_t size);
void *c4pi_lb_zeroed(c4pi_lb_task_t *task, size_t count, size_t size);
void c4pi_lb_release(c4pi_lb_task_t *task); /* everything */

/* Random numbers of this run, from the view's seed alone. */
uint64_t c4pi_lb_random(c4pi_lb_task_t *task);
/* 0 .. n - 1; n > 0. */
size_t c4pi_lb_random_below(c4pi_lb_task_t *task, size_t n);
/* 0 <= x < 1 */
double c4pi_lb_random_unit(c4pi_lb_task_t *task);

/* Set task->ideal from the other fields. */
void c4pi_lb_set_ideal(c4pi_lb_task_t *task);
/* time_out[num_ranks] of a placement; objects at -1 count nowhere. Returns the longest. */
double c4pi_lb_times(const c4pi_lb_task_t *task, const int *place, double *time_out);

/* Indices 0 .. n - 1 by ascending key, equal keys in order; NULL when out of memory. */
uint32_t *c4pi_lb_sort(c4pi_lb_task_t *task, const uint64_t *keys, size_t n);
/* Objects by descending load, equal ones in order; NULL when out of memory. */
uint32_t *c4pi_lb_heaviest_first(c4pi_lb_task_t *task);

/* The objects of each rank: item[first[r]] up to item[first[r + 1] - 1], in the order of `order`
 * (which may be NULL: of the view). Objects at -1 are in no list. */
typedef struct c4pi_lb_lists {
    size_t *first;
    uint32_t *item;
} c4pi_lb_lists_t;

c4p_status_t c4pi_lb_lists_new(c4pi_lb_task_t *task, const int *place, const uint32_t *order,
                               c4pi_lb_lists_t *lists_out);

/* What an object takes from the room of a rank; 0 when no limit is heeded. */
static inline uint64_t
c4pi_lb_size(const c4pi_lb_task_t *task, size_t object)
{
    return task->memory ? task->bytes[object] : 0;
}

/* ---- strategies, and steps that others use ----------------------------------------------------- */

typedef c4p_status_t (*c4pi_lb_strategy_fn_t)(c4pi_lb_task_t *task);

c4p_status_t c4pi_lb_none(c4pi_lb_task_t *task);
c4p_status_t c4pi_lb_rotate(c4pi_lb_task_t *task);
c4p_status_t c4pi_lb_random_places(c4pi_lb_task_t *task);
c4p_status_t c4pi_lb_greedy(c4pi_lb_task_t *task);
c4p_status_t c4pi_lb_greedy_refine(c4pi_lb_task_t *task);
c4p_status_t c4pi_lb_refine(c4pi_lb_task_t *task);
c4p_status_t c4pi_lb_comm_refine(c4pi_lb_task_t *task);
c4p_status_t c4pi_lb_bisection(c4pi_lb_task_t *task);
c4p_status_t c4pi_lb_hilbert(c4pi_lb_task_t *task);
c4p_status_t c4pi_lb_block_places(c4pi_lb_task_t *task);
c4p_status_t c4pi_lb_graph(c4pi_lb_task_t *task);
c4p_status_t c4pi_lb_hierarchical(c4pi_lb_task_t *task);
c4p_status_t c4pi_lb_diffusion(c4pi_lb_task_t *task);
c4p_status_t c4pi_lb_gossip(c4pi_lb_task_t *task);
c4p_status_t c4pi_lb_memory(c4pi_lb_task_t *task);

/* Cut a chain of objects (their order along it) into one piece for each rank, in the order of
 * ranks, with the least maximum that any such cut has; writes task->plan. */
c4p_status_t c4pi_lb_cut_chain(c4pi_lb_task_t *task, const uint32_t *chain);

#endif
