/* SPDX-License-Identifier: Apache-2.0 */
/* world_place.c: where elements are, as the runtime believes, and the way of messages to them: P3
 * forwards, P5 what a rank knows of a place never gets older and the home's entry is right in the
 * end, P9 no more is on its way than there is credit for, P10 no entry without a reason. */
#include "base/map.h"
#include "core/location.h"
#include "core/newborn.h"
#include "sim/sim_world.h"
#include "svc/reduce.h"

/* ---- what arrives ------------------------------------------------------------------------------- */

static uint64_t
credit_window(const world_t *w)
{
    uint64_t least = 4 * (uint64_t)w->job->opts.small_bytes;
    return w->job->opts.credit_bytes > least ? w->job->opts.credit_bytes : least;
}

/* Bytes that one rank has sent another and that have not been taken there. */
static uint64_t
on_account(world_t *w, int from, int to)
{
    return c4pi_flow_credit(w->job->rts[from]->flow, to).sent -
           c4pi_flow_credit(w->job->rts[to]->flow, from).taken;
}

/* A note has reached another rank: however it came. */
static void
watch_note(c4p_rt_t *rt, c4p_msg_t *msg)
{
    world_t *w = rt->hooks.ctx;
    if (msg->env.entry == w->on_note && !c4p_msg_object(msg)) {
        uint32_t id = world_id_of(w, msg);
        SIM_CHECK(w->job, "P1", id < w->num_notes, "a note arrives that nobody sent");
        note_t *note = &w->notes[id];
        if (note->at != rt->rank) {
            SIM_CHECK(w->job, "P9",
                      w->exit_asked || on_account(w, note->at, rt->rank) <= credit_window(w),
                      "rank %d has sent rank %d more than it has credit for", note->at, rt->rank);
            note->at = rt->rank;
            note->sendings++;
        }
    }
    w->runtime.note(rt, msg);
}

static c4pi_version_t
known_version(c4p_rt_t *rt, c4p_coll_t id, c4p_key_t key)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, id);
    const c4pi_loc_t *loc = coll ? c4pi_loc_find(coll, key) : NULL;
    return loc ? loc->version : (c4pi_version_t){0, 0};
}

static void
watch_news(c4p_rt_t *rt, c4p_msg_t *msg, c4pi_kind_fn_t handle)
{
    world_t *w = rt->hooks.ctx;
    c4p_coll_t id = msg->env.coll;
    c4p_key_t key = msg->env.key;
    c4pi_version_t before = known_version(rt, id, key);
    handle(rt, msg);
    c4pi_version_t after = known_version(rt, id, key);
    SIM_CHECK(w->job, "P5", c4pi_version_none(after) || !c4pi_version_newer(before, after),
              "rank %d believes an older statement (%u.%u) than it knew (%u.%u)", rt->rank,
              after.nonce, after.epoch, before.nonce, before.epoch);
}

static void
watch_update(c4p_rt_t *rt, c4p_msg_t *msg)
{
    watch_news(rt, msg, ((world_t *)rt->hooks.ctx)->runtime.update);
}

static void
watch_reply(c4p_rt_t *rt, c4p_msg_t *msg)
{
    watch_news(rt, msg, ((world_t *)rt->hooks.ctx)->runtime.reply);
}

void
world_watch(world_t *w, c4p_rt_t *rt)
{
    w->runtime.note = rt->on_kind[C4PI_USER];
    w->runtime.update = rt->on_kind[C4PI_LOC_UPDATE];
    w->runtime.reply = rt->on_kind[C4PI_LOC_REPLY];
    rt->on_kind[C4PI_USER] = watch_note;
    rt->on_kind[C4PI_LOC_UPDATE] = watch_update;
    rt->on_kind[C4PI_LOC_REPLY] = watch_reply;
}

void
world_check_forwards(world_t *w, const note_t *note)
{
    const slot_t *slot = note->slot;
    uint32_t forwards = note->sendings ? note->sendings - 1 : 0;
    SIM_CHECK(
        w->job, "P3", forwards <= slot->migrations + slot->inserted + slot->died,
        "note %d to %s was forwarded %u times; its target moved %u times, was inserted %u times "
        "and deleted %u times",
        (int)(note - w->notes), world_name(slot), forwards, slot->migrations, slot->inserted,
        slot->died);
}

void
world_newer_version(world_t *w, slot_t *slot, const c4pi_elem_t *elem)
{
    SIM_CHECK(w->job, "P5", c4pi_version_newer(elem->version, slot->version),
              "%s has version %u.%u after version %u.%u", world_name(slot), elem->version.nonce,
              elem->version.epoch, slot->version.nonce, slot->version.epoch);
    slot->version = elem->version;
}

/* ---- when nothing is left to do ------------------------------------------------------------------ */

/* The home's entry of an element that is away. */
static void
check_home_entry(world_t *w, c4p_rt_t *rt, set_t *set, const c4pi_loc_t *loc)
{
    const slot_t *slot = world_slot_of(set, loc->key);
    SIM_CHECK(w->job, "P5", slot && world_alive(slot->now) && slot->now->rank != rt->rank,
              "rank %d, as home, keeps an entry of what is not away", rt->rank);
    SIM_CHECK(w->job, "P5",
              loc->rank == slot->now->rank && c4pi_version_eq(loc->version, slot->version),
              "rank %d, as home, believes %s on rank %d, version %u.%u; it is on rank %d, %u.%u",
              rt->rank, world_name(slot), loc->rank, loc->version.nonce, loc->version.epoch,
              slot->now->rank, slot->version.nonce, slot->version.epoch);
}

/* Returns how many mere caches there are. */
static uint64_t
check_entries(world_t *w, c4p_rt_t *rt, set_t *set, c4pi_coll_t *coll)
{
    size_t at = 0;
    uint64_t away = 0, known = 0, caches = 0;
    void *object;
    for (uint32_t i = 0; i < set->num_slots; i++) {
        const slot_t *slot = &set->slots[i];
        away += world_alive(slot->now) && slot->now->rank != rt->rank &&
                c4pi_coll_home(coll, slot->key) == rt->rank;
    }
    while (c4pi_keymap_next(&coll->locs, &at, &object)) {
        const c4pi_loc_t *loc = object;
        SIM_CHECK(w->job, "P10", !(loc->flags & (C4PI_LOC_POINTER | C4PI_LOC_QUERIED)),
                  "rank %d keeps a location entry (flags %u) of set %d for nothing", rt->rank,
                  loc->flags, set->number);
        SIM_CHECK(w->job, "P13", !loc->held.count || (loc->flags & C4PI_LOC_UNCLAIMED),
                  "rank %d holds %d messages for ever", rt->rank, (int)loc->held.count);
        if (loc->flags & C4PI_LOC_HOME)
            check_home_entry(w, rt, set, loc);
        known += loc->flags & C4PI_LOC_HOME ? 1 : 0;
        caches += loc->flags == 0;
    }
    SIM_CHECK(w->job, "P10", away == known,
              "rank %d, as home, has %d entries of set %d for %d elements that are away", rt->rank,
              (int)known, set->number, (int)away);
    SIM_CHECK(w->job, "P10", coll->newborns.count == 0,
              "rank %d still waits for an insertion into set %d", rt->rank, set->number);
    return caches;
}

static uint64_t
members_on(const set_t *set, int rank)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < set->num_slots; i++)
        count += world_alive(set->slots[i].now) && set->slots[i].now->rank == rank;
    return count;
}

void
world_check_places(world_t *w, c4p_rt_t *rt)
{
    uint64_t caches = 0;
    for (int i = 0; i < w->num_sets; i++) {
        set_t *set = w->sets[i];
        c4pi_coll_t *coll = c4pi_coll_find(rt, set->id);
        SIM_CHECK(w->job, "creation", coll, "rank %d has never heard of set %d", rt->rank,
                  set->number);
        SIM_CHECK(w->job, "P4", coll->count == members_on(set, rt->rank),
                  "rank %d has %u elements of set %d, not %d", rt->rank, coll->count, set->number,
                  (int)members_on(set, rt->rank));
        caches += check_entries(w, rt, set, coll);
    }
    SIM_CHECK(w->job, "P10", caches == rt->num_loc_caches && caches <= rt->opts.loc_cache,
              "rank %d has %d location entries without a reason, counts %d caches, and may have %u",
              rt->rank, (int)caches, (int)rt->num_loc_caches, rt->opts.loc_cache);
    SIM_CHECK(w->job, "P10", rt->num_strangers == 0 && rt->strangers.count == 0,
              "rank %d keeps messages for collections that it knows", rt->rank);
}

/* What was sent has been taken; what was not told yet is less than a step. */
void
world_check_credit(world_t *w, int from, int to)
{
    c4pi_flow_credit_t out = c4pi_flow_credit(w->job->rts[from]->flow, to);
    c4pi_flow_credit_t in = c4pi_flow_credit(w->job->rts[to]->flow, from);
    SIM_CHECK(w->job, "P9", out.sent == in.taken,
              "rank %d has sent %llu bytes on credit to rank %d, which has taken %llu", from,
              (unsigned long long)out.sent, to, (unsigned long long)in.taken);
    SIM_CHECK(w->job, "P9", in.taken - in.told < credit_window(w) / 4,
              "rank %d has not told rank %d of %llu bytes that it has taken", to, from,
              (unsigned long long)(in.taken - in.told));
}
