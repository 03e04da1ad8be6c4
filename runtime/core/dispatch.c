/* SPDX-License-Identifier: Apache-2.0 */
#include "core/dispatch.h"

#include "core/load.h"
#include "core/route.h"

typedef struct context {
    c4p_ref_t self;
    c4pi_elem_t *running;
    c4p_reply_t reply;
    bool was_running;
} context_t;

static void
enter(c4pi_elem_t *elem, const c4p_reply_t *reply, context_t *saved)
{
    c4p_rt_t *rt = elem->coll->rt;
    *saved = (context_t){rt->self, rt->running, rt->reply, elem->flags & C4PI_ELEM_RUNNING};
    rt->self = c4pi_elem_ref(elem);
    rt->running = elem;
    rt->reply = *reply;
    elem->flags |= C4PI_ELEM_RUNNING;
    if (rt->load)
        c4pi_load_switch(rt, elem);
}

/* Answers for a method that did not take the reply over; then carries out what waited for its end.
 */
static void
leave(c4pi_elem_t *elem, const context_t *saved)
{
    c4p_rt_t *rt = elem->coll->rt;
    c4p_reply_t owed = rt->reply;
    if (rt->load)
        c4pi_load_switch(rt, saved->running);
    rt->self = saved->self;
    rt->running = saved->running;
    rt->reply = saved->reply;
    if (!saved->was_running)
        elem->flags &= (uint8_t)~C4PI_ELEM_RUNNING;
    if (owed.kind)
        (void)c4p_reply_send(rt, &owed, NULL, false);
    if (elem->flags & (C4PI_ELEM_DOOMED | C4PI_ELEM_LEAVING))
        c4pi_elem_idle(elem);
}

void
c4pi_run_entry(c4pi_elem_t *elem, c4pi_entry_t *entry, c4p_msg_t *msg, const c4p_reply_t *reply)
{
    context_t saved;
    enter(elem, reply, &saved);
    entry->fn(elem->coll->rt, elem->object, msg, entry->ctx);
    leave(elem, &saved);
}

void
c4pi_run_constructor(c4pi_elem_t *elem, c4p_msg_t *args, const c4p_reply_t *reply)
{
    c4pi_coll_t *coll = elem->coll;
    c4p_rt_t *rt = coll->rt;
    context_t saved;
    void *object = NULL;
    enter(elem, reply, &saved);
    c4p_status_t st = coll->type->desc.construct(rt, rt->self, args, coll->type->desc.ctx, &object);
    if (st != C4P_OK) {
        char who[160];
        c4pi_die(rt, st, "the constructor of %s failed: %s",
                 c4pi_ref_text(coll, elem->key, who, sizeof who), c4p_strerror(st));
    }
    elem->object = object;
    elem->state = C4PI_ELEM_LIVE;
    if (elem->extra)
        for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(&elem->extra->early)) != NULL;)
            c4pi_enqueue(rt, msg);
    leave(elem, &saved);
}

void
c4pi_run_arrived(c4pi_elem_t *elem)
{
    const c4p_type_desc_t *desc = &elem->coll->type->desc;
    const c4p_reply_t nobody = {0};
    context_t saved;
    if (!desc->arrived)
        return;
    enter(elem, &nobody, &saved);
    desc->arrived(elem->coll->rt, elem->object, desc->ctx);
    leave(elem, &saved);
}

void
c4pi_elem_idle(c4pi_elem_t *elem)
{
    c4p_rt_t *rt = elem->coll->rt;
    if (!c4pi_elem_busy(elem) && elem->state == C4PI_ELEM_LIVE && rt->on_elem_free &&
        rt->phase < C4PI_PHASE_EXITING)
        rt->on_elem_free(elem);
}

/* The element left or died while the message waited its turn. */
static void
run_for_gone(c4p_rt_t *rt, c4pi_elem_t *elem, c4p_msg_t *msg)
{
    bool dead = elem->flags & C4PI_ELEM_DEAD;
    msg->where = NULL;
    c4pi_elem_release(elem);
    if (dead)
        c4pi_dead_letter(rt, msg, C4P_ERR_DEAD);
    else
        c4pi_route(rt, msg);
}

bool
c4pi_turn_comes(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_elem_t *elem = msg->where;
    if (elem->state == C4PI_ELEM_LIVE)
        return true;
    if (elem->state == C4PI_ELEM_GONE)
        run_for_gone(rt, elem, msg);
    else
        c4pi_fifo_push(&c4pi_elem_need_extra(elem)->early, msg);
    return false;
}

void
c4pi_run_call(c4pi_elem_t *elem, c4p_msg_t *msg)
{
    c4p_rt_t *rt = elem->coll->rt;
    c4pi_entry_t *entry = c4pi_type_entry(elem->coll->type, msg->env.entry);
    if (!entry) {
        char who[160];
        c4pi_die(rt, C4P_ERR_NOT_FOUND, "%s has no entry method number %u (message from rank %d)",
                 c4pi_ref_text(elem->coll, elem->key, who, sizeof who), (unsigned)msg->env.entry,
                 (int)msg->env.source);
    }
    c4p_reply_t reply = {0};
    if (msg->env.reference) {
        reply.kind = C4PI_REPLY_FUTURE;
        reply.flags = msg->env.flags & C4PI_FLAG_WANTS;
        reply.number = msg->env.reference;
        reply.member = c4pi_elem_ref(elem);
    }
    c4pi_run_entry(elem, entry, msg, &reply);
}

static void
run_user(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_elem_t *elem = msg->where;
    if (!c4pi_turn_comes(rt, msg))
        return;
    c4pi_run_call(elem, msg);
    c4pi_elem_release(elem);
    c4pi_msg_drop(msg);
    c4pi_count_processed(rt);
}

static void
run_destroy(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_elem_t *elem = msg->where;
    if (!c4pi_turn_comes(rt, msg))
        return;
    elem->flags |= C4PI_ELEM_DOOMED;
    c4pi_elem_release(elem); /* still in the collection: the record stays */
    c4pi_elem_idle(elem);
    c4pi_msg_drop(msg);
    c4pi_count_processed(rt);
}

void
c4pi_dispatch(c4p_rt_t *rt, c4p_msg_t *msg)
{
    rt->work_done++;
    if (msg->peer)
        c4pi_flow_take(rt->flow, msg);
    rt->run_kind[msg->env.kind](rt, msg);
}

void
c4pi_dispatch_drop(c4p_msg_t *msg)
{
    bool to_element = msg->env.kind == C4PI_USER || msg->env.kind == C4PI_DESTROY ||
                      msg->env.kind == C4PI_SECTION_CALL;
    if (to_element && msg->where)
        c4pi_elem_release(msg->where);
    c4pi_msg_drop(msg);
}

void
c4pi_dispatch_init(c4p_rt_t *rt)
{
    rt->run_kind[C4PI_USER] = run_user;
    rt->run_kind[C4PI_DESTROY] = run_destroy;
}
