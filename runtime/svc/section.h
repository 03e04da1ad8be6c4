/* SPDX-License-Identifier: Apache-2.0 */
/* section.h: sections. A section is a static collection of its own kind: on each rank where members
 * are, and on its creator's, it has one record per member, which stands for it: broadcasts to the
 * section are numbered, sent down and counted like those to any collection, and each record has its
 * member run them; reductions over the section are given tokens by the records.
 *
 * The tree is made for the ranks that take part: the creator sends each child the list of its
 * sub-tree, the child keeps what is its own and does likewise with the rest. A record is where its
 * member was, or was thought to be, when the section was made, and follows it when it moves. A
 * member that is elsewhere, since the section did not know better or the record is late, is called
 * by way of ordinary routing, and sends its contributions to the record, whose first rank the
 * creator tells, and each rank where it has been the next. Broadcasts and contributions carry their
 * numbers, and the member its own, so that both are in order while it moves. Pump thread only. */
#ifndef C4PI_SECTION_H
#define C4PI_SECTION_H

#include <c4p/section.h>

#include "core/collection.h"
#include "msg/pup.h"

void c4pi_section_init(c4p_rt_t *rt);
void c4pi_section_fini(c4p_rt_t *rt);
void c4pi_section_free(c4pi_coll_t *coll); /* what coll->section points to; NULL is fine */

/* Make it and tell the ranks of the members. Arguments are checked. Dies when out of memory. */
c4p_coll_t c4pi_section_create(c4p_rt_t *rt, c4pi_type_t *type, const c4p_ref_t *members, size_t n);

/* For a checkpoint, at its root: what it is; and make it again, on the rank that is its root now.
 * C4P_ERR_DATA if these bytes are none. */
void c4pi_section_put(const c4pi_coll_t *coll, c4p_pup_t *p);
c4p_status_t c4pi_section_restore(c4p_rt_t *rt, c4p_coll_t id, c4p_pup_t *p);

/* A member leaves for another rank: its records follow. Before the member itself is sent. */
void c4pi_section_leave(c4pi_elem_t *elem, int dest);

/* Let the member for which a record stands run broadcast msg, the number-th of the section; reply
 * says who waits. msg is borrowed. */
void
c4pi_section_run(c4pi_elem_t *record, uint64_t number, c4p_msg_t *msg, const c4p_reply_t *reply);

/* Contribute for a member that lives here, whose record may be here or elsewhere, known or not; how
 * and data are checked. The member counts its contributions and takes the count along when it
 * moves; the record puts them in order. */
void c4pi_section_contribute(c4pi_elem_t *elem, c4p_coll_t section, const c4p_reduce_t *how,
                             const void *data, size_t len, const c4p_target_t *target);
/* Is it certain here that this is no member? */
bool c4pi_section_excludes(c4pi_coll_t *coll, c4p_ref_t self);

#endif
