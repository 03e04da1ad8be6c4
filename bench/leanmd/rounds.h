/* SPDX-License-Identifier: Apache-2.0 */
/* rounds.h: what rounds of load balancing found, promised and did to the time of a step. Rank 0. */
#ifndef LEANMD_ROUNDS_H
#define LEANMD_ROUNDS_H

#include <stdio.h>

#include <c4p/c4p.h>

#include "model.h"

typedef struct leanmd_round {
    c4p_lb_round_t was;
    size_t step;       /* after which step of this run */
    double step_s;     /* median since the round before; 0: no step */
    double expected_s; /* what that should become; 0: not known */
    double *tests;     /* pairs that each rank tests in a step */
} leanmd_round_t;

typedef struct leanmd_rounds {
    const leanmd_model_t *model;
    int ranks;
    leanmd_round_t *list;
    size_t num, cap;
} leanmd_rounds_t;

/* A round begins: count what the computes of each rank have to do. False: no memory. */
bool leanmd_rounds_look(leanmd_rounds_t *rounds, const c4p_lb_view_t *view, const c4p_ref_t *refs,
                        c4p_coll_t computes);
/* It is over; ended_s[num_steps]: when the steps so far ended. Says so in a line. */
void leanmd_rounds_hear(leanmd_rounds_t *rounds, const c4p_lb_round_t *was, const double *ended_s,
                        size_t num_steps);
/* A list of JSON. */
void leanmd_rounds_write(const leanmd_rounds_t *rounds, FILE *file);
void leanmd_rounds_free(leanmd_rounds_t *rounds);

/* The median of the steps from number `from` up to `to`; 0 without any. */
double leanmd_median_step_s(const double *ended_s, size_t from, size_t to);

#endif
