/* SPDX-License-Identifier: Apache-2.0 */
/* Collections: where elements belong, and the records of those that are here. */
#include "core/collection.h"

#include "unit/core/core_world.h"

static core_world_t w;
static int map_calls;

/* How many elements of a dense array belong to each rank, and that they are consecutive. */
static void
check_counts(const int64_t *dims, int ndims, int num_ranks, const int *expected)
{
    int counts[16] = {0}, last = 0;
    core_world_begin(&w, 0, num_ranks, 10, 0);
    c4pi_coll_t proto = {.kind = C4P_KIND_ARRAY, .ndims = ndims, .dense = true};
    memcpy(proto.dims, dims, (size_t)ndims * sizeof *dims);
    c4pi_coll_t *coll = core_world_coll(&w, proto);
    for (uint64_t i = 0; i < coll->num_static; i++) {
        int home = c4pi_coll_home(coll, c4pi_coll_key_at(coll, i));
        CHECK(home >= last && home < num_ranks);
        counts[last = home]++;
    }
    for (int r = 0; r < num_ranks; r++)
        CHECK_EQ(expected[r], counts[r]);
    core_world_end(&w);
}

static void
dense_arrays_are_cut_into_blocks_the_first_one_larger(void)
{
    check_counts((int64_t[]){10}, 1, 4, (int[]){3, 3, 2, 2});
    check_counts((int64_t[]){4}, 1, 3, (int[]){2, 1, 1});
    check_counts((int64_t[]){3}, 1, 4, (int[]){1, 1, 1, 0});
    check_counts((int64_t[]){12}, 1, 4, (int[]){3, 3, 3, 3});
    check_counts((int64_t[]){3, 3}, 2, 4, (int[]){3, 2, 2, 2});
    check_counts((int64_t[]){0}, 1, 3, (int[]){0, 0, 0});
}

static void
the_last_dimension_runs_fastest(void)
{
    core_world_begin(&w, 0, 3, 10, 0);
    c4pi_coll_t *coll = core_world_coll(
        &w, (c4pi_coll_t){.kind = C4P_KIND_ARRAY, .ndims = 3, .dense = true, .dims = {2, 3, 4}});
    uint64_t offset;
    CHECK(c4pi_coll_offset(coll, key_of(3, 1, 2, 3), &offset));
    CHECK_EQ(1 * 12 + 2 * 4 + 3, offset);
    for (uint64_t i = 0; i < 24; i++) {
        CHECK(c4pi_coll_offset(coll, c4pi_coll_key_at(coll, i), &offset));
        CHECK_EQ(i, offset);
    }
    CHECK(!c4pi_coll_offset(coll, key_of(3, 0, 0, 4), &offset));
    CHECK(!c4pi_coll_offset(coll, key_of(3, 0, -1, 0), &offset));
    CHECK(!c4pi_coll_offset(coll, key_of(3, 2, 0, 0), &offset));
    core_world_end(&w);
}

static void
blocks_and_homes_agree_for_all_sizes(void)
{
    for (int p = 1; p <= 11; p++) {
        for (int64_t n = 0; n <= 40; n++) {
            core_world_begin(&w, 0, p, 10, 0);
            c4pi_coll_t *coll = core_world_coll(
                &w, (c4pi_coll_t){.kind = C4P_KIND_ARRAY, .dense = true, .dims = {n}});
            uint64_t next = 0;
            for (int r = 0; r < p; r++) {
                uint64_t first, count;
                c4pi_block_of((uint64_t)n, r, p, &first, &count);
                CHECK_EQ(next, first);
                for (next = first; next < first + count; next++)
                    CHECK_EQ(r, c4pi_coll_home(coll, key_of(1, (int64_t)next, 0, 0)));
            }
            CHECK_EQ(n, next);
            core_world_end(&w);
        }
    }
}

static void
indices_outside_go_round_robin(void)
{
    core_world_begin(&w, 0, 4, 10, 0);
    c4pi_coll_t *sparse = core_world_coll(&w, (c4pi_coll_t){.kind = C4P_KIND_ARRAY});
    CHECK_EQ(0, c4pi_coll_home(sparse, key_of(1, 0, 0, 0)));
    CHECK_EQ(3, c4pi_coll_home(sparse, key_of(1, 7, 0, 0)));
    CHECK_EQ(3, c4pi_coll_home(sparse, key_of(1, -1, 0, 0)));
    CHECK_EQ(0, c4pi_coll_home(sparse, key_of(1, -8, 0, 0)));
    c4pi_coll_t *dense =
        core_world_coll(&w, (c4pi_coll_t){.kind = C4P_KIND_ARRAY, .dense = true, .dims = {6}});
    CHECK_EQ(2, c4pi_coll_home(dense, key_of(1, 6, 0, 0)));
    core_world_end(&w);
}

static void
hashed_homes_are_spread(void)
{
    int counts[5] = {0};
    core_world_begin(&w, 0, 5, 10, 0);
    c4pi_coll_t *coll = core_world_coll(&w, (c4pi_coll_t){.kind = C4P_KIND_ARRAY, .ndims = 2});
    for (int64_t i = 0; i < 1000; i++)
        counts[c4pi_coll_home(coll, key_of(2, i / 30, i % 30, 0))]++;
    for (int r = 0; r < 5; r++)
        CHECK(counts[r] > 120 && counts[r] < 280); /* 200 each, with room for chance */
    core_world_end(&w);
}

static void
groups_and_chares_live_where_they_are_named(void)
{
    core_world_begin(&w, 0, 8, 10, 0);
    c4pi_coll_t *group =
        core_world_coll(&w, (c4pi_coll_t){.kind = C4P_KIND_GROUP, .dense = true, .dims = {8}});
    c4pi_coll_t *chare = core_world_coll(
        &w, (c4pi_coll_t){.kind = C4P_KIND_CHARE, .dense = true, .dims = {1}, .chare_rank = 5});
    for (int r = 0; r < 8; r++)
        CHECK_EQ(r, c4pi_coll_home(group, (c4p_key_t){{(uint64_t)r, 0}}));
    CHECK_EQ(5, c4pi_coll_home(chare, (c4p_key_t){{0, 0}}));
    core_world_end(&w);
}

static int
place(c4p_rt_t *rt, const c4p_index_t *index, uint64_t arg, void *ctx)
{
    (void)rt;
    map_calls++;
    CHECK(ctx == &w);
    return (int)(index->at[0] + (int64_t)arg);
}

static void
a_users_map_is_asked_once_per_index(void)
{
    c4p_map_t map;
    core_world_begin(&w, 0, 8, 10, 0);
    CHECK_OK(c4p_map_add(w.rt, "shifted", place, &w, &map));
    c4pi_coll_t *coll =
        core_world_coll(&w, (c4pi_coll_t){.kind = C4P_KIND_ARRAY, .map = map, .map_arg = 2});
    map_calls = 0;
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(3, c4pi_coll_home(coll, key_of(1, 1, 0, 0)));
        CHECK_EQ(7, c4pi_coll_home(coll, key_of(1, 5, 0, 0)));
    }
    CHECK_EQ(2, map_calls);
    CHECK_EQ(-1, c4pi_coll_home(coll, key_of(1, 6, 0, 0))); /* rank 8 of 8 */
    CHECK_EQ(-1, c4pi_coll_home(coll, key_of(1, -3, 0, 0)));
    CHECK_STR_HAS("placement map 'shifted' answers rank 8 for Cell(6); it must be 0..7", w.sim.log);
    core_world_end(&w);
}

/* ---- elements --------------------------------------------------------------------------------- */

static c4pi_elem_t *
add(c4pi_coll_t *coll, int64_t i)
{
    return c4pi_elem_add(coll, key_of(1, i, 0, 0), (c4pi_version_t){1, 0});
}

static void
elements_are_found_until_they_are_removed(void)
{
    core_world_begin(&w, 0, 2, 10, 0);
    c4pi_coll_t *coll = core_world_coll(&w, (c4pi_coll_t){.kind = C4P_KIND_ARRAY});
    for (int64_t i = 0; i < 100; i++)
        add(coll, i);
    CHECK_EQ(100, coll->count);
    for (int64_t i = 0; i < 100; i += 2)
        c4pi_elem_remove(c4pi_elem_find(coll, key_of(1, i, 0, 0)));
    CHECK_EQ(50, coll->count);
    CHECK_EQ(50, coll->removals);
    for (int64_t i = 0; i < 100; i++)
        CHECK_EQ(i % 2, c4pi_elem_find(coll, key_of(1, i, 0, 0)) != NULL);
    for (uint32_t i = 0; i < coll->count; i++)
        CHECK_EQ(i, coll->vec[i]->vec_at);
    core_world_end(&w);
}

static void
a_record_outlives_its_element_while_messages_point_to_it(void)
{
    core_world_begin(&w, 0, 2, 10, 0);
    c4pi_coll_t *coll = core_world_coll(&w, (c4pi_coll_t){.kind = C4P_KIND_ARRAY});
    c4pi_elem_t *elem = add(coll, 1);
    elem->queued = 2;
    c4pi_elem_remove(elem);
    CHECK_EQ(C4PI_ELEM_GONE, elem->state);
    CHECK_EQ(1, w.rt->elem_pool.in_use);
    c4pi_elem_t *again = add(coll, 1); /* the index is free at once */
    CHECK(again != elem);
    c4pi_elem_release(elem);
    CHECK_EQ(2, w.rt->elem_pool.in_use);
    c4pi_elem_release(elem);
    CHECK_EQ(1, w.rt->elem_pool.in_use);
    core_world_end(&w);
}

static void
references_are_named_for_reports(void)
{
    char text[160], tiny[8];
    core_world_begin(&w, 0, 2, 10, 0);
    c4pi_coll_t *grid = core_world_coll(&w, (c4pi_coll_t){.kind = C4P_KIND_ARRAY, .ndims = 2});
    c4pi_coll_t *chare = core_world_coll(&w, (c4pi_coll_t){.kind = C4P_KIND_CHARE});
    CHECK_STR_EQ("Cell(4,-7)", c4pi_ref_text(grid, key_of(2, 4, -7, 0), text, sizeof text));
    CHECK_STR_EQ("Cell", c4pi_ref_text(chare, key_of(1, 0, 0, 0), text, sizeof text));
    CHECK_STR_EQ("Cell(4,", c4pi_ref_text(grid, key_of(2, 4, -7, 0), tiny, sizeof tiny));
    core_world_end(&w);
}

TEST_CASES(dense_arrays_are_cut_into_blocks_the_first_one_larger, the_last_dimension_runs_fastest,
           blocks_and_homes_agree_for_all_sizes, indices_outside_go_round_robin,
           hashed_homes_are_spread, groups_and_chares_live_where_they_are_named,
           a_users_map_is_asked_once_per_index, elements_are_found_until_they_are_removed,
           a_record_outlives_its_element_while_messages_point_to_it,
           references_are_named_for_reports)
