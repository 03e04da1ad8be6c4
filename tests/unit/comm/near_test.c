/* SPDX-License-Identifier: Apache-2.0 */
/* near_test.c: small messages between ranks of one host, here several of one process: order, also
 * when lanes are full; messages that several ranks get; ranks without lanes. */
#include "comm/near.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/port_sim.h"
#include "support/test.h"

enum { RANKS = 3, LARGEST = 1024, MIB = 1 << 20 };

static c4pi_simworld_t world;
static c4pi_msgs_t msgs[RANKS];
static c4pi_shared_t *shared[RANKS];
static c4pi_near_t *near[RANKS]; /* of ranks 10, 11, 12 */

static void
begin(uint64_t bytes)
{
    c4pi_shared_id_t ids[RANKS];
    c4pi_simworld_init(&world, NULL);
    for (int i = 0; i < RANKS; i++) {
        c4pi_msgs_init(&msgs[i], c4pi_port_sim_new(&world, i, RANKS), NULL);
        shared[i] = c4pi_shared_new(&msgs[i], 10 + i, RANKS, bytes, LARGEST);
        CHECK(shared[i] != NULL);
        c4pi_shared_id(shared[i], &ids[i]);
    }
    for (int i = 0; i < RANKS; i++) {
        CHECK(c4pi_shared_open(shared[i], ids, RANKS));
        near[i] = c4pi_near_new(&msgs[i], shared[i]);
        CHECK(near[i] != NULL);
    }
}

static void
end(void)
{
    for (int i = 0; i < RANKS; i++) {
        c4pi_near_free(near[i]);
        CHECK_EQ(0, msgs[i].live);
        c4pi_shared_free(shared[i]);
        c4pi_msgs_fini(&msgs[i]);
    }
    CHECK_EQ(0, world.live_blocks);
    c4pi_simworld_fini(&world);
}

static c4p_msg_t *
make(int from, uint64_t number, size_t len)
{
    c4p_msg_t *msg = c4pi_msg_alloc(&msgs[from], len);
    memset(c4pi_msg_payload(msg), (int)(number % 251), len);
    msg->env.reference = number;
    return msg;
}

static void
send(int from, int to, c4p_msg_t *msg)
{
    c4p_status_t st = C4P_ERR_DATA;
    CHECK(c4pi_near_send(near[from], 10 + to, msg, (size_t)msg->env.len, &st));
    CHECK_OK(st);
}

/* The next message at a rank must be this one; false: none has come. */
static bool
take(int at, int from, uint64_t number, size_t len)
{
    c4p_msg_t *msg;
    int source = -1;
    size_t bytes = 0;
    c4pi_near_progress(near[at]);
    CHECK_OK(c4pi_near_take(near[at], &msg, &source, &bytes));
    if (!msg)
        return false;
    const uint8_t *data = c4pi_msg_payload(msg);
    CHECK_EQ(10 + from, source);
    CHECK_EQ(sizeof msg->env + len, bytes);
    CHECK_EQ(number, msg->env.reference);
    for (size_t i = 0; i < len; i++)
        CHECK_EQ(number % 251, data[i]);
    c4pi_msg_drop(msg);
    return true;
}

/* ---- cases -------------------------------------------------------------------------------------- */

static void
each_pair_has_a_lane_of_its_own(void)
{
    begin(16 * MIB);
    for (int from = 0; from < RANKS; from++)
        for (int to = 0; to < RANKS; to++)
            if (from != to)
                send(from, to, make(from, (uint64_t)(10 * from + to), 100));
    for (int to = 0; to < RANKS; to++) {
        for (int from = 0; from < RANKS; from++)
            if (from != to)
                CHECK(take(to, from, (uint64_t)(10 * from + to), 100));
        CHECK(!take(to, 0, 0, 0));
    }
    end();
}

/* More than the lane holds waits at the sender, and nothing overtakes it. */
static void
what_finds_no_room_waits_in_order(void)
{
    enum { COUNT = 30000 };
    uint64_t got = 0;
    begin(2 * MIB);
    for (uint64_t n = 0; n < COUNT; n++) {
        send(0, 1, make(0, n, n % 300));
        if (n % 1000 == 0 && take(1, 0, got, got % 300))
            got++;
    }
    uint64_t waiting = c4pi_near_waiting(near[0]);
    CHECK(waiting > COUNT / 2);
    CHECK_EQ(waiting, msgs[0].live);
    for (; got < COUNT; got++) {
        c4pi_near_progress(near[0]);
        CHECK(take(1, 0, got, got % 300));
    }
    CHECK_EQ(0, c4pi_near_waiting(near[0]));
    end();
}

/* A broadcast's message stands in several queues at once. */
static void
a_message_with_several_owners_waits_for_each_receiver(void)
{
    begin(2 * MIB);
    uint64_t n = 0;
    while (c4pi_near_waiting(near[0]) < 2)
        send(0, 1, make(0, n++, 900));
    uint64_t other = 0;
    while (c4pi_near_waiting(near[0]) < 4)
        send(0, 2, make(0, other++, 900));
    c4p_msg_t *msg = make(0, 1000000, 500);
    send(0, 1, c4pi_msg_keep(msg));
    send(0, 2, c4pi_msg_keep(msg));
    CHECK_EQ(1, msg->refs);
    c4pi_msg_drop(msg);
    for (uint64_t i = 0; i < n; i++, c4pi_near_progress(near[0]))
        CHECK(take(1, 0, i, 900));
    for (uint64_t i = 0; i < other; i++, c4pi_near_progress(near[0]))
        CHECK(take(2, 0, i, 900));
    CHECK(take(1, 0, 1000000, 500));
    CHECK(take(2, 0, 1000000, 500));
    end();
}

/* Lent memory is the caller's again when send returns, also if the message has to wait. */
static void
lent_segments_are_copied_before_they_wait(void)
{
    char data[200];
    uint64_t n = 0;
    begin(2 * MIB);
    while (c4pi_near_waiting(near[0]) < 1)
        send(0, 1, make(0, n++, 900));
    c4p_msg_t *msg = make(0, 7, 0);
    memset(data, 7, sizeof data);
    CHECK_OK(c4p_msg_lend(msg, data, sizeof data, NULL, NULL));
    send(0, 1, msg);
    memset(data, 8, sizeof data);
    for (uint64_t i = 0; i < n; i++, c4pi_near_progress(near[0]))
        CHECK(take(1, 0, i, 900));
    CHECK(take(1, 0, 7, sizeof data));
    end();
}

/* An announcement's payload is not as long as its envelope says. */
static void
announcements_keep_their_length_while_they_wait(void)
{
    c4p_status_t st;
    uint64_t n = 0;
    begin(2 * MIB);
    while (c4pi_near_waiting(near[0]) < 1)
        send(0, 1, make(0, n++, 900));
    c4p_msg_t *msg = make(0, 9, 40);
    msg->env.len = 123456789;
    CHECK(c4pi_near_send(near[0], 11, msg, 40, &st));
    CHECK_OK(st);
    for (uint64_t i = 0; i < n; i++, c4pi_near_progress(near[0]))
        CHECK(take(1, 0, i, 900));
    int source;
    size_t bytes;
    CHECK_OK(c4pi_near_take(near[1], &msg, &source, &bytes));
    CHECK(msg != NULL);
    CHECK_EQ(sizeof msg->env + 40, bytes);
    CHECK_EQ(123456789, msg->env.len);
    msg->env.len = 40;
    c4pi_msg_drop(msg);
    end();
}

static void
all_ranks_have_their_turn(void)
{
    enum { COUNT = 1000, SOON = 64 };
    uint64_t next[RANKS] = {0};
    begin(16 * MIB);
    for (int from = 1; from < RANKS; from++)
        for (uint64_t n = 0; n < COUNT; n++)
            send(from, 0, make(from, n, 8));
    c4pi_near_progress(near[0]);
    for (int k = 0; k < 2 * COUNT; k++) {
        c4p_msg_t *msg;
        int source = 0;
        size_t bytes = 0;
        CHECK_OK(c4pi_near_take(near[0], &msg, &source, &bytes));
        CHECK(msg != NULL);
        CHECK_EQ(next[source - 10]++, msg->env.reference);
        c4pi_msg_drop(msg);
        CHECK(k < COUNT ? next[1] <= next[2] + SOON && next[2] <= next[1] + SOON : true);
    }
    CHECK(!take(0, 1, 0, 0));
    end();
}

/* Bodies of large messages and lanes share a pool. */
static void
lanes_and_blocks_do_not_mix(void)
{
    enum { BLOCKS = 5 };
    uint64_t place[BLOCKS], n = 0;
    begin(2 * MIB);
    for (int i = 0; i < BLOCKS; i++) {
        c4p_msg_t *body = make(0, (uint64_t)i, 200000);
        CHECK(c4pi_shared_put(shared[0], 11 + i % 2, body, &place[i]));
        c4pi_msg_drop(body);
    }
    for (int to = 1; to < RANKS; to++)
        while (c4pi_near_waiting(near[0]) < (uint64_t)to)
            send(0, to, make(0, n++, 900)); /* lanes to both, full */
    for (int i = 0; i < BLOCKS; i++) {
        c4p_msg_t *body = c4pi_shared_take(shared[1 + i % 2], 10, place[i]);
        const uint8_t *data = c4pi_msg_payload(body);
        size_t wrong = 0;
        for (size_t k = 0; k < 200000; k++)
            wrong += data[k] != i;
        CHECK_EQ(0, wrong);
        c4pi_msg_drop(body);
    }
    for (uint64_t i = 0; take(1, 0, i, 900); i++)
        c4pi_near_progress(near[0]);
    CHECK(c4pi_shared_take(shared[1], 10, 4096) == NULL); /* a lane is no block */
    end();
}

static void
elsewhere_there_is_no_lane(void)
{
    c4p_status_t st;
    begin(16 * MIB);
    c4p_msg_t *msg = make(0, 1, 8);
    CHECK(!c4pi_near_send(near[0], 13, msg, 8, &st));
    c4pi_msg_drop(msg);
    end();
}

/* A pool whose file gives no more memory, here because it is another file. */
static void
without_memory_for_a_lane_the_receiver_is_told(void)
{
    c4pi_shared_id_t id;
    c4p_status_t st;
    begin(16 * MIB);
    c4pi_shared_id(shared[0], &id);
    int pool = dup(id.fd), null = open("/dev/null", O_RDWR);
    CHECK_EQ(id.fd, dup2(null, id.fd));
    c4p_msg_t *msg = make(0, 1, 8);
    CHECK(c4pi_near_is_all(near[1]));
    CHECK(!c4pi_near_send(near[0], 11, msg, 8, &st));
    CHECK_EQ(id.fd, dup2(pool, id.fd));
    close(pool);
    close(null);
    CHECK(!c4pi_near_send(near[0], 11, msg, 8, &st)); /* nothing overtakes what went by MPI */
    c4pi_msg_drop(msg);
    CHECK(!c4pi_near_is_all(near[1]));
    CHECK(c4pi_near_is_all(near[2]));
    send(1, 0, make(1, 2, 8)); /* the other direction is not concerned */
    CHECK(take(0, 1, 2, 8));
    end();
}

static void
when_memory_fails_nothing_is_lost_or_leaks(void)
{
    for (uint64_t n = 1; n < 30; n++) {
        c4p_status_t st = C4P_OK;
        c4p_msg_t *msg = NULL, *got = NULL;
        int source;
        size_t bytes;
        begin(16 * MIB);
        c4pi_near_free(near[0]);
        world.opts.fail_alloc = world.allocs + n;
        near[0] = c4pi_near_new(&msgs[0], shared[0]);
        if (near[0] && (msg = c4pi_msg_alloc(&msgs[0], 3000)) != NULL) {
            CHECK(c4pi_near_send(near[0], 11, msg, 3000, &st));
            CHECK_OK(st);
            c4pi_near_progress(near[1]);
            st = c4pi_near_take(near[1], &got, &source, &bytes);
            if (st == C4P_ERR_NOMEM) {
                CHECK(got == NULL);
                CHECK_OK(c4pi_near_take(near[1], &got, &source, &bytes));
            }
            CHECK(got != NULL);
            CHECK_EQ(sizeof got->env + 3000, bytes);
            c4pi_msg_drop(got);
        }
        world.opts.fail_alloc = 0;
        end();
    }
}

static void
a_small_pool_has_no_lanes(void)
{
    /* Two pages for each lane, with the shift of its beginning, are a quarter of the pool. */
    static const uint64_t sizes[] = {0, 4096, 4 * RANKS * 2 * 4096 - 4096};
    for (int i = 0; i < 3; i++) {
        c4p_status_t st;
        begin(sizes[i]);
        CHECK(!c4pi_shared_has_lanes(shared[0]));
        c4p_msg_t *msg = make(0, 1, 8);
        CHECK(!c4pi_near_send(near[0], 11, msg, 8, &st));
        c4pi_msg_drop(msg);
        end();
    }
    begin(sizes[2] + 4096);
    CHECK(c4pi_shared_has_lanes(shared[0]));
    end();
}

TEST_CASES(each_pair_has_a_lane_of_its_own, what_finds_no_room_waits_in_order,
           a_message_with_several_owners_waits_for_each_receiver,
           lent_segments_are_copied_before_they_wait,
           announcements_keep_their_length_while_they_wait, all_ranks_have_their_turn,
           lanes_and_blocks_do_not_mix, elsewhere_there_is_no_lane,
           without_memory_for_a_lane_the_receiver_is_told,
           when_memory_fails_nothing_is_lost_or_leaks, a_small_pool_has_no_lanes)
