/* SPDX-License-Identifier: Apache-2.0 */
/* world_ops.c: the things that chares of the world do, and what the oracle notes of them. */
#include <string.h>

#include "core/collection.h"
#include "sim/sim_world.h"
#include "svc/migrate.h"

/* After exit was decided calls answer C4P_ERR_STATE; then nothing was done. */
bool
world_did(world_t *w, c4p_rt_t *rt, c4p_status_t st, const char *what)
{
    if (st == C4P_ERR_STATE && w->exit_asked && c4p_exiting(rt))
        return false;
    sim_ok(w->job, rt, st, what);
    SIM_CHECK(w->job, "lent", w->lent == w->lent_back,
              "%s has returned, and kept memory that was lent", what);
    return true;
}

void
world_tick(world_t *w, c4p_rt_t *rt)
{
    w->clocks[rt->rank].at[rt->rank]++;
}

/* ---- whom -------------------------------------------------------------------------------------- */

slot_t *
world_any_slot(world_t *w)
{
    for (int tries = 0; w->num_sets && tries < 4; tries++) {
        set_t *set = w->sets[sim_choose(w->job, (uint32_t)w->num_sets)];
        slot_t *slot = set->num_slots ? &set->slots[sim_choose(w->job, set->num_slots)] : NULL;
        if (slot && set->id && (slot->now || slot->coming))
            return slot;
    }
    return NULL;
}

static set_t *
any_set(world_t *w)
{
    set_t *set = w->num_sets ? w->sets[sim_choose(w->job, (uint32_t)w->num_sets)] : NULL;
    return set && set->id ? set : NULL;
}

/* ---- messages ---------------------------------------------------------------------------------- */

uint32_t
world_some_len(world_t *w)
{
    static const uint32_t lens[] = {0, 20, 120, 300, 900, 6000};
    return sim_chance(w->job, w->params->large) ? lens[sim_choose(w->job, 6)] : 0;
}

static note_t *
note_new(world_t *w, c4p_rt_t *rt, slot_t *slot, int dest)
{
    SIM_CHECK(w->job, "scenario", w->num_notes < MAX_NOTES, "too many notes");
    note_t *note = &w->notes[w->num_notes++];
    world_tick(w, rt);
    *note = (note_t){.world = w,
                     .slot = slot,
                     .source = rt->rank,
                     .dest = dest,
                     .at = rt->rank,
                     .state = NOTE_SENT,
                     .phase = w->phase,
                     .clock = w->clocks[rt->rank]};
    note->len = world_some_len(w);
    return note;
}

/* Memory that a message has until the call that sends it returns. */
typedef struct lent {
    world_t *world;
    uint32_t len;
    uint8_t bytes[];
} lent_t;

static void
drop_segment(void *ctx)
{
    world_t *w = ctx;
    w->segments_released++;
}

static void
take_back(void *ctx)
{
    lent_t *lent = ctx;
    memset(lent->bytes, 0xee, lent->len);
    lent->world->lent_back++;
}

static c4p_status_t
flatten_note(c4p_rt_t *rt, void *object, c4p_msg_t **flat_out)
{
    const uint32_t *head = object;
    c4p_msg_t *msg;
    c4p_status_t st = c4p_msg_new(rt, 8 + head[1], &msg);
    if (st != C4P_OK)
        return st;
    uint8_t *to = c4p_msg_data(msg);
    memcpy(to, head, 8);
    for (uint32_t i = 0; i < head[1]; i++)
        to[8 + i] = (uint8_t)(head[0] * 7 + i);
    *flat_out = msg;
    return C4P_OK;
}

static void
drop_note(c4p_rt_t *rt, void *object)
{
    c4pi_free(rt->port, object, 8);
}

/* The last bytes of a message, lent. */
static void
lend(world_t *w, c4p_rt_t *rt, c4p_msg_t *msg, uint32_t rest, uint32_t len)
{
    lent_t *lent = sim_memory(w->job, sizeof *lent + len);
    lent->world = w;
    lent->len = len;
    memcpy(lent->bytes, (const uint8_t *)c4p_msg_data(msg) + rest, len);
    c4p_msg_trim(msg, rest);
    sim_ok(w->job, rt, c4p_msg_lend(msg, lent->bytes, len, take_back, lent), "c4p_msg_lend");
    w->lent++;
}

/* The bytes of a note: in one piece, partly in the sender's own memory, or an object. */
c4p_msg_t *
world_message(world_t *w, c4p_rt_t *rt, uint32_t id, uint32_t len, bool object_too)
{
    static const c4p_object_ops_t ops = {.flatten = flatten_note, .drop = drop_note};
    uint32_t head[2] = {id, len};
    uint32_t how = sim_choose(w->job, 8), attached = how == 7 || how == 5 ? len / 2 : 0;
    c4p_msg_t *msg = NULL, *flat = NULL;
    if (how == 6 && object_too) {
        void *object = c4pi_alloc(rt->port, 8);
        c4p_status_t st = object ? c4p_msg_new_object(rt, object, &ops, &msg) : C4P_ERR_NOMEM;
        if (st != C4P_OK)
            c4pi_free(rt->port, object, 8);
        sim_ok(w->job, rt, st, "c4p_msg_new_object");
        memcpy(object, head, 8);
        return msg;
    }
    sim_ok(w->job, rt, flatten_note(rt, head, &flat), "c4p_msg_new");
    if (!attached)
        return flat;
    uint8_t *bytes = c4p_msg_data(flat);
    uint32_t rest = 8 + len - attached;
    if (how == 5) {
        lend(w, rt, flat, rest, attached);
        return flat;
    }
    uint8_t *kept = sim_memory(w->job, attached);
    memcpy(kept, bytes + rest, attached);
    c4p_msg_trim(flat, rest);
    sim_ok(w->job, rt, c4p_msg_attach(flat, kept, attached, drop_segment, w), "c4p_msg_attach");
    w->segments_out++;
    return flat;
}

static c4p_msg_t *
note_message(world_t *w, c4p_rt_t *rt, const note_t *note)
{
    return world_message(w, rt, (uint32_t)(note - w->notes), note->len, note->slot != NULL);
}

uint32_t
world_wish(world_t *w, c4p_rt_t *rt, wish_kind_t kind, uint32_t expected, uint32_t about,
           set_t *set)
{
    SIM_CHECK(w->job, "scenario", w->num_wishes < MAX_WISHES, "too many futures");
    wish_t *wish = &w->wishes[w->num_wishes];
    *wish = (wish_t){.world = w,
                     .kind = kind,
                     .owner = rt->rank,
                     .expected = expected,
                     .about = about,
                     .set = set,
                     .phase = w->phase};
    sim_ok(w->job, rt, c4p_future_new(rt, expected, world_granted, wish, &wish->future),
           "c4p_future_new");
    return w->num_wishes++;
}

void
world_send(world_t *w, c4p_rt_t *rt, slot_t *slot, bool call)
{
    note_t *note = note_new(w, rt, slot, 0);
    member_t *now = slot->now, *coming = world_last_coming(slot);
    note->seq = slot->next_seq[rt->rank];
    note->moves = slot->moves;
    note->destroys = slot->destroys;
    note->must_arrive = world_alive(now)
                            ? !now->destroy_asked
                            : !now && coming && !coming->destroy_asked && coming == slot->coming;
    if (coming && coming->inserted && coming->inserter == rt->rank) {
        note->must_arrive = !coming->destroy_asked;
        note->not_before = coming->id;
    }
    c4p_ref_t to = {slot->set->id, slot->key};
    c4p_future_t reply = 0;
    if (call) {
        uint32_t wish = world_wish(w, rt, WISH_CALL, 1, (uint32_t)(note - w->notes), NULL);
        note->wish = 1 + wish;
        reply = w->wishes[wish].future;
    }
    c4p_msg_t *msg = note_message(w, rt, note);
    SIM_SAY(w->job, rt->rank, "SEND note %d to %s", (int)(note - w->notes), world_name(slot));
    slot->next_seq[rt->rank]++;
    if (!world_did(w, rt, c4p_call(rt, to, w->on_note, msg, reply), "c4p_call"))
        c4p_msg_free(msg);
}

static void
send_handler(world_t *w, c4p_rt_t *rt)
{
    bool all = sim_choose(w->job, 4) == 3;
    int dest = all ? -1 : (int)sim_choose(w->job, (uint32_t)w->job->ranks);
    note_t *note = note_new(w, rt, NULL, dest);
    note->runs_left = (uint32_t)w->job->ranks;
    if (!all)
        note->seq = w->handler_seq[rt->rank][dest]++;
    c4p_msg_t *msg = note_message(w, rt, note);
    c4p_status_t st = all ? c4p_bcast_handler(rt, w->handle_note, msg)
                          : c4p_send_handler(rt, dest, w->handle_note, msg);
    if (!world_did(w, rt, st, "c4p_send_handler"))
        c4p_msg_free(msg);
}

static void
post(world_t *w, c4p_rt_t *rt)
{
    note_t *note = note_new(w, rt, NULL, rt->rank);
    (void)world_did(w, rt, c4p_post(rt, world_posted, note), "c4p_post");
}

static void
shout(world_t *w, c4p_rt_t *rt, bool await)
{
    set_t *set = any_set(w);
    if (!set)
        return;
    SIM_CHECK(w->job, "scenario", w->num_shouts < MAX_SHOUTS, "too many broadcasts");
    uint32_t id = w->num_shouts++;
    shout_t *s = &w->shouts[id];
    world_tick(w, rt);
    *s = (shout_t){.set = set, .source = rt->rank, .phase = w->phase, .clock = w->clocks[rt->rank]};
    s->seq = w->shout_seq[rt->rank][set->number]++;
    c4p_future_t reply = 0;
    if (await) {
        s->how = sim_choose(w->job, 2) ? C4P_BCAST_GATHER : C4P_BCAST_DONE;
        uint32_t wish =
            world_wish(w, rt, s->how == C4P_BCAST_GATHER ? WISH_GATHER : WISH_DONE, 1, id, set);
        reply = w->wishes[wish].future;
    }
    s->len = world_some_len(w);
    c4p_msg_t *msg = world_message(w, rt, id, s->len, true);
    if (!world_did(w, rt, c4p_bcast(rt, set->id, w->on_shout, msg, s->how, reply), "c4p_bcast"))
        c4p_msg_free(msg);
}

void
world_relay(world_t *w, c4p_rt_t *rt, c4p_msg_t *msg)
{
    for (int i = 0; i < w->num_sets; i++) {
        set_t *set = w->sets[i];
        if (!set->id || set->coll_kind == C4P_KIND_ARRAY)
            continue;
        c4p_ref_t to = {set->id, set->slots[sim_choose(w->job, set->num_slots)].key};
        c4p_msg_keep(msg);
        if (world_did(w, rt, c4p_send(rt, to, w->on_relay, msg), "c4p_send"))
            w->relays_out++;
        else
            c4p_msg_free(msg);
        return;
    }
}

static void
wish_values(world_t *w, c4p_rt_t *rt)
{
    uint32_t count = 1 + sim_choose(w->job, 3);
    uint32_t id = world_wish(w, rt, WISH_VALUES, count, w->num_wishes, NULL);
    for (; count > 0; count--) {
        c4p_msg_t *msg;
        int dest = (int)sim_choose(w->job, (uint32_t)w->job->ranks);
        sim_ok(w->job, rt, c4p_msg_new(rt, 4, &msg), "c4p_msg_new");
        memcpy(c4p_msg_data(msg), &id, 4);
        if (!world_did(w, rt, c4p_send_handler(rt, dest, w->handle_value, msg), "c4p_send_handler"))
            c4p_msg_free(msg);
    }
}

/* ---- reductions -------------------------------------------------------------------------------- */

static void
target_of(world_t *w, c4p_rt_t *rt, set_t *set, uint64_t number, c4p_target_t *target)
{
    round_t *round = &set->rounds[number];
    *target = (c4p_target_t){.flags = (uint16_t)set->number};
    switch ((number + (uint64_t)set->number) % 4) {
    case 0:
        target->kind = C4P_TARGET_HANDLER;
        target->number = (uint64_t)(set->number % w->job->ranks) << 32 | w->handle_result;
        return;
    case 1:
        target->kind = C4P_TARGET_BROADCAST;
        target->entry = w->on_result;
        target->ref.coll = set->id;
        return;
    case 2:
        if (!round->future)
            round->future =
                w->wishes[world_wish(w, rt, WISH_ROUND, 1, (uint32_t)number, set)].future;
        target->kind = C4P_TARGET_FUTURE;
        target->number = round->future;
        return;
    default: /* an element that never dies, if there is one */
        for (int i = 0; i < w->num_sets; i++) {
            if (!w->sets[i]->id || w->sets[i]->coll_kind == C4P_KIND_ARRAY)
                continue;
            target->kind = C4P_TARGET_ELEMENT;
            target->entry = w->on_result;
            target->ref = (c4p_ref_t){w->sets[i]->id, w->sets[i]->slots[0].key};
            return;
        }
        target->kind = C4P_TARGET_HANDLER;
        target->number = w->handle_result;
    }
}

void
world_contribute(world_t *w, c4p_rt_t *rt, member_t *member)
{
    set_t *set = member->slot->set;
    uint64_t number = member->next_round, said;
    SIM_CHECK(w->job, "scenario", number < MAX_ROUNDS, "too many reductions");
    round_t *round = &set->rounds[number];
    int64_t value = (int64_t)world_value(number, member->id);
    c4p_reduce_t how = {.op = number % 3 == 0   ? C4P_OP_SUM
                              : number % 3 == 1 ? C4P_OP_GATHER
                                                : C4P_OP_NOP,
                        .dtype = number % 3 == 0 ? C4P_INT64 : 0};
    c4p_target_t target;
    c4p_ref_t self = {set->id, member->slot->key};
    SIM_CHECK(w->job, "P6", round->delivered == 0, "reduction %d of set %d closed without %s",
              (int)number, set->number, world_name(member->slot));
    if (rt->phase != C4PI_PHASE_ACTIVE)
        return;
    target_of(w, rt, set, number, &target);
    SIM_SAY(w->job, rt->rank, "CONTRIBUTE member %u %s to %d", member->id, world_name(member->slot),
            (int)number);
    round->given++;
    round->sum += number % 3 == 2 ? 0 : value;
    member->next_round++;
    if (set->rounds_begun <= number)
        set->rounds_begun = number + 1;
    sim_ok(w->job, rt,
           c4p_contribute(rt, self, &how, &value, number % 3 == 2 ? 0 : 8, &target, &said),
           "c4p_contribute");
    SIM_CHECK(w->job, "P6", said - w->job->opts.counter_base == number,
              "%s contributes to reduction %d when %d is next", world_name(member->slot),
              (int)(said - w->job->opts.counter_base), (int)number);
}

/* ---- elements come and go ---------------------------------------------------------------------- */

void
world_migrate(world_t *w, c4p_rt_t *rt, member_t *self)
{
    member_t *member = self;
    uint32_t who = sim_choose(w->job, 4);
    if (who == 3 && member) { /* another one of the same set, here */
        set_t *set = member->slot->set;
        slot_t *slot = &set->slots[sim_choose(w->job, set->num_slots)];
        if (slot->now && slot->now->state == M_LIVE && slot->now->rank == rt->rank)
            member = slot->now;
    } else if (who >= 2 || !member) {
        slot_t *slot = world_any_slot(w);
        member = slot ? slot->now : NULL;
    }
    if (!member || member->state != M_LIVE || member->slot->set->coll_kind == C4P_KIND_GROUP)
        return;
    c4p_rt_t *there = w->job->rts[member->rank];
    if (there != rt && there->in_scheduler)
        return;
    c4pi_coll_t *coll = c4pi_coll_find(there, member->slot->set->id);
    c4pi_elem_t *elem = coll ? c4pi_elem_find(coll, member->slot->key) : NULL;
    SIM_CHECK(w->job, "P4", elem, "%s is not on rank %d", world_name(member->slot), member->rank);
    int dest = (int)sim_choose(w->job, (uint32_t)w->job->ranks);
    c4p_status_t st = there->phase == C4PI_PHASE_ACTIVE ? c4pi_migrate(elem, dest, NULL) : C4P_OK;
    if (st != C4P_ERR_BUSY)
        sim_ok(w->job, rt, st, "c4pi_migrate");
}

void
world_insert(world_t *w, c4p_rt_t *rt, slot_t *slot)
{
    set_t *set = slot->set;
    c4p_msg_t *args;
    int rank = (int)sim_choose(w->job, (uint32_t)w->job->ranks + 1) - 1;
    member_t *member = world_member_new(w, slot);
    world_tick(w, rt);
    member->inserted = true;
    member->by_member = rt->running && rt->running->coll->id == set->id;
    member->inserter = rt->rank;
    member->inserted_at = w->clocks[rt->rank].at[rt->rank];
    sim_ok(w->job, rt, c4p_msg_new(rt, 4, &args), "c4p_msg_new");
    memcpy(c4p_msg_data(args), &member->id, 4);
    SIM_SAY(w->job, rt->rank, "INSERT member %u %s (by set %d)", member->id, world_name(slot),
            rt->running ? world_set_of(w, rt->running->coll->id)->number : -1);
    bool takes_part = sim_chance(w->job, w->params->sync);
    if (takes_part || set->at_sync)
        world_takes_part(w, rt, member);
    if (!world_did(w, rt,
                   takes_part ? c4p_insert_participant(rt, set->id, &slot->index, rank, args)
                              : c4p_insert(rt, set->id, &slot->index, rank, args),
                   "c4p_insert"))
        c4p_msg_free(args);
}

/* An index that is free, as far as this rank can know. */
static void
insert(world_t *w, c4p_rt_t *rt)
{
    set_t *set = any_set(w);
    if (!set || set->coll_kind != C4P_KIND_ARRAY || w->num_members > MAX_MEMBERS - 20)
        return;
    slot_t *slot = &set->slots[sim_choose(w->job, set->num_slots)];
    bool mine = slot->now && slot->now->destroy_asked && slot->now->destroyer == rt->rank;
    if (!slot->coming && (!slot->now || slot->now->state == M_DEAD || mine))
        world_insert(w, rt, slot);
}

/* Returns whether it was done. */
static bool
destroy(world_t *w, c4p_rt_t *rt, slot_t *slot)
{
    if (!slot || slot->set->coll_kind != C4P_KIND_ARRAY)
        return false;
    member_t *member = world_last_coming(slot);
    if (member && !(member->inserted && member->inserter == rt->rank))
        return false;
    if (!member && world_alive(slot->now))
        member = slot->now;
    if (!member || member->destroy_asked || slot->pinned)
        return false;
    c4p_ref_t ref = {slot->set->id, slot->key};
    SIM_SAY(w->job, rt->rank, "DESTROY member %u %s", member->id, world_name(slot));
    if (!world_did(w, rt, c4p_destroy(rt, ref), "c4p_destroy"))
        return false;
    member->destroy_asked = true;
    member->destroyer = rt->rank;
    member->destroy_phase = w->phase;
    slot->destroys++;
    slot->set->destroys++;
    return true;
}

/* What is sent now must find the new one. */
static void
replace(world_t *w, c4p_rt_t *rt)
{
    slot_t *slot = world_any_slot(w);
    if (w->num_members > MAX_MEMBERS - 20 || !destroy(w, rt, slot))
        return;
    world_insert(w, rt, slot);
    for (uint32_t n = sim_choose(w->job, 3); n > 0; n--)
        world_send(w, rt, slot, sim_choose(w->job, 4) == 3);
}

void
world_done(world_t *w, c4p_rt_t *rt, set_t *set)
{
    world_tick(w, rt);
    set->done_clock = w->clocks[rt->rank];
    if (world_did(w, rt, c4p_done_inserting(rt, set->id), "c4p_done_inserting"))
        set->done = true;
}

static void
some_done(world_t *w, c4p_rt_t *rt)
{
    set_t *set = any_set(w);
    if (set && set->needs_done && !set->done)
        world_done(w, rt, set);
}

/* ---- creation ---------------------------------------------------------------------------------- */

static void
set_slots(world_t *w, set_t *set)
{
    for (uint32_t i = 0; i < set->num_slots; i++) {
        slot_t *slot = &set->slots[i];
        slot->set = set;
        slot->index = (c4p_index_t){.ndims = 1, .at = {(int64_t)i}};
        if (set->kind == SET_GRID)
            slot->index = (c4p_index_t){.ndims = 3, .at = {i / 6, i / 2 % 3, i % 2}};
        else if (set->kind == SET_SPARSE)
            slot->index = (c4p_index_t){.ndims = 2, .at = {(int64_t)i - 5, (int64_t)i * 1000}};
        sim_ok(w->job, w->job->rts[0], c4p_index_pack(&slot->index, &slot->key), "c4p_index_pack");
        if (i < set->num_static)
            (void)world_member_new(w, slot);
    }
}

static set_t *
set_new(world_t *w, c4p_rt_t *rt, set_kind_t kind)
{
    set_t *set = sim_memory(w->job, sizeof *set);
    uint32_t ranks = (uint32_t)w->job->ranks;
    *set = (set_t){.world = w,
                   .number = w->num_sets,
                   .kind = kind,
                   .creator = rt->rank,
                   .coll_kind = C4P_KIND_ARRAY,
                   .num_slots = MAX_SLOTS};
    switch (kind) {
    case SET_DENSE:
    case SET_MAPPED:
        set->num_static = sim_choose(w->job, 4) == 3 ? sim_choose(w->job, MAX_SLOTS) : 6;
        break;
    case SET_GRID:
        set->num_slots = set->num_static = 12;
        break;
    case SET_SPARSE:
        set->needs_done = true;
        break;
    case SET_GROUP:
        set->coll_kind = C4P_KIND_GROUP;
        set->num_slots = set->num_static = ranks;
        break;
    case SET_CHARE:
        set->coll_kind = C4P_KIND_CHARE;
        set->num_slots = set->num_static = 1;
        break;
    }
    set->at_sync = set->coll_kind == C4P_KIND_ARRAY && sim_chance(w->job, w->params->sync);
    set->to_construct = set->num_static;
    w->sets[w->num_sets++] = set;
    set_slots(w, set);
    if (w->params->sync)
        world_tick(w, rt);
    for (uint32_t i = 0; set->at_sync && i < set->num_static; i++)
        world_takes_part(w, rt, set->slots[i].coming);
    return set;
}

static c4p_status_t
create_array(world_t *w, c4p_rt_t *rt, set_t *set, c4p_future_t created, c4p_coll_t *id_out)
{
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    opts.ndims = set->slots[0].index.ndims;
    opts.dense = set->kind != SET_SPARSE;
    opts.created = created;
    opts.at_sync = set->at_sync;
    if (set->kind == SET_GRID) {
        opts.dims[0] = 2;
        opts.dims[1] = 3;
        opts.dims[2] = 2;
    } else {
        opts.dims[0] = set->num_static;
    }
    if (set->kind == SET_MAPPED) {
        opts.map = w->map;
        opts.map_arg = 3;
    }
    return c4p_array_new(rt, w->type, &opts, NULL, id_out);
}

void
world_create(world_t *w, c4p_rt_t *rt, set_kind_t kind)
{
    if (w->num_sets == MAX_SETS || w->creating || w->num_members > MAX_MEMBERS - 20)
        return;
    set_t *set = set_new(w, rt, kind);
    c4p_future_t created = 0;
    c4p_coll_t id = 0;
    c4p_ref_t ref = {0};
    c4p_status_t st;
    set->created_awaited = sim_choose(w->job, 2) == 1;
    if (set->created_awaited)
        created = w->wishes[world_wish(w, rt, WISH_CREATED, 1, 0, set)].future;
    w->creating = set;
    if (kind == SET_GROUP) {
        st = c4p_group_new(rt, w->type, NULL, created, &id);
    } else if (kind == SET_CHARE) {
        int rank = (int)sim_choose(w->job, (uint32_t)w->job->ranks + 1) - 1;
        st = c4p_chare_new(rt, w->type, rank, NULL, created, &ref);
        id = ref.coll;
    } else {
        st = create_array(w, rt, set, created, &id);
    }
    w->creating = NULL;
    if (!world_did(w, rt, st, "creation"))
        return;
    SIM_CHECK(w->job, "creation", !set->id || set->id == id, "set %d was made under two ids",
              set->number);
    set->id = id;
}

/* ---- one after another ------------------------------------------------------------------------- */

static op_t
choose_op(world_t *w)
{
    uint32_t total = 0, pick;
    for (int op = 0; op < NUM_OPS; op++)
        total += w->params->weights[op];
    pick = sim_choose(w->job, total);
    for (int op = 0; op < NUM_OPS; op++) {
        if (pick < w->params->weights[op])
            return (op_t)op;
        pick -= w->params->weights[op];
    }
    return OP_SEND;
}

static void
act_once(world_t *w, c4p_rt_t *rt, member_t *member)
{
    slot_t *slot;
    op_t op = choose_op(w);
    switch (op) {
    case OP_SEND:
    case OP_CALL:
        if ((slot = world_any_slot(w)) != NULL)
            world_send(w, rt, slot, op == OP_CALL);
        return;
    case OP_SHOUT:
    case OP_AWAIT:
        shout(w, rt, op == OP_AWAIT);
        return;
    case OP_CONTRIBUTE:
        if (member && member->state == M_LIVE && member->next_round < MAX_ROUNDS - 10)
            world_contribute(w, rt, member);
        return;
    case OP_MIGRATE:
        world_migrate(w, rt, member);
        return;
    case OP_INSERT:
        insert(w, rt);
        return;
    case OP_DESTROY:
        (void)destroy(w, rt, world_any_slot(w));
        return;
    case OP_REPLACE:
        replace(w, rt);
        return;
    case OP_SECTION:
        world_choir_new(w, rt);
        return;
    case OP_CHANT:
    case OP_HYMN:
        world_chant(w, rt, op == OP_HYMN);
        return;
    case OP_OFFER:
        if (member)
            world_offer(w, rt, member);
        return;
    case OP_JOIN:
        if (member)
            world_join(w, rt, member);
        return;
    case OP_READY:
        if (member)
            world_ready(w, rt, member);
        return;
    case OP_DONE:
        some_done(w, rt);
        return;
    case OP_HANDLER:
        send_handler(w, rt);
        return;
    case OP_POST:
        post(w, rt);
        return;
    case OP_WISH:
        wish_values(w, rt);
        return;
    case OP_QUIET:
        if (w->quiet_asked - w->quiet_seen < 4)
            world_ask_quiet(w, rt);
        return;
    case OP_CREATE:
        world_create(w, rt, (set_kind_t)sim_choose(w->job, 6));
        return;
    case OP_EXIT: {
        int code = (int)sim_choose(w->job, 30);
        w->exit_asked = true;
        w->exit_codes |= 1u << code;
        sim_ok(w->job, rt, c4p_exit(rt, code), "c4p_exit");
        return;
    }
    case NUM_OPS:
        return;
    }
}

void
world_act(world_t *w, c4p_rt_t *rt, member_t *member)
{
    for (uint32_t n = sim_choose(w->job, 4); n > 0 && w->budget > 0; n--) {
        if (rt->phase != C4PI_PHASE_ACTIVE)
            return;
        w->budget--;
        act_once(w, rt, member);
    }
}
