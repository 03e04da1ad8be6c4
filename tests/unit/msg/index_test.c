/* SPDX-License-Identifier: Apache-2.0 */
/* Packing of indices: exact up to the limits of every number of dimensions, refused one past them.
 */
#include <c4p/types.h>

#include "support/prng.h"
#include "support/test.h"

/* Bits per coordinate as c4p/types.h promises them. */
static const int promised_bits[C4P_MAX_DIMS + 1] = {0, 64, 64, 42, 32, 25, 21};

static c4p_index_t
index_of(int ndims, int64_t fill)
{
    c4p_index_t index = {.ndims = ndims};
    for (int d = 0; d < ndims; d++)
        index.at[d] = fill;
    return index;
}

static void
check_round_trip(const c4p_index_t *index)
{
    c4p_key_t key;
    c4p_index_t back;
    memset(&back, 0xee, sizeof(back));
    CHECK_OK(c4p_index_pack(index, &key));
    c4p_index_unpack(key, index->ndims, &back);
    CHECK_EQ(index->ndims, back.ndims);
    for (int d = 0; d < C4P_MAX_DIMS; d++)
        CHECK_EQ(d < index->ndims ? index->at[d] : 0, back.at[d]);
}

static void
limits_are_those_promised(void)
{
    CHECK_EQ(INT64_MAX, c4p_index_max(1));
    CHECK_EQ(INT64_MAX, c4p_index_max(2));
    for (int ndims = 3; ndims <= C4P_MAX_DIMS; ndims++)
        CHECK_EQ(((int64_t)1 << (promised_bits[ndims] - 1)) - 1, c4p_index_max(ndims));
    CHECK_EQ(0, c4p_index_max(0));
    CHECK_EQ(0, c4p_index_max(7));
    CHECK_EQ(0, c4p_index_max(-1));
}

static void
coordinates_at_the_limits_come_back(void)
{
    for (int ndims = 1; ndims <= C4P_MAX_DIMS; ndims++) {
        int64_t max = c4p_index_max(ndims);
        int64_t values[] = {0, 1, -1, 2, max, max - 1, -max, -max - 1};
        enum { VALUES = sizeof(values) / sizeof(values[0]) };
        for (int fill = 0; fill < VALUES; fill++) {
            for (int d = 0; d < ndims; d++) {
                for (int v = 0; v < VALUES; v++) {
                    c4p_index_t index = index_of(ndims, values[fill]);
                    index.at[d] = values[v];
                    check_round_trip(&index);
                }
            }
        }
    }
}

static void
any_index_comes_back(void)
{
    prng_t prng = {5};
    for (int i = 0; i < 100000; i++) {
        int ndims = 1 + i % C4P_MAX_DIMS;
        c4p_index_t index = {.ndims = ndims};
        for (int d = 0; d < ndims; d++)
            index.at[d] = (int64_t)prng_next(&prng) >>
                          (64 - promised_bits[ndims] + (int)prng_below(&prng, 20));
        check_round_trip(&index);
    }
}

static void
one_past_a_limit_is_refused(void)
{
    for (int ndims = 3; ndims <= C4P_MAX_DIMS; ndims++) {
        for (int d = 0; d < ndims; d++) {
            int64_t max = c4p_index_max(ndims);
            int64_t wrong[] = {max + 1, -max - 2, INT64_MAX, INT64_MIN};
            for (int w = 0; w < 4; w++) {
                c4p_index_t index = index_of(ndims, 1);
                c4p_key_t key = {{77, 78}};
                index.at[d] = wrong[w];
                CHECK_STATUS(C4P_ERR_RANGE, c4p_index_pack(&index, &key));
                CHECK_EQ(77, key.w[0]); /* untouched */
                CHECK_EQ(78, key.w[1]);
            }
        }
    }
}

static void
a_wrong_number_of_dimensions_is_refused(void)
{
    static const int wrong[] = {0, -1, 7, INT32_MAX, INT32_MIN};
    for (int i = 0; i < 5; i++) {
        c4p_index_t index = index_of(1, 1), back;
        c4p_key_t key = {{77, 78}};
        index.ndims = wrong[i];
        CHECK_STATUS(C4P_ERR_RANGE, c4p_index_pack(&index, &key));
        CHECK_EQ(77, key.w[0]);
        c4p_index_unpack(key, wrong[i], &back);
        CHECK_EQ(0, back.ndims);
    }
}

static void
different_indices_have_different_keys(void)
{
    enum { SIDE = 5 };
    static c4p_key_t keys[SIDE * SIDE * SIDE * SIDE];
    int count = 0;
    for (int i = 0; i < SIDE * SIDE * SIDE * SIDE; i++) {
        c4p_index_t index = {.ndims = 4,
                             .at = {i % 5 - 2, i / 5 % 5 - 2, i / 25 % 5 - 2, i / 125 - 2}};
        CHECK_OK(c4p_index_pack(&index, &keys[count++]));
        for (int j = 0; j < i; j++)
            CHECK(!c4p_key_eq(keys[i], keys[j]));
    }
}

static void
the_key_of_a_group_element_is_its_rank(void)
{
    c4p_index_t index = {.ndims = 1, .at = {12345}};
    c4p_key_t key;
    CHECK_OK(c4p_index_pack(&index, &key));
    CHECK_EQ(12345, key.w[0]);
    CHECK_EQ(0, key.w[1]);
}

static void
coordinates_beyond_ndims_do_not_count(void)
{
    for (int ndims = 1; ndims < C4P_MAX_DIMS; ndims++) {
        c4p_index_t a = index_of(ndims, 3), b = a;
        c4p_key_t key_a, key_b;
        b.at[ndims] = INT64_MIN;
        CHECK_OK(c4p_index_pack(&a, &key_a));
        CHECK_OK(c4p_index_pack(&b, &key_b));
        CHECK(c4p_key_eq(key_a, key_b));
    }
}

TEST_CASES(limits_are_those_promised, coordinates_at_the_limits_come_back, any_index_comes_back,
           one_past_a_limit_is_refused, a_wrong_number_of_dimensions_is_refused,
           different_indices_have_different_keys, the_key_of_a_group_element_is_its_rank,
           coordinates_beyond_ndims_do_not_count)
