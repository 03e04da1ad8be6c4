/* SPDX-License-Identifier: Apache-2.0 */
/* sync.c: the calls of c4p/sync.h: arguments are checked here. */
#include <c4p/sync.h>

#include "svc/sync.h"

c4p_status_t
c4p_sync_join(c4p_rt_t *rt, c4p_ref_t self)
{
    c4pi_elem_t *elem = rt ? c4pi_elem_local(rt, self) : NULL;
    if (!elem)
        return rt ? C4P_ERR_NOT_FOUND : C4P_ERR_ARG;
    c4pi_sync_join(elem);
    return C4P_OK;
}

c4p_status_t
c4p_sync(c4p_rt_t *rt, c4p_ref_t self, c4p_entry_t entry)
{
    c4pi_elem_t *elem = rt ? c4pi_elem_local(rt, self) : NULL;
    if (!elem)
        return rt ? C4P_ERR_NOT_FOUND : C4P_ERR_ARG;
    return c4pi_type_entry(elem->coll->type, entry) ? c4pi_sync_wait(elem, entry) : C4P_ERR_ARG;
}
