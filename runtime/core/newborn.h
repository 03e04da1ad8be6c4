/* SPDX-License-Identifier: Apache-2.0 */
/* newborn.h: indices that this rank has asked to be inserted and has not yet heard of. What it does
 * to such an index meanwhile (calls, a deletion, a further insertion) stays here, in line: an
 * insertion travels by way of the root and the home and may wait there for the death of an earlier
 * incarnation, and a message that went at once could be run by that one, or be given up as its. The
 * rule is that of tests/models/location.pml. Sends nothing itself. Pump thread only. */
#ifndef C4PI_NEWBORN_H
#define C4PI_NEWBORN_H

#include "core/collection.h"

typedef struct c4pi_newborn {
    c4p_key_t key;    /* first: see keymap */
    c4pi_fifo_t held; /* counted as created, not as processed */
} c4pi_newborn_t;

/* NULL: no insertion of this index from here is under way. */
static inline c4pi_newborn_t *
c4pi_newborn_find(const c4pi_coll_t *coll, c4p_key_t key)
{
    return c4pi_keymap_get(&coll->newborns, key);
}

/* An insertion of this index leaves; none from here is under way. Dies when out of memory. */
void c4pi_newborn_expect(c4pi_coll_t *coll, c4p_key_t key);
/* It has been made, and what was held is taken out. */
void c4pi_newborn_forget(c4pi_coll_t *coll, c4pi_newborn_t *newborn);
void c4pi_newborn_free_all(c4pi_coll_t *coll);

#endif
