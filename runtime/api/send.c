/* SPDX-License-Identifier: Apache-2.0 */
/* send.c: c4p/send.h and c4p/future.h's send. */
#include <c4p/future.h>
#include <c4p/send.h>

#include "core/newborn.h"
#include "core/route.h"
#include "lb/talk.h"
#include "svc/handler.h"

static c4p_status_t
look_closer(const c4pi_coll_t *coll, c4p_key_t key)
{
    if (c4pi_coll_lacks(coll, key))
        return C4P_ERR_RANGE;
    if (coll->kind == C4P_KIND_SECTION)
        return C4P_ERR_ARG;
    return coll->rt->load || c4pi_newborn_find(coll, key) ? C4P_ERR_BUSY : C4P_OK;
}

/* Arguments of a send: everything that can be known here is checked before anything is counted.
 * C4P_ERR_BUSY: nothing is wrong, but it has to be counted, or to wait for an insertion. */
static c4p_status_t
check(c4p_rt_t *rt, c4p_ref_t to, c4p_entry_t entry, c4pi_coll_t **coll_out)
{
    if (rt->phase != C4PI_PHASE_ACTIVE)
        return C4P_ERR_STATE;
    c4pi_coll_t *coll = *coll_out = c4pi_coll_find(rt, to.coll);
    if (!coll)
        return to.coll && c4pi_coll_creator(to.coll) < rt->num_creators ? C4P_OK : C4P_ERR_RANGE;
    if (entry >= coll->type->num_entries)
        return C4P_ERR_NOT_FOUND;
    if (coll->guarded && (to.key.w[0] >= coll->unguarded_below || to.key.w[1]))
        return look_closer(coll, to.key);
    return C4P_OK;
}

static void
address(c4p_rt_t *rt, c4p_msg_t *msg, c4p_ref_t to, c4p_entry_t entry, c4p_future_t reply)
{
    msg->env.kind = C4PI_USER;
    msg->env.entry = entry;
    msg->env.coll = to.coll;
    msg->env.key = to.key;
    msg->env.reference = reply;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
}

/* The element is being inserted from here. */
static c4p_status_t
call_newborn(c4pi_coll_t *coll, c4p_ref_t to, c4p_entry_t entry, c4p_msg_t *msg, c4p_future_t reply)
{
    c4p_rt_t *rt = coll->rt;
    if (reply && c4p_future_rank(reply) >= rt->num_ranks)
        return C4P_ERR_RANGE;
    c4p_status_t st = c4pi_msg_prepare(&msg);
    if (st == C4P_OK)
        st = c4pi_msg_own(&msg);
    if (st != C4P_OK)
        return st;
    address(rt, msg, to, entry, reply);
    c4pi_count_created(rt);
    c4pi_fifo_push(&c4pi_newborn_find(coll, to.key)->held, msg);
    return C4P_OK;
}

/* A call of which nothing is wrong; coll is NULL if it is not known here. */
static inline c4p_status_t
call_element(c4p_rt_t *rt, c4pi_coll_t *coll, c4p_ref_t to, c4p_entry_t entry, c4p_msg_t *msg,
             c4p_future_t reply)
{
    c4p_status_t st;
    if (reply && c4p_future_rank(reply) >= rt->num_ranks)
        return C4P_ERR_RANGE;
    if (msg->extra && coll && c4pi_elem_find(coll, to.key)) { /* stays here: in one piece */
        if ((st = c4pi_msg_flatten(&msg)) != C4P_OK)
            return st;
    }
    if ((st = c4pi_msg_prepare(&msg)) != C4P_OK)
        return st;
    address(rt, msg, to, entry, reply);
    c4pi_route_new(rt, msg);
    return C4P_OK;
}

/* One to look closer at. */
static c4p_status_t
call_closely(c4pi_coll_t *coll, c4p_ref_t to, c4p_entry_t entry, c4p_msg_t *msg, c4p_future_t reply)
{
    c4p_rt_t *rt = coll->rt;
    if (rt->load)
        c4pi_talk_sent(rt, to, false, msg);
    if (c4pi_newborn_find(coll, to.key))
        return call_newborn(coll, to, entry, msg, reply);
    return call_element(rt, coll, to, entry, msg, reply);
}

c4p_status_t
c4p_call(c4p_rt_t *rt, c4p_ref_t to, c4p_entry_t entry, c4p_msg_t *msg, c4p_future_t reply)
{
    c4pi_coll_t *coll;
    if (!rt || !msg)
        return C4P_ERR_ARG;
    c4p_status_t st = check(rt, to, entry, &coll);
    if (st != C4P_OK)
        return st == C4P_ERR_BUSY ? call_closely(coll, to, entry, msg, reply) : st;
    return call_element(rt, coll, to, entry, msg, reply);
}

c4p_status_t
c4p_send(c4p_rt_t *rt, c4p_ref_t to, c4p_entry_t entry, c4p_msg_t *msg)
{
    return c4p_call(rt, to, entry, msg, 0);
}

c4p_status_t
c4p_handler_add(c4p_rt_t *rt, const char *name, c4p_handler_fn_t fn, void *ctx,
                c4p_handler_t *handler_out)
{
    if (!rt || !name || !fn || !handler_out)
        return C4P_ERR_ARG;
    c4pi_named_t named = {.name = (char *)(uintptr_t)name, .fn.handler = fn, .ctx = ctx};
    return c4pi_registry_add_named(rt->registry, C4PI_HANDLERS, &named, handler_out);
}

static c4p_status_t
check_handler(c4p_rt_t *rt, c4p_handler_t handler, const c4p_msg_t *msg)
{
    if (!rt || !msg)
        return C4P_ERR_ARG;
    if (rt->phase != C4PI_PHASE_ACTIVE)
        return C4P_ERR_STATE;
    return c4pi_registry_named(rt->registry, C4PI_HANDLERS, handler) ? C4P_OK : C4P_ERR_NOT_FOUND;
}

c4p_status_t
c4p_send_handler(c4p_rt_t *rt, int rank, c4p_handler_t handler, c4p_msg_t *msg)
{
    c4p_status_t st = check_handler(rt, handler, msg);
    if (st != C4P_OK)
        return st;
    if (rank < 0 || rank >= rt->num_ranks)
        return C4P_ERR_RANGE;
    if ((st = c4pi_msg_prepare(&msg)) != C4P_OK)
        return st;
    c4pi_handler_send(rt, rank, handler, msg);
    return C4P_OK;
}

c4p_status_t
c4p_bcast_handler(c4p_rt_t *rt, c4p_handler_t handler, c4p_msg_t *msg)
{
    c4p_status_t st = check_handler(rt, handler, msg);
    if (st == C4P_OK)
        st = c4pi_msg_prepare(&msg);
    if (st == C4P_OK)
        c4pi_handler_bcast(rt, handler, msg);
    return st;
}
