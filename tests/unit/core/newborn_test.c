/* SPDX-License-Identifier: Apache-2.0 */
/* Insertions that are under way: what a send has to look at, and what waits in line. */
#include "core/newborn.h"

#include "unit/core/core_world.h"

static core_world_t w;

static bool
looks_closer(const c4pi_coll_t *coll, int64_t i)
{
    c4p_key_t key = key_of(1, i, 0, 0);
    return coll->guarded && (key.w[0] >= coll->unguarded_below || key.w[1]);
}

static void
an_array_is_guarded_while_something_is_inserted(void)
{
    core_world_begin(&w, 0, 4, 8, 0);
    c4pi_coll_t *coll = core_world_coll(&w, (c4pi_coll_t){.kind = C4P_KIND_ARRAY});
    c4p_key_t five = key_of(1, 5, 0, 0), six = key_of(1, 6, 0, 0);
    CHECK(!looks_closer(coll, 0));
    CHECK(!looks_closer(coll, 5));
    c4pi_newborn_expect(coll, five);
    c4pi_newborn_expect(coll, six);
    CHECK(looks_closer(coll, 0));
    CHECK(looks_closer(coll, 5));
    CHECK(c4pi_newborn_find(coll, five) != NULL);
    CHECK(!c4pi_newborn_find(coll, key_of(1, 0, 0, 0)));
    c4pi_newborn_forget(coll, c4pi_newborn_find(coll, five));
    CHECK(!c4pi_newborn_find(coll, five));
    CHECK(looks_closer(coll, 5));
    c4pi_newborn_forget(coll, c4pi_newborn_find(coll, six));
    CHECK(!looks_closer(coll, 5));
    core_world_end(&w);
}

static void
a_group_is_guarded_against_what_is_no_rank(void)
{
    core_world_begin(&w, 0, 4, 8, 0);
    const c4pi_coll_t *coll = core_world_coll(&w, (c4pi_coll_t){.kind = C4P_KIND_GROUP});
    CHECK(!looks_closer(coll, 0));
    CHECK(!looks_closer(coll, 3));
    CHECK(looks_closer(coll, 4));
    CHECK(looks_closer(coll, -1));
    core_world_end(&w);
}

static void
what_waits_in_line_goes_with_the_collection(void)
{
    core_world_begin(&w, 0, 4, 8, 0);
    c4pi_coll_t *coll = core_world_coll(&w, (c4pi_coll_t){.kind = C4P_KIND_ARRAY});
    c4p_key_t key = key_of(1, 5, 0, 0);
    c4pi_newborn_expect(coll, key);
    c4pi_fifo_push(&c4pi_newborn_find(coll, key)->held, c4pi_msg_or_die(w.rt, 100));
    core_world_end(&w); /* nothing is left of it */
}

TEST_CASES(an_array_is_guarded_while_something_is_inserted,
           a_group_is_guarded_against_what_is_no_rank, what_waits_in_line_goes_with_the_collection)
