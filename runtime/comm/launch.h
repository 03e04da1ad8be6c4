/* SPDX-License-Identifier: Apache-2.0 */
/* launch.h: how this process was started, as its environment tells: settings that MPI should have
 * before it is initialised, and the check for jobs that fell apart into single processes. Called
 * once, at start. Knows no MPI. */
#ifndef C4PI_LAUNCH_H
#define C4PI_LAUNCH_H

#include <signal.h>

#include "base/port.h"

/* Put settings of the MPI library into the environment, each only if the user has not set it: no
 * signal handlers of its own, yield while waiting if there are more ranks than CPUs, no
 * cross-memory copies where the system forbids them. Before MPI_Init. */
void c4pi_launch_prepare(c4pi_port_t *port);

/* Signals that MPI_Init may take and that are the program's: what becomes of them before it, to be
 * restored after it. */
typedef struct {
    struct sigaction user1; /* with MPICH, hydra sends it to the ranks that outlive another one */
} c4pi_launch_signals_t;

void c4pi_launch_keep_signals(c4pi_launch_signals_t *kept_out);
void c4pi_launch_restore_signals(const c4pi_launch_signals_t *kept);

/* Will MPI be able to start? Logs a warning, in the first of the processes, if srun started them in
 * a way that few builds of Open MPI can do with: it ends the process in MPI_Init then. library: the
 * MPI library's version text. */
void c4pi_launch_warn(c4pi_port_t *port, const char *library);

/* MPI says that this process is alone. Does the environment say otherwise? C4P_OK, or
 * C4P_ERR_SINGLETON with the probable cause logged by the first of the processes. */
c4p_status_t c4pi_launch_check_alone(c4pi_port_t *port, const char *library);

/* CPUs that this process may use, as a bit mask of C4PI_CPU_WORDS words. */
enum { C4PI_CPU_WORDS = 16 };
void c4pi_launch_cpus(uint64_t mask_out[C4PI_CPU_WORDS]);

#endif
