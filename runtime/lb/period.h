/* SPDX-License-Identifier: Apache-2.0 */
/* period.h: at which synchronization points a round of load balancing is run: at each n-th, or when
 * what has been lost since the last round exceeds what a round costs.
 *
 * What a point loses is how much longer the busiest rank worked than all did on average (max -
 * mean), beyond what the last plan promised to leave. Where that grows by a slope s from point to
 * point, a round of cost C is due after k points with s k^2 / 2 = C: k = sqrt(2 C / s), which is
 * where the average of loss and cost per point, s k / 2 + C / k, is least. So the rule finds the
 * best period of a steady growth without fitting it, and waits where nothing grows. A point that
 * loses less than promised is set off against others, not below 0, so that noise does not add up.
 * The first round is run at the first point that loses anything: it tells the cost. Plain numbers;
 * rank 0. */
#ifndef C4PI_PERIOD_H
#define C4PI_PERIOD_H

#include <stdbool.h>
#include <stdint.h>

typedef struct c4pi_period {
    uint64_t every;        /* points; 0: by loss and cost */
    uint64_t points;       /* since the last round, with the present one */
    double lost_s, left_s; /* since then; what the last plan left at each point */
    double cost_s;         /* of a round, half of it the last one's; 0: not known */
} c4pi_period_t;

/* A point has been reached at which the busiest rank had worked max_s since the one before, and all
 * on average mean_s. Is a round to be run? */
bool c4pi_period_due(c4pi_period_t *period, double max_s, double mean_s);
/* It was run, took this long, and promised to leave max - mean = left_s. */
void c4pi_period_ran(c4pi_period_t *period, double seconds, double left_s);

#endif
