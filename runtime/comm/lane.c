/* SPDX-License-Identifier: Apache-2.0 */
/* lane.c: see lane.h.
 *
 * The writer's line: at + LINE <= end always, and below the reader if that is further on. So there
 * is a place for a mark, and a full ring is not taken for an empty one. */
#include "comm/lane.h"

#include <stdatomic.h>
#include <string.h>

enum {
    LINE = C4PI_LANE_LINE,
    TO_START = 1, /* in place of a length: the next message is at the start of the ring */
    /* The writer looks this often, in bytes, for whether it can begin again at the start. */
    HOT_BYTES = 16384
};
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock would be each process's own");

typedef _Atomic(uint64_t) word_t;

static const uint64_t nowhere = UINT64_MAX;

static inline word_t *
length_at(char *ring, uint64_t at)
{
    return (word_t *)(void *)(ring + at);
}

static inline word_t *
reader_of(char *ring)
{
    return length_at(ring - LINE, 0);
}

static inline uint64_t
lines_of(size_t bytes)
{
    return (sizeof(word_t) + bytes + LINE - 1) & ~(uint64_t)(LINE - 1);
}

void
c4pi_lane_out_init(c4pi_lane_out_t *out, void *memory, uint64_t usable)
{
    *out = (c4pi_lane_out_t){.ring = (char *)memory + LINE, .end = usable - LINE};
}

void
c4pi_lane_in_init(c4pi_lane_in_t *in, void *memory, uint64_t bytes)
{
    *in = (c4pi_lane_in_t){.ring = (char *)memory + LINE, .bytes = bytes - LINE};
}

/* Where a message of so many bytes, with its length, and the line behind it have room, as far as is
 * known; nowhere if not. */
static inline uint64_t
find_room(const c4pi_lane_out_t *out, uint64_t need)
{
    if (out->at < out->reader)
        return out->at + need + LINE <= out->reader ? out->at : nowhere;
    if (out->at + need + LINE <= out->end)
        return out->at;
    return need + LINE <= out->reader ? 0 : nowhere;
}

static uint64_t
find_room_anew(c4pi_lane_out_t *out, uint64_t need)
{
    out->reader = atomic_load_explicit(reader_of(out->ring), memory_order_acquire);
    if (out->at >= out->reader && out->at + need + LINE > out->end && out->extend)
        out->extend(out->ctx, out);
    return find_room(out, need);
}

/* Now and then: is there nothing that the reader has not left? Then the next message goes to the
 * start. */
static bool
may_begin_again(c4pi_lane_out_t *out, uint64_t need)
{
    if (out->at / HOT_BYTES == (out->at + need) / HOT_BYTES)
        return false;
    out->reader = atomic_load_explicit(reader_of(out->ring), memory_order_acquire);
    return out->reader == out->at && need + LINE <= out->at;
}

static inline void
copy(char *to, const c4p_msg_t *msg, size_t bytes)
{
    if (!msg->extra) {
        memcpy(to, &msg->env, bytes);
        return;
    }
    memcpy(to, &msg->env, sizeof msg->env);
    c4pi_msg_copy_payload(to + sizeof msg->env, msg);
}

bool
c4pi_lane_put(c4pi_lane_out_t *out, const c4p_msg_t *msg, size_t payload_len)
{
    const size_t bytes = sizeof msg->env + payload_len;
    const uint64_t need = lines_of(bytes);
    uint64_t to = find_room(out, need);

    if (to == nowhere && (to = find_room_anew(out, need)) == nowhere)
        return false;
    if (may_begin_again(out, need))
        to = 0;
    copy(out->ring + to + sizeof(word_t), msg, bytes);
    atomic_store_explicit(length_at(out->ring, to + need), 0, memory_order_relaxed);
    atomic_store_explicit(length_at(out->ring, to), bytes, memory_order_release);
    if (to != out->at)
        atomic_store_explicit(length_at(out->ring, out->at), TO_START, memory_order_release);
    out->at = to + need;
    return true;
}

const void *
c4pi_lane_front(c4pi_lane_in_t *in, size_t *bytes_out)
{
    uint64_t bytes = atomic_load_explicit(length_at(in->ring, in->at), memory_order_acquire);
    if (bytes == 0)
        return NULL;
    if (bytes == TO_START) {
        in->at = 0;
        bytes = atomic_load_explicit(length_at(in->ring, 0), memory_order_acquire);
    }
    const uint64_t room = in->bytes - in->at - LINE; /* the line behind it has room too */
    *bytes_out = bytes < sizeof(c4pi_env_t) || bytes > room || lines_of(bytes) > room ? 0 : bytes;
    return in->ring + in->at + sizeof(word_t);
}

void
c4pi_lane_pop(c4pi_lane_in_t *in, size_t bytes)
{
    in->at += lines_of(bytes);
    atomic_store_explicit(reader_of(in->ring), in->at, memory_order_release);
}
