/* SPDX-License-Identifier: Apache-2.0 */
/* perturb.h: a back end that is slow now and then, for tests: messages from some rank are late, and
 * batches come in two pieces. It stands before another one, with the same promises. Pump thread
 * only. */
#ifndef C4PI_PERTURB_H
#define C4PI_PERTURB_H

#include "comm/comm.h"

/* Chances in 65536. */
typedef struct c4pi_perturb {
    uint64_t seed;
    uint32_t delay; /* of a message that has arrived: it waits, and what comes from its rank after
                     * it
                     */
    uint64_t delay_ns; /* less than this */
    uint32_t split;    /* of a batch, before it is sent */
} c4pi_perturb_t;

/* Slow down `comm`, whose deliver function is set, until it is freed. Returns C4P_OK;
 * C4P_ERR_NOMEM. */
c4p_status_t c4pi_perturb(c4pi_comm_t *comm, const c4pi_perturb_t *how);

#endif
