/* SPDX-License-Identifier: Apache-2.0 */
/* comm_test.c: the transport over MPI and the flow layer on it, on real ranks: every size,
 * segments, order between small and large, storms, what is beyond 2 GiB, and start and end. */
#include <mpi.h>

#include "comm/flow.h"
#include "support/prng.h"
#include "support/test.h"

typedef struct node {
    c4pi_port_t *port;
    c4pi_msgs_t msgs;
    c4pi_comm_t *comm;
    c4pi_flow_t *flow;
    int rank, num_ranks;
    uint64_t *next_in; /* by source */
    uint64_t received, bytes;
} node_t;

/* ---- start and end --------------------------------------------------------------------------------- */

static void
finalize_mpi(void)
{
    int initialised = 0, finalised = 0;
    MPI_Initialized(&initialised);
    MPI_Finalized(&finalised);
    if (initialised && !finalised)
        MPI_Finalize();
}

static c4p_opts_t
usual_opts(void)
{
    c4p_opts_t opts = C4P_OPTS_INIT;
    opts.credit_bytes = 1 << 20;
    opts.batch_bytes = 256;
    return opts;
}

static void on_message(void *ctx, c4p_msg_t *msg);

/* On MPI_COMM_WORLD, in an MPI that all cases of this program share. */
static void
node_start(node_t *node, const c4p_opts_t *opts, MPI_Comm comm)
{
    int initialised = 0;
    MPI_Initialized(&initialised);
    if (!initialised) {
        int provided;
        MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
        atexit(finalize_mpi);
    }
    *node = (node_t){0};
    CHECK_OK(c4pi_port_real_new(opts, &node->port));
    c4pi_msgs_init(&node->msgs, node->port, NULL);
    CHECK_OK(c4pi_comm_mpi_new(node->port, &node->msgs, opts, &comm, &node->comm));
    CHECK_OK(c4pi_flow_new(node->port, &node->msgs, node->comm, opts, &node->flow));
    c4pi_flow_set_deliver(node->flow, on_message, node);
    node->rank = node->comm->rank;
    node->num_ranks = node->comm->num_ranks;
    node->next_in = calloc((size_t)node->num_ranks, sizeof *node->next_in);
}

/* All ranks; nothing may be left. */
static void
node_stop(node_t *node)
{
    CHECK_OK(c4pi_flow_finish(node->flow));
    c4pi_flow_free(node->flow);
    CHECK_EQ(0, node->msgs.live);
    c4pi_msgs_fini(&node->msgs);
    c4pi_port_free(node->port);
    free(node->next_in);
}

static void
poll_until(node_t *node, uint64_t received)
{
    while (node->received < received)
        c4pi_flow_poll(node->flow, 16);
    CHECK_EQ(received, node->received);
}

static void
poll_until_drained(node_t *node)
{
    c4pi_flow_flush(node->flow);
    while (!c4pi_flow_drained(node->flow))
        c4pi_flow_poll(node->flow, 16);
}

/* ---- messages ---------------------------------------------------------------------------------------- */

static uint8_t
byte_at(uint64_t number, uint64_t i)
{
    return (uint8_t)(number * 131 + i * 7 + (i >> 12) * 3);
}

static void
fill(uint8_t *data, uint64_t number, uint64_t from, uint64_t len)
{
    for (uint64_t i = 0; i < len; i++)
        data[i] = byte_at(number, from + i);
}

/* The number of a message is that of its pair of ranks, so order and loss show. */
static void
on_message(void *ctx, c4p_msg_t *msg)
{
    node_t *node = ctx;
    const uint8_t *data = c4pi_msg_payload(msg);
    CHECK_EQ(node->next_in[msg->env.source], msg->env.reference);
    CHECK_EQ(0, (uintptr_t)data % C4P_MSG_ALIGN);
    CHECK_EQ(0, msg->env.flags);
    node->next_in[msg->env.source]++;
    bool same = msg->env.kind == C4PI_HANDLER; /* all bytes are 5 */
    if (same)
        CHECK(data[0] == 5 && memcmp(data, data + 1, msg->env.len - 1) == 0);
    for (uint64_t i = 0; i < msg->env.len && !same; i++)
        if (data[i] != byte_at(msg->env.reference, i))
            FAIL("byte %llu of %llu of message %llu from rank %d is wrong", (unsigned long long)i,
                 (unsigned long long)msg->env.len, (unsigned long long)msg->env.reference,
                 (int)msg->env.source);
    node->received++;
    node->bytes += msg->env.len;
    c4pi_msg_drop(msg);
}

static c4p_msg_t *
make(node_t *node, uint64_t number, size_t len)
{
    c4p_msg_t *msg = c4pi_msg_alloc(&node->msgs, len);
    CHECK(msg != NULL);
    msg->env.kind = C4PI_USER;
    msg->env.source = (uint32_t)node->rank & 0xffffff;
    msg->env.reference = number;
    fill(c4pi_msg_payload(msg), number, 0, len);
    return msg;
}

/* ---- cases ---------------------------------------------------------------------------------------------- */

static const size_t sizes[] = {0,    1,    7,     8,     63,    64,     65,      191,     192,
                               193,  255,  256,   257,   300,   895,    896,     897,     959,
                               960,  961,  1023,  1024,  1025,  2000,   3903,    3904,    3967,
                               3968, 3969, 4031,  4032,  4033,  4095,   4096,    4097,    8191,
                               8192, 8193, 65535, 65536, 65537, 262144, 1000003, 1048576, 1048577};
enum { NUM_SIZES = sizeof sizes / sizeof sizes[0] };

/* Rank r sends all sizes to r + 1 and r + 2, twice, in order. */
static void
exchange_all_sizes(const c4p_opts_t *opts)
{
    node_t node;
    node_start(&node, opts, MPI_COMM_WORLD);
    uint64_t expected = 0;
    for (int step = 1; step <= 2 && step < node.num_ranks; step++) {
        int dest = (node.rank + step) % node.num_ranks;
        for (int i = 0; i < 2 * NUM_SIZES; i++) {
            c4pi_flow_send(node.flow, dest, make(&node, (uint64_t)i, sizes[i % NUM_SIZES]));
            if (i % 5 == 0)
                c4pi_flow_poll(node.flow, 3);
        }
        expected += 2 * NUM_SIZES;
    }
    poll_until(&node, expected);
    poll_until_drained(&node);
    node_stop(&node);
}

static void
every_size_arrives_whole_and_in_order(void)
{
    c4p_opts_t opts = usual_opts();
    exchange_all_sizes(&opts);
}

static void
tiny_limits_change_nothing(void)
{
    c4p_opts_t opts = usual_opts();
    opts.small_bytes = 128;
    opts.ring_slots = 2;
    opts.credit_bytes = 1;
    exchange_all_sizes(&opts);
}

static void
a_large_small_limit_changes_nothing(void)
{
    c4p_opts_t opts = usual_opts();
    opts.small_bytes = 65000; /* far above the eager limit: small messages by rendezvous */
    exchange_all_sizes(&opts);
    opts.shared_bytes = 64 << 20;
    exchange_all_sizes(&opts);
}

static void
memory_shared_by_the_host_changes_nothing(void)
{
    c4p_opts_t opts = usual_opts();
    opts.shared_bytes = 64 << 20;
    exchange_all_sizes(&opts);
}

/* Some messages find a place in it, those between them do not: they still arrive in order. */
static void
too_little_shared_memory_changes_nothing(void)
{
    c4p_opts_t opts = usual_opts();
    opts.shared_bytes = 160 << 10;
    exchange_all_sizes(&opts);
    opts.small_bytes = 128;
    opts.ring_slots = 2;
    exchange_all_sizes(&opts);
}

static void
count_release(void *ctx)
{
    ++*(int *)ctx;
}

/* Segments for good, which are written again when they were released, or lent ones, written again
 * as soon as the call has returned. */
static void
exchange_segments(const c4p_opts_t *opts, bool lend)
{
    static const size_t heads[] = {0, 1, 100, 3000, 3968, 5000, 100000};
    static const size_t tails[] = {0, 1, 64, 1000, 4000, 100000};
    node_t node;
    node_start(&node, opts, MPI_COMM_WORLD);
    if (node.num_ranks > 1) {
        uint8_t *data = malloc(64 * 100000);
        uint64_t number = 0;
        int released = 0, attached = 0;
        for (int h = 0; h < 7; h++) {
            for (int t = 0; t < 6; t++) {
                int count = t == 3 ? 64 : 3; /* segments; with 64 the announcement is at its longest
                                              */
                c4p_msg_t *msg = make(&node, number, heads[h]);
                fill(data, number, heads[h], (uint64_t)count * tails[t]);
                for (int i = 0; i < count; i++, attached++)
                    CHECK_OK((lend ? c4p_msg_lend : c4p_msg_attach)(
                        msg, data + (size_t)i * tails[t], tails[t], count_release, &released));
                c4pi_flow_send(node.flow, (node.rank + 1) % node.num_ranks, msg);
                number++;
                while (!lend && !c4pi_flow_drained(node.flow))
                    c4pi_flow_poll(node.flow, 16);
                CHECK_EQ(attached, released);
            }
        }
        poll_until(&node, number);
        free(data);
    }
    node_stop(&node);
}

static void
segments_arrive_joined_and_are_released(void)
{
    c4p_opts_t opts = usual_opts();
    exchange_segments(&opts, false);
}

static void
segments_do_so_with_the_smallest_small_limit(void)
{
    c4p_opts_t opts = usual_opts();
    opts.small_bytes = 128;
    exchange_segments(&opts, false);
}

static void
segments_do_so_through_shared_memory(void)
{
    c4p_opts_t opts = usual_opts();
    opts.shared_bytes = 32 << 20;
    exchange_segments(&opts, false);
}

static void
lent_memory_is_free_when_send_returns(void)
{
    c4p_opts_t opts = usual_opts();
    exchange_segments(&opts, true);
    opts.shared_bytes = 32 << 20;
    exchange_segments(&opts, true);
    opts.shared_bytes = 200 << 10; /* partly */
    opts.credit_bytes = 1;         /* small ones wait for credit */
    exchange_segments(&opts, true);
}

static void
one_message_to_many_ranks(const c4p_opts_t *opts)
{
    node_t node;
    node_start(&node, opts, MPI_COMM_WORLD);
    for (uint64_t number = 0; number < 20; number++) {
        c4p_msg_t *msg = make(&node, number, sizes[NUM_SIZES - 1 - number]);
        for (int dest = 0; dest < node.num_ranks; dest++)
            if (dest != node.rank)
                c4pi_flow_send(node.flow, dest, c4pi_msg_keep(msg));
        c4pi_msg_drop(msg);
    }
    poll_until(&node, 20 * (uint64_t)(node.num_ranks - 1));
    poll_until_drained(&node);
    node_stop(&node);
}

static void
one_message_goes_to_many_ranks_from_one_buffer(void)
{
    c4p_opts_t opts = usual_opts();
    one_message_to_many_ranks(&opts);
    opts.shared_bytes = 32 << 20;
    one_message_to_many_ranks(&opts);
}

/* Every rank sends to every other; sizes such that large ones stand between small ones all the
 * time. */
static void
storm(const c4p_opts_t *opts, int per_pair)
{
    node_t node;
    node_start(&node, opts, MPI_COMM_WORLD);
    prng_t prng = {(uint64_t)node.rank};
    uint64_t *next_out = calloc((size_t)node.num_ranks, sizeof *next_out), bytes = 0;
    c4pi_flow_set_busy(node.flow, true);
    for (int i = 0; i < per_pair * (node.num_ranks - 1); i++) {
        int dest = (node.rank + 1 + i % (node.num_ranks - 1)) % node.num_ranks;
        size_t len = prng_below(&prng, 20)   ? prng_below(&prng, 300)
                     : prng_below(&prng, 10) ? 3500 + prng_below(&prng, 1000)
                                             : prng_below(&prng, 200000);
        c4pi_flow_send(node.flow, dest, make(&node, next_out[dest]++, len));
        bytes += len;
        if (i % 16 == 0)
            c4pi_flow_poll(node.flow, 16);
    }
    c4pi_flow_flush(node.flow);
    c4pi_flow_set_busy(node.flow, false);
    poll_until(&node, (uint64_t)per_pair * (uint64_t)(node.num_ranks - 1));
    poll_until_drained(&node);
    uint64_t mine[2] = {bytes, node.bytes}, all[2];
    free(next_out);
    node_stop(&node);
    MPI_Allreduce(mine, all, 2, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
    CHECK_EQ(all[0], all[1]);
}

static void
a_storm_between_all_ranks_arrives_once_and_in_order(void)
{
    c4p_opts_t opts = usual_opts();
    storm(&opts, 3000);
}

static void
a_storm_through_shared_memory_does_too(void)
{
    c4p_opts_t opts = usual_opts();
    opts.shared_bytes = 1 << 20; /* often full */
    storm(&opts, 2000);
}

static void
a_storm_with_little_credit_and_a_short_ring_does_too(void)
{
    c4p_opts_t opts = usual_opts();
    opts.credit_bytes = 20000;
    opts.ring_slots = 3;
    storm(&opts, 1000);
}

/* Ranks 0 and 1 share a host, rank 2 is elsewhere: what it sends does not wait for the end of what
 * rank 1 has got from its neighbour. */
static void
a_flood_within_the_host_does_not_hide_other_hosts(void)
{
    enum { FLOOD = 4000, SOON = 200 };
    c4p_opts_t opts = usual_opts();
    node_t node;
    opts.shared_bytes = 16 << 20;
    opts.batch_bytes = 0;
    opts.test_hosts = 112;
    node_start(&node, &opts, MPI_COMM_WORLD);
    if (node.num_ranks >= 3) {
        if (node.rank == 0)
            for (uint64_t i = 0; i < FLOOD; i++)
                c4pi_flow_send(node.flow, 1, make(&node, i, 8));
        if (node.rank == 2)
            c4pi_flow_send(node.flow, 1, make(&node, 0, 8));
        poll_until_drained(&node);
        MPI_Barrier(MPI_COMM_WORLD); /* all of it is there */
        if (node.rank == 1) {
            for (int max = 1; node.received < FLOOD + 1; max = max == 16 ? 16 : max + 1)
                if (c4pi_flow_poll(node.flow, max), !node.next_in[2])
                    CHECK(node.received < SOON);
        }
    }
    node_stop(&node);
}

static void
more_large_messages_than_may_be_posted_at_once_arrive(void)
{
    c4p_opts_t opts = usual_opts();
    node_t node;
    node_start(&node, &opts, MPI_COMM_WORLD);
    if (node.num_ranks > 1 && node.rank < 2) {
        /* 12 x 32 MiB from one buffer: more than the 256 MiB that a rank posts; a small one after
         * each. */
        size_t len = 32 << 20;
        uint8_t *data = malloc(len);
        int released = 0;
        memset(data, 5, len);
        if (node.rank == 0) {
            for (uint64_t i = 0; i < 24; i += 2) {
                c4p_msg_t *msg = c4pi_msg_alloc(&node.msgs, 0);
                msg->env.kind = C4PI_HANDLER;
                msg->env.reference = i;
                CHECK_OK(c4p_msg_attach(msg, data, len, count_release, &released));
                c4pi_flow_send(node.flow, 1, msg);
                msg = c4pi_msg_alloc(&node.msgs, 0);
                msg->env.kind = C4PI_USER;
                msg->env.reference = i + 1;
                c4pi_flow_send(node.flow, 1, msg);
            }
            poll_until_drained(&node);
            CHECK_EQ(12, released);
        }
        free(data);
    }
    node_stop(&node);
}

static void
two_runtimes_on_communicators_of_the_host_do_not_mix(void)
{
    c4p_opts_t opts = usual_opts();
    node_t one, two;
    int rank, size;
    MPI_Comm backwards;
    node_start(&one, &opts, MPI_COMM_WORLD);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Comm_split(MPI_COMM_WORLD, 0, size - rank, &backwards);
    node_start(&two, &opts, backwards);
    CHECK_EQ(size - 1 - rank, two.rank);
    for (uint64_t i = 0; i < 50 && size > 1; i++) {
        c4pi_flow_send(one.flow, (one.rank + 1) % size, make(&one, i, 100 * i));
        c4pi_flow_send(two.flow, (two.rank + 1) % size, make(&two, i, 50 * i));
    }
    if (size > 1) {
        while (one.received < 50 || two.received < 50) {
            c4pi_flow_poll(one.flow, 16);
            c4pi_flow_poll(two.flow, 16);
        }
        CHECK_EQ(50 * 49 / 2 * 100, one.bytes);
        CHECK_EQ(50 * 49 / 2 * 50, two.bytes);
    }
    node_stop(&two);
    MPI_Comm_free(&backwards);
    node_stop(&one);
}

static void
the_host_of_all_ranks_is_known(void)
{
    c4p_opts_t opts = usual_opts();
    node_t node;
    node_start(&node, &opts, MPI_COMM_WORLD);
    CHECK_EQ(node.num_ranks, node.comm->host_ranks); /* this test runs on one host */
    CHECK_EQ(node.rank, node.comm->host_rank);
    CHECK_EQ(node.num_ranks > sysconf(_SC_NPROCESSORS_ONLN), node.comm->oversubscribed);
    CHECK_EQ(node.rank, node.port->rank);
    CHECK_EQ(node.num_ranks, node.port->num_ranks);
    node_stop(&node);
}

static void
ranks_with_different_limits_refuse_to_start(void)
{
    c4p_opts_t opts = usual_opts();
    node_t node;
    node_start(&node, &opts, MPI_COMM_WORLD);
    int rank = node.rank, size = node.num_ranks;
    node_stop(&node);
    c4pi_port_t *port;
    c4pi_msgs_t msgs;
    c4pi_comm_t *comm = NULL;
    MPI_Comm world = MPI_COMM_WORLD;
    if (size == 1)
        SKIP("needs two ranks");
    opts.small_bytes = 1000 + (rank == size - 1);
    opts.log_level = C4P_LOG_ERROR;
    CHECK_OK(c4pi_port_real_new(&opts, &port));
    c4pi_msgs_init(&msgs, port, NULL);
    CHECK_STATUS(C4P_ERR_MISMATCH, c4pi_comm_mpi_new(port, &msgs, &opts, &world, &comm));
    CHECK(comm == NULL);
    c4pi_msgs_fini(&msgs);
    c4pi_port_free(port);
}

TEST_CASES(every_size_arrives_whole_and_in_order, tiny_limits_change_nothing,
           a_large_small_limit_changes_nothing, memory_shared_by_the_host_changes_nothing,
           too_little_shared_memory_changes_nothing, segments_arrive_joined_and_are_released,
           segments_do_so_with_the_smallest_small_limit, segments_do_so_through_shared_memory,
           lent_memory_is_free_when_send_returns, one_message_goes_to_many_ranks_from_one_buffer,
           a_storm_between_all_ranks_arrives_once_and_in_order,
           a_storm_through_shared_memory_does_too,
           a_storm_with_little_credit_and_a_short_ring_does_too,
           a_flood_within_the_host_does_not_hide_other_hosts,
           more_large_messages_than_may_be_posted_at_once_arrive,
           two_runtimes_on_communicators_of_the_host_do_not_mix, the_host_of_all_ranks_is_known,
           ranks_with_different_limits_refuse_to_start)
