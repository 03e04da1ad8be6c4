/* SPDX-License-Identifier: Apache-2.0 */
/* section_follow.c: records that follow their members.
 *
 * A member that leaves takes its record along if that is here: SECTION_MOVE goes ahead of the
 * member, with the numbers of the record's next broadcast h and next reduction. The new record
 * stands for the member from broadcast max(h, what its rank has had) on, which SECTION_TAKEN says;
 * the old one runs the broadcasts before that, as calls, and is then dropped. Until it is told it
 * runs none, so that the log is kept and awaited broadcasts stay open; and should its member bring
 * the record back meanwhile, by way of a third rank, that waits for its end. Contributions that
 * come to the old place are sent on. tests/models/section.pml has this protocol.
 *
 * A rank that is not in the tree keeps the record back and asks the creator, who lets it join: the
 * request goes down the tree to a rank with fewer children than it may have, which sends it the
 * section as a sub-tree without members, from its own next broadcast on. Ranks stay in the tree. */
#include <string.h>

#include "core/route.h"
#include "svc/bcast.h"
#include "svc/reduce.h"
#include "svc/section_state.h"

/* What SECTION_MOVE carries. */
typedef struct moving {
    c4p_ref_t member;
    uint64_t bcast_next, redn_next;
} moving_t;

static c4p_msg_t *
note(c4p_rt_t *rt, c4pi_kind_t kind, c4p_coll_t section, size_t len)
{
    c4p_msg_t *msg = c4pi_msg_or_die(rt, len);
    msg->env.kind = (uint8_t)kind;
    msg->env.coll = section;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    return msg;
}

/* ---- at the new one --------------------------------------------------------------------------- */

static void
on_move(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (!coll) {
        c4pi_send_to(rt, c4pi_coll_root(rt, msg->env.coll),
                     note(rt, C4PI_SECTION_JOIN, msg->env.coll, 0));
        c4pi_park_stranger(rt, msg);
        return;
    }
    moving_t moving;
    memcpy(&moving, c4pi_msg_payload(msg), sizeof moving);
    if (c4pi_elem_find(coll, msg->env.key)) {
        *c4pi_section_find(coll->section, moving.member) = (c4pi_record_at_t){NULL, rt->rank};
        c4pi_flow_take(rt->flow, msg);
        c4pi_fifo_push(&coll->section->returning, msg);
        return;
    }
    uint64_t had = c4pi_bcast_first(coll), from = moving.bcast_next > had ? moving.bcast_next : had;
    c4p_msg_t *taken = note(rt, C4PI_SECTION_TAKEN, coll->id, 0);
    taken->env.key = msg->env.key;
    taken->env.reference = from;
    c4pi_send_to(rt, (int)msg->env.source, taken);
    c4pi_reduce_arrived(
        c4pi_section_add(coll, msg->env.key.w[0], moving.member, from, moving.redn_next));
    c4pi_msg_drop(msg);
    c4pi_section_give(coll);
    c4pi_reduce_settle(coll);
    c4pi_count_processed(rt);
}

/* ---- from the old place ----------------------------------------------------------------------- */

static void
hand_over(c4pi_coll_t *coll, c4pi_record_at_t *at, c4p_ref_t member, int dest)
{
    c4p_rt_t *rt = coll->rt;
    c4pi_elem_t *record = at->record;
    moving_t moving = {member, record->bcast_next, record->redn_next};
    c4p_msg_t *msg = note(rt, C4PI_SECTION_MOVE, coll->id, sizeof moving);
    memcpy(c4pi_msg_payload(msg), &moving, sizeof moving);
    msg->env.key = record->key;
    record->state = C4PI_ELEM_NEW;
    *at = (c4pi_record_at_t){NULL, dest};
    c4pi_send_to(rt, dest, msg);
}

void
c4pi_section_leave(c4pi_elem_t *elem, int dest)
{
    c4p_ref_t self = c4pi_elem_ref(elem);
    for (uint32_t i = 0; i < elem->extra->num_memberships; i++) {
        c4pi_coll_t *coll = c4pi_coll_find(elem->coll->rt, elem->extra->memberships[i].section);
        c4pi_record_at_t *at = coll ? c4pi_section_find(coll->section, self) : NULL;
        if (at && at->record)
            hand_over(coll, at, self, dest);
    }
}

void
c4pi_section_drop(c4pi_elem_t *record)
{
    c4pi_coll_t *coll = record->coll;
    c4pi_reduce_leaving(record);
    c4pi_elem_remove(record);
    c4pi_bcast_gone(coll);
    c4pi_reduce_settle(coll);
    c4pi_fifo_t returning = coll->section->returning;
    coll->section->returning = (c4pi_fifo_t){0};
    for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(&returning)) != NULL;)
        on_move(coll->rt, msg);
}

static void
on_taken(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    c4pi_elem_t *record = c4pi_elem_find(coll, msg->env.key);
    uint64_t end = msg->env.reference;
    c4pi_msg_drop(msg);
    if (record->bcast_next == end) {
        c4pi_section_drop(record);
    } else {
        c4pi_elem_need_extra(record)->record_end = end;
        record->state = C4PI_ELEM_LIVE;
        c4pi_bcast_catch_up(record);
    }
    c4pi_count_processed(rt);
}

/* ---- the tree --------------------------------------------------------------------------------- */

static void
adopt(c4pi_coll_t *coll, int rank)
{
    c4p_rt_t *rt = coll->rt;
    c4pi_tree_links_t *tree = &coll->section->tree;
    if (tree->count == C4PI_TREE_ARITY) {
        c4p_msg_t *msg = note(rt, C4PI_SECTION_ADOPT, coll->id, 0);
        msg->env.tag = (uint32_t)rank;
        c4pi_send_to(rt, tree->children[rank % tree->count], msg);
        return;
    }
    const c4pi_section_head_t head = {.num_members = coll->section->num_members,
                                      .have = c4pi_bcast_first(coll),
                                      .type = coll->type->id};
    const c4pi_part_head_t part = {.rank = (uint32_t)rank};
    c4pi_bcast_adopted(coll, tree->count);
    tree->children[tree->count++] = rank;
    c4pi_section_send(rt, coll->id, &head, &part, sizeof part, rank);
}

static void
on_adopt(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    int rank = (int)msg->env.tag;
    c4pi_msg_drop(msg);
    adopt(coll, rank);
    c4pi_count_processed(rt);
}

static bool
in_tree(const c4pi_coll_t *coll, int rank)
{
    const c4pi_section_t *section = coll->section;
    for (uint64_t i = 0; i < section->num_members; i++)
        if (section->ranks[i] == rank)
            return true;
    for (size_t i = 0; i < section->num_joined; i++)
        if (section->joined[i] == rank)
            return true;
    return false;
}

/* At the creator. */
static void
on_join(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    c4pi_section_t *section = coll->section;
    int rank = (int)msg->env.source;
    c4pi_msg_drop(msg);
    if (!in_tree(coll, rank)) {
        int *joined = c4pi_make_room(rt->port, section->joined, section->num_joined, 1,
                                     &section->cap_joined, sizeof *joined);
        if (!joined)
            c4pi_section_die_nomem(rt);
        section->joined = joined;
        section->joined[section->num_joined++] = rank;
        adopt(coll, rank);
    }
    c4pi_count_processed(rt);
}

void
c4pi_section_follow_init(c4p_rt_t *rt)
{
    rt->on_kind[C4PI_SECTION_MOVE] = on_move;
    rt->on_kind[C4PI_SECTION_TAKEN] = on_taken;
    rt->on_kind[C4PI_SECTION_JOIN] = on_join;
    rt->on_kind[C4PI_SECTION_ADOPT] = on_adopt;
}
