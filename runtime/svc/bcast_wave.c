/* SPDX-License-Identifier: Apache-2.0 */
/* bcast_wave.c: the wave that tells the root which broadcasts nobody needs any more. One at a time
 * per collection, so reports never overlap. A wave that asks how often an awaited broadcast was
 * begun waits at each rank until its elements, those on their way included, have passed that
 * broadcast. */
#include "core/route.h"
#include "svc/bcast_state.h"

enum { STAGE_ASK, STAGE_DOWN, STAGE_UP, STAGE_RELEASE };

typedef struct wave_body {
    uint64_t min, query, started; /* RELEASE: query: awaited numbers below it are done with */
} wave_body_t;

static void
send_stage(c4pi_coll_t *coll, int rank, uint16_t stage, const wave_body_t *body)
{
    c4p_rt_t *rt = coll->rt;
    c4p_msg_t *msg = c4pi_msg_or_die(rt, sizeof *body);
    *(wave_body_t *)c4pi_msg_payload(msg) = *body;
    msg->env.kind = C4PI_BCAST_WAVE;
    msg->env.coll = coll->id;
    msg->env.entry = stage;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    c4pi_send_to(rt, rank, msg);
}

static int
send_to_children(c4pi_coll_t *coll, uint16_t stage, const wave_body_t *body)
{
    int children[C4PI_TREE_ARITY];
    int n = c4pi_coll_children(coll, children);
    for (int i = 0; i < n; i++)
        send_stage(coll, children[i], stage, body);
    return n;
}

static void
release(c4pi_coll_t *coll, uint64_t min, uint64_t done)
{
    c4pi_bcast_t *b = coll->bcast;
    wave_body_t body = {.min = min, .query = done};
    (void)send_to_children(coll, STAGE_RELEASE, &body);
    c4pi_bcast_prune(coll, min);
    c4pi_await_release(coll, done);
    b->asked = false;
    b->log_limit = 2 * (b->have - b->base);
    if (b->log_limit < coll->rt->opts.bcast_log)
        b->log_limit = coll->rt->opts.bcast_log;
}

/* All children have answered: add this rank's own part, which must be read after theirs was asked
 * for and only once. */
static void
answer(c4pi_coll_t *coll)
{
    c4p_rt_t *rt = coll->rt;
    c4pi_bcast_t *b = coll->bcast;
    uint64_t min = c4pi_bcast_local_min(coll);
    for (uint32_t i = 0; i < b->num_departures; i++)
        if (b->departures[i].floor < min)
            min = b->departures[i].floor;
    if (b->floor_since < min)
        min = b->floor_since;
    b->floor_since = UINT64_MAX;
    if (min < b->wave_min)
        b->wave_min = min;
    c4pi_await_t *await = c4pi_await_find(coll, b->wave_query);
    b->wave_started += await ? await->started : 0;
    b->wave_open = false;
    wave_body_t body = {b->wave_min, b->wave_query, b->wave_started};
    if (rt->rank != coll->root) {
        send_stage(coll, c4pi_coll_parent(coll), STAGE_UP, &body);
        return;
    }
    bool again = b->wave_again;
    b->wave_again = false;
    c4pi_await_collect(coll, body.min, body.query, body.started);
    uint64_t keep = c4pi_await_keep(coll);
    release(coll, body.min, keep < body.min ? keep : body.min);
    c4pi_await_after_wave(coll);
    if (again)
        c4pi_wave_start(coll);
}

/* Has somebody here, or on the way from here, still to run the broadcast that is asked for? */
static bool
behind(const c4pi_coll_t *coll)
{
    const c4pi_bcast_t *b = coll->bcast;
    if (b->wave_query == C4PI_REPLY_CREATION)
        return false;
    for (uint32_t i = 0; i < b->num_departures; i++)
        if (b->departures[i].floor <= b->wave_query)
            return true;
    return c4pi_bcast_local_min(coll) <= b->wave_query;
}

static void
answer_if_ready(c4pi_coll_t *coll)
{
    if (coll->bcast->wave_missing == 0 && !behind(coll))
        answer(coll);
}

void
c4pi_wave_caught_up(c4pi_coll_t *coll)
{
    if (coll->bcast->wave_open)
        answer_if_ready(coll);
}

static void
begin(c4pi_coll_t *coll, uint64_t query)
{
    c4pi_bcast_t *b = coll->bcast;
    b->wave_open = true;
    b->wave_min = UINT64_MAX;
    b->wave_query = query;
    b->wave_started = 0;
    wave_body_t body = {.query = query};
    b->wave_missing = send_to_children(coll, STAGE_DOWN, &body);
    answer_if_ready(coll);
}

void
c4pi_wave_start(c4pi_coll_t *coll)
{
    if (coll->bcast->wave_open)
        coll->bcast->wave_again = true;
    else
        begin(coll, c4pi_await_query(coll));
}

void
c4pi_wave_ask(c4pi_coll_t *coll)
{
    wave_body_t body = {0};
    if (coll->bcast->asked)
        return;
    coll->bcast->asked = true;
    send_stage(coll, coll->root, STAGE_ASK, &body);
}

void
c4pi_wave_on_message(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (!coll) {
        c4pi_park_stranger(rt, msg);
        return;
    }
    if (msg->env.len != sizeof(wave_body_t))
        c4pi_die(rt, C4P_ERR_DATA, "a release wave of the wrong length from rank %d",
                 (int)msg->env.source);
    c4pi_bcast_t *b = coll->bcast;
    wave_body_t body = *(wave_body_t *)c4pi_msg_payload(msg);
    uint16_t stage = msg->env.entry;
    c4pi_msg_drop(msg);
    switch (stage) {
    case STAGE_ASK:
        c4pi_wave_start(coll);
        break;
    case STAGE_DOWN:
        begin(coll, body.query);
        break;
    case STAGE_UP:
        if (body.min < b->wave_min)
            b->wave_min = body.min;
        b->wave_started += body.started;
        b->wave_missing--;
        answer_if_ready(coll);
        break;
    default:
        release(coll, body.min, body.query);
    }
    c4pi_count_processed(rt);
}
