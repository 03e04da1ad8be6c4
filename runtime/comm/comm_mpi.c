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
 * On the same host a large message is rather put into memory that both ranks share, as long as
 * there is room: then only its place is announced, and it is delivered like a small one (shared.h).
 *
 * Requests of sends and of large receives that did not complete at once stand in one table without
 * order, tested a window at a time. */
#include <mpi.h>

#include <string.h>

#include "base/map.h"
#include "comm/announce.h"
#include "comm/comm.h"
#include "comm/launch.h"
#include "comm/shared.h"

enum {
    TAG_SMALL = 1,
    DEFAULT_SMALL = 4032, /* stays under the eager limit of shared memory */
    MIN_SMALL = 128,
    MAX_SMALL = 65472,
    DEFAULT_RING = 64,
    MAX_PER_POLL = 16,
    COPY_BYTES = 1024, /* shorter messages are copied out of the ring, longer ones taken */
    MIN_SLOT = 1024,   /* room for the longest announcement */
    WINDOW = 64        /* requests tested at once */
};
static const uint64_t PIECE_BYTES = (uint64_t)1 << 30;
static const uint64_t MAX_POSTED_BYTES = (uint64_t)256 << 20;

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

    uint32_t ring_size, ring_head, ring_unposted; /* unposted slots stand just before the head */
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
} mpi_comm_t;

/* ---- errors ----------------------------------------------------------------------------------- */

static void
mpi_abort(c4pi_comm_t *comm, int exit_status)
{
    MPI_Comm small = ((mpi_comm_t *)comm)->small;
    MPI_Abort(small == MPI_COMM_NULL ? MPI_COMM_SELF : small, exit_status);
}

/* Every failed MPI call ends up here: the job cannot go on. */
static c4p_status_t
fail(mpi_comm_t *c, int rc, const char *call, int peer, uint64_t bytes)
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
        mpi_abort(&c->base, c4p_exit_status(C4P_ERR_MPI));
    return C4P_ERR_MPI;
}

/* The text of MPI's error of one request among several. */
static c4p_status_t
fail_some(mpi_comm_t *c, int rc, const char *call, const MPI_Status *statuses, int count)
{
    for (int i = 0; rc == MPI_ERR_IN_STATUS && i < count; i++)
        if (statuses[i].MPI_ERROR != MPI_SUCCESS && statuses[i].MPI_ERROR != MPI_ERR_PENDING)
            rc = statuses[i].MPI_ERROR;
    return fail(c, rc, call, -1, 0);
}

static c4p_status_t
no_memory(mpi_comm_t *c, const char *what, uint64_t bytes, int peer)
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
            return no_memory(c, "receiving", len, source);
        int rc = MPI_Irecv(at, piece, MPI_BYTE, source, tag, c->bulk, &req);
        if (rc != MPI_SUCCESS)
            return fail(c, rc, "MPI_Irecv", source, (uint64_t)piece);
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
        return no_memory(c, "receiving a message", env->len, in->hold->source);
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
        return no_memory(c, "receiving a message", msg->env.len, source);
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
            return no_memory(c, "sending", len, dest);
        int rc = MPI_Isend(at, piece, MPI_BYTE, dest, tag, c->bulk, &req);
        if (rc != MPI_SUCCESS)
            return fail(c, rc, "MPI_Isend", dest, (uint64_t)piece);
        requests_add(c, req, c4pi_msg_keep(msg), NULL);
        at += piece;
        len -= (uint64_t)piece;
    }
    return C4P_OK;
}

/* Send an envelope with its payload in one piece; takes over one owner of msg. */
static inline c4p_status_t
send_one(mpi_comm_t *c, int dest, c4p_msg_t *msg, size_t payload_len)
{
    MPI_Request req;
    int done = 0;
    int bytes = (int)(sizeof(c4pi_env_t) + payload_len);

    if (requests_reserve(c) != C4P_OK)
        return no_memory(c, "sending", payload_len, dest);
    int rc = MPI_Isend(&msg->env, bytes, MPI_BYTE, dest, TAG_SMALL, c->small, &req);
    if (rc == MPI_SUCCESS) {
        c->small_sent++;
        rc = MPI_Test(&req, &done, MPI_STATUS_IGNORE);
    }
    if (rc != MPI_SUCCESS)
        return fail(c, rc, "MPI_Isend", dest, (uint64_t)bytes);
    if (done)
        c4pi_msg_drop(msg);
    else
        requests_add(c, req, msg, NULL);
    return C4P_OK;
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
        return no_memory(c, "sending a message", msg->env.len, dest);
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
                       : no_memory(c, "sending a message", msg->env.len, dest);
    if (*st_out == C4P_OK)
        c4pi_msg_drop(msg);
    return true;
}

static c4p_status_t
send_flattened(mpi_comm_t *c, int dest, c4p_msg_t *msg)
{
    c4p_msg_t *flat = c4pi_msg_copy(c->base.msgs, msg);
    if (!flat)
        return no_memory(c, "sending a message", msg->env.len, dest);
    c4pi_msg_drop(msg);
    return send_one(c, dest, flat, (size_t)flat->env.len);
}

static c4p_status_t
mpi_send(c4pi_comm_t *comm, int dest, c4p_msg_t *msg)
{
    mpi_comm_t *c = (mpi_comm_t *)comm;
    c4p_status_t st;
    if (sizeof(c4pi_env_t) + msg->env.len > comm->small_bytes) {
        if (send_placed(c, dest, msg, &st))
            return st;
        if (c4pi_msg_own(&msg) != C4P_OK)
            return no_memory(c, "sending a message", msg->env.len, dest);
        return send_large(c, dest, msg);
    }
    if (msg->extra)
        return send_flattened(c, dest, msg);
    return send_one(c, dest, msg, (size_t)msg->env.len);
}

static uint64_t
mpi_sends_pending(c4pi_comm_t *comm)
{
    return ((mpi_comm_t *)comm)->num_sends;
}

/* ---- small messages in ---------------------------------------------------------------------------- */

static c4p_status_t
ring_post(mpi_comm_t *c, uint32_t slot)
{
    if (!c->ring_msg[slot])
        c->ring_msg[slot] = c4pi_msg_alloc(c->base.msgs, c->slot_bytes - sizeof(c4pi_env_t));
    if (!c->ring_msg[slot])
        return no_memory(c, "a receive buffer", c->slot_bytes, c->base.rank);
    int rc = MPI_Irecv(&c->ring_msg[slot]->env, (int)c->slot_bytes, MPI_BYTE, MPI_ANY_SOURCE,
                       TAG_SMALL, c->small, &c->ring_req[slot]);
    return rc == MPI_SUCCESS ? C4P_OK : fail(c, rc, "MPI_Irecv", -1, c->slot_bytes);
}

/* Post the used slots again, oldest first, so that the ring's order stays the order of posting. */
static c4p_status_t
ring_repost(mpi_comm_t *c)
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

static c4p_status_t
arrived(mpi_comm_t *c, uint32_t slot, const MPI_Status *status, int *did)
{
    int source = status->MPI_SOURCE, count = 0;
    int rc = MPI_Get_count(status, MPI_BYTE, &count);
    if (rc != MPI_SUCCESS)
        return fail(c, rc, "MPI_Get_count", source, 0);
    if ((size_t)count < sizeof(c4pi_env_t))
        return damaged(c, source, "it is shorter than an envelope");
    c->small_received++;

    c4p_msg_t *msg = ring_take(c, slot, (size_t)count);
    if (!msg)
        return no_memory(c, "receiving a message", (uint64_t)count, source);
    if (msg->env.flags & C4PI_FLAG_LARGE) {
        if (!take_placed(c, source, &msg, (size_t)count - sizeof(c4pi_env_t)))
            return announced(c, source, msg, (size_t)count - sizeof(c4pi_env_t));
        if (!msg)
            return damaged(c, source, "it is said to lie where nothing can be");
    } else if (msg->env.len != (size_t)count - sizeof(c4pi_env_t)) {
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
ring_poll(mpi_comm_t *c, int max, int *did)
{
    if (max > MAX_PER_POLL)
        max = MAX_PER_POLL;
    int got = 0;
    for (; got < max; got++) {
        uint32_t slot = c->ring_head;
        MPI_Status status;
        int done = 0;
        if (c->ring_unposted == c->ring_size)
            break;
        int rc = MPI_Test(&c->ring_req[slot], &done, &status);
        if (rc != MPI_SUCCESS)
            return fail(c, rc, "MPI_Test of a receive", -1, 0);
        if (!done)
            break;
        c->ring_head = slot + 1 == c->ring_size ? 0 : slot + 1;
        c->ring_unposted++;
        c4p_status_t st = arrived(c, slot, &status, did);
        if (st != C4P_OK)
            return st;
    }
    if (got == 0 || 2 * c->ring_unposted >= c->ring_size)
        return ring_repost(c);
    return C4P_OK;
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

static c4p_status_t
mpi_poll(c4pi_comm_t *comm, int max, int *did_out)
{
    mpi_comm_t *c = (mpi_comm_t *)comm;
    int did = 0;
    c4p_status_t st = C4P_OK;

    if (c->ring_size)
        st = ring_poll(c, max, &did);
    /* A window at a time, but on as long as whole windows are done: after a flood thousands are. */
    for (int reaped = WINDOW; st == C4P_OK && c->num_reqs && reaped == WINDOW;)
        st = requests_poll(c, &did, &reaped);
    *did_out = did;
    return st;
}

/* ---- end ------------------------------------------------------------------------------------------ */

/* Poll until the request is done. */
static c4p_status_t
poll_until(mpi_comm_t *c, MPI_Request *req, const char *what)
{
    for (;;) {
        int done = 0, did = 0;
        int rc = MPI_Test(req, &done, MPI_STATUS_IGNORE);
        if (rc != MPI_SUCCESS)
            return fail(c, rc, what, -1, 0);
        if (done)
            return C4P_OK;
        c4p_status_t st = mpi_poll(&c->base, MAX_PER_POLL, &did);
        if (st != C4P_OK)
            return st;
        if (!did && c->base.oversubscribed)
            c->base.port->ops->yield(c->base.port);
    }
}

/* Receive until nothing that any rank sent is on its way. Nobody sends meanwhile, so equal sums
 * mean that. */
static c4p_status_t
finish_drain(mpi_comm_t *c)
{
    for (;;) {
        uint64_t mine[2] = {c->small_sent, c->small_received}, all[2] = {0, 0};
        MPI_Request req;
        int rc = MPI_Iallreduce(mine, all, 2, MPI_UINT64_T, MPI_SUM, c->small, &req);
        if (rc != MPI_SUCCESS)
            return fail(c, rc, "MPI_Iallreduce", -1, 0);
        c4p_status_t st = poll_until(c, &req, "MPI_Iallreduce");
        if (st != C4P_OK)
            return st;
        if (all[0] == all[1])
            return C4P_OK;
    }
}

static c4p_status_t
finish_requests(mpi_comm_t *c)
{
    while (c->num_reqs || c->holds.count) {
        int did = 0;
        c4p_status_t st = mpi_poll(&c->base, MAX_PER_POLL, &did);
        if (st != C4P_OK)
            return st;
    }
    return C4P_OK;
}

/* Take back the posted receives. */
static c4p_status_t
ring_cancel(mpi_comm_t *c)
{
    for (uint32_t i = 0; i < c->ring_size; i++) {
        if (c->ring_req[i] == MPI_REQUEST_NULL)
            continue;
        int rc = MPI_Cancel(&c->ring_req[i]);
        if (rc == MPI_SUCCESS)
            rc = MPI_Wait(&c->ring_req[i], MPI_STATUS_IGNORE);
        if (rc != MPI_SUCCESS)
            return fail(c, rc, "MPI_Cancel", -1, 0);
    }
    return C4P_OK;
}

static c4p_status_t
mpi_finish(c4pi_comm_t *comm)
{
    mpi_comm_t *c = (mpi_comm_t *)comm;
    MPI_Request req;
    c4p_status_t st;

    if ((st = finish_drain(c)) != C4P_OK || (st = finish_requests(c)) != C4P_OK)
        return st;
    int rc = MPI_Ibarrier(c->small, &req);
    if (rc != MPI_SUCCESS)
        return fail(c, rc, "MPI_Ibarrier", -1, 0);
    if ((st = poll_until(c, &req, "MPI_Ibarrier")) != C4P_OK || (st = ring_cancel(c)) != C4P_OK)
        return st;
    MPI_Comm_free(&c->bulk);
    MPI_Comm_free(&c->small);
    c->finished = true;
    return C4P_OK;
}

/* Drop what was not delivered, and the ring's buffers if MPI does not write to them any more. */
static void
free_messages(mpi_comm_t *c, bool ring_is_ours)
{
    size_t at = 0;
    uint64_t key;
    void *value;

    while (at = 0, c4pi_map_next(&c->holds, &at, &key, &value)) {
        hold_t *hold = value;
        c4p_msg_t *msg;
        while ((msg = c4pi_fifo_pop(&hold->fifo)) != NULL) {
            incoming_t *in = msg->where;
            if (in && in->complete)
                c4pi_msg_drop(in->msg); /* an incomplete one is still MPI's to write to */
            c4pi_msg_drop(msg);
        }
        (void)c4pi_map_remove(&c->holds, key);
    }
    for (uint32_t i = 0; ring_is_ours && i < c->ring_size; i++)
        if (c->ring_msg[i])
            c4pi_msg_drop(c->ring_msg[i]);
}

static void
mpi_free(c4pi_comm_t *comm)
{
    mpi_comm_t *c = (mpi_comm_t *)comm;
    c4pi_port_t *port = comm->port;
    int finalized = 0;
    bool ring_is_ours = c->finished;

    MPI_Finalized(&finalized);
    if (!c->finished && !c->broken && !finalized && c->ring_req && c->ring_msg)
        ring_is_ours = ring_cancel(c) == C4P_OK;
    free_messages(c, ring_is_ours);
    if (c->we_initialised && c->finished && !finalized)
        MPI_Finalize();
    c4pi_pool_fini(&c->incoming_pool);
    c4pi_pool_fini(&c->hold_pool);
    c4pi_map_fini(&c->holds);
    c4pi_shared_free(c->shared);
    c4pi_free(port, c->owners, c->cap_reqs * sizeof *c->owners);
    c4pi_free(port, c->reqs, c->cap_reqs * sizeof *c->reqs);
    c4pi_free(port, c->ring_msg, c->ring_size * sizeof *c->ring_msg);
    c4pi_free(port, c->ring_req, c->ring_size * sizeof(MPI_Request));
    c4pi_free(port, c, sizeof *c);
}

/* ---- start ---------------------------------------------------------------------------------------- */

static const c4pi_comm_ops_t mpi_ops = {
    .send = mpi_send,
    .poll = mpi_poll,
    .sends_pending = mpi_sends_pending,
    .finish = mpi_finish,
    .abort = mpi_abort,
    .free_comm = mpi_free,
};

static c4p_status_t
init_mpi(mpi_comm_t *c, const void *host_comm)
{
    int initialised = 0, finalised = 0, provided = 0;

    MPI_Initialized(&initialised);
    MPI_Finalized(&finalised);
    if (finalised || (host_comm && !initialised)) {
        c4pi_log(c->base.port, C4P_LOG_ERROR,
                 finalised
                     ? "MPI has been finalised already: create the runtime before MPI_Finalize"
                     : "MPI is not initialised: call MPI_Init before creating the runtime on a "
                       "communicator");
        return C4P_ERR_STATE;
    }
    if (initialised)
        return C4P_OK;
    c4pi_launch_prepare(c->base.port);
    int rc = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    if (rc != MPI_SUCCESS)
        return fail(c, rc, "MPI_Init_thread", -1, 0);
    c->we_initialised = true;
    return C4P_OK;
}

static c4p_status_t
check_alone(mpi_comm_t *c)
{
    char version[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int len = 0;

    MPI_Get_library_version(version, &len);
    version[strcspn(version, ",\n")] = 0;
    return c4pi_launch_check_alone(c->base.port, version);
}

static c4p_status_t
dup_comm(mpi_comm_t *c, MPI_Comm from, MPI_Comm *to)
{
    int rc = MPI_Comm_dup(from, to);
    if (rc != MPI_SUCCESS)
        return fail(c, rc, "MPI_Comm_dup", -1, 0);
    rc = MPI_Comm_set_errhandler(*to, MPI_ERRORS_RETURN);
    return rc == MPI_SUCCESS ? C4P_OK : fail(c, rc, "MPI_Comm_set_errhandler", -1, 0);
}

/* Exchange what the ranks of this host must know for using each other's pools, and agree on whether
 * all of them can. */
static c4p_status_t
share_pools(mpi_comm_t *c, MPI_Comm host, c4pi_shared_id_t *ids)
{
    c4pi_shared_id_t mine = {.bytes = 0};
    if (c->shared)
        c4pi_shared_id(c->shared, &mine);
    int rc = MPI_Allgather(&mine, sizeof mine, MPI_BYTE, ids, sizeof mine, MPI_BYTE, host);
    if (rc != MPI_SUCCESS)
        return fail(c, rc, "MPI_Allgather", -1, 0);
    int good = c->shared && c4pi_shared_open(c->shared, ids, c->base.host_ranks), all = 0;
    rc = MPI_Allreduce(&good, &all, 1, MPI_INT, MPI_MIN, host);
    if (rc != MPI_SUCCESS)
        return fail(c, rc, "MPI_Allreduce", -1, 0);
    if (all) {
        c4pi_shared_close_fd(c->shared);
        return C4P_OK;
    }
    c4pi_log(c->base.port, C4P_LOG_INFO,
             "the ranks of this host cannot share memory: large messages go through MPI");
    c4pi_shared_free(c->shared);
    c->shared = NULL;
    return C4P_OK;
}

static c4p_status_t
set_up_shared(mpi_comm_t *c, MPI_Comm host, uint64_t bytes)
{
    size_t len = (size_t)c->base.host_ranks * sizeof(c4pi_shared_id_t);
    if (!bytes || c->base.host_ranks == 1)
        return C4P_OK;
    c4pi_shared_id_t *ids = c4pi_alloc(c->base.port, len);
    if (!ids)
        return no_memory(c, "the ranks of this host", len, c->base.rank);
    c->shared = c4pi_shared_new(c->base.msgs, c->base.rank, bytes);
    c4p_status_t st = share_pools(c, host, ids);
    c4pi_free(c->base.port, ids, len);
    return st;
}

/* Who shares this host, and are there enough CPUs for them? */
static c4p_status_t
find_host(mpi_comm_t *c, const c4p_opts_t *opts)
{
    MPI_Comm host;
    uint64_t mine[C4PI_CPU_WORDS], all[C4PI_CPU_WORDS];
    int cpus = 0;

    int rc = MPI_Comm_split_type(c->small, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host);
    if (rc != MPI_SUCCESS)
        return fail(c, rc, "MPI_Comm_split_type", -1, 0);
    MPI_Comm_rank(host, &c->base.host_rank);
    MPI_Comm_size(host, &c->base.host_ranks);
    c4pi_launch_cpus(mine);
    rc = MPI_Allreduce(mine, all, C4PI_CPU_WORDS, MPI_UINT64_T, MPI_BOR, host);
    if (rc != MPI_SUCCESS)
        return fail(c, rc, "MPI_Allreduce", -1, 0);
    c4p_status_t st = set_up_shared(c, host, opts->shared_bytes);
    if (st != C4P_OK)
        return st;
    MPI_Comm_free(&host);
    for (int i = 0; i < C4PI_CPU_WORDS; i++)
        cpus += __builtin_popcountll(all[i]);
    c->base.oversubscribed = cpus > 0 && c->base.host_ranks > cpus;
    return C4P_OK;
}

/* Sizes that both ends of a message must agree on. */
static c4p_status_t
check_same_sizes(mpi_comm_t *c, const c4p_opts_t *opts)
{
    enum { N = 4 };
    static const char *const names[N] = {"C4PY_SMALL_BYTES", "C4PY_CREDIT_BYTES",
                                         "C4PY_SHARED_BYTES", "the size of the envelope"};
    uint64_t values[N] = {c->base.small_bytes, opts->credit_bytes, opts->shared_bytes,
                          sizeof(c4pi_env_t)};
    uint64_t mine[2 * N], most[2 * N]; /* the largest of x, and of ~x: the smallest */

    for (int i = 0; i < N; i++) {
        mine[i] = values[i];
        mine[i + N] = ~values[i];
    }
    int rc = MPI_Allreduce(mine, most, 2 * N, MPI_UINT64_T, MPI_MAX, c->small);
    if (rc != MPI_SUCCESS)
        return fail(c, rc, "MPI_Allreduce", -1, 0);
    for (int i = 0; i < N; i++) {
        if (most[i] == ~most[i + N])
            continue;
        if (c->base.rank == 0)
            c4pi_log(c->base.port, C4P_LOG_ERROR,
                     "the ranks disagree on %s: it is between %llu and %llu; set it alike on all "
                     "of them",
                     names[i], (unsigned long long)~most[i + N], (unsigned long long)most[i]);
        return C4P_ERR_MISMATCH;
    }
    return C4P_OK;
}

static c4p_status_t
ring_new(mpi_comm_t *c, uint32_t size)
{
    if (c->base.num_ranks == 1)
        return C4P_OK;
    c->ring_req = c4pi_calloc(c->base.port, size * sizeof(MPI_Request));
    c->ring_msg = c4pi_calloc(c->base.port, size * sizeof *c->ring_msg);
    c->ring_size = size;
    if (!c->ring_req || !c->ring_msg)
        return no_memory(c, "the ring of receives", size, c->base.rank);
    for (uint32_t i = 0; i < size; i++)
        c->ring_req[i] = MPI_REQUEST_NULL;
    c->ring_unposted = size;
    return ring_repost(c);
}

static void
set_tags(mpi_comm_t *c)
{
    int *upper = NULL, found = 0;
    MPI_Comm_get_attr(c->bulk, MPI_TAG_UB, &upper, &found);
    int limit = found ? *upper : 32767;
    c->tag_mask = 1;
    while (c->tag_mask <= (uint32_t)limit / 2)
        c->tag_mask = 2 * c->tag_mask + 1;
}

static uint32_t
within(uint32_t value, uint32_t deflt, uint32_t low, uint32_t high)
{
    if (value == 0)
        return deflt;
    return value < low ? low : value > high ? high : value;
}

static c4p_status_t
set_up(mpi_comm_t *c, const c4p_opts_t *opts, const void *host_comm)
{
    c4p_status_t st;
    c4pi_comm_t *base = &c->base;

    if ((st = init_mpi(c, host_comm)) != C4P_OK)
        return st;
    MPI_Comm from = host_comm ? *(const MPI_Comm *)host_comm : MPI_COMM_WORLD;
    MPI_Comm_rank(from, &base->rank);
    MPI_Comm_size(from, &base->num_ranks);
    if (!host_comm && base->num_ranks == 1 && (st = check_alone(c)) != C4P_OK)
        return st;
    base->port->rank = base->rank;
    base->port->num_ranks = base->num_ranks;
    if (base->num_ranks > C4P_MAX_RANKS) {
        c4pi_log(base->port, C4P_LOG_ERROR, "%d ranks are more than the %d that are possible",
                 base->num_ranks, C4P_MAX_RANKS);
        return C4P_ERR_LIMIT;
    }
    if ((st = dup_comm(c, from, &c->small)) != C4P_OK ||
        (st = dup_comm(c, from, &c->bulk)) != C4P_OK)
        return st;
    set_tags(c);
    base->small_bytes = within(opts->small_bytes, DEFAULT_SMALL, MIN_SMALL, MAX_SMALL);
    c->slot_bytes = base->small_bytes > MIN_SLOT ? base->small_bytes : MIN_SLOT;
    if ((st = check_same_sizes(c, opts)) != C4P_OK || (st = find_host(c, opts)) != C4P_OK)
        return st;
    return ring_new(c, within(opts->ring_slots, DEFAULT_RING, 2, 4096));
}

/* After a failed start, which all ranks see alike but for lack of memory. */
static void
undo_set_up(mpi_comm_t *c, c4p_status_t st)
{
    if (!c->broken && st != C4P_ERR_NOMEM) {
        if (c->bulk != MPI_COMM_NULL)
            MPI_Comm_free(&c->bulk);
        if (c->small != MPI_COMM_NULL)
            MPI_Comm_free(&c->small);
        c->finished = true;
    }
    mpi_free(&c->base);
}

c4p_status_t
c4pi_comm_mpi_new(c4pi_port_t *port, c4pi_msgs_t *msgs, const c4p_opts_t *opts,
                  const void *host_comm, c4pi_comm_t **comm_out)
{
    mpi_comm_t *c = c4pi_calloc(port, sizeof *c);
    if (!c)
        return C4P_ERR_NOMEM;
    c->base = (c4pi_comm_t){.ops = &mpi_ops, .port = port, .msgs = msgs};
    c->small = c->bulk = MPI_COMM_NULL;
    c4pi_map_init(&c->holds, port);
    c4pi_pool_init(&c->hold_pool, port, sizeof(hold_t), 16);
    c4pi_pool_init(&c->incoming_pool, port, sizeof(incoming_t), 32);

    c4p_status_t st = set_up(c, opts, host_comm);
    if (st != C4P_OK) {
        undo_set_up(c, st);
        return st;
    }
    *comm_out = &c->base;
    return C4P_OK;
}
