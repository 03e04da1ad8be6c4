/* SPDX-License-Identifier: Apache-2.0 */
/* section_state.h: what section.c (making them, broadcasts), section_redn.c (contributions) and
 * section_follow.c (records that follow their members) share. Private to them. */
#ifndef C4PI_SECTION_STATE_H
#define C4PI_SECTION_STATE_H

#include "core/dispatch.h"
#include "svc/section.h"

/* A set of references: places in an array, found by hash. */
typedef struct c4pi_ref_table {
    uint32_t *places; /* 1 + place in refs; 0: empty */
    uint64_t mask;    /* number of places less one: a power of two less one */
} c4pi_ref_table_t;

/* Where a member's record is that is or was here. */
typedef struct c4pi_record_at {
    c4pi_elem_t *record; /* NULL: it has gone, */
    int rank;            /* to this one; to its own: it comes back, see `returning` */
} c4pi_record_at_t;

typedef struct c4pi_section {
    c4pi_tree_links_t tree;
    uint64_t num_members; /* of all ranks */
    uint32_t count, cap;  /* members whose records are or were here, */
    c4p_ref_t *members;   /* these, */
    c4pi_record_at_t *records;
    c4pi_ref_table_t table;
    c4p_ref_t *everyone; /* creator: all members, with room for `asked`, */
    int *ranks;          /* and where their records were at first */
    size_t asked;
    c4pi_ref_table_t all;
    int *joined; /* creator: ranks that have come into the tree later */
    size_t num_joined, cap_joined;
    struct translation *translations;
    c4pi_fifo_t early;     /* contributions that overtook others of their member, which moved */
    c4pi_fifo_t returning; /* records that came back before it was known where they had gone */
    char *name;            /* for reports */
} c4pi_section_t;

/* The slot of a reference, or the empty one where it belongs. */
uint32_t *c4pi_ref_slot(const c4pi_ref_table_t *table, const c4p_ref_t *refs, c4p_ref_t ref);

/* Zeroed memory, not NULL; free it with its length, 1 for nothing. Dies when out of memory. */
void *c4pi_section_need(c4p_rt_t *rt, size_t len);
C4P_NORETURN void c4pi_section_die_nomem(c4p_rt_t *rt);

/* A section as it travels down its tree: this, then the parts. */
typedef struct c4pi_section_head {
    uint64_t num_members;
    uint64_t have; /* the number of the first broadcast that comes this way */
    uint32_t type;
    uint32_t parent; /* of the first part's rank */
} c4pi_section_head_t;

/* For each rank of a sub-tree, beginning with its root, a head and its members. */
typedef struct c4pi_part_head {
    uint32_t rank, count;
} c4pi_part_head_t;

/* The place of a member whose record is or was here; NULL: it never was. */
c4pi_record_at_t *c4pi_section_find(const c4pi_section_t *section, c4p_ref_t member);
/* A record for a member, on this rank, from these numbers on. */
c4pi_elem_t *c4pi_section_add(c4pi_coll_t *coll, uint64_t ordinal, c4p_ref_t member,
                              uint64_t bcast_next, uint64_t redn_next);
/* Send a rank its sub-tree, of which it is the root. */
void c4pi_section_send(c4p_rt_t *rt, c4p_coll_t id, const c4pi_section_head_t *head,
                       const void *parts, size_t len, int child);

/* section_follow.c */
void c4pi_section_follow_init(c4p_rt_t *rt);
/* Its member has another record now, elsewhere. */
void c4pi_section_drop(c4pi_elem_t *record);

/* section_redn.c */
void c4pi_section_redn_init(c4p_rt_t *rt);
/* The section is known here now, with the records of these members: their contributions go on. */
void c4pi_section_give(c4pi_coll_t *coll);

#endif
