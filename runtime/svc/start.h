/* SPDX-License-Identifier: Apache-2.0 */
/* start.h: agreement of all ranks on the tables of types, entries, handlers, maps and reducers, and
 * on version and options that must be equal. Rank 0's list goes down a tree, verdicts come up, the
 * decision goes down. Steps, so that it runs in the simulator too. Pump thread only. */
#ifndef C4PI_START_H
#define C4PI_START_H

#include "core/rt.h"

void c4pi_start_init(c4p_rt_t *rt);
/* Begin; done when rt->phase is no longer STARTING. */
c4p_status_t c4pi_start_begin(c4p_rt_t *rt);
/* C4P_OK, or C4P_ERR_MISMATCH, once it is done. */
c4p_status_t c4pi_start_result(const c4p_rt_t *rt);
void c4pi_start_free(c4p_rt_t *rt);

#endif
