/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/speed.h"

enum { TRIES = 20, STEPS = 200000 };

static const double alike = 1.05;

/* Each step needs the one before. */
static uint64_t
run_loop(uint64_t state)
{
    for (int i = 0; i < STEPS; i++) {
        state ^= state << 13; /* xorshift (Marsaglia) */
        state ^= state >> 7;
        state ^= state << 17;
    }
    return state;
}

double
c4pi_speed_measure(c4pi_port_t *port)
{
    volatile uint64_t state = 1; /* so that the loop is run */
    uint64_t least_ns = UINT64_MAX;
    for (int i = 0; i < TRIES; i++) {
        const uint64_t start_ns = port->ops->cpu_ns(port);
        state = run_loop(state);
        const uint64_t ns = port->ops->cpu_ns(port) - start_ns;
        if (ns && ns < least_ns)
            least_ns = ns;
    }
    return least_ns == UINT64_MAX ? 1 : (double)STEPS / (double)least_ns;
}

bool
c4pi_speeds_alike(const double *speed, int n)
{
    double least = speed[0], most = speed[0];
    for (int r = 1; r < n; r++) {
        least = speed[r] < least ? speed[r] : least;
        most = speed[r] > most ? speed[r] : most;
    }
    return most <= alike * least;
}
