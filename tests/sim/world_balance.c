/* SPDX-License-Identifier: Apache-2.0 */
/* world_balance.c: balancing rounds as they are (lb/round.c) at the world's synchronization points,
 * while others move, die and are made. P16: a round sees each object once, ends when nothing
 * of its plan is outstanding, and then all go on. */
#include <c4p/balance.h>

#include "sim/sim_world.h"

/* A plan of the tape's; one in eight is none, or names a rank that does not exist. */
static c4p_status_t
any_plan(const c4p_lb_view_t *view, int *plan, void *ctx)
{
    world_t *w = ctx;
    uint32_t how = sim_choose(w->job, 16);
    for (size_t i = 0; i < view->num_objects; i++)
        if (sim_choose(w->job, 3))
            plan[i] = (int)sim_choose(w->job, (uint32_t)view->num_ranks);
    if (how == 14 && view->num_objects)
        plan[0] = view->num_ranks;
    return how == 15 ? C4P_ERR_USER : C4P_OK;
}

static void
look_at_view(c4p_rt_t *rt, const c4p_lb_view_t *view, const c4p_ref_t *refs, void *ctx)
{
    world_t *w = ctx;
    (void)rt;
    for (size_t i = 0; i < view->num_objects; i++) {
        set_t *set = world_set_of(w, refs[i].coll);
        const slot_t *slot = set ? world_slot_of(set, refs[i].key) : NULL;
        SIM_CHECK(w->job, "P16", slot && slot->now && slot->now->takes_part,
                  "a balancing round sees what takes no part");
        SIM_CHECK(w->job, "P16", view->rank[i] >= 0 && view->rank[i] < w->job->ranks,
                  "%s is on rank %d, says a balancing round", world_name(slot), view->rank[i]);
        for (size_t k = 0; k < i; k++)
            SIM_CHECK(w->job, "P16",
                      refs[k].coll != refs[i].coll || !c4p_key_eq(refs[k].key, refs[i].key),
                      "a balancing round sees %s twice", world_name(slot));
    }
}

/* Is an element still to go where a plan wants it? */
static bool
is_to_move(world_t *w, const member_t *member)
{
    if (member->state != M_LIVE)
        return false;
    c4p_rt_t *rt = w->job->rts[member->rank];
    c4pi_coll_t *coll = c4pi_coll_find(rt, member->slot->set->id);
    const c4pi_elem_t *elem = coll ? c4pi_elem_find(coll, member->slot->key) : NULL;
    return elem && elem->extra && elem->extra->leaving_balanced;
}

static void
round_over(c4p_rt_t *rt, const c4p_lb_round_t *round, void *ctx)
{
    world_t *w = ctx;
    (void)rt;
    SIM_CHECK(w->job, "P16", round->number == w->rounds_over++, "balancing round %d is number %d",
              (int)w->rounds_over - 1, (int)round->number);
    SIM_CHECK(w->job, "P16", w->came + round->refused == (round->skipped ? 0 : round->worth.moved),
              "a balancing round is over; of %d objects that were to move %d came and %d stayed",
              (int)round->worth.moved, (int)w->came, (int)round->refused);
    w->came = 0;
    for (uint32_t i = 0; i < w->num_members; i++)
        SIM_CHECK(w->job, "P16", !is_to_move(w, &w->members[i]),
                  "a balancing round is over, and %s is still to move",
                  world_name(w->members[i].slot));
}

static void
on_comes(c4p_rt_t *rt)
{
    world_t *w = rt->hooks.ctx;
    w->came++;
    w->runtime.comes(rt);
}

static void
on_point(c4p_rt_t *rt)
{
    world_t *w = rt->hooks.ctx;
    w->points_reached++;
    w->runtime.balance(rt);
}

void
world_balance_add(world_t *w, c4p_rt_t *rt)
{
    static const char *const strategies[] = {"tape", "random", "rotate", "tape,greedy"};
    sim_ok(w->job, rt, c4p_lb_add(rt, "tape", any_plan, w), "c4p_lb_add");
    w->runtime.comes = rt->on_balanced_comes;
    rt->on_balanced_comes = on_comes;
    if (rt->rank == 0) {
        w->strategy = strategies[sim_choose(w->job, 4)];
        w->runtime.balance = rt->on_sync;
        rt->on_sync = on_point;
        sim_ok(w->job, rt, c4p_lb_on_view(rt, look_at_view, w), "c4p_lb_on_view");
        sim_ok(w->job, rt, c4p_lb_on_round(rt, round_over, w), "c4p_lb_on_round");
    }
    sim_ok(w->job, rt, c4p_lb_use(rt, w->strategy), "c4p_lb_use");
}
