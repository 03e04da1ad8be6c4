/* SPDX-License-Identifier: Apache-2.0 */
#include "svc/migrate.h"

#include <string.h>

#include "core/dispatch.h"
#include "core/load.h"
#include "core/route.h"
#include "msg/pup.h"
#include "svc/bcast.h"
#include "svc/grow.h"
#include "svc/reduce.h"
#include "svc/section.h"
#include "svc/sync.h"

enum { TRAVELLING_FLAGS = C4PI_ELEM_BORN | C4PI_ELEM_INSERTED | C4PI_ELEM_SYNC };

/* What stands first in the message. Then comes the object, then what is the runtime's: packing the
 * object may change that, since code of the program's runs. */
typedef struct move_head {
    c4p_reply_t answer; /* who waits for the move */
    uint64_t own;       /* bytes of the last part */
} move_head_t;

/* In env.entry: the message comes from where the element could not be unpacked. */
enum { SENT_BACK = 1 };
/* In env.tag: load balancing moves it. */
enum { BALANCED = 1 };

/* ---- leaving ---------------------------------------------------------------------------------- */

static void
put_own(c4pi_elem_t *elem, c4p_pup_t *p)
{
    uint32_t num = elem->extra->num_memberships;
    c4p_put_u64(p, elem->bcast_next);
    c4p_put_u64(p, elem->redn_next);
    c4p_put_u32(p, elem->births);
    c4p_put_u8(p, elem->flags & TRAVELLING_FLAGS);
    c4pi_work_t work = c4pi_load_take(elem);
    c4p_put_bytes(p, &work, sizeof work);
    c4p_put_u8(p, elem->extra->fixed);
    c4pi_sync_put(elem, p);
    c4p_put_u8(p, elem->extra->reborn);
    c4p_put_u32(p, num);
    c4p_put_bytes(p, elem->extra->memberships, num * sizeof *elem->extra->memberships);
}

/* All of an element as one message, or the reason why not. What its object asks of it meanwhile is
 * left for afterwards, as from an entry method: another move, its end. */
static c4p_status_t
pack(c4pi_elem_t *elem, c4p_pup_t *p, c4p_msg_t **msg_out)
{
    const c4p_type_desc_t *desc = &elem->coll->type->desc;
    move_head_t head = {.own = 0};
    *msg_out = NULL;
    c4p_put_bytes(p, &head, sizeof head); /* its place */
    elem->flags |= C4PI_ELEM_RUNNING;
    c4p_status_t st = desc->pack(elem->coll->rt, elem->object, p, desc->ctx);
    elem->flags &= (uint8_t)~C4PI_ELEM_RUNNING;
    if (st != C4P_OK || elem->flags & C4PI_ELEM_DOOMED || !(elem->flags & C4PI_ELEM_LEAVING))
        return st;
    size_t object_end = p->at;
    put_own(elem, p);
    head = (move_head_t){elem->extra->leaving_answer, p->at - object_end};
    st = c4pi_pup_pack_finish(p, msg_out);
    if (st == C4P_OK)
        memcpy(c4pi_msg_payload(*msg_out), &head, sizeof head);
    return st;
}

static const char *
reason(const c4p_pup_t *p, c4p_status_t st)
{
    return p->why[0] ? p->why : c4p_strerror(st);
}

/* The move has failed: tell whoever waits for it. */
static void
answer_failure(c4p_rt_t *rt, const c4p_reply_t *answer, c4p_pup_t *p)
{
    (void)c4p_reply_send(rt, answer, p->value, true);
    p->value = NULL;
}

/* Take the element out and send what it was packed into. Its object is the caller's. */
static void
depart(c4pi_elem_t *elem, int dest, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = elem->coll;
    c4p_rt_t *rt = coll->rt;
    c4pi_version_t version = {elem->version.nonce, elem->version.epoch + 1};
    c4p_key_t key = elem->key;
    bool dying = elem->flags & C4PI_ELEM_DYING;
    c4pi_fifo_t ahead = c4pi_elem_take_ahead(elem);
    c4pi_bcast_departed(coll, key, version, elem->bcast_next);
    c4pi_reduce_leaving(elem);
    if (elem->extra)
        c4pi_section_leave(elem, dest);
    c4pi_elem_remove(elem);
    c4pi_loc_t *loc = c4pi_loc_need(coll, key);
    loc->version = loc->pointer = version;
    loc->rank = dest;
    uint32_t why = C4PI_LOC_POINTER;
    if (c4pi_home_or_die(coll, key) == rt->rank)
        why |= C4PI_LOC_HOME | (dying ? (uint32_t)C4PI_LOC_DYING : 0u);
    c4pi_loc_set(loc, why);
    msg->env.kind = C4PI_MIGRATE;
    msg->env.coll = coll->id;
    msg->env.key = key;
    msg->env.hint_nonce = version.nonce;
    msg->env.hint_epoch = version.epoch;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    c4pi_send_to(rt, dest, msg);
    for (c4p_msg_t *early; (early = c4pi_fifo_pop(&ahead)) != NULL;) {
        c4pi_count_created(rt);
        c4pi_route(rt, early);
    }
    c4pi_reduce_settle(coll);
}

/* Load balancing does not move it there after all. */
static void
give_up_balanced(c4pi_elem_t *elem)
{
    c4p_rt_t *rt = elem->coll->rt;
    if (!elem->extra->leaving_balanced)
        return;
    elem->extra->leaving_balanced = false;
    rt->on_balanced_stays(rt, elem->extra->leaving_to);
}

static void
stay(c4pi_elem_t *elem, c4p_pup_t *p, c4p_status_t st)
{
    c4pi_coll_t *coll = elem->coll;
    c4p_rt_t *rt = coll->rt;
    c4p_reply_t answer = elem->extra->leaving_answer;
    char who[160];
    if (!coll->type->said_stays)
        c4pi_log(rt->port, C4P_LOG_WARN,
                 "%s stays on rank %d: it cannot be packed: %s (said once of its type)",
                 c4pi_ref_text(coll, elem->key, who, sizeof who), rt->rank, reason(p, st));
    coll->type->said_stays = true;
    elem->flags &= (uint8_t)~C4PI_ELEM_LEAVING;
    elem->extra->leaving_answer = (c4p_reply_t){0};
    answer_failure(rt, &answer, p);
    give_up_balanced(elem);
}

static void
leave_now(c4pi_elem_t *elem)
{
    c4pi_coll_t *coll = elem->coll;
    c4p_rt_t *rt = coll->rt;
    const c4p_type_desc_t *desc = &coll->type->desc;
    void *object = elem->object;
    c4p_msg_t *msg;
    c4p_pup_t p;
    c4pi_pup_pack_init(&p, &rt->msgs);
    c4p_status_t st = pack(elem, &p, &msg);
    if (elem->flags & C4PI_ELEM_DOOMED) {
        c4pi_elem_idle(elem);
    } else if (msg) {
        elem->flags &= (uint8_t)~C4PI_ELEM_LEAVING;
        c4pi_sync_left(elem, true);
        msg->env.tag = elem->extra->leaving_balanced ? BALANCED : 0;
        depart(elem, elem->extra->leaving_to, msg);
        if (desc->destroy)
            desc->destroy(rt, object, desc->ctx);
    } else if (elem->flags & C4PI_ELEM_LEAVING) { /* else it wants to stay, meanwhile */
        stay(elem, &p, st);
    }
    c4pi_pup_fini(&p);
}

/* The element neither runs nor waits any more. */
static void
on_free(c4pi_elem_t *elem)
{
    if (!(elem->flags & C4PI_ELEM_DOOMED)) {
        leave_now(elem);
        return;
    }
    if (elem->flags & C4PI_ELEM_LEAVING) {
        (void)c4p_reply_send(elem->coll->rt, &elem->extra->leaving_answer, NULL, false);
        give_up_balanced(elem);
    }
    c4pi_grow_destroy_now(elem);
}

/* Take over the answer; that of an awaited broadcast is owed on this rank. */
static void
set_answer(c4pi_elem_t *elem, const c4p_reply_t *answer)
{
    c4p_rt_t *rt = elem->coll->rt;
    c4p_reply_t *kept = &c4pi_elem_need_extra(elem)->leaving_answer;
    if (!answer || !answer->kind)
        return;
    if (kept->kind)
        (void)c4p_reply_send(rt, kept, NULL, false);
    *kept = *answer;
    if (kept->kind == C4P_REPLY_BCAST)
        *kept = (c4p_reply_t){.kind = C4P_REPLY_FUTURE, .number = c4pi_bcast_hear(rt, answer)};
}

bool
c4pi_may_move(const c4pi_elem_t *elem)
{
    const c4pi_coll_t *coll = elem->coll;
    const c4p_type_desc_t *desc = &coll->type->desc;
    if (elem->state != C4PI_ELEM_LIVE || !elem->object || coll->kind == C4P_KIND_GROUP ||
        !desc->pack || !desc->unpack || (elem->extra && elem->extra->fixed))
        return false;
    return !desc->movable || desc->movable(coll->rt, elem->object, desc->ctx);
}

/* Nobody who asked for the move can be told. */
static void
say_it_waits(const c4pi_elem_t *elem)
{
    c4pi_coll_t *coll = elem->coll;
    char who[160];
    if (!coll->type->said_waits)
        c4pi_log(coll->rt->port, C4P_LOG_WARN,
                 "%s stays on rank %d: a coroutine of it waits (said once of its type)",
                 c4pi_ref_text(coll, elem->key, who, sizeof who), coll->rt->rank);
    coll->type->said_waits = true;
}

static c4p_status_t
request(c4pi_elem_t *elem, int rank, const c4p_reply_t *answer, bool balanced)
{
    c4pi_coll_t *coll = elem->coll;
    bool asks_itself = c4p_ref_eq(coll->rt->self, c4pi_elem_ref(elem));
    if (rank < 0 || rank >= coll->rt->num_ranks)
        return C4P_ERR_RANGE;
    if (coll->kind == C4P_KIND_GROUP || !coll->type->desc.pack || !coll->type->desc.unpack)
        return C4P_ERR_TYPE;
    if (elem->state != C4PI_ELEM_LIVE)
        return C4P_ERR_BUSY;
    if (elem->suspended && (answer || !asks_itself)) {
        if (!answer || !answer->kind)
            say_it_waits(elem);
        return C4P_ERR_BUSY;
    }
    set_answer(elem, answer);
    give_up_balanced(elem);
    if (rank == coll->rt->rank) {
        elem->flags &= (uint8_t)~C4PI_ELEM_LEAVING;
        c4p_reply_t done = elem->extra->leaving_answer;
        elem->extra->leaving_answer = (c4p_reply_t){0};
        (void)c4p_reply_send(coll->rt, &done, NULL, false);
        return C4P_OK;
    }
    elem->extra->leaving_to = rank;
    elem->extra->leaving_balanced = balanced;
    elem->flags |= C4PI_ELEM_LEAVING;
    c4pi_elem_idle(elem);
    return C4P_OK;
}

c4p_status_t
c4pi_migrate(c4pi_elem_t *elem, int rank, const c4p_reply_t *answer)
{
    return request(elem, rank, answer, false);
}

c4p_status_t
c4pi_migrate_balanced(c4pi_elem_t *elem, int rank)
{
    return request(elem, rank, NULL, true);
}

/* ---- arriving --------------------------------------------------------------------------------- */

/* The element has arrived but its object cannot be made: it leaves for where it came from. */
static void
turn_back(c4pi_elem_t *elem, c4p_msg_t *msg, c4p_pup_t *p, c4p_status_t st)
{
    c4pi_coll_t *coll = elem->coll;
    c4p_rt_t *rt = coll->rt;
    c4p_key_t key = elem->key;
    int from = (int)msg->env.source;
    move_head_t *head = c4pi_msg_payload(msg);
    char who[160];
    c4pi_ref_text(coll, key, who, sizeof who);
    if (msg->env.entry == SENT_BACK)
        c4pi_die(rt, st, "%s could not be unpacked where it was moved to, nor again on rank %d: %s",
                 who, rt->rank, reason(p, st));
    if (!coll->type->said_back)
        c4pi_log(
            rt->port, C4P_LOG_WARN,
            "%s goes back to rank %d: it cannot be unpacked on rank %d: %s (said once of its type)",
            who, from, rt->rank, reason(p, st));
    coll->type->said_back = true;
    answer_failure(rt, &head->answer, p);
    head->answer = (c4p_reply_t){0};
    c4pi_tell_home(coll, key, elem->version, from, false);
    c4pi_flow_take(rt->flow, msg);
    msg->env.entry = SENT_BACK;
    msg->env.tag = 0;
    c4pi_sync_passes(elem);
    depart(elem, from, msg);
    c4pi_release_held(coll, key);
}

/* The element has arrived and lives. */
static void
settle_in(c4pi_elem_t *elem, int from, const c4p_reply_t *answer)
{
    c4pi_coll_t *coll = elem->coll;
    c4p_key_t key = elem->key;
    elem->state = C4PI_ELEM_LIVE;
    c4pi_sync_arrived(elem);
    c4pi_tell_home(coll, key, elem->version, from, false);
    (void)c4p_reply_send(coll->rt, answer, NULL, false);
    c4pi_run_arrived(elem); /* may be the element's end */
    c4pi_release_held(coll, key);
    elem = c4pi_elem_find(coll, key);
    if (elem)
        c4pi_bcast_catch_up(elem);
    c4pi_reduce_settle(coll);
}

/* The object's part of the message, and the runtime's. */
static void
open_parts(c4p_rt_t *rt, c4p_msg_t *msg, move_head_t *head, c4p_pup_t *object, c4p_pup_t *own)
{
    const uint8_t *at = c4pi_msg_payload(msg);
    uint64_t left = msg->env.len - sizeof *head;
    if (msg->env.len < sizeof *head || (memcpy(head, at, sizeof *head), head->own > left))
        c4pi_die(rt, C4P_ERR_DATA, "an element that moved arrived damaged from rank %d",
                 (int)msg->env.source);
    c4pi_pup_unpack_init(object, at + sizeof *head, (size_t)(left - head->own));
    c4pi_pup_unpack_init(own, at + msg->env.len - head->own, (size_t)head->own);
}

static void
get_own(c4pi_elem_t *elem, c4p_pup_t *p)
{
    c4pi_elem_extra_t *extra = c4pi_elem_need_extra(elem);
    elem->bcast_next = c4p_get_u64(p);
    elem->redn_next = c4p_get_u64(p);
    elem->births = c4p_get_u32(p);
    elem->flags = c4p_get_u8(p);
    c4p_get_bytes(p, &extra->work, sizeof extra->work);
    extra->fixed = c4p_get_u8(p);
    c4pi_sync_get(elem, p);
    extra->reborn = c4p_get_u8(p);
    for (uint32_t n = c4p_get_u32(p); n > 0; n--) {
        c4pi_membership_t membership;
        c4p_get_bytes(p, &membership, sizeof membership);
        *c4pi_elem_membership(elem, membership.section, NULL) = membership;
    }
}

/* Make the object. One that was made of more than there is does not live. */
static c4p_status_t
unpack(c4pi_elem_t *elem, c4p_pup_t *p)
{
    c4p_rt_t *rt = elem->coll->rt;
    const c4p_type_desc_t *desc = &elem->coll->type->desc;
    c4p_status_t st = desc->unpack(rt, c4pi_elem_ref(elem), p, desc->ctx, &elem->object);
    if (st != C4P_OK || (st = c4p_pup_status(p)) == C4P_OK)
        return st;
    if (desc->destroy)
        desc->destroy(rt, elem->object, desc->ctx);
    return st;
}

static void
on_migrate(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (!coll) {
        c4pi_park_stranger(rt, msg);
        return;
    }
    if (rt->phase >= C4PI_PHASE_EXITING) { /* no code of the user's runs any more */
        c4pi_msg_drop(msg);
        c4pi_count_processed(rt);
        return;
    }
    move_head_t head;
    c4p_pup_t p, own;
    open_parts(rt, msg, &head, &p, &own);
    c4pi_elem_t *elem = c4pi_elem_add(coll, msg->env.key,
                                      (c4pi_version_t){msg->env.hint_nonce, msg->env.hint_epoch});
    get_own(elem, &own);
    elem->extra->packed_bytes = msg->env.len;
    c4pi_reduce_arrived(elem);
    c4p_status_t st = unpack(elem, &p);
    bool balanced = msg->env.tag == BALANCED;
    if (st == C4P_OK) {
        int from = (int)msg->env.source;
        c4pi_msg_drop(msg);
        settle_in(elem, from, &head.answer);
    } else {
        turn_back(elem, msg, &p, st);
    }
    c4pi_pup_fini(&p);
    if (balanced)
        rt->on_balanced_comes(rt);
    c4pi_count_processed(rt);
}

void
c4pi_migrate_init(c4p_rt_t *rt)
{
    rt->on_kind[C4PI_MIGRATE] = on_migrate;
    rt->on_elem_free = on_free;
}
