/* SPDX-License-Identifier: Apache-2.0 */
/* world_choir.c: sections: each member runs each broadcast of a section once, and all in one order
 * (P7), that in which each rank has sent them (P2); the k-th contributions of all members make the
 * k-th reduction (P6); also while members move. Who was inserted where others have been deleted
 * runs each once, in any order. */
#include <string.h>

#include "core/collection.h"
#include "sim/sim_world.h"

/* ---- making them -------------------------------------------------------------------------------- */

static slot_t *
immortal(world_t *w)
{
    for (int i = 0; i < w->num_sets; i++) {
        set_t *set = w->sets[i];
        if (set->id && set->coll_kind != C4P_KIND_ARRAY)
            return &set->slots[sim_choose(w->job, set->num_slots)];
    }
    return NULL;
}

/* Lives or is to be made, and nobody has asked for its end. */
static bool
will_live(const slot_t *slot)
{
    const member_t *coming = slot->coming;
    if (world_alive(slot->now))
        return !slot->now->destroy_asked;
    return coming && !coming->destroy_asked && !coming->after;
}

static int
place_in(const choir_t *choir, const slot_t *slot)
{
    for (uint32_t i = 0; i < choir->count; i++)
        if (choir->slots[i] == slot)
            return (int)i;
    return -1;
}

void
world_choir_new(world_t *w, c4p_rt_t *rt)
{
    slot_t *first = immortal(w);
    if (!first || w->num_choirs == MAX_CHOIRS)
        return;
    choir_t *choir = &w->choirs[w->num_choirs];
    *choir = (choir_t){.number = (int)w->num_choirs};
    choir->pinned = sim_choose(w->job, 3) < 2;
    choir->slots[choir->count++] = first;
    for (uint32_t n = sim_choose(w->job, MAX_SINGERS); n > 0; n--) {
        slot_t *slot = world_any_slot(w);
        if (slot && place_in(choir, slot) < 0 && (!choir->pinned || will_live(slot)))
            choir->slots[choir->count++] = slot;
    }
    c4p_ref_t refs[MAX_SINGERS + 1];
    for (uint32_t i = 0; i < choir->count; i++) {
        choir->slots[i]->pinned |= choir->pinned;
        refs[i] = (c4p_ref_t){choir->slots[i]->set->id, choir->slots[i]->key};
    }
    refs[choir->count] = refs[0]; /* a repetition is left out */
    w->num_choirs++;
    (void)world_did(w, rt, c4p_section_new(rt, w->type, refs, choir->count + 1, &choir->id),
                    "c4p_section_new");
}

/* ---- broadcasts --------------------------------------------------------------------------------- */

static choir_t *
any_choir(world_t *w)
{
    choir_t *choir = w->num_choirs ? &w->choirs[sim_choose(w->job, w->num_choirs)] : NULL;
    return choir && choir->id ? choir : NULL;
}

void
world_chant(world_t *w, c4p_rt_t *rt, bool await)
{
    choir_t *choir = any_choir(w);
    if (!choir || w->num_chants == MAX_CHANTS)
        return;
    uint32_t id = w->num_chants++;
    chant_t *chant = &w->chants[id];
    c4p_future_t reply = 0;
    world_tick(w, rt);
    *chant = (chant_t){.choir = choir, .source = rt->rank, .clock = w->clocks[rt->rank]};
    chant->seq = choir->chant_seq[rt->rank]++;
    if (await) {
        chant->how = sim_choose(w->job, 2) ? C4P_BCAST_GATHER : C4P_BCAST_DONE;
        reply = w->wishes[world_wish(w, rt, WISH_HYMN, 1, id, NULL)].future;
    }
    chant->len = world_some_len(w);
    c4p_msg_t *msg = world_message(w, rt, id, chant->len, true);
    SIM_SAY(w->job, rt->rank, "CHANT %u to choir %d", id, choir->number);
    if (!world_did(w, rt, c4p_bcast(rt, choir->id, w->on_chant, msg, chant->how, reply),
                   "c4p_bcast to a section"))
        c4p_msg_free(msg);
}

/* What a member hears next must be what all others heard in that place. */
static void
hear(world_t *w, choir_t *choir, member_t *member, uint32_t song)
{
    uint32_t at = member->heard[choir->number]++;
    SIM_CHECK(w->job, "P7", place_in(choir, member->slot) >= 0,
              "%s runs a broadcast of a section in which it is not", world_name(member->slot));
    if (member->reborn)
        return;
    SIM_CHECK(w->job, "scenario", at < MAX_SONGS, "too many broadcasts to a section");
    if (at == choir->num_songs)
        choir->songs[choir->num_songs++] = song;
    SIM_CHECK(w->job, "P7", at < choir->num_songs && choir->songs[at] == song,
              "%s runs broadcast %u of section %d as its number %u, others another",
              world_name(member->slot), song, choir->number, at);
}

static void
run_chant(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    world_t *w = ctx;
    member_t *member = world_enter(w, rt, object);
    uint32_t id = world_id_of(w, msg);
    SIM_CHECK(w->job, "P1", id < w->num_chants, "a broadcast arrives that nobody sent");
    chant_t *chant = &w->chants[id];
    choir_t *choir = chant->choir;
    int place = place_in(choir, member->slot);
    SIM_CHECK(w->job, "P1", world_carries(msg, id, chant->len), "broadcast %u is damaged", id);
    SIM_SAY(w->job, rt->rank, "HEAR %u of choir %d at %s", id, choir->number,
            world_name(member->slot));
    hear(w, choir, member, 1 + id);
    SIM_CHECK(w->job, "P7", !(chant->ran_by >> place & 1),
              "%s runs broadcast %u of section %d again", world_name(member->slot), id,
              choir->number);
    SIM_CHECK(w->job, "P7", !chant->completed || !choir->pinned,
              "%s runs broadcast %u of a section, which was reported complete",
              world_name(member->slot), id);
    chant->ran_by |= 1u << place;
    chant->started++;
    world_merge_clock(w, rt->rank, &chant->clock);
    if (!w->finishing)
        world_act(w, rt, member);
    chant->finished++;
}

void
world_granted_chant(world_t *w, wish_t *wish, c4p_msg_t *msg, bool is_error)
{
    chant_t *chant = &w->chants[wish->about];
    uint32_t parts = 0;
    size_t cursor = 0;
    c4p_gathered_t part;
    chant->completed = true;
    if (!chant->choir->pinned) /* calls of members that were deleted are errors */
        return;
    SIM_CHECK(w->job, "P7", chant->finished == chant->choir->count && !is_error,
              "broadcast %u to section %d was reported complete after %u of %u executions",
              wish->about, chant->choir->number, chant->finished, chant->choir->count);
    while (chant->how == C4P_BCAST_GATHER && msg && c4p_gathered_next(msg, &cursor, &part))
        parts++;
    SIM_CHECK(w->job, "P7", chant->how != C4P_BCAST_GATHER || parts == chant->choir->count,
              "broadcast %u to section %d gathered %u values of %u", wish->about,
              chant->choir->number, parts, chant->choir->count);
}

/* ---- reductions --------------------------------------------------------------------------------- */

static void
offer(world_t *w, c4p_rt_t *rt, choir_t *choir, member_t *member)
{
    uint32_t number = member->offered[choir->number];
    if (rt->phase != C4PI_PHASE_ACTIVE || number == MAX_OFFERS)
        return;
    round_t *round = &choir->rounds[number];
    int64_t value = (int64_t)world_value(number, member->id);
    c4p_reduce_t how = {.op = number % 3 == 0   ? C4P_OP_SUM
                              : number % 3 == 1 ? C4P_OP_GATHER
                                                : C4P_OP_NOP,
                        .dtype = number % 3 == 0 ? C4P_INT64 : 0};
    c4p_target_t target = {.flags = (uint16_t)choir->number};
    SIM_CHECK(w->job, "P6", round->delivered == 0, "reduction %u of section %d closed without %s",
              number, choir->number, world_name(member->slot));
    switch ((number + (uint32_t)choir->number) % 3) {
    case 0:
        target.kind = C4P_TARGET_HANDLER;
        target.number = (uint64_t)(choir->number % w->job->ranks) << 32 | w->handle_choir_result;
        break;
    case 1:
        target.kind = C4P_TARGET_BROADCAST;
        target.entry = w->on_choir_result;
        target.ref.coll = choir->id;
        break;
    default:
        target.kind = C4P_TARGET_ELEMENT;
        target.entry = w->on_choir_result;
        target.ref = (c4p_ref_t){choir->slots[0]->set->id, choir->slots[0]->key};
    }
    SIM_SAY(w->job, rt->rank, "OFFER %u to choir %d by %s", number, choir->number,
            world_name(member->slot));
    round->given++;
    round->sum += number % 3 == 2 ? 0 : value;
    member->offered[choir->number]++;
    if (choir->rounds_begun <= number)
        choir->rounds_begun = number + 1;
    c4p_ref_t self = {member->slot->set->id, member->slot->key};
    sim_ok(
        w->job, rt,
        c4p_section_contribute(rt, choir->id, self, &how, &value, number % 3 == 2 ? 0 : 8, &target),
        "c4p_section_contribute");
}

void
world_offer(world_t *w, c4p_rt_t *rt, member_t *member)
{
    choir_t *choir = any_choir(w);
    if (choir && choir->pinned && member->state == M_LIVE && place_in(choir, member->slot) >= 0 &&
        member->offered[choir->number] < MAX_OFFERS - 10)
        offer(w, rt, choir, member);
}

static uint32_t
check_result(world_t *w, choir_t *choir, c4p_msg_t *msg)
{
    c4p_result_t result;
    SIM_CHECK(w->job, "P6", c4p_result_get(msg, &result) == C4P_OK, "a result cannot be read");
    uint64_t number = result.number - w->job->opts.counter_base;
    SIM_CHECK(w->job, "P6", number < MAX_OFFERS, "the result of reduction %d, which never was",
              (int)number);
    round_t *round = &choir->rounds[number];
    SIM_CHECK(w->job, "P6", result.contributors == choir->count && round->given == choir->count,
              "reduction %d of section %d, of %u members, closed with %d contributions of %u",
              (int)number, choir->number, choir->count, (int)result.contributors, round->given);
    int64_t sum = round->sum;
    if (number % 3 == 0) {
        memcpy(&sum, result.data, 8);
    } else if (number % 3 == 1) {
        size_t cursor = 0;
        c4p_gathered_t part;
        for (sum = 0; c4p_gathered_next(msg, &cursor, &part);) {
            int64_t value;
            memcpy(&value, part.data, 8);
            sum += value;
        }
    }
    SIM_CHECK(w->job, "P6", sum == round->sum, "reduction %d of section %d gives %lld, not %lld",
              (int)number, choir->number, (long long)sum, (long long)round->sum);
    round->delivered++;
    return (uint32_t)number;
}

static void
run_choir_result(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    world_t *w = ctx;
    member_t *member = world_enter(w, rt, object);
    choir_t *choir = &w->choirs[c4p_msg_tag(msg)];
    uint32_t number = check_result(w, choir, msg);
    if ((number + (uint32_t)choir->number) % 3 == 1)
        hear(w, choir, member, RESULT_SONG + number);
    else
        SIM_CHECK(w->job, "P6", choir->rounds[number].delivered == 1,
                  "reduction %u of section %d gave two results", number, choir->number);
}

static void
handle_choir_result(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    world_t *w = ctx;
    choir_t *choir = &w->choirs[c4p_msg_tag(msg)];
    uint32_t number = check_result(w, choir, msg);
    (void)rt;
    SIM_CHECK(w->job, "P6", number >= choir->last_result,
              "reduction %u of section %d comes after reduction %u", number, choir->number,
              choir->last_result - 1);
    choir->last_result = number + 1;
}

/* ---- the finish ----------------------------------------------------------------------------------- */

static void
run_offer(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    world_t *w = ctx;
    member_t *member = world_enter(w, rt, object);
    uint32_t what[2];
    memcpy(what, c4p_msg_data(msg), sizeof what);
    while (member->offered[what[0]] < what[1])
        offer(w, rt, &w->choirs[what[0]], member);
}

/* Everybody contributes as often as the most eager one did. */
void
world_choirs_top_up(world_t *w, c4p_rt_t *rt)
{
    for (uint32_t i = 0; i < w->num_choirs; i++) {
        choir_t *choir = &w->choirs[i];
        for (uint32_t k = 0; choir->pinned && choir->rounds_begun && k < choir->count; k++) {
            uint32_t what[2] = {i, choir->rounds_begun};
            c4p_ref_t to = {choir->slots[k]->set->id, choir->slots[k]->key};
            c4p_msg_t *msg;
            sim_ok(w->job, rt, c4p_msg_new(rt, sizeof what, &msg), "c4p_msg_new");
            memcpy(c4p_msg_data(msg), what, sizeof what);
            sim_ok(w->job, rt, c4p_send(rt, to, w->on_offer, msg), "c4p_send");
        }
    }
}

static void
check_singer(world_t *w, const choir_t *choir, const slot_t *slot)
{
    const member_t *member = slot->now;
    if (!world_alive(member))
        return;
    SIM_CHECK(w->job, "P8", member->reborn || member->heard[choir->number] == choir->num_songs,
              "quiescence, but %s has run %u of %u broadcasts of section %d", world_name(slot),
              member->heard[choir->number], choir->num_songs, choir->number);
    c4p_rt_t *rt = w->job->rts[member->rank];
    c4pi_coll_t *coll = c4pi_coll_find(rt, slot->set->id);
    const c4pi_elem_t *elem = coll ? c4pi_elem_find(coll, slot->key) : NULL;
    SIM_CHECK(w->job, "P13", !elem || !elem->extra || !elem->extra->ahead.count,
              "%s keeps broadcasts of a section back for ever", world_name(slot));
}

void
world_check_choirs(world_t *w)
{
    for (uint32_t i = 0; i < w->num_choirs; i++) {
        const choir_t *choir = &w->choirs[i];
        uint32_t least = choir->rounds_begun;
        for (uint32_t k = 0; choir->id && k < choir->count; k++) {
            check_singer(w, choir, choir->slots[k]);
            const member_t *member = choir->slots[k]->now;
            uint32_t offered = member ? member->offered[i] : 0;
            least = offered < least ? offered : least;
        }
        for (uint32_t r = 0; choir->pinned && r < least; r++)
            SIM_CHECK(w->job, "P6",
                      choir->rounds[r].delivered ==
                          ((r + (uint32_t)choir->number) % 3 == 1 ? choir->count : 1),
                      "quiescence, but reduction %u of section %u is not closed", r, i);
    }
    for (uint32_t i = 0; i < w->num_chants; i++) {
        const chant_t *chant = &w->chants[i];
        uint32_t all = (1u << chant->choir->count) - 1;
        SIM_CHECK(w->job, "P8", !chant->choir->pinned || chant->ran_by == all,
                  "quiescence, but broadcast %u was run by %x, not %x, of section %d", i,
                  chant->ran_by, all, chant->choir->number);
    }
    for (uint32_t i = 0; i < w->num_choirs; i++) { /* those of one rank in the order sent */
        uint32_t next[MAX_RANKS] = {0};
        for (uint32_t k = 0; k < w->choirs[i].num_songs; k++) {
            uint32_t song = w->choirs[i].songs[k];
            if (song >= RESULT_SONG)
                continue;
            const chant_t *chant = &w->chants[song - 1];
            SIM_CHECK(w->job, "P2", chant->seq >= next[chant->source],
                      "broadcasts of rank %d to section %u run in another order than sent",
                      chant->source, i);
            next[chant->source] = chant->seq + 1;
        }
    }
}

void
world_choir_add(world_t *w, c4p_rt_t *rt)
{
    sim_job_t *job = w->job;
    sim_ok(job, rt, c4p_entry_add(rt, w->type, "chant", run_chant, w, &w->on_chant), "entry");
    sim_ok(job, rt,
           c4p_entry_add(rt, w->type, "choir result", run_choir_result, w, &w->on_choir_result),
           "entry");
    sim_ok(job, rt, c4p_entry_add(rt, w->type, "offer", run_offer, w, &w->on_offer), "entry");
    sim_ok(job, rt,
           c4p_handler_add(rt, "choir result", handle_choir_result, w, &w->handle_choir_result),
           "handler");
}
