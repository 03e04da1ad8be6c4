/* SPDX-License-Identifier: Apache-2.0 */
/* migrate.h: moving one element: pack, ship, unpack, announce. Everything the runtime knows about
 * the element travels in one message: version, position in the broadcast and reduction streams,
 * births not yet declared. An element that cannot be packed stays where it is. Pump thread only. */
#ifndef C4PI_MIGRATE_H
#define C4PI_MIGRATE_H

#include "core/collection.h"

void c4pi_migrate_init(c4p_rt_t *rt);

/* Move a local element to another rank, now or, while its entry method runs, right after.
 * C4P_ERR_BUSY while it has suspended activities, C4P_ERR_TYPE for a type that cannot be packed or
 * a group, C4P_ERR_RANGE; C4P_OK also when it is there already. */
c4p_status_t c4pi_migrate(c4pi_elem_t *elem, int rank);

#endif
