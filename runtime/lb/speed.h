/* SPDX-License-Identifier: Apache-2.0 */
/* speed.h: how fast ranks are, one against another: by a loop that is timed in processor time. It
 * shows different processors and clocks; not memory, caches or vector units. */
#ifndef C4PI_SPEED_H
#define C4PI_SPEED_H

#include "base/port.h"

/* This rank's, where 1 is 10^9 steps of the loop in a second; the best of some tries, 10 ms in all.
 */
double c4pi_speed_measure(c4pi_port_t *port);

/* Whether the fastest of n >= 1 is at most a twentieth faster than the slowest: then all count as
 * the same, as what is measured of equal ranks differs by that much. */
bool c4pi_speeds_alike(const double *speed, int n);

#endif
