/* SPDX-License-Identifier: Apache-2.0 */
/* shared_test.c: messages through memory that ranks of one host share, here two ranks of one
 * process: what is put is what is taken, blocks come back, full pools and wrong places are refused.
 */
#include "comm/shared.h"

#include <sys/wait.h>
#include <unistd.h>

#include "base/port_sim.h"
#include "support/test.h"

enum { MIB = 1 << 20, PAGE = 4096, LARGEST = 4096 };

static c4pi_simworld_t world;
static c4pi_msgs_t msgs[2];
static c4pi_shared_t *shared[2];

static void
begin(uint64_t bytes)
{
    c4pi_shared_id_t ids[2];
    c4pi_simworld_init(&world, NULL);
    for (int i = 0; i < 2; i++) {
        c4pi_msgs_init(&msgs[i], c4pi_port_sim_new(&world, i, 2), NULL);
        shared[i] = c4pi_shared_new(&msgs[i], 10 + i, 2, bytes, LARGEST);
        CHECK(shared[i] != NULL);
        c4pi_shared_id(shared[i], &ids[i]);
    }
    for (int i = 0; i < 2; i++)
        CHECK(c4pi_shared_open(shared[i], ids, 2));
}

static void
end(void)
{
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(0, msgs[i].live);
        c4pi_shared_free(shared[i]);
        c4pi_msgs_fini(&msgs[i]);
    }
    CHECK_EQ(0, world.live_blocks);
    c4pi_simworld_fini(&world);
}

static uint8_t
byte_at(size_t i)
{
    return (uint8_t)(i * 31 + i / 251);
}

static c4p_msg_t *
make(int rank, size_t len)
{
    c4p_msg_t *msg = c4pi_msg_alloc(&msgs[rank], len);
    uint8_t *data = c4pi_msg_payload(msg);
    for (size_t i = 0; i < len; i++)
        data[i] = byte_at(i);
    msg->env.kind = C4PI_USER;
    msg->env.reference = len;
    return msg;
}

static void
check(c4p_msg_t *msg, size_t len)
{
    const uint8_t *data = c4pi_msg_payload(msg);
    size_t wrong = 0;
    CHECK_EQ(len, msg->env.len);
    CHECK_EQ(len, msg->env.reference);
    CHECK_EQ(0, (uintptr_t)data % C4P_MSG_ALIGN);
    for (size_t i = 0; i < len; i++)
        wrong += data[i] != byte_at(i);
    CHECK_EQ(0, wrong);
}

/* From rank 10 to rank 11; the message, or NULL without room. */
static c4p_msg_t *
pass(size_t len)
{
    uint64_t place;
    c4p_msg_t *msg = make(0, len);
    bool put = c4pi_shared_put(shared[0], 11, msg, &place);
    c4pi_msg_drop(msg);
    return put ? c4pi_shared_take(shared[1], 10, place) : NULL;
}

static void
what_is_put_is_taken_whatever_its_length(void)
{
    static const size_t lens[] = {0, 1, 4000, 8191, 12096, 12097, 65536, 1000000, 4 * MIB};
    begin(64 * MIB);
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        c4p_msg_t *msg = pass(lens[i]);
        CHECK(msg != NULL);
        check(msg, lens[i]);
        CHECK(c4p_msg_exclusive(msg));
        CHECK_EQ(1, msgs[1].live);
        c4p_msg_free(msg);
    }
    end();
}

static void
segments_arrive_in_one_piece(void)
{
    begin(16 * MIB);
    uint64_t place;
    c4p_msg_t *whole = make(0, 100000), *msg = c4pi_msg_alloc(&msgs[0], 20000);
    uint8_t *data = c4pi_msg_payload(whole);
    memcpy(c4pi_msg_payload(msg), data, 20000);
    CHECK_OK(c4p_msg_attach(msg, data + 20000, 50000, NULL, NULL));
    CHECK_OK(c4p_msg_lend(msg, data + 70000, 30000, NULL, NULL));
    msg->env.reference = 100000;
    CHECK(c4pi_shared_put(shared[0], 11, msg, &place));
    memset(data, 0, 100000); /* the sender's memory is its own again */
    c4p_msg_t *got = c4pi_shared_take(shared[1], 10, place);
    check(got, 100000);
    c4p_msg_free(got);
    c4pi_msg_drop(msg);
    c4pi_msg_drop(whole);
    end();
}

/* A pool of 16 MiB has room for some messages only, and for all of them again when they are given
 * back, in whatever order. */
static void
a_full_pool_refuses_until_blocks_come_back(void)
{
    c4p_msg_t *got[200];
    int first = 0;
    begin(16 * MIB);
    for (int round = 0; round < 5; round++) {
        int n = 0;
        while (n < 200 && (got[n] = pass(200000)) != NULL)
            n++;
        CHECK(n >= 30 && n < 200); /* of 16 MiB, blocks of 256 KiB and a page */
        CHECK_EQ(round ? first : n, n);
        first = n;
        for (int i = 0; i < n; i++) /* from both ends in turn */
            c4p_msg_free(got[i % 2 ? n - 1 - i / 2 : i / 2]);
    }
    end();
}

/* What was cut up for small messages serves large ones when all of it is free, and free larger
 * blocks serve smaller messages. */
static void
a_pool_is_not_cut_up_for_ever(void)
{
    static c4p_msg_t *got[2000];
    int n = 0;
    begin(16 * MIB);
    while (n < 2000 && (got[n] = pass(5000)) != NULL)
        n++;
    CHECK(n > 1000 && n < 2000);
    CHECK(pass(MIB) == NULL);
    for (int i = 0; i < n; i++)
        c4p_msg_free(got[i]);
    for (n = 0; (got[n] = pass(MIB)) != NULL;)
        n++;
    CHECK(n >= 12);
    check(got[3], MIB);
    c4p_msg_free(got[3]);
    c4p_msg_t *small = pass(400000); /* no room but in a block for 1 MiB */
    CHECK(small != NULL);
    check(small, 400000);
    c4p_msg_free(small);
    c4p_msg_t *large = pass(MIB);
    check(large, MIB);
    c4p_msg_free(large);
    for (int i = 0; i < n; i++)
        if (i != 3)
            c4p_msg_free(got[i]);
    end();
}

/* A child has what its parent had: neither sees the other's changes, and a block that the parent
 * gives back may be used again while the child still reads. */
static void
a_child_gets_a_copy(void)
{
    int status = -1, go[2], said[2];
    char byte = 0;
    begin(16 * MIB);
    CHECK_EQ(0, pipe(go));
    CHECK_EQ(0, pipe(said));
    c4p_msg_t *kept = pass(100000), *dropped = pass(100000);
    uint8_t *data = c4p_msg_data(kept);
    CHECK(c4pi_shared_before_fork(shared[1]));
    pid_t pid = fork();
    if (pid == 0) {
        data[5] = 1; /* was byte_at(5) */
        c4p_msg_free(kept);
        if (read(go[0], &byte, 1) != 1)
            _exit(2);
        const uint8_t *theirs = c4p_msg_data(dropped);
        for (size_t i = 0; i < 100000; i++)
            if (theirs[i] != byte_at(i))
                _exit(3);
        _exit(0);
    }
    c4p_msg_free(dropped);
    c4p_msg_t *next = make(0, 100000);
    uint64_t place;
    memset(c4p_msg_data(next), 0xee, 100000);
    for (int i = 0; i < 20; i++) { /* into the block that was given back, too */
        CHECK(c4pi_shared_put(shared[0], 11, next, &place));
        c4p_msg_free(c4pi_shared_take(shared[1], 10, place));
    }
    c4pi_msg_drop(next);
    CHECK_EQ(1, write(go[1], "x", 1));
    CHECK_EQ(pid, waitpid(pid, &status, 0));
    CHECK_EQ(0, status);
    check(kept, 100000);
    CHECK(c4pi_shared_before_fork(shared[1])); /* a second time: nothing to do */
    c4p_msg_free(kept);
    c4p_msg_t *got[4];
    for (int i = 0; i < 4; i++) { /* both blocks are back in the pool, and shared */
        got[i] = pass(100000);
        check(got[i], 100000);
    }
    for (int i = 0; i < 4; i++)
        c4p_msg_free(got[i]);
    for (int i = 0; i < 2; i++) {
        close(go[i]);
        close(said[i]);
    }
    end();
}

static void
both_directions_do_not_mix(void)
{
    uint64_t there, back;
    begin(16 * MIB);
    c4p_msg_t *a = make(0, 50000), *b = make(1, 60000);
    CHECK(c4pi_shared_put(shared[0], 11, a, &there));
    CHECK(c4pi_shared_put(shared[1], 10, b, &back));
    c4p_msg_t *got_there = c4pi_shared_take(shared[1], 10, there);
    c4p_msg_t *got_back = c4pi_shared_take(shared[0], 11, back);
    check(got_there, 50000);
    check(got_back, 60000);
    c4p_msg_free(got_there);
    c4p_msg_free(got_back);
    c4pi_msg_drop(a);
    c4pi_msg_drop(b);
    end();
}

static void
what_is_too_large_or_goes_elsewhere_is_refused(void)
{
    uint64_t place;
    begin(16 * MIB);
    CHECK(pass(5 * MIB) == NULL); /* more than a quarter of the pool */
    c4p_msg_t *msg = make(0, 10000);
    CHECK(!c4pi_shared_put(shared[0], 12, msg, &place)); /* a rank of another host */
    c4pi_msg_drop(msg);
    end();
}

/* C4PY_SHARED_BYTES=0: only the first page is shared. */
static void
a_pool_without_bytes_takes_no_message(void)
{
    begin(0);
    CHECK(pass(0) == NULL);
    CHECK(pass(10000) == NULL);
    CHECK(c4pi_shared_claim_report(shared[0]));
    CHECK(!c4pi_shared_claim_report(shared[1]));
    end();
}

static void
one_of_the_ranks_reports_even_after_its_end(void)
{
    int status;
    begin(MIB);
    pid_t first = fork();
    if (first == 0)
        _exit(c4pi_shared_claim_report(shared[0]) ? 0 : 1);
    CHECK_EQ(first, waitpid(first, &status, 0));
    CHECK_EQ(0, status);
    CHECK(!c4pi_shared_claim_report(shared[1]));
    CHECK(!c4pi_shared_claim_report(shared[0]));
    end();
}

static void
a_place_that_is_none_is_refused(void)
{
    begin(MIB);
    CHECK(c4pi_shared_take(shared[1], 10, 0) == NULL);
    CHECK(c4pi_shared_take(shared[1], 10, PAGE + 8) == NULL);
    CHECK(c4pi_shared_take(shared[1], 10, MIB) == NULL);
    CHECK(c4pi_shared_take(shared[1], 10, UINT64_MAX - PAGE + 1) == NULL);
    CHECK(c4pi_shared_take(shared[1], 12, PAGE) == NULL);
    end();
}

static void
a_pool_of_another_process_is_not_taken_for_it(void)
{
    c4pi_shared_id_t ids[2];
    c4pi_simworld_init(&world, NULL);
    for (int i = 0; i < 2; i++) {
        c4pi_msgs_init(&msgs[i], c4pi_port_sim_new(&world, i, 2), NULL);
        shared[i] = c4pi_shared_new(&msgs[i], 10 + i, 2, MIB, LARGEST);
        c4pi_shared_id(shared[i], &ids[i]);
    }
    ids[1].secret++; /* same process number and descriptor, as in another container */
    CHECK(!c4pi_shared_open(shared[0], ids, 2));
    ids[1].secret--;
    ids[0].fd = 1000; /* not open */
    CHECK(!c4pi_shared_open(shared[1], ids, 2));
    end();
}

/* An array that a program still holds when the runtime ends stays readable. */
static void
a_message_outlives_the_pool(void)
{
    begin(MIB);
    c4p_msg_t *msg = pass(50000);
    for (int i = 0; i < 2; i++)
        c4pi_shared_free(shared[i]);
    check(msg, 50000);
    c4p_msg_free(msg);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(0, msgs[i].live);
        c4pi_msgs_fini(&msgs[i]);
    }
    CHECK_EQ(0, world.live_blocks);
    c4pi_simworld_fini(&world);
}

TEST_CASES(what_is_put_is_taken_whatever_its_length, segments_arrive_in_one_piece,
           a_full_pool_refuses_until_blocks_come_back, a_pool_is_not_cut_up_for_ever,
           a_child_gets_a_copy, both_directions_do_not_mix,
           what_is_too_large_or_goes_elsewhere_is_refused, a_pool_without_bytes_takes_no_message,
           one_of_the_ranks_reports_even_after_its_end, a_place_that_is_none_is_refused,
           a_pool_of_another_process_is_not_taken_for_it, a_message_outlives_the_pool)
