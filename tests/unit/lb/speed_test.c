/* SPDX-License-Identifier: Apache-2.0 */
/* How fast ranks are: when they count as the same, and that the loop measures something. */
#include "lb/speed.h"

#include "support/test.h"

static void
a_twentieth_makes_no_difference(void)
{
    CHECK(c4pi_speeds_alike((double[]){3}, 1));
    CHECK(c4pi_speeds_alike((double[]){1, 1.04, 1.02}, 3));
    CHECK(c4pi_speeds_alike((double[]){0.8, 0.77, 0.8}, 3));
    CHECK(!c4pi_speeds_alike((double[]){1, 1, 1.06}, 3));
    CHECK(!c4pi_speeds_alike((double[]){2, 1, 2}, 3));
}

/* Some 10^9 steps in a second, of three operations each that wait for one another; the best of
 * twenty tries differs less from time to time than each. */
static void
the_same_rank_is_measured_alike(void)
{
    c4pi_port_t *port;
    CHECK_OK(c4pi_port_real_new(NULL, &port));
    const double once = c4pi_speed_measure(port), again = c4pi_speed_measure(port);
    CHECK(once > 0.005 && once < 5);
    CHECK(again > once / 3 && again < once * 3);
    c4pi_port_free(port);
}

TEST_CASES(a_twentieth_makes_no_difference, the_same_rank_is_measured_alike)
