/* SPDX-License-Identifier: Apache-2.0 */
/* need.h: memory for rounds of load balancing, or the end of the job: a round has nobody to hand
 * C4P_ERR_NOMEM to. */
#ifndef C4PI_NEED_H
#define C4PI_NEED_H

#include "core/rt.h"

/* count items of size, cleared. */
static inline void *
c4pi_need(c4p_rt_t *rt, size_t count, size_t size)
{
    size_t len;
    void *p =
        __builtin_mul_overflow(count ? count : 1, size, &len) ? NULL : c4pi_calloc(rt->port, len);
    if (!p)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory for a round of load balancing");
    return p;
}

/* p may be NULL. */
static inline void
c4pi_need_free(c4p_rt_t *rt, void *p, size_t count, size_t size)
{
    c4pi_free(rt->port, p, (count ? count : 1) * size);
}

/* Room for count more items, see c4pi_make_room(); for none, p as it is. */
static inline void *
c4pi_need_more(c4p_rt_t *rt, void *p, size_t num, size_t count, size_t *cap, size_t size)
{
    void *grown = count ? c4pi_make_room(rt->port, p, num, count, cap, size) : p;
    if (count && !grown)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory for a round of load balancing");
    return grown;
}

#endif
