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

/* Room for count more items in an array of which num are used. */
static inline void *
c4pi_need_more(c4p_rt_t *rt, void *p, size_t num, size_t count, size_t *cap, size_t size)
{
    size_t wanted = *cap;
    if (num + count <= wanted)
        return p;
    while (wanted < num + count)
        wanted = wanted ? 2 * wanted : 256;
    void *grown = c4pi_regrow(rt->port, p, *cap * size, wanted * size);
    if (!grown)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory for a round of load balancing");
    *cap = wanted;
    return grown;
}

#endif
