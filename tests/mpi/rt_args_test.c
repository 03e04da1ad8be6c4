/* SPDX-License-Identifier: Apache-2.0 */
/* rt_args_test.c: every public function with arguments that it must refuse: the documented status,
 * nothing sent, nothing taken over, outputs untouched, and the runtime works on. */
#include "rt_support.h"

/* Options of a later version of the header, of which this library knows the first part only. */
typedef struct longer_opts {
    c4p_opts_t known;
    uint64_t more;
} longer_opts_t;

static void
init_refuses_what_it_does_not_know(void)
{
    c4p_opts_t opts = C4P_OPTS_INIT;
    longer_opts_t longer = {.known = {.struct_size = sizeof longer}, .more = 0};
    c4p_rt_t *rt = NULL, *const untouched = NULL;

    CHECK_STATUS(C4P_ERR_STATE, c4p_init_comm(MPI_COMM_WORLD, NULL, &rt)); /* MPI is not up */
    rts_mpi();
    CHECK_STATUS(C4P_ERR_ARG, c4p_init_comm(MPI_COMM_NULL, NULL, &rt));
    CHECK_STATUS(C4P_ERR_ARG, c4p_init_comm(MPI_COMM_WORLD, NULL, NULL));
    CHECK_STATUS(C4P_ERR_ARG, c4p_init(NULL, NULL));
    opts.struct_size = 1;
    CHECK_STATUS(C4P_ERR_ARG, c4p_init_comm(MPI_COMM_WORLD, &opts, &rt));
    longer.more = 1; /* an option that is not known here is used */
    CHECK_STATUS(C4P_ERR_ARG, c4p_init_comm(MPI_COMM_WORLD, &longer.known, &rt));
    CHECK(rt == untouched);
    longer.more = 0;
    CHECK_OK(c4p_init_comm(MPI_COMM_WORLD, &longer.known, &rt));
    c4p_free(rt);
    opts.struct_size = offsetof(c4p_opts_t, stall); /* of an earlier version */
    CHECK_OK(c4p_init_comm(MPI_COMM_WORLD, &opts, &rt));
    c4p_free(rt);
}

static void
options_out_of_range_are_refused(void)
{
    static const struct {
        size_t offset;
        size_t size;
        uint64_t value;
    } bad[] = {
#define BAD(field, value) {offsetof(c4p_opts_t, field), sizeof(((c4p_opts_t *)0)->field), value}
        BAD(log_level, 77),
        BAD(stall, 3),
        BAD(idle, 4),
        BAD(stall_after_ms, 86400001),
        BAD(credit_bytes, 100),
        BAD(credit_bytes, UINT64_MAX),
        BAD(small_bytes, 10),
        BAD(small_bytes, UINT32_MAX),
        BAD(ring_slots, 1),
        BAD(ring_slots, 65537),
        BAD(batch_bytes, 100000),
        BAD(bcast_log, 1048577),
#undef BAD
    };
    rts_mpi();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        c4p_opts_t opts = C4P_OPTS_INIT;
        c4p_rt_t *rt = NULL;
        opts.log_level = C4P_LOG_DEFAULT;
        memcpy((char *)&opts + bad[i].offset, &bad[i].value, bad[i].size);
        c4p_status_t st = c4p_init_comm(MPI_COMM_WORLD, &opts, &rt);
        if (st != C4P_ERR_OPTION)
            FAIL("option at %zu with %llu: %s", bad[i].offset, (unsigned long long)bad[i].value,
                 c4p_status_name(st));
    }
}

static c4p_status_t
combine(c4p_rt_t *rt, const c4p_blob_t *parts, size_t n, void *ctx, c4p_msg_t **out)
{
    (void)n, (void)ctx;
    *out = rts_msg(rt, parts[0].data, parts[0].len);
    return C4P_OK;
}

static int
map_to_zero(c4p_rt_t *rt, const c4p_index_t *index, uint64_t arg, void *ctx)
{
    (void)rt, (void)index, (void)arg, (void)ctx;
    return 0;
}

static void
nothing(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    (void)rt, (void)object, (void)msg, (void)ctx;
}

static void
no_handler(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    (void)rt, (void)msg, (void)ctx;
}

static void
no_post(c4p_rt_t *rt, void *ctx)
{
    (void)rt, (void)ctx;
}

static void
registration_is_checked(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_desc_t desc = {.struct_size = sizeof desc,
                            .name = "T",
                            .construct = rts_construct,
                            .destroy = rts_destroy};
    c4p_type_t type = 4711;
    c4p_entry_t entry = 4711;
    uint32_t number = 4711;

    CHECK_STATUS(C4P_ERR_ARG, c4p_type_add(NULL, &desc, &type));
    CHECK_STATUS(C4P_ERR_ARG, c4p_type_add(rt, NULL, &type));
    CHECK_STATUS(C4P_ERR_ARG, c4p_type_add(rt, &desc, NULL));
    desc.name = NULL;
    CHECK_STATUS(C4P_ERR_ARG, c4p_type_add(rt, &desc, &type));
    desc.name = "T";
    desc.construct = NULL;
    CHECK_STATUS(C4P_ERR_ARG, c4p_type_add(rt, &desc, &type));
    desc.construct = rts_construct;
    desc.struct_size = 3;
    CHECK_STATUS(C4P_ERR_ARG, c4p_type_add(rt, &desc, &type));
    desc.struct_size = sizeof desc;
    CHECK_EQ(4711, type);
    CHECK_OK(c4p_type_add(rt, &desc, &type));
    CHECK_STATUS(C4P_ERR_EXISTS, c4p_type_add(rt, &desc, &number)); /* the name is taken */
    CHECK_STR_EQ("T", c4p_type_name(rt, type));
    CHECK(c4p_type_name(rt, type + 1) == NULL);

    CHECK_STATUS(C4P_ERR_ARG, c4p_entry_add(NULL, type, "e", nothing, NULL, &entry));
    CHECK_STATUS(C4P_ERR_ARG, c4p_entry_add(rt, type, NULL, nothing, NULL, &entry));
    CHECK_STATUS(C4P_ERR_ARG, c4p_entry_add(rt, type, "e", NULL, NULL, &entry));
    CHECK_STATUS(C4P_ERR_ARG, c4p_entry_add(rt, type, "e", nothing, NULL, NULL));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_entry_add(rt, type + 1, "e", nothing, NULL, &entry));
    CHECK_EQ(4711, entry);
    CHECK_OK(c4p_entry_add(rt, type, "e", nothing, NULL, &entry));
    c4p_entry_t found = 99;
    CHECK_OK(c4p_entry_find(rt, type, "e", &found));
    CHECK_EQ(entry, found);
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_entry_find(rt, type, "f", &found));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_entry_find(rt, type + 1, "e", &found));
    CHECK_STATUS(C4P_ERR_ARG, c4p_entry_find(rt, type, NULL, &found));
    CHECK_STATUS(C4P_ERR_ARG, c4p_entry_find(NULL, type, "e", &found));
    CHECK_STR_EQ("e", c4p_entry_name(rt, type, entry));
    CHECK(c4p_entry_name(rt, type, (c4p_entry_t)(entry + 1)) == NULL);

    CHECK_STATUS(C4P_ERR_ARG, c4p_map_add(NULL, "m", map_to_zero, NULL, &number));
    CHECK_STATUS(C4P_ERR_ARG, c4p_map_add(rt, NULL, map_to_zero, NULL, &number));
    CHECK_STATUS(C4P_ERR_ARG, c4p_map_add(rt, "m", NULL, NULL, &number));
    CHECK_STATUS(C4P_ERR_ARG, c4p_map_add(rt, "m", map_to_zero, NULL, NULL));
    CHECK_STATUS(C4P_ERR_ARG, c4p_reducer_add(NULL, "r", combine, NULL, &number));
    CHECK_STATUS(C4P_ERR_ARG, c4p_reducer_add(rt, NULL, combine, NULL, &number));
    CHECK_STATUS(C4P_ERR_ARG, c4p_reducer_add(rt, "r", NULL, NULL, &number));
    CHECK_STATUS(C4P_ERR_ARG, c4p_reducer_add(rt, "r", combine, NULL, NULL));
    CHECK_STATUS(C4P_ERR_ARG, c4p_handler_add(NULL, "h", no_handler, NULL, &number));
    CHECK_STATUS(C4P_ERR_ARG, c4p_handler_add(rt, NULL, no_handler, NULL, &number));
    CHECK_STATUS(C4P_ERR_ARG, c4p_handler_add(rt, "h", NULL, NULL, &number));
    CHECK_STATUS(C4P_ERR_ARG, c4p_handler_add(rt, "h", no_handler, NULL, NULL));
    CHECK_EQ(4711, number);
    CHECK_OK(c4p_map_add(rt, "m", map_to_zero, NULL, &number));
    CHECK_OK(c4p_reducer_add(rt, "r", combine, NULL, &number));
    uint32_t reducer = 0;
    CHECK_OK(c4p_reducer_find(rt, "r", &reducer));
    CHECK_EQ(number, reducer);
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_reducer_find(rt, "q", &reducer));
    CHECK_STATUS(C4P_ERR_ARG, c4p_reducer_find(rt, NULL, &reducer));
    CHECK_STATUS(C4P_ERR_ARG, c4p_reducer_find(rt, "r", NULL));
    CHECK_OK(c4p_handler_add(rt, "h", no_handler, NULL, &number));

    c4p_hooks_t hooks = {.struct_size = 1};
    CHECK_STATUS(C4P_ERR_ARG, c4p_set_hooks(NULL, &hooks));
    CHECK_STATUS(C4P_ERR_ARG, c4p_set_hooks(rt, NULL));
    CHECK_STATUS(C4P_ERR_ARG, c4p_set_hooks(rt, &hooks));
    c4p_free(rt);
}

static void
before_the_start_nothing_can_be_made_or_sent(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "T");
    c4p_entry_t entry = rts_entry(rt, type, "e", nothing);
    c4p_array_opts_t array = C4P_ARRAY_OPTS_INIT;
    const c4p_index_t index = {1, {0}};
    const c4p_target_t none = {0};
    const c4p_reduce_t nop = {0};
    c4p_msg_t *msg = rts_number(rt, 5);
    c4p_handler_t handler;
    c4p_coll_t coll = 7;
    c4p_ref_t ref = {9, {{0, 0}}};
    bool exited;
    int code;

    array.ndims = 1;
    CHECK_OK(c4p_handler_add(rt, "h", no_handler, NULL, &handler));
    CHECK_STATUS(C4P_ERR_STATE, c4p_group_new(rt, type, msg, 0, &coll));
    CHECK_STATUS(C4P_ERR_STATE, c4p_array_new(rt, type, &array, msg, &coll));
    CHECK_STATUS(C4P_ERR_STATE, c4p_chare_new(rt, type, 0, msg, 0, &ref));
    CHECK_STATUS(C4P_ERR_STATE, c4p_insert(rt, 1, &index, -1, msg));
    CHECK_STATUS(C4P_ERR_STATE, c4p_done_inserting(rt, 1));
    CHECK_STATUS(C4P_ERR_STATE, c4p_destroy(rt, rts_ref(1, 0)));
    CHECK_STATUS(C4P_ERR_STATE, c4p_send(rt, rts_ref(1, 0), entry, msg));
    CHECK_STATUS(C4P_ERR_STATE, c4p_bcast(rt, 1, entry, msg, C4P_BCAST_NO_REPLY, 0));
    CHECK_STATUS(C4P_ERR_STATE, c4p_send_handler(rt, 0, handler, msg));
    CHECK_STATUS(C4P_ERR_STATE, c4p_bcast_handler(rt, handler, msg));
    CHECK_STATUS(C4P_ERR_STATE, c4p_contribute(rt, rts_ref(1, 0), &nop, NULL, 0, &none, NULL));
    CHECK_STATUS(C4P_ERR_STATE, c4p_detect_quiescence(rt, &none));
    CHECK_STATUS(C4P_ERR_STATE, c4p_exit(rt, 0));
    CHECK_STATUS(C4P_ERR_STATE, c4p_run(rt, &code));
    CHECK_STATUS(C4P_ERR_STATE, c4p_run_until_quiescent(rt, &exited));
    CHECK_STATUS(C4P_ERR_STATE, c4p_step(rt, 1, NULL));
    CHECK_EQ(7, coll);
    CHECK_EQ(9, ref.coll);
    CHECK_EQ(5, rts_number_in(msg));
    c4p_msg_free(msg);
    CHECK_OK(c4p_start(rt));
    CHECK_STATUS(C4P_ERR_STATE, c4p_start(rt)); /* once */
    rts_close(rt);
}

static void
creation_is_checked(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "T");
    const int ranks = c4p_num_ranks(rt);
    c4p_coll_t coll = 7;
    c4p_ref_t ref = {9, {{0, 0}}};
    const c4p_index_t zero = {1, {0}}, two_d = {2, {0, 0}}, none_d = {0, {0}}, seven_d = {7, {0}};
    const c4p_index_t far = {3, {INT64_MAX, 0, 0}};

    CHECK_OK(c4p_start(rt));
    CHECK_STATUS(C4P_ERR_ARG, c4p_group_new(NULL, type, NULL, 0, &coll));
    CHECK_STATUS(C4P_ERR_ARG, c4p_group_new(rt, type, NULL, 0, NULL));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_group_new(rt, type + 1, NULL, 0, &coll));
    CHECK_STATUS(C4P_ERR_RANGE,
                 c4p_group_new(rt, type, NULL, (c4p_future_t)ranks << 40 | 1, &coll));
    CHECK_STATUS(C4P_ERR_ARG, c4p_chare_new(NULL, type, 0, NULL, 0, &ref));
    CHECK_STATUS(C4P_ERR_ARG, c4p_chare_new(rt, type, 0, NULL, 0, NULL));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_chare_new(rt, type + 1, 0, NULL, 0, &ref));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_chare_new(rt, type, ranks, NULL, 0, &ref));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_chare_new(rt, type, -2, NULL, 0, &ref));

    static const struct {
        int ndims;
        bool dense;
        int64_t dims[C4P_MAX_DIMS];
        c4p_map_t map;
        c4p_status_t want;
    } arrays[] = {
        {0, true, {0}, 0, C4P_ERR_ARG},
        {7, true, {1}, 0, C4P_ERR_ARG},
        {-1, false, {0}, 0, C4P_ERR_ARG},
        {1, true, {-1}, 0, C4P_ERR_RANGE},
        {2, true, {3, INT64_MIN}, 0, C4P_ERR_RANGE},
        {1, true, {INT64_MAX}, 0, C4P_ERR_RANGE},
        {2, true, {INT64_C(1) << 40, INT64_C(1) << 40}, 0, C4P_ERR_RANGE},
        {6, true, {1, 1, 1, 1, 1, (INT64_C(1) << 21) + 9}, 0, C4P_ERR_RANGE},
        {1, true, {4}, 99, C4P_ERR_NOT_FOUND},
        {1, false, {0}, 99, C4P_ERR_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
        opts.ndims = arrays[i].ndims;
        opts.dense = arrays[i].dense;
        opts.map = arrays[i].map;
        memcpy(opts.dims, arrays[i].dims, sizeof opts.dims);
        c4p_status_t st = c4p_array_new(rt, type, &opts, NULL, &coll);
        if (st != arrays[i].want)
            FAIL("array %zu: expected %s, got %s", i, c4p_status_name(arrays[i].want),
                 c4p_status_name(st));
    }
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    opts.ndims = 1;
    CHECK_STATUS(C4P_ERR_ARG, c4p_array_new(NULL, type, &opts, NULL, &coll));
    CHECK_STATUS(C4P_ERR_ARG, c4p_array_new(rt, type, NULL, NULL, &coll));
    CHECK_STATUS(C4P_ERR_ARG, c4p_array_new(rt, type, &opts, NULL, NULL));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_array_new(rt, type + 1, &opts, NULL, &coll));
    opts.struct_size = 4;
    CHECK_STATUS(C4P_ERR_ARG, c4p_array_new(rt, type, &opts, NULL, &coll));
    CHECK_EQ(7, coll);
    CHECK_EQ(9, ref.coll);

    opts.struct_size = sizeof opts;
    CHECK_OK(c4p_array_new(rt, type, &opts, NULL, &coll));
    c4p_coll_t group;
    CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
    const c4p_coll_t strange = ((c4p_coll_t)ranks << 40) | 1; /* made by a rank that does not exist
                                                               */
    CHECK_STATUS(C4P_ERR_ARG, c4p_insert(NULL, coll, &zero, -1, NULL));
    CHECK_STATUS(C4P_ERR_ARG, c4p_insert(rt, 0, &zero, -1, NULL));
    CHECK_STATUS(C4P_ERR_ARG, c4p_insert(rt, coll, NULL, -1, NULL));
    CHECK_STATUS(C4P_ERR_ARG, c4p_insert(rt, coll, &two_d, -1, NULL));
    CHECK(c4p_insert(rt, coll, &none_d, -1, NULL) != C4P_OK);
    CHECK(c4p_insert(rt, coll, &seven_d, -1, NULL) != C4P_OK);
    CHECK_STATUS(C4P_ERR_RANGE, c4p_insert(rt, coll, &zero, ranks, NULL));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_insert(rt, coll, &zero, -2, NULL));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_insert(rt, strange, &zero, -1, NULL));
    CHECK_STATUS(C4P_ERR_TYPE, c4p_insert(rt, group, &zero, -1, NULL));
    CHECK_STATUS(C4P_ERR_TYPE, c4p_done_inserting(rt, group));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_done_inserting(rt, strange));
    CHECK_STATUS(C4P_ERR_ARG, c4p_done_inserting(rt, 0));
    CHECK_STATUS(C4P_ERR_TYPE, c4p_destroy(rt, rts_ref(group, 0)));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_destroy(rt, rts_ref(strange, 0)));
    CHECK_STATUS(C4P_ERR_ARG, c4p_destroy(NULL, rts_ref(coll, 0)));
    opts.ndims = 3;
    c4p_coll_t cube;
    CHECK_OK(c4p_array_new(rt, type, &opts, NULL, &cube));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_insert(rt, cube, &far, -1, NULL));

    c4p_coll_info_t info;
    c4p_key_t key;
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_coll_info(rt, strange, &info));
    CHECK_STATUS(C4P_ERR_ARG, c4p_coll_info(rt, coll, NULL));
    CHECK_STATUS(C4P_ERR_ARG, c4p_coll_info(NULL, coll, &info));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_index_pack(&far, &key));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_index_pack(&none_d, &key));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_index_pack(&seven_d, &key));
    CHECK(c4p_local(rt, rts_ref(strange, 0)) == NULL);
    CHECK(c4p_local(rt, rts_ref(coll, 5)) == NULL);
    CHECK_EQ(0, c4p_local_count(rt, strange));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_suspended(rt, rts_ref(coll, 5), 1));
    CHECK_STATUS(C4P_ERR_ARG, c4p_suspended(NULL, rts_ref(coll, 5), 1));
    rts_settle(rt); /* what was refused is not being waited for */
    CHECK_EQ(ranks, rts_world.alive);
    rts_close(rt);
}

static void
sends_are_checked_and_leave_the_message_to_the_caller(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "T");
    c4p_entry_t entry = rts_entry(rt, type, "e", nothing);
    const int ranks = c4p_num_ranks(rt);
    const c4p_coll_t strange = ((c4p_coll_t)ranks << 40) | 1;
    c4p_handler_t handler;
    c4p_coll_t group;
    c4p_msg_t *msg = NULL, *untouched = NULL;
    c4p_future_t future;
    rts_wait_t wait;

    CHECK_OK(c4p_handler_add(rt, "h", no_handler, NULL, &handler));
    CHECK_OK(c4p_start(rt));
    CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
    CHECK_STATUS(C4P_ERR_ARG, c4p_msg_new(NULL, 8, &msg));
    CHECK_STATUS(C4P_ERR_ARG, c4p_msg_new(rt, 8, NULL));
    CHECK_STATUS(C4P_ERR_NOMEM, c4p_msg_new(rt, SIZE_MAX, &msg));
#if !C4PT_UNDER_ASAN /* whose allocator takes such a request for a mistake */
    CHECK_STATUS(C4P_ERR_NOMEM, c4p_msg_new(rt, SIZE_MAX / 2, &msg));
    CHECK_STATUS(C4P_ERR_NOMEM, c4p_msg_new(rt, (size_t)1 << 60, &msg));
#endif
    CHECK(msg == untouched);
    c4p_object_ops_t half = {0};
    CHECK_STATUS(C4P_ERR_ARG, c4p_msg_new_object(rt, &half, &half, &msg));
    CHECK_STATUS(C4P_ERR_ARG, c4p_msg_new_object(rt, &half, NULL, &msg));
    CHECK(msg == untouched);

    msg = rts_number(rt, 5);
    CHECK_STATUS(C4P_ERR_ARG, c4p_msg_attach(msg, NULL, 1, NULL, NULL));
    CHECK_STATUS(C4P_ERR_LIMIT, c4p_msg_attach(msg, msg, SIZE_MAX, NULL, NULL));
    c4p_msg_trim(msg, 100); /* longer than it is: nothing happens */
    CHECK_EQ(8, c4p_msg_len(msg));
    CHECK(c4p_msg_object(msg) == NULL);

    CHECK_STATUS(C4P_ERR_ARG, c4p_send(NULL, rts_ref(group, 0), entry, msg));
    CHECK_STATUS(C4P_ERR_ARG, c4p_send(rt, rts_ref(group, 0), entry, NULL));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_send(rt, rts_ref(group, 0), (c4p_entry_t)(entry + 1), msg));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_send(rt, rts_ref(group, ranks), entry, msg));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_send(rt, rts_ref(group, -1), entry, msg));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_send(rt, rts_ref(0, 0), entry, msg));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_send(rt, rts_ref(strange, 0), entry, msg));
    CHECK_STATUS(C4P_ERR_ARG, c4p_call(rt, rts_ref(group, 0), entry, NULL, 1));
    CHECK_STATUS(C4P_ERR_ARG, c4p_send_handler(NULL, 0, handler, msg));
    CHECK_STATUS(C4P_ERR_ARG, c4p_send_handler(rt, 0, handler, NULL));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_send_handler(rt, ranks, handler, msg));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_send_handler(rt, -1, handler, msg));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_send_handler(rt, 0, handler + 100, msg));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_bcast_handler(rt, handler + 100, msg));
    CHECK_STATUS(C4P_ERR_ARG, c4p_bcast_handler(rt, handler, NULL));
    CHECK_STATUS(C4P_ERR_ARG, c4p_bcast(NULL, group, entry, msg, C4P_BCAST_NO_REPLY, 0));
    CHECK_STATUS(C4P_ERR_ARG, c4p_bcast(rt, group, entry, NULL, C4P_BCAST_NO_REPLY, 0));
    CHECK_STATUS(C4P_ERR_ARG, c4p_bcast(rt, group, entry, msg, C4P_BCAST_NO_REPLY, 5));
    CHECK_STATUS(C4P_ERR_ARG, c4p_bcast(rt, group, entry, msg, C4P_BCAST_DONE, 0));
    CHECK_STATUS(C4P_ERR_ARG, c4p_bcast(rt, group, entry, msg, (c4p_bcast_reply_t)3, 5));
    CHECK_STATUS(C4P_ERR_NOT_FOUND,
                 c4p_bcast(rt, group, (c4p_entry_t)(entry + 1), msg, C4P_BCAST_NO_REPLY, 0));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_bcast(rt, 0, entry, msg, C4P_BCAST_NO_REPLY, 0));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_bcast(rt, strange, entry, msg, C4P_BCAST_NO_REPLY, 0));

    CHECK_STATUS(C4P_ERR_ARG, c4p_future_new(NULL, 1, rts_on_value, NULL, &future));
    CHECK_STATUS(C4P_ERR_ARG, c4p_future_new(rt, 0, rts_on_value, NULL, &future));
    CHECK_STATUS(C4P_ERR_ARG, c4p_future_new(rt, 1, NULL, NULL, &future));
    CHECK_STATUS(C4P_ERR_ARG, c4p_future_new(rt, 1, rts_on_value, NULL, NULL));
    const c4p_future_t of_nobody = (c4p_future_t)ranks << 40 | 1;
    CHECK_STATUS(C4P_ERR_RANGE, c4p_future_send(rt, of_nobody, msg, false));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_call(rt, rts_ref(group, 0), entry, msg, of_nobody));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_bcast(rt, group, entry, msg, C4P_BCAST_DONE, of_nobody));
    CHECK_STATUS(C4P_ERR_ARG, c4p_future_send(NULL, 1, msg, false));
    CHECK(c4p_future_send(rt, 0, msg, false) != C4P_OK);
    c4p_future_free(rt, 12345678); /* not there: nothing happens */
    c4p_future_free(NULL, 1);

    uint64_t id;
    CHECK_STATUS(C4P_ERR_ARG, c4p_timer(NULL, 0, no_post, NULL, &id));
    CHECK_STATUS(C4P_ERR_ARG, c4p_timer(rt, -1, no_post, NULL, &id));
    CHECK_STATUS(C4P_ERR_ARG, c4p_timer(rt, NAN, no_post, NULL, &id));
    CHECK_STATUS(C4P_ERR_ARG, c4p_timer(rt, INFINITY, no_post, NULL, &id));
    CHECK_STATUS(C4P_ERR_ARG, c4p_timer(rt, 1, NULL, NULL, &id));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_timer_cancel(rt, 99));
    CHECK_STATUS(C4P_ERR_ARG, c4p_timer_cancel(NULL, 99));
    CHECK_STATUS(C4P_ERR_ARG, c4p_post(NULL, no_post, NULL));
    CHECK_STATUS(C4P_ERR_ARG, c4p_post(rt, NULL, NULL));
    c4p_reply_t reply;
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_reply_take(rt, msg, &reply)); /* no method runs */
    CHECK_STATUS(C4P_ERR_ARG, c4p_reply_take(NULL, msg, &reply));
    CHECK_STATUS(C4P_ERR_ARG, c4p_reply_send(rt, NULL, NULL, false));
    reply = (c4p_reply_t){.kind = 99};
    CHECK_STATUS(C4P_ERR_ARG, c4p_reply_send(rt, &reply, NULL, false));

    CHECK_EQ(5, rts_number_in(msg)); /* still ours, and as it was */
    CHECK(c4p_msg_exclusive(msg));
    c4p_msg_free(msg);
    c4p_msg_free(NULL);
    rts_settle(rt);

    /* The runtime is none the worse. */
    CHECK_OK(c4p_call(rt, rts_ref(group, 0), entry, rts_number(rt, 1), rts_future(rt, 1, &wait)));
    rts_settle(rt);
    CHECK_EQ(1, wait.values);
    rts_close(rt);
}

static void
contributions_are_checked(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "T");
    const int ranks = c4p_num_ranks(rt);
    c4p_coll_t group;
    c4p_reduce_t how = {.op = C4P_OP_SUM, .dtype = C4P_INT64};
    c4p_target_t none = {0}, bad;
    int64_t data[2] = {1, 2};
    uint64_t number = 4711;
    rts_wait_t wait;
    static char meta[5000];

    CHECK_OK(c4p_start(rt));
    CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
    const c4p_ref_t me = rts_ref(group, c4p_rank(rt));
    CHECK_STATUS(C4P_ERR_ARG, c4p_contribute(NULL, me, &how, data, 8, &none, &number));
    CHECK_STATUS(C4P_ERR_ARG, c4p_contribute(rt, me, NULL, data, 8, &none, &number));
    CHECK_STATUS(C4P_ERR_ARG, c4p_contribute(rt, me, &how, data, 8, NULL, &number));
    CHECK_STATUS(C4P_ERR_ARG, c4p_contribute(rt, me, &how, NULL, 8, &none, &number));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_contribute(rt, rts_ref(group, c4p_rank(rt) + 1), &how, data,
                                                   8, &none, &number));
    CHECK_STATUS(C4P_ERR_NOT_FOUND,
                 c4p_contribute(rt, rts_ref(0, 0), &how, data, 8, &none, &number));
    static const struct {
        c4p_reduce_t how;
        size_t len;
        c4p_status_t want;
    } bads[] = {
        {{.op = C4P_OP_SUM, .dtype = C4P_INT64}, 7, C4P_ERR_TYPE},
        {{.op = C4P_OP_SUM, .dtype = 0}, 8, C4P_ERR_TYPE},
        {{.op = C4P_OP_SUM, .dtype = 14}, 8, C4P_ERR_TYPE},
        {{.op = C4P_OP_SUM, .dtype = C4P_BOOL}, 8, C4P_ERR_TYPE},
        {{.op = C4P_OP_MAX, .dtype = C4P_COMPLEX64}, 8, C4P_ERR_TYPE},
        {{.op = C4P_OP_BIT_OR, .dtype = C4P_FLOAT64}, 8, C4P_ERR_TYPE},
        {{.op = C4P_OP_SUM_COMPENSATED, .dtype = C4P_INT32}, 8, C4P_ERR_TYPE},
        {{.op = C4P_OP_MINLOC, .dtype = C4P_COMPLEX128}, 16, C4P_ERR_TYPE},
        {{.op = C4P_OP_MINLOC, .dtype = C4P_INT64}, 8, C4P_ERR_TYPE},
        {{.op = (c4p_op_t)18, .dtype = C4P_INT64}, 8, C4P_ERR_ARG},
        {{.op = C4P_OP_CUSTOM, .custom = 5}, 8, C4P_ERR_NOT_FOUND},
        {{.op = C4P_OP_SUM, .dtype = C4P_INT64, .meta = meta, .meta_len = 4097}, 8, C4P_ERR_RANGE},
        {{.op = C4P_OP_SUM, .dtype = C4P_INT64, .meta_len = 8}, 8, C4P_ERR_ARG},
    };
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        c4p_status_t st = c4p_contribute(rt, me, &bads[i].how, data, bads[i].len, &none, &number);
        if (st != bads[i].want)
            FAIL("contribution %zu: expected %s, got %s", i, c4p_status_name(bads[i].want),
                 c4p_status_name(st));
    }
    static const uint32_t kinds[] = {C4P_TARGET_FUTURE, C4P_TARGET_ELEMENT, C4P_TARGET_BROADCAST,
                                     C4P_TARGET_HANDLER};
    for (int i = 0; i < 4; i++) { /* of a rank that does not exist */
        bad =
            (c4p_target_t){.kind = kinds[i],
                           .number = (uint64_t)ranks << (kinds[i] == C4P_TARGET_HANDLER ? 32 : 40)};
        bad.ref.coll = (c4p_coll_t)ranks << 40 | 1;
        CHECK_STATUS(C4P_ERR_RANGE, c4p_contribute(rt, me, &how, data, 8, &bad, &number));
        CHECK_STATUS(C4P_ERR_RANGE, c4p_detect_quiescence(rt, &bad));
    }
    bad = (c4p_target_t){.kind = 5};
    CHECK_STATUS(C4P_ERR_ARG, c4p_contribute(rt, me, &how, data, 8, &bad, &number));
    CHECK_STATUS(C4P_ERR_ARG, c4p_detect_quiescence(rt, &bad));
    CHECK_STATUS(C4P_ERR_ARG, c4p_detect_quiescence(NULL, &none));
    CHECK_STATUS(C4P_ERR_ARG, c4p_detect_quiescence(rt, NULL));
    CHECK_EQ(4711, number);

    /* Not one of them counted: this is the first. */
    MPI_Bcast(&group, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    c4p_future_t future = c4p_rank(rt) == 0 ? rts_future(rt, 1, &wait) : 0;
    MPI_Bcast(&future, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    rts_settle(rt);
    const c4p_target_t target = rts_to_future(future);
    CHECK_OK(c4p_contribute(rt, rts_ref(group, c4p_rank(rt)), &how, data, 16, &target, &number));
    CHECK_EQ(rts_counter_base(), number);
    rts_settle(rt);
    if (c4p_rank(rt) == 0) {
        c4p_result_t result;
        CHECK_OK(c4p_result_get(wait.kept, &result));
        CHECK_EQ(ranks, ((int64_t *)result.data)[0]);
        CHECK_EQ(2 * ranks, ((int64_t *)result.data)[1]);
        rts_wait_end(&wait);
    }

    c4p_msg_t *plain = rts_number(rt, 1);
    c4p_result_t result;
    c4p_gathered_t part;
    size_t at = 0;
    CHECK_STATUS(C4P_ERR_TYPE, c4p_result_get(plain, &result));
    CHECK_STATUS(C4P_ERR_TYPE, c4p_result_get(NULL, &result));
    CHECK(!c4p_msg_is_result(plain) && !c4p_msg_is_result(NULL));
    CHECK(!c4p_gathered_next(plain, &at, &part));
    CHECK_EQ(0, c4p_gathered_count(plain));
    c4p_msg_free(plain);
    CHECK_EQ(0, c4p_dtype_size(0));
    CHECK_EQ(0, c4p_dtype_size((c4p_dtype_t)14));
    char buf[64];
    at = 0;
    CHECK_STATUS(C4P_ERR_ARG, c4p_tuple_add(NULL, 64, &at, C4P_OP_SUM, C4P_INT64, data, 8));
    CHECK_STATUS(C4P_ERR_ARG, c4p_tuple_add(buf, 64, NULL, C4P_OP_SUM, C4P_INT64, data, 8));
    CHECK_STATUS(C4P_ERR_ARG, c4p_tuple_add(buf, 64, &at, C4P_OP_SUM, C4P_INT64, NULL, 8));
    CHECK_STATUS(C4P_ERR_TYPE, c4p_tuple_add(buf, 64, &at, C4P_OP_SUM, C4P_INT64, data, 9));
    CHECK_STATUS(C4P_ERR_TYPE, c4p_tuple_add(buf, 64, &at, C4P_OP_GATHER, C4P_INT64, data, 8));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_tuple_add(buf, 16, &at, C4P_OP_SUM, C4P_INT64, data, 8));
    rts_close(rt);
}

static void
null_runtimes_are_answered(void)
{
    int code;
    bool exited;
    uint32_t did;
    CHECK_STATUS(C4P_ERR_ARG, c4p_start(NULL));
    CHECK_STATUS(C4P_ERR_ARG, c4p_run(NULL, &code));
    CHECK_STATUS(C4P_ERR_ARG, c4p_run_until_quiescent(NULL, &exited));
    CHECK_STATUS(C4P_ERR_ARG, c4p_step(NULL, 1, &did));
    CHECK_STATUS(C4P_ERR_ARG, c4p_exit(NULL, 0));
    CHECK(!c4p_exiting(NULL));
    c4p_poll(NULL);
    c4p_gate(NULL, true);
    c4p_free(NULL);
    CHECK(c4p_type_name(NULL, 0) == NULL);
    CHECK(c4p_entry_name(NULL, 0, 0) == NULL);
    CHECK_STR_EQ("unknown status", c4p_strerror((c4p_status_t)12345));
}

TEST_CASES(init_refuses_what_it_does_not_know, options_out_of_range_are_refused,
           registration_is_checked, before_the_start_nothing_can_be_made_or_sent,
           creation_is_checked, sends_are_checked_and_leave_the_message_to_the_caller,
           contributions_are_checked, null_runtimes_are_answered)
