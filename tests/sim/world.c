/* SPDX-License-Identifier: Apache-2.0 */
/* world.c: how a world begins, goes on in phases, and ends. */
#include <string.h>

#include "comm/flow.h"
#include "sim/sim_world.h"

static int
place(c4p_rt_t *rt, const c4p_index_t *index, uint64_t arg, void *ctx)
{
    (void)ctx;
    return (int)(((uint64_t)index->at[0] * 7 + arg) % (uint64_t)c4p_num_ranks(rt));
}

/* Futures that have not got all their values keep somebody waiting. */
static uint64_t
count_waiters(c4p_rt_t *rt, void *ctx)
{
    world_t *w = ctx;
    uint64_t count = 0;
    for (uint32_t i = 0; i < w->num_wishes; i++)
        count += w->wishes[i].owner == rt->rank && w->wishes[i].got < w->wishes[i].expected;
    return count;
}

static void
list_waiters(c4p_rt_t *rt, void *ctx, struct c4p_report *report)
{
    world_t *w = ctx;
    for (uint32_t i = 0; i < w->num_wishes; i++)
        if (w->wishes[i].owner == rt->rank && w->wishes[i].got < w->wishes[i].expected)
            c4p_report_line(report, "rank %d: wish %u, kind %d, about %u, %u of %u values",
                            rt->rank, i, (int)w->wishes[i].kind, w->wishes[i].about,
                            w->wishes[i].got, w->wishes[i].expected);
}

static void
open_gate(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    (void)msg, (void)ctx;
    c4p_gate(rt, false);
}

static void
register_all(world_t *w, c4p_rt_t *rt)
{
    sim_job_t *job = w->job;
    c4p_type_desc_t type = world_type;
    c4p_hooks_t hooks = {.struct_size = sizeof hooks,
                         .count_waiters = count_waiters,
                         .list_waiters = list_waiters,
                         .ctx = w};
    type.ctx = w;
    sim_ok(job, rt, c4p_type_add(rt, &type, &w->type), "c4p_type_add");
    sim_ok(job, rt, c4p_entry_add(rt, w->type, "note", world_run_note, w, &w->on_note), "entry");
    sim_ok(job, rt, c4p_entry_add(rt, w->type, "shout", world_run_shout, w, &w->on_shout), "entry");
    sim_ok(job, rt, c4p_entry_add(rt, w->type, "result", world_run_result, w, &w->on_result),
           "entry");
    sim_ok(job, rt, c4p_entry_add(rt, w->type, "top up", world_run_top_up, w, &w->on_top_up),
           "entry");
    sim_ok(job, rt, c4p_entry_add(rt, w->type, "relay", world_run_relay, w, &w->on_relay), "entry");
    sim_ok(job, rt, c4p_handler_add(rt, "note", world_handle_note, w, &w->handle_note), "handler");
    sim_ok(job, rt, c4p_handler_add(rt, "result", world_handle_result, w, &w->handle_result),
           "handler");
    sim_ok(job, rt, c4p_handler_add(rt, "value", world_handle_value, w, &w->handle_value),
           "handler");
    sim_ok(job, rt, c4p_handler_add(rt, "quiet", world_quiet, w, &w->handle_quiet), "handler");
    sim_ok(job, rt, c4p_handler_add(rt, "open", open_gate, w, &w->handle_open), "handler");
    sim_ok(job, rt, c4p_map_add(rt, "place", place, w, &w->map), "c4p_map_add");
    world_choir_add(w, rt);
    world_sync_add(w, rt);
    world_watch(w, rt);
    sim_ok(job, rt, c4p_set_hooks(rt, &hooks), "c4p_set_hooks");
}

void
world_add(sim_job_t *job, c4p_rt_t *rt)
{
    world_t *w = job->world;
    if (!w) {
        w = job->world = sim_memory(job, sizeof *w);
        w->job = job;
        w->params = job->scenario->params;
        w->budget = w->params->budget;
        w->phase = 1;
    }
    register_all(w, rt);
    if (w->params->gated && rt->rank && sim_choose(job, 3) == 2)
        c4p_gate(rt, true);
}

/* ---- phases ------------------------------------------------------------------------------------ */

static void
ask(world_t *w, c4p_rt_t *rt, bool main)
{
    c4p_target_t target = {.kind = C4P_TARGET_HANDLER};
    uint64_t rank = sim_choose(w->job, (uint32_t)w->job->ranks);
    SIM_CHECK(w->job, "scenario", w->quiet_asked < MAX_REQUESTS, "too many requests");
    target.flags = (uint16_t)w->quiet_asked;
    target.number = rank << 32 | w->handle_quiet;
    c4p_status_t st = c4p_detect_quiescence(rt, &target);
    if (st == C4P_ERR_STATE && w->exit_asked)
        return;
    sim_ok(w->job, rt, st, "c4p_detect_quiescence");
    w->requests[w->quiet_asked++] = (request_t){main, w->phase, w->timers_fired};
}

void
world_ask_quiet(world_t *w, c4p_rt_t *rt)
{
    ask(w, rt, w->finishing || w->quiet_when_done);
}

/* Out of nothing, something to do on every rank. */
static void
kick(world_t *w)
{
    for (int i = 0; i < w->job->ranks; i++) {
        c4p_rt_t *rt = w->job->rts[i];
        if (sim_choose(w->job, 4))
            world_act(w, rt, NULL);
        else if (rt->phase == C4PI_PHASE_ACTIVE && w->sets[0] && w->sets[0]->num_slots)
            world_send(w, rt, &w->sets[0]->slots[0], false);
    }
}

void
world_begin(sim_job_t *job)
{
    world_t *w = job->world;
    for (int kind = SET_DENSE; kind <= SET_GRID; kind++)
        if (w->params->sets >> kind & 1)
            world_create(w, job->rts[sim_choose(job, (uint32_t)job->ranks)], (set_kind_t)kind);
    kick(w);
    if (w->params->gated) {
        c4p_msg_t *msg;
        sim_ok(job, job->rts[0], c4p_msg_new(job->rts[0], 0, &msg), "c4p_msg_new");
        sim_ok(job, job->rts[0], c4p_bcast_handler(job->rts[0], w->handle_open, msg), "open");
    }
    ask(w, job->rts[sim_choose(job, (uint32_t)job->ranks)], true);
}

/* Everybody contributes as often as the most eager one did. */
static void
top_up(world_t *w, c4p_rt_t *rt)
{
    for (int i = 0; i < w->num_sets; i++) {
        set_t *set = w->sets[i];
        for (uint32_t k = 0; k < set->num_slots; k++) {
            slot_t *slot = &set->slots[k];
            c4p_msg_t *msg;
            if (!world_alive(slot->now) || slot->now->next_round >= set->rounds_begun)
                continue;
            sim_ok(w->job, rt, c4p_msg_new(rt, 8, &msg), "c4p_msg_new");
            memcpy(c4p_msg_data(msg), &set->rounds_begun, 8);
            c4p_ref_t to = {set->id, slot->key};
            sim_ok(w->job, rt, c4p_send(rt, to, w->on_top_up, msg), "c4p_send");
        }
    }
}

static void
finish(world_t *w, c4p_rt_t *rt)
{
    w->finishing = true;
    if (w->lates_open) {
        w->quiet_when_done = true;
        return;
    }
    if (w->stage == 0) {
        w->stage = 1;
        w->phase++;
        for (int i = 0; i < w->num_sets; i++)
            if (w->sets[i]->needs_done && !w->sets[i]->done)
                world_done(w, rt, w->sets[i]);
        top_up(w, rt);
        world_choirs_top_up(w, rt);
        world_syncs_top_up(w, rt);
        ask(w, rt, true);
        return;
    }
    if (w->quiet_seen != w->quiet_asked && w->stage++ < 4) {
        ask(w, rt, true); /* others were announced at the same time */
        return;
    }
    world_check_end(w);
    w->exit_asked = true;
    w->exit_codes |= 2;
    sim_ok(w->job, rt, c4p_exit(rt, 1), "c4p_exit");
}

/* Nothing of the request's phase may be left. */
void
world_quiet(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    world_t *w = ctx;
    const request_t *request = &w->requests[c4p_msg_tag(msg)];
    SIM_CHECK(w->job, "P8", ++w->quiet_seen <= w->quiet_asked,
              "quiescence is announced more often than asked for");
    if (w->exit_asked)
        return;
    bool disturbed = request->timers != w->timers_fired;
    if (!disturbed)
        world_check_quiet(w, request->phase);
    if (!request->main)
        return;
    if (disturbed) {
        ask(w, rt, true);
        return;
    }
    if (w->budget > 0 && w->phase < MAX_PHASES) {
        w->phase++;
        kick(w);
        ask(w, rt, true);
    } else {
        finish(w, rt);
    }
}

/* ---- the end ----------------------------------------------------------------------------------- */

void
world_end(sim_job_t *job)
{
    world_t *w = job->world;
    int code = job->rts[0]->exit_code;
    SIM_CHECK(job, "P12", w->exit_asked && code < 32 && w->exit_codes >> code & 1,
              "the job ended with code %d, which nobody asked for", code);
}
