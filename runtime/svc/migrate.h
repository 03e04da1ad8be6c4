/* SPDX-License-Identifier: Apache-2.0 */
/* migrate.h: moving one element: pack, ship, unpack, announce. Everything the runtime knows about
 * the element travels in one message: version, position in the broadcast and reduction streams,
 * births not yet declared. An element that cannot be packed stays where it is; one that cannot be
 * unpacked has arrived, for everybody, and at once leaves again for where it came from, in the same
 * bytes. Pump thread only. */
#ifndef C4PI_MIGRATE_H
#define C4PI_MIGRATE_H

#include "core/collection.h"

void c4pi_migrate_init(c4p_rt_t *rt);

/* Whether the runtime may move a local element of its own accord: it can be packed, and neither the
 * program nor its type objects. */
bool c4pi_may_move(const c4pi_elem_t *elem);
/* Move a local element, see c4p_migrate(). A later call, before it has left, changes where it goes.
 */
c4p_status_t c4pi_migrate(c4pi_elem_t *elem, int rank, const c4p_reply_t *answer);
/* The same for load balancing, which hears of it: rt->on_balanced_comes() there, or
 * rt->on_balanced_stays() here if it does not move after all. */
c4p_status_t c4pi_migrate_balanced(c4pi_elem_t *elem, int rank);

#endif
