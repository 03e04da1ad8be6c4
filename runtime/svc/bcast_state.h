/* SPDX-License-Identifier: Apache-2.0 */
/* bcast_state.h: what bcast.c (stream and log), bcast_await.c (completions) and bcast_wave.c
 * (release) share. Private to them. */
#ifndef C4PI_BCAST_STATE_H
#define C4PI_BCAST_STATE_H

#include "svc/accum.h"
#include "svc/bcast.h"

/* One awaited broadcast, or the creation, at one rank. */
typedef struct c4pi_await {
    c4pi_link_t link;
    uint64_t number;
    c4p_future_t future;
    c4p_bcast_reply_t how;
    uint64_t started;  /* executions begun here, ever */
    uint64_t finished; /* of those */
    uint64_t below;    /* finished executions that children reported */
    uint64_t told;     /* of finished + below: reported to the parent */
    uint64_t expected; /* root: all executions, once known */
    uint32_t children; /* which children have reported at least once */
    bool inserting;    /* some rank had insertions under way whose elements may run it too */
    bool passed;       /* everything that was here has been started */
    bool reported;     /* this sub-tree has reported at least once */
    bool known;        /* root: expected is final */
    bool released;     /* no further execution will start here, and those begun were asked for */
    uint64_t since_ns;
    c4pi_accum_t *values;
} c4pi_await_t;

typedef struct c4pi_departure {
    c4p_key_t key;
    c4pi_version_t version;
    uint64_t floor;
} c4pi_departure_t;

typedef struct c4pi_bcast {
    /* The log holds numbers [base, have), ring[(base - first) ...]. */
    c4p_msg_t **log;
    uint32_t log_cap, log_head;
    uint64_t base, have, log_bytes;
    uint64_t next;      /* root: the next number to give */
    uint64_t log_limit; /* ask for a wave when the log is longer */
    bool asked;         /* the root was asked since the last release */
    uint64_t released;  /* nobody will start a broadcast below this number, or ask for it */
    /* Elements on their way. */
    c4pi_departure_t *departures;
    uint32_t num_departures;
    uint32_t last_arrived; /* where the departure was that arrived last */
    size_t cap_departures;
    uint64_t floor_since; /* least floor of those acknowledged since this rank's previous report */
    /* The wave. */
    bool wave_open, wave_again;
    uint64_t wave_min, wave_query, wave_started;
    int wave_missing; /* children that have not answered */
    /* Completions. */
    c4pi_link_t awaits;
} c4pi_bcast_t;

static inline c4p_msg_t *
c4pi_bcast_at(const c4pi_bcast_t *b, uint64_t number)
{
    return b->log[(b->log_head + (uint32_t)(number - b->base)) & (b->log_cap - 1)];
}

/* bcast_await.c */
c4pi_await_t *c4pi_await_find(c4pi_coll_t *coll, uint64_t number);
c4pi_await_t *
c4pi_await_need(c4pi_coll_t *coll, uint64_t number, c4p_future_t future, c4p_bcast_reply_t how);
void c4pi_await_check(c4pi_coll_t *coll, c4pi_await_t *await); /* report or complete; may free it */
void c4pi_await_on_done(c4p_rt_t *rt, c4p_msg_t *msg);
void c4pi_await_free(c4pi_coll_t *coll, c4pi_await_t *await);
/* Root, after a wave with minimum `min` that asked for `query`, of which `started` executions
 * began: whose executions are known now. Then, when the release is sent: complete what can be, and
 * ask for the next. */
void c4pi_await_collect(c4pi_coll_t *coll, uint64_t min, uint64_t query, uint64_t started);
void c4pi_await_after_wave(c4pi_coll_t *coll);
/* Root: the least awaited number whose executions have still to be asked for. */
uint64_t c4pi_await_keep(const c4pi_coll_t *coll);
/* Nothing below `upto` will start any more or be asked for. */
void c4pi_await_release(c4pi_coll_t *coll, uint64_t upto);
/* The smallest awaited number whose executions are not known, or C4PI_REPLY_CREATION. */
uint64_t c4pi_await_query(const c4pi_coll_t *coll);

/* bcast_wave.c */
void c4pi_wave_start(c4pi_coll_t *coll); /* root */
void c4pi_wave_on_message(c4p_rt_t *rt, c4p_msg_t *msg);
void c4pi_wave_ask(c4pi_coll_t *coll); /* any rank: the log is long */
/* Elements have caught up, arrived or gone: a wave that waited for them is answered. */
void c4pi_wave_caught_up(c4pi_coll_t *coll);

/* bcast.c */
/* Is an insertion under way from here that was asked for before this rank had number? */
bool c4pi_bcast_inserting(const c4pi_coll_t *coll, uint64_t number);
void c4pi_bcast_prune(c4pi_coll_t *coll, uint64_t min); /* free log entries below min */
uint64_t c4pi_bcast_local_min(const c4pi_coll_t *coll);

#endif
