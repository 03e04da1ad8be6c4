/* SPDX-License-Identifier: Apache-2.0 */
/* comm_mpi_int.h: what the two files of the MPI back end share: comm_mpi.c moves messages,
 * comm_mpi_life.c starts and ends. */
#ifndef C4PI_COMM_MPI_INT_H
#define C4PI_COMM_MPI_INT_H

#include <mpi.h>

#include "base/map.h"
#include "comm/comm.h"
#include "comm/near.h"
#include "comm/shared.h"

/* Messages of one source from an incomplete large one on, in order. The msg->where of an
 * announcement points to its incoming_t, others' is NULL. */
typedef struct hold {
    c4pi_fifo_t fifo;
    int source;
    bool ready; /* stands in a list through next: something became complete */
    struct hold *next;
} hold_t;

/* A large message on its way in. */
typedef struct incoming {
    struct incoming *next; /* waiting for room */
    hold_t *hold;
    c4p_msg_t *announce;
    c4p_msg_t *msg;   /* the final message, from when its receives are posted */
    uint32_t pending; /* receives */
    bool complete;
} incoming_t;

typedef struct request_owner {
    c4p_msg_t *msg; /* send: drop one owner when done */
    incoming_t *in; /* receive */
} request_owner_t;

typedef struct mpi_comm {
    c4pi_comm_t base;
    MPI_Comm small, bulk;
    bool we_initialised, finished, broken;
    bool orphaned; /* MPI_Finalize runs, and calls from inside */
    int keyval;    /* of the attribute of MPI_COMM_SELF through which that is noticed */

    uint32_t ring_size, ring_head, ring_unposted; /* unposted slots stand just before the head */
    bool paused;                                  /* the last look found no message */
    MPI_Request *ring_req;
    c4p_msg_t **ring_msg; /* NULL: taken; a fresh one when posted again */
    size_t slot_bytes;
    uint64_t small_sent, small_received;

    MPI_Request *reqs; /* reqs[i] belongs to owners[i] */
    request_owner_t *owners;
    size_t num_reqs, cap_reqs, window_at;
    uint64_t num_sends;

    uint32_t next_tag, tag_mask;
    uint64_t posted_bytes;
    incoming_t *waiting_head, *waiting_tail; /* announced, not posted */
    c4pi_map_t holds;                        /* by source */
    c4pi_pool_t hold_pool, incoming_pool;
    c4pi_shared_t *shared; /* NULL: none */
    c4pi_near_t *near;     /* NULL: none */
    bool all_near;         /* all ranks are on this host, and there are lanes */
    bool lanes_gave;       /* something, when last looked at */
    uint32_t ring_passed_over;
} mpi_comm_t;

/* ---- errors: each logs, and returns the status to give up with --------------------------------- */

/* A failed MPI call; the job is aborted. peer < 0: no particular one. */
c4p_status_t c4pi_mpi_fail(mpi_comm_t *c, int rc, const char *call, int peer, uint64_t bytes);
c4p_status_t c4pi_mpi_no_memory(mpi_comm_t *c, const char *what, uint64_t bytes, int peer);

/* ---- moving messages: comm_mpi.c ----------------------------------------------------------------- */

/* The table of operations but for finish and free_comm. */
c4p_status_t c4pi_mpi_send(c4pi_comm_t *comm, int dest, c4p_msg_t *msg);
c4p_status_t c4pi_mpi_poll(c4pi_comm_t *comm, int max, int *did_out);
uint64_t c4pi_mpi_sends_pending(c4pi_comm_t *comm);
void c4pi_mpi_abort(c4pi_comm_t *comm, int exit_status);
/* Post the used slots of the ring again, oldest first. */
c4p_status_t c4pi_mpi_ring_repost(mpi_comm_t *c);

#endif
