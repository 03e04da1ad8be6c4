/* SPDX-License-Identifier: Apache-2.0 */
#include "svc/handler.h"

#include "core/registry.h"
#include "core/route.h"

typedef struct post {
    c4p_fn_t fn;
    void *ctx;
} post_t;

static void
run_handler(c4p_rt_t *rt, c4p_msg_t *msg)
{
    uint32_t number = (uint32_t)msg->env.reference;
    const c4pi_named_t *handler = c4pi_registry_named(rt->registry, C4PI_HANDLERS, number);
    if (!handler)
        c4pi_die(rt, C4P_ERR_NOT_FOUND,
                 "rank %d calls handler %u, which this rank has not registered",
                 (int)msg->env.source, number);
    if (rt->phase < C4PI_PHASE_EXITING)
        handler->fn.handler(rt, msg, handler->ctx);
    c4pi_msg_drop(msg);
    c4pi_count_processed(rt);
}

static void
forward(c4p_rt_t *rt, c4p_msg_t *msg)
{
    int children[C4PI_TREE_ARITY];
    int n = c4pi_tree_children(rt->rank, (int)msg->env.source, rt->num_ranks, children);
    if (n == 0)
        return;
    c4p_msg_t *bytes = c4pi_msg_as_bytes(rt, c4pi_msg_keep(msg));
    for (int i = 0; i < n; i++)
        c4pi_send_to(rt, children[i], c4pi_msg_keep(bytes));
    c4pi_msg_drop(bytes);
}

/* Forward first, so that the tree does not wait for the handler. */
static void
on_tree(c4p_rt_t *rt, c4p_msg_t *msg)
{
    forward(rt, msg);
    run_handler(rt, msg);
}

void
c4pi_handler_send(c4p_rt_t *rt, int rank, c4p_handler_t handler, c4p_msg_t *msg)
{
    msg->env.kind = C4PI_HANDLER;
    msg->env.reference = handler;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    if (rank == rt->rank)
        c4pi_enqueue_new(rt, msg);
    else
        c4pi_send_to(rt, rank, c4pi_msg_as_bytes(rt, msg));
}

void
c4pi_handler_bcast(c4p_rt_t *rt, c4p_handler_t handler, c4p_msg_t *msg)
{
    msg->env.kind = C4PI_HANDLER_TREE;
    msg->env.reference = handler;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    forward(rt, msg); /* nobody waits for what this rank has to do first */
    c4pi_enqueue_new(rt, msg);
}

static void
run_post(c4p_rt_t *rt, c4p_msg_t *msg)
{
    post_t post = *(post_t *)c4pi_msg_payload(msg);
    c4pi_msg_drop(msg);
    post.fn(rt, post.ctx);
    c4pi_count_processed(rt);
}

void
c4pi_post(c4p_rt_t *rt, c4p_fn_t fn, void *ctx)
{
    c4p_msg_t *msg = c4pi_msg_or_die(rt, sizeof(post_t));
    *(post_t *)c4pi_msg_payload(msg) = (post_t){fn, ctx};
    msg->env.kind = C4PI_POST;
    c4pi_enqueue_new(rt, msg);
}

void
c4pi_handler_init(c4p_rt_t *rt)
{
    rt->on_kind[C4PI_HANDLER] = run_handler;
    rt->run_kind[C4PI_HANDLER] = run_handler;
    rt->on_kind[C4PI_HANDLER_TREE] = on_tree;
    rt->run_kind[C4PI_HANDLER_TREE] = run_handler;
    rt->run_kind[C4PI_POST] = run_post;
}
