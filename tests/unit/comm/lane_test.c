/* SPDX-License-Identifier: Apache-2.0 */
/* lane_test.c: the ring of bytes between two ranks: what is put comes out, whole, once and in
 * order, whatever the sizes and whoever is ahead; a full ring refuses; what is written stays in
 * bounds. */
#include "comm/lane.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/port_sim.h"
#include "support/prng.h"
#include "support/test.h"

enum { LARGEST = 1024, RING = C4PI_LANE_LEAST * LARGEST, BIG_RING = 1 << 20, GUARD = 4096 };

static c4pi_simworld_t world;
static c4pi_msgs_t msgs;
static c4pi_lane_out_t out;
static c4pi_lane_in_t in;
static char *memory;
static uint64_t ring_bytes;

/* A lane of so many bytes, of which the writer may use so many, and behind it what nobody may. */
static void
begin(uint64_t bytes, uint64_t usable)
{
    c4pi_simworld_init(&world, NULL);
    c4pi_msgs_init(&msgs, c4pi_port_sim_new(&world, 0, 1), NULL);
    ring_bytes = bytes;
    memory = mmap(NULL, bytes + GUARD, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    memset(memory + bytes, 0x5a, GUARD);
    c4pi_lane_out_init(&out, memory, usable);
    c4pi_lane_in_init(&in, memory, bytes);
}

static void
check_unwritten(const char *from, size_t len, int byte)
{
    size_t wrong = 0;
    for (size_t i = 0; i < len; i++)
        wrong += (uint8_t)from[i] != (uint8_t)byte;
    CHECK_EQ(0, wrong);
}

static void
end(void)
{
    check_unwritten(memory + ring_bytes, GUARD, 0x5a);
    munmap(memory, ring_bytes + GUARD);
    CHECK_EQ(0, msgs.live);
    c4pi_msgs_fini(&msgs);
    CHECK_EQ(0, world.live_blocks);
    c4pi_simworld_fini(&world);
}

/* Message n: its length and contents follow from n. Where a length or a mark of the lane might be
 * expected, its payload looks like one: 64, 65 .. 96, or 1. */
static size_t
length_of(uint64_t n, size_t largest)
{
    prng_t prng = {n};
    uint64_t len = prng_below(&prng, largest - sizeof(c4pi_env_t) + 1);
    return n % 3 ? len % 130 : len;
}

static uint64_t
word_of(uint64_t n, size_t i)
{
    prng_t prng = {n + i};
    uint64_t r = prng_below(&prng, 34);
    return r == 33 ? 1 : 64 + r;
}

static c4p_msg_t *
make(uint64_t n, size_t largest)
{
    size_t len = length_of(n, largest);
    c4p_msg_t *msg = c4pi_msg_alloc(&msgs, len);
    char *data = c4pi_msg_payload(msg);
    msg->env.reference = n;
    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = word_of(n, i);
        memcpy(data + i, &word, len - i < 8 ? len - i : 8);
    }
    return msg;
}

static bool
put(uint64_t n, size_t largest)
{
    c4p_msg_t *msg = make(n, largest);
    bool did = c4pi_lane_put(&out, msg, (size_t)msg->env.len);
    c4pi_msg_drop(msg);
    return did;
}

/* Is this message n? */
static bool
is_message(const void *bytes_at, size_t bytes, uint64_t n, size_t largest)
{
    c4pi_env_t env;
    const char *data = (const char *)bytes_at + sizeof env;
    size_t len = length_of(n, largest), wrong = 0;
    if (bytes != sizeof env + len)
        return false;
    memcpy(&env, bytes_at, sizeof env);
    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = word_of(n, i);
        wrong += memcmp(data + i, &word, len - i < 8 ? len - i : 8) != 0;
    }
    return wrong == 0 && env.reference == n && env.len == len;
}

/* False: nothing has come. */
static bool
take(uint64_t n, size_t largest)
{
    size_t bytes = 0;
    const void *at = c4pi_lane_front(&in, &bytes);
    if (!at)
        return false;
    CHECK(is_message(at, bytes, n, largest));
    c4pi_lane_pop(&in, bytes);
    return true;
}

/* ---- cases ------------------------------------------------------------------------------------ */

static void
exchange(uint64_t bytes, uint64_t seed)
{
    prng_t prng = {seed};
    uint64_t written = 0, read = 0, refused = 0;
    begin(bytes, bytes);
    while (written < 20000) {
        for (uint64_t k = prng_below(&prng, 20); k > 0; k--) {
            bool did = put(written, LARGEST);
            written += did;
            refused += !did;
        }
        for (uint64_t k = prng_below(&prng, 20); k > 0 && take(read, LARGEST); k--)
            read++;
        CHECK(read <= written);
    }
    while (take(read, LARGEST))
        read++;
    CHECK_EQ(written, read);
    CHECK(refused > 100); /* it was full, often */
    end();
}

static void
what_is_put_comes_out_in_order_in_small_rings(void)
{
    for (uint64_t i = 0; i < 16; i++)
        exchange(RING + i * C4PI_LANE_LINE, i);
}

/* However the ring stands when it is full or empty, the largest message finds room in an empty one.
 */
static void
an_empty_lane_has_room_for_the_largest(void)
{
    begin(RING, RING);
    uint64_t n = 0;
    for (int k = 0; k < 3000; k++, n++) {
        CHECK(put(n, k % 64 + 65));
        CHECK(take(n, k % 64 + 65));
        CHECK(!take(n, LARGEST));
        c4p_msg_t *msg = c4pi_msg_alloc(&msgs, LARGEST - sizeof(c4pi_env_t));
        size_t bytes = 0;
        CHECK(c4pi_lane_put(&out, msg, (size_t)msg->env.len));
        c4pi_msg_drop(msg);
        CHECK(c4pi_lane_front(&in, &bytes) != NULL);
        CHECK_EQ(LARGEST, bytes);
        c4pi_lane_pop(&in, bytes);
    }
    end();
}

static void
a_full_lane_refuses_until_messages_are_taken(void)
{
    begin(RING, RING);
    uint64_t written = 0, read = 0;
    while (put(written, LARGEST))
        written++;
    CHECK(written > RING / LARGEST / 2);
    CHECK(!put(written, LARGEST));
    while (take(read, LARGEST))
        read++;
    CHECK_EQ(written, read);
    CHECK(put(written, LARGEST));
    CHECK(take(read, LARGEST));
    end();
}

/* An exchange of single messages uses a small part of a large ring, which stays in the caches. */
static void
who_keeps_up_stays_at_the_start(void)
{
    begin(BIG_RING, BIG_RING);
    for (uint64_t n = 0; n < 50000; n++) {
        CHECK(put(n, LARGEST));
        CHECK(take(n, LARGEST));
    }
    check_unwritten(memory + BIG_RING / 16, BIG_RING - BIG_RING / 16, 0);
    end();
}

static int extensions, refusals;

static void
extend_by_a_page(void *ctx, c4pi_lane_out_t *lane)
{
    if (lane->end + C4PI_LANE_LINE == *(uint64_t *)ctx) {
        refusals++;
        return;
    }
    lane->end += 4096;
    extensions++;
}

/* A flood takes more and more of the ring, as far as there is memory, and nothing beyond; then it
 * is a smaller ring. */
static void
memory_is_asked_for_when_it_is_needed(void)
{
    uint64_t most = 5 * 4096, written = 0, read = 0;
    begin(BIG_RING, RING);
    out.extend = extend_by_a_page;
    out.ctx = &most;
    extensions = refusals = 0;
    for (; read < 200; written++, read++) {
        CHECK(put(written, LARGEST));
        CHECK(take(read, LARGEST));
    }
    CHECK_EQ(0, refusals);
    for (int round = 0; round < 50; round++) {
        while (put(written, LARGEST))
            written++;
        for (int k = 0; k < 7 && take(read, LARGEST); k++)
            read++;
    }
    while (take(read, LARGEST))
        read++;
    CHECK_EQ(written, read);
    CHECK_EQ(4, extensions);
    CHECK(refusals > 0);
    check_unwritten(memory + most, BIG_RING - most, 0);
    end();
}

static void
segments_go_with_their_message(void)
{
    static const char parts[] = "one and two";
    size_t bytes = 0;
    begin(RING, RING);
    c4p_msg_t *msg = c4pi_msg_alloc(&msgs, 4);
    memcpy(c4pi_msg_payload(msg), "all:", 4);
    CHECK_OK(c4p_msg_attach(msg, parts, 3, NULL, NULL));
    CHECK_OK(c4p_msg_attach(msg, parts + 3, 8, NULL, NULL));
    CHECK(c4pi_lane_put(&out, msg, (size_t)msg->env.len));
    c4pi_msg_drop(msg);
    const char *at = c4pi_lane_front(&in, &bytes);
    CHECK_EQ(sizeof(c4pi_env_t) + 15, bytes);
    CHECK_MEM_EQ("all:one and two", at + sizeof(c4pi_env_t), 15);
    end();
}

/* Whatever another process may have written there. */
static void
what_can_be_no_length_is_said_to_be_0(void)
{
    static const uint64_t lengths[] = {2, 63, RING - 64, RING, (uint64_t)1 << 40, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        size_t bytes = 1;
        begin(RING, RING);
        CHECK(put(0, LARGEST));
        memcpy(memory + C4PI_LANE_LINE, &lengths[i], 8);
        CHECK(c4pi_lane_front(&in, &bytes) != NULL);
        CHECK_EQ(0, bytes);
        end();
    }
}

/* ---- two processes ----------------------------------------------------------------------------- */

/* Exits with 0 if all came as they should. */
__attribute__((noreturn)) static void
read_all(uint64_t count, size_t largest)
{
    for (uint64_t n = 0; n < count;) {
        size_t bytes = 0;
        const void *at = c4pi_lane_front(&in, &bytes);
        if (!at) {
            sched_yield();
            continue;
        }
        if (!is_message(at, bytes, n, largest))
            _exit(1);
        c4pi_lane_pop(&in, bytes);
        n++;
    }
    _exit(0);
}

static void
between_processes(uint64_t bytes, uint64_t count, size_t largest)
{
    int status = 0;
    begin(bytes, bytes);
    pid_t reader = fork();
    if (reader == 0)
        read_all(count, largest);
    for (uint64_t n = 0; n < count;)
        if (put(n, largest))
            n++;
        else if (waitpid(reader, &status, WNOHANG) == reader)
            FAIL("the reader found a wrong message before the writer had put message %llu",
                 (unsigned long long)n);
        else
            sched_yield();
    CHECK_EQ(reader, waitpid(reader, &status, 0));
    CHECK_EQ(0, status);
    end();
}

static void
another_process_reads_what_was_put(void)
{
    between_processes(RING, 100000, LARGEST);
    between_processes(RING, 300000, 160);
    between_processes(BIG_RING, 300000, 160);
    between_processes(BIG_RING, 100000, LARGEST);
}

TEST_CASES(what_is_put_comes_out_in_order_in_small_rings, an_empty_lane_has_room_for_the_largest,
           a_full_lane_refuses_until_messages_are_taken, who_keeps_up_stays_at_the_start,
           memory_is_asked_for_when_it_is_needed, segments_go_with_their_message,
           what_can_be_no_length_is_said_to_be_0, another_process_reads_what_was_put)
