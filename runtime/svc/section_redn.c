/* SPDX-License-Identifier: Apache-2.0 */
/* section_redn.c: reductions over sections: the contributions of members to their records. */
#include <string.h>

#include "core/route.h"
#include "svc/reduce.h"
#include "svc/section_state.h"

/* ---- contributions of members whose records are not here, or not yet -------------------------- */

/* A contribution as it travels, before its data. */
typedef struct token {
    c4p_ref_t self;
    uint64_t number; /* of this member's contributions to this section */
    c4p_reduce_t how;
    c4p_target_t target;
} token_t;

/* A member that has contributed on this rank without its record: how its contributions get there in
 * order. */
typedef struct away {
    struct away *next; /* of the same section */
    c4p_coll_t section;
    c4p_ref_t self;
    int rank; /* of its record; -1: the creator has been asked */
    c4pi_fifo_t tokens;
} away_t;

static away_t *
away_find(c4p_rt_t *rt, c4p_coll_t section, c4p_ref_t self)
{
    away_t *away = c4pi_map_get(&rt->aways, section);
    while (away && !c4p_ref_eq(away->self, self))
        away = away->next;
    return away;
}

/* Also asks the section's creator. */
static away_t *
away_new(c4p_rt_t *rt, c4p_coll_t section, c4p_ref_t self)
{
    away_t *away = c4pi_section_need(rt, sizeof *away);
    *away = (away_t){
        .next = c4pi_map_get(&rt->aways, section), .section = section, .self = self, .rank = -1};
    if (c4pi_map_put(&rt->aways, section, away) != C4P_OK)
        c4pi_section_die_nomem(rt);
    c4p_msg_t *ask = c4pi_msg_or_die(rt, 0);
    ask->env.kind = C4PI_SECTION_ASK;
    ask->env.coll = section;
    ask->env.key = self.key;
    ask->env.reference = self.coll;
    ask->env.source = (uint32_t)rt->rank & 0xffffff;
    c4pi_send_to(rt, c4pi_coll_root(rt, section), ask);
    return away_find(rt, section, self);
}

static void
away_drop(c4p_rt_t *rt, away_t *away)
{
    away_t *first = c4pi_map_remove(&rt->aways, away->section), **at = &first;
    while (*at != away)
        at = &(*at)->next;
    *at = away->next;
    if (first && c4pi_map_put(&rt->aways, away->section, first) != C4P_OK)
        c4pi_section_die_nomem(rt);
    for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(&away->tokens)) != NULL;)
        c4pi_msg_drop(msg);
    c4pi_free(rt->port, away, sizeof *away);
}

/* The record that stands for a member; NULL if there is none on this rank. */
static c4pi_elem_t *
record_of(const c4pi_coll_t *coll, c4p_ref_t member)
{
    const c4pi_record_at_t *at = c4pi_section_find(coll->section, member);
    return at ? at->record : NULL;
}

/* How many contributions the record has given for its member. */
static uint64_t
given_by(const c4pi_elem_t *record)
{
    return record->redn_next - c4pi_reduce_first(record->coll);
}

/* A contribution as a message: head, data, what describes the data. */
static c4p_msg_t *
token_new(c4p_rt_t *rt, const token_t *token, const void *data, size_t len)
{
    const size_t meta_len = (size_t)token->how.meta_len;
    c4p_msg_t *msg = c4pi_msg_or_die(rt, sizeof *token + len + meta_len);
    uint8_t *at = c4pi_msg_payload(msg);
    memcpy(at, token, sizeof *token);
    if (len)
        memcpy(at + sizeof *token, data, len);
    if (meta_len)
        memcpy(at + sizeof *token + len, token->how.meta, meta_len);
    msg->env.kind = C4PI_SECTION_TOKEN;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    return msg;
}

/* If it is the next one of its member, and the record is here: contribute, and true. */
static bool
contribute_next(c4pi_coll_t *coll, c4p_msg_t *msg)
{
    token_t token;
    const uint8_t *at = c4pi_msg_payload(msg);
    memcpy(&token, at, sizeof token);
    c4pi_elem_t *record = record_of(coll, token.self);
    if (!record || token.number > given_by(record))
        return false; /* less: one inserted again in the place of the member */
    const size_t len = (size_t)(msg->env.len - sizeof token - token.how.meta_len);
    token.how.meta = at + sizeof token + len; /* the pointer that travelled is the sender's */
    c4pi_reduce_contribute(record, &token.how, at + sizeof token, len, &token.target);
    return true;
}

/* A record has come or contributed: so may others that came too early. */
static void
contribute_early(c4pi_coll_t *coll)
{
    c4pi_fifo_t *early = &coll->section->early;
    bool again = true;
    while (again) {
        c4pi_fifo_t waiting = *early;
        *early = (c4pi_fifo_t){0};
        again = false;
        for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(&waiting)) != NULL;) {
            if (contribute_next(coll, msg)) {
                again = true;
                c4pi_msg_drop(msg);
            } else {
                c4pi_fifo_push(early, msg);
            }
        }
    }
}

/* Takes over one owner. */
static void
contribute_token(c4pi_coll_t *coll, c4p_msg_t *msg)
{
    if (!contribute_next(coll, msg)) {
        c4pi_flow_take(coll->rt->flow, msg);
        c4pi_fifo_push(&coll->section->early, msg);
        return;
    }
    c4pi_msg_drop(msg);
    if (coll->section->early.head)
        contribute_early(coll);
}

void
c4pi_section_give(c4pi_coll_t *coll)
{
    c4p_rt_t *rt = coll->rt;
    for (away_t *away = c4pi_map_get(&rt->aways, coll->id), *next; away; away = next) {
        next = away->next;
        if (!record_of(coll, away->self))
            continue;
        for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(&away->tokens)) != NULL;)
            contribute_token(coll, msg);
        away_drop(rt, away);
    }
    contribute_early(coll);
}

/* ---- reductions ------------------------------------------------------------------------------- */

void
c4pi_section_contribute(c4pi_elem_t *elem, c4p_coll_t section, const c4p_reduce_t *how,
                        const void *data, size_t len, const c4p_target_t *target)
{
    c4p_rt_t *rt = elem->coll->rt;
    c4p_ref_t self = c4pi_elem_ref(elem);
    c4pi_coll_t *coll = c4pi_coll_find(rt, section);
    const c4pi_record_at_t *at = coll ? c4pi_section_find(coll->section, self) : NULL;
    c4pi_elem_t *record = at ? at->record : NULL;
    uint64_t number = c4pi_elem_membership(elem, section, NULL)->given++;
    if (record && number <= given_by(record)) {
        c4pi_reduce_contribute(record, how, data, len, target);
        if (coll->section->early.head)
            contribute_early(coll);
        return;
    }
    const token_t token = {self, number, *how, *target};
    c4p_msg_t *msg = token_new(rt, &token, data, len);
    msg->env.coll = section;
    if (record || (at && at->rank == rt->rank)) { /* it or an earlier one is on its way here */
        c4pi_fifo_push(&coll->section->early, msg);
        return;
    }
    if (at) { /* it was here, and has gone */
        c4pi_send_to(rt, at->rank, msg);
        return;
    }
    away_t *away = away_find(rt, section, self);
    if (!away)
        away = away_new(rt, section, self);
    if (away->rank < 0)
        c4pi_fifo_push(&away->tokens, msg);
    else
        c4pi_send_to(rt, away->rank, msg);
}

bool
c4pi_section_excludes(c4pi_coll_t *coll, c4p_ref_t self)
{
    const c4pi_section_t *section = coll->section;
    return section->everyone && !*c4pi_ref_slot(&section->all, section->everyone, self);
}

/* Contributions that wait here for records that have gone go on to them. What they waited for
 * comes this way, too. */
static void
send_on(c4pi_coll_t *coll)
{
    c4pi_section_t *section = coll->section;
    c4pi_fifo_t waiting = section->early;
    section->early = (c4pi_fifo_t){0};
    for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(&waiting)) != NULL;) {
        token_t token;
        memcpy(&token, c4pi_msg_payload(msg), sizeof token);
        const c4pi_record_at_t *at = c4pi_section_find(section, token.self);
        if (!at)
            c4pi_die(coll->rt, C4P_ERR_INTERNAL, "a contribution to %s came to the wrong rank",
                     c4pi_coll_label(coll));
        if (at->record || at->rank == coll->rt->rank)
            c4pi_fifo_push(&section->early, msg);
        else
            c4pi_send_to(coll->rt, at->rank, msg);
    }
}

static void
on_token(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (!coll) {
        c4pi_park_stranger(rt, msg);
        return;
    }
    contribute_token(coll, msg);
    send_on(coll);
    c4pi_count_processed(rt);
}

/* At the creator: where is the record of this one? */
static void
on_ask(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4p_ref_t self = {msg->env.reference, msg->env.key};
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (!coll || !coll->section || c4pi_section_excludes(coll, self)) {
        c4pi_coll_t *theirs = c4pi_coll_find(rt, self.coll);
        char who[160] = "an element";
        if (theirs)
            c4pi_ref_text(theirs, self.key, who, sizeof who);
        c4pi_die(rt, C4P_ERR_USER, "%s on rank %d contributes to %s, of which it is no member", who,
                 (int)msg->env.source, coll ? c4pi_coll_label(coll) : "a section");
    }
    c4pi_section_t *section = coll->section;
    int asker = (int)msg->env.source;
    msg->env.kind = C4PI_SECTION_TOLD;
    msg->env.entry = 0;
    msg->env.tag =
        (uint32_t)section->ranks[*c4pi_ref_slot(&section->all, section->everyone, self) - 1];
    c4pi_msg_keep(msg);
    c4pi_send_to(rt, asker, msg);
    c4pi_msg_drop(msg);
    c4pi_count_processed(rt);
}

/* What waited goes there, or waits on for the section itself to arrive here. */
static void
on_told(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4p_ref_t self = {msg->env.reference, msg->env.key};
    away_t *away = away_find(rt, msg->env.coll, self);
    int rank = (int)msg->env.tag;
    c4pi_msg_drop(msg);
    if (away && rank != rt->rank) {
        c4pi_fifo_t tokens = away->tokens;
        away->tokens = (c4pi_fifo_t){0};
        away->rank = rank;
        for (c4p_msg_t *token; (token = c4pi_fifo_pop(&tokens)) != NULL;)
            c4pi_send_to(rt, rank, token);
    }
    c4pi_count_processed(rt);
}

void
c4pi_section_redn_init(c4p_rt_t *rt)
{
    rt->on_kind[C4PI_SECTION_TOKEN] = on_token;
    rt->on_kind[C4PI_SECTION_ASK] = on_ask;
    rt->on_kind[C4PI_SECTION_TOLD] = on_told;
}

void
c4pi_section_fini(c4p_rt_t *rt)
{
    size_t at = 0;
    uint64_t id;
    void *first;
    while (at = 0, c4pi_map_next(&rt->aways, &at, &id, &first))
        away_drop(rt, first); /* the others of the section stay in the map */
    c4pi_map_fini(&rt->aways);
}
