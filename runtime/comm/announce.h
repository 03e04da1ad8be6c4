/* SPDX-License-Identifier: Apache-2.0 */
/* announce.h: what the small message says that announces a large one: under the large message's
 * envelope, flagged LARGE, how its payload is cut into parts that follow apart, and the first bytes
 * of the payload if they fit in. Or: where the large message lies already. Only bytes; knows no
 * transport. */
#ifndef C4PI_ANNOUNCE_H
#define C4PI_ANNOUNCE_H

#include "msg/msg.h"

enum {
    C4PI_ANNOUNCE_PARTS = 65,      /* the inline payload and 64 segments */
    C4PI_ANNOUNCE_PLACED = 1 << 16 /* instead of a number of parts: part_len[0] is a place */
};

/* Payload of an announcement, cut after the last part; embedded bytes follow. */
typedef struct c4pi_announce {
    uint64_t embedded; /* bytes that come first in the payload and stand here */
    uint32_t tag;      /* of the parts */
    uint32_t num_parts;
    uint64_t part_len[C4PI_ANNOUNCE_PARTS]; /* none is 0 */
} c4pi_announce_t;

/* Bytes before the embedded ones. */
static inline size_t
c4pi_announce_bytes(uint32_t num_parts)
{
    return offsetof(c4pi_announce_t, part_len) + num_parts * sizeof(uint64_t);
}

/* The announcement of msg as a message of its own; its payload, of *len_out bytes, is at most
 * `room`, which must hold all parts. The inline payload is embedded if it fits and something else
 * follows. NULL when out of memory. Its env.len is msg's. */
c4p_msg_t *c4pi_announce_make(c4pi_msgs_t *msgs, const c4p_msg_t *msg, uint32_t tag, size_t room,
                              size_t *len_out);

/* The announcement of a message that lies in memory that its receiver can reach, at this place; its
 * payload is of *len_out bytes. NULL when out of memory. */
c4p_msg_t *
c4pi_announce_make_placed(c4pi_msgs_t *msgs, const c4p_msg_t *msg, uint64_t place, size_t *len_out);
/* Is that what arrived, with this many bytes of payload? */
bool c4pi_announce_is_placed(const c4p_msg_t *msg, size_t bytes, uint64_t *place_out);

/* Does a received announcement with this many bytes of payload make sense: no part empty, all
 * there, adding up to env.len? NULL: yes; else what is wrong, as text. */
const char *c4pi_announce_check(const c4p_msg_t *msg, size_t bytes, uint32_t largest_tag);

#endif
