/* SPDX-License-Identifier: Apache-2.0 */
/* Who talks to whom: what is counted where a call is made, and the edges that come of it. */
#include "lb/talk.h"

#include "core/load.h"
#include "lb/edges.h"
#include "unit/core/core_world.h"

static core_world_t w;
static c4pi_coll_t *array;

enum { ELEMENTS = 4, MEMBERS_OF = 77 };

static c4p_ref_t
ref(int64_t i)
{
    return (c4p_ref_t){array->id, key_of(1, i, 0, 0)};
}

/* Elements 0 .. 3 that take part, 4 that does not. */
static void
begin(void)
{
    core_world_begin(&w, 0, 4, 8, 0);
    array = core_world_coll(&w, (c4pi_coll_t){.kind = C4P_KIND_ARRAY});
    for (int i = 0; i <= ELEMENTS; i++) {
        c4pi_elem_t *elem = c4pi_elem_add(array, ref(i).key, (c4pi_version_t){1, 0});
        c4pi_elem_need_extra(elem);
        elem->flags |= i < ELEMENTS ? C4PI_ELEM_SYNC : 0;
    }
    CHECK_OK(c4pi_load_on(w.rt));
    CHECK_OK(c4pi_talk_on(w.rt));
}

static void
end(void)
{
    c4pi_talk_off(w.rt);
    core_world_end(&w);
}

static void
send(int64_t from, c4p_ref_t to, bool whole, size_t len)
{
    c4p_msg_t *msg = c4pi_msg_or_die(w.rt, len);
    w.rt->running = c4pi_elem_find(array, ref(from).key);
    c4pi_talk_sent(w.rt, to, whole, msg);
    w.rt->running = NULL;
    c4pi_msg_drop(msg);
}

/* The recorded pairs. */
static size_t
take(c4pi_edges_t *edges)
{
    c4p_pup_t p;
    c4p_msg_t *msg;
    c4pi_pup_pack_init(&p, &w.rt->msgs);
    uint64_t count = c4pi_talk_take(w.rt, &p);
    CHECK_OK(c4pi_pup_pack_finish(&p, &msg));
    CHECK_EQ(count * sizeof(c4pi_talk_row_t), c4p_msg_len(msg));
    c4pi_edges_add_rows(w.rt, edges, c4pi_msg_payload(msg), (size_t)count);
    c4pi_msg_drop(msg);
    return (size_t)count;
}

static size_t
find(const void *ctx, c4p_ref_t who)
{
    (void)ctx;
    return who.coll == array->id && who.key.w[0] < ELEMENTS ? (size_t)who.key.w[0] : SIZE_MAX;
}

/* Is this all that object i has: pairs of another and bytes? */
static void
check_edges(const c4pi_edges_t *edges, size_t i, size_t n, const uint64_t (*expected)[2])
{
    CHECK_EQ(n, edges->first[i + 1] - edges->first[i]);
    for (size_t e = 0; e < n; e++) {
        CHECK_EQ(expected[e][0], edges->to[edges->first[i] + e]);
        CHECK_EQ(expected[e][1], edges->bytes[edges->first[i] + e]);
    }
}

static void
elements_know_how_much_they_send(void)
{
    begin();
    send(0, ref(1), false, 100);
    send(0, ref(0), false, 5);
    send(0, (c4p_ref_t){.coll = MEMBERS_OF}, true, 30);
    send(4, ref(1), false, 100);
    c4pi_work_t work = c4pi_load_take(c4pi_elem_find(array, ref(0).key));
    CHECK_EQ(3, work.messages);
    CHECK_EQ(135, work.bytes);
    work = c4pi_load_take(c4pi_elem_find(array, ref(0).key));
    CHECK_EQ(0, work.messages);
    CHECK_EQ(0, c4pi_load_take(c4pi_elem_find(array, ref(4).key)).messages);
    end();
}

static void
pairs_are_added_up_and_forgotten(void)
{
    c4pi_edges_t edges = {0};
    begin();
    for (int i = 0; i < 10; i++)
        send(0, ref(1), false, 100);
    send(1, ref(0), false, 7);
    send(0, ref(0), false, 1000); /* to itself */
    send(4, ref(1), false, 1000); /* takes no part */
    CHECK_EQ(2, take(&edges));
    CHECK_EQ(10, edges.rows[0].messages);
    CHECK_EQ(1000, edges.rows[0].bytes);
    CHECK(c4p_ref_eq(ref(1), edges.rows[1].from));
    CHECK(c4p_ref_eq(ref(0), edges.rows[1].to));
    CHECK_EQ(7, edges.rows[1].bytes);
    CHECK_EQ(0, take(&edges));
    c4pi_edges_clear(w.rt, &edges);
    end();
}

static void
edges_are_symmetric_and_in_order(void)
{
    c4pi_edges_t edges = {0};
    begin();
    send(2, ref(3), false, 1);
    send(2, ref(0), false, 20);
    send(0, ref(2), false, 300);
    send(3, ref(1), false, 4000);
    send(1, ref(4), false, 9); /* which is no object */
    take(&edges);
    send(2, ref(3), false, 50000); /* the same pair, from another rank */
    take(&edges);
    c4pi_edges_build(w.rt, &edges, ELEMENTS, find, NULL);
    check_edges(&edges, 0, 1, (const uint64_t[][2]){{2, 320}});
    check_edges(&edges, 1, 1, (const uint64_t[][2]){{3, 4000}});
    check_edges(&edges, 2, 2, (const uint64_t[][2]){{0, 320}, {3, 50001}});
    check_edges(&edges, 3, 2, (const uint64_t[][2]){{1, 4000}, {2, 50001}});
    CHECK_EQ(5, edges.all_messages);
    CHECK_EQ(54321, edges.all_bytes);
    c4pi_edges_clear(w.rt, &edges);
    end();
}

static void
a_call_of_a_section_is_one_of_each_member(void)
{
    c4pi_edges_t edges = {0};
    begin();
    const c4pi_edge_member_t members[] = {{MEMBERS_OF, ref(2)},
                                          {MEMBERS_OF + 1, ref(0)},
                                          {MEMBERS_OF, ref(4)}, /* no object */
                                          {MEMBERS_OF, ref(1)},
                                          {MEMBERS_OF, ref(3)}};
    c4pi_edges_add_members(w.rt, &edges, (const uint8_t *)members, 5);
    send(1, (c4p_ref_t){.coll = MEMBERS_OF}, true, 10);
    send(1, (c4p_ref_t){.coll = MEMBERS_OF}, true, 10);
    send(1, (c4p_ref_t){.coll = MEMBERS_OF + 2}, true, 999); /* no section, or empty */
    send(1, ref(3), false, 5);
    take(&edges);
    c4pi_edges_build(w.rt, &edges, ELEMENTS, find, NULL);
    check_edges(&edges, 0, 0, NULL);
    check_edges(&edges, 1, 2, (const uint64_t[][2]){{2, 20}, {3, 25}});
    check_edges(&edges, 2, 1, (const uint64_t[][2]){{1, 20}});
    check_edges(&edges, 3, 1, (const uint64_t[][2]){{1, 25}});
    c4pi_edges_clear(w.rt, &edges);
    end();
}

/* More pairs than there is room for: a sample of them, each counted in full, by either end. */
static void
of_too_many_pairs_a_sample_is_kept(void)
{
    enum { PAIRS = 3 * C4PI_TALK_MOST };
    c4pi_edges_t edges = {0};
    begin();
    for (int round = 0; round < 2; round++)
        for (int64_t i = 0; i < PAIRS; i++)
            send(0, ref(10 + i), false, 8);
    size_t count = take(&edges);
    CHECK(count <= C4PI_TALK_MOST);
    CHECK_NEAR(PAIRS / 4, (double)count, 2000); /* one in 4; five standard deviations are 950 */
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(2, edges.rows[i].messages);
        CHECK_EQ(16, edges.rows[i].bytes);
    }
    c4pi_edges_clear(w.rt, &edges);
    end();
}

static void
sends_are_looked_at_only_while_load_is_measured(void)
{
    begin();
    c4pi_coll_t *group = core_world_coll(&w, (c4pi_coll_t){.kind = C4P_KIND_GROUP});
    CHECK(array->guarded && array->unguarded_below == 0);
    CHECK(group->guarded && group->unguarded_below == 0);
    c4pi_load_off(w.rt);
    CHECK(!array->guarded);
    CHECK_EQ(4, group->unguarded_below);
    end();
}

TEST_CASES(elements_know_how_much_they_send, pairs_are_added_up_and_forgotten,
           edges_are_symmetric_and_in_order, a_call_of_a_section_is_one_of_each_member,
           of_too_many_pairs_a_sample_is_kept, sends_are_looked_at_only_while_load_is_measured)
