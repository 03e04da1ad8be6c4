/* SPDX-License-Identifier: Apache-2.0 */
/* comm_start_test.c: start and end of the transport where MPI is its own to initialise; one case
 * per run, chosen by the command line. */
#include <mpi.h>

#include "comm/flow.h"
#include "support/test.h"

typedef struct node {
    c4pi_port_t *port;
    c4pi_msgs_t msgs;
    c4pi_comm_t *comm;
} node_t;

static c4p_status_t
start(node_t *node)
{
    c4p_opts_t opts = C4P_OPTS_INIT;
    opts.credit_bytes = 1 << 20;
    CHECK_OK(c4pi_port_real_new(&opts, &node->port));
    c4pi_msgs_init(&node->msgs, node->port, NULL);
    return c4pi_comm_mpi_new(node->port, &node->msgs, &opts, NULL, &node->comm);
}

static void
count(void *ctx, c4p_msg_t *msg)
{
    ++*(int *)ctx;
    c4pi_msg_drop(msg);
}

static c4p_msg_t *
message(node_t *node, size_t len)
{
    c4p_msg_t *msg = c4pi_msg_alloc(&node->msgs, len);
    memset(c4pi_msg_payload(msg), 1, len);
    msg->env.kind = C4PI_WAVE;
    return msg;
}

/* Messages still on their way when everybody finishes are received, and MPI is initialised and
 * finalised here. */
static void
finish_waits_for_what_is_on_its_way(void)
{
    node_t node;
    int finalized = 0, got = 0;
    CHECK_OK(start(&node));
    c4pi_comm_t *comm = node.comm;
    comm->deliver = count;
    comm->deliver_ctx = &got;
    for (int dest = 0; dest < comm->num_ranks; dest++) {
        if (dest == comm->rank)
            continue;
        for (int i = 0; i < 3000; i++)
            CHECK_OK(comm->ops->send(comm, dest, message(&node, i % 100 ? 1000 : 30000)));
    }
    int expected = 3000 * (comm->num_ranks - 1);
    CHECK_OK(comm->ops->finish(comm));
    CHECK_EQ(expected, got);
    comm->ops->free_comm(comm);
    MPI_Finalized(&finalized);
    CHECK(finalized);
    CHECK_EQ(0, node.msgs.live);
    c4pi_msgs_fini(&node.msgs);
    c4pi_port_free(node.port);
    /* And a second runtime in the same process is refused, as MPI cannot start twice. */
    CHECK_STATUS(C4P_ERR_STATE, start(&node));
    c4pi_msgs_fini(&node.msgs);
    c4pi_port_free(node.port);
}

/* The environment says that more ranks were started than MPI knows of. */
static void
a_rank_without_the_others_is_refused(void)
{
    node_t node;
    CHECK_STATUS(C4P_ERR_SINGLETON, start(&node));
    c4pi_msgs_fini(&node.msgs);
    c4pi_port_free(node.port);
}

/* Ends with exit status 74, after a line that says what failed. */
static void
a_failed_mpi_call_ends_the_job(void)
{
    node_t node;
    CHECK_OK(start(&node));
    if (node.comm->rank == node.comm->num_ranks - 1)
        (void)node.comm->ops->send(node.comm, node.comm->num_ranks, message(&node, 36));
    for (int did;;)
        CHECK_OK(node.comm->ops->poll(node.comm, 16, &did));
}

TEST_CASES(finish_waits_for_what_is_on_its_way, a_rank_without_the_others_is_refused,
           a_failed_mpi_call_ends_the_job)
