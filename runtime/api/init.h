/* SPDX-License-Identifier: Apache-2.0 */
/* init.h: what c4p_init() and c4p_init_comm() share. */
#ifndef C4PI_INIT_H
#define C4PI_INIT_H

#include <c4p/runtime.h>

/* host_comm: NULL for the whole job, else a pointer to the host's MPI_Comm. */
c4p_status_t c4pi_init_on(const void *host_comm, const c4p_opts_t *opts, c4p_rt_t **rt_out);

/* The handler behind c4p_run_until_quiescent(); registered by assemble.c under a name of the
 * runtime's. */
void c4pi_quiet_everywhere(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx);

#endif
