/* SPDX-License-Identifier: Apache-2.0 */
/* comm_large_test.c: one message beyond 2 GiB, in parts, between two ranks. Needs 8 GiB of free
 * memory. */
#define _GNU_SOURCE

#include <mpi.h>

#include "comm/flow.h"
#include "support/test.h"

static const uint64_t HEAD = 100, TAIL = ((uint64_t)2 << 30) + 12345;
static const uint64_t STRIDE = 4093; /* a prime, so that every place within a page is looked at */

static uint64_t
free_memory(void)
{
    unsigned long long kib = 0;
    char line[256];
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && !kib && fgets(line, sizeof line, f))
        (void)sscanf(line, "MemAvailable: %llu kB", &kib);
    if (f)
        fclose(f);
    return kib << 10;
}

static uint8_t
mark_at(uint64_t i)
{
    return (uint8_t)(i / STRIDE * 37 + 1);
}

static void
count(void *ctx)
{
    ++*(int *)ctx;
}

static void
check_arrival(void *ctx, c4p_msg_t *msg)
{
    const uint8_t *data = c4pi_msg_payload(msg);
    CHECK_EQ(HEAD + TAIL, msg->env.len);
    for (uint64_t i = 0; i < HEAD; i++)
        CHECK_EQ(9, data[i]);
    for (uint64_t i = 0; i < TAIL; i += STRIDE)
        CHECK_EQ(mark_at(i), data[HEAD + i]);
    c4pi_msg_drop(msg);
    ++*(int *)ctx;
}

static void
send_it(c4pi_flow_t *flow, c4pi_msgs_t *msgs)
{
    int released = 0;
    uint8_t *data = calloc(1, TAIL);
    c4p_msg_t *msg = c4pi_msg_alloc(msgs, HEAD);
    CHECK(data && msg);
    for (uint64_t i = 0; i < TAIL; i += STRIDE)
        data[i] = mark_at(i);
    memset(c4pi_msg_payload(msg), 9, HEAD);
    msg->env.kind = C4PI_USER;
    CHECK_OK(c4p_msg_attach(msg, data, TAIL, count, &released));
    c4pi_flow_send(flow, 1, msg);
    while (!c4pi_flow_drained(flow))
        c4pi_flow_poll(flow, 16);
    CHECK_EQ(1, released);
    free(data);
}

static void
a_message_of_more_than_two_gibibytes_arrives(void)
{
    c4p_opts_t opts = C4P_OPTS_INIT;
    c4pi_port_t *port;
    c4pi_msgs_t msgs;
    c4pi_comm_t *comm;
    c4pi_flow_t *flow;
    int got = 0, rank, provided, enough = free_memory() >= (uint64_t)8 << 30;

    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Allreduce(MPI_IN_PLACE, &enough, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
    if (!enough) {
        MPI_Finalize();
        SKIP("less than 8 GiB of memory are free");
    }
    MPI_Comm world = MPI_COMM_WORLD;
    opts.credit_bytes = 1 << 20;
    CHECK_OK(c4pi_port_real_new(&opts, &port));
    c4pi_msgs_init(&msgs, port, NULL);
    CHECK_OK(c4pi_comm_mpi_new(port, &msgs, &opts, &world, &comm));
    CHECK_OK(c4pi_flow_new(port, &msgs, comm, &opts, &flow));
    c4pi_flow_set_deliver(flow, check_arrival, &got);
    if (rank == 0)
        send_it(flow, &msgs);
    while (rank == 1 && !got)
        c4pi_flow_poll(flow, 16);
    CHECK_OK(c4pi_flow_finish(flow));
    c4pi_flow_free(flow);
    CHECK_EQ(0, msgs.live);
    c4pi_msgs_fini(&msgs);
    c4pi_port_free(port);
    MPI_Finalize();
}

TEST_CASES(a_message_of_more_than_two_gibibytes_arrives)
