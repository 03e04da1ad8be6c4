/* SPDX-License-Identifier: Apache-2.0 */
/* accum_list.h: gathered lists as bytes (accum_format.h) brought into index order. Pure functions;
 * any thread. */
#ifndef C4PI_ACCUM_LIST_H
#define C4PI_ACCUM_LIST_H

#include "base/port.h"
#include "svc/accum_format.h"

/* One part's place: `rank` orders like the index, row-major by signed coordinates. */
typedef struct c4pi_part_place {
    uint64_t rank[2];
    size_t at;
} c4pi_part_place_t;

/* Are the bytes a whole list? *parts_out: of how many parts. */
bool c4pi_list_check(const uint8_t *base, size_t len, uint64_t *parts_out);
/* Does a whole list stand in index order? */
bool c4pi_list_in_order(const uint8_t *base, size_t len, int ndims);
/* The places of the `parts` parts in index order, equal indices as they stand. *places_out: parts
 * entries, to be freed with c4pi_list_places_free(). */
c4p_status_t c4pi_list_places(c4pi_port_t *port, const uint8_t *base, size_t len, uint64_t parts,
                              int ndims, c4pi_part_place_t **places_out);
void c4pi_list_places_free(c4pi_port_t *port, c4pi_part_place_t *places, uint64_t parts);

#endif
