/* SPDX-License-Identifier: Apache-2.0 */
/* rt_section_test.c: sections on real ranks: broadcasts reach every member once and nobody else,
 * answers come in the order of the members, reductions close when all have contributed, whatever
 * the members are and whoever made the section when. */
#include "rt_support.h"
#include "support/prng.h"

enum { ELEMENTS = 40 };

typedef struct world {
    c4p_rt_t *rt;
    c4p_type_t cell, other;
    c4p_entry_t note, who, give, hear;
    c4p_coll_t array, group, others;
    c4p_ref_t single;
} world_t;

/* Broadcast to a section: take part in a reduction over it, `rounds` times. */
typedef struct order {
    c4p_coll_t section;
    int64_t rounds;
    c4p_target_t target;
} order_t;

static void
note(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    rts_obj_t *obj = object;
    (void)rt, (void)ctx;
    obj->count++;
    obj->sum += rts_number_in(msg);
}

/* Answer with the own number: the collection's in thousands, and the index. */
static int64_t
number_of(const world_t *w, c4p_ref_t ref)
{
    int64_t base = ref.coll == w->array ? 1000 : ref.coll == w->group ? 2000 : 3000;
    if (ref.coll == w->others)
        base = 4000;
    return base + (int64_t)ref.key.w[0];
}

static void
who(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    rts_obj_t *obj = object;
    c4p_reply_t reply;
    note(rt, object, msg, NULL);
    if (c4p_reply_take(rt, msg, &reply) != C4P_OK)
        return;
    CHECK(c4p_reply_wants_value(&reply));
    CHECK_OK(c4p_reply_send(rt, &reply, rts_number(rt, number_of(ctx, obj->self)), false));
}

static void
give(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    rts_obj_t *obj = object;
    order_t order;
    const c4p_reduce_t sum = {.op = C4P_OP_SUM, .dtype = C4P_INT64};
    (void)ctx;
    CHECK_EQ(sizeof order, c4p_msg_len(msg));
    memcpy(&order, c4p_msg_data(msg), sizeof order);
    for (int64_t i = 0; i < order.rounds; i++) {
        int64_t value = (i + 1) * ((int64_t)obj->self.key.w[0] + 1);
        CHECK_OK(c4p_section_contribute(rt, order.section, obj->self, &sum, &value, sizeof value,
                                        &order.target));
    }
}

/* The result of a reduction. */
static void
hear(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    rts_obj_t *obj = object;
    c4p_result_t result;
    (void)rt, (void)ctx;
    CHECK_OK(c4p_result_get(msg, &result));
    obj->count++;
    obj->sum += *(int64_t *)result.data;
}

static void
add_entries(world_t *w, c4p_type_t type, bool backwards)
{
    c4p_entry_t unused;
    if (backwards) { /* the same names by other numbers */
        CHECK_OK(c4p_entry_add(w->rt, type, "unused", note, w, &unused));
        CHECK_OK(c4p_entry_add(w->rt, type, "give", give, w, &unused));
        CHECK_OK(c4p_entry_add(w->rt, type, "who", who, w, &unused));
        CHECK_OK(c4p_entry_add(w->rt, type, "note", note, w, &unused));
        return;
    }
    CHECK_OK(c4p_entry_add(w->rt, type, "note", note, w, &w->note));
    CHECK_OK(c4p_entry_add(w->rt, type, "who", who, w, &w->who));
    CHECK_OK(c4p_entry_add(w->rt, type, "give", give, w, &w->give));
    CHECK_OK(c4p_entry_add(w->rt, type, "hear", hear, w, &w->hear));
}

/* An array, a group, an array of another type and a single chare, made on rank 0; known there, and
 * perhaps not yet elsewhere. */
static void
open_world(world_t *w)
{
    *w = (world_t){.rt = rts_open(NULL)};
    w->cell = rts_type(w->rt, "Cell");
    w->other = rts_type(w->rt, "Other");
    add_entries(w, w->cell, false);
    add_entries(w, w->other, true);
    CHECK_OK(c4p_start(w->rt));
    if (c4p_rank(w->rt) == 0) {
        w->array = rts_array(w->rt, w->cell, ELEMENTS);
        w->others = rts_array(w->rt, w->other, 10);
        CHECK_OK(c4p_group_new(w->rt, w->cell, NULL, 0, &w->group));
        CHECK_OK(c4p_chare_new(w->rt, w->cell, c4p_num_ranks(w->rt) - 1, NULL, 0, &w->single));
    }
    MPI_Bcast(&w->array, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    MPI_Bcast(&w->others, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    MPI_Bcast(&w->group, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    MPI_Bcast(&w->single, sizeof w->single, MPI_BYTE, 0, MPI_COMM_WORLD);
}

/* How many executions, and the sum of what came, over all chares of a collection. */
static int64_t
counted(c4p_coll_t coll, bool sums)
{
    int64_t n = 0;
    for (rts_obj_t *obj = rts_world.objs; obj; obj = obj->next)
        if (obj->self.coll == coll)
            n += sums ? obj->sum : obj->count;
    return rts_sum(n);
}

/* Elements 0, 3, 6, ... of the array, all of the group, the single chare, one of the others. */
static size_t
mixed(const world_t *w, c4p_ref_t *members)
{
    size_t n = 0;
    for (int64_t i = 0; i < ELEMENTS; i += 3)
        members[n++] = rts_ref(w->array, i);
    for (int64_t i = c4p_num_ranks(w->rt) - 1; i >= 0; i--)
        members[n++] = rts_ref(w->group, i);
    members[n++] = w->single;
    members[n++] = rts_ref(w->others, 7);
    return n;
}

static void
check_answers(const world_t *w, const rts_wait_t *wait, const c4p_ref_t *members, size_t n)
{
    size_t cursor = 0, i = 0;
    c4p_gathered_t part;
    CHECK_EQ(1, wait->values);
    CHECK_EQ(0, wait->errors);
    CHECK_EQ(n, c4p_gathered_count(wait->kept));
    while (c4p_gathered_next(wait->kept, &cursor, &part)) {
        int64_t number;
        CHECK_EQ(sizeof number, part.len);
        memcpy(&number, part.data, sizeof number);
        CHECK_EQ(number_of(w, members[i]), number);
        i++;
    }
}

/* From whatever rank, also one that may not have heard of the collections. */
static void
every_member_runs_a_broadcast_once_and_answers_in_order(void)
{
    for (int maker = 0; maker < 4; maker++) {
        world_t w;
        c4p_ref_t members[100];
        c4p_coll_t section = 0;
        rts_wait_t wait = {0}, done = {0};
        open_world(&w);
        if (maker >= c4p_num_ranks(w.rt)) {
            rts_close(w.rt);
            continue;
        }
        size_t n = mixed(&w, members);
        if (c4p_rank(w.rt) == maker) {
            CHECK_OK(c4p_section_new(w.rt, w.cell, members, n, &section));
            CHECK_OK(c4p_bcast(w.rt, section, w.note, rts_number(w.rt, 7), C4P_BCAST_NO_REPLY, 0));
            CHECK_OK(c4p_bcast(w.rt, section, w.who, rts_number(w.rt, 50), C4P_BCAST_GATHER,
                               rts_future(w.rt, 1, &wait)));
            CHECK_OK(c4p_bcast(w.rt, section, w.note, rts_number(w.rt, 100), C4P_BCAST_DONE,
                               rts_future(w.rt, 1, &done)));
        }
        rts_settle(w.rt);
        if (c4p_rank(w.rt) == maker) {
            check_answers(&w, &wait, members, n);
            CHECK_EQ(1, done.values);
            CHECK_EQ(0, done.errors);
        }
        CHECK_EQ(3 * 14, counted(w.array, false));
        CHECK_EQ(157 * 14, counted(w.array, true));
        CHECK_EQ(3 * c4p_num_ranks(w.rt), counted(w.group, false));
        CHECK_EQ(3, counted(w.single.coll, false));
        CHECK_EQ(3, counted(w.others, false));
        rts_wait_end(&wait);
        rts_wait_end(&done);
        rts_close(w.rt);
    }
}

static void
who_occurs_twice_is_a_member_once(void)
{
    world_t w;
    open_world(&w);
    if (c4p_rank(w.rt) == 0) {
        c4p_ref_t members[6];
        c4p_coll_t section;
        for (int i = 0; i < 6; i++)
            members[i] = rts_ref(w.array, i / 2 * 7);
        CHECK_OK(c4p_section_new(w.rt, w.cell, members, 6, &section));
        CHECK_OK(c4p_bcast(w.rt, section, w.note, rts_number(w.rt, 1), C4P_BCAST_NO_REPLY, 0));
    }
    rts_settle(w.rt);
    CHECK_EQ(3, counted(w.array, false));
    rts_close(w.rt);
}

/* Many rounds in flight: round i adds (i + 1) * (index + 1) over the members. */
static void
reductions_close_when_all_members_have_contributed(void)
{
    enum { ROUNDS = 30 };
    world_t w;
    c4p_ref_t members[100];
    rts_wait_t wait = {0};
    open_world(&w);
    size_t n = mixed(&w, members);
    int maker = c4p_num_ranks(w.rt) - 1;
    if (c4p_rank(w.rt) == maker) {
        order_t order = {.rounds = ROUNDS};
        CHECK_OK(c4p_section_new(w.rt, w.cell, members, n, &order.section));
        order.target = rts_to_future(rts_future(w.rt, ROUNDS, &wait));
        CHECK_OK(c4p_bcast(w.rt, order.section, w.give, rts_msg(w.rt, &order, sizeof order),
                           C4P_BCAST_NO_REPLY, 0));
    }
    rts_settle(w.rt);
    if (c4p_rank(w.rt) == maker) {
        int64_t weights = 0;
        c4p_result_t result;
        for (size_t i = 0; i < n; i++)
            weights += (int64_t)members[i].key.w[0] + 1;
        CHECK_EQ(ROUNDS, wait.values);
        CHECK_OK(c4p_result_get(wait.kept, &result));
        CHECK_EQ(rts_counter_base() + ROUNDS - 1, result.number); /* results come in order */
        CHECK_EQ(n, result.contributors);
        CHECK_EQ(ROUNDS * weights, *(int64_t *)result.data);
    }
    rts_wait_end(&wait);
    rts_close(w.rt);
}

/* The members hear of the section by a message each that may well come before the section does. */
static void
contributions_may_come_before_the_section(void)
{
    world_t w;
    rts_wait_t wait = {0};
    open_world(&w);
    if (c4p_rank(w.rt) == 0) {
        c4p_ref_t members[ELEMENTS];
        order_t order = {.rounds = 3};
        int64_t weights = 0;
        for (int i = 0; i < ELEMENTS; i++)
            members[i] = rts_ref(w.array, ELEMENTS - 1 - i);
        CHECK_OK(c4p_section_new(w.rt, w.cell, members, ELEMENTS, &order.section));
        order.target = rts_to_future(rts_future(w.rt, 3, &wait));
        for (int i = 0; i < ELEMENTS; i++) {
            weights += i + 1;
            CHECK_OK(c4p_send(w.rt, members[i], w.give, rts_msg(w.rt, &order, sizeof order)));
        }
        rts_settle(w.rt);
        c4p_result_t result;
        CHECK_EQ(3, wait.values);
        CHECK_OK(c4p_result_get(wait.kept, &result));
        CHECK_EQ(3 * weights, *(int64_t *)result.data);
    } else {
        rts_settle(w.rt);
    }
    rts_wait_end(&wait);
    rts_close(w.rt);
}

/* An index that is inserted later is called when it lives. */
static void
a_member_that_is_inserted_later_is_waited_for(void)
{
    world_t w;
    rts_wait_t wait = {0};
    open_world(&w);
    if (c4p_rank(w.rt) == 0) {
        c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
        c4p_coll_t sparse, section;
        opts.ndims = 1;
        CHECK_OK(c4p_array_new(w.rt, w.cell, &opts, NULL, &sparse));
        const c4p_ref_t members[2] = {rts_ref(sparse, 5), rts_ref(sparse, 17)};
        CHECK_OK(c4p_section_new(w.rt, w.cell, members, 2, &section));
        CHECK_OK(c4p_bcast(w.rt, section, w.note, rts_number(w.rt, 1), C4P_BCAST_DONE,
                           rts_future(w.rt, 1, &wait)));
        for (int i = 0; i < 2; i++) {
            c4p_index_t index = {1, {i ? 17 : 5}};
            CHECK_OK(c4p_insert(w.rt, sparse, &index, -1, NULL));
        }
        CHECK_OK(c4p_done_inserting(w.rt, sparse));
    }
    rts_settle(w.rt);
    int64_t ran = 0;
    for (rts_obj_t *obj = rts_world.objs; obj; obj = obj->next)
        ran += obj->count;
    CHECK_EQ(2, rts_sum(ran));
    if (c4p_rank(w.rt) == 0)
        CHECK_EQ(1, wait.values);
    rts_wait_end(&wait);
    rts_close(w.rt);
}

/* Sections of random members, made on all ranks at once; each runs two broadcasts and a reduction.
 */
static void
many_sections_do_not_mix(void)
{
    enum { SECTIONS = 60 };
    static rts_wait_t waits[SECTIONS];
    int64_t weights[SECTIONS], calls = 0;
    world_t w;
    open_world(&w);
    prng_t prng = {(uint64_t)c4p_rank(w.rt) + 5};
    for (int s = 0; s < SECTIONS; s++) {
        c4p_ref_t members[ELEMENTS];
        order_t order = {.rounds = 1};
        size_t n = 0;
        weights[s] = 0;
        for (int i = 0; i < ELEMENTS; i++) {
            if (prng_below(&prng, 4) && (i < ELEMENTS - 1 || n))
                continue;
            members[n++] = rts_ref(w.array, i);
            weights[s] += i + 1;
        }
        CHECK_OK(c4p_section_new(w.rt, w.cell, members, n, &order.section));
        order.target = rts_to_future(rts_future(w.rt, 1, &waits[s]));
        for (int i = 0; i < 2; i++)
            CHECK_OK(
                c4p_bcast(w.rt, order.section, w.note, rts_number(w.rt, 1), C4P_BCAST_NO_REPLY, 0));
        CHECK_OK(c4p_bcast(w.rt, order.section, w.give, rts_msg(w.rt, &order, sizeof order),
                           C4P_BCAST_NO_REPLY, 0));
        calls += 2 * (int64_t)n;
    }
    rts_settle(w.rt);
    CHECK_EQ(rts_sum(calls), counted(w.array, false));
    for (int s = 0; s < SECTIONS; s++) {
        c4p_result_t result;
        CHECK_EQ(1, waits[s].values);
        CHECK_OK(c4p_result_get(waits[s].kept, &result));
        CHECK_EQ(weights[s], *(int64_t *)result.data);
        rts_wait_end(&waits[s]);
    }
    rts_close(w.rt);
}

static void
a_section_can_be_the_target_of_a_reduction(void)
{
    world_t w;
    open_world(&w);
    if (c4p_rank(w.rt) == 0) {
        c4p_ref_t members[ELEMENTS];
        order_t order = {.rounds = 1};
        c4p_coll_t hears;
        for (int i = 0; i < ELEMENTS; i++)
            members[i] = rts_ref(w.array, i);
        CHECK_OK(c4p_section_new(w.rt, w.cell, members, ELEMENTS / 2, &order.section));
        CHECK_OK(c4p_section_new(w.rt, w.cell, members + 5, 10, &hears));
        order.target = (c4p_target_t){.kind = C4P_TARGET_BROADCAST, .entry = w.hear};
        order.target.ref.coll = hears;
        CHECK_OK(c4p_bcast(w.rt, order.section, w.give, rts_msg(w.rt, &order, sizeof order),
                           C4P_BCAST_NO_REPLY, 0));
    }
    rts_settle(w.rt);
    CHECK_EQ(10, counted(w.array, false));
    CHECK_EQ(10 * (ELEMENTS / 2 * (ELEMENTS / 2 + 1) / 2), counted(w.array, true));
    rts_close(w.rt);
}

static void
mistakes_are_refused(void)
{
    world_t w;
    open_world(&w);
    c4p_ref_t member = rts_ref(w.array, 0), beyond = rts_ref(w.group, c4p_num_ranks(w.rt));
    const c4p_reduce_t sum = {.op = C4P_OP_SUM, .dtype = C4P_INT64};
    const c4p_target_t nobody = {.kind = C4P_TARGET_NONE};
    c4p_coll_t section = 77;
    int64_t one = 1;
    rts_settle(w.rt);
    CHECK_STATUS(C4P_ERR_ARG, c4p_section_new(w.rt, w.cell, &member, 0, &section));
    CHECK_STATUS(C4P_ERR_ARG, c4p_section_new(w.rt, w.cell, NULL, 1, &section));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_section_new(w.rt, 999, &member, 1, &section));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_section_new(w.rt, w.cell, &beyond, 1, &section));
    CHECK_EQ(77, section);
    CHECK_OK(c4p_section_new(w.rt, w.cell, &member, 1, &section));
    c4p_ref_t element = {section, {{0, 0}}};
    c4p_msg_t *msg = rts_number(w.rt, 1);
    CHECK_STATUS(C4P_ERR_ARG, c4p_section_new(w.rt, w.cell, &element, 1, &section));
    CHECK_STATUS(C4P_ERR_ARG, c4p_send(w.rt, element, w.note, msg));
    CHECK(c4p_local(w.rt, element) == NULL);
    c4p_msg_free(msg);
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_section_contribute(w.rt, section, rts_ref(w.array, 1), &sum,
                                                           &one, sizeof one, &nobody));
    CHECK_STATUS(C4P_ERR_ARG,
                 c4p_section_contribute(w.rt, w.array, member, &sum, &one, sizeof one, &nobody));
    CHECK_STATUS(C4P_ERR_TYPE,
                 c4p_section_contribute(w.rt, section, member, &sum, &one, 3, &nobody));
    c4p_coll_info_t info;
    CHECK_OK(c4p_coll_info(w.rt, section, &info));
    CHECK_EQ(C4P_KIND_SECTION, info.kind);
    rts_close(w.rt);
}

TEST_CASES(every_member_runs_a_broadcast_once_and_answers_in_order,
           who_occurs_twice_is_a_member_once, reductions_close_when_all_members_have_contributed,
           contributions_may_come_before_the_section, a_member_that_is_inserted_later_is_waited_for,
           many_sections_do_not_mix, a_section_can_be_the_target_of_a_reduction,
           mistakes_are_refused)
