/* SPDX-License-Identifier: Apache-2.0 */
/* rt_badargs_test.c: a row for every public function: what it answers to NULL, to what is out of
 * range or of the wrong kind, and at the wrong time. tests/lint/bad_args.py sees to it that none is
 * forgotten. rt_args_test.c looks closer at some. */
#include <math.h>

#include "rt_support.h"

/* ---- rows ----------------------------------------------------------------------------------------- */

static int rows, wrong_rows;

static void
row(bool good, const char *call, const char *got)
{
    rows++;
    wrong_rows += !good;
    if (!good)
        fprintf(stderr, "%s: %s\n", call, got);
}

/* The call returns this status. */
#define REFUSED(want, call)                                                                        \
    do {                                                                                           \
        const c4p_status_t status_ = (call);                                                       \
        row(status_ == (want), #want " " #call, c4p_status_name(status_));                         \
    } while (0)
/* The call returns no status, but this. */
#define ANSWERS(want, call) row((want) == (call), #want " " #call, "another answer")
/* The call returns nothing, and does nothing. */
#define IGNORED(call) (call, row(true, #call, ""))
/* Takes what the runtime or c4p_msg_new() gave, as its header says; nothing to be refused. */
#define TAKES_VALID_ONES(function) row((function) != NULL, #function, "")

static void
end_rows(void)
{
    CHECK(rows > 0);
    CHECK_EQ(0, wrong_rows);
}

/* ---- what the rows stand on -------------------------------------------------------------------- */

typedef struct setting {
    c4p_rt_t *rt;
    c4p_type_t type;
    c4p_entry_t entry;
    c4p_typed_t typed;
    c4p_coll_t group, array, section, strange; /* the last of a rank that does not exist */
    c4p_ref_t mine;                            /* the group's element here */
    c4p_handler_t handler;
    c4p_msg_t *msg;
    int ranks;
} setting_t;

static const c4p_index_t one = {1, {1}}, seven_d = {7, {0}};
static const c4p_ref_t no_ref;
static const c4p_target_t nowhere;
static const c4p_reduce_t barrier = {.op = C4P_OP_NOP};

static void
nothing(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    (void)rt, (void)object, (void)msg, (void)ctx;
}

static void
typed_nothing(c4p_rt_t *rt, void *object, int n)
{
    (void)rt, (void)object, (void)n;
}

static void
handle(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    (void)rt, (void)msg, (void)ctx;
}

static void
do_nothing(c4p_rt_t *rt, void *ctx)
{
    (void)rt, (void)ctx;
}

static int
to_zero(c4p_rt_t *rt, const c4p_index_t *index, uint64_t arg, void *ctx)
{
    (void)rt, (void)index, (void)arg, (void)ctx;
    return 0;
}

static c4p_status_t
combine(c4p_rt_t *rt, const c4p_blob_t *parts, size_t n, void *ctx, c4p_msg_t **out)
{
    (void)n, (void)ctx;
    *out = rts_msg(rt, parts[0].data, parts[0].len);
    return C4P_OK;
}

static c4p_status_t
keep_plan(const c4p_lb_view_t *view, int *plan, void *ctx)
{
    (void)view, (void)plan, (void)ctx;
    return C4P_OK;
}

/* Registered, not started. */
static setting_t
open_setting(void)
{
    setting_t s = {.rt = rts_open(NULL)};
    s.type = rts_type(s.rt, "T");
    s.entry = rts_entry(s.rt, s.type, "e", nothing);
    CHECK_OK(
        c4p_entry_add_typed(s.rt, s.type, "typed", "int n", (c4p_any_fn_t)typed_nothing, &s.typed));
    CHECK_OK(c4p_handler_add(s.rt, "h", handle, NULL, &s.handler));
    s.ranks = c4p_num_ranks(s.rt);
    s.strange = (c4p_coll_t)s.ranks << 40 | 1;
    s.msg = rts_number(s.rt, 5);
    rows = wrong_rows = 0;
    return s;
}

static void
start_setting(setting_t *s)
{
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    CHECK_OK(c4p_start(s->rt));
    CHECK_OK(c4p_group_new(s->rt, s->type, NULL, 0, &s->group));
    s->mine = rts_ref(s->group, c4p_rank(s->rt));
    opts.ndims = 1;
    CHECK_OK(c4p_array_new(s->rt, s->type, &opts, NULL, &s->array));
    CHECK_OK(c4p_section_new(s->rt, s->type, &s->mine, 1, &s->section));
    rts_settle(s->rt);
}

static void
free_msg(setting_t *s)
{
    CHECK_EQ(5, rts_number_in(s->msg)); /* still ours, and as it was */
    CHECK(c4p_msg_exclusive(s->msg));
    c4p_msg_free(s->msg);
}

/* ---- without a runtime ------------------------------------------------------------------------------- */

static void
begin_and_end_rows(void)
{
    int code;
    bool exited;
    uint32_t did;
    REFUSED(C4P_ERR_ARG, c4p_init(NULL, NULL));
    REFUSED(C4P_ERR_ARG, c4p_init_comm(MPI_COMM_WORLD, NULL, NULL));
    REFUSED(C4P_ERR_ARG, c4p_init_comm_f(MPI_Comm_c2f(MPI_COMM_WORLD), NULL, NULL));
    REFUSED(C4P_ERR_ARG, c4p_start(NULL));
    REFUSED(C4P_ERR_ARG, c4p_run(NULL, &code));
    REFUSED(C4P_ERR_ARG, c4p_run_until_quiescent(NULL, &exited));
    REFUSED(C4P_ERR_ARG, c4p_run_for(NULL, 1, 1, &exited));
    REFUSED(C4P_ERR_ARG, c4p_step(NULL, 1, &did));
    REFUSED(C4P_ERR_ARG, c4p_exit(NULL, 0));
    REFUSED(C4P_ERR_ARG, c4p_before_fork(NULL));
    REFUSED(C4P_ERR_ARG, c4p_timer(NULL, 0, do_nothing, NULL, NULL));
    REFUSED(C4P_ERR_ARG, c4p_timer_cancel(NULL, 1));
    REFUSED(C4P_ERR_ARG, c4p_post(NULL, do_nothing, NULL));
    REFUSED(C4P_ERR_ARG, c4p_set_hooks(NULL, &(c4p_hooks_t){.struct_size = sizeof(c4p_hooks_t)}));
    REFUSED(C4P_ERR_ARG, c4p_stats(NULL, &(c4p_stats_t){.struct_size = sizeof(c4p_stats_t)}));
    IGNORED(c4p_free(NULL));
    IGNORED(c4p_poll(NULL));
    IGNORED(c4p_gate(NULL, true));
    IGNORED(c4p_log(NULL, C4P_LOG_ERROR, "nowhere"));
    IGNORED(c4p_report_line(NULL, "nowhere"));
    TAKES_VALID_ONES(c4p_abort);
}

static void
question_rows(void)
{
    c4p_setting_t setting;
    ANSWERS(false, c4p_exiting(NULL));
    ANSWERS(-1, c4p_rank(NULL));
    ANSWERS(0, c4p_num_ranks(NULL));
    ANSWERS(0, c4p_host_ranks(NULL));
    ANSWERS(-1, c4p_host_rank(NULL));
    ANSWERS(0, c4p_num_hosts(NULL));
    ANSWERS(-1, c4p_host_of(NULL, 0));
    ANSWERS(-1, c4p_host_next(NULL, 0, -1));
    ANSWERS(0.0, c4p_time_s(NULL));
    ANSWERS(0, c4p_backlog_bytes(NULL));
    ANSWERS(false, c4p_setting_get(SIZE_MAX, &setting));
    ANSWERS(false, c4p_setting_get(0, NULL));
    ANSWERS(0, strcmp("unknown status", c4p_strerror((c4p_status_t)12345)));
    ANSWERS(0, strcmp("unknown status", c4p_status_name((c4p_status_t)12345)));
    ANSWERS(70, c4p_exit_status((c4p_status_t)12345));
    ANSWERS(true, c4p_version_string() != NULL);
    ANSWERS(C4P_VERSION_NUMBER, c4p_version_number());
    ANSWERS(false, c4p_version_fits(-1));
    ANSWERS(true, c4p_type_name(NULL, 0) == NULL);
    ANSWERS(true, c4p_entry_name(NULL, 0, 0) == NULL);
    ANSWERS(0, c4p_self(NULL).coll);
    ANSWERS(0, c4p_set_self(NULL, no_ref).coll);
    ANSWERS(true, c4p_local(NULL, no_ref) == NULL);
    ANSWERS(0, c4p_local_count(NULL, 1));
    ANSWERS(false, c4p_checkpointing(NULL));
}

static void
chare_rows(void)
{
    const c4p_type_desc_t desc = {
        .struct_size = sizeof desc, .name = "U", .construct = rts_construct};
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    c4p_type_t type;
    c4p_entry_t entry;
    uint32_t number;
    c4p_coll_t coll;
    c4p_ref_t ref;
    c4p_coll_info_t info;
    c4p_reply_t reply = {.kind = C4P_REPLY_NONE};
    opts.ndims = 1;
    REFUSED(C4P_ERR_ARG, c4p_type_add(NULL, &desc, &type));
    REFUSED(C4P_ERR_ARG, c4p_entry_add(NULL, 0, "e", nothing, NULL, &entry));
    REFUSED(C4P_ERR_ARG, c4p_entry_find(NULL, 0, "e", &entry));
    REFUSED(C4P_ERR_ARG, c4p_map_add(NULL, "m", to_zero, NULL, &number));
    REFUSED(C4P_ERR_ARG, c4p_reducer_add(NULL, "r", combine, NULL, &number));
    REFUSED(C4P_ERR_ARG, c4p_reducer_find(NULL, "r", &number));
    REFUSED(C4P_ERR_ARG, c4p_handler_add(NULL, "h", handle, NULL, &number));
    REFUSED(C4P_ERR_ARG, c4p_group_new(NULL, 0, NULL, 0, &coll));
    REFUSED(C4P_ERR_ARG, c4p_array_new(NULL, 0, &opts, NULL, &coll));
    REFUSED(C4P_ERR_ARG, c4p_chare_new(NULL, 0, 0, NULL, 0, &ref));
    REFUSED(C4P_ERR_ARG, c4p_insert(NULL, 1, &one, -1, NULL));
    REFUSED(C4P_ERR_ARG, c4p_insert_awaited(NULL, 1, &one, -1, NULL, 1));
    REFUSED(C4P_ERR_ARG, c4p_insert_participant(NULL, 1, &one, -1, NULL));
    REFUSED(C4P_ERR_ARG, c4p_done_inserting(NULL, 1));
    REFUSED(C4P_ERR_ARG, c4p_destroy(NULL, no_ref));
    REFUSED(C4P_ERR_ARG, c4p_coll_info(NULL, 1, &info));
    REFUSED(C4P_ERR_ARG, c4p_suspended(NULL, no_ref, 0));
    REFUSED(C4P_ERR_ARG, c4p_migrate(NULL, no_ref, 0, NULL));
    REFUSED(C4P_ERR_ARG, c4p_reply_take(NULL, NULL, &reply));
    REFUSED(C4P_ERR_ARG, c4p_reply_detach(NULL, &reply));
    REFUSED(C4P_ERR_ARG, c4p_reply_send(NULL, &reply, NULL, false));
    ANSWERS(false, c4p_reply_wants_value(NULL));
    REFUSED(C4P_ERR_ARG, c4p_sync_join(NULL, no_ref));
    REFUSED(C4P_ERR_ARG, c4p_sync(NULL, no_ref, 0));
    REFUSED(C4P_ERR_ARG, c4p_section_new(NULL, 0, &no_ref, 1, &coll));
    REFUSED(C4P_ERR_ARG, c4p_section_contribute(NULL, 1, no_ref, &barrier, NULL, 0, &nowhere));
}

static void
message_rows(void)
{
    const c4p_object_ops_t ops = {0};
    c4p_msg_t *msg;
    c4p_typed_t typed = {0, 0};
    c4p_future_t future;
    REFUSED(C4P_ERR_ARG, c4p_msg_new(NULL, 8, &msg));
    REFUSED(C4P_ERR_ARG, c4p_msg_new_object(NULL, NULL, &ops, &msg));
    REFUSED(C4P_ERR_ARG, c4p_msg_attach(NULL, "x", 1, NULL, NULL));
    REFUSED(C4P_ERR_ARG, c4p_msg_lend(NULL, "x", 1, NULL, NULL));
    IGNORED(c4p_msg_free(NULL));
    TAKES_VALID_ONES(c4p_msg_object);
    TAKES_VALID_ONES(c4p_msg_data);
    TAKES_VALID_ONES(c4p_msg_len);
    TAKES_VALID_ONES(c4p_msg_trim);
    TAKES_VALID_ONES(c4p_msg_keep);
    TAKES_VALID_ONES(c4p_msg_exclusive);
    TAKES_VALID_ONES(c4p_msg_set_priority);
    TAKES_VALID_ONES(c4p_msg_set_tag);
    TAKES_VALID_ONES(c4p_msg_tag);
    TAKES_VALID_ONES(c4p_msg_source);
    REFUSED(C4P_ERR_ARG, c4p_send(NULL, no_ref, 0, NULL));
    REFUSED(C4P_ERR_ARG, c4p_call(NULL, no_ref, 0, NULL, 1));
    REFUSED(C4P_ERR_ARG, c4p_send_handler(NULL, 0, 0, NULL));
    REFUSED(C4P_ERR_ARG, c4p_bcast_handler(NULL, 0, NULL));
    REFUSED(C4P_ERR_ARG, c4p_bcast(NULL, 1, 0, NULL, C4P_BCAST_NO_REPLY, 0));
    REFUSED(C4P_ERR_ARG, c4p_entry_add_typed(NULL, 0, "t", "", (c4p_any_fn_t)do_nothing, &typed));
    REFUSED(C4P_ERR_ARG, c4p_entry_add_typed_around(NULL, 0, "t", "", (c4p_any_fn_t)do_nothing,
                                                    NULL, NULL, &typed));
    REFUSED(C4P_ERR_ARG, c4p_typed_find(NULL, no_ref, "t", &typed));
    REFUSED(C4P_ERR_ARG, c4p_signature_read(NULL, NULL, NULL, NULL, NULL));
    TAKES_VALID_ONES(c4p_typed_run);
    TAKES_VALID_ONES(c4p_typed_test);
    REFUSED(C4P_ERR_ARG, c4p_msg_args(NULL, typed, NULL, 0, &msg));
    REFUSED(C4P_ERR_ARG, c4p_send_args(NULL, no_ref, typed, NULL, 0));
    REFUSED(C4P_ERR_ARG, c4p_future_new(NULL, 1, rts_on_value, NULL, &future));
    REFUSED(C4P_ERR_ARG, c4p_future_send(NULL, 1, NULL, false));
    IGNORED(c4p_future_free(NULL, 1));
    IGNORED(c4p_future_discard(NULL, 1));
}

static void
value_rows(void)
{
    c4p_key_t key;
    c4p_result_t result;
    c4p_gathered_t part;
    c4p_checkpoint_result_t written;
    char buf[64] = {0};
    size_t at = 0;
    c4p_op_t op;
    c4p_dtype_t dtype;
    const void *data;
    uint64_t len;
    REFUSED(C4P_ERR_ARG, c4p_index_pack(NULL, &key));
    REFUSED(C4P_ERR_ARG, c4p_index_pack(&one, NULL));
    REFUSED(C4P_ERR_RANGE, c4p_index_pack(&seven_d, &key));
    IGNORED(c4p_index_unpack((c4p_key_t){{0, 0}}, 1, NULL));
    ANSWERS(0, c4p_index_max(0));
    ANSWERS(0, c4p_index_max(7));
    REFUSED(C4P_ERR_TYPE, c4p_result_get(NULL, &result));
    ANSWERS(false, c4p_msg_is_result(NULL));
    ANSWERS(false, c4p_gathered_next(NULL, &at, &part));
    ANSWERS(0, c4p_gathered_count(NULL));
    ANSWERS(SIZE_MAX, c4p_tuple_size(UINT64_MAX));
    REFUSED(C4P_ERR_ARG, c4p_tuple_add(NULL, 64, &at, C4P_OP_SUM, C4P_INT64, buf, 8));
    ANSWERS(false, c4p_tuple_next(NULL, 0, &at, &op, &dtype, &data, &len));
    ANSWERS(false, c4p_tuple_next(buf, sizeof buf, NULL, &op, &dtype, &data, &len));
    ANSWERS(0, c4p_dtype_size((c4p_dtype_t)0));
    ANSWERS(0, c4p_dtype_size((c4p_dtype_t)99));
    REFUSED(C4P_ERR_ARG, c4p_contribute(NULL, no_ref, &barrier, NULL, 0, &nowhere, NULL));
    REFUSED(C4P_ERR_ARG, c4p_detect_quiescence(NULL, &nowhere));
    REFUSED(C4P_ERR_ARG, c4p_checkpoint(NULL, "dir", no_ref, &nowhere));
    REFUSED(C4P_ERR_ARG, c4p_checkpoint_result(NULL, &written));
    REFUSED(C4P_ERR_ARG, c4p_restart(NULL, "dir"));
    REFUSED(C4P_ERR_ARG, c4p_checkpoint_set_key(NULL, "file"));
    REFUSED(C4P_ERR_ARG, c4p_checkpoint_set_hooks(NULL, NULL));
    TAKES_VALID_ONES(c4p_put_u8);
    TAKES_VALID_ONES(c4p_put_u32);
    TAKES_VALID_ONES(c4p_put_u64);
    TAKES_VALID_ONES(c4p_put_f64);
    TAKES_VALID_ONES(c4p_put_bytes);
    TAKES_VALID_ONES(c4p_put_blob);
    TAKES_VALID_ONES(c4p_get_u8);
    TAKES_VALID_ONES(c4p_get_u32);
    TAKES_VALID_ONES(c4p_get_u64);
    TAKES_VALID_ONES(c4p_get_f64);
    TAKES_VALID_ONES(c4p_get_bytes);
    TAKES_VALID_ONES(c4p_get_blob);
    TAKES_VALID_ONES(c4p_pup_fail);
    TAKES_VALID_ONES(c4p_pup_status);
}

static void
balance_rows(void)
{
    const int rank = 0;
    const double load = -1;
    const c4p_lb_view_t bad = {.struct_size = sizeof bad,
                               .num_ranks = 1,
                               .num_nodes = 1,
                               .num_objects = 1,
                               .load = &load,
                               .rank = &rank};
    c4p_lb_worth_t worth;
    const char *why;
    int plan = 0;
    ANSWERS(false, c4p_lb_builtin(-1, NULL, NULL));
    ANSWERS(false, c4p_lb_builtin(1000, NULL, NULL));
    ANSWERS(true, c4p_lb_find(NULL) == NULL);
    ANSWERS(true, c4p_lb_find("no such one") == NULL);
    REFUSED(C4P_ERR_NOT_FOUND, c4p_lb_check("no such one", &bad, &why));
    REFUSED(C4P_ERR_ARG, c4p_lb_check("greedy", NULL, &why));
    REFUSED(C4P_ERR_ARG, c4p_lb_check("greedy", &bad, &why));
    REFUSED(C4P_ERR_NOT_FOUND, c4p_lb_run(NULL, &bad, &plan));
    REFUSED(C4P_ERR_ARG, c4p_lb_run("greedy", NULL, &plan));
    REFUSED(C4P_ERR_ARG, c4p_lb_run("greedy", &bad, &plan));
    REFUSED(C4P_ERR_ARG, c4p_lb_run("greedy", &bad, NULL));
    REFUSED(C4P_ERR_ARG, c4p_lb_judge(NULL, &plan, &worth));
    REFUSED(C4P_ERR_ARG, c4p_lb_judge(&bad, &plan, &worth));
    REFUSED(C4P_ERR_ARG, c4p_lb_add(NULL, "mine", keep_plan, NULL));
    REFUSED(C4P_ERR_ARG, c4p_lb_use(NULL, "greedy"));
    REFUSED(C4P_ERR_ARG, c4p_lb_measure(NULL, true));
    REFUSED(C4P_ERR_ARG, c4p_lb_graph(NULL, true));
    REFUSED(C4P_ERR_ARG, c4p_lb_set_load(NULL, no_ref, 1));
    REFUSED(C4P_ERR_ARG, c4p_lb_predict(NULL, "last"));
    REFUSED(C4P_ERR_ARG, c4p_lb_period(NULL, 1));
    REFUSED(C4P_ERR_ARG, c4p_lb_speed(NULL, 1));
    REFUSED(C4P_ERR_ARG, c4p_set_movable(NULL, no_ref, true));
    REFUSED(C4P_ERR_ARG, c4p_lb_on_view(NULL, NULL, NULL));
    REFUSED(C4P_ERR_ARG, c4p_lb_on_round(NULL, NULL, NULL));
}

static void
without_a_runtime(void)
{
    rts_mpi();
    rows = wrong_rows = 0;
    begin_and_end_rows();
    question_rows();
    chare_rows();
    message_rows();
    value_rows();
    balance_rows();
    end_rows();
}

/* ---- what is out of range or of the wrong kind ------------------------------------------------- */

static void
target_rows(const setting_t *s)
{
    c4p_rt_t *rt = s->rt;
    const c4p_ref_t stranger = rts_ref(s->strange, 0), beyond = rts_ref(s->group, s->ranks);
    REFUSED(C4P_ERR_RANGE, c4p_send(rt, stranger, s->entry, s->msg));
    REFUSED(C4P_ERR_RANGE, c4p_send(rt, beyond, s->entry, s->msg));
    REFUSED(C4P_ERR_ARG, c4p_send(rt, rts_ref(s->section, 0), s->entry, s->msg));
    REFUSED(C4P_ERR_NOT_FOUND, c4p_send(rt, s->mine, 999, s->msg));
    REFUSED(C4P_ERR_RANGE, c4p_call(rt, s->mine, s->entry, s->msg, s->strange));
    REFUSED(C4P_ERR_RANGE, c4p_send_handler(rt, -1, s->handler, s->msg));
    REFUSED(C4P_ERR_NOT_FOUND, c4p_bcast_handler(rt, 999, s->msg));
    REFUSED(C4P_ERR_RANGE, c4p_future_send(rt, s->strange, s->msg, false));
    REFUSED(C4P_ERR_RANGE, c4p_bcast(rt, s->strange, s->entry, s->msg, C4P_BCAST_NO_REPLY, 0));
    REFUSED(C4P_ERR_NOT_FOUND, c4p_migrate(rt, rts_ref(s->array, 3), 0, NULL));
    REFUSED(C4P_ERR_RANGE, c4p_migrate(rt, s->mine, -1, NULL));
    REFUSED(C4P_ERR_RANGE, c4p_migrate(rt, s->mine, s->ranks, NULL));
    REFUSED(C4P_ERR_NOT_FOUND, c4p_sync_join(rt, beyond));
    REFUSED(C4P_ERR_NOT_FOUND, c4p_sync(rt, beyond, s->entry));
    REFUSED(C4P_ERR_ARG, c4p_sync(rt, s->mine, 999));
    REFUSED(C4P_ERR_STATE, c4p_sync(rt, s->mine, s->entry)); /* takes no part */
    REFUSED(C4P_ERR_NOT_FOUND, c4p_set_movable(rt, beyond, true));
    REFUSED(C4P_ERR_NOT_FOUND, c4p_suspended(rt, beyond, 1));
    ANSWERS(true, c4p_local(rt, beyond) == NULL);
    ANSWERS(0, c4p_local_count(rt, s->strange));
}

static void
creation_rows(const setting_t *s)
{
    c4p_rt_t *rt = s->rt;
    c4p_coll_t coll;
    c4p_ref_t ref;
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    REFUSED(C4P_ERR_NOT_FOUND, c4p_group_new(rt, 999, NULL, 0, &coll));
    REFUSED(C4P_ERR_RANGE, c4p_group_new(rt, s->type, NULL, s->strange, &coll));
    REFUSED(C4P_ERR_ARG, c4p_group_new(rt, s->type, NULL, 0, NULL));
    REFUSED(C4P_ERR_ARG, c4p_array_new(rt, s->type, &opts, NULL, &coll)); /* of no dimension */
    opts.ndims = 1;
    opts.map = 999;
    REFUSED(C4P_ERR_NOT_FOUND, c4p_array_new(rt, s->type, &opts, NULL, &coll));
    REFUSED(C4P_ERR_RANGE, c4p_chare_new(rt, s->type, s->ranks, NULL, 0, &ref));
    REFUSED(C4P_ERR_RANGE, c4p_insert(rt, s->array, &one, s->ranks, NULL));
    REFUSED(C4P_ERR_TYPE, c4p_insert(rt, s->group, &one, -1, NULL));
    REFUSED(C4P_ERR_ARG, c4p_insert_awaited(rt, s->array, NULL, -1, NULL, 0));
    REFUSED(C4P_ERR_RANGE, c4p_insert_awaited(rt, s->array, &one, -1, NULL, s->strange));
    REFUSED(C4P_ERR_RANGE, c4p_insert_participant(rt, s->strange, &one, -1, NULL));
    REFUSED(C4P_ERR_TYPE, c4p_done_inserting(rt, s->group));
    REFUSED(C4P_ERR_TYPE, c4p_destroy(rt, s->mine));
    REFUSED(C4P_ERR_ARG, c4p_section_new(rt, s->type, &s->mine, 0, &coll));
    REFUSED(C4P_ERR_RANGE, c4p_section_new(rt, s->type, &no_ref, 1, &coll));
    REFUSED(C4P_ERR_NOT_FOUND, c4p_section_new(rt, 999, &s->mine, 1, &coll));
    REFUSED(C4P_ERR_STATE, c4p_restart(rt, "dir")); /* there are collections */
}

static void
data_rows(const setting_t *s)
{
    c4p_rt_t *rt = s->rt;
    const int64_t number = 1;
    const c4p_reduce_t sum = {.op = C4P_OP_SUM, .dtype = C4P_INT64};
    const c4p_arg_t floating = {.kind = C4P_ARG_FLOATING, .of = C4P_ARG_OF_double};
    c4p_typed_t untyped = {s->type, s->entry};
    c4p_msg_t *msg;
    c4p_checkpoint_result_t written;
    c4p_typed_t typed;
    REFUSED(C4P_ERR_TYPE, c4p_contribute(rt, s->mine, &sum, &number, 7, &nowhere, NULL));
    REFUSED(C4P_ERR_TYPE,
            c4p_section_contribute(rt, s->section, s->mine, &sum, &number, 7, &nowhere));
    REFUSED(C4P_ERR_ARG, c4p_section_contribute(rt, s->group, s->mine, &sum, &number, 8, &nowhere));
    REFUSED(C4P_ERR_RANGE,
            c4p_section_contribute(rt, s->strange, s->mine, &sum, &number, 8, &nowhere));
    REFUSED(C4P_ERR_TYPE, c4p_msg_args(rt, s->typed, &floating, 1, &msg));
    REFUSED(C4P_ERR_ARG, c4p_msg_args(rt, s->typed, NULL, 0, &msg));
    REFUSED(C4P_ERR_NOT_FOUND, c4p_msg_args(rt, untyped, &floating, 1, &msg));
    REFUSED(C4P_ERR_TYPE, c4p_send_args(rt, s->mine, s->typed, &floating, 1));
    REFUSED(C4P_ERR_ARG,
            c4p_entry_add_typed(rt, s->type, "t", "sword n", (c4p_any_fn_t)do_nothing, &typed));
    REFUSED(C4P_ERR_ARG, c4p_entry_add_typed_around(rt, s->type, "t", "sword n",
                                                    (c4p_any_fn_t)do_nothing, NULL, NULL, &typed));
    REFUSED(C4P_ERR_NOT_FOUND, c4p_typed_find(rt, s->mine, "no such method", &typed));
    REFUSED(C4P_ERR_LIMIT, c4p_msg_attach(s->msg, s, SIZE_MAX, NULL, NULL));
    REFUSED(C4P_ERR_ARG, c4p_msg_lend(s->msg, NULL, 1, NULL, NULL));
    REFUSED(C4P_ERR_DATA, c4p_checkpoint_result(s->msg, &written));
    REFUSED(C4P_ERR_ARG, c4p_checkpoint(rt, "", no_ref, &nowhere));
    REFUSED(C4P_ERR_ARG, c4p_checkpoint_set_key(rt, ""));
    REFUSED(C4P_ERR_ARG, c4p_run_for(rt, 0, 0, NULL));
    REFUSED(C4P_ERR_ARG, c4p_timer(rt, NAN, do_nothing, NULL, NULL));
    REFUSED(C4P_ERR_NOT_FOUND, c4p_timer_cancel(rt, 99));
    REFUSED(C4P_ERR_STATE, c4p_start(rt)); /* a second time */
    ANSWERS(-1, c4p_host_of(rt, s->ranks));
    ANSWERS(-1, c4p_host_next(rt, 99, -1));
    IGNORED(c4p_future_discard(rt, 99));
}

static void
balancer_rows(const setting_t *s)
{
    c4p_rt_t *rt = s->rt;
    REFUSED(C4P_ERR_ARG, c4p_lb_add(rt, "", keep_plan, NULL));
    REFUSED(C4P_ERR_EXISTS, c4p_lb_add(rt, "greedy", keep_plan, NULL));
    REFUSED(C4P_ERR_NOT_FOUND, c4p_lb_use(rt, "no such one"));
    REFUSED(C4P_ERR_NOT_FOUND, c4p_lb_set_load(rt, no_ref, 1));
    REFUSED(C4P_ERR_ARG, c4p_lb_set_load(rt, s->mine, -1));
    REFUSED(C4P_ERR_NOT_FOUND, c4p_lb_predict(rt, "no such one"));
    REFUSED(C4P_ERR_RANGE, c4p_lb_predict(rt, "mean:65"));
    REFUSED(C4P_ERR_ARG, c4p_lb_speed(rt, -1));
}

static void
what_does_not_fit(void)
{
    setting_t s = open_setting();
    start_setting(&s);
    target_rows(&s);
    creation_rows(&s);
    data_rows(&s);
    balancer_rows(&s);
    end_rows();
    free_msg(&s);
    rts_settle(s.rt); /* nothing that was refused is being waited for */
    rts_close(s.rt);
}

/* ---- at the wrong time -------------------------------------------------------------------------- */

/* Before the start, and after the end. */
static void
rows_of_a_runtime_that_does_not_run(const setting_t *s)
{
    c4p_rt_t *rt = s->rt;
    const c4p_arg_t number = {.kind = C4P_ARG_SIGNED, .of = C4P_ARG_OF_int};
    const c4p_coll_t coll = s->array ? s->array : 1, section = s->section ? s->section : 1;
    c4p_coll_t new_coll;
    c4p_ref_t ref;
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    opts.ndims = 1;
    REFUSED(C4P_ERR_STATE, c4p_step(rt, 1, NULL));
    REFUSED(C4P_ERR_STATE, c4p_group_new(rt, s->type, NULL, 0, &new_coll));
    REFUSED(C4P_ERR_STATE, c4p_array_new(rt, s->type, &opts, NULL, &new_coll));
    REFUSED(C4P_ERR_STATE, c4p_chare_new(rt, s->type, 0, NULL, 0, &ref));
    REFUSED(C4P_ERR_STATE, c4p_insert(rt, coll, &one, -1, NULL));
    REFUSED(C4P_ERR_STATE, c4p_insert_awaited(rt, coll, &one, -1, NULL, 0));
    REFUSED(C4P_ERR_STATE, c4p_insert_participant(rt, coll, &one, -1, NULL));
    REFUSED(C4P_ERR_STATE, c4p_done_inserting(rt, coll));
    REFUSED(C4P_ERR_STATE, c4p_destroy(rt, rts_ref(coll, 0)));
    REFUSED(C4P_ERR_STATE, c4p_section_new(rt, s->type, &s->mine, 1, &new_coll));
    REFUSED(C4P_ERR_STATE,
            c4p_section_contribute(rt, section, s->mine, &barrier, NULL, 0, &nowhere));
    REFUSED(C4P_ERR_STATE, c4p_contribute(rt, s->mine, &barrier, NULL, 0, &nowhere, NULL));
    REFUSED(C4P_ERR_STATE, c4p_send(rt, s->mine, s->entry, s->msg));
    REFUSED(C4P_ERR_STATE, c4p_call(rt, s->mine, s->entry, s->msg, 1));
    REFUSED(C4P_ERR_STATE, c4p_send_args(rt, s->mine, s->typed, &number, 1));
    REFUSED(C4P_ERR_STATE, c4p_send_handler(rt, 0, s->handler, s->msg));
    REFUSED(C4P_ERR_STATE, c4p_bcast_handler(rt, s->handler, s->msg));
    REFUSED(C4P_ERR_STATE, c4p_bcast(rt, coll, s->entry, s->msg, C4P_BCAST_NO_REPLY, 0));
    REFUSED(C4P_ERR_STATE, c4p_future_send(rt, 1, s->msg, false));
    REFUSED(C4P_ERR_STATE, c4p_detect_quiescence(rt, &nowhere));
    REFUSED(C4P_ERR_STATE, c4p_checkpoint(rt, "dir", no_ref, &nowhere));
    REFUSED(C4P_ERR_STATE, c4p_restart(rt, "dir"));
}

static void
before_the_start_and_after_the_end(void)
{
    setting_t s = open_setting();
    int code;
    REFUSED(C4P_ERR_STATE, c4p_run(s.rt, &code));
    REFUSED(C4P_ERR_STATE, c4p_run_until_quiescent(s.rt, NULL));
    REFUSED(C4P_ERR_STATE, c4p_run_for(s.rt, 1, 0, NULL));
    REFUSED(C4P_ERR_STATE, c4p_exit(s.rt, 0));
    rows_of_a_runtime_that_does_not_run(&s);
    start_setting(&s);
    if (c4p_rank(s.rt) == 0)
        CHECK_OK(c4p_exit(s.rt, 5));
    CHECK_OK(c4p_run(s.rt, &code));
    REFUSED(C4P_ERR_STATE, c4p_start(s.rt));
    rows_of_a_runtime_that_does_not_run(&s);
    REFUSED(C4P_OK, c4p_run(s.rt, &code)); /* returns the same again */
    CHECK_EQ(5, code);
    end_rows();
    free_msg(&s);
    c4p_free(s.rt);
}

static void
inside_rows(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    c4p_reply_t reply;
    int code;
    (void)object, (void)ctx;
    REFUSED(C4P_ERR_STATE, c4p_start(rt));
    REFUSED(C4P_ERR_STATE, c4p_run(rt, &code));
    REFUSED(C4P_ERR_STATE, c4p_run_until_quiescent(rt, NULL));
    REFUSED(C4P_ERR_STATE, c4p_run_for(rt, 1, 0, NULL));
    REFUSED(C4P_ERR_STATE, c4p_step(rt, 1, NULL));
    REFUSED(C4P_ERR_STATE, c4p_restart(rt, "dir"));
    REFUSED(C4P_ERR_NOT_FOUND, c4p_reply_take(rt, msg, &reply)); /* nobody waits */
}

static void
inside_an_entry_method(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "T");
    c4p_entry_t entry = rts_entry(rt, type, "inside", inside_rows);
    c4p_coll_t group;
    rows = wrong_rows = 0;
    CHECK_OK(c4p_start(rt));
    CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
    CHECK_OK(c4p_send(rt, rts_ref(group, c4p_rank(rt)), entry, rts_number(rt, 1)));
    rts_settle(rt);
    end_rows();
    rts_close(rt);
}

TEST_CASES(without_a_runtime, what_does_not_fit, before_the_start_and_after_the_end,
           inside_an_entry_method)
