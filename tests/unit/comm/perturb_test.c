/* SPDX-License-Identifier: Apache-2.0 */
/* perturb_test.c: what a slow back end does to messages: they are late and batches come in pieces,
 * but each comes once, whole and in the order sent. On the simulated network. */
#include "comm/perturb.h"

#include "base/port_sim.h"
#include "comm/comm_sim.h"
#include "comm/flow.h"
#include "support/test.h"

enum { RANKS = 3, MESSAGES = 40 };

typedef struct node {
    c4pi_msgs_t msgs;
    c4pi_comm_t *comm;
    c4pi_flow_t *flow;
    uint64_t packets, sent[RANKS], got[RANKS], got_all;
    uint64_t times[RANKS][MESSAGES]; /* when a message came */
    int order[RANKS * MESSAGES];     /* whose came when */
} node_t;

static c4pi_simnet_t *net;
static node_t nodes[RANKS];
static const c4pi_comm_ops_t *real_ops;
static c4pi_comm_ops_t tap_ops;

static c4p_status_t
tap_send(c4pi_comm_t *comm, int dest, c4p_msg_t *msg)
{
    nodes[comm->rank].packets++;
    return real_ops->send(comm, dest, msg);
}

static void
take(void *ctx, c4p_msg_t *msg)
{
    node_t *node = ctx;
    uint64_t *got = &node->got[msg->env.source];
    CHECK_EQ(*got, msg->env.reference);
    CHECK_EQ(8, msg->env.len);
    CHECK_EQ(0, memcmp(c4pi_msg_payload(msg), &msg->env.reference, 8));
    node->times[msg->env.source][*got] = c4pi_now_ns(node->comm->port);
    node->order[node->got_all++] = (int)msg->env.source;
    ++*got;
    c4pi_msg_drop(msg);
}

static void
begin(const c4pi_perturb_t *how)
{
    const c4pi_simnet_opts_t opts = {.num_ranks = RANKS, .bytes = (const uint8_t *)""};
    const c4p_opts_t flow_opts = {.credit_bytes = 1 << 20, .batch_bytes = 256};
    net = c4pi_simnet_new(&opts);
    for (int rank = 0; rank < RANKS; rank++) {
        node_t *node = &nodes[rank];
        c4pi_port_t *port = c4pi_simnet_port(net, rank);
        *node = (node_t){0};
        c4pi_msgs_init(&node->msgs, port, NULL);
        CHECK_OK(c4pi_simnet_comm_new(net, rank, &node->msgs, &node->comm));
        real_ops = node->comm->ops;
        tap_ops = *real_ops;
        tap_ops.send = tap_send;
        node->comm->ops = &tap_ops;
        CHECK_OK(c4pi_flow_new(port, &node->msgs, node->comm, &flow_opts, &node->flow));
        c4pi_flow_set_deliver(node->flow, take, node);
        CHECK_OK(c4pi_perturb(node->comm, how));
    }
}

/* Nothing is left over. */
static void
end(void)
{
    for (int rank = 0; rank < RANKS; rank++) {
        c4pi_flow_free(nodes[rank].flow);
        CHECK_EQ(0, nodes[rank].msgs.live);
        c4pi_msgs_fini(&nodes[rank].msgs);
    }
    CHECK_EQ(0, c4pi_simnet_world(net)->live_blocks);
    c4pi_simnet_free(net);
}

/* `busy`: those after the first few go in batches. */
static void
send(int from, int to, int count, bool busy)
{
    node_t *node = &nodes[from];
    c4pi_flow_set_busy(node->flow, busy);
    for (int i = 0; i < count; i++) {
        c4p_msg_t *msg = c4pi_msg_alloc(&node->msgs, 8);
        msg->env.kind = C4PI_USER;
        msg->env.source = (uint32_t)from & 0xffffff;
        msg->env.reference = node->sent[to]++;
        memcpy(c4pi_msg_payload(msg), &msg->env.reference, 8);
        c4pi_flow_send(node->flow, to, msg);
    }
    c4pi_flow_flush(node->flow);
}

static void
run_until(const node_t *node, uint64_t count)
{
    while (node->got_all < count) {
        int rank = c4pi_simnet_step(net);
        if (rank >= 0)
            c4pi_simnet_ran(net, rank, c4pi_flow_poll(nodes[rank].flow, 1000) > 0, 0);
    }
}

static void
without_chances_nothing_happens(void)
{
    begin(&(c4pi_perturb_t){.delay_ns = 1});
    send(0, 1, MESSAGES, true);
    CHECK_EQ(C4PI_FLOW_AT_ONCE + 1, nodes[0].packets);
    run_until(&nodes[1], MESSAGES);
    end();
}

static void
a_batch_is_sent_in_two_pieces(void)
{
    begin(&(c4pi_perturb_t){.split = 65536, .delay_ns = 1});
    send(0, 1, MESSAGES, true);
    CHECK_EQ(C4PI_FLOW_AT_ONCE + 2, nodes[0].packets);
    send(0, 2, C4PI_FLOW_AT_ONCE + 1, true); /* a single message is no batch */
    CHECK_EQ(2 * C4PI_FLOW_AT_ONCE + 3, nodes[0].packets);
    run_until(&nodes[1], MESSAGES);
    run_until(&nodes[2], C4PI_FLOW_AT_ONCE + 1);
    end();
}

static void
late_messages_stay_in_order_and_others_overtake_them(void)
{
    const uint64_t ms = 1000000;
    begin(&(c4pi_perturb_t){.seed = 5, .delay = 65536, .delay_ns = 50 * ms});
    for (int i = 0; i < MESSAGES; i++) {
        send(0, 2, 1, false);
        send(1, 2, 1, false);
    }
    run_until(&nodes[2], 2 * MESSAGES);
    /* Each waits for the one before it, and then 25 ms on average. */
    CHECK(nodes[2].times[0][MESSAGES - 1] > MESSAGES * 15 * ms);
    CHECK(nodes[2].times[1][MESSAGES - 1] > MESSAGES * 15 * ms);
    int in_turn = 0;
    for (int i = 1; i < 2 * MESSAGES; i++)
        in_turn += nodes[2].order[i] != nodes[2].order[i - 1];
    CHECK(in_turn < 2 * MESSAGES - 10); /* as they were sent, it would be 2 * MESSAGES - 1 */
    end();
}

static void
some_messages_are_late_and_others_not(void)
{
    const uint64_t ms = 1000000;
    begin(&(c4pi_perturb_t){.seed = 5, .delay = 65536 / 4, .delay_ns = 100 * ms});
    for (int i = 0; i < MESSAGES; i++) {
        uint64_t before = c4pi_now_ns(nodes[2].comm->port);
        send(0, 2, 1, false);
        run_until(&nodes[2], (uint64_t)i + 1);
        nodes[2].times[0][i] -= before;
    }
    int late = 0;
    for (int i = 0; i < MESSAGES; i++) {
        late += nodes[2].times[0][i] > 10 * ms;
        CHECK(nodes[2].times[0][i] < 200 * ms); /* a tick of the simulator's comes on top */
    }
    CHECK(late >= 3 && late <= 20); /* a tenth of those that wait do so for less than 10 ms: 9 */
    end();
}

static void
what_is_late_at_the_end_is_freed(void)
{
    begin(&(c4pi_perturb_t){.delay = 65536, .delay_ns = UINT64_C(1) << 60});
    send(0, 1, 5, false);
    while (!c4pi_simnet_quiet(net)) {
        int rank = c4pi_simnet_step(net);
        if (rank >= 0)
            c4pi_simnet_ran(net, rank, c4pi_flow_poll(nodes[rank].flow, 1000) > 0, 0);
    }
    CHECK_EQ(0, nodes[1].got_all);
    end();
}

TEST_CASES(without_chances_nothing_happens, a_batch_is_sent_in_two_pieces,
           late_messages_stay_in_order_and_others_overtake_them,
           some_messages_are_late_and_others_not, what_is_late_at_the_end_is_freed)
