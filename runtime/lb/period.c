/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/period.h"

bool
c4pi_period_due(c4pi_period_t *period, double max_s, double mean_s)
{
    period->points++;
    if (period->every)
        return period->points >= period->every;
    period->lost_s += max_s - mean_s - period->left_s;
    if (period->lost_s < 0)
        period->lost_s = 0;
    return period->lost_s > period->cost_s;
}

void
c4pi_period_ran(c4pi_period_t *period, double seconds, double left_s)
{
    period->cost_s = period->cost_s > 0 ? (period->cost_s + seconds) / 2 : seconds;
    period->points = 0;
    period->lost_s = 0;
    period->left_s = left_s;
}
