/* SPDX-License-Identifier: Apache-2.0 */
/* future.h: the futures that this rank owns. Values run their callback from the queue. Pump thread
 * only. */
#ifndef C4PI_FUTURE_H
#define C4PI_FUTURE_H

#include <c4p/future.h>

#include "core/rt.h"

c4p_status_t c4pi_futures_new(c4p_rt_t *rt);
void c4pi_futures_free(c4p_rt_t *rt);

/* The serial number of the next future made here; and let it be at least this one, since there may
 * be references to earlier ones. */
uint64_t c4pi_futures_next(const c4p_rt_t *rt);
void c4pi_futures_skip(c4p_rt_t *rt, uint64_t next);

/* Send a value to a future anywhere. Takes over one owner of value (NULL: no bytes). */
void c4pi_future_deliver(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *value, bool is_error);

#endif
