/* SPDX-License-Identifier: Apache-2.0 */
/* announce.c: see announce.h. */
#include "comm/announce.h"

#include <string.h>

/* How msg is cut; embeds its inline payload if there is room. */
static void
cut(const c4p_msg_t *msg, size_t room, c4pi_announce_t *a)
{
    size_t inline_len = c4pi_msg_inline_len(msg);
    uint32_t segments = msg->extra ? msg->extra->num_segments : 0;

    if (msg->env.len > inline_len && inline_len <= room - c4pi_announce_bytes(segments))
        a->embedded = inline_len;
    else if (inline_len)
        a->part_len[a->num_parts++] = inline_len;
    for (uint32_t i = 0; i < segments; i++)
        if (msg->extra->segments[i].len)
            a->part_len[a->num_parts++] = msg->extra->segments[i].len;
}

c4p_msg_t *
c4pi_announce_make(c4pi_msgs_t *msgs, const c4p_msg_t *msg, uint32_t tag, size_t room,
                   size_t *len_out)
{
    c4pi_announce_t a = {.tag = tag};

    cut(msg, room, &a);
    size_t head = c4pi_announce_bytes(a.num_parts);
    c4p_msg_t *out = c4pi_msg_alloc(msgs, head + a.embedded);
    if (!out)
        return NULL;
    out->env = msg->env;
    out->env.flags |= C4PI_FLAG_LARGE;
    memcpy(out + 1, &a, head);
    memcpy((uint8_t *)(out + 1) + head, msg + 1, a.embedded);
    *len_out = head + a.embedded;
    return out;
}

c4p_msg_t *
c4pi_announce_make_placed(c4pi_msgs_t *msgs, const c4p_msg_t *msg, uint64_t place, size_t *len_out)
{
    size_t len = c4pi_announce_bytes(1);
    c4p_msg_t *out = c4pi_msg_alloc(msgs, len);
    if (!out)
        return NULL;
    out->env = msg->env;
    out->env.flags |= C4PI_FLAG_LARGE;
    c4pi_announce_t *a = c4pi_msg_payload(out);
    a->embedded = 0;
    a->tag = 0;
    a->num_parts = C4PI_ANNOUNCE_PLACED;
    a->part_len[0] = place;
    *len_out = len;
    return out;
}

bool
c4pi_announce_is_placed(const c4p_msg_t *msg, size_t bytes, uint64_t *place_out)
{
    const c4pi_announce_t *a = (const c4pi_announce_t *)(const void *)(msg + 1);
    if (bytes != c4pi_announce_bytes(1) || a->num_parts != C4PI_ANNOUNCE_PLACED)
        return false;
    *place_out = a->part_len[0];
    return true;
}

const char *
c4pi_announce_check(const c4p_msg_t *msg, size_t bytes, uint32_t largest_tag)
{
    const c4pi_announce_t *a = (const c4pi_announce_t *)(const void *)(msg + 1);

    if (bytes < c4pi_announce_bytes(0) || a->num_parts < 1 || a->num_parts > C4PI_ANNOUNCE_PARTS)
        return "its announcement has no sensible number of parts";
    size_t head = c4pi_announce_bytes(a->num_parts);
    if (bytes < head || bytes - head != a->embedded || a->tag > largest_tag)
        return "its announcement is cut off";
    uint64_t sum = a->embedded;
    for (uint32_t i = 0; i < a->num_parts; i++)
        if (a->part_len[i] == 0 || __builtin_add_overflow(sum, a->part_len[i], &sum))
            return "its announcement has an impossible part";
    if (sum != msg->env.len || sum > SIZE_MAX / 2)
        return "its announcement does not add up";
    return NULL;
}
