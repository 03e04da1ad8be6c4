/* SPDX-License-Identifier: Apache-2.0 */
#include "comm/perturb.h"

#include <string.h>

#include "base/map.h"
#include "comm/flow.h"

/* What has come from a rank and waits; the first until a time. */
typedef struct late {
    c4pi_fifo_t msgs;
    uint64_t until_ns;
} late_t;

/* Found as the context of the back end's deliver function. */
typedef struct slow {
    c4pi_perturb_t how;
    c4pi_comm_ops_t ops; /* the back end's with some of ours */
    const c4pi_comm_ops_t *real;
    c4pi_deliver_fn_t deliver;
    void *deliver_ctx;
    c4pi_comm_t *comm;
    uint64_t draws;
    uint64_t num_late;
    bool finishing; /* nothing is late any more */
    late_t late[];  /* for each rank */
} slow_t;

static slow_t *
slow_of(const c4pi_comm_t *comm)
{
    return comm->deliver_ctx;
}

static uint64_t
draw(slow_t *slow)
{
    return c4pi_hash_u64(slow->how.seed + slow->draws++);
}

static bool
chance(slow_t *slow, uint32_t p)
{
    return p && (draw(slow) & 0xffff) < p;
}

/* ---- late messages -------------------------------------------------------------------------------- */

/* Shall the next message of this rank wait? */
static bool
begin_delay(slow_t *slow, late_t *late)
{
    if (slow->finishing || !chance(slow, slow->how.delay))
        return false;
    late->until_ns = c4pi_now_ns(slow->comm->port) + draw(slow) % slow->how.delay_ns;
    return true;
}

/* The back end's upcall. */
static void
arrived(void *ctx, c4p_msg_t *msg)
{
    slow_t *slow = ctx;
    late_t *late = &slow->late[(uintptr_t)msg->where];
    if (!late->msgs.head && !begin_delay(slow, late)) {
        slow->deliver(slow->deliver_ctx, msg);
        return;
    }
    c4pi_fifo_push(&late->msgs, msg);
    slow->num_late++;
}

static void
release(slow_t *slow)
{
    uint64_t now = c4pi_now_ns(slow->comm->port);
    for (int rank = 0; slow->num_late && rank < slow->comm->num_ranks; rank++) {
        late_t *late = &slow->late[rank];
        while (late->msgs.head && (slow->finishing || now >= late->until_ns)) {
            slow->num_late--;
            slow->deliver(slow->deliver_ctx, c4pi_fifo_pop(&late->msgs));
            if (late->msgs.head && begin_delay(slow, late))
                break;
        }
    }
}

static c4p_status_t
poll_late(c4pi_comm_t *comm, int max, int *did_out)
{
    slow_t *slow = slow_of(comm);
    c4p_status_t st = slow->real->poll(comm, max, did_out);
    if (slow->num_late)
        release(slow);
    return st;
}

static c4p_status_t
finish_late(c4pi_comm_t *comm)
{
    slow_t *slow = slow_of(comm);
    slow->finishing = true;
    release(slow);
    return slow->real->finish(comm);
}

/* ---- batches -------------------------------------------------------------------------------------- */

/* Bytes of a batch up to one of the boundaries between its messages; 0: there is none. */
static size_t
some_boundary(slow_t *slow, c4p_msg_t *batch)
{
    const char *bytes = c4pi_msg_payload(batch);
    size_t chosen = 0, seen = 0;
    for (size_t at = 0; at < batch->env.len;) {
        c4pi_env_t env;
        memcpy(&env, bytes + at, sizeof env);
        if (at && draw(slow) % ++seen == 0)
            chosen = at;
        at += c4pi_batch_padded(sizeof env + (size_t)env.len);
    }
    return chosen;
}

static c4p_status_t
send_split(c4pi_comm_t *comm, int dest, c4p_msg_t *msg)
{
    slow_t *slow = slow_of(comm);
    bool cut = msg->env.kind == C4PI_BATCH && chance(slow, slow->how.split);
    size_t at = cut ? some_boundary(slow, msg) : 0;
    c4p_msg_t *rest = at ? c4pi_msg_alloc(comm->msgs, (size_t)msg->env.len - at) : NULL;
    if (!rest)
        return slow->real->send(comm, dest, msg);
    rest->env.kind = C4PI_BATCH;
    rest->env.source = msg->env.source;
    memcpy(c4pi_msg_payload(rest), (char *)c4pi_msg_payload(msg) + at, (size_t)rest->env.len);
    msg->env.len = at;
    c4p_status_t st = slow->real->send(comm, dest, msg);
    return st == C4P_OK ? slow->real->send(comm, dest, rest) : st;
}

/* ---- life ----------------------------------------------------------------------------------------- */

static size_t
size_for(const c4pi_comm_t *comm)
{
    return sizeof(slow_t) + (size_t)comm->num_ranks * sizeof(late_t);
}

static void
free_slow(c4pi_comm_t *comm)
{
    slow_t *slow = slow_of(comm);
    const c4pi_comm_ops_t *real = slow->real;
    for (int rank = 0; rank < comm->num_ranks; rank++)
        for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(&slow->late[rank].msgs)) != NULL;)
            c4pi_msg_drop(msg);
    c4pi_free(comm->port, slow, size_for(comm));
    comm->ops = real;
    real->free_comm(comm);
}

c4p_status_t
c4pi_perturb(c4pi_comm_t *comm, const c4pi_perturb_t *how)
{
    slow_t *slow = c4pi_calloc(comm->port, size_for(comm));
    if (!slow)
        return C4P_ERR_NOMEM;
    slow->how = *how;
    slow->real = comm->ops;
    slow->ops = *comm->ops;
    slow->ops.poll = poll_late;
    slow->ops.finish = finish_late;
    slow->ops.send = send_split;
    slow->ops.free_comm = free_slow;
    slow->deliver = comm->deliver;
    slow->deliver_ctx = comm->deliver_ctx;
    slow->comm = comm;
    comm->ops = &slow->ops;
    comm->deliver = arrived;
    comm->deliver_ctx = slow;
    return C4P_OK;
}
