/* SPDX-License-Identifier: Apache-2.0 */
/* announce_test.c: announcements of large messages: what is made is accepted and complete; damaged
 * ones are refused. */
#include "comm/announce.h"

#include "base/port_sim.h"
#include "support/prng.h"
#include "support/test.h"

enum { ROOM = 3968, LARGEST_TAG = 32767 };

static c4pi_simworld_t world;
static c4pi_msgs_t msgs;

static void
begin(void)
{
    c4pi_simworld_init(&world, NULL);
    c4pi_msgs_init(&msgs, c4pi_port_sim_new(&world, 0, 1), NULL);
}

static void
end(void)
{
    CHECK_EQ(0, msgs.live);
    c4pi_msgs_fini(&msgs);
    CHECK_EQ(0, world.live_blocks);
    c4pi_simworld_fini(&world);
}

/* A message of a head of 1, 2, 3, ... and `count` segments of tail bytes each. */
static c4p_msg_t *
make(size_t head, int count, size_t tail)
{
    static uint8_t data[200000];
    c4p_msg_t *msg = c4pi_msg_alloc(&msgs, head);
    for (size_t i = 0; i < head; i++)
        ((uint8_t *)c4pi_msg_payload(msg))[i] = (uint8_t)(i + 1);
    for (int i = 0; i < count; i++)
        CHECK_OK(c4p_msg_attach(msg, data, tail, NULL, NULL));
    msg->env.kind = C4PI_USER;
    msg->env.reference = 77;
    return msg;
}

static c4p_msg_t *
announce(size_t head, int count, size_t tail, size_t *len_out)
{
    c4p_msg_t *msg = make(head, count, tail);
    c4p_msg_t *out = c4pi_announce_make(&msgs, msg, 12, ROOM, len_out);
    CHECK_EQ(msg->env.len, out->env.len);
    CHECK_EQ(77, out->env.reference);
    CHECK_EQ(C4PI_FLAG_LARGE, out->env.flags);
    c4pi_msg_drop(msg);
    return out;
}

static void
a_plain_message_is_one_part(void)
{
    size_t len;
    begin();
    c4p_msg_t *msg = announce(5000, 0, 0, &len);
    c4pi_announce_t *a = c4pi_msg_payload(msg);
    CHECK_EQ(1, a->num_parts);
    CHECK_EQ(5000, a->part_len[0]);
    CHECK_EQ(0, a->embedded);
    CHECK_EQ(12, a->tag);
    CHECK_EQ(16 + 8, len);
    c4pi_msg_drop(msg);
    end();
}

static void
a_short_head_travels_with_the_announcement(void)
{
    size_t len;
    begin();
    c4p_msg_t *msg = announce(100, 2, 50000, &len);
    c4pi_announce_t *a = c4pi_msg_payload(msg);
    CHECK_EQ(2, a->num_parts);
    CHECK_EQ(100, a->embedded);
    CHECK_EQ(16 + 2 * 8 + 100, len);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(i + 1, ((uint8_t *)a)[16 + 2 * 8 + i]);
    c4pi_msg_drop(msg);
    end();
}

static void
a_head_without_room_is_a_part_and_empty_segments_are_none(void)
{
    size_t len;
    begin();
    /* 16 + 64 * 8 bytes of lengths leave ROOM - 528 for the head */
    c4p_msg_t *fits = announce(ROOM - 528, 64, 1000, &len);
    CHECK_EQ(ROOM, len);
    CHECK_EQ(64, ((c4pi_announce_t *)c4pi_msg_payload(fits))->num_parts);
    c4p_msg_t *too_long = announce(ROOM - 527, 64, 1000, &len);
    CHECK_EQ(65, ((c4pi_announce_t *)c4pi_msg_payload(too_long))->num_parts);
    CHECK_EQ(16 + 65 * 8, len);
    c4p_msg_t *empty = announce(500, 64, 0, &len); /* nothing would follow: the head is the part */
    CHECK_EQ(1, ((c4pi_announce_t *)c4pi_msg_payload(empty))->num_parts);
    c4pi_msg_drop(fits);
    c4pi_msg_drop(too_long);
    c4pi_msg_drop(empty);
    end();
}

static void
what_is_made_is_accepted(void)
{
    static const size_t lens[] = {0, 1, 100, 3000, 3439, 3440, 3968, 100000};
    begin();
    for (int h = 0; h < 8; h++) {
        for (int t = 0; t < 8; t++) {
            for (int count = 0; count <= 64; count += 16) {
                size_t len, total = lens[h] + (size_t)count * lens[t];
                if (total == 0)
                    continue; /* never large */
                c4p_msg_t *msg = announce(lens[h], count, lens[t], &len);
                CHECK_STR_EQ(NULL, c4pi_announce_check(msg, len, LARGEST_TAG));
                CHECK(len <= ROOM);
                c4pi_msg_drop(msg);
            }
        }
    }
    end();
}

static void
each_kind_of_damage_is_named(void)
{
    size_t len;
    begin();
    c4p_msg_t *msg = announce(100, 2, 50000, &len);
    c4pi_announce_t *a = c4pi_msg_payload(msg), good;
    memcpy(&good, a, 16 + 2 * 8);
    CHECK_STR_HAS("number of parts", c4pi_announce_check(msg, 15, LARGEST_TAG));
    CHECK_STR_HAS("cut off", c4pi_announce_check(msg, 16, LARGEST_TAG));
    CHECK_STR_HAS("cut off", c4pi_announce_check(msg, len - 1, LARGEST_TAG));
    CHECK_STR_HAS("cut off", c4pi_announce_check(msg, len + 1, LARGEST_TAG));
    CHECK_STR_HAS("cut off", c4pi_announce_check(msg, len, 11));
    a->num_parts = 0;
    CHECK_STR_HAS("number of parts", c4pi_announce_check(msg, len, LARGEST_TAG));
    a->num_parts = C4PI_ANNOUNCE_PARTS + 1;
    CHECK_STR_HAS("number of parts", c4pi_announce_check(msg, len, LARGEST_TAG));
    memcpy(a, &good, 16 + 2 * 8);
    a->part_len[1] = 0;
    CHECK_STR_HAS("impossible", c4pi_announce_check(msg, len, LARGEST_TAG));
    a->part_len[0] = UINT64_MAX - 10; /* with the other part it wraps around to the right sum */
    a->part_len[1] = 100011;
    CHECK_STR_HAS("impossible", c4pi_announce_check(msg, len, LARGEST_TAG));
    memcpy(a, &good, 16 + 2 * 8);
    a->part_len[0]++;
    CHECK_STR_HAS("add up", c4pi_announce_check(msg, len, LARGEST_TAG));
    memcpy(a, &good, 16 + 2 * 8);
    msg->env.len = 0;
    CHECK_STR_HAS("add up", c4pi_announce_check(msg, len, LARGEST_TAG));
    c4pi_msg_drop(msg);
    end();
}

static void
a_placed_message_is_announced_by_its_place(void)
{
    size_t len;
    uint64_t place = 1;
    begin();
    c4p_msg_t *msg = make(5000, 0, 0);
    c4p_msg_t *out = c4pi_announce_make_placed(&msgs, msg, (uint64_t)1 << 40, &len);
    CHECK_EQ(5000, out->env.len);
    CHECK_EQ(C4PI_FLAG_LARGE, out->env.flags);
    CHECK(c4pi_announce_is_placed(out, len, &place));
    CHECK_EQ((uint64_t)1 << 40, place);
    CHECK(!c4pi_announce_is_placed(out, len - 1, &place));
    CHECK_STR_HAS("number of parts", c4pi_announce_check(out, len, LARGEST_TAG));
    c4pi_msg_drop(out);
    out = c4pi_announce_make(&msgs, msg, 12, ROOM, &len);
    CHECK(!c4pi_announce_is_placed(out, len, &place));
    c4pi_msg_drop(out);
    c4pi_msg_drop(msg);
    end();
}

/* Random bytes: what is accepted adds up; nothing beyond the bytes is read (sanitizers tell). */
static void
random_bytes_are_never_accepted_wrongly(void)
{
    prng_t prng = {5};
    begin();
    for (int round = 0; round < 100000; round++) {
        size_t bytes = prng_below(&prng, 80);
        c4p_msg_t *msg = c4pi_msg_alloc(&msgs, bytes);
        uint8_t *data = c4pi_msg_payload(msg);
        for (size_t i = 0; i < bytes; i++)
            data[i] = prng_below(&prng, 4) ? 0 : (uint8_t)prng_below(&prng, 4);
        msg->env.len = prng_below(&prng, 4);
        if (!c4pi_announce_check(msg, bytes, LARGEST_TAG)) {
            c4pi_announce_t *a = (c4pi_announce_t *)(void *)data;
            uint64_t sum = a->embedded;
            for (uint32_t i = 0; i < a->num_parts; i++)
                sum += a->part_len[i];
            CHECK_EQ(msg->env.len, sum);
            CHECK_EQ(bytes, 16 + 8 * a->num_parts + a->embedded);
        }
        c4pi_msg_drop(msg);
    }
    end();
}

TEST_CASES(a_plain_message_is_one_part, a_short_head_travels_with_the_announcement,
           a_head_without_room_is_a_part_and_empty_segments_are_none, what_is_made_is_accepted,
           each_kind_of_damage_is_named, a_placed_message_is_announced_by_its_place,
           random_bytes_are_never_accepted_wrongly)
