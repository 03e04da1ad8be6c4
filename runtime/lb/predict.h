/* SPDX-License-Identifier: Apache-2.0 */
/* predict.h: the load that a strategy sees, from those of the last rounds. The history is kept on
 * rank 0, which has the objects of each round in order anyway, so that nothing more travels with
 * elements; it takes 8 bytes for each object and round remembered while there is a predictor other
 * than "last". An object that was in no round before is predicted by what there is of it. */
#ifndef C4PI_PREDICT_H
#define C4PI_PREDICT_H

#include "core/rt.h"

typedef enum c4pi_predict_how {
    C4PI_PREDICT_LAST,
    C4PI_PREDICT_MEAN,
    C4PI_PREDICT_MEDIAN, /* of an even number: between the two in the middle */
    C4PI_PREDICT_LINEAR  /* where the straight line through them (least squares) goes next, not
                            below 0 */
} c4pi_predict_how_t;

enum { C4PI_PREDICT_MOST = 64 };

typedef struct c4pi_predictor {
    c4pi_predict_how_t how;
    uint32_t rounds; /* to be remembered, 1 .. C4PI_PREDICT_MOST */
} c4pi_predictor_t;

/* "last", "mean", "median:5", ... C4P_ERR_NOT_FOUND: no such name; C4P_ERR_RANGE: no such number of
 * rounds. */
c4p_status_t c4pi_predictor_read(const char *text, c4pi_predictor_t *predictor_out);
/* From n >= 1 values, the oldest first; at most C4PI_PREDICT_MOST. */
double c4pi_predict(c4pi_predict_how_t how, const double *values, size_t n);

/* What is remembered. All 0: nothing. */
typedef struct c4pi_history {
    size_t num, depth;
    c4p_ref_t *refs;
    uint32_t *known; /* how many values there are of each */
    double *values;  /* [num][depth], the oldest first */
} c4pi_history_t;

bool c4pi_ref_before(c4p_ref_t a, c4p_ref_t b);

/* Another round: refs[num] ascend by c4pi_ref_before(); loads[num] are replaced by predictions.
 * Objects that are not in it are forgotten. Dies when out of memory. */
void c4pi_history_add(c4p_rt_t *rt, c4pi_history_t *history, const c4pi_predictor_t *predictor,
                      const c4p_ref_t *refs, double *loads, size_t num);
void c4pi_history_clear(c4p_rt_t *rt, c4pi_history_t *history);

#endif
