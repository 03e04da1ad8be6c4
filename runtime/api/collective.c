/* SPDX-License-Identifier: Apache-2.0 */
/* collective.c: c4p/collective.h: broadcast, contribute, reducers, quiescence. */
#include "api/collective.h"

#include <c4p/future.h>

#include "core/route.h"
#include "lb/talk.h"
#include "svc/bcast.h"
#include "svc/reduce.h"
#include "svc/wave.h"

c4p_status_t
c4p_bcast(c4p_rt_t *rt, c4p_coll_t id, c4p_entry_t entry, c4p_msg_t *msg, c4p_bcast_reply_t how,
          c4p_future_t reply)
{
    if (!rt || !msg || how > C4P_BCAST_GATHER || (how == C4P_BCAST_NO_REPLY) != (reply == 0))
        return C4P_ERR_ARG;
    if (id == 0 || c4pi_coll_creator(id) >= rt->num_creators ||
        c4p_future_rank(reply) >= rt->num_ranks)
        return C4P_ERR_RANGE;
    if (rt->phase != C4PI_PHASE_ACTIVE)
        return C4P_ERR_STATE;
    c4pi_coll_t *coll = c4pi_coll_find(rt, id);
    if (coll && entry >= coll->type->num_entries)
        return C4P_ERR_NOT_FOUND;
    if (msg->extra) {
        c4p_status_t st = c4pi_msg_flatten(&msg);
        if (st != C4P_OK)
            return st;
    }
    c4p_status_t prepared = c4pi_msg_prepare(&msg);
    if (prepared != C4P_OK)
        return prepared;
    msg->env.entry = entry;
    msg->env.coll = id;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    if (rt->load)
        c4pi_talk_sent(rt, (c4p_ref_t){.coll = id}, true, msg);
    c4pi_bcast_set_waiter(msg, reply, how);
    c4pi_bcast_send(rt, msg);
    return C4P_OK;
}

c4p_status_t
c4pi_check_target(const c4p_rt_t *rt, const c4p_target_t *target)
{
    switch (target->kind) {
    case C4P_TARGET_NONE:
        return C4P_OK;
    case C4P_TARGET_FUTURE:
        return c4p_future_rank(target->number) < rt->num_ranks && target->number ? C4P_OK
                                                                                 : C4P_ERR_RANGE;
    case C4P_TARGET_ELEMENT: {
        const c4pi_coll_t *coll = c4pi_map_get(&rt->colls, target->ref.coll);
        if (coll && c4pi_coll_lacks(coll, target->ref.key))
            return C4P_ERR_RANGE;
    }
        /* fall through */
    case C4P_TARGET_BROADCAST:
        return target->ref.coll && c4pi_coll_creator(target->ref.coll) < rt->num_creators
                   ? C4P_OK
                   : C4P_ERR_RANGE;
    case C4P_TARGET_HANDLER:
        return target->number >> 32 < (uint64_t)rt->num_ranks &&
                       c4pi_registry_named(rt->registry, C4PI_HANDLERS, (uint32_t)target->number)
                   ? C4P_OK
                   : C4P_ERR_RANGE;
    default:
        return C4P_ERR_ARG;
    }
}

c4p_status_t
c4pi_check_contribution(c4p_rt_t *rt, const c4p_reduce_t *how, const void *data, size_t len,
                        const c4p_target_t *target)
{
    if (rt->phase != C4PI_PHASE_ACTIVE)
        return C4P_ERR_STATE;
    c4p_status_t st = c4pi_accum_check(how, data, len);
    if (st == C4P_OK)
        st = c4pi_check_target(rt, target);
    if (st == C4P_OK && how->op == C4P_OP_CUSTOM &&
        !c4pi_registry_named(rt->registry, C4PI_REDUCERS, how->custom))
        st = C4P_ERR_NOT_FOUND;
    return st;
}

c4p_status_t
c4p_contribute(c4p_rt_t *rt, c4p_ref_t self, const c4p_reduce_t *how, const void *data, size_t len,
               const c4p_target_t *target, uint64_t *number_out)
{
    if (!rt || !how || !target || (!data && len))
        return C4P_ERR_ARG;
    if (rt->phase != C4PI_PHASE_ACTIVE)
        return C4P_ERR_STATE;
    c4pi_coll_t *coll = c4pi_coll_find(rt, self.coll);
    c4pi_elem_t *elem = coll && !coll->section ? c4pi_elem_find(coll, self.key) : NULL;
    if (!elem)
        return C4P_ERR_NOT_FOUND;
    c4p_status_t st = c4pi_check_contribution(rt, how, data, len, target);
    if (st != C4P_OK)
        return st;
    if (number_out)
        *number_out = elem->redn_next;
    c4pi_reduce_contribute(elem, how, data, len, target);
    return C4P_OK;
}

c4p_status_t
c4p_reducer_add(c4p_rt_t *rt, const char *name, c4p_combine_fn_t fn, void *ctx,
                uint32_t *custom_out)
{
    if (!rt || !name || !fn || !custom_out)
        return C4P_ERR_ARG;
    c4pi_named_t named = {.name = (char *)(uintptr_t)name, .fn.combine = fn, .ctx = ctx};
    return c4pi_registry_add_named(rt->registry, C4PI_REDUCERS, &named, custom_out);
}

c4p_status_t
c4p_reducer_find(const c4p_rt_t *rt, const char *name, uint32_t *custom_out)
{
    if (!rt || !name || !custom_out)
        return C4P_ERR_ARG;
    return c4pi_registry_find_named(rt->registry, C4PI_REDUCERS, name, custom_out)
               ? C4P_OK
               : C4P_ERR_NOT_FOUND;
}

c4p_status_t
c4p_detect_quiescence(c4p_rt_t *rt, const c4p_target_t *target)
{
    if (!rt || !target)
        return C4P_ERR_ARG;
    if (rt->phase != C4PI_PHASE_ACTIVE)
        return C4P_ERR_STATE;
    c4p_status_t st = c4pi_check_target(rt, target);
    if (st == C4P_OK)
        c4pi_wave_request(rt, target);
    return st;
}
