/* SPDX-License-Identifier: Apache-2.0 */
/* collective.h: checks that several calls of the public headers make. */
#ifndef C4PI_API_COLLECTIVE_H
#define C4PI_API_COLLECTIVE_H

#include <c4p/collective.h>

/* Can something be brought there? */
c4p_status_t c4pi_check_target(const c4p_rt_t *rt, const c4p_target_t *target);
/* Everything about a contribution but who contributes to what; the status to be refused with. */
c4p_status_t c4pi_check_contribution(c4p_rt_t *rt, const c4p_reduce_t *how, const void *data,
                                     size_t len, const c4p_target_t *target);

#endif
