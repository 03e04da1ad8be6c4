/* SPDX-License-Identifier: Apache-2.0 */
/* rt_run_for_test.c: the scheduler for a while: so many messages, so many microseconds. */
#include "rt_support.h"

static int64_t calls;

static void
count_call(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    (void)object, (void)msg, (void)ctx;
    bool exited;
    CHECK_STATUS(C4P_ERR_STATE, c4p_run_for(rt, 1, 0, &exited));
    calls++;
}

/* Sends itself on for ever. */
static void
call_again(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    const rts_obj_t *obj = object;
    (void)msg;
    calls++;
    CHECK_OK(c4p_send(rt, obj->self, *(const c4p_entry_t *)ctx, rts_number(rt, 0)));
}

static void
run_for_ends_after_so_many_messages(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Member");
    c4p_entry_t entry = rts_entry(rt, type, "count", count_call);
    c4p_coll_t group;
    bool exited = true;
    CHECK_STATUS(C4P_ERR_STATE, c4p_run_for(rt, 1, 0, &exited));
    CHECK_STATUS(C4P_ERR_ARG, c4p_run_for(NULL, 1, 0, &exited));
    CHECK_OK(c4p_start(rt));
    CHECK_STATUS(C4P_ERR_ARG, c4p_run_for(rt, 0, 0, &exited));
    CHECK(exited); /* untouched */
    CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
    rts_settle(rt);
    calls = 0;
    for (int i = 0; i < 100; i++)
        CHECK_OK(c4p_send(rt, rts_ref(group, c4p_rank(rt)), entry, rts_number(rt, i)));
    static const int64_t parts[] = {1, 2, 16, 17, 64}; /* 100 in all */
    for (int64_t i = 0, sum = 0; i < 5; i++) {
        CHECK_OK(c4p_run_for(rt, (uint64_t)parts[i], UINT64_MAX, &exited));
        CHECK_EQ(sum += parts[i], calls);
        CHECK(!exited);
    }
    MPI_Barrier(MPI_COMM_WORLD); /* nobody exits before */
    rts_close(rt);
}

static void
run_for_ends_when_time_is_up_busy_or_idle(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Member");
    c4p_entry_t entry;
    c4p_coll_t group;
    bool exited = true;
    CHECK_OK(c4p_entry_add(rt, type, "again", call_again, &entry, &entry));
    CHECK_OK(c4p_start(rt));
    CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
    rts_settle(rt);
    calls = 0;
    for (int busy = 0; busy < 2; busy++) {
        if (busy)
            CHECK_OK(c4p_send(rt, rts_ref(group, c4p_rank(rt)), entry, rts_number(rt, 0)));
        const double begin_s = c4p_time_s(rt);
        CHECK_OK(c4p_run_for(rt, 0, 30000, &exited));
        const double took_s = c4p_time_s(rt) - begin_s;
        CHECK(!exited && took_s >= 0.03 && took_s < 10);
        CHECK(busy ? calls > 10 : calls == 0);
    }
    MPI_Barrier(MPI_COMM_WORLD); /* nobody exits before */
    rts_close(rt);
}

/* A contribution that is missing is no stall while the hosts come back and may give it. */
static void
run_for_is_no_stall_and_tells_of_the_exit(void)
{
    c4p_opts_t opts = C4P_OPTS_INIT;
    opts.stall_after_ms = 50;
    c4p_rt_t *rt = rts_open(&opts);
    c4p_type_t type = rts_type(rt, "Member");
    const c4p_reduce_t sum = {.op = C4P_OP_NOP};
    const c4p_target_t none = {0};
    bool exited = true;
    int code = -1;
    c4p_coll_t group = 0;
    CHECK_OK(c4p_start(rt));
    if (c4p_rank(rt) == 0)
        CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
    MPI_Bcast(&group, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    rts_settle(rt);
    if (c4p_rank(rt) > 0 || c4p_num_ranks(rt) == 1)
        CHECK_OK(c4p_contribute(rt, rts_ref(group, c4p_rank(rt)), &sum, NULL, 0, &none, NULL));
    CHECK_OK(c4p_run_for(rt, 0, 1500000, &exited));
    CHECK(!exited);
    MPI_Barrier(MPI_COMM_WORLD); /* the time of another rank may end later */
    if (c4p_rank(rt) == 0)
        CHECK_OK(c4p_exit(rt, 5));
    while (!exited)
        CHECK_OK(c4p_run_for(rt, 1000, 1000, &exited));
    CHECK_OK(c4p_run_for(rt, 1, 1, &exited)); /* as c4p_run() after the end */
    CHECK_OK(c4p_run(rt, &code));
    CHECK_EQ(5, code);
    c4p_free(rt);
}

TEST_CASES(run_for_ends_after_so_many_messages, run_for_ends_when_time_is_up_busy_or_idle,
           run_for_is_no_stall_and_tells_of_the_exit)
