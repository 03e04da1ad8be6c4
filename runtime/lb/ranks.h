/* SPDX-License-Identifier: Apache-2.0 */
/* ranks.h: times of all ranks in a tournament, which answers where an object would end earliest.
 *
 * Leaves are ordered by speed, so that ranks under one node are alike and a node's bound (least
 * time and highest speed below it) is tight. O(log P) for ranks of the same speed; with many
 * different speeds, or memory limits, a search that leaves out what cannot win by more than 0.3 %
 * of the ideal time. */
#ifndef C4PI_LB_RANKS_H
#define C4PI_LB_RANKS_H

#include "lb/task.h"

typedef struct c4pi_lb_node {
    double time;     /* least below */
    double slowness; /* least below */
    uint64_t room;   /* most bytes that one rank below has left */
} c4pi_lb_node_t;

typedef struct c4pi_lb_ranks {
    int num, leaves;      /* leaves: the next power of two */
    bool plain;           /* all of the same speed and without limits */
    uint64_t least;       /* bytes of the smallest object */
    double slack;         /* if not plain, an answer may be so much later than the best */
    c4pi_lb_node_t *node; /* [2 * leaves], 1 is the root */
    int *leaf_of;         /* [num] the node of a rank */
    int *rank_at;         /* [leaves] */
} c4pi_lb_ranks_t;

/* With the objects as placed (NULL: none; -1: nowhere) beside the background. Memory of the task.
 */
c4p_status_t c4pi_lb_ranks_new(c4pi_lb_task_t *task, const int *place, c4pi_lb_ranks_t *ranks_out);
/* Make `ranks` equal to another one that was made for the same task. */
void c4pi_lb_ranks_copy(c4pi_lb_ranks_t *ranks, const c4pi_lb_ranks_t *from);

/* The rank where an object would end earliest, -1 if none has room for its bytes. */
int c4pi_lb_ranks_best(const c4pi_lb_ranks_t *ranks, double load, uint64_t bytes);
void c4pi_lb_ranks_add(c4pi_lb_ranks_t *ranks, int rank, double load, uint64_t bytes);
void c4pi_lb_ranks_remove(c4pi_lb_ranks_t *ranks, int rank, double load, uint64_t bytes);
double c4pi_lb_ranks_most(const c4pi_lb_ranks_t *ranks); /* the longest time; O(P) */

static inline double
c4pi_lb_ranks_time(const c4pi_lb_ranks_t *ranks, int rank)
{
    return ranks->node[ranks->leaf_of[rank]].time;
}

/* The rank's time with one object more. */
static inline double
c4pi_lb_ranks_with(const c4pi_lb_ranks_t *ranks, int rank, double load)
{
    const c4pi_lb_node_t *leaf = &ranks->node[ranks->leaf_of[rank]];
    return leaf->time + load * leaf->slowness;
}

static inline bool
c4pi_lb_ranks_fits(const c4pi_lb_ranks_t *ranks, int rank, uint64_t bytes)
{
    return ranks->node[ranks->leaf_of[rank]].room >= bytes;
}

#endif
