/* SPDX-License-Identifier: Apache-2.0 */
/* section.c: c4p/section.h. */
#include <c4p/section.h>

#include "api/collective.h"
#include "svc/reduce.h"
#include "svc/section.h"

static c4p_status_t
check_member(c4p_rt_t *rt, c4p_ref_t ref)
{
    const c4pi_coll_t *coll = c4pi_coll_find(rt, ref.coll);
    if (!coll)
        return ref.coll && c4pi_coll_creator(ref.coll) < rt->num_creators ? C4P_OK : C4P_ERR_RANGE;
    if (coll->kind == C4P_KIND_SECTION)
        return C4P_ERR_ARG;
    return c4pi_coll_lacks(coll, ref.key) ? C4P_ERR_RANGE : C4P_OK;
}

c4p_status_t
c4p_section_new(c4p_rt_t *rt, c4p_type_t type, const c4p_ref_t *members, size_t n,
                c4p_coll_t *section_out)
{
    if (!rt || !members || !n || !section_out)
        return C4P_ERR_ARG;
    if (rt->phase != C4PI_PHASE_ACTIVE)
        return C4P_ERR_STATE;
    c4pi_type_t *known = c4pi_registry_type(rt->registry, type);
    if (!known)
        return C4P_ERR_NOT_FOUND;
    if (n > UINT32_MAX / 2 || rt->next_coll > 0xffffffffffu)
        return C4P_ERR_LIMIT;
    for (size_t i = 0; i < n; i++) {
        c4p_status_t st = check_member(rt, members[i]);
        if (st != C4P_OK)
            return st;
    }
    *section_out = c4pi_section_create(rt, known, members, n);
    return C4P_OK;
}

c4p_status_t
c4p_section_contribute(c4p_rt_t *rt, c4p_coll_t section, c4p_ref_t self, const c4p_reduce_t *how,
                       const void *data, size_t len, const c4p_target_t *target)
{
    if (!rt || !how || !target || (!data && len))
        return C4P_ERR_ARG;
    c4p_status_t st = c4pi_check_contribution(rt, how, data, len, target);
    if (st != C4P_OK)
        return st;
    if (!section || c4pi_coll_creator(section) >= rt->num_creators)
        return C4P_ERR_RANGE;
    c4pi_coll_t *coll = c4pi_coll_find(rt, section);
    if (coll && !coll->section)
        return C4P_ERR_ARG;
    if (coll && c4pi_section_excludes(coll, self))
        return C4P_ERR_NOT_FOUND;
    c4pi_elem_t *elem = c4pi_elem_local(rt, self);
    if (!elem)
        return C4P_ERR_NOT_FOUND;
    c4pi_section_contribute(elem, section, how, data, len, target);
    return C4P_OK;
}
