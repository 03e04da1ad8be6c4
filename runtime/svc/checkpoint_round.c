/* SPDX-License-Identifier: Apache-2.0 */
#include "svc/checkpoint_round.h"

#include <stdio.h>
#include <string.h>

#include "core/route.h"
#include "svc/checkpoint.h"

/* In env.entry: an order going down, what came of it going up. */
enum { DOWN, UP };

typedef struct order_fns {
    c4pi_order_fn_t carry_out;
    c4pi_round_over_fn_t over;  /* rank 0 */
    c4pi_round_over_fn_t above; /* other ranks, when they and those below have; may be NULL */
} order_fns_t;

static const order_fns_t orders[C4PI_NUM_ORDERS] = {
    [C4PI_ORDER_PREPARE] = {c4pi_ckpt_prepare, c4pi_ckpt_prepared, NULL},
    [C4PI_ORDER_WRITE] = {c4pi_ckpt_write, c4pi_ckpt_written, NULL},
    [C4PI_ORDER_FINISH] = {c4pi_ckpt_finish, c4pi_ckpt_finished, NULL},
    [C4PI_ORDER_LOAD] = {c4pi_restart_load, c4pi_restart_step_over, NULL},
    [C4PI_ORDER_MAKE] = {c4pi_restart_make, c4pi_restart_step_over, NULL},
    [C4PI_ORDER_SPREAD] = {c4pi_restart_spread, c4pi_restart_step_over, NULL},
    [C4PI_ORDER_OPEN] = {c4pi_restart_open, c4pi_restart_opened, c4pi_restart_opened},
    [C4PI_ORDER_STOP] = {c4pi_restart_stop, NULL, NULL}, /* nobody answers */
};

void
c4pi_outcome_fail(c4p_rt_t *rt, c4pi_outcome_t *outcome, c4p_status_t status, const char *fmt, ...)
{
    va_list args;
    if (outcome->status != C4P_OK && outcome->rank <= rt->rank)
        return;
    outcome->status = status;
    outcome->rank = rt->rank;
    va_start(args, fmt);
    vsnprintf(outcome->why, sizeof outcome->why, fmt, args);
    va_end(args);
}

static void
send_up(c4p_rt_t *rt, c4pi_outcome_t *o)
{
    c4p_msg_t *parts = NULL, *msg;
    c4p_pup_t p;
    if (c4pi_pup_pack_finish(&o->parts, &parts) != C4P_OK)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory for a checkpoint");
    c4pi_pup_pack_init(&p, &rt->msgs);
    c4p_put_u32(&p, (uint32_t)o->status);
    c4p_put_u32(&p, (uint32_t)o->rank);
    c4p_put_blob(&p, o->why, strlen(o->why));
    for (int i = 0; i < 2; i++) {
        c4p_put_u64(&p, o->sum[i]);
        c4p_put_u64(&p, o->max[i]);
    }
    c4p_put_blob(&p, c4pi_msg_payload(parts), (size_t)parts->env.len);
    if (c4pi_pup_pack_finish(&p, &msg) != C4P_OK)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory for a checkpoint");
    c4pi_msg_drop(parts);
    msg->env.kind = C4PI_CHECKPOINT;
    msg->env.entry = UP;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    c4pi_send_to(rt, c4pi_tree_parent(rt->rank, 0, rt->num_ranks), msg);
}

/* This rank has carried it out, and so have those below. */
static void
round_over(c4p_rt_t *rt)
{
    c4pi_rounds_t *rounds = &rt->ckpt->rounds;
    if (rounds->missing)
        return;
    c4pi_outcome_t outcome = rounds->outcome; /* the next round may begin below */
    rounds->open = false;
    if (rt->rank == 0)
        orders[rounds->order].over(rt, &outcome);
    else
        send_up(rt, &outcome);
    if (rt->rank != 0 && orders[rounds->order].above)
        orders[rounds->order].above(rt, &outcome);
    c4pi_pup_fini(&outcome.parts);
}

static void
take_order(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_rounds_t *rounds = &c4pi_ckpt_need(rt)->rounds;
    int children[C4PI_TREE_ARITY];
    c4p_pup_t p;
    rounds->open = true;
    rounds->order = (c4pi_order_t)msg->env.reference;
    rounds->missing = 1 + c4pi_tree_children(rt->rank, 0, rt->num_ranks, children);
    rounds->outcome = (c4pi_outcome_t){.status = C4P_OK};
    c4pi_pup_pack_init(&rounds->outcome.parts, &rt->msgs);
    for (int i = 0; i < rounds->missing - 1; i++)
        c4pi_send_to(rt, children[i], c4pi_msg_keep(msg));
    c4pi_flow_flush(rt->flow); /* carrying it out may take long */
    c4pi_pup_unpack_init(&p, c4pi_msg_payload(msg), (size_t)msg->env.len);
    orders[rounds->order].carry_out(rt, &p, &rounds->outcome);
    c4pi_msg_drop(msg);
    rounds->missing--;
    if (orders[rounds->order].over)
        round_over(rt);
}

void
c4pi_round_begin(c4p_rt_t *rt, c4pi_order_t order, c4p_pup_t *p)
{
    c4p_msg_t *msg;
    if (c4pi_pup_pack_finish(p, &msg) != C4P_OK)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory for a checkpoint");
    msg->env.kind = C4PI_CHECKPOINT;
    msg->env.entry = DOWN;
    msg->env.reference = order;
    take_order(rt, msg);
}

static void
take_outcome(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_rounds_t *rounds = &rt->ckpt->rounds;
    c4pi_outcome_t *o = &rounds->outcome;
    c4p_pup_t p;
    size_t len;
    c4pi_pup_unpack_init(&p, c4pi_msg_payload(msg), (size_t)msg->env.len);
    c4p_status_t status = (c4p_status_t)c4p_get_u32(&p);
    int rank = (int)c4p_get_u32(&p);
    const char *why = c4p_get_blob(&p, &len);
    if (status != C4P_OK && (o->status == C4P_OK || rank < o->rank)) {
        o->status = status;
        o->rank = rank;
        snprintf(o->why, sizeof o->why, "%.*s", (int)len, why ? why : "");
    }
    for (int i = 0; i < 2; i++) {
        uint64_t sum = c4p_get_u64(&p), max = c4p_get_u64(&p);
        o->sum[i] += sum;
        o->max[i] = max > o->max[i] ? max : o->max[i];
    }
    const void *parts = c4p_get_blob(&p, &len);
    if (len)
        c4p_put_bytes(&o->parts, parts, len);
    if (c4p_pup_status(&p) != C4P_OK)
        c4pi_die(rt, C4P_ERR_DATA, "an answer about a checkpoint is damaged");
    c4pi_msg_drop(msg);
    rounds->missing--;
    round_over(rt);
}

static void
on_message(c4p_rt_t *rt, c4p_msg_t *msg)
{
    if (rt->phase >= C4PI_PHASE_EXITING)
        c4pi_msg_drop(msg);
    else if (msg->env.entry == DOWN)
        take_order(rt, msg);
    else
        take_outcome(rt, msg);
}

c4pi_ckpt_t *
c4pi_ckpt_need(c4p_rt_t *rt)
{
    if (rt->ckpt)
        return rt->ckpt;
    rt->ckpt = c4pi_calloc(rt->port, sizeof *rt->ckpt);
    if (!rt->ckpt)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory for a checkpoint");
    rt->ckpt->lock = -1;
    c4pi_map_init(&rt->ckpt->sent, rt->port);
    c4pi_map_init(&rt->ckpt->counts, rt->port);
    c4pi_map_init(&rt->ckpt->states, rt->port);
    return rt->ckpt;
}

bool
c4pi_ckpt_busy(const c4p_rt_t *rt)
{
    return rt->frozen || (rt->ckpt && rt->ckpt->restarting);
}

bool
c4pi_ckpt_pending(const c4p_rt_t *rt)
{
    return c4pi_ckpt_busy(rt) || (rt->ckpt && rt->ckpt->requests);
}

void
c4pi_ckpt_init(c4p_rt_t *rt)
{
    rt->on_kind[C4PI_CHECKPOINT] = on_message;
    rt->on_kind[C4PI_CKPT_ASK] = c4pi_ckpt_on_ask;
    rt->on_kind[C4PI_RESTORE] = c4pi_restart_on_element;
}

void
c4pi_ckpt_free(c4p_rt_t *rt)
{
    c4pi_ckpt_t *ckpt = rt->ckpt;
    if (!ckpt)
        return;
    if (ckpt->rounds.open)
        c4pi_pup_fini(&ckpt->rounds.outcome.parts);
    for (c4pi_ckpt_request_t *request; (request = ckpt->requests) != NULL;) {
        ckpt->requests = request->next;
        c4pi_free(rt->port, request->dir, strlen(request->dir) + 1);
        c4pi_free(rt->port, request, sizeof *request);
    }
    c4pi_restart_forget(rt);
    c4pi_ckpt_dir_close(rt);
    c4pi_map_fini(&ckpt->sent);
    c4pi_map_fini(&ckpt->counts);
    c4pi_map_fini(&ckpt->states);
    c4pi_free(rt->port, ckpt, sizeof *ckpt);
    rt->ckpt = NULL;
}
