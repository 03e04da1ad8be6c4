/* SPDX-License-Identifier: Apache-2.0 */
/* comm.h: the back-end table of the transport: moves whole messages between ranks. Two back ends:
 * comm_mpi.c and the simulator's comm_sim.c. Batching, credits and counting stand above it, in
 * flow.h.
 *
 * Promises of a back end: every message sent arrives once and whole (envelope, payload, segments in
 * one contiguous payload); messages from one rank to another arrive in the order sent, whatever
 * their sizes; send never blocks, never receives and never calls deliver. */
#ifndef C4PI_COMM_H
#define C4PI_COMM_H

#include "comm/hosts.h"
#include "msg/msg.h"

typedef struct c4pi_comm c4pi_comm_t;

/* Upcall for each arrived message; takes over one owner of it. msg->where is the rank it came from,
 * as (void *)(uintptr_t)rank. */
typedef void (*c4pi_deliver_fn_t)(void *ctx, c4p_msg_t *msg);

typedef struct c4pi_comm_ops {
    /* Send to another rank. Takes over one owner of msg; the same message may be sent to several
     * ranks, and is not changed until all are done. */
    c4p_status_t (*send)(c4pi_comm_t *comm, int dest, c4p_msg_t *msg);
    /* Progress; deliver up to `max` messages, and also those that a large one, complete at last,
     * had delayed. *did_out: how many were delivered. */
    c4p_status_t (*poll)(c4pi_comm_t *comm, int max, int *did_out);
    /* Sends given to the back end that are not locally complete. */
    uint64_t (*sends_pending)(c4pi_comm_t *comm);
    /* All ranks, after everything sent was delivered: stop receiving, free the communicators. Polls
     * inside. */
    c4p_status_t (*finish)(c4pi_comm_t *comm);
    /* The process is about to fork: see c4p_before_fork(). May be NULL. */
    bool (*before_fork)(c4pi_comm_t *comm);
    /* The first rank of this host that asks gets true: it reports why the job ends. May be NULL:
     * each does. */
    bool (*claim_report)(c4pi_comm_t *comm);
    /* End all ranks at once with this exit status. Does not return in the real back end. */
    void (*abort)(c4pi_comm_t *comm, int exit_status);
    /* Free after finish, or in an error path without it. */
    void (*free_comm)(c4pi_comm_t *comm);
} c4pi_comm_ops_t;

/* Back ends embed this as their first member. */
struct c4pi_comm {
    const c4pi_comm_ops_t *ops;
    int rank, num_ranks;
    int host_rank, host_ranks; /* among ranks that share memory */
    c4pi_hosts_t hosts;        /* of all ranks; freed by the back end */
    bool oversubscribed;       /* more ranks on this host than CPUs they may use */
    size_t small_bytes;        /* largest envelope + payload that goes in one piece */
    c4pi_port_t *port;
    c4pi_msgs_t *msgs;
    c4pi_deliver_fn_t deliver; /* set by the layer above before the first poll */
    void *deliver_ctx;
    /* May be set by whoever owns the runtime: the host ends MPI and did not free this back end
     * before, which is to be done now. */
    void (*orphaned)(void *ctx);
    void *orphaned_ctx;
};

/* comm_mpi.c: over MPI_COMM_WORLD (host_comm NULL: a pointer to an MPI_Comm otherwise). Initialises
 * MPI if nobody did, and then finalises it in free. The port's rank and num_ranks are set as soon
 * as they are known. */
c4p_status_t c4pi_comm_mpi_new(c4pi_port_t *port, c4pi_msgs_t *msgs, const c4p_opts_t *opts,
                               const void *host_comm, c4pi_comm_t **comm_out);
/* Was MPI finalised? Then no back end over it is left. */
bool c4pi_comm_mpi_over(void);

#endif
