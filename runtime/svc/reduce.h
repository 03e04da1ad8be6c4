/* SPDX-License-Identifier: Apache-2.0 */
/* reduce.h: reductions by token conservation. Every element that owes reduction r gives exactly one
 * token for r: a contribution, or its death. A partial is {r, old tokens, new tokens, births,
 * deaths, data}; ranks add up and never judge. The root, which every insertion passes, closes r
 * exactly when the old tokens are the population N(r), and the new ones as many as the births
 * declared for r and as the insertions seen for r; then N(r+1) = N(r) + births - deaths. (Declared
 * alone would not do: a new element whose own token is missing may have inserted another, whose
 * token would stand in for it.) So nothing depends on where elements are. Holding partials back to
 * combine them is only a hint: a rank sends its partial when its own elements have given their
 * tokens and its active children have reported, and at the latest when it is idle. After
 * tests/models/reduction.pml, variant 2. Pump thread only. */
#ifndef C4PI_REDUCE_H
#define C4PI_REDUCE_H

#include <c4p/collective.h>

#include "core/collection.h"
#include "svc/accum.h"

void c4pi_reduce_init(c4p_rt_t *rt);
c4p_status_t c4pi_reduce_new(c4pi_coll_t *coll);
void c4pi_reduce_free(c4pi_coll_t *coll);

/* What the data side needs to know of a collection. */
void c4pi_reduce_env(c4pi_coll_t *coll, c4pi_accum_env_t *env_out);

/* The number that elements made with the collection start with. */
uint64_t c4pi_reduce_first(const c4pi_coll_t *coll);

/* This rank has joined a section's tree, with nothing yet that contributes. */
void c4pi_reduce_begin_idle(c4pi_coll_t *coll);

/* Contribute for a local element; how and data are checked. */
void c4pi_reduce_contribute(c4pi_elem_t *elem, const c4p_reduce_t *how, const void *data,
                            size_t len, const c4p_target_t *target);
/* A local element dies: its token. Call before it is removed. */
void c4pi_reduce_death(c4pi_elem_t *elem);
/* A local element was added, or is about to be removed because it moves. */
void c4pi_reduce_arrived(c4pi_elem_t *elem);
void c4pi_reduce_leaving(c4pi_elem_t *elem);
/* Elements came or went: tell the parent if this sub-tree became active or empty, send what needs
 * no more waiting. */
void c4pi_reduce_settle(c4pi_coll_t *coll);

/* Root: the population of reduction 0 is known. */
void c4pi_reduce_open(c4pi_coll_t *coll, uint64_t population);
bool c4pi_reduce_is_open(const c4pi_coll_t *coll);
/* Root: an element inserted from outside the collection: the number it starts with; declares the
 * birth. */
uint64_t c4pi_reduce_birth(c4pi_coll_t *coll);
/* Root: an element inserted by a member passes, which starts with the creator's next reduction. */
void c4pi_reduce_member_birth(c4pi_coll_t *coll, uint64_t number);

/* Send partials held here, because nothing else happens: those that no element of this rank still
 * owes its part of, or all. True if there were any. */
bool c4pi_reduce_flush(c4p_rt_t *rt, bool all);

/* Bring a result, or the news of quiescence, to its target. Takes over one owner; value NULL: no
 * bytes. */
void c4pi_target_deliver(c4p_rt_t *rt, const c4p_target_t *target, c4p_msg_t *value);

/* For the stall report: reductions that lack contributors. Returns how many; report may be NULL. */
uint64_t c4pi_reduce_list(c4pi_coll_t *coll, struct c4p_report *report);

#endif
