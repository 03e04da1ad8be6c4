/* SPDX-License-Identifier: Apache-2.0 */
/* route.h: where messages go. The only module that hands messages to the transport, and the one
 * place where a message for an element is delivered, forwarded, held or parked. Rules as in
 * docs/architecture.md "Location". Pump thread only. */
#ifndef C4PI_ROUTE_H
#define C4PI_ROUTE_H

#include "core/collection.h"
#include "core/location.h"

/* Register the handlers of the kinds that route itself deals with. */
void c4pi_route_init(c4p_rt_t *rt);

/* Send a protocol message (kind and fields set) to a rank, this one included; counted kinds are
 * counted as created. On this rank its handler runs at once, so callers must be done with their own
 * state first. Takes over one owner. */
void c4pi_send_to(c4p_rt_t *rt, int rank, c4p_msg_t *msg);
/* A message of a protocol in stages, which stand in env.entry; msg NULL: one without payload. */
void c4pi_send_stage(c4p_rt_t *rt, int rank, c4pi_kind_t kind, uint16_t stage, c4p_msg_t *msg);

/* Put a message into this rank's queue; counted as created. For kinds with a run function
 * (dispatch.h). Takes over one owner. */
void c4pi_enqueue_new(c4p_rt_t *rt, c4p_msg_t *msg);
/* The same for a message that is counted already. */
void c4pi_enqueue(c4p_rt_t *rt, c4p_msg_t *msg);

/* Bring a message (USER, DESTROY) to its element wherever that is; counted already. Takes over one
 * owner. */
void c4pi_route(c4p_rt_t *rt, c4p_msg_t *msg);

/* Count as created, then route. */
static inline void
c4pi_route_new(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_count_created(rt);
    c4pi_route(rt, msg);
}

/* Keep a message for a collection that this rank has not heard of, until c4pi_claim_strangers().
 * Counted as processed meanwhile. */
void c4pi_park_stranger(c4p_rt_t *rt, c4p_msg_t *msg);
/* The collection is known now: handle its parked messages. Calls of this rank's own behind an
 * insertion of its own wait for that, see newborn.h. */
void c4pi_claim_strangers(c4p_rt_t *rt, c4p_coll_t id);

/* An element arrived or was made here: what was held for it is delivered. */
void c4pi_release_held(c4pi_coll_t *coll, c4p_key_t key);
/* Something new is known about an index: route what was held for it again. Does not touch loc
 * afterwards. */
void c4pi_reroute_held(c4pi_loc_t *loc);

/* Tell the home (possibly here) about an element: alive at this rank, or dead. left_from: the rank
 * to be acknowledged, or -1. */
void
c4pi_tell_home(c4pi_coll_t *coll, c4p_key_t key, c4pi_version_t version, int left_from, bool dead);

/* A message that can never be delivered: its sender's future gets an error; else it is counted and
 * logged at debug level. */
void c4pi_dead_letter(c4p_rt_t *rt, c4p_msg_t *msg, c4p_status_t why);

/* A message that stands for the same and can leave this rank: a message of an object is flattened.
 * Takes over one owner, gives one back. */
c4p_msg_t *c4pi_msg_as_bytes(c4p_rt_t *rt, c4p_msg_t *msg);

/* The home of a key or die with a report (a user's map that answers no rank). */
int c4pi_home_or_die(c4pi_coll_t *coll, c4p_key_t key);

#endif
