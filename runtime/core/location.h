/* SPDX-License-Identifier: Apache-2.0 */
/* location.h: what this rank knows of elements that do not live here. One entry per index: the
 * newest statement heard, and why it is kept: as the home of an element that is away, as the
 * pointer of an element that left from here until the home has acknowledged, as a cache, or because
 * messages are held. A wrong or missing cache costs messages, never a message. Sends nothing
 * itself; route.c does. The rules are those of tests/models/location.pml. Pump thread only. */
#ifndef C4PI_LOCATION_H
#define C4PI_LOCATION_H

#include "core/collection.h"

enum {
    C4PI_LOC_HOME = 1, /* this rank is the home: never forgotten while the element lives elsewhere
                        */
    C4PI_LOC_POINTER = 2, /* left from here, the home has not acknowledged yet */
    C4PI_LOC_DYING = 4,   /* home: a deletion is on its way to it; insertions of the same index wait
                           */
    C4PI_LOC_QUERIED = 8, /* not the home: messages are held and the home was asked */
    C4PI_LOC_UNCLAIMED = 16 /* home: messages are held for an index that nobody created */
};

typedef struct c4pi_loc {
    c4p_key_t key; /* first: see keymap */
    c4pi_coll_t *coll;
    c4pi_version_t version; /* 0, 0: only holds messages */
    int rank;
    uint32_t flags;
    c4pi_version_t pointer; /* POINTER: which statement the home has to acknowledge */
    c4pi_fifo_t held;
    c4pi_link_t lru; /* in rt->loc_caches while it is a mere cache */
} c4pi_loc_t;

/* What is known; NULL: nothing. */
static inline c4pi_loc_t *
c4pi_loc_find(const c4pi_coll_t *coll, c4p_key_t key)
{
    return coll->locs.count ? c4pi_keymap_get(&coll->locs, key) : NULL;
}

/* The entry, made if need be (then a cache without a statement). Dies when out of memory. */
c4pi_loc_t *c4pi_loc_need(c4pi_coll_t *coll, c4p_key_t key);
/* Take a statement if it is newer than what is known. Returns the entry if it was taken, NULL if
 * not. */
c4pi_loc_t *c4pi_loc_learn(c4pi_coll_t *coll, c4p_key_t key, c4pi_version_t version, int rank);
/* Add or remove reasons to keep an entry. Without any and with nothing held it becomes a cache
 * entry, which may be evicted at once. */
void c4pi_loc_set(c4pi_loc_t *loc, uint32_t flags);
void c4pi_loc_clear(c4pi_loc_t *loc, uint32_t flags);
/* Forget an entry; what it held must have been taken out. */
void c4pi_loc_drop(c4pi_loc_t *loc);
/* After entries were taken out of loc->held: make it a cache again if nothing keeps it. */
void c4pi_loc_settle(c4pi_loc_t *loc);
void c4pi_loc_free_all(c4pi_coll_t *coll);

#endif
