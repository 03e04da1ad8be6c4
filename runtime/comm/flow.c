/* SPDX-License-Identifier: Apache-2.0 */
/* flow.c: see flow.h.
 *
 * Out: c4pi_flow_send -> credit? no: the peer's backlog -> pass_on: at once, or into the peer's
 * open batch -> back end. In:  back end -> arrived -> one message, or the messages of a batch one
 * by one -> hand_up.
 *
 * A batch is a message of kind BATCH whose payload is a sequence of { envelope, payload, padding to
 * 8 bytes }. The first message for a batch waits as it is, and is sent as it is if no other
 * follows. */
#include "comm/flow.h"

#include <string.h>

#include "base/map.h"

/* A rank that we have exchanged messages with. */
typedef struct peer {
    int rank;
    /* to it */
    uint64_t sent, acked; /* credit bytes: sent, and known to be taken */
    uint64_t turn;        /* the turn of the scheduler in which messages last went at once, */
    uint32_t at_once;     /* and how many */
    c4p_msg_t *first;     /* the only message for the next batch */
    c4p_msg_t *batch;     /* or a batch under construction */
    size_t batch_len;
    bool listed; /* in the list of peers that may have something open */
    struct peer *next_open;
    c4pi_fifo_t backlog;
    /* from it */
    uint64_t taken, told;
} peer_t;

struct c4pi_flow {
    c4pi_port_t *port;
    c4pi_msgs_t *msgs;
    c4pi_comm_t *comm;
    c4pi_deliver_fn_t deliver;
    void *deliver_ctx;
    uint64_t window, step; /* credit; and how much is taken before the sender is told */
    uint64_t counter_base;
    size_t small_bytes, batch_bytes, batch_cap; /* batch_cap: payload of a batch */
    bool busy, no_limits;
    bool counted[C4PI_NUM_KINDS];
    uint64_t turn; /* of the scheduler */
    bool polling;
    c4pi_map_t peers;
    c4pi_pool_t peer_pool;
    peer_t *last; /* looked up last; NULL at first */
    peer_t *open;
    uint32_t num_open;
    /* within a poll */
    int budget, did;
    c4pi_fifo_t arrived; /* what the budget did not allow to be delivered; msg->where is the source
                          */
    size_t batch_at;     /* how far its head, if a batch, has been read */
    c4pi_flow_counts_t counts;
};

/* ---- ends of the job ------------------------------------------------------------------------------ */

static void
die(c4pi_flow_t *flow, c4p_status_t st)
{
    flow->comm->ops->abort(flow->comm, c4p_exit_status(st));
}

static void
die_of_memory(c4pi_flow_t *flow, const char *what)
{
    c4pi_log(flow->port, C4P_LOG_ERROR, "out of memory: %s", what);
    die(flow, C4P_ERR_NOMEM);
}

static void
die_of_damage(c4pi_flow_t *flow, int source, const char *what)
{
    c4pi_log(flow->port, C4P_LOG_ERROR, "a message from rank %d is damaged: %s", source, what);
    die(flow, C4P_ERR_DATA);
}

/* ---- peers ---------------------------------------------------------------------------------------- */

static peer_t *
peer_new(c4pi_flow_t *flow, int rank)
{
    peer_t *peer = c4pi_pool_get(&flow->peer_pool);
    if (!peer || c4pi_map_put(&flow->peers, (uint64_t)rank, peer) != C4P_OK) {
        if (peer)
            c4pi_pool_put(&flow->peer_pool, peer);
        die_of_memory(flow, "keeping account of another rank");
        return NULL;
    }
    uint64_t base = flow->counter_base;
    *peer = (peer_t){
        .rank = rank, .sent = base, .acked = base, .taken = base, .told = base, .turn = UINT64_MAX};
    return peer;
}

static inline peer_t *
peer_of(c4pi_flow_t *flow, int rank)
{
    peer_t *peer = flow->last;
    if (peer && peer->rank == rank)
        return peer;
    peer = c4pi_map_get(&flow->peers, (uint64_t)rank);
    if (!peer)
        peer = peer_new(flow, rank);
    flow->last = peer;
    return peer;
}

/* ---- out ------------------------------------------------------------------------------------------ */

static inline size_t
wire_bytes(const c4p_msg_t *msg)
{
    return sizeof(c4pi_env_t) + (size_t)msg->env.len;
}

static inline void
send_now(c4pi_flow_t *flow, peer_t *peer, c4p_msg_t *msg)
{
    c4p_status_t st = flow->comm->ops->send(flow->comm, peer->rank, msg);
    if (st != C4P_OK)
        die(flow, st);
}

static inline bool
is_open(const peer_t *peer)
{
    return peer->first || peer->batch;
}

static void
flush_peer(c4pi_flow_t *flow, peer_t *peer)
{
    c4p_msg_t *msg = peer->first;
    if (!is_open(peer))
        return;
    if (peer->batch) {
        msg = peer->batch;
        msg->env.len = peer->batch_len;
    }
    peer->first = peer->batch = NULL;
    flow->num_open--;
    send_now(flow, peer, msg);
}

/* Copy msg, which fits, to the end of the batch and drop it. */
static inline void
batch_append(peer_t *peer, c4p_msg_t *msg)
{
    size_t bytes = wire_bytes(msg);
    size_t room = c4pi_batch_padded(bytes);
    char *at = (char *)c4pi_msg_payload(peer->batch) + peer->batch_len;
    /* The padding: old content of this memory does not travel. */
    memset(at + room - C4PI_BATCH_ALIGN, 0, C4PI_BATCH_ALIGN);
    memcpy(at, &msg->env, bytes);
    peer->batch_len += room;
    c4pi_msg_drop(msg);
}

static bool
batch_begin(c4pi_flow_t *flow, peer_t *peer)
{
    c4p_msg_t *first = peer->first;
    peer->batch = c4pi_msg_alloc(flow->msgs, flow->batch_cap);
    if (!peer->batch) {
        die_of_memory(flow, "sending a message");
        return false;
    }
    peer->batch->env.kind = C4PI_BATCH;
    peer->batch->env.source = (uint32_t)flow->comm->rank & 0xffffff;
    peer->batch_len = 0;
    peer->first = NULL;
    batch_append(peer, first);
    return true;
}

static void
open_first(c4pi_flow_t *flow, peer_t *peer, c4p_msg_t *msg)
{
    peer->first = msg;
    flow->num_open++;
    if (!peer->listed) {
        peer->listed = true;
        peer->next_open = flow->open;
        flow->open = peer;
    }
}

static void
batch_add(c4pi_flow_t *flow, peer_t *peer, c4p_msg_t *msg)
{
    if (!is_open(peer)) {
        open_first(flow, peer, msg);
        return;
    }
    if (!peer->batch && !batch_begin(flow, peer))
        return;
    if (peer->batch_len + wire_bytes(msg) > flow->batch_cap) {
        flush_peer(flow, peer);
        open_first(flow, peer, msg);
        return;
    }
    batch_append(peer, msg);
}

static inline bool
may_batch(const c4pi_flow_t *flow, const c4p_msg_t *msg)
{
    return msg->env.len <= flow->batch_bytes && flow->batch_bytes && !msg->extra &&
           2 * wire_bytes(msg) <= flow->batch_cap;
}

/* Send a counted message for which there is credit. `at_once`: the first few of a turn need not
 * wait for others. */
static void
pass_on(c4pi_flow_t *flow, peer_t *peer, c4p_msg_t *msg, bool at_once)
{
    if (wire_bytes(msg) <= flow->small_bytes)
        peer->sent += wire_bytes(msg);
    if (peer->turn != flow->turn) {
        peer->turn = flow->turn;
        peer->at_once = 0;
    }
    bool early = !is_open(peer) && peer->at_once < C4PI_FLOW_AT_ONCE;
    if (!may_batch(flow, msg) || (at_once && (early || !flow->busy))) {
        peer->at_once++;
        flush_peer(flow, peer);
        send_now(flow, peer, msg);
    } else {
        batch_add(flow, peer, msg);
    }
}

static inline bool
has_credit(const c4pi_flow_t *flow, const peer_t *peer, const c4p_msg_t *msg)
{
    size_t bytes = wire_bytes(msg);
    return bytes > flow->small_bytes || flow->no_limits ||
           bytes <= flow->window - (peer->sent - peer->acked);
}

/* A message that others have too cannot stand in a queue of ours: it may be in one of theirs. */
static void
backlog_push(c4pi_flow_t *flow, peer_t *peer, c4p_msg_t *msg)
{
    if (msg->refs > 1) {
        c4p_msg_t *copy = c4pi_msg_copy(flow->msgs, msg);
        if (!copy) {
            die_of_memory(flow, "keeping a message for a slow receiver");
            return;
        }
        c4pi_msg_drop(msg);
        msg = copy;
    }
    if (c4pi_msg_own(&msg) != C4P_OK) {
        die_of_memory(flow, "keeping a message for a slow receiver");
        return;
    }
    flow->counts.backlog_msgs++;
    flow->counts.backlog_bytes += wire_bytes(msg);
    c4pi_fifo_push(&peer->backlog, msg);
}

static void
backlog_drain(c4pi_flow_t *flow, peer_t *peer)
{
    if (!peer->backlog.head)
        return;
    while (peer->backlog.head && has_credit(flow, peer, peer->backlog.head)) {
        c4p_msg_t *msg = c4pi_fifo_pop(&peer->backlog);
        flow->counts.backlog_msgs--;
        flow->counts.backlog_bytes -= wire_bytes(msg);
        pass_on(flow, peer, msg, false);
    }
    flush_peer(flow, peer);
}

static inline void
count_sent(c4pi_flow_t *flow, const c4p_msg_t *msg, bool counted)
{
    flow->counts.all_sent++;
    flow->counts.counted_sent += counted;
    flow->counts.bytes_sent += wire_bytes(msg);
}

void
c4pi_flow_send(c4pi_flow_t *flow, int dest, c4p_msg_t *msg)
{
    peer_t *peer = peer_of(flow, dest);
    bool counted = flow->counted[msg->env.kind];

    if (!peer)
        return;
    count_sent(flow, msg, counted);
    if (msg->peer) /* it leaves again, and must not wait here on its sender's account: two such
                      queues could wait for each other */
        c4pi_flow_take(flow, msg);
    if (!counted)
        send_now(flow, peer, msg);
    else if (peer->backlog.head || !has_credit(flow, peer, msg))
        backlog_push(flow, peer, msg);
    else
        pass_on(flow, peer, msg, true);
}

void
c4pi_flow_flush(c4pi_flow_t *flow)
{
    peer_t *peer = flow->open;
    flow->open = NULL;
    while (peer) {
        peer_t *next = peer->next_open;
        peer->listed = false;
        flush_peer(flow, peer);
        peer = next;
    }
}

bool
c4pi_flow_has_open(const c4pi_flow_t *flow)
{
    return flow->num_open > 0;
}

void
c4pi_flow_set_busy(c4pi_flow_t *flow, bool busy)
{
    flow->turn++;
    flow->busy = busy;
}

void
c4pi_flow_no_limits(c4pi_flow_t *flow)
{
    size_t at = 0;
    uint64_t rank;
    void *peer;

    if (flow->no_limits)
        return;
    flow->no_limits = true;
    while (c4pi_map_next(&flow->peers, &at, &rank, &peer))
        backlog_drain(flow, peer);
    c4pi_flow_flush(flow);
}

/* ---- credit --------------------------------------------------------------------------------------- */

static void
credit_send(c4pi_flow_t *flow, peer_t *peer)
{
    c4p_msg_t *msg = c4pi_msg_alloc(flow->msgs, 0);
    if (!msg) {
        die_of_memory(flow, "returning credit");
        return;
    }
    peer->told = peer->taken;
    msg->env.kind = C4PI_CREDIT;
    msg->env.source = (uint32_t)flow->comm->rank & 0xffffff;
    msg->env.reference = peer->taken;
    count_sent(flow, msg, false);
    send_now(flow, peer, msg);
}

void
c4pi_flow_take(c4pi_flow_t *flow, c4p_msg_t *msg)
{
    peer_t *peer = msg->peer;
    if (!peer)
        return;
    msg->peer = NULL;
    peer->taken += msg->credit;
    if (peer->taken - peer->told >= flow->step && !flow->no_limits)
        credit_send(flow, peer);
}

/* msgs->taken: a received message was freed. */
static void
message_taken(void *ctx, c4p_msg_t *msg)
{
    c4pi_flow_take(ctx, msg);
}

static void
credit_arrived(c4pi_flow_t *flow, int source, c4p_msg_t *msg)
{
    peer_t *peer = peer_of(flow, source);
    if (!peer)
        return;
    uint64_t taken = msg->env.reference - peer->acked;
    c4pi_msg_drop(msg);
    if (taken > peer->sent - peer->acked) {
        die_of_damage(flow, source, "it gives credit for what was never sent");
        return;
    }
    peer->acked += taken;
    backlog_drain(flow, peer);
}

/* ---- in ------------------------------------------------------------------------------------------- */

/* A single message, already checked. */
static inline void
hand_up(c4pi_flow_t *flow, int source, c4p_msg_t *msg)
{
    size_t bytes = wire_bytes(msg);

    flow->counts.all_received++;
    flow->counts.bytes_received += bytes;
    msg->where = NULL;
    if (msg->env.kind == C4PI_CREDIT) {
        credit_arrived(flow, source, msg);
        return;
    }
    if (flow->counted[msg->env.kind]) {
        flow->counts.counted_received++;
        if (bytes <= flow->small_bytes && !flow->no_limits) {
            msg->peer = peer_of(flow, source);
            msg->credit = (uint16_t)bytes;
        }
    }
    flow->budget--;
    flow->did++;
    flow->deliver(flow->deliver_ctx, msg);
}

/* The next message of a batch, as a message of its own; NULL after damage. */
static inline c4p_msg_t *
batch_next(c4pi_flow_t *flow, int source, c4p_msg_t *batch, size_t *at)
{
    const char *from = (const char *)c4pi_msg_payload(batch) + *at;
    size_t left = (size_t)batch->env.len - *at;
    uint64_t len = 0;
    const char *wrong = "a batch is cut off";

    if (left >= sizeof(c4pi_env_t)) {
        memcpy(&len, from + offsetof(c4pi_env_t, len), sizeof len);
        if (len <= left - sizeof(c4pi_env_t))
            wrong = c4pi_env_check(from, sizeof(c4pi_env_t) + (size_t)len, flow->comm->num_ranks);
        if (!wrong && (uint8_t)*from == C4PI_BATCH)
            wrong = "a batch in a batch";
    }
    if (wrong) {
        die_of_damage(flow, source, wrong);
        return NULL;
    }
    c4p_msg_t *msg = c4pi_msg_alloc(flow->msgs, (size_t)len);
    if (!msg) {
        die_of_memory(flow, "receiving a message");
        return NULL;
    }
    memcpy(&msg->env, from, sizeof(c4pi_env_t) + (size_t)len);
    size_t next = *at + c4pi_batch_padded(sizeof(c4pi_env_t) + (size_t)len);
    *at = next < batch->env.len ? next : (size_t)batch->env.len;
    return msg;
}

/* Hand up what the budget allows of a batch from *at on; true if it was all. */
static bool
unpack(c4pi_flow_t *flow, int source, c4p_msg_t *batch, size_t *at)
{
    while (*at < batch->env.len) {
        if (flow->budget <= 0)
            return false;
        c4p_msg_t *msg = batch_next(flow, source, batch, at);
        if (!msg)
            return false;
        hand_up(flow, source, msg);
    }
    return true;
}

/* The back end's upcall. */
static void
arrived(void *ctx, c4p_msg_t *msg)
{
    c4pi_flow_t *flow = ctx;
    int source = (int)(uintptr_t)msg->where;
    size_t at = 0;

    const char *wrong = c4pi_env_check(&msg->env, wire_bytes(msg), flow->comm->num_ranks);
    if (wrong) {
        c4pi_msg_drop(msg);
        die_of_damage(flow, source, wrong);
        return;
    }
    if (flow->arrived.head || flow->budget <= 0) {
        c4pi_fifo_push(&flow->arrived, msg);
    } else if (msg->env.kind != C4PI_BATCH) {
        hand_up(flow, source, msg);
    } else if (unpack(flow, source, msg, &at)) {
        c4pi_msg_drop(msg);
    } else {
        flow->batch_at = at;
        c4pi_fifo_push(&flow->arrived, msg);
    }
}

/* Hand up what earlier polls left. */
static void
deliver_arrived(c4pi_flow_t *flow)
{
    while (flow->arrived.head && flow->budget > 0) {
        c4p_msg_t *msg = flow->arrived.head;
        int source = (int)(uintptr_t)msg->where;
        if (msg->env.kind != C4PI_BATCH) {
            (void)c4pi_fifo_pop(&flow->arrived);
            hand_up(flow, source, msg);
        } else if (unpack(flow, source, msg, &flow->batch_at)) {
            (void)c4pi_fifo_pop(&flow->arrived);
            flow->batch_at = 0;
            c4pi_msg_drop(msg);
        }
    }
}

int
c4pi_flow_poll(c4pi_flow_t *flow, int max)
{
    int got = 0;

    if (flow->polling) /* from inside a delivery: what comes would overtake what is being delivered
                        */
        return 0;
    flow->polling = true;
    flow->budget = max;
    flow->did = 0;
    if (flow->arrived.head)
        deliver_arrived(flow);
    c4p_status_t st = flow->comm->ops->poll(flow->comm, flow->budget > 0 ? flow->budget : 0, &got);
    if (st != C4P_OK)
        die(flow, st);
    flow->budget = 0;
    flow->polling = false;
    return flow->did;
}

/* ---- the rest ------------------------------------------------------------------------------------- */

void
c4pi_flow_counts(const c4pi_flow_t *flow, c4pi_flow_counts_t *counts_out)
{
    *counts_out = flow->counts;
}

c4pi_flow_credit_t
c4pi_flow_credit(const c4pi_flow_t *flow, int rank)
{
    const peer_t *peer = c4pi_map_get(&flow->peers, (uint64_t)rank);
    uint64_t base = flow->counter_base;
    return peer ? (c4pi_flow_credit_t){peer->sent, peer->acked, peer->taken, peer->told}
                : (c4pi_flow_credit_t){base, base, base, base};
}

bool
c4pi_flow_drained(const c4pi_flow_t *flow)
{
    return flow->num_open == 0 && flow->counts.backlog_msgs == 0 &&
           flow->comm->ops->sends_pending(flow->comm) == 0;
}

c4p_status_t
c4pi_flow_finish(c4pi_flow_t *flow)
{
    c4pi_flow_no_limits(flow);
    flow->budget = INT32_MAX;
    return flow->comm->ops->finish(flow->comm);
}

void
c4pi_flow_abort(c4pi_flow_t *flow, int exit_status)
{
    flow->comm->ops->abort(flow->comm, exit_status);
}

c4p_status_t
c4pi_flow_before_fork(c4pi_flow_t *flow)
{
    const c4pi_comm_ops_t *ops = flow->comm->ops;
    return !ops->before_fork || ops->before_fork(flow->comm) ? C4P_OK : C4P_ERR_NOMEM;
}

c4pi_comm_t *
c4pi_flow_comm(c4pi_flow_t *flow)
{
    return flow->comm;
}

void
c4pi_flow_set_deliver(c4pi_flow_t *flow, c4pi_deliver_fn_t deliver, void *ctx)
{
    flow->deliver = deliver;
    flow->deliver_ctx = ctx;
}

void
c4pi_flow_set_credit(c4pi_flow_t *flow, uint64_t bytes)
{
    uint64_t least = 4 * flow->small_bytes;
    flow->window = bytes > least ? bytes : least;
    flow->step = flow->window / 4;
}

/* Until somebody listens. */
static void
drop_message(void *ctx, c4p_msg_t *msg)
{
    (void)ctx;
    c4pi_msg_drop(msg);
}

c4p_status_t
c4pi_flow_new(c4pi_port_t *port, c4pi_msgs_t *msgs, c4pi_comm_t *comm, const c4p_opts_t *opts,
              c4pi_flow_t **flow_out)
{
    c4pi_flow_t *flow = c4pi_calloc(port, sizeof *flow);
    if (!flow)
        return C4P_ERR_NOMEM;
    flow->port = port;
    flow->msgs = msgs;
    flow->comm = comm;
    flow->deliver = drop_message;
    flow->small_bytes = comm->small_bytes;
    flow->batch_bytes = opts->batch_bytes;
    flow->batch_cap = (comm->small_bytes - sizeof(c4pi_env_t)) & ~(size_t)(C4PI_BATCH_ALIGN - 1);
    flow->counter_base = opts->counter_base;
    c4pi_flow_set_credit(flow, opts->credit_bytes);
    for (int kind = 0; kind < C4PI_NUM_KINDS; kind++)
        flow->counted[kind] = c4pi_kind_counted((c4pi_kind_t)kind);
    c4pi_map_init(&flow->peers, port);
    c4pi_pool_init(&flow->peer_pool, port, sizeof(peer_t), 16);
    comm->deliver = arrived;
    comm->deliver_ctx = flow;
    msgs->taken = message_taken;
    msgs->taken_ctx = flow;
    *flow_out = flow;
    return C4P_OK;
}

static void
fifo_drop(c4pi_fifo_t *fifo)
{
    c4p_msg_t *msg;
    while ((msg = c4pi_fifo_pop(fifo)) != NULL)
        c4pi_msg_drop(msg);
}

void
c4pi_flow_free(c4pi_flow_t *flow)
{
    size_t at = 0;
    uint64_t rank;
    void *value;

    if (!flow)
        return;
    flow->msgs->taken = NULL;
    fifo_drop(&flow->arrived);
    while (c4pi_map_next(&flow->peers, &at, &rank, &value)) {
        peer_t *peer = value;
        fifo_drop(&peer->backlog);
        if (peer->first)
            c4pi_msg_drop(peer->first);
        if (peer->batch)
            c4pi_msg_drop(peer->batch);
    }
    flow->comm->ops->free_comm(flow->comm);
    c4pi_map_fini(&flow->peers);
    c4pi_pool_fini(&flow->peer_pool);
    c4pi_free(flow->port, flow, sizeof *flow);
}
