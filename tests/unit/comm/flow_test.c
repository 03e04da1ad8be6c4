/* SPDX-License-Identifier: Apache-2.0 */
/* flow_test.c: batching, order, credit and counters of the layer between routing and transport, on
 * the simulated network. A tap between flow and the simulator sees what really goes out. */
#include "comm/flow.h"

#include "base/port_sim.h"
#include "comm/comm_sim.h"
#include "support/prng.h"
#include "support/test.h"

enum { MOST_RANKS = 6, MOST_KEPT = 4096 };

typedef struct node {
    int rank;
    struct job *job;
    c4pi_msgs_t msgs;
    c4pi_comm_t *comm;
    c4pi_flow_t *flow;
    /* tap */
    const c4pi_comm_ops_t *real_ops;
    uint64_t packets, batches, credits, batched;
    /* what arrived and is not freed yet */
    c4p_msg_t *kept[MOST_KEPT];
    int num_kept;
    uint64_t next_out[MOST_RANKS], next_in[MOST_RANKS], uncounted_out, uncounted_in;
    int to_send, got; /* got: by the last poll */
    prng_t prng;
} node_t;

typedef struct job {
    c4pi_simnet_t *net;
    c4p_opts_t opts;
    c4pi_comm_ops_t tap_ops;
    node_t nodes[MOST_RANKS];
    int num_ranks;
    uint64_t outstanding[MOST_RANKS][MOST_RANKS]; /* credit bytes sent and not freed, from the tap's
                                                     point of view */
    uint64_t window;
    node_t *running;
} job_t;

static job_t the_job;

/* ---- the tap ------------------------------------------------------------------------------------- */

static void
tap_one(node_t *node, int dest, const c4pi_env_t *env)
{
    size_t bytes = sizeof *env + (size_t)env->len;
    node->credits += env->kind == C4PI_CREDIT;
    if (!c4pi_kind_counted((c4pi_kind_t)env->kind) || bytes > node->comm->small_bytes)
        return;
    uint64_t *outstanding = &node->job->outstanding[node->rank][dest];
    *outstanding += bytes;
    CHECK(*outstanding <= node->job->window);
}

static c4p_status_t
tap_send(c4pi_comm_t *comm, int dest, c4p_msg_t *msg)
{
    node_t *node = &the_job.nodes[comm->rank];
    node->packets++;
    if (msg->env.kind == C4PI_BATCH) {
        node->batches++;
        for (size_t at = 0; at < msg->env.len;) {
            c4pi_env_t env;
            memcpy(&env, (char *)c4pi_msg_payload(msg) + at, sizeof env);
            tap_one(node, dest, &env);
            node->batched++;
            at += sizeof env + (size_t)env.len;
            for (; at % 8; at++) /* padding: no old memory leaves the process */
                CHECK_EQ(0, ((char *)c4pi_msg_payload(msg))[at]);
        }
    } else {
        tap_one(node, dest, &msg->env);
    }
    return node->real_ops->send(comm, dest, msg);
}

/* ---- a job ---------------------------------------------------------------------------------------- */

static void keep_it(void *ctx, c4p_msg_t *msg);

static c4p_status_t
node_start(job_t *job, int rank)
{
    node_t *node = &job->nodes[rank];
    c4pi_port_t *port = c4pi_simnet_port(job->net, rank);
    node->rank = rank;
    node->job = job;
    node->prng.state = (uint64_t)rank;
    c4pi_msgs_init(&node->msgs, port, NULL);
    c4p_status_t st = c4pi_simnet_comm_new(job->net, rank, &node->msgs, &node->comm);
    if (st != C4P_OK)
        return st;
    st = c4pi_flow_new(port, &node->msgs, node->comm, &job->opts, &node->flow);
    if (st != C4P_OK) {
        node->comm->ops->free_comm(node->comm);
        return st;
    }
    c4pi_flow_set_deliver(node->flow, keep_it, node);
    node->real_ops = node->comm->ops;
    job->tap_ops = *node->comm->ops;
    job->tap_ops.send = tap_send;
    node->comm->ops = &job->tap_ops;
    return C4P_OK;
}

static job_t *
job_new(int num_ranks, const c4pi_simnet_opts_t *net_opts, const c4p_opts_t *opts)
{
    job_t *job = &the_job;
    memset(job, 0, sizeof *job);
    c4pi_simnet_opts_t all = net_opts ? *net_opts : (c4pi_simnet_opts_t){0};
    if (!net_opts)
        all.bytes = (const uint8_t *)"";
    all.num_ranks = num_ranks;
    job->opts = opts ? *opts : (c4p_opts_t){.credit_bytes = 1 << 20, .batch_bytes = 256};
    job->net = c4pi_simnet_new(&all);
    job->num_ranks = num_ranks;
    size_t small = all.small_bytes ? all.small_bytes : 4032;
    job->window = job->opts.credit_bytes > 4 * small ? job->opts.credit_bytes : 4 * small;
    for (int rank = 0; rank < num_ranks; rank++)
        CHECK_OK(node_start(job, rank));
    return job;
}

static void
node_stop(node_t *node)
{
    for (int i = 0; i < node->num_kept; i++)
        c4pi_msg_drop(node->kept[i]);
    c4pi_flow_free(node->flow);
    CHECK_EQ(0, node->msgs.live);
    c4pi_msgs_fini(&node->msgs);
}

/* Everything freed: no message, no block of memory left; and the network was used as promised. */
static void
job_free(job_t *job)
{
    c4pi_simnet_stats_t stats;
    for (int rank = 0; rank < job->num_ranks; rank++)
        node_stop(&job->nodes[rank]);
    c4pi_simnet_stats(job->net, &stats);
    CHECK_EQ(0, stats.broken);
    CHECK_EQ(0, c4pi_simnet_world(job->net)->live_blocks);
    c4pi_simnet_free(job->net);
}

/* Let the network deliver everything, and every rank poll, until nothing moves. */
static void
settle(job_t *job)
{
    while (!c4pi_simnet_quiet(job->net)) {
        int rank = c4pi_simnet_step(job->net);
        if (rank >= 0)
            c4pi_simnet_ran(job->net, rank, c4pi_flow_poll(job->nodes[rank].flow, 1000) > 0, 0);
    }
}

/* ---- messages -------------------------------------------------------------------------------------- */

/* The payload tells what it is: number, then bytes that depend on number and place. */
static c4p_msg_t *
make(node_t *node, c4pi_kind_t kind, uint64_t number, size_t len)
{
    c4p_msg_t *msg = c4pi_msg_alloc(&node->msgs, len);
    if (!msg)
        return NULL;
    msg->env.kind = (uint8_t)kind;
    msg->env.source = (uint32_t)node->rank & 0xffffff;
    msg->env.reference = number;
    uint8_t *data = c4pi_msg_payload(msg);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(number * 31 + i * 7 + (uint64_t)node->rank);
    return msg;
}

static void
check_payload(c4p_msg_t *msg)
{
    const uint8_t *data = c4pi_msg_payload(msg);
    for (size_t i = 0; i < msg->env.len; i++)
        if (data[i] != (uint8_t)(msg->env.reference * 31 + i * 7 + msg->env.source))
            FAIL("byte %zu of message %llu from %u is wrong", i,
                 (unsigned long long)msg->env.reference, (unsigned)msg->env.source);
}

static void
send_one(node_t *from, int to, size_t len)
{
    c4pi_flow_send(from->flow, to, make(from, C4PI_USER, from->next_out[to]++, len));
}

static void
keep_it(void *ctx, c4p_msg_t *msg)
{
    node_t *node = ctx;
    check_payload(msg);
    if (c4pi_kind_counted((c4pi_kind_t)msg->env.kind)) {
        CHECK_EQ(node->next_in[msg->env.source], msg->env.reference);
        node->next_in[msg->env.source]++;
    } else {
        node->uncounted_in++;
    }
    CHECK(node->num_kept < MOST_KEPT);
    node->kept[node->num_kept++] = msg;
}

static void
free_oldest(node_t *node)
{
    c4p_msg_t *msg = node->kept[0];
    memmove(node->kept, node->kept + 1, (size_t)--node->num_kept * sizeof msg);
    size_t bytes = sizeof msg->env + (size_t)msg->env.len;
    if (c4pi_kind_counted((c4pi_kind_t)msg->env.kind) && bytes <= node->comm->small_bytes)
        node->job->outstanding[msg->env.source][node->rank] -= bytes;
    c4pi_msg_drop(msg);
}

static void
free_all(node_t *node)
{
    while (node->num_kept)
        free_oldest(node);
}

/* ---- batching ---------------------------------------------------------------------------------------- */

static void
an_idle_scheduler_sends_every_message_at_once(void)
{
    job_t *job = job_new(2, NULL, NULL);
    for (int i = 0; i < 5; i++)
        send_one(&job->nodes[0], 1, 8);
    CHECK_EQ(5, job->nodes[0].packets);
    CHECK_EQ(0, job->nodes[0].batches);
    CHECK(!c4pi_flow_has_open(job->nodes[0].flow));
    settle(job);
    CHECK_EQ(5, job->nodes[1].next_in[0]);
    job_free(job);
}

static void
a_busy_scheduler_sends_the_first_messages_to_each_destination_at_once_and_batches_the_rest(void)
{
    job_t *job = job_new(3, NULL, NULL);
    node_t *node = &job->nodes[0];
    c4pi_flow_set_busy(node->flow, true);
    for (int i = 0; i < 10; i++) {
        send_one(node, 1, 8);
        send_one(node, 2, 8);
    }
    CHECK_EQ(2 * C4PI_FLOW_AT_ONCE, node->packets);
    CHECK(c4pi_flow_has_open(node->flow));
    CHECK(!c4pi_flow_drained(node->flow));
    c4pi_flow_flush(node->flow);
    CHECK_EQ(2 * C4PI_FLOW_AT_ONCE + 2, node->packets); /* and one batch with the rest to each */
    CHECK_EQ(2, node->batches);
    CHECK_EQ(2 * (10 - C4PI_FLOW_AT_ONCE), node->batched);
    CHECK(!c4pi_flow_has_open(node->flow));
    settle(job);
    CHECK_EQ(10, job->nodes[1].next_in[0]);
    CHECK_EQ(10, job->nodes[2].next_in[0]);
    CHECK(c4pi_flow_drained(node->flow));
    job_free(job);
}

static void
idling_makes_the_next_message_first_again(void)
{
    job_t *job = job_new(2, NULL, NULL);
    node_t *node = &job->nodes[0];
    for (uint64_t round = 1; round <= 3; round++) {
        c4pi_flow_set_busy(node->flow, true);
        send_one(node, 1, 8);
        CHECK_EQ(round, node->packets);
        c4pi_flow_set_busy(node->flow, false);
    }
    settle(job);
    job_free(job);
}

static void
a_message_alone_in_its_batch_travels_as_itself(void)
{
    job_t *job = job_new(2, NULL, NULL);
    node_t *node = &job->nodes[0];
    c4pi_flow_set_busy(node->flow, true);
    for (int i = 0; i < C4PI_FLOW_AT_ONCE + 1; i++)
        send_one(node, 1, 8);
    c4pi_flow_flush(node->flow);
    CHECK_EQ(C4PI_FLOW_AT_ONCE + 1, node->packets);
    CHECK_EQ(0, node->batches);
    settle(job);
    CHECK_EQ(C4PI_FLOW_AT_ONCE + 1, job->nodes[1].next_in[0]);
    job_free(job);
}

static void
a_full_batch_leaves_by_itself(void)
{
    job_t *job = job_new(2, NULL, NULL);
    node_t *node = &job->nodes[0];
    c4pi_flow_set_busy(node->flow, true);
    /* 64 + 8 bytes each; a batch has room for 4032 - 64 */
    for (int i = 0; i < C4PI_FLOW_AT_ONCE + 55 + 1; i++)
        send_one(node, 1, 8);
    CHECK_EQ(C4PI_FLOW_AT_ONCE + 1, node->packets);
    CHECK_EQ(55, node->batched);
    c4pi_flow_flush(node->flow);
    settle(job);
    CHECK_EQ(C4PI_FLOW_AT_ONCE + 56, job->nodes[1].next_in[0]);
    job_free(job);
}

static void
longer_messages_push_the_open_batch_out_before_them(void)
{
    job_t *job = job_new(2, NULL, NULL);
    node_t *node = &job->nodes[0];
    size_t lens[] = {8, 8, 8, 300, 8, 8, 5000, 8, 100000, 256, 257, 0};
    c4pi_flow_set_busy(node->flow, true);
    for (int i = 0; i < 12; i++)
        send_one(node, 1, lens[i]);
    c4pi_flow_flush(node->flow);
    settle(job); /* keep_it checks the order */
    CHECK_EQ(12, job->nodes[1].next_in[0]);
    job_free(job);
}

static void
a_message_from_an_idle_scheduler_takes_the_open_batch_along(void)
{
    job_t *job = job_new(2, NULL, NULL);
    node_t *node = &job->nodes[0];
    c4pi_flow_set_busy(node->flow, true);
    for (int i = 0; i < C4PI_FLOW_AT_ONCE + 2; i++)
        send_one(node, 1, 8);
    c4pi_flow_set_busy(node->flow, false);
    send_one(node, 1, 8);
    CHECK(!c4pi_flow_has_open(node->flow));
    CHECK_EQ(C4PI_FLOW_AT_ONCE + 2, node->packets);
    settle(job);
    CHECK_EQ(C4PI_FLOW_AT_ONCE + 3, job->nodes[1].next_in[0]);
    job_free(job);
}

static void
batching_can_be_switched_off(void)
{
    c4p_opts_t opts = {.credit_bytes = 1 << 20, .batch_bytes = 0};
    job_t *job = job_new(2, NULL, &opts);
    c4pi_flow_set_busy(job->nodes[0].flow, true);
    for (int i = 0; i < 10; i++)
        send_one(&job->nodes[0], 1, 0);
    CHECK_EQ(10, job->nodes[0].packets);
    settle(job);
    job_free(job);
}

static void
a_poll_delivers_no_more_than_asked_and_the_rest_of_a_batch_later_in_order(void)
{
    job_t *job = job_new(2, NULL, NULL);
    node_t *from = &job->nodes[0], *to = &job->nodes[1];
    c4pi_flow_set_busy(from->flow, true);
    for (int i = 0; i < 30; i++)
        send_one(from, 1, 16);
    send_one(from, 1, 1000);
    c4pi_flow_flush(from->flow);
    while (from->packets > 0 && c4pi_simnet_step(job->net) != 1)
        ;
    for (uint64_t got = 0; got < 31; got++) {
        while (c4pi_flow_poll(to->flow, 1) == 0)
            c4pi_simnet_step(job->net);
        CHECK_EQ(got + 1, to->next_in[0]);
    }
    c4pi_simnet_ran(job->net, 0, false, 0);
    c4pi_simnet_ran(job->net, 1, false, 0);
    job_free(job);
}

/* ---- credit -------------------------------------------------------------------------------------------- */

static void
a_slow_receiver_stops_the_sender_and_freeing_lets_it_go_on(void)
{
    c4p_opts_t opts = {.credit_bytes = 64 << 10, .batch_bytes = 256};
    job_t *job = job_new(2, NULL, &opts);
    node_t *from = &job->nodes[0], *to = &job->nodes[1];
    c4pi_flow_counts_t counts;
    for (int i = 0; i < 200; i++)
        send_one(from, 1, 1024 - 64);
    settle(job);
    CHECK_EQ(64, to->next_in[0]); /* 64 KiB of 1 KiB each */
    c4pi_flow_counts(from->flow, &counts);
    CHECK_EQ(200, counts.counted_sent);
    CHECK_EQ(200 - 64, counts.backlog_msgs);
    CHECK_EQ((200 - 64) * 1024, counts.backlog_bytes);
    CHECK(!c4pi_flow_drained(from->flow));
    for (int i = 0; i < 15; i++)
        free_oldest(to);
    settle(job);
    CHECK_EQ(64, to->next_in[0]); /* less than a quarter: the sender does not know */
    CHECK_EQ(0, to->credits);
    free_oldest(to);
    settle(job);
    CHECK_EQ(1, to->credits);
    CHECK_EQ(80, to->next_in[0]);
    while (to->num_kept) {
        free_all(to);
        settle(job);
    }
    CHECK_EQ(200, to->next_in[0]);
    CHECK(to->credits <= 200 / 16 + 1);
    c4pi_flow_counts(from->flow, &counts);
    CHECK_EQ(0, counts.backlog_msgs);
    CHECK_EQ(0, counts.backlog_bytes);
    CHECK(c4pi_flow_drained(from->flow));
    job_free(job);
}

static void
credit_sets_waiting_small_messages_free_in_batches_without_a_flush(void)
{
    c4p_opts_t opts = {.credit_bytes = 16 << 10, .batch_bytes = 256};
    job_t *job = job_new(2, NULL, &opts);
    node_t *from = &job->nodes[0], *to = &job->nodes[1];
    for (int i = 0; i < 1000; i++)
        send_one(from, 1, 64);
    while (settle(job), to->num_kept)
        free_all(to);
    CHECK_EQ(1000, to->next_in[0]);
    CHECK(c4pi_flow_drained(from->flow));
    CHECK(from->batched >= 1000 - 128 - 100 && from->packets < 128 + 100);
    job_free(job);
}

static void
large_and_uncounted_messages_need_no_credit(void)
{
    c4p_opts_t opts = {.credit_bytes = 16 << 10, .batch_bytes = 256};
    job_t *job = job_new(2, NULL, &opts);
    node_t *from = &job->nodes[0], *to = &job->nodes[1];
    for (int i = 0; i < 10; i++)
        send_one(from, 1, 50000);
    for (int i = 0; i < 100; i++)
        c4pi_flow_send(from->flow, 1, make(from, C4PI_WAVE, from->uncounted_out++, 2000));
    settle(job);
    CHECK_EQ(10, to->next_in[0]);
    CHECK_EQ(100, to->uncounted_in);
    job_free(job);
}

static void
a_large_message_waits_behind_small_ones_without_credit(void)
{
    c4p_opts_t opts = {.credit_bytes = 16 << 10, .batch_bytes = 256};
    job_t *job = job_new(2, NULL, &opts);
    node_t *from = &job->nodes[0], *to = &job->nodes[1];
    for (int i = 0; i < 30; i++)
        send_one(from, 1, 1000);
    send_one(from, 1, 100000);
    send_one(from, 1, 1000);
    settle(job);
    CHECK(to->next_in[0] < 30);
    while (to->num_kept) {
        free_all(to);
        settle(job);
    }
    CHECK_EQ(32, to->next_in[0]);
    job_free(job);
}

static void
a_message_passed_on_gives_its_credit_back_even_if_it_waits_again(void)
{
    /* 0 -> 1 -> 2, where 2 frees nothing: 1's queue to 2 grows, but 0 is not stopped by that. */
    c4p_opts_t opts = {.credit_bytes = 16 << 10, .batch_bytes = 0};
    job_t *job = job_new(3, NULL, &opts);
    node_t *first = &job->nodes[0], *middle = &job->nodes[1];
    c4pi_flow_counts_t counts;
    for (int i = 0; i < 100; i++)
        send_one(first, 1, 1024 - 64);
    for (;;) {
        settle(job);
        if (!middle->num_kept)
            break;
        for (int i = 0; i < middle->num_kept; i++) {
            c4p_msg_t *msg = middle->kept[i];
            job->outstanding[0][1] -= 1024;
            msg->env.source = 1; /* and its payload is the one that 1 would write */
            for (size_t k = 0; k < msg->env.len; k++)
                ++*((uint8_t *)c4pi_msg_payload(msg) + k);
            c4pi_flow_send(middle->flow, 2, msg);
        }
        middle->num_kept = 0;
    }
    CHECK_EQ(100, middle->next_in[0]);
    c4pi_flow_counts(first->flow, &counts);
    CHECK_EQ(0, counts.backlog_msgs);
    c4pi_flow_counts(middle->flow, &counts);
    CHECK_EQ(100 - 16, counts.backlog_msgs);
    job_free(job);
}

static void
credit_taken_early_is_not_given_twice(void)
{
    c4p_opts_t opts = {.credit_bytes = 16 << 10, .batch_bytes = 0};
    job_t *job = job_new(2, NULL, &opts);
    node_t *from = &job->nodes[0], *to = &job->nodes[1];
    int freed = 0;
    for (int i = 0; i < 100; i++)
        send_one(from, 1, 1024 - 64);
    settle(job);
    while (to->num_kept > freed) { /* parked: credit is due, the memory stays */
        for (; freed < to->num_kept; freed++) {
            c4pi_flow_take(to->flow, to->kept[freed]);
            c4pi_flow_take(to->flow, to->kept[freed]);
            job->outstanding[0][1] -= 1024;
        }
        settle(job);
    }
    CHECK_EQ(100, to->next_in[0]);
    /* All that was sent is taken, once each: what is not told is less than a step of a quarter. */
    for (int i = 0; i < freed; i++)
        c4pi_msg_drop(to->kept[i]);
    to->num_kept = 0;
    for (int i = 0; i < 30; i++)
        send_one(from, 1, 1024 - 64);
    settle(job);
    CHECK(to->num_kept >= 12 && to->num_kept <= 16);
    job_free(job);
}

static void
without_limits_everything_leaves(void)
{
    c4p_opts_t opts = {.credit_bytes = 16 << 10, .batch_bytes = 256};
    job_t *job = job_new(2, NULL, &opts);
    node_t *from = &job->nodes[0], *to = &job->nodes[1];
    for (int i = 0; i < 100; i++)
        send_one(from, 1, 1000);
    settle(job);
    CHECK(to->next_in[0] < 20);
    job->window = UINT64_MAX;
    c4pi_flow_no_limits(from->flow);
    settle(job);
    CHECK_EQ(100, to->next_in[0]);
    CHECK(c4pi_flow_drained(from->flow));
    job_free(job);
}

/* ---- segments -------------------------------------------------------------------------------------------- */

static void
count_release(void *ctx)
{
    ++*(int *)ctx;
}

static void
segments_arrive_joined_and_are_released_once(void)
{
    job_t *job = job_new(2, NULL, NULL);
    node_t *from = &job->nodes[0];
    static uint8_t bytes[20000];
    int released = 0;
    for (int round = 0; round < 2; round++) { /* small as a whole, then large */
        size_t head = 10, tail = round ? 20000 - 10 : 50;
        uint64_t number = from->next_out[1]++;
        c4p_msg_t *msg = make(from, C4PI_USER, number, head);
        for (size_t i = 0; i < tail; i++)
            bytes[i] = (uint8_t)(number * 31 + (i + head) * 7);
        CHECK_OK(c4p_msg_attach(msg, bytes, tail / 2, count_release, &released));
        CHECK_OK(c4p_msg_attach(msg, bytes + tail / 2, tail - tail / 2, count_release, &released));
        c4pi_flow_send(from->flow, 1, msg);
        settle(job);
        CHECK_EQ(2 * (round + 1), released);
        CHECK_EQ(head + tail, job->nodes[1].kept[round]->env.len);
    }
    job_free(job);
}

/* ---- damage and death --------------------------------------------------------------------------------------- */

static void
settle_it(void *ctx)
{
    settle(ctx);
}

static void
a_damaged_message_ends_the_job_and_names_its_sender(void)
{
    static const struct {
        uint8_t choice; /* which byte of the envelope is flipped */
        const char *text;
    } cases[] = {
        {offsetof(c4pi_env_t, kind), "kind is unknown"},
        {offsetof(c4pi_env_t, flags), "unknown flags"},
        {offsetof(c4pi_env_t, len) + 7, "length is not"},
    };
    for (int i = 0; i < 3; i++) {
        uint8_t tape[16];
        memset(tape, 0, sizeof tape);
        /* The boring run delivers the message first, whose byte is then the only choice but for
         * "which event". */
        tape[1] = cases[i].choice;
        c4pi_simnet_opts_t net = {.bytes = tape, .num_bytes = sizeof tape, .corrupt_message = 1};
        job_t *job = job_new(4, &net, NULL);
        send_one(&job->nodes[2], 1, 100);
        CHECK(!c4pi_simnet_call(job->net, settle_it, job));
        c4pi_simworld_t *world = c4pi_simnet_world(job->net);
        CHECK_EQ(c4p_exit_status(C4P_ERR_DATA), world->exit_status);
        CHECK_EQ(1, world->dead_rank);
        CHECK_STR_HAS("from rank 2", world->log);
        CHECK_STR_HAS(cases[i].text, world->log);
        c4pi_simnet_free(job->net);
    }
}

static void
send_raw(job_t *job, c4pi_kind_t kind, const void *payload, size_t len, uint64_t reference)
{
    node_t *node = &job->nodes[0];
    c4p_msg_t *msg = c4pi_msg_alloc(&node->msgs, len);
    msg->env.kind = (uint8_t)kind;
    msg->env.reference = reference;
    if (len)
        memcpy(c4pi_msg_payload(msg), payload, len);
    CHECK_OK(node->real_ops->send(node->comm, 1, msg));
}

static void
a_damaged_batch_ends_the_job(void)
{
    static const char *const texts[] = {"cut off", "cut off", "batch in a batch", "source rank"};
    for (int i = 0; i < 4; i++) {
        job_t *job = job_new(2, NULL, NULL);
        c4pi_env_t env = {.kind = C4PI_USER, .len = i == 1 ? 1 : 0, .source = i == 3 ? 2 : 0};
        if (i == 2)
            env.kind = C4PI_BATCH;
        send_raw(job, C4PI_BATCH, &env, i == 0 ? 63 : 64, 0);
        CHECK(!c4pi_simnet_call(job->net, settle_it, job));
        CHECK_EQ(65, c4pi_simnet_world(job->net)->exit_status);
        CHECK_STR_HAS(texts[i], c4pi_simnet_world(job->net)->log);
        c4pi_simnet_free(job->net);
    }
}

static void
credit_for_what_was_not_sent_ends_the_job(void)
{
    job_t *job = job_new(2, NULL, NULL);
    send_one(&job->nodes[1], 0, 100);
    settle(job);
    send_raw(job, C4PI_CREDIT, NULL, 0, 64 + 100 + 1);
    CHECK(!c4pi_simnet_call(job->net, settle_it, job));
    CHECK_EQ(65, c4pi_simnet_world(job->net)->exit_status);
    c4pi_simnet_free(job->net);
}

/* ---- random runs ----------------------------------------------------------------------------------------------- */

static size_t
random_len(prng_t *prng)
{
    switch (prng_below(prng, 8)) {
    case 0:
        return 1000 + prng_below(prng, 3000);
    case 1:
        return 3950 + prng_below(prng, 40); /* around the largest small message */
    case 2:
        return prng_below(prng, 8) ? 300 : 20000;
    default:
        return prng_below(prng, 280);
    }
}

static void
random_sends(node_t *node)
{
    int n = (int)prng_below(&node->prng, 8);
    for (; n > 0 && node->to_send > 0; n--) {
        int to = (int)prng_below(&node->prng, (uint64_t)node->job->num_ranks);
        if (to == node->rank)
            continue;
        node->to_send--;
        if (prng_below(&node->prng, 10) == 0)
            c4pi_flow_send(node->flow, to,
                           make(node, C4PI_WAVE, node->uncounted_out++, random_len(&node->prng)));
        else
            send_one(node, to, random_len(&node->prng));
    }
}

/* What a scheduler does between two polls, in random order and amount. */
static void
random_turn(void *ctx)
{
    job_t *job = ctx;
    node_t *node = job->running;
    c4pi_flow_set_busy(node->flow, true);
    random_sends(node);
    int got = c4pi_flow_poll(node->flow, 1 + (int)prng_below(&node->prng, 20));
    CHECK(got <= 20);
    node->got = got;
    for (uint64_t n = prng_below(&node->prng, 12); n > 0 && node->num_kept; n--)
        free_oldest(node);
    if (!got || prng_below(&node->prng, 4) == 0) {
        c4pi_flow_flush(node->flow);
        c4pi_flow_set_busy(node->flow, false);
    }
}

static void
check_end(job_t *job)
{
    uint64_t sent = 0, received = 0, all_sent = 0, all_received = 0, bytes_sent = 0,
             bytes_received = 0, uncounted = 0;
    for (int i = 0; i < job->num_ranks; i++) {
        c4pi_flow_counts_t counts;
        node_t *node = &job->nodes[i];
        c4pi_flow_counts(node->flow, &counts);
        CHECK(c4pi_flow_drained(node->flow));
        CHECK_EQ(0, counts.backlog_bytes);
        sent += counts.counted_sent;
        received += counts.counted_received;
        all_sent += counts.all_sent;
        all_received += counts.all_received;
        bytes_sent += counts.bytes_sent;
        bytes_received += counts.bytes_received;
        uncounted += node->uncounted_out - node->uncounted_in;
        for (int k = 0; k < job->num_ranks; k++)
            CHECK_EQ(job->nodes[k].next_out[i], node->next_in[k]);
        CHECK_EQ(0, node->msgs.live);
    }
    CHECK_EQ(sent, received);
    CHECK_EQ(all_sent, all_received);
    CHECK_EQ(bytes_sent, bytes_received);
    CHECK_EQ(0, uncounted);
}

static bool
has_work(const job_t *job)
{
    for (int i = 0; i < job->num_ranks; i++)
        if (job->nodes[i].to_send || job->nodes[i].num_kept ||
            !c4pi_flow_drained(job->nodes[i].flow))
            return true;
    return !c4pi_simnet_quiet(job->net);
}

static uint64_t
random_run(c4pi_sim_mode_t mode, uint64_t seed, int num_ranks, uint64_t counter_base)
{
    c4pi_simnet_opts_t net = {.mode = mode, .seed = seed};
    c4p_opts_t opts = {.credit_bytes = 16 << 10, .batch_bytes = 256, .counter_base = counter_base};
    job_t *job = job_new(num_ranks, &net, &opts);
    for (int i = 0; i < num_ranks; i++) {
        job->nodes[i].to_send = 200;
        job->nodes[i].prng.state = seed * 1000 + (uint64_t)i;
    }
    while (has_work(job)) {
        int rank = c4pi_simnet_step(job->net);
        if (rank < 0)
            continue;
        job->running = &job->nodes[rank];
        CHECK(c4pi_simnet_call(job->net, random_turn, job));
        node_t *node = job->running;
        c4pi_simnet_ran(job->net, rank, node->to_send || node->num_kept || node->got, 0);
    }
    check_end(job);
    uint64_t hash = c4pi_simnet_trace_hash(job->net);
    job_free(job);
    return hash;
}

static void
under_any_schedule_each_message_arrives_once_in_order_within_the_credit(void)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        for (c4pi_sim_mode_t mode = C4PI_SIM_RANDOM; mode < C4PI_SIM_NUM_MODES; mode++)
            random_run(mode, seed, 2 + (int)(seed % 5), 0);
}

static void
credit_counters_may_wrap(void)
{
    static const uint64_t bases[] = {(1ull << 31) - 5000, (1ull << 32) - 5000, (1ull << 63) - 5000,
                                     UINT64_MAX - 5000};
    for (int i = 0; i < 4; i++)
        random_run(C4PI_SIM_RANDOM, 77, 3, bases[i]);
}

static void
the_same_seed_gives_the_same_run(void)
{
    CHECK_EQ(random_run(C4PI_SIM_PCT, 5, 4, 0), random_run(C4PI_SIM_PCT, 5, 4, 0));
    CHECK(random_run(C4PI_SIM_RANDOM, 5, 4, 0) != random_run(C4PI_SIM_RANDOM, 6, 4, 0));
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void
small_job(void *ctx)
{
    job_t *job = ctx;
    node_t *from = &job->nodes[0];
    c4pi_flow_set_busy(from->flow, true);
    for (int i = 0; i < 40; i++) {
        c4p_msg_t *msg =
            make(from, C4PI_USER, from->next_out[1]++, i == 20 ? 10000 : (size_t)i * 10);
        if (!msg)
            c4pi_simworld_die(c4pi_simnet_world(job->net), 0, 71);
        c4pi_flow_send(from->flow, 1, msg);
    }
    c4pi_flow_flush(from->flow);
    settle(job);
    free_all(&job->nodes[1]);
    settle(job);
}

static void
without_memory_the_start_fails_cleanly_or_the_job_ends_with_status_71(void)
{
    bool more = true;
    int starts_failed = 0, jobs_ended = 0;
    for (uint64_t n = 1; more; n++) {
        CHECK(n < 1000);
        c4pi_simnet_opts_t net = {
            .num_ranks = 2, .bytes = (const uint8_t *)"", .world = {.fail_alloc = n}};
        job_t *job = &the_job;
        memset(job, 0, sizeof *job);
        job->net = c4pi_simnet_new(&net);
        job->num_ranks = 2;
        job->window = 1 << 20;
        job->opts = (c4p_opts_t){.credit_bytes = 20 << 10, .batch_bytes = 256};
        c4pi_simworld_t *world = c4pi_simnet_world(job->net);
        c4p_status_t st = node_start(job, 0);
        if (st == C4P_OK && (st = node_start(job, 1)) != C4P_OK)
            node_stop(&job->nodes[0]);
        if (st != C4P_OK) {
            CHECK_STATUS(C4P_ERR_NOMEM, st);
            CHECK_EQ(0, world->live_blocks);
            starts_failed++;
        } else if (c4pi_simnet_call(job->net, small_job, job)) {
            more = world->allocs >= n;
            CHECK(!more);
            CHECK_EQ(40, job->nodes[1].next_in[0]);
            job_free(job);
            return;
        } else {
            CHECK_EQ(71, world->exit_status);
            jobs_ended++;
        }
        c4pi_simnet_free(job->net);
    }
    CHECK(starts_failed > 0 && jobs_ended > 0);
}

TEST_CASES(
    an_idle_scheduler_sends_every_message_at_once,
    a_busy_scheduler_sends_the_first_messages_to_each_destination_at_once_and_batches_the_rest,
    idling_makes_the_next_message_first_again, a_message_alone_in_its_batch_travels_as_itself,
    a_full_batch_leaves_by_itself, longer_messages_push_the_open_batch_out_before_them,
    a_message_from_an_idle_scheduler_takes_the_open_batch_along, batching_can_be_switched_off,
    a_poll_delivers_no_more_than_asked_and_the_rest_of_a_batch_later_in_order,
    a_slow_receiver_stops_the_sender_and_freeing_lets_it_go_on,
    credit_sets_waiting_small_messages_free_in_batches_without_a_flush,
    large_and_uncounted_messages_need_no_credit,
    a_large_message_waits_behind_small_ones_without_credit,
    a_message_passed_on_gives_its_credit_back_even_if_it_waits_again,
    credit_taken_early_is_not_given_twice, without_limits_everything_leaves,
    segments_arrive_joined_and_are_released_once,
    a_damaged_message_ends_the_job_and_names_its_sender, a_damaged_batch_ends_the_job,
    credit_for_what_was_not_sent_ends_the_job,
    under_any_schedule_each_message_arrives_once_in_order_within_the_credit,
    credit_counters_may_wrap, the_same_seed_gives_the_same_run,
    without_memory_the_start_fails_cleanly_or_the_job_ends_with_status_71)
