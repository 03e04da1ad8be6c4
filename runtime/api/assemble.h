/* SPDX-License-Identifier: Apache-2.0 */
/* assemble.h: puts a runtime together from a port and a transport. The public init calls use it
 * with the real ones, tests with the simulator's. */
#ifndef C4PI_ASSEMBLE_H
#define C4PI_ASSEMBLE_H

#include "core/rt.h"

/* Everything but the transport. Takes over the port, also on failure. opts are complete (env.h). */
c4p_status_t c4pi_rt_new(c4pi_port_t *port, const c4p_opts_t *opts, c4p_rt_t **rt_out);
/* The transport, made with rt->port and &rt->msgs; taken over, also on failure. */
c4p_status_t c4pi_rt_attach(c4p_rt_t *rt, c4pi_comm_t *comm);
/* Free all of it without talking to other ranks. */
void c4pi_rt_free(c4p_rt_t *rt);

#endif
