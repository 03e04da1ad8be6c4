/* SPDX-License-Identifier: Apache-2.0 */
/* rt_large_test.c: messages beyond what 31 and 32 bits count, as one block and as segments, to the
 * own rank and to another one. Needs memory. */
#include "rt_support.h"

static const size_t gib = (size_t)1 << 30;

/* The smallest of what the hosts of all ranks have to spare, for each of their ranks. */
static size_t
memory_to_spare(c4p_rt_t *rt)
{
    char line[200];
    unsigned long long kib = 0, least;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file && kib == 0 && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %llu kB", &kib) != 1)
            kib = 0;
    if (file)
        fclose(file);
    kib /= (unsigned)c4p_host_ranks(rt);
    MPI_Allreduce(&kib, &least, 1, MPI_UNSIGNED_LONG_LONG, MPI_MIN, MPI_COMM_WORLD);
    return (size_t)least * 1024;
}

static uint64_t
word_at(uint64_t seed, size_t i)
{
    return (seed + i) * 0x9e3779b97f4a7c15u;
}

/* A pattern in every 64-bit word would take as long to check as to send: one word in 61, and the
 * ends. */
static void
fill(char *data, size_t len, uint64_t seed)
{
    for (size_t at = 0; at + 8 <= len; at += 8 * 61)
        memcpy(data + at, &(uint64_t){word_at(seed, at)}, 8);
    if (len >= 8)
        memcpy(data + len - 8, &(uint64_t){word_at(seed, len)}, 8);
}

static bool
is_filled(const char *data, size_t len, uint64_t seed)
{
    uint64_t word;
    for (size_t at = 0; at + 8 <= len - 8; at += 8 * 61) {
        memcpy(&word, data + at, 8);
        if (at + 16 <= len && word != word_at(seed, at))
            return false;
    }
    memcpy(&word, data + len - 8, 8);
    return word == word_at(seed, len);
}

static size_t expected_len, part_len;
static int64_t arrived, released;

static void
check(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    const char *data = c4p_msg_data(msg);
    const size_t len = c4p_msg_len(msg);
    (void)rt, (void)object, (void)ctx;
    CHECK_EQ(expected_len, len);
    for (size_t at = 0; at < len; at += part_len)
        CHECK(is_filled(data + at, part_len, 0));
    arrived++;
}

static void
release(void *ctx)
{
    (void)ctx;
    released++;
}

static c4p_rt_t *
open_group(c4p_coll_t *group, c4p_entry_t *entry, size_t needs)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Target");
    *entry = rts_entry(rt, type, "check", check);
    arrived = released = 0;
    CHECK_OK(c4p_start(rt));
    if (memory_to_spare(rt) < needs) {
        rts_close(rt);
        SKIP("not enough free memory");
    }
    if (c4p_rank(rt) == 0)
        CHECK_OK(c4p_group_new(rt, type, NULL, 0, group));
    MPI_Bcast(group, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    return rt;
}

/* Rank 0 sends to itself and to the last rank. */
static void
one_block_of_more_than_two_gib(void)
{
    c4p_coll_t group;
    c4p_entry_t entry;
    expected_len = part_len = 2 * gib + 12345;
    c4p_rt_t *rt = open_group(&group, &entry, 5 * gib);
    const int last = c4p_num_ranks(rt) - 1;
    for (int to = 0; to <= last; to += last ? last : 1) {
        if (c4p_rank(rt) == 0) {
            c4p_msg_t *msg;
            CHECK_OK(c4p_msg_new(rt, expected_len, &msg));
            fill(c4p_msg_data(msg), expected_len, 0);
            CHECK_OK(c4p_send(rt, rts_ref(group, to), entry, msg));
        }
        rts_settle(rt);
    }
    CHECK_EQ(last ? 2 : 1, rts_sum(arrived));
    rts_close(rt);
}

/* Together more than four GiB, of memory that is used several times over, so that only the receiver
 * needs that much. */
static void
segments_of_more_than_four_gib(void)
{
    enum { PARTS = 5 };
    c4p_coll_t group;
    c4p_entry_t entry;
    part_len = gib - 8;
    expected_len = PARTS * part_len;
    c4p_rt_t *rt = open_group(&group, &entry, 7 * gib);
    const int last = c4p_num_ranks(rt) - 1;
    char *data = NULL;
    if (c4p_rank(rt) == 0) {
        c4p_msg_t *msg;
        CHECK((data = malloc(part_len)) != NULL);
        fill(data, part_len, 0);
        CHECK_OK(c4p_msg_new(rt, 0, &msg));
        for (int i = 0; i < PARTS; i++)
            CHECK_OK(c4p_msg_attach(msg, data, part_len, release, NULL));
        CHECK_OK(c4p_send(rt, rts_ref(group, last), entry, msg));
    }
    rts_settle(rt);
    CHECK_EQ(1, rts_sum(arrived));
    CHECK_EQ(PARTS, rts_sum(released));
    rts_close(rt);
    free(data);
}

TEST_CASES(one_block_of_more_than_two_gib, segments_of_more_than_four_gib)
