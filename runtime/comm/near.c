/* SPDX-License-Identifier: Apache-2.0 */
#include "comm/near.h"

#include <string.h>

#include "comm/lane.h"

enum {
    MOST_LOOKS = 16, /* at lanes, for one message */
    STREAK = 8       /* messages taken from one lane before the next has its turn */
};

/* A rank to which we send, or might. */
typedef struct neighbour {
    int rank;
    bool asked, has_lane; /* whether there is a lane is asked with the first message */
    c4pi_lane_out_t lane;
    c4pi_fifo_t waiting; /* msg->where is the length of the payload */
} neighbour_t;

/* A rank that sends to us. */
typedef struct caller {
    int rank;
    c4pi_lane_in_t lane;
} caller_t;

struct c4pi_near {
    c4pi_msgs_t *msgs;
    c4pi_shared_t *shared;
    int count; /* ranks of this host */
    neighbour_t *neighbours;
    neighbour_t *last; /* looked up last; NULL at first */
    uint64_t waiting;
    caller_t *callers;
    int num_callers, turn, taken; /* whose turn it is, and how many it had in this turn */
};

c4pi_near_t *
c4pi_near_new(c4pi_msgs_t *msgs, c4pi_shared_t *shared)
{
    c4pi_near_t *near = c4pi_calloc(msgs->port, sizeof *near);
    if (!near)
        return NULL;
    near->msgs = msgs;
    near->shared = shared;
    near->count = c4pi_shared_count(shared);
    near->neighbours = c4pi_calloc(msgs->port, (size_t)near->count * sizeof *near->neighbours);
    near->callers = c4pi_calloc(msgs->port, (size_t)near->count * sizeof *near->callers);
    if (!near->neighbours || !near->callers) {
        c4pi_near_free(near);
        return NULL;
    }
    for (int i = 0; i < near->count; i++)
        near->neighbours[i].rank = c4pi_shared_rank(shared, i);
    return near;
}

static void
drop_waiting(c4pi_near_t *near, neighbour_t *n)
{
    c4p_msg_t *msg;
    while ((msg = c4pi_fifo_pop(&n->waiting)) != NULL) {
        near->waiting--;
        c4pi_msg_drop(msg);
    }
}

void
c4pi_near_free(c4pi_near_t *near)
{
    if (!near)
        return;
    c4pi_port_t *port = near->msgs->port;
    while (near->waiting)
        for (int i = 0; i < near->count; i++)
            drop_waiting(near, &near->neighbours[i]);
    c4pi_free(port, near->neighbours, (size_t)near->count * sizeof *near->neighbours);
    c4pi_free(port, near->callers, (size_t)near->count * sizeof *near->callers);
    c4pi_free(port, near, sizeof *near);
}

/* ---- out -------------------------------------------------------------------------------------- */

/* The rank, if there is a lane to it. */
static inline neighbour_t *
neighbour_of(c4pi_near_t *near, int rank)
{
    neighbour_t *n = near->last;
    if (n && n->rank == rank)
        return n;
    int i = c4pi_shared_index(near->shared, rank);
    if (i < 0)
        return NULL;
    n = &near->neighbours[i];
    if (!n->asked) {
        n->asked = true;
        n->has_lane = c4pi_shared_lane_to(near->shared, i, &n->lane);
    }
    return n->has_lane ? near->last = n : NULL;
}

/* A message that others have too cannot stand in a queue of ours: it may be in one of theirs. */
static c4p_status_t
wait_for_room(c4pi_near_t *near, neighbour_t *n, c4p_msg_t *msg, size_t payload_len)
{
    if (msg->refs > 1) {
        c4p_msg_t *copy = c4pi_msg_copy(near->msgs, msg);
        if (!copy)
            return C4P_ERR_NOMEM;
        c4pi_msg_drop(msg);
        msg = copy;
    }
    msg->where = (void *)(uintptr_t)payload_len;
    c4pi_fifo_push(&n->waiting, msg);
    near->waiting++;
    return c4pi_msg_own(&msg); /* stays where it is; what release functions send comes behind it */
}

bool
c4pi_near_send(c4pi_near_t *near, int dest, c4p_msg_t *msg, size_t payload_len,
               c4p_status_t *st_out)
{
    neighbour_t *n = neighbour_of(near, dest);
    if (!n)
        return false;
    if (n->waiting.head || !c4pi_lane_put(&n->lane, msg, payload_len)) {
        *st_out = wait_for_room(near, n, msg, payload_len);
        return true;
    }
    c4pi_msg_drop(msg);
    *st_out = C4P_OK;
    return true;
}

static void
put_waiting(c4pi_near_t *near)
{
    for (int i = 0; i < near->count; i++) {
        neighbour_t *n = &near->neighbours[i];
        c4p_msg_t *msg;
        while ((msg = n->waiting.head) != NULL &&
               c4pi_lane_put(&n->lane, msg, (size_t)(uintptr_t)msg->where)) {
            near->waiting--;
            (void)c4pi_fifo_pop(&n->waiting);
            c4pi_msg_drop(msg);
        }
    }
}

bool
c4pi_near_is_all(const c4pi_near_t *near)
{
    return !c4pi_shared_has_strays(near->shared);
}

uint64_t
c4pi_near_waiting(const c4pi_near_t *near)
{
    return near->waiting;
}

/* ---- in --------------------------------------------------------------------------------------- */

void
c4pi_near_progress(c4pi_near_t *near)
{
    if (near->waiting)
        put_waiting(near);
    for (int i; (i = c4pi_shared_next_caller(near->shared)) >= 0;) {
        caller_t *caller = &near->callers[near->num_callers++];
        caller->rank = c4pi_shared_rank(near->shared, i);
        c4pi_shared_lane_from(near->shared, i, &caller->lane);
    }
}

static c4p_status_t
take_from(c4pi_near_t *near, caller_t *caller, const void *from, size_t bytes, c4p_msg_t **msg_out)
{
    if (bytes == 0)
        return C4P_ERR_DATA;
    c4p_msg_t *msg = c4pi_msg_alloc(near->msgs, bytes - sizeof(c4pi_env_t));
    if (!msg)
        return C4P_ERR_NOMEM;
    memcpy(&msg->env, from, bytes);
    c4pi_lane_pop(&caller->lane, bytes);
    *msg_out = msg;
    return C4P_OK;
}

static inline void
pass_turn_on(c4pi_near_t *near)
{
    near->taken = 0;
    near->turn = near->turn + 1 < near->num_callers ? near->turn + 1 : 0;
}

c4p_status_t
c4pi_near_take(c4pi_near_t *near, c4p_msg_t **msg_out, int *source_out, size_t *bytes_out)
{
    const int most = near->num_callers < MOST_LOOKS ? near->num_callers : MOST_LOOKS;
    *msg_out = NULL;
    for (int i = 0; i < most; i++) {
        caller_t *caller = &near->callers[near->turn];
        const void *from = c4pi_lane_front(&caller->lane, bytes_out);
        if (!from || ++near->taken == STREAK)
            pass_turn_on(near);
        if (from) {
            *source_out = caller->rank;
            return take_from(near, caller, from, *bytes_out, msg_out);
        }
    }
    return C4P_OK;
}
