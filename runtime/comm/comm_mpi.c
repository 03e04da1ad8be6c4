/* SPDX-License-Identifier: Apache-2.0 */
/* comm_mpi.c: the back end over MPI.
 *
 * Small messages (envelope and payload in at most small_bytes) are received by a ring of posted
 * receives. MPI fills them in the order posted, so only the oldest is tested. A filled slot is
 * posted again later, when there is nothing to receive or half of the ring is used up, so that this
 * cost is not on the way of an answer. Short messages are copied out, longer ones take the slot's
 * buffer with them.
 *
 * Large messages are announced by a small one that carries the envelope, the lengths of the parts
 * and, if it fits, the inline payload. The parts follow on a second communicator, straight from the
 * sender's memory into the final message, in pieces of at most 1 GiB. Whatever arrives from the
 * same rank after an announcement is held until the large message is complete; other ranks'
 * messages are not delayed.
 *
 * On the same host small messages and announcements go through lanes instead (near.h), and a large
 * message is rather put into memory that both ranks share, as long as there is room: then only its
 * place is announced, and it is delivered like a small one (shared.h).
 *
 * Requests of sends and of large receives that did not complete at once stand in one table without
 * order, tested a window at a time. */
#include "comm/comm_mpi_int.h"

#include <string.h>

#include "comm/announce.h"

enum {
    TAG_SMALL = 1,
    MAX_PER_POLL = 16,
    COPY_BYTES = 1024, /* shorter messages are copied out of the ring, longer ones taken */
    WINDOW = 64,       /* requests tested at once */
    /* The ring is passed over so many times while lanes have messages, and so many times if all
     * ranks reach this one through lanes; MPI must be called now and then nevertheless, for what it
     * has to do for the host program. */
    LANE_TURNS = 4,
    IDLE_TURNS = 16
};
static const uint64_t PIECE_BYTES = (uint64_t)1 << 30;
static const uint64_t MAX_POSTED_BYTES = (uint64_t)256 << 20;
static const uint64_t WAIT_FOR_LAUNCHER_NS = 2000000000;

/* ---- errors ----------------------------------------------------------------------------------- */

/* Of all ranks of the job MPICH's launcher is told, which ends them; of others, or by another name,
 * MPICH sends word to each, which then ends by exit() in whatever it does. */
static MPI_Comm
whom_to_abort(const mpi_comm_t *c)
{
    int in_job = 0;
    if (c->small == MPI_COMM_NULL)
        return MPI_COMM_SELF;
    MPI_Comm_size(MPI_COMM_WORLD, &in_job);
    return in_job == c->base.num_ranks ? MPI_COMM_WORLD : c->small;
}

/* MPICH leaves MPI_Abort() by exit(), which would call functions of the host's in the middle of
 * whatever went wrong, and without waiting for the launcher, which may then see the end of the
 * process before it reads the number that it was told. And what the launcher has not read of the
 * last words by then is lost. */
void
c4pi_mpi_abort(c4pi_comm_t *comm, int exit_status)
{
    MPI_Comm whom = whom_to_abort((mpi_comm_t *)comm);
    const uint64_t wait_ns = comm->num_ranks > 1 ? WAIT_FOR_LAUNCHER_NS : 0;
    comm->port->ops->wait_for_readers(comm->port, wait_ns);
    comm->port->ops->exit_is_end(comm->port, wait_ns);
    MPI_Abort(whom, exit_status);
}

/* Every failed MPI call ends up here: the job cannot go on. */
c4p_status_t
c4pi_mpi_fail(mpi_comm_t *c, int rc, const char *call, int peer, uint64_t bytes)
{
    char text[MPI_MAX_ERROR_STRING + 1] = "";
    int len = 0;

    if (MPI_Error_string(rc, text, &len) != MPI_SUCCESS)
        len = 0;
    text[len] = 0;
    if (peer >= 0)
        c4pi_log(c->base.port, C4P_LOG_ERROR, "%s of %llu bytes with rank %d failed: %s", call,
                 (unsigned long long)bytes, peer, text);
    else
        c4pi_log(c->base.port, C4P_LOG_ERROR, "%s failed: %s", call, text);
    c->broken = true;
    if (c->small != MPI_COMM_NULL)
        c4pi_mpi_abort(&c->base, c4p_exit_status(C4P_ERR_MPI));
    return C4P_ERR_MPI;
}

/* The text of MPI's error of one request among several. */
static c4p_status_t
fail_some(mpi_comm_t *c, int rc, const char *call, const MPI_Status *statuses, int count)
{
    for (int i = 0; rc == MPI_ERR_IN_STATUS && i < count; i++)
        if (statuses[i].MPI_ERROR != MPI_SUCCESS && statuses[i].MPI_ERROR != MPI_ERR_PENDING)
            rc = statuses[i].MPI_ERROR;
    return c4pi_mpi_fail(c, rc, call, -1, 0);
}

c4p_status_t
c4pi_mpi_no_memory(mpi_comm_t *c, const char *what, uint64_t bytes, int peer)
{
    c4pi_log(c->base.port, C4P_LOG_ERROR, "out of memory: %s of %llu bytes (rank %d)", what,
             (unsigned long long)bytes, peer);
    return C4P_ERR_NOMEM;
}

static c4p_status_t
damaged(mpi_comm_t *c, int source, const char *what)
{
    c4pi_log(c->base.port, C4P_LOG_ERROR, "a message from rank %d is damaged: %s", source, what);
    return C4P_ERR_DATA;
}

/* ---- the table of requests ---------------------------------------------------------------------- */

static c4p_status_t
requests_grow(mpi_comm_t *c)
{
    c4pi_port_t *port = c->base.port;
    size_t cap = c->cap_reqs ? 2 * c->cap_reqs : 256;
    MPI_Request *reqs = c4pi_alloc(port, cap * sizeof *reqs);
    request_owner_t *owners = c4pi_alloc(port, cap * sizeof *owners);

    if (!reqs || !owners) {
        c4pi_free(port, reqs, cap * sizeof *reqs);
        c4pi_free(port, owners, cap * sizeof *owners);
        return C4P_ERR_NOMEM;
    }
    if (c->num_reqs) {
        memcpy(reqs, c->reqs, c->num_reqs * sizeof *reqs);
        memcpy(owners, c->owners, c->num_reqs * sizeof *owners);
    }
    c4pi_free(port, c->reqs, c->cap_reqs * sizeof *reqs);
    c4pi_free(port, c->owners, c->cap_reqs * sizeof *owners);
    c->reqs = reqs;
    c->owners = owners;
    c->cap_reqs = cap;
    return C4P_OK;
}

/* Room for one more request, before it is started. */
static inline c4p_status_t
requests_reserve(mpi_comm_t *c)
{
    return c->num_reqs < c->cap_reqs ? C4P_OK : requests_grow(c);
}

static inline void
requests_add(mpi_comm_t *c, MPI_Request req, c4p_msg_t *msg, incoming_t *in)
{
    c->reqs[c->num_reqs] = req;
    c->owners[c->num_reqs++] = (request_owner_t){msg, in};
    if (msg)
        c->num_sends++;
}

/* ---- delivery ----------------------------------------------------------------------------------- */

static inline void
deliver(mpi_comm_t *c, int source, c4p_msg_t *msg)
{
    msg->where = (void *)(uintptr_t)source;
    c->base.deliver(c->base.deliver_ctx, msg);
}

/* Deliver what is complete at the head of a hold; returns how many. The hold is gone when it is
 * empty. */
static int
hold_drain(mpi_comm_t *c, hold_t *hold)
{
    int did = 0;
    while (hold->fifo.head) {
        c4p_msg_t *msg = hold->fifo.head;
        incoming_t *in = msg->where;
        if (in && !in->complete)
            return did;
        (void)c4pi_fifo_pop(&hold->fifo);
        if (in) {
            c4p_msg_t *whole = in->msg;
            c4pi_msg_drop(msg);
            c4pi_pool_put(&c->incoming_pool, in);
            msg = whole;
        }
        deliver(c, hold->source, msg);
        did++;
    }
    (void)c4pi_map_remove(&c->holds, (uint64_t)hold->source);
    c4pi_pool_put(&c->hold_pool, hold);
    return did;
}

static hold_t *
hold_of(mpi_comm_t *c, int source)
{
    hold_t *hold = c4pi_map_get(&c->holds, (uint64_t)source);
    if (hold)
        return hold;
    hold = c4pi_pool_get(&c->hold_pool);
    if (!hold)
        return NULL;
    *hold = (hold_t){.source = source};
    if (c4pi_map_put(&c->holds, (uint64_t)source, hold) != C4P_OK) {
        c4pi_pool_put(&c->hold_pool, hold);
        return NULL;
    }
    return hold;
}

/* ---- large messages in --------------------------------------------------------------------------- */

static c4p_status_t
post_part(mpi_comm_t *c, incoming_t *in, uint8_t *at, uint64_t len, int tag)
{
    int source = in->hold->source;
    while (len) {
        int piece = (int)(len < PIECE_BYTES ? len : PIECE_BYTES);
        MPI_Request req;
        if (requests_reserve(c) != C4P_OK)
            return c4pi_mpi_no_memory(c, "receiving", len, source);
        int rc = MPI_Irecv(at, piece, MPI_BYTE, source, tag, c->bulk, &req);
        if (rc != MPI_SUCCESS)
            return c4pi_mpi_fail(c, rc, "MPI_Irecv", source, (uint64_t)piece);
        requests_add(c, req, NULL, in);
        in->pending++;
        at += piece;
        len -= (uint64_t)piece;
    }
    return C4P_OK;
}

/* Make the final message and post its receives. */
static c4p_status_t
incoming_post(mpi_comm_t *c, incoming_t *in)
{
    const c4pi_announce_t *a = c4pi_msg_payload(in->announce);
    const c4pi_env_t *env = &in->announce->env;
    c4p_status_t st = C4P_OK;

    in->msg = c4pi_msg_alloc(c->base.msgs, (size_t)env->len);
    if (!in->msg)
        return c4pi_mpi_no_memory(c, "receiving a message", env->len, in->hold->source);
    in->msg->env = *env;
    in->msg->env.flags &= (uint8_t)~C4PI_FLAG_LARGE;
    c->posted_bytes += env->len;

    uint8_t *at = c4pi_msg_payload(in->msg);
    memcpy(at, (const uint8_t *)a + c4pi_announce_bytes(a->num_parts), a->embedded);
    at += a->embedded;
    for (uint32_t i = 0; i < a->num_parts && st == C4P_OK; i++) {
        st = post_part(c, in, at, a->part_len[i], (int)a->tag);
        at += a->part_len[i];
    }
    return st;
}

/* Post what waits while there is room, one at least. */
static c4p_status_t
incoming_post_waiting(mpi_comm_t *c)
{
    while (c->waiting_head) {
        incoming_t *in = c->waiting_head;
        uint64_t len = in->announce->env.len;
        if (c->posted_bytes && (len > MAX_POSTED_BYTES || c->posted_bytes > MAX_POSTED_BYTES - len))
            return C4P_OK;
        c->waiting_head = in->next;
        if (!c->waiting_head)
            c->waiting_tail = NULL;
        c4p_status_t st = incoming_post(c, in);
        if (st != C4P_OK)
            return st;
    }
    return C4P_OK;
}

static c4p_status_t
announced(mpi_comm_t *c, int source, c4p_msg_t *msg, size_t bytes)
{
    const char *wrong = c4pi_announce_check(msg, bytes, c->tag_mask);
    if (wrong)
        return damaged(c, source, wrong);
    hold_t *hold = hold_of(c, source);
    incoming_t *in = hold ? c4pi_pool_get(&c->incoming_pool) : NULL;
    if (!in)
        return c4pi_mpi_no_memory(c, "receiving a message", msg->env.len, source);
    *in = (incoming_t){.hold = hold, .announce = msg};
    msg->where = in;
    c4pi_fifo_push(&hold->fifo, msg);
    if (c->waiting_tail)
        c->waiting_tail->next = in;
    else
        c->waiting_head = in;
    c->waiting_tail = in;
    return incoming_post_waiting(c);
}

/* ---- large messages out -------------------------------------------------------------------------- */

static c4p_status_t
send_part(mpi_comm_t *c, int dest, c4p_msg_t *msg, const uint8_t *at, uint64_t len, int tag)
{
    while (len) {
        int piece = (int)(len < PIECE_BYTES ? len : PIECE_BYTES);
        MPI_Request req;
        if (requests_reserve(c) != C4P_OK)
            return c4pi_mpi_no_memory(c, "sending", len, dest);
        int rc = MPI_Isend(at, piece, MPI_BYTE, dest, tag, c->bulk, &req);
        if (rc != MPI_SUCCESS)
            return c4pi_mpi_fail(c, rc, "MPI_Isend", dest, (uint64_t)piece);
        requests_add(c, req, c4pi_msg_keep(msg), NULL);
        at += piece;
        len -= (uint64_t)piece;
    }
    return C4P_OK;
}

/* Send an envelope with its payload in one piece by MPI. */
static inline c4p_status_t
send_far(mpi_comm_t *c, int dest, c4p_msg_t *msg, size_t payload_len)
{
    MPI_Request req;
    int done = 0;
    int bytes = (int)(sizeof(c4pi_env_t) + payload_len);

    if (requests_reserve(c) != C4P_OK)
        return c4pi_mpi_no_memory(c, "sending", payload_len, dest);
    int rc = MPI_Isend(&msg->env, bytes, MPI_BYTE, dest, TAG_SMALL, c->small, &req);
    if (rc == MPI_SUCCESS) {
        c->small_sent++;
        rc = MPI_Test(&req, &done, MPI_STATUS_IGNORE);
    }
    if (rc != MPI_SUCCESS)
        return c4pi_mpi_fail(c, rc, "MPI_Isend", dest, (uint64_t)bytes);
    if (done)
        c4pi_msg_drop(msg);
    else
        requests_add(c, req, msg, NULL);
    return C4P_OK;
}

/* Through a lane, if there is one to that rank. */
static inline bool
send_near(mpi_comm_t *c, int dest, c4p_msg_t *msg, size_t payload_len, c4p_status_t *st_out)
{
    if (!c->near || !c4pi_near_send(c->near, dest, msg, payload_len, st_out))
        return false;
    c->small_sent++;
    if (*st_out != C4P_OK)
        *st_out = c4pi_mpi_no_memory(c, "sending", payload_len, dest);
    return true;
}

static c4p_status_t
send_one(mpi_comm_t *c, int dest, c4p_msg_t *msg, size_t payload_len)
{
    c4p_status_t st;
    return send_near(c, dest, msg, payload_len, &st) ? st : send_far(c, dest, msg, payload_len);
}

static c4p_status_t
send_large(mpi_comm_t *c, int dest, c4p_msg_t *msg)
{
    uint32_t tag = c->next_tag++ & c->tag_mask;
    size_t inline_len = c4pi_msg_inline_len(msg), len = 0;
    c4p_status_t st;

    c4p_msg_t *announce =
        c4pi_announce_make(c->base.msgs, msg, tag, c->slot_bytes - sizeof(c4pi_env_t), &len);
    if (!announce)
        return c4pi_mpi_no_memory(c, "sending a message", msg->env.len, dest);
    bool embedded = ((c4pi_announce_t *)(void *)(announce + 1))->embedded > 0;
    st = send_one(c, dest, announce, len);
    if (st == C4P_OK && !embedded)
        st = send_part(c, dest, msg, c4pi_msg_payload(msg), inline_len, (int)tag);
    for (uint32_t i = 0; msg->extra && i < msg->extra->num_segments && st == C4P_OK; i++)
        st = send_part(c, dest, msg, msg->extra->segments[i].data, msg->extra->segments[i].len,
                       (int)tag);
    if (st == C4P_OK)
        c4pi_msg_drop(msg);
    return st;
}

/* Put msg where its receiver finds it. False: there is no such place, and nothing happened. */
static bool
send_placed(mpi_comm_t *c, int dest, c4p_msg_t *msg, c4p_status_t *st_out)
{
    uint64_t place;
    size_t len = 0;

    if (!c->shared || !c4pi_shared_put(c->shared, dest, msg, &place))
        return false;
    c4p_msg_t *announce = c4pi_announce_make_placed(c->base.msgs, msg, place, &len);
    *st_out = announce ? send_one(c, dest, announce, len)
                       : c4pi_mpi_no_memory(c, "sending a message", msg->env.len, dest);
    if (*st_out == C4P_OK)
        c4pi_msg_drop(msg);
    return true;
}

static c4p_status_t
send_flattened(mpi_comm_t *c, int dest, c4p_msg_t *msg)
{
    c4p_msg_t *flat = c4pi_msg_copy(c->base.msgs, msg);
    if (!flat)
        return c4pi_mpi_no_memory(c, "sending a message", msg->env.len, dest);
    c4pi_msg_drop(msg);
    return send_far(c, dest, flat, (size_t)flat->env.len);
}

c4p_status_t
c4pi_mpi_send(c4pi_comm_t *comm, int dest, c4p_msg_t *msg)
{
    mpi_comm_t *c = (mpi_comm_t *)comm;
    c4p_status_t st;
    if (sizeof(c4pi_env_t) + msg->env.len > comm->small_bytes) {
        if (send_placed(c, dest, msg, &st))
            return st;
        if (c4pi_msg_own(&msg) != C4P_OK)
            return c4pi_mpi_no_memory(c, "sending a message", msg->env.len, dest);
        return send_large(c, dest, msg);
    }
    if (send_near(c, dest, msg, (size_t)msg->env.len, &st))
        return st;
    if (msg->extra)
        return send_flattened(c, dest, msg);
    return send_far(c, dest, msg, (size_t)msg->env.len);
}

uint64_t
c4pi_mpi_sends_pending(c4pi_comm_t *comm)
{
    const mpi_comm_t *c = (const mpi_comm_t *)comm;
    return c->num_sends + (c->near ? c4pi_near_waiting(c->near) : 0);
}

/* ---- small messages in ---------------------------------------------------------------------------- */

static c4p_status_t
ring_post(mpi_comm_t *c, uint32_t slot)
{
    if (!c->ring_msg[slot])
        c->ring_msg[slot] = c4pi_msg_alloc(c->base.msgs, c->slot_bytes - sizeof(c4pi_env_t));
    if (!c->ring_msg[slot])
        return c4pi_mpi_no_memory(c, "a receive buffer", c->slot_bytes, c->base.rank);
    int rc = MPI_Irecv(&c->ring_msg[slot]->env, (int)c->slot_bytes, MPI_BYTE, MPI_ANY_SOURCE,
                       TAG_SMALL, c->small, &c->ring_req[slot]);
    return rc == MPI_SUCCESS ? C4P_OK : c4pi_mpi_fail(c, rc, "MPI_Irecv", -1, c->slot_bytes);
}

/* Post the used slots again, oldest first, so that the ring's order stays the order of posting. */
c4p_status_t
c4pi_mpi_ring_repost(mpi_comm_t *c)
{
    while (c->ring_unposted) {
        uint32_t slot = (c->ring_head + c->ring_size - c->ring_unposted) % c->ring_size;
        c4p_status_t st = ring_post(c, slot);
        if (st != C4P_OK)
            return st;
        c->ring_unposted--;
    }
    return C4P_OK;
}

/* The message out of a filled slot: a copy, or the slot's own buffer. */
static c4p_msg_t *
ring_take(mpi_comm_t *c, uint32_t slot, size_t bytes)
{
    c4p_msg_t *msg = c->ring_msg[slot];
    if (bytes > COPY_BYTES) {
        c->ring_msg[slot] = NULL;
        return msg;
    }
    c4p_msg_t *copy = c4pi_msg_alloc(c->base.msgs, bytes - sizeof(c4pi_env_t));
    if (copy)
        memcpy(&copy->env, &msg->env, bytes);
    return copy;
}

/* Replace the announcement of a message that lies in shared memory by the message itself; NULL if
 * it cannot be there. False: it is another announcement. */
static bool
take_placed(mpi_comm_t *c, int source, c4p_msg_t **msg, size_t bytes)
{
    uint64_t place;
    if (!c4pi_announce_is_placed(*msg, bytes, &place))
        return false;
    c4pi_msg_drop(*msg);
    *msg = c->shared ? c4pi_shared_take(c->shared, source, place) : NULL;
    return true;
}

/* A small message with so many bytes of payload, or an announcement, whichever way it came. */
static c4p_status_t
arrived(mpi_comm_t *c, int source, c4p_msg_t *msg, size_t payload_len, int *did)
{
    c->small_received++;
    if (msg->env.flags & C4PI_FLAG_LARGE) {
        if (!take_placed(c, source, &msg, payload_len))
            return announced(c, source, msg, payload_len);
        if (!msg)
            return damaged(c, source, "it is said to lie where nothing can be");
    } else if (msg->env.len != payload_len) {
        return damaged(c, source, "its length is not the one received");
    }
    if (c->holds.count) {
        hold_t *hold = c4pi_map_get(&c->holds, (uint64_t)source);
        if (hold) {
            msg->where = NULL;
            c4pi_fifo_push(&hold->fifo, msg);
            return C4P_OK;
        }
    }
    deliver(c, source, msg);
    ++*did;
    return C4P_OK;
}

static c4p_status_t
arrived_by_mpi(mpi_comm_t *c, uint32_t slot, const MPI_Status *status, int *did)
{
    int source = status->MPI_SOURCE, count = 0;
    int rc = MPI_Get_count(status, MPI_BYTE, &count);
    if (rc != MPI_SUCCESS)
        return c4pi_mpi_fail(c, rc, "MPI_Get_count", source, 0);
    if ((size_t)count < sizeof(c4pi_env_t))
        return damaged(c, source, "it is shorter than an envelope");
    c4p_msg_t *msg = ring_take(c, slot, (size_t)count);
    if (!msg)
        return c4pi_mpi_no_memory(c, "receiving a message", (uint64_t)count, source);
    return arrived(c, source, msg, (size_t)count - sizeof(c4pi_env_t), did);
}

/* Up to max messages from the ring; *got_io counts them. */
static c4p_status_t
ring_poll(mpi_comm_t *c, int max, int *got_io, int *did)
{
    int got = 0;
    for (; got < max; got++) {
        uint32_t slot = c->ring_head;
        MPI_Status status;
        int done = 0;
        if (c->ring_unposted == c->ring_size)
            break;
        int rc = MPI_Test(&c->ring_req[slot], &done, &status);
        if (rc != MPI_SUCCESS)
            return c4pi_mpi_fail(c, rc, "MPI_Test of a receive", -1, 0);
        if (!done)
            break;
        c->ring_head = slot + 1 == c->ring_size ? 0 : slot + 1;
        c->ring_unposted++;
        c4p_status_t st = arrived_by_mpi(c, slot, &status, did);
        if (st != C4P_OK)
            return st;
    }
    *got_io += got;
    if (got == 0 || 2 * c->ring_unposted >= c->ring_size)
        return c4pi_mpi_ring_repost(c);
    return C4P_OK;
}

/* Up to max messages from the lanes; *got_io counts them. */
static c4p_status_t
near_poll(mpi_comm_t *c, int max, int *got_io, int *did)
{
    c4pi_near_progress(c->near);
    for (int got = 0; got < max; got++) {
        c4p_msg_t *msg;
        int source = 0;
        size_t bytes = 0;
        c4p_status_t st = c4pi_near_take(c->near, &msg, &source, &bytes);
        if (st == C4P_ERR_NOMEM)
            return c4pi_mpi_no_memory(c, "receiving a message", bytes, source);
        if (st != C4P_OK)
            return damaged(c, source, "it has no possible length");
        if (!msg)
            return C4P_OK;
        ++*got_io;
        st = arrived(c, source, msg, bytes - sizeof(c4pi_env_t), did);
        if (st != C4P_OK)
            return st;
    }
    return C4P_OK;
}

/* Need MPI not be asked for messages this time? */
static inline bool
pass_over_ring(mpi_comm_t *c)
{
    uint32_t most = 0;
    if (c->lanes_gave)
        most = LANE_TURNS;
    else if (c->all_near && !c->base.oversubscribed && c4pi_near_is_all(c->near))
        most = IDLE_TURNS;
    if (c->ring_passed_over++ < most)
        return true;
    c->ring_passed_over = 0;
    return false;
}

/* When it is MPI's turn it comes first: lanes that always have something would leave nothing of
 * max. */
static c4p_status_t
lanes_and_ring_poll(mpi_comm_t *c, int max, int *got_io, int *did)
{
    c4p_status_t st = C4P_OK;
    if (!pass_over_ring(c))
        st = ring_poll(c, max, got_io, did);
    const int before = *got_io;
    if (st == C4P_OK)
        st = near_poll(c, max - before, got_io, did);
    if (max > before)
        c->lanes_gave = *got_io > before;
    return st;
}

/* The first message after a pause runs before another one is looked for: that takes as long as a
 * look at the network, and somebody may wait for the answer. */
static c4p_status_t
small_poll(mpi_comm_t *c, int max, int *did)
{
    int got = 0;
    if (max > MAX_PER_POLL)
        max = MAX_PER_POLL;
    if (max > 1 && c->paused)
        max = 1;
    c4p_status_t st = (c->near ? lanes_and_ring_poll : ring_poll)(c, max, &got, did);
    c->paused = got == 0;
    return st;
}

/* ---- progress of what takes longer ---------------------------------------------------------------- */

/* Take request i, which is complete, out of the table. If a large message became whole, its hold is
 * put on the list *ready. */
static void
request_done(mpi_comm_t *c, size_t i, hold_t **ready)
{
    request_owner_t owner = c->owners[i];
    c->num_reqs--;
    c->reqs[i] = c->reqs[c->num_reqs];
    c->owners[i] = c->owners[c->num_reqs];
    if (owner.msg) {
        c->num_sends--;
        c4pi_msg_drop(owner.msg); /* may run a release function of the user's, which may send */
    } else if (--owner.in->pending == 0) {
        owner.in->complete = true;
        c->posted_bytes -= owner.in->msg->env.len;
        if (!owner.in->hold->ready) {
            owner.in->hold->ready = true;
            owner.in->hold->next = *ready;
            *ready = owner.in->hold;
        }
    }
}

static c4p_status_t
requests_poll(mpi_comm_t *c, int *did, int *reaped_out)
{
    int indices[WINDOW], done = 0;
    MPI_Status statuses[WINDOW];
    hold_t *ready = NULL;

    if (c->window_at >= c->num_reqs)
        c->window_at = 0;
    size_t first = c->window_at;
    size_t count = c->num_reqs - first < WINDOW ? c->num_reqs - first : WINDOW;
    c->window_at += WINDOW;
    *reaped_out = 0;
    int rc = MPI_Testsome((int)count, c->reqs + first, &done, indices, statuses);
    if (rc != MPI_SUCCESS)
        return fail_some(c, rc, "MPI_Testsome", statuses, done > 0 ? done : 0);
    *reaped_out = done > 0 ? done : 0;
    if (done <= 0)
        return C4P_OK;
    for (size_t i = first + count; i-- > first;) /* downwards: what moves into a gap was looked at,
                                                    or came later */
        if (c->reqs[i] == MPI_REQUEST_NULL)
            request_done(c, i, &ready);
    while (ready) {
        hold_t *hold = ready;
        ready = hold->next;
        hold->ready = false;
        *did += hold_drain(c, hold);
    }
    return incoming_post_waiting(c);
}

c4p_status_t
c4pi_mpi_poll(c4pi_comm_t *comm, int max, int *did_out)
{
    mpi_comm_t *c = (mpi_comm_t *)comm;
    int did = 0;
    c4p_status_t st = C4P_OK;

    if (c->ring_size)
        st = small_poll(c, max, &did);
    /* A window at a time, but on as long as whole windows are done: after a flood thousands are. */
    for (int reaped = WINDOW; st == C4P_OK && c->num_reqs && reaped == WINDOW;)
        st = requests_poll(c, &did, &reaped);
    *did_out = did;
    return st;
}
