/* SPDX-License-Identifier: Apache-2.0 */
/* world_check.c: what must hold when quiescence is announced (P8), and at the end when nothing is
 * left to do: P1 nothing lost, P6 and P7 complete, P9 nothing waits for credit, P10 small tables.
 */
#include <string.h>

#include "sim/sim_world.h"
#include "svc/bcast_state.h"

/* Notes that had their turn to be lost: to the dead, or to what does not exist. */
static uint64_t
given_up(const world_t *w)
{
    uint64_t count = 0;
    for (int i = 0; i < w->job->ranks; i++)
        count += w->job->rts[i]->num_dead_letters + w->job->rts[i]->num_unclaimed;
    return count;
}

static bool
may_be_lost(const note_t *note)
{
    const slot_t *slot = note->slot;
    if (!slot || (note->must_arrive && slot->destroys == note->destroys))
        return false;
    return slot->destroys > 0 || !world_alive(slot->now);
}

static void
check_notes(world_t *w, uint32_t phase, bool all)
{
    uint64_t open = 0;
    for (uint32_t i = 0; i < w->num_notes; i++) {
        const note_t *note = &w->notes[i];
        if (note->state != NOTE_SENT || note->phase > phase)
            continue;
        SIM_CHECK(w->job, "P8", may_be_lost(note),
                  "quiescence, but note %u from rank %d to %s has not arrived", i, note->source,
                  note->slot ? world_name(note->slot) : "a handler");
        open++;
    }
    SIM_CHECK(w->job, "P8",
              open <= given_up(w) &&
                  (!all || open == given_up(w) || w->num_choirs || w->params->sync),
              "quiescence, but %d notes have not arrived and %d were given up", (int)open,
              (int)given_up(w));
}

static void
check_elements(world_t *w)
{
    for (uint32_t i = 0; i < w->num_members; i++) {
        const member_t *member = &w->members[i];
        SIM_CHECK(w->job, "P8", member->state == M_LIVE || member->state == M_DEAD,
                  "quiescence, but %s %s", world_name(member->slot),
                  member->state == M_COMING ? "is not constructed" : "is on its way");
        SIM_CHECK(w->job, "P8",
                  member->state == M_DEAD || !member->destroy_asked || member->suspended,
                  "quiescence, but %s, which was deleted, lives", world_name(member->slot));
    }
}

static void
check_shouts(world_t *w)
{
    uint64_t base = w->job->opts.counter_base;
    for (int i = 0; i < w->num_sets; i++) {
        set_t *set = w->sets[i];
        bool veteran = false; /* who was there from the start has seen all */
        for (uint32_t k = 0; k < set->num_slots; k++) {
            const member_t *member = set->slots[k].now;
            if (!world_alive(member))
                continue;
            veteran |= member->first_shout == 0;
            uint64_t have = c4pi_coll_find(w->job->rts[set->creator], set->id)->bcast->next - base;
            SIM_CHECK(w->job, "P8", member->next_shout == have,
                      "quiescence, but %s has run %d of %d broadcasts", world_name(&set->slots[k]),
                      (int)member->next_shout, (int)have);
        }
        for (uint32_t k = 0; veteran && k < w->num_shouts; k++)
            SIM_CHECK(w->job, "P8", w->shouts[k].set != set || w->shouts[k].numbered,
                      "quiescence, but broadcast %u to set %d was not seen", k, set->number);
    }
}

static void
check_wishes(world_t *w)
{
    for (uint32_t i = 0; i < w->num_wishes; i++) {
        const wish_t *wish = &w->wishes[i];
        bool open = wish->got < wish->expected;
        switch (wish->kind) {
        case WISH_CALL: {
            const note_t *note = &w->notes[wish->about];
            open &= note->state == NOTE_RUN && w->lates_open == 0;
            break;
        }
        case WISH_DONE:
        case WISH_GATHER:
            open &= w->shouts[wish->about].started == w->shouts[wish->about].finished;
            break;
        case WISH_HYMN: {
            const chant_t *chant = &w->chants[wish->about];
            open &= chant->choir->pinned && chant->started == chant->finished;
            break;
        }
        case WISH_CREATED:
            open &= wish->set->to_construct == 0;
            break;
        case WISH_ROUND:
            open = false; /* check_rounds */
            break;
        case WISH_VALUES:
            break;
        }
        SIM_CHECK(w->job, "P8", !open,
                  "quiescence, but future %u (kind %d, about %u) has %u of %u values", i,
                  (int)wish->kind, wish->about, wish->got, wish->expected);
    }
    SIM_CHECK(w->job, "P8", w->values_in == w->values_out,
              "quiescence, but values of futures are under way");
    SIM_CHECK(w->job, "P8", w->relays_in == w->relays_out,
              "quiescence, but %d messages that were passed on have not arrived",
              (int)(w->relays_out - w->relays_in));
}

/* A reduction that everybody contributed to is closed. */
static void
check_rounds(world_t *w)
{
    for (int i = 0; i < w->num_sets; i++) {
        set_t *set = w->sets[i];
        uint64_t least = set->rounds_begun;
        for (uint32_t k = 0; k < set->num_slots; k++)
            if (world_alive(set->slots[k].now) && set->slots[k].now->next_round < least)
                least = set->slots[k].now->next_round;
        if (set->needs_done && !set->done)
            least = 0;
        for (uint64_t r = 0; r < least; r++)
            SIM_CHECK(w->job, "P6",
                      !set->rounds[r].given || set->rounds[r].delivered ||
                          (r + (uint64_t)set->number) % 4 == 1,
                      "quiescence, but reduction %d of set %d (%u contributions) is not closed",
                      (int)r, set->number, set->rounds[r].given);
        SIM_CHECK(w->job, "P6",
                  set->num_static || set->done || !set->needs_done || !set->rounds[0].delivered,
                  "a reduction of set %d closed before inserting was done", set->number);
    }
}

void
world_check_quiet(world_t *w, uint32_t phase)
{
    check_notes(w, phase, phase == w->phase);
    if (phase != w->phase)
        return;
    check_elements(w);
    check_shouts(w);
    check_wishes(w);
    check_rounds(w);
    world_check_choirs(w);
    world_check_syncs(w);
}

/* ---- at the end --------------------------------------------------------------------------------- */

/* Broadcasts of one rank have rising numbers; whoever was inserted before one was sent got it. */
static void
check_streams(world_t *w)
{
    for (int i = 0; i < w->num_sets; i++) {
        set_t *set = w->sets[i];
        uint32_t next[MAX_RANKS] = {0};
        for (uint64_t n = 0; n < set->next_number; n++) {
            uint32_t id = set->numbered[n];
            if (!id || id >= 0x80000000u)
                continue;
            const shout_t *shout = &w->shouts[id - 1];
            SIM_CHECK(w->job, "P7", shout->seq >= next[shout->source],
                      "broadcasts of rank %d to set %d run in another order than sent",
                      shout->source, set->number);
            next[shout->source] = shout->seq + 1;
        }
    }
    for (uint32_t i = 0; i < w->num_shouts; i++)
        for (uint32_t k = 0; w->shouts[i].numbered && k < w->num_members; k++) {
            const member_t *member = &w->members[k];
            const shout_t *shout = &w->shouts[i];
            if (!member->inserted || member->slot->set != shout->set || !member->constructed ||
                shout->clock.at[member->inserter] < member->inserted_at)
                continue;
            SIM_CHECK(w->job, "P7", member->first_shout <= shout->number,
                      "%s was inserted before broadcast %u was sent, and does not get it",
                      world_name(member->slot), i);
        }
}

/* Whoever was inserted before inserting was done takes part from the first reduction on. */
static void
check_first_rounds(world_t *w)
{
    for (uint32_t i = 0; i < w->num_members; i++) {
        const member_t *member = &w->members[i];
        const set_t *set = member->slot->set;
        if (!set->done || !member->inserted || member->by_member || !member->constructed ||
            set->done_clock.at[member->inserter] < member->inserted_at)
            continue;
        SIM_CHECK(w->job, "P6", member->first_round == 0,
                  "%s was inserted before inserting was done, and starts with reduction %d",
                  world_name(member->slot), (int)member->first_round);
    }
}

/* The root has completed all; other ranks remember only what a release will tell them to forget. */
static void
check_awaits(world_t *w, c4p_rt_t *rt, const c4pi_coll_t *coll)
{
    const c4pi_link_t *head = &coll->bcast->awaits;
    for (const c4pi_link_t *link = head->next; link != head; link = link->next) {
        const c4pi_await_t *await = C4PI_CONTAINER(link, const c4pi_await_t, link);
        SIM_CHECK(w->job, "P10",
                  rt->rank != coll->root && await->number != C4PI_REPLY_CREATION &&
                      await->number >= coll->bcast->released,
                  "rank %d keeps account of broadcast %lld, which is complete", rt->rank,
                  (long long)(await->number - w->job->opts.counter_base));
    }
}

static void
check_tables(world_t *w, c4p_rt_t *rt, set_t *set)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, set->id);
    SIM_CHECK(w->job, "P10", coll->bcast->num_departures == 0,
              "rank %d covers elements of set %d that have long arrived", rt->rank, set->number);
    check_awaits(w, rt, coll);
    uint64_t log = coll->bcast->have - coll->bcast->base;
    SIM_CHECK(w->job, "P10", log <= 2 * (uint64_t)rt->opts.bcast_log + 2 * MAX_SHOUTS / 8,
              "rank %d keeps %d broadcasts of set %d", rt->rank, (int)log, set->number);
}

void
world_check_end(world_t *w)
{
    check_streams(w);
    check_first_rounds(w);
    for (int i = 0; i < w->job->ranks; i++) {
        c4p_rt_t *rt = w->job->rts[i];
        SIM_CHECK(w->job, "P9", c4p_backlog_bytes(rt) == 0, "rank %d still waits for credit", i);
        SIM_CHECK(w->job, "P8", c4pi_queue_count(&rt->queue) == 0, "rank %d still has work", i);
        world_check_places(w, rt);
        for (int k = 0; k < w->num_sets; k++)
            check_tables(w, rt, w->sets[k]);
        for (int k = 0; k < w->job->ranks; k++)
            if (k != i)
                world_check_credit(w, i, k);
    }
    SIM_CHECK(w->job, "leak", w->segments_out - w->segments_released <= given_up(w),
              "%u segments were attached and %u released", w->segments_out, w->segments_released);
    SIM_CHECK(w->job, "P8", w->quiet_seen == w->quiet_asked,
              "quiescence was asked for %u times and announced %u times", w->quiet_asked,
              w->quiet_seen);
}
