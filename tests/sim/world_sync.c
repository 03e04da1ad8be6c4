/* SPDX-License-Identifier: Apache-2.0 */
/* world_sync.c: synchronization points: nobody goes on from a point before all who took part, as
 * far as anybody who was ready for it could know, were ready for it; everybody goes on from each
 * point once (P15). Participants move, come and die meanwhile. */
#include <stdio.h>

#include "core/collection.h"
#include "sim/sim_world.h"
#include "svc/sync.h"

void
world_takes_part(world_t *w, c4p_rt_t *rt, member_t *member)
{
    member->takes_part = true;
    member->part_rank = rt->rank;
    member->part_at = w->clocks[rt->rank].at[rt->rank];
}

static c4pi_elem_t *
elem_of(world_t *w, c4p_rt_t *rt, const member_t *member)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, member->slot->set->id);
    c4pi_elem_t *elem = coll ? c4pi_elem_find(coll, member->slot->key) : NULL;
    SIM_CHECK(w->job, "P4", elem, "%s is not on rank %d", world_name(member->slot), rt->rank);
    return elem;
}

static uint64_t
next_point(world_t *w, const c4pi_elem_t *elem)
{
    return elem->extra->sync_step - w->job->opts.counter_base;
}

static bool
is_here(c4p_rt_t *rt, const member_t *member)
{
    return rt->phase == C4PI_PHASE_ACTIVE && member->state == M_LIVE && member->rank == rt->rank &&
           c4pi_coll_find(rt, member->slot->set->id) &&
           c4pi_elem_find(c4pi_coll_find(rt, member->slot->set->id), member->slot->key);
}

void
world_join(world_t *w, c4p_rt_t *rt, member_t *member)
{
    c4p_ref_t self = {member->slot->set->id, member->slot->key};
    if (!is_here(rt, member) || member->takes_part)
        return;
    world_tick(w, rt);
    world_takes_part(w, rt, member);
    sim_ok(w->job, rt, c4p_sync_join(rt, self), "c4p_sync_join");
}

void
world_ready(world_t *w, c4p_rt_t *rt, member_t *member)
{
    c4p_ref_t self = {member->slot->set->id, member->slot->key};
    if (!is_here(rt, member) || !member->takes_part || member->waits)
        return;
    uint64_t point = next_point(w, elem_of(w, rt, member));
    SIM_CHECK(w->job, "P15", !member->passed || point == member->passed,
              "%s is to wait for synchronization point %d after point %d", world_name(member->slot),
              (int)point, (int)member->passed - 1);
    SIM_SAY(w->job, rt->rank, "READY for point %d is %s", (int)point, world_name(member->slot));
    world_tick(w, rt);
    member->waits = true;
    member->ready_clock = w->clocks[rt->rank];
    sim_ok(w->job, rt, c4p_sync(rt, self, w->on_resume), "c4p_sync");
}

/* All of whom it could know when it was ready are ready too, or have gone on. */
static void
check_point(world_t *w, uint64_t point, const member_t *member)
{
    for (uint32_t i = 0; i < w->num_members; i++) {
        const member_t *other = &w->members[i];
        if (!other->takes_part || other->state == M_DEAD || other->waits || other->passed > point ||
            member->ready_clock.at[other->part_rank] < other->part_at)
            continue;
        char who[80];
        snprintf(who, sizeof who, "%s", world_name(member->slot));
        sim_fail(w->job, "P15", "%s goes on from synchronization point %d without %s, which %s",
                 who, (int)point, world_name(other->slot),
                 other->state == M_COMING ? "is still to be made" : "is not ready");
    }
}

static void
run_resume(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    world_t *w = ctx;
    member_t *member = world_enter(w, rt, object);
    (void)msg;
    uint64_t next = next_point(w, elem_of(w, rt, member));
    SIM_CHECK(w->job, "P15", member->waits, "%s goes on twice from synchronization point %d",
              world_name(member->slot), (int)next - 1);
    SIM_SAY(w->job, rt->rank, "RESUME from point %d: %s", (int)next - 1, world_name(member->slot));
    SIM_CHECK(
        w->job, "P15",
        next > 0 && next <= w->points_reached && (!member->passed || next == member->passed + 1),
        "%s goes on from synchronization point %d after point %d, of %d reached",
        world_name(member->slot), (int)next - 1, (int)member->passed - 1, (int)w->points_reached);
    check_point(w, next - 1, member);
    member->waits = false;
    member->passed = next;
    if (!w->finishing)
        world_act(w, rt, member);
}

/* What a balancer does: some move, then all go on. */
static void
go_on(c4p_rt_t *rt, void *ctx)
{
    (void)ctx;
    if (rt->phase == C4PI_PHASE_ACTIVE)
        c4pi_sync_resume(rt);
}

static void
on_point(c4p_rt_t *rt)
{
    world_t *w = rt->hooks.ctx;
    sim_job_t *job = w->job;
    w->points_reached++;
    uint32_t how = sim_choose(job, 3);
    if (rt->phase != C4PI_PHASE_ACTIVE || how == 0) {
        c4pi_sync_resume(rt);
        return;
    }
    sim_ok(job, rt, c4p_post(rt, go_on, w), "c4p_post");
    for (uint32_t n = how == 2 ? sim_choose(job, 4) : 0; n > 0; n--)
        world_migrate(w, rt, NULL);
}

/* ---- the finish ----------------------------------------------------------------------------------- */

static void
run_get_ready(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    world_t *w = ctx;
    member_t *member = world_enter(w, rt, object);
    (void)msg;
    world_ready(w, rt, member);
}

void
world_syncs_top_up(world_t *w, c4p_rt_t *rt)
{
    for (uint32_t i = 0; i < w->num_members; i++) {
        const member_t *member = &w->members[i];
        c4p_ref_t to = {member->slot->set->id, member->slot->key};
        c4p_msg_t *msg;
        if (!member->takes_part || !world_alive(member) || member->waits)
            continue;
        sim_ok(w->job, rt, c4p_msg_new(rt, 0, &msg), "c4p_msg_new");
        sim_ok(w->job, rt, c4p_send(rt, to, w->on_get_ready, msg), "c4p_send");
    }
}

/* Quiescent: a point that all wait for would have been passed. */
void
world_check_syncs(world_t *w)
{
    uint32_t waiting = 0, others = 0;
    for (uint32_t i = 0; i < w->num_members; i++) {
        const member_t *member = &w->members[i];
        if (!member->takes_part || !world_alive(member))
            continue;
        waiting += member->waits;
        others += !member->waits;
    }
    SIM_CHECK(w->job, "P15", !waiting || (others && w->stage == 0),
              "quiescence, but %u participants wait for a synchronization point, and %u are not "
              "ready for it",
              waiting, others);
}

void
world_sync_add(world_t *w, c4p_rt_t *rt)
{
    sim_ok(w->job, rt, c4p_entry_add(rt, w->type, "resume", run_resume, w, &w->on_resume), "entry");
    sim_ok(w->job, rt, c4p_entry_add(rt, w->type, "get ready", run_get_ready, w, &w->on_get_ready),
           "entry");
    if (w->params->balanced)
        world_balance_add(w, rt);
    else if (rt->rank == 0 && w->params->sync)
        rt->on_sync = on_point;
}
