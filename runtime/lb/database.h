/* SPDX-License-Identifier: Apache-2.0 */
/* database.h: the load database of a running job: what each rank knows of its objects, gathered on
 * rank 0 and made into the view of a round. Pump thread only. */
#ifndef C4PI_DATABASE_H
#define C4PI_DATABASE_H

#include <c4p/balance.h>

#include "lb/edges.h"
#include "lb/predict.h"

typedef struct c4pi_object {
    c4p_ref_t ref;
    double load; /* seconds from one synchronization point to the next */
    bool given;  /* by the program */
    uint64_t packed_bytes, messages, bytes;
    int rank;
} c4pi_object_t;

/* Rank 0. All 0, but for the predictor, between rounds. */
typedef struct c4pi_database {
    c4pi_predictor_t predictor;
    c4pi_history_t history;
    c4pi_object_t *objects; /* in order of their references, when there is a view */
    size_t num, cap;
    c4pi_edges_t edges;

    /* the arrays behind the view */
    /* [ranks] from the first statistics on; what was measured is in work (seconds of a rank of
     * speed 1) as soon as there is a view */
    double *background, *measured, *speed;
    c4p_ref_t *refs;
    int *node, *rank, *plan;
    double *load, *coords;
    uint64_t *packed_bytes, *messages, *bytes;
    int num_coords;
} c4pi_database_t;

/* May load balancing move this element now? */
bool c4pi_database_movable(const c4pi_elem_t *elem);

/* Any rank: its statistics of the last `points` synchronization points, as a message; they begin
 * anew. */
c4p_msg_t *c4pi_database_pack(c4p_rt_t *rt, uint64_t points, double speed);
/* Rank 0: those of a rank, from memory of any alignment. */
void c4pi_database_add(c4p_rt_t *rt, c4pi_database_t *database, int rank, const uint8_t *at);
/* Rank 0, when those of all ranks are there: fill in the view, but for seed and round. It holds
 * until the database is cleared. Loads are predicted ones. */
void c4pi_database_view(c4p_rt_t *rt, c4pi_database_t *database, c4p_lb_view_t *view_out);
/* Rank 0, with a view of it: how many seconds of work its loads mean, for each unit of load: 1
 * unless the program gave loads. */
double c4pi_database_unit_s(const c4pi_database_t *database, const c4p_lb_view_t *view);
void c4pi_database_clear(c4p_rt_t *rt, c4pi_database_t *database); /* the history stays */

#endif
