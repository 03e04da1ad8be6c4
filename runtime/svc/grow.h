/* SPDX-License-Identifier: Apache-2.0 */
/* grow.h: how collections come to be and change: creation down a tree, insertion, the close of
 * initial insertion, deletion.
 *
 * Insertions and deletions go inserter -> root -> home -> destination. The root sees each first, so
 * it knows the population that reductions must reach: before "done inserting" it counts, afterwards
 * it declares a birth in the first open reduction; an element inserted by an element of the same
 * collection is declared in its creator's next token instead. The home refuses an index that
 * exists, gives the incarnation its nonce, and alone turns absent into present and back. Pump
 * thread only. */
#ifndef C4PI_GROW_H
#define C4PI_GROW_H

#include "core/collection.h"

void c4pi_grow_init(c4p_rt_t *rt);

/* Announce a new collection to all ranks and make this rank's part, constructors included. args may
 * be NULL; taken over on success. */
c4p_status_t
c4pi_grow_create(c4p_rt_t *rt, const c4pi_coll_t *proto, c4p_msg_t *args, c4p_future_t created);

/* Set up this rank's part of a collection and the records of its local elements; constructors are
 * still to run. args may be NULL; taken over on success. */
c4p_status_t c4pi_grow_make(c4p_rt_t *rt, const c4pi_coll_t *proto, c4p_msg_t *args,
                            c4p_future_t created, c4pi_coll_t **coll_out);

/* Insert, from any rank. args may be NULL; taken over on success. takes_part: in synchronization
 * points, also if the collection's elements do not. */
c4p_status_t c4pi_grow_insert(c4p_rt_t *rt, c4p_coll_t coll, c4p_key_t key, int rank,
                              c4p_msg_t *args, c4p_future_t created, bool takes_part);
void c4pi_grow_done(c4p_rt_t *rt, c4p_coll_t coll);
void c4pi_grow_destroy(c4p_rt_t *rt, c4p_ref_t ref);

/* Root: was anything ever inserted or deleted after creation? */
bool c4pi_grow_dynamic(const c4pi_coll_t *coll);
/* Root: now it is, or is about to be. */
void c4pi_grow_set_dynamic(c4pi_coll_t *coll);

/* Root, after a restart: its elements are all there, so many. known: their reductions are open. */
void c4pi_grow_restored(c4pi_coll_t *coll, uint64_t count, bool known, bool dynamic);

void c4pi_grow_free(c4pi_coll_t *coll);

/* Delete a local element now: its death is a token of the reduction it owes, its home is told. */
void c4pi_grow_destroy_now(c4pi_elem_t *elem);

#endif
