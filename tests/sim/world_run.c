/* SPDX-License-Identifier: Apache-2.0 */
/* world_run.c: what arrives at the chares, handlers and futures of the world, and whether it may:
 * P1 exactly once, P2 order, P6 reductions, P7 broadcasts, P12 nothing after exit. */
#include <string.h>

#include "base/map.h"
#include "sim/sim_world.h"

uint64_t
world_value(uint64_t what, uint64_t who)
{
    return c4pi_hash_u64(what * 1000003 + who) & 0xffffff;
}

bool
world_carries(c4p_msg_t *msg, uint32_t id, uint32_t len)
{
    const uint32_t head[2] = {id, len};
    const uint8_t *bytes = c4p_msg_data(msg);
    if (c4p_msg_object(msg))
        return memcmp(c4p_msg_object(msg), head, sizeof head) == 0;
    if (c4p_msg_len(msg) != sizeof head + len || memcmp(bytes, head, sizeof head) != 0)
        return false;
    for (uint32_t i = 0; i < len; i++)
        if (bytes[sizeof head + i] != (uint8_t)(id * 7 + i))
            return false;
    return true;
}

/* Its number. */
uint32_t
world_id_of(world_t *w, c4p_msg_t *msg)
{
    uint32_t id;
    const void *from = c4p_msg_object(msg) ? c4p_msg_object(msg) : c4p_msg_data(msg);
    SIM_CHECK(w->job, "P1", c4p_msg_object(msg) || c4p_msg_len(msg) >= 8, "a message was cut off");
    memcpy(&id, from, sizeof id);
    return id;
}

void
world_merge_clock(world_t *w, int rank, const clock_vec_t *clock)
{
    for (int i = 0; i < w->job->ranks; i++)
        if (clock->at[i] > w->clocks[rank].at[i])
            w->clocks[rank].at[i] = clock->at[i];
}

/* The element that an entry method was called on is the one it was meant for, here, and alive. */
member_t *
world_enter(world_t *w, c4p_rt_t *rt, actor_t *actor)
{
    member_t *member = actor->member;
    slot_t *slot = member->slot;
    c4p_ref_t self = c4p_self(rt);
    SIM_CHECK(w->job, "P12", rt->phase == C4PI_PHASE_ACTIVE, "%s runs on rank %d after exit",
              world_name(slot), rt->rank);
    SIM_CHECK(w->job, "P4", member->state == M_LIVE && member->rank == rt->rank,
              "%s runs on rank %d, where it does not live", world_name(slot), rt->rank);
    SIM_CHECK(w->job, "gate", !rt->gate_closed, "%s runs behind a closed gate", world_name(slot));
    SIM_CHECK(w->job, "P1", self.coll == slot->set->id && c4p_key_eq(self.key, slot->key),
              "%s runs under another name", world_name(slot));
    actor->ran++;
    w->just_packed = NULL;
    actor->check = c4pi_hash_u64(actor->ran + 1) ^ c4pi_hash_u64(member->id + 77);
    return member;
}

/* ---- answers ---------------------------------------------------------------------------------- */

static void
answer_now(world_t *w, c4p_rt_t *rt, const late_t *late)
{
    c4p_msg_t *value = NULL;
    uint64_t number = 0;
    bool is_error = false;
    if (late->shout) {
        shout_t *shout = &w->shouts[late->shout - 1];
        is_error = sim_choose(w->job, 16) == 15;
        shout->errors += is_error;
        shout->finished++;
        number = world_value(late->shout, late->member->id);
        shout->value_sum += number;
    } else if (late->note) {
        number = world_value(late->note, late->member->id);
    } else {
        late->created->to_construct--;
    }
    if (c4p_reply_wants_value(&late->reply) || is_error) {
        sim_ok(w->job, rt, c4p_msg_new(rt, 8, &value), "c4p_msg_new");
        memcpy(c4p_msg_data(value), &number, 8);
    }
    sim_ok(w->job, rt, c4p_reply_send(rt, &late->reply, value, is_error), "c4p_reply_send");
}

static void
answer_late(c4p_rt_t *rt, void *ctx)
{
    late_t *late = ctx;
    world_t *w = late->world;
    member_t *member = late->member;
    c4p_ref_t self = {member->slot->set->id, member->slot->key};
    SIM_CHECK(w->job, "P4", member->state == M_LIVE && member->rank == rt->rank,
              "%s waited on rank %d and is not there any more", world_name(member->slot), rt->rank);
    SIM_CHECK(w->job, "P12", rt->phase == C4PI_PHASE_ACTIVE, "a timer fires after exit");
    late->open = false;
    w->lates_open--;
    w->timers_fired += late->by_timer;
    c4p_ref_t before = c4p_set_self(rt, self);
    if (!w->finishing)
        world_act(w, rt, member);
    answer_now(w, rt, late);
    c4p_set_self(rt, before);
    if (rt->phase == C4PI_PHASE_ACTIVE)
        sim_ok(w->job, rt, c4p_suspended(rt, self, --member->suspended), "c4p_suspended");
    if (w->lates_open == 0 && w->quiet_when_done) {
        w->quiet_when_done = false;
        world_ask_quiet(w, rt);
    }
}

bool
world_answer(world_t *w, c4p_rt_t *rt, member_t *member, uint32_t note, uint32_t shout,
             set_t *created)
{
    static const double delays[] = {0, 30e-6, 1e-3, 20e-3};
    late_t late = {.world = w, .member = member, .note = note, .shout = shout, .created = created};
    if (rt->phase != C4PI_PHASE_ACTIVE)
        return false;
    if (!note && !shout && !created->created_awaited)
        return false;
    if (!sim_chance(w->job, w->params->late) || w->num_lates == MAX_LATE) {
        bool plain = shout ? w->shouts[shout - 1].how == C4P_BCAST_DONE : true;
        if (plain && (created || sim_choose(w->job, 2) == 0)) {
            if (shout)
                w->shouts[shout - 1].finished++;
            return false; /* the runtime answers for us */
        }
        sim_ok(w->job, rt, c4p_reply_take(rt, NULL, &late.reply), "c4p_reply_take");
        answer_now(w, rt, &late);
        return true;
    }
    sim_ok(w->job, rt, c4p_reply_take(rt, NULL, &late.reply), "c4p_reply_take");
    late_t *kept = &w->lates[w->num_lates++];
    *kept = late;
    kept->open = true;
    w->lates_open++;
    c4p_ref_t self = {member->slot->set->id, member->slot->key};
    if (created && !self.coll)
        self = c4p_self(rt);
    sim_ok(w->job, rt, c4p_suspended(rt, self, ++member->suspended), "c4p_suspended");
    uint32_t when = sim_choose(w->job, 5);
    kept->by_timer = when < 4;
    if (when == 4)
        sim_ok(w->job, rt, c4p_post(rt, answer_late, kept), "c4p_post");
    else
        sim_ok(w->job, rt, c4p_timer(rt, delays[when], answer_late, kept, NULL), "c4p_timer");
    return true;
}

/* ---- notes ------------------------------------------------------------------------------------ */

/* The note that a message stands for: whole, and not yet seen. */
static note_t *
read_note(world_t *w, c4p_rt_t *rt, c4p_msg_t *msg)
{
    uint32_t id = world_id_of(w, msg);
    SIM_CHECK(w->job, "P1", id < w->num_notes, "a note arrives that nobody sent");
    note_t *note = &w->notes[id];
    SIM_CHECK(w->job, "P1", world_carries(msg, id, note->len), "note %u is damaged", id);
    SIM_CHECK(w->job, "P1", note->state == NOTE_SENT, "note %u arrives twice, now on rank %d", id,
              rt->rank);
    SIM_CHECK(w->job, "P1", c4p_msg_source(msg) == note->source, "note %u has another sender", id);
    world_merge_clock(w, rt->rank, &note->clock);
    return note;
}

/* Only the way by the home leads to it: it was always there, made with its set or inserted. */
static bool
never_moved(c4p_rt_t *rt, const member_t *member)
{
    const slot_t *slot = member->slot;
    if (!member->inserted)
        return slot->moves == 0;
    return slot->moves == 1 &&
           c4pi_coll_home(c4pi_coll_find(rt, slot->set->id), slot->key) == rt->rank;
}

static void
check_order(world_t *w, c4p_rt_t *rt, const member_t *member, const note_t *note)
{
    slot_t *slot = note->slot;
    uint32_t *seen = &slot->seen_seq[note->source];
    SIM_CHECK(w->job, "P2", note->seq + 1 > *seen || !never_moved(rt, member),
              "note %d of rank %d to %s, which never moved, comes after note %d", (int)note->seq,
              note->source, world_name(slot), (int)*seen - 1);
    if (note->seq + 1 > *seen)
        *seen = note->seq + 1;
}

void
world_run_note(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    world_t *w = ctx;
    member_t *member = world_enter(w, rt, object);
    note_t *note = read_note(w, rt, msg);
    uint32_t id = (uint32_t)(note - w->notes);
    SIM_CHECK(w->job, "P1", note->slot == member->slot, "note %u to another chare reaches %s", id,
              world_name(member->slot));
    world_check_forwards(w, note);
    SIM_CHECK(w->job, "P1", member->id >= note->not_before,
              "note %u to %s, sent after its insertion, runs at an earlier incarnation", id,
              world_name(member->slot));
    check_order(w, rt, member, note);
    SIM_SAY(w->job, rt->rank, "RUN note %u at %s", id, world_name(member->slot));
    note->state = NOTE_RUN;
    note->ran_by = member->id;
    if (!w->finishing)
        world_act(w, rt, member);
    if (note->wish)
        (void)world_answer(w, rt, member, id + 1, 0, NULL);
}

void
world_handle_note(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    world_t *w = ctx;
    note_t *note = read_note(w, rt, msg);
    uint32_t id = (uint32_t)(note - w->notes);
    SIM_CHECK(w->job, "P12", rt->phase == C4PI_PHASE_ACTIVE, "a handler runs after exit");
    if (note->dest < 0) {
        SIM_CHECK(w->job, "P1", !(note->ran_on >> rt->rank & 1),
                  "note %u to all ranks arrives twice on rank %d", id, rt->rank);
        note->ran_on |= 1u << rt->rank;
        if (--note->runs_left == 0)
            note->state = NOTE_RUN;
    } else {
        uint32_t *seen = &w->handler_seen[note->source][rt->rank];
        SIM_CHECK(w->job, "P1", note->dest == rt->rank, "note %u for rank %d reaches rank %d", id,
                  note->dest, rt->rank);
        SIM_CHECK(w->job, "P2", note->seq >= *seen,
                  "note %u from rank %d to a handler on rank %d was overtaken", id, note->source,
                  rt->rank);
        *seen = note->seq + 1;
        note->state = NOTE_RUN;
    }
    if (!w->finishing && sim_choose(w->job, 2))
        world_act(w, rt, NULL);
}

void
world_posted(c4p_rt_t *rt, void *ctx)
{
    note_t *note = ctx;
    world_t *w = note->world;
    SIM_CHECK(w->job, "P12", rt->phase == C4PI_PHASE_ACTIVE, "a posted function runs after exit");
    SIM_CHECK(w->job, "P1", note->state == NOTE_SENT && note->dest == rt->rank,
              "a posted function runs twice or elsewhere");
    note->state = NOTE_RUN;
    if (!w->finishing && sim_choose(w->job, 2))
        world_act(w, rt, NULL);
}

/* ---- broadcasts ------------------------------------------------------------------------------- */

static uint64_t
take_number(world_t *w, member_t *member, const c4p_msg_t *msg)
{
    set_t *set = member->slot->set;
    uint64_t number = msg->env.reference - w->job->opts.counter_base;
    SIM_CHECK(w->job, "P7", number == member->next_shout, "%s runs broadcast %d when %d is next",
              world_name(member->slot), (int)number, (int)member->next_shout);
    SIM_CHECK(w->job, "scenario", number < MAX_SHOUTS, "too many broadcasts");
    member->next_shout++;
    if (number >= set->next_number)
        set->next_number = number + 1;
    return number;
}

void
world_run_shout(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    world_t *w = ctx;
    member_t *member = world_enter(w, rt, object);
    set_t *set = member->slot->set;
    uint64_t number = take_number(w, member, msg);
    uint32_t id = world_id_of(w, msg);
    SIM_CHECK(w->job, "P7", id < w->num_shouts && w->shouts[id].set == set,
              "%s gets a broadcast to others", world_name(member->slot));
    shout_t *shout = &w->shouts[id];
    SIM_CHECK(w->job, "P1", world_carries(msg, id, shout->len), "broadcast %u is damaged", id);
    uint32_t *known = &set->numbered[number];
    SIM_CHECK(w->job, "P7", (!*known && !shout->numbered) || *known == id + 1,
              "broadcast %u to set %d has two numbers, or its number %d two broadcasts", id,
              set->number, (int)number);
    *known = id + 1;
    shout->numbered = true;
    shout->number = number;
    SIM_CHECK(w->job, "P7", !shout->completed, "%s runs broadcast %u, which was reported complete",
              world_name(member->slot), id);
    shout->started++;
    world_merge_clock(w, rt->rank, &shout->clock);
    if (!w->finishing)
        world_act(w, rt, member);
    if (!w->finishing && sim_choose(w->job, 8) == 7)
        world_relay(w, rt, msg);
    if (shout->how)
        (void)world_answer(w, rt, member, 0, id + 1, NULL);
}

void
world_run_relay(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    world_t *w = ctx;
    (void)world_enter(w, rt, object);
    w->relays_in++;
    uint32_t id = world_id_of(w, msg);
    SIM_CHECK(w->job, "P1", id < w->num_shouts && world_carries(msg, id, w->shouts[id].len),
              "a message that was passed on is damaged");
}

/* ---- reductions ------------------------------------------------------------------------------- */

/* A result, wherever it arrives. */
static uint64_t
check_result(world_t *w, set_t *set, c4p_msg_t *msg)
{
    c4p_result_t result;
    SIM_CHECK(w->job, "P6", c4p_result_get(msg, &result) == C4P_OK, "a result cannot be read");
    uint64_t number = result.number - w->job->opts.counter_base;
    SIM_CHECK(w->job, "P6", number < MAX_ROUNDS, "the result of reduction %d, which never was",
              (int)number);
    round_t *round = &set->rounds[number];
    round->delivered++;
    SIM_CHECK(w->job, "P6", result.contributors == round->given,
              "reduction %d of set %d closed with %d contributions of %u", (int)number, set->number,
              (int)result.contributors, round->given);
    int64_t sum = 0;
    if (number % 3 == 0) {
        memcpy(&sum, result.data, 8);
    } else if (number % 3 == 1) {
        size_t cursor = 0;
        c4p_gathered_t part;
        uint32_t parts = 0;
        for (; c4p_gathered_next(msg, &cursor, &part); parts++) {
            int64_t value;
            memcpy(&value, part.data, 8);
            sum += value;
        }
        SIM_CHECK(w->job, "P6", parts == round->given, "reduction %d gathered %u parts of %u",
                  (int)number, parts, round->given);
    } else {
        sum = round->sum;
    }
    SIM_CHECK(w->job, "P6", sum == round->sum, "reduction %d of set %d gives %lld, not %lld",
              (int)number, set->number, (long long)sum, (long long)round->sum);
    for (uint32_t i = 0; i < set->num_slots; i++)
        SIM_CHECK(w->job, "P6",
                  !world_alive(set->slots[i].now) || set->slots[i].now->next_round > number,
                  "reduction %d of set %d closed without %s", (int)number, set->number,
                  world_name(&set->slots[i]));
    return number;
}

static void
check_ascending(world_t *w, set_t *set, uint64_t *last, uint64_t number)
{
    SIM_CHECK(w->job, "P6", number >= *last, "reduction %d of set %d comes after reduction %d",
              (int)number, set->number, (int)*last - 1);
    *last = number + 1;
}

void
world_handle_result(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    world_t *w = ctx;
    set_t *set = w->sets[c4p_msg_tag(msg)];
    uint64_t number = check_result(w, set, msg);
    check_ascending(w, set, &set->last_result[rt->rank], number);
    SIM_CHECK(w->job, "P6", set->rounds[number].delivered == 1, "reduction %d gave two results",
              (int)number);
}

void
world_run_result(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    world_t *w = ctx;
    member_t *member = world_enter(w, rt, object);
    set_t *set = w->sets[c4p_msg_tag(msg)];
    if (msg->env.kind == C4PI_USER) {
        uint64_t number = check_result(w, set, msg);
        SIM_CHECK(w->job, "P6", set->rounds[number].delivered == 1, "reduction %d gave two results",
                  (int)number);
        return;
    }
    uint64_t stream = take_number(w, member, msg);
    uint64_t number = check_result(w, set, msg);
    uint32_t *known = &set->numbered[stream];
    uint32_t mark = 0x80000000u + (uint32_t)number;
    SIM_CHECK(w->job, "P7", !*known || *known == mark, "broadcast %d of set %d is two things",
              (int)stream, set->number);
    if (!*known)
        check_ascending(w, set, &set->last_result[MAX_RANKS], number);
    *known = mark;
}

void
world_run_top_up(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    world_t *w = ctx;
    member_t *member = world_enter(w, rt, object);
    uint64_t upto;
    memcpy(&upto, c4p_msg_data(msg), sizeof upto);
    while (member->next_round < upto)
        world_contribute(w, rt, member);
}

/* ---- futures ---------------------------------------------------------------------------------- */

/* Sent to a rank: give one value to a future. */
void
world_handle_value(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    world_t *w = ctx;
    uint32_t id = *(uint32_t *)c4p_msg_data(msg);
    c4p_msg_t *value;
    uint64_t number = world_value(id, 5);
    sim_ok(w->job, rt, c4p_msg_new(rt, 8, &value), "c4p_msg_new");
    memcpy(c4p_msg_data(value), &number, 8);
    w->values_out++;
    sim_ok(w->job, rt, c4p_future_send(rt, w->wishes[id].future, value, false), "c4p_future_send");
}

static void
granted_shout(world_t *w, wish_t *wish, c4p_msg_t *msg, bool is_error)
{
    shout_t *shout = &w->shouts[wish->about];
    shout->completed = true;
    SIM_CHECK(w->job, "P7", shout->started == shout->finished,
              "broadcast %u was reported complete after %u of %u executions", wish->about,
              shout->finished, shout->started);
    if (wish->kind == WISH_DONE) {
        SIM_CHECK(w->job, "P7", is_error == (shout->errors > 0) && is_error == (msg != NULL),
                  "broadcast %u had %u errors, and its completion says otherwise", wish->about,
                  shout->errors);
        return;
    }
    uint32_t errors = 0;
    size_t cursor = 0;
    c4p_gathered_t part;
    uint32_t parts = 0;
    uint64_t sum = 0;
    c4p_index_t last = {0};
    for (; msg && c4p_gathered_next(msg, &cursor, &part); parts++) {
        uint64_t value = 0;
        SIM_CHECK(w->job, "P7", part.len == 8, "a gathered value is damaged");
        memcpy(&value, part.data, 8);
        sum += value;
        errors += part.is_error;
        for (int d = 0; parts && d < part.index.ndims; d++) {
            SIM_CHECK(w->job, "P7", part.index.at[d] >= last.at[d],
                      "gathered values are not in index order");
            if (part.index.at[d] > last.at[d])
                break;
        }
        last = part.index;
    }
    SIM_CHECK(w->job, "P7",
              parts == shout->finished && sum == shout->value_sum && errors == shout->errors,
              "broadcast %u gathered %u values of %u, or wrong ones", wish->about, parts,
              shout->finished);
}

static void
granted_call(world_t *w, wish_t *wish, c4p_msg_t *msg, bool is_error)
{
    note_t *note = &w->notes[wish->about];
    if (is_error) {
        SIM_CHECK(w->job, "P1", note->state == NOTE_SENT && note->slot->destroys,
                  "the answer to note %u is an error, and its target was not deleted", wish->about);
        return;
    }
    SIM_CHECK(w->job, "P1", note->state == NOTE_RUN, "note %u is answered before it has run",
              wish->about);
    SIM_CHECK(w->job, "P1",
              !msg || *(uint64_t *)c4p_msg_data(msg) == world_value(wish->about + 1, note->ran_by),
              "note %u is answered with another's value", wish->about);
}

void
world_granted(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *msg, bool is_error, bool last,
              void *ctx)
{
    wish_t *wish = ctx;
    world_t *w = wish->world;
    wish->got++;
    SIM_CHECK(w->job, "P12", rt->phase == C4PI_PHASE_ACTIVE, "a future is granted after exit");
    SIM_CHECK(w->job, "future",
              wish->got <= wish->expected && last == (wish->got == wish->expected),
              "future %d has %u values of %u and%s is over", (int)(wish - w->wishes), wish->got,
              wish->expected, last ? "" : " not");
    SIM_CHECK(w->job, "future", future == wish->future && wish->owner == rt->rank,
              "a future's value goes astray");
    switch (wish->kind) {
    case WISH_CALL:
        granted_call(w, wish, msg, is_error);
        return;
    case WISH_DONE:
    case WISH_GATHER:
        granted_shout(w, wish, msg, is_error);
        break;
    case WISH_HYMN:
        world_granted_chant(w, wish, msg, is_error);
        break;
    case WISH_VALUES:
        w->values_in++;
        SIM_CHECK(w->job, "future",
                  msg && *(uint64_t *)c4p_msg_data(msg) == world_value(wish->about, 5),
                  "a future gets the value of another");
        break;
    case WISH_CREATED:
        wish->set->created_seen = true;
        SIM_CHECK(w->job, "creation", wish->set->to_construct == 0,
                  "set %d is reported created with %u constructors not finished", wish->set->number,
                  wish->set->to_construct);
        break;
    case WISH_ROUND: {
        uint64_t number = check_result(w, wish->set, msg);
        SIM_CHECK(w->job, "P6", number == wish->about && wish->set->rounds[number].delivered == 1,
                  "reduction %d answers for %u, or twice", (int)number, wish->about);
        break;
    }
    }
    if (!w->finishing && sim_choose(w->job, 4) == 3)
        world_act(w, rt, NULL);
}
