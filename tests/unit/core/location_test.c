/* SPDX-License-Identifier: Apache-2.0 */
/* The table of locations: newer statements win, what is needed stays, mere caches are bounded. */
#include "core/location.h"

#include "unit/core/core_world.h"

static core_world_t w;
static c4pi_coll_t *coll;

static void
start(uint32_t cache)
{
    core_world_begin(&w, 0, 4, cache, 0);
    coll = core_world_coll(&w, (c4pi_coll_t){.kind = C4P_KIND_ARRAY});
}

static c4p_key_t
key(int64_t i)
{
    return key_of(1, i, 0, 0);
}

static c4pi_version_t
version(uint32_t nonce, uint32_t epoch)
{
    return (c4pi_version_t){nonce, epoch};
}

static c4pi_loc_t *
learn(int64_t i, uint32_t nonce, uint32_t epoch, int rank)
{
    c4pi_loc_t *loc = c4pi_loc_learn(coll, key(i), version(nonce, epoch), rank);
    if (loc)
        c4pi_loc_settle(loc);
    return loc;
}

static bool
known(int64_t i)
{
    return c4pi_loc_find(coll, key(i)) != NULL;
}

static void
versions_are_compared_incarnation_first(void)
{
    CHECK(c4pi_version_newer(version(1, 0), version(0, 0)));
    CHECK(!c4pi_version_newer(version(0, 0), version(1, 0)));
    CHECK(!c4pi_version_newer(version(0, 0), version(0, 0)));
    CHECK(!c4pi_version_newer(version(3, 3), version(3, 3)));
    CHECK(c4pi_version_newer(version(3, 4), version(3, 3)));
    CHECK(!c4pi_version_newer(version(3, 9), version(4, 0)));
    CHECK(c4pi_version_newer(version(4, 0), version(3, 9)));
}

static void
versions_wrap(void)
{
    CHECK(c4pi_version_newer(version(5, 0), version(5, UINT32_MAX)));
    CHECK(!c4pi_version_newer(version(5, UINT32_MAX), version(5, 0)));
    CHECK(c4pi_version_newer(version(2, 7), version(UINT32_MAX - 1, 7)));
    CHECK(c4pi_version_newer(version(5, INT32_MAX + 1u), version(5, INT32_MAX)));
}

static void
only_newer_statements_are_taken(void)
{
    start(10);
    CHECK(learn(1, 2, 5, 3) != NULL);
    CHECK(learn(1, 2, 5, 1) == NULL);
    CHECK(learn(1, 2, 4, 1) == NULL);
    CHECK(learn(1, 1, 9, 1) == NULL);
    CHECK_EQ(3, c4pi_loc_find(coll, key(1))->rank);
    CHECK(learn(1, 3, 0, 2) != NULL);
    CHECK_EQ(2, c4pi_loc_find(coll, key(1))->rank);
    CHECK_EQ(1, w.rt->num_loc_caches);
    core_world_end(&w);
}

static void
the_oldest_caches_are_evicted(void)
{
    start(3);
    for (int64_t i = 0; i < 5; i++)
        learn(i, 1, 1, 2);
    CHECK_EQ(3, w.rt->num_loc_caches);
    for (int64_t i = 0; i < 5; i++)
        CHECK_EQ(i >= 2, known(i));
    core_world_end(&w);
}

static void
without_a_cache_nothing_is_remembered(void)
{
    start(0);
    CHECK(learn(1, 1, 1, 2) != NULL);
    CHECK(!known(1));
    CHECK_EQ(0, w.rt->loc_pool.in_use);
    core_world_end(&w);
}

static void
what_has_a_reason_stays(void)
{
    start(1);
    c4pi_loc_set(c4pi_loc_learn(coll, key(1), version(1, 1), 2), C4PI_LOC_HOME);
    c4pi_loc_set(c4pi_loc_learn(coll, key(2), version(1, 1), 2), C4PI_LOC_POINTER | C4PI_LOC_HOME);
    for (int64_t i = 10; i < 15; i++)
        learn(i, 1, 1, 3);
    CHECK(known(1));
    CHECK(known(2));
    CHECK_EQ(1, w.rt->num_loc_caches);
    c4pi_loc_clear(c4pi_loc_find(coll, key(2)), C4PI_LOC_POINTER);
    CHECK(known(2)); /* one reason is left */
    c4pi_loc_clear(c4pi_loc_find(coll, key(2)), C4PI_LOC_HOME);
    CHECK(known(2)); /* now it is the youngest cache */
    CHECK(!known(14));
    c4pi_loc_clear(c4pi_loc_find(coll, key(1)), C4PI_LOC_HOME);
    CHECK(!known(2));
    core_world_end(&w);
}

static void
an_entry_that_holds_messages_stays(void)
{
    start(0);
    c4pi_loc_t *loc = c4pi_loc_need(coll, key(1));
    c4p_msg_t *msg = c4pi_msg_alloc(&w.rt->msgs, 0);
    c4pi_fifo_push(&loc->held, msg);
    c4pi_loc_settle(loc);
    CHECK(known(1));
    CHECK(c4pi_fifo_pop(&loc->held) == msg);
    c4pi_msg_drop(msg);
    c4pi_loc_settle(loc); /* it knows nothing and holds nothing */
    CHECK(!known(1));
    core_world_end(&w);
}

static void
held_messages_are_dropped_with_the_collection(void)
{
    start(5);
    c4pi_loc_t *loc = c4pi_loc_need(coll, key(1));
    for (int i = 0; i < 3; i++)
        c4pi_fifo_push(&loc->held, c4pi_msg_alloc(&w.rt->msgs, 0));
    c4pi_loc_set(loc, C4PI_LOC_UNCLAIMED);
    learn(2, 1, 1, 1);
    c4pi_loc_free_all(coll);
    CHECK_EQ(0, w.rt->msgs.live);
    CHECK_EQ(0, w.rt->num_loc_caches);
    CHECK_EQ(0, w.rt->loc_pool.in_use);
    core_world_end(&w);
}

static void
caches_of_two_collections_share_the_bound(void)
{
    start(2);
    c4pi_coll_t *other = core_world_coll(&w, (c4pi_coll_t){.kind = C4P_KIND_ARRAY});
    learn(1, 1, 1, 1);
    learn(2, 1, 1, 1);
    c4pi_loc_settle(c4pi_loc_learn(other, key(1), version(1, 1), 3));
    CHECK(!known(1));
    CHECK(known(2));
    CHECK(c4pi_loc_find(other, key(1)) != NULL);
    core_world_end(&w);
}

TEST_CASES(versions_are_compared_incarnation_first, versions_wrap, only_newer_statements_are_taken,
           the_oldest_caches_are_evicted, without_a_cache_nothing_is_remembered,
           what_has_a_reason_stays, an_entry_that_holds_messages_stays,
           held_messages_are_dropped_with_the_collection, caches_of_two_collections_share_the_bound)
