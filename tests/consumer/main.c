/* SPDX-License-Identifier: Apache-2.0 */
/* A program outside the project: a group with one member on each rank, and one sum over it. With
 * CONSUMER_MPI it starts on a communicator of its own, which needs c4p/mpi.h. */
#include <stdio.h>
#include <string.h>

#include <c4p/c4p.h>
#ifdef CONSUMER_MPI
#include <c4p/mpi.h>
#endif

typedef struct member {
    c4p_ref_t self;
} member_t;

static c4p_status_t
member_new(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    static member_t member; /* one on each rank */
    (void)rt, (void)args, (void)ctx;
    member.self = self;
    *object_out = &member;
    return C4P_OK;
}

static void
member_free(c4p_rt_t *rt, void *object, void *ctx)
{
    (void)rt, (void)object, (void)ctx;
}

/* Entry method: give rank + 1 to the sum that goes where the message says. */
static void
member_add(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    const member_t *member = object;
    const int64_t mine = c4p_rank(rt) + 1;
    const c4p_reduce_t sum = {.op = C4P_OP_SUM, .dtype = C4P_INT64};
    c4p_target_t to;

    (void)ctx;
    memcpy(&to, c4p_msg_data(msg), sizeof to);
    if (c4p_contribute(rt, member->self, &sum, &mine, sizeof mine, &to, NULL) != C4P_OK)
        c4p_abort(rt, 1, "the contribution was refused");
}

/* The sum has come. */
static void
on_sum(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *msg, bool is_error, bool last, void *ctx)
{
    c4p_result_t result;
    int64_t sum = 0, n = c4p_num_ranks(rt);

    (void)future, (void)is_error, (void)last, (void)ctx;
    if (c4p_result_get(msg, &result) == C4P_OK && result.len == sizeof sum)
        memcpy(&sum, result.data, sizeof sum);
    printf("the sum over %d ranks is %d\n", (int)n, (int)sum);
    c4p_exit(rt, sum == n * (n + 1) / 2 ? 0 : 1);
}

/* On one rank: make the group and ask for the sum. */
static c4p_status_t
ask(c4p_rt_t *rt, c4p_type_t type, c4p_entry_t add)
{
    c4p_target_t to = {.kind = C4P_TARGET_FUTURE};
    c4p_coll_t group;
    c4p_msg_t *msg;
    c4p_status_t st;

    if ((st = c4p_group_new(rt, type, NULL, 0, &group)) != C4P_OK ||
        (st = c4p_future_new(rt, 1, on_sum, NULL, &to.number)) != C4P_OK ||
        (st = c4p_msg_new(rt, sizeof to, &msg)) != C4P_OK)
        return st;
    memcpy(c4p_msg_data(msg), &to, sizeof to);
    return c4p_bcast(rt, group, add, msg, C4P_BCAST_NO_REPLY, 0);
}

static c4p_status_t
work(c4p_rt_t *rt, int *exit_code)
{
    const c4p_type_desc_t desc = {.struct_size = sizeof desc,
                                  .name = "Member",
                                  .construct = member_new,
                                  .destroy = member_free};
    c4p_type_t type;
    c4p_entry_t add;
    c4p_status_t st;

    if ((st = c4p_type_add(rt, &desc, &type)) != C4P_OK ||
        (st = c4p_entry_add(rt, type, "add", member_add, NULL, &add)) != C4P_OK ||
        (st = c4p_start(rt)) != C4P_OK)
        return st;
    if (c4p_rank(rt) == 0 && (st = ask(rt, type, add)) != C4P_OK)
        return st;
    return c4p_run(rt, exit_code);
}

int
main(int argc, char **argv)
{
    c4p_rt_t *rt;
    int exit_code = 1;
    c4p_status_t st;

    (void)argc, (void)argv;
    if (!c4p_version_fits(C4P_VERSION_NUMBER)) {
        fprintf(stderr, "headers of %s, library of %s\n", C4P_VERSION_STRING, c4p_version_string());
        return 1;
    }
#ifdef CONSUMER_MPI
    MPI_Init(&argc, &argv);
    st = c4p_init_comm(MPI_COMM_WORLD, NULL, &rt);
#else
    st = c4p_init(NULL, &rt);
#endif
    if (st == C4P_OK) {
        st = work(rt, &exit_code);
        c4p_free(rt);
    }
    if (st != C4P_OK)
        fprintf(stderr, "%s\n", c4p_strerror(st));
#ifdef CONSUMER_MPI
    MPI_Finalize();
#endif
    return st == C4P_OK ? exit_code : c4p_exit_status(st);
}
