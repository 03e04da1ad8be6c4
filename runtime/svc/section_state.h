/* SPDX-License-Identifier: Apache-2.0 */
/* section_state.h: what section.c (making them, broadcasts) and section_redn.c (contributions)
 * share. Private to them. */
#ifndef C4PI_SECTION_STATE_H
#define C4PI_SECTION_STATE_H

#include "core/dispatch.h"
#include "svc/section.h"

/* A set of references: places in an array, found by hash. */
typedef struct c4pi_ref_table {
    uint32_t *places; /* 1 + place in refs; 0: empty */
    uint64_t mask;    /* number of places less one: a power of two less one */
} c4pi_ref_table_t;

typedef struct c4pi_section {
    c4pi_tree_links_t tree;
    uint64_t num_members; /* of all ranks */
    uint32_t count;       /* duties of this rank */
    c4p_ref_t *members;
    uint64_t *ordinals; /* of the section's members, ascending */
    c4pi_ref_table_t table;
    c4p_ref_t *everyone; /* creator: all members, with room for `asked`, */
    int *ranks;          /* and where their records are */
    size_t asked;
    c4pi_ref_table_t all;
    struct translation *translations;
    c4pi_fifo_t early; /* contributions that overtook others of their member, which moved */
    char *name;        /* for reports */
} c4pi_section_t;

/* The slot of a reference, or the empty one where it belongs. */
uint32_t *c4pi_ref_slot(const c4pi_ref_table_t *table, const c4p_ref_t *refs, c4p_ref_t ref);

/* Zeroed memory, not NULL; free it with its length, 1 for nothing. Dies when out of memory. */
void *c4pi_section_need(c4p_rt_t *rt, size_t len);
C4P_NORETURN void c4pi_section_die_nomem(c4p_rt_t *rt);

/* section_redn.c */
void c4pi_section_redn_init(c4p_rt_t *rt);
/* The section is known here now, with the records of these members: their contributions go on. */
void c4pi_section_give(c4pi_coll_t *coll);

#endif
