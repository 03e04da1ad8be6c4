/* SPDX-License-Identifier: Apache-2.0 */
/* When rounds of load balancing are run: never without loss, at the best period of a steady growth,
 * rarely where they are expensive. */
#include "lb/period.h"

#include <math.h>

#include "support/test.h"

enum { MOST = 10000 };

/* The point, counted from 1, at which the next round is due when point k loses (left + slope * k)
 * seconds. 0: not within MOST. */
static int
due_after(c4pi_period_t *period, double left, double slope)
{
    for (int k = 1; k <= MOST; k++)
        if (c4pi_period_due(period, 1 + left + slope * k, 1))
            return k;
    return 0;
}

static void
each_nth_point(void)
{
    c4pi_period_t period = {.every = 3};
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(3, due_after(&period, 0, 0));
        CHECK_EQ(3, period.points);
        c4pi_period_ran(&period, 100, 0);
    }
    period.every = 1;
    CHECK_EQ(1, due_after(&period, 0, 0));
}

static void
balanced_loads_need_no_round(void)
{
    c4pi_period_t period = {0};
    CHECK_EQ(0, due_after(&period, 0, 0));
}

static void
the_first_loss_is_looked_at(void)
{
    c4pi_period_t period = {0};
    CHECK_EQ(1, due_after(&period, 0.001, 0));
}

/* With cost C and slope s, cost and loss per point, C / k + s k / 2, are least for
 * k = sqrt(2 C / s). */
static void
a_steady_growth_is_met_at_the_best_period(void)
{
    static const double costs[] = {0.01, 0.1, 1}, slopes[] = {1e-5, 1e-4, 1e-3};
    for (int c = 0; c < 3; c++)
        for (int s = 0; s < 3; s++) {
            c4pi_period_t period = {0};
            c4pi_period_ran(&period, costs[c], 0);
            CHECK_NEAR(sqrt(2 * costs[c] / slopes[s]), due_after(&period, 0, slopes[s]), 1);
        }
}

/* Also when the plan could not make all ranks alike. */
static void
what_the_last_plan_left_is_no_loss(void)
{
    c4pi_period_t period = {0};
    c4pi_period_ran(&period, 0.1, 0.05);
    CHECK_EQ(0, due_after(&period, 0.05, 0));
    c4pi_period_ran(&period, 0.1, 0.05);
    CHECK_NEAR(sqrt(2 * 0.1 / 1e-4), due_after(&period, 0.05, 1e-4), 1);
}

/* Loss of 1 ms and gain of 1 ms in turn. */
static void
noise_does_not_add_up(void)
{
    c4pi_period_t period = {0};
    c4pi_period_ran(&period, 0.01, 0.002);
    for (int k = 0; k < MOST; k++)
        CHECK(!c4pi_period_due(&period, 1 + 0.002 + (k % 2 ? 0.001 : -0.001), 1));
}

static void
what_costs_a_hundred_times_as_much_is_done_a_hundredth_as_often(void)
{
    c4pi_period_t cheap = {0}, dear = {0};
    c4pi_period_ran(&cheap, 0.0095, 0);
    c4pi_period_ran(&dear, 0.95, 0);
    CHECK_EQ(10, due_after(&cheap, 0.001, 0));
    CHECK_NEAR(1000, due_after(&dear, 0.001, 0), 60);
    CHECK_NEAR(0.95, dear.cost_s, 1e-12);
    c4pi_period_ran(&dear, 0.05, 0);
    CHECK_NEAR(0.5, dear.cost_s, 1e-12);
}

TEST_CASES(each_nth_point, balanced_loads_need_no_round, the_first_loss_is_looked_at,
           a_steady_growth_is_met_at_the_best_period, what_the_last_plan_left_is_no_loss,
           noise_does_not_add_up, what_costs_a_hundred_times_as_much_is_done_a_hundredth_as_often)
