/* SPDX-License-Identifier: Apache-2.0 */
#include "core/route.h"

#include <stdio.h>
#include <string.h>

#include "core/newborn.h"

/* ---- plain sending ---------------------------------------------------------------------------- */

void
c4pi_send_to(c4p_rt_t *rt, int rank, c4p_msg_t *msg)
{
    if (c4pi_kind_counted(msg->env.kind))
        c4pi_count_created(rt);
    if (rank != rt->rank)
        c4pi_flow_send(rt->flow, rank, msg);
    else
        rt->on_kind[msg->env.kind](rt, msg);
}

void
c4pi_send_stage(c4p_rt_t *rt, int rank, c4pi_kind_t kind, uint16_t stage, c4p_msg_t *msg)
{
    msg = msg ? msg : c4pi_msg_or_die(rt, 0);
    msg->env.kind = (uint8_t)kind;
    msg->env.entry = stage;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    c4pi_send_to(rt, rank, msg);
}

void
c4pi_enqueue(c4p_rt_t *rt, c4p_msg_t *msg)
{
    if (msg->extra && c4pi_msg_flatten(&msg) != C4P_OK) /* runs here: in one piece */
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory to put a message of segments together");
    if (c4pi_queue_push(&rt->queue, msg) != C4P_OK)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory to queue a message with priority");
}

void
c4pi_enqueue_new(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_count_created(rt);
    c4pi_enqueue(rt, msg);
}

/* A message that waits must not need what its sender has only lent. */
static void
own(c4p_rt_t *rt, c4p_msg_t **msg)
{
    if (c4pi_msg_own(msg) != C4P_OK)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory to keep a message");
}

/* ---- collections not yet heard of ------------------------------------------------------------- */

void
c4pi_park_stranger(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_fifo_t *held = c4pi_map_get(&rt->strangers, msg->env.coll);
    if (!held) {
        held = c4pi_calloc(rt->port, sizeof *held);
        if (!held || c4pi_map_put(&rt->strangers, msg->env.coll, held) != C4P_OK)
            c4pi_die(rt, C4P_ERR_NOMEM, "no memory to hold a message for a new collection");
    }
    c4pi_flow_take(rt->flow, msg);
    own(rt, &msg);
    c4pi_fifo_push(held, msg);
    rt->num_strangers++;
    c4pi_count_processed(rt);
}

/* A call from here to an index that is being inserted from here. */
static bool
wait_in_line(c4p_rt_t *rt, c4p_msg_t *msg)
{
    if (msg->env.kind != C4PI_USER || (int)msg->env.source != rt->rank)
        return false;
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    c4pi_newborn_t *newborn = c4pi_newborn_find(coll, msg->env.key);
    if (newborn)
        c4pi_fifo_push(&newborn->held, msg);
    return newborn != NULL;
}

void
c4pi_claim_strangers(c4p_rt_t *rt, c4p_coll_t id)
{
    c4pi_fifo_t *held = c4pi_map_remove(&rt->strangers, id);
    if (!held)
        return;
    for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(held)) != NULL;) {
        rt->num_strangers--;
        c4pi_count_created(rt);
        if (!wait_in_line(rt, msg))
            rt->on_kind[msg->env.kind](rt, msg);
    }
    c4pi_free(rt->port, held, sizeof *held);
}

/* ---- to an element ---------------------------------------------------------------------------- */

static c4pi_version_t
hint_of(const c4p_msg_t *msg)
{
    return (c4pi_version_t){msg->env.hint_nonce, msg->env.hint_epoch};
}

static void
set_hint(c4p_msg_t *msg, c4pi_version_t v)
{
    msg->env.hint_nonce = v.nonce;
    msg->env.hint_epoch = v.epoch;
}

int
c4pi_home_or_die(c4pi_coll_t *coll, c4p_key_t key)
{
    int home = c4pi_coll_home(coll, key);
    if (home < 0)
        c4pi_die(coll->rt, C4P_ERR_RANGE, "the placement map of an array of %s is not usable",
                 c4pi_type_shown(coll->type));
    return home;
}

/* Tell the first sender where the element is, unless it was the last one told. */
static void
correct_sender(c4pi_elem_t *elem, const c4p_msg_t *msg)
{
    c4p_rt_t *rt = elem->coll->rt;
    int source = (int)msg->env.source;
    c4pi_elem_extra_t *extra = c4pi_elem_need_extra(elem);
    if (source == rt->rank || extra->corrected_rank == source)
        return;
    extra->corrected_rank = source;
    c4p_msg_t *note = c4pi_msg_or_die(rt, 0);
    note->env.kind = C4PI_LOC_REPLY;
    note->env.coll = elem->coll->id;
    note->env.key = elem->key;
    note->env.reference = (uint64_t)rt->rank;
    set_hint(note, elem->version);
    c4pi_send_to(rt, source, note);
}

static void
accept(c4pi_elem_t *elem, c4p_msg_t *msg)
{
    if (msg->env.hops)
        correct_sender(elem, msg);
    msg->where = elem;
    elem->queued++;
    c4pi_enqueue(elem->coll->rt, msg);
}

c4p_msg_t *
c4pi_msg_as_bytes(c4p_rt_t *rt, c4p_msg_t *msg)
{
    if (!msg->object_ops)
        return msg;
    c4p_msg_t *flat = NULL;
    c4p_status_t st = msg->object_ops->flatten(rt, msg->object, &flat);
    if (st != C4P_OK)
        c4pi_die(rt, st, "a message that has to leave this rank cannot be packed");
    uint64_t len = flat->env.len;
    flat->env = msg->env;
    flat->env.len = len;
    c4pi_msg_drop(msg);
    return flat;
}

static void
forward(c4p_rt_t *rt, c4p_msg_t *msg, int rank, c4pi_version_t hint)
{
    msg = c4pi_msg_as_bytes(rt, msg);
    if (msg->refs > 1) { /* its envelope changes, and others may still look at it */
        c4p_msg_t *copy = c4pi_msg_copy(&rt->msgs, msg);
        if (!copy)
            c4pi_die(rt, C4P_ERR_NOMEM, "no memory to forward a message");
        c4pi_msg_drop(msg);
        msg = copy;
    }
    set_hint(msg, hint);
    if ((int)msg->env.source != rt->rank && msg->env.hops < UINT8_MAX)
        msg->env.hops++;
    if (rank == rt->rank)
        c4pi_die(rt, C4P_ERR_INTERNAL, "a message was routed to its own rank");
    c4pi_flow_send(rt->flow, rank, msg); /* stays counted: created at its source, processed where it
                                            ends */
}

static void
hold(c4pi_loc_t *loc, c4p_msg_t *msg, uint32_t why)
{
    c4pi_flow_take(loc->coll->rt->flow, msg); /* its sender may have to send what it waits for */
    own(loc->coll->rt, &msg);
    c4pi_fifo_push(&loc->held, msg);
    c4pi_loc_set(loc, why);
}

static void
ask_home(c4pi_loc_t *loc, int home, c4pi_version_t hint)
{
    c4p_rt_t *rt = loc->coll->rt;
    c4p_msg_t *query = c4pi_msg_or_die(rt, 0);
    query->env.kind = C4PI_LOC_QUERY;
    query->env.coll = loc->coll->id;
    query->env.key = loc->key;
    query->env.source = (uint32_t)rt->rank & 0xffffff;
    set_hint(query, hint);
    c4pi_send_to(rt, home, query);
}

/* The home has no element here. Entry known: forward what is not newer than it; hold what is, since
 * the update is on its way. */
static void
route_at_home(c4pi_coll_t *coll, c4pi_loc_t *loc, c4p_msg_t *msg)
{
    c4p_rt_t *rt = coll->rt;
    c4pi_version_t hint = hint_of(msg);
    if (loc && !c4pi_version_none(loc->version)) {
        if (c4pi_version_newer(hint, loc->version) || loc->rank == rt->rank)
            hold(loc, msg, C4PI_LOC_HOME);
        else
            forward(rt, msg, loc->rank, loc->version);
        return;
    }
    if (!c4pi_version_none(hint) || msg->env.kind == C4PI_DESTROY) {
        /* it lived once, and the home forgets only the dead */
        c4pi_dead_letter(rt, msg, C4P_ERR_DEAD);
        return;
    }
    rt->num_unclaimed++;
    c4pi_count_processed(rt);
    hold(loc ? loc : c4pi_loc_need(coll, msg->env.key), msg, C4PI_LOC_UNCLAIMED);
}

static void
route_away(c4pi_coll_t *coll, c4p_msg_t *msg)
{
    c4p_rt_t *rt = coll->rt;
    c4pi_loc_t *loc = c4pi_loc_find(coll, msg->env.key);
    if (rt->chaos.on && loc && !loc->flags && c4pi_chaos(rt, rt->chaos.forget_cache)) {
        c4pi_loc_drop(loc);
        loc = NULL;
    }
    int home = c4pi_home_or_die(coll, msg->env.key);
    if (home == rt->rank) {
        route_at_home(coll, loc, msg);
        return;
    }
    c4pi_version_t hint = hint_of(msg);
    if (loc && c4pi_version_newer(loc->version, hint)) {
        forward(rt, msg, loc->rank, loc->version);
    } else if (c4pi_version_none(hint)) {
        forward(rt, msg, home, hint);
    } else { /* it should be here: it is on its way, or died; the home knows if there is anything
                newer */
        loc = loc ? loc : c4pi_loc_need(coll, msg->env.key);
        bool ask = !(loc->flags & C4PI_LOC_QUERIED);
        hold(loc, msg, C4PI_LOC_QUERIED);
        if (ask)
            ask_home(loc, home, hint);
    }
}

void
c4pi_route(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (!coll) {
        c4pi_park_stranger(rt, msg);
        return;
    }
    c4pi_elem_t *elem = c4pi_elem_find(coll, msg->env.key);
    if (elem)
        accept(elem, msg);
    else if (c4pi_coll_lacks(coll, msg->env.key))
        c4pi_dead_letter(rt, msg, C4P_ERR_RANGE); /* sent before this rank knew that it is a group
                                                   */
    else
        route_away(coll, msg);
}

void
c4pi_dead_letter(c4p_rt_t *rt, c4p_msg_t *msg, c4p_status_t why)
{
    char text[200], who[120] = "?";
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (coll)
        c4pi_ref_text(coll, msg->env.key, who, sizeof who);
    snprintf(text, sizeof text, "%s: %s (message %s from rank %d)", who, c4p_strerror(why),
             coll && c4pi_type_entry(coll->type, msg->env.entry)
                 ? c4pi_type_entry(coll->type, msg->env.entry)->name
                 : "?",
             (int)msg->env.source);
    rt->num_dead_letters++;
    c4pi_log(rt->port, C4P_LOG_DEBUG, "%s", text);
    bool call = msg->env.kind == C4PI_USER || msg->env.kind == C4PI_SECTION_CALL;
    c4p_future_t reply = call ? msg->env.reference : 0;
    c4pi_msg_drop(msg);
    if (reply) {
        size_t len = strlen(text);
        c4p_msg_t *error = c4pi_msg_or_die(rt, len);
        memcpy(c4pi_msg_payload(error), text, len);
        error->env.kind = C4PI_FUTURE;
        error->env.flags = C4PI_FLAG_ERROR;
        error->env.reference = reply;
        error->env.tag = (uint32_t)why;
        c4pi_send_to(rt, (int)(reply >> 40), error);
    }
    c4pi_count_processed(rt);
}

/* ---- news about elements ---------------------------------------------------------------------- */

static void
unhold(c4pi_loc_t *loc, c4pi_fifo_t *out)
{
    c4p_rt_t *rt = loc->coll->rt;
    *out = loc->held;
    loc->held = (c4pi_fifo_t){0};
    if (loc->flags & C4PI_LOC_UNCLAIMED) {
        rt->num_unclaimed -= out->count;
        rt->created += out->count;
    }
}

void
c4pi_reroute_held(c4pi_loc_t *loc)
{
    c4p_rt_t *rt = loc->coll->rt;
    c4pi_fifo_t held;
    unhold(loc, &held);
    c4pi_loc_clear(loc, C4PI_LOC_QUERIED | C4PI_LOC_UNCLAIMED);
    for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(&held)) != NULL;)
        rt->on_kind[msg->env.kind](rt, msg);
}

/* Not the home: it was told where the element is, and may forget at once. What was held for
 * something newer stays: that is on its way to here, and its arrival releases it. */
static void
reroute_older(c4pi_loc_t *loc)
{
    c4p_rt_t *rt = loc->coll->rt;
    c4pi_fifo_t held;
    unhold(loc, &held);
    for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(&held)) != NULL;) {
        if (c4pi_version_newer(loc->version, hint_of(msg)))
            forward(rt, msg, loc->rank, loc->version);
        else
            c4pi_fifo_push(&loc->held, msg);
    }
    if (!loc->held.count)
        c4pi_loc_clear(loc, C4PI_LOC_QUERIED);
}

void
c4pi_release_held(c4pi_coll_t *coll, c4p_key_t key)
{
    c4pi_loc_t *loc = c4pi_loc_find(coll, key);
    if (loc)
        c4pi_reroute_held(loc);
}

/* An update changes the home's entry and never makes one: the home made it when the element left or
 * was inserted, and removed it when it died, so an update that finds none is a late one about the
 * dead. */
static void
home_update(c4pi_coll_t *coll, c4p_key_t key, c4pi_version_t version, int rank)
{
    c4pi_loc_t *loc = c4pi_loc_find(coll, key);
    if (!loc || !(loc->flags & C4PI_LOC_HOME) || !c4pi_version_newer(version, loc->version))
        return;
    loc->version = version;
    loc->rank = rank;
    c4pi_reroute_held(loc);
}

/* The element came home: the record is the statement. */
static void
home_again(c4pi_coll_t *coll, c4p_key_t key)
{
    c4pi_loc_t *loc = c4pi_loc_find(coll, key);
    if (!loc)
        return;
    if (loc->flags & C4PI_LOC_DYING)
        c4pi_elem_find(coll, key)->flags |= C4PI_ELEM_DYING;
    loc->version = (c4pi_version_t){0, 0};
    c4pi_loc_clear(loc, C4PI_LOC_HOME | C4PI_LOC_DYING);
}

static void
home_dead(c4pi_coll_t *coll, c4p_key_t key, c4pi_version_t version)
{
    c4pi_loc_t *loc = c4pi_loc_find(coll, key);
    coll->some_died = true;
    if (!loc || c4pi_version_newer(loc->version, version))
        return; /* a later incarnation, or nothing was known: it died at home */
    loc->version = (c4pi_version_t){0, 0};
    loc->flags &= ~(uint32_t)(C4PI_LOC_HOME | C4PI_LOC_DYING);
    c4pi_reroute_held(loc);
}

void
c4pi_tell_home(c4pi_coll_t *coll, c4p_key_t key, c4pi_version_t version, int left_from, bool dead)
{
    c4p_rt_t *rt = coll->rt;
    c4p_msg_t *msg = c4pi_msg_or_die(rt, 0);
    msg->env.kind = C4PI_LOC_UPDATE;
    msg->env.flags = dead ? 0 : C4PI_FLAG_ALIVE;
    msg->env.coll = coll->id;
    msg->env.key = key;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    msg->env.reference = (uint64_t)(int64_t)left_from;
    set_hint(msg, version);
    c4pi_send_to(rt, c4pi_home_or_die(coll, key), msg);
}

static void
on_update(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (!coll) {
        c4pi_park_stranger(rt, msg);
        return;
    }
    c4p_key_t key = msg->env.key;
    c4pi_version_t version = hint_of(msg);
    int from = (int)msg->env.source, left = (int)(int64_t)msg->env.reference;
    if (msg->env.flags & C4PI_FLAG_ALIVE) {
        if (from != rt->rank)
            home_update(coll, key, version, from);
        else
            home_again(coll, key);
        if (left >= 0) {
            msg->env.kind = C4PI_LOC_ACK;
            c4pi_msg_keep(msg);
            c4pi_send_to(rt, left, msg);
        }
    } else {
        home_dead(coll, key, version);
    }
    c4pi_msg_drop(msg);
    c4pi_count_processed(rt);
}

/* The home knows at least as much as our forward pointer: it may be forgotten now. */
static void
on_ack(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    c4pi_loc_t *loc = coll ? c4pi_loc_find(coll, msg->env.key) : NULL;
    if (coll && rt->on_departure_known)
        rt->on_departure_known(coll, msg->env.key, hint_of(msg));
    if (loc && (loc->flags & C4PI_LOC_POINTER) && c4pi_version_eq(loc->pointer, hint_of(msg)))
        c4pi_loc_clear(loc, C4PI_LOC_POINTER);
    c4pi_msg_drop(msg);
    c4pi_count_processed(rt);
}

static void
on_query(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (!coll) {
        c4pi_park_stranger(rt, msg);
        return;
    }
    int asker = (int)msg->env.source;
    c4pi_elem_t *elem = c4pi_elem_find(coll, msg->env.key);
    c4pi_loc_t *loc = elem ? NULL : c4pi_loc_find(coll, msg->env.key);
    c4p_msg_t *reply = c4pi_msg_or_die(rt, 0);
    reply->env.kind = C4PI_LOC_REPLY;
    reply->env.coll = coll->id;
    reply->env.key = msg->env.key;
    if (elem) {
        reply->env.reference = (uint64_t)rt->rank;
        set_hint(reply, elem->version);
    } else if (loc && !c4pi_version_none(loc->version)) {
        reply->env.reference = (uint64_t)loc->rank;
        set_hint(reply, loc->version);
    } else {
        reply->env.flags = C4PI_FLAG_ERROR; /* dead */
        set_hint(reply, hint_of(msg));
    }
    c4pi_msg_drop(msg);
    c4pi_send_to(rt, asker, reply);
    c4pi_count_processed(rt);
}

/* The home's answer to a query, or a correction from where a message of ours ended. */
static void
on_reply(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    c4p_key_t key = msg->env.key;
    c4pi_version_t version = hint_of(msg);
    int rank = (int)msg->env.reference;
    bool dead = msg->env.flags & C4PI_FLAG_ERROR;
    c4pi_msg_drop(msg);
    if (!coll || c4pi_elem_find(coll, key)) {
        /* it lives here meanwhile: the record is the truth */
    } else if (dead) {
        c4pi_loc_t *loc = c4pi_loc_find(coll, key);
        if (loc && !c4pi_version_newer(loc->version, version)) {
            c4pi_fifo_t held;
            unhold(loc, &held);
            loc->version = (c4pi_version_t){0, 0};
            c4pi_loc_clear(loc, C4PI_LOC_QUERIED);
            /* the home decides: some may have come after the index was inserted again */
            int home = c4pi_home_or_die(coll, key);
            for (c4p_msg_t *lost; (lost = c4pi_fifo_pop(&held)) != NULL;)
                forward(rt, lost, home, hint_of(lost));
        }
    } else if (rank != rt->rank) {
        c4pi_loc_t *loc = c4pi_loc_find(coll, key);
        bool am_home = c4pi_home_or_die(coll, key) == rt->rank;
        if ((!am_home || (loc && (loc->flags & C4PI_LOC_HOME))) &&
            (loc = c4pi_loc_learn(coll, key, version, rank)) != NULL) {
            if (am_home)
                c4pi_reroute_held(loc);
            else
                reroute_older(loc);
        }
    }
    c4pi_count_processed(rt);
}

void
c4pi_route_init(c4p_rt_t *rt)
{
    rt->on_kind[C4PI_USER] = c4pi_route;
    rt->on_kind[C4PI_DESTROY] = c4pi_route;
    rt->on_kind[C4PI_SECTION_CALL] = c4pi_route;
    rt->on_kind[C4PI_LOC_UPDATE] = on_update;
    rt->on_kind[C4PI_LOC_ACK] = on_ack;
    rt->on_kind[C4PI_LOC_QUERY] = on_query;
    rt->on_kind[C4PI_LOC_REPLY] = on_reply;
}
