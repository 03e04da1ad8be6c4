/* SPDX-License-Identifier: Apache-2.0 */
/* edges.h: rank 0: from the rows of who called whom (lb/talk.h) of all ranks to the edges of a
 * view: symmetric, each pair once, neighbours in order. What does not lead from object to object is
 * left out; calls of whole sections lead to each member. O(rows + objects + edges). Pump thread
 * only. */
#ifndef C4PI_EDGES_H
#define C4PI_EDGES_H

#include "lb/talk.h"

/* A member of a section. */
typedef struct c4pi_edge_member {
    c4p_coll_t section;
    c4p_ref_t ref;
} c4pi_edge_member_t;

/* What came from the ranks, and then the edges, as in c4p_lb_view_t. */
typedef struct c4pi_edges {
    c4pi_talk_row_t *rows;
    c4pi_edge_member_t *members;
    size_t num_rows, cap_rows, num_members, cap_members;

    size_t *first; /* [num_objects + 1], NULL before they are built */
    uint32_t *to;
    uint64_t *bytes;
    size_t num_objects, cap; /* of to and bytes */
    uint64_t all_messages, all_bytes;
} c4pi_edges_t;

/* From memory of any alignment. Die when out of memory. */
void c4pi_edges_add_rows(c4p_rt_t *rt, c4pi_edges_t *edges, const uint8_t *at, size_t count);
void c4pi_edges_add_members(c4p_rt_t *rt, c4pi_edges_t *edges, const uint8_t *at, size_t count);

/* The number of an object; SIZE_MAX if it is none. */
typedef size_t (*c4pi_edges_find_fn_t)(const void *ctx, c4p_ref_t ref);
void c4pi_edges_build(c4p_rt_t *rt, c4pi_edges_t *edges, size_t num_objects,
                      c4pi_edges_find_fn_t find, const void *ctx);

/* Back to nothing. */
void c4pi_edges_clear(c4p_rt_t *rt, c4pi_edges_t *edges);

#endif
