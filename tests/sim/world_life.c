/* SPDX-License-Identifier: Apache-2.0 */
/* world_life.c: elements as the runtime makes, moves and destroys them: P4 (one live record for
 * each), and that all of their state travels. */
#include <stdio.h>

#include "base/map.h"
#include "sim/sim_world.h"

set_t *
world_set_of(world_t *w, c4p_coll_t id)
{
    for (int i = 0; i < w->num_sets; i++)
        if (w->sets[i]->id == id)
            return w->sets[i];
    return NULL;
}

slot_t *
world_slot_of(set_t *set, c4p_key_t key)
{
    for (uint32_t i = 0; i < set->num_slots; i++)
        if (c4p_key_eq(set->slots[i].key, key))
            return &set->slots[i];
    return NULL;
}

const char *
world_name(const slot_t *slot)
{
    static char text[80];
    const c4p_index_t *index = &slot->index;
    int at = snprintf(text, sizeof text, "set %d index (", slot->set->number);
    for (int d = 0; d < index->ndims; d++)
        at +=
            snprintf(text + at, sizeof text - (size_t)at, "%s%d", d ? "," : "", (int)index->at[d]);
    snprintf(text + at, sizeof text - (size_t)at, ")");
    return text;
}

bool
world_alive(const member_t *member)
{
    return member && (member->state == M_LIVE || member->state == M_TRAVELLING);
}

member_t *
world_member_new(world_t *w, slot_t *slot)
{
    SIM_CHECK(w->job, "scenario", w->num_members < MAX_MEMBERS, "too many members");
    member_t *member = &w->members[w->num_members];
    *member = (member_t){
        .slot = slot, .id = w->num_members++, .state = M_COMING, .rank = -1, .phase = w->phase};
    member_t *last = world_last_coming(slot);
    SIM_CHECK(w->job, "scenario", !last || last->destroy_asked, "%s is inserted twice",
              world_name(slot));
    *(last ? &last->after : &slot->coming) = member;
    return member;
}

member_t *
world_last_coming(const slot_t *slot)
{
    member_t *last = slot->coming;
    while (last && last->after)
        last = last->after;
    return last;
}

/* What the runtime believes of an element that is being made. */
static const c4pi_elem_t *
record_of(world_t *w, c4p_rt_t *rt, c4p_ref_t self)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, self.coll);
    const c4pi_elem_t *elem = coll ? c4pi_elem_find(coll, self.key) : NULL;
    SIM_CHECK(w->job, "P4", elem, "an element is made without a record");
    return elem;
}

static actor_t *
actor_new(world_t *w, c4p_rt_t *rt, member_t *member)
{
    actor_t *actor = c4pi_alloc(rt->port, sizeof *actor);
    if (actor) {
        *actor = (actor_t){.world = w, .member = member};
        w->num_objects++;
    }
    return actor;
}

static void
actor_free(world_t *w, c4p_rt_t *rt, actor_t *actor)
{
    w->num_objects--;
    c4pi_free(rt->port, actor, sizeof *actor);
}

static uint64_t
check_of(const actor_t *actor)
{
    return c4pi_hash_u64(actor->ran + 1) ^ c4pi_hash_u64(actor->member->id + 77);
}

static member_t *
who_comes(world_t *w, c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args)
{
    set_t *set = world_set_of(w, self.coll);
    if (!set && w->creating) {
        set = w->creating;
        set->id = self.coll;
    }
    SIM_CHECK(w->job, "P4", set, "rank %d makes an element of an unknown collection", rt->rank);
    slot_t *slot = world_slot_of(set, self.key);
    SIM_CHECK(w->job, "P4", slot, "rank %d makes an element of set %d with an unknown index",
              rt->rank, set->number);
    member_t *member = slot->coming;
    SIM_CHECK(w->job, "P4", member, "rank %d makes %s, which exists or was never asked for",
              rt->rank, world_name(slot));
    SIM_CHECK(w->job, "P4", !world_alive(slot->now),
              "rank %d makes %s while its former incarnation lives on rank %d", rt->rank,
              world_name(slot), slot->now ? slot->now->rank : -1);
    if (args && c4p_msg_len(args) == 4)
        SIM_CHECK(w->job, "P4", *(uint32_t *)c4p_msg_data(args) == member->id,
                  "%s gets the arguments of another insertion", world_name(slot));
    else
        SIM_CHECK(w->job, "P4", !member->inserted, "%s comes without its arguments",
                  world_name(slot));
    return member;
}

static c4p_status_t
construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    world_t *w = ctx;
    member_t *member = who_comes(w, rt, self, args);
    slot_t *slot = member->slot;
    const c4pi_elem_t *elem = record_of(w, rt, self);
    uint64_t base = w->job->opts.counter_base;
    SIM_CHECK(w->job, "P12", rt->phase == C4PI_PHASE_ACTIVE, "a constructor runs after exit");
    SIM_CHECK(w->job, "gate", !rt->gate_closed, "a constructor runs behind a closed gate");
    actor_t *actor = actor_new(w, rt, member);
    if (!actor)
        return C4P_ERR_NOMEM;
    slot->coming = member->after;
    slot->now = member;
    slot->moves += member->inserted;
    slot->inserted += member->inserted;
    world_newer_version(w, slot, elem);
    member->state = M_LIVE;
    member->rank = rt->rank;
    member->constructed = true;
    member->reborn = member->inserted && slot->set->destroys > 0;
    member->first_shout = member->next_shout = elem->bcast_next - base;
    member->first_round = member->next_round = elem->redn_next - base;
    SIM_SAY(w->job, rt->rank, "CONSTRUCT member %u %s", member->id, world_name(slot));
    SIM_CHECK(
        w->job, "P6",
        member->next_round >= MAX_ROUNDS || slot->set->rounds[member->next_round].delivered == 0,
        "%s is made to owe reduction %d, which is over", world_name(slot), (int)member->next_round);
    actor->check = check_of(actor);
    *object_out = actor;
    if (!w->finishing)
        world_act(w, rt, member);
    if (!member->inserted && !world_answer(w, rt, member, 0, 0, slot->set))
        slot->set->to_construct--;
    return C4P_OK;
}

static void
destroy(c4p_rt_t *rt, void *object, void *ctx)
{
    world_t *w = ctx;
    actor_t *actor = object;
    member_t *member = actor->member;
    bool packed = w->just_packed == actor;
    w->just_packed = NULL;
    if (!packed && rt->phase < C4PI_PHASE_EXITING) {
        SIM_CHECK(w->job, "P4", member->state == M_LIVE && member->rank == rt->rank,
                  "%s dies on rank %d, where it does not live", world_name(member->slot), rt->rank);
        SIM_CHECK(w->job, "P4", member->destroy_asked, "%s dies, and nobody asked for it",
                  world_name(member->slot));
        SIM_CHECK(w->job, "P4", member->suspended == 0, "%s dies while it waits",
                  world_name(member->slot));
        member->state = M_DEAD;
        SIM_SAY(w->job, rt->rank, "DEATH of member %u %s", member->id, world_name(member->slot));
        member->slot->moves++;
        member->slot->died++;
    } else if (packed) {
        SIM_SAY(w->job, rt->rank, "AWAY goes member %u %s", member->id, world_name(member->slot));
        member->state = M_TRAVELLING;
        member->slot->moves++;
        member->slot->migrations++;
        w->num_travelling++;
    }
    actor_free(w, rt, actor);
}

static c4p_status_t
pack(c4p_rt_t *rt, void *object, c4p_pup_t *p, void *ctx)
{
    world_t *w = ctx;
    actor_t *actor = object;
    member_t *member = actor->member;
    SIM_CHECK(w->job, "P4", member->state == M_LIVE && member->rank == rt->rank,
              "rank %d sends %s away, which is not there", rt->rank, world_name(member->slot));
    SIM_CHECK(w->job, "P4", member->suspended == 0, "%s moves while it waits",
              world_name(member->slot));
    SIM_CHECK(w->job, "P12", rt->phase == C4PI_PHASE_ACTIVE, "%s moves after exit",
              world_name(member->slot));
    uint32_t mishap = w->params->late ? sim_choose(w->job, 64) : 0;
    if (mishap == 63)
        return C4P_ERR_USER; /* it stays, with a warning */
    member->turns_back = mishap >= 56;
    c4p_put_u32(p, member->id);
    c4p_put_u64(p, actor->ran);
    c4p_put_u64(p, actor->check);
    for (uint32_t n = sim_choose(w->job, 8) == 7 ? 600 : 0; n > 0; n--)
        c4p_put_u64(p, member->id);
    w->just_packed = actor; /* if there is memory to send it, destroy() is next */
    return c4p_pup_status(p);
}

static c4p_status_t
unpack(c4p_rt_t *rt, c4p_ref_t self, c4p_pup_t *p, void *ctx, void **object_out)
{
    world_t *w = ctx;
    uint32_t id = c4p_get_u32(p);
    SIM_CHECK(w->job, "P4", id < w->num_members, "what arrives on rank %d is no element", rt->rank);
    member_t *member = &w->members[id];
    set_t *set = world_set_of(w, self.coll);
    SIM_CHECK(w->job, "P4",
              member->state == M_TRAVELLING && set == member->slot->set &&
                  c4p_key_eq(self.key, member->slot->key),
              "%s arrives on rank %d, but did not leave", world_name(member->slot), rt->rank);
    bool turns_back = member->turns_back && member->rank != rt->rank;
    actor_t *actor = turns_back ? NULL : actor_new(w, rt, member);
    if (!actor) { /* has come, and goes back to where it was */
        SIM_SAY(w->job, rt->rank, "BACK goes member %u %s", member->id, world_name(member->slot));
        member->slot->moves += 2; /* it was there */
        member->slot->migrations++;
        if (!turns_back)
            return C4P_ERR_NOMEM;
        c4p_pup_fail(p, "its mind was changed", NULL);
        return C4P_ERR_USER;
    }
    actor->ran = c4p_get_u64(p);
    actor->check = c4p_get_u64(p);
    SIM_CHECK(w->job, "P4", actor->check == check_of(actor), "%s has lost its state on the way",
              world_name(member->slot));
    member->state = M_LIVE;
    member->rank = rt->rank;
    SIM_SAY(w->job, rt->rank, "UNPACK member %u %s", member->id, world_name(member->slot));
    member->slot->moves++;
    world_newer_version(w, member->slot, record_of(w, rt, self));
    w->num_travelling--;
    *object_out = actor;
    return C4P_OK;
}

const c4p_type_desc_t world_type = {.struct_size = sizeof world_type,
                                    .name = "Actor",
                                    .construct = construct,
                                    .destroy = destroy,
                                    .pack = pack,
                                    .unpack = unpack};
