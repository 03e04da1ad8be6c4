/* SPDX-License-Identifier: Apache-2.0 */
/* chaos.h: C4PY_CHAOS: legal but rare behaviour in real runs, from a seed: elements move at any
 * time, messages are late and run in another order than they came in, caches forget, a rank is
 * slow. Pump thread only. */
#ifndef C4PI_CHAOS_H
#define C4PI_CHAOS_H

#include "core/rt.h"

/* Read C4PY_CHAOS; the rank is known. Says on rank 0 what it does, with the seed. Returns: C4P_OK;
 * C4P_ERR_OPTION after a line in the log that says what is allowed. */
c4p_status_t c4pi_chaos_init(c4p_rt_t *rt);
/* chaos_keys.c: into rt->chaos; likewise. */
c4p_status_t c4pi_chaos_read(c4p_rt_t *rt, const char *text);

#endif
