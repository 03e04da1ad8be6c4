/* SPDX-License-Identifier: Apache-2.0 */
/* rt_create_test.c: groups, arrays and single chares on real ranks: who makes them, where elements
 * live, insertion and deletion. */
#include "rt_support.h"

/* ---- helpers ---------------------------------------------------------------------------------- */

static int
block_owner(int64_t linear, int64_t n, int ranks)
{
    /* The first n mod P ranks have one more than the others: walk over the blocks. */
    int64_t begin = 0;
    for (int r = 0; r < ranks; r++) {
        begin += n / ranks + (r < n % ranks ? 1 : 0);
        if (linear < begin)
            return r;
    }
    return -1;
}

static int64_t
elements_of(c4p_coll_t coll)
{
    int64_t n = 0;
    for (rts_obj_t *obj = rts_world.objs; obj; obj = obj->next)
        n += obj->self.coll == coll;
    return n;
}

static void
count_call(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    rts_obj_t *obj = object;
    (void)rt, (void)ctx;
    obj->count++;
    obj->sum += rts_number_in(msg);
}

/* ---- groups and single chares ------------------------------------------------------------------ */

static void
every_rank_makes_a_group_with_a_member_on_each_rank(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Member");
    int me = c4p_rank(rt), ranks = c4p_num_ranks(rt);
    rts_wait_t made;
    c4p_coll_t mine, seen[64];
    int n = 0;

    CHECK_OK(c4p_start(rt));
    c4p_future_t created = rts_future(rt, 1, &made);
    CHECK_OK(c4p_group_new(rt, type, rts_number(rt, 100 + me), created, &mine));
    CHECK(c4p_local(rt, rts_ref(mine, me)) != NULL); /* the own member exists at once */
    rts_settle(rt);

    CHECK_EQ(1, made.values);
    CHECK_EQ(1, made.empty);
    CHECK_EQ(ranks, rts_world.alive);
    int64_t given = 0;
    for (rts_obj_t *obj = rts_world.objs; obj; obj = obj->next) {
        CHECK_EQ(1, obj->index.ndims);
        CHECK_EQ(me, obj->index.at[0]);
        CHECK_EQ(1, c4p_local_count(rt, obj->self.coll));
        for (int i = 0; i < n; i++)
            CHECK(seen[i] != obj->self.coll);
        seen[n++] = obj->self.coll;
        given += obj->given;
    }
    CHECK_EQ(100 * ranks + ranks * (ranks - 1) / 2, given); /* one of each creator */
    c4p_coll_info_t info;
    CHECK_OK(c4p_coll_info(rt, mine, &info));
    CHECK_EQ(C4P_KIND_GROUP, info.kind);
    CHECK_EQ(type, info.type);
    CHECK_EQ(1, info.ndims);
    CHECK_EQ(ranks, info.dims[0]);
    rts_close(rt);
    CHECK_EQ(0, rts_world.alive); /* the end destroys them */
}

static void
a_single_chare_lives_where_it_was_put(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Single");
    c4p_entry_t call = rts_entry(rt, type, "count", count_call);
    int me = c4p_rank(rt), ranks = c4p_num_ranks(rt);

    CHECK_OK(c4p_start(rt));
    for (int r = 0; r < ranks; r++) { /* everybody puts one on everybody */
        c4p_ref_t ref;
        CHECK_OK(c4p_chare_new(rt, type, r, rts_number(rt, 1000 * me + r), 0, &ref));
        CHECK_OK(c4p_send(rt, ref, call, rts_number(rt, 7))); /* waits for the construction */
    }
    rts_settle(rt);
    CHECK_EQ(ranks, rts_world.alive);
    for (rts_obj_t *obj = rts_world.objs; obj; obj = obj->next) {
        CHECK_EQ(me, obj->given % 1000);
        CHECK_EQ(1, obj->count);
        CHECK_EQ(7, obj->sum);
        CHECK_EQ(0, obj->index.at[0]);
    }
    /* Without a place they go round. */
    int64_t before = rts_world.alive;
    for (int i = 0; me == 0 && i < 3 * ranks; i++) {
        c4p_ref_t ref;
        CHECK_OK(c4p_chare_new(rt, type, -1, NULL, 0, &ref));
    }
    rts_settle(rt);
    CHECK_EQ(before + 3, rts_world.alive);
    rts_close(rt);
    CHECK_EQ(0, rts_world.alive);
}

/* ---- placement of dense arrays ----------------------------------------------------------------- */

/* Check this rank's elements of the only array against the rule, one by one. */
static void
check_blocks(c4p_rt_t *rt, c4p_coll_t coll, int ndims, const int64_t *dims)
{
    int64_t n = 1, mine = 0;
    for (int d = 0; d < ndims; d++)
        n *= dims[d];
    for (int64_t linear = 0; linear < n; linear++)
        mine += block_owner(linear, n, c4p_num_ranks(rt)) == c4p_rank(rt);
    CHECK_EQ(mine, c4p_local_count(rt, coll));
    CHECK_EQ(mine, elements_of(coll));
    for (rts_obj_t *obj = rts_world.objs; obj; obj = obj->next) {
        int64_t linear = 0;
        if (obj->self.coll != coll)
            continue;
        CHECK_EQ(ndims, obj->index.ndims);
        for (int d = 0; d < ndims; d++) {
            CHECK(obj->index.at[d] >= 0 && obj->index.at[d] < dims[d]);
            linear = linear * dims[d] + obj->index.at[d];
        }
        CHECK_EQ(c4p_rank(rt), block_owner(linear, n, c4p_num_ranks(rt)));
        CHECK(c4p_local(rt, obj->self) == obj);
        CHECK_EQ(1, obj->count); /* the message that was sent to each */
        CHECK_EQ(linear, obj->sum);
    }
}

typedef struct shape {
    int ndims;
    int64_t dims[C4P_MAX_DIMS];
} shape_t;

static void
dense_arrays_lie_in_row_major_blocks(void)
{
    static const shape_t shapes[] = {
        {1, {0}},
        {1, {1}},
        {1, {2}},
        {1, {3}},
        {1, {7}},
        {1, {1000}},
        {2, {3, 5}},
        {2, {5, 0}},
        {3, {2, 3, 4}},
        {3, {1, 1, 17}},
        {4, {3, 2, 1, 4}},
        {5, {2, 2, 2, 2, 2}},
        {6, {2, 1, 3, 1, 2, 2}},
    };
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        const shape_t *shape = &shapes[s];
        c4p_rt_t *rt = rts_open(NULL);
        c4p_type_t type = rts_type(rt, "Cell");
        c4p_entry_t call = rts_entry(rt, type, "count", count_call);
        c4p_coll_t coll = 0;
        rts_wait_t made;
        int maker = (int)s % c4p_num_ranks(rt);

        CHECK_OK(c4p_start(rt));
        if (c4p_rank(rt) == maker) {
            c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
            int64_t n = 1;
            opts.ndims = shape->ndims;
            opts.dense = true;
            memcpy(opts.dims, shape->dims, sizeof opts.dims);
            opts.created = rts_future(rt, 1, &made);
            CHECK_OK(c4p_array_new(rt, type, &opts, rts_number(rt, 42), &coll));
            for (int d = 0; d < shape->ndims; d++)
                n *= shape->dims[d];
            for (int64_t linear = 0; linear < n; linear++) {
                c4p_index_t index = {shape->ndims, {0}};
                c4p_ref_t to = {coll, {{0, 0}}};
                for (int64_t rest = linear, d = shape->ndims - 1; d >= 0;
                     rest /= shape->dims[d], d--)
                    index.at[d] = rest % shape->dims[d];
                CHECK_OK(c4p_index_pack(&index, &to.key));
                CHECK_OK(c4p_send(rt, to, call, rts_number(rt, linear)));
            }
        }
        rts_settle(rt);
        if (c4p_rank(rt) == maker)
            CHECK_EQ(1, made.values);
        MPI_Bcast(&coll, 1, MPI_UINT64_T, maker, MPI_COMM_WORLD);
        for (rts_obj_t *obj = rts_world.objs; obj; obj = obj->next)
            CHECK_EQ(42, obj->given);
        check_blocks(rt, coll, shape->ndims, shape->dims);
        rts_close(rt);
        CHECK_EQ(0, rts_world.alive);
    }
}

static int
diagonal_map(c4p_rt_t *rt, const c4p_index_t *index, uint64_t arg, void *ctx)
{
    CHECK_EQ(2, index->ndims);
    CHECK(*(int *)ctx == 11);
    return (int)((uint64_t)(index->at[0] + index->at[1]) + arg) % c4p_num_ranks(rt);
}

static void
a_map_of_the_users_decides_where_elements_live(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Cell");
    c4p_entry_t call = rts_entry(rt, type, "count", count_call);
    int eleven = 11;
    c4p_map_t map;
    c4p_coll_t coll;

    CHECK_OK(c4p_map_add(rt, "diagonal", diagonal_map, &eleven, &map));
    CHECK_OK(c4p_start(rt));
    if (c4p_rank(rt) == 0) {
        c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
        opts.ndims = 2;
        opts.dense = true;
        opts.dims[0] = 6;
        opts.dims[1] = 7;
        opts.map = map;
        opts.map_arg = 3;
        CHECK_OK(c4p_array_new(rt, type, &opts, NULL, &coll));
        for (int64_t i = 0; i < 6; i++) {
            for (int64_t j = 0; j < 7; j++) {
                c4p_ref_t to = {coll, {{0, 0}}};
                c4p_index_t index = {2, {i, j}};
                CHECK_OK(c4p_index_pack(&index, &to.key));
                CHECK_OK(c4p_send(rt, to, call, rts_number(rt, 1)));
            }
        }
    }
    rts_settle(rt);
    CHECK_EQ(42, rts_sum(rts_world.alive));
    for (rts_obj_t *obj = rts_world.objs; obj; obj = obj->next) {
        CHECK_EQ(c4p_rank(rt), (obj->index.at[0] + obj->index.at[1] + 3) % c4p_num_ranks(rt));
        CHECK_EQ(1, obj->count);
    }
    rts_close(rt);
}

/* ---- creation that is waited for --------------------------------------------------------------- */

static c4p_reply_t owed;

static c4p_status_t
construct_slowly(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    if (c4p_rank(rt) == c4p_num_ranks(rt) - 1)
        CHECK_OK(c4p_reply_take(rt, args, &owed));
    return rts_construct(rt, self, args, ctx, object_out);
}

static void
creation_is_complete_when_the_last_constructor_says_so(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    const c4p_type_desc_t desc = {.struct_size = sizeof desc,
                                  .name = "Slow",
                                  .construct = construct_slowly,
                                  .destroy = rts_destroy};
    c4p_type_t type;
    c4p_coll_t coll;
    rts_wait_t made = {0};

    CHECK_OK(c4p_type_add(rt, &desc, &type));
    CHECK_OK(c4p_start(rt));
    if (c4p_rank(rt) == 0)
        CHECK_OK(c4p_group_new(rt, type, NULL, rts_future(rt, 1, &made), &coll));
    rts_settle(rt);
    CHECK_EQ(1, rts_world.alive);
    CHECK_EQ(0, made.values); /* one answer is still owed */
    if (c4p_rank(rt) == c4p_num_ranks(rt) - 1)
        CHECK_OK(c4p_reply_send(rt, &owed, NULL, false));
    rts_settle(rt);
    CHECK_EQ(c4p_rank(rt) == 0, made.values);
    rts_close(rt);
}

/* ---- insertion and deletion --------------------------------------------------------------------- */

static void
empty_array(c4p_rt_t *rt, c4p_type_t type, int ndims, c4p_coll_t *coll)
{
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    opts.ndims = ndims;
    if (c4p_rank(rt) == 0)
        CHECK_OK(c4p_array_new(rt, type, &opts, NULL, coll));
    MPI_Bcast(coll, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
}

static void
elements_are_inserted_from_any_rank_with_any_index(void)
{
    for (int ndims = 1; ndims <= C4P_MAX_DIMS; ndims++) {
        c4p_rt_t *rt = rts_open(NULL);
        c4p_type_t type = rts_type(rt, "Cell");
        c4p_entry_t call = rts_entry(rt, type, "count", count_call);
        int me = c4p_rank(rt), ranks = c4p_num_ranks(rt);
        c4p_coll_t coll;

        CHECK_OK(c4p_start(rt));
        empty_array(rt, type, ndims, &coll);
        for (int64_t i = 0; i < 50; i++) {
            c4p_index_t index = {ndims, {0}};
            c4p_ref_t ref = {coll, {{0, 0}}};
            for (int d = 0; d < ndims; d++)
                index.at[d] = d % 2 ? -i - d : i * 1000 + me; /* distinct over ranks by at[0] */
            int place = i % 2 ? -1 : (int)((i / 2 + me) % ranks);
            CHECK_OK(c4p_insert(rt, coll, &index, place, rts_number(rt, place)));
            CHECK_OK(c4p_index_pack(&index, &ref.key));
            CHECK_OK(c4p_send(rt, ref, call, rts_number(rt, i)));
        }
        rts_settle(rt);
        CHECK_EQ(50 * ranks, rts_sum(rts_world.alive));
        int64_t sum = 0;
        for (rts_obj_t *obj = rts_world.objs; obj; obj = obj->next) {
            CHECK_EQ(1, obj->count);
            CHECK_EQ(obj->index.at[0] / 1000, obj->sum); /* the message for this very index */
            if (obj->given >= 0)
                CHECK_EQ(me, obj->given); /* a place was asked for */
            else if (ndims == 1)
                CHECK_EQ(me, obj->index.at[0] % ranks);
            sum += obj->sum;
        }
        CHECK_EQ(49 * 50 / 2 * ranks, rts_sum(sum));
        rts_close(rt);
        CHECK_EQ(0, rts_world.alive);
    }
}

static void
a_message_may_come_before_its_element(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Late");
    c4p_entry_t call = rts_entry(rt, type, "count", count_call);
    c4p_coll_t coll;

    CHECK_OK(c4p_start(rt));
    empty_array(rt, type, 1, &coll);
    for (int64_t i = 0; i < 20; i++)
        CHECK_OK(c4p_send(rt, rts_ref(coll, i), call, rts_number(rt, i)));
    rts_settle(rt);
    CHECK_EQ(0, rts_world.alive);
    for (int64_t i = 0; c4p_rank(rt) == 0 && i < 20; i++) {
        c4p_index_t index = {1, {i}};
        CHECK_OK(c4p_insert(rt, coll, &index, (int)(i / 3 % c4p_num_ranks(rt)), NULL));
    }
    rts_settle(rt);
    for (rts_obj_t *obj = rts_world.objs; obj; obj = obj->next) {
        CHECK_EQ(c4p_num_ranks(rt), obj->count);
        CHECK_EQ(c4p_num_ranks(rt) * obj->index.at[0], obj->sum);
    }
    CHECK_EQ(20, rts_sum(rts_world.alive));
    rts_close(rt);
}

/* Each constructor answers, the last rank's when it says so. */
static void
an_insertion_can_be_waited_for(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    const c4p_type_desc_t desc = {.struct_size = sizeof desc,
                                  .name = "Slow",
                                  .construct = construct_slowly,
                                  .destroy = rts_destroy};
    int me = c4p_rank(rt), ranks = c4p_num_ranks(rt);
    c4p_type_t type;
    c4p_coll_t coll;
    rts_wait_t made = {0};

    CHECK_OK(c4p_type_add(rt, &desc, &type));
    CHECK_OK(c4p_start(rt));
    empty_array(rt, type, 1, &coll);
    if (me == 0) {
        c4p_future_t created = rts_future(rt, (uint64_t)ranks, &made);
        for (int r = 0; r < ranks; r++) {
            c4p_index_t index = {1, {r + 1}};
            CHECK_OK(c4p_insert_awaited(rt, coll, &index, r, NULL, created));
        }
    }
    rts_settle(rt);
    CHECK_EQ(1, rts_world.alive);
    CHECK_EQ(me == 0 ? ranks - 1 : 0, made.values);
    if (me == ranks - 1)
        CHECK_OK(c4p_reply_send(rt, &owed, NULL, false));
    rts_settle(rt);
    CHECK_EQ(me == 0 ? ranks : 0, made.values);
    rts_close(rt);
}

static c4p_future_t sum_future;

static c4p_status_t
construct_and_contribute(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx,
                         void **object_out)
{
    c4p_status_t st = rts_construct(rt, self, args, ctx, object_out);
    const rts_obj_t *obj = *object_out;
    const c4p_reduce_t sum = {.op = C4P_OP_SUM, .dtype = C4P_INT64};
    c4p_target_t to = {.kind = C4P_TARGET_FUTURE, .number = (c4p_future_t)obj->given};
    int64_t mine = obj->index.at[0];
    CHECK_OK(c4p_contribute(rt, self, &sum, &mine, sizeof mine, &to, NULL));
    return st;
}

static void
check_sum(rts_wait_t *wait, int64_t contributors, int64_t sum)
{
    c4p_result_t result;
    CHECK_EQ(1, wait->values);
    CHECK_OK(c4p_result_get(wait->kept, &result));
    CHECK_EQ(contributors, result.contributors);
    CHECK_EQ(sizeof sum, result.len);
    CHECK_EQ(sum, *(int64_t *)result.data);
    rts_wait_end(wait);
}

static void
contribute_index(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    rts_obj_t *obj = object;
    const c4p_reduce_t sum = {.op = C4P_OP_SUM, .dtype = C4P_INT64};
    c4p_target_t to = {.kind = C4P_TARGET_FUTURE, .number = (c4p_future_t)rts_number_in(msg)};
    (void)ctx;
    CHECK_OK(c4p_contribute(rt, obj->self, &sum, &obj->index.at[0], 8, &to, NULL));
}

/* Reductions wait for the end of the insertions, then count exactly those; deletion lowers the
 * count. */
static void
reductions_close_after_done_inserting(void)
{
    enum { N = 40 };
    c4p_rt_t *rt = rts_open(NULL);
    const c4p_type_desc_t desc = {.struct_size = sizeof desc,
                                  .name = "Giver",
                                  .construct = construct_and_contribute,
                                  .destroy = rts_destroy};
    c4p_type_t type;
    c4p_coll_t coll;
    rts_wait_t wait = {0};
    int me = c4p_rank(rt);

    CHECK_OK(c4p_type_add(rt, &desc, &type));
    c4p_entry_t give = rts_entry(rt, type, "give", contribute_index);
    CHECK_OK(c4p_start(rt));
    empty_array(rt, type, 1, &coll);
    sum_future = me == 0 ? rts_future(rt, 1, &wait) : 0;
    for (int64_t i = 0; me == 0 && i < N; i++) {
        c4p_index_t index = {1, {i}};
        CHECK_OK(c4p_insert(rt, coll, &index, -1, rts_number(rt, (int64_t)sum_future)));
    }
    rts_settle(rt);
    CHECK_EQ(N, rts_sum(rts_world.alive));
    CHECK_EQ(0, wait.values); /* more may come */
    if (me == c4p_num_ranks(rt) - 1)
        CHECK_OK(c4p_done_inserting(rt, coll));
    rts_settle(rt);
    if (me == 0)
        check_sum(&wait, N, N * (N - 1) / 2);

    /* Half of them go; the next reduction is of the others. */
    for (int64_t i = me; i < N; i += c4p_num_ranks(rt)) /* asked for by all ranks */
        if (i % 2)
            CHECK_OK(c4p_destroy(rt, rts_ref(coll, i)));
    rts_settle(rt);
    CHECK_EQ(N / 2, rts_sum(rts_world.alive));
    if (me == 0) {
        sum_future = rts_future(rt, 1, &wait);
        CHECK_OK(
            c4p_bcast(rt, coll, give, rts_number(rt, (int64_t)sum_future), C4P_BCAST_NO_REPLY, 0));
    }
    rts_settle(rt);
    if (me == 0)
        check_sum(&wait, N / 2, N / 2 * (N / 2 - 1));
    rts_close(rt);
    CHECK_EQ(0, rts_world.alive);
}

static void
an_index_can_be_deleted_and_inserted_again(void)
{
    enum { ROUNDS = 30 };
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Phoenix");
    c4p_entry_t call = rts_entry(rt, type, "count", count_call);
    c4p_coll_t coll;
    c4p_index_t index = {1, {5}};
    int64_t calls = 0;

    CHECK_OK(c4p_start(rt));
    empty_array(rt, type, 1, &coll);
    for (int round = 0; round < ROUNDS; round++) {
        if (c4p_rank(rt) == 0)
            CHECK_OK(
                c4p_insert(rt, coll, &index, round % c4p_num_ranks(rt), rts_number(rt, round)));
        rts_settle(rt);
        CHECK_EQ(1, rts_sum(rts_world.alive));
        CHECK_OK(c4p_send(rt, rts_ref(coll, 5), call, rts_number(rt, 1)));
        rts_settle(rt);
        if (rts_world.objs) {
            CHECK_EQ(round, rts_world.objs->given);
            calls += rts_world.objs->count;
        }
        if (c4p_rank(rt) == c4p_num_ranks(rt) - 1)
            CHECK_OK(c4p_destroy(rt, rts_ref(coll, 5)));
        rts_settle(rt);
        CHECK_EQ(0, rts_sum(rts_world.alive));
        CHECK_EQ(0, c4p_local_count(rt, coll));
    }
    CHECK_EQ(ROUNDS * c4p_num_ranks(rt), rts_sum(calls));
    rts_close(rt);
}

/* A rank that deletes, inserts again and sends, all at once, reaches the new element: each call
 * exactly once, wherever rank, root, home, and the former and the new place are. */
static void
what_is_sent_after_an_insertion_finds_the_new_element(void)
{
    enum { ROUNDS = 24, CALLS = 3 };
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Heir");
    c4p_entry_t call = rts_entry(rt, type, "count", count_call);
    int me = c4p_rank(rt), ranks = c4p_num_ranks(rt);
    c4p_coll_t coll;
    rts_wait_t answers;

    CHECK_OK(c4p_start(rt));
    empty_array(rt, type, 1, &coll);
    for (int round = 0; round < ROUNDS; round++) {
        int64_t mine = 10 * me + round % 2; /* two indices, of different homes */
        c4p_index_t index = {1, {mine}};
        c4p_ref_t ref = rts_ref(coll, mine);
        c4p_future_t answer = rts_future(rt, 1, &answers);
        for (int again = 0; again < 1 + round % 3; again++) {
            if (round > 1 || again)
                CHECK_OK(c4p_destroy(rt, ref));
            CHECK_OK(c4p_insert(rt, coll, &index, (round / 2 + again + me) % ranks,
                                rts_number(rt, 100 * round + again)));
        }
        for (int i = 0; i < CALLS; i++)
            CHECK_OK(c4p_send(rt, ref, call, rts_number(rt, mine)));
        CHECK_OK(c4p_call(rt, ref, call, rts_number(rt, mine), answer));
        rts_settle(rt);
        CHECK_EQ(1, answers.values);
        CHECK_EQ(0, answers.errors);
        for (rts_obj_t *obj = rts_world.objs; obj; obj = obj->next) {
            if (obj->index.at[0] % 2 != round % 2)
                continue;
            CHECK_EQ(100 * round + round % 3, obj->given); /* the last one asked for */
            CHECK_EQ(CALLS + 1, obj->count);
            CHECK_EQ((CALLS + 1) * obj->index.at[0], obj->sum);
        }
        rts_wait_end(&answers);
    }
    CHECK_EQ(2 * ranks, rts_sum(rts_world.alive));
    rts_close(rt);
}

static void
append_digit(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    rts_obj_t *obj = object;
    (void)rt, (void)ctx;
    obj->sum = 10 * obj->sum + rts_number_in(msg);
}

/* Calls of one rank before and after its insertion arrive in the order sent: indices of all homes,
 * made there or elsewhere. */
static void
an_insertion_does_not_disturb_the_order_of_calls(void)
{
    enum { N = 16 };
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Cell");
    c4p_entry_t call = rts_entry(rt, type, "append", append_digit);
    int me = c4p_rank(rt), ranks = c4p_num_ranks(rt);
    c4p_coll_t coll;

    CHECK_OK(c4p_start(rt));
    empty_array(rt, type, 1, &coll);
    rts_settle(rt);
    for (int64_t i = 0; i < N; i++) {
        c4p_index_t index = {1, {1000 * me + i}};
        c4p_ref_t ref = rts_ref(coll, index.at[0]);
        int place = i % 4 ? -1 : (int)(i / 4) % ranks;
        for (int64_t digit = 1; digit <= 5; digit++) {
            if (digit == 3)
                CHECK_OK(c4p_insert(rt, coll, &index, place, NULL));
            CHECK_OK(c4p_send(rt, ref, call, rts_number(rt, digit)));
        }
    }
    rts_settle(rt);
    CHECK_EQ(N * ranks, rts_sum(rts_world.alive));
    for (rts_obj_t *obj = rts_world.objs; obj; obj = obj->next)
        CHECK_EQ(12345, obj->sum);
    rts_close(rt);
}

/* An element that deletes itself finishes its method first. */
static void
destroy_me(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    rts_obj_t *obj = object;
    (void)msg, (void)ctx;
    CHECK_OK(c4p_destroy(rt, obj->self));
    obj->count = 99; /* still there */
    CHECK(c4p_local(rt, obj->self) == obj);
}

static void
an_element_may_delete_itself(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Mayfly");
    c4p_entry_t die = rts_entry(rt, type, "die", destroy_me);

    CHECK_OK(c4p_start(rt));
    if (c4p_rank(rt) == 0) {
        c4p_coll_t coll = rts_array(rt, type, 100);
        CHECK_OK(c4p_bcast(rt, coll, die, rts_number(rt, 0), C4P_BCAST_NO_REPLY, 0));
    }
    rts_settle(rt);
    CHECK_EQ(100, rts_sum(rts_world.made));
    CHECK_EQ(0, rts_world.alive);
    rts_close(rt);
}

TEST_CASES(every_rank_makes_a_group_with_a_member_on_each_rank,
           a_single_chare_lives_where_it_was_put, dense_arrays_lie_in_row_major_blocks,
           a_map_of_the_users_decides_where_elements_live,
           creation_is_complete_when_the_last_constructor_says_so,
           elements_are_inserted_from_any_rank_with_any_index, an_insertion_can_be_waited_for,
           a_message_may_come_before_its_element, reductions_close_after_done_inserting,
           an_index_can_be_deleted_and_inserted_again,
           what_is_sent_after_an_insertion_finds_the_new_element,
           an_insertion_does_not_disturb_the_order_of_calls, an_element_may_delete_itself)
